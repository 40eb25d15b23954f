//! TLS to the upstream: trusted CA, client certificate, minimum version.

use std::slice::from_ref;

use rustls::version::{TLS12, TLS13};

use crate::support::{Authority, Files, Gateway, TlsEndpoint, Upstream, config_errors};

const ORDER: &str = "/orders/20417";
const STATUS: &str = r#"{"status":"received"}"#;

/// Asserts that a read and a write fail before anything is sent upstream.
async fn assert_unreachable(gateway: &Gateway, upstream: &Upstream) {
    gateway.get(ORDER).await.problem(502, "upstream-unreachable");
    let write = gateway.patch_status(20_417, STATUS).await;
    assert_eq!(write.problem(502, "upstream-unreachable")["outcome"], "not-applied");
    assert_eq!(upstream.queries(), [""; 0]);
}

async fn assert_reachable(gateway: &Gateway) {
    gateway.get(ORDER).await.ok();
    gateway.patch_status(20_417, STATUS).await.ok();
}

#[tokio::test]
async fn only_the_configured_ca_is_trusted() {
    let (authority, files) = (Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    let endpoint = TlsEndpoint::in_front_of(&upstream, authority.identity().server_config()).await;

    assert_unreachable(&Gateway::in_front_of_url(&endpoint.url(), &[]).await, &upstream).await;

    let other_ca = [files.authority(&Authority::new())];
    assert_unreachable(&Gateway::configured(&endpoint.url(), &other_ca).await, &upstream).await;
    assert_reachable(&Gateway::configured(&endpoint.url(), &[files.authority(&authority)]).await).await;
}

#[tokio::test]
async fn wrong_name_and_expired_certificates_are_rejected() {
    let (authority, files) = (Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;

    for identity in [authority.certificate_for("portal.example", 4096), authority.certificate_for("127.0.0.1", 2001)] {
        let endpoint = TlsEndpoint::in_front_of(&upstream, identity.server_config()).await;
        assert_unreachable(&Gateway::configured(&endpoint.url(), &[files.authority(&authority)]).await, &upstream).await;
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_plain_http_server() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of_url(&upstream.url().replace("http:", "https:"), &[]).await;

    gateway.get(ORDER).await.problem(502, "upstream-unreachable");
    assert_eq!(upstream.queries(), [""; 0]);
}

#[tokio::test]
async fn client_certificate_is_presented() {
    let (authority, client_ca, files) = (Authority::new(), Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;

    for version in [&TLS12, &TLS13] {
        let server = authority.identity().server_config_with(&[version], Some(&client_ca));
        let endpoint = TlsEndpoint::in_front_of(&upstream, server).await;
        let ca_file = files.authority(&authority);
        let queries_before = upstream.queries().len();

        for client_identity in [vec![], files.client(&Authority::new().identity()).to_vec()] {
            let settings = [vec![ca_file.clone()], client_identity].concat();
            let gateway = Gateway::configured(&endpoint.url(), &settings).await;

            gateway.get(ORDER).await.problem(502, "upstream-unreachable");
            let write = gateway.patch_status(20_417, STATUS).await;

            assert_eq!(write.problem(502, "upstream-unreachable")["outcome"], "not-applied");
            assert_eq!(upstream.queries().len(), queries_before);
        }

        let settings = [vec![ca_file], files.client(&client_ca.identity()).to_vec()].concat();
        assert_reachable(&Gateway::configured(&endpoint.url(), &settings).await).await;
    }
}

#[tokio::test]
async fn min_tls_version_is_enforced() {
    let (authority, files) = (Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    let endpoint = TlsEndpoint::in_front_of(&upstream, authority.identity().server_config_with(&[&TLS12], None)).await;
    let at_least = |version: &str| ("UPSTREAMS__DEFAULT__MIN_TLS_VERSION", version.to_owned());
    let settings = [files.authority(&authority), at_least("1.3")];

    assert_unreachable(&Gateway::configured(&endpoint.url(), &settings).await, &upstream).await;

    let settings = [files.authority(&authority), at_least("1.2")];
    assert_reachable(&Gateway::configured(&endpoint.url(), &settings).await).await;
}

#[test]
fn all_config_errors_are_reported_together() {
    let (files, authority) = (Files::new(), Authority::new());
    let [certificate, key] = files.client(&authority.identity());
    let ca_file = files.authority(&authority);
    let set = |name: &'static str, value: &str| (name, value.to_owned());
    let keys = |settings: &[_]| {
        let errors = config_errors(settings);
        let key = |error: &String| error.split_once(' ').expect("a sentence").0.replace("upstreams.default.", "");
        errors.iter().map(key).collect::<Vec<_>>()
    };

    assert_eq!(keys(&[certificate.clone(), key.clone(), ca_file.clone()]), [""; 0]);
    assert_eq!(keys(from_ref(&certificate)), ["client_key_file"]);
    assert_eq!(keys(from_ref(&key)), ["client_cert_file"]);

    let other_key = set(key.0, &files.write("other.key", &authority.identity().key));
    assert_eq!(keys(&[certificate.clone(), other_key, ca_file.clone()]), ["client_key_file"]);
    assert_eq!(keys(&[set("UPSTREAMS__DEFAULT__CA_FILE", "/nowhere")]), ["ca_file"]);

    for version in ["1.1", "1", "TLS 1.3"] {
        assert_eq!(keys(&[set("UPSTREAMS__DEFAULT__MIN_TLS_VERSION", version)]), ["min_tls_version"]);
    }

    let plain_http = set("UPSTREAMS__DEFAULT__URL", "http://127.0.0.1:9/orders");
    let all = [plain_http, ca_file, certificate, key, set("UPSTREAMS__DEFAULT__MIN_TLS_VERSION", "1.2")];
    assert_eq!(keys(&all), ["ca_file", "client_cert_file", "client_key_file", "min_tls_version"]);

    for proxy in [
        "proxy.example:3128",
        "https://proxy.example:3128",
        "http://user:word@proxy.example",
        "http://proxy.example/a",
        "http://proxy.example/?a",
        "http://proxy.example/#a",
    ] {
        assert_eq!(keys(&[set("UPSTREAMS__DEFAULT__PROXY", proxy)]), ["proxy"], "{proxy}");
    }

    for address in ["eth0", "127.0.0.1:80", "0.0.0.0", "::"] {
        assert_eq!(keys(&[set("UPSTREAMS__DEFAULT__LOCAL_ADDRESS", address)]), ["local_address"], "{address}");
    }

    for name in ["MIN_TLS_VERSION", "PROXY", "LOCAL_ADDRESS"] {
        let name = format!("UPSTREAMS__DEFAULT__{name}");
        assert_eq!(config_errors(&[(&*name, String::new())]), [""; 0], "an empty variable is the same as none");
    }
    assert_eq!(keys(&[set("UPSTREAMS__DEFAULT__PROXY", "http://[::1]:3128")]), [""; 0]);
    assert_eq!(keys(&[set("UPSTREAMS__DEFAULT__LOCAL_ADDRESS", "192.0.2.1")]), [""; 0]);
}
