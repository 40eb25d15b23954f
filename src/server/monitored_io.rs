//! The byte stream of a connection, which reports to its [`ConnectionTimeouts`].
//!
//! Reads are observed after decryption, because that is where heads begin and end. Writes are observed at the socket: the TLS
//! layer has a buffer of its own, and accepts bytes that the client has not read.
//!
//! While a body of unknown length is sent, the socket is set to be reset when it is closed. So whatever breaks the response
//! off, the end of the process included, the client sees an error and not the end of a body. After the end of the response the
//! socket closes regularly again.
//!
//! Without TLS, a client that disconnects while its request is served is noticed at the socket too
//! ([`MonitoredWriter::client_left`]). hyper would read for that, into 8 KiB of new memory for each request, because the head
//! of the request still lies in the old ones.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::connection_timeouts::ConnectionTimeouts;

/// Bytes that are read at once. hyper offers all of its buffer: a client that sends requests ahead shall not fill it.
const MAX_READ: u64 = 8 * 1024;

/// What rustls buffers of a response that the client does not read: one TLS record.
const TLS_BUFFER: usize = 16 * 1024;

/// Plain or TLS. The TLS state is boxed: it is large, and plain connections need not pay for it.
pub(super) type Stream = MonitoredReader<Either<MonitoredWriter, Box<TlsStream<MonitoredWriter>>>>;

/// Wraps a socket; with `tls`, after the handshake.
pub(super) async fn open(
    socket: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    timeouts: ConnectionTimeouts,
) -> io::Result<Stream> {
    let notices_leaving = tls.is_none();
    let writer = MonitoredWriter { socket, timeouts: timeouts.clone(), resets_on_close: false, notices_leaving };
    let stream = match tls {
        None => Either::Left(writer),
        Some(tls) => {
            let limit_buffer = |connection: &mut ServerConnection| connection.set_buffer_limit(Some(TLS_BUFFER));
            Either::Right(Box::new(Box::pin(TlsAcceptor::from(tls).accept_with(writer, limit_buffer)).await?))
        }
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
        ready!(Pin::new(&mut (&mut self.stream).take(MAX_READ)).poll_read(context, buffer))?;
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
    resets_on_close: bool,
    /// Whether to look for the end of the connection while a request is served. With TLS its announcement lies before it, which
    /// only a read of the stream can see, and so hyper does.
    notices_leaving: bool,
}

impl MonitoredWriter {
    /// Makes the kernel reset the connection when it is closed from now on, or close it regularly.
    fn reset_on_close(&mut self, resets: bool) {
        if self.resets_on_close != resets {
            // Fails only if the connection has been reset already.
            let _ = SockRef::from(&self.socket).set_linger(resets.then_some(Duration::ZERO));
            self.resets_on_close = resets;
        }
    }

    /// Whether the client has left while its request is served; if not, the task is woken when it does. Behind a request that
    /// was sent ahead and not read yet, nothing shows it.
    fn client_left(&self, context: &mut Context<'_>) -> bool {
        if !self.notices_leaving || !self.timeouts.is_responding() {
            return false;
        }
        let peek = || SockRef::from(&self.socket).peek(&mut [MaybeUninit::uninit()]);
        loop {
            match self.socket.poll_read_ready(context) {
                Poll::Pending => return false,
                Poll::Ready(Err(_)) => return true,
                // It stays ready after a read that filled its buffer, and does not register the task then: this clears it.
                Poll::Ready(Ok(())) => match self.socket.try_io(Interest::READABLE, peek) {
                    Ok(waiting) => return waiting == 0,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return true,
                },
            }
        }
    }

    /// The outcome of a write, which is over when the client has left.
    fn written(&self, outcome: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.timeouts.write_polled(&outcome);
        if outcome.is_pending() && self.client_left(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        outcome
    }

    fn before_write(&mut self) {
        if self.timeouts.must_reset() {
            self.reset_on_close(true);
        }
    }

    /// Everything is handed to the kernel, which delivers it before the regular end of the connection.
    fn before_flush(&mut self) {
        if !self.timeouts.must_reset() {
            self.reset_on_close(false);
        }
    }
}

impl AsyncRead for MonitoredWriter {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for MonitoredWriter {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.before_write();
        let outcome = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.written(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.before_write();
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.written(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// Called whenever hyper has been polled and has nothing more to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.before_flush();
        ready!(Pin::new(&mut self.socket).poll_flush(context))?;
        if self.client_left(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.before_flush();
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
