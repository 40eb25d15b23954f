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
    let enum_of = |schema: &str, member: &str| {
        let location = schemas[schema]["properties"][member]["$ref"].as_str().unwrap_or_else(|| panic!("{schema}.{member}"));
        location.rsplit('/').next().expect("a name").to_owned()
    };

    for (schema, member, name) in [
        ("Order", "status", "OpenOrderStatus"),
        ("OrderSummary", "status", "OpenOrderStatus"),
        ("CurrentStatus", "status", "OpenOrderStatus"),
        ("StatusInput", "status", "OrderStatus"),
        ("Message", "type", "OpenMessageType"),
        ("MessageInput", "type", "MessageType"),
        ("Problem", "code", "ProblemCode"),
        ("Problem", "outcome", "Outcome"),
    ] {
        assert_eq!(enum_of(schema, member), name, "{schema}.{member}");
    }
    for (name, keyword, values) in [
        ("OpenOrderStatus", "x-extensible-enum", 6),
        ("OrderStatus", "enum", 6),
        ("OpenMessageType", "x-extensible-enum", 4),
        ("MessageType", "enum", 4),
        ("ProblemCode", "x-extensible-enum", 31),
        ("Outcome", "enum", 2),
    ] {
        assert_eq!(schemas[name][keyword].as_array().map(Vec::len), Some(values), "{name}");
        assert_eq!(schemas[name].get("enum").is_some(), keyword == "enum", "{name}");
    }
    assert_eq!(schemas["MessageInput"]["properties"]["text"]["maxLength"], 7900);
    assert_eq!(
        (&schemas["MessageInput"]["additionalProperties"], &schemas["StatusInput"]["additionalProperties"]),
        (&false.into(), &false.into())
    );
}

#[test]
fn names_do_not_collide_in_generated_code() {
    let spec = spec();
    let schemas: Vec<&String> = spec["components"]["schemas"].as_object().expect("schemas").keys().collect();
    for name in &schemas {
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
        // Go: the constructor of `Message` is `NewMessage`, and its optional form `NullableMessage`.
        let is_taken = ["New", "Nullable"].iter().any(|prefix| name.starts_with(prefix));
        assert!(!is_taken, "{name} is what a generator calls something else");
        let folded = schemas.iter().filter(|other| other.eq_ignore_ascii_case(name)).count();
        assert_eq!(folded, 1, "{name}");
    }
    let title = spec["info"]["title"].as_str().expect("a title");
    assert!(title.is_ascii(), "{title} becomes the name of a package");

    let ids: Vec<String> = operations(&spec)
        .iter()
        .map(|(_, _, operation)| operation["operationId"].as_str().expect("an id").to_owned())
        .collect();
    for id in ids {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        assert!((1..=128).contains(&id.len()) && id.bytes().all(is_plain), "{id}");
    }
}

#[test]
fn generated_types_are_no_unions() {
    let spec = spec();
    for (path, method, operation) in operations(&spec) {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let media_types = response["content"].as_object().map_or(0, serde_json::Map::len);
            assert!(media_types <= 1, "{method} {path} {status}");
        }
        let body = &operation["requestBody"];
        if body.is_object() {
            assert_eq!(body["content"].as_object().map(serde_json::Map::len), Some(1), "{method} {path}");
            assert_eq!(body["required"], true, "{method} {path}");
        }
    }
    walk(&spec["components"]["schemas"], "", &mut |path, _| {
        assert!(!["oneOf", "anyOf", "allOf"].iter().any(|keyword| path.ends_with(keyword)), "{path}");
    });
}

#[test]
fn orders_have_what_they_always_have() {
    let spec = spec();
    let required = |schema: &str| spec["components"]["schemas"][schema]["required"].clone();

    assert_eq!(required("Order"), serde_json::json!(["id", "deliverAsap", "messages", "details", "statusTag"]));
    assert_eq!(required("OrderSummary"), serde_json::json!(["id", "deliverAsap"]));
    assert_eq!(required("OrderLine"), Value::Null, "a line may be the end");
}
