//! Serializes responses as JSON, faster than `serde_json` in general.
//!
//! Measured on a list of orders it is twice as fast. It assumes what holds for the DTOs: member names need no escaping, strings
//! seldom do, and there are no maps, negative numbers or floats. A property test compares its bytes with those of `serde_json`.

use axum::body::Bytes;
use serde::ser::{Error as _, Impossible, Serialize, SerializeSeq, SerializeStruct, Serializer};
use serde_json::Error;

use crate::problem::Problem;
use crate::resilience::{ByteBudget, Reservation, Share};

/// Reserves memory for the JSON of something that holds this many bytes.
///
/// # Errors
/// The problem to answer with when there is none left.
pub(super) fn reserve(budget: &ByteBudget, held: usize) -> Result<Reservation, Problem> {
    // The names of the members take less than the structures did, and an escaped character takes two bytes.
    budget.reserve(Share::Reads, held.saturating_mul(2)).map_err(|_| Problem::memory_exhausted())
}

/// Serializes a response body, which holds this memory until it is sent.
pub(super) fn to_bytes(value: &impl Serialize, memory: Reservation) -> Bytes {
    into_bytes(to_vec(value), memory)
}

/// Serializes a response body whose size is known to be small.
pub(super) fn to_small_bytes(value: &impl Serialize) -> Bytes {
    to_vec(value).into()
}

#[expect(clippy::expect_used, reason = "an empty body would look like a response")]
fn to_vec(value: &impl Serialize) -> Vec<u8> {
    /// Room for an order with its log, so that the body seldom grows.
    const USUAL_BYTES: usize = 2048;
    let mut body = Vec::with_capacity(USUAL_BYTES);
    write(value, &mut body).expect("DTOs have only types that the writer knows");
    body
}

/// A body that holds this memory until it is sent.
pub(super) fn into_bytes(mut body: Vec<u8>, mut memory: Reservation) -> Bytes {
    /// What a body may hold without use: as much as one of usual size does.
    const MAX_UNUSED: usize = 2048;
    if body.capacity() - body.len() > MAX_UNUSED {
        body.shrink_to_fit();
    }
    // It was written within the reservation, so this gives back the rest of it.
    let _ = memory.resize(body.capacity());
    Bytes::from_owner(ReservedBody { body, _memory: memory })
}

struct ReservedBody {
    body: Vec<u8>,
    _memory: Reservation,
}

impl AsRef<[u8]> for ReservedBody {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Appends a value, such as a list item.
///
/// # Errors
/// When the value has a type that no DTO has, such as a map.
pub(super) fn write(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) -> Result<(), Error> {
    value.serialize(JsonWriter(out))
}

/// Writes one value.
struct JsonWriter<'o>(&'o mut Vec<u8>);

/// Writes the members of an object or the items of an array, each with a comma after it.
struct Compound<'o> {
    out: &'o mut Vec<u8>,
    end: u8,
}

impl<'o> Compound<'o> {
    fn new(out: &'o mut Vec<u8>, [start, end]: [u8; 2]) -> Self {
        out.push(start);
        Self { out, end }
    }

    fn finish(self) {
        match self.out.last_mut() {
            Some(comma) if *comma == b',' => *comma = self.end,
            _ => self.out.push(self.end),
        }
    }
}

impl SerializeStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "measured: with the name known at compile time, writing it takes a few instructions"
    )]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        write_name(name, self.out);
        value.serialize(JsonWriter(self.out))?;
        self.out.push(b',');
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

impl SerializeSeq for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(JsonWriter(self.out))?;
        self.out.push(b',');
        Ok(())
    }

    fn end(self) -> Result<(), Error> {
        self.finish();
        Ok(())
    }
}

/// Writes the name of a member. It is put together on the stack, which the compiler does in advance, and appended in one piece.
#[inline(always)]
fn write_name(name: &'static str, out: &mut Vec<u8>) {
    const ROOM: usize = 32;
    let mut quoted = [b'"'; ROOM];
    let end = "\"".len() + name.len();
    if let Some(inside) = quoted.get_mut("\"".len()..end) {
        inside.copy_from_slice(name.as_bytes());
    }
    match (quoted.get_mut(end + 1), end + 2) {
        (Some(colon), length) => {
            *colon = b':';
            out.extend_from_slice(quoted.split_at(length).0);
        }
        // No DTO has a name as long.
        (None, _) => out.extend_from_slice(format!("\"{name}\":").as_bytes()),
    }
}

/// Whether `serde_json` would escape a byte of a text. Eight bytes are compared at a time.
fn needs_escape(text: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    let has_special = |bytes: &[u8; 8]| {
        let word = u64::from_ne_bytes(*bytes);
        let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
        let equals = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        (below(word, u64::from(b' ')) | equals(b'"') | equals(b'\\')) & (ONES << 7) != 0
    };
    match text.last_chunk() {
        // The last eight bytes may overlap those before.
        Some(last) => text.as_chunks().0.iter().fold(has_special(last), |special, bytes| special | has_special(bytes)),
        None => text.iter().any(|byte| matches!(byte, ..b' ' | b'"' | b'\\')),
    }
}

/// Writes a string, escaped as `serde_json` does.
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 3);
    out.push(b'"');
    if needs_escape(text.as_bytes()) {
        for byte in text.bytes() {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0x08 => out.extend_from_slice(b"\\b"),
                0x0c => out.extend_from_slice(b"\\f"),
                0..b' ' => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => out.push(byte),
            }
        }
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

/// Serializer methods for types that no list item has.
macro_rules! unsupported {
    ($($method:ident($($argument:ty),*) -> $ok:ty;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$ok, Error> {
            Err(Error::custom(UNSUPPORTED))
        })*
    };
}

const UNSUPPORTED: &str = "no list item has a value of this type";

impl<'o> Serializer for JsonWriter<'o> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'o>;
    type SerializeStruct = Compound<'o>;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.0.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        Ok(())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        write_string(value, self.0);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'o>, Error> {
        Ok(Compound::new(self.0, *b"[]"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'o>, Error> {
        Ok(Compound::new(self.0, *b"{}"))
    }

    unsupported! {
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u32(u32) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_tuple(usize) -> Impossible<(), Error>;
        serialize_tuple_struct(&'static str, usize) -> Impossible<(), Error>;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Impossible<(), Error>;
        serialize_map(Option<usize>) -> Impossible<(), Error>;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Impossible<(), Error>;
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        Err(Error::custom(UNSUPPORTED))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Serialize;

    use super::write;

    #[derive(Debug, Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Thing {
        a_number: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        is_set: bool,
        things: Vec<Thing>,
    }

    fn thing() -> impl Strategy<Value = Thing> {
        let text = proptest::option::of(prop_oneof![any::<String>(), "[\\x00-\\x7f]{0,80}", "[a-zåäö \"\\\\]{0,80}"]);
        let leaf = (any::<u64>(), text.clone(), any::<bool>());
        let leaf = leaf.prop_map(|(a_number, text, is_set)| Thing { a_number, text, is_set, things: Vec::new() });
        leaf.prop_recursive(3, 16, 4, move |inner| {
            let things = proptest::collection::vec(inner, 0..4);
            (any::<u64>(), text.clone(), any::<bool>(), things).prop_map(|(a_number, text, is_set, things)| Thing {
                a_number,
                text,
                is_set,
                things,
            })
        })
    }

    proptest! {
        #[test]
        fn bytes_equal_those_of_serde_json(thing in thing()) {
            let mut written = Vec::new();

            write(&thing, &mut written).unwrap();

            prop_assert_eq!(String::from_utf8(written).unwrap(), serde_json::to_string(&thing).unwrap());
        }
    }

    #[test]
    fn every_byte_that_needs_an_escape_is_found_at_every_position() {
        for length in 1..40 {
            for position in 0..length {
                for byte in 0..=0x7f {
                    let mut text = vec![b'a'; length];
                    text[position] = byte;
                    let text = String::from_utf8(text).unwrap();
                    let mut written = Vec::new();

                    write(&text, &mut written).unwrap();

                    assert_eq!(String::from_utf8(written).unwrap(), serde_json::to_string(&text).unwrap());
                }
            }
        }
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 1, 9, 10, 99, 100, 9_007_199_254_740_991, u64::MAX] {
            let mut written = Vec::new();

            write(&number, &mut written).unwrap();

            assert_eq!(written, number.to_string().as_bytes());
        }
    }

    #[test]
    fn names_of_any_length_are_written() {
        #[derive(Serialize)]
        struct Names {
            twenty_eight_letters_in_total: u64,
            a_name_of_exactly_thirty_bytes: u64,
            longer_than_all_names_of_the_contract: u64,
        }
        let names = Names {
            twenty_eight_letters_in_total: 1,
            a_name_of_exactly_thirty_bytes: 2,
            longer_than_all_names_of_the_contract: 3,
        };
        let mut written = Vec::new();

        write(&names, &mut written).unwrap();

        assert_eq!(String::from_utf8(written).unwrap(), serde_json::to_string(&names).unwrap());
    }

    #[test]
    fn unsupported_types_are_errors() {
        assert!(write(&-1, &mut Vec::new()).is_err());
        assert!(write(&None::<u64>, &mut Vec::new()).is_err());
        assert!(write(&std::collections::BTreeMap::from([("a", 1_u64)]), &mut Vec::new()).is_err());
    }
}
