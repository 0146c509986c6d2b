//! What to do next: a typed hint that each interface renders in its own words.
//!
//! An error or an answer says what to do without knowing who reads it. An assistant has tools, a person at a shell has
//! commands, a reader of the page of jobs has what stands on it; [`Hint::text`] gives each theirs.

use std::borrow::Cow;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::text::{flag_name, shell_word};

/// The MCP tool that waits for a job.
pub const WAIT_TOOL: &str = "wait_job_completion";

/// The flags of this process's command line that the next command needs as well to find the same jobs.
static SHELL_FLAGS: OnceLock<String> = OnceLock::new();

/// Has commands in hints end with `flags`, which begin with a space where there are some. A process has one command line,
/// so the first call counts; a server makes none.
pub fn end_commands_with(flags: &str) {
    SHELL_FLAGS.get_or_init(|| flags.to_owned());
}

/// Who reads a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// An assistant, which calls tools.
    Agent,
    /// A person or a script, who run commands.
    Shell,
    /// A reader of the page of jobs, who may have no command line.
    Page,
}

/// Something the reader can do or set, named by each interface in its own way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextStep {
    /// Submit an operation.
    Submit,
    /// Wait until this job has ended.
    WaitFor(String),
    /// Check this job once, for a charge.
    Check(String),
    /// Check this job once although an end state is recorded.
    CheckAgain(String),
    /// Show what is recorded of this job, for nothing.
    Show(String),
    /// Read the text of this job's result, from a character on.
    Read {
        /// The job.
        job_id: String,
        /// The first character; none for the beginning.
        offset: Option<u64>,
    },
    /// Save the result of this job.
    Download {
        /// The job.
        job_id: String,
        /// Where to, if that is known.
        save_to: Option<String>,
    },
    /// Save the result of the job in question, whichever it is.
    DownloadAny,
    /// Stop tracking this job.
    Cancel(String),
    /// List the jobs of this key.
    ListJobs,
    /// Show the balance of the account.
    Balance,
    /// Upload a file.
    Upload,
    /// List the operations, or those that match some words.
    ListOperations,
    /// Show the arguments of this operation.
    Describe(String),
    /// Show the arguments of the operation in question, whichever it is.
    DescribeAny,
    /// Name this operation.
    Operation(Cow<'static, str>),
    /// Find this field in the answer: named for a program, described for a person.
    Field {
        /// The field's name.
        name: Cow<'static, str>,
        /// What it holds, with an article.
        meaning: Cow<'static, str>,
    },
    /// Give this argument.
    Argument(Cow<'static, str>),
    /// Turn this argument on.
    Switch(Cow<'static, str>),
}

impl NextStep {
    /// The MCP tool that takes this step; none for what is said within a call.
    pub fn tool(&self) -> Option<&'static str> {
        Some(match self {
            NextStep::Submit => "submit_job",
            NextStep::WaitFor(_) => WAIT_TOOL,
            NextStep::Check(_) | NextStep::CheckAgain(_) | NextStep::Show(_) => "get_job_check",
            NextStep::Read { .. } => "read_result",
            NextStep::Download { .. } | NextStep::DownloadAny => "download_result",
            NextStep::Cancel(_) => "cancel_job",
            NextStep::ListJobs => "list_jobs",
            NextStep::Balance => "get_credit_balance",
            NextStep::Upload => "upload_file",
            NextStep::ListOperations => "list_operations",
            NextStep::Describe(_) | NextStep::DescribeAny => "describe_operation",
            NextStep::Operation(_) | NextStep::Field { .. } | NextStep::Argument(_) | NextStep::Switch(_) => {
                return None;
            }
        })
    }

    /// The job that it is about, if it is about one.
    fn job_id(&self) -> Option<&str> {
        match self {
            NextStep::WaitFor(id)
            | NextStep::Check(id)
            | NextStep::CheckAgain(id)
            | NextStep::Show(id)
            | NextStep::Cancel(id)
            | NextStep::Read { job_id: id, .. }
            | NextStep::Download { job_id: id, .. } => Some(id),
            NextStep::Submit
            | NextStep::DownloadAny
            | NextStep::ListJobs
            | NextStep::Balance
            | NextStep::Upload
            | NextStep::ListOperations
            | NextStep::Describe(_)
            | NextStep::DescribeAny
            | NextStep::Operation(_)
            | NextStep::Field { .. }
            | NextStep::Argument(_)
            | NextStep::Switch(_) => None,
        }
    }

    /// The words of `audience` for this step: a noun phrase that fits into a sentence.
    pub fn text(&self, audience: Audience) -> String {
        match audience {
            Audience::Agent => self.for_agent(),
            Audience::Shell => self.for_shell(),
            Audience::Page => self.for_page(),
        }
    }

    fn for_agent(&self) -> String {
        let tool = self.tool().unwrap_or_default();
        match self {
            NextStep::WaitFor(id) | NextStep::Check(id) | NextStep::Show(id) | NextStep::Cancel(id) => {
                format!("{tool} {id}")
            }
            NextStep::CheckAgain(id) => format!("{tool} {id} with force: true"),
            NextStep::Read { job_id, offset: None } | NextStep::Download { job_id, save_to: None } => {
                format!("{tool} {job_id}")
            }
            NextStep::Read { job_id, offset: Some(offset) } => format!("{tool} {job_id} with offset {offset}"),
            NextStep::Download { job_id, save_to: Some(path) } => format!("{tool} {job_id} with save_to `{path}`"),
            NextStep::Describe(operation) => format!("{tool} {operation}"),
            NextStep::Submit
            | NextStep::DownloadAny
            | NextStep::ListJobs
            | NextStep::Balance
            | NextStep::Upload
            | NextStep::ListOperations
            | NextStep::DescribeAny => tool.to_owned(),
            NextStep::Operation(name) => name.to_string(),
            NextStep::Field { name, .. } | NextStep::Argument(name) => format!("`{name}`"),
            NextStep::Switch(name) => format!("`{name}: true`"),
        }
    }

    fn for_shell(&self) -> String {
        let about_jobs = |command: &str| format!("`pdfco {command}{}`", SHELL_FLAGS.get().map_or("", String::as_str));
        match self {
            NextStep::Submit => "`pdfco call`".to_owned(),
            NextStep::WaitFor(id) => about_jobs(&format!("jobs wait {id}")),
            NextStep::Check(id) | NextStep::Show(id) => about_jobs(&format!("jobs show {id}")),
            NextStep::CheckAgain(id) => about_jobs(&format!("jobs show {id} --force")),
            NextStep::Read { job_id, offset: None } => about_jobs(&format!("jobs read {job_id}")),
            NextStep::Read { job_id, offset: Some(offset) } => {
                about_jobs(&format!("jobs read {job_id} --offset {offset}"))
            }
            NextStep::Download { job_id, save_to: None } => about_jobs(&format!("jobs download {job_id}")),
            NextStep::Download { job_id, save_to: Some(path) } => {
                about_jobs(&format!("jobs download {job_id} --save-to {}", shell_word(path)))
            }
            NextStep::DownloadAny => about_jobs("jobs download"),
            NextStep::Cancel(id) => about_jobs(&format!("jobs cancel {id}")),
            NextStep::ListJobs => about_jobs("jobs list"),
            NextStep::Balance => about_jobs("credits"),
            NextStep::Upload => about_jobs("files upload"),
            NextStep::ListOperations => "`pdfco operations`".to_owned(),
            NextStep::Describe(operation) => format!("`pdfco call {} --help`", operation.replace('_', "-")),
            NextStep::DescribeAny => "`pdfco call OPERATION --help`".to_owned(),
            NextStep::Operation(name) => name.replace('_', "-"),
            NextStep::Field { meaning, .. } => meaning.to_string(),
            NextStep::Argument(name) | NextStep::Switch(name) => format!("--{}", flag_name(name)),
        }
    }

    fn for_page(&self) -> String {
        match self {
            NextStep::Submit => "a new request".to_owned(),
            NextStep::WaitFor(id) | NextStep::Check(id) | NextStep::CheckAgain(id) => format!("a check of job {id}"),
            NextStep::Show(id) | NextStep::Read { job_id: id, .. } => format!("the page of job {id}"),
            NextStep::Download { job_id, .. } => format!("a link on the page of job {job_id}"),
            NextStep::DownloadAny => "a link on the job's page".to_owned(),
            NextStep::Cancel(id) => format!("cancelling job {id}"),
            NextStep::ListJobs => "the list of jobs".to_owned(),
            NextStep::Balance => "the balance of the account".to_owned(),
            NextStep::Upload => "an upload".to_owned(),
            NextStep::ListOperations => "the list of operations".to_owned(),
            NextStep::Describe(operation) => format!("the description of {operation}"),
            NextStep::DescribeAny => "the operation's description".to_owned(),
            NextStep::Operation(name) => name.to_string(),
            NextStep::Field { meaning, .. } => meaning.to_string(),
            NextStep::Argument(name) | NextStep::Switch(name) => format!("`{name}`"),
        }
    }
}

/// Sentences with steps in them. Made with [`hint!`](crate::hint), or from plain text that names no step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Hint(Vec<Part>);

/// A hint as it was stored; earlier versions stored the text for one reader.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Text(String),
    Parts(Vec<Part>),
}

impl From<Stored> for Hint {
    fn from(stored: Stored) -> Hint {
        match stored {
            Stored::Text(text) => text.into(),
            Stored::Parts(parts) => Hint(parts),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Part {
    Text(Cow<'static, str>),
    // Named, because a step without a value would be stored as a text.
    Step {
        step: NextStep,
    },
    /// What an assistant reads, and what a person does.
    Either {
        agent: Cow<'static, str>,
        person: Cow<'static, str>,
    },
}

impl Hint {
    /// A hint without a word.
    pub const fn empty() -> Hint {
        Hint(Vec::new())
    }

    /// Words of which an assistant reads the first and a person the second: for what only one of them can do.
    pub fn either(agent: impl Into<Cow<'static, str>>, person: impl Into<Cow<'static, str>>) -> Hint {
        Hint(vec![Part::Either { agent: agent.into(), person: person.into() }])
    }

    /// Adds text or a step.
    #[must_use]
    pub fn and(mut self, part: impl Into<Hint>) -> Hint {
        self.0.extend(part.into().0);
        self
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The whole hint in the words of `audience`. For an assistant the id of a job stands once: ids are long.
    pub fn text(&self, audience: Audience) -> String {
        let mut named = None;
        let mut words = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => words.push_str(text),
                Part::Either { agent, .. } if audience == Audience::Agent => words.push_str(agent),
                Part::Either { person, .. } => words.push_str(person),
                Part::Step { step } => match step.job_id() {
                    Some(id) if audience == Audience::Agent && named == Some(id) => {
                        words.push_str(&step.text(audience).replacen(&format!(" {id}"), "", 1));
                    }
                    id => {
                        named = id.or(named);
                        words.push_str(&step.text(audience));
                    }
                },
            }
        }
        words
    }
}

impl From<&'static str> for Hint {
    fn from(text: &'static str) -> Hint {
        Hint(vec![Part::Text(Cow::Borrowed(text))])
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Hint {
        Hint(vec![Part::Text(Cow::Owned(text))])
    }
}

impl From<NextStep> for Hint {
    fn from(step: NextStep) -> Hint {
        Hint(vec![Part::Step { step }])
    }
}

/// A [`Hint`] from its parts, in order: text and steps.
///
/// ```
/// use pdfco::{hint, next_step::{Audience, NextStep}};
///
/// let hint = hint!["Try again, or see ", NextStep::ListJobs, "."];
/// assert_eq!(hint.text(Audience::Shell), "Try again, or see `pdfco jobs list`.");
/// ```
#[macro_export]
macro_rules! hint {
    ($($part:expr),+ $(,)?) => {
        $crate::next_step::Hint::empty()$(.and($part))+
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_audience_reads_its_own_words() {
        let hint = hint!["Call ", NextStep::WaitFor("job-1".into()), " with ", NextStep::Switch("force".into()), "."];
        assert_eq!(hint.text(Audience::Agent), "Call wait_job_completion job-1 with `force: true`.");
        assert_eq!(hint.text(Audience::Shell), "Call `pdfco jobs wait job-1` with --force.");
        assert_eq!(hint.text(Audience::Page), "Call a check of job job-1 with `force`.");
    }

    #[test]
    fn hints_survive_being_stored() {
        for step in [NextStep::Read { job_id: "j".into(), offset: Some(4) }, NextStep::ListJobs] {
            let hint = hint!["See ", step, "."];
            let stored = serde_json::to_string(&hint).unwrap();
            assert_eq!(serde_json::from_str::<Hint>(&stored).unwrap(), hint);
        }
    }
}
