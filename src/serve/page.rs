//! The page that a browser sees at `/` of the HTTP door: this caller's jobs, with live states, checks and credits.
//!
//! What lives here: [`routes`], who is let in, and the headers of every answer. What is shown is in `page/view.rs`, who
//! is in is in `page/sessions.rs`. What never does: a request to the service. The page reads the ledger, so looking at
//! it costs nothing; and it changes nothing but its own sessions.
//!
//! | who | sees |
//! |---|---|
//! | the server has no token (this machine only) and a key | the jobs of the server's key, as `/mcp` would give them |
//! | anybody else | a form that asks for the token, if there is one, and for a key |
//! | who gave both | their key's jobs, by a session whose random id is all that the cookie holds |
//!
//! Token and key travel in the body of a POST and nowhere else. The key is dropped once its fingerprint is known.
//! Another site can neither read the page (Host is checked against DNS rebinding, nothing allows other origins) nor
//! press its buttons (Origin and Sec-Fetch-Site are checked, the cookie is SameSite=Strict).

mod sessions;
mod view;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Query, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

pub use sessions::Limits;
use sessions::{Sessions, Viewer};

use super::allowed_hosts::{AllowedHosts, host};
use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::mcp::icon;
use crate::next_step::Audience;
use crate::secret::ApiKey;
use crate::tenant::Tenant;

/// Jobs on one page.
const JOBS_SHOWN: u32 = 50;
/// Largest form: a token and a key.
const FORM_BYTES_MAX: usize = 4 * 1024;
/// Pages that are put together at once; more wait for their turn.
const PAGES_AT_ONCE: usize = 8;
/// Nothing from elsewhere, nothing inline, no frames. The icon is the only picture.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// The page's routes. `hosts` are the names besides this machine's under which it may be reached.
pub fn routes(app: Arc<App>, token: Option<SecretString>, hosts: &[String]) -> Router {
    routes_within(app, token, hosts, Limits::default())
}

/// As [`routes`], within other limits.
pub fn routes_within(app: Arc<App>, token: Option<SecretString>, hosts: &[String], limits: Limits) -> Router {
    let page = Arc::new(Page {
        app,
        token,
        hosts: AllowedHosts::and_this_machine(hosts),
        sessions: Sessions::new(limits),
        places: Semaphore::new(PAGES_AT_ONCE),
    });
    Router::new()
        .route("/", get(home))
        .route("/session", get(show_form).post(enter))
        .route("/session/end", post(leave))
        .route("/page/style.css", get(|| asset("text/css; charset=utf-8", STYLE)))
        .route("/page/script.js", get(|| asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/page/icon.svg", get(|| asset(icon::MIME_TYPE, icon::SVG)))
        .route_layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&page), admit))
        .route_layer(middleware::map_response(protect))
        .with_state(page)
}

struct Page {
    app: Arc<App>,
    token: Option<SecretString>,
    hosts: AllowedHosts,
    sessions: Sessions,
    places: Semaphore,
}

#[derive(Deserialize)]
struct Asked {
    after: Option<String>,
}

/// What the form sends. Not printable: it holds secrets.
#[derive(Deserialize)]
struct Given {
    #[serde(default)]
    token: String,
    #[serde(default)]
    key: String,
}

impl Page {
    /// Whose jobs are shown to who sent these headers.
    fn viewer(&self, headers: &HeaderMap) -> Option<Viewer> {
        let session = cookie(headers).and_then(|id| self.sessions.viewer(id, Instant::now()));
        // Without a token this machine's users may use the server's key at `/mcp` too.
        session.or_else(|| self.token.is_none().then(|| self.server()).flatten())
    }

    /// The server's own key as a viewer.
    fn server(&self) -> Option<Viewer> {
        let key = self.app.config.key().ok()?;
        Some(Viewer { tenant: Tenant::of_account(key.fingerprint()), is_server: true })
    }

    /// Judges what the form sent.
    fn judge(&self, given: &Given) -> std::result::Result<Viewer, (StatusCode, String)> {
        let now = Instant::now();
        if let Some(token) = &self.token {
            if let Some(wait) = self.sessions.closed_for(now) {
                let seconds = wait.as_secs().saturating_add(1);
                let words = format!("Too many wrong tokens were given. Try again in {seconds} s.");
                return Err((StatusCode::TOO_MANY_REQUESTS, words));
            }
            // In constant time: how much of a guess is right must not show in how long the answer takes.
            if !bool::from(given.token.trim().as_bytes().ct_eq(token.expose_secret().as_bytes())) {
                self.sessions.wrong(now);
                tracing::warn!("somebody gave a wrong token at the page");
                return Err((StatusCode::UNAUTHORIZED, "That is not this server’s token.".to_owned()));
            }
        }
        if given.key.trim().is_empty() {
            let words = "This server has no key of its own: give your PDF.co API key.";
            return self.server().ok_or_else(|| (StatusCode::FORBIDDEN, words.to_owned()));
        }
        let key = ApiKey::new(&given.key).map_err(|error| {
            (StatusCode::FORBIDDEN, format!("{} {}", error.message(), error.hint().text(Audience::Shell)))
        })?;
        let is_server = self.app.config.key().is_ok_and(|own| own.fingerprint() == key.fingerprint());
        Ok(Viewer { tenant: Tenant::of_account(key.fingerprint()), is_server })
    }

    fn form(&self, message: Option<&str>) -> Html<String> {
        let has_token = self.token.is_some();
        Html(view::form(has_token, self.app.config.key().is_ok(), message))
    }

    async fn overview(&self, viewer: &Viewer, after: Option<&str>) -> Result<String> {
        let _place = self.places.acquire().await.map_err(|_| Error::internal("The server is shutting down."))?;
        let overview = self.app.overview(&viewer.tenant, JOBS_SHOWN, after).await?;
        let is_open_to_all = self.token.is_none() && viewer.is_server;
        Ok(view::jobs(
            &overview,
            &view::Place { is_server: viewer.is_server, is_open_to_all, is_first: after.is_none() },
        ))
    }
}

async fn home(State(page): State<Arc<Page>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let Some(viewer) = page.viewer(&headers) else { return page.form(None).into_response() };
    match page.overview(&viewer, asked.after.as_deref()).await {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            let status = match error.kind() {
                Kind::InvalidArgument => StatusCode::BAD_REQUEST,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            tracing::warn!(%error, "the page of jobs could not be put together");
            (status, Html(view::trouble(error.message(), &error.hint().text(Audience::Shell)))).into_response()
        }
    }
}

async fn show_form(State(page): State<Arc<Page>>) -> Html<String> {
    page.form(None)
}

async fn enter(State(page): State<Arc<Page>>, headers: HeaderMap, Form(given): Form<Given>) -> Response {
    match page.judge(&given) {
        Err((status, message)) => (status, page.form(Some(&message))).into_response(),
        Ok(viewer) => {
            // A browser has one session: the earlier one is not left behind.
            if let Some(earlier) = cookie(&headers) {
                page.sessions.end(earlier);
            }
            let id = page.sessions.open(viewer, Instant::now());
            go_home(&headers, &id, "")
        }
    }
}

async fn leave(State(page): State<Arc<Page>>, headers: HeaderMap) -> Response {
    if let Some(id) = cookie(&headers) {
        page.sessions.end(id);
    }
    go_home(&headers, "", "; Max-Age=0")
}

/// Sends the browser to `/` with its cookie. It goes with the browser, and the server forgets its session earlier.
fn go_home(headers: &HeaderMap, id: &str, more: &str) -> Response {
    let secure = if is_https(headers) { "; Secure" } else { "" };
    let cookie = format!("{}={id}; Path=/; HttpOnly; SameSite=Strict{secure}{more}", cookie_name(headers));
    (StatusCode::SEE_OTHER, [(header::LOCATION, "/".to_owned()), (header::SET_COOKIE, cookie)]).into_response()
}

async fn asset(mime: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, mime)], text)
}

/// Refuses foreign hosts, which is how DNS rebinding looks, and forms that were sent from other sites.
async fn admit(State(page): State<Arc<Page>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_allowed = |authority: &Authority| page.hosts.fit(authority);
    let is_known =
        host(headers).or_else(|| request.uri().authority().cloned()).is_some_and(|authority| is_allowed(&authority));
    if !is_known {
        let words = "This server is not called that. Add the name to PDFCO_HTTP_HOSTS if it is yours.\n";
        return (StatusCode::FORBIDDEN, words).into_response();
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !is_own_site(headers, is_allowed) {
        return (StatusCode::FORBIDDEN, "Forms are taken from this server's own page only.\n").into_response();
    }
    next.run(request).await
}

/// Whether a form came from our own page, or from no browser at all: every browser sends one of the two headers.
fn is_own_site(headers: &HeaderMap, is_allowed: impl Fn(&Authority) -> bool) -> bool {
    let site_fits = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let origin_fits = headers.get(header::ORIGIN).is_none_or(|origin| {
        let authority =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
        authority.and_then(|authority| authority.parse().ok()).is_some_and(|authority| is_allowed(&authority))
    });
    site_fits && origin_fits
}

async fn protect(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With `no-referrer` browsers would send our own forms with `Origin: null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
        headers.insert(name, HeaderValue::from_static("same-origin"));
    }
    response
}

/// Whether the browser reached us, or a proxy in front of us, over TLS. A lie changes the liar's own cookie only.
fn is_https(headers: &HeaderMap) -> bool {
    let told = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    told.and_then(|told| told.split(',').next()).is_some_and(|first| first.trim().eq_ignore_ascii_case("https"))
}

/// Cookies do not know ports: two servers on one machine would take each other's away.
fn cookie_name(headers: &HeaderMap) -> String {
    let port = host(headers).and_then(|host| host.port_u16()).map(|port| format!("_{port}")).unwrap_or_default();
    let prefix = if is_https(headers) { "__Host-" } else { "" };
    format!("{prefix}pdfco_session{port}")
}

/// The session's id that the browser sent.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let name = cookie_name(headers);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn forms_of_other_sites_are_told_from_our_own() {
        let allowed = AllowedHosts::and_this_machine(&[]);
        for (sent, expected) in [
            (&[][..], true),
            (&[("origin", "http://localhost:8911")], true),
            (&[("origin", "http://localhost:8911"), ("sec-fetch-site", "same-origin")], true),
            (&[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")], false),
            (&[("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", "https://evil.test")], false),
            (&[("origin", "null")], false),
            (&[("origin", "http://localhost@evil.test")], false),
            (&[("sec-fetch-site", "none")], false),
        ] {
            assert_eq!(is_own_site(&headers(sent), |host| allowed.fit(host)), expected, "{sent:?}");
        }
    }

    #[test]
    fn a_cookie_is_found_by_its_servers_port_and_by_the_way_it_came() {
        for (sent, expected) in [
            (&[("host", "h:1"), ("cookie", "a=b; pdfco_session_2=x; pdfco_session_1=y")][..], Some("y")),
            (&[("host", "h:3"), ("cookie", "pdfco_session_2=x; pdfco_session=z")], None),
            (&[("host", "h"), ("cookie", "pdfco_session=z")], Some("z")),
            (&[("host", "h"), ("x-forwarded-proto", "https"), ("cookie", "pdfco_session=z")], None),
            (&[("host", "h"), ("x-forwarded-proto", "https, http"), ("cookie", "__Host-pdfco_session=s")], Some("s")),
            (&[("host", "h")], None),
        ] {
            assert_eq!(cookie(&headers(sent)), expected, "{sent:?}");
        }
    }
}
