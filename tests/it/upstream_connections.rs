//! Encrypted connections to the order system: whom the gateway trusts, and what it shows.

use std::slice::from_ref;

use rustls::version::{TLS12, TLS13};

use crate::support::{Authority, Endpoint, Files, Gateway, Upstream, faults};

const ORDER: &str = "/orders/20417";
const STATUS: &str = r#"{"status":"received"}"#;

/// The order system is not reached, for a read and for a write, and has not heard of either.
async fn is_unreachable(gateway: &Gateway, upstream: &Upstream) {
    gateway.get(ORDER).await.problem(502, "upstream-unreachable");
    let write = gateway.patch_status(20_417, STATUS).await;
    assert_eq!(write.problem(502, "upstream-unreachable")["outcome"], "not-applied");
    assert_eq!(upstream.queries(), [""; 0]);
}

async fn is_reached(gateway: &Gateway) {
    gateway.get(ORDER).await.ok();
    gateway.patch_status(20_417, STATUS).await.ok();
}

#[tokio::test]
async fn its_authority_is_the_one_that_is_named_and_no_other() {
    let (authority, files) = (Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    let endpoint = Endpoint::before(&upstream, authority.identity().server()).await;
    is_unreachable(&Gateway::before_url(&endpoint.url(), &[]).await, &upstream).await;
    let stranger = [files.authority(&Authority::new())];
    is_unreachable(&Gateway::configured(&endpoint.url(), &stranger).await, &upstream).await;
    is_reached(&Gateway::configured(&endpoint.url(), &[files.authority(&authority)]).await).await;
}

#[tokio::test]
async fn a_certificate_of_somebody_else_or_of_another_time_is_not_accepted() {
    let (authority, files) = (Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    for identity in [authority.issue("portal.example", 4096), authority.issue("127.0.0.1", 2001)] {
        let endpoint = Endpoint::before(&upstream, identity.server()).await;
        is_unreachable(&Gateway::configured(&endpoint.url(), &[files.authority(&authority)]).await, &upstream).await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_encrypted_gets_nothing() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::before_url(&upstream.url().replace("http:", "https:"), &[]).await;
    gateway.get(ORDER).await.problem(502, "upstream-unreachable");
    assert_eq!(upstream.queries(), [""; 0]);
}

#[tokio::test]
async fn it_is_shown_the_certificate_that_it_wants() {
    let (authority, clients, files) = (Authority::new(), Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    for version in [&TLS12, &TLS13] {
        let server = authority.identity().server_of(&[version], Some(&clients));
        let endpoint = Endpoint::before(&upstream, server).await;
        let trusted = files.authority(&authority);
        let before = upstream.queries().len();
        for shown in [vec![], files.client(&Authority::new().identity()).to_vec()] {
            let settings = [vec![trusted.clone()], shown].concat();
            let gateway = Gateway::configured(&endpoint.url(), &settings).await;
            gateway.get(ORDER).await.problem(502, "upstream-unreachable");
            let write = gateway.patch_status(20_417, STATUS).await;
            assert_eq!(write.problem(502, "upstream-unreachable")["outcome"], "not-applied");
            assert_eq!(upstream.queries().len(), before);
        }
        let settings = [vec![trusted], files.client(&clients.identity()).to_vec()].concat();
        is_reached(&Gateway::configured(&endpoint.url(), &settings).await).await;
    }
}

#[tokio::test]
async fn a_version_that_is_too_old_is_not_spoken() {
    let (authority, files) = (Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    let endpoint = Endpoint::before(&upstream, authority.identity().server_of(&[&TLS12], None)).await;
    let at_least = |version: &str| ("UPSTREAMS__DEFAULT__MIN_TLS_VERSION", version.to_owned());
    let settings = [files.authority(&authority), at_least("1.3")];
    is_unreachable(&Gateway::configured(&endpoint.url(), &settings).await, &upstream).await;
    let settings = [files.authority(&authority), at_least("1.2")];
    is_reached(&Gateway::configured(&endpoint.url(), &settings).await).await;
}

#[test]
fn faults_are_told_at_once_each_with_its_key() {
    let (files, authority) = (Files::new(), Authority::new());
    let [certificate, key] = files.client(&authority.identity());
    let trusted = files.authority(&authority);
    let set = |name: &'static str, value: &str| (name, value.to_owned());
    let keys = |settings: &[_]| {
        let faults = faults(settings);
        let key = |fault: &String| fault.split_once(' ').expect("a sentence").0.replace("upstreams.default.", "");
        faults.iter().map(key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&[certificate.clone(), key.clone(), trusted.clone()]), [""; 0]);
    assert_eq!(keys(from_ref(&certificate)), ["client_key_file"]);
    assert_eq!(keys(from_ref(&key)), ["client_cert_file"]);
    let other = set(key.0, &files.write("other.key", &authority.identity().key));
    assert_eq!(keys(&[certificate.clone(), other, trusted.clone()]), ["client_key_file"]);
    assert_eq!(keys(&[set("UPSTREAMS__DEFAULT__CA_FILE", "/nowhere")]), ["ca_file"]);
    for version in ["1.1", "1", "TLS 1.3", ""] {
        assert_eq!(keys(&[set("UPSTREAMS__DEFAULT__MIN_TLS_VERSION", version)]), ["min_tls_version"]);
    }
    let plain = set("UPSTREAMS__DEFAULT__URL", "http://127.0.0.1:9/orders");
    let all = [plain, trusted, certificate, key, set("UPSTREAMS__DEFAULT__MIN_TLS_VERSION", "1.2")];
    assert_eq!(keys(&all), ["ca_file", "client_cert_file", "client_key_file", "min_tls_version"]);
    for proxy in [
        "proxy.example:3128",
        "https://proxy.example:3128",
        "http://user:word@proxy.example",
        "http://proxy.example/a",
        "http://proxy.example/?a",
        "http://proxy.example/#a",
        "",
    ] {
        assert_eq!(keys(&[set("UPSTREAMS__DEFAULT__PROXY", proxy)]), ["proxy"], "{proxy}");
    }
    for address in ["eth0", "127.0.0.1:80", "0.0.0.0", "::", ""] {
        assert_eq!(keys(&[set("UPSTREAMS__DEFAULT__LOCAL_ADDRESS", address)]), ["local_address"], "{address}");
    }
    assert_eq!(keys(&[set("UPSTREAMS__DEFAULT__PROXY", "http://[::1]:3128")]), [""; 0]);
    assert_eq!(keys(&[set("UPSTREAMS__DEFAULT__LOCAL_ADDRESS", "192.0.2.1")]), [""; 0]);
}
