//! Prometheus metrics.
//!
//! A gateway has a registry of its own instead of the global one, so that several can run in one process, as they do in tests.
//! Label values come from the configuration or from tables in the code, or their number is bounded; they are never values of a
//! request.

mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use tokio::runtime::Handle;

use process::ProcessCollector;

/// All metrics of a gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    requests: HistogramVec,
    active: IntGauge,
    tasks: IntGauge,
    connections: IntGaugeVec,
    max_connections: IntGauge,
    writes: IntCounterVec,
    conflicts: IntCounter,
    duplicates: IntCounter,
    files: IntGaugeVec,
    denials: IntCounterVec,
    keys: IntCounterVec,
    rejected_keys: IntCounterVec,
    issuer_connect_failures: IntCounterVec,
    /// What answers and bodies hold of `server.max_buffered_bytes`.
    pub buffered_bytes: IntGauge,
    /// Answers and bodies that did not fit into it.
    pub buffer_rejections: IntCounter,
    facade_requests: IntCounterVec,
    lines_dropped: IntCounter,
    /// The total that `lines_dropped` has reached, to increase the counter by the difference.
    lines_counted: Arc<AtomicU64>,
    upstreams: UpstreamVectors,
}

/// Metrics with a label for the upstream.
#[derive(Debug, Clone)]
struct UpstreamVectors {
    calls: HistogramVec,
    retries: IntCounterVec,
    connect_failures: IntCounterVec,
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
    /// Upstream calls in flight.
    pub in_flight: IntGauge,
    /// State of the circuit breaker: 0 closed, 1 half-open, 2 open.
    pub breaker: IntGauge,
}

/// The media type of [`Metrics::render`].
pub const MEDIA_TYPE: &str = prometheus::TEXT_FORMAT;
/// Histogram buckets in seconds: from less than any upstream takes, to the default timeout of lists.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 300.0];

impl Default for Metrics {
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn default() -> Self {
        let registry = Registry::new();
        register_process_info(&registry);
        let total = |name: &str, help: &str| register(&registry, IntCounter::new(name, help));
        let counter =
            |name: &str, help: &str, labels: &[&str]| register(&registry, IntCounterVec::new(Opts::new(name, help), labels));
        let gauge =
            |name: &str, help: &str, label: &str| register(&registry, IntGaugeVec::new(Opts::new(name, help), &[label]));
        let number = |name: &str, help: &str| register(&registry, IntGauge::new(name, help));
        let histogram = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, HistogramVec::new(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()), labels))
        };
        Self {
            requests: histogram(
                "http_server_request_duration_seconds",
                "Duration of a request from its head to the end of its response; status is aborted if there was no response.",
                &["route", "method", "status"],
            ),
            active: number("http_server_active_requests", "Requests in flight: their response has not ended."),
            tasks: number(
                "runtime_alive_tasks",
                "Tasks of the runtime that have not ended, including one for each connection.",
            ),
            connections: gauge(
                "http_server_open_connections",
                "Open connections of the API by state: active, or idle between two requests.",
                "state",
            ),
            max_connections: number("http_server_max_connections", "Connections of the API that are served at the same time."),
            writes: counter("write_outcome_total", "Write requests by outcome.", &["call", "outcome"]),
            conflicts: total(
                "write_conflict_total",
                "Conditional changes after which the order showed another writer's change at the same moment.",
            ),
            duplicates: total(
                "write_duplicate_total",
                "Reads that found a message with an idempotency key more than once in the log.",
            ),
            files: gauge(
                "config_file_usable",
                "1 if the files of a configuration key were usable at the last poll, 0 while a previous value stays in use.",
                "key",
            ),
            denials: counter(
                "authentication_failures_total",
                "Requests without valid credentials, by reason: missing, invalid, unbound to an upstream, or unavailable.",
                &["reason"],
            ),
            keys: counter(
                "jwks_fetches_total",
                "Fetches of the token issuer's JWKS by outcome: fetched or failed.",
                &["outcome"],
            ),
            rejected_keys: counter(
                "jwks_keys_rejected_total",
                "Keys left out of the token issuer's JWKS, by reason; counted when the keys that are left out change.",
                &["reason"],
            ),
            issuer_connect_failures: counter(
                "jwks_connect_failures_total",
                "Connections to an address of the token issuer that could not be made, by cause.",
                &["cause"],
            ),
            buffered_bytes: number(
                "buffered_bytes",
                "Bytes held of server.max_buffered_bytes, by answers of upstreams and by bodies.",
            ),
            buffer_rejections: total(
                "buffer_rejections_total",
                "Answers, pages and bodies that did not fit into server.max_buffered_bytes; a client got 503 or no compression.",
            ),
            facade_requests: counter(
                "facade_requests_total",
                "Requests of legacy clients, by the system that answered and outcome.",
                &["client", "call", "system", "outcome"],
            ),
            lines_dropped: total(
                "log_lines_dropped_total",
                "Log lines dropped because standard output was not drained or could not be written.",
            ),
            lines_counted: Arc::default(),
            upstreams: UpstreamVectors {
                calls: histogram(
                    "upstream_request_duration_seconds",
                    "Duration of upstream calls to the end of the answer, including queueing and retries.",
                    &["upstream", "call", "outcome"],
                ),
                retries: counter("upstream_retries_total", "Retries of upstream calls.", &["upstream", "call"]),
                connect_failures: counter(
                    "upstream_connect_failures_total",
                    "Connections to an address of the upstream that could not be made, by cause.",
                    &["upstream", "cause"],
                ),
                coalesced: counter(
                    "upstream_coalesced_total",
                    "Reads that shared an upstream call already in flight.",
                    &["upstream", "call"],
                ),
                drift: counter(
                    "upstream_drift_total",
                    "Schema drift: unknown or invalid parts of upstream answers; see /diagnostics/drift.",
                    &["upstream", "call", "kind", "name"],
                ),
                in_flight: gauge("upstream_in_flight", "Upstream calls in flight.", "upstream"),
                breaker: gauge(
                    "upstream_breaker_state",
                    "State of the circuit breaker: 0 closed, 1 half-open, 2 open.",
                    "upstream",
                ),
            },
            registry,
        }
    }
}

impl Metrics {
    /// Sets whether the files of a configuration key are usable.
    pub fn file_is_usable(&self, key: &str, is_usable: bool) {
        self.files.with_label_values(&[key]).set(is_usable.into());
    }

    /// Counts a request without a valid credential. `reason` is that of `AuthError::kind`.
    pub fn denied(&self, reason: &str) {
        self.denials.with_label_values(&[reason]).inc();
    }

    /// Counts a fetch of the issuer's JWKS.
    pub fn keys_fetched(&self, is_fetched: bool) {
        self.keys.with_label_values(&[if is_fetched { "fetched" } else { "failed" }]).inc();
    }

    /// Counts a key that was left out of the issuer's JWKS.
    pub fn key_rejected(&self, reason: &str) {
        self.rejected_keys.with_label_values(&[reason]).inc();
    }

    /// Counts a connection to the token issuer that could not be made.
    pub fn issuer_connect_failure(&self, cause: &str) {
        self.issuer_connect_failures.with_label_values(&[cause]).inc();
    }

    /// Sets the number of log lines dropped since the start of the process.
    pub fn lines_dropped(&self, total: u64) {
        let counted = self.lines_counted.fetch_max(total, Ordering::Relaxed);
        self.lines_dropped.inc_by(total.saturating_sub(counted));
    }

    /// Sets the number of open connections, and how many there may be.
    pub fn open_connections(&self, active: usize, idle: usize, max: usize) {
        let value = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.connections.with_label_values(&["active"]).set(value(active));
        self.connections.with_label_values(&["idle"]).set(value(idle));
        self.max_connections.set(value(max));
    }

    /// The number of requests in flight.
    #[must_use]
    pub fn active_requests(&self) -> i64 {
        self.active.get()
    }

    /// Counts a request as in flight until [`Self::request`].
    pub fn request_begun(&self) {
        self.active.inc();
    }

    /// Records a request whose response has ended; without a status it was aborted.
    pub fn request(&self, route: &str, method: &str, status: Option<u16>, time: Duration) {
        self.active.dec();
        let mut digits = itoa::Buffer::new();
        let status = status.map_or("aborted", |status| digits.format(status));
        self.requests.with_label_values(&[route, method, status]).observe(time.as_secs_f64());
    }

    /// Counts a write by legacy call and outcome.
    pub fn write(&self, call: &str, outcome: &str) {
        self.writes.with_label_values(&[call, outcome]).inc();
    }

    /// Counts a request of a legacy client.
    pub fn facade_request(&self, client: &str, call: &str, system: &str, outcome: &str) {
        self.facade_requests.with_label_values(&[client, call, system, outcome]).inc();
    }

    /// Counts drift in what a system answered to legacy clients.
    pub fn drift(&self, system: &str, call: &str, kind: &str, name: &str, count: u64) {
        self.upstreams.drift.with_label_values(&[system, call, kind, name]).inc_by(count);
    }

    /// Counts a conditional write that met another writer's change.
    pub fn conflict(&self) {
        self.conflicts.inc();
    }

    /// Counts a message that was found in the log more than once.
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

    /// All metrics in the Prometheus text format.
    ///
    /// # Panics
    /// Never: writing to a vector cannot fail.
    #[must_use]
    #[expect(clippy::expect_used, reason = "writing to a vector cannot fail, and names and labels are valid")]
    pub fn render(&self) -> Vec<u8> {
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.set(i64::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(i64::MAX));
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).expect("metrics can be encoded");
        text
    }
}

impl UpstreamMetrics {
    /// The name of the upstream.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Records a call that has ended.
    pub fn call(&self, call: &str, outcome: &str, time: Duration) {
        self.vectors.calls.with_label_values(&[&self.name, call, outcome]).observe(time.as_secs_f64());
    }

    /// Counts a connection that could not be made.
    pub fn connect_failure(&self, cause: &str) {
        self.vectors.connect_failures.with_label_values(&[&self.name, cause]).inc();
    }

    /// Counts a retry.
    pub fn retry(&self, call: &str) {
        self.vectors.retries.with_label_values(&[&self.name, call]).inc();
    }

    /// Counts a read that shared the call of another one.
    pub fn coalesced(&self, call: &str) {
        self.vectors.coalesced.with_label_values(&[&self.name, call]).inc();
    }

    /// The counter of one drift entry.
    #[must_use]
    pub fn drift(&self, call: &str, kind: &str, name: &str) -> IntCounter {
        self.vectors.drift.with_label_values(&[&self.name, call, kind, name])
    }
}

#[expect(clippy::expect_used, reason = "names and labels are constants, and a test registers all of them")]
fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<C>) -> C {
    let metric = metric.expect("the name and labels are valid");
    registry.register(Box::new(metric.clone())).expect("the name is unique");
    metric
}

#[expect(clippy::expect_used, reason = "names and labels are constants, and a test registers all of them")]
fn register_process_info(registry: &Registry) {
    let process = ProcessCollector::try_new().expect("the names are valid");
    registry.register(Box::new(process)).expect("the names are unique");
    let build = IntGaugeVec::new(Opts::new("build_info", "1, with the version of the gateway."), &["version"]);
    register(registry, build).with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_rendered() {
        let metrics = Metrics::default();
        (0..3).for_each(|_| metrics.request_begun());
        metrics.request("/orders/{id}", "GET", Some(200), Duration::from_millis(3));
        metrics.request("/orders", "GET", None, Duration::from_millis(3));
        metrics.write("add_message", "applied");
        metrics.facade_request("shop", "orders", "old", "success");
        metrics.drift("old", "orders", "charset", "answer", 2);
        metrics.conflict();
        metrics.duplicate();
        metrics.lines_dropped(5);
        metrics.lines_dropped(4);
        let upstream = metrics.upstream("default");
        upstream.call("orders", "success", Duration::from_secs(1));
        upstream.retry("orders");
        upstream.connect_failure("refused");
        upstream.coalesced("order_info");
        upstream.drift("orders", "entity", "order.status").inc();
        upstream.breaker.set(2);
        metrics.open_connections(3, 2, 1024);

        let text = String::from_utf8(metrics.render()).unwrap();

        for line in [
            r#"http_server_request_duration_seconds_count{method="GET",route="/orders/{id}",status="200"} 1"#,
            r#"http_server_request_duration_seconds_count{method="GET",route="/orders",status="aborted"} 1"#,
            r#"write_outcome_total{call="add_message",outcome="applied"} 1"#,
            r#"facade_requests_total{call="orders",client="shop",outcome="success",system="old"} 1"#,
            r#"upstream_drift_total{call="orders",kind="charset",name="answer",upstream="old"} 2"#,
            "http_server_active_requests 1",
            "write_conflict_total 1",
            "write_duplicate_total 1",
            "log_lines_dropped_total 5",
            r#"upstream_request_duration_seconds_count{call="orders",outcome="success",upstream="default"} 1"#,
            r#"upstream_connect_failures_total{cause="refused",upstream="default"} 1"#,
            r#"upstream_retries_total{call="orders",upstream="default"} 1"#,
            r#"upstream_coalesced_total{call="order_info",upstream="default"} 1"#,
            r#"upstream_drift_total{call="orders",kind="entity",name="order.status",upstream="default"} 1"#,
            r#"upstream_in_flight{upstream="default"} 0"#,
            r#"upstream_breaker_state{upstream="default"} 2"#,
            r#"http_server_open_connections{state="active"} 3"#,
            r#"http_server_open_connections{state="idle"} 2"#,
            "http_server_max_connections 1024",
            concat!(r#"build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_max_fds ",
            "process_start_time_seconds 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
