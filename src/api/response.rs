//! Answers of the service, read leniently.
//!
//! [`Response`] is the JSON object of an answer; [`read`] gives it, or the error that the answer states
//! (`response_errors.rs`).

use std::time::Duration;

use serde_json::{Map, Value};

use super::body::Body;
use super::redact::Redactor;
use super::response_errors::{ResponseContext, failure};
use super::shape::{job_id_field, unwrapped};
use crate::charge::Charge;
use crate::clock::Millis;
use crate::error::{Error, Kind, Result};
use crate::json_ext::{field, whole_number};

/// Largest number of credits that is believed.
const CREDITS_MAX: u64 = 1_000_000_000_000;

/// A JSON object that the service answered with. Links in it are secrets: a log cannot print them.
#[derive(Clone)]
pub struct Response {
    /// The object, without the secrets of its request.
    pub body: Value,
    /// When the request was sent, if it was one.
    asked_at: Option<Millis>,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response").finish_non_exhaustive()
    }
}

impl Response {
    /// An answer with this body.
    pub fn of(body: Value) -> Response {
        Response { body, asked_at: None }
    }

    /// The same, in answer to a request that was sent at `at`.
    pub(super) fn asked_at(self, at: Millis) -> Response {
        Response { asked_at: Some(at), ..self }
    }

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
        let charge = charge_in(&self.body);
        self.asked_at.map_or(charge, |at| charge.asked_at(at))
    }

    /// The job's id, when the service named one.
    pub fn job_id(&self) -> Option<String> {
        job_id_in(&self.body)
    }

    /// A text field, in any letter case.
    pub fn text(&self, name: &str) -> Option<&str> {
        field(&self.body, name)?.as_str().filter(|text| !text.is_empty())
    }
}

/// What a request cost and the balance after it, as far as `body` says so.
pub fn charge_in(body: &Value) -> Charge {
    Charge::new(credits_in(body, "credits"), credits_in(body, "remainingCredits"))
}

/// The id of the job that `body` speaks of, as the service wrote it.
pub fn job_id_in(body: &Value) -> Option<String> {
    let id = match job_id_field(body)? {
        Value::String(id) => id.trim().to_owned(),
        number @ Value::Number(_) => number.to_string(),
        _ => return None,
    };
    (!id.is_empty()).then_some(id)
}

/// Credits as an answer has them. Numbers that no account can have are none: sums of them must not overflow, here or in
/// the ledger.
pub fn credits_in(body: &Value, name: &str) -> Option<i64> {
    whole_number(field(body, name)?).filter(|credits| credits.unsigned_abs() <= CREDITS_MAX)
}

/// Reads one answer: its JSON object, or the error that it states. What it quotes of the request's secrets is cut out.
///
/// # Errors
/// See [`failure`]; `upstream` when the body of a success is not a JSON object.
pub fn read(
    status: u16,
    body: &Body,
    retry_after: Option<Duration>,
    context: ResponseContext,
    redactor: &Redactor,
) -> Result<Response> {
    let object = body.json().map(unwrapped).filter(Value::is_object).map(|object| redactor.json(object));
    if let Some(error) = failure(status, object.as_ref(), retry_after, context) {
        return Err(error.with_charge(object.as_ref().map_or(Charge::NONE, charge_in)));
    }
    match object {
        Some(body) => Ok(Response::of(body)),
        None if body.is_empty() => Ok(Response::of(Value::Object(Map::new()))),
        None => Err(Error::new(
            Kind::Upstream,
            format!("The service answered HTTP {status} with something that is not a JSON object."),
            "Try again later. If it stays so, check PDFCO_BASE_URL: a proxy or another server may be answering.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind_of(context: ResponseContext, status: u16, body: &str) -> Option<Kind> {
        read(status, &body.as_bytes().into(), None, context, &Redactor::default()).err().map(|error| error.kind())
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
            assert_eq!(kind_of(ResponseContext::Document, *status, body), *expected, "HTTP {status} {body}");
        }
    }

    #[test]
    fn the_state_of_a_job_is_no_failure_of_the_question() {
        for body in [r#"{"status":"failed","error":true,"errorCode":441}"#, r#"{"status":"aborted","error":"true"}"#] {
            assert_eq!(kind_of(ResponseContext::Job, 200, body), None, "{body}");
        }
        assert_eq!(kind_of(ResponseContext::Job, 200, r#"{"status":"error","errorCode":401}"#), Some(Kind::Auth));
    }

    #[test]
    fn a_403_of_a_request_without_source_is_about_the_key() {
        let error = read(403, &b"{}"[..].into(), None, ResponseContext::Account, &Redactor::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Auth);
    }

    #[test]
    fn fields_are_found_in_any_case_and_the_exact_one_wins() {
        let reply = Response::of(json!({"jobid": "a", "RemainingCredits": "7", "credits": null}));
        assert_eq!(reply.job_id().as_deref(), Some("a"));
        assert_eq!(job_id_in(&json!({"jobId": null, "job_id": 7})).as_deref(), Some("7"));
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
            let reply = Response::of(json!({"credits": credits, "remainingCredits": credits}));
            assert_eq!((reply.credits(), reply.credits_remaining()), (expected, expected), "{credits}");
        }
    }
}
