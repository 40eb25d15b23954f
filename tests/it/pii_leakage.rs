//! PII and credentials in upstream answers never reach logs, metrics or problems, for clients of any scope. `support/log.rs`
//! checks the log of the whole test run in the same way.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::support::log::find_canary;
use crate::support::{ALL_SCOPES, Answer, ApiClient, Gateway, Reply, Upstream, borrowed};

/// Every field with PII, and unknown elements and attributes that contain some.
const PERSON: &str = "<id>1</id><serial>191212121212</serial><firstname>CanaryTolvan</firstname>\
    <surname>CanaryTolvansson</surname><email>canary@example.com</email><address>Exempelgatan Canary 1</address>\
    <zip>Canary1</zip><city>CanaryCity</city>\
    <phone>0701740605</phone><premise>508-004-Canary</premise><message>Canary: ring på</message><member>Canary77</member>\
    <secret kind=\"Canary\">Canary</secret>";
const LOG: &str =
    "<logs><log><date>Canary</date><type>log</type><message>Canary 19121212-1212 ring 070-174 06 05</message></log></logs>";

fn clients() -> Vec<(String, String)> {
    let clients = [("all", ALL_SCOPES), ("orders", "orders:read,orders:write"), ("customers", "customers:read")];
    clients.into_iter().flat_map(|(name, scopes)| ApiClient { name, upstream: "default", scopes }.variables()).collect()
}

/// Sends every operation as every client, and as an unknown one.
async fn send_everything(gateway: &Gateway) -> Vec<Answer> {
    let mut requests = Vec::new();
    for client in ["all", "orders", "customers", "Bearer-Canary"] {
        for target in [
            "/orders?since=2016-03-14",
            "/orders?since=2016-03-14&limit=5&expand=detail",
            "/orders/1",
            "/orders/1/status",
            "/orders/1/messages",
            "/customers?since=2016-03-14",
            "/customers/1",
            "/customers/x",
            "/nowhere?name=CanaryTolvan",
        ] {
            requests.push(gateway.request(Method::GET, target).bearer_auth(client));
        }
        let writes = [
            (Method::PATCH, "/orders/1/status", json!({"status": "CanaryStatus"})),
            (Method::PATCH, "/orders/1/status", json!({"status": "received"})),
            (Method::POST, "/orders/1/messages", json!({"type": "log", "text": "Canary 191212121212"})),
            (Method::POST, "/orders/1/messages", json!({"type": "log", "text": "Canary 191212121212", "more": "Canary"})),
        ];
        for (method, target, body) in writes {
            let request = gateway.request(method, target).bearer_auth(client).header("content-type", "application/json");
            requests.push(request.header("x-canary", "Canary").body(body.to_string()));
        }
    }
    join_all(requests.into_iter().map(|request| gateway.send(request))).await
}

/// Upstream answers with PII in them, each used for all requests.
fn replies() -> Vec<(&'static str, Reply)> {
    let refusal = |root: &str, message: &str| format!("<{root}><status>failed</status><message>{message}</message></{root}>");
    let known = "api_user CanaryUser, 191212121212, 121212-1212, 121212+1212, order@example.net, 070-174 06 05";
    let document = |root: &str| {
        format!(
            "<{root}><orderinfo><status>new</status><date>Canary</date><unknown>Canary 191212121212</unknown></orderinfo>\
             <order><id>1</id><date>Canary 191212121212</date><customer>1</customer></order><order><id>Canary</id></order>\
             <customer>{PERSON}</customer>{LOG}\
             <serviceinfo><data><name>n</name><value>Canary</value></data></serviceinfo></{root}>"
        )
    };
    vec![
        ("a page", Reply::new(500, "text/html", b"<html>CanaryTolvan 191212121212</html>")),
        ("nothing known", Reply::new(200, "text/plain", "Canary 191212121212 api_user=CanaryUser".as_bytes())),
        (
            "a redirect",
            Reply::status(302, "<a/>").with_header("Location: https://portal.example/?api_user=CanaryUser&id=191212121212"),
        ),
        ("cookies", Reply::status(503, "").with_header("Set-Cookie: Canary=191212121212")),
        ("an order", Reply::xml(&document("order_info"))),
        ("a broken order", Reply::xml(&document("order_info").replace("</orderinfo>", "<broken>CanaryTolvan"))),
        ("orders", Reply::xml(&document("orders"))),
        ("customers", Reply::xml(&document("customers"))),
        ("a customer", Reply::xml(&document("customer_info"))),
        ("a refused read", Reply::xml(&refusal("order_info", known))),
        ("a refused list", Reply::xml(&refusal("orders", known))),
        ("a refused write", Reply::xml(&refusal("set_status", known))),
        ("a refused message", Reply::xml(&refusal("add_message", known))),
        ("a refused credential", Reply::xml(&refusal("order_info", "Access denied for CanaryUser 191212121212"))),
        ("half an answer", Reply::xml(&document("order_info")).truncated(700)),
        ("a reset", Reply::xml(&document("customers")).truncated(700).then_reset()),
    ]
}

#[tokio::test]
async fn upstream_pii_never_reaches_logs_metrics_or_problems() {
    for (case, reply) in replies() {
        let upstream = Upstream::responding_with(reply).await;
        let clients = clients();
        let settings = [
            ("UPSTREAMS__DEFAULT__API_USER", "CanaryUser"),
            ("UPSTREAMS__DEFAULT__TIMEOUT", "2s"),
            ("SERVER__REQUEST_TIMEOUT", "500ms"),
            ("UPSTREAMS__DEFAULT__BREAKER__ENABLED", "false"),
        ];
        let gateway = Gateway::with(&upstream, &[borrowed(&clients), settings.to_vec()].concat()).await;

        let answers = send_everything(&gateway).await;
        assert!(answers.iter().any(|answer| answer.status == 401), "{case}");

        for answer in answers {
            // `Answer::read` has checked the problems; this checks everything else.
            let headers = format!("{:?}", answer.headers);

            assert_eq!(find_canary(&headers), None, "{case}: {headers}");

            for secret in ["CanaryUser", "CanaryStatus"] {
                assert!(!answer.body.contains(secret), "{case}: {}", answer.body);
            }
        }

        gateway.drift_counts().await;
        gateway.metric("nothing").await;
    }
}

#[tokio::test]
async fn upstream_credentials_never_reach_logs_or_responses() {
    let refused = "<order_info><status>failed</status>\
                   <message>User CanaryUser, key Canary0123456789Key, hash CanaryHash: no</message></order_info>";
    for login in [
        "<api_login><status>success</status><hash_key>CanaryHash</hash_key></api_login>",
        "CanaryUser Canary0123456789Key",
        refused,
    ] {
        let login = login.to_owned();
        let upstream =
            Upstream::responding_to(move |query| Reply::xml(if query.contains("api_login") { &login } else { refused })).await;
        let clients = clients();
        let settings = [
            ("UPSTREAMS__DEFAULT__DIALECT", "provider"),
            ("UPSTREAMS__DEFAULT__API_USER", "CanaryUser"),
            ("UPSTREAMS__DEFAULT__API_KEY", "Canary0123456789Key"),
            ("SERVER__REQUEST_TIMEOUT", "500ms"),
        ];
        let gateway = Gateway::with(&upstream, &[borrowed(&clients), settings.to_vec()].concat()).await;

        for answer in send_everything(&gateway).await {
            assert_eq!(find_canary(&answer.body), None, "{}", answer.body);
        }

        gateway.metric("nothing").await;
    }
}
