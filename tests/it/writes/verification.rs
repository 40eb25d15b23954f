//! Verification by read-back: which answers are evidence that a write was applied.

use reqwest::Method;

use super::{VERIFIED_TWICE, patch_if_match, without_result};
use crate::support::{FakeOrders, Gateway, Reply, is_write};

#[tokio::test]
async fn missing_log_is_not_an_empty_log() {
    let orders = FakeOrders::new();
    let upstream = orders.upstream(|_| Reply::xml("<set_status><status>success</status></set_status>")).await;
    let gateway = Gateway::with(&upstream, &VERIFIED_TWICE).await;

    assert_eq!(gateway.get("/orders/1").await.ok()["messages"], serde_json::json!([]));
    assert_eq!(gateway.drift_counts().await, []);

    orders.remove_log();
    for target in ["/orders/1", "/orders/1/status", "/orders/1/messages"] {
        gateway.get(target).await.ok();
    }

    assert_eq!(gateway.get("/orders/1").await.ok()["messages"], serde_json::json!([]));
    assert_eq!(gateway.drift_counts().await, [("order_info missing_element logs".to_owned(), 4)]);

    let message = gateway.request(Method::POST, "/orders/1/messages").header("content-type", "application/json");
    let message = message.header("idempotency-key", "0123456789abcdef").body(r#"{"type":"log","text":"hej"}"#);
    assert_eq!(gateway.send(message).await.problem(502, "upstream-answer-invalid")["outcome"], "not-applied");
    assert!(!upstream.queries().iter().any(|query| is_write(query)));

    // A status change does not need the log: neither to evaluate `If-Match: *` nor to verify its outcome.
    patch_if_match(&gateway, "*", "received").await.ok();
    gateway.patch_status(1, r#"{"status":"received"}"#).await.ok();
}

#[tokio::test]
async fn unchanged_status_is_not_evidence() {
    let orders = FakeOrders::new();
    let upstream = orders.upstream(|_| without_result()).await;
    let gateway = Gateway::with(&upstream, &VERIFIED_TWICE).await;

    patch_if_match(&gateway, "*", "new").await.problem(504, "outcome-unknown");
}

#[tokio::test]
async fn new_log_entry_proves_a_same_status_change() {
    let orders = FakeOrders::new();
    let written = orders.clone();
    let upstream = orders.upstream(move |query| {
        written.apply(query);
        without_result()
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &VERIFIED_TWICE).await;

    patch_if_match(&gateway, "*", "new").await.ok();
    assert_eq!(gateway.metric("write_conflict_total").await, 0);
}

#[tokio::test]
async fn entries_of_other_writers_count_as_conflict() {
    let orders = FakeOrders::new();
    let written = orders.clone();
    let upstream = orders.upstream(move |query| {
        written.change_status("active");
        written.apply(query);
        without_result()
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &VERIFIED_TWICE).await;

    patch_if_match(&gateway, "*", "received").await.ok();
    assert_eq!(gateway.metric("write_conflict_total").await, 1);
}

#[tokio::test]
async fn read_back_without_status_is_not_evidence() {
    let orders = FakeOrders::new();
    let written = orders.clone();
    let upstream = orders.upstream(move |_| {
        written.remove_status();
        without_result()
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &VERIFIED_TWICE).await;

    patch_if_match(&gateway, "*", "received").await.problem(504, "outcome-unknown");
    assert_eq!(gateway.metric("write_conflict_total").await, 0);
}
