-- rebuilds a table
--
-- What a lead has become is held by a reference as all others are, not by triggers: with a trigger on INSERT SQLite keeps copies of all
-- pages that the statement changes, a tenth of what storing a lead costs.

CREATE TABLE leads_as_they_were AS SELECT * FROM leads;
CREATE TABLE leads_sequence AS SELECT seq FROM sqlite_sequence WHERE name = 'leads';
DROP TABLE leads;

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
    party_id            INTEGER,

    UNIQUE (business_id, id),
    CONSTRAINT leads_lost_reason CHECK (stage <> 'lost' OR lost_reason IS NOT NULL),
    CONSTRAINT leads_closed_status
        CHECK ((stage = 'won') = (status = 'closed_subscribed') AND (stage = 'lost') = (status = 'closed_lost')),
    CONSTRAINT leads_position CHECK ((lat IS NULL) = (lon IS NULL)),
    FOREIGN KEY (business_id, zone_id)         REFERENCES zones (business_id, id),
    FOREIGN KEY (business_id, assigned_rep_id) REFERENCES memberships (business_id, user_id),
    FOREIGN KEY (business_id, party_id)        REFERENCES parties (business_id, id)
) STRICT;

INSERT INTO leads (
    id, uuid, created_at, updated_at, version, business_id, created_by, updated_by, business_name, contact_name, contact_phone,
    contact_email, phone_norm, email_norm, stage, status, source, priority, zone_id, assigned_rep_id, products_discussed, tags,
    notes, location, lat, lon, expected_value, currency, follow_up_type, follow_up_date, lost_reason, won_at, lost_at,
    last_activity_at, client_ref, deleted_at, deleted_by, party_id
)
SELECT
    id, uuid, created_at, updated_at, version, business_id, created_by, updated_by, business_name, contact_name, contact_phone,
    contact_email, phone_norm, email_norm, stage, status, source, priority, zone_id, assigned_rep_id, products_discussed, tags,
    notes, location, lat, lon, expected_value, currency, follow_up_type, follow_up_date, lost_reason, won_at, lost_at,
    last_activity_at, client_ref, deleted_at, deleted_by, party_id
FROM leads_as_they_were ORDER BY id;
-- Also numbers of rows that are gone are not given again.
DELETE FROM sqlite_sequence WHERE name = 'leads';
INSERT INTO sqlite_sequence (name, seq) SELECT 'leads', seq FROM leads_sequence;
DROP TABLE leads_as_they_were;
DROP TABLE leads_sequence;

CREATE UNIQUE INDEX leads_client_ref_key ON leads (business_id, client_ref)                                WHERE client_ref IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX leads_created_at_idx     ON leads (business_id, created_at DESC, id DESC)                  WHERE deleted_at IS NULL;
CREATE INDEX leads_stage_idx          ON leads (business_id, stage, created_at DESC, id DESC)           WHERE deleted_at IS NULL;
CREATE INDEX leads_status_idx         ON leads (business_id, status, created_at DESC, id DESC)          WHERE deleted_at IS NULL;
CREATE INDEX leads_priority_idx       ON leads (business_id, priority, created_at DESC, id DESC)        WHERE deleted_at IS NULL;
CREATE INDEX leads_zone_idx           ON leads (business_id, zone_id, created_at DESC, id DESC)         WHERE deleted_at IS NULL AND zone_id IS NOT NULL;
CREATE INDEX leads_assigned_rep_idx   ON leads (business_id, assigned_rep_id, created_at DESC, id DESC) WHERE deleted_at IS NULL AND assigned_rep_id IS NOT NULL;
CREATE INDEX leads_created_by_idx     ON leads (business_id, created_by, created_at DESC, id DESC)      WHERE deleted_at IS NULL;
CREATE INDEX leads_follow_up_date_idx ON leads (business_id, follow_up_date, id)                        WHERE deleted_at IS NULL AND follow_up_date IS NOT NULL;
CREATE INDEX leads_phone_norm_idx     ON leads (business_id, phone_norm)                                WHERE deleted_at IS NULL AND phone_norm IS NOT NULL;
CREATE INDEX leads_email_norm_idx     ON leads (business_id, email_norm)                                WHERE deleted_at IS NULL AND email_norm IS NOT NULL;
CREATE INDEX leads_party_idx          ON leads (business_id, party_id)                                  WHERE party_id IS NOT NULL;
CREATE INDEX leads_deleted_idx        ON leads (business_id, created_at DESC, id DESC)                  WHERE deleted_at IS NOT NULL;
CREATE INDEX leads_business_name_idx  ON leads (business_id, business_name, id)                         WHERE deleted_at IS NULL;
CREATE INDEX leads_zone_stage_idx     ON leads (business_id, zone_id, stage)                            WHERE deleted_at IS NULL AND zone_id IS NOT NULL;
