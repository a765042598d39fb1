-- 0002 accounts: the people side of a business.
--
--   departments, designations, staff_roles   the words a staff profile is described with
--   staff_profiles                           an employee: a member, or an alias with only a name
--   referrals                                codes that bring customers in; never deleted
--   customer_profiles                        what is known of a customer beyond the account
--
-- branches, the fourth word, are in 0001: memberships refer to them.
-- Reference indexes here are not partial, so the foreign key check can use them as well.

CREATE TABLE departments (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at   TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at   TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version      INTEGER NOT NULL DEFAULT 1,
    business_id  INTEGER NOT NULL REFERENCES businesses(id),
    created_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    name         TEXT    NOT NULL CHECK (length(name) <= 100),
    manager_id   INTEGER,
    parent_id    INTEGER,  -- longer cycles and a depth over 5 are refused in code

    deleted_at   TEXT             CHECK (length(deleted_at) = 24),
    deleted_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    CONSTRAINT departments_parent CHECK (parent_id <> id),
    FOREIGN KEY (business_id, manager_id) REFERENCES memberships (business_id, user_id),
    FOREIGN KEY (business_id, parent_id)  REFERENCES departments (business_id, id)
) STRICT;

CREATE UNIQUE INDEX departments_name_key ON departments (business_id, name) WHERE deleted_at IS NULL;
CREATE INDEX departments_manager_idx     ON departments (business_id, manager_id);
CREATE INDEX departments_parent_idx      ON departments (business_id, parent_id);

CREATE TABLE designations (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at   TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at   TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version      INTEGER NOT NULL DEFAULT 1,
    business_id  INTEGER NOT NULL REFERENCES businesses(id),
    created_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    name         TEXT    NOT NULL CHECK (length(name) <= 100),
    rank         INTEGER NOT NULL DEFAULT 100,  -- order in the org chart

    deleted_at   TEXT             CHECK (length(deleted_at) = 24),
    deleted_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id)
) STRICT;

CREATE UNIQUE INDEX designations_name_key ON designations (business_id, name) WHERE deleted_at IS NULL;

CREATE TABLE staff_roles (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid           TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at     TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at     TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version        INTEGER NOT NULL DEFAULT 1,
    business_id    INTEGER NOT NULL REFERENCES businesses(id),
    created_by     INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by     INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    title          TEXT    NOT NULL CHECK (length(title) <= 100),
    description    TEXT    NOT NULL DEFAULT '' CHECK (length(description) <= 2000),
    dashboard_url  TEXT             CHECK (length(dashboard_url) <= 255),
    tags           TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(tags) AND json_type(tags) = 'array'),
    -- capabilities given to holders
    grants         TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(grants) AND json_type(grants) = 'array'),

    deleted_at     TEXT             CHECK (length(deleted_at) = 24),
    deleted_by     INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id)
) STRICT;

CREATE UNIQUE INDEX staff_roles_title_key ON staff_roles (business_id, title) WHERE deleted_at IS NULL;

CREATE TABLE staff_profiles (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at      TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at      TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version         INTEGER NOT NULL DEFAULT 1,
    business_id     INTEGER NOT NULL REFERENCES businesses(id),
    created_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    user_id         INTEGER,
    name            TEXT             CHECK (length(name) <= 255),
    employee_no     TEXT             CHECK (length(employee_no) <= 30),
    department_id   INTEGER,
    designation_id  INTEGER,
    branch_id       INTEGER,
    role_id         INTEGER,
    assigned_to_id  INTEGER,  -- the supervisor; longer cycles are refused in code
    status          TEXT    NOT NULL DEFAULT 'active' CHECK (status = 'active' OR status = 'on_leave' OR status = 'left'),
    hired_on        TEXT             CHECK (length(hired_on) = 10),
    left_on         TEXT             CHECK (length(left_on) = 10),
    work_phone      TEXT             CHECK (length(work_phone) <= 20),
    notes           TEXT             CHECK (length(notes) <= 2000),  -- read by HR only

    deleted_at      TEXT             CHECK (length(deleted_at) = 24),
    deleted_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    CONSTRAINT staff_profiles_identity CHECK (user_id IS NOT NULL OR name IS NOT NULL),
    CONSTRAINT staff_profiles_left_on CHECK (left_on >= hired_on),
    CONSTRAINT staff_profiles_assigned_to CHECK (assigned_to_id <> user_id),
    FOREIGN KEY (business_id, user_id)        REFERENCES memberships (business_id, user_id),
    FOREIGN KEY (business_id, department_id)  REFERENCES departments (business_id, id),
    FOREIGN KEY (business_id, designation_id) REFERENCES designations (business_id, id),
    FOREIGN KEY (business_id, branch_id)      REFERENCES branches (business_id, id),
    FOREIGN KEY (business_id, role_id)        REFERENCES staff_roles (business_id, id),
    FOREIGN KEY (business_id, assigned_to_id) REFERENCES memberships (business_id, user_id)
) STRICT;

CREATE UNIQUE INDEX staff_profiles_user_key        ON staff_profiles (business_id, user_id)     WHERE user_id     IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX staff_profiles_employee_no_key ON staff_profiles (business_id, employee_no) WHERE employee_no IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX staff_profiles_created_at_idx  ON staff_profiles (business_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX staff_profiles_name_idx        ON staff_profiles (business_id, name, id)                 WHERE deleted_at IS NULL;
CREATE INDEX staff_profiles_hired_on_idx    ON staff_profiles (business_id, hired_on, id)             WHERE deleted_at IS NULL;
CREATE INDEX staff_profiles_status_idx      ON staff_profiles (business_id, status)                   WHERE deleted_at IS NULL;
CREATE INDEX staff_profiles_department_idx  ON staff_profiles (business_id, department_id);
CREATE INDEX staff_profiles_designation_idx ON staff_profiles (business_id, designation_id);
CREATE INDEX staff_profiles_branch_idx      ON staff_profiles (business_id, branch_id);
CREATE INDEX staff_profiles_role_idx        ON staff_profiles (business_id, role_id);
CREATE INDEX staff_profiles_assigned_to_idx ON staff_profiles (business_id, assigned_to_id);

CREATE TABLE referrals (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at   TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at   TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version      INTEGER NOT NULL DEFAULT 1,
    business_id  INTEGER NOT NULL REFERENCES businesses(id),
    created_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    code         TEXT    NOT NULL CHECK (length(code) BETWEEN 1 AND 50),
    referrer_id  INTEGER,

    UNIQUE (business_id, id),
    FOREIGN KEY (business_id, referrer_id) REFERENCES memberships (business_id, user_id)
) STRICT;

CREATE UNIQUE INDEX referrals_code_key ON referrals (business_id, code);
CREATE INDEX referrals_created_at_idx  ON referrals (business_id, created_at DESC, id DESC);
CREATE INDEX referrals_referrer_idx    ON referrals (business_id, referrer_id);

CREATE TABLE customer_profiles (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at      TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at      TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version         INTEGER NOT NULL DEFAULT 1,
    business_id     INTEGER NOT NULL REFERENCES businesses(id),
    created_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    user_id         INTEGER NOT NULL,
    referred_by_id  INTEGER,
    notes           TEXT             CHECK (length(notes) <= 2000),

    deleted_at      TEXT             CHECK (length(deleted_at) = 24),
    deleted_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    FOREIGN KEY (business_id, user_id)        REFERENCES memberships (business_id, user_id),
    FOREIGN KEY (business_id, referred_by_id) REFERENCES referrals (business_id, id)
) STRICT;

CREATE UNIQUE INDEX customer_profiles_user_key   ON customer_profiles (business_id, user_id)                   WHERE deleted_at IS NULL;
CREATE INDEX customer_profiles_created_at_idx    ON customer_profiles (business_id, created_at DESC, id DESC)  WHERE deleted_at IS NULL;
CREATE INDEX customer_profiles_referred_by_idx   ON customer_profiles (business_id, referred_by_id);
