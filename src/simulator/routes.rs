//! The paths of the catalog.

use std::collections::HashMap;

use axum::http::Method;

use super::reply::Refusal;
use crate::catalog::{self, Operation};

/// The operations by path.
pub(in crate::simulator) struct Routes {
    exact: HashMap<&'static str, Vec<&'static Operation>>,
    patterns: Vec<&'static Operation>,
}

/// What a path leads to.
pub(in crate::simulator) struct Found {
    pub(in crate::simulator) operations: Vec<&'static Operation>,
    pub(in crate::simulator) placeholders: Vec<(String, String)>,
}

impl Routes {
    pub(in crate::simulator) fn from_catalog() -> Routes {
        let mut routes = Routes { exact: HashMap::new(), patterns: Vec::new() };
        for operation in catalog::all() {
            if operation.path.contains('{') {
                routes.patterns.push(operation);
            } else {
                routes.exact.entry(operation.path).or_default().push(operation);
            }
        }
        routes
    }

    /// The operations of a path under this method.
    ///
    /// # Errors
    /// 404 for no path, 405 for another method.
    pub(in crate::simulator) fn find(&self, method: &Method, path: &str) -> Result<Found, Refusal> {
        let mut found = match self.exact.get(path) {
            Some(operations) => Found { operations: operations.clone(), placeholders: Vec::new() },
            None => self
                .patterns
                .iter()
                .find_map(|operation| {
                    Some(Found { operations: vec![operation], placeholders: fill(operation.path, path)? })
                })
                .ok_or_else(|| Refusal::new(404, format!("Not found: {}", crate::text::shorten(path, 80))))?,
        };
        // Official samples upload a link with GET.
        let takes_any_method = path == "/v1/file/upload/url";
        found.operations.retain(|operation| takes_any_method || fits(operation.method, method));
        if found.operations.is_empty() { Err(Refusal::new(405, "Method not allowed.")) } else { Ok(found) }
    }
}

fn fits(declared: catalog::Method, method: &Method) -> bool {
    match declared {
        catalog::Method::Get => *method == Method::GET,
        catalog::Method::Post => *method == Method::POST,
    }
}

/// The values of a pattern's placeholders in `path`, if it matches.
fn fill(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
    let mut values = Vec::new();
    let mut pieces = path.split('/');
    for wanted in pattern.split('/') {
        let piece = pieces.next()?;
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !piece.is_empty() => values.push((name.to_owned(), piece.to_owned())),
            Some(_) => return None,
            None if wanted == piece => {}
            None => return None,
        }
    }
    pieces.next().is_none().then_some(values)
}
