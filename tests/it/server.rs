//! Connections: slow clients are closed, others are served meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::{Gateway, PATIENCE, Reply, Upstream, soon};

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_closed_while_others_are_served() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[("SERVER__HEADER_TIMEOUT", "2s")]).await;
    let slow = ["", "GET /orders/20417 HTTP/1.1\r\nHost: a\r\nX-Slow: "].map(async |begin| {
        let mut slow = TcpStream::connect(gateway.address).await.expect("a connection");
        slow.write_all(begin.as_bytes()).await.expect("room");
        assert_eq!(until_closed(&mut slow).await.as_deref(), Some(&b""[..]), "closed at its deadline");
    });
    let slow = join_all(slow);
    let others = async {
        for _ in 0..20 {
            gateway.get("/orders/20417").await.ok();
        }
    };
    tokio::join!(slow, others);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_problem_and_nothing_is_sent() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[("SERVER__BODY_TIMEOUT", "200ms")]).await;
    let head = "PATCH /orders/1/status HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 30\r\n\r\n{\"status\"";
    let answer = gateway.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request-timeout"), "{answer}");
    assert!(upstream.queries().is_empty());
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_place() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[("SERVER__MAX_CONNECTIONS", "1")]).await;
    let idle = TcpStream::connect(gateway.address).await.expect("a connection");
    let waiting = gateway.raw(b"GET /orders/20417 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    tokio::pin!(waiting);
    assert!(timeout(Duration::from_millis(200), &mut waiting).await.is_err());
    drop(idle);
    assert!(waiting.await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn who_has_connected_before_a_stop_is_served_after_it() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::before(&upstream).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(gateway.address).await.expect("a connection"));
    }
    // All of them are accepted: this one came after them.
    gateway.get("/openapi.json").await;
    gateway.stop_listening().await;
    for stream in &mut silent {
        stream.write_all(GET).await.expect("room");
    }
    for mut stream in silent {
        let answer = until_closed(&mut stream).await.expect("the end of the connection");
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn who_waits_for_a_place_when_the_gateway_stops_is_served_after_it() {
    let latch = Arc::new(Notify::new());
    let held = Arc::clone(&latch);
    let upstream = Upstream::answering(move |_| Reply::held(&["<order_info>", "</order_info>"], &held)).await;
    let gateway = Gateway::with(&upstream, &[("SERVER__MAX_CONNECTIONS", "1")]).await;
    let mut all = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(gateway.address).await.expect("a connection");
        stream.write_all(GET).await.expect("room");
        all.push(stream);
    }
    upstream.asked(1).await;
    gateway.stop_listening().await;
    for mut stream in all {
        let answer = async { until_closed(&mut stream).await.expect("the end of the connection") };
        let release = async {
            loop {
                latch.notify_waiters();
                tokio::task::yield_now().await;
            }
        };
        let answer = tokio::select! {
            answer = answer => answer,
            () = release => unreachable!("it goes on"),
        };
        assert!(answer.starts_with(b"HTTP/1.1 404 "), "{}", String::from_utf8_lossy(&answer));
    }
}

/// Reads until the gateway closes the connection. Returns what came, `None` when it did not in time.
async fn until_closed(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    let reading = async {
        while let Ok(length @ 1..) = stream.read(&mut piece).await {
            answer.extend_from_slice(&piece[..length]);
        }
    };
    timeout(PATIENCE, reading).await.ok()?;
    Some(answer)
}

const GET: &[u8] = b"GET /orders/20417 HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_later_head_has_its_time_and_a_pause_its_end() {
    let upstream = Upstream::with_fixtures().await;
    for (head, idle, later) in [("2s", "1h", &b"GET /ord"[..]), ("1h", "200ms", b"")] {
        let settings = [("SERVER__HEADER_TIMEOUT", head), ("SERVER__IDLE_TIMEOUT", idle)];
        let gateway = Gateway::with(&upstream, &settings).await;
        let mut kept = TcpStream::connect(gateway.address).await.expect("a connection");
        kept.write_all(GET).await.expect("room");
        let mut piece = [0; 4096];
        assert!(kept.read(&mut piece).await.expect("an answer") > 0);
        kept.write_all(later).await.expect("room");
        assert!(until_closed(&mut kept).await.is_some(), "closed at its end");
    }
}

#[tokio::test]
async fn a_client_that_reads_slowly_and_steadily_gets_all_of_an_answer() {
    // More than the kernel takes, and made as a whole, so that the gateway has nothing more to say before most of it is sent.
    let order = |id| format!("<order><id>{id}</id><type>{}</type></order>", "x".repeat(20_000));
    let orders: String = (1..=1_000).map(order).collect();
    let upstream = Upstream::saying(Reply::xml(&format!("<orders>{orders}</orders>"))).await;
    let gateway = Gateway::with(&upstream, &[("SERVER__IDLE_TIMEOUT", "200ms")]).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(100_000).expect("a small buffer");
    let mut slow = socket.connect(gateway.address).await.expect("a connection");
    let request = b"GET /orders?since=2016-03-14&limit=1000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    slow.write_all(request).await.expect("room");
    let mut answer = Vec::new();
    while (&mut slow).take(500_000).read_to_end(&mut answer).await.is_ok_and(|length| length > 0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(answer.len() > 20_000_000 && answer.ends_with(b"]}"), "{}", answer.len());
}

/// A list that goes on as long as somebody reads it.
async fn endless() -> Upstream {
    let order = "<order><id>1</id><type>order</type></order>".repeat(200_000);
    Upstream::saying(Reply::bytes(format!("HTTP/1.1 200 OK\r\n\r\n<orders>{order}").as_bytes()).then_hang()).await
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_while_others_are_served() {
    let upstream = endless().await;
    let gateway = Gateway::with(&upstream, &[("SERVER__WRITE_STALL_TIMEOUT", "300ms")]).await;
    let mut stalled = TcpStream::connect(gateway.address).await.expect("a connection");
    stalled.write_all(b"GET /orders?since=2016-03-14 HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("room");
    soon("the list has begun", async || gateway.waiting().await > 0).await;
    let end = async || {
        gateway.get("/openapi.json").await.ok();
        gateway.waiting().await == 0
    };
    soon("the list has ended", end).await;
    // What was on its way when the connection ended can still be read; the end of the list is not in it.
    let answer = until_closed(&mut stalled).await.expect("closed at its deadline");
    assert!(!answer.ends_with(b"0\r\n\r\n"));
}

#[tokio::test]
async fn a_client_that_drips_is_closed_when_the_whole_response_takes_too_long() {
    let upstream = endless().await;
    let settings = [("SERVER__LIST_TIMEOUT", "300ms"), ("SERVER__REQUEST_TIMEOUT", "300ms"), ("SERVER__BODY_TIMEOUT", "1ms")];
    let gateway = Gateway::with(&upstream, &settings).await;
    let mut dripping = TcpStream::connect(gateway.address).await.expect("a connection");
    dripping.write_all(b"GET /orders?since=2016-03-14 HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("room");
    let mut piece = [0; 16_384];
    // Fast enough for no single pause to be too long.
    let drip = async {
        while let Ok(1..) = dripping.read(&mut piece).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, drip).await.expect("closed at its deadline");
    soon("the list has ended", async || gateway.waiting().await == 0).await;
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_when_to_come_back() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[("SERVER__RATE_PER_CLIENT", "5")]).await;
    let (began, mut refused) = (Instant::now(), 0);
    for _ in 0..20 {
        let answer = gateway.get("/orders/20417").await;
        if answer.status == 429 {
            answer.problem(429, "too-many-requests");
            assert_eq!(answer.header("retry-after"), "1");
            refused += 1;
        }
    }
    let served = 20 - refused;
    assert!(served >= 5 && served as u64 <= 5 + 5 * (began.elapsed().as_secs() + 1), "{served}");
    assert_eq!(upstream.queries().len(), served);
}

#[tokio::test]
async fn a_hundred_slow_clients_do_not_keep_others_from_being_served() {
    let upstream = Upstream::with_fixtures().await;
    let settings = [("SERVER__HEADER_TIMEOUT", "1s"), ("SERVER__BODY_TIMEOUT", "1s")];
    let gateway = Gateway::with(&upstream, &settings).await;
    let slow = (0..100).map(|index| async move {
        let mut slow = TcpStream::connect(gateway.address).await.expect("a connection");
        let begin: &[u8] = match index % 3 {
            0 => b"",
            1 => b"GET /orders/20417 HTTP/1.1\r\nHost: a\r\nX-Slow: ",
            _ => b"PATCH /orders/1/status HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 99\r\n\r\n{",
        };
        slow.write_all(begin).await.expect("room");
        let drip = async {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if index % 2 == 0 && !begin.is_empty() && slow.write_all(b" ").await.is_err() {
                    return;
                }
                let mut piece = [0; 1024];
                match slow.try_read(&mut piece) {
                    Ok(0) => return,
                    Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                    _ => {}
                }
            }
        };
        timeout(PATIENCE, drip).await.is_ok()
    });
    let served = async {
        let mut good = 0;
        for _ in 0..500 {
            good += usize::from(gateway.get("/orders/20417").await.status == 200);
        }
        good
    };
    let (closed, good) = tokio::join!(join_all(slow), served);
    let closed = closed.into_iter().filter(|closed| *closed).count();
    println!("100 slow clients: {closed} closed at their deadline; {good} of 500 other requests served");
    assert_eq!(closed, 100);
    assert!(good >= 495, "{good}");
}
