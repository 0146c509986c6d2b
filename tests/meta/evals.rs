//! The tasks of `examples/evals`, compared with the committed table.

#[path = "../../examples/evals/mod.rs"]
mod sessions;

use futures_util::StreamExt;
use serde_json::json;
use sessions::{driver, report, session, task};

/// Sessions at once.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn no_score_of_the_evals_gets_worse() {
    let tasks = task::all();
    assert!(tasks.len() >= 30, "{} tasks", tasks.len());
    let scores: Vec<_> = futures_util::stream::iter(&tasks).map(session::run).buffered(AT_ONCE).collect().await;
    for score in scores.iter().filter(|score| score.failure.is_some()) {
        println!("{}: {}", score.name, score.failure.as_deref().unwrap_or_default());
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/evals.md");
    if std::env::var("UPDATE_FIXTURES").is_ok_and(|value| value == "1") {
        std::fs::write(path, report::table(&scores)).unwrap();
    }
    let before = report::read(&std::fs::read_to_string(path).unwrap());
    assert_eq!(before.len(), tasks.len(), "UPDATE_FIXTURES=1 makes the table anew");
    let worse: Vec<String> = scores
        .iter()
        .filter_map(|now| before.iter().find(|then| then.name == now.name).and_then(|then| report::worse(then, now)))
        .collect();
    assert!(worse.is_empty(), "{worse:#?}");
    for score in &scores {
        assert!(score.calls <= score.fewest + 1, "{score:?}");
        if let Some(then) = score.before {
            assert!(score.calls <= then.fewest + 1 && score.tokens < then.tokens, "{score:?}");
        }
        if score.name == "forty_files" {
            assert!(score.calls <= 2 && score.tokens < 2_500, "{score:?}");
        }
    }
}

#[test]
fn the_sums_of_the_table_are_those_of_its_rows() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/evals.md");
    let wrong = report::wrong_sums(&std::fs::read_to_string(path).unwrap());
    assert!(wrong.is_empty(), "the command in the table's head makes it anew: {wrong:#?}");
}

#[test]
fn every_task_can_fail() {
    for task in task::all() {
        let task::Goal { says, saved, jobs, credits, .. } = task.goal;
        let is_judged = !(says.is_empty() && saved.is_empty() && jobs.is_empty() && credits.is_none());
        assert!(is_judged, "{}", task.name);
    }
}

/// A submit that succeeded takes under 250 tokens beside its text.
#[tokio::test(flavor = "multi_thread")]
async fn a_success_is_light() {
    let task = task::all().into_iter().find(|task| task.name == "read_page").unwrap();
    for arguments in [
        json!({"operation": "pdf_to_text_simple", "url": "report.pdf"}),
        json!({"operation": "pdf_to_text", "url": "report.pdf", "options": {"pages": "2"}}),
        json!({"operation": "pdf_to_csv", "url": "report.pdf", "read": 100}),
        json!({"operation": "pdf_rotate", "url": "report.pdf", "options": {"angle": 90}, "save_to": "turned.pdf"}),
    ] {
        let mut session = session::Session::start(&task).await;
        let mut answer = session.call("submit_job", arguments.as_object().unwrap().clone(), true).await;
        assert_eq!(answer["status"], "success", "{answer}");
        if let Some(output) = answer.get_mut("output").and_then(|output| output.as_object_mut()) {
            output.remove("text");
        }
        let tokens = session::tokens(&answer.to_string());
        assert!(tokens < 250, "{tokens} tokens: {answer}");
    }
}

/// A driver that asks for the balance and is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_can_drive_a_task() {
    let balance = task::all().into_iter().find(|task| task.name == "balance").unwrap();
    // It reads the instructions and the text of the result, and its answer is judged.
    let command = |answer: &str| {
        format!(
            r#"read task; echo "$task" | grep -q '"instructions":"PDF.co' || exit 1
            echo '{{"tool": "get_credit_balance", "arguments": {{}}}}'
            read result; echo "$result" | grep -q '"content":"' || exit 1
            echo '{{"answer": "{answer}"}}'"#
        )
    };
    let score = driver::run(&balance, &command("There are 10,000 credits left.")).await;
    assert!(score.failure.is_none(), "{score:?}");
    assert_eq!(score.calls, 1);
    let score = driver::run(&balance, &command("Plenty.")).await;
    assert!(score.failure.as_ref().is_some_and(|failure| failure.contains("10000")), "{score:?}");
}
