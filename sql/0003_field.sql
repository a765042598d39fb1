-- 0003 field: selling on the road.
--
--   zones               territories and who manages them
--   leads               possible customers, from prospect to won or lost
--   lead_stage_events   every change of a lead's stage
--   lead_actions        calls, demos, meetings with a lead
--   visits              planned and made, with check-in and check-out positions
--
-- Positions are REAL, the only floats of the model.

CREATE TABLE zones (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at   TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at   TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version      INTEGER NOT NULL DEFAULT 1,
    business_id  INTEGER NOT NULL REFERENCES businesses(id),
    created_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    name         TEXT    NOT NULL CHECK (length(name) <= 100),
    region       TEXT             CHECK (length(region) <= 100),
    manager_id   INTEGER,
    lat          REAL             CHECK (lat BETWEEN -90 AND 90),  -- the centre
    lon          REAL             CHECK (lon BETWEEN -180 AND 180),
    radius_m     INTEGER          CHECK (radius_m >= 0),
    color        TEXT             CHECK (length(color) <= 9),

    deleted_at   TEXT             CHECK (length(deleted_at) = 24),
    deleted_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    CONSTRAINT zones_position CHECK ((lat IS NULL) = (lon IS NULL)),
    FOREIGN KEY (business_id, manager_id) REFERENCES memberships (business_id, user_id)
) STRICT;

CREATE UNIQUE INDEX zones_name_key ON zones (business_id, name) WHERE deleted_at IS NULL;
CREATE INDEX zones_region_idx      ON zones (business_id, region) WHERE deleted_at IS NULL;
CREATE INDEX zones_manager_idx     ON zones (business_id, manager_id);

CREATE TABLE leads (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at          TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at          TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version             INTEGER NOT NULL DEFAULT 1,
    business_id         INTEGER NOT NULL REFERENCES businesses(id),
    created_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    business_name       TEXT    NOT NULL CHECK (length(business_name) <= 255),
    contact_name        TEXT    NOT NULL DEFAULT '' CHECK (length(contact_name) <= 100),
    contact_phone       TEXT    NOT NULL CHECK (length(contact_phone) <= 20),  -- as typed
    contact_email       TEXT             CHECK (length(contact_email) <= 254),
    -- contact_phone as E.164, to find duplicates; not in the API
    phone_norm          TEXT             CHECK (length(phone_norm) <= 16),
    email_norm          TEXT             CHECK (length(email_norm) <= 254),  -- contact_email likewise
    stage               TEXT    NOT NULL DEFAULT 'prospect'
                                         CHECK (stage = 'prospect' OR stage = 'qualified' OR stage = 'negotiation' OR stage = 'won'
                                                OR stage = 'lost'),
    status              TEXT    NOT NULL DEFAULT 'new'
                                         CHECK (status = 'new' OR status = 'interested' OR status = 'follow_up' OR status = 'quote_sent'
                                                OR status = 'closed_subscribed' OR status = 'closed_lost' OR status = 'on_hold'),
    source              TEXT             CHECK (source = 'field' OR source = 'referral' OR source = 'digital' OR source = 'inbound'
                                                OR source = 'other'),
    priority            TEXT    NOT NULL DEFAULT 'medium' CHECK (priority = 'low' OR priority = 'medium' OR priority = 'high'
                                                                 OR priority = 'urgent'),
    zone_id             INTEGER,
    assigned_rep_id     INTEGER,
    products_discussed  TEXT    NOT NULL DEFAULT '[]'
                                         CHECK (json_valid(products_discussed) AND json_type(products_discussed) = 'array'),
    tags                TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(tags) AND json_type(tags) = 'array'),
    notes               TEXT    NOT NULL DEFAULT '' CHECK (length(notes) <= 5000),
    location            TEXT    NOT NULL DEFAULT '' CHECK (length(location) <= 255),
    lat                 REAL             CHECK (lat BETWEEN -90 AND 90),
    lon                 REAL             CHECK (lon BETWEEN -180 AND 180),
    expected_value      INTEGER          CHECK (abs(expected_value) <= 9007199254740991),
    currency            TEXT    NOT NULL CHECK (length(currency) = 3),
    follow_up_type      TEXT             CHECK (follow_up_type = 'call' OR follow_up_type = 'demo' OR follow_up_type = 'meeting'
                                                OR follow_up_type = 'install' OR follow_up_type = 'checkin'),
    follow_up_date      TEXT             CHECK (length(follow_up_date) = 10),
    lost_reason         TEXT             CHECK (lost_reason = 'price' OR lost_reason = 'competitor' OR lost_reason = 'no_budget'
                                                OR lost_reason = 'no_answer' OR lost_reason = 'timing' OR lost_reason = 'other'),
    won_at              TEXT             CHECK (length(won_at) = 24),
    lost_at             TEXT             CHECK (length(lost_at) = 24),
    last_activity_at    TEXT             CHECK (length(last_activity_at) = 24),
    client_ref          TEXT             CHECK (length(client_ref) <= 36),

    deleted_at          TEXT             CHECK (length(deleted_at) = 24),
    deleted_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    CONSTRAINT leads_lost_reason CHECK (stage <> 'lost' OR lost_reason IS NOT NULL),
    CONSTRAINT leads_closed_status
        CHECK ((stage = 'won') = (status = 'closed_subscribed') AND (stage = 'lost') = (status = 'closed_lost')),
    CONSTRAINT leads_position CHECK ((lat IS NULL) = (lon IS NULL)),
    FOREIGN KEY (business_id, zone_id)         REFERENCES zones (business_id, id),
    FOREIGN KEY (business_id, assigned_rep_id) REFERENCES memberships (business_id, user_id)
) STRICT;

CREATE UNIQUE INDEX leads_client_ref_key ON leads (business_id, client_ref) WHERE client_ref IS NOT NULL AND deleted_at IS NULL;

-- The default order, then the filters, each in the default order.
CREATE INDEX leads_created_at_idx   ON leads (business_id, created_at DESC, id DESC)                  WHERE deleted_at IS NULL;
CREATE INDEX leads_stage_idx        ON leads (business_id, stage, created_at DESC, id DESC)           WHERE deleted_at IS NULL;
CREATE INDEX leads_status_idx       ON leads (business_id, status, created_at DESC, id DESC)          WHERE deleted_at IS NULL;
CREATE INDEX leads_priority_idx     ON leads (business_id, priority, created_at DESC, id DESC)        WHERE deleted_at IS NULL;
CREATE INDEX leads_zone_idx         ON leads (business_id, zone_id, created_at DESC, id DESC)         WHERE deleted_at IS NULL AND zone_id IS NOT NULL;
CREATE INDEX leads_assigned_rep_idx ON leads (business_id, assigned_rep_id, created_at DESC, id DESC) WHERE deleted_at IS NULL AND assigned_rep_id IS NOT NULL;
CREATE INDEX leads_created_by_idx   ON leads (business_id, created_by, created_at DESC, id DESC)      WHERE deleted_at IS NULL;

-- Other orders, and the search for duplicates.
CREATE INDEX leads_follow_up_date_idx   ON leads (business_id, follow_up_date, id)   WHERE deleted_at IS NULL AND follow_up_date IS NOT NULL;
CREATE INDEX leads_phone_norm_idx       ON leads (business_id, phone_norm)           WHERE deleted_at IS NULL AND phone_norm IS NOT NULL;
CREATE INDEX leads_email_norm_idx       ON leads (business_id, email_norm)           WHERE deleted_at IS NULL AND email_norm IS NOT NULL;

-- Written by the server, never changed; the one composite key that cascades, since an event is part of its lead.
CREATE TABLE lead_stage_events (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id  INTEGER NOT NULL,
    lead_id      INTEGER NOT NULL,
    -- NULL: the lead was created
    from_stage   TEXT             CHECK (from_stage = 'prospect' OR from_stage = 'qualified' OR from_stage = 'negotiation'
                                         OR from_stage = 'won' OR from_stage = 'lost'),
    to_stage     TEXT    NOT NULL CHECK (to_stage = 'prospect' OR to_stage = 'qualified' OR to_stage = 'negotiation' OR to_stage = 'won'
                                         OR to_stage = 'lost'),
    at           TEXT    NOT NULL CHECK (length(at) = 24),
    by_id        INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    FOREIGN KEY (business_id, lead_id) REFERENCES leads (business_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX lead_stage_events_lead_idx ON lead_stage_events (business_id, lead_id, id);

CREATE TABLE lead_actions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at      TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at      TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version         INTEGER NOT NULL DEFAULT 1,
    business_id     INTEGER NOT NULL REFERENCES businesses(id),
    created_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    lead_id         INTEGER NOT NULL,
    type            TEXT    NOT NULL CHECK (type = 'call' OR type = 'demo' OR type = 'meeting' OR type = 'install' OR type = 'checkin'
                                            OR type = 'message'),
    date            TEXT    NOT NULL CHECK (length(date) = 24),  -- a moment, despite its name
    notes           TEXT    NOT NULL DEFAULT '' CHECK (length(notes) <= 5000),
    outcome         TEXT    NOT NULL DEFAULT '' CHECK (length(outcome) <= 100),
    next_follow_up  TEXT             CHECK (length(next_follow_up) = 10),

    deleted_at      TEXT             CHECK (length(deleted_at) = 24),
    deleted_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    FOREIGN KEY (business_id, lead_id) REFERENCES leads (business_id, id)
) STRICT;

CREATE INDEX lead_actions_lead_idx       ON lead_actions (lead_id, date DESC, id DESC)                   WHERE deleted_at IS NULL;
CREATE INDEX lead_actions_date_idx       ON lead_actions (business_id, date DESC, id DESC)             WHERE deleted_at IS NULL;
CREATE INDEX lead_actions_type_idx       ON lead_actions (business_id, type, date DESC, id DESC)       WHERE deleted_at IS NULL;
CREATE INDEX lead_actions_created_by_idx ON lead_actions (business_id, created_by, date DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE visits (
    id                       INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                     TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at               TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at               TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version                  INTEGER NOT NULL DEFAULT 1,
    business_id              INTEGER NOT NULL REFERENCES businesses(id),
    created_by               INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by               INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    rep_id                   INTEGER NOT NULL,
    zone_id                  INTEGER,
    lead_id                  INTEGER,  -- the existing lead that was visited
    linked_lead_id           INTEGER,  -- the lead made from this visit
    location                 TEXT    NOT NULL DEFAULT '' CHECK (length(location) <= 255),
    date_time                TEXT    NOT NULL CHECK (length(date_time) = 24),  -- planned or actual
    business_name            TEXT    NOT NULL CHECK (length(business_name) <= 255),
    contact_name             TEXT    NOT NULL DEFAULT '' CHECK (length(contact_name) <= 100),
    contact_phone            TEXT    NOT NULL DEFAULT '' CHECK (length(contact_phone) <= 20),
    contact_email            TEXT             CHECK (length(contact_email) <= 254),
    products_discussed       TEXT    NOT NULL DEFAULT '[]'
                                              CHECK (json_valid(products_discussed) AND json_type(products_discussed) = 'array'),
    visit_outcome            TEXT             CHECK (visit_outcome = 'no_answer' OR visit_outcome = 'refusal'
                                                     OR visit_outcome = 'interested' OR visit_outcome = 'completed'
                                                     OR visit_outcome = 'sale_closed' OR visit_outcome = 'other'),
    feedback_notes           TEXT    NOT NULL DEFAULT '' CHECK (length(feedback_notes) <= 5000),
    next_step_agreed         TEXT    NOT NULL DEFAULT '' CHECK (length(next_step_agreed) <= 5000),
    follow_up_type           TEXT             CHECK (follow_up_type = 'call' OR follow_up_type = 'demo' OR follow_up_type = 'meeting'
                                                     OR follow_up_type = 'install' OR follow_up_type = 'checkin'),
    follow_up_date           TEXT             CHECK (length(follow_up_date) = 10),
    prompt_given             INTEGER NOT NULL DEFAULT 0 CHECK (prompt_given IN (0, 1)),
    customer_agreed_contact  INTEGER NOT NULL DEFAULT 1 CHECK (customer_agreed_contact IN (0, 1)),
    add_as_lead              INTEGER NOT NULL DEFAULT 0 CHECK (add_as_lead IN (0, 1)),
    code_verified            INTEGER NOT NULL DEFAULT 0 CHECK (code_verified IN (0, 1)),
    status                   TEXT    NOT NULL CHECK (status = 'planned' OR status = 'checked_in' OR status = 'completed'
                                                     OR status = 'cancelled'),
    check_in_at              TEXT             CHECK (length(check_in_at) = 24),
    check_out_at             TEXT             CHECK (length(check_out_at) = 24),
    check_in_lat             REAL             CHECK (check_in_lat BETWEEN -90 AND 90),
    check_in_lon             REAL             CHECK (check_in_lon BETWEEN -180 AND 180),
    check_in_accuracy_m      REAL             CHECK (check_in_accuracy_m >= 0),
    check_out_lat            REAL             CHECK (check_out_lat BETWEEN -90 AND 90),
    check_out_lon            REAL             CHECK (check_out_lon BETWEEN -180 AND 180),
    captured_at              TEXT             CHECK (length(captured_at) = 24),  -- device time of the fix
    -- closed by the server, 12 hours after check-in
    auto_closed              INTEGER NOT NULL DEFAULT 0 CHECK (auto_closed IN (0, 1)),
    client_ref               TEXT             CHECK (length(client_ref) <= 36),

    deleted_at               TEXT             CHECK (length(deleted_at) = 24),
    deleted_by               INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    CONSTRAINT visits_outcome CHECK (status <> 'completed' OR visit_outcome IS NOT NULL OR auto_closed = 1),
    CONSTRAINT visits_check_in CHECK (status <> 'checked_in' OR check_in_at IS NOT NULL),
    CONSTRAINT visits_check_out CHECK (check_out_at IS NULL OR check_in_at IS NOT NULL),
    CONSTRAINT visits_check_in_position CHECK ((check_in_lat IS NULL) = (check_in_lon IS NULL)),
    CONSTRAINT visits_check_out_position CHECK ((check_out_lat IS NULL) = (check_out_lon IS NULL)),
    FOREIGN KEY (business_id, rep_id)         REFERENCES memberships (business_id, user_id),
    FOREIGN KEY (business_id, zone_id)        REFERENCES zones (business_id, id),
    FOREIGN KEY (business_id, lead_id)        REFERENCES leads (business_id, id),
    FOREIGN KEY (business_id, linked_lead_id) REFERENCES leads (business_id, id)
) STRICT;

-- A visit makes at most one lead, a rep is checked in at one place at a time.
CREATE UNIQUE INDEX visits_linked_lead_key ON visits (business_id, linked_lead_id) WHERE linked_lead_id IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX visits_client_ref_key  ON visits (business_id, client_ref)     WHERE client_ref     IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX visits_check_in_at_key ON visits (business_id, rep_id)         WHERE status = 'checked_in'      AND deleted_at IS NULL;

CREATE INDEX visits_date_time_idx  ON visits (business_id, date_time DESC, id DESC)          WHERE deleted_at IS NULL;
CREATE INDEX visits_created_at_idx ON visits (business_id, created_at DESC, id DESC)         WHERE deleted_at IS NULL;
CREATE INDEX visits_rep_idx        ON visits (business_id, rep_id, date_time DESC, id DESC)  WHERE deleted_at IS NULL;
CREATE INDEX visits_zone_idx       ON visits (business_id, zone_id, date_time DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX visits_status_idx     ON visits (business_id, status, date_time DESC, id DESC)  WHERE deleted_at IS NULL;
CREATE INDEX visits_lead_idx       ON visits (business_id, lead_id, date_time DESC, id DESC) WHERE deleted_at IS NULL;
