//! What a command works with: the product, the printer, the progress, and the signals that end it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

use super::exit_code;
use super::output::Printer;
use super::progress::Progress;
use super::report::Report;
use super::simulators::with_simulator;
use crate::app::{App, Caller, Consent, Policy, ResponseMode};
use crate::config::{Config, Origin};
use crate::error::{Error, Kind, Result};
use crate::files::sandbox::Sandbox;
use crate::next_step::end_commands_with;
use crate::signals::asked_to_stop;
use crate::simulator::Handle;
use crate::text::shell_word;

/// One command in progress.
pub struct CliSession {
    /// The product.
    pub app: App,
    /// How the outcome is printed.
    pub printer: Printer,
    /// Receives progress events.
    pub progress: Progress,
    interrupt: Interrupt,
    simulator: Option<Handle>,
    /// The flags of this command that the next needs as well to find its jobs.
    flags: String,
}

/// Settings that say where jobs are.
const WHERE_JOBS_ARE: &[(&str, &str)] = &[
    ("PDFCO_SIMULATE", "--simulate"),
    ("PDFCO_ENV_FILE", "--env-file"),
    ("PDFCO_BASE_URL", "--base-url"),
    ("PDFCO_LEDGER", "--ledger"),
];

impl CliSession {
    /// Opens a session under `config`, with a simulator of its own where `--simulate` asks for one.
    ///
    /// # Errors
    /// `invalid_argument` for settings that cannot be used together; `internal` when the simulator does not start.
    pub(super) async fn open(config: Config, printer: Printer, interrupt: Interrupt) -> Result<CliSession> {
        let flags = flags_that_find_jobs(&config);
        let (config, simulator) = with_simulator(config, &printer).await?;
        if simulator.is_none() {
            end_commands_with(&flags);
        }
        Ok(CliSession {
            app: App::new(config)?,
            progress: Progress::new(printer),
            printer,
            interrupt,
            simulator,
            flags,
        })
    }

    /// Prints the outcome of `command`, closes what is open, and returns the exit code.
    pub(super) async fn close(self, command: &str, outcome: Result<Report>) -> u8 {
        self.progress.clear();
        // A keychain that was not asked for so far is not asked for this.
        let outcome = match (outcome, self.app.config.key_at_hand()) {
            (Err(error), Some(key)) => Err(self.app.error_with_balance(&key.clone().into(), error).await),
            (outcome, _) => outcome,
        };
        let code = match outcome {
            Err(error) if error.kind() == Kind::Cancelled => {
                self.printer.finish(command, Err(self.interrupted(error)));
                self.interrupt.code()
            }
            outcome => self.printer.finish(command, outcome),
        };
        self.app.jobs().ledger().close().await;
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
        code
    }

    /// Who is calling: a person at their own shell.
    ///
    /// # Errors
    /// `auth` without a key.
    pub fn caller(&self) -> Result<Caller> {
        self.caller_with_folder(None)
    }

    /// The caller, who may also use this folder: one of our own for a document from stdin or a result for stdout.
    ///
    /// # Errors
    /// As [`CliSession::caller`].
    pub fn caller_with_folder(&self, own: Option<&Path>) -> Result<Caller> {
        let config = &self.app.config;
        // A person expects files in the current folder.
        let downloads = if config.download_dir_is_set() { config.download_dir.clone() } else { PathBuf::from(".") };
        let sandbox = match &config.files {
            Some(folders) => {
                Sandbox::folders(folders.iter().cloned().chain(own.map(Path::to_owned)).collect(), downloads)
            }
            None => Sandbox::person(downloads),
        };
        Ok(Caller {
            is_remote: false,
            owner: config.key()?.clone().into(),
            sandbox: Arc::new(sandbox.of_person().with_max_bytes(config.max_file_bytes).without(config.ledger.files())),
            policy: Policy::person(),
            consent: Consent::Needed,
            max_wait: None,
            response_mode: ResponseMode::Inline,
            cancel: self.interrupt.cancel.clone(),
            on_event: self.progress.listener(),
        })
    }

    /// Whether the simulator, and all jobs with it, ends with this command.
    pub fn is_simulated(&self) -> bool {
        self.simulator.is_some()
    }

    /// The exit code of a signal that came, if one came.
    pub fn interrupted_code(&self) -> Option<u8> {
        self.interrupt.cancel.is_cancelled().then(|| self.interrupt.code())
    }

    /// Waits for the first signal.
    pub async fn until_interrupted(&self) {
        self.interrupt.cancel.cancelled().await;
    }

    /// How to go on with a job, if it outlives this command.
    pub fn how(&self, command: &str) -> String {
        if self.is_simulated() {
            "This simulator ends with the command, and its jobs with it. `pdfco simulate` runs one that stays, and --simulate finds it."
                .to_owned()
        } else {
            format!("Run: {}", self.again(command))
        }
    }

    /// `command` as it has to be typed to find the jobs of this one.
    pub fn again(&self, command: &str) -> String {
        format!("{command}{}", self.flags)
    }

    /// Ending a wait leaves the job alone; says how to go on.
    fn interrupted(&self, error: Error) -> Error {
        let (running, last) = (self.progress.running_jobs(), self.progress.last_job());
        let (message, command) = match (running.as_slice(), last) {
            _ if self.is_simulated() => ("Interrupted.".to_owned(), String::new()),
            ([job], _) => (format!("Interrupted; job {job} goes on."), format!("pdfco jobs wait {job}")),
            // The message says how many files are saved.
            ([], Some(_)) if let Some(command) = self.progress.download_command() => {
                (error.message().to_owned(), command)
            }
            ([], Some(job)) => (format!("Interrupted; job {job} has ended."), format!("pdfco jobs show {job}")),
            ([], None) => return error,
            (jobs, _) => {
                (format!("Interrupted; {} jobs go on.", jobs.len()), format!("pdfco jobs wait {}", jobs.join(" ")))
            }
        };
        Error::new(Kind::Cancelled, message, self.how(&command))
    }
}

/// The flags of `config` that say where jobs are, as they have to be typed. Values with secrets in them are left out.
fn flags_that_find_jobs(config: &Config) -> String {
    let given = config.shown().filter(|(_, origin, _)| *origin == Origin::Flag);
    given
        .filter_map(|(variable, _, value)| {
            let (_, flag) = WHERE_JOBS_ARE.iter().find(|(name, _)| *name == variable)?;
            match value {
                "true" => Some(format!(" {flag}")),
                value if value.contains('@') => None,
                value => Some(format!(" {flag}={}", shell_word(value))),
            }
        })
        .collect()
}

/// Signals that ask to stop: the first ends the wait, the second the program.
#[derive(Clone)]
pub(super) struct Interrupt {
    cancel: CancellationToken,
    insisted: CancellationToken,
    code: Arc<AtomicU8>,
}

impl Interrupt {
    /// Listens from now on.
    pub(super) fn listen() -> Interrupt {
        let interrupt = Interrupt {
            cancel: CancellationToken::new(),
            insisted: CancellationToken::new(),
            code: Arc::new(AtomicU8::new(exit_code::INTERRUPTED)),
        };
        let listening = interrupt.clone();
        tokio::spawn(async move {
            for token in [listening.cancel, listening.insisted] {
                listening.code.store(signalled().await, Ordering::Relaxed);
                token.cancel();
            }
        });
        interrupt
    }

    fn code(&self) -> u8 {
        self.code.load(Ordering::Relaxed)
    }

    /// Waits for the second signal and returns its exit code.
    pub(super) async fn insisted(&self) -> u8 {
        self.insisted.cancelled().await;
        self.code()
    }
}

/// Waits for a signal that asks to stop, and returns its exit code.
pub(super) async fn signalled() -> u8 {
    exit_code::of_stop(asked_to_stop().await)
}
