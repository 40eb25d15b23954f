//! `serve`: the gateway.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::CommandError;
use super::reload_task::ReloadTask;
use super::shutdown_signal::StopSignals;
use crate::auth::{ApiKeys, Authentication, JwtVerifier, Principal};
use crate::backend::{Backend, Coalescing};
use crate::config::{self, AuthMode, Config, Secret};
use crate::idempotency::MarkerSigner;
use crate::legacy::client::Client;
use crate::metrics::{Metrics, UpstreamMetrics};
use crate::ops::Readiness;
use crate::resilience::RateLimit;
use crate::rest::UpstreamHandle;
use crate::server::{DrainSignal, Limits, Server};
use crate::writes::{self, WriteCoordinator};
use crate::{middleware, ops, rest};

/// A gateway that listens and does not serve yet.
#[derive(Debug)]
pub struct App {
    /// The API.
    pub api: Server<middleware::Inbound>,
    /// The probes.
    pub ops: Server,
    readiness: Readiness,
    /// Writes that are being finished, and lines for the log.
    tasks: TaskTracker,
    /// How long requests are still taken after a signal.
    drain_delay: Duration,
    /// What is made of files.
    pub reload_task: ReloadTask,
}

/// What a response may take longer than everything that it waits for.
const RESPONSE_SLACK: Duration = Duration::from_secs(5);

/// How long the lines may take of requests that were broken off at the end.
const FINAL_LOG_GRACE: Duration = Duration::from_secs(1);

/// Serves until a signal asks to stop; a second one ends it at once.
///
/// # Errors
/// When it cannot start.
pub async fn run(config: Config) -> Result<(), CommandError> {
    let app = App::build(&config).await?;
    app.run().await
}

impl App {
    /// Makes the gateway that the configuration describes and takes its ports.
    ///
    /// # Errors
    /// When a port cannot be taken or no HTTP client can be made.
    pub async fn build(config: &Config) -> Result<Self, CommandError> {
        let server = &config.server;
        let metrics = Metrics::default();
        let tasks = TaskTracker::new();
        let mut order_systems = BTreeMap::new();
        let mut drift = Vec::new();
        for (name, upstream) in &config.upstreams {
            let client = Client::try_new(upstream, metrics.upstream(name))?;
            drift.push(client.drift());
            order_systems
                .insert(name.clone(), order_system(server, upstream, client, &metrics.upstream(name), &metrics, &tasks));
        }
        let timeouts = rest::Timeouts { request: server.request_timeout, list: server.list_timeout, body: server.body_timeout };
        let gateway = rest::AppState::new(order_systems, timeouts, &server.base_path);
        let settings = middleware::Settings {
            base_path: server.base_path.as_str().into(),
            request_timeout: server.request_timeout,
            authentication: authentication(config, &metrics)?,
            metrics: metrics.clone(),
            tasks: tasks.clone(),
            rate: server.rate_per_client.map(RateLimit::new),
            trusted_proxies: server.trusted_proxies.clone(),
            cors_origins: server.cors_origins.clone(),
            is_public_route: rest::is_public,
            is_tls: server.tls.is_some(),
        };
        let router = middleware::apply(rest::router(gateway), settings);
        let connections = Limits {
            header_timeout: server.header_timeout,
            idle_timeout: server.idle_timeout,
            write_stall_timeout: server.write_stall_timeout,
            // A body may be late, and then the order system; what takes longer than both has no right to.
            response_timeout: server.body_timeout + server.list_timeout.max(server.request_timeout) + RESPONSE_SLACK,
            max_connections: server.max_connections,
            drain_timeout: server.drain_timeout,
        };
        let readiness = Readiness::default();
        Ok(Self {
            api: Server::bind(server.listen, router, connections).await?.with_tls(server.tls.clone()),
            ops: Server::bind(server.ops_listen, ops::router(readiness.clone(), metrics.clone(), drift), connections).await?,
            readiness,
            tasks,
            drain_delay: server.drain_delay,
            reload_task: ReloadTask::new(config.reloads(), metrics),
        })
    }

    /// Serves until a signal asks to stop.
    ///
    /// # Errors
    /// When signals cannot be heard.
    pub async fn run(self) -> Result<(), CommandError> {
        let signals = StopSignals::try_new()?;
        self.readiness.set(true);
        // Not before signals are heard and the ports answer: whoever reads this may send one, or ask.
        tracing::info!(listen = %self.api.address(), ops_listen = %self.ops.address(), "listening");
        let stop = CancellationToken::new();
        let fresh = tokio::spawn(self.reload_task.run());
        let drain_signal = self.api.drain_signal();
        let ops = tokio::spawn(self.ops.run(std::future::pending()));
        let work = async {
            let ended = self.api.run(stop.cancelled()).await;
            self.tasks.close();
            let deadline = ended.deadline.max(Instant::now() + FINAL_LOG_GRACE);
            let _ = tokio::time::timeout_at(deadline, self.tasks.wait()).await;
        };
        tokio::select! {
            () = work => tracing::info!("stopped"),
            () = run_shutdown_sequence(signals, self.drain_delay, &self.readiness, &drain_signal, &stop) => tracing::warn!("stopped at once by a second signal"),
        }
        ops.abort();
        fresh.abort();
        Ok(())
    }
}

/// One order system with all that stands between it and the API. Nothing of it is shared with another.
fn order_system(
    server: &config::Server,
    upstream: &config::Upstream,
    client: Client,
    of_upstream: &UpstreamMetrics,
    metrics: &Metrics,
    tasks: &TaskTracker,
) -> UpstreamHandle {
    warn_of_short_requests(server, upstream, of_upstream.name());
    let budget = client.budget();
    let coalescing = Coalescing::new(client, server.request_timeout, of_upstream.clone());
    let backend: Arc<dyn Backend> = Arc::new(coalescing);
    let writes = WriteCoordinator::new(writes::Settings {
        backend: Arc::clone(&backend),
        markers: markers(server, upstream),
        budget,
        timeout: upstream.timeout,
        connect_timeout: upstream.connect_timeout,
        settle_time: upstream.settle_time,
        metrics: metrics.clone(),
        upstream: of_upstream.clone(),
        tasks: tasks.clone(),
    });
    UpstreamHandle { backend, writes, zone: upstream.time_zone.clone() }
}

/// How callers are known.
fn authentication(config: &Config, metrics: &Metrics) -> Result<Authentication, CommandError> {
    match &config.auth.mode {
        AuthMode::None => {
            // The configuration has exactly one, or it would not have been accepted.
            let upstream = config.upstreams.keys().next().ok_or(CommandError::NoUpstream)?;
            Ok(Authentication::Anonymous(Principal::anonymous(upstream)))
        }
        AuthMode::ApiKey(clients) => Ok(Authentication::ApiKeys(ApiKeys::new(clients))),
        AuthMode::Jwt(jwt) => {
            let upstreams = config.upstreams.keys().cloned().collect();
            let tokens = JwtVerifier::try_new(jwt, config.server.secret.as_ref(), upstreams, metrics.clone());
            Ok(Authentication::Jwt(Box::new(tokens?)))
        }
    }
}

/// What marks are made with. Without a secret it is something that all replicas have and others do not know.
fn markers(server: &config::Server, upstream: &config::Upstream) -> MarkerSigner {
    let made = || upstream.api_user.with(|api_user| Secret::from(&*format!("{} {api_user}", upstream.url)));
    if let Some(secret) = server.secret.clone() {
        // Whoever sets a secret for the first time comes from having none.
        MarkerSigner::new(secret, Some(server.previous_secret.clone().unwrap_or_else(made)))
    } else {
        tracing::warn!("server.secret is not set: idempotency marks are made with the upstream's address and user");
        MarkerSigner::new(made(), None)
    }
}

/// What can be configured, but is hardly meant.
fn warn_of_short_requests(server: &config::Server, upstream: &config::Upstream, name: &str) {
    if server.request_timeout <= upstream.timeout + writes::VERIFY_MARGIN {
        tracing::warn!(
            "server.request_timeout leaves no time after upstreams.{name}.timeout to look what became of a write: messages with \
             an idempotency key are always refused as overloaded"
        );
    }
}

/// At the first signal, says that no more requests should come, serves those that come all the same for a moment, because
/// others need one to notice, and then stops the server. From the first signal on responses end their connections, so that
/// no client finds a connection closed that it is about to use. Returns at the second signal.
async fn run_shutdown_sequence(
    mut signals: StopSignals,
    delay: Duration,
    readiness: &Readiness,
    drain_signal: &DrainSignal,
    stop: &CancellationToken,
) {
    signals.next().await;
    readiness.set(false);
    drain_signal.begin();
    tracing::info!("asked to stop");
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        () = signals.next() => return,
    }
    stop.cancel();
    signals.next().await;
}
