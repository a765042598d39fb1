-- 0011 factors: what people prove themselves with besides a password, and what machines do.
--
--   second_factors  an authenticator app's seed (TOTP); the id is the person's
--   recovery_codes  for whoever has lost it: good once
--   session_proofs  when somebody proved themselves in a session, if not only when it began, and by what
--   api_keys        what programs act with, in the name of whoever made them
--
-- A column whose name ends in `_enc` holds what the vault has sealed, for `<table>:<id>:<name>`: rotating its key finds it by that name.

CREATE TABLE second_factors (
    id            INTEGER PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
    created_at    TEXT    NOT NULL CHECK (length(created_at) = 24),
    secret_enc    TEXT    NOT NULL CHECK (length(secret_enc) BETWEEN 1 AND 500),
    confirmed_at  TEXT             CHECK (length(confirmed_at) = 24),  -- NULL: not switched on yet
    -- the newest step whose code was taken: neither it nor one before it is taken again
    last_step     INTEGER NOT NULL DEFAULT 0,
    -- wrong codes in one step, and on one day (days since 1970)
    failed_step   INTEGER NOT NULL DEFAULT 0,
    failures      INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    failed_day    INTEGER NOT NULL DEFAULT 0,
    day_failures  INTEGER NOT NULL DEFAULT 0 CHECK (day_failures >= 0)
) STRICT;

CREATE TABLE recovery_codes (
    id          INTEGER PRIMARY KEY,
    user_id     INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    -- HMAC-SHA-256 under the seed: 80 random bits need no slow hash, and without the vault's key there is nothing to try them on
    code_hash   TEXT    NOT NULL CHECK (length(code_hash) = 64),
    created_at  TEXT    NOT NULL CHECK (length(created_at) = 24),
    used_at     TEXT             CHECK (length(used_at) = 24)
) STRICT;

CREATE UNIQUE INDEX recovery_codes_key ON recovery_codes (user_id, code_hash);

CREATE TABLE session_proofs (
    id         INTEGER PRIMARY KEY,
    family     TEXT    NOT NULL UNIQUE CHECK (length(family) = 32),
    user_id    INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    proven_at  TEXT    NOT NULL CHECK (length(proven_at) = 24),
    -- authentication methods (RFC 8176)
    amr        TEXT    NOT NULL CHECK (length(amr) <= 40)
) STRICT;

CREATE INDEX session_proofs_user_idx ON session_proofs (user_id);

CREATE TABLE api_keys (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid          TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at    TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at    TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version       INTEGER NOT NULL DEFAULT 1,
    business_id   INTEGER NOT NULL REFERENCES businesses(id),

    -- whose rights it has, as far as its scopes go; no member when a superuser made it
    user_id       INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name          TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- how it begins, for telling it from others
    prefix        TEXT    NOT NULL CHECK (length(prefix) = 11),
    -- SHA-256: there is nothing to guess in 256 random bits
    key_hash      TEXT    NOT NULL UNIQUE CHECK (length(key_hash) = 64),
    scopes        TEXT    NOT NULL CHECK (json_valid(scopes) AND json_type(scopes) = 'array'),
    expires_at    TEXT             CHECK (length(expires_at) = 24),
    last_used_at  TEXT             CHECK (length(last_used_at) = 24),
    revoked_at    TEXT             CHECK (length(revoked_at) = 24),

    UNIQUE (business_id, id)
) STRICT;

CREATE INDEX api_keys_user_idx ON api_keys (user_id);
