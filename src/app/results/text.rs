//! Results as text: whole in an answer, page by page, from the end, or the places where a phrase occurs.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::limits::{PAGE_DEFAULT, PAGE_MAX, READ_DEFAULT};
use super::super::{Answer, App, Caller, TextOutput, or_cancelled};
use super::find::find;
use super::silence::not_silent_beyond;
use crate::catalog::media_types::{Content, content_of};
use crate::catalog::{Operation, Output, Toolset};
use crate::error::{Error, Kind, Result};
use crate::files::{Charset, TEXT_BYTES_MAX, Text, TextPage, fetch_text, page, tail};
use crate::hint;
use crate::jobs::{Job, Source};
use crate::next_step::{Hint, NextStep};
use crate::secret::PresignedUrl;

/// Longest phrase that can be searched for, in characters.
const FIND_CHARS_MAX: usize = 500;

/// What to read of a result.
#[derive(Clone, Debug, Default)]
pub struct ReadRequest {
    /// The job.
    pub job_id: String,
    /// First character.
    pub offset: u64,
    /// Most characters. Default: [`PAGE_DEFAULT`].
    pub limit: Option<u64>,
    /// This many lines from the end instead of a page.
    pub tail_lines: Option<u64>,
    /// The places where this phrase occurs, instead of a page.
    pub find: Option<String>,
    /// Which file of the result, counted from 0.
    pub index: usize,
}

/// Whether the storage answered when a result was fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    /// It did, or there was nothing to fetch.
    Answered,
    /// It did not.
    Silent,
}

impl ReadRequest {
    /// The first page of a job's first file.
    pub fn of(job_id: impl Into<String>) -> ReadRequest {
        ReadRequest { job_id: job_id.into(), ..ReadRequest::default() }
    }
}

impl App {
    /// Text of a finished job's result: a page of it, its last lines, or the places where a phrase occurs.
    ///
    /// # Errors
    /// `invalid_argument` when it is not finished, not text, or has no such output; `link_expired` when it is gone.
    pub async fn read(&self, caller: &Caller, request: &ReadRequest) -> Result<Answer> {
        let index = request.index;
        if request
            .find
            .as_ref()
            .is_some_and(|phrase| phrase.trim().is_empty() || phrase.chars().count() > FIND_CHARS_MAX)
        {
            return Err(Error::invalid(
                format!("`find` takes 1 to {FIND_CHARS_MAX} characters."),
                "Pass a word or a short phrase.",
            ));
        }
        let (job, mut charge) = self.finished_job(caller, &request.job_id).await?;
        let text = match or_cancelled(&caller.cancel, self.text_when_there(&job, index)).await {
            Err(error) if error.kind() == Kind::LinkExpired => {
                let job = self.with_fresh_links(caller, &job, &mut charge, error).await?;
                or_cancelled(&caller.cancel, self.text_of(&job, index)).await
            }
            other => other,
        }
        .map_err(|error| error.with_charge(charge))?;
        let mut answer = self.job_answer(&job, Source::Cache, charge);
        answer.content = json!({"mime_type": text.mime_type, "index": index});
        if !text.charset.is_utf_8()
            && let Some(content) = answer.content.as_object_mut()
        {
            content.insert("charset".to_owned(), json!(text.charset.name));
        }
        answer.tips = None;
        let doubt = doubt_about(text.charset);
        if let Some(view) = &mut answer.job {
            *view = view.brief();
        }
        if let Some(phrase) = &request.find {
            self.show_places(text, (phrase, request.offset), &job, &mut answer).await?;
            doubt.into_iter().for_each(|doubt| answer.add_tip(doubt));
            return Ok(self.finish(caller, answer).await);
        }
        let limit = request.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let shown = match request.tail_lines {
            Some(lines) => tail(&text.text, lines, limit),
            None => page(&text.text, request.offset, limit),
        };
        answer.tips = shown.next_offset.map(|next| reads_on(&job, next));
        if request.offset > 0 && request.offset >= shown.total_chars && request.tail_lines.is_none() {
            answer.add_tip(format!("The text ends before this offset: it has {} characters.", shown.total_chars));
        }
        doubt.into_iter().for_each(|doubt| answer.add_tip(doubt));
        answer.output = Some(text_output(shown));
        Ok(self.finish(caller, answer).await)
    }

    /// Puts the places where a phrase occurs, from an offset on, into `content`.
    async fn show_places(
        &self,
        text: Arc<Text>,
        (phrase, from): (&str, u64),
        job: &Job,
        answer: &mut Answer,
    ) -> Result<()> {
        let _permit = self.results.permits.acquire().await;
        let wanted = phrase.to_owned();
        let found = tokio::task::spawn_blocking(move || find(&text.text, &wanted, from)).await;
        let found = found.map_err(|_| Error::internal("A text could not be searched."))?;
        let read = |offset| NextStep::Read { job_id: job.id().to_owned(), offset: Some(offset) };
        answer.add_tip(match (found.places.first(), found.next_offset) {
            (None, _) if found.total > 0 => format!("All {} places are before this offset.", found.total).into(),
            (None, _) => {
                "The phrase does not occur. Letter case and line breaks do not matter; try fewer words.".into()
            }
            (Some(_), Some(next)) => {
                hint![
                    format!("{} of {} places are shown. ", found.places.len(), found.total),
                    read(next),
                    " and the same `find` shows the next."
                ]
            }
            (Some(first), None) => hint![read(first.offset), " reads on from the first."],
        });
        let is_of_a_pdf = job.operation().is_some_and(|operation| operation.toolset == Toolset::ConvertFromPdf);
        if found.total > 0 && found.pages.is_none() && is_of_a_pdf {
            answer.add_tip("This text does not say where pages begin; the result of pdf_to_json does.");
        }
        if let (Some(content), Ok(found)) = (answer.content.as_object_mut(), serde_json::to_value(found)) {
            content.insert("found".to_owned(), found);
        }
        Ok(())
    }

    /// At most `chars` characters from the start of what [`App::read`] reads of a result; none where that is no text.
    pub(in crate::app) async fn start_of_text(&self, job: &Job, chars: u64) -> Option<TextOutput> {
        let text = self.text_of(job, 0).await.ok()?;
        Some(text_output(page(&text.text, 0, chars)))
    }

    /// Puts text into the answer, when the result is text. A result that cannot be read now is not a failed job.
    pub(super) async fn include_text(
        &self,
        job: &Job,
        read: Option<u64>,
        until: Option<Instant>,
        answer: &mut Answer,
    ) -> Storage {
        let Some(limit) = chars_to_include(job, read) else { return Storage::Answered };
        let is_text = gives_text(job);
        match not_silent_beyond(until, None, self.text_when_there(job, 0)).await {
            Ok(text) => {
                let output = text_output(page(&text.text, 0, limit));
                // The same text under `body` would stand there twice.
                if is_text && let Some(content) = answer.content.as_object_mut() {
                    content.retain(|name, _| !name.eq_ignore_ascii_case("body"));
                }
                answer.tips = output.next_offset.map(|next| reads_on(job, next));
                doubt_about(text.charset).into_iter().for_each(|doubt| answer.add_tip(doubt));
                answer.output = Some(output);
                Storage::Answered
            }
            Err(error) => {
                answer.tips = Some(not_read(job, is_text, &error));
                if error.kind() == Kind::Network { Storage::Silent } else { Storage::Answered }
            }
        }
    }

    /// The text of a result's file, fetched once and kept for a while.
    ///
    /// # Errors
    /// `invalid_argument` when it is not text or there is no such file; else as [`fetch_text`].
    pub(super) async fn text_of(&self, job: &Job, index: usize) -> Result<Arc<Text>> {
        let kept_as = format!("{}#{index}", job.intent_id);
        if let Some(text) = self.results.text(&kept_as) {
            return Ok(text);
        }
        let beside = || job.results().inline.filter(|_| index == 0);
        let links = match self.links_of(job).await {
            Err(error) if error.kind() == Kind::LinkExpired && beside().is_some() => Vec::new(),
            links => links?,
        };
        let text = match (links.get(index), beside()) {
            (Some(link), data) => match self.text_behind(job, link, index).await {
                // What the file would say stands in the answer as well.
                Err(error) if error.kind() == Kind::LinkExpired => inline_text(&data.ok_or(error)?),
                text => text?,
            },
            (None, Some(inline)) if links.is_empty() => inline_text(&inline),
            (None, _) if links.is_empty() => {
                return Err(Error::invalid(
                    format!("Job {} has no output that could be read.", job.id()),
                    hint![NextStep::Show(job.id().to_owned()), " shows what the service answered."],
                ));
            }
            (None, _) => {
                return Err(Error::invalid(
                    format!("Job {} has no output {index}.", job.id()),
                    match links.len() {
                        1 => "It has one, of index 0.".to_owned(),
                        count => format!("It has {count}, of index 0 to {}.", count - 1),
                    },
                ));
            }
        };
        let text = Arc::new(text);
        self.results.keep_text(kept_as, &text);
        Ok(text)
    }
}

impl App {
    /// The text behind one link of a result.
    ///
    /// # Errors
    /// `invalid_argument` when it is not text; else as [`fetch_text`].
    async fn text_behind(&self, job: &Job, link: &PresignedUrl, index: usize) -> Result<Text> {
        let save = || NextStep::Download { job_id: job.id().to_owned(), save_to: None };
        let fetched = fetch_text(&self.client, &self.hosts, link, TEXT_BYTES_MAX).await;
        let fetched = fetched.map_err(|error| match error.kind() {
            Kind::TooLarge => error.with_hint(hint![save(), " saves it to a file, which can be read instead."]),
            _ => error,
        });
        fetched?.ok_or_else(|| {
            if index == 0 {
                self.results.keep_binary(&job.intent_id);
            }
            let message = format!("Output {index} of job {} is not text.", job.id());
            Error::invalid(message, hint![save(), " saves it to a file."])
        })
    }
}

/// Whether a job's result is text that an answer includes by itself. Data that stands in the answer already is not fetched
/// as a file again.
fn gives_text(job: &Job) -> bool {
    let is_shown = |operation: &Operation| operation.output == Output::Inline && job.results().inline.is_some();
    job.operation().is_some_and(|operation| operation.gives_text() && !is_shown(operation))
}

/// How much text of a result an answer includes, for a call that asked for `read`; `None` for no text, or where the result
/// has none.
fn chars_to_include(job: &Job, read: Option<u64>) -> Option<u64> {
    let limit = read.unwrap_or(if gives_text(job) { READ_DEFAULT } else { 0 }).min(PAGE_MAX);
    let results = job.results();
    let is_text = matches!(job.operation().map(|operation| operation.output), Some(Output::Text(_)));
    let is_there = !results.links.is_empty() || (is_text && results.inline.is_some());
    (limit > 0 && is_there && !is_no_text(job)).then_some(limit)
}

/// Whether a job's result is declared as no text: it is not fetched to find that out.
fn is_no_text(job: &Job) -> bool {
    job.operation().is_some_and(|operation| match operation.output {
        Output::Binary(mime) | Output::Many(mime) => content_of(mime) == Content::Binary,
        Output::Text(_) | Output::Inline | Output::Nothing => false,
    })
}

/// What is said of a result that an answer was to include and that could not be read.
fn not_read(job: &Job, is_text: bool, error: &Error) -> Hint {
    if error.kind() == Kind::InvalidArgument {
        let why = if is_text { "The result is not text that can be read. " } else { "" };
        let save = NextStep::Download { job_id: job.id().to_owned(), save_to: None };
        return hint![why, save, " saves the result."];
    }
    let read = NextStep::Read { job_id: job.id().to_owned(), offset: None };
    let message = format!("The text could not be read: {} ", error.message());
    hint![message, error.hint().clone(), " Then call ", read, "."]
}

fn text_output(page: TextPage) -> TextOutput {
    TextOutput {
        text: page.text,
        offset: page.offset,
        next_offset: page.next_offset,
        total_chars: page.total_chars,
        truncated: page.truncated,
        untrusted: true,
    }
}

/// A result that stands in the answer itself, as text.
pub(super) fn inline_text(inline: &Value) -> Text {
    match inline {
        Value::String(text) => Text::inline("text/plain", text),
        other => {
            Text::inline("application/json", &serde_json::to_string_pretty(other).unwrap_or_else(|_| other.to_string()))
        }
    }
}

/// What is said of a text whose encoding is an assumption.
fn doubt_about(charset: Charset) -> Option<String> {
    charset.is_assumed.then(|| {
        format!(
            "The file does not say its encoding and is not UTF-8: letters beyond ASCII were read as {}.",
            charset.name
        )
    })
}

/// How the text goes on from character `offset`.
fn reads_on(job: &Job, offset: u64) -> Hint {
    hint![NextStep::Read { job_id: job.id().to_owned(), offset: Some(offset) }, " reads on."]
}
