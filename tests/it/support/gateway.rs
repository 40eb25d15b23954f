//! A gateway on free ports, started from a configuration as users give one.

use std::net::SocketAddr;
use std::sync::Mutex;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tjansteguiden_gateway::commands::reload_task::ReloadTask;
use tjansteguiden_gateway::commands::serve::App;
use tjansteguiden_gateway::config::Config;
use tjansteguiden_gateway::server::Drained;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Answer, Upstream, soon};

pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    ops: SocketAddr,
    client: Client,
    fresh: Mutex<ReloadTask>,
    stop: CancellationToken,
    tasks: [JoinHandle<Drained>; 2],
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Gateway {
    /// A gateway in front of this order system.
    pub(crate) async fn before(upstream: &Upstream) -> Self {
        Self::with(upstream, &[]).await
    }

    /// The same with some settings, as variables without their prefix.
    pub(crate) async fn with(upstream: &Upstream, settings: &[(&str, &str)]) -> Self {
        Self::before_url(&upstream.url(), settings).await
    }

    /// A gateway in front of this address, with settings that the test has made.
    pub(crate) async fn configured(url: &str, settings: &[(&str, String)]) -> Self {
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Self::before_url(url, &settings).await
    }

    pub(crate) async fn before_url(url: &str, settings: &[(&str, &str)]) -> Self {
        let defaults = [
            ("UPSTREAMS__DEFAULT__URL", url),
            ("UPSTREAMS__DEFAULT__API_USER", "1234"),
            ("SERVER__LISTEN", "127.0.0.1:0"),
            ("SERVER__OPS_LISTEN", "127.0.0.1:0"),
        ];
        let login = [("UPSTREAMS__DEFAULT__DIALECT", "provider"), ("UPSTREAMS__DEFAULT__API_KEY", "KEY")];
        let login = if super::is_provider() { &login[..] } else { &[] };
        let variables =
            defaults.iter().chain(login).chain(settings).map(|(name, value)| (format!("GATEWAY__{name}"), (*value).to_owned()));
        super::log::listen();
        let config = Config::load(None, variables).expect("the configuration fits");
        let app = App::build(&config).await.expect("the ports are free");
        let (address, ops) = (app.api.address(), app.ops.address());
        let stop = CancellationToken::new();
        let api = tokio::spawn(app.api.run(stop.clone().cancelled_owned()));
        let tasks = [api, tokio::spawn(app.ops.run(std::future::pending()))];
        let client = super::http_client().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { address, ops, client, fresh: Mutex::new(app.reload_task), stop, tasks }
    }

    /// Reads its files anew, as it does every second, until what is new in them is used.
    pub(crate) fn look_at_files(&self) {
        let mut fresh = self.fresh.lock().expect("no test panics inside");
        fresh.poll();
        fresh.poll();
    }

    /// Stops, and waits until no connection can be made any more.
    pub(crate) async fn stop_listening(&self) {
        self.stop.cancel();
        soon("the gateway listens no more", async || TcpStream::connect(self.address).await.is_err()).await;
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(self.request(Method::GET, target)).await
    }

    /// What was counted about the order system's answers, as `call kind name`.
    pub(crate) async fn drift(&self) -> Vec<(String, u64)> {
        let response = self.client.get(format!("http://{}/diagnostics/drift", self.ops)).send().await.expect("an answer");
        let text = response.text().await.expect("a table");
        assert_eq!(super::log::canary(&text), None, "in {text}");
        let table: Value = serde_json::from_str(&text).expect("JSON");
        let text = |row: &Value, member: &str| row[member].as_str().expect("a text").to_owned();
        let row = |row: &Value| {
            assert_eq!(row["upstream"], "default");
            let name = [text(row, "call"), text(row, "kind"), text(row, "name")].join(" ");
            (name, row["count"].as_u64().expect("a count"))
        };
        table["items"].as_array().expect("rows").iter().map(row).collect()
    }

    /// The value of a metric: its name and labels as they stand in the text. 0 when nothing was counted.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let response = self.client.get(format!("http://{}/metrics", self.ops)).send().await.expect("an answer");
        let text = response.text().await.expect("a text");
        assert_eq!(super::log::canary(&text), None, "in the metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().expect("a whole number"))
    }

    /// How many requests are being answered.
    pub(crate) async fn waiting(&self) -> u64 {
        self.metric("http_server_active_requests").await
    }

    pub(crate) async fn patch_status(&self, order: u64, body: &str) -> Answer {
        let request = self.request(Method::PATCH, &format!("/orders/{order}/status"));
        self.send(request.header("content-type", "application/json").body(body.to_owned())).await
    }

    pub(crate) async fn post_message(&self, order: u64, body: &str) -> Answer {
        let request = self.request(Method::POST, &format!("/orders/{order}/messages"));
        self.send(request.header("content-type", "application/json").body(body.to_owned())).await
    }

    pub(crate) fn request(&self, method: Method, target: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{target}", self.address))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::read(request.send().await.expect("the gateway answers")).await
    }

    /// Sends these bytes and reads until the gateway closes the connection.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("the gateway listens");
        stream.write_all(bytes).await.expect("the gateway reads");
        let mut answer = Vec::new();
        // The gateway may have closed already what it does not want to hear to the end.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}
