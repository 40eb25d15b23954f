//! Sends requests with `reqwest` clients that do only what the configuration says.
//!
//! The defaults of `reqwest` would take a proxy from the environment, follow redirects, retry requests that the server has not
//! processed, and put the URL into every error. None of that is wanted here: a redirect leads away from the server that was
//! configured as trusted, and a URL may contain credentials.
//!
//! A `reqwest` client has one connect timeout, which an address that is silent, or that hangs in the TLS handshake, uses up for
//! all addresses of its name. So each client here is for one address: its resolver returns that one, and its connect timeout is
//! the share of this address.
//!
//! Requests that may arrive twice share connections ([`Connections::Shared`]): the client of an address that was connected to is
//! kept, and used without another look at its name, for as long as connections to upstreams are by default. Any other request
//! has a client, and thereby a connection, of its own: then a failure before the request was written is known as one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::HeaderMap;
use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Proxy, Response, redirect, retry};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::cause::{Cause, ConnectError, rejects_client_certificate};
use super::connect_log::ConnectLog;
use super::connector::ConnectorError;
use super::next_hop::NextHop;
use super::{AGENT, AddressError, ConnectConfig, Origin};
use crate::config::Loaded;
use crate::tls;

/// Sends requests over http or https, whichever it was made for. Clones share connections and what is known of addresses.
#[derive(Debug, Clone)]
pub(crate) struct HttpClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connect: ConnectConfig,
    hop: NextHop,
    /// `None` for plain HTTP.
    tls: Option<Loaded<ClientConfig>>,
    /// Limit for making a connection, from the name lookup to the end of the TLS handshake, at all addresses together.
    connect_timeout: Duration,
    /// The client for shared connections.
    kept: Mutex<Option<Kept>>,
}

/// A client whose connections are shared.
#[derive(Debug, Clone)]
struct Kept {
    client: Client,
    origin: Origin,
    address: SocketAddr,
    /// The configuration that its connections were made with.
    tls: Option<Arc<ClientConfig>>,
    until: Instant,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) connections: Connections,
}

/// Which connection a request may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    /// One that earlier requests used, because this one may arrive twice.
    Shared,
    /// A new one, so that it is known whether anything was sent.
    Own,
}

/// Why there is no response. It contains nothing of the URL, which may be secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the response did not come in time")]
    Timeout,
    #[error(transparent)]
    Exchange(reqwest::Error),
}

/// Resolves every name to one address.
#[derive(Debug)]
struct OneAddress(SocketAddr);

/// How long the client of an address is used before the name is looked up again.
const KEEP_ADDRESS: Duration = Duration::from_secs(30);
/// How long a connection may be idle. Servers close theirs after a few seconds, and a request at that moment fails.
const MAX_IDLE: Duration = Duration::from_secs(3);

impl HttpClient {
    /// A client whose connections are made in this time.
    pub(crate) fn try_new(connect: &ConnectConfig, connect_timeout: Duration, log: ConnectLog) -> Result<Self, ConnectorError> {
        let (hop, tls) = (NextHop::try_new(connect, log)?, connect.tls.config()?);
        let connect = connect.clone();
        Ok(Self(Arc::new(Inner { connect, hop, tls, connect_timeout, kept: Mutex::default() })))
    }

    /// Sends a request, at most once, and returns when the head of the response has arrived. The addresses of the server are
    /// tried one after another until one can be connected to.
    pub(crate) async fn send(&self, request: &Request, deadline: Instant) -> Result<Response, HttpError> {
        let origin = Origin::of(&request.url)?;
        if let Some(Kept { client, address, .. }) = self.kept(request, &origin) {
            match self.exchange(&client, address, request, deadline).await {
                Err(HttpError::Connect(error)) => {
                    *self.0.kept.lock() = None;
                    self.0.hop.record_failure(&error);
                }
                done => return done,
            }
        }
        self.connect_and_send(request, &origin, deadline).await
    }

    async fn connect_and_send(&self, request: &Request, origin: &Origin, deadline: Instant) -> Result<Response, HttpError> {
        let Inner { hop, connect_timeout, .. } = &*self.0;
        let connect_deadline = deadline.min(Instant::now() + *connect_timeout);
        let addresses = hop.look_up(origin, connect_deadline).await?;
        let mut failure: Option<ConnectError> = None;
        for (left, address) in (1..=addresses.len()).rev().zip(addresses.iter().copied()) {
            let share = connect_deadline.saturating_duration_since(Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
            let tls = self.0.tls.as_ref().map(Loaded::get);
            let client = self.client(address, tls.as_deref(), share, request.connections)?;
            match self.exchange(&client, address, request, deadline).await {
                Err(HttpError::Connect(error)) => {
                    hop.record_failure(&error);
                    error.keep(&mut failure);
                }
                done => {
                    let response = done?;
                    hop.record_success(address, &addresses);
                    if request.connections == Connections::Shared {
                        self.keep(Kept { client, origin: origin.clone(), address, tls, until: Instant::now() + KEEP_ADDRESS });
                    }
                    return Ok(response);
                }
            }
        }
        let none = || ConnectError::new(Cause::Dns, None, io::ErrorKind::NotFound.into());
        Err(failure.unwrap_or_else(none).into())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that sends, and it removes URLs from errors")]
    async fn exchange(
        &self,
        client: &Client,
        address: SocketAddr,
        request: &Request,
        deadline: Instant,
    ) -> Result<Response, HttpError> {
        let Request { method, url, headers, body, .. } = request.clone();
        let mut exchange = client.request(method, url).headers(headers);
        if !body.is_empty() {
            exchange = exchange.body(body);
        }
        let error = match timeout_at(deadline, exchange.send()).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => error.without_url(),
            Err(_) => return Err(HttpError::Timeout),
        };
        Err(match self.connect_cause(&error) {
            Some(cause) => ConnectError::new(cause, Some(address), io::Error::other(error)).into(),
            None => HttpError::Exchange(error),
        })
    }

    /// The client for shared connections, if it may be used for a request to this server.
    fn kept(&self, request: &Request, origin: &Origin) -> Option<Kept> {
        if request.connections == Connections::Own {
            return None;
        }
        let tls = self.0.tls.as_ref().map(Loaded::get);
        let kept = self.0.kept.lock().clone()?;
        let is_usable = kept.is_for(origin, kept.address, tls.as_ref()) && Instant::now() < kept.until;
        is_usable.then_some(kept)
    }

    /// Keeps a client that has made a connection. If the same address is in use, its connections are used further.
    fn keep(&self, made: Kept) {
        let mut kept = self.0.kept.lock();
        match &mut *kept {
            Some(old) if old.is_for(&made.origin, made.address, made.tls.as_ref()) => old.until = made.until,
            kept => *kept = Some(made),
        }
    }

    /// A client for one address, with this TLS configuration.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that builds clients")]
    fn client(
        &self,
        address: SocketAddr,
        tls: Option<&ClientConfig>,
        connect_timeout: Duration,
        connections: Connections,
    ) -> Result<Client, HttpError> {
        let connect = &self.0.connect;
        let mut builder = Client::builder()
            // First, because it removes every proxy: none is taken from the environment.
            .no_proxy()
            .https_only(tls.is_some())
            // Always our own configuration: without one, `reqwest` looks for a process-wide crypto provider and panics,
            // because this process installs none.
            .tls_backend_preconfigured(tls.map_or_else(tls::client_trusting_nothing, Clone::clone))
            .dns_resolver(OneAddress(address))
            .local_address(connect.local_address)
            .user_agent(AGENT)
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .http1_only()
            .pool_idle_timeout(MAX_IDLE)
            // Also for the tunnel through a proxy and for the TLS handshake.
            .connect_timeout(connect_timeout);
        if connections == Connections::Own {
            builder = builder.pool_max_idle_per_host(0);
        }
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

impl Kept {
    /// Whether its connections lead to this server and were made with this configuration.
    fn is_for(&self, origin: &Origin, address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> bool {
        self.origin == *origin && self.address == address && self.tls.as_ref().map(Arc::as_ptr) == tls.map(Arc::as_ptr)
    }
}

impl Request {
    /// A read of a document, which is worth no connection that is kept.
    pub(crate) fn get(url: Url, headers: HeaderMap) -> Self {
        Self { method: Method::GET, url, headers, body: Bytes::new(), connections: Connections::Own }
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
            Self::Address(_) | Self::Timeout | Self::Exchange(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

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

    async fn get(client: &HttpClient, url: &Url) -> Result<Response, HttpError> {
        send(client, &Request::get(url.clone(), HeaderMap::new())).await
    }

    async fn send(client: &HttpClient, request: &Request) -> Result<Response, HttpError> {
        client.send(request, Instant::now() + Duration::from_secs(5)).await
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
        let (response, ()) = tokio::join!(get(&client, &url), server);

        assert_eq!(response.unwrap().status(), 302);
    }

    #[tokio::test]
    async fn errors_do_not_contain_the_url() {
        let (listener, url) = listen("http").await;
        drop(listener);
        let client = client(&ConnectConfig::direct(&url));

        let error = get(&client, &url).await.unwrap_err();

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
            assert_eq!(get(&client, &url).await.unwrap().status(), 204);
        }

        let metrics = String::from_utf8(metrics.render()).unwrap();
        assert!(metrics.contains(r#"jwks_connect_failures_total{cause="refused"} 1"#), "{metrics}");
    }

    /// Answers every request, and counts connections.
    async fn answering(listener: TcpListener, connections: Arc<AtomicUsize>) {
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                }
            });
        }
    }

    #[tokio::test]
    async fn only_requests_that_may_arrive_twice_share_connections() {
        for (connections, expected) in [(Connections::Shared, 1), (Connections::Own, 3)] {
            let (listener, url) = listen("http").await;
            let client = client(&ConnectConfig::direct(&url));
            let count = Arc::new(AtomicUsize::new(0));
            tokio::spawn(answering(listener, Arc::clone(&count)));

            for _ in 0..3 {
                let request = Request { connections, ..Request::get(url.clone(), HeaderMap::new()) };
                assert_eq!(send(&client, &request).await.unwrap().status(), 204);
            }

            assert_eq!(count.load(Ordering::SeqCst), expected, "{connections:?}");
        }
    }

    #[tokio::test]
    async fn shared_connections_follow_a_server_that_moves() {
        let ((first, mut url), (second, _)) = (listen("http").await, listen("http").await);
        url.set_port(None).unwrap();
        let addresses = [first.local_addr().unwrap(), second.local_addr().unwrap()];
        let lookups = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lookups);
        let resolver = Resolver::with(move |_, _| Ok(vec![addresses[counted.fetch_add(1, Ordering::SeqCst).min(1)]]));
        let client = client(&ConnectConfig { resolver, ..ConnectConfig::direct(&url) });
        let counts = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
        let server = tokio::spawn(answering(first, Arc::clone(&counts[0])));
        let request = Request { connections: Connections::Shared, ..Request::get(url, HeaderMap::new()) };
        send(&client, &request).await.unwrap();
        send(&client, &request).await.unwrap();
        assert_eq!(lookups.load(Ordering::SeqCst), 1, "an address in use is not looked up again");

        server.abort();
        let _ = server.await;
        client.0.kept.lock().as_mut().unwrap().client =
            client.client(addresses[0], None, MAX_IDLE, Connections::Shared).unwrap();
        tokio::spawn(answering(second, Arc::clone(&counts[1])));
        send(&client, &request).await.unwrap();

        assert_eq!(counts.map(|count| count.load(Ordering::SeqCst)), [1, 1]);
    }

    #[tokio::test]
    async fn it_is_known_whether_anything_was_sent() {
        let (listener, url) = listen("http").await;
        let client = client(&ConnectConfig::direct(&url));
        let body = Bytes::from_static(b"{}");
        let request = Request { method: Method::POST, body, ..Request::get(url.clone(), HeaderMap::new()) };
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            (listener, String::from_utf8_lossy(&head[..length]).into_owned())
        });

        let lost = send(&client, &request).await.unwrap_err();
        let (listener, head) = server.await.unwrap();
        let hung = client.send(&request, Instant::now() + Duration::from_millis(100)).await.unwrap_err();
        drop(listener);
        let refused = send(&client, &request).await.unwrap_err();

        assert!(head.starts_with("POST /path-of-the-url HTTP/1.1\r\n"), "{head}");
        assert!(matches!(lost, HttpError::Exchange(_)) && !error_chain(&lost).contains("path-of-the-url"));
        assert!(matches!(hung, HttpError::Timeout));
        assert!(matches!(refused, HttpError::Connect(_)));
    }

    #[tokio::test]
    async fn no_process_wide_crypto_provider_is_installed() {
        for url in ["http://localhost:9", "https://localhost:9"] {
            let url = url.parse().unwrap();
            assert!(get(&client(&ConnectConfig::direct(&url)), &url).await.is_err());
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
        let get = async || get(&client, &url).await;
        assert_eq!(get().await.unwrap_err().connect_cause(), Some("certificate_issuer"));

        std::fs::write(ca_file.path(), pem).unwrap();
        tls.reload();
        tls.reload();

        assert_eq!(get().await.unwrap().status(), 204);
    }
}
