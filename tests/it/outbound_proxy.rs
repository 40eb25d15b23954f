//! Which way connections to the order system take.

use crate::support::{Authority, Endpoint, Files, Gateway, Manner, Program, Proxy, Upstream};

const ORDER: &str = "/orders/20417";
const STATUS: &str = r#"{"status":"received"}"#;

fn through(proxy: &Proxy) -> (&'static str, String) {
    ("UPSTREAMS__DEFAULT__PROXY", proxy.url())
}

/// An order system behind TLS, and what a gateway needs to know of it.
async fn encrypted(upstream: &Upstream, files: &Files) -> (Endpoint, (&'static str, String)) {
    let authority = Authority::new();
    (Endpoint::before(upstream, authority.identity().server()).await, files.authority(&authority))
}

#[tokio::test]
async fn https_goes_through_a_tunnel() {
    let (files, upstream, proxy) = (Files::new(), Upstream::with_fixtures().await, Proxy::that(Manner::Serves).await);
    let (endpoint, trusted) = encrypted(&upstream, &files).await;
    let gateway = Gateway::configured(&endpoint.url(), &[trusted, through(&proxy)]).await;
    gateway.get(ORDER).await.ok();
    gateway.patch_status(20_417, STATUS).await.ok();
    let authority = endpoint.url().split('/').nth(2).expect("an authority").to_owned();
    assert_eq!(proxy.asked(), vec![format!("CONNECT {authority} HTTP/1.1"); proxy.asked().len()]);
    assert!(!upstream.heads()[0].contains("http://"));
}

#[tokio::test]
async fn plain_http_is_asked_for_by_its_whole_address() {
    let (upstream, proxy) = (Upstream::with_fixtures().await, Proxy::that(Manner::Serves).await);
    let gateway = Gateway::configured(&upstream.url(), &[through(&proxy)]).await;
    gateway.get(ORDER).await.ok();
    gateway.patch_status(20_417, STATUS).await.ok();
    let begin = format!("GET {}?", upstream.url());
    assert!(proxy.asked().iter().all(|line| line.starts_with(&begin)), "{:?}", proxy.asked());
    assert_eq!(upstream.heads().len(), proxy.asked().len());
}

#[tokio::test]
async fn a_proxy_that_does_not_connect_is_a_server_that_cannot_be_reached() {
    for manner in [Manner::Refuses, Manner::Hangs, Manner::HangsUp, Manner::TunnelsNowhere] {
        let (files, upstream, proxy) = (Files::new(), Upstream::with_fixtures().await, Proxy::that(manner).await);
        let (endpoint, trusted) = encrypted(&upstream, &files).await;
        let patience = ("UPSTREAMS__DEFAULT__CONNECT_TIMEOUT", "300ms".to_owned());
        let gateway = Gateway::configured(&endpoint.url(), &[trusted, through(&proxy), patience]).await;
        gateway.get(ORDER).await.problem(502, "upstream-unreachable");
        let write = gateway.patch_status(20_417, STATUS).await;
        assert_eq!(write.problem(502, "upstream-unreachable")["outcome"], "not-applied", "{manner:?}");
        assert!(proxy.asked().iter().all(|line| line.starts_with("CONNECT ")));
        assert!(endpoint.clients().is_empty() && upstream.queries().is_empty());
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_not_gone_around() {
    let upstream = Upstream::with_fixtures().await;
    let nobody = ("UPSTREAMS__DEFAULT__PROXY", "http://127.0.0.1:9".to_owned());
    let gateway = Gateway::configured(&upstream.url(), &[nobody]).await;
    gateway.get(ORDER).await.problem(502, "upstream-unreachable");
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn what_the_environment_says_about_proxies_is_not_heard() {
    let (files, upstream, proxy) = (Files::new(), Upstream::with_fixtures().await, Proxy::that(Manner::Hangs).await);
    let (endpoint, trusted) = encrypted(&upstream, &files).await;
    let proxy_url = proxy.url();
    for url in [upstream.url(), endpoint.url()] {
        let mut settings = vec![
            ("GATEWAY__UPSTREAMS__DEFAULT__URL", url.as_str()),
            ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234"),
            ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
            ("GATEWAY__SERVER__OPS_LISTEN", "127.0.0.1:0"),
        ];
        if url.starts_with("https") {
            settings.push(("GATEWAY__UPSTREAMS__DEFAULT__CA_FILE", &trusted.1));
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
    assert!(proxy.asked().is_empty());
}

#[tokio::test]
async fn connections_come_from_the_address_that_is_named() {
    let (files, upstream) = (Files::new(), Upstream::with_fixtures().await);
    let (endpoint, trusted) = encrypted(&upstream, &files).await;
    let from = |address: &str| ("UPSTREAMS__DEFAULT__LOCAL_ADDRESS", address.to_owned());
    let gateway = Gateway::configured(&endpoint.url(), &[trusted.clone(), from("127.0.0.2")]).await;
    gateway.get(ORDER).await.ok();
    gateway.patch_status(20_417, STATUS).await.ok();
    let clients = endpoint.clients();
    assert!(clients.len() >= 2 && clients.iter().all(|client| client.to_string() == "127.0.0.2"), "{clients:?}");
    // An address of another family, or of another machine, is not replaced by one that works.
    for address in ["::1", "192.0.2.1"] {
        let gateway = Gateway::configured(&endpoint.url(), &[trusted.clone(), from(address)]).await;
        gateway.get(ORDER).await.problem(502, "upstream-unreachable");
    }
    assert_eq!(endpoint.clients(), clients);
}
