//! What a comparison found: counts, ids and the names of fields, never a value.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use serde::Serialize;

use super::both::{Both, Which};
use super::field::{Field, FieldSet};
use super::subject::Subject;
use super::values::How;

/// What was compared, and what was found.
#[derive(Debug)]
pub struct Report {
    /// Why it is not the whole answer; `None` if it is.
    pub reason: Option<String>,
    /// The names of the systems.
    pub names: Both<String>,
    /// The first date.
    pub since: Date,
    /// The date before which orders were placed.
    pub until: Option<Date>,
    pub(super) orders: Tally,
    pub(super) customers: Option<Tally>,
    pub(super) unknown: Unknown,
    /// The calls of each system.
    pub calls: Both<u64>,
    /// How long it took.
    pub duration: Duration,
}

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The systems have the same.
    Equal,
    /// They do not.
    Different,
    /// Not all of it could be compared.
    NotCompared,
}

impl Outcome {
    /// The exit code of the program.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Equal => 0,
            Self::Different => 1,
            Self::NotCompared => 3,
        }
    }
}

/// What was found about orders, or about customers.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How many each system listed.
    pub(super) listed: Both<u64>,
    pub(super) equal: u64,
    /// Ids that only one system has.
    pub(super) only: Both<Vec<u64>>,
    pub(super) different: Vec<(u64, FieldSet)>,
    pub(super) moved: Vec<u64>,
    /// Ids, if they are known, and the side that could not be read.
    pub(super) not_readable: Vec<(Option<u64>, Which)>,
    pub(super) fields: BTreeMap<Field, FieldTally>,
}

/// What was found about one field.
#[derive(Debug, Default)]
pub(super) struct FieldTally {
    pub(super) count: u64,
    pub(super) missing: Both<u64>,
    pub(super) other_value: u64,
    /// Rows that only one system has.
    pub(super) rows: Both<usize>,
    /// The first ids.
    pub(super) examples: Vec<u64>,
}

const EXAMPLES: usize = 3;

impl Tally {
    pub(super) fn count(&mut self, id: u64, field: Field, how: Option<How>) {
        let tally = self.fields.entry(field).or_default();
        tally.count += 1;
        if tally.examples.len() < EXAMPLES {
            tally.examples.push(id);
        }
        match how {
            Some(How::MissingLeft) => tally.missing.left += 1,
            Some(How::MissingRight) => tally.missing.right += 1,
            Some(How::OtherValue) => tally.other_value += 1,
            Some(How::Rows { left, right }) => {
                tally.rows.left += left;
                tally.rows.right += right;
            }
            // Seen, and not looked at again.
            None => {}
        }
    }

    fn differs(&self) -> bool {
        !self.different.is_empty() || !self.only.left.is_empty() || !self.only.right.is_empty()
    }

    pub(super) fn sort(&mut self) {
        self.only.left.sort_unstable();
        self.only.right.sort_unstable();
        self.different.sort_unstable_by_key(|(id, _)| *id);
        self.moved.sort_unstable();
        self.not_readable.sort_unstable();
    }
}

/// Fields that a protocol cannot state: not compared where it is spoken.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Unknown {
    /// By the call that cannot state them.
    pub(super) in_calls: Vec<(&'static str, Vec<&'static str>)>,
}

impl Unknown {
    /// Every name once.
    fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.in_calls.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Report {
    /// How the comparison ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let mut tallies = [Some(&self.orders), self.customers.as_ref()].into_iter().flatten();
        if self.reason.is_some() {
            Outcome::NotCompared
        } else if tallies.any(Tally::differs) {
            Outcome::Different
        } else {
            Outcome::Equal
        }
    }

    /// The report as JSON, on one line.
    ///
    /// # Errors
    /// Never in practice: it consists of numbers and texts.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let Both { left, right } = &self.names;
        let tally = |tally, subject| JsonTally::new(tally, subject, &self.names);
        serde_json::to_string(&JsonReport {
            version: 1,
            result: self.outcome(),
            reason: self.reason.as_deref(),
            left,
            right,
            since: self.since.to_string(),
            until: self.until.map(|until| until.to_string()),
            orders: tally(&self.orders, Subject::Orders),
            customers: self.customers.as_ref().map(|customers| tally(customers, Subject::Customers)),
            not_known: self.unknown.names(),
            calls: JsonCalls { left: self.calls.left, right: self.calls.right },
            duration_ms: u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonReport<'a> {
    version: u32,
    result: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    left: &'a str,
    right: &'a str,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    orders: JsonTally<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customers: Option<JsonTally<'a>>,
    not_known: Vec<&'static str>,
    calls: JsonCalls,
    duration_ms: u64,
}

#[derive(Serialize)]
struct JsonCalls {
    left: u64,
    right: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonTally<'a> {
    left: u64,
    right: u64,
    equal: u64,
    only_left: &'a [u64],
    only_right: &'a [u64],
    different: Vec<JsonDifferent>,
    moved_meanwhile: &'a [u64],
    not_readable: Vec<JsonNotReadable<'a>>,
}

#[derive(Serialize)]
struct JsonDifferent {
    id: u64,
    fields: Vec<&'static str>,
}

#[derive(Serialize)]
struct JsonNotReadable<'a> {
    id: Option<u64>,
    system: &'a str,
}

impl<'a> JsonTally<'a> {
    fn new(tally: &'a Tally, subject: Subject, names: &'a Both<String>) -> Self {
        let fields = |set: FieldSet| set.iter().map(|field| subject.field_name(field)).collect();
        let not_readable = tally.not_readable.iter().map(|(id, which)| JsonNotReadable { id: *id, system: names.of(*which) });
        Self {
            left: tally.listed.left,
            right: tally.listed.right,
            equal: tally.equal,
            only_left: &tally.only.left,
            only_right: &tally.only.right,
            different: tally.different.iter().map(|(id, set)| JsonDifferent { id: *id, fields: fields(*set) }).collect(),
            moved_meanwhile: &tally.moved,
            not_readable: not_readable.collect(),
        }
    }
}

pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
