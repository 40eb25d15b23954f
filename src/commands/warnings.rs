//! What is valid and hardly intended.

use super::memory_budget;
use crate::config::Config;
use crate::writes;

/// All warnings about a configuration. `serve` logs them at start, `config check` prints them.
#[must_use]
pub fn check(config: &Config) -> Vec<String> {
    let mut warnings = config.warnings.clone();
    let has_no_time = |timeout| config.server.request_timeout <= timeout + writes::VERIFY_MARGIN;
    warnings.extend(config.upstreams.iter().filter(|(_, upstream)| has_no_time(upstream.timeout)).map(|(name, _)| {
        format!(
            "server.request_timeout leaves no time after upstreams.{name}.timeout to verify a write: messages with an \
             idempotency key are always rejected as overloaded"
        )
    }));
    if config.server.secret.is_none() {
        let text = "server.secret is not set: the key of idempotency markers is derived from the upstream's URL and user";
        warnings.push(text.to_owned());
    }
    warnings.extend(memory_budget::warnings(config));
    warnings
}
