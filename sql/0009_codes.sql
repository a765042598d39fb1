-- 0009 codes: what proves that an e-mail address or a telephone is somebody's.
--
--   email_tokens  the links of e-mails, each good once
--   proof_sends   which codes and links were asked for, as far as that limits what may be asked for next
--
-- One-time codes themselves are kept in memory. None of these tables has a uuid, so none is audited.

CREATE TABLE email_tokens (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at  TEXT    NOT NULL CHECK (length(created_at) = 24),
    -- NULL: nobody has the address that was asked for; the same work is done for it
    user_id     INTEGER          REFERENCES users(id) ON DELETE CASCADE,
    purpose     TEXT    NOT NULL CHECK (purpose = 'verify' OR purpose = 'reset' OR purpose = 'change' OR purpose = 'invite'),
    token_hash  TEXT    NOT NULL UNIQUE CHECK (length(token_hash) = 64),
    -- what it is about: the new address, the membership
    detail      TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(detail) AND json_type(detail) = 'object'),
    -- the account as it was: with another password or address the link is dead
    epoch       INTEGER NOT NULL,
    email       TEXT             CHECK (length(email) <= 254),
    expires_at  TEXT    NOT NULL CHECK (length(expires_at) = 24),
    used_at     TEXT             CHECK (length(used_at) = 24)
) STRICT;

CREATE INDEX email_tokens_user_id_idx    ON email_tokens (user_id, purpose);
CREATE INDEX email_tokens_expires_at_idx ON email_tokens (expires_at);

CREATE TABLE proof_sends (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at      TEXT    NOT NULL CHECK (length(created_at) = 24),
    channel         TEXT    NOT NULL CHECK (channel = 'sms' OR channel = 'email'),
    -- SHA-256 of the telephone number or the e-mail address, whether somebody has it or not
    recipient_hash  TEXT    NOT NULL CHECK (length(recipient_hash) = 64),
    -- who asked: an IPv4 address, or the /64 of an IPv6 address
    network         TEXT             CHECK (length(network) <= 45),
    -- too many wrong guesses at the code
    burned_at       TEXT             CHECK (length(burned_at) = 24)
) STRICT;

CREATE INDEX proof_sends_recipient_idx  ON proof_sends (recipient_hash, created_at);
CREATE INDEX proof_sends_network_idx    ON proof_sends (network, created_at);
CREATE INDEX proof_sends_created_at_idx ON proof_sends (created_at, channel);

-- later than this a message says nothing true any more: it is not sent
ALTER TABLE outbox ADD COLUMN expires_at TEXT CHECK (length(expires_at) = 24);

-- Another address or number is not the one that was proven, whoever writes it.
CREATE TRIGGER users_email_unverified AFTER UPDATE OF email ON users
WHEN lower(NEW.email) IS NOT lower(OLD.email) AND NEW.email_verified_at IS NOT NULL
BEGIN
    UPDATE users SET email_verified_at = NULL WHERE id = NEW.id;
END;

CREATE TRIGGER users_phone_unverified AFTER UPDATE OF phone ON users
WHEN NEW.phone IS NOT OLD.phone AND NEW.phone_verified_at IS NOT NULL
BEGIN
    UPDATE users SET phone_verified_at = NULL WHERE id = NEW.id;
END;
