//! The log of an order.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use super::enums::{MessageType, OpenMessageType};
use super::masked::{MaskedText, open_value};
use super::{Items, Time};
use crate::idempotency::IdempotencyMarker;
use crate::model::{self, FreeText, Pii, PiiAccess, PiiKind, Scope, Scopes, StrEnum, compose};
use crate::problem::Problem;
use crate::rest::extract::JsonObject;
use crate::writes::MessageReceipt;

/// A log entry of an order. Both the service provider and the network operator can read it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(in crate::rest) struct Message<'a> {
    /// Time of the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, format = DateTime, example = "2016-03-14T09:05:00+01:00")]
    at: Option<Time>,
    /// Type of the entry. Some entries have none.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = OpenMessageType, required = false)]
    kind: Option<Cow<'a, str>>,
    /// Text of the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    text: Option<MaskedText<'a>>,
    /// Derived from the `Idempotency-Key` with which the entry was added. In the log itself it is part of a marker before the
    /// text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "MZXW6YTBOI2A")]
    reference: Option<String>,
}

impl<'a> Message<'a> {
    /// Splits off the idempotency marker, then masks the text according to `pii_access`.
    pub(in crate::rest) fn new(entry: &'a model::Message, pii_access: PiiAccess) -> Self {
        let text = entry.text.as_ref().map(Pii::expose);
        let (reference, text) = match text.and_then(IdempotencyMarker::split) {
            Some((marker, text)) => (Some(marker.key_part), Some(text).filter(|text| !text.is_empty())),
            None => (None, text.map(Cow::from)),
        };
        let text = text.and_then(|text| view(text, pii_access));
        Self {
            at: entry.at.map(Time),
            kind: open_value(entry.kind.as_ref(), pii_access),
            text: text.map(MaskedText::new),
            reference,
        }
    }
}

/// A text as a principal with this access sees it.
fn view(text: Cow<'_, str>, pii_access: PiiAccess) -> Option<Cow<'_, str>> {
    match text {
        Cow::Borrowed(text) => FreeText::view(text, pii_access),
        Cow::Owned(text) => FreeText::view(&text, pii_access).map(|text| text.into_owned().into()),
    }
}

/// The log of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageList)]
pub(in crate::rest) struct MessageList<'a> {
    /// The log entries, in log order.
    #[schema(value_type = Vec<Message>)]
    items: Items<'a, model::Message, Message<'a>>,
}

impl<'a> MessageList<'a> {
    pub(in crate::rest) fn new(entries: &'a [model::Message], pii_access: PiiAccess) -> Self {
        Self { items: Items { models: entries, pii_access, convert: Message::new } }
    }
}

/// A message to add to an order's log.
#[derive(Debug, ToSchema)]
#[schema(as = MessageInput, example = json!({"type": "alert", "text": "Kunden nås bäst efter kl. 16"}))]
pub(in crate::rest) struct MessageInput {
    /// Type of the message.
    #[schema(value_type = MessageType)]
    r#type: model::MessageType,
    /// Text of the message: not blank, without control characters except line ends, which are sent as line feeds, and tabs, and
    /// without the pattern of an idempotency marker (`gw:` and 18 characters). The gateway sends it to the upstream
    /// percent-encoded in a request line of at most 8 000 bytes: a letter, digit or space takes 1 byte, other ASCII characters 3,
    /// `å` 6, an emoji 12. A text that does not fit is rejected (422) before anything is sent.
    #[schema(
        min_length = 1,
        max_length = 7900,
        pattern = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]*[^\s\x00-\x1f\x7f-\x9f\ufffe\uffff][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]*$"
    )]
    text: String,
}

/// Maximum length of a text, in characters. `schema` accepts literals only; a test compares them with this constant.
pub(in crate::rest) const MAX_TEXT: usize = 7_900;

impl MessageInput {
    /// Name of the schema in the OpenAPI document.
    pub(in crate::rest) const NAME: &'static str = "MessageInput";

    pub(in crate::rest) fn parse(mut body: JsonObject) -> Result<Self, Problem> {
        let kind = body.take_enum("type");
        let text = body.take_string("text").map(|text| text.replace("\r\n", "\n").replace('\r', "\n"));
        if let Some(Err(error)) = text.as_deref().map(check_text) {
            body.add_fault("text", error.to_string());
        }
        body.finish(kind.zip(text).map(|(r#type, text)| Self { r#type, text }))
    }
}

/// A text that cannot be sent to the upstream, or could not be recognised in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum InvalidText {
    #[error("must not be blank")]
    Blank,
    #[error("must not contain control characters other than line feed and tab")]
    ControlCharacter,
    #[error("must not contain U+FFFE or U+FFFF, which are not characters")]
    Noncharacter,
    #[error("must not contain the idempotency marker pattern (gw: and 18 characters)")]
    Marker,
    #[error("must not be longer than {MAX_TEXT} characters")]
    TooLong,
}

fn check_text(text: &str) -> Result<(), InvalidText> {
    if text.chars().all(char::is_whitespace) {
        Err(InvalidText::Blank)
    } else if text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t')) {
        Err(InvalidText::ControlCharacter)
    } else if text.contains(['\u{fffe}', '\u{ffff}']) {
        Err(InvalidText::Noncharacter)
    } else if IdempotencyMarker::split(text).is_some() {
        Err(InvalidText::Marker)
    } else if text.chars().count() > MAX_TEXT {
        Err(InvalidText::TooLong)
    } else {
        Ok(())
    }
}

impl From<MessageInput> for model::NewMessage {
    fn from(message: MessageInput) -> Self {
        Self { kind: message.r#type, text: message.text.into() }
    }
}

/// A message that was added to an order's log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AddedMessage)]
pub(in crate::rest) struct AddedMessage<'a> {
    /// Time of the log entry, if the upstream returned it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String, format = DateTime, example = "2016-03-14T09:05:00+01:00")]
    at: Option<Time>,
    /// Type of the message.
    #[serde(rename = "type")]
    #[schema(value_type = OpenMessageType)]
    kind: &'static str,
    /// Text of the message as it was sent; where the log was read, for clients that may read orders, as it stands in the log. The
    /// upstream may have truncated it.
    #[schema(example = "Kunden nås bäst efter kl. 16")]
    text: Cow<'a, str>,
    /// Derived from the `Idempotency-Key`; the order's messages show the same value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "MZXW6YTBOI2A")]
    reference: Option<&'a str>,
    /// Number of log entries with this message, if it was added more than once: several gateways used the same key at the same
    /// time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 2)]
    duplicate_count: Option<u64>,
}

impl<'a> AddedMessage<'a> {
    pub(in crate::rest) fn new(message: &'a model::NewMessage, receipt: &'a MessageReceipt, scopes: Scopes) -> Self {
        let sent = message.text.expose();
        let logged = receipt.text.as_ref().filter(|_| scopes.has(Scope::OrdersRead));
        let text = match logged.map(Pii::expose) {
            None => Some(sent.into()),
            // What the client sent itself is not masked.
            Some(logged) if is_part_of(logged, sent) => Some(logged.into()),
            Some(logged) => FreeText::view(logged, scopes.pii_access()),
        };
        Self {
            at: receipt.at.map(Time),
            kind: message.kind.as_str(),
            text: text.unwrap_or_default(),
            reference: receipt.reference.as_deref(),
            duplicate_count: receipt.duplicates.map(|count| count as u64),
        }
    }
}

/// Whether a text is another one or a part of it, whatever its white space and the composition of its letters.
fn is_part_of(part: &str, whole: &str) -> bool {
    let words = |text: &str| compose(text).split_whitespace().collect::<Vec<_>>().join(" ");
    words(whole).contains(&words(part))
}
