//! `pdfco call`: any operation, its parameters as flags.
//!
//! What lives here: the flags of an operation, made from its declaration; reading them back; the run. What never does:
//! checking or typing of arguments, which `catalog/arguments.rs` does for both doors.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Map, Value};

use super::batch::{self, Batch};
use super::inputs::expanded;
use super::jobs::{self, A_YEAR};
use super::output::{Report, SUCCESS};
use super::{Session, record};
use crate::app::{Caller, SubmitRequest};
use crate::catalog::{Operation, Output, Param, ParamKind};
use crate::error::{Error, Kind, Result};
use crate::jobs::{Job, JobStatus};

const EXAMPLES: &str = "Examples:
  pdfco call pdf-to-text --url report.pdf
  pdfco call pdf-merge --url a.pdf b.pdf --save-to both.pdf
  pdfco call pdf-to-text --url a.pdf 'scans/*.pdf' --save-to out/ --jobs 8
  pdfco call pdf-to-text --help             the flags of one operation
  pdfco operations                          all operations";

/// Most bytes of a file given as `@file` or to --args-file.
const ARGUMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Inputs of a batch that run at once, unless it says.
const AT_ONCE: u16 = 4;
/// Stands for the result's name where a place is looked at before there is a result.
pub const NOT_NAMED_YET: &str = "pdfco-result-that-has-no-name-yet";
/// Prefix of the ids of flags made from parameters, which are not to meet those of other flags.
const ID_PREFIX: &str = "argument ";

/// An operation and what the person called it.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The catalog row.
    pub operation: &'static Operation,
    /// The name on the command line.
    pub typed: &'a str,
}

/// A call, understood.
#[derive(Debug)]
pub struct CallArgs {
    /// What to run.
    pub operation: &'static Operation,
    /// Its arguments in any accepted spelling.
    pub arguments: Map<String, Value>,
    background: bool,
    timeout: Duration,
    read: Option<u64>,
    save_to: Option<String>,
    overwrite: bool,
    client_request_id: Option<String>,
    at_once: Option<u16>,
    resume: bool,
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
        .long_about(operation.description)
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
fn source_of(operation: &Operation) -> Option<&'static Param> {
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
        flag("timeout", "Wait at most so many seconds; 0 waits for ever (an assistant's 0 is one look: `jobs show`)")
            .value_name("SECS")
            .default_value("120")
            .value_parser(jobs::seconds),
        flag("read", "Characters of a text result to show. Default: all, or 4000 with --json")
            .value_name("CHARS")
            .value_parser(value_parser!(u64)),
        flag("save-to", "Save the result to this file or folder; results of many inputs need a folder")
            .value_name("PATH"),
        flag("overwrite", "Let --save-to replace a file").action(ArgAction::SetTrue).requires("save-to"),
        flag("client-request-id", "Your own id for this request; the same id is never paid for twice").value_name("ID"),
        flag("args-json", "Arguments as a JSON object; flags win over it").value_name("JSON"),
        flag("args-file", "Arguments as a JSON object in a file; it wins over --args-json, flags win over it")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf)),
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
            arg.action(ArgAction::Append).num_args(1..).value_name("LINK_OR_PATH")
        }
        ParamKind::Strings => arg.action(ArgAction::Append).num_args(1..).value_name("WORD"),
        ParamKind::Boolean => {
            arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("true|false")
        }
        ParamKind::Integer { .. } | ParamKind::Number => arg.allow_negative_numbers(true).value_name("NUMBER"),
        ParamKind::Text => arg.value_name("TEXT"),
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

/// The name of a flag or command: dashes, lower case.
pub fn flag_name(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    let mut before_was_small = false;
    for letter in name.chars() {
        if letter.is_uppercase() && before_was_small {
            kebab.push('-');
        }
        before_was_small = letter.is_lowercase() || letter.is_numeric();
        kebab.push(if letter == '_' { '-' } else { letter.to_ascii_lowercase() });
    }
    kebab
}

/// The other spellings under which a parameter is taken.
fn hidden_names(param: &Param) -> Vec<String> {
    let shown = flag_name(param.name);
    let mut names = Vec::new();
    for name in [param.name, param.wire].iter().chain(param.aliases) {
        for name in [(*name).to_owned(), flag_name(name)] {
            if name != shown && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
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

/// Reads what the second parse found. Later wins: --args-json, --args-file, single flags.
///
/// # Errors
/// `invalid_argument` for what is no JSON object, `file_access` for a file that cannot be read.
pub fn read(operation: &'static Operation, matches: &ArgMatches) -> Result<CallArgs> {
    let found = matches.subcommand_matches("call").and_then(|call| call.subcommand());
    let (_, said) = found.ok_or_else(|| Error::internal("The command line was not understood twice."))?;
    let text = |name: &str| said.get_one::<String>(name).cloned();
    let mut arguments = Map::new();
    if let Some(json) = text("args-json") {
        merge(operation, &mut arguments, object("--args-json", &json)?);
    }
    if let Some(path) = said.get_one::<PathBuf>("args-file") {
        merge(operation, &mut arguments, object("--args-file", &contents(path)?)?);
    }
    for param in operation.params() {
        let values = said.get_many::<String>(&format!("{ID_PREFIX}{}", param.name));
        if let Some(value) = values.map(|values| value_of(param, values.cloned().collect())).transpose()?.flatten() {
            arguments.insert(param.name.to_owned(), value);
        }
    }
    let is_batchable = source_of(operation).is_some();
    Ok(CallArgs {
        at_once: if is_batchable { said.get_one::<u16>("jobs").copied() } else { None },
        resume: is_batchable && said.get_flag("resume"),
        operation,
        arguments,
        background: said.get_flag("background"),
        timeout: said.get_one::<Duration>("timeout").copied().unwrap_or(A_YEAR),
        read: said.get_one::<u64>("read").copied(),
        save_to: text("save-to"),
        overwrite: said.get_flag("overwrite"),
        client_request_id: text("client-request-id"),
    })
}

/// Puts `newer` over `arguments`, whatever spelling either uses.
fn merge(operation: &Operation, arguments: &mut Map<String, Value>, newer: Map<String, Value>) {
    for (name, value) in newer {
        let name = operation.param(&name).map_or(name, |param| param.name.to_owned());
        arguments.insert(name, value);
    }
}

fn value_of(param: &Param, mut values: Vec<String>) -> Result<Option<Value>> {
    let takes_many = matches!(param.kind, ParamKind::Source | ParamKind::Sources | ParamKind::Strings);
    if takes_many && values.len() > 1 {
        return Ok(Some(Value::from(values)));
    }
    let Some(value) = values.pop() else { return Ok(None) };
    let takes_json = matches!(param.kind, ParamKind::JsonText | ParamKind::Objects(_) | ParamKind::Object(_));
    Ok(Some(Value::String(match value.strip_prefix('@').filter(|_| takes_json) {
        Some(path) => contents(path.as_ref())?,
        None => value,
    })))
}

fn object(flag: &str, text: &str) -> Result<Map<String, Value>> {
    let refused = || {
        Error::invalid(
            format!("{flag} is not a JSON object."),
            "It is written like {\"url\": \"report.pdf\", \"pages\": \"0-2\"}.",
        )
    };
    serde_json::from_str(text).map_err(|_| refused())
}

fn contents(path: &std::path::Path) -> Result<String> {
    let shown = path.display();
    let unusable = |error: std::io::Error| {
        Error::new(
            Kind::FileAccess,
            format!("`{shown}` cannot be read: {}.", error.kind()),
            "Check the path; the file holds JSON as UTF-8 text.",
        )
    };
    let size = std::fs::metadata(path).map_err(unusable)?.len();
    if size > ARGUMENT_BYTES_MAX {
        return Err(Error::new(
            Kind::TooLarge,
            format!("`{shown}` has {size} bytes, more than arguments may have."),
            "Pass documents as --url instead.",
        ));
    }
    std::fs::read_to_string(path).map_err(unusable)
}

/// Submits, waits, and shows or saves the result.
///
/// # Errors
/// What ends the call before there is an outcome.
pub async fn run(session: &Session, mut args: CallArgs) -> Result<Report> {
    if let Some(batch) = with_inputs(&mut args)? {
        return batch::run(session, batch).await;
    }
    let caller = session.caller()?;
    if let Some(path) = &args.save_to {
        // CheckOutcome at before anything is paid for.
        caller.sandbox.target(Some(path), NOT_NAMED_YET, args.overwrite)?;
    }
    session.progress.label(args.operation.name);
    let shows_text = session.printer.is_human() && args.save_to.is_none() && !args.background;
    let request = SubmitRequest {
        operation: args.operation.name.to_owned(),
        arguments: args.arguments,
        wait: Some(if args.background { Duration::ZERO } else { args.timeout }),
        // A person's text is read below, where a failure to read is an error.
        read: if session.printer.is_human() || args.save_to.is_some() { Some(0) } else { args.read },
        save_to: None,
        client_request_id: args.client_request_id,
    };
    let mut answer = session.app.submit(&caller, request).await?;
    let job = record::job_of(session, &caller, &answer).await?;
    let mut saved = Vec::new();
    if let (Some(save_to), JobStatus::Success) = (&args.save_to, &job.status) {
        let download = session.app.download(&caller, job.id(), Some(save_to), args.overwrite).await;
        let files = download.map_err(|error| later(session, error, &format!("pdfco jobs download {}", job.id())))?;
        saved = record::saved_lines(&files);
        if let (Some(view), Some(files)) = (&mut answer.job, files.job) {
            view.outputs = files.outputs;
        }
    }
    let mut report = record::outcome(session, &answer, &job, args.timeout);
    if args.background {
        report.code = if job.status.is_terminal() { report.code } else { SUCCESS };
        report.problem = report.problem.filter(|_| report.code != SUCCESS);
        report.lines = record::head_lines(&job);
        report.lines.insert(1, format!("local id: {}", job.intent_id));
        report.notes.push(session.how(&format!("pdfco jobs wait {}", job.id())));
        return Ok(report);
    }
    report.lines = saved;
    if shows_text && job.status == JobStatus::Success {
        show_result(session, &caller, args.operation, &job, args.read, &mut report).await?;
    }
    Ok(report)
}

/// Turns patterns into files. Gives back a batch when there is more than one input for an operation that takes one.
fn with_inputs(args: &mut CallArgs) -> Result<Option<Batch>> {
    let takes_one = source_of(args.operation);
    let takes_many = args.operation.params().find(|param| param.kind == ParamKind::Sources);
    let Some(param) = takes_one.or(takes_many) else { return Ok(None) };
    let words: Vec<String> = match args.arguments.get(param.name) {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        // A list as JSON text is a list.
        Some(Value::String(word)) => serde_json::from_str(word).unwrap_or_else(|_| vec![word.clone()]),
        _ => return Ok(None),
    };
    if takes_one.is_none() {
        // All of them are inputs of one job, as often as they are named.
        let mut inputs = Vec::new();
        for word in &words {
            inputs.extend(expanded(std::slice::from_ref(word))?.0);
        }
        if inputs != words {
            args.arguments.insert(param.name.to_owned(), Value::from(inputs));
        }
        return Ok(None);
    }
    let (inputs, had_pattern) = expanded(&words)?;
    let is_batch = words.len() > 1 || had_pattern || args.resume || args.at_once.is_some();
    if !is_batch {
        return Ok(None);
    }
    if args.client_request_id.is_some() {
        return Err(Error::invalid(
            "--client-request-id is the id of one request, and a batch has several.",
            "Leave it out: --resume finds what each input has been paid for.",
        ));
    }
    if args.read.is_some() {
        return Err(Error::invalid(
            "--read shows the text of one result, and a batch has several.",
            "Add --save-to with a folder, or read each with `pdfco jobs read`.",
        ));
    }
    let mut arguments = args.arguments.clone();
    arguments.shift_remove(param.name);
    Ok(Some(Batch {
        operation: args.operation,
        param: param.name,
        inputs,
        arguments,
        at_once: usize::from(args.at_once.unwrap_or(AT_ONCE)),
        resume: args.resume,
        background: args.background,
        timeout: args.timeout,
        save_to: args.save_to.clone(),
        overwrite: args.overwrite,
    }))
}

/// What a person gets of a success: the text, else the links, else the service's own words.
async fn show_result(
    session: &Session,
    caller: &Caller,
    operation: &Operation,
    job: &Job,
    read: Option<u64>,
    report: &mut Report,
) -> Result<()> {
    let results = job.results();
    let is_text = matches!(operation.output, Output::Text(_) | Output::Inline)
        && (!results.links.is_empty() || results.inline.is_some());
    if is_text || (results.links.is_empty() && results.inline.is_some()) {
        let text = jobs::text(session, caller, job.id(), 0, read, 0).await;
        let (text, rest) = text.map_err(|error| later(session, error, &format!("pdfco jobs read {}", job.id())))?;
        report.text = Some(text);
        report.notes.extend(rest.map(|next| session.how(&format!("pdfco jobs read {} --offset {next}", job.id()))));
    } else if results.links.is_empty() {
        report.text = job.content.as_ref().map(|content| format!("{content:#}"));
    } else {
        report.lines = results.links.iter().map(|link| link.expose().to_owned()).collect();
        let save = format!("pdfco jobs download {}", job.id());
        report.notes.push(if session.is_simulated() {
            "Add --save-to PATH to save the result.".to_owned()
        } else {
            session.how(&save)
        });
    }
    Ok(())
}

/// The job succeeded and only its result did not come: says how to get it without paying again.
fn later(session: &Session, error: Error, command: &str) -> Error {
    let hint = error.hint().clone().and(format!(" The job itself succeeded. {}", session.how(command)));
    error.with_hint(hint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog;

    fn parsed(line: &[&str]) -> std::result::Result<CallArgs, String> {
        let operation = catalog::find(line[0]).unwrap();
        let tree = Command::new("pdfco").subcommand(command(Some(Named { operation, typed: line[0] })));
        let matches =
            tree.try_get_matches_from(["pdfco", "call"].iter().chain(line)).map_err(|error| error.to_string())?;
        read(operation, &matches).map_err(|error| error.to_string())
    }

    fn arguments(line: &[&str]) -> Value {
        Value::Object(parsed(line).unwrap().arguments)
    }

    #[test]
    fn every_flag_of_every_operation_is_read_back_under_every_spelling() {
        for operation in catalog::all() {
            for param in operation.params() {
                for name in hidden_names(param).into_iter().chain([flag_name(param.name)]) {
                    let flag = format!("--{name}=1");
                    assert_eq!(
                        arguments(&[operation.name, &flag]),
                        json!({param.name: "1"}),
                        "{} {flag}",
                        operation.name
                    );
                }
            }
        }
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_json() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"LANG": "file", "Pages": "file"}"#).unwrap();
        let path = file.path().to_str().unwrap();
        let json = r#"{"url": "json", "lang": "json", "pages": "json"}"#;
        let said = arguments(&["pdf-to-text", "--pages", "flag", "--args-file", path, "--args-json", json]);
        assert_eq!(said, json!({"url": "json", "lang": "file", "pages": "flag"}));
    }

    #[test]
    fn sources_take_several_values_and_switches_none_or_one() {
        for line in [&["pdf-merge", "--url", "a.pdf", "b.pdf"][..], &["pdf_merge", "--url", "a.pdf", "--url", "b.pdf"]]
        {
            assert_eq!(arguments(line), json!({"url": ["a.pdf", "b.pdf"]}));
        }
        assert_eq!(arguments(&["pdf-to-csv", "--unwrap", "--url", "a"]), json!({"url": "a", "unwrap": "true"}));
        assert_eq!(arguments(&["pdf-to-csv", "--unwrap=false", "--url", "a"]), json!({"url": "a", "unwrap": "false"}));
    }

    #[test]
    fn json_may_stand_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"TrimSpaces": true}"#).unwrap();
        let at = format!("@{}", file.path().display());
        assert_eq!(arguments(&["pdf-to-text", "--profiles", &at]), json!({"profiles": "{\"TrimSpaces\": true}"}));
        assert!(parsed(&["pdf-to-text", "--profiles", "@/no/such/file"]).unwrap_err().contains("file_access"));
        assert_eq!(arguments(&["pdf-to-text", "--pages", "@x"]), json!({"pages": "@x"}));
    }

    #[test]
    fn words_that_contradict_each_other_are_refused() {
        for line in [
            &["pdf-to-text", "--wait", "--background"][..],
            &["pdf-to-text", "--args-json", "[1]"],
            &["pdf-to-text", "--timeout", "-1"],
            &["pdf-to-text", "--page", "1"],
            &["pdf-to-text", "--overwrite"],
        ] {
            assert!(parsed(line).is_err(), "{line:?}");
        }
        assert_eq!(parsed(&["pdf-to-text", "--timeout", "0"]).unwrap().timeout, A_YEAR);
    }
}
