//! The table of scores: written, read, compared.
#![allow(dead_code, reason = "the program writes the table, the test also reads it")]

use std::fmt::Write;

use super::session::Score;
use super::task::Before;

/// The table, as `docs/evals.md` has it.
pub fn table(scores: &[Score]) -> String {
    let mut text = String::from(
        "# Evals\n\n\
         User tasks as scripted sessions with the MCP server, over the simulator and without a model. Made by\n\
         `cargo run --example evals -- --update`; a test fails where a score gets worse. Tokens are o200k tokens of what\n\
         the answers hand to a model; credits and checks are what the simulator counted. With `--driver 'command'` a\n\
         program of yours drives the same tasks (JSON lines: the task, the instructions and the tools in, calls and an\n\
         answer out).\n\n\
         | task | calls | fewest | tokens | credits | checks | done |\n|---|---|---|---|---|---|---|\n",
    );
    for score in scores {
        let done = if score.failure.is_none() { "yes" } else { "no" };
        let Score { name, calls, fewest, tokens, credits, checks, .. } = score;
        let _ = writeln!(text, "| {name} | {calls} | {fewest} | {tokens} | {credits} | {checks} | {done} |");
    }
    let sum = |of: fn(&Score) -> usize| scores.iter().map(of).sum::<usize>();
    let credits: i64 = scores.iter().map(|score| score.credits).sum();
    let done = scores.iter().filter(|score| score.failure.is_none()).count();
    let _ = writeln!(
        text,
        "| **{} tasks** | {} | {} | {} | {credits} | {} | {done} |",
        scores.len(),
        sum(|score| score.calls),
        sum(|score| score.fewest),
        sum(|score| score.tokens),
        sum(|score| score.checks),
    );
    beside_earlier(&mut text, scores);
    text
}

/// The tasks that an agent solved at an earlier time, beside what they took then.
fn beside_earlier(text: &mut String, scores: &[Score]) {
    let both: Vec<_> = scores.iter().filter_map(|score| Some((score, score.before?))).collect();
    if both.is_empty() {
        return;
    }
    text.push_str(
        "\n## The fourteen tasks of an agent\n\n\
         An agent that was given nothing but the server's texts of an earlier state solved these. The scripts find the\n\
         operation as it did, where its name is not in the texts.\n\n\
         | task | calls | fewest | tokens | calls then | fewest then | tokens then |\n|---|---|---|---|---|---|---|\n",
    );
    for (score, then) in &both {
        let Score { name, calls, fewest, tokens, .. } = score;
        let _ = writeln!(
            text,
            "| {name} | {calls} | {fewest} | {tokens} | {} | {} | {} |",
            then.calls, then.fewest, then.tokens
        );
    }
    let of = |what: fn(&(&Score, Before)) -> usize| both.iter().map(what).sum::<usize>();
    let _ = writeln!(
        text,
        "| **all** | {} | {} | {} | {} | {} | {} |",
        of(|(score, _)| score.calls),
        of(|(score, _)| score.fewest),
        of(|(score, _)| score.tokens),
        of(|(_, then)| then.calls),
        of(|(_, then)| then.fewest),
        of(|(_, then)| then.tokens),
    );
}

/// What is not right with the sums of a table: each is that of its rows, and a task has the same numbers in both parts.
pub fn wrong_sums(table: &str) -> Vec<String> {
    let (first, second) = table.split_once("\n## ").unwrap_or((table, ""));
    let rows = |part: &str| -> Vec<Vec<String>> {
        let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        part.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| task")).map(cells).collect()
    };
    let number = |cell: &String| if cell == "yes" { 1 } else { cell.parse::<i64>().unwrap_or(0) };
    let mut wrong = Vec::new();
    for part in [first, second] {
        let mut rows = rows(part);
        let Some(total) = rows.pop() else { continue };
        for (column, said) in total.iter().enumerate().skip(1) {
            let sum: i64 = rows.iter().filter_map(|row| row.get(column)).map(number).sum();
            if sum != number(said) {
                wrong.push(format!("{}, column {column}: {said}, and the rows make {sum}", total[0]));
            }
        }
    }
    let all = rows(first);
    for row in rows(second) {
        if all.iter().any(|other| other[0] == row[0] && other[..4] != row[..4]) {
            wrong.push(format!("{} differs between the parts", row[0]));
        }
    }
    wrong
}

/// The scores of a table.
pub fn read(table: &str) -> Vec<Score> {
    let rows = table
        .lines()
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| ") && !line.starts_with("| task"));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let number = |at: usize| cells.get(at)?.parse::<usize>().ok();
        Some(Score {
            name: cells.first()?.to_string(),
            calls: number(1)?,
            fewest: number(2)?,
            tokens: number(3)?,
            credits: cells.get(4)?.parse().ok()?,
            checks: number(5)?,
            before: None,
            failure: (cells.get(6)? != &"yes").then(String::new),
        })
    })
    .filter(|score| !score.name.starts_with('*'))
    .collect()
}

/// Where `now` is worse than `then`. Ids and times make a few tokens of difference, and a busy machine a check.
pub fn worse(then: &Score, now: &Score) -> Option<String> {
    let name = &now.name;
    if let (None, Some(failure)) = (&then.failure, &now.failure) {
        return Some(format!("{name}: {failure}"));
    }
    let tokens_allowed = then.tokens + then.tokens / 20 + 30;
    [
        (now.calls > then.calls, "calls", now.calls as i64, then.calls as i64),
        (now.tokens > tokens_allowed, "tokens", now.tokens as i64, then.tokens as i64),
        (now.credits > then.credits + 4, "credits", now.credits, then.credits),
        (now.checks > then.checks + 2, "checks", now.checks as i64, then.checks as i64),
    ]
    .into_iter()
    .find(|(is_worse, ..)| *is_worse)
    .map(|(_, what, now, then)| format!("{name}: {now} {what}, {then} before"))
}
