//! Connections: slow clients are closed, others are served meanwhile.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Gateway, Upstream};

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_closed_while_others_are_served() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[("SERVER__HEADER_TIMEOUT", "200ms")]).await;
    for begin in ["", "GET /orders/20417 HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let mut slow = TcpStream::connect(gateway.address).await.expect("a connection");
        slow.write_all(begin.as_bytes()).await.expect("room");
        // Over a connection of its own: one that was idle for so long may be closed too.
        let other = gateway.raw(b"GET /orders/20417 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(other.starts_with("HTTP/1.1 200 "), "{other}");
        let mut answer = Vec::new();
        timeout(Duration::from_secs(20), slow.read_to_end(&mut answer)).await.expect("closed at its deadline").expect("an end");
    }
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
