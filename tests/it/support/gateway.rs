//! A gateway on free ports, built from configuration variables like the real one.

use std::net::SocketAddr;

use parking_lot::Mutex;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tjansteguiden_gateway::commands::reload_task::ReloadTask;
use tjansteguiden_gateway::commands::serve::App;
use tjansteguiden_gateway::config::{AuthMode, Config, Resolver};
use tjansteguiden_gateway::server::Drained;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Answer, Upstream, contract, eventually};

pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) ops: SocketAddr,
    base_path: String,
    client: Client,
    reload_task: Mutex<ReloadTask>,
    stop: CancellationToken,
    tasks: [JoinHandle<Drained>; 2],
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Gateway {
    /// A gateway in front of `upstream` with default settings.
    pub(crate) async fn in_front_of(upstream: &Upstream) -> Self {
        Self::with(upstream, &[]).await
    }

    /// A gateway in front of `upstream` with settings: configuration variables without the prefix `GATEWAY__`.
    pub(crate) async fn with(upstream: &Upstream, settings: &[(&str, &str)]) -> Self {
        Self::in_front_of_url(&upstream.url(), settings).await
    }

    /// Like [`Self::in_front_of_url`], with values that the test has composed.
    pub(crate) async fn configured(url: &str, settings: &[(&str, String)]) -> Self {
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Self::in_front_of_url(url, &settings).await
    }

    /// A gateway in front of the upstream at `url`.
    pub(crate) async fn in_front_of_url(url: &str, settings: &[(&str, &str)]) -> Self {
        Self::start(&Self::config(url, settings)).await
    }

    /// A gateway in front of the upstream at `url` that looks up all names with `resolver`.
    pub(crate) async fn with_resolver(url: &str, settings: &[(&str, &str)], resolver: Resolver) -> Self {
        let mut config = Self::config(url, settings);
        for upstream in config.upstreams.values_mut() {
            upstream.resolver = resolver.clone();
        }
        if let AuthMode::Jwt(jwt) = &mut config.auth.mode {
            jwt.resolver = resolver;
        }
        Self::start(&config).await
    }

    fn config(url: &str, settings: &[(&str, &str)]) -> Config {
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
        Config::load(None, variables).expect("a valid configuration")
    }

    async fn start(config: &Config) -> Self {
        super::log::capture();
        let app = App::build(config).await.expect("free ports");
        let (address, ops) = (app.api.address(), app.ops.address());
        let stop = CancellationToken::new();
        let api = tokio::spawn(app.api.run(stop.clone().cancelled_owned()));
        let tasks = [api, tokio::spawn(app.ops.run(std::future::pending()))];
        let client = super::http_client().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let base_path = config.server.base_path.clone();
        Self { address, ops, base_path, client, reload_task: Mutex::new(app.reload_task), stop, tasks }
    }

    /// Polls the configured files as the background task does. New content counts when two consecutive polls read the same.
    pub(crate) fn reload_files(&self) {
        let mut task = self.reload_task.lock();
        task.poll();
        task.poll();
    }

    /// Starts the drain, and waits until the listener is closed.
    pub(crate) async fn stop_listening(&self) {
        self.stop.cancel();
        eventually("the listener is closed", async || TcpStream::connect(self.address).await.is_err()).await;
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(self.request(Method::GET, target)).await
    }

    /// The schema drift counted so far, each entry as `call kind name`.
    pub(crate) async fn drift_counts(&self) -> Vec<(String, u64)> {
        let response = self.client.get(format!("http://{}/diagnostics/drift", self.ops)).send().await.expect("an answer");
        let text = response.text().await.expect("a table");
        assert_eq!(super::log::find_canary(&text), None, "in {text}");
        let table: Value = serde_json::from_str(&text).expect("JSON");
        let text = |entry: &Value, member: &str| entry[member].as_str().expect("a text").to_owned();
        let count = |entry: &Value| {
            assert_eq!(entry["upstream"], "default");
            let name = [text(entry, "call"), text(entry, "kind"), text(entry, "name")].join(" ");
            (name, entry["count"].as_u64().expect("a count"))
        };
        table["items"].as_array().expect("drift entries").iter().map(count).collect()
    }

    /// The value of a metric, named with its labels as in the exposition format. 0 if it is missing.
    pub(crate) async fn metric(&self, series: &str) -> u64 {
        let response = self.client.get(format!("http://{}/metrics", self.ops)).send().await.expect("an answer");
        let text = response.text().await.expect("a text");
        assert_eq!(super::log::find_canary(&text), None, "in the metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().expect("a whole number"))
    }

    /// The number of requests in flight.
    pub(crate) async fn active_requests(&self) -> u64 {
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
        let (client, request) = request.build_split();
        let request = request.expect("a request");
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = Answer::read(client.execute(request).await.expect("the gateway answers")).await;
        if let Some(path) = path.strip_prefix(self.base_path.trim_end_matches('/')) {
            contract::check(&method, path, &answer);
        }
        answer
    }

    /// Sends `bytes` on a new connection, and reads until the gateway closes it.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("the gateway listens");
        stream.write_all(bytes).await.expect("the gateway reads");
        let mut answer = Vec::new();
        // A gateway that rejects a request before reading all of it may reset the connection.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}
