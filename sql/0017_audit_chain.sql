-- 0017 audit chain: seals over the audit log, by which a change behind the program's back is found.
--
--   audit_keys    the keys of the seals, themselves sealed by the vault; one that was replaced stays, for what it sealed
--   audit_seals   each seals the entries after those of the seal before, up to last_id: an HMAC over them and that seal's hash
--
-- Ids may be missing in the log where a transaction was taken back; what counts is what a seal has seen. Neither table belongs to a
-- business: the log has entries of all of them and of none, in one order.

CREATE TABLE audit_keys (
    id       INTEGER PRIMARY KEY,
    made_at  TEXT    NOT NULL CHECK (length(made_at) = 24),
    -- 32 bytes; the context is this row
    key_enc  TEXT    NOT NULL CHECK (length(key_enc) <= 255)
) STRICT;

-- The vault seals a key anew when its own changes; nothing else of it changes, and none goes.
CREATE TRIGGER audit_keys_no_delete BEFORE DELETE ON audit_keys
BEGIN
    SELECT RAISE(ABORT, 'the keys of the audit log are kept');
END;

CREATE TABLE audit_seals (
    id         INTEGER PRIMARY KEY CHECK (id >= 1),  -- counts the seals, without gaps
    sealed_at  TEXT    NOT NULL CHECK (length(sealed_at) = 24),
    last_id    INTEGER NOT NULL,  -- the last entry that it seals
    entries    INTEGER NOT NULL CHECK (entries >= 1),  -- how many it seals
    key_id     INTEGER NOT NULL REFERENCES audit_keys(id),
    hash       TEXT    NOT NULL CHECK (length(hash) = 64)
) STRICT;

CREATE TRIGGER audit_seals_no_update BEFORE UPDATE ON audit_seals
BEGIN
    SELECT RAISE(ABORT, 'the seals of the audit log are append-only');
END;

CREATE TRIGGER audit_seals_no_delete BEFORE DELETE ON audit_seals
BEGIN
    SELECT RAISE(ABORT, 'the seals of the audit log are append-only');
END;
