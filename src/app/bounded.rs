//! Answers with a bound: what is too large for an assistant is left out, and the answer says so and how to get it.

use std::borrow::Cow;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::content::{holds_link, is_list_of_links, is_repeated, is_spent};
use super::limits::READ_DEFAULT;
use super::{Answer, JobView};
use crate::hint;
use crate::next_step::{Audience, Hint, NextStep};

/// Longest answer about one job beside its text, in characters of JSON.
const BESIDE_TEXT_CHARS_MAX: usize = 9_000;
/// Longest answer about one job without text, in characters of JSON.
const WITHOUT_TEXT_CHARS_MAX: usize = 13_000;
/// Longest answer about no job or about many, in characters of JSON.
const LIST_CHARS_MAX: usize = 17_500;
/// Least that `content` gets of it.
const CONTENT_CHARS_MIN: usize = 1_000;
/// The service's field that says until when links work.
const LINKS_EXPIRE: &str = "outputLinkValidTill";
/// Most files that are named of a result that was not saved.
const UNSAVED_SHOWN_MAX: usize = 10;
/// Longest list of files.
const OUTPUTS_CHARS_MAX: usize = 4_000;
/// Longest error or problem inside of a record.
const DETAIL_CHARS_MAX: usize = 1_500;
/// Longest tips.
const TIPS_CHARS_MAX: usize = 1_500;
/// Longest name in a record, in characters.
const NAME_CHARS_MAX: usize = 200;
/// Longest text of the default length, with what JSON escapes in it.
const ESCAPED_TEXT_CHARS_MAX: usize = 8_000;
/// Longest single text that is kept whole where something has to be left out. Links are longer.
const TEXT_CHARS_MAX: usize = 1_000;
/// Shortest text that stands for one that was cut.
const CUT_CHARS: usize = 200;

/// The answer as an assistant sees it: at most [`ANSWER_CHARS_MAX`](super::ANSWER_CHARS_MAX) characters, and as much text as the call asked for.
pub fn bounded(answer: &Answer) -> Cow<'_, Answer> {
    within_bounds(lightened(answer).map_or(Cow::Borrowed(answer), Cow::Owned))
}

/// The answer to a call that submitted a job or brought it to its success, without what an assistant does not need then.
/// None for every other answer.
fn lightened(answer: &Answer) -> Option<Answer> {
    let is_unchecked = |view: &JobView| !view.is_terminal && view.checks_made == 0;
    if answer.job.as_ref().is_some_and(is_unchecked) {
        return without_repeated(answer);
    }
    success_lightened(answer)
}

/// The answer about a job that was not checked yet, without the fields of the service's answer that its own fields repeat;
/// none where there are none.
fn without_repeated(answer: &Answer) -> Option<Answer> {
    let is_needless = |name: &str, value: &Value| is_repeated(name) || is_spent(name, value);
    let content = answer.content.as_object().filter(|_| answer.error.is_none())?;
    if !content.iter().any(|(name, value)| is_needless(name, value)) {
        return None;
    }
    let mut answer = answer.clone();
    if let Some(content) = answer.content.as_object_mut() {
        content.retain(|name, value| !is_needless(name, value));
    }
    Some(answer)
}

/// The answer to a call that brought a job to its success, without what stands in it twice, digests, which a download
/// shows, times, and all but the first of several links; several files in one folder name it once. None for every other
/// answer.
fn success_lightened(answer: &Answer) -> Option<Answer> {
    let is_download = answer.content.get("saved").is_some();
    let waited = |view: &JobView| view.submitted_at.is_none() || view.timeout_applied.is_some();
    if answer.status != "success"
        || is_download
        || !answer.job.as_ref().is_some_and(|view| view.is_terminal && waited(view))
    {
        return None;
    }
    let mut answer = answer.clone();
    let Some(view) = &mut answer.job else { return None };
    let is_submit = view.submitted_at.is_none();
    view.without_times();
    view.check_credits = None;
    view.timeout_applied = view.timeout_applied.filter(|_| view.wait_capped == Some(true));
    view.outputs.iter_mut().for_each(|output| output.sha256 = None);
    view.name_folder_once();
    let says_expiry = view.outputs.iter().any(|output| output.expires_at.is_some());
    // The links of one result expire together.
    view.outputs.iter_mut().skip(1).for_each(|output| output.expires_at = None);
    let Some(content) = answer.content.as_object_mut() else { return Some(answer) };
    let has_links = content.values().any(holds_link);
    content.retain(|name, value| {
        let is_needed = has_links && !says_expiry && name.eq_ignore_ascii_case(LINKS_EXPIRE);
        !(has_links && is_repeated(name)) && (is_needed || !is_spent(name, value))
    });
    if is_submit && keep_first_link(content) {
        if view.outputs.len() > UNSAVED_SHOWN_MAX {
            view.outputs_total = view.outputs_total.or(Some(view.outputs.len()));
            view.outputs.truncate(UNSAVED_SHOWN_MAX);
        }
        let tool = NextStep::Show(String::new()).tool().unwrap_or_default();
        answer.add_tip(format!("{tool} shows more of its links."));
    }
    Some(answer)
}

/// Of several links that are the result, leaves the first and says how many more there are. Returns false where there are
/// not several.
fn keep_first_link(content: &mut Map<String, Value>) -> bool {
    let list = content.iter().find(|(_, value)| is_list_of_links(value));
    let Some((name, Value::Array(list))) = list.map(|(name, value)| (name.clone(), value.clone())) else {
        return false;
    };
    let Some((first, more)) = list.split_first().filter(|(_, more)| !more.is_empty()) else { return false };
    content.shift_remove(&name);
    content.insert("url".to_owned(), first.clone());
    content.insert("more_links".to_owned(), json!(more.len()));
    true
}

fn within_bounds(answer: Cow<'_, Answer>) -> Cow<'_, Answer> {
    let limit = match (&answer.job, &answer.output) {
        (Some(_), Some(_)) => BESIDE_TEXT_CHARS_MAX,
        (Some(_), None) => WITHOUT_TEXT_CHARS_MAX,
        (None, _) => LIST_CHARS_MAX,
    };
    let is_long_text = |answer: &Answer| {
        answer.output.as_ref().is_some_and(|output| {
            output.text.chars().count() as u64 <= READ_DEFAULT && chars(&output.text) > ESCAPED_TEXT_CHARS_MAX
        })
    };
    if beside_text(&answer) <= limit && !is_long_text(&answer) {
        return answer;
    }
    let mut answer = answer.into_owned();
    if is_long_text(&answer) {
        cut_text(&mut answer);
    }
    if beside_text(&answer) <= limit {
        return Cow::Owned(answer);
    }
    if let Some(tips) = answer.tips.take() {
        answer.tips = Some(bounded_tips(tips));
    }
    let files = answer.job.as_mut().and_then(bound_record);
    let rest = beside_text(&answer).saturating_sub(chars(&answer.content));
    let is_cut = bound_content(&mut answer, limit.saturating_sub(rest).max(CONTENT_CHARS_MIN));
    let is_saved = answer.job.iter().flat_map(|view| &view.outputs).any(|output| output.saved_to.is_some());
    let is_short_of_files = files.is_some() && !is_saved;
    files.into_iter().for_each(|files| answer.add_tip(files));
    if is_cut || is_short_of_files {
        add_way_to_the_rest(&mut answer);
    }
    Cow::Owned(answer)
}

/// A job's record as a resource or a prompt holds it: what is too long for an assistant is left out, and the record says
/// so and how to get it.
pub fn bounded_record(record: Value, job_id: &str) -> Value {
    if chars(&record) <= WITHOUT_TEXT_CHARS_MAX {
        return record;
    }
    let (mut left, mut dropped) = (WITHOUT_TEXT_CHARS_MAX, 0);
    let mut kept = cut(&record, &mut left, &mut dropped);
    let save = NextStep::Download { job_id: job_id.to_owned(), save_to: None };
    let hint =
        hint![NextStep::Read { job_id: job_id.to_owned(), offset: None }, " reads the result, ", save, " saves it."];
    if let Some(kept) = kept.as_object_mut() {
        kept.insert("left_out".to_owned(), json!(dropped));
        kept.insert("hint".to_owned(), json!(hint.text(Audience::Agent)));
    }
    kept
}

/// Characters of the answer's JSON without the text of a result.
fn beside_text(answer: &Answer) -> usize {
    let text = answer.output.as_ref().map_or(0, |output| chars(&output.text));
    chars(answer).saturating_sub(text)
}

/// Characters of `value` as JSON.
pub(super) fn chars(value: &(impl serde::Serialize + ?Sized)) -> usize {
    let mut count = CharCount(0);
    serde_json::to_writer(&mut count, value).map_or(0, |()| count.0)
}

/// Counts the characters of UTF-8 that is written to it.
struct CharCount(usize);

impl std::io::Write for CharCount {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // Each character has one byte that does not go on with another.
        self.0 += bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80).count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Shortens a text that JSON's escapes make too long. Reading on starts where it ends.
fn cut_text(answer: &mut Answer) {
    let Some(output) = &mut answer.output else { return };
    let kept = crate::text::json_start(&output.text, ESCAPED_TEXT_CHARS_MAX);
    output.next_offset = Some(output.offset.saturating_add(kept.chars().count() as u64));
    output.truncated = true;
    output.text.truncate(kept.len());
    let next = output.next_offset;
    if let Some(job_id) = answer.job.as_ref().map(|view| view.job_id.clone()) {
        answer.tips = Some(hint![NextStep::Read { job_id, offset: next }, " reads on."]);
    }
}

fn bounded_tips(tips: Hint) -> Hint {
    let text = tips.text(Audience::Agent);
    if text.chars().count() <= TIPS_CHARS_MAX {
        return tips;
    }
    crate::text::shorten(&text, TIPS_CHARS_MAX).into()
}

/// Bounds what a record holds. Returns what to say of files that are not listed.
fn bound_record(view: &mut JobView) -> Option<String> {
    for detail in [&mut view.problem, &mut view.last_check_error].into_iter().flatten() {
        let hint = detail.hint.text(Audience::Agent);
        if detail.message.chars().count() + hint.chars().count() > DETAIL_CHARS_MAX {
            detail.message = crate::text::shorten(&detail.message, DETAIL_CHARS_MAX / 2);
            detail.hint = crate::text::shorten(&hint, DETAIL_CHARS_MAX / 2).into();
        }
    }
    for name in [&mut view.unrecognized_status, &mut view.client_request_id, &mut view.pages].into_iter().flatten() {
        *name = crate::text::shorten(name, NAME_CHARS_MAX);
    }
    let total = view.outputs_total.unwrap_or(view.outputs.len());
    let mut left = OUTPUTS_CHARS_MAX;
    let shown = view
        .outputs
        .iter()
        .take_while(|output| {
            let cost = chars(output) + 1;
            let fits = cost <= left;
            left = left.saturating_sub(cost);
            fits
        })
        .count();
    view.outputs.truncate(shown.max(1));
    if view.outputs.len() >= total {
        return None;
    }
    view.outputs_total = Some(total);
    let listed = format!("The first {} of {total} files are listed", view.outputs.len());
    let saved = view.outputs.first().and_then(|output| output.saved_to.as_deref());
    let folder = view.saved_in.as_deref().map(Path::new);
    Some(match folder.or_else(|| saved.and_then(|path| Path::new(path).parent())) {
        Some(folder) => format!("{listed}; all are in `{}`.", folder.display()),
        None => format!("{listed}."),
    })
}

/// Leaves out of `content` what is longer than `limit` characters, and says so in the tips. Returns false where all of it
/// fits.
fn bound_content(answer: &mut Answer, limit: usize) -> bool {
    if chars(&answer.content) <= limit {
        return false;
    }
    let (mut left, mut dropped) = (limit.saturating_sub(CUT_CHARS), 0);
    answer.content = cut(&answer.content, &mut left, &mut dropped);
    if let Some(content) = answer.content.as_object_mut() {
        content.insert("left_out".to_owned(), json!(dropped));
    }
    answer.add_tip(format!("`content` was too long: {dropped} parts of it are left out."));
    true
}

/// Adds how to get what was left out, unless the tips say so already.
fn add_way_to_the_rest(answer: &mut Answer) {
    let Some(view) = &answer.job else {
        return answer.add_tip(hint![NextStep::ListJobs, " shows every job; fewer at once make shorter answers."]);
    };
    let (read, save) = (
        NextStep::Read { job_id: view.job_id.clone(), offset: None },
        NextStep::Download { job_id: view.job_id.clone(), save_to: None },
    );
    let said = answer.tips.as_ref().map_or(String::new(), |tips| tips.text(Audience::Agent));
    let is_said = |step: &NextStep| step.tool().is_some_and(|tool| said.contains(tool));
    match (view.outputs.len() > 1 || is_said(&read), is_said(&save)) {
        (_, true) => {}
        (true, false) => answer.add_tip(hint![save, " saves all of it."]),
        (false, false) => answer.add_tip(hint![read, " reads the result piece by piece, and ", save, " saves it."]),
    }
}

/// `value` in at most `left` characters; `dropped` counts the texts and items that are left out.
fn cut(value: &Value, left: &mut usize, dropped: &mut usize) -> Value {
    match value {
        Value::String(text) => cut_string(text, left, dropped),
        Value::Array(list) => {
            let mut kept = Vec::new();
            for item in list {
                let is_plain = !matches!(item, Value::Array(_) | Value::Object(_));
                if *left < 2 || (is_plain && chars(item) > *left) {
                    break;
                }
                kept.push(cut(item, left, dropped));
                *left = left.saturating_sub(1);
            }
            *dropped += list.len() - kept.len();
            Value::Array(kept)
        }
        Value::Object(map) => {
            // Short fields first: one long list must not keep them out.
            let mut by_length: Vec<(usize, &String, &Value)> =
                map.iter().map(|(name, item)| (chars(item), name, item)).collect();
            by_length.sort_by_key(|(length, ..)| *length);
            let mut kept: Map<String, Value> = Map::new();
            for (_, name, item) in by_length {
                let cost = chars(name) + 2;
                if *left < cost + 2 {
                    *dropped += 1;
                    continue;
                }
                *left -= cost;
                kept.insert(name.clone(), cut(item, left, dropped));
            }
            Value::Object(map.keys().filter_map(|name| kept.shift_remove_entry(name)).collect())
        }
        other => {
            *left = left.saturating_sub(chars(other));
            other.clone()
        }
    }
}

fn cut_string(text: &str, left: &mut usize, dropped: &mut usize) -> Value {
    let is_link = text.contains("://");
    let size = chars(text);
    if size <= if is_link { *left } else { (*left).min(TEXT_CHARS_MAX) } {
        *left -= size;
        return json!(text);
    }
    *dropped += 1;
    // A part of a link is no link.
    let mut kept = if is_link { String::new() } else { text.chars().take(CUT_CHARS.min(*left / 6)).collect() };
    kept.push('…');
    *left = left.saturating_sub(chars(&kept));
    json!(kept)
}

#[cfg(test)]
mod tests {
    use super::super::ANSWER_CHARS_MAX;
    use super::*;
    use crate::answer::TextOutput;
    use crate::app::OutputView;
    use crate::charge::Charge;
    use crate::jobs::job_id::JobId;
    use crate::jobs::{Job, JobStatus, Source};
    use crate::tenant::Tenant;

    fn about_a_job(content: Value) -> Answer {
        let job = Job::from_elsewhere(Tenant::stored("t"), &JobId::parse("J1").unwrap(), 0);
        let view = JobView::new(&job, Source::Live, 1.0, 0);
        Answer { job: Some(view), ..Answer::new(JobStatus::Success, content, Charge::NONE) }
    }

    fn file(number: usize, folder: Option<&str>) -> OutputView {
        OutputView {
            name: format!("{number}-{}.png", "n".repeat(200)),
            mime_type: "image/png".into(),
            bytes: Some(1),
            expires_at: None,
            saved_to: folder.map(|folder| format!("{folder}/{number}-{}.png", "n".repeat(200))),
            sha256: Some("0".repeat(64)),
        }
    }

    fn tips(answer: &Answer) -> String {
        answer.tips.as_ref().map_or(String::new(), |tips| tips.text(Audience::Agent))
    }

    fn read(offset: Option<u64>) -> String {
        NextStep::Read { job_id: "J1".into(), offset }.text(Audience::Agent)
    }

    fn download() -> String {
        NextStep::Download { job_id: "J1".into(), save_to: None }.text(Audience::Agent)
    }

    #[test]
    fn long_links_and_bodies_are_left_out_and_the_rest_stays() {
        let links: Vec<String> = (0..300).map(|n| format!("https://h.test/{n}?{}", "s".repeat(2_000))).collect();
        let content =
            json!({"urls": links, "body": "x".repeat(5_000_000), "pageCount": 300, "url": "https://h.test/a"});
        let answer = about_a_job(content);
        let shown = bounded(&answer);
        assert!(chars(&*shown) <= WITHOUT_TEXT_CHARS_MAX + TIPS_CHARS_MAX, "{}", chars(&*shown));
        assert_eq!((&shown.content["pageCount"], &shown.content["url"]), (&json!(300), &json!("https://h.test/a")));
        assert!(shown.content["left_out"].as_u64().unwrap() > 290);
        let save = NextStep::DownloadAny.text(Audience::Agent);
        assert!(tips(&shown).contains(&read(None)) && tips(&shown).contains(&save), "{}", tips(&shown));
        let kept = shown.content["urls"].as_array().unwrap();
        assert!(!kept.is_empty() && kept.iter().all(|link| link.as_str().unwrap().ends_with('s')), "whole links only");
    }

    #[test]
    fn files_beyond_the_list_are_counted_and_found() {
        for (folder, says) in [(Some("/srv/out"), "all are in `/srv/out`"), (None, download().as_str())] {
            let mut answer = about_a_job(json!({}));
            answer.job.as_mut().unwrap().outputs = (0..300).map(|number| file(number, folder)).collect();
            let shown = bounded(&answer);
            let view = shown.job.as_ref().unwrap();
            assert!(chars(&*shown) <= WITHOUT_TEXT_CHARS_MAX, "{}", chars(&*shown));
            assert!(!view.outputs.is_empty() && view.outputs_total == Some(300));
            assert!(tips(&shown).contains(says), "{}", tips(&shown));
        }
    }

    #[test]
    fn a_text_full_of_escapes_is_shortened_and_read_on() {
        let text = "\u{1}".repeat(4_000);
        let output =
            TextOutput { text, offset: 10, next_offset: None, total_chars: 4_010, truncated: false, untrusted: true };
        let answer = Answer { output: Some(output), ..about_a_job(json!({})) };
        let shown = bounded(&answer);
        let output = shown.output.as_ref().unwrap();
        assert!(chars(&*shown) <= ANSWER_CHARS_MAX / 2);
        assert_eq!(output.next_offset, Some(10 + output.text.chars().count() as u64));
        assert!(output.truncated && tips(&shown).contains(&read(output.next_offset)));
    }

    #[test]
    fn any_shape_of_content_stays_within_the_bound() {
        let deep = (0..100).fold(json!("x".repeat(900)), |inside, _| json!({"a": [inside], "b": "y".repeat(900)}));
        let wide: Map<String, Value> = (0..50_000).map(|n| (format!("key{n}"), json!(n))).collect();
        for content in [
            deep,
            Value::Object(wide),
            json!((0..100_000).collect::<Vec<_>>()),
            json!({"k".repeat(30_000): 1}),
            json!("\"".repeat(1_000_000)),
            json!([[["https://h.test/".to_owned() + &"q".repeat(50_000)]]]),
            json!({"message": "m".repeat(1_000_000), "hint": "h".repeat(1_000_000)}),
        ] {
            for answer in [about_a_job(content.clone()), Answer::new(JobStatus::Success, content.clone(), Charge::NONE)]
            {
                let shown = bounded(&answer);
                assert!(chars(&*shown) < ANSWER_CHARS_MAX, "{}", chars(&*shown));
                assert!(tips(&shown).contains("left out"), "{}", tips(&shown));
            }
        }
    }

    #[test]
    fn fields_about_links_go_only_with_the_last_link() {
        let about = |place: Value| json!({"body": place, "outputLinkValidTill": "2030-01-01", "pageCount": 3});
        for (place, keeps) in [
            (json!("https://h.test/a"), true),
            (json!(["https://h.test/a"]), true),
            (json!({"files": [{"url": "https://h.test/a"}]}), true),
            (json!({"files": [{"name": "a"}], "count": 1, "more": null}), false),
        ] {
            let mut answer = about_a_job(about(place));
            let view = answer.job.as_mut().unwrap();
            (view.is_terminal, view.submitted_at) = (true, None);
            let shown = bounded(&answer);
            assert_eq!(shown.content.get("outputLinkValidTill").is_some(), keeps, "{}", shown.content);
        }
    }

    #[test]
    fn an_unsaved_success_says_everything_once() {
        let link = |n: usize| format!("https://h.test/{n}.png?sig=1");
        let content = |links: usize| {
            json!({
                "status": "success", "message": "Success", "pageCount": 5, "body": (0..links).map(link).collect::<Vec<_>>(),
                "url": "https://h.test/list.json", "outputLinkValidTill": "2030-01-01", "name": "list.json",
                "jobDuration": 6, "jobId": "J1", "credits": 30, "remainingCredits": 9, "duration": 0, "error": false,
            })
        };
        for files in [5, 300] {
            let mut answer = about_a_job(content(files)).with_tips(download());
            let view = answer.job.as_mut().unwrap();
            (view.is_terminal, view.submitted_at, view.outputs_total) = (true, None, Some(files));
            view.outputs = (0..files.min(25)).map(|number| file(number, None)).collect();
            view.outputs.iter_mut().for_each(|output| output.expires_at = Some("2030-01-01".into()));
            let shown = bounded(&answer);
            let expected = json!({"pageCount": 5, "url": link(0), "more_links": files - 1});
            assert_eq!(shown.content, expected);
            let view = shown.job.as_ref().unwrap();
            assert_eq!((view.outputs.len(), view.outputs_total), (files.min(UNSAVED_SHOWN_MAX), Some(files)));
            let expiries = view.outputs.iter().filter(|output| output.expires_at.is_some()).count();
            assert_eq!((expiries, tips(&shown).matches("J1").count()), (1, 1), "{}", tips(&shown));
        }
    }

    #[test]
    fn a_wait_keeps_every_link_and_a_check_every_field() {
        let content = json!({"urls": ["https://h.test/1", "https://h.test/2"], "jobId": "J1", "duration": 0,
            "outputLinkValidTill": "2030-01-01"});
        let mut answer = about_a_job(content.clone());
        let view = answer.job.as_mut().unwrap();
        view.is_terminal = true;
        view.submitted_at = Some("2026-01-01".into());
        assert_eq!(bounded(&answer).content, content);
        answer.job.as_mut().unwrap().timeout_applied = Some(30.0);
        let waited = bounded(&answer);
        assert_eq!(waited.content, json!({"urls": content["urls"], "outputLinkValidTill": "2030-01-01"}));
        assert_eq!(waited.job.as_ref().unwrap().submitted_at, None);
    }

    #[test]
    fn a_short_answer_stays_as_it_is() {
        let answer = about_a_job(json!({"a": [1, 2, {"b": "c"}]}));
        assert!(matches!(bounded(&answer), Cow::Borrowed(_)));
    }
}
