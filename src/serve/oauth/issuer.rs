//! The authorization server: what it says about itself (RFC 8414, or OpenID discovery), and its keys.
//!
//! Keys are fetched when the first token comes, again once they are old, and again for a key that is not among them, but
//! never more often than every [`Pace::between`]: a flood of tokens with made-up keys causes no flood of requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::Mutex;
use serde_json::Value;
use url::Url;

use super::algorithms;
use crate::api::documents::Documents;
use crate::error::{Error, Kind, Result};

/// Most keys that are kept; issuers have a handful.
const KEYS_MAX: usize = 32;
/// Longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// How often the issuer is asked.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Keys are asked for again after this; one that the issuer withdrew is refused from then on.
    pub fresh_for: Duration,
    /// While the issuer does not answer, keys are used for this long.
    pub kept_for: Duration,
    /// The shortest time between two fetches, whatever is asked for.
    pub between: Duration,
}

impl Pace {
    /// That of the product.
    pub const USUAL: Pace = Pace {
        fresh_for: Duration::from_secs(600),
        kept_for: Duration::from_secs(3_600),
        between: Duration::from_secs(10),
    };
}

/// One key of the issuer.
struct Key {
    name: Option<String>,
    /// The one algorithm that it is for, where the issuer says so.
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

#[derive(Default)]
struct Known {
    keys: Arc<Vec<Key>>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

/// The issuer.
pub struct Issuer {
    name: String,
    documents: Documents,
    pace: Pace,
    known: Mutex<Known>,
    fetching: tokio::sync::Mutex<()>,
}

impl Issuer {
    /// The issuer that calls itself `name`. Nothing is asked yet.
    pub fn new(name: String, pace: Pace) -> Issuer {
        Issuer {
            name,
            documents: Documents::default(),
            pace,
            known: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Its name, as it stands in `iss`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The keys that a token of `algorithm`, signed with the key `name`, may have been signed with. None where the issuer
    /// has none such.
    ///
    /// # Errors
    /// That of the fetch, where the issuer has not answered for too long.
    pub async fn keys(&self, name: Option<&str>, algorithm: Algorithm) -> Result<Vec<DecodingKey>> {
        let (found, age) = self.find(name, algorithm);
        let is_usable = age.is_some_and(|age| age < self.pace.kept_for);
        if !found.is_empty() && age.is_some_and(|age| age < self.pace.fresh_for) {
            return Ok(found);
        }
        // Others do not wait for a fetch that they can do without.
        let guard = match self.fetching.try_lock() {
            Ok(guard) => guard,
            Err(_) if is_usable && !found.is_empty() => return Ok(found),
            Err(_) => self.fetching.lock().await,
        };
        if self.known.lock().tried.is_none_or(|tried| tried.elapsed() >= self.pace.between) {
            self.known.lock().tried = Some(Instant::now());
            match self.fetch().await {
                Ok(keys) => {
                    let mut known = self.known.lock();
                    (known.keys, known.fetched) = (Arc::new(keys), Some(Instant::now()));
                }
                Err(error) => tracing::warn!(%error, "the keys of the authorization server cannot be read"),
            }
        }
        drop(guard);
        let (found, age) = self.find(name, algorithm);
        match age {
            Some(age) if age < self.pace.kept_for => Ok(found),
            _ => Err(Error::new(
                Kind::Network,
                "The authorization server cannot be asked for its keys.",
                "Try again in a moment.",
            )),
        }
    }

    /// The keys that are known, and how old they are.
    fn find(&self, name: Option<&str>, algorithm: Algorithm) -> (Vec<DecodingKey>, Option<Duration>) {
        let known = self.known.lock();
        let age = known.fetched.map(|fetched| fetched.elapsed());
        let fits = |key: &&Key| {
            (name.is_none() || name == key.name.as_deref())
                && key.key.family() == algorithm.family()
                && key.algorithm.is_none_or(|only| only == algorithm)
        };
        (known.keys.iter().filter(fits).map(|key| key.key.clone()).collect(), age)
    }

    async fn fetch(&self) -> Result<Vec<Key>> {
        let address = self.key_address().await?;
        let set = self.documents.fetch(&address).await?;
        let listed = set.get("keys").and_then(Value::as_array).into_iter().flatten().take(KEYS_MAX);
        // A key of a kind that is not known here is no reason to do without the others.
        Ok(listed.filter_map(read).collect())
    }

    /// Where the keys are, as the issuer says.
    async fn key_address(&self) -> Result<Url> {
        let mut last = Error::new(Kind::Upstream, "The authorization server describes itself nowhere.", "");
        for address in descriptions(&self.name) {
            let described = match self.documents.fetch(&address).await {
                Ok(described) => described,
                Err(error) if error.kind() == Kind::Network => return Err(error),
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            if described.get("issuer").and_then(Value::as_str) != Some(self.name.as_str()) {
                last = Error::new(
                    Kind::Upstream,
                    "The authorization server calls itself by another name than PDFCO_OAUTH_ISSUER.",
                    "Set PDFCO_OAUTH_ISSUER to its `issuer`, letter by letter.",
                );
                continue;
            }
            let keys = described.get("jwks_uri").and_then(Value::as_str).and_then(|address| Url::parse(address).ok());
            return keys.ok_or_else(|| {
                Error::new(Kind::Upstream, "The authorization server names no address of its keys.", "")
            });
        }
        Err(last)
    }

    /// Asks for description and keys, for `doctor`: how many keys there are.
    ///
    /// # Errors
    /// What is wrong with them.
    pub async fn try_out(&self) -> Result<usize> {
        Ok(self.fetch().await?.len())
    }
}

/// Where an issuer may describe itself: RFC 8414, then OpenID Connect in its two spellings.
fn descriptions(issuer: &str) -> Vec<Url> {
    let Ok(base) = Url::parse(issuer) else { return Vec::new() };
    let path = base.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut address = base.clone();
        address.set_path(&path);
        address
    };
    let mut all = vec![
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/openid-configuration{path}")),
    ];
    all.dedup();
    all
}

fn read(jwk: &Value) -> Option<Key> {
    let algorithm = match jwk.get("alg").and_then(Value::as_str) {
        // A key for an algorithm that is not taken is none.
        Some(word) => Some(algorithms::named(word)?),
        None => None,
    };
    let jwk: Jwk = serde_json::from_value(jwk.clone()).ok()?;
    let is_for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let name = jwk.common.key_id.clone();
    if !is_for_signatures || name.as_ref().is_some_and(|name| name.len() > NAME_BYTES_MAX) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { name, algorithm, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_describes_itself_where_the_standards_say() {
        let of = |issuer: &str| descriptions(issuer).iter().map(Url::to_string).collect::<Vec<_>>();
        assert_eq!(
            of("https://idp.test/realms/a"),
            [
                "https://idp.test/.well-known/oauth-authorization-server/realms/a",
                "https://idp.test/realms/a/.well-known/openid-configuration",
                "https://idp.test/.well-known/openid-configuration/realms/a",
            ]
        );
        for issuer in ["https://idp.test", "https://idp.test/"] {
            assert_eq!(
                of(issuer),
                [
                    "https://idp.test/.well-known/oauth-authorization-server",
                    "https://idp.test/.well-known/openid-configuration"
                ]
            );
        }
    }
}
