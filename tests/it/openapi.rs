//! The OpenAPI document: completeness and conventions.

use serde_json::Value;
use tjansteguiden_gateway::problem::Code;
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

/// The responses of an operation, by status: its own, and those of the components.
fn responses<'s>(spec: &'s Value, operation: &'s Value) -> Vec<(&'s str, &'s Value)> {
    let responses = operation["responses"].as_object().expect("responses");
    let resolved = responses.iter().map(|(status, response)| match response["$ref"].as_str() {
        Some(location) => (status.as_str(), spec.pointer(location.trim_start_matches('#')).expect("a component")),
        None => (status.as_str(), response),
    });
    resolved.collect()
}

/// The problem codes that an operation documents, with the statuses and the examples.
fn problems<'s>(spec: &'s Value, operation: &'s Value) -> Vec<(&'s str, &'s str, &'s Value)> {
    let examples = responses(spec, operation).into_iter().flat_map(|(status, response)| {
        let examples = response["content"]["application/problem+json"]["examples"].as_object().into_iter().flatten();
        examples.map(move |(code, example)| (status, code.as_str(), &example["value"]))
    });
    examples.collect()
}

#[test]
fn document_is_half_of_what_it_was() {
    let bytes = tjansteguiden_gateway::rest::openapi::to_json(&document("/")).len();

    assert!(bytes <= 98_000, "{bytes}");
}

#[test]
fn writes_document_preflight_read_problems() {
    let spec = spec();
    for (path, method) in [("/orders/{id}/status", "patch"), ("/orders/{id}/messages", "post")] {
        let problems = problems(&spec, &spec["paths"][path][method]);
        for code in ["upstream-answer-invalid", "refused-by-upstream", "upstream-unreachable", "upstream-credential-rejected"] {
            let (_, _, example) =
                problems.iter().find(|problem| problem.0 == "502" && problem.1 == code).unwrap_or_else(|| panic!("{code}"));
            assert_eq!(example["outcome"], "not-applied", "{code}");
        }
    }
}

#[test]
fn every_problem_code_of_an_operation_has_an_example() {
    let spec = spec();
    for (path, method, operation) in operations(&spec) {
        for (status, response) in responses(&spec, &operation) {
            let Some(content) = response["content"].get("application/problem+json") else { continue };
            let description = response["description"].as_str().expect("a description");
            let codes: Vec<&str> = description.lines().filter_map(|line| line.strip_prefix('`')?.split('`').next()).collect();
            let examples: Vec<&String> = content["examples"].as_object().expect("examples").keys().collect();
            let (mut named, mut given) = (codes.clone(), examples.clone());
            named.sort_unstable();
            given.sort_unstable();
            assert!(!codes.is_empty() && named == given, "{method} {path} {status}: {codes:?} {examples:?}");
        }
    }
}

#[test]
fn examples_of_problems_are_valid_and_believable() {
    let spec = spec();
    let problem = &spec["components"]["schemas"]["Problem"];
    let (members, required) = (&problem["properties"], problem["required"].as_array().expect("required members"));
    for (path, method, operation) in operations(&spec) {
        for (status, code, example) in problems(&spec, &operation) {
            let location = format!("{method} {path} {status} {code}");
            let known = Code::parse(code).unwrap_or_else(|| panic!("{location}"));
            let actual = example["status"].to_string();
            let is_of_class = status.ends_with("XX") && actual.starts_with(&status[..1]);
            assert!(actual == status || is_of_class && actual == known.info().status.as_str(), "{location}: {actual}");
            assert_eq!((example["code"].as_str(), &example["title"]), (Some(code), &known.info().title.into()), "{location}");
            assert_eq!(example["type"], format!("/problems/{code}"), "{location}");
            let detail = example["detail"].as_str().expect("a detail");
            assert!(detail.ends_with('.') && detail != known.info().title, "{location}: {detail}");
            for member in example.as_object().expect("an object").keys() {
                assert!(members[member].is_object(), "{location}: {member}");
            }
            assert!(required.iter().all(|member| example.get(member.as_str().expect("a name")).is_some()), "{location}");

            // An example that belongs to one operation has its path, a shared one that of an operation with the same problem.
            let is_own = operation["responses"][status].get("$ref").is_none();
            let instance = example["instance"].as_str().expect("a path");
            let instance_of = |path: &str| {
                let id = if path.starts_with("/customers") { "18020" } else { "20417" };
                path.replace("{id}", id) == instance
            };
            let has_instance = operations(&spec).into_iter().any(|(other, _, operation)| {
                instance_of(&other) && problems(&spec, &operation).iter().any(|problem| problem.1 == code)
            });
            assert!(if is_own { instance_of(&path) } else { has_instance }, "{location}: {instance}");
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
fn operations_have_summaries_and_problem_statuses() {
    let spec = spec();
    for (path, method, operation) in operations(&spec) {
        let location = format!("{method} {path}");

        assert!(operation["summary"].is_string() && operation["description"].is_string(), "{location}");

        let mut statuses = vec!["400", "401", "403", "429", "503", "4XX", "5XX"];
        if path != "/me" {
            statuses.extend(["502", "504"]);
        }
        if path.contains("{id}") {
            statuses.push("404");
        }
        if method != "get" {
            statuses.extend(["409", "422"]);
        }
        let responses = responses(&spec, &operation);
        for status in statuses {
            let (_, response) =
                responses.iter().find(|response| response.0 == status).unwrap_or_else(|| panic!("{location} {status}"));
            let content = &response["content"]["application/problem+json"];
            assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{location} {status}");
        }
        for (status, response) in responses {
            assert!(response["headers"]["x-request-id"].is_object(), "{location} {status}");
        }
        let codes: Vec<&str> = problems(&spec, &operation).into_iter().map(|problem| problem.1).collect();
        let rare = if method == "get" {
            &["not-acceptable", "uri-too-long", "headers-too-large", "internal-error"][..]
        } else {
            &["request-timeout", "body-too-large", "unsupported-media-type"]
        };
        assert!(rare.iter().all(|code| codes.contains(code)), "{location}: {codes:?}");
    }
}

#[test]
fn every_parameter_is_described() {
    let spec = spec();
    let mut required = Vec::new();
    for (path, method, operation) in operations(&spec) {
        for parameter in operation["parameters"].as_array().expect("parameters") {
            let component = parameter["$ref"].as_str().map(|location| location.trim_start_matches('#'));
            let parameter = component.map_or(parameter, |location| spec.pointer(location).expect("a component"));
            let name = parameter["name"].as_str().expect("a name");
            assert!(parameter["description"].is_string(), "{method} {path} {name}");
            if parameter["required"] == true && parameter["in"] != "path" {
                required.push(format!("{method} {path} {name}"));
            }
        }
    }

    assert_eq!(required, ["get /customers since", "get /orders since"]);
    let parameters = spec["paths"]["/orders"]["get"]["parameters"].as_array().expect("parameters");
    let status = parameters.iter().find(|parameter| parameter["name"] == "status").expect("a filter");
    assert_eq!((&status["style"], &status["explode"]), (&"form".into(), &true.into()));
}

#[test]
fn descriptions_have_no_blanks_around_them() {
    walk(&spec(), "", &mut |path, value| {
        let Some(text) = value.as_str().filter(|_| path.ends_with("/description")) else { return };
        assert!(text.trim() == text && !text.is_empty(), "{path}: {text:?}");
    });
}

#[test]
fn every_schema_and_property_is_described() {
    let spec = spec();
    for (name, schema) in spec["components"]["schemas"].as_object().expect("schemas") {
        assert!(schema["description"].is_string(), "{name}");
        // The members of a line are described in the schema of its item.
        let members = schema["properties"].as_object().filter(|_| !name.ends_with("Line"));
        for (member, schema) in members.into_iter().flatten() {
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
