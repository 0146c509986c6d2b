//! `pdfco demo`: the whole story in a minute, without a key: an MCP client in conversation with a server, over a
//! simulator.
//!
//! Each step is a tool call over the protocol, through the same bytes that an assistant would send (`mcp/client.rs`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::app::App;
use crate::cli::output::Printer;
use crate::cli::progress::Step;
use crate::cli::report::Report;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::mcp::app;
use crate::mcp::client::Assistant;
use crate::next_step::NextStep;
use crate::serve::stdio;
use crate::signals::asked_to_stop;
use crate::simulator::{DEFAULT_KEY, Life, Options, spawn};

/// Examples of `demo --help`.
pub const EXAMPLES: &str = "Examples:\n  pdfco demo\n  pdfco demo --quiet";

/// The document of the story: `fixtures/documents/report.pdf`, inside the binary so that the demo runs anywhere.
const DOCUMENT: &[u8] = include_bytes!("../../../fixtures/documents/report.pdf");
/// Its name.
const NAME: &str = "report.pdf";
/// The page with the job card.
const CARD: &str = "card.html";
/// How long the simulator works on it, so that there is something to wait for.
const MEDIAN: Duration = Duration::from_secs(3);
/// Characters of the text that are shown.
const SHOWN_CHARS: u64 = 900;

/// Runs the story.
///
/// # Errors
/// Whatever step fails; nothing is left running then either.
pub async fn run(config: Config, printer: &Printer) -> Result<Report> {
    let options = Options { life: Life::Time { median: MEDIAN, sigma: 0.2 }, ..Options::default() };
    let folder = work_folder(&options.directory)?;
    let simulator = spawn(options).await?;
    let worth = config.check_worth_seconds;
    let mut config = config.simulated(simulator.url(), DEFAULT_KEY, None)?;
    // The story is about checks that cost something.
    config.check_worth_seconds = worth;
    // Its credits are not real.
    config.confirm_credits = None;
    config.files = Some(vec![folder.clone()]);
    config.download_dir.clone_from(&folder);
    let app = Arc::new(App::new(config)?);
    let waiting: Arc<Mutex<Option<Step>>> = Arc::default();
    let shown = Arc::clone(&waiting);
    let (stream, server) = stdio::in_process(app);
    let assistant = Assistant::start(stream, move |_, words| {
        if let Some(step) = shown.lock().as_ref() {
            step.show(words);
        }
    })
    .await?;
    let report = tokio::select! {
        report = story(&assistant, &folder, printer, &waiting) => report,
        _ = asked_to_stop() => Err(Error::new(Kind::Cancelled, "The demo was given up.", "")),
    };
    end(&waiting);
    assistant.close().await;
    let _ = server.await;
    simulator.stop().await;
    if report.as_ref().is_err_and(|error| error.kind() == Kind::Cancelled) {
        // Half a story is not worth its folder. The server, which worked in it, has ended.
        let _ = tokio::fs::remove_dir_all(&folder).await;
    }
    report
}

/// Ends the step that is shown, if one is.
fn end(step: &Mutex<Option<Step>>) {
    if let Some(step) = step.lock().take() {
        step.end();
    }
}

async fn story(
    assistant: &Assistant,
    folder: &Path,
    printer: &Printer,
    waiting: &Mutex<Option<Step>>,
) -> Result<Report> {
    let document = folder.join(NAME);
    std::fs::write(&document, DOCUMENT).map_err(|error| unwritable(folder, error))?;
    let tools = assistant.tools().await?;
    step(printer, &format!("An assistant connected over MCP and sees {} tools.", tools.len()));

    let uploaded = call(assistant, &NextStep::Upload, json!({"file_path": document})).await?;
    let link = text(&uploaded, "/content/url")?;
    step(
        printer,
        &format!("It uploads {NAME} ({} bytes): {} credits.", DOCUMENT.len(), shown(&uploaded, "/credits_used")),
    );

    let submitted =
        call(assistant, &NextStep::Submit, json!({"operation": "pdf_to_text", "url": link, "wait": 0})).await?;
    let job_id = text(&submitted, "/job/job_id")?;
    step(
        printer,
        &format!(
            "It submits pdf_to_text: job {job_id} is {}, {} credits.",
            shown(&submitted, "/status"),
            shown(&submitted, "/credits_used")
        ),
    );

    let finished = waited(assistant, printer, waiting, &job_id).await?;
    let read = read(assistant, printer, &job_id).await?;
    let saved =
        call(assistant, &NextStep::Download { job_id: job_id.clone(), save_to: None }, json!({"job_id": job_id}))
            .await?;
    let (path, sha256) = (text(&saved, "/job/outputs/0/saved_to")?, text(&saved, "/job/outputs/0/sha256")?);
    step(printer, &format!("It saves the result: {path}\n  SHA-256 {sha256}"));

    let again = call(assistant, &NextStep::Show(job_id.clone()), json!({"job_id": job_id})).await?;
    let balance = call(assistant, &NextStep::Balance, json!({})).await?;
    let cost = uploaded.pointer("/credits_used").and_then(Value::as_i64).unwrap_or_default()
        + again.pointer("/job/credits_total").and_then(Value::as_i64).unwrap_or_default();
    step(
        printer,
        &format!(
            "It cost {cost} of the simulator's credits ({} are left); asking about a finished job again cost nothing.",
            shown(&balance, "/credits_remaining")
        ),
    );
    let card = folder.join(CARD);
    let jobs = assistant.cards(&[&job_id]).await?;
    std::fs::write(&card, app::standalone(&read, &jobs)).map_err(|error| unwritable(folder, error))?;
    show_files(printer, folder, Path::new(&path));
    step(
        printer,
        "Next: `pdfco key set`, then `pdfco call pdf-to-text --url FILE.pdf`; or `pdfco setup` for your assistant.",
    );
    Ok(Report {
        summary: format!("demo: {NAME} became text for {cost} simulated credits"),
        data: json!({"status": shown(&finished, "/status"), "job_id": job_id, "text": text(&read, "/output/text")?, "file": path, "card": card.display().to_string(), "sha256": sha256, "credits": cost, "simulated": true}),
        ..Report::default()
    })
}

/// Waits for the job, and tells what that took.
async fn waited(
    assistant: &Assistant,
    printer: &Printer,
    waiting: &Mutex<Option<Step>>,
    job_id: &str,
) -> Result<Value> {
    *waiting.lock() = Some(Step::begin(*printer, "waiting"));
    let wait = NextStep::WaitFor(job_id.to_owned());
    let finished = call(assistant, &wait, json!({"job_id": job_id, "timeout": 40})).await?;
    end(waiting);
    step(
        printer,
        &format!(
            "It waits: {} after {} s, paid checks: {}.",
            shown(&finished, "/status"),
            shown(&finished, "/job/elapsed_seconds"),
            shown(&finished, "/job/checks_made")
        ),
    );
    Ok(finished)
}

/// Reads the start of the result, and shows it.
async fn read(assistant: &Assistant, printer: &Printer, job_id: &str) -> Result<Value> {
    let page = NextStep::Read { job_id: job_id.to_owned(), offset: None };
    let read = call(assistant, &page, json!({"job_id": job_id, "limit": SHOWN_CHARS})).await?;
    let page = text(&read, "/output/text")?;
    step(
        printer,
        &format!("It reads the first {SHOWN_CHARS} of {} characters:\n", shown(&read, "/output/total_chars")),
    );
    if printer.is_human() {
        printer.say(&page.trim().lines().map(|line| format!("    | {line}\n")).collect::<String>());
    }
    Ok(read)
}

/// Names what the demo leaves behind.
fn show_files(printer: &Printer, folder: &Path, result: &Path) {
    step(printer, &format!("To look at, in {}:", folder.display()));
    if printer.talks() {
        let text = result.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        printer.say(&format!("    {NAME}   the document\n    {text}   what became of it"));
        printer.say(&format!("    {CARD}    the job card of the chat; open it in a browser"));
    }
}

/// Calls the tool that takes this step; its answer is not an error.
async fn call(assistant: &Assistant, step: &NextStep, arguments: Value) -> Result<Value> {
    let tool = step.tool().ok_or_else(|| Error::internal("The demo calls a step that no tool takes."))?;
    let answer = assistant.call(tool, arguments).await?;
    if answer.pointer("/status").and_then(Value::as_str) == Some("error") {
        let said = |name: &str| answer.pointer(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        return Err(Error::new(
            Kind::Upstream,
            format!("A call of the demo failed: {}", said("/content/message")),
            said("/content/hint"),
        ));
    }
    Ok(answer)
}

fn step(printer: &Printer, words: &str) {
    if printer.is_human() && !printer.quiet {
        printer.say(&printer.fitted(&format!("* {words}")));
    }
}

fn text(answer: &Value, pointer: &str) -> Result<String> {
    let found = answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| Error::internal(format!("An answer has no {pointer}.")))
}

/// A value in words, without quotation marks.
fn shown(answer: &Value, pointer: &str) -> String {
    match answer.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "no".to_owned(),
        Some(other) => other.to_string(),
    }
}

/// A folder of its own among the temporary files, where the result stays.
fn work_folder(temporary: &Path) -> Result<PathBuf> {
    let folder = temporary.join(format!("pdfco-demo-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, error))?;
    Ok(folder)
}

fn unwritable(folder: &Path, error: std::io::Error) -> Error {
    Error::new(
        Kind::FileAccess,
        format!("The folder {} cannot be written.", folder.display()),
        "Make room among the temporary files (TMPDIR).",
    )
    .with_source(error)
}
