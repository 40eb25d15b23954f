//! Encryption in front of an order system.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::Upstream;

pub(crate) struct Endpoint {
    address: SocketAddr,
    /// The address of the order system itself.
    inner: String,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    clients: Arc<Mutex<Vec<IpAddr>>>,
    task: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Endpoint {
    pub(crate) async fn before(upstream: &Upstream, config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (config, clients) = (Arc::new(Mutex::new(Arc::new(config))), Arc::new(Mutex::new(Vec::new())));
        let (current, seen, target) = (Arc::clone(&config), Arc::clone(&clients), upstream.address());
        let task = tokio::spawn(async move {
            while let Ok((stream, client)) = listener.accept().await {
                seen.lock().expect("no test panics inside").push(client.ip());
                let config = Arc::clone(&current.lock().expect("no test panics inside"));
                tokio::spawn(pass(stream, config, target));
            }
        });
        Self { address, inner: upstream.url(), config, clients, task }
    }

    pub(crate) fn url(&self) -> String {
        let (_, path) = self.inner.split_at(self.inner.find("/admin").expect("a path"));
        format!("https://{}{path}", self.address)
    }

    /// Shows something else from now on.
    pub(crate) fn show(&self, config: ServerConfig) {
        *self.config.lock().expect("no test panics inside") = Arc::new(config);
    }

    /// Where connections came from.
    pub(crate) fn clients(&self) -> Vec<IpAddr> {
        self.clients.lock().expect("no test panics inside").clone()
    }
}

async fn pass(stream: TcpStream, config: Arc<ServerConfig>, target: SocketAddr) {
    match TlsAcceptor::from(config).accept(stream).into_fallible().await {
        Ok(mut stream) => {
            let mut upstream = TcpStream::connect(target).await.expect("the order system listens");
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
        }
        // Until the client has read why.
        Err((_, mut stream)) => {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    }
}
