-- What a client was promised: the outcome of a call, to be asked for later. Times are milliseconds since 1970 (UTC).
CREATE TABLE tasks (
    task_id        TEXT    NOT NULL PRIMARY KEY, -- ours, 128 random bits
    caller         TEXT    NOT NULL,             -- fingerprint of the key
    tool           TEXT    NOT NULL,             -- the tool that was called
    intent_id      TEXT,                         -- the job whose end is the task's; null for a task without a job
    follow_up      TEXT    NOT NULL,             -- JSON: what is left to do once the job has ended
    credits_before BIGINT  NOT NULL DEFAULT 0,   -- what the job had cost when the task began
    status         TEXT    NOT NULL,
    message        TEXT,
    payload        TEXT,                         -- JSON: result, error or open questions of a task without a job
    created_at     BIGINT  NOT NULL,
    changed_at     BIGINT  NOT NULL,
    ttl            BIGINT  NOT NULL              -- how long an ended task is kept
);
CREATE INDEX tasks_by_created_at ON tasks (caller, created_at, task_id);
CREATE INDEX tasks_by_changed_at ON tasks (caller, changed_at);
