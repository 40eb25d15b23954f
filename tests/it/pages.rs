//! Pagination: no order is lost or repeated; `expand=detail`; NDJSON.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::Notify;

use crate::support::{Gateway, Reply, Upstream};

/// The answer to `orders` with those of `orders` (id, date), in this order, that are not older than the date of the query.
fn list_since(orders: &[(u64, &str)], query: &str) -> Reply {
    let since = query.split("date=").nth(1).expect("a date");
    let included = orders.iter().filter(|(_, date)| *date >= since || !date.starts_with('2'));
    let item = |(id, date): &(u64, &str)| {
        format!("<order><id>{id}</id><date>{date}</date><status>new</status><customer>7</customer></order>")
    };
    Reply::xml(&format!("<orders>{}</orders>", included.map(item).collect::<Vec<_>>().concat()))
}

fn ids(list: &Value) -> Vec<u64> {
    list["items"].as_array().expect("items").iter().map(|item| item["id"].as_u64().expect("an id")).collect()
}

/// Follows `nextCursor`, which must agree with `Link`, and returns the ids of each page.
async fn pages(gateway: &Gateway, target: &str, limit: usize) -> Vec<Vec<u64>> {
    let first = format!("{target}&limit={limit}");
    let (mut pages, mut next) = (Vec::new(), Some(first.clone()));
    while let Some(target) = next {
        let answer = gateway.get(&target).await;
        let page = answer.ok();
        pages.push(ids(&page));
        next = page["nextCursor"].as_str().map(|cursor| format!("{first}&cursor={cursor}"));
        let query = next.as_deref().map(|next| next.split_once('?').expect("a query").1);
        let link = query.map_or(String::new(), |query| format!("<?{query}>; rel=\"next\""));
        assert_eq!(answer.header("link"), link);
        assert!(pages.len() < 500, "the pages never end");
    }
    pages
}

/// Equal times, ids out of order, missing and invalid dates, and the repeated hour at the end of daylight saving time.
const ORDERS: [(u64, &str); 14] = [
    (90, "2016-10-30 02:30:00"),
    (12, "2016-10-30 02:30:00"),
    (11, "2016-10-30 03:00:00"),
    (10, "2016-10-30 01:59:59"),
    (77, "0000-00-00 00:00:00"),
    (5, "igår"),
    (30, "2016-10-29 12:00:00"),
    (31, "2016-10-29 12:00:00"),
    (29, "2016-10-29 12:00:00"),
    (28, "2016-10-31 00:00:00"),
    (91, "2016-10-30 02:59:59"),
    (13, "2016-10-30 02:00:00"),
    (14, "2016-11-01 08:00:00"),
    (15, "2016-11-01 08:00:00"),
];

#[tokio::test]
async fn pages_of_any_size_are_ordered_by_time_and_id() {
    let upstream = Upstream::responding_to(|query| list_since(&ORDERS, query)).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let expected = [5, 77, 29, 30, 31, 10, 13, 12, 90, 91, 11, 28, 14, 15];

    for limit in [1, 2, 3, 5, 13, 14, 15, 1000] {
        let pages = pages(&gateway, "/orders?since=2016-10-29", limit).await;

        assert_eq!(pages.concat(), expected, "limit={limit}");
        assert_eq!(pages.len(), expected.len().div_ceil(limit), "limit={limit}");
        assert!(pages.iter().all(|page| page.len() <= limit), "limit={limit}");
    }
}

#[tokio::test]
async fn percent_encoded_cursor_is_replaced_in_link() {
    let upstream = Upstream::responding_to(|query| list_since(&ORDERS, query)).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    let first = gateway.get("/orders?since=2016-10-29&limit=2").await.ok();
    let cursor = first["nextCursor"].as_str().expect("a cursor");
    for name in ["cursor", "%63ursor", "cur%73or"] {
        let answer = gateway.get(&format!("/orders?{name}={cursor}&since=2016-10-29&limit=2")).await;

        let next = answer.ok()["nextCursor"].as_str().expect("a cursor").to_owned();
        assert_eq!(answer.header("link"), format!("<?since=2016-10-29&limit=2&cursor={next}>; rel=\"next\""));
    }
}

#[tokio::test]
async fn pages_request_the_list_from_the_cursor_date() {
    let upstream = Upstream::responding_to(|query| list_since(&ORDERS, query)).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    pages(&gateway, "/orders?since=2016-10-29", 4).await;

    let dates: Vec<_> = upstream.queries().iter().filter_map(|query| query.split("date=").nth(1).map(str::to_owned)).collect();
    assert_eq!(dates, ["2016-10-29", "2016-10-29", "2016-10-30", "2016-10-31"]);
}

#[tokio::test]
async fn pages_match_lists_in_the_repeated_hour() {
    let upstream = Upstream::responding_to(|query| list_since(&ORDERS, query)).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    for filters in
        ["since=2016-10-30T01:30:00Z", "since=2016-10-30T00:30:00Z&until=2016-10-30T01:00:00Z", "since=2016-10-29&status=new"]
    {
        let listed: BTreeSet<u64> = ids(&gateway.get(&format!("/orders?{filters}")).await.ok()).into_iter().collect();
        for limit in 1..5 {
            let paged = pages(&gateway, &format!("/orders?{filters}"), limit).await.concat();

            assert_eq!(paged.len(), listed.len(), "{filters}");
            assert_eq!(paged.into_iter().collect::<BTreeSet<_>>(), listed, "{filters}");
        }
    }
}

#[tokio::test]
async fn orders_created_while_paging_shift_no_others() {
    static CALLS: Mutex<u64> = Mutex::new(0);
    let upstream = Upstream::responding_to(|query| {
        let mut calls = CALLS.lock();
        *calls += 1;
        // Each answer has one more order, earlier than all others on its day.
        let new_id = 100 + *calls;
        let mut orders = ORDERS.to_vec();
        orders.insert(0, (new_id, "2016-10-30 00:00:01"));
        list_since(&orders, query)
    })
    .await;
    let gateway = Gateway::in_front_of(&upstream).await;

    let paged = pages(&gateway, "/orders?since=2016-10-29", 3).await.concat();

    let original = paged.iter().filter(|id| **id < 100).copied().collect::<Vec<_>>();
    assert_eq!(original, [5, 77, 29, 30, 31, 10, 13, 12, 90, 91, 11, 28, 14, 15]);
    assert_eq!(paged.iter().collect::<BTreeSet<_>>().len(), paged.len());
}

#[tokio::test]
async fn customers_are_paged_by_id() {
    let list = "<customers>\
        <customer><id>3</id></customer><customer><id>1</id></customer><customer/><customer><id>2</id></customer></customers>";
    let upstream = Upstream::responding_with(Reply::xml(list)).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    assert_eq!(pages(&gateway, "/customers?since=2016-03-14", 2).await, [vec![1, 2], vec![3]]);

    let page = gateway.get("/customers?since=2016-03-14&limit=1").await.ok();

    assert_eq!(page["unreadable"][0]["position"], 3, "{page}");
}

#[tokio::test]
async fn cursor_is_valid_for_its_filters_only() {
    let upstream = Upstream::responding_to(|query| list_since(&ORDERS, query)).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let filters = "since=2016-10-29&status=new&status=x&customerId=7";

    let page = gateway.get(&format!("/orders?{filters}&limit=2")).await.ok();
    let cursor = page["nextCursor"].as_str().expect("a cursor").to_owned();
    let queries_before = upstream.queries().len();
    let mut forged = cursor.clone();
    forged.replace_range(30..31, if &cursor[30..31] == "0" { "1" } else { "0" });
    for target in [
        format!("/orders?since=2016-10-28&status=new&status=x&customerId=7&limit=2&cursor={cursor}"),
        format!("/orders?since=2016-10-29&status=new&limit=2&cursor={cursor}"),
        format!("/orders?{filters}&type=order&limit=2&cursor={cursor}"),
        format!("/orders?{filters}&until=2017-01-01&limit=2&cursor={cursor}"),
        format!("/orders?{filters}&cursor={cursor}"),
        format!("/orders?{filters}&limit=2&cursor={forged}"),
        format!("/orders?{filters}&limit=2&cursor={}", &cursor[..40]),
        format!("/orders?{filters}&limit=2&cursor=02{}", &cursor[2..]),
        format!(
            "/orders?{filters}&limit=2&cursor={}",
            cursor.to_uppercase().replace(|digit: char| digit.is_ascii_digit(), "A")
        ),
        format!("/orders?{filters}&limit=2&cursor={cursor}&cursor={cursor}"),
        format!("/customers?since=2016-10-29&limit=2&cursor={cursor}"),
    ] {
        let problem = gateway.get(&target).await.problem(400, "invalid-parameter");
        assert_eq!(problem["errors"][0]["parameter"], "cursor", "{target}");
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1), "{target}");
    }

    assert_eq!(upstream.queries().len(), queries_before, "nothing is sent for an invalid cursor");

    // Filters may be reordered, and the limit may change.
    let reordered = format!("/orders?customerId=7&status=x&limit=3&status=new&since=2016-10-28T22:00:00Z&cursor={cursor}");
    assert_eq!(ids(&gateway.get(&reordered).await.ok()), [29, 30, 31]);
    let listed = reordered.replace("status=x&", "").replace("status=new", "status=new,x");
    assert_eq!(ids(&gateway.get(&listed).await.ok()), [29, 30, 31]);
}

#[tokio::test]
async fn page_is_complete_before_its_first_byte() {
    let complete = list_since(&ORDERS, "date=2016-10-29");
    let upstream = Upstream::responding_with(complete.clone().truncated(complete.len() - 5)).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    gateway.get("/orders?since=2016-10-29&limit=2").await.problem(502, "upstream-answer-invalid");
    let upstream = Upstream::responding_with(Reply::xml(&format!("<orders>{}</orders>", "<order/>".repeat(10_001)))).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    gateway.get("/orders?since=2016-10-29&limit=2").await.problem(502, "upstream-answer-invalid");
}

#[tokio::test]
async fn ndjson_ends_with_a_completion_line() {
    let list = "<orders><order><id>1</id></order><order/><order><id>2</id></order></orders>";
    let upstream = Upstream::responding_with(Reply::xml(list)).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    for (target, last) in [
        ("/orders?since=2016-03-14", r#"{"complete":true,"count":2}"#),
        ("/orders?since=2016-03-14&limit=2", r#"{"complete":true,"count":2}"#),
    ] {
        let request = gateway.request(Method::GET, target).header("accept", "application/x-ndjson");

        let answer = gateway.send(request).await;

        assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson"));

        let mut lines: Vec<&str> = answer.body.lines().collect();
        assert_eq!(lines.pop(), Some(last), "{}", answer.body);

        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                r#"{"id":1,"deliverAsap":false}"#,
                r#"{"id":2,"deliverAsap":false}"#,
                r#"{"unreadable":{"position":2,"detail":"it has no id"}}"#
            ]
        );
    }

    let request = gateway.request(Method::GET, "/orders?since=2016-03-14&limit=1").header("accept", "application/x-ndjson");
    let answer = gateway.send(request).await;
    let end: Value = serde_json::from_str(answer.body.lines().last().expect("a line")).expect("JSON");
    assert!(end["complete"] == true && end["count"] == 1 && end["nextCursor"].is_string(), "{end}");

    // A truncated list has no completion line.
    let upstream = Upstream::responding_with(Reply::xml("<orders><order><id>1</id></order>")).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let raw = gateway.raw(b"GET /orders?since=2016-03-14 HTTP/1.0\r\nAccept: application/x-ndjson\r\n\r\n").await;
    assert!(raw.contains("{\"id\":1") && !raw.contains("complete"), "{raw}");
}

#[tokio::test]
async fn expanded_details_keep_the_page_order() {
    let upstream = Upstream::responding_to(|query| {
        let id = query.split("id=").nth(1).map(|id| id.parse::<u64>().expect("an id"));
        match id {
            None => list_since(&ORDERS, query),
            Some(30) => Reply::xml("<order_info/>"),
            Some(31) => Reply::new(200, "text/html", b"<html>"),
            Some(id) => Reply::xml(&format!(
                "<order_info><orderinfo><id>{id}</id><date>2016-10-29 12:00</date><status>delivered</status>\
                 <provider>Ljusbolaget</provider></orderinfo>\
                 <customer><id>7</id><firstname>Tolvan</firstname></customer></order_info>"
            )),
        }
    })
    .await;
    let gateway = Gateway::in_front_of(&upstream).await;

    let page = gateway.get("/orders?since=2016-10-29&limit=200&expand=detail").await.ok();

    assert_eq!(ids(&page), [5, 77, 29, 30, 31, 10, 13, 12, 90, 91, 11, 28, 14, 15]);

    let order = &page["items"][2];
    assert_eq!((&order["provider"]["name"], &order["customer"]["firstName"]), (&"Ljusbolaget".into(), &"Tolvan".into()));
    assert_eq!((&order["status"], &order["orderedAt"]), (&"new".into(), &"2016-10-29T12:00:00+02:00".into()));
    assert_eq!((&order["messages"], order.get("problem")), (&Value::Array(Vec::new()), None));

    let (missing, failed) = (&page["items"][3], &page["items"][4]);
    assert_eq!((&missing["problem"]["code"], &missing["problem"]["status"]), (&"order-not-found".into(), &404.into()));
    assert_eq!((&missing["problem"]["instance"], &missing["status"]), (&"/orders/30".into(), &"new".into()));
    assert_eq!((&failed["problem"]["code"], failed.get("messages")), (&"upstream-answer-invalid".into(), None));
    assert_eq!(upstream.queries().len(), 15);
}

#[tokio::test]
async fn expanded_details_share_the_list_deadline() {
    let upstream =
        Upstream::responding_to(
            |query| if query.contains("id=") { Reply::raw(b"").then_hang() } else { list_since(&ORDERS, query) },
        )
        .await;
    let gateway = Gateway::with(&upstream, &[("SERVER__LIST_TIMEOUT", "1s")]).await;

    let page = gateway.get("/orders?since=2016-10-29&limit=14&expand=detail").await.ok();

    let codes: BTreeSet<_> =
        page["items"].as_array().expect("items").iter().map(|item| item["problem"]["code"].as_str()).collect();
    assert_eq!(codes, BTreeSet::from([Some("upstream-timeout")]), "{page}");
    assert!(upstream.queries().len() <= 1 + 8, "no more than eight at once: {}", upstream.queries().len());
}

#[tokio::test]
async fn late_list_refusal_is_redacted() {
    let order = "<order><id>1</id><type>order</type><date>2016-03-14 09:05:00</date><status>new</status></order>";
    let message = "<message>api_user 1234: kund 191212121212, tolvan@example.com</message>";
    let end = format!("{message}</response><status>failed</status></orders>");
    let latch = Arc::new(Notify::new());
    latch.notify_one();
    let upstream = Upstream::responding_with(Reply::held(&[&format!("<orders><response>{order}"), &end], &latch)).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    let problem = gateway.get("/orders?since=2016-03-14&limit=10").await.problem(502, "refused-by-upstream");
    assert_eq!(problem["upstreamMessage"], "api_user ****: kund ****, ****");
}
