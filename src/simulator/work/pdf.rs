//! Reading PDF files, with the service's error numbers, and the `info` object.

use lopdf::{Dictionary, Document, Error, LoadOptions, Object, ObjectId};
use serde_json::{Map, Value, json};

use crate::simulator::reply::Refusal;

/// Largest document that is worked on; more is beyond a simulator.
pub(super) const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most pages of a document that is worked on.
const PAGES_MAX: usize = 5_000;
/// What one packed stream may grow to while a document is loaded.
const STREAM_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Deepest tree of pages.
const TREE_DEPTH_MAX: usize = 64;
/// Where the signature of the format may stand; some files have a little before it.
const SIGNATURE_WITHIN: usize = 1_024;

/// A document and its pages in order.
pub(in crate::simulator) struct Pdf {
    pub(super) document: Document,
    pub(super) pages: Vec<ObjectId>,
}

impl Pdf {
    /// Loads a document.
    ///
    /// # Errors
    /// 442 for what is no PDF, 441 for one that needs another password, 454 for one that is too long.
    pub(super) fn load(bytes: &[u8], password: Option<&str>) -> Result<Pdf, Refusal> {
        let damaged = || Refusal::new(442, "Input document is damaged or of incorrect type.");
        let locked = || Refusal::new(441, "Invalid Password. Password protected document.");
        let head = bytes.get(..bytes.len().min(SIGNATURE_WITHIN)).unwrap_or_default();
        if !head.windows(5).any(|window| window == b"%PDF-") {
            return Err(damaged());
        }
        let options = LoadOptions {
            password: password.map(str::to_owned),
            max_decompressed_size: Some(STREAM_BYTES_MAX),
            ..LoadOptions::default()
        };
        let document = Document::load_mem_with_options(bytes, options).map_err(|cause| match cause {
            Error::InvalidPassword | Error::Decryption(_) => locked(),
            _ => damaged(),
        })?;
        if document.is_encrypted() && !document.was_encrypted() {
            return Err(locked());
        }
        let pages: Vec<ObjectId> = document.page_iter().take(PAGES_MAX + 1).collect();
        match pages.len() {
            0 => Err(damaged()),
            many if many > PAGES_MAX => {
                Err(Refusal::new(454, format!("Invalid parameters: the simulator works on at most {PAGES_MAX} pages.")))
            }
            _ => Ok(Pdf { document, pages }),
        }
    }

    /// Number of pages.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.pages.len()).unwrap_or(u32::MAX)
    }

    /// An attribute of a page, its own or inherited.
    pub(super) fn attribute(&self, page: ObjectId, name: &[u8]) -> Option<&Object> {
        let mut node = self.document.get_dictionary(page).ok()?;
        for _ in 0..TREE_DEPTH_MAX {
            if let Ok(value) = node.get(name) {
                return self.document.dereference(value).ok().map(|(_, value)| value);
            }
            node = self.document.get_dictionary(node.get(b"Parent").ok()?.as_reference().ok()?).ok()?;
        }
        None
    }

    /// A page's rectangle: x, y, width, height.
    fn rectangle(&self, page: ObjectId) -> [f32; 4] {
        let numbers: Vec<f32> = self
            .attribute(page, b"MediaBox")
            .and_then(|value| value.as_array().ok())
            .map(|values| {
                values.iter().filter_map(|value| self.document.dereference(value).ok()?.1.as_float().ok()).collect()
            })
            .unwrap_or_default();
        match numbers.as_slice() {
            [left, bottom, right, top] => {
                [left.min(*right), bottom.min(*top), (right - left).abs(), (top - bottom).abs()]
            }
            _ => [0.0, 0.0, 612.0, 792.0],
        }
    }

    /// The `info` object of `/v1/pdf/info`.
    pub(super) fn info(&self) -> Map<String, Value> {
        let about = self.about();
        let text = |key: &[u8]| {
            let value =
                about.and_then(|about| about.get(key).ok()).and_then(|value| self.document.dereference(value).ok());
            value.and_then(|(_, value)| lopdf::decode_text_string(value).ok()).unwrap_or_default()
        };
        let [x, y, width, height] = self.pages.first().map(|page| self.rectangle(*page)).unwrap_or_default();
        let encrypted = self.document.was_encrypted();
        let mut info = Map::new();
        let mut put = |name: &str, value: Value| info.insert(name.to_owned(), value);
        put("PageCount", json!(self.count()));
        for name in ["Author", "Title", "Producer", "Subject"] {
            put(name, json!(text(name.as_bytes())));
        }
        put("CreationDate", json!(date(&text(b"CreationDate"))));
        put("Bookmarks", json!(""));
        put("Keywords", json!(text(b"Keywords")));
        put("Creator", json!(text(b"Creator")));
        put("Encrypted", json!(encrypted));
        put("PasswordProtected", json!(encrypted));
        put(
            "PageRectangle",
            json!({
                "Location": { "IsEmpty": x == 0.0 && y == 0.0, "X": x, "Y": y }, "Size": format!("{width}, {height}"),
                "X": x, "Y": y, "Width": width, "Height": height, "Left": x, "Top": y, "Right": x + width,
                "Bottom": y + height, "IsEmpty": width == 0.0 || height == 0.0,
            }),
        );
        put("ModificationDate", json!(date(&text(b"ModDate"))));
        put("AttachmentCount", json!(0));
        put("EncryptionAlgorithm", json!(if encrypted { "Standard" } else { "None" }));
        for name in [
            "Printing",
            "ModifyDocument",
            "ContentExtraction",
            "ModifyAnnotations",
            "FillForms",
            "Accessibility",
            "Assemble",
            "HighQualityPrint",
        ] {
            put(&format!("Permission{name}"), json!(true));
        }
        info
    }

    fn about(&self) -> Option<&Dictionary> {
        let about = self.document.trailer.get(b"Info").ok()?;
        self.document.dereference(about).ok()?.1.as_dict().ok()
    }
}

/// `D:20210110101054+05'30'` as `2021-01-10T10:10:54+05:30`; anything else as it is.
fn date(text: &str) -> String {
    let digits = text.strip_prefix("D:").unwrap_or(text);
    let piece = |from: usize, to: usize, default: &'static str| {
        let piece = digits.get(from..to).filter(|piece| piece.bytes().all(|byte| byte.is_ascii_digit()));
        piece.map_or(default.to_owned(), str::to_owned)
    };
    let year = piece(0, 4, "");
    if year.is_empty() {
        return text.to_owned();
    }
    let zone = digits.get(14..).unwrap_or_default().replace('\'', "");
    let zone = match (zone.get(..1), zone.get(1..3), zone.get(3..5)) {
        (Some("Z") | None, _, _) => "Z".to_owned(),
        (Some(sign), Some(hours), minutes) => format!("{sign}{hours}:{}", minutes.unwrap_or("00")),
        (Some(_), None, _) => String::new(),
    };
    format!(
        "{year}-{}-{}T{}:{}:{}{zone}",
        piece(4, 6, "01"),
        piece(6, 8, "01"),
        piece(8, 10, "00"),
        piece(10, 12, "00"),
        piece(12, 14, "00"),
    )
}

#[cfg(test)]
mod tests {
    use lopdf::{Document, EncryptionState, EncryptionVersion, Object, Permissions};

    use super::{Pdf, date};
    use crate::simulator::work::samples;

    #[test]
    fn a_locked_document_opens_with_its_password_alone() {
        let mut document = Document::load_mem(&samples::pdf(&[&["secret"]]).unwrap()).unwrap();
        let id = Object::string_literal("0123456789abcdef");
        document.trailer.set("ID", vec![id.clone(), id]);
        let version = EncryptionVersion::V2 {
            document: &document,
            owner_password: "owner",
            user_password: "user",
            key_length: 128,
            permissions: Permissions::PRINTABLE,
        };
        let state = EncryptionState::try_from(version).unwrap();
        document.encrypt(&state).unwrap();
        let mut bytes = Vec::new();
        document.save_to(&mut bytes).unwrap();
        for (password, code) in [(None, Some(441)), (Some("wrong"), Some(441)), (Some("user"), None)] {
            assert_eq!(Pdf::load(&bytes, password).err().map(|refusal| refusal.code), code, "{password:?}");
        }
        let pdf = Pdf::load(&bytes, Some("user")).unwrap();
        assert_eq!(pdf.info().get("Encrypted"), Some(&serde_json::json!(true)));
        let copy = crate::simulator::work::edit::assemble(&[(&pdf, vec![0])], |_| 0).unwrap();
        let copy = Pdf::load(&copy, None).unwrap();
        let page = copy.pages.first().copied().unwrap();
        assert_eq!(crate::simulator::work::text::lines(&copy.document, page), ["secret"]);
    }

    #[test]
    fn what_is_no_document_is_damaged() {
        for bytes in [&b""[..], b"hello", b"%PDF-1.4\nnothing more"] {
            assert_eq!(Pdf::load(bytes, None).err().map(|refusal| refusal.code), Some(442), "{bytes:?}");
        }
    }

    #[test]
    fn dates_of_documents_are_written_as_the_service_writes_them() {
        assert_eq!(date("D:20210110101054+05'30'"), "2021-01-10T10:10:54+05:30");
        assert_eq!(date("D:20210110101054Z"), "2021-01-10T10:10:54Z");
        assert_eq!(date("D:2021"), "2021-01-01T00:00:00Z");
        assert_eq!(date("yesterday"), "yesterday");
    }
}
