//! The provider dialect: a login, a hash for all calls, and both credentials on messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Gateway, Reply, Upstream, fixture};

const HASH: &str = "00112233445566778899aabbccddeeff";
const SETTINGS: [(&str, &str); 2] = [("UPSTREAMS__DEFAULT__DIALECT", "provider"), ("UPSTREAMS__DEFAULT__API_KEY", "topsecret")];

fn method(query: &str) -> &str {
    query.split('&').find_map(|pair| pair.strip_prefix("method=")).unwrap_or_default()
}

/// What a provider's order system answers.
fn answer(method: &str) -> Reply {
    match method {
        "api_login" | "customers" | "customer_info" => Reply::xml(&fixture(&format!("provider/{method}.xml"))),
        "add_message" | "set_status" => Reply::xml(&format!("<{method}><response/><status>success</status></{method}>")),
        _ => {
            let document = fixture(&format!("network/{method}.xml"));
            let inside = document.split_once("?>").expect("a declaration").1.trim();
            let inside =
                inside.strip_prefix(&format!("<{method}>")).and_then(|inside| inside.strip_suffix(&format!("</{method}>")));
            let inside = inside.expect("a payload").replace("<response>", "").replace("</response>", "");
            Reply::xml(&format!("<{method}><response>{inside}</response><status>success</status></{method}>"))
        }
    }
}

fn logins(upstream: &Upstream) -> usize {
    upstream.queries().iter().filter(|query| method(query) == "api_login").count()
}

#[tokio::test]
async fn calls_share_one_login_and_are_known_by_its_hash() {
    let upstream = Upstream::answering(|query| answer(method(query))).await;
    let gateway = Gateway::with(&upstream, &SETTINGS).await;
    let order = gateway.get("/orders/20417").await.ok();
    assert_eq!((&order["customer"]["city"], &order["status"]), (&json!("Åsele"), &json!("new")));
    assert_eq!(gateway.get("/orders?since=2016-03-14").await.ok()["items"].as_array().map(Vec::len), Some(2));
    let customers = gateway.get("/customers?since=2016-03-14").await.ok();
    assert_eq!(
        customers["items"],
        json!([{
            "id": 18020,
            "accessId": "CCTW0151B87",
            "personalIdentityNumber": "19121212121212",
            "firstName": "Tolvan",
            "lastName": "Tolvansson",
            "registeredAt": "2016-03-14T09:05:00+01:00"
        }])
    );
    assert_eq!(gateway.get("/customers/18020").await.ok()["premise"], "1002");
    gateway.patch_status(20417, r#"{"status":"received"}"#).await.ok();
    gateway.post_message(20417, r#"{"type":"log","text":"a"}"#).await.ok();
    assert_eq!(
        upstream.queries(),
        [
            "method=api_login&api_user=1234&api_key=topsecret".to_owned(),
            format!("method=order_info&hash={HASH}&id=20417"),
            format!("method=orders&hash={HASH}&date=2016-03-14"),
            format!("method=customers&hash={HASH}&date=2016-03-14"),
            format!("method=customer_info&hash={HASH}&id=18020"),
            format!("method=set_status&hash={HASH}&id=20417&status=received"),
            format!("method=add_message&hash={HASH}&api_user=1234&id=20417&type=log&message=a"),
        ]
    );
}

#[tokio::test]
async fn a_hundred_calls_at_once_make_one_login() {
    let upstream = Upstream::answering(|query| answer(method(query))).await;
    let gateway = Gateway::with(&upstream, &SETTINGS).await;
    let answers = join_all((0..100).map(|_| gateway.get("/orders/20417"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(logins(&upstream), 1);
}

/// An order system that forgets its logins when it is told to.
async fn forgetful(forgets: &Arc<AtomicBool>) -> Upstream {
    let (forgets, number) = (Arc::clone(forgets), AtomicUsize::new(0));
    Upstream::answering(move |query| {
        let hash = format!("hash={}&", number.load(Ordering::SeqCst));
        match method(query) {
            "api_login" => {
                forgets.store(false, Ordering::SeqCst);
                let hash = number.fetch_add(1, Ordering::SeqCst) + 1;
                Reply::xml(&fixture("provider/api_login.xml").replace(HASH, &hash.to_string()))
            }
            known if query.contains(&hash) && !forgets.load(Ordering::SeqCst) => answer(known),
            other => {
                let refused = format!("<{other}><status>failed</status><response><code>403</code></response></{other}>");
                Reply::status(403, &refused)
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_call_whose_hash_is_refused_is_sent_once_more_with_a_new_one() {
    let forgets = Arc::new(AtomicBool::new(false));
    let upstream = forgetful(&forgets).await;
    let gateway = Gateway::with(&upstream, &SETTINGS).await;
    gateway.get("/orders/20417").await.ok();
    for round in 2..5 {
        // A login stands for a second, whatever is refused.
        tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
        forgets.store(true, Ordering::SeqCst);
        match round {
            2 => gateway.post_message(20417, r#"{"type":"log","text":"a"}"#).await.ok(),
            3 => gateway.get("/orders?since=2016-03-14").await.ok(),
            _ => gateway.get("/orders/20417").await.ok(),
        };
        assert_eq!(logins(&upstream), round);
    }
    // Refused, logged in, accepted: three calls each after the first two.
    assert_eq!(upstream.queries().len(), 2 + 3 * 3);
}

#[tokio::test]
async fn one_order_that_is_refused_again_and_again_makes_no_storm() {
    let upstream = Upstream::answering(|query| match method(query) {
        "order_info" if query.contains("id=1") => Reply::status(403, ""),
        other => answer(other),
    })
    .await;
    let gateway = Gateway::with(&upstream, &SETTINGS).await;
    for _ in 0..20 {
        gateway.get("/orders/20417").await.ok();
        gateway.get("/orders/1").await.problem(502, "upstream-credential-rejected");
    }
    assert!(logins(&upstream) <= 3, "{}", logins(&upstream));
}

#[tokio::test]
async fn callers_share_a_login_that_hangs() {
    let upstream = Upstream::saying(Reply::bytes(b"").then_hang()).await;
    let settings = [&SETTINGS[..], &[("UPSTREAMS__DEFAULT__TIMEOUT", "300ms")]].concat();
    let gateway = Gateway::with(&upstream, &settings).await;
    for answer in join_all((0..50).map(|_| gateway.get("/orders/20417"))).await {
        answer.problem(504, "upstream-timeout");
    }
    assert_eq!(logins(&upstream), 1);
}

#[tokio::test]
async fn a_login_that_does_not_come_through_once_delays_nobody() {
    for fault in [Reply::bytes(b"").then_reset(), Reply::status(503, "")] {
        let is_first = AtomicBool::new(true);
        let upstream = Upstream::answering(move |query| match method(query) {
            "api_login" if is_first.swap(false, Ordering::SeqCst) => fault.clone(),
            method => answer(method),
        })
        .await;
        let gateway = Gateway::with(&upstream, &SETTINGS).await;
        gateway.patch_status(20417, r#"{"status":"received"}"#).await.ok();
        assert_eq!((upstream.queries().len(), logins(&upstream)), (3, 2));
    }
}

#[tokio::test]
async fn logins_that_do_not_come_through_open_the_breaker_like_other_reads() {
    let upstream = Upstream::saying(Reply::status(503, "")).await;
    let settings = [&SETTINGS[..], &[("UPSTREAMS__DEFAULT__BREAKER__MIN_CALLS", "1")]].concat();
    let gateway = Gateway::with(&upstream, &settings).await;
    let problem = gateway.patch_status(20417, r#"{"status":"received"}"#).await.problem(503, "upstream-unavailable");
    assert_eq!((&problem["outcome"], upstream.queries().len()), (&json!("not-applied"), 1));
    assert_eq!(gateway.metric(r#"upstream_breaker_state{upstream="default"}"#).await, 2);
}

#[tokio::test]
async fn a_credential_that_is_refused_for_good_makes_no_storm() {
    let upstream = Upstream::answering(|query| match method(query) {
        "api_login" => answer("api_login"),
        other => Reply::xml(&format!(
            "<{other}><status>failed</status><response><message>Access denied</message></response></{other}>"
        )),
    })
    .await;
    let gateway = Gateway::with(&upstream, &SETTINGS).await;
    for answer in join_all((0..20).map(|_| gateway.get("/orders/20417"))).await {
        answer.problem(502, "upstream-credential-rejected");
    }
    let problem = gateway.patch_status(20417, r#"{"status":"received"}"#).await.problem(502, "upstream-credential-rejected");
    assert_eq!(problem["outcome"], "not-applied");
    assert_eq!(logins(&upstream), 1);
}

#[tokio::test]
async fn a_login_that_fails_is_told_and_nothing_else_is_sent() {
    let failed = |inside: &str| format!("<api_login>{inside}<status>failed</status></api_login>");
    for (reply, status, code) in [
        (
            Reply::status(500, &failed("<response><message>Fel lösenord</message></response>")),
            502,
            "upstream-credential-rejected",
        ),
        (Reply::status(403, ""), 502, "upstream-credential-rejected"),
        (Reply::xml("<html/>"), 502, "upstream-answer-invalid"),
        (Reply::xml("<api_login><response/><status>success</status></api_login>"), 502, "upstream-answer-invalid"),
        (Reply::xml("<api_login><response><hash_key>a b</hash_key></response></api_login>"), 502, "upstream-answer-invalid"),
        (Reply::status(503, ""), 503, "upstream-unavailable"),
        (Reply::bytes(b"").then_hang(), 504, "upstream-timeout"),
    ] {
        // A login is a read, and is sent again like one.
        let sent = if status == 503 { 3 } else { 1 };
        let upstream = Upstream::saying(reply).await;
        let settings = [&SETTINGS[..], &[("UPSTREAMS__DEFAULT__TIMEOUT", "300ms")]].concat();
        let gateway = Gateway::with(&upstream, &settings).await;
        let problem = gateway.post_message(20417, r#"{"type":"log","text":"a"}"#).await.problem(status, code);
        assert_eq!(problem["outcome"], "not-applied", "{problem}");
        assert_eq!((upstream.queries().len(), logins(&upstream)), (sent, sent));
    }
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &SETTINGS).await;
    gateway.post_message(1, r#"{"type":"note","text":"a"}"#).await.problem(422, "invalid-value");
    let text = json!({"type": "log", "text": "&".repeat(3000)}).to_string();
    gateway.post_message(1, &text).await.problem(422, "invalid-value");
    assert!(upstream.queries().is_empty(), "not even a login");
}
