//! Writes that may still land: while they may, a repetition only looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::support::{Answer, Book, Gateway, Reply, Upstream, is_write, soon};

/// Lets a request with a key look three times for what became of its message.
const SHORT: [(&str, &str); 2] = [("SERVER__REQUEST_TIMEOUT", "1900ms"), ("UPSTREAMS__DEFAULT__TIMEOUT", "300ms")];
/// Lets a guarded change look three times.
const SHORT_CHANGES: [(&str, &str); 2] = [("SERVER__REQUEST_TIMEOUT", "1900ms"), ("UPSTREAMS__DEFAULT__TIMEOUT", "1s")];

async fn post(gateway: &Gateway, text: &str) -> Answer {
    let request = gateway.request(Method::POST, "/orders/1/messages").header("content-type", "application/json");
    let request = request.header("idempotency-key", "0123456789abcdef");
    gateway.send(request.body(json!({"type": "log", "text": text}).to_string())).await
}

async fn patch_if(gateway: &Gateway, tags: &str, status: &str) -> Answer {
    let request = gateway.request(Method::PATCH, "/orders/1/status").header("content-type", "application/json");
    gateway.send(request.header("if-match", tags).body(json!({"status": status}).to_string())).await
}

async fn patch(gateway: &Gateway, status: &str) -> Answer {
    gateway.patch_status(1, &json!({"status": status}).to_string()).await
}

fn writes(upstream: &Upstream) -> Vec<String> {
    upstream.queries().into_iter().filter(|query| is_write(query)).collect()
}

/// Nothing was sent, because the same may still land.
#[track_caller]
fn still_unknown(answer: &Answer) {
    not_yet(answer, "unknown");
}

/// Nothing was sent, because a change to another status may still land.
#[track_caller]
fn in_the_way(answer: &Answer) {
    not_yet(answer, "not-applied");
}

#[track_caller]
fn not_yet(answer: &Answer, outcome: &str) {
    assert_eq!(answer.problem(504, "outcome-unknown")["outcome"], outcome);
    let wait: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=35).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_message_that_may_still_land_is_looked_for_and_not_sent_again() {
    let book = Book::new();
    let upstream = book.behind(|_| Reply::status(503, "")).await;
    let gateway = Gateway::with(&upstream, &SHORT).await;
    still_unknown(&post(&gateway, "Ring kunden").await);
    still_unknown(&post(&gateway, "Ring kunden").await);
    let other = post(&gateway, "Ring inte").await.problem(422, "idempotency-key-reused");
    assert_eq!(other["outcome"], "not-applied");
    // A look that shows nothing leaves it open too.
    book.lose_log();
    still_unknown(&post(&gateway, "Ring kunden").await);
    let sent = writes(&upstream);
    assert_eq!(sent.len(), 1);
    book.apply(&sent[0]);
    let landed = post(&gateway, "Ring kunden").await;
    assert_eq!((landed.status, landed.header("idempotency-replayed")), (201, "true"));
    post(&gateway, "Ring inte").await.problem(422, "idempotency-key-reused");
    assert_eq!(writes(&upstream).len(), 1);
}

#[tokio::test]
async fn who_left_before_an_answer_and_comes_back_doubles_nothing() {
    let (book, latch) = (Book::new(), Arc::new(Notify::new()));
    let held = Reply::held(&["<html>", "</html>"], &latch);
    let upstream = book.behind(move |_| held.clone()).await;
    let settings = [("SERVER__REQUEST_TIMEOUT", "6s"), ("UPSTREAMS__DEFAULT__TIMEOUT", "4s")];
    let gateway = Gateway::with(&upstream, &settings).await;
    {
        let mut impatient = Box::pin(post(&gateway, "Ring kunden"));
        tokio::select! {
            _ = &mut impatient => panic!("the order system has not answered"),
            () = upstream.asked(2) => {}
        }
    }
    let in_use = post(&gateway, "Ring kunden").await;
    in_use.problem(409, "idempotency-key-in-use");
    assert_eq!(in_use.header("retry-after"), "1");
    latch.notify_one();
    let unknown = r#"write_outcome_total{call="add_message",outcome="unknown"}"#;
    soon("the first one has ended", async || gateway.metric(unknown).await == 1).await;
    still_unknown(&post(&gateway, "Ring kunden").await);
    let sent = writes(&upstream);
    assert_eq!(sent.len(), 1);
    book.apply(&sent[0]);
    assert_eq!(post(&gateway, "Ring kunden").await.header("idempotency-replayed"), "true");
}

/// What becomes of each change, the first one first, and then of all others: is it applied, is it answered. Somebody else does
/// something during the first.
async fn with_outcomes(
    book: &Book,
    settings: &[(&str, &str)],
    outcomes: &'static [(bool, bool)],
    meanwhile: impl Fn(&Book) + Send + Sync + 'static,
) -> (Upstream, Gateway) {
    let (written, count) = (book.clone(), AtomicUsize::new(0));
    let upstream = book.behind(move |query| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let (is_applied, is_answered) = outcomes.get(number).copied().unwrap_or((true, true));
        if is_applied {
            written.apply(query);
        }
        if number == 0 {
            meanwhile(&written);
        }
        if is_answered { Reply::xml("<set_status><status>success</status></set_status>") } else { Reply::status(503, "") }
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &[&SHORT_CHANGES, settings].concat()).await;
    (upstream, gateway)
}

/// An order system that loses the first change, and the gateway after it.
async fn after_a_lost_change(book: &Book, is_guarded: bool, settings: &[(&str, &str)]) -> (Upstream, Gateway) {
    let (upstream, gateway) = with_outcomes(book, settings, &[(false, false)], |_| {}).await;
    let lost = if is_guarded { patch_if(&gateway, "*", "received").await } else { patch(&gateway, "received").await };
    assert_eq!(lost.problem(504, "outcome-unknown")["outcome"], "unknown");
    (upstream, gateway)
}

#[tokio::test]
async fn while_a_change_may_still_land_a_guarded_one_is_not_sent() {
    for is_guarded in [true, false] {
        let book = Book::new();
        let (upstream, gateway) = after_a_lost_change(&book, is_guarded, &[]).await;
        still_unknown(&patch_if(&gateway, "*", "received").await);
        in_the_way(&patch_if(&gateway, "*", "active").await);
        patch_if(&gateway, "\"another\"", "active").await.problem(412, "precondition-failed");
        let sent = writes(&upstream);
        assert_eq!(sent.len(), 1);
        // It lands, and what comes after it is no longer in danger.
        book.apply(&sent[0]);
        patch_if(&gateway, "*", "active").await.ok();
        patch_if(&gateway, "*", "waiting").await.ok();
        assert_eq!(writes(&upstream).len(), 3);
    }
}

#[tokio::test]
async fn what_others_do_does_not_make_an_open_change_harmless() {
    for is_guarded in [true, false] {
        for do_something in [|book: &Book| book.change("waiting"), |book: &Book| book.add("log", "hej", SignedDuration::ZERO)] {
            let book = Book::new();
            let (upstream, gateway) = after_a_lost_change(&book, is_guarded, &[]).await;
            do_something(&book);
            in_the_way(&patch_if(&gateway, "*", "active").await);
            assert_eq!(writes(&upstream).len(), 1);
        }
    }
}

#[tokio::test]
async fn a_change_in_a_conflict_stays_open() {
    let book = Book::new();
    let others = book.clone();
    // Its answer is lost, and somebody else changes the order meanwhile.
    let upstream = book.behind(move |_| {
        others.change("waiting");
        Reply::status(503, "")
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &SHORT_CHANGES).await;
    patch_if(&gateway, "*", "received").await.problem(409, "write-conflict");
    in_the_way(&patch_if(&gateway, "*", "active").await);
    let sent = writes(&upstream);
    assert_eq!(sent.len(), 1);
    // It lands after all, and is in nobody's way any more.
    book.apply(&sent[0]);
    patch_if(&gateway, "*", "received").await.problem(409, "write-conflict");
    assert_eq!(writes(&upstream).len(), 2);
}

#[tokio::test]
async fn a_change_that_nobody_guards_is_always_sent_and_frees_no_other() {
    let (upstream, gateway) = after_a_lost_change(&Book::new(), true, &[]).await;
    patch(&gateway, "received").await.ok();
    assert_eq!(writes(&upstream).len(), 2);
    in_the_way(&patch_if(&gateway, "*", "active").await);
    assert_eq!(writes(&upstream).len(), 2);
}

#[tokio::test]
async fn rows_that_come_later_do_not_show_a_change_to_the_status_from_before() {
    let book = Book::new();
    book.change("received");
    let (upstream, gateway) = after_a_lost_change(&book, true, &[]).await;
    book.add("log", "Ring kunden", SignedDuration::ZERO);
    in_the_way(&patch_if(&gateway, "*", "active").await);
    assert_eq!(writes(&upstream).len(), 1);
}

#[tokio::test]
async fn of_several_changes_of_an_order_each_is_waited_for() {
    for second in ["waiting", "received"] {
        let book = Book::new();
        let (upstream, gateway) = with_outcomes(&book, &[], &[(false, false), (false, false)], |_| {}).await;
        for status in ["received", second] {
            patch(&gateway, status).await.problem(504, "outcome-unknown");
        }
        let sent = writes(&upstream);
        book.apply(&sent[0]);
        // Twice, because what a look has shown is shown to the next one too.
        in_the_way(&patch_if(&gateway, "*", "active").await);
        in_the_way(&patch_if(&gateway, "*", "active").await);
        assert_eq!(writes(&upstream).len(), 2);
        book.change("cancelled");
        in_the_way(&patch_if(&gateway, "*", "active").await);
        book.apply(&sent[1]);
        patch_if(&gateway, "*", "active").await.ok();
    }
}

#[tokio::test]
async fn a_status_that_was_there_at_the_first_look_may_be_the_one_from_before() {
    for row in [None, Some("log"), Some("system")] {
        let book = Book::new();
        book.give("received");
        let meanwhile = move |book: &Book| row.into_iter().for_each(|kind| book.add(kind, "hej", SignedDuration::ZERO));
        let (upstream, gateway) = with_outcomes(&book, &[], &[(false, false)], meanwhile).await;
        patch(&gateway, "received").await.ok();
        in_the_way(&patch_if(&gateway, "*", "active").await);
        assert_eq!(writes(&upstream).len(), 1);
    }
}

#[tokio::test]
async fn a_row_is_evidence_for_an_answer_and_ends_nothing() {
    let book = Book::new();
    book.give("received");
    let meanwhile = |book: &Book| book.add("log", "hej", SignedDuration::ZERO);
    let (upstream, gateway) = with_outcomes(&book, &[], &[(false, false)], meanwhile).await;
    patch_if(&gateway, "*", "received").await.ok();
    in_the_way(&patch_if(&gateway, "*", "active").await);
    assert_eq!(writes(&upstream).len(), 1);
}

#[tokio::test]
async fn a_repetition_that_lands_leaves_the_first_one_open() {
    for is_guarded in [true, false] {
        let book = Book::new();
        let (upstream, gateway) = with_outcomes(&book, &[], &[(false, false), (true, false)], |_| {}).await;
        let first = if is_guarded { patch_if(&gateway, "*", "received").await } else { patch(&gateway, "received").await };
        first.problem(504, "outcome-unknown");
        patch(&gateway, "received").await.ok();
        in_the_way(&patch_if(&gateway, "*", "active").await);
        assert_eq!(writes(&upstream).len(), 2);
    }
}

#[tokio::test]
async fn a_guarded_change_waits_for_the_answers_to_others() {
    let (book, latch) = (Book::new(), Arc::new(Notify::new()));
    let (written, answer) = (book.clone(), Arc::clone(&latch));
    let upstream = book.behind(move |query| {
        if query.contains("received") {
            return Reply::held(&["<set", ">"], &answer);
        }
        written.apply(query);
        Reply::xml("<set_status><status>success</status></set_status>")
    });
    let upstream = upstream.await;
    let settings = [("SERVER__REQUEST_TIMEOUT", "20s"), ("UPSTREAMS__DEFAULT__TIMEOUT", "1s")];
    let gateway = Gateway::with(&upstream, &settings).await;
    let guarded = async {
        upstream.asked(1).await;
        patch_if(&gateway, "*", "active").await
    };
    let (first, guarded) = tokio::join!(patch(&gateway, "received"), guarded);
    first.problem(504, "outcome-unknown");
    in_the_way(&guarded);
    assert_eq!(writes(&upstream).len(), 1);
}

#[tokio::test]
async fn a_change_that_is_confirmed_later_is_not_taken_for_an_open_one() {
    let (book, latch, count) = (Book::new(), Arc::new(Notify::new()), AtomicUsize::new(0));
    let (written, answer) = (book.clone(), Arc::clone(&latch));
    let upstream = book.behind(move |query| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        if number == 0 {
            return Reply::status(503, "");
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
        soon("the first was sent", async || !writes(&upstream).is_empty()).await;
        patch(&gateway, "received").await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.status, second.status), (200, 200));
    in_the_way(&patch_if(&gateway, "*", "active").await);
    assert_eq!(writes(&upstream).len(), 2);
}

#[tokio::test]
async fn an_old_picture_does_not_make_a_status_new_again() {
    let (book, latch, is_held) = (Book::new(), Arc::new(Notify::new()), AtomicBool::new(true));
    let (read, look) = (book.clone(), Arc::clone(&latch));
    let upstream = Upstream::answering(move |query| {
        let document = read.document();
        let (begin, end) = document.split_at(20);
        match is_write(query) {
            true => Reply::status(503, ""),
            false if is_held.swap(false, Ordering::SeqCst) => Reply::held(&[begin, end], &look),
            false => Reply::xml(&document),
        }
    });
    let upstream = upstream.await;
    let settings = [("SERVER__REQUEST_TIMEOUT", "10s"), ("UPSTREAMS__DEFAULT__TIMEOUT", "6s")];
    let gateway = Gateway::with(&upstream, &settings).await;
    let meanwhile = async {
        upstream.asked(2).await;
        book.change("received");
        patch(&gateway, "received").await.ok();
        latch.notify_one();
    };
    let (first, ()) = tokio::join!(patch(&gateway, "waiting"), meanwhile);
    first.problem(504, "outcome-unknown");
    book.apply(&writes(&upstream)[0]);
    in_the_way(&patch_if(&gateway, "*", "active").await);
    assert_eq!(writes(&upstream).len(), 2);
}

#[tokio::test]
async fn a_look_that_began_while_a_change_could_land_is_an_old_picture() {
    const SETTLE_TIME: Duration = Duration::from_secs(4);
    let (book, latch, is_held) = (Book::new(), Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (read, held, look) = (book.clone(), Arc::clone(&is_held), Arc::clone(&latch));
    let upstream = Upstream::answering(move |query| {
        let document = read.document();
        match document.split_at(20) {
            _ if is_write(query) => Reply::status(503, ""),
            (begin, end) if held.load(Ordering::SeqCst) => Reply::held(&[begin, end], &look),
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
    patch_if(&gateway, "*", "received").await.problem(504, "outcome-unknown");
    is_held.store(true, Ordering::SeqCst);
    let looks = upstream.queries().len();
    let lands_late = async {
        upstream.asked(looks + 1).await;
        book.apply(&writes(&upstream)[0]);
        sleep(SETTLE_TIME).await;
        latch.notify_one();
    };
    let (answer, ()) = tokio::join!(patch_if(&gateway, "*", "active"), lands_late);
    answer.problem(504, "outcome-unknown");
    assert_eq!(writes(&upstream).len(), 1);
}

#[tokio::test]
async fn a_change_that_can_no_longer_land_is_in_nobodys_way() {
    // Shorter than the looks take.
    let settings = [("UPSTREAMS__DEFAULT__SETTLE_TIME", "500ms")];
    let (upstream, gateway) = after_a_lost_change(&Book::new(), true, &settings).await;
    patch_if(&gateway, "*", "active").await.ok();
    assert_eq!(writes(&upstream).len(), 2);
}

#[tokio::test]
async fn a_late_confirmation_does_not_make_a_status_new_again() {
    let (book, latch) = (Book::new(), Arc::new(Notify::new()));
    let (written, answer, is_first) = (book.clone(), Arc::clone(&latch), AtomicBool::new(true));
    let upstream = book.behind(move |query| {
        if is_first.swap(false, Ordering::SeqCst) {
            return Reply::status(503, "");
        }
        written.apply(query);
        let pieces = ["<set_status>", "<status>success</status></set_status>"];
        if query.contains("waiting") { Reply::held(&pieces, &answer) } else { Reply::xml(&pieces.concat()) }
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &SHORT_CHANGES).await;
    patch(&gateway, "received").await.problem(504, "outcome-unknown");
    let second = async {
        soon("the other was sent", async || writes(&upstream).len() == 2).await;
        patch(&gateway, "received").await.ok();
        latch.notify_one();
    };
    let (slow, ()) = tokio::join!(patch(&gateway, "waiting"), second);
    slow.ok();
    in_the_way(&patch_if(&gateway, "*", "active").await);
    assert_eq!(writes(&upstream).len(), 3);
}
