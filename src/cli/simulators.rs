//! The simulator behind `--simulate`: one that runs already (`pdfco simulate`), or one that ends with the command.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::output::Printer;
use crate::clock::{Millis, now};
use crate::config::{Config, Folders};
use crate::error::Result;
use crate::simulator::{self, Handle};

/// How long jobs of a simulator take unless a flag says so: long enough to be seen working.
pub const USUAL_LIFE: simulator::Life = simulator::Life::Time { median: Duration::from_millis(1_200), sigma: 0.3 };
/// What the names of files about simulators that stay begin with: where one runs, and the ledger of its jobs.
const PREFIX: &str = "simulator-";
/// Most simulators that are tried.
const SIMULATORS_MAX: usize = 20;
/// How long a simulator that runs may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// Most bytes of its answer, and of the file.
const BYTES_MAX: u64 = 64 * 1024;

/// A simulator in a process of its own.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    address: SocketAddr,
    key: String,
    /// When it was started, in milliseconds.
    started_at: Millis,
}

/// The announcement of a simulator, withdrawn with the value. The ledger of its jobs goes with it: they end as well.
#[derive(Debug)]
pub struct Announcement {
    path: PathBuf,
}

impl Drop for Announcement {
    fn drop(&mut self) {
        withdraw(&self.path);
    }
}

/// Lets later commands with `--simulate` find the simulator at `url`. `None` where that cannot be written down or the
/// address is not on this machine.
pub fn announce(url: &str, key: &str) -> Option<Announcement> {
    let address: SocketAddr = url.strip_prefix("http://")?.trim_end_matches('/').parse().ok()?;
    if !address.ip().is_loopback() {
        return None;
    }
    let folder = Folders::this_user().data?;
    std::fs::create_dir_all(&folder).ok()?;
    for (path, other) in announced(&folder) {
        // One that was killed could not withdraw it.
        let is_here = other.address.ip().is_loopback() && other.address != address;
        if !is_here || std::net::TcpStream::connect_timeout(&other.address, ANSWER_TIMEOUT).is_err() {
            withdraw(&path);
        }
    }
    let running = Running { address, key: key.to_owned(), started_at: now() };
    let mut file = tempfile::Builder::new().prefix(".simulator-").tempfile_in(&folder).ok()?;
    serde_json::to_writer(&mut file, &running).ok()?;
    let path = folder.join(format!("{PREFIX}{}-{}.json", running.started_at, address.port()));
    file.persist(&path).ok()?;
    Some(Announcement { path })
}

fn withdraw(path: &Path) {
    let _ = std::fs::remove_file(path);
    for extension in ["sqlite", "sqlite-wal", "sqlite-shm"] {
        let _ = std::fs::remove_file(path.with_extension(extension));
    }
}

/// The simulators that were announced, the newest first, each with the file that says so.
fn announced(folder: &Path) -> Vec<(PathBuf, Running)> {
    let is_announcement = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(".json"))
    };
    let paths = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<(PathBuf, Running)> =
        paths.filter(is_announcement).filter_map(|path| Some((path.clone(), read(&path)?))).collect();
    found.sort_by_key(|(_, running)| std::cmp::Reverse(running.started_at));
    found.truncate(SIMULATORS_MAX);
    found
}

/// The settings for the simulator that `--simulate` asks for, and its handle where it ends with this command.
///
/// # Errors
/// `internal` when a simulator does not start.
pub async fn with_simulator(config: Config, printer: &Printer) -> Result<(Config, Option<Handle>)> {
    if !config.simulate {
        return Ok((config, None));
    }
    if let Some((path, running)) = running().await {
        printer.note("This is the simulator that `pdfco simulate` runs: credits are not real, samples say that they are samples.");
        let ledger = Some(path.with_extension("sqlite"));
        return Ok((config.simulated(&format!("http://{}", running.address), &running.key, ledger)?, None));
    }
    let options = simulator::Options { life: USUAL_LIFE, ..simulator::Options::default() };
    let simulator = simulator::spawn(options).await?;
    printer.note(
        "This is the simulator: nothing leaves this machine, credits are not real, samples say that they are samples.",
    );
    Ok((config.simulated(simulator.url(), simulator::DEFAULT_KEY, None)?, Some(simulator)))
}

/// The newest of the simulators that were announced and answer.
async fn running() -> Option<(PathBuf, Running)> {
    for (path, running) in announced(&Folders::this_user().data?) {
        let answers = running.address.ip().is_loopback()
            && matches!(tokio::time::timeout(ANSWER_TIMEOUT, is_simulator(running.address)).await, Ok(Some(true)));
        if answers {
            return Some((path, running));
        }
    }
    None
}

fn read(path: &Path) -> Option<Running> {
    if std::fs::metadata(path).ok()?.len() > BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Whether a simulator answers there, and not something that got its port.
async fn is_simulator(address: SocketAddr) -> Option<bool> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET /simulator/stats HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.take(BYTES_MAX).read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8_lossy(&answer);
    Some(answer.starts_with("HTTP/1.1 200") && answer.contains("\"checks\"") && answer.contains("\"jobs\""))
}
