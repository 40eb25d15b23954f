//! What a response reports besides its data.

use crate::backend::Error;
use crate::legacy::decode_settings::DecodeSettings;
use crate::legacy::methods::MethodSpec;
use crate::model::UpstreamMessage;

/// The status of a response, and everything in it that is neither data nor envelope.
#[derive(Debug, Default)]
pub(crate) struct ResponseOutcome {
    status: Status,
    message: Option<String>,
    pub(super) code: Option<String>,
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

/// How much of the upstream's messages is kept, in bytes.
const MAX_MESSAGE_LENGTH: usize = 4096;

impl ResponseOutcome {
    /// Records a status. A second one with another value makes the status ambiguous.
    pub(super) fn record_status(&mut self, text: Option<&str>) {
        let status = match text.map(str::to_ascii_lowercase).as_deref() {
            None => return,
            Some("success") => Status::Success,
            Some("failed") => Status::Failed,
            Some(_) => Status::Ambiguous,
        };
        let is_consistent = self.status == Status::Absent || self.status == status;
        self.status = if is_consistent { status } else { Status::Ambiguous };
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
        self.status == Status::Success
    }

    /// Whether a read may have succeeded: responses to reads often have no status.
    pub(crate) fn may_be_success(&self) -> bool {
        matches!(self.status, Status::Absent | Status::Success)
    }

    /// Whether it has anything that could explain why data are missing: a message, a code, a log, text, or an unknown element.
    pub(crate) const fn has_explanation(&self) -> bool {
        self.message.is_some() || self.code.is_some() || self.has_other_content
    }

    /// The failure that the upstream reported in its envelope, whatever the HTTP status is.
    pub(crate) fn failure(&self, method: &MethodSpec, http_status: u16, settings: &DecodeSettings) -> Option<Error> {
        if self.status != Status::Failed {
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
