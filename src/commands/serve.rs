//! `serve`: the gateway. Builds every part from the configuration, and runs until a signal stops it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::limits::{self, SystemLimits, Warning};
use super::reload_task::ReloadTask;
use super::shutdown_signal::StopSignals;
use super::{CommandError, warnings};
use crate::auth::{ApiKeys, Authentication, JwtVerifier, Principal};
use crate::backend::{Backend, Coalescing};
use crate::config::{self, AuthMode, Config, Reload, Secret};
use crate::idempotency::MarkerSigner;
use crate::legacy::client::Client;
use crate::legacy::schema_drift::SchemaDrift;
use crate::metrics::Metrics;
use crate::ops::Readiness;
use crate::resilience::{ByteBudget, RateLimit};
use crate::rest::UpstreamHandle;
use crate::server::{DrainSignal, EventLoops, Limits, Server};
use crate::writes::{self, WriteCoordinator};
use crate::{middleware, ops, rest};

/// A gateway whose ports are bound, but which does not serve yet.
#[derive(Debug)]
pub struct App<S = middleware::Inbound> {
    /// The API.
    pub api: Server<S>,
    /// The operations port.
    pub ops: Server,
    readiness: Readiness,
    metrics: Metrics,
    /// Writes that are being completed, and access-log lines that wait for them.
    tasks: TaskTracker,
    drain_delay: Duration,
    /// They serve the connections, and run the writes that outlive theirs.
    event_loops: EventLoops,
    /// Reloads values that come from files.
    pub reload_task: ReloadTask,
}

/// What all parts of a process share.
pub(super) struct Shared {
    pub(super) metrics: Metrics,
    /// Writes that are being completed, and access-log lines that wait for them.
    pub(super) tasks: TaskTracker,
    /// The memory for answers and bodies.
    pub(super) memory: ByteBudget,
}

/// Minimum time for writing the access-log lines of requests that were aborted at the end of the drain.
const FINAL_LOG_GRACE: Duration = Duration::from_secs(1);

/// Serves until a signal stops it; a second signal aborts the drain. SIGHUP reloads files.
///
/// # Errors
/// When it cannot start, or stopped without finishing what had begun.
pub async fn run(config: Config) -> Result<(), CommandError> {
    let hangup = signal(SignalKind::hangup())?;
    let app = App::build(&config).await?.with_event_loops(EventLoops::for_all_cores()?);
    app.run(Some(hangup)).await
}

impl App {
    /// Builds the gateway and binds its ports.
    ///
    /// # Errors
    /// When a port cannot be bound, or certificates could not be verified.
    pub async fn build(config: &Config) -> Result<Self, CommandError> {
        Self::build_with(config, (Router::new(), Vec::new())).await
    }

    /// Builds the gateway with further routes beside those of the API, and their templates.
    pub(super) async fn build_with(config: &Config, further: (Router, Vec<String>)) -> Result<Self, CommandError> {
        for warning in warnings::check(config) {
            tracing::warn!("{warning}");
        }
        let server = &config.server;
        let shared = Shared::new(server);
        let (metrics, memory) = (shared.metrics.clone(), shared.memory.clone());

        let mut upstreams = BTreeMap::new();
        let mut drift = Vec::new();
        for (name, upstream) in &config.upstreams {
            let client = Client::try_new(upstream, memory.clone(), metrics.upstream(name))?;
            drift.push(client.drift());
            let handle = shared.upstream_handle(name, server, upstream, client, true);
            upstreams.insert(name.clone(), handle);
        }

        let timeouts = rest::Timeouts { request: server.request_timeout, list: server.list_timeout, body: server.body_timeout };
        let state = rest::AppState::new(upstreams, timeouts, memory.clone(), &server.base_path);
        let authentication = authentication(config, &metrics)?;
        let (router, templates) = rest::router(state, authentication.credential_kind());
        let (router, templates) = (router.merge(further.0), [templates, further.1].concat());
        let settings = middleware::Settings {
            base_path: server.base_path.as_str().into(),
            request_timeout: server.request_timeout,
            authentication,
            metrics: metrics.clone(),
            memory,
            routes: templates,
            rate: server.rate_per_client.map(RateLimit::new),
            trusted_proxies: server.trusted_proxies.clone(),
            cors_origins: server.cors_origins.clone(),
            is_public_route: rest::is_public,
            is_tls: server.tls.is_some(),
        };
        let router = middleware::apply(router, settings);
        Self::bind(config, server.listen, router, shared, drift, config.reloads()).await
    }
}

impl<S, B> App<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes, Error = axum::Error> + Send + 'static,
{
    /// Binds the ports of a program that serves `service` at `listen`.
    pub(super) async fn bind(
        config: &Config,
        listen: SocketAddr,
        service: S,
        shared: Shared,
        drift: Vec<Arc<SchemaDrift>>,
        reloads: Vec<Box<dyn Reload>>,
    ) -> Result<Self, CommandError> {
        let (server, Shared { metrics, tasks, .. }) = (&config.server, shared);
        let system = SystemLimits::raise();
        for Warning { key, message } in limits::check(config, &system) {
            tracing::warn!(key, "{key} {message}");
        }
        let limits = Limits { max_connections: limits::max_connections(config, &system), ..Limits::from(server) };
        let api = Server::bind(listen, service, limits).await?.with_tls(server.tls.clone());
        let readiness = Readiness::default();
        let ops = ops::router(readiness.clone(), metrics.clone(), drift, api.connections(), limits.max_connections);
        Ok(Self {
            api,
            ops: Server::bind(server.ops_listen, ops, ops_limits(limits)).await?,
            readiness,
            metrics: metrics.clone(),
            tasks,
            drain_delay: server.drain_delay,
            event_loops: EventLoops::default(),
            reload_task: ReloadTask::new(reloads, metrics),
        })
    }

    /// Distributes connections over event loops.
    #[must_use]
    pub fn with_event_loops(self, event_loops: EventLoops) -> Self {
        Self { api: self.api.with_event_loops(&event_loops), event_loops, ..self }
    }

    /// Serves until a signal stops it. `hangup` makes it reload files.
    ///
    /// # Errors
    /// When signals cannot be handled, or something was cut off.
    pub async fn run(self, hangup: Option<Signal>) -> Result<(), CommandError> {
        let signals = StopSignals::try_new()?;
        self.readiness.set(true);
        // Logged only now: a supervisor that reads this line may send a signal or a request at once.
        tracing::info!(listen = %self.api.address(), ops_listen = %self.ops.address(), "listening");
        let stop = CancellationToken::new();
        let hangups = tokio::spawn(reload_at_hangup(hangup, self.reload_task.trigger()));
        let reload_task = tokio::spawn(self.reload_task.run());
        let drain_signal = self.api.drain_signal();
        // Probes and metrics are served during the drain too.
        let ops = tokio::spawn(self.ops.run(std::future::pending()));
        let serve_and_drain = async {
            let drained = self.api.run(stop.cancelled()).await;
            self.tasks.close();
            let deadline = drained.deadline.max(Instant::now() + FINAL_LOG_GRACE);
            // Tasks that need longer are dropped with the runtime.
            let _ = tokio::time::timeout_at(deadline, self.tasks.wait()).await;
        };
        let shutdown = run_shutdown_sequence(signals, self.drain_delay, &self.readiness, &drain_signal, &stop);
        let is_drained = tokio::select! {
            () = serve_and_drain => true,
            () = shutdown => false,
        };
        // What the drain breaks off has been aborted by now, and its requests have ended.
        let (open_requests, writes) = (self.metrics.active_requests(), self.tasks.len());
        let was_cut_off = if is_drained { writes > 0 } else { writes > 0 || open_requests > 0 };
        if was_cut_off {
            tracing::error!(open_requests, writes, "stopped before open requests and writes had ended");
        } else if is_drained {
            tracing::info!("stopped");
        } else {
            tracing::warn!("stopped at once by a second signal");
        }
        ops.abort();
        hangups.abort();
        reload_task.abort();
        // Ends what the drain has not.
        drop(self.event_loops);
        if was_cut_off { Err(CommandError::CutOff { open_requests, writes }) } else { Ok(()) }
    }
}

/// The operations port must answer whatever its clients do. Its responses are small and take no time, so no client needs more
/// than these few seconds, and any connection may make room for a probe.
fn ops_limits(api: Limits) -> Limits {
    const TIMEOUT: Duration = Duration::from_secs(5);
    Limits {
        header_timeout: TIMEOUT,
        idle_timeout: TIMEOUT,
        write_stall_timeout: TIMEOUT,
        response_timeout: TIMEOUT,
        max_connections: ops::MAX_CONNECTIONS,
        head_grace: Duration::ZERO,
        ..api
    }
}

impl Shared {
    pub(super) fn new(server: &config::Server) -> Self {
        let metrics = Metrics::default();
        let limit = usize::try_from(server.max_buffered_bytes).unwrap_or(usize::MAX);
        let memory = ByteBudget::new(limit, metrics.buffered_bytes.clone(), metrics.buffer_rejections.clone());
        Self { metrics, tasks: TaskTracker::new(), memory }
    }

    /// The decorated backend and the writes of one upstream. Nothing of it is shared with another upstream.
    pub(super) fn upstream_handle(
        &self,
        name: &str,
        server: &config::Server,
        upstream: &config::Upstream,
        client: Client,
        redacts_refusals: bool,
    ) -> UpstreamHandle {
        let Self { metrics, tasks, .. } = self;
        let upstream_metrics = metrics.upstream(name);
        let (budget, drift) = (client.budget(), client.drift());
        let coalescing = Coalescing::new(client, server.request_timeout, upstream_metrics.clone());
        let backend: Arc<dyn Backend> = Arc::new(coalescing);
        let writes = WriteCoordinator::new(writes::Settings {
            backend: Arc::clone(&backend),
            markers: marker_signer(server, upstream),
            budget,
            timeout: upstream.timeout,
            connect_timeout: upstream.connect_timeout,
            settle_time: upstream.settle_time,
            redacts_refusals,
            metrics: metrics.clone(),
            upstream: upstream_metrics,
            count_lost_marker: Box::new(move || drift.count_lost_marker()),
            tasks: tasks.clone(),
        });
        UpstreamHandle { backend, writes, zone: upstream.time_zone.clone() }
    }
}

#[expect(clippy::expect_used, reason = "the configuration requires an upstream")]
fn authentication(config: &Config, metrics: &Metrics) -> Result<Authentication, CommandError> {
    match &config.auth.mode {
        AuthMode::None => {
            // With this mode there is only one upstream, or the configuration would not be valid.
            let upstream = config.upstreams.keys().next().expect("at least one upstream is configured");
            Ok(Authentication::Anonymous(Principal::anonymous(upstream)))
        }
        AuthMode::ApiKey(clients) => Ok(Authentication::ApiKeys(ApiKeys::new(clients))),
        AuthMode::Jwt(jwt) => {
            let upstreams = config.upstreams.keys().cloned().collect();
            let verifier = JwtVerifier::try_new(jwt, config.server.secret.as_ref(), upstreams, metrics.clone())?;
            Ok(Authentication::Jwt(Box::new(verifier)))
        }
    }
}

/// Signs idempotency markers. Without a secret, the key is derived from what all replicas have and others do not know.
fn marker_signer(server: &config::Server, upstream: &config::Upstream) -> MarkerSigner {
    let derived = || upstream.api_user.with(|api_user| Secret::from(&*format!("{} {api_user}", upstream.url)));
    if let Some(secret) = server.secret.clone() {
        // When a secret is set for the first time, the markers in the log were signed with the derived key.
        MarkerSigner::new(secret, Some(server.previous_secret.clone().unwrap_or_else(derived)))
    } else {
        MarkerSigner::new(derived(), None)
    }
}

/// Makes the reload task read all files whenever the process receives SIGHUP.
async fn reload_at_hangup(hangup: Option<Signal>, trigger: Arc<Notify>) {
    let Some(mut hangup) = hangup else { return };
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP: reading all files again");
        trigger.notify_one();
    }
}

/// Graceful shutdown. The first signal makes the gateway not ready and begins the drain: from then on responses close their
/// connections, so that no client sends a request on a connection that is being closed. Requests are still accepted for
/// `delay`, because load balancers need time to notice; then the server stops. Returns at the second signal.
async fn run_shutdown_sequence(
    mut signals: StopSignals,
    delay: Duration,
    readiness: &Readiness,
    drain_signal: &DrainSignal,
    stop: &CancellationToken,
) {
    signals.next().await;
    let began = Instant::now();
    readiness.set(false);
    drain_signal.begin();
    tracing::info!("shutting down");
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        () = signals.second(began) => return,
    }
    stop.cancel();
    signals.second(began).await;
}
