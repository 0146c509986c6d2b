//! Logs: to stderr, quiet by default, never with a key, a password or a signature in them.
//!
//! A log line never stops the program: lines go to a thread through a bounded queue, and where stderr is closed, full or not
//! read, they are dropped.

use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::config::LogFormat;

/// Lines that wait to be written; more are dropped.
const LINES_MAX: usize = 1_024;
/// How long the end of the program waits for lines that are not written yet.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

/// Bounds of the buckets that durations are counted in, in seconds, as the conventions of OpenTelemetry have them.
pub const DURATION_BOUNDS: &[f64] = &[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Whose lines are exported: our own and the protocol library's. What the libraries below an export log would be exported,
/// and logged again.
const EXPORTED: &[&str] = &["pdfco", "rmcp"];
/// Our own part of an export.
const EXPORTING: &str = "pdfco::otlp";

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What collects for a collector.
pub struct Exported {
    /// Our own spans, whatever is logged.
    pub spans: BoxedLayer,
    /// The lines that are logged.
    pub lines: BoxedLayer,
}

/// Starts logging to stderr with `filter` (`PDFCO_LOG`). A filter that cannot be parsed logs warnings and says so.
pub fn init(filter: &str, format: LogFormat, exported: Option<Exported>) {
    let (lines, is_broken) = lines(filter, format, Stderr);
    let mut layers: Vec<BoxedLayer> = vec![lines];
    if let Some(exported) = exported {
        // Spans before lines: a line is of the trace of its span.
        layers.push(exported.spans.with_filter(filter_fn(is_own_span)).boxed());
        let exportable = filter_fn(|metadata| {
            let target = metadata.target();
            EXPORTED.iter().any(|start| target.starts_with(start)) && !target.starts_with(EXPORTING)
        });
        layers.push(exported.lines.with_filter(shown(filter).0.and(exportable)).boxed());
    }
    let started = tracing_subscriber::registry().with(layers).try_init();
    if is_broken && started.is_ok() {
        tracing::warn!("PDFCO_LOG cannot be parsed; logging warnings");
    }
}

/// What writes lines that pass `filter`, and whether the filter could not be parsed.
fn lines<W>(filter: &str, format: LogFormat, writer: W) -> (BoxedLayer, bool)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (shown, is_broken) = shown(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false).log_internal_errors(false);
    let lines: BoxedLayer = match format {
        LogFormat::Text => lines.with_filter(shown).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_filter(shown).boxed(),
    };
    (lines, is_broken)
}

/// Which lines pass `filter`, and whether it could not be parsed.
///
/// The protocol library logs arguments below `warn`, and at `warn` whole addresses of requests that it refuses: it is
/// silent unless it is named, and never says more than warnings.
fn shown(filter: &str) -> (impl Filter<Registry> + use<>, bool) {
    let named = filter.contains("rmcp");
    let directives = if named { filter.to_owned() } else { format!("{filter},rmcp=off") };
    let (parsed, is_broken) = match EnvFilter::try_new(&directives) {
        Ok(parsed) => (parsed, false),
        Err(_) => (EnvFilter::new("warn,rmcp=off"), true),
    };
    let capped = filter_fn(|metadata| *metadata.level() <= Level::WARN || !is_protocol_library(metadata.target()));
    (parsed.or(filter_fn(is_own_span)).and(capped), is_broken)
}

/// Whether this is a span of ours that says which job a line is about: kept whatever is logged, as a warning within it
/// would name no job otherwise.
fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && *metadata.level() <= Level::INFO && metadata.target().starts_with("pdfco")
}

fn is_protocol_library(target: &str) -> bool {
    target.strip_prefix("rmcp").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Waits a moment for lines that are not written yet.
pub fn flush() {
    let Some(Some(writer)) = WRITER.get() else { return };
    let (done, is_done) = sync_channel(1);
    if writer.try_send(Line::Flush(done)).is_ok() {
        let _ = is_done.recv_timeout(FLUSH_TIMEOUT);
    }
}

enum Line {
    Text(Vec<u8>),
    Flush(SyncSender<()>),
}

/// The queue to the thread that writes, which starts with the first line.
static WRITER: OnceLock<Option<SyncSender<Line>>> = OnceLock::new();

fn writer() -> Option<&'static SyncSender<Line>> {
    WRITER
        .get_or_init(|| {
            let (lines, queue) = sync_channel(LINES_MAX);
            let started = std::thread::Builder::new().name("log".into()).spawn(move || write(&queue, io::stderr()));
            started.is_ok().then_some(lines)
        })
        .as_ref()
}

/// Writes line after line. An output that cannot be written to is tried again with the next one.
fn write(queue: &Receiver<Line>, mut output: impl io::Write) {
    for line in queue {
        match line {
            Line::Text(text) => {
                let _ = output.write_all(&text);
            }
            Line::Flush(done) => {
                let _ = output.flush();
                let _ = done.try_send(());
            }
        }
    }
}

/// Makes lines for the thread that writes.
#[derive(Clone, Copy)]
struct Stderr;

/// One line while it is put together.
struct LineWriter(Vec<u8>);

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter(Vec::new())
    }
}

impl io::Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        let text = std::mem::take(&mut self.0);
        if let (false, Some(writer)) = (text.is_empty(), writer()) {
            match writer.try_send(Line::Text(text)) {
                // No one reads stderr: this line is lost, and nothing waits for it.
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
    }
}

/// Lets a log line through every so often, where others can cause as many as they like.
pub struct Throttle {
    every: Duration,
    last: Mutex<Option<Instant>>,
}

impl Throttle {
    /// One line in `every`.
    pub const fn new(every: Duration) -> Throttle {
        Throttle { every, last: Mutex::new(None) }
    }

    /// Whether the next line may be logged.
    pub fn allows(&self) -> bool {
        let (mut last, now) = (self.last.lock(), Instant::now());
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= self.every);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_fails_stops_nothing() {
        struct Broken;
        impl io::Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::Error::other("broken"))
            }
        }
        let (lines, queue) = sync_channel(4);
        let (done, is_done) = sync_channel(1);
        lines.send(Line::Text(b"a line\n".to_vec())).unwrap();
        lines.send(Line::Flush(done)).unwrap();
        drop(lines);
        write(&queue, Broken);
        is_done.recv().unwrap();
    }

    #[test]
    fn the_protocol_library_is_known_by_its_target() {
        for (target, expected) in [("rmcp", true), ("rmcp::service", true), ("rmcpx", false), ("pdfco::mcp", false)] {
            assert_eq!(is_protocol_library(target), expected, "{target}");
        }
    }

    #[test]
    fn a_throttle_lets_one_line_through() {
        let throttle = Throttle::new(Duration::from_secs(60));
        assert!(throttle.allows() && !throttle.allows());
        let always = Throttle::new(Duration::ZERO);
        assert!(always.allows() && always.allows());
    }

    #[test]
    fn a_warning_names_the_job_of_its_span_at_the_default_level() {
        #[derive(Clone, Default)]
        struct Shared(std::sync::Arc<Mutex<Vec<u8>>>);
        impl io::Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let output = Shared::default();
        for format in [LogFormat::Text, LogFormat::Json] {
            let writer = output.clone();
            let (lines, _) = lines("warn", format, move || writer.clone());
            tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
                let _span = tracing::info_span!("wait", job_id = "J1", operation = "pdf_to_text").entered();
                tracing::info!("not shown");
                tracing::warn!("shown");
            });
            let text = String::from_utf8(std::mem::take(&mut *output.0.lock())).unwrap();
            assert!(!text.contains("not shown") && text.contains("shown"), "{text}");
            assert!(text.contains("J1") && text.contains("pdf_to_text"), "{text}");
        }
    }
}
