//! Order and customer ids.

use std::fmt;
use std::num::NonZeroU64;

/// The maximum id: 2⁵³ − 1, the largest integer that every JSON parser represents exactly.
pub const MAX_ID: u64 = 9_007_199_254_740_991;

/// A text that is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an integer from 1 to {MAX_ID}, in digits, without sign or leading zero")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// Parses canonical decimal: ASCII digits, no sign, no leading zero, 1 to [`MAX_ID`].
            ///
            /// # Errors
            /// [`InvalidId`] for every other text.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                Self::parse_bytes(text.as_bytes())
            }

            /// Same as [`Self::parse`], of ASCII.
            ///
            /// # Errors
            /// [`InvalidId`] for every other text.
            pub fn parse_bytes(text: &[u8]) -> Result<Self, InvalidId> {
                /// Digits of [`MAX_ID`].
                const MAX_DIGITS: usize = 16;
                if text.first() == Some(&b'0') || text.len() > MAX_DIGITS {
                    return Err(InvalidId);
                }
                let mut number = 0;
                for byte in text {
                    let digit = byte.wrapping_sub(b'0');
                    if digit > 9 {
                        return Err(InvalidId);
                    }
                    number = number * 10 + u64::from(digit);
                }
                Self::try_new(number)
            }

            /// The id with this number.
            ///
            /// # Errors
            /// [`InvalidId`] for 0 and for numbers above [`MAX_ID`].
            pub fn try_new(number: u64) -> Result<Self, InvalidId> {
                NonZeroU64::new(number).filter(|id| id.get() <= MAX_ID).map(Self).ok_or(InvalidId)
            }

            /// The number, 1 to [`MAX_ID`].
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// The id of an order.
    OrderId
);
id!(
    /// The id of a customer.
    CustomerId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_canonical_decimal_up_to_the_maximum() {
        for valid in ["1", "20417", "9007199254740990", "9007199254740991"] {
            assert_eq!(OrderId::parse(valid).map(|id| id.to_string()), Ok(valid.to_owned()));
        }
        for invalid in
            ["", "0", "01", "+1", "-1", "1.0", "1e3", " 1", "1 ", "１２", "0x1", "9007199254740992", "99999999999999999999"]
        {
            assert_eq!(OrderId::parse(invalid), Err(InvalidId), "{invalid:?}");
        }
    }
}
