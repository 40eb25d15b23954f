//! Writes the problem responses of the operations, with their examples.

use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, Response, ResponseBuilder};

use super::headers;
use super::path_item::operations;
use super::problem_examples::{Subject, example};
use super::problem_responses::{SHARED, codes_of};
use crate::problem::{Code, MEDIA_TYPE};
use crate::rest::require_scope::RequiredScopes;

/// Adds the shared responses to the components, and to each operation its own.
pub(super) fn complete(document: &mut OpenApi, scopes: &RequiredScopes, base_path: &str) {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let scope = scopes.scope_of(&method, path);
            let subject = Subject { base_path, method, path, scope };
            for (status, response) in &mut operation.responses.responses {
                if let Some(codes) = codes_of(response) {
                    *response = problem_response(status, &codes, &subject).into();
                }
            }
        }
    }
    let shared = SHARED.iter().map(|shared| {
        let subject = Subject { base_path, method: shared.method.clone(), path: shared.path, scope: shared.scope };
        (shared.name.to_owned(), problem_response(shared.status, shared.codes, &subject).into())
    });
    document.components.get_or_insert_default().responses.extend(shared);
}

/// A response with an example of each code.
fn problem_response(status: &str, codes: &[Code], subject: &Subject<'_>) -> Response {
    let description: Vec<_> = codes.iter().map(|code| format!("`{}`: {}.", code.info().code, code.info().title)).collect();
    let examples = codes.iter().map(|code| {
        let example = ExampleBuilder::new().value(Some(example(*code, status, subject)));
        (code.info().code, example.build())
    });
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).examples_from_iter(examples);
    let response = ResponseBuilder::new().description(description.join("\n\n")).content(MEDIA_TYPE, content.build());
    headers::of_problem(codes).fold(response, |response, name| response.header_ref(name, headers::reference(name))).build()
}
