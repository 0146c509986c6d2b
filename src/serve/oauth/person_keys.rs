//! Which PDF.co key pays for a person who signed in: from the token, from a program, or the server's own.

use std::collections::HashMap;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::token::Claims;
use crate::config::{CommandLine, Config, SETTINGS};
use crate::error::{Error, Kind, Result};
use crate::secret::ApiKey;
use crate::tenant::Tenant;

/// How long a key from the program is used.
const KEPT_FOR: Duration = Duration::from_secs(300);
/// How long a person without a key is not asked for again.
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// How long the program may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often its end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Most bytes that it may print.
const OUTPUT_BYTES_MAX: usize = 4 * 1024;
/// Programs that run at once, for all persons.
const RUNS_MAX: usize = 4;
/// Persons that are remembered.
const PERSONS_KEPT: usize = 4_096;

/// Where keys come from.
pub enum Source {
    /// This claim of the token.
    Claim(String),
    /// What this program prints.
    Command(CommandLine),
    /// The server's own key, for all.
    Server,
}

impl Source {
    /// As the settings say.
    ///
    /// # Errors
    /// `invalid_argument` where two are named; `auth` where none is and the server has no key.
    pub fn of(config: &Config) -> Result<Source> {
        match (&config.oauth_key_claim, &config.key_command) {
            (Some(_), Some(_)) => Err(Error::invalid(
                "PDFCO_OAUTH_KEY_CLAIM and PDFCO_KEY_COMMAND are both set.",
                "Keys of people come from one of them: leave the other out.",
            )),
            (Some(claim), None) => Ok(Source::Claim(claim.clone())),
            (None, Some(command)) => Ok(Source::Command(command.clone())),
            (None, None) => config.key().map(|_| Source::Server).map_err(|_| {
                Error::new(
                    Kind::Auth,
                    "People can sign in, and there is no PDF.co key for them.",
                    "Set PDFCO_API_KEY for all, PDFCO_OAUTH_KEY_CLAIM, or PDFCO_KEY_COMMAND.",
                )
            }),
        }
    }
}

type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Result<ApiKey>)>>>;

/// The keys of all who signed in.
pub struct PersonKeys {
    source: Source,
    issuer: String,
    slots: Mutex<HashMap<Tenant, Slot>>,
    runs: Semaphore,
}

impl PersonKeys {
    /// Keys from `source` for people of `issuer`.
    pub fn new(source: Source, issuer: String) -> PersonKeys {
        PersonKeys { source, issuer, slots: Mutex::default(), runs: Semaphore::new(RUNS_MAX) }
    }

    /// The key of a person. The program runs once for several requests of one person, and its key is kept for a while.
    ///
    /// # Errors
    /// `auth` where there is none, `network` where the program took too long.
    pub async fn of(&self, tenant: &Tenant, claims: &Claims, config: &Config) -> Result<ApiKey> {
        match &self.source {
            Source::Server => config.key().cloned(),
            Source::Claim(name) => match claims.text(name).map(ApiKey::new) {
                Some(Ok(key)) => Ok(key),
                Some(Err(_)) | None => Err(no_key(&format!("The token has no PDF.co key in its claim `{name}`."))),
            },
            Source::Command(command) => {
                let slot = self.slot(tenant);
                let mut kept = slot.lock().await;
                if let Some((at, key)) = kept.as_ref() {
                    match key {
                        Ok(key) if at.elapsed() < KEPT_FOR => return Ok(key.clone()),
                        Err(error) if at.elapsed() < REFUSED_FOR => return Err(error.share()),
                        _ => {}
                    }
                }
                let _run = self.runs.acquire().await.map_err(|_| Error::internal("The server is shutting down."))?;
                let printed = self.run(command, &claims.subject).await;
                let answer = match &printed {
                    Ok(key) => Ok(key.clone()),
                    Err(error) => Err(error.share()),
                };
                *kept = Some((Instant::now(), printed));
                answer
            }
        }
    }

    fn slot(&self, tenant: &Tenant) -> Slot {
        let mut slots = self.slots.lock();
        if slots.len() >= PERSONS_KEPT && !slots.contains_key(tenant) {
            // Those that are being asked for are held by their callers as well.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(tenant.clone()).or_default())
    }

    async fn run(&self, line: &CommandLine, subject: &str) -> Result<ApiKey> {
        let mut command = Command::new(&line.program);
        command.args(&line.arguments).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
        // The server's own secrets are none of the program's business.
        for setting in SETTINGS {
            setting.names().for_each(|name| {
                command.env_remove(name);
            });
        }
        command.env("PDFCO_SUBJECT", subject).env("PDFCO_ISSUER", &self.issuer);
        let printed = tokio::task::spawn_blocking(move || printed(command)).await;
        let printed = printed.map_err(|_| Error::internal("The key command stopped unexpectedly."))?;
        let printed = printed.map_err(|why| {
            tracing::warn!(why, "PDFCO_KEY_COMMAND gave no key");
            no_key("This server has no PDF.co key for you.")
        })?;
        let text = String::from_utf8(printed).ok();
        let key = text.as_deref().map(|text| ApiKey::new(text.lines().next().unwrap_or_default()));
        key.and_then(Result::ok).ok_or_else(|| {
            tracing::warn!(why = "what it printed is no key", "PDFCO_KEY_COMMAND gave no key");
            no_key("This server has no PDF.co key for you.")
        })
    }
}

fn no_key(message: &str) -> Error {
    Error::new(Kind::Auth, message, "Ask for one where this server is run.")
}

/// What a program prints to standard output; ends it when it takes too long or prints too much.
fn printed(mut command: Command) -> std::result::Result<Vec<u8>, &'static str> {
    let mut child = command.spawn().map_err(|_| "it cannot be started")?;
    let Some(output) = child.stdout.take() else { return Err("it cannot be read") };
    let (read, is_read) = sync_channel(1);
    // A thread of its own: what the program started may keep its output open after its end.
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let outcome = output.take(OUTPUT_BYTES_MAX as u64 + 1).read_to_end(&mut text).map(|_| text);
        let _ = read.send(outcome);
    });
    let deadline = Instant::now() + TIMEOUT;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("it took too long");
            }
        }
    };
    let left = deadline.saturating_duration_since(Instant::now()).max(LOOK_EVERY);
    match is_read.recv_timeout(left) {
        _ if !status.success() => Err("it failed"),
        Ok(Ok(text)) if text.len() > OUTPUT_BYTES_MAX => Err("it printed too much"),
        Ok(Ok(text)) => Ok(text),
        Ok(Err(_)) | Err(_) => Err("its output cannot be read"),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn sh(script: &str) -> std::result::Result<String, &'static str> {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        printed(command).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_program_is_read_within_bounds() {
        assert_eq!(sh("echo key-1"), Ok("key-1\n".to_owned()));
        assert_eq!(sh("echo key-1; exit 3"), Err("it failed"));
        assert_eq!(sh("head -c 5000 /dev/zero"), Err("it printed too much"));
        assert_eq!(printed(Command::new("/no/such/program")), Err("it cannot be started"));
    }
}
