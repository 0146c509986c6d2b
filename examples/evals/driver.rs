//! A program that drives a task in place of its script: JSON lines on its input and output.
//!
//! In: `{"task", "ask", "instructions", "tools"}` once, then `{"result": {"content", "structured"}}` for each call: the text
//! that a model reads, and the structure. Out: `{"tool", "arguments"}` for a call, `{"answer"}` for the user when it is done.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::session::{Score, Session};
use super::task::{Step, Task};

/// Most calls of one task.
const CALLS_MAX: usize = 40;

/// Lets `command` drive the task.
pub async fn run(task: &Task, command: &str) -> Score {
    let mut session = Session::start(task).await;
    let mut failure = None;
    // The situation is prepared as the script does it.
    for step in &task.steps {
        let is_situation = matches!(step, Step::Call { prepare: true, .. } | Step::Event { .. });
        if is_situation && failure.is_none() {
            failure = session.step(step).await.err();
        }
    }
    if failure.is_none() {
        failure = drive(&mut session, task, command).await.err();
    }
    session.score(task, failure).await
}

async fn drive(session: &mut Session, task: &Task, command: &str) -> Result<(), String> {
    let tools = session.request("tools/list", json!({})).await["tools"].clone();
    let mut driver = Driver::start(command)?;
    let instructions = session.instructions();
    let mut message = json!({"task": task.name, "ask": task.ask, "instructions": instructions, "tools": tools});
    for _ in 0..CALLS_MAX {
        let (back, said) = tokio::task::spawn_blocking(move || driver.exchange(&message)).await.unwrap();
        driver = back;
        let said = said?;
        let Some(tool) = said["tool"].as_str() else {
            return judged(task, said["answer"].as_str().unwrap_or_default());
        };
        let arguments = said["arguments"].as_object().cloned().unwrap_or_default();
        let structured = session.call(tool, arguments, true).await;
        message = json!({"result": {"content": session.last_text(), "structured": structured}});
    }
    Err(format!("more than {CALLS_MAX} calls"))
}

/// Whether the answer to the user has what it has to have.
fn judged(task: &Task, answer: &str) -> Result<(), String> {
    let plain = |text: &str| text.to_lowercase().replace([',', '\u{a0}'], "");
    let missing = task.goal.answer.iter().find(|wanted| !plain(answer).contains(&plain(wanted)));
    missing.map_or(Ok(()), |wanted| Err(format!("the answer does not say `{wanted}`: {answer}")))
}

/// The program at the other end.
struct Driver {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Driver {
    fn start(command: &str) -> Result<Driver, String> {
        let child = Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("the driver does not start: {error}"))?;
        let output = BufReader::new(child.stdout.take().unwrap());
        Ok(Driver { child, output })
    }

    /// Sends a message and reads the next line. Blocks.
    fn exchange(mut self, message: &Value) -> (Driver, Result<Value, String>) {
        let said = self.try_exchange(message);
        (self, said)
    }

    fn try_exchange(&mut self, message: &Value) -> Result<Value, String> {
        let input = self.child.stdin.as_mut().ok_or("the driver has no input")?;
        writeln!(input, "{message}").map_err(|error| format!("the driver does not read: {error}"))?;
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(0) | Err(_) => Err("the driver ended without an answer".to_owned()),
            Ok(_) => serde_json::from_str(&line).map_err(|error| format!("the driver: {error}")),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
