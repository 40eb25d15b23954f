//! Requests become types that cannot be wrong, or a problem that names what is.

mod accept;
mod body;
mod members;
mod moment;
mod path;
mod precondition;
mod query;

pub(super) use accept::{AcceptsJson, AcceptsList};
pub(super) use body::{JsonBody, MergePatchBody};
pub(super) use members::Members;
pub(super) use path::{CustomerPath, OrderPath, ProblemPath};
pub(super) use precondition::{IdempotencyKey, IfMatch};
pub(super) use query::{CustomerListQuery, NoQuery, OrderListQuery, decode};
