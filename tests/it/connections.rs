//! Many connections: which one makes room, what clients without a credential can make the gateway hold, and how a response
//! ends for those that cannot see it from its framing.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::support::{Gateway, Program, Reply, Upstream, eventually, within_timeout};

const GET: &[u8] = b"GET /orders/20417 HTTP/1.1\r\nHost: a\r\n\r\n";
/// Timeouts that no test waits for.
pub(crate) const PATIENT: [(&str, &str); 4] = [
    ("SERVER__REQUEST_TIMEOUT", "10m"),
    ("SERVER__DRAIN_TIMEOUT", "10m"),
    ("SERVER__WRITE_STALL_TIMEOUT", "10m"),
    ("UPSTREAMS__DEFAULT__TIMEOUT", "5m"),
];
/// The default of `server.max_connections`.
const MAX_CONNECTIONS: usize = 1024;

async fn connect(address: SocketAddr) -> TcpStream {
    within_timeout(TcpStream::connect(address)).await.expect("a connection")
}

/// Sends a request, and reads the beginning of its response.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<String> {
    stream.write_all(request).await?;
    let mut chunk = vec![0; 65_536];
    let length = within_timeout(stream.read(&mut chunk)).await?;
    Ok(String::from_utf8_lossy(&chunk[..length]).into_owned())
}

/// Lets this process open as many sockets as the tests need.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("a limit below the hard one");
}

#[tokio::test]
async fn longest_idle_connection_makes_room_for_a_newcomer() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[("SERVER__MAX_CONNECTIONS", "4")]).await;
    let mut kept = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(gateway.address).await;
        assert!(exchange(&mut stream, GET).await.expect("a response").starts_with("HTTP/1.1 200 "));
        kept.push(stream);
    }
    // The first is used once more, so the second has been idle longest.
    exchange(&mut kept[0], GET).await.expect("a response");
    eventually("all are idle", async || gateway.metric("http_server_open_connections{state=\"idle\"}").await == 4).await;

    let mut newcomer = connect(gateway.address).await;
    assert!(exchange(&mut newcomer, GET).await.expect("a response").starts_with("HTTP/1.1 200 "));

    assert_eq!(within_timeout(kept[1].read(&mut [0; 1])).await.expect("a regular end"), 0);
    for index in [0, 2, 3] {
        assert!(exchange(&mut kept[index], GET).await.expect("a response").starts_with("HTTP/1.1 200 "), "{index}");
    }
    assert_eq!(gateway.metric("http_server_max_connections").await, 4);
}

#[tokio::test]
async fn silent_connections_and_unfinished_heads_make_room() {
    for begin in ["", "GET /orders/20417 HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let upstream = Upstream::with_fixtures().await;
        let settings = [("SERVER__MAX_CONNECTIONS", "3"), ("SERVER__HEADER_TIMEOUT", "1h")];
        let gateway = Gateway::with(&upstream, &settings).await;
        let mut slow = Vec::new();
        for _ in 0..3 {
            let mut stream = connect(gateway.address).await;
            stream.write_all(begin.as_bytes()).await.expect("an open connection");
            slow.push(stream);
        }

        for _ in 0..5 {
            let mut newcomer = connect(gateway.address).await;
            assert!(exchange(&mut newcomer, GET).await.expect("a response").starts_with("HTTP/1.1 200 "), "{begin:?}");
        }
    }
}

#[tokio::test]
async fn connections_with_a_request_make_no_room() {
    let latch = Arc::new(Notify::new());
    let held = Arc::clone(&latch);
    let upstream = Upstream::responding_to(move |_| Reply::held(&["<order_info>", "</order_info>"], &held)).await;
    let gateway = Gateway::with(&upstream, &[("SERVER__MAX_CONNECTIONS", "1")]).await;
    let mut busy = connect(gateway.address).await;
    busy.write_all(GET).await.expect("an open connection");
    upstream.wait_for_requests(1).await;

    let mut newcomer = connect(gateway.address).await;
    newcomer.write_all(GET).await.expect("an open connection");
    assert!(timeout(Duration::from_millis(300), newcomer.read(&mut [0; 1])).await.is_err(), "it waits");
    assert_eq!(gateway.metric("http_server_open_connections{state=\"active\"}").await, 1);

    latch.notify_one();
    let mut chunk = [0; 4096];
    let length = within_timeout(busy.read(&mut chunk)).await.expect("a response");
    assert!(chunk[..length].starts_with(b"HTTP/1.1 404 "));
    upstream.wait_for_requests(2).await;
    latch.notify_one();
    let length = within_timeout(newcomer.read(&mut chunk)).await.expect("a response");
    assert!(chunk[..length].starts_with(b"HTTP/1.1 404 "));
}

#[tokio::test]
async fn operations_port_answers_whatever_its_clients_do() {
    raise_descriptor_limit();
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;
    for begin in ["", "GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ", "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut clients = Vec::new();
        for _ in 0..1_100 {
            let mut stream = connect(gateway.ops).await;
            // Earlier ones are closed to make room.
            let _ = stream.write_all(begin.as_bytes()).await;
            clients.push(stream);
        }

        for _ in 0..10 {
            let mut probe = connect(gateway.ops).await;
            let answer = exchange(&mut probe, b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{begin:?} {answer}");
        }
    }
}

/// The receive buffer of a client that reads nothing, so that the rest has to wait in the gateway.
const SMALL_BUFFER: u32 = 4096;

/// A request head of `size` bytes without its end.
fn unfinished_head(size: usize) -> Vec<u8> {
    let mut head = b"GET /me HTTP/1.1\r\nHost: a\r\n".to_vec();
    while head.len() + 1_100 < size {
        head.extend_from_slice(format!("X-{}: {}\r\n", head.len(), "a".repeat(1_000)).as_bytes());
    }
    head.extend_from_slice(b"X-Last: ");
    head.resize(size, b'a');
    head
}

/// Starts the gateway, opens as many connections as it serves, sends `bytes` on each, and reads nothing. Returns the resident
/// memory in MiB before, at its peak, and after all are closed.
async fn memory_with_unread_connections(bytes: &[u8]) -> (u64, u64, u64) {
    raise_descriptor_limit();
    let settings = [
        ("GATEWAY__UPSTREAMS__DEFAULT__URL", "http://127.0.0.1:9/orders"),
        ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234"),
        ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
        ("GATEWAY__SERVER__OPS_LISTEN", "127.0.0.1:0"),
    ];
    let mut program = Program::start(&["serve"], &settings);
    let line: serde_json::Value = serde_json::from_str(&program.line_with("listening").await).expect("a JSON line");
    let address = line["listen"].as_str().and_then(|address| address.parse().ok()).expect("an address");
    program.discard_output();
    // With one request of each kind, so that what is initialised once counts as idle.
    let mut first = connect(address).await;
    exchange(&mut first, b"GET /swagger-ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("a response");
    drop(first);
    let idle = program.resident_mib();

    let (mut clients, mut peak) = (Vec::new(), idle);
    for _ in 0..MAX_CONNECTIONS {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(SMALL_BUFFER).expect("a small buffer");
        let mut stream = within_timeout(socket.connect(address)).await.expect("a connection");
        // What the gateway does not read stays in the socket; it may also have closed the connection with an answer.
        let _ = timeout(Duration::from_millis(20), stream.write_all(bytes)).await;
        clients.push(stream);
        peak = peak.max(program.resident_mib());
    }
    // What was sent last has arrived when the memory stays the same for a while.
    for _ in 0..20 {
        sleep(Duration::from_millis(50)).await;
        peak = peak.max(program.resident_mib());
    }
    drop(clients);
    let mut after = program.resident_mib();
    eventually("memory is returned", async || {
        sleep(Duration::from_millis(100)).await;
        after = program.resident_mib();
        after * 2 <= idle * 3
    })
    .await;
    (idle, peak, after)
}

#[tokio::test]
async fn unauthenticated_memory_at_max_connections() {
    let bundle = b"GET /swagger-ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n";
    let compressed = b"GET /swagger-ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
    let slow_body = [
        &b"PATCH /orders/1/status HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 65536\r\n\r\n"[..],
        &b" ".repeat(65_000),
    ]
    .concat();
    for (shape, bytes) in [
        ("bundle not read", bundle.to_vec()),
        ("compressed bundle not read", compressed.to_vec()),
        ("pipelined requests not read", bundle.repeat(1_000)),
        ("unfinished heads of 32 KiB", unfinished_head(32 * 1024)),
        ("unfinished heads of 400 KB", unfinished_head(400_000)),
        ("slow bodies", slow_body),
    ] {
        let (idle, peak, after) = memory_with_unread_connections(&bytes).await;

        println!(
            "unauthenticated memory at max_connections, {shape}: {idle} MiB idle, {peak} MiB at the peak, {after} MiB afterwards"
        );
        assert!(peak <= 100, "{shape}: {peak} MiB");
    }
}

#[tokio::test]
async fn body_in_tiny_pieces_costs_what_it_weighs() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let mut client = connect(gateway.address).await;
    client.set_nodelay(true).expect("an option");
    let body = format!("{{\"status\":\"received\"{}}}", " ".repeat(3_000));
    let head = format!(
        "PATCH /orders/20417/status HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );

    client.write_all(head.as_bytes()).await.expect("an open connection");
    for byte in body.bytes() {
        client.write_all(&[byte]).await.expect("an open connection");
    }

    assert!(exchange(&mut client, b"").await.expect("a response").starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn swagger_ui_is_cached_and_compressed_once() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;
    for (file, caching) in [
        ("/swagger-ui/swagger-ui-bundle.js", "public, max-age=3600"),
        ("/swagger-ui/swagger-ui.css", "public, max-age=3600"),
        ("/swagger-ui/favicon-32x32.png", "public, max-age=3600"),
        ("/swagger-ui/", "private, no-cache"),
        ("/swagger-ui/swagger-initializer.js", "private, no-cache"),
        ("/problems/forbidden", "public, max-age=3600"),
    ] {
        let mut etags = Vec::new();
        for coding in ["identity", "gzip", "br", "zstd"] {
            let request = || gateway.request(reqwest::Method::GET, file).header("accept-encoding", coding);
            let first = request().send().await.expect("a response");
            let headers = first.headers().clone();
            let body = first.bytes().await.expect("a body");
            let second = request().send().await.expect("a response").bytes().await.expect("a body");
            assert_eq!((headers["cache-control"].as_bytes(), &body), (caching.as_bytes(), &second), "{file} {coding}");
            // Shared and therefore of a known length.
            assert_eq!(headers["content-length"].to_str().expect("a number"), body.len().to_string(), "{file} {coding}");

            let etag = headers["etag"].clone();
            let cached = gateway.send(request().header("if-none-match", &etag)).await;
            assert_eq!((cached.status, cached.header("cache-control")), (304, caching), "{file} {coding}");
            assert_eq!(cached.header("etag"), etag.to_str().expect("an ETag"));
            let is_compressed = headers.contains_key("content-encoding");
            assert_eq!(headers.contains_key("vary"), cached.headers.contains_key("vary"));
            assert!(!is_compressed || headers["vary"] == "accept-encoding" && !etags.contains(&etag), "{file} {coding}");
            etags.push(etag);
        }
    }
}

#[tokio::test]
async fn first_requests_at_once_share_one_compression() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let get = async || {
        let request =
            gateway.request(reqwest::Method::GET, "/swagger-ui/swagger-ui-bundle.js").header("accept-encoding", "zstd");
        request.send().await.expect("a response").headers()["etag"].clone()
    };

    let etags = futures_util::future::join_all((0..16).map(|_| get())).await;

    assert!(etags.iter().all(|etag| *etag == etags[0]));
}

/// Reads until the end of the connection: what was read, and whether the end was regular.
async fn read_to_end(stream: &mut TcpStream) -> (String, Result<(), ErrorKind>) {
    let mut text = Vec::new();
    let end = within_timeout(stream.read_to_end(&mut text)).await;
    (String::from_utf8_lossy(&text).into_owned(), end.map(drop).map_err(|error| error.kind()))
}

fn list(end: &str, count: usize) -> String {
    let orders = (1..=count).map(|id| format!("<order><id>{id}</id></order>")).collect::<Vec<_>>().concat();
    format!("<orders>{orders}{end}")
}

const LIST_HEADS: [(&str, &str); 4] = [
    ("HTTP/1.0", ""),
    ("HTTP/1.0", "Connection: keep-alive\r\n"),
    ("HTTP/1.0", "Accept-Encoding: gzip\r\n"),
    ("HTTP/1.1", "Host: a\r\nConnection: close\r\n"),
];

#[tokio::test]
async fn list_that_breaks_off_resets_the_connection() {
    for count in [1, 2_000] {
        let upstream = Upstream::responding_with(Reply::xml(&list("", count))).await;
        let gateway = Gateway::in_front_of(&upstream).await;
        for (version, headers) in LIST_HEADS {
            let mut client = connect(gateway.address).await;
            let request = format!("GET /orders?since=2016-03-14 {version}\r\n{headers}\r\n");

            client.write_all(request.as_bytes()).await.expect("an open connection");

            let (text, end) = read_to_end(&mut client).await;
            assert!(text.starts_with(&format!("{version} 200 ")), "{text}");
            assert!(text.contains("x-accel-buffering: no\r\n"), "{text}");
            assert_eq!(end, Err(ErrorKind::ConnectionReset), "{version} {headers}");
        }
    }
}

#[tokio::test]
async fn complete_list_ends_regularly() {
    for count in [0, 1, 2_000, 50_000] {
        let upstream = Upstream::responding_with(Reply::xml(&list("</orders>", count))).await;
        let gateway = Gateway::in_front_of(&upstream).await;
        for (version, headers) in LIST_HEADS {
            if headers.contains("keep-alive") {
                continue;
            }
            let mut client = connect(gateway.address).await;
            let request = format!("GET /orders?since=2016-03-14 {version}\r\n{headers}\r\n");

            client.write_all(request.as_bytes()).await.expect("an open connection");

            let (text, end) = read_to_end(&mut client).await;
            assert_eq!(end, Ok(()), "{version} {headers}");
            assert!(text.starts_with(&format!("{version} 200 ")), "{text}");
            assert!(headers.contains("gzip") || text.trim_end().trim_end_matches("\r\n0").ends_with("]}"), "{version} {text}");
        }
    }
}

#[tokio::test]
async fn connection_of_an_http_1_0_client_is_kept_while_lengths_are_known() {
    let upstream = Upstream::responding_with(Reply::xml(&list("</orders>", 1))).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let mut client = connect(gateway.address).await;
    let request = |target: &str| format!("GET {target} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").into_bytes();

    for _ in 0..3 {
        let text = exchange(&mut client, &request("/orders?since=2016-03-14")).await.expect("a response");
        assert!(text.starts_with("HTTP/1.0 200 ") && text.contains("content-length: ") && text.ends_with("]}"), "{text}");
    }

    // The end of a list of unknown length is the end of the connection, whatever the client asked for.
    let upstream = Upstream::responding_with(Reply::xml(&list("</orders>", 20_000))).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let mut client = connect(gateway.address).await;
    client.write_all(&request("/orders?since=2016-03-14")).await.expect("an open connection");
    let (text, end) = read_to_end(&mut client).await;
    assert!(end.is_ok() && text.ends_with("]}"), "{end:?}");
    assert!(!text.contains("connection: keep-alive"), "{}", &text[..400]);
}

#[tokio::test]
async fn list_cut_off_by_the_end_of_the_process_resets_the_connection() {
    let upstream =
        Upstream::responding_with(Reply::raw(b"HTTP/1.1 200 OK\r\n\r\n<orders><order><id>1</id></order>").then_hang()).await;
    let url = upstream.url();
    for signal in ["TERM", "KILL"] {
        let settings = [
            ("GATEWAY__UPSTREAMS__DEFAULT__URL", url.as_str()),
            ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234"),
            ("GATEWAY__SERVER__LISTEN", "127.0.0.1:0"),
            ("GATEWAY__SERVER__OPS_LISTEN", "127.0.0.1:0"),
            ("GATEWAY__SERVER__DRAIN_DELAY", "0s"),
            ("GATEWAY__SERVER__REQUEST_TIMEOUT", "100ms"),
            ("GATEWAY__SERVER__DRAIN_TIMEOUT", "100ms"),
        ];
        let mut program = Program::start(&["serve"], &settings);
        let line: serde_json::Value = serde_json::from_str(&program.line_with("listening").await).expect("a JSON line");
        let mut client = connect(line["listen"].as_str().and_then(|address| address.parse().ok()).expect("an address")).await;
        let head = exchange(&mut client, b"GET /orders?since=2016-03-14 HTTP/1.0\r\n\r\n").await.expect("the begin of a list");
        assert!(head.starts_with("HTTP/1.0 200 "), "{head}");

        program.signal(signal).await;

        let (_, end) = read_to_end(&mut client).await;
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "{signal}");
    }
}

#[tokio::test]
async fn slow_steady_reader_is_not_stalled() {
    let order = |id| format!("<order><id>{id}</id><type>{}</type></order>", "x".repeat(20_000));
    let orders = (1..=1_000).map(order).collect::<Vec<_>>().concat();
    let upstream = Upstream::responding_with(Reply::xml(&format!("<orders>{orders}</orders>"))).await;
    let gateway = Gateway::with(&upstream, &[("SERVER__WRITE_STALL_TIMEOUT", "1s")]).await;
    // A list that is streamed, and a page that is encoded as a whole and ends early.
    for (target, size) in [("/orders?since=2016-03-14", 18_000_000), ("/orders?since=2016-03-14&limit=1000", 2_500_000)] {
        let mut slow = connect(gateway.address).await;
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        slow.write_all(request.as_bytes()).await.expect("an open connection");

        // About 300 kB/s: with a send buffer of some megabytes, the kernel would accept nothing for several seconds.
        let mut chunk = vec![0; 15_000];
        for _ in 0..100 {
            within_timeout(slow.read_exact(&mut chunk)).await.expect("the list goes on");
            sleep(Duration::from_millis(50)).await;
        }

        let mut rest = Vec::new();
        within_timeout(slow.read_to_end(&mut rest)).await.expect("the whole list");
        assert!(rest.len() > size, "{target}: {}", rest.len());
    }
}

#[tokio::test]
async fn reader_of_nothing_is_reset_at_the_stall_timeout() {
    let orders = "<order><id>1</id><type>order</type></order>".repeat(200_000);
    let list = format!("HTTP/1.1 200 OK\r\n\r\n<orders>{orders}");
    let upstream = Upstream::responding_with(Reply::raw(list.as_bytes()).then_hang()).await;
    let gateway = Gateway::with(&upstream, &[("SERVER__WRITE_STALL_TIMEOUT", "300ms")]).await;
    let mut stalled = connect(gateway.address).await;

    stalled.write_all(b"GET /orders?since=2016-03-14 HTTP/1.0\r\n\r\n").await.expect("an open connection");

    eventually("the list is in progress", async || gateway.active_requests().await > 0).await;
    eventually("the list has ended", async || gateway.active_requests().await == 0).await;
    let (text, end) = read_to_end(&mut stalled).await;
    assert_eq!(end, Err(ErrorKind::ConnectionReset), "{} {:.300}", text.len(), text);
}

#[tokio::test]
async fn client_that_leaves_is_noticed_whatever_it_sent_before() {
    // Around the size that is read at once: after a read that filled its buffer, the socket still counts as readable.
    for length in [100, 8_191, 8_192, 8_193, 16_384] {
        // Nothing else wakes the connection, until long after the test has failed.
        let upstream = Upstream::responding_with(Reply::raw(b"").then_hang()).await;
        let gateway = Gateway::with(&upstream, &PATIENT).await;
        let mut client = connect(gateway.address).await;
        let head = "GET /orders/20417 HTTP/1.1\r\nHost: a\r\nX-Padding: \r\n\r\n";
        let padding = "x".repeat(length - head.len());
        let head = head.replace("X-Padding: ", &format!("X-Padding: {padding}"));
        client.write_all(head.as_bytes()).await.expect("an open connection");
        upstream.wait_for_requests(1).await;

        drop(client);

        eventually("the request ends", async || gateway.active_requests().await == 0).await;
    }
}

#[tokio::test]
async fn client_that_leaves_while_its_response_is_blocked_is_noticed() {
    let order = "<order><id>1</id><type>order</type></order>".repeat(200_000);
    let endless = Reply::held(&[&format!("<orders>{order}"), "</orders>"], &Arc::new(Notify::new()));
    let upstream = Upstream::responding_with(endless).await;
    let gateway = Gateway::with(&upstream, &PATIENT).await;
    let mut client = connect(gateway.address).await;
    client.write_all(b"GET /orders?since=2016-03-14 HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("an open connection");
    eventually("the response begins", async || client.readable().await.is_ok()).await;

    // It reads nothing, so the response does not end.
    client.shutdown().await.expect("an open connection");

    eventually("the request ends", async || gateway.active_requests().await == 0).await;
}
