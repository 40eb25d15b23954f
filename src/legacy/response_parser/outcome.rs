//! What a response turned out to be.

use crate::backend::Error;
use crate::legacy::decode_settings::DecodeSettings;
use crate::legacy::methods::MethodSpec;
use crate::model::UpstreamMessage;

/// What a whole, well-formed response has besides its data.
#[derive(Debug, Default)]
pub(crate) struct ResponseOutcome {
    status: Status,
    message: Option<String>,
    pub(super) code: Option<String>,
    /// Whether it has anything else.
    pub(super) has_other: bool,
}

/// What the response's `status` is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Status {
    #[default]
    Absent,
    Success,
    Failed,
    /// Another value, both values, or one where no status can stand.
    Ambiguous,
}

/// How much of the legacy system's messages is kept, in bytes.
const MAX_KEPT: usize = 4096;

impl ResponseOutcome {
    /// Reads a status; a second one with another value makes it ambiguous.
    pub(super) fn read_outcome(&mut self, text: Option<&str>) {
        let status = match text.map(str::to_ascii_lowercase).as_deref() {
            None => return,
            Some("success") => Status::Success,
            Some("failed") => Status::Failed,
            Some(_) => Status::Ambiguous,
        };
        self.status = if matches!(self.status, Status::Absent) || self.status == status { status } else { Status::Ambiguous };
    }

    /// Makes the status unusable: it stood where it means nothing.
    pub(super) fn mark_ambiguous(&mut self) {
        self.status = Status::Ambiguous;
    }

    /// Appends a message.
    pub(super) fn read_message(&mut self, text: Option<&str>) {
        let Some(text) = text else { return };
        let message = self.message.get_or_insert_default();
        for character in text.chars().chain([' ']) {
            if message.len() < MAX_KEPT {
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

    /// Whether anything in it could explain why data are missing: a message, a code, a log, or an unknown element.
    pub(crate) const fn has_explanation(&self) -> bool {
        self.message.is_some() || self.code.is_some() || self.has_other
    }

    /// The failure that the legacy system reported, whatever the HTTP status is.
    pub(crate) fn failure(&self, call: &MethodSpec, http_status: u16, profile: &DecodeSettings) -> Option<Error> {
        if self.status != Status::Failed {
            return None;
        }
        let code = self.code.as_deref().unwrap_or_default();
        let message = self.message.as_deref().unwrap_or_default();
        let lower = message.to_lowercase();
        let names_credential = profile.credential_refusal_words.iter().any(|word| lower.contains(word));
        Some(if names_credential || matches!(code, "401" | "403") || matches!(http_status, 401 | 403) {
            Error::CredentialRejected
        } else if call.names_entity && (code == "404" || http_status == 404) {
            Error::NotFound
        } else {
            Error::Refused { message: Some(UpstreamMessage::new(message)) }
        })
    }
}
