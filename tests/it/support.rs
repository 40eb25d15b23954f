//! What tests are made of: a gateway, an order system, programs, and answers whose form is checked whatever they say.

mod answer;
mod authority;
mod endpoint;
mod fake_legacy;
mod fake_orders;
mod files;
mod gateway;
mod https;
pub(crate) mod issuer;
mod keys;
pub(crate) mod log;
mod program;
mod proxy;
mod upstream;

use std::time::Duration;
use tjansteguiden_gateway::config::Config;

pub(crate) use answer::Answer;
pub(crate) use authority::{Authority, Identity};
pub(crate) use endpoint::Endpoint;
pub(crate) use fake_legacy::{FIRST_ORDER, Fault, System, is_write};
pub(crate) use fake_orders::Book;
pub(crate) use files::Files;
pub(crate) use gateway::Gateway;
pub(crate) use https::{Https, encrypt};
pub(crate) use keys::{ALL_SCOPES, Client, borrowed, hash};
pub(crate) use program::Program;
pub(crate) use proxy::{Manner, Proxy};
pub(crate) use upstream::{Reply, Upstream};

/// How long something may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until it is so.
pub(crate) async fn soon(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "never came true: {what}");
}

/// What comes in time. A test that would hang fails.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it should have come long ago")
}

/// A client of the gateway, which uses no proxy. Its TLS configuration trusts nothing: the tests speak TLS through rustls, but
/// `reqwest` needs one, because the process has no default crypto provider.
pub(crate) fn http_client() -> reqwest::ClientBuilder {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls)
}

/// Whether the tests run over the provider dialect: `TEST_DIALECT=provider`. What they ask of the order system is told in the
/// words of the network dialect all the same.
#[expect(clippy::disallowed_methods, reason = "this is about the tests, not about what they test")]
pub(crate) fn is_provider() -> bool {
    std::env::var("TEST_DIALECT").is_ok_and(|dialect| dialect == "provider")
}

/// A number that looks random and is the same in every run.
pub(crate) fn random(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// What is wrong with these settings, beside those that an order system needs.
pub(crate) fn faults(settings: &[(&str, String)]) -> Vec<String> {
    let needed = [("UPSTREAMS__DEFAULT__URL", "https://portal.example/orders"), ("UPSTREAMS__DEFAULT__API_USER", "1234")];
    let needed = needed.map(|(name, value)| (name, value.to_owned()));
    let variables = needed.iter().chain(settings).map(|(name, value)| (format!("GATEWAY__{name}"), value.clone()));
    let faults = Config::load(None, variables).err().map(|faults| faults.to_string()).unwrap_or_default();
    faults.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

/// A file of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
