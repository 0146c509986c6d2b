//! The person's consent to a price: a question on a terminal, `--yes` elsewhere.

use const_format::formatcp;
use serde_json::json;

use super::report::Report;
use super::session::CliSession;
use crate::answer::Answer;
use crate::app::{Caller, Consent, Estimate, Quote, SubmitRequest};
use crate::catalog::CHECK_CREDITS;
use crate::error::{Error, Kind, Result};
use crate::next_step::{Audience, Hint};

/// Submits, and asks about the price where the settings want that.
///
/// # Errors
/// As `App::submit`; `insufficient_credits` for a price that no one agreed to.
pub async fn submit(session: &CliSession, caller: &Caller, request: SubmitRequest) -> Result<Answer> {
    let mut answer = session.app.submit(caller, request.clone()).await?;
    // Another price is another question.
    while let Some(quote) = &answer.consent {
        let agreed = Caller { consent: Consent::To(quote.id.clone()), ..agree(session, caller, quote)? };
        answer = session.app.submit(&agreed, request.clone()).await?;
    }
    Ok(answer)
}

/// The caller, if the person agrees to this price.
///
/// # Errors
/// `cancelled` when the person does not; `insufficient_credits` where no person can be asked.
pub fn agree(session: &CliSession, caller: &Caller, quote: &Quote) -> Result<Caller> {
    match session.printer.confirm(&quote.question()) {
        Some(true) => Ok(caller.clone()),
        Some(false) => {
            Err(Error::new(Kind::Cancelled, "Nothing was sent or charged.", "--dry-run shows what a call would cost."))
        }
        None => {
            let mut hint = Hint::from("Pass --yes to `pdfco call` to agree, or raise PDFCO_CONFIRM_CREDITS.");
            if let Some(cheaper) = quote.estimate.cheaper {
                hint = hint.and(" ").and(cheaper.sentence());
            }
            Err(Error::new(Kind::InsufficientCredits, quote.refusal(), hint))
        }
    }
}

/// What a call would cost, as a report.
pub fn estimated(estimate: &Estimate) -> Report {
    let line = format!("{} would cost {}", estimate.subject(), estimate.range());
    let checks =
        if estimate.has_checks() { formatcp!("; each check while waiting costs {CHECK_CREDITS} more") } else { "" };
    let mut notes = vec![format!("{} Nothing was sent or charged{checks}.", estimate.basis)];
    notes.extend(estimate.pages.map(|pages| format!("pages counted: {pages}")));
    notes.extend(estimate.balance.map(|balance| format!("known balance: {balance}")));
    notes.extend(estimate.cheaper.map(|cheaper| cheaper.sentence().text(Audience::Shell)));
    Report { notes, ..Report::line(line, json!({"status": "success", "estimate": estimate})) }
}
