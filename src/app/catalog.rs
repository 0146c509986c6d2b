//! The catalog as callers search and read it.

use super::{Answer, App};
use crate::catalog;
pub use crate::catalog::overview::{Details as OperationDetails, Line as OperationSummary, List as OperationList};
use crate::charge::Charge;
use crate::error::Result;
use crate::hint;
use crate::next_step::NextStep;

impl From<OperationList> for Answer {
    fn from(list: OperationList) -> Answer {
        let hint = match list.items.as_slice() {
            [] => hint!["No operation matches. ", NextStep::ListOperations, " without a query lists all."],
            [only] => {
                hint![NextStep::Describe(only.name.to_owned()), " shows its arguments; ", NextStep::Submit, " runs it."]
            }
            _ => {
                hint![NextStep::DescribeAny, " shows the arguments of one; ", NextStep::Submit, " runs it."]
            }
        };
        let hint = match list.not_offered {
            Some(why) => hint![why, " ", hint],
            None => hint,
        };
        Answer::success(list, Charge::NONE).with_tips(hint)
    }
}

impl From<OperationDetails> for Answer {
    fn from(details: OperationDetails) -> Answer {
        let takes_url = details.arguments.get("properties").is_some_and(|properties| properties.get("url").is_some());
        let url = if takes_url { ", `url` and the rest in `options`." } else { " and the arguments in `options`." };
        let hint = hint!["Run it with ", NextStep::Submit, format!(": operation {}{url}", details.name)];
        Answer::success(details, Charge::NONE).with_tips(hint)
    }
}

impl App {
    /// The catalog, or the part of it that `query` finds, best match first.
    ///
    /// # Errors
    /// `invalid_argument` for a question that is too long.
    pub fn operations(&self, query: Option<&str>) -> Result<OperationList> {
        catalog::overview::list(query)
    }

    /// One operation: what it does, costs, takes and returns.
    ///
    /// # Errors
    /// `not_found` with the nearest names.
    pub fn describe(&self, name: &str) -> Result<OperationDetails> {
        catalog::find(name).map(catalog::overview::describe)
    }
}
