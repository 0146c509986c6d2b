-- Whose jobs (tenant), and whose key and credits (account). Both are kept as HMACs under the secret in `meta`, which is
-- made when this step has been taken; what earlier versions wrote is rewritten then.
ALTER TABLE jobs RENAME COLUMN caller TO tenant;
ALTER TABLE jobs ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN seq BIGINT NOT NULL DEFAULT 0; -- the order in which a tenant's jobs were submitted
ALTER TABLE tasks RENAME COLUMN caller TO tenant;
ALTER TABLE spending RENAME COLUMN caller TO tenant;
ALTER TABLE spending ADD COLUMN counted BIGINT NOT NULL DEFAULT 0; -- what of `credits` counts for the budget
ALTER TABLE pace RENAME COLUMN caller TO account;

UPDATE jobs SET account = tenant, seq = rowid;
UPDATE jobs SET changed_at = COALESCE(completed_at, last_checked_at, submitted_at, created_at) WHERE changed_at = 0;
UPDATE spending SET counted = credits WHERE credits > 0;

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- The newest balance that the service reported for an account.
CREATE TABLE balances (
    account TEXT   NOT NULL PRIMARY KEY,
    credits BIGINT NOT NULL,
    told_at BIGINT NOT NULL
);
INSERT INTO balances (account, credits, told_at)
    SELECT account, credits_remaining, MAX(COALESCE(last_checked_at, submitted_at, created_at)) FROM jobs
    WHERE credits_remaining IS NOT NULL GROUP BY account;

-- Credits set aside for requests whose charge is not known yet: they count for the budget of their day.
CREATE TABLE reservations (
    id       TEXT   NOT NULL PRIMARY KEY, -- the intent of a submit, or an id of its own
    tenant   TEXT   NOT NULL,
    day      TEXT   NOT NULL,
    credits  BIGINT NOT NULL,
    expected BIGINT NOT NULL,             -- what of it stays set aside when the service accepted the request
    at       BIGINT NOT NULL
);
CREATE INDEX reservations_by_day ON reservations (tenant, day);

-- What one request of an operation was charged, by account: the largest and the last.
CREATE TABLE tariffs (
    account   TEXT   NOT NULL,
    operation TEXT   NOT NULL,
    highest   BIGINT NOT NULL,
    latest    BIGINT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (account, operation)
);

-- What ended jobs were charged, to learn how an account is billed.
CREATE TABLE prices (
    intent_id      TEXT   NOT NULL PRIMARY KEY,
    account        TEXT   NOT NULL,
    operation      TEXT   NOT NULL,
    pages          BIGINT,
    submit_credits BIGINT,
    check_credits  BIGINT,
    checks         BIGINT NOT NULL,
    at             BIGINT NOT NULL
);
CREATE INDEX prices_by_operation ON prices (account, operation, at);

-- Lists, in the order of submits; ids from elsewhere that the service did not know are left out.
CREATE INDEX jobs_listed ON jobs (tenant, seq) WHERE NOT (status = 'unknown' AND operation = '');
CREATE INDEX jobs_by_status ON jobs (tenant, status, seq);
CREATE INDEX jobs_by_seq ON jobs (tenant, seq);
DROP INDEX jobs_by_created_at;
-- What is forgotten, and links that expire.
CREATE INDEX jobs_ended ON jobs (changed_at) WHERE status IN ('success', 'failed', 'aborted', 'unknown', 'cancelled');
CREATE INDEX jobs_links ON jobs (links_expire_at) WHERE links_expire_at > 0;
