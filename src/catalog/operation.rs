//! One operation of the service, and the words of which a row of the catalog is made.

use serde::Serialize;

use super::names::same_name;
use super::{Param, Price, Run};
use crate::hint;
use crate::next_step::{Hint, NextStep};

/// One operation of the service.
///
/// A row is built by [`Operation::job`] or [`Operation::direct`], and states only what differs from these.
#[derive(Debug)]
pub struct Operation {
    /// Tool name, in snake case: the official Python server's where it has the operation.
    pub name: &'static str,
    /// Other names under which it answers.
    pub aliases: &'static [&'static str],
    /// A few words for lists and buttons.
    pub title: &'static str,
    /// What it does, when to use which sibling, limits; without the price. See [`Operation::description`].
    pub about: &'static str,
    /// Words that a person may use for it and that are in none of its other texts.
    pub keywords: &'static [&'static str],
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
    /// Whether finding nothing is a result of it, as it always is where the result is data: no attachment.
    pub may_be_empty: bool,
    /// What it costs, as far as a source says so.
    pub price: Price,
    /// What it changes.
    pub effect: Effect,
    /// How well it is known.
    pub confidence: Confidence,
    /// What does the same for less, where there is such an operation.
    pub cheaper: Option<Cheaper>,
    /// Its parameters, as groups that other operations share and groups of its own; in the order they are shown.
    pub params: &'static [&'static [Param]],
}

impl Operation {
    /// The least that a call costs, in credits; none when it only reads the account for nothing.
    pub fn least_credits(&self) -> Option<i64> {
        let credits = i64::from(self.price.credits().unwrap_or(0));
        (credits > 0 || self.effect != Effect::ReadsAccount).then_some(credits)
    }

    /// A documented operation that makes a PDF in a background job, of unknown price and without parameters.
    pub const fn job(toolset: Toolset, name: &'static str, path: &'static str) -> Operation {
        Operation {
            name,
            aliases: &[],
            title: "",
            about: "",
            keywords: &[],
            method: Method::Post,
            path,
            toolset,
            run: Run::Job,
            output: Output::Binary("application/pdf"),
            may_be_empty: false,
            price: Price::Unknown,
            effect: Effect::MakesDocument,
            confidence: Confidence::Documented,
            cheaper: None,
            params: &[],
        }
    }

    /// A documented operation that answers at once with JSON and changes nothing.
    pub const fn direct(toolset: Toolset, method: Method, name: &'static str, path: &'static str) -> Operation {
        let mut operation = Operation::job(toolset, name, path);
        operation.method = method;
        operation.run = Run::Direct;
        operation.output = Output::Inline;
        operation.effect = Effect::ReadsAccount;
        operation
    }

    /// Adds names under which it answers as well.
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Operation {
        self.aliases = aliases;
        self
    }

    /// Sets the title.
    pub const fn title(mut self, title: &'static str) -> Operation {
        self.title = title;
        self
    }

    /// Sets what it does, without the price.
    pub const fn about(mut self, about: &'static str) -> Operation {
        self.about = about;
        self
    }

    /// Sets the words by which it is found.
    pub const fn keywords(mut self, keywords: &'static [&'static str]) -> Operation {
        self.keywords = keywords;
        self
    }

    /// Sets how its work is done.
    pub const fn run(mut self, run: Run) -> Operation {
        self.run = run;
        self
    }

    /// Sets what its result is.
    pub const fn output(mut self, output: Output) -> Operation {
        self.output = output;
        self
    }

    /// Sets what it costs.
    pub const fn price(mut self, price: Price) -> Operation {
        self.price = price;
        self
    }

    /// Names the operation that does the same for less, and when it does.
    pub const fn cheaper(mut self, operation: &'static str, when: &'static str) -> Operation {
        self.cheaper = Some(Cheaper { operation, when });
        self
    }

    /// Sets what it changes.
    pub const fn effect(mut self, effect: Effect) -> Operation {
        self.effect = effect;
        self
    }

    /// Marks that it may find nothing.
    pub const fn may_be_empty(mut self) -> Operation {
        self.may_be_empty = true;
        self
    }

    /// Marks it as known only from samples, older documentation or other clients.
    pub const fn samples_only(mut self) -> Operation {
        self.confidence = Confidence::SampleOnly;
        self
    }

    /// Sets its parameters.
    pub const fn takes(mut self, params: &'static [&'static [Param]]) -> Operation {
        self.params = params;
        self
    }

    /// What a person or a model reads: what it does, what it costs, and whether it is documented.
    pub fn description(&self) -> String {
        let mut text = format!("{} {}", self.about, self.price.sentence(self.run));
        if self.confidence == Confidence::SampleOnly {
            text.push_str(" Not in the service's current documentation.");
        }
        text
    }

    /// The first sentence of what it does, without its full stop.
    pub fn summary(&self) -> &'static str {
        let first = self.about.split_once(". ").map_or(self.about, |(first, _)| first);
        first.trim_end_matches('.')
    }

    /// All parameters in the order they are shown.
    pub fn params(&self) -> impl Iterator<Item = &'static Param> + Clone + use<> {
        self.params.iter().flat_map(|group| group.iter())
    }

    /// The parameter that answers to `name` in any accepted spelling.
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params().find(|param| param.answers_to(name))
    }

    /// Returns true if `name` is one of this operation's names. Case, dashes and underscores do not matter.
    pub fn answers_to(&self, name: &str) -> bool {
        same_name(self.name, name) || self.aliases.iter().any(|alias| same_name(alias, name))
    }

    /// Returns true if its result is meant to be read: text or JSON of a job, whether it stands in the service's answer
    /// or behind a link.
    pub fn gives_text(&self) -> bool {
        match self.output {
            Output::Text(_) => true,
            Output::Inline => self.run != Run::Direct,
            Output::Binary(_) | Output::Many(_) | Output::Nothing => false,
        }
    }

    /// MIME type of the result, or of each of its files. JSON for data in the answer itself.
    pub fn result_mime(&self) -> &'static str {
        match self.output {
            Output::Text(mime) | Output::Binary(mime) | Output::Many(mime) => mime,
            Output::Inline | Output::Nothing => "application/json",
        }
    }
}

/// An operation that does the same for less, under a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cheaper {
    /// Its name.
    pub operation: &'static str,
    /// When it does: the end of a sentence, such as `where all documents are PDFs`.
    pub when: &'static str,
}

impl Cheaper {
    /// One sentence that suggests it.
    pub fn sentence(self) -> Hint {
        hint![NextStep::Operation(self.operation.into()), " does the same for less ", self.when, "."]
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

/// What a finished operation hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// One file whose content is text of this MIME type.
    Text(&'static str),
    /// One binary file of this MIME type.
    Binary(&'static str),
    /// Several files of this MIME type: a list of links.
    Many(&'static str),
    /// JSON: inside the answer itself, or, for a job, behind a link to a JSON file.
    Inline,
    /// Nothing but that it is done.
    Nothing,
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
    /// Sends an e-mail to other people.
    SendsMail,
}

/// How well an operation is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// In the service's documentation.
    Documented,
    /// Only in official samples, older documentation or other clients.
    SampleOnly,
}

impl Confidence {
    /// Where it is known from, in words.
    pub fn words(self) -> &'static str {
        match self {
            Confidence::Documented => "the service's documentation",
            Confidence::SampleOnly => "samples, older documentation or other clients only",
        }
    }
}
