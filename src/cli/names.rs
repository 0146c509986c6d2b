//! Names of operations and parameters as the command line writes them.

use crate::catalog::Param;
pub use crate::text::{counted, flag_name};

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
