//! Where settings come from, and which source wins.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::origin::Origin;
use super::paths::is_placeholder;
use super::setting::{Setting, Trust};
use super::settings::SETTINGS;

/// Values by variable name.
pub type Values = BTreeMap<String, String>;

/// Values by rank.
pub(super) struct Ranks(pub Vec<(Origin, Values)>);

impl Ranks {
    /// The value that wins: its origin, the name under which it was set, and its text. Empty values, and placeholders
    /// that were not filled in, count as not set.
    pub fn get(&self, setting: &Setting) -> Option<(Origin, &'static str, String)> {
        self.0.iter().filter(|(origin, _)| !(origin.is_file() && setting.trust == Trust::NotInFiles)).find_map(
            |(origin, values)| setting.names().find_map(|name| Some((*origin, name, set_value(values, name)?))),
        )
    }

    /// The first setting that the `.env` of an allowed folder gives although only a file with the key in it may: such a
    /// file is about another account.
    pub fn untrusted(&self, key: Origin) -> Option<&'static Setting> {
        SETTINGS.iter().filter(|setting| setting.trust == Trust::WithKey).find(|setting| {
            key != Origin::AllowedEnvFile
                && self.get(setting).is_some_and(|(origin, ..)| origin == Origin::AllowedEnvFile)
        })
    }

    /// Values that were not filled in: the variable as it is written.
    pub fn placeholders(&self) -> impl Iterator<Item = &'static str> {
        SETTINGS.iter().flat_map(Setting::names).filter(|name| {
            self.0.iter().any(|(_, values)| values.get(*name).is_some_and(|text| is_placeholder(text.trim())))
        })
    }
}

/// The text of a variable, if it is set and was filled in.
pub(super) fn set_value(values: &Values, variable: &str) -> Option<String> {
    let is_filled = |text: &&str| !text.is_empty() && !is_placeholder(text);
    values.get(variable).map(|text| text.trim()).filter(is_filled).map(str::to_owned)
}

/// The variables of this process that are about us.
pub(super) struct Environment {
    pub values: Values,
    /// Names whose value is not UTF-8.
    pub unreadable: Vec<String>,
    /// Names that begin like ours and are none.
    pub unknown: Vec<String>,
}

impl Environment {
    /// Sorts the variables of a process.
    pub fn read(variables: impl Iterator<Item = (OsString, OsString)>) -> Environment {
        let mut found = Environment { values: Values::new(), unreadable: Vec::new(), unknown: Vec::new() };
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            let is_ours = SETTINGS.iter().flat_map(Setting::names).any(|known| known == name);
            if !is_ours {
                if name.starts_with("PDFCO_") && !OTHERS.contains(&name.as_str()) {
                    found.unknown.push(name);
                }
                continue;
            }
            match value.into_string() {
                Ok(value) => drop(found.values.insert(name, value)),
                Err(_) => found.unreadable.push(name),
            }
        }
        found
    }

    /// What `doctor` says about variables that could not be used.
    pub fn notes(&self) -> Vec<String> {
        let unreadable = self.unreadable.iter().map(|name| format!("{name} is not used: its value is not UTF-8."));
        let unknown = self.unknown.iter().map(|name| match nearest(name) {
            Some(nearest) => format!("{name} is no setting. Did you mean {nearest}?"),
            None => format!("{name} is no setting."),
        });
        unreadable.chain(unknown).collect()
    }
}

/// Variables that begin like ours and are read elsewhere: by shells' completion, and by packages' launchers.
const OTHERS: [&str; 2] = ["PDFCO_COMPLETE", "PDFCO_BINARY"];

/// The setting whose name is nearest to `name`, if one is near.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let candidates = SETTINGS.iter().map(|setting| (strsim::jaro_winkler(name, setting.variable), setting.variable));
    let (likeness, nearest) = candidates.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (likeness > 0.9).then_some(nearest)
}
