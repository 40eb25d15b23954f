//! Upstream answers that say two things of one: nothing is chosen silently, and nothing is made of both.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Gateway, Reply, Upstream};

async fn in_front_of(document: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::responding_with(Reply::xml(document)).await;
    let gateway = Gateway::in_front_of(&upstream).await;
    (upstream, gateway)
}

#[tokio::test]
async fn two_customers_are_not_made_one_person() {
    let order = "<order_info><orderinfo><status>new</status></orderinfo>\
                 <customer><id>5</id><firstname>Åsa</firstname></customer>\
                 <customer><id>6</id><email>olle@example.com</email></customer><logs/></order_info>";
    let (_upstream, gateway) = in_front_of(order).await;

    for target in ["/orders/7", "/orders/7/status", "/orders/7/messages"] {
        let problem = gateway.get(target).await.problem(502, "upstream-answer-invalid");
        assert!(!problem.to_string().contains("Åsa"), "{problem}");
    }
    assert_eq!(gateway.drift_counts().await, [("order_info repeated_element customer".to_owned(), 3)]);
}

#[tokio::test]
async fn repeated_elements_are_counted() {
    let order = "<order_info><orderinfo><status>new</status><status>new</status><citynet>a</citynet><citynet>b</citynet>\
                 <type/><type>order</type></orderinfo>\
                 <customer><id>5</id><phone/><phone>0701740605</phone><phone>0701740606</phone></customer><logs/></order_info>";
    let (_upstream, gateway) = in_front_of(order).await;

    let order = gateway.get("/orders/7").await.ok();

    assert_eq!(order["network"], json!({"name": "a"}));
    assert_eq!(order["customer"], json!({"id": 5, "phone": "0701740605"}));
    let expected = ["customer.phone", "orderinfo.citynet", "orderinfo.status"]
        .map(|element| (format!("order_info repeated_element {element}"), 1));
    assert_eq!(gateway.drift_counts().await, expected);
}

/// Items are handed out as they arrive, so a repetition of the list would double them.
#[tokio::test]
async fn list_in_two_responses_is_broken_off() {
    let response = "<response><order><id>1</id></order></response>";
    let (_upstream, gateway) = in_front_of(&format!("<orders>{response}{response}</orders>")).await;

    let request = gateway.request(Method::GET, "/orders?since=2016-03-14");
    let response = request.send().await.expect("a response");
    assert_eq!(response.status(), 200);
    response.bytes().await.expect_err("the list is broken off");
    gateway.get("/orders?since=2016-03-14&limit=10").await.problem(502, "upstream-answer-invalid");
}

/// Items with equal layouts are read by comparison, which must not change a decision.
#[tokio::test]
async fn contradictory_items_do_not_depend_on_earlier_ones() {
    let item = |id: u32, second_date: &str, first_email: &str| {
        format!(
            "<customer><id>{id}</id><id>{id}</id><firstname>a</firstname><date>2016-03-14</date>\
             <date>{second_date}</date><email>{first_email}</email><email>b@example.com</email></customer>"
        )
    };
    let items: String = (1..=9)
        .map(|id| item(id, if id % 3 == 0 { "2016-03-15" } else { "2016-03-14" }, if id == 4 { "" } else { "a@example.com" }))
        .collect();
    let (_upstream, gateway) = in_front_of(&format!("<customers>{items}</customers>")).await;

    let list = gateway.get("/customers?since=2016-03-14").await.ok();

    let ids = |list: &Value| list.as_array().expect("items").iter().map(|item| item["id"].clone()).collect::<Value>();
    assert_eq!((ids(&list["items"]), ids(&list["unreadable"])), (json!([1, 2, 4, 5, 7, 8]), json!([3, 6, 9])));
    assert_eq!(list["items"][2]["email"], "b@example.com");
    assert_eq!(list["items"][3]["email"], "a@example.com");
}

#[tokio::test]
async fn orders_are_usable_without_the_id_of_their_customer() {
    let order = "<order_info><orderinfo><status>new</status></orderinfo><customer><id>0</id><firstname>Åsa</firstname>\
                 </customer><logs><log><message>hej</message></log></logs></order_info>";
    let items = ["0", "x", "-5", "9007199254740992", "", "5"];
    let order_of = |(id, customer)| format!("<order><id>{id}</id><status>new</status><customer>{customer}</customer></order>");
    let list = format!("<orders>{}</orders>", (1..).zip(items).map(order_of).collect::<String>());
    let upstream =
        Upstream::responding_to(move |query| Reply::xml(if query.contains("order_info") { order } else { &list })).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    assert_eq!(gateway.get("/orders/7").await.ok()["customer"], json!({"firstName": "Åsa"}));
    assert_eq!(gateway.get("/orders/7/status").await.ok(), json!({"status": "new"}));
    assert_eq!(gateway.get("/orders/7/messages").await.ok()["items"], json!([{"text": "hej"}]));
    let all = gateway.get("/orders?since=2016-03-14").await.ok();
    let customers: Vec<_> = all["items"].as_array().expect("items").iter().map(|item| item.get("customer").cloned()).collect();
    assert_eq!(customers, [None, None, None, None, None, Some(json!({"id": 5}))]);
    assert_eq!(all.get("unreadable"), None);
    let of_customer = gateway.get("/orders?since=2016-03-14&customerId=5").await.ok();
    assert_eq!(of_customer["items"].as_array().map(Vec::len), Some(1));
    // The list knows the customer's id, the details the rest.
    let expanded = gateway.get("/orders?since=2016-03-14&customerId=5&limit=10&expand=detail").await.ok();
    assert_eq!(expanded["items"][0]["customer"], json!({"id": 5, "firstName": "Åsa"}));

    let drift = gateway.drift_counts().await;
    let count = |series: &str| drift.iter().find(|(name, _)| name == series).map(|(_, count)| *count);
    assert_eq!(count("order_info unreadable_id customer.id"), Some(4));
    assert_eq!(count("orders unreadable_id order.customer"), Some(4 * 3));
}
