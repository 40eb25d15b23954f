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
        let answer = orders.dated_order_info(date_offset);
        age.map_or(answer.clone(), |age| answer.with_header(&format!("Age: {age}")))
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("SERVER__REQUEST_TIMEOUT", "1800ms")]).await;
    (upstream, gateway)
}

/// What the upstream's log is stamped by is not known. An entry of an hour before looks the same as a new one by a clock that is
/// an hour late.
#[tokio::test]
async fn entry_is_evidence_only_if_it_is_not_older_by_any_clock() {
    const AGREEING: SignedDuration = SignedDuration::ZERO;
    let (_upstream, gateway) = with_clocks(AGREEING, AGREEING, None).await;
    let before = now().strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let added = post(&gateway, "Ring kunden").await.ok();
    let at: jiff::Timestamp = added["at"].as_str().expect("a time").parse().expect("a time");
    assert!(at.strftime("%Y-%m-%dT%H:%M:%S").to_string() >= before, "{at} is before the request at {before}");

    for (log_offset, date_offset, age) in [
        (AGREEING, -HOUR, None),
        (HOUR, HOUR, None),
        // The `Date` of a cached answer is the time of its creation, not the upstream's current time.
        (AGREEING, -HOUR, Some("3600")),
    ] {
        let (_upstream, gateway) = with_clocks(log_offset, date_offset, age).await;
        assert_eq!(post(&gateway, "Ring kunden").await.status, 201, "{log_offset} {date_offset} {age:?}");
    }
    for (log_offset, date_offset, age) in [
        (AGREEING, HOUR, None),
        (HOUR, AGREEING, None),
        (-HOUR, AGREEING, None),
        // By our clock it is older than the request.
        (-HOUR, -HOUR, None),
        (-HOUR / 60, -HOUR / 60, None),
    ] {
        let (_upstream, gateway) = with_clocks(log_offset, date_offset, age).await;
        post(&gateway, "Ring kunden").await.problem(504, "outcome-unknown");
    }
}

#[tokio::test]
async fn equal_text_before_the_request_is_not_evidence() {
    for (age, date_offset, has_date) in [
        // Stamped by a right clock, which is an hour ahead of `Date`.
        (HOUR, -HOUR, true),
        (SignedDuration::from_secs(2), SignedDuration::ZERO, true),
        (SignedDuration::from_secs(2), SignedDuration::ZERO, false),
    ] {
        let orders = FakeOrders::new();
        let upstream = Upstream::responding_to(move |query| {
            if is_write(query) {
                // Not this message, which is lost.
                orders.add_entry("log", "Ring kunden", -age);
                return without_result();
            }
            if has_date { orders.dated_order_info(date_offset) } else { orders.order_info() }
        })
        .await;
        let gateway = Gateway::with(&upstream, &[("SERVER__REQUEST_TIMEOUT", "1800ms")]).await;

        post(&gateway, "Ring kunden").await.problem(504, "outcome-unknown");
    }
}

#[tokio::test]
async fn log_with_stamps_from_the_future_is_not_evidence() {
    let orders = FakeOrders::new();
    // By a clock that is an hour ahead of `Date`: this was half an hour ago, and the lost message's equal an hour ago.
    orders.add_entry("log", "Tekniker bokad", HOUR / 2);
    let upstream = Upstream::responding_to(move |query| {
        if is_write(query) {
            orders.add_entry("log", "Ring kunden", SignedDuration::from_secs(1));
            return without_result();
        }
        orders.dated_order_info(SignedDuration::ZERO)
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("SERVER__REQUEST_TIMEOUT", "1800ms")]).await;

    post(&gateway, "Ring kunden").await.problem(504, "outcome-unknown");
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
        match reads.fetch_add(1, Ordering::SeqCst) {
            0 => {
                let document = orders.document();
                let (begin, end) = document.split_at(20);
                Reply::held(&[begin, end], &held)
            }
            _ => orders.dated_order_info(SignedDuration::ZERO),
        }
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
