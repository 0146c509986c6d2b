//! The catalog as callers search and read it.

use serde::Serialize;
use serde_json::Value;

use super::{Answer, App};
use crate::catalog::schema::{Detail, of_params};
use crate::catalog::{self, Confidence, Operation};
use crate::charge::Charge;
use crate::error::Result;
use crate::hint;
use crate::next_step::NextStep;

/// Operations that match a query, best first.
#[derive(Clone, Debug, Serialize)]
pub struct OperationList {
    /// The operations.
    pub items: Vec<OperationSummary>,
    /// How many there are.
    pub total: usize,
}

/// One operation in a list.
#[derive(Clone, Debug, Serialize)]
pub struct OperationSummary {
    /// Catalog name.
    pub name: &'static str,
    /// Word of its toolset.
    pub group: &'static str,
    /// A few words about it.
    pub title: &'static str,
}

/// One operation: what it does, costs and takes.
#[derive(Clone, Debug, Serialize)]
pub struct OperationDetails {
    /// Catalog name.
    pub name: &'static str,
    /// Other names under which it answers.
    pub aliases: &'static [&'static str],
    /// Word of its toolset.
    pub group: &'static str,
    /// Product text.
    pub description: &'static str,
    /// Its price in words.
    pub cost: String,
    /// Whether the service documents it.
    pub documented: bool,
    /// JSON schema of its arguments.
    pub arguments: Value,
}

impl From<OperationList> for Answer {
    fn from(list: OperationList) -> Answer {
        // A name that is not told needs the catalog's whole schema: none is shown before it is asked for.
        let hint = match list.items.as_slice() {
            [only] => {
                hint![NextStep::Describe(only.name.to_owned()), " shows its arguments; ", NextStep::Submit, " runs it."]
            }
            _ => hint![
                NextStep::Describe("NAME".to_owned()),
                " shows the arguments of one; ",
                NextStep::Submit,
                " runs it."
            ],
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
    /// The catalog, or the part of it that `query` finds.
    pub fn operations(&self, query: Option<&str>) -> OperationList {
        let words: Vec<String> =
            query.unwrap_or_default().split_whitespace().map(|word| word.to_lowercase().replace('-', "_")).collect();
        let matches = |operation: &Operation| {
            let text = format!(
                "{} {} {} {} {}",
                operation.name,
                operation.aliases.join(" "),
                operation.title,
                operation.description,
                operation.toolset.as_str()
            )
            .to_lowercase();
            words.iter().all(|word| text.contains(word.as_str()))
        };
        let mut found: Vec<&Operation> = catalog::all().filter(|operation| matches(operation)).collect();
        if found.is_empty() {
            let names = catalog::all().map(|operation| operation.name);
            let near = catalog::nearest(query.unwrap_or_default(), names, 5);
            found = catalog::all().filter(|operation| near.contains(&operation.name)).collect();
        }
        let items: Vec<OperationSummary> = found.into_iter().map(OperationSummary::of).collect();
        OperationList { total: items.len(), items }
    }

    /// One operation: what it does, costs, takes and returns.
    ///
    /// # Errors
    /// `not_found` with the nearest names.
    pub fn describe(&self, name: &str) -> Result<OperationDetails> {
        let operation = catalog::find(name)?;
        Ok(OperationDetails {
            name: operation.name,
            aliases: operation.aliases,
            group: operation.toolset.as_str(),
            description: operation.description,
            cost: operation.price.words(),
            documented: operation.confidence == Confidence::Documented,
            arguments: of_params(operation.params(), Detail::Full),
        })
    }
}

impl OperationSummary {
    fn of(operation: &Operation) -> OperationSummary {
        OperationSummary { name: operation.name, group: operation.toolset.as_str(), title: operation.title }
    }
}
