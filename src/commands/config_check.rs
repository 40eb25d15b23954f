//! `config check`: validates the configuration as `serve` does at start, without binding a port or sending anything.

use super::limits::{SystemLimits, Warning};
use super::{CommandError, limits, warnings};
use crate::auth::JwtVerifier;
use crate::config::{AuthMode, Config};
use crate::legacy::client::Client;
use crate::metrics::Metrics;
use crate::resilience::ByteBudget;

/// Prints the warnings that `serve` would log, and one line that says what it would do.
///
/// # Errors
/// When certificates could not be verified, or standard output cannot be written.
pub fn run(config: &Config) -> Result<(), CommandError> {
    check_connectors(config)?;
    let of_system = limits::check(config, &SystemLimits::raise());
    let of_system = of_system.into_iter().map(|Warning { key, message }| format!("{key} {message}"));
    let warnings = warnings::check(config).into_iter().chain(of_system).map(|warning| format!("warning: {warning}\n"));
    Ok(super::print(&warnings.chain([summary(config)]).collect::<String>())?)
}

/// Makes what would connect to the upstreams and the token issuer, which needs root certificates.
fn check_connectors(config: &Config) -> Result<(), CommandError> {
    let metrics = Metrics::default();
    let memory = ByteBudget::new(0, metrics.buffered_bytes.clone(), metrics.buffer_rejections.clone());
    for (name, upstream) in &config.upstreams {
        Client::try_new(upstream, memory.clone(), metrics.upstream(name))?;
    }
    if let AuthMode::Jwt(jwt) = &config.auth.mode {
        JwtVerifier::check(jwt, metrics)?;
    }
    Ok(())
}

/// Names and addresses only, no URL: its path may identify an account.
fn summary(config: &Config) -> String {
    let upstreams: Vec<_> = config.upstreams.keys().map(String::as_str).collect();
    let auth = match &config.auth.mode {
        AuthMode::None => "none",
        AuthMode::ApiKey(_) => "api-key",
        AuthMode::Jwt(_) => "jwt",
    };
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    format!(
        "the configuration is valid: API on {scheme}://{}, operations port on {}, auth.mode {auth}, upstreams: {}\n",
        config.server.listen,
        config.server.ops_listen,
        upstreams.join(", ")
    )
}
