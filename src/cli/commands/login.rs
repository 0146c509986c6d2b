//! `pdfco login`: signing in at PDF.co in the browser; the account's key is stored as `pdfco key set` stores one.
//!
//! The browser comes back to a port of this machine that is open for this sign-in alone, and for as long as --timeout says:
//! what another program of this machine holds open there ends with it. What comes back is believed only
//! with the state that was sent, and not from another server than the one that was asked.

use std::future::IntoFuture;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use clap::Args;
use http::StatusCode;
use maud::{DOCTYPE, html};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::key;
use crate::api::sign_in::{Attempt, SignIn};
use crate::cli::output::Printer;
use crate::cli::report::Report;
use crate::cli::value_parsers::timeout;
use crate::config::{Config, without_secrets};
use crate::error::{Error, Kind, Result};
use crate::secret::ApiKey;

/// Examples of `login --help`.
pub const EXAMPLES: &str = "Examples:
  PDFCO_OAUTH_CLIENT_ID=… pdfco login
  pdfco login --no-browser          prints the address, to open it yourself";

/// How long the browser may take to fetch its last page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(2);
/// Requests that wait to be judged.
const REQUESTS_AT_ONCE: usize = 8;

/// Flags of `login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Do not open the browser; the address is printed either way
    #[arg(long)]
    no_browser: bool,
    /// Store the key in the file, although there is a keychain
    #[arg(long)]
    file: bool,
    /// How long to wait for the sign-in
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = timeout)]
    timeout: Duration,
}

/// What the browser brings, as the authorization server sent it.
#[derive(Deserialize)]
struct Brought {
    /// What the key is asked for with.
    code: Option<String>,
    /// The server's refusal.
    error: Option<String>,
    /// The state that was sent with the question.
    #[serde(default)]
    state: String,
    /// The server's name for itself (RFC 9207).
    iss: Option<String>,
}

/// A page for the browser: its status, title and sentence.
type Page = (StatusCode, &'static str, String);
/// What a browser brought, and the way back to it.
type Asked = (Brought, oneshot::Sender<Page>);

/// Signs in and stores the key.
///
/// # Errors
/// `invalid_argument` without a client id; `auth` when the sign-in is refused or not done in time; as
/// [`SignIn::key`] and `key set`.
pub async fn run(args: &LoginArgs, config: &Config, printer: &Printer) -> Result<Report> {
    let client_id = config.oauth_client_id.as_deref().ok_or_else(|| {
        Error::invalid(
            "Signing in needs a client id that PDF.co gave to you: PDFCO_OAUTH_CLIENT_ID is not set.",
            "Ask PDF.co for one, or store a key from https://app.pdf.co with `pdfco key set`.",
        )
    })?;
    let server = SignIn::new(&config.login_url, client_id)?;
    let unopened = |error: std::io::Error| {
        Error::new(
            Kind::FileAccess,
            format!("No port of this machine can be opened: {}.", error.kind()),
            "Store the key with `pdfco key set` instead.",
        )
    };
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(unopened)?;
    let port = listener.local_addr().map_err(unopened)?.port();
    let attempt = server.begin(&format!("http://127.0.0.1:{port}/callback"))?;
    printer.insist("Sign in at PDF.co in your browser:");
    printer.insist(&format!("  {}", attempt.address));
    if !args.no_browser && printer.is_on_terminal() {
        open(&attempt.address);
    }
    let waited = tokio::time::timeout(args.timeout, answered(listener, &server, &attempt)).await;
    let key = waited.unwrap_or_else(|_| {
        Err(Error::new(
            Kind::Auth,
            format!("The sign-in was not completed within {} s.", args.timeout.as_secs()),
            "Run `pdfco login` again; --timeout waits longer.",
        ))
    })?;
    key::kept(&key, !args.file, config)
}

/// Answers the browser until it brings what belongs to this attempt.
async fn answered(listener: TcpListener, server: &SignIn, attempt: &Attempt) -> Result<ApiKey> {
    let (send, mut receive) = mpsc::channel(REQUESTS_AT_ONCE);
    let over = CancellationToken::new();
    let nothing = async || page((StatusCode::NOT_FOUND, "Nothing here", "This address serves one sign-in.".to_owned()));
    let routes = Router::new().route("/callback", get(called_back)).fallback(nothing).with_state(send);
    let serving = axum::serve(listener, routes).with_graceful_shutdown(over.clone().cancelled_owned()).into_future();
    tokio::pin!(serving);
    let key = loop {
        let (brought, reply) = tokio::select! {
            _ = &mut serving => return Err(Error::internal("The port of the sign-in was closed.")),
            asked = receive.recv() => asked.ok_or_else(|| Error::internal("The port of the sign-in was closed."))?,
        };
        let is_expected = attempt.is_answered_by(&brought.state) && server.is_issuer(brought.iss.as_deref());
        let (page, key) = match brought {
            Brought { error: Some(error), .. } if is_expected => (
                (
                    StatusCode::FORBIDDEN,
                    "Not signed in",
                    "The sign-in was refused. You can close this window.".to_owned(),
                ),
                Some(Err(refused(&error))),
            ),
            Brought { code: Some(code), .. } if is_expected && !code.is_empty() => {
                match server.key(attempt, &code).await {
                    Ok(key) => {
                        let words = "pdfco has your key. You can close this window.".to_owned();
                        ((StatusCode::OK, "Signed in", words), Some(Ok(key)))
                    }
                    Err(error) => {
                        ((StatusCode::BAD_GATEWAY, "Not signed in", error.message().to_owned()), Some(Err(error)))
                    }
                }
            }
            _ => {
                let words = "This answer belongs to another sign-in. Open the address that `pdfco login` printed.";
                ((StatusCode::BAD_REQUEST, "Not this sign-in", words.to_owned()), None)
            }
        };
        // A browser that has left misses a page.
        let _ = reply.send(page);
        if let Some(key) = key {
            break key;
        }
    };
    over.cancel();
    let _ = tokio::time::timeout(PAGE_TIMEOUT, serving).await;
    key
}

/// Hands on what the browser brought and answers with the page that comes of it.
async fn called_back(State(asked): State<mpsc::Sender<Asked>>, Query(brought): Query<Brought>) -> Response {
    let (reply, comes) = oneshot::channel();
    let gone = (StatusCode::GONE, "Too late", "This sign-in is over.".to_owned());
    if asked.send((brought, reply)).await.is_err() {
        return page(gone);
    }
    page(comes.await.unwrap_or(gone))
}

fn refused(error: &str) -> Error {
    Error::new(
        Kind::Auth,
        format!("The sign-in was refused: {}.", crate::text::shorten(error, 80)),
        "Run `pdfco login` again, or store a key with `pdfco key set`.",
    )
}

/// A page that loads nothing and keeps the code out of its history's referrers.
fn page((status, title, words): Page) -> Response {
    let headers = [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="color-scheme" content="light dark";
                title { (title) " · pdfco" }
            }
            body style="font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem" {
                h1 { (title) }
                p { (words) }
            }
        }
    };
    (status, headers, Html(body.into_string())).into_response()
}

/// Opens the address with the system's own program. Where there is none, the person opens it.
fn open(address: &Url) {
    let (program, words): (&str, &[&str]) = match () {
        () if cfg!(target_os = "macos") => ("open", &[]),
        () if cfg!(windows) => ("rundll32", &["url.dll,FileProtocolHandler"]),
        () => ("xdg-open", &[]),
    };
    let quiet = || Stdio::null();
    let mut command = Command::new(program);
    without_secrets(&mut command);
    // Where there is no such program, the person opens the address.
    let _ = command.args(words).arg(address.as_str()).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
}
