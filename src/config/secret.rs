//! Secrets, given as they are or in a file that is read anew when it changes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};

/// A secret. Clones are the same one, also when its file has changed. Never shown.
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

struct Inner {
    /// The key that it is configured by.
    key: String,
    file: Option<PathBuf>,
    value: RwLock<SecretString>,
}

/// What came of reading a secret's file anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reread {
    /// It is what it was, or there is no file.
    Same,
    /// There is another secret in it, which is used from now on.
    Changed,
    /// It cannot be used; the secret from before stays.
    Unusable(String),
}

/// The longest secret, in characters.
const MAX_LENGTH: usize = 1_000;

impl Secret {
    /// The secret in a file.
    pub(super) fn read(key: &str, file: &Path) -> Result<Self, String> {
        let value = read(file)?;
        Ok(Self(Arc::new(Inner { key: key.to_owned(), file: Some(file.to_owned()), value: RwLock::new(value) })))
    }

    /// A secret that was given as it is.
    pub(super) fn parse(key: &str, text: &str) -> Result<Self, String> {
        let value = parse(text)?;
        Ok(Self(Arc::new(Inner { key: key.to_owned(), file: None, value: RwLock::new(value) })))
    }

    /// The key that it is configured by.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// Shows the secret to whoever needs it.
    pub fn with<T>(&self, see: impl FnOnce(&str) -> T) -> T {
        see(self.0.value.read().unwrap_or_else(PoisonError::into_inner).expose_secret())
    }

    /// Reads its file anew.
    #[must_use]
    pub fn reread(&self) -> Reread {
        let Some(file) = &self.0.file else { return Reread::Same };
        match read(file) {
            Err(misfit) => Reread::Unusable(misfit),
            Ok(value) if self.with(|known| known == value.expose_secret()) => Reread::Same,
            Ok(value) => {
                *self.0.value.write().unwrap_or_else(PoisonError::into_inner) = value;
                Reread::Changed
            }
        }
    }
}

/// A secret without a file, as programs make one.
impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(Arc::new(Inner { key: String::new(), file: None, value: RwLock::new(text.into()) }))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

fn read(file: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("names a file that cannot be read: {error}"))?;
    parse(&text)
}

/// Editors leave a byte order mark before a secret, and a line end after it. Credentials travel in lines of a request.
fn parse(text: &str) -> Result<SecretString, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let fits = !text.is_empty() && text.len() <= MAX_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.into()).ok_or_else(|| format!("must be 1 to {MAX_LENGTH} visible ASCII characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_anew_and_an_unusable_one_changes_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("\u{feff}first\r\n");
        let secret = Secret::read("server.secret", file.path()).unwrap();
        let other = secret.clone();
        assert_eq!((secret.with(str::to_owned), secret.reread()), ("first".to_owned(), Reread::Same));
        for unusable in ["", "  \n", "två ord", &"x".repeat(1_001)] {
            write(unusable);
            assert!(matches!(secret.reread(), Reread::Unusable(_)), "{unusable}");
            assert_eq!(secret.with(str::to_owned), "first");
        }
        write("second\n");
        assert_eq!((secret.reread(), other.with(str::to_owned)), (Reread::Changed, "second".to_owned()));
        drop(file);
        assert!(matches!(secret.reread(), Reread::Unusable(_)));
        assert_eq!(format!("{secret:?}"), "Secret");
    }
}
