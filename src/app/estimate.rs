//! What a call will cost, before it is made: what is known, from where, as a range.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::pages::selected;
use super::sources::Judged;
use super::{Answer, App, Caller};
use crate::catalog::pages::PageList;

use crate::catalog::{Basis, Operation, Run};
use crate::charge::Charge;
use crate::error::{Error, Kind, Result};
use crate::files::pdf_pages;
use crate::hint;
use crate::next_step::{Audience, Hint, NextStep};

/// What an upload costs, in credits (documented).
const UPLOAD_CREDITS: i64 = 7;

/// What a call will cost.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    /// Catalog name.
    pub operation: &'static str,
    /// Documents, one job each.
    pub documents: usize,
    /// The least that is charged, in credits; none where no price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits_min: Option<i64>,
    /// The most, in credits, checks not counted; none where it cannot be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credits_max: Option<i64>,
    /// The part that uploads cost.
    pub uploads: i64,
    /// Pages that the operation works on, where they could be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
    /// Where the numbers come from.
    pub basis: String,
    /// The newest known balance of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<i64>,
    /// An operation that does the same for less, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cheaper: Option<&'static str>,
}

/// A price that a person is asked to agree to, bound to the very request.
#[derive(Clone, Debug, Serialize)]
pub struct Quote {
    /// Goes back as `SubmitRequest::consent`. Another request or another price has another id.
    #[serde(skip)]
    pub id: String,
    /// What it will cost.
    pub estimate: Estimate,
}

impl Quote {
    /// The question for a person.
    pub fn question(&self) -> String {
        format!("{} will be charged for {}. Run it?", self.estimate.range(), self.estimate.subject())
    }
}

impl Estimate {
    /// Both together.
    #[must_use]
    pub(super) fn and(self, other: Estimate) -> Estimate {
        let sum = |a: Option<i64>, b: Option<i64>| a.zip(b).map(|(a, b)| a.saturating_add(b));
        Estimate {
            documents: self.documents.saturating_add(other.documents),
            credits_min: sum(self.credits_min, other.credits_min),
            credits_max: sum(self.credits_max, other.credits_max),
            uploads: self.uploads.saturating_add(other.uploads),
            pages: self.pages.zip(other.pages).map(|(a, b)| a.saturating_add(b)),
            ..self
        }
    }

    fn subject(&self) -> String {
        let documents = if self.documents > 1 { format!(" on {} documents", self.documents) } else { String::new() };
        format!("{}{documents}", self.operation)
    }

    /// The range in words.
    pub fn range(&self) -> String {
        match (self.credits_min, self.credits_max) {
            (Some(min), Some(max)) if min == max => format!("{min} credits"),
            (Some(min), Some(max)) => format!("{min} to {max} credits"),
            (Some(min), None) => format!("At least {min} credits"),
            _ => "An unknown number of credits".to_owned(),
        }
    }
}

impl From<Estimate> for Answer {
    fn from(estimate: Estimate) -> Answer {
        let mut tips = Hint::from("Nothing was submitted or charged. Checks while waiting cost 2 credits each.");
        if let Some(cheaper) = estimate.cheaper {
            tips = tips.and(format!(" {cheaper} does the same for less where the PDF holds text, not scans."));
        }
        let balance = estimate.balance;
        let mut answer = Answer::success(&estimate, Charge::NONE).with_tips(tips);
        answer.charge.remaining = balance;
        answer
    }
}

impl App {
    /// What `operation` will cost on these documents, as far as it can be known for free.
    pub(super) async fn estimate_for(
        &self,
        caller: &Caller,
        operation: &'static Operation,
        pages: Option<&PageList>,
        documents: &[Judged],
    ) -> Result<Estimate> {
        let mut counted = Some(0_u32);
        for document in documents {
            let total = match document {
                Judged::Local(file) => pdf_pages(file).await,
                Judged::Link(_) => None,
            };
            let found = total.map(|total| selected(pages, total)).transpose()?;
            counted = counted.zip(found).map(|(sum, found)| sum.saturating_add(found));
        }
        let counted = counted.filter(|pages| *pages > 0);
        let mut uploads = 0_i64;
        for document in documents {
            if let Judged::Local(file) = document
                && !self.is_uploaded(caller, file).await
            {
                uploads = uploads.saturating_add(UPLOAD_CREDITS);
            }
        }
        let (min, max, basis) = match self.learned_price(caller, operation).await {
            Some(learned) => {
                let (min, max) = learned.range(operation, counted);
                (Some(min), max, learned.words())
            }
            None => range_of(operation, counted),
        };
        Ok(Estimate {
            operation: operation.name,
            documents: 1,
            credits_min: min.map(|min| min.saturating_add(uploads)),
            credits_max: max.map(|max| max.saturating_add(uploads)),
            uploads,
            pages: counted,
            basis,
            balance: self.newest_balance(caller).await,
            cheaper: cheaper_than(operation),
        })
    }

    /// Refuses a call whose certain minimum is above the balance. A balance that is not enough is asked for anew first:
    /// that is free, and credits may have been bought.
    ///
    /// # Errors
    /// `insufficient_credits` with what is needed, what is there and a way out.
    pub(super) async fn refuse_beyond_balance(&self, caller: &Caller, estimate: &Estimate) -> Result<()> {
        let Some(min) = estimate.credits_min else { return Ok(()) };
        if estimate.balance.is_none_or(|balance| balance >= min) {
            return Ok(());
        }
        // Without an answer the service decides itself.
        let Ok(answer) = self.balance(caller).await else { return Ok(()) };
        let Some(balance) = answer.charge.remaining.filter(|balance| *balance < min) else { return Ok(()) };
        let mut hint = Hint::from("Select fewer pages, or add credits to the account.");
        if let Some(cheaper) = estimate.cheaper {
            hint = hint.and(format!(" {cheaper} does the same for less where the PDF holds text."));
        }
        Err(Error::new(
            Kind::InsufficientCredits,
            format!(
                "{} needs at least {min} credits, and the account has {balance}. Nothing was sent.",
                estimate.subject()
            ),
            hint,
        )
        .with_charge(Charge::new(None, Some(balance))))
    }

    /// The quote that a person has to agree to before a call of this price; none below the threshold.
    pub(super) fn quote(&self, estimate: &Estimate, request_hash: &str) -> Option<Quote> {
        let threshold = self.config.confirm_credits?;
        let most = estimate.credits_max.or(estimate.credits_min)?;
        if most <= threshold {
            return None;
        }
        let digest = Sha256::new()
            .chain_update(b"pdfco quote v1\0")
            .chain_update(request_hash)
            .chain_update([0])
            .chain_update(estimate.range())
            .finalize();
        let id = hex::encode(digest.get(..16).unwrap_or_default());
        Some(Quote { id, estimate: estimate.clone() })
    }
}

/// The answer of a call that a person has to agree to first.
pub(super) fn needs_consent(quote: Quote) -> Answer {
    let error = Error::new(
        Kind::InsufficientCredits,
        format!(
            "{} for {} is above PDFCO_CONFIRM_CREDITS, and no person has agreed to it. Nothing was sent or charged.",
            quote.estimate.range(),
            quote.estimate.subject()
        ),
        hint![
            "Tell the user the price. They can allow it by raising PDFCO_CONFIRM_CREDITS; fewer pages or a cheaper operation cost less: ",
            NextStep::Describe(quote.estimate.operation.to_owned()),
            "."
        ],
    );
    let mut answer = Answer::from_error(&error);
    answer.content = error.to_json(Audience::Agent);
    if let (Some(content), Ok(estimate)) = (answer.content.as_object_mut(), serde_json::to_value(&quote.estimate)) {
        content.insert("estimate".to_owned(), estimate);
    }
    answer.consent = Some(Box::new(quote));
    answer
}

/// Least and most for one call, and where that is from.
fn range_of(operation: &Operation, pages: Option<u32>) -> (Option<i64>, Option<i64>, String) {
    let (price, run) = (operation.price, operation.run);
    let credits = |credits: u64| i64::try_from(credits).unwrap_or(i64::MAX);
    let Some(range) = price.range(run, pages.unwrap_or(1)) else {
        return (None, None, format!("The price is {}.", price.words(run)));
    };
    let is_per_page = price.basis() == Some(Basis::Page);
    let is_known = !is_per_page || pages.is_some();
    let counted = match pages {
        _ if !is_per_page => String::new(),
        Some(pages) => format!(" {pages} pages were counted in the file."),
        None => " The number of pages is not known here.".to_owned(),
    };
    let min = if run == Run::Direct && !is_known { 0 } else { credits(*range.start()) };
    let basis = format!("The price is {}.{counted}", price.words(run));
    (Some(min), is_known.then(|| credits(*range.end())), basis)
}

/// The operation that does the same for less, where there is one.
fn cheaper_than(operation: &Operation) -> Option<&'static str> {
    (operation.name == "pdf_to_text").then_some("pdf_to_text_simple")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_per_page_is_a_range() {
        let of = |name: &str, pages| {
            let (min, max, _) = range_of(crate::catalog::find(name).unwrap(), pages);
            (min, max)
        };
        assert_eq!(of("pdf_to_text", Some(3)), (Some(21), Some(63)));
        assert_eq!(of("pdf_to_text", None), (Some(21), None));
    }
}
