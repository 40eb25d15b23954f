//! Whether clients that were generated from the released OpenAPI document, `openapi/released.json`, still work.

mod breaking_changes;

use breaking_changes::breaking_changes;
use serde_json::{Value, json};
use tjansteguiden_gateway::rest::openapi::document;

const RELEASED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/released.json");

#[test]
fn released_clients_still_work() {
    let released = std::fs::read_to_string(RELEASED).expect("the released document");
    let released = serde_json::from_str(&released).expect("JSON");
    let current = serde_json::to_value(document("/")).expect("a document");
    assert_eq!(breaking_changes(&released, &current), [""; 0]);
}

/// A document with one of each that is compared.
fn sample() -> Value {
    json!({
        "paths": { "/orders/{id}": { "patch": {
            "operationId": "change",
            "parameters": [{ "$ref": "#/components/parameters/Limit" }],
            "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Input" } } } },
            "responses": {
                "200": { "$ref": "#/components/responses/Changed" },
                "409": { "content": { "application/problem+json": {} } },
            },
        } } },
        "components": {
            "parameters": { "Limit": { "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 1000 } } },
            "responses": { "Changed": {
                "headers": { "ETag": { "schema": { "type": "string" } } },
                "content": { "application/json": { "schema": { "allOf": [{ "$ref": "#/components/schemas/Order" }] } } },
            } },
            "schemas": {
                "Input": { "type": "object", "required": ["status"], "properties": {
                    "status": { "type": "string", "enum": ["new", "active"] },
                    "text": { "type": "string", "minLength": 1, "maxLength": 10 },
                } },
                "Order": { "type": "object", "required": ["id"], "properties": {
                    "id": { "type": "integer", "format": "int64" },
                    "outcome": { "type": "string", "enum": ["unknown", "not-applied"] },
                    "parts": { "type": "array", "items": { "$ref": "#/components/schemas/Order" } },
                } },
            },
        },
    })
}

/// The sample with another value at a JSON pointer; `null` removes it.
fn changed(pointer: &str, value: Value) -> Value {
    let mut document = sample();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).expect("a parent").as_object_mut().expect("an object");
    let name = name.replace("~1", "/");
    if value.is_null() {
        parent.remove(&name)
    } else {
        parent.insert(name, value)
    };
    document
}

#[test]
fn removed_and_narrowed_parts_of_the_contract_are_found() {
    let operation = "/paths/~1orders~1{id}/patch";
    let (input, order) = ("/components/schemas/Input", "/components/schemas/Order");
    for (pointer, value, change) in [
        ("/paths/~1orders~1{id}".to_owned(), json!(null), "the operation is removed"),
        (operation.to_owned(), json!(null), "the operation is removed"),
        (format!("{operation}/operationId"), json!("patch"), "operationId has changed"),
        (format!("{operation}/parameters"), json!([]), "query limit: the parameter is removed"),
        ("/components/parameters/Limit/required".to_owned(), json!(true), "query limit: the parameter has become required"),
        ("/components/parameters/Limit/schema/maximum".to_owned(), json!(999), "maximum is narrower"),
        ("/components/parameters/Limit/schema/type".to_owned(), json!("string"), "the type has changed"),
        (format!("{operation}/requestBody/content"), json!({}), "application/json is removed"),
        (format!("{operation}/responses/409"), json!(null), "409: the response is removed"),
        ("/components/responses/Changed/content".to_owned(), json!({}), "application/json is removed"),
        ("/components/responses/Changed/headers".to_owned(), json!({}), "header ETag is removed"),
        (format!("{order}/properties/outcome"), json!(null), ".outcome: the member is removed"),
        (format!("{order}/properties/outcome/enum"), json!(["unknown", "not-applied", "new"]), "the enum has changed"),
        (format!("{order}/properties/outcome/enum"), json!(null), "the enum has changed"),
        (format!("{order}/properties/id/format"), json!("int32"), "the format has changed"),
        (format!("{order}/properties/id/type"), json!(["integer", "string"]), "the type has changed"),
        (format!("{order}/required"), json!([]), "id is no longer always there"),
        (format!("{input}/properties/text"), json!(null), ".text: the member is removed"),
        (format!("{input}/properties/text/maxLength"), json!(9), "maxLength is narrower"),
        (format!("{input}/properties/text/pattern"), json!("^a"), "the pattern has changed"),
        (format!("{input}/properties/status/enum"), json!(["new"]), "the enum has changed"),
        (format!("{input}/required"), json!(["status", "text"]), "text has become required"),
        (format!("{input}/additionalProperties"), json!(false), "unknown members are no longer allowed"),
    ] {
        let found = breaking_changes(&sample(), &changed(&pointer, value));
        assert!(found.iter().any(|found| found.contains(change)), "{pointer}: {change} in {found:?}");
    }
}

#[test]
fn additions_break_nothing() {
    let (input, order) = ("/components/schemas/Input", "/components/schemas/Order");
    for (pointer, value) in [
        ("/paths/~1me".to_owned(), json!({ "get": {} })),
        ("/paths/~1orders~1{id}/get".to_owned(), json!({ "operationId": "get" })),
        ("/components/parameters/Limit/schema/maximum".to_owned(), json!(null)),
        (format!("{order}/properties/city"), json!({ "type": "string" })),
        (format!("{order}/required"), json!(["id", "outcome"])),
        (format!("{order}/properties/outcome/enum"), json!(["unknown"])),
        (format!("{input}/properties/city"), json!({ "type": "string" })),
        (format!("{input}/properties/status/enum"), json!(["new", "active", "received"])),
        (format!("{input}/required"), json!([])),
    ] {
        let found = breaking_changes(&sample(), &changed(&pointer, value));
        assert_eq!(found, [""; 0], "{pointer}");
    }
}
