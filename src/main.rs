//! The program: arguments in, exit code out.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tjansteguiden_gateway::commands::demo::{self, Demo};
use tjansteguiden_gateway::commands::{
    CommandError, compare, completions, config_check, facade, healthcheck, keygen, openapi, serve, simulate,
};
use tjansteguiden_gateway::config::{Config, ConfigErrors, FacadeConfig, LogFormat, SystemsConfig};
use tjansteguiden_gateway::telemetry::{self, LogGuard};
use tokio::runtime::Builder;

/// Returns memory to the system soon after it was freed (`.cargo/config.toml` has its settings). The allocator of glibc keeps what
/// one burst of connections or one large answer took, and a container's limit counts it: after 1024 request heads of 32 KiB it
/// held 66 MiB, this one 31 MiB.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
    Serve(ConfigFile),
    /// Serve the legacy protocol in front of other systems
    Facade(ConfigFile),
    /// Compare the orders of two systems, reading only; exit code 0 if equal, 1 if different, 3 if not all was compared
    Compare {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        options: compare::Options,
    },
    /// Validate the configuration
    #[command(subcommand, arg_required_else_help = true)]
    Config(ConfigCommand),
    /// Run the gateway in front of a simulated legacy system, without configuration
    Demo(demo::Options),
    /// Run only the simulated legacy system
    Simulate(simulate::Options),
    /// Ask a gateway with the same configuration whether it is ready; exit code 0 if so, else 1
    Healthcheck {
        #[command(flatten)]
        file: ConfigFile,
        /// Ask only whether it responds (`/livez`), not whether it accepts requests (`/readyz`)
        #[arg(long)]
        live: bool,
    },
    /// Generate an API key for a client, and its hash for the configuration
    Keygen(keygen::Options),
    /// Print the OpenAPI document
    Openapi {
        /// Output format
        #[arg(long, value_enum, default_value = "json")]
        format: openapi::Format,
        /// Version of OpenAPI: 3.0 is for older generators
        #[arg(long, value_enum, default_value = "3.1")]
        openapi_version: openapi::Version,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Validate the configuration as `serve` does at start, without binding a port; exit code 2 if it is not valid
    Check(ConfigFile),
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// Configuration file in TOML, overridden by environment variables such as `GATEWAY__SERVER__LISTEN`
    #[arg(long, env = "GATEWAY_CONFIG")]
    config: Option<OsString>,
}

impl ConfigFile {
    /// An empty path is the same as none, like every empty variable.
    fn path(&self) -> Option<&Path> {
        self.config.as_deref().filter(|path| !path.is_empty()).map(Path::new)
    }

    fn load(&self) -> Result<Config, ConfigErrors> {
        Config::load(self.path(), environment())
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            // Fails when standard error is closed; the exit code then has to say enough.
            let _ = writeln!(io::stderr(), "tjansteguiden-gateway: {error}");
            error.exit_code()
        }
    }
}

fn run(command: Command) -> Result<ExitCode, CommandError> {
    // A guard of the log is dropped after the runtime has ended, when no task is left that could log.
    let result = match command {
        Command::Serve(file) => {
            let config = file.load()?;
            let _guard = start_log(config.log.format)?;
            block_on(serve::run(config))
        }
        Command::Facade(file) => {
            let config = FacadeConfig::load(file.path(), environment())?;
            let _guard = start_log(config.shared.log.format)?;
            block_on(facade::run(config))
        }
        Command::Demo(options) => {
            let defaults = Config::addresses(None, environment())?;
            let mut log = None;
            let result = block_on(async {
                let demo = Demo::start(options, defaults).await?;
                // Only now: lines about the requests that it made itself would scroll its text away.
                log = Some(start_log(None)?);
                demo.run().await
            });
            drop(log);
            result
        }
        Command::Simulate(options) => {
            let _guard = start_log(None)?;
            block_on(simulate::run(options))
        }
        Command::Compare { file, options } => {
            let config = SystemsConfig::load(file.path(), environment())?;
            let _guard = telemetry::init_on_stderr(config.shared.log.format, log_level().as_deref())?;
            return block_on(compare::run(config, options));
        }
        Command::Config(ConfigCommand::Check(file)) => config_check::run(&file.load()?),
        Command::Healthcheck { file, live } => {
            // Of its exit codes, Docker reserves 2.
            let addresses = Config::addresses(file.path(), environment()).map_err(io::Error::other)?;
            healthcheck::run(addresses.ops_listen, live)
        }
        Command::Completions { shell } => completions::run(shell, Arguments::command()),
        Command::Keygen(options) => keygen::run(options),
        Command::Openapi { format, openapi_version } => openapi::run(format, openapi_version),
    };
    result.map(|()| ExitCode::SUCCESS)
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here and handed to the configuration")]
fn environment() -> impl Iterator<Item = (String, String)> {
    // No setting accepts text that is not UTF-8, so a replacement character is reported with its key.
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}

fn start_log(format: Option<LogFormat>) -> io::Result<LogGuard> {
    telemetry::init(format, log_level().as_deref())
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here and handed to the log")]
fn log_level() -> Option<String> {
    std::env::var("RUST_LOG").ok()
}

/// How long the runtime waits for tasks at exit. A DNS lookup blocks its thread for as long as the resolver takes, so it must
/// not wait for all of them.
const TASK_SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

/// One thread, which accepts connections; the event loops of the other cores belong to the servers.
fn block_on<T>(command: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(command);
    runtime.shutdown_timeout(TASK_SHUTDOWN_TIMEOUT);
    result
}
