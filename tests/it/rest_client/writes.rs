//! Writes: what each kind of answer means, and what becomes of those in doubt.

use std::collections::BTreeSet;
use std::time::Duration;

use tjansteguiden_gateway::backend::{Backend, Error, RequestContext, WriteError};
use tjansteguiden_gateway::idempotency::IdempotencyKey;
use tjansteguiden_gateway::model::OrderStatus;

use super::scripted::{Received, Reply, Scripted};
use super::{client, context, message, order};

const ADDED: &str = r#"{"type":"log","text":"hej","at":"2016-03-14T08:05:00Z"}"#;
const CHANGED: &str = r#"{"status":"received"}"#;

fn order_with(status: &str, messages: &str) -> Reply {
    Reply::json(&format!(r#"{{"id":7,"status":"{status}","deliverAsap":false,"messages":[{messages}],"details":[]}}"#))
}

fn kind<T>(result: &Result<T, WriteError>) -> String {
    match result {
        Ok(_) => "applied".to_owned(),
        Err(WriteError { source: Error::NotSent { cause }, sent: None }) => format!("not sent: {}", cause.kind()),
        Err(WriteError { source, sent }) => format!("{}{}", source.kind(), if sent.is_some() { "" } else { ", not sent" }),
    }
}

/// A system that answers the first write with `first`, later ones with `later`, and reads with an order.
async fn system(first: Reply, later: Reply, read: Reply) -> Scripted {
    let writes = std::sync::atomic::AtomicUsize::new(0);
    Scripted::answering(move |request, _| match request.method.as_str() {
        "GET" => read.clone(),
        _ if writes.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => first.clone(),
        _ => later.clone(),
    })
    .await
}

fn keys(system: &Scripted) -> BTreeSet<String> {
    let writes = system.received().into_iter().filter(|request| request.method == "POST");
    writes.map(|request| request.header("idempotency-key").unwrap_or("none").to_owned()).collect()
}

/// Answers whose meaning is the same for both writes.
fn common_rows() -> Vec<(Reply, &'static str, usize)> {
    let later = |reply: Reply| reply.with_header("retry-after: 30");
    vec![
        (Reply::problem(404, "order-not-found", Some("not-applied")), "not_found", 1),
        (Reply::problem(404, "route-not-found", None), "not sent: answer_invalid", 1),
        (Reply::problem(400, "malformed-body", None), "unsendable", 1),
        (Reply::problem(422, "invalid-value", None), "unsendable", 1),
        (Reply::problem(422, "quota-exceeded", None), "unsendable", 1),
        (Reply::problem(401, "unauthenticated", None), "credential_rejected", 1),
        (Reply::problem(403, "forbidden", None), "credential_rejected", 1),
        (Reply::problem(502, "upstream-credential-rejected", Some("not-applied")), "credential_rejected", 1),
        (Reply::problem(409, "refused-by-upstream", Some("not-applied")), "refused", 1),
        (Reply::problem(502, "refused-by-upstream", Some("not-applied")), "refused", 1),
        (Reply::problem(409, "status-not-allowed", Some("not-applied")), "refused", 1),
        (later(Reply::problem(429, "too-many-requests", None)), "not sent: overloaded", 1),
        (later(Reply::problem(503, "overloaded", Some("not-applied"))), "not sent: overloaded", 1),
        (Reply::problem(503, "upstream-unavailable", Some("not-applied")), "not sent: unavailable", 3),
        (Reply::problem(502, "upstream-unreachable", Some("not-applied")), "not sent: unavailable", 3),
    ]
}

/// Answers that prove nothing.
fn doubtful() -> Vec<Reply> {
    vec![
        Reply::html(401),
        Reply::html(403),
        Reply::html(404),
        Reply::html(429),
        Reply::problem(404, "further", None),
        Reply::problem(403, "forbidden", Some("unknown")),
        Reply::problem(409, "write-conflict", Some("unknown")),
        Reply::problem(409, "further", None),
        Reply::problem(503, "upstream-unavailable", None),
        Reply::problem(503, "overloaded", Some("unknown")),
        Reply::problem(504, "outcome-unknown", Some("unknown")),
        Reply::problem(500, "internal-error", None),
        Reply::html(500),
        Reply::html(302).with_header("location: /login"),
        Reply::html(200),
        Reply::html(201),
        Reply::json("{}"),
        Reply::json("[]"),
        Reply::json(r#"{"result":"ok"}"#),
        Reply::new(202, "application/json", CHANGED),
        Reply::new(200, "text/plain", CHANGED),
        Reply::json(ADDED).truncated(40),
        Reply::json(ADDED).truncated(Reply::json(ADDED).len() - 1),
        Reply::reset(),
        Reply::hang(),
    ]
}

#[tokio::test]
async fn every_row_of_the_table_for_writes() {
    for (reply, outcome, writes) in common_rows() {
        let server = Scripted::always(reply.clone()).await;
        let changed = client(&server.url, |_| {}).set_status(&context(), order(7), OrderStatus::Received).await;
        assert_eq!((kind(&changed), server.writes()), (outcome.to_owned(), writes), "{reply:?}");

        for idempotency in [true, false] {
            let server = Scripted::always(reply.clone()).await;
            let client = client(&server.url, |backend| backend.idempotency = idempotency);
            let added = client.add_message(&context(), order(7), message("hej")).await;
            assert_eq!((kind(&added), server.writes()), (outcome.to_owned(), writes), "{reply:?}");
            assert_eq!(keys(&server).len(), 1, "one key for all attempts");
        }
    }
}

#[tokio::test]
async fn successes_are_those_that_say_what_was_done() {
    for reply in [Reply::json(CHANGED), Reply::new(204, "text/html", "")] {
        let server = Scripted::always(reply).await;
        client(&server.url, |_| {}).set_status(&context(), order(7), OrderStatus::Received).await.expect("applied");
        let [Received { method, target, body, .. }] = &server.received()[..] else { panic!("one request") };
        assert_eq!((method.as_str(), target.as_str(), body.as_str()), ("PATCH", "/api/orders/7/status", CHANGED));
    }
    for (reply, at) in [
        (Reply::json(ADDED), Some("2016-03-14T09:05:00+01:00")),
        (Reply::new(201, "application/json; charset=utf-8", r#"{"type":"log","text":"h"}"#), None),
        (Reply::new(204, "text/html", ""), None),
    ] {
        let server = Scripted::always(reply).await;
        let receipt =
            client(&server.url, |_| {}).add_message(&context(), order(7), message("hej \"å\"")).await.expect("applied");
        assert_eq!(receipt.logged_at.map(|at| at.to_string()).as_deref(), at);
        let [request] = &server.received()[..] else { panic!("one request") };
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/api/orders/7/messages"));
        assert_eq!(request.body, r#"{"text":"hej \"å\"","type":"log"}"#);
        assert_eq!(request.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn status_in_doubt_is_read_back_and_never_sent_again() {
    for reply in doubtful() {
        for (status, outcome) in [("received", "applied"), ("new", "outcome_unknown")] {
            let server = system(reply.clone(), Reply::json(CHANGED), order_with(status, "")).await;
            let context = RequestContext::within(Duration::from_millis(1_300));
            let changed = client(&server.url, |_| {}).set_status(&context, order(7), OrderStatus::Received).await;
            assert_eq!((kind(&changed), server.writes()), (outcome.to_owned(), 1), "{reply:?}");
        }
    }
    let other_status = system(Reply::json(r#"{"status":"new"}"#), Reply::hang(), order_with("received", "")).await;
    let changed = client(&other_status.url, |_| {}).set_status(&context(), order(7), OrderStatus::Received).await;
    assert_eq!(kind(&changed), "applied", "the order shows what the answer does not");
}

#[tokio::test]
async fn message_in_doubt_is_repeated_with_its_key() {
    for reply in doubtful() {
        let server = system(reply.clone(), Reply::json(ADDED), Reply::html(500)).await;
        let added = client(&server.url, |_| {}).add_message(&context(), order(7), message("hej")).await;
        assert_eq!((kind(&added), server.writes()), ("applied".to_owned(), 2), "{reply:?}");
        assert_eq!(keys(&server).len(), 1);
    }
}

#[tokio::test]
async fn message_in_doubt_is_never_reported_as_refused_or_not_sent() {
    for (later, _, _) in common_rows().into_iter().chain([(Reply::problem(422, "idempotency-key-reused", None), "", 0)]) {
        let server = system(Reply::reset(), later.clone(), Reply::html(500)).await;
        let context = RequestContext::within(Duration::from_millis(1_200));
        let added = client(&server.url, |_| {}).add_message(&context, order(7), message("hej")).await;
        assert_eq!(kind(&added), "outcome_unknown", "{later:?}");
    }
    let always = Scripted::always(Reply::hang()).await;
    let added = client(&always.url, |_| {}).add_message(&context(), order(7), message("hej")).await;
    assert_eq!(kind(&added), "outcome_unknown");
    assert!((3..=4).contains(&always.writes()), "until the deadline: {}", always.writes());
}

#[tokio::test]
async fn open_breaker_leaves_a_message_in_doubt() {
    let server = Scripted::always(Reply::reset()).await;
    let client = client(&server.url, |backend| {
        backend.breaker.enabled = true;
        backend.breaker.min_calls = 1;
    });
    let added = client.add_message(&context(), order(7), message("hej")).await;
    assert_eq!(kind(&added), "outcome_unknown");
    let refused = client.add_message(&context(), order(8), message("hej")).await;
    assert!(matches!(refused, Err(WriteError { sent: None, .. } | WriteError { source: Error::OutcomeUnknown { .. }, .. })));
}

#[tokio::test]
async fn key_in_use_is_waited_for() {
    let in_use = Reply::problem(409, "idempotency-key-in-use", Some("not-applied")).with_header("retry-after: 1");
    let server = system(in_use.clone(), Reply::json(ADDED), Reply::html(500)).await;
    let start = tokio::time::Instant::now();
    let added = client(&server.url, |_| {}).add_message(&context(), order(7), message("hej")).await;
    assert_eq!((kind(&added), server.writes(), keys(&server).len()), ("applied".to_owned(), 2, 1));
    assert!(start.elapsed() >= Duration::from_secs(1));

    let always = Scripted::always(in_use).await;
    let added = client(&always.url, |_| {}).add_message(&context(), order(7), message("hej")).await;
    assert_eq!(kind(&added), "outcome_unknown");
}

#[tokio::test]
async fn message_without_idempotency_is_sent_once_and_looked_for() {
    let now = tjansteguiden_gateway::model::now();
    let stamp = |text: &str, at: &str| format!(r#"{{"at":"{at}","type":"log","text":"{text}"}}"#);
    let (fresh, old) = (now.to_string(), "2016-03-14T08:05:00Z".to_owned());
    for (log, outcome) in [
        (stamp("hej", &fresh), "applied"),
        (stamp("hej", &old), "outcome_unknown"),
        (stamp("hopp", &fresh), "outcome_unknown"),
        (String::new(), "outcome_unknown"),
    ] {
        let server = system(Reply::reset(), Reply::json(ADDED), order_with("new", &log)).await;
        let client = client(&server.url, |backend| backend.idempotency = false);
        let context = RequestContext::within(Duration::from_millis(900));
        let added = client.add_message(&context, order(7), message("hej")).await;
        assert_eq!((kind(&added), server.writes()), (outcome.to_owned(), 1), "{log}");
        assert_eq!(keys(&server).into_iter().next().as_deref(), Some("none"));
    }
}

#[tokio::test]
async fn keys_are_those_of_the_marker_the_request_or_random() {
    const MARKED: &str = "gw:ABCDEFGHIJKLMNOPQ2 Ring";
    let key = IdempotencyKey::parse("ABCDEFGHIJKLMNOPQRSTUVWXYZ").expect("a key");
    let server = Scripted::always(Reply::json(ADDED)).await;
    let with = client(&server.url, |_| {});
    let without = client(&server.url, |backend| backend.idempotency = false);

    with.add_message(&context(), order(7), message(MARKED)).await.expect("applied");
    with.add_message(&context().with_message_key(key), order(7), message("Ring")).await.expect("applied");
    with.add_message(&context(), order(7), message("Ring")).await.expect("applied");
    with.add_message(&context(), order(7), message("Ring")).await.expect("applied");
    without.add_message(&context(), order(7), message(MARKED)).await.expect("applied");

    let received = server.received();
    let sent: Vec<_> =
        received.iter().map(|request| (request.header("idempotency-key"), request.body.contains("gw:"))).collect();
    assert_eq!(sent[0], (Some("gw-ABCDEFGHIJKLMNOPQ2"), false));
    assert_eq!(sent[1], (Some("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), false));
    assert!(sent[2].0.is_some() && sent[2] != sent[3]);
    assert_eq!(sent[4], (None, true));
}

#[tokio::test]
async fn write_that_cannot_be_sent_is_not_sent() {
    let url = Scripted::always(Reply::hang()).await.url.clone();
    let client = client(&url, |_| {});
    let changed = client.set_status(&context(), order(7), OrderStatus::Received).await;
    let added = client.add_message(&context(), order(7), message("hej")).await;
    assert_eq!((kind(&changed), kind(&added)), ("not sent: unreachable".to_owned(), "not sent: unreachable".to_owned()));
}
