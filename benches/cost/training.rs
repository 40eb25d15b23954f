//! The workload of a build with profile-guided optimization (`benches/pgo`).

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::gateway::settings;
use crate::http::Connection;
use crate::requests::Measured;

/// How often each request is sent, in multiples of what is measured.
const REPETITIONS: u32 = 10;
const START: Duration = Duration::from_secs(30);

/// Sends the requests to this program and lets it end, when it writes its profile.
pub(crate) fn train(program: &Path, upstream: &str, requests: &[&Measured]) {
    let address = free_address();
    let mut command = Command::new(program);
    // It ends as soon as its connection is closed.
    command.arg("serve").envs(settings(upstream, &address)).env("GATEWAY__SERVER__DRAIN_DELAY", "0s").stdout(Stdio::null());
    let mut process = command.spawn().expect("the program starts");
    let mut connection = Connection::new(connect(&address, &mut process));
    for measured in requests {
        for number in 0..measured.requests * REPETITIONS {
            (measured.send)(&mut connection, number);
        }
    }
    drop(connection);
    let pid = Pid::from_child(&process);
    kill_process(pid, Signal::TERM).expect("the program runs");
    let status = process.wait().expect("a child process");
    assert!(status.success(), "the program ended with {status}");
}

fn connect(address: &str, process: &mut Child) -> TcpStream {
    let start = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return stream,
            Err(error) => assert!(start.elapsed() < START, "the program does not listen: {error}"),
        }
        let ended = process.try_wait().expect("a child process");
        assert!(ended.is_none(), "the program ended before it listened");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An address whose port was free a moment ago.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}
