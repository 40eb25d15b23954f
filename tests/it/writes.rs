//! Writes: sent once, and success only when the order system confirmed it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::Notify;

use crate::support::{Answer, Gateway, Reply, Upstream, fixture};

const CONFIRMED: &str =
    "<set_status><response><message>Status changed</message></response><status>success</status></set_status>";

/// The order as it was before every write here.
const UNCHANGED: &str = "<order_info><orderinfo><status>new</status></orderinfo></order_info>";

const PROVIDER: [(&str, &str); 2] = [("UPSTREAMS__DEFAULT__DIALECT", "provider"), ("UPSTREAMS__DEFAULT__API_KEY", "KEY")];

async fn change_over(upstream: &Upstream) -> Answer {
    let gateway = Gateway::with(upstream, &[("UPSTREAMS__DEFAULT__TIMEOUT", "300ms")]).await;
    gateway.patch_status(1, r#"{"status":"received"}"#).await
}

fn writes(upstream: &Upstream) -> usize {
    upstream
        .queries()
        .iter()
        .filter(|query| query.contains("method=set_status") || query.contains("method=add_message"))
        .count()
}

#[tokio::test]
async fn only_a_confirmation_in_so_many_words_is_success() {
    for document in [
        CONFIRMED,
        "<set_status><status>success</status></set_status>",
        "<api><set_status><status>Success</status></set_status></api>",
    ] {
        let upstream = Upstream::saying(Reply::xml(document)).await;
        change_over(&upstream).await.ok();
        assert_eq!(upstream.queries().len(), 1);
    }
    let mut open = Vec::new();
    for reply in [
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
        Reply::typed(200, "text/xml", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
        Reply::typed(200, "text/xml; charset=utf-16", CONFIRMED.as_bytes().get(..20).unwrap_or_default()),
        Reply::bytes(b""),
        Reply::bytes(b"").then_reset(),
        Reply::bytes(b"").then_hang(),
        Reply::bytes(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<set_status>").then_drip(),
    ] {
        open.push(reply);
    }
    // Each takes the time in which an open write is looked for.
    join_all(open.iter().flat_map(|reply| [(reply, &[][..]), (reply, &PROVIDER)]).map(|(reply, settings)| async move {
        let said = reply.clone();
        let upstream = Upstream::answering(move |query| match query {
            login if login.contains("method=api_login") => Reply::xml(&fixture("provider/api_login.xml")),
            look if look.contains("method=order_info") => Reply::xml(UNCHANGED),
            _ => said.clone(),
        })
        .await;
        let limits = [("UPSTREAMS__DEFAULT__TIMEOUT", "300ms"), ("UPSTREAMS__DEFAULT__MAX_RESPONSE_BYTES", "200000")];
        let settings = [&limits[..], settings].concat();
        let gateway = Gateway::with(&upstream, &settings).await;
        let answer = gateway.patch_status(1, r#"{"status":"received"}"#).await;
        assert_eq!(answer.problem(504, "outcome-unknown")["outcome"], "unknown", "{reply:?}");
        assert_eq!(answer.header("retry-after"), "35");
        assert_eq!(writes(&upstream), 1);
    }))
    .await;
}

#[tokio::test]
async fn for_every_byte_at_which_an_answer_is_cut_there_is_one_write_and_no_false_success() {
    for (document, target, body) in [
        (CONFIRMED, "/orders/1/status", r#"{"status":"received"}"#),
        ("<add_message><status>success</status></add_message>", "/orders/1/messages", r#"{"type":"log","text":"hej"}"#),
    ] {
        let whole = Reply::xml(document);
        let method = if target.ends_with("status") { Method::PATCH } else { Method::POST };
        join_all((0..=whole.len()).map(|length| {
            let (said, method) = (whole.clone().cut(length), method.clone());
            let is_whole = length == whole.len();
            async move {
                let upstream = Upstream::answering(move |query| match query {
                    look if look.contains("method=order_info") => Reply::xml(UNCHANGED),
                    _ => said.clone(),
                })
                .await;
                let gateway = Gateway::before(&upstream).await;
                let write = gateway.request(method, target).header("content-type", "application/json").body(body);
                let answer = gateway.send(write).await;
                assert_eq!(matches!(answer.status, 200 | 201), is_whole, "cut after {length} bytes: {}", answer.body);
                assert!(is_whole || answer.status == 504, "cut after {length} bytes: {}", answer.body);
                assert_eq!(writes(&upstream), 1);
            }
        }))
        .await;
    }
}

#[tokio::test]
async fn what_was_never_sent_or_was_rejected_was_not_applied() {
    let not_applied = |problem: Value| assert_eq!(problem["outcome"], "not-applied", "{problem}");
    let gateway = Gateway::before_url("http://127.0.0.1:9/orders", &[]).await;
    not_applied(gateway.patch_status(1, r#"{"status":"new"}"#).await.problem(502, "upstream-unreachable"));
    for reply in [Reply::status(403, "<html/>"), Reply::xml("<set_status><status>failed</status><code>401</code></set_status>")]
    {
        let upstream = Upstream::saying(reply).await;
        not_applied(change_over(&upstream).await.problem(502, "upstream-credential-rejected"));
        assert_eq!(upstream.queries().len(), 1);
    }
}

#[tokio::test]
async fn a_refused_write_is_followed_by_a_look_whether_the_order_exists() {
    let refused = "<set_status><status>failed</status><response><code>500</code><message>Ordern kan inte ändras</message></response></set_status>";
    let before = |look: &'static str, look_status: u16| {
        Upstream::answering(move |query| {
            if query.contains("order_info") { Reply::status(look_status, look) } else { Reply::status(500, refused) }
        })
    };
    let there = before("<order_info><orderinfo><status>new</status></orderinfo></order_info>", 200).await;
    let problem = change_over(&there).await.problem(409, "refused-by-upstream");
    assert_eq!((&problem["upstreamMessage"], &problem["outcome"]), (&"Ordern kan inte ändras".into(), &"not-applied".into()));
    assert_eq!(there.queries().len(), 2);
    assert_eq!(writes(&there), 1);

    let missing = before("<order_info/>", 200).await;
    assert_eq!(change_over(&missing).await.problem(404, "order-not-found")["outcome"], "not-applied");

    let unclear = before("<html/>", 500).await;
    change_over(&unclear).await.problem(409, "refused-by-upstream");

    let stated = Upstream::saying(Reply::status(404, "<set_status><status>failed</status></set_status>")).await;
    change_over(&stated).await.problem(404, "order-not-found");
    assert_eq!(stated.queries().len(), 1);
}

#[tokio::test]
async fn a_refusal_does_not_tell_who_the_customer_is_nor_what_was_written() {
    let said = "Tolvan Tolvansson, Exempelgatan 1 (KC0101A06) i Åsele: 'Ring kunden' kan inte sparas, Tolvanssons";
    let upstream = Upstream::answering(move |query| {
        Reply::xml(&if query.contains("order_info") {
            "<order_info><orderinfo><status>new</status></orderinfo><customer><id>1</id><firstname>Tolvan</firstname>\
             <surname>Tolvansson</surname><address>Exempelgatan 1</address><socket>KC0101A06</socket></customer></order_info>"
                .to_owned()
        } else {
            format!("<add_message><status>failed</status><message>{said}</message></add_message>")
        })
    });
    let upstream = upstream.await;
    let gateway = Gateway::before(&upstream).await;
    let problem =
        gateway.post_message(1, r#"{"type": "log", "text": "Ring kunden"}"#).await.problem(409, "refused-by-upstream");
    let shown = "**** ****, **** (****) i Åsele: '****' kan inte sparas, ****s";
    assert_eq!(problem["upstreamMessage"], shown);
}

#[tokio::test]
async fn what_a_look_before_a_write_ends_in_is_told_as_of_a_read_and_nothing_is_sent() {
    let refused = "<order_info><status>failed</status><response><message>Nej</message></response></order_info>";
    for (look, status, code) in [
        (Reply::status(500, refused), 502, "refused-by-upstream"),
        (Reply::xml("<html/>"), 502, "upstream-answer-invalid"),
        (Reply::status(403, ""), 502, "upstream-credential-rejected"),
        (Reply::xml("<order_info/>"), 404, "order-not-found"),
    ] {
        let upstream = Upstream::saying(look).await;
        let gateway = Gateway::before(&upstream).await;
        let change = gateway.request(Method::PATCH, "/orders/1/status").header("if-match", "*");
        let message = gateway.request(Method::POST, "/orders/1/messages").header("idempotency-key", "0123456789abcdef");
        for (write, body) in [(change, r#"{"status":"received"}"#), (message, r#"{"type":"log","text":"hej"}"#)] {
            let answer = gateway.send(write.header("content-type", "application/json").body(body)).await;
            assert_eq!(answer.problem(status, code)["outcome"], "not-applied");
        }
        assert_eq!(writes(&upstream), 0);
    }
}

#[tokio::test]
async fn a_write_is_finished_when_its_client_leaves() {
    let latch = Arc::new(Notify::new());
    let held = Reply::held(&["<add_message>", "<status>success</status></add_message>"], &latch);
    let upstream = Upstream::saying(held).await;
    let gateway = Gateway::before(&upstream).await;
    {
        let impatient = gateway.post_message(1, r#"{"type":"log","text":"a"}"#);
        tokio::pin!(impatient);
        tokio::select! {
            _ = &mut impatient => panic!("the order system has not answered"),
            () = upstream.asked(1) => {}
        }
    }
    // The client is gone. Were the write with it, the order system would see its connection end now.
    let left = tokio::time::timeout(Duration::from_millis(200), upstream.left(1)).await;
    assert!(left.is_err(), "the write was cut off");
    latch.notify_one();
    upstream.answered(1).await;
    assert_eq!(writes(&upstream), 1);
}

#[tokio::test]
async fn reads_share_a_connection_and_writes_never_do() {
    let upstream = Upstream::answering(|query| {
        Reply::kept_alive(if query.contains("set_status") {
            CONFIRMED
        } else {
            "<order_info><orderinfo><type>order</type></orderinfo></order_info>"
        })
    })
    .await;
    let gateway = Gateway::before(&upstream).await;
    for _ in 0..3 {
        gateway.get("/orders/1").await.ok();
    }
    assert_eq!(upstream.connections(), 1);
    for _ in 0..3 {
        gateway.patch_status(1, r#"{"status":"received"}"#).await.ok();
    }
    assert_eq!(upstream.connections(), 4);
}
