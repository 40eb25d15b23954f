//! A JSON system that sends scripted answers and records what it receives.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) struct Scripted {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

/// A request, complete with its body.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    head: String,
    pub(crate) body: String,
}

/// The bytes of an answer, and what happens to the connection afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    KeepAlive,
    Close,
    Reset,
    Hang,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scripted {
    /// Answers each request with what `answer` returns for it and the number of requests before it.
    pub(crate) async fn answering(answer: impl Fn(&Received, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/api/", listener.local_addr().expect("an address"));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (answer, recorded) = (Arc::new(answer), Arc::clone(&received));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&recorded)));
            }
        });
        Self { url, received, task }
    }

    /// Answers every request with this.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::answering(move |_, _| reply.clone()).await
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().clone()
    }

    /// How many requests were not reads.
    pub(crate) fn writes(&self) -> usize {
        self.received.lock().iter().filter(|request| request.method != "GET").count()
    }
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (given, value) = line.split_once(": ")?;
            given.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Reply {
    pub(crate) fn new(status: u16, media_type: &str, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status} Reason\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n", body.len());
        Self { bytes: [head.as_bytes(), body.as_bytes()].concat(), end: End::KeepAlive }
    }

    pub(crate) fn json(body: &str) -> Self {
        Self::new(200, "application/json", body)
    }

    pub(crate) fn ndjson(body: &str) -> Self {
        Self::new(200, "application/x-ndjson; charset=utf-8", body)
    }

    /// A body in one chunk, whose end is not announced.
    pub(crate) fn chunked(media_type: &str, body: &str) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ntransfer-encoding: chunked\r\n\r\n");
        let bytes = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes();
        Self { bytes, end: End::KeepAlive }
    }

    pub(crate) fn problem(status: u16, code: &str, outcome: Option<&str>) -> Self {
        let outcome = outcome.map(|outcome| format!(r#","outcome":"{outcome}""#)).unwrap_or_default();
        let body = format!(
            r#"{{"type":"/problems/{code}","status":{status},"code":"{code}","upstreamMessage":"Ordern kan inte ändras","errors":[{{"pointer":"/text","detail":"must not be blank"}}]{outcome}}}"#
        );
        Self::new(status, "application/problem+json", &body)
    }

    pub(crate) fn html(status: u16) -> Self {
        Self::new(status, "text/html", "<html><body>Sign in</body></html>")
    }

    /// No byte of an answer.
    pub(crate) const fn hang() -> Self {
        Self { bytes: Vec::new(), end: End::Hang }
    }

    pub(crate) const fn reset() -> Self {
        Self { bytes: Vec::new(), end: End::Reset }
    }

    pub(crate) fn with_header(mut self, header: &str) -> Self {
        let line_end = self.bytes.iter().position(|byte| *byte == b'\n').expect("a status line");
        self.bytes.splice(line_end + 1..=line_end, format!("{header}\r\n").into_bytes());
        self
    }

    /// The first bytes only; then the connection is closed.
    pub(crate) fn truncated(mut self, length: usize) -> Self {
        self.bytes.truncate(length);
        Self { end: End::Close, ..self }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<impl Fn(&Received, usize) -> Reply>, received: Arc<Mutex<Vec<Received>>>) {
    while let Some(request) = read_request(&mut stream).await {
        let number = {
            let mut all = received.lock();
            all.push(request.clone());
            all.len() - 1
        };
        let Reply { bytes, end } = answer(&request, number);
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        match end {
            End::KeepAlive => {}
            End::Close => return drop(stream.shutdown().await),
            End::Reset => return stream.set_zero_linger().expect("an open socket"),
            // Until the client disconnects.
            End::Hang => drop(stream.read_u8().await),
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("UTF-8");
    let mut line = head.split(' ').map(str::to_owned);
    let (method, target) = (line.next().expect("a method"), line.next().expect("a target"));
    let mut request = Received { method, target, head, body: String::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).expect("UTF-8");
    Some(request)
}
