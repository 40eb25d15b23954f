//! `openapi`: prints the description of the API.

use std::io::{self, Write};

use clap::ValueEnum;

use super::CommandError;
use crate::rest::openapi::{document, to_json, to_yaml};

/// The form of the document.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// Prints the document of a gateway at the root.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(format: Format) -> Result<(), CommandError> {
    let document = document("/");
    let text = match format {
        Format::Json => to_json(&document),
        Format::Yaml => to_yaml(&document),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
