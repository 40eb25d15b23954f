//! The scope that an operation requires: declared once in the router, enforced and documented from there.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Method};
use utoipa::openapi::path::Operation;
use utoipa_axum::router::UtoipaMethodRouter;

use crate::model::{Scope, Scopes, StrEnum};
use crate::problem::{Code, Problem};
use crate::rest::openapi::path_item::operations;
use crate::rest::openapi::problem_responses::access;
use crate::rest::openapi::security::requirements;

/// The scope of each operation. [`RequestState`](super::state::RequestState), without which a handler reaches no upstream, is
/// extracted only if the principal has it.
///
/// A table and no layer around each route: measured, a layer costs a request five allocations.
#[derive(Debug, Default)]
pub(super) struct RequiredScopes(Vec<Requirement>);

#[derive(Debug)]
struct Requirement {
    /// The template of the route.
    route: String,
    method: Method,
    /// `None` if any credential will do.
    scope: Option<Scope>,
}

impl RequiredScopes {
    /// Restricts operations to principals with a scope.
    pub(super) fn require<S>(
        &mut self,
        scope: Scope,
        (schemas, mut paths, methods): UtoipaMethodRouter<S>,
    ) -> UtoipaMethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        for (route, item) in &mut paths.paths {
            for (method, operation) in operations(item) {
                describe(scope, operation);
                operation.responses.responses.extend(access(scope));
                self.0.push(Requirement { route: route.clone(), method, scope: Some(scope) });
            }
        }
        (schemas, paths, methods)
    }

    /// Permits operations to every principal.
    pub(super) fn require_none<S>(&mut self, (schemas, mut paths, methods): UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        for (route, item) in &mut paths.paths {
            let requirement = |(method, _)| Requirement { route: route.clone(), method, scope: None };
            self.0.extend(operations(item).map(requirement));
        }
        (schemas, paths, methods)
    }

    /// The templates of all routes with operations.
    pub(super) fn routes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|requirement| &*requirement.route)
    }

    /// The scope of an operation that requires one.
    pub(super) fn scope_of(&self, method: &Method, route: &str) -> Option<Scope> {
        self.requirement(method, route)?.scope
    }

    /// Checks that a principal with these scopes may call an operation. Fails closed if the operation is not in the table.
    pub(super) fn check(&self, method: &Method, route: &str, scopes: Scopes) -> Result<(), Problem> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        match self.requirement(method, route) {
            Some(Requirement { scope: Some(scope), .. }) if !scopes.has(*scope) => Err(forbidden(*scope)),
            Some(_) => Ok(()),
            None => Err(Problem::new(Code::InternalError, "The operation declares no scope.")),
        }
    }

    fn requirement(&self, method: &Method, route: &str) -> Option<&Requirement> {
        self.0.iter().find(|requirement| requirement.method == *method && requirement.route == route)
    }
}

/// Documents the required scope in the description, because OpenAPI allows scopes for OAuth schemes only.
fn describe(scope: Scope, operation: &mut Operation) {
    operation.security = Some(requirements());
    let description = operation.description.take().unwrap_or_default();
    operation.description = Some(format!("{description}\n\nRequires the scope `{}`.", scope.as_str()));
}

/// With the challenge of RFC 6750, section 3.1.
#[expect(clippy::expect_used, reason = "names of scopes are ASCII")]
pub(super) fn forbidden(scope: Scope) -> Problem {
    let scope = scope.as_str();
    let challenge = format!("Bearer realm=\"orders\", error=\"insufficient_scope\", scope=\"{scope}\"");
    let challenge = HeaderValue::try_from(challenge).expect("visible ASCII is a header value");
    Problem::new(Code::Forbidden, format!("The credential is valid but lacks the scope {scope}."))
        .with_header(WWW_AUTHENTICATE, challenge)
}
