//! The one error of the product: a closed kind, what happened, what to do about it.
//!
//! [`Error`], [`Kind`] and the constructors that every module uses. Formatting is left to the interfaces: each projects an
//! error in one exhaustive `match` over [`Kind`]: `mcp/context.rs` into an error of the protocol, `cli/exit_code.rs` into
//! an exit code; an answer carries its public form. Presigned links and keys never enter a message; modules that speak to
//! the network strip them before they build an error.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::charge::Charge;
use crate::clock::Millis;
use crate::next_step::{Audience, Hint};

/// Result with the product's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure this is. The list is closed: a new kind is a decision about every interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The caller's words are wrong: a missing, unknown or ill-typed argument, a bad setting.
    InvalidArgument,
    /// No key, or a key that the service refuses (HTTP 401).
    Auth,
    /// The account has no credits left (HTTP 402), or the budget set for this ledger is spent.
    InsufficientCredits,
    /// The service asked for fewer requests (HTTP 429), and the call's patience is over.
    RateLimited,
    /// No such job, operation or document.
    NotFound,
    /// The service did the work and failed at it.
    JobFailed,
    /// The service gave the job up.
    JobAborted,
    /// A result link is no longer valid.
    LinkExpired,
    /// A local file or folder cannot be used: it is missing, outside the allowed folders, or in the way.
    FileAccess,
    /// Something exceeds a limit of ours or of the service.
    TooLarge,
    /// The service could not be reached, or the connection broke.
    Network,
    /// The service answered something that cannot be used (5xx, not JSON, no state).
    Upstream,
    /// The ledger cannot be written (or read), and without it nothing is paid for.
    LedgerUnavailable,
    /// The caller gave up.
    Cancelled,
    /// A defect of this program.
    Internal,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 15] = [
        Kind::InvalidArgument,
        Kind::Auth,
        Kind::InsufficientCredits,
        Kind::RateLimited,
        Kind::NotFound,
        Kind::JobFailed,
        Kind::JobAborted,
        Kind::LinkExpired,
        Kind::FileAccess,
        Kind::TooLarge,
        Kind::Network,
        Kind::Upstream,
        Kind::LedgerUnavailable,
        Kind::Cancelled,
        Kind::Internal,
    ];

    /// The word that interfaces show, stable for scripts and agents.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::InvalidArgument => "invalid_argument",
            Kind::Auth => "auth",
            Kind::InsufficientCredits => "insufficient_credits",
            Kind::RateLimited => "rate_limited",
            Kind::NotFound => "not_found",
            Kind::JobFailed => "job_failed",
            Kind::JobAborted => "job_aborted",
            Kind::LinkExpired => "link_expired",
            Kind::FileAccess => "file_access",
            Kind::TooLarge => "too_large",
            Kind::Network => "network",
            Kind::Upstream => "upstream",
            Kind::LedgerUnavailable => "ledger_unavailable",
            Kind::Cancelled => "cancelled",
            Kind::Internal => "internal",
        }
    }

    /// Whether the same call may succeed later without being changed.
    pub fn is_retryable(self) -> bool {
        match self {
            Kind::RateLimited | Kind::Network | Kind::Upstream | Kind::LedgerUnavailable => true,
            Kind::InvalidArgument
            | Kind::Auth
            | Kind::InsufficientCredits
            | Kind::NotFound
            | Kind::JobFailed
            | Kind::JobAborted
            | Kind::LinkExpired
            | Kind::FileAccess
            | Kind::TooLarge
            | Kind::Cancelled
            | Kind::Internal => false,
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Kind {
    /// The kind of a word; [`Kind::Internal`] for one of a later version.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let word = String::deserialize(deserializer)?;
        Ok(Kind::ALL.into_iter().find(|kind| kind.as_str() == word).unwrap_or(Kind::Internal))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which failure exactly, where a caller of ours reacts to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The operation or tool has no argument of that name.
    UnknownArgument,
    /// There is no operation of that name.
    UnknownOperation,
}

/// A failure that a person or an agent can meet. Boxed inside, so that results stay small.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    reason: Option<Reason>,
    message: String,
    hint: Hint,
    retry_after: Option<Duration>,
    retryable: Option<bool>,
    upstream: Option<Value>,
    charge: Charge,
    fate_is_unknown: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` that says what happened (`message`) and what to do (`hint`).
    pub fn new(kind: Kind, message: impl Into<String>, hint: impl Into<Hint>) -> Self {
        Error(Box::new(Inner {
            kind,
            reason: None,
            message: message.into(),
            hint: hint.into(),
            retry_after: None,
            retryable: None,
            upstream: None,
            charge: Charge::NONE,
            fate_is_unknown: false,
            source: None,
        }))
    }

    /// Shorthand for [`Kind::InvalidArgument`].
    pub fn invalid(message: impl Into<String>, hint: impl Into<Hint>) -> Self {
        Error::new(Kind::InvalidArgument, message, hint)
    }

    /// A defect of this program; `message` names where, the cause goes to the log.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(
            Kind::Internal,
            message,
            "This is a defect of pdfco. Please report it with the log (PDFCO_LOG=debug).",
        )
    }

    /// Adds which failure exactly this is.
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        self.0.reason = Some(reason);
        self
    }

    /// Adds the delay after which the service wants to be asked again.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Option<Duration>) -> Self {
        self.0.retry_after = delay;
        self
    }

    /// Overrides whether the same call may be repeated, for instance after a paid request whose fate is unknown.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = Some(retryable);
        self
    }

    /// Keeps the service's own JSON, for callers that want to see it.
    #[must_use]
    pub fn with_upstream(mut self, body: Value) -> Self {
        self.0.upstream = Some(body);
        self
    }

    /// Adds what earlier requests of the same call cost; a balance that is already known is the newer one.
    #[must_use]
    pub fn with_charge(mut self, earlier: Charge) -> Self {
        self.0.charge = earlier.and(self.0.charge);
        self
    }

    /// Dates the balance in it by the request that it answers.
    #[must_use]
    pub fn asked_at(mut self, at: Millis) -> Self {
        self.0.charge = self.0.charge.asked_at(at);
        self
    }

    /// Marks that the request may have been worked on and charged all the same.
    #[must_use]
    pub fn with_unknown_fate(mut self) -> Self {
        self.0.fate_is_unknown = true;
        self.0.retryable = Some(false);
        self
    }

    /// Whether the request may have been worked on and charged all the same.
    pub fn is_fate_unknown(&self) -> bool {
        self.0.fate_is_unknown
    }

    /// What the call had cost when it failed.
    pub fn charge(&self) -> Charge {
        self.0.charge
    }

    /// Replaces the hint where the caller knows better what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Hint>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// Keeps the cause for the log. The cause must already be free of links and keys.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Which failure exactly, where it was said.
    pub fn reason(&self) -> Option<Reason> {
        self.0.reason
    }

    /// What happened, one sentence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do next, one or two sentences.
    pub fn hint(&self) -> &Hint {
        &self.0.hint
    }

    /// When the service wants to be asked again, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same call may succeed later without being changed.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable.unwrap_or_else(|| self.0.kind.is_retryable())
    }

    /// The service's own JSON, if the failure came with one.
    pub fn upstream(&self) -> Option<&Value> {
        self.0.upstream.as_ref()
    }

    /// What of it is kept and shown.
    pub fn view(&self) -> ErrorView {
        ErrorView {
            kind: self.kind(),
            message: self.message().to_owned(),
            hint: self.hint().clone(),
            retryable: self.is_retryable(),
            retry_after_seconds: self.retry_after().map(|delay| delay.as_secs_f64().ceil() as u64),
        }
    }

    /// The public form, with the hint in the words of `audience`:
    /// `{kind, message, hint, retryable, retry_after_seconds?}`.
    pub fn to_json(&self, audience: Audience) -> Value {
        self.view().to_json(audience)
    }

    /// A copy that can be given to several waiters; the cause stays with the original, and so does what it cost: of
    /// several, one is charged.
    pub fn share(&self) -> Error {
        Error(Box::new(Inner {
            kind: self.0.kind,
            reason: self.0.reason,
            message: self.0.message.clone(),
            hint: self.0.hint.clone(),
            retry_after: self.0.retry_after,
            retryable: self.0.retryable,
            upstream: self.0.upstream.clone(),
            charge: Charge { credits: None, ..self.0.charge },
            fate_is_unknown: self.0.fate_is_unknown,
            source: None,
        }))
    }
}

/// An error as it is kept with a job, before it is known who will read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// See [`Error::kind`].
    pub kind: Kind,
    /// See [`Error::message`].
    pub message: String,
    /// See [`Error::hint`].
    pub hint: Hint,
    /// See [`Error::is_retryable`].
    pub retryable: bool,
    /// When the service wants to be asked again, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

impl ErrorView {
    /// See [`Error::to_json`].
    pub fn to_json(&self, audience: Audience) -> Value {
        let mut body = json!({
            "kind": self.kind,
            "message": self.message,
            "hint": self.hint.text(audience),
            "retryable": self.retryable,
        });
        if let (Some(seconds), Some(map)) = (self.retry_after_seconds, body.as_object_mut()) {
            map.insert("retry_after_seconds".into(), json!(seconds));
        }
        body
    }

    /// What the ledger kept. A text that is no such view, of another version, is kept as the message.
    pub fn from_stored(text: &str) -> ErrorView {
        serde_json::from_str(text).unwrap_or_else(|_| Error::internal(text).view())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.message, self.0.kind)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("hint", &self.0.hint)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_form_has_the_five_fields_and_never_the_cause() {
        let error = Error::new(Kind::RateLimited, "too fast", "wait")
            .with_retry_after(Some(Duration::from_millis(1200)))
            .with_source("secret cause");
        assert_eq!(
            error.to_json(Audience::Agent),
            json!({"kind": "rate_limited", "message": "too fast", "hint": "wait", "retryable": true, "retry_after_seconds": 2})
        );
        assert!(!format!("{error}").contains("secret cause"));
    }

    #[test]
    fn an_error_that_was_stored_speaks_to_each_reader() {
        let error = Error::new(
            Kind::Network,
            "m",
            crate::hint!["Give ", crate::next_step::NextStep::Switch("force".into()), "."],
        );
        let stored = serde_json::to_string(&error.view()).unwrap();
        let again = ErrorView::from_stored(&stored);
        assert_eq!(again, error.view());
        assert_eq!(again.to_json(Audience::Agent)["hint"], "Give `force: true`.");
        assert_eq!(again.to_json(Audience::Shell)["hint"], "Give --force.");
        // Earlier versions stored a hint in the words of one reader.
        let old = r#"{"kind": "network", "message": "m", "hint": "Give force.", "retryable": false}"#;
        let old = ErrorView::from_stored(old);
        assert_eq!((old.kind, old.retryable), (Kind::Network, false));
        assert_eq!(old.hint.text(Audience::Shell), "Give force.");
        for odd in ["", "text", r#"{"kind": "later", "message": "m", "hint": "", "retryable": true}"#] {
            assert_eq!(ErrorView::from_stored(odd).kind, Kind::Internal, "{odd}");
        }
    }

    #[test]
    fn a_paid_request_of_unknown_fate_is_not_called_retryable() {
        let error = Error::new(Kind::Network, "connection lost", "see what was sent").with_retryable(false);
        assert_eq!(error.to_json(Audience::Agent)["retryable"], json!(false));
    }
}
