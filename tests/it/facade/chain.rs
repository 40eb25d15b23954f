//! A gateway before, behind, or on both sides of the facade: what passes through is the same as without them.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::Value;
use tjansteguiden_gateway::config::Dialect;

use super::Facade;
use super::identity::{Program, compare, name, simulators, tree};
use crate::support::{Answer, FIRST_ORDER, Gateway, NETWORK_PATH, Reply, Upstream, is_provider};

/// A gateway over a legacy system, and a facade over the gateway.
struct Chain {
    gateway: Gateway,
    facade: Facade,
}

/// The dialect of the legacy systems behind gateways in this run.
fn upstream_dialect() -> Dialect {
    if is_provider() { Dialect::Provider } else { Dialect::Network }
}

impl Chain {
    /// A chain over a simulated system, which speaks its dialect at both ends.
    async fn new(system: SocketAddr, idempotency: bool) -> Self {
        Self::over(&url(system), upstream_dialect(), idempotency).await
    }

    /// A chain whose facade speaks this dialect.
    async fn over(url: &str, dialect: Dialect, idempotency: bool) -> Self {
        let gateway = Gateway::in_front_of_url(url, &[]).await;
        let key = [("FACADE__DIALECT", name(dialect)), ("FACADE__CLIENTS__SHOP__API_KEY", "KEY")];
        let mut settings = vec![("FACADE__BACKENDS__NEW__IDEMPOTENCY", if idempotency { "true" } else { "false" })];
        settings.extend(if dialect == Dialect::Provider { &key[..] } else { &[] });
        let facade = Facade::over_json(&format!("http://{}", gateway.address), &settings).await;
        Self { gateway, facade }
    }
}

fn url(system: SocketAddr) -> String {
    format!("http://{system}{NETWORK_PATH}")
}

#[tokio::test]
async fn legacy_client_sees_the_legacy_system_through_facade_and_gateway() {
    let dialect = upstream_dialect();
    for idempotency in [false, true] {
        let [direct, system] = simulators(dialect, 0.0).await;
        let chain = Chain::new(system, idempotency).await;
        let direct = Program::new(direct, dialect).await;
        let through = Program::new(chain.facade.address, dialect).await;

        compare(&direct, &through, &format!("{dialect:?}, idempotency {idempotency}")).await;
    }
}

#[tokio::test]
async fn refusals_of_the_legacy_system_pass_through_facade_and_gateway() {
    let dialect = upstream_dialect();
    let [direct, system] = simulators(dialect, 1.0).await;
    let chain = Chain::new(system, true).await;
    let direct = Program::new(direct, dialect).await;
    let through = Program::new(chain.facade.address, dialect).await;
    for (method, parameters) in [
        ("orders", "date=2016-01-01"),
        ("customers", "date=2016-01-01"),
        ("order_info", "id=20417"),
        ("customer_info", "id=18020"),
    ] {
        let (expected, answer) = (direct.call(method, parameters).await, through.call(method, parameters).await);
        assert_eq!((answer.status, tree(&answer.body)), (expected.status, tree(&expected.body)), "{method}");
    }
    // The order cannot be read either, so the gateway does not know whom the sentence may not name, and leaves it out.
    let answer = through.call("set_status", "id=20417&status=new").await;
    assert_eq!((answer.status, answer.text().contains("<message>Refused</message>")), (500, true), "{}", answer.text());
}

const WRITES: [(&str, &str); 2] = [("set_status", "id=7&status=new"), ("add_message", "id=7&type=log&message=x")];

#[tokio::test]
async fn refusals_of_writes_keep_their_sentence() {
    const REFUSAL: &str =
        "<status>failed</status><response><code>500</code><message>Ordern är låst &amp; klar</message></response>";
    let upstream = Upstream::responding_to(|query| {
        let method = query.split('&').find_map(|pair| pair.strip_prefix("method=")).unwrap_or_default();
        match method {
            "order_info" => Reply::xml(&crate::support::fixture("network/order_info.xml")),
            method => Reply::status(500, &format!("<{method}>{REFUSAL}</{method}>")),
        }
    })
    .await;
    let chain = Chain::over(&upstream.url(), Dialect::Network, true).await;
    for (method, parameters) in WRITES {
        let answer = chain.facade.call(method, parameters).await;
        assert_eq!(answer.status, 500);
        assert_eq!(tree(&answer.body), tree(format!("<{method}>{REFUSAL}</{method}>").as_bytes()), "{method}");
    }
}

/// A legacy program may show the times of a day whose hour from two to three is there twice.
#[tokio::test]
async fn wall_times_of_the_repeated_hour_are_unchanged() {
    let times = ["01:59", "02:00", "02:30", "02:59", "03:00"];
    let order = |time: &str| {
        format!(
            "<order_info><orderinfo><date>2016-10-30 {time}</date><status>new</status></orderinfo><logs>\
             <log><date>2016-10-30 {time}:07</date><message>Ring</message></log></logs></order_info>"
        )
    };
    let listed = |time: &str, id: usize| format!("<order><id>{id}</id><date>2016-10-30 {time}:07</date></order>");
    let orders = times.iter().zip(1..).map(|(time, id)| listed(time, id)).collect::<Vec<_>>().concat();
    let list = format!("<orders><response>{orders}</response></orders>");
    let upstream = Upstream::responding_to(move |query| {
        let id = query.split("&id=").nth(1).and_then(|id| id.split('&').next()?.parse::<usize>().ok());
        Reply::xml(&id.map_or_else(|| list.clone(), |id| order(times[id - 1])))
    })
    .await;
    let chain = Chain::over(&upstream.url(), Dialect::Network, true).await;
    let dates = |text: &str| -> Vec<String> {
        text.split("<date>").skip(1).filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect()
    };

    let listed = chain.facade.call("orders", "date=2016-10-01").await.text();
    assert_eq!(dates(&listed), times.map(|time| format!("2016-10-30 {time}:07")));
    for (time, id) in times.iter().zip(1..) {
        let order = chain.facade.call("order_info", &format!("id={id}")).await.text();
        assert_eq!(dates(&order), [format!("2016-10-30 {time}"), format!("2016-10-30 {time}:07")], "{order}");
    }
}

/// A gateway over `system`, which is a legacy system or a facade.
async fn gateway_over(system: SocketAddr) -> Gateway {
    Gateway::in_front_of_url(&url(system), &[("SERVER__SECRET", "fedcba9876543210")]).await
}

/// A body without what two requests cannot have in common: the request's id, and, after a write, references and times.
fn comparable(answer: &Answer, is_written: bool) -> String {
    const OF_WRITES: [&str; 3] = ["reference", "at", "statusTag"];
    let mut body = answer.body.clone();
    let mut lines: Vec<Value> = body.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    while let Some(value) = lines.pop() {
        match value {
            Value::Array(values) => lines.extend(values),
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(text) if name == "requestId" || is_written && OF_WRITES.contains(&&*name) => {
                            let encoded = Value::String(text).to_string();
                            body = body.replace(&format!("\"{name}\":{encoded}"), &format!("\"{name}\":\"\""));
                        }
                        nested => lines.push(nested),
                    }
                }
            }
            _ => {}
        }
    }
    body.replace(",\"reference\":\"\"", "").replace("\"reference\":\"\",", "")
}

#[tokio::test]
async fn json_client_sees_the_same_bytes_through_a_second_gateway_and_a_facade() {
    let [direct, system] = simulators(upstream_dialect(), 0.0).await;
    let direct = gateway_over(direct).await;
    let chain = Chain::new(system, true).await;
    let through = gateway_over(chain.facade.address).await;
    let ids: Vec<_> = (0..40).map(|number| FIRST_ORDER + number).collect();
    let mut targets =
        ["/orders?since=2016-01-01", "/orders?since=2099-01-01", "/customers?since=2016-01-01", "/me", "/orders/1"]
            .map(str::to_owned)
            .to_vec();
    targets.extend(["/customers/1", "/customers/18020", "/orders?since=2016-01-01&limit=7", "/orders/x"].map(str::to_owned));
    targets.extend(ids.iter().flat_map(|id| ["", "/status", "/messages"].map(|part| format!("/orders/{id}{part}"))));
    let same = async |method: Method, target: &str, body: &str, key: &str, is_written: bool| {
        let [one, other] = [&direct, &through].map(|gateway| {
            let request = gateway.request(method.clone(), target);
            let request = if body.is_empty() { request } else { request.header("content-type", "application/json") };
            let request = if key.is_empty() { request } else { request.header("idempotency-key", key) };
            gateway.send(request.body(body.to_owned()))
        });
        let (expected, answer) = (one.await, other.await);
        assert_eq!(answer.status, expected.status, "{method} {target}: {}", answer.body);
        assert_eq!(comparable(&answer, is_written), comparable(&expected, is_written), "{method} {target}");
    };
    for target in &targets {
        same(Method::GET, target, "", "", false).await;
    }
    for id in &ids {
        let order = format!("/orders/{id}");
        same(Method::PATCH, &format!("{order}/status"), r#"{"status":"waiting"}"#, "", true).await;
        let messages = format!("{order}/messages");
        same(Method::POST, &messages, r#"{"type":"alert","text":"På väg & <klar>"}"#, "", true).await;
        let key = format!("0123456789abcdef-{id}");
        same(Method::POST, &messages, r#"{"type":"log","text":"Nyckeln \"finns\""}"#, &key, true).await;
        same(Method::GET, &order, "", "", true).await;
    }
    same(Method::PATCH, "/orders/1/status", r#"{"status":"new"}"#, "", true).await;
    same(Method::POST, "/orders/1/messages", r#"{"type":"log","text":"x"}"#, "", true).await;
    same(Method::POST, &format!("/orders/{FIRST_ORDER}/messages"), r#"{"type":"log","text":" "}"#, "", true).await;
    same(Method::PATCH, &format!("/orders/{FIRST_ORDER}/status"), r#"{"status":"done"}"#, "", true).await;
}

#[tokio::test]
async fn keyed_message_that_is_repeated_through_the_chain_is_there_once() {
    let [system, _] = simulators(upstream_dialect(), 0.0).await;
    let chain = Chain::new(system, true).await;
    let outer = gateway_over(chain.facade.address).await;
    let send = async || {
        let request = outer.request(Method::POST, &format!("/orders/{FIRST_ORDER}/messages"));
        let request = request.header("content-type", "application/json").header("idempotency-key", "0123456789abcdef");
        outer.send(request.body(r#"{"type":"log","text":"en gång"}"#)).await
    };
    assert_eq!((send().await.status, send().await.status), (201, 201));
    let order = chain.gateway.get(&format!("/orders/{FIRST_ORDER}")).await.body;
    assert_eq!(order.matches("en gång").count(), 1, "{order}");
}
