//! Operations that answer at once: stored files, templates, the account.

use axum::response::Response;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value, json};

use crate::catalog::media_types;
use crate::catalog::{Operation, Run};
use crate::simulator::call::Call;
use crate::simulator::link;
use crate::simulator::names::clean_name;
use crate::simulator::options::Charging;
use crate::simulator::price::{PagePrice, UPLOAD_CREDITS};
use crate::simulator::reply::{Refusal, json_reply};
use crate::simulator::state::World;
use crate::simulator::state::files::UPLOAD_SECONDS;
use crate::simulator::work::samples;
use crate::simulator::work::source::OFFLINE;

/// How long a presigned upload is taken, as in the samples.
const PRESIGNED_SECONDS: u64 = 900;

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The type that a name promises.
fn mime_of(name: &str) -> &'static str {
    media_types::of_name(name).map_or(media_types::UNKNOWN, |known| known.mime)
}

/// `GET /v1/file/upload/get-presigned-url`.
pub(in crate::simulator) fn presigned(world: &World, call: &Call) -> Result<Response, Refusal> {
    let remaining = world.accounts.charge(&call.key, UPLOAD_CREDITS)?;
    let name = clean_name(&call.input.text("name").unwrap_or_else(|| "file".to_owned()));
    let content_type = call.input.text("contenttype");
    let mime = content_type.clone().unwrap_or_else(|| mime_of(&name).to_owned());
    let id = world.files.reserve(&name, &mime, seconds(call))?;
    let mut answer = Map::new();
    let presigned = world.files.signer.link("PUT", &id, &name, PRESIGNED_SECONDS, content_type.as_deref());
    answer.insert("presignedUrl".into(), json!(presigned));
    describe(world, call, &mut answer, &id, &name);
    Ok(envelope(call, answer, UPLOAD_CREDITS, remaining))
}

/// Answers an operation that needs no document to be made; `None` for those that do.
pub(in crate::simulator) async fn answer(
    world: &World,
    operation: &Operation,
    call: &Call,
) -> Option<Result<Response, Refusal>> {
    (operation.run == Run::Direct).then_some(())?;
    Some(at_once(world, operation, call).await)
}

async fn at_once(world: &World, operation: &Operation, call: &Call) -> Result<Response, Refusal> {
    if operation.path == "/v1/account/credit/balance" {
        return Ok(json_reply(200, &json!({ "remainingCredits": world.accounts.balance(&call.key) })));
    }
    let price = PagePrice::of(operation, Charging::PerPage).all(1);
    world.accounts.afford(&call.key, price)?;
    let mut answer = Map::new();
    match operation.path {
        "/v1/file/upload/base64" => upload_base64(world, call, &mut answer).await?,
        "/v1/file/upload/url" => upload_link(world, call, &mut answer).await?,
        "/v1/file/delete" => {
            let (id, _) = own(world, call)?;
            world.files.remove(&id);
        }
        "/v1/file/hash" => {
            let (_, sha256) = own(world, call)?;
            answer.insert("hash".into(), json!(sha256));
        }
        path => {
            if let Value::Object(sample) = samples::inline(operation.name, path, call.input.text("id").as_deref()) {
                answer.extend(sample);
            }
        }
    }
    let remaining = world.accounts.charge(&call.key, price)?;
    Ok(envelope(call, answer, price, remaining))
}

/// Adds what every answer has.
fn envelope(call: &Call, mut answer: Map<String, Value>, credits: i64, remaining: i64) -> Response {
    answer.insert("error".into(), json!(false));
    answer.insert("status".into(), json!(200));
    answer.insert("credits".into(), json!(credits));
    answer.insert("remainingCredits".into(), json!(remaining));
    answer.insert("duration".into(), json!(call.duration()));
    json_reply(200, &Value::Object(answer))
}

/// How long an upload is kept: an hour, unless the request says so.
fn seconds(call: &Call) -> u64 {
    let minutes = call.input.number("expiration").and_then(|minutes| u64::try_from(minutes).ok());
    minutes.filter(|minutes| *minutes > 0).map_or(UPLOAD_SECONDS, |minutes| minutes.saturating_mul(60))
}

fn describe(world: &World, call: &Call, answer: &mut Map<String, Value>, id: &str, name: &str) {
    let seconds = seconds(call);
    answer.insert("url".into(), json!(world.files.link(id, name, seconds)));
    answer.insert("outputLinkValidTill".into(), json!(link::valid_till(seconds)));
    answer.insert("name".into(), json!(name));
}

/// Id and digest of the file that `url` names.
fn own(world: &World, call: &Call) -> Result<(String, String), Refusal> {
    let link = call.input.text("url").unwrap_or_default();
    let found = world.files.by_link(&link)?.ok_or_else(|| Refusal::new(400, OFFLINE))?;
    Ok((found.0, found.1.sha256))
}

async fn upload_base64(world: &World, call: &Call, answer: &mut Map<String, Value>) -> Result<(), Refusal> {
    let text = call.input.text("file").unwrap_or_default();
    // Both a data URI and the bare digits are taken.
    let (mime, digits) = match text.strip_prefix("data:").and_then(|uri| uri.split_once(";base64,")) {
        Some((mime, digits)) => (Some(mime.to_owned()), digits),
        None => (None, text.as_str()),
    };
    let digits: Vec<u8> = digits.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    let bytes = BASE64.decode(digits).map_err(|_| Refusal::input("The parameter `file` is not base64."))?;
    let name = clean_name(&call.input.text("name").unwrap_or_else(|| "file".to_owned()));
    let id = world.files.reserve(&name, &mime.unwrap_or_else(|| mime_of(&name).to_owned()), seconds(call))?;
    world.files.fill(&id, bytes).await?;
    world.files.open(&id);
    describe(world, call, answer, &id, &name);
    Ok(())
}

async fn upload_link(world: &World, call: &Call, answer: &mut Map<String, Value>) -> Result<(), Refusal> {
    let link = call.input.text("url").unwrap_or_default();
    let (from, entry) = world.files.by_link(&link)?.ok_or_else(|| Refusal::new(400, OFFLINE))?;
    let name = clean_name(&call.input.text("name").unwrap_or(entry.name));
    let id = world.files.reserve(&name, &entry.mime, seconds(call))?;
    let copied = tokio::fs::copy(world.files.path(&from), world.files.path(&id)).await;
    copied.map_err(|_| Refusal::new(500, "The simulator cannot copy the file."))?;
    world.files.set_content(&id, entry.bytes, entry.sha256);
    world.files.open(&id);
    describe(world, call, answer, &id, &name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_padding() {
        assert_eq!(BASE64.decode("aGVsbG8=").unwrap(), b"hello");
        assert_eq!(BASE64.decode("aGVsbG8").unwrap(), b"hello");
        assert!(BASE64.decode("a*b").is_err());
    }
}
