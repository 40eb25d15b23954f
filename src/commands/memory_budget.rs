//! Compares the most memory that the configuration permits with the limit of the container, at start.
//!
//! Every limit is sensible alone; it is their sum that a container is killed for. The figures are measured, with a margin
//! (`docs/operations.md`, "Memory budget").

use std::path::{Path, PathBuf};

use crate::config::Config;

/// The program without requests.
const BASE: u64 = 32 * MIB;
/// A connection with the head or the body of a request.
const CONNECTION: u64 = 64 * 1024;
/// A list besides its items: buffers of both connections, the encoder's output and a batch of items.
const LIST: u64 = 512 * 1024;
/// How often a list holds an item: received, decoded, as values, encoded.
const LIST_ITEM_COPIES: u64 = 4;
/// How often an answer that is no list is held while it is decoded, if it consists of long texts.
const ANSWER_COPIES: u64 = 4;
/// Less would reject usual answers under load.
const MIN_BUFFERED: u64 = 16 * MIB;
const MIB: u64 = 1024 * 1024;

/// What does not fit together.
pub fn warnings(config: &Config) -> impl Iterator<Item = String> {
    limit().and_then(|limit| check(config, limit)).into_iter().chain(check_answers(config))
}

/// The most memory that the configuration permits, in bytes.
#[must_use]
pub fn worst_case(config: &Config) -> u64 {
    config.server.max_buffered_bytes + unbuffered(config)
}

/// Everything but buffered answers.
fn unbuffered(config: &Config) -> u64 {
    let lists = config.upstreams.values().map(|upstream| {
        let lists = crate::resilience::ConcurrencyLimit::lists_of(upstream.max_in_flight) as u64;
        lists.saturating_mul(LIST + LIST_ITEM_COPIES * upstream.max_item_bytes)
    });
    BASE + lists.sum::<u64>() + CONNECTION * config.server.max_connections as u64
}

/// What to change when the configuration permits more than `limit` bytes.
#[must_use]
pub fn check(config: &Config, limit: u64) -> Option<String> {
    let (needed, others) = (worst_case(config), unbuffered(config));
    if needed <= limit {
        return None;
    }
    let advice = match limit.checked_sub(others).filter(|rest| *rest >= MIN_BUFFERED) {
        Some(rest) => format!("lower server.max_buffered_bytes to {rest}"),
        None => "lower server.max_connections, upstreams.*.max_in_flight or upstreams.*.max_item_bytes".to_owned(),
    };
    Some(format!(
        "the memory limit of the container is {} MiB, and the configuration permits {} MiB: {advice}, or raise the memory limit",
        limit / MIB,
        needed.div_ceil(MIB)
    ))
}

/// An upstream whose largest answers can never be held.
fn check_answers(config: &Config) -> Option<String> {
    let limit = config.server.max_buffered_bytes;
    let is_too_large = |bytes: u64| bytes.saturating_mul(ANSWER_COPIES) > limit;
    let (name, upstream) = config.upstreams.iter().find(|(_, upstream)| is_too_large(upstream.max_response_bytes))?;
    Some(format!(
        "answers of upstreams.{name}.max_response_bytes = {} may not fit into server.max_buffered_bytes = {limit}, which such an \
         answer needs {ANSWER_COPIES} times over: lower the former or raise the latter",
        upstream.max_response_bytes
    ))
}

/// The memory limit of the container, if it has one.
fn limit() -> Option<u64> {
    let cgroups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let limits = limit_files(&cgroups).into_iter().filter_map(|file| std::fs::read_to_string(file).ok());
    limits.filter_map(|text| parse_limit(&text)).min()
}

/// The files that may have a limit, of the process's control group and those around it. In a container the group's own path may
/// be one of the host, and only the outermost exists.
fn limit_files(cgroups: &str) -> Vec<PathBuf> {
    let of_line = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (root, file) = match fields.next()? {
            "" => ("/sys/fs/cgroup", "memory.max"),
            controllers if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group = Path::new(root).join(fields.next()?.trim_start_matches('/'));
        Some(group.ancestors().take_while(|group| group.starts_with(root)).map(|group| group.join(file)).collect())
    };
    cgroups.lines().filter_map(of_line).collect::<Vec<Vec<_>>>().concat()
}

/// Version 2 says `max` for no limit, version 1 a number near the largest.
fn parse_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: &[(&str, &str)]) -> Config {
        let required = [("UPSTREAMS__DEFAULT__URL", "https://portal.example/orders"), ("UPSTREAMS__DEFAULT__API_USER", "1")];
        let variables = required.iter().chain(settings).map(|(name, value)| (format!("GATEWAY__{name}"), (*value).to_owned()));
        Config::load(None, variables).unwrap()
    }

    #[test]
    fn defaults_fit_into_the_limit_of_the_chart() {
        assert_eq!(worst_case(&config(&[])), 228 * MIB);
        assert_eq!(check(&config(&[]), 256 * MIB), None);
        assert_eq!(check_answers(&config(&[])), None);
    }

    #[test]
    fn warning_names_the_setting_and_its_value() {
        let warning = check(&config(&[("SERVER__MAX_BUFFERED_BYTES", "209715200")]), 256 * MIB).unwrap();
        assert!(warning.contains("is 256 MiB") && warning.contains("permits 332 MiB"), "{warning}");
        assert!(warning.contains("lower server.max_buffered_bytes to 130023424,"), "{warning}");

        let warning = check(&config(&[("SERVER__MAX_CONNECTIONS", "10000")]), 256 * MIB).unwrap();
        assert!(warning.contains("lower server.max_connections"), "{warning}");

        let warning = check_answers(&config(&[("UPSTREAMS__DEFAULT__MAX_RESPONSE_BYTES", "67108864")])).unwrap();
        assert!(warning.contains("upstreams.default.max_response_bytes = 67108864"), "{warning}");
    }

    #[test]
    fn limits_are_found_in_both_versions_of_cgroups() {
        let files = |cgroups: &str| limit_files(cgroups).iter().map(|file| file.display().to_string()).collect::<Vec<_>>();

        assert_eq!(files("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(
            files("0::/kubepods/pod1\n"),
            ["/sys/fs/cgroup/kubepods/pod1/memory.max", "/sys/fs/cgroup/kubepods/memory.max", "/sys/fs/cgroup/memory.max"]
        );
        assert_eq!(
            files("5:cpu,cpuacct:/docker\n4:memory:/docker\n"),
            ["/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        );
        assert_eq!(files("garbage"), Vec::<String>::new());
        for (text, limit) in [("268435456\n", Some(268_435_456)), ("max\n", None), ("9223372036854771712\n", None)] {
            assert_eq!(parse_limit(text), limit, "{text}");
        }
    }
}
