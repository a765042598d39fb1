-- 0001 core: who uses the system, for which business, and what they changed.
--
--   users            people who can sign in; one row per person, whatever the number of businesses
--   businesses       the tenants
--   branches         places of a business, with their opening hours (branch_hours)
--   memberships      a user's role in a business; ended, never deleted
--   refresh_tokens   sessions
--   audit_log        who changed what; append-only
--
-- Conventions of all migrations
--   Tables are STRICT. Times are UTC text of one width, `2026-11-21T20:54:12.781Z`, so text order is time order;
--   dates are `2026-11-21`. Their length is checked because a value of another width would sort wrongly.
--   Every table with deleted_at is soft-deleted: uniqueness and lists concern live rows, so those indexes are partial.
--   A choice is checked by `a = 'x' OR a = 'y'`: for an IN of three or more SQLite fills a temporary table at each INSERT.
--   `<table>_<field>_key` is the uniqueness of the API field <field>; `<table>_<column>_idx` is for reading only.
--
-- Composite foreign keys
--   A business-owned table is UNIQUE (business_id, id), no news as a fact, but required of a foreign key's target.
--   References between such tables name both columns, so a row of one business cannot point into another; one to a
--   person goes to memberships (business_id, user_id), so an assignee is a member. A NULL reference is not checked
--   (MATCH SIMPLE). They have no ON DELETE SET NULL, which would null business_id too: parents are soft-deleted.
--
-- Left without an index on purpose: created_by, updated_by, deleted_by. Only the physical deletion of a user would look
-- there, and users are soft-deleted.

CREATE TABLE users (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid               TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at         TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at         TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version            INTEGER NOT NULL DEFAULT 1,

    username           TEXT             CHECK (length(username) BETWEEN 1 AND 150),
    email              TEXT             CHECK (length(email) BETWEEN 1 AND 254),
    phone              TEXT             CONSTRAINT users_phone_e164
                                        CHECK (phone GLOB '+[0-9]*'
                                               AND length(phone) BETWEEN 8 AND 16
                                               AND substr(phone, 2) NOT GLOB '*[^0-9]*'),
    password_hash      TEXT             CHECK (length(password_hash) <= 255),  -- argon2id; NULL signs in by OTP only
    full_name          TEXT             CHECK (length(full_name) <= 150),
    -- clients of the originals expect two names; `instr` finds the space that is put behind the first
    first_name         TEXT    NOT NULL GENERATED ALWAYS AS
                                        (coalesce(substr(full_name, 1, instr(full_name || ' ', ' ') - 1), '')) STORED,
    last_name          TEXT    NOT NULL GENERATED ALWAYS AS
                                        (coalesce(ltrim(substr(full_name, instr(full_name || ' ', ' ') + 1)), '')) STORED,
    neighborhood       TEXT             CHECK (length(neighborhood) <= 120),
    location           TEXT             CHECK (length(location) <= 255),
    bio                TEXT             CHECK (length(bio) <= 1000),
    email_verified_at  TEXT             CHECK (length(email_verified_at) = 24),
    phone_verified_at  TEXT             CHECK (length(phone_verified_at) = 24),
    is_active          INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    is_superuser       INTEGER NOT NULL DEFAULT 0 CHECK (is_superuser IN (0, 1)),
    language           TEXT    NOT NULL DEFAULT 'en' CHECK (length(language) <= 10),
    timezone           TEXT             CHECK (length(timezone) <= 50),  -- NULL: the business's
    preferences        TEXT    NOT NULL DEFAULT '{"dark_mode":true,"daily_summary":true}'
                                        CHECK (json_valid(preferences)),
    last_seen_at       TEXT             CHECK (length(last_seen_at) = 24),
    failed_logins      INTEGER NOT NULL DEFAULT 0 CHECK (failed_logins >= 0),
    locked_until       TEXT             CHECK (length(locked_until) = 24),
    -- +1 revokes every access token of the user
    token_epoch        INTEGER NOT NULL DEFAULT 0 CHECK (token_epoch >= 0),

    deleted_at         TEXT             CHECK (length(deleted_at) = 24),
    deleted_by         INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    CONSTRAINT users_identifier CHECK (username IS NOT NULL OR email IS NOT NULL OR phone IS NOT NULL)
) STRICT;

-- A lookup by one of them must repeat the whole WHERE, `username IS NOT NULL` included: SQLite does not infer it from
-- `lower(username) = ?`, and reads the whole table instead.
CREATE UNIQUE INDEX users_username_key ON users (lower(username)) WHERE username IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX users_email_key    ON users (lower(email))    WHERE email    IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX users_phone_key    ON users (phone)           WHERE phone    IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE businesses (
    id                         INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                       TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at                 TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at                 TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version                    INTEGER NOT NULL DEFAULT 1,

    name                       TEXT    NOT NULL CHECK (length(name) <= 150),
    slug                       TEXT    NOT NULL CHECK (length(slug) BETWEEN 1 AND 60 AND slug NOT GLOB '*[^a-z0-9-]*'),
    legal_name                 TEXT             CHECK (length(legal_name) <= 200),
    tax_number                 TEXT             CHECK (length(tax_number) <= 40),
    -- "today" always means this zone
    timezone                   TEXT    NOT NULL DEFAULT 'UTC' CHECK (length(timezone) <= 50),
    -- locked after the first posted entry
    currency                   TEXT    NOT NULL DEFAULT 'USD' CHECK (length(currency) = 3),
    country                    TEXT             CHECK (length(country) <= 2),
    locale                     TEXT    NOT NULL DEFAULT 'en' CHECK (length(locale) <= 10),
    address                    TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(address)),
    prices_include_tax         INTEGER NOT NULL DEFAULT 0 CHECK (prices_include_tax IN (0, 1)),
    invoice_due_days           INTEGER NOT NULL DEFAULT 14 CHECK (invoice_due_days BETWEEN 0 AND 365),
    number_formats             TEXT    NOT NULL DEFAULT '{"invoice":"INV-{YYYY}-{SEQ:4}","credit_note":"CN-{YYYY}-{SEQ:4}","receipt":"RCT-{YYYY}-{SEQ:4}","requisition":"REQ-{SEQ:4}","student":"STU-{SEQ:4}"}'
                                                CHECK (json_valid(number_formats)),
    requisition_self_approval  INTEGER NOT NULL DEFAULT 0 CHECK (requisition_self_approval IN (0, 1)),
    requisition_manager_limit  INTEGER          CHECK (abs(requisition_manager_limit) <= 9007199254740991),
    visit_radius_m             INTEGER NOT NULL DEFAULT 200 CHECK (visit_radius_m >= 0),
    visit_radius_enforced      INTEGER NOT NULL DEFAULT 0 CHECK (visit_radius_enforced IN (0, 1)),
    overlap_policy             TEXT    NOT NULL DEFAULT 'block' CHECK (overlap_policy IN ('block', 'warn')),
    books_locked_until         TEXT             CHECK (length(books_locked_until) = 10),
    response_format            TEXT    NOT NULL DEFAULT 'drf' CHECK (response_format IN ('drf', 'standard')),
    features                   TEXT    NOT NULL DEFAULT '{"field":true,"finance":true,"projects":true,"chat":true,"assistants":true,"content":true,"social":true,"institute":true,"citizen":true}'
                                                CHECK (json_valid(features)),
    settings                   TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(settings)),
    is_active                  INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),

    deleted_at                 TEXT             CHECK (length(deleted_at) = 24),
    deleted_by                 INTEGER          REFERENCES users(id) ON DELETE SET NULL
) STRICT;

CREATE UNIQUE INDEX businesses_slug_key ON businesses (slug) WHERE deleted_at IS NULL;

CREATE TABLE branches (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at      TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at      TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version         INTEGER NOT NULL DEFAULT 1,
    business_id     INTEGER NOT NULL REFERENCES businesses(id),
    created_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    name            TEXT    NOT NULL CHECK (length(name) <= 100),
    is_head_office  INTEGER NOT NULL DEFAULT 0 CHECK (is_head_office IN (0, 1)),
    phone           TEXT             CHECK (length(phone) <= 20),
    address         TEXT             CHECK (length(address) <= 255),
    lat             REAL             CHECK (lat BETWEEN -90 AND 90),
    lon             REAL             CHECK (lon BETWEEN -180 AND 180),

    deleted_at      TEXT             CHECK (length(deleted_at) = 24),
    deleted_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    CONSTRAINT branches_position CHECK ((lat IS NULL) = (lon IS NULL))
) STRICT;

-- branches_name_key is also the index of the default order, as in every table listed by name.
CREATE UNIQUE INDEX branches_name_key           ON branches (business_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX branches_is_head_office_key ON branches (business_id)       WHERE is_head_office = 1 AND deleted_at IS NULL;

-- The opening hours of a branch, in the order of `position`; rows owned by the branch and written with it.
CREATE TABLE branch_hours (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id  INTEGER NOT NULL,
    branch_id    INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    weekday      INTEGER NOT NULL CHECK (weekday BETWEEN 1 AND 7),  -- ISO: 1 is Monday
    opens        TEXT    NOT NULL CHECK (opens GLOB '[0-2][0-9]:[0-5][0-9]' AND opens <= '23:59'),
    closes       TEXT    NOT NULL CHECK (closes GLOB '[0-2][0-9]:[0-5][0-9]' AND closes <= '23:59'),

    UNIQUE (branch_id, weekday, opens),
    CONSTRAINT branch_hours_span CHECK (opens < closes),
    FOREIGN KEY (business_id, branch_id) REFERENCES branches (business_id, id)
) STRICT;

CREATE TABLE memberships (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid           TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at     TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at     TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version        INTEGER NOT NULL DEFAULT 1,
    business_id    INTEGER NOT NULL REFERENCES businesses(id),
    created_by     INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by     INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    user_id        INTEGER NOT NULL REFERENCES users(id),
    role           TEXT    NOT NULL DEFAULT 'citizen'
                                    CHECK (role = 'admin' OR role = 'manager' OR role = 'staff' OR role = 'agent' OR role = 'teacher'
                                           OR role = 'student' OR role = 'customer' OR role = 'citizen'),
    capabilities   TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(capabilities) AND json_type(capabilities) = 'array'),
    branch_id      INTEGER,  -- when set, lists of a manager or staff are limited to it
    status         TEXT    NOT NULL DEFAULT 'active' CHECK (status = 'invited' OR status = 'active' OR status = 'suspended'
                                                            OR status = 'ended'),
    invited_by_id  INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    joined_at      TEXT             CHECK (length(joined_at) = 24),
    ended_at       TEXT             CHECK (length(ended_at) = 24),

    UNIQUE (business_id, id),
    -- The target of every reference to a person: it must be a full constraint, not a partial index.
    CONSTRAINT memberships_user_key UNIQUE (business_id, user_id),
    FOREIGN KEY (business_id, branch_id) REFERENCES branches (business_id, id)
) STRICT;

CREATE INDEX memberships_created_at_idx ON memberships (business_id, created_at DESC, id DESC);
CREATE INDEX memberships_role_idx       ON memberships (business_id, role, status);
CREATE INDEX memberships_branch_idx     ON memberships (business_id, branch_id);
CREATE INDEX memberships_user_idx       ON memberships (user_id);

-- A refresh token is a JWT; only its jti is stored. A family is one sign-in and all its successors: using a used token
-- again revokes the family.
CREATE TABLE refresh_tokens (
    id             INTEGER PRIMARY KEY,
    jti            TEXT    NOT NULL UNIQUE CHECK (length(jti) = 32 AND jti NOT GLOB '*[^0-9a-f]*'),
    family         TEXT    NOT NULL CHECK (length(family) = 32 AND family NOT GLOB '*[^0-9a-f]*'),
    user_id        INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    business_id    INTEGER          REFERENCES businesses(id),
    rotates        INTEGER NOT NULL DEFAULT 1 CHECK (rotates IN (0, 1)),
    scope          TEXT    NOT NULL DEFAULT 'full' CHECK (scope IN ('full', 'citizen')),
    remember       INTEGER NOT NULL DEFAULT 0 CHECK (remember IN (0, 1)),
    issued_at      TEXT    NOT NULL CHECK (length(issued_at) = 24),
    expires_at     TEXT    NOT NULL CHECK (length(expires_at) = 24),
    used_at        TEXT             CHECK (length(used_at) = 24),
    replaced_by    TEXT             CHECK (length(replaced_by) = 32),  -- the successor's jti
    revoked_at     TEXT             CHECK (length(revoked_at) = 24),
    revoke_reason  TEXT             CHECK (length(revoke_reason) <= 40),
    ip             TEXT             CHECK (length(ip) <= 45),
    user_agent     TEXT             CHECK (length(user_agent) <= 255)
) STRICT;

CREATE INDEX refresh_tokens_family_idx     ON refresh_tokens (family);
CREATE INDEX refresh_tokens_user_idx       ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_expires_at_idx ON refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_revoked_at_idx ON refresh_tokens (revoked_at) WHERE revoked_at IS NOT NULL;

-- No foreign keys: an entry outlives whatever it speaks of, and deleting that must not touch the log.
CREATE TABLE audit_log (
    id           INTEGER PRIMARY KEY,
    business_id  INTEGER,
    at           TEXT    NOT NULL CHECK (length(at) = 24),
    actor_id     INTEGER,  -- NULL: the system itself
    action       TEXT    NOT NULL CHECK (length(action) <= 60),  -- `lead.update`
    target_type  TEXT    NOT NULL CHECK (length(target_type) <= 40),  -- the table's name
    target_id    INTEGER NOT NULL,
    before       TEXT             CHECK (before IS NULL OR json_valid(before)),  -- json_valid(NULL) may be 0
    after        TEXT             CHECK (after IS NULL OR json_valid(after)),
    ip           TEXT             CHECK (length(ip) <= 45),
    request_id   TEXT             CHECK (length(request_id) <= 64)
) STRICT;

CREATE INDEX audit_log_target_idx   ON audit_log (target_type, target_id, id);
CREATE INDEX audit_log_business_idx ON audit_log (business_id, id);

CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
