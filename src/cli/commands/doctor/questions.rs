//! The questions of `pdfco doctor --service`, and how the jobs that are asked with answer them.

use serde_json::{Value, json};

use super::shape::{self, location_of_facts};
use crate::app::{Charging, DataLocation, ServiceFindings};
use crate::catalog::{Basis, CHECK_CREDITS, Operation};
use crate::jobs::{Job, JobStatus};

/// Assumed for an operation whose price is not published.
const UNKNOWN_CREDITS: i64 = 50;
/// Pages of the document.
const PAGES: i64 = 3;

/// A document that questions are asked with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    /// Three pages behind the password `letmein`.
    Pdf,
    /// Two sheets that say which they are.
    Workbook,
}

impl Document {
    pub(super) const ALL: [Document; 2] = [Document::Pdf, Document::Workbook];

    pub(super) fn name(self) -> &'static str {
        match self {
            Document::Pdf => "questions.pdf",
            Document::Workbook => "questions.xlsx",
        }
    }

    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            Document::Pdf => include_bytes!("../../../../fixtures/documents/questions.pdf"),
            Document::Workbook => include_bytes!("../../../../fixtures/documents/questions.xlsx"),
        }
    }

    fn pages(self) -> i64 {
        match self {
            Document::Pdf => PAGES,
            Document::Workbook => 1,
        }
    }
}

/// What a job of a question showed.
pub(super) struct Shown<'a> {
    pub(super) operation: &'static Operation,
    pub(super) job: &'a Job,
    /// Text of its result, where the question reads it.
    pub(super) text: Option<&'a str>,
}

/// An answer to a question.
pub(super) struct Found {
    pub(super) words: String,
    /// Whether it is what the product believes; `None` where it settles what was open, or nothing.
    pub(super) agrees: Option<bool>,
}

impl Found {
    fn settled(words: impl Into<String>) -> Found {
        Found { words: words.into(), agrees: None }
    }
}

/// One question, answered by the job of a step.
pub(super) struct Question {
    pub(super) title: &'static str,
    pub(super) believed: fn(&Operation) -> String,
    pub(super) found: fn(&Shown<'_>, &mut ServiceFindings) -> Found,
}

/// One job, and the questions that it answers.
pub(super) struct Step {
    pub(super) operation: &'static str,
    pub(super) arguments: fn() -> Value,
    pub(super) document: Document,
    /// Whether the text of its result is needed.
    pub(super) reads: bool,
    pub(super) questions: &'static [Question],
}

/// Two uploads, four submits and four checks: ten calls.
pub(super) const STEPS: &[Step] = &[
    Step {
        operation: "pdf_info_reader",
        arguments: || json!({"password": "letmein", "inline": true}),
        document: Document::Pdf,
        reads: false,
        questions: &[
            Question {
                title: "Where do the facts of pdf/info stand, with `inline`?",
                believed: |_| "inside the answer, or behind a link; both are read".to_owned(),
                found: |shown, findings| facts(shown, &mut findings.facts_with_inline),
            },
            Question {
                title: "What is a job of three pages charged?",
                believed: |operation| {
                    let unit = unit_price(operation);
                    format!("{unit} once, or {} per page: the service's pages disagree", unit * PAGES)
                },
                found: price,
            },
        ],
    },
    Step {
        operation: "pdf_info_reader",
        arguments: || json!({"password": "letmein", "inline": false}),
        document: Document::Pdf,
        reads: false,
        questions: &[
            Question {
                title: "Where do they stand without `inline`?",
                believed: |_| "behind a link to a JSON file".to_owned(),
                found: |shown, findings| facts(shown, &mut findings.facts_without_inline),
            },
            Question {
                title: "Does a job that ends well call back?",
                believed: |_| format!("yes, with the answer of a check; for {CHECK_CREDITS} credits at most"),
                found: callback,
            },
        ],
    },
    Step {
        operation: "pdf_info_reader",
        arguments: || json!({"password": "not-the-password"}),
        document: Document::Pdf,
        reads: false,
        questions: &[
            Question {
                title: "What does a job end in whose password is wrong?",
                believed: |_| "failed, with a reason".to_owned(),
                found: failure,
            },
            Question {
                title: "Does a job that fails call back?",
                believed: |_| "not known".to_owned(),
                found: callback,
            },
        ],
    },
    Step {
        operation: "excel_to_csv",
        arguments: || json!({"worksheetIndex": "1"}),
        document: Document::Workbook,
        reads: true,
        questions: &[Question {
            title: "Which sheet is worksheetIndex 1?",
            believed: |_| "the second: most sources count from 0".to_owned(),
            found: sheet,
        }],
    },
];

/// The price of a page or a call; what is assumed where none is published.
fn unit_price(operation: &Operation) -> i64 {
    operation.price.credits().map_or(UNKNOWN_CREDITS, i64::from)
}

/// The most that a step can cost: its job by the dearer model, and its one check.
pub(super) fn most(step: &Step, operation: &Operation) -> i64 {
    let pages = match operation.price.basis() {
        Some(Basis::Page) => step.document.pages(),
        Some(Basis::Call) | None => 1,
    };
    unit_price(operation) * pages + CHECK_CREDITS
}

fn facts(shown: &Shown<'_>, finding: &mut Option<DataLocation>) -> Found {
    if shown.job.status != JobStatus::Success {
        return Found::settled(format!("not known: the job ended as {}", shown.job.status));
    }
    let content = shown.job.content.clone().unwrap_or_default();
    *finding = location_of_facts(&content);
    let results = shown.job.results();
    let is_read = !results.links.is_empty() || results.inline.is_some();
    Found { words: shape::words_of(*finding).to_owned(), agrees: Some(is_read) }
}

fn price(shown: &Shown<'_>, findings: &mut ServiceFindings) -> Found {
    let (submit, check) = (shown.job.submit_credits, shown.job.check_credits);
    let of_checks = shown.job.checks_made.saturating_mul(CHECK_CREDITS);
    let later = check.map(|check| check.saturating_sub(of_checks).max(0));
    let said = |model: &str| {
        let shown = |credits: Option<i64>| credits.map_or_else(|| "?".to_owned(), |credits| credits.to_string());
        format!("{model}: {} at the submit, {} with the check", shown(submit), shown(check))
    };
    let unit = unit_price(shown.operation);
    let total = submit.zip(later).map(|(submit, later)| submit + later);
    // A callback may be charged like a check.
    let is_about = |wanted: i64| total.is_some_and(|total| (wanted..=wanted + CHECK_CREDITS).contains(&total));
    findings.charging = match (shown.job.status == JobStatus::Success, is_about(unit), is_about(unit * PAGES)) {
        (true, true, false) => Some(Charging::Once),
        (true, false, true) => Some(Charging::PerPage),
        _ => None,
    };
    match (findings.charging, total) {
        (Some(Charging::Once), _) => Found::settled(said("once")),
        (Some(Charging::PerPage), _) => Found::settled(said("per page")),
        (None, Some(_)) => Found { words: said("neither once nor per page"), agrees: Some(false) },
        (None, None) => Found::settled(said("not reported")),
    }
}

fn failure(shown: &Shown<'_>, findings: &mut ServiceFindings) -> Found {
    let status = &shown.job.status;
    let words = match shown.job.reason() {
        Some(reason) => format!("{status}, with a reason of {} characters", reason.chars().count()),
        None => format!("{status}, without a reason"),
    };
    findings.wrong_password = Some(status.as_str().to_owned());
    Found { words, agrees: Some(matches!(status, JobStatus::Failed | JobStatus::Aborted)) }
}

fn callback(shown: &Shown<'_>, findings: &mut ServiceFindings) -> Found {
    if !shown.job.has_callback {
        return Found::settled("not asked: without PDFCO_CALLBACK_URL the service cannot call this machine");
    }
    let came = shown.job.is_from_callback;
    match shown.job.status {
        JobStatus::Success => findings.callbacks = Some(came),
        _ => findings.callbacks_of_failures = Some(came),
    }
    match came {
        true => {
            let credits = shown.job.check_credits.map_or_else(|| "?".to_owned(), |credits| credits.to_string());
            Found { words: format!("it came, and {credits} credits were reported with it"), agrees: Some(true) }
        }
        false => Found { words: "none had come when the job was checked".to_owned(), agrees: Some(false) },
    }
}

fn sheet(shown: &Shown<'_>, findings: &mut ServiceFindings) -> Found {
    let text = shown.text.unwrap_or_default().to_lowercase();
    findings.first_sheet = match (text.contains("first sheet"), text.contains("second sheet")) {
        (true, false) => Some(1),
        (false, true) => Some(0),
        _ => None,
    };
    match findings.first_sheet {
        Some(0) => Found { words: "the second".to_owned(), agrees: Some(true) },
        Some(_) => Found { words: "the first".to_owned(), agrees: Some(false) },
        None => Found::settled(format!("not known: {}, and the result holds neither or both", shown.job.status)),
    }
}
