//! Access tokens: JWTs by RFC 9068, judged against the issuer's keys.
//!
//! What is cheap and certain is checked first (form, algorithm, issuer, audience), so that made-up tokens cause no
//! request to the issuer; nothing of it is believed before the signature holds.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode};
use serde::Deserialize;
use serde_json::Value;

use super::algorithms;
use super::issuer::Issuer;
use crate::error::Error;

/// Longest token, in bytes.
const BYTES_MAX: usize = 16 * 1024;
/// How far the clocks of issuer and server may be apart.
pub const LEEWAY: Duration = Duration::from_secs(30);
/// Longest subject, in bytes.
const SUBJECT_BYTES_MAX: usize = 1_024;
/// Most keys that one token is tried with, where it names none.
const KEYS_TRIED_MAX: usize = 8;

/// What a good token says.
#[derive(Clone, Debug)]
pub struct Claims {
    /// The person.
    pub subject: String,
    /// What the token allows.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires: Instant,
    /// All of it.
    all: Value,
}

impl Claims {
    /// A claim that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name).and_then(Value::as_str)
    }
}

/// Why a token is refused.
#[derive(Debug)]
pub enum Refused {
    /// Its signature holds, and its time is over: no guess.
    Expired,
    /// It is none of the issuer's for this server, and why.
    Invalid(&'static str),
    /// It cannot be judged now.
    Unknown(Error),
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// Judges `token` for `audience`.
///
/// # Errors
/// [`Refused`].
pub async fn judge(token: &str, issuer: &Issuer, audience: &str) -> Result<Claims, Refused> {
    let malformed = Refused::Invalid("The token is no JWT.");
    if token.len() > BYTES_MAX {
        return Err(Refused::Invalid("The token is too long."));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(malformed);
    };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let header: Option<Header> = decoded(header).and_then(|header| serde_json::from_slice(&header).ok());
    let unproven: Option<Value> = decoded(payload).and_then(|payload| serde_json::from_slice(&payload).ok());
    let (Some(header), Some(unproven)) = (header, unproven) else { return Err(malformed) };
    let Some(algorithm) = algorithms::named(&header.alg) else {
        return Err(Refused::Invalid("The token is signed by an algorithm that is not accepted."));
    };
    if header.crit.is_some() || !header.typ.as_deref().is_none_or(is_access_token) {
        return Err(Refused::Invalid("The token is of another kind than an access token."));
    }
    check_unproven(&unproven, issuer.name(), audience)?;
    let keys = issuer.keys(header.kid.as_deref(), algorithm).await.map_err(Refused::Unknown)?;
    if keys.is_empty() {
        return Err(Refused::Invalid("The token is signed with a key that the issuer does not have."));
    }
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY.as_secs();
    validation.validate_nbf = true;
    validation.set_audience(&[audience]);
    validation.set_issuer(&[issuer.name()]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let mut refused = Refused::Invalid("The signature of the token does not hold.");
    for key in keys.iter().take(KEYS_TRIED_MAX) {
        match decode::<Value>(token, key, &validation) {
            Ok(proven) => return claims(proven.claims),
            Err(error) => match error.kind() {
                ErrorKind::ExpiredSignature => refused = Refused::Expired,
                ErrorKind::ImmatureSignature => refused = Refused::Invalid("The token is not valid yet."),
                ErrorKind::InvalidSignature => {}
                _ => refused = Refused::Invalid("The token lacks a claim, or a claim is wrong."),
            },
        }
    }
    Err(refused)
}

/// RFC 9068 says `at+jwt`; many issuers write `JWT`, or nothing.
fn is_access_token(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "at+jwt" | "jwt")
}

/// Refuses what no signature could make good, before the issuer is asked for a key.
fn check_unproven(claims: &Value, issuer: &str, audience: &str) -> Result<(), Refused> {
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(Refused::Invalid("The token is of another issuer."));
    }
    let is_named = match claims.get("aud") {
        Some(Value::String(named)) => named == audience,
        Some(Value::Array(all)) => all.iter().any(|named| named.as_str() == Some(audience)),
        _ => false,
    };
    if !is_named {
        return Err(Refused::Invalid("The token is for another resource."));
    }
    Ok(())
}

fn claims(all: Value) -> Result<Claims, Refused> {
    let lacks = Refused::Invalid("The token lacks a claim, or a claim is wrong.");
    let subject =
        all.get("sub").and_then(Value::as_str).filter(|sub| !sub.is_empty() && sub.len() <= SUBJECT_BYTES_MAX);
    let ends = all.get("exp").and_then(Value::as_f64).filter(|ends| ends.is_finite() && *ends > 0.0);
    let (Some(subject), Some(ends)) = (subject.map(str::to_owned), ends) else { return Err(lacks) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    // Further ahead than a year is as good as that: the sum of an instant and a lifetime must exist.
    let left = Duration::from_secs_f64((ends - now + LEEWAY.as_secs_f64()).clamp(0.0, 31_536_000.0));
    let scopes = ["scope", "scp"].iter().filter_map(|name| all.get(*name)).flat_map(words).collect();
    Ok(Claims { subject, scopes, expires: Instant::now() + left, all })
}

/// Scopes as a list of words or as one text.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_tokens_are_distinguished() {
        for (typ, expected) in [
            ("at+jwt", true),
            ("application/at+jwt", true),
            ("JWT", true),
            ("dpop+jwt", false),
            ("logout+jwt", false),
            ("secevent+jwt", false),
        ] {
            assert_eq!(is_access_token(typ), expected, "{typ}");
        }
    }

    #[test]
    fn scopes_are_words_or_a_list() {
        let of = |claims: Value| claims_of(claims).scopes;
        fn claims_of(mut claims: Value) -> Claims {
            claims["sub"] = "a".into();
            claims["exp"] = 4_000_000_000_u64.into();
            super::claims(claims).unwrap()
        }
        assert_eq!(of(serde_json::json!({"scope": "a  b"})), ["a", "b"]);
        assert_eq!(of(serde_json::json!({"scp": ["a", 1, "b"]})), ["a", "b"]);
        assert_eq!(of(serde_json::json!({"scp": "a", "scope": "c"})), ["c", "a"]);
        assert!(of(serde_json::json!({"scope": null})).is_empty());
    }
}
