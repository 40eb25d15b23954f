//! `openapi`: prints the OpenAPI document.

use std::io::{self, Write};

use clap::ValueEnum;

use super::CommandError;
use crate::rest::openapi::{document, to_json, to_yaml};

/// Output format.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// Prints the document for a gateway without a base path.
///
/// # Errors
/// When standard output cannot be written, other than a closed pipe.
pub fn run(format: Format) -> Result<(), CommandError> {
    let document = document("/");
    let text = match format {
        Format::Json => to_json(&document),
        Format::Yaml => to_yaml(&document),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // As with `| head`, which closes the pipe when it has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
