//! Problems: everything that goes wrong, as RFC 9457 describes it.
//!
//! A [`Problem`] is made where the fault is found and travels inside the response, without a body. One layer,
//! [`render`], writes the body, because only there it is known which request it answers.

mod code;
mod html;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

pub use code::{Code, CodeInfo};
pub use html::page;

/// Something that went wrong, as it will be told.
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

/// One fault in a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldError {
    /// The query parameter, path parameter or header that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "since")]
    parameter: Option<Cow<'static, str>>,
    /// The member of the body that is at fault, as a JSON pointer; empty for the whole body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/text")]
    pointer: Option<Cow<'static, str>>,
    /// What is wrong with it.
    #[schema(example = "must be a date such as 2016-03-14 or a time such as 2016-03-14T09:05:00+01:00")]
    detail: Cow<'static, str>,
}

impl FieldError {
    /// A fault in the path, the query or a header.
    #[must_use]
    pub fn parameter(name: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { parameter: Some(name.into()), pointer: None, detail: detail.into() }
    }

    /// Whether the fault is in this parameter.
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

/// Whether a failed write happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did not happen and will not.
    NotApplied,
    /// It may have happened, or may still happen.
    Unknown,
}

/// A problem as clients read it (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct Details<'a> {
    /// Path of a page that explains the problem to a person.
    #[schema(format = "uri-reference", example = "/problems/invalid-parameter")]
    r#type: String,
    /// A short title, the same for every occurrence.
    #[schema(example = "A parameter is not valid")]
    title: &'a str,
    /// The HTTP status.
    #[schema(example = 400)]
    status: u16,
    /// What happened this time.
    #[schema(example = "since is missing")]
    detail: &'a str,
    /// Path of the request, without its query.
    #[schema(format = "uri-reference", example = "/orders")]
    instance: &'a str,
    /// The kind of problem, for programs. New codes may come.
    #[schema(example = "invalid-parameter")]
    code: &'a str,
    /// The id of the request, as in the header `x-request-id` and in the gateway's log.
    #[schema(example = "6f9b6c1e-2f5e-4d0c-9a31-3c2f3e6d8f10")]
    request_id: &'a str,
    /// Every fault that was found in the request.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [FieldError],
    /// What the order system said, when it refused. Personal data are masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Ordern kan inte ändras")]
    upstream_message: Option<&'a str>,
    /// After a failed write: whether it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    outcome: Option<Outcome>,
    /// The status that the order has, where a write did not go through because of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "active")]
    current_status: Option<&'a str>,
}

/// The media type of problems.
pub const MEDIA_TYPE: &str = "application/problem+json";

impl Problem {
    /// A problem with the usual status of its code.
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
        Self::new(Code::InvalidParameter, "The request has parameters that are not valid; see errors.").with_errors(errors)
    }

    /// Faults in the values of a body.
    #[must_use]
    pub fn values(errors: Vec<FieldError>) -> Self {
        Self::new(Code::InvalidValue, "The body has values that are not allowed; see errors.").with_errors(errors)
    }

    /// The same problem with one more response header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// The same problem with another status than is usual for its code.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// The same problem of a write, and whether that was applied.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = Some(outcome);
        self
    }

    /// The same problem with the upstream's own message, if it may be shown.
    #[must_use]
    pub fn with_upstream_message(mut self, message: Option<String>) -> Self {
        self.0.upstream_message = message;
        self
    }

    /// The same problem with the status that the order has.
    #[must_use]
    pub fn with_current_status(mut self, status: Option<String>) -> Self {
        self.0.current_status = status;
        self
    }

    fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// The same problem, and when the request may be sent again.
    #[must_use]
    pub fn retry_after(self, time: Duration) -> Self {
        // Whole seconds, and never too early.
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        self.with_header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }
}

/// A response with the problem inside; [`render`] writes the body.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.headers_mut().extend(self.0.headers.clone());
        response.extensions_mut().insert(self);
        response
    }
}

/// Which request had a problem.
#[derive(Debug, Clone)]
pub struct ProblemContext {
    /// The path below which all routes are.
    pub base_path: Arc<str>,
    /// The path of the request, without its query.
    pub instance: String,
    /// The id of the request.
    pub request_id: Arc<str>,
}

impl Problem {
    /// The problem as clients read it.
    #[must_use]
    pub fn details<'a>(&'a self, occurrence: &'a ProblemContext) -> Details<'a> {
        let Self(facts) = self;
        let CodeInfo { code, title, .. } = facts.code.info();
        Details {
            r#type: format!("{}/problems/{code}", occurrence.base_path.trim_end_matches('/')),
            title,
            status: facts.status.as_u16(),
            detail: &facts.detail,
            instance: &occurrence.instance,
            code,
            request_id: &occurrence.request_id,
            errors: &facts.errors,
            upstream_message: facts.upstream_message.as_deref(),
            outcome: facts.outcome,
            current_status: facts.current_status.as_deref(),
        }
    }
}

/// Writes the body of a problem, also of an error status that somebody else set without explaining it.
pub fn render(mut response: Response, occurrence: impl FnOnce() -> ProblemContext) -> Response {
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if status.is_client_error() || status.is_server_error() => {
            let code = Code::for_status(status);
            let Problem(facts) = Problem::new(code, code.info().title);
            Problem(Box::new(ProblemData { status, ..*facts }))
        }
        None => return response,
    };
    let body = serde_json::to_vec(&problem.details(&occurrence())).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *response.body_mut() = Body::from(body);
    response
}
