//! Logs.
//!
//! Other crates are heard from warnings on, whatever is asked for: in their finer messages stand URLs and headers, and with
//! them credentials and personal data.
//!
//! Lines are written by a thread of their own. Whoever should read them may have stopped, and then lines are lost, and counted;
//! a request that waited for its line would wait for ever.

mod writer;

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

use self::writer::LogQueue;
use crate::audit;
use crate::config::LogFormat;

static LINES: OnceLock<LogQueue> = OnceLock::new();

/// What writes the log. When it goes, the lines that wait are written, as far as somebody reads them soon.
#[must_use]
#[derive(Debug)]
pub struct Writer(LogQueue);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// How many lines were lost, because they could not be written, or those before were not yet.
pub fn lines_dropped() -> u64 {
    LINES.get().map_or(0, LogQueue::dropped)
}

/// Starts logging to standard output. `level` is a level such as `debug` for this crate's own messages.
///
/// # Errors
/// When there can be no thread for it.
pub fn init(format: Option<LogFormat>, level: Option<&str>) -> io::Result<Writer> {
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let is_terminal = io::stdout().is_terminal();
    let format = format.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json });
    // Without a buffer of its own: what is in one is neither written nor lost.
    let writer = LogQueue::to(File::from(io::stdout().as_fd().try_clone_to_owned()?))?;
    // A second call keeps the first subscriber.
    if lines(format, level, is_terminal, writer.clone()).try_init().is_ok() {
        let _ = LINES.set(writer.clone());
    }
    log_panics();
    Ok(Writer(writer))
}

/// The lines of the log, as `writer` gets them: this crate's own from `level` on, and those of the audit always.
pub fn lines<W>(format: LogFormat, level: LevelFilter, has_colours: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = Targets::new()
        .with_target(env!("CARGO_CRATE_NAME"), level)
        .with_target(audit::TARGET, LevelFilter::INFO)
        .with_default(level.min(LevelFilter::WARN));
    let layer = fmt::layer().with_writer(writer).with_target(false);
    let layer = match format {
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
        LogFormat::Text => layer.with_ansi(has_colours).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter))
}

/// A panic's text may hold anything, so only its place is told.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::event!(Level::ERROR, place, "panic");
    }));
}
