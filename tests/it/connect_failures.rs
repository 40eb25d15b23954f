//! Every cause of a connection that cannot be made has its name, in the log and in the metrics; those of the gateway's own are
//! not blamed on the upstream.

use std::net::SocketAddr;

use reqwest::Method;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use rustls::version::TLS12;
use serde_json::json;
use tjansteguiden_gateway::config::Resolver;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::issuer::Issuer;
use crate::support::log::connect_lines;
use crate::support::{
    Authority, Blackhole, Files, Gateway, Identity, Program, Proxy, ProxyBehavior, TlsEndpoint, Upstream, config_errors,
    is_provider,
};

const ORDER: &str = "/orders/20417";
const STATUS: &str = r#"{"status":"received"}"#;
const URL: &str = "https://portal.example/orders";
const NOWHERE: &str = "http://127.0.0.1:9/orders";

type Setting = (&'static str, String);

fn setting(name: &'static str, value: &str) -> Setting {
    (name, value.to_owned())
}

/// Asserts that a read and a write fail because of `cause`, and that nothing was sent.
async fn assert_cause(gateway: &Gateway, cause: &str) {
    gateway.get(ORDER).await.problem(502, "upstream-unreachable");
    let write = gateway.patch_status(20_417, STATUS).await;
    assert_eq!(write.problem(502, "upstream-unreachable")["outcome"], "not-applied");
    let counted = gateway.metric(&format!(r#"upstream_connect_failures_total{{cause="{cause}",upstream="default"}}"#)).await;
    assert!(counted >= 2, "{counted} failures are counted for {cause}");
}

/// A server that answers every connection with these bytes, and then reads to the end or closes.
async fn server(answer: &'static [u8], closes: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer).await;
                if !closes {
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn network_causes() {
    let quick = setting("UPSTREAMS__DEFAULT__CONNECT_TIMEOUT", "200ms");
    let gateway = Gateway::configured(NOWHERE, &[]).await;
    assert_cause(&gateway, "refused").await;

    let blackhole = Blackhole::new().await;
    let url = format!("http://{}/orders", blackhole.address());
    assert_cause(&Gateway::configured(&url, std::slice::from_ref(&quick)).await, "timeout").await;

    let other_machine = setting("UPSTREAMS__DEFAULT__LOCAL_ADDRESS", "192.0.2.1");
    assert_cause(&Gateway::configured(NOWHERE, &[other_machine]).await, "local_address").await;
    let other_family = setting("UPSTREAMS__DEFAULT__LOCAL_ADDRESS", "::1");
    assert_cause(&Gateway::configured(NOWHERE, &[other_family]).await, "local_address").await;

    // A name that never exists (RFC 6761), looked up by the operating system.
    let allow_http = setting("UPSTREAMS__DEFAULT__ALLOW_HTTP", "true");
    let gateway = Gateway::configured("http://portal.invalid/orders", std::slice::from_ref(&allow_http)).await;
    assert_cause(&gateway, "dns").await;
    // A name without addresses.
    let settings = [(allow_http.0, &*allow_http.1)];
    let empty = Resolver::with(|_, _| Ok(Vec::new()));
    assert_cause(&Gateway::with_resolver("http://portal.example/orders", &settings, empty).await, "dns").await;
}

#[tokio::test]
async fn causes_of_certificates() {
    let (authority, files, upstream) = (Authority::new(), Files::new(), Upstream::with_fixtures().await);
    let self_signed_ca = Identity::self_signed_ca("127.0.0.1");
    for (identity, cause) in [
        (authority.certificate_for("127.0.0.1", 2001), "certificate_expired"),
        (authority.certificate_between("127.0.0.1", 4000, 4001), "certificate_not_yet_valid"),
        (authority.certificate_for("portal.example", 4096), "certificate_name"),
        (Authority::new().identity(), "certificate_issuer"),
        (self_signed_ca, "certificate_is_ca"),
    ] {
        let endpoint = TlsEndpoint::in_front_of(&upstream, identity.server_config()).await;
        assert_cause(&Gateway::configured(&endpoint.url(), &[files.authority(&authority)]).await, cause).await;
        let lines = connect_lines(endpoint.address());
        assert_eq!(lines.len(), 1, "logged once: {lines:?}");
        assert_eq!((&lines[0]["cause"], &lines[0]["upstream"]), (&cause.into(), &"default".into()));
        assert!(lines[0]["message"].as_str().expect("a text").contains("certificate"), "{}", lines[0]);
    }
    assert!(upstream.queries().is_empty());
}

#[tokio::test]
async fn causes_of_tls() {
    let (authority, files, upstream) = (Authority::new(), Files::new(), Upstream::with_fixtures().await);
    let ca_file = files.authority(&authority);
    let only_tls12 = authority.identity().server_config_with(&[&TLS12], None);
    let endpoint = TlsEndpoint::in_front_of(&upstream, only_tls12).await;
    let settings = [ca_file.clone(), setting("UPSTREAMS__DEFAULT__MIN_TLS_VERSION", "1.3")];
    assert_cause(&Gateway::configured(&endpoint.url(), &settings).await, "tls_version").await;

    // What a server of TLS 1.1 answers, and one without a cipher suite in common: alerts of the handshake.
    let quick = setting("UPSTREAMS__DEFAULT__CONNECT_TIMEOUT", "200ms");
    for (answer, closes, cause) in [
        (&b"\x15\x03\x02\x00\x02\x02\x46"[..], true, "tls_version"),
        (b"\x15\x03\x03\x00\x02\x02\x28", true, "tls_handshake"),
        (b"", true, "tls_handshake"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", true, "not_tls"),
        (b"220 mail.example ESMTP\r\n", false, "not_tls"),
        (b"", false, "tls_timeout"),
    ] {
        let url = format!("https://{}/orders", server(answer, closes).await);
        assert_cause(&Gateway::configured(&url, &[ca_file.clone(), quick.clone()]).await, cause).await;
    }

    let client_ca = Authority::new();
    for version in [&TLS12, &rustls::version::TLS13] {
        let wants_certificate = authority.identity().server_config_with(&[version], Some(&client_ca));
        let endpoint = TlsEndpoint::in_front_of(&upstream, wants_certificate).await;
        assert_cause(&Gateway::configured(&endpoint.url(), std::slice::from_ref(&ca_file)).await, "client_certificate").await;
        let foreign = [vec![ca_file.clone()], files.client(&Authority::new().identity()).to_vec()].concat();
        assert_cause(&Gateway::configured(&endpoint.url(), &foreign).await, "client_certificate").await;
    }
    assert!(upstream.queries().is_empty());
}

#[tokio::test]
async fn causes_of_proxies() {
    let quick = setting("UPSTREAMS__DEFAULT__CONNECT_TIMEOUT", "200ms");
    let allow_http = setting("UPSTREAMS__DEFAULT__ALLOW_HTTP", "true");
    let through = |url: &str| [quick.clone(), allow_http.clone(), setting("UPSTREAMS__DEFAULT__PROXY", url)];
    for (behavior, cause) in [
        (ProxyBehavior::Refuses, "proxy_refused"),
        (ProxyBehavior::WantsCredentials, "proxy_authentication"),
        (ProxyBehavior::Closes, "proxy_failed"),
        (ProxyBehavior::Hangs, "proxy_failed"),
        (ProxyBehavior::DeadTunnel, "tls_timeout"),
    ] {
        let proxy = Proxy::with(behavior).await;
        assert_cause(&Gateway::configured("https://portal.example/orders", &through(&proxy.url())).await, cause).await;
        assert_eq!(connect_lines(proxy.address())[0]["cause"], cause);
    }
    for (url, proxy) in [
        ("https://portal.example/orders", "http://127.0.0.1:9".to_owned()),
        (NOWHERE, "http://127.0.0.1:9".to_owned()),
        (NOWHERE, format!("http://{}", Blackhole::new().await.address())),
        (NOWHERE, "http://proxy.invalid:3128".to_owned()),
    ] {
        // `Blackhole` is dropped by now: its port refuses.
        assert_cause(&Gateway::configured(url, &through(&proxy)).await, "proxy_unreachable").await;
    }
    let no_proxy = format!("http://{}", server(b"220 mail.example ESMTP\r\n\r\n", false).await);
    assert_cause(&Gateway::configured("https://portal.example/orders", &through(&no_proxy)).await, "proxy_failed").await;
}

#[tokio::test]
async fn causes_for_the_issuer() {
    let (authority, files, issuer) = (Authority::new(), Files::new(), Issuer::start().await);
    let tls = |config| TlsEndpoint::in_front_of_issuer(&issuer, config);
    let wants_certificate = |version| authority.identity().server_config_with(&[version], Some(&authority));
    let endpoints = [
        (tls(authority.certificate_for("127.0.0.1", 2001).server_config()).await, "certificate_expired"),
        (tls(authority.certificate_for("issuer.example", 4096).server_config()).await, "certificate_name"),
        (tls(Authority::new().identity().server_config()).await, "certificate_issuer"),
        (tls(Identity::self_signed_ca("127.0.0.1").server_config()).await, "certificate_is_ca"),
        (tls(wants_certificate(&TLS12)).await, "client_certificate"),
        (tls(wants_certificate(&rustls::version::TLS13)).await, "client_certificate"),
    ];
    let mut cases: Vec<(SocketAddr, Option<String>, &str)> =
        endpoints.iter().map(|(endpoint, cause)| (endpoint.address(), None, *cause)).collect();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    cases.push((server(b"", true).await, None, "tls_handshake"));
    cases.push((server(b"HTTP/1.1 400 Bad Request\r\n\r\n", true).await, None, "not_tls"));
    cases.push((nowhere, None, "refused"));
    let mut proxies = Vec::new();
    for (behavior, cause) in [
        (ProxyBehavior::Refuses, "proxy_refused"),
        (ProxyBehavior::WantsCredentials, "proxy_authentication"),
        (ProxyBehavior::Closes, "proxy_failed"),
    ] {
        let proxy = Proxy::with(behavior).await;
        cases.push((proxy.address(), Some(proxy.url()), cause));
        proxies.push(proxy);
    }
    cases.push((nowhere, Some("http://127.0.0.1:9".to_owned()), "proxy_unreachable"));

    let ca_file = files.authority(&authority).1;
    for (address, proxy, cause) in cases {
        let mut settings = issuer.settings().to_vec();
        settings.push(("AUTH__JWT__JWKS_URL", format!("https://{address}/keys")));
        settings.push(("AUTH__JWT__CA_FILE", ca_file.clone()));
        settings.extend(proxy.map(|url| ("AUTH__JWT__PROXY", url)));
        let gateway = Gateway::configured(NOWHERE, &settings).await;

        let request = gateway.request(Method::GET, ORDER).bearer_auth(issuer.token(&json!({})));
        gateway.send(request).await.problem(503, "authentication-unavailable");

        assert_eq!(gateway.metric(&format!(r#"jwks_connect_failures_total{{cause="{cause}"}}"#)).await, 1, "{cause}");
        let is_logged = |line: &serde_json::Value| {
            line["cause"] == cause && line["message"].as_str().is_some_and(|text| text.contains("the token issuer: "))
        };
        assert_eq!(connect_lines(address).into_iter().filter(is_logged).count(), 1, "{cause}");
    }
    assert_eq!(issuer.fetches(), 0);
}

#[tokio::test]
async fn change_of_the_cause_is_logged_and_recovery_too() {
    let upstream = Upstream::with_fixtures().await;
    let name = std::sync::Arc::new(parking_lot::Mutex::new(SocketAddr::from(([127, 0, 0, 1], 9))));
    let current = std::sync::Arc::clone(&name);
    let settings = [("UPSTREAMS__DEFAULT__ALLOW_HTTP", "true")];
    let resolver = Resolver::with(move |_, _| Ok(vec![*current.lock()]));
    let gateway = Gateway::with_resolver("http://portal.example/orders", &settings, resolver).await;

    for _ in 0..3 {
        gateway.get(ORDER).await.problem(502, "upstream-unreachable");
    }
    *name.lock() = upstream.address();
    gateway.get(ORDER).await.ok();

    let refused = r#"upstream_connect_failures_total{cause="refused",upstream="default"}"#;
    assert!(gateway.metric(refused).await >= 3);
}

/// A keep-alive connection, made while there were descriptors.
struct Client(TcpStream);

impl Client {
    async fn connect(address: &str) -> Self {
        Self(TcpStream::connect(address).await.expect("the program listens"))
    }

    /// The head and the body of the answer to a request.
    async fn send(&mut self, method: &str, target: &str, body: &str) -> String {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.0.write_all((head + body).as_bytes()).await.expect("an open connection");
        let mut answer = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
                if body.len() >= length.parse().expect("a number") {
                    return text;
                }
            }
            assert!(self.0.read_buf(&mut answer).await.expect("an open connection") > 0, "closed after {text}");
        }
    }
}

#[tokio::test]
async fn missing_descriptors_are_a_fault_of_the_gateway() {
    let upstream = Upstream::with_fixtures().await;
    // By name, so that the lookup needs a descriptor too, and by address.
    for url in [upstream.url(), upstream.url().replace("127.0.0.1", "localhost")] {
        let mut settings = vec![
            ("GATEWAY__UPSTREAMS__DEFAULT__URL", url.as_str()),
            ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234"),
            ("GATEWAY__UPSTREAMS__DEFAULT__BREAKER__MIN_CALLS", "1"),
            ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
            ("GATEWAY__SERVER__OPS_LISTEN", "127.0.0.1:0"),
        ];
        if is_provider() {
            settings.extend([
                ("GATEWAY__UPSTREAMS__DEFAULT__DIALECT", "provider"),
                ("GATEWAY__UPSTREAMS__DEFAULT__API_KEY", "KEY"),
            ]);
        }
        let mut program = Program::start(&["serve"], &settings);
        let listening: serde_json::Value = serde_json::from_str(&program.line_with("listening").await).expect("a JSON line");
        let mut api = Client::connect(listening["listen"].as_str().expect("an address")).await;
        let mut ops = Client::connect(listening["ops_listen"].as_str().expect("an address")).await;
        assert!(api.send("GET", ORDER, "").await.starts_with("HTTP/1.1 200"));
        assert!(ops.send("GET", "/readyz", "").await.starts_with("HTTP/1.1 200"));

        let process = Pid::from_raw(program.process_id().cast_signed());
        let maximum = getrlimit(Resource::Nofile).maximum;
        let before = prlimit(process, Resource::Nofile, Rlimit { current: Some(3), maximum }).expect("a lower limit");
        for _ in 0..3 {
            let read = api.send("GET", ORDER, "").await;
            assert!(read.starts_with("HTTP/1.1 503") && read.contains("overloaded") && read.contains("retry-after"), "{read}");
        }
        let write = api.send("PATCH", &format!("{ORDER}/status"), STATUS).await;
        assert!(write.starts_with("HTTP/1.1 503") && write.contains(r#""outcome":"not-applied""#), "{write}");
        let line = program.line_with("no connection to the upstream").await;
        assert!(line.contains(r#""cause":"no_descriptors""#), "{line}");
        let metrics = ops.send("GET", "/metrics", "").await;
        assert!(
            metrics.contains(r#"upstream_connect_failures_total{cause="no_descriptors",upstream="default"} 4"#),
            "{metrics}"
        );
        assert!(metrics.contains(r#"upstream_breaker_state{upstream="default"} 0"#), "the breaker does not count them");

        prlimit(process, Resource::Nofile, before).expect("the limit of before");
        assert!(api.send("GET", ORDER, "").await.starts_with("HTTP/1.1 200"));
    }
}

#[test]
fn ca_files_that_cannot_work_are_config_errors() {
    let (authority, files) = (Authority::new(), Files::new());
    let errors = |url: &str, pem: &str| {
        let file = files.write("ca.pem", pem);
        config_errors(&[setting("UPSTREAMS__DEFAULT__URL", url), setting("UPSTREAMS__DEFAULT__CA_FILE", &file)])
    };
    let own_ca = Identity::self_signed_ca("portal.example").certificate;
    let own = Identity::self_signed("portal.example").certificate;
    let leaf = authority.certificate_for("portal.example", 4096).certificate;

    // The server's own certificate: only one without CA:TRUE is accepted from a server.
    let error = errors(URL, &own_ca);
    assert!(error.len() == 1 && error[0].contains("ca_file") && error[0].contains("CA:FALSE"), "{error:?}");
    assert_eq!(errors(URL, &own), [""; 0]);
    // The certificate of a server, without its issuer.
    let error = errors(URL, &leaf);
    assert!(error.len() == 1 && error[0].contains("issuer"), "{error:?}");
    let error = errors("https://other.example/orders", &leaf);
    assert!(error.len() == 1 && error[0].contains("issuer"), "{error:?}");

    for usable in [
        authority.pem(),
        format!("{leaf}{}", authority.pem()),
        format!("{}{}", own_ca, authority.pem()),
        Authority::intermediate_pem(),
        Authority::expired_pem(),
    ] {
        assert_eq!(errors(URL, &usable), [""; 0]);
    }
    // A CA whose certificate has the name of another server.
    assert_eq!(errors("https://other.example/orders", &own_ca), [""; 0]);
}

#[tokio::test]
async fn expired_authority_is_named_at_the_start() {
    let files = Files::new();
    let ca_file = files.write("ca.pem", &format!("{}{}", Authority::new().pem(), Authority::expired_pem()));
    let settings = [
        ("GATEWAY__UPSTREAMS__DEFAULT__URL", URL),
        ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234"),
        ("GATEWAY__UPSTREAMS__DEFAULT__CA_FILE", &ca_file),
        ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
        ("GATEWAY__SERVER__OPS_LISTEN", "127.0.0.1:0"),
    ];

    let line = Program::start(&["serve"], &settings).line_with("has expired").await;

    assert!(line.contains("WARN") && line.contains("upstreams.default.ca_file names a file whose certificate 2"), "{line}");
}
