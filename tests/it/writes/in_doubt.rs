//! Writes in doubt: sent, outcome unknown, and possibly still to take effect. Until they are resolved or expired, a repetition
//! only reads back, and conditional changes of the same order are not sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::{KEY, VERIFIED_THREE_TIMES, patch_if_match, without_result};
use crate::support::{Answer, FakeOrders, Gateway, Reply, Upstream, eventually, is_write};

/// Leaves time for three read-backs of a keyed message, which needs the upstream timeout and a second more before it is sent.
const KEYED_VERIFIED_THREE_TIMES: [(&str, &str); 2] =
    [("SERVER__REQUEST_TIMEOUT", "1900ms"), ("UPSTREAMS__DEFAULT__TIMEOUT", "300ms")];

async fn post_keyed(gateway: &Gateway, text: &str) -> Answer {
    let request = gateway.request(Method::POST, "/orders/1/messages").header("content-type", "application/json");
    let request = request.header("idempotency-key", KEY);
    gateway.send(request.body(json!({"type": "log", "text": text}).to_string())).await
}

async fn patch(gateway: &Gateway, status: &str) -> Answer {
    gateway.patch_status(1, &json!({"status": status}).to_string()).await
}

fn writes(upstream: &Upstream) -> Vec<String> {
    upstream.queries().into_iter().filter(|query| is_write(query)).collect()
}

/// Asserts that nothing was sent, because the same write is in doubt.
#[track_caller]
fn assert_in_doubt(answer: &Answer) {
    assert_not_sent(answer, "unknown");
}

/// Asserts that nothing was sent, because a change to another status is in doubt.
#[track_caller]
fn assert_blocked(answer: &Answer) {
    assert_not_sent(answer, "not-applied");
}

#[track_caller]
fn assert_not_sent(answer: &Answer, outcome: &str) {
    assert_eq!(answer.problem(504, "outcome-unknown")["outcome"], outcome);
    let wait: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=35).contains(&wait), "{wait}");
}

#[tokio::test]
async fn in_doubt_message_is_read_back_and_not_resent() {
    let orders = FakeOrders::new();
    let upstream = orders.upstream(|_| without_result()).await;
    let gateway = Gateway::with(&upstream, &KEYED_VERIFIED_THREE_TIMES).await;

    assert_in_doubt(&post_keyed(&gateway, "Ring kunden").await);
    assert_in_doubt(&post_keyed(&gateway, "Ring kunden").await);

    let other = post_keyed(&gateway, "Ring inte").await.problem(422, "idempotency-key-reused");
    assert_eq!(other["outcome"], "not-applied");

    // A read-back without a log resolves nothing.
    orders.remove_log();
    assert_in_doubt(&post_keyed(&gateway, "Ring kunden").await);

    let sent = writes(&upstream);
    assert_eq!(sent.len(), 1);

    orders.apply(&sent[0]);
    let replayed = post_keyed(&gateway, "Ring kunden").await;
    assert_eq!((replayed.status, replayed.header("idempotency-replayed")), (201, "true"));

    post_keyed(&gateway, "Ring inte").await.problem(422, "idempotency-key-reused");
    assert_eq!(writes(&upstream).len(), 1);
}

#[tokio::test]
async fn retry_after_disconnect_adds_no_duplicate() {
    let (orders, latch) = (FakeOrders::new(), Arc::new(Notify::new()));
    let held = Reply::held(&["<html>", "</html>"], &latch);
    let upstream = orders.upstream(move |_| held.clone()).await;
    let settings = [("SERVER__REQUEST_TIMEOUT", "6s"), ("UPSTREAMS__DEFAULT__TIMEOUT", "4s")];
    let gateway = Gateway::with(&upstream, &settings).await;

    {
        let mut impatient = Box::pin(post_keyed(&gateway, "Ring kunden"));
        tokio::select! {
            _ = &mut impatient => panic!("the upstream has not answered"),
            () = upstream.wait_for_requests(2) => {}
        }
    }

    let in_use = post_keyed(&gateway, "Ring kunden").await;
    in_use.problem(409, "idempotency-key-in-use");
    assert_eq!(in_use.header("retry-after"), "1");

    latch.notify_one();
    let unknown = r#"write_outcome_total{call="add_message",outcome="unknown"}"#;
    eventually("the first write is finished", async || gateway.metric(unknown).await == 1).await;
    assert_in_doubt(&post_keyed(&gateway, "Ring kunden").await);

    let sent = writes(&upstream);
    assert_eq!(sent.len(), 1);

    orders.apply(&sent[0]);
    assert_eq!(post_keyed(&gateway, "Ring kunden").await.header("idempotency-replayed"), "true");
}

/// An upstream whose n-th change has the outcome `outcomes[n]` (applied, confirmed); later changes are applied and confirmed.
/// Another writer runs `meanwhile` during the first change.
async fn with_outcomes(
    orders: &FakeOrders,
    settings: &[(&str, &str)],
    outcomes: &'static [(bool, bool)],
    meanwhile: impl Fn(&FakeOrders) + Send + Sync + 'static,
) -> (Upstream, Gateway) {
    let (written, count) = (orders.clone(), AtomicUsize::new(0));
    let upstream = orders.upstream(move |query| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let (is_applied, is_confirmed) = outcomes.get(number).copied().unwrap_or((true, true));
        if is_applied {
            written.apply(query);
        }
        if number == 0 {
            meanwhile(&written);
        }
        if is_confirmed { Reply::xml("<set_status><status>success</status></set_status>") } else { without_result() }
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &[&VERIFIED_THREE_TIMES, settings].concat()).await;
    (upstream, gateway)
}

/// An upstream that has lost a change to `received`, and a gateway for which that change is in doubt.
async fn after_lost_change(orders: &FakeOrders, is_conditional: bool, settings: &[(&str, &str)]) -> (Upstream, Gateway) {
    let (upstream, gateway) = with_outcomes(orders, settings, &[(false, false)], |_| {}).await;
    let lost = if is_conditional { patch_if_match(&gateway, "*", "received").await } else { patch(&gateway, "received").await };
    assert_eq!(lost.problem(504, "outcome-unknown")["outcome"], "unknown");
    (upstream, gateway)
}

#[tokio::test]
async fn in_doubt_change_blocks_conditional_changes() {
    for is_conditional in [true, false] {
        let orders = FakeOrders::new();
        let (upstream, gateway) = after_lost_change(&orders, is_conditional, &[]).await;

        assert_in_doubt(&patch_if_match(&gateway, "*", "received").await);
        assert_blocked(&patch_if_match(&gateway, "*", "active").await);

        patch_if_match(&gateway, "\"another\"", "active").await.problem(412, "precondition-failed");
        let sent = writes(&upstream);
        assert_eq!(sent.len(), 1);

        // Once the lost change takes effect, it cannot overwrite later ones any more.
        orders.apply(&sent[0]);
        patch_if_match(&gateway, "*", "active").await.ok();
        patch_if_match(&gateway, "*", "waiting").await.ok();
        assert_eq!(writes(&upstream).len(), 3);
    }
}

#[tokio::test]
async fn unrelated_activity_does_not_resolve_in_doubt_change() {
    for is_conditional in [true, false] {
        for activity in [
            |orders: &FakeOrders| orders.change_status("waiting"),
            |orders: &FakeOrders| orders.add_entry("log", "hej", SignedDuration::ZERO),
        ] {
            let orders = FakeOrders::new();
            let (upstream, gateway) = after_lost_change(&orders, is_conditional, &[]).await;
            activity(&orders);

            assert_blocked(&patch_if_match(&gateway, "*", "active").await);
            assert_eq!(writes(&upstream).len(), 1);
        }
    }
}

#[tokio::test]
async fn conflicting_change_stays_in_doubt() {
    let orders = FakeOrders::new();
    let others = orders.clone();
    // The answer is lost, and another writer changes the order meanwhile.
    let upstream = orders.upstream(move |_| {
        others.change_status("waiting");
        without_result()
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &VERIFIED_THREE_TIMES).await;

    patch_if_match(&gateway, "*", "received").await.problem(409, "write-conflict");
    assert_blocked(&patch_if_match(&gateway, "*", "active").await);

    let sent = writes(&upstream);
    assert_eq!(sent.len(), 1);

    // Once it takes effect, it blocks no other change.
    orders.apply(&sent[0]);
    patch_if_match(&gateway, "*", "received").await.problem(409, "write-conflict");
    assert_eq!(writes(&upstream).len(), 2);
}

#[tokio::test]
async fn unconditional_change_is_sent_and_resolves_no_other() {
    let (upstream, gateway) = after_lost_change(&FakeOrders::new(), true, &[]).await;

    patch(&gateway, "received").await.ok();
    assert_eq!(writes(&upstream).len(), 2);
    assert_blocked(&patch_if_match(&gateway, "*", "active").await);
    assert_eq!(writes(&upstream).len(), 2);
}

#[tokio::test]
async fn later_entries_do_not_prove_a_same_status_change() {
    let orders = FakeOrders::new();
    orders.change_status("received");
    let (upstream, gateway) = after_lost_change(&orders, true, &[]).await;
    orders.add_entry("log", "Ring kunden", SignedDuration::ZERO);

    assert_blocked(&patch_if_match(&gateway, "*", "active").await);
    assert_eq!(writes(&upstream).len(), 1);
}

#[tokio::test]
async fn every_in_doubt_change_of_an_order_must_resolve() {
    for second in ["waiting", "received"] {
        let orders = FakeOrders::new();
        let (upstream, gateway) = with_outcomes(&orders, &[], &[(false, false), (false, false)], |_| {}).await;

        for status in ["received", second] {
            patch(&gateway, status).await.problem(504, "outcome-unknown");
        }

        let sent = writes(&upstream);
        orders.apply(&sent[0]);
        // Twice: a transition that was already observed must not resolve a second change.
        assert_blocked(&patch_if_match(&gateway, "*", "active").await);
        assert_blocked(&patch_if_match(&gateway, "*", "active").await);
        assert_eq!(writes(&upstream).len(), 2);

        orders.change_status("cancelled");
        assert_blocked(&patch_if_match(&gateway, "*", "active").await);

        orders.apply(&sent[1]);
        patch_if_match(&gateway, "*", "active").await.ok();
    }
}

#[tokio::test]
async fn status_at_first_read_back_may_be_the_old_one() {
    for log_entry in [None, Some("log"), Some("system")] {
        let orders = FakeOrders::new();
        orders.set_status("received");
        let meanwhile = move |orders: &FakeOrders| {
            if let Some(kind) = log_entry {
                orders.add_entry(kind, "hej", SignedDuration::ZERO);
            }
        };
        let (upstream, gateway) = with_outcomes(&orders, &[], &[(false, false)], meanwhile).await;

        patch(&gateway, "received").await.ok();
        assert_blocked(&patch_if_match(&gateway, "*", "active").await);
        assert_eq!(writes(&upstream).len(), 1);
    }
}

#[tokio::test]
async fn log_entry_proves_success_but_resolves_nothing() {
    let orders = FakeOrders::new();
    orders.set_status("received");
    let meanwhile = |orders: &FakeOrders| orders.add_entry("log", "hej", SignedDuration::ZERO);
    let (upstream, gateway) = with_outcomes(&orders, &[], &[(false, false)], meanwhile).await;

    patch_if_match(&gateway, "*", "received").await.ok();
    assert_blocked(&patch_if_match(&gateway, "*", "active").await);
    assert_eq!(writes(&upstream).len(), 1);
}

#[tokio::test]
async fn applied_repetition_leaves_the_first_in_doubt() {
    for is_conditional in [true, false] {
        let orders = FakeOrders::new();
        let (upstream, gateway) = with_outcomes(&orders, &[], &[(false, false), (true, false)], |_| {}).await;

        let first =
            if is_conditional { patch_if_match(&gateway, "*", "received").await } else { patch(&gateway, "received").await };
        first.problem(504, "outcome-unknown");

        patch(&gateway, "received").await.ok();
        assert_blocked(&patch_if_match(&gateway, "*", "active").await);
        assert_eq!(writes(&upstream).len(), 2);
    }
}

#[tokio::test]
async fn conditional_change_waits_for_changes_in_flight() {
    let (orders, latch) = (FakeOrders::new(), Arc::new(Notify::new()));
    let (written, answer) = (orders.clone(), Arc::clone(&latch));
    let upstream = orders.upstream(move |query| {
        if query.contains("received") {
            return Reply::held(&["<set", ">"], &answer);
        }
        written.apply(query);
        Reply::xml("<set_status><status>success</status></set_status>")
    });
    let upstream = upstream.await;
    let settings = [("SERVER__REQUEST_TIMEOUT", "20s"), ("UPSTREAMS__DEFAULT__TIMEOUT", "1s")];
    let gateway = Gateway::with(&upstream, &settings).await;
    let conditional = async {
        upstream.wait_for_requests(1).await;
        patch_if_match(&gateway, "*", "active").await
    };

    let (first, conditional) = tokio::join!(patch(&gateway, "received"), conditional);

    first.problem(504, "outcome-unknown");
    assert_blocked(&conditional);
    assert_eq!(writes(&upstream).len(), 1);
}

#[tokio::test]
async fn confirmed_change_does_not_resolve_another() {
    let (orders, latch, count) = (FakeOrders::new(), Arc::new(Notify::new()), AtomicUsize::new(0));
    let (written, answer) = (orders.clone(), Arc::clone(&latch));
    let upstream = orders.upstream(move |query| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        if number == 0 {
            return without_result();
        }
        written.apply(query);
        let pieces = ["<set_status>", "<status>success</status></set_status>"];
        if number == 1 { Reply::held(&pieces, &answer) } else { Reply::xml(&pieces.concat()) }
    });
    let upstream = upstream.await;
    let settings = [("SERVER__REQUEST_TIMEOUT", "8s"), ("UPSTREAMS__DEFAULT__TIMEOUT", "3s")];
    let gateway = Gateway::with(&upstream, &settings).await;
    let first = async {
        let answer = patch(&gateway, "received").await;
        latch.notify_one();
        answer
    };
    let second = async {
        eventually("the first change is sent", async || !writes(&upstream).is_empty()).await;
        patch(&gateway, "received").await
    };

    let (first, second) = tokio::join!(first, second);

    assert_eq!((first.status, second.status), (200, 200));
    assert_blocked(&patch_if_match(&gateway, "*", "active").await);
    assert_eq!(writes(&upstream).len(), 2);
}

#[tokio::test]
async fn stale_read_back_is_not_a_transition() {
    let (orders, latch, is_held) = (FakeOrders::new(), Arc::new(Notify::new()), AtomicBool::new(true));
    let (read, held) = (orders.clone(), Arc::clone(&latch));
    let upstream = Upstream::responding_to(move |query| {
        let document = read.document();
        let (begin, end) = document.split_at(20);
        match is_write(query) {
            true => without_result(),
            false if is_held.swap(false, Ordering::SeqCst) => Reply::held(&[begin, end], &held),
            false => Reply::xml(&document),
        }
    });
    let upstream = upstream.await;
    let settings = [("SERVER__REQUEST_TIMEOUT", "10s"), ("UPSTREAMS__DEFAULT__TIMEOUT", "6s")];
    let gateway = Gateway::with(&upstream, &settings).await;
    let meanwhile = async {
        upstream.wait_for_requests(2).await;
        orders.change_status("received");
        patch(&gateway, "received").await.ok();
        latch.notify_one();
    };

    let (first, ()) = tokio::join!(patch(&gateway, "waiting"), meanwhile);
    first.problem(504, "outcome-unknown");

    orders.apply(&writes(&upstream)[0]);
    assert_blocked(&patch_if_match(&gateway, "*", "active").await);
    assert_eq!(writes(&upstream).len(), 2);
}

#[tokio::test]
async fn read_begun_before_expiry_is_stale() {
    const SETTLE_TIME: Duration = Duration::from_secs(4);
    let (orders, latch, is_held) = (FakeOrders::new(), Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (read, hold_reads, held) = (orders.clone(), Arc::clone(&is_held), Arc::clone(&latch));
    let upstream = Upstream::responding_to(move |query| {
        let document = read.document();
        match document.split_at(20) {
            _ if is_write(query) => without_result(),
            (begin, end) if hold_reads.load(Ordering::SeqCst) => Reply::held(&[begin, end], &held),
            _ => Reply::xml(&document),
        }
    });
    let upstream = upstream.await;
    let settings = [
        ("SERVER__REQUEST_TIMEOUT", "20s"),
        ("UPSTREAMS__DEFAULT__TIMEOUT", "10s"),
        ("UPSTREAMS__DEFAULT__SETTLE_TIME", &*format!("{}s", SETTLE_TIME.as_secs())),
    ];
    let gateway = Gateway::with(&upstream, &settings).await;

    patch_if_match(&gateway, "*", "received").await.problem(504, "outcome-unknown");
    is_held.store(true, Ordering::SeqCst);
    let queries_before = upstream.queries().len();
    let late_effect = async {
        upstream.wait_for_requests(queries_before + 1).await;
        orders.apply(&writes(&upstream)[0]);
        sleep(SETTLE_TIME).await;
        latch.notify_one();
    };
    let (answer, ()) = tokio::join!(patch_if_match(&gateway, "*", "active"), late_effect);
    answer.problem(504, "outcome-unknown");
    assert_eq!(writes(&upstream).len(), 1);
}

#[tokio::test]
async fn expired_change_blocks_nothing() {
    // Shorter than the read-backs take, so the change has expired when they are finished.
    let settings = [("UPSTREAMS__DEFAULT__SETTLE_TIME", "500ms")];
    let (upstream, gateway) = after_lost_change(&FakeOrders::new(), true, &settings).await;

    patch_if_match(&gateway, "*", "active").await.ok();
    assert_eq!(writes(&upstream).len(), 2);
}

#[tokio::test]
async fn late_confirmation_is_not_a_transition() {
    let (orders, latch) = (FakeOrders::new(), Arc::new(Notify::new()));
    let (written, answer, is_first) = (orders.clone(), Arc::clone(&latch), AtomicBool::new(true));
    let upstream = orders.upstream(move |query| {
        if is_first.swap(false, Ordering::SeqCst) {
            return without_result();
        }
        written.apply(query);
        let pieces = ["<set_status>", "<status>success</status></set_status>"];
        if query.contains("waiting") { Reply::held(&pieces, &answer) } else { Reply::xml(&pieces.concat()) }
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &VERIFIED_THREE_TIMES).await;

    patch(&gateway, "received").await.problem(504, "outcome-unknown");
    let second = async {
        eventually("the other change is sent", async || writes(&upstream).len() == 2).await;
        patch(&gateway, "received").await.ok();
        latch.notify_one();
    };
    let (slow, ()) = tokio::join!(patch(&gateway, "waiting"), second);
    slow.ok();
    assert_blocked(&patch_if_match(&gateway, "*", "active").await);
    assert_eq!(writes(&upstream).len(), 3);
}
