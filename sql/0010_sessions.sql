-- 0010 sessions: what people see of their sign-ins, and how often somebody may try to become one.
--
--   refresh_tokens  + when the session was opened, and when a token that does not rotate was last used
--   auth_throttle   what is left of the budgets for guessing: of accounts, addresses and devices

ALTER TABLE refresh_tokens ADD COLUMN opened_at    TEXT CHECK (length(opened_at) = 24);
ALTER TABLE refresh_tokens ADD COLUMN last_used_at TEXT CHECK (length(last_used_at) = 24);

UPDATE refresh_tokens SET opened_at = (SELECT min(f.issued_at) FROM refresh_tokens AS f WHERE f.family = refresh_tokens.family);

-- Nobody reads a row for what it says of somebody: it is found by the hash of what it counts.
CREATE TABLE auth_throttle (
    id          INTEGER PRIMARY KEY,
    -- SHA-256 of the budget and of what it belongs to; the same for accounts that do not exist
    key         TEXT    NOT NULL UNIQUE CHECK (length(key) = 64),
    -- attempts since `since`
    count       INTEGER NOT NULL DEFAULT 0 CHECK (count >= 0),
    since       TEXT    NOT NULL CHECK (length(since) = 24),
    -- none before this
    until       TEXT             CHECK (length(until) = 24),
    -- how often `until` was set because of too many: each time for twice as long
    strikes     INTEGER NOT NULL DEFAULT 0 CHECK (strikes >= 0),
    -- from then on it says nothing any more
    expires_at  TEXT    NOT NULL CHECK (length(expires_at) = 24)
) STRICT;

CREATE INDEX auth_throttle_expires_at_idx ON auth_throttle (expires_at);
