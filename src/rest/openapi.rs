//! The OpenAPI document, made from the code of the routes and their types.

pub(super) mod examples;
pub(super) mod problem_responses;

use utoipa::OpenApi;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{RefOr, Schema, Server};

use super::dto::{NewMessage, StatusChange, masked};
use super::require_scope::SCHEMES;
use super::routes::operations;
use crate::problem::{Details, FieldError, Outcome};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tjänsteguiden gateway",
        description = "Orders and customers of Tjänsteguiden as JSON over HTTP, for service providers and network operators.\n\n\
            Absent means unknown or empty: members are left out, never `null`. Ids are integers, everything else that looks like a \
            number is a string. Times are RFC 3339 with the offset of the order system's zone. Words such as a status are open where \
            they are read: one that nobody has seen before is passed on.\n\n\
            Everything that goes wrong is `application/problem+json` (RFC 9457); `code` tells programs what it is, `type` leads people \
            to a page about it. A parameter that is unknown or repeated is an error.",
        license(name = "MIT", identifier = "MIT")
    ),
    tags(
        (name = "Orders", description = "Orders, their status and their log."),
        (name = "Customers", description = "End customers.")
    ),
    components(schemas(Details, FieldError, Outcome))
)]
struct Frame;

/// The document of a gateway that is reached below `base_path`.
#[must_use]
pub fn document(base_path: &str) -> utoipa::openapi::OpenApi {
    let mut document = Frame::openapi();
    document.merge(operations().into_openapi());
    close_bodies(&mut document);
    masked::inline(&mut document);
    add_security_schemes(&mut document);
    document.servers = Some(vec![Server::new(base_path)]);
    document
}

/// The two ways to send a credential.
fn add_security_schemes(document: &mut utoipa::openapi::OpenApi) {
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "The key that those who run the gateway gave you, or a token of the issuer that it trusts. A gateway that knows no callers takes requests without.",
    ));
    let key = ApiKeyValue::with_description("X-API-Key", "A key, for those who cannot send `Authorization`. No tokens.");
    let [bearer, api_key] = SCHEMES;
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(bearer, SecurityScheme::Http(token.build()));
    components.add_security_scheme(api_key, SecurityScheme::ApiKey(ApiKey::Header(key)));
}

/// Bodies of requests have the members that are listed and no others.
fn close_bodies(document: &mut utoipa::openapi::OpenApi) {
    let schemas = document.components.iter_mut().flat_map(|components| &mut components.schemas);
    for (name, schema) in schemas {
        if let (StatusChange::NAME | NewMessage::NAME, RefOr::T(Schema::Object(body))) = (name.as_str(), schema) {
            body.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
}

/// The document as JSON, for people to read too.
///
/// # Panics
/// Never: the document is made of maps, lists and texts alone.
#[must_use]
#[expect(clippy::expect_used, reason = "an empty document would be a lie")]
pub fn to_json(document: &utoipa::openapi::OpenApi) -> String {
    document.to_pretty_json().expect("maps, lists and texts are JSON") + "\n"
}

/// The document as YAML.
///
/// # Panics
/// Never, as in [`to_json`].
#[must_use]
#[expect(clippy::expect_used, reason = "an empty document would be a lie")]
pub fn to_yaml(document: &utoipa::openapi::OpenApi) -> String {
    document.to_yaml().expect("maps, lists and texts are YAML")
}
