//! A JSON system beside a legacy one.

use clap::Parser;
use serde_json::json;
use tjansteguiden_gateway::config::SystemsConfig;

use super::{CommandLine, Fake, Outcome, different, report};
use crate::support::{Gateway, Reply, Upstream};

/// Compares a legacy system with a gateway, whose API is that of a JSON system.
async fn compare(old: &Upstream, gateway: &Gateway, arguments: &[&str]) -> Outcome {
    let (old, new) = (old.url(), format!("http://{}", gateway.address));
    let variables = [("UPSTREAMS__OLD__URL", old), ("UPSTREAMS__OLD__API_USER", "1234".to_owned())];
    let variables = variables.into_iter().chain([("FACADE__BACKENDS__NEW__URL", new)]);
    let config = SystemsConfig::load(None, variables.map(|(name, value)| (format!("GATEWAY__{name}"), value)));
    let since = ["--since", "2026-09-01", "--settle", "0s", "--rate", "1000"];
    let options = CommandLine::parse_from(arguments.iter().chain(&since)).options;
    report(&config.expect("a valid configuration"), &options).await
}

#[tokio::test]
async fn same_data_are_equal_in_both_protocols() {
    let legacy = Fake::with_orders(1..=5).start().await;
    let gateway = Gateway::in_front_of(&legacy).await;
    for arguments in [["old", "new", "--customers"], ["new", "old", "--customers"], ["new", "new", "--customers"]] {
        let outcome = compare(&legacy, &gateway, &arguments).await;
        assert_eq!((outcome.code, &outcome.json["orders"]["equal"]), (0, &json!(5)), "{}", outcome.text);
        assert_eq!(outcome.json["customers"]["equal"], json!(5));
        let is_json_alone = outcome.json["notKnown"] == json!(["messages.reference"]);
        assert_eq!(is_json_alone, arguments[..2] == ["new", "new"], "{}", outcome.json["notKnown"]);
    }
}

#[tokio::test]
async fn differences_have_the_same_names_in_both_protocols() {
    let legacy = Fake::with_orders(1..=5).start().await;
    let other = Fake::with_orders(2..=5)
        .listing(2, "<status>new", "<status>active")
        .detailing(2, "<status>new", "<status>active")
        .detailing(3, "<phone>0701740605</phone>", "")
        .detailing(4, "070-1740605</message>", "070-1740606</message>")
        .start()
        .await;
    let gateway = Gateway::in_front_of(&other).await;

    let outcome = compare(&legacy, &gateway, &["old", "new"]).await;

    let orders = &outcome.json["orders"];
    assert_eq!((outcome.code, &orders["onlyLeft"], &orders["equal"]), (1, &json!([1]), &json!(1)), "{}", outcome.text);
    assert_eq!(different(orders), [(2, vec!["status"]), (3, vec!["customer.phone"]), (4, vec!["messages"])]);
    assert!(outcome.text.contains("missing in new      3\n"), "{}", outcome.text);
}

#[tokio::test]
async fn json_list_that_is_cut_off_is_no_list() {
    let legacy = Fake::with_orders(1..=50).start().await;
    let list = Reply::xml(&Fake::with_orders(1..=50).document("method=orders"));
    let cut = list.clone().truncated(list.len() - 40);
    let other = Fake::with_orders(1..=50).answering("method=orders&", vec![Some(cut)]).start().await;
    let gateway = Gateway::in_front_of(&other).await;

    let outcome = compare(&legacy, &gateway, &["old", "new"]).await;

    let reason = outcome.json["reason"].as_str().expect("a reason");
    assert!(outcome.code == 3 && reason.starts_with("the list of orders of new failed: "), "{reason}");
}

#[test]
fn only_the_systems_of_the_facade_must_be_valid() {
    let load = |name: &str, value: &str| {
        let variables = [("FACADE__BACKENDS__NEW__URL", "https://orders.example/api"), (name, value)];
        SystemsConfig::load(None, variables.map(|(name, value)| (format!("GATEWAY__{name}"), value.to_owned())))
    };
    for (name, value) in [
        ("FACADE__DIALECT", "none"),
        ("FACADE__ROUTE__TO", "nowhere"),
        ("FACADE__CLIENTS__SHOP__API_USER", "1"),
        ("FACADE__ANSWERS__CHARSET", "none"),
    ] {
        assert_eq!(load(name, value).expect("it is not read").backends.len(), 1, "{name}");
    }
    for (name, value) in [
        ("FACADE__BACKENDS__NEW__TIMEOUT", "3"),
        ("FACADE__BACKENDS__NEW__API_USER", "1"),
        ("FACADE__ANSWERS__TIME_ZONE", "Europe/Atlantis"),
        ("UPSTREAMS__NEW__URL", "https://portal.example/orders"),
    ] {
        assert!(load(name, value).is_err(), "{name}");
    }
}
