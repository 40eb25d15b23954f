//! `healthcheck`: asks a gateway with the same configuration whether it is ready, for containers without a shell.
//!
//! It reads no other setting than `server.ops_listen`: the answer of a running gateway counts, not whether another one could
//! start with files that may have changed since.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::CommandError;

/// For connecting, and for the whole answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// More than any answer of a probe has.
const MAX_ANSWER: usize = 4 * 1024;

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
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    let deadline = Instant::now() + TIMEOUT;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    while answer.len() < MAX_ANSWER && read_some(&mut stream, deadline, &mut answer)? > 0 {}
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Reads what has arrived, and returns its length. The timeout of a socket is for one read only, so each gets what is left.
fn read_some(stream: &mut TcpStream, deadline: Instant, answer: &mut Vec<u8>) -> io::Result<usize> {
    let too_late = || io::Error::new(io::ErrorKind::TimedOut, format!("no complete answer within {} s", TIMEOUT.as_secs()));
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(too_late());
    }
    stream.set_read_timeout(Some(left))?;
    let mut buffer = [0; 512];
    let length = match stream.read(&mut buffer) {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return Err(too_late()),
        read => read?,
    };
    answer.extend(buffer.iter().take(length));
    Ok(length)
}
