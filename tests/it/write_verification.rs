//! What is evidence that a write happened, and what is none.

use reqwest::Method;

use crate::support::{Answer, Book, Gateway, Reply, is_write};

const TARGET: &str = "/orders/1/status";

/// Lets a request look twice for what became of a write.
const SHORT: [(&str, &str); 2] = [("SERVER__REQUEST_TIMEOUT", "1800ms"), ("UPSTREAMS__DEFAULT__TIMEOUT", "1s")];

/// An answer that tells nothing.
fn nothing() -> Reply {
    Reply::status(503, "")
}

async fn patch_if(gateway: &Gateway, tags: &str, status: &str) -> Answer {
    let request = gateway.request(Method::PATCH, TARGET).header("content-type", "application/json");
    gateway.send(request.header("if-match", tags).body(format!("{{\"status\":\"{status}\"}}"))).await
}

#[tokio::test]
async fn a_log_that_is_not_told_is_no_empty_one() {
    let book = Book::new();
    let upstream = book.behind(|_| Reply::xml("<set_status><status>success</status></set_status>")).await;
    let gateway = Gateway::with(&upstream, &SHORT).await;
    assert_eq!(gateway.get("/orders/1").await.ok()["messages"], serde_json::json!([]));
    assert_eq!(gateway.drift().await, []);
    book.lose_log();
    for target in ["/orders/1", TARGET, "/orders/1/messages"] {
        gateway.get(target).await.ok();
    }
    assert_eq!(gateway.get("/orders/1").await.ok()["messages"], serde_json::json!([]));
    assert_eq!(gateway.drift().await, [("order_info missing_element logs".to_owned(), 4)]);
    let message = gateway.request(Method::POST, "/orders/1/messages").header("content-type", "application/json");
    let message = message.header("idempotency-key", "0123456789abcdef").body(r#"{"type":"log","text":"hej"}"#);
    assert_eq!(gateway.send(message).await.problem(502, "upstream-answer-invalid")["outcome"], "not-applied");
    assert!(!upstream.queries().iter().any(|query| is_write(query)));
    // A change of status needs no log to be sure of what it is for.
    patch_if(&gateway, "*", "received").await.ok();
    gateway.patch_status(1, r#"{"status":"received"}"#).await.ok();
}

#[tokio::test]
async fn a_status_that_was_there_before_is_no_evidence() {
    let book = Book::new();
    let upstream = book.behind(|_| nothing()).await;
    let gateway = Gateway::with(&upstream, &SHORT).await;
    patch_if(&gateway, "*", "new").await.problem(504, "outcome-unknown");
}

#[tokio::test]
async fn a_row_more_shows_a_change_to_the_same_status() {
    let book = Book::new();
    let written = book.clone();
    let upstream = book.behind(move |query| {
        written.apply(query);
        nothing()
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &SHORT).await;
    patch_if(&gateway, "*", "new").await.ok();
    assert_eq!(gateway.metric("write_conflict_total").await, 0);
}

#[tokio::test]
async fn rows_of_others_beside_a_change_are_counted() {
    let book = Book::new();
    let written = book.clone();
    let upstream = book.behind(move |query| {
        written.change("active");
        written.apply(query);
        nothing()
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &SHORT).await;
    patch_if(&gateway, "*", "received").await.ok();
    assert_eq!(gateway.metric("write_conflict_total").await, 1);
}

#[tokio::test]
async fn a_look_that_tells_no_status_tells_nothing() {
    let book = Book::new();
    let written = book.clone();
    let upstream = book.behind(move |_| {
        written.lose_status();
        nothing()
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &SHORT).await;
    patch_if(&gateway, "*", "received").await.problem(504, "outcome-unknown");
    assert_eq!(gateway.metric("write_conflict_total").await, 0);
}
