//! The connections to one database: as many as are needed, within a bound, kept for the next statement.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::super::health::ProblemKind;
use super::migrate;
use super::problem::found;

/// Most connections of one process.
const CONNECTIONS_MAX: usize = 10;
/// How long connecting may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts to connect to a server that restarts.
pub(super) const CONNECT_RETRY: Duration = Duration::from_millis(100);
/// A connection that was idle for longer is asked whether it lives.
const IDLE_TRUSTED: Duration = Duration::from_secs(1);
/// How long its answer may take.
const PING_PATIENCE: Duration = Duration::from_secs(2);
/// Connections older than this are replaced, so that a server that took another's place is met.
const LIFETIME: Duration = Duration::from_secs(600);
/// How long the server lets a statement run, a lock be waited for and a transaction stand still, whatever the client
/// does: a client that is gone must not keep the others waiting.
const SESSION: &str =
    "SET statement_timeout = '15s'; SET lock_timeout = '15s'; SET idle_in_transaction_session_timeout = '20s'";

struct Kept {
    connection: PgConnection,
    since: Instant,
    opened: Instant,
}

/// See the head of this file.
pub(super) struct Connections {
    options: PgConnectOptions,
    /// The name of this process, which its changes carry.
    process: String,
    /// The ledger's secret, by which another database under the same address is noticed.
    secret: Arc<[u8]>,
    places: Semaphore,
    idle: Mutex<Vec<Kept>>,
}

/// A connection that is in use. It is closed when it is dropped, unless it is given back.
pub(super) struct Taken<'p> {
    connection: PgConnection,
    opened: Instant,
    connections: &'p Connections,
    _place: SemaphorePermit<'p>,
}

impl Connections {
    /// Connections to the ledger with this secret, the first of them open already.
    pub(super) fn new(
        options: PgConnectOptions,
        process: String,
        secret: Arc<[u8]>,
        first: PgConnection,
    ) -> Connections {
        let now = Instant::now();
        Connections {
            options,
            process,
            secret,
            places: Semaphore::new(CONNECTIONS_MAX),
            idle: Mutex::new(vec![Kept { connection: first, since: now, opened: now }]),
        }
    }

    /// The secret of this ledger.
    pub(super) fn secret(&self) -> &Arc<[u8]> {
        &self.secret
    }

    /// A connection that lives.
    pub(super) async fn take(&self, deadline: Instant) -> sqlx::Result<Taken<'_>> {
        let place = match tokio::time::timeout_at(deadline, self.places.acquire()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(sqlx::Error::PoolClosed),
            Err(_) => return Err(sqlx::Error::PoolTimedOut),
        };
        loop {
            let kept = self.lock().pop();
            let Some(Kept { mut connection, since, opened }) = kept else { break };
            if opened.elapsed() > LIFETIME {
                continue;
            }
            if since.elapsed() > IDLE_TRUSTED {
                let until = deadline.min(Instant::now() + PING_PATIENCE);
                if !matches!(tokio::time::timeout_at(until, connection.ping()).await, Ok(Ok(()))) {
                    continue;
                }
            }
            return Ok(Taken { connection, opened, connections: self, _place: place });
        }
        let mut connection = connect(&self.options, &self.process, deadline).await?;
        self.refuse_other_ledger(&mut connection).await?;
        Ok(Taken { connection, opened: Instant::now(), connections: self, _place: place })
    }

    /// Closes all that are idle: they are as dead as the one that failed, or lead to the same server.
    pub(super) fn forget_idle(&self) {
        self.lock().clear();
    }

    /// Says goodbye to the server and closes.
    pub(super) async fn close(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.lock());
        for kept in idle {
            let _ = tokio::time::timeout(PING_PATIENCE, kept.connection.close()).await;
        }
    }

    /// Another database may have taken the place of the one that was opened, and a newer version its schema's.
    async fn refuse_other_ledger(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        let row = connection
            .fetch_one("SELECT (SELECT MAX(version) FROM pdfco_schema), (SELECT value FROM meta WHERE name = 'secret')")
            .await?;
        let (version, secret): (Option<i64>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        if version.is_some_and(|version| version > migrate::newest()) {
            return Err(found(ProblemKind::Newer));
        }
        if secret.is_none_or(|secret| secret.as_bytes() != &*self.secret) {
            return Err(found(ProblemKind::Replaced));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.idle.lock()
    }
}

impl Taken<'_> {
    /// The connection.
    pub(super) fn get(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Gives it back: it is fit for another statement.
    pub(super) fn keep(self) {
        let Taken { connection, opened, connections, _place } = self;
        connections.lock().push(Kept { connection, since: Instant::now(), opened });
    }
}

/// A new connection.
pub(super) async fn connect(
    options: &PgConnectOptions,
    process: &str,
    deadline: Instant,
) -> sqlx::Result<PgConnection> {
    let until = deadline.min(Instant::now() + CONNECT_PATIENCE);
    let connected = tokio::time::timeout_at(until, async {
        let mut connection = options.connect().await.map_err(|error| match error {
            // A handshake of TLS that failed: the certificate is not one to be trusted.
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => found(ProblemKind::Insecure),
            sqlx::Error::Io(_) => found(ProblemKind::Unreachable),
            error => error,
        })?;
        connection.execute(sqlx::raw_sql(SESSION)).await?;
        let name = sqlx::query("SELECT set_config('pdfco.process', $1, false)").bind(process);
        connection.execute(name).await?;
        Ok(connection)
    });
    connected.await.unwrap_or_else(|_| Err(found(ProblemKind::Unreachable)))
}
