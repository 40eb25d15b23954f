//! A connection that was made.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection, and whether requests on it are for a proxy to pass on.
pub(crate) struct Stream {
    inner: Inner,
    is_for_proxy: bool,
}

type Inner = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Stream {
    /// To a server, plain.
    pub(super) const fn plain(tcp: TokioIo<TcpStream>) -> Self {
        Self { inner: Inner::Http(tcp), is_for_proxy: false }
    }

    /// To a proxy, plain, for requests to others.
    pub(super) const fn plain_through_proxy(tcp: TokioIo<TcpStream>) -> Self {
        Self { inner: Inner::Http(tcp), is_for_proxy: true }
    }

    /// To a server, encrypted. A proxy in between sees nothing of the requests.
    pub(super) const fn encrypted(inner: Inner) -> Self {
        Self { inner, is_for_proxy: false }
    }
}

/// Requests that are for a proxy to pass on have the whole address in their first line.
impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.inner.connected().proxy(self.is_for_proxy)
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
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, pieces)
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
