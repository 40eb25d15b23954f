//! The log queue: writes log lines to standard output from a thread of its own, and never blocks.
//!
//! If standard output is not drained, lines beyond a buffer of 2 MiB are dropped and counted. The buffer is flushed every
//! 10 ms, so a process that is killed may lose the last 10 ms. A line that was written only in part is terminated before the
//! next one, so that every other line stays valid.
//!
//! `tracing-appender` was measured and not taken: its writer thread spins and yields while it waits for lines, which cost a
//! fifth of the CPU time at one connection. It also bounds the number of lines, not of bytes.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

const MAX_QUEUED_BYTES: usize = 2 * 1024 * 1024;
/// How long lines are collected before they are written together: waking the thread for each would cost more than the line.
const FLUSH_INTERVAL: Duration = Duration::from_millis(10);
/// How long [`LogQueue::close`] waits for queued lines to be written.
const SHUTDOWN_FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// Capacity that an emptied buffer keeps for the next lines.
const KEPT_CAPACITY: usize = 64 * 1024;

/// Accepts log lines without blocking. Clones share the queue.
#[derive(Debug, Clone)]
pub(super) struct LogQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Lines that have not been written yet.
    queued: Vec<u8>,
    /// No more lines are accepted.
    is_closed: bool,
    /// The thread has written everything and ended.
    is_flushed: bool,
}

impl LogQueue {
    /// Starts the thread that writes to `out`, which must be unbuffered: a buffer would hide which lines were written.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), dropped: AtomicU64::new(0) });
        let queue = Self(Arc::clone(&shared));
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_until_closed(out))?;
        Ok(queue)
    }

    /// Number of lines that were dropped because the queue was full or closed, or the output failed.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Refuses further lines and waits until the queued ones are written, or the timeout has passed.
    pub(super) fn close(&self) {
        let Self(shared) = self;
        let mut state = shared.state.lock();
        state.is_closed = true;
        shared.changed.notify_all();
        shared.changed.wait_while_for(&mut state, |state| !state.is_flushed, SHUTDOWN_FLUSH_TIMEOUT);
    }
}

impl Shared {
    fn write_until_closed(&self, mut out: impl Write) {
        let mut text = Vec::new();
        // The output ends in the middle of a line, whose rest was dropped.
        let mut has_partial_line = false;
        while self.take(&mut text) {
            // This line end belongs to the partial line, which is counted already.
            let uncounted = usize::from(has_partial_line);
            if has_partial_line {
                text.insert(0, b'\n');
            }
            let written = write_as_much_as_possible(&mut out, &text);
            if let Some(last) = text.get(..written).and_then(<[u8]>::last) {
                has_partial_line = *last != b'\n';
            }
            self.dropped.fetch_add(count_lines(text.get(written.max(uncounted)..).unwrap_or_default()), Ordering::Relaxed);
            text.clear();
            text.shrink_to(KEPT_CAPACITY);
        }
        self.state.lock().is_flushed = true;
        self.changed.notify_all();
    }

    /// Waits for lines and moves them into `text`, which is empty. `false` when the queue is closed and empty.
    fn take(&self, text: &mut Vec<u8>) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| state.queued.is_empty() && !state.is_closed);
        self.changed.wait_while_for(&mut state, |state| !state.is_closed, FLUSH_INTERVAL);
        mem::swap(&mut state.queued, text);
        !text.is_empty()
    }
}

/// Writes until the output fails, and returns the number of bytes written. The output may be non-blocking, because other
/// processes share it and one of them has set that flag; then it is retried.
fn write_as_much_as_possible(out: &mut impl Write, text: &[u8]) -> usize {
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

fn count_lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

impl<'w> MakeWriter<'w> for LogQueue {
    type Writer = &'w Self;

    fn make_writer(&'w self) -> &'w Self {
        self
    }
}

/// `tracing-subscriber` writes each line with one call.
impl Write for &LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let LogQueue(shared) = self;
        let mut state = shared.state.lock();
        if state.is_closed || state.queued.len() + line.len() > MAX_QUEUED_BYTES {
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let was_empty = state.queued.is_empty();
        state.queued.extend_from_slice(line);
        drop(state);
        // Otherwise the thread is collecting lines already.
        if was_empty {
            shared.changed.notify_all();
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

    /// Sends what is written to a channel, which blocks until it is received.
    struct Channel(mpsc::SyncSender<Vec<u8>>);

    impl Write for Channel {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let closed = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            self.0.send(bytes.to_vec()).map(|()| bytes.len()).map_err(closed)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes numbered lines and returns them.
    fn log(mut queue: &LogQueue, numbers: std::ops::Range<usize>) -> String {
        let lines: Vec<String> = numbers.map(|number| format!("line {number}\n")).collect();
        for line in &lines {
            queue.write_all(line.as_bytes()).unwrap();
        }
        lines.concat()
    }

    /// Waits until the thread has taken all queued lines.
    fn wait_until_taken(queue: &LogQueue) {
        while !queue.0.state.lock().queued.is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn close_writes_all_lines_in_order() {
        let (out, received) = mpsc::sync_channel(1_000);
        let queue = LogQueue::start(Channel(out)).unwrap();

        let mut expected = log(&queue, 0..500);
        thread::sleep(2 * FLUSH_INTERVAL);
        expected += &log(&queue, 500..1_000);
        queue.close();

        let written = String::from_utf8(received.try_iter().collect::<Vec<_>>().concat()).unwrap();
        assert_eq!((written == expected, queue.dropped()), (true, 0));
    }

    #[test]
    fn lines_beyond_the_limit_are_dropped_and_counted() {
        let (out, received) = mpsc::sync_channel(0);
        let queue = LogQueue::start(Channel(out)).unwrap();
        log(&queue, 0..1);
        // The thread is blocked by the first line from now on.
        wait_until_taken(&queue);

        let line = vec![b'x'; MAX_QUEUED_BYTES / 4];
        for _ in 0..6 {
            (&queue).write_all(&line).unwrap();
        }

        assert_eq!(queue.dropped(), 2);
        assert_eq!(received.recv(), Ok(b"line 0\n".to_vec()));
        assert_eq!(received.recv().map(|text| text.len()), Ok(MAX_QUEUED_BYTES));
        assert_eq!(queue.dropped(), 2);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (out, received) = mpsc::sync_channel(0);
        drop(received);
        let queue = LogQueue::start(Channel(out)).unwrap();

        log(&queue, 0..3);
        queue.close();

        assert_eq!(queue.dropped(), 3);
    }

    /// An output whose writes have these results, and then always succeed.
    struct Scripted {
        written: Arc<Mutex<Vec<u8>>>,
        results: Vec<io::Result<usize>>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let result = if self.results.is_empty() { Ok(bytes.len()) } else { self.results.remove(0) };
            let count = result?.min(bytes.len());
            self.written.lock().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The text written and the number of dropped lines, of two batches of three lines of seven bytes.
    fn write_two_batches(results: Vec<io::Result<usize>>) -> (String, u64) {
        let written = Arc::default();
        let queue = LogQueue::start(Scripted { written: Arc::clone(&written), results }).unwrap();

        log(&queue, 0..3);
        wait_until_taken(&queue);
        log(&queue, 3..6);
        queue.close();

        let text = String::from_utf8(written.lock().clone()).unwrap();
        (text, queue.dropped())
    }

    #[test]
    fn non_blocking_output_is_retried() {
        let would_block = || Err(io::ErrorKind::WouldBlock.into());

        let (text, dropped) = write_two_batches(vec![Ok(9), would_block(), would_block(), Ok(3)]);

        assert_eq!((text.lines().count(), dropped), (6, 0), "{text}");
    }

    #[test]
    fn partial_line_does_not_corrupt_the_next() {
        let full = || Err(io::ErrorKind::StorageFull.into());

        let recovered = write_two_batches(vec![Ok(9), full()]);
        let failed = write_two_batches(vec![Ok(9), full(), full()]);

        assert_eq!(recovered, ("line 0\nli\nline 3\nline 4\nline 5\n".to_owned(), 2));
        assert_eq!(failed, ("line 0\nli".to_owned(), 5));
    }

    #[test]
    fn lines_after_close_are_counted() {
        let queue = LogQueue::start(Vec::new()).unwrap();
        queue.close();

        log(&queue, 0..2);

        assert_eq!(queue.dropped(), 2);
    }
}
