//! Signing in at the service's own authorization server: OAuth 2 with PKCE for a public client. What comes of it is the
//! account's API key; the tokens are dropped as soon as it is known.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use super::Timeouts;
use super::transport::Transport;
use crate::error::{Error, Kind, Result};
use crate::secret::ApiKey;

/// What the service asks the person for.
const SCOPE: &str = "openid email profile api";
/// Largest answer of the authorization server.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long one of its answers may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest message of the server that is quoted.
const QUOTED_CHARS: usize = 200;

/// An authorization server and who asks.
pub struct SignIn {
    transport: Transport,
    base: Url,
    client_id: String,
}

/// One sign-in, from the address that the person opens to the code that comes back. Cannot print its secrets.
pub struct Attempt {
    /// What the person opens.
    pub address: Url,
    redirect: String,
    state: SecretString,
    verifier: SecretString,
}

impl Attempt {
    /// Whether an answer belongs to this attempt.
    pub fn is_answered_by(&self, state: &str) -> bool {
        bool::from(self.state.expose_secret().as_bytes().ct_eq(state.as_bytes()))
    }
}

impl SignIn {
    /// The server at `base`: https, or plain http on this machine.
    ///
    /// # Errors
    /// `invalid_argument` for an address that cannot be used.
    pub fn new(base: &Url, client_id: &str) -> Result<SignIn> {
        let transport = Transport::new(base.clone(), Timeouts::USUAL).map_err(|_| {
            Error::invalid(
                "PDFCO_LOGIN_URL cannot be used.",
                "It is an https link; plain http is accepted for this machine (127.0.0.1, localhost) only.",
            )
        })?;
        Ok(SignIn { transport, base: base.clone(), client_id: client_id.to_owned() })
    }

    /// Begins a sign-in whose answer comes to `redirect`, an address of this machine.
    ///
    /// # Errors
    /// As [`SignIn::new`].
    pub fn begin(&self, redirect: &str) -> Result<Attempt> {
        let (state, verifier) = (random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret().as_bytes()));
        let mut address = self.at("oauth/authorize")?;
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", redirect)
            .append_pair("scope", SCOPE)
            .append_pair("state", state.expose_secret())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(Attempt { address, redirect: redirect.to_owned(), state, verifier })
    }

    /// Whether an answer that names `issuer` can be from this server. Its own name for itself is not known beyond its
    /// address, so that decides; a server that names itself nowhere is believed.
    pub fn is_issuer(&self, issuer: Option<&str>) -> bool {
        issuer.is_none_or(|issuer| Url::parse(issuer).is_ok_and(|issuer| issuer.origin() == self.base.origin()))
    }

    /// Turns the code of an answered attempt into the account's key.
    ///
    /// # Errors
    /// `auth` when the server refuses, or its account has no key; `network` and `upstream` when it cannot be asked.
    pub async fn key(&self, attempt: &Attempt, code: &str) -> Result<ApiKey> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", attempt.redirect.as_str()),
            ("client_id", self.client_id.as_str()),
            ("code_verifier", attempt.verifier.expose_secret()),
        ];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self
            .transport
            .client()?
            .post(self.at("oauth/token")?)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(body);
        let answer = answer(request).await?;
        let token = answer.get("access_token").and_then(Value::as_str).ok_or_else(|| lacks("access_token"))?;
        let token = SecretString::from(token.to_owned());
        let request = self.transport.client()?.get(self.at("oauth/userinfo")?).bearer_auth(token.expose_secret());
        let account = self::answer(request).await?;
        let key = account.get("api_key").and_then(Value::as_str).ok_or_else(|| {
            Error::new(
                Kind::Auth,
                "The account that signed in has no API key.",
                "Look at https://app.pdf.co whether it has one, then store it with `pdfco key set`.",
            )
        })?;
        ApiKey::new(key)
    }

    fn at(&self, path: &str) -> Result<Url> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/{path}")).map_err(|_| Error::internal("The address of the sign-in cannot be made."))
    }
}

/// 256 random bits, as a verifier and a state are written.
fn random() -> SecretString {
    let halves = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    let bytes: Vec<u8> = halves.iter().flat_map(|half| half.into_bytes()).collect();
    SecretString::from(URL_SAFE_NO_PAD.encode(bytes))
}

/// The JSON that the server answers with; nothing of a request is quoted in an error.
async fn answer(request: reqwest::RequestBuilder) -> Result<Value> {
    let away = |what: &str| {
        Error::new(
            Kind::Network,
            format!("The sign-in could not be completed: {what}."),
            "Run `pdfco login` again; `pdfco key set` stores a key without it.",
        )
    };
    let exchange = async {
        let mut response = request.send().await.map_err(|_| away("the authorization server cannot be reached"))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| away("its answer was cut off"))? {
            if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
                return Err(away("its answer is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((status, body))
    };
    let outcome = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await;
    let (status, body) = outcome.unwrap_or_else(|_| Err(away("the authorization server does not answer")))?;
    let json: Option<Value> = serde_json::from_slice(crate::text::without_bom(&body)).ok();
    if !status.is_success() {
        let said = json.as_ref().and_then(|json| json.get("error_description").or(json.get("error")));
        let said = said.and_then(Value::as_str).map(|said| format!(": {}", crate::text::shorten(said, QUOTED_CHARS)));
        return Err(Error::new(
            Kind::Auth,
            format!("The authorization server refused ({}){}.", status.as_u16(), said.unwrap_or_default()),
            "Run `pdfco login` again, and check PDFCO_OAUTH_CLIENT_ID.",
        ));
    }
    json.filter(Value::is_object).ok_or_else(|| lacks("JSON"))
}

fn lacks(what: &str) -> Error {
    Error::new(
        Kind::Upstream,
        format!("The answer of the authorization server has no {what}."),
        "Store the key with `pdfco key set` instead.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_answered_by_its_own_state_alone() {
        let server = SignIn::new(&Url::parse("https://id.test").unwrap(), "client").unwrap();
        let attempt = server.begin("http://127.0.0.1:9/callback").unwrap();
        let sent: std::collections::HashMap<_, _> = attempt.address.query_pairs().into_owned().collect();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(attempt.verifier.expose_secret().as_bytes()));
        assert_eq!((&sent["code_challenge"], &*sent["code_challenge_method"]), (&challenge, "S256"));
        assert_eq!((&*sent["redirect_uri"], &*sent["scope"]), ("http://127.0.0.1:9/callback", SCOPE));
        assert!((43..=128).contains(&attempt.verifier.expose_secret().len()));
        assert!(!attempt.address.as_str().contains(attempt.verifier.expose_secret()));
        assert!(attempt.is_answered_by(&sent["state"]) && !attempt.is_answered_by("") && !attempt.is_answered_by("x"));
        assert!(!server.begin("http://127.0.0.1:9/callback").unwrap().is_answered_by(&sent["state"]));
        for (issuer, expected) in [
            (None, true),
            (Some("https://id.test"), true),
            (Some("https://id.test/oauth"), true),
            (Some("https://evil.test"), false),
            (Some("http://id.test"), false),
            (Some("id.test"), false),
            (Some(""), false),
        ] {
            assert_eq!(server.is_issuer(issuer), expected, "{issuer:?}");
        }
        for refused in ["http://id.test", "ftp://id.test"] {
            assert!(SignIn::new(&Url::parse(refused).unwrap(), "client").is_err(), "{refused}");
        }
    }
}
