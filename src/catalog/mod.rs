//! What the service can do: one declaration per operation, read by every surface.
//!
//! What lives here: [`Operation`] and [`Param`] (what may be declared), [`ALL`] (what is declared), [`find`], and in
//! `arguments.rs` the one place that turns what a caller wrote into the body that goes out. Generic submit, named
//! tools, command-line flags, simulator routes and the README table are all made from these rows. What never does:
//! any knowledge of HTTP, of MCP or of clap.
//!
//! Start at [`Operation`], then read one row in `convert_from_pdf.rs`. Sources of the facts: `pdfco-api.md` and
//! `pdfco-endpoints.json` of the reference; where those disagree, both spellings are accepted and the documented one
//! is sent.

pub mod account;
pub mod arguments;
pub mod convert_from_pdf;
pub mod convert_to_pdf;
pub mod edit;
pub mod extract;
pub mod files;
pub mod forms;
pub mod params;
pub mod schema;
pub mod search;
pub mod security;
pub mod spreadsheets;

use crate::error::{Error, Kind};

/// One operation of the service.
#[derive(Debug)]
pub struct Operation {
    /// Tool name, in snake case: the official Python server's where it has the operation.
    pub name: &'static str,
    /// Other names under which it answers.
    pub aliases: &'static [&'static str],
    /// A few words for lists and buttons.
    pub title: &'static str,
    /// Product text: what it does, when to use which sibling, price where documented, limits.
    pub description: &'static str,
    /// HTTP method.
    pub method: Method,
    /// Path below the base URL. `{id}` stands for the parameter of that name, which is required or has a default that
    /// takes its place.
    pub path: &'static str,
    /// Where it is listed.
    pub toolset: Toolset,
    /// How its work is done.
    pub run: Run,
    /// What its result is.
    pub output: Output,
    /// What it costs, as far as anybody said.
    pub price: Price,
    /// What it changes.
    pub effect: Effect,
    /// How well it is known.
    pub confidence: Confidence,
    /// Its parameters, as groups that other operations share and groups of its own; in the order they are shown.
    pub params: &'static [&'static [Param]],
}

impl Operation {
    /// All parameters in the order they are shown.
    pub fn params(&self) -> impl Iterator<Item = &'static Param> + Clone + use<> {
        self.params.iter().flat_map(|group| group.iter())
    }

    /// The parameter that answers to `name` in any accepted spelling.
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params().find(|param| param.answers_to(name))
    }

    /// Whether `name` is one of this operation's names. Dashes count as underscores.
    pub fn answers_to(&self, name: &str) -> bool {
        same_name(self.name, name) || self.aliases.iter().any(|alias| same_name(alias, name))
    }
}

/// HTTP method of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Parameters travel in the query.
    Get,
    /// Parameters travel as a JSON body.
    Post,
}

/// Groups of operations that are shown together (`--toolsets`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Toolset {
    /// PDF to something else.
    ConvertFromPdf,
    /// Something else to PDF.
    ConvertToPdf,
    /// Spreadsheets to something else.
    Spreadsheets,
    /// Changing pages and their contents: merge, split, rotate, add, compress…
    Edit,
    /// Form fields.
    Forms,
    /// Finding text and tables.
    Search,
    /// Data out of documents: invoices, parser templates, barcodes, e-mails, attachments.
    Extract,
    /// Passwords and permissions.
    Security,
    /// Stored files, templates and the account.
    Account,
}

impl Toolset {
    /// Every toolset, in the order of the documentation.
    pub const ALL: [Toolset; 9] = [
        Toolset::ConvertFromPdf,
        Toolset::ConvertToPdf,
        Toolset::Spreadsheets,
        Toolset::Edit,
        Toolset::Forms,
        Toolset::Search,
        Toolset::Extract,
        Toolset::Security,
        Toolset::Account,
    ];

    /// The word of `--toolsets`.
    pub fn as_str(self) -> &'static str {
        match self {
            Toolset::ConvertFromPdf => "convert_from_pdf",
            Toolset::ConvertToPdf => "convert_to_pdf",
            Toolset::Spreadsheets => "spreadsheets",
            Toolset::Edit => "edit",
            Toolset::Forms => "forms",
            Toolset::Search => "search",
            Toolset::Extract => "extract",
            Toolset::Security => "security",
            Toolset::Account => "account",
        }
    }
}

/// How the service does an operation's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// As a background job when the request says `async: true`, which ours always does.
    Job,
    /// As a background job whatever the request says.
    AlwaysJob,
    /// At once: the answer is the result, and there is no job.
    Direct,
}

/// What a finished operation hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// One file whose content is text of this MIME type.
    Text(&'static str),
    /// One binary file of this MIME type.
    Binary(&'static str),
    /// Several files of this MIME type: a list of links.
    Many(&'static str),
    /// JSON inside the answer itself.
    Inline,
    /// Nothing but the news that it is done.
    Nothing,
}

/// What an operation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// Credits a page, as documented by the service.
    PerPage(u32),
    /// Credits a call, as documented by the service.
    PerCall(u32),
    /// Credits a page, as seen by other clients of the service; not documented.
    PerPageSeen(u32),
    /// Credits a call, as seen by other clients of the service; not documented.
    PerCallSeen(u32),
    /// Nobody said.
    Unknown,
}

impl Price {
    /// In words, with how sure they are.
    pub fn words(self) -> String {
        match self {
            Price::PerPage(credits) => format!("about {credits} credits a page (documented)"),
            Price::PerCall(credits) => format!("about {credits} credits a call (documented)"),
            Price::PerPageSeen(credits) => format!("about {credits} credits a page (seen by others, not documented)"),
            Price::PerCallSeen(credits) => format!("about {credits} credits a call (seen by others, not documented)"),
            Price::Unknown => "not documented; every answer reports what was charged".to_owned(),
        }
    }
}

/// What an operation changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Reads the account only; costs nothing worth counting.
    ReadsAccount,
    /// Makes a new document or extracts data; the source stays as it is. Spends credits.
    MakesDocument,
    /// Stores a file with the service. Spends credits.
    StoresFile,
    /// Removes a file from the service.
    DeletesFile,
    /// Sends an e-mail to somebody.
    SendsMail,
}

/// How well an operation is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// In the service's documentation.
    Documented,
    /// Only in official samples or older documentation.
    SampleOnly,
}

/// One parameter of an operation.
#[derive(Debug, PartialEq)]
pub struct Param {
    /// The name that is shown, in snake case (or as the official Python server spells it).
    pub name: &'static str,
    /// The name on the wire.
    pub wire: &'static str,
    /// Other spellings that are accepted. `wire` always is, and case and underscores never matter.
    pub aliases: &'static [&'static str],
    /// What values it takes.
    pub kind: ParamKind,
    /// Whether a call without it is refused.
    pub required: bool,
    /// The service's default, for display only: a parameter that was left out is not sent.
    pub default: Option<&'static str>,
    /// Product text: format, range, origin, one idea.
    pub description: &'static str,
    /// A password: never stored, never shown.
    pub secret: bool,
    /// Seldom needed: taken everywhere and shown by describe_operation and the command line, but left out of the schema
    /// of a named tool, where it would cost every conversation its tokens.
    pub advanced: bool,
}

impl Param {
    /// A parameter named `name` on both sides, optional, of `kind`.
    pub const fn new(name: &'static str, kind: ParamKind, description: &'static str) -> Param {
        Param {
            name,
            wire: name,
            aliases: &[],
            kind,
            required: false,
            default: None,
            description,
            secret: false,
            advanced: false,
        }
    }

    /// Sets the name on the wire.
    pub const fn wire(mut self, wire: &'static str) -> Param {
        self.wire = wire;
        self
    }

    /// Adds other accepted spellings.
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Param {
        self.aliases = aliases;
        self
    }

    /// Makes it required.
    pub const fn required(mut self) -> Param {
        self.required = true;
        self
    }

    /// States the service's default.
    pub const fn default(mut self, default: &'static str) -> Param {
        self.default = Some(default);
        self
    }

    /// Marks it as a password.
    pub const fn secret(mut self) -> Param {
        self.secret = true;
        self
    }

    /// Leaves it out of the schemas of named tools.
    pub const fn advanced(mut self) -> Param {
        self.advanced = true;
        self
    }

    /// ResponseMode back [`Param::advanced`], for one operation that needs it.
    pub const fn shown(mut self) -> Param {
        self.advanced = false;
        self
    }

    /// Whether `name` means this parameter. Case, underscores and dashes never matter.
    pub fn answers_to(&self, name: &str) -> bool {
        same_name(self.name, name)
            || same_name(self.wire, name)
            || self.aliases.iter().any(|alias| same_name(alias, name))
    }
}

/// What values a parameter takes. Every kind also accepts its value written as a string.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamKind {
    /// One document: a link, a stored-file token, or a local path that is uploaded first.
    Source,
    /// Several documents; they travel as one comma-separated string.
    Sources,
    /// Text.
    Text,
    /// Text, or any JSON value, which is sent as its JSON text (`profiles`, `templateData`).
    JsonText,
    /// A whole number, bounds included.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// One of these words; case does not matter, the listed spelling is sent.
    Choice(&'static [&'static str]),
    /// One of these words as a rule, but others are passed on, because lists in the documentation are not complete.
    Suggested(&'static [&'static str]),
    /// A list of words; sent as a JSON array of strings. A comma-separated string is accepted.
    Strings,
    /// A list of objects; sent as a JSON array.
    Objects(&'static [Param]),
    /// An object; sent as a JSON object.
    Object(&'static [Param]),
}

/// Every operation, in the order of the documentation.
pub static ALL: &[&[Operation]] = &[
    convert_from_pdf::OPERATIONS,
    convert_to_pdf::OPERATIONS,
    spreadsheets::OPERATIONS,
    edit::OPERATIONS,
    forms::OPERATIONS,
    search::OPERATIONS,
    extract::OPERATIONS,
    security::OPERATIONS,
    files::OPERATIONS,
    account::OPERATIONS,
];

/// Every operation, one after the other.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    ALL.iter().flat_map(|room| room.iter())
}

/// The operation that answers to `name`; case, dashes and underscores do not matter.
///
/// # Errors
/// `not_found` with the nearest names.
pub fn find(name: &str) -> Result<&'static Operation, Error> {
    all().find(|operation| operation.answers_to(name)).ok_or_else(|| {
        let near = nearest(name, all().map(|operation| operation.name), 3);
        let hint = if near.is_empty() {
            "List what there is with list_operations (`pdfco operations`).".to_owned()
        } else {
            format!("Did you mean {}? list_operations (`pdfco operations`) lists all.", near.join(" or "))
        };
        Error::new(Kind::NotFound, format!("There is no operation named `{}`.", shorten(name, 60)), hint)
    })
}

/// Longest word that is taken for a misspelt name.
const TYPED_BYTES_MAX: usize = 64;

/// The toolsets that `--toolsets` names; `core` names none, `all` names all.
///
/// # Errors
/// `invalid_argument` for a word that is none.
pub fn toolsets(words: &[String]) -> Result<Vec<Toolset>, Error> {
    let mut chosen = Vec::new();
    for word in words {
        match word.as_str() {
            "core" => {}
            "all" => return Ok(Toolset::ALL.to_vec()),
            word => match Toolset::ALL.iter().find(|toolset| toolset.as_str() == word) {
                Some(toolset) => chosen.push(*toolset),
                None => {
                    let names: Vec<&str> = Toolset::ALL.iter().map(|toolset| toolset.as_str()).collect();
                    return Err(Error::invalid(
                        format!("There is no toolset `{}`.", shorten(word, 40)),
                        format!("PDFCO_TOOLSETS takes core, all, {}.", names.join(", ")),
                    ));
                }
            },
        }
    }
    Ok(chosen)
}

/// The names nearest to what was typed, best first, at most `limit`; none when nothing is near.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>, limit: usize) -> Vec<&'a str> {
    // Comparing costs the product of both lengths, and nothing that long is a misspelt name.
    if typed.len() > TYPED_BYTES_MAX {
        return Vec::new();
    }
    let typed = fold(typed);
    let mut scored: Vec<(f64, &str)> = names
        .map(|name| {
            let folded = fold(name);
            let score = strsim::jaro_winkler(&typed, &folded);
            let contains = typed.len() >= 3 && (folded.contains(&typed) || typed.contains(&folded));
            (if contains { score.max(0.9) } else { score }, name)
        })
        .filter(|(score, _)| *score >= 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(limit).map(|(_, name)| name).collect()
}

/// Equal but for case, underscores and dashes.
fn same_name(a: &str, b: &str) -> bool {
    if b.len() > TYPED_BYTES_MAX {
        return false;
    }
    let significant = |s: &'_ str| -> Vec<u8> { fold(s).into_bytes() };
    significant(a) == significant(b)
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| *c != '_' && *c != '-').flat_map(char::to_lowercase).collect()
}

/// At most `chars` characters of `text`, for messages that quote what a caller wrote.
pub fn shorten(text: &str, chars: usize) -> String {
    // Neither what a terminal obeys nor what turns text around, so that a quotation cannot pose as something else.
    let is_shown = |c: char| {
        !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut clean: String = text.chars().take(chars).map(|c| if is_shown(c) { c } else { '\u{fffd}' }).collect();
    if text.chars().nth(chars).is_some() {
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_operations_answer_to_one_name() {
        let mut seen = HashSet::new();
        for operation in all() {
            for name in std::iter::once(&operation.name).chain(operation.aliases) {
                assert!(seen.insert(fold(name)), "{name} is declared twice");
            }
        }
    }

    #[test]
    fn names_are_legal_tool_names_and_paths_are_paths() {
        for operation in all() {
            assert!(operation.name.len() <= 40, "{}", operation.name);
            assert!(
                operation.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{}",
                operation.name
            );
            assert!(operation.path.starts_with('/'), "{}", operation.name);
            assert!(
                operation.description.len() <= 1_200,
                "{} describes itself in {} bytes",
                operation.name,
                operation.description.len()
            );
            assert!(operation.description.ends_with('.'), "{}", operation.name);
        }
    }

    #[test]
    fn parameters_of_an_operation_are_distinct_and_described() {
        for operation in all() {
            let params: Vec<_> = operation.params().collect();
            for (at, param) in params.iter().enumerate() {
                assert!(!param.description.is_empty(), "{}.{}", operation.name, param.name);
                for other in params.iter().skip(at + 1) {
                    assert!(
                        !other.answers_to(param.name) && !other.answers_to(param.wire),
                        "{}: {} and {}",
                        operation.name,
                        param.name,
                        other.name
                    );
                }
            }
        }
    }

    #[test]
    fn every_placeholder_of_a_path_is_a_parameter() {
        for operation in all() {
            for piece in operation.path.split('/').filter(|piece| piece.starts_with('{')) {
                let name = piece.trim_matches(['{', '}']);
                assert!(
                    operation.param(name).is_some_and(|param| param.required || param.default.is_some()),
                    "{}: {piece}",
                    operation.name
                );
            }
        }
    }

    #[test]
    fn an_unknown_operation_gets_the_nearest_names() {
        let error = find("pdf-to-txt").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(
            error.hint().text(crate::next_step::Audience::Agent).contains("pdf_to_text"),
            "{}",
            error.hint().text(crate::next_step::Audience::Agent)
        );
        assert!(find("PDF-To-Text").is_ok());
    }
}
