//! Fetches documents, each over a connection of its own: there are few, and none is worth keeping a connection for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::cause::ConnectError;
use super::connection::{Connection, SendError};
use super::connector::{Connector, ConnectorError};
use super::{AddressError, ConnectConfig, Origin, host_header};

/// Fetches documents over http or https, whichever it was made for. Clones share what is known of addresses.
#[derive(Debug, Clone)]
pub(crate) struct HttpClient {
    connector: Arc<Connector>,
    /// Limit for a whole exchange, from the name lookup to the last byte of the response.
    timeout: Duration,
}

/// A response whose head has arrived.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    deadline: Instant,
    /// Ends with the response.
    _connection: Connection,
}

/// Why there is no response. It contains nothing of the URL, which may be secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("the response was not complete in time")]
    Timeout,
}

impl HttpClient {
    /// A client whose exchanges take no longer than `timeout`, and their connections half of it.
    pub(crate) fn try_new(connect: &ConnectConfig, timeout: Duration) -> Result<Self, ConnectorError> {
        Ok(Self { connector: Arc::new(Connector::try_new(connect, timeout / 2, None)?), timeout })
    }

    /// Sends a request and returns when the head of the response has arrived.
    pub(crate) async fn get(&self, url: &Url, headers: HeaderMap) -> Result<HttpResponse, HttpError> {
        let deadline = Instant::now() + self.timeout;
        let server = Origin::of(url)?;
        let request = self.request(url, headers)?;
        let exchange = async {
            let mut connection = Connection::start(self.connector.connect(&server, None).await?).await?;
            let (head, body) = connection.send(request).await?.into_parts();
            Ok(HttpResponse { status: head.status, headers: head.headers, body, deadline, _connection: connection })
        };
        timeout_at(deadline, exchange).await.unwrap_or(Err(HttpError::Timeout))
    }

    fn request(&self, url: &Url, headers: HeaderMap) -> Result<Request<Empty<Bytes>>, AddressError> {
        let target = if self.connector.is_forwarding() {
            let mut absolute = url.clone();
            absolute.set_fragment(None);
            absolute.to_string()
        } else {
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
        };
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::try_from(target).map_err(|_| AddressError)?;
        *request.headers_mut() = headers;
        let host = HeaderValue::try_from(host_header(url)).map_err(|_| AddressError)?;
        request.headers_mut().extend([
            (HOST, host),
            (USER_AGENT, super::AGENT),
            (CONNECTION, HeaderValue::from_static("close")),
        ]);
        Ok(request)
    }
}

impl HttpResponse {
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The next part of the body, `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            let frame = timeout_at(self.deadline, self.body.frame()).await.map_err(|_| HttpError::Timeout)?;
            let Some(frame) = frame else { return Ok(None) };
            let lost = SendError::ConnectionLost { is_unanswered: false };
            if let Ok(bytes) = frame.map_err(|_| lost)?.into_data() {
                return Ok(Some(bytes));
            }
        }
    }
}

impl HttpError {
    /// The cause of a connection that could not be made, by its label.
    pub(crate) const fn connect_cause(&self) -> Option<&'static str> {
        match self {
            Self::Connect(error) => Some(error.cause.label()),
            Self::Send(SendError::NotSent(cause)) => Some(cause.label()),
            Self::Address(_) | Self::Send(_) | Self::Timeout => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::CryptoProvider;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::config::{Config, Reload};
    use crate::http_client::error_chain;
    use crate::tls::{self, CertChain, ClientIdentity, Key};

    const TIMEOUT: Duration = Duration::from_secs(5);

    async fn respond(mut stream: impl AsyncRead + AsyncWrite + Unpin, response: &str) {
        let mut request = [0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        assert!(length > 0 && !request.starts_with(b"CONNECT"));
        stream.write_all(response.as_bytes()).await.unwrap();
    }

    async fn listen(scheme: &str) -> (TcpListener, Url) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, format!("{scheme}://localhost:{port}/path-of-the-url").parse().unwrap())
    }

    #[tokio::test]
    async fn redirects_are_not_followed() {
        let (listener, url) = listen("http").await;
        let client = HttpClient::try_new(&ConnectConfig::direct(&url), TIMEOUT).unwrap();

        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            respond(stream, "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n").await;
        };
        let (response, ()) = tokio::join!(client.get(&url, HeaderMap::new()), server);

        assert_eq!(response.unwrap().status(), 302);
    }

    #[tokio::test]
    async fn errors_do_not_contain_the_url() {
        let (listener, url) = listen("http").await;
        drop(listener);
        let client = HttpClient::try_new(&ConnectConfig::direct(&url), TIMEOUT).unwrap();

        let error = client.get(&url, HeaderMap::new()).await.unwrap_err();

        let text = error_chain(&error);
        assert!(!text.contains("path-of-the-url") && text.contains("refused"), "{text}");
        assert_eq!(error.connect_cause(), Some("refused"));
    }

    #[test]
    fn no_process_wide_crypto_provider_is_installed() {
        let url = "https://localhost".parse().unwrap();

        HttpClient::try_new(&ConnectConfig::direct(&url), TIMEOUT).unwrap();

        assert!(CryptoProvider::get_default().is_none());
    }

    /// A self-signed certificate, and the TLS of a server that presents it.
    fn certificate() -> (String, TlsAcceptor) {
        let key = KeyPair::generate().unwrap();
        let pem = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        let chain = CertChain::parse(pem.as_bytes()).unwrap();
        let identity = ClientIdentity::try_new(chain, Key::parse(key.serialize_pem().as_bytes()).unwrap()).unwrap();
        (pem, TlsAcceptor::from(Arc::new(tls::server(identity, None).unwrap())))
    }

    #[tokio::test]
    async fn reloaded_tls_configuration_is_used() {
        let ((trusted_at_first, _), (pem, acceptor)) = (certificate(), certificate());
        let ca_file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca_file.path(), trusted_at_first).unwrap();
        let (listener, url) = listen("https").await;
        let config = [("URL", url.as_str()), ("API_USER", "1"), ("CA_FILE", ca_file.path().to_str().unwrap())];
        let config = config.map(|(name, value)| (format!("GATEWAY__UPSTREAMS__DEFAULT__{name}"), value.to_owned()));
        let tls = Config::load(None, config).unwrap().upstreams["default"].tls.clone().unwrap();
        let client = HttpClient::try_new(&ConnectConfig::direct(&url).with_roots(Some(&tls)), TIMEOUT).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    respond(stream, "HTTP/1.1 204 No Content\r\n\r\n").await;
                }
            }
        });
        let get = async || client.get(&url, HeaderMap::new()).await;
        assert_eq!(get().await.unwrap_err().connect_cause(), Some("certificate_issuer"));

        std::fs::write(ca_file.path(), pem).unwrap();
        tls.reload();
        tls.reload();

        assert_eq!(get().await.unwrap().status(), 204);
    }
}
