//! Messages that a token does not allow.

use std::sync::Arc;

use axum::http::{Extensions, HeaderValue};

use super::resource::Challenge;
use crate::mcp::principal::{Principal, READ, RUN};
use crate::mcp::scope;
use crate::serve::envelope::Envelope;

/// Why a message is not answered: the challenge and the words.
pub struct Insufficient {
    /// `WWW-Authenticate`.
    pub challenge: HeaderValue,
    /// For the person.
    pub what: String,
}

/// Refuses a message that spends or writes to a person who may only read. `None` where it may be answered, and where
/// people do not sign in.
pub fn insufficient(extensions: &Extensions, envelope: &Envelope<'_>) -> Option<Insufficient> {
    let principal = extensions.get::<Arc<Principal>>()?;
    if principal.may_run {
        return None;
    }
    let what = scope::spends_or_writes(envelope.method()?, envelope.params_as())?;
    let error = ("insufficient_scope", "The token does not allow spending and writing.");
    let challenge = extensions.get::<Challenge>()?.header(&format!("{READ} {RUN}"), Some(error));
    let what = format!("{what} spends or writes, and the token allows reading only ({RUN} is needed).");
    Some(Insufficient { challenge, what })
}
