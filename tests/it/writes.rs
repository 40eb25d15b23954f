//! Writes: what is sent, how often, and what the client learns about the outcome.

mod contested_changes;
mod idempotency_keys;
mod idempotency_markers;
mod in_doubt;
mod outcomes;
mod rejections;
mod send_deadline;
mod verification;

use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, Gateway, Reply};

const KEY: &str = "0123456789abcdef";

/// Leaves a status change time for two read-backs.
const VERIFIED_TWICE: [(&str, &str); 2] = [("SERVER__REQUEST_TIMEOUT", "1800ms"), ("UPSTREAMS__DEFAULT__TIMEOUT", "1s")];
/// Leaves a status change time for three read-backs.
const VERIFIED_THREE_TIMES: [(&str, &str); 2] = [("SERVER__REQUEST_TIMEOUT", "1900ms"), ("UPSTREAMS__DEFAULT__TIMEOUT", "1s")];

/// An answer that does not show whether the write was applied.
fn without_result() -> Reply {
    Reply::status(503, "")
}

async fn patch_if_match(gateway: &Gateway, etags: &str, status: &str) -> Answer {
    let request = gateway.request(Method::PATCH, "/orders/1/status").header("content-type", "application/json");
    gateway.send(request.header("if-match", etags).body(json!({"status": status}).to_string())).await
}
