//! What a shell offers while a line is typed: commands and flags from the tree that parses, operations from the catalog,
//! job ids from the ledger, file names from the current folder.
//!
//! The network is not used, and a ledger that cannot be read quickly offers nothing.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Command;
use clap::builder::StyledStr;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use super::args::tree;
use super::commands::call;
use super::commands::completions::VARIABLE;
use super::names::flag_name;
use crate::catalog;
use crate::config::{self, LedgerLocation, Values};
use crate::jobs::Ledger;

/// Most jobs that are offered.
const JOBS_OFFERED: u32 = 50;
/// A ledger that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Answers a shell that asks what could come next. `false` when this is an ordinary run.
pub fn answered(args: &[OsString]) -> bool {
    let named = |args: &[OsString]| {
        let words = args.iter().skip_while(|word| *word != "--").skip(1);
        let mut after_call = words.skip_while(|word| *word != "call").skip(1);
        after_call.next().and_then(|word| word.to_str().map(str::to_owned))
    };
    let operation = named(args);
    let shells = CompleteEnv::with_factory(|| offered(operation.as_deref())).var(VARIABLE).shells(Shells::builtins());
    // What cannot be completed is not worth a word in the middle of a line.
    shells.bin("pdfco").completer("pdfco").try_complete(args.iter(), Some(Path::new("."))).unwrap_or(true)
}

/// The tree with all operations as commands of `call`, the one that is typed with its flags, and values to offer.
fn offered(operation: Option<&str>) -> Command {
    let named = operation.and_then(|typed| Some((typed, catalog::find(typed).ok()?)));
    let mut tree = tree(named.map(|(typed, operation)| call::Named { operation, typed }));
    tree = tree.mut_subcommand("call", |mut call| {
        for other in catalog::all().filter(|other| named.is_none_or(|(_, named)| named.name != other.name)) {
            call = call.subcommand(Command::new(flag_name(other.name)).about(other.title));
        }
        call
    });
    tree.mut_subcommand("jobs", |jobs| {
        jobs.mut_subcommands(|command| {
            command.mut_args(|arg| match arg.get_id().as_str() {
                "job_id" | "job_ids" => arg.add(ArgValueCandidates::new(job_ids)),
                "operation" => arg.add(ArgValueCandidates::new(operations)),
                _ => arg,
            })
        })
    })
}

fn operations() -> Vec<CompletionCandidate> {
    catalog::all()
        .map(|operation| {
            CompletionCandidate::new(flag_name(operation.name)).help(Some(StyledStr::from(operation.title)))
        })
        .collect()
}

/// The newest jobs of the key that is set, from a ledger that is there already.
fn job_ids() -> Vec<CompletionCandidate> {
    let Ok(config) = config::load(&Values::new()) else { return Vec::new() };
    let (Some(key), LedgerLocation::File(path)) = (config.key_at_hand(), &config.ledger) else { return Vec::new() };
    if !path.is_file() {
        return Vec::new();
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let ledger = Arc::new(Ledger::new(config.ledger.clone(), config.ledger_keep));
    let tenant = crate::tenant::Tenant::of_account(key.fingerprint());
    let listed = runtime.block_on(async {
        let listed = ledger.list(&tenant, None, JOBS_OFFERED, None);
        tokio::time::timeout(PATIENCE, listed).await.ok()?.ok()
    });
    let jobs = listed.map(|page| page.jobs).unwrap_or_default();
    jobs.iter()
        .enumerate()
        .map(|(place, job)| {
            let words = format!("{} {}", job.status.as_str(), job.operation).trim_end().to_owned();
            CompletionCandidate::new(job.id()).help(Some(StyledStr::from(words))).display_order(Some(place))
        })
        .collect()
}
