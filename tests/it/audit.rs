//! The audit log: one line per write and per disclosure of PII, with ids and never with values.

use std::time::Duration;

use axum::body::Body;
use axum::{Extension, Router, routing};
use http::Request;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tjansteguiden_gateway::auth::{Authentication, Principal};
use tjansteguiden_gateway::config::LogFormat;
use tjansteguiden_gateway::metrics::Metrics;
use tjansteguiden_gateway::request::RequestInfo;
use tjansteguiden_gateway::resilience::ByteBudget;
use tjansteguiden_gateway::{middleware, telemetry};
use tower::ServiceExt;
use tracing::level_filters::LevelFilter;

use crate::support::log::audit_lines;
use crate::support::{
    ALL_SCOPES, ApiClient, FIRST_ORDER, FakeLegacy, Fault, Gateway, Reply, Upstream, borrowed, eventually, is_write,
};

fn variables() -> Vec<(String, String)> {
    let clients = [("full", ALL_SCOPES), ("masked", "orders:read,orders:write,customers:read")];
    clients.into_iter().flat_map(|(name, scopes)| ApiClient { name, upstream: "default", scopes }.variables()).collect()
}

fn request(gateway: &Gateway, client: &str, id: &str, method: Method, target: &str) -> RequestBuilder {
    gateway.request(method, target).bearer_auth(client).header("x-request-id", id)
}

/// A disclosure of one order or customer is a part of the request's own line, everything else has an audit line.
fn summary(line: &Value) -> String {
    let text = |member: &str| line[member].as_str().unwrap_or("-").to_owned();
    let facts =
        if line["message"] == "request" { ["audit.action", "audit.ids", "response"] } else { ["action", "ids", "outcome"] };
    ["client", "client.address", "upstream"].into_iter().chain(facts).map(text).collect::<Vec<_>>().join(" ")
}

async fn audited(id: &str, count: usize) -> Vec<String> {
    audit_lines(id, count).await.iter().map(summary).collect()
}

#[tokio::test]
async fn only_unmasked_pii_reads_are_audited() {
    let upstream = Upstream::with_fixtures().await;
    let gateway = Gateway::with(&upstream, &borrowed(&variables())).await;

    for (target, expected) in [
        ("/orders/20417", "get_order 20417 complete"),
        ("/orders/20417/messages", "list_order_messages 20417 seen"),
        ("/customers/18020", "get_customer 18020 complete"),
        ("/customers?since=2016-03-14", "list_customers 18020,18021 seen"),
        ("/customers?since=2016-03-14&limit=1", "list_customers 18020 seen"),
        ("/orders?since=2016-03-14&limit=1&expand=detail", "list_orders 20417 seen"),
    ] {
        let id = format!("audit-read-{}", target.len());
        gateway.send(request(&gateway, "full", &id, Method::GET, target)).await.ok();
        assert_eq!(audited(&id, 1).await, [format!("full 127.0.0.1 default {expected}")], "{target}");

        let id = format!("{id}-masked");
        gateway.send(request(&gateway, "masked", &id, Method::GET, target)).await.ok();
        assert_eq!(audited(&id, 0).await, [""; 0], "{target}");
    }

    let etag =
        gateway.send(request(&gateway, "full", "audit-tag", Method::GET, "/orders/20417")).await.header("etag").to_owned();
    let conditional = request(&gateway, "full", "audit-known", Method::GET, "/orders/20417").header("if-none-match", etag);
    assert_eq!((gateway.send(conditional).await.status, audited("audit-known", 0).await), (304, Vec::new()));

    for target in ["/orders/20417/status", "/orders?since=2016-03-14", "/orders/1/x"] {
        let id = format!("audit-none-{}", target.len());

        gateway.send(request(&gateway, "full", &id, Method::GET, target)).await;

        assert_eq!(audited(&id, 0).await, [""; 0], "{target}");
    }
}

/// The client has left when the response is dropped unread.
#[tokio::test]
async fn disclosure_is_logged_at_every_level_after_its_client_disconnects() {
    let lines = tempfile::NamedTempFile::new().expect("a file");
    let subscriber = telemetry::subscriber(LogFormat::Json, LevelFilter::ERROR, false, lines.reopen().expect("a file"));
    let _guard = tracing::subscriber::set_default(subscriber);
    let settings = middleware::Settings {
        memory: ByteBudget::default(),
        base_path: "/".into(),
        request_timeout: Duration::from_secs(1),
        authentication: Authentication::Anonymous(Principal::anonymous("default")),
        metrics: Metrics::default(),
        rate: None,
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
        routes: Vec::new(),
        is_public_route: |_| false,
        is_tls: false,
    };
    let disclose = async |Extension(request): Extension<RequestInfo>| {
        request.audit.record_disclosure("get_order", 20417);
        "personal data"
    };
    let router = Router::new().route("/orders/{id}", routing::get(disclose)).route("/me", routing::get(async || "nothing"));
    let router = middleware::apply(router, settings);

    for path in ["/me", "/orders/20417"] {
        let request = Request::get(path).header("host", "a").body(Body::empty()).expect("a request");
        drop(router.clone().oneshot(request).await);
    }

    let text = std::fs::read_to_string(lines.path()).expect("text");
    let line: Value = serde_json::from_str(&text).expect("one line of JSON");
    let facts = ["message", "audit.action", "audit.ids", "response", "level"].map(|key| line[key].as_str().unwrap_or("-"));
    assert_eq!(facts, ["request", "get_order", "20417", "aborted", "INFO"]);
}

#[tokio::test]
async fn long_list_disclosure_is_logged_in_batches_of_500() {
    let customers = (1..=1_201).map(|id| format!("<customer><id>{id}</id></customer>")).collect::<Vec<_>>().concat();
    let upstream = Upstream::responding_with(Reply::xml(&format!("<customers>{customers}</customers>"))).await;
    let gateway = Gateway::with(&upstream, &borrowed(&variables())).await;
    let list = request(&gateway, "full", "audit-long", Method::GET, "/customers?since=2016-03-14");

    gateway.send(list).await.ok();
    let lines = audit_lines("audit-long", 3).await;

    let ids: Vec<_> = lines.iter().flat_map(|line| line["ids"].as_str().expect("ids").split(',')).collect();
    let counts: Vec<_> = lines.iter().map(|line| line["ids"].as_str().expect("ids").split(',').count()).collect();
    assert_eq!(counts, [500, 500, 201]);
    assert!(ids.iter().zip(1_u64..).all(|(id, number)| *id == number.to_string()));
}

#[tokio::test]
async fn every_write_is_audited_with_its_outcome() {
    let legacy = FakeLegacy::with_faults(|query| if query.contains("%C3%A5ngra") { Fault::Drop } else { Fault::None }).await;
    let proxied = [("SERVER__TRUSTED_PROXIES", "127.0.0.1"), ("UPSTREAMS__DEFAULT__SETTLE_TIME", "1s")];
    let variables = variables();
    let gateway = Gateway::in_front_of_url(&legacy.url(), &[borrowed(&variables), proxied.to_vec()].concat()).await;
    let write = async |id: &str, method: Method, order: u64, part: &str, body: &str| {
        let request = request(&gateway, "masked", id, method, &format!("/orders/{order}/{part}"));
        let request = request.header("content-type", "application/json").header("x-forwarded-for", "192.0.2.7");
        gateway.send(request.body(body.to_owned())).await.status
    };
    let caller = "masked 192.0.2.7 default";
    let (status, message) = (r#"{"status":"received"}"#, r#"{"type":"log","text":"hej 191212121212"}"#);

    assert_eq!(write("audit-status", Method::PATCH, FIRST_ORDER, "status", status).await, 200);
    assert_eq!(audited("audit-status", 1).await, [format!("{caller} change_order_status {FIRST_ORDER} applied")]);
    assert_eq!(write("audit-message", Method::POST, FIRST_ORDER, "messages", message).await, 201);
    assert_eq!(audited("audit-message", 1).await, [format!("{caller} add_order_message {FIRST_ORDER} applied")]);
    assert_eq!(write("audit-nowhere", Method::PATCH, 1, "status", status).await, 404);
    assert_eq!(audited("audit-nowhere", 1).await, [format!("{caller} change_order_status 1 not_applied")]);
    // A request that fails validation is not a write.
    assert_eq!(write("audit-bad", Method::PATCH, FIRST_ORDER, "status", "{}").await, 422);
    assert_eq!(audited("audit-bad", 0).await, [""; 0]);
}

#[tokio::test]
async fn write_is_audited_after_its_client_disconnects() {
    let legacy =
        FakeLegacy::with_faults(|query| if is_write(query) { Fault::Delay(Duration::from_millis(300)) } else { Fault::None })
            .await;
    let gateway = Gateway::in_front_of_url(&legacy.url(), &borrowed(&variables())).await;
    let write = request(&gateway, "full", "audit-left", Method::PATCH, &format!("/orders/{FIRST_ORDER}/status"));
    let write = write.header("content-type", "application/json").body(r#"{"status":"active"}"#);

    tokio::select! {
        _ = gateway.send(write) => panic!("the write is delayed"),
        () = eventually("the write is sent", async || legacy.write_count() == 1) => {}
    }

    assert_eq!(audited("audit-left", 1).await, [format!("full 127.0.0.1 default change_order_status {FIRST_ORDER} applied")]);
}
