//! Answers with a bound: what is too large for an answer is left out, and the answer says so.

use serde_json::{Map, Value};

use super::Answer;
use crate::hint;
use crate::next_step::NextStep;

/// Longest `content` of an answer, in characters of JSON.
pub(super) const CONTENT_CHARS_MAX: usize = 8_000;
/// Longest single text that is kept whole where something has to be left out.
const TEXT_CHARS_MAX: usize = 1_000;
/// Shortest text that stands for one that was cut.
const CUT_CHARS: usize = 200;

/// Leaves out of `content` what does not fit into an answer, and says in the tips how to get it.
pub(super) fn bound_content(answer: &mut Answer) {
    if answer.content.to_string().len() <= CONTENT_CHARS_MAX {
        return;
    }
    let mut left = CONTENT_CHARS_MAX;
    let mut dropped = 0;
    answer.content = cut(&answer.content, &mut left, &mut dropped);
    if let Some(content) = answer.content.as_object_mut() {
        content.insert("left_out".to_owned(), Value::from(dropped));
    }
    let Some(view) = &answer.job else {
        answer.add_tip("The answer was too long: parts of `content` are left out.");
        return;
    };
    let id = view.job_id.clone();
    let what = format!("`content` was too long: {dropped} parts of it are left out. ");
    let tip = if view.outputs.len() > 1 {
        hint![what, NextStep::Download { job_id: id, save_to: None }, " saves all files."]
    } else {
        hint![what, NextStep::Read { job_id: id, offset: None }, " reads the result piece by piece."]
    };
    answer.add_tip(tip);
}

/// `value` in at most `left` characters; `dropped` counts the texts and items that are left out.
fn cut(value: &Value, left: &mut usize, dropped: &mut usize) -> Value {
    match value {
        Value::String(text) if text.len() <= (*left).min(TEXT_CHARS_MAX) => {
            *left = left.saturating_sub(text.len() + 3);
            value.clone()
        }
        Value::String(text) => {
            *dropped += 1;
            // A part of a link is no link.
            let kept = if text.contains("://") { 0 } else { CUT_CHARS.min(*left) };
            let text: String = text.chars().take(kept).chain("…".chars()).collect();
            *left = left.saturating_sub(text.len());
            Value::String(text)
        }
        Value::Array(list) => {
            let mut kept = Vec::new();
            for item in list {
                if *left == 0 || item.to_string().len() > *left {
                    *dropped += list.len() - kept.len();
                    break;
                }
                kept.push(cut(item, left, dropped));
            }
            Value::Array(kept)
        }
        Value::Object(map) => {
            let mut kept = Map::new();
            for (name, item) in map {
                if *left < name.len() + 8 {
                    *dropped += map.len() - kept.len();
                    break;
                }
                *left -= name.len();
                kept.insert(name.clone(), cut(item, left, dropped));
            }
            Value::Object(kept)
        }
        other => {
            *left = left.saturating_sub(other.to_string().len());
            other.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::charge::Charge;
    use crate::jobs::JobStatus;

    #[test]
    fn a_long_content_is_cut_and_says_so() {
        let links: Vec<String> = (0..300).map(|n| format!("https://h.test/{n}?{}", "s".repeat(900))).collect();
        let content = json!({"pageCount": 300, "urls": links, "body": "x".repeat(5_000_000)});
        let mut answer = Answer::new(JobStatus::Success, content, Charge::NONE);
        bound_content(&mut answer);
        let shown = answer.content.to_string();
        assert!(shown.len() < CONTENT_CHARS_MAX + 1_000, "{}", shown.len());
        assert_eq!(answer.content["pageCount"], 300);
        assert!(answer.content["left_out"].as_u64().unwrap() > 290 && answer.tips.is_some());
        let kept = answer.content["urls"].as_array().unwrap();
        assert!(!kept.is_empty() && kept.iter().all(|link| link.as_str().unwrap().ends_with('s')), "whole links only");
    }

    #[test]
    fn a_short_content_stays_as_it_is() {
        let content = json!({"a": [1, 2, {"b": "c"}]});
        let mut answer = Answer::new(JobStatus::Success, content.clone(), Charge::NONE);
        bound_content(&mut answer);
        assert_eq!((answer.content, answer.tips), (content, None));
    }
}
