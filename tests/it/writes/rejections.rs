//! Writes that the upstream rejects: whether they were applied is decided by what the order shows afterwards.

use futures_util::future::join_all;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;
use tjansteguiden_gateway::model::{Zone, now};

use super::{KEY, patch_if_match};
use crate::support::{Answer, FakeOrders, Gateway, Reply, Upstream, is_write};

/// Leaves every write time to be verified, on a busy machine too.
const VERIFIED: [(&str, &str); 2] = [("SERVER__REQUEST_TIMEOUT", "5s"), ("UPSTREAMS__DEFAULT__TIMEOUT", "2s")];

/// A write in each of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    KeyedMessage,
    Message,
    Change,
    ConditionalChange,
}

const WRITES: [Write; 4] = [Write::KeyedMessage, Write::Message, Write::Change, Write::ConditionalChange];

impl Write {
    async fn send(self, gateway: &Gateway) -> Answer {
        let message = json!({"type": "log", "text": "Ring kunden"}).to_string();
        match self {
            Self::KeyedMessage => {
                let request = gateway.request(Method::POST, "/orders/1/messages").header("idempotency-key", KEY);
                gateway.send(request.header("content-type", "application/json").body(message)).await
            }
            Self::Message => gateway.post_message(1, &message).await,
            Self::Change => gateway.patch_status(1, r#"{"status":"received"}"#).await,
            Self::ConditionalChange => patch_if_match(gateway, "*", "received").await,
        }
    }
}

/// A failure envelope of whatever method `query` calls.
fn failed(query: &str, http_status: u16) -> Reply {
    let method = if query.contains("set_status") { "set_status" } else { "add_message" };
    let failure = "<status>failed</status><response><message>Mejl kunde inte skickas</message></response>";
    Reply::status(http_status, &format!("<{method}>{failure}</{method}>"))
}

/// An upstream with a clock whose writes are answered with `reply`, after they are applied or without.
async fn upstream(orders: &FakeOrders, is_applied: bool, reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Upstream {
    let orders = orders.clone();
    Upstream::responding_to(move |query| {
        if !is_write(query) {
            return orders.dated_order_info(SignedDuration::ZERO);
        }
        if is_applied {
            orders.apply(query);
        }
        reply(query)
    })
    .await
}

fn write_count(upstream: &Upstream) -> usize {
    upstream.queries().iter().filter(|query| is_write(query)).count()
}

#[tokio::test]
async fn rejected_write_that_was_applied_is_never_reported_as_not_applied() {
    let cases =
        [200, 400, 404, 409, 426, 429, 500, 502, 503].into_iter().flat_map(|status| WRITES.map(|write| (status, write)));
    join_all(cases.map(|(http_status, write)| async move {
        let orders = FakeOrders::new();
        let upstream = upstream(&orders, true, move |query| failed(query, http_status)).await;
        let gateway = Gateway::with(&upstream, &VERIFIED).await;

        let answer = write.send(&gateway).await;

        if write == Write::KeyedMessage {
            assert!(answer.ok()["at"].is_string(), "{http_status}");
            assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, ""));
        } else {
            assert_eq!(answer.problem(504, "outcome-unknown")["outcome"], "unknown", "{http_status} {write:?}");
            assert_eq!(answer.header("retry-after"), "35");
        }
        assert_eq!(write_count(&upstream), 1);
    }))
    .await;
}

#[tokio::test]
async fn rejected_write_that_the_order_does_not_show_is_not_applied() {
    let cases = [200, 404, 429, 500, 503].into_iter().flat_map(|status| WRITES.map(|write| (status, write)));
    join_all(cases.map(|(http_status, write)| async move {
        let orders = FakeOrders::new();
        // Equal, but older; and new, but different.
        orders.add_entry("log", "Ring kunden", SignedDuration::from_mins(-5));
        orders.add_entry("log", "Ring inte", SignedDuration::ZERO);
        let upstream = upstream(&orders, false, move |query| failed(query, http_status)).await;
        let gateway = Gateway::with(&upstream, &VERIFIED).await;

        let answer = write.send(&gateway).await;

        let problem = answer.problem(409, "refused-by-upstream");
        assert_eq!(problem["outcome"], "not-applied", "{http_status} {write:?}");
        assert_eq!(write_count(&upstream), 1);
    }))
    .await;
}

#[tokio::test]
async fn rejection_is_doubted_whatever_the_form_of_the_stamp() {
    let forms = ["", "igår", "0000-00-00 00:00:00", "%Y-%m-%d %H:%M", "%Y-%m-%d"];
    let writes = [Write::Message, Write::Change];
    join_all(forms.into_iter().flat_map(|form| writes.map(|write| (form, write))).map(|(form, write)| async move {
        let orders = FakeOrders::new();
        let written = orders.clone();
        let upstream = upstream(&orders, false, move |query| {
            let stamp = Zone::stockholm().at(now()).wall().strftime(form).to_string();
            if query.contains("set_status") {
                written.set_status("received");
                written.add_entry_stamped("system", "received", &stamp);
            } else {
                written.add_entry_stamped("log", "Ring kunden", &stamp);
            }
            failed(query, 200)
        })
        .await;
        let gateway = Gateway::with(&upstream, &VERIFIED).await;

        let answer = write.send(&gateway).await;

        assert_eq!(answer.problem(504, "outcome-unknown")["outcome"], "unknown", "{form} {write:?}");
        assert_eq!(write_count(&upstream), 1);
    }))
    .await;
}

#[tokio::test]
async fn rejected_change_is_doubted_without_a_log() {
    let orders = FakeOrders::new();
    orders.remove_log();
    let written = orders.clone();
    let upstream = upstream(&orders, false, move |query| {
        written.set_status("received");
        failed(query, 200)
    })
    .await;
    let gateway = Gateway::with(&upstream, &VERIFIED).await;

    assert_eq!(Write::Change.send(&gateway).await.problem(504, "outcome-unknown")["outcome"], "unknown");
}

#[tokio::test]
async fn status_in_capitals_is_evidence() {
    for (reply, status) in [(failed("set_status", 200), 504), (Reply::status(500, "<html/>"), 200)] {
        let orders = FakeOrders::new();
        orders.set_status("NEW");
        let (written, answer) = (orders.clone(), reply.clone());
        let upstream = upstream(&orders, false, move |_| {
            written.change_status("RECEIVED");
            answer.clone()
        })
        .await;
        let gateway = Gateway::with(&upstream, &VERIFIED).await;
        assert_eq!(gateway.get("/orders/1/status").await.ok()["status"], "new");
        assert!(gateway.drift_counts().await.iter().any(|(name, _)| name.contains("unknown_word")));

        let answer = Write::Change.send(&gateway).await;

        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(gateway.get("/orders/1/status").await.ok()["status"], "received");
    }
}

#[tokio::test]
async fn rejection_stands_when_the_order_cannot_be_read() {
    for (http_status, status, code) in [(500, 409, "refused-by-upstream"), (404, 404, "order-not-found")] {
        let upstream =
            Upstream::responding_to(
                move |query| {
                    if is_write(query) { failed(query, http_status) } else { Reply::status(500, "<html/>") }
                },
            )
            .await;
        let gateway = Gateway::with(&upstream, &VERIFIED).await;

        for write in [Write::Message, Write::Change] {
            assert_eq!(write.send(&gateway).await.problem(status, code)["outcome"], "not-applied");
        }
    }
}

#[tokio::test]
async fn doubted_rejection_may_be_of_others() {
    for (kind, text, age, is_doubted) in [
        ("log", "Ring kunden", 0, true),
        // In another layout, or without a stamp that fits but for a slow clock.
        ("alert", "<b>RING</b> kunden!", 0, true),
        ("log", "Ring kunden", 2, true),
        ("log", "gw:ABCDEFGHIJKLMNOPQ2 Ring kunden", 0, false),
        ("log", "Ring kunden", 60, false),
    ] {
        let orders = FakeOrders::new();
        let others = orders.clone();
        let upstream = upstream(&orders, false, move |query| {
            others.add_entry(kind, text, SignedDuration::from_secs(-age));
            failed(query, 500)
        });
        let upstream = upstream.await;
        let gateway = Gateway::with(&upstream, &VERIFIED).await;

        for write in [Write::Message, Write::KeyedMessage] {
            let answer = write.send(&gateway).await;
            let (status, code) = if is_doubted { (504, "outcome-unknown") } else { (409, "refused-by-upstream") };
            answer.problem(status, code);
        }
    }
}

#[tokio::test]
async fn doubted_rejection_is_in_doubt_for_repetitions_too() {
    let orders = FakeOrders::new();
    let written = orders.clone();
    let upstream = upstream(&orders, false, move |query| {
        // The upstream drops markers, applies the write and rejects it.
        if query.contains("add_message") {
            written.add_entry("log", "Ring kunden", SignedDuration::ZERO);
        } else {
            written.apply(query);
        }
        failed(query, 500)
    });
    let upstream = upstream.await;
    let gateway = Gateway::with(&upstream, &VERIFIED).await;

    for write in [Write::KeyedMessage, Write::KeyedMessage, Write::Change] {
        assert_eq!(write.send(&gateway).await.problem(504, "outcome-unknown")["outcome"], "unknown");
    }
    assert_eq!(patch_if_match(&gateway, "*", "active").await.problem(504, "outcome-unknown")["outcome"], "not-applied");
    assert_eq!(write_count(&upstream), 2);
    assert_eq!(gateway.metric(r#"write_outcome_total{call="add_message",outcome="unknown"}"#).await, 2);
}

/// Answers with which a firewall or the web server refuses a request, on the way there or on the way back.
fn refusing_pages() -> Vec<Reply> {
    vec![
        Reply::status(403, "<html><body>Request blocked</body></html>"),
        Reply::status(401, "<html/>"),
        Reply::status(403, ""),
        Reply::new(403, "application/json", br#"{"status":"failed"}"#),
        Reply::status(403, "<set_status><status>success</status></set_status>"),
        Reply::status(403, "<add_message><status>success</status></add_message>"),
        Reply::status(403, "<order_info><status>failed</status></order_info>"),
        Reply::status(401, "<set_status/>"),
        Reply::status(404, "<html/>"),
        Reply::status(407, "<html/>"),
    ]
}

#[tokio::test]
async fn page_with_401_or_403_leaves_a_write_in_doubt() {
    const PROVIDER: [(&str, &str); 2] = [("UPSTREAMS__DEFAULT__DIALECT", "provider"), ("UPSTREAMS__DEFAULT__API_KEY", "KEY")];
    let pages = refusing_pages();
    let cases = pages.iter().flat_map(|page| WRITES.map(|write| (page, write)));
    let cases = cases.flat_map(|(page, write)| [(page, write, true), (page, write, false)]);
    let cases =
        cases.flat_map(|(page, write, is_applied)| [(page, write, is_applied, &[][..]), (page, write, is_applied, &PROVIDER)]);
    join_all(cases.map(|(page, write, is_applied, dialect)| async move {
        let (orders, page) = (FakeOrders::new(), page.clone());
        let read = orders.clone();
        let upstream = Upstream::responding_to(move |query| {
            if query.contains("method=api_login") {
                return Reply::xml(&crate::support::fixture("provider/api_login.xml"));
            }
            if !is_write(query) {
                return read.dated_order_info(SignedDuration::ZERO);
            }
            if is_applied {
                read.apply(query);
            }
            page.clone()
        })
        .await;
        let gateway = Gateway::with(&upstream, &[&VERIFIED, dialect].concat()).await;

        let answer = write.send(&gateway).await;

        if is_applied {
            assert!(matches!(answer.status, 200 | 201), "{write:?} {}", answer.body);
        } else {
            assert_eq!(answer.problem(504, "outcome-unknown")["outcome"], "unknown", "{write:?}");
        }
        assert_eq!(write_count(&upstream), 1);
    }))
    .await;
}

#[tokio::test]
async fn pages_with_403_do_not_open_the_circuit_breaker() {
    let orders = FakeOrders::new();
    let upstream = upstream(&orders, false, |_| Reply::status(403, "<html/>")).await;
    // No time for a read-back, which would count as a success.
    let settings = [("SERVER__REQUEST_TIMEOUT", "200ms"), ("UPSTREAMS__DEFAULT__TIMEOUT", "100ms")];
    let gateway = Gateway::with(&upstream, &settings).await;

    for _ in 0..30 {
        Write::Message.send(&gateway).await.problem(504, "outcome-unknown");
    }

    gateway.get("/orders/1").await.ok();
    assert_eq!(gateway.metric(r#"upstream_breaker_state{upstream="default"}"#).await, 0);
}
