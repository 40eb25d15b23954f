//! A legacy system that costs next to nothing: it answers `order_info` with a fixture, and `orders` with a list whose length
//! depends on the `date` parameter. Responses are built once, at start, and then only written.

use std::iter;
use std::sync::Arc;

use bytes::Bytes;
use jiff::ToSpan;
use jiff::civil::{DateTime, date};
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Number of distinct orders; longer lists repeat them.
const BLOCK: u32 = 100_000;
/// The `date` parameters and the number of orders that each returns. No order is older than any of these dates, so a filter
/// behind the gateway keeps all of them.
const LISTS: [(&str, u32); 3] = [("2001-01-01", 1_000), ("2002-01-01", BLOCK), ("2003-01-01", 10 * BLOCK)];
const STATUSES: [&str; 6] = ["new", "received", "active", "waiting", "cancelled", "delivered"];
const OPENING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<orders>\n   <response>\n";
const CLOSING: &str = "   </response>\n</orders>\n";
/// Responses below this size are one chunk, so that head and body leave in one write. Otherwise Nagle's algorithm on this side
/// and delayed acknowledgements on the other add some 40 ms to a response.
const SMALL: usize = 1024 * 1024;
/// Maximum size of a request head.
const MAX_HEAD: usize = 16 * 1024;

/// Accepts connections until the process ends.
pub(crate) async fn run(listener: TcpListener) -> io::Result<()> {
    let responses = Arc::new(Responses::new());
    loop {
        let (stream, _) = listener.accept().await?;
        let responses = Arc::clone(&responses);
        // A client may disconnect at any time; that is not an error here.
        tokio::spawn(async move { drop(serve(stream, &responses).await) });
    }
}

/// Serves requests until the client closes the connection.
async fn serve(mut stream: TcpStream, responses: &Responses) -> io::Result<()> {
    // Otherwise the last chunk of a list waits until the client has acknowledged the chunks before it.
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(MAX_HEAD);
    loop {
        while let Some(end) = memchr::memmem::find(&received, b"\r\n\r\n") {
            for chunk in responses.select(&received) {
                stream.write_all(chunk).await?;
            }
            received.drain(..end + 4);
        }
        if received.len() > MAX_HEAD || stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

/// A response, head included, as the chunks that are written one by one.
type Response = Vec<Bytes>;

struct Responses {
    order_info: Response,
    lists: Vec<(&'static str, Response)>,
    set_status: Response,
    add_message: Response,
    bad_request: Response,
}

impl Responses {
    fn new() -> Self {
        let orders: Vec<String> =
            (0..BLOCK).zip(STATUSES.into_iter().cycle()).map(|(number, status)| order(number, status)).collect();
        let block = Bytes::from(orders.concat());
        let list = |length: u32| {
            let length = usize::try_from(length).expect("a number of orders");
            let rest: usize = orders.iter().take(length % orders.len()).map(String::len).sum();
            let body = iter::repeat_n(block.clone(), length / orders.len()).chain([block.slice(..rest)]);
            let body: Vec<Bytes> = iter::once(OPENING.into()).chain(body).chain([CLOSING.into()]).collect();
            response("200 OK", &body)
        };
        Self {
            order_info: response("200 OK", &[include_str!("../../tests/fixtures/network/order_info.xml").into()]),
            lists: LISTS.map(|(since, length)| (since, list(length))).into(),
            set_status: response("200 OK", &[confirmation("set_status").into()]),
            add_message: response("200 OK", &[confirmation("add_message").into()]),
            bad_request: response("400 Bad Request", &[]),
        }
    }

    /// The response to a request that begins with these bytes.
    fn select(&self, request: &[u8]) -> &Response {
        let target = request.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let query = target.splitn(2, |byte| *byte == b'?').nth(1).unwrap_or_default();
        let parameter = |name| form_urlencoded::parse(query).find_map(|(key, value)| (key == name).then_some(value));
        match parameter("method").as_deref() {
            Some("order_info") => &self.order_info,
            Some("orders") => {
                let date = parameter("date").unwrap_or_default();
                self.lists.iter().find(|(since, _)| *since == date).map_or(&self.bad_request, |(_, list)| list)
            }
            Some("set_status") => &self.set_status,
            Some("add_message") => &self.add_message,
            _ => &self.bad_request,
        }
    }
}

/// The answer to a write that was applied. Nothing is: `order_info` stays the same.
fn confirmation(method: &str) -> String {
    format!("<{method}><response><message>Done</message></response><status>success</status></{method}>")
}

fn response(status: &str, body: &[Bytes]) -> Response {
    let length: usize = body.iter().map(Bytes::len).sum();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {length}\r\n\r\n");
    let chunks: Response = iter::once(head.into()).chain(body.iter().cloned()).collect();
    if length < SMALL { vec![chunks.concat().into()] } else { chunks }
}

/// One list item: an order every seven minutes, every fifth of them to be delivered as soon as possible.
fn order(number: u32, status: &str) -> String {
    let at = date(2016, 3, 14).at(9, 5, 0, 0) + (7 * i64::from(number)).minutes();
    let delivery = if number.is_multiple_of(5) { "asap".into() } else { timestamp(at.date().at(0, 0, 0, 0) + 7.days()) };
    let (id, at) = (20_417 + number, timestamp(at));
    let (service, xsp, customer) = (3_100 + number % 37, 40_200 + number % 19, 18_020 + number / 2);
    let elements = [
        format!("<id>{id}</id>"),
        String::from("<type>order</type>"),
        format!("<date>{at}</date>"),
        format!("<status>{status}</status>"),
        format!("<service>{service}</service>"),
        format!("<xsp>{xsp}</xsp>"),
        format!("<delivery>{delivery}</delivery>"),
        format!("<customer>{customer}</customer>"),
    ];
    format!("      <order>\n         {}\n      </order>\n", elements.join("\n         "))
}

/// A date and time in the format of the legacy API.
fn timestamp(time: DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
