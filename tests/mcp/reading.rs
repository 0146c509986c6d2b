//! A result of 300 pages, read by an assistant page by page: all of it, and never too much at once.

use super::desk::Desk;
use serde_json::json;

/// What Claude Code lets a tool answer with at most.
const TOKENS_MAX: usize = 25_000;

#[tokio::test]
async fn three_hundred_pages_are_read_within_the_answer_limit() {
    let desk = Desk::new().await;
    let tokenizer = tiktoken_rs::o200k_base().unwrap();

    let arguments = json!({"operation": "pdf_to_text", "url": "handbook.pdf", "wait": 40});
    let mut answer = desk.submit(arguments).await;
    assert_eq!(answer["status"], "success", "{answer}");
    let job_id = answer["job"]["job_id"].as_str().unwrap().to_owned();
    let total = answer["output"]["total_chars"].as_u64().unwrap();
    let mut text = String::new();
    let mut pages = 0;
    loop {
        // The answer travels twice: as structured content and as text.
        let tokens = 2 * tokenizer.encode_ordinary(&answer.to_string()).len();
        assert!(tokens <= TOKENS_MAX, "{tokens} tokens");
        text.push_str(answer["output"]["text"].as_str().unwrap());
        pages += 1;
        let Some(offset) = answer["output"]["next_offset"].as_u64() else { break };
        answer = desk.call("read_result", json!({"job_id": job_id, "offset": offset})).await;
    }
    assert_eq!(text.chars().count() as u64, total);
    assert!(pages > 5 && text.contains("300"), "{pages} pages");
    let ends = desk.call("read_result", json!({"job_id": job_id, "tail_lines": 3})).await;
    let last = ends["output"]["text"].as_str().unwrap();
    assert!(text.trim_end().ends_with(last.trim_end()), "{last}");
    let mut shown = 0;
    let mut offset = json!(0);
    let total = loop {
        let find = json!({"job_id": job_id, "find": "lamp", "offset": offset});
        let answer = desk.call("read_result", find).await;
        let found = &answer["content"]["found"];
        shown += found["places"].as_array().unwrap().len();
        let Some(next) = found["next_offset"].as_u64() else { break found["total"].as_u64().unwrap() };
        assert!(answer["tips"].as_str().unwrap().contains(&format!("with offset {next}")), "{answer}");
        offset = json!(next);
    };
    assert!(total > 100 && shown as u64 == total, "{shown} of {total}");
    let beyond = desk.call("read_result", json!({"job_id": job_id, "offset": 90_000_000})).await;
    assert!(beyond["tips"].as_str().unwrap().contains("ends before this offset"), "{beyond}");
    desk.assistant.close().await;
}

#[tokio::test]
async fn a_phrase_is_found_with_all_its_pages() {
    let desk = Desk::new().await;
    for (operation, pages) in
        [("pdf_to_json", json!("1–5")), ("pdf_to_xml", json!("1–5")), ("pdf_to_text", json!(null))]
    {
        let arguments = json!({"operation": operation, "url": "report.pdf", "read": 0, "wait": 40});
        let answer = desk.submit(arguments).await;
        let find = json!({"job_id": answer["job"]["job_id"], "find": "of 5"});
        let answer = desk.call("read_result", find).await;
        assert_eq!(answer["content"]["found"]["pages"], pages, "{operation}: {answer}");
        assert_eq!(answer["tips"].as_str().unwrap().contains("pdf_to_json"), pages.is_null(), "{operation}: {answer}");
    }
    desk.assistant.close().await;
}
