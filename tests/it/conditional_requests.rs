//! Entity tags and conditional requests: `If-None-Match` on reads, `If-Match` on status changes.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use tjansteguiden_gateway::model::OrderStatus;

use crate::support::{
    Answer, FIRST_ORDER, FakeLegacy, Fault, Gateway, Reply, Upstream, api_key_hash, eventually, is_provider, is_write,
};

async fn etag(gateway: &Gateway, target: &str) -> String {
    let answer = gateway.get(target).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.header("etag").to_owned()
}

async fn get_if_none_match(gateway: &Gateway, target: &str, etags: &str) -> Answer {
    gateway.send(gateway.request(Method::GET, target).header("if-none-match", etags)).await
}

async fn patch_if_match(gateway: &Gateway, etags: &str, status: &str) -> Answer {
    let target = format!("/orders/{FIRST_ORDER}/status");
    let request = gateway.request(Method::PATCH, &target).header("content-type", "application/json");
    gateway.send(request.header("if-match", etags).body(format!("{{\"status\":\"{status}\"}}"))).await
}

async fn without_faults() -> (FakeLegacy, Gateway) {
    let legacy = FakeLegacy::with_faults(|_| Fault::None).await;
    let gateway = Gateway::in_front_of_url(&legacy.url(), &[]).await;
    (legacy, gateway)
}

const STATUS: &str = "/orders/20417/status";

#[tokio::test]
async fn matching_if_none_match_returns_304() {
    let (_legacy, gateway) = without_faults().await;

    for target in ["/orders/20417", STATUS, "/customers/18020", "/openapi.json", "/openapi.yaml"] {
        let etag = etag(&gateway, target).await;
        assert!(etag.starts_with('"') && etag.len() == 34, "{etag}");

        for known in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
            let answer = get_if_none_match(&gateway, target, &known).await;

            assert_eq!((answer.status, answer.body.as_str(), answer.header("etag")), (304, "", &*etag), "{target}");
            assert_eq!(answer.header("cache-control"), "private, no-cache");
        }

        for other in ["\"x\"", "nonsense", ""] {
            assert_eq!(get_if_none_match(&gateway, target, other).await.status, 200, "{target} {other}");
        }

        // A strong ETag identifies exact bytes, so these responses are never compressed.
        let compressed = gateway.request(Method::GET, target).header("accept-encoding", "gzip");
        let answer = gateway.send(compressed).await;
        assert_eq!((answer.header("etag"), answer.header("content-encoding")), (&*etag, ""));
    }

    for target in ["/orders?since=2016-03-14", "/orders?since=2016-03-14&limit=1", "/orders/20417/messages"] {
        assert_eq!(gateway.get(target).await.header("etag"), "", "{target}");
    }
}

#[tokio::test]
async fn status_etag_covers_the_log() {
    let (legacy, gateway) = without_faults().await;

    let first = etag(&gateway, STATUS).await;
    assert_eq!(etag(&gateway, STATUS).await, first);

    legacy.set_status(FIRST_ORDER, OrderStatus::Active).await;
    let second = etag(&gateway, STATUS).await;
    // Back to the first status: the log has grown, so the ETag differs.
    legacy.set_status(FIRST_ORDER, OrderStatus::New).await;
    let third = etag(&gateway, STATUS).await;
    assert!(first != second && second != third && first != third);

    let replica = Gateway::in_front_of_url(&legacy.url(), &[]).await;
    assert_eq!(etag(&replica, STATUS).await, third);
}

#[tokio::test]
async fn status_tag_of_an_order_saves_the_read_of_its_status() {
    let (_legacy, gateway) = without_faults().await;
    let list = "/orders?since=2016-03-14&limit=5";
    let first_item = async |target: &str| gateway.get(target).await.ok()["items"][0].clone();

    let expanded = first_item(&format!("{list}&expand=detail")).await;
    let order = gateway.get("/orders/20417").await.ok();
    let status_tag = order["statusTag"].as_str().expect("a tag").to_owned();
    assert_eq!((expanded["id"].as_u64(), &expanded["statusTag"]), (Some(20417), &order["statusTag"]));
    assert_eq!(etag(&gateway, STATUS).await, status_tag);
    assert_eq!(first_item(list).await.get("statusTag"), None, "no log was read");

    assert_eq!(patch_if_match(&gateway, &status_tag, "received").await.status, 200);
    assert_eq!(patch_if_match(&gateway, &status_tag, "active").await.status, 412);
}

#[tokio::test]
async fn status_tag_of_an_item_is_of_the_status_that_the_item_shows() {
    let orders = "<orders><order><id>5</id><status>new</status></order></orders>";
    let details = "<order_info><orderinfo><status>active</status></orderinfo><logs/></order_info>";
    let upstream =
        Upstream::responding_to(move |query| Reply::xml(if query.contains("order_info") { details } else { orders })).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    let page = gateway.get("/orders?since=2016-03-14&limit=5&expand=detail").await.ok();

    // The client has decided by `new`, so a change with the tag must not pass while the order is `active`.
    assert_eq!(page["items"][0]["status"], "new");
    assert_ne!(page["items"][0]["statusTag"], etag(&gateway, "/orders/5/status").await);
}

#[tokio::test]
async fn etags_differ_between_upstreams() {
    let legacy = FakeLegacy::with_faults(|_| Fault::None).await;
    let (one, two) = (api_key_hash("key-of-one"), api_key_hash("key-of-two"));
    let settings = [
        ("UPSTREAMS__OTHER__URL", &*legacy.url()),
        ("UPSTREAMS__OTHER__API_USER", "1234"),
        ("AUTH__MODE", "api-key"),
        ("AUTH__CLIENTS__ONE__KEY_SHA256", &one),
        ("AUTH__CLIENTS__ONE__UPSTREAM", "default"),
        ("AUTH__CLIENTS__ONE__SCOPES", "orders:read,orders:write"),
        ("AUTH__CLIENTS__TWO__KEY_SHA256", &two),
        ("AUTH__CLIENTS__TWO__UPSTREAM", "other"),
        ("AUTH__CLIENTS__TWO__SCOPES", "orders:read,orders:write"),
    ];
    let login = [("UPSTREAMS__OTHER__DIALECT", "provider"), ("UPSTREAMS__OTHER__API_KEY", "KEY")];
    let settings = if is_provider() { [&settings[..], &login].concat() } else { settings.to_vec() };
    let gateway = Gateway::in_front_of_url(&legacy.url(), &settings).await;
    let request = |method, key| gateway.request(method, STATUS).header("x-api-key", key);

    let etag = gateway.send(request(Method::GET, "key-of-one")).await.header("etag").to_owned();
    let other_etag = gateway.send(request(Method::GET, "key-of-two")).await.header("etag").to_owned();
    assert!(etag.len() == 34 && other_etag.len() == 34 && etag != other_etag, "{etag} {other_etag}");

    for (key, status) in [("key-of-two", 412), ("key-of-one", 200)] {
        let patch = request(Method::PATCH, key).header("content-type", "application/json").header("if-match", &etag);
        assert_eq!(gateway.send(patch.body(r#"{"status":"received"}"#)).await.status, status);
    }
}

#[tokio::test]
async fn if_match_rejects_a_changed_order() {
    let (legacy, gateway) = without_faults().await;

    let known = etag(&gateway, STATUS).await;
    let answer = patch_if_match(&gateway, &format!("\"x\",, {known}, "), "received").await;
    assert_eq!((&answer.ok()["status"], answer.header("etag")), (&"received".into(), &*etag(&gateway, STATUS).await));

    let outdated = patch_if_match(&gateway, &known, "active").await;
    let problem = outdated.problem(412, "precondition-failed");
    assert_eq!((&problem["currentStatus"], &problem["outcome"]), (&"received".into(), &"not-applied".into()));

    // Strict, even if the order has the wanted status already: another client has claimed it.
    patch_if_match(&gateway, &known, "received").await.problem(412, "precondition-failed");
    patch_if_match(&gateway, outdated.header("etag"), "active").await.ok();
    let current = etag(&gateway, STATUS).await;
    patch_if_match(&gateway, &format!("W/{current}"), "waiting").await.problem(412, "precondition-failed");
    patch_if_match(&gateway, "*", "waiting").await.ok();
    assert_eq!((legacy.status(FIRST_ORDER).await.as_str(), legacy.write_count()), ("waiting", 3));

    let missing = gateway.request(Method::PATCH, "/orders/1/status").header("content-type", "application/json");
    let answer = gateway.send(missing.header("if-match", "*").body(r#"{"status":"new"}"#)).await;
    assert_eq!(answer.problem(404, "order-not-found")["outcome"], "not-applied");
    assert_eq!(legacy.write_count(), 3);
}

#[tokio::test]
async fn only_one_concurrent_claim_succeeds() {
    let (legacy, gateway) = without_faults().await;

    let known = etag(&gateway, STATUS).await;
    let answers = join_all((0..20).map(|_| patch_if_match(&gateway, &known, "received"))).await;

    let succeeded = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((succeeded, answers.iter().filter(|answer| answer.status == 412).count()), (1, 19));
    assert_eq!(legacy.write_count(), 1);
}

/// Sends a conditional change that meets `fault`.
async fn change_with_fault(fault: Fault) -> (FakeLegacy, Gateway, Answer) {
    let legacy = FakeLegacy::with_faults(move |query| if is_write(query) { fault } else { Fault::None }).await;
    let gateway = Gateway::in_front_of_url(&legacy.url(), &[("UPSTREAMS__DEFAULT__TIMEOUT", "500ms")]).await;
    let known = etag(&gateway, STATUS).await;
    let answer = patch_if_match(&gateway, &known, "received").await;
    (legacy, gateway, answer)
}

#[tokio::test]
async fn in_doubt_change_is_verified_and_never_resent() {
    for applied in [Fault::Cut(0), Fault::AnswerReset, Fault::Hang, Fault::Cut(60)] {
        let (legacy, _gateway, answer) = change_with_fault(applied).await;

        assert_eq!(answer.ok()["status"], "received", "{applied:?}");
        assert_eq!((legacy.write_count(), legacy.status(FIRST_ORDER).await.as_str()), (1, "received"));
    }

    let lost = [Fault::Drop, Fault::Reset, Fault::Html(503), Fault::Html(302), Fault::Html(429), Fault::Html(200)];
    join_all(lost.map(|fault| async move {
        let (legacy, gateway, answer) = change_with_fault(fault).await;
        assert_eq!(answer.problem(504, "outcome-unknown")["outcome"], "unknown", "{fault:?}");
        assert_eq!((legacy.write_count(), legacy.status(FIRST_ORDER).await.as_str()), (1, "new"));
        let unknown = gateway.metric(r#"write_outcome_total{call="set_status",outcome="unknown"}"#).await;
        assert_eq!(unknown, 1);
    }))
    .await;
}

#[tokio::test]
async fn other_status_after_in_doubt_change_is_a_conflict() {
    let legacy = FakeLegacy::with_faults(|query| if is_write(query) { Fault::Hang } else { Fault::None }).await;
    let gateway = Gateway::in_front_of_url(&legacy.url(), &[("UPSTREAMS__DEFAULT__TIMEOUT", "500ms")]).await;

    let known = etag(&gateway, STATUS).await;
    let change = patch_if_match(&gateway, &known, "received");
    let other_writer = async {
        eventually("the change was applied", async || legacy.status(FIRST_ORDER).await == "received").await;
        legacy.set_status(FIRST_ORDER, OrderStatus::Cancelled).await;
    };
    let (answer, ()) = tokio::join!(change, other_writer);
    let problem: Value = answer.problem(409, "write-conflict");
    assert_eq!((&problem["currentStatus"], &problem["outcome"]), (&"cancelled".into(), &"unknown".into()));
    assert_eq!(legacy.write_count(), 1);
    assert_eq!(gateway.metric("write_conflict_total").await, 1);
}
