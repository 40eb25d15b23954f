//! The commands: composition only.

pub mod demo;
pub mod keygen;
pub mod openapi;
pub mod reload_task;
pub mod serve;
pub mod simulate;

mod shutdown_signal;

use std::process::ExitCode;

/// Why a command ends early.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Configuration(#[from] crate::config::Faults),
    /// There is nothing to be a gateway to.
    #[error("no order system is configured")]
    NoUpstream,
    /// The order system could never be connected to.
    #[error(transparent)]
    Transport(#[from] crate::legacy::client::TransportError),
    /// The keys of the token issuer could never be fetched.
    #[error(transparent)]
    HttpClient(#[from] crate::http_client::HttpClientError),
    /// A socket or a file does not do what it should.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl CommandError {
    /// 2 for what the configuration is to blame for, else 1.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) => ExitCode::from(2),
            Self::NoUpstream | Self::Transport(_) | Self::HttpClient(_) | Self::Io(_) => ExitCode::FAILURE,
        }
    }
}
