//! Operations that answer at once: stored files, templates, the account.
//!
//! What lives here: presigned uploads, the other ways to store a file, hash and delete, the balance. What never does:
//! anything that makes a document (`work.rs`).

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::door::Call;
use super::files::UPLOAD_SECONDS;
use super::jobs::PagePrice;
use super::link;
use super::reply::{Refusal, json_reply};
use super::work::{clean_name, mime_of};
use super::world::World;
use super::{samples, work};
use crate::catalog::{Operation, Run};

/// What a presigned link costs; it is the one paid path without a row in the catalog.
const PRESIGNED_CREDITS: i64 = 7;
/// How long a presigned upload is taken, as in the samples.
const PRESIGNED_SECONDS: u64 = 900;

/// `GET /v1/file/upload/get-presigned-url`.
pub(super) fn presigned(world: &World, call: &Call) -> Result<Response, Refusal> {
    let remaining = world.accounts.charge(&call.key, PRESIGNED_CREDITS)?;
    let name = clean_name(&call.input.text("name").unwrap_or_else(|| "file".to_owned()));
    let content_type = call.input.text("contenttype");
    let mime = content_type.clone().unwrap_or_else(|| mime_of(&name).to_owned());
    let id = world.files.reserve(&name, &mime, UPLOAD_SECONDS)?;
    let mut answer = Map::new();
    let presigned = world.files.signer.link("PUT", &id, &name, PRESIGNED_SECONDS, content_type.as_deref());
    answer.insert("presignedUrl".into(), json!(presigned));
    describe(world, &mut answer, &id, &name);
    Ok(envelope(call, answer, PRESIGNED_CREDITS, remaining))
}

/// Answers an operation that needs no document to be made; `None` for those that do.
pub(super) async fn answer(world: &World, operation: &Operation, call: &Call) -> Option<Result<Response, Refusal>> {
    (operation.run == Run::Direct).then_some(())?;
    Some(at_once(world, operation, call).await)
}

async fn at_once(world: &World, operation: &Operation, call: &Call) -> Result<Response, Refusal> {
    if operation.path == "/v1/account/credit/balance" {
        return Ok(json_reply(200, &json!({ "remainingCredits": world.accounts.balance(&call.key) })));
    }
    let price = PagePrice::of(operation).all(1);
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

fn describe(world: &World, answer: &mut Map<String, Value>, id: &str, name: &str) {
    answer.insert("url".into(), json!(world.files.link(id, name, UPLOAD_SECONDS)));
    answer.insert("outputLinkValidTill".into(), json!(link::valid_till(UPLOAD_SECONDS)));
    answer.insert("name".into(), json!(name));
}

/// Id and digest of the file that `url` names.
fn own(world: &World, call: &Call) -> Result<(String, String), Refusal> {
    let link = call.input.text("url").unwrap_or_default();
    let found = world.files.by_link(&link)?.ok_or_else(|| Refusal::new(400, work::OFFLINE))?;
    Ok((found.0, found.1.sha256))
}

async fn upload_base64(world: &World, call: &Call, answer: &mut Map<String, Value>) -> Result<(), Refusal> {
    let text = call.input.text("file").unwrap_or_default();
    // Both a data URI and the bare digits are taken.
    let (mime, digits) = match text.strip_prefix("data:").and_then(|uri| uri.split_once(";base64,")) {
        Some((mime, digits)) => (Some(mime.to_owned()), digits),
        None => (None, text.as_str()),
    };
    let bytes = decode_base64(digits).ok_or_else(|| Refusal::input("The parameter `file` is not base64."))?;
    let name = clean_name(&call.input.text("name").unwrap_or_else(|| "file".to_owned()));
    let id = world.files.reserve(&name, &mime.unwrap_or_else(|| mime_of(&name).to_owned()), UPLOAD_SECONDS)?;
    world.files.fill(&id, bytes).await?;
    world.files.open(&id);
    describe(world, answer, &id, &name);
    Ok(())
}

async fn upload_link(world: &World, call: &Call, answer: &mut Map<String, Value>) -> Result<(), Refusal> {
    let link = call.input.text("url").unwrap_or_default();
    let (from, entry) = world.files.by_link(&link)?.ok_or_else(|| Refusal::new(400, work::OFFLINE))?;
    let name = clean_name(&call.input.text("name").unwrap_or(entry.name));
    let id = world.files.reserve(&name, &entry.mime, UPLOAD_SECONDS)?;
    let copied = tokio::fs::copy(world.files.path(&from), world.files.path(&id)).await;
    copied.map_err(|_| Refusal::new(500, "The simulator cannot copy the file."))?;
    world.files.set_content(&id, entry.bytes, entry.sha256);
    world.files.open(&id);
    describe(world, answer, &id, &name);
    Ok(())
}

/// Bytes from base64; white space and missing padding do not matter.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for sign in text.bytes().filter(|sign| !sign.is_ascii_whitespace() && *sign != b'=') {
        let value = match sign {
            b'A'..=b'Z' => sign - b'A',
            b'a'..=b'z' => sign - b'a' + 26,
            b'0'..=b'9' => sign - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::decode_base64;

    #[test]
    fn base64_is_read_with_and_without_padding() {
        assert_eq!(decode_base64("aGVsbG8=").unwrap(), b"hello");
        assert_eq!(decode_base64("aGVs\nbG8").unwrap(), b"hello");
        assert_eq!(decode_base64("a*b"), None);
    }
}
