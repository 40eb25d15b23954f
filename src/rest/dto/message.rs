//! The log of an order.

use serde::Serialize;
use utoipa::ToSchema;

use super::masked::MaskedText;
use super::{Time, enums};
use crate::idempotency::IdempotencyMarker;
use crate::model::{self, Extensible, FreeText, Pii, PiiAccess, PiiKind, StrEnum};
use crate::problem::Problem;
use crate::rest::extract::Members;
use crate::writes::MessageReceipt;

/// One row of an order's log. Both the service provider and the network operator see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(in crate::rest) struct Message<'a> {
    /// When the row was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, format = DateTime, example = "2016-03-14T09:05:00+01:00")]
    at: Option<Time>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = enums::message_type_as_read, required = false)]
    kind: Option<&'a str>,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    text: Option<MaskedText<'a>>,
    /// Stands for the `Idempotency-Key` with which the gateway added the row. In the log itself it stands before the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "MZXW6YTBOI2A")]
    reference: Option<String>,
}

impl<'a> Message<'a> {
    /// The row as somebody sees it.
    pub(in crate::rest) fn new(row: &'a model::Message, sight: PiiAccess) -> Self {
        let text = row.text.as_ref().map(Pii::expose);
        let (reference, text) = match text.and_then(IdempotencyMarker::split) {
            Some((marker, text)) => (Some(marker.key_part), Some(text).filter(|text| !text.is_empty())),
            None => (None, text),
        };
        let text = text.and_then(|text| FreeText::view(text, sight));
        Self {
            at: row.at.map(Time),
            kind: row.kind.as_ref().map(Extensible::as_str),
            text: text.map(MaskedText::new),
            reference,
        }
    }
}

/// The log of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageList)]
pub(in crate::rest) struct MessageList<'a> {
    /// The rows in the order of the log.
    items: Vec<Message<'a>>,
}

impl<'a> MessageList<'a> {
    /// The log as somebody sees it.
    pub(in crate::rest) fn new(rows: &'a [model::Message], sight: PiiAccess) -> Self {
        Self { items: rows.iter().map(|row| Message::new(row, sight)).collect() }
    }
}

/// A message for an order's log.
#[derive(Debug, ToSchema)]
#[schema(as = NewMessage, example = json!({"type": "alert", "text": "Kunden nås bäst efter kl. 16"}))]
pub(in crate::rest) struct NewMessage {
    #[schema(schema_with = enums::message_type_to_write)]
    r#type: model::MessageType,
    /// What the message says: not blank, and without control characters but line feed and tab. It travels to the order
    /// system inside a request line of at most 8 000 bytes, percent-encoded: a letter or digit takes 1 byte there, a space 1,
    /// other ASCII characters 3, `å` 6, an emoji 12. A text that does not fit is refused before anything is sent.
    #[schema(min_length = 1, max_length = 7900, pattern = r"\S")]
    text: String,
}

/// The longest text that is looked at, in characters.
const MAX_TEXT: usize = 7_900;

impl NewMessage {
    /// Its name in the OpenAPI document.
    pub(in crate::rest) const NAME: &'static str = "NewMessage";

    pub(in crate::rest) fn read(mut members: Members) -> Result<Self, Problem> {
        let kind = members.word("type");
        let text = members.text("text");
        if let Some(fault) = text.as_deref().and_then(fault_of_text) {
            members.fault("text", fault);
        }
        members.finish(kind.zip(text).map(|(r#type, text)| Self { r#type, text }))
    }
}

fn fault_of_text(text: &str) -> Option<&'static str> {
    if text.chars().all(char::is_whitespace) {
        Some("must not be blank")
    } else if text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t')) {
        Some("must not have control characters other than line feed and tab")
    } else if text.contains(['\u{fffe}', '\u{ffff}']) {
        Some("must not have U+FFFE or U+FFFF, which are no characters")
    } else if IdempotencyMarker::split(text).is_some() {
        Some("must not begin with gw: and 18 characters, by which the gateway knows repeated messages, be it after blanks")
    } else if text.chars().count() > MAX_TEXT {
        Some("must not be longer than 7900 characters")
    } else {
        None
    }
}

impl From<NewMessage> for model::NewMessage {
    fn from(message: NewMessage) -> Self {
        Self { kind: message.r#type, text: message.text.into() }
    }
}

/// A message that is in an order's log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AddedMessage)]
pub(in crate::rest) struct AddedMessage<'a> {
    /// When its row was written, where the order system told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, format = DateTime, example = "2016-03-14T09:05:00+01:00")]
    at: Option<Time>,
    #[serde(rename = "type")]
    #[schema(schema_with = enums::message_type_as_read)]
    kind: &'static str,
    /// What it says.
    #[schema(example = "Kunden nås bäst efter kl. 16")]
    text: &'a str,
    /// Stands for its `Idempotency-Key`, here and in the order's messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "MZXW6YTBOI2A")]
    reference: Option<&'a str>,
    /// How many times it is in the log, where that is more than once: the same key was in use by several gateways at the same
    /// time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 2)]
    duplicate_count: Option<u64>,
}

impl<'a> AddedMessage<'a> {
    pub(in crate::rest) fn new(message: &'a model::NewMessage, added: &'a MessageReceipt) -> Self {
        Self {
            at: added.at.map(Time),
            kind: message.kind.as_str(),
            text: message.text.expose(),
            reference: added.reference.as_deref(),
            duplicate_count: added.duplicates.map(|count| count as u64),
        }
    }
}
