//! `GET /me`: what the gateway knows of the client.

use reqwest::Method;
use serde_json::json;

use crate::support::{Gateway, Upstream};

#[tokio::test]
async fn anonymous_clients_have_every_scope() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &[("UPSTREAMS__DEFAULT__SETTLE_TIME", "41500ms")]).await;

    let answer = gateway.get("/me").await;

    let scopes = ["orders:read", "orders:write", "customers:read", "personal-data:read"];
    let expected = json!({
        "client": "anonymous", "upstream": "default", "scopes": scopes, "timeZone": "Europe/Stockholm", "settleTimeSeconds": 42
    });
    assert_eq!(answer.ok(), expected);
    assert_eq!(answer.header("cache-control"), "no-store");
    let document = gateway.get("/openapi.json").await.ok();
    assert_eq!((&document["x-settle-time-seconds"], &document["externalDocs"]["url"]), (&json!(42), &json!("docs/")));
    assert_eq!(document["components"].get("securitySchemes"), None);
    assert_eq!(document["paths"]["/me"]["get"]["security"], json!([]));
    assert!(upstream.queries().is_empty());
}

#[tokio::test]
async fn a_client_sees_its_own_scopes_and_upstream() {
    let upstream = Upstream::with_fixtures().await;
    let settings = [
        ("AUTH__MODE", "api-key"),
        ("AUTH__CLIENTS__IMPORT__KEY_SHA256", "b6d2770771a96fb485c8386e99447df1361b0d5e416fa6817370f4e4e2cf18b7"),
        ("AUTH__CLIENTS__IMPORT__UPSTREAM", "other"),
        ("AUTH__CLIENTS__IMPORT__SCOPES", "personal-data:read,orders:read"),
        ("UPSTREAMS__OTHER__URL", &upstream.url()),
        ("UPSTREAMS__OTHER__API_USER", "1"),
        ("UPSTREAMS__OTHER__TIME_ZONE", "Europe/Helsinki"),
    ];
    let gateway = Gateway::with(&upstream, &settings).await;
    let me = |key: &str| gateway.request(Method::GET, "/me").header("x-api-key", key);

    let expected = json!({
        "client": "import", "upstream": "other", "scopes": ["orders:read", "personal-data:read"], "timeZone": "Europe/Helsinki",
        "settleTimeSeconds": 35
    });
    assert_eq!(gateway.send(me("low-key")).await.ok(), expected);
    gateway.send(me("another-key")).await.problem(401, "unauthenticated");
    gateway.get("/me").await.problem(401, "unauthenticated");
    // Each upstream has a settle time of its own.
    let document = gateway.get("/openapi.json").await.ok();
    assert!(document["x-settle-time-seconds"].is_null());
    assert_eq!(document["paths"]["/orders"]["get"]["security"], json!([{"bearer": []}, {"apiKey": []}]));
    let bearer = &document["components"]["securitySchemes"]["bearer"]["description"];
    assert_eq!(bearer, "An API key from the operator of the gateway.");
}

#[tokio::test]
async fn a_client_without_scopes_is_answered() {
    let upstream = Upstream::with_fixtures().await;
    let settings = [
        ("AUTH__MODE", "api-key"),
        ("AUTH__CLIENTS__IMPORT__KEY_SHA256", "b6d2770771a96fb485c8386e99447df1361b0d5e416fa6817370f4e4e2cf18b7"),
        ("AUTH__CLIENTS__IMPORT__SCOPES", "customers:read"),
    ];
    let gateway = Gateway::with(&upstream, &settings).await;
    let request = |method, target| gateway.request(method, target).header("x-api-key", "low-key");

    gateway.send(request(Method::GET, "/orders/1")).await.problem(403, "forbidden");
    assert_eq!(gateway.send(request(Method::GET, "/me")).await.ok()["scopes"], json!(["customers:read"]));
    gateway.send(request(Method::GET, "/me?x=1")).await.problem(400, "invalid-parameter");
    gateway.send(request(Method::POST, "/me")).await.problem(405, "method-not-allowed");
    gateway.send(request(Method::GET, "/me").header("accept", "text/html")).await.problem(406, "not-acceptable");
}
