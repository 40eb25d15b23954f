//! Personal data: what of them is shown to whom.
//!
//! A field of the model that is about a person has a [`Personal`] type, and that type is the only place where is said what
//! becomes of it. From it follow what callers see who may not see personal data, the mark `x-personal-data` in the OpenAPI
//! document, and that no log ever shows it: there is no way to its text but [`Personal::expose`], which names itself.

mod sentence;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

pub use sentence::Sentence;
pub use text::mask_personal_data;

/// Whether somebody may see personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// All of them, as they are.
    Plain,
    /// What a kind of them leaves to be seen.
    Masked,
}

/// A text about a person; `K` is what kind of text. Never shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Personal<K>(String, PhantomData<K>);

/// A kind of personal data.
pub trait Kind: Copy + Eq + Send + Sync + 'static {
    /// The name of its schema.
    const NAME: &'static str;

    /// What becomes of it without the scope `personal-data:read`, for those who read the API's document.
    const DESCRIPTION: &'static str;

    /// What is shown to those who may not see it; `None` when it is left out.
    fn mask(text: &str) -> Option<Cow<'_, str>>;

    /// What somebody sees of a text of this kind.
    #[must_use]
    fn seen(text: &str, sight: Sight) -> Option<Cow<'_, str>> {
        match sight {
            Sight::Plain => Some(text.into()),
            Sight::Masked => Self::mask(text),
        }
    }
}

/// Shown to everybody who may ask at all, and to no log: names, cities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Common;

/// Left out: contact details, and what customers write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Private;

/// A personal identity number, of which the date of birth is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityNumber;

/// A text that may have personal data in it, which are masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeText;

impl Kind for Common {
    const NAME: &'static str = "Common";
    const DESCRIPTION: &'static str = "";

    fn mask(text: &str) -> Option<Cow<'_, str>> {
        Some(text.into())
    }
}

impl Kind for Private {
    const NAME: &'static str = "Private";
    const DESCRIPTION: &'static str = "Absent without the scope `personal-data:read`.";

    fn mask(_: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl Kind for IdentityNumber {
    const NAME: &'static str = "IdentityNumber";
    const DESCRIPTION: &'static str = "Without the scope `personal-data:read` only the date is shown: `19121212-****`.";

    fn mask(text: &str) -> Option<Cow<'_, str>> {
        let date = match text.len() {
            12 => text.get(..8),
            10 => text.get(..6),
            _ => None,
        };
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        Some(date.filter(|_| is_number).map_or("****".into(), |date| format!("{date}-****").into()))
    }
}

impl Kind for FreeText {
    const NAME: &'static str = "FreeText";
    const DESCRIPTION: &'static str =
        "Without the scope `personal-data:read` identity numbers, e-mail addresses and phone numbers in it are `****`.";

    fn mask(text: &str) -> Option<Cow<'_, str>> {
        Some(mask_personal_data(text).into())
    }
}

impl<K: Kind> Personal<K> {
    /// The text as it is, for the order system and for those who may see it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What somebody sees of it.
    #[must_use]
    pub fn seen(&self, sight: Sight) -> Option<Cow<'_, str>> {
        K::seen(self.expose(), sight)
    }
}

impl<K> From<String> for Personal<K> {
    fn from(text: String) -> Self {
        Self(text, PhantomData)
    }
}

impl<K> From<&str> for Personal<K> {
    fn from(text: &str) -> Self {
        Self(text.to_owned(), PhantomData)
    }
}

impl<K> fmt::Debug for Personal<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_identity_number_the_date_is_left() {
        for (number, masked) in [
            ("191212121212", "19121212-****"),
            ("1212121212", "121212-****"),
            ("19121212-1212", "****"),
            ("121212-1212", "****"),
            ("121212+1212", "****"),
            ("19191212121212", "****"),
            ("19121212****", "****"),
            ("1912121212å", "****"),
            ("", "****"),
        ] {
            assert_eq!(Personal::<IdentityNumber>::from(number).seen(Sight::Masked).as_deref(), Some(masked), "{number}");
        }
    }

    #[test]
    fn each_kind_is_plain_to_those_who_may_see_it_and_never_in_a_log() {
        let text = "ring 0701740605";
        assert_eq!(Personal::<Common>::from(text).seen(Sight::Masked).as_deref(), Some(text));
        assert_eq!(Personal::<Private>::from(text).seen(Sight::Masked), None);
        assert_eq!(Personal::<FreeText>::from(text).seen(Sight::Masked).as_deref(), Some("ring ****"));
        assert_eq!(Personal::<Private>::from(text).seen(Sight::Plain).as_deref(), Some(text));
        assert_eq!(format!("{:?}", Personal::<Common>::from(text)), "****");
    }
}
