//! Problems.

use serde::Deserialize;

use super::value::{Object, Text, text};
use crate::problem::Code;

/// What a problem says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rest) struct Problem {
    /// `None` if it has none, or one that is not known.
    pub(in crate::rest) code: Option<Code>,
    /// Whether a write was applied, if it says so.
    pub(in crate::rest) outcome: Option<Outcome>,
    /// The message of a refusal.
    pub(in crate::rest) upstream_message: Option<String>,
    /// The description of the first fault in the request.
    pub(in crate::rest) first_fault: Option<String>,
}

/// Whether a failed write was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rest) enum Outcome {
    /// It was not applied and will not be.
    NotApplied,
    /// It may have been applied, or may still be. Also for outcomes that are not known.
    Unknown,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProblemMembers<'a> {
    #[serde(borrow)]
    code: Option<Text<'a>>,
    outcome: Option<Text<'a>>,
    upstream_message: Option<Text<'a>>,
    errors: Option<Vec<Object<FaultMembers<'a>>>>,
}

#[derive(Debug, Deserialize)]
struct FaultMembers<'a> {
    #[serde(borrow)]
    detail: Option<Text<'a>>,
}

impl Problem {
    /// `None` if the JSON is no problem.
    pub(in crate::rest) fn read(json: &[u8]) -> Option<Self> {
        let Object(ProblemMembers { code, outcome, upstream_message, errors }) = serde_json::from_slice(json).ok()?;
        let outcome = outcome.as_ref().and_then(Text::trimmed);
        Some(Self {
            code: code.as_ref().and_then(Text::trimmed).and_then(Code::parse),
            outcome: outcome.map(|outcome| if outcome == "not-applied" { Outcome::NotApplied } else { Outcome::Unknown }),
            upstream_message: text(upstream_message),
            first_fault: errors.into_iter().flatten().find_map(|Object(FaultMembers { detail })| text(detail)),
        })
    }
}
