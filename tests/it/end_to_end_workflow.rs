//! The main job: a service provider's day, against an order system in a process of its own.

use serde_json::{Value, json};

use crate::support::{Gateway, Program};

const TEXT: &str = "Åäö & + % # 100 %";

#[tokio::test]
async fn an_order_is_picked_up_and_its_log_written_in_the_network_dialect() {
    let (url, program) = simulate(&["--dialect", "network"]).await;
    let gateway = Gateway::before_url(&url, &[]).await;
    a_day(&gateway).await;
    let xml = legacy_xml(&format!("{url}?method=order_info&api_user=1234&id={PICKED_UP}")).await;
    assert!(xml.contains("<status>received</status>"), "{xml}");
    assert!(xml.contains("<message>Åäö &amp; + % # 100 %</message><type>alert</type>"), "{xml}");
    drop(program);
}

#[tokio::test]
async fn an_order_is_picked_up_and_its_log_written_in_the_provider_dialect() {
    let (url, program) = simulate(&["--dialect", "provider", "--api-key", "k"]).await;
    let settings = [("UPSTREAMS__DEFAULT__DIALECT", "provider"), ("UPSTREAMS__DEFAULT__API_KEY", "k")];
    let gateway = Gateway::before_url(&url, &settings).await;
    a_day(&gateway).await;
    let stranger = legacy_xml(&format!("{url}?method=order_info&api_user=1234&id={PICKED_UP}")).await;
    assert!(stranger.contains("<code>403</code>"), "{stranger}");
    let login = legacy_xml(&format!("{url}?method=api_login&api_user=1234&api_key=k")).await;
    let hash = login.split_once("<hash_key>").and_then(|(_, rest)| rest.split_once("</hash_key>")).expect("a hash").0;
    let xml = legacy_xml(&format!("{url}?method=order_info&hash={hash}&id={PICKED_UP}")).await;
    assert!(
        xml.starts_with("<order_info><response><orderinfo>")
            && xml.ends_with("</response><status>success</status></order_info>"),
        "{xml}"
    );
    assert!(xml.contains("<message>Åäö &amp; + % # 100 %</message><type>alert</type>"), "{xml}");
    let customers = legacy_xml(&format!("{url}?method=customers&hash={hash}&date=2016-03-14")).await;
    assert!(customers.contains("<surname>Tolvansson</surname><date>2016-03-14 09:05</date></customer>"), "{customers}");
    let wrong = Gateway::before_url(&url, &[settings[0], ("UPSTREAMS__DEFAULT__API_KEY", "wrong")]).await;
    wrong.get("/orders/20417").await.problem(502, "upstream-credential-rejected");
    drop(program);
}

/// Both dialects tell the same, but for what only one of them knows.
#[tokio::test]
async fn the_same_system_looks_the_same_in_both_dialects() {
    let (network_url, _network) = simulate(&["--orders", "40"]).await;
    let (provider_url, _provider) = simulate(&["--orders", "40", "--dialect", "provider"]).await;
    let network = Gateway::before_url(&network_url, &[]).await;
    let settings = [("UPSTREAMS__DEFAULT__DIALECT", "provider"), ("UPSTREAMS__DEFAULT__API_KEY", "KEY")];
    let provider = Gateway::before_url(&provider_url, &settings).await;
    let both = async |target: &str| (network.get(target).await.ok(), provider.get(target).await.ok());

    // The last order is of the moment in which each system started.
    let (orders, same) = both("/orders?since=2016-03-14&until=2020-01-01").await;
    assert_eq!(orders, same);
    assert_eq!(orders["items"].as_array().map(Vec::len), Some(39));
    for order in orders["items"].as_array().expect("orders") {
        let (order, same) = both(&format!("/orders/{}", order["id"])).await;
        assert_eq!(order, same);
        let (mut customer, same) = both(&format!("/customers/{}", order["customer"]["id"])).await;
        customer.as_object_mut().expect("a customer").remove("memberId");
        assert_eq!(customer, same);
    }
    let (mut customers, mut same) = both("/customers?since=2016-03-14").await;
    let without = |list: &mut Value, member: &str| {
        let items = list["items"].as_array_mut().expect("customers");
        for item in items {
            item.as_object_mut().expect("a customer").remove(member);
        }
    };
    without(&mut customers, "email");
    without(&mut same, "registeredAt");
    assert_eq!(customers, same);
    let missing = [network.get("/orders/1").await, provider.get("/orders/1").await];
    for answer in missing {
        answer.problem(404, "order-not-found");
    }
    let missing = [network.patch_status(1, r#"{"status":"new"}"#).await, provider.patch_status(1, r#"{"status":"new"}"#).await];
    for answer in missing {
        answer.problem(404, "order-not-found");
    }
}

/// The first order that is new after the tenth of December.
const PICKED_UP: u64 = 20_908;

async fn simulate(arguments: &[&str]) -> (String, Program) {
    let arguments = [&["simulate", "--listen", "127.0.0.1:0"], arguments].concat();
    let mut program = Program::start(&arguments, &[]);
    let line = program.line_with("__URL=").await;
    let url = line.split(['=', ' ']).find(|word| word.starts_with("http")).expect("an address").to_owned();
    (url, program)
}

async fn a_day(gateway: &Gateway) {
    let orders = gateway.get("/orders?since=2016-12-10&status=new").await.ok();
    let order = &orders["items"][0];
    let id = order["id"].as_u64().expect("an id");
    assert_eq!((id, &order["status"]), (PICKED_UP, &json!("new")));

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
}

async fn legacy_xml(url: &str) -> String {
    let client = crate::support::http_client().build().expect("a client");
    client.get(url).send().await.expect("an answer").text().await.expect("a document")
}
