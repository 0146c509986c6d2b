//! From parsed flags to the arguments of a call.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use serde_json::{Map, Value};

use super::flags::{ID_PREFIX, source_of};
use crate::catalog::{Operation, Param, ParamKind};
use crate::cli::stdin::read_text;
use crate::cli::value_parsers::A_YEAR;
use crate::error::{Error, Result};
use crate::text::without_mark;

/// The arguments of a call.
#[derive(Debug)]
pub struct CallArgs {
    /// What to run.
    pub operation: &'static Operation,
    /// Its arguments in any accepted spelling.
    pub arguments: Map<String, Value>,
    /// Submit and do not wait.
    pub background: bool,
    /// The longest wait.
    pub timeout: Duration,
    /// Most characters of text to show.
    pub read: Option<u64>,
    /// Where to save the result.
    pub save_to: Option<String>,
    /// Replace a file.
    pub overwrite: bool,
    /// The caller's id for the request.
    pub client_request_id: Option<String>,
    /// How many inputs run at once, if said.
    pub at_once: Option<u16>,
    /// Skip what is done.
    pub resume: bool,
    /// Say what it would cost, and do nothing.
    pub dry_run: bool,
    /// The person agrees to the price.
    pub yes: bool,
}

/// The arguments that the second parse found. Later wins: --args-json, --args-file, single flags.
///
/// # Errors
/// `invalid_argument` for what is no JSON object, `file_access` for a file that cannot be read.
pub fn read(operation: &'static Operation, matches: &ArgMatches) -> Result<CallArgs> {
    let found = matches.subcommand_matches("call").and_then(|call| call.subcommand());
    let (_, said) = found.ok_or_else(|| Error::internal("A command line was parsed twice with different results."))?;
    let text = |name: &str| said.get_one::<String>(name).cloned();
    let mut arguments = Map::new();
    if let Some(json) = text("args-json") {
        // A file may begin with a byte order mark, and a shell hands it on.
        merge(operation, &mut arguments, object("--args-json", without_mark(&json))?);
    }
    if let Some(path) = said.get_one::<PathBuf>("args-file") {
        merge(operation, &mut arguments, object("--args-file", &read_text(path)?)?);
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
        dry_run: said.get_flag("dry-run"),
        yes: said.get_flag("yes"),
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
    let is_list = || serde_json::from_str::<Vec<String>>(&value).is_ok();
    if param.kind == ParamKind::Sources && !is_list() {
        // One value is one document, whatever commas are in its name.
        return Ok(Some(Value::from(vec![value])));
    }
    let takes_json = matches!(param.kind, ParamKind::JsonText | ParamKind::Objects(_) | ParamKind::Object(_));
    Ok(Some(Value::String(match value.strip_prefix('@').filter(|_| takes_json) {
        Some(path) => read_text(Path::new(path))?,
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

#[cfg(test)]
mod tests {
    use clap::Command;
    use serde_json::json;

    use super::super::flags::{Named, command};
    use super::*;
    use crate::catalog;
    use crate::cli::names::{flag_name, hidden_names};

    fn parsed(line: &[&str]) -> std::result::Result<CallArgs, String> {
        let operation = catalog::find(line[0]).unwrap();
        let tree = Command::new("pdfco").subcommand(command(Some(Named { operation, typed: line[0] })));
        let matches =
            tree.try_get_matches_from(["pdfco", "call"].iter().chain(line)).map_err(|error| error.to_string())?;
        read(operation, &matches).map_err(|error| error.to_string())
    }

    fn expected(param: &Param) -> Value {
        if param.kind == ParamKind::Sources { json!({param.name: ["1"]}) } else { json!({param.name: "1"}) }
    }

    fn arguments(line: &[&str]) -> Value {
        Value::Object(parsed(line).unwrap().arguments)
    }

    #[test]
    fn every_flag_is_read_back_under_every_spelling() {
        for operation in catalog::all() {
            for param in operation.params() {
                for name in hidden_names(param).into_iter().chain([flag_name(param.name)]) {
                    let flag = format!("--{name}=1");
                    assert_eq!(arguments(&[operation.name, &flag]), expected(param), "{} {flag}", operation.name);
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
    fn a_comma_in_a_name_does_not_make_two_documents() {
        assert_eq!(arguments(&["pdf-merge", "--url", "Smith, John.pdf"]), json!({"url": ["Smith, John.pdf"]}));
        assert_eq!(arguments(&["pdf-merge", "--url", r#"["a", "b"]"#]), json!({"url": r#"["a", "b"]"#}));
    }

    #[test]
    fn a_byte_order_mark_before_the_arguments_is_no_argument() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let utf16: Vec<u8> = "\u{feff}{\"url\": \"ä.pdf\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in ["\u{feff}{\"url\": \"ä.pdf\"}".as_bytes().to_vec(), utf16] {
            std::fs::write(file.path(), bytes).unwrap();
            assert_eq!(arguments(&["pdf-to-text", "--args-file", path]), json!({"url": "ä.pdf"}));
        }
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
