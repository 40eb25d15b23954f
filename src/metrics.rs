//! Numbers for Prometheus.
//!
//! A gateway has a registry of its own, no global one, so that several can live in one process, as they do in tests. Labels
//! are names from the configuration, from tables in the code, or bounded in number; never a value of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use tokio::runtime::Handle;

/// All metrics of a gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    requests: HistogramVec,
    active: IntGauge,
    tasks: IntGauge,
    writes: IntCounterVec,
    conflicts: IntCounter,
    duplicates: IntCounter,
    files: IntGaugeVec,
    denials: IntCounterVec,
    keys: IntCounterVec,
    lines_dropped: IntCounter,
    /// How many of them are counted.
    lines_told: Arc<AtomicU64>,
    upstreams: UpstreamVectors,
}

/// Those with a label for the upstream.
#[derive(Debug, Clone)]
struct UpstreamVectors {
    calls: HistogramVec,
    retries: IntCounterVec,
    coalesced: IntCounterVec,
    drift: IntCounterVec,
    in_flight: IntGaugeVec,
    breaker: IntGaugeVec,
}

/// Metrics of one upstream. Cheap to clone.
#[derive(Debug, Clone)]
pub struct UpstreamMetrics {
    name: String,
    vectors: UpstreamVectors,
    /// Calls that the order system is working at.
    pub in_flight: IntGauge,
    /// The state of the breaker: 0 closed, 1 trying, 2 open.
    pub breaker: IntGauge,
}

/// The media type of what [`Metrics::render`] writes.
pub const MEDIA_TYPE: &str = prometheus::TEXT_FORMAT;
/// From a millisecond, less than any order system takes, to the longest list.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 300.0];

impl Default for Metrics {
    fn default() -> Self {
        let registry = Registry::new();
        let counter =
            |name: &str, help: &str, labels: &[&str]| kept(&registry, IntCounterVec::new(Opts::new(name, help), labels));
        let gauge = |name: &str, help: &str, label: &str| kept(&registry, IntGaugeVec::new(Opts::new(name, help), &[label]));
        let histogram = |name: &str, help: &str, labels: &[&str]| {
            kept(&registry, HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), labels))
        };
        Self {
            requests: histogram(
                "http_server_request_duration_seconds",
                "From the head of a request to the end of its response; status is aborted where there was no response.",
                &["route", "method", "status"],
            ),
            active: kept(&registry, IntGauge::new("http_server_active_requests", "Requests whose response is not over.")),
            tasks: kept(
                &registry,
                IntGauge::new("runtime_alive_tasks", "Tasks that have not ended, those of connections among them."),
            ),
            writes: counter(
                "write_outcome_total",
                "Writes that clients asked for, by what became of them.",
                &["call", "outcome"],
            ),
            conflicts: kept(
                &registry,
                IntCounter::new(
                    "write_conflict_total",
                    "Guarded changes whose answer was lost, where the order then showed somebody else's: a status neither wanted nor from before, or more rows in the log than one.",
                ),
            ),
            duplicates: kept(
                &registry,
                IntCounter::new("write_duplicate_total", "Times that a message with a key was seen in the log more than once."),
            ),
            files: gauge(
                "config_file_usable",
                "Whether the files of a key could be read and used when they were looked at last: 1, or 0 while what was read before stays in use.",
                "key",
            ),
            denials: counter(
                "authentication_failures_total",
                "Requests without a good credential: missing, invalid, unbound to an upstream, or unavailable when it could not be checked.",
                &["reason"],
            ),
            keys: counter(
                "jwks_fetches_total",
                "How often the keys of the tokens' issuer were asked for: fetched, or failed.",
                &["outcome"],
            ),
            lines_dropped: kept(
                &registry,
                IntCounter::new(
                    "log_lines_dropped_total",
                    "Lines of the log that were lost because nobody read it, or it could not be written.",
                ),
            ),
            lines_told: Arc::default(),
            upstreams: UpstreamVectors {
                calls: histogram(
                    "upstream_request_duration_seconds",
                    "Calls of the order system, retries and waiting included, to the end of the answer.",
                    &["upstream", "call", "outcome"],
                ),
                retries: counter("upstream_retries_total", "Calls that were sent again.", &["upstream", "call"]),
                coalesced: counter(
                    "upstream_coalesced_total",
                    "Reads that were answered by one already on its way.",
                    &["upstream", "call"],
                ),
                drift: counter(
                    "upstream_drift_total",
                    "Where answers differ from what is known; see /diagnostics/drift.",
                    &["upstream", "call", "kind", "name"],
                ),
                in_flight: gauge("upstream_in_flight", "Calls that the order system is working at.", "upstream"),
                breaker: gauge("upstream_breaker_state", "0 closed, 1 trying, 2 open.", "upstream"),
            },
            registry,
        }
    }
}

impl Metrics {
    /// Notes whether the files of a key can be used.
    pub fn file_is_usable(&self, key: &str, is_usable: bool) {
        self.files.with_label_values(&[key]).set(is_usable.into());
    }

    /// Counts a request without a good credential.
    pub fn denied(&self, reason: &str) {
        self.denials.with_label_values(&[reason]).inc();
    }

    /// Counts that the issuer's keys were asked for.
    pub fn keys_fetched(&self, is_fetched: bool) {
        self.keys.with_label_values(&[if is_fetched { "fetched" } else { "failed" }]).inc();
    }

    /// Notes how many lines of the log were lost so far.
    pub fn lines_dropped(&self, total: u64) {
        let told = self.lines_told.fetch_max(total, Ordering::Relaxed);
        self.lines_dropped.inc_by(total.saturating_sub(told));
    }

    /// Notes that a request has come.
    pub fn request_begun(&self) {
        self.active.inc();
    }

    /// Counts a request whose response is over.
    pub fn request(&self, route: &str, method: &str, status: Option<u16>, time: Duration) {
        self.active.dec();
        let mut digits = itoa::Buffer::new();
        let status = status.map_or("aborted", |status| digits.format(status));
        self.requests.with_label_values(&[route, method, status]).observe(time.as_secs_f64());
    }

    /// Counts a write by the legacy call and what became of it.
    pub fn write(&self, call: &str, outcome: &str) {
        self.writes.with_label_values(&[call, outcome]).inc();
    }

    /// Counts a guarded write that met another one.
    pub fn conflict(&self) {
        self.conflicts.inc();
    }

    /// Counts a message that stands in the log more than once.
    pub fn duplicate(&self) {
        self.duplicates.inc();
    }

    /// The metrics of the upstream with this name.
    #[must_use]
    pub fn upstream(&self, name: &str) -> UpstreamMetrics {
        UpstreamMetrics {
            name: name.to_owned(),
            in_flight: self.upstreams.in_flight.with_label_values(&[name]),
            breaker: self.upstreams.breaker.with_label_values(&[name]),
            vectors: self.upstreams.clone(),
        }
    }

    /// Everything in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.set(i64::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(i64::MAX));
        }
        let mut text = Vec::new();
        // A vector takes everything.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

impl UpstreamMetrics {
    /// The name of the upstream.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counts a call that has ended.
    pub fn call(&self, call: &str, outcome: &str, time: Duration) {
        self.vectors.calls.with_label_values(&[&self.name, call, outcome]).observe(time.as_secs_f64());
    }

    /// Counts a call that is sent again.
    pub fn retry(&self, call: &str) {
        self.vectors.retries.with_label_values(&[&self.name, call]).inc();
    }

    /// Counts a read that another answers.
    pub fn coalesced(&self, call: &str) {
        self.vectors.coalesced.with_label_values(&[&self.name, call]).inc();
    }

    /// The counter of one kind of drift.
    #[must_use]
    pub fn drift(&self, call: &str, kind: &str, name: &str) -> IntCounter {
        self.vectors.drift.with_label_values(&[&self.name, call, kind, name])
    }
}

/// A metric that the registry knows.
#[expect(clippy::expect_used, reason = "names and labels are constants, and a test makes all of them")]
fn kept<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let metric = made.expect("as many labels as values");
    registry.register(Box::new(metric.clone())).expect("a name of its own");
    metric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_can_be_counted_and_is_told() {
        let metrics = Metrics::default();
        (0..3).for_each(|_| metrics.request_begun());
        metrics.request("/orders/{id}", "GET", Some(200), Duration::from_millis(3));
        metrics.request("/orders", "GET", None, Duration::from_millis(3));
        metrics.write("add_message", "applied");
        metrics.conflict();
        metrics.duplicate();
        metrics.lines_dropped(5);
        metrics.lines_dropped(4);
        let upstream = metrics.upstream("default");
        upstream.call("orders", "success", Duration::from_secs(1));
        upstream.retry("orders");
        upstream.coalesced("order_info");
        upstream.drift("orders", "entity", "order.status").inc();
        upstream.breaker.set(2);
        let text = String::from_utf8(metrics.render()).expect("text");
        for line in [
            r#"http_server_request_duration_seconds_count{method="GET",route="/orders/{id}",status="200"} 1"#,
            r#"http_server_request_duration_seconds_count{method="GET",route="/orders",status="aborted"} 1"#,
            r#"write_outcome_total{call="add_message",outcome="applied"} 1"#,
            "http_server_active_requests 1",
            "write_conflict_total 1",
            "write_duplicate_total 1",
            "log_lines_dropped_total 5",
            r#"upstream_request_duration_seconds_count{call="orders",outcome="success",upstream="default"} 1"#,
            r#"upstream_retries_total{call="orders",upstream="default"} 1"#,
            r#"upstream_coalesced_total{call="order_info",upstream="default"} 1"#,
            r#"upstream_drift_total{call="orders",kind="entity",name="order.status",upstream="default"} 1"#,
            r#"upstream_in_flight{upstream="default"} 0"#,
            r#"upstream_breaker_state{upstream="default"} 2"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
