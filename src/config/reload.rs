//! Values that are made of files, and made anew when the files change.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::digest::{Context, SHA256};
use secrecy::zeroize::Zeroizing;

use super::settings::ConfigError;

/// A value that is made of files, or was given as it is. Clones are the same one, also when its files have changed.
pub struct Loaded<T>(Arc<Inner<T>>);

struct Inner<T> {
    /// The key that it is configured by.
    key: String,
    files: Vec<WatchedFile>,
    parse: Parse<T>,
    state: RwLock<State<T>>,
    /// What its files held at the last look, when that was something new.
    candidate: Mutex<Option<Fingerprint>>,
}

/// A file, and the key that names it.
#[derive(Debug, Clone)]
pub(super) struct WatchedFile {
    pub(super) key: String,
    pub(super) path: PathBuf,
}

/// Makes the value of what stands in the files.
type Parse<T> = Box<dyn Fn(&[Contents]) -> Result<T, ConfigErrors> + Send + Sync>;

/// What stands in a file. It may be secret.
pub type Contents = Zeroizing<Vec<u8>>;

struct State<T> {
    value: Arc<T>,
    /// What its files held, to see whether they have changed.
    seen: Fingerprint,
}

type Fingerprint = [u8; 32];

/// What came of reading files anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// They hold what they held, or there are none.
    Unchanged,
    /// They hold something else. It counts if it is there at the next look too.
    Pending,
    /// They hold something else, which is used from now on.
    Reloaded,
    /// They cannot be used; the value from before stays.
    Rejected(String),
}

/// Something that can be read anew.
pub trait Reload: fmt::Debug + Send + Sync + 'static {
    /// The key that it is configured by.
    fn key(&self) -> &str;

    /// Whether there is any file that it could be read from.
    fn has_files(&self) -> bool;

    /// Reads its files anew. What is new in them is used at the second look that finds it, so that files that are being written
    /// change nothing; nor do files that cannot be used.
    fn reload(&self) -> ReloadOutcome;
}

impl<T> Loaded<T> {
    /// The value that these files hold.
    pub(super) fn read(
        key: &str,
        files: Vec<PathBuf>,
        parse: impl Fn(&[Contents]) -> Result<T, ConfigError> + Send + Sync + 'static,
    ) -> Result<Self, ConfigError> {
        let files = files.into_iter().map(|path| WatchedFile { key: key.to_owned(), path }).collect();
        let name = key.to_owned();
        let parse = move |contents: &[Contents]| parse(contents).map_err(|misfit| ConfigErrors::one(&name, misfit));
        Self::read_all(key, files, parse).map_err(|misfits| misfits.told_after(key))
    }

    /// The same for files that have keys of their own.
    pub(super) fn read_all(
        key: &str,
        files: Vec<WatchedFile>,
        parse: impl Fn(&[Contents]) -> Result<T, ConfigErrors> + Send + Sync + 'static,
    ) -> Result<Self, ConfigErrors> {
        let (contents, seen) = read(&files)?;
        let state = State { value: Arc::new(parse(&contents)?), seen };
        Ok(Self(Arc::new(Inner {
            key: key.to_owned(),
            files,
            parse: Box::new(parse),
            state: RwLock::new(state),
            candidate: Mutex::default(),
        })))
    }

    /// A value that was given as it is.
    pub(crate) fn given(key: &str, value: T) -> Self {
        let state = State { value: Arc::new(value), seen: Fingerprint::default() };
        let parse: Parse<T> = Box::new(|_| Err(ConfigErrors::default()));
        Self(Arc::new(Inner {
            key: key.to_owned(),
            files: Vec::new(),
            parse,
            state: RwLock::new(state),
            candidate: Mutex::default(),
        }))
    }

    /// The value as it is now.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.state.read().unwrap_or_else(PoisonError::into_inner).value)
    }
}

impl<T: Send + Sync + 'static> Reload for Loaded<T> {
    fn key(&self) -> &str {
        &self.0.key
    }

    fn has_files(&self) -> bool {
        !self.0.files.is_empty()
    }

    fn reload(&self) -> ReloadOutcome {
        let Inner { key, files, parse, state, candidate } = &*self.0;
        if files.is_empty() {
            return ReloadOutcome::Unchanged;
        }
        // Half of a secret, of a list or of a chain is one too: what is new must be there at two looks in a row.
        let mut candidate = candidate.lock().unwrap_or_else(PoisonError::into_inner);
        let before = candidate.take();
        let (contents, seen) = match read(files) {
            Ok(read) => read,
            Err(misfits) => return ReloadOutcome::Rejected(misfits.told_after(key)),
        };
        if state.read().unwrap_or_else(PoisonError::into_inner).seen == seen {
            return ReloadOutcome::Unchanged;
        }
        *candidate = Some(seen);
        if before != Some(seen) {
            return ReloadOutcome::Pending;
        }
        match parse(&contents) {
            Ok(value) => {
                *state.write().unwrap_or_else(PoisonError::into_inner) = State { value: Arc::new(value), seen };
                ReloadOutcome::Reloaded
            }
            Err(misfits) => ReloadOutcome::Rejected(misfits.told_after(key)),
        }
    }
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The value may be secret.
impl<T> fmt::Debug for Loaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("key", &self.0.key).finish_non_exhaustive()
    }
}

/// What does not fit, each by the key of its file: all of it is told at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ConfigErrors(Vec<(String, ConfigError)>);

impl ConfigErrors {
    pub(super) fn one(key: &str, misfit: ConfigError) -> Self {
        Self(vec![(key.to_owned(), misfit)])
    }

    /// Notes what does not fit, and passes on what does.
    pub(super) fn note<T>(&mut self, key: &str, outcome: Result<T, impl fmt::Display>) -> Option<T> {
        outcome.map_err(|misfit| self.0.push((key.to_owned(), misfit.to_string()))).ok()
    }

    /// The value, when there is nothing that does not fit.
    pub(super) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// Each as it is told at start.
    pub(super) fn into_faults(self) -> impl Iterator<Item = (String, ConfigError)> {
        self.0.into_iter()
    }

    /// All of them as they are told after this key.
    fn told_after(&self, key: &str) -> String {
        let told =
            |(other, misfit): &(String, ConfigError)| if other == key { misfit.clone() } else { format!("{other} {misfit}") };
        self.0.iter().map(told).collect::<Vec<_>>().join("; ")
    }
}

fn read(files: &[WatchedFile]) -> Result<(Vec<Contents>, Fingerprint), ConfigErrors> {
    let mut digest = Context::new(&SHA256);
    let mut contents = Vec::with_capacity(files.len());
    let mut misfits = ConfigErrors::default();
    for WatchedFile { key, path } in files {
        let bytes = std::fs::read(path).map_err(|error| format!("names a file that cannot be read: {error}"));
        let Some(bytes) = misfits.note(key, bytes) else { continue };
        digest.update(&(bytes.len() as u64).to_be_bytes());
        digest.update(&bytes);
        contents.push(Zeroizing::new(bytes));
    }
    let mut seen = Fingerprint::default();
    seen.copy_from_slice(digest.finish().as_ref());
    misfits.or((contents, seen))
}
