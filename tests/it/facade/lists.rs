//! Lists: streamed, and broken off rather than shown as complete; of one system and of two.

use std::sync::Arc;

use tjansteguiden_gateway::backend::{Backend, Error, Side, Split};
use tjansteguiden_gateway::config::Dialect;
use tjansteguiden_gateway::legacy::server::{Client, System};
use tjansteguiden_gateway::model::OrderId;

use crate::support::{Endpoint, LegacyAnswer, NETWORK_PATH, Script, ScriptedBackend, settings, shop};

const LISTS: [&str; 2] = ["orders", "customers"];

fn backend(script: Script) -> Arc<dyn Backend> {
    Arc::new(ScriptedBackend::new(script))
}

async fn list(endpoint: &Endpoint, method: &str, version: &str) -> LegacyAnswer {
    let query = format!("method={method}&api_user=1234&date=2016-01-01");
    endpoint.send(format!("GET {NETWORK_PATH}?{query} HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n")).await
}

fn ids(answer: &LegacyAnswer) -> Vec<u64> {
    let text = answer.text();
    text.split("<id>").skip(1).filter_map(|rest| rest.split('<').next()?.parse().ok()).collect()
}

#[tokio::test]
async fn list_that_breaks_off_never_looks_complete() {
    for version in ["1.1", "1.0"] {
        for method in LISTS {
            let script = Script::IdsThenError(vec![1, 2, 3], Error::Timeout);
            let endpoint = Endpoint::over(backend(script)).await;

            let answer = list(&endpoint, method, version).await;

            assert_eq!((answer.status, answer.is_complete), (200, false), "{version} {method}");
            assert!(!answer.text().contains(&format!("</{method}>")), "{}", answer.text());
            endpoint.wait_for_count(method, "memory", "broken").await;
        }
    }
}

#[tokio::test]
async fn list_that_fails_before_its_head_is_a_failure() {
    for script in [Script::IdsThenError(Vec::new(), Error::Timeout), Script::IdsThenUndecodable(vec![1])] {
        let endpoint = Endpoint::over(backend(script.clone())).await;
        for method in LISTS {
            let answer = list(&endpoint, method, "1.1").await;
            assert!(matches!(answer.status, 502 | 504) && answer.is_complete, "{script:?}: {answer:?}");
            assert!(answer.text().contains("<status>failed</status>"), "{script:?}");
        }
    }
}

/// An endpoint over two systems, divided at order 10.
async fn split(below: Script, above: Script) -> Endpoint {
    let side = |name: &str, script| Side { name: name.into(), backend: backend(script) };
    let split = Split::new(side("old", below), side("new", above), OrderId::try_new(10).expect("an id"));
    let system = System { name: Arc::clone(split.name()), backend: Arc::new(split) };
    let client = Client { system, ..shop(backend(Script::Ids(Vec::new()))) };
    Endpoint::start(settings(Dialect::Network, client)).await
}

#[tokio::test]
async fn lists_of_two_systems_show_each_order_and_customer_once() {
    let endpoint = split(Script::Ids(vec![1, 9, 10, 20]), Script::Ids(vec![1, 9, 11, 12])).await;

    assert_eq!(ids(&list(&endpoint, "orders", "1.1").await), [1, 9, 11, 12]);
    assert_eq!(ids(&list(&endpoint, "customers", "1.1").await), [1, 9, 11, 12, 10, 20]);
    endpoint.wait_for_count("orders", "old+new", "success").await;
    endpoint.wait_for_count("customers", "old+new", "success").await;

    for (id, system) in [(9, "old"), (10, "new")] {
        assert_eq!(endpoint.get(&format!("method=order_info&api_user=1234&id={id}")).await.status, 200);
        endpoint.wait_for_count("order_info", system, "success").await;
        assert_eq!(endpoint.get(&format!("method=set_status&api_user=1234&id={id}&status=active")).await.status, 200);
        endpoint.wait_for_count("set_status", system, "success").await;
    }
}

#[tokio::test]
async fn customer_unknown_above_is_read_below() {
    let endpoint = split(Script::Named("Tolvan"), Script::Error(Error::NotFound)).await;
    let answer = endpoint.get("method=customer_info&api_user=1234&id=1").await;

    assert!(answer.text().contains("<firstname>Tolvan</firstname>"), "{}", answer.text());
    endpoint.wait_for_count("customer_info", "old", "success").await;
}

#[tokio::test]
async fn fault_of_either_side_is_a_fault_of_the_list() {
    let good = || Script::Ids(vec![1, 2, 11, 12]);
    let broken = || Script::IdsThenError(vec![1, 2, 11, 12], Error::Timeout);
    let down = || Script::Error(Error::Unreachable);
    for (below, above, method, has_begun) in [
        (down(), good(), "orders", false),
        (good(), down(), "orders", true),
        (broken(), good(), "orders", true),
        (good(), broken(), "orders", true),
        (good(), down(), "customers", false),
        (down(), good(), "customers", true),
        (broken(), good(), "customers", true),
        (good(), broken(), "customers", true),
        // Nothing was sent when the second failed.
        (Script::Ids(Vec::new()), down(), "orders", false),
    ] {
        let name = format!("{below:?} {above:?} {method}");
        let endpoint = split(below, above).await;

        let answer = list(&endpoint, method, "1.1").await;

        assert!(
            !answer.text().contains("</response></orders>") && !answer.text().ends_with("</customers>") || !has_begun,
            "{name}"
        );
        let expected = if has_begun { (200, false) } else { (503, true) };
        assert_eq!((answer.status, answer.is_complete), expected, "{name}: {}", answer.text());
    }
}
