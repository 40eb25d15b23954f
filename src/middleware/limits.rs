//! Limits of the head of a request.

use std::net::IpAddr;

use axum::extract::Request;
use http::header::HOST;
use http::{HeaderMap, Uri, Version};

use crate::access::Caller;
use crate::resilience::Rate;
use crate::rest::problem::{Code, FieldError, Problem};

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
    // A client that names two hosts, or none where one is required, may mean another server than this one.
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts > 1 || hosts == 0 && request.version() == Version::HTTP_11 {
        return Err(Problem::parameters(vec![FieldError::parameter("Host", "must be there once")]));
    }
    Ok(())
}

/// Whether there may be one more request from an address.
pub(super) fn check_rate(address: Option<IpAddr>, rate: Option<&Rate<IpAddr>>) -> Result<(), Problem> {
    let Some((rate, address)) = rate.zip(address) else { return Ok(()) };
    rate.take(&address)
        .map_err(|wait| Problem::new(Code::TooManyRequests, "This address makes more requests than it may.").retry_after(wait))
}

/// Whether the caller, from wherever, may make one more request.
pub(super) fn check_rate_of(caller: &Caller) -> Result<(), Problem> {
    caller
        .take_turn()
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
