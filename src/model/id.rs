//! Ids of orders and customers.

use std::fmt;
use std::num::NonZeroU64;

/// The greatest id: 2⁵³ − 1, the greatest integer that every JSON reader keeps exact.
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
            /// Reads canonical decimal: ASCII digits, no sign, no leading zero, 1 to [`MAX_ID`].
            ///
            /// # Errors
            /// [`InvalidId`] for every other text.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
                if !canonical {
                    return Err(InvalidId);
                }
                Self::try_new(text.parse().map_err(|_| InvalidId)?)
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
    /// The number of an order.
    OrderId
);
id!(
    /// The number of a customer.
    CustomerId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_canonical_decimal_from_1_to_the_greatest_exact_integer() {
        for good in ["1", "20417", "9007199254740990", "9007199254740991"] {
            assert_eq!(OrderId::parse(good).map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in
            ["", "0", "01", "+1", "-1", "1.0", "1e3", " 1", "1 ", "１２", "0x1", "9007199254740992", "99999999999999999999"]
        {
            assert_eq!(OrderId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }
}
