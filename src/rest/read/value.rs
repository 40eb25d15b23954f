//! The values that members have.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::ReadError;
use crate::model::{Extensible, LocalTime, StrEnum, Zone};
use crate::rest::extract::parse_instant;

/// A JSON object, and nothing else: `serde` takes an array for a struct as well.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// A string.
#[derive(Debug)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    /// The text without white space at its ends; `None` when blank.
    pub(super) fn trimmed(&self) -> Option<&str> {
        let text = self.0.trim_matches([' ', '\t', '\r', '\n']);
        (!text.is_empty()).then_some(text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(text.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.to_owned().into())
    }
}

/// A text of the model. `None` when it is absent or blank.
pub(super) fn text<T: for<'t> From<&'t str>>(text: Option<Text<'_>>) -> Option<T> {
    text?.trimmed().map(T::from)
}

/// A value of an open enum.
pub(super) fn open_value<E: StrEnum>(text: Option<Text<'_>>) -> Option<Extensible<E>> {
    text?.trimmed().map(Extensible::from_wire)
}

/// A time. The instant is known, so it is never ambiguous; it is shown as the clocks of `zone` showed it.
pub(super) fn time(text: Option<Text<'_>>, zone: &Zone) -> Result<Option<LocalTime>, ReadError> {
    const INVALID: ReadError = ReadError("one of its times is not a time in RFC 3339 format");
    let Some(text) = text else { return Ok(None) };
    let Some(text) = text.trimmed() else { return Ok(None) };
    parse_instant(text, zone).map(|instant| Some(zone.at(instant))).ok_or(INVALID)
}
