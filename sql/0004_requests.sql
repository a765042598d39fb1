-- 0004 requests: what was answered to requests that may come again.
--
--   idempotency_keys  the answers to requests with an Idempotency-Key, stored in the transaction of what they did

CREATE TABLE idempotency_keys (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id   INTEGER          REFERENCES businesses(id),
    user_id       INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    key           TEXT    NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    -- SHA-256 of method, path, query and body
    request_hash  TEXT    NOT NULL CHECK (length(request_hash) = 64),
    status        INTEGER NOT NULL CHECK (status BETWEEN 200 AND 299),
    etag          TEXT,
    body          TEXT    NOT NULL,
    expires_at    TEXT    NOT NULL CHECK (length(expires_at) = 24)
) STRICT;

CREATE UNIQUE INDEX idempotency_keys_key ON idempotency_keys (user_id, coalesce(business_id, 0), key);
CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at);
