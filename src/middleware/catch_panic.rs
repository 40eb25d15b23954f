//! Panics become problems.

use std::panic::AssertUnwindSafe;

use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::problem::{Code, Problem};

/// The panic's own text may hold anything, so it goes nowhere; the hook of the process has written where it happened.
pub(super) async fn catch(handler: impl Future<Output = Response>) -> Response {
    // Nothing is shared with the panicking handler but what locks protect, and those survive a panic.
    let answer = AssertUnwindSafe(handler).catch_unwind().await;
    let fault = |_| Problem::new(Code::InternalError, "Something went wrong in the gateway itself.").into_response();
    answer.unwrap_or_else(fault)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tokio_util::task::TaskTracker;
    use tower::ServiceExt;

    use crate::auth::{Authentication, Principal};
    use crate::metrics::Metrics;
    use crate::middleware::{Settings, apply};

    async fn panicking() {
        panic!("191212121212");
    }

    #[tokio::test]
    async fn a_handler_that_panics_answers_a_problem_without_the_panics_text() {
        let settings = Settings {
            base_path: "/".into(),
            request_timeout: Duration::from_secs(1),
            authentication: Authentication::Anonymous(Principal::anonymous("default")),
            metrics: Metrics::default(),
            rate: None,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            is_public_route: |_| false,
            is_tls: false,
            tasks: TaskTracker::new(),
        };
        let router = apply(Router::new().route("/orders", get(panicking)), settings);
        let request = http::Request::get("/orders").header("host", "a").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("\"code\":\"internal-error\"") && !text.contains("1912"), "{text}");
    }
}
