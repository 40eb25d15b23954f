//! `simulate`: a legacy system in memory, behind the legacy protocol.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Args;
use ipnet::IpNet;
use uuid::Uuid;

use super::CommandError;
use super::shutdown_signal::StopSignals;
use crate::backend::Backend;
use crate::charset::Charset;
use crate::config::{self, Answers, Declaration, Dialect};
use crate::legacy::server::{self, Client, Signer, System, Timeouts};
use crate::memory::{FaultInjection, Memory};
use crate::metrics::Metrics;
use crate::server::{EventLoops, Limits, Server};

/// Limit of a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Options of the simulated legacy system. Its data are invented, and changes are lost when it stops.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Address and port to listen on; any program on this machine may call
    #[arg(long, default_value = "127.0.0.1:8090")]
    pub listen: SocketAddr,
    /// Path of the endpoint
    #[arg(long, default_value = "/admin/edit/services/plain/orders", value_parser = path)]
    pub path: String,
    /// Dialect of the protocol
    #[arg(long, value_enum, default_value_t = Dialect::Network)]
    pub dialect: Dialect,
    /// User that clients must send
    #[arg(long, default_value = "1234")]
    pub api_user: String,
    /// Key that clients of the dialect `provider` must log in with
    #[arg(long, default_value = "KEY")]
    pub api_key: String,
    /// Number of orders
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub orders: u32,
    /// Additional latency of every call, such as 250ms
    #[arg(long, default_value = "0ms", value_parser = duration)]
    pub latency: Duration,
    /// Share of calls that fail without being applied, from 0 to 1
    #[arg(long, default_value_t = 0.0, value_parser = probability)]
    pub failure_rate: f64,
}

impl Options {
    /// The server of the simulated legacy system, bound and not yet running.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(&self) -> Result<Server, CommandError> {
        let backend = FaultInjection::new(Memory::seeded(self.orders), self.latency, self.failure_rate);
        let limits = Limits { drain_timeout: Duration::from_secs(5), ..Limits::from(&config::Server::default()) };
        Ok(Server::bind(self.listen, endpoint(self, loopback(), Arc::new(backend)), limits).await?)
    }

    fn welcome(&self, url: &str) -> String {
        let Self { api_user, api_key, .. } = self;
        let (call, login) = match self.dialect {
            Dialect::Network => (format!("method=order_info&api_user={api_user}&id=20417"), String::new()),
            Dialect::Provider => (
                format!("method=api_login&api_user={api_user}&api_key={api_key}"),
                format!("  GATEWAY__UPSTREAMS__DEFAULT__DIALECT=provider GATEWAY__UPSTREAMS__DEFAULT__API_KEY={api_key} \\\n"),
            ),
        };
        format!(
            "
The legacy system is running, with invented data: orders from March 2016 on, and one of today.

  curl '{url}?{call}'

To run a gateway in front of it:

  GATEWAY__UPSTREAMS__DEFAULT__URL={url} \\
{login}  GATEWAY__UPSTREAMS__DEFAULT__API_USER={api_user} tjansteguiden-gateway serve

Stop it with Ctrl-C.
"
        )
    }
}

/// Serves until a signal stops it.
///
/// # Errors
/// When it cannot start: the port is in use, for example.
pub async fn run(options: Options) -> Result<(), CommandError> {
    let event_loops = EventLoops::for_all_cores()?;
    let server = options.bind().await?.with_event_loops(&event_loops);
    let mut signals = StopSignals::try_new()?;
    let stop = async move { signals.next().await };
    let url = format!("http://{}{}", server.address(), options.path);
    super::print(&options.welcome(&url))?;
    server.run(stop).await;
    Ok(())
}

/// The addresses of this machine.
#[must_use]
pub fn loopback() -> Vec<IpNet> {
    vec![IpNet::new_assert(Ipv4Addr::LOCALHOST.into(), 8), IpNet::from(IpAddr::from(Ipv6Addr::LOCALHOST))]
}

/// The endpoint of a legacy system with one client, which calls from these addresses.
pub fn endpoint(options: &Options, allowed_ips: Vec<IpNet>, backend: Arc<dyn Backend>) -> Router {
    let client = Client {
        name: "client".into(),
        api_user: options.api_user.as_str().into(),
        api_key: Some(options.api_key.as_str().into()),
        allowed_ips,
        charset: Charset::UTF_8,
        system: System { name: "memory".into(), backend },
    };
    server::router(server::Settings {
        path: options.path.clone(),
        dialect: options.dialect,
        clients: vec![client],
        // Logins of another run are of no use, as its changes are lost.
        signer: Some(Signer::new(Uuid::new_v4().to_string().as_str().into(), None)),
        trusted_proxies: Vec::new(),
        answers: Answers { declaration: Declaration::AsDocumented, ..Answers::default() },
        timeouts: Timeouts { request: CALL_TIMEOUT, list: CALL_TIMEOUT, body: CALL_TIMEOUT },
        metrics: Metrics::default(),
    })
}

/// Why an option is not valid.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum InvalidOption {
    #[error("must be a path that begins with / and has none of {{}}*?#:")]
    Path,
    #[error("must be a duration with its unit, such as 250ms")]
    Duration,
    #[error("must be a number from 0 to 1")]
    Probability,
}

fn path(text: &str) -> Result<String, InvalidOption> {
    let is_valid = text.starts_with('/')
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}' | b'*' | b'?' | b'#' | b':'));
    is_valid.then(|| text.to_owned()).ok_or(InvalidOption::Path)
}

fn duration(text: &str) -> Result<Duration, InvalidOption> {
    let time = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    time.ok_or(InvalidOption::Duration)
}

fn probability(text: &str) -> Result<f64, InvalidOption> {
    text.parse().ok().filter(|probability| (0.0..=1.0).contains(probability)).ok_or(InvalidOption::Probability)
}
