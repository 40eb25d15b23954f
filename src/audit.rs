//! Who has written, and who has seen personal data: one line in the log for each, with names and ids and no values.
//!
//! These lines are there whatever level of the log is asked for. What is seen is told when it is handed out; a write when it
//! has ended, also after whoever asked for it has left.

use std::net::IpAddr;
use std::sync::Arc;

use crate::auth::Principal;
use crate::model::PiiAccess;

/// The target of these lines, by which they are told from others.
pub const TARGET: &str = "audit";

/// Who makes a request. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AuditContext {
    /// The id of the request.
    pub request_id: Arc<str>,
    /// Who makes it.
    pub caller: Principal,
    /// Where it comes from.
    pub address: Option<IpAddr>,
}

impl AuditContext {
    /// Tells that personal data of these orders or customers were handed out, if they were.
    pub fn log_disclosure(&self, action: &'static str, ids: &[u64]) {
        if self.caller.scopes().pii_access() == PiiAccess::Full && !ids.is_empty() {
            let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
            self.emit(action, &ids.join(","), "seen");
        }
    }

    /// Tells one by one what a list hands out.
    #[must_use]
    pub const fn list(self, action: &'static str) -> DisclosureBatch {
        DisclosureBatch { audit: self, action, ids: Vec::new() }
    }

    /// A write that has begun.
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
                client = self.caller.label(),
                client.address = address,
                upstream = self.caller.upstream(),
                action,
                ids,
                outcome,
            },
            "audit"
        );
    }
}

/// A list of which is told what it hands out, so many at a time.
#[derive(Debug)]
pub struct DisclosureBatch {
    audit: AuditContext,
    action: &'static str,
    ids: Vec<u64>,
}

impl DisclosureBatch {
    /// How many ids stand in a line.
    const IN_A_LINE: usize = 500;

    /// Notes one that is handed out.
    pub fn note(&mut self, id: u64) {
        self.ids.push(id);
        if self.ids.len() == Self::IN_A_LINE {
            self.audit.log_disclosure(self.action, &std::mem::take(&mut self.ids));
        }
    }
}

impl Drop for DisclosureBatch {
    fn drop(&mut self) {
        self.audit.log_disclosure(self.action, &self.ids);
    }
}

/// A write that is told when it has ended; one that never tells its outcome has an unknown one.
#[derive(Debug)]
pub struct WriteAudit {
    audit: AuditContext,
    action: &'static str,
    id: u64,
    outcome: &'static str,
}

impl WriteAudit {
    /// It has ended like this.
    pub fn ended(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for WriteAudit {
    fn drop(&mut self) {
        self.audit.emit(self.action, &self.id.to_string(), self.outcome);
    }
}
