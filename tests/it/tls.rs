//! The API over TLS.

use std::slice::from_ref;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Authority, Files, Gateway, Https, Identity, Program, Reply, Upstream, encrypt, faults};

const ORDER: &str = "/orders/20417";

/// A gateway with a certificate, and what it is made of.
struct Encrypted {
    authority: Authority,
    /// They live as long as the gateway reads them.
    _files: Files,
    gateway: Gateway,
    upstream: Upstream,
}

impl Encrypted {
    async fn with(settings: &[(&'static str, &str)]) -> Self {
        Self::before(Upstream::with_fixtures().await, settings).await
    }

    async fn before(upstream: Upstream, settings: &[(&'static str, &str)]) -> Self {
        let (authority, files) = (Authority::new(), Files::new());
        let mut all = files.server(&authority.identity()).to_vec();
        all.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let gateway = Gateway::configured(&upstream.url(), &all).await;
        Self { authority, _files: files, gateway, upstream }
    }

    async fn client(&self) -> Https {
        Https::connect(self.gateway.address, self.authority.client(None)).await.expect("a connection")
    }
}

/// Reads until the gateway closes the connection, whatever it says.
async fn until_closed(mut stream: impl AsyncReadExt + Unpin) -> Vec<u8> {
    let mut answer = Vec::new();
    let end = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(end.is_ok(), "it stays open");
    answer
}

#[tokio::test]
async fn requests_are_served_over_both_versions_on_kept_connections() {
    let encrypted = Encrypted::with(&[]).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut client =
            Https::connect(encrypted.gateway.address, encrypted.authority.client_of(&[version])).await.expect("a connection");
        for _ in 0..3 {
            assert_eq!(client.get(ORDER).await.expect("an answer"), 200);
        }
    }
    assert_eq!(encrypted.upstream.queries().len(), 6);
}

#[tokio::test]
async fn http_1_1_is_what_is_spoken() {
    let encrypted = Encrypted::with(&[]).await;
    let mut client = encrypted.authority.client(None);
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = encrypt(encrypted.gateway.address, client).await.expect("a connection");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

/// The greeting of a client that speaks TLS 1.1 and nothing newer.
fn greeting_of_tls_1_1() -> Vec<u8> {
    let hello = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0xc0, 0x14, 1, 0]].concat();
    let length = u8::try_from(hello.len()).expect("a short greeting");
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length], &hello[..]].concat()
}

#[tokio::test]
async fn older_versions_and_plain_http_are_refused_and_others_served() {
    let encrypted = Encrypted::with(&[]).await;
    for greeting in [&greeting_of_tls_1_1()[..], b"GET /orders/20417 HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut stream = TcpStream::connect(encrypted.gateway.address).await.expect("a connection");
        stream.write_all(greeting).await.expect("room");
        let answer = until_closed(stream).await;
        // A fatal alert, or nothing at all where a reset has overtaken it.
        assert!(answer.is_empty() || (answer[0] == 21 && answer[5] == 2), "{answer:?}");
    }
    assert!(encrypted.upstream.queries().is_empty());
    assert_eq!(encrypted.client().await.get(ORDER).await.expect("an answer"), 200);
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_handshake_or_its_head_is_closed() {
    let encrypted = Encrypted::with(&[("SERVER__HEADER_TIMEOUT", "300ms")]).await;
    for begin in [&b""[..], &[22, 3, 1, 2, 0, 1]] {
        let mut slow = TcpStream::connect(encrypted.gateway.address).await.expect("a connection");
        slow.write_all(begin).await.expect("room");
        assert!(until_closed(slow).await.is_empty());
    }
    for begin in [&b""[..], b"GET /orders/20417 HTTP/1.1\r\nX-Slow: "] {
        let mut slow = encrypt(encrypted.gateway.address, encrypted.authority.client(None)).await.expect("a connection");
        slow.write_all(begin).await.expect("room");
        assert!(until_closed(slow).await.is_empty());
    }
    assert_eq!(encrypted.client().await.get(ORDER).await.expect("an answer"), 200);
}

#[tokio::test]
async fn a_pause_is_longer_than_a_head_may_take() {
    let settings = [("SERVER__HEADER_TIMEOUT", "300ms"), ("SERVER__IDLE_TIMEOUT", "20s")];
    let encrypted = Encrypted::with(&settings).await;
    let mut kept = encrypted.client().await;
    assert_eq!(kept.get(ORDER).await.expect("an answer"), 200);
    let slow = TcpStream::connect(encrypted.gateway.address).await.expect("a connection");
    // When this one is closed, the kept one would be too if its pause were taken for a head.
    until_closed(slow).await;
    assert_eq!(kept.get(ORDER).await.expect("an answer"), 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed() {
    let order = "<order><id>1</id><type>order</type></order>".repeat(200_000);
    let endless = Reply::bytes(format!("HTTP/1.1 200 OK\r\n\r\n<orders>{order}").as_bytes()).then_hang();
    let settings = [("SERVER__WRITE_STALL_TIMEOUT", "300ms")];
    let encrypted = Encrypted::before(Upstream::saying(endless).await, &settings).await;
    let mut stalled = encrypt(encrypted.gateway.address, encrypted.authority.client(None)).await.expect("a connection");
    stalled.write_all(b"GET /orders?since=2016-03-14 HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("room");
    let waiting = async |count| {
        while encrypted.gateway.waiting().await != count {
            tokio::task::yield_now().await;
        }
    };
    waiting(1).await;
    timeout(Duration::from_secs(20), waiting(0)).await.expect("closed at its deadline");
    let mut answer = Vec::new();
    // What was on its way can still be read, and nobody takes it for the whole list.
    assert!(stalled.read_to_end(&mut answer).await.is_err());
}

#[tokio::test]
async fn with_an_authority_for_clients_only_those_are_served_that_it_knows() {
    let (authority, clients, files) = (Authority::new(), Authority::new(), Files::new());
    let upstream = Upstream::with_fixtures().await;
    let mut settings = files.server(&authority.identity()).to_vec();
    settings.push(("SERVER__TLS__CLIENT_CA_FILE", files.write("clients.pem", &clients.pem())));
    let gateway = Gateway::configured(&upstream.url(), &settings).await;
    let stranger = Authority::new().identity();
    let get = async |shows: Option<Identity>| {
        Https::connect(gateway.address, authority.client(shows.as_ref())).await.ok()?.get(ORDER).await.ok()
    };
    assert_eq!(get(None).await, None);
    assert_eq!(get(Some(stranger)).await, None);
    assert_eq!(get(Some(clients.issue("client.example", 2001))).await, None);
    assert!(upstream.queries().is_empty());
    assert_eq!(get(Some(clients.issue("client.example", 4096))).await, Some(200));
}

#[tokio::test]
async fn a_stop_ends_encrypted_connections_in_order() {
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
    let mut client = encrypt(address, authority.client(None)).await.expect("a connection");
    program.terminate().await;
    program.line_with("shutting down").await;
    client.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("room");
    let mut answer = String::new();
    // Without a word of farewell this would be an error: nobody could tell an end from a cut.
    client.read_to_string(&mut answer).await.expect("an end in order");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close\r\n"), "{answer}");
    program.terminate().await;
    assert_eq!(program.exit_code().await, Some(0));
}

#[test]
fn faults_are_told_at_once_each_with_its_key() {
    let (files, authority) = (Files::new(), Authority::new());
    let [certificate, key] = files.server(&authority.identity());
    let clients = ("SERVER__TLS__CLIENT_CA_FILE", files.write("clients.pem", &authority.pem()));
    let other = ("SERVER__TLS__KEY_FILE", files.write("other.key", &authority.identity().key));
    let empty = |name| (name, files.write("empty", ""));
    assert_eq!(faults(&[certificate.clone(), key.clone(), clients.clone()]), [""; 0]);
    let keys = |settings: &[_]| {
        let faults = faults(settings);
        faults.iter().map(|fault| fault.split_once(' ').expect("a sentence").0.to_owned()).collect::<Vec<_>>()
    };
    let (certificate_key, key_key, clients_key) = ("server.tls.cert_file", "server.tls.key_file", "server.tls.client_ca_file");
    assert_eq!(keys(from_ref(&certificate)), [key_key]);
    assert_eq!(keys(from_ref(&key)), [certificate_key]);
    assert_eq!(keys(&[clients]), [clients_key]);
    assert_eq!(keys(&[certificate.clone(), other]), [key_key]);
    assert_eq!(keys(&[certificate, (key.0, certificate_key.to_owned())]), [key_key]);
    let all = [empty(key.0), empty("SERVER__TLS__CERT_FILE"), empty("SERVER__TLS__CLIENT_CA_FILE")];
    assert_eq!(keys(&all), [certificate_key, key_key, clients_key]);
    files.remove("empty");
    assert_eq!(keys(&all), [certificate_key, key_key, clients_key]);
}
