//! The marks before messages with a key: found however they are laid out, whatever the secret is, and how often they are there.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use url::form_urlencoded;

use crate::support::{Answer, Book, FIRST_ORDER, Fault, Gateway, Reply, System, is_write};

const KEY: &str = "0123456789abcdef";

async fn post(gateway: &Gateway, key: &str, text: &str) -> Answer {
    let request = gateway.request(Method::POST, &format!("/orders/{FIRST_ORDER}/messages")).header("idempotency-key", key);
    gateway
        .send(request.header("content-type", "application/json").body(json!({"type": "log", "text": text}).to_string()))
        .await
}

#[tokio::test]
async fn a_text_that_the_order_system_lays_out_anew_is_known_all_the_same() {
    for (before, after) in [("\n   ", "\n"), ("\t", ""), (" ", " \u{a0}")] {
        let book = Book::new();
        let written = book.clone();
        let write = move |query: &str| {
            let text = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "message").expect("a message").1;
            written.add("log", &format!("{before}{}{after}", text.replacen(' ', "\n", 1)), SignedDuration::ZERO);
            Reply::xml("<add_message><status>success</status></add_message>")
        };
        let upstream = book.behind(write).await;
        let gateway = Gateway::before(&upstream).await;
        let reference = post(&gateway, KEY, "Ring kunden").await.ok()["reference"].clone();
        let again = post(&gateway, KEY, "Ring kunden").await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"));
        post(&gateway, KEY, "Ring inte").await.problem(422, "idempotency-key-reused");
        assert_eq!(upstream.queries().iter().filter(|query| is_write(query)).count(), 1);
        let row = gateway.get(&format!("/orders/{FIRST_ORDER}/messages")).await.ok()["items"][0].clone();
        assert_eq!((&row["reference"], row["text"].as_str().map(str::trim)), (&reference, Some("Ring kunden")));
    }
}

#[tokio::test]
async fn a_key_is_known_through_every_change_of_the_secret() {
    const FIRST: &str = "first-secret-of-all";
    const SECOND: &str = "second-secret-of-all";
    let system = System::with_faults(|_| Fault::None).await;
    let key = |number: usize| format!("key-of-message-{number}");
    let without = Gateway::before_url(&system.url(), &[]).await;
    post(&without, &key(0), "hej").await.ok();
    // The first secret takes the place of none.
    let first = Gateway::before_url(&system.url(), &[("SERVER__SECRET", FIRST)]).await;
    post(&first, &key(1), "hej").await.ok();
    // Replicas are told the next one before any of them uses it, and keep the last one for a while.
    let warned = [("SERVER__SECRET", FIRST), ("SERVER__PREVIOUS_SECRET", SECOND)];
    let warned = Gateway::before_url(&system.url(), &warned).await;
    let swapped = [("SERVER__SECRET", SECOND), ("SERVER__PREVIOUS_SECRET", FIRST)];
    let swapped = Gateway::before_url(&system.url(), &swapped).await;
    post(&swapped, &key(2), "hej").await.ok();
    for (gateway, number) in [(&first, 0), (&warned, 1), (&swapped, 1), (&warned, 2)] {
        let again = post(gateway, &key(number), "hej").await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, "true"), "{number}");
        post(gateway, &key(number), "hopp").await.problem(422, "idempotency-key-reused");
    }
    assert_eq!(system.writes(), 3);
}

#[tokio::test]
async fn a_message_that_is_there_twice_is_told_and_counted() {
    let book = Book::new();
    let written = book.clone();
    let upstream = book.behind(move |query| {
        // As if another replica had sent the same at the same time.
        written.apply(query);
        written.apply(query);
        Reply::status(503, "")
    });
    let upstream = upstream.await;
    let gateway = Gateway::before(&upstream).await;
    assert_eq!(post(&gateway, KEY, "hej").await.ok()["duplicateCount"], 2);
    let again = post(&gateway, KEY, "hej").await;
    assert_eq!((&again.ok()["duplicateCount"], again.header("idempotency-replayed")), (&2.into(), "true"));
    assert_eq!(gateway.metric("write_duplicate_total").await, 2);
}
