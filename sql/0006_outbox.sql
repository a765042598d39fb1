-- 0006 outbox: what is to be done after a commit, stored in its transaction.
--
--   outbox  messages to people and programs, each sent after the commit, again when that fails
--   jobs    recurring work: when each is next due, and what came of it last
--
-- Neither has a uuid column, so neither is audited: a message may hold a code or a link that is nobody else's business.

CREATE TABLE outbox (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id   INTEGER          REFERENCES businesses(id),
    created_at    TEXT    NOT NULL CHECK (length(created_at) = 24),
    -- goes with every attempt, so that a receiver can tell a message that comes again
    message_id    TEXT    NOT NULL UNIQUE CHECK (length(message_id) = 36),
    -- the sender's own name for it: the same thing said twice is sent once
    key           TEXT             CHECK (length(key) BETWEEN 1 AND 255),
    channel       TEXT    NOT NULL CHECK (channel = 'email' OR channel = 'sms' OR channel = 'webhook'),
    recipient     TEXT    NOT NULL CHECK (length(recipient) BETWEEN 1 AND 2000),
    template      TEXT    NOT NULL CHECK (length(template) BETWEEN 1 AND 60),
    payload       TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(payload) AND json_type(payload) = 'object'),
    due_at        TEXT    NOT NULL CHECK (length(due_at) = 24),
    status        TEXT    NOT NULL DEFAULT 'pending' CHECK (status = 'pending' OR status = 'sending' OR status = 'sent'
                                                            OR status = 'failed' OR status = 'cancelled'),
    attempts      INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    last_error    TEXT             CHECK (length(last_error) <= 500),
    -- while it is being sent: later than this, whoever was sending it has gone
    locked_until  TEXT             CHECK (length(locked_until) = 24),
    sent_at       TEXT             CHECK (length(sent_at) = 24),

    CONSTRAINT outbox_lock CHECK ((status = 'sending') = (locked_until IS NOT NULL)),
    CONSTRAINT outbox_sent CHECK ((status = 'sent') = (sent_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX outbox_key ON outbox (coalesce(business_id, 0), key) WHERE key IS NOT NULL;
CREATE INDEX outbox_due_at_idx       ON outbox (due_at, id)       WHERE status = 'pending';
CREATE INDEX outbox_locked_until_idx ON outbox (locked_until, id) WHERE status = 'sending';
CREATE INDEX outbox_failed_idx       ON outbox (id)               WHERE status = 'failed';
CREATE INDEX outbox_status_idx       ON outbox (status, created_at);

CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 60),
    next_run_at   TEXT    NOT NULL CHECK (length(next_run_at) = 24),
    last_run_at   TEXT             CHECK (length(last_run_at) = 24),
    last_status   TEXT             CHECK (last_status IN ('done', 'failed')),
    -- what it did, or why it could not
    last_result   TEXT             CHECK (length(last_result) <= 500),
    locked_until  TEXT             CHECK (length(locked_until) = 24),
    runs          INTEGER NOT NULL DEFAULT 0 CHECK (runs >= 0)
) STRICT;
