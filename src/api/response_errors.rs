//! Which answers are errors, and what each documented code means.
//!
//! [`failure`] turns every shape of an error that the service has been seen to answer into ours. The shape that ends a
//! job when it comes as the answer to a check is recognized by [`is_failed_job`].

use std::time::Duration;

use serde_json::Value;

use super::shape::{code_in_words, error_code, job_id_field, nested_error, says_success};
pub use super::shape::{is_error, message_in, message_of};
use crate::error::{Error, Kind};
use crate::hint;
use crate::json_ext::field;
use crate::next_step::{Hint, NextStep};
use crate::text::shorten;

/// What a request is about, which decides how some answers read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseContext {
    /// A job of unknown origin: an answer that states its state is not an error.
    Job,
    /// A job whose id the service gave itself: a question about it that is refused speaks of the job.
    OwnJob,
    /// A document: a 403 speaks of its link.
    Document,
    /// The account or the storage.
    Account,
}

/// The words that `job/check` is documented to answer. A body that carries one of them is a job's state, whatever its
/// `error` field says about the job.
const JOB_WORDS: &[&str] = &["working", "success", "failed", "aborted", "unknown"];
/// Codes that speak of the document, its password, pages or time: they end the job, not the question.
const DOCUMENT_CODES: std::ops::RangeInclusive<i64> = 441..=454;
/// Longest part of the service's own words that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 500;

/// The error that an answer states, if any: HTTP status first, then `errorCode`, then a numeric `status`, then
/// `error` (`true`, or the message itself) on HTTP 200. `body` is already free of secrets.
pub fn failure(
    status: u16,
    body: Option<&Value>,
    retry_after: Option<Duration>,
    context: ResponseContext,
) -> Option<Error> {
    let empty = Value::Null;
    let body = body.unwrap_or(&empty);
    let code = failure_code(status, body, context)?;
    let said = message_of(body).map(|text| shorten(text.trim(), MESSAGE_CHARS_MAX));
    let explanation = explain(code, context, said.as_deref());
    let message = match said {
        Some(said) => sentence(format!("{} (code {code}): {said}", explanation.meaning)),
        None => format!("{} (code {code}).", explanation.meaning),
    };
    let mut error = Error::new(explanation.kind, message, (explanation.hint)()).with_retry_after(retry_after);
    if body.is_object() {
        error = error.with_upstream(body.clone());
    }
    Some(error)
}

/// What to do about a job that ended for a reason that the service documents: a password, permissions, pages, a timeout.
pub fn document_hint(body: &Value) -> Option<Hint> {
    let code = code_of(body).filter(|code| DOCUMENT_CODES.contains(code))?;
    Some((explain(code, ResponseContext::Job, None).hint)())
}

/// The code of the error that an answer states, if any.
pub(super) fn failure_code(status: u16, body: &Value, context: ResponseContext) -> Option<i64> {
    let inside = code_of(body);
    let speaks_of_document = |code: i64| DOCUMENT_CODES.contains(&code);
    let is_about_job = matches!(context, ResponseContext::Job | ResponseContext::OwnJob);
    // The id is the service's own, so that only the job can be wrong; unless the message says that it is the id.
    let refuses_job = || context == ResponseContext::OwnJob && status == 400 && !speaks_of_id(body);
    if is_about_job
        && (status < 400
            || speaks_of_document(i64::from(status))
            || inside.is_some_and(speaks_of_document)
            || refuses_job())
        && is_failed_job(body)
    {
        return None;
    }
    if status >= 400 {
        // Gateways answer 5xx for what the service itself knows better, and 400 says no more than that it is refused.
        let is_better = |code: &i64| status >= 500 || (status == 400 && says_why(*code));
        return Some(inside.filter(is_better).unwrap_or_else(|| i64::from(status)));
    }
    let word = status_word(body);
    let is_contradicted = || word.eq_ignore_ascii_case("success") && nested_error(body).is_some();
    if is_about_job && is_job_word(word) && !is_contradicted() {
        return None;
    }
    // A job that was accepted is one, whatever stands beside it.
    let is_accepted = || !is_about_job && says_success(body) && names_job(body);
    let is_nested = nested_error(body).is_some() && !is_accepted();
    let is_error =
        is_nested || is_error(body) || ["error", "failed", "aborted"].iter().any(|bad| bad.eq_ignore_ascii_case(word));
    match inside {
        Some(code) if is_error || error_code(body).is_some() => Some(code),
        // A check that was answered with an error of which nothing is said has no state in it.
        _ if is_about_job && is_error => Some(500),
        _ if is_error => Some(400),
        _ if (200..300).contains(&status) => None,
        _ => Some(i64::from(status)),
    }
}

/// Whether an answer to a check says, in the service's error shape, that the job has failed: by a code that speaks of
/// the document, or by an error with a message, no state, and no code that speaks of the question. A success that holds
/// an error instead of a result is none.
pub fn is_failed_job(body: &Value) -> bool {
    let word = status_word(body);
    if word.eq_ignore_ascii_case("success") {
        if is_error(body) && code_of(body).is_some_and(|code| DOCUMENT_CODES.contains(&code)) {
            return true;
        }
        let code = nested_error(body).as_ref().and_then(error_code);
        return code.is_some_and(|code| code == 400 || DOCUMENT_CODES.contains(&code));
    }
    if !(word.is_empty() || word.eq_ignore_ascii_case("error")) {
        return false;
    }
    match code_of(body) {
        Some(code) if DOCUMENT_CODES.contains(&code) => true,
        Some(400) | None => (is_error(body) || nested_error(body).is_some()) && message_in(body).is_some(),
        Some(_) => false,
    }
}

/// Whether a code says what is wrong with a request: its key, the credits, the rate, or its document.
fn says_why(code: i64) -> bool {
    matches!(code, 401 | 402 | 429) || DOCUMENT_CODES.contains(&code)
}

/// Whether an error is about the id of the job that was asked about.
fn speaks_of_id(body: &Value) -> bool {
    message_of(body).is_some_and(|said| {
        let said = said.to_ascii_lowercase();
        ["jobid", "job id", "job_id"].iter().any(|word| said.contains(word))
    })
}

fn status_word(body: &Value) -> &str {
    field(body, "status")
        .and_then(Value::as_str)
        .map(str::trim)
        .filter(|word| word.parse::<f64>().is_err())
        .unwrap_or("")
}

fn is_job_word(word: &str) -> bool {
    JOB_WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn names_job(body: &Value) -> bool {
    job_id_field(body).is_some()
}

/// The code of the error that a body states, itself or in an object inside of it.
fn code_of(body: &Value) -> Option<i64> {
    error_code(body).or_else(|| nested_error(body).as_ref().and_then(error_code))
}

/// `text` with a full stop, unless it ends a sentence already.
fn sentence(mut text: String) -> String {
    if !text.ends_with(['.', '!', '?', '…']) {
        text.push('.');
    }
    text
}

/// What a code means and what to do about it.
struct Explanation {
    /// Codes of the service; an HTTP status is one too.
    codes: &'static [i64],
    /// Only for these requests; none for all.
    context: Option<ResponseContext>,
    kind: Kind,
    meaning: &'static str,
    hint: fn() -> Hint,
}

/// The documented codes and what to do about each; of several rows for a code the first that applies.
const EXPLANATIONS: &[Explanation] = &[
    Explanation {
        codes: &[400],
        context: Some(ResponseContext::Job),
        kind: Kind::InvalidArgument,
        meaning: "The service refused the question about this job",
        hint: || hint!["Check the job id; ", NextStep::ListJobs, " shows the jobs of this key."],
    },
    Explanation {
        codes: &[400],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "The service refused the request",
        hint: || {
            hint![
                "Check the arguments with ",
                NextStep::DescribeAny,
                ". If the source is a link, check that it can be opened without a login; prefix it with `cache:` when its host answers only now and then."
            ]
        },
    },
    Explanation {
        codes: &[401],
        context: None,
        kind: Kind::Auth,
        meaning: "The service refused the API key",
        hint: || "Copy the key again from https://app.pdf.co and set it as PDFCO_API_KEY.".into(),
    },
    Explanation {
        codes: &[402],
        context: None,
        kind: Kind::InsufficientCredits,
        meaning: "The account does not have enough credits",
        hint: || {
            hint![
                "Buy credits or wait for the next period at https://app.pdf.co; ",
                NextStep::Balance,
                " shows the balance."
            ]
        },
    },
    Explanation {
        codes: &[403],
        context: Some(ResponseContext::Document),
        kind: Kind::InvalidArgument,
        meaning: "The service may not read the source link",
        hint: || {
            hint![
                "Make the link public, pass ",
                NextStep::Argument("httpusername".into()),
                " and ",
                NextStep::Argument("httppassword".into()),
                ", or upload the file with ",
                NextStep::Upload,
                ". Links of earlier results expire, after an hour unless they were asked to live longer."
            ]
        },
    },
    Explanation {
        codes: &[403],
        context: None,
        kind: Kind::Auth,
        meaning: "The service forbids this request",
        hint: || "Check the API key and the credits of its account at https://app.pdf.co.".into(),
    },
    Explanation {
        codes: &[404],
        context: Some(ResponseContext::Job),
        kind: Kind::NotFound,
        meaning: "The service does not know this job",
        hint: || hint!["Check the job id; ", NextStep::ListJobs, " shows the jobs of this key."],
    },
    Explanation {
        codes: &[404],
        context: None,
        kind: Kind::NotFound,
        meaning: "The service does not know this",
        hint: || "Check the id or the link. Files that were uploaded or made vanish, after an hour as a rule.".into(),
    },
    Explanation {
        codes: &[405, 408, 445],
        context: None,
        kind: Kind::Upstream,
        meaning: "The service ran out of time",
        hint: || {
            hint![
                "Send fewer ",
                NextStep::Argument("pages".into()),
                " at once, or use a faster source than the link given."
            ]
        },
    },
    Explanation {
        codes: &[413],
        context: None,
        kind: Kind::TooLarge,
        meaning: "The request is too large for the service",
        hint: || hint!["Upload the file with ", NextStep::Upload, " and pass its link."],
    },
    Explanation {
        codes: &[414],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "A link or parameter is too long",
        hint: || hint!["Upload the file with ", NextStep::Upload, " and pass its link."],
    },
    Explanation {
        codes: &[415],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "The service does not take this type of file",
        hint: || hint!["Check with ", NextStep::DescribeAny, " which types the operation takes."],
    },
    Explanation {
        codes: &[429],
        context: None,
        kind: Kind::RateLimited,
        meaning: "The service asks for fewer requests",
        hint: || "Wait a little. Lower PDFCO_RATE_LIMIT (2 a second on the free plan, 10 on paid ones).".into(),
    },
    Explanation {
        codes: &[441],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "The document is protected by a password",
        hint: || hint!["Pass the right ", NextStep::Argument("password".into()), "."],
    },
    Explanation {
        codes: &[442],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "The document is damaged or of another type",
        hint: || "Open it in a viewer first. Was the link an HTML page instead of the file?".into(),
    },
    Explanation {
        codes: &[443],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "The document's permissions prohibit this",
        hint: || {
            hint![
                "If you have the right to, pass ",
                NextStep::Argument("profiles".into()),
                " with {\"CheckPermissions\": false}."
            ]
        },
    },
    Explanation {
        codes: &[444],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "`profiles` could not be parsed",
        hint: || {
            hint!["Pass ", NextStep::Argument("profiles".into()), " as a JSON object, such as {\"TrimSpaces\": true}."]
        },
    },
    Explanation {
        codes: &[446],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "Files needed for the conversion are missing",
        hint: || "Embed what the document refers to, or upload it too.".into(),
    },
    Explanation {
        codes: &[447],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "The template is invalid",
        hint: || "Check the template's text or id.".into(),
    },
    Explanation {
        codes: &[448, 452],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "The link or HTML is invalid",
        hint: || "Check the link; links of earlier results expire.".into(),
    },
    Explanation {
        codes: &[449],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "A page number is out of range",
        hint: || {
            hint![
                "Check ",
                NextStep::Argument("pages".into()),
                "; ",
                NextStep::DescribeAny,
                " says whether it counts from 0 or 1."
            ]
        },
    },
    Explanation {
        codes: &[450],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "The page range is invalid",
        hint: || {
            hint![
                "Write ",
                NextStep::Argument("pages".into()),
                " as a list of pages and ranges, such as `2-5,7-`; ",
                NextStep::DescribeAny,
                " says whether it counts from 0 or 1."
            ]
        },
    },
    Explanation {
        codes: &[454],
        context: None,
        kind: Kind::InvalidArgument,
        meaning: "The parameters are invalid",
        hint: || hint!["Check the arguments with ", NextStep::DescribeAny, "."],
    },
];

/// The service has no such path. Its only sign is its message.
const NO_SUCH_METHOD: Explanation = Explanation {
    codes: &[404],
    context: None,
    kind: Kind::NotFound,
    meaning: "The service has no such method",
    hint: || "Nothing was worked on. Check PDFCO_BASE_URL; the service may also have withdrawn this operation.".into(),
};

/// Any other refusal.
const REFUSED: Explanation = Explanation {
    codes: &[],
    context: None,
    kind: Kind::InvalidArgument,
    meaning: "The service refused the request",
    hint: || hint!["Check the arguments with ", NextStep::DescribeAny, "."],
};

/// Any other failure.
const FAILED: Explanation = Explanation {
    codes: &[],
    context: None,
    kind: Kind::Upstream,
    meaning: "The service failed",
    hint: || "Try again later; a status page is linked from https://pdf.co.".into(),
};

fn explain(code: i64, context: ResponseContext, said: Option<&str>) -> &'static Explanation {
    // Older servers answer 403 for what is 402 now.
    let lacks_credits = (400..=403).contains(&code) && said.and_then(code_in_words) == Some(402);
    let code = if lacks_credits { 402 } else { code };
    let context = if context == ResponseContext::OwnJob { ResponseContext::Job } else { context };
    let says_no_method = || said.is_some_and(|said| said.to_ascii_lowercase().starts_with("method not found"));
    if code == 404 && says_no_method() {
        return &NO_SUCH_METHOD;
    }
    let applies = |row: &&Explanation| row.codes.contains(&code) && row.context.is_none_or(|only| only == context);
    let other = if (400..500).contains(&code) { &REFUSED } else { &FAILED };
    EXPLANATIONS.iter().find(applies).unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::next_step::Audience;

    #[test]
    fn document_codes_answered_to_a_check_end_the_job() {
        for (status, body, fails) in [
            (200, json!({"status": "error", "errorCode": 441, "error": true, "message": "Invalid Password"}), true),
            (200, json!({"errorCode": 454}), true),
            (441, json!({"error": true, "message": "Invalid Password"}), true),
            (400, json!({"error": true, "errorCode": "442", "message": "damaged"}), true),
            (200, json!({"error": true, "message": "Object reference not set"}), true),
            (200, json!({"error": "Something broke"}), true),
            (200, json!({"error": true, "status": 400, "message": "bad"}), true),
            // These speak of the question.
            (200, json!({"error": true, "errorCode": 401, "message": "no"}), false),
            (200, json!({"error": true, "errorCode": 402, "message": "no"}), false),
            (200, json!({"error": true, "errorCode": 500, "message": "no"}), false),
            (400, json!({"error": true, "message": "jobId is required"}), false),
            (400, json!({"error": true, "message": "Incorrect input parameters"}), true),
            (400, json!({"error": true, "errorCode": 402, "message": "Payment required"}), false),
            (400, json!({"error": true}), false),
            (404, json!({"error": true, "message": "not found"}), false),
            (502, json!({"error": true, "message": "bad gateway"}), false),
            (200, json!({"error": true}), false),
            (200, json!({"status": "error"}), false),
        ] {
            let error = failure(status, Some(&body), None, ResponseContext::OwnJob);
            assert_eq!(error.is_none(), fails, "HTTP {status} {body}");
            assert_eq!(is_failed_job(&body) && error.is_none(), fails, "HTTP {status} {body}");
        }
        let refused = json!({"error": true, "message": "Incorrect input parameters"});
        let foreign = failure(400, Some(&refused), None, ResponseContext::Job);
        assert!(foreign.is_some_and(|error| error.hint().text(Audience::Agent).contains("job id")), "may be no job");
        let working = json!({"status": "working", "error": true, "message": "odd"});
        assert!(!is_failed_job(&working) && failure(200, Some(&working), None, ResponseContext::Job).is_none());
        let nothing = failure(200, Some(&json!({"error": true})), None, ResponseContext::Job);
        assert!(nothing.is_some_and(|error| error.kind() == Kind::Upstream && error.is_retryable()));
    }

    #[test]
    fn a_documented_code_under_http_400_says_what_is_wrong() {
        for (code, kind) in [
            (402, Kind::InsufficientCredits),
            (401, Kind::Auth),
            (429, Kind::RateLimited),
            (441, Kind::InvalidArgument),
            (443, Kind::InvalidArgument),
            (449, Kind::InvalidArgument),
            (404, Kind::InvalidArgument),
        ] {
            let body = json!({"error": true, "errorCode": code, "message": "m"});
            let error = failure(400, Some(&body), None, ResponseContext::Document).unwrap();
            let shown = if code == 404 { 400 } else { code };
            assert!(error.kind() == kind && error.message().contains(&format!("(code {shown})")), "{error}");
        }
        let body = json!({"error": true, "errorCode": 441, "message": "m"});
        let statuses = [401, 403, 404, 429].map(|status| failure_code(status, &body, ResponseContext::Document));
        assert_eq!(statuses, [Some(401), Some(403), Some(404), Some(429)], "these say more than a code inside");
    }

    #[test]
    fn a_success_with_an_error_in_it_says_which() {
        let inside = json!({"error": true, "errorCode": 441, "message": "Invalid Password"});
        let body = json!({"status": "success", "message": "Success", "body": inside});
        assert_eq!(message_of(&body).as_deref(), Some("Invalid Password"));
        let text = json!({"status": "success", "body": inside.to_string()});
        assert!(!is_failed_job(&text), "a text is a document's");
    }

    #[test]
    fn every_code_has_one_explanation_and_messages_are_sentences() {
        for code in EXPLANATIONS.iter().flat_map(|row| row.codes) {
            let error =
                failure(200, Some(&json!({"errorCode": code, "message": "Timeout"})), None, ResponseContext::Account)
                    .unwrap();
            assert!(error.message().ends_with(": Timeout."), "{error}");
            let tool = NextStep::DescribeAny.text(Audience::Agent);
            assert!(!error.hint().text(Audience::Shell).contains(&tool), "{error}");
        }
        let asked = failure(400, Some(&json!({"message": "Really?"})), None, ResponseContext::Account).unwrap();
        assert!(asked.message().ends_with("Really?"), "{asked}");
    }

    #[test]
    fn an_unknown_method_is_no_file_that_vanished() {
        let body = json!({"message": "method not found. Please check API documentation at https://apidocs.pdf.co/"});
        let error = failure(404, Some(&body), None, ResponseContext::Document).unwrap();
        let hint = error.hint().text(Audience::Agent);
        assert!(
            error.kind() == Kind::NotFound && hint.contains("PDFCO_BASE_URL") && !hint.contains("vanish"),
            "{hint}"
        );
    }

    #[test]
    fn an_error_as_text_is_quoted() {
        let error = failure(200, Some(&json!({"error": "broken"})), None, ResponseContext::Document).unwrap();
        assert!(error.message().contains("broken"), "{error}");
    }

    #[test]
    fn errors_inside_of_answers_have_their_kind() {
        let error = |code: i64| json!({"error": true, "errorCode": code, "message": "m"});
        for (body, expected) in [
            (json!({"body": error(441)}), Kind::InvalidArgument),
            (json!({"body": error(402)}), Kind::InsufficientCredits),
            (json!({"body": error(401).to_string()}), Kind::Auth),
            (json!({"jobId": "J", "body": error(402)}), Kind::InsufficientCredits),
            (json!({"status": "error", "body": error(402)}), Kind::InsufficientCredits),
            (json!({"status": 200, "error": false, "body": error(429)}), Kind::RateLimited),
            (json!({"error": {"code": 402, "message": "m"}}), Kind::InsufficientCredits),
            (json!({"statusCode": 401, "body": {"message": "m"}}), Kind::Auth),
            (json!({"success": false, "message": "Not enough credits"}), Kind::InsufficientCredits),
            (
                json!({"error": true, "status": 403, "message": "You have not enough credits."}),
                Kind::InsufficientCredits,
            ),
            (json!({"errors": [{"message": "m"}]}), Kind::InvalidArgument),
        ] {
            let error = failure(200, Some(&body), None, ResponseContext::Document);
            assert_eq!(error.as_ref().map(Error::kind), Some(expected), "{body}");
            assert!(error.unwrap().message().contains(message_in(&body).unwrap_or("m")), "{body}");
        }
        let accepted = json!({"jobId": "J", "status": 200, "error": false, "body": error(441)});
        assert!(failure(200, Some(&accepted), None, ResponseContext::Document).is_none(), "the job is not lost");
        let slowed = json!({"error": true, "message": "Too many requests (limit by your current plan)."});
        for (body, expected) in [
            (slowed, Kind::RateLimited),
            (json!({"status": "success", "body": error(402)}), Kind::InsufficientCredits),
            (json!({"status": "success", "body": error(401)}), Kind::Auth),
        ] {
            let error = failure(200, Some(&body), None, ResponseContext::Job);
            assert_eq!(error.map(|error| error.kind()), Some(expected), "{body}");
        }
        for (body, fails) in [
            (json!({"jobId": "J", "body": error(441)}), true),
            (json!({"status": "success", "body": error(441)}), true),
            (json!({"status": "success", "body": error(402)}), false),
            (json!({"error": true, "message": "Too many requests (limit by your current plan)."}), false),
            (json!({"status": "working", "body": error(441)}), false),
            (json!({"status": "success", "body": {"error": true}}), false),
            (json!({"jobId": "J", "body": error(402)}), false),
        ] {
            assert_eq!(is_failed_job(&body), fails, "{body}");
        }
    }
}
