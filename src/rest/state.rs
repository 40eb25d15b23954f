//! State of the application and of one request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::Uri;
use http::request::Parts;
use tokio::time::Instant;

use super::require_scope::RequiredScopes;
use crate::audit::AuditContext;
use crate::auth::Principal;
use crate::backend::{Backend, RequestContext};
use crate::model::{Customer, CustomerId, Order, OrderId, PiiAccess, Zone};
use crate::problem::{Code, Problem, ProblemContext};
use crate::request::RequestInfo;
use crate::request_body::BodyReader;
use crate::resilience::{ByteBudget, Reserved};
use crate::writes::WriteCoordinator;

/// What all handlers share. Cheap to clone; clones share state.
#[derive(Clone)]
pub struct AppState {
    /// By name.
    upstreams: Arc<BTreeMap<String, UpstreamHandle>>,
    timeouts: Timeouts,
    memory: ByteBudget,
    base_path: Arc<str>,
    bodies: Arc<BodyReader>,
    scopes: Arc<RequiredScopes>,
}

/// One upstream as handlers use it. Cheap to clone; clones share state.
#[derive(Clone)]
pub struct UpstreamHandle {
    /// For reads.
    pub backend: Arc<dyn Backend>,
    /// For writes.
    pub writes: WriteCoordinator,
    /// The time zone of the upstream's local times.
    pub zone: Zone,
}

/// Timeouts of requests.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// From the request to the response, except for lists.
    pub request: Duration,
    /// Until the last byte of a list.
    pub list: Duration,
    /// Until the last byte of a request body.
    pub body: Duration,
}

impl AppState {
    /// State of a gateway to these upstreams, by name, with all routes below `base_path`. Pages and bodies are held in `memory`.
    #[must_use]
    pub fn new(upstreams: BTreeMap<String, UpstreamHandle>, timeouts: Timeouts, memory: ByteBudget, base_path: &str) -> Self {
        Self {
            upstreams: Arc::new(upstreams),
            timeouts,
            memory,
            base_path: base_path.into(),
            bodies: Arc::default(),
            scopes: Arc::default(),
        }
    }

    /// This state with the scopes that operations require.
    pub(super) fn with_scopes(self, scopes: RequiredScopes) -> Self {
        Self { scopes: Arc::new(scopes), ..self }
    }

    /// The principal's request and upstream. Fails closed: without authentication there is neither.
    pub(super) fn resolve<'p>(&self, parts: &'p Parts) -> Result<(&'p RequestInfo, &UpstreamHandle), Problem> {
        parts
            .extensions
            .get::<RequestInfo>()
            .and_then(|info| Some((info, self.upstreams.get(info.audit.principal().upstream())?)))
            .ok_or_else(|| Problem::new(Code::InternalError, "The request has no authenticated principal or no upstream."))
    }

    /// How long a write may be in doubt, if there is only one upstream.
    pub(super) fn settle_time_seconds(&self) -> Option<u64> {
        let mut upstreams = self.upstreams.values();
        upstreams.next().filter(|_| upstreams.next().is_none()).map(|upstream| upstream.writes.settle_time_seconds())
    }

    pub(super) const fn base_path(&self) -> &Arc<str> {
        &self.base_path
    }

    /// Receives request bodies.
    pub(super) fn bodies(&self) -> &BodyReader {
        &self.bodies
    }

    pub(super) const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }
}

/// State of one request: its principal and upstream, its deadline and its log record.
#[derive(Clone)]
pub(super) struct RequestState {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) writes: WriteCoordinator,
    pub(super) zone: Zone,
    pub(super) audit: AuditContext,
    /// The target as the client sent it.
    pub(super) uri: Uri,
    pub(super) context: RequestContext,
    pub(super) memory: ByteBudget,
    list_timeout: Duration,
    base_path: Arc<str>,
}

impl RequestState {
    /// Reads an order. The problem is the response to a failed read.
    pub(super) async fn read_order(&self, id: OrderId) -> Result<Reserved<Order>, Problem> {
        let began = Instant::now();
        let order = self.backend.order_info(&self.context, id).await;
        let order = order.map_err(|error| Problem::from_read_error(&error, Code::OrderNotFound, self.pii_access()))?;
        self.writes.compare(&order.value, began);
        Ok(order.value)
    }

    /// Reads a customer. The problem is the response to a failed read.
    pub(super) async fn read_customer(&self, id: CustomerId) -> Result<Reserved<Customer>, Problem> {
        let customer = self.backend.customer_info(&self.context, id).await;
        customer.map_err(|error| Problem::from_read_error(&error, Code::CustomerNotFound, self.pii_access()))
    }

    /// The request's context with the deadline of lists, and the client that shares their limit with others.
    pub(super) fn list_context(&self) -> RequestContext {
        self.context.with_deadline(Instant::now() + self.list_timeout).with_client(self.client())
    }

    /// Who the client is among those that share a limit. Without authentication only its address distinguishes it.
    fn client(&self) -> Arc<str> {
        match self.audit.address().filter(|_| self.principal().is_anonymous()) {
            Some(address) => address.to_string().into(),
            None => self.principal().name().into(),
        }
    }

    pub(super) fn principal(&self) -> &Principal {
        self.audit.principal()
    }

    pub(super) fn pii_access(&self) -> PiiAccess {
        self.principal().scopes().pii_access()
    }

    /// The context of a problem with `path` that is part of the response to this request.
    pub(super) fn problem_context(&self, path: &str) -> ProblemContext {
        let instance = format!("{}{path}", self.base_path.trim_end_matches('/'));
        ProblemContext { base_path: Arc::clone(&self.base_path), instance, request_id: Arc::clone(self.audit.request_id()) }
    }
}

impl FromRequestParts<AppState> for RequestState {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let (RequestInfo { audit, uri, context, route, base_path }, UpstreamHandle { backend, writes, zone }) =
            app.resolve(parts)?;
        app.scopes.check(&parts.method, route, audit.principal().scopes())?;
        Ok(Self {
            backend: Arc::clone(backend),
            writes: writes.clone(),
            zone: zone.clone(),
            audit: audit.clone(),
            uri: uri.clone(),
            context: context.clone(),
            memory: app.memory.clone(),
            list_timeout: app.timeouts.list,
            base_path: Arc::clone(base_path),
        })
    }
}
