//! What the system grants the process, compared with what the configuration may need, once at start.
//!
//! Each limit of the configuration is reasonable alone; what runs out is their sum. Whatever cannot hold is logged with the key
//! to change, and lowered where the gateway can do so itself.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;
use crate::ops;

/// What the system grants the process.
#[derive(Debug, Clone, Copy)]
pub struct SystemLimits {
    /// The number of file descriptors; `None` without a limit.
    pub descriptors: Option<u64>,
}

/// A setting that the limits of the system do not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The configuration key.
    pub key: &'static str,
    /// What does not fit, what happens now, and what to change.
    pub message: String,
}

/// Descriptors for listeners, the runtime, files that are reloaded, name resolution, and keys of the token issuer.
const OTHER_DESCRIPTORS: u64 = 64;

impl SystemLimits {
    /// Raises the soft limits to the hard ones, and returns what the process now has. The soft limit of descriptors is 1024 in
    /// many places, for the sake of programs that use `select`.
    #[must_use]
    pub fn raise() -> Self {
        let descriptors = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: descriptors.maximum, ..descriptors };
        // Fails where a sandbox forbids it; the old limit then stays and is reported below.
        let granted = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { descriptors };
        Self { descriptors: granted.current }
    }
}

/// Everything that the limits of the system do not allow.
#[must_use]
pub fn check(config: &Config, limits: &SystemLimits) -> Vec<Warning> {
    let (wanted, possible) = (config.server.max_connections, max_connections(config, limits));
    let descriptors = (possible < wanted).then(|| Warning {
        key: "server.max_connections",
        message: format!(
            "is {wanted}, but the process may have only {} file descriptors (nofile), and {} of them are reserved for the \
             operations port, upstreams and files; {possible} connections are accepted. Raise the hard limit of nofile or lower \
             server.max_connections",
            limits.descriptors.unwrap_or(u64::MAX),
            reserved_descriptors(config),
        ),
    });
    descriptors.into_iter().collect()
}

/// The number of connections that can be accepted while descriptors are left for probes and calls.
#[must_use]
pub fn max_connections(config: &Config, limits: &SystemLimits) -> usize {
    let wanted = config.server.max_connections;
    let Some(available) = limits.descriptors else { return wanted };
    // With very few descriptors everything shares them.
    let possible = available.saturating_sub(reserved_descriptors(config)).max(available / 4).max(1);
    usize::try_from(possible).map_or(wanted, |possible| possible.min(wanted))
}

fn reserved_descriptors(config: &Config) -> u64 {
    // A call has one connection, and may leave one in the pool for the next call.
    let upstreams = config.upstreams.values().map(|upstream| 2 * upstream.max_in_flight).sum::<usize>();
    u64::try_from(ops::MAX_CONNECTIONS + upstreams).unwrap_or(u64::MAX).saturating_add(OTHER_DESCRIPTORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(max_connections: usize, max_in_flight: usize) -> Config {
        let variables = [
            ("GATEWAY__UPSTREAMS__DEFAULT__URL", "https://portal.example/orders".to_owned()),
            ("GATEWAY__UPSTREAMS__DEFAULT__API_USER", "1234".to_owned()),
            ("GATEWAY__UPSTREAMS__DEFAULT__MAX_IN_FLIGHT", max_in_flight.to_string()),
            ("GATEWAY__SERVER__MAX_CONNECTIONS", max_connections.to_string()),
        ];
        Config::load(None, variables.map(|(name, value)| (name.to_owned(), value))).unwrap()
    }

    #[test]
    fn connections_leave_descriptors_for_probes_and_calls() {
        // 64 for the operations port, two for each of 64 calls, 64 for the rest: 256.
        for (descriptors, expected) in [
            (None, 1024),
            (Some(1_048_576), 1024),
            (Some(1024 + 256), 1024),
            (Some(1024 + 255), 1023),
            (Some(1024), 768),
            (Some(300), 75),
            (Some(40), 10),
            (Some(3), 1),
        ] {
            let limits = SystemLimits { descriptors };
            assert_eq!(max_connections(&config(1024, 64), &limits), expected, "{descriptors:?}");

            let warnings = check(&config(1024, 64), &limits);
            assert_eq!(warnings.len(), usize::from(expected < 1024), "{descriptors:?}");
            for Warning { key, message } in warnings {
                assert_eq!(key, "server.max_connections");
                let named = [expected.to_string(), descriptors.unwrap().to_string(), "nofile".to_owned()];
                assert!(named.iter().all(|text| message.contains(text)), "{message}");
            }
        }
        assert_eq!(max_connections(&config(100, 1000), &SystemLimits { descriptors: Some(2228) }), 100);
    }
}
