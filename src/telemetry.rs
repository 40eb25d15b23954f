//! Logs.
//!
//! Other crates are heard from warnings on, whatever is asked for: in their finer messages stand URLs and headers, and with
//! them credentials and personal data.
//!
//! Lines are written by a thread of their own. Whoever should read them may have stopped, and then lines are lost, and counted;
//! a request that waited for its line would wait for ever.

use std::io::IsTerminal;
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::audit;
use crate::config::LogFormat;

/// How many lines may wait to be written: some megabytes.
const MAX_WAITING: usize = 4_096;

/// How long the end waits for lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

static LINES_DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// What writes the log. When it goes, the lines that wait are written, as far as somebody reads them soon.
#[must_use]
#[derive(Debug)]
pub struct Writer(Option<WorkerGuard>);

impl Drop for Writer {
    fn drop(&mut self) {
        let (guard, (done, ended)) = (self.0.take(), mpsc::channel::<()>());
        // It waits at most a second. But when it cannot even tell its thread to stop it prints that, and waits for whoever reads.
        thread::spawn(move || {
            drop(guard);
            drop(done);
        });
        let _ = ended.recv_timeout(LAST_LINES);
    }
}

/// How many lines were lost, because nobody read those before.
pub fn lines_dropped() -> u64 {
    LINES_DROPPED.get().map_or(0, |counter| counter.dropped_lines().try_into().unwrap_or(u64::MAX))
}

/// Starts logging to standard output. `level` is a level such as `debug` for this crate's own messages.
pub fn init(format: Option<LogFormat>, level: Option<&str>) -> Writer {
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let is_terminal = std::io::stdout().is_terminal();
    let format = format.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json });
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(MAX_WAITING)
        .thread_name("log")
        .finish(std::io::stdout());
    let _ = LINES_DROPPED.set(writer.error_counter());
    // A second call keeps the first subscriber.
    let _ = lines(format, level, is_terminal, writer).try_init();
    log_panics();
    Writer(Some(guard))
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
