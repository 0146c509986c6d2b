//! Hints in a person's words: commands instead of tools.

use serde_json::{Value, json};

use crate::error::Error;
use crate::next_step::{Audience, Hint};

/// An error for programs that call this one.
pub fn error_for_shell(error: &Error) -> Value {
    let mut public = error.to_json(Audience::Shell);
    if let Some(fields) = public.as_object_mut() {
        fields.insert("hint".to_owned(), json!(in_shell_words(error.hint())));
    }
    public
}

/// Hints are written for assistants, who have tools; a person has commands.
pub fn in_shell_words(hint: &Hint) -> String {
    const WORDS: &[(&str, &str)] = &[
        // The reason stands in the line above.
        ("The work failed; the reason is in `content`. ", ""),
        ("Its answer is in `content` of get_job_check.", "`pdfco jobs show --json` has its answer in data.content."),
        ("Pass content.url as `url` of a call.", "Pass the link as --url of a call."),
        ("`client_request_id`", "--client-request-id"),
        ("`expiration`", "--expiration"),
        ("list_operations (`pdfco operations`)", "`pdfco operations`"),
        ("`overwrite: true`", "--overwrite"),
        (" (or pass `api_key`)", ""),
        ("Call wait_job_completion with job_id ", "Run: pdfco jobs wait "),
        ("do not loop on get_job_check, each look costs credits", "each look costs credits"),
        (" with offset ", " --offset "),
        (" with force: true looks", " looks"),
        ("wait_job_completion", "pdfco jobs wait"),
        ("get_job_check", "pdfco jobs show"),
        ("download_result", "pdfco jobs download"),
        ("read_result", "pdfco jobs read"),
        ("list_jobs", "`pdfco jobs list`"),
        ("cancel_job", "pdfco jobs cancel"),
        ("get_credit_balance", "`pdfco credits`"),
        ("list_operations", "`pdfco operations`"),
        ("describe_operation", "`pdfco call <operation> --help`"),
        ("submit_job", "`pdfco call`"),
        ("upload_file", "`pdfco files upload`"),
    ];
    WORDS.iter().fold(hint.text(Audience::Shell), |text, (tool, command)| text.replace(tool, command))
}
