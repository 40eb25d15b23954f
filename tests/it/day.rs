//! The main job: a service provider's day, against an order system in a process of its own.

use serde_json::json;

use crate::support::{Gateway, Program};

const TEXT: &str = "Åäö & + % # 100 %";

#[tokio::test]
async fn a_service_provider_picks_up_an_order_and_writes_to_its_log() {
    let mut legacy = Program::start(&["simulate", "--listen", "127.0.0.1:0"], &[]);
    let line = legacy.line_with("__URL=").await;
    let url = line.split(['=', ' ']).find(|word| word.starts_with("http")).expect("an address").to_owned();
    let gateway = Gateway::before_url(&url, &[]).await;

    let orders = gateway.get("/orders?since=2016-12-10&status=new").await.ok();
    let order = &orders["items"][0];
    let id = order["id"].as_u64().expect("an id");
    assert_eq!(order["status"], "new");

    let detail = gateway.get(&format!("/orders/{id}")).await.ok();
    assert_eq!(detail["customer"]["id"], order["customer"]["id"]);
    let customer = gateway.get(&format!("/customers/{}", order["customer"]["id"])).await.ok();
    assert_eq!(customer["lastName"], detail["customer"]["lastName"]);

    assert_eq!(gateway.patch_status(id, r#"{"status":"received"}"#).await.ok(), json!({"status": "received"}));
    let message = json!({"type": "alert", "text": TEXT});
    let added = gateway.post_message(id, &message.to_string()).await;
    assert_eq!(added.status, 201);
    assert_eq!(added.json(), message);

    assert_eq!(gateway.get(&format!("/orders/{id}/status")).await.ok(), json!({"status": "received"}));
    let log = gateway.get(&format!("/orders/{id}/messages")).await.ok();
    let rows = log["items"].as_array().expect("rows");
    let [status, message] = &rows[rows.len() - 2..] else { panic!("two rows") };
    assert_eq!((&status["type"], &status["text"]), (&json!("system"), &json!("Status changed to received")));
    assert_eq!((&message["type"], &message["text"]), (&json!("alert"), &json!(TEXT)));

    let xml = legacy_xml(&format!("{url}?method=order_info&api_user=1234&id={id}")).await;
    assert!(xml.contains("<status>received</status>"), "{xml}");
    assert!(xml.contains("<message>Åäö &amp; + % # 100 %</message><type>alert</type>"), "{xml}");
}

#[expect(clippy::disallowed_methods, reason = "the order system is asked directly")]
async fn legacy_xml(url: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    client.get(url).send().await.expect("an answer").text().await.expect("a document")
}
