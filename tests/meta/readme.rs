//! The README says what the program does: its tool table is made from the declarations, its commands parse.

use std::process::Command;

use pdfco::mcp::tools::ALL;

const START: &str =
    "<!-- tools: made from the declarations; run `UPDATE_FIXTURES=1 cargo test --test integration readme` -->\n";
const END: &str = "<!-- /tools -->";
const LINKS_START: &str = "<!-- links: those of `pdfco setup --link`, made with the table below -->\n";
const LINKS_END: &str = "<!-- /links -->";

fn path() -> String {
    format!("{}/README.md", env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(path()).unwrap()
}

fn table() -> String {
    let mut table = String::from("| tool | what it does |\n|---|---|\n");
    for tool in ALL {
        let first = tool.description.split(". ").next().unwrap();
        table.push_str(&format!("| `{}` | {}. |\n", tool.name, first.trim_end_matches('.')));
    }
    table
}

/// What is made here, with the marks around it in the README. In one test, so that they are not written at once.
fn made() -> [(&'static str, &'static str, String); 2] {
    [(START, END, table()), (LINKS_START, LINKS_END, pdfco::cli::commands::setup::link::badges())]
}

#[test]
fn the_tool_table_and_the_links_are_made_from_the_declarations() {
    for (start, end, made) in made() {
        let readme = readme();
        let (before, rest) = readme.split_once(start).unwrap();
        let (shown, after) = rest.split_once(end).unwrap();
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(path(), format!("{before}{start}{made}{end}{after}")).unwrap();
        } else {
            assert_eq!(shown, made, "run `UPDATE_FIXTURES=1 cargo test --test integration readme`");
        }
    }
}

#[test]
fn every_pdfco_command_of_the_readme_is_one() {
    let readme = readme();
    let mut in_block = false;
    let mut seen = 0;
    for line in readme.lines() {
        if line.starts_with("```") {
            in_block = line == "```sh";
        } else if in_block && line.starts_with("pdfco ") {
            // `--help` after the words shows that each of them is known, and runs nothing.
            let mut words: Vec<&str> = line.split_whitespace().skip(1).collect();
            words.push("--help");
            let home = tempfile::tempdir().unwrap();
            let output = Command::new(env!("CARGO_BIN_EXE_pdfco"))
                .args(&words)
                .env_clear()
                .env("HOME", home.path())
                .current_dir(home.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            seen += 1;
        }
    }
    assert!(seen >= 7, "{seen} commands found");
}

#[test]
fn its_first_two_commands_are_the_demo_and_the_tests() {
    let readme = readme();
    let commands: Vec<&str> =
        readme.split("```sh\n").skip(1).take(2).map(|block| block.lines().next().unwrap()).collect();
    assert_eq!(commands, ["cargo run -- demo", "cargo test"]);
}
