//! Bodies of answers, made in slices: those of one tenant do not hold up those of others.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::tenants::Permit;
use crate::mcp::slices::Claim;

/// What of an answer's body is ready at once: it is sent with the head.
pub struct Begun {
    frame: Option<Result<Frame<Bytes>, axum::Error>>,
    /// Of the whole body.
    size: SizeHint,
}

impl Begun {
    /// Splits an answer into itself and what is ready.
    pub async fn of(response: Response) -> (Response, Begun) {
        let (head, mut body) = response.into_parts();
        let size = body.size_hint();
        let frame = if body.is_end_stream() { None } else { body.frame().now_or_never().flatten() };
        (Response::from_parts(head, body), Begun { frame, size })
    }
}

/// The body of an answer, made in slices of its tenant.
pub struct Sliced {
    begun: Begun,
    body: Body,
    claim: Claim,
    _permit: Arc<Permit>,
}

impl Sliced {
    /// The rest of `body` after what has `begun`. The permit lasts as long as the answer.
    pub fn new(begun: Begun, body: Body, claim: Claim, permit: Arc<Permit>) -> Sliced {
        Sliced { begun, body, claim, _permit: permit }
    }
}

impl HttpBody for Sliced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(frame) = self.begun.frame.take() {
            return Poll::Ready(Some(frame));
        }
        if self.body.is_end_stream() {
            return Poll::Ready(None);
        }
        let _slice = ready!(self.claim.poll_slice(context));
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.begun.frame.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.begun.frame.is_some() { self.begun.size } else { self.body.size_hint() }
    }
}
