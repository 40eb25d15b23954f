//! Verification by read-back: which answers are evidence that a write was applied.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use reqwest::Method;

use super::{VERIFIED_TWICE, patch_if_match, without_result};
use crate::support::{FakeOrders, Gateway, Reply, Upstream, is_write};

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

/// An order that contradicts itself shows neither that a change was applied nor that another one was.
#[tokio::test]
async fn contradictory_read_back_is_not_evidence() {
    let order = |inside: &str| format!("<order_info>{inside}<logs/></order_info>");
    let documents = [
        "<orderinfo><status>received</status><status>new</status></orderinfo>",
        "<orderinfo><status>received</status><type>order</type><status>Active</status></orderinfo>",
        "<orderinfo><status>received</status></orderinfo><orderinfo><status>active</status></orderinfo>",
        "<orderinfo><status>received</status></orderinfo><customer><id>5</id></customer><customer><id>6</id></customer>",
        "<orderinfo><status>received</status></orderinfo><logs><log><message>a</message><message>b</message></log></logs>",
    ];
    let before = order("<orderinfo><status>new</status></orderinfo>");
    join_all(documents.map(order).iter().flat_map(|document| [(document, true), (document, false)]).map(
        |(document, is_guarded)| {
            let (before, document) = (before.clone(), document.clone());
            async move {
                let is_written = AtomicBool::new(false);
                let upstream = Upstream::responding_to(move |query| {
                    if is_write(query) {
                        is_written.store(true, Ordering::SeqCst);
                        return without_result();
                    }
                    Reply::xml(if is_written.load(Ordering::SeqCst) { &document } else { &before })
                });
                let upstream = upstream.await;
                let gateway = Gateway::with(&upstream, &VERIFIED_TWICE).await;

                let answer = if is_guarded {
                    patch_if_match(&gateway, "*", "received").await
                } else {
                    gateway.patch_status(1, r#"{"status":"received"}"#).await
                };
                assert_eq!(answer.problem(504, "outcome-unknown")["outcome"], "unknown");
            }
        },
    ))
    .await;
}

#[tokio::test]
async fn nothing_is_written_to_an_order_that_contradicts_itself() {
    let document = "<order_info><orderinfo><status>new</status><status>active</status></orderinfo><logs/></order_info>";
    let upstream = Upstream::responding_with(Reply::xml(document)).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    let problem = patch_if_match(&gateway, "*", "received").await.problem(502, "upstream-answer-invalid");
    assert_eq!(problem["outcome"], "not-applied");
    assert!(!upstream.queries().iter().any(|query| is_write(query)));
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
