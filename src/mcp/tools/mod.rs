//! The tools about jobs, files and the catalog: one file each, with schema, defaults, description and handler.
//!
//! A new tool is a file here, its `mod` line and its row in [`ALL`].

mod cancel_job;
mod declaration;
mod describe_operation;
mod download_result;
mod get_credit_balance;
mod get_job_check;
pub mod job_card;
mod list_jobs;
mod list_operations;
mod read_result;
mod submit_job;
mod upload_file;
mod wait_job_completion;

use std::sync::Arc;

use serde_json::{Map, Value};

pub use declaration::{Handler, Hints, JobTool, RemoteForm, Shape};

use crate::answer::Answer;
use crate::app::{App, Caller, policy};
use crate::catalog::{self, Operation, Run, nearest};
use crate::error::Result;
use crate::next_step::Audience;

/// Every job tool, in the order in which they are listed.
pub static ALL: &[&JobTool] = &[
    &submit_job::TOOL,
    &wait_job_completion::TOOL,
    &get_job_check::TOOL,
    &read_result::TOOL,
    &download_result::TOOL,
    &upload_file::TOOL,
    &list_jobs::TOOL,
    &cancel_job::TOOL,
    &list_operations::TOOL,
    &describe_operation::TOOL,
    &get_credit_balance::TOOL,
];

/// Tools that the model does not see: the job card calls them.
static UNLISTED: &[&JobTool] = &[&job_card::TOOL];

/// A tool by name: one of [`ALL`], or an operation.
#[derive(Clone, Copy, Debug)]
pub enum Found {
    /// About jobs, files or the catalog.
    Job(&'static JobTool),
    /// An operation of the service.
    Operation(&'static Operation),
}

impl Found {
    /// The name in the list, whatever alias was used.
    pub fn name(self) -> &'static str {
        match self {
            Found::Job(tool) => tool.name,
            Found::Operation(operation) => operation.name,
        }
    }

    /// How its answers are shown.
    pub fn shape(self) -> Shape {
        match self {
            Found::Job(tool) => tool.shape,
            Found::Operation(_) => Shape::Structured,
        }
    }

    /// Whether a call may create a job.
    pub fn submits(self) -> bool {
        match self {
            Found::Job(tool) => tool.submits,
            Found::Operation(_) => true,
        }
    }

    /// Whether a call may wait for a job, and so be answered with a task.
    pub fn takes_tasks(self) -> bool {
        match self {
            Found::Job(tool) => tool.takes_tasks,
            Found::Operation(operation) => operation.run == Run::Job,
        }
    }

    /// Whether a read-only server refuses it.
    pub fn spends_or_writes(self) -> bool {
        match self {
            Found::Job(tool) => tool.spends_or_writes,
            Found::Operation(operation) => policy::spends_or_writes(operation),
        }
    }

    /// The first argument of `given` with which the tool would spend or write, though it does not without.
    pub fn argument_that_spends_or_writes(self, given: &Map<String, Value>) -> Option<&'static str> {
        let Found::Job(tool) = self else { return None };
        let is_given = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
        let mut withheld = tool.params.iter().filter(|param| tool.not_read_only.contains(&param.name));
        let found = withheld.find(|param| given.iter().any(|(name, value)| param.answers_to(name) && is_given(value)));
        found.map(|param| param.name)
    }
}

/// The tool that answers to `name`, listed or not.
pub fn find(name: &str) -> Option<Found> {
    let job_tool = ALL.iter().chain(UNLISTED).find(|tool| tool.name == name || tool.aliases.contains(&name));
    match job_tool {
        Some(tool) => Some(Found::Job(tool)),
        None => catalog::all().find(|operation| operation.answers_to(name)).map(Found::Operation),
    }
}

/// Calls a tool. An operation takes its own arguments, and those of submit_job about waiting, reading and saving.
///
/// # Errors
/// What the use case says.
pub async fn call(app: &Arc<App>, caller: &Caller, found: Found, given: Map<String, Value>) -> Result<Answer> {
    match found {
        Found::Job(JobTool { handler: Handler::Keyless(run), .. }) => run(app, given),
        Found::Job(JobTool { handler: Handler::Keyed(run), .. }) => run(app, caller, given).await,
        Found::Operation(operation) => submit_job::run_operation(app, caller, operation, given).await,
    }
}

/// The other form of a tool over HTTP, where it has one.
pub fn remote_form(name: &str) -> Option<&'static RemoteForm> {
    [(upload_file::TOOL.name, &upload_file::REMOTE), (download_result::TOOL.name, &download_result::REMOTE)]
        .into_iter()
        .find_map(|(known, form)| (known == name).then_some(form))
}

/// Words in the names of tools about jobs, which no operation's name is about.
const JOB_WORDS: &[&str] = &[
    "job",
    "jobs",
    "result",
    "results",
    "status",
    "wait",
    "cancel",
    "balance",
    "credit",
    "credits",
    "operations",
    "upload",
];

/// Words that stand for one in the name of a tool.
const SYNONYMS: &[(&str, &str)] = &[
    ("status", "check"),
    ("state", "check"),
    ("poll", "check"),
    ("text", "read"),
    ("save", "download"),
    ("run", "submit"),
];

/// Longest part of a wrong name that is compared.
const TOOL_NAME_CHARS_MAX: usize = 100;

/// The message for a name that no tool answers to: the nearest tools, or for what sounds like an operation what the
/// catalog has.
pub fn unknown_tool(name: &str) -> String {
    let shown = crate::text::shorten(name, 60);
    let is_about_jobs = name.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|word| JOB_WORDS.contains(&word));
    let near = nearest_tools(name);
    let is_tool = near.iter().any(|tool| joined(tool).starts_with(&joined(name)));
    match catalog::find(name).err() {
        Some(error) if !is_about_jobs && !is_tool => {
            let hint = error.hint().text(Audience::Agent);
            format!("There is no tool named `{shown}`. {hint} submit_job runs an operation by its name.")
        }
        _ if near.is_empty() => format!("There is no tool named `{shown}`. tools/list shows all."),
        _ => format!("There is no tool named `{shown}`. Did you mean {}?", near.join(" or ")),
    }
}

/// The letters and digits of a name.
fn joined(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(TOOL_NAME_CHARS_MAX).collect()
}

/// The tools whose names share most words with `name`, else those that are spelt alike.
fn nearest_tools(name: &str) -> Vec<&'static str> {
    let words = |text: &str| -> Vec<String> {
        let text: String = text.chars().take(TOOL_NAME_CHARS_MAX).collect();
        text.to_lowercase().split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect()
    };
    let telling = words(name).into_iter().filter(|word| !matches!(word.as_str(), "" | "get" | "for"));
    let asked: Vec<String> = telling
        .map(|word| match SYNONYMS.iter().find(|(synonym, _)| *synonym == word) {
            Some((_, own)) => (*own).to_owned(),
            None => word,
        })
        .collect();
    let alike = nearest(name, ALL.iter().map(|tool| tool.name), ALL.len());
    // Half of the tools are about jobs by their names: every other word says more.
    let weight = |word: &str| if matches!(word, "job" | "jobs") { 1 } else { 2 };
    let shared =
        |tool: &str| -> usize { words(tool).iter().filter(|word| asked.contains(word)).map(|word| weight(word)).sum() };
    let likeness = |tool: &str| alike.iter().position(|near| *near == tool).unwrap_or(ALL.len());
    let mut ranked: Vec<(usize, usize, &'static str)> =
        ALL.iter().map(|tool| (shared(tool.name), likeness(tool.name), tool.name)).collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let most = ranked.first().map_or(0, |(shared, ..)| *shared);
    let is_near = |(shared, place, _): &(usize, usize, &str)| *shared == most && (most > 0 || *place < ALL.len());
    ranked.into_iter().filter(is_near).map(|(.., tool)| tool).take(2).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::arguments::coerce;

    #[test]
    fn every_tool_is_described_in_full() {
        assert!(ALL.len() <= 12);
        for tool in ALL {
            assert!(tool.description.len() <= 1_200 && tool.description.ends_with('.'), "{}", tool.name);
            assert!(!tool.title.is_empty() && tool.name.len() <= 40, "{}", tool.name);
            assert!(!(tool.hints.read_only && (tool.hints.destructive || tool.spends_or_writes)), "{}", tool.name);
            for name in tool.not_read_only {
                assert!(tool.params.iter().any(|param| param.name == *name), "{}: {name}", tool.name);
            }
        }
    }

    #[test]
    fn wrong_names_lead_to_the_right_tool() {
        for (name, expected) in [
            ("pdf_to_word", "pdf_to_html"),
            ("watermark_pdf", "pdf_add_annotations_images_fields"),
            ("unlock_pdf", "pdf_remove_password"),
            ("merge_pdfs", "pdf_merge"),
            ("pdf-to-txt", "pdf_to_text"),
            ("get_jobs", "list_jobs"),
            ("wait_for_job", "wait_job_completion"),
            ("check_job_status", "get_job_check"),
            ("get_result", "read_result"),
            ("get_job_result", "read_result"),
            ("job_status", "get_job_check"),
            ("poll_job", "get_job_check"),
            ("save_result", "download_result"),
            ("run_job", "submit_job"),
            ("credit_balance", "get_credit_balance"),
            ("download", "download_result"),
            ("describe", "describe_operation"),
            ("submitjob", "submit_job"),
        ] {
            let message = unknown_tool(name);
            assert!(message.contains(expected), "{name}: {message}");
        }
        assert!(unknown_tool(&"x".repeat(100_000)).len() < 500);
    }

    #[test]
    fn every_default_has_its_arguments_type() {
        for param in ALL.iter().flat_map(|tool| tool.params) {
            if let Some(default) = param.default {
                assert!(coerce(&param.kind, &json!(default)).is_ok(), "{}: {default}", param.name);
            }
        }
    }

    #[test]
    fn no_tool_and_no_operation_share_a_name() {
        for tool in ALL {
            for name in std::iter::once(&tool.name).chain(tool.aliases) {
                assert!(!catalog::all().any(|operation| operation.answers_to(name)), "{name}");
                let answering = ALL.iter().filter(|other| other.name == *name || other.aliases.contains(name));
                assert_eq!(answering.count(), 1, "{name}");
            }
        }
    }
}
