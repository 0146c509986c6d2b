-- Sessions that another replica can take up.
CREATE TABLE sessions (
    id     TEXT NOT NULL PRIMARY KEY, -- digest of the session's id, which is a secret of its client
    tenant TEXT NOT NULL,             -- whose; empty for clients without a key, and where `state` has it
    state  TEXT   NOT NULL,                       -- JSON: what a replica that does not know the session needs
    began  BIGINT NOT NULL,
    used   BIGINT NOT NULL                        -- to within some minutes
);
CREATE INDEX sessions_by_used ON sessions (used);
CREATE INDEX sessions_by_tenant ON sessions (tenant, used);

-- Calls that spent or wrote something, and calls that were refused: who, with which client, what, and how it ended. No
-- arguments and no texts.
CREATE TABLE audit (
    id        TEXT NOT NULL PRIMARY KEY, -- random
    at        BIGINT NOT NULL,
    tenant    TEXT NOT NULL,             -- whose call: an HMAC under the secret in `meta`
    account   TEXT NOT NULL,             -- whose credits: an HMAC too; empty where no key was found
    client    TEXT   NOT NULL,             -- name and version as the client gives them
    tool      TEXT NOT NULL,
    operation TEXT,                      -- catalog name of the job
    job_id    TEXT,
    outcome   TEXT NOT NULL,             -- success, or the kind of the error
    credits   BIGINT                       -- reported for the call; null: never reported
);
CREATE INDEX audit_by_at ON audit (at);
CREATE INDEX audit_by_tenant ON audit (tenant, at);
