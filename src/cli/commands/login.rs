//! `pdfco login`: signing in at PDF.co in the browser; the account's key is stored as `pdfco key set` stores one.
//!
//! The browser comes back to a port of this machine that is open for this sign-in alone. What comes back is believed only
//! with the state that was sent, and not from another server than the one that was asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
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

/// Longest request that the browser may send.
const REQUEST_BYTES_MAX: u64 = 16 * 1024;
/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests that are read at once; browsers open more connections than they use.
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

/// What the browser brought.
enum Brought {
    /// A code of the authorization server.
    Code { code: String, from: Sender },
    /// The server's refusal.
    Refusal { error: String, from: Sender },
    /// Anything else: an icon, another path.
    Nothing,
}

/// Whom an answer says it is from.
#[derive(Default)]
struct Sender {
    /// The state that was sent with the question.
    state: String,
    /// The authorization server, where it names itself (RFC 9207).
    issuer: Option<String>,
}

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
    let waited = tokio::time::timeout(args.timeout, answered(&listener, &server, &attempt)).await;
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
async fn answered(listener: &TcpListener, server: &SignIn, attempt: &Attempt) -> Result<ApiKey> {
    let (send, mut receive) = mpsc::channel(REQUESTS_AT_ONCE);
    let mut reading = JoinSet::new();
    let is_expected = |from: &Sender| attempt.is_answered_by(&from.state) && server.is_issuer(from.issuer.as_deref());
    loop {
        tokio::select! {
            accepted = listener.accept(), if reading.len() < REQUESTS_AT_ONCE => {
                let Ok((stream, _)) = accepted else { continue };
                let send = send.clone();
                reading.spawn(async move {
                    if let Ok(Some(read)) = tokio::time::timeout(REQUEST_TIMEOUT, read(stream)).await {
                        // The receiver leaves with the command.
                        let _ = send.send(read).await;
                    }
                });
            }
            Some(_) = reading.join_next(), if !reading.is_empty() => {}
            Some((stream, brought)) = receive.recv() => match brought {
                Brought::Code { code, from } if is_expected(&from) => {
                    let key = server.key(attempt, &code).await;
                    match &key {
                        Ok(_) => page(stream, "200 OK", "Signed in", "pdfco has your key. You can close this window.").await,
                        Err(error) => page(stream, "502 Bad Gateway", "Not signed in", error.message()).await,
                    }
                    return key;
                }
                Brought::Refusal { error, from } if is_expected(&from) => {
                    page(stream, "403 Forbidden", "Not signed in", "The sign-in was refused. You can close this window.").await;
                    return Err(Error::new(
                        Kind::Auth,
                        format!("The sign-in was refused: {}.", crate::text::shorten(&error, 80)),
                        "Run `pdfco login` again, or store a key with `pdfco key set`.",
                    ));
                }
                Brought::Nothing => page(stream, "404 Not Found", "Nothing here", "This address serves one sign-in.").await,
                _ => page(stream, "400 Bad Request", "Not this sign-in", "This answer belongs to another sign-in. Open the address that `pdfco login` printed.").await,
            }
        }
    }
}

/// The head of a request, as far as it matters.
async fn read(mut stream: TcpStream) -> Option<(TcpStream, Brought)> {
    let mut head = Vec::new();
    let mut limited = (&mut stream).take(REQUEST_BYTES_MAX);
    let mut chunk = [0_u8; 2_048];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match limited.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => head.extend_from_slice(chunk.get(..count)?),
        }
    }
    let line = head.split(|byte| *byte == b'\r').next()?;
    Some((stream, brought(std::str::from_utf8(line).ok()?)))
}

/// What the first line of a request brings.
fn brought(line: &str) -> Brought {
    let target = line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next());
    let url = target.and_then(|target| Url::parse(&format!("http://127.0.0.1{target}")).ok());
    let Some(url) = url.filter(|url| url.path() == "/callback") else { return Brought::Nothing };
    let value = |name: &str| url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned());
    let from = |state| Sender { state, issuer: value("iss") };
    match (value("code"), value("error"), value("state")) {
        (_, Some(error), Some(state)) => Brought::Refusal { error, from: from(state) },
        (Some(code), None, Some(state)) => Brought::Code { code, from: from(state) },
        _ => Brought::Code { code: String::new(), from: Sender::default() },
    }
}

/// Answers the browser with a page that loads nothing and keeps the code out of its history's referrers.
async fn page(mut stream: TcpStream, status: &str, title: &str, words: &str) {
    let escaped = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title} · pdfco</title><body style=\"font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem\">\
         <h1>{title}</h1><p>{escaped}</p></body></html>"
    );
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\r\n{body}",
        body.len()
    );
    // A browser that has left misses a page.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_brings_a_code_a_refusal_or_nothing() {
        let kind = |line: &str| match brought(line) {
            Brought::Code { code, from } => format!("code {code} {} {:?}", from.state, from.issuer),
            Brought::Refusal { error, from } => format!("refusal {error} {} {:?}", from.state, from.issuer),
            Brought::Nothing => "nothing".to_owned(),
        };
        for (line, expected) in [
            ("GET /callback?code=a%2Bb&state=s HTTP/1.1", "code a+b s None"),
            ("GET /callback?code=a&state=s&iss=https%3A%2F%2Fid.test HTTP/1.1", "code a s Some(\"https://id.test\")"),
            ("GET /callback?error=access_denied&state=s HTTP/1.1", "refusal access_denied s None"),
            ("GET /callback?code=a HTTP/1.1", "code   None"),
            ("GET /favicon.ico HTTP/1.1", "nothing"),
            ("POST /callback?code=a&state=s HTTP/1.1", "nothing"),
            ("GET //evil.test/callback?code=a&state=s HTTP/1.1", "nothing"),
            ("", "nothing"),
        ] {
            assert_eq!(kind(line), expected, "{line}");
        }
    }
}
