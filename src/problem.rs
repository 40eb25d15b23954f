//! Problem details (RFC 9457) for every error response.
//!
//! A [`Problem`] is created where the error is detected and travels in the response's extensions, without a body. One layer
//! calls [`render`], which writes the body, because `instance` and `requestId` are known only there.

mod code;
mod code_info;
mod schema;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use headers::{Header, HeaderMapExt};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

pub use code::Code;
pub use code_info::CodeInfo;
use schema::ProblemCode;

/// An error response. Boxed, because it is the error type of every handler.
#[derive(Debug, Clone)]
pub struct Problem(Box<ProblemData>);

#[derive(Debug, Clone)]
struct ProblemData {
    code: Code,
    status: StatusCode,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    upstream_message: Option<String>,
    outcome: Option<Outcome>,
    current_status: Option<String>,
    headers: HeaderMap,
}

/// One fault in the request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldError {
    /// Name of the faulty path parameter, query parameter or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "since")]
    parameter: Option<Cow<'static, str>>,
    /// JSON pointer to the faulty member of the body; empty for the whole body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/text")]
    pointer: Option<Cow<'static, str>>,
    /// Description of the fault.
    #[schema(example = "must be a date such as 2016-03-14 or a time such as 2016-03-14T09:05:00+01:00")]
    detail: Cow<'static, str>,
}

impl FieldError {
    /// A fault in the path, the query or a header.
    #[must_use]
    pub fn parameter(name: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { parameter: Some(name.into()), pointer: None, detail: detail.into() }
    }

    /// Whether the fault concerns this parameter.
    #[must_use]
    pub fn is_about(&self, parameter: &str) -> bool {
        self.parameter.as_deref() == Some(parameter)
    }

    /// A fault in the body.
    #[must_use]
    pub fn pointer(pointer: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { parameter: None, pointer: Some(pointer.into()), detail: detail.into() }
    }
}

/// Whether a failed write was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was not applied and will not be.
    NotApplied,
    /// It may have been applied, or may still be.
    Unknown,
}

/// Problem details (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct Details<'a> {
    /// Path of a page that explains this kind of problem.
    #[schema(format = "uri-reference", example = "/problems/invalid-parameter")]
    r#type: String,
    /// Title of this kind of problem.
    #[schema(example = "Invalid parameter")]
    title: &'a str,
    /// The HTTP status code.
    #[schema(example = 400)]
    status: u16,
    /// Explanation of this occurrence.
    #[schema(example = "since is missing")]
    detail: &'a str,
    /// Path of the request, without the query.
    #[schema(format = "uri-reference", example = "/orders")]
    instance: &'a str,
    /// Machine-readable kind of problem.
    #[schema(value_type = ProblemCode)]
    code: &'a str,
    /// Request id, as in the header `x-request-id` and in the gateway's log.
    #[schema(example = "6f9b6c1e-2f5e-4d0c-9a31-3c2f3e6d8f10")]
    request_id: &'a str,
    /// Every fault found in the request.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [FieldError],
    /// Message of the upstream when it refused the request. Personal data is masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Ordern kan inte ändras")]
    upstream_message: Option<&'a str>,
    /// After a failed write: whether it was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    outcome: Option<Outcome>,
    /// Current status of the order, when the write failed because of it; only for clients with `orders:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "active")]
    current_status: Option<&'a str>,
}

/// The space for headers, those of the middleware included, so that the map does not grow step by step.
const MAX_HEADERS: usize = 12;
/// The space for the body of a problem; most need less.
const USUAL_SIZE: usize = 512;

/// The media type of problems.
pub const MEDIA_TYPE: &str = "application/problem+json";

impl Problem {
    /// A problem with the default status of its code.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(ProblemData {
            code,
            status: code.info().status,
            detail: detail.into(),
            errors: Vec::new(),
            upstream_message: None,
            outcome: None,
            current_status: None,
            headers: HeaderMap::new(),
        }))
    }

    /// Faults in path, query or headers.
    #[must_use]
    pub fn parameters(errors: Vec<FieldError>) -> Self {
        Self::new(Code::InvalidParameter, "The request has invalid parameters; see errors.").with_errors(errors)
    }

    /// Faults in the values of a body.
    #[must_use]
    pub fn values(errors: Vec<FieldError>) -> Self {
        Self::new(Code::InvalidValue, "The body has invalid values; see errors.").with_errors(errors)
    }

    /// Adds a response header.
    #[must_use]
    pub fn with_typed_header(mut self, header: impl Header) -> Self {
        self.0.headers.typed_insert(header);
        self
    }

    /// Adds a response header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.reserve(MAX_HEADERS);
        self.0.headers.insert(name, value);
        self
    }

    /// Replaces the default status of the code.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// States whether the write was applied.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = Some(outcome);
        self
    }

    /// Adds the redacted message of the upstream, if there is one.
    #[must_use]
    pub fn with_upstream_message(mut self, message: Option<String>) -> Self {
        self.0.upstream_message = message;
        self
    }

    /// Adds the current status of the order, if it has one.
    #[must_use]
    pub fn with_current_status(mut self, status: Option<String>) -> Self {
        self.0.current_status = status;
        self
    }

    fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Adds `Retry-After`: rounded up to whole seconds, at least one, so that no client returns too early.
    #[must_use]
    pub fn retry_after(self, time: Duration) -> Self {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }
}

/// The response has no body yet: [`render`] writes it.
impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let mut response = self.0.status.into_response();
        let headers = response.headers_mut();
        *headers = std::mem::take(&mut self.0.headers);
        headers.reserve(MAX_HEADERS);
        response.extensions_mut().insert(self);
        response
    }
}

/// The request that had a problem.
#[derive(Debug, Clone)]
pub struct ProblemContext {
    /// The public base path of all routes.
    pub base_path: Arc<str>,
    /// Path of the request, without the query.
    pub instance: String,
    /// Request id.
    pub request_id: Arc<str>,
}

impl Problem {
    /// The problem details of one request.
    #[must_use]
    pub fn details<'a>(&'a self, context: &'a ProblemContext) -> Details<'a> {
        let Self(data) = self;
        let CodeInfo { code, title, .. } = data.code.info();
        Details {
            r#type: format!("{}/problems/{code}", context.base_path.trim_end_matches('/')),
            title,
            status: data.status.as_u16(),
            detail: &data.detail,
            instance: &context.instance,
            code,
            request_id: &context.request_id,
            errors: &data.errors,
            upstream_message: data.upstream_message.as_deref(),
            outcome: data.outcome,
            current_status: data.current_status.as_deref(),
        }
    }
}

/// Writes the body of a problem. An error status without a problem, such as one that a framework set, gets a generic one.
///
/// # Panics
/// Never: problem details consist of strings, numbers and arrays.
#[expect(clippy::expect_used, reason = "an empty body would hide the problem")]
pub fn render(mut response: Response, context: impl FnOnce() -> ProblemContext) -> Response {
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if status.is_client_error() || status.is_server_error() => {
            let code = Code::for_status(status);
            let Problem(data) = Problem::new(code, code.info().title);
            Problem(Box::new(ProblemData { status, ..*data }))
        }
        None => return response,
    };
    let mut body = Vec::with_capacity(USUAL_SIZE);
    serde_json::to_writer(&mut body, &problem.details(&context())).expect("strings, numbers and arrays are JSON");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::from(body);
    response
}
