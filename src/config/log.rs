//! Section `log`.

use super::error::InvalidValue;
use super::settings::Settings;

/// Settings of the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log {
    /// Log format. Default: text on a terminal, JSON elsewhere; `GATEWAY__LOG__FORMAT`.
    pub format: Option<LogFormat>,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line, with flat keys.
    Json,
    /// For people.
    Text,
}

impl Log {
    pub(super) fn read(settings: &mut Settings) -> Self {
        Self { format: settings.optional("log.format", format) }
    }
}

fn format(text: &str) -> Result<LogFormat, InvalidValue> {
    match text {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err(InvalidValue::expected("json or text")),
    }
}
