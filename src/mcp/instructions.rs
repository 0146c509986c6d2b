//! The instructions that a client gives to its assistant once.
//!
//! The text is `instructions.md`, a sentence a line. A sentence that names a tool is left out where that tool is not
//! listed.

use std::path::PathBuf;

use rmcp::model::Tool;

use super::access::FileAccess;
use super::tools::{ALL, find};
use crate::config::Config;

const TEXT: &str = include_str!("instructions.md");
/// Where the sentence about local files stands.
const FILES: &str = "{files}";
/// Folders that are named; of more only the number is said.
const FOLDERS_SHOWN: usize = 4;

/// The instructions for a server that lists `tools` and whose callers use `access`. Where nothing is sent and nothing
/// saved, local files are of no use.
pub fn text(config: &Config, access: &FileAccess, tools: &[Tool]) -> String {
    let is_listed = |name: &str| tools.iter().any(|tool| tool.name == name);
    let is_said = |line: &&str| ALL.iter().all(|tool| !line.contains(tool.name) || is_listed(tool.name));
    let paragraphs = TEXT.split("\n\n").map(|paragraph| {
        let sentences: Vec<&str> = paragraph.lines().filter(is_said).collect();
        sentences.join(" ")
    });
    let can_use_files = tools.iter().any(|tool| find(&tool.name).is_some_and(|found| found.spends_or_writes()));
    let is_of_use = |paragraph: &String| !paragraph.is_empty() && (can_use_files || paragraph != FILES);
    let said: Vec<String> = paragraphs.filter(is_of_use).collect();
    said.join("\n").replace(FILES, &files(config, access))
}

/// Which folders may be used, and where a relative path lies.
fn files(config: &Config, access: &FileAccess) -> String {
    match access {
        FileAccess::Nothing => return "This server reads no local files: pass links.".to_owned(),
        FileAccess::PerTenant { .. } => {
            return "Each user has a folder of their own on this server: relative paths lie in it, results are saved in it, and nothing else can be read or written.".to_owned();
        }
        FileAccess::Folders => {}
    }
    let downloads = config.download_dir.display();
    let others: Vec<&PathBuf> =
        config.files.iter().flatten().filter(|folder| **folder != config.download_dir).collect();
    let shown: Vec<String> =
        others.iter().take(FOLDERS_SHOWN).map(|folder| format!("`{}`", folder.display())).collect();
    let more = match others.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if shown.is_empty() {
        return format!(
            "Local files can be read and written only below `{downloads}`, which is where relative paths lie and results are saved."
        );
    }
    format!(
        "Local files can be read and written only below {}{more} and `{downloads}`; a relative path is looked for in each, a relative `save_to` lies in `{}`, and without `save_to` results are saved in `{downloads}`.",
        shown.join(", "),
        config.files.iter().flatten().next().unwrap_or(&config.download_dir).display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Folders, Values, merge};
    use crate::mcp::operation_tools::list;

    fn config(values: &[(&str, &str)]) -> Config {
        let flags: Values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        merge(&flags, &Values::new(), &Values::new(), &Folders::default()).unwrap()
    }

    #[test]
    fn sentences_about_unlisted_tools_are_left_out() {
        for flags in [&[("PDFCO_READ_ONLY", "true")][..], &[("PDFCO_READ_ONLY", "false")][..]] {
            let config = config(flags);
            let tools = list(&config).unwrap();
            let text = text(&config, &FileAccess::Folders, &tools);
            for tool in ALL {
                let is_listed = tools.iter().any(|listed| listed.name == tool.name);
                assert!(is_listed || !text.contains(tool.name), "{}: {text}", tool.name);
            }
            // What cannot be done here is not explained either.
            let can_submit = tools.iter().any(|listed| listed.name == "submit_job");
            assert_eq!(text.contains("charges again") || text.contains("one job each"), can_submit, "{text}");
            assert!(text.contains("wait_job_completion") && !text.contains(FILES) && !text.contains("  "), "{text}");
        }
    }

    #[test]
    fn folders_and_relative_paths_are_explained() {
        let config = config(&[("PDFCO_FILES", "/a/in"), ("PDFCO_DOWNLOAD_DIR", "/a/out")]);
        let text = text(&config, &FileAccess::Folders, &list(&config).unwrap());
        assert!(text.contains("below `/a/in` and `/a/out`"), "{text}");
        let saved = "a relative `save_to` lies in `/a/in`, and without `save_to` results are saved in `/a/out`.";
        assert!(text.contains(saved), "{text}");
        let tools = list(&config).unwrap();
        assert!(super::text(&config, &FileAccess::Nothing, &tools).contains("no local files"));
        assert!(!super::text(&config, &FileAccess::Folders, &[]).contains("ocal files"));
    }
}
