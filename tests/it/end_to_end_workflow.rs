//! The main workflow of a service provider, against a simulator in another process.

use serde_json::{Value, json};

use crate::support::{Gateway, Program};

const TEXT: &str = "Åäö & + % # 100 %";

#[tokio::test]
async fn order_workflow_in_the_network_dialect() {
    let (url, program) = simulate(&["--dialect", "network"]).await;
    let gateway = Gateway::in_front_of_url(&url, &[]).await;

    run_workflow(&gateway).await;

    let xml = legacy_xml(&format!("{url}?method=order_info&api_user=1234&id={FIRST_NEW_ORDER}")).await;
    assert!(xml.contains("<status>received</status>"), "{xml}");
    assert!(xml.contains("<message>Åäö &amp; + % # 100 %</message><type>alert</type>"), "{xml}");

    drop(program);
}

#[tokio::test]
async fn order_workflow_in_the_provider_dialect() {
    let (url, program) = simulate(&["--dialect", "provider", "--api-key", "k"]).await;
    let settings = [("UPSTREAMS__DEFAULT__DIALECT", "provider"), ("UPSTREAMS__DEFAULT__API_KEY", "k")];
    let gateway = Gateway::in_front_of_url(&url, &settings).await;

    run_workflow(&gateway).await;
    let without_hash = legacy_xml(&format!("{url}?method=order_info&api_user=1234&id={FIRST_NEW_ORDER}")).await;
    assert!(without_hash.contains("<code>403</code>"), "{without_hash}");

    let login = legacy_xml(&format!("{url}?method=api_login&api_user=1234&api_key=k")).await;
    let hash = login.split_once("<hash_key>").and_then(|(_, rest)| rest.split_once("</hash_key>")).expect("a hash").0;
    let xml = legacy_xml(&format!("{url}?method=order_info&hash={hash}&id={FIRST_NEW_ORDER}")).await;
    assert!(
        xml.starts_with("<order_info><response><orderinfo>")
            && xml.ends_with("</response><status>success</status></order_info>"),
        "{xml}"
    );
    assert!(xml.contains("<message>Åäö &amp; + % # 100 %</message><type>alert</type>"), "{xml}");

    let customers = legacy_xml(&format!("{url}?method=customers&hash={hash}&date=2016-03-14")).await;
    assert!(customers.contains("<surname>Tolvansson</surname><date>2016-03-14 09:05</date></customer>"), "{customers}");

    let wrong_key = Gateway::in_front_of_url(&url, &[settings[0], ("UPSTREAMS__DEFAULT__API_KEY", "wrong")]).await;
    wrong_key.get("/orders/20417").await.problem(502, "upstream-credential-rejected");
    drop(program);
}

/// Both dialects produce the same JSON, except for members that only one of them has.
#[tokio::test]
async fn both_dialects_produce_the_same_json() {
    let (network_url, _network) = simulate(&["--orders", "40"]).await;
    let (provider_url, _provider) = simulate(&["--orders", "40", "--dialect", "provider"]).await;
    let network = Gateway::in_front_of_url(&network_url, &[]).await;
    let settings = [("UPSTREAMS__DEFAULT__DIALECT", "provider"), ("UPSTREAMS__DEFAULT__API_KEY", "KEY")];
    let provider = Gateway::in_front_of_url(&provider_url, &settings).await;
    let both = async |target: &str| (network.get(target).await.ok(), provider.get(target).await.ok());

    // The last order has the start time of its simulator, so it differs.
    let (orders, provider_orders) = both("/orders?since=2016-03-14&until=2020-01-01").await;
    assert_eq!(orders, provider_orders);
    assert_eq!(orders["items"].as_array().map(Vec::len), Some(39));

    for order in orders["items"].as_array().expect("orders") {
        let (order, provider_order) = both(&format!("/orders/{}", order["id"])).await;
        assert_eq!(order, provider_order);

        let (mut customer, provider_customer) = both(&format!("/customers/{}", order["customer"]["id"])).await;
        customer.as_object_mut().expect("a customer").remove("memberId");
        assert_eq!(customer, provider_customer);
    }

    let (mut customers, mut provider_customers) = both("/customers?since=2016-03-14").await;
    let without = |list: &mut Value, member: &str| {
        let items = list["items"].as_array_mut().expect("customers");
        for item in items {
            item.as_object_mut().expect("a customer").remove(member);
        }
    };
    without(&mut customers, "email");
    without(&mut provider_customers, "registeredAt");
    assert_eq!(customers, provider_customers);

    let missing = [network.get("/orders/1").await, provider.get("/orders/1").await];
    for answer in missing {
        answer.problem(404, "order-not-found");
    }

    let missing = [network.patch_status(1, r#"{"status":"new"}"#).await, provider.patch_status(1, r#"{"status":"new"}"#).await];
    for answer in missing {
        answer.problem(404, "order-not-found");
    }
}

/// The first order after 10 December 2016 with status `new`.
const FIRST_NEW_ORDER: u64 = 20_908;

async fn simulate(arguments: &[&str]) -> (String, Program) {
    let arguments = [&["simulate", "--listen", "127.0.0.1:0"], arguments].concat();
    let mut program = Program::start(&arguments, &[]);
    let line = program.line_with("__URL=").await;
    let url = line.split(['=', ' ']).find(|token| token.starts_with("http")).expect("an address").to_owned();
    (url, program)
}

async fn run_workflow(gateway: &Gateway) {
    let orders = gateway.get("/orders?since=2016-12-10&status=new").await.ok();
    let order = &orders["items"][0];
    let id = order["id"].as_u64().expect("an id");
    assert_eq!((id, &order["status"]), (FIRST_NEW_ORDER, &json!("new")));

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
    let entries = log["items"].as_array().expect("log entries");
    let [status, message] = &entries[entries.len() - 2..] else { panic!("two entries") };
    assert_eq!((&status["type"], &status["text"]), (&json!("system"), &json!("Status changed to received")));
    assert_eq!((&message["type"], &message["text"]), (&json!("alert"), &json!(TEXT)));
}

async fn legacy_xml(url: &str) -> String {
    let client = crate::support::http_client().build().expect("a client");
    client.get(url).send().await.expect("an answer").text().await.expect("a document")
}
