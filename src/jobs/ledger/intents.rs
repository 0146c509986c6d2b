//! Intents: the row before a request is sent, and what became of the request.

use serde_json::Value;

use super::budget::{Admission, admit, refused};
use super::changes::{Accepted, Change, Owners};
use super::connection::Lock;
use super::intent::Intent;
use super::keyed::keyed;
use super::statement::statement;
use super::work::{Durability, Patience, work};
use super::{Ledger, Millis};
use crate::charge::Charge;
use crate::error::{Error, Result};
use crate::jobs::job::Job;
use crate::jobs::job_id::{IntentId, JobId};
use crate::tenant::Tenant;

/// Most generations of one input that are read.
const GENERATIONS_MAX: i64 = 1_000;

impl Intent {
    fn owner(&self) -> Owners {
        Owners { tenant: self.tenant.clone(), account: Some(self.account.clone()) }
    }
}

enum Inserted {
    Done,
    Exists,
    BeyondBudget { used: i64, limit: i64 },
}

impl Ledger {
    /// Writes an intent before its request is sent, synced, and sets aside what it may cost. Gives back the tenant's
    /// earlier job when its `client_request_id` was used before; then nothing is written.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written within fifteen seconds, `insufficient_credits` beyond the budget.
    pub async fn insert_intent(&self, intent: &Intent, admission: Option<Admission>) -> Result<Option<Job>> {
        let secret = self.writable_secret().await?;
        let (row, stored) = (intent.clone(), keyed(&secret, intent.tenant.as_str()));
        let account = keyed(&secret, intent.account.as_str());
        let work = work(move |mut connection| {
            Box::pin(async move {
                // The order of a tenant's jobs and its budget, on any replica.
                connection.lock(&[Lock::Tenant(&stored)]).await?;
                let query = statement(
                        "INSERT INTO jobs (intent_id, tenant, account, operation, arguments, request_hash, client_request_id, callback_hash,
                             status, created_at, changed_at, seq)
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'queued', $9, $9,
                             (SELECT COALESCE(MAX(seq), 0) + 1 FROM jobs WHERE tenant = $2))
                         ON CONFLICT DO NOTHING",
                    )
                    .bind(row.intent_id.as_str())
                    .bind(&stored)
                    .bind(account)
                    .bind(&row.operation)
                    .bind(row.arguments.to_string())
                    .bind(&row.request_hash)
                    .bind(&row.client_request_id)
                    .bind(&row.callback_hash)
                    .bind(row.at);
                if connection.execute(query).await? == 0 {
                    return Ok(Inserted::Exists);
                }
                let Some(admission) = admission else { return Ok(Inserted::Done) };
                if admit(&mut connection, &row.intent_id, &stored, admission, row.at).await? {
                    return Ok(Inserted::Done);
                }
                let undo = statement("DELETE FROM jobs WHERE intent_id = $1").bind(&row.intent_id);
                connection.execute(undo).await?;
                let used = super::budget::used(&mut connection, &stored, row.at).await?;
                Ok(Inserted::BeyondBudget { used, limit: admission.limit })
            })
        });
        let inserted = self.database.transaction(Patience::PAID, Durability::Synced, work).await;
        match self.watched(inserted) {
            Ok(Inserted::Done) => Ok(None),
            Ok(Inserted::BeyondBudget { used, limit }) => Err(refused(used, limit)),
            Ok(Inserted::Exists) => self.earlier(intent).await.map(Some),
            Err(error) => {
                if self.database.problem().is_some_and(|problem| problem.kind.leaves_doubt()) {
                    // It may still get through: it is withdrawn then.
                    self.pending.behind(Change::Withdrawn { intent_id: intent.intent_id.clone() });
                }
                Err(error)
            }
        }
    }

    async fn earlier(&self, intent: &Intent) -> Result<Job> {
        let earlier = match &intent.client_request_id {
            Some(id) => self.by_client_request_id(&intent.tenant, id).await?,
            None => None,
        };
        earlier.ok_or_else(|| Error::internal("Inserting the job conflicted with a row that cannot be found."))
    }

    /// Marks that the request of this intent is sent now, synced. `false` when it must not be: the intent was withdrawn
    /// or cancelled meanwhile.
    ///
    /// # Errors
    /// `ledger_unavailable` when that cannot be written: then nothing may be sent.
    pub async fn mark_sent(&self, intent_id: &IntentId, at: Millis) -> Result<bool> {
        let query = statement(
            "UPDATE jobs SET submitted_at = $2, changed_at = $2
             WHERE intent_id = $1 AND job_id IS NULL AND status <> 'cancelled'",
        )
        .bind(intent_id.as_str())
        .bind(at);
        let marked = self.database.write(Patience::PAID, Durability::Synced, query).await;
        Ok(self.watched(marked)? > 0)
    }

    /// Withdraws an intent whose request was not sent. `false` when it was: then nothing is changed.
    ///
    /// # Errors
    /// `ledger_unavailable` when it cannot be written.
    pub async fn withdraw(&self, intent_id: &IntentId) -> Result<bool> {
        let query = statement(
            "DELETE FROM jobs WHERE intent_id = $1 AND job_id IS NULL AND submitted_at IS NULL AND problem IS NULL",
        )
        .bind(intent_id.as_str());
        let withdrawn = self.database.write(Patience::PAID, Durability::Synced, query).await;
        Ok(self.watched(withdrawn)? > 0)
    }

    /// The service accepted the submit as `job_id`: id and charge are written together. The job is known from now on,
    /// whether or not the file can be written. It has failed and is without an id where another job of the tenant has it.
    pub async fn accepted(&self, intent: &Intent, job_id: JobId, content: &Value, charge: Charge, at: Millis) -> Job {
        self.accept(intent, Some(job_id), content, charge, at).await
    }

    /// The service did the work at once: the answer is the result.
    pub async fn finished_at_once(&self, intent: &Intent, content: &Value, charge: Charge, at: Millis) -> Job {
        self.accept(intent, None, content, charge, at).await
    }

    async fn accept(&self, intent: &Intent, job_id: Option<JobId>, content: &Value, charge: Charge, at: Millis) -> Job {
        let accepted =
            Accepted { intent: intent.clone(), owner: intent.owner(), job_id, content: content.clone(), charge, at };
        let job = accepted.job();
        match self.through(Change::Accepted(Box::new(accepted))).await {
            Some(row) => row.job(intent.tenant.clone()),
            None => job,
        }
    }

    /// The request failed, with this charge. A refusal leaves no row; an unknown fate stays as a trace, and what was set
    /// aside for it counts as spent.
    pub async fn not_accepted(&self, intent: &Intent, problem: &Error, charge: Charge, at: Millis) {
        let is_unknown = problem.is_fate_unknown();
        let change = Change::NotAccepted {
            intent_id: intent.intent_id.clone(),
            problem: is_unknown.then(|| problem.view()),
            charge,
            owner: intent.owner(),
            operation: intent.operation.clone(),
            at,
        };
        self.through(change).await;
    }

    /// The service's id of a job that had none yet.
    pub async fn named(&self, intent_id: &IntentId, job_id: &JobId) {
        self.through(Change::Named { intent_id: intent_id.clone(), job_id: job_id.clone() }).await;
    }

    /// The tenant's jobs whose `client_request_id` is `base` and a number, oldest first.
    pub async fn generations(&self, tenant: &Tenant, base: &str) -> Result<Vec<Job>> {
        let query = statement(
            "SELECT * FROM jobs WHERE tenant = $1 AND client_request_id >= $2 AND client_request_id < $3 ORDER BY seq LIMIT $4",
        )
        .bind(self.stored(tenant).await?)
        // Between the two are the ids that begin with `base-` and nothing else: '.' comes after '-'.
        .bind(format!("{base}-"))
        .bind(format!("{base}."))
        .bind(GENERATIONS_MAX);
        self.jobs(tenant, query).await
    }
}
