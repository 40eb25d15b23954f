//! Upstream answers to reads: each becomes a correct response or a problem that names the cause.

use futures_util::future::join_all;

use crate::support::{Gateway, Reply, Upstream};

/// The response to a read of one order when the upstream answers with `reply`.
async fn order_from(reply: Reply) -> crate::support::Answer {
    let upstream = Upstream::responding_with(reply).await;
    Gateway::in_front_of(&upstream).await.get("/orders/1").await
}

#[tokio::test]
async fn credential_refusal_words_are_configurable() {
    let upstream =
        Upstream::responding_with(Reply::xml("<order_info><status>failed</status><message>Fel IP</message></order_info>"))
            .await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__CREDENTIAL_REFUSAL_WORDS", "fel ip, fel användare")]).await;

    gateway.get("/orders/1").await.problem(502, "upstream-credential-rejected");
}

#[tokio::test]
async fn unrecognised_answers_are_not_passed_to_clients() {
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
async fn http_failures_map_to_distinct_problems() {
    order_from(Reply::status(503, "")).await.problem(503, "upstream-unavailable");
    let answer = order_from(Reply::status(503, "<html>busy</html>").with_header("Retry-After: 17")).await;
    answer.problem(503, "upstream-unavailable");
    assert_eq!(answer.header("retry-after"), "17");

    let answer = order_from(Reply::status(503, "").with_header("Retry-After: 86400")).await;
    assert_eq!(answer.header("retry-after"), "60");

    for reply in [
        Reply::status(301, "").with_header("Location: http://127.0.0.1:1/"),
        Reply::raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<order_info>"),
        Reply::raw(b"garbage\r\n\r\n"),
        Reply::raw(b""),
        Reply::raw(b"").then_reset(),
        Reply::new(200, "application/json", b"{}"),
        Reply::new(200, "text/xml", &[0x1f, 0x8b, 8, 0]).with_header("Content-Encoding: gzip"),
    ] {
        order_from(reply).await.problem(502, "upstream-answer-invalid");
    }

    let gateway = Gateway::in_front_of_url("http://127.0.0.1:9/orders", &[]).await;
    gateway.get("/orders/1").await.problem(502, "upstream-unreachable");
    gateway.get("/orders?since=2016-03-14").await.problem(502, "upstream-unreachable");
}

#[tokio::test]
async fn silent_upstream_times_out() {
    let settings = &[("UPSTREAMS__DEFAULT__TIMEOUT", "200ms")];
    let incomplete = |document: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{document}").into_bytes();

    for (order, customers) in
        [(vec![], vec![]), (incomplete("<order_info><orderinfo>"), incomplete("<customers><customer><id>1</id>"))]
    {
        let silent = move |query: &str| Reply::raw(if query.contains("order_info") { &order } else { &customers }).then_hang();
        let upstream = Upstream::responding_to(silent).await;
        let gateway = Gateway::with(&upstream, settings).await;

        gateway.get("/orders/1").await.problem(504, "upstream-timeout");
        gateway.get("/customers?since=2016-03-14").await.problem(504, "upstream-timeout");
    }
}

#[tokio::test]
async fn dripping_upstream_times_out_without_blocking_others() {
    let upstream = Upstream::responding_to(|query| match query {
        query if query.contains("id=1") => {
            Reply::raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n<order_info>").then_drip()
        }
        query if query.contains("method=orders") => Reply::raw(b"HTTP/1.1 200 OK\r\n\r\n<orders>").then_drip(),
        _ => Reply::xml("<order_info><orderinfo><status>new</status></orderinfo></order_info>"),
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__TIMEOUT", "500ms")]).await;
    let dripping = join_all((0..20).map(|_| gateway.get("/orders/1")));
    // As many lists as one client may have.
    let lists = join_all((0..12).map(|_| gateway.get("/orders?since=2016-03-14")));
    let others = join_all((0..50).map(|_| gateway.get("/orders/2")));

    let (dripping, lists, others) = tokio::join!(dripping, lists, others);

    for answer in dripping.iter().chain(&lists) {
        answer.problem(504, "upstream-timeout");
    }

    assert!(others.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn response_size_limits_are_exact() {
    let document = |filler: usize| {
        format!("<order_info><orderinfo><status>new</status><!--{}--></orderinfo></order_info>", "x".repeat(filler))
    };
    let largest = 2048 - document(0).len();

    for (filler, status) in [(largest, 200), (largest + 1, 502)] {
        let upstream = Upstream::responding_with(Reply::xml(&document(filler))).await;
        let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__MAX_RESPONSE_BYTES", "2048")]).await;

        assert_eq!(gateway.get("/orders/1").await.status, status);
    }

    let list = |filler: usize| format!("<orders><order><id>1</id><x>{}</x></order></orders>", "x".repeat(filler));
    let largest = 2048 - "<order><id>1</id><x></x></order>".len();
    for (filler, status) in [(largest, 200), (largest + 1, 502)] {
        let upstream = Upstream::responding_with(Reply::xml(&list(filler))).await;
        let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__MAX_ITEM_BYTES", "2048")]).await;

        assert_eq!(gateway.get("/orders?since=2016-03-14").await.status, status);
    }
}

/// Inputs on which a parser with quadratic behavior would take minutes.
#[tokio::test]
async fn pathological_answers_are_parsed_quickly() {
    let order = |inside: &str| format!("<order_info><orderinfo><status>new</status>{inside}</orderinfo></order_info>");
    let many_attributes = " a=\"\"".repeat(200_000);
    let depth = 1_000_000;
    let deep = order(&format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth)));

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

    let too_many_elements = order(&"<a/>".repeat(1_000_001));
    order_from(Reply::xml(&too_many_elements)).await.problem(502, "upstream-answer-invalid");
    let long_message = format!("<order_info><status>failed</status><message>{}</message></order_info>", "1 ".repeat(1_000_000));
    order_from(Reply::xml(&long_message)).await.problem(502, "refused-by-upstream");
}
