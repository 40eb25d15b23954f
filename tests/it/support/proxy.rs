//! An http proxy.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

/// What a proxy does with what it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It passes it on.
    Serves,
    /// It answers 403.
    Refuses,
    /// It says nothing.
    Hangs,
    /// It closes the connection.
    HangsUp,
    /// It says that there is a tunnel, and nothing comes through.
    TunnelsNowhere,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(crate) async fn that(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, manner, Arc::clone(&log)));
            }
        });
        Self { address, heads, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first lines of what it was asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        let heads = self.heads.lock().expect("no test panics inside");
        heads.iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, log: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).expect("a head is ASCII");
    log.lock().expect("no test panics inside").push(head.clone());
    let (method, target) = (word(&head, 0), word(&head, 1));
    let established = b"HTTP/1.1 200 Connection established\r\n\r\n";
    match manner {
        Manner::HangsUp => {}
        Manner::Refuses => {
            let answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).await.expect("the gateway waits");
        }
        Manner::Hangs => until_left(stream).await,
        Manner::TunnelsNowhere => {
            stream.write_all(established).await.expect("the gateway waits");
            until_left(stream).await;
        }
        Manner::Serves if method == "CONNECT" => {
            let mut server = TcpStream::connect(target).await.expect("a server");
            stream.write_all(established).await.expect("the gateway waits");
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
        }
        Manner::Serves => {
            let authority = target.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("a whole address");
            let mut server = TcpStream::connect(authority).await.expect("a server");
            let own = head.replacen(&format!("http://{authority}"), "", 1);
            server.write_all(own.as_bytes()).await.expect("the server reads");
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
        }
    }
}

fn word(head: &str, index: usize) -> &str {
    head.split(' ').nth(index).unwrap_or_default()
}

async fn until_left(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}
