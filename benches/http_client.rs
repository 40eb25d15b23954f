//! Compares HTTP clients for the calls to the legacy system: the gateway's own connections and their pool
//! (`src/http_client/`), hyper-util's client, and reqwest.
//!
//! `cargo bench --bench http_client`
//!
//! The libraries are configured like the gateway's pool as far as they can be, and all build the request from a query string and
//! read the body chunk by chunk. Every measurement runs in a process of its own on one core, with the stub of the load harness
//! in another process on another core. So allocations, CPU time and peak memory are those of the client alone.

#![expect(clippy::expect_used, reason = "a measuring tool; a failure ends it")]
#![expect(clippy::disallowed_methods, reason = "the clients are what is measured; there are no credentials in these URLs")]

#[path = "load/stub_server.rs"]
mod stub_server;

use std::alloc::System;
use std::error::Error;
use std::fs;
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Parser, Subcommand, ValueEnum};
use http::header::{HeaderValue, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tjansteguiden_gateway::config::Upstream;
use tjansteguiden_gateway::legacy::raw_reads::{RawBody, RawReads};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::timeout::TimeoutLayer;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};
use url::Url;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

// The values of `src/http_client/` and of the configuration's defaults.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(3);
const MAX_READ_BUFFER: usize = 64 * 1024;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("tjansteguiden-gateway/", env!("CARGO_PKG_VERSION")));

/// Concurrent order reads, and concurrent lists.
const CONCURRENCY: usize = 16;
/// Consumption rate of one list, in bytes per second: slow enough that the client always waits for its consumer.
const CONSUMER_RATE: f64 = 16.0 * 1024.0 * 1024.0;
const ORDER: &str = include_str!("../tests/fixtures/network/order_info.xml");
/// Order reads before the measurement starts.
const WARM_UP: usize = 2_000;

const SERVER_CORE: usize = 1;
const CLIENT_CORE: usize = 0;

#[derive(Parser)]
#[command(about = "Compares the gateway's pool, hyper-util and reqwest for calls to the legacy system")]
struct Arguments {
    /// Rounds; each measures all clients once, every fifth also with lists
    #[arg(long, default_value_t = 25)]
    rounds: usize,
    /// Set by `cargo bench`; without it one short round only shows that the bench works
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    process: Option<Process>,
}

/// What a child process does.
#[derive(Subcommand)]
#[command(hide = true)]
enum Process {
    Serve,
    Orders { client: Implementation, base: Url, requests: usize },
    Lists { client: Implementation, base: Url },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Implementation {
    Gateway,
    HyperUtil,
    Reqwest,
}

fn main() {
    let arguments = Arguments::parse();
    match arguments.process {
        None if arguments.bench => compare(arguments.rounds.max(1), 10_000),
        None => compare(1, 500),
        Some(Process::Serve) => serve(),
        Some(Process::Orders { client: Implementation::Gateway, base, requests }) => orders::<RawReads>(&base, requests),
        Some(Process::Orders { client: Implementation::HyperUtil, base, requests }) => orders::<HyperUtil>(&base, requests),
        Some(Process::Orders { client: Implementation::Reqwest, base, requests }) => orders::<Reqwest>(&base, requests),
        Some(Process::Lists { client: Implementation::Gateway, base }) => lists::<RawReads>(&base),
        Some(Process::Lists { client: Implementation::HyperUtil, base }) => lists::<HyperUtil>(&base),
        Some(Process::Lists { client: Implementation::Reqwest, base }) => lists::<Reqwest>(&base),
    }
}

// --- comparison

/// Order reads are short and vary most, lists take seconds and their memory hardly varies.
const ROUNDS_PER_LISTS: usize = 5;

/// One figure that the child processes print, in this order: first those of `orders`, then those of `lists`.
struct Row {
    title: &'static str,
    unit: &'static str,
    decimals: usize,
}

const ROWS: [Row; 7] = [
    Row { title: "allocator calls per order", unit: "", decimals: 1 },
    Row { title: "bytes allocated per order", unit: "", decimals: 0 },
    Row { title: "CPU per order, 1 in flight", unit: " µs", decimals: 1 },
    Row { title: "time per order, 1 in flight", unit: " µs", decimals: 1 },
    Row { title: "CPU per order, 16 in flight", unit: " µs", decimals: 1 },
    Row { title: "peak resident memory, 16 lists", unit: " MiB", decimals: 1 },
    Row { title: "… above the memory before", unit: " MiB", decimals: 1 },
];

/// What is compared, by the name of its [`Implementation`] on the command line. The others are compared with the first.
const CLIENTS: [&str; 3] = ["gateway", "hyper-util", "reqwest"];

/// Measures all clients in every round, alternating which is first, and prints the medians.
fn compare(rounds: usize, requests: usize) {
    let (_server, base) = start_server();
    let requests = requests.to_string();
    let mut measured = CLIENTS.map(|client| (client, Vec::new()));
    for round in 0..rounds {
        measured.rotate_left(1);
        for (client, rounds) in &mut measured {
            let mut values = child(&["orders", *client, &base, &requests]);
            if round % ROUNDS_PER_LISTS == 0 {
                values.extend(child(&["lists", *client, &base]));
            }
            rounds.push(values);
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
    println!("| | {} | hyper-util ÷ gateway | reqwest ÷ gateway |", CLIENTS.join(" | "));
    println!("| --- | --- | --- | --- | --- | --- |");
    for (index, Row { title, unit, decimals }) in ROWS.iter().enumerate() {
        let series = CLIENTS.map(|name| {
            let rounds = measured.iter().find(|(client, _)| *client == name).map(|(_, rounds)| rounds).expect("a client");
            rounds.iter().filter_map(|values| values.get(index).copied()).collect::<Vec<_>>()
        });
        let values = series.each_ref().map(|series| format!("{:.decimals$}{unit}", summary(series.clone()).0));
        let [ours, others @ ..] = series;
        let ratios = others.map(|theirs| {
            let (ratio, least, most) = summary(ours.iter().zip(&theirs).map(|(ours, theirs)| theirs / ours).collect());
            format!("{ratio:.2} ({least:.2}–{most:.2})")
        });
        println!("| {title} | {} | {} |", values.join(" | "), ratios.join(" | "));
    }
}

/// Median, minimum and maximum.
fn summary(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().expect("at least one round");
    let last = values.len() - 1;
    (f64::midpoint(at(last / 2), at(values.len() / 2)), at(0), at(last))
}

/// The numbers that a measurement prints.
fn child(arguments: &[&str]) -> Vec<f64> {
    let output = own_program().args(arguments).stderr(Stdio::inherit()).output().expect("a child process");
    assert!(output.status.success(), "{arguments:?} failed");
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

fn own_program() -> Command {
    Command::new(std::env::current_exe().expect("the path of this program"))
}

/// Kills the server when the comparison ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start_server() -> (Server, String) {
    let mut server = Server(own_program().arg("serve").stdout(Stdio::piped()).spawn().expect("a child process"));
    let mut base = String::new();
    let stdout = server.0.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut base).expect("an address");
    (server, base.trim_end().to_owned())
}

// --- processes

fn serve() {
    pin_to_core(SERVER_CORE);
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("http://{}/", listener.local_addr().expect("an address"));
        stub_server::run(listener, stub_server::Behaviour::default()).await.expect("connections");
    });
}

/// Measures order reads.
fn orders<C: Client>(base: &Url, requests: usize) {
    pin_to_core(CLIENT_CORE);
    block_on(async {
        let client = C::new(base);
        read_orders(&client, WARM_UP, 1).await;
        let (region, cpu, start) = (Region::new(ALLOCATOR), cpu_time(), Instant::now());
        read_orders(&client, requests, 1).await;
        let (sequential, elapsed, allocated) = (cpu_time().saturating_sub(cpu), start.elapsed(), region.change());
        read_orders(&client, WARM_UP, CONCURRENCY).await;
        let cpu = cpu_time();
        read_orders(&client, requests, CONCURRENCY).await;
        let concurrent = cpu_time().saturating_sub(cpu);
        println!("{}", per(requests, count(allocated.allocations + allocated.reallocations)));
        println!("{}", per(requests, count(allocated.bytes_allocated)));
        for time in [sequential, elapsed, concurrent] {
            println!("{}", per(requests, time.as_secs_f64() * 1e6));
        }
    });
}

/// Measures the memory of concurrent lists.
fn lists<C: Client>(base: &Url) {
    pin_to_core(CLIENT_CORE);
    block_on(async {
        let client = C::new(base);
        read_orders(&client, WARM_UP, CONCURRENCY).await;
        fs::write("/proc/self/clear_refs", "5").expect("the peak is reset");
        let before = peak_memory();
        let mut tasks = JoinSet::new();
        for _ in 0..CONCURRENCY {
            let client = client.clone();
            tasks.spawn(async move { read_list_slowly(&client).await });
        }
        for size in tasks.join_all().await {
            assert!(size > 29_000_000, "a list ended after {size} bytes");
        }
        let peak = peak_memory();
        println!("{} {}", peak, peak - before);
    });
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future);
}

async fn read_orders<C: Client>(client: &C, requests: usize, concurrency: usize) {
    let mut tasks = JoinSet::new();
    for first in 0..concurrency {
        let client = client.clone();
        tasks.spawn(async move {
            for id in (first..requests).step_by(concurrency) {
                read_order(&client, id).await;
            }
        });
    }
    tasks.join_all().await;
}

async fn read_order<C: Client>(client: &C, id: usize) {
    let mut body = client.get(&format!("method=order_info&api_user=1234&id={id}")).await;
    let mut size = 0;
    while let Some(chunk) = C::next_chunk(&mut body).await {
        size += chunk.len();
    }
    assert_eq!(size, ORDER.len());
}

/// Holds every chunk for the time that its consumer takes, as a slow client of the gateway does.
async fn read_list_slowly<C: Client>(client: &C) -> usize {
    let mut body = client.get("method=orders&api_user=1234&date=2002-01-01").await;
    let mut size = 0;
    while let Some(chunk) = C::next_chunk(&mut body).await {
        size += chunk.len();
        tokio::time::sleep(Duration::from_secs_f64(count(chunk.len()) / CONSUMER_RATE)).await;
    }
    size
}

// --- clients

trait Client: Clone + Send + Sync + 'static {
    type Body: Send;

    fn new(base: &Url) -> Self;

    /// Sends a request and waits for the response head.
    fn get(&self, query: &str) -> impl Future<Output = Self::Body> + Send;

    /// Returns `None` at the end of the body.
    fn next_chunk(body: &mut Self::Body) -> impl Future<Output = Option<Bytes>> + Send;
}

impl Client for RawReads {
    type Body = RawBody;

    fn new(base: &Url) -> Self {
        Self::try_new(&Upstream::new(base.clone(), "1234".into())).expect("a client")
    }

    async fn get(&self, query: &str) -> RawBody {
        Self::get(self, query).await.expect("a response")
    }

    async fn next_chunk(body: &mut RawBody) -> Option<Bytes> {
        body.next_chunk().await.transpose().expect("a whole body")
    }
}

type Connector = BoxCloneSyncService<Uri, TokioIo<TcpStream>, BoxError>;

#[derive(Clone)]
struct HyperUtil {
    scheme: Scheme,
    authority: Authority,
    path: String,
    client: hyper_util::client::legacy::Client<Connector, Empty<Bytes>>,
}

impl Client for HyperUtil {
    type Body = Incoming;

    fn new(base: &Url) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector = ServiceBuilder::new().layer(TimeoutLayer::new(CONNECT_TIMEOUT)).service(tcp);
        let mut builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(POOL_IDLE_TIMEOUT).http1_max_buf_size(MAX_READ_BUFFER);
        let parts = base.as_str().parse::<Uri>().expect("a URI").into_parts();
        Self {
            scheme: parts.scheme.expect("a scheme"),
            authority: parts.authority.expect("an authority"),
            path: base.path().to_owned(),
            client: builder.build(BoxCloneSyncService::new(connector)),
        }
    }

    async fn get(&self, query: &str) -> Incoming {
        let target = PathAndQuery::from_maybe_shared(format!("{}?{query}", self.path)).expect("a target");
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(target);
        let request = Request::get(uri.build().expect("a URI")).header(USER_AGENT, AGENT).body(Empty::new());
        let response = self.client.request(request.expect("a request")).await.map_err(describe).expect("a response");
        assert!(response.status().is_success());
        response.into_body()
    }

    async fn next_chunk(body: &mut Incoming) -> Option<Bytes> {
        loop {
            if let Ok(data) = body.frame().await?.expect("a whole body").into_data() {
                return Some(data);
            }
        }
    }
}

#[derive(Clone)]
struct Reqwest {
    base: Url,
    client: reqwest::Client,
}

impl Client for Reqwest {
    type Body = reqwest::Response;

    fn new(base: &Url) -> Self {
        // reqwest takes the provider of the process, also for plain HTTP; the gateway hands it a configuration instead.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let client = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .referer(false)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .tcp_nodelay(true)
            .user_agent(AGENT);
        Self { base: base.clone(), client: client.build().expect("a client") }
    }

    async fn get(&self, query: &str) -> reqwest::Response {
        let mut url = self.base.clone();
        url.set_query(Some(query));
        let response = self.client.get(url).send().await.map_err(describe).expect("a response");
        assert!(response.status().is_success());
        response
    }

    async fn next_chunk(body: &mut reqwest::Response) -> Option<Bytes> {
        body.chunk().await.expect("a whole body")
    }
}

/// An error with its causes.
fn describe(error: impl Error + 'static) -> String {
    let causes = std::iter::successors(Some(&error as &(dyn Error + 'static)), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

// --- probes

/// User and system time of this process.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().expect("a time")
}

/// Peak resident memory of this process since the last reset, in MiB.
fn peak_memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number of KiB") / 1024.0
}

/// Pins this thread, and the threads that it starts, to one of the cores that it may use; no effect if there are fewer.
fn pin_to_core(index: usize) {
    let allowed = sched_getaffinity(None).expect("the allowed cores");
    if let Some(core) = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).nth(index) {
        let mut only = CpuSet::new();
        only.set(core);
        sched_setaffinity(None, &only).expect("an allowed core");
    }
}

fn per(requests: usize, total: f64) -> f64 {
    total / count(requests)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
const fn count(number: usize) -> f64 {
    number as f64
}
