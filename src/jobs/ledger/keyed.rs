//! Tenants and accounts as the ledger keeps them: HMACs under a secret of its own.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;

use crate::tenant::Tenant;

/// Names that are remembered in order to name the owner of a row that was found without one.
const NAMES_KEPT: usize = 4_096;

/// What stands for `plain` in the ledger with this secret: 32 hex digits.
pub(super) fn keyed(secret: &[u8], plain: &str) -> String {
    // Any length of key will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(plain.as_bytes());
    hex::encode(mac.finalize().into_bytes().get(..16).unwrap_or_default())
}

/// The tenants that this process has met, by what stands for them in the ledger.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<String, Tenant>>);

impl Names {
    /// What stands for `tenant`; it is recognized in rows from now on.
    pub(super) fn keyed(&self, secret: &[u8], tenant: &Tenant) -> String {
        let stored = keyed(secret, tenant.as_str());
        let mut names = self.0.lock();
        if !names.contains_key(&stored) {
            if names.len() >= NAMES_KEPT {
                names.clear();
            }
            names.insert(stored.clone(), tenant.clone());
        }
        stored
    }

    /// The tenant for whom `stored` stands; one that this process has not met keeps that as its name.
    pub(super) fn of(&self, stored: &str) -> Tenant {
        let names = self.0.lock();
        names.get(stored).cloned().unwrap_or_else(|| Tenant::stored(stored))
    }
}
