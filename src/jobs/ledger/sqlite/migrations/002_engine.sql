-- Several processes on one ledger share looks and pace, and durations are learned.
ALTER TABLE jobs ADD COLUMN lease_holder TEXT;             -- the process that is looking right now
ALTER TABLE jobs ADD COLUMN lease_until BIGINT;            -- a process that died loses its lease by time
ALTER TABLE jobs ADD COLUMN changed_at BIGINT NOT NULL DEFAULT 0; -- last change of the row, for waiters elsewhere
ALTER TABLE jobs ADD COLUMN callback_hash TEXT;            -- of the secret in the callback's address
ALTER TABLE jobs ADD COLUMN told_by TEXT;                  -- what told the last state: check or callback
CREATE UNIQUE INDEX jobs_by_callback ON jobs (callback_hash) WHERE callback_hash IS NOT NULL;
CREATE INDEX jobs_by_changed_at ON jobs (caller, changed_at);

-- Requests of the last moments, by key: one pace for all processes.
CREATE TABLE pace (
    caller TEXT   NOT NULL,
    at     BIGINT NOT NULL
);
CREATE INDEX pace_by_caller ON pace (caller, at);

-- Fading sums of ln(seconds) by operation and size class (0: any size).
CREATE TABLE durations (
    operation TEXT             NOT NULL,
    bucket    BIGINT           NOT NULL,
    weight    DOUBLE PRECISION NOT NULL,
    mean      DOUBLE PRECISION NOT NULL,
    squares   DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (operation, bucket)
);
