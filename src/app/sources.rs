//! The documents that a call names: judged before anything is paid for, uploaded where they are local.

use serde_json::{Map, Value, json};

use super::{App, Caller, Event, or_cancelled};
use crate::catalog::arguments::Sources;
use crate::catalog::{Operation, shorten};
use crate::charge::Charge;
use crate::error::{Error, Result};
use crate::files::{LocalFile, is_local, is_private, private_link_in, upload};

/// Longest part of a link that a message quotes.
const LINK_SHOWN_CHARS: usize = 200;

/// A document that was judged.
pub(super) enum Judged {
    /// The service fetches it from here.
    Link(String),
    /// It lies on this machine and is uploaded first.
    Local(LocalFile),
}

impl App {
    /// Refuses arguments that would make the service ask a private network: in whatever argument a link stands.
    ///
    /// # Errors
    /// `invalid_argument`, naming the link without its secrets.
    pub(super) fn refuse_private_links(&self, arguments: &Map<String, Value>) -> Result<()> {
        match private_link_in(arguments).filter(|_| !self.client.is_local()) {
            None => Ok(()),
            Some(link) => Err(leads_into_private_network(link)),
        }
    }

    /// Judges the documents of a call, in order, without paying for anything.
    ///
    /// # Errors
    /// `file_access` for a file that cannot be read, `invalid_argument` for a link into a private network.
    pub(super) async fn judge_sources(&self, caller: &Caller, sources: &Sources) -> Result<Vec<Judged>> {
        let mut judged = Vec::with_capacity(sources.items.len());
        for item in &sources.items {
            judged.push(if is_local(item) {
                Judged::Local(caller.sandbox.readable(item).await?)
            } else if is_private(item) && !self.client.is_local() {
                return Err(leads_into_private_network(item));
            } else {
                Judged::Link(item.clone())
            });
        }
        Ok(judged)
    }

    /// Uploads what is local and puts the links into `body`. Returns the body and what the uploads cost.
    ///
    /// # Errors
    /// As [`upload`], with what was charged before.
    pub(super) async fn with_sources(
        &self,
        caller: &Caller,
        operation: &Operation,
        mut body: Map<String, Value>,
        sources: &Sources,
        judged: Vec<Judged>,
    ) -> Result<(Map<String, Value>, Charge)> {
        let mut charge = Charge::NONE;
        let mut links = Vec::with_capacity(judged.len());
        for source in judged {
            links.push(match source {
                Judged::Link(link) => link,
                Judged::Local(file) => {
                    let name = file
                        .path
                        .file_name()
                        .map_or_else(|| operation.name.to_owned(), |name| name.to_string_lossy().into_owned());
                    caller.emit(Event::Uploading { name, bytes: file.bytes });
                    let uploading = upload(
                        &self.jobs,
                        &self.client,
                        &self.hosts,
                        &caller.owner,
                        &file,
                        None,
                        self.config.max_file_bytes,
                    );
                    let uploaded =
                        or_cancelled(&caller.cancel, uploading).await.map_err(|error| error.with_charge(charge))?;
                    charge.add(uploaded.charge);
                    uploaded.link.expose().to_owned()
                }
            });
        }
        body.insert(sources.wire.to_owned(), json!(sources.joined(&links)));
        Ok((body, charge))
    }
}

fn leads_into_private_network(link: &str) -> Error {
    // One without a scheme cannot be parsed, and holds no secrets but behind `?`.
    let shown = match url::Url::parse(link) {
        Ok(url) if url.has_host() => crate::secret::without_query(link),
        _ => shorten(link.split(['?', '#']).next().unwrap_or_default(), LINK_SHOWN_CHARS),
    };
    Error::invalid(
        format!("`{shown}` leads into a private network, where the service cannot go."),
        "Save the file on this machine and pass its path: it is uploaded first.",
    )
}
