//! What comes back from the service, read leniently.
//!
//! What lives here: [`Reply`], and [`failure`], which turns every shape of error into ours. What never does: job states (`jobs/status.rs`). Source:
//! `pdfco-api.md` §1.5, §1.6, §2.

use std::time::Duration;

use serde_json::{Map, Value};

use super::body::Body;
use crate::catalog::shorten;
use crate::charge::Charge;
use crate::error::{Error, Kind, Result};
use crate::json_ext::{field, truth, whole_number};
use crate::secret::without_link_secrets;

/// Largest number of credits that is believed.
const CREDITS_MAX: u64 = 1_000_000_000_000;

/// A JSON object that the service sent with a success.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The object, unchanged.
    pub body: Value,
}

impl Reply {
    /// Credits that this request cost, when the service said so. Negative numbers are refunds.
    pub fn credits(&self) -> Option<i64> {
        credits_in(&self.body, "credits")
    }

    /// The account's balance, when the service said so.
    pub fn credits_remaining(&self) -> Option<i64> {
        credits_in(&self.body, "remainingCredits")
    }

    /// What this request cost and the balance after it, as far as the service said so.
    pub fn charge(&self) -> Charge {
        Charge::new(self.credits(), self.credits_remaining())
    }

    /// The job's id, when the service started one.
    pub fn job_id(&self) -> Option<String> {
        let id = match field(&self.body, "jobId")? {
            Value::String(id) => id.trim().to_owned(),
            number @ Value::Number(_) => number.to_string(),
            _ => return None,
        };
        (!id.is_empty()).then_some(id)
    }

    /// A text field, in any letter case.
    pub fn text(&self, name: &str) -> Option<&str> {
        field(&self.body, name)?.as_str().filter(|text| !text.is_empty())
    }
}

/// Credits as an answer has them. Numbers that no account can have are none: sums of them must not overflow, here or in
/// the ledger.
pub fn credits_in(body: &Value, name: &str) -> Option<i64> {
    whole_number(field(body, name)?).filter(|credits| credits.unsigned_abs() <= CREDITS_MAX)
}

/// The words that `job/check` is documented to answer. A body that carries one of them is a job's state, whatever its
/// `error` field says about the job.
const JOB_WORDS: &[&str] = &["working", "success", "failed", "aborted", "unknown"];

/// What a request is about, which decides how some answers read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A job: a state is a state there, whatever else the body says.
    Job,
    /// A document: a 403 speaks of its link.
    Document,
    /// The account or the storage.
    Account,
}

/// Reads one answer: its JSON object, or the failure that it tells.
///
/// `secrets` are scrubbed from messages, because the service quotes requests in them (`pdfco-api.md` §7.16).
///
/// # Errors
/// See [`failure`]; `upstream` when the body of a success is not a JSON object.
pub fn read(
    status: u16,
    body: &Body,
    retry_after: Option<Duration>,
    about: About,
    secrets: &[String],
) -> Result<Reply> {
    let object = body.json().filter(Value::is_object);
    if let Some(error) = failure(status, object.as_ref(), retry_after, about, secrets) {
        return Err(error);
    }
    match object {
        Some(body) => Ok(Reply { body }),
        None if body.is_empty() => Ok(Reply { body: Value::Object(Map::new()) }),
        None => Err(Error::new(
            Kind::Upstream,
            format!("The service answered HTTP {status} with something that is not a JSON object."),
            "Try again later. If it stays so, check PDFCO_BASE_URL: a proxy or another server may be answering.",
        )),
    }
}

/// The failure that an answer tells, if it tells one: HTTP status first, then `errorCode`, then a numeric `status`,
/// then `error: true` on HTTP 200.
pub fn failure(
    status: u16,
    body: Option<&Value>,
    retry_after: Option<Duration>,
    about: About,
    secrets: &[String],
) -> Option<Error> {
    let empty = Value::Null;
    let body = body.unwrap_or(&empty);
    let code = failure_code(status, body, about)?;
    let said =
        field(body, "message").and_then(Value::as_str).map(|text| scrub(text, secrets)).filter(|text| !text.is_empty());
    let (kind, meaning, hint) = explain(code, about);
    let message = match said {
        Some(said) => format!("{meaning} (code {code}): {said}"),
        None => format!("{meaning} (code {code})."),
    };
    let mut error = Error::new(kind, message, hint).with_retry_after(retry_after);
    if body.is_object() {
        error = error.with_upstream(body.clone());
    }
    Some(error)
}

fn failure_code(status: u16, body: &Value, about: About) -> Option<i64> {
    let inside = ["errorCode", "status"]
        .iter()
        .filter_map(|name| field(body, name).and_then(whole_number))
        .find(|code| (400..600).contains(code));
    if status >= 400 {
        // Gateways answer 5xx for what the service itself knows better.
        return Some(inside.filter(|_| status >= 500).unwrap_or_else(|| i64::from(status)));
    }
    let word = field(body, "status").and_then(Value::as_str).map(str::trim).unwrap_or_default();
    if about == About::Job && JOB_WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)) {
        return None;
    }
    let error = field(body, "error").and_then(truth) == Some(true)
        || ["error", "failed", "aborted"].iter().any(|bad| bad.eq_ignore_ascii_case(word));
    match inside {
        Some(code) => Some(code),
        None if error => Some(400),
        None if (200..300).contains(&status) => None,
        None => Some(i64::from(status)),
    }
}

/// The documented codes (`pdfco-api.md` §1.6), each with what to do.
fn explain(code: i64, about: About) -> (Kind, &'static str, &'static str) {
    match code {
        400 => (
            Kind::InvalidArgument,
            "The service refused the request",
            "Check the arguments with describe_operation. If the source is a link, check that it can be opened without a login; prefix it with `cache:` when its host answers only now and then.",
        ),
        401 => (
            Kind::Auth,
            "The service refused the API key",
            "Copy the key again from https://app.pdf.co and set it as PDFCO_API_KEY (or pass `api_key`).",
        ),
        402 => (
            Kind::InsufficientCredits,
            "The account has not enough credits",
            "Buy credits or wait for the next period at https://app.pdf.co; get_credit_balance shows the balance.",
        ),
        403 if about == About::Document => (
            Kind::InvalidArgument,
            "The service may not read the source link",
            "Make the link public, pass `httpusername` and `httppassword`, or upload the file with upload_file. Links of earlier results expire after an hour.",
        ),
        403 => (
            Kind::Auth,
            "The service forbids this request",
            "Check the API key and the credits of its account at https://app.pdf.co.",
        ),
        404 => (
            Kind::NotFound,
            "The service does not know this",
            "Check the id or the link; stored files and results vanish after an hour.",
        ),
        408 | 445 | 405 => (
            Kind::Upstream,
            "The service ran out of time",
            "Send fewer `pages` at once, or use a faster source than the link given.",
        ),
        413 => (
            Kind::TooLarge,
            "The request is too large for the service",
            "Upload the file with upload_file and pass its link; requests are limited to 4 MB.",
        ),
        414 => (
            Kind::InvalidArgument,
            "A link or parameter is too long",
            "Upload the file with upload_file and pass its link.",
        ),
        415 => (
            Kind::InvalidArgument,
            "The service does not take this type of file",
            "Check with describe_operation which types the operation takes.",
        ),
        429 => (
            Kind::RateLimited,
            "The service asks for fewer requests",
            "Wait a little. Lower PDFCO_RATE_LIMIT (2 a second on the free plan, 10 on paid ones).",
        ),
        441 => (Kind::InvalidArgument, "The document is protected by a password", "Pass the right `password`."),
        442 => (
            Kind::InvalidArgument,
            "The document is damaged or of another type",
            "Open it in a viewer first. Was the link an HTML page instead of the file?",
        ),
        443 => (
            Kind::InvalidArgument,
            "The document's permissions prohibit this",
            "If you have the right to, pass `profiles` with {\"CheckPermissions\": false}.",
        ),
        444 => (
            Kind::InvalidArgument,
            "`profiles` could not be parsed",
            "Pass `profiles` as a JSON object, such as {\"TrimSpaces\": true}.",
        ),
        446 => (
            Kind::InvalidArgument,
            "Files needed for the conversion are missing",
            "Embed what the document refers to, or upload it too.",
        ),
        447 => (Kind::InvalidArgument, "The template is invalid", "Check the template's text or id."),
        448 | 452 => (
            Kind::InvalidArgument,
            "The link or HTML is invalid",
            "Check the link; results of earlier calls expire after an hour.",
        ),
        449 => (
            Kind::InvalidArgument,
            "A page number is out of range",
            "Check `pages`; describe_operation says whether it counts from 0 or 1.",
        ),
        450 => (
            Kind::InvalidArgument,
            "The page range is invalid",
            "Write `pages` such as `0,2-5,7-`; `!0` is the last page.",
        ),
        454 => (Kind::InvalidArgument, "The parameters are invalid", "Check the arguments with describe_operation."),
        code if (400..500).contains(&code) => {
            (Kind::InvalidArgument, "The service refused the request", "Check the arguments with describe_operation.")
        }
        _ => (Kind::Upstream, "The service failed", "Try again later; a status page is linked from https://pdf.co."),
    }
}

/// Longest part of the service's own words that is passed on.
const MESSAGE_CHARS_MAX: usize = 500;

/// The service's words without secrets: given values and the queries of links are taken out.
pub fn scrub(text: &str, secrets: &[String]) -> String {
    let mut clean = without_link_secrets(&shorten(text.trim(), MESSAGE_CHARS_MAX * 4));
    for secret in secrets.iter().filter(|secret| secret.len() >= 3) {
        clean = clean.replace(secret.as_str(), "[hidden]");
    }
    shorten(&clean, MESSAGE_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind_of(about: About, status: u16, body: &str) -> Option<Kind> {
        read(status, &body.as_bytes().into(), None, about, &[]).err().map(|error| error.kind())
    }

    #[test]
    fn every_shape_of_an_error_is_one() {
        let cases: &[(u16, &str, Option<Kind>)] = &[
            (200, r#"{"error":false,"status":200,"url":"x"}"#, None),
            (200, r#"{"remainingCredits":5}"#, None),
            (200, r#"{"error":true,"message":"bad"}"#, Some(Kind::InvalidArgument)),
            (200, r#"{"error":"true","errorCode":"402"}"#, Some(Kind::InsufficientCredits)),
            (
                200,
                r#"{"status":"error","errorCode":441,"error":true,"message":"Invalid Password."}"#,
                Some(Kind::InvalidArgument),
            ),
            (200, r#"{"status":"failed","error":true,"errorCode":441}"#, Some(Kind::InvalidArgument)),
            (200, r#"{"status":"aborted"}"#, Some(Kind::InvalidArgument)),
            (200, r#"{"status":"working"}"#, None),
            (200, r#"{"error":true,"status":400,"message":"x"}"#, Some(Kind::InvalidArgument)),
            (200, r#"{"status":"error"}"#, Some(Kind::InvalidArgument)),
            (400, r#"{"error":true,"errorCode":400}"#, Some(Kind::InvalidArgument)),
            (401, "", Some(Kind::Auth)),
            (402, "{}", Some(Kind::InsufficientCredits)),
            (403, "<html>", Some(Kind::InvalidArgument)),
            (404, "{}", Some(Kind::NotFound)),
            (429, r#"{"message":"Too many requests"}"#, Some(Kind::RateLimited)),
            (445, "{}", Some(Kind::Upstream)),
            (500, "<html>oops</html>", Some(Kind::Upstream)),
            (502, r#"{"errorCode":441}"#, Some(Kind::InvalidArgument)),
            (200, "<html>welcome</html>", Some(Kind::Upstream)),
            (200, "[1,2]", Some(Kind::Upstream)),
            (200, "{\"status\":\"succ", Some(Kind::Upstream)),
            (200, "", None),
        ];
        for (status, body, expected) in cases {
            assert_eq!(kind_of(About::Document, *status, body), *expected, "HTTP {status} {body}");
        }
    }

    #[test]
    fn the_state_of_a_job_is_no_failure_of_the_question() {
        for body in [r#"{"status":"failed","error":true,"errorCode":441}"#, r#"{"status":"aborted","error":"true"}"#] {
            assert_eq!(kind_of(About::Job, 200, body), None, "{body}");
        }
        assert_eq!(kind_of(About::Job, 200, r#"{"status":"error","errorCode":401}"#), Some(Kind::Auth));
    }

    #[test]
    fn a_403_of_a_request_without_source_is_about_the_key() {
        let error = read(403, &b"{}"[..].into(), None, About::Account, &[]).unwrap_err();
        assert_eq!(error.kind(), Kind::Auth);
    }

    #[test]
    fn fields_are_found_in_any_case_and_the_exact_one_wins() {
        let reply = Reply { body: json!({"jobid": "a", "RemainingCredits": "7", "credits": null}) };
        assert_eq!(reply.job_id().as_deref(), Some("a"));
        assert_eq!(reply.credits_remaining(), Some(7));
        assert_eq!(reply.credits(), None);
        assert_eq!(field(&json!({"jobid": 1, "jobId": 2}), "jobId"), Some(&json!(2)));
    }

    #[test]
    fn credits_that_no_account_has_are_none() {
        for (credits, expected) in [
            (json!(i64::MAX), None),
            (json!(i64::MIN), None),
            (json!("-9223372036854775808"), None),
            (json!(1e300), None),
            (json!(1_000_000_000_001_i64), None),
            (json!(1_000_000_000_000_i64), Some(1_000_000_000_000)),
            (json!(-21), Some(-21)),
        ] {
            let reply = Reply { body: json!({"credits": credits, "remainingCredits": credits}) };
            assert_eq!((reply.credits(), reply.credits_remaining()), (expected, expected), "{credits}");
        }
    }

    #[test]
    fn the_services_words_lose_keys_passwords_and_signatures() {
        let secrets = vec!["canary-key".to_owned(), "canary-pass".to_owned()];
        let said = "cannot open (https://u:canary-pass@h.test/a.pdf?sig=canary-sig) with canary-key";
        let clean = scrub(said, &secrets);
        assert!(!clean.contains("canary"), "{clean}");
        assert!(clean.contains("h.test/a.pdf"), "{clean}");
        assert!(scrub(&"x".repeat(5_000), &[]).chars().count() <= MESSAGE_CHARS_MAX + 1);
    }
}
