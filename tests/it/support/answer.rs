//! A response of the gateway. Its invariants (headers, problem format, no `null`, no PII) are checked whenever one is read.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// A response with its complete body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// Headers that a response may have: upstream headers must never pass through.
const KNOWN_HEADERS: [&str; 26] = [
    "accept-patch",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "connection",
    "content-security-policy",
    "content-length",
    "content-type",
    "date",
    "etag",
    "idempotency-replayed",
    "link",
    "location",
    "referrer-policy",
    "retry-after",
    "transfer-encoding",
    "www-authenticate",
    "x-accel-buffering",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
    "vary",
];

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.expect("a complete body");
        let answer = Self { status, headers, body };
        answer.check_invariants();
        answer
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("headers are ASCII"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }

    /// Asserts that this is a problem with `status` and `code`, and returns its body.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}", self.body);
        problem
    }

    /// Asserts success, and returns the JSON body.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(matches!(self.status, 200 | 201), "{} {}", self.status, self.body);
        self.json()
    }

    fn check_invariants(&self) {
        for name in self.headers.keys() {
            assert!(KNOWN_HEADERS.contains(&name.as_str()), "unexpected header {name}");
        }
        assert!(!self.header("x-request-id").is_empty());
        assert!(!self.header("cache-control").is_empty());
        assert!(self.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        // The response to HEAD has the headers of a body and no body.
        if self.status >= 400 && !(self.body.is_empty() && self.header("content-length") != "0") {
            self.check_problem();
        }
        if self.header("content-type") == "application/json" && !self.body.is_empty() {
            assert!(!contains_null(&self.json()), "null in {}", self.body);
        }
    }

    fn check_problem(&self) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(super::log::find_canary(&self.body), None, "in {}", self.body);
        let problem = self.json();
        let text = |member: &str| problem[member].as_str().unwrap_or_else(|| panic!("{member} of {problem}"));
        assert_eq!(problem["status"], self.status);
        assert!(text("type").ends_with(&format!("/problems/{}", text("code"))));
        assert_eq!(text("requestId"), self.header("x-request-id"));
        assert!(text("instance").starts_with('/') && !text("instance").contains('?'));
        assert!(!text("title").is_empty() && !text("detail").is_empty());
        for error in problem["errors"].as_array().into_iter().flatten() {
            assert!(error["detail"].is_string() && (error["parameter"].is_string() != error["pointer"].is_string()), "{error}");
        }
        assert!(!contains_null(&problem));
    }
}

fn contains_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(contains_null),
        Value::Object(members) => members.values().any(contains_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
