//! Logs.
//!
//! Other crates are heard from warnings on, whatever is asked for: in their finer messages stand URLs and headers, and with
//! them credentials and personal data.

use std::io::IsTerminal;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::audit;
use crate::config::LogFormat;

/// Starts logging to standard output. `level` is a level such as `debug` for this crate's own messages.
pub fn init(format: Option<LogFormat>, level: Option<&str>) {
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let filter = Targets::new()
        .with_target(env!("CARGO_CRATE_NAME"), level)
        .with_target(audit::TARGET, LevelFilter::INFO)
        .with_default(level.min(LevelFilter::WARN));
    let is_terminal = std::io::stdout().is_terminal();
    let format = format.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json });
    let layer = match format {
        LogFormat::Json => {
            fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false).with_target(false).boxed()
        }
        LogFormat::Text => fmt::layer().with_target(false).with_ansi(is_terminal).boxed(),
    };
    // A second call, as tests make it, keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    log_panics();
}

/// A panic's text may hold anything, so only its place is told.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::event!(Level::ERROR, place, "panic");
    }));
}
