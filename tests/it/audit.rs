//! Who has written, and who has seen personal data, stands in the log; and nothing of what they wrote or saw.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::support::log::audit;
use crate::support::{ALL_SCOPES, Client, FIRST_ORDER, Fault, Gateway, Reply, System, Upstream, borrowed, is_write, soon};

fn variables() -> Vec<(String, String)> {
    let clients = [("plain", ALL_SCOPES), ("masked", "orders:read,orders:write,customers:read")];
    clients.into_iter().flat_map(|(name, scopes)| Client { name, upstream: "default", scopes }.variables()).collect()
}

fn ask(gateway: &Gateway, client: &str, id: &str, method: Method, target: &str) -> RequestBuilder {
    gateway.request(method, target).bearer_auth(client).header("x-request-id", id)
}

fn summary(line: &Value) -> String {
    let text = |member: &str| line[member].as_str().unwrap_or("-").to_owned();
    ["client", "client.address", "upstream", "action", "ids", "outcome"].map(text).join(" ")
}

async fn audited(id: &str, count: usize) -> Vec<String> {
    audit(id, count).await.iter().map(summary).collect()
}

#[tokio::test]
async fn each_look_at_unmasked_personal_data_is_a_line_and_no_other_read_is() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &borrowed(&variables())).await;
    for (target, expected) in [
        ("/orders/20417", "get_order 20417 seen"),
        ("/orders/20417/messages", "list_order_messages 20417 seen"),
        ("/customers/18020", "get_customer 18020 seen"),
        ("/customers?since=2016-03-14", "list_customers 18020,18021 seen"),
        ("/customers?since=2016-03-14&limit=1", "list_customers 18020 seen"),
        ("/orders?since=2016-03-14&limit=1&expand=detail", "list_orders 20417 seen"),
    ] {
        let id = format!("audit-read-{}", target.len());
        gateway.send(ask(&gateway, "plain", &id, Method::GET, target)).await.ok();
        assert_eq!(audited(&id, 1).await, [format!("plain 127.0.0.1 default {expected}")], "{target}");
        let id = format!("{id}-masked");
        gateway.send(ask(&gateway, "masked", &id, Method::GET, target)).await.ok();
        assert_eq!(audited(&id, 0).await, [""; 0], "{target}");
    }
    let tag = gateway.send(ask(&gateway, "plain", "audit-tag", Method::GET, "/orders/20417")).await.header("etag").to_owned();
    let again = ask(&gateway, "plain", "audit-known", Method::GET, "/orders/20417").header("if-none-match", tag);
    assert_eq!((gateway.send(again).await.status, audited("audit-known", 0).await), (304, Vec::new()));
    for target in ["/orders/20417/status", "/orders?since=2016-03-14", "/orders/1/x"] {
        let id = format!("audit-none-{}", target.len());
        gateway.send(ask(&gateway, "plain", &id, Method::GET, target)).await;
        assert_eq!(audited(&id, 0).await, [""; 0], "{target}");
    }
}

#[tokio::test]
async fn a_long_list_is_told_in_lines_of_500() {
    let customers = (1..=1_201).map(|id| format!("<customer><id>{id}</id></customer>")).collect::<Vec<_>>().concat();
    let upstream = Upstream::saying(Reply::xml(&format!("<customers>{customers}</customers>"))).await;
    let gateway = Gateway::with(&upstream, &borrowed(&variables())).await;
    let list = ask(&gateway, "plain", "audit-long", Method::GET, "/customers?since=2016-03-14");
    gateway.send(list).await.ok();
    let lines = audit("audit-long", 3).await;
    let ids: Vec<_> = lines.iter().flat_map(|line| line["ids"].as_str().expect("ids").split(',')).collect();
    let counts: Vec<_> = lines.iter().map(|line| line["ids"].as_str().expect("ids").split(',').count()).collect();
    assert_eq!(counts, [500, 500, 201]);
    assert!(ids.iter().zip(1_u64..).all(|(id, number)| *id == number.to_string()));
}

#[tokio::test]
async fn each_write_is_a_line_with_its_outcome() {
    let system = System::with_faults(|query| if query.contains("%C3%A5ngra") { Fault::Drop } else { Fault::None }).await;
    let proxied = [("SERVER__TRUSTED_PROXIES", "127.0.0.1"), ("UPSTREAMS__DEFAULT__SETTLE_TIME", "1s")];
    let variables = variables();
    let gateway = Gateway::before_url(&system.url(), &[borrowed(&variables), proxied.to_vec()].concat()).await;
    let write = async |id: &str, method: Method, order: u64, part: &str, body: &str| {
        let request = ask(&gateway, "masked", id, method, &format!("/orders/{order}/{part}"));
        let request = request.header("content-type", "application/json").header("x-forwarded-for", "192.0.2.7");
        gateway.send(request.body(body.to_owned())).await.status
    };
    let who = "masked 192.0.2.7 default";
    let (status, message) = (r#"{"status":"received"}"#, r#"{"type":"log","text":"hej 191212121212"}"#);
    assert_eq!(write("audit-status", Method::PATCH, FIRST_ORDER, "status", status).await, 200);
    assert_eq!(audited("audit-status", 1).await, [format!("{who} change_order_status {FIRST_ORDER} applied")]);
    assert_eq!(write("audit-message", Method::POST, FIRST_ORDER, "messages", message).await, 201);
    assert_eq!(audited("audit-message", 1).await, [format!("{who} add_order_message {FIRST_ORDER} applied")]);
    assert_eq!(write("audit-nowhere", Method::PATCH, 1, "status", status).await, 404);
    assert_eq!(audited("audit-nowhere", 1).await, [format!("{who} change_order_status 1 not_applied")]);
    // What is not fit to be sent is no write.
    assert_eq!(write("audit-bad", Method::PATCH, FIRST_ORDER, "status", "{}").await, 422);
    assert_eq!(audited("audit-bad", 0).await, [""; 0]);
}

#[tokio::test]
async fn a_write_whose_client_has_left_is_told_when_it_has_ended() {
    let system =
        System::with_faults(|query| if is_write(query) { Fault::Delay(Duration::from_millis(300)) } else { Fault::None }).await;
    let gateway = Gateway::before_url(&system.url(), &borrowed(&variables())).await;
    let write = ask(&gateway, "plain", "audit-left", Method::PATCH, &format!("/orders/{FIRST_ORDER}/status"));
    let write = write.header("content-type", "application/json").body(r#"{"status":"active"}"#);
    tokio::select! {
        _ = gateway.send(write) => panic!("it takes longer"),
        () = soon("the write is sent", async || system.writes() == 1) => {}
    }
    assert_eq!(audited("audit-left", 1).await, [format!("plain 127.0.0.1 default change_order_status {FIRST_ORDER} applied")]);
}
