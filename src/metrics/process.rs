//! Metrics of the process, with the names that Prometheus client libraries use. Linux only: elsewhere there is no `/proc`, and
//! the metrics that come from it are missing.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, IntGauge, Opts};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Reads the metrics when they are collected.
#[derive(Debug)]
pub(super) struct ProcessCollector {
    cpu: Counter,
    resident: IntGauge,
    open_descriptors: IntGauge,
    max_descriptors: IntGauge,
    started: Gauge,
}

/// What `/proc/self/stat` says, in clock ticks and pages.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    /// Since the system was started.
    start_ticks: u64,
    resident_pages: u64,
}

impl ProcessCollector {
    pub(super) fn try_new() -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| IntGauge::with_opts(Opts::new(name, help));
        Ok(Self {
            cpu: Counter::with_opts(Opts::new("process_cpu_seconds_total", "User and system CPU time in seconds."))?,
            resident: gauge("process_resident_memory_bytes", "Resident memory in bytes.")?,
            open_descriptors: gauge("process_open_fds", "Open file descriptors.")?,
            max_descriptors: gauge("process_max_fds", "Maximum number of open file descriptors.")?,
            started: Gauge::with_opts(Opts::new(
                "process_start_time_seconds",
                "Start of the process as a Unix time in seconds.",
            ))?,
        })
    }

    fn families(&self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(Stat::parse) {
            let cpu = seconds(stat.cpu_ticks);
            self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
            self.resident.set(clamped(stat.resident_pages.saturating_mul(page_size() as u64)));
            families.extend([self.cpu.collect(), self.resident.collect()]);
            if let Some(boot) = fs::read_to_string("/proc/stat").ok().as_deref().and_then(boot_time) {
                self.started.set(boot + seconds(stat.start_ticks));
                families.push(self.started.collect());
            }
        }
        if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
            // One of them is that of the directory itself.
            self.open_descriptors.set(clamped(descriptors.count().saturating_sub(1) as u64));
            families.push(self.open_descriptors.collect());
        }
        self.max_descriptors.set(getrlimit(Resource::Nofile).current.map_or(i64::MAX, clamped));
        families.push(self.max_descriptors.collect());
        families.concat()
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        [self.cpu.desc(), self.resident.desc(), self.open_descriptors.desc(), self.max_descriptors.desc(), self.started.desc()]
            .concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.families()
    }
}

impl Stat {
    /// Parses the line of `/proc/self/stat` (proc(5)).
    fn parse(line: &str) -> Option<Self> {
        // The second field is the name of the program in parentheses, which may contain anything. The state follows, field 3.
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self { cpu_ticks: field(14)? + field(15)?, start_ticks: field(22)?, resident_pages: field(24)? })
    }
}

/// The Unix time at which the system was started, from `/proc/stat`.
fn boot_time(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "seconds need no more than the 53 bits of a double")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

fn clamped(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_parsed_whatever_the_program_is_called() {
        let line = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 123456 1000000 4321 18446744073709551615 1";

        assert_eq!(Stat::parse(line), Some(Stat { cpu_ticks: 300, start_ticks: 123_456, resident_pages: 4321 }));
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert_eq!(boot_time("cpu 1 2\nbtime 1600000000\n"), Some(1_600_000_000.0));
    }
}
