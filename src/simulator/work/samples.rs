//! Results that were not computed, and that say so: small valid files of every type, and JSON in the service's shapes.
//! Wherever a result holds text, the text says that it is a sample.

use lopdf::content::{Content, Operation};
use lopdf::{Document, Object, Stream, dictionary};
use serde_json::{Value, json};

use crate::simulator::reply::Refusal;

/// One gray pixel in each format, and a workbook of one cell that says that it is a sample.
const SAMPLE_PNG: &[u8] = include_bytes!("samples/sample.png");
const SAMPLE_JPG: &[u8] = include_bytes!("samples/sample.jpg");
const SAMPLE_WEBP: &[u8] = include_bytes!("samples/sample.webp");
const SAMPLE_TIFF: &[u8] = include_bytes!("samples/sample.tiff");
const SAMPLE_XLSX: &[u8] = include_bytes!("samples/sample.xlsx");

/// The sentence that every sample carries.
pub(in crate::simulator) fn sentence(operation: &str) -> String {
    format!("Sample made by the pdfco simulator: {operation}")
}

/// A sample file of a type.
pub(in crate::simulator) fn file(operation: &str, path: &str, mime: &str) -> Result<Vec<u8>, Refusal> {
    let sentence = sentence(operation);
    Ok(match mime {
        "application/pdf" => return pdf(&[&[&sentence]]),
        "application/json" => json_value(operation, path).to_string().into_bytes(),
        "application/xml" => {
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<sample>{sentence}</sample>\r\n").into_bytes()
        }
        "text/html" => format!("<!DOCTYPE html>\r\n<html><body><p>{sentence}</p></body></html>\r\n").into_bytes(),
        // The one spreadsheet format that is text; programs for spreadsheets open it under this type.
        "application/vnd.ms-excel" => format!(
            "<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\" \
             xmlns:ss=\"urn:schemas-microsoft-com:office:spreadsheet\"><Worksheet ss:Name=\"Sample\"><Table><Row><Cell>\
             <Data ss:Type=\"String\">{sentence}</Data></Cell></Row></Table></Worksheet></Workbook>"
        )
        .into_bytes(),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => SAMPLE_XLSX.to_vec(),
        "image/png" => SAMPLE_PNG.to_vec(),
        "image/jpeg" => SAMPLE_JPG.to_vec(),
        "image/webp" => SAMPLE_WEBP.to_vec(),
        "image/tiff" => SAMPLE_TIFF.to_vec(),
        _ => format!("{sentence}\r\n").into_bytes(),
    })
}

/// A PDF of these pages of these lines.
pub(in crate::simulator) fn pdf(pages: &[&[&str]]) -> Result<Vec<u8>, Refusal> {
    let failed = |_| Refusal::new(500, "The simulator cannot write a PDF.");
    let mut document = Document::with_version("1.5");
    let tree = document.new_object_id();
    let font = document.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding",
    });
    let mut kids: Vec<Object> = Vec::new();
    for lines in pages {
        let mut operations = vec![
            Operation::new("BT", vec![]),
            Operation::new("Tf", vec!["F1".into(), 12.into()]),
            Operation::new("TL", vec![16.into()]),
            Operation::new("Td", vec![72.into(), 720.into()]),
        ];
        for line in *lines {
            operations.push(Operation::new("Tj", vec![Object::string_literal(*line)]));
            operations.push(Operation::new("T*", vec![]));
        }
        operations.push(Operation::new("ET", vec![]));
        let content =
            Content { operations }.encode().map_err(|_| Refusal::new(500, "The simulator cannot write a PDF."))?;
        let content = document.add_object(Stream::new(dictionary! {}, content));
        let page = dictionary! { "Type" => "Page", "Parent" => tree, "Contents" => content };
        kids.push(document.add_object(page).into());
    }
    let count = i64::try_from(kids.len()).unwrap_or(i64::MAX);
    document.set_object(
        tree,
        dictionary! {
            "Type" => "Pages", "Kids" => kids, "Count" => count,
            "Resources" => dictionary! { "Font" => dictionary! { "F1" => font } },
            "MediaBox" => vec![0.into(), 0.into(), 612.into(), 792.into()],
        },
    );
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    let about = document.add_object(dictionary! {
        "Producer" => Object::string_literal("pdfco simulator"), "Title" => Object::string_literal("Sample"),
    });
    document.trailer.set("Root", catalog);
    document.trailer.set("Info", about);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// What stands under `body`, or in a file, when the result is JSON.
pub(in crate::simulator) fn json_value(operation: &str, path: &str) -> Value {
    let note = sentence(operation);
    match path {
        "/v1/pdf/find" => json!([{
            "text": note, "left": 72.0, "top": 60.0, "width": 240.0, "height": 12.0, "pageIndex": 0,
        }]),
        "/v1/pdf/find/table" => json!({ "tables": [{
            "PageIndex": 0, "X": 36.0, "Y": 34.4, "Width": 523.4, "Height": 279.8, "Columns": [157.0, 256.0],
            "rect": "36, 34.4, 523.4, 279.8", "note": note,
        }]}),
        "/v1/pdf/documentparser" => json!({
            "objects": [
                { "name": "note", "objectType": "field", "value": note, "pageIndex": 0, "rectangle": [0.0, 0.0, 0.0, 0.0] },
                { "name": "total", "objectType": "field", "value": 450.0, "pageIndex": 0 },
                { "objectType": "table", "name": "table1", "rows": [{
                    "itemNo": { "pageIndex": 0, "value": 1 }, "description": { "pageIndex": 0, "value": note },
                }]},
            ],
            "elapsed": 0.01, "templateName": "Sample", "templateVersion": "4", "timestamp": "2022-06-08T06:22:07",
        }),
        "/v1/pdf/classifier" => json!({ "classes": [{ "class": "sample" }], "note": note }),
        "/v1/ai-invoice-parser" => json!({
            "note": note,
            "vendor": { "name": "Sample vendor", "address": { "city": "Jacksonville", "country": "US" } },
            "customer": { "billTo": { "name": "Sample customer" } },
            "invoice": { "invoiceNo": "SAMPLE-1", "invoiceDate": "JAN 5, 2025" },
            "paymentDetails": { "total": "$20.00", "subtotal": "$18.00", "tax": "$2.00", "dueDate": "FEB 5, 2025" },
            "lineItems": [[{ "description": "Sample item", "quantity": "2" }]],
        }),
        "/v1/email/decode" => json!({
            "from": "sample@example.com", "fromName": "pdfco simulator", "to": [{ "address": "you@example.com", "Name": "" }],
            "cc": [], "bcc": [], "subject": note, "bodyHtml": format!("<p>{note}</p>"), "bodyText": note, "attachmentCount": 0,
        }),
        "/v1/email/extract-attachments" => json!({
            "from": "sample@example.com", "subject": note, "bodyHtml": "", "bodyText": note, "attachments": [],
        }),
        _ => json!({ "note": note }),
    }
}

/// What an operation without a file adds to its answer, by the key under which it stands there.
pub(in crate::simulator) fn inline(operation: &str, path: &str, id: Option<&str>) -> Value {
    let note = sentence(operation);
    let number: i64 = id.and_then(|id| id.parse().ok()).unwrap_or(1);
    let template = json!({ "id": 1, "type": "system", "title": "Sample template", "description": note });
    match path {
        "/v1/templates/html" | "/v1/pdf/documentparser/templates" => json!({ "templates": [template] }),
        "/v1/templates/html/{id}" => json!({
            "id": number, "type": "system", "title": "Sample template", "description": note,
            "body": format!("<p>{note} {{{{name}}}}</p>"), "test_json": "{\"name\":\"sample\"}", "updated_at": "2025-01-05T00:00:00Z",
        }),
        "/v1/pdf/documentparser/templates/{id}" => json!({
            "id": number, "type": "system", "title": "Sample template", "description": note,
            "created_at": "2025-01-05T00:00:00Z", "updated_at": "2025-01-05T00:00:00Z", "body": format!("# {note}"),
        }),
        "/v1/barcode/read/from/url" => json!({ "barcodes": [{
            "Value": note, "RawValue": "", "Type": 2, "Rect": "{X=111,Y=60,Width=255,Height=37}", "Page": 0, "File": "",
            "Confidence": 0.9, "Metadata": "", "TypeName": "Code128",
        }]}),
        "/license/info" => json!({ "body": { "modules": [{ "moduleName": note, "enabled": true }] } }),
        _ => json!({ "body": json_value(operation, path) }),
    }
}
