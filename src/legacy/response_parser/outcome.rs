//! What a response reports besides its data.

use crate::backend::Error;
use crate::legacy::decode_settings::DecodeSettings;
use crate::legacy::methods::MethodSpec;
use crate::model::UpstreamMessage;

/// The status of a response, and everything in it that is neither data nor envelope.
#[derive(Debug, Default)]
pub(crate) struct ResponseOutcome {
    status: Status,
    /// The value of a `status` inside `response`.
    inner_status: Status,
    message: Option<String>,
    code: Option<String>,
    /// Whether there are two codes with different values.
    has_two_codes: bool,
    /// Whether there is text or an element that no decoder reads.
    pub(super) has_other_content: bool,
}

/// The value of `status`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Status {
    #[default]
    Absent,
    Success,
    Failed,
    /// An unknown value, two different values, or a status at a position where it cannot belong to the response.
    Ambiguous,
}

impl Status {
    fn parse(text: Option<&str>) -> Self {
        match text {
            None => Self::Absent,
            Some(text) if text.eq_ignore_ascii_case("success") => Self::Success,
            Some(text) if text.eq_ignore_ascii_case("failed") => Self::Failed,
            Some(_) => Self::Ambiguous,
        }
    }

    /// What two statuses say together.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (status, Self::Absent) | (Self::Absent, status) => status,
            (status, other) if status == other => status,
            _ => Self::Ambiguous,
        }
    }
}

/// How much of the upstream's messages is kept, in bytes.
const MAX_MESSAGE_LENGTH: usize = 4096;

impl ResponseOutcome {
    /// Records a status. A second one with another value makes the status ambiguous.
    pub(super) fn record_status(&mut self, text: Option<&str>) {
        self.status = self.status.and(Status::parse(text));
    }

    /// Records a status inside `response`. There it may be about anything, but where it means an outcome it must not
    /// contradict the status of the response.
    pub(super) fn record_inner_status(&mut self, text: Option<&str>) {
        match Status::parse(text) {
            status @ (Status::Success | Status::Failed) => self.inner_status = self.inner_status.and(status),
            Status::Absent | Status::Ambiguous => {}
        }
    }

    /// The status of the response, considering the one inside it. That alone confirms nothing.
    fn status(&self) -> Status {
        match (self.status, self.inner_status) {
            (Status::Absent, Status::Absent | Status::Success) => Status::Absent,
            (Status::Absent, Status::Failed | Status::Ambiguous) => Status::Ambiguous,
            (status, inner) => status.and(inner),
        }
    }

    /// Records a code. Two different ones make a failure unrecognised.
    pub(super) fn record_code(&mut self, text: Option<&str>) {
        match (&self.code, text) {
            (Some(code), Some(text)) => self.has_two_codes |= code != text,
            (None, Some(text)) => self.code = Some(text.to_owned()),
            (_, None) => {}
        }
    }

    /// Makes the status neither success nor failure.
    pub(super) fn mark_ambiguous(&mut self) {
        self.status = Status::Ambiguous;
    }

    /// Appends to the upstream's message.
    pub(super) fn append_message(&mut self, text: &str) {
        let message = self.message.get_or_insert_default();
        for character in text.chars().chain([' ']) {
            if message.len() < MAX_MESSAGE_LENGTH {
                message.push(character);
            }
        }
    }

    /// Whether a write was confirmed.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.status() == Status::Success
    }

    /// Whether a read may have succeeded: responses to reads often have no status.
    pub(crate) fn may_be_success(&self) -> bool {
        matches!(self.status(), Status::Absent | Status::Success)
    }

    /// Whether it has anything that could explain why data are missing: a message, a code, a log, text, or an unknown element.
    pub(crate) const fn has_explanation(&self) -> bool {
        self.message.is_some() || self.code.is_some() || self.has_other_content
    }

    /// The failure that the upstream reported in its envelope, whatever the HTTP status is.
    pub(crate) fn failure(&self, method: &MethodSpec, http_status: u16, settings: &DecodeSettings) -> Option<Error> {
        if self.status() != Status::Failed || self.has_two_codes {
            return None;
        }
        let code = self.code.as_deref().unwrap_or_default();
        let message = self.message.as_deref().unwrap_or_default();
        let lower = message.to_lowercase();
        let names_credential = settings.credential_refusal_words.iter().any(|substring| lower.contains(substring));
        Some(if names_credential || matches!(code, "401" | "403") || matches!(http_status, 401 | 403) {
            Error::CredentialRejected
        } else if method.names_entity && (code == "404" || http_status == 404) {
            Error::NotFound
        } else {
            Error::Refused { message: Some(UpstreamMessage::new(message)) }
        })
    }
}
