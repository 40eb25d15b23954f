//! JSON objects in request bodies, read member by member, so that every fault can be named.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::model::StrEnum;
use crate::problem::{Code, FieldError, Problem};

/// The members of a body that nobody has read yet, and the faults so far.
#[derive(Debug)]
pub(in crate::rest) struct Members {
    members: Vec<(String, Value)>,
    errors: Vec<FieldError>,
}

impl Members {
    /// Reads a body.
    ///
    /// # Errors
    /// `malformed-body` when it is no JSON or a member is there twice, `invalid-value` when it is no object.
    pub(in crate::rest) fn parse(body: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice::<RejectDuplicateKeys>(body).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Problem::new(Code::MalformedBody, format!("The body is no JSON in UTF-8 with every member once: {place}."))
        })?;
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self { members: members.into_iter().collect(), errors: Vec::new() }),
            _ => Err(Problem::values(vec![FieldError::pointer("", "must be an object")])),
        }
    }

    /// A member that must be a word of a list.
    pub(in crate::rest) fn word<W: StrEnum>(&mut self, name: &'static str) -> Option<W> {
        let text = self.text(name)?;
        let word = W::parse(&text);
        if word.is_none() {
            let words: Vec<_> = W::ALL.iter().map(|word| word.as_str()).collect();
            self.fault(name, format!("must be one of {}", words.join(", ")));
        }
        word
    }

    /// A member that must be a text.
    pub(in crate::rest) fn text(&mut self, name: &'static str) -> Option<String> {
        let index = self.members.iter().position(|(known, _)| known == name);
        match index.map(|index| self.members.remove(index).1) {
            Some(Value::String(text)) => return Some(text),
            Some(_) => self.fault(name, "must be a string"),
            None => self.fault(name, "is missing"),
        }
        None
    }

    /// Notes a fault of a member.
    pub(in crate::rest) fn fault(&mut self, name: &str, detail: impl Into<Cow<'static, str>>) {
        self.errors.push(FieldError::pointer(format!("/{name}"), detail));
    }

    /// The value that was made of the members.
    ///
    /// # Errors
    /// `invalid-value` with every fault, those of members that nothing has read included.
    pub(in crate::rest) fn finish<T>(mut self, value: Option<T>) -> Result<T, Problem> {
        for (name, _) in std::mem::take(&mut self.members) {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            self.errors.push(FieldError::pointer(pointer, "is no member of this body"));
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::values(self.errors)),
        }
    }
}

/// Any JSON in which no object has a member twice: readers do not agree on which of the two counts.
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
                return Err(serde::de::Error::custom("a member is there twice"));
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
