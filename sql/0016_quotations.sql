-- 0016 quotations: what is offered, what is invoiced again and again, and what leads become.
--
--   quotations              offers to a party, with their items (quotation_items), which are also records of their own
--   recurring_invoices      what is invoiced again and again, with its items (recurring_invoice_items)
--   invoice_reminders       which reminder of an invoice was sent, so that none is sent twice
--
-- An invoice says what it was made from: a quotation makes one, a lead one, a recurring invoice one for each of its days; the indexes
-- see to that, whoever asks at the same time. SQLite adds no composite key to a table that is there: triggers keep these references
-- within the business, and as they are.

CREATE TABLE quotations (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at          TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at          TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version             INTEGER NOT NULL DEFAULT 1,
    business_id         INTEGER NOT NULL REFERENCES businesses(id),
    created_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    -- empty only within the transaction that makes the quotation
    quote_number        TEXT             CHECK (length(quote_number) BETWEEN 1 AND 50),
    party_id            INTEGER NOT NULL,
    description         TEXT    NOT NULL DEFAULT '' CHECK (length(description) <= 5000),
    issued_date         TEXT    NOT NULL CHECK (length(issued_date) = 10),
    valid_until         TEXT             CHECK (length(valid_until) = 10),
    -- that it has expired is told by the date
    state               TEXT    NOT NULL DEFAULT 'draft'
                                         CHECK (state = 'draft' OR state = 'sent' OR state = 'accepted' OR state = 'rejected'),
    currency            TEXT    NOT NULL CHECK (length(currency) = 3),
    prices_include_tax  INTEGER NOT NULL CHECK (prices_include_tax IN (0, 1)),
    discount_type       TEXT    NOT NULL DEFAULT 'none'
                                         CHECK (discount_type = 'none' OR discount_type = 'percent' OR discount_type = 'fixed'),
    -- ten-thousandths of a percent, or of the currency's major unit
    discount_value      INTEGER NOT NULL DEFAULT 0 CHECK (discount_value BETWEEN 0 AND 9007199254740991),
    subtotal            INTEGER NOT NULL CHECK (subtotal BETWEEN 0 AND 9007199254740991),
    discount_total      INTEGER NOT NULL CHECK (discount_total BETWEEN 0 AND 9007199254740991),
    tax_total           INTEGER NOT NULL CHECK (tax_total BETWEEN 0 AND 9007199254740991),
    total_amount        INTEGER NOT NULL CHECK (total_amount BETWEEN 0 AND 9007199254740991),
    terms               TEXT    NOT NULL DEFAULT '' CHECK (length(terms) <= 5000),
    sent_at             TEXT             CHECK (length(sent_at) = 24),
    accepted_at         TEXT             CHECK (length(accepted_at) = 24),
    rejected_at         TEXT             CHECK (length(rejected_at) = 24),

    deleted_at          TEXT             CHECK (length(deleted_at) = 24),
    deleted_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    CONSTRAINT quotations_total CHECK (total_amount = subtotal + tax_total),
    CONSTRAINT quotations_valid_until CHECK (valid_until >= issued_date),
    FOREIGN KEY (business_id, party_id) REFERENCES parties (business_id, id)
) STRICT;

CREATE UNIQUE INDEX quotations_quote_number_key ON quotations (business_id, quote_number) WHERE quote_number IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX quotations_created_at_idx ON quotations (business_id, created_at DESC, id DESC)           WHERE deleted_at IS NULL;
CREATE INDEX quotations_party_idx      ON quotations (business_id, party_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE quotation_items (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at          TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at          TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version             INTEGER NOT NULL DEFAULT 1,
    business_id         INTEGER NOT NULL REFERENCES businesses(id),
    created_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    quotation_id        INTEGER NOT NULL,
    position            INTEGER NOT NULL DEFAULT 0,
    -- that of the quotation, which a trigger sees to
    currency            TEXT             CHECK (length(currency) = 3),
    name                TEXT    NOT NULL CHECK (length(name) <= 255),
    description         TEXT    NOT NULL DEFAULT '' CHECK (length(description) <= 2000),
    -- ten-thousandths
    quantity            INTEGER NOT NULL DEFAULT 10000 CHECK (quantity BETWEEN 1 AND 9007199254740991),
    unit                TEXT             CHECK (length(unit) <= 20),
    -- millionths of the major unit
    unit_cost           INTEGER NOT NULL CHECK (unit_cost BETWEEN 0 AND 9007199254740991),
    discount_type       TEXT    NOT NULL DEFAULT 'none'
                                         CHECK (discount_type = 'none' OR discount_type = 'percent' OR discount_type = 'fixed'),
    discount_value      INTEGER NOT NULL DEFAULT 0 CHECK (discount_value BETWEEN 0 AND 9007199254740991),
    tax_rate_id         INTEGER,
    -- as they were when the item was entered; parts per million
    tax_name            TEXT    NOT NULL DEFAULT '' CHECK (length(tax_name) <= 50),
    tax_percent         INTEGER NOT NULL DEFAULT 0 CHECK (tax_percent BETWEEN 0 AND 1000000),
    account_id          INTEGER,
    gross               INTEGER NOT NULL DEFAULT 0 CHECK (gross BETWEEN 0 AND 9007199254740991),
    discount_amount     INTEGER NOT NULL DEFAULT 0 CHECK (discount_amount BETWEEN 0 AND gross),
    amount              INTEGER NOT NULL DEFAULT 0 CHECK (amount = gross - discount_amount),
    doc_discount_share  INTEGER NOT NULL DEFAULT 0 CHECK (doc_discount_share BETWEEN 0 AND amount),
    net_amount          INTEGER NOT NULL DEFAULT 0 CHECK (net_amount >= 0),
    tax_amount          INTEGER NOT NULL DEFAULT 0 CHECK (tax_amount >= 0),

    UNIQUE (business_id, id),
    CONSTRAINT quotation_items_net
        CHECK (net_amount = amount - doc_discount_share OR net_amount + tax_amount = amount - doc_discount_share),
    FOREIGN KEY (business_id, quotation_id) REFERENCES quotations (business_id, id),
    FOREIGN KEY (business_id, tax_rate_id)  REFERENCES tax_rates (business_id, id),
    FOREIGN KEY (business_id, account_id)   REFERENCES accounts (business_id, id)
) STRICT;

CREATE INDEX quotation_items_quotation_idx  ON quotation_items (quotation_id, position);
CREATE INDEX quotation_items_created_at_idx ON quotation_items (business_id, created_at DESC, id DESC);
CREATE INDEX quotation_items_tax_rate_idx   ON quotation_items (business_id, tax_rate_id) WHERE tax_rate_id IS NOT NULL;
CREATE INDEX quotation_items_account_idx    ON quotation_items (business_id, account_id)  WHERE account_id IS NOT NULL;

CREATE TRIGGER quotation_items_added AFTER INSERT ON quotation_items
BEGIN
    UPDATE quotation_items SET currency = (SELECT currency FROM quotations WHERE id = NEW.quotation_id) WHERE id = NEW.id;
END;

CREATE TRIGGER quotations_currency AFTER UPDATE OF currency ON quotations WHEN NEW.currency <> OLD.currency
BEGIN
    UPDATE quotation_items SET currency = NEW.currency WHERE quotation_id = NEW.id;
END;

-- What was accepted is what is invoiced.
CREATE TRIGGER quotations_accepted_immutable BEFORE UPDATE ON quotations
    WHEN OLD.state = 'accepted'
         AND (OLD.id, OLD.uuid, OLD.created_at, OLD.business_id, OLD.created_by, OLD.quote_number, OLD.party_id, OLD.issued_date, OLD.valid_until,
              OLD.state, OLD.currency, OLD.prices_include_tax, OLD.discount_type, OLD.discount_value, OLD.subtotal, OLD.discount_total,
              OLD.tax_total, OLD.total_amount, OLD.accepted_at, OLD.rejected_at)
             IS NOT
             (NEW.id, NEW.uuid, NEW.created_at, NEW.business_id, NEW.created_by, NEW.quote_number, NEW.party_id, NEW.issued_date, NEW.valid_until,
              NEW.state, NEW.currency, NEW.prices_include_tax, NEW.discount_type, NEW.discount_value, NEW.subtotal, NEW.discount_total,
              NEW.tax_total, NEW.total_amount, NEW.accepted_at, NEW.rejected_at)
BEGIN
    SELECT RAISE(ABORT, 'immutable: A quotation that was accepted is not changed.');
END;

CREATE TRIGGER quotation_items_insert BEFORE INSERT ON quotation_items
    WHEN (SELECT state FROM quotations WHERE id = NEW.quotation_id) = 'accepted'
BEGIN
    SELECT RAISE(ABORT, 'immutable: A quotation that was accepted is not changed.');
END;

CREATE TRIGGER quotation_items_update BEFORE UPDATE ON quotation_items
    WHEN (SELECT state FROM quotations WHERE id = OLD.quotation_id) = 'accepted' OR NEW.quotation_id <> OLD.quotation_id
BEGIN
    SELECT RAISE(ABORT, 'immutable: An item stays with its quotation, and as it was accepted.');
END;

CREATE TRIGGER quotation_items_delete BEFORE DELETE ON quotation_items
    WHEN (SELECT state FROM quotations WHERE id = OLD.quotation_id) = 'accepted'
BEGIN
    SELECT RAISE(ABORT, 'immutable: A quotation that was accepted is not changed.');
END;

CREATE TABLE recurring_invoices (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at          TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at          TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version             INTEGER NOT NULL DEFAULT 1,
    business_id         INTEGER NOT NULL REFERENCES businesses(id),
    created_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    name                TEXT    NOT NULL CHECK (length(name) <= 255),
    party_id            INTEGER NOT NULL,
    direction           TEXT    NOT NULL DEFAULT 'outgoing' CHECK (direction = 'outgoing' OR direction = 'incoming'),
    currency            TEXT    NOT NULL CHECK (length(currency) = 3),
    prices_include_tax  INTEGER NOT NULL CHECK (prices_include_tax IN (0, 1)),
    discount_type       TEXT    NOT NULL DEFAULT 'none'
                                         CHECK (discount_type = 'none' OR discount_type = 'percent' OR discount_type = 'fixed'),
    discount_value      INTEGER NOT NULL DEFAULT 0 CHECK (discount_value BETWEEN 0 AND 9007199254740991),
    -- what one invoice comes to, by the tax as it was
    total               INTEGER NOT NULL CHECK (total BETWEEN 0 AND 9007199254740991),
    reference           TEXT    NOT NULL DEFAULT '' CHECK (length(reference) <= 100),
    notes               TEXT    NOT NULL DEFAULT '' CHECK (length(notes) <= 5000),
    terms               TEXT    NOT NULL DEFAULT '' CHECK (length(terms) <= 5000),
    frequency           TEXT    NOT NULL CHECK (frequency = 'daily' OR frequency = 'weekly' OR frequency = 'monthly'
                                                OR frequency = 'quarterly' OR frequency = 'yearly'),
    interval            INTEGER NOT NULL DEFAULT 1 CHECK (interval BETWEEN 1 AND 52),
    anchor_day          INTEGER          CHECK (anchor_day BETWEEN 1 AND 31),
    next_run_on         TEXT    NOT NULL CHECK (length(next_run_on) = 10),
    end_on              TEXT             CHECK (length(end_on) = 10),
    max_runs            INTEGER          CHECK (max_runs >= 1),
    auto_issue          INTEGER NOT NULL DEFAULT 0 CHECK (auto_issue IN (0, 1)),
    auto_send           INTEGER NOT NULL DEFAULT 0 CHECK (auto_send IN (0, 1)),
    status              TEXT    NOT NULL DEFAULT 'active' CHECK (status = 'active' OR status = 'paused' OR status = 'ended'),
    runs                INTEGER NOT NULL DEFAULT 0 CHECK (runs >= 0),
    last_run_on         TEXT             CHECK (length(last_run_on) = 10),
    -- why the last run did not do all that it should, and since when
    last_error          TEXT    NOT NULL DEFAULT '' CHECK (length(last_error) <= 500),
    failed_at           TEXT             CHECK (length(failed_at) = 24),

    deleted_at          TEXT             CHECK (length(deleted_at) = 24),
    deleted_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    CONSTRAINT recurring_invoices_auto_send CHECK (auto_send = 0 OR auto_issue = 1),
    FOREIGN KEY (business_id, party_id) REFERENCES parties (business_id, id)
) STRICT;

CREATE INDEX recurring_invoices_created_at_idx  ON recurring_invoices (business_id, created_at DESC, id DESC)           WHERE deleted_at IS NULL;
CREATE INDEX recurring_invoices_party_idx       ON recurring_invoices (business_id, party_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX recurring_invoices_next_run_on_idx ON recurring_invoices (next_run_on, id) WHERE status = 'active' AND deleted_at IS NULL;

CREATE TABLE recurring_invoice_items (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id           INTEGER NOT NULL,
    recurring_invoice_id  INTEGER NOT NULL,
    position              INTEGER NOT NULL,
    name                  TEXT    NOT NULL CHECK (length(name) <= 255),
    description           TEXT    NOT NULL DEFAULT '' CHECK (length(description) <= 2000),
    quantity              INTEGER NOT NULL DEFAULT 10000 CHECK (quantity BETWEEN 1 AND 9007199254740991),
    unit                  TEXT             CHECK (length(unit) <= 20),
    unit_cost             INTEGER NOT NULL CHECK (unit_cost BETWEEN 0 AND 9007199254740991),
    discount_type         TEXT    NOT NULL DEFAULT 'none'
                                           CHECK (discount_type = 'none' OR discount_type = 'percent' OR discount_type = 'fixed'),
    discount_value        INTEGER NOT NULL DEFAULT 0 CHECK (discount_value BETWEEN 0 AND 9007199254740991),
    tax_rate_id           INTEGER,
    tax_name              TEXT    NOT NULL DEFAULT '' CHECK (length(tax_name) <= 50),
    tax_percent           INTEGER NOT NULL DEFAULT 0 CHECK (tax_percent BETWEEN 0 AND 1000000),
    account_id            INTEGER,
    gross                 INTEGER NOT NULL CHECK (gross BETWEEN 0 AND 9007199254740991),
    discount_amount       INTEGER NOT NULL CHECK (discount_amount BETWEEN 0 AND gross),
    amount                INTEGER NOT NULL CHECK (amount = gross - discount_amount),
    doc_discount_share    INTEGER NOT NULL CHECK (doc_discount_share BETWEEN 0 AND amount),
    net_amount            INTEGER NOT NULL CHECK (net_amount >= 0),
    tax_amount            INTEGER NOT NULL CHECK (tax_amount >= 0),

    CONSTRAINT recurring_invoice_items_position_key UNIQUE (recurring_invoice_id, position),
    FOREIGN KEY (business_id, recurring_invoice_id) REFERENCES recurring_invoices (business_id, id) ON DELETE CASCADE,
    FOREIGN KEY (business_id, tax_rate_id)          REFERENCES tax_rates (business_id, id),
    FOREIGN KEY (business_id, account_id)           REFERENCES accounts (business_id, id)
) STRICT;

CREATE INDEX recurring_invoice_items_tax_rate_idx ON recurring_invoice_items (business_id, tax_rate_id) WHERE tax_rate_id IS NOT NULL;
CREATE INDEX recurring_invoice_items_account_idx  ON recurring_invoice_items (business_id, account_id)  WHERE account_id IS NOT NULL;

-- ---------------------------------------------------------------------------------------------- what invoices are made from

ALTER TABLE parties ADD COLUMN reminders_off INTEGER NOT NULL DEFAULT 0 CHECK (reminders_off IN (0, 1));

ALTER TABLE leads ADD COLUMN party_id INTEGER;
CREATE INDEX leads_party_idx ON leads (business_id, party_id) WHERE party_id IS NOT NULL;

CREATE TRIGGER leads_party_insert BEFORE INSERT ON leads
    WHEN NEW.party_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM parties WHERE id = NEW.party_id AND business_id = NEW.business_id)
BEGIN
    SELECT RAISE(ABORT, 'immutable: A party of another business.');
END;

CREATE TRIGGER leads_party_update BEFORE UPDATE ON leads
    WHEN NEW.party_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM parties WHERE id = NEW.party_id AND business_id = NEW.business_id)
BEGIN
    SELECT RAISE(ABORT, 'immutable: A party of another business.');
END;

ALTER TABLE invoices ADD COLUMN quotation_id  INTEGER;
ALTER TABLE invoices ADD COLUMN lead_id       INTEGER;
ALTER TABLE invoices ADD COLUMN recurring_id  INTEGER;
-- the day of the recurring invoice that it is for
ALTER TABLE invoices ADD COLUMN run_on        TEXT CHECK (length(run_on) = 10);
ALTER TABLE invoices ADD COLUMN reminders_off INTEGER NOT NULL DEFAULT 0 CHECK (reminders_off IN (0, 1));

-- A draft that was deleted makes room for another; a day that was run is not run again.
CREATE UNIQUE INDEX invoices_quotation_key ON invoices (quotation_id) WHERE quotation_id IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX invoices_lead_key      ON invoices (lead_id) WHERE lead_id IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX invoices_run_on_key    ON invoices (recurring_id, run_on) WHERE recurring_id IS NOT NULL;

CREATE TRIGGER invoices_origin_insert BEFORE INSERT ON invoices
    WHEN NEW.quotation_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM quotations WHERE id = NEW.quotation_id AND business_id = NEW.business_id)
      OR NEW.lead_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM leads WHERE id = NEW.lead_id AND business_id = NEW.business_id)
      OR NEW.recurring_id IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM recurring_invoices WHERE id = NEW.recurring_id AND business_id = NEW.business_id)
      OR NEW.recurring_id IS NOT NULL AND NEW.run_on IS NULL
BEGIN
    SELECT RAISE(ABORT, 'immutable: An invoice is made from what is of the same business.');
END;

CREATE TRIGGER invoices_origin_update BEFORE UPDATE ON invoices
    WHEN (OLD.quotation_id, OLD.lead_id, OLD.recurring_id, OLD.run_on) IS NOT (NEW.quotation_id, NEW.lead_id, NEW.recurring_id, NEW.run_on)
BEGIN
    SELECT RAISE(ABORT, 'immutable: What an invoice was made from is not changed.');
END;

-- The rule of 0014, with the columns that were added.
DROP TRIGGER invoices_issued_immutable;
CREATE TRIGGER invoices_issued_immutable BEFORE UPDATE ON invoices
    WHEN OLD.state <> 'draft'
         AND (OLD.id, OLD.uuid, OLD.created_at, OLD.business_id, OLD.created_by, OLD.party_id, OLD.direction, OLD.kind, OLD.corrects_id,
              OLD.number, OLD.issue_date, OLD.currency, OLD.prices_include_tax, OLD.discount_type, OLD.discount_value, OLD.subtotal,
              OLD.discount_total, OLD.tax_total, OLD.total, OLD.snapshot, OLD.issued_at, OLD.issued_by, OLD.journal_entry_id,
              OLD.deleted_at, OLD.deleted_by, OLD.quotation_id, OLD.lead_id, OLD.recurring_id, OLD.run_on)
             IS NOT
             (NEW.id, NEW.uuid, NEW.created_at, NEW.business_id, NEW.created_by, NEW.party_id, NEW.direction, NEW.kind, NEW.corrects_id,
              NEW.number, NEW.issue_date, NEW.currency, NEW.prices_include_tax, NEW.discount_type, NEW.discount_value, NEW.subtotal,
              NEW.discount_total, NEW.tax_total, NEW.total, NEW.snapshot, NEW.issued_at, NEW.issued_by, NEW.journal_entry_id,
              NEW.deleted_at, NEW.deleted_by, NEW.quotation_id, NEW.lead_id, NEW.recurring_id, NEW.run_on)
BEGIN
    SELECT RAISE(ABORT, 'immutable: An issued invoice is not changed; issue a credit note instead.');
END;

-- ---------------------------------------------------------------------------------------------- reminders

-- Of a due date: when that is moved, reminding begins anew. Written by the server, never changed.
CREATE TABLE invoice_reminders (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id  INTEGER NOT NULL,
    invoice_id   INTEGER NOT NULL,
    due_date     TEXT    NOT NULL CHECK (length(due_date) = 10),
    -- days after that; negative before it
    day          INTEGER NOT NULL,
    at           TEXT    NOT NULL CHECK (length(at) = 24),

    CONSTRAINT invoice_reminders_key UNIQUE (invoice_id, due_date, day),
    FOREIGN KEY (business_id, invoice_id) REFERENCES invoices (business_id, id) ON DELETE CASCADE
) STRICT;
