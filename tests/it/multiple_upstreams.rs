//! Tenant isolation: two upstreams with equal order ids and equal idempotency keys behind one gateway.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{ALL_SCOPES, ApiClient, FIRST_ORDER, FakeLegacy, Fault, Gateway, Reply, Upstream, borrowed, random};

const TENANTS: [&str; 2] = ["north", "south"];

/// A gateway in front of two upstreams, each with one API client: `north` and `south`.
async fn gateway(urls: [&str; 2], more: &[(&str, &str)]) -> Gateway {
    let mut variables: Vec<_> = TENANTS
        .into_iter()
        .flat_map(|name| {
            ApiClient { name, upstream: if name == "north" { "default" } else { "second" }, scopes: ALL_SCOPES }.variables()
        })
        .collect();
    variables.push(("UPSTREAMS__SECOND__URL".to_owned(), urls[1].to_owned()));
    variables.push(("UPSTREAMS__SECOND__API_USER".to_owned(), "1234".to_owned()));
    if crate::support::is_provider() {
        variables.push(("UPSTREAMS__SECOND__DIALECT".to_owned(), "provider".to_owned()));
        variables.push(("UPSTREAMS__SECOND__API_KEY".to_owned(), "KEY".to_owned()));
    }
    Gateway::in_front_of_url(urls[0], &[borrowed(&variables), more.to_vec()].concat()).await
}

/// Answers that all contain `name`, so that a mix-up of tenants is visible.
fn answers_with(name: &'static str) -> impl Fn(&str) -> Reply + Send + Sync + 'static {
    move |query| {
        let id = query.split("id=").nth(1).map_or("", |rest| rest.split('&').next().unwrap_or_default());
        let entry = format!("<log><date>2016-03-14 09:05:00</date><type>log</type><message>{name}</message></log>");
        Reply::xml(&match query {
            _ if query.contains("method=orders") => format!(
                "<orders><order><id>1</id><date>2016-03-14 09:05:00</date><type>{name}</type></order>\
                 <order><id>2</id><date>2016-03-15 09:05:00</date><type>{name}</type></order></orders>"
            ),
            _ if query.contains("method=order_info") => {
                format!(
                    "<order_info><orderinfo><status>{name}</status></orderinfo>\
                     <customer><id>{id}</id><firstname>{name}</firstname></customer><logs>{entry}</logs></order_info>"
                )
            }
            _ if query.contains("method=customer_info") => {
                format!("<customer_info><customer><id>{id}</id><firstname>{name}</firstname></customer></customer_info>")
            }
            _ if query.contains("method=set_status") => "<set_status><status>success</status></set_status>".to_owned(),
            _ => "<add_message><status>success</status></add_message>".to_owned(),
        })
    }
}

/// Posts a message with one of the idempotency keys that both tenants use, and returns its reference, which is made from the key.
async fn post_keyed(gateway: &Gateway, name: &'static str, order: u64, key: u64) -> (&'static str, String, String) {
    let key = &format!("0123456789abcdef-{key}");
    let post = || {
        let request = gateway.request(Method::POST, &format!("/orders/{order}/messages")).bearer_auth(name);
        let request = request.header("content-type", "application/json").header("idempotency-key", key);
        gateway.send(request.body(json!({"type": "log", "text": format!("hej {name}")}).to_string()))
    };
    let mut answer = post().await;
    // On a busy machine the requests with this key may queue longer than the gateway lets them wait.
    while answer.status == 409 {
        assert_eq!(answer.problem(409, "idempotency-key-in-use")["outcome"], "not-applied");
        answer = post().await;
    }
    (name, "reference".to_owned(), answer.ok()["reference"].as_str().expect("a reference").to_owned())
}

#[tokio::test]
async fn interleaved_tenants_never_see_each_other() {
    let north = Upstream::responding_to(answers_with("north")).await;
    let south = Upstream::responding_to(answers_with("south")).await;
    let gateway = gateway([&north.url(), &south.url()], &[]).await;
    let send = |number: u64| {
        let gateway = &gateway;
        async move {
            let bits = random(number);
            let (name, other) = if bits & 1 == 0 { ("north", "south") } else { ("south", "north") };
            let id = bits >> 1 & 3;
            let target = match bits >> 8 & 7 {
                0 => "/orders?since=2016-03-14".to_owned(),
                1 => "/orders?since=2016-03-14&limit=1".to_owned(),
                2 => format!("/customers/{}", id + 1),
                3 => format!("/orders/{}/messages", id + 1),
                4 => format!("/orders/{}/status", id + 1),
                5 => return post_keyed(gateway, name, id + 1, bits >> 16 & 63).await,
                _ => format!("/orders/{}", id + 1),
            };
            let answer = gateway.send(gateway.request(Method::GET, &target).bearer_auth(name)).await;
            answer.ok();
            assert!(answer.body.contains(name) && !answer.body.contains(other), "{target} as {name}: {}", answer.body);
            (name, target, answer.header("etag").to_owned())
        }
    };
    let results: Vec<_> = stream::iter(0..10_000).map(send).buffer_unordered(64).collect().await;

    for (name, target, etag) in results.iter().filter(|(_, target, etag)| !etag.is_empty() && target != "reference").take(500) {
        let others = results.iter().filter(|(owner, other, _)| owner != name && other == target);
        assert!(others.take(20).all(|(_, _, other)| other != etag), "{target}");
    }

    for (upstream, other) in [(&north, "south"), (&south, "north")] {
        let writes: Vec<_> = upstream.queries().into_iter().filter(|query| query.contains("method=add_message")).collect();
        assert!(writes.len() > 100 && writes.iter().all(|query| !query.contains(other)), "{} writes", writes.len());
    }

    let references = |name: &str| {
        results
            .iter()
            .filter(|(owner, target, _)| owner == &name && target == "reference")
            .map(|(_, _, reference)| reference.clone())
            .collect::<BTreeSet<_>>()
    };
    assert!(references("north").len() > 100 && references("north").is_disjoint(&references("south")));
}

#[tokio::test]
async fn cursors_and_keys_are_scoped_to_their_tenant() {
    let north = FakeLegacy::with_faults(|_| Fault::None).await;
    let south = FakeLegacy::with_faults(|_| Fault::None).await;
    let gateway = gateway([&north.url(), &south.url()], &[]).await;
    let get = async |name: &str, target: &str| gateway.send(gateway.request(Method::GET, target).bearer_auth(name)).await;

    let page = get("north", "/orders?since=2016-03-14&limit=1").await.ok();
    let next = format!("/orders?since=2016-03-14&limit=1&cursor={}", page["nextCursor"].as_str().expect("a cursor"));
    get("north", &next).await.ok();
    get("south", &next).await.problem(400, "invalid-parameter");

    let post = async |name: &str| {
        let request = gateway.request(Method::POST, &format!("/orders/{FIRST_ORDER}/messages")).bearer_auth(name);
        let request = request.header("content-type", "application/json").header("idempotency-key", "0123456789abcdef");
        gateway.send(request.body(json!({"type": "log", "text": "en av två"}).to_string())).await
    };
    let (first, second) = (post("north").await, post("south").await);
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!((first.header("idempotency-replayed"), second.header("idempotency-replayed")), ("", ""));
    assert_ne!(first.json()["reference"], second.json()["reference"]);
    assert_eq!(north.log_texts_containing(FIRST_ORDER, "en av två").await.len(), 1);
    assert_eq!(south.log_texts_containing(FIRST_ORDER, "en av två").await.len(), 1);
    assert_eq!(post("north").await.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn clients_of_one_upstream_have_separate_key_scopes() {
    let legacy = FakeLegacy::with_faults(|_| Fault::None).await;
    let clients = ["a", "b"].map(|name| ApiClient { name, upstream: "default", scopes: ALL_SCOPES }.variables()).concat();
    let gateway = Gateway::in_front_of_url(&legacy.url(), &borrowed(&clients)).await;
    let post = async |name: &str, text: &str| {
        let request = gateway.request(Method::POST, &format!("/orders/{FIRST_ORDER}/messages")).bearer_auth(name);
        let request = request.header("content-type", "application/json").header("idempotency-key", "0123456789abcdef");
        gateway.send(request.body(json!({"type": "log", "text": text}).to_string())).await
    };

    assert_eq!(post("a", "från a").await.status, 201);
    // The same key with another text is no reuse, because it belongs to another client.
    assert_eq!(post("b", "från b").await.status, 201);

    post("a", "annat").await.problem(422, "idempotency-key-reused");
    let log: Value =
        gateway.send(gateway.request(Method::GET, &format!("/orders/{FIRST_ORDER}/messages")).bearer_auth("a")).await.ok();

    assert_eq!(log["items"].as_array().expect("log entries").iter().filter(|entry| entry["reference"].is_string()).count(), 2);
}

#[tokio::test]
async fn circuit_breakers_are_per_upstream() {
    let south = Upstream::responding_to(answers_with("south")).await;
    let gateway = gateway(["http://127.0.0.1:1/orders", &south.url()], &[]).await;
    let get = async |name: &str| gateway.send(gateway.request(Method::GET, "/orders/1").bearer_auth(name)).await;

    for _ in 0..30 {
        assert!(matches!(get("north").await.status, 502 | 503));
        get("south").await.ok();
    }

    get("north").await.problem(503, "upstream-unavailable");
    assert_eq!(gateway.metric("upstream_breaker_state{upstream=\"default\"}").await, 2);
    assert_eq!(gateway.metric("upstream_breaker_state{upstream=\"second\"}").await, 0);
}
