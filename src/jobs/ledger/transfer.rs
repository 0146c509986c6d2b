//! A whole ledger as lines of JSON, from one database to another: every row, and the secret under which tenants and
//! accounts are kept, so that their jobs are found again.
//!
//! The first line says what it is, the last how many rows there were. The pace of the last moments and sessions stay behind.

use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::Ledger;
use super::backend::Backend;
use super::connection::{Connection, Lock};
use super::statement::{Argument, Statement, statement};
use super::work::{Durability, Patience, work};
use crate::error::{Error, Result};

/// Version of the lines.
const FORMAT: i64 = 1;
/// Rows that are read at once.
const PAGE: usize = 500;
/// Longest line: a row with the largest answer of the service.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// Rows that wait to be written.
const ROWS_WAITING_MAX: usize = 256;
/// How long an import may take.
const PATIENCE: Patience = Patience { timeout: std::time::Duration::from_secs(3_600), is_paid: true };

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Float,
}

/// A table: its name, how many of its first columns are its key, and all of them.
struct Table {
    name: &'static str,
    key: usize,
    columns: &'static [(&'static str, Kind)],
    /// Which rows go along; empty for all.
    condition: &'static str,
}

use Kind::{Float, Integer, Text};

const TABLES: &[Table] = &[
    Table {
        name: "meta",
        key: 1,
        columns: &[("name", Text), ("value", Text)],
        condition: "(name IN ('secret', 'clock_seen', 'clock_jumped') OR name LIKE 'service:%')",
    },
    Table {
        name: "jobs",
        key: 1,
        columns: &[
            ("intent_id", Text),
            ("job_id", Text),
            ("tenant", Text),
            ("account", Text),
            ("operation", Text),
            ("arguments", Text),
            ("request_hash", Text),
            ("client_request_id", Text),
            ("status", Text),
            ("unrecognized_status", Text),
            ("created_at", Integer),
            ("submitted_at", Integer),
            ("started_at", Integer),
            ("completed_at", Integer),
            ("last_checked_at", Integer),
            ("job_duration_ms", Integer),
            ("page_count", Integer),
            ("checks_made", Integer),
            ("check_credits", Integer),
            ("submit_credits", Integer),
            ("credits_remaining", Integer),
            ("content", Text),
            ("links_expire_at", Integer),
            ("problem", Text),
            ("saved_to", Text),
            ("changed_at", Integer),
            ("callback_hash", Text),
            ("told_by", Text),
            ("check_times", Text),
            ("seq", Integer),
        ],
        condition: "",
    },
    Table {
        name: "tasks",
        key: 1,
        columns: &[
            ("task_id", Text),
            ("tenant", Text),
            ("tool", Text),
            ("intent_id", Text),
            ("follow_up", Text),
            ("credits_before", Integer),
            ("status", Text),
            ("message", Text),
            ("payload", Text),
            ("created_at", Integer),
            ("changed_at", Integer),
            ("ttl", Integer),
        ],
        condition: "",
    },
    Table {
        name: "spending",
        key: 3,
        columns: &[
            ("day", Text),
            ("tenant", Text),
            ("operation", Text),
            ("requests", Integer),
            ("credits", Integer),
            ("counted", Integer),
        ],
        condition: "",
    },
    Table {
        name: "audit",
        key: 1,
        columns: &[
            ("id", Text),
            ("at", Integer),
            ("tenant", Text),
            ("account", Text),
            ("client", Text),
            ("tool", Text),
            ("operation", Text),
            ("job_id", Text),
            ("outcome", Text),
            ("credits", Integer),
        ],
        condition: "",
    },
    Table {
        name: "durations",
        key: 2,
        columns: &[("operation", Text), ("bucket", Integer), ("weight", Float), ("mean", Float), ("squares", Float)],
        condition: "",
    },
    Table {
        name: "balances",
        key: 1,
        columns: &[("account", Text), ("credits", Integer), ("told_at", Integer)],
        condition: "",
    },
    Table {
        name: "reservations",
        key: 1,
        columns: &[
            ("id", Text),
            ("tenant", Text),
            ("day", Text),
            ("credits", Integer),
            ("expected", Integer),
            ("at", Integer),
        ],
        condition: "",
    },
    Table {
        name: "tariffs",
        key: 2,
        columns: &[("account", Text), ("operation", Text), ("highest", Integer), ("latest", Integer), ("at", Integer)],
        condition: "",
    },
    Table {
        name: "prices",
        key: 1,
        columns: &[
            ("intent_id", Text),
            ("account", Text),
            ("operation", Text),
            ("pages", Integer),
            ("submit_credits", Integer),
            ("check_credits", Integer),
            ("checks", Integer),
            ("at", Integer),
        ],
        condition: "",
    },
];

impl Table {
    /// The page of rows, as JSON objects, after the one with this key.
    fn page(&self, backend: &Backend, after: Option<&Map<String, Value>>) -> Statement {
        let columns: Vec<(&str, bool)> = self.columns.iter().map(|(name, kind)| (*name, *kind == Float)).collect();
        let object = backend.json_object(&columns);
        let key: Vec<&str> = self.columns.iter().take(self.key).map(|(name, _)| *name).collect();
        let mut query = statement(format!("SELECT CAST({object} AS TEXT) FROM {}", self.name));
        if !self.condition.is_empty() {
            query = query.push(" WHERE ").push(self.condition);
        }
        if let Some(after) = after {
            query = query.push(if self.condition.is_empty() { " WHERE (" } else { " AND (" });
            query = query.push(&key.join(", ")).push(") > (");
            for (position, (name, kind)) in self.columns.iter().take(self.key).enumerate() {
                query = if position == 0 { query } else { query.push(", ") };
                query = query.push_bind(argument(*kind, after.get(*name)).unwrap_or(Argument::Text(None)));
            }
            query = query.push(")");
        }
        query.push(&format!(" ORDER BY {} LIMIT {PAGE}", key.join(", ")))
    }

    /// Writes a row.
    fn insert(&self, row: &Map<String, Value>) -> Result<Statement> {
        if row.keys().any(|name| !self.columns.iter().any(|(known, _)| known == name)) {
            return Err(not_ours("it has columns that this version does not know"));
        }
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let mut query = statement(format!("INSERT INTO {} ({}) VALUES (", self.name, names.join(", ")));
        for (position, (name, kind)) in self.columns.iter().enumerate() {
            query = if position == 0 { query } else { query.push(", ") };
            let value = argument(*kind, row.get(*name)).ok_or_else(|| not_ours("a row holds what it cannot hold"))?;
            query = query.push_bind(value);
        }
        // A new ledger has a secret of its own already.
        let end = ") ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        Ok(query.push(if self.name == "meta" { end } else { ")" }))
    }
}

fn argument(kind: Kind, value: Option<&Value>) -> Option<Argument> {
    Some(match (kind, value) {
        (Text, None | Some(Value::Null)) => Argument::Text(None),
        (Integer | Float, None | Some(Value::Null)) => Argument::Integer(None),
        (Text, Some(Value::String(text))) => Argument::from(text.as_str()),
        (Integer, Some(number)) => Argument::from(number.as_i64()?),
        (Float, Some(Value::String(number))) => Argument::from(number.parse::<f64>().ok()?),
        (Float, Some(number)) => Argument::from(number.as_f64()?),
        (Text, Some(_)) => return None,
    })
}

fn not_ours(why: &str) -> Error {
    Error::invalid(
        format!("The lines are not those of an exported ledger: {why}."),
        "Export the ledger again with the same version of pdfco, and import the whole of it.",
    )
}

fn failed(error: std::io::Error) -> Error {
    Error::invalid(
        format!("The exported ledger cannot be read or written: {}.", error.kind()),
        "Check the place of the file or the other end of the pipe, and the disk.",
    )
    .with_source(error)
}

impl Ledger {
    /// Writes all of it to `target` as lines of JSON. How many rows there were.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be read, `invalid_argument` when the target cannot be written.
    pub async fn export(&self, target: &mut (impl AsyncWrite + Unpin)) -> Result<u64> {
        self.flush(super::CLOSE_PATIENCE).await;
        // Opens it: there is a secret from here on.
        self.database.secret().await?;
        write_line(target, &json!({"pdfco_ledger": FORMAT})).await?;
        let mut count = 0;
        for table in TABLES {
            let mut last: Option<Map<String, Value>> = None;
            loop {
                let rows: Vec<(String,)> = self.database.read(table.page(&self.database, last.as_ref())).await?;
                let is_last = rows.len() < PAGE;
                for (text,) in rows {
                    let row: Map<String, Value> = serde_json::from_str(&text)
                        .map_err(|error| Error::internal("A row of the ledger is no JSON.").with_source(error))?;
                    write_line(target, &json!({"table": table.name, "row": row})).await?;
                    count += 1;
                    last = Some(row);
                }
                if is_last {
                    break;
                }
            }
        }
        write_line(target, &json!({"rows": count})).await?;
        target.flush().await.map_err(failed)?;
        Ok(count)
    }

    /// Reads what [`Ledger::export`] wrote into this ledger, which must be empty: all of it or nothing. How many rows
    /// there were.
    ///
    /// # Errors
    /// `invalid_argument` for lines that are not a whole ledger and for a ledger that is not empty, `ledger_unavailable`
    /// when it cannot be written.
    pub async fn import(&self, source: impl AsyncBufRead + Unpin + Send + 'static) -> Result<u64> {
        let (rows, written) = mpsc::channel(ROWS_WAITING_MAX);
        let reading = tokio::spawn(read_rows(source, rows));
        let work = work(move |mut connection| Box::pin(async move { write_rows(&mut connection, written).await }));
        let outcome = self.database.transaction(PATIENCE, Durability::Synced, work).await;
        let read = reading.await.unwrap_or_else(|_| Err(Error::internal("Reading the lines stopped in the middle.")));
        // What was read says more than that nothing was written because of it.
        let read = read?;
        if !outcome? {
            return Err(Error::invalid(
                "This ledger is not empty: nothing was imported.",
                "Set PDFCO_LEDGER to a new file or to an empty database.",
            ));
        }
        // It has another secret from now on.
        self.database.close().await;
        Ok(read)
    }
}

async fn write_line(target: &mut (impl AsyncWrite + Unpin), line: &Value) -> Result<()> {
    target.write_all(format!("{line}\n").as_bytes()).await.map_err(failed)
}

/// What is sent to the writer: the rows, and then that these were all.
enum Read {
    Row(Statement),
    End,
}

/// Reads lines to their end and sends their rows. How many there were.
async fn read_rows(mut source: impl AsyncBufRead + Unpin, rows: mpsc::Sender<Read>) -> Result<u64> {
    let first = next_line(&mut source).await?.ok_or_else(|| not_ours("there are none"))?;
    if first.get("pdfco_ledger").and_then(Value::as_i64) != Some(FORMAT) {
        return Err(not_ours("the first does not say so"));
    }
    let mut count: u64 = 0;
    while let Some(line) = next_line(&mut source).await? {
        if let Some(rows_written) = line.get("rows") {
            if rows_written.as_u64() != Some(count) {
                return Err(not_ours("rows are missing"));
            }
            let _ = rows.send(Read::End).await;
            return Ok(count);
        }
        let table = line.get("table").and_then(Value::as_str).unwrap_or_default();
        let table = TABLES.iter().find(|known| known.name == table).ok_or_else(|| not_ours("a table is not known"))?;
        let row = line.get("row").and_then(Value::as_object).ok_or_else(|| not_ours("a row is missing"))?;
        if rows.send(Read::Row(table.insert(row)?)).await.is_err() {
            // The writer has given up, and says why.
            return Ok(count);
        }
        count += 1;
    }
    Err(not_ours("the end is missing"))
}

async fn next_line(source: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Value>> {
    let mut line = Vec::new();
    let read = source.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await.map_err(failed)?;
    if read == 0 {
        return Ok(None);
    }
    // An editor or a shell may have put a byte order mark before the first.
    let text = crate::text::without_bom(&line);
    let parsed = serde_json::from_slice(text).map_err(|_| not_ours("a line is no JSON, or too long"))?;
    Ok(Some(parsed))
}

/// Writes rows into an empty ledger; `false` when it is not empty. Rows that end without an end are taken back.
async fn write_rows(connection: &mut Connection<'_>, mut rows: mpsc::Receiver<Read>) -> sqlx::Result<bool> {
    connection.lock(&[Lock::Changes]).await?;
    for table in TABLES.iter().filter(|table| table.name != "meta") {
        let count = statement(format!("SELECT COUNT(*) FROM {}", table.name));
        if connection.row::<(i64,)>(count).await?.is_some_and(|(count,)| count > 0) {
            return Ok(false);
        }
    }
    loop {
        match rows.recv().await {
            Some(Read::Row(insert)) => connection.execute(insert).await.map(drop)?,
            Some(Read::End) => return Ok(true),
            None => return Err(sqlx::Error::RowNotFound),
        }
    }
}
