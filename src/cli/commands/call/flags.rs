//! The flags of one operation, made from its declaration, and the flags that every operation has for its run.

use clap::{Arg, ArgAction, Command, ValueHint, value_parser};

use crate::catalog::{Operation, Param, ParamKind};
use crate::cli::names::{flag_name, hidden_names};
use crate::cli::value_parsers;

const EXAMPLES: &str = "Examples:
  pdfco call pdf-to-text --url report.pdf
  pdfco call pdf-merge --url a.pdf b.pdf --save-to both.pdf
  pdfco call pdf-to-text --url a.pdf 'scans/*.pdf' --save-to out/ --jobs 8
  pdfco call pdf-to-text --help             the flags of one operation
  pdfco operations                          all operations";

/// Prefix of the ids of flags made from parameters, so that they differ from those of other flags.
pub const ID_PREFIX: &str = "argument ";

/// An operation and what the person called it.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The catalog row.
    pub operation: &'static Operation,
    /// The name on the command line.
    pub typed: &'a str,
}

/// The command `call`: with the flags of one operation, or so that it takes any name and leaves the rest unread.
pub fn command(named: Option<Named<'_>>) -> Command {
    let call = Command::new("call")
        .about("Run an operation: submit, wait, and print or save the result")
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true);
    match named {
        None => call
            .allow_external_subcommands(true)
            .subcommand_value_name("OPERATION")
            .subcommand_help_heading("Operations"),
        Some(named) => call.subcommand(of_operation(named)),
    }
}

fn of_operation(Named { operation, typed }: Named<'_>) -> Command {
    let name = flag_name(operation.name);
    let mut command = Command::new(name.clone())
        .about(operation.title)
        .long_about(operation.description())
        .after_help(examples(operation))
        .args(operation.params().map(flag))
        .args(running())
        .args(if source_of(operation).is_some() { in_batches() } else { Vec::new() });
    if typed != name {
        command = command.alias(typed.to_owned());
    }
    command
}

/// The parameter that takes one document, of which there may be many in a batch.
pub fn source_of(operation: &Operation) -> Option<&'static Param> {
    operation.params().find(|param| param.kind == ParamKind::Source)
}

/// The flags of operations on one document, for when there are many.
fn in_batches() -> Vec<Arg> {
    let flag =
        |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help).help_heading("Many inputs");
    vec![
        flag("jobs", "How many inputs run at once, each as a job of its own. Default: 4")
            .value_name("N")
            .value_parser(value_parser!(u16).range(1..=64)),
        flag("resume", "Skip inputs that are done and saved, take up those that run, do those again that failed")
            .action(ArgAction::SetTrue),
    ]
}

/// The flags that every operation has.
fn running() -> Vec<Arg> {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help).help_heading("Running");
    vec![
        flag("wait", "Wait for the outcome, which is the default").action(ArgAction::SetTrue),
        flag("background", "Return at once with the job's id")
            .action(ArgAction::SetTrue)
            .conflicts_with_all(["wait", "timeout", "save-to", "read"]),
        flag("timeout", "Wait at most so many seconds; 0 waits for ever (one check is `jobs show`)")
            .value_name("SECS")
            .default_value("120")
            .value_parser(value_parsers::timeout),
        flag("read", "Characters of a text result to show. Default: all, or 4000 with --json")
            .value_name("CHARS")
            .value_parser(value_parser!(u64)),
        flag(
            "save-to",
            "Save the result to this file or folder, or print it (-); results of many inputs need a folder",
        )
        .value_name("PATH")
        .value_hint(ValueHint::AnyPath),
        flag("overwrite", "Let --save-to replace a file").action(ArgAction::SetTrue).requires("save-to"),
        flag("client-request-id", "Your own id for this request; the same id is never paid for twice").value_name("ID"),
        flag("dry-run", "Say what it would cost, and send nothing").action(ArgAction::SetTrue),
        flag("yes", "Agree to the price beforehand, where PDFCO_CONFIRM_CREDITS asks about it")
            .action(ArgAction::SetTrue),
        flag("args-json", "Arguments as a JSON object; flags win over it").value_name("JSON"),
        flag(
            "args-file",
            "Arguments as a JSON object in a file, or on stdin (-); it wins over --args-json, flags win over it",
        )
        .value_name("FILE")
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parsers::path()),
    ]
}

fn flag(param: &'static Param) -> Arg {
    let arg = Arg::new(format!("{ID_PREFIX}{}", param.name))
        .long(flag_name(param.name))
        .help(help(param))
        .help_heading("Arguments")
        .aliases(hidden_names(param));
    match param.kind {
        ParamKind::Source | ParamKind::Sources => {
            arg.action(ArgAction::Append).num_args(1..).value_name("LINK_OR_PATH").value_hint(ValueHint::AnyPath)
        }
        ParamKind::Strings => arg.action(ArgAction::Append).num_args(1..).value_name("WORD"),
        ParamKind::Boolean => {
            arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("true|false")
        }
        ParamKind::Integer { .. } | ParamKind::Number => arg.allow_negative_numbers(true).value_name("NUMBER"),
        ParamKind::Text => arg.value_name("TEXT"),
        ParamKind::Pages { .. } => arg.allow_hyphen_values(true).value_name("PAGES"),
        ParamKind::Choice(_) | ParamKind::Suggested(_) => arg.value_name("WORD"),
        ParamKind::JsonText | ParamKind::Objects(_) | ParamKind::Object(_) => arg.value_name("JSON|@FILE"),
    }
}

fn help(param: &Param) -> String {
    let mut help = param.description.replace('`', "'");
    if let ParamKind::Choice(words) | ParamKind::Suggested(words) = param.kind {
        help.push_str(&format!(" [{}]", words.join(", ")));
    }
    if let Some(default) = param.default {
        help.push_str(&format!(" [default: {default}]"));
    }
    if param.required {
        help.push_str(" [required]");
    }
    if param.secret {
        help.push_str(" Seen in the list of processes; --args-file is not.");
    }
    help
}

fn examples(operation: &Operation) -> String {
    let name = flag_name(operation.name);
    let value = |param: &Param| match param.kind {
        ParamKind::Source => " report.pdf".to_owned(),
        ParamKind::Sources => " a.pdf b.pdf".to_owned(),
        ParamKind::Boolean => String::new(),
        ParamKind::Choice(words) | ParamKind::Suggested(words) => format!(" {}", words.first().unwrap_or(&"WORD")),
        ParamKind::Integer { .. } | ParamKind::Number => " 1".to_owned(),
        ParamKind::Text | ParamKind::Strings => " …".to_owned(),
        ParamKind::Pages { first } => format!(" {first}"),
        ParamKind::JsonText | ParamKind::Objects(_) | ParamKind::Object(_) => " @file.json".to_owned(),
    };
    let flags: String = operation
        .params()
        .filter(|param| param.required)
        .map(|param| format!(" --{}{}", flag_name(param.name), value(param)))
        .collect();
    let many = match source_of(operation) {
        Some(param) => {
            format!("\n  pdfco call {name} --{} 'scans/*.pdf' --save-to out/ --resume", flag_name(param.name))
        }
        None => String::new(),
    };
    format!(
        "Examples:\n  pdfco call {name}{flags}\n  pdfco call {name}{flags} --json --simulate\n  pdfco call {name} --args-file arguments.json --background{many}"
    )
}
