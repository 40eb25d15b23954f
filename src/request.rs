//! What the middleware knows of a request and its handler needs.

use std::sync::Arc;

use http::Uri;

use crate::audit::AuditContext;
use crate::backend::RequestContext;

/// One authenticated request, in its extensions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    /// Who sent it, for permissions and the audit log.
    pub audit: AuditContext,
    /// Its target as the client sent it, with the base path.
    pub uri: Uri,
    /// Its deadline, and the record of its calls.
    pub context: RequestContext,
    /// The template of its route without the base path.
    pub route: Arc<str>,
    /// The base path as the client sees it.
    pub base_path: Arc<str>,
}
