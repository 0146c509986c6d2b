//! Whose jobs these are, and which account pays for them.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::secret::{ApiKey, Fingerprint};

/// Whose jobs, tasks, files, budget, sessions and callbacks: everything listed, found, resumed or charged is a tenant's.
///
/// Over stdio and on the command line the tenant is the account; over HTTP with keys of their own, the key; behind
/// single sign-on, a person. The value is opaque and names no one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(String);

impl Tenant {
    /// The tenant that is its account.
    pub fn of_account(account: &Fingerprint) -> Tenant {
        Tenant(account.as_str().to_owned())
    }

    /// The person whom `issuer` knows as `subject`: a digest, from which neither can be read. The ledger keeps an HMAC of it
    /// under a secret of its own.
    pub fn of_person(issuer: &str, subject: &str) -> Tenant {
        let digest = Sha256::new()
            .chain_update(b"pdfco person v1\0")
            .chain_update((issuer.len() as u64).to_be_bytes())
            .chain_update(issuer.as_bytes())
            .chain_update(subject.as_bytes())
            .finalize();
        Tenant(hex::encode(digest.get(..16).unwrap_or_default()))
    }

    /// A tenant as the ledger keeps it.
    pub fn stored(id: impl Into<String>) -> Tenant {
        Tenant(id.into())
    }

    /// The opaque id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tenant({})", self.0)
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asks the engine: whose the jobs are, and the key of the account that pays for them.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Whose jobs.
    pub tenant: Tenant,
    /// The key that is sent to the service.
    pub key: ApiKey,
}

impl Owner {
    /// `tenant`, who pays with `key`.
    pub fn new(tenant: Tenant, key: ApiKey) -> Owner {
        Owner { tenant, key }
    }

    /// The account that pays: rate limit, balance and price model are its own.
    pub fn account(&self) -> &Fingerprint {
        self.key.fingerprint()
    }
}

impl From<ApiKey> for Owner {
    fn from(key: ApiKey) -> Owner {
        Owner { tenant: Tenant::of_account(key.fingerprint()), key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_known_by_issuer_and_subject() {
        let alice = Tenant::of_person("https://idp.test", "alice");
        assert_eq!(alice, Tenant::of_person("https://idp.test", "alice"));
        for (issuer, subject) in
            [("https://idp.test", "bob"), ("https://idp.tes", "talice"), ("https://idp.test/", "alice")]
        {
            assert_ne!(alice, Tenant::of_person(issuer, subject));
        }
        assert!(!format!("{alice:?}{alice}").contains("alice"));
    }

    #[test]
    fn a_key_alone_is_its_own_tenant() {
        let key = ApiKey::new("canary-key").unwrap();
        let owner = Owner::from(key.clone());
        assert_eq!(owner.tenant, Tenant::of_account(key.fingerprint()));
        assert!(!format!("{owner:?}").contains("canary"));
    }
}
