//! The OpenAPI document: completeness and conventions.

use serde_json::Value;
use tjansteguiden_gateway::rest::openapi::document;

fn spec() -> Value {
    serde_json::to_value(document("/")).expect("a document")
}

fn walk(value: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, value);
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| walk(item, &format!("{path}/{index}"), visit)),
        Value::Object(members) => members.iter().for_each(|(name, member)| walk(member, &format!("{path}/{name}"), visit)),
        _ => {}
    }
}

fn operations(spec: &Value) -> Vec<(String, String, Value)> {
    let paths = spec["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, methods)| {
        methods
            .as_object()
            .expect("methods")
            .iter()
            .map(move |(method, operation)| (path.clone(), method.clone(), operation.clone()))
    });
    all.collect()
}

#[test]
fn document_lists_every_operation() {
    let spec = spec();

    assert_eq!(spec["openapi"], "3.1.0");

    let mut names: Vec<_> = operations(&spec)
        .iter()
        .map(|(_, _, operation)| operation["operationId"].as_str().expect("an id").to_owned())
        .collect();
    names.sort();
    let expected = [
        "add_order_message",
        "change_order_status",
        "get_customer",
        "get_me",
        "get_order",
        "get_order_status",
        "list_customers",
        "list_order_messages",
        "list_orders",
    ];
    assert_eq!(names, expected);
}

#[test]
fn writes_document_preflight_read_problems() {
    let spec = spec();
    for (path, method) in [("/orders/{id}/status", "patch"), ("/orders/{id}/messages", "post")] {
        let examples = &spec["paths"][path][method]["responses"]["502"]["content"]["application/problem+json"]["examples"];
        for code in ["upstream-answer-invalid", "refused-by-upstream", "upstream-unreachable", "upstream-credential-rejected"] {
            assert!(examples[code].is_object(), "{code} in {examples}");
        }
    }
}

#[test]
fn document_contains_no_null() {
    walk(&spec(), "", &mut |path, value| {
        assert!(!value.is_null() && value != "null", "null at {path}");
        assert!(path.rsplit('/').next() != Some("nullable"), "nullable at {path}");
    });
}

#[test]
fn operations_have_summaries_and_problem_codes() {
    for (path, method, operation) in operations(&spec()) {
        let location = format!("{method} {path}");

        assert!(operation["summary"].is_string() && operation["description"].is_string(), "{location}");

        let responses = operation["responses"].as_object().expect("responses");
        let mut statuses = vec!["400", "401", "406", "414", "431", "500"];
        if path != "/me" {
            statuses.extend(["403", "502", "504"]);
        }
        if path.contains("{id}") {
            statuses.push("404");
        }

        match method.as_str() {
            "get" => statuses.push("503"),
            _ => statuses.extend(["408", "409", "413", "415", "422"]),
        }
        for status in statuses {
            let response = responses.get(status).unwrap_or_else(|| panic!("{location} {status}"));
            let content = &response["content"]["application/problem+json"];
            assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{location} {status}");

            let description = response["description"].as_str().expect("a description");
            assert!(description.starts_with('`'), "{location} {status} names no code");

            for (code, example) in content["examples"].as_object().into_iter().flatten() {
                assert_eq!(&example["value"]["code"], code, "{location} {status}");
                assert_eq!(example["value"]["status"].to_string(), status, "{location}");
            }
        }
    }
}

#[test]
fn every_schema_and_property_is_described() {
    let spec = spec();
    for (name, schema) in spec["components"]["schemas"].as_object().expect("schemas") {
        assert!(schema["description"].is_string(), "{name}");
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            let described = schema["description"].is_string() || schema["$ref"].is_string() || schema["allOf"].is_array();
            assert!(described, "{name}.{member}: {schema}");
        }
    }
}

#[test]
fn enums_are_open_in_responses_and_closed_in_requests() {
    let spec = spec();
    let schemas = &spec["components"]["schemas"];
    let status = &schemas["Order"]["properties"]["status"];

    assert_eq!(status["x-extensible-enum"].as_array().map(Vec::len), Some(6));
    assert!(status["enum"].is_null() && status["type"] == "string");
    assert_eq!(schemas["StatusChange"]["properties"]["status"]["enum"].as_array().map(Vec::len), Some(6));
    assert_eq!(schemas["Message"]["properties"]["type"]["x-extensible-enum"].as_array().map(Vec::len), Some(4));
    assert_eq!(schemas["NewMessage"]["properties"]["type"]["enum"].as_array().map(Vec::len), Some(4));
    assert_eq!(schemas["NewMessage"]["properties"]["text"]["maxLength"], 7900);
    assert_eq!(
        (&schemas["NewMessage"]["additionalProperties"], &schemas["StatusChange"]["additionalProperties"]),
        (&false.into(), &false.into())
    );
}
