//! Files import without circles, also where a name comes through a `pub use` of the module above.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::{Source, sources};

/// Re-exports that lead to one another are followed this often.
const STEPS_MAX: usize = 8;

/// A path as it is written or resolved: its names.
type Names = Vec<String>;

/// What the paths of `src/` mean.
struct Modules {
    /// The file of each module.
    files: BTreeMap<Names, String>,
    /// What a module imports or exports again: its name there, and where it comes from.
    imports: BTreeMap<Names, Vec<(String, Names)>>,
}

/// The module that a file is.
fn module_of(path: &str) -> Names {
    let stem = path.trim_end_matches(".rs");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    if ["lib", "main"].contains(&stem) { Names::new() } else { stem.split('/').map(str::to_owned).collect() }
}

/// The code of a file's product as one text.
fn code_of(source: &Source) -> String {
    source.code().map(|(_, line)| line).collect::<Vec<_>>().join("\n")
}

/// Reads a path or a tree of paths from the beginning of `text`: each with the name under which it is known here.
fn tree(text: &str, before: &[String], found: &mut Vec<(String, Names)>) -> usize {
    let (mut at, mut names) = (0, before.to_vec());
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if text[at..].starts_with('{') {
            at += 1;
            loop {
                at += tree(&text[at..], &names, found);
                at += text[at..].len() - text[at..].trim_start().len();
                match text[at..].chars().next() {
                    Some(',') => at += 1,
                    Some('}') => return at + 1,
                    _ => return at,
                }
            }
        }
        let name: String = text[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            // The end of a list, a glob, or the type arguments of a call.
            let is_over = names.len() > before.len();
            found.extend(is_over.then(|| (String::new(), names)));
            return at + usize::from(text[at..].starts_with('*'));
        }
        at += name.len();
        if name != "self" || names.is_empty() {
            names.push(name);
        }
        if text[at..].starts_with("::") {
            at += 2;
            continue;
        }
        let alias = text[at..].strip_prefix(" as ");
        let alias = alias.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>());
        at += alias.as_ref().map_or(0, |alias| " as ".len() + alias.len());
        let known_as = alias.or_else(|| names.last().cloned()).unwrap_or_default();
        found.push((known_as, names));
        return at;
    }
}

impl Modules {
    fn of(sources: &[Source]) -> Modules {
        let files = sources.iter().filter(|source| !source.path.ends_with("tests.rs"));
        let files = files.map(|source| (module_of(&source.path), source.path.clone())).collect();
        let mut modules = Modules { files, imports: BTreeMap::new() };
        for source in sources {
            let (module, code) = (module_of(&source.path), code_of(source));
            let mut imported = Vec::new();
            for part in code.split("use ").skip(1) {
                let mut names = Vec::new();
                tree(part, &[], &mut names);
                imported.extend(
                    names.into_iter().filter_map(|(name, path)| Some((name, modules.absolute(&module, &path)?))),
                );
            }
            modules.imports.entry(module).or_default().extend(imported);
        }
        modules
    }

    /// A path from the root of the library; none for one of another library.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Names> {
        let first = path.first()?.as_str();
        let ups = path.iter().take_while(|name| *name == "super").count();
        let rest = |from: usize| path.iter().skip(from).cloned();
        match first {
            "crate" => Some(rest(1).collect()),
            "self" => Some(module.iter().cloned().chain(rest(1)).collect()),
            "super" => {
                let above = module.len().checked_sub(ups)?;
                Some(module.iter().take(above).cloned().chain(rest(ups)).collect())
            }
            _ => {
                let below: Names = module.iter().cloned().chain([first.to_owned()]).collect();
                self.files.contains_key(&below).then(|| module.iter().cloned().chain(rest(0)).collect())
            }
        }
    }

    /// The file that has what an absolute path names.
    fn file_of(&self, path: &[String], steps: usize) -> Option<&str> {
        let known = (0..=path.len()).rev().find(|count| self.files.contains_key(&path[..*count]))?;
        let (module, rest) = path.split_at(known);
        let imported = rest.first().filter(|_| steps > 0).and_then(|name| {
            let imports = self.imports.get(module)?.iter();
            imports.filter(|(known_as, _)| known_as == name).map(|(_, path)| path).next()
        });
        match imported {
            Some(from) => {
                let path: Names = from.iter().chain(rest.iter().skip(1)).cloned().collect();
                self.file_of(&path, steps - 1)
            }
            None => self.files.get(module).map(String::as_str),
        }
    }

    /// The files from which a file takes something. What it takes from the modules above it is not counted: a part may
    /// use its whole.
    fn used_by(&self, source: &Source) -> BTreeSet<String> {
        let (module, code) = (module_of(&source.path), code_of(source));
        let mut paths = Vec::new();
        for (at, _) in code.match_indices("::") {
            // The beginning of the path that this is the first `::` of.
            let start = code[..at].trim_end_matches(|c: char| c.is_alphanumeric() || c == '_').len();
            if start < at && !code[..start].ends_with("::") {
                tree(&code[start..], &[], &mut paths);
            }
        }
        let files = paths.iter().filter_map(|(_, path)| self.file_of(&self.absolute(&module, path)?, STEPS_MAX));
        let is_above = |file: &str| module.starts_with(&module_of(file));
        files.filter(|file| !is_above(file)).map(str::to_owned).collect()
    }
}

/// The imports that are part of a circle, or lie between two.
fn circles(sources: &[Source]) -> Vec<String> {
    let modules = Modules::of(sources);
    let mut arrows: BTreeMap<String, BTreeSet<String>> =
        sources.iter().map(|source| (source.path.clone(), modules.used_by(source))).collect();
    // What imports nothing that is left is taken away, and so is what nothing that is left imports.
    loop {
        let used: BTreeSet<String> = arrows.values().flatten().cloned().collect();
        let count = arrows.len();
        arrows.retain(|file, uses| !uses.is_empty() && used.contains(file));
        let left: BTreeSet<String> = arrows.keys().cloned().collect();
        arrows.values_mut().for_each(|uses| uses.retain(|file| left.contains(file)));
        if arrows.len() == count {
            return arrows.into_iter().map(|(file, uses)| format!("src/{file} uses {uses:?}")).collect();
        }
    }
}

#[test]
fn files_import_without_circles() {
    let circles = circles(&sources());
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn circles_are_seen_through_what_is_exported_again() {
    let file = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let module = "pub mod price;\npub mod run;\npub use price::Price;\npub use self::run::{Run as Way, Other};\n";
    let mut sources = vec![
        file("lib.rs", "pub mod catalog;\nmod app;\n"),
        file("catalog/mod.rs", module),
        file("catalog/price.rs", "use super::Way;\npub struct Price(Way);\n"),
        file("catalog/run.rs", "pub enum Run {}\nfn f() -> crate::app::Thing {}\n"),
        file("app.rs", "pub struct Thing;\n#[cfg(test)]\nmod tests {\nuse crate::catalog::Price;\n}\n"),
    ];
    assert_eq!(circles(&sources), Vec::<String>::new());
    sources[4].text.insert_str(0, "use crate::{catalog::{Other, Price}, error};\n");
    let found = circles(&sources);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].contains("app.rs uses {\"catalog/price.rs\", \"catalog/run.rs\"}"), "{found:#?}");
}
