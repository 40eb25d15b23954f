//! Authentication by API key, scopes and rate limits.

use reqwest::{Method, RequestBuilder};

use crate::support::{ALL_SCOPES, ApiClient, Gateway, Upstream, api_key_hash, borrowed};

/// Method and target of every operation, and the scope that it requires.
const OPERATIONS: [(&str, &str, &str); 8] = [
    ("GET", "/orders?since=2016-03-14", "orders:read"),
    ("GET", "/orders/20417", "orders:read"),
    ("GET", "/orders/20417/status", "orders:read"),
    ("PATCH", "/orders/20417/status", "orders:write"),
    ("GET", "/orders/20417/messages", "orders:read"),
    ("POST", "/orders/20417/messages", "orders:write"),
    ("GET", "/customers?since=2016-03-14", "customers:read"),
    ("GET", "/customers/18020", "customers:read"),
];
const SCOPES: [&str; 4] = ["orders:read", "orders:write", "customers:read", "personal-data:read"];

fn request(gateway: &Gateway, method: &str, target: &str) -> RequestBuilder {
    let request = gateway.request(Method::from_bytes(method.as_bytes()).expect("a method"), target);
    let json = |body: &'static str| ("content-type", "application/json", body);
    let (name, value, body) = match method {
        "PATCH" => json(r#"{"status":"received"}"#),
        "POST" => json(r#"{"type":"log","text":"hej"}"#),
        _ => ("accept", "application/json", ""),
    };
    request.header(name, value).body(body)
}

/// A gateway whose `clients` (name, scopes) belong to one upstream.
async fn gateway(upstream: &Upstream, clients: &[(&str, &str)], more: &[(&str, &str)]) -> Gateway {
    let client = |(name, scopes): &(&str, &str)| ApiClient { name, upstream: "default", scopes }.variables();
    let variables: Vec<_> = clients.iter().flat_map(client).collect();
    Gateway::with(upstream, &[borrowed(&variables), more.to_vec()].concat()).await
}

#[tokio::test]
async fn each_scope_set_allows_exactly_its_operations() {
    let upstream = Upstream::with_fixtures().await;
    let sets: Vec<(String, String)> = (1..16_u32)
        .map(|bits| {
            let scopes = (0..4).filter(|bit| bits & 1 << bit != 0).map(|bit| SCOPES[bit]);
            (format!("client{bits}"), scopes.collect::<Vec<_>>().join(","))
        })
        .collect();
    let gateway = gateway(&upstream, &borrowed(&sets), &[]).await;

    for (name, scopes) in &sets {
        for (method, target, required) in OPERATIONS {
            let queries_before = upstream.queries().len();

            let answer = gateway.send(request(&gateway, method, target).bearer_auth(name)).await;

            if scopes.split(',').any(|scope| scope == required) {
                answer.ok();
                assert_eq!(upstream.queries().len(), queries_before + 1);
            } else {
                let problem = answer.problem(403, "forbidden");
                assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(required)), "{problem}");
                let challenge = format!("Bearer realm=\"orders\", error=\"insufficient_scope\", scope=\"{required}\"");
                assert_eq!(answer.header("www-authenticate"), challenge);
                assert_eq!(upstream.queries().len(), queries_before, "{scopes} {method} {target}");
            }
        }
    }
}

#[tokio::test]
async fn only_documentation_is_public() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = gateway(&upstream, &[("shop", ALL_SCOPES)], &[]).await;
    let unknown = [("GET", "/nowhere", ""), ("PUT", "/orders", ""), ("GET", "/orders/x", ""), ("GET", "/orders?limt=1", "")];

    for (method, target, _) in OPERATIONS.into_iter().chain(unknown) {
        let answer = gateway.send(request(&gateway, method, target)).await;

        answer.problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"orders\"");
    }

    let long = format!("/orders?since={}", "1".repeat(9_000));
    gateway.get(&long).await.problem(401, "unauthenticated");
    for target in [
        "/openapi.json",
        "/openapi.yaml",
        "/swagger-ui/",
        "/swagger-ui/swagger-initializer.js",
        "/docs/",
        "/problems/",
        "/problems/forbidden",
    ] {
        assert_eq!(gateway.get(target).await.status, 200, "{target}");
    }

    assert_eq!(gateway.get("/").await.status, 307);

    for target in ["/orders", "/orders/20417/status"] {
        let answer = gateway.send(gateway.request(Method::OPTIONS, target)).await;
        assert_eq!((answer.status, answer.header("allow").contains("GET")), (204, true), "{target}");
    }

    assert!(upstream.queries().is_empty());
    assert!(gateway.metric("authentication_failures_total{reason=\"missing\"}").await > 10);
}

#[tokio::test]
async fn api_key_is_accepted_in_either_header_only() {
    let upstream = Upstream::with_fixtures().await;
    let both = format!("{},{}", api_key_hash("old key"), api_key_hash("new key").to_uppercase());
    let more = [("AUTH__CLIENTS__SHOP__KEY_SHA256", both.as_str())];
    let gateway = gateway(&upstream, &[("shop", ALL_SCOPES), ("other", "orders:read")], &more).await;
    let with = |name: &'static str, value: String| gateway.request(Method::GET, "/orders/20417").header(name, value);

    for request in [
        with("authorization", "Bearer old key".to_owned()),
        with("authorization", "bearer new key".to_owned()),
        with("x-api-key", "old key".to_owned()),
        with("x-api-key", "other".to_owned()),
    ] {
        gateway.send(request).await.ok();
    }

    let queries_before = upstream.queries().len();
    for request in [
        with("authorization", "Bearer shop".to_owned()),
        with("authorization", format!("Bearer {}", api_key_hash("old key"))),
        with("authorization", "Bearer OLD KEY".to_owned()),
        with("authorization", "Basic b2xkIGtleQ==".to_owned()),
        with("authorization", "old key".to_owned()),
        with("authorization", "Bearer".to_owned()),
        with("x-api-key", String::new()),
        with("x-api-key", " ".to_owned()),
        with("x-api-key", "k".repeat(8_192)),
        with("x-api-key", "other".to_owned()).header("x-api-key", "other"),
        with("x-api-key", "other".to_owned()).header("authorization", "Bearer other"),
    ] {
        let answer = gateway.send(request).await;

        answer.problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"orders\", error=\"invalid_token\"");
        assert!(!answer.body.contains("key OLD") && !answer.body.contains("kkkk"), "{}", answer.body);
    }

    assert_eq!(upstream.queries().len(), queries_before);
    assert_eq!(gateway.metric("authentication_failures_total{reason=\"invalid\"}").await, 11);
}

#[tokio::test]
async fn hashes_reload_and_ambiguous_keys_are_rejected() {
    let upstream = Upstream::with_fixtures().await;
    let files = [tempfile::NamedTempFile::new().expect("a file"), tempfile::NamedTempFile::new().expect("a file")];
    let write = |index: usize, text: String| std::fs::write(files[index].path(), text).expect("a writable file");
    write(0, format!("\u{feff}{}\r\n", api_key_hash("one")));
    write(1, api_key_hash("two"));
    let paths = files.each_ref().map(|file| file.path().display().to_string());
    let settings = [
        ("AUTH__MODE", "api-key"),
        ("AUTH__CLIENTS__A__KEY_SHA256_FILE", paths[0].as_str()),
        ("AUTH__CLIENTS__A__SCOPES", "orders:read"),
        ("AUTH__CLIENTS__B__KEY_SHA256_FILE", paths[1].as_str()),
        ("AUTH__CLIENTS__B__SCOPES", ALL_SCOPES),
    ];
    let gateway = Gateway::with(&upstream, &settings).await;
    let status = async |key: &str| gateway.send(gateway.request(Method::GET, "/customers/18020").bearer_auth(key)).await.status;

    assert_eq!((status("one").await, status("two").await), (403, 200));

    write(1, format!("{}\n{}\n", api_key_hash("two"), api_key_hash("three")));
    gateway.reload_files();
    assert_eq!((status("two").await, status("three").await), (200, 200));

    write(1, format!("{}\n{}\n", api_key_hash("one"), api_key_hash("three")));
    gateway.reload_files();
    assert_eq!((status("one").await, status("two").await, status("three").await), (401, 401, 200));
}

#[tokio::test]
async fn rate_limit_applies_per_client() {
    let upstream = Upstream::with_fixtures().await;
    let more = [("AUTH__CLIENTS__SHOP__RATE", "2")];
    let gateway = gateway(&upstream, &[("shop", ALL_SCOPES), ("other", ALL_SCOPES)], &more).await;
    let get = async |key: &str| gateway.send(gateway.request(Method::GET, "/orders/1/x").bearer_auth(key)).await;

    let answers = futures_util::future::join_all((0..20).map(|_| get("shop"))).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(!refused.is_empty() && refused.len() <= 18, "{}", refused.len());
    refused[0].problem(429, "too-many-requests");
    assert_eq!(refused[0].header("retry-after"), "1");

    for _ in 0..20 {
        get("other").await.problem(404, "route-not-found");
    }
}

#[tokio::test]
async fn forwarded_for_is_trusted_from_proxies_only() {
    let upstream = Upstream::with_fixtures().await;
    for (trusted, expected) in [("127.0.0.0/8", 404), ("10.0.0.0/8", 429)] {
        let settings = [("SERVER__RATE_PER_CLIENT", "1"), ("SERVER__TRUSTED_PROXIES", trusted)];
        let gateway = Gateway::with(&upstream, &settings).await;
        let mut last = 0;

        for number in 0..20 {
            let request =
                gateway.request(Method::GET, "/nowhere").header("x-forwarded-for", format!("6.6.6.6, 198.51.100.{number}"));
            last = gateway.send(request).await.status;
        }

        assert_eq!(last, expected, "{trusted}");

        // Addresses left of the first untrusted one were written by that client itself and must not count.
        let mut last = 0;
        for number in 0..20 {
            let request =
                gateway.request(Method::GET, "/nowhere").header("x-forwarded-for", format!("198.51.100.{number}, 192.0.2.1"));
            last = gateway.send(request).await.status;
        }

        assert_eq!(last, 429, "{trusted}");
    }
}
