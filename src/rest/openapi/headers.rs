//! Headers that many operations share, as components.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{OpenApi, Ref, RefOr, Required, Response};

use super::path_item::operations;
use crate::problem::Code;

/// Name, description and whether it is a number of seconds.
const RESPONSE_HEADERS: [(&str, &str, bool); 6] = [
    ("Accept-Patch", "Media types of the body of PATCH, after 415.", false),
    ("Allow", "Methods of this path, after 405.", false),
    ("ETag", "Entity tag of the present status, for `If-Match`; only for clients with `orders:read`.", false),
    ("Retry-After", "Seconds to wait before the request is sent again.", true),
    ("WWW-Authenticate", "Challenge of RFC 6750: what is wrong with the credential, or the missing scope.", false),
    (REQUEST_ID, "Id of the request, for questions to the operator.", false),
];

const REQUEST_ID: &str = "x-request-id";

/// The headers of a problem response with these codes.
pub(super) fn of_problem(codes: &[Code]) -> impl Iterator<Item = &'static str> {
    let names = RESPONSE_HEADERS.into_iter().map(|(name, ..)| name);
    names.filter(|name| codes.iter().any(|code| is_on(name, *code)))
}

fn is_on(header: &str, code: Code) -> bool {
    match header {
        "Accept-Patch" => code == Code::UnsupportedMediaType,
        // With the other rare statuses there is 405, for the methods that the path does not have.
        "Allow" => code == Code::NotAcceptable,
        "ETag" => code == Code::PreconditionFailed,
        "WWW-Authenticate" => matches!(code, Code::Unauthenticated | Code::Forbidden),
        "Retry-After" => matches!(
            code,
            Code::UpstreamUnavailable
                | Code::Overloaded
                | Code::AuthenticationUnavailable
                | Code::TooManyRequests
                | Code::OutcomeUnknown
                | Code::IdempotencyKeyInUse
        ),
        _ => false,
    }
}

/// A reference to the component.
pub(super) fn reference(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

/// Adds the components, and `x-request-id` to all requests and responses.
pub(super) fn complete(document: &mut OpenApi) {
    for (_, operation) in document.paths.paths.values_mut().flat_map(operations) {
        let parameter = Ref::new(format!("#/components/parameters/{REQUEST_ID}"));
        operation.parameters.get_or_insert_default().push(RefOr::Ref(parameter));
        operation.responses.responses.values_mut().for_each(add_request_id);
    }
    let components = document.components.get_or_insert_default();
    components.responses.values_mut().for_each(add_request_id);
    components.parameters.insert(REQUEST_ID.to_owned(), request_id().into());
    let headers =
        RESPONSE_HEADERS.map(|(name, description, is_number)| (name.to_owned(), header(description, is_number).into()));
    components.headers.extend(headers);
}

fn add_request_id(response: &mut RefOr<Response>) {
    if let RefOr::T(response) = response {
        response.headers.insert(REQUEST_ID.to_owned(), RefOr::Ref(reference(REQUEST_ID)));
    }
}

fn request_id() -> Parameter {
    let description = "Id of the request in logs and in the response, if it consists of 1 to 128 letters, digits or `._-`. \
                       Otherwise the gateway makes one.";
    let parameter = ParameterBuilder::new().name(REQUEST_ID).parameter_in(ParameterIn::Header).required(Required::False);
    parameter.description(Some(description)).schema(Some(ObjectBuilder::new().schema_type(Type::String))).build()
}

fn header(description: &str, is_number: bool) -> Header {
    let schema = if is_number {
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1))
    } else {
        ObjectBuilder::new().schema_type(Type::String)
    };
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}
