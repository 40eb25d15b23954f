//! The log of an order.

use super::{Extensible, FreeText, LocalTime, Pii, StrEnum};

/// What a log row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// Something failed.
    Error,
    /// Something important about this order.
    Alert,
    /// From activation and other machinery.
    System,
    /// General.
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

/// One row of an order's log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// When the row was written.
    pub at: Option<LocalTime>,
    /// What it is about; some rows have no type.
    pub kind: Option<Extensible<MessageType>>,
    /// What it says.
    pub text: Option<Pii<FreeText>>,
}

/// A row to be added to an order's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// What it is about.
    pub kind: MessageType,
    /// What it says: not blank, no control characters but line feed and tab.
    pub text: Pii<FreeText>,
}
