//! Times as RFC 3339 text.

use serde::{Serialize, Serializer};

use crate::model::LocalTime;

/// A time with the offset that the order system's zone had then.
#[derive(Debug)]
pub(in crate::rest) struct Time(pub(in crate::rest) LocalTime);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
