//! Idempotency keys: a message is added at most once, and success is reported only with evidence.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};

use super::KEY;
use crate::support::{Answer, FIRST_ORDER, FakeLegacy, Fault, Gateway, eventually, is_write, random};

const SHORT_TIMEOUT: (&str, &str) = ("UPSTREAMS__DEFAULT__TIMEOUT", "500ms");
const NO_BREAKER: (&str, &str) = ("UPSTREAMS__DEFAULT__BREAKER__ENABLED", "false");

async fn post(gateway: &Gateway, order: u64, key: Option<&str>, text: &str) -> Answer {
    let request = gateway.request(Method::POST, &format!("/orders/{order}/messages"));
    let request = request.header("content-type", "application/json");
    let request = if let Some(key) = key { request.header("idempotency-key", key) } else { request };
    gateway.send(request.body(json!({"type": "log", "text": text}).to_string())).await
}

async fn with_faults(fault: impl Fn(&str) -> Fault + Send + Sync + 'static) -> (FakeLegacy, Gateway) {
    let legacy = FakeLegacy::with_faults(fault).await;
    let gateway = Gateway::in_front_of_url(&legacy.url(), &[SHORT_TIMEOUT, NO_BREAKER]).await;
    (legacy, gateway)
}

#[tokio::test]
async fn keyed_message_is_added_once_and_replayed() {
    let (legacy, gateway) = with_faults(|_| Fault::None).await;

    let first = post(&gateway, FIRST_ORDER, Some(KEY), "Kunden nås efter kl. 16").await;
    let added = first.ok();
    assert_eq!(
        (first.status, &added["text"], first.header("idempotency-replayed")),
        (201, &"Kunden nås efter kl. 16".into(), "")
    );

    let reference = added["reference"].as_str().expect("a reference").to_owned();
    assert!(reference.len() == 12 && reference.bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)));

    // Quotes are not part of the key, and every replica recognises it.
    let replica = Gateway::in_front_of_url(&legacy.url(), &[]).await;
    for (gateway, key) in [(&gateway, KEY), (&gateway, "\"0123456789abcdef\""), (&replica, KEY)] {
        let replayed = post(gateway, FIRST_ORDER, Some(key), "Kunden nås efter kl. 16").await;

        let message = replayed.ok();
        assert_eq!((replayed.status, replayed.header("idempotency-replayed")), (201, "true"));
        assert_eq!((message["reference"].as_str(), message["at"].is_string()), (Some(&*reference), true));
    }

    assert_eq!(legacy.write_count(), 1);

    let texts = legacy.log_texts_containing(FIRST_ORDER, "Kunden nås").await;
    assert_eq!(texts.len(), 1);
    assert!(texts[0].starts_with(&format!("gw:{reference}")) && texts[0].ends_with(" Kunden nås efter kl. 16"), "{texts:?}");

    let messages = gateway.get(&format!("/orders/{FIRST_ORDER}/messages")).await.ok();
    let message: &Value = messages["items"].as_array().and_then(|messages| messages.last()).expect("a message");
    assert_eq!((&message["text"], message["reference"].as_str()), (&"Kunden nås efter kl. 16".into(), Some(&*reference)));
}

#[tokio::test]
async fn key_is_valid_for_one_message_of_one_order() {
    let (legacy, gateway) = with_faults(|_| Fault::None).await;

    post(&gateway, FIRST_ORDER, Some(KEY), "ett").await.ok();
    let reused = post(&gateway, FIRST_ORDER, Some(KEY), "två").await.problem(422, "idempotency-key-reused");
    assert_eq!(reused["outcome"], "not-applied");

    let other = post(&gateway, FIRST_ORDER + 1, Some(KEY), "två").await;
    assert_eq!((other.status, other.header("idempotency-replayed")), (201, ""));

    let missing = post(&gateway, 1, Some(KEY), "tre").await.problem(404, "order-not-found");
    assert_eq!(missing["outcome"], "not-applied");
    assert_eq!(legacy.write_count(), 2);
}

#[tokio::test]
async fn overlong_and_marker_like_texts_are_rejected() {
    let (legacy, gateway) = with_faults(|_| Fault::None).await;

    for (key, text) in [
        (Some(KEY), "å".repeat(1_400)),
        (None, "å".repeat(1_400)),
        (Some(KEY), "gw:ABCDEFGHIJKLMNOPQR hej".to_owned()),
        (None, "\n gw:ABCDEFGHIJKLMNOPQR\thej".to_owned()),
        (None, "hej gw:ABCDEFGHIJKLMNOPQR".to_owned()),
        (Some(KEY), "Se \"gw:abcdefghijklmnopq2\" ovan".to_owned()),
    ] {
        let problem = post(&gateway, FIRST_ORDER, key, &text).await.problem(422, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], "/text");
    }

    assert_eq!(legacy.queries(), [""; 0]);

    // Space for a marker is always reserved, so the limit is the same with and without a key.
    let text = |length: usize| "a".repeat(length);
    let mut longest = 7_900;
    while post(&gateway, FIRST_ORDER, None, &text(longest)).await.status == 422 {
        longest -= 1;
    }

    assert_eq!(post(&gateway, FIRST_ORDER, Some(KEY), &text(longest)).await.status, 201);
    assert_eq!(post(&gateway, FIRST_ORDER, Some("fedcba9876543210"), &text(longest + 1)).await.status, 422);
}

#[tokio::test]
async fn concurrent_requests_with_one_key_send_once() {
    let (legacy, gateway) =
        with_faults(|query| if is_write(query) { Fault::Delay(Duration::from_millis(300)) } else { Fault::None }).await;

    let answers = join_all((0..10).map(|_| post(&gateway, FIRST_ORDER, Some(KEY), "hej"))).await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotency-replayed") == "true").count(), 9);
    assert_eq!(legacy.write_count(), 1);

    // A request waits at most two seconds for another one with its key.
    let slow =
        FakeLegacy::with_faults(|query| if is_write(query) { Fault::Delay(Duration::from_millis(2_500)) } else { Fault::None })
            .await;
    let gateway = Gateway::in_front_of_url(&slow.url(), &[]).await;
    let answers = join_all((0..2).map(|_| post(&gateway, FIRST_ORDER, Some(KEY), "hej"))).await;
    let in_use = answers.iter().find(|answer| answer.status == 409).expect("a request that waited");
    in_use.problem(409, "idempotency-key-in-use");
    assert_eq!(in_use.header("retry-after"), "1");
    assert_eq!(slow.write_count(), 1);
}

#[tokio::test]
async fn in_doubt_message_is_verified_in_the_log() {
    let applied = [Fault::Cut(0), Fault::Cut(30), Fault::AnswerReset, Fault::Hang, Fault::Drip];

    join_all(applied.iter().flat_map(|fault| [(*fault, Some(KEY)), (*fault, None)]).map(|(fault, key)| async move {
        let (legacy, gateway) = with_faults(move |query| if is_write(query) { fault } else { Fault::None }).await;
        let answer = post(&gateway, FIRST_ORDER, key, "Finns i loggen").await;
        assert!(answer.ok()["at"].is_string(), "{fault:?} {key:?}");
        assert_eq!((answer.status, legacy.write_count()), (201, 1));
    }))
    .await;
    let lost = [Fault::Drop, Fault::Reset, Fault::Html(503), Fault::Html(302), Fault::Html(500), Fault::Html(200)];
    join_all(lost.iter().flat_map(|fault| [(*fault, Some(KEY)), (*fault, None)]).map(|(fault, key)| async move {
        let (legacy, gateway) = with_faults(move |query| if is_write(query) { fault } else { Fault::None }).await;
        let answer = post(&gateway, FIRST_ORDER, key, "Finns inte").await;
        assert_eq!(answer.problem(504, "outcome-unknown")["outcome"], "unknown", "{fault:?} {key:?}");
        assert_eq!(answer.header("retry-after"), "35");
        assert_eq!(legacy.write_count(), 1);
    }))
    .await;
}

#[tokio::test]
async fn earlier_identical_text_is_not_evidence() {
    let sent = AtomicUsize::new(0);
    let (legacy, gateway) =
        with_faults(
            move |query| if is_write(query) && sent.fetch_add(1, Ordering::SeqCst) > 0 { Fault::Drop } else { Fault::None },
        )
        .await;

    post(&gateway, FIRST_ORDER, None, "Ring kunden").await.ok();
    tokio::time::sleep(Duration::from_secs(5)).await;
    post(&gateway, FIRST_ORDER, None, "Ring kunden").await.problem(504, "outcome-unknown");
    assert_eq!(legacy.log_texts_containing(FIRST_ORDER, "Ring kunden").await.len(), 1);
}

#[tokio::test]
async fn keyed_message_needs_time_to_verify() {
    let legacy = FakeLegacy::with_faults(|_| Fault::None).await;
    let settings = [("UPSTREAMS__DEFAULT__TIMEOUT", "2s"), ("SERVER__REQUEST_TIMEOUT", "2900ms")];
    let gateway = Gateway::in_front_of_url(&legacy.url(), &settings).await;

    let answer = post(&gateway, FIRST_ORDER, Some(KEY), "hej").await;
    assert_eq!(answer.problem(503, "overloaded")["outcome"], "not-applied");
    assert_eq!(legacy.write_count(), 0);

    post(&gateway, FIRST_ORDER, None, "hej").await.ok();
}

#[tokio::test]
async fn writes_complete_when_100_clients_hang_up() {
    let legacy =
        FakeLegacy::with_faults(|query| if is_write(query) { Fault::Delay(Duration::from_secs(1)) } else { Fault::None }).await;
    let gateway = Gateway::in_front_of_url(&legacy.url(), &[("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "100")]).await;

    {
        let mut clients = Box::pin(join_all((0..100).map(|number| {
            let (gateway, text) = (&gateway, format!("avbruten-{number}-"));
            async move { post(gateway, FIRST_ORDER, None, &text).await }
        })));
        let sent = eventually("all writes are sent", async || legacy.write_count() == 100);
        tokio::select! {
            _ = &mut clients => panic!("the answers are delayed"),
            () = sent => {}
        }
    }

    eventually("no request is in flight", async || gateway.active_requests().await == 0).await;
    legacy.wait_until_idle().await;
    assert_eq!(legacy.log_texts_containing(FIRST_ORDER, "avbruten-").await.len(), 100);

    let applied = gateway.metric(r#"write_outcome_total{call="add_message",outcome="applied"}"#).await;
    assert_eq!(applied, 100);
}

/// A figure of the reliability table. Each of 2 000 keyed messages meets a fault at first; clients repeat it after
/// `Retry-After`, at any of three replicas, until it is confirmed. Then every message must be in the log exactly once.
#[tokio::test(flavor = "multi_thread")]
async fn none_of_2000_ambiguous_messages_is_lost_or_duplicated() {
    const MESSAGES: u64 = 2_000;
    /// Three suffice on a quiet machine. On a busy one most attempts are rejected before anything is sent.
    const MAX_ATTEMPTS: u64 = 60;
    static WRITES: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    let legacy = FakeLegacy::with_faults(|query| {
        if !is_write(query) {
            return Fault::None;
        }
        let number: u64 =
            query.split("nummer-").nth(1).and_then(|rest| rest.split('-').next()?.parse().ok()).expect("a number");
        let mut writes = WRITES.lock();
        let earlier = writes.iter().filter(|known| **known == number).count();
        writes.push(number);
        match (earlier, random(number) % 8) {
            // Some messages meet a second fault, none a third.
            (1, 0..=3) | (0, 0) => Fault::Drop,
            (1.., _) => Fault::None,
            (0, 1) => Fault::Reset,
            (0, 2) => Fault::Html(503),
            (0, 3) => Fault::Cut(usize::try_from(random(number + 7) % 120).expect("small")),
            (0, 4) => Fault::AnswerReset,
            (0, 5) => Fault::Hang,
            // Possibly after the last read-back of the gateway, but before the client repeats the message.
            (0, _) => Fault::Late(Duration::from_millis(random(number + 9) % 5_500)),
        }
    })
    .await;
    let settings =
        [SHORT_TIMEOUT, NO_BREAKER, ("UPSTREAMS__DEFAULT__SETTLE_TIME", "2s"), ("SERVER__SECRET", "0123456789abcdef")];
    let url = legacy.url();

    let replicas = join_all((0..3).map(|_| Gateway::in_front_of_url(&url, &settings))).await;
    let confirmed: BTreeSet<u64> = stream::iter(0..MESSAGES)
        .map(|number| {
            let replicas = &replicas;
            async move {
                let (order, key) = (FIRST_ORDER + number % 100, format!("key-of-message-{number:06}"));
                for attempt in 0..MAX_ATTEMPTS {
                    let replica = &replicas[usize::try_from((number + attempt) % 3).expect("small")];
                    let answer = post(replica, order, Some(&key), &format!("nummer-{number}-")).await;
                    match answer.status {
                        201 => return Some(number),
                        _ => assert!(["unknown", "not-applied"].map(Value::from).contains(&answer.json()["outcome"])),
                    }
                    let wait = answer.header("retry-after").parse().unwrap_or(1);
                    tokio::time::sleep(Duration::from_secs(wait)).await;
                }
                None
            }
        })
        .buffer_unordered(700)
        .filter_map(std::future::ready)
        .collect()
        .await;
    legacy.wait_until_idle().await;

    let (mut duplicated, mut lost) = (0, 0);
    for number in 0..MESSAGES {
        match legacy.log_texts_containing(FIRST_ORDER + number % 100, &format!("nummer-{number}-")).await.len() {
            0 if confirmed.contains(&number) => lost += 1,
            // One that was never accepted is missing from the confirmed ones, and is not lost.
            0 | 1 => {}
            _ => duplicated += 1,
        }
    }

    let confirmed = confirmed.len();
    println!("{MESSAGES} ambiguous messages: {confirmed} confirmed, {duplicated} duplicated, {lost} lost");
    assert_eq!((confirmed as u64, duplicated, lost), (MESSAGES, 0, 0));
}
