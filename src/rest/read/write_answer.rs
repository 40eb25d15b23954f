//! Answers to writes.

use serde::Deserialize;

use super::value::{Object, Text, time};
use crate::model::{LocalTime, OrderStatus, StrEnum, Zone};

/// An answer that confirms a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rest) struct AddedMessage {
    /// The time of its entry, if the answer says.
    pub(in crate::rest) at: Option<LocalTime>,
}

#[derive(Debug, Deserialize)]
struct AddedMessageMembers<'a> {
    #[serde(borrow)]
    at: Option<Text<'a>>,
    r#type: Text<'a>,
    text: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct ChangedStatusMembers<'a> {
    #[serde(borrow)]
    status: Text<'a>,
}

impl AddedMessage {
    /// `None` if the JSON does not confirm a message. What it says of the time confirms nothing, so that may be wrong.
    pub(in crate::rest) fn read(json: &[u8], zone: &Zone) -> Option<Self> {
        let Object(AddedMessageMembers { at, r#type, text }) = serde_json::from_slice(json).ok()?;
        r#type.trimmed().and(text.trimmed())?;
        Some(Self { at: time(at, zone).ok().flatten() })
    }
}

/// Whether the JSON confirms that an order has this status.
pub(in crate::rest) fn has_status(json: &[u8], status: OrderStatus) -> bool {
    let members = serde_json::from_slice::<Object<ChangedStatusMembers<'_>>>(json);
    members.is_ok_and(|Object(ChangedStatusMembers { status: given })| given.trimmed() == Some(status.as_str()))
}
