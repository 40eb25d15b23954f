//! What stands around the data of an answer.

use super::Ending;
use crate::legacy::methods::MethodSpec;
use crate::legacy::xml::Malformed;

/// How deep the payload may stand.
const MAX_PAYLOAD_DEPTH: usize = 2;

/// Where in the envelope a walk through the document is.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    payload: Payload,
    is_in_response: bool,
    /// Whether nothing was in the payload so far.
    is_empty: bool,
    /// How many elements are around a `status` that stood outside of the payload.
    status_depth: Option<usize>,
}

/// Where the element that holds the answer is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Payload {
    #[default]
    Awaited,
    /// Open, with so many elements around it.
    Open(usize),
    /// Over, with so many elements around it.
    Over(usize),
}

impl Envelope {
    pub(super) const fn is_in_response(&self) -> bool {
        self.is_in_response
    }

    /// Whether the payload has come and ended.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.payload, Payload::Over(_))
    }

    const fn is_open(&self) -> bool {
        matches!(self.payload, Payload::Open(_))
    }

    /// An element begins with so many around it. Returns whether it is a part: everything in the payload that is no
    /// container, and an outcome beside it.
    pub(super) fn enter(
        &mut self,
        call: &MethodSpec,
        element: &[u8],
        depth: usize,
        ending: &mut Ending,
    ) -> Result<bool, Malformed> {
        // One of the payload's names may stand around another.
        let may_be_payload = !self.is_in_response && call.is_payload(element);
        if may_be_payload {
            self.open(depth)?;
        } else if self.is_open() {
            let is_container = !self.is_in_response && element == b"response";
            self.is_in_response |= is_container;
            self.is_empty &= is_container;
            return Ok(!is_container);
        } else if call.is_foreign(element) {
            return Err(Malformed("it is the answer of another call"));
        } else if element == b"status" {
            return Ok(true);
        } else {
            // Something that follows the payload is not around it, and data that follow it are lost.
            ending.has_other |= self.is_over();
            if self.is_over() && call.elements.iter().any(|part| part.as_bytes() == element) {
                return Err(Malformed("it has data outside of its answer"));
            }
        }
        Ok(false)
    }

    /// An element that is no part ends, with so many around it.
    pub(super) fn leave(&mut self, depth: usize, ending: &mut Ending) {
        match self.payload {
            Payload::Open(payload) if depth == payload => {
                self.payload = Payload::Over(depth);
                // An outcome beside the payload stands beside it and nowhere else.
                if self.status_depth.is_some_and(|status| status != depth) {
                    ending.doubt_outcome();
                }
            }
            Payload::Open(payload) if depth == payload + 1 => self.is_in_response = false,
            Payload::Open(_) | Payload::Over(_) => {}
            // An element that ends before the payload comes was not around it, and what it said is not about it.
            Payload::Awaited => {
                ending.has_other = true;
                if self.status_depth.is_some_and(|status| status > depth) {
                    ending.doubt_outcome();
                }
            }
        }
    }

    /// There was text between the elements. No payload has text of its own, but a program's error message may stand anywhere.
    pub(super) fn meet_text(&mut self, ending: &mut Ending) {
        ending.has_other = true;
        if self.is_open() {
            ending.doubt_outcome();
        }
    }

    /// An outcome was told, with so many elements around it. Outside of the payload that is remembered until it is known where
    /// the payload stands.
    pub(super) fn meet_status(&mut self, depth: usize, ending: &mut Ending) {
        let is_elsewhere = match self.payload {
            Payload::Open(_) => return,
            Payload::Awaited => self.status_depth.is_some_and(|status| status != depth),
            Payload::Over(payload) => payload != depth,
        };
        if is_elsewhere {
            ending.doubt_outcome();
        }
        self.status_depth = Some(depth);
    }

    /// Opens the payload, unless something was in the one that is open, or it stands too deep to be one.
    fn open(&mut self, depth: usize) -> Result<(), Malformed> {
        if depth > MAX_PAYLOAD_DEPTH {
            return Err(Malformed("its answer stands too deep"));
        }
        if self.is_over() || self.is_open() && !self.is_empty {
            return Err(Malformed("it holds two answers"));
        }
        self.payload = Payload::Open(depth);
        self.is_empty = true;
        Ok(())
    }
}
