//! The process that is measured.

use std::alloc::System;
use std::cell::RefCell;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tjansteguiden_gateway::commands::serve::App;
use tjansteguiden_gateway::config::{Config, hash_of_key};
use tjansteguiden_gateway::telemetry;

use crate::http::Connection;

/// Counts on top of the system's allocator; the counting itself takes some twenty instructions for each call.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The API key of the only client.
pub(crate) const KEY: &str = "bench-key-of-no-use-anywhere-else";

/// What counts.
pub(crate) enum Instrument {
    /// The allocator of the process.
    Allocator,
    /// valgrind's callgrind, which writes a profile at every mark into this folder.
    Callgrind(PathBuf),
}

/// What was counted between two marks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    /// Calls of the allocator that allocate or reallocate; 0 under callgrind.
    pub(crate) allocations: f64,
    /// Bytes that they asked for; 0 under callgrind.
    pub(crate) bytes: f64,
    /// Instructions in user space; 0 without callgrind.
    pub(crate) instructions: f64,
}

impl Counts {
    pub(crate) fn per(self, requests: u32) -> Self {
        let each = |total: f64| total / f64::from(requests);
        Self { allocations: each(self.allocations), bytes: each(self.bytes), instructions: each(self.instructions) }
    }
}

/// A running gateway; stopped on drop.
pub(crate) struct Gateway {
    process: Child,
    address: SocketAddr,
    /// Where it reports what its allocator has counted.
    reports: RefCell<BufReader<ChildStderr>>,
    profiles: Option<Profiles>,
}

struct Profiles {
    folder: PathBuf,
    count: RefCell<u32>,
}

impl Gateway {
    pub(crate) fn start(upstream: &str, instrument: &Instrument) -> Self {
        let own = std::env::current_exe().expect("the path of this program");
        let (mut command, profiles) = match instrument {
            Instrument::Allocator => (Command::new(own), None),
            Instrument::Callgrind(folder) => {
                std::fs::create_dir_all(folder).expect("a folder for the profiles");
                let folder = folder.clone();
                (callgrind(&own, &folder), Some(Profiles { folder, count: RefCell::new(0) }))
            }
        };
        command.args(["gateway", upstream]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("a child process");
        let mut reports = BufReader::new(process.stderr.take().expect("a pipe"));
        let address = read_report(&mut reports).parse().expect("an address");
        Self { process, address, reports: RefCell::new(reports), profiles }
    }

    pub(crate) fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).expect("a connection");
        Connection::new(stream)
    }

    /// What was counted since the last mark.
    pub(crate) fn mark(&self) -> Counts {
        let mut stdin = self.process.stdin.as_ref().expect("a pipe");
        stdin.write_all(b"mark\n").expect("the process runs");
        let report = read_report(&mut *self.reports.borrow_mut());
        let mut counted = report.split(' ').map(|number| number.parse().expect("a number"));
        let mut next = || counted.next().expect("two numbers");
        match &self.profiles {
            None => Counts { allocations: next(), bytes: next(), instructions: 0.0 },
            Some(profiles) => Counts { allocations: 0.0, bytes: 0.0, instructions: profiles.next() },
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

impl Profiles {
    /// The instructions in the profile that callgrind has written at the last mark.
    fn next(&self) -> f64 {
        let mut count = self.count.borrow_mut();
        *count += 1;
        let path = self.folder.join(format!("callgrind.{count}"));
        let profile = std::fs::read_to_string(path).expect("callgrind writes a profile at every mark");
        let total = profile.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a profile has a total");
        total.trim().parse().expect("a number")
    }
}

pub(crate) fn has_callgrind() -> bool {
    let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    assert!(found || std::env::var_os("CI").is_none(), "CI needs valgrind");
    found
}

fn callgrind(own: &Path, folder: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--dump-before=*report_counts*", "--log-file=/dev/null"]);
    command.arg(format!("--callgrind-out-file={}", folder.join("callgrind").display())).arg(own);
    command
}

/// The next line of reports. Other lines of standard error are messages of the process.
fn read_report(reports: &mut impl BufRead) -> String {
    loop {
        let mut line = String::new();
        assert!(reports.read_line(&mut line).expect("text") > 0, "the gateway ended");
        if let Some(report) = line.strip_prefix("report ") {
            return report.trim_end().to_owned();
        }
        eprint!("{line}");
    }
}

/// The environment variables of a gateway: everything switched on, one client.
pub(crate) fn settings(upstream: &str, listen: &str) -> [(String, String); 10] {
    let settings = [
        ("UPSTREAMS__DEFAULT__URL", upstream.to_owned()),
        ("UPSTREAMS__DEFAULT__API_USER", "1234".to_owned()),
        ("SERVER__LISTEN", listen.to_owned()),
        ("SERVER__OPS_LISTEN", "127.0.0.1:0".to_owned()),
        ("SERVER__SECRET", "a-secret-of-no-use-anywhere-else".to_owned()),
        ("AUTH__MODE", "api-key".to_owned()),
        ("AUTH__CLIENTS__BENCH__KEY_SHA256", hex::encode(hash_of_key(KEY))),
        ("AUTH__CLIENTS__BENCH__UPSTREAM", "default".to_owned()),
        ("AUTH__CLIENTS__BENCH__SCOPES", "orders:read,orders:write,customers:read,personal-data:read".to_owned()),
        ("LOG__FORMAT", "json".to_owned()),
    ];
    settings.map(|(key, value)| (format!("GATEWAY__{key}"), value))
}

// --- in the process itself

/// Serves until standard input ends; reports what was allocated for every line in it.
pub(crate) fn serve(upstream: &str) {
    let config = Config::load(None, settings(upstream, "127.0.0.1:0")).expect("a valid configuration");
    let _guard = telemetry::init(config.log.format, None).expect("a log");
    // As the program does on one core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let app = App::build(&config).await.expect("ports");
        eprintln!("report {}", app.api.address());
        std::thread::spawn(report_at_marks);
        app.run(None).await.expect("a server");
    });
}

fn report_at_marks() {
    let mut region = Region::new(ALLOCATOR);
    let mut lines = std::io::stdin().lock();
    let mut line = String::with_capacity(64);
    while lines.read_line(&mut line).expect("text") > 0 {
        report_counts(&region);
        region.reset();
        line.clear();
    }
    std::process::exit(0);
}

/// A function of its own, because callgrind writes a profile when it is entered.
#[inline(never)]
fn report_counts(region: &Region<'_, System>) {
    let counted = black_box(region.change());
    eprintln!("report {} {}", counted.allocations + counted.reallocations, counted.bytes_allocated);
}
