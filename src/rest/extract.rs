//! Extractors: they parse a request into types that cannot be invalid, or reject it with a problem that names every fault.

mod accept;
mod body;
mod datetime;
mod headers;
mod json_object;
mod media_type;
mod path;
mod preconditions;
mod query;
mod schemas;

pub(super) use accept::{AcceptsJson, AcceptsList};
pub(super) use body::{JsonBody, MergePatchBody};
pub(super) use datetime::parse_instant;
pub(super) use headers::RequestHeaders;
pub(super) use json_object::JsonObject;
pub(super) use path::{CustomerPath, OrderPath, ProblemPath};
pub(super) use preconditions::{IdempotencyKeyHeader, IfMatchHeader, IfNoneMatchHeader};
#[cfg(test)]
pub(super) use query::MAX_LIMIT;
pub(super) use query::{CustomerListQuery, NoQuery, OrderListQuery, decode};
