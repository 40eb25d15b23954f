//! What an answer turned out to be.

use crate::backend::Error;
use crate::legacy::decode_settings::DecodeSettings;
use crate::legacy::methods::MethodSpec;
use crate::model::UpstreamMessage;

/// What a whole, well-formed answer said besides its data.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    outcome: Outcome,
    message: Option<String>,
    pub(super) code: Option<String>,
    /// Whether it had anything else.
    pub(super) has_other: bool,
}

/// What the answer's `status` said.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    #[default]
    NotTold,
    Success,
    Failed,
    /// Another word, or both words.
    Unclear,
}

/// How much of the order system's texts is kept, in bytes.
const MAX_KEPT: usize = 4096;

impl Ending {
    /// Reads an outcome; a second one must say the same.
    pub(super) fn read_outcome(&mut self, text: Option<&str>) {
        let told = match text.map(str::to_ascii_lowercase).as_deref() {
            None => return,
            Some("success") => Outcome::Success,
            Some("failed") => Outcome::Failed,
            Some(_) => Outcome::Unclear,
        };
        self.outcome = if self.outcome == Outcome::NotTold || self.outcome == told { told } else { Outcome::Unclear };
    }

    /// Takes an outcome back that stood where none can stand.
    pub(super) fn doubt_outcome(&mut self) {
        self.outcome = Outcome::Unclear;
    }

    /// Keeps a sentence; several become one text.
    pub(super) fn read_message(&mut self, text: Option<&str>) {
        let Some(text) = text else { return };
        let message = self.message.get_or_insert_default();
        for character in text.chars().chain([' ']) {
            if message.len() < MAX_KEPT {
                message.push(character);
            }
        }
    }

    /// Whether a write was confirmed in so many words.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.outcome == Outcome::Success
    }

    /// Whether a read may have succeeded: reads often do not tell their outcome.
    pub(crate) fn may_be_success(&self) -> bool {
        matches!(self.outcome, Outcome::NotTold | Outcome::Success)
    }

    /// Whether it held anything that could explain why data are missing: a message, a code, a log, or what nobody knows.
    pub(crate) const fn has_explanation(&self) -> bool {
        self.message.is_some() || self.code.is_some() || self.has_other
    }

    /// The failure that the order system stated, whatever the HTTP status was.
    pub(crate) fn failure(&self, call: &MethodSpec, http_status: u16, profile: &DecodeSettings) -> Option<Error> {
        if self.outcome != Outcome::Failed {
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
