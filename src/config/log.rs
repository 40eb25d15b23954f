//! Section `log`.

use super::settings::{ConfigError, Settings};

/// How the log is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log {
    /// Default: text on a terminal, JSON elsewhere; `GATEWAY__LOG__FORMAT`.
    pub format: Option<LogFormat>,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, with flat keys.
    Json,
    /// For people.
    Text,
}

impl Log {
    pub(super) fn read(settings: &mut Settings) -> Self {
        Self { format: settings.optional("log.format", format) }
    }
}

fn format(text: &str) -> Result<LogFormat, ConfigError> {
    match text {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("must be json or text".to_owned()),
    }
}
