//! The page that a browser sees at `/`: this caller's jobs, with live states, checks and credits.
//!
//! It reads the ledger, so opening it costs nothing; and it changes nothing but its own sessions. What is shown is in
//! `page/view.rs`, who is signed in is in `page/sessions.rs`.
//!
//! | who | sees |
//! |---|---|
//! | the server has no token (this machine only) and a key | the jobs of the server's key, as `/mcp` would give them |
//! | everyone else | a form that asks for the token, if there is one, and for a key |
//! | who gave both | their key's jobs, by a session whose random id is all that the cookie holds |
//!
//! Token and key travel in the body of a POST and nowhere else. The key is dropped once its fingerprint is known.
//! Another site can neither read the page (Host is checked against DNS rebinding, nothing allows other origins) nor
//! press its buttons (Origin and Sec-Fetch-Site are checked, the cookie is SameSite=Strict). All links are relative, so
//! the page also works below a path of a proxy.

mod asked;
mod chart;
mod details;
mod sessions;
mod view;
mod words;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Form, Path, Query, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use asked::Asked;
pub use sessions::Limits;
use sessions::{Sessions, Viewer};

use super::bodies::{self, Bodies};
use super::hosts::{self, Hosts, Target};
use super::peers::Connection;
use super::tenants::InFlight;
use super::tokens::{Tokens, Verdict};
use crate::app::{App, JobDetails, Overview};
use crate::error::{Error, Kind, Result};
use crate::mcp::icon;
use crate::next_step::Audience;
use crate::secret::ApiKey;
use crate::tenant::Tenant;

/// Jobs on one page.
const JOBS_SHOWN: u32 = 50;
/// Pages that are put together at once; more wait for a permit.
const PAGES_AT_ONCE: usize = 8;
/// Files that one viewer may fetch at once, and everybody together.
const PASSAGES_PER_VIEWER: usize = 3;
/// See [`PASSAGES_PER_VIEWER`].
const PASSAGES_AT_ONCE: usize = 16;
/// How long one file may take to pass: who reads slower than that keeps a permit from others.
const PASSAGE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Nothing from elsewhere, nothing inline, no frames. The icon is the only picture.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const WRONG_TOKEN: &str = "That is not this server’s token.";

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// What the page shares with the other routes, and how many sessions it has.
pub(super) struct Parts {
    pub app: Arc<App>,
    pub tokens: Arc<Tokens>,
    pub hosts: Arc<Hosts>,
    pub bodies: Arc<Bodies>,
    pub limits: Limits,
    /// Whether those who give the token, but no key, see the jobs of the server's key.
    pub may_use_server_key: bool,
}

/// The page's routes.
pub(super) fn routes(parts: Parts) -> Router {
    let sessions = Sessions::new(parts.limits);
    let page = Arc::new(Page {
        parts,
        sessions,
        permits: Semaphore::new(PAGES_AT_ONCE),
        viewers: InFlight::per_tenant(PASSAGES_PER_VIEWER),
        passages: Arc::new(Semaphore::new(PASSAGES_AT_ONCE)),
    });
    Router::new()
        .route("/", get(home))
        .route("/jobs/{id}", get(one))
        .route("/jobs/{id}/files/{index}", get(file))
        .route("/session", get(show_form).post(enter))
        .route("/session/end", post(leave))
        .route("/page/style.css", get(|| asset("text/css; charset=utf-8", STYLE)))
        .route("/page/script.js", get(|| asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/page/icon.svg", get(|| asset(icon::MIME_TYPE, icon::SVG)))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&page), admit))
        .route_layer(middleware::map_response(protect))
        .with_state(page)
}

struct Page {
    parts: Parts,
    sessions: Sessions,
    permits: Semaphore,
    /// Files on their way to each viewer.
    viewers: Arc<InFlight>,
    /// Files on their way in all.
    passages: Arc<Semaphore>,
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
    /// Whose jobs are shown to the sender of these headers.
    async fn viewer(&self, headers: &HeaderMap) -> Option<Viewer> {
        let session = match cookie(headers) {
            Some(id) => self.signed_in(id).await,
            None => None,
        };
        // Without a token this machine's users may use the server's key at `/mcp` too.
        session.or_else(|| (!self.parts.tokens.is_required()).then(|| self.server()).flatten())
    }

    /// Whose jobs the session of this id shows.
    async fn signed_in(&self, id: &str) -> Option<Viewer> {
        let (ledger, here) = (self.parts.app.jobs().ledger(), self.sessions.viewer(id, Instant::now()));
        if !ledger.is_replicated() {
            return here;
        }
        // A session that was ended at another replica is still known here.
        self.sessions.kept_viewer(ledger, id).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a session of the page could not be looked up");
            here
        })
    }

    async fn end(&self, id: &str) {
        self.sessions.end(id);
        let ledger = self.parts.app.jobs().ledger();
        if ledger.is_replicated()
            && let Err(error) = ledger.end_session(id).await
        {
            tracing::warn!(%error, "a session of the page that was ended is still known to other replicas");
        }
    }

    /// The server's own key as a viewer, where callers may use it.
    fn server(&self) -> Option<Viewer> {
        let key = self.parts.app.config.key().ok().filter(|_| self.parts.may_use_server_key)?;
        Some(Viewer { tenant: Tenant::of_account(key.fingerprint()), is_server: true })
    }

    /// Judges what a visitor at `connection` sent with the form.
    async fn judge(&self, given: &Given, connection: &Connection) -> std::result::Result<Viewer, (StatusCode, String)> {
        match self.parts.tokens.judge_word(&given.token, connection.peer(), Instant::now()) {
            Verdict::Granted => connection.trust(),
            Verdict::Refused(wait) => {
                let seconds = wait.as_secs().saturating_add(1);
                let words = format!("Too many wrong tokens came from this address. Try again in {seconds} s.");
                return Err((StatusCode::TOO_MANY_REQUESTS, words));
            }
            Verdict::Missing => return Err((StatusCode::UNAUTHORIZED, WRONG_TOKEN.to_owned())),
            Verdict::Wrong(delay) => {
                self.parts.tokens.delay(delay).await;
                return Err((StatusCode::UNAUTHORIZED, WRONG_TOKEN.to_owned()));
            }
        }
        if given.key.trim().is_empty() {
            let words = "This server lends no key: give your PDF.co API key.";
            return self.server().ok_or_else(|| (StatusCode::FORBIDDEN, words.to_owned()));
        }
        let key = ApiKey::new(&given.key).map_err(|error| {
            (StatusCode::FORBIDDEN, format!("{} {}", error.message(), error.hint().text(Audience::Page)))
        })?;
        let is_server = self.parts.app.config.key().is_ok_and(|own| own.fingerprint() == key.fingerprint());
        Ok(Viewer { tenant: Tenant::of_account(key.fingerprint()), is_server })
    }

    fn form(&self, message: Option<&str>) -> Html<String> {
        let has_token = self.parts.tokens.is_required();
        Html(view::form(has_token, self.server().is_some(), message))
    }

    fn scene<'a>(&self, viewer: &Viewer, asked: &'a Asked) -> view::Scene<'a> {
        let is_open_to_all = !self.parts.tokens.is_required() && viewer.is_server;
        view::Scene { is_server: viewer.is_server, is_open_to_all, asked }
    }

    async fn overview(&self, viewer: &Viewer, asked: &Asked) -> Result<String> {
        let _permit = self.permits.acquire().await.map_err(|_| Error::internal("The server is shutting down."))?;
        let request = asked.request(JOBS_SHOWN)?;
        let mut overview = self.parts.app.overview(&viewer.tenant, &request).await?;
        if self.parts.tokens.is_required() {
            without_paths(&mut overview);
        }
        Ok(view::jobs(&overview, &self.scene(viewer, asked)))
    }

    /// The page of one job; nothing when the viewer has no such job.
    async fn job(&self, viewer: &Viewer, id: &str) -> Result<Option<String>> {
        let _permit = self.permits.acquire().await.map_err(|_| Error::internal("The server is shutting down."))?;
        let Some(mut found) = self.parts.app.job_details(&viewer.tenant, id).await? else { return Ok(None) };
        if self.parts.tokens.is_required() {
            without_path(&mut found);
        }
        Ok(Some(view::job(&found, &self.scene(viewer, &Asked::default()))))
    }
}

/// Paths of the server tell others nothing.
fn without_paths(overview: &mut Overview) {
    overview.jobs.iter_mut().flat_map(|job| job.files.iter_mut()).for_each(|file| file.saved_to = None);
}

fn without_path(found: &mut JobDetails) {
    found.glance.files.iter_mut().for_each(|file| file.saved_to = None);
}

/// The jobs as one file that needs no other.
pub fn report(overview: &Overview, found: &[JobDetails], about: &str, made_at: &str) -> String {
    view::report(overview, found, about, made_at, STYLE)
}

async fn home(State(page): State<Arc<Page>>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let Some(viewer) = page.viewer(&headers).await else { return page.form(None).into_response() };
    match page.overview(&viewer, &asked).await {
        Ok(html) => Html(html).into_response(),
        Err(error) => refused(&error, view::AT_ROOT),
    }
}

async fn one(State(page): State<Arc<Page>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(viewer) = page.viewer(&headers).await else { return to_root(view::AT_JOB) };
    match page.job(&viewer, &id).await {
        Ok(Some(html)) => Html(html).into_response(),
        Ok(None) => {
            let words = view::trouble("There is no such job.", "Another key has other jobs.", view::AT_JOB);
            (StatusCode::NOT_FOUND, Html(words)).into_response()
        }
        Err(error) => refused(&error, view::AT_JOB),
    }
}

/// A file of a result, from the storage through this server to its owner's browser.
async fn file(State(page): State<Arc<Page>>, Path((id, index)): Path<(String, usize)>, headers: HeaderMap) -> Response {
    let up = "../../../";
    let Some(viewer) = page.viewer(&headers).await else { return to_root(up) };
    let busy = || {
        let words = view::trouble("Too many files are being fetched.", "Try again when one of them is there.", up);
        (StatusCode::TOO_MANY_REQUESTS, Html(words)).into_response()
    };
    let Some(own) = page.viewers.enter(&Some(viewer.tenant.clone())) else { return busy() };
    let Ok(place) = Arc::clone(&page.passages).try_acquire_owned() else { return busy() };
    let passage = match timeout(PASSAGE_TIMEOUT, page.parts.app.pass(&viewer.tenant, &id, index)).await {
        Ok(Ok(passage)) => passage,
        Ok(Err(error)) => return refused(&error, up),
        Err(_) => return refused(&Error::internal("The storage does not answer."), up),
    };
    let until = tokio::time::sleep(PASSAGE_TIMEOUT);
    let body = passage.body.take_until(until).map(move |chunk| {
        // Held until the last byte has left.
        let _ = (&own, &place);
        chunk
    });
    let name = percent_encoding::utf8_percent_encode(&passage.name, percent_encoding::NON_ALPHANUMERIC);
    let mut response = Response::new(Body::from_stream(body));
    let head = response.headers_mut();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename*=UTF-8''{name}")) {
        head.insert(header::CONTENT_DISPOSITION, value);
    }
    if let Some(bytes) = passage.bytes {
        head.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    response
}

/// The form is at the root; `up` leads there.
fn to_root(up: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, up.to_owned())]).into_response()
}

fn refused(error: &Error, up: &str) -> Response {
    let status = match error.kind() {
        Kind::InvalidArgument => StatusCode::BAD_REQUEST,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::LinkExpired => StatusCode::GONE,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Network | Kind::Upstream => StatusCode::BAD_GATEWAY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    if status.is_server_error() {
        tracing::warn!(%error, "a page could not be put together");
    }
    (status, Html(view::trouble(error.message(), &error.hint().text(Audience::Page), up))).into_response()
}

async fn show_form(State(page): State<Arc<Page>>) -> Html<String> {
    page.form(None)
}

async fn enter(
    State(page): State<Arc<Page>>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
    Form(given): Form<Given>,
) -> Response {
    match page.judge(&given, &connection).await {
        Err((status, message)) => (status, page.form(Some(&message))).into_response(),
        Ok(viewer) => {
            // A browser has one session: the earlier one is not left behind.
            if let Some(earlier) = cookie(&headers) {
                page.end(earlier).await;
            }
            let id = page.sessions.open(viewer.clone(), Instant::now());
            page.sessions.keep(page.parts.app.jobs().ledger(), &id, &viewer).await;
            show_jobs(&headers, "./", &id, "")
        }
    }
}

async fn leave(State(page): State<Arc<Page>>, headers: HeaderMap) -> Response {
    if let Some(id) = cookie(&headers) {
        page.end(id).await;
    }
    show_jobs(&headers, "../", "", "; Max-Age=0")
}

/// Sends the browser to the page of jobs, at `location` from here, with its cookie. The cookie ends with the browser, and
/// the server forgets its session earlier.
fn show_jobs(headers: &HeaderMap, location: &str, id: &str, more: &str) -> Response {
    let secure = if is_https(headers) { "; Secure" } else { "" };
    let cookie = format!("{}={id}; Path=/; HttpOnly; SameSite=Strict{secure}{more}", cookie_name(headers));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location.to_owned()), (header::SET_COOKIE, cookie)]).into_response()
}

async fn asset(mime: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, mime)], text)
}

/// Refuses foreign hosts, which is how DNS rebinding looks, and forms that were sent from other sites; reads a form within
/// its bounds.
async fn admit(State(page): State<Arc<Page>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_known =
        matches!(hosts::target(request.uri(), headers), Target::Named(name) if page.parts.hosts.has_name(&name));
    if !is_known {
        let words = "This server is not called that. Add the name to PDFCO_HTTP_HOSTS if it is its own.\n";
        return (StatusCode::FORBIDDEN, words).into_response();
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    if !is_own_site(headers, &page.parts.hosts) {
        return (StatusCode::FORBIDDEN, "Forms are taken from this server's own page only.\n").into_response();
    }
    let (head, body) = request.into_parts();
    match page.parts.bodies.read(&head.headers, body, bodies::FORM).await {
        Ok(form) => next.run(Request::from_parts(head, Body::from(form))).await,
        Err(error) => error.answer().into_response(),
    }
}

/// Whether a form came from our own page, or from no browser at all: every browser sends one of the two headers.
fn is_own_site(headers: &HeaderMap, hosts: &Hosts) -> bool {
    let site_fits = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let origin = headers.get(header::ORIGIN);
    site_fits && origin.is_none_or(|origin| origin.to_str().is_ok_and(|origin| hosts.is_own_origin(origin)))
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
    let proto = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    proto.and_then(|proto| proto.split(',').next()).is_some_and(|first| first.trim().eq_ignore_ascii_case("https"))
}

/// Cookies do not know ports: two servers on one machine would take each other's away.
fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let port = host.and_then(|host| host.parse::<Authority>().ok()?.port_u16());
    let port = port.map(|port| format!("_{port}")).unwrap_or_default();
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
    fn forms_of_other_sites_are_refused() {
        let hosts = Hosts::read(&[], &["https://app.test".to_owned()]).unwrap();
        for (sent, expected) in [
            (&[][..], true),
            (&[("origin", "http://localhost:8911")], true),
            (&[("origin", "http://localhost:8911"), ("sec-fetch-site", "same-origin")], true),
            (&[("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")], false),
            (&[("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", "https://evil.test")], false),
            (&[("origin", "https://app.test")], false),
            (&[("origin", "null")], false),
            (&[("origin", "http://localhost@evil.test")], false),
            (&[("sec-fetch-site", "none")], false),
        ] {
            assert_eq!(is_own_site(&headers(sent), &hosts), expected, "{sent:?}");
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
