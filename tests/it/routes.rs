//! Every route over the fixtures: the upstream query, and the response.

use serde_json::{Value, json};

use crate::support::{Gateway, Reply, Upstream};

/// The example of the 200 response to `GET path` in the OpenAPI document.
fn example(path: &str) -> Value {
    let document = tjansteguiden_gateway::rest::openapi::document("/");
    let document: Value = serde_json::to_value(document).expect("a document");
    document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["example"].clone()
}

#[tokio::test]
async fn openapi_examples_match_the_fixtures() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;

    assert_eq!(gateway.get("/orders/20417").await.ok(), example("/orders/{id}"));
    assert_eq!(gateway.get("/orders?since=2016-03-14").await.ok(), example("/orders"));
    assert_eq!(gateway.get("/customers/18020").await.ok(), example("/customers/{id}"));
    assert_eq!(gateway.get("/customers?since=2016-03-14").await.ok(), example("/customers"));
    assert_eq!(
        upstream.queries(),
        [
            "method=order_info&api_user=1234&id=20417",
            "method=orders&api_user=1234&date=2016-03-14",
            "method=customer_info&api_user=1234&id=18020",
            "method=customers&api_user=1234&date=2016-03-14",
        ]
    );
}

#[tokio::test]
async fn status_and_messages_have_their_own_routes() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;

    assert_eq!(gateway.get("/orders/20417/status").await.ok(), json!({"status": "new"}));

    let log = gateway.get("/orders/20417/messages").await.ok();

    assert_eq!(log, json!({"items": example("/orders/{id}")["messages"]}));
    assert_eq!(upstream.queries(), ["method=order_info&api_user=1234&id=20417"; 2]);
}

#[tokio::test]
async fn writes_are_sent_once_with_exact_values() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;

    assert_eq!(gateway.patch_status(20417, r#"{"status":"delivered"}"#).await.ok(), json!({"status": "delivered"}));

    let hostile = "a&status=cancelled&id=1#x?y=z\n%26;+\u{1f600} Å";
    let answer = gateway.post_message(20417, &json!({"type": "log", "text": hostile}).to_string()).await;

    assert_eq!(answer.status, 201);
    assert_eq!(answer.json(), json!({"type": "log", "text": hostile}));

    let queries = upstream.queries();
    assert_eq!(queries[0], "method=set_status&api_user=1234&id=20417&status=delivered");
    assert_eq!(queries.len(), 2);

    let pairs: Vec<_> = form_urlencoded::parse(queries[1].as_bytes()).into_owned().collect();
    let expected = [("method", "add_message"), ("api_user", "1234"), ("id", "20417"), ("type", "log"), ("message", hostile)];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn client_headers_are_not_forwarded_upstream() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let request =
        gateway.request(reqwest::Method::GET, "/orders/20417").header("authorization", "Bearer secret").header("cookie", "a=b");

    gateway.send(request.header("x-request-id", "mine")).await.ok();
    let head = upstream.heads().remove(0).to_lowercase();
    for absent in ["authorization", "cookie", "mine", "referer", "accept-encoding"] {
        assert!(!head.contains(absent), "{head}");
    }
}

#[tokio::test]
async fn missing_status_is_omitted() {
    let upstream =
        Upstream::responding_with(Reply::xml("<order_info><orderinfo><type>order</type></orderinfo></order_info>")).await;
    let gateway = Gateway::in_front_of(&upstream).await;

    assert_eq!(gateway.get("/orders/1/status").await.ok(), json!({}));

    let order = gateway.get("/orders/1").await.ok();
    let tag = order["statusTag"].clone();
    let expected = json!({
        "id": 1, "type": "order", "deliverAsap": false, "messages": [], "details": [], "statusTag": tag
    });
    assert_eq!((order, tag.is_string()), (expected, true));
}

#[tokio::test]
async fn unknown_enum_values_are_passed_through() {
    let upstream = Upstream::responding_with(Reply::xml(
        "<order_info><orderinfo><type>upgrade</type><status>paused</status></orderinfo>\
         <logs><log><type>note</type><message>x</message></log></logs></order_info>",
    ))
    .await;
    let gateway = Gateway::in_front_of(&upstream).await;

    let order = gateway.get("/orders/1").await.ok();

    assert_eq!(
        (&order["type"], &order["status"], &order["messages"][0]["type"]),
        (&json!("upgrade"), &json!("paused"), &json!("note"))
    );
}

#[tokio::test]
async fn latin_1_upstream_is_supported() {
    let document = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><order_info><orderinfo>\
                     <citynet>\xd6vre \xc5sele</citynet></orderinfo></order_info>";
    let upstream = Upstream::responding_to(|query| {
        if query.contains("order_info") {
            Reply::new(200, "text/xml", document)
        } else {
            Reply::xml("<add_message><status>success</status></add_message>")
        }
    })
    .await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__CHARSET", "iso-8859-1")]).await;

    assert_eq!(gateway.get("/orders/1").await.ok()["network"]["name"], "Övre Åsele");
    assert_eq!(gateway.post_message(1, r#"{"type":"log","text":"Å"}"#).await.status, 201);
    assert!(upstream.queries()[1].ends_with("&message=%C5"));

    let problem = gateway.post_message(1, r#"{"type":"log","text":"✓"}"#).await.problem(422, "invalid-value");
    assert_eq!(problem["errors"][0]["pointer"], "/text");
    assert!(problem["errors"][0]["detail"].as_str().is_some_and(|detail| detail.contains('✓')), "{problem}");
    assert_eq!(upstream.queries().len(), 2);
}

#[tokio::test]
async fn documentation_is_served_with_and_without_base_path() {
    let upstream = Upstream::with_fixtures().await;

    for (base, gateway) in [
        ("", Gateway::in_front_of(&upstream).await),
        ("/api/tg", Gateway::with(&upstream, &[("SERVER__BASE_PATH", "/api/tg")]).await),
    ] {
        let root = gateway.get(&format!("{base}/")).await;
        assert_eq!((root.status, root.header("location")), (307, "swagger-ui/"));

        let document = gateway.get(&format!("{base}/openapi.json")).await.ok();
        let servers = json!([{"url": if base.is_empty() { "." } else { base }}]);
        assert_eq!(document["servers"], servers);
        assert!(document["paths"]["/orders"].is_object());
        assert!(gateway.get(&format!("{base}/openapi.yaml")).await.body.starts_with("openapi: 3.1"));

        let page = gateway.get(&format!("{base}/swagger-ui/")).await;
        assert!(page.status == 200 && page.header("content-type").starts_with("text/html"));

        let script = gateway.get(&format!("{base}/swagger-ui/swagger-initializer.js")).await;
        assert!(script.body.contains("\"../openapi.json\""), "{}", script.body);

        gateway.get(&format!("{base}/orders/20417")).await.ok();
        let problem = gateway.get(&format!("{base}/orders/0")).await.problem(400, "invalid-parameter");
        assert_eq!(problem["type"], format!("{base}/problems/invalid-parameter"));
        assert_eq!(problem["instance"], format!("{base}/orders/0"));

        let page = gateway.get(problem["type"].as_str().expect("a path")).await;
        assert!(page.status == 200 && page.body.contains("<h1>Invalid parameter</h1>"));

        gateway.get(&format!("{base}/problems/nonsense")).await.problem(404, "problem-not-found");
        gateway.get(&format!("{base}/swagger-ui/nonsense.js")).await.problem(404, "route-not-found");
    }

    let gateway = Gateway::with(&upstream, &[("SERVER__BASE_PATH", "/api/tg")]).await;
    assert_eq!(gateway.get("/api/tg").await.header("location"), "tg/swagger-ui/");

    gateway.get("/orders/20417").await.problem(404, "route-not-found");
}
