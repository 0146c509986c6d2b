//! The wish of the system or of a person that the program ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A person, with Ctrl-C.
    Interrupt,
    /// The system or another program: SIGTERM; on Windows Ctrl-Break, the closed console, the shutdown.
    Terminate,
    /// The terminal or the connection to it was closed: SIGHUP.
    HangUp,
}

/// How long the program may take to notice the wish: one that is blocked does not.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long it may take to end after that, in all.
const END_TIMEOUT: Duration = Duration::from_secs(25);

/// Set once the program has begun to end.
static IS_NOTICED: AtomicBool = AtomicBool::new(false);

/// Waits until this program is asked to stop. Where a signal cannot be listened to, the system's own action for it
/// stays, which ends the program.
pub async fn asked_to_stop() -> Stop {
    let stop = signalled().await;
    IS_NOTICED.store(true, Ordering::Relaxed);
    stop
}

/// Starts a thread that ends the process by calling `end` when it was asked to stop and did not: at once when it is asked
/// again, soon when it did not even notice, and at last when its end takes too long.
pub fn force_end(end: impl FnOnce(Stop) + Send + 'static) {
    let watching = std::thread::Builder::new().name("signals".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => end(runtime.block_on(overdue())),
            Err(error) => tracing::warn!(%error, "a blocked program cannot be ended by a signal"),
        }
    });
    if let Err(error) = watching {
        tracing::warn!(%error, "a blocked program cannot be ended by a signal");
    }
}

/// Returns when the process has to be ended.
async fn overdue() -> Stop {
    let stop = signalled().await;
    let again = async {
        signalled().await;
    };
    let late = async {
        tokio::time::sleep(NOTICE_TIMEOUT).await;
        if IS_NOTICED.load(Ordering::Relaxed) {
            tokio::time::sleep(END_TIMEOUT.saturating_sub(NOTICE_TIMEOUT)).await;
        }
    };
    tokio::select! {
        () = again => {}
        () = late => {}
    }
    stop
}

async fn signalled() -> Stop {
    tokio::select! {
        () = interrupted() => Stop::Interrupt,
        () = terminated() => Stop::Terminate,
        () = hung_up() => Stop::HangUp,
    }
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminated() {
    signal(tokio::signal::unix::SignalKind::terminate()).await;
}

#[cfg(unix)]
async fn hung_up() {
    if is_hangup_ignored() {
        std::future::pending::<()>().await;
    }
    signal(tokio::signal::unix::SignalKind::hangup()).await;
}

#[cfg(not(unix))]
async fn hung_up() {
    std::future::pending().await
}

#[cfg(unix)]
async fn signal(kind: tokio::signal::unix::SignalKind) {
    match tokio::signal::unix::signal(kind) {
        Ok(mut signals) => drop(signals.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Whether the program was started to outlive its terminal, as by `nohup`: listening would undo that.
#[cfg(target_os = "linux")]
fn is_hangup_ignored() -> bool {
    static IS_IGNORED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *IS_IGNORED.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        // The lowest bit is signal 1, SIGHUP.
        ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
    })
}

/// Where the system does not say, a program with its output in a file may be meant to go on; the system's own action for
/// the signal stays.
#[cfg(all(unix, not(target_os = "linux")))]
fn is_hangup_ignored() -> bool {
    use std::io::IsTerminal;
    !std::io::stdout().is_terminal() && !std::io::stderr().is_terminal()
}

/// The system gives a program some seconds after each of these, which is more than the end takes.
#[cfg(windows)]
async fn terminated() {
    use tokio::signal::windows::{ctrl_break, ctrl_close, ctrl_shutdown};
    match (ctrl_break(), ctrl_close(), ctrl_shutdown()) {
        (Ok(mut by_key), Ok(mut by_window), Ok(mut by_system)) => tokio::select! {
            _ = by_key.recv() => {}
            _ = by_window.recv() => {}
            _ = by_system.recv() => {}
        },
        _ => std::future::pending().await,
    }
}
