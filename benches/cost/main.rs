//! What a request costs, in what other load on the machine does not change: allocations, bytes allocated, instructions.
//!
//! ```text
//! cargo bench --bench cost                # measures, prints the table, and fails where a figure is more than 5 % above baseline.md
//! cargo bench --bench cost -- --accept    # makes the measured figures the baseline
//! ```
//!
//! The gateway runs as a process of its own with a counting allocator, once as it is and once under valgrind's callgrind. So the
//! whole stack counts, sockets, log and metrics included, but neither the client nor the upstream, which are threads of the
//! parent process. Requests are sent one after another over one connection; what is counted is the difference between two marks
//! around many of them. Instructions are those of user space.

#![expect(clippy::expect_used, reason = "a measuring tool; a failure ends it")]

mod baseline;
mod gateway;
mod http;
mod requests;
#[path = "../load/stub_server.rs"]
mod stub_server;
mod training;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use baseline::{Baseline, Figures};
use gateway::{Gateway, Instrument};
use requests::{MEASURED, Measured};

#[derive(Parser)]
#[command(about = "Counts allocations and instructions of a request")]
struct Arguments {
    /// Make the measured figures the baseline
    #[arg(long)]
    accept: bool,
    /// Only these requests (a part of their title), without comparison; for work on one of them
    #[arg(long)]
    only: Option<String>,
    /// Keep callgrind's profiles in this folder
    #[arg(long)]
    profiles: Option<std::path::PathBuf>,
    /// Only send the requests to this program, whose build collects a profile
    #[arg(long, value_name = "PROGRAM")]
    train: Option<std::path::PathBuf>,
    /// Set by `cargo bench`; without it a few requests only show that the bench works
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    process: Option<Process>,
}

/// What a child process does.
#[derive(Subcommand)]
#[command(hide = true)]
enum Process {
    /// Serves the API in front of the upstream at this address.
    Gateway { upstream: String },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Process::Gateway { upstream }) = arguments.process {
        gateway::serve(&upstream);
        return ExitCode::SUCCESS;
    }
    let is_selected = |measured: &&Measured| arguments.only.as_ref().is_none_or(|only| measured.title.contains(only));
    let selected: Vec<&Measured> = MEASURED.iter().filter(is_selected).collect();
    let upstream = start_upstream();
    if let Some(program) = arguments.train {
        training::train(&program, &upstream, &selected);
        return ExitCode::SUCCESS;
    }
    if !arguments.bench {
        drop(measure(&Gateway::start(&upstream, &Instrument::Allocator), &selected, true));
        return ExitCode::SUCCESS;
    }
    let allocations = measure(&Gateway::start(&upstream, &Instrument::Allocator), &selected, false);
    let instructions = if gateway::has_callgrind() {
        let folder = tempfile::tempdir().expect("a folder");
        let profiles = arguments.profiles.clone().unwrap_or_else(|| folder.path().to_owned());
        measure(&Gateway::start(&upstream, &Instrument::Callgrind(profiles)), &selected, false)
    } else {
        eprintln!("skipped: instructions (valgrind is missing)");
        Vec::new()
    };
    let figures = Figures::new(&selected, &allocations, &instructions);
    if arguments.only.is_some() {
        println!("{}", figures.table(None));
        return ExitCode::SUCCESS;
    }
    report(&figures, arguments.accept)
}

/// Prints the figures beside the baseline. Fails where one is too high, and if a figure could not be measured in CI.
fn report(figures: &Figures, accept: bool) -> ExitCode {
    if accept {
        figures.save();
        println!("{}", figures.table(None));
        return ExitCode::SUCCESS;
    }
    let baseline = Baseline::load();
    println!("{}", figures.table(Some(&baseline)));
    let excesses = figures.excesses(&baseline);
    for excess in &excesses {
        eprintln!("above the baseline: {excess}");
    }
    if excesses.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "Accept these figures, if they are meant, with `cargo bench --bench cost -- --accept`, and say why in the commit."
    );
    ExitCode::FAILURE
}

/// Sends all requests and returns what the instrument counted for one of each.
fn measure(gateway: &Gateway, selected: &[&Measured], is_trial: bool) -> Vec<gateway::Counts> {
    let mut connection = gateway.connect();
    let mut counts = Vec::new();
    for measured in selected {
        let requests = if is_trial { 1 } else { measured.requests };
        // What happens once: connections, buffers that grow, caches. Batches of the log too.
        for number in 0..requests.min(50) {
            (measured.send)(&mut connection, number);
        }
        gateway.mark();
        for number in 0..requests {
            (measured.send)(&mut connection, 1_000 + number);
        }
        counts.push(gateway.mark().per(requests));
    }
    counts
}

fn start_upstream() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            stub_server::run(listener, stub_server::Behaviour::default()).await.expect("connections");
        });
    });
    format!("http://{address}/")
}
