//! Captures the TRACE log of everything that runs in the test process, and aborts the run when it contains PII or a credential.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Once;

use parking_lot::Mutex;
use serde_json::Value;
use tjansteguiden_gateway::config::LogFormat;
use tjansteguiden_gateway::telemetry;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::eventually;

/// PII in upstream answers and requests of the tests, and credentials. None of it may reach a log, metrics or a problem. Each
/// is long enough not to occur by chance among the microseconds and ids of some hundred thousand lines, as six digits do.
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

/// The first canary that `text` contains.
pub(crate) fn find_canary(text: &str) -> Option<&'static str> {
    CANARIES.into_iter().find(|canary| text.contains(canary))
}

/// The request ids whose lines are kept for [`audit_lines`] begin with this.
const AUDITED: &str = "audit-";

static AUDIT: Mutex<Vec<Value>> = Mutex::new(Vec::new());
static CONNECT: Mutex<Vec<Value>> = Mutex::new(Vec::new());

/// Captures the log of this process from now on.
pub(crate) fn capture() {
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| {
        let subscriber = telemetry::subscriber(LogFormat::Json, LevelFilter::TRACE, false, MakeCapturedLine);
        tracing::subscriber::set_global_default(subscriber).expect("the only subscriber");
    });
}

/// Waits for the access-log line of the request with this id and for at least `count` lines with audit facts about it, and
/// returns all of the latter. The id begins with `audit-`.
pub(crate) async fn audit_lines(request_id: &str, count: usize) -> Vec<Value> {
    assert!(request_id.starts_with(AUDITED), "lines about {request_id} are not kept");
    let lines = || -> Vec<Value> { AUDIT.lock().iter().filter(|line| line["request.id"] == request_id).cloned().collect() };
    let audited = || -> Vec<Value> {
        let is_audited = |line: &Value| line["message"] == "audit" || line["audit.action"].is_string();
        lines().into_iter().filter(is_audited).collect()
    };
    let has_ended = || lines().iter().any(|line| line["message"] == "request");
    eventually("the audit lines are logged", async || has_ended() && audited().len() >= count).await;
    audited()
}

/// The lines so far about connections to this address that could not be made.
pub(crate) fn connect_lines(address: SocketAddr) -> Vec<Value> {
    CONNECT.lock().iter().filter(|line| line["address"] == address.to_string()).cloned().collect()
}

struct MakeCapturedLine;

impl<'w> MakeWriter<'w> for MakeCapturedLine {
    type Writer = CapturedLine;

    fn make_writer(&'w self) -> CapturedLine {
        CapturedLine(Vec::new())
    }
}

/// One log line; checked when it is complete.
struct CapturedLine(Vec<u8>);

impl Write for CapturedLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for CapturedLine {
    fn drop(&mut self) {
        let line = String::from_utf8_lossy(&self.0);
        if let Some(canary) = find_canary(&line) {
            // A panic in a task of the gateway would fail no test, so the process exits. `io::stderr` bypasses the captured
            // output of the test, which would be lost with the process.
            let _ = writeln!(io::stderr(), "{canary:?} is in the log: {line}");
            std::process::exit(101);
        }
        if line.contains(&format!("\"request.id\":\"{AUDITED}")) {
            AUDIT.lock().push(serde_json::from_str(&line).expect("JSON"));
        }
        if line.contains("\"message\":\"no connection to ") {
            CONNECT.lock().push(serde_json::from_str(&line).expect("JSON"));
        }
    }
}
