//! Idempotency markers in the log: recognised after reformatting and secret rotation, and counted when there are several.

use futures_util::future::join_all;
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

type Transformation = fn(&str) -> String;

/// The first characters of a text, as a column keeps them.
fn columns(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

/// The lines of a text that is wrapped, whatever stands at the ends of the lines.
fn wrapped(text: &str, length: usize, line_end: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(length).map(|line| line.iter().collect()).collect::<Vec<String>>().join(line_end)
}

/// A text with something between its characters.
fn interspersed(text: &str, with: &str) -> String {
    wrapped(text, 1, with)
}

/// What legacy systems do to a text before they show it.
const TRANSFORMATIONS: &[(&str, Transformation)] = &[
    ("nothing", |text| text.to_owned()),
    ("upper case", |text| text.to_uppercase()),
    ("lower case", |text| text.to_lowercase()),
    ("a word before it", |text| format!("[TL] {text}")),
    ("a sender before it", |text| format!("Ljusbolaget 2016-03-14: {text}")),
    ("a sender after it", |text| format!("{text} /Tolvan")),
    ("a paragraph", |text| format!("<p>{text}</p>")),
    ("tags around the first word", |text| text.replacen(' ', "</b> ", 1).replacen("gw", "<b class=\"x\">gw", 1)),
    ("tags escaped", |text| format!("&lt;p&gt;{text}&lt;/p&gt;")),
    ("tags escaped twice", |text| format!("&amp;lt;p&amp;gt;{text}&amp;lt;/p&amp;gt;")),
    ("quotes", |text| format!("\"{text}\"")),
    ("typographic quotes", |text| format!("\u{201d}{text}\u{201d}")),
    ("entities around it", |text| format!("&quot;{text}&quot;&nbsp;")),
    ("colon escaped", |text| text.replacen(':', "&#58;", 1)),
    ("wrapped within the marker", |text| wrapped(text, 10, "\n")),
    ("wrapped at 20", |text| wrapped(text, 20, "\r\n")),
    ("wrapped at 40", |text| wrapped(text, 40, "\n    ")),
    ("wrapped with tags", |text| wrapped(text, 15, "<br/>")),
    ("wrapped with escaped tags", |text| wrapped(text, 15, "&lt;br /&gt;")),
    ("quoted as in a mail", |text| format!("> {}", wrapped(text, 15, "\n> "))),
    ("white space removed", |text| text.split_whitespace().collect()),
    ("white space doubled", |text| text.replace(' ', "  ")),
    ("no-break spaces", |text| text.replace(' ', "\u{a0}")),
    ("a space after the colon", |text| text.replacen("gw:", "gw : ", 1)),
    ("colon removed", |text| text.replacen("gw:", "gw ", 1)),
    ("prefix removed", |text| text.replacen("gw:", "", 1)),
    ("percent-encoded", |text| form_urlencoded::byte_serialize(text.as_bytes()).collect()),
    ("full-width colon", |text| text.replacen(':', "：", 1)),
    ("full-width letters", |text| {
        let wide = |character: char| match character {
            '!'..='~' => char::from_u32(u32::from(character) + 0xfee0).unwrap_or(character),
            other => other,
        };
        text.chars().map(wide).collect()
    }),
    ("zero-width spaces", |text| interspersed(text, "\u{200b}")),
    ("soft hyphens", |text| interspersed(text, "\u{ad}")),
    ("byte order marks", |text| format!("\u{feff}{text}\u{feff}")),
    ("hyphenated", |text| wrapped(text, 7, "-\n")),
    ("line ends to spaces, trimmed", |text| format!(" {} ", text.replace('\n', " "))),
    ("punctuation after the marker", |text| text.replacen(' ', ". ", 1)),
    ("moved to the end", |text| text.split_once(' ').map_or(text.to_owned(), |(marker, rest)| format!("{rest} {marker}"))),
    ("truncated to 30", |text| columns(text, 30)),
    ("truncated to 60", |text| columns(text, 60)),
    ("truncated with the marker", |text| columns(text, 21)),
    ("truncated within the marker", |text| columns(text, 18)),
    ("truncated with an ellipsis", |text| columns(text, 30) + "..."),
];

/// A figure of the reliability table. The message is repeated after a confirmation, after a lost response and after a rejection,
/// and stands before, between and behind other entries.
#[tokio::test]
async fn marker_is_recognised_in_every_layout() {
    let other_entries = ["Saved order", "gw:ABCDEFGHIJKLMNOPQ2 Ring kunden efter kl. 16", "Ring kunden efter kl. 16"];
    let answers = [
        Reply::xml("<add_message><status>success</status></add_message>"),
        without_result(),
        Reply::status(500, "<add_message><status>failed</status></add_message>"),
    ];
    let cases = TRANSFORMATIONS.iter().flat_map(|case| answers.iter().map(move |answer| (case, answer)));
    let cases = cases.flat_map(|case| (0..=other_entries.len()).map(move |row| (case, row)));
    let doubled = join_all(cases.map(|(((name, transform), answer), row)| async move {
        let orders = FakeOrders::new();
        other_entries[..row].iter().for_each(|text| orders.add_entry("log", text, SignedDuration::from_mins(-5)));
        let (written, answer) = (orders.clone(), answer.clone());
        let upstream = orders.upstream(move |query| {
            let text = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "message").expect("a message").1;
            written.add_entry("log", &transform(&text), SignedDuration::ZERO);
            other_entries[row..].iter().for_each(|text| written.add_entry("log", text, SignedDuration::ZERO));
            answer.clone()
        });
        let upstream = upstream.await;
        let gateway = Gateway::in_front_of(&upstream).await;

        let text = "Ring kunden efter kl. 16, och kom med en ny router till Åsele";
        let first = post(&gateway, KEY, text).await;
        assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""), "{name} {row} {}", first.body);
        let replayed = post(&gateway, KEY, text).await;
        assert_eq!((replayed.status, replayed.header("idempotency-replayed")), (201, "true"), "{name} {row} {}", replayed.body);
        assert_eq!(replayed.ok()["reference"], first.ok()["reference"]);
        assert_eq!(replayed.ok().get("duplicateCount"), None);

        // Without the prefix only the whole marker is recognised, which covers the text.
        if *name != "prefix removed" {
            let reused = post(&gateway, KEY, "Ring inte").await;
            assert_eq!(reused.status, 422, "{name} {row} {}", reused.body);
        }
        assert_eq!(gateway.drift_counts().await.iter().filter(|(name, _)| name.contains("marker_lost")).count(), 0, "{name}");
        upstream.queries().iter().filter(|query| is_write(query)).count() - 1
    }))
    .await;

    let (cases, doubled) = (doubled.len(), doubled.into_iter().sum::<usize>());
    println!("{} transformations of a marker × rows and answers: {cases} cases, doubled {doubled}", TRANSFORMATIONS.len());
    assert_eq!(doubled, 0);
}

#[tokio::test]
async fn messages_are_shown_without_their_markers() {
    for (transform, shown) in [
        ((|text| format!("[TL] {text}")) as Transformation, "[TL] Ring kunden"),
        (|text| format!("\"{text}\""), "\"Ring kunden\""),
        (|text| text.to_lowercase(), "ring kunden"),
        (|text| text.to_uppercase(), "RING KUNDEN"),
        (|text| text.split_once(' ').map_or(String::new(), |(marker, text)| format!("{text} {marker}")), "Ring kunden"),
        (|text| columns(text, 26), "Ring"),
    ] {
        let orders = FakeOrders::new();
        let written = orders.clone();
        let upstream = orders.upstream(move |query| {
            let text = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "message").expect("a message").1;
            written.add_entry("log", &transform(&text), SignedDuration::ZERO);
            Reply::xml("<add_message><status>success</status></add_message>")
        });
        let upstream = upstream.await;
        let gateway = Gateway::in_front_of(&upstream).await;

        let reference = post(&gateway, KEY, "Ring kunden").await.ok()["reference"].clone();
        let entry = gateway.get(&format!("/orders/{FIRST_ORDER}/messages")).await.ok()["items"][0].clone();
        assert_eq!((entry["text"].as_str().map(str::trim_end), &entry["reference"]), (Some(shown), &reference));

        // The replay has the text that the log has.
        let replayed = post(&gateway, KEY, "Ring kunden").await.ok();
        assert_eq!((replayed["text"].as_str().map(str::trim_end), &replayed["reference"]), (Some(shown), &reference));
    }
}

#[tokio::test]
async fn replay_masks_what_others_wrote_into_the_message() {
    let clients = [("writer", "orders:write"), ("reader", "orders:read,orders:write"), ("full", crate::support::ALL_SCOPES)];
    let variables: Vec<_> = clients
        .iter()
        .flat_map(|(name, scopes)| crate::support::ApiClient { name, upstream: "default", scopes }.variables())
        .collect();
    let orders = FakeOrders::new();
    let written = orders.clone();
    let upstream = orders.upstream(move |query| {
        let text = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "message").expect("a message").1;
        written.add_entry("log", &format!("{text}, eller 070-174 06 06"), SignedDuration::ZERO);
        Reply::xml("<add_message><status>success</status></add_message>")
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &crate::support::borrowed(&variables)).await;

    for (name, shown) in [
        ("writer", "Ring 070-174 06 05"),
        ("reader", "Ring ****, eller ****"),
        ("full", "Ring 070-174 06 05, eller 070-174 06 06"),
    ] {
        for _ in 0..2 {
            let request = gateway.request(Method::POST, "/orders/1/messages").header("idempotency-key", KEY);
            let request = request.header("content-type", "application/json").header("x-api-key", name);
            let answer = gateway.send(request.body(r#"{"type":"log","text":"Ring 070-174 06 05"}"#)).await;
            let expected = if answer.header("idempotency-replayed") == "true" { shown } else { "Ring 070-174 06 05" };
            assert_eq!(answer.ok()["text"], expected, "{name}");
        }
    }
}

#[tokio::test]
async fn confirmed_message_that_the_log_does_not_show_is_reported_and_not_doubled() {
    for is_read_by_client in [true, false] {
        let orders = FakeOrders::new();
        let written = orders.clone();
        let upstream = orders.upstream(move |_| {
            written.add_entry("log", "Ring kunden", SignedDuration::ZERO);
            Reply::xml("<add_message><status>success</status></add_message>")
        });
        let upstream = upstream.await;
        let gateway = Gateway::in_front_of(&upstream).await;
        let lost = async || gateway.drift_counts().await.into_iter().find(|(name, _)| name.contains("marker_lost"));

        let first = post(&gateway, KEY, "Ring kunden").await.ok();
        assert_eq!(lost().await, None);
        if is_read_by_client {
            gateway.get(&format!("/orders/{FIRST_ORDER}/messages")).await.ok();
            assert_eq!(lost().await, Some(("order_info marker_lost log.message".to_owned(), 1)));
        }

        // The gateway remembers that it was confirmed.
        let replayed = post(&gateway, KEY, "Ring kunden").await;
        assert_eq!((replayed.status, replayed.header("idempotency-replayed")), (201, "true"));
        assert_eq!(replayed.ok()["reference"], first["reference"]);
        post(&gateway, KEY, "Ring inte").await.problem(422, "idempotency-key-reused");
        assert_eq!(upstream.queries().iter().filter(|query| is_write(query)).count(), 1);
        assert_eq!(lost().await, Some(("order_info marker_lost log.message".to_owned(), 1)));
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
