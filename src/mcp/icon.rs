//! The product's icon: a page, and a job on it that is done.
//!
//! The one drawing, which the page of jobs shows and the packages' pictures are made of, and [`address`],
//! as the protocol carries it. Drawn for 16 to 512 pixels: few shapes, no text. What never does: another drawing.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The drawing.
pub const SVG: &str = include_str!("icon.svg");

/// Its MIME type.
pub const MIME_TYPE: &str = "image/svg+xml";

/// What a `data:` address and SVG both have and RFC 3986 allows; clients that check the format refuse the whole handshake
/// for another character.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'=').remove(b'\'').remove(b':').remove(b'/').remove(b'-').remove(b'.');

/// The drawing as an address that holds it. Every handshake carries it, so it is kept short.
pub fn address() -> String {
    let lines = SVG.lines().map(str::trim).collect::<String>().replace('"', "'");
    format!("data:{MIME_TYPE},{}", utf8_percent_encode(&lines, PLAIN))
}
