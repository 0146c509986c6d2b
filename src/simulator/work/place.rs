//! Where a result will be, known before there is one.

use serde_json::{Map, Value, json};

use crate::catalog::media_types::extension_of;
use crate::catalog::{Operation, Output, Run};
use crate::simulator::input::Input;
use crate::simulator::link;
use crate::simulator::names::clean_name;
use crate::simulator::reply::Refusal;
use crate::simulator::state::World;

/// Name and link of a result.
pub(in crate::simulator) struct Place {
    /// The name of the result.
    pub(in crate::simulator) name: String,
    /// The name without its ending.
    pub(in crate::simulator) stem: String,
    pub(super) seconds: u64,
    valid_till: String,
    /// Id and link of the file that `url` names, unless the result can stand in the answer alone.
    pub(super) file: Option<(String, String)>,
}

impl Place {
    /// Reserves the place of a result.
    ///
    /// # Errors
    /// 500 when the storage is full.
    pub(in crate::simulator) fn reserve(world: &World, operation: &Operation, input: &Input) -> Result<Place, Refusal> {
        let minutes =
            input.number("expiration").and_then(|minutes| u64::try_from(minutes).ok()).filter(|minutes| *minutes > 0);
        let seconds =
            minutes.map_or(world.options.link_seconds, |minutes| minutes.saturating_mul(60)).min(link::SECONDS_MAX);
        let valid_till = link::valid_till(seconds);
        let wanted = input.text("name").map(|name| clean_name(&name));
        let stem = wanted.clone().or_else(|| source_name(input)).unwrap_or_else(|| default_name(operation).to_owned());
        let stem = stem.rsplit_once('.').map_or(stem.as_str(), |(stem, _)| stem).to_owned();
        let many = matches!(operation.output, Output::Many(_));
        let mime = if many { "application/json" } else { operation.result_mime() };
        let has_file = match operation.output {
            Output::Text(_) | Output::Binary(_) | Output::Many(_) => true,
            Output::Inline => operation.run != Run::Direct,
            Output::Nothing => false,
        };
        if !has_file {
            return Ok(Place { name: stem.clone(), stem, seconds, valid_till, file: None });
        }
        // Data has no file name of its own.
        let usual = if operation.output == Output::Inline { "result" } else { stem.as_str() };
        let usual = format!("{usual}.{}", extension_of(mime).unwrap_or("bin"));
        let name = wanted.filter(|name| !many && name.contains('.')).unwrap_or(usual);
        let id = world.files.reserve(&name, mime, seconds)?;
        let link = world.files.link(&id, &name, seconds);
        Ok(Place { name, stem, seconds, valid_till, file: Some((id, link)) })
    }

    /// Says where the result will be.
    pub(in crate::simulator) fn describe(&self, answer: &mut Map<String, Value>) {
        if let Some((_, link)) = &self.file {
            answer.insert("url".into(), json!(link));
            answer.insert("outputLinkValidTill".into(), json!(self.valid_till));
            answer.insert("name".into(), json!(self.name));
        }
    }
}

/// The name of the first source, from its link.
fn source_name(input: &Input) -> Option<String> {
    let links = input.text("url")?;
    let first = links.split([',', '?', '#']).next()?.trim_end_matches('/');
    let last = first.rsplit('/').next()?;
    let name = clean_name(&percent_encoding::percent_decode_str(last).decode_utf8_lossy());
    (name != "file").then_some(name)
}

fn default_name(operation: &Operation) -> &'static str {
    if operation.path.starts_with("/v1/barcode/") { "barcode" } else { "result" }
}
