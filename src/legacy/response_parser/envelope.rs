//! Where in a response the payload is.
//!
//! | position | tag or text | next position | besides |
//! | --- | --- | --- | --- |
//! | `BeforePayload`, `InPayload` while empty | start of a payload's name | `InPayload` | malformed below depth 2 |
//! | `InPayload` | start of `response` | `InResponse` | |
//! | `InPayload`, `InResponse` | any other start | the same, not empty | a payload element begins |
//! | `InPayload` not empty, `AfterPayload` | start of a payload's name | malformed | two payloads |
//! | `InResponse` | end of `response` | `InPayload` | |
//! | `InPayload` | end of the payload | `AfterPayload` | a status elsewhere than beside it is ambiguous |
//! | `BeforePayload`, `AfterPayload` | start of `status` | the same | its element begins |
//! | `BeforePayload`, `AfterPayload` | start of another method's name | malformed | |
//! | `AfterPayload` | start of an element with data | malformed | |
//! | `AfterPayload` | any other start | the same | explains missing data |
//! | `BeforePayload` | any end | the same | a sibling: explains missing data, its status is ambiguous |
//! | any | text | the same | explains missing data; in the payload the status is ambiguous |

use super::ResponseOutcome;
use crate::legacy::methods::MethodSpec;
use crate::legacy::xml::Malformed;

/// How deep the payload may stand.
const MAX_PAYLOAD_DEPTH: usize = 2;

/// Follows the elements around payload elements.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    position: Position,
    /// How many elements are around a `status` outside the payload.
    status_depth: Option<usize>,
}

/// Where the tokens are. A payload has `depth` elements around it, and is empty until anything but a container was in it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Position {
    #[default]
    BeforePayload,
    InPayload {
        depth: usize,
        is_empty: bool,
    },
    /// In the `response` inside the payload.
    InResponse {
        depth: usize,
        is_empty: bool,
    },
    AfterPayload {
        depth: usize,
    },
}

impl Envelope {
    pub(super) const fn is_in_response(&self) -> bool {
        matches!(self.position, Position::InResponse { .. })
    }

    /// Whether the payload has come and ended.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.position, Position::AfterPayload { .. })
    }

    /// An element begins with `depth` elements around it. Returns whether it is a payload element or a status beside the
    /// payload; containers and elements around the payload are not.
    pub(super) fn enter(
        &mut self,
        call: &MethodSpec,
        element: &[u8],
        depth: usize,
        outcome: &mut ResponseOutcome,
    ) -> Result<bool, Malformed> {
        match self.position {
            Position::InResponse { depth, .. } => {
                self.position = Position::InResponse { depth, is_empty: false };
                Ok(true)
            }
            // One of the payload's names may stand around another.
            _ if call.is_payload(element) => self.open(depth),
            Position::InPayload { depth, is_empty } if element == b"response" => {
                self.position = Position::InResponse { depth, is_empty };
                Ok(false)
            }
            Position::InPayload { depth, .. } => {
                self.position = Position::InPayload { depth, is_empty: false };
                Ok(true)
            }
            Position::BeforePayload | Position::AfterPayload { .. } if call.is_foreign(element) => {
                Err(Malformed("it is the answer of another call"))
            }
            Position::BeforePayload => Ok(element == b"status"),
            Position::AfterPayload { .. } if element == b"status" => Ok(true),
            Position::AfterPayload { .. } => {
                if call.elements.iter().any(|part| part.as_bytes() == element) {
                    return Err(Malformed("it has data outside of its answer"));
                }
                outcome.has_other = true;
                Ok(false)
            }
        }
    }

    /// An element that is not a payload element ends, with `depth` elements around it.
    pub(super) fn leave(&mut self, depth: usize, outcome: &mut ResponseOutcome) {
        match self.position {
            Position::InPayload { depth: payload, .. } if depth == payload => {
                self.position = Position::AfterPayload { depth };
                // A status beside the payload stands beside it and nowhere else.
                if self.status_depth.is_some_and(|status| status != depth) {
                    outcome.mark_ambiguous();
                }
            }
            Position::InResponse { depth: payload, is_empty } if depth == payload + 1 => {
                self.position = Position::InPayload { depth: payload, is_empty };
            }
            Position::InPayload { .. } | Position::InResponse { .. } | Position::AfterPayload { .. } => {}
            // This element closed before the payload, so it is a sibling and not part of the envelope; ignore its status.
            Position::BeforePayload => {
                outcome.has_other = true;
                if self.status_depth.is_some_and(|status| status > depth) {
                    outcome.mark_ambiguous();
                }
            }
        }
    }

    /// There was text between the elements. Payloads have no text of their own, but a program's error message may stand
    /// anywhere.
    pub(super) fn meet_text(&self, outcome: &mut ResponseOutcome) {
        outcome.has_other = true;
        if matches!(self.position, Position::InPayload { .. } | Position::InResponse { .. }) {
            outcome.mark_ambiguous();
        }
    }

    /// A status was read, with `depth` elements around it. One outside the payload counts only beside it, which is known once
    /// the payload has ended.
    pub(super) fn meet_status(&mut self, depth: usize, outcome: &mut ResponseOutcome) {
        let is_elsewhere = match self.position {
            Position::InPayload { .. } | Position::InResponse { .. } => return,
            Position::BeforePayload => self.status_depth.is_some_and(|status| status != depth),
            Position::AfterPayload { depth: payload } => payload != depth,
        };
        if is_elsewhere {
            outcome.mark_ambiguous();
        }
        self.status_depth = Some(depth);
    }

    fn open(&mut self, depth: usize) -> Result<bool, Malformed> {
        if depth > MAX_PAYLOAD_DEPTH {
            return Err(Malformed("its answer stands too deep"));
        }
        if !matches!(self.position, Position::BeforePayload | Position::InPayload { is_empty: true, .. }) {
            return Err(Malformed("it holds two answers"));
        }
        self.position = Position::InPayload { depth, is_empty: true };
        Ok(false)
    }
}
