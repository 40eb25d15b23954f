//! Turns a panic of a handler into a 500 problem.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;

use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::problem::{Code, Outcome, Problem};

/// Runs a handler. The message of a panic is dropped, since it may contain personal data; the panic hook has logged its
/// location. Unless the method is safe, a write may have been sent before it.
pub(super) async fn catch(is_safe: bool, handler: impl Future<Output = Result<Response, Infallible>>) -> Response {
    // Unwind safety: everything that handlers share is behind locks that are not poisoned by a panic.
    match AssertUnwindSafe(handler).catch_unwind().await {
        Ok(Ok(response)) => response,
        Err(_) => {
            let problem = Problem::new(Code::InternalError, "An unexpected error occurred in the gateway.");
            if is_safe { problem.into_response() } else { problem.with_outcome(Outcome::Unknown).into_response() }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http::Method;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use crate::auth::{Authentication, Principal};
    use crate::metrics::Metrics;
    use crate::middleware::{Settings, apply};
    use crate::resilience::ByteBudget;

    async fn panicking() {
        panic!("191212121212");
    }

    /// The body of the 500 problem of a handler that panics.
    async fn problem_of(method: Method) -> String {
        let settings = Settings {
            memory: ByteBudget::default(),
            base_path: "/".into(),
            request_timeout: Duration::from_secs(1),
            authentication: Authentication::Anonymous(Principal::anonymous("default")),
            metrics: Metrics::default(),
            rate: None,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            is_public_route: |_| false,
            is_tls: false,
            routes: vec!["/orders".to_owned()],
        };
        let router = apply(Router::new().route("/orders", get(panicking).patch(panicking)), settings);
        let request = http::Request::builder().method(method).uri("/orders").header("host", "a");

        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();

        assert_eq!(response.status(), 500);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8_lossy(&body).into_owned()
    }

    #[tokio::test]
    async fn panic_is_a_problem_without_the_panic_message() {
        let text = problem_of(Method::GET).await;

        assert!(text.contains("\"code\":\"internal-error\"") && !text.contains("1912"), "{text}");
        assert!(!text.contains("outcome"), "{text}");
    }

    #[tokio::test]
    async fn panic_of_a_write_leaves_its_outcome_unknown() {
        let text = problem_of(Method::PATCH).await;

        assert!(text.contains("\"outcome\":\"unknown\""), "{text}");
    }
}
