//! Rate limits, and limits of the head of a request.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::Request;
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Uri, Version};

use crate::auth::Principal;
use crate::problem::{Code, FieldError, Problem};
use crate::resilience::RateLimit;

/// The maximum length of the request target, in bytes.
const MAX_TARGET: usize = 8_192;
/// The maximum size of the header section, in bytes: for each header its name, its value and 4 for `: ` and the line end.
const MAX_HEADERS: usize = 32 * 1024;

/// Checks the size of the request target and of the headers, and `Host`.
pub(super) fn check_head(request: &Request) -> Result<(), Problem> {
    if target_length(request.uri()) > MAX_TARGET {
        let detail = format!("The request target is longer than {MAX_TARGET} bytes.");
        return Err(Problem::new(Code::UriTooLong, detail));
    }
    if header_size(request.headers()) > MAX_HEADERS {
        let detail = format!("The header section is larger than {MAX_HEADERS} bytes.");
        return Err(Problem::new(Code::HeadersTooLarge, detail));
    }
    check_host(request)
}

/// Checks `Host` (RFC 9112, section 3.2). A proxy in front may have routed the request by one of two hosts, and this server
/// must not guess which.
fn check_host(request: &Request) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let detail = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() != Version::HTTP_11 => return Ok(()),
        (Some(host), None) if is_plain_host(host.as_bytes()) || is_host(host) => return Ok(()),
        (Some(_), None) => "must be a host with an optional port",
        _ => "must be sent exactly once",
    };
    Err(Problem::parameters(vec![FieldError::parameter("Host", detail)]))
}

/// Whether this is a host name or IPv4 address with an optional port of at most four digits, as nearly every client sends it.
/// Parsing an `Authority` copies it.
fn is_plain_host(value: &[u8]) -> bool {
    let length = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
    let (host, port) = value.split_at(length);
    let is_port = matches!(port, [] | [b':', _, ..]) && port.len() <= 5 && port.iter().skip(1).all(u8::is_ascii_digit);
    !host.is_empty() && is_port && host.iter().copied().all(is_host_byte)
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

fn is_host(value: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(value.as_bytes()) else { return false };
    let host = authority.host();
    // RFC 3986 allows more characters, but no host name has them. `[` begins an IPv6 address, which `Authority` has checked.
    let is_host = host.starts_with('[') || host.bytes().all(is_host_byte);
    // What is left of the authority must be nothing or a port: `user@a`, `a:` and `a:b` are refused.
    let has_port = authority.port_u16().is_some();
    let rest = authority.as_str().strip_prefix(host);
    !host.is_empty() && is_host && rest.is_some_and(|rest| rest.is_empty() || has_port)
}

/// Takes a token from the bucket of a client address.
pub(super) fn acquire_address_permit(address: Option<IpAddr>, rate_limit: Option<&RateLimit<IpAddr>>) -> Result<(), Problem> {
    let Some((rate_limit, address)) = rate_limit.zip(address) else { return Ok(()) };
    rate_limit
        .acquire(&rate_limit_key(address))
        .map_err(|wait| Problem::new(Code::TooManyRequests, "Too many requests from this address.").retry_after(wait))
}

/// An IPv4 address, or a /64 network of IPv6: a client is usually assigned a whole /64, and could use a new address each time.
fn rate_limit_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Takes a token from the bucket of an authenticated principal, whatever its address.
pub(super) fn acquire_principal_permit(principal: &Principal) -> Result<(), Problem> {
    principal
        .acquire_rate_permit()
        .map_err(|wait| Problem::new(Code::TooManyRequests, "Too many requests from this client.").retry_after(wait))
}

/// The length of the request target as it was sent: origin form, absolute form or authority form.
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
    fn host_is_a_name_or_address_with_optional_port() {
        for host in ["a", "example.com", "example.com:8080", "a_b-c.default.svc", "127.0.0.1:1", "[::1]", "[::1]:65535"] {
            assert!(is_host(&HeaderValue::from_static(host)), "{host}");
        }
        for host in
            ["", "a b/c?d", "a,b", "user@a", "user:key@a:80", "a:", "a:b", "a:65536", ":80", "http://a", "a/", "[::1", "ä"]
        {
            assert!(!is_host(&HeaderValue::from_bytes(host.as_bytes()).unwrap()), "{host}");
            assert!(!is_plain_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn plain_hosts_are_hosts() {
        for host in ["a", "example.com", "example.com:8080", "a_b-c.default.svc", "127.0.0.1:1", "a:0080"] {
            assert!(is_plain_host(host.as_bytes()) && is_host(&HeaderValue::from_static(host)), "{host}");
        }
        // Left to the exact check.
        for host in ["a:65535", "[::1]"] {
            assert!(!is_plain_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn ipv6_clients_are_limited_per_network() {
        let key = |text: &str| rate_limit_key(text.parse().unwrap()).to_string();

        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(key("192.0.2.7"), "192.0.2.7");
        assert_eq!(key("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
