//! The person's door: the command line.
//!
//! What lives here: the tree of commands, their dispatch, and [`Session`], which is what a command works with. Each
//! command returns an [`output::Report`]; `output.rs` alone turns it into words, JSON and an exit code. What never
//! does: rules about jobs, files or the service. Those are in `app.rs` and below, shared with the assistants' door.
//!
//! Start at [`parse`], then [`run`], then `call.rs`.

pub mod account;
pub mod batch;
pub mod call;
pub mod complete;
pub mod demo;
pub mod doctor;
pub mod inputs;
pub mod jobs;
pub mod output;
pub mod progress_bar;
pub mod record;
pub mod reference;
pub mod settings;
pub mod setup;
pub mod simulate;
pub mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use self::output::{Format, Printer, Report};
use self::progress_bar::Progress;
use crate::app::{App, Caller, ResponseMode};
use crate::catalog;
use crate::config::{self, Config, Origin};
use crate::error::{Error, Kind, Result};
use crate::files::sandbox::Sandbox;
use crate::serve::{http, stdio};
use crate::signals::{Stop, asked_to_stop};
use crate::simulator::{self, Handle};

const EXAMPLES: &str = "Examples:
  pdfco call pdf-to-text --url report.pdf --simulate    try it: no key, no network
  pdfco call pdf-to-text --url report.pdf --save-to report.txt
  pdfco call pdf-to-text --url 'scans/*.pdf' --save-to out/ --resume
  pdfco jobs wait --latest

Exit codes: 0 success, 1 job failed or aborted, 2 usage, 3 key or credits, 4 not found, 5 still running, 6 network or service, 130 interrupted.";

/// PDF.co document jobs for AI assistants (MCP) and for the command line.
#[derive(Debug, Parser)]
#[command(name = "pdfco", version, after_help = EXAMPLES, infer_long_args = false, max_term_width = 120)]
struct Cli {
    #[command(flatten)]
    look: Look,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, Args)]
struct Look {
    /// Print one JSON envelope instead of words: the same as --output json
    #[arg(long, global = true, conflicts_with = "output")]
    json: bool,
    /// How to show the outcome; ndjson also prints one line for each event
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    output: Option<Format>,
    /// Say nothing on stderr but errors
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Say more on stderr: events and logs
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    verbose: bool,
}

impl Look {
    /// Without a flag.
    const PLAIN: Look = Look { json: false, output: None, quiet: false, verbose: false };

    fn printer(self) -> Printer {
        let format = if self.json { Format::Json } else { self.output.unwrap_or(Format::Human) };
        Printer { format, quiet: self.quiet, verbose: self.verbose }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve assistants: MCP over stdin and stdout
    #[command(
        after_help = "Examples:\n  pdfco serve\n  pdfco serve ~/Documents ~/Desktop\n  pdfco serve --simulate\n  claude mcp add pdfco -- pdfco serve"
    )]
    Serve {
        /// Folders that assistants may read and write, together with those of --files
        #[arg(value_name = "FOLDER")]
        folders: Vec<String>,
    },
    /// List, wait for, read and save jobs
    #[command(subcommand, after_help = jobs::EXAMPLES)]
    Jobs(jobs::JobsCommand),
    /// Upload files to the service's temporary storage
    #[command(subcommand, after_help = account::FILES_EXAMPLES)]
    Files(account::FilesCommand),
    /// Show the account's balance
    #[command(after_help = account::CREDITS_EXAMPLES)]
    Credits(account::CreditsArgs),
    /// List the operations that `call` runs
    #[command(after_help = account::OPERATIONS_EXAMPLES)]
    Operations(account::OperationsArgs),
    /// Run the service offline, on a port of this machine, until Ctrl-C
    #[command(after_help = simulate::EXAMPLES)]
    Simulate(simulate::SimulateArgs),
    /// Check key, service, ledger and settings, and say what to do
    #[command(after_help = doctor::EXAMPLES)]
    Doctor,
    /// Add pdfco to an assistant: Claude, Cursor, VS Code, Codex and others
    #[command(after_help = setup::EXAMPLES)]
    Setup(setup::SetupArgs),
    /// Print the completion script of a shell
    #[command(
        after_help = "Examples:\n  pdfco completions bash > ~/.local/share/bash-completion/completions/pdfco\n  pdfco completions zsh > ~/.zfunc/_pdfco"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "Examples:\n  pdfco man | man -l -\n  pdfco man > pdfco.1")]
    Man,
    /// See the whole story offline: upload, convert, wait, read, save
    #[command(after_help = "Examples:\n  pdfco demo\n  pdfco demo --quiet")]
    Demo,
}

/// A command line, understood.
#[derive(Debug)]
pub struct Invocation {
    work: Work,
    config: Config,
    printer: Printer,
}

#[derive(Debug)]
enum Work {
    Call(Box<call::CallArgs>),
    Command(Command),
}

impl Work {
    /// What the envelope calls it.
    fn name(&self) -> String {
        match self {
            Work::Call(args) => format!("call {}", call::flag_name(args.operation.name)),
            Work::Command(Command::Serve { .. }) => "serve".to_owned(),
            Work::Command(Command::Jobs(command)) => format!("jobs {}", command.name()),
            Work::Command(Command::Files(command)) => command.name().to_owned(),
            Work::Command(Command::Credits(_)) => "credits".to_owned(),
            Work::Command(Command::Operations(_)) => "operations".to_owned(),
            Work::Command(Command::Simulate(_)) => "simulate".to_owned(),
            Work::Command(Command::Demo) => "demo".to_owned(),
            Work::Command(Command::Doctor) => "doctor".to_owned(),
            Work::Command(Command::Setup(_)) => "setup".to_owned(),
            Work::Command(Command::Completions { .. }) => "completions".to_owned(),
            Work::Command(Command::Man) => "man".to_owned(),
        }
    }
}

impl Invocation {
    /// What is logged: `PDFCO_LOG`, or more when `--verbose` asks and nobody set it.
    pub fn log_filter(&self) -> &str {
        let is_default = self.config.origin("PDFCO_LOG") == Origin::Default;
        if self.printer.verbose && is_default { "info" } else { &self.config.log }
    }
}

fn tree(operation: Option<call::Named<'_>>) -> clap::Command {
    Cli::command().args(settings::flags()).subcommand(call::command(operation).display_order(0))
}

/// Understands a command line. What ends here (help, the version, mistakes) is shown, and its exit code given back.
///
/// There are some seventy operations with their own flags. The tree is built without them first; only if `call` names
/// one, it is built once more with the flags of that one.
///
/// # Errors
/// The exit code.
pub fn parse(args: Vec<OsString>) -> Result<Invocation, u8> {
    if let [_, word] = args.as_slice()
        && word == "serve"
    {
        // A client that starts its server waits for it, and this line has no flags: the tree would take as long as
        // everything else until `initialize` is answered.
        return understood(&args, &config::Values::new(), Look::PLAIN, || {
            Ok(Work::Command(Command::Serve { folders: Vec::new() }))
        });
    }
    if complete::answered(&args) {
        return Err(output::SUCCESS);
    }
    let guessed = Printer::guessed(&args);
    let refused = |error: clap::Error| guessed.clap(&guessed_command(&args), &error);
    let matches = tree(None).try_get_matches_from(&args).map_err(refused)?;
    let typed = match matches.subcommand() {
        Some(("call", call)) => call.subcommand_name().map(str::to_owned),
        _ => None,
    };
    let Some(typed) = typed else {
        let cli = Cli::from_arg_matches(&matches).map_err(refused)?;
        let mut flags = settings::values(&matches);
        if let Command::Serve { folders } = &cli.command {
            flags = config::with_folders(flags, folders).map_err(|error| guessed.finish("serve", Err(error)))?;
        }
        return understood(&args, &flags, cli.look, || Ok(Work::Command(cli.command)));
    };
    let operation = catalog::find(&typed).map_err(|error| guessed.finish("call", Err(error)))?;
    let tree = tree(Some(call::Named { operation, typed: &typed }));
    let matches = tree.try_get_matches_from(&args).map_err(refused)?;
    let look = Look::from_arg_matches(&matches).map_err(refused)?;
    let flags = settings::values(&matches);
    understood(&args, &flags, look, || Ok(Work::Call(Box::new(call::read(operation, &matches)?))))
}

/// The command that a line means as far as it can be known, for lines that cannot be parsed.
fn guessed_command(args: &[OsString]) -> String {
    let tree = tree(None);
    let (mut at, mut names) = (&tree, Vec::new());
    for word in args.iter().skip(1).filter_map(|word| word.to_str()) {
        if word.starts_with('-') {
            continue;
        }
        if at.get_name() == "call" {
            names.extend(catalog::find(word).ok().map(|operation| call::flag_name(operation.name)));
            break;
        }
        if let Some(found) = at.find_subcommand(word) {
            names.push(found.get_name().to_owned());
            at = found;
        }
    }
    names.join(" ")
}

fn understood(
    args: &[OsString],
    flags: &config::Values,
    look: Look,
    work: impl FnOnce() -> Result<Work>,
) -> Result<Invocation, u8> {
    let printer = look.printer();
    let said = work().and_then(|work| Ok((config::load(flags)?, work)));
    match said {
        Ok((config, work)) => Ok(Invocation { work, config, printer }),
        Err(error) => Err(printer.finish(&guessed_command(args), Err(error))),
    }
}

/// Says that there is no runtime, and gives the exit code.
pub fn cannot_start(error: &std::io::Error) -> u8 {
    let printer = Printer { format: Format::Human, quiet: false, verbose: false };
    printer.finish("", Err(Error::internal(format!("The program cannot start: {}.", error.kind()))))
}

/// Runs a command to its end and gives its exit code.
pub async fn run(invocation: Invocation) -> u8 {
    let Invocation { work, config, printer } = invocation;
    let name = work.name();
    let ended = |outcome: Result<u8>| outcome.unwrap_or_else(|error| printer.finish(&name, Err(error)));
    match work {
        // These have their own way with signals or with the simulator.
        Work::Command(Command::Serve { .. }) => ended(serve(config, &printer).await),
        Work::Command(Command::Simulate(args)) => ended(simulate::run(&args, &config, &printer).await),
        Work::Command(Command::Demo) => ended(demo::run(config, &printer).await),
        Work::Command(Command::Setup(args)) => printer.finish(&name, setup::run(&args, &config)),
        Work::Command(Command::Completions { shell }) => ended(reference::completions(shell, &printer)),
        Work::Command(Command::Man) => ended(reference::man(&printer)),
        work => {
            let interrupt = Interrupt::listen();
            let session = match Session::open(config, printer, interrupt.clone()).await {
                Ok(session) => session,
                Err(error) => return ended(Err(error)),
            };
            tokio::select! {
                outcome = session.work(work) => session.close(&name, outcome).await,
                code = interrupt.insisted() => code,
            }
        }
    }
}

async fn serve(config: Config, printer: &Printer) -> Result<u8> {
    let (config, simulator) = with_simulator(config, printer).await?;
    let app = Arc::new(App::new(config)?);
    match app.config.http {
        None => crate::serve::stdio::run(app).await?,
        Some(address) => {
            let options =
                http::Options { address, token: app.config.http_token.clone(), hosts: app.config.http_hosts.clone() };
            let running = http::start(Arc::clone(&app), options).await?;
            let address = running.address;
            printer.note(&format!(
                "Listening on http://{address}/mcp; jobs are shown at http://{address}/. Ctrl-C ends it."
            ));
            signalled().await;
            running.stop().await;
            app.jobs().settle(stdio::SUBMITS_PATIENCE).await;
            app.jobs().ledger().close().await;
        }
    }
    if let Some(simulator) = simulator {
        simulator.stop().await;
    }
    Ok(output::SUCCESS)
}

/// The settings, and the simulator that they lead to when `--simulate` was asked for.
async fn with_simulator(config: Config, printer: &Printer) -> Result<(Config, Option<Handle>)> {
    if !config.simulate {
        return Ok((config, None));
    }
    let life = simulator::Life::Time { median: SIMULATED_MEDIAN, sigma: 0.3 };
    let simulator = simulator::spawn(simulator::Options { life, ..simulator::Options::default() }).await?;
    printer.note(
        "This is the simulator: nothing leaves this machine, credits are not real, samples say that they are samples.",
    );
    Ok((config.simulated(simulator.url(), simulator::DEFAULT_KEY)?, Some(simulator)))
}

/// How long jobs of `--simulate` take: long enough to be seen working.
const SIMULATED_MEDIAN: Duration = Duration::from_millis(1_200);

/// What a command works with.
pub struct Session {
    /// The product.
    pub app: App,
    /// How its outcome is shown.
    pub printer: Printer,
    /// Hears what happens meanwhile.
    pub progress: Progress,
    interrupt: Interrupt,
    simulator: Option<Handle>,
}

impl Session {
    async fn open(config: Config, printer: Printer, interrupt: Interrupt) -> Result<Session> {
        let (config, simulator) = with_simulator(config, &printer).await?;
        Ok(Session { app: App::new(config)?, progress: Progress::new(printer), printer, interrupt, simulator })
    }

    async fn work(&self, work: Work) -> Result<Report> {
        match work {
            Work::Call(args) => call::run(self, *args).await,
            Work::Command(Command::Jobs(command)) => jobs::run(self, command).await,
            Work::Command(Command::Files(command)) => account::files(self, command).await,
            Work::Command(Command::Credits(args)) => account::credits(self, &args).await,
            Work::Command(Command::Operations(args)) => account::operations(self, &args),
            Work::Command(Command::Doctor) => doctor::run(self).await,
            Work::Command(
                Command::Serve { .. }
                | Command::Simulate(_)
                | Command::Demo
                | Command::Setup(_)
                | Command::Completions { .. }
                | Command::Man,
            ) => Err(Error::internal("A command was dispatched twice.")),
        }
    }

    async fn close(self, name: &str, outcome: Result<Report>) -> u8 {
        self.progress.clear();
        let code = match outcome {
            Err(error) if error.kind() == Kind::Cancelled => {
                self.printer.finish(name, Err(self.interrupted(error)));
                self.interrupt.code()
            }
            outcome => self.printer.finish(name, outcome),
        };
        self.app.jobs().ledger().close().await;
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
        code
    }

    /// Ending a wait leaves the job alone; says how to go on.
    fn interrupted(&self, error: Error) -> Error {
        watch::going_on(self, &self.progress.running_jobs(), self.progress.last_job(), error)
    }

    /// Who is asking: a person at their own shell.
    ///
    /// # Errors
    /// `auth` without a key.
    pub fn caller(&self) -> Result<Caller> {
        let config = &self.app.config;
        // A person expects files where they stand.
        let downloads = if config.download_dir_is_set() { config.download_dir.clone() } else { PathBuf::from(".") };
        let sandbox = match &config.files {
            Some(folders) => Sandbox::folders(folders.clone(), downloads),
            None => Sandbox::person(downloads),
        };
        Ok(Caller {
            owner: config.key()?.clone().into(),
            sandbox: Arc::new(sandbox.with_max_bytes(config.max_file_bytes)),
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
    fn interrupted_code(&self) -> Option<u8> {
        self.interrupt.cancel.is_cancelled().then(|| self.interrupt.code())
    }

    /// How to go on with a job, if there will be one.
    pub fn how(&self, command: &str) -> String {
        if self.is_simulated() {
            "This simulator ends with the command, and its jobs with it. `pdfco simulate` runs one that stays."
                .to_owned()
        } else {
            format!("Run: {command}")
        }
    }
}

/// Ctrl-C and SIGTERM: the first ends the wait, the second the program.
#[derive(Clone)]
struct Interrupt {
    cancel: CancellationToken,
    insisted: CancellationToken,
    code: Arc<AtomicU8>,
}

impl Interrupt {
    fn listen() -> Interrupt {
        let interrupt = Interrupt {
            cancel: CancellationToken::new(),
            insisted: CancellationToken::new(),
            code: Arc::new(AtomicU8::new(output::INTERRUPTED)),
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

    async fn insisted(&self) -> u8 {
        self.insisted.cancelled().await;
        self.code()
    }
}

/// Waits for a signal that asks to stop, and gives its exit code.
pub(crate) async fn signalled() -> u8 {
    match asked_to_stop().await {
        Stop::Interrupt => output::INTERRUPTED,
        Stop::Terminate => output::TERMINATED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound_with_and_without_every_operation() {
        tree(None).debug_assert();
        for operation in catalog::all() {
            tree(Some(call::Named { operation, typed: operation.name })).debug_assert();
        }
    }

    #[test]
    fn the_look_is_understood_on_both_sides_of_the_command() {
        for line in ["pdfco --json operations", "pdfco operations --json", "pdfco operations --output json"] {
            let matches = tree(None).try_get_matches_from(line.split(' ')).unwrap();
            assert_eq!(Look::from_arg_matches(&matches).unwrap().printer().format, Format::Json, "{line}");
        }
    }

    #[test]
    fn serve_without_flags_means_to_the_tree_what_it_means_without_it() {
        let cli = Cli::from_arg_matches(&tree(None).try_get_matches_from(["pdfco", "serve"]).unwrap()).unwrap();
        assert!(matches!(&cli.command, Command::Serve { folders } if folders.is_empty()), "{:?}", cli.command);
        assert_eq!(format!("{:?}", cli.look), format!("{:?}", Look::PLAIN));
    }

    #[test]
    fn a_broken_line_still_names_its_command() {
        for (line, command) in [
            ("pdfco", ""),
            ("pdfco jbos", ""),
            ("pdfco jobs lst", "jobs"),
            ("pdfco --json jobs wait --nonsense", "jobs wait"),
            ("pdfco call pdf_to_text --page 1", "call pdf-to-text"),
            ("pdfco call nonsense --page 1", "call"),
            ("pdfco --api-key x files upload", "files upload"),
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(guessed_command(&args), command, "{line}");
        }
    }

    #[test]
    fn every_help_has_examples() {
        fn look_at(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_after_help().is_some_and(|help| help.to_string().contains("Examples:")), "{path}");
            command.get_subcommands().filter(|sub| sub.get_name() != "help").for_each(|sub| look_at(sub, &path));
        }
        look_at(&tree(None), "");
        for operation in catalog::all() {
            look_at(&tree(Some(call::Named { operation, typed: operation.name })), "");
        }
    }
}
