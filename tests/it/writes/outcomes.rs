//! The outcome of a write: sent once, and successful only if the upstream confirmed it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::Notify;

use crate::support::{Answer, Gateway, Reply, Upstream, fixture, is_write};

const CONFIRMED: &str =
    "<set_status><response><message>Status changed</message></response><status>success</status></set_status>";

/// The order before every write, so that no read-back shows an effect.
const UNCHANGED: &str = "<order_info><orderinfo><status>new</status></orderinfo></order_info>";

const PROVIDER: [(&str, &str); 2] = [("UPSTREAMS__DEFAULT__DIALECT", "provider"), ("UPSTREAMS__DEFAULT__API_KEY", "KEY")];

async fn change_status(upstream: &Upstream) -> Answer {
    let gateway = Gateway::with(upstream, &[("UPSTREAMS__DEFAULT__TIMEOUT", "300ms")]).await;
    gateway.patch_status(1, r#"{"status":"received"}"#).await
}

fn write_count(upstream: &Upstream) -> usize {
    upstream.queries().iter().filter(|query| is_write(query)).count()
}

#[tokio::test]
async fn only_an_explicit_confirmation_is_success() {
    for document in [
        CONFIRMED,
        "<set_status><status>success</status></set_status>",
        "<api><set_status><status>Success</status></set_status></api>",
    ] {
        let upstream = Upstream::responding_with(Reply::xml(document)).await;

        change_status(&upstream).await.ok();
        assert_eq!(upstream.queries().len(), 1);
    }

    let inconclusive = [
        Reply::xml(""),
        Reply::xml("<set_status/>"),
        Reply::xml("<set_status><response><message>Status changed</message></response></set_status>"),
        Reply::xml("<set_status><response><status>success</status></response></set_status>"),
        Reply::xml("<api><user><status>success</status></user><set_status/></api>"),
        Reply::xml("<a><x><status>success</status></x><y><set_status/></y></a>"),
        Reply::xml("<a><set_status/><y><status>success</status></y></a>"),
        Reply::xml("<a><status>success</status><y><set_status/></y></a>"),
        Reply::xml("<add_message><status>success</status></add_message>"),
        Reply::xml("<set_status><status>ok</status></set_status>"),
        // Contradictions confirm nothing and refuse nothing.
        Reply::xml("<set_status><status>success</status><status>failed</status></set_status>"),
        Reply::xml("<set_status><status>failed</status><response/><status>success</status></set_status>"),
        Reply::xml("<api><set_status><status>success</status></set_status><status>failed</status></api>"),
        Reply::xml("<set_status><response><status>success</status></response><status>failed</status></set_status>"),
        Reply::xml("<set_status><response><status>failed</status></response><status>success</status></set_status>"),
        Reply::xml("<set_status><status>failed</status><code>401</code><code>500</code></set_status>"),
        Reply::xml("<html><body>success</body></html>"),
        Reply::xml("<set_status><status>success</status></set_status>trailing"),
        Reply::status(500, CONFIRMED),
        Reply::status(403, CONFIRMED),
        Reply::status(302, CONFIRMED).with_header("Location: /login"),
        Reply::status(503, "").with_header("Retry-After: 1"),
        Reply::status(429, ""),
        Reply::xml(&format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{CONFIRMED}")),
        Reply::xml(&format!("Warning: oops{CONFIRMED}")),
        Reply::xml(&format!("{}{}", "<a>".repeat(20), "</a>".repeat(20))),
        Reply::xml(&format!("<set_status><x>{}</x><status>success</status></set_status>", "x".repeat(300_000))),
        Reply::new(200, "text/xml", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
        Reply::new(200, "text/xml; charset=utf-16", CONFIRMED.as_bytes().get(..20).unwrap_or_default()),
        Reply::raw(b""),
        Reply::raw(b"").then_reset(),
        Reply::raw(b"").then_hang(),
        Reply::raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<set_status>").then_drip(),
    ];
    // Concurrently, because each takes the full time of the read-backs.
    join_all(inconclusive.iter().flat_map(|reply| [(reply, &[][..]), (reply, &PROVIDER)]).map(
        |(reply, settings)| async move {
            let write_answer = reply.clone();
            let upstream = Upstream::responding_to(move |query| match query {
                login if login.contains("method=api_login") => Reply::xml(&fixture("provider/api_login.xml")),
                read if read.contains("method=order_info") => Reply::xml(UNCHANGED),
                _ => write_answer.clone(),
            })
            .await;
            let limits = [("UPSTREAMS__DEFAULT__TIMEOUT", "300ms"), ("UPSTREAMS__DEFAULT__MAX_RESPONSE_BYTES", "200000")];
            let settings = [&limits[..], settings].concat();
            let gateway = Gateway::with(&upstream, &settings).await;
            let answer = gateway.patch_status(1, r#"{"status":"received"}"#).await;
            assert_eq!(answer.problem(504, "outcome-unknown")["outcome"], "unknown", "{reply:?}");
            assert_eq!(answer.header("retry-after"), "35");
            assert_eq!(write_count(&upstream), 1);
        },
    ))
    .await;
}

#[tokio::test]
async fn truncated_response_never_reports_success() {
    for (document, target, body) in [
        (CONFIRMED, "/orders/1/status", r#"{"status":"received"}"#),
        ("<add_message><status>success</status></add_message>", "/orders/1/messages", r#"{"type":"log","text":"hej"}"#),
    ] {
        let complete = Reply::xml(document);
        let method = if target.ends_with("status") { Method::PATCH } else { Method::POST };

        join_all((0..=complete.len()).map(|length| {
            let (truncated, method) = (complete.clone().truncated(length), method.clone());
            let is_complete = length == complete.len();
            async move {
                let upstream = Upstream::responding_to(move |query| match query {
                    read if read.contains("method=order_info") => Reply::xml(UNCHANGED),
                    _ => truncated.clone(),
                })
                .await;
                let gateway = Gateway::in_front_of(&upstream).await;
                let write = gateway.request(method, target).header("content-type", "application/json").body(body);
                let answer = gateway.send(write).await;
                assert_eq!(matches!(answer.status, 200 | 201), is_complete, "truncated after {length} bytes: {}", answer.body);
                assert!(is_complete || answer.status == 504, "truncated after {length} bytes: {}", answer.body);
                assert_eq!(write_count(&upstream), 1);
            }
        }))
        .await;
    }
}

#[tokio::test]
async fn unsent_and_rejected_writes_are_not_applied() {
    let not_applied = |problem: Value| assert_eq!(problem["outcome"], "not-applied", "{problem}");
    let gateway = Gateway::in_front_of_url("http://127.0.0.1:9/orders", &[]).await;

    not_applied(gateway.patch_status(1, r#"{"status":"new"}"#).await.problem(502, "upstream-unreachable"));
    for reply in [
        Reply::status(403, "<set_status><status>failed</status></set_status>"),
        Reply::xml("<set_status><status>failed</status><code>401</code></set_status>"),
    ] {
        let upstream = Upstream::responding_with(reply).await;

        not_applied(change_status(&upstream).await.problem(502, "upstream-credential-rejected"));
        assert_eq!(upstream.queries().len(), 1);
    }
}

#[tokio::test]
async fn refused_write_is_checked_for_a_missing_order() {
    let refused = "<set_status><status>failed</status><response><code>500</code>\
                   <message>Ordern kan inte ändras</message></response></set_status>";
    let refusing = |order_info: &'static str, status: u16| {
        Upstream::responding_to(move |query| {
            if query.contains("order_info") { Reply::status(status, order_info) } else { Reply::status(500, refused) }
        })
    };
    let existing = refusing("<order_info><orderinfo><status>new</status></orderinfo></order_info>", 200).await;

    let problem = change_status(&existing).await.problem(409, "refused-by-upstream");
    assert_eq!((&problem["upstreamMessage"], &problem["outcome"]), (&"Ordern kan inte ändras".into(), &"not-applied".into()));
    assert_eq!(existing.queries().len(), 2);
    assert_eq!(write_count(&existing), 1);

    let missing = refusing("<order_info/>", 200).await;
    assert_eq!(change_status(&missing).await.problem(404, "order-not-found")["outcome"], "not-applied");

    let unclear = refusing("<html/>", 500).await;
    change_status(&unclear).await.problem(409, "refused-by-upstream");

    let stated = Upstream::responding_with(Reply::status(404, "<set_status><status>failed</status></set_status>")).await;
    change_status(&stated).await.problem(404, "order-not-found");
    assert_eq!(write_count(&stated), 1);
}

#[tokio::test]
async fn refusal_message_is_redacted() {
    let message = "Tolvan Tolvansson, Exempelgatan 1 (KC0101A06) i Åsele: 'Ring kunden' kan inte sparas, Tolvanssons";
    let upstream = Upstream::responding_to(move |query| {
        Reply::xml(&if query.contains("order_info") {
            "<order_info><orderinfo><status>new</status></orderinfo><customer><id>1</id><firstname>Tolvan</firstname>\
             <surname>Tolvansson</surname><address>Exempelgatan 1</address><socket>KC0101A06</socket></customer></order_info>"
                .to_owned()
        } else {
            format!("<add_message><status>failed</status><message>{message}</message></add_message>")
        })
    });
    let upstream = upstream.await;
    let gateway = Gateway::in_front_of(&upstream).await;

    let problem =
        gateway.post_message(1, r#"{"type": "log", "text": "Ring kunden"}"#).await.problem(409, "refused-by-upstream");
    let redacted = "**** ****, **** (****) i Åsele: '****' kan inte sparas, ****s";
    assert_eq!(problem["upstreamMessage"], redacted);
}

#[tokio::test]
async fn failed_preflight_read_prevents_the_write() {
    let refused = "<order_info><status>failed</status><response><message>Nej</message></response></order_info>";
    for (preflight_answer, status, code) in [
        (Reply::status(500, refused), 502, "refused-by-upstream"),
        (Reply::xml("<html/>"), 502, "upstream-answer-invalid"),
        (Reply::status(403, ""), 502, "upstream-credential-rejected"),
        (Reply::xml("<order_info/>"), 404, "order-not-found"),
    ] {
        let upstream = Upstream::responding_with(preflight_answer).await;
        let gateway = Gateway::in_front_of(&upstream).await;
        let change = gateway.request(Method::PATCH, "/orders/1/status").header("if-match", "*");
        let message = gateway.request(Method::POST, "/orders/1/messages").header("idempotency-key", "0123456789abcdef");

        for (write, body) in [(change, r#"{"status":"received"}"#), (message, r#"{"type":"log","text":"hej"}"#)] {
            let answer = gateway.send(write.header("content-type", "application/json").body(body)).await;
            assert_eq!(answer.problem(status, code)["outcome"], "not-applied");
        }

        assert_eq!(write_count(&upstream), 0);
    }
}

#[tokio::test]
async fn write_completes_after_client_disconnect() {
    let latch = Arc::new(Notify::new());
    let held = Reply::held(&["<add_message>", "<status>success</status></add_message>"], &latch);
    let upstream = Upstream::responding_with(held).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    {
        let impatient = gateway.post_message(1, r#"{"type":"log","text":"a"}"#);
        tokio::pin!(impatient);
        tokio::select! {
            _ = &mut impatient => panic!("the upstream has not answered"),
            () = upstream.wait_for_requests(1) => {}
        }
    }

    // The client has disconnected. If that cancelled the write, the upstream would see its connection closed now.
    let cancelled = tokio::time::timeout(Duration::from_millis(200), upstream.wait_for_disconnects(1)).await;
    assert!(cancelled.is_err(), "the write was cancelled");

    latch.notify_one();
    upstream.wait_for_answers(1).await;
    assert_eq!(write_count(&upstream), 1);
}

#[tokio::test]
async fn reads_reuse_a_connection_and_writes_do_not() {
    let upstream = Upstream::responding_to(|query| {
        Reply::keep_alive(if query.contains("set_status") {
            CONFIRMED
        } else {
            "<order_info><orderinfo><type>order</type></orderinfo></order_info>"
        })
    })
    .await;
    let gateway = Gateway::in_front_of(&upstream).await;

    for _ in 0..3 {
        gateway.get("/orders/1").await.ok();
    }

    assert_eq!(upstream.connection_count(), 1);

    for _ in 0..3 {
        gateway.patch_status(1, r#"{"status":"received"}"#).await.ok();
    }

    assert_eq!(upstream.connection_count(), 4);
}

#[tokio::test]
async fn text_is_sent_composed_and_with_line_feeds() {
    for (charset, text, sent) in [
        // As macOS sends it.
        ("iso-8859-1", "A\u{30a}sele", "%C5sele"),
        ("windows-1252", "Cafe\u{301} 5 €", "Caf%E9+5+%80"),
        ("iso-8859-1", "\u{212b}sele", "%C5sele"),
        ("utf-8", "A\u{30a}sele", "%C3%85sele"),
        ("utf-8", "s\u{306}", "s%CC%86"),
        ("utf-8", "ett\r\ntva\u{30a}\rtre\n\r\nfyra", "ett%0Atv%C3%A5%0Atre%0A%0Afyra"),
    ] {
        for key in [None, Some("0123456789abcdef")] {
            let (confirmed, empty) = ("<add_message><status>success</status></add_message>", "<logs/></order_info>");
            let order = format!("<order_info><orderinfo><status>new</status></orderinfo>{empty}");
            let upstream =
                Upstream::responding_to(move |query| Reply::xml(if is_write(query) { confirmed } else { &order })).await;
            let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__CHARSET", charset)]).await;
            let request = gateway.request(Method::POST, "/orders/1/messages").header("content-type", "application/json");
            let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));

            let answer = gateway.send(request.body(serde_json::json!({"type": "log", "text": text}).to_string())).await.ok();

            assert_eq!(answer["text"], text.replace("\r\n", "\n").replace('\r', "\n"));
            let queries = upstream.queries();
            let message = queries.iter().find_map(|query| query.split("message=").nth(1)).expect("a message");
            assert!(message == sent || message.ends_with(&format!("+{sent}")), "{charset} {text}: {message}");
        }
    }
}

#[tokio::test]
async fn character_that_the_charset_lacks_is_named_as_people_write_it() {
    let upstream = Upstream::responding_with(Reply::xml("<html/>")).await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__CHARSET", "iso-8859-1")]).await;

    for (text, name) in [
        ("Жук", "\"Ж\" (U+0416)"),
        ("5 €", "\"€\" (U+20AC)"),
        ("s\u{306}ng", "\"s\u{306}\" (U+0073 U+0306)"),
        ("hej \u{200b}", "\"\u{200b}\" (U+200B)"),
    ] {
        let body = serde_json::json!({"type": "log", "text": text}).to_string();
        let problem = gateway.post_message(1, &body).await.problem(422, "invalid-value");
        let detail = problem["errors"][0]["detail"].as_str().expect("a text");
        assert!(detail.contains(name) && detail.ends_with("is not in ISO-8859-1"), "{detail}");
    }
    assert!(upstream.queries().iter().all(|query| !is_write(query)));
}

#[tokio::test]
async fn composed_and_decomposed_texts_are_equal_as_evidence() {
    for (sent, logged) in [("A\u{30a}sele", "Åsele"), ("Åsele", "A\u{30a}sele"), (" Åsele", "Åsele ")] {
        let orders = crate::support::FakeOrders::new();
        let upstream = Upstream::responding_to(move |query| {
            if is_write(query) {
                orders.add_entry("log", logged, jiff::SignedDuration::ZERO);
                return super::without_result();
            }
            orders.dated_order_info(jiff::SignedDuration::ZERO)
        })
        .await;
        let gateway = Gateway::in_front_of(&upstream).await;

        gateway.post_message(1, &serde_json::json!({"type": "log", "text": sent}).to_string()).await.ok();
    }
}
