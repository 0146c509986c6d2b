//! What happens meanwhile: a bar for a person, a JSON line for a program, silence otherwise.
//!
//! What lives here: [`Progress`], the listener that a `Caller` is given. What never does: anything on stdout but the
//! event lines of `--output ndjson`, and anything at all once the command has its outcome.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressState, ProgressStyle};
use serde_json::{Value, json};

use super::output::{Format, Printer};
use crate::app::Event;

/// Length of the bar of a job: its progress is an estimate between 0 and 1.
const STEPS: f64 = 1_000.0;
/// How often a bar moves by itself.
const TICK: Duration = Duration::from_millis(120);

/// Hears events and shows them.
#[derive(Clone)]
pub struct Progress {
    printer: Printer,
    seen: Arc<Mutex<Seen>>,
}

struct Seen {
    label: String,
    last_job: Option<String>,
    bar: Option<(Phase, ProgressBar)>,
    /// When a job was heard of, and how old it was then.
    age: Arc<Mutex<(Instant, f64)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Upload,
    Job,
    Download,
}

impl Progress {
    /// A listener that shows what `printer` allows.
    pub fn new(printer: Printer) -> Progress {
        let seen = Seen {
            label: "job".to_owned(),
            last_job: None,
            bar: None,
            age: Arc::new(Mutex::new((Instant::now(), 0.0))),
        };
        Progress { printer, seen: Arc::new(Mutex::new(seen)) }
    }

    /// Names the operation that jobs are of.
    pub fn label(&self, operation: &str) {
        self.seen().label = operation.to_owned();
    }

    /// The job that was last heard of.
    pub fn last_job(&self) -> Option<String> {
        self.seen().last_job.clone()
    }

    /// The listener for a `Caller`.
    pub fn listener(&self) -> Arc<dyn Fn(Event) + Send + Sync> {
        let progress = self.clone();
        Arc::new(move |event| progress.hear(&event))
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let Some((_, bar)) = self.seen().bar.take() {
            bar.finish_and_clear();
        }
    }

    fn hear(&self, event: &Event) {
        let mut seen = self.seen();
        if let Event::Job { job_id, .. } = event {
            seen.last_job = Some(job_id.clone());
        }
        let words = words(event, &seen.label);
        if self.printer.format == Format::Ndjson {
            self.printer.line(&event_line(event, &words));
        }
        if self.printer.draws() {
            draw(&mut seen, event, &words);
        } else if self.printer.verbose {
            self.printer.note(&words);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn words(event: &Event, label: &str) -> String {
    match event {
        Event::Uploading { name, bytes } => format!("uploading {name}  {}", BinaryBytes(*bytes)),
        Event::Job { status, elapsed_seconds, checks_made, .. } => {
            format!("{label}  {status}  {elapsed_seconds:.1} s  {}", counted(*checks_made, "check"))
        }
        Event::Downloading { name, done, total: Some(total) } => {
            format!("downloading {name}  {} of {}", BinaryBytes(*done), BinaryBytes(*total))
        }
        Event::Downloading { name, done, total: None } => format!("downloading {name}  {}", BinaryBytes(*done)),
    }
}

/// `1 check`, `2 checks`.
pub fn counted(count: i64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// An event as other job systems name them: `{type, app_id, message, data}`.
fn event_line(event: &Event, words: &str) -> Value {
    let (kind, data) = match event {
        Event::Uploading { name, bytes } => ("progress", json!({"phase": "upload", "name": name, "bytes": bytes})),
        Event::Downloading { name, done, total } => {
            ("progress", json!({"phase": "download", "name": name, "done": done, "total": total}))
        }
        Event::Job { job_id, status, elapsed_seconds, progress, checks_made } => (
            "job_update",
            json!({"job_id": job_id, "status": status, "elapsed_seconds": elapsed_seconds, "progress": progress, "checks_made": checks_made}),
        ),
    };
    json!({"type": kind, "app_id": "pdfco", "message": words, "data": data})
}

fn draw(seen: &mut Seen, event: &Event, words: &str) {
    let bar = match event {
        Event::Uploading { .. } => {
            let bar = bar_for(seen, Phase::Upload);
            bar.set_message(words.to_owned());
            bar
        }
        Event::Job { status, elapsed_seconds, progress, checks_made, .. } => {
            *seen.age.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), *elapsed_seconds);
            let bar = bar_for(seen, Phase::Job);
            bar.set_prefix(format!("{}  {status}", seen.label));
            bar.set_message(counted(*checks_made, "check"));
            bar.set_position((progress.clamp(0.0, 1.0) * STEPS) as u64);
            bar
        }
        Event::Downloading { name, done, total } => {
            let bar = bar_for(seen, Phase::Download);
            bar.set_message(name.clone());
            if let Some(total) = total {
                bar.set_length(*total);
            }
            bar.set_position(*done);
            bar
        }
    };
    bar.tick();
}

/// The bar of this phase; a bar of another phase goes.
fn bar_for(seen: &mut Seen, phase: Phase) -> ProgressBar {
    match seen.bar.take() {
        Some((same, bar)) if same == phase => {
            seen.bar = Some((phase, bar.clone()));
            return bar;
        }
        Some((_, other)) => other.finish_and_clear(),
        None => {}
    }
    let (bar, template) = match phase {
        Phase::Upload => (ProgressBar::new_spinner(), "{spinner} {msg}"),
        Phase::Job => (ProgressBar::new(STEPS as u64), "{spinner} {prefix}  {age}  {msg}  {bar:24.cyan/dim}"),
        Phase::Download => {
            (ProgressBar::new_spinner(), "{spinner} {msg}  {bar:24.cyan/dim}  {binary_bytes} of {binary_total_bytes}")
        }
    };
    // The templates are constants; should one be wrong, the default style shows.
    if let Ok(style) = ProgressStyle::with_template(template) {
        let age = Arc::clone(&seen.age);
        let shown = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let (heard, seconds) = *age.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = write!(out, "{:.1} s", seconds + heard.elapsed().as_secs_f64());
        };
        bar.set_style(style.with_key("age", shown).progress_chars("━━─"));
    }
    bar.enable_steady_tick(TICK);
    seen.bar = Some((phase, bar.clone()));
    bar
}

/// Something that turns while a step of known name and unknown length runs.
#[derive(Clone)]
pub struct Spinner {
    printer: Printer,
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl Spinner {
    /// A spinner that shows what `printer` allows; it does not turn yet.
    pub fn new(printer: Printer) -> Spinner {
        Spinner { printer, bar: Arc::default() }
    }

    /// Starts to turn.
    pub fn start(&self, name: &str) {
        if !self.printer.draws() {
            return;
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {elapsed}  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(TICK);
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    /// What happens meanwhile; a line where nothing can turn.
    pub fn tell(&self, words: &str) {
        match self.bar.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(bar) => bar.set_message(words.to_owned()),
            None => self.printer.note(&format!("  … {words}")),
        }
    }

    /// Goes away.
    pub fn clear(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_as_words_and_as_lines() {
        let event = Event::Job {
            job_id: "J1".into(),
            status: "working".into(),
            elapsed_seconds: 3.21,
            progress: 0.4,
            checks_made: 1,
        };
        let words = words(&event, "pdf_to_text");
        assert_eq!(words, "pdf_to_text  working  3.2 s  1 check");
        let line = event_line(&event, &words);
        assert_eq!((line["type"].as_str(), line["data"]["job_id"].as_str()), (Some("job_update"), Some("J1")));
    }

    #[test]
    fn templates_are_templates() {
        let printer = Printer { format: Format::Human, quiet: true, verbose: false };
        let progress = Progress::new(printer);
        let mut seen = progress.seen();
        for phase in [Phase::Upload, Phase::Job, Phase::Download] {
            let bar = bar_for(&mut seen, phase);
            bar.finish_and_clear();
        }
    }
}
