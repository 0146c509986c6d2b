//! Links that make a client ask whether to add the entry, for those that document one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::clients::{self, Client, EntryKey, NAME};
use super::stored::stored_in;
use crate::cli::report::Report;
use crate::config::KeyPlace;
use crate::error::{Error, Result};

/// What Cursor's links begin with.
const CURSOR_SCHEME: &str = "cursor://anysphere.cursor-deeplink/mcp/install";
/// The same on the web.
const CURSOR_WEB: &str = "https://cursor.com/en/install-mcp";

/// The link for `client` that starts `program`. It holds no key, and asks for none where one is `stored`.
///
/// # Errors
/// `invalid_argument` for a client that documents no such link.
pub fn report(client: &Client, program: &str, stored: Option<&KeyPlace>) -> Result<Report> {
    let section = client.sections.first().copied().unwrap_or_default();
    let key = if stored.is_some() { EntryKey::Stored } else { EntryKey::Delivered };
    let entry = client.entry(section, program, key);
    let link = of(client, &entry, key).ok_or_else(|| {
        Error::invalid(
            format!("{} documents no link that adds a server.", client.title),
            format!("`pdfco setup {}` writes its configuration. Cursor and VS Code have links.", client.id),
        )
    })?;
    let data = json!({"status": "success", "client": client.id, "action": "linked", "link": link, "entry": entry});
    let how = stored.map_or_else(|| client.how.to_owned(), stored_in);
    Ok(Report {
        notes: vec![format!("Open it in a browser: {} asks whether to add pdfco. key: {how}", client.title)],
        ..Report::line(link, data)
    })
}

/// The links as badges of a page of Markdown, for a `pdfco` on the PATH. Pages on the web may not link to Cursor's own
/// scheme, so its address on the web stands there, which leads to the same.
pub fn badges() -> String {
    let badge = |id: &str, picture: &str, words: &str| {
        let client = clients::find(id)?;
        let section = client.sections.first().copied().unwrap_or_default();
        let entry = client.entry(section, NAME, EntryKey::Delivered);
        let link = of(client, &entry, EntryKey::Delivered)?.replace(CURSOR_SCHEME, CURSOR_WEB);
        Some(format!("[![{words}]({picture})]({link})\n"))
    };
    [
        badge("cursor", "https://cursor.com/deeplink/mcp-install-dark.svg", "Add to Cursor"),
        badge("vscode", "https://img.shields.io/badge/VS_Code-Add_pdfco-0098FF", "Add to VS Code"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of(client: &Client, entry: &Value, key: EntryKey<'_>) -> Option<String> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    match client.id {
        "cursor" => {
            let config = encoded(&STANDARD.encode(entry.to_string()));
            Some(format!("{CURSOR_SCHEME}?name={NAME}&config={config}"))
        }
        "vscode" => {
            let inputs = client.input(key).map_or_else(|| json!([]), |input| json!([input]));
            let (inputs, config) = (encoded(&inputs.to_string()), encoded(&entry.to_string()));
            Some(format!(
                "https://insiders.vscode.dev/redirect/mcp/install?name={NAME}&inputs={inputs}&config={config}"
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::setup::clients::find;

    #[test]
    fn links_hold_the_entry_that_setup_would_write() {
        let client = find("cursor").unwrap();
        let key = EntryKey::Delivered;
        let entry = client.entry(&["mcpServers"], "/usr/bin/pdfco", key);
        let link = url::Url::parse(&of(client, &entry, key).unwrap()).unwrap();
        let (_, config) = link.query_pairs().find(|(name, _)| name == "config").unwrap();
        let config: Value = serde_json::from_slice(&STANDARD.decode(config.as_bytes()).unwrap()).unwrap();
        assert_eq!((config["command"].as_str(), &config["args"]), (Some("/usr/bin/pdfco"), &json!(["serve"])));

        let client = find("vscode").unwrap();
        let link = url::Url::parse(&of(client, &client.entry(&["servers"], "pdfco", key), key).unwrap()).unwrap();
        let read = |wanted: &str| -> Value {
            let (_, text) = link.query_pairs().find(|(name, _)| name == wanted).unwrap();
            serde_json::from_str(&text).unwrap()
        };
        assert_eq!(read("inputs")[0]["password"], true);
        assert_eq!(read("config")["command"], "pdfco");
        assert!(report(find("zed").unwrap(), "pdfco", None).is_err());
        let stored = report(client, "pdfco", Some(&KeyPlace::Keychain)).unwrap();
        assert!(stored.notes[0].contains("keychain") && !stored.data.to_string().contains("API_KEY"), "{stored:?}");
    }
}
