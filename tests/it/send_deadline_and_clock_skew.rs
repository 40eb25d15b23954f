//! Which moments count: when a write was really sent, what time it was at the order system, and when it is too late to send.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::sleep;

use tjansteguiden_gateway::model::now;

use crate::support::{Answer, Book, Fault, Gateway, Reply, System, Upstream, is_write, soon};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

async fn post(gateway: &Gateway, text: &str) -> Answer {
    gateway.post_message(1, &json!({"type": "log", "text": text}).to_string()).await
}

/// The header of a clock that is so much ahead.
fn date(ahead: SignedDuration) -> String {
    (now() + ahead).strftime("Date: %a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// An order system that applies a message and does not say so. Its clocks are ahead: the one that stamps rows, and the one
/// in front of it.
async fn with_clocks(rows: SignedDuration, date_ahead: SignedDuration, age: Option<&'static str>) -> (Upstream, Gateway) {
    let book = Book::new();
    let upstream = Upstream::answering(move |query| {
        if is_write(query) {
            book.add("log", "Ring kunden", rows);
            return Reply::status(503, "");
        }
        let look = book.read().with_header(&date(date_ahead));
        age.map_or(look.clone(), |age| look.with_header(&format!("Age: {age}")))
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("SERVER__REQUEST_TIMEOUT", "1800ms")]).await;
    (upstream, gateway)
}

#[tokio::test]
async fn a_row_is_looked_for_by_the_order_systems_clock() {
    for (rows, date, age) in [
        (HOUR, HOUR, None),
        (-HOUR, -HOUR, None),
        (SignedDuration::ZERO, SignedDuration::ZERO, None),
        // What a cache gave tells when it was made, not what time it is.
        (SignedDuration::ZERO, -HOUR, Some("3600")),
    ] {
        let (_upstream, gateway) = with_clocks(rows, date, age).await;
        assert_eq!(post(&gateway, "Ring kunden").await.status, 201, "{rows} {date} {age:?}");
    }
    for (rows, date) in [(SignedDuration::ZERO, HOUR), (SignedDuration::ZERO, -HOUR), (HOUR, SignedDuration::ZERO)] {
        let (_upstream, gateway) = with_clocks(rows, date, None).await;
        post(&gateway, "Ring kunden").await.problem(504, "outcome-unknown");
    }
}

#[tokio::test]
async fn a_look_that_takes_long_does_not_reach_further_back() {
    let (book, latch, looks) = (Book::new(), Arc::new(Notify::new()), AtomicUsize::new(0));
    let held = Arc::clone(&latch);
    let upstream = Upstream::answering(move |query| {
        if is_write(query) {
            // The same words of somebody else's, a moment ago.
            book.add("log", "Ring kunden", SignedDuration::from_secs(-4));
            return Reply::status(503, "");
        }
        let look = match looks.fetch_add(1, Ordering::SeqCst) {
            0 => {
                let document = book.document();
                let (begin, end) = document.split_at(20);
                Reply::held(&[begin, end], &held)
            }
            _ => book.read(),
        };
        look.with_header(&date(SignedDuration::ZERO))
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("SERVER__REQUEST_TIMEOUT", "6s")]).await;
    let slowly = async {
        upstream.asked(2).await;
        sleep(Duration::from_secs(3)).await;
        latch.notify_one();
    };
    let (answer, ()) = tokio::join!(post(&gateway, "Ring kunden"), slowly);
    answer.problem(504, "outcome-unknown");
}

#[tokio::test]
async fn what_was_stamped_while_a_message_waited_is_not_it() {
    let (book, latch) = (Book::new(), Arc::new(Notify::new()));
    let (told, held) = (book.clone(), Arc::clone(&latch));
    let upstream = Upstream::answering(move |query| {
        if query.contains("set_status") {
            Reply::held(&["<set_status>", "<status>success</status></set_status>"], &held)
        } else if is_write(query) {
            Reply::status(503, "")
        } else {
            told.read()
        }
    })
    .await;
    let settings = [("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "1"), ("SERVER__REQUEST_TIMEOUT", "6s")];
    let gateway = Gateway::with(&upstream, &settings).await;
    let waiting = async {
        upstream.asked(1).await;
        book.add("log", "Ring kunden", SignedDuration::ZERO);
        let release = async {
            sleep(Duration::from_secs(3)).await;
            latch.notify_one();
        };
        tokio::join!(post(&gateway, "Ring kunden"), release).0
    };
    let (_, answer) = tokio::join!(gateway.patch_status(2, r#"{"status":"active"}"#), waiting);
    answer.problem(504, "outcome-unknown");
}

#[tokio::test]
async fn a_message_with_a_key_is_not_sent_after_a_wait_that_leaves_no_time_to_settle_it() {
    let (book, look, change) = (Book::new(), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (held_look, held_change) = (Arc::clone(&look), Arc::clone(&change));
    let upstream = Upstream::answering(move |query| {
        if query.contains("set_status") {
            Reply::held(&["<set_status>", "<status>success</status></set_status>"], &held_change)
        } else if is_write(query) {
            Reply::xml("<add_message><status>success</status></add_message>")
        } else {
            let document = book.document();
            let (begin, end) = document.split_at(20);
            Reply::held(&[begin, end], &held_look)
        }
    })
    .await;
    let settings = [
        ("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "1"),
        ("UPSTREAMS__DEFAULT__TIMEOUT", "3s"),
        // A second for the look before and for the wait.
        ("SERVER__REQUEST_TIMEOUT", "5s"),
    ];
    let gateway = Gateway::with(&upstream, &settings).await;
    let message = gateway.request(Method::POST, "/orders/1/messages").header("content-type", "application/json");
    let message = message.header("idempotency-key", "0123456789abcdef").body(r#"{"type":"log","text":"hej"}"#);
    let others = async {
        upstream.asked(1).await;
        let change_comes_next = async {
            soon("the change waits", async || gateway.waiting().await == 2).await;
            look.notify_one();
            sleep(Duration::from_millis(1_500)).await;
            change.notify_one();
        };
        tokio::join!(gateway.patch_status(2, r#"{"status":"active"}"#), change_comes_next).0
    };
    let (message, change) = tokio::join!(gateway.send(message), others);
    change.ok();
    assert_eq!(message.problem(503, "overloaded")["outcome"], "not-applied");
    assert!(!upstream.queries().iter().any(|query| query.contains("add_message")));
}

#[tokio::test]
async fn a_guarded_change_is_sent_in_the_first_half_of_a_short_request_or_not_at_all() {
    let settings = [("SERVER__REQUEST_TIMEOUT", "4s"), ("UPSTREAMS__DEFAULT__TIMEOUT", "10s")];
    for (delay, is_sent) in [(Duration::ZERO, true), (Duration::from_millis(2_200), false)] {
        let system = System::with_faults(move |query| if is_write(query) { Fault::None } else { Fault::Delay(delay) }).await;
        let gateway = Gateway::before_url(&system.url(), &settings).await;
        let change = gateway.request(Method::PATCH, "/orders/20417/status").header("content-type", "application/json");
        let answer = gateway.send(change.header("if-match", "*").body(r#"{"status":"received"}"#)).await;
        if is_sent {
            answer.ok();
        } else {
            assert_eq!(answer.problem(503, "overloaded")["outcome"], "not-applied");
        }
        assert_eq!(system.writes() > 0, is_sent);
    }
}
