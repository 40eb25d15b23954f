//! `healthcheck`: asks a gateway with the same configuration whether it is ready, for containers without a shell.
//!
//! It reads no other setting than `server.ops_listen`: the answer of a running gateway counts, not whether another one could
//! start with files that may have changed since.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::CommandError;

/// For connecting, and for the answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// More than any answer of a probe has.
const MAX_ANSWER: u64 = 4 * 1024;

/// Prints the answer of `/readyz`, or of `/livez`, on the operations port.
///
/// # Errors
/// When the gateway does not answer in time, or not with 200.
pub fn run(ops_listen: SocketAddr, only_live: bool) -> Result<(), CommandError> {
    let path = if only_live { "/livez" } else { "/readyz" };
    let address = local(ops_listen);
    let url = format!("http://{address}{path}");
    let answer = ask(address, path).map_err(|error| io::Error::new(error.kind(), format!("{url}: {error}")))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().and_then(|line| line.split(' ').nth(1)).unwrap_or("no status");
    let text = format!("{url}: {status} {}", body.trim());
    if status == "200" { Ok(super::print(&format!("{text}\n"))?) } else { Err(io::Error::other(text).into()) }
}

/// The address that reaches a listener from the same machine, also if it listens on all addresses.
pub(super) fn local(listen: SocketAddr) -> SocketAddr {
    let address = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, listen.port())
}

/// With HTTP/1.0 the gateway closes the connection after its answer.
fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left))?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
