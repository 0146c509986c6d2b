//! A request to the service as callers make it, and what became of it where it did not succeed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::response_errors::ResponseContext;
use super::retry_policy::{Delivery, Repeat};
use crate::catalog::Method;
use crate::error::{Error, Kind};
use crate::hint;
use crate::next_step::NextStep;

/// How long the answer to a request that may be repeated is waited for after its caller gave up: it may be on its way,
/// and it may have a price.
pub const ANSWER_GRACE: Duration = Duration::from_millis(600);

/// Several assistants cut a call after a minute; the rest of it is for the way there and back.
pub(crate) const CALL_PATIENCE: Duration = Duration::from_secs(55);

/// One request to the service. It has passwords and links in it, so it cannot be printed.
#[derive(Clone)]
pub struct Call {
    /// HTTP method; decides where the parameters travel.
    pub method: Method,
    /// Path below the base URL.
    pub path: String,
    /// Parameters, an object.
    pub params: Value,
    /// Whether, and after which failures, the request may be sent again.
    pub repeat: Repeat,
    /// What it is about: decides how some answers read.
    pub context: ResponseContext,
    /// Values of the request that must not be quoted back in an error (passwords).
    pub secrets: Vec<String>,
    /// Gives the request up: at once while it has not left, and after a moment ([`ANSWER_GRACE`]) when it has and may
    /// be repeated. A request that may be charged is waited for once it has left.
    pub cancel: CancellationToken,
    /// Called when everything is ready and the request is about to leave.
    pub before_send: Option<BeforeSend>,
}

/// Called immediately before a request is sent; returning `false` aborts it. From here on the service may have seen the
/// request.
#[derive(Clone)]
pub struct BeforeSend(pub Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>);

impl Call {
    /// A request that changes nothing and may be repeated after every passing failure.
    pub fn safe(method: Method, path: impl Into<String>, params: Value) -> Self {
        Call {
            method,
            path: path.into(),
            params,
            repeat: Repeat::Safe,
            context: ResponseContext::Account,
            secrets: Vec::new(),
            cancel: CancellationToken::new(),
            before_send: None,
        }
    }
}

/// A request that did not succeed, and what became of it on the way.
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) delivery: Delivery,
    /// The service refused the key itself (401).
    pub(crate) is_key_refused: bool,
}

impl Failure {
    pub(crate) fn new(error: Error, delivery: Delivery) -> Failure {
        Failure { error, delivery, is_key_refused: false }
    }

    /// The error for the caller. Where money may have been spent unseen, it says so: the answer to a paid request was
    /// lost, or is one that does not say what was done.
    pub(super) fn explained(self, call: &Call) -> Error {
        let is_unclear = match self.delivery {
            Delivery::Lost => true,
            Delivery::Answered => matches!(self.error.kind(), Kind::Network | Kind::Upstream),
            Delivery::NotSent | Delivery::Withheld | Delivery::Refused | Delivery::Elsewhere => false,
        };
        if call.repeat == Repeat::Safe || !is_unclear {
            return self.error;
        }
        let message = format!("{} The service may have received the request and charged for it.", self.error.message());
        let hint = hint![
            "Compare ",
            NextStep::ListJobs,
            " and ",
            NextStep::Balance,
            " before sending it again; the request itself is kept among the jobs as `queued`."
        ];
        let error = Error::new(self.error.kind(), message, hint).with_charge(self.error.charge()).with_unknown_fate();
        match self.error.upstream() {
            Some(body) => error.with_upstream(body.clone()),
            None => error,
        }
        .with_source(self.error)
    }
}
