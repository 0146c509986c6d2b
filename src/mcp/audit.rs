//! Which calls are written down: those that spent or wrote something, and those that were refused.

use rmcp::RoleServer;
use rmcp::service::RequestContext;
use serde_json::{Map, Value};

use super::principal::Principal;
use super::tools::Found;
use crate::answer::Answer;
use crate::clock::now;
use crate::error::{Kind, Result};
use crate::jobs::Ledger;
use crate::jobs::ledger::AuditEntry;
use crate::secret::Fingerprint;
use crate::tenant::{Owner, Tenant};

/// A call that may be written down.
pub struct Audited {
    tool: &'static str,
    spends_or_writes: bool,
    has_signed_in: bool,
    who: Option<(Tenant, Option<Fingerprint>)>,
}

impl Audited {
    /// A call that begins. A person who signed in is known from the start.
    pub fn new(found: Found, given: &Map<String, Value>, request: &RequestContext<RoleServer>) -> Audited {
        let person = Principal::of(request);
        Audited {
            tool: found.name(),
            spends_or_writes: found.spends_or_writes() || found.argument_that_spends_or_writes(given).is_some(),
            has_signed_in: person.is_some(),
            who: person.map(|person| (person.tenant.clone(), None)),
        }
    }

    /// Whose call it is.
    pub fn is_of(&mut self, owner: &Owner) {
        self.who = Some((owner.tenant.clone(), Some(owner.account().clone())));
    }

    /// Writes the call down, if it is one of those.
    pub fn write_down(self, ledger: &Ledger, request: &RequestContext<RoleServer>, outcome: &Result<Answer>) {
        let (kind, charge) = match outcome {
            Ok(answer) => (answer.kind, answer.charge),
            Err(error) => (Some(error.kind()), error.charge()),
        };
        if !is_written_down(self.spends_or_writes, self.has_signed_in, kind, charge.credits) {
            return;
        }
        let Some((tenant, account)) = self.who else { return };
        let job = outcome.as_ref().ok().and_then(|answer| answer.job.as_ref());
        let client = request.client_info();
        ledger.audit(AuditEntry {
            at: now(),
            tenant,
            account,
            client: client.map(|client| format!("{} {}", client.name, client.version)).unwrap_or_default(),
            tool: self.tool.to_owned(),
            operation: job.and_then(|job| job.operation.clone()),
            job_id: job.map(|job| job.job_id.clone()),
            outcome: kind.map_or("success", |kind| kind.as_str()).to_owned(),
            credits: charge.credits,
        });
    }
}

/// A call that could not have had an effect is not written down; one that was charged always is. A key that the service
/// refuses leaves no trace in the ledger, because anyone can make keys up; a person who signed in does.
fn is_written_down(spends_or_writes: bool, has_signed_in: bool, kind: Option<Kind>, credits: Option<i64>) -> bool {
    if credits.is_some_and(|credits| credits != 0) {
        return true;
    }
    match kind {
        None => spends_or_writes,
        Some(Kind::InvalidArgument | Kind::NotFound | Kind::LedgerUnavailable) => false,
        Some(Kind::Auth) => has_signed_in,
        Some(Kind::InsufficientCredits | Kind::FileAccess) => true,
        Some(_) => spends_or_writes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_and_refusals_are_written_down() {
        for (spends, signed_in, kind, credits, expected) in [
            (true, false, None, None, true),
            (false, false, None, None, false),
            (false, false, None, Some(2), true),
            (false, false, None, Some(0), false),
            (true, false, Some(Kind::InvalidArgument), None, false),
            (true, false, Some(Kind::Upstream), None, true),
            (false, false, Some(Kind::Upstream), None, false),
            (true, false, Some(Kind::Auth), None, false),
            (true, true, Some(Kind::Auth), None, true),
            (true, false, Some(Kind::InsufficientCredits), None, true),
            (true, false, Some(Kind::LedgerUnavailable), None, false),
        ] {
            assert_eq!(
                is_written_down(spends, signed_in, kind, credits),
                expected,
                "{spends} {signed_in} {kind:?} {credits:?}"
            );
        }
    }
}
