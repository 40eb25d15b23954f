//! The text that leads from one page of a list to the next.
//!
//! It says where the page ended and for which filters that is true. It grants nothing, so it is not signed; a checksum tells
//! one that was damaged from one that was made here.

use std::fmt;

/// The version of what a cursor holds. Another version is refused, not guessed at.
const VERSION: u8 = 1;
/// Version, filters, whether there is a time, time, id, checksum.
const LENGTH: usize = 1 + 8 + 1 + 8 + 8 + 4;

/// Where an item stands among all of a list: first those without a readable time, then by time, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rest) struct Position {
    /// The instant that is shown, in seconds since 1970.
    pub(in crate::rest) seconds: Option<i64>,
    pub(in crate::rest) id: u64,
}

/// The end of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rest) struct Cursor {
    /// The fingerprint of the filters.
    pub(in crate::rest) filters: u64,
    /// The last item of the page.
    pub(in crate::rest) position: Position,
}

impl Cursor {
    /// Reads a cursor.
    ///
    /// # Errors
    /// When it is none of this version, in words for the client.
    pub(in crate::rest) fn parse(text: &str) -> Result<Self, &'static str> {
        let bytes = hex::decode(text).map_err(|_| DAMAGED)?;
        let (version, rest) = bytes.split_first().ok_or(DAMAGED)?;
        if *version != VERSION {
            return Err("was made by another version of the gateway; begin again without it");
        }
        let mut rest = Fields(rest);
        let cursor = Self {
            filters: u64::from_be_bytes(rest.take()?),
            position: Position {
                seconds: match (rest.take()?, i64::from_be_bytes(rest.take()?)) {
                    ([1], seconds) => Some(seconds),
                    ([0], 0) => None,
                    _ => return Err(DAMAGED),
                },
                id: u64::from_be_bytes(rest.take()?),
            },
        };
        let is_whole = cursor.to_string() == text;
        if is_whole { Ok(cursor) } else { Err(DAMAGED) }
    }

    fn bytes(self) -> Vec<u8> {
        let Self { filters, position: Position { seconds, id } } = self;
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(VERSION);
        bytes.extend_from_slice(&filters.to_be_bytes());
        bytes.push(seconds.is_some().into());
        bytes.extend_from_slice(&seconds.unwrap_or(0).to_be_bytes());
        bytes.extend_from_slice(&id.to_be_bytes());
        let [.., a, b, c, d] = fingerprint(&bytes).to_be_bytes();
        bytes.extend_from_slice(&[a, b, c, d]);
        bytes
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.bytes()))
    }
}

const DAMAGED: &str = "is no cursor of this list, or was damaged on the way";

/// Fields of fixed length, one after the other.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (field, rest) = self.0.split_first_chunk().ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(*field)
    }
}

/// The same number for the same texts; each with its length, so that no two rows of texts are the same bytes.
pub(in crate::rest) fn fingerprint_of<'t>(texts: impl IntoIterator<Item = &'t str>) -> u64 {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    fingerprint(&bytes)
}

/// The same number for the same bytes on every replica and in every version (FNV-1a).
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursor() -> impl Strategy<Value = Cursor> {
        (any::<u64>(), any::<Option<i64>>(), any::<u64>())
            .prop_map(|(filters, seconds, id)| Cursor { filters, position: Position { seconds, id } })
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(cursor in cursor()) {
            prop_assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
        }

        #[test]
        fn any_other_text_is_refused(cursor in cursor(), at in 0..2 * LENGTH, digit in "[0-9a-f]", text in ".{0,80}") {
            let whole = cursor.to_string();
            let mut damaged = whole.clone();
            damaged.replace_range(at..=at, &digit);
            prop_assert!(damaged == whole || Cursor::parse(&damaged).is_err());
            prop_assert!(Cursor::parse(&text).is_err());
            prop_assert!(Cursor::parse(&whole[..at]).is_err());
            let longer = whole + "0";
            prop_assert!(Cursor::parse(&longer).is_err());
        }
    }

    #[test]
    fn what_has_no_time_stands_first() {
        let at = |seconds, id| Position { seconds, id };
        let mut positions = [at(Some(1), 1), at(Some(-1), 9), at(None, 7), at(Some(1), 0)];
        positions.sort();
        assert_eq!(positions, [at(None, 7), at(Some(-1), 9), at(Some(1), 0), at(Some(1), 1)]);
    }
}
