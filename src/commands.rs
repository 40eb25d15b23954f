//! The commands of the program. They only put the other modules together.

pub mod demo;
pub mod keygen;
pub mod limits;
pub mod openapi;
pub mod reload_task;
pub mod serve;
pub mod simulate;

mod shutdown_signal;

use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration is not valid.
    #[error(transparent)]
    Configuration(#[from] crate::config::ConfigErrors),
    /// No upstream can be called.
    #[error(transparent)]
    Transport(#[from] crate::legacy::client::TransportError),
    /// The keys of the token issuer cannot be fetched.
    #[error(transparent)]
    HttpClient(#[from] crate::http_client::HttpClientError),
    /// A socket or a stream failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl CommandError {
    /// 2 for a configuration that is not valid, else 1.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) => ExitCode::from(2),
            Self::Transport(_) | Self::HttpClient(_) | Self::Io(_) => ExitCode::FAILURE,
        }
    }
}
