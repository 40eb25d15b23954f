//! The requests whose cost is counted.

use crate::http::Connection;

/// A request that is sent many times.
pub(crate) struct Measured {
    pub(crate) title: &'static str,
    /// How often it is sent between two marks.
    pub(crate) requests: u32,
    /// Sends it, with a number that no other request between the marks has, and checks the response.
    pub(crate) send: fn(&mut Connection, u32),
}

const fn measured(title: &'static str, requests: u32, send: fn(&mut Connection, u32)) -> Measured {
    Measured { title, requests, send }
}

pub(crate) const MEASURED: [Measured; 9] = [
    measured("one order", 400, order),
    measured("one order, unchanged (304)", 400, unchanged_order),
    measured("its status", 400, status),
    measured("a guarded change of its status", 200, guarded_change),
    measured("a message with an idempotency key", 200, keyed_message),
    measured("a request without credentials (401)", 400, unauthenticated),
    measured("a list of 1 000 orders", 20, list),
    measured("a list of 1 000 orders as NDJSON", 20, ndjson_list),
    measured(LONG_LIST, 1, long_list),
];

/// The title of a list that is long enough to divide by its items.
const LONG_LIST: &str = "a list of 100 000 orders";
/// What each item of a list adds: the difference between lists of these titles, divided by the difference of their lengths.
pub(crate) const FURTHER_ITEM: (&str, &str, &str, f64) =
    ("each further item of a list", "a list of 1 000 orders", LONG_LIST, 99_000.0);

fn order(connection: &mut Connection, number: u32) {
    let response = connection.send("GET", &format!("/orders/{}", number + 1), "", "");
    assert_eq!(response.status, 200);
}

fn unchanged_order(connection: &mut Connection, number: u32) {
    let target = format!("/orders/{}", number % 2 + 1);
    let tag = connection.tag(&target);
    let response = connection.send("GET", &target, &format!("If-None-Match: {tag}\r\n"), "");
    assert_eq!(response.status, 304);
}

fn status(connection: &mut Connection, number: u32) {
    let response = connection.send("GET", &format!("/orders/{}/status", number + 1), "", "");
    assert_eq!(response.status, 200);
}

fn guarded_change(connection: &mut Connection, number: u32) {
    let target = format!("/orders/{}/status", number % 2 + 1);
    let tag = connection.tag(&target);
    let headers = format!("If-Match: {tag}\r\nContent-Type: application/json\r\n");
    let response = connection.send("PATCH", &target, &headers, r#"{"status":"received"}"#);
    assert_eq!(response.status, 200);
}

fn keyed_message(connection: &mut Connection, number: u32) {
    let headers = format!("Idempotency-Key: a-key-of-this-bench-{number}\r\nContent-Type: application/json\r\n");
    let body = r#"{"type":"alert","text":"The fibre is cut at the corner."}"#;
    let response = connection.send("POST", &format!("/orders/{}/messages", number + 1), &headers, body);
    assert_eq!(response.status, 201);
}

fn unauthenticated(connection: &mut Connection, number: u32) {
    let response = connection.send_as("", "GET", &format!("/orders/{}", number + 1), "", "");
    assert_eq!(response.status, 401);
}

fn list(connection: &mut Connection, _: u32) {
    assert_eq!(orders(connection, "2001-01-01", ""), 1_000);
}

fn ndjson_list(connection: &mut Connection, _: u32) {
    assert_eq!(orders(connection, "2001-01-01", "Accept: application/x-ndjson\r\n"), 1_000);
}

fn long_list(connection: &mut Connection, _: u32) {
    assert_eq!(orders(connection, "2002-01-01", ""), 100_000);
}

/// Reads a list and counts its items.
fn orders(connection: &mut Connection, since: &str, headers: &str) -> usize {
    let response = connection.send("GET", &format!("/orders?since={since}"), headers, "");
    assert_eq!(response.status, 200);
    // A chunk may end within an item, but then it is not this short.
    memchr::memmem::find_iter(response.body, b"\"orderedAt\":").count()
}
