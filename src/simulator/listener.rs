//! The port, and connections that can be cut while they are being answered.
//!
//! What lives here: the wrapper that lets a fault end a connection without an answer, as a broken network does. What
//! never does: deciding when (that is `faults.rs`).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// How long accepting pauses after an error, which is nearly always "no file descriptors left".
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener whose connections can be cut.
pub(super) struct Port(TcpListener);

impl Port {
    pub(super) fn new(listener: TcpListener) -> Self {
        Port(listener)
    }
}

impl Listener for Port {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, peer)) => {
                    // Without it every small answer waits for the peer's delayed acknowledgement.
                    let _ = stream.set_nodelay(true);
                    return (Wire { stream, shears: Shears::default() }, peer);
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Cuts one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Shears(Arc<AtomicBool>);

impl Shears {
    /// Whatever is written from now on is lost, and the peer sees a reset.
    pub(super) fn cut(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Connected<IncomingStream<'_, Port>> for Shears {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        stream.io().shears.clone()
    }
}

/// One connection.
pub(super) struct Wire {
    stream: TcpStream,
    shears: Shears,
}

impl Wire {
    fn check(&self) -> io::Result<()> {
        if !self.shears.0.load(Ordering::Acquire) {
            return Ok(());
        }
        // Closing with a zero linger sends RST instead of FIN.
        let _ = self.stream.set_zero_linger();
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.check() {
            Ok(()) => Pin::new(&mut self.stream).poll_write(cx, bytes),
            Err(cut) => Poll::Ready(Err(cut)),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.check() {
            Ok(()) => Pin::new(&mut self.stream).poll_write_vectored(cx, parts),
            Err(cut) => Poll::Ready(Err(cut)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
