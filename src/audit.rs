//! The audit log: one line for every write and for every disclosure of personal data, with names and ids and no values.
//!
//! Audit lines are written at every log level. A disclosure is logged when the data are handed out, a write when it completes,
//! even if the client has disconnected before.

use std::net::IpAddr;
use std::sync::Arc;

use crate::auth::Principal;
use crate::model::PiiAccess;

/// The `tracing` target of audit lines, which the log filter always passes.
pub const TARGET: &str = "audit";

/// Who sent a request, for its audit lines. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuditContext {
    /// The id of the request.
    pub request_id: Arc<str>,
    /// Whose label and upstream the lines show.
    pub principal: Principal,
    /// Address of the client.
    pub address: Option<IpAddr>,
}

impl AuditContext {
    /// Logs that personal data of these orders or customers were disclosed. Masked data are no disclosure.
    pub fn log_disclosure(&self, action: &'static str, ids: &[u64]) {
        if self.principal.scopes().pii_access() == PiiAccess::Full && !ids.is_empty() {
            let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
            self.emit(action, &ids.join(","), "seen");
        }
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

    fn emit(&self, action: &str, ids: &str, outcome: &str) {
        let address = self.address.map(tracing::field::display);
        tracing::info!(
            target: TARGET,
            {
                request.id = &*self.request_id,
                client = self.principal.label(),
                client.address = address,
                upstream = self.principal.upstream(),
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
            self.audit.log_disclosure(self.action, &std::mem::take(&mut self.ids));
        }
    }
}

impl Drop for DisclosureBatch {
    fn drop(&mut self) {
        self.audit.log_disclosure(self.action, &self.ids);
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
