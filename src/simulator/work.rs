//! The results of operations.
//!
//! What lives here: fetching the sources, doing the work or making the sample, storing what came out. What never does:
//! credits and states (`jobs.rs`), or anything slow on the threads that serve requests.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::convert::{self, Made, Product};
use super::input::Input;
use super::link;
use super::pdf::{self, Pdf};
use super::reply::Refusal;
use super::world::World;
use crate::catalog::{Operation, Output};

/// Why a source cannot be had.
pub(super) const OFFLINE: &str = "The simulator works offline and can fetch only files uploaded to it.";
/// Sources of one operation.
const SOURCES_MAX: usize = 100;
/// Longest file name, in characters.
const NAME_CHARS_MAX: usize = 150;
/// Largest result that is put into an answer.
const INLINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where a result will be, known before there is one.
pub(super) struct Place {
    /// The name of the result.
    pub(super) name: String,
    /// The name without its ending.
    pub(super) stem: String,
    seconds: u64,
    valid_till: String,
    /// The file that `url` names, unless the result stands in the answer.
    file: Option<(String, String)>,
}

/// A finished operation.
pub(super) struct Finished {
    /// What its answer says about the result.
    pub(super) answer: Map<String, Value>,
    /// Pages that are paid for.
    pub(super) pages: u32,
    /// Pages of the document.
    pub(super) page_count: u32,
    /// Whether the result is several files.
    pub(super) many: bool,
    /// The ending of their names.
    pub(super) ending: &'static str,
    /// How long it took.
    pub(super) milliseconds: u64,
    files: Vec<String>,
}

impl Finished {
    /// Lets the result be downloaded.
    pub(super) fn open(&self, world: &World) {
        self.files.iter().for_each(|id| world.files.open(id));
    }
}

impl Place {
    /// Reserves the place of a result.
    ///
    /// # Errors
    /// 500 when the storage is full.
    pub(super) fn reserve(world: &World, operation: &Operation, input: &Input) -> Result<Place, Refusal> {
        let minutes =
            input.number("expiration").and_then(|minutes| u64::try_from(minutes).ok()).filter(|minutes| *minutes > 0);
        let seconds = minutes.map_or(world.link_seconds, |minutes| minutes.saturating_mul(60)).min(link::SECONDS_MAX);
        let valid_till = link::valid_till(seconds);
        let wanted = input.text("name").map(|name| clean_name(&name));
        let stem = wanted.clone().or_else(|| source_name(input)).unwrap_or_else(|| default_name(operation).to_owned());
        let stem = stem.rsplit_once('.').map_or(stem.as_str(), |(stem, _)| stem).to_owned();
        let (mime, ending) = match operation.output {
            Output::Text(mime) | Output::Binary(mime) => (mime, ending_of(mime)),
            Output::Many(_) => ("application/json", "json"),
            Output::Inline | Output::Nothing => {
                return Ok(Place { name: stem.clone(), stem, seconds, valid_till, file: None });
            }
        };
        let many = matches!(operation.output, Output::Many(_));
        let name = wanted.filter(|name| !many && name.contains('.')).unwrap_or_else(|| format!("{stem}.{ending}"));
        let id = world.files.reserve(&name, mime, seconds)?;
        let link = world.files.link(&id, &name, seconds);
        Ok(Place { name, stem, seconds, valid_till, file: Some((id, link)) })
    }

    /// Says where the result will be.
    pub(super) fn describe(&self, answer: &mut Map<String, Value>) {
        if let Some((_, link)) = &self.file {
            answer.insert("url".into(), json!(link));
            answer.insert("outputLinkValidTill".into(), json!(self.valid_till));
            answer.insert("name".into(), json!(self.name));
        }
    }
}

/// One source, as far as the simulator can reach it.
pub(super) enum Source {
    /// A file that was uploaded here, or made here.
    Own(PathBuf),
    /// Anything else: there is no network.
    Foreign,
}

impl Source {
    /// The bytes.
    ///
    /// # Errors
    /// 400 for what is not here, 442 for what is too large to be worked on.
    pub(super) fn read(&self) -> Result<Vec<u8>, Refusal> {
        let Source::Own(path) = self else { return Err(Refusal::new(400, OFFLINE)) };
        let gone = |_| Refusal::new(403, "Access forbidden for the input URL: the file is gone.");
        if std::fs::metadata(path).map_err(gone)?.len() > pdf::BYTES_MAX {
            return Err(Refusal::new(442, "Input document is too large for the simulator (64 MB)."));
        }
        std::fs::read(path).map_err(gone)
    }

    /// The document.
    ///
    /// # Errors
    /// As [`Source::read`] and [`Pdf::load`].
    pub(super) fn pdf(&self, password: Option<&str>) -> Result<Pdf, Refusal> {
        Pdf::load(&self.read()?, password)
    }
}

/// Does the work of an operation and stores its result, which stays closed.
///
/// # Errors
/// What the service would say of this input.
pub(super) async fn run(
    world: &Arc<World>,
    operation: &'static Operation,
    input: &Input,
    place: &Place,
    inline: bool,
) -> Result<Finished, Refusal> {
    let sources = sources(world, input)?;
    let made = {
        let _turn = world.workers.acquire().await;
        let (input, stem) = (input.clone(), place.stem.clone());
        let work = tokio::task::spawn_blocking(move || convert::make(operation, &input, &sources, &stem));
        // A reader of damaged files may panic; the service would call such a file damaged.
        work.await.unwrap_or_else(|_| Err(Refusal::new(442, "Input document is damaged or of incorrect type.")))?
    };
    store(world, operation, place, made, inline).await
}

fn sources(world: &World, input: &Input) -> Result<Vec<Source>, Refusal> {
    let links = input.text("url").unwrap_or_default();
    let mut sources = Vec::new();
    for link in links.split(',').map(str::trim).filter(|link| !link.is_empty()) {
        if sources.len() >= SOURCES_MAX {
            return Err(Refusal::new(
                454,
                format!("Invalid parameters: the simulator takes at most {SOURCES_MAX} sources."),
            ));
        }
        sources.push(match world.files.by_link(link)? {
            Some((id, _)) => Source::Own(world.files.path(&id)),
            None => Source::Foreign,
        });
    }
    Ok(sources)
}

async fn store(
    world: &World,
    operation: &Operation,
    place: &Place,
    made: Made,
    inline: bool,
) -> Result<Finished, Refusal> {
    let many = matches!(made.product, Product::Many(_));
    let mut finished = Finished {
        answer: Map::new(),
        pages: made.pages,
        page_count: made.page_count,
        many,
        ending: ending_of(parts_type(operation)),
        milliseconds: 0,
        files: Vec::new(),
    };
    let mut content = None;
    match made.product {
        Product::Nothing => {}
        Product::Inline(answer) => finished.answer = answer,
        Product::File(bytes) => content = Some(bytes),
        Product::Many(parts) => {
            let mut links = Vec::new();
            for (name, bytes) in parts {
                let id = world.files.reserve(&name, mime_of(&name), place.seconds)?;
                world.files.fill(&id, bytes).await?;
                links.push(json!(world.files.link(&id, &name, place.seconds)));
                finished.files.push(id);
            }
            content = Some(Value::Array(links.clone()).to_string().into_bytes());
            finished.answer.insert("body".into(), Value::Array(links));
        }
    }
    if let (Some(bytes), Output::Text(mime)) = (&content, operation.output)
        && inline
        && bytes.len() <= INLINE_BYTES_MAX
    {
        let text = String::from_utf8_lossy(bytes);
        let json = if mime == "application/json" { serde_json::from_str(&text).ok() } else { None };
        finished.answer.insert("body".into(), json.unwrap_or_else(|| json!(text)));
        finished.answer.insert("name".into(), json!(place.name));
        return Ok(finished);
    }
    if let (Some(bytes), Some((id, _))) = (content, &place.file) {
        world.files.fill(id, bytes).await?;
        finished.files.push(id.clone());
        place.describe(&mut finished.answer);
    }
    Ok(finished)
}

/// The type of a result, or of each of its parts.
fn parts_type(operation: &Operation) -> &'static str {
    match operation.output {
        Output::Text(mime) | Output::Binary(mime) | Output::Many(mime) => mime,
        Output::Inline | Output::Nothing => "application/json",
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

/// A name that is one part of a path, of a modest length.
pub(super) fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|sign| !sign.is_control()).take(NAME_CHARS_MAX).collect();
    let clean = clean.trim().trim_start_matches('.').to_owned();
    if clean.is_empty() { "file".to_owned() } else { clean }
}

const ENDINGS: [(&str, &str); 16] = [
    ("txt", "text/plain"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("pdf", "application/pdf"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("doc", "application/msword"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("webp", "image/webp"),
    ("tiff", "image/tiff"),
    ("zip", "application/zip"),
    ("bin", "application/octet-stream"),
];

/// The type that a name promises.
pub(super) fn mime_of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default();
    ENDINGS.iter().find(|(known, _)| *known == ending).map_or("application/octet-stream", |(_, mime)| mime)
}

/// The ending that names of a type have.
pub(super) fn ending_of(mime: &str) -> &'static str {
    ENDINGS.iter().find(|(_, known)| *known == mime).map_or("bin", |(ending, _)| ending)
}
