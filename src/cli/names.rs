//! Names of operations and parameters as the command line writes them.

use crate::catalog::Param;
pub use crate::text::counted;

/// The name of a flag or command for a catalog name: dashes, lower case.
pub fn flag_name(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    let mut after_lower_case = false;
    for letter in name.chars() {
        if letter.is_uppercase() && after_lower_case {
            kebab.push('-');
        }
        after_lower_case = letter.is_lowercase() || letter.is_numeric();
        kebab.push(if letter == '_' { '-' } else { letter.to_ascii_lowercase() });
    }
    kebab
}

/// The other spellings under which a parameter is accepted.
pub fn hidden_names(param: &Param) -> Vec<String> {
    let shown = flag_name(param.name);
    let mut names = Vec::new();
    for name in [param.name, param.wire].iter().chain(param.aliases) {
        for name in [(*name).to_owned(), flag_name(name)] {
            if name != shown && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}
