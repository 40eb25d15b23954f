//! The facade: the legacy protocol for several clients, over any backend.

mod answers;
mod clients;
mod configuration;
mod identity;
mod lists;
mod requests;
mod writes;

use std::net::SocketAddr;

use tjansteguiden_gateway::commands::facade;
use tjansteguiden_gateway::config::FacadeConfig;

use crate::support::NETWORK_PATH;

/// The address of a facade with the client `shop` on this machine, in front of the legacy system `old`.
async fn in_front_of(url: &str, settings: &[(&str, &str)]) -> SocketAddr {
    crate::support::log::capture();
    let defaults = [
        ("FACADE__LISTEN", "127.0.0.1:0"),
        ("FACADE__PATH", NETWORK_PATH),
        ("FACADE__SECRET", "0123456789abcdef"),
        ("FACADE__CLIENTS__SHOP__API_USER", "1234"),
        ("FACADE__CLIENTS__SHOP__ALLOWED_IPS", "127.0.0.1"),
        ("SERVER__OPS_LISTEN", "127.0.0.1:0"),
        ("UPSTREAMS__OLD__URL", url),
        ("UPSTREAMS__OLD__API_USER", "1234"),
    ];
    let variables = defaults.iter().chain(settings).map(|(name, value)| (format!("GATEWAY__{name}"), (*value).to_owned()));
    let config = FacadeConfig::load(None, variables).expect("a valid configuration");
    let app = facade::build(&config).await.expect("free ports");
    let address = app.api.address();
    tokio::spawn(async move { app.api.run(std::future::pending()).await });
    address
}
