//! What is known so far of orders, or of customers.

use std::collections::BTreeMap;

use super::both::{Both, Which};
use super::field::FieldSet;
use super::report::Tally;
use super::side::Read;
use super::subject::Subject;
use super::values::{Differences, Values};

/// What is known of orders, or of customers.
pub(super) struct Progress {
    pub(super) subject: Subject,
    pub(super) tally: Tally,
    /// What differed at first, by id.
    pub(super) pending: BTreeMap<u64, First>,
    /// Ids that only one system has listed.
    pub(super) listed_once: Both<Vec<u64>>,
}

/// The fields of one order or customer that differed at first.
#[derive(Default, Clone, Copy)]
pub(super) struct First {
    pub(super) in_list: FieldSet,
    pub(super) in_details: FieldSet,
    /// Those that differed the second time too.
    pub(super) confirmed: FieldSet,
}

impl Progress {
    pub(super) fn new(subject: Subject) -> Self {
        Self { subject, tally: Tally::default(), pending: BTreeMap::new(), listed_once: Both::default() }
    }

    pub(super) fn is_settled(&self) -> bool {
        let Both { left, right } = &self.listed_once;
        self.pending.is_empty() && left.is_empty() && right.is_empty()
    }

    /// Reports what differed at first as different, if it could not be read again.
    pub(super) fn finish(&mut self) {
        for (id, first) in std::mem::take(&mut self.pending) {
            let fields = first.in_list.or(first.in_details);
            for field in fields.without(first.confirmed).iter() {
                self.tally.count(id, field, None);
            }
            self.tally.different.push((id, fields));
        }
        for which in [Which::Left, Which::Right] {
            self.tally.only.of_mut(which).append(self.listed_once.of_mut(which));
        }
        self.tally.sort();
    }

    pub(super) fn not_readable(&mut self, id: Option<u64>, which: Which) {
        self.tally.not_readable.push((id, which));
    }

    /// The values of both sides. What has none could not be read.
    pub(super) fn both(&mut self, id: u64, left: Read, right: Read) -> Option<(Box<Values>, Box<Values>)> {
        let mut values = |read, which| {
            let Read::Values(values) = read else {
                self.not_readable(Some(id), which);
                return None;
            };
            Some(values)
        };
        let (left, right) = (values(left, Which::Left), values(right, Which::Right));
        left.zip(right)
    }

    /// Counts the fields that differed before, and differ again.
    pub(super) fn confirm(&mut self, id: u64, before: FieldSet, again: &Differences) {
        let Some(first) = self.pending.get_mut(&id) else { return };
        for (field, how) in again {
            if before.contains(*field) && !first.confirmed.contains(*field) {
                first.confirmed = first.confirmed.with(*field);
                self.tally.count(id, *field, Some(*how));
            }
        }
    }
}
