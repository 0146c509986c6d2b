//! The catalog as a reader gets it: a list of operations that a question finds, and one operation in full.

use serde::Serialize;
use serde_json::Value;

use super::schema::{self, Detail};
use super::search::{Found, QUERY_CHARS_MAX, search};
use super::suggest::not_offered;
use super::{Operation, Output, Run};
use crate::error::{Error, Result};

/// A list of at most so many operations says more about each.
const SHORT_LIST: usize = 12;

/// Operations that a question finds, best first.
#[derive(Clone, Debug, Serialize)]
pub struct List {
    /// The operations.
    pub items: Vec<Line>,
    /// How many there are.
    pub total: usize,
    /// Returns false if nothing matched, and these are the operations with the nearest names.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nearest_only: bool,
    /// A sentence about what the question wishes for and the service does not offer.
    #[serde(skip)]
    pub not_offered: Option<&'static str>,
}

/// One operation of a list.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub name: &'static str,
    /// Its toolset.
    pub group: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it does, one sentence, in short lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<&'static str>,
    /// What it costs in a few words, in short lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
}

/// One operation in full.
#[derive(Clone, Debug, Serialize)]
pub struct Details {
    /// Its name.
    pub name: &'static str,
    /// Other names under which it answers.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub aliases: &'static [&'static str],
    /// Its toolset.
    pub group: &'static str,
    /// What it does, when to use which sibling, limits; without the price.
    pub description: &'static str,
    /// What it costs, with how sure that is.
    pub cost: String,
    /// Where it is known from.
    pub known_from: &'static str,
    /// What it hands over.
    pub returns: String,
    /// Its own arguments, as JSON Schema.
    pub arguments: Value,
    /// The names of the arguments that mean the same for every operation, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also_takes: Option<String>,
}

/// The operations that `query` means, best first; all of them without one.
///
/// # Errors
/// `invalid_argument` for a question of more than [`QUERY_CHARS_MAX`] characters.
pub fn list(query: Option<&str>) -> Result<List> {
    let query = query.unwrap_or_default();
    if query.len() > QUERY_CHARS_MAX && query.chars().nth(QUERY_CHARS_MAX).is_some() {
        return Err(Error::invalid(
            format!("`query` has more than {QUERY_CHARS_MAX} characters."),
            "A few words are enough, such as `watermark` or `table to csv`.",
        ));
    }
    let Found { mut operations, mut is_match } = search(query);
    let wish = not_offered(query);
    let wish = wish.filter(|wish| operations.is_empty() || !is_match || wish.is_all_of(query));
    if let Some(wish) = wish {
        (operations, is_match) = (wish.nearest.iter().filter_map(|name| super::find(name).ok()).collect(), false);
    }
    let is_short = operations.len() <= SHORT_LIST;
    let items: Vec<Line> = operations.iter().map(|operation| Line::of(operation, is_short)).collect();
    Ok(List { total: items.len(), items, nearest_only: !is_match, not_offered: wish.map(|wish| wish.why) })
}

impl Line {
    fn of(operation: &'static Operation, is_short: bool) -> Line {
        Line {
            name: operation.name,
            group: operation.toolset.as_str(),
            title: operation.title,
            about: is_short.then(|| operation.summary()),
            price: is_short.then(|| operation.price.short(operation.run)),
        }
    }
}

/// `operation` in full.
pub fn describe(operation: &'static Operation) -> Details {
    Details {
        name: operation.name,
        aliases: operation.aliases,
        group: operation.toolset.as_str(),
        description: operation.about,
        cost: operation.price.words(operation.run),
        known_from: operation.confidence.words(),
        returns: returns(operation),
        arguments: schema::of_params(operation.params(), Detail::Described),
        also_takes: schema::shared(operation.params()),
    }
}

fn returns(operation: &Operation) -> String {
    match operation.output {
        Output::Text(mime) => format!("text ({mime})"),
        Output::Binary(mime) => format!("a file ({mime})"),
        Output::Many(mime) => format!("files ({mime})"),
        Output::Inline if operation.run == Run::Direct => "JSON, at once and without a job".to_owned(),
        Output::Inline => "JSON".to_owned(),
        Output::Nothing => "nothing but that it is done".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::{all, find};

    #[test]
    fn short_lists_say_price_and_purpose() {
        let list = list(Some("unlock")).unwrap();
        let line = json!(list.items.first().unwrap());
        assert_eq!(line["name"], "pdf_remove_password");
        assert_eq!(line["price"], "about 3 credits, per page or once");
        assert!(line["about"].as_str().unwrap().starts_with("Remove the passwords"), "{line}");
    }

    #[test]
    fn long_lists_stay_small_and_huge_questions_are_refused() {
        let all_of_them = json!(list(None).unwrap());
        assert_eq!(all_of_them["total"], all().count());
        assert!(all_of_them["items"][0].get("price").is_none());
        assert!(list(Some(&"word ".repeat(1_000_000))).is_err());
        assert!(list(Some(&"é".repeat(QUERY_CHARS_MAX))).is_ok());
    }

    #[test]
    fn a_description_is_light_and_true_about_its_source() {
        for operation in all() {
            let text = json!(describe(operation)).to_string();
            assert!(text.len() < 6_000, "{}: {} bytes", operation.name, text.len());
        }
        let old = describe(find("pdf_translate").unwrap());
        assert!(old.known_from.contains("only"), "{}", old.known_from);
        let info = describe(find("pdf_info_reader").unwrap());
        assert!(info.arguments["properties"].get("httpusername").is_none());
        assert!(info.also_takes.unwrap().contains("httpusername, httppassword"));
    }
}
