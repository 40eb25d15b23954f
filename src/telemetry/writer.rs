//! Lines on their way out.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many bytes may wait to be written.
const MAX_QUEUED_BYTES: usize = 2 * 1024 * 1024;
/// How long lines are gathered before they are written together: to wake a thread for each would cost more than the line.
const FLUSH_INTERVAL: Duration = Duration::from_millis(10);
/// How long the end waits for lines to be written.
const SHUTDOWN_FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// How much memory is kept for the next lines.
const KEPT: usize = 64 * 1024;

/// Takes lines, and never waits. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct LogQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    has_changed: Condvar,
    lost: AtomicU64,
}

/// What is not written yet.
#[derive(Debug, Default)]
struct Waiting {
    text: Vec<u8>,
    /// No more will come.
    is_closed: bool,
    /// All was written.
    is_done: bool,
}

impl LogQueue {
    /// Writes lines to `out`, which holds nothing back, in a thread of its own.
    pub(super) fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared { waiting: Mutex::default(), has_changed: Condvar::new(), lost: AtomicU64::new(0) });
        let lines = Self(Arc::clone(&shared));
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_all(out))?;
        Ok(lines)
    }

    /// How many were lost, because they could not be written, or those before were not yet.
    pub(super) fn dropped(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Waits until the lines are written that are here, as far as somebody reads them soon. Takes none from then on.
    pub(super) fn close(&self) {
        let Self(shared) = self;
        shared.waiting().is_closed = true;
        shared.has_changed.notify_all();
        let _ = shared.has_changed.wait_timeout_while(shared.waiting(), SHUTDOWN_FLUSH_TIMEOUT, |waiting| !waiting.is_done);
    }
}

impl Shared {
    fn write_all(&self, mut out: impl Write) {
        let mut text = Vec::new();
        // Half a line is there, of one that is lost.
        let mut is_torn = false;
        while self.take(&mut text) {
            let line_end = usize::from(is_torn);
            if is_torn {
                text.insert(0, b'\n');
            }
            let written = write_as_far_as_possible(&mut out, &text);
            if let Some(last) = text.get(..written).and_then(<[u8]>::last) {
                is_torn = *last != b'\n';
            }
            self.lost.fetch_add(lines_in(text.get(written.max(line_end)..).unwrap_or_default()), Ordering::Relaxed);
            text.clear();
            text.shrink_to(KEPT);
        }
        self.waiting().is_done = true;
        self.has_changed.notify_all();
    }

    /// Waits for lines and takes them into `text`. `false` when no more will come.
    fn take(&self, text: &mut Vec<u8>) -> bool {
        let is_idle = |waiting: &mut Waiting| waiting.text.is_empty() && !waiting.is_closed;
        let waiting = self.has_changed.wait_while(self.waiting(), is_idle).unwrap_or_else(PoisonError::into_inner);
        let gathered = self.has_changed.wait_timeout_while(waiting, FLUSH_INTERVAL, |waiting| !waiting.is_closed);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut waiting.text, text);
        !text.is_empty()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how many bytes were written before something was wrong. Whoever reads may share its end with others that made it one
/// that does not wait.
fn write_as_far_as_possible(out: &mut impl Write, text: &[u8]) -> usize {
    let mut written = 0;
    while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FLUSH_INTERVAL),
            Err(_) => break,
        }
    }
    written
}

fn lines_in(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count().try_into().unwrap_or(u64::MAX)
}

impl<'w> MakeWriter<'w> for LogQueue {
    type Writer = &'w Self;

    fn make_writer(&'w self) -> &'w Self {
        self
    }
}

/// Every call brings a whole line.
impl Write for &LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let LogQueue(shared) = self;
        let mut waiting = shared.waiting();
        if waiting.is_closed || waiting.text.len() + line.len() > MAX_QUEUED_BYTES {
            shared.lost.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let is_first = waiting.text.is_empty();
        waiting.text.extend_from_slice(line);
        drop(waiting);
        if is_first {
            shared.has_changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Tells what it was given, one piece at a time, as somebody reads it.
    struct Reader(mpsc::SyncSender<Vec<u8>>);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            self.0.send(bytes.to_vec()).map(|()| bytes.len()).map_err(gone)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(mut lines: &LogQueue, numbers: std::ops::Range<usize>) -> String {
        let all: Vec<String> = numbers.map(|number| format!("line {number}\n")).collect();
        for line in &all {
            lines.write_all(line.as_bytes()).expect("never fails");
        }
        all.concat()
    }

    #[test]
    fn every_line_is_written_in_order_also_the_last_ones() {
        let (out, read) = mpsc::sync_channel(1_000);
        let lines = LogQueue::to(Reader(out)).expect("a thread");
        let mut expected = log(&lines, 0..500);
        thread::sleep(2 * FLUSH_INTERVAL);
        expected += &log(&lines, 500..1_000);
        lines.close();
        let written = String::from_utf8(read.try_iter().collect::<Vec<_>>().concat()).expect("UTF-8");
        assert_eq!((written == expected, lines.dropped()), (true, 0));
    }

    #[test]
    fn what_nobody_reads_is_lost_beyond_the_limit_and_counted() {
        let (out, read) = mpsc::sync_channel(0);
        let lines = LogQueue::to(Reader(out)).expect("a thread");
        log(&lines, 0..1);
        // The first line is being written from now on.
        while !lines.0.waiting().text.is_empty() {
            thread::yield_now();
        }
        let line = vec![b'x'; MAX_QUEUED_BYTES / 4];
        for _ in 0..6 {
            (&lines).write_all(&line).expect("never fails");
        }
        assert_eq!(lines.dropped(), 2);
        assert_eq!(read.recv(), Ok(b"line 0\n".to_vec()));
        assert_eq!(read.recv().map(|text| text.len()), Ok(MAX_QUEUED_BYTES));
        assert_eq!(lines.dropped(), 2);
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let (out, read) = mpsc::sync_channel(0);
        drop(read);
        let lines = LogQueue::to(Reader(out)).expect("a thread");
        log(&lines, 0..3);
        lines.close();
        assert_eq!(lines.dropped(), 3);
    }

    /// Takes so many bytes, is full for a moment or for good, and takes again.
    struct Narrow {
        taken: Arc<Mutex<Vec<u8>>>,
        room: Vec<io::Result<usize>>,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = if self.room.is_empty() { Ok(bytes.len()) } else { self.room.remove(0) };
            let count = room?.min(bytes.len());
            self.taken.lock().unwrap().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written, and how many lines are lost, of two batches of three lines of seven bytes.
    fn through(room: Vec<io::Result<usize>>) -> (String, u64) {
        let taken = Arc::default();
        let lines = LogQueue::to(Narrow { taken: Arc::clone(&taken), room }).expect("a thread");
        log(&lines, 0..3);
        while !lines.0.waiting().text.is_empty() {
            thread::sleep(FLUSH_INTERVAL);
        }
        log(&lines, 3..6);
        lines.close();
        let text = String::from_utf8(taken.lock().unwrap().clone()).expect("UTF-8");
        (text, lines.dropped())
    }

    #[test]
    fn an_end_that_is_full_for_a_moment_gets_everything() {
        let full = || Err(io::ErrorKind::WouldBlock.into());
        let (text, lost) = through(vec![Ok(9), full(), full(), Ok(3)]);
        assert_eq!((text.lines().count(), lost), (6, 0), "{text}");
    }

    #[test]
    fn a_line_that_was_torn_spoils_no_other() {
        let full = || Err(io::ErrorKind::StorageFull.into());
        let (text, lost) = through(vec![Ok(9), full()]);
        assert_eq!((&*text, lost), ("line 0\nli\nline 3\nline 4\nline 5\n", 2));
        assert_eq!(through(vec![Ok(9), full(), full()]), ("line 0\nli".to_owned(), 5));
    }

    #[test]
    fn what_comes_after_the_end_is_counted() {
        let lines = LogQueue::to(Vec::new()).expect("a thread");
        lines.close();
        log(&lines, 0..2);
        assert_eq!(lines.dropped(), 2);
    }
}
