-- 0012 people: who is asked to join a business, and what a business is set up with.
--
--   memberships   what an invitation says of somebody who has not accepted it
--   businesses    the logo
--   integrations  the services that a business uses, each with its own secret

-- The name that the inviter gave, and the e-mail address or telephone number that was written to. Until the invitation is accepted
-- this is all that the business knows: whether the person has an account already is not told.
ALTER TABLE memberships ADD COLUMN invited_name TEXT CHECK (length(invited_name) <= 150);
ALTER TABLE memberships ADD COLUMN invited_to   TEXT CHECK (length(invited_to) <= 254);

ALTER TABLE businesses ADD COLUMN logo_id INTEGER;
-- A column that is added can have no composite key, so these say that a logo is a file of the business.
CREATE TRIGGER businesses_logo_insert BEFORE INSERT ON businesses WHEN NEW.logo_id IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed: a logo is a file of the business');
END;

CREATE TRIGGER businesses_logo_update BEFORE UPDATE OF logo_id ON businesses
WHEN NEW.logo_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM files WHERE id = NEW.logo_id AND business_id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed: a logo is a file of the business');
END;

CREATE TABLE integrations (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at   TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at   TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version      INTEGER NOT NULL DEFAULT 1,
    business_id  INTEGER NOT NULL REFERENCES businesses(id),
    created_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    kind         TEXT    NOT NULL CHECK (kind = 'smtp' OR kind = 'sms' OR kind = 'llm' OR kind = 'webhook'),
    name         TEXT    NOT NULL CHECK (length(name) <= 100),
    config       TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(config)),
    -- sealed with the server's key; never answered
    secret_enc   TEXT             CHECK (length(secret_enc) <= 10000),
    -- its last characters, by which people know it
    secret_hint  TEXT             CHECK (length(secret_hint) <= 4),
    is_active    INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),

    deleted_at   TEXT             CHECK (length(deleted_at) = 24),
    deleted_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id)
) STRICT;

CREATE UNIQUE INDEX integrations_name_key ON integrations (business_id, kind, name) WHERE deleted_at IS NULL;
CREATE INDEX integrations_created_at_idx ON integrations (business_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
