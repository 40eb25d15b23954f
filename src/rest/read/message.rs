//! Log entries.

use serde::Deserialize;

use super::ReadError;
use super::value::{Text, open_value, text, time};
use crate::model::{Message, Zone};

/// The members of a log entry. `reference` stands for an idempotency key that the client of this gateway did not send.
#[derive(Debug, Deserialize)]
pub(super) struct MessageMembers<'a> {
    #[serde(borrow)]
    at: Option<Text<'a>>,
    r#type: Option<Text<'a>>,
    text: Option<Text<'a>>,
}

impl MessageMembers<'_> {
    pub(super) fn into_message(self, zone: &Zone) -> Result<Message, ReadError> {
        Ok(Message { at: time(self.at, zone)?, kind: open_value(self.r#type), text: text(self.text) })
    }
}
