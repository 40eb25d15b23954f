//! `facade`: the legacy protocol in front of other systems, for programs that speak nothing else.

mod token_check;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::signal::unix::{SignalKind, signal};

use self::token_check::TokenInUse;
use super::serve::{App, Shared};
use super::{CommandError, memory_budget};
use crate::backend::{Backend, Coalescing, DetachedWrites, Side, Split};
use crate::config::{Facade, FacadeClient, FacadeConfig, Route};
use crate::legacy::client::Client;
use crate::legacy::schema_drift::SchemaDrift;
use crate::legacy::server::{self, Signer, System, Timeouts};
use crate::rest;
use crate::server::EventLoops;
use crate::writes::VerifiedBackend;

/// Serves until a signal stops it; a second signal aborts the drain. SIGHUP reloads files.
///
/// # Errors
/// When it cannot start, or stopped without finishing what had begun.
pub async fn run(config: FacadeConfig) -> Result<(), CommandError> {
    let hangup = signal(SignalKind::hangup())?;
    let app = build(&config).await?.with_event_loops(EventLoops::for_all_cores()?);
    app.run(Some(hangup)).await
}

/// Builds the facade and binds its ports.
///
/// # Errors
/// When a port cannot be bound, certificates could not be verified, or a token shows masked data.
pub async fn build(config: &FacadeConfig) -> Result<App<Router>, CommandError> {
    let FacadeConfig { shared: gateway, facade } = config;
    for warning in gateway.warnings.iter().cloned().chain(memory_budget::warnings(gateway)) {
        tracing::warn!("{warning}");
    }
    let shared = Shared::new(&gateway.server);
    let mut drift = Vec::new();
    let systems = Systems::build(config, &shared, &mut drift)?;
    token_check::check(systems.tokens_in_use(facade), facade.allow_masked).await?;
    let router = server::router(server::Settings {
        path: facade.path.clone(),
        dialect: facade.dialect,
        clients: facade.clients.iter().map(|(name, client)| systems.client(name, client, &facade.route)).collect(),
        signer: signer(facade),
        trusted_proxies: facade.trusted_proxies.clone(),
        answers: facade.answers.clone(),
        timeouts: Timeouts {
            request: gateway.server.request_timeout,
            list: gateway.server.list_timeout,
            body: gateway.server.body_timeout,
        },
        metrics: shared.metrics.clone(),
    });
    App::bind(gateway, facade.listen, router, shared, drift, config.reloads()).await
}

fn signer(facade: &Facade) -> Option<Signer> {
    facade.secret.clone().map(|secret| Signer::new(secret, facade.previous_secret.clone()))
}

/// A system by the section that it is configured in.
enum NamedSystem {
    /// Of section `upstreams.<name>`: calls pass through.
    Legacy(VerifiedBackend),
    /// Of section `facade.backends.<name>`.
    Json(JsonSystem),
}

/// A JSON system.
struct JsonSystem {
    client: rest::client::Client,
    /// Its calls with its own token.
    backend: Arc<dyn Backend>,
}

/// All systems by name.
struct Systems<'s> {
    by_name: BTreeMap<String, NamedSystem>,
    shared: &'s Shared,
    /// Limit of a read that several requests share.
    request_timeout: Duration,
}

impl<'s> Systems<'s> {
    fn build(config: &FacadeConfig, shared: &'s Shared, drift: &mut Vec<Arc<SchemaDrift>>) -> Result<Self, CommandError> {
        let request_timeout = config.shared.server.request_timeout;
        let mut systems = Self { by_name: BTreeMap::new(), shared, request_timeout };
        for (name, upstream) in &config.shared.upstreams {
            let client = Client::try_new(upstream, shared.memory.clone(), shared.metrics.upstream(name))?;
            drift.push(client.drift());
            // Legacy clients see personal data anyway.
            let handle = shared.upstream_handle(name, &config.shared.server, upstream, client, false);
            let system = NamedSystem::Legacy(VerifiedBackend::new(handle.backend, handle.writes));
            systems.by_name.insert(name.clone(), system);
        }
        for (name, backend) in &config.facade.backends {
            let (zone, memory) = (config.facade.answers.time_zone.clone(), shared.memory.clone());
            let client = rest::client::Client::try_new(backend, zone, memory, shared.metrics.upstream(name))?;
            let system = JsonSystem { backend: systems.json_backend(name, client.clone()), client };
            systems.by_name.insert(name.clone(), NamedSystem::Json(system));
        }
        Ok(systems)
    }

    /// A JSON system as the holder of one token sees it: only its own reads are shared.
    fn json_backend(&self, name: &str, client: rest::client::Client) -> Arc<dyn Backend> {
        let Shared { metrics, tasks, .. } = self.shared;
        let coalescing = Coalescing::new(client, self.request_timeout, metrics.upstream(name));
        Arc::new(DetachedWrites::new(coalescing, tasks.clone(), metrics.clone()))
    }

    /// The tokens that calls of clients have, each once.
    fn tokens_in_use(&self, facade: &Facade) -> Vec<TokenInUse> {
        let mut seen = BTreeSet::new();
        let mut tokens = Vec::new();
        for (client_name, client) in &facade.clients {
            let route = client.to.as_deref().map_or_else(|| facade.route.systems(), |name| vec![name]);
            for name in route {
                let (Some(NamedSystem::Json(system)), Some(backend)) = (self.by_name.get(name), facade.backends.get(name))
                else {
                    continue;
                };
                let token = client.token.as_ref().or(backend.token.as_ref());
                if !seen.insert((name.to_owned(), token.map(|token| token.with(str::to_owned)))) {
                    continue;
                }
                let (key, json) = match &client.token {
                    Some(token) => (format!("facade.clients.{client_name}.token"), system.client.with_token(token.clone())),
                    None => (format!("facade.backends.{name}.token"), system.client.clone()),
                };
                tokens.push(TokenInUse {
                    client: json,
                    key,
                    system: name.to_owned(),
                    connect_timeout: backend.connect_timeout,
                });
            }
        }
        tokens
    }

    /// A client with the system that it is routed to.
    fn client(&self, name: &str, client: &FacadeClient, route: &Route) -> server::Client {
        let own_route = client.to.clone().map(Route::To);
        server::Client {
            name: name.into(),
            api_user: client.api_user.clone(),
            api_key: client.api_key.clone(),
            allowed_ips: client.allowed_ips.clone(),
            charset: client.charset,
            system: self.route(own_route.as_ref().unwrap_or(route), client),
        }
    }

    fn route(&self, route: &Route, client: &FacadeClient) -> System {
        match route {
            Route::To(name) => System { name: name.as_str().into(), backend: self.backend(name, client) },
            Route::Split { below, above, from_id } => {
                let side = |name: &str| Side { name: name.into(), backend: self.backend(name, client) };
                let split = Split::new(side(below), side(above), *from_id);
                System { name: Arc::clone(split.name()), backend: Arc::new(split) }
            }
        }
    }

    /// A system as one client sees it: a JSON system may know the client by a token of its own.
    #[expect(clippy::expect_used, reason = "the configuration is valid only if routes lead to systems")]
    fn backend(&self, name: &str, client: &FacadeClient) -> Arc<dyn Backend> {
        match (self.by_name.get(name).expect("the system of a route is configured"), &client.token) {
            (NamedSystem::Legacy(system), _) => Arc::new(system.clone()),
            (NamedSystem::Json(system), None) => Arc::clone(&system.backend),
            (NamedSystem::Json(system), Some(token)) => self.json_backend(name, system.client.with_token(token.clone())),
        }
    }
}
