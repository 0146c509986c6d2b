//! Bytes to text, piece by piece, whatever encoding they are in.
//!
//! | what says the encoding, the first that does | |
//! |---|---|
//! | a byte order mark | UTF-8, UTF-16 |
//! | the `charset` of the content type | as it says, unless it says UTF-8 and the bytes are none |
//! | the head of an XML or HTML file | as it says, likewise |
//! | zero bytes at every other place of the head | UTF-16 |
//! | the first bytes that are not ASCII | UTF-8 if they are that, else Windows-1252, which is an assumption |

use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Bytes by which text is distinguished from binary.
pub(super) const HEAD_BYTES: usize = 4 * 1024;
/// Bytes of a piece that is decoded at once.
const PIECE_BYTES: usize = 64 * 1024;

/// How a text was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset {
    /// The name of the encoding, such as `windows-1252`.
    pub name: &'static str,
    /// Nothing said so: the bytes are not UTF-8, and this is what such files mostly are.
    pub is_assumed: bool,
}

impl Charset {
    /// The usual one.
    pub const UTF_8: Charset = Charset { name: "UTF-8", is_assumed: false };

    /// Whether it is the usual one, of which nothing has to be said.
    pub fn is_utf_8(self) -> bool {
        self.name == "UTF-8"
    }
}

/// Decodes a text as its bytes come in. Holds the text and less than a head of bytes.
pub(super) struct TextDecoder {
    /// The encoding that the content type names, if it is one.
    stated: Option<&'static Encoding>,
    /// The type says that it is text: odd control characters do not make it binary.
    is_stated_text: bool,
    /// Bytes that are not decoded yet: the head, or the beginning of a character.
    held: Vec<u8>,
    mode: Mode,
    text: String,
}

enum Mode {
    /// The head is not there yet.
    Undecided,
    /// UTF-8 as long as nothing speaks against it.
    Utf8,
    /// Another encoding.
    Other(Box<Decoder>, Charset),
    /// No text.
    Binary,
}

impl TextDecoder {
    /// A decoder for a file whose content type names `charset`, if it does, and is a type of text or says nothing.
    pub(super) fn new(charset: Option<&str>, is_stated_text: bool) -> TextDecoder {
        let stated = charset.and_then(|name| Encoding::for_label_no_replacement(name.trim().as_bytes()));
        TextDecoder { stated, is_stated_text, held: Vec::new(), mode: Mode::Undecided, text: String::new() }
    }

    /// Takes the next bytes; `false` when this is no text.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        self.held.extend_from_slice(bytes);
        if matches!(self.mode, Mode::Undecided) {
            if self.held.len() < HEAD_BYTES {
                return true;
            }
            self.decide();
        }
        self.decode(false);
        !matches!(self.mode, Mode::Binary)
    }

    /// Bytes of the text so far.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The whole text with LF line ends, and how it was read; `None` when it is binary.
    pub(super) fn end(mut self) -> Option<(String, Charset)> {
        if matches!(self.mode, Mode::Undecided) {
            self.decide();
        }
        self.decode(true);
        let charset = match self.mode {
            Mode::Utf8 => Charset::UTF_8,
            Mode::Other(_, charset) => charset,
            Mode::Undecided | Mode::Binary => return None,
        };
        let is_odd = |text: &str| {
            text.contains('\0') || (charset.is_assumed && !self.is_stated_text && text.chars().any(is_odd_control))
        };
        (!is_odd(&self.text)).then(|| (normalized(self.text), charset))
    }

    /// Chooses the encoding by the head in `held`.
    fn decide(&mut self) {
        let head = self.held.get(..HEAD_BYTES).unwrap_or(&self.held);
        if let Some((encoding, mark)) = Encoding::for_bom(head) {
            self.held.drain(..mark);
            self.mode = mode_of(encoding);
            return;
        }
        if MAGIC.iter().any(|magic| head.starts_with(magic)) {
            self.mode = Mode::Binary;
            return;
        }
        if head.contains(&0) {
            // UTF-16 without a mark has zero bytes as well, but in order.
            let wide = self.stated.filter(|encoding| is_wide(encoding)).or_else(|| wide_by_zeros(head));
            self.mode = wide.map_or(Mode::Binary, mode_of);
            return;
        }
        self.mode = mode_of(self.stated.or_else(|| declared_inside(head)).unwrap_or(UTF_8));
    }

    /// Decodes what is held as far as it goes.
    fn decode(&mut self, is_last: bool) {
        if matches!(self.mode, Mode::Utf8) {
            self.decode_utf_8(is_last);
        }
        if let Mode::Other(decoder, _) = &mut self.mode {
            decode_other(decoder, &self.held, is_last, &mut self.text);
            self.held.clear();
        }
        if matches!(self.mode, Mode::Binary) {
            self.held = Vec::new();
        }
    }

    fn decode_utf_8(&mut self, is_last: bool) {
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        loop {
            let error = match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text.push_str(text);
                    return;
                }
                Err(error) => error,
            };
            let (good, bad) = rest.split_at(error.valid_up_to());
            self.text.push_str(std::str::from_utf8(good).unwrap_or_default());
            match error.error_len() {
                // A character is cut in the middle.
                None if !is_last => {
                    self.held = bad.to_vec();
                    return;
                }
                // The first letter that is not ASCII decides.
                _ if self.text.is_ascii() => {
                    self.held = bad.to_vec();
                    let charset = Charset { name: WINDOWS_1252.name(), is_assumed: true };
                    self.mode = Mode::Other(Box::new(WINDOWS_1252.new_decoder_without_bom_handling()), charset);
                    return;
                }
                length => {
                    self.text.push(char::REPLACEMENT_CHARACTER);
                    rest = bad.get(length.unwrap_or(bad.len())..).unwrap_or_default();
                }
            }
        }
    }
}

fn mode_of(encoding: &'static Encoding) -> Mode {
    if encoding == UTF_8 {
        return Mode::Utf8;
    }
    let charset = Charset { name: encoding.name(), is_assumed: false };
    Mode::Other(Box::new(encoding.new_decoder_without_bom_handling()), charset)
}

fn decode_other(decoder: &mut Decoder, bytes: &[u8], is_last: bool, text: &mut String) {
    let mut pieces = bytes.chunks(PIECE_BYTES).peekable();
    if pieces.peek().is_none() && is_last {
        decode_piece(decoder, &[], true, text);
    }
    while let Some(piece) = pieces.next() {
        decode_piece(decoder, piece, is_last && pieces.peek().is_none(), text);
    }
}

fn decode_piece(decoder: &mut Decoder, piece: &[u8], is_last: bool, text: &mut String) {
    text.reserve(decoder.max_utf8_buffer_length(piece.len()).unwrap_or(piece.len()));
    let _ = decoder.decode_to_string(piece, text, is_last);
}

/// First bytes of formats that the service makes, and that could pass for text for a while.
const MAGIC: &[&[u8]] = &[
    b"%PDF-",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"II*\0",
    b"MM\0*",
    b"\xd0\xcf\x11\xe0",
    b"\x1f\x8b",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
];

fn is_wide(encoding: &'static Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// UTF-16 by its zero bytes: many at the places of one parity, none at those of the other.
fn wide_by_zeros(head: &[u8]) -> Option<&'static Encoding> {
    if !head.len().is_multiple_of(2) {
        return None;
    }
    let zeros = |parity: usize| head.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, enough) = (zeros(0), zeros(1), (head.len() / 4).max(1));
    match (even, odd) {
        (0, odd) if odd >= enough => Some(UTF_16LE),
        (even, 0) if even >= enough => Some(UTF_16BE),
        _ => None,
    }
}

/// The encoding that an XML declaration or a `<meta charset>` names.
fn declared_inside(head: &[u8]) -> Option<&'static Encoding> {
    let head = head.get(..1024).unwrap_or(head);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let is_xml = head.starts_with("<?xml");
    let is_html = head.contains("<meta");
    let name = match (is_xml, is_html) {
        (true, _) => after(head.split("?>").next()?, "encoding=")?,
        (_, true) => after(&head, "charset=")?,
        _ => return None,
    };
    let encoding = Encoding::for_label_no_replacement(name.as_bytes())?;
    // A head that could be read so far has no letters of two bytes.
    (!is_wide(encoding)).then_some(encoding)
}

/// The word after `name`, without its quotes.
fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.split_once(name)?.1.trim_start().trim_start_matches(['"', '\'']);
    let end = rest.find(|sign: char| matches!(sign, '"' | '\'' | ';' | '>' | '/' | '?') || sign.is_whitespace());
    rest.get(..end.unwrap_or(rest.len()))
}

/// Control characters that no text has.
fn is_odd_control(sign: char) -> bool {
    sign.is_control() && !matches!(sign, '\t' | '\n' | '\r' | '\u{8}' | '\u{b}' | '\u{c}' | '\u{1a}' | '\u{1b}')
}

/// With LF alone at line ends.
pub(super) fn normalized(text: String) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_as(bytes: &[u8], charset: Option<&str>, is_stated_text: bool, piece: usize) -> Option<(String, Charset)> {
        let mut decoder = TextDecoder::new(charset, is_stated_text);
        let is_text = bytes.chunks(piece.max(1)).all(|piece| decoder.take(piece));
        if is_text { decoder.end() } else { None }
    }

    /// Bytes, the charset of their type, and what they are: text, encoding, whether that is assumed.
    type Case<'a> = (Vec<u8>, Option<&'a str>, &'a str, &'a str, bool);

    #[test]
    fn every_encoding_is_read_however_it_is_stated() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        let japanese = encoding_rs::SHIFT_JIS.encode("請求書,合計").0.into_owned();
        let greek = encoding_rs::ISO_8859_7.encode("Τιμολόγιο").0.into_owned();
        let xml = [&b"<?xml version=\"1.0\" encoding='iso-8859-7'?><a>"[..], &greek, b"</a>"].concat();
        let html = [&b"<html><head><META charset=\"Shift_JIS\"></head>"[..], &japanese].concat();
        let late = [vec![b'a'; 3 * HEAD_BYTES], b"caf\xe9".to_vec()].concat();
        let late_text = format!("{}caf\u{e9}", "a".repeat(3 * HEAD_BYTES));
        let cases: Vec<Case<'_>> = vec![
            (b"plain\r\ntext\rhere\n".to_vec(), None, "plain\ntext\nhere\n", "UTF-8", false),
            (b"".to_vec(), None, "", "UTF-8", false),
            (b"\xef\xbb\xbfa,b".to_vec(), Some("windows-1252"), "a,b", "UTF-8", false),
            ("é😀".into(), None, "é😀", "UTF-8", false),
            (b"caf\xe9".to_vec(), None, "café", "windows-1252", true),
            (b"caf\xe9 \x80 5".to_vec(), Some("utf-8"), "café € 5", "windows-1252", true),
            (b"caf\xe9 \x80 5".to_vec(), Some("ISO-8859-1"), "café € 5", "windows-1252", false),
            (b"caf\xe9".to_vec(), Some("x-unheard-of"), "café", "windows-1252", true),
            ([b"\xff\xfe".to_vec(), wide("é\r\n請")].concat(), None, "é\n請", "UTF-16LE", false),
            ([b"\xfe\xff".to_vec(), big("a😀")].concat(), Some("utf-8"), "a😀", "UTF-16BE", false),
            (wide("name;amount"), None, "name;amount", "UTF-16LE", false),
            (big("name;amount"), None, "name;amount", "UTF-16BE", false),
            (wide("請求a"), Some("utf-16le"), "請求a", "UTF-16LE", false),
            (japanese.clone(), Some("Shift_JIS"), "請求書,合計", "Shift_JIS", false),
            (greek.clone(), Some("iso-8859-7"), "Τιμολόγιο", "ISO-8859-7", false),
            (xml, None, "<?xml version=\"1.0\" encoding='iso-8859-7'?><a>Τιμολόγιο</a>", "ISO-8859-7", false),
            (html, None, "<html><head><META charset=\"Shift_JIS\"></head>請求書,合計", "Shift_JIS", false),
            (late, None, &late_text, "windows-1252", true),
            // What was UTF-8 so far stays it.
            (b"\xc3\xa9 and \xff".to_vec(), None, "é and \u{fffd}", "UTF-8", false),
            (b"\xc3\xa9 and \xe2\x82".to_vec(), None, "é and \u{fffd}", "UTF-8", false),
        ];
        for (bytes, charset, text, name, is_assumed) in cases {
            for piece in [1, 3, 7, 1_000, bytes.len().max(1)] {
                let read = read_as(&bytes, charset, true, piece);
                let expected = (text.to_owned(), name, is_assumed);
                let read = read.map(|(text, charset)| (text, charset.name, charset.is_assumed));
                assert_eq!(read, Some(expected), "{charset:?} in pieces of {piece}: {:?}", bytes.get(..40));
            }
        }
    }

    #[test]
    fn what_is_no_text_is_none_in_any_encoding() {
        for bytes in [
            &b"%PDF-1.7\nall text"[..],
            b"PK\x03\x04",
            b"\x89PNG\r\n",
            b"nul\0byte",
            b"\xff\xfe\0\0a\0\0\0",
            b"\x1f\x8b\x08\0",
            b"II*\0",
            b"ab\0",
        ] {
            assert_eq!(read_as(bytes, None, true, 7), None, "{bytes:?}");
            assert_eq!(read_as(bytes, Some("windows-1252"), false, 7), None, "{bytes:?}");
        }
        let mut late = vec![b'a'; HEAD_BYTES * 2];
        late.push(0);
        assert_eq!(read_as(&late, None, true, 900), None);
        // Without a type that says text, control characters say that it is none.
        assert_eq!(read_as(b"abc\xe9\x01\x02", None, false, 7), None);
        assert!(read_as(b"abc\xe9\x01\x02", None, true, 7).is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_decoder(bytes in prop::collection::vec(any::<u8>(), 0..64), piece in 1_usize..9, label in "[a-z0-9-]{0,9}") {
            let whole = read_as(&bytes, Some(&label), true, 64);
            prop_assert_eq!(&read_as(&bytes, Some(&label), true, piece), &whole);
            if let Some((text, _)) = whole {
                prop_assert!(!text.contains('\r') && !text.contains('\0'));
            }
        }

        #[test]
        fn utf_8_is_read_as_it_is(text in "(\\PC|\n){0,200}", piece in 1_usize..9) {
            prop_assume!(!text.contains('\0') && !text.starts_with('\u{feff}'));
            prop_assume!(!MAGIC.iter().any(|magic| text.as_bytes().starts_with(magic)));
            let read = read_as(text.as_bytes(), None, false, piece);
            prop_assert_eq!(read, Some((text, Charset::UTF_8)));
        }
    }
}
