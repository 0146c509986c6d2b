//! What happens while a command runs: bars for a person, JSON lines for `--output ndjson`, silence otherwise.
//!
//! A [`Lane`] shows one call; a [`Batch`] shows many lanes above a bar for all of them.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

use super::names::counted;
use super::output::{Format, Printer};
use super::text::tame;
use crate::app::Event;
use crate::text::shorten;

/// Length of a bar: progress is a number between 0 and 1.
const STEPS: f64 = 1_000.0;
/// How often a bar moves by itself.
const TICK: Duration = Duration::from_millis(120);
/// Most bars on the screen at once, so that they fit above the bar of all.
const BARS_MAX: usize = 10;
/// Width of the name of a lane in a batch.
const NAME_CHARS: usize = 28;
/// Most jobs that are remembered for the message after an interrupt.
const JOBS_MAX: usize = 1_000;

/// The progress of a command. Clones share their state.
#[derive(Clone)]
pub struct Progress {
    printer: Printer,
    bars: MultiProgress,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    label: String,
    /// Jobs in the order of their first event, and whether they run.
    jobs: Vec<(String, bool)>,
    /// The command that saves the result which is being saved.
    downloading: Option<String>,
    bars_shown: usize,
}

impl Progress {
    /// Progress as `printer` allows it to be shown.
    pub fn new(printer: Printer) -> Progress {
        let target = if printer.draws() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let state = State { label: "job".to_owned(), ..State::default() };
        Progress { printer, bars: MultiProgress::with_draw_target(target), state: Arc::new(Mutex::new(state)) }
    }

    /// Names the operation of the calls that follow.
    pub fn label(&self, operation: &str) {
        self.state().label = operation.to_owned();
    }

    /// Notes that the result of this job is being saved from now on, where `command` would save it again.
    pub fn downloads(&self, job_id: &str, command: &str) {
        let mut state = self.state();
        state.downloading = Some(command.to_owned());
        if !state.jobs.iter().any(|(id, _)| id == job_id) {
            state.jobs.push((job_id.to_owned(), false));
        }
    }

    /// The jobs that had an event and run.
    pub fn running_jobs(&self) -> Vec<String> {
        self.state().jobs.iter().filter(|(_, runs)| *runs).map(|(id, _)| id.clone()).collect()
    }

    /// The job whose first event came last.
    pub fn last_job(&self) -> Option<String> {
        self.state().jobs.last().map(|(id, _)| id.clone())
    }

    /// The command that saves the result which was being saved, if one was.
    pub fn download_command(&self) -> Option<String> {
        self.state().downloading.clone()
    }

    /// Remembers the state of a job, and shows nothing.
    pub fn track(&self, event: &Event) {
        let Event::Job { job_id, status, .. } = event else { return };
        let runs = !status.is_terminal();
        let mut state = self.state();
        if let Some((_, known)) = state.jobs.iter_mut().find(|(id, _)| id == job_id) {
            *known = runs;
        } else if state.jobs.len() < JOBS_MAX {
            state.jobs.push((job_id.clone(), runs));
        }
    }

    /// The listener for a `Caller` that makes one call.
    pub fn listener(&self) -> Arc<dyn Fn(Event) + Send + Sync> {
        self.lane(None, None).listener()
    }

    /// Clears all bars.
    pub fn clear(&self) {
        let _ = self.bars.clear();
    }

    /// A lane under a name of its own, above `all` where there is such a bar.
    fn lane(&self, name: Option<&str>, all: Option<&ProgressBar>) -> Lane {
        Lane {
            progress: self.clone(),
            name: name.map(str::to_owned),
            // A bar of its own would draw itself on stderr before it is one of the bars, and stay there.
            bar: ProgressBar::with_draw_target(Some(STEPS as u64), ProgressDrawTarget::hidden()),
            above: all.cloned(),
            state: Arc::new(Mutex::new(LaneState::default())),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// One call that is shown.
#[derive(Clone)]
pub struct Lane {
    progress: Progress,
    name: Option<String>,
    bar: ProgressBar,
    above: Option<ProgressBar>,
    state: Arc<Mutex<LaneState>>,
}

#[derive(Default)]
struct LaneState {
    is_drawn: bool,
    /// Phase and number of checks of the last event that was printed.
    last: Option<(String, i64)>,
}

impl Lane {
    /// The listener for a `Caller`.
    pub fn listener(&self) -> Arc<dyn Fn(Event) + Send + Sync> {
        let lane = self.clone();
        Arc::new(move |event| lane.show(&event))
    }

    fn show(&self, event: &Event) {
        self.progress.track(event);
        self.draw(event);
        // Many lanes side by side: each change once.
        if self.name.is_some() && !self.is_change(event) {
            return;
        }
        let printer = self.progress.printer;
        let words = self.words(event);
        if printer.format == Format::Ndjson {
            let mut line = event_line(event, &words);
            if let (Some(name), Some(data)) = (&self.name, line.get_mut("data").and_then(Value::as_object_mut)) {
                data.insert("input".to_owned(), json!(name));
            }
            printer.line(&line);
        } else if printer.verbose && !printer.draws() {
            printer.note(&words);
        }
    }

    fn is_change(&self, event: &Event) -> bool {
        let now = match event {
            Event::Uploading { .. } => ("uploading".to_owned(), 0),
            Event::Downloading { .. } => ("downloading".to_owned(), 0),
            Event::Job { status, checks_made, .. } => (status.to_string(), *checks_made),
        };
        let mut state = self.state();
        let is_change = state.last.as_ref() != Some(&now);
        state.last = Some(now);
        is_change
    }

    fn words(&self, event: &Event) -> String {
        let name = match (&self.name, event) {
            (Some(name), _) => format!("{name}  "),
            (None, Event::Job { .. }) => format!("{}  ", self.progress.state().label),
            (None, _) => String::new(),
        };
        format!("{name}{}", words(event))
    }

    fn draw(&self, event: &Event) {
        if !self.progress.printer.draws() || !self.is_on_screen() {
            return;
        }
        match event {
            Event::Uploading { .. } => self.bar.set_position(0),
            Event::Job { elapsed_seconds, progress, .. } => {
                if self.name.is_none() {
                    self.bar.set_prefix(self.progress.state().label.clone());
                }
                self.bar.set_elapsed(Duration::try_from_secs_f64(*elapsed_seconds).unwrap_or_default());
                self.bar.set_position((progress.clamp(0.0, 1.0) * STEPS) as u64);
            }
            Event::Downloading { done, total, .. } => {
                let part = total.map_or(0.0, |total| *done as f64 / total.max(1) as f64);
                self.bar.set_position((part.clamp(0.0, 1.0) * STEPS) as u64);
            }
        }
        self.bar.set_message(match event {
            Event::Job { status, checks_made, .. } => format!("{status}  {}", counted(*checks_made, "check")),
            Event::Uploading { .. } | Event::Downloading { .. } => words(event),
        });
    }

    /// Puts the bar on the screen with the first event, if there is room for it.
    fn is_on_screen(&self) -> bool {
        let mut state = self.state();
        if !state.is_drawn {
            let mut all = self.progress.state();
            if all.bars_shown >= BARS_MAX {
                return false;
            }
            all.bars_shown += 1;
            state.is_drawn = true;
            match &self.above {
                Some(above) => self.progress.bars.insert_before(above, self.bar.clone()),
                None => self.progress.bars.add(self.bar.clone()),
            };
            let width = if self.name.is_some() { format!(":{NAME_CHARS}") } else { String::new() };
            self.bar.set_style(style(&format!(
                "{{spinner}} {{prefix{width}}}  {{elapsed:>4}}  {{bar:20.cyan/dim}}  {{wide_msg}}"
            )));
            self.bar.set_prefix(self.name.as_deref().map(tail_of).unwrap_or_default());
            self.bar.enable_steady_tick(TICK);
        }
        true
    }

    fn remove_bar(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.is_drawn) {
            self.bar.finish_and_clear();
            self.progress.bars.remove(&self.bar);
            let mut all = self.progress.state();
            all.bars_shown = all.bars_shown.saturating_sub(1);
        }
    }

    fn state(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock()
    }
}

/// Many calls side by side, and a bar for all of them.
pub struct Batch {
    progress: Progress,
    total: usize,
    all: ProgressBar,
    ended: Mutex<usize>,
}

impl Batch {
    /// A batch of `total` calls.
    pub fn new(progress: &Progress, total: usize) -> Batch {
        let all = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::hidden());
        let all = progress.bars.add(all);
        all.set_style(style("{bar:24.green/dim} {pos} of {len}  {elapsed}  {wide_msg}"));
        if progress.printer.draws() {
            all.enable_steady_tick(TICK);
        }
        Batch { progress: progress.clone(), total, all, ended: Mutex::new(0) }
    }

    /// A lane for a call that begins now.
    pub fn lane(&self, name: &str) -> Lane {
        self.progress.lane(Some(name), Some(&self.all))
    }

    /// Ends a lane. `words` say how it ended; on a terminal they stay only if it `failed`.
    pub fn end(&self, lane: &Lane, words: &str, failed: bool) {
        lane.remove_bar();
        self.all.inc(1);
        let ended = {
            let mut ended = self.ended.lock();
            *ended += 1;
            *ended
        };
        let name = lane.name.as_deref().unwrap_or_default();
        if !self.progress.printer.draws() {
            self.progress.printer.note(&format!("[{ended}/{}] {name}  {words}", self.total));
        } else if failed {
            let _ = self.progress.bars.println(tame(&format!("{name}  {words}")));
        }
    }

    /// Clears all bars.
    pub fn clear(&self) {
        self.all.finish_and_clear();
        self.progress.clear();
    }
}

/// A step of unknown length, such as one call of the demo.
pub struct Step {
    printer: Printer,
    bar: ProgressBar,
}

impl Step {
    /// A step that has begun.
    pub fn begin(printer: Printer, name: &str) -> Step {
        let bar = if printer.draws() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_style(style("{spinner} {prefix}  {elapsed}  {msg}"));
        bar.set_prefix(name.to_owned());
        if printer.draws() {
            bar.enable_steady_tick(TICK);
        }
        Step { printer, bar }
    }

    /// Shows what happens meanwhile: beside the spinner, or as a line where nothing can be drawn.
    pub fn show(&self, words: &str) {
        if self.printer.draws() {
            self.bar.set_message(words.to_owned());
        } else {
            self.printer.note(&format!("  … {words}"));
        }
    }

    /// Clears the spinner.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// A style; the default one should a template be wrong, which the tests exclude.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("━━─"))
}

/// An event in words, without the name of what it is about.
fn words(event: &Event) -> String {
    match event {
        Event::Uploading { name, bytes } => format!("uploading {name}  {}", BinaryBytes(*bytes)),
        Event::Job { status, elapsed_seconds, checks_made, .. } => {
            format!("{status}  {elapsed_seconds:.1} s  {}", counted(*checks_made, "check"))
        }
        Event::Downloading { name, done, total: Some(total) } => {
            format!("downloading {name}  {} of {}", BinaryBytes(*done), BinaryBytes(*total))
        }
        Event::Downloading { name, done, total: None } => format!("downloading {name}  {}", BinaryBytes(*done)),
    }
}

/// An event as other job systems name them: `{type, app_id, message, data}`.
pub fn event_line(event: &Event, words: &str) -> Value {
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

/// The end of a long name, which is what distinguishes files.
fn tail_of(name: &str) -> String {
    let count = name.chars().count();
    if count <= NAME_CHARS {
        return shorten(name, NAME_CHARS);
    }
    format!("…{}", name.chars().skip(count + 1 - NAME_CHARS).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_as_words_and_as_lines() {
        let event = Event::Job {
            job_id: "J1".into(),
            status: crate::jobs::JobStatus::Working,
            elapsed_seconds: 3.21,
            progress: 0.4,
            checks_made: 1,
        };
        let progress = Progress::new(Printer { quiet: true, ..Printer::PLAIN });
        progress.label("pdf_to_text");
        let words = progress.lane(None, None).words(&event);
        assert_eq!(words, "pdf_to_text  working  3.2 s  1 check");
        let line = event_line(&event, &words);
        assert_eq!((line["type"].as_str(), line["data"]["job_id"].as_str()), (Some("job_update"), Some("J1")));
    }

    #[test]
    fn templates_are_valid() {
        for template in
            ["{spinner} {prefix:28}  {elapsed:>4}  {bar:20.cyan/dim}  {wide_msg}", "{spinner} {prefix}  {msg}"]
        {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
