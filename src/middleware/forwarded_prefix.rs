//! The path prefix that a trusted proxy has stripped (`X-Forwarded-Prefix`): the public base path begins with it.
//!
//! Only the absolute paths that the gateway returns need it, which are those of problems. All others are relative.

use axum::extract::Request;
use http::header::HeaderName;
use ipnet::IpNet;

use crate::client_address;

const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// The longest prefix that is respected, in bytes.
const MAX_LENGTH: usize = 256;

/// The prefix, without a slash at its end; empty unless a trusted proxy sent a valid one.
pub(super) fn resolve<'r>(request: &'r Request, trusted: &[IpNet]) -> &'r str {
    let mut values = request.headers().get_all(FORWARDED_PREFIX).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return "" };
    let prefix = value.to_str().unwrap_or_default().trim_end_matches('/');
    if is_valid(prefix) && client_address::is_from_trusted_proxy(request, trusted) { prefix } else { "" }
}

/// Whether this is an absolute path of ordinary segments: it becomes a part of URLs that programs follow.
fn is_valid(prefix: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let is_ordinary = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_unreserved);
    prefix.len() <= MAX_LENGTH && prefix.strip_prefix('/').is_some_and(|segments| segments.split('/').all(is_ordinary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_a_path_of_ordinary_segments() {
        for valid in ["/x", "/api/tg", "/a.b/~c_d-1", &format!("/{}", "a".repeat(MAX_LENGTH - 1))] {
            assert!(is_valid(valid), "{valid}");
        }
        for invalid in [
            "",
            "x",
            "/",
            "//",
            "//host",
            "/a//b",
            "/a/../b",
            "/./a",
            "/a?b",
            "/a#b",
            "/a b",
            "/å",
            "/a%2fb",
            "/a, /b",
            "http://h/x",
            "/\\h",
            &format!("/{}", "a".repeat(MAX_LENGTH)),
        ] {
            assert!(!is_valid(invalid), "{invalid}");
        }
    }
}
