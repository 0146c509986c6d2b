-- One row per job, written before the request leaves. Times are milliseconds since 1970 (UTC).
-- Applied files are never edited; a change is a new file.
CREATE TABLE jobs (
    intent_id           TEXT    NOT NULL PRIMARY KEY, -- ours, random, given before the request leaves
    job_id              TEXT,                         -- the service's, once it accepted the job
    caller              TEXT    NOT NULL,             -- fingerprint of the key
    operation           TEXT    NOT NULL,             -- catalogue name; empty for a job seen first by its id
    arguments           TEXT    NOT NULL,             -- JSON without passwords and without signatures of links
    request_hash        TEXT    NOT NULL,             -- of the whole request, to notice the same one again
    client_request_id   TEXT,                         -- the caller's own id for "never twice"
    status              TEXT    NOT NULL,
    unrecognized_status TEXT,
    created_at          BIGINT  NOT NULL,             -- the intention
    submitted_at        BIGINT,                       -- the service accepted it
    started_at          BIGINT,                       -- first seen at work
    completed_at        BIGINT,                       -- seen in an end state
    last_checked_at     BIGINT,                       -- last live look
    job_duration_ms     BIGINT,                       -- as reported by the service
    page_count          BIGINT,                       -- as reported by the service
    checks_made         BIGINT  NOT NULL DEFAULT 0,
    check_credits       BIGINT,                       -- reported for checks; null: never reported
    submit_credits      BIGINT,                       -- reported for the submit; null: never reported
    credits_remaining   BIGINT,                       -- last balance reported
    content             TEXT,                         -- the service's last JSON; links are taken out when they expire
    links_expire_at     BIGINT,
    problem             TEXT,                         -- JSON of an error that left this row uncertain
    saved_to            TEXT                          -- JSON list of files that results were saved to
);
CREATE UNIQUE INDEX jobs_by_job_id ON jobs (caller, job_id) WHERE job_id IS NOT NULL;
CREATE UNIQUE INDEX jobs_by_client_request_id ON jobs (caller, client_request_id) WHERE client_request_id IS NOT NULL;
CREATE INDEX jobs_by_created_at ON jobs (caller, created_at, intent_id);
CREATE INDEX jobs_by_request_hash ON jobs (caller, request_hash, created_at);

-- What requests cost, by day (UTC) and operation: the spending summary and the daily budget.
CREATE TABLE spending (
    day       TEXT    NOT NULL,
    caller    TEXT    NOT NULL,
    operation TEXT    NOT NULL,
    requests  BIGINT  NOT NULL DEFAULT 0,
    credits   BIGINT  NOT NULL DEFAULT 0,
    PRIMARY KEY (day, caller, operation)
);
