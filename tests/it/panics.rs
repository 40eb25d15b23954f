//! A panic during a write: the write may have been sent, so the outcome is unknown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::Date;
use reqwest::RequestBuilder;
use tjansteguiden_gateway::auth::{Authentication, CredentialKind, Principal};
use tjansteguiden_gateway::backend::{Backend, Items, RequestContext, Result, Snapshot, WriteResult};
use tjansteguiden_gateway::idempotency::MarkerSigner;
use tjansteguiden_gateway::memory::Memory;
use tjansteguiden_gateway::metrics::Metrics;
use tjansteguiden_gateway::model::{Customer, CustomerId, ListedOrder, NewMessage, Order, OrderId, OrderStatus, Zone};
use tjansteguiden_gateway::resilience::{ByteBudget, Reserved, RetryBudget};
use tjansteguiden_gateway::rest::{self, Timeouts, UpstreamHandle};
use tjansteguiden_gateway::server::{Limits, Server};
use tjansteguiden_gateway::writes::{Settings, WriteCoordinator};
use tjansteguiden_gateway::{config, middleware};
use tokio_util::task::TaskTracker;

use crate::support::{Answer, FIRST_ORDER};

/// A backend whose writes panic.
struct PanickingBackend {
    memory: Memory,
    writes: AtomicUsize,
}

impl PanickingBackend {
    fn write(&self) -> ! {
        self.writes.fetch_add(1, Ordering::SeqCst);
        panic!("19121212-1212 is in no answer")
    }
}

#[async_trait]
impl Backend for PanickingBackend {
    async fn orders(&self, context: &RequestContext, since: Date) -> Result<Items<ListedOrder>> {
        self.memory.orders(context, since).await
    }

    async fn order_info(&self, context: &RequestContext, id: OrderId) -> Result<Snapshot<Order>> {
        self.memory.order_info(context, id).await
    }

    async fn customers(&self, context: &RequestContext, since: Date) -> Result<Items<Customer>> {
        self.memory.customers(context, since).await
    }

    async fn customer_info(&self, context: &RequestContext, id: CustomerId) -> Result<Reserved<Customer>> {
        self.memory.customer_info(context, id).await
    }

    async fn set_status(&self, _: &RequestContext, _: OrderId, _: OrderStatus) -> WriteResult {
        self.write()
    }

    async fn add_message(&self, _: &RequestContext, _: OrderId, _: NewMessage) -> WriteResult {
        self.write()
    }

    fn check_message(&self, id: OrderId, message: &NewMessage) -> Result<()> {
        self.memory.check_message(id, message)
    }
}

async fn gateway(backend_under_test: &Arc<PanickingBackend>) -> SocketAddr {
    let (metrics, backend) = (Metrics::default(), Arc::clone(backend_under_test) as Arc<dyn Backend>);
    let writes = WriteCoordinator::new(Settings {
        backend: Arc::clone(&backend),
        markers: MarkerSigner::new("0123456789abcdef".into(), None),
        budget: Arc::new(RetryBudget::default()),
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        settle_time: Duration::from_secs(35),
        redacts_refusals: true,
        metrics: metrics.clone(),
        upstream: metrics.upstream("default"),
        count_lost_marker: Box::new(|| ()),
        tasks: TaskTracker::new(),
    });
    let upstream = UpstreamHandle { backend, writes, zone: Zone::stockholm() };
    let time = Duration::from_secs(5);
    let timeouts = Timeouts { request: time, list: time, body: time };
    let upstreams = BTreeMap::from([("default".to_owned(), upstream)]);
    let (router, templates) =
        rest::router(rest::AppState::new(upstreams, timeouts, ByteBudget::default(), "/"), CredentialKind::None);
    let settings = middleware::Settings {
        base_path: "/".into(),
        request_timeout: time,
        authentication: Authentication::Anonymous(Principal::anonymous("default")),
        metrics,
        memory: ByteBudget::default(),
        routes: templates,
        rate: None,
        trusted_proxies: Vec::new(),
        cors_origins: Vec::new(),
        is_public_route: |_| false,
        is_tls: false,
    };
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let limits = Limits::from(&config::Server::default());
    let server = Server::bind(any_port, middleware::apply(router, settings), limits).await.expect("a free port");
    let address = server.address();
    tokio::spawn(server.run(std::future::pending()));
    address
}

async fn send(request: RequestBuilder) -> Answer {
    let response = request.header("content-type", "application/json").send().await;
    Answer::read(response.expect("an answer")).await
}

#[tokio::test]
async fn panic_during_a_write_reports_unknown_outcome() {
    let backend_under_test = Arc::new(PanickingBackend { memory: Memory::seeded(10), writes: AtomicUsize::default() });
    let address = gateway(&backend_under_test).await;
    let url = |order: u64| format!("http://{address}/orders/{order}");
    let client = crate::support::http_client().build().expect("a client");
    let (change, message) = (r#"{"status":"received"}"#, r#"{"type":"log","text":"hej"}"#);
    let patch = |order| client.patch(format!("{}/status", url(order))).body(change);
    let patch_if_match = |order| patch(order).header("if-match", "*");
    let post = || client.post(format!("{}/messages", url(FIRST_ORDER))).body(message);
    let post_keyed = || post().header("idempotency-key", "0123456789abcdef");

    for request in [patch(FIRST_ORDER), post(), patch_if_match(FIRST_ORDER + 1), post_keyed()] {
        let answer = send(request).await;

        assert_eq!(answer.problem(500, "internal-error")["outcome"], "unknown");
        assert!(!answer.body.contains("1212"), "{}", answer.body);
    }

    // Conditional and keyed writes are not resent while the first one is in doubt.
    for request in [patch_if_match(FIRST_ORDER), patch_if_match(FIRST_ORDER + 1), post_keyed()] {
        send(request).await.problem(504, "outcome-unknown");
    }

    assert_eq!(backend_under_test.writes.load(Ordering::SeqCst), 4);
}
