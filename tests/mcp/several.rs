//! Answers as an assistant gets them: many documents in one call, weights, and results that other jobs take.

use super::desk::Desk;
use serde_json::{Value, json};

/// Most tokens of an answer to a success that was neither saved nor read, its link included.
const UNSAVED_TOKENS_MAX: usize = 400;

/// Most tokens of an answer to a success with five files that were saved.
const SAVED_TOKENS_MAX: usize = 250;

fn tips(answer: &Value) -> &str {
    answer["tips"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_many_documents_stands_in_their_lines() {
    let desk = Desk::new().await;
    for (operation, field) in [("barcode_read", "barcodes"), ("pdf_info_reader", "info"), ("ai_invoice_parser", "body")]
    {
        let answer = desk.submit(json!({"operation": operation, "url": ["brochure.pdf", "invoice.pdf"]})).await;
        let lines = answer["content"]["success"].as_array().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(lines.len(), 2, "{answer}");
        for line in lines {
            let data = line["data"].as_object().unwrap_or_else(|| panic!("{operation}: {answer}"));
            assert!(data.contains_key(field) && !data.contains_key("jobDuration"), "{operation}: {answer}");
        }
    }
    let answer =
        desk.submit(json!({"operation": "ai_invoice_parser", "url": ["report.pdf", "invoice.pdf"], "read": 40}));
    let answer = answer.await;
    let line = &answer["content"]["success"][1];
    assert_eq!((line["text"].as_str().unwrap().chars().count(), &line["next_offset"]), (40, &json!(40)), "{answer}");
    assert!(tips(&answer).contains("reads on"), "{answer}");
    let rest = json!({"job_id": line["job_id"], "offset": 40});
    let rest = desk.call("read_result", rest).await;
    let whole = format!("{}{}", line["text"].as_str().unwrap(), rest["output"]["text"].as_str().unwrap());
    assert!(serde_json::from_str::<Value>(&whole).is_ok(), "{whole}");
    desk.assistant.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_name_their_documents_and_lead_to_their_files() {
    let desk = Desk::new().await;
    let (first, second) = (desk.copy("report.pdf", "x/same.pdf"), desk.copy("invoice.pdf", "y/same.pdf"));
    let answer = desk.submit(json!({"operation": "pdf_compress_v2", "url": [first, second]})).await;
    let lines = &answer["content"]["success"];
    assert_eq!(
        (&lines[0]["document"], &lines[1]["document"]),
        (&json!("x/same.pdf"), &json!("y/same.pdf")),
        "{answer}"
    );
    assert!(tips(&answer).contains("`save_to` saves the results"), "{answer}");
    let ids: Vec<&str> = (0..2).filter_map(|line| lines[line]["job_id"].as_str()).collect();
    let save_to = desk.folder.path().join("saved");
    let saved = json!({"job_ids": ids, "save_to": save_to});
    let saved = desk.call("wait_job_completion", saved).await;
    assert_eq!((&saved["credits_used"], saved.get("tips")), (&Value::Null, None), "{saved}");
    assert_eq!(std::fs::read_dir(&save_to).unwrap().count(), 2);
    // Of two checks at once it is not known which the service answered first; this question comes after both.
    let balance = desk.balance().await;
    let listed = desk.call("list_jobs", json!({})).await;
    assert_eq!(listed["credits_remaining"], balance, "{listed}");
    desk.assistant.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_among_several_is_told_as_one() {
    let desk = Desk::new().await;
    let answer = desk.submit(json!({"operation": "pdf_to_text_simple", "url": ["report.pdf", "broken.pdf"]})).await;
    assert_eq!(answer["status"], "failed", "{answer}");
    assert!(tips(&answer).contains("1 of 2 did not succeed: `reason` says why."), "{answer}");
    let failed = &answer["content"]["failed"][0]["job_id"];
    let checked = desk.call("get_job_check", json!({"job_id": failed})).await;
    assert_eq!(checked["job"]["progress"], Value::Null, "{checked}");
    desk.assistant.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_of_a_list_is_one_request() {
    let desk = Desk::new().await;
    let call = |options: Value| {
        desk.submit(json!({"operation": "pdf_to_text_simple", "url": ["report.pdf", "invoice.pdf"], "options": options,
            "client_request_id": "once"}))
    };
    call(json!({})).await;
    let before = desk.balance().await;
    let again = call(json!({})).await;
    assert_eq!(again["status"], "success", "{again}");
    let other = call(json!({"pages": "0"})).await;
    assert_eq!(other["content"]["error"].as_array().map(Vec::len), Some(2), "{other}");
    // Nor is it the id of another form of call, either way.
    let single = json!({"operation": "pdf_to_text_simple", "url": "report.pdf", "client_request_id": "once"});
    let refused = desk.submit(single.clone()).await;
    assert_eq!(refused["content"]["kind"], "invalid_argument", "{refused}");
    assert!(refused["content"]["message"].as_str().unwrap().contains("a list of documents"), "{refused}");
    assert_eq!((desk.balance().await, &refused["credits_remaining"]), (before, &json!(before)));
    let mut single = single;
    single["client_request_id"] = json!("single");
    assert_eq!(desk.submit(single.clone()).await["status"], "success");
    single["url"] = json!(["report.pdf", "invoice.pdf"]);
    let refused = desk.submit(single).await;
    assert!(refused["content"]["message"].as_str().unwrap().contains("a request for one document"), "{refused}");
    desk.assistant.close().await;
}

/// What was saved by an earlier call is not this call's doing.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_not_saved_is_not_said_to_be() {
    let desk = Desk::new().await;
    let at = |path: &str| desk.folder.path().join(path);
    let list = |folder: &str, more: Value| {
        let mut call = json!({"operation": "pdf_to_text_simple", "url": ["report.pdf", "brochure.pdf"],
            "save_to": format!("{}/", at(folder).display())});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        desk.submit(call)
    };
    list("x/out", json!({})).await;
    let before = desk.balance().await;
    let own = std::fs::read(at("x/out/report.txt")).unwrap();

    // Another folder of the same name gets files of its own.
    let other = list("y/out", json!({})).await;
    assert_eq!(other["content"]["folder"], json!(at("y/out").to_str().unwrap()), "{other}");
    assert_eq!(std::fs::read(at("y/out/report.txt")).unwrap(), own);

    // A foreign file in the way stays, and the line says that nothing was saved there.
    std::fs::write(at("x/out/report.txt"), "FOREIGN").unwrap();
    let refused = list("x/out", json!({})).await;
    let line = &refused["content"]["success"][0];
    assert!(line.get("saved_to").is_none() && line["note"].as_str().unwrap().contains("not saved"), "{refused}");
    assert_eq!(std::fs::read(at("x/out/report.txt")).unwrap(), b"FOREIGN");
    let written = list("x/out", json!({"overwrite": true})).await;
    assert_eq!(written["content"]["success"][0]["saved_to"], "report.txt", "{written}");
    assert_eq!(std::fs::read(at("x/out/report.txt")).unwrap(), own);

    // The same of one job.
    let rotate =
        json!({"operation": "pdf_rotate", "url": "report.pdf", "options": {"angle": 90}, "save_to": at("a/r.pdf")});
    let id = desk.submit(rotate).await["job"]["job_id"].clone();
    let paid = desk.balance().await;
    std::fs::create_dir_all(at("b")).unwrap();
    std::fs::write(at("b/r.pdf"), "FOREIGN").unwrap();
    let refused = desk.call("wait_job_completion", json!({"job_id": id, "save_to": at("b/r.pdf")})).await;
    assert!(tips(&refused).contains("not saved"), "{refused}");
    assert!(!refused.to_string().contains("saved_to\""), "{refused}");
    let kept = desk.call("wait_job_completion", json!({"job_id": id, "save_to": at("a/r.pdf")})).await;
    assert_eq!(kept["job"]["outputs"][0]["saved_to"], json!(at("a/r.pdf")), "{kept}");
    assert!(before > paid && desk.balance().await == paid, "saving again is free");
    desk.assistant.close().await;
}

/// A list whose submits take all the time of its call makes no check after that.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_keeps_to_the_time_of_its_call() {
    let desk = Desk::with(&[("PDFCO_RATE_LIMIT", "4"), ("PDFCO_MAX_WAIT_SECONDS", "2")]).await;
    let names: Vec<String> = (0..40).map(|n| desk.copy("report.pdf", &format!("{n}.pdf"))).collect();
    let began = std::time::Instant::now();
    let answer = desk.submit(json!({"operation": "pdf_to_text_simple", "url": names, "wait": 45})).await;
    // All of it takes 20 s.
    assert!(began.elapsed() < std::time::Duration::from_secs(12), "{:?}: {answer}", began.elapsed());
    assert_eq!((&answer["status"], desk.service.count("/v1/job/check")), (&json!("queued"), 0), "{answer}");
    assert!(tips(&answer).contains("still being submitted"), "{answer}");
    desk.assistant.close().await;
}

/// A wait for several jobs that is capped says what its checks cost, and why the last of them failed.
#[tokio::test(flavor = "multi_thread")]
async fn a_capped_wait_for_several_says_what_it_cost() {
    let desk = Desk::with(&[("PDFCO_MAX_WAIT_SECONDS", "2")]).await;
    let mut ids = Vec::new();
    for page in ["0", "1"] {
        let options = json!({"pages": page, "profiles": {"Simulate": {"seconds": 60}}});
        let call = json!({"operation": "pdf_to_text_simple", "url": "report.pdf", "options": options, "wait": 0});
        ids.push(desk.submit(call).await["job"]["job_id"].clone());
    }
    let before = desk.balance().await;
    let waited = desk.call("wait_job_completion", json!({"job_ids": ids, "timeout": 45, "interval": 0.5})).await;
    let spent = before - desk.balance().await;
    assert!(spent > 0, "{waited}");
    assert_eq!((&waited["status"], &waited["credits_used"]), (&json!("working"), &json!(spent)), "{waited}");
    desk.assistant.close().await;
}

/// A document of a list may be the result of a job; what has the form of a job's id and is none is said to be none.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_takes_results_of_jobs() {
    let desk = Desk::new().await;
    let made = desk.submit(json!({"operation": "pdf_rotate", "url": "report.pdf", "options": {"angle": 90}})).await;
    let id = made["job"]["job_id"].as_str().unwrap().to_owned();
    let uri = format!("job://{id}#1");
    let answer = desk.submit(json!({"operation": "pdf_info_reader", "url": [id, "invoice.pdf", uri]})).await;
    let lines = answer["content"]["success"].as_array().unwrap();
    let documents: Vec<&str> = lines.iter().filter_map(|line| line["document"].as_str()).collect();
    assert_eq!(documents, [id.as_str(), "invoice.pdf", uri.as_str()], "{answer}");
    let wrong =
        desk.submit(json!({"operation": "pdf_info_reader", "url": "DO5UENCWYQYJ96XMZKWFSZ89G4VRQBA3--151-300"}));
    let wrong = wrong.await;
    assert!(wrong["content"]["hint"].as_str().unwrap().contains("No job of this key has this id"), "{wrong}");
    desk.assistant.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_saved_files_name_their_folder_once() {
    let desk = Desk::new().await;
    let folder = desk.folder.path().join("parts").display().to_string();
    let answer = desk
        .submit(json!({"operation": "pdf_split", "url": "report.pdf", "options": {"pages": "1,2,3,4,5"}, "save_to": format!("{folder}/")}))
        .await;
    assert_eq!((&answer["status"], &answer["job"]["saved_in"]), (&json!("success"), &json!(folder)), "{answer}");
    let outputs = answer["job"]["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 5, "{answer}");
    for output in outputs {
        assert!(std::path::Path::new(&folder).join(output["name"].as_str().unwrap()).is_file(), "{answer}");
        assert!(output.get("saved_to").is_none(), "{answer}");
    }
    let tokens = tiktoken_rs::o200k_base().unwrap().encode_ordinary(&answer.to_string()).len();
    assert!(tokens <= SAVED_TOKENS_MAX, "{tokens} tokens: {answer}");
    desk.assistant.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_a_job_stands_once_beside_the_next_step() {
    let desk = Desk::new().await;
    for (page, more, times) in [("0", json!({"read": 0}), 2), ("1", json!({"wait": 0}), 2), ("2", json!({}), 1)] {
        let mut call = json!({"operation": "pdf_to_text_simple", "url": "report.pdf", "options": {"pages": page}});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = desk.submit(call).await;
        let id = answer["job"]["job_id"].as_str().unwrap();
        assert!(answer.to_string().matches(id).count() <= times, "{more}: {answer}");
    }
    desk.assistant.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsaved_success_is_light() {
    let desk = Desk::new().await;
    for (arguments, links) in [
        (json!({"operation": "pdf_rotate", "url": "report.pdf", "options": {"angle": 90}}), 1),
        (json!({"operation": "pdf_to_text_simple", "url": "report.pdf", "read": 0}), 1),
        (json!({"operation": "pdf_merge_simple", "url": ["report.pdf", "invoice.pdf"]}), 1),
        (json!({"operation": "pdf_to_png", "url": "report.pdf"}), 5),
        (json!({"operation": "pdf_split", "url": "report.pdf", "options": {"pages": "1,2,3,4,5"}}), 5),
    ] {
        let answer = desk.submit(arguments.clone()).await;
        assert_eq!(answer["status"], "success", "{answer}");
        let text = answer.to_string();
        let tokens = tiktoken_rs::o200k_base().unwrap().encode_ordinary(&text).len();
        let room = UNSAVED_TOKENS_MAX + (links - 1) * 30;
        assert!(tokens < room, "{tokens} tokens: {answer}");
        let content = answer["content"].as_object().unwrap();
        assert_eq!(content.get("more_links").and_then(Value::as_u64).unwrap_or(0) + 1, links as u64, "{answer}");
        for repeated in ["jobId", "credits", "remainingCredits", "duration", "jobDuration", "outputLinkValidTill"] {
            assert!(!content.contains_key(repeated), "{repeated}: {answer}");
        }
        assert_eq!(text.matches("saves").count(), 1, "{answer}");
    }
    desk.assistant.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_jobs_are_taken_or_refused_for_nothing() {
    let desk = Desk::new().await;
    let split = json!({"operation": "pdf_split", "url": "report.pdf", "options": {"pages": "1-2,3-"}});
    let split = desk.submit(split).await;
    let job_id = split["job"]["job_id"].as_str().unwrap();
    let merged = desk.submit(json!({"operation": "pdf_merge_simple", "url": job_id})).await;
    assert_eq!((&merged["status"], &merged["content"]["pageCount"]), (&json!("success"), &json!(5)), "{merged}");
    let before = desk.balance().await;
    let one = format!("job://{job_id}/1");
    for url in [one.as_str(), "job://a b", "job://", "ftp://h.test/a.pdf", "s3://bucket/a.pdf", job_id] {
        let refused = desk.submit(json!({"operation": "pdf_to_text_simple", "url": url})).await;
        assert_eq!(refused["content"]["kind"], "invalid_argument", "{url}: {refused}");
    }
    let both = json!({"operation": "pdf_to_text_simple", "url": [one, "ftp://h.test/a.pdf"]});
    let refused = desk.submit(both).await;
    assert_eq!(refused["content"]["kind"], "invalid_argument", "{refused}");
    assert_eq!(desk.balance().await, before);
    desk.assistant.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_page_is_named_with_its_base_and_document() {
    let desk = Desk::new().await;
    let submit = |pages: Value| {
        desk.submit(json!({"operation": "pdf_to_text_simple", "url": "report.pdf", "options": {"pages": pages}}))
    };
    let refused = submit(json!("5")).await;
    let message = refused["content"]["message"].as_str().unwrap();
    assert!(message.contains("`report.pdf`") && message.contains("`5` is page 6"), "{message}");
    let taken = submit(json!([0, 2])).await;
    assert_eq!((&taken["status"], &taken["job"]["pages"]), (&json!("success"), &json!("1, 3")), "{taken}");
    desk.assistant.close().await;
}
