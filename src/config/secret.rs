//! Secrets, given directly or in a file that is reloaded when it changes.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::error::{ConfigErrors, InvalidValue};
use super::reload::{Loaded, Reload, ReloadOutcome};

/// A secret. Clones share state: a reload changes all. `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(Loaded<SecretString>);

/// In characters.
const MAX_LENGTH: usize = 1_000;

impl Secret {
    /// The secret in a file. It has at least `min_length` characters, also after a reload.
    pub(super) fn read(key: &str, path: PathBuf, min_length: usize) -> Result<Self, ConfigErrors> {
        Loaded::read(key, path, move |text| parse(text, min_length)).map(Self)
    }

    /// A secret of at least `min_length` characters that was given directly.
    pub(super) fn parse(key: &str, text: &str, min_length: usize) -> Result<Self, InvalidValue> {
        parse(text, min_length).map(|secret| Self(Loaded::given(key, secret)))
    }

    /// Calls a function with the secret, which must not keep it.
    pub fn with<T>(&self, use_secret: impl FnOnce(&str) -> T) -> T {
        use_secret(self.0.get().expose_secret())
    }
}

impl Reload for Secret {
    fn key(&self) -> &str {
        self.0.key()
    }

    fn has_files(&self) -> bool {
        self.0.has_files()
    }

    fn reload(&self) -> ReloadOutcome {
        self.0.reload()
    }
}

/// A fixed secret without a configuration key.
impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(Loaded::given("", text.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Removes what editors add, a byte order mark and line ends. Only printable ASCII is valid, because credentials are sent in
/// URLs and headers.
fn parse(text: &str, min_length: usize) -> Result<SecretString, InvalidValue> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if !(min_length..=MAX_LENGTH).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = format!("{min_length} to {MAX_LENGTH} printable ASCII characters without spaces");
        return Err(InvalidValue::Expected(what.into()));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of this test, and the secret in it.
    fn secret_file(text: &str) -> (tempfile::NamedTempFile, Secret) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let secret = Secret::read("server.secret", file.path().to_owned(), 5).unwrap();
        (file, secret)
    }

    #[test]
    fn secret_is_reloaded_for_all_clones() {
        let (file, secret) = secret_file("\u{feff}first\r\n");
        let clone = secret.clone();
        assert_eq!((secret.with(str::to_owned), secret.reload()), ("first".to_owned(), ReloadOutcome::Unchanged));

        std::fs::write(file.path(), "second\n").unwrap();

        assert_eq!(secret.reload(), ReloadOutcome::Pending);
        assert_eq!(secret.reload(), ReloadOutcome::Reloaded);
        assert_eq!(clone.with(str::to_owned), "second");
    }

    #[test]
    fn unusable_file_keeps_the_secret() {
        let (file, secret) = secret_file("first");
        for unusable in ["", "  \n", "två ord", "four", &"x".repeat(1_001)] {
            std::fs::write(file.path(), unusable).unwrap();
            assert_eq!(secret.reload(), ReloadOutcome::Pending, "it may be half written");
            assert!(matches!(secret.reload(), ReloadOutcome::Rejected(_)), "{unusable}");
        }

        drop(file);

        assert!(matches!(secret.reload(), ReloadOutcome::Rejected(_)));
        assert_eq!(secret.with(str::to_owned), "first");
    }

    #[test]
    fn new_contents_must_be_stable_for_two_polls() {
        let (file, secret) = secret_file("first");

        for (text, outcome) in [
            ("second_but_more_is_to_co", ReloadOutcome::Pending),
            ("second", ReloadOutcome::Pending),
            ("first", ReloadOutcome::Unchanged),
            ("second", ReloadOutcome::Pending),
        ] {
            std::fs::write(file.path(), text).unwrap();
            assert_eq!(secret.reload(), outcome, "{text}");
        }

        assert_eq!(secret.reload(), ReloadOutcome::Reloaded);
    }

    #[test]
    fn debug_does_not_show_the_secret() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret");
    }
}
