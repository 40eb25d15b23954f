//! Every kind of difference, and what is none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use serde_json::json;
use tjansteguiden_gateway::commands::simulate::{self, endpoint, loopback};
use tjansteguiden_gateway::config::{self, Dialect};
use tjansteguiden_gateway::memory::Memory;
use tjansteguiden_gateway::server::{Limits, Server};

use super::{CommandLine, Fake, compare, configuration, different, order_details, report};
use crate::support::{NETWORK_PATH, Reply, Upstream};

async fn both(old: Fake, new: Fake) -> (Upstream, Upstream) {
    (old.start().await, new.start().await)
}

fn count_of(upstream: &Upstream, method: &str) -> usize {
    upstream.queries().iter().filter(|query| query.contains(&format!("method={method}&"))).count()
}

#[tokio::test]
async fn equal_systems_are_equal_and_are_read_once() {
    let (old, new) = both(Fake::with_orders(1..=4), Fake::with_orders(1..=4)).await;

    let outcome = compare(&old.url(), &new.url(), &[]).await;

    assert_eq!(outcome.code, 0, "{}", outcome.text);
    assert_eq!(
        outcome.json,
        json!({
            "version": 1, "result": "equal", "left": "old", "right": "new", "since": "2026-09-01",
            "orders": {"left": 4, "right": 4, "equal": 4, "onlyLeft": [], "onlyRight": [], "different": [],
                       "movedMeanwhile": [], "notReadable": []},
            "notKnown": ["customer.memberId", "customer.registeredAt", "messages.reference", "provider.id", "service.id"],
            "calls": {"left": 5, "right": 5},
        })
    );
    assert_eq!((count_of(&old, "orders"), count_of(&old, "order_info"), old.queries().len()), (1, 4, 5));
    assert_eq!(outcome.text.matches("not known").count(), 1, "{}", outcome.text);
    assert!(outcome.text.ends_with(" · exit 0\n") && outcome.text.contains("EQUAL · 5 + 5 calls"), "{}", outcome.text);
}

#[tokio::test]
async fn differences_are_reported_by_id_and_field_after_a_second_look() {
    let old = Fake::with_orders(1..=6);
    let new = Fake::with_orders(2..=7)
        .listing(2, "<status>new", "<status>active")
        .detailing(2, "<status>new", "<status>active")
        .detailing(3, "<phone>0701740605</phone>", "")
        .detailing(4, "070-1740605</message>", "070-1740606</message>")
        .listing(5, "<xsp>40210", "<xsp>40355");
    let (old, new) = both(old, new).await;

    let outcome = compare(&old.url(), &new.url(), &[]).await;

    let orders = &outcome.json["orders"];
    assert_eq!((outcome.code, &outcome.json["result"]), (1, &json!("different")), "{}", outcome.text);
    assert_eq!((&orders["onlyLeft"], &orders["onlyRight"], &orders["equal"]), (&json!([1]), &json!([7]), &json!(1)));
    assert_eq!(
        different(orders),
        [(2, vec!["status"]), (3, vec!["customer.phone"]), (4, vec!["messages"]), (5, vec!["provider.id"])]
    );
    // Two lists, five orders in detail, and again those that differ there; of the missing order one.
    assert_eq!(outcome.json["calls"], json!({"left": 2 + 5 + 3 + 1, "right": 2 + 5 + 3 + 1}));
    for expected in [
        "only in old: 1\n",
        "only in new: 7\n",
        "   customer.phone         1   missing in new      3\n",
        "   messages               1   1 row only in old, 1 row only in new  4\n",
        "   provider.id            1   other value         5\n",
        "DIFFERENT · 11 + 11 calls",
    ] {
        assert!(outcome.text.contains(expected), "{expected} is not in {}", outcome.text);
    }
}

#[tokio::test]
async fn every_field_of_an_order_is_compared() {
    for (from, to, field) in [
        ("<type>order", "<type>other", "type"),
        ("<date>2026-09-01 09:05</date><type>", "<date>2026-09-01 09:07</date><type>", "orderedAt"),
        ("<delivery>asap</delivery>", "", "deliverAsap"),
        ("Ljusbolaget", "Bitfors", "provider.name"),
        ("100/100", "250/250", "service.name"),
        (">Internet", ">TV", "service.category"),
        ("00100100", "00250250", "service.uid"),
        ("Exempelnät", "Provnät", "network.name"),
        ("<customer><id>1<", "<customer><id>2<", "customer.id"),
        ("KC0101A06", "65375", "customer.accessId"),
        ("<serial>191212121212", "<serial>XXXXXXXXXX", "customer.personalIdentityNumber"),
        ("<firstname>Tolvan", "<firstname>Elva", "customer.firstName"),
        ("Tolvansson", "Elvasson", "customer.lastName"),
        ("tolvan@example.com", "elva@example.com", "customer.email"),
        ("Exempelgatan 12", "Exempelgatan 13", "customer.address"),
        ("01234", "01235", "customer.postalCode"),
        ("Åsele", "Asele", "customer.city"),
        ("<message>Ring på dörren", "<message>Ring på", "customer.message"),
        ("<phone>0701740605", "<phone>0701740606", "customer.phone"),
        ("508-004-06-0302", "1002", "customer.premise"),
        ("<type>log</type>", "<type>alert</type>", "messages"),
        ("<monthly>222", "<monthly>223", "details"),
    ] {
        let (old, new) = both(Fake::with_orders([1]), Fake::with_orders([1]).detailing(1, from, to)).await;

        let outcome = compare(&old.url(), &new.url(), &[]).await;

        assert_eq!((outcome.code, different(&outcome.json["orders"])), (1, vec![(1, vec![field])]), "{}", outcome.text);
        let ignored = compare(&old.url(), &new.url(), &["--ignore", field]).await;
        assert_eq!(ignored.code, 0, "--ignore {field}: {}", ignored.text);
    }
}

#[tokio::test]
async fn delivery_time_has_two_fields() {
    let at = |fake: Fake, time: &str| fake.listing(1, "<delivery>asap", &format!("<delivery>{time}"));
    let (old, new) = both(Fake::with_orders([1]), at(Fake::with_orders([1]), "2026-09-08 00:00:00")).await;
    let outcome = compare(&old.url(), &new.url(), &["--details", "none"]).await;
    assert_eq!(different(&outcome.json["orders"]), [(1, vec!["requestedDeliveryAt", "deliverAsap"])]);
}

#[tokio::test]
async fn times_differ_from_a_minute_on_and_those_of_the_log_from_three_seconds_on() {
    let old = || Fake::with_orders([1]);
    for (from, to, code) in [
        ("<date>2026-09-01 09:05</date>", "<date>2026-09-01 09:05:40</date>", 0),
        ("<date>2026-09-01 09:05</date>", "<date>2026-09-01 09:07</date>", 1),
        ("09:05:10", "09:05:12", 0),
        ("09:05:10", "09:05:08", 0),
        ("09:05:10", "09:05:13", 1),
    ] {
        let (old, new) = both(old(), old().detailing(1, from, to)).await;
        assert_eq!(compare(&old.url(), &new.url(), &[]).await.code, code, "{to}");
    }
    let (old, new) = both(old(), old().listing(1, "09:05:00", "09:05:40")).await;
    assert_eq!(compare(&old.url(), &new.url(), &[]).await.code, 0);
}

#[tokio::test]
async fn what_is_equal_at_the_second_look_has_moved_meanwhile() {
    let changed = |text: &str| order_details(1).replace("<status>new", &format!("<status>{text}"));
    let document = |details: String| Some(Reply::xml(&format!("<order_info>{details}</order_info>")));
    let active_list = "<orders><response>".to_owned() + &super::listed_order(3).replace("<status>new", "<status>active");
    let active_list = active_list + &super::listed_order(1) + &super::listed_order(4) + "</response></orders>";
    // At first order 1 differs in its details and order 3 in the list, which lacks order 2.
    let old = Fake::with_orders(1..=4)
        .answering("method=order_info&api_user=1234&id=1", vec![document(changed("active")), None])
        .answering("method=orders&", vec![Some(Reply::xml(&active_list)), None]);
    let (old, new) = both(old, Fake::with_orders(1..=4)).await;

    let outcome = compare(&old.url(), &new.url(), &[]).await;

    assert_eq!((outcome.code, &outcome.json["orders"]["movedMeanwhile"]), (0, &json!([1, 2, 3])), "{}", outcome.text);
    assert_eq!(outcome.json["orders"]["equal"], json!(1));
    assert!(outcome.text.contains("moved meanwhile: 3"), "{}", outcome.text);
}

#[tokio::test]
async fn field_that_differs_only_once_has_moved_even_if_another_differs_then() {
    let first = format!("<order_info>{}</order_info>", order_details(1).replace("<status>new", "<status>active"));
    let second = format!("<order_info>{}</order_info>", order_details(1).replace("Ljusbolaget", "Bitfors"));
    let answers = vec![Some(Reply::xml(&first)), Some(Reply::xml(&second))];
    let (old, new) = both(Fake::with_orders([1]).answering("method=order_info", answers), Fake::with_orders([1])).await;
    let outcome = compare(&old.url(), &new.url(), &[]).await;
    assert_eq!((outcome.code, &outcome.json["orders"]["movedMeanwhile"]), (0, &json!([1])));
}

#[tokio::test]
async fn order_that_only_one_list_has_is_looked_for_and_compared() {
    // Another date puts it before the first day of the new system's list, and it is there all the same.
    let missing = super::listed_order(1);
    let new = Fake::with_orders(1..=2)
        .detailing(2, "<date>2026-09-01 09:05</date><type>", "<date>2026-08-31 09:05</date><type>")
        .answering("method=orders&", vec![Some(Reply::xml(&format!("<orders><response>{missing}</response></orders>")))]);
    let (old, new) = both(Fake::with_orders(1..=2), new).await;

    let outcome = compare(&old.url(), &new.url(), &[]).await;
    assert_eq!(different(&outcome.json["orders"]), [(2, vec!["orderedAt"])], "{}", outcome.text);

    let without_details = compare(&old.url(), &new.url(), &["--details", "none"]).await;
    assert_eq!((without_details.code, &without_details.json["orders"]["movedMeanwhile"]), (0, &json!([2])));
}

#[tokio::test]
async fn details_are_read_of_all_of_some_spread_evenly_or_of_none() {
    for (details, expected) in [("all", 9), ("3", 3), ("99", 9), ("none", 0), ("0", 0)] {
        let (old, new) = both(Fake::with_orders(1..=9), Fake::with_orders(1..=9)).await;
        let outcome = compare(&old.url(), &new.url(), &["--details", details]).await;
        assert_eq!((outcome.code, &outcome.json["orders"]["equal"]), (0, &json!(9)), "{details}");
        assert_eq!((count_of(&old, "order_info"), count_of(&new, "order_info")), (expected, expected), "{details}");
        if details == "3" {
            let queries = old.queries().join(" ");
            assert!([1, 4, 7].iter().all(|id| queries.contains(&format!("&id={id}"))), "{queries}");
        }
    }
}

#[tokio::test]
async fn until_is_the_first_day_that_does_not_count() {
    let late = |id, fake: Fake| fake.listing(id, "2026-09-01", "2026-09-03");
    let (old, new) = both(late(2, Fake::with_orders(1..=2)), Fake::with_orders([1])).await;
    let outcome = compare(&old.url(), &new.url(), &["--until", "2026-09-03"]).await;
    assert_eq!((outcome.code, &outcome.json["orders"]["left"], &outcome.json["until"]), (0, &json!(1), &json!("2026-09-03")));
    assert_eq!(compare(&old.url(), &new.url(), &["--until", "2026-09-04"]).await.code, 1);
}

#[tokio::test]
async fn prefixes_are_ignored_with_all_fields_below_them() {
    let new = Fake::with_orders(1..=3).detailing(2, "Tolvansson", "Elvasson").detailing(3, "100/100", "250/250");
    let new = new.listing(1, "<xsp>40210</xsp>", "").listing(2, "<xsp>40210</xsp>", "").listing(3, "<xsp>40210</xsp>", "");
    let (old, new) = both(Fake::with_orders(1..=3), new).await;
    let all = compare(&old.url(), &new.url(), &["--ignore", "customer", "--ignore", "service.name"]).await;
    assert_eq!(different(&all.json["orders"]), [1, 2, 3].map(|id| (id, vec!["provider.id"])));
    assert!(all.text.contains("   provider.id            3   missing in new      e.g. 1, 2, 3\n"), "{}", all.text);
    let some = compare(&old.url(), &new.url(), &["--ignore", "customer", "--ignore", "service", "--ignore", "provider"]).await;
    assert_eq!(some.code, 0, "{}", some.text);
}

#[tokio::test]
async fn customers_are_compared_with_names_of_their_own() {
    let new = Fake::with_orders(1..=3).customer(2, "0701740605", "0701740606").customer(3, "Tolvansson", "Elvasson");
    let (old, new) = both(Fake::with_orders(1..=4).without_order(4), new).await;

    assert_eq!(compare(&old.url(), &new.url(), &[]).await.code, 0);
    let outcome = compare(&old.url(), &new.url(), &["--customers"]).await;

    let customers = &outcome.json["customers"];
    assert_eq!((outcome.code, &customers["onlyLeft"], &customers["equal"]), (1, &json!([4]), &json!(1)), "{}", outcome.text);
    assert_eq!(different(customers), [(2, vec!["phone"]), (3, vec!["lastName"])]);
    assert!(outcome.text.contains("\ncustomers ") && outcome.text.contains("   lastName "), "{}", outcome.text);
    let known: Vec<_> =
        outcome.json["notKnown"].as_array().expect("an array").iter().filter_map(|name| name.as_str()).collect();
    assert!(known.contains(&"registeredAt") && !known.contains(&"memberId"), "{known:?}");
}

#[tokio::test]
async fn system_is_compared_with_itself() {
    let system = Fake::with_orders(1..=3).start().await;
    let command_line = CommandLine::parse_from(["old", "old", "--since", "2026-09-01", "--rate", "1000", "--customers"]);
    let outcome = report(&configuration(&system.url(), &system.url(), &[]), &command_line.options).await;
    assert_eq!((outcome.code, &outcome.json["right"]), (0, &json!("old")), "{}", outcome.text);
    assert_eq!((outcome.json["calls"].clone(), system.queries().len()), (json!({"left": 8, "right": 8}), 16));
}

async fn simulator(dialect: Dialect) -> SocketAddr {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = simulate::Options {
        listen: any_port,
        path: NETWORK_PATH.to_owned(),
        dialect,
        api_user: "1234".to_owned(),
        api_key: "KEY".to_owned(),
        orders: 30,
        latency: Duration::ZERO,
        failure_rate: 0.0,
    };
    let router = endpoint(&options, loopback(), Arc::new(Memory::seeded(30)));
    let server = Server::bind(any_port, router, Limits::from(&config::Server::default())).await.expect("a free port");
    let address = server.address();
    tokio::spawn(async move { server.run(std::future::pending()).await });
    address
}

#[tokio::test]
async fn dialects_are_equal_in_all_that_both_can_state() {
    let url = async |dialect| format!("http://{}{NETWORK_PATH}", simulator(dialect).await);
    let (old, new) = (url(Dialect::Network).await, url(Dialect::Provider).await);
    let config = configuration(&old, &new, &[("NEW__DIALECT", "provider"), ("NEW__API_KEY", "KEY")]);
    // The last order is of today, and the two systems began at different times.
    let arguments = ["old", "new", "--since", "2016-01-01", "--until", "2020-01-01", "--rate", "1000", "--settle", "0s"];
    let command_line = CommandLine::parse_from(arguments.iter().chain(&["--customers"]));

    let outcome = report(&config, &command_line.options).await;

    assert_eq!((outcome.code, &outcome.json["orders"]["equal"]), (0, &json!(29)), "{}", outcome.text);
    let known: Vec<_> =
        outcome.json["notKnown"].as_array().expect("an array").iter().filter_map(|name| name.as_str()).collect();
    assert!(["email", "memberId", "registeredAt"].iter().all(|name| known.contains(name)), "{known:?}");
}
