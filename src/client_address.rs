//! The IP address of a client, also behind trusted proxies (`X-Forwarded-For`).

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use http::HeaderMap;
use http::header::HeaderName;
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The peer's address, or what trusted proxies report. `None` in tests that have no connection.
pub(crate) fn resolve(request: &Request, trusted: &[IpNet]) -> Option<IpAddr> {
    Some(resolve_forwarded(peer(request)?, request.headers(), trusted))
}

/// The same, but `None` if a trusted proxy reports something that is no address: where an address is a credential, that of the
/// proxy must not stand in for one that cannot be read.
pub(crate) fn resolve_exactly(request: &Request, trusted: &[IpNet]) -> Option<IpAddr> {
    let mut walk = Walk::from(peer(request)?);
    walk.follow(request.headers(), trusted);
    walk.is_readable.then_some(walk.address)
}

/// Whether the connection comes from a trusted proxy.
pub(crate) fn is_from_trusted_proxy(request: &Request, trusted: &[IpNet]) -> bool {
    peer(request).is_some_and(|peer| is_trusted(peer, trusted))
}

fn peer(request: &Request) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    Some(peer.ip().to_canonical())
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

fn resolve_forwarded(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut walk = Walk::from(peer);
    walk.follow(headers, trusted);
    walk.address
}

/// How far the addresses of the hops have been followed.
struct Walk {
    address: IpAddr,
    /// Whether every hop on the way was an address.
    is_readable: bool,
}

impl Walk {
    const fn from(peer: IpAddr) -> Self {
        Self { address: peer, is_readable: true }
    }

    /// Walks from the peer towards the client. Each proxy appends the address that it was called from. An address that a trusted
    /// proxy appended is true; everything before the first address that is not trusted may be forged by the client.
    fn follow(&mut self, headers: &HeaderMap, trusted: &[IpNet]) {
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        // A line that is not text becomes one empty hop. That is no address, so the walk ends there.
        let hops = lines.flat_map(|line| line.to_str().unwrap_or("").rsplit(','));
        for hop in hops {
            if !is_trusted(self.address, trusted) {
                return;
            }
            let Some(previous) = parse_hop(hop.trim()) else {
                self.is_readable = false;
                return;
            };
            self.address = previous;
        }
    }
}

/// Parses an address with or without a port, in the forms that proxies write: `203.0.113.9`, `[2001:db8::9]:4711`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let unbracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    unbracketed.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        resolve_forwarded(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn client_is_the_last_untrusted_hop() {
        let trusted = &["10.0.0.0/8", "fd00::/8"][..];

        for (peer, forwarded, expected) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.7, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9, 10.2.3.4"], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.7", "203.0.113.9,10.2.3.4"], "203.0.113.9"),
            ("10.0.0.1", &["10.9.9.9, 10.2.3.4"], "10.9.9.9"),
            ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("fd00::1", &["[2001:db8::9]:4711"], "2001:db8::9"),
            ("fd00::1", &["[2001:db8::9]"], "2001:db8::9"),
            ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9, unknown, 10.2.3.4"], "10.2.3.4"),
            ("10.0.0.1", &["203.0.113.9,"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9", "å"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ] {
            assert_eq!(client(peer, forwarded, trusted), expected, "{peer} {forwarded:?}");
        }
        assert_eq!(client("10.0.0.1", &["203.0.113.9"], &[]), "10.0.0.1");
    }
}
