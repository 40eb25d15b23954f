//! Legacy client → facade → legacy system is the legacy system: the same trees for every method, dialect and order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quick_xml::Reader;
use quick_xml::events::Event;
use tjansteguiden_gateway::commands::simulate::{self, endpoint, loopback};
use tjansteguiden_gateway::config::{self, Dialect};
use tjansteguiden_gateway::memory::{FaultInjection, Memory};
use tjansteguiden_gateway::model::now;
use tjansteguiden_gateway::server::{Limits, Server};

use super::in_front_of;
use crate::support::{FIRST_ORDER, LegacyAnswer, NETWORK_PATH, exchange};

const ORDERS: u32 = 40;

/// Two simulated legacy systems with data of their own, which are equal: they begin in the same second.
pub(super) async fn simulators(dialect: Dialect, failure_rate: f64) -> [SocketAddr; 2] {
    let [one, other] = loop {
        let second = now().as_second();
        let systems = [Memory::seeded(ORDERS), Memory::seeded(ORDERS)];
        if now().as_second() == second {
            break systems;
        }
    };
    [simulator(dialect, one, failure_rate).await, simulator(dialect, other, failure_rate).await]
}

async fn simulator(dialect: Dialect, memory: Memory, failure_rate: f64) -> SocketAddr {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = simulate::Options {
        listen: any_port,
        path: NETWORK_PATH.to_owned(),
        dialect,
        api_user: "1234".to_owned(),
        api_key: "KEY".to_owned(),
        orders: ORDERS,
        latency: Duration::ZERO,
        failure_rate,
    };
    let backend = FaultInjection::new(memory, Duration::ZERO, failure_rate);
    let router = endpoint(&options, loopback(), Arc::new(backend));
    let server = Server::bind(any_port, router, Limits::from(&config::Server::default())).await.expect("a free port");
    let address = server.address();
    tokio::spawn(async move { server.run(std::future::pending()).await });
    address
}

/// The name of a dialect in the configuration.
pub(super) fn name(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Provider { "provider" } else { "network" }
}

/// A facade in front of a legacy system.
async fn facade(dialect: Dialect, upstream_dialect: Dialect, upstream: SocketAddr) -> SocketAddr {
    let mut settings = vec![("FACADE__DIALECT", name(dialect)), ("UPSTREAMS__OLD__DIALECT", name(upstream_dialect))];
    let (client_key, upstream_key) = (("FACADE__CLIENTS__SHOP__API_KEY", "KEY"), ("UPSTREAMS__OLD__API_KEY", "KEY"));
    settings.extend((dialect == Dialect::Provider).then_some(client_key));
    settings.extend((upstream_dialect == Dialect::Provider).then_some(upstream_key));
    in_front_of(&format!("http://{upstream}{NETWORK_PATH}"), &settings).await
}

/// A program that speaks the protocol.
pub(super) struct Program {
    address: SocketAddr,
    credential: String,
}

impl Program {
    pub(super) async fn new(address: SocketAddr, dialect: Dialect) -> Self {
        let mut program = Self { address, credential: "api_user=1234".to_owned() };
        if dialect == Dialect::Provider {
            let login = program.call("api_login", "api_key=KEY").await.text();
            let hash = login.split("<hash_key>").nth(1).and_then(|rest| rest.split('<').next()).expect("a hash");
            program.credential = format!("hash={hash}");
        }
        program
    }

    pub(super) async fn call(&self, method: &str, parameters: &str) -> LegacyAnswer {
        let target = format!("{NETWORK_PATH}?method={method}&{}&{parameters}", self.credential);
        exchange(self.address, format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes()).await
    }
}

/// The elements and texts of a document. Elements without content are equal however they are written.
pub(super) fn tree(document: &[u8]) -> Vec<String> {
    let mut reader = Reader::from_str(std::str::from_utf8(document).expect("UTF-8"));
    reader.config_mut().expand_empty_elements = true;
    let mut tree = Vec::new();
    let mut text = String::new();
    loop {
        let event = reader.read_event().expect("well-formed XML");
        let piece = match &event {
            Event::Text(piece) => (**piece).to_owned(),
            Event::GeneralRef(name) => format!("&{};", &**name),
            _ => String::new(),
        };
        if !piece.is_empty() {
            text += &piece;
            continue;
        }
        if !text.trim().is_empty() {
            tree.push(std::mem::take(&mut text));
        }
        text.clear();
        match event {
            Event::Start(start) => tree.push(format!("<{}>", AsRef::<str>::as_ref(&start.name()))),
            Event::End(end) => tree.push(format!("</{}>", AsRef::<str>::as_ref(&end.name()))),
            Event::Eof => return tree,
            _ => {}
        }
    }
}

/// Calls both with every method, each seeded order and customer, and what is not valid.
pub(super) async fn compare(direct: &Program, through: &Program, name: &str) {
    let orders = direct.call("orders", "date=2016-01-01").await.text();
    let values = |element: &str| -> Vec<String> {
        let tag = format!("<{element}>");
        let parts = orders.split(&tag).skip(1);
        parts.filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect()
    };
    let mut calls = vec![
        ("orders", "date=2016-01-01".to_owned()),
        ("orders", "date=2016-03-20".to_owned()),
        ("orders", "date=2099-01-01".to_owned()),
        ("orders", "date=yesterday".to_owned()),
        ("orders", String::new()),
        ("customers", "date=2016-01-01".to_owned()),
        ("customers", "date=2099-01-01".to_owned()),
        ("order_info", "id=1".to_owned()),
        ("order_info", "id=x".to_owned()),
        ("customer_info", "id=1".to_owned()),
        ("set_status", "id=1&status=new".to_owned()),
        ("set_status", format!("id={FIRST_ORDER}&status=done")),
        ("add_message", "id=1&type=log&message=x".to_owned()),
        ("add_message", format!("id={FIRST_ORDER}&type=log&message=+")),
        ("nonsense", String::new()),
    ];
    for id in values("id") {
        calls.push(("order_info", format!("id={id}")));
        calls.push(("set_status", format!("id={id}&status=waiting")));
        calls.push(("add_message", format!("id={id}&type=alert&message=P%C3%A5+v%C3%A4g+%26+%3Cklar%3E")));
    }
    calls.extend(values("customer").into_iter().map(|id| ("customer_info", format!("id={id}"))));
    for (method, parameters) in calls {
        let (expected, answer) = (direct.call(method, &parameters).await, through.call(method, &parameters).await);
        assert_eq!(answer.status, expected.status, "{name} {method} {parameters}: {}", answer.text());
        assert_eq!(tree(&answer.body), tree(&expected.body), "{name} {method} {parameters}");
        assert!(expected.is_complete && answer.is_complete, "{name} {method}");
    }
    // Times of entries that were written may be a second apart.
    for id in values("id") {
        let entries = async |program: &Program| {
            let text = program.call("order_info", &format!("id={id}")).await.text();
            let parts: Vec<_> =
                text.split("<log>").skip(1).map(|entry| entry.split("</date>").last().map(str::to_owned)).collect();
            parts
        };
        assert_eq!(entries(through).await, entries(direct).await, "{name} {id}");
    }
}

#[tokio::test]
async fn facade_passes_through_what_the_legacy_system_answers() {
    for (dialect, upstream_dialect) in [(Dialect::Network, Dialect::Network), (Dialect::Provider, Dialect::Provider)] {
        let name = format!("{dialect:?} over {upstream_dialect:?}");
        let [direct, upstream] = simulators(upstream_dialect, 0.0).await;
        let direct = Program::new(direct, dialect).await;
        let through = Program::new(facade(dialect, upstream_dialect, upstream).await, dialect).await;

        compare(&direct, &through, &name).await;
    }
}

#[tokio::test]
async fn facade_passes_through_refusals() {
    let dialect = Dialect::Network;
    let [direct, upstream] = simulators(dialect, 1.0).await;
    let direct = Program::new(direct, dialect).await;
    let through = Program::new(facade(dialect, dialect, upstream).await, dialect).await;
    for (method, parameters) in [
        ("orders", "date=2016-01-01"),
        ("customers", "date=2016-01-01"),
        ("order_info", "id=20417"),
        ("customer_info", "id=18020"),
        ("set_status", "id=20417&status=new"),
        ("add_message", "id=20417&type=log&message=x"),
    ] {
        let (expected, answer) = (direct.call(method, parameters).await, through.call(method, parameters).await);
        assert_eq!((answer.status, tree(&answer.body)), (expected.status, tree(&expected.body)), "{method}");
    }
}
