//! The wish of the system or of a person that the program ends.
//!
//! What lives here: [`asked_to_stop`], the only place that knows what the systems call it. What never does: ending
//! anything.

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A person, with Ctrl-C.
    Interrupt,
    /// The system or another program: SIGTERM; on Windows Ctrl-Break, the closed console, the shutdown.
    Terminate,
}

/// Waits until somebody asks this program to stop. Where a signal cannot be listened to, the system's own action for it
/// stays, which ends the program.
pub async fn asked_to_stop() -> Stop {
    tokio::select! {
        () = interrupted() => Stop::Interrupt,
        () = terminated() => Stop::Terminate,
    }
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(_) => std::future::pending().await,
    }
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
