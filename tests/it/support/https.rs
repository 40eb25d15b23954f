//! HTTPS clients of a gateway that serves TLS.

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

/// One kept-alive connection.
pub(crate) struct Https {
    sender: SendRequest<Empty<Bytes>>,
    /// The certificate that the gateway presented.
    pub(crate) certificate: CertificateDer<'static>,
}

/// A TLS connection without a request on it.
pub(crate) async fn connect_tls(address: SocketAddr, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::IpAddress(address.ip().into()), stream).await
}

impl Https {
    pub(crate) async fn connect(address: SocketAddr, config: ClientConfig) -> io::Result<Self> {
        let stream = connect_tls(address, config).await?;
        let certificate = stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone().into_owned();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender, certificate })
    }

    /// The status of the response, after its body was read.
    pub(crate) async fn get(&mut self, target: &str) -> Result<u16, hyper::Error> {
        self.sender.ready().await?;
        let request = http::Request::get(target).header("host", "gateway").body(Empty::new()).expect("a request");
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        response.into_body().collect().await?;
        Ok(status)
    }
}
