//! Every row of the table against every command of the real binary, with the product's own time limits: each ends in time
//! with the code of its kind.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, future, stream};
use pdfco::error::Kind;
use pdfco::simulator::{self, Handle, Options};

use super::{MATRIX, Meets, Row, back_at, break_all, failure, is_wanted, leak};
use crate::support::command::{Ended, Pdfco};
use crate::support::wire::ledger_in;
use Kind::{Auth, InsufficientCredits, InvalidArgument, LinkExpired, TooLarge};
use Meets::{Ends, Fine, Unclear, Waits};

/// Rows at once; each starts its commands at once.
const AT_ONCE: usize = 5;
/// Scripts wait for longer than assistants do; that is no reason to let them.
const COMMAND_TIME: Duration = Duration::from_secs(60);
/// What goes wrong: everything that the commands ask for, but for the making of a document from HTML.
const ILL: [&str; 5] = ["/v1/job/check", "/v1/pdf/convert/to/text", "/v1/file/", "/v1/account/", "*/story.txt"];

/// The exit code that a shell sees.
fn code_of(kind: Kind) -> i32 {
    match kind {
        Auth | InsufficientCredits => 3,
        InvalidArgument | TooLarge => 2,
        _ => 6,
    }
}

fn code(met: Meets) -> i32 {
    match met {
        Fine => 0,
        Waits(_) => 5,
        Ends(kind) | Unclear(kind) => code_of(kind),
    }
}

/// Of a batch: some failed, unless it makes no sense to go on.
fn code_of_batch(met: Meets) -> i32 {
    match met {
        Fine => 0,
        Ends(Auth | InsufficientCredits) => 3,
        _ => 1,
    }
}

/// Of a wait for a job that does not end.
fn waited(met: Meets) -> i32 {
    if met == Fine { 5 } else { code(met) }
}

struct Shell<'a> {
    service: &'a str,
    home: &'a Path,
}

impl Shell<'_> {
    fn run(&self, args: &[&str]) -> Ended {
        Pdfco::new(self.home)
            .folder(self.home)
            .env("PDFCO_BASE_URL", self.service)
            .env("PDFCO_API_KEY", "sim_canary-key")
            .env("PDFCO_RATE_LIMIT", "off")
            .env("PDFCO_LEDGER", &ledger_in(self.home))
            .env("PDFCO_MAX_FILE_BYTES", "1000000")
            .env("PDFCO_LOG", "debug")
            .args(args)
            .args(&["--json"])
            .run()
    }

    fn job(&self, args: &[&str]) -> String {
        let made = self.run(args).code(0).envelope();
        made["data"]["job"]["job_id"].as_str().unwrap().to_owned()
    }

    fn link(&self) -> String {
        let uploaded = self.run(&["files", "upload", "invoice.pdf"]).code(0).envelope();
        uploaded["data"]["content"]["url"].as_str().unwrap().to_owned()
    }
}

fn commands(row: &Row, mut service: Handle, home: &Path, runtime: &tokio::runtime::Handle) {
    let address = service.url().trim_start_matches("http://").to_owned();
    let base = format!("http://{address}");
    let shell = Shell { service: &base, home };
    if row.is_clock() {
        break_all(&service, "/", row);
    }
    let slow = r#"{"Simulate": {"checks": 9999}}"#;
    let html = ["call", "html-to-pdf", "--html", "<p>a</p>", "--profiles", slow];
    let job = shell.job(&[&html[..], &["--background"]].concat());
    let other = shell.job(&[&html[..], &["--background"]].concat());
    let done = r#"{"Simulate": {"checks": 0}}"#;
    let story =
        ["call", "pdf-to-text", "--url", "invoice.pdf", "--name", "story.txt", "--profiles", done, "--read", "0"];
    let done = shell.job(&story);
    let links = [shell.link(), shell.link()];
    if row.is_refused() {
        let fresh = runtime.block_on(simulator::spawn(Options::default())).unwrap();
        runtime.block_on(std::mem::replace(&mut service, fresh).stop());
    } else if !row.is_clock() {
        ILL.iter().for_each(|prefix| break_all(&service, prefix, row));
    }

    // Where links have died, the check for fresh ones meets the same fault.
    let fresh = |met: Meets| if met == Ends(LinkExpired) { row.check } else { met };
    // What names a document is warned about its link.
    let named = if row.submit == Ends(InvalidArgument) { row.submit } else { row.direct };
    // For a deletion nothing is an answer.
    let deleted = if row.name == "nothing" { Fine } else { named };
    let made = if row.is_refused() { code(row.submit) } else { waited(row.wait) };
    let source = "https://files.example.test/a.pdf?sig=canary-query";
    let paid = ["call", "pdf-to-text", "--url", source, "--password", "canary-password", "--background"];
    let waiting = [&html[..], &["--timeout", "6"]].concat();
    let table: Vec<(Vec<&str>, i32)> = vec![
        (vec!["credits"], code(row.balance)),
        (vec!["doctor"], code(row.balance)),
        (paid.to_vec(), code(row.submit)),
        (waiting, made),
        (
            vec!["call", "pdf-to-text", "--url", "invoice.pdf", "two.pdf", "--jobs", "2", "--timeout", "9"],
            code_of_batch(row.ask),
        ),
        (vec!["jobs", "show", &job], code(row.check)),
        (vec!["jobs", "wait", &job, "--timeout", "6", "--interval", "0.5"], waited(row.wait)),
        (vec!["jobs", "watch", &job, "--timeout", "6", "--interval", "0.5"], waited(row.wait)),
        (vec!["jobs", "download", &done, "--save-to", "saved.txt"], code(fresh(row.download))),
        (vec!["jobs", "read", &done], code(fresh(row.read))),
        (vec!["files", "upload", "invoice.pdf"], code(row.ask)),
        (vec!["files", "hash", &links[0]], code(named)),
        (vec!["files", "delete", &links[1]], code(deleted)),
        // What our own memory knows.
        (vec!["jobs", "list"], 0),
        (vec!["jobs", "cancel", &other], 0),
        (vec!["credits", "--history"], 0),
        (vec!["operations", "merge"], 0),
    ];
    let failures: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = table
            .iter()
            .map(|(args, expected)| {
                let shell = &shell;
                scope.spawn(move || {
                    let began = Instant::now();
                    let ended = shell.run(args);
                    assert!(began.elapsed() < COMMAND_TIME, "{args:?}: {:?}", began.elapsed());
                    // A link is what `jobs show` is for; on the way to an error it has no business.
                    let is_without_links = *expected != 0;
                    for text in [&ended.stdout, &ended.stderr] {
                        assert_eq!(leak(text.as_bytes(), is_without_links), None, "{args:?}: {text}");
                        assert!(!text.contains("panicked"), "{args:?}: {text}");
                    }
                    // A wait that was over before the first check was.
                    let is_over = row.is_slow() && args.contains(&"6") && ended.stderr.contains("timed out");
                    ended.code(if is_over { 5 } else { *expected });
                })
            })
            .collect();
        let ended = running.into_iter().map(|command| command.join());
        let failed = ended.filter_map(Result::err);
        failed.map(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    if !row.is_refused() {
        for prefix in if row.is_clock() { &["/"][..] } else { &ILL[..] } {
            assert!(service.faults_taken(prefix, None) > 0, "{prefix} met no fault");
        }
    }

    service.heal();
    if row.is_refused() {
        service = runtime.block_on(back_at(address.parse().unwrap()));
    }
    shell.run(&["credits"]).code(0);
    if !row.is_refused() {
        shell.run(&["jobs", "read", &done]).code(0).says("Northwind");
        shell.run(&["jobs", "show", &job]).code(0);
    }
    let listed = shell.run(&["jobs", "list"]).code(0).envelope();
    for id in [&job, &other, &done] {
        assert!(listed.to_string().contains(id.as_str()), "{listed}");
    }
    drop(service);
}

/// Every row; gives what failed.
pub async fn in_a_shell() -> Vec<String> {
    let began = Instant::now();
    let rows = super::slowest_first().into_iter().filter(|row| is_wanted(&format!("{} in a shell", row.name)));
    let failures = stream::iter(rows)
        .map(|row| {
            let work = async move {
                let service = simulator::spawn(Options::default()).await.unwrap();
                let home = tempfile::tempdir().unwrap();
                let invoice = crate::support::product::documents().join("invoice.pdf");
                for name in ["invoice.pdf", "two.pdf"] {
                    std::fs::copy(&invoice, home.path().join(name)).unwrap();
                }
                let runtime = tokio::runtime::Handle::current();
                let place = home.path().to_owned();
                tokio::task::block_in_place(|| commands(row, service, &place, &runtime));
            };
            tokio::spawn(failure(format!("{} in a shell", row.name), work))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(|ended| future::ready(ended.unwrap()))
        .collect()
        .await;
    println!("in a shell: {} rows in {:?}", MATRIX.len(), began.elapsed());
    failures
}
