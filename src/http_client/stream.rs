//! An established connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection to a server or to a proxy.
pub(crate) struct Stream {
    inner: Inner,
    /// Whether a proxy forwards the requests.
    is_forwarded: bool,
}

type Inner = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Stream {
    /// A plain connection to a server.
    pub(super) const fn plain(tcp: TokioIo<TcpStream>) -> Self {
        Self { inner: Inner::Http(tcp), is_forwarded: false }
    }

    /// A plain connection to a proxy, which forwards the requests.
    pub(super) const fn plain_to_proxy(tcp: TokioIo<TcpStream>) -> Self {
        Self { inner: Inner::Http(tcp), is_forwarded: true }
    }

    /// A TLS connection to a server, possibly through a proxy's tunnel.
    pub(super) const fn tls(inner: Inner) -> Self {
        Self { inner, is_forwarded: false }
    }
}

/// hyper writes the request line in absolute form (`GET http://host/path`) for forwarded requests.
impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.inner.connected().proxy(self.is_forwarded)
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
