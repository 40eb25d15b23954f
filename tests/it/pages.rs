//! Pages neither lose nor repeat an order, and details fill them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::Value;
use tokio::sync::Notify;

use crate::support::{Gateway, Reply, Upstream};

/// Orders as (id, date) in the order in which the order system tells them; those of the asked day and later.
fn listed(orders: &[(u64, &str)], query: &str) -> Reply {
    let since = query.split("date=").nth(1).expect("a date");
    let told = orders.iter().filter(|(_, date)| *date >= since || !date.starts_with('2'));
    let item = |(id, date): &(u64, &str)| {
        format!("<order><id>{id}</id><date>{date}</date><status>new</status><customer>7</customer></order>")
    };
    Reply::xml(&format!("<orders>{}</orders>", told.map(item).collect::<Vec<_>>().concat()))
}

fn ids(list: &Value) -> Vec<u64> {
    list["items"].as_array().expect("items").iter().map(|item| item["id"].as_u64().expect("an id")).collect()
}

/// The ids on each page, following `nextCursor`, which `Link` must agree with.
async fn pages(gateway: &Gateway, target: &str, limit: usize) -> Vec<Vec<u64>> {
    let first = format!("{target}&limit={limit}");
    let (mut pages, mut next) = (Vec::new(), Some(first.clone()));
    while let Some(target) = next {
        let answer = gateway.get(&target).await;
        let page = answer.ok();
        pages.push(ids(&page));
        next = page["nextCursor"].as_str().map(|cursor| format!("{first}&cursor={cursor}"));
        let link = next.as_deref().map_or(String::new(), |next| format!("<{next}>; rel=\"next\""));
        assert_eq!(answer.header("link"), link);
        assert!(pages.len() < 500, "no end");
    }
    pages
}

/// Equal times, ids out of order, no date, and the hour that autumn repeats.
const ODD: [(u64, &str); 14] = [
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
async fn pages_of_any_size_are_the_list_in_order_of_time_and_id() {
    let upstream = Upstream::answering(|query| listed(&ODD, query)).await;
    let gateway = Gateway::before(&upstream).await;
    let expected = [5, 77, 29, 30, 31, 10, 13, 12, 90, 91, 11, 28, 14, 15];
    for limit in [1, 2, 3, 5, 13, 14, 15, 1000] {
        let pages = pages(&gateway, "/orders?since=2016-10-29", limit).await;
        assert_eq!(pages.concat(), expected, "limit={limit}");
        assert_eq!(pages.len(), expected.len().div_ceil(limit), "limit={limit}");
        assert!(pages.iter().all(|page| page.len() <= limit), "limit={limit}");
    }
}

#[tokio::test]
async fn a_cursor_in_other_letters_does_not_stay_in_the_link() {
    let upstream = Upstream::answering(|query| listed(&ODD, query)).await;
    let gateway = Gateway::before(&upstream).await;
    let first = gateway.get("/orders?since=2016-10-29&limit=2").await.ok();
    let cursor = first["nextCursor"].as_str().expect("a cursor");
    for name in ["cursor", "%63ursor", "cur%73or"] {
        let answer = gateway.get(&format!("/orders?{name}={cursor}&since=2016-10-29&limit=2")).await;
        let next = answer.ok()["nextCursor"].as_str().expect("a cursor").to_owned();
        assert_eq!(answer.header("link"), format!("</orders?since=2016-10-29&limit=2&cursor={next}>; rel=\"next\""));
    }
}

#[tokio::test]
async fn a_page_is_chosen_from_the_cursors_day_on() {
    let upstream = Upstream::answering(|query| listed(&ODD, query)).await;
    let gateway = Gateway::before(&upstream).await;
    pages(&gateway, "/orders?since=2016-10-29", 4).await;
    let dates: Vec<_> = upstream.queries().iter().filter_map(|query| query.split("date=").nth(1).map(str::to_owned)).collect();
    assert_eq!(dates, ["2016-10-29", "2016-10-29", "2016-10-30", "2016-10-31"]);
}

#[tokio::test]
async fn a_time_in_the_repeated_hour_begins_and_ends_pages_like_lists() {
    let upstream = Upstream::answering(|query| listed(&ODD, query)).await;
    let gateway = Gateway::before(&upstream).await;
    for bounds in
        ["since=2016-10-30T01:30:00Z", "since=2016-10-30T00:30:00Z&until=2016-10-30T01:00:00Z", "since=2016-10-29&status=new"]
    {
        let whole: BTreeSet<u64> = ids(&gateway.get(&format!("/orders?{bounds}")).await.ok()).into_iter().collect();
        for limit in 1..5 {
            let paged = pages(&gateway, &format!("/orders?{bounds}"), limit).await.concat();
            assert_eq!(paged.len(), whole.len(), "{bounds}");
            assert_eq!(paged.into_iter().collect::<BTreeSet<_>>(), whole, "{bounds}");
        }
    }
}

#[tokio::test]
async fn orders_that_come_between_pages_move_no_other() {
    static CALLS: Mutex<u64> = Mutex::new(0);
    let upstream = Upstream::answering(|query| {
        let mut calls = CALLS.lock().expect("a lock");
        *calls += 1;
        // Each call knows one more order, earlier than all others on its day.
        let early = 100 + *calls;
        let mut orders = ODD.to_vec();
        orders.insert(0, (early, "2016-10-30 00:00:01"));
        listed(&orders, query)
    })
    .await;
    let gateway = Gateway::before(&upstream).await;
    let paged = pages(&gateway, "/orders?since=2016-10-29", 3).await.concat();
    let told = paged.iter().filter(|id| **id < 100).copied().collect::<Vec<_>>();
    assert_eq!(told, [5, 77, 29, 30, 31, 10, 13, 12, 90, 91, 11, 28, 14, 15]);
    assert_eq!(paged.iter().collect::<BTreeSet<_>>().len(), paged.len());
}

#[tokio::test]
async fn customers_are_paged_by_id() {
    let list = "<customers>\
        <customer><id>3</id></customer><customer><id>1</id></customer><customer/><customer><id>2</id></customer></customers>";
    let upstream = Upstream::saying(Reply::xml(list)).await;
    let gateway = Gateway::before(&upstream).await;
    assert_eq!(pages(&gateway, "/customers?since=2016-03-14", 2).await, [vec![1, 2], vec![3]]);
    let page = gateway.get("/customers?since=2016-03-14&limit=1").await.ok();
    assert_eq!(page["unreadable"][0]["position"], 3, "{page}");
}

#[tokio::test]
async fn a_cursor_is_good_for_its_filters_only() {
    let upstream = Upstream::answering(|query| listed(&ODD, query)).await;
    let gateway = Gateway::before(&upstream).await;
    let filters = "since=2016-10-29&status=new&status=x&customerId=7";
    let page = gateway.get(&format!("/orders?{filters}&limit=2")).await.ok();
    let cursor = page["nextCursor"].as_str().expect("a cursor").to_owned();
    let asked = upstream.queries().len();
    let mut forged = cursor.clone();
    forged.replace_range(30..31, if &cursor[30..31] == "0" { "1" } else { "0" });
    for bad in [
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
        let problem = gateway.get(&bad).await.problem(400, "invalid-parameter");
        assert_eq!(problem["errors"][0]["parameter"], "cursor", "{bad}");
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1), "{bad}");
    }
    assert_eq!(upstream.queries().len(), asked, "nothing is sent for a bad cursor");
    // The order of filters means nothing, and the limit may change.
    let other = format!("/orders?customerId=7&status=x&limit=3&status=new&since=2016-10-28T22:00:00Z&cursor={cursor}");
    assert_eq!(ids(&gateway.get(&other).await.ok()), [29, 30, 31]);
}

#[tokio::test]
async fn a_page_is_whole_before_its_first_byte() {
    let whole = listed(&ODD, "date=2016-10-29");
    let upstream = Upstream::saying(whole.clone().cut(whole.len() - 5)).await;
    let gateway = Gateway::before(&upstream).await;
    gateway.get("/orders?since=2016-10-29&limit=2").await.problem(502, "upstream-answer-invalid");
    let upstream = Upstream::saying(Reply::xml(&format!("<orders>{}</orders>", "<order/>".repeat(10_001)))).await;
    let gateway = Gateway::before(&upstream).await;
    gateway.get("/orders?since=2016-10-29&limit=2").await.problem(502, "upstream-answer-invalid");
}

#[tokio::test]
async fn lines_end_with_one_that_says_that_the_list_is_complete() {
    let list = "<orders><order><id>1</id></order><order/><order><id>2</id></order></orders>";
    let upstream = Upstream::saying(Reply::xml(list)).await;
    let gateway = Gateway::before(&upstream).await;
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
    // A list of lines that breaks off has no such line.
    let upstream = Upstream::saying(Reply::xml("<orders><order><id>1</id></order>")).await;
    let gateway = Gateway::before(&upstream).await;
    let raw = gateway.raw(b"GET /orders?since=2016-03-14 HTTP/1.0\r\nAccept: application/x-ndjson\r\n\r\n").await;
    assert!(raw.contains("{\"id\":1") && !raw.contains("complete"), "{raw}");
}

#[tokio::test]
async fn details_fill_a_page_in_its_order() {
    let upstream = Upstream::answering(|query| {
        let id = query.split("id=").nth(1).map(|id| id.parse::<u64>().expect("an id"));
        match id {
            None => listed(&ODD, query),
            Some(30) => Reply::xml("<order_info/>"),
            Some(31) => Reply::typed(200, "text/html", b"<html>"),
            Some(id) => Reply::xml(&format!(
                "<order_info><orderinfo><id>{id}</id><date>2016-10-29 12:00</date><status>delivered</status>\
                 <provider>Ljusbolaget</provider></orderinfo><customer><id>7</id><firstname>Tolvan</firstname></customer></order_info>"
            )),
        }
    })
    .await;
    let gateway = Gateway::before(&upstream).await;
    let page = gateway.get("/orders?since=2016-10-29&limit=200&expand=detail").await.ok();
    assert_eq!(ids(&page), [5, 77, 29, 30, 31, 10, 13, 12, 90, 91, 11, 28, 14, 15]);
    let order = &page["items"][2];
    assert_eq!((&order["provider"]["name"], &order["customer"]["firstName"]), (&"Ljusbolaget".into(), &"Tolvan".into()));
    assert_eq!((&order["status"], &order["orderedAt"]), (&"new".into(), &"2016-10-29T12:00:00+02:00".into()));
    assert_eq!((&order["messages"], order.get("problem")), (&Value::Array(Vec::new()), None));
    let (gone, broken) = (&page["items"][3], &page["items"][4]);
    assert_eq!((&gone["problem"]["code"], &gone["problem"]["status"]), (&"order-not-found".into(), &404.into()));
    assert_eq!((&gone["problem"]["instance"], &gone["status"]), (&"/orders/30".into(), &"new".into()));
    assert_eq!((&broken["problem"]["code"], broken.get("messages")), (&"upstream-answer-invalid".into(), None));
    assert_eq!(upstream.queries().len(), 15);
}

#[tokio::test]
async fn details_share_the_deadline_of_their_list() {
    let upstream =
        Upstream::answering(|query| if query.contains("id=") { Reply::bytes(b"").then_hang() } else { listed(&ODD, query) })
            .await;
    let gateway = Gateway::with(&upstream, &[("SERVER__LIST_TIMEOUT", "1s")]).await;
    let page = gateway.get("/orders?since=2016-10-29&limit=14&expand=detail").await.ok();
    let codes: BTreeSet<_> =
        page["items"].as_array().expect("items").iter().map(|item| item["problem"]["code"].as_str()).collect();
    assert_eq!(codes, BTreeSet::from([Some("upstream-timeout")]), "{page}");
    assert!(upstream.queries().len() <= 1 + 8, "no more than eight at once: {}", upstream.queries().len());
}

#[tokio::test]
async fn a_refusal_after_the_first_items_tells_nothing_of_people_or_credentials() {
    let order = "<order><id>1</id><type>order</type><date>2016-03-14 09:05:00</date><status>new</status></order>";
    let said = "<message>api_user 1234: kund 191212121212, tolvan@example.com</message>";
    let end = format!("{said}</response><status>failed</status></orders>");
    let latch = Arc::new(Notify::new());
    latch.notify_one();
    let upstream = Upstream::saying(Reply::held(&[&format!("<orders><response>{order}"), &end], &latch)).await;
    let gateway = Gateway::before(&upstream).await;
    let problem = gateway.get("/orders?since=2016-03-14&limit=10").await.problem(502, "refused-by-upstream");
    assert_eq!(problem["upstreamMessage"], "api_user ****: kund ****, ****");
}
