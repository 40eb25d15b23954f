//! The facade: the legacy protocol for several clients, over any backend.

mod answers;
mod chain;
mod clients;
mod configuration;
mod doubt;
mod identity;
mod json_systems;
mod lists;
mod requests;
mod writes;

use std::net::SocketAddr;

use tjansteguiden_gateway::commands::facade;
use tjansteguiden_gateway::commands::reload_task::ReloadTask;
use tjansteguiden_gateway::config::FacadeConfig;
use tjansteguiden_gateway::server::Drained;
use tokio::task::JoinHandle;

use crate::support::{LegacyAnswer, NETWORK_PATH, eventually, exchange};

/// A facade on free ports with the client `shop` on this machine.
struct Facade {
    address: SocketAddr,
    ops: SocketAddr,
    reload_task: ReloadTask,
    tasks: [JoinHandle<Drained>; 2],
}

impl Drop for Facade {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Facade {
    /// A facade with settings: configuration variables without the prefix `GATEWAY__`.
    async fn with(settings: &[(&str, &str)]) -> Self {
        crate::support::log::capture();
        let app = facade::build(&config(settings)).await.expect("free ports");
        let (address, ops) = (app.api.address(), app.ops.address());
        let api = tokio::spawn(app.api.run(std::future::pending()));
        let ops_port = tokio::spawn(app.ops.run(std::future::pending()));
        Self { address, ops, reload_task: app.reload_task, tasks: [api, ops_port] }
    }

    /// A facade in front of the JSON system `new`.
    async fn over_json(url: &str, settings: &[(&str, &str)]) -> Self {
        Self::with(&[&[("FACADE__BACKENDS__NEW__URL", url)], settings].concat()).await
    }

    /// Calls as `shop`.
    async fn call(&self, method: &str, parameters: &str) -> LegacyAnswer {
        self.send(&get(&format!("method={method}&api_user=1234&{parameters}"))).await
    }

    async fn send(&self, request: &str) -> LegacyAnswer {
        exchange(self.address, request.as_bytes()).await
    }

    /// Waits until the metrics have this line. Exchanges are counted when they have ended.
    async fn wait_for_metric(&self, line: &str) {
        let head = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let has_line = async || exchange(self.ops, head.as_bytes()).await.text().lines().any(|found| found == line);
        eventually(line, has_line).await;
    }
}

fn config(settings: &[(&str, &str)]) -> FacadeConfig {
    let defaults = [
        ("FACADE__LISTEN", "127.0.0.1:0"),
        ("FACADE__PATH", NETWORK_PATH),
        ("FACADE__SECRET", "0123456789abcdef"),
        ("FACADE__CLIENTS__SHOP__API_USER", "1234"),
        ("FACADE__CLIENTS__SHOP__ALLOWED_IPS", "127.0.0.1"),
        ("SERVER__OPS_LISTEN", "127.0.0.1:0"),
    ];
    let variables = defaults.iter().chain(settings).map(|(name, value)| (format!("GATEWAY__{name}"), (*value).to_owned()));
    FacadeConfig::load(None, variables).expect("a valid configuration")
}

/// A request with this query, on a connection of its own.
fn get(query: &str) -> String {
    format!("GET {NETWORK_PATH}?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

/// The address of a facade in front of the legacy system `old`, which runs until the end of the test.
async fn in_front_of(url: &str, settings: &[(&str, &str)]) -> SocketAddr {
    let old = [("UPSTREAMS__OLD__URL", url), ("UPSTREAMS__OLD__API_USER", "1234")];
    let facade = Facade::with(&[&old, settings].concat()).await;
    let address = facade.address;
    std::mem::forget(facade);
    address
}
