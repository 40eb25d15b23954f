//! The API over TLS.

use std::slice::from_ref;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connections::PATIENT;
use crate::support::{
    Authority, Files, Gateway, Https, Identity, Program, Reply, Upstream, config_errors, connect_tls, eventually,
};

const ORDER: &str = "/orders/20417";

/// A gateway that serves TLS.
struct TlsGateway {
    authority: Authority,
    /// Keeps the files that the gateway reads.
    _files: Files,
    gateway: Gateway,
    upstream: Upstream,
}

impl TlsGateway {
    async fn with(settings: &[(&'static str, &str)]) -> Self {
        Self::in_front_of(Upstream::with_fixtures().await, settings).await
    }

    async fn in_front_of(upstream: Upstream, settings: &[(&'static str, &str)]) -> Self {
        let (authority, files) = (Authority::new(), Files::new());
        let mut all = files.server(&authority.identity()).to_vec();
        all.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let gateway = Gateway::configured(&upstream.url(), &all).await;
        Self { authority, _files: files, gateway, upstream }
    }

    async fn client(&self) -> Https {
        Https::connect(self.gateway.address, self.authority.client_config(None)).await.expect("a connection")
    }
}

/// Reads until the gateway closes the connection.
async fn read_until_closed(mut stream: impl AsyncReadExt + Unpin) -> Vec<u8> {
    let mut answer = Vec::new();
    let end = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(end.is_ok(), "the connection stays open");
    answer
}

#[tokio::test]
async fn tls_1_2_and_1_3_serve_kept_connections() {
    let tls = TlsGateway::with(&[]).await;

    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut client =
            Https::connect(tls.gateway.address, tls.authority.client_config_with(&[version])).await.expect("a connection");
        for _ in 0..3 {
            assert_eq!(client.get(ORDER).await.expect("an answer"), 200);
        }
    }

    assert_eq!(tls.upstream.queries().len(), 6);
}

#[tokio::test]
async fn alpn_selects_http_1_1() {
    let tls = TlsGateway::with(&[]).await;
    let mut client = tls.authority.client_config(None);
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = connect_tls(tls.gateway.address, client).await.expect("a connection");

    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

/// The `ClientHello` of a client that supports TLS 1.1 at most.
fn tls_1_1_client_hello() -> Vec<u8> {
    let hello = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0xc0, 0x14, 1, 0]].concat();
    let length = u8::try_from(hello.len()).expect("a short message");
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length], &hello[..]].concat()
}

#[tokio::test]
async fn older_tls_and_plain_http_are_rejected() {
    let tls = TlsGateway::with(&[]).await;

    for first_bytes in [&tls_1_1_client_hello()[..], b"GET /orders/20417 HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut stream = TcpStream::connect(tls.gateway.address).await.expect("a connection");

        stream.write_all(first_bytes).await.expect("an open connection");
        let answer = read_until_closed(stream).await;

        // A fatal alert, or nothing if a reset has overtaken it.
        assert!(answer.is_empty() || (answer[0] == 21 && answer[5] == 2), "{answer:?}");
    }

    assert!(tls.upstream.queries().is_empty());
    assert_eq!(tls.client().await.get(ORDER).await.expect("an answer"), 200);
}

#[tokio::test]
async fn incomplete_handshake_or_head_is_closed() {
    let tls = TlsGateway::with(&[("SERVER__HEADER_TIMEOUT", "300ms")]).await;

    for first_bytes in [&b""[..], &[22, 3, 1, 2, 0, 1]] {
        let mut slow = TcpStream::connect(tls.gateway.address).await.expect("a connection");

        slow.write_all(first_bytes).await.expect("an open connection");

        assert!(read_until_closed(slow).await.is_empty());
    }

    for first_bytes in [&b""[..], b"GET /orders/20417 HTTP/1.1\r\nX-Slow: "] {
        let mut slow = connect_tls(tls.gateway.address, tls.authority.client_config(None)).await.expect("a connection");

        slow.write_all(first_bytes).await.expect("an open connection");

        assert!(read_until_closed(slow).await.is_empty());
    }

    assert_eq!(tls.client().await.get(ORDER).await.expect("an answer"), 200);
}

#[tokio::test]
async fn idle_connection_outlives_the_head_timeout() {
    let settings = [("SERVER__HEADER_TIMEOUT", "300ms"), ("SERVER__IDLE_TIMEOUT", "20s")];
    let tls = TlsGateway::with(&settings).await;
    let mut kept = tls.client().await;

    assert_eq!(kept.get(ORDER).await.expect("an answer"), 200);

    let slow = TcpStream::connect(tls.gateway.address).await.expect("a connection");
    // By the time this connection is closed, the kept one would be too if the head timeout applied to idle connections.
    read_until_closed(slow).await;

    assert_eq!(kept.get(ORDER).await.expect("an answer"), 200);
}

#[tokio::test]
async fn stalled_reader_is_closed() {
    let order = "<order><id>1</id><type>order</type></order>".repeat(200_000);
    let endless = Reply::raw(format!("HTTP/1.1 200 OK\r\n\r\n<orders>{order}").as_bytes()).then_hang();
    let settings = [("SERVER__WRITE_STALL_TIMEOUT", "300ms")];
    let tls = TlsGateway::in_front_of(Upstream::responding_with(endless).await, &settings).await;
    let mut stalled = connect_tls(tls.gateway.address, tls.authority.client_config(None)).await.expect("a connection");

    stalled.write_all(b"GET /orders?since=2016-03-14 HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("an open connection");

    let active_requests_are = async |count| {
        while tls.gateway.active_requests().await != count {
            tokio::task::yield_now().await;
        }
    };
    active_requests_are(1).await;
    timeout(Duration::from_secs(20), active_requests_are(0)).await.expect("closed at its deadline");
    let mut answer = Vec::new();
    // Bytes in flight can still be read, but the missing `close_notify` shows that the list is truncated.
    assert!(stalled.read_to_end(&mut answer).await.is_err());
}

#[tokio::test]
async fn client_that_ends_tls_has_left() {
    let silent = Reply::raw(b"").then_hang();
    let tls = TlsGateway::in_front_of(Upstream::responding_with(silent).await, &PATIENT).await;
    let mut leaving = connect_tls(tls.gateway.address, tls.authority.client_config(None)).await.expect("a connection");
    leaving.write_all(b"GET /orders/20417 HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("an open connection");
    tls.upstream.wait_for_requests(1).await;

    // The connection itself stays open: what announces the end lies in the stream.
    leaving.get_mut().1.send_close_notify();
    leaving.flush().await.expect("an open connection");

    eventually("the request ends", async || tls.gateway.active_requests().await == 0).await;
}

#[tokio::test]
async fn client_ca_admits_only_its_clients() {
    let (authority, client_ca, files) = (Authority::new(), Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    let mut settings = files.server(&authority.identity()).to_vec();
    settings.push(("SERVER__TLS__CLIENT_CA_FILE", files.write("clients.pem", &client_ca.pem())));
    let gateway = Gateway::configured(&upstream.url(), &settings).await;
    let untrusted = Authority::new().identity();
    let get = async |identity: Option<Identity>| {
        Https::connect(gateway.address, authority.client_config(identity.as_ref())).await.ok()?.get(ORDER).await.ok()
    };

    assert_eq!(get(None).await, None);
    assert_eq!(get(Some(untrusted)).await, None);
    assert_eq!(get(Some(client_ca.certificate_for("client.example", 2001))).await, None);
    assert!(upstream.queries().is_empty());
    assert_eq!(get(Some(client_ca.certificate_for("client.example", 4096))).await, Some(200));
}

#[tokio::test]
async fn shutdown_closes_tls_connections_cleanly() {
    let (authority, files) = (Authority::new(), Files::new());
    let [certificate, key] = files.server(&authority.identity());
    let settings = [
        ("GATEWAY__UPSTREAMS__DEFAULT__URL", "http://127.0.0.1:9/orders"),
        ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234"),
        ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
        ("GATEWAY__SERVER__OPS_LISTEN", "127.0.0.1:0"),
        ("GATEWAY__SERVER__DRAIN_DELAY", "1h"),
        ("GATEWAY__SERVER__TLS__CERT_FILE", certificate.1.as_str()),
        ("GATEWAY__SERVER__TLS__KEY_FILE", key.1.as_str()),
    ];
    let mut program = Program::start(&["serve"], &settings);
    let listening: serde_json::Value = serde_json::from_str(&program.line_with("listening").await).expect("a JSON line");
    let address = listening["listen"].as_str().expect("an address").parse().expect("an address");
    let mut client = connect_tls(address, authority.client_config(None)).await.expect("a connection");

    program.terminate().await;
    program.line_with("shutting down").await;
    client.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("an open connection");
    let mut answer = String::new();
    // Without `close_notify` this would be an error: the response could be truncated.
    client.read_to_string(&mut answer).await.expect("a clean close");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close\r\n"), "{answer}");

    assert_eq!(program.terminate_at_once().await, Some(0));
}

#[test]
fn all_config_errors_are_reported_together() {
    let (files, authority) = (Files::new(), Authority::new());
    let [certificate, key] = files.server(&authority.identity());
    let client_ca = ("SERVER__TLS__CLIENT_CA_FILE", files.write("clients.pem", &authority.pem()));
    let other_key = ("SERVER__TLS__KEY_FILE", files.write("other.key", &authority.identity().key));
    let empty = |name| (name, files.write("empty", ""));
    let keys = |settings: &[_]| {
        let errors = config_errors(settings);
        errors.iter().map(|error| error.split_once(' ').expect("a sentence").0.to_owned()).collect::<Vec<_>>()
    };
    let (cert_file, key_file, client_ca_file) = ("server.tls.cert_file", "server.tls.key_file", "server.tls.client_ca_file");

    assert_eq!(config_errors(&[certificate.clone(), key.clone(), client_ca.clone()]), [""; 0]);
    assert_eq!(keys(from_ref(&certificate)), [key_file]);
    assert_eq!(keys(from_ref(&key)), [cert_file]);
    assert_eq!(keys(&[client_ca]), [client_ca_file]);
    assert_eq!(keys(&[certificate.clone(), other_key]), [key_file]);
    assert_eq!(keys(&[certificate, (key.0, cert_file.to_owned())]), [key_file]);

    let all = [empty(key.0), empty("SERVER__TLS__CERT_FILE"), empty("SERVER__TLS__CLIENT_CA_FILE")];
    assert_eq!(keys(&all), [cert_file, key_file, client_ca_file]);

    files.remove("empty");
    assert_eq!(keys(&all), [cert_file, key_file, client_ca_file]);
}
