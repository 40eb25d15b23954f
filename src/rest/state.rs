//! What handlers share, and what they know of the request at hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use tokio::time::Instant;

use crate::audit::AuditContext;
use crate::auth::Principal;
use crate::backend::{Backend, RequestContext};
use crate::model::{PiiAccess, Zone};
use crate::problem::{Code, Problem, ProblemContext};
use crate::writes::WriteCoordinator;

/// What handlers need. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// By their names.
    upstreams: Arc<BTreeMap<String, UpstreamHandle>>,
    timeouts: Timeouts,
    base_path: Arc<str>,
}

/// An order system as handlers see it. Cheap to clone.
#[derive(Clone)]
pub struct UpstreamHandle {
    /// Its reads.
    pub backend: Arc<dyn Backend>,
    /// Its writes.
    pub writes: WriteCoordinator,
    /// The zone of its times.
    pub zone: Zone,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// A request that is no list.
    pub request: Duration,
    /// A whole list.
    pub list: Duration,
    /// The body of a request.
    pub body: Duration,
}

impl AppState {
    /// A gateway to order systems, by their names, with all routes below `base_path`.
    #[must_use]
    pub fn new(order_systems: BTreeMap<String, UpstreamHandle>, timeouts: Timeouts, base_path: &str) -> Self {
        Self { upstreams: Arc::new(order_systems), timeouts, base_path: base_path.into() }
    }

    /// Who makes the request, and the order system that it is for. Nobody is let through by default.
    pub(super) fn resolve<'p>(&self, parts: &'p Parts) -> Result<(&'p AuditContext, &UpstreamHandle), Problem> {
        let audit = parts.extensions.get::<AuditContext>();
        let known = audit.and_then(|audit| Some((audit, self.upstreams.get(audit.principal.upstream())?)));
        known.ok_or_else(|| Problem::new(Code::InternalError, "The request has come without a caller."))
    }

    pub(super) const fn base_path(&self) -> &Arc<str> {
        &self.base_path
    }

    pub(super) const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }
}

/// Who asks, the order system that a request is for, and the request's deadline and record.
#[derive(Clone)]
pub(super) struct RequestState {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) writes: WriteCoordinator,
    pub(super) zone: Zone,
    /// Who asks.
    pub(super) audit: AuditContext,
    pub(super) context: RequestContext,
    list_timeout: Duration,
    base_path: Arc<str>,
}

impl RequestState {
    /// The same request with the time that a list may take.
    pub(super) fn list_context(&self) -> RequestContext {
        self.context.with_deadline(Instant::now() + self.list_timeout)
    }

    /// Who asks.
    pub(super) const fn principal(&self) -> &Principal {
        &self.audit.principal
    }

    /// What the caller sees of personal data.
    pub(super) fn pii_access(&self) -> PiiAccess {
        self.principal().scopes().pii_access()
    }

    /// What a problem with `path` is told by, when it is part of an answer to this request.
    pub(super) fn problem_context(&self, path: &str) -> ProblemContext {
        let instance = format!("{}{path}", self.base_path.trim_end_matches('/'));
        ProblemContext { base_path: Arc::clone(&self.base_path), instance, request_id: Arc::clone(&self.audit.request_id) }
    }
}

impl FromRequestParts<AppState> for RequestState {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &AppState) -> Result<Self, Problem> {
        let (audit, UpstreamHandle { backend, writes, zone }) = gateway.resolve(parts)?;
        let context = parts.extensions.get::<RequestContext>().cloned();
        Ok(Self {
            backend: Arc::clone(backend),
            writes: writes.clone(),
            zone: zone.clone(),
            audit: audit.clone(),
            context: context.unwrap_or_else(|| RequestContext::within(gateway.timeouts.request)),
            list_timeout: gateway.timeouts.list,
            base_path: Arc::clone(&gateway.base_path),
        })
    }
}
