//! Whatever the order system answers to a read, the client gets the truth or a clear error.

use futures_util::future::join_all;

use crate::support::{Gateway, Reply, Upstream};

/// Reads one order from an order system that answers this.
async fn order_from(reply: Reply) -> crate::support::Answer {
    let upstream = Upstream::saying(reply).await;
    Gateway::before(&upstream).await.get("/orders/1").await
}

#[tokio::test]
async fn the_words_of_a_refused_credential_can_be_configured() {
    let upstream =
        Upstream::saying(Reply::xml("<order_info><status>failed</status><message>Fel IP</message></order_info>")).await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__CREDENTIAL_REFUSAL_WORDS", "fel ip, fel användare")]).await;
    gateway.get("/orders/1").await.problem(502, "upstream-credential-rejected");
}

#[tokio::test]
async fn what_an_unrecognised_answer_says_reaches_nobody() {
    for document in [
        "<html><body>Kund 191212121212</body></html>",
        "Kund 191212121212",
        "<order_info><message>Kund 191212121212</message></order_info>",
    ] {
        let problem = order_from(Reply::xml(document)).await.problem(502, "upstream-answer-invalid");
        assert!(!problem.to_string().contains("Kund"), "{problem}");
    }
    let long = format!("<order_info><status>failed</status><message>{}</message></order_info>", "å".repeat(600));
    let problem = order_from(Reply::xml(&long)).await.problem(502, "refused-by-upstream");
    assert_eq!(problem["upstreamMessage"].as_str().map(|text| text.chars().count()), Some(500));
}

#[tokio::test]
async fn http_trouble_is_told_by_whose_it_is() {
    order_from(Reply::status(503, "")).await.problem(503, "upstream-unavailable");
    let answer = order_from(Reply::status(503, "<html>busy</html>").with_header("Retry-After: 17")).await;
    answer.problem(503, "upstream-unavailable");
    assert_eq!(answer.header("retry-after"), "17");
    let answer = order_from(Reply::status(503, "").with_header("Retry-After: 86400")).await;
    assert_eq!(answer.header("retry-after"), "60");
    for reply in [
        Reply::status(301, "").with_header("Location: http://127.0.0.1:1/"),
        Reply::bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<order_info>"),
        Reply::bytes(b"garbage\r\n\r\n"),
        Reply::bytes(b""),
        Reply::bytes(b"").then_reset(),
        Reply::typed(200, "application/json", b"{}"),
        Reply::typed(200, "text/xml", &[0x1f, 0x8b, 8, 0]).with_header("Content-Encoding: gzip"),
    ] {
        order_from(reply).await.problem(502, "upstream-answer-invalid");
    }
    let gateway = Gateway::before_url("http://127.0.0.1:9/orders", &[]).await;
    gateway.get("/orders/1").await.problem(502, "upstream-unreachable");
    gateway.get("/orders?since=2016-03-14").await.problem(502, "upstream-unreachable");
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let settings = &[("UPSTREAMS__DEFAULT__TIMEOUT", "200ms")];
    let begun = |document: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{document}").into_bytes();
    for (order, customers) in [(vec![], vec![]), (begun("<order_info><orderinfo>"), begun("<customers><customer><id>1</id>"))] {
        let silent =
            move |query: &str| Reply::bytes(if query.contains("order_info") { &order } else { &customers }).then_hang();
        let upstream = Upstream::answering(silent).await;
        let gateway = Gateway::with(&upstream, settings).await;
        gateway.get("/orders/1").await.problem(504, "upstream-timeout");
        gateway.get("/customers?since=2016-03-14").await.problem(504, "upstream-timeout");
    }
}

#[tokio::test]
async fn a_drip_without_end_ends_at_the_deadline_and_others_are_served_meanwhile() {
    let upstream = Upstream::answering(|query| match query {
        query if query.contains("id=1") => {
            Reply::bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n<order_info>").then_drip()
        }
        query if query.contains("method=orders") => Reply::bytes(b"HTTP/1.1 200 OK\r\n\r\n<orders>").then_drip(),
        _ => Reply::xml("<order_info><orderinfo><status>new</status></orderinfo></order_info>"),
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__TIMEOUT", "500ms")]).await;
    let dripping = join_all((0..20).map(|_| gateway.get("/orders/1")));
    let lists = join_all((0..20).map(|_| gateway.get("/orders?since=2016-03-14")));
    let others = join_all((0..50).map(|_| gateway.get("/orders/2")));
    let (dripping, lists, others) = tokio::join!(dripping, lists, others);
    for answer in dripping.iter().chain(&lists) {
        answer.problem(504, "upstream-timeout");
    }
    assert!(others.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn sizes_are_bounded_exactly() {
    let document = |filler: usize| {
        format!("<order_info><orderinfo><status>new</status><!--{}--></orderinfo></order_info>", "x".repeat(filler))
    };
    let room = 2048 - document(0).len();
    for (filler, status) in [(room, 200), (room + 1, 502)] {
        let upstream = Upstream::saying(Reply::xml(&document(filler))).await;
        let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__MAX_RESPONSE_BYTES", "2048")]).await;
        assert_eq!(gateway.get("/orders/1").await.status, status);
    }
    let list = |filler: usize| format!("<orders><order><id>1</id><x>{}</x></order></orders>", "x".repeat(filler));
    let room = 2048 - "<order><id>1</id><x></x></order>".len();
    for (filler, status) in [(room, 200), (room + 1, 502)] {
        let upstream = Upstream::saying(Reply::xml(&list(filler))).await;
        let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__MAX_ITEM_BYTES", "2048")]).await;
        assert_eq!(gateway.get("/orders?since=2016-03-14").await.status, status);
    }
}

/// Answers that would take minutes if anything looked at them again and again.
#[tokio::test]
async fn answers_made_to_be_slow_are_not() {
    let order = |inside: &str| format!("<order_info><orderinfo><status>new</status>{inside}</orderinfo></order_info>");
    let many_attributes = " a=\"\"".repeat(200_000);
    let levels = 1_000_000;
    let deep = order(&format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels)));
    order_from(Reply::xml(&deep)).await.problem(502, "upstream-answer-invalid");
    let documents = [
        order(&format!("<x>{}</x>", "&".repeat(4_000_000))),
        order(&format!("<x{many_attributes}/>")),
        order(&format!("<x y=\"1\"/>{}", "<a/>".repeat(500_000))),
        format!("<order_info>{}<orderinfo><status>new</status></orderinfo></order_info>", "<logs/>".repeat(300_000)),
    ];
    for document in documents {
        assert_eq!(order_from(Reply::xml(&document)).await.ok()["status"], "new");
    }
    let overgrown = order(&"<a/>".repeat(1_000_001));
    order_from(Reply::xml(&overgrown)).await.problem(502, "upstream-answer-invalid");
    let wordy = format!("<order_info><status>failed</status><message>{}</message></order_info>", "1 ".repeat(1_000_000));
    order_from(Reply::xml(&wordy)).await.problem(502, "refused-by-upstream");
}
