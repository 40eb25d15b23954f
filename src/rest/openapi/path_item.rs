//! The operations of a path.

use http::Method;
use utoipa::openapi::path::{Operation, PathItem};

/// All operations with their methods.
pub(in crate::rest) fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, post, patch, put, delete, .. } = item;
    let operations =
        [(Method::GET, get), (Method::POST, post), (Method::PATCH, patch), (Method::PUT, put), (Method::DELETE, delete)];
    operations.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}
