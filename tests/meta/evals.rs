//! The tasks of `examples/evals`, compared with the committed table.

#[path = "../../examples/evals/mod.rs"]
mod sessions;

use futures_util::StreamExt;
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
}

/// A driver that asks for the balance and is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_can_drive_a_task() {
    let balance = task::all().into_iter().find(|task| task.name == "balance").unwrap();
    let command =
        r#"read task; echo '{"tool": "get_credit_balance", "arguments": {}}'; read result; echo '{"answer": "done"}'"#;
    let score = driver::run(&balance, command).await;
    assert!(score.failure.is_none(), "{score:?}");
    assert_eq!(score.calls, 1);
}
