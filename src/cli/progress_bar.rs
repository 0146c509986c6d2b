//! What happens meanwhile: a bar for a person, a JSON line for a program, silence otherwise.
//!
//! What lives here: [`Progress`], the listener that a `Caller` is given, and [`Lanes`], many of them side by side. What
//! never does: anything on stdout but the event lines of `--output ndjson`, and anything at all once the command has
//! its outcome.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use serde_json::{Value, json};

use super::output::{Format, Printer};
use crate::app::Event;
use crate::catalog::shorten;
use crate::jobs::JobStatus;

/// Length of the bar of a job: its progress is an estimate between 0 and 1.
const STEPS: f64 = 1_000.0;
/// How often a bar moves by itself.
const TICK: Duration = Duration::from_millis(120);
/// Most bars of lanes on the screen at once, so that they fit above the bar of all.
const LANES_SHOWN: usize = 10;
/// Width of a lane's name.
const LANE_NAME_CHARS: usize = 28;
/// Most jobs whose state is kept in mind for a word at an early end.
const JOBS_IN_MIND: usize = 1_000;

/// Hears events and shows them.
#[derive(Clone)]
pub struct Progress {
    printer: Printer,
    seen: Arc<Mutex<Seen>>,
}

struct Seen {
    label: String,
    /// Jobs that were heard of, and whether they go on.
    jobs: Vec<(String, bool)>,
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
            jobs: Vec::new(),
            bar: None,
            age: Arc::new(Mutex::new((Instant::now(), 0.0))),
        };
        Progress { printer, seen: Arc::new(Mutex::new(seen)) }
    }

    /// Names the operation that jobs are of.
    pub fn label(&self, operation: &str) {
        self.seen().label = operation.to_owned();
    }

    /// The jobs that were heard of and go on.
    pub fn running_jobs(&self) -> Vec<String> {
        self.seen().jobs.iter().filter(|(_, goes_on)| *goes_on).map(|(id, _)| id.clone()).collect()
    }

    /// The job that was last heard of.
    pub fn last_job(&self) -> Option<String> {
        self.seen().jobs.last().map(|(id, _)| id.clone())
    }

    /// Keeps in mind how a job stands, and shows nothing.
    pub fn keep_in_mind(&self, event: &Event) {
        let Event::Job { job_id, status, .. } = event else { return };
        let goes_on = !JobStatus::from_stored(status, None).is_terminal();
        let mut seen = self.seen();
        if let Some((_, running)) = seen.jobs.iter_mut().find(|(id, _)| id == job_id) {
            *running = goes_on;
        } else if seen.jobs.len() < JOBS_IN_MIND {
            seen.jobs.push((job_id.clone(), goes_on));
        }
    }

    /// The listener for a `Caller`.
    pub fn listener(&self) -> Arc<dyn Fn(Event) + Send + Sync> {
        let progress = self.clone();
        Arc::new(move |event| progress.hear(&event))
    }

    /// ResponseMode the bar away.
    pub fn clear(&self) {
        if let Some((_, bar)) = self.seen().bar.take() {
            bar.finish_and_clear();
        }
    }

    fn hear(&self, event: &Event) {
        self.keep_in_mind(event);
        let mut seen = self.seen();
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

/// Many things at once: a bar for each that is under way, and one for all.
#[derive(Clone)]
pub struct Lanes {
    progress: Progress,
    shared: Arc<LanesShared>,
}

struct LanesShared {
    total: usize,
    bars: Option<(MultiProgress, ProgressBar)>,
    count: Mutex<LanesCount>,
}

#[derive(Default)]
struct LanesCount {
    shown: usize,
    ended: usize,
}

/// One of many.
pub struct Lane {
    lanes: Lanes,
    name: String,
    bar: Option<ProgressBar>,
}

impl Lanes {
    /// Lanes for `total` things, shown as `progress` would be.
    pub fn new(progress: &Progress, total: usize) -> Lanes {
        let bars = progress.printer.draws().then(|| {
            let bars = MultiProgress::new();
            let all = bars.add(ProgressBar::new(total as u64));
            let template = "{bar:24.green/dim} {pos} of {len}  {elapsed}  {wide_msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                all.set_style(style.progress_chars("━━─"));
            }
            all.enable_steady_tick(TICK);
            (bars, all)
        });
        Lanes { progress: progress.clone(), shared: Arc::new(LanesShared { total, bars, count: Mutex::default() }) }
    }

    /// A lane for what is begun now.
    pub fn lane(&self, name: &str) -> Lane {
        let mut count = self.count();
        let bar = self.shared.bars.as_ref().filter(|_| count.shown < LANES_SHOWN).map(|(bars, all)| {
            count.shown += 1;
            let bar = bars.insert_before(all, ProgressBar::new(STEPS as u64));
            let template =
                format!("{{spinner}} {{prefix:{LANE_NAME_CHARS}}}  {{bar:12.cyan/dim}}  {{elapsed:>4}}  {{wide_msg}}");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style.progress_chars("━━─"));
            }
            bar.set_prefix(tail_of(name));
            bar.enable_steady_tick(TICK);
            bar
        });
        drop(count);
        Lane { lanes: self.clone(), name: name.to_owned(), bar }
    }

    /// ResponseMode all bars away.
    pub fn clear(&self) {
        if let Some((_, all)) = &self.shared.bars {
            all.finish_and_clear();
        }
    }

    fn count(&self) -> MutexGuard<'_, LanesCount> {
        self.shared.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// The listener for a `Caller`. Hears the same news twice and tells it once.
    pub fn listener(&self) -> Arc<dyn Fn(Event) + Send + Sync> {
        let (progress, name, bar) = (self.lanes.progress.clone(), self.name.clone(), self.bar.clone());
        let last = Mutex::new((String::new(), -1));
        Arc::new(move |event| {
            progress.keep_in_mind(&event);
            let (status, checks) = match &event {
                Event::Uploading { .. } => ("uploading".to_owned(), 0),
                Event::Downloading { .. } => ("downloading".to_owned(), 0),
                Event::Job { status, checks_made, .. } => (status.clone(), *checks_made),
            };
            if let (Some(bar), Event::Job { progress, .. }) = (&bar, &event) {
                bar.set_position((progress.clamp(0.0, 1.0) * STEPS) as u64);
            }
            let news = (status, checks);
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if *last == news {
                return;
            }
            *last = news;
            let words = match &event {
                Event::Downloading { .. } => "saving".to_owned(),
                Event::Uploading { bytes, .. } => format!("uploading  {}", BinaryBytes(*bytes)),
                Event::Job { status, elapsed_seconds, checks_made, .. } => {
                    format!("{status}  {elapsed_seconds:.1} s  {}", counted(*checks_made, "check"))
                }
            };
            if let Some(bar) = &bar {
                // The time stands beside it, and moves.
                bar.set_message(match &event {
                    Event::Job { status, checks_made, .. } => format!("{status}  {}", counted(*checks_made, "check")),
                    Event::Uploading { .. } | Event::Downloading { .. } => words.clone(),
                });
            }
            let words = format!("{name}  {words}");
            if progress.printer.format == Format::Ndjson {
                let mut line = event_line(&event, &words);
                if let Some(data) = line.get_mut("data").and_then(Value::as_object_mut) {
                    data.insert("input".to_owned(), json!(name));
                }
                progress.printer.line(&line);
            } else if bar.is_none() && progress.printer.verbose {
                progress.printer.note(&words);
            }
        })
    }

    /// It ended; `words` say how, and stay on the screen when they are `to_stay`.
    pub fn end(self, words: &str, to_stay: bool) {
        let ended = {
            let mut count = self.lanes.count();
            count.ended += 1;
            count.shown -= usize::from(self.bar.is_some() && count.shown > 0);
            count.ended
        };
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let shared = &self.lanes.shared;
        match &shared.bars {
            Some((bars, all)) => {
                all.inc(1);
                if to_stay {
                    let _ = bars.println(super::output::tame(&format!("{}  {words}", self.name)));
                }
            }
            None => {
                let place = format!("[{ended}/{}]", shared.total);
                self.lanes.progress.printer.note(&format!("{place} {}  {words}", self.name));
            }
        }
    }
}

/// The end of a long name: the end tells files apart.
fn tail_of(name: &str) -> String {
    let count = name.chars().count();
    if count <= LANE_NAME_CHARS {
        return shorten(name, LANE_NAME_CHARS);
    }
    format!("…{}", name.chars().skip(count + 1 - LANE_NAME_CHARS).collect::<String>())
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
