//! Times in RFC 3339 format.

use serde::{Serialize, Serializer};

use crate::model::LocalTime;

/// A time with the UTC offset that the upstream's time zone had then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rest) struct Time(pub(in crate::rest) LocalTime);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.with_rfc3339(|text| serializer.serialize_str(text))
    }
}
