//! The byte stream of a connection, which reports to its [`ConnectionTimeouts`].
//!
//! Reads are observed after decryption, because that is where heads begin and end. Writes are observed at the socket: the TLS
//! layer has a buffer of its own, and accepts bytes that the client has not read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::connection_timeouts::ConnectionTimeouts;

/// Plain or TLS. The TLS state is boxed: it is large, and plain connections need not pay for it.
pub(super) type Stream = MonitoredReader<Either<MonitoredWriter, Box<TlsStream<MonitoredWriter>>>>;

/// Wraps a socket; with `tls`, after the handshake.
pub(super) async fn open(
    socket: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    timeouts: ConnectionTimeouts,
) -> io::Result<Stream> {
    let writer = MonitoredWriter { socket, timeouts: timeouts.clone() };
    let stream = match tls {
        None => Either::Left(writer),
        Some(tls) => Either::Right(Box::new(Box::pin(TlsAcceptor::from(tls).accept(writer)).await?)),
    };
    Ok(MonitoredReader { stream, timeouts })
}

/// Reports what is read from a stream, and when it is flushed.
pub(super) struct MonitoredReader<S> {
    stream: S,
    timeouts: ConnectionTimeouts,
}

impl<S: AsyncRead + Unpin> AsyncRead for MonitoredReader<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let (_, bytes) = buffer.filled().split_at(before);
        if !bytes.is_empty() {
            self.timeouts.bytes_read(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MonitoredReader<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.timeouts.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Reports whether a socket accepts what is written to it.
pub(super) struct MonitoredWriter {
    socket: TcpStream,
    timeouts: ConnectionTimeouts,
}

impl AsyncRead for MonitoredWriter {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for MonitoredWriter {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.timeouts.write_polled(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.timeouts.write_polled(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
