//! Connections: limits, timeouts of slow clients, and shutdown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use futures_util::future::join_all;
use tjansteguiden_gateway::config;
use tjansteguiden_gateway::server::{EventLoops, Limits, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::{Gateway, Reply, TEST_TIMEOUT, Upstream, eventually, within_timeout};

#[tokio::test]
async fn incomplete_head_is_closed_at_its_deadline() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[("SERVER__HEADER_TIMEOUT", "2s")]).await;
    let slow_clients = ["", "GET /orders/20417 HTTP/1.1\r\nHost: a\r\nX-Slow: "].map(async |begin| {
        let mut slow = TcpStream::connect(gateway.address).await.expect("a connection");
        slow.write_all(begin.as_bytes()).await.expect("an open connection");
        assert_eq!(read_until_closed(&mut slow).await.as_deref(), Some(&b""[..]), "closed at its deadline");
    });
    let slow_clients = join_all(slow_clients);
    let others = async {
        for _ in 0..20 {
            gateway.get("/orders/20417").await.ok();
        }
    };

    tokio::join!(slow_clients, others);
}

#[tokio::test]
async fn missing_body_is_408_and_nothing_is_sent() {
    let upstream = Upstream::with_fixtures().await;
    let incomplete = "PATCH /orders/1/status HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n\
                      Content-Length: 30\r\n\r\n{\"status\"";

    for settings in
        [&[("SERVER__BODY_TIMEOUT", "200ms")][..], &[("SERVER__BODY_TIMEOUT", "1h"), ("SERVER__REQUEST_TIMEOUT", "200ms")]]
    {
        let gateway = Gateway::with(&upstream, settings).await;

        let answer = within_timeout(gateway.raw(incomplete.as_bytes())).await;

        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request-timeout"), "{answer}");
        assert!(upstream.queries().is_empty());
    }
}

#[tokio::test]
async fn connections_are_distributed_over_event_loops_and_drained() {
    let event_loops = EventLoops::start(2).expect("two threads");
    let router = Router::new().route("/", get(|| async { format!("{:?}", thread::current().id()) }));
    let limits = Limits::from(&config::Server::default());
    let server = Server::bind(([127, 0, 0, 1], 0).into(), router, limits).await.expect("a free port");
    let (address, stop) = (server.address(), CancellationToken::new());
    let run = tokio::spawn(server.with_event_loops(&event_loops).run(stop.clone().cancelled_owned()));

    let mut connections = Vec::new();
    let mut threads: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..6 {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("an open connection");
        let mut answer = vec![0; 1024];
        let length = within_timeout(stream.read(&mut answer)).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        let (_, thread) = answer.split_once("\r\n\r\n").expect("a head");
        *threads.entry(thread.to_owned()).or_default() += 1;
        connections.push(stream);
    }

    assert_eq!(threads.values().collect::<Vec<_>>(), [&2, &2, &2], "{threads:?}");
    assert!(threads.contains_key(&format!("{:?}", thread::current().id())), "the one that accepts serves too");
    stop.cancel();
    for stream in &mut connections {
        assert_eq!(read_until_closed(stream).await.as_deref(), Some(&b""[..]));
    }
    within_timeout(run).await.expect("no panic");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[("SERVER__MAX_CONNECTIONS", "1")]).await;
    let idle = TcpStream::connect(gateway.address).await.expect("a connection");
    let queued = gateway.raw(b"GET /orders/20417 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    tokio::pin!(queued);

    assert!(timeout(Duration::from_millis(200), &mut queued).await.is_err());

    drop(idle);
    assert!(queued.await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn connections_from_before_shutdown_are_served() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(gateway.address).await.expect("a connection"));
    }

    // Connections are accepted in order, so once this request is served, all of them are accepted.
    gateway.get("/openapi.json").await;
    gateway.stop_listening().await;
    for stream in &mut silent {
        stream.write_all(GET).await.expect("an open connection");
    }

    for mut stream in silent {
        let answer = read_until_closed(&mut stream).await.expect("the end of the connection");
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn connections_queued_at_shutdown_are_served() {
    let latch = Arc::new(Notify::new());
    let held = Arc::clone(&latch);
    let upstream = Upstream::responding_to(move |_| Reply::held(&["<order_info>", "</order_info>"], &held)).await;
    let gateway = Gateway::with(&upstream, &[("SERVER__MAX_CONNECTIONS", "1")]).await;
    let mut connections = Vec::new();

    for _ in 0..20 {
        let mut stream = TcpStream::connect(gateway.address).await.expect("a connection");
        stream.write_all(GET).await.expect("an open connection");
        connections.push(stream);
    }

    upstream.wait_for_requests(1).await;
    gateway.stop_listening().await;

    for mut stream in connections {
        let answer = async { read_until_closed(&mut stream).await.expect("the end of the connection") };
        let release = async {
            loop {
                latch.notify_waiters();
                tokio::task::yield_now().await;
            }
        };

        let answer = tokio::select! {
            answer = answer => answer,
            () = release => unreachable!("this future never ends"),
        };

        assert!(answer.starts_with(b"HTTP/1.1 404 "), "{}", String::from_utf8_lossy(&answer));
    }
}

/// Reads until the gateway closes the connection, and returns what was received; `None` after [`TEST_TIMEOUT`].
async fn read_until_closed(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    let reading = async {
        while let Ok(length @ 1..) = stream.read(&mut chunk).await {
            answer.extend_from_slice(&chunk[..length]);
        }
    };
    timeout(TEST_TIMEOUT, reading).await.ok()?;
    Some(answer)
}

const GET: &[u8] = b"GET /orders/20417 HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn head_and_idle_timeouts_apply_on_kept_connections() {
    let upstream = Upstream::with_fixtures().await;
    for (header_timeout, idle_timeout, next_bytes) in [("2s", "1h", &b"GET /ord"[..]), ("1h", "200ms", b"")] {
        let settings = [("SERVER__HEADER_TIMEOUT", header_timeout), ("SERVER__IDLE_TIMEOUT", idle_timeout)];
        let gateway = Gateway::with(&upstream, &settings).await;
        let mut kept = TcpStream::connect(gateway.address).await.expect("a connection");

        kept.write_all(GET).await.expect("an open connection");
        let mut chunk = [0; 4096];
        assert!(kept.read(&mut chunk).await.expect("an answer") > 0);

        kept.write_all(next_bytes).await.expect("an open connection");
        assert!(read_until_closed(&mut kept).await.is_some(), "closed at its deadline");
    }
}

#[tokio::test]
async fn slow_steady_reader_gets_the_whole_response() {
    // Larger than the socket buffers, and encoded as a whole, so that sending it is all that is left to do.
    let log = format!("<log><message>{}</message></log>", "x".repeat(20_000)).repeat(1_000);
    let order = format!("<order_info><orderinfo><status>new</status></orderinfo><logs>{log}</logs></order_info>");
    let upstream = Upstream::responding_with(Reply::xml(&order)).await;
    let settings = [
        ("SERVER__IDLE_TIMEOUT", "200ms"),
        ("SERVER__MAX_BUFFERED_BYTES", "500000000"),
        ("UPSTREAMS__DEFAULT__MAX_RESPONSE_BYTES", "50000000"),
    ];
    let gateway = Gateway::with(&upstream, &settings).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(100_000).expect("a small buffer");
    let mut slow = socket.connect(gateway.address).await.expect("a connection");
    let request = b"GET /orders/7/messages HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    slow.write_all(request).await.expect("an open connection");

    let mut answer = Vec::new();
    while (&mut slow).take(500_000).read_to_end(&mut answer).await.is_ok_and(|length| length > 0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    assert!(answer.len() > 20_000_000 && answer.ends_with(b"]}"), "{}", answer.len());
}

/// An upstream with a large list that never ends.
async fn endless() -> Upstream {
    let order = "<order><id>1</id><type>order</type></order>".repeat(200_000);
    Upstream::responding_with(Reply::raw(format!("HTTP/1.1 200 OK\r\n\r\n<orders>{order}").as_bytes()).then_hang()).await
}

#[tokio::test]
async fn stalled_reader_is_closed_while_others_are_served() {
    let upstream = endless().await;
    let gateway = Gateway::with(&upstream, &[("SERVER__WRITE_STALL_TIMEOUT", "300ms")]).await;
    let mut stalled = TcpStream::connect(gateway.address).await.expect("a connection");

    stalled.write_all(b"GET /orders?since=2016-03-14 HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("an open connection");
    eventually("the list is in progress", async || gateway.active_requests().await > 0).await;
    let list_has_ended = async || {
        gateway.get("/openapi.json").await.ok();
        gateway.active_requests().await == 0
    };
    eventually("the list has ended", list_has_ended).await;
    // Bytes in flight at the close can still be read; the terminating chunk is not among them.
    let answer = read_until_closed(&mut stalled).await.expect("closed at its deadline");
    assert!(!answer.ends_with(b"0\r\n\r\n"));
}

#[tokio::test]
async fn dripping_reader_is_closed_at_the_list_timeout() {
    let upstream = endless().await;
    let settings = [("SERVER__LIST_TIMEOUT", "300ms"), ("SERVER__REQUEST_TIMEOUT", "300ms"), ("SERVER__BODY_TIMEOUT", "1ms")];
    let gateway = Gateway::with(&upstream, &settings).await;
    let mut dripping = TcpStream::connect(gateway.address).await.expect("a connection");

    dripping.write_all(b"GET /orders?since=2016-03-14 HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("an open connection");
    let mut chunk = [0; 16_384];
    // Each pause is shorter than the write stall timeout.
    let drip = async {
        while let Ok(1..) = dripping.read(&mut chunk).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(TEST_TIMEOUT, drip).await.expect("closed at its deadline");
    eventually("the list has ended", async || gateway.active_requests().await == 0).await;
}

#[tokio::test]
async fn rate_limit_per_address_sends_retry_after() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[("SERVER__RATE_PER_CLIENT", "5")]).await;
    let (began, mut rejected) = (Instant::now(), 0);

    for _ in 0..20 {
        let answer = gateway.get("/orders/20417").await;
        if answer.status == 429 {
            answer.problem(429, "too-many-requests");
            assert_eq!(answer.header("retry-after"), "1");
            rejected += 1;
        }
    }

    let served = 20 - rejected;
    assert!(served >= 5 && served as u64 <= 5 + 5 * (began.elapsed().as_secs() + 1), "{served}");
    assert_eq!(upstream.queries().len(), served);
}

#[tokio::test]
async fn a_hundred_slow_clients_do_not_block_others() {
    let upstream = Upstream::with_fixtures().await;
    let settings = [("SERVER__HEADER_TIMEOUT", "1s"), ("SERVER__BODY_TIMEOUT", "1s")];
    let gateway = Gateway::with(&upstream, &settings).await;
    let slow_clients = (0..100).map(|index| async move {
        let mut slow = TcpStream::connect(gateway.address).await.expect("a connection");
        let begin: &[u8] = match index % 3 {
            0 => b"",
            1 => b"GET /orders/20417 HTTP/1.1\r\nHost: a\r\nX-Slow: ",
            _ => {
                b"PATCH /orders/1/status HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n\
                  Content-Length: 99\r\n\r\n{"
            }
        };
        slow.write_all(begin).await.expect("an open connection");
        let drip = async {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if index % 2 == 0 && !begin.is_empty() && slow.write_all(b" ").await.is_err() {
                    return;
                }
                let mut chunk = [0; 1024];
                match slow.try_read(&mut chunk) {
                    Ok(0) => return,
                    Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                    _ => {}
                }
            }
        };
        timeout(TEST_TIMEOUT, drip).await.is_ok()
    });
    let served = async {
        let mut successes = 0;
        for _ in 0..500 {
            successes += usize::from(gateway.get("/orders/20417").await.status == 200);
        }
        successes
    };

    let (closed, successes) = tokio::join!(join_all(slow_clients), served);

    let closed = closed.into_iter().filter(|closed| *closed).count();
    println!("100 slow clients: {closed} closed at their deadline; {successes} of 500 other requests served");
    assert_eq!(closed, 100);
    assert!(successes >= 495, "{successes}");
}
