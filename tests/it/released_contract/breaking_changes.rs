//! Compares two OpenAPI documents: what requests may say must not shrink, what responses promise must not either.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Who writes what a schema describes: it may allow more in a request, and promise more in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    Request,
    Response,
}

/// What clients of the released document would notice.
pub(super) fn breaking_changes(released: &Value, current: &Value) -> Vec<String> {
    let mut comparison = Comparison { released, current, seen: BTreeSet::new(), changes: Vec::new() };
    for (path, operations) in members(&released["paths"]) {
        for (method, operation) in members(operations) {
            comparison.operation(&format!("{method} {path}"), operation, &current["paths"][path][method]);
        }
    }
    comparison.changes
}

struct Comparison<'d> {
    released: &'d Value,
    current: &'d Value,
    /// Pairs of references that were compared: schemas may contain themselves, and are used in many places.
    seen: BTreeSet<(Direction, String, String)>,
    changes: Vec<String>,
}

impl<'d> Comparison<'d> {
    fn check(&mut self, holds: bool, place: &str, change: &str) {
        if !holds {
            self.changes.push(format!("{place}: {change}"));
        }
    }

    fn operation(&mut self, place: &str, old: &'d Value, new: &'d Value) {
        self.check(new.is_object(), place, "the operation is removed");
        if !new.is_object() {
            return;
        }
        self.check(old["operationId"] == new["operationId"], place, "operationId has changed");
        self.parameters(place, old, new);
        let (old_body, new_body) = (resolve(self.released, &old["requestBody"]), resolve(self.current, &new["requestBody"]));
        let is_required = new_body["required"] == true && old_body["required"] != true;
        self.check(!is_required, place, "the request body has become required");
        self.content(&format!("{place} request"), Direction::Request, old_body, new_body);
        for (status, old) in members(&old["responses"]) {
            let place = format!("{place} {status}");
            let range = format!("{}XX", &status[..1]);
            let new = [status.as_str(), &range, "default"].into_iter().find_map(|name| new["responses"].get(name));
            self.check(new.is_some(), &place, "the response is removed");
            let Some(new) = new else { continue };
            let (old, new) = (resolve(self.released, old), resolve(self.current, new));
            self.content(&place, Direction::Response, old, new);
            for (name, _) in members(&old["headers"]).filter(|_| status.starts_with('2')) {
                self.check(new["headers"][name].is_object(), &place, &format!("header {name} is removed"));
            }
        }
    }

    fn parameters(&mut self, place: &str, old: &'d Value, new: &'d Value) {
        let (old, new) = (parameters(self.released, old), parameters(self.current, new));
        for (name, old) in &old {
            let place = format!("{place} {}", name.join(" "));
            self.check(new.contains_key(name), &place, "the parameter is removed");
            if let Some(new) = new.get(name) {
                self.schema(&place, Direction::Request, &old["schema"], &new["schema"]);
            }
        }
        for (name, new) in &new {
            let was_required = old.get(name).is_some_and(|old| old["required"] == true);
            let is_met = new["required"] != true || was_required;
            self.check(is_met, &format!("{place} {}", name.join(" ")), "the parameter has become required");
        }
    }

    fn content(&mut self, place: &str, direction: Direction, old: &'d Value, new: &'d Value) {
        for (media_type, old) in members(&old["content"]) {
            let new = &new["content"][media_type];
            self.check(new.is_object(), place, &format!("{media_type} is removed"));
            if new.is_object() {
                self.schema(&format!("{place} {media_type}"), direction, &old["schema"], &new["schema"]);
            }
        }
    }

    fn schema(&mut self, place: &str, direction: Direction, old: &'d Value, new: &'d Value) {
        let references = [old, new].map(|schema| schema["$ref"].as_str().unwrap_or_default().to_owned());
        let [old_name, new_name] = references;
        if !old_name.is_empty() && !new_name.is_empty() && !self.seen.insert((direction, old_name, new_name)) {
            return;
        }
        let (old, new) = (Schema::new(self.released, old), Schema::new(self.current, new));
        for (name, old_member) in &old.properties {
            let place = format!("{place} .{name}");
            self.check(new.properties.contains_key(name), &place, "the member is removed");
            if let Some(new_member) = new.properties.get(name) {
                self.schema(&place, direction, old_member, new_member);
            }
        }
        // What the writer of a request may do must stay allowed; what the writer of a response promised must stay so.
        let (less, more) = if direction == Direction::Request { (&new, &old) } else { (&old, &new) };
        for name in less.required.difference(&more.required) {
            let change = if direction == Direction::Request { "has become required" } else { "is no longer always there" };
            self.check(false, place, &format!("{name} {change}"));
        }
        let (wide, narrow) = if direction == Direction::Request { (&new, &old) } else { (&old, &new) };
        self.check(wide.types.is_empty() || narrow.types.is_subset(&wide.types), place, "the type has changed");
        let is_within =
            wide.values.as_ref().is_none_or(|wide| narrow.values.as_ref().is_some_and(|narrow| narrow.is_subset(wide)));
        self.check(is_within, place, "the enum has changed");
        self.check(old.format == new.format, place, "the format has changed");
        if direction == Direction::Request {
            self.limits(place, &old, &new);
        }
        if let (Some(old), Some(new)) = (old.items, new.items) {
            self.schema(&format!("{place} []"), direction, old, new);
        }
    }

    /// Limits of requests, which must not become narrower.
    fn limits(&mut self, place: &str, old: &Schema, new: &Schema) {
        let is_met = |name: &str, fits: fn(f64, f64) -> bool| match (old.limits.get(name), new.limits.get(name)) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(old), Some(new)) => fits(*old, *new),
        };
        for name in ["minLength", "minimum", "minItems"] {
            self.check(is_met(name, |old, new| new <= old), place, &format!("{name} is narrower"));
        }
        for name in ["maxLength", "maximum", "maxItems"] {
            self.check(is_met(name, |old, new| new >= old), place, &format!("{name} is narrower"));
        }
        self.check(new.pattern.is_none() || new.pattern == old.pattern, place, "the pattern has changed");
        self.check(old.is_closed || !new.is_closed, place, "unknown members are no longer allowed");
    }
}

/// A schema with what it refers to and consists of.
#[derive(Debug, Default)]
struct Schema<'d> {
    types: BTreeSet<&'d str>,
    values: Option<BTreeSet<String>>,
    format: Option<&'d str>,
    pattern: Option<&'d str>,
    limits: BTreeMap<&'d str, f64>,
    properties: BTreeMap<&'d str, &'d Value>,
    required: BTreeSet<&'d str>,
    items: Option<&'d Value>,
    is_closed: bool,
}

impl<'d> Schema<'d> {
    fn new(document: &'d Value, schema: &'d Value) -> Self {
        let mut whole = Self::default();
        whole.add(document, schema);
        whole
    }

    /// Parts of `oneOf` and `anyOf` are added like those of `allOf`, but what one of them requires is not required by the whole.
    fn add(&mut self, document: &'d Value, schema: &'d Value) {
        let schema = resolve(document, schema);
        self.types.extend(texts(&schema["type"]));
        if let Some(values) = schema["enum"].as_array() {
            self.values.get_or_insert_default().extend(values.iter().map(Value::to_string));
        }
        if let Some(value) = schema.get("const") {
            self.values.get_or_insert_default().insert(value.to_string());
        }
        self.format = schema["format"].as_str().or(self.format);
        self.pattern = schema["pattern"].as_str().or(self.pattern);
        self.limits.extend(members(schema).filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?))));
        self.properties.extend(members(&schema["properties"]).map(|(name, member)| (name.as_str(), member)));
        self.required.extend(texts(&schema["required"]));
        self.items = schema.get("items").or(self.items);
        self.is_closed |= schema["additionalProperties"] == false;
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.add(document, part);
        }
        for part in ["oneOf", "anyOf"].into_iter().filter_map(|name| schema[name].as_array()).flatten() {
            let required = self.required.clone();
            self.add(document, part);
            self.required = required;
        }
    }
}

fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let Some(reference) = value["$ref"].as_str() else { return value };
    let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
    resolve(document, target.unwrap_or_else(|| panic!("{reference} leads nowhere")))
}

fn parameters<'d>(document: &'d Value, operation: &'d Value) -> BTreeMap<[&'d str; 2], &'d Value> {
    let parameters = operation["parameters"].as_array().into_iter().flatten().map(|parameter| resolve(document, parameter));
    let name = |parameter: &'d Value| ["in", "name"].map(|member| parameter[member].as_str().expect("a text"));
    parameters.map(|parameter| (name(parameter), parameter)).collect()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The text, or the texts of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_str().into_iter().chain(value.as_array().into_iter().flatten().filter_map(Value::as_str))
}
