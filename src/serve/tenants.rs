//! Who asks over HTTP, and how much of the server they may use at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use axum::http::Extensions;
use axum::http::HeaderMap;
use parking_lot::{Mutex, MutexGuard};

use crate::config::Config;
use crate::mcp::connection::ConnectionSettings;
use crate::mcp::principal::Principal;
use crate::secret::ApiKey;
use crate::tenant::Tenant;

/// Carries the caller's key.
pub const KEY_HEADER: &str = "x-api-key";

/// Whose request it is, as far as its headers say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Requester {
    /// The tenant of the key; `None` for those without one.
    pub tenant: Option<Tenant>,
    /// The tenant is that of the server's own key, which many may share.
    pub is_server: bool,
}

impl Requester {
    /// The person who signed in, where people do; else as [`Requester::of`].
    pub fn of_request(
        headers: &HeaderMap,
        extensions: &Extensions,
        config: &Config,
        may_use_server_key: bool,
    ) -> Requester {
        match extensions.get::<Arc<Principal>>() {
            Some(person) => Requester { tenant: Some(person.tenant.clone()), is_server: false },
            None => Requester::of(headers, config, may_use_server_key),
        }
    }

    /// The tenant of the key in the headers, else of the server's key where callers without one may use it.
    pub fn of(headers: &HeaderMap, config: &Config, may_use_server_key: bool) -> Requester {
        let own = config.key().ok().map(|key| Tenant::of_account(key.fingerprint()));
        let mut keys = headers.get_all(KEY_HEADER).iter();
        let given = match (keys.next(), keys.next()) {
            (Some(key), None) => key.to_str().ok().filter(|key| !key.trim().is_empty()),
            _ => None,
        };
        let tenant = match given {
            Some(key) => ApiKey::new(key).ok().map(|key| Tenant::of_account(key.fingerprint())),
            None => own.clone().filter(|_| may_use_server_key),
        };
        Requester { is_server: tenant.is_some() && tenant == own, tenant }
    }
}

/// Of what is free, in times, a tenant may have as much: so there is always something left for the next one.
const SHARE_OF_FREE: usize = 3;

/// Requests that are being answered, bounded per tenant. `None` are all those together whose key the service has not
/// accepted yet: they may have made it up.
pub struct InFlight {
    max: usize,
    per_tenant: usize,
    state: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    of_tenants: HashMap<Option<Tenant>, usize>,
}

impl InFlight {
    /// At most `max` requests of all tenants, and three quarters of them of one.
    pub fn new(max: usize) -> Arc<InFlight> {
        Arc::new(InFlight { max, per_tenant: max, state: Mutex::default() })
    }

    /// At most so many of each tenant.
    pub fn per_tenant(per_tenant: usize) -> Arc<InFlight> {
        Arc::new(InFlight { max: usize::MAX, per_tenant, state: Mutex::default() })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.state.lock()
    }

    /// A permit for one more request; `None` when this tenant has as many as it may have.
    pub fn enter(self: &Arc<Self>, tenant: &Option<Tenant>) -> Option<Arc<Permit>> {
        let mut counts = self.counts();
        let own = counts.of_tenants.get(tenant).copied().unwrap_or_default();
        let free = self.max.saturating_sub(counts.all);
        if own >= self.per_tenant.min(free.saturating_mul(SHARE_OF_FREE)) {
            return None;
        }
        counts.all += 1;
        counts.of_tenants.insert(tenant.clone(), own + 1);
        Some(Arc::new(Permit { tenant: tenant.clone(), all: Arc::clone(self) }))
    }
}

/// One request in flight, until this is dropped.
pub struct Permit {
    tenant: Option<Tenant>,
    all: Arc<InFlight>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        counts.all = counts.all.saturating_sub(1);
        if let Some(count) = counts.of_tenants.get_mut(&self.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.of_tenants.remove(&self.tenant);
            }
        }
    }
}

/// What is known about a request while it is handed to the protocol library.
#[derive(Clone, Default)]
pub struct Scope {
    /// Whose it is.
    pub requester: Requester,
    /// What its connection asked for.
    pub settings: ConnectionSettings,
    /// When the sign-in of its sender ends, where people sign in.
    pub expires: Option<Instant>,
    /// Held as long as the request runs, also after its client has left.
    pub permit: Option<Arc<Permit>>,
}

tokio::task_local! {
    static SCOPE: Scope;
}

impl Scope {
    /// Runs `work` in this scope.
    pub async fn run<T>(self, work: impl Future<Output = T>) -> T {
        SCOPE.scope(self, work).await
    }

    /// The scope of this task; an empty one outside of any.
    pub fn current() -> Scope {
        SCOPE.try_with(Scope::clone).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requester(key: &str) -> Requester {
        let key = ApiKey::new(key).unwrap();
        Requester { tenant: Some(Tenant::of_account(key.fingerprint())), is_server: false }
    }

    #[test]
    fn one_tenant_cannot_take_the_places_of_another() {
        let all = InFlight::new(80);
        let take_all = |tenant: Option<&str>| -> Vec<_> {
            let tenant = tenant.map(Tenant::stored);
            std::iter::from_fn(|| all.enter(&tenant)).collect()
        };
        let (first, second, unknown) = (take_all(Some("a")), take_all(Some("b")), take_all(None));
        assert_eq!([first.len(), second.len(), unknown.len()], [60, 15, 4], "each leaves a quarter of what was free");
        assert!(take_all(Some("a")).is_empty() && take_all(None).is_empty());
        let last = take_all(Some("c"));
        assert_eq!(last.len(), 1);
        drop((first, second, unknown, last));
        assert!(all.counts().of_tenants.is_empty() && all.counts().all == 0, "nothing is remembered of those who left");
    }

    #[test]
    fn a_requester_is_known_by_the_key_of_its_request() {
        use crate::config::{Folders, Values, merge};
        let flags: Values = [("PDFCO_API_KEY".to_owned(), "server".to_owned())].into();
        let config = merge(&flags, &Values::new(), &Values::new(), &Folders::default()).unwrap();
        let of = |keys: &[&str], may_use_server_key| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append(KEY_HEADER, key.parse().unwrap());
            }
            Requester::of(&headers, &config, may_use_server_key)
        };
        assert_eq!(of(&["a"], true), requester("a"));
        assert_eq!(of(&["a"], false), requester("a"));
        assert!(of(&["server"], false).is_server && of(&[], true).is_server);
        assert_eq!(of(&[], false), Requester::default());
        assert_eq!(of(&["a", "b"], false), Requester::default());
    }
}
