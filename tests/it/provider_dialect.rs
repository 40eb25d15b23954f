//! The provider dialect: login, session hash on every call, and `api_user` as well on messages.

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

/// The provider dialect's answer to a method.
fn answer(method: &str) -> Reply {
    match method {
        "api_login" | "customers" | "customer_info" => Reply::xml(&fixture(&format!("provider/{method}.xml"))),
        "add_message" | "set_status" => Reply::xml(&format!("<{method}><response/><status>success</status></{method}>")),
        _ => {
            let document = fixture(&format!("network/{method}.xml"));
            let payload = document.split_once("?>").expect("a declaration").1.trim();
            let payload =
                payload.strip_prefix(&format!("<{method}>")).and_then(|payload| payload.strip_suffix(&format!("</{method}>")));
            let payload = payload.expect("a payload").replace("<response>", "").replace("</response>", "");
            Reply::xml(&format!("<{method}><response>{payload}</response><status>success</status></{method}>"))
        }
    }
}

fn logins(upstream: &Upstream) -> usize {
    upstream.queries().iter().filter(|query| method(query) == "api_login").count()
}

#[tokio::test]
async fn calls_share_one_login_and_send_its_hash() {
    let upstream = Upstream::responding_to(|query| answer(method(query))).await;
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
async fn hundred_concurrent_calls_log_in_once() {
    let upstream = Upstream::responding_to(|query| answer(method(query))).await;
    let gateway = Gateway::with(&upstream, &SETTINGS).await;

    let answers = join_all((0..100).map(|_| gateway.get("/orders/20417"))).await;

    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(logins(&upstream), 1);
}

/// An upstream that rejects its last hash while `expired` is set; a login clears it.
async fn with_expiring_hash(expired: &Arc<AtomicBool>) -> Upstream {
    let (expired, login_count) = (Arc::clone(expired), AtomicUsize::new(0));
    Upstream::responding_to(move |query| {
        let hash = format!("hash={}&", login_count.load(Ordering::SeqCst));
        match method(query) {
            "api_login" => {
                expired.store(false, Ordering::SeqCst);
                let hash = login_count.fetch_add(1, Ordering::SeqCst) + 1;
                Reply::xml(&fixture("provider/api_login.xml").replace(HASH, &hash.to_string()))
            }
            known if query.contains(&hash) && !expired.load(Ordering::SeqCst) => answer(known),
            other => {
                let refused = format!("<{other}><status>failed</status><response><code>403</code></response></{other}>");
                Reply::status(403, &refused)
            }
        }
    })
    .await
}

#[tokio::test]
async fn rejected_hash_is_renewed_and_the_call_repeated_once() {
    let expired = Arc::new(AtomicBool::new(false));
    let upstream = with_expiring_hash(&expired).await;
    let gateway = Gateway::with(&upstream, &SETTINGS).await;

    gateway.get("/orders/20417").await.ok();
    for round in 2..5 {
        // A hash is renewed at most once a second.
        tokio::time::sleep(std::time::Duration::from_millis(1_050)).await;
        expired.store(true, Ordering::SeqCst);
        match round {
            2 => gateway.post_message(20417, r#"{"type":"log","text":"a"}"#).await.ok(),
            3 => gateway.get("/orders?since=2016-03-14").await.ok(),
            _ => gateway.get("/orders/20417").await.ok(),
        };
        assert_eq!(logins(&upstream), round);
    }

    // After the first login and call, each round is rejected, logs in, and is repeated.
    assert_eq!(upstream.queries().len(), 2 + 3 * 3);
}

#[tokio::test]
async fn one_forbidden_order_causes_no_login_storm() {
    let upstream = Upstream::responding_to(|query| match method(query) {
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
async fn callers_share_a_hanging_login() {
    let upstream = Upstream::responding_with(Reply::raw(b"").then_hang()).await;
    let settings = [&SETTINGS[..], &[("UPSTREAMS__DEFAULT__TIMEOUT", "300ms")]].concat();
    let gateway = Gateway::with(&upstream, &settings).await;

    for answer in join_all((0..50).map(|_| gateway.get("/orders/20417"))).await {
        answer.problem(504, "upstream-timeout");
    }

    assert_eq!(logins(&upstream), 1);
}

#[tokio::test]
async fn transient_login_failure_is_retried() {
    for fault in [Reply::raw(b"").then_reset(), Reply::status(503, "")] {
        let is_first = AtomicBool::new(true);
        let upstream = Upstream::responding_to(move |query| match method(query) {
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
async fn failed_logins_open_the_circuit_breaker() {
    let upstream = Upstream::responding_with(Reply::status(503, "")).await;
    let settings = [&SETTINGS[..], &[("UPSTREAMS__DEFAULT__BREAKER__MIN_CALLS", "1")]].concat();
    let gateway = Gateway::with(&upstream, &settings).await;

    let problem = gateway.patch_status(20417, r#"{"status":"received"}"#).await.problem(503, "upstream-unavailable");
    assert_eq!((&problem["outcome"], upstream.queries().len()), (&json!("not-applied"), 1));
    assert_eq!(gateway.metric(r#"upstream_breaker_state{upstream="default"}"#).await, 2);
}

#[tokio::test]
async fn rejected_credential_causes_no_login_storm() {
    let upstream = Upstream::responding_to(|query| match method(query) {
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
async fn failed_login_is_reported_and_nothing_else_is_sent() {
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
        (Reply::raw(b"").then_hang(), 504, "upstream-timeout"),
    ] {
        // Logins are retried like reads.
        let sent = if status == 503 { 3 } else { 1 };
        let upstream = Upstream::responding_with(reply).await;
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
