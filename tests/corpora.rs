//! The fuzz targets on stable: every kept input, and a bounded number of seeded mutations of each corpus.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test fails by panicking, and names the input; how much it tried is worth a line"
)]

#[path = "support/fuzzing.rs"]
mod fuzzing;

use std::path::Path;
use std::time::{Duration, Instant};

/// Inputs made from each corpus, unless its time is over first.
const MUTATIONS: usize = 4_000;
/// As many are tried however long it takes: a run that tried none would prove nothing.
const MUTATIONS_MIN: usize = 100;
/// Longest time for one target.
const TIME_MAX: Duration = Duration::from_secs(8);
/// The files of a corpus.
const FILES_MAX: usize = 200;
/// Their size altogether.
const BYTES_MAX: usize = 300_000;

/// Pieces that break things.
const PIECES: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r\n",
    b"\x7f",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\"\\ud800\"",
    b"null",
    b"NaN",
    b"-0",
    b"1e999",
    b"1e-999",
    b"-1",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"0.1",
    b"true",
    b"[]",
    b"{}",
    b"[[[[[[[[",
    b"{\"a\":",
    b"\"\"",
    b"\"jobId\"",
    b"\"status\":\"success\"",
    b"\"url\":\"https://h.test/a?sig=1\"",
    b"../",
    b"/etc/passwd",
    b"..\\",
    b"%2e%2e%2f",
    b"file:///",
    b"CON",
    b".",
    b"~",
    b"\xe2\x80\xae",
    b"!",
    b"-",
    b",",
    b"*",
    b"0-",
    b"4294967296",
    b"\"id\":1,",
    b"\"method\":\"tools/call\"",
    b"\"jsonrpc\":\"2.0\"",
    b"\"params\":{}",
    b"[{\"jsonrpc\":\"2.0\"}]",
];

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 8).unwrap() % limit.max(1)
    }
}

/// One to six changes: a byte, a piece of the list, a part doubled, cut out, or taken from another input.
fn mutated(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut data = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(data.len() + 1);
        let until = (at + random.below(32)).min(data.len());
        match random.below(7) {
            0 if at < data.len() => data[at] = random.below(256) as u8,
            1 if at < data.len() => data[at] ^= 1 << random.below(8),
            2 => drop(data.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            3 => drop(data.splice(at..until, PIECES[random.below(PIECES.len())].iter().copied())),
            4 => drop(data.drain(at..until)),
            5 => {
                let part = data[at..until].repeat(1 + random.below(40));
                drop(data.splice(at..at, part));
            }
            _ => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let part = &other[from..(from + random.below(64)).min(other.len())];
                drop(data.splice(at..at, part.iter().copied()));
            }
        }
        data.truncate(64 * 1024);
    }
    data
}

fn corpus_of(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!((1..=FILES_MAX).contains(&corpus.len()), "{target}: {} files", corpus.len());
    corpus
}

/// Replays a corpus, then wanders off from it. A panic says which input it was.
fn replay(target: &str) {
    let (_, run) = fuzzing::TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let corpus = corpus_of(target);
    let guarded = |data: &[u8]| {
        if let Err(panic) = std::panic::catch_unwind(|| run(data)) {
            eprintln!("{target}: this input: {:?}", String::from_utf8_lossy(data));
            std::panic::resume_unwind(panic);
        }
    };
    for input in &corpus {
        guarded(input);
    }
    let (mut random, began) = (Random(0x5eed_0007), Instant::now());
    let mut tried = 0;
    while tried < MUTATIONS && (tried < MUTATIONS_MIN || began.elapsed() < TIME_MAX) {
        guarded(&mutated(&mut random, &corpus));
        tried += 1;
    }
    println!("{target}: {} inputs, {tried} mutations", corpus.len());
}

#[test]
fn no_answer_of_the_service_causes_a_panic() {
    replay("job_bodies");
}

#[test]
fn no_argument_of_an_assistant_causes_a_panic() {
    replay("tool_arguments");
}

#[test]
fn page_lists_name_pages_that_are_there() {
    replay("page_ranges");
}

#[test]
fn names_and_paths_stay_where_they_belong() {
    replay("file_names");
}

#[test]
fn rows_do_what_the_one_rule_says() {
    replay("ledger_rows");
}

#[test]
fn lines_are_answered_or_ignored_and_the_next_ping_is_answered() {
    replay("json_rpc_lines");
}

#[test]
fn the_corpora_are_small_and_each_has_a_target() {
    let mut bytes = 0;
    for (target, _) in fuzzing::TARGETS {
        bytes += corpus_of(target).iter().map(Vec::len).sum::<usize>();
    }
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(fuzzing::TARGETS.iter().any(|(target, _)| *target == name), "{name}");
    }
}
