//! HTTP semantics: content negotiation, methods, limits, request ids, caching.

use reqwest::Method;

use crate::support::{Answer, Gateway, Upstream};

async fn gateway() -> (Upstream, Gateway) {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;
    (upstream, gateway)
}

#[tokio::test]
async fn unacceptable_media_type_is_406_before_sending() {
    let (upstream, gateway) = gateway().await;

    for target in [
        "/orders?since=2016-03-14",
        "/orders/1",
        "/orders/1/status",
        "/orders/1/messages",
        "/customers?since=2016-03-14",
        "/customers/1",
    ] {
        for accept in ["text/html", "application/json;q=0", "*/*;q=0", "application/xml"] {
            gateway.send(gateway.request(Method::GET, target).header("accept", accept)).await.problem(406, "not-acceptable");
        }
    }

    let patch = gateway
        .request(Method::PATCH, "/orders/1/status")
        .header("content-type", "application/json")
        .header("accept", "text/html");
    gateway.send(patch.body("{\"status\":\"new\"}")).await.problem(406, "not-acceptable");
    assert!(upstream.queries().is_empty());

    for accept in ["application/problem+json", "text/html, */*;q=0.1", "application/*"] {
        gateway.send(gateway.request(Method::GET, "/orders/20417").header("accept", accept)).await.ok();
    }
}

#[tokio::test]
async fn head_matches_get_without_a_body() {
    let (upstream, gateway) = gateway().await;

    let get = gateway.get("/orders/20417").await;
    let head = gateway.send(gateway.request(Method::HEAD, "/orders/20417")).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.body.len().to_string());

    let list = gateway.send(gateway.request(Method::HEAD, "/orders?since=2016-03-14")).await;
    assert_eq!((list.status, list.body.as_str(), list.header("content-length")), (200, "", ""));

    let missing = gateway.send(gateway.request(Method::HEAD, "/orders/0")).await;
    assert_eq!((missing.status, missing.body.as_str()), (400, ""));
    assert_eq!(upstream.queries().len(), 3);
}

#[tokio::test]
async fn options_and_405_list_the_allowed_methods() {
    let (upstream, gateway) = gateway().await;

    for (path, methods) in [
        ("/orders", "GET, HEAD, OPTIONS"),
        ("/orders/1", "GET, HEAD, OPTIONS"),
        ("/orders/1/status", "GET, HEAD, PATCH, OPTIONS"),
        ("/orders/1/messages", "GET, HEAD, POST, OPTIONS"),
        ("/customers", "GET, HEAD, OPTIONS"),
        ("/customers/1", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
    ] {
        let options = gateway.send(gateway.request(Method::OPTIONS, path)).await;
        assert_eq!((options.status, options.body.as_str(), options.header("allow")), (204, "", methods), "{path}");

        for method in [Method::PUT, Method::DELETE, Method::TRACE] {
            let other = gateway.send(gateway.request(method, path)).await;

            other.problem(405, "method-not-allowed");
            assert_eq!(other.header("allow"), methods, "{path}");
        }
    }

    assert!(upstream.queries().is_empty());
}

#[tokio::test]
async fn unknown_paths_are_404() {
    let (upstream, gateway) = gateway().await;

    for path in [
        "/orders/",
        "/orders/1/",
        "/order/1",
        "/orders/1/status/new",
        "/customers/",
        "//orders",
        "/ORDERS?since=2016-03-14",
        "/livez",
        "/metrics",
    ] {
        gateway.get(path).await.problem(404, "route-not-found");
        gateway.send(gateway.request(Method::OPTIONS, path)).await.problem(404, "route-not-found");
    }

    assert!(upstream.queries().is_empty());
}

#[tokio::test]
async fn request_bodies_need_a_json_content_type() {
    let (upstream, gateway) = gateway().await;
    let write = |method: Method, path: &str, body: &'static str| gateway.request(method, path).body(body);
    let patch = || write(Method::PATCH, "/orders/1/status", "{\"status\":\"new\"}");
    let post = || write(Method::POST, "/orders/1/messages", "{\"type\":\"log\",\"text\":\"a\"}");

    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=iso-8859-1",
        "application/jsonp",
        "application/json-patch+json",
    ] {
        let answer = gateway.send(patch().header("content-type", media_type)).await;
        answer.problem(415, "unsupported-media-type");
        assert_eq!(answer.header("accept-patch"), "application/merge-patch+json, application/json");

        let answer = gateway.send(post().header("content-type", media_type)).await;
        answer.problem(415, "unsupported-media-type");
        assert_eq!(answer.header("accept-patch"), "");
    }

    gateway.send(patch()).await.problem(415, "unsupported-media-type");
    let compressed = patch().header("content-type", "application/json").header("content-encoding", "gzip");
    gateway.send(compressed).await.problem(415, "unsupported-media-type");
    gateway.send(post().header("content-type", "application/merge-patch+json")).await.problem(415, "unsupported-media-type");
    assert!(upstream.queries().is_empty());

    for media_type in [
        "application/json",
        "Application/JSON; charset=\"UTF-8\"",
        "application/json;charset=utf8",
        "application/json; charset=UTF_8",
        "application/json; charset='utf-8'",
        "application/json; charset=",
        "application/json; odata=verbose; charset = utf8",
        "application/merge-patch+json",
    ] {
        gateway.send(patch().header("content-type", media_type)).await.ok();
    }
    for media_type in
        ["application/json; charset=utf-16", "application/json; charset=utf-7", "application/json; charset=utf8mb4"]
    {
        gateway.send(patch().header("content-type", media_type)).await.problem(415, "unsupported-media-type");
    }
}

#[tokio::test]
async fn byte_order_mark_before_a_body_is_ignored() {
    let (upstream, gateway) = gateway().await;

    gateway.patch_status(1, "\u{feff}{\"status\":\"new\"}").await.ok();
    assert_eq!(gateway.post_message(1, "\u{feff}{\"type\":\"log\",\"text\":\"\u{feff}a\"}").await.status, 201);

    let sent = upstream.queries().len();
    for body in ["\u{feff}", "\u{feff}\u{feff}{\"status\":\"new\"}", "{\"status\":\"new\"}\u{feff}"] {
        gateway.patch_status(1, body).await.problem(400, "malformed-body");
    }
    let utf_16 = "\u{feff}{\"status\":\"new\"}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let request = gateway.request(Method::PATCH, "/orders/1/status").header("content-type", "application/json").body(utf_16);
    gateway.send(request).await.problem(400, "malformed-body");
    assert_eq!(upstream.queries().len(), sent);
}

#[tokio::test]
async fn request_size_limits_are_exact() {
    let (upstream, gateway) = gateway().await;
    // The request target, in bytes.
    let target = |length: usize| {
        let prefix = "/orders?since=2016-03-14&type=";
        format!("{prefix}{}", "a".repeat(length - prefix.len()))
    };

    gateway.get(&target(8192)).await.ok();
    gateway.get(&target(8193)).await.problem(414, "uri-too-long");
    gateway.get(&format!("/nowhere?{}", "a".repeat(8193))).await.problem(414, "uri-too-long");

    // The header section: name, value and 4 bytes for each header.
    let with_headers = async |size: usize| {
        let fixed = "host".len() + "localhost".len() + 4 + "connection".len() + "close".len() + 4;
        let filler = "x-filler".len() + 4;
        let value = "a".repeat(size - fixed - filler);
        gateway
            .raw(
                format!("GET /orders/20417 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nx-filler: {value}\r\n\r\n")
                    .as_bytes(),
            )
            .await
    };
    assert!(with_headers(32_768).await.starts_with("HTTP/1.1 200 "));

    let too_large = with_headers(32_769).await;
    assert!(too_large.starts_with("HTTP/1.1 431 ") && too_large.contains("headers-too-large"), "{too_large}");

    // The body, with and without a declared length.
    let queries_before = upstream.queries().len();
    for chunked in [false, true] {
        let send = async |size: usize| {
            let prefix = "{\"status\":\"received\"";
            let body = format!("{prefix}{}}}", " ".repeat(size - prefix.len() - 1));
            let request = gateway.request(Method::PATCH, "/orders/20417/status").header("content-type", "application/json");
            let body = if chunked {
                reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(body)]))
            } else {
                body.into()
            };
            gateway.send(request.body(body)).await
        };

        send(65_536).await.ok();
        send(65_537).await.problem(413, "body-too-large");
    }

    assert_eq!(upstream.queries().len(), queries_before + 2);
}

#[tokio::test]
async fn targets_without_a_path_are_answered() {
    let (_upstream, gateway) = gateway().await;
    let send =
        async |line: &str| gateway.raw(format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes()).await;

    for line in ["CONNECT a:80", "GET a:80", "GET *"] {
        let answer = send(line).await;
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("\"instance\":\"/\""), "{answer}");
    }

    let options = send("OPTIONS *").await;

    assert!(options.starts_with("HTTP/1.1 204 "), "{options}");
}

#[tokio::test]
async fn exactly_one_valid_host_is_required() {
    let (upstream, gateway) = gateway().await;

    for hosts in ["", "Host: a\r\nHost: a\r\n", "Host:\r\n", "Host: a b/c?d\r\n", "Host: a,b\r\n", "Host: user@a\r\n"] {
        let answer = gateway.raw(format!("GET /orders/20417 HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"parameter\":\"Host\""), "{answer}");
    }

    assert!(upstream.queries().is_empty());

    let answer = gateway.raw(b"GET /orders/20417 HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

#[tokio::test]
async fn request_id_is_adopted_if_valid() {
    let (_upstream, gateway) = gateway().await;
    let send = async |id: &str| gateway.send(gateway.request(Method::GET, "/orders/0").header("x-request-id", id)).await;

    for id in ["a", "A.b_c-9", &"x".repeat(128)] {
        assert_eq!(send(id).await.header("x-request-id"), id);
    }

    for id in ["", "a b", "a/b", "å", "a\tb", &"x".repeat(129)] {
        let generated = send(id).await;

        assert_ne!(generated.header("x-request-id"), id);
        assert_eq!(generated.header("x-request-id").len(), 36);
    }

    assert_ne!(gateway.get("/orders/0").await.header("x-request-id"), gateway.get("/orders/0").await.header("x-request-id"));
}

#[tokio::test]
async fn only_responses_with_etags_are_cacheable() {
    let (_upstream, gateway) = gateway().await;
    let cache_control = |answer: Answer| answer.header("cache-control").to_owned();

    for target in ["/orders/20417", "/orders/20417/status", "/customers/18020", "/openapi.json"] {
        assert_eq!(cache_control(gateway.get(target).await), "private, no-cache", "{target}");
    }

    for target in ["/orders/20417/messages", "/orders?since=2016-03-14", "/orders/0", "/nowhere"] {
        assert_eq!(cache_control(gateway.get(target).await), "no-store", "{target}");
    }
}
