//! The command line.
//!
//! Start at [`parse`] (`args.rs`), then [`run`] below, then `commands/call.rs`. A command is one file of `commands/`: its
//! flags and its run. It works with a [`session::CliSession`] and returns a [`report::Report`], which `output.rs` alone
//! turns into words, JSON and an exit code. Rules about jobs, files and the service are in `app/` and below, shared with
//! the MCP server.

pub mod args;
pub mod commands;
pub mod complete;
mod consent;
pub mod exit_code;
pub mod inputs;
pub mod job_report;
pub mod job_selector;
pub mod names;
pub mod output;
pub mod progress;
pub mod report;
pub mod session;
pub mod setting_flags;
pub mod simulators;
pub mod stdin;
pub mod table;
pub mod targets;
pub mod tenant_args;
pub mod text;
pub mod value_parsers;

pub use args::{Invocation, cannot_start};

use std::ffi::{OsStr, OsString};

use self::args::{Command, Work};
use self::commands::{
    audit, call, completions, credits, demo, doctor, env, files, jobs, key, ledger, login, man, operations, overview,
    serve, setup, simulate,
};
use self::output::Printer;
use self::report::Report;
use self::session::{CliSession, Interrupt};
use crate::error::{Error, Result};

/// Parses a command line, or answers a shell that asks how it could go on.
///
/// # Errors
/// The exit code of what ends here: completion, help, the version, mistakes.
pub fn parse(args: Vec<OsString>) -> Result<Invocation, u8> {
    if let Some(odd) = args.iter().find(|word| word.to_str().is_none()) {
        return Err(Printer::guessed(&args).finish("pdfco", Err(not_text(odd))));
    }
    if let Some(serve) = args::parse_serve(&args) {
        return serve;
    }
    if complete::answered(&args) {
        return Err(exit_code::SUCCESS);
    }
    args::parse(args)
}

/// What is said of a word that is no text, such as a file's name in an old encoding.
fn not_text(word: &OsStr) -> Error {
    Error::invalid(
        format!("`{}` is not UTF-8 text.", word.to_string_lossy()),
        "Rename that file, or put the pattern in quotes: pdfco expands it, leaves such names out and says which. Nothing was sent.",
    )
}

/// Runs a command to its end and returns its exit code.
pub async fn run(invocation: Invocation) -> u8 {
    let Invocation { work, config, printer, exporter } = invocation;
    let name = work.name();
    let needs_key = work.needs_key() || matches!(work, Work::Overview);
    let ended = |outcome: Result<u8>| match outcome {
        Ok(code) => printer.exit_code(code),
        Err(error) => printer.finish(&name, Err(error)),
    };
    match work {
        // These handle signals or the simulator in their own way, or need neither.
        Work::Command(Command::Serve(_)) => match exporter {
            Ok(exporter) => ended(serve::run(config, exporter, &printer).await),
            Err(error) => ended(Err(error)),
        },
        Work::Command(Command::Simulate(args)) => ended(simulate::run(&args, &config, &printer).await),
        Work::Command(Command::Demo) => printer.finish(&name, demo::run(config, &printer).await),
        Work::Command(Command::Setup(args)) => printer.finish(&name, setup::run(&args, &config, &printer)),
        Work::Command(Command::Key(args)) => printer.finish(&name, key::run(&args, &config, &printer)),
        Work::Command(Command::Login(args)) => printer.finish(&name, login::run(&args, &config, &printer).await),
        Work::Command(Command::Completions(args)) => printer.finish(&name, completions::run(&args)),
        Work::Command(Command::Man) => printer.finish(&name, man::run(args::tree(None))),
        Work::Command(Command::Env(args)) => printer.finish(&name, env::run(&args, &config)),
        Work::Overview => {
            in_session(config, printer, &name, needs_key, async |session| overview::run(session).await).await
        }
        Work::Command(Command::Jobs(command)) => {
            in_session(config, printer, &name, needs_key, async |session| jobs::run(session, command).await).await
        }
        Work::Command(Command::Files(command)) => {
            in_session(config, printer, &name, needs_key, async |session| files::run(session, command).await).await
        }
        Work::Command(Command::Ledger(command)) => {
            in_session(config, printer, &name, needs_key, async |session| ledger::run(session, command).await).await
        }
        Work::Command(Command::Audit(args)) => {
            in_session(config, printer, &name, needs_key, async |session| audit::run(session, &args).await).await
        }
        Work::Command(Command::Credits(args)) => {
            in_session(config, printer, &name, needs_key, async |session| credits::run(session, &args).await).await
        }
        Work::Command(Command::Operations(args)) => {
            in_session(config, printer, &name, needs_key, async |session| operations::run(session, &args)).await
        }
        Work::Command(Command::Doctor(args)) => {
            in_session(config, printer, &name, needs_key, async |session| doctor::run(session, &args).await).await
        }
        Work::Call(args) => {
            in_session(config, printer, &name, needs_key, async |session| call::run(session, *args).await).await
        }
    }
}

/// Runs `work` in a session of its own, until it ends or a second signal insists.
async fn in_session(
    config: crate::config::Config,
    printer: output::Printer,
    name: &str,
    needs_key: bool,
    work: impl AsyncFnOnce(&CliSession) -> Result<Report>,
) -> u8 {
    let interrupt = Interrupt::listen();
    let session = match CliSession::open(config, printer, interrupt.clone()).await {
        Ok(session) => session,
        Err(error) => return printer.finish(name, Err(error)),
    };
    // These tell it all by themselves.
    if !matches!(name, "doctor" | "env") {
        session.app.config.notes().for_each(|note| printer.note(&note));
    }
    let outcome = tokio::select! {
        outcome = async {
            if needs_key {
                session.app.config.key_is_known().await;
            }
            work(&session).await
        } => outcome,
        code = interrupt.insisted() => return code,
    };
    session.close(name, outcome).await
}
