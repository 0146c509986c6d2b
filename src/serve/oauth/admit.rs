//! A request with a good token becomes one of a person; all others are refused in the words of RFC 6750.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::issuer::{Issuer, Pace};
use super::person_keys::{PersonKeys, Source};
use super::resource::{Challenge, Resource};
use super::ring_verifier;
use super::token::{self, Claims, Refused};
use crate::app::App;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::mcp::principal::{Principal, READ, RUN};
use crate::serve::peers::Connection;
use crate::serve::refusal::refused;
use crate::serve::tenants::KEY_HEADER;
use crate::serve::tokens::{Tokens, Verdict};
use crate::tenant::Tenant;

/// How long a client waits before it asks again while the issuer does not answer, in seconds.
const RETRY: HeaderValue = HeaderValue::from_static("5");

/// Who may sign in, and for what.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose tokens are taken, as in `iss`.
    pub issuer: String,
    /// The address of the resource; `None` is where the server listens.
    pub resource: Option<String>,
    /// What `aud` names; `None` is the address of the resource.
    pub audience: Option<String>,
    /// How often the issuer is asked.
    pub pace: Pace,
}

/// Whether people can sign in under these settings: the authorization server is asked for its keys. `None` where they are
/// not to.
pub async fn diagnosis(config: &Config) -> Option<Result<String>> {
    let issuer = config.oauth_issuer.clone()?;
    let check = async {
        let source = Source::of(config)?;
        let keys = Issuer::new(issuer.clone(), Pace::USUAL).try_out().await?;
        if keys == 0 {
            let message = format!("{issuer} has no key that is taken here.");
            return Err(Error::new(Kind::Upstream, message, "Have it sign access tokens with RS256 or ES256."));
        }
        let pays = match source {
            Source::Claim(claim) => format!("each with the key in the claim `{claim}`"),
            Source::Command(command) => format!("each with the key that `{}` prints", command.program),
            Source::Server => "all with the server's key".to_owned(),
        };
        Ok(format!("people sign in at {issuer} ({keys} keys), {pays}"))
    };
    Some(check.await)
}

/// The way in for people who sign in.
pub struct SignIn {
    app: Arc<App>,
    issuer: Issuer,
    resource: Resource,
    audience: String,
    challenge: Challenge,
    keys: PersonKeys,
    /// Counts wrong tokens of an address, over all routes.
    tokens: Arc<Tokens>,
}

impl SignIn {
    /// As `options` say, on a server at `address`.
    ///
    /// # Errors
    /// `invalid_argument` for a resource that is no address; as [`Source::of`].
    pub fn new(app: Arc<App>, options: &Options, resource: Resource, tokens: Arc<Tokens>) -> Result<SignIn> {
        ring_verifier::install();
        let source = Source::of(&app.config)?;
        Ok(SignIn {
            issuer: Issuer::new(options.issuer.clone(), options.pace),
            audience: options.audience.clone().unwrap_or_else(|| resource.address.clone()),
            challenge: Challenge::of(&resource),
            keys: PersonKeys::new(source, options.issuer.clone()),
            resource,
            app,
            tokens,
        })
    }

    /// The resource that is protected.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The person behind a good token.
    async fn person(&self, claims: &Claims) -> Result<Principal, Response> {
        let has = |scope: &str| claims.scopes.iter().any(|given| given == scope);
        let may_run = has(RUN);
        if !may_run && !has(READ) {
            let description = "The token has none of the scopes of this server.";
            return Err(self.refusal(StatusCode::FORBIDDEN, description, Some("insufficient_scope")));
        }
        let tenant = Tenant::of_person(self.issuer.name(), &claims.subject);
        let key = self.keys.of(&tenant, claims, &self.app.config).await;
        if let Err(error) = &key {
            tracing::warn!(%tenant, %error, "there is no key for a person who signed in");
        }
        Ok(Principal { tenant, key, may_run, expires: claims.expires })
    }

    fn refusal(&self, status: StatusCode, what: &str, error: Option<&str>) -> Response {
        let scope = format!("{READ} {RUN}");
        let header = self.challenge.header(&scope, error.map(|error| (error, what)));
        ([(header::WWW_AUTHENTICATE, header)], refused(status, -32600, what, Value::Null)).into_response()
    }
}

/// Lets people with a good token in, as [`Principal`]s. The token goes no further.
pub async fn admit(State(sign_in): State<Arc<SignIn>>, mut request: Request, next: Next) -> Response {
    let Some(connection) = request.extensions().get::<Arc<Connection>>().cloned() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let token = match bearer(request.headers()) {
        Ok(Some(token)) => token,
        Ok(None) => {
            let what = "Sign in: this address takes access tokens (Authorization: Bearer …).";
            return sign_in.refusal(StatusCode::UNAUTHORIZED, what, None);
        }
        Err(what) => return sign_in.refusal(StatusCode::BAD_REQUEST, what, Some("invalid_request")),
    };
    let claims = match token::judge(token, &sign_in.issuer, &sign_in.audience).await {
        Ok(claims) => claims,
        Err(refusal) => return sign_in.turned_away(refusal, &connection).await,
    };
    if request.headers().contains_key(KEY_HEADER) {
        let what = "The PDF.co key of people who sign in comes from the server: leave x-api-key out.";
        return refused(StatusCode::BAD_REQUEST, -32600, what, Value::Null);
    }
    let person = match sign_in.person(&claims).await {
        Ok(person) => person,
        Err(refusal) => return refusal,
    };
    drop(claims);
    connection.trust();
    request.headers_mut().remove(header::AUTHORIZATION);
    request.extensions_mut().insert(Arc::new(person));
    request.extensions_mut().insert(sign_in.challenge.clone());
    next.run(request).await
}

impl SignIn {
    /// The answer to a token that is not good. Wrong ones are counted per address, as wrong static tokens are; one whose
    /// time is over is no guess, because every client shows one now and then.
    async fn turned_away(&self, refusal: Refused, connection: &Connection) -> Response {
        let what = match refusal {
            Refused::Expired => {
                return self.refusal(StatusCode::UNAUTHORIZED, "The token has expired.", Some("invalid_token"));
            }
            Refused::Unknown(error) => return unavailable(&error),
            Refused::Invalid(what) => what,
        };
        tracing::info!(why = what, "a token was refused");
        match self.tokens.count_wrong(connection.peer(), Instant::now()) {
            Verdict::Refused(wait) => {
                let what = "Too many wrong tokens came from this address.";
                let refusal = refused(StatusCode::TOO_MANY_REQUESTS, -32600, what, Value::Null);
                return ([(header::RETRY_AFTER, wait.as_secs().max(1).to_string())], refusal).into_response();
            }
            Verdict::Wrong(delay) => self.tokens.delay(delay).await,
            Verdict::Granted | Verdict::Missing => {}
        }
        self.refusal(StatusCode::UNAUTHORIZED, what, Some("invalid_token"))
    }
}

fn unavailable(error: &Error) -> Response {
    let refusal = refused(StatusCode::SERVICE_UNAVAILABLE, -32603, error.message(), Value::Null);
    ([(header::RETRY_AFTER, RETRY)], refusal).into_response()
}

/// The token of a request: in one header, never in the address.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, &'static str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let given = match (all.next(), all.next()) {
        (None, _) => return Ok(None),
        (Some(given), None) => given.to_str().map_err(|_| "The Authorization header is not text.")?,
        (Some(_), Some(_)) => return Err("The request has two Authorization headers."),
    };
    let (scheme, token) = given.split_once(' ').unwrap_or((given, ""));
    let token = token.trim();
    Ok((scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token))
}
