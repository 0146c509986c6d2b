//! The ledger in PostgreSQL: a database that the replicas of one deployment share.
//!
//! [`Database`] connects on first use, runs statements with a bound on how long they may wait, and keeps watch over the
//! server. A restart is waited for within that bound. A transaction whose end is not known is looked up by its number
//! before anything is written again.

mod connections;
mod listener;
mod migrate;
mod problem;
mod transaction;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Executor};
use tokio::sync::{Mutex as AsyncMutex, broadcast};
use tokio::time::Instant;

use connections::{CONNECT_RETRY, Connections, connect};
use listener::Listener;
pub(super) use listener::Subscription;
use transaction::Failure;

use super::connection::Stored;
use super::health::{Problem, ProblemKind};
use super::statement::{Statement, statement};
use super::work::{Durability, Patience, READ_PATIENCE, RETRY_EVERY, TransactionId, USUAL_PATIENCE, Work};
use crate::config::DatabaseUrl;
use crate::error::{Error, Result};

/// How long a read waits for a server that restarts.
const RESTART_PATIENCE: Duration = Duration::from_secs(5);

/// See the head of this file.
pub(super) struct Database {
    /// None when the address cannot be used; what is wrong with it is the problem then.
    options: Option<PgConnectOptions>,
    name: String,
    /// What the address names besides: certificates and keys.
    files: Vec<PathBuf>,
    /// The name of this process, which its changes carry.
    process: String,
    open: Mutex<Option<Arc<Connections>>>,
    /// One attempt to open at a time.
    opening: AsyncMutex<()>,
    /// When opening failed last.
    failed: Mutex<Option<Instant>>,
    problem: Mutex<Option<Problem>>,
    listener: Listener,
}

impl Database {
    /// The database at `url`; nothing is opened yet.
    pub(super) fn new(url: &DatabaseUrl) -> Database {
        let options = url.expose().parse::<PgConnectOptions>().ok();
        let options = options.map(|options| options.application_name("pdfco").disable_statement_logging());
        let process = uuid::Uuid::new_v4().simple().to_string();
        Database {
            listener: Listener::new(options.clone(), process.clone()),
            options,
            name: url.to_string(),
            files: url.files(),
            process,
            open: Mutex::default(),
            opening: AsyncMutex::default(),
            failed: Mutex::default(),
            problem: Mutex::default(),
        }
    }

    /// User, host, port and database.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether there are connections, and nothing is wrong with the server.
    pub(super) fn is_open(&self) -> bool {
        self.open.lock().is_some() && self.problem().is_none()
    }

    /// What is wrong with it, as of the last attempt to use it.
    pub(super) fn problem(&self) -> Option<Problem> {
        *self.problem.lock()
    }

    /// The secret under which tenants and accounts are kept; connects when there is no connection yet.
    pub(super) async fn secret(&self) -> Result<Arc<[u8]>> {
        let connections = self.connections(Instant::now() + USUAL_PATIENCE, false).await?;
        Ok(Arc::clone(connections.secret()))
    }

    /// Changes that other processes make to this tenant's jobs and tasks, from now on.
    pub(super) fn subscribe(&self, tenant: &str) -> Subscription {
        self.listener.subscribe(tenant)
    }

    /// The messages that other processes pass on from now on.
    pub(super) fn relayed(&self) -> broadcast::Receiver<Arc<str>> {
        self.listener.relayed()
    }

    /// The statement that passes `message` on to the other processes. A server takes less than 8000 bytes.
    pub(super) fn relay(&self, message: &str) -> Statement {
        statement("SELECT pg_notify($1, $2)").bind(listener::RELAY).bind(format!("{} {message}", self.process))
    }

    /// Rows of a statement that changes nothing. A connection that is lost is replaced, and a server that restarts is
    /// waited for a little.
    pub(super) async fn read<T: Stored>(&self, statement: Statement) -> Result<Vec<T>> {
        let began = Instant::now();
        let deadline = began + READ_PATIENCE;
        let is_patient = self.problem().is_none();
        let connections = self.connections(deadline, false).await?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let asked = tokio::time::timeout_at(deadline, read_once(&connections, deadline, statement.clone())).await;
            match asked.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut)) {
                Ok(rows) => {
                    self.is_reachable();
                    return Ok(rows);
                }
                Err(error) if problem::is_lost(&error) => {
                    connections.forget_idle();
                    let is_over = attempts > 1 && !(is_patient && began.elapsed() < RESTART_PATIENCE);
                    if is_over || !problem::is_passing(&error) {
                        return Err(self.note(&error));
                    }
                    if attempts > 1 {
                        tokio::time::sleep(CONNECT_RETRY).await;
                    }
                }
                Err(error) => return Err(self.note(&error)),
            }
        }
    }

    /// Runs `work` in a transaction: all of it is kept or nothing. It runs to its end whether or not the caller waits
    /// for it; after its time it is rolled back. `doubt` gets the number of a transaction whose end is not known.
    pub(super) async fn transaction<T: Send + 'static>(
        &self,
        patience: Patience,
        durability: Durability,
        work: Work<T>,
        doubt: Option<&mut Option<TransactionId>>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience.timeout;
        let connections = self.connections(deadline, patience.is_paid).await?;
        let is_patient = self.problem().is_none();
        // On its own: a caller that leaves must not leave half of it.
        let running =
            tokio::spawn(async move { transaction::run(&connections, durability, deadline, is_patient, work).await });
        match running.await {
            Ok(Ok(value)) => {
                self.is_fine();
                Ok(value)
            }
            Ok(Err(Failure { error, doubted })) => {
                if let (Some(doubt), Some(doubted)) = (doubt, doubted) {
                    *doubt = Some(doubted);
                }
                Err(self.note(&error))
            }
            Err(_) => Err(self.note(&sqlx::Error::WorkerCrashed)),
        }
    }

    /// Whether a transaction whose end was not known has been kept.
    ///
    /// # Errors
    /// `ledger_unavailable` when the server cannot be asked.
    pub(super) async fn was_kept(&self, doubted: &TransactionId) -> Result<bool> {
        let deadline = Instant::now() + USUAL_PATIENCE;
        let connections = self.connections(deadline, true).await?;
        match transaction::was_kept(&connections, doubted, deadline).await {
            Ok(was_kept) => Ok(was_kept),
            Err(error) => Err(self.note(&error)),
        }
    }

    /// Closes all connections. It connects again when it is used again.
    pub(super) async fn close(&self) {
        self.listener.stop();
        let open = self.open.lock().take();
        if let Some(connections) = open {
            connections.close().await;
        }
    }

    /// The connections; the first that asks opens them. Within a second after a failure only paid requests and the timer
    /// try again.
    async fn connections(&self, deadline: Instant, is_paid: bool) -> Result<Arc<Connections>> {
        if let Some(connections) = &*self.open.lock() {
            return Ok(Arc::clone(connections));
        }
        let Ok(_opening) = tokio::time::timeout_at(deadline, self.opening.lock()).await else {
            return Err(self.problem_or(ProblemKind::NoAnswer));
        };
        if let Some(connections) = &*self.open.lock() {
            return Ok(Arc::clone(connections));
        }
        let Some(options) = self.options.clone() else {
            return Err(self.note_problem(Problem::new(ProblemKind::Unreachable)));
        };
        if !is_paid && self.failed.lock().is_some_and(|at| at.elapsed() < RETRY_EVERY) {
            return Err(self.problem_or(ProblemKind::Unreachable));
        }
        // What is missing here would look like a server that is missing.
        if self.files.iter().any(|file| std::fs::File::open(file).is_err()) {
            *self.failed.lock() = Some(Instant::now());
            return Err(self.note_problem(Problem::new(ProblemKind::Insecure)));
        }
        match open(options, self.process.clone(), deadline).await {
            Ok(connections) => {
                let connections = Arc::new(connections);
                *self.open.lock() = Some(Arc::clone(&connections));
                self.is_reachable();
                Ok(connections)
            }
            Err(problem) => {
                *self.failed.lock() = Some(Instant::now());
                Err(self.note_problem(problem))
            }
        }
    }

    /// Counts a success: whatever was wrong is over.
    fn is_fine(&self) {
        if self.problem.lock().take().is_some() {
            tracing::info!("the ledger can be written again");
        }
    }

    /// Counts a read: the server is there, whether or not it can be written.
    fn is_reachable(&self) {
        let mut known = self.problem.lock();
        if known.is_some_and(|known| known.kind.is_of_connection()) {
            *known = None;
            tracing::info!("the ledger's database can be reached again");
        }
    }

    /// The error of a statement; a failure of the server is remembered as the ledger's problem.
    fn note(&self, error: &sqlx::Error) -> Error {
        match ProblemKind::of_postgres(error) {
            Some(kind) => self.note_problem(Problem::new(kind)),
            None => Error::internal("The ledger refused a statement.").with_source(error.to_string()),
        }
    }

    fn note_problem(&self, problem: Problem) -> Error {
        if problem.kind == ProblemKind::Standby {
            // Another server may be the primary by now: the next statement connects anew.
            if let Some(connections) = &*self.open.lock() {
                connections.forget_idle();
            }
        }
        let mut known = self.problem.lock();
        match &mut *known {
            Some(known) if known.kind == problem.kind => {}
            // Waiting for a connection while those that have one wait for a lock says no more than that it is held.
            Some(known) if known.kind == ProblemKind::Busy && problem.kind == ProblemKind::NoAnswer => {
                return known.error();
            }
            known => {
                let error = problem.error();
                tracing::warn!(database = %self.name, problem = %problem.kind, "{}", error.message());
                let since = known.as_ref().map_or(problem.since, |known| known.since);
                *known = Some(Problem { since, ..problem });
            }
        }
        problem.error()
    }

    fn problem_or(&self, kind: ProblemKind) -> Error {
        self.problem().unwrap_or_else(|| Problem::new(kind)).error()
    }
}

async fn open(
    options: PgConnectOptions,
    process: String,
    deadline: Instant,
) -> std::result::Result<Connections, Problem> {
    let opening = tokio::spawn(async move {
        let mut first = connect(&options, &process, deadline).await.map_err(|error| problem::problem_of(&error))?;
        let secret = migrate::migrate(&mut first).await?;
        Ok(Connections::new(options, process, secret, first))
    });
    match tokio::time::timeout_at(deadline, opening).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(_)) => Err(Problem::new(ProblemKind::ServerFailed)),
        Err(_) => Err(Problem::new(ProblemKind::NoAnswer)),
    }
}

async fn read_once<T: Stored>(
    connections: &Connections,
    deadline: Instant,
    statement: Statement,
) -> sqlx::Result<Vec<T>> {
    let mut taken = connections.take(deadline).await?;
    let mut rows = Vec::new();
    for (text, arguments) in statement.for_postgres()? {
        rows = taken.get().fetch_all(sqlx::query_with(text, arguments)).await?;
    }
    taken.keep();
    rows.iter().map(T::from_row).collect()
}
