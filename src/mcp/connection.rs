//! Settings of one connection: a client asks for less than the server offers, by its address or by headers.
//!
//! `?toolsets=extract,search`, `?read_only=true`, `X-MCP-Toolsets`, `X-MCP-Readonly`. They only ever narrow: what the
//! server does not offer stays away, and what is read-only cannot be made writable. Where the address and a header both
//! speak, both hold.

use http::{HeaderMap, Uri};

use crate::catalog::{self, Toolset, nearest};
use crate::text::shorten;

const TOOLSETS: &str = "toolsets";
const READ_ONLY: &str = "read_only";
/// Names the tool groups.
const TOOLSETS_HEADER: &str = "x-mcp-toolsets";
/// Says whether nothing may be spent or written.
const READ_ONLY_HEADER: &str = "x-mcp-readonly";
/// Shortest parameter of an address that may be a misspelled setting, in bytes.
const NAME_BYTES_MIN: usize = 4;
/// Most words of one list of tool groups.
const WORDS_MAX: usize = 40;

/// What one connection asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnectionSettings {
    /// The tool groups that are left; `None` is all that the server offers.
    toolsets: Option<Vec<Toolset>>,
    is_read_only: bool,
}

impl ConnectionSettings {
    /// The settings in the address and the headers of a request.
    ///
    /// # Errors
    /// What is wrong with a value, or with a name that nearly is one of a setting, for a message.
    pub fn read(uri: &Uri, headers: &HeaderMap) -> Result<ConnectionSettings, String> {
        let mut settings = ConnectionSettings::default();
        let (mut words, mut is_named) = (Vec::new(), false);
        for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                TOOLSETS => {
                    words.push(value.into_owned());
                    is_named = true;
                }
                READ_ONLY => settings.is_read_only |= switch(READ_ONLY, &value)?,
                other => refuse_misspelled(other)?,
            }
        }
        if is_named {
            settings.keep(toolsets(TOOLSETS, words.iter().map(String::as_str))?);
        }
        let of_header = |name: &'static str| {
            let values = headers.get_all(name).iter();
            let texts: Result<Vec<&str>, String> =
                values.map(|value| value.to_str().map_err(|_| format!("`{name}` is not text."))).collect();
            texts.map(|texts| (!texts.is_empty()).then_some(texts))
        };
        if let Some(values) = of_header(TOOLSETS_HEADER)? {
            settings.keep(toolsets("X-MCP-Toolsets", values.into_iter())?);
        }
        for value in of_header(READ_ONLY_HEADER)?.into_iter().flatten() {
            settings.is_read_only |= switch("X-MCP-Readonly", value)?;
        }
        Ok(settings)
    }

    /// Whether nothing may be spent or written.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Whether the connection asked for less than the server offers.
    pub fn is_narrowed(&self) -> bool {
        self.is_read_only || self.toolsets.is_some()
    }

    /// The same as the query of an address.
    pub fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(toolsets) = &self.toolsets {
            let names: Vec<&str> = toolsets.iter().map(|toolset| toolset.as_str()).collect();
            // No group is left of a list that had none but `core`.
            let names = if names.is_empty() { "core".to_owned() } else { names.join(",") };
            query.append_pair(TOOLSETS, &names);
        }
        if self.is_read_only {
            query.append_pair(READ_ONLY, "true");
        }
        query.finish()
    }

    /// What is left of the tool groups that the server offers.
    pub fn of_offered(&self, mut offered: Vec<Toolset>) -> Vec<Toolset> {
        if let Some(wanted) = &self.toolsets {
            offered.retain(|toolset| wanted.contains(toolset));
        }
        offered
    }

    /// Keeps the groups that are in `wanted` too; equal settings have equal lists.
    fn keep(&mut self, mut wanted: Vec<Toolset>) {
        if let Some(kept) = &self.toolsets {
            wanted.retain(|toolset| kept.contains(toolset));
        }
        wanted.sort_unstable();
        wanted.dedup();
        self.toolsets = Some(wanted);
    }
}

fn toolsets<'a>(name: &str, values: impl Iterator<Item = &'a str>) -> Result<Vec<Toolset>, String> {
    let words = values.flat_map(|value| value.split(',')).map(str::trim).filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_ascii_lowercase).take(WORDS_MAX + 1).collect();
    if words.is_empty() || words.len() > WORDS_MAX {
        return Err(format!("`{name}` takes 1 to {WORDS_MAX} names of toolsets, separated by commas."));
    }
    catalog::toolsets(&words).map_err(|error| {
        let known: Vec<&str> = Toolset::ALL.iter().map(|toolset| toolset.as_str()).collect();
        format!("{} `{name}` takes core, all, {}.", error.message(), known.join(", "))
    })
}

fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("`{name}` is `{}`; it takes true or false.", shorten(value, 40))),
    }
}

/// A name that was meant to narrow and is misspelled must not be passed over: the connection would be wider than asked.
fn refuse_misspelled(name: &str) -> Result<(), String> {
    let folded = name.to_ascii_lowercase().replace('-', "_");
    if folded.len() < NAME_BYTES_MIN {
        return Ok(());
    }
    match nearest(&folded, [TOOLSETS, READ_ONLY].into_iter(), 1).first() {
        Some(meant) => Err(format!("There is no setting `{}`. Did you mean `{meant}`?", shorten(name, 40))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, headers: &[(&'static str, &str)]) -> Result<(Option<Vec<&'static str>>, bool), String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let settings = ConnectionSettings::read(&path.parse().unwrap(), &map)?;
        let again = format!("/mcp?{}", settings.query());
        assert_eq!(
            ConnectionSettings::read(&again.parse().unwrap(), &HeaderMap::new()),
            Ok(settings.clone()),
            "{again}"
        );
        let toolsets = settings.toolsets.map(|toolsets| toolsets.iter().map(|toolset| toolset.as_str()).collect());
        Ok((toolsets, settings.is_read_only))
    }

    #[test]
    fn address_and_headers_narrow_together() {
        for (path, headers, toolsets, is_read_only) in [
            ("/mcp", &[][..], None, false),
            ("/mcp?x=1&session=2", &[], None, false),
            ("/mcp?toolsets=extract,search", &[], Some(vec!["search", "extract"]), false),
            ("/mcp?toolsets=extract%2Csearch&toolsets=forms", &[], Some(vec!["forms", "search", "extract"]), false),
            ("/mcp?toolsets=core", &[], Some(vec![]), false),
            ("/mcp?read_only=true", &[], None, true),
            ("/mcp?read_only=1&read_only=0", &[], None, true),
            ("/mcp?read_only=true", &[("x-mcp-readonly", "false")], None, true),
            ("/mcp", &[("x-mcp-readonly", "TRUE")], None, true),
            ("/mcp", &[("x-mcp-toolsets", "Search, forms")], Some(vec!["forms", "search"]), false),
            ("/mcp?toolsets=search,edit", &[("x-mcp-toolsets", "search,forms")], Some(vec!["search"]), false),
        ] {
            assert_eq!(read(path, headers), Ok((toolsets, is_read_only)), "{path} {headers:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_and_named() {
        for (path, headers, named) in [
            ("/mcp?toolsets=extrakt", &[][..], "extrakt"),
            ("/mcp?toolsets=", &[], "toolsets"),
            ("/mcp?read_only=maybe", &[], "maybe"),
            ("/mcp?read_only=", &[], "read_only"),
            ("/mcp?readonly=true", &[], "read_only"),
            ("/mcp?read-only=true", &[], "read_only"),
            ("/mcp?toolset=edit", &[], "toolsets"),
            ("/mcp", &[("x-mcp-readonly", "si")], "X-MCP-Readonly"),
            ("/mcp", &[("x-mcp-toolsets", "everything")], "X-MCP-Toolsets"),
        ] {
            let refused = read(path, headers).unwrap_err();
            assert!(refused.contains(named), "{path}: {refused}");
        }
        let many = vec!["core"; WORDS_MAX + 1].join(",");
        assert!(read(&format!("/mcp?toolsets={many}"), &[]).is_err());
    }

    #[test]
    fn nothing_is_offered_that_the_server_does_not_offer() {
        let settings = ConnectionSettings::read(&"/mcp?toolsets=all".parse().unwrap(), &HeaderMap::new()).unwrap();
        assert_eq!(settings.of_offered(vec![Toolset::Forms]), [Toolset::Forms]);
        assert_eq!(settings.of_offered(Vec::new()), []);
    }
}
