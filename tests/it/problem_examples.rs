//! The examples of problems in the OpenAPI document: what the gateway answers to such a request.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tjansteguiden_gateway::rest::openapi::document;

use crate::support::{ApiClient, Gateway, Upstream, borrowed};

const ORDER: &str = "/orders/20417";
const STATUS: &str = "/orders/20417/status";
const MESSAGES: &str = "/orders/20417/messages";

/// The examples of a code, with the path in `instance`. Shared ones stand in several operations.
fn examples(document: &Value, code: &str, instance: &str) -> Vec<Value> {
    let mut found = Vec::new();
    collect(document, code, &mut found);
    found.retain(|example| example["instance"] == instance);
    found
}

fn collect(value: &Value, code: &str, found: &mut Vec<Value>) {
    match value {
        Value::Object(members) => {
            let example = &value["examples"][code]["value"];
            found.extend(example.is_object().then(|| example.clone()));
            members.values().for_each(|member| collect(member, code, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, code, found)),
        _ => {}
    }
}

/// Sends the request, and compares the problem with its examples: all but the request id is the same.
async fn compare(gateway: &Gateway, request: RequestBuilder, path: &str, code: &str) {
    let document = serde_json::to_value(document("/")).expect("a document");
    compare_with(&document, gateway, request, path, code).await;
}

async fn compare_with(document: &Value, gateway: &Gateway, request: RequestBuilder, path: &str, code: &str) {
    let mut answer = gateway.send(request).await.json();
    assert_eq!(answer["code"], code, "{answer}");
    answer["requestId"] = json!("import-42");

    let examples = examples(document, code, path);

    assert!(examples.contains(&answer), "{path} {code}: {answer:#} is not among {examples:#?}");
}

#[tokio::test]
async fn examples_of_faulty_requests_are_real_answers() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::in_front_of(&upstream).await;
    let get = |target: &str| gateway.request(Method::GET, target);
    let send = |method: Method, path: &str, body: &str| {
        gateway.request(method, path).header("content-type", "application/json").body(body.to_owned())
    };
    let patch = |body: &str| send(Method::PATCH, STATUS, body);
    let post = |body: &str| send(Method::POST, MESSAGES, body);
    let long = "x".repeat(70_000);

    for (request, path, code) in [
        (get("/orders"), "/orders", "invalid-parameter"),
        (get("/customers"), "/customers", "invalid-parameter"),
        (get("/me?verbose"), "/me", "invalid-parameter"),
        (get(&format!("{ORDER}?verbose")), ORDER, "invalid-parameter"),
        (get("/customers/18020?verbose"), "/customers/18020", "invalid-parameter"),
        (send(Method::PATCH, &format!("{STATUS}?verbose"), "{}"), STATUS, "invalid-parameter"),
        (send(Method::POST, &format!("{MESSAGES}?verbose"), "{}"), MESSAGES, "invalid-parameter"),
        (patch(r#"{"status": "received""#), STATUS, "malformed-body"),
        (post(r#"{"type": "alert", "text": "Kunden nås bäst"#), MESSAGES, "malformed-body"),
        (patch(r#"{"status": "done"}"#), STATUS, "invalid-value"),
        (post(r#"{"type": "alert", "text": " "}"#), MESSAGES, "invalid-value"),
        (get(ORDER).header("accept", "text/html"), ORDER, "not-acceptable"),
        (post("{}").header("accept", "text/html"), MESSAGES, "not-acceptable"),
        (get(&format!("{ORDER}?{}", &long[..8200])), ORDER, "uri-too-long"),
        (get(ORDER).header("x-long", &long[..33_000]), ORDER, "headers-too-large"),
        (post(&long), MESSAGES, "body-too-large"),
        (gateway.request(Method::POST, MESSAGES).body("{}"), MESSAGES, "unsupported-media-type"),
    ] {
        compare(&gateway, request, path, code).await;
    }
    assert!(upstream.queries().is_empty());
}

#[tokio::test]
async fn examples_of_missing_permissions_are_real_answers() {
    let upstream = Upstream::with_fixtures().await;
    let clients = ["reader", "writer"].map(|name| ApiClient {
        name,
        upstream: "default",
        scopes: if name == "reader" { "orders:read" } else { "orders:write" },
    });
    let variables = clients.map(|client| client.variables()).concat();
    let gateway = Gateway::with(&upstream, &borrowed(&variables)).await;
    let request = |method, path: &str, key: &str| gateway.request(method, path).header("x-api-key", key);

    compare(&gateway, gateway.request(Method::GET, ORDER), ORDER, "unauthenticated").await;
    for (request, path) in [
        (request(Method::GET, ORDER, "writer"), ORDER),
        (request(Method::PATCH, STATUS, "reader"), STATUS),
        (request(Method::GET, "/customers/18020", "reader"), "/customers/18020"),
    ] {
        compare(&gateway, request, path, "forbidden").await;
    }
}

#[tokio::test]
async fn examples_of_a_served_document_have_its_base_path() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[("SERVER__BASE_PATH", "/api/tg")]).await;
    let document = gateway.get("/api/tg/openapi.json").await.ok();

    let get = |target: &str| gateway.request(Method::GET, &format!("/api/tg{target}"));

    for (request, path, code) in [
        (get("/orders"), "/api/tg/orders", "invalid-parameter"),
        (get(ORDER).header("accept", "text/html"), "/api/tg/orders/20417", "not-acceptable"),
    ] {
        compare_with(&document, &gateway, request, path, code).await;
    }
}
