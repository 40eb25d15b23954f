//! An HTTP proxy with configurable behavior.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

/// What a proxy does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxyBehavior {
    /// Forwards it, or opens a tunnel.
    Forwards,
    /// Responds with 403.
    Refuses,
    /// Responds with 407.
    WantsCredentials,
    /// Never responds.
    Hangs,
    /// Closes the connection without a response.
    Closes,
    /// Confirms the tunnel, but transfers nothing through it.
    DeadTunnel,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(crate) async fn with(behavior: ProxyBehavior) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, behavior, Arc::clone(&log)));
            }
        });
        Self { address, heads, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The request lines of all requests so far.
    pub(crate) fn request_lines(&self) -> Vec<String> {
        self.heads.lock().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

async fn serve(mut stream: TcpStream, behavior: ProxyBehavior, log: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).expect("a head is ASCII");
    log.lock().push(head.clone());
    let (method, target) = (request_line_part(&head, 0), request_line_part(&head, 1));
    let established = b"HTTP/1.1 200 Connection established\r\n\r\n";
    match behavior {
        ProxyBehavior::Closes => {}
        ProxyBehavior::Refuses => {
            let forbidden = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(forbidden).await.expect("the gateway waits");
        }
        ProxyBehavior::WantsCredentials => {
            let wanted =
                b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(wanted).await.expect("the gateway waits");
        }
        ProxyBehavior::Hangs => wait_for_disconnect(stream).await,
        ProxyBehavior::DeadTunnel => {
            stream.write_all(established).await.expect("the gateway waits");
            wait_for_disconnect(stream).await;
        }
        ProxyBehavior::Forwards if method == "CONNECT" => {
            let mut server = TcpStream::connect(target).await.expect("a server");
            stream.write_all(established).await.expect("the gateway waits");
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
        }
        ProxyBehavior::Forwards => {
            let authority = target.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an absolute URI");
            let mut server = TcpStream::connect(authority).await.expect("a server");
            let origin_form = head.replacen(&format!("http://{authority}"), "", 1);
            server.write_all(origin_form.as_bytes()).await.expect("the server reads");
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
        }
    }
}

fn request_line_part(head: &str, index: usize) -> &str {
    head.split(' ').nth(index).unwrap_or_default()
}

async fn wait_for_disconnect(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}
