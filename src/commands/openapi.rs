//! `openapi`: prints the OpenAPI document.

use clap::ValueEnum;

use super::CommandError;
use crate::rest::openapi::{document, to_json, to_yaml, version_3_0};

/// Output format.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// Version of OpenAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Version {
    /// For older generators.
    #[value(name = "3.0")]
    V3_0,
    /// As served.
    #[value(name = "3.1")]
    V3_1,
}

/// Prints the document for a gateway without a base path.
///
/// # Errors
/// When standard output cannot be written, other than a closed pipe.
pub fn run(format: Format, version: Version) -> Result<(), CommandError> {
    let mut document = document("/");
    if version == Version::V3_0 {
        version_3_0::convert(&mut document);
    }
    let text = match format {
        Format::Json => to_json(&document),
        Format::Yaml => to_yaml(&document),
    };
    let text = if version == Version::V3_0 { version_3_0::label(&text) } else { text };
    Ok(super::print(&text)?)
}
