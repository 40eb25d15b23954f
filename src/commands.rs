//! The commands of the program. They only put the other modules together.

pub mod compare;
pub mod completions;
pub mod config_check;
pub mod demo;
pub mod facade;
pub mod healthcheck;
pub mod keygen;
pub mod limits;
pub mod memory_budget;
pub mod openapi;
pub mod reload_task;
pub mod serve;
pub mod simulate;
pub mod warnings;

mod shutdown_signal;

use std::io::{self, Write};
use std::process::ExitCode;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The configuration is not valid.
    #[error(transparent)]
    Configuration(#[from] crate::config::ConfigErrors),
    /// An argument that does not fit the configuration or another argument.
    #[error("{0}")]
    Argument(String),
    /// Neither an upstream nor the token issuer could ever be connected to.
    #[error(transparent)]
    Connector(#[from] crate::http_client::ConnectorError),
    /// A second signal, or the end of the drain, cut something off.
    #[error("{open_requests} open requests and {writes} unfinished writes were cut off")]
    CutOff {
        /// Requests whose response had not ended.
        open_requests: i64,
        /// Writes that were sent, or about to be, and whose outcome is not known.
        writes: usize,
    },
    /// A socket or a stream failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl CommandError {
    /// 2 for a configuration or an argument that is not valid, else 1.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) | Self::Argument(_) => ExitCode::from(2),
            Self::Connector(_) | Self::CutOff { .. } | Self::Io(_) => ExitCode::FAILURE,
        }
    }
}

/// Prints the output of a command. Standard output may be closed, as with `| head`: then no one is left to read it.
fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| io::Error::new(error.kind(), format!("standard output cannot be written: {error}"))),
    }
}
