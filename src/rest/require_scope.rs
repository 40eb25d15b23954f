//! The scope that an operation requires: declared once in the router, enforced and documented from there.

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use utoipa::IntoResponses;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;
use utoipa_axum::router::UtoipaMethodRouter;

use crate::audit::AuditContext;
use crate::model::{Scope, StrEnum};
use crate::problem::{Code, Problem};
use crate::rest::openapi::problem_responses::AccessProblems;

/// Names of the security schemes in the OpenAPI document.
pub(super) const SCHEMES: [&str; 2] = ["bearer", "apiKey"];

/// Restricts operations to principals with a scope.
pub(super) fn require_scope<S>(scope: Scope, (schemas, mut paths, methods): UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let operations = paths.paths.values_mut().flat_map(|item| {
        [&mut item.get, &mut item.post, &mut item.patch, &mut item.put, &mut item.delete].into_iter().flatten()
    });
    for operation in operations {
        describe(scope, operation);
        operation.responses.responses.extend(AccessProblems::responses());
    }
    (schemas, paths, methods.route_layer(from_fn_with_state(scope, check_scope)))
}

/// Documents the required scope in the description, because OpenAPI allows scopes for OAuth schemes only.
fn describe(scope: Scope, operation: &mut Operation) {
    operation.security = Some(SCHEMES.map(|scheme| SecurityRequirement::new(scheme, [""; 0])).to_vec());
    let description = operation.description.take().unwrap_or_default();
    operation.description = Some(format!("{description}\n\nRequires the scope `{}`.", scope.as_str()));
}

async fn check_scope(State(scope): State<Scope>, request: Request, next: Next) -> Result<Response, Problem> {
    let has_scope = request.extensions().get::<AuditContext>().is_some_and(|audit| audit.principal().scopes().has(scope));
    if has_scope { Ok(next.run(request).await) } else { Err(forbidden(scope)) }
}

/// With the challenge of RFC 6750, section 3.1.
#[expect(clippy::expect_used, reason = "names of scopes are ASCII")]
fn forbidden(scope: Scope) -> Problem {
    let scope = scope.as_str();
    let challenge = format!("Bearer realm=\"orders\", error=\"insufficient_scope\", scope=\"{scope}\"");
    let challenge = HeaderValue::try_from(challenge).expect("visible ASCII is a header value");
    Problem::new(Code::Forbidden, format!("The credential is valid but lacks the scope {scope}."))
        .with_header(WWW_AUTHENTICATE, challenge)
}
