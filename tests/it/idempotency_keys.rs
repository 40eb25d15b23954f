//! Messages with an idempotency key: added once, whatever happens, and never said to be added when they are not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, FIRST_ORDER, Fault, Gateway, System, is_write, random, soon};

const KEY: &str = "0123456789abcdef";
const QUICK: (&str, &str) = ("UPSTREAMS__DEFAULT__TIMEOUT", "500ms");
const PATIENT: (&str, &str) = ("UPSTREAMS__DEFAULT__BREAKER__ENABLED", "false");

async fn post(gateway: &Gateway, order: u64, key: Option<&str>, text: &str) -> Answer {
    let request = gateway.request(Method::POST, &format!("/orders/{order}/messages"));
    let request = request.header("content-type", "application/json");
    let request = if let Some(key) = key { request.header("idempotency-key", key) } else { request };
    gateway.send(request.body(json!({"type": "log", "text": text}).to_string())).await
}

async fn system(fault: impl Fn(&str) -> Fault + Send + Sync + 'static) -> (System, Gateway) {
    let system = System::with_faults(fault).await;
    let gateway = Gateway::before_url(&system.url(), &[QUICK, PATIENT]).await;
    (system, gateway)
}

#[tokio::test]
async fn a_message_with_a_key_is_added_once_and_told_again() {
    let (system, gateway) = system(|_| Fault::None).await;
    let first = post(&gateway, FIRST_ORDER, Some(KEY), "Kunden nås efter kl. 16").await;
    let added = first.ok();
    assert_eq!(
        (first.status, &added["text"], first.header("idempotency-replayed")),
        (201, &"Kunden nås efter kl. 16".into(), "")
    );
    let reference = added["reference"].as_str().expect("a reference").to_owned();
    assert!(reference.len() == 12 && reference.bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)));
    // Quotes are no part of the key; another replica sees the same.
    let replica = Gateway::before_url(&system.url(), &[]).await;
    for (gateway, key) in [(&gateway, KEY), (&gateway, "\"0123456789abcdef\""), (&replica, KEY)] {
        let again = post(gateway, FIRST_ORDER, Some(key), "Kunden nås efter kl. 16").await;
        let told = again.ok();
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
        assert_eq!((told["reference"].as_str(), told["at"].is_string()), (Some(&*reference), true));
    }
    assert_eq!(system.writes(), 1);
    let rows = system.texts_with(FIRST_ORDER, "Kunden nås").await;
    assert_eq!(rows.len(), 1);
    assert!(rows[0].starts_with(&format!("gw:{reference}")) && rows[0].ends_with(" Kunden nås efter kl. 16"), "{rows:?}");
    let messages = gateway.get(&format!("/orders/{FIRST_ORDER}/messages")).await.ok();
    let row: &Value = messages["items"].as_array().and_then(|rows| rows.last()).expect("a row");
    assert_eq!((&row["text"], row["reference"].as_str()), (&"Kunden nås efter kl. 16".into(), Some(&*reference)));
}

#[tokio::test]
async fn a_key_is_good_for_one_message_of_one_order() {
    let (system, gateway) = system(|_| Fault::None).await;
    post(&gateway, FIRST_ORDER, Some(KEY), "ett").await.ok();
    let reused = post(&gateway, FIRST_ORDER, Some(KEY), "två").await.problem(422, "idempotency-key-reused");
    assert_eq!(reused["outcome"], "not-applied");
    let other = post(&gateway, FIRST_ORDER + 1, Some(KEY), "två").await;
    assert_eq!((other.status, other.header("idempotency-replayed")), (201, ""));
    let missing = post(&gateway, 1, Some(KEY), "tre").await.problem(404, "order-not-found");
    assert_eq!(missing["outcome"], "not-applied");
    assert_eq!(system.writes(), 2);
}

#[tokio::test]
async fn what_cannot_be_carried_is_refused_before_anything_is_sent() {
    let (system, gateway) = system(|_| Fault::None).await;
    for (key, text) in [
        (Some(KEY), "å".repeat(1_400)),
        (None, "å".repeat(1_400)),
        (Some(KEY), "gw:ABCDEFGHIJKLMNOPQR hej".to_owned()),
        (None, "\n gw:ABCDEFGHIJKLMNOPQR\thej".to_owned()),
    ] {
        let problem = post(&gateway, FIRST_ORDER, key, &text).await.problem(422, "invalid-value");
        assert_eq!(problem["errors"][0]["pointer"], "/text");
    }
    assert_eq!(system.queries(), [""; 0]);
    // A text fits with a key exactly when it fits without.
    let fits = |length: usize| "a".repeat(length);
    let mut longest = 7_900;
    while post(&gateway, FIRST_ORDER, None, &fits(longest)).await.status == 422 {
        longest -= 1;
    }
    assert_eq!(post(&gateway, FIRST_ORDER, Some(KEY), &fits(longest)).await.status, 201);
    assert_eq!(post(&gateway, FIRST_ORDER, Some("fedcba9876543210"), &fits(longest + 1)).await.status, 422);
}

#[tokio::test]
async fn the_same_key_at_the_same_time_is_sent_once() {
    let (system, gateway) =
        system(|query| if is_write(query) { Fault::Delay(Duration::from_millis(300)) } else { Fault::None }).await;
    let answers = join_all((0..10).map(|_| post(&gateway, FIRST_ORDER, Some(KEY), "hej"))).await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.header("idempotency-replayed") == "true").count(), 9);
    assert_eq!(system.writes(), 1);
    // Who has waited two seconds is told that the key is in use.
    let slow =
        System::with_faults(|query| if is_write(query) { Fault::Delay(Duration::from_millis(2_500)) } else { Fault::None })
            .await;
    let gateway = Gateway::before_url(&slow.url(), &[]).await;
    let answers = join_all((0..2).map(|_| post(&gateway, FIRST_ORDER, Some(KEY), "hej"))).await;
    let late = answers.iter().find(|answer| answer.status == 409).expect("one that waited");
    late.problem(409, "idempotency-key-in-use");
    assert_eq!(late.header("retry-after"), "1");
    assert_eq!(slow.writes(), 1);
}

#[tokio::test]
async fn an_open_message_is_looked_for_in_the_log() {
    let applied = [Fault::Cut(0), Fault::Cut(30), Fault::AnswerReset, Fault::Hang, Fault::Drip];
    join_all(applied.iter().flat_map(|fault| [(*fault, Some(KEY)), (*fault, None)]).map(|(fault, key)| async move {
        let (system, gateway) = system(move |query| if is_write(query) { fault } else { Fault::None }).await;
        let answer = post(&gateway, FIRST_ORDER, key, "Finns i loggen").await;
        assert!(answer.ok()["at"].is_string(), "{fault:?} {key:?}");
        assert_eq!((answer.status, system.writes()), (201, 1));
    }))
    .await;
    let lost = [Fault::Drop, Fault::Reset, Fault::Page(503), Fault::Page(302), Fault::Page(500), Fault::Page(200)];
    join_all(lost.iter().flat_map(|fault| [(*fault, Some(KEY)), (*fault, None)]).map(|(fault, key)| async move {
        let (system, gateway) = system(move |query| if is_write(query) { fault } else { Fault::None }).await;
        let answer = post(&gateway, FIRST_ORDER, key, "Finns inte").await;
        assert_eq!(answer.problem(504, "outcome-unknown")["outcome"], "unknown", "{fault:?} {key:?}");
        assert_eq!(answer.header("retry-after"), "35");
        assert_eq!(system.writes(), 1);
    }))
    .await;
}

#[tokio::test]
async fn the_same_words_from_before_are_no_evidence() {
    let sent = AtomicUsize::new(0);
    let (system, gateway) =
        system(move |query| if is_write(query) && sent.fetch_add(1, Ordering::SeqCst) > 0 { Fault::Drop } else { Fault::None })
            .await;
    post(&gateway, FIRST_ORDER, None, "Ring kunden").await.ok();
    tokio::time::sleep(Duration::from_secs(5)).await;
    post(&gateway, FIRST_ORDER, None, "Ring kunden").await.problem(504, "outcome-unknown");
    assert_eq!(system.texts_with(FIRST_ORDER, "Ring kunden").await.len(), 1);
}

#[tokio::test]
async fn a_message_is_not_begun_that_cannot_be_settled_in_time() {
    let system = System::with_faults(|_| Fault::None).await;
    let settings = [("UPSTREAMS__DEFAULT__TIMEOUT", "2s"), ("SERVER__REQUEST_TIMEOUT", "2900ms")];
    let gateway = Gateway::before_url(&system.url(), &settings).await;
    let answer = post(&gateway, FIRST_ORDER, Some(KEY), "hej").await;
    assert_eq!(answer.problem(503, "overloaded")["outcome"], "not-applied");
    assert_eq!(system.writes(), 0);
    post(&gateway, FIRST_ORDER, None, "hej").await.ok();
}

#[tokio::test]
async fn a_hundred_clients_that_hang_up_during_a_write_leave_a_hundred_messages() {
    let system =
        System::with_faults(|query| if is_write(query) { Fault::Delay(Duration::from_secs(1)) } else { Fault::None }).await;
    let gateway = Gateway::before_url(&system.url(), &[("UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", "100")]).await;
    {
        let mut clients = Box::pin(join_all((0..100).map(|number| {
            let (gateway, text) = (&gateway, format!("avbruten-{number}-"));
            async move { post(gateway, FIRST_ORDER, None, &text).await }
        })));
        let sent = soon("all were sent", async || system.writes() == 100);
        tokio::select! {
            _ = &mut clients => panic!("the answers are delayed"),
            () = sent => {}
        }
    }
    soon("all are over", async || gateway.waiting().await == 0).await;
    system.settled().await;
    assert_eq!(system.texts_with(FIRST_ORDER, "avbruten-").await.len(), 100);
    let counted = gateway.metric(r#"write_outcome_total{call="add_message",outcome="applied"}"#).await;
    assert_eq!(counted, 100);
}

/// The figure in the README: of 2 000 messages with keys, every one of which meets a fault the first time, over three
/// replicas, sent again after `Retry-After` until they are confirmed, none is there twice and none is missing.
#[tokio::test(flavor = "multi_thread")]
async fn of_2000_ambiguous_messages_none_is_doubled_and_none_is_lost() {
    const MESSAGES: u64 = 2_000;
    /// Three do on a quiet machine. On a busy one most end before anything is sent.
    const MAX_ATTEMPTS: u64 = 60;
    static SEEN: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    let system = System::with_faults(|query| {
        if !is_write(query) {
            return Fault::None;
        }
        let number: u64 =
            query.split("nummer-").nth(1).and_then(|rest| rest.split('-').next()?.parse().ok()).expect("a number");
        let mut seen = SEEN.lock().expect("no test panics inside");
        let times = seen.iter().filter(|known| **known == number).count();
        seen.push(number);
        match (times, random(number) % 8) {
            // Every second time something else goes wrong, but not for ever.
            (1, 0..=3) | (0, 0) => Fault::Drop,
            (1.., _) => Fault::None,
            (0, 1) => Fault::Reset,
            (0, 2) => Fault::Page(503),
            (0, 3) => Fault::Cut(usize::try_from(random(number + 7) % 120).expect("small")),
            (0, 4) => Fault::AnswerReset,
            (0, 5) => Fault::Hang,
            // After the gateway has stopped looking, and before the client comes back as it was told.
            (0, _) => Fault::Late(Duration::from_millis(random(number + 9) % 5_500)),
        }
    })
    .await;
    let settings = [QUICK, PATIENT, ("UPSTREAMS__DEFAULT__SETTLE_TIME", "2s"), ("SERVER__SECRET", "0123456789abcdef")];
    let url = system.url();
    let replicas = join_all((0..3).map(|_| Gateway::before_url(&url, &settings))).await;
    let confirmed = stream::iter(0..MESSAGES)
        .map(|number| {
            let replicas = &replicas;
            async move {
                let (order, key) = (FIRST_ORDER + number % 100, format!("key-of-message-{number:06}"));
                for attempt in 0..MAX_ATTEMPTS {
                    let replica = &replicas[usize::try_from((number + attempt) % 3).expect("small")];
                    let answer = post(replica, order, Some(&key), &format!("nummer-{number}-")).await;
                    match answer.status {
                        201 => return true,
                        _ => assert!(["unknown", "not-applied"].map(Value::from).contains(&answer.json()["outcome"])),
                    }
                    let wait = answer.header("retry-after").parse().unwrap_or(1);
                    tokio::time::sleep(Duration::from_secs(wait)).await;
                }
                false
            }
        })
        .buffer_unordered(700)
        .filter(|confirmed| std::future::ready(*confirmed))
        .count()
        .await;
    system.settled().await;
    let (mut doubled, mut lost) = (0, 0);
    for number in 0..MESSAGES {
        match system.texts_with(FIRST_ORDER + number % 100, &format!("nummer-{number}-")).await.len() {
            0 => lost += 1,
            1 => {}
            _ => doubled += 1,
        }
    }
    println!("{MESSAGES} ambiguous messages: {confirmed} confirmed, {doubled} doubled, {lost} lost");
    assert_eq!((confirmed as u64, doubled, lost), (MESSAGES, 0, 0));
}
