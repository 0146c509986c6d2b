//! The port, and connections that a fault can cut while they are being answered, as a broken network does, or fill with
//! noise.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// How long accepting pauses after an error, which is nearly always "no file descriptors left".
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener whose connections can be cut.
pub(in crate::simulator) struct Port(TcpListener);

impl Port {
    pub(in crate::simulator) fn new(listener: TcpListener) -> Self {
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
                    return (Wire { stream, control: ConnectionControl::default(), sent: 0 }, peer);
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Something to say instead of an answer.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulator) enum Noise {
    /// A good head, and chunks that are none.
    BadChunks,
    /// Nothing of HTTP.
    Garbage,
}

const WHOLE: u8 = 0;
const CUT: u8 = 1;
const BAD_CHUNKS: u8 = 2;
const GARBAGE: u8 = 3;

impl Noise {
    fn bytes(state: u8) -> &'static [u8] {
        match state {
            BAD_CHUNKS => {
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
                  7\r\n{\"a\":1,\r\nfffffffffffffffff\r\n\0\0\xff no chunk\r\n"
            }
            _ => b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 220 mail.test ESMTP\r\n\xff\xff\xff\xff\r\n\r\n",
        }
    }
}

/// Cuts one connection, or lets noise into it.
#[derive(Clone, Debug, Default)]
pub(in crate::simulator) struct ConnectionControl(Arc<AtomicU8>);

impl ConnectionControl {
    /// Whatever is written from now on is lost, and the peer sees a reset.
    pub(in crate::simulator) fn cut(&self) {
        self.0.store(CUT, Ordering::Release);
    }

    /// Whatever is written from now on is lost; the peer reads `noise` instead, and then the end.
    pub(in crate::simulator) fn garble(&self, noise: Noise) {
        let state = match noise {
            Noise::BadChunks => BAD_CHUNKS,
            Noise::Garbage => GARBAGE,
        };
        self.0.store(state, Ordering::Release);
    }
}

impl Connected<IncomingStream<'_, Port>> for ConnectionControl {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        stream.io().control.clone()
    }
}

/// One connection.
pub(in crate::simulator) struct Wire {
    stream: TcpStream,
    control: ConnectionControl,
    /// How much of the noise is out.
    sent: usize,
}

impl Wire {
    /// Ready with an error when nothing may be written any more; pending while noise goes out.
    fn poll_check(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.control.0.load(Ordering::Acquire) {
            WHOLE => return Poll::Ready(Ok(())),
            // Closing with a zero linger sends RST instead of FIN.
            CUT => drop(self.stream.set_zero_linger()),
            state => {
                while let Some(rest) = Noise::bytes(state).get(self.sent..).filter(|rest| !rest.is_empty()) {
                    match Pin::new(&mut self.stream).poll_write(cx, rest) {
                        Poll::Ready(Ok(0)) => break,
                        Poll::Ready(Ok(written)) => self.sent += written,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        }
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_check(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_check(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
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
