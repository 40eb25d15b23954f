//! A TLS-terminating endpoint in front of an upstream or an issuer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::Upstream;
use super::issuer::Issuer;

pub(crate) struct TlsEndpoint {
    address: SocketAddr,
    /// The plain-HTTP URL of the upstream behind this endpoint.
    upstream_url: String,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    client_addresses: Arc<Mutex<Vec<IpAddr>>>,
    task: JoinHandle<()>,
}

impl Drop for TlsEndpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TlsEndpoint {
    pub(crate) async fn in_front_of(upstream: &Upstream, config: ServerConfig) -> Self {
        Self::start(upstream.address(), upstream.url(), config).await
    }

    pub(crate) async fn in_front_of_issuer(issuer: &Issuer, config: ServerConfig) -> Self {
        Self::start(issuer.address(), String::new(), config).await
    }

    async fn start(target: SocketAddr, upstream_url: String, config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (config, client_addresses) = (Arc::new(Mutex::new(Arc::new(config))), Arc::new(Mutex::new(Vec::new())));
        let (current, accepted) = (Arc::clone(&config), Arc::clone(&client_addresses));
        let task = tokio::spawn(async move {
            while let Ok((stream, client)) = listener.accept().await {
                accepted.lock().push(client.ip());
                let config = Arc::clone(&current.lock());
                tokio::spawn(terminate_tls(stream, config, target));
            }
        });
        Self { address, upstream_url, config, client_addresses, task }
    }

    pub(crate) fn url(&self) -> String {
        let (_, path) = self.upstream_url.split_at(self.upstream_url.find("/admin").expect("a path"));
        format!("https://{}{path}", self.address)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Uses `config` for new connections.
    pub(crate) fn set_config(&self, config: ServerConfig) {
        *self.config.lock() = Arc::new(config);
    }

    /// The source addresses of all connections so far.
    pub(crate) fn client_addresses(&self) -> Vec<IpAddr> {
        self.client_addresses.lock().clone()
    }
}

async fn terminate_tls(stream: TcpStream, config: Arc<ServerConfig>, target: SocketAddr) {
    match TlsAcceptor::from(config).accept(stream).into_fallible().await {
        Ok(mut stream) => {
            let mut upstream = TcpStream::connect(target).await.expect("the upstream listens");
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
        }
        // Keep the connection open until the client has read the alert.
        Err((_, mut stream)) => {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    }
}
