//! The position in the envelope: where the method element is, and where a `status` may be.
//!
//! The method element is at depth 0, 1 or 2, where the root element has depth 0. It may contain one `response`. In the answer
//! about one entity, repetitions of it are compared by the decoder; the items of a list are handed out before a repetition
//! could be noticed.
//!
//! ```text
//!          start tag              start of `response`
//! Before ─────────────► InMethod ─────────────────────► InResponse
//!                        │    ▲                              │
//!                end tag │    └──────────────────────────────┘
//!                        ▼           end of `response`
//!                      After
//! ```
//!
//! | position | token | next position | effect |
//! | --- | --- | --- | --- |
//! | `Before`, `InMethod` while empty | start tag of the method element | `InMethod`, empty | malformed below depth 2 |
//! | `InMethod` not empty, `After` | start tag of the method element | | malformed: there are two |
//! | `InMethod` | start tag of `response` | `InResponse` | |
//! | `InMethod` | any other start tag | `InMethod`, not empty | a payload element begins |
//! | `InResponse` | any start tag | `InResponse`, not empty | a payload element begins; malformed if the items of a list are in two |
//! | `Before`, `After` | start tag of `status` | unchanged | a status outside the method element begins |
//! | `Before`, `After` | start tag with another method's name | | malformed |
//! | `Before` | any other start tag | unchanged | an element that may contain the method element |
//! | `After` | start tag with the name of a data element | | malformed |
//! | `After` | any other start tag | unchanged | other content |
//! | `InResponse` | end tag of `response` | `InMethod` | |
//! | `InMethod` | end tag of the method element | `After` | ambiguous if a status was elsewhere than beside it |
//! | `Before` | any end tag | unchanged | it was a sibling: other content; ambiguous if it contained a status |
//! | `After` | any end tag | unchanged | |
//! | any | text | unchanged | other content; ambiguous inside the method element |
//!
//! *Other content* explains why data are missing; *ambiguous* makes the status of the [`ResponseOutcome`] unusable.

use super::ResponseOutcome;
use crate::legacy::methods::MethodSpec;
use crate::legacy::xml::Malformed;

/// Maximum depth of the method element.
const MAX_METHOD_DEPTH: usize = 2;

/// Follows the tokens outside payload elements.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    position: Position,
    /// The depth of a `status` outside the method element.
    status_depth: Option<usize>,
    /// Number of `response` elements that have begun.
    responses: u32,
    /// Which of them has the first item of a list.
    items_in: Option<u32>,
}

/// Where the next token is. `depth` is the depth of the method element, and `is_empty` whether it has no payload element so
/// far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Position {
    #[default]
    Before,
    InMethod {
        depth: usize,
        is_empty: bool,
    },
    /// In the `response` inside the method element.
    InResponse {
        depth: usize,
        is_empty: bool,
    },
    After {
        depth: usize,
    },
}

impl Envelope {
    pub(super) const fn is_in_response(&self) -> bool {
        matches!(self.position, Position::InResponse { .. })
    }

    /// Whether the method element has ended.
    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.position, Position::After { .. })
    }

    /// An element begins at this depth. Returns whether it is a payload element or a `status`, which the caller has to read;
    /// otherwise it belongs to the envelope.
    pub(super) fn on_start(
        &mut self,
        method: &MethodSpec,
        element: &[u8],
        depth: usize,
        outcome: &mut ResponseOutcome,
    ) -> Result<bool, Malformed> {
        match self.position {
            Position::InResponse { depth, .. } => {
                let is_item = !method.names_entity && method.data_elements.iter().any(|name| name.as_bytes() == element);
                if is_item && *self.items_in.get_or_insert(self.responses) != self.responses {
                    return Err(Malformed("it has items in two responses"));
                }
                self.position = Position::InResponse { depth, is_empty: false };
                Ok(true)
            }
            // Also inside an empty method element: some servers wrap one name in another (`orders` in `serviceguide`).
            _ if method.is_method_element(element) => {
                if depth > MAX_METHOD_DEPTH {
                    return Err(Malformed("its method element is nested too deep"));
                }
                if !matches!(self.position, Position::Before | Position::InMethod { is_empty: true, .. }) {
                    return Err(Malformed("it has two method elements"));
                }
                self.position = Position::InMethod { depth, is_empty: true };
                Ok(false)
            }
            Position::InMethod { depth, is_empty } if element == b"response" => {
                self.responses = self.responses.saturating_add(1);
                self.position = Position::InResponse { depth, is_empty };
                Ok(false)
            }
            Position::InMethod { depth, .. } => {
                self.position = Position::InMethod { depth, is_empty: false };
                Ok(true)
            }
            Position::Before | Position::After { .. } if method.is_foreign(element) => {
                Err(Malformed("it is the answer to another method"))
            }
            Position::Before => Ok(element == b"status"),
            Position::After { .. } if element == b"status" => Ok(true),
            Position::After { .. } => {
                if method.data_elements.iter().any(|name| name.as_bytes() == element) {
                    return Err(Malformed("it has data outside its method element"));
                }
                outcome.has_other_content = true;
                Ok(false)
            }
        }
    }

    /// An element of the envelope ends at this depth.
    pub(super) fn on_end(&mut self, depth: usize, outcome: &mut ResponseOutcome) {
        match self.position {
            Position::InMethod { depth: method, .. } if depth == method => {
                self.position = Position::After { depth };
                // Only now it is known where a status before the method element had to be.
                if self.status_depth.is_some_and(|status| status != depth) {
                    outcome.mark_ambiguous();
                }
            }
            Position::InResponse { depth: method, is_empty } if depth == method + 1 => {
                self.position = Position::InMethod { depth: method, is_empty };
            }
            Position::InMethod { .. } | Position::InResponse { .. } | Position::After { .. } => {}
            // This element closed before the method element, so it is a sibling and not part of the envelope; a status in it
            // does not belong to the response.
            Position::Before => {
                outcome.has_other_content = true;
                if self.status_depth.is_some_and(|status| status > depth) {
                    outcome.mark_ambiguous();
                }
            }
        }
    }

    /// There is text between elements. The format has none, but the server may print an error message anywhere.
    pub(super) fn on_text(&self, outcome: &mut ResponseOutcome) {
        outcome.has_other_content = true;
        if matches!(self.position, Position::InMethod { .. } | Position::InResponse { .. }) {
            outcome.mark_ambiguous();
        }
    }

    /// A `status` was read at this depth. Outside the method element it counts only directly beside it, at a
    /// depth that is not known before the method element.
    pub(super) fn on_status(&mut self, depth: usize, outcome: &mut ResponseOutcome) {
        let is_elsewhere = match self.position {
            Position::InMethod { .. } | Position::InResponse { .. } => return,
            Position::Before => self.status_depth.is_some_and(|status| status != depth),
            Position::After { depth: method } => method != depth,
        };
        if is_elsewhere {
            outcome.mark_ambiguous();
        }
        self.status_depth = Some(depth);
    }
}
