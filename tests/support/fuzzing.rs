//! What fuzzing does with a handful of bytes, one plain function a target: run by the libFuzzer targets of `tests/fuzz/` and, on
//! stable, by `tests/corpora.rs` over the kept corpora. A target fails by panicking; "it did not panic" is the least of
//! what each asserts.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "each user takes the part it needs; a target fails by panicking"
)]

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use pdfco::api::{Client, Pace, Redactor, ResponseContext, Timeouts, response};
use pdfco::app::App;
use pdfco::app::{Answer, JobView, tips};
use pdfco::catalog::pages::PageList;
use pdfco::catalog::{self, Param, ParamKind, arguments};
use pdfco::config::{Folders, LedgerLocation, Values, merge};
use pdfco::error::{Error, Kind};
use pdfco::files::{Hosts, Sandbox, is_local, is_private, numbered, safe_file_name};
use pdfco::jobs::job::{links_expire_at, without_links};
use pdfco::jobs::ledger::Intent;
use pdfco::jobs::{IntentId, Job, JobId, JobStatus, Jobs, Ledger, Observation, Results, call_for, hash_of_request};
use pdfco::mcp::tools;
use pdfco::secret::{ApiKey, PresignedUrl, without_link_secrets};
use pdfco::serve::stdio;
use pdfco::simulator;
use serde_json::{Map, Value, json};
use sqlx::ConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

/// One target: its name, which is also that of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("job_bodies", job_bodies),
    ("tool_arguments", tool_arguments),
    ("page_ranges", page_ranges),
    ("file_names", file_names),
    ("ledger_rows", ledger_rows),
    ("json_rpc_lines", json_rpc_lines),
];

/// Must never be seen again once it went in as a secret.
const CANARY: &str = "canary-7c1e";
/// A time that is no particular one.
/// Longest list of pages that is read.
const PAGE_LIST_BYTES_MAX: usize = 4_096;
const SOME_TIME: i64 = 1_780_000_000_000;

/// What the service answers: two bytes choose the status and the question, the rest is the body.
pub fn job_bodies(data: &[u8]) {
    let [status, context, body @ ..] = data else { return };
    let status = [200, 200, 200, 201, 400, 401, 402, 403, 404, 429, 445, 500, 503][usize::from(*status) % 13];
    let contexts = [ResponseContext::Job, ResponseContext::Document, ResponseContext::Account];
    let context = contexts[usize::from(*context) % 3];
    let secrets = [CANARY.to_owned()];
    match response::read(status, &body.into(), None, context, &Redactor::new(None, &secrets)) {
        Ok(reply) => {
            for credits in [reply.credits(), reply.credits_remaining()].into_iter().flatten() {
                assert!(credits.checked_mul(1_000).is_some(), "{credits} cannot be added up");
            }
            let _ = (reply.job_id(), reply.text("url"));
            let _ = Results::read(&reply.body);
            let _ = links_expire_at(&reply.body, SOME_TIME);
            let clean = without_links(&reply.body, "expired");
            assert!(Results::read(&clean).links.is_empty(), "a link survived: {clean}");
            if let Ok(seen) = Observation::read(&reply, SOME_TIME) {
                assert_ne!(seen.status, JobStatus::Queued, "the service cannot say queued");
                let _ = (seen.job_duration_ms(), seen.page_count());
                let until = seen.links_expire_at();
                assert!((SOME_TIME..=SOME_TIME + 31 * 86_400_000).contains(&until), "links until {until}");
            }
        }
        Err(error) => {
            assert!(!error.message().is_empty() && !error.hint().is_empty());
            assert!(error.message().chars().count() <= 1_000, "{}", error.message().len());
            assert!(!error.message().contains(CANARY), "{}", error.message());
            let answer = serde_json::to_string(&Answer::from_error(&error)).unwrap();
            assert!(serde_json::from_str::<Value>(&answer).is_ok());
        }
    }
}

/// What an assistant sends to a tool: one byte chooses the tool, the rest is JSON.
pub fn tool_arguments(data: &[u8]) {
    let [tool, given @ ..] = data else { return };
    let Ok(Value::Object(given)) = serde_json::from_slice::<Value>(given) else { return };
    let operations: Vec<_> = catalog::all().collect();
    let at = usize::from(*tool) % (operations.len() + tools::ALL.len());
    let Some(operation) = operations.get(at).copied() else {
        let tool = &tools::ALL[at - operations.len()];
        match arguments::read_params(tool.name, tool.params.iter(), given) {
            Ok(read) => typed_as_declared(tool, &read),
            Err(error) => readable(&error),
        }
        return;
    };
    match arguments::read(operation, given) {
        Ok(read) => {
            let public = read.public().to_string();
            for secret in read.secrets.iter().filter(|secret| secret.len() > 8) {
                assert!(!public.contains(secret.as_str()), "{}: kept a secret: {public}", operation.name);
            }
            let identity = read.identity();
            assert_eq!(hash_of_request(operation, &identity), hash_of_request(operation, &identity));
            // What was understood is understood again, as the same.
            let mut again: Map<String, Value> = read.body.clone();
            if let Some(sources) = &read.sources {
                again.insert(sources.wire.to_owned(), json!(sources.items));
            }
            let body = read.body.clone();
            match arguments::read(operation, again) {
                Ok(second) => assert_eq!(settled(&second.body), settled(&body), "{}", operation.name),
                Err(error) => panic!("{}: {error} {:?}", operation.name, body),
            }
            let call = call_for(operation, Value::Object(body), read.secrets);
            assert!(call.path.starts_with('/') && !call.path.contains(".."), "{}", call.path);
            assert!(call.path.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{}", call.path);
        }
        Err(error) => readable(&error),
    }
}

/// A refusal says what is wrong and what to do, at a length that is read.
fn readable(error: &Error) {
    assert_eq!(error.kind(), Kind::InvalidArgument, "{error}");
    assert!(!error.message().is_empty() && error.message().chars().count() < 1_000, "{error}");
    assert!(
        !error.hint().is_empty() && error.hint().text(pdfco::next_step::Audience::Agent).chars().count() < 2_000,
        "{}",
        error.hint().text(pdfco::next_step::Audience::Agent)
    );
}

/// What a tool is handed has the types and bounds that its declaration promises, and nothing else is in it.
fn typed_as_declared(tool: &tools::JobTool, read: &arguments::Arguments) {
    for (name, value) in &read.body {
        let param = tool.params.iter().find(|param| param.wire == name.as_str());
        let param = param.unwrap_or_else(|| panic!("{}: `{name}` is nowhere declared", tool.name));
        let is_right = match param.kind {
            ParamKind::Source | ParamKind::Sources | ParamKind::Text | ParamKind::JsonText => value.is_string(),
            ParamKind::Pages { .. } => value.is_string(),
            ParamKind::Suggested(_) => value.is_string(),
            ParamKind::Integer { min, max } => value.as_i64().is_some_and(|number| (min..=max).contains(&number)),
            ParamKind::Number => value.as_f64().is_some_and(f64::is_finite),
            ParamKind::Boolean => value.is_boolean(),
            ParamKind::Choice(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            ParamKind::Strings => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
            ParamKind::Objects(_) => value.as_array().is_some_and(|list| list.iter().all(Value::is_object)),
            ParamKind::Object(_) => value.is_object(),
        };
        assert!(is_right, "{}: `{name}` is {value}", tool.name);
    }
    let has = |param: &Param| {
        read.body.contains_key(param.wire) || read.sources.as_ref().is_some_and(|sources| sources.wire == param.wire)
    };
    assert!(tool.params.iter().all(|param| !param.required || has(param)), "{}: something is missing", tool.name);
}

/// Without what is left out when it is given again: empty texts and lists.
fn settled(body: &Map<String, Value>) -> Map<String, Value> {
    let is_empty =
        |value: &Value| value.is_null() || value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
    body.iter().filter(|(_, value)| !is_empty(value)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A page list: a byte for the base, one for the number of pages, then text. What an assistant gives, as text or as JSON,
/// goes out as a list that names the same pages to the service, or is refused; the simulator's reading says which pages
/// a list names, and may name none that are not there.
pub fn page_ranges(data: &[u8]) {
    let [base, count, text @ ..] = data else { return };
    let (base, count) = (u32::from(base & 1), u32::from(*count));
    let text = String::from_utf8_lossy(text);
    page_list_goes_out(&text, base, count);
    let Some(items) = simulator::pages_named(&text, base, count) else { return };
    let total: usize = items.iter().map(Vec::len).sum();
    assert!(
        items.len() <= 2_000 + usize::from(u8::MAX) && total <= 50_000 + 65_536,
        "{} items, {total} pages",
        items.len()
    );
    assert!(items.iter().flatten().all(|page| *page < count), "a page that is not there");
    if text.trim().is_empty() {
        assert_eq!(items, [(0..count).collect::<Vec<_>>()]);
    }
}

/// The call itself: `pages` of an operation with this base, in the spellings that assistants use.
fn page_list_goes_out(text: &str, base: u32, count: u32) {
    let operation = catalog::find(if base == 0 { "pdf_to_text" } else { "pdf_delete_pages" }).unwrap();
    let pages = operation.param("pages").unwrap();
    let as_json = serde_json::from_str::<Value>(text).ok();
    for (name, given) in [("pages", Some(json!(text))), ("Pages", as_json)] {
        let Some(given) = given else { continue };
        let arguments = json!({"url": "https://h.test/a.pdf", name: given});
        let read = match arguments::read(operation, arguments.as_object().unwrap().clone()) {
            Ok(read) => read,
            Err(error) => {
                readable(&error);
                // What is no list of pages is refused here, before anything is paid. What names pages by the service's own
                // reading is never refused.
                let is_list = given.as_str().is_some_and(|text| {
                    let is_readable = !text.trim().is_empty() && text.len() <= PAGE_LIST_BYTES_MAX;
                    is_readable && simulator::pages_named(text, base, count).is_some()
                });
                assert!(!is_list, "{given} was refused: {error}");
                continue;
            }
        };
        // And what goes out as it was given has the form of a list; the JSON text of one is rewritten.
        let is_json = |text: &str| serde_json::from_str::<Vec<Value>>(text).is_ok();
        if let Some(text) = given.as_str().filter(|text| !text.trim().is_empty() && !is_json(text)) {
            assert!(PageList::parse(text, base).is_ok(), "{text:?} went out");
        }
        let call = call_for(operation, Value::Object(read.body.clone()), Vec::new());
        let sent = &call.params[pages.wire];
        let meant = match &given {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            Value::Array(list) if list.is_empty() => None,
            other => Some(other.to_string()),
        };
        match meant.filter(|meant| !meant.is_empty()) {
            // What has to be given goes out as it was given, and the service refuses it.
            None => assert!(sent.is_null() || (pages.required && sent == ""), "{given} became {sent}"),
            Some(meant) => {
                let sent = sent.as_str().unwrap_or_else(|| panic!("{given} became {sent}"));
                let named = |list: &str| simulator::pages_named(list, base, count);
                assert_eq!(named(sent), named(&meant), "{given} became {sent:?}");
            }
        }
    }
}

/// A name or a path from outside, and a link.
pub fn file_names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let names: Vec<String> = text.split('\n').map(safe_file_name).collect();
    for name in &names {
        assert!(!name.is_empty() && name.len() <= 200, "{name:?}");
        assert!(
            !name.starts_with('.') && !name.chars().any(|c| c.is_control() || "/\\:*?\"<>|".contains(c)),
            "{name:?}"
        );
        assert_eq!(safe_file_name(name), *name, "safe is safe");
        assert_eq!(Path::new(name).components().count(), 1, "{name:?}");
    }
    let unique = numbered(names.iter().take(200).cloned());
    assert_eq!(unique.len(), names.len().min(200));
    assert_eq!(unique.iter().map(|name| name.to_lowercase()).collect::<HashSet<_>>().len(), unique.len());

    let place = Place::get();
    let below = |path: &Path| {
        path.starts_with(&place.root)
            && path.components().all(|part| !matches!(part, Component::ParentDir | Component::CurDir))
    };
    for overwrite in [false, true] {
        if let Ok(target) = place.sandbox.target_blocking(Some(&text), "result.pdf", overwrite) {
            assert!(below(target.path()), "{text:?} writes to {target:?}");
        }
        let target = place.sandbox.target_blocking(None, &text, overwrite);
        let target = target.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert!(below(target.path()), "{text:?} suggests {target:?}");
    }
    if let Ok(file) = place.sandbox.readable_blocking(&text) {
        assert!(below(&file.path), "{text:?} reads {:?}", file.path);
    }
    let link = PresignedUrl::new(text.as_ref());
    let _ = (link.file_name().map(|name| safe_file_name(&name)), is_local(&text), is_private(&text));
    if place.hosts.check(&link).is_ok() {
        let url = url::Url::parse(&text).unwrap();
        let host = url.host_str().unwrap();
        assert!(host == "api.pdf.co" || host.ends_with(".amazonaws.com"), "{text:?}");
        assert!(url.scheme() == "https" && url.username().is_empty() && url.password().is_none(), "{text:?}");
    }
    let secret = format!("{text} https://u:{CANARY}@h.test/a?sig={CANARY}");
    assert!(text.contains("canary") || !without_link_secrets(&secret).contains(CANARY), "{secret:?}");
    let signed = PresignedUrl::new(format!("{text}?X-Amz-Signature={CANARY}"));
    assert!(text.contains("canary") || !format!("{signed:?}{signed}").contains(CANARY), "{signed:?}");
}

/// A disk to play on: a folder, a way out of it, and something outside that must not be reached.
struct Place {
    root: PathBuf,
    sandbox: Sandbox,
    hosts: Hosts,
    _folder: tempfile::TempDir,
}

impl Place {
    fn get() -> &'static Place {
        static PLACE: OnceLock<Place> = OnceLock::new();
        PLACE.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let base = folder.path().canonicalize().unwrap();
            let root = base.join("allowed");
            for path in ["allowed/sub", "allowed/.git", "outside"] {
                std::fs::create_dir_all(base.join(path)).unwrap();
            }
            for path in ["allowed/a.pdf", "allowed/sub/b.txt", "outside/secret.txt"] {
                std::fs::write(base.join(path), "content").unwrap();
            }
            #[cfg(unix)]
            for (target, link) in
                [("outside", "allowed/out"), ("outside/secret.txt", "allowed/s"), ("nowhere", "allowed/n")]
            {
                std::os::unix::fs::symlink(base.join(target), base.join(link)).unwrap();
            }
            let service = url::Url::parse("https://api.pdf.co").unwrap();
            Place {
                sandbox: Sandbox::folders(vec![root.clone()], root.join("downloads")),
                hosts: Hosts::new(&["*.amazonaws.com".to_owned()], &service),
                root,
                _folder: folder,
            }
        })
    }
}

/// Bytes as a source of values: texts, numbers that hurt, choices.
struct Tape<'a>(&'a [u8]);

impl<'a> Tape<'a> {
    fn byte(&mut self) -> u8 {
        let (byte, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *byte
    }

    fn whole(&mut self) -> i64 {
        const EDGES: [i64; 10] =
            [0, 1, -1, i64::MAX, i64::MIN, SOME_TIME, -SOME_TIME, 253_402_300_800_000, 1 << 53, 1_000_000_000_000];
        match self.byte() {
            edge @ 0..=127 => EDGES[usize::from(edge) % EDGES.len()],
            _ => i64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    fn maybe(&mut self) -> Option<i64> {
        (!self.byte().is_multiple_of(3)).then(|| self.whole())
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.byte()).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn maybe_text(&mut self) -> Option<String> {
        (!self.byte().is_multiple_of(3)).then(|| self.text())
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()]
    }

    fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// Rows as they may stand in a file that lived long, and answers in any order upon them. The row must do what the one
/// rule of transitions says, in SQL as in memory.
pub fn ledger_rows(data: &[u8]) {
    let mut shelf = Shelf::get();
    let Shelf { runtime, ledger, jobs, raw, key, client: _, _folder: _ } = &mut *shelf;
    let mut tape = Tape(data);
    runtime.block_on(async {
        sqlx::query("DELETE FROM jobs").execute(&mut *raw).await.unwrap();
        let tenant = &pdfco::tenant::Tenant::of_account(key.fingerprint());
        let owner = pdfco::tenant::Owner::from(key.clone());
        let intent =
            Intent { intent_id: IntentId::from_stored("local-row"), ..Intent::new(&owner, "pdf_to_text", SOME_TIME) };
        assert!(ledger.insert_intent(&intent, None).await.unwrap().is_none());
        if tape.byte().is_multiple_of(2) {
            strange_row(&mut tape, raw).await;
        }
        let mut settled: Option<JobStatus> = None;
        for _ in 0..24 {
            let before = ledger.get(tenant, "local-row").await.unwrap().unwrap();
            // What the connections make of it must hold together too.
            let _ = (jobs.progress(&before), jobs.next_check_in(&before), tips(&before, None), before.credits_total());
            let view = JobView::new(&before, pdfco::jobs::Source::Cache, jobs.progress(&before), tape.whole());
            assert!(serde_json::to_string(&view).is_ok());
            if tape.is_over() {
                break;
            }
            let after = match tape.byte() % 8 {
                0 => ledger.cancel(&before, tape.whole()).await.unwrap().0,
                1 if before.job_id.is_none() => {
                    let content = body_of(&mut tape);
                    let (credits, remaining) = (bounded(tape.maybe()), bounded(tape.maybe()));
                    let charge = pdfco::charge::Charge::new(credits, remaining);
                    ledger.accepted(&intent, JobId::parse("row").unwrap(), &content, charge, tape.whole()).await
                }
                2 => {
                    let _ = ledger.claim(&before, "other", before.last_checked_at, tape.whole()).await.unwrap();
                    ledger.get(tenant, "local-row").await.unwrap().unwrap()
                }
                3 => {
                    let listed = ledger.list(tenant, None, 10, None).await.unwrap();
                    assert_eq!(listed.jobs.len() as i64, listed.total);
                    let _ = ledger.changed_since(tenant, tape.whole()).await.unwrap();
                    before.clone()
                }
                _ => observed(&mut tape, ledger, &before).await,
            };
            if let Some(settled) = &settled {
                assert_eq!(*settled, after.status, "an end moved");
            }
            if matches!(after.status, JobStatus::Success | JobStatus::Failed | JobStatus::Aborted) {
                settled = Some(after.status);
            }
        }
        assert_eq!(ledger.flush(Duration::from_secs(10)).await, 0);
    });
}

/// Numbers of the service come through `Response`, which bounds them.
fn bounded(credits: Option<i64>) -> Option<i64> {
    let body = json!({"credits": credits});
    response::read(200, &body.to_string().as_bytes().into(), None, ResponseContext::Job, &Redactor::default())
        .unwrap()
        .credits()
}

fn body_of(tape: &mut Tape<'_>) -> Value {
    let text = tape.text();
    serde_json::from_str(&text).unwrap_or_else(|_| json!({"url": text}))
}

/// One answer of the service, by SQL and by the model.
async fn observed(tape: &mut Tape<'_>, ledger: &Ledger, before: &Job) -> Job {
    let words = ["working", "success", "failed", "aborted", "unknown", "paused", "QUEUED", "Success"];
    let mut body = body_of(tape);
    if let Some(map) = body.as_object_mut() {
        map.insert("status".into(), json!(tape.pick(&words)));
        map.insert("credits".into(), json!(tape.maybe()));
        map.insert("pageCount".into(), json!(tape.maybe()));
        map.insert("jobDuration".into(), json!(tape.maybe()));
        map.insert("outputLinkValidTill".into(), json!(tape.text()));
    }
    let read =
        response::read(200, &body.to_string().as_bytes().into(), None, ResponseContext::Job, &Redactor::default());
    let Ok(Ok(seen)) = read.map(|reply| Observation::read(&reply, tape.whole())) else { return before.clone() };
    let seen = Observation { is_check: !tape.byte().is_multiple_of(4), ..seen };
    let expected = before.seeing(&seen);
    let after = ledger.observe(None, before, &seen, None).await;
    let facts = |job: &Job| {
        let times = (job.started_at, job.completed_at, job.last_checked_at, job.links_expire_at);
        let counts = (job.checks_made, job.check_credits, job.credits_remaining, job.page_count, job.job_duration_ms);
        (job.status.clone(), job.content.clone(), times, counts, job.is_from_callback)
    };
    assert_eq!(facts(&after), facts(&expected), "the ledger and the model disagree about {seen:?}");
    assert!(before.status == after.status || before.status.may_become(&seen.status), "{before:?} {seen:?}");
    after
}

/// Any values of the right types in every column.
async fn strange_row(tape: &mut Tape<'_>, raw: &mut sqlx::SqliteConnection) {
    let states = ["queued", "working", "success", "failed", "aborted", "unknown", "cancelled", "", "NaN"];
    sqlx::query(
        "UPDATE jobs SET status = $1, unrecognized_status = $2, created_at = $3, submitted_at = $4, started_at = $5,
             completed_at = $6, last_checked_at = $7, job_duration_ms = $8, page_count = $9, content = $10, problem = $11,
             saved_to = $12, links_expire_at = $13, operation = $14, arguments = $15, told_by = $16, job_id = $17",
    )
    .bind(tape.pick(&states))
    .bind(if tape.byte().is_multiple_of(8) { Some(tape.text()) } else { None })
    .bind(tape.whole())
    .bind(tape.maybe())
    .bind(tape.maybe())
    .bind(tape.maybe())
    .bind(tape.maybe())
    .bind(tape.maybe())
    .bind(tape.maybe())
    .bind(tape.maybe_text())
    .bind(tape.maybe_text())
    .bind(tape.maybe_text())
    .bind(tape.maybe())
    .bind(tape.pick(&["", "pdf_to_text", "pdf_split", "no_such"]))
    .bind(tape.text())
    .bind(tape.maybe_text())
    .bind(tape.maybe_text())
    .execute(raw)
    .await
    .unwrap();
}

/// One ledger in a file, and another way into the same file.
struct Shelf {
    runtime: Runtime,
    ledger: Arc<Ledger>,
    jobs: Jobs,
    raw: sqlx::SqliteConnection,
    key: ApiKey,
    client: Client,
    _folder: tempfile::TempDir,
}

impl Shelf {
    fn get() -> MutexGuard<'static, Shelf> {
        static SHELF: OnceLock<Mutex<Shelf>> = OnceLock::new();
        let shelf = SHELF.get_or_init(|| {
            let memory = Path::new("/dev/shm");
            let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
            let path = folder.path().join("ledger.sqlite");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            // Nothing is ever too old to be kept here.
            let ledger = Arc::new(Ledger::new(LedgerLocation::File(path.clone()), Duration::from_secs(1 << 40)));
            let service = url::Url::parse("http://127.0.0.1:9").unwrap();
            let _inside = runtime.enter();
            let client = Client::new(service, Pace::Off, Timeouts::default(), None).unwrap();
            let config = Arc::new(pdfco::config::defaults().unwrap());
            let jobs = Jobs::new(client.clone(), Arc::clone(&ledger), config);
            let key = ApiKey::new("sim_shelf").unwrap();
            let raw = runtime.block_on(async {
                ledger.list(&pdfco::tenant::Tenant::of_account(key.fingerprint()), None, 1, None).await.unwrap();
                sqlx::sqlite::SqliteConnectOptions::new()
                    .filename(&path)
                    .pragma("synchronous", "OFF")
                    .connect()
                    .await
                    .unwrap()
            });
            drop(_inside);
            Mutex::new(Shelf { runtime, ledger, jobs, raw, key, client, _folder: folder })
        });
        shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A whole conversation over stdio: an even first byte shakes hands first. Whatever comes in, what goes out is JSON-RPC,
/// a ping at the end is answered, and the end of the input ends the server.
pub fn json_rpc_lines(data: &[u8]) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        // The protocol library's futures are large before the optimiser has seen them; `serve` runs on the main thread.
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).thread_stack_size(16 << 20).enable_all().build().unwrap()
    });
    let [first, lines @ ..] = data else { return };
    let hello = json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "fuzz", "version": "1"}}});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let is_greeted = first.is_multiple_of(2);
    let mut input = Vec::new();
    if is_greeted {
        input.extend_from_slice(format!("{hello}\n{ready}\n").as_bytes());
    }
    input.extend_from_slice(lines);
    input.extend_from_slice(b"\n{\"jsonrpc\":\"2.0\",\"id\":\"last\",\"method\":\"ping\"}\n");
    let conversation = async move {
        let settings: Values =
            [("PDFCO_BASE_URL", "http://127.0.0.1:9"), ("PDFCO_LEDGER", "memory"), ("PDFCO_RATE_LIMIT", "off")]
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
        let config = merge(&settings, &Values::new(), &Values::new(), &Folders::default()).unwrap();
        let app = Arc::new(App::new(config).unwrap());
        let (mut writer, server_input) = tokio::io::duplex(1 << 20);
        let (server_output, mut reader) = tokio::io::duplex(1 << 20);
        let served = stdio::serve(app, server_input, server_output, std::future::pending());
        let talk = async {
            let mut said = Vec::new();
            writer.write_all(&input).await.unwrap();
            if is_greeted {
                // The answer to the ping comes before the input ends, or never.
                let mut piece = vec![0; 64 * 1024];
                while !contains(&said, b"\"id\":\"last\"") {
                    let read = reader.read(&mut piece).await.unwrap();
                    assert!(read > 0, "the server left before the ping: {}", String::from_utf8_lossy(&said));
                    said.extend_from_slice(&piece[..read]);
                }
            }
            drop(writer);
            reader.read_to_end(&mut said).await.unwrap();
            said
        };
        let both = async { tokio::join!(served, talk) };
        let (served, said) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("the server hangs");
        if is_greeted {
            served.unwrap();
        }
        for line in said.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let message: Value = serde_json::from_slice(line)
                .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)));
            assert_eq!(message["jsonrpc"], "2.0");
        }
    };
    runtime.block_on(runtime.spawn(conversation)).unwrap();
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
