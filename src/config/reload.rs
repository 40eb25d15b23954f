//! Values that are made of files, and made anew when the files change.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{Context, SHA256};
use secrecy::zeroize::Zeroizing;

use super::settings::Misfit;

/// A value that is made of files, or was given as it is. Clones are the same one, also when its files have changed.
pub struct Loaded<T>(Arc<Inner<T>>);

struct Inner<T> {
    /// The key that it is configured by.
    key: String,
    files: Vec<PathBuf>,
    parse: Parse<T>,
    state: RwLock<State<T>>,
}

/// Makes the value of what stands in the files.
type Parse<T> = Box<dyn Fn(&[Contents]) -> Result<T, Misfit> + Send + Sync>;

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
pub enum Reread {
    /// They hold what they held, or there are none.
    Same,
    /// They hold something else, which is used from now on.
    Changed,
    /// They cannot be used; the value from before stays.
    Unusable(String),
}

/// Something that can be read anew.
pub trait Reload: fmt::Debug + Send + Sync + 'static {
    /// The key that it is configured by.
    fn key(&self) -> &str;

    /// Reads its files anew. Files that are being written, or cannot be used, change nothing.
    fn reread(&self) -> Reread;
}

impl<T> Loaded<T> {
    /// The value that these files hold.
    pub(super) fn read(
        key: &str,
        files: Vec<PathBuf>,
        parse: impl Fn(&[Contents]) -> Result<T, Misfit> + Send + Sync + 'static,
    ) -> Result<Self, Misfit> {
        let (contents, seen) = read(&files)?;
        let state = State { value: Arc::new(parse(&contents)?), seen };
        Ok(Self(Arc::new(Inner { key: key.to_owned(), files, parse: Box::new(parse), state: RwLock::new(state) })))
    }

    /// A value that was given as it is.
    pub(super) fn given(key: &str, value: T) -> Self {
        let state = State { value: Arc::new(value), seen: Fingerprint::default() };
        let parse: Parse<T> = Box::new(|_| Err(String::new()));
        Self(Arc::new(Inner { key: key.to_owned(), files: Vec::new(), parse, state: RwLock::new(state) }))
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

    fn reread(&self) -> Reread {
        let Inner { files, parse, state, .. } = &*self.0;
        if files.is_empty() {
            return Reread::Same;
        }
        let (contents, seen) = match read(files) {
            Ok(read) => read,
            Err(misfit) => return Reread::Unusable(misfit),
        };
        if state.read().unwrap_or_else(PoisonError::into_inner).seen == seen {
            return Reread::Same;
        }
        match parse(&contents) {
            Ok(value) => {
                *state.write().unwrap_or_else(PoisonError::into_inner) = State { value: Arc::new(value), seen };
                Reread::Changed
            }
            Err(misfit) => Reread::Unusable(misfit),
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

fn read(files: &[PathBuf]) -> Result<(Vec<Contents>, Fingerprint), Misfit> {
    let mut digest = Context::new(&SHA256);
    let mut contents = Vec::with_capacity(files.len());
    for file in files {
        let bytes = std::fs::read(file).map_err(|error| format!("names a file that cannot be read: {error}"))?;
        digest.update(&(bytes.len() as u64).to_be_bytes());
        digest.update(&bytes);
        contents.push(Zeroizing::new(bytes));
    }
    let mut seen = Fingerprint::default();
    seen.copy_from_slice(digest.finish().as_ref());
    Ok((contents, seen))
}
