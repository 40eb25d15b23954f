//! The audit log: who wrote, and who was shown personal data, with names and ids and no values.
//!
//! The disclosure of one order or customer is part of its request's line in the access log; a write, a read of messages and
//! each batch of a list have a line of their own. These lines are written at every log level: a disclosure when its response
//! has ended or when the batch is full, a write when it completes, even if the client has disconnected before.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use crate::auth::Principal;
use crate::model::PiiAccess;

/// The `tracing` target of audit lines, which the log filter always passes.
pub const TARGET: &str = "audit";

/// Who sent a request and what it was shown. Cheap to clone; clones share the disclosure.
#[derive(Debug, Clone)]
pub struct AuditContext(Arc<Record>);

#[derive(Debug)]
struct Record {
    request_id: Arc<str>,
    principal: Principal,
    address: Option<IpAddr>,
    disclosure: OnceLock<Disclosure>,
}

/// The one order or customer whose personal data a response contains.
#[derive(Debug, Clone, Copy)]
pub struct Disclosure {
    /// The operation id.
    pub action: &'static str,
    /// The id of the order or customer.
    pub id: u64,
}

impl AuditContext {
    /// A request of this principal from this address.
    #[must_use]
    pub fn new(request_id: Arc<str>, principal: Principal, address: Option<IpAddr>) -> Self {
        Self(Arc::new(Record { request_id, principal, address, disclosure: OnceLock::new() }))
    }

    /// The id of the request.
    #[must_use]
    pub fn request_id(&self) -> &Arc<str> {
        &self.0.request_id
    }

    /// Whose label and upstream the lines show.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// Address of the client.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.0.address
    }

    /// Records for the access log that the response contains personal data of this order or customer. Masked data are no
    /// disclosure.
    pub fn record_disclosure(&self, action: &'static str, id: u64) {
        if self.may_see_pii() {
            // A response is about one resource, so there is nothing to overwrite.
            let _ = self.0.disclosure.set(Disclosure { action, id });
        }
    }

    /// What was recorded by [`Self::record_disclosure`].
    #[must_use]
    pub fn disclosure(&self) -> Option<Disclosure> {
        self.0.disclosure.get().copied()
    }

    /// The disclosures of a list, logged in batches.
    #[must_use]
    pub const fn list(self, action: &'static str) -> DisclosureBatch {
        DisclosureBatch { audit: self, action, ids: Vec::new() }
    }

    /// A write that is about to be sent.
    #[must_use]
    pub const fn writes(self, action: &'static str, id: u64) -> WriteAudit {
        WriteAudit { audit: self, action, id, outcome: "unknown" }
    }

    fn may_see_pii(&self) -> bool {
        self.principal().scopes().pii_access() == PiiAccess::Full
    }

    fn emit(&self, action: &str, ids: &str, outcome: &str) {
        let Record { request_id, principal, address, .. } = &*self.0;
        tracing::info!(
            target: TARGET,
            {
                request.id = &**request_id,
                client = principal.label(),
                client.address = address.map(tracing::field::display),
                upstream = principal.upstream(),
                action,
                ids,
                outcome,
            },
            "audit"
        );
    }
}

/// Logs disclosed ids in batches, and the last batch on drop: a list may end anywhere.
#[derive(Debug)]
pub struct DisclosureBatch {
    audit: AuditContext,
    action: &'static str,
    ids: Vec<u64>,
}

impl DisclosureBatch {
    /// Ids per log line.
    const MAX_IDS: usize = 500;

    /// Records that the data of this id are handed out.
    pub fn note(&mut self, id: u64) {
        self.ids.push(id);
        if self.ids.len() == Self::MAX_IDS {
            self.emit();
        }
    }

    fn emit(&mut self) {
        let ids = std::mem::take(&mut self.ids);
        if self.audit.may_see_pii() && !ids.is_empty() {
            let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
            self.audit.emit(self.action, &ids.join(","), "seen");
        }
    }
}

impl Drop for DisclosureBatch {
    fn drop(&mut self) {
        self.emit();
    }
}

/// Logs the write on drop; the outcome is `unknown` unless set, as after a panic.
#[derive(Debug)]
pub struct WriteAudit {
    audit: AuditContext,
    action: &'static str,
    id: u64,
    outcome: &'static str,
}

impl WriteAudit {
    /// Sets the outcome and logs the write.
    pub fn ended(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for WriteAudit {
    fn drop(&mut self) {
        self.audit.emit(self.action, &self.id.to_string(), self.outcome);
    }
}
