//! Lists stream, are filtered by the gateway, and a truncated list is never presented as complete.

use std::sync::Arc;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::Notify;

use crate::support::{Gateway, Reply, Upstream};

fn ids(list: &Value) -> Vec<u64> {
    list["items"].as_array().expect("items").iter().map(|item| item["id"].as_u64().expect("an id")).collect()
}

fn order(id: u64, date: &str, status: &str, kind: &str, customer: u64) -> String {
    format!(
        "<order><id>{id}</id><type>{kind}</type><date>{date}</date><status>{status}</status>\
         <customer>{customer}</customer></order>"
    )
}

/// A time that cannot be read passes every filter, so forms without doubt must be read.
#[tokio::test]
async fn times_in_undocumented_forms_are_filtered() {
    let upstream_times = [
        "2016-03-13T09:05:02",
        "2016-03-14  9:05:02",
        "2016-03-14T09:05:02.500",
        "2016-03-13T23:30:00Z",
        "2016-03-13 24:00:00",
        "2016-10-30T02:30:00+01:00",
        "0001-01-01T00:00:00",
        "14.3.2016",
    ];
    let orders: String = (1..).zip(upstream_times).map(|(id, date)| order(id, date, "new", "order", 7)).collect();
    let upstream = Upstream::responding_with(Reply::xml(&format!("<orders>{orders}</orders>"))).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    for (query, expected) in [
        ("since=2016-03-13", vec![1, 2, 3, 4, 5, 6, 7, 8]),
        ("since=2016-03-14&until=2016-03-15", vec![2, 3, 4, 5, 7, 8]),
        ("since=2016-03-14T09:05:02%2B01:00&until=2016-03-15", vec![2, 3, 7, 8]),
        // Both readings of the repeated hour: the offset decides.
        ("since=2016-10-30T00:30:00Z&until=2016-10-30T01:30:00Z", vec![7, 8]),
        ("since=2016-10-30T01:30:00Z", vec![6, 7, 8]),
    ] {
        assert_eq!(ids(&gateway.get(&format!("/orders?{query}")).await.ok()), expected, "{query}");
    }
    let drift = gateway.drift_counts().await;
    assert!(drift.contains(&("orders date_format order.date".to_owned(), 6 * 5)), "{drift:?}");
    assert!(drift.contains(&("orders unreadable_date order.date".to_owned(), 2 * 5)), "{drift:?}");
}

#[tokio::test]
async fn orders_are_filtered_by_time_status_type_customer() {
    let orders = [
        order(1, "2016-03-14 00:00:00", "new", "order", 7),
        order(2, "2016-03-14 09:05:00", "received", "order", 8),
        order(3, "2016-03-14 23:59:59", "paused", "upgrade", 7),
        order(4, "2016-03-15 00:00:00", "new", "order", 8),
        order(5, "0000-00-00 00:00:00", "new", "order", 9),
    ];
    let upstream = Upstream::responding_with(Reply::xml(&format!("<orders>{}</orders>", orders.concat()))).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    for (query, expected) in [
        ("since=2016-03-14", vec![1, 2, 3, 4, 5]),
        ("since=2016-03-14&until=2016-03-15", vec![1, 2, 3, 5]),
        ("since=2016-03-14T09:05:00%2B01:00", vec![2, 3, 4, 5]),
        ("since=2016-03-14T09:05:00+01:00", vec![2, 3, 4, 5]),
        ("since=2016-03-14T08:05:01Z", vec![3, 4, 5]),
        ("since=2016-03-14&until=2016-03-14T08:05:00Z", vec![1, 5]),
        ("since=2016-03-14&status=new", vec![1, 4, 5]),
        ("since=2016-03-14&status=received&status=paused", vec![2, 3]),
        ("since=2016-03-14&status=received,paused", vec![2, 3]),
        ("since=2016-03-14&status=received%2C%20paused&status=none", vec![2, 3]),
        ("since=2016-03-14&status=nwe", vec![]),
        ("since=2016-03-14&status=NEW", vec![]),
        ("since=2016-03-14&type=upgrade", vec![3]),
        ("since=2016-03-14&customerId=7&status=new", vec![1]),
    ] {
        assert_eq!(ids(&gateway.get(&format!("/orders?{query}")).await.ok()), expected, "{query}");
    }

    let queries = upstream.queries();
    assert!(queries.iter().all(|query| query == "method=orders&api_user=1234&date=2016-03-14"), "{queries:?}");
}

#[tokio::test]
async fn upstream_receives_the_local_date() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;

    gateway.get("/orders?since=2016-07-13T22:30:00Z").await.ok();
    gateway.get("/orders?since=2016-07-13T21:59:59Z").await.ok();
    let dates: Vec<_> = upstream.queries().iter().filter_map(|query| query.split("date=").nth(1).map(str::to_owned)).collect();
    assert_eq!(dates, ["2016-07-14", "2016-07-13"]);
}

#[tokio::test]
async fn repeated_autumn_hour_misses_no_order() {
    let list = format!(
        "<orders>{}{}</orders>",
        order(1, "2016-10-30 02:30:00", "new", "order", 1),
        order(2, "2016-10-30 03:30:00", "new", "order", 1)
    );
    let upstream = Upstream::responding_with(Reply::xml(&list)).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    // 02:30 local time occurred at 00:30 and at 01:30 UTC. The earlier instant is shown; `since` is compared with the later.
    for (since, expected) in [("00:30:00", vec![1, 2]), ("01:30:00", vec![1, 2]), ("01:30:01", vec![2])] {
        let list = gateway.get(&format!("/orders?since=2016-10-30T{since}Z")).await.ok();
        assert_eq!(ids(&list), expected, "{since}");

        if expected.len() == 2 {
            assert_eq!(list["items"][0]["orderedAt"], "2016-10-30T02:30:00+02:00");
        }
    }
}

#[tokio::test]
async fn items_stream_while_the_upstream_is_sending() {
    let latch = Arc::new(Notify::new());
    let first = format!("<orders>{}", order(1, "2016-03-14 09:05:00", "new", "order", 1));
    let rest = format!("{}</orders>", order(2, "2016-03-14 09:06:00", "new", "order", 1));
    let upstream = Upstream::responding_with(Reply::held(&[&first, &rest], &latch)).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    let response = gateway.request(Method::GET, "/orders?since=2016-03-14").send().await.expect("a response");

    assert_eq!(response.status(), 200);

    let mut body = response.bytes_stream();
    let mut text = String::new();
    while !text.contains("\"id\":1") {
        text.push_str(&String::from_utf8_lossy(&body.next().await.expect("more of the body").expect("bytes")));
    }

    assert!(!text.contains("\"id\":2"));

    latch.notify_one();
    while let Some(bytes) = body.next().await {
        text.push_str(&String::from_utf8_lossy(&bytes.expect("bytes")));
    }

    assert_eq!(ids(&serde_json::from_str(&text).expect("complete JSON")), [1, 2]);
}

#[tokio::test]
async fn truncated_list_breaks_the_connection_off() {
    let one = order(1, "2016-03-14 09:05:00", "new", "order", 1);
    for reply in [
        Reply::xml(&format!("<orders>{one}")),
        Reply::xml(&format!("<orders>{one}</customers>")),
        Reply::xml(&format!("<orders>{one}</orders>trailing")),
        Reply::xml(&format!("<orders>{one}</orders><orders/>")),
        Reply::xml(&format!("<orders>{one}<status>failed</status></orders>")),
        Reply::xml(&format!("<orders>{one}<status>unsure</status></orders>")),
        Reply::xml(&format!("<orders>{one}Fatal error{one}</orders>")),
        Reply::xml(&format!("<orders><response>{one}<status>failed</status></response></orders>")),
        Reply::xml(&format!("<orders>{one}<order><id>2</id><x>{}</x></order></orders>", "x".repeat(300_000))),
        Reply::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n<orders>{one}").as_bytes()),
        Reply::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n<orders>{one}").as_bytes()).then_reset(),
        Reply::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n<orders>{one}").as_bytes()).then_hang(),
    ] {
        let upstream = Upstream::responding_with(reply.clone()).await;
        let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__TIMEOUT", "300ms")]).await;

        let response = gateway.request(Method::GET, "/orders?since=2016-03-14").send().await.expect("a head");

        assert_eq!(response.status(), 200, "{reply:?}");
        assert!(response.text().await.is_err(), "{reply:?}");
    }
}

#[tokio::test]
async fn client_disconnect_cancels_the_upstream_call() {
    let latch = Arc::new(Notify::new());
    let first = format!("<orders>{}", order(1, "2016-03-14 09:05:00", "new", "order", 1));
    let upstream = Upstream::responding_with(Reply::held(&[&first, "</orders>"], &latch)).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    let response = gateway.request(Method::GET, "/orders?since=2016-03-14").send().await.expect("a head");
    drop(response);
    upstream.wait_for_disconnects(1).await;
}

#[tokio::test]
async fn too_many_undecodable_items_break_the_list_off() {
    let undecodable_items = |count: usize| Reply::xml(&format!("<orders>{}</orders>", "<order/>".repeat(count)));
    let upstream = Upstream::responding_with(undecodable_items(10_000)).await;
    let complete = Gateway::in_front_of(&upstream).await.get("/orders?since=2016-03-14").await.ok();

    assert_eq!(complete["unreadable"].as_array().map(Vec::len), Some(10_000));

    let upstream = Upstream::responding_with(undecodable_items(10_001)).await;
    let answer = Gateway::in_front_of(&upstream).await.raw(b"GET /orders?since=2016-03-14 HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 ") && !answer.ends_with('}'), "{}", answer.len());
}
