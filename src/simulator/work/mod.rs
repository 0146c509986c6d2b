//! The results of operations: fetching the sources, doing the work or making the sample, storing what came out. Nothing
//! slow runs on the threads that serve requests.

pub(in crate::simulator) mod convert;
mod edit;
pub(in crate::simulator) mod pages;
mod pdf;
pub(in crate::simulator) mod place;
pub(in crate::simulator) mod samples;
pub(in crate::simulator) mod source;
mod text;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use self::convert::{Made, Product};
use self::place::Place;
use crate::catalog::media_types::{self, extension_of};
use crate::catalog::{Operation, Output};
use crate::simulator::input::Input;
use crate::simulator::options::Shape;
use crate::simulator::reply::Refusal;
use crate::simulator::state::World;
use crate::simulator::state::outcome::Finished;

/// Largest result that is put into an answer.
const INLINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What `/v1/pdf/edit/add` was seen to answer beside its link: the SHA-256 of nothing.
const HASH_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Does the work of an operation and stores its result, which stays closed.
///
/// # Errors
/// What the service would say of this input.
pub(in crate::simulator) async fn run(
    world: &Arc<World>,
    operation: &'static Operation,
    input: &Input,
    place: &Place,
    shape: Shape,
) -> Result<Finished, Refusal> {
    let sources = source::sources(world, operation, input)?;
    let made = {
        let _permit = world.workers.acquire().await;
        let (input, stem) = (input.clone(), place.stem.clone());
        let work = tokio::task::spawn_blocking(move || convert::make(operation, &input, &sources, &stem));
        // A reader of damaged files may panic; the service would call such a file damaged.
        work.await.unwrap_or_else(|_| Err(Refusal::new(442, "Input document is damaged or of incorrect type.")))?
    };
    let mut finished = Finished {
        answer: Map::new(),
        pages: made.pages,
        page_count: made.page_count,
        many: matches!(made.product, Product::Many(_)),
        ending: extension_of(operation.result_mime()).unwrap_or("bin"),
        milliseconds: 0,
        files: Vec::new(),
    };
    let made = with_sheet(operation, input, world.options.first_sheet, made);
    let shape = match shape {
        Shape::AsAsked if input.flag("inline") || finished.many => Shape::Body,
        Shape::AsAsked => Shape::Link,
        shape => shape,
    };
    store(world, operation, place, made, shape, &mut finished).await?;
    Ok(finished)
}

/// A sample of a spreadsheet says which sheet was asked for, because sources disagree how sheets are counted.
fn with_sheet(operation: &Operation, input: &Input, first: i64, mut made: Made) -> Made {
    let index = input.number("worksheetindex").filter(|_| operation.path.starts_with("/v1/xls/"));
    let word = index.and_then(|index| ["first", "second", "third"].get(usize::try_from(index - first).ok()?));
    if let (Some(word), Product::File(bytes), Output::Text("text/csv" | "text/plain")) =
        (word, &mut made.product, operation.output)
    {
        bytes.extend_from_slice(format!("{word} sheet\r\n").as_bytes());
    }
    made
}

/// Stores what was made, and says where it is.
async fn store(
    world: &World,
    operation: &Operation,
    place: &Place,
    made: Made,
    shape: Shape,
    finished: &mut Finished,
) -> Result<(), Refusal> {
    match made.product {
        Product::Nothing => Ok(()),
        Product::Inline(fields) if shape == Shape::Inline || place.file.is_none() => {
            finished.answer = fields;
            Ok(())
        }
        Product::Inline(fields) => {
            let data = fields.into_iter().next().map(|(_, data)| data).unwrap_or_default();
            let bytes = data.to_string().into_bytes();
            if shape == Shape::Body {
                finished.answer.insert("body".into(), data);
            }
            link(world, place, bytes, finished).await
        }
        Product::Many(parts) => store_parts(world, place, parts, shape, finished).await,
        Product::File(bytes) => store_file(world, operation, place, bytes, shape, finished).await,
    }
}

async fn store_file(
    world: &World,
    operation: &Operation,
    place: &Place,
    bytes: Vec<u8>,
    shape: Shape,
    finished: &mut Finished,
) -> Result<(), Refusal> {
    if operation.path == "/v1/pdf/edit/add" {
        finished.answer.insert("hash".into(), json!(HASH_OF_NOTHING));
    }
    if let Output::Text(mime) = operation.output
        && shape != Shape::Link
        && bytes.len() <= INLINE_BYTES_MAX
    {
        let text = String::from_utf8_lossy(&bytes);
        let json = if mime == "application/json" { serde_json::from_str(&text).ok() } else { None };
        finished.answer.insert("body".into(), json.unwrap_or_else(|| json!(text)));
        finished.answer.insert("name".into(), json!(place.name));
        if shape == Shape::Inline {
            return Ok(());
        }
    }
    link(world, place, bytes, finished).await
}

async fn store_parts(
    world: &World,
    place: &Place,
    parts: Vec<(String, Vec<u8>)>,
    shape: Shape,
    finished: &mut Finished,
) -> Result<(), Refusal> {
    let mut links = Vec::new();
    for (name, bytes) in parts {
        let mime = media_types::of_name(&name).map_or(media_types::UNKNOWN, |known| known.mime);
        let id = world.files.reserve(&name, mime, place.seconds)?;
        world.files.fill(&id, bytes).await?;
        links.push(json!(world.files.link(&id, &name, place.seconds)));
        finished.files.push(id);
    }
    let links = Value::Array(links);
    let list = links.to_string().into_bytes();
    match shape {
        Shape::Inline => {
            finished.answer.insert("urls".into(), links);
            return Ok(());
        }
        Shape::Link => {}
        Shape::Body | Shape::AsAsked => {
            finished.answer.insert("body".into(), links);
        }
    }
    link(world, place, list, finished).await
}

/// Stores the file that `url` names, and names it.
async fn link(world: &World, place: &Place, bytes: Vec<u8>, finished: &mut Finished) -> Result<(), Refusal> {
    if let Some((id, _)) = &place.file {
        world.files.fill(id, bytes).await?;
        finished.files.push(id.clone());
        place.describe(&mut finished.answer);
    }
    Ok(())
}
