//! The security schemes: two headers that carry a credential. A gateway shows those that it accepts.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr};

use super::path_item::operations;
use crate::auth::CredentialKind;

const BEARER: &str = "bearer";
const API_KEY: &str = "apiKey";

/// What an operation with a credential requires: one of the schemes.
pub(in crate::rest) fn requirements() -> Vec<SecurityRequirement> {
    [BEARER, API_KEY].map(requirement).to_vec()
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, [""; 0])
}

/// Adds both schemes to the components.
pub(super) fn add_schemes(document: &mut OpenApi) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "An API key from the operator of the gateway, or a JWT access token of the configured issuer. Not required when the \
         gateway runs without authentication.",
    ));
    let api_key = ApiKeyValue::with_description(
        "X-API-Key",
        "An API key, for clients that cannot send `Authorization`. JWTs are not accepted here.",
    );
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer.build()));
    components.add_security_scheme(API_KEY, SecurityScheme::ApiKey(ApiKey::Header(api_key)));
}

/// Removes what a gateway with these credentials does not accept.
pub(in crate::rest) fn restrict(document: &mut OpenApi, credentials: CredentialKind) {
    let (accepted, bearer_description): (&[&str], _) = match credentials {
        CredentialKind::None => (&[], ""),
        CredentialKind::ApiKey => (&[BEARER, API_KEY], "An API key from the operator of the gateway."),
        CredentialKind::Jwt => (&[BEARER], "A JWT access token of the configured issuer."),
    };
    for (_, operation) in document.paths.paths.values_mut().flat_map(operations) {
        operation.security = Some(accepted.iter().map(|scheme| requirement(scheme)).collect());
    }
    if let Some(components) = &mut document.components {
        components.security_schemes.retain(|scheme, _| accepted.contains(&scheme.as_str()));
        if let Some(RefOr::T(SecurityScheme::Http(bearer))) = components.security_schemes.get_mut(BEARER) {
            bearer.description = Some(bearer_description.to_owned());
        }
    }
}
