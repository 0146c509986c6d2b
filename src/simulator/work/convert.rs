//! What each operation makes: the real work (text and its relatives, info, merge, split, rotate, delete-pages), and a sample
//! for everything else. All of it runs on a thread of its own.

use serde_json::{Map, Value, json};

use super::pdf::Pdf;
use super::source::Source;
use super::{edit, pages, samples, text};
use crate::catalog::media_types::extension_of;
use crate::catalog::{Operation, Output};
use crate::simulator::input::Input;
use crate::simulator::reply::Refusal;

/// Files that one operation may make.
const FILES_MAX: usize = 500;
/// Bytes that one operation may make.
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// What came out.
pub(super) struct Made {
    pub(super) product: Product,
    /// Pages that are paid for.
    pub(super) pages: u32,
    /// Pages of the document.
    pub(super) page_count: u32,
}

/// The result itself.
pub(super) enum Product {
    /// One file.
    File(Vec<u8>),
    /// Several files with their names.
    Many(Vec<(String, Vec<u8>)>),
    /// Fields of the answer.
    Inline(Map<String, Value>),
    /// Nothing.
    Nothing,
}

/// Does the work of an operation.
///
/// # Errors
/// What the service would say of this input.
pub(super) fn make(operation: &Operation, input: &Input, sources: &[Source], stem: &str) -> Result<Made, Refusal> {
    let password = input.text("password");
    let first = || {
        let source = sources.first().ok_or_else(|| Refusal::input("The parameter `url` is required."))?;
        source.pdf(password.as_deref())
    };
    match operation.path {
        "/v1/pdf/convert/to/text" | "/v1/pdf/convert/to/text-simple" => texts(&first()?, input, as_text),
        "/v1/pdf/convert/to/csv" => texts(&first()?, input, as_csv),
        "/v1/pdf/convert/to/json" | "/v1/pdf/convert/to/json2" => texts(&first()?, input, as_json),
        "/v1/pdf/convert/to/xml" => texts(&first()?, input, as_xml),
        "/v1/pdf/convert/to/html" => texts(&first()?, input, as_html),
        "/v1/pdf/info" => Ok(info(&first()?, None)),
        "/v1/pdf/info/fields" => Ok(info(&first()?, Some(&samples::sentence(operation.name)))),
        "/v1/pdf/split" => split(&first()?, input, stem),
        "/v1/pdf/edit/rotate" => rotate(&first()?, input),
        "/v1/pdf/edit/delete-pages" => delete_pages(&first()?, input),
        "/v1/pdf/merge" => merge(sources, operation, false),
        "/v1/pdf/merge2" => merge(sources, operation, true),
        _ => sample(operation, input, sources, stem),
    }
}

/// A page's number, counted from 0, and its lines.
type PageLines = (u32, Vec<String>);

/// The real lines of the chosen pages, in some form.
fn texts(pdf: &Pdf, input: &Input, write: fn(&[PageLines]) -> String) -> Result<Made, Refusal> {
    let chosen = pages::flat(&input.text("pages").unwrap_or_default(), 0, pdf.count())?;
    let mut read = Vec::new();
    let mut total = 0usize;
    for index in &chosen {
        let Some(page) = usize::try_from(*index).ok().and_then(|index| pdf.pages.get(index)) else { continue };
        let lines = text::lines(&pdf.document, *page);
        total = lines.iter().fold(total, |total, line| total.saturating_add(line.len()));
        if total > BYTES_MAX {
            return Err(Refusal::new(454, "Invalid parameters: the text is too long for the simulator."));
        }
        read.push((*index, lines));
    }
    Ok(Made { product: Product::File(write(&read).into_bytes()), pages: number(chosen.len()), page_count: pdf.count() })
}

fn as_text(pages: &[PageLines]) -> String {
    let pages: Vec<String> =
        pages.iter().map(|(_, lines)| lines.iter().map(|line| format!("{line}\r\n")).collect()).collect();
    pages.join("\r\n")
}

fn as_csv(pages: &[PageLines]) -> String {
    let lines = pages.iter().flat_map(|(_, lines)| lines);
    lines.map(|line| format!("\"{}\"\r\n", line.replace('"', "\"\""))).collect()
}

fn as_json(pages: &[PageLines]) -> String {
    let row = |line: &String| json!({ "column": [{ "text": { "#text": line } }] });
    let page = |(index, lines): &PageLines| json!({ "@index": index.to_string(), "row": lines.iter().map(row).collect::<Vec<_>>() });
    json!({ "document": { "page": pages.iter().map(page).collect::<Vec<_>>() } }).to_string()
}

fn as_xml(pages: &[PageLines]) -> String {
    let row = |line: &String| format!("<row><column><text>{}</text></column></row>\r\n", escape(line));
    let page = |(index, lines): &PageLines| {
        format!("<page index=\"{index}\">\r\n{}</page>\r\n", lines.iter().map(row).collect::<String>())
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<document>\r\n{}</document>\r\n",
        pages.iter().map(page).collect::<String>()
    )
}

fn as_html(pages: &[PageLines]) -> String {
    let line = |line: &String| format!("<p>{}</p>\r\n", escape(line));
    let page = |(index, lines): &PageLines| {
        format!("<div class=\"page\" id=\"page{index}\">\r\n{}</div>\r\n", lines.iter().map(line).collect::<String>())
    };
    let pages: String = pages.iter().map(page).collect();
    format!("<!DOCTYPE html>\r\n<html><head><meta charset=\"utf-8\"></head><body>\r\n{pages}</body></html>\r\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn info(pdf: &Pdf, fields_note: Option<&str>) -> Made {
    let mut info = pdf.info();
    if let Some(note) = fields_note {
        info.insert("CustomProperties".into(), json!([]));
        info.insert(
            "FieldsInfo".into(),
            json!({ "Fields": [{
                "PageIndex": 0, "Type": "EditBox", "FieldName": "sample", "AltFieldName": note, "Value": "",
                "Left": 0.0, "Top": 0.0, "Width": 0.0, "Height": 0.0,
            }]}),
        );
    }
    let answer = Map::from_iter([("info".to_owned(), Value::Object(info))]);
    Made { product: Product::Inline(answer), pages: pdf.count(), page_count: pdf.count() }
}

/// One document for each item of the page list, which counts from 1.
fn split(pdf: &Pdf, input: &Input, stem: &str) -> Result<Made, Refusal> {
    let wanted = input.text("pages").unwrap_or_else(|| "*".to_owned());
    let items = pages::parse(&wanted, 1, pdf.count())?;
    let fixed = input.flag("fixed_output_filename");
    let (mut parts, mut total, mut paid) = (Vec::new(), 0usize, 0usize);
    for item in items {
        let bounds =
            (item.first().copied().unwrap_or(0).saturating_add(1), item.last().copied().unwrap_or(0).saturating_add(1));
        let name = if fixed { format!("{stem}.pdf") } else { format!("{stem}_page{}-{}.pdf", bounds.0, bounds.1) };
        paid = paid.saturating_add(item.len());
        let bytes = edit::assemble(&[(pdf, item)], |_| 0)?;
        total = total.saturating_add(bytes.len());
        parts.push((name, bytes));
        within(parts.len(), total)?;
    }
    Ok(Made { product: Product::Many(parts), pages: number(paid), page_count: pdf.count() })
}

fn rotate(pdf: &Pdf, input: &Input) -> Result<Made, Refusal> {
    let angle = input.number("angle").unwrap_or(90);
    if angle % 90 != 0 {
        return Err(Refusal::new(454, "Invalid parameters: `angle` is 90, 180 or 270."));
    }
    let chosen = pages::flat(&input.text("pages").unwrap_or_default(), 0, pdf.count())?;
    let bytes =
        edit::assemble(&[(pdf, (0..pdf.count()).collect())], |page| if chosen.contains(&page) { angle } else { 0 })?;
    Ok(Made { product: Product::File(bytes), pages: pdf.count(), page_count: pdf.count() })
}

/// Leaves the pages out that the list names; it counts from 1.
fn delete_pages(pdf: &Pdf, input: &Input) -> Result<Made, Refusal> {
    let gone = pages::flat(&input.text("pages").unwrap_or_default(), 1, pdf.count())?;
    let kept: Vec<u32> = (0..pdf.count()).filter(|page| !gone.contains(page)).collect();
    let left = number(kept.len());
    Ok(Made { product: Product::File(edit::assemble(&[(pdf, kept)], |_| 0)?), pages: pdf.count(), page_count: left })
}

/// All pages of all sources. With `any_type`, what is no PDF becomes a page that says so.
fn merge(sources: &[Source], operation: &Operation, any_type: bool) -> Result<Made, Refusal> {
    let mut parts = Vec::new();
    for source in sources {
        parts.push(match source.pdf(None) {
            Err(refusal) if any_type && refusal.code == 442 => {
                Pdf::load(&samples::pdf(&[&[&samples::sentence(operation.name)]])?, None)?
            }
            loaded => loaded?,
        });
    }
    let all: Vec<(&Pdf, Vec<u32>)> = parts.iter().map(|pdf| (pdf, (0..pdf.count()).collect())).collect();
    let count = parts.iter().fold(0u32, |count, pdf| count.saturating_add(pdf.count()));
    Ok(Made { product: Product::File(edit::assemble(&all, |_| 0)?), pages: count, page_count: count })
}

/// A sample of what the operation would make.
fn sample(operation: &Operation, input: &Input, sources: &[Source], stem: &str) -> Result<Made, Refusal> {
    let pages = match sources.first() {
        Some(source @ Source::Own(_)) => source_pages(operation, input, source)?,
        Some(Source::Foreign) | None => 1,
    };
    let product = match operation.output {
        Output::Text(mime) | Output::Binary(mime) => {
            Product::File(samples::file(operation.name, operation.path, mime)?)
        }
        Output::Many(mime) => {
            let mime = image_type(input).filter(|_| operation.path.contains("{type}")).unwrap_or(mime);
            let parts = (1..=pages.min(number(FILES_MAX)))
                .map(|page| {
                    let name = format!("{stem}_page{page}.{}", extension_of(mime).unwrap_or("bin"));
                    samples::file(operation.name, operation.path, mime).map(|bytes| (name, bytes))
                })
                .collect::<Result<Vec<_>, _>>()?;
            Product::Many(parts)
        }
        Output::Inline => match samples::inline(operation.name, operation.path, None) {
            Value::Object(answer) => Product::Inline(answer),
            other => Product::Inline(Map::from_iter([("body".to_owned(), other)])),
        },
        Output::Nothing => Product::Nothing,
    };
    Ok(Made { product, pages, page_count: pages })
}

/// Pages of a source that is here. What takes only PDF files takes no other here either.
fn source_pages(operation: &Operation, input: &Input, source: &Source) -> Result<u32, Refusal> {
    const ANY_TYPE: [&str; 4] = ["/convert/from/", "/documentparser", "/makesearchable", "/translate"];
    let only_pdf = operation.path.contains("/pdf/") && !ANY_TYPE.iter().any(|part| operation.path.contains(part));
    // Taken off passwords open the file as well.
    let password = input.text("password");
    match source.pdf(password.as_deref()) {
        Ok(pdf) => Ok(number(pages::flat(&input.text("pages").unwrap_or_default(), 0, pdf.count())?.len())),
        Err(refusal) if refusal.code == 442 && !only_pdf => Ok(1),
        Err(refusal) => Err(refusal),
    }
}

fn image_type(input: &Input) -> Option<&'static str> {
    match input.text("type")?.to_lowercase().as_str() {
        "png" => Some("image/png"),
        "webp" => Some("image/webp"),
        "tiff" => Some("image/tiff"),
        "jpg" | "jpeg" => Some("image/jpeg"),
        _ => None,
    }
}

fn within(files: usize, bytes: usize) -> Result<(), Refusal> {
    if files > FILES_MAX || bytes > BYTES_MAX {
        return Err(Refusal::new(
            454,
            format!("Invalid parameters: the simulator makes at most {FILES_MAX} files at once."),
        ));
    }
    Ok(())
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
