//! The names that results will have, as far as they are certain before anything is paid for.

use serde_json::Value;

use super::jobs::source_name;
use super::sources::short_name;
use crate::catalog::arguments::Arguments;
use crate::catalog::media_types::extension_of;
use crate::catalog::{Operation, Output, Run};
use crate::files::safe_file_name;

/// The file name that a result gets in a folder, where it is certain: the name that was asked for, or the source's with
/// the ending of the result.
pub fn expected_name(operation: &Operation, arguments: &Arguments) -> Option<String> {
    match operation.output {
        Output::Text(mime) | Output::Binary(mime) => name_with(extension_of(mime)?, arguments),
        Output::Inline => data_name(operation, &arguments.public()),
        Output::Many(_) | Output::Nothing => None,
    }
}

/// What the names of the parts of a result begin like, where that is certain: `report.png` for `report_page1.png`.
pub(super) fn first_part_name(operation: &Operation, arguments: &Arguments) -> Option<String> {
    match operation.output {
        Output::Many(mime) => name_with(extension_of(mime)?, arguments),
        Output::Text(_) | Output::Binary(_) | Output::Inline | Output::Nothing => None,
    }
}

/// The name of a file of data that an operation found out. The service may answer it in several places, under a name of
/// its own or without one, so it is named here: after the document, as other results are. None for operations whose
/// result is a file of the service's.
pub(super) fn data_name(operation: &Operation, arguments: &Value) -> Option<String> {
    if operation.output != Output::Inline || operation.run == Run::Direct {
        return None;
    }
    let named = arguments.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = named.map(str::to_owned).or_else(|| source_name(operation, arguments));
    let name = safe_file_name(name.as_deref().unwrap_or(operation.name));
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    Some(safe_file_name(&format!("{}.json", if stem.is_empty() { &name } else { stem })))
}

/// The name that was asked for, or the source's, with this extension.
fn name_with(extension: &str, arguments: &Arguments) -> Option<String> {
    let named = arguments.body.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let source = arguments.sources.as_ref().and_then(|sources| match sources.items.as_slice() {
        [only] if !only.starts_with("job:") => Some(short_name(only)),
        _ => None,
    });
    let name = match named {
        Some(name) => name.to_owned(),
        None => source.filter(|name| name.contains('.'))?,
    };
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    Some(format!("{stem}.{extension}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::find;

    #[test]
    fn data_is_named_after_its_document() {
        for (operation, arguments, expected) in [
            ("pdf_info_reader", json!({"url": "/srv/in/report.pdf"}), Some("report.json")),
            ("pdf_info_reader", json!({"url": "https://h.test/a%20b.pdf?sig=1"}), Some("a b.json")),
            ("barcode_read", json!({"url": "https://h.test/scan.png", "name": "codes.json"}), Some("codes.json")),
            ("barcode_read", json!({"url": "https://h.test/scan.png", "name": "codes"}), Some("codes.json")),
            ("ai_invoice_parser", json!({"url": "https://h.test/"}), Some("h.json")),
            ("ai_invoice_parser", json!({}), Some("ai_invoice_parser.json")),
            ("pdf_to_text", json!({"url": "report.pdf"}), None),
            ("account_balance", json!({}), None),
        ] {
            assert_eq!(data_name(find(operation).unwrap(), &arguments).as_deref(), expected, "{operation} {arguments}");
        }
    }
}
