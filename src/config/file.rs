//! Reading configured files: secrets, certificates and the configuration file.
//!
//! A path may lead to anything: a pipe without a writer, a device without an end, a huge file, or a network file system that
//! does not respond. So only regular files up to a limit are read, each in a thread of its own and within a time limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use secrecy::zeroize::Zeroizing;

/// The contents of a file. They may be secret.
pub type Contents = Zeroizing<Vec<u8>>;

/// A file that is read again and again. Clones share the read that is under way.
#[derive(Debug, Clone)]
pub(super) struct BoundedFile {
    path: Arc<Path>,
    /// Set while a thread reads. A read that never ends must not be followed by another one at every poll.
    is_being_read: Arc<AtomicBool>,
}

/// Why a file cannot be read. Errors are equal when the operating system gives the same reason.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FileError {
    /// The error of the operating system.
    #[error(transparent)]
    Io(Arc<io::Error>),
    /// A directory, a pipe, a device or a socket.
    #[error("it is not a regular file")]
    NotRegular,
    /// More than 1 MiB.
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// Reading takes too long, as on a network file system that does not respond.
    #[error("it was not read within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// Not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
}

/// More than any certificate bundle of an operating system has.
const MAX_BYTES: u64 = 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(2);

impl BoundedFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path: path.into(), is_being_read: Arc::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The contents, after at most two seconds. Not for the threads of the runtime, because it blocks.
    pub(super) fn read(&self) -> Result<Contents, FileError> {
        if self.is_being_read.swap(true, Ordering::AcqRel) {
            return Err(FileError::Timeout);
        }
        let (sender, receiver) = mpsc::channel();
        let file = self.clone();
        let read = move || {
            let contents = read(&file.path);
            file.is_being_read.store(false, Ordering::Release);
            // After a timeout nothing waits for the contents.
            let _ = sender.send(contents);
        };
        if let Err(error) = thread::Builder::new().name("read-file".to_owned()).spawn(read) {
            self.is_being_read.store(false, Ordering::Release);
            return Err(error.into());
        }
        receiver.recv_timeout(TIMEOUT).unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => Err(FileError::Timeout),
            RecvTimeoutError::Disconnected => Err(io::Error::other("the thread that reads it failed").into()),
        })
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl PartialEq for FileError {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Io(one), Self::Io(other)) => (one.kind(), one.raw_os_error()) == (other.kind(), other.raw_os_error()),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

fn read(path: &Path) -> Result<Contents, FileError> {
    // Before opening, because opening a pipe waits for a writer.
    if !path.metadata()?.is_file() {
        return Err(FileError::NotRegular);
    }
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    // With the final capacity from the start: a vector that grows leaves copies of secrets behind.
    let mut contents = Zeroizing::new(Vec::with_capacity(usize::try_from(size.min(MAX_BYTES)).unwrap_or_default() + 1));
    let length = (&mut file).take(MAX_BYTES + 1).read_to_end(&mut contents)?;
    if length as u64 > MAX_BYTES { Err(FileError::TooLarge) } else { Ok(contents) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_path(path: impl Into<PathBuf>) -> Result<usize, FileError> {
        BoundedFile::new(path.into()).read().map(|contents| contents.len())
    }

    #[test]
    fn files_are_read_up_to_the_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (length, expected) in [(0, Ok(0)), (MAX_BYTES, Ok(1024 * 1024)), (MAX_BYTES + 1, Err(FileError::TooLarge))] {
            file.as_file().set_len(length).unwrap();
            assert_eq!(read_path(file.path()), expected);
        }
    }

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [folder.path(), &pipe, Path::new("/dev/zero"), Path::new("/dev/null")] {
            assert_eq!(read_path(path), Err(FileError::NotRegular), "{}", path.display());
        }
        assert!(matches!(read_path(folder.path().join("missing")), Err(FileError::Io(_))));
    }

    #[test]
    fn symbolic_links_of_kubernetes_volumes_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("..2026_11_27")).unwrap();
        std::fs::write(path("..2026_11_27/secret"), "secret").unwrap();
        std::os::unix::fs::symlink("..2026_11_27", path("..data")).unwrap();
        std::os::unix::fs::symlink("..data/secret", path("secret")).unwrap();

        assert_eq!(read_path(path("secret")), Ok(6));
    }

    #[test]
    fn a_read_that_does_not_end_is_not_repeated() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bounded = BoundedFile::new(file.path().to_owned());
        bounded.is_being_read.store(true, Ordering::Release);

        assert_eq!(bounded.read().unwrap_err(), FileError::Timeout);

        bounded.is_being_read.store(false, Ordering::Release);
        assert!(bounded.read().is_ok());
        assert!(bounded.read().is_ok());
    }
}
