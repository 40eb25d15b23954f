//! Personal data: what of them is shown to whom.
//!
//! A field of the model that is about a person has a [`Personal`] type, and that type is the only place where is said what
//! becomes of it. From it follow what callers see who may not see personal data, the mark `x-personal-data` in the OpenAPI
//! document, and that no log ever shows it: there is no way to its text but [`Personal::expose`], which names itself.

mod redact;
mod upstream_message;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

pub use redact::mask_personal_data;
pub use upstream_message::UpstreamMessage;

/// Whether somebody may see personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PiiAccess {
    /// All of them, as they are.
    Full,
    /// What a kind of them leaves to be seen.
    Masked,
}

/// A text about a person; `K` is what kind of text. Never shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Pii<K>(String, PhantomData<K>);

/// A kind of personal data.
pub trait PiiKind: Copy + Eq + Send + Sync + 'static {
    /// The name of its schema.
    const NAME: &'static str;

    /// What becomes of it without the scope `personal-data:read`, for those who read the API's document.
    const DESCRIPTION: &'static str;

    /// What is shown to those who may not see it; `None` when it is left out.
    fn mask(text: &str) -> Option<Cow<'_, str>>;

    /// What somebody sees of a text of this kind.
    #[must_use]
    fn seen(text: &str, sight: PiiAccess) -> Option<Cow<'_, str>> {
        match sight {
            PiiAccess::Full => Some(text.into()),
            PiiAccess::Masked => Self::mask(text),
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

impl PiiKind for Common {
    const NAME: &'static str = "Common";
    const DESCRIPTION: &'static str = "";

    fn mask(text: &str) -> Option<Cow<'_, str>> {
        Some(text.into())
    }
}

impl PiiKind for Private {
    const NAME: &'static str = "Private";
    const DESCRIPTION: &'static str = "Absent without the scope `personal-data:read`.";

    fn mask(_: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl PiiKind for IdentityNumber {
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

impl PiiKind for FreeText {
    const NAME: &'static str = "FreeText";
    const DESCRIPTION: &'static str =
        "Without the scope `personal-data:read` identity numbers, e-mail addresses and phone numbers in it are `****`.";

    fn mask(text: &str) -> Option<Cow<'_, str>> {
        Some(mask_personal_data(text).into())
    }
}

impl<K: PiiKind> Pii<K> {
    /// The text as it is, for the order system and for those who may see it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What somebody sees of it.
    #[must_use]
    pub fn view(&self, sight: PiiAccess) -> Option<Cow<'_, str>> {
        K::seen(self.expose(), sight)
    }
}

impl<K> From<String> for Pii<K> {
    fn from(text: String) -> Self {
        Self(text, PhantomData)
    }
}

impl<K> From<&str> for Pii<K> {
    fn from(text: &str) -> Self {
        Self(text.to_owned(), PhantomData)
    }
}

impl<K> fmt::Debug for Pii<K> {
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
            assert_eq!(Pii::<IdentityNumber>::from(number).view(PiiAccess::Masked).as_deref(), Some(masked), "{number}");
        }
    }

    #[test]
    fn each_kind_is_plain_to_those_who_may_see_it_and_never_in_a_log() {
        let text = "ring 0701740605";
        assert_eq!(Pii::<Common>::from(text).view(PiiAccess::Masked).as_deref(), Some(text));
        assert_eq!(Pii::<Private>::from(text).view(PiiAccess::Masked), None);
        assert_eq!(Pii::<FreeText>::from(text).view(PiiAccess::Masked).as_deref(), Some("ring ****"));
        assert_eq!(Pii::<Private>::from(text).view(PiiAccess::Full).as_deref(), Some(text));
        assert_eq!(format!("{:?}", Pii::<Common>::from(text)), "****");
    }
}
