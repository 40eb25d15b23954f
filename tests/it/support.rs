//! Test support: a gateway, stand-ins for the legacy system, processes, certificates, and responses with checked invariants.

mod answer;
mod api_clients;
mod authority;
mod blackhole;
mod contract;
mod endpoint;
mod fake_legacy;
mod fake_orders;
mod files;
mod gateway;
mod https;
pub(crate) mod issuer;
pub(crate) mod log;
mod program;
mod proxy;
mod scripted_backend;
mod tls_endpoint;
mod upstream;

use std::time::Duration;

use tjansteguiden_gateway::config::Config;

pub(crate) use answer::Answer;
pub(crate) use api_clients::{ALL_SCOPES, ApiClient, api_key_hash, borrowed};
pub(crate) use authority::{Authority, Identity};
pub(crate) use blackhole::Blackhole;
pub(crate) use endpoint::{Endpoint, LegacyAnswer, NETWORK_PATH, SECRET, exchange, settings, shop};
pub(crate) use fake_legacy::{FIRST_ORDER, FakeLegacy, Fault, is_write};
pub(crate) use fake_orders::FakeOrders;
pub(crate) use files::Files;
pub(crate) use gateway::Gateway;
pub(crate) use https::{Https, connect_tls};
pub(crate) use program::Program;
pub(crate) use proxy::{Proxy, ProxyBehavior};
pub(crate) use scripted_backend::{Script, ScriptedBackend};
pub(crate) use tls_endpoint::TlsEndpoint;
pub(crate) use upstream::{Reply, Upstream};

/// How long a test waits for anything, on a busy machine too.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Polls `condition` until it holds, and fails the test after [`TEST_TIMEOUT`].
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(TEST_TIMEOUT, wait).await.is_ok(), "timed out waiting until {what}");
}

/// Awaits `future`, and fails the test after [`TEST_TIMEOUT`] instead of hanging.
pub(crate) async fn within_timeout<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TEST_TIMEOUT, future).await.expect("completed within the timeout")
}

/// A client of the gateway, which uses no proxy. Its TLS configuration trusts nothing: the tests speak TLS through rustls, but
/// `reqwest` needs one, because the process has no default crypto provider.
pub(crate) fn http_client() -> reqwest::ClientBuilder {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls)
}

/// Whether the tests run over the provider dialect (`TEST_DIALECT=provider`). Expected queries are written in the network
/// dialect in both cases; see [`Upstream::queries`].
pub(crate) fn is_provider() -> bool {
    std::env::var("TEST_DIALECT").is_ok_and(|dialect| dialect == "provider")
}

/// A pseudo-random number (`SplitMix64`) that is the same in every run.
pub(crate) fn random(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// The configuration errors of `settings`, added to the minimum that an upstream needs.
pub(crate) fn config_errors(settings: &[(&str, String)]) -> Vec<String> {
    let required = [("UPSTREAMS__DEFAULT__URL", "https://portal.example/orders"), ("UPSTREAMS__DEFAULT__API_USER", "1234")];
    let required = required.map(|(name, value)| (name, value.to_owned()));
    let variables = required.iter().chain(settings).map(|(name, value)| (format!("GATEWAY__{name}"), value.clone()));
    let errors = Config::load(None, variables).err().map(|errors| errors.to_string()).unwrap_or_default();
    // The first line is a heading.
    errors.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

/// The text of a file below `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
