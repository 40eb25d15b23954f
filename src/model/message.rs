//! The log of an order.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

use super::{Extensible, FreeText, LocalTime, Pii, StrEnum};

/// Type of a log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// A failure.
    Error,
    /// Important information about the order.
    Alert,
    /// From activation and other automation.
    System,
    /// General information.
    Log,
}

impl StrEnum for MessageType {
    const ALL: &'static [Self] = &[Self::Error, Self::Alert, Self::System, Self::Log];

    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Alert => "alert",
            Self::System => "system",
            Self::Log => "log",
        }
    }
}

/// A log entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Message {
    /// Time of the entry.
    pub at: Option<LocalTime>,
    /// Type of the entry. Some entries have none.
    pub kind: Option<Extensible<MessageType>>,
    /// Text of the entry.
    pub text: Option<Pii<FreeText>>,
}

/// A log entry to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Type of the entry.
    pub kind: MessageType,
    /// Text of the entry: not blank, no control characters except line feed and tab.
    pub text: Pii<FreeText>,
}

/// A text with its letters composed (NFC), the form in which equal texts are compared and sent to the upstream.
#[must_use]
pub fn compose(text: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}
