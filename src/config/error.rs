//! Errors of the configuration: all of them are reported, each with its key.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use super::file::FileError;
use crate::charset::UnknownCharset;
use crate::model::UnknownZone;
use crate::tls::TlsError;

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConfigErrors(Vec<ConfigError>);

/// One error of a configuration.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A key is missing, unknown, or has an invalid value.
    #[error("{key} {reason}")]
    Key {
        /// The full key, such as `server.listen`.
        key: String,
        /// What is wrong with its value.
        #[source]
        reason: InvalidValue,
    },
    /// The configuration file cannot be read.
    #[error("{} cannot be read: {reason}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// Why.
        #[source]
        reason: FileError,
    },
    /// The configuration file is not valid TOML.
    #[error("{} is not valid TOML, line {line}: {message}", path.display())]
    Toml {
        /// The path of the file.
        path: PathBuf,
        /// Line of the error, from 1.
        line: usize,
        /// The message of the parser, without the text of the file.
        message: String,
    },
}

/// What is wrong with a value: a phrase that follows the key. It never contains the value, which may be secret.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidValue {
    /// The key is required.
    #[error("is missing: {0}")]
    Missing(Cow<'static, str>),
    /// The key does not exist in this version. With the key that was probably meant, if one is similar.
    #[error("is not a key of this version{}", .0.as_ref().map(|key| format!(": did you mean `{key}`?")).unwrap_or_default())]
    UnknownKey(Option<String>),
    /// The value has the wrong form or is out of range.
    #[error("must be {0}")]
    Expected(Cow<'static, str>),
    /// The value does not go together with another key.
    #[error("{0}")]
    Conflict(Cow<'static, str>),
    /// A list has an empty element.
    #[error("has an element that is empty or not a scalar")]
    EmptyElement,
    /// A file that the key names cannot be read.
    #[error("names a file that cannot be read: {}{reason}", path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default())]
    File {
        /// The path, if it can be nothing else; see [`InvalidValue::file`].
        path: Option<String>,
        /// Why.
        #[source]
        reason: FileError,
    },
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The charset is not supported.
    #[error(transparent)]
    Charset(#[from] UnknownCharset),
    /// The time zone does not exist.
    #[error(transparent)]
    Zone(#[from] UnknownZone),
}

impl InvalidValue {
    pub(super) const fn expected(what: &'static str) -> Self {
        Self::Expected(Cow::Borrowed(what))
    }

    /// A file that cannot be read, with its path. A secret that was given in the wrong key, without `_file`, looks like a relative
    /// path, so these are shown only if their folder exists.
    pub(super) fn file(path: &Path, reason: FileError) -> Self {
        let has_folder = path.parent().is_some_and(|folder| folder != Path::new("") && folder.is_dir());
        let is_path = path.is_absolute() || has_folder;
        Self::File { path: is_path.then(|| path.display().to_string()), reason }
    }
}

impl ConfigErrors {
    /// One error of one key.
    pub(super) fn one(key: &str, reason: impl Into<InvalidValue>) -> Self {
        let mut errors = Self::default();
        errors.report(key, reason);
        errors
    }

    pub(crate) fn report(&mut self, key: &str, reason: impl Into<InvalidValue>) {
        let error = ConfigError::Key { key: key.to_owned(), reason: reason.into() };
        if !self.0.contains(&error) {
            self.0.push(error);
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The value, or its error, which is reported for the key.
    pub(super) fn ok_or_report<T>(&mut self, key: &str, result: Result<T, impl Into<InvalidValue>>) -> Option<T> {
        result.map_err(|reason| self.report(key, reason)).ok()
    }

    /// The value, if there is no error.
    pub(crate) fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All errors on one line, for the log.
    #[must_use]
    pub fn to_line(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

/// A headline, and each error on a line of its own.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not valid:")?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for ConfigErrors {}
