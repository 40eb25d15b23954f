//! CORS and security headers.

use reqwest::Method;

use crate::support::{Answer, Gateway, Upstream};

const ORIGINS: (&str, &str) = ("SERVER__CORS_ORIGINS", "https://intranet.example, http://localhost:3000");

async fn send(gateway: &Gateway, method: Method, target: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers.iter().fold(gateway.request(method, target), |request, (name, value)| request.header(*name, *value));
    gateway.send(request).await
}

#[tokio::test]
async fn allowed_origins_may_read_all_responses() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[ORIGINS]).await;

    for origin in ["https://intranet.example", "http://localhost:3000"] {
        for target in ["/orders/20417", "/orders/0", "/nowhere", "/openapi.json"] {
            let answer = send(&gateway, Method::GET, target, &[("origin", origin)]).await;

            assert_eq!(answer.header("access-control-allow-origin"), origin, "{target}");
            assert!(answer.header("access-control-expose-headers").contains("ETag"));
            assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "origin"), "{target}");
        }
    }
}

#[tokio::test]
async fn other_origins_get_no_cors_headers() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[ORIGINS]).await;

    for origin in [
        "null",
        "https://intranet.example.evil.example",
        "https://evil-intranet.example",
        "http://intranet.example",
        "https://intranet.example:8443",
        "https://INTRANET.example",
        "https://intranet.example/",
        "*",
        "",
    ] {
        for method in [Method::GET, Method::OPTIONS] {
            let headers = [("origin", origin), ("access-control-request-method", "GET")];

            let answer = send(&gateway, method, "/orders/20417", &headers).await;

            assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{origin}");
            assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "origin"));
        }
    }

    let gateway = Gateway::in_front_of(&upstream).await;
    let answer = send(&gateway, Method::GET, "/orders/20417", &[("origin", "https://intranet.example")]).await;
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), ("", ""));
}

#[tokio::test]
async fn preflight_lists_methods_and_headers() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[ORIGINS]).await;
    let headers = [
        ("origin", "https://intranet.example"),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "authorization,content-type,if-match"),
    ];

    let answer = send(&gateway, Method::OPTIONS, "/orders/20417/status", &headers).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD, PATCH, OPTIONS");
    assert_eq!(answer.header("access-control-allow-methods"), answer.header("allow"));

    for header in ["Authorization", "Content-Type", "If-Match", "Idempotency-Key", "X-API-Key"] {
        assert!(answer.header("access-control-allow-headers").contains(header), "{header}");
    }

    assert_eq!(answer.header("access-control-max-age"), "600");

    // Without `Access-Control-Request-Method` this is an ordinary OPTIONS request.
    let answer = send(&gateway, Method::OPTIONS, "/orders/20417/status", &headers[..1]).await;
    assert_eq!((answer.status, answer.header("access-control-allow-methods")), (204, ""));
    assert!(upstream.queries().is_empty());
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;

    for target in
        ["/orders/20417", "/orders?since=2016-03-14", "/nowhere", "/swagger-ui/", "/docs/", "/problems/forbidden", "/"]
    {
        let answer = gateway.get(target).await;

        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!((answer.header("x-frame-options"), answer.header("referrer-policy")), ("DENY", "no-referrer"));
        assert_eq!(answer.header("strict-transport-security"), "");
        assert_eq!(policy.contains("script-src"), target == "/swagger-ui/", "{target}");
    }
}
