//! Times that decide a write: when it was sent, the upstream's clock skew, and the latest time at which it may be sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use tjansteguiden_gateway::model::now;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::without_result;
use crate::support::{Answer, FakeLegacy, FakeOrders, Fault, Gateway, Reply, Upstream, eventually, is_write};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

async fn post(gateway: &Gateway, text: &str) -> Answer {
    gateway.post_message(1, &json!({"type": "log", "text": text}).to_string()).await
}

/// A `Date` header of a clock that is `offset` ahead.
fn date_header(offset: SignedDuration) -> String {
    (now() + offset).strftime("Date: %a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// An upstream that applies a message without confirming it. The clock of its log entries and that of its `Date` header have
/// offsets; `age` is the `Age` header of an intermediary cache.
async fn with_clocks(
    log_offset: SignedDuration,
    date_offset: SignedDuration,
    age: Option<&'static str>,
) -> (Upstream, Gateway) {
    let orders = FakeOrders::new();
    let upstream = Upstream::responding_to(move |query| {
        if is_write(query) {
            orders.add_entry("log", "Ring kunden", log_offset);
            return without_result();
        }
        let answer = orders.order_info().with_header(&date_header(date_offset));
        age.map_or(answer.clone(), |age| answer.with_header(&format!("Age: {age}")))
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("SERVER__REQUEST_TIMEOUT", "1800ms")]).await;
    (upstream, gateway)
}

#[tokio::test]
async fn read_back_uses_the_upstream_clock() {
    for (log_offset, date_offset, age) in [
        (HOUR, HOUR, None),
        (-HOUR, -HOUR, None),
        (SignedDuration::ZERO, SignedDuration::ZERO, None),
        // The `Date` of a cached answer is the time of its creation, not the upstream's current time.
        (SignedDuration::ZERO, -HOUR, Some("3600")),
    ] {
        let (_upstream, gateway) = with_clocks(log_offset, date_offset, age).await;
        assert_eq!(post(&gateway, "Ring kunden").await.status, 201, "{log_offset} {date_offset} {age:?}");
    }
    for (log_offset, date_offset) in [(SignedDuration::ZERO, HOUR), (SignedDuration::ZERO, -HOUR), (HOUR, SignedDuration::ZERO)]
    {
        let (_upstream, gateway) = with_clocks(log_offset, date_offset, None).await;
        post(&gateway, "Ring kunden").await.problem(504, "outcome-unknown");
    }
}

#[tokio::test]
async fn slow_read_back_does_not_match_older_entries() {
    let (orders, latch, reads) = (FakeOrders::new(), Arc::new(Notify::new()), AtomicUsize::new(0));
    let held = Arc::clone(&latch);
    let upstream = Upstream::responding_to(move |query| {
        if is_write(query) {
            // The same text by another writer, shortly before.
            orders.add_entry("log", "Ring kunden", SignedDuration::from_secs(-4));
            return without_result();
        }
        let answer = match reads.fetch_add(1, Ordering::SeqCst) {
            0 => {
                let document = orders.document();
                let (begin, end) = document.split_at(20);
                Reply::held(&[begin, end], &held)
            }
            _ => orders.order_info(),
        };
        answer.with_header(&date_header(SignedDuration::ZERO))
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("SERVER__REQUEST_TIMEOUT", "6s")]).await;
    let delayed_release = async {
        upstream.wait_for_requests(2).await;
        sleep(Duration::from_secs(3)).await;
        latch.notify_one();
    };

    let (answer, ()) = tokio::join!(post(&gateway, "Ring kunden"), delayed_release);

    answer.problem(504, "outcome-unknown");
}

#[tokio::test]
async fn entry_stamped_while_queueing_is_not_evidence() {
    let (orders, latch) = (FakeOrders::new(), Arc::new(Notify::new()));
    let (known_orders, held) = (orders.clone(), Arc::clone(&latch));
    let upstream = Upstream::responding_to(move |query| {
        if query.contains("set_status") {
            Reply::held(&["<set_status>", "<status>success</status></set_status>"], &held)
        } else if is_write(query) {
            without_result()
        } else {
            known_orders.order_info()
        }
    })
    .await;
    let settings = [("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "1"), ("SERVER__REQUEST_TIMEOUT", "6s")];
    let gateway = Gateway::with(&upstream, &settings).await;
    let queued_message = async {
        upstream.wait_for_requests(1).await;
        orders.add_entry("log", "Ring kunden", SignedDuration::ZERO);
        let release = async {
            sleep(Duration::from_secs(3)).await;
            latch.notify_one();
        };
        tokio::join!(post(&gateway, "Ring kunden"), release).0
    };

    let (_, answer) = tokio::join!(gateway.patch_status(2, r#"{"status":"active"}"#), queued_message);

    answer.problem(504, "outcome-unknown");
}

#[tokio::test]
async fn keyed_message_not_sent_without_time_to_verify() {
    let (orders, preflight_latch, change_latch) = (FakeOrders::new(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (held_preflight, held_change) = (Arc::clone(&preflight_latch), Arc::clone(&change_latch));
    let upstream = Upstream::responding_to(move |query| {
        if query.contains("set_status") {
            Reply::held(&["<set_status>", "<status>success</status></set_status>"], &held_change)
        } else if is_write(query) {
            Reply::xml("<add_message><status>success</status></add_message>")
        } else {
            let document = orders.document();
            let (begin, end) = document.split_at(20);
            Reply::held(&[begin, end], &held_preflight)
        }
    })
    .await;
    let settings = [
        ("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "1"),
        ("UPSTREAMS__DEFAULT__TIMEOUT", "3s"),
        // Leaves one second for the preflight read and the queue.
        ("SERVER__REQUEST_TIMEOUT", "5s"),
    ];
    let gateway = Gateway::with(&upstream, &settings).await;
    let message = gateway.request(Method::POST, "/orders/1/messages").header("content-type", "application/json");
    let message = message.header("idempotency-key", "0123456789abcdef").body(r#"{"type":"log","text":"hej"}"#);
    let change = async {
        upstream.wait_for_requests(1).await;
        let occupy_permit = async {
            eventually("the change is queued", async || gateway.active_requests().await == 2).await;
            preflight_latch.notify_one();
            sleep(Duration::from_millis(1_500)).await;
            change_latch.notify_one();
        };
        tokio::join!(gateway.patch_status(2, r#"{"status":"active"}"#), occupy_permit).0
    };

    let (message, change) = tokio::join!(gateway.send(message), change);

    change.ok();
    assert_eq!(message.problem(503, "overloaded")["outcome"], "not-applied");
    assert!(!upstream.queries().iter().any(|query| query.contains("add_message")));
}

#[tokio::test]
async fn conditional_change_not_sent_without_time_to_verify() {
    let settings = [("SERVER__REQUEST_TIMEOUT", "4s"), ("UPSTREAMS__DEFAULT__TIMEOUT", "10s")];
    for (delay, is_sent) in [(Duration::ZERO, true), (Duration::from_millis(2_200), false)] {
        let legacy =
            FakeLegacy::with_faults(move |query| if is_write(query) { Fault::None } else { Fault::Delay(delay) }).await;
        let gateway = Gateway::in_front_of_url(&legacy.url(), &settings).await;
        let change = gateway.request(Method::PATCH, "/orders/20417/status").header("content-type", "application/json");

        let answer = gateway.send(change.header("if-match", "*").body(r#"{"status":"received"}"#)).await;

        if is_sent {
            answer.ok();
        } else {
            assert_eq!(answer.problem(503, "overloaded")["outcome"], "not-applied");
        }

        assert_eq!(legacy.write_count() > 0, is_sent);
    }
}
