//! The files that documents and comments name are there.

use std::collections::BTreeSet;
use std::path::Path;

/// Folders of the repository that hold files of ours.
const FOLDERS: &[&str] =
    &[".ci", ".github", "benches", "docs", "examples", "fixtures", "packaging", "skills", "src", "tests"];
/// Texts that are examples of what may be asked, and no documents of ours.
const NOT_OURS: &[&str] = &["fixtures/", "skills/"];
/// Endings of the files that a text of ours may name.
const NAMED: &[&str] = &[".rs", ".md", ".sh", ".py", ".sql"];

/// Every file and folder below the folders of the repository, and the files at its root.
fn tree(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders: Vec<_> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    let shown = |path: &Path| path.strip_prefix(root).unwrap().display().to_string().replace('\\', "/");
    found.extend(FOLDERS.iter().map(|folder| (*folder).to_owned()));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            found.insert(shown(&path));
            if path.is_dir() && path.file_name().is_some_and(|name| name != "node_modules") {
                folders.push(path);
            }
        }
    }
    let files = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    found.extend(files.map(|path| shown(&path)));
    found
}

/// What a file says to its readers: all of a document, the comments of anything else.
fn talk<'a>(path: &str, text: &'a str) -> Vec<(usize, &'a str)> {
    let mark = match path.rsplit('.').next() {
        Some("md") => "",
        Some("rs") => "//",
        _ => "#",
    };
    let lines = text.lines().enumerate();
    lines.filter_map(|(index, line)| Some((index + 1, &line[line.find(mark)?..]))).collect()
}

/// Words that look like the path of a file.
fn paths_in(line: &str) -> impl Iterator<Item = &str> {
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let words = line.split(|c: char| c.is_whitespace() || "`()[]|,;\"'".contains(c));
    let words = words.map(|word| word.trim_end_matches(['.', ':', '*']));
    words.filter(move |word| {
        let is_named = NAMED.iter().any(|ending| word.ends_with(ending) && word.len() > ending.len());
        let is_below = FOLDERS.iter().any(|folder| word.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')));
        !word.starts_with('/') && (is_named || is_below && word.contains('.')) && word.chars().all(is_of_path)
    })
}

/// Whether `named` in the file at `path` is a file: from the root, from a folder above it, or below the module that it is.
fn is_there(tree: &BTreeSet<String>, path: &str, named: &str) -> bool {
    let module = path.trim_end_matches(".rs");
    let mut bases: Vec<&str> = vec!["", "src", "docs", "tests", module];
    let mut folder = path;
    while let Some((above, _)) = folder.rsplit_once('/') {
        bases.push(above);
        folder = above;
    }
    let is_name = !named.contains('/');
    bases.iter().any(|base| {
        let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
        for part in named.split('/').filter(|part| !part.is_empty() && *part != ".") {
            match part {
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        tree.contains(&parts.join("/"))
    }) || is_name && tree.iter().any(|file| file.rsplit('/').next() == Some(named))
}

#[test]
fn files_that_are_named_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tree = tree(root);
    let (mut count, mut gone) = (0, Vec::new());
    for path in &tree {
        let is_text = [".md", ".rs", ".sh", ".yml"].iter().any(|ending| path.ends_with(ending));
        let is_ours = !NOT_OURS.iter().any(|folder| path.starts_with(folder)) && !path.contains("node_modules/");
        if !is_ours || !(is_text || path == "Cargo.toml" || path == ".ci/run") || root.join(path).is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(root.join(path)).unwrap();
        for (number, line) in talk(path, &text) {
            for named in paths_in(line) {
                count += 1;
                if !is_there(&tree, path, named) {
                    gone.push(format!("{path}:{number}: {named}"));
                }
            }
        }
    }
    assert!(count > 200, "only {count} files are named");
    assert!(gone.is_empty(), "{gone:#?}");
}
