//! Entity tags: what is the same has the same one, and a write can be made to depend on it.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use tjansteguiden_gateway::config::hash_of_key;
use tjansteguiden_gateway::model::OrderStatus;

use crate::support::{Answer, FIRST_ORDER, Fault, Gateway, System, is_provider, is_write, soon};

async fn tag(gateway: &Gateway, target: &str) -> String {
    let answer = gateway.get(target).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.header("etag").to_owned()
}

async fn get_if_none(gateway: &Gateway, target: &str, tags: &str) -> Answer {
    gateway.send(gateway.request(Method::GET, target).header("if-none-match", tags)).await
}

async fn patch_if(gateway: &Gateway, tags: &str, status: &str) -> Answer {
    let target = format!("/orders/{FIRST_ORDER}/status");
    let request = gateway.request(Method::PATCH, &target).header("content-type", "application/json");
    gateway.send(request.header("if-match", tags).body(format!("{{\"status\":\"{status}\"}}"))).await
}

async fn healthy() -> (System, Gateway) {
    let system = System::with_faults(|_| Fault::None).await;
    let gateway = Gateway::before_url(&system.url(), &[]).await;
    (system, gateway)
}

const STATUS: &str = "/orders/20417/status";

#[tokio::test]
async fn who_has_the_answer_is_told_so_and_gets_none() {
    let (_system, gateway) = healthy().await;
    for target in ["/orders/20417", STATUS, "/customers/18020", "/openapi.json", "/openapi.yaml"] {
        let tag = tag(&gateway, target).await;
        assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let answer = get_if_none(&gateway, target, &known).await;
            assert_eq!((answer.status, answer.body.as_str(), answer.header("etag")), (304, "", &*tag), "{target}");
            assert_eq!(answer.header("cache-control"), "private, no-cache");
        }
        for other in ["\"x\"", "nonsense", ""] {
            assert_eq!(get_if_none(&gateway, target, other).await.status, 200, "{target} {other}");
        }
        // Every replica gives the same one, and a compressed answer would be another.
        let compressed = gateway.request(Method::GET, target).header("accept-encoding", "gzip");
        let answer = gateway.send(compressed).await;
        assert_eq!((answer.header("etag"), answer.header("content-encoding")), (&*tag, ""));
    }
    for target in ["/orders?since=2016-03-14", "/orders?since=2016-03-14&limit=1", "/orders/20417/messages"] {
        assert_eq!(gateway.get(target).await.header("etag"), "", "{target}");
    }
}

#[tokio::test]
async fn the_tag_of_a_status_stands_for_its_log_too() {
    let (system, gateway) = healthy().await;
    let first = tag(&gateway, STATUS).await;
    assert_eq!(tag(&gateway, STATUS).await, first);
    system.change(FIRST_ORDER, OrderStatus::Active).await;
    let second = tag(&gateway, STATUS).await;
    // It went away and came back.
    system.change(FIRST_ORDER, OrderStatus::New).await;
    let third = tag(&gateway, STATUS).await;
    assert!(first != second && second != third && first != third);
    let replica = Gateway::before_url(&system.url(), &[]).await;
    assert_eq!(tag(&replica, STATUS).await, third);
}

#[tokio::test]
async fn equal_orders_of_two_upstreams_have_other_tags() {
    let system = System::with_faults(|_| Fault::None).await;
    let hash_of = |key: &str| hash_of_key(key).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let (one, two) = (hash_of("key-of-one"), hash_of("key-of-two"));
    let settings = [
        ("UPSTREAMS__OTHER__URL", &*system.url()),
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
    let gateway = Gateway::before_url(&system.url(), &settings).await;
    let request = |method, key| gateway.request(method, STATUS).header("x-api-key", key);
    let tag = gateway.send(request(Method::GET, "key-of-one")).await.header("etag").to_owned();
    let others = gateway.send(request(Method::GET, "key-of-two")).await.header("etag").to_owned();
    assert!(tag.len() == 34 && others.len() == 34 && tag != others, "{tag} {others}");
    for (key, status) in [("key-of-two", 412), ("key-of-one", 200)] {
        let patch = request(Method::PATCH, key).header("content-type", "application/json").header("if-match", &tag);
        assert_eq!(gateway.send(patch.body(r#"{"status":"received"}"#)).await.status, status);
    }
}

#[tokio::test]
async fn a_status_changes_only_if_the_order_is_as_it_was_seen() {
    let (system, gateway) = healthy().await;
    let seen = tag(&gateway, STATUS).await;
    let answer = patch_if(&gateway, &format!("\"x\",, {seen}, "), "received").await;
    assert_eq!((&answer.ok()["status"], answer.header("etag")), (&"received".into(), ""));
    let old = patch_if(&gateway, &seen, "active").await;
    let problem = old.problem(412, "precondition-failed");
    assert_eq!((&problem["currentStatus"], &problem["outcome"]), (&"received".into(), &"not-applied".into()));
    // Strict, also when the order has the wanted status already: somebody else picked it up.
    patch_if(&gateway, &seen, "received").await.problem(412, "precondition-failed");
    patch_if(&gateway, old.header("etag"), "active").await.ok();
    let now = tag(&gateway, STATUS).await;
    patch_if(&gateway, &format!("W/{now}"), "waiting").await.problem(412, "precondition-failed");
    patch_if(&gateway, "*", "waiting").await.ok();
    assert_eq!((system.status(FIRST_ORDER).await.as_str(), system.writes()), ("waiting", 3));
    let missing = gateway.request(Method::PATCH, "/orders/1/status").header("content-type", "application/json");
    let answer = gateway.send(missing.header("if-match", "*").body(r#"{"status":"new"}"#)).await;
    assert_eq!(answer.problem(404, "order-not-found")["outcome"], "not-applied");
    assert_eq!(system.writes(), 3);
}

#[tokio::test]
async fn of_many_who_pick_an_order_up_at_once_one_does() {
    let (system, gateway) = healthy().await;
    let seen = tag(&gateway, STATUS).await;
    let answers = join_all((0..20).map(|_| patch_if(&gateway, &seen, "received"))).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((won, answers.iter().filter(|answer| answer.status == 412).count()), (1, 19));
    assert_eq!(system.writes(), 1);
}

/// A guarded change whose answer is lost, and what the order has become meanwhile.
async fn change_with_fault(fault: Fault) -> (System, Gateway, Answer) {
    let system = System::with_faults(move |query| if is_write(query) { fault } else { Fault::None }).await;
    let gateway = Gateway::before_url(&system.url(), &[("UPSTREAMS__DEFAULT__TIMEOUT", "500ms")]).await;
    let seen = tag(&gateway, STATUS).await;
    let answer = patch_if(&gateway, &seen, "received").await;
    (system, gateway, answer)
}

#[tokio::test]
async fn an_open_change_is_settled_by_looking_and_never_sent_twice() {
    for applied in [Fault::Cut(0), Fault::AnswerReset, Fault::Hang, Fault::Cut(60)] {
        let (system, _gateway, answer) = change_with_fault(applied).await;
        assert_eq!(answer.ok()["status"], "received", "{applied:?}");
        assert_eq!((system.writes(), system.status(FIRST_ORDER).await.as_str()), (1, "received"));
    }
    let lost = [Fault::Drop, Fault::Reset, Fault::Page(503), Fault::Page(302), Fault::Page(429), Fault::Page(200)];
    join_all(lost.map(|fault| async move {
        let (system, gateway, answer) = change_with_fault(fault).await;
        assert_eq!(answer.problem(504, "outcome-unknown")["outcome"], "unknown", "{fault:?}");
        assert_eq!((system.writes(), system.status(FIRST_ORDER).await.as_str()), (1, "new"));
        let counted = gateway.metric(r#"write_outcome_total{call="set_status",outcome="unknown"}"#).await;
        assert_eq!(counted, 1);
    }))
    .await;
}

#[tokio::test]
async fn another_status_after_an_open_change_is_a_conflict() {
    let system = System::with_faults(|query| if is_write(query) { Fault::Hang } else { Fault::None }).await;
    let gateway = Gateway::before_url(&system.url(), &[("UPSTREAMS__DEFAULT__TIMEOUT", "500ms")]).await;
    let seen = tag(&gateway, STATUS).await;
    let change = patch_if(&gateway, &seen, "received");
    let other = async {
        soon("the change was applied", async || system.status(FIRST_ORDER).await == "received").await;
        system.change(FIRST_ORDER, OrderStatus::Cancelled).await;
    };
    let (answer, ()) = tokio::join!(change, other);
    let problem: Value = answer.problem(409, "write-conflict");
    assert_eq!((&problem["currentStatus"], &problem["outcome"]), (&"cancelled".into(), &"unknown".into()));
    assert_eq!(system.writes(), 1);
    assert_eq!(gateway.metric("write_conflict_total").await, 1);
}
