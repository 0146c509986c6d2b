//! One answer about many jobs: a line a job, grouped by state, within a bound.

use serde_json::{Map, Value, json};

use super::bounded::chars;
use super::{Answer, Status, TextOutput};
use crate::charge::Charge;
use crate::error::{Error, Kind};
use crate::hint;
use crate::jobs::JobStatus;
use crate::next_step::NextStep;

/// Up to this many jobs, lines of saved results name the job too.
const IDS_WITH_FILES_MAX: usize = 10;
/// Longest document name, reason and note in a line, in characters, for so many lines at most: the more lines, the
/// shorter.
const WIDTHS: &[(usize, usize, usize)] = &[(20, 80, 160), (50, 60, 80), (usize::MAX, 32, 40)];
/// Characters of JSON that all lines of an answer have in all.
const LINES_CHARS_MAX: usize = 17_000;
/// Of these, what a line takes for ids and names of fields.
const FIELDS_CHARS: usize = 100;
/// Least that a text has.
const TEXT_CHARS_MIN: usize = 30;
/// Jobs that a tip names.
const IDS_IN_TIP_MAX: usize = 3;

/// What became of one job of a call about many.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The job; none where there is no job yet.
    pub job_id: Option<String>,
    /// The document it is about, if that is known.
    pub document: Option<String>,
    /// Its state, or `error` when the request about it failed.
    pub status: Status,
    /// The request was sent and failed in a way that leaves it open whether the service took it.
    pub is_unconfirmed: bool,
    /// Why it did not succeed.
    pub reason: Option<String>,
    /// What kept it from being asked about.
    pub kind: Option<Kind>,
    /// Paths of saved files.
    pub saved_to: Vec<String>,
    /// The start of its text.
    pub text: Option<TextOutput>,
    /// The data that it found out, where the result is data.
    pub data: Option<Value>,
    /// Whether there is a result that can be saved.
    pub has_result: bool,
    /// What is left to say about it.
    pub note: Option<String>,
}

impl Line {
    /// A line about a job of which only this is known.
    pub(super) fn new(job_id: Option<String>, document: Option<String>, status: impl Into<Status>) -> Line {
        Line {
            job_id,
            document,
            status: status.into(),
            is_unconfirmed: false,
            reason: None,
            kind: None,
            saved_to: Vec::new(),
            text: None,
            data: None,
            has_result: false,
            note: None,
        }
    }

    /// A line about a document whose submit, or a job whose check, failed.
    pub(super) fn of_error(job_id: Option<String>, document: Option<String>, error: &Error) -> Line {
        let reason = Some(error.message().to_owned());
        Line { reason, kind: Some(error.kind()), ..Line::new(job_id, document, Status::Error) }
    }

    fn is_open(&self) -> bool {
        matches!(&self.status, Status::Job(status) if !status.is_terminal())
    }

    /// Whether its result was neither saved nor shown.
    fn is_left_there(&self) -> bool {
        self.has_result && self.saved_to.is_empty() && self.text.is_none() && self.data.is_none()
    }

    fn is_failure(&self) -> bool {
        match &self.status {
            Status::Job(status) => status.is_failure(),
            Status::Error => true,
        }
    }
}

/// The answer about `lines`. `retry_after` is when a further wait makes sense, in seconds.
pub(super) fn answer_about(lines: &[Line], charge: Charge, retry_after: Option<f64>) -> Answer {
    let open: Vec<&Line> = lines.iter().filter(|line| line.is_open()).collect();
    let unconfirmed: Vec<&str> =
        lines.iter().filter(|line| line.is_unconfirmed).filter_map(|line| line.job_id.as_deref()).collect();
    let failures = lines.iter().filter(|line| line.is_failure()).count();
    let is_unchecked = |line: &&Line| line.status == Status::Job(JobStatus::Queued);
    let status = match (open.is_empty(), failures) {
        (false, _) if open.iter().all(is_unchecked) => JobStatus::Queued,
        (false, _) => JobStatus::Working,
        (true, 0) => JobStatus::Success,
        (true, _) => JobStatus::Failed,
    };
    let folder = common_folder(lines);
    let width = Width::of(lines.len());
    let mut content = Map::new();
    content.insert("total".to_owned(), json!(lines.len()));
    if let Some(folder) = &folder {
        content.insert("folder".to_owned(), json!(folder));
    }
    if let Some(seconds) = retry_after {
        content.insert("retry_after_seconds".to_owned(), json!(seconds));
    }
    let mut goes_on = None;
    for line in lines {
        let (shown, next) = shown(line, folder.as_deref(), lines.len(), width);
        let group = content.entry(line.status.as_str().to_owned()).or_insert_with(|| json!([]));
        if let Some(group) = group.as_array_mut() {
            group.push(shown);
        }
        goes_on = goes_on.or(line.job_id.clone().zip(next));
    }
    let mut answer = Answer::new(status, Value::Object(content), charge);
    answer.untrusted = true;
    answer.is_error = failures > 0 && open.is_empty();
    if failures > 0 && open.is_empty() {
        answer.add_tip(hint![
            format!("{failures} of {} did not succeed: ", lines.len()),
            NextStep::Field { name: "reason".into(), meaning: "the reason".into() },
            " says why."
        ]);
    }
    if let Some((job_id, next)) = goes_on {
        let read = NextStep::Read { job_id, offset: Some(next) };
        answer.add_tip(hint![read, " reads on; other lines with next_offset go on likewise."]);
    }
    let unsaved: Vec<&str> =
        lines.iter().filter(|line| line.is_left_there()).filter_map(|line| line.job_id.as_deref()).collect();
    if open.is_empty() && !unsaved.is_empty() {
        answer.add_tip(hint![
            NextStep::WaitFor(in_words(&unsaved)),
            " with ",
            NextStep::Argument("save_to".into()),
            " saves the results, with ",
            NextStep::Argument("read".into()),
            " it shows texts and data."
        ]);
    }
    if !unconfirmed.is_empty() {
        answer.add_tip(hint![
            match unconfirmed.len() {
                1 => "The service never confirmed one of these requests, which may have been charged. ".to_owned(),
                many => format!("The service never confirmed {many} of these requests, which may have been charged. "),
            },
            NextStep::Balance,
            " may show it; ",
            NextStep::Cancel(unconfirmed.first().map_or_else(String::new, |id| (*id).to_owned())),
            if unconfirmed.len() > 1 {
                " discards its record, and likewise those of the others; then they can be submitted again."
            } else {
                " discards its record; then it can be submitted again."
            }
        ]);
    }
    if open.len() > unconfirmed.len() {
        let is_waited_for = |line: &&&Line| !line.is_unconfirmed && line.job_id.is_some();
        let unsent = open.len() - unconfirmed.len() - open.iter().filter(is_waited_for).count();
        // What has ended already is saved or read by the same call.
        let rest = lines.iter().filter(|line| line.is_left_there());
        let waits: Vec<&str> =
            open.iter().filter(is_waited_for).copied().chain(rest).filter_map(|line| line.job_id.as_deref()).collect();
        answer.add_tip(if unsent > 0 {
            hint![
                match unsent {
                    1 => "One document is still being submitted here. The same call of ".to_owned(),
                    many => format!("{many} documents are still being submitted here. The same call of "),
                },
                NextStep::Submit,
                " takes them up; nothing is paid for twice."
            ]
        } else {
            let ids = in_words(&waits);
            let when = retry_after.map_or(String::new(), |seconds| format!(" in about {} s", seconds.ceil()));
            hint![
                NextStep::WaitFor(ids),
                format!("{when} continues the wait, with "),
                NextStep::Argument("save_to".into()),
                " for files, ",
                NextStep::Argument("read".into()),
                " for texts and data."
            ]
        });
    }
    answer
}

/// The ids of a tip, or how many they are.
fn in_words(ids: &[&str]) -> String {
    match ids {
        few if few.len() <= IDS_IN_TIP_MAX => few.join(", "),
        many => format!("those {} ids", many.len()),
    }
}

/// How much of a line is shown, in characters.
#[derive(Clone, Copy)]
struct Width {
    document: usize,
    reason: usize,
    text: usize,
}

impl Width {
    /// The width of each of so many lines.
    fn of(lines: usize) -> Width {
        let (_, document, reason) = WIDTHS.iter().find(|(most, ..)| lines <= *most).copied().unwrap_or((0, 32, 40));
        let share = LINES_CHARS_MAX / lines.max(1);
        Width { document, reason, text: share.saturating_sub(FIELDS_CHARS + document).max(TEXT_CHARS_MIN) }
    }
}

/// The JSON of a line, and where its text goes on that is not shown to its end.
fn shown(line: &Line, folder: Option<&str>, total: usize, width: Width) -> (Value, Option<u64>) {
    let text = line.text.as_ref().map(|text| within(text, width.text));
    let data = line.data.as_ref().filter(|data| chars(*data) <= width.text);
    let next = match (&text, &line.data) {
        (Some((_, next)), _) => *next,
        // Data is shown whole or not at all.
        (None, Some(_)) if data.is_none() => Some(0),
        (None, _) => None,
    };
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        shown.insert(name.to_owned(), value);
    };
    let is_delivered = !line.saved_to.is_empty();
    if let Some(job_id) =
        line.job_id.as_ref().filter(|_| !is_delivered || total <= IDS_WITH_FILES_MAX || next.is_some())
    {
        put("job_id", json!(job_id));
    }
    if let Some(document) = &line.document {
        put("document", json!(crate::text::shorten(document, width.document)));
    }
    let below = |path: &String| match folder {
        Some(folder) => {
            path.strip_prefix(folder).map_or(path.as_str(), |name| name.trim_start_matches(['/', '\\'])).to_owned()
        }
        None => path.clone(),
    };
    match line.saved_to.as_slice() {
        [] => {}
        [one] => put("saved_to", json!(below(one))),
        [first, ..] => {
            put("saved_to", json!(below(first)));
            put("files", json!(line.saved_to.len()));
        }
    }
    if let Some((text, _)) = text {
        put("text", json!(text));
    }
    if let Some(data) = data {
        put("data", data.clone());
    }
    if let Some(next) = next {
        put("next_offset", json!(next));
    }
    if let Some(kind) = line.kind {
        put("kind", json!(kind.as_str()));
    }
    if let Some(reason) = &line.reason {
        put("reason", json!(crate::text::shorten(reason, width.reason)));
    }
    if let Some(note) = &line.note {
        put("note", json!(crate::text::shorten(note, width.reason)));
    }
    (Value::Object(shown), next)
}

/// The start of a text that takes at most `limit` characters of JSON, and where it goes on.
fn within(text: &TextOutput, limit: usize) -> (String, Option<u64>) {
    let kept = crate::text::json_start(&text.text, limit).to_owned();
    match kept.len() == text.text.len() {
        true => (kept, text.next_offset),
        false => {
            let next = text.offset.saturating_add(kept.chars().count() as u64);
            (kept, Some(next))
        }
    }
}

/// The folder that all saved files lie in, if it is one.
fn common_folder(lines: &[Line]) -> Option<String> {
    let folder_of = |path: &String| std::path::Path::new(path).parent().map(|folder| folder.display().to_string());
    let mut folders = lines.iter().flat_map(|line| &line.saved_to).map(folder_of);
    let first = folders.next()??;
    folders.all(|folder| folder.as_ref() == Some(&first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(number: usize) -> Line {
        Line {
            saved_to: vec![format!("/srv/out/a{number:02}.txt")],
            ..Line::new(Some(format!("J{number}")), Some(format!("a{number:02}.pdf")), JobStatus::Success)
        }
    }

    #[test]
    fn saved_results_are_short_lines_under_one_folder() {
        let lines: Vec<Line> = (0..40).map(saved).collect();
        let answer = answer_about(&lines, Charge::NONE, None);
        assert_eq!((answer.status.as_str(), answer.is_error, answer.tips.is_none()), ("success", false, true));
        assert_eq!(answer.content["folder"], "/srv/out");
        assert_eq!(answer.content["success"][7], json!({"document": "a07.pdf", "saved_to": "a07.txt"}));
        assert!(answer.content.to_string().len() < 2_500, "{}", answer.content.to_string().len());
    }

    #[test]
    fn a_hundred_texts_share_one_answer() {
        let text = |number: usize| Line {
            text: Some(TextOutput {
                text: "\u{1}\"\n".repeat(2_000),
                offset: 0,
                next_offset: None,
                total_chars: 6_000,
                truncated: false,
                untrusted: true,
            }),
            document: Some("d".repeat(300)),
            ..Line::new(Some(format!("JOB{number:029}")), None, JobStatus::Success)
        };
        let lines: Vec<Line> = (0..100).map(text).collect();
        let answer = answer_about(&lines, Charge::NONE, None);
        let content = answer.content.to_string();
        assert!(content.len() < LINES_CHARS_MAX + 500, "{}", content.len());
        let shown = answer.content["success"].as_array().unwrap();
        assert_eq!(shown.len(), 100);
        let kept = shown[0]["text"].as_str().unwrap().chars().count();
        assert_eq!(shown[0]["next_offset"], kept);
    }

    #[test]
    fn states_are_groups_and_running_jobs_lead_on() {
        let mut failed = Line::new(Some("J2".into()), Some("b.pdf".into()), JobStatus::Failed);
        failed.reason = Some("Invalid Password.".into());
        let working = Line::new(Some("J3".into()), None, JobStatus::Working);
        let answer = answer_about(&[saved(1), failed, working], Charge::NONE, Some(2.2));
        assert_eq!((answer.status.as_str(), answer.is_error), ("working", false));
        assert_eq!(
            answer.content["failed"],
            json!([{"job_id": "J2", "document": "b.pdf", "reason": "Invalid Password."}])
        );
        let queued = Line::new(Some("J4".into()), None, JobStatus::Queued);
        let mut silent = Line::new(Some("J5".into()), None, Status::Error);
        silent.kind = Some(Kind::Network);
        let unasked = answer_about(&[queued, silent], Charge::NONE, None);
        assert_eq!((unasked.status.as_str(), &unasked.content["error"][0]["kind"]), ("queued", &json!("network")));
        let tips = answer.tips.unwrap().text(crate::next_step::Audience::Shell);
        assert!(tips.contains("`pdfco jobs wait J3` in about 3 s"), "{tips}");
    }

    #[test]
    fn data_is_whole_or_read_on_and_files_are_named() {
        let data = |id: &str, size: usize| Line {
            data: Some(json!({"total": "9".repeat(size)})),
            ..Line::new(Some(id.into()), None, JobStatus::Success)
        };
        let left = Line { has_result: true, ..Line::new(Some("J3".into()), None, JobStatus::Success) };
        let answer = answer_about(&[data("J1", 400), data("J2", 20_000), left], Charge::NONE, None);
        let lines = &answer.content["success"];
        assert_eq!(lines[0], json!({"job_id": "J1", "data": {"total": "9".repeat(400)}}));
        assert_eq!(lines[1], json!({"job_id": "J2", "next_offset": 0}));
        let words = |step: NextStep| step.text(crate::next_step::Audience::Agent);
        let read = words(NextStep::Read { job_id: "J2".into(), offset: Some(0) });
        let save = words(NextStep::WaitFor("J3".into()));
        let tips = answer.tips.unwrap().text(crate::next_step::Audience::Agent);
        assert!(tips.contains(&format!("{read} reads on")), "{tips}");
        assert!(tips.contains(&format!("{save} with `save_to` saves")), "{tips}");
    }

    #[test]
    fn a_failure_among_successes_is_an_error_once_all_have_ended() {
        let failed = || Line::new(Some("J2".into()), None, JobStatus::Failed);
        let answer = answer_about(&[saved(1), failed()], Charge::NONE, None);
        assert_eq!((answer.status.as_str(), answer.is_error), ("failed", true));
        let tips = answer.tips.unwrap().text(crate::next_step::Audience::Agent);
        assert_eq!(tips, "1 of 2 did not succeed: `reason` says why.");
        let running = Line::new(Some("J3".into()), None, JobStatus::Working);
        assert!(!answer_about(&[failed(), running], Charge::NONE, None).is_error);
    }
}
