//! An order system that says whatever a test wants, byte by byte, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::soon;

const PATH: &str = "/admin/edit/services/plain/orders";

pub(crate) struct Upstream {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    events: Arc<Events>,
    task: JoinHandle<()>,
}

/// How often something has happened.
#[derive(Debug, Default)]
struct Events {
    connections: AtomicUsize,
    /// Requests that were read.
    asked: AtomicUsize,
    /// Answers that were sent whole.
    answered: AtomicUsize,
    /// Clients that left before the end of their answer.
    left: AtomicUsize,
}

/// What the order system sends, and what it does then.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pieces: Vec<Vec<u8>>,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    Close,
    KeepAlive,
    /// Goes on with a space every few milliseconds, for ever.
    Drip,
    Reset,
    Hang,
    /// Sends the last piece when told to.
    LastPieceAfter(Arc<Notify>),
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    /// An order system that answers every call the same.
    pub(crate) async fn saying(reply: Reply) -> Self {
        Self::answering(move |_| reply.clone()).await
    }

    /// An order system that answers each method with its fixture.
    pub(crate) async fn with_fixtures() -> Self {
        Self::answering(|query| {
            let method = query.split('&').find_map(|pair| pair.strip_prefix("method=")).unwrap_or_default();
            match method {
                "add_message" => Reply::xml("<add_message><response/><status>success</status></add_message>"),
                method => Reply::xml(&super::fixture(&format!("network/{method}.xml"))),
            }
        })
        .await
    }

    /// An order system that answers as the query string deserves.
    pub(crate) async fn answering(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let events = Arc::new(Events::default());
        let (answer, log, counts) = (Arc::new(answer), Arc::clone(&requests), Arc::clone(&events));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counts.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&log), Arc::clone(&counts)));
            }
        });
        Self { address, requests, events, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were made so far.
    pub(crate) fn connections(&self) -> usize {
        self.events.connections.load(Ordering::SeqCst)
    }

    /// Waits until so many requests were read.
    pub(crate) async fn asked(&self, count: usize) {
        reached(&self.events.asked, count).await;
    }

    /// Waits until so many answers were sent whole.
    pub(crate) async fn answered(&self, count: usize) {
        reached(&self.events.answered, count).await;
    }

    /// Waits until so many clients left before the end of their answer.
    pub(crate) async fn left(&self, count: usize) {
        reached(&self.events.left, count).await;
    }

    /// The query strings of all requests so far.
    pub(crate) fn queries(&self) -> Vec<String> {
        let heads = self.requests.lock().expect("no test panics inside");
        heads.iter().map(|head| in_network_words(query(head))).collect()
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.requests.lock().expect("no test panics inside").clone()
    }
}

impl Reply {
    /// A document with HTTP 200.
    pub(crate) fn xml(document: &str) -> Self {
        Self::status(200, document)
    }

    /// A document with this status.
    pub(crate) fn status(status: u16, document: &str) -> Self {
        Self::typed(status, "text/xml; charset=UTF-8", document.as_bytes())
    }

    /// A body with this status and type.
    pub(crate) fn typed(status: u16, content_type: &str, body: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 {status} Word\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nServer: Apache/1.3\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\n",
            body.len()
        );
        Self::bytes(&[head.as_bytes(), body].concat())
    }

    /// Exactly these bytes, and then the end of the connection.
    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        Self { pieces: vec![bytes.to_vec()], end: End::Close }
    }

    /// The same with one more header.
    pub(crate) fn with_header(mut self, header: &str) -> Self {
        let status_line = self.pieces[0].iter().position(|&byte| byte == b'\n').expect("a status line");
        self.pieces[0].splice(status_line + 1..=status_line, format!("{header}\r\n").into_bytes());
        self
    }

    /// A document that comes in pieces, chunked; the last one only when `latch` is notified.
    pub(crate) fn held(pieces: &[&str], latch: &Arc<Notify>) -> Self {
        let head =
            b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let chunk = |piece: &&str| format!("{:x}\r\n{piece}\r\n", piece.len()).into_bytes();
        let mut pieces: Vec<_> = std::iter::once(head).chain(pieces.iter().map(chunk)).collect();
        if let Some(last) = pieces.last_mut() {
            last.extend_from_slice(b"0\r\n\r\n");
        }
        Self { pieces, end: End::LastPieceAfter(Arc::clone(latch)) }
    }

    /// A document over a connection that stays open for the next request.
    pub(crate) fn kept_alive(document: &str) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", document.len());
        Self { end: End::KeepAlive, ..Self::bytes(&[head.as_bytes(), document.as_bytes()].concat()) }
    }

    /// The same bytes, so many at a time.
    pub(crate) fn in_pieces(mut self, length: usize) -> Self {
        self.pieces = self.pieces.concat().chunks(length).map(<[u8]>::to_vec).collect();
        self
    }

    /// The same without the bytes from this position on.
    pub(crate) fn cut(mut self, length: usize) -> Self {
        let mut bytes = self.pieces.concat();
        bytes.truncate(length);
        self.pieces = vec![bytes];
        self
    }

    /// The length of everything that is sent.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    /// The same, and then a reset connection.
    pub(crate) fn then_reset(self) -> Self {
        Self { end: End::Reset, ..self }
    }

    /// The same, and then a drip without end.
    pub(crate) fn then_drip(self) -> Self {
        Self { end: End::Drip, ..self }
    }

    /// The same, and then silence.
    pub(crate) fn then_hang(self) -> Self {
        Self { end: End::Hang, ..self }
    }
}

/// The same query as a network operator would ask it, when the tests run over the provider dialect.
fn in_network_words(query: &str) -> String {
    const HASH: &str = "hash=00112233445566778899aabbccddeeff&";
    if !super::is_provider() {
        return query.to_owned();
    }
    query.replace(&format!("{HASH}api_user=1234&"), HASH).replace(HASH, "api_user=1234&")
}

async fn reached(counter: &AtomicUsize, count: usize) {
    soon("the order system has been asked, has answered or was left", async || counter.load(Ordering::SeqCst) >= count).await;
}

async fn serve(mut stream: TcpStream, answer: Arc<impl Fn(&str) -> Reply>, log: Arc<Mutex<Vec<String>>>, events: Arc<Events>) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        if super::is_provider() && head.contains("method=api_login") {
            let login = Reply::kept_alive(&super::fixture("provider/api_login.xml"));
            stream.write_all(&login.pieces.concat()).await.expect("the gateway waits");
            continue;
        }
        log.lock().expect("no test panics inside").push(head.clone());
        events.asked.fetch_add(1, Ordering::SeqCst);
        let Reply { pieces, end } = answer(query(&head));
        let last = pieces.len().saturating_sub(1);
        for (index, piece) in pieces.iter().enumerate() {
            if let End::LastPieceAfter(latch) = &end
                && index == last
            {
                tokio::select! {
                    () = latch.notified() => {}
                    // Nothing more is sent by a client that is still there.
                    _ = stream.read_u8() => {
                        events.left.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                }
            }
            if stream.write_all(piece).await.is_err() {
                return;
            }
        }
        events.answered.fetch_add(1, Ordering::SeqCst);
        match end {
            End::KeepAlive => {}
            End::Drip => {
                let mut pause = tokio::time::interval(Duration::from_millis(20));
                while stream.write_all(b" ").await.is_ok() {
                    pause.tick().await;
                }
                return;
            }
            End::Close | End::LastPieceAfter(_) => {
                let _ = stream.shutdown().await;
                return;
            }
            End::Reset => {
                stream.set_zero_linger().expect("a socket that lives");
                return;
            }
            End::Hang => {
                // Until the other side gives up.
                let _ = tokio::time::timeout(Duration::from_mins(1), stream.read_u8()).await;
                return;
            }
        }
    }
}

fn query(head: &str) -> &str {
    let target = head.split(' ').nth(1).unwrap_or_default();
    target.split_once('?').map_or("", |(_, query)| query)
}
