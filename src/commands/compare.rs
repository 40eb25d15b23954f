//! `compare`: which orders of two systems differ, and in which fields. It only reads.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::civil::Date;

use super::CommandError;
use super::serve::Shared;
use super::shutdown_signal::StopSignals;
use crate::backend::ReadOnly;
use crate::compare::{Comparison, Details, Ignored, Protocol, Report, Settings, System, Timeouts};
use crate::config::{Config, SystemsConfig};
use crate::{legacy, rest};

/// What to compare. Nothing is written to either system.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Name of a system in the configuration, of section `upstreams` or `facade.backends`
    pub left: String,
    /// Name of the other one; the same name compares a system with itself
    pub right: String,
    /// First date of the orders, such as 2026-09-01; a later one resumes
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub since: Date,
    /// Date before which the orders were placed [default: no end]
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub until: Option<Date>,
    /// Orders to read in detail: `all`, `none`, or a number of them, spread evenly
    #[arg(long, default_value = "all", value_parser = details)]
    pub details: Details,
    /// Compare customers too
    #[arg(long)]
    pub customers: bool,
    /// How long to wait before what differs is read again, such as 30s
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub settle: Duration,
    /// Calls a second that each system gets at most
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rate: u32,
    /// Field that is not compared, or what fields begin with, such as `customer.phone` or `messages`; may be repeated
    #[arg(long, value_name = "FIELD", value_parser = Ignored::parse)]
    pub ignore: Vec<Ignored>,
    /// Print one line of JSON with all ids
    #[arg(long)]
    pub json: bool,
}

/// Compares, and prints the report; when a signal interrupts it, of what was found so far.
///
/// # Errors
/// When a system is not in the configuration, or the report cannot be printed.
pub async fn run(config: SystemsConfig, options: Options) -> Result<ExitCode, CommandError> {
    for warning in &config.shared.warnings {
        tracing::warn!("{warning}");
    }
    let mut signals = StopSignals::try_new()?;
    let report = compare(&config, &options, signals.next()).await?;
    let text = if options.json { report.to_json().map_err(std::io::Error::other)? + "\n" } else { report.to_text() };
    super::print(&text)?;
    Ok(ExitCode::from(report.outcome().exit_code()))
}

/// Compares until all is compared, a system fails, or `stop` ends.
///
/// # Errors
/// When a system is not in the configuration.
pub async fn compare(
    config: &SystemsConfig,
    options: &Options,
    stop: impl Future<Output = ()>,
) -> Result<Report, CommandError> {
    if options.until.is_some_and(|until| until <= options.since) {
        return Err(CommandError::Argument("--until must be after --since".to_owned()));
    }
    let systems = NamedSystems { config, shared: Shared::new(&config.shared.server) };
    let mut comparison = Comparison::new(Settings {
        left: systems.get("LEFT", &options.left)?,
        right: systems.get("RIGHT", &options.right)?,
        since: options.since,
        until: options.until,
        details: options.details,
        with_customers: options.customers,
        settle: options.settle,
        rate: options.rate,
        ignored: options.ignore.clone(),
        timeouts: Timeouts { request: config.shared.server.request_timeout, list: config.shared.server.list_timeout },
    });
    tokio::select! {
        () = comparison.run() => {}
        () = stop => {}
    }
    Ok(comparison.into_report())
}

/// The systems of the configuration, by name.
struct NamedSystems<'a> {
    config: &'a SystemsConfig,
    shared: Shared,
}

impl NamedSystems<'_> {
    fn get(&self, argument: &str, name: &str) -> Result<System, CommandError> {
        let SystemsConfig { shared: Config { upstreams, .. }, backends, time_zone } = self.config;
        let (memory, metrics) = (self.shared.memory.clone(), self.shared.metrics.upstream(name));
        let system = |backend, protocol, zone| System { name: name.into(), backend: ReadOnly::new(backend), protocol, zone };
        if let Some(upstream) = upstreams.get(name) {
            let client = legacy::client::Client::try_new(upstream, memory, metrics)?;
            return Ok(system(Arc::new(client), Protocol::Legacy(upstream.dialect), upstream.time_zone.clone()));
        }
        if let Some(backend) = backends.get(name) {
            let client = rest::client::Client::try_new(backend, time_zone.clone(), memory, metrics)?;
            return Ok(system(Arc::new(client), Protocol::Json, time_zone.clone()));
        }
        let names = upstreams.keys().chain(backends.keys()).map(String::as_str).collect::<Vec<_>>().join(", ");
        Err(CommandError::Argument(format!("{argument} must be the name of a system of the configuration: {names}")))
    }
}

/// Why an option is not valid.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum InvalidOption {
    #[error("must be a date such as 2026-09-01")]
    Date,
    #[error("must be all, none or a number of orders")]
    Details,
    #[error("must be a duration with its unit, such as 30s, and at most a day")]
    Duration,
}

fn date(text: &str) -> Result<Date, InvalidOption> {
    text.parse().ok().filter(|date: &Date| date.to_string() == text).ok_or(InvalidOption::Date)
}

fn details(text: &str) -> Result<Details, InvalidOption> {
    match text {
        "all" => Ok(Details::All),
        "none" => Ok(Details::None),
        number => number.parse().map(Details::Some).map_err(|_| InvalidOption::Details),
    }
}

fn duration(text: &str) -> Result<Duration, InvalidOption> {
    const DAY: Duration = Duration::from_hours(24);
    let time = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    time.filter(|time| *time <= DAY).ok_or(InvalidOption::Duration)
}
