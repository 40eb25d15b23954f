//! Cursors: the position where a page ended and the filters it was selected by, as opaque text.
//!
//! A cursor grants nothing, so it is not signed. Its checksum only detects damage, such as a truncated URL.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;

/// The version of the payload. Increase it whenever the payload or a hash changes, so that older cursors are rejected.
const VERSION: u8 = 2;
/// The length of the checksum, in bytes.
const CHECKSUM: usize = 4;

/// Sort key of an item among all items of a list: items without a readable time first, then by time, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rest) struct Position {
    /// The displayed instant, in seconds since 1970.
    pub(in crate::rest) seconds: Option<i64>,
    pub(in crate::rest) id: u64,
}

/// The end of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rest) struct Cursor {
    /// The [`filter_hash`] of the request.
    pub(in crate::rest) filters: u64,
    /// The last item of the page.
    pub(in crate::rest) position: Position,
}

/// A text that is not a cursor of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this gateway version, or was damaged; start again without it")]
pub(in crate::rest) struct InvalidCursor;

impl Cursor {
    /// Parses a cursor.
    ///
    /// # Errors
    /// [`InvalidCursor`] when the text is damaged or of another version.
    pub(in crate::rest) fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| InvalidCursor)?;
        let (payload, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(InvalidCursor)?;
        if *checksum != hash(payload) {
            return Err(InvalidCursor);
        }
        match serde_json::from_slice::<(u8, u64, Option<i64>, u64)>(payload) {
            Ok((VERSION, filters, seconds, id)) => Ok(Self { filters, position: Position { seconds, id } }),
            _ => Err(InvalidCursor),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filters, position: Position { seconds, id } } = self;
        let mut bytes = serde_json::to_vec(&(VERSION, filters, seconds, id)).map_err(|_| fmt::Error)?;
        let checksum: [u8; CHECKSUM] = hash(&bytes);
        bytes.extend_from_slice(&checksum);
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

/// A hash of all filters, equal on every replica. Each text follows its length, so `["ab", "c"]` differs from `["a", "bc"]`.
pub(in crate::rest) fn filter_hash<'t>(texts: impl IntoIterator<Item = &'t str>) -> u64 {
    let mut bytes = Vec::new();
    for text in texts {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    u64::from_be_bytes(hash(&bytes))
}

/// The first `N` bytes of the SHA-256 hash, equal on every replica.
#[expect(clippy::expect_used, reason = "without a hash, every cursor would fit every list")]
fn hash<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *digest(&SHA256, bytes).as_ref().first_chunk().expect("a SHA-256 digest has 32 bytes")
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
        fn a_written_cursor_can_be_parsed(cursor in cursor()) {
            prop_assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
        }

        #[test]
        fn damaged_cursors_are_rejected(
            cursor in cursor(),
            at in any::<prop::sample::Index>(),
            with in "[0-9A-Za-z_-]",
            text in ".{0,80}",
        ) {
            let whole = cursor.to_string();
            let at = at.index(whole.len());
            let mut damaged = whole.clone();
            damaged.replace_range(at..=at, &with);

            prop_assert!(damaged == whole || Cursor::parse(&damaged).is_err());
            prop_assert!(Cursor::parse(&text).is_err());
            prop_assert!(Cursor::parse(&whole[..at]).is_err());
            prop_assert!(Cursor::parse(&(whole + "0")).is_err());
        }
    }

    #[test]
    fn cursors_of_older_versions_are_rejected() {
        let hexadecimal = "0100000000000000000100000000568f1e1c0000000000000002a1b2c3d4";
        let mut older = b"[1,0,null,7]".to_vec();
        older.extend_from_slice(&hash::<CHECKSUM>(&older));

        for text in [hexadecimal, &BASE64URL_NOPAD.encode(&older)] {
            assert_eq!(Cursor::parse(text), Err(InvalidCursor), "{text}");
        }
    }

    #[test]
    fn positions_without_a_time_come_first() {
        let at = |seconds, id| Position { seconds, id };
        let mut positions = [at(Some(1), 1), at(Some(-1), 9), at(None, 7), at(Some(1), 0)];

        positions.sort();

        assert_eq!(positions, [at(None, 7), at(Some(-1), 9), at(Some(1), 0), at(Some(1), 1)]);
    }
}
