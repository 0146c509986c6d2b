//! The documents that a call names: judged before anything is paid for, taken from other jobs, uploaded where local.

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::uploads::Uploading;
use super::{App, Caller};
use crate::catalog::arguments::Sources;
use crate::charge::Charge;
use crate::error::{Error, Kind, Result};
use crate::files::{LocalFile, has_known_scheme, is_local, is_private, private_link_in};
use crate::hint;
use crate::jobs::job_id::{ID_BYTES_MAX, RESULT_PATH, URI_SCHEME};
use crate::jobs::{Job, JobId, JobStatus};
use crate::next_step::NextStep;
use crate::text::shorten;

/// Longest part of a link that a message quotes.
const LINK_SHOWN_CHARS: usize = 200;
/// Longest name of a document in a question, in characters.
const DOCUMENT_CHARS_MAX: usize = 60;
/// Shortest name that is like a job's id.
const ID_CHARS_MIN: usize = 16;
/// Most parts of a path that a name takes to differ from others.
const NAME_PARTS_MAX: usize = 6;

/// A document that was judged.
pub(super) enum Judged {
    /// The service fetches it from here.
    Link(String),
    /// It lies on this machine and is uploaded first.
    Local(LocalFile),
}

/// A document that is the result of another job.
#[derive(Debug, PartialEq, Eq)]
struct JobRef<'a> {
    id: &'a str,
    /// Which of several files, counted from 0.
    index: Option<usize>,
    /// Whether it says that it is a job.
    is_certain: bool,
}

/// The sources with the links of those that are uploaded, or the fact that an upload goes on.
pub(super) enum Ready {
    /// The body with every link in it, and what the uploads cost.
    Body(Map<String, Value>, Charge),
    /// An upload goes on after the call; what was paid so far.
    UploadGoesOn(Charge),
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

    /// Judges the documents of a call, in order. A result of another job becomes its link, renewed if it has expired.
    /// Returns what renewing cost.
    ///
    /// # Errors
    /// `file_access` for a file that cannot be read, `invalid_argument` for a link into a private network and for a job
    /// that is not finished, has nothing to pass on, or has several files of which none is chosen where the operation
    /// takes one document; where it takes several, it gets them all.
    ///
    /// With `for_nothing` no link is renewed, and one that has expired stands for itself.
    pub(super) async fn judge_sources(
        &self,
        caller: &Caller,
        sources: &Sources,
        for_nothing: bool,
    ) -> Result<(Vec<Judged>, Charge)> {
        let mut charge = Charge::NONE;
        let mut judged = Vec::with_capacity(sources.items.len());
        for item in &sources.items {
            if let Some(links) = self.results_of_job(caller, item, sources.takes_many, for_nothing, &mut charge).await?
            {
                judged.extend(links.into_iter().map(Judged::Link));
                continue;
            }
            judged.push(if is_local(item) {
                Judged::Local(caller.sandbox.readable(item).await.map_err(|error| or_a_job(item, error))?)
            } else if !has_known_scheme(item) {
                return Err(of_another_scheme(item));
            } else if is_private(item) && !self.client.is_local() {
                return Err(leads_into_private_network(item));
            } else {
                Judged::Link(item.clone())
            });
        }
        Ok((judged, charge))
    }

    /// Whether `item` names a job: as `job://…`, or by the id of one that the ledger knows.
    pub(super) async fn names_a_job(&self, caller: &Caller, item: &str) -> bool {
        match job_ref(item) {
            Ok(Some(JobRef { is_certain: true, .. })) | Err(_) => true,
            Ok(Some(JobRef { id, .. })) => match JobId::parse(id) {
                Ok(id) => self.jobs.get(&caller.owner, &id).await.is_ok(),
                Err(_) => false,
            },
            Ok(None) => false,
        }
    }

    /// The links to the result of the job that `item` names, one unless `takes_many`; none when it names no job.
    async fn results_of_job(
        &self,
        caller: &Caller,
        item: &str,
        takes_many: bool,
        for_nothing: bool,
        charge: &mut Charge,
    ) -> Result<Option<Vec<String>>> {
        let Some(wanted) = job_ref(item)? else { return Ok(None) };
        let found = match JobId::parse(wanted.id) {
            Ok(id) => self.jobs.get(&caller.owner, &id).await,
            Err(error) => Err(error),
        };
        let job = match found {
            Ok(job) => job,
            Err(error) if wanted.is_certain => return Err(error),
            Err(_) => return Ok(None),
        };
        let (job, links) = match self.links_for_chain(&job).await {
            Err(error) if error.kind() == Kind::LinkExpired && for_nothing => return Ok(Some(vec![item.to_owned()])),
            Err(error) if error.kind() == Kind::LinkExpired => {
                let job = self.with_fresh_links(caller, &job, charge, error).await?;
                let links = self.links_of(&job).await?;
                (job, links)
            }
            other => (job, other?),
        };
        match (links.as_slice(), wanted.index) {
            ([], _) => Err(Error::invalid(
                format!("Job {} has no file that another job could take.", job.id()),
                hint![NextStep::Show(job.id().to_owned()), " shows what it returned."],
            )),
            (links, None) if takes_many || links.len() == 1 => {
                Ok(Some(links.iter().map(|link| link.expose().to_owned()).collect()))
            }
            (links, None) => Err(Error::invalid(
                format!("Job {} has {} files, and one is needed.", job.id(), links.len()),
                format!("Choose with {URI_SCHEME}{}#1 to #{}, counted from 1.", job.id(), links.len()),
            )),
            (links, Some(index)) => match links.get(index) {
                Some(link) => Ok(Some(vec![link.expose().to_owned()])),
                None => Err(Error::invalid(
                    format!("Job {} has no file {}.", job.id(), index + 1),
                    format!("It has {}, counted from 1.", links.len()),
                )),
            },
        }
    }

    async fn links_for_chain(&self, job: &Job) -> Result<Vec<crate::secret::PresignedUrl>> {
        if job.status == JobStatus::Success {
            return self.links_of(job).await;
        }
        let hint = if job.status.is_terminal() {
            hint!["It made no result: submit it again, or name another document."]
        } else {
            hint![NextStep::WaitFor(job.id().to_owned()), ", then pass it again. Nothing was submitted."]
        };
        Err(Error::invalid(format!("Job {} is not finished: it is `{}`.", job.id(), job.status.as_str()), hint))
    }

    /// Uploads what is local and puts the links into `body`. At `until` an upload goes on without the call.
    ///
    /// # Errors
    /// As `App::upload_once`, with what was charged before.
    pub(super) async fn with_sources(
        &self,
        caller: &Caller,
        mut body: Map<String, Value>,
        sources: &Sources,
        judged: Vec<Judged>,
        until: Option<Instant>,
    ) -> Result<Ready> {
        let mut charge = Charge::NONE;
        let mut links = Vec::with_capacity(judged.len());
        for source in judged {
            match source {
                Judged::Link(link) => links.push(link),
                Judged::Local(file) => {
                    let uploading = self.upload_once(caller, &file, None, false, until).await;
                    match uploading.map_err(|error| error.with_charge(charge))? {
                        Uploading::Done(uploaded, cost) => {
                            charge.add(cost);
                            links.push(uploaded.link.expose().to_owned());
                        }
                        Uploading::GoesOn => return Ok(Ready::UploadGoesOn(charge)),
                    }
                }
            }
        }
        body.insert(sources.wire.to_owned(), json!(sources.joined(&links)));
        Ok(Ready::Body(body, charge))
    }
}

/// `error` about a file that is not there; a name like a job's id may have been meant as one.
fn or_a_job(item: &str, error: Error) -> Error {
    let is_like_an_id = item.len() >= ID_CHARS_MIN
        && item.bytes().any(|byte| byte.is_ascii_digit())
        && item.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'-'));
    if !is_like_an_id {
        return error;
    }
    let hint =
        hint![error.hint().clone(), " No job of this key has this id either; ", NextStep::ListJobs, " shows them."];
    error.with_hint(hint)
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

fn of_another_scheme(link: &str) -> Error {
    let scheme = link.split(':').next().unwrap_or_default();
    Error::invalid(
        format!("Links of the scheme `{}` are not taken.", shorten(scheme, 40)),
        "A document is an http or https link, a path on this machine, the result of a job, or what begins with data:, \
         cache: or filetoken:. Nothing was sent.",
    )
}

/// The job that `item` may name: `job://ID`, `job://ID/result`, either with `?index=N` (from 0) or `#N` (from 1), or a
/// bare id, which only the ledger can distinguish from a file's name.
///
/// # Errors
/// `invalid_argument` for what begins with `job://` and is none of these.
fn job_ref(item: &str) -> Result<Option<JobRef<'_>>> {
    let is_certain = is_job_uri(item);
    match read_job_ref(item, is_certain) {
        None if is_certain => Err(Error::invalid(
            format!("`{}` names no job.", shorten(item, 60)),
            format!(
                "Write {URI_SCHEME} and the job's id, with #1, #2, … behind it to choose one of several files. Nothing \
                 was sent."
            ),
        )),
        found => Ok(found),
    }
}

/// Whether `item` begins with `job://`, in any letter case.
fn is_job_uri(item: &str) -> bool {
    item.get(..URI_SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(URI_SCHEME))
}

fn read_job_ref(item: &str, is_certain: bool) -> Option<JobRef<'_>> {
    let rest = if is_certain { item.get(URI_SCHEME.len()..)? } else { item };
    let (rest, number) = match rest.rsplit_once('#') {
        Some((rest, number)) => (rest, Some(number.parse::<usize>().ok()?.checked_sub(1)?)),
        None => (rest, None),
    };
    let (rest, index) = match rest.split_once("?index=") {
        Some((rest, index)) if is_certain => (rest, Some(index.parse::<usize>().ok()?)),
        _ => (rest, number),
    };
    let id = rest.strip_suffix(RESULT_PATH).unwrap_or(rest);
    let is_id =
        !id.is_empty() && id.len() <= ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    // A bare id has no dot: names of files and hosts do.
    (is_id && (is_certain || !id.contains(['.', ':', '\\']))).then_some(JobRef { id, index, is_certain })
}

/// The last part of a path or link, without its query.
pub(super) fn short_name(source: &str) -> String {
    last_parts(source, 1)
}

/// The last parts of each path or link: the name alone, or as many folders before it as distinguish it from the others.
pub(super) fn distinct_names(sources: &[String]) -> Vec<String> {
    let own_name = |source: &String| {
        (1..=NAME_PARTS_MAX)
            .map(|parts| (parts, last_parts(source, parts)))
            .find(|(parts, name)| sources.iter().filter(|other| last_parts(other, *parts) == *name).count() == 1)
    };
    sources.iter().map(|source| own_name(source).map_or_else(|| short_name(source), |(_, name)| name)).collect()
}

fn last_parts(source: &str, count: usize) -> String {
    if is_job_uri(source) {
        return source.to_owned();
    }
    let plain = if source.contains("://") { source.split(['?', '#']).next().unwrap_or(source) } else { source };
    let parts: Vec<&str> = plain.split(['/', '\\']).filter(|part| !part.is_empty()).collect();
    let from = parts.len().saturating_sub(count);
    match parts.get(from..).unwrap_or_default() {
        [] => plain.to_owned(),
        last => last.join("/"),
    }
}

/// The first of some documents and the number of the others, for a question.
pub(super) fn named<'a>(mut documents: impl ExactSizeIterator<Item = &'a str>) -> Option<String> {
    let more = documents.len().saturating_sub(1);
    let first = shorten(documents.next()?, DOCUMENT_CHARS_MAX);
    Some(match more {
        0 => first,
        more => format!("{first} and {more} more"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_named_in_several_ways() {
        for (item, id, index, is_certain) in [
            ("job://J1", "J1", None, true),
            ("job://J1/result", "J1", None, true),
            ("JOB://J1#2", "J1", Some(1), true),
            ("job://J1/result?index=2", "J1", Some(2), true),
            ("ABCDEF123456", "ABCDEF123456", None, false),
        ] {
            assert_eq!(job_ref(item).unwrap(), Some(JobRef { id, index, is_certain }), "{item}");
        }
        for item in ["a.pdf", "https://h.test/a", "folder/a", "C:\\a", "Job#x"] {
            assert_eq!(job_ref(item).unwrap(), None, "{item}");
        }
        for item in ["job://", "job://J1/1", "JOB://a b", "job://J1#0", "job://J1#x", "job://J1/result?index=-1"] {
            assert!(job_ref(item).is_err(), "{item}");
        }
    }

    #[test]
    fn documents_are_named_by_their_last_part() {
        for (source, name) in [
            ("/srv/in/a.pdf", "a.pdf"),
            ("https://h.test/x/b.pdf?sig=1", "b.pdf"),
            ("c#1.pdf", "c#1.pdf"),
            ("https://h.test/", "h.test"),
        ] {
            assert_eq!(short_name(source), name);
        }
    }

    #[test]
    fn documents_of_one_name_differ_by_their_folder() {
        let names = |documents: &[&str]| distinct_names(&documents.iter().map(|d| (*d).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&["x/same.pdf", "y/same.pdf", "y/b.pdf"]), ["x/same.pdf", "y/same.pdf", "b.pdf"]);
        assert_eq!(names(&["same.pdf", "/srv/x/y/same.pdf"]), ["same.pdf", "y/same.pdf"]);
        assert_eq!(names(&["/a/y/s.pdf", "/b/y/s.pdf"]), ["a/y/s.pdf", "b/y/s.pdf"]);
        let links = ["https://h.test/a.pdf?sig=1", "https://h.test/a.pdf?sig=2"];
        assert_eq!(names(&links), ["a.pdf", "a.pdf"], "a query may hold a signature");
    }
}
