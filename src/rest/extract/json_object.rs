//! JSON objects in request bodies. They are read member by member, so that one response names every fault.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::model::StrEnum;
use crate::problem::{Code, FieldError, Problem};

/// A JSON object whose members are taken out one by one, with the faults found so far.
#[derive(Debug)]
pub(in crate::rest) struct JsonObject {
    members: Vec<(String, Value)>,
    errors: Vec<FieldError>,
}

impl JsonObject {
    /// Parses a body.
    ///
    /// # Errors
    /// `malformed-body` for invalid JSON or a duplicate member, `invalid-value` when it is not an object.
    pub(in crate::rest) fn parse(body: &[u8]) -> Result<Self, Problem> {
        // RFC 8259, section 8.1: a byte order mark may be ignored. Some runtimes write it.
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        serde_json::from_slice::<RejectDuplicateKeys>(body).map_err(|error| {
            let position = format!("line {}, column {}", error.line(), error.column());
            let detail = format!("The body is not JSON in UTF-8, or has a duplicate member: {position}.");
            Problem::new(Code::MalformedBody, detail)
        })?;
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self { members: members.into_iter().collect(), errors: Vec::new() }),
            _ => Err(Problem::values(vec![FieldError::pointer("", "must be an object")])),
        }
    }

    /// Takes a member that must be an enum value.
    pub(in crate::rest) fn take_enum<T: StrEnum>(&mut self, name: &'static str) -> Option<T> {
        let text = self.take_string(name)?;
        let value = T::parse(&text);
        if value.is_none() {
            let allowed: Vec<_> = T::ALL.iter().map(|value| value.as_str()).collect();
            self.add_fault(name, format!("must be one of {}", allowed.join(", ")));
        }
        value
    }

    /// Takes a member that must be a string.
    pub(in crate::rest) fn take_string(&mut self, name: &'static str) -> Option<String> {
        let index = self.members.iter().position(|(known, _)| known == name);
        match index.map(|index| self.members.remove(index).1) {
            Some(Value::String(text)) => return Some(text),
            Some(_) => self.add_fault(name, "must be a string"),
            None => self.add_fault(name, "is missing"),
        }
        None
    }

    /// Records a fault of a member.
    pub(in crate::rest) fn add_fault(&mut self, name: &str, detail: impl Into<Cow<'static, str>>) {
        self.errors.push(FieldError::pointer(format!("/{name}"), detail));
    }

    /// Returns the value made of the members, if there is no fault.
    ///
    /// # Errors
    /// `invalid-value` with every fault. Members that were not taken are unknown, which is a fault too.
    pub(in crate::rest) fn finish<T>(mut self, value: Option<T>) -> Result<T, Problem> {
        for (name, _) in std::mem::take(&mut self.members) {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            self.errors.push(FieldError::pointer(pointer, "unknown member"));
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::values(self.errors)),
        }
    }
}

/// Accepts any JSON without duplicate members. Parsers disagree on which of the duplicates counts, so neither is safe.
struct RejectDuplicateKeys;

impl<'de> Deserialize<'de> for RejectDuplicateKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for RejectDuplicateKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, Self)) = map.next_entry::<String, Self>()? {
            if !names.insert(name) {
                return Err(serde::de::Error::custom("duplicate member"));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while let Some(Self) = items.next_element()? {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}
