//! Conditional changes that another writer's change met: the order is read once more after the confirmation, and shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tjansteguiden_gateway::model::OrderStatus;

use super::patch_if_match;
use crate::support::{Answer, FIRST_ORDER, FakeLegacy, FakeOrders, Fault, Gateway, Reply, Upstream, is_write};

const CONFIRMED: &str = "<set_status><status>success</status></set_status>";

async fn status_etag(gateway: &Gateway, order: u64) -> String {
    gateway.get(&format!("/orders/{order}/status")).await.header("etag").to_owned()
}

/// An upstream that confirms changes; another writer runs `meanwhile` during each.
async fn with_other_writer(
    orders: &FakeOrders,
    meanwhile: impl Fn(&FakeOrders, &str) + Send + Sync + 'static,
) -> (Upstream, Gateway) {
    let written = orders.clone();
    let upstream = orders.upstream(move |query| {
        meanwhile(&written, query);
        Reply::xml(CONFIRMED)
    });
    let upstream = upstream.await;
    let gateway = Gateway::in_front_of(&upstream).await;
    (upstream, gateway)
}

#[tokio::test]
async fn another_change_makes_a_conditional_one_contested() {
    type Writer = fn(&FakeOrders, &str);
    let before: Writer = |orders, query| {
        orders.change_status("received");
        orders.apply(query);
    };
    let after: Writer = |orders, query| {
        orders.apply(query);
        orders.change_status("cancelled");
    };
    // No entry tells of it, but the status does.
    let silent: Writer = |orders, query| {
        orders.apply(query);
        orders.set_status("cancelled");
    };
    // The entries of changes have another type than in the simulator.
    let other_type: Writer = |orders, _| {
        orders.set_status("received");
        for _ in 0..2 {
            orders.add_entry("log", "Status: received", SignedDuration::ZERO);
        }
    };
    for other_writer in [before, after, silent, other_type] {
        let (upstream, gateway) = with_other_writer(&FakeOrders::new(), other_writer).await;

        let answer = patch_if_match(&gateway, "*", "received").await;

        assert_eq!(answer.ok(), json!({"status": "received", "contested": true}));
        assert_eq!((answer.header("etag"), gateway.metric("write_conflict_total").await), ("", 1));
        assert_eq!(upstream.queries().iter().filter(|query| is_write(query)).count(), 1);
        assert_eq!(upstream.queries().len(), 3, "preflight read, write, read-back");
    }
}

#[tokio::test]
async fn messages_do_not_make_a_change_contested() {
    for (kind, text) in [("log", "hej"), ("alert", "hej"), ("error", "hej"), ("system", "gw:ABCDEFGHIJKLMNOPQ2 hej")] {
        let orders = FakeOrders::new();
        orders.add_entry("system", "received", SignedDuration::from_hours(-1));
        let (_upstream, gateway) = with_other_writer(&orders, move |orders, query| {
            orders.add_entry(kind, text, SignedDuration::ZERO);
            orders.apply(query);
        })
        .await;

        let answer = patch_if_match(&gateway, "*", "received").await;

        assert_eq!(answer.ok(), json!({"status": "received"}), "{kind} {text}");
        assert_eq!(
            (answer.header("etag"), gateway.metric("write_conflict_total").await),
            (&*status_etag(&gateway, 1).await, 0)
        );
    }
}

#[tokio::test]
async fn etag_of_a_change_is_good_for_the_next() {
    let (_upstream, gateway) = with_other_writer(&FakeOrders::new(), FakeOrders::apply).await;

    let mut etag = status_etag(&gateway, 1).await;
    for status in ["received", "active", "active", "waiting"] {
        let changed = patch_if_match(&gateway, &etag, status).await;
        assert_eq!((changed.ok(), changed.header("cache-control")), (json!({"status": status}), "no-store"));
        etag = changed.header("etag").to_owned();
        assert_eq!(etag, status_etag(&gateway, 1).await);
    }

    // A change without a condition is not read back, and has none.
    let unconditional = gateway.patch_status(1, r#"{"status":"delivered"}"#).await;
    assert_eq!((unconditional.ok(), unconditional.header("etag")), (json!({"status": "delivered"}), ""));
    patch_if_match(&gateway, &etag, "new").await.problem(412, "precondition-failed");
}

#[tokio::test]
async fn confirmed_change_is_a_success_if_the_order_cannot_be_read_afterwards() {
    for unreadable in [Reply::status(500, "<html/>"), Reply::status(403, ""), Reply::xml("<order_info/>"), Reply::raw(b"")] {
        let (orders, is_written) = (FakeOrders::new(), Arc::new(AtomicBool::new(false)));
        let upstream = Upstream::responding_to(move |query| {
            if is_write(query) {
                is_written.store(true, Ordering::SeqCst);
                Reply::xml(CONFIRMED)
            } else if is_written.load(Ordering::SeqCst) {
                unreadable.clone()
            } else {
                orders.order_info()
            }
        })
        .await;
        let gateway =
            Gateway::with(&upstream, &[("SERVER__REQUEST_TIMEOUT", "3s"), ("UPSTREAMS__DEFAULT__TIMEOUT", "1s")]).await;

        let answer = patch_if_match(&gateway, "*", "received").await;

        assert_eq!((answer.ok(), answer.header("etag")), (json!({"status": "received"}), ""));
        assert_eq!(gateway.metric("write_conflict_total").await, 0);
    }
}

#[tokio::test]
async fn clients_that_may_not_read_orders_learn_no_status() {
    let clients = [("writer", "orders:write"), ("reader", "orders:read,orders:write")];
    let variables: Vec<_> = clients
        .iter()
        .flat_map(|(name, scopes)| crate::support::ApiClient { name, upstream: "default", scopes }.variables())
        .collect();
    // The other writer wins, and the confirmation is lost.
    let orders = FakeOrders::new();
    let others = orders.clone();
    let upstream = orders.upstream(move |query| {
        if query.contains("delivered") {
            others.change_status("cancelled");
            return super::without_result();
        }
        others.apply(query);
        Reply::xml(CONFIRMED)
    });
    let upstream = upstream.await;
    let settings = [&super::VERIFIED_TWICE[..], &crate::support::borrowed(&variables)].concat();
    for (name, may_read) in [("writer", false), ("reader", true)] {
        let gateway = Gateway::with(&upstream, &settings).await;
        let patch = async |etag: &str, status: &str| -> Answer {
            let request = gateway.request(Method::PATCH, "/orders/1/status").header("x-api-key", name);
            let request = request.header("content-type", "application/json").header("if-match", etag);
            gateway.send(request.body(json!({"status": status}).to_string())).await
        };

        let failed = patch("\"another\"", "received").await;
        let problem = failed.problem(412, "precondition-failed");
        assert_eq!((problem["currentStatus"].is_string(), !failed.header("etag").is_empty()), (may_read, may_read));

        // The ETag of its own change reveals nothing, and guards the next.
        let changed = patch("*", "received").await;
        changed.ok();
        let changed = patch(changed.header("etag"), "active").await;
        changed.ok();

        let conflict = patch(changed.header("etag"), "delivered").await.problem(409, "write-conflict");
        assert_eq!((conflict["currentStatus"].is_string(), &conflict["outcome"]), (may_read, &Value::from("unknown")));
    }
}

/// A figure of the reliability table: two gateways share no lock, so several of them may claim one order at once.
#[tokio::test(flavor = "multi_thread")]
async fn claims_over_two_replicas_are_noticed() {
    const ROUNDS: u64 = 60;
    let legacy = FakeLegacy::with_faults(|_| Fault::None).await;
    let url = legacy.url();
    let replicas = join_all((0..2).map(|_| Gateway::in_front_of_url(&url, &[]))).await;

    let (mut shared, mut unnoticed, mut contested) = (0, 0, 0);
    for round in 0..ROUNDS {
        let order = FIRST_ORDER + round;
        legacy.set_status(order, OrderStatus::New).await;
        let etag = status_etag(&replicas[0], order).await;
        let claims = (0..4).map(|number| {
            let request = replicas[number % 2].request(Method::PATCH, &format!("/orders/{order}/status"));
            let request = request.header("content-type", "application/json").header("if-match", &etag);
            replicas[number % 2].send(request.body(r#"{"status":"received"}"#))
        });
        let answers = join_all(claims).await;

        let won: Vec<Value> = answers.iter().filter(|answer| answer.status == 200).map(Answer::ok).collect();
        let noticed = won.iter().filter(|body| body["contested"] == true).count();
        assert!(!won.is_empty() && answers.iter().all(|answer| matches!(answer.status, 200 | 412)), "{answers:?}");
        assert!(won.len() > 1 || noticed == 0, "{won:?}");
        shared += u32::from(won.len() > 1);
        unnoticed += u32::from(won.len() > 1 && noticed == 0);
        contested += noticed as u64;
    }

    println!("two-replica claims: {ROUNDS} rounds, {shared} won by more than one, {unnoticed} unnoticed");
    assert_eq!(unnoticed, 0);
    let counted = join_all(replicas.iter().map(|replica| replica.metric("write_conflict_total"))).await;
    assert_eq!(counted.iter().sum::<u64>(), contested);
}
