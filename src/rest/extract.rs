//! Requests become types that cannot be wrong, or a problem that names what is.

mod accept;
mod body;
mod datetime;
mod json_object;
mod media_type;
mod path;
mod preconditions;
mod query;

pub(super) use accept::{AcceptsJson, AcceptsList};
pub(super) use body::{JsonBody, MergePatchBody};
pub(super) use json_object::Members;
pub(super) use path::{CustomerPath, OrderPath, ProblemPath};
pub(super) use preconditions::{IdempotencyKeyHeader, IfMatch};
pub(super) use query::{CustomerListQuery, NoQuery, OrderListQuery, decode};
