//! Whoever makes a request.

use std::sync::Arc;
use std::time::Duration;

use crate::model::Scopes;
use crate::resilience::RateLimit;

/// Somebody who is known, and what they may do. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Principal(Arc<Facts>);

#[derive(Debug)]
struct Facts {
    name: String,
    label: String,
    upstream: String,
    scopes: Scopes,
    rate: Option<RateLimit<()>>,
}

impl Principal {
    /// Somebody with this name, who is called by a label in logs, bound to an upstream. With a rate, all of their requests
    /// together keep to it.
    #[must_use]
    pub fn new(name: String, label: String, upstream: String, scopes: Scopes, rate: Option<RateLimit<()>>) -> Self {
        Self(Arc::new(Facts { name, label, upstream, scopes, rate }))
    }

    /// Anybody, who may do everything.
    #[must_use]
    pub fn anonymous(upstream: &str) -> Self {
        Self::new("anonymous".to_owned(), "anonymous".to_owned(), upstream.to_owned(), Scopes::all(), None)
    }

    /// By which they are told apart.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What they are called in logs: the name, unless it could be a personal number or an address.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// Name of the upstream that all of their requests are for.
    #[must_use]
    pub fn upstream(&self) -> &str {
        &self.0.upstream
    }

    /// What they may do.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        self.0.scopes
    }

    /// Takes one of the requests that they may make.
    ///
    /// # Errors
    /// When they have made too many: the time until there is another.
    pub fn acquire_rate_permit(&self) -> Result<(), Duration> {
        self.0.rate.as_ref().map_or(Ok(()), |rate| rate.acquire(&()))
    }
}
