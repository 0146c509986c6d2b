//! Bodies of requests, bounded in size and in time before anything is parsed.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

/// Up to this size, in bytes, any number of bodies is read at once: the connections bound them.
const SMALL: usize = 64 * 1024;
/// Bodies beyond [`SMALL`] that are read at once.
const LARGE_AT_ONCE: usize = 16;
/// How long a large body waits for its permit.
const LARGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a refused body that are read to their end.
const DISCARD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long reading them may take.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// How large a body may be and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Bytes.
    pub bytes: usize,
    /// From the head of the request to the last byte.
    pub timeout: Duration,
}

/// A message of the protocol. Documents never travel inline.
pub const MESSAGE: Limit = Limit { bytes: 1024 * 1024, timeout: Duration::from_secs(30) };
/// What the service sends to a callback.
pub const CALLBACK: Limit = Limit { bytes: 64 * 1024, timeout: Duration::from_secs(10) };
/// A token and a key.
pub const FORM: Limit = Limit { bytes: 4 * 1024, timeout: Duration::from_secs(10) };

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is larger than the limit, in bytes.
    TooLarge(usize),
    /// It took too long.
    TooSlow,
    /// The connection ended in the middle.
    CutOff,
    /// Too many large bodies are being read.
    Busy,
    /// The server is shutting down.
    Stopping,
}

impl BodyError {
    /// Status and words of the answer.
    pub fn answer(self) -> (StatusCode, String) {
        match self {
            BodyError::TooLarge(bytes) => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("The body of this request is limited to {bytes} bytes."))
            }
            BodyError::TooSlow => (StatusCode::REQUEST_TIMEOUT, "The body of the request took too long.".to_owned()),
            BodyError::CutOff => (StatusCode::BAD_REQUEST, "The body of the request was cut off.".to_owned()),
            BodyError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Too many large requests at once.".to_owned()),
            BodyError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "The server is shutting down.".to_owned()),
        }
    }
}

/// Reads bodies; shared by all routes.
pub struct Bodies {
    large: Semaphore,
    stop: CancellationToken,
}

impl Bodies {
    /// A reader that gives up once `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Bodies {
        Bodies { large: Semaphore::new(LARGE_AT_ONCE), stop }
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`BodyError`]; of a body that announces that it is too large nothing is kept.
    pub async fn read(&self, headers: &HeaderMap, body: Body, limit: Limit) -> Result<Bytes, BodyError> {
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let announced = announced.and_then(|length| length.parse::<u64>().ok());
        let mut body = body;
        let read = async {
            if announced.is_some_and(|length| length > limit.bytes as u64) {
                return Err(BodyError::TooLarge(limit.bytes));
            }
            let read = tokio::time::timeout(limit.timeout, self.collect(&mut body, limit.bytes)).await;
            read.unwrap_or(Err(BodyError::TooSlow))
        };
        let outcome = tokio::select! {
            outcome = read => outcome,
            () = self.stop.cancelled() => Err(BodyError::Stopping),
        };
        if matches!(outcome, Err(BodyError::TooLarge(_))) {
            // A client that is still sending would see a broken connection instead of the answer.
            let _ = tokio::time::timeout(DISCARD_TIMEOUT, discard(&mut body)).await;
        }
        outcome
    }

    async fn collect(&self, body: &mut Body, bytes_max: usize) -> Result<Bytes, BodyError> {
        let (mut whole, mut permit) = (Vec::new(), None::<SemaphorePermit<'_>>);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| BodyError::CutOff)?.into_data() else { continue };
            if whole.len() + data.len() > bytes_max {
                return Err(BodyError::TooLarge(bytes_max));
            }
            if permit.is_none() && whole.len() + data.len() > SMALL {
                let acquired = tokio::time::timeout(LARGE_TIMEOUT, self.large.acquire()).await;
                permit = Some(acquired.map_err(|_| BodyError::Busy)?.map_err(|_| BodyError::Stopping)?);
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.into())
    }
}

/// Reads what is left of a body that was refused, up to a limit, and keeps none of it.
async fn discard(body: &mut Body) {
    let mut left = DISCARD_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn chunks(sizes: &[usize]) -> Body {
        let chunks: Vec<Result<Vec<u8>, std::io::Error>> = sizes.iter().map(|size| Ok(vec![b'a'; *size])).collect();
        Body::from_stream(stream::iter(chunks))
    }

    async fn read(bodies: &Bodies, body: Body) -> Result<usize, BodyError> {
        let limit = Limit { bytes: 200_000, timeout: Duration::from_secs(10) };
        bodies.read(&HeaderMap::new(), body, limit).await.map(|bytes| bytes.len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_size_and_a_time_limit() {
        let bodies = Bodies::new(CancellationToken::new());
        assert_eq!(read(&bodies, chunks(&[10, 20])).await, Ok(30));
        assert_eq!(read(&bodies, chunks(&[100_000, 100_000])).await, Ok(200_000));
        assert_eq!(read(&bodies, chunks(&[100_000, 100_001])).await, Err(BodyError::TooLarge(200_000)));
        let endless = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
        assert_eq!(read(&bodies, endless).await, Err(BodyError::TooSlow));
        let broken: [Result<Vec<u8>, std::io::Error>; 1] = [Err(std::io::Error::other("cut"))];
        assert_eq!(read(&bodies, Body::from_stream(stream::iter(broken))).await, Err(BodyError::CutOff));
        let announced = HeaderMap::from_iter([(header::CONTENT_LENGTH, "200001".parse().unwrap())]);
        let limit = Limit { bytes: 200_000, timeout: Duration::from_secs(10) };
        let untouched = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
        assert_eq!(bodies.read(&announced, untouched, limit).await, Err(BodyError::TooLarge(200_000)));
        let announced = HeaderMap::from_iter([(header::CONTENT_LENGTH, "200000".parse().unwrap())]);
        assert_eq!(bodies.read(&announced, chunks(&[200_000]), limit).await.map(|body| body.len()), Ok(200_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_body_is_read_to_its_end_or_to_a_limit() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};
        const CHUNK: usize = 100_000;
        let bodies = Bodies::new(CancellationToken::new());
        let taken_of = |count: usize| {
            let taken = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&taken);
            let chunks = (0..count).map(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok::<_, std::io::Error>(vec![b'a'; CHUNK])
            });
            (taken, Body::from_stream(stream::iter(chunks)))
        };
        for (sent, expected) in [(10, 10), (1_000, 3 + DISCARD_BYTES_MAX.div_ceil(CHUNK))] {
            let (taken, body) = taken_of(sent);
            assert_eq!(read(&bodies, body).await, Err(BodyError::TooLarge(200_000)));
            assert_eq!(taken.load(Ordering::SeqCst), expected, "of {sent}");
        }
    }

    #[test]
    fn every_refusal_has_its_status_and_says_why() {
        for (error, status, word) in [
            (BodyError::TooLarge(7), 413, "7 bytes"),
            (BodyError::TooSlow, 408, "too long"),
            (BodyError::CutOff, 400, "cut off"),
            (BodyError::Busy, 503, "Too many"),
            (BodyError::Stopping, 503, "shutting down"),
        ] {
            let (answered, text) = error.answer();
            assert!(answered.as_u16() == status && text.contains(word), "{error:?}: {answered} {text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_that_stall_do_not_hold_up_small_ones() {
        let stop = CancellationToken::new();
        let bodies = std::sync::Arc::new(Bodies::new(stop.clone()));
        let stalled = || {
            use futures_util::StreamExt;
            let begun: [Result<Vec<u8>, std::io::Error>; 1] = [Ok(vec![b'a'; SMALL + 1])];
            Body::from_stream(stream::iter(begun).chain(stream::pending()))
        };
        let readers: Vec<_> = (0..LARGE_AT_ONCE)
            .map(|_| {
                let (bodies, body) = (std::sync::Arc::clone(&bodies), stalled());
                tokio::spawn(async move { read(&bodies, body).await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(read(&bodies, chunks(&[SMALL])).await, Ok(SMALL));
        assert_eq!(read(&bodies, chunks(&[SMALL + 1])).await, Err(BodyError::Busy));
        stop.cancel();
        for reader in readers {
            assert_eq!(reader.await.unwrap(), Err(BodyError::Stopping));
        }
    }
}
