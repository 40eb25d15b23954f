//! Counts where answers differ from what is known, by name and never by value.
//!
//! Every series is logged when it begins and counted from then on: a table and a metric on the ops port tell both.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, PoisonError};

use prometheus::IntCounter;
use serde::Serialize;

use super::methods::MethodSpec;
use crate::metrics::UpstreamMetrics;

/// In what way an answer differs from what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// An element that nothing reads, or text where there should be none.
    UnknownElement,
    /// A word that is in no list.
    UnknownWord,
    /// A date that is none, or the zero date.
    UnreadableDate,
    /// An item of a list that could not be read.
    UnreadableItem,
    /// Bytes in another character set than their label says, or control characters.
    Charset,
    /// An element that was always there is not.
    MissingElement,
    /// An attribute.
    Attribute,
    /// An entity that XML does not know.
    Entity,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownElement => "unknown_element",
            Self::UnknownWord => "unknown_word",
            Self::UnreadableDate => "unreadable_date",
            Self::UnreadableItem => "unreadable_item",
            Self::Charset => "charset",
            Self::MissingElement => "missing_element",
            Self::Attribute => "attribute",
            Self::Entity => "entity",
        }
    }
}

/// The counts of one upstream.
#[derive(Debug)]
pub struct SchemaDrift {
    metrics: UpstreamMetrics,
    seen: Mutex<BTreeMap<Series, IntCounter>>,
}

type Series = (&'static str, Kind, String);

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The name of the upstream.
    pub upstream: String,
    /// The legacy method whose answers it was in.
    pub call: &'static str,
    /// In what way they differ.
    pub kind: &'static str,
    /// The element, such as `order.status`; `envelope` for what stands around the data, `other` beyond 200 series.
    pub name: String,
    /// How often, since the gateway started.
    pub count: u64,
}

/// How many names are told apart; the upstream chooses the names, so their number needs a bound.
const MAX_SERIES: usize = 200;
/// The longest name that is kept.
const MAX_NAME: usize = 64;

impl SchemaDrift {
    pub(crate) const fn new(metrics: UpstreamMetrics) -> Self {
        Self { metrics, seen: Mutex::new(BTreeMap::new()) }
    }

    /// Counts one occurrence; the first of its series is logged.
    pub(crate) fn count(&self, call: &MethodSpec, kind: Kind, name: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = seen.len() >= MAX_SERIES;
        let mut series = (call.name, kind, label(name));
        if is_full && !seen.contains_key(&series) {
            "other".clone_into(&mut series.2);
        }
        match seen.entry(series) {
            Entry::Occupied(count) => count.get().inc(),
            Entry::Vacant(first) => {
                let name = first.key().2.clone();
                first.insert(self.metrics.drift(call.name, kind.as_str(), &name)).inc();
                drop(seen);
                tracing::warn!(
                    upstream = self.metrics.name(),
                    legacy.call = call.name,
                    kind = kind.as_str(),
                    name,
                    "an answer of the order system differs from what is known"
                );
            }
        }
    }

    /// Everything that was counted so far.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let row = |((call, kind, name), count): (&Series, &IntCounter)| Row {
            upstream: self.metrics.name().to_owned(),
            call,
            kind: kind.as_str(),
            name: name.clone(),
            count: count.get(),
        };
        seen.iter().map(row).collect()
    }
}

/// Element names come from outside: only those made of plain characters become labels.
fn label(name: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
    if name.len() <= MAX_NAME && name.chars().all(is_plain) { name.to_owned() } else { "other".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::legacy::methods::ORDERS;
    use crate::metrics::Metrics;

    #[test]
    fn names_beyond_the_bound_are_counted_together() {
        let drift = SchemaDrift::new(Metrics::default().upstream("default"));
        for number in 0..MAX_SERIES + 50 {
            drift.count(&ORDERS, Kind::UnknownElement, &format!("order.field{number}"));
        }
        drift.count(&ORDERS, Kind::UnknownElement, "order.field0");
        let rows = drift.rows();
        let count = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.count);
        assert_eq!((count("other"), count("order.field0"), rows.len()), (Some(50), Some(2), MAX_SERIES + 1));
    }

    #[test]
    fn a_name_that_is_no_plain_word_is_not_kept() {
        assert_eq!(label("order.status"), "order.status");
        assert_eq!(label("order.<b>"), "other");
        assert_eq!(label(&"x".repeat(65)), "other");
    }
}
