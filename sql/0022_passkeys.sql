-- 0022 passkeys: keys that people's devices sign with (WebAuthn), to sign in by themselves or after a password.
--
--   passkeys       the public halves, and what is known of each
--   recovery_keys  what somebody's recovery codes are hashed under; the id is the person's. Codes of before this table are hashed under
--                  the seed of their authenticator app, until there are new ones

CREATE TABLE passkeys (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at     TEXT    NOT NULL CHECK (length(created_at) = 24),
    user_id        INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    name           TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- at most 1023 bytes, in base64url
    credential_id  TEXT    NOT NULL CHECK (length(credential_id) BETWEEN 1 AND 1364),
    -- a COSE key, in base64url
    public_key     TEXT    NOT NULL CHECK (length(public_key) BETWEEN 1 AND 2000),
    -- how often it was used, where the device counts that; a copy falls behind
    sign_count     INTEGER NOT NULL CHECK (sign_count BETWEEN 0 AND 4294967295),
    -- may it be, and is it, on several devices
    can_sync       INTEGER NOT NULL CHECK (can_sync IN (0, 1)),
    is_synced      INTEGER NOT NULL CHECK (is_synced IN (0, 1) AND is_synced <= can_sync),
    transports     TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(transports) AND json_type(transports) = 'array'),
    last_used_at   TEXT             CHECK (length(last_used_at) = 24)
) STRICT;

CREATE UNIQUE INDEX passkeys_credential_key ON passkeys (credential_id);
CREATE INDEX passkeys_user_idx ON passkeys (user_id);

CREATE TABLE recovery_keys (
    id          INTEGER PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
    created_at  TEXT    NOT NULL CHECK (length(created_at) = 24),
    secret_enc  TEXT    NOT NULL CHECK (length(secret_enc) BETWEEN 1 AND 500)
) STRICT;
