//! What a call will cost, in numbers and words: what is known, from where, as a range; and the price that a person is
//! asked to agree to.

use const_format::formatcp;
use serde::Serialize;

use crate::catalog::{CHECK_CREDITS, Cheaper, Run};
use crate::text::counted;

/// What a call will cost.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    /// Catalog name.
    pub operation: &'static str,
    /// Documents, one job each.
    pub documents: usize,
    /// The least that is charged, in credits; none where no price is known and nothing is uploaded.
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
    pub cheaper: Option<Cheaper>,
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
            // What is not known of one document is not known of all.
            basis: if other.pages.is_none() { other.basis } else { self.basis },
            ..self
        }
    }

    /// The operation, and on how many documents.
    pub fn subject(&self) -> String {
        let documents = if self.documents > 1 { format!(" on {} documents", self.documents) } else { String::new() };
        format!("{}{documents}", self.operation)
    }

    /// Whether waiting for it takes checks that cost credits: not for uploads, for what is done at once, and for what is
    /// always a job, such as AI invoices, of which checks are free.
    pub fn has_checks(&self) -> bool {
        crate::catalog::all().any(|operation| operation.name == self.operation && operation.run == Run::Job)
    }

    /// The range in words.
    pub fn range(&self) -> String {
        match (self.credits_min, self.credits_max) {
            (Some(min), Some(max)) if min == max => counted(min, "credit"),
            (Some(min), Some(max)) => format!("{min} to {}", counted(max, "credit")),
            (Some(min), None) => format!("at least {}", counted(min, "credit")),
            _ => "an unknown number of credits".to_owned(),
        }
    }
}

/// A price that a person is asked to agree to, bound to the very request.
#[derive(Clone, Debug, Serialize)]
pub struct Quote {
    /// Another request or another price has another id.
    #[serde(skip)]
    pub id: String,
    /// What it will cost.
    pub estimate: Estimate,
    /// The name of the first document, and how many more there are.
    #[serde(skip)]
    pub document: Option<String>,
}

impl Quote {
    /// The question for a person.
    pub fn question(&self) -> String {
        let estimate = &self.estimate;
        let document = self.document.as_deref().map_or(String::new(), |name| format!(" on {name}"));
        let balance = match estimate.balance {
            Some(balance) => format!(" The account has {}.", counted(balance, "credit")),
            None => String::new(),
        };
        let checks =
            if estimate.has_checks() { formatcp!(" Each check while waiting costs {CHECK_CREDITS} more.") } else { "" };
        format!(
            "{}{document} will cost {}. {}{checks}{balance} Run it?",
            estimate.operation,
            estimate.range(),
            estimate.basis
        )
    }

    /// Why the call was not made.
    pub fn refusal(&self) -> String {
        let estimate = &self.estimate;
        format!(
            "{} will cost {}, which is above PDFCO_CONFIRM_CREDITS, and no person has agreed to it. Nothing was sent or charged.",
            estimate.subject(),
            estimate.range()
        )
    }
}
