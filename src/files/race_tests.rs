//! An adversary in the folder: exchanges a folder for a link to a place outside, as fast as it can, while files are read
//! and written. Nothing outside may be read or written. `PDFCO_RACE_SECONDS=60` runs it for longer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::text::Text;
use super::{Sandbox, save_text};

const SECRET: &str = "secret";

/// What the adversary exchanges, until the test is over.
fn exchanging(a: PathBuf, b: PathBuf, stop: Arc<AtomicBool>) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        let mut exchanges = 0;
        while !stop.load(Ordering::Relaxed) {
            renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
            exchanges += 1;
            if exchanges % 7 == 0 {
                thread::yield_now();
            }
        }
        exchanges
    })
}

fn lasting() -> Duration {
    let seconds = std::env::var("PDFCO_RACE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(2))
}

/// `root/a` and `root/link` (which leads to `outside`), exchanged all the time; and what a sandbox over `root` gets.
struct Race {
    _dir: tempfile::TempDir,
    base: PathBuf,
    stop: Arc<AtomicBool>,
    adversary: Option<thread::JoinHandle<u64>>,
    until: Instant,
}

impl Race {
    fn begin() -> Race {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        fs::create_dir_all(base.join("root/a")).unwrap();
        fs::create_dir(base.join("outside")).unwrap();
        fs::write(base.join("root/a/file.txt"), "public").unwrap();
        fs::write(base.join("outside/file.txt"), SECRET).unwrap();
        std::os::unix::fs::symlink(base.join("outside"), base.join("root/link")).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let adversary = exchanging(base.join("root/a"), base.join("root/link"), Arc::clone(&stop));
        Race { _dir: dir, base, stop, adversary: Some(adversary), until: Instant::now() + lasting() }
    }

    fn sandbox(&self) -> Sandbox {
        Sandbox::folders(vec![self.base.join("root")], self.base.join("root"))
    }

    fn is_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// Ends the race; returns how often the adversary made its exchange.
    fn end(&mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let exchanges = self.adversary.take().unwrap().join().unwrap();
        assert!(exchanges > 1_000, "the adversary was too slow to show anything: {exchanges}");
        exchanges
    }
}

#[test]
fn swapped_folders_lead_no_reader_outside() {
    let mut race = Race::begin();
    let sandbox = race.sandbox();
    let (mut read, mut refused) = (0_u64, 0_u64);
    while race.is_on() {
        let content = sandbox.readable_blocking("a/file.txt").and_then(|file| file.open()).map(|mut file| {
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            text
        });
        match content {
            Ok(text) => {
                assert_eq!(text, "public", "after {read} reads and {refused} refusals");
                read += 1;
            }
            Err(_) => refused += 1,
        }
    }
    println!("{read} reads and {refused} refusals during {} exchanges", race.end());
    assert!(read > 0 && refused > 0, "{read} reads, {refused} refusals: no race");
}

#[test]
fn swapped_folders_lead_no_writer_outside() {
    let mut race = Race::begin();
    let sandbox = race.sandbox();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let text = Text::inline("text/plain", "written");
    let (mut written, mut refused) = (0_u64, 0_u64);
    while race.is_on() {
        let name = format!("a/new/{written}-{refused}.txt");
        let saved = sandbox
            .target_blocking(Some(&name), "", false)
            .and_then(|target| runtime.block_on(save_text(&text, &target, false)));
        match saved {
            Ok(_) => written += 1,
            Err(_) => refused += 1,
        }
    }
    println!("{written} files written and {refused} refusals during {} exchanges", race.end());
    let base = &race.base;
    let names =
        |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(names(&base.join("outside")), ["file.txt"], "{written} written, {refused} refused");
    assert_eq!(fs::read_to_string(base.join("outside/file.txt")).unwrap(), SECRET);
    assert!(written > 0 && refused > 0, "{written} written, {refused} refused: no race");
}

#[test]
fn a_folder_that_many_make_at_once_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    for round in 0..50 {
        let start = std::sync::Barrier::new(8);
        let make = || {
            let root = super::root::Root::new(base.clone());
            start.wait();
            root.created_folder(&Path::new(&format!("{round}")).join("a/b/c")).map(drop)
        };
        let made: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(Result::is_ok), "round {round}: {made:?}");
    }
}

/// Several documents of one list are tried, and saved, in a folder that is not there yet.
#[test]
fn trials_of_a_folder_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    for round in 0..50 {
        let start = std::sync::Barrier::new(8);
        let save = |number: usize| {
            let sandbox = Sandbox::folders(vec![base.clone()], base.clone());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            start.wait();
            let target = sandbox.target_blocking(Some(&format!("{round}/tables/{number}.txt")), "", false)?;
            target.refuse_unwritable_blocking()?;
            runtime.block_on(save_text(&Text::inline("text/plain", "written"), &target, false)).map(drop)
        };
        let saved: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || save(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(saved.iter().all(Result::is_ok), "round {round}: {saved:?}");
    }
}

#[test]
fn a_trial_leaves_no_folder_and_says_what_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    fs::write(base.join("file"), "no folder").unwrap();
    let sandbox = Sandbox::folders(vec![base.join("root")], base.join("root"));
    sandbox.target_blocking(Some("a/b/c.txt"), "", false).unwrap().refuse_unwritable_blocking().unwrap();
    assert_eq!(fs::read_dir(&base).unwrap().count(), 1, "only the file that was there");
    let long = "x".repeat(300);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (path, can_be) in
        [(format!("{long}/c.txt"), false), (format!("a/{long}/c.txt"), false), (format!("a/{long}.txt"), true)]
    {
        let target = sandbox.target_blocking(Some(&path), "", false).unwrap();
        assert_eq!(target.refuse_unwritable_blocking().is_ok(), can_be, "{path}");
        let saved = runtime.block_on(save_text(&Text::inline("text/plain", "written"), &target, false));
        assert_eq!(saved.is_ok(), can_be, "{path}");
    }
    let sandbox = Sandbox::folders(vec![base.clone()], base.clone());
    let tried = sandbox.target_blocking(Some("file/c.txt"), "", false).and_then(|to| to.refuse_unwritable_blocking());
    assert!(tried.is_err(), "a file stands where the folder would be");
}

#[test]
fn a_root_that_becomes_a_link_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    for folder in ["root", "outside"] {
        fs::create_dir(base.join(folder)).unwrap();
        fs::write(base.join(folder).join("file.txt"), folder).unwrap();
    }
    let sandbox = Sandbox::folders(vec![base.join("root")], base.join("root"));
    let file = sandbox.readable_blocking("file.txt").unwrap();
    fs::rename(base.join("root"), base.join("moved")).unwrap();
    std::os::unix::fs::symlink(base.join("outside"), base.join("root")).unwrap();
    assert!(file.open().is_err());
    assert!(sandbox.readable_blocking("file.txt").is_err());
    assert!(sandbox.target_blocking(Some("new.txt"), "", false).is_err());
    fs::remove_file(base.join("root")).unwrap();
    fs::rename(base.join("moved"), base.join("root")).unwrap();
    assert!(file.open().is_ok() && sandbox.readable_blocking("file.txt").is_ok());
}
