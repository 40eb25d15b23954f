//! Whether responses are those that the OpenAPI document of the code promises: status, headers, media type, and body.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jsonschema::Validator;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use tjansteguiden_gateway::rest::openapi::document;

use super::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(document("/")).expect("a document"));
/// One for each schema that a response has had so far, by its text.
static VALIDATORS: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());

const NDJSON: &str = "application/x-ndjson";

/// Fails the test unless the response is documented. Routes without an operation, such as Swagger UI, have no promise; nor do
/// `OPTIONS`, and methods that a route does not have. `path` is the one below the base path.
pub(super) fn check(method: &Method, path: &str, answer: &Answer) {
    let Some((template, operation)) = operation(method, path) else { return };
    let place = format!("{method} {template} {}", answer.status);
    let response = response(operation, answer.status);
    let response = response.unwrap_or_else(|| panic!("{place} is not documented: {}", answer.body));
    check_headers(&place, response, answer);
    if answer.body.is_empty() {
        // Responses to HEAD have none, and 304.
        return;
    }
    let media_type = answer.header("content-type").split(';').next().unwrap_or_default().trim();
    if let Some(schema) = line_schema(template).filter(|_| media_type == NDJSON) {
        return answer.body.lines().for_each(|line| validate(&place, &schema, line));
    }
    let content = &response["content"][media_type];
    assert!(content.is_object(), "{place} is not documented as {media_type}");
    if media_type == "application/json" || media_type == "application/problem+json" {
        validate(&place, &content["schema"], &answer.body);
    }
    if media_type == "application/problem+json" {
        let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
        assert!(content["examples"][&code].is_object(), "{place}: {code} has no example");
    }
}

/// Headers that a client of the operation may use.
const HEADERS: [&str; 8] =
    ["accept-patch", "allow", "etag", "idempotency-replayed", "link", "retry-after", "www-authenticate", "x-request-id"];

fn check_headers(place: &str, response: &Value, answer: &Answer) {
    let documented = |name: &str| {
        let headers = response["headers"].as_object();
        headers.is_some_and(|headers| headers.keys().any(|other| other.eq_ignore_ascii_case(name)))
    };
    let undocumented: Vec<_> =
        HEADERS.into_iter().filter(|name| answer.headers.contains_key(*name) && !documented(name)).collect();
    assert_eq!(undocumented, [""; 0], "{place}: undocumented headers");
}

fn operation(method: &Method, path: &str) -> Option<(&'static str, &'static Value)> {
    // The response to HEAD is that to GET without its body.
    let method = if method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let (template, operations) = paths.iter().find(|(template, _)| is_of(path, template))?;
    Some((template, operations.get(&method)?))
}

fn is_of(path: &str, template: &str) -> bool {
    let (path, template): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
    let fits = |(part, name): (&&str, &&str)| part == name || name.starts_with('{') && !part.is_empty();
    path.len() == template.len() && path.iter().zip(&template).all(fits)
}

/// The response of a status, else that of its range.
fn response(operation: &'static Value, status: u16) -> Option<&'static Value> {
    let responses = &operation["responses"];
    let names = [status.to_string(), format!("{}XX", status / 100), "default".to_owned()];
    names.iter().find_map(|name| responses.get(name)).map(resolve)
}

/// What a reference refers to.
fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("a reference within the document");
            resolve(DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")))
        }
        None => value,
    }
}

/// The component for one line of a list. The operation itself documents only JSON, or generated clients would get a union.
fn line_schema(template: &str) -> Option<Value> {
    let name = if template == "/orders" { "OrderLine" } else { "CustomerLine" };
    let is_component = DOCUMENT["components"]["schemas"][name].is_object();
    is_component.then(|| json!({ "$ref": format!("#/components/schemas/{name}") }))
}

fn validate(place: &str, schema: &Value, body: &str) {
    let key = schema.to_string();
    let compiled = VALIDATORS.lock().get(&key).cloned();
    let validator = compiled.unwrap_or_else(|| {
        let validator = Arc::new(compile(schema));
        VALIDATORS.lock().insert(key, Arc::clone(&validator));
        validator
    });
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{place}: {error} in {body}"));
    let errors: Vec<_> = validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{place} is not as documented: {errors:#?} in {body}");
}

/// Components are put beside the schema, where its references lead.
fn compile(schema: &Value) -> Validator {
    let root = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
    jsonschema::draft202012::options().should_validate_formats(true).build(&root).expect("a valid schema")
}
