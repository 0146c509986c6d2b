//! The documents that an operation works on.

use std::path::PathBuf;

use super::pdf::{self, Pdf};
use crate::catalog::{Operation, ParamKind};
use crate::simulator::input::Input;
use crate::simulator::reply::Refusal;
use crate::simulator::state::World;

/// Why a source cannot be had.
pub(in crate::simulator) const OFFLINE: &str = "The simulator works offline and can fetch only files uploaded to it.";
/// Sources of one operation.
const SOURCES_MAX: usize = 1_000;

/// One source, as far as the simulator can reach it.
pub(in crate::simulator) enum Source {
    /// A file that was uploaded here, or made here.
    Own(PathBuf),
    /// Anything else: there is no network.
    Foreign,
}

impl Source {
    /// The bytes.
    ///
    /// # Errors
    /// 400 for what is not here, 442 for what is too large to be worked on.
    pub(in crate::simulator) fn read(&self) -> Result<Vec<u8>, Refusal> {
        let Source::Own(path) = self else { return Err(Refusal::new(400, OFFLINE)) };
        let gone = |_| Refusal::new(403, "Access forbidden for the input URL: the file is gone.");
        if std::fs::metadata(path).map_err(gone)?.len() > pdf::BYTES_MAX {
            return Err(Refusal::new(442, "Input document is too large for the simulator (64 MB)."));
        }
        std::fs::read(path).map_err(gone)
    }

    /// The document.
    ///
    /// # Errors
    /// As [`Source::read`] and [`Pdf::load`].
    pub(super) fn pdf(&self, password: Option<&str>) -> Result<Pdf, Refusal> {
        Pdf::load(&self.read()?, password)
    }
}

/// The sources of a request. Only an operation that takes several reads commas as separators.
///
/// # Errors
/// 403 for a file of ours that cannot be had, 454 for too many.
pub(super) fn sources(world: &World, operation: &Operation, input: &Input) -> Result<Vec<Source>, Refusal> {
    let links = input.text("url").unwrap_or_default();
    let takes_many = operation.params().any(|param| param.kind == ParamKind::Sources);
    let links: Vec<&str> = if takes_many { links.split(',').collect() } else { vec![links.as_str()] };
    let links = links.into_iter().map(str::trim).filter(|link| !link.is_empty());
    let mut sources = Vec::new();
    for link in links {
        if sources.len() >= SOURCES_MAX {
            let why = format!("Invalid parameters: the simulator takes at most {SOURCES_MAX} sources.");
            return Err(Refusal::new(454, why));
        }
        sources.push(match world.files.by_link(link)? {
            Some((id, _)) => Source::Own(world.files.path(&id)),
            None => Source::Foreign,
        });
    }
    Ok(sources)
}
