//! Messages that a token does not allow.

use std::sync::Arc;

use axum::http::{Extensions, HeaderValue};

use super::resource::Challenge;
use crate::clock::now;
use crate::jobs::Ledger;
use crate::jobs::ledger::AuditEntry;
use crate::mcp::principal::{Principal, READ, RUN};
use crate::mcp::scope;
use crate::serve::envelope::Envelope;

/// Why a message is not answered: the challenge and the words.
pub struct Insufficient {
    /// `WWW-Authenticate`.
    pub challenge: HeaderValue,
    /// For the person.
    pub what: String,
    /// Who that is.
    person: Arc<Principal>,
    /// The tool that was called, or the method.
    tool: &'static str,
}

impl Insufficient {
    /// Writes the refusal down.
    pub fn write_down(&self, ledger: &Ledger) {
        ledger.audit(AuditEntry {
            at: now(),
            tenant: self.person.tenant.clone(),
            account: None,
            client: String::new(),
            tool: self.tool.to_owned(),
            operation: None,
            job_id: None,
            outcome: "insufficient_scope".to_owned(),
            credits: None,
        });
    }
}

/// Refuses a message that spends or writes to a person who may only read. `None` where it may be answered, and where
/// people do not sign in.
pub fn insufficient(extensions: &Extensions, envelope: &Envelope<'_>) -> Option<Insufficient> {
    let principal = extensions.get::<Arc<Principal>>()?;
    if principal.may_run {
        return None;
    }
    let effect = scope::effect(envelope.method()?, envelope.params_as())?;
    let error = ("insufficient_scope", "The token does not allow spending and writing.");
    let challenge = extensions.get::<Challenge>()?.header(&format!("{READ} {RUN}"), Some(error));
    let what = format!("{} spends or writes, and the token allows reading only ({RUN} is needed).", effect.what);
    Some(Insufficient { challenge, what, person: Arc::clone(principal), tool: effect.of })
}
