//! Secrets, given as they are or in a file that is read anew when it changes.

use std::fmt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::reload::{Loaded, Reload, ReloadOutcome};
use super::settings::ConfigError;

/// A secret. Clones are the same one, also when its file has changed. Never shown.
#[derive(Clone)]
pub struct Secret(Loaded<SecretString>);

/// The longest secret, in characters.
const MAX_LENGTH: usize = 1_000;

impl Secret {
    /// The secret in a file, of so many characters at least, also when it is read anew.
    pub(super) fn read(key: &str, file: &Path, min_length: usize) -> Result<Self, ConfigError> {
        let secret = Loaded::read(key, vec![file.to_owned()], move |contents| {
            let text = contents.first().and_then(|bytes| std::str::from_utf8(bytes).ok());
            parse(text.unwrap_or_default(), min_length)
        });
        secret.map(Self)
    }

    /// A secret that was given as it is, of so many characters at least.
    pub(super) fn parse(key: &str, text: &str, min_length: usize) -> Result<Self, ConfigError> {
        parse(text, min_length).map(|secret| Self(Loaded::given(key, secret)))
    }

    /// Shows the secret to whoever needs it.
    pub fn with<T>(&self, see: impl FnOnce(&str) -> T) -> T {
        see(self.0.get().expose_secret())
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

/// A secret without a file, as programs make one.
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

/// Editors leave a byte order mark before a secret, and a line end after it. Credentials travel in lines of a request.
fn parse(text: &str, min_length: usize) -> Result<SecretString, ConfigError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let fits = (min_length..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.into()).ok_or_else(|| format!("must be {min_length} to {MAX_LENGTH} visible ASCII characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_anew_and_an_unusable_one_changes_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("\u{feff}first\r\n");
        let secret = Secret::read("server.secret", file.path(), 5).unwrap();
        let other = secret.clone();
        assert_eq!((secret.with(str::to_owned), secret.reload()), ("first".to_owned(), ReloadOutcome::Unchanged));
        for unusable in ["", "  \n", "två ord", "four", &"x".repeat(1_001)] {
            write(unusable);
            assert_eq!(secret.reload(), ReloadOutcome::Pending, "it may be half written");
            assert!(matches!(secret.reload(), ReloadOutcome::Rejected(_)), "{unusable}");
            assert_eq!(secret.with(str::to_owned), "first");
        }
        write("second_but_more_is_to_co");
        assert_eq!(secret.reload(), ReloadOutcome::Pending);
        write("second\n");
        assert_eq!(secret.reload(), ReloadOutcome::Pending);
        assert_eq!((secret.reload(), other.with(str::to_owned)), (ReloadOutcome::Reloaded, "second".to_owned()));
        drop(file);
        assert!(matches!(secret.reload(), ReloadOutcome::Rejected(_)));
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn what_is_new_must_be_there_at_two_looks_in_a_row() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("first");
        let secret = Secret::read("server.secret", file.path(), 5).unwrap();
        for (text, reread) in
            [("second", ReloadOutcome::Pending), ("first", ReloadOutcome::Unchanged), ("second", ReloadOutcome::Pending)]
        {
            write(text);
            assert_eq!(secret.reload(), reread, "{text}");
        }
        assert_eq!(secret.reload(), ReloadOutcome::Reloaded);
    }
}
