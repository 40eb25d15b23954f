//! Logs.
//!
//! `RUST_LOG` sets the level of the gateway's own lines. Dependencies log from `warn` on whatever it is: their finer messages
//! contain URLs and headers, and with them credentials and personal data.
//!
//! Logging never blocks a request: lines go through a queue to a thread that writes them, and are dropped and counted when
//! standard output is not drained.

mod json_lines;
mod log_queue;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use self::json_lines::JsonLines;
use self::log_queue::LogQueue;
use crate::audit;
use crate::config::LogFormat;

/// The queue of the process, for [`lines_dropped`].
static QUEUE: OnceLock<LogQueue> = OnceLock::new();

/// Keeps the log running. On drop, queued lines are written, and later ones are dropped.
#[must_use]
#[derive(Debug)]
pub struct LogGuard(LogQueue);

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Number of log lines that were dropped, because standard output was not drained or could not be written.
pub fn lines_dropped() -> u64 {
    QUEUE.get().map_or(0, LogQueue::dropped)
}

/// Starts logging to standard output. `level` is the level of this crate's lines, such as `debug`; anything else means `info`.
///
/// # Errors
/// When standard output is closed or no thread can be started.
pub fn init(format: Option<LogFormat>, level: Option<&str>) -> io::Result<LogGuard> {
    start(&io::stdout(), format, level)
}

/// The same to standard error, for commands whose result is on standard output.
///
/// # Errors
/// When standard error is closed or no thread can be started.
pub fn init_on_stderr(format: Option<LogFormat>, level: Option<&str>) -> io::Result<LogGuard> {
    start(&io::stderr(), format, level)
}

fn start(output: &(impl AsFd + IsTerminal), format: Option<LogFormat>, level: Option<&str>) -> io::Result<LogGuard> {
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let is_terminal = output.is_terminal();
    let format = format.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json });
    // The file itself, because `Stdout` has a buffer.
    let queue = LogQueue::start(File::from(output.as_fd().try_clone_to_owned()?))?;
    // A second call keeps the first subscriber, and its queue is the one whose dropped lines are counted.
    if subscriber(format, level, is_terminal, queue.clone()).try_init().is_ok() {
        let _ = QUEUE.set(queue.clone());
    }
    log_panics();
    Ok(LogGuard(queue))
}

/// A subscriber that writes log lines to `writer`: this crate's own from `level` on, and those of the audit log always.
pub fn subscriber<W>(format: LogFormat, level: LevelFilter, has_colours: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = Targets::new()
        .with_target(env!("CARGO_CRATE_NAME"), level)
        .with_target(audit::TARGET, LevelFilter::INFO)
        .with_default(level.min(LevelFilter::WARN));
    let layer = match format {
        LogFormat::Json => JsonLines(writer).boxed(),
        LogFormat::Text => fmt::layer().with_writer(writer).with_target(false).with_ansi(has_colours).boxed(),
    };
    // A filter of the whole subscriber, because that of a single layer is asked again for every event.
    tracing_subscriber::registry().with(layer).with(filter)
}

/// Logs panics by location only: their message may contain any value.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(tracing::field::display);
        // `place` is the published name of the field.
        tracing::event!(Level::ERROR, place = location, "panic");
    }));
}
