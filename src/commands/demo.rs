//! `demo`: the gateway in front of a simulated legacy system, without configuration.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use url::Url;

use super::serve::App;
use super::{CommandError, simulate};
use crate::config::{Auth, Config, Dialect, Log, Server, Upstream};

/// Options of the demonstration. Its data are invented, and changes are lost when it stops.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Address and port of the API
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address and port of probes and metrics
    #[arg(long, default_value = "127.0.0.1:8081")]
    pub ops_listen: SocketAddr,
    /// Address and port of the simulated legacy system; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    pub legacy_listen: SocketAddr,
}

const API_USER: &str = "1234";
const LEGACY_PATH: &str = "/admin/edit/services/plain/orders";

/// Serves until a signal stops it.
///
/// # Errors
/// When it cannot start: a port is in use, for example.
pub async fn run(options: Options) -> Result<(), CommandError> {
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
    let app = App::build(&configuration(&options, &legacy_url)?).await?;
    super::print(&welcome(app.api.address(), app.ops.address(), &legacy_url))?;
    let legacy = tokio::spawn(legacy.run(std::future::pending()));
    // It has no files; SIGHUP ends it together with its terminal.
    let result = app.run(None).await;
    legacy.abort();
    result
}

fn configuration(options: &Options, legacy_url: &str) -> Result<Config, CommandError> {
    let url = Url::parse(legacy_url).map_err(std::io::Error::other)?;
    let server = Server {
        listen: options.listen,
        ops_listen: options.ops_listen,
        // There is no load balancer that must notice that the gateway is not ready.
        drain_delay: Duration::ZERO,
        ..Server::default()
    };
    let upstreams = [("default".to_owned(), Upstream::new(url, API_USER.into()))].into();
    Ok(Config { server, auth: Auth::default(), log: Log::default(), upstreams, warnings: Vec::new() })
}

fn welcome(api: SocketAddr, ops: SocketAddr, legacy_url: &str) -> String {
    format!(
        "
The gateway is running in front of a legacy system with invented data: orders from March to December 2016, and one of today.

  Swagger UI        http://{api}/swagger-ui/
  OpenAPI document  http://{api}/openapi.json
  readiness probe   http://{ops}/readyz
  legacy system     {legacy_url}

Try it:

  curl 'http://{api}/orders?since=2016-11-01&status=new'
  curl -X PATCH 'http://{api}/orders/20417/status' -H 'Content-Type: application/json' -d '{{\"status\":\"received\"}}'
  curl '{legacy_url}?method=order_info&api_user={API_USER}&id=20417'

Stop it with Ctrl-C.
"
    )
}
