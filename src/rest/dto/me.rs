//! The client itself: what the gateway knows of it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Principal;
use crate::model::{Scope, StrEnum};
use crate::rest::state::RequestState;

/// The client that sent the request, and the upstream that its requests go to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Me)]
pub(in crate::rest) struct Me<'a> {
    /// Name of the client: as configured with its API key, or the subject of its token. `anonymous` when the gateway runs
    /// without authentication.
    #[schema(example = "backoffice")]
    client: &'a str,
    /// Name of the upstream.
    #[schema(example = "default")]
    upstream: &'a str,
    /// What the client may do: `orders:read`, `orders:write`, `customers:read`, `personal-data:read`. Scopes may be added.
    #[schema(example = json!(["orders:read", "personal-data:read"]))]
    scopes: Vec<&'static str>,
    /// IANA name of the upstream's time zone: dates in `since` and `until` begin at 00:00 there.
    #[schema(example = "Europe/Stockholm")]
    time_zone: &'a str,
    /// How long a write whose outcome is unknown may still be applied, in seconds, rounded up. Repeat it after that time, with
    /// the same `Idempotency-Key`.
    #[schema(example = 35)]
    settle_time_seconds: u64,
}

impl<'a> Me<'a> {
    pub(in crate::rest) fn new(state: &'a RequestState) -> Self {
        let principal = state.principal();
        Self {
            client: principal.name(),
            upstream: principal.upstream(),
            scopes: scopes_of(principal),
            time_zone: state.zone.name(),
            settle_time_seconds: state.writes.settle_time_seconds(),
        }
    }
}

fn scopes_of(principal: &Principal) -> Vec<&'static str> {
    let scopes = principal.scopes();
    Scope::ALL.iter().filter(|scope| scopes.has(**scope)).map(|scope| scope.as_str()).collect()
}
