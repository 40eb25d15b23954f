//! PII (personal data) and how it is masked.
//!
//! A field with PII has the type [`Pii`], whose parameter is the kind. The kind alone decides what a principal without the scope
//! `personal-data:read` sees, and how the OpenAPI document describes and annotates the member (`x-personal-data`). `Debug`
//! never prints the text, so it cannot reach a log by accident: the only access is [`Pii::expose`], which a reviewer can search
//! for.

mod email;
mod normalized;
mod numbers;
mod redact;
mod upstream_message;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use super::ShortText;
pub use redact::mask_personal_data;
pub use upstream_message::UpstreamMessage;

/// Whether a principal may read PII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PiiAccess {
    /// Unmasked.
    Full,
    /// Masked according to its kind.
    Masked,
}

/// A text with PII of kind `K`. `Debug` prints `****`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pii<K>(ShortText, PhantomData<K>);

/// A kind of PII.
pub trait PiiKind: Copy + Eq + Send + Sync + 'static {
    /// Name of the kind's OpenAPI schema.
    const NAME: &'static str;

    /// Description in the OpenAPI document: what a principal without `personal-data:read` sees.
    const DESCRIPTION: &'static str;

    /// The masked text; `None` when the member is omitted.
    fn mask(text: &str) -> Option<Cow<'_, str>>;

    /// The text as a principal with this access sees it.
    #[must_use]
    fn view(text: &str, pii_access: PiiAccess) -> Option<Cow<'_, str>> {
        match pii_access {
            PiiAccess::Full => Some(text.into()),
            PiiAccess::Masked => Self::mask(text),
        }
    }
}

/// Shown to every principal, but never logged: names, cities. The DTOs mask numbers and addresses in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Common;

/// Omitted: contact details and messages of customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Private;

/// A personal identity number; the date of birth stays visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityNumber;

/// A text that may contain PII, which is redacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    const DESCRIPTION: &'static str =
        "Without the scope `personal-data:read` only the date of birth is shown: `19121212-****`.";

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

/// The longest text that is searched for personal data, in bytes. A longer one is masked as a whole.
const MAX_SEARCHED: usize = 64 * 1024;

impl PiiKind for FreeText {
    const NAME: &'static str = "FreeText";
    const DESCRIPTION: &'static str =
        "Without the scope `personal-data:read`, identity numbers, e-mail addresses and phone numbers in it are `****`.";

    fn mask(text: &str) -> Option<Cow<'_, str>> {
        // Searching takes many times the memory of the text. No log entry is as long.
        if text.len() > MAX_SEARCHED { Some("****".into()) } else { Some(mask_personal_data(text).into()) }
    }
}

impl<K: PiiKind> Pii<K> {
    /// The unmasked text, for the upstream and for principals that may read it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text as a principal with this access sees it; `None` when it is omitted.
    #[must_use]
    pub fn view(&self, pii_access: PiiAccess) -> Option<Cow<'_, str>> {
        K::view(self.expose(), pii_access)
    }
}

impl<K> From<String> for Pii<K> {
    fn from(text: String) -> Self {
        Self(text.into(), PhantomData)
    }
}

impl<K> From<&str> for Pii<K> {
    fn from(text: &str) -> Self {
        Self(text.into(), PhantomData)
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
    fn masked_identity_numbers_keep_the_date() {
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
    fn text_that_is_too_long_to_be_searched_is_masked_as_a_whole() {
        let text = "å ".repeat(MAX_SEARCHED / 3);
        assert_eq!(FreeText::mask(&text).as_deref(), Some(&*text));
        assert_eq!(FreeText::mask(&(text + "xyz")).as_deref(), Some("****"));
    }

    #[test]
    fn kinds_are_masked_without_access_and_in_debug() {
        let text = "ring 0701740605";

        assert_eq!(Pii::<Common>::from(text).view(PiiAccess::Masked).as_deref(), Some(text));
        assert_eq!(Pii::<Private>::from(text).view(PiiAccess::Masked), None);
        assert_eq!(Pii::<FreeText>::from(text).view(PiiAccess::Masked).as_deref(), Some("ring ****"));
        assert_eq!(Pii::<Private>::from(text).view(PiiAccess::Full).as_deref(), Some(text));
        assert_eq!(format!("{:?}", Pii::<Common>::from(text)), "****");
    }
}
