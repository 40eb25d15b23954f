//! Values that come from files and are reloaded when the files change.
//!
//! Files are polled. Their directories may be Kubernetes volumes, which are updated by swapping symbolic links, and a
//! notification about those is easily missed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use parking_lot::{Mutex, RwLock};

use super::error::{ConfigErrors, InvalidValue};
use super::file::{BoundedFile, Contents, FileError};

/// A value that comes from files, or a fixed one. Clones share state: a reload changes the value of all.
pub struct Loaded<T>(Arc<Inner<T>>);

struct Inner<T> {
    /// The configuration key of the value.
    key: String,
    value: RwLock<Arc<T>>,
    /// `None` for a fixed value.
    source: Option<FileSource<T>>,
}

/// The files that a value comes from.
struct FileSource<T> {
    files: Vec<WatchedFile>,
    parse: Parse<T>,
    seen: Mutex<Seen>,
}

/// A file, and the configuration key with its path.
#[derive(Debug, Clone)]
pub(super) struct WatchedFile {
    pub(super) key: String,
    pub(super) file: BoundedFile,
}

/// Makes a value of the contents of all files, in their order.
type Parse<T> = Box<dyn Fn(&[Contents]) -> Result<T, ConfigErrors> + Send + Sync>;

/// Digests of the contents of all files, to find out whether they have changed.
struct Seen {
    /// Of the value in use.
    in_use: Digest,
    /// Of the last poll, if it had new contents.
    pending: Option<Digest>,
}

type Digest = [u8; 32];

/// The result of polling files.
#[derive(Debug, Clone, PartialEq)]
pub enum ReloadOutcome {
    /// The files have not changed, or there are none.
    Unchanged,
    /// The files have new contents, which are used if the next poll finds the same.
    Pending,
    /// The value of the new contents is in use from now on.
    Reloaded,
    /// The files cannot be used. The previous value stays in use.
    Rejected(ConfigErrors),
}

/// A value that can be reloaded.
pub trait Reload: fmt::Debug + Send + Sync + 'static {
    /// The configuration key of the value.
    fn key(&self) -> &str;

    /// Whether the value comes from files.
    fn has_files(&self) -> bool;

    /// Polls the files. New contents are used when two consecutive polls find them; see [`ReloadOutcome`]. Blocks until the
    /// files are read, or for a few seconds if they cannot be.
    fn reload(&self) -> ReloadOutcome;
}

impl WatchedFile {
    pub(super) fn new(key: &str, path: PathBuf) -> Self {
        Self { key: key.to_owned(), file: BoundedFile::new(path) }
    }
}

impl<T> Loaded<T> {
    /// The value of one text file.
    #[expect(clippy::expect_used, reason = "contents are those of all files, and there is one")]
    pub(super) fn read(
        key: &str,
        path: PathBuf,
        parse: impl Fn(&str) -> Result<T, InvalidValue> + Send + Sync + 'static,
    ) -> Result<Self, ConfigErrors> {
        let file = WatchedFile::new(key, path.clone());
        let name = key.to_owned();
        Self::read_all(key, vec![file], move |contents| {
            let text = std::str::from_utf8(contents.first().expect("one file was read"));
            let text = text.map_err(|_| InvalidValue::file(&path, FileError::NotText));
            text.and_then(&parse).map_err(|reason| ConfigErrors::one(&name, reason))
        })
    }

    /// The value of several files, each with a configuration key of its own.
    pub(super) fn read_all(
        key: &str,
        files: Vec<WatchedFile>,
        parse: impl Fn(&[Contents]) -> Result<T, ConfigErrors> + Send + Sync + 'static,
    ) -> Result<Self, ConfigErrors> {
        let (contents, digest) = read(&files)?;
        let value = parse(&contents)?;
        let seen = Mutex::new(Seen { in_use: digest, pending: None });
        Ok(Self::new(key, value, Some(FileSource { files, parse: Box::new(parse), seen })))
    }

    /// A fixed value.
    pub(crate) fn given(key: &str, value: T) -> Self {
        Self::new(key, value, None)
    }

    fn new(key: &str, value: T, source: Option<FileSource<T>>) -> Self {
        Self(Arc::new(Inner { key: key.to_owned(), value: RwLock::new(Arc::new(value)), source }))
    }

    /// The value in use.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.value.read())
    }
}

impl<T: Send + Sync + 'static> Reload for Loaded<T> {
    fn key(&self) -> &str {
        &self.0.key
    }

    fn has_files(&self) -> bool {
        self.0.source.as_ref().is_some_and(|source| !source.files.is_empty())
    }

    fn reload(&self) -> ReloadOutcome {
        let Some(FileSource { files, parse, seen }) = &self.0.source else { return ReloadOutcome::Unchanged };
        let mut seen = seen.lock();
        let pending = seen.pending.take();
        let (contents, digest) = match read(files) {
            Ok(read) => read,
            Err(errors) => return ReloadOutcome::Rejected(errors),
        };
        if digest == seen.in_use {
            return ReloadOutcome::Unchanged;
        }
        // A half-written file may parse. Debounce: accept new contents only when two consecutive polls read the same bytes.
        seen.pending = Some(digest);
        if pending != Some(digest) {
            return ReloadOutcome::Pending;
        }
        match parse(&contents) {
            Ok(value) => {
                *self.0.value.write() = Arc::new(value);
                seen.in_use = digest;
                ReloadOutcome::Reloaded
            }
            Err(errors) => ReloadOutcome::Rejected(errors),
        }
    }
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Without the value, which may be secret.
impl<T> fmt::Debug for Loaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("key", &self.0.key).finish_non_exhaustive()
    }
}

/// Reads all files and digests their contents, each after its length, so that bytes cannot move between files unnoticed.
fn read(files: &[WatchedFile]) -> Result<(Vec<Contents>, Digest), ConfigErrors> {
    let mut context = Context::new(&SHA256);
    let mut contents = Vec::with_capacity(files.len());
    let mut errors = ConfigErrors::default();
    for WatchedFile { key, file } in files {
        let Some(bytes) = errors.ok_or_report(key, file.read().map_err(|reason| InvalidValue::file(file.path(), reason)))
        else {
            continue;
        };
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(&bytes);
        contents.push(bytes);
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(context.finish().as_ref());
    errors.into_result((contents, digest))
}
