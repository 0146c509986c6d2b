//! The tree of commands, and how a command line becomes an [`Invocation`].
//!
//! There are some seventy operations with flags of their own. The tree is built without them first; only if `call` names
//! one, it is built once more with the flags of that one.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::runtime::Handle;

use super::commands::{
    audit, call, completions, credits, demo, doctor, env, files, jobs, key, ledger, login, man, operations, serve,
    setup, simulate,
};
use super::names::flag_name;
use super::output::{Format, Printer};
use super::setting_flags;
use crate::catalog;
use crate::config::{self, AllowedFolders, Config, Folders, LogFormat, Origin, Otlp};
use crate::error::{Error, Result};
use crate::otlp::Exporter;
use crate::telemetry::Exported;

const EXAMPLES: &str = "Examples:
  pdfco call pdf-to-text --url report.pdf --simulate    try it: no key, no network
  pdfco call pdf-to-text --url report.pdf --save-to report.txt
  pdfco call pdf-to-text --url 'scans/*.pdf' --save-to out/ --resume
  pdfco jobs wait --latest

Exit codes: 0 success, 1 job failed or aborted, 2 usage, 3 key or credits, 4 not found, 5 still running, 6 network or service, 130 interrupted.";

/// PDF.co document jobs for AI assistants (MCP) and for the command line.
#[derive(Debug, Parser)]
#[command(
    name = "pdfco",
    version,
    after_help = EXAMPLES,
    infer_long_args = false,
    max_term_width = 120,
    subcommand_required = false,
    arg_required_else_help = false
)]
struct Cli {
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

/// How the outcome is printed.
#[derive(Clone, Copy, Debug, Args)]
struct OutputArgs {
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

impl OutputArgs {
    /// Without a flag.
    const PLAIN: OutputArgs = OutputArgs { json: false, output: None, quiet: false, verbose: false };

    fn printer(self) -> Printer {
        let format = if self.json { Format::Json } else { self.output.unwrap_or(Format::Human) };
        Printer { format, quiet: self.quiet, verbose: self.verbose }
    }
}

/// Every command but `call`, whose flags come from the catalog.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve assistants: MCP over stdin and stdout
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::ServeArgs),
    /// List, wait for, read and save jobs
    #[command(subcommand, after_help = jobs::EXAMPLES)]
    Jobs(jobs::JobsCommand),
    /// Upload files to the service's temporary storage
    #[command(subcommand, after_help = files::EXAMPLES)]
    Files(files::FilesCommand),
    /// Move the ledger between a file and a database, and delete what it keeps of a tenant
    #[command(subcommand, after_help = ledger::EXAMPLES)]
    Ledger(ledger::LedgerCommand),
    /// Show which calls of assistants spent, wrote or were refused, of all tenants
    #[command(after_help = audit::EXAMPLES)]
    Audit(audit::AuditArgs),
    /// Show the account's balance
    #[command(after_help = credits::EXAMPLES)]
    Credits(credits::CreditsArgs),
    /// List the operations that `call` runs
    #[command(after_help = operations::EXAMPLES)]
    Operations(operations::OperationsArgs),
    /// Run the service offline, on a port of this machine, until Ctrl-C
    #[command(after_help = simulate::EXAMPLES)]
    Simulate(simulate::SimulateArgs),
    /// Check key, service, ledger and settings, and say what to do
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::DoctorArgs),
    /// Add pdfco to an assistant: Claude, Cursor, VS Code, Codex and others
    #[command(after_help = setup::EXAMPLES)]
    Setup(setup::SetupArgs),
    /// Store your key once, so that every start finds it
    #[command(after_help = key::EXAMPLES)]
    Key(key::KeyArgs),
    /// Sign in at PDF.co in the browser, and store the account's key
    #[command(after_help = login::EXAMPLES)]
    Login(login::LoginArgs),
    /// Show the settings, or decide whether the `.env` of a folder is read
    #[command(after_help = env::EXAMPLES)]
    Env(env::EnvArgs),
    /// Print the completion script of a shell
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    #[command(after_help = man::EXAMPLES)]
    Man,
    /// See the whole story offline: upload, convert, wait, read, save
    #[command(after_help = demo::EXAMPLES)]
    Demo,
}

/// What a command line asks for.
#[derive(Debug)]
pub(super) enum Work {
    /// An operation.
    Call(Box<call::CallArgs>),
    /// Any other command.
    Command(Command),
    /// None: where things stand.
    Overview,
}

impl Work {
    /// Whether it asks the service or reads the jobs of a key.
    pub(super) fn needs_key(&self) -> bool {
        match self {
            Work::Call(_) => true,
            Work::Command(command) => {
                matches!(command, Command::Jobs(_) | Command::Files(_) | Command::Credits(_) | Command::Doctor(_))
            }
            Work::Overview => false,
        }
    }

    /// The name of the command in the envelope.
    pub(super) fn name(&self) -> String {
        match self {
            Work::Call(args) => format!("call {}", flag_name(args.operation.name)),
            Work::Command(Command::Jobs(command)) => format!("jobs {}", command.name()),
            Work::Command(Command::Files(command)) => format!("files {}", command.name()),
            Work::Command(Command::Ledger(command)) => format!("ledger {}", command.name()),
            Work::Command(Command::Audit(_)) => "audit".to_owned(),
            Work::Command(Command::Serve(_)) => "serve".to_owned(),
            Work::Command(Command::Credits(_)) => "credits".to_owned(),
            Work::Command(Command::Operations(_)) => "operations".to_owned(),
            Work::Command(Command::Simulate(_)) => "simulate".to_owned(),
            Work::Command(Command::Demo) => "demo".to_owned(),
            Work::Command(Command::Doctor(_)) => "doctor".to_owned(),
            Work::Command(Command::Setup(_)) => "setup".to_owned(),
            Work::Command(Command::Completions(_)) => "completions".to_owned(),
            Work::Command(Command::Man) => "man".to_owned(),
            Work::Command(Command::Key(args)) => args.name().to_owned(),
            Work::Command(Command::Login(_)) => "login".to_owned(),
            Work::Command(Command::Env(args)) => args.name().to_owned(),
            Work::Overview => "overview".to_owned(),
        }
    }
}

/// A parsed command line with the settings it runs under.
#[derive(Debug)]
pub struct Invocation {
    pub(super) work: Work,
    pub(super) config: Config,
    pub(super) printer: Printer,
    /// What sends to a collector, once it is asked for; an error ends a server.
    pub(super) exporter: Result<Option<Exporter>>,
}

impl Invocation {
    /// The log filter: `PDFCO_LOG`, or more when `--verbose` asks and the variable is not set.
    pub fn log_filter(&self) -> &str {
        let is_default = self.config.origin("PDFCO_LOG") == Origin::Default;
        if self.printer.verbose && is_default { "info" } else { &self.config.log }
    }

    /// What collects spans and log lines: for servers, where the environment names a collector. They are sent on `runtime`.
    pub fn exported(&mut self, runtime: &Handle) -> Option<Exported> {
        if self.is_server() {
            let exporter = |named: Otlp| Exporter::new(&named, runtime.clone());
            self.exporter = Otlp::from_env().and_then(|named| named.map(exporter).transpose());
        }
        self.exporter.as_ref().ok()?.as_ref().map(Exporter::layers)
    }

    /// The format of log lines.
    pub fn log_format(&self) -> LogFormat {
        self.config.log_format
    }

    /// Whether this is a server, over stdio or HTTP.
    pub fn is_server(&self) -> bool {
        matches!(self.work, Work::Command(Command::Serve(_)))
    }

    /// Whether this is a server over HTTP, which many clients share.
    pub fn is_http_server(&self) -> bool {
        self.is_server() && self.config.http.is_some()
    }
}

/// The tree, with the flags of one operation if one is named.
pub(super) fn tree(operation: Option<call::Named<'_>>) -> clap::Command {
    let tree = Cli::command().subcommand(call::command(operation).display_order(0));
    setting_flags::on_every_command(tree)
}

/// The line `pdfco serve`, which is understood without building the tree: a client that starts its server waits for it,
/// and the tree would take as long as everything else until `initialize` is answered. `None` for any other line.
pub fn parse_serve(args: &[OsString]) -> Option<Result<Invocation, u8>> {
    let [_, word] = args else { return None };
    let serve = || Ok(Work::Command(Command::Serve(serve::ServeArgs::default())));
    (word == "serve").then(|| loaded(args, &config::Values::new(), OutputArgs::PLAIN, serve))
}

/// Parses a command line. What ends here (help, the version, mistakes) is printed, and its exit code returned.
///
/// # Errors
/// The exit code.
pub fn parse(args: Vec<OsString>) -> Result<Invocation, u8> {
    if args.len() <= 1 && !std::io::stdout().is_terminal() {
        // A script that names no command has a mistake in it, and no use for an overview.
        let help = tree(None).render_help();
        return Err(Printer::PLAIN.usage(&help.to_string()));
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
        let mut flags = setting_flags::values(&matches);
        if let Some(Command::Serve(serve)) = &cli.command {
            flags = config::with_folders(flags, &serve.folders).map_err(|error| guessed.finish("serve", Err(error)))?;
        }
        let work = cli.command.map_or(Work::Overview, Work::Command);
        return loaded(&args, &flags, cli.output, || Ok(work));
    };
    let operation = catalog::find(&typed).map_err(|error| guessed.finish("call", Err(error)))?;
    let tree = tree(Some(call::Named { operation, typed: &typed }));
    let matches = tree.try_get_matches_from(&args).map_err(refused)?;
    let output = OutputArgs::from_arg_matches(&matches).map_err(refused)?;
    let flags = setting_flags::values(&matches);
    loaded(&args, &flags, output, || Ok(Work::Call(Box::new(call::read(operation, &matches)?))))
}

fn loaded(
    args: &[OsString],
    flags: &config::Values,
    output: OutputArgs,
    work: impl FnOnce() -> Result<Work>,
) -> Result<Invocation, u8> {
    let printer = output.printer();
    let loaded = work().and_then(|work| {
        let config = config::load(flags)?;
        // A person may have put the key into `.env` of this folder, which is not read unasked.
        let asked = work.needs_key() && !config.has_key() && !config.simulate && offered_env(&printer);
        Ok((if asked { config::load(flags)? } else { config }, work))
    });
    match loaded {
        Ok((config, work)) => Ok(Invocation { work, config, printer, exporter: Ok(None) }),
        Err(error) => Err(printer.finish(&guessed_command(args), Err(error))),
    }
}

/// Asks a person once whether the `.env` of this folder is to be read, where it holds a key, and keeps the answer.
/// Returns whether it is.
fn offered_env(printer: &Printer) -> bool {
    let folders = Folders::this_user();
    let Some(found) = config::offered_env_file(&folders).filter(|_| printer.can_ask()) else { return false };
    let Some(list) = AllowedFolders::of(&folders) else { return false };
    let question = format!("No key is set, and {} holds one. Read it from now on?", found.path.display());
    let Some(answer) = printer.confirm(&question) else { return false };
    match list.decide(Path::new("."), answer) {
        Ok(_) => answer,
        Err(error) => {
            printer.note(error.message());
            false
        }
    }
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
            names.extend(catalog::find(word).ok().map(|operation| flag_name(operation.name)));
            break;
        }
        if let Some(found) = at.find_subcommand(word) {
            names.push(found.get_name().to_owned());
            at = found;
        }
    }
    names.join(" ")
}

/// Prints that there is no runtime, and returns the exit code.
pub fn cannot_start(error: &std::io::Error) -> u8 {
    Printer::PLAIN.finish("", Err(Error::internal(format!("The program cannot start: {}.", error.kind()))))
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
    fn output_flags_work_on_both_sides_of_the_command() {
        for line in ["pdfco --json operations", "pdfco operations --json", "pdfco operations --output json"] {
            let matches = tree(None).try_get_matches_from(line.split(' ')).unwrap();
            assert_eq!(OutputArgs::from_arg_matches(&matches).unwrap().printer().format, Format::Json, "{line}");
        }
    }

    #[test]
    fn serve_without_flags_is_what_the_tree_makes_of_it() {
        let cli = Cli::from_arg_matches(&tree(None).try_get_matches_from(["pdfco", "serve"]).unwrap()).unwrap();
        assert!(matches!(&cli.command, Some(Command::Serve(serve)) if serve.folders.is_empty()), "{:?}", cli.command);
        assert_eq!(format!("{:?}", cli.output), format!("{:?}", OutputArgs::PLAIN));
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
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_after_help().is_some_and(|help| help.to_string().contains("Examples:")), "{path}");
            command.get_subcommands().filter(|sub| sub.get_name() != "help").for_each(|sub| check(sub, &path));
        }
        check(&tree(None), "");
        for operation in catalog::all() {
            check(&tree(Some(call::Named { operation, typed: operation.name })), "");
        }
    }
}
