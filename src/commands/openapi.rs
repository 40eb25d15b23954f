//! `openapi`: prints the OpenAPI document.

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
    Ok(super::print(&text)?)
}
