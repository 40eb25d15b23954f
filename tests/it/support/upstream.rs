//! A stand-in for the legacy system that sends scripted bytes and records the requests that it receives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::eventually;

const PATH: &str = "/admin/edit/services/plain/orders";

pub(crate) struct Upstream {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    counters: Arc<Counters>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicUsize,
    /// Requests received.
    requests: AtomicUsize,
    /// Answers sent completely.
    answers: AtomicUsize,
    /// Clients that disconnected before the end of their answer.
    disconnects: AtomicUsize,
}

/// The bytes of an answer, and what happens to the connection afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pieces: Vec<Vec<u8>>,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    Close,
    KeepAlive,
    /// Stays open, and is closed without an answer when the next request has arrived.
    CloseAtNextRequest,
    /// The same, with a reset.
    ResetAtNextRequest,
    /// Sends a space every few milliseconds, indefinitely.
    Drip,
    Reset,
    Hang,
    /// Sends the last piece after a notification, then closes the connection.
    LastPieceAfter(Arc<Notify>),
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    /// An upstream with one answer for all requests.
    pub(crate) async fn responding_with(reply: Reply) -> Self {
        Self::responding_to(move |_| reply.clone()).await
    }

    /// An upstream that answers each legacy method with its fixture.
    pub(crate) async fn with_fixtures() -> Self {
        Self::responding_to(|query| {
            let method = query.split('&').find_map(|pair| pair.strip_prefix("method=")).unwrap_or_default();
            match method {
                "add_message" => Reply::xml("<add_message><response/><status>success</status></add_message>"),
                method => Reply::xml(&super::fixture(&format!("network/{method}.xml"))),
            }
        })
        .await
    }

    /// An upstream whose answer depends on the query string.
    pub(crate) async fn responding_to(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (heads, counters) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Counters::default()));
        let (answer, recorded, counted) = (Arc::new(answer), Arc::clone(&heads), Arc::clone(&counters));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&recorded), Arc::clone(&counted)));
            }
        });
        Self { address, heads, counters, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of connections accepted so far.
    pub(crate) fn connection_count(&self) -> usize {
        self.counters.connections.load(Ordering::SeqCst)
    }

    /// Waits until at least `count` requests were received.
    pub(crate) async fn wait_for_requests(&self, count: usize) {
        eventually("the requests are received", async || self.counters.requests.load(Ordering::SeqCst) >= count).await;
    }

    /// Waits until at least `count` answers were sent completely.
    pub(crate) async fn wait_for_answers(&self, count: usize) {
        eventually("the answers are sent", async || self.counters.answers.load(Ordering::SeqCst) >= count).await;
    }

    /// Waits until at least `count` clients disconnected before the end of their answer.
    pub(crate) async fn wait_for_disconnects(&self, count: usize) {
        eventually("the clients disconnect", async || self.counters.disconnects.load(Ordering::SeqCst) >= count).await;
    }

    /// The query strings of all requests so far, in the network dialect.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.heads.lock().iter().map(|head| in_network_dialect(query(head))).collect()
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().clone()
    }
}

impl Reply {
    /// A document with HTTP 200.
    pub(crate) fn xml(document: &str) -> Self {
        Self::status(200, document)
    }

    /// A document with this status.
    pub(crate) fn status(status: u16, document: &str) -> Self {
        Self::new(status, "text/xml; charset=UTF-8", document.as_bytes())
    }

    /// A body with this status and content type.
    pub(crate) fn new(status: u16, content_type: &str, body: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 {status} Reason\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             Server: Apache/1.3\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\n",
            body.len()
        );
        Self::raw(&[head.as_bytes(), body].concat())
    }

    /// Exactly these bytes; then the connection is closed.
    pub(crate) fn raw(bytes: &[u8]) -> Self {
        Self { pieces: vec![bytes.to_vec()], end: End::Close }
    }

    /// Adds a header.
    pub(crate) fn with_header(mut self, header: &str) -> Self {
        let status_line = self.pieces[0].iter().position(|&byte| byte == b'\n').expect("a status line");
        self.pieces[0].splice(status_line + 1..=status_line, format!("{header}\r\n").into_bytes());
        self
    }

    /// A chunked document whose last piece is sent when `latch` is notified.
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

    /// A document on a connection that stays open for the next request.
    pub(crate) fn keep_alive(document: &str) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", document.len());
        Self { end: End::KeepAlive, ..Self::raw(&[head.as_bytes(), document.as_bytes()].concat()) }
    }

    /// Keeps the connection open, and closes it without an answer when the next request has arrived.
    pub(crate) fn closing_next_request(self) -> Self {
        Self { end: End::CloseAtNextRequest, ..self }
    }

    /// Like [`Self::closing_next_request`], with a reset.
    pub(crate) fn resetting_next_request(self) -> Self {
        Self { end: End::ResetAtNextRequest, ..self }
    }

    /// Sends the bytes in writes of `length`.
    pub(crate) fn in_pieces(mut self, length: usize) -> Self {
        self.pieces = self.pieces.concat().chunks(length).map(<[u8]>::to_vec).collect();
        self
    }

    /// Sends the first `length` bytes only.
    pub(crate) fn truncated(mut self, length: usize) -> Self {
        let mut bytes = self.pieces.concat();
        bytes.truncate(length);
        self.pieces = vec![bytes];
        self
    }

    /// The total number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    /// Resets the connection afterwards.
    pub(crate) fn then_reset(self) -> Self {
        Self { end: End::Reset, ..self }
    }

    /// Drips single bytes afterwards, indefinitely.
    pub(crate) fn then_drip(self) -> Self {
        Self { end: End::Drip, ..self }
    }

    /// Keeps the connection open afterwards, and sends nothing.
    pub(crate) fn then_hang(self) -> Self {
        Self { end: End::Hang, ..self }
    }
}

/// Translates a query of the provider dialect, so that tests expect the same queries in both dialects.
fn in_network_dialect(query: &str) -> String {
    const HASH: &str = "hash=00112233445566778899aabbccddeeff&";
    if !super::is_provider() {
        return query.to_owned();
    }
    query.replace(&format!("{HASH}api_user=1234&"), HASH).replace(HASH, "api_user=1234&")
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<impl Fn(&str) -> Reply>,
    heads: Arc<Mutex<Vec<String>>>,
    counters: Arc<Counters>,
) {
    loop {
        let Some(head) = read_head(&mut stream).await else { return };
        if super::is_provider() && head.contains("method=api_login") {
            let login = Reply::keep_alive(&super::fixture("provider/api_login.xml"));
            stream.write_all(&login.pieces.concat()).await.expect("the gateway is connected");
            continue;
        }
        heads.lock().push(head.clone());
        counters.requests.fetch_add(1, Ordering::SeqCst);
        let Reply { pieces, end } = answer(query(&head));
        let last = pieces.len().saturating_sub(1);
        for (index, piece) in pieces.iter().enumerate() {
            if let End::LastPieceAfter(latch) = &end
                && index == last
            {
                tokio::select! {
                    () = latch.notified() => {}
                    // The gateway sends nothing more on this connection: a read ends when it disconnects.
                    _ = stream.read_u8() => {
                        counters.disconnects.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                }
            }
            if stream.write_all(piece).await.is_err() {
                return;
            }
        }
        counters.answers.fetch_add(1, Ordering::SeqCst);
        match end {
            End::KeepAlive => {}
            End::CloseAtNextRequest => {
                read_head(&mut stream).await;
                return;
            }
            End::ResetAtNextRequest => {
                read_head(&mut stream).await;
                stream.set_zero_linger().expect("an open socket");
                return;
            }
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
                stream.set_zero_linger().expect("an open socket");
                return;
            }
            End::Hang => {
                // A minute is longer than any timeout of the tests; the gateway disconnects first.
                let _ = tokio::time::timeout(Duration::from_mins(1), stream.read_u8()).await;
                return;
            }
        }
    }
}

/// The head of the next request; `None` when the connection is closed.
async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

fn query(head: &str) -> &str {
    let target = head.split(' ').nth(1).unwrap_or_default();
    target.split_once('?').map_or("", |(_, query)| query)
}
