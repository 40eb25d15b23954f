//! A legacy system that costs next to nothing: it answers `order_info` with a fixture, and `orders` with a list whose length
//! depends on the `date` parameter. Responses are built once, at start, and then only written. Writes are confirmed and not
//! applied, unless changes of the status are to be kept.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::ToSpan;
use jiff::civil::{DateTime, date};
use parking_lot::Mutex;
use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Number of distinct orders; longer lists repeat them.
const BLOCK: u32 = 100_000;
/// The `date` parameters and the number of orders that each returns. No order is older than any of these dates, so a filter
/// behind the gateway keeps all of them.
const LISTS: [(&str, u32); 3] = [("2001-01-01", 1_000), ("2002-01-01", BLOCK), ("2003-01-01", 10 * BLOCK)];
const ORDER_INFO: &str = include_str!("../../tests/fixtures/network/order_info.xml");
const STATUSES: [&str; 6] = ["new", "received", "active", "waiting", "cancelled", "delivered"];
const OPENING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<orders>\n   <response>\n";
const CLOSING: &str = "   </response>\n</orders>\n";
/// Responses below this size are one chunk, so that head and body leave in one write. Otherwise Nagle's algorithm on this side
/// and delayed acknowledgements on the other add some 40 ms to a response.
const SMALL: usize = 1024 * 1024;
/// Maximum size of a request head.
const MAX_HEAD: usize = 16 * 1024;

/// What the stub does besides responding. Nothing by default.
#[derive(Default)]
pub(crate) struct Behaviour {
    /// How long it waits before each response.
    pub(crate) delay: Duration,
    /// TLS, if connections use it.
    pub(crate) tls: Option<TlsAcceptor>,
    /// Whether `set_status` changes the status of an order and adds an entry to its log.
    pub(crate) keeps_changes: bool,
}

/// Accepts connections until the process ends.
pub(crate) async fn run(listener: TcpListener, behaviour: Behaviour) -> io::Result<()> {
    let Behaviour { delay, tls, keeps_changes } = behaviour;
    let responses = Arc::new(Responses::new(keeps_changes));
    loop {
        let (stream, _) = listener.accept().await?;
        let (responses, tls) = (Arc::clone(&responses), tls.clone());
        // A client may disconnect at any time; that is not an error here.
        tokio::spawn(async move {
            // Otherwise the last chunk of a list waits until the client has acknowledged the chunks before it.
            stream.set_nodelay(true)?;
            match tls {
                Some(tls) => serve(tls.accept(stream).await?, &responses, delay).await,
                None => serve(stream, &responses, delay).await,
            }
        });
    }
}

/// Serves requests until the client closes the connection.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, responses: &Responses, delay: Duration) -> io::Result<()> {
    let mut received = Vec::with_capacity(MAX_HEAD);
    loop {
        while let Some(end) = memchr::memmem::find(&received, b"\r\n\r\n") {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            for chunk in &*responses.select(&received) {
                stream.write_all(chunk).await?;
            }
            stream.flush().await?;
            received.drain(..end + 4);
        }
        if received.len() > MAX_HEAD || stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

/// A response, head included, as the chunks that are written one by one.
type Response = Arc<[Bytes]>;

struct Responses {
    order_info: Response,
    lists: Vec<(&'static str, Response)>,
    set_status: Response,
    add_message: Response,
    bad_request: Response,
    /// Responses to `order_info` for the orders whose status was changed, by id. `None` if changes are not kept.
    changed: Option<Mutex<HashMap<String, Response>>>,
}

impl Responses {
    fn new(keeps_changes: bool) -> Self {
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
            order_info: response("200 OK", &[ORDER_INFO.into()]),
            lists: LISTS.map(|(since, length)| (since, list(length))).into(),
            set_status: response("200 OK", &[confirmation("set_status").into()]),
            add_message: response("200 OK", &[confirmation("add_message").into()]),
            bad_request: response("400 Bad Request", &[]),
            changed: keeps_changes.then(Mutex::default),
        }
    }

    /// The response to a request that begins with these bytes.
    fn select(&self, request: &[u8]) -> Response {
        let target = request.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let query = target.splitn(2, |byte| *byte == b'?').nth(1).unwrap_or_default();
        let parameter = |name| form_urlencoded::parse(query).find_map(|(key, value)| (key == name).then_some(value));
        let response = match parameter("method").as_deref() {
            Some("order_info") => return self.order(parameter("id")),
            Some("set_status") => {
                self.change(parameter("id"), parameter("status"));
                Some(&self.set_status)
            }
            Some("add_message") => Some(&self.add_message),
            Some("orders") => {
                let date = parameter("date").unwrap_or_default();
                self.lists.iter().find(|(since, _)| *since == date).map(|(_, list)| list)
            }
            _ => None,
        };
        response.unwrap_or(&self.bad_request).clone()
    }

    /// The order as it was changed last, or else the fixture.
    fn order(&self, id: Option<Cow<str>>) -> Response {
        let changed = self.changed.as_ref().and_then(|changed| changed.lock().get(&*id?).cloned());
        changed.unwrap_or_else(|| self.order_info.clone())
    }

    /// An order keeps the entry of its last change only, or its response would grow.
    fn change(&self, id: Option<Cow<str>>, status: Option<Cow<str>>) {
        let (Some(changed), Some(id), Some(status)) = (&self.changed, id, status) else { return };
        let text = format!("Status changed to {status}");
        let entry = format!("<log><date>2016-03-15 09:05:00</date><message>{text}</message><type>system</type></log></logs>");
        let order = ORDER_INFO.replace("<status>new<", &format!("<status>{status}<")).replace("</logs>", &entry);
        changed.lock().insert(id.into_owned(), response("200 OK", &[order.into()]));
    }
}

/// The answer to a write that was applied.
fn confirmation(method: &str) -> String {
    format!("<{method}><response><message>Done</message></response><status>success</status></{method}>")
}

fn response(status: &str, body: &[Bytes]) -> Response {
    let length: usize = body.iter().map(Bytes::len).sum();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {length}\r\n\r\n");
    let chunks: Vec<Bytes> = iter::once(head.into()).chain(body.iter().cloned()).collect();
    if length < SMALL { [chunks.concat().into()].into() } else { chunks.into() }
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
