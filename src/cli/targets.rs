//! Where a result is saved: a file, a folder, or stdout. Whatever can be known of it is checked before anything is paid
//! for.

use std::path::{MAIN_SEPARATOR, Path};

use serde_json::{Map, Value};
use tempfile::TempDir;

use super::names::flag_name;
use super::session::CliSession;
use crate::answer::Answer;
use crate::app::Caller;
use crate::catalog::{Operation, Output, ParamKind, Run, media_types};
use crate::error::{Error, Kind, Result};
use crate::jobs::Job;
use crate::text::shell_word;

/// Stands for the result's name where a target is checked before there is a result.
const NOT_NAMED_YET: &str = "pdfco-result-that-has-no-name-yet";

/// Refuses a file or folder that nothing can be saved in, before there is a result.
///
/// # Errors
/// `file_access` with what is in the way.
pub fn refuse_unwritable(caller: &Caller, path: &str, overwrite: bool) -> Result<()> {
    let target = caller.sandbox.target_blocking(Some(path), NOT_NAMED_YET, overwrite);
    target.and_then(|target| target.refuse_unwritable_blocking()).map_err(|error| {
        // The folder is what is meant.
        let message = error.message().replace(&format!("{MAIN_SEPARATOR}{NOT_NAMED_YET}"), "");
        Error::new(error.kind(), message, error.hint().clone())
    })
}

/// The extension that the one result file of an operation will have, where the catalog declares it. Data is JSON.
pub fn extension_of(operation: &Operation) -> Option<&'static str> {
    match operation.output {
        Output::Text(mime) | Output::Binary(mime) => media_types::extension_of(mime),
        Output::Inline if operation.run != Run::Direct => Some("json"),
        Output::Many(_) | Output::Inline | Output::Nothing => None,
    }
}

/// What `--save-to` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `-`: the bytes of the result go to stdout.
    Stdout,
    /// A file or a folder.
    Path(String),
}

impl Target {
    /// Reads the value of `--save-to`.
    ///
    /// # Errors
    /// `invalid_argument` where stdout is asked for and already taken by JSON.
    pub fn parse(session: &CliSession, path: &str) -> Result<Target> {
        if path != "-" {
            return Ok(Target::Path(path.to_owned()));
        }
        if !session.printer.is_human() {
            return Err(Error::invalid(
                "`--save-to -` prints the result, and stdout is taken by JSON.",
                "Leave --json or --output out, or name a file. A file named `-` is ./-",
            ));
        }
        Ok(Target::Stdout)
    }

    /// The command that saves the result of this job there.
    pub fn command_for(&self, job_id: &str) -> String {
        let path = match self {
            Target::Stdout => "-",
            Target::Path(path) => path,
        };
        format!("pdfco jobs download {job_id} --save-to {}", shell_word(path))
    }

    /// Whether the result goes to stdout.
    pub fn is_stdout(&self) -> bool {
        *self == Target::Stdout
    }

    /// Checks before the submit that the result can be saved there, as far as that can be known.
    ///
    /// # Errors
    /// `file_access` for a target that cannot be written or exists already; `invalid_argument` for one file where the
    /// operation gives several.
    pub fn check_before_submit(
        &self,
        caller: &Caller,
        operation: &Operation,
        arguments: &Map<String, Value>,
        overwrite: bool,
    ) -> Result<()> {
        let gives_several = matches!(operation.output, Output::Many(_)) && !is_one_page(operation, arguments);
        let Target::Path(path) = self else {
            return if gives_several { Err(several_for_stdout()) } else { Ok(()) };
        };
        if gives_several && looks_like_file(path) {
            return Err(Error::invalid(
                format!("`{path}` names one file, and {} gives several.", flag_name(operation.name)),
                format!("Nothing was submitted. Name a folder, such as --save-to {}{MAIN_SEPARATOR}", stem_of(path)),
            ));
        }
        refuse_unwritable(caller, path, overwrite)?;
        if let Output::Many(mime) = operation.output
            && !overwrite
            && let Some(name) = media_types::extension_of(mime).and_then(|end| named(operation, arguments, end))
        {
            let folder = format!("{}{MAIN_SEPARATOR}", path.trim_end_matches(['/', MAIN_SEPARATOR]));
            caller.sandbox.target_blocking(Some(&folder), &name, true)?.refuse_parts_blocking()?;
        }
        if is_folder(path)
            && !gives_several
            && let Some(name) = name_of_result(operation, arguments)
        {
            caller.sandbox.target_blocking(Some(path), &name, overwrite)?;
        }
        Ok(())
    }

    /// Saves or prints the result of a job that succeeded.
    ///
    /// # Errors
    /// As `App::download`; `invalid_argument` for several files on stdout.
    pub async fn save(&self, session: &CliSession, caller: &Caller, job: &Job, overwrite: bool) -> Result<Answer> {
        match self {
            Target::Path(path) => session.app.download(caller, job.id(), Some(path), overwrite).await,
            Target::Stdout => print(session, job).await,
        }
    }
}

/// Prints the one file of a result. It is downloaded first, so that stdout gets all of it or nothing.
async fn print(session: &CliSession, job: &Job) -> Result<Answer> {
    if job.results().links.len() > 1 {
        return Err(several_for_stdout());
    }
    let folder = scratch_folder()?;
    let caller = session.caller_with_folder(Some(folder.path()))?;
    let path = folder.path().join("result");
    let answer = session.app.download(&caller, job.id(), path.to_str(), true).await?;
    // The file is about to go: the ledger keeps what it knew before.
    session.app.jobs().ledger().saved(&job.intent_id, &job.saved_to).await?;
    let copied = std::fs::File::open(&path).and_then(|mut file| session.printer.copy(&mut file));
    copied.map_err(|error| {
        Error::new(
            Kind::FileAccess,
            format!("The result cannot be copied to stdout: {}.", error.kind()),
            "Name a file: --save-to FILE",
        )
    })?;
    Ok(answer)
}

fn several_for_stdout() -> Error {
    Error::invalid("The result has several files, and there is one stdout.", "Name a folder: --save-to out/")
}

/// A folder among the temporary files, removed with the value.
///
/// # Errors
/// `file_access` when there is no room for one.
pub fn scratch_folder() -> Result<TempDir> {
    tempfile::Builder::new().prefix("pdfco-").tempdir().map_err(|error| {
        Error::new(
            Kind::FileAccess,
            format!("There is no folder for temporary files: {}.", error.kind()),
            "Make room among the temporary files (TMPDIR).",
        )
    })
}

fn is_folder(path: &str) -> bool {
    path.ends_with(['/', MAIN_SEPARATOR]) || Path::new(path).is_dir()
}

/// Whether a path is meant as one file: it has the extension of a type of files and is no folder.
pub fn looks_like_file(path: &str) -> bool {
    !is_folder(path) && media_types::of_name(path).is_some()
}

/// A path without the extension of its last part.
pub fn stem_of(path: &str) -> String {
    Path::new(path).with_extension("").display().to_string()
}

/// Whether the arguments name a single page, so that even a splitting operation gives one file.
fn is_one_page(operation: &Operation, arguments: &Map<String, Value>) -> bool {
    let Some(pages) = operation.param("pages").and_then(|param| arguments.get(param.name)) else { return false };
    let text = pages.as_str().map_or_else(|| pages.to_string(), str::to_owned);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The name that the result will have in a folder, where it is certain: the `name` argument, else that of the document,
/// with the extension of the operation.
fn name_of_result(operation: &Operation, arguments: &Map<String, Value>) -> Option<String> {
    named(operation, arguments, extension_of(operation)?)
}

/// The `name` argument, else the name of the document, with `extension`.
fn named(operation: &Operation, arguments: &Map<String, Value>, extension: &str) -> Option<String> {
    let text = |name: &str| {
        let param = operation.param(name)?;
        arguments.get(param.name)?.as_str().map(str::to_owned)
    };
    if let Some(name) = text("name") {
        let has_extension = Path::new(&name).extension().is_some();
        return Some(if has_extension { name } else { format!("{name}.{extension}") });
    }
    let source = operation.params().find(|param| param.kind == ParamKind::Source)?;
    let document = arguments.get(source.name)?.as_str()?;
    let stem = super::inputs::stems(&[document.to_owned()]).pop()?;
    Some(format!("{stem}.{extension}"))
}
