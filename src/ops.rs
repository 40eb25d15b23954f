//! The operations port: probes, metrics and the schema-drift report.
//!
//! *Live* means that the process responds. *Ready* means that it accepts requests: from when it listens until shutdown begins.
//! Neither depends on the upstream: restarting the gateway or taking it out of service would not repair an upstream outage,
//! and would replace the gateway's precise errors by those of a load balancer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;

use crate::legacy::schema_drift::{DriftEntry, SchemaDrift};
use crate::metrics::{self, Metrics};
use crate::server::Connections;
use crate::telemetry;

/// The number of connections that the operations port has at the same time.
pub const MAX_CONNECTIONS: usize = 64;

/// Whether the gateway is ready. Clones share state.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Changes what `/readyz` reports.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The routes `/livez`, `/readyz`, `/metrics`, and `/diagnostics/drift` with the schema drift of all upstreams.
/// `connections` are those of the API, of which there may be `max_connections`.
pub fn router(
    readiness: Readiness,
    metrics: Metrics,
    drift: Vec<Arc<SchemaDrift>>,
    connections: Connections,
    max_connections: usize,
) -> Router {
    let drift = move || {
        let items: Vec<DriftEntry> = drift.iter().flat_map(|drift| drift.entries()).collect();
        async move { ([(CONTENT_TYPE, "application/json")], json!({ "items": items }).to_string()) }
    };
    let ready = move || async move {
        if readiness.get() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
    };
    let metrics = move || async move {
        let (active, idle) = connections.active_and_idle();
        metrics.open_connections(active, idle, max_connections);
        metrics.lines_dropped(telemetry::lines_dropped());
        ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], metrics.render())
    };
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/diagnostics/drift", get(drift))
}
