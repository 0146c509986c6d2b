//! Prices that a person has to agree to: the quote of a call, bound to the very request, and the answer without consent.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::quote::{Estimate, Quote};
use super::sources::{named, short_name};
use super::{Answer, App, Caller, Consent, SubmitRequest, policy};
use crate::catalog::Operation;
use crate::error::{Error, Kind, Result};
use crate::hint;
use crate::next_step::{Audience, Hint, NextStep};

/// As [`named`], by the names of links and paths alone.
fn named_shortly(documents: &[String]) -> Option<String> {
    let names: Vec<String> = documents.iter().map(|document| short_name(document)).collect();
    named(names.iter().map(String::as_str))
}

impl App {
    /// The answer of a call that a person has to agree to first; none where the price is below the threshold, or was
    /// agreed to. A price whose upper end is not known is above every threshold.
    pub(super) fn without_consent(
        &self,
        caller: &Caller,
        operation: &Operation,
        estimate: &Estimate,
        request_hash: &str,
        document: Option<String>,
    ) -> Option<Answer> {
        let threshold = self.config.confirm_credits?;
        if !policy::spends_or_writes(operation) || estimate.credits_max.is_some_and(|most| most <= threshold) {
            return None;
        }
        let id = quote_id(estimate, request_hash);
        let is_agreed = match &caller.consent {
            Consent::Needed => false,
            Consent::To(agreed) => *agreed == id,
            Consent::ToAll => true,
        };
        (!is_agreed).then(|| needs_consent(Quote { id, estimate: estimate.clone(), document }))
    }

    /// Judges all documents before the first is paid for. Returns the answer that asks for consent, where it is needed.
    pub(super) async fn refuse_many(
        &self,
        caller: &Caller,
        operation: &'static Operation,
        request: &SubmitRequest,
        param: &'static str,
        documents: &[String],
    ) -> Result<Option<Answer>> {
        let total = self.estimate_each(caller, operation, &request.arguments, param, documents).await?;
        self.refuse_beyond_balance(caller, &total).await?;
        let hash = json!([operation.name, request.arguments]).to_string();
        let document = named_shortly(documents);
        Ok(self.without_consent(caller, operation, &total, &hash, document))
    }

    /// The price of `operation` on each of `documents` that a person has to agree to as a whole; none where it needs no
    /// consent.
    ///
    /// # Errors
    /// As [`App::estimate_each`].
    pub async fn quote_each(
        &self,
        caller: &Caller,
        operation: &'static Operation,
        given: &Map<String, Value>,
        param: &'static str,
        documents: &[String],
    ) -> Result<Option<Quote>> {
        let total = self.estimate_each(caller, operation, given, param, documents).await?;
        let document = named_shortly(documents);
        let hash = json!([operation.name, given, documents]).to_string();
        let answer = self.without_consent(caller, operation, &total, &hash, document);
        Ok(answer.and_then(|answer| answer.consent).map(|quote| *quote))
    }
}

fn quote_id(estimate: &Estimate, request_hash: &str) -> String {
    let digest = Sha256::new()
        .chain_update(b"pdfco quote v1\0")
        .chain_update(request_hash)
        .chain_update([0])
        .chain_update(estimate.documents.to_string())
        .chain_update([0])
        .chain_update(estimate.range())
        .finalize();
    hex::encode(digest.get(..16).unwrap_or_default())
}

/// The answer of a call that a person has to agree to first.
fn needs_consent(quote: Quote) -> Answer {
    let mut hint: Hint = hint![
        "Tell the user the price. They can agree to it in an assistant that asks them (elicitation), or raise PDFCO_CONFIRM_CREDITS in the server's settings. "
    ];
    if let Some(cheaper) = quote.estimate.cheaper {
        hint = hint.and(cheaper.sentence()).and(" ");
    }
    if crate::catalog::find(quote.estimate.operation).is_ok() {
        let describe = NextStep::Describe(quote.estimate.operation.to_owned());
        hint = hint.and("Fewer pages may cost less, too; ").and(describe).and(" shows the price.");
    }
    let error = Error::new(Kind::InsufficientCredits, quote.refusal(), hint);
    let mut answer = Answer::from_error(&error);
    answer.content = error.to_json(Audience::Agent);
    answer.charge.remaining = quote.estimate.balance;
    if let (Some(content), Ok(estimate)) = (answer.content.as_object_mut(), serde_json::to_value(&quote.estimate)) {
        content.insert("estimate".to_owned(), estimate);
    }
    answer.consent = Some(Box::new(quote));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(min: i64, max: Option<i64>) -> Estimate {
        Estimate {
            operation: "pdf_to_text",
            documents: 1,
            credits_min: Some(min),
            credits_max: max,
            uploads: 0,
            pages: None,
            basis: "The price is 21.".into(),
            balance: Some(500),
            cheaper: crate::catalog::find("pdf_to_text").unwrap().cheaper,
        }
    }

    #[test]
    fn another_price_or_request_is_another_quote() {
        let one = quote_id(&estimate(21, Some(63)), "a");
        assert_eq!(one, quote_id(&estimate(21, Some(63)), "a"));
        assert_ne!(one, quote_id(&estimate(21, Some(64)), "a"));
        assert_ne!(one, quote_id(&estimate(21, None), "a"));
        assert_ne!(one, quote_id(&estimate(21, Some(63)), "b"));
    }

    #[test]
    fn the_question_says_what_it_is_about() {
        let quote = Quote {
            id: String::new(),
            estimate: estimate(21, Some(63)),
            document: named(["a.pdf", "b.pdf"].into_iter()),
        };
        let question = quote.question();
        assert!(question.starts_with("pdf_to_text on a.pdf and 1 more will cost 21 to 63 credits."), "{question}");
        assert!(question.contains("The account has 500 credits."), "{question}");
        let answer = needs_consent(quote);
        let hint = answer.content["hint"].as_str().unwrap();
        assert!(hint.contains("pdf_to_text_simple") && hint.contains("PDFCO_CONFIRM_CREDITS"), "{hint}");
        assert_eq!(answer.content["estimate"]["credits_max"], 63);
    }

    #[test]
    fn checks_are_mentioned_where_there_are_any() {
        for (operation, has_checks) in
            [("pdf_to_text", true), ("ai_invoice_parser", false), ("upload", false), ("file_hash", false)]
        {
            let estimate = Estimate { operation, balance: Some(1), ..estimate(1, Some(1)) };
            let question = Quote { id: String::new(), estimate, document: None }.question();
            assert_eq!(question.contains("Each check"), has_checks, "{question}");
            assert!(question.contains("will cost 1 credit. ") && question.contains("has 1 credit."), "{question}");
        }
    }
}
