//! The program: arguments in, exit code out.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tjansteguiden_gateway::commands::{CommandError, demo, keygen, openapi, serve, simulate};
use tjansteguiden_gateway::config::Config;
use tjansteguiden_gateway::telemetry;
use tokio::runtime::{Builder, Runtime};

/// REST/JSON gateway for the order API of Tjänsteguiden
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve {
        /// Configuration file in TOML; environment variables such as `GATEWAY__SERVER__LISTEN` win over it
        #[arg(long, env = "GATEWAY_CONFIG")]
        config: Option<PathBuf>,
    },
    /// Run the gateway in front of a simulated order system, with nothing to configure
    Demo(demo::Options),
    /// Run a simulated order system alone
    Simulate(simulate::Options),
    /// Make a key for a client, and its hash for the configuration
    Keygen,
    /// Print the OpenAPI document
    Openapi {
        /// Form of the document
        #[arg(long, value_enum, default_value = "json")]
        format: openapi::Format,
    },
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // Goes last, when nothing is left that might say something.
    let mut log = None;
    let ended = runtime().map_err(CommandError::Io).and_then(|runtime| {
        let ended = runtime.block_on(run(command, &mut log));
        // A name that nobody resolves keeps its thread for as long as the resolver likes.
        runtime.shutdown_timeout(LAST_TASKS);
        ended
    });
    drop(log);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tjansteguiden-gateway: {failure}");
            failure.exit_code()
        }
    }
}

/// How long tasks may take to end when nobody waits for them any more.
const LAST_TASKS: Duration = Duration::from_millis(500);

/// With one core to run on, one thread does everything: threads that wake each other cost time in every request.
fn runtime() -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = if cores == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().build()
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here and handed to the configuration")]
async fn run(command: Command, log: &mut Option<telemetry::Writer>) -> Result<(), CommandError> {
    let level = std::env::var("RUST_LOG").ok();
    match command {
        Command::Serve { config } => {
            // What is not UTF-8 fits nothing, and is told by its key.
            let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
            let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
            let config = Config::load(config.as_deref(), environment)?;
            *log = Some(telemetry::init(config.log.format, level.as_deref())?);
            serve::run(config).await
        }
        Command::Demo(options) => {
            *log = Some(telemetry::init(None, level.as_deref())?);
            demo::run(options).await
        }
        Command::Simulate(options) => {
            *log = Some(telemetry::init(None, level.as_deref())?);
            simulate::run(options).await
        }
        Command::Keygen => keygen::run(),
        Command::Openapi { format } => openapi::run(format),
    }
}
