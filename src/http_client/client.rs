//! Fetches documents with a `reqwest` client that does only what the configuration says.
//!
//! The defaults of `reqwest` would take a proxy from the environment, follow redirects, retry requests that the server has not
//! processed, and put the URL into every error. None of that is wanted here: a redirect leads away from the server that was
//! configured as trusted, and a URL may contain credentials.
//!
//! A `reqwest` client has one connect timeout, which an address that is silent, or that hangs in the TLS handshake, uses up for
//! all addresses of its name. So each attempt has a client of its own, whose resolver returns one address and whose connect
//! timeout is the share of this address. There are few documents, and none is worth keeping a connection for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderMap;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Proxy, Response, redirect, retry};
use rustls::ClientConfig;
use tokio::time::Instant;
use url::Url;

use super::cause::{Cause, ConnectError, rejects_client_certificate};
use super::connect_log::ConnectLog;
use super::connector::ConnectorError;
use super::next_hop::NextHop;
use super::{AGENT, AddressError, ConnectConfig, Origin};
use crate::config::Loaded;
use crate::tls;

/// Fetches documents over http or https, whichever it was made for. Clones share what is known of addresses.
#[derive(Debug, Clone)]
pub(crate) struct HttpClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connect: ConnectConfig,
    hop: NextHop,
    /// `None` for plain HTTP.
    tls: Option<Loaded<ClientConfig>>,
    /// Limit for a whole exchange, from the name lookup to the last byte of the response.
    timeout: Duration,
}

/// Why there is no response. It contains nothing of the URL, which may be secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Exchange(reqwest::Error),
}

/// Resolves every name to one address.
#[derive(Debug)]
struct OneAddress(SocketAddr);

impl HttpClient {
    /// A client whose exchanges take no longer than `timeout`, and their connections half of it.
    pub(crate) fn try_new(connect: &ConnectConfig, timeout: Duration, log: ConnectLog) -> Result<Self, ConnectorError> {
        let (hop, tls) = (NextHop::try_new(connect, log)?, connect.tls.config()?);
        Ok(Self(Arc::new(Inner { connect: connect.clone(), hop, tls, timeout })))
    }

    /// Sends a request and returns when the head of the response has arrived. The addresses are tried one after another until
    /// one can be connected to.
    pub(crate) async fn get(&self, url: &Url, headers: HeaderMap) -> Result<Response, HttpError> {
        let Inner { hop, timeout, .. } = &*self.0;
        let start = Instant::now();
        let (connect_deadline, deadline) = (start + *timeout / 2, start + *timeout);
        let addresses = hop.look_up(&Origin::of(url)?, connect_deadline).await?;

        let mut failure: Option<ConnectError> = None;
        for (left, address) in (1..=addresses.len()).rev().zip(&addresses) {
            let share = connect_deadline.saturating_duration_since(Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
            let client = self.client(*address, share, deadline)?;
            match self.get_with(&client, url, headers.clone()).await {
                Ok(response) => {
                    hop.record_success(*address, &addresses);
                    return Ok(response);
                }
                Err(error) => {
                    let Some(cause) = self.connect_cause(&error) else { return Err(error.into()) };
                    let error = ConnectError::new(cause, Some(*address), io::Error::other(error.without_url()));
                    hop.record_failure(&error);
                    error.keep(&mut failure);
                }
            }
        }
        let none = || ConnectError::new(Cause::Dns, None, io::ErrorKind::NotFound.into());
        Err(failure.unwrap_or_else(none).into())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that sends, and it removes URLs from errors")]
    async fn get_with(&self, client: &Client, url: &Url, headers: HeaderMap) -> Result<Response, reqwest::Error> {
        client.get(url.clone()).headers(headers).send().await
    }

    /// A client for one request to one address, with the TLS configuration as it is now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that builds clients")]
    fn client(&self, address: SocketAddr, connect_timeout: Duration, deadline: Instant) -> Result<Client, HttpError> {
        let Inner { connect, tls, .. } = &*self.0;
        let tls = tls.as_ref().map(Loaded::get);
        let mut builder = Client::builder()
            // First, because it removes every proxy: none is taken from the environment.
            .no_proxy()
            .https_only(tls.is_some())
            // Always our own configuration: without one, `reqwest` looks for a process-wide crypto provider and panics,
            // because this process installs none.
            .tls_backend_preconfigured(tls.as_deref().map_or_else(tls::client_trusting_nothing, Clone::clone))
            .dns_resolver(OneAddress(address))
            .local_address(connect.local_address)
            .user_agent(AGENT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .http1_only()
            .pool_max_idle_per_host(0)
            // Also for the tunnel through a proxy and for the TLS handshake.
            .connect_timeout(connect_timeout)
            .timeout(deadline.saturating_duration_since(Instant::now()));
        if let Some(proxy) = &connect.proxy {
            builder = builder.proxy(Proxy::all(proxy.to_string())?);
        }
        Ok(builder.build()?)
    }

    /// The cause of an error, if it is that no connection could be made.
    fn connect_cause(&self, error: &reqwest::Error) -> Option<Cause> {
        if !error.is_connect() && !rejects_client_certificate(error) {
            return None;
        }
        let Inner { hop, tls, .. } = &*self.0;
        Some(match Cause::of_connect(error) {
            // `reqwest` does not say what it waited for.
            Cause::Timeout if hop.is_proxy() && tls.is_some() => Cause::ProxyFailed,
            cause => hop.cause_at(cause),
        })
    }
}

impl Resolve for OneAddress {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(std::iter::once(self.0));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        Self::Exchange(error.without_url())
    }
}

impl HttpError {
    /// The cause of a connection that could not be made, by its label.
    pub(crate) const fn connect_cause(&self) -> Option<&'static str> {
        match self {
            Self::Connect(error) => Some(error.cause.label()),
            Self::Address(_) | Self::Exchange(_) => None,
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
    use crate::config::{Config, Reload, Resolver};
    use crate::http_client::error_chain;
    use crate::metrics::Metrics;
    use crate::tls::{CertChain, ClientIdentity, Key};

    fn client(connect: &ConnectConfig) -> HttpClient {
        HttpClient::try_new(connect, Duration::from_secs(5), ConnectLog::of_issuer(Metrics::default())).unwrap()
    }

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
        let client = client(&ConnectConfig::direct(&url));

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
        let client = client(&ConnectConfig::direct(&url));

        let error = client.get(&url, HeaderMap::new()).await.unwrap_err();

        let text = error_chain(&error);
        assert!(!text.contains("path-of-the-url") && text.contains("refused"), "{text}");
        assert_eq!(error.connect_cause(), Some("refused"));
    }

    #[tokio::test]
    async fn address_that_failed_is_tried_last_by_the_next_request() {
        let (listener, mut url) = listen("http").await;
        url.set_port(None).unwrap();
        let (refusing, live) = (SocketAddr::from(([127, 0, 0, 1], 9)), listener.local_addr().unwrap());
        let resolver = Resolver::with(move |_, _| Ok(vec![refusing, live]));
        let metrics = Metrics::default();
        let connect = ConnectConfig { resolver, ..ConnectConfig::direct(&url) };
        let client = HttpClient::try_new(&connect, Duration::from_secs(5), ConnectLog::of_issuer(metrics.clone())).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                respond(stream, "HTTP/1.1 204 No Content\r\n\r\n").await;
            }
        });

        for _ in 0..2 {
            assert_eq!(client.get(&url, HeaderMap::new()).await.unwrap().status(), 204);
        }

        let metrics = String::from_utf8(metrics.render()).unwrap();
        assert!(metrics.contains(r#"jwks_connect_failures_total{cause="refused"} 1"#), "{metrics}");
    }

    #[tokio::test]
    async fn no_process_wide_crypto_provider_is_installed() {
        for url in ["http://localhost:9", "https://localhost:9"] {
            let url = url.parse().unwrap();
            assert!(client(&ConnectConfig::direct(&url)).get(&url, HeaderMap::new()).await.is_err());
        }

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
        let client = client(&ConnectConfig::direct(&url).with_roots(Some(&tls)));
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
