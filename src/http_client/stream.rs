//! An established connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::framing::HeadFilter;

/// A connection to a server or to a proxy, after the TLS handshake.
#[derive(Debug)]
pub(super) struct Stream {
    inner: Inner,
    peer: SocketAddr,
    has_received: Arc<AtomicBool>,
    heads: HeadFilter,
}

#[derive(Debug)]
enum Inner {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn plain(tcp: TcpStream, peer: SocketAddr) -> Self {
        Self::new(Inner::Plain(tcp), peer)
    }

    pub(super) fn tls(tls: TlsStream<TcpStream>, peer: SocketAddr) -> Self {
        Self::new(Inner::Tls(Box::new(tls)), peer)
    }

    fn new(inner: Inner, peer: SocketAddr) -> Self {
        Self { inner, peer, has_received: Arc::default(), heads: HeadFilter::default() }
    }

    /// The other end: the server, or the proxy.
    pub(super) const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Set whenever bytes arrive.
    pub(super) fn has_received(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_received)
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(match &mut self.inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Inner::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        })?;
        let received = buffer.filled().get(before..).unwrap_or_default();
        if !received.is_empty() {
            self.has_received.store(true, Ordering::Relaxed);
        }
        Poll::Ready(self.heads.check(received).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.heads.expect_head();
        match &mut self.inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Inner::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Inner::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Inner::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}
