//! A `reqwest` client that does only what the configuration says.
//!
//! The defaults of `reqwest` would take a proxy from the environment, follow redirects, retry requests that the server has not
//! processed, and put the URL into every error. None of that is wanted here: a redirect leads away from the server that was
//! configured as trusted, and a URL may contain credentials.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::{Client, Proxy, Request, Response, redirect, retry};
use rustls::ClientConfig;

use super::{ConnectConfig, TrustStoreError};
use crate::config::Loaded;
use crate::tls;

/// Sends requests of any method. Clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct HttpClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connect: ConnectConfig,
    /// Limit for a whole exchange, from connecting to the last byte of the response.
    timeout: Duration,
    /// `None` for plain HTTP.
    tls: Option<Loaded<ClientConfig>>,
    current: Mutex<Current>,
}

/// The client in use, and the TLS configuration it was built with.
#[derive(Debug)]
struct Current {
    client: Client,
    tls: Option<Arc<ClientConfig>>,
}

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// Certificates could not be verified.
    #[error(transparent)]
    TrustStore(#[from] TrustStoreError),
    /// `reqwest` rejects the settings.
    #[error("the HTTP client cannot be built")]
    Build(#[source] reqwest::Error),
}

impl HttpClient {
    /// A client whose exchanges take no longer than `timeout`.
    pub(crate) fn try_new(connect: &ConnectConfig, timeout: Duration) -> Result<Self, HttpClientError> {
        let tls = connect.tls.config()?;
        let current = Current::build(connect, timeout, tls.as_ref().map(Loaded::get)).map_err(HttpClientError::Build)?;
        Ok(Self(Arc::new(Inner { connect: connect.clone(), timeout, tls, current: Mutex::new(current) })))
    }

    /// Sends a request and returns when the head of the response has arrived. Errors do not contain the URL; errors of
    /// reading the body do, unless the caller removes it with `without_url`.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that sends, and it removes URLs from errors")]
    pub(crate) async fn send(&self, request: Request) -> Result<Response, reqwest::Error> {
        let client = self.client()?;
        client.execute(request).await.map_err(reqwest::Error::without_url)
    }

    /// The client for the TLS configuration as it is now. A `reqwest` client keeps the one it was built with, so a reloaded
    /// configuration needs another client; the connections of the old one end with it.
    fn client(&self) -> Result<Client, reqwest::Error> {
        let Inner { connect, timeout, tls, current } = &*self.0;
        let tls = tls.as_ref().map(Loaded::get);
        let mut current = current.lock();
        if current.tls.as_ref().map(Arc::as_ptr) != tls.as_ref().map(Arc::as_ptr) {
            *current = Current::build(connect, *timeout, tls)?;
        }
        Ok(current.client.clone())
    }
}

impl Current {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that builds clients")]
    fn build(connect: &ConnectConfig, timeout: Duration, tls: Option<Arc<ClientConfig>>) -> Result<Self, reqwest::Error> {
        let mut builder = Client::builder()
            // First, because it removes every proxy: none is taken from the environment.
            .no_proxy()
            .https_only(tls.is_some())
            // Always our own configuration: without one, `reqwest` looks for a process-wide crypto provider and panics,
            // because this process installs none.
            .tls_backend_preconfigured(tls.as_deref().map_or_else(tls::client_trusting_nothing, Clone::clone))
            .local_address(connect.local_address)
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .http1_only()
            .timeout(timeout);
        if let Some(proxy) = &connect.proxy {
            builder = builder.proxy(Proxy::all(proxy.to_string())?);
        }
        Ok(Self { client: builder.build().map_err(reqwest::Error::without_url)?, tls })
    }
}

/// An error with everything that caused it, as one line for the log.
pub(crate) fn error_chain(error: &(dyn StdError + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use reqwest::Method;
    use rustls::crypto::CryptoProvider;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use url::Url;

    use super::*;
    use crate::config::{Config, Reload};
    use crate::tls::{CertChain, ClientIdentity, Key};

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
        let (response, ()) = tokio::join!(client.send(Request::new(Method::GET, url)), server);

        assert_eq!(response.unwrap().status(), 302);
    }

    #[tokio::test]
    async fn errors_do_not_contain_the_url() {
        let (listener, url) = listen("http").await;
        drop(listener);
        let client = HttpClient::try_new(&ConnectConfig::direct(&url), TIMEOUT).unwrap();

        let error = client.send(Request::new(Method::GET, url)).await.unwrap_err();

        let text = error_chain(&error);
        assert!(error.is_connect() && !text.contains("path-of-the-url") && text.contains("refused"), "{text}");
    }

    #[test]
    fn no_process_wide_crypto_provider_is_installed() {
        let url = "http://localhost".parse().unwrap();

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
        let get = async || client.send(Request::new(Method::GET, url.clone())).await;
        assert!(get().await.unwrap_err().is_connect());

        std::fs::write(ca_file.path(), pem).unwrap();
        tls.reload();
        tls.reload();

        assert_eq!(get().await.unwrap().status(), 204);
    }
}
