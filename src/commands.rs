//! The commands: composition only.

pub mod demo;
pub mod openapi;
pub mod serve;
pub mod simulate;

mod signal;

use std::process::ExitCode;

/// Why a command ends early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration cannot be used.
    #[error(transparent)]
    Configuration(#[from] crate::config::Faults),
    /// There is nothing to be a gateway to.
    #[error("no order system is configured")]
    NoUpstream,
    /// The HTTP client cannot be made.
    #[error("no HTTP client can be made; are certificate authorities installed on this machine?")]
    HttpClient,
    /// A socket or a file does not do what it should.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Failure {
    /// 2 for what the configuration is to blame for, else 1.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) => ExitCode::from(2),
            Self::NoUpstream | Self::HttpClient | Self::Io(_) => ExitCode::FAILURE,
        }
    }
}
