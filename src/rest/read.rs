//! Reads the JSON of the API: what [`dto`](super::dto) writes, as another server of the same OpenAPI document writes it.
//!
//! Members that are not known are ignored, and an absent one, `null` and a blank text are the same. Everything else is strict:
//! types, ids, times, and the members that the document requires, because a page of another program must never pass for an
//! order. An error says what is wrong by a fixed text, and never by a value.
//!
//! What is lost on the way from the model to JSON and back is a closed list, with a test for each: a time in the hour that repeats
//! in autumn becomes its earlier instant, one before 1900 moves by the seconds of its offset, a log that is not known becomes an
//! empty one, and an idempotency marker is removed from a text.

mod customer;
mod list;
mod me;
mod message;
mod order;
mod problem;
#[cfg(test)]
mod tests;
mod value;
mod write_answer;

use serde::Deserialize;

use crate::model::Zone;
use value::Object;

pub(super) use list::{Document, Line, read_document, read_item, read_line};
pub(super) use me::read_scopes;
pub(super) use problem::{Outcome, Problem};
pub(super) use write_answer::{AddedMessage, has_status};

/// Why JSON is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct ReadError(pub(super) &'static str);

/// A resource that can be read.
pub(super) trait Resource: Sized + Send + 'static {
    /// Its members.
    type Members<'a>: Deserialize<'a>;

    /// What is wrong with JSON that does not have these members.
    const MISMATCH: ReadError;

    /// The resource as `GET` of its own path returns it. `zone` is the zone of its times.
    fn from_details(members: Self::Members<'_>, zone: &Zone) -> Result<Self, ReadError>;
}

/// An item of a list.
pub(super) trait ListItem: Resource {
    /// The item, without the members that lists do not have.
    fn from_item(members: Self::Members<'_>, zone: &Zone) -> Result<Self, ReadError>;
}

/// Reads one resource.
pub(super) fn read_details<T: Resource>(json: &[u8], zone: &Zone) -> Result<T, ReadError> {
    T::from_details(members::<T>(json)?, zone)
}

fn members<T: Resource>(json: &[u8]) -> Result<T::Members<'_>, ReadError> {
    serde_json::from_slice::<Object<T::Members<'_>>>(json).map(|Object(members)| members).map_err(|_| T::MISMATCH)
}
