//! One parameter of an operation or a tool: its names, what values it takes, how it is explained.

use super::names::same_name;

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
    /// The value that holds when it is left out. Only shown, unless `sends_default` is set.
    pub default: Option<&'static str>,
    /// Whether the default goes out when it is left out, because the service refuses a request without it or behaves
    /// otherwise.
    pub sends_default: bool,
    /// Text for people and models: format, range, origin, one idea.
    pub description: &'static str,
    /// A password: never stored, never shown.
    pub secret: bool,
    /// Seldom needed: taken everywhere and shown where one operation is described, but left out of the schema
    /// of a named tool, where it would cost every conversation its tokens.
    pub advanced: bool,
    /// Means the same for every operation that has it: where the operation is described, named in one line.
    pub shared: bool,
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
            sends_default: false,
            description,
            secret: false,
            advanced: false,
            shared: false,
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

    /// States the service's default, which is not sent.
    pub const fn default(mut self, default: &'static str) -> Param {
        self.default = Some(default);
        self
    }

    /// States a default that is sent when the parameter is left out.
    pub const fn sent_default(mut self, default: &'static str) -> Param {
        self.default = Some(default);
        self.sends_default = true;
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

    /// Takes back [`Param::advanced`], for one operation that needs it.
    pub const fn shown(mut self) -> Param {
        self.advanced = false;
        self
    }

    /// Marks it as meaning the same everywhere.
    pub const fn shared(mut self) -> Param {
        self.shared = true;
        self
    }

    /// Returns true if `name` means this parameter. Case, underscores and dashes do not matter.
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
    /// Several documents, as a list. On the wire they are one string with commas between them.
    Sources,
    /// Text.
    Text,
    /// A list of pages. See [`PageList`](super::pages::PageList).
    Pages {
        /// The number of the first page: 0 or 1, as the service's operation counts.
        first: u32,
    },
    /// Text, or any JSON value, which is sent as its JSON text (`profiles`, `templateData`).
    JsonText,
    /// A whole number, bounds included.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value; `i64::MAX` where only the service knows.
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
