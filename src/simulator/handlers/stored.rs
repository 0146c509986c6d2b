//! The storage: GET with ranges and PUT on `/<32 signs>/<name>`, without a key, as S3 has them. Errors are XML here.

use std::io::SeekFrom;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use crate::simulator::link::{self, Bad};
use crate::simulator::names::random_name;
use crate::simulator::reply::{reply, storage_refusal};
use crate::simulator::state::World;
use crate::simulator::state::files::Entry;

/// Largest upload, 2 GiB.
const UPLOAD_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Buffer of a download.
const BUFFER_BYTES: usize = 64 * 1024;

/// Answers a request for a stored file.
pub(in crate::simulator) async fn answer(
    world: &World,
    method: &Method,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // The signature covers the method, as in S3: a HEAD of a GET link is refused there too.
    if let Err(bad) = world.files.signer.judge(method.as_str(), path, query, content_type) {
        return match bad {
            Bad::Unsigned => storage_refusal(403, "AccessDenied", "Access Denied"),
            Bad::Expired => storage_refusal(403, "AccessDenied", "Request has expired"),
            Bad::Signature => storage_refusal(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
            ),
        };
    }
    let found = link::parts(path).and_then(|(id, _)| Some((id, world.files.entry(id)?)));
    match (method, found) {
        (&Method::PUT, Some((id, _))) => store(world, id, content_type, headers, body).await,
        (&Method::GET, Some((_, entry))) if !entry.closed && !entry.is_there() => {
            storage_refusal(404, "NoSuchKey", "The specified key does not exist.")
        }
        (&Method::GET, Some((id, entry))) if entry.is_there() => send(world, id, &entry, headers).await,
        _ => storage_refusal(403, "AccessDenied", "Access Denied"),
    }
}

async fn store(world: &World, id: &str, content_type: Option<&str>, headers: &HeaderMap, body: Body) -> Response {
    let too_large = || storage_refusal(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size");
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > UPLOAD_BYTES_MAX) {
        return too_large();
    }
    // Written beside its place and moved there when whole, so that a reader never gets half a file.
    let draft = world.files.path(&format!("{id}.{}", random_name()));
    let received = receive(&draft, body).await;
    let stored = match received {
        Ok(Some((bytes, sha256))) => match tokio::fs::rename(&draft, world.files.path(id)).await {
            Ok(()) => Ok(Some((bytes, sha256))),
            Err(cause) => Err(cause),
        },
        other => other,
    };
    match stored {
        Ok(Some((bytes, sha256))) => {
            let tag = etag(&sha256);
            world.files.set_content(id, bytes, sha256);
            world.files.set_mime(id, content_type);
            world.files.open(id);
            let mut response = reply(200, "application/xml", Body::empty());
            response.headers_mut().remove(header::CONTENT_TYPE);
            set(&mut response, header::ETAG, &tag);
            response
        }
        Ok(None) => {
            let _ = tokio::fs::remove_file(&draft).await;
            too_large()
        }
        Err(cause) => {
            let _ = tokio::fs::remove_file(&draft).await;
            tracing::debug!(%cause, "an upload to the simulator broke off");
            storage_refusal(
                400,
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header",
            )
        }
    }
}

/// Streams a body to disk; `None` when it is too large.
async fn receive(draft: &std::path::Path, body: Body) -> std::io::Result<Option<(u64, String)>> {
    let mut file = tokio::fs::File::create(draft).await?;
    let mut digest = Sha256::new();
    let mut total = 0u64;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(std::io::Error::other)?;
        total = total.saturating_add(chunk.len() as u64);
        if total > UPLOAD_BYTES_MAX {
            return Ok(None);
        }
        digest.update(&chunk);
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok(Some((total, hex::encode(digest.finalize()))))
}

async fn send(world: &World, id: &str, entry: &Entry, headers: &HeaderMap) -> Response {
    let gone = || storage_refusal(404, "NoSuchKey", "The specified key does not exist.");
    let Ok(mut file) = tokio::fs::File::open(world.files.path(id)).await else { return gone() };
    let tag = etag(&entry.sha256);
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // A range of another version of the file is of no use: then all of it is sent.
    let same = text(header::IF_RANGE).is_none_or(|wanted| wanted == tag);
    let range = text(header::RANGE).filter(|_| same).and_then(|range| read_range(range, entry.bytes));
    let (status, first, length) = match range {
        None => (StatusCode::OK, 0, entry.bytes),
        Some(Some((first, last))) => (StatusCode::PARTIAL_CONTENT, first, last.saturating_sub(first).saturating_add(1)),
        Some(None) => {
            let mut response = storage_refusal(416, "InvalidRange", "The requested range is not satisfiable");
            set(&mut response, header::CONTENT_RANGE, &format!("bytes */{}", entry.bytes));
            return response;
        }
    };
    if file.seek(SeekFrom::Start(first)).await.is_err() {
        return gone();
    }
    let stream = ReaderStream::with_capacity(file.take(length), BUFFER_BYTES);
    let mut response = Response::new(Body::from_stream(stream));
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, &entry.mime);
    set(&mut response, header::CONTENT_LENGTH, &length.to_string());
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::ETAG, &tag);
    if status == StatusCode::PARTIAL_CONTENT {
        let last = first.saturating_add(length).saturating_sub(1);
        set(&mut response, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{}", entry.bytes));
    }
    response
}

/// One range of `size` bytes: `None` when the header is none that we know (then it is ignored, as HTTP demands),
/// `Some(None)` when it names no byte of the file.
fn read_range(header: &str, size: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let end = size.checked_sub(1);
    if first.is_empty() {
        let tail = last.parse::<u64>().ok()?;
        return Some(end.filter(|_| tail > 0).map(|end| (size.saturating_sub(tail), end)));
    }
    let first = first.parse::<u64>().ok()?;
    let last = if last.is_empty() { u64::MAX } else { last.parse::<u64>().ok()? };
    if last < first {
        return None;
    }
    Some(end.filter(|end| first <= *end).map(|end| (first, last.min(end))))
}

fn etag(sha256: &str) -> String {
    format!("\"{}\"", sha256.get(..32).unwrap_or_default())
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::read_range;

    #[test]
    fn ranges_mean_what_http_says() {
        for (header, size, expected) in [
            ("bytes=0-3", 10, Some(Some((0, 3)))),
            ("bytes=4-", 10, Some(Some((4, 9)))),
            ("bytes=-3", 10, Some(Some((7, 9)))),
            ("bytes=-30", 10, Some(Some((0, 9)))),
            ("bytes=5-99", 10, Some(Some((5, 9)))),
            ("bytes=10-", 10, Some(None)),
            ("bytes=0-", 0, Some(None)),
            ("bytes=3-1", 10, None),
            ("lines=1-2", 10, None),
        ] {
            assert_eq!(read_range(header, size), expected, "{header} of {size}");
        }
    }
}
