//! Which calls are written down: those that spent or wrote something, and those that were refused. A key that anyone can
//! have made up leaves no row.

use rmcp::RoleServer;
use rmcp::service::RequestContext;
use serde_json::{Map, Value};

use super::principal::Principal;
use super::tools::Found;
use crate::answer::Answer;
use crate::app::App;
use crate::clock::now;
use crate::error::{Kind, Result};
use crate::jobs::ledger::AuditEntry;
use crate::secret::{ApiKey, Fingerprint};
use crate::tenant::{Owner, Tenant};

/// What is known of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// A person who signed in.
    Person,
    /// The server's own key, or one that the service has accepted.
    AcceptedKey,
    /// A key that may be made up.
    UnknownKey,
}

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
    pub fn write_down(self, app: &App, request: &RequestContext<RoleServer>, outcome: &Result<Answer>) {
        let (kind, charge) = match outcome {
            Ok(answer) => (answer.kind, answer.charge),
            Err(error) => (Some(error.kind()), error.charge()),
        };
        let standing = self.standing(app);
        let Some((tenant, account)) = self.who else { return };
        if !is_written_down(self.spends_or_writes, standing, kind, charge.credits) {
            return;
        }
        let job = outcome.as_ref().ok().and_then(|answer| answer.job.as_ref());
        let client = request.client_info();
        app.jobs().ledger().audit(AuditEntry {
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

    fn standing(&self, app: &App) -> Standing {
        let is_accepted = |(tenant, account): &(Tenant, Option<Fingerprint>)| {
            let own = app.config.key().ok().map(ApiKey::fingerprint);
            (own.is_some() && own == account.as_ref()) || app.has_accepted_key_of(tenant)
        };
        match &self.who {
            _ if self.has_signed_in => Standing::Person,
            Some(who) if is_accepted(who) => Standing::AcceptedKey,
            _ => Standing::UnknownKey,
        }
    }
}

/// A call that could not have had an effect is not written down; one that was charged always is. A key that the service
/// has not accepted, or refuses, leaves no trace in the ledger; a person who signed in does.
fn is_written_down(spends_or_writes: bool, standing: Standing, kind: Option<Kind>, credits: Option<i64>) -> bool {
    if credits.is_some_and(|credits| credits != 0) {
        return true;
    }
    match kind {
        _ if standing == Standing::UnknownKey => false,
        None => spends_or_writes,
        Some(Kind::InvalidArgument | Kind::NotFound | Kind::LedgerUnavailable) => false,
        Some(Kind::Auth) => standing == Standing::Person,
        Some(Kind::InsufficientCredits | Kind::FileAccess) => true,
        Some(_) => spends_or_writes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Folders, Values, merge};

    #[test]
    fn effects_and_refusals_are_written_down() {
        use Standing::{AcceptedKey, Person, UnknownKey};
        for (spends, standing, kind, credits, expected) in [
            (true, AcceptedKey, None, None, true),
            (false, AcceptedKey, None, None, false),
            (false, AcceptedKey, None, Some(2), true),
            (false, AcceptedKey, None, Some(0), false),
            (true, AcceptedKey, Some(Kind::InvalidArgument), None, false),
            (true, AcceptedKey, Some(Kind::Upstream), None, true),
            (false, AcceptedKey, Some(Kind::Upstream), None, false),
            (true, AcceptedKey, Some(Kind::Auth), None, false),
            (true, Person, Some(Kind::Auth), None, true),
            (true, AcceptedKey, Some(Kind::InsufficientCredits), None, true),
            (true, AcceptedKey, Some(Kind::LedgerUnavailable), None, false),
            (true, UnknownKey, Some(Kind::FileAccess), None, false),
            (true, UnknownKey, Some(Kind::Upstream), None, false),
            (true, UnknownKey, None, None, false),
            (true, UnknownKey, None, Some(2), true),
        ] {
            assert_eq!(
                is_written_down(spends, standing, kind, credits),
                expected,
                "{spends} {standing:?} {kind:?} {credits:?}"
            );
        }
    }

    #[test]
    fn keys_are_unknown_until_the_service_accepts_them() {
        let flags: Values = [("PDFCO_API_KEY".to_owned(), "server".to_owned())].into();
        let config = merge(&flags, &Values::new(), &Values::new(), &Folders::default()).unwrap();
        let app = App::new(config).unwrap();
        for (key, has_signed_in, expected) in [
            ("server", false, Standing::AcceptedKey),
            ("made-up", false, Standing::UnknownKey),
            ("made-up", true, Standing::Person),
        ] {
            let mut call = Audited { tool: "submit_job", spends_or_writes: true, has_signed_in, who: None };
            call.is_of(&Owner::from(ApiKey::new(key).unwrap()));
            assert_eq!(call.standing(&app), expected, "{key} {has_signed_in}");
        }
    }
}
