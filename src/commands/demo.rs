//! `demo`: the gateway in front of a simulated legacy system, without configuration.

mod example_page;
mod tour;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::Args;
use tokio::task::JoinHandle;
use url::Url;

use super::serve::App;
use super::{CommandError, healthcheck, simulate};
use crate::config::{Addresses, Auth, Config, Dialect, Log, Server, Upstream};
use crate::server::{self, EventLoops};

/// Options of the demonstration. Its data are invented, and changes are lost when it stops.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Address and port of the API [default: `GATEWAY__SERVER__LISTEN`, or 127.0.0.1:8080]
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// Address and port of probes and metrics [default: `GATEWAY__SERVER__OPS_LISTEN`, or 127.0.0.1:8081]
    #[arg(long)]
    pub ops_listen: Option<SocketAddr>,
    /// Address and port of the simulated legacy system; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    pub legacy_listen: SocketAddr,
}

/// A demonstration that has been started.
#[derive(Debug)]
pub struct Demo {
    app: App,
    legacy: JoinHandle<server::Drained>,
}

const API_USER: &str = "1234";
const LEGACY_PATH: &str = "/admin/edit/services/plain/orders";

impl Demo {
    /// Binds its ports, and prints where to look and what it answers. `defaults` are the addresses without options.
    ///
    /// # Errors
    /// When it cannot start: a port is in use, for example.
    pub async fn start(options: Options, defaults: Addresses) -> Result<Self, CommandError> {
        let legacy = simulate::Options {
            listen: options.legacy_listen,
            path: LEGACY_PATH.to_owned(),
            dialect: Dialect::Network,
            api_user: API_USER.to_owned(),
            api_key: String::new(),
            orders: 500,
            latency: Duration::ZERO,
            failure_rate: 0.0,
        };
        let legacy = legacy.bind().await?;
        let legacy_url = format!("http://{}{LEGACY_PATH}", legacy.address());
        let addresses = Addresses {
            listen: options.listen.unwrap_or(defaults.listen),
            ops_listen: options.ops_listen.unwrap_or(defaults.ops_listen),
        };
        let app = App::build_with(&configuration(addresses, &legacy_url)?, example_page::routes()).await?;
        let app = app.with_event_loops(EventLoops::for_all_cores()?);
        let legacy = tokio::spawn(legacy.run(std::future::pending()));
        let tour = tour::tour(app.api.service()).await;
        super::print(&welcome(app.api.address(), app.ops.address(), &legacy_url, &tour))?;
        Ok(Self { app, legacy })
    }

    /// Serves until a signal stops it.
    ///
    /// # Errors
    /// When something was cut off.
    pub async fn run(self) -> Result<(), CommandError> {
        // It has no files; SIGHUP ends it together with its terminal.
        let result = self.app.run(None).await;
        self.legacy.abort();
        result
    }
}

fn configuration(addresses: Addresses, legacy_url: &str) -> Result<Config, CommandError> {
    let url = Url::parse(legacy_url).map_err(std::io::Error::other)?;
    let server = Server {
        listen: addresses.listen,
        ops_listen: addresses.ops_listen,
        // Of no use to anyone else: the data are invented.
        secret: Some("secret-of-the-demonstration".into()),
        // There is no load balancer that must notice that the gateway is not ready.
        drain_delay: Duration::ZERO,
        ..Server::default()
    };
    let upstreams = [("default".to_owned(), Upstream::new(url, API_USER.into()))].into();
    Ok(Config { server, auth: Auth::default(), log: Log::default(), upstreams, warnings: Vec::new() })
}

fn welcome(api: SocketAddr, ops: SocketAddr, legacy_url: &str, tour: &str) -> String {
    let reach = reach(api.ip());
    let (api, ops) = (healthcheck::local(api), healthcheck::local(ops));
    format!(
        "
The gateway is running in front of a legacy system with invented data: orders from March to December 2016, and one of today.
{reach}
  back-office page  http://{api}/example/#/?since=2016-11-01
  Swagger UI        http://{api}/swagger-ui/
  OpenAPI document  http://{api}/openapi.json
  readiness probe   http://{ops}/readyz
  legacy system     {legacy_url}

It has just answered a read, a change that is made only if nothing else has changed, and the same change once more:
{tour}
Try it:

  curl 'http://{api}/orders?since=2016-11-01&status=new'
  curl -X PATCH 'http://{api}/orders/20417/status' -H 'Content-Type: application/json' -d '{{\"status\":\"received\"}}'
  curl '{legacy_url}?method=order_info&api_user={API_USER}&id=20417'

Stop it with Ctrl-C.
"
    )
}

/// What to know when others can reach it, as in a container.
fn reach(listen: IpAddr) -> &'static str {
    if listen.is_loopback() {
        return "";
    }
    "Anyone who can reach this machine or container can read and change these invented data; the legacy system answers only inside.
"
}
