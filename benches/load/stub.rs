//! An order system that costs next to nothing, for load tests: it answers `order_info` with a fixture, and `orders` with a
//! list whose length the `date` chooses. Everything is made once and then only written.
//!
//! `load_stub 127.0.0.1:PORT`

#![expect(clippy::expect_used, reason = "a program for measurements; its faults are its own")]

use std::iter;
use std::sync::Arc;

use bytes::Bytes;
use jiff::ToSpan;
use jiff::civil::{DateTime, date};
use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How many orders there are that differ; longer lists repeat them.
const BLOCK: u32 = 100_000;
/// Dates that lists are asked for with, and how many orders they get. No order is older than any of them, so that a filter
/// behind the gateway keeps them all.
const LISTS: [(&str, u32); 3] = [("2001-01-01", 1_000), ("2002-01-01", BLOCK), ("2003-01-01", 10 * BLOCK)];
const STATUS: [&str; 6] = ["new", "received", "active", "waiting", "cancelled", "delivered"];
const OPENING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<orders>\n   <response>\n";
const CLOSING: &str = "   </response>\n</orders>\n";
/// Answers up to this size are one piece, so that head and body leave in one write.
const SMALL: usize = 1024 * 1024;
/// The longest head that is taken.
const MAX_HEAD: usize = 16 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).expect("an address to listen on");
    let answers = Arc::new(Answers::new());
    let listener = TcpListener::bind(&address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let answers = Arc::clone(&answers);
        // A client that breaks its connection off is no news.
        tokio::spawn(async move { drop(serve(stream, &answers).await) });
    }
}

/// Answers one request after the other until the client closes the connection.
async fn serve(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    // Else the end of a list waits for the client to acknowledge what was before it.
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(MAX_HEAD);
    loop {
        while let Some(end) = memchr::memmem::find(&received, b"\r\n\r\n") {
            for piece in answers.to(&received) {
                stream.write_all(piece).await?;
            }
            received.drain(..end + 4);
        }
        if received.len() > MAX_HEAD || stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

/// An answer, head included, in the pieces that it is written in.
type Answer = Vec<Bytes>;

/// All answers there are.
struct Answers {
    order_info: Answer,
    lists: Vec<(&'static str, Answer)>,
    unknown: Answer,
}

impl Answers {
    fn new() -> Self {
        let orders: Vec<String> =
            (0..BLOCK).zip(STATUS.into_iter().cycle()).map(|(number, status)| order(number, status)).collect();
        let block = Bytes::from(orders.concat());
        let list = |length: u32| {
            let length = usize::try_from(length).expect("a number of orders");
            let rest: usize = orders.iter().take(length % orders.len()).map(String::len).sum();
            let body = iter::repeat_n(block.clone(), length / orders.len()).chain([block.slice(..rest)]);
            let body: Vec<Bytes> = iter::once(OPENING.into()).chain(body).chain([CLOSING.into()]).collect();
            answer("200 OK", &body)
        };
        Self {
            order_info: answer("200 OK", &[include_str!("../../tests/fixtures/network/order_info.xml").into()]),
            lists: LISTS.map(|(since, length)| (since, list(length))).into(),
            unknown: answer("400 Bad Request", &[]),
        }
    }

    /// What a request that begins with these bytes is answered.
    fn to(&self, request: &[u8]) -> &Answer {
        let target = request.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let query = target.splitn(2, |byte| *byte == b'?').nth(1).unwrap_or_default();
        let parameter = |name| form_urlencoded::parse(query).find_map(|(key, value)| (key == name).then_some(value));
        match parameter("method").as_deref() {
            Some("order_info") => &self.order_info,
            Some("orders") => {
                let date = parameter("date").unwrap_or_default();
                self.lists.iter().find(|(since, _)| *since == date).map_or(&self.unknown, |(_, list)| list)
            }
            _ => &self.unknown,
        }
    }
}

fn answer(status: &str, body: &[Bytes]) -> Answer {
    let length: usize = body.iter().map(Bytes::len).sum();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {length}\r\n\r\n");
    let pieces: Answer = iter::once(head.into()).chain(body.iter().cloned()).collect();
    if length < SMALL { vec![pieces.concat().into()] } else { pieces }
}

/// One item of a list: an order every seven minutes, some wanted as soon as possible.
fn order(number: u32, status: &str) -> String {
    let at = date(2016, 3, 14).at(9, 5, 0, 0) + (7 * i64::from(number)).minutes();
    let delivery = if number.is_multiple_of(5) { "asap".into() } else { text(at.date().at(0, 0, 0, 0) + 7.days()) };
    let (id, at) = (20_417 + number, text(at));
    let (service, xsp, customer) = (3_100 + number % 37, 40_200 + number % 19, 18_020 + number / 2);
    let members = [
        format!("<id>{id}</id>"),
        String::from("<type>order</type>"),
        format!("<date>{at}</date>"),
        format!("<status>{status}</status>"),
        format!("<service>{service}</service>"),
        format!("<xsp>{xsp}</xsp>"),
        format!("<delivery>{delivery}</delivery>"),
        format!("<customer>{customer}</customer>"),
    ];
    format!("      <order>\n         {}\n      </order>\n", members.join("\n         "))
}

/// A time as the order system writes it.
fn text(time: DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
