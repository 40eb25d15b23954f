//! The OpenAPI document, generated from the routes and their types.

pub(super) mod examples;
mod headers;
mod indented_json;
pub(super) mod path_item;
mod problem_examples;
pub(super) mod problem_responses;
mod responses;
pub(super) mod security;
pub mod version_3_0;

use utoipa::OpenApi;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{RefOr, Schema, Server};

use super::dto::{CustomerLine, MessageInput, OrderLine, StatusInput, masked};
use super::routes::operations;
use crate::problem::{Details, FieldError, Outcome};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tjansteguiden Gateway API",
        description = "A REST/JSON gateway for the orders and customers of Tjänsteguiden, for service providers and network \
            operators.\n\n\
            **Values.** Members that are unknown or empty are absent, never `null`. Ids of orders and customers are integers; every \
            other number-like value is a string. Times are RFC 3339 with the UTC offset of the upstream's time zone. `status` and `type` are \
            open enums when read: unknown values are passed through. They are closed enums when written.\n\n\
            **Errors.** Every error is a problem document (`application/problem+json`, RFC 9457). `code` identifies the error \
            for programs, `type` links to a page that explains it. Unknown or repeated parameters are errors.",
        contact(name = "The operator of this gateway"),
        license(name = "MIT", identifier = "MIT")
    ),
    tags(
        (name = "Orders", description = "Orders, their status and their log."),
        (name = "Customers", description = "End customers."),
        (name = "Client", description = "The client itself.")
    ),
    components(schemas(Details, FieldError, Outcome, OrderLine, CustomerLine))
)]
struct ApiDoc;

/// The document of a gateway whose routes are below `server`: an absolute path, or a reference relative to the document.
#[must_use]
pub fn document(server: &str) -> utoipa::openapi::OpenApi {
    let mut document = ApiDoc::openapi();
    let (operations, scopes) = operations();
    document.merge(operations.into_openapi());
    forbid_additional_properties(&mut document);
    masked::inline(&mut document);
    // A reference such as `.` is no path.
    responses::complete(&mut document, &scopes, if server.starts_with('/') { server } else { "/" });
    headers::complete(&mut document);
    security::add_schemes(&mut document);
    document.servers = Some(vec![Server::new(server)]);
    document
}

/// Declares that request bodies have no other members than those listed.
fn forbid_additional_properties(document: &mut utoipa::openapi::OpenApi) {
    let schemas = document.components.iter_mut().flat_map(|components| &mut components.schemas);
    for (name, schema) in schemas {
        if let (StatusInput::NAME | MessageInput::NAME, RefOr::T(Schema::Object(body))) = (name.as_str(), schema) {
            body.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
}

/// The document as indented JSON.
///
/// # Panics
/// Never: the document consists of maps, lists and strings.
#[must_use]
#[expect(clippy::expect_used, reason = "an empty document would hide the fault")]
pub fn to_json(document: &utoipa::openapi::OpenApi) -> String {
    indented_json::join_lines(&document.to_pretty_json().expect("maps, lists and strings are JSON"))
}

/// The document as YAML.
///
/// # Panics
/// Never, as in [`to_json`].
#[must_use]
#[expect(clippy::expect_used, reason = "an empty document would hide the fault")]
pub fn to_yaml(document: &utoipa::openapi::OpenApi) -> String {
    document.to_yaml().expect("maps, lists and strings are YAML")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::document;
    use crate::model::MAX_ID;
    use crate::rest::dto::MAX_TEXT;
    use crate::rest::extract::MAX_LIMIT;

    #[test]
    fn documented_limits_equal_the_enforced_ones() {
        let document = serde_json::to_value(document("/")).unwrap();
        let maximum_of = |path: &str, parameter: &str| -> Value {
            let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
            parameters.iter().find(|other| other["name"] == parameter).unwrap()["schema"]["maximum"].clone()
        };
        let schemas = &document["components"]["schemas"];

        assert_eq!(schemas["MessageInput"]["properties"]["text"]["maxLength"], MAX_TEXT);
        for path in ["/orders", "/customers"] {
            assert_eq!(maximum_of(path, "limit"), MAX_LIMIT);
        }
        for (path, parameter) in [("/orders", "customerId"), ("/orders/{id}", "id"), ("/customers/{id}", "id")] {
            assert_eq!(maximum_of(path, parameter), MAX_ID);
        }
        for schema in ["Order", "OrderSummary", "Customer", "UnreadableItem"] {
            assert_eq!(schemas[schema]["properties"]["id"]["maximum"], MAX_ID);
        }
    }
}
