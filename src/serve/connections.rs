//! Connections: how many, how long the head of a request may take, how large it may be, and how they end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Response};
use hyper::Request;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::peers::{Admitted, Answering, Connection, Peers};

/// Where messages of the protocol arrive.
pub const PROTOCOL_PATH: &str = "/mcp";
/// Paths of the protocol, that of people who sign in included.
const PROTOCOL_PATHS: [&str; 2] = [PROTOCOL_PATH, super::oauth::resource::PATH];
/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 100;
/// Pause after a failed accept, mostly for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// How often failed accepts are logged.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Serves `router` until `stop`, then until the answers that were being made have been sent.
///
/// `keep_alive` bounds the head of a request, and how long a connection may be idle before the next one.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    peers: Arc<Peers>,
    keep_alive: Duration,
    stop: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(keep_alive).max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
    let (http, running) = (Arc::new(http), TaskTracker::new());
    let mut logged = None::<Instant>;
    loop {
        let accepted = async {
            let (stream, address) = listener.accept().await?;
            std::io::Result::Ok((stream, peers.admit(address.ip().to_canonical()).await))
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, admitted)) => {
                running.spawn(talk(Arc::clone(&http), stream, router.clone(), admitted, stop.clone()));
            }
            Err(error) => {
                if logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
                    logged = Some(Instant::now());
                    tracing::warn!(%error, open = peers.count(), "a connection could not be accepted");
                }
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    running.close();
    running.wait().await;
}

/// Answers the requests of one connection until it ends or has to give way.
async fn talk(
    http: Arc<http1::Builder>,
    stream: TcpStream,
    router: Router,
    admitted: Admitted,
    stop: CancellationToken,
) {
    // Without this every streamed answer waits 44 ms for a delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let known = Arc::clone(admitted.connection());
    let service = service_fn({
        let known = Arc::clone(&known);
        move |request| answer(router.clone(), Arc::clone(&known), request)
    });
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = known.closing().cancelled() => return,
        () = stop.cancelled() => {
            if !known.is_answering() {
                return;
            }
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                outcome = connection.as_mut() => outcome,
                () = known.closing().cancelled() => return,
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended with an error");
    }
}

/// Answers one request. Its connection counts as answering until the last byte is sent, but for a stream of
/// notifications, which has no end of its own.
async fn answer(
    router: Router,
    connection: Arc<Connection>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    // One request at a time: a client that sends hundreds at once lets those of others come in between.
    tokio::task::yield_now().await;
    let is_stream = request.method() == Method::GET && PROTOCOL_PATHS.contains(&request.uri().path());
    let answering = (!is_stream).then(|| connection.answering());
    request.extensions_mut().insert(connection);
    let response = router.oneshot(request.map(Body::new)).await?;
    let Some(answering) = answering else { return Ok(response) };
    Ok(response.map(|body| Body::new(Outgoing { body, answering })))
}

/// The body of an answer, which notes whether its client takes it.
struct Outgoing {
    body: Body,
    answering: Answering,
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.answering.asked();
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(_)) = &polled {
            self.answering.handed_over();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
