//! A legacy endpoint on a free port, and what a legacy client sees of it, byte for byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tjansteguiden_gateway::backend::Backend;
use tjansteguiden_gateway::charset::Charset;
use tjansteguiden_gateway::commands::simulate::loopback;
use tjansteguiden_gateway::config::{self, Answers, Dialect};
use tjansteguiden_gateway::legacy::server::{Client, Settings, Signer, System, Timeouts, router};
use tjansteguiden_gateway::metrics::Metrics;
use tjansteguiden_gateway::server::{Limits, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub(crate) const NETWORK_PATH: &str = "/admin/edit/services/plain/orders";
pub(crate) const SECRET: &str = "0123456789abcdef";

/// An endpoint in this process.
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    metrics: Metrics,
    task: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a legacy client received, until the connection was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LegacyAnswer {
    pub(crate) status: u16,
    /// The header section in lower case.
    pub(crate) head: String,
    /// The body without its transfer coding.
    pub(crate) body: Vec<u8>,
    /// Whether the body reached its end.
    pub(crate) is_complete: bool,
}

impl LegacyAnswer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// The client `shop` with the user 1234 and the key `KEY`, on this machine.
pub(crate) fn shop(backend: Arc<dyn Backend>) -> Client {
    Client {
        name: "shop".into(),
        api_user: "1234".into(),
        api_key: Some("KEY".into()),
        allowed_ips: loopback(),
        charset: Charset::UTF_8,
        system: System { name: "memory".into(), backend },
    }
}

/// The settings of an endpoint with one client.
pub(crate) fn settings(dialect: Dialect, client: Client) -> Settings {
    let limit = Duration::from_secs(10);
    Settings {
        path: NETWORK_PATH.to_owned(),
        dialect,
        clients: vec![client],
        signer: Some(Signer::new(SECRET.into(), None)),
        trusted_proxies: Vec::new(),
        answers: Answers::default(),
        timeouts: Timeouts { request: limit, list: limit, body: limit },
        metrics: Metrics::default(),
    }
}

impl Endpoint {
    pub(crate) async fn start(settings: Settings) -> Self {
        super::log::capture();
        let metrics = settings.metrics.clone();
        let limits = Limits::from(&config::Server::default());
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), router(settings), limits).await.expect("a free port");
        let address = server.address();
        let task = tokio::spawn(async move {
            server.run(std::future::pending()).await;
        });
        Self { address, metrics, task }
    }

    /// An endpoint of the network dialect with one client.
    pub(crate) async fn over(backend: Arc<dyn Backend>) -> Self {
        Self::start(settings(Dialect::Network, shop(backend))).await
    }

    /// Calls with this query.
    pub(crate) async fn get(&self, query: &str) -> LegacyAnswer {
        self.send(&format!("GET {NETWORK_PATH}?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await
    }

    /// Sends a request and reads until the connection is closed.
    pub(crate) async fn send(&self, request: impl AsRef<[u8]>) -> LegacyAnswer {
        exchange(self.address, request.as_ref()).await
    }

    /// The value of a series of `facade_requests_total`, by its labels. The exchange is counted when its answer has ended.
    pub(crate) async fn wait_for_count(&self, call: &str, system: &str, outcome: &str) {
        let series = format!("call=\"{call}\",client=\"shop\",outcome=\"{outcome}\",system=\"{system}\"}} ");
        self.wait_for_series(&series).await;
    }

    /// Waits until a line of the metrics contains this text.
    pub(crate) async fn wait_for_series(&self, series: &str) {
        let text = || String::from_utf8(self.metrics.render()).expect("UTF-8");
        super::eventually(series, async || text().contains(series)).await;
    }
}

/// Sends a request and reads until the connection is closed.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> LegacyAnswer {
    let mut stream = TcpStream::connect(address).await.expect("the endpoint listens");
    // A server that rejects a request before reading all of it may reset the connection.
    let _ = stream.write_all(request).await;
    let mut received = Vec::new();
    let end = super::within_timeout(stream.read_to_end(&mut received)).await;
    let split = received.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(split) = split else {
        return LegacyAnswer { status: 0, head: String::new(), body: received, is_complete: false };
    };
    let head = String::from_utf8_lossy(&received[..split]).to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let raw = &received[split + 4..];
    let mut answer = LegacyAnswer { status, head, body: raw.to_vec(), is_complete: end.is_ok() };
    if answer.header("transfer-encoding") == Some("chunked") {
        (answer.body, answer.is_complete) = without_chunks(raw);
    } else if let Some(length) = answer.header("content-length") {
        answer.is_complete = length.parse() == Ok(raw.len());
    }
    answer
}

/// The data of chunks, and whether the last one arrived.
fn without_chunks(mut raw: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = raw.windows(2).position(|window| window == b"\r\n") else { return (body, false) };
        let length = std::str::from_utf8(&raw[..end]).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let length = length.expect("the length of a chunk");
        if length == 0 {
            return (body, true);
        }
        let data = &raw[end + 2..];
        body.extend_from_slice(&data[..length.min(data.len())]);
        let Some(rest) = data.get(length + 2..) else { return (body, false) };
        raw = rest;
    }
}
