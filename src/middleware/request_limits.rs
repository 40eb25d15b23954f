//! Limits of the head of a request.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::Request;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Uri, Version};

use crate::auth::Principal;
use crate::problem::{Code, FieldError, Problem};
use crate::resilience::RateLimit;

/// The longest request target, in bytes.
const MAX_TARGET: usize = 8_192;
/// The largest header section: name, value and 4 bytes more for each header.
const MAX_HEADERS: usize = 32 * 1024;

/// Whether the head of a request is one that can be served.
pub(super) fn check(request: &Request) -> Result<(), Problem> {
    if target_length(request.uri()) > MAX_TARGET {
        return Err(Problem::new(Code::UriTooLong, "Path and query together have more than 8192 bytes."));
    }
    if header_size(request.headers()) > MAX_HEADERS {
        return Err(Problem::new(Code::HeadersTooLarge, "The headers have more than 32768 bytes."));
    }
    check_host(request)
}

/// A client that names two hosts, none where one is required, or something else may mean another server than this one.
fn check_host(request: &Request) -> Result<(), Problem> {
    let hosts: Vec<_> = request.headers().get_all(HOST).iter().collect();
    let misfit = match hosts.as_slice() {
        [] if request.version() != Version::HTTP_11 => return Ok(()),
        [host] if is_host(host) => return Ok(()),
        [_] => "must be a host, and may have a port",
        _ => "must be there once",
    };
    Err(Problem::parameters(vec![FieldError::parameter("Host", misfit)]))
}

fn is_host(value: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(value.as_bytes()) else { return false };
    let host = authority.host();
    // The syntax allows for more than there are hosts with.
    let is_plain = host.starts_with('[') || host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    // What is no port, and a user in front of the host, are neither.
    let has_port = authority.port_u16().is_some();
    let rest = authority.as_str().strip_prefix(host);
    !host.is_empty() && is_plain && rest.is_some_and(|rest| rest.is_empty() || has_port)
}

/// Whether there may be one more request from an address.
pub(super) fn check_rate(address: Option<IpAddr>, rate: Option<&RateLimit<IpAddr>>) -> Result<(), Problem> {
    let Some((rate, address)) = rate.zip(address) else { return Ok(()) };
    rate.acquire(&network(address))
        .map_err(|wait| Problem::new(Code::TooManyRequests, "This address makes more requests than it may.").retry_after(wait))
}

/// What an address shares with those that the same client may have: with IPv6 everybody is given a whole network of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Whether the caller, from wherever, may make one more request.
pub(super) fn check_principal_rate(caller: &Principal) -> Result<(), Problem> {
    caller
        .acquire_rate_permit()
        .map_err(|wait| Problem::new(Code::TooManyRequests, "You make more requests than you may.").retry_after(wait))
}

fn target_length(uri: &Uri) -> usize {
    let origin = match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => scheme.len() + "://".len() + authority.as_str().len(),
        (None, Some(authority)) => authority.as_str().len(),
        _ => 0,
    };
    origin + uri.path_and_query().map_or(0, |path| path.as_str().len())
}

fn header_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_may_have_a_port() {
        for host in ["a", "example.com", "example.com:8080", "a_b-c.default.svc", "127.0.0.1:1", "[::1]", "[::1]:65535"] {
            assert!(is_host(&HeaderValue::from_static(host)), "{host}");
        }
        for host in
            ["", "a b/c?d", "a,b", "user@a", "user:key@a:80", "a:", "a:b", "a:65536", ":80", "http://a", "a/", "[::1", "ä"]
        {
            assert!(!is_host(&HeaderValue::from_bytes(host.as_bytes()).unwrap()), "{host}");
        }
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_client() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
