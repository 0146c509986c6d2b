-- The ledger on PostgreSQL, as that of SQLite at its fourth step. Times are milliseconds since 1970 (UTC). Applied files
-- are never edited; a change is a new file. Ids and words are compared byte by byte, as in SQLite.

-- The clock that all replicas share.
CREATE FUNCTION pdfco_now() RETURNS BIGINT LANGUAGE SQL VOLATILE AS
    $body$ SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) $body$;

CREATE TABLE jobs (
    intent_id           TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- ours, random, given before the request leaves
    job_id              TEXT COLLATE "C",                      -- the service's, once it accepted the job
    tenant              TEXT COLLATE "C" NOT NULL,             -- whose job: an HMAC under the secret in `meta`
    account             TEXT COLLATE "C" NOT NULL DEFAULT '',  -- whose key and credits: an HMAC too
    operation           TEXT COLLATE "C" NOT NULL,             -- catalog name; empty for a job seen first by its id
    arguments           TEXT   NOT NULL,                       -- JSON without passwords and without signatures of links
    request_hash        TEXT COLLATE "C" NOT NULL,             -- of the whole request, to notice the same one again
    client_request_id   TEXT COLLATE "C",                      -- the caller's own id for "never twice"
    status              TEXT COLLATE "C" NOT NULL,
    unrecognized_status TEXT,
    created_at          BIGINT NOT NULL,                       -- the intention
    submitted_at        BIGINT,                                -- the service accepted it
    started_at          BIGINT,                                -- first seen at work
    completed_at        BIGINT,                                -- seen in an end state
    last_checked_at     BIGINT,                                -- last live answer
    job_duration_ms     BIGINT,                                -- as reported by the service
    page_count          BIGINT,                                -- as reported by the service
    checks_made         BIGINT NOT NULL DEFAULT 0,
    check_credits       BIGINT,                                -- reported for checks; null: never reported
    submit_credits      BIGINT,                                -- reported for the submit; null: never reported
    credits_remaining   BIGINT,                                -- last balance reported
    content             TEXT,                                  -- the last JSON; links are taken out when they expire
    links_expire_at     BIGINT,
    problem             TEXT,                                  -- JSON of an error that left this row uncertain
    saved_to            TEXT,                                  -- JSON list of files that results were saved to
    lease_holder        TEXT,                                  -- the process that is checking right now
    lease_until         BIGINT,                                -- by the server's clock
    changed_at          BIGINT NOT NULL DEFAULT 0,             -- last change, by the clock of the process that made it
    callback_hash       TEXT COLLATE "C",                      -- of the secret in the callback's address
    told_by             TEXT,                                  -- what told the last state: check or callback
    seq                 BIGINT NOT NULL DEFAULT 0,             -- the order in which a tenant's jobs were submitted
    written_at          BIGINT NOT NULL DEFAULT pdfco_now()    -- last change, by the server's clock
);
CREATE UNIQUE INDEX jobs_by_job_id ON jobs (tenant, job_id) WHERE job_id IS NOT NULL;
CREATE UNIQUE INDEX jobs_by_client_request_id ON jobs (tenant, client_request_id) WHERE client_request_id IS NOT NULL;
CREATE UNIQUE INDEX jobs_by_callback ON jobs (callback_hash) WHERE callback_hash IS NOT NULL;
CREATE INDEX jobs_by_request_hash ON jobs (tenant, request_hash, created_at);
CREATE INDEX jobs_by_written_at ON jobs (tenant, written_at);
CREATE INDEX jobs_listed ON jobs (tenant, seq) WHERE NOT (status = 'unknown' AND operation = '');
CREATE INDEX jobs_by_status ON jobs (tenant, status, seq);
CREATE INDEX jobs_by_seq ON jobs (tenant, seq);
CREATE INDEX jobs_ended ON jobs (changed_at) WHERE status IN ('success', 'failed', 'aborted', 'unknown', 'cancelled');
CREATE INDEX jobs_links ON jobs (links_expire_at) WHERE links_expire_at > 0;

CREATE TABLE tasks (
    task_id        TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- ours, 128 random bits
    tenant         TEXT COLLATE "C" NOT NULL,
    tool           TEXT   NOT NULL,                       -- the tool that was called
    intent_id      TEXT COLLATE "C",                      -- the job whose end is the task's; null without a job
    follow_up      TEXT   NOT NULL,                       -- JSON: what is left to do once the job has ended
    credits_before BIGINT NOT NULL DEFAULT 0,             -- what the job had cost when the task began
    status         TEXT COLLATE "C" NOT NULL,
    message        TEXT,
    payload        TEXT,                                  -- JSON: result, error or open questions, without a job
    created_at     BIGINT NOT NULL,
    changed_at     BIGINT NOT NULL,
    ttl            BIGINT NOT NULL,                       -- how long an ended task is kept
    written_at     BIGINT NOT NULL DEFAULT pdfco_now()
);
CREATE INDEX tasks_by_created_at ON tasks (tenant, created_at, task_id);
CREATE INDEX tasks_by_written_at ON tasks (tenant, written_at);

-- What requests cost, by day (UTC) and operation: the spending summary and the daily budget.
CREATE TABLE spending (
    day       TEXT COLLATE "C" NOT NULL,
    tenant    TEXT COLLATE "C" NOT NULL,
    operation TEXT COLLATE "C" NOT NULL,
    requests  BIGINT NOT NULL DEFAULT 0,
    credits   BIGINT NOT NULL DEFAULT 0,
    counted   BIGINT NOT NULL DEFAULT 0, -- what of `credits` counts for the budget
    PRIMARY KEY (day, tenant, operation)
);

-- Requests of the last moments, by account and by the server's clock: one pace for all processes.
CREATE TABLE pace (
    account TEXT COLLATE "C" NOT NULL,
    at      BIGINT NOT NULL
);
CREATE INDEX pace_by_account ON pace (account, at);

-- Fading sums of ln(seconds) by operation and size class (0: any size).
CREATE TABLE durations (
    operation TEXT COLLATE "C" NOT NULL,
    bucket    BIGINT           NOT NULL,
    weight    DOUBLE PRECISION NOT NULL,
    mean      DOUBLE PRECISION NOT NULL,
    squares   DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (operation, bucket)
);

CREATE TABLE meta (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- The newest balance that the service reported for an account.
CREATE TABLE balances (
    account TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    credits BIGINT NOT NULL,
    told_at BIGINT NOT NULL
);

-- Credits set aside for requests whose charge is not known yet: they count for the budget of their day.
CREATE TABLE reservations (
    id       TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- the intent of a submit, or an id of its own
    tenant   TEXT COLLATE "C" NOT NULL,
    day      TEXT COLLATE "C" NOT NULL,
    credits  BIGINT NOT NULL,
    expected BIGINT NOT NULL,                       -- what of it stays set aside when the service accepted the request
    at       BIGINT NOT NULL
);
CREATE INDEX reservations_by_day ON reservations (tenant, day);

-- What one request of an operation was charged, by account: the largest and the last.
CREATE TABLE tariffs (
    account   TEXT COLLATE "C" NOT NULL,
    operation TEXT COLLATE "C" NOT NULL,
    highest   BIGINT NOT NULL,
    latest    BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (account, operation)
);

-- What ended jobs were charged, to learn how an account is billed.
CREATE TABLE prices (
    intent_id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account        TEXT COLLATE "C" NOT NULL,
    operation      TEXT COLLATE "C" NOT NULL,
    pages          BIGINT,
    submit_credits BIGINT,
    check_credits  BIGINT,
    checks         BIGINT NOT NULL,
    at             BIGINT NOT NULL
);
CREATE INDEX prices_by_operation ON prices (account, operation, at);

-- Waits on other replicas hear of a change: the channel carries whose it was and which process made it.
CREATE FUNCTION pdfco_stamp() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    NEW.written_at := pdfco_now();
    RETURN NEW;
END $body$;
CREATE FUNCTION pdfco_notify() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM pg_notify('pdfco_changes', COALESCE(current_setting('pdfco.process', true), '') || ' ' || NEW.tenant);
    RETURN NULL;
END $body$;
CREATE TRIGGER jobs_stamped BEFORE UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.changed_at IS DISTINCT FROM NEW.changed_at OR OLD.saved_to IS DISTINCT FROM NEW.saved_to)
    EXECUTE FUNCTION pdfco_stamp();
CREATE TRIGGER jobs_inserted AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION pdfco_notify();
CREATE TRIGGER jobs_changed AFTER UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.written_at IS DISTINCT FROM NEW.written_at) EXECUTE FUNCTION pdfco_notify();
CREATE TRIGGER tasks_stamped BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION pdfco_stamp();
CREATE TRIGGER tasks_changed AFTER INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION pdfco_notify();
