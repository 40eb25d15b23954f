//! The log of everything that runs inside the tests, at its most talkative. Nothing personal and no credential may stand in it.

use std::io::{self, Write};
use std::sync::{Mutex, Once};

use serde_json::Value;
use tjansteguiden_gateway::config::LogFormat;
use tjansteguiden_gateway::telemetry;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::soon;

/// What the order systems of the tests say of people, and what they and clients are known by. None of it may be in a log, in
/// metrics or in a problem. Each is long enough not to turn up by chance in the microseconds and ids of some hundred thousand
/// lines, as six digits do.
const CANARIES: [&str; 19] = [
    "191212121212",
    "19121212-1212",
    "121212-1212",
    "121212+1212",
    "@example.com",
    "order@example.net",
    "07017406",
    "070-1740605",
    "070-174 06",
    "Exempelgatan",
    "Tolvan",
    "Elvasson",
    "508-004-06",
    "Ring p\u{e5}",
    "Canary",
    "00112233445566778899aabbccddeeff",
    "api_user=",
    "Bearer ey",
    "-----BEGIN",
];

/// The first canary that a text has in it.
pub(crate) fn canary(text: &str) -> Option<&'static str> {
    CANARIES.into_iter().find(|canary| text.contains(canary))
}

static AUDIT: Mutex<Vec<Value>> = Mutex::new(Vec::new());

/// From now on everything that is logged in this process is looked at.
pub(crate) fn listen() {
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| {
        let subscriber = telemetry::subscriber(LogFormat::Json, LevelFilter::TRACE, false, Listener);
        tracing::subscriber::set_global_default(subscriber).expect("nobody else listens");
    });
}

/// The lines of the audit about requests with this id, once there are so many.
pub(crate) async fn audit(request_id: &str, count: usize) -> Vec<Value> {
    let lines = || -> Vec<Value> {
        let all = AUDIT.lock().expect("no test panics inside");
        all.iter().filter(|line| line["request.id"] == request_id).cloned().collect()
    };
    soon("the audit tells", async || lines().len() >= count).await;
    lines()
}

struct Listener;

impl<'w> MakeWriter<'w> for Listener {
    type Writer = Line;

    fn make_writer(&'w self) -> Line {
        Line(Vec::new())
    }
}

/// A line that is being written.
struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = String::from_utf8_lossy(&self.0);
        if let Some(canary) = canary(&line) {
            // No test waits for what is logged in a task of the gateway, so all of them end here. Written past the test's
            // captured output, which nobody would see any more.
            let _ = writeln!(io::stderr(), "{canary:?} stands in the log: {line}");
            std::process::exit(101);
        }
        if line.contains("\"message\":\"audit\"") {
            AUDIT.lock().expect("no test panics inside").push(serde_json::from_str(&line).expect("JSON"));
        }
    }
}
