//! Schema drift: counts what the decoder does not know in an upstream's answers, by element name and never by value.
//!
//! The first occurrence of each series is logged. All are counted by a metric and listed by the drift report of the operations
//! port.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use parking_lot::Mutex;
use prometheus::IntCounter;
use serde::Serialize;

use super::methods::{MethodSpec, ORDER_INFO};
use crate::metrics::UpstreamMetrics;

/// How an answer differs from the known schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DriftKind {
    /// An element that no decoder reads, or text between elements.
    UnknownElement,
    /// An enum value that is not in the schema.
    UnknownValue,
    /// An element that every known answer has once occurs more than once.
    RepeatedElement,
    /// The id of something that the rest of the entity does not depend on cannot be parsed; it is left out.
    UnreadableId,
    /// A date in another form than the documented ones, which was read.
    DateFormat,
    /// Text that cannot be parsed as a date, or a zero date.
    UnreadableDate,
    /// A list item that could not be decoded.
    UndecodableItem,
    /// Bytes that are not in the declared character set, or control characters.
    Charset,
    /// Elements in a value, such as `<br>`; their tags are removed.
    MixedContent,
    /// An element that every known answer has is missing.
    MissingElement,
    /// An attribute; no decoder reads any.
    Attribute,
    /// An entity that XML does not define.
    Entity,
    /// The marker of a message that was confirmed is not in the log.
    MarkerLost,
}

impl DriftKind {
    /// The label value of the metric.
    const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownElement => "unknown_element",
            Self::UnknownValue => "unknown_word",
            Self::RepeatedElement => "repeated_element",
            Self::UnreadableId => "unreadable_id",
            Self::DateFormat => "date_format",
            Self::UnreadableDate => "unreadable_date",
            Self::UndecodableItem => "unreadable_item",
            Self::Charset => "charset",
            Self::MixedContent => "mixed_content",
            Self::MissingElement => "missing_element",
            Self::Attribute => "attribute",
            Self::Entity => "entity",
            Self::MarkerLost => "marker_lost",
        }
    }
}

/// The schema drift of one upstream.
#[derive(Debug)]
pub struct SchemaDrift {
    metrics: UpstreamMetrics,
    counts: Mutex<BTreeMap<Series, IntCounter>>,
}

/// Method name, kind and element name.
type Series = (&'static str, DriftKind, String);

/// One entry of the drift report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftEntry {
    /// The name of the upstream.
    pub upstream: String,
    /// The legacy method whose answers have the difference.
    pub call: &'static str,
    /// How the answers differ, as in the label of the metric.
    pub kind: &'static str,
    /// The element, such as `order.status`; `envelope` for what stands around the data, `other` beyond 200 series.
    pub name: String,
    /// Number of occurrences since the gateway started.
    pub count: u64,
}

/// Maximum number of series. The upstream chooses the names, so their number needs a bound.
const MAX_SERIES: usize = 200;
/// Maximum length of an element name, in bytes.
const MAX_NAME_LENGTH: usize = 64;

impl SchemaDrift {
    pub(crate) const fn new(metrics: UpstreamMetrics) -> Self {
        Self { metrics, counts: Mutex::new(BTreeMap::new()) }
    }

    /// Counts one occurrence, and logs it if it is the first of its series.
    pub(crate) fn count(&self, method: &MethodSpec, kind: DriftKind, name: &str) {
        let mut counts = self.counts.lock();
        let mut series = (method.name, kind, label(name));
        if counts.len() >= MAX_SERIES && !counts.contains_key(&series) {
            "other".clone_into(&mut series.2);
        }
        match counts.entry(series) {
            Entry::Occupied(count) => count.get().inc(),
            Entry::Vacant(vacant) => {
                let name = vacant.key().2.clone();
                vacant.insert(self.metrics.drift(method.name, kind.as_str(), &name)).inc();
                // Not logged under the lock, which every decoder of this upstream needs.
                drop(counts);
                tracing::warn!(
                    upstream = self.metrics.name(),
                    legacy.call = method.name,
                    kind = kind.as_str(),
                    name,
                    "schema drift: an answer of the upstream differs from the known schema"
                );
            }
        }
    }

    /// Counts a message that the upstream confirmed and whose marker is not in the order's log.
    pub(crate) fn count_lost_marker(&self) {
        self.count(&ORDER_INFO, DriftKind::MarkerLost, "log.message");
    }

    /// Everything counted so far, sorted by method, kind and name.
    #[must_use]
    pub fn entries(&self) -> Vec<DriftEntry> {
        let counts = self.counts.lock();
        let entry = |((method, kind, name), count): (&Series, &IntCounter)| DriftEntry {
            upstream: self.metrics.name().to_owned(),
            call: method,
            kind: kind.as_str(),
            name: name.clone(),
            count: count.get(),
        };
        counts.iter().map(entry).collect()
    }
}

/// The label value for an element name. Names come from the upstream: long ones and those with unusual characters, which could
/// be data, become `other`.
fn label(name: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
    if name.len() <= MAX_NAME_LENGTH && name.chars().all(is_plain) { name.to_owned() } else { "other".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::legacy::methods::ORDERS;
    use crate::metrics::Metrics;

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let drift = SchemaDrift::new(Metrics::default().upstream("default"));

        for number in 0..MAX_SERIES + 50 {
            drift.count(&ORDERS, DriftKind::UnknownElement, &format!("order.field{number}"));
        }
        drift.count(&ORDERS, DriftKind::UnknownElement, "order.field0");

        let entries = drift.entries();
        let count = |name: &str| entries.iter().find(|entry| entry.name == name).map(|entry| entry.count);
        assert_eq!((count("other"), count("order.field0"), entries.len()), (Some(50), Some(2), MAX_SERIES + 1));
    }

    #[test]
    fn unusual_names_are_not_used_as_labels() {
        assert_eq!(label("order.status"), "order.status");
        assert_eq!(label("order.<b>"), "other");
        assert_eq!(label(&"x".repeat(65)), "other");
    }
}
