//! Clients of an encrypted gateway.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// One connection, for requests one after the other.
pub(crate) struct Https {
    sender: SendRequest<Empty<Bytes>>,
    /// What the gateway has shown.
    pub(crate) certificate: CertificateDer<'static>,
}

/// An encrypted connection and nothing on it.
pub(crate) async fn encrypt(address: SocketAddr, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::IpAddress(address.ip().into()), stream).await
}

impl Https {
    pub(crate) async fn connect(address: SocketAddr, config: ClientConfig) -> io::Result<Self> {
        let stream = encrypt(address, config).await?;
        let certificate = stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone().into_owned();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender, certificate })
    }

    /// The status of the answer, which is read to its end.
    pub(crate) async fn get(&mut self, target: &str) -> Result<u16, hyper::Error> {
        self.sender.ready().await?;
        let request = http::Request::get(target).header("host", "gateway").body(Empty::new()).expect("a request");
        let answer = self.sender.send_request(request).await?;
        let status = answer.status().as_u16();
        answer.into_body().collect().await?;
        Ok(status)
    }
}
