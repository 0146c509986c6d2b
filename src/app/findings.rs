//! What the service itself was found to do with an account, by questions that were asked on purpose
//! (`pdfco doctor --service`); kept in the ledger, and used where the documentation leaves it open.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{App, Caller};
use crate::catalog::{Operation, Output};
use crate::clock::Millis;
use crate::error::{Error, Result};
use crate::hint;
use crate::json_ext::whole_number;
use crate::next_step::NextStep;

/// The argument that names a sheet of a workbook.
pub(super) const SHEET: &str = "worksheetIndex";

/// How the pages of a job are charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charging {
    /// The price once, however many pages.
    Once,
    /// The price for each page.
    PerPage,
}

/// Where the data of a job stands in the answer that says that it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataLocation {
    /// In a field of its own, such as `info`.
    Field,
    /// Under `body`, and behind a link as well.
    BodyAndLink,
    /// Under `body` alone.
    Body,
    /// Behind a link alone.
    Link,
}

/// What was found; none where a question was not asked or had no clear answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceFindings {
    /// When the questions were asked.
    pub at: Millis,
    /// How the pages of a job are charged.
    pub charging: Option<Charging>,
    /// Where the data of a job stands that was asked for with `inline`.
    pub facts_with_inline: Option<DataLocation>,
    /// Where it stands otherwise.
    pub facts_without_inline: Option<DataLocation>,
    /// What a job with a wrong password ended as.
    pub wrong_password: Option<String>,
    /// Whether a job that ended well called back.
    pub callbacks: Option<bool>,
    /// Whether a job that failed called back.
    pub callbacks_of_failures: Option<bool>,
    /// The number of a workbook's first sheet.
    pub first_sheet: Option<u8>,
}

impl ServiceFindings {
    /// Whether any question had a clear answer.
    pub fn is_anything(&self) -> bool {
        *self != ServiceFindings { at: self.at, ..ServiceFindings::default() }
    }

    /// Whether the default `inline` brings nothing: the data is in the answer anyway, or it is not there with it either.
    fn makes_inline_useless(&self) -> bool {
        let is_inside = |location: DataLocation| location != DataLocation::Link;
        match (self.facts_with_inline, self.facts_without_inline) {
            (_, Some(without)) if is_inside(without) => true,
            (Some(with), _) => !is_inside(with),
            (None, _) => false,
        }
    }

    /// Whether `inline`, which the call did not ask for, is left out of a request of `operation`.
    pub(super) fn leaves_out_inline(&self, operation: &Operation, was_given: bool) -> bool {
        !was_given && operation.output == Output::Inline && self.makes_inline_useless()
    }

    /// Whether the service is worth asking to call back: not where callbacks are known not to come.
    pub fn may_call_back(&self) -> bool {
        self.callbacks != Some(false)
    }

    /// Refuses the number of a sheet that does not exist, as far as is known how sheets are counted.
    ///
    /// # Errors
    /// `invalid_argument`, naming the first sheet's number.
    pub(super) fn refuse_missing_sheet(&self, arguments: &Map<String, Value>) -> Result<()> {
        let Some(first) = self.first_sheet.map(i64::from) else { return Ok(()) };
        match sheet_of(arguments) {
            Some(sheet) if sheet < first => Err(Error::invalid(
                format!("There is no sheet {sheet}: the service counts sheets from {first}."),
                hint![
                    format!("{first} is the first sheet; without "),
                    NextStep::Argument(SHEET.into()),
                    " all are converted. Nothing was sent."
                ],
            )),
            _ => Ok(()),
        }
    }

    /// Which sheet the call asks for, in words, as far as is known how sheets are counted.
    pub(super) fn sheet_in_words(&self, arguments: &Map<String, Value>) -> Option<String> {
        let (first, sheet) = (i64::from(self.first_sheet?), sheet_of(arguments)?);
        let number = sheet.checked_sub(first)?.checked_add(1)?;
        Some(format!("The service counts sheets from {first}: `{sheet}` is sheet {number}."))
    }
}

/// The sheet that a call asks for, by the service's number.
fn sheet_of(arguments: &Map<String, Value>) -> Option<i64> {
    arguments.get(SHEET).and_then(whole_number)
}

impl App {
    /// What was found out about the service with the caller's account.
    pub async fn findings(&self, caller: &Caller) -> ServiceFindings {
        let kept = self.jobs.ledger().findings(caller.owner.account()).await.ok().flatten();
        kept.and_then(|kept| serde_json::from_value(kept).ok()).unwrap_or_default()
    }

    /// Keeps what was found out with the caller's account. What an earlier run found and this one did not ask stays.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written.
    pub async fn keep_findings(&self, caller: &Caller, new: ServiceFindings) -> Result<()> {
        let old = self.findings(caller).await;
        let findings = ServiceFindings {
            at: new.at,
            charging: new.charging.or(old.charging),
            facts_with_inline: new.facts_with_inline.or(old.facts_with_inline),
            facts_without_inline: new.facts_without_inline.or(old.facts_without_inline),
            wrong_password: new.wrong_password.or(old.wrong_password),
            callbacks: new.callbacks.or(old.callbacks),
            callbacks_of_failures: new.callbacks_of_failures.or(old.callbacks_of_failures),
            first_sheet: new.first_sheet.or(old.first_sheet),
        };
        let value = serde_json::to_value(&findings).unwrap_or_default();
        self.jobs.ledger().keep_findings(caller.owner.account(), &value).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::find;

    #[test]
    fn inline_is_left_out_only_where_it_brings_nothing() {
        let info = find("pdf_info_reader").unwrap();
        for (with, without, expected) in [
            (None, None, false),
            (Some(DataLocation::BodyAndLink), Some(DataLocation::Link), false),
            (Some(DataLocation::BodyAndLink), None, false),
            (Some(DataLocation::Link), Some(DataLocation::Link), true),
            (Some(DataLocation::Field), Some(DataLocation::Field), true),
            (None, Some(DataLocation::Field), true),
        ] {
            let findings = ServiceFindings {
                facts_with_inline: with,
                facts_without_inline: without,
                ..ServiceFindings::default()
            };
            assert_eq!(findings.leaves_out_inline(info, false), expected, "{with:?} {without:?}");
            assert!(!findings.leaves_out_inline(info, true), "what was asked for is sent");
            assert!(!findings.leaves_out_inline(find("pdf_to_text").unwrap(), false));
        }
    }

    #[test]
    fn sheets_are_counted_as_the_service_was_found_to() {
        let asked = |sheet: Value| Map::from_iter([("worksheetIndex".to_owned(), sheet)]);
        let found = |first| ServiceFindings { first_sheet: first, ..ServiceFindings::default() };
        for (first, sheet, is_refused, words) in [
            (None, json!("0"), false, None),
            (Some(0), json!("0"), false, Some("`0` is sheet 1.")),
            (Some(0), json!("-1"), true, Some("`-1` is sheet 0.")),
            (Some(1), json!("0"), true, Some("`0` is sheet 0.")),
            (Some(1), json!(1), false, Some("`1` is sheet 1.")),
            (Some(1), json!(""), false, None),
        ] {
            let (found, asked) = (found(first), asked(sheet));
            assert_eq!(found.refuse_missing_sheet(&asked).is_err(), is_refused, "{first:?} {asked:?}");
            let said = found.sheet_in_words(&asked);
            assert!(said.as_deref().unwrap_or_default().ends_with(words.unwrap_or_default()), "{said:?}");
            assert_eq!(said.is_some(), words.is_some(), "{first:?} {asked:?}");
        }
        assert!(found(Some(1)).refuse_missing_sheet(&Map::new()).is_ok());
    }
}
