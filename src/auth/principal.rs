//! The authenticated identity of a request.

use std::sync::Arc;
use std::time::Duration;

use crate::model::Scopes;
use crate::resilience::RateLimit;

/// An authenticated client with its permissions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Principal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    label: String,
    upstream: String,
    scopes: Scopes,
    rate: Option<RateLimit<()>>,
    is_anonymous: bool,
}

impl Principal {
    /// A principal that logs show as `label` and whose requests go to `upstream`. A rate limit holds for all clones together.
    #[must_use]
    pub fn new(name: String, label: String, upstream: String, scopes: Scopes, rate: Option<RateLimit<()>>) -> Self {
        Self(Arc::new(Inner { name, label, upstream, scopes, rate, is_anonymous: false }))
    }

    /// The principal of all requests where authentication is off. It has every scope.
    #[must_use]
    pub fn anonymous(upstream: &str) -> Self {
        let (name, label, upstream) = ("anonymous".to_owned(), "anonymous".to_owned(), upstream.to_owned());
        Self(Arc::new(Inner { name, label, upstream, scopes: Scopes::all(), rate: None, is_anonymous: true }))
    }

    /// Whether authentication is off, so that several clients are this one principal.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.0.is_anonymous
    }

    /// The unique name: that of the configured client, or the subject of the token.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The name in logs. It differs from [`Self::name`] where that could be personal data.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// Name of the upstream that all requests of the principal go to.
    #[must_use]
    pub fn upstream(&self) -> &str {
        &self.0.upstream
    }

    /// What the principal may do.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        self.0.scopes
    }

    /// Takes one request from the principal's rate limit, if there is one.
    ///
    /// # Errors
    /// The time until the next request is permitted.
    pub fn acquire_rate_permit(&self) -> Result<(), Duration> {
        self.0.rate.as_ref().map_or(Ok(()), |rate| rate.acquire(&()))
    }
}
