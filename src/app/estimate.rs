//! What a call will cost, as far as it can be known for nothing.

use const_format::formatcp;
use futures_util::FutureExt;
use serde_json::{Map, Value, json};

use super::pages::{refuse_to_delete_all, selected};
use super::sources::{Judged, short_name};
use super::{Answer, App, Caller, Estimate};
use crate::catalog::pages::PageList;
use crate::catalog::{Basis, CHECK_CREDITS, Operation, Run, UPLOAD_CREDITS};
use crate::charge::Charge;
use crate::error::{Error, Kind, Result};
use crate::files::pdf_pages;
use crate::next_step::Hint;
use crate::text::counted;

impl From<Estimate> for Answer {
    fn from(estimate: Estimate) -> Answer {
        let mut tips = Hint::from("Nothing was submitted or charged.");
        if estimate.has_checks() {
            tips = tips.and(formatcp!(" Checks while waiting cost {CHECK_CREDITS} credits each."));
        }
        if let Some(cheaper) = estimate.cheaper {
            tips = tips.and(" ").and(cheaper.sentence());
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
            let found = match document {
                Judged::Local(file) => {
                    let name = short_name(&file.path.to_string_lossy());
                    match pdf_pages(file).await {
                        Some(total) => {
                            let found = selected(pages, total, &name)?;
                            refuse_to_delete_all(operation, pages, total, &name)?;
                            Some(found)
                        }
                        None => None,
                    }
                }
                Judged::Link(_) => None,
            };
            counted = counted.zip(found).map(|(sum, found)| sum.saturating_add(found));
        }
        let counted = counted.filter(|pages| *pages > 0);
        let mut uploads = 0_i64;
        for document in documents {
            if let Judged::Local(file) = document
                && !self.is_uploaded(caller, file)
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
            // Uploads are certain, whatever the operation costs.
            credits_min: min.or((uploads > 0).then_some(0)).map(|min| min.saturating_add(uploads)),
            credits_max: max.map(|max| max.saturating_add(uploads)),
            uploads,
            pages: counted,
            basis,
            balance: self.newest_balance(&caller.owner).await,
            cheaper: operation.cheaper,
        })
    }

    /// What an upload alone costs.
    pub(super) async fn estimate_of_upload(&self, caller: &Caller) -> Estimate {
        Estimate {
            operation: "upload",
            documents: 1,
            credits_min: Some(UPLOAD_CREDITS),
            credits_max: Some(UPLOAD_CREDITS),
            uploads: UPLOAD_CREDITS,
            pages: None,
            basis: format!("The price is {UPLOAD_CREDITS} credits a file (documented)."),
            balance: self.newest_balance(&caller.owner).await,
            cheaper: None,
        }
    }

    /// Refuses a call whose certain minimum is above the balance. A balance that is not enough is asked for anew first:
    /// that is free, and credits may have been bought. So is one that is not known before an upload, which is paid for.
    ///
    /// # Errors
    /// `insufficient_credits` with what is needed, what is there and a way out.
    pub(super) async fn refuse_beyond_balance(&self, caller: &Caller, estimate: &Estimate) -> Result<()> {
        let Some(min) = estimate.credits_min else { return Ok(()) };
        let is_enough = match estimate.balance {
            Some(balance) => balance >= min,
            // Without an upload the service itself refuses, for nothing.
            None => estimate.uploads == 0,
        };
        if is_enough {
            return Ok(());
        }
        // Without an answer the service decides itself.
        let Ok(answer) = self.balance(caller).await else { return Ok(()) };
        let Some(balance) = answer.charge.remaining.filter(|balance| *balance < min) else { return Ok(()) };
        let mut hint = Hint::from("Select fewer pages, or add credits to the account.");
        if let Some(cheaper) = estimate.cheaper {
            hint = hint.and(" ").and(cheaper.sentence());
        }
        Err(Error::new(
            Kind::InsufficientCredits,
            format!(
                "{} needs at least {}, and the account has {balance}. Nothing was sent.",
                estimate.subject(),
                counted(min, "credit")
            ),
            hint,
        )
        .with_charge(Charge::new(None, Some(balance))))
    }

    /// What `operation` will cost on all `documents`, one job each. Nothing is sent or charged.
    ///
    /// # Errors
    /// What would refuse one of them before anything is paid for.
    pub async fn estimate_each(
        &self,
        caller: &Caller,
        operation: &'static Operation,
        given: &Map<String, Value>,
        param: &'static str,
        documents: &[String],
    ) -> Result<Estimate> {
        let mut total: Option<Estimate> = None;
        for document in documents {
            let mut arguments = given.clone();
            arguments.retain(|name, _| operation.param(name).is_none_or(|found| found.name != param));
            arguments.insert(param.to_owned(), json!(document));
            let arguments = crate::catalog::arguments::read(operation, arguments)?;
            let (estimate, _, _) = self.judged_estimate(caller, operation, &arguments, true).boxed().await?;
            total = Some(match total.take() {
                None => estimate,
                Some(sum) => sum.and(estimate),
            });
        }
        total.ok_or_else(|| Error::invalid("No document is named.", "Name at least one."))
    }
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
    let unknown = if is_known { "" } else { " The number of pages is not known here." };
    let min = if run == Run::Direct && !is_known { 0 } else { credits(*range.start()) };
    let basis = format!("The price is {}.{unknown}", price.words(run));
    (Some(min), is_known.then(|| credits(*range.end())), basis)
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
