//! The catalog: what the service can do, one declaration per operation, read by every interface.
//!
//! Generic submit, named tools, command-line flags, simulator routes and the README table are all made from the rows in
//! `operations/`. Start at [`Operation`], then read one row in `operations/convert_from_pdf.rs`; `arguments/` turns what a
//! caller wrote into the body that goes out. Nothing here knows HTTP, MCP or clap.

pub mod arguments;
pub mod media_types;
mod names;
mod operation;
mod operations;
pub mod overview;
pub mod pages;
mod param;
mod price;
mod run;
pub mod schema;
pub mod search;
mod suggest;

pub use self::names::nearest;
pub use self::operation::{Cheaper, Confidence, Effect, Method, Operation, Output, Toolset};
pub use self::param::{Param, ParamKind};
pub use self::price::{Basis, CHECK_CREDITS, Price, UPLOAD_CREDITS};
pub use self::run::Run;
use crate::error::{Error, Result};

/// Every operation, one after the other, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Operation> + Clone {
    operations::ALL.iter().flat_map(|group| group.iter())
}

/// The operation that answers to `name`; case, dashes and underscores do not matter.
///
/// # Errors
/// `not_found` with the nearest names, or with what there is in place of an operation that is often looked for.
pub fn find(name: &str) -> Result<&'static Operation> {
    all().find(|operation| operation.answers_to(name)).ok_or_else(|| suggest::unknown_operation(name))
}

/// The toolsets that `--toolsets` names; `core` names none, `all` names all.
///
/// # Errors
/// `invalid_argument` for a word that is none.
pub fn toolsets(words: &[String]) -> Result<Vec<Toolset>> {
    let mut chosen = Vec::new();
    for word in words {
        match word.as_str() {
            "core" => {}
            "all" => return Ok(Toolset::ALL.to_vec()),
            word => match Toolset::ALL.iter().find(|toolset| toolset.as_str() == word) {
                Some(toolset) => chosen.push(*toolset),
                None => {
                    let names: Vec<&str> = Toolset::ALL.iter().map(|toolset| toolset.as_str()).collect();
                    return Err(Error::invalid(
                        format!("There is no toolset `{}`.", crate::text::shorten(word, 40)),
                        format!("PDFCO_TOOLSETS takes core, all, {}.", names.join(", ")),
                    ));
                }
            },
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::names::fold;
    use super::*;

    #[test]
    fn no_two_operations_answer_to_one_name() {
        let mut seen = HashSet::new();
        for operation in all() {
            for name in std::iter::once(&operation.name).chain(operation.aliases) {
                assert!(seen.insert(fold(name)), "{name} is declared twice");
            }
        }
    }

    #[test]
    fn rows_are_complete_and_names_are_legal() {
        for operation in all() {
            assert!(operation.name.len() <= 40, "{}", operation.name);
            assert!(
                operation.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{}",
                operation.name
            );
            assert!(operation.path.starts_with('/'), "{}", operation.name);
            assert!(
                (40..=1_200).contains(&operation.description().len()),
                "{} describes itself in {} bytes",
                operation.name,
                operation.description().len()
            );
            assert!(operation.about.ends_with('.'), "{}", operation.name);
            assert!(!operation.about.contains("credits a "), "{}: the price makes its own sentence", operation.name);
            assert!(!operation.title.is_empty() && !operation.keywords.is_empty(), "{}", operation.name);
        }
    }

    #[test]
    fn parameters_of_an_operation_are_distinct_and_described() {
        for operation in all() {
            let params: Vec<_> = operation.params().collect();
            for (at, param) in params.iter().enumerate() {
                assert!(!param.description.is_empty(), "{}.{}", operation.name, param.name);
                for other in params.iter().skip(at + 1) {
                    assert!(
                        !other.answers_to(param.name) && !other.answers_to(param.wire),
                        "{}: {} and {}",
                        operation.name,
                        param.name,
                        other.name
                    );
                }
            }
        }
    }

    #[test]
    fn every_placeholder_of_a_path_is_a_parameter() {
        for operation in all() {
            for piece in operation.path.split('/').filter(|piece| piece.starts_with('{')) {
                let name = piece.trim_matches(['{', '}']);
                assert!(
                    operation.param(name).is_some_and(|param| param.required || param.sends_default),
                    "{}: {piece}",
                    operation.name
                );
            }
        }
    }
}
