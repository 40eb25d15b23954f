//! Idempotency markers in the log: recognised after reformatting and secret rotation, and counted when there are several.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use url::form_urlencoded;

use super::{KEY, without_result};
use crate::support::{Answer, FIRST_ORDER, FakeLegacy, FakeOrders, Fault, Gateway, Reply, is_write};

async fn post(gateway: &Gateway, key: &str, text: &str) -> Answer {
    let request = gateway.request(Method::POST, &format!("/orders/{FIRST_ORDER}/messages")).header("idempotency-key", key);
    gateway
        .send(request.header("content-type", "application/json").body(json!({"type": "log", "text": text}).to_string()))
        .await
}

#[tokio::test]
async fn reformatted_text_is_still_recognised() {
    for (before, after) in [("\n   ", "\n"), ("\t", ""), (" ", " \u{a0}")] {
        let orders = FakeOrders::new();
        let written = orders.clone();
        let write = move |query: &str| {
            let text = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "message").expect("a message").1;
            written.add_entry("log", &format!("{before}{}{after}", text.replacen(' ', "\n", 1)), SignedDuration::ZERO);
            Reply::xml("<add_message><status>success</status></add_message>")
        };
        let upstream = orders.upstream(write).await;
        let gateway = Gateway::in_front_of(&upstream).await;

        let reference = post(&gateway, KEY, "Ring kunden").await.ok()["reference"].clone();
        let replayed = post(&gateway, KEY, "Ring kunden").await;
        assert_eq!((replayed.status, replayed.header("idempotency-replayed")), (201, "true"));

        post(&gateway, KEY, "Ring inte").await.problem(422, "idempotency-key-reused");
        assert_eq!(upstream.queries().iter().filter(|query| is_write(query)).count(), 1);

        let entry = gateway.get(&format!("/orders/{FIRST_ORDER}/messages")).await.ok()["items"][0].clone();
        assert_eq!((&entry["reference"], entry["text"].as_str().map(str::trim)), (&reference, Some("Ring kunden")));
    }
}

#[tokio::test]
async fn keys_survive_secret_rotation() {
    const FIRST: &str = "first-secret-of-all";
    const SECOND: &str = "second-secret-of-all";
    let legacy = FakeLegacy::with_faults(|_| Fault::None).await;
    let key = |number: usize| format!("key-of-message-{number}");
    let without_secret = Gateway::in_front_of_url(&legacy.url(), &[]).await;

    post(&without_secret, &key(0), "hej").await.ok();
    // A secret is introduced.
    let first = Gateway::in_front_of_url(&legacy.url(), &[("SERVER__SECRET", FIRST)]).await;
    post(&first, &key(1), "hej").await.ok();
    // Rotation: every replica first learns the next secret, then uses it and keeps the previous one for a while.
    let prepared = [("SERVER__SECRET", FIRST), ("SERVER__PREVIOUS_SECRET", SECOND)];
    let prepared = Gateway::in_front_of_url(&legacy.url(), &prepared).await;
    let rotated = [("SERVER__SECRET", SECOND), ("SERVER__PREVIOUS_SECRET", FIRST)];
    let rotated = Gateway::in_front_of_url(&legacy.url(), &rotated).await;
    post(&rotated, &key(2), "hej").await.ok();
    for (gateway, number) in [(&first, 0), (&prepared, 1), (&rotated, 1), (&prepared, 2)] {
        let replayed = post(gateway, &key(number), "hej").await;
        assert_eq!((replayed.status, replayed.header("idempotency-replayed")), (201, "true"), "{number}");

        post(gateway, &key(number), "hopp").await.problem(422, "idempotency-key-reused");
    }

    assert_eq!(legacy.write_count(), 3);
}

#[tokio::test]
async fn duplicate_messages_are_reported_and_counted() {
    let orders = FakeOrders::new();
    let written = orders.clone();
    let upstream = orders.upstream(move |query| {
        // Applied twice, as if another replica had sent the same message at the same time.
        written.apply(query);
        written.apply(query);
        without_result()
    });
    let upstream = upstream.await;
    let gateway = Gateway::in_front_of(&upstream).await;

    assert_eq!(post(&gateway, KEY, "hej").await.ok()["duplicateCount"], 2);

    let replayed = post(&gateway, KEY, "hej").await;

    assert_eq!((&replayed.ok()["duplicateCount"], replayed.header("idempotency-replayed")), (&2.into(), "true"));
    assert_eq!(gateway.metric("write_duplicate_total").await, 2);
}
