//! Routes to the upstream: HTTP proxies and the source address.

use crate::support::{Authority, Files, Gateway, Program, Proxy, ProxyBehavior, TlsEndpoint, Upstream};

const ORDER: &str = "/orders/20417";
const STATUS: &str = r#"{"status":"received"}"#;

fn proxy_setting(proxy: &Proxy) -> (&'static str, String) {
    ("UPSTREAMS__DEFAULT__PROXY", proxy.url())
}

/// A TLS endpoint in front of `upstream`, and the setting with its CA.
async fn tls_endpoint(upstream: &Upstream, files: &Files) -> (TlsEndpoint, (&'static str, String)) {
    let authority = Authority::new();
    (TlsEndpoint::in_front_of(upstream, authority.identity().server_config()).await, files.authority(&authority))
}

#[tokio::test]
async fn https_upstream_is_tunnelled_with_connect() {
    let (files, upstream, proxy) = (Files::new(), Upstream::with_fixtures().await, Proxy::with(ProxyBehavior::Forwards).await);
    let (endpoint, ca_file) = tls_endpoint(&upstream, &files).await;
    let gateway = Gateway::configured(&endpoint.url(), &[ca_file, proxy_setting(&proxy)]).await;

    gateway.get(ORDER).await.ok();
    gateway.patch_status(20_417, STATUS).await.ok();
    let authority = endpoint.url().split('/').nth(2).expect("an authority").to_owned();
    assert_eq!(proxy.request_lines(), vec![format!("CONNECT {authority} HTTP/1.1"); proxy.request_lines().len()]);
    assert!(!upstream.heads()[0].contains("http://"));
}

#[tokio::test]
async fn http_upstream_is_forwarded_in_absolute_form() {
    let (upstream, proxy) = (Upstream::with_fixtures().await, Proxy::with(ProxyBehavior::Forwards).await);
    let gateway = Gateway::configured(&upstream.url(), &[proxy_setting(&proxy)]).await;

    gateway.get(ORDER).await.ok();
    gateway.patch_status(20_417, STATUS).await.ok();
    let prefix = format!("GET {}?", upstream.url());
    assert!(proxy.request_lines().iter().all(|line| line.starts_with(&prefix)), "{:?}", proxy.request_lines());
    assert_eq!(upstream.heads().len(), proxy.request_lines().len());
}

#[tokio::test]
async fn failing_proxy_means_upstream_unreachable() {
    for behavior in [ProxyBehavior::Refuses, ProxyBehavior::Hangs, ProxyBehavior::Closes, ProxyBehavior::DeadTunnel] {
        let (files, upstream, proxy) = (Files::new(), Upstream::with_fixtures().await, Proxy::with(behavior).await);
        let (endpoint, ca_file) = tls_endpoint(&upstream, &files).await;
        let connect_timeout = ("UPSTREAMS__DEFAULT__CONNECT_TIMEOUT", "300ms".to_owned());
        let gateway = Gateway::configured(&endpoint.url(), &[ca_file, proxy_setting(&proxy), connect_timeout]).await;

        gateway.get(ORDER).await.problem(502, "upstream-unreachable");
        let write = gateway.patch_status(20_417, STATUS).await;

        assert_eq!(write.problem(502, "upstream-unreachable")["outcome"], "not-applied", "{behavior:?}");
        assert!(proxy.request_lines().iter().all(|line| line.starts_with("CONNECT ")));
        assert!(endpoint.client_addresses().is_empty() && upstream.queries().is_empty());
    }
}

#[tokio::test]
async fn missing_proxy_is_not_bypassed() {
    let upstream = Upstream::with_fixtures().await;
    let missing_proxy = ("UPSTREAMS__DEFAULT__PROXY", "http://127.0.0.1:9".to_owned());
    let gateway = Gateway::configured(&upstream.url(), &[missing_proxy]).await;

    gateway.get(ORDER).await.problem(502, "upstream-unreachable");
    assert_eq!(upstream.connection_count(), 0);
}

#[tokio::test]
async fn proxy_environment_variables_are_ignored() {
    let (files, upstream, proxy) = (Files::new(), Upstream::with_fixtures().await, Proxy::with(ProxyBehavior::Hangs).await);
    let (endpoint, ca_file) = tls_endpoint(&upstream, &files).await;
    let proxy_url = proxy.url();

    for url in [upstream.url(), endpoint.url()] {
        let mut settings = vec![
            ("GATEWAY__UPSTREAMS__DEFAULT__URL", url.as_str()),
            ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234"),
            ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
            ("GATEWAY__SERVER__OPS_LISTEN", "127.0.0.1:0"),
        ];
        if url.starts_with("https") {
            settings.push(("GATEWAY__UPSTREAMS__DEFAULT__CA_FILE", &ca_file.1));
        }

        settings
            .extend(["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"].map(|name| (name, &*proxy_url)));
        let mut program = Program::start(&["serve"], &settings);
        let listening: serde_json::Value = serde_json::from_str(&program.line_with("listening").await).expect("a JSON line");
        let api = listening["listen"].as_str().expect("an address");
        let client = crate::support::http_client().build().expect("a client");

        let answer = client.get(format!("http://{api}{ORDER}")).send().await.expect("an answer");

        assert_eq!(answer.status(), 200);
    }

    assert!(proxy.request_lines().is_empty());
}

#[tokio::test]
async fn connections_use_the_configured_source_address() {
    let (files, upstream) = (Files::new(), Upstream::with_fixtures().await);
    let (endpoint, ca_file) = tls_endpoint(&upstream, &files).await;
    let local_address = |address: &str| ("UPSTREAMS__DEFAULT__LOCAL_ADDRESS", address.to_owned());
    let gateway = Gateway::configured(&endpoint.url(), &[ca_file.clone(), local_address("127.0.0.2")]).await;

    gateway.get(ORDER).await.ok();
    gateway.patch_status(20_417, STATUS).await.ok();
    let clients = endpoint.client_addresses();
    assert!(clients.len() >= 2 && clients.iter().all(|client| client.to_string() == "127.0.0.2"), "{clients:?}");

    // There is no fallback from an address of another family or another machine.
    for address in ["::1", "192.0.2.1"] {
        let gateway = Gateway::configured(&endpoint.url(), &[ca_file.clone(), local_address(address)]).await;
        gateway.get(ORDER).await.problem(502, "upstream-unreachable");
    }

    assert_eq!(endpoint.client_addresses(), clients);
}
