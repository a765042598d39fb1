-- 0014 invoices: what was sold and bought, what was paid, and which payment is for which invoice.
--
--   invoices       invoices and credit notes, ours (outgoing) and those of suppliers (incoming), with their items (invoice_items)
--   payments       money received and paid
--   allocations    which payment or credit note settles which invoice, or is given back by which refund
--
-- What the database itself refuses here, whatever the program forgets: changes of what was issued or posted, an allocation to another
-- party, in another currency, in the wrong direction or to what is no longer open, and more than there is on either side of it. The
-- text of such a refusal begins with the code that clients get.
--
-- Items have no uuid: they are part of the story of their invoice.

CREATE TABLE invoices (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at          TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at          TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version             INTEGER NOT NULL DEFAULT 1,
    business_id         INTEGER NOT NULL REFERENCES businesses(id),
    created_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    party_id            INTEGER NOT NULL,
    direction           TEXT    NOT NULL DEFAULT 'outgoing' CHECK (direction = 'outgoing' OR direction = 'incoming'),
    kind                TEXT    NOT NULL DEFAULT 'invoice' CHECK (kind = 'invoice' OR kind = 'credit_note'),
    corrects_id         INTEGER,  -- the invoice that a credit note is for
    number              TEXT             CHECK (length(number) BETWEEN 1 AND 50),
    reference           TEXT    NOT NULL DEFAULT '' CHECK (length(reference) <= 100),
    state               TEXT    NOT NULL DEFAULT 'draft' CHECK (state = 'draft' OR state = 'issued' OR state = 'void'),
    issue_date          TEXT    NOT NULL CHECK (length(issue_date) = 10),
    due_date            TEXT    NOT NULL CHECK (length(due_date) = 10),
    currency            TEXT    NOT NULL CHECK (length(currency) = 3),
    prices_include_tax  INTEGER NOT NULL CHECK (prices_include_tax IN (0, 1)),
    discount_type       TEXT    NOT NULL DEFAULT 'none'
                                         CHECK (discount_type = 'none' OR discount_type = 'percent' OR discount_type = 'fixed'),
    -- ten-thousandths of a percent, or of the currency's major unit
    discount_value      INTEGER NOT NULL DEFAULT 0 CHECK (discount_value BETWEEN 0 AND 9007199254740991),
    subtotal            INTEGER NOT NULL CHECK (subtotal BETWEEN 0 AND 9007199254740991),
    discount_total      INTEGER NOT NULL CHECK (discount_total BETWEEN 0 AND 9007199254740991),
    tax_total           INTEGER NOT NULL CHECK (tax_total BETWEEN 0 AND 9007199254740991),
    total               INTEGER NOT NULL CHECK (total BETWEEN 0 AND 9007199254740991),
    -- kept by the triggers of allocations
    amount_allocated    INTEGER NOT NULL DEFAULT 0 CHECK (amount_allocated >= 0),
    payment_status      TEXT    NOT NULL GENERATED ALWAYS AS
                                         (CASE WHEN state <> 'issued' THEN state WHEN amount_allocated = total THEN 'paid'
                                               WHEN amount_allocated > 0 THEN 'partial' ELSE 'unpaid' END) STORED,
    notes               TEXT    NOT NULL DEFAULT '' CHECK (length(notes) <= 5000),
    terms               TEXT    NOT NULL DEFAULT '' CHECK (length(terms) <= 5000),
    -- seller and buyer as they were when it was issued
    snapshot            TEXT             CHECK (json_valid(snapshot)),
    issued_at           TEXT             CHECK (length(issued_at) = 24),
    issued_by           INTEGER,
    voided_at           TEXT             CHECK (length(voided_at) = 24),
    voided_by           INTEGER,
    void_reason         TEXT    NOT NULL DEFAULT '' CHECK (length(void_reason) <= 500),
    sent_at             TEXT             CHECK (length(sent_at) = 24),
    viewed_at           TEXT             CHECK (length(viewed_at) = 24),
    last_reminder_at    TEXT             CHECK (length(last_reminder_at) = 24),
    reminder_count      INTEGER NOT NULL DEFAULT 0 CHECK (reminder_count >= 0),
    share_token_hash    TEXT             CHECK (length(share_token_hash) BETWEEN 64 AND 64),
    journal_entry_id    INTEGER,
    void_entry_id       INTEGER,

    deleted_at          TEXT             CHECK (length(deleted_at) = 24),
    deleted_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    CONSTRAINT invoices_due_date CHECK (due_date >= issue_date),
    CONSTRAINT invoices_total CHECK (total = subtotal + tax_total),
    CONSTRAINT invoices_allocated CHECK (amount_allocated <= total AND (state = 'issued' OR amount_allocated = 0)),
    CONSTRAINT invoices_corrects CHECK (corrects_id IS NULL OR kind = 'credit_note'),
    -- nothing is posted for an invoice of nothing: an entry has no lines of zero
    CONSTRAINT invoices_issued
        CHECK (state = 'draft' OR number IS NOT NULL AND issued_at IS NOT NULL AND snapshot IS NOT NULL
                                  AND (journal_entry_id IS NOT NULL OR total = 0)),
    CONSTRAINT invoices_void
        CHECK ((state = 'void') = (voided_at IS NOT NULL) AND (state <> 'void' OR void_entry_id IS NOT NULL OR total = 0)),
    CONSTRAINT invoices_deleted CHECK (deleted_at IS NULL OR state = 'draft'),
    FOREIGN KEY (business_id, party_id)         REFERENCES parties (business_id, id),
    FOREIGN KEY (business_id, corrects_id)      REFERENCES invoices (business_id, id),
    FOREIGN KEY (business_id, journal_entry_id) REFERENCES journal_entries (business_id, id),
    FOREIGN KEY (business_id, void_entry_id)    REFERENCES journal_entries (business_id, id)
) STRICT;

-- Ours are numbered by us, those of suppliers by each of them.
CREATE UNIQUE INDEX invoices_number_key ON invoices (business_id, kind, number)
    WHERE number IS NOT NULL AND direction = 'outgoing' AND deleted_at IS NULL;
CREATE UNIQUE INDEX invoices_bill_number_key ON invoices (business_id, party_id, kind, number)
    WHERE number IS NOT NULL AND direction = 'incoming' AND deleted_at IS NULL;
CREATE UNIQUE INDEX invoices_share_token_hash_key ON invoices (share_token_hash) WHERE share_token_hash IS NOT NULL;
CREATE INDEX invoices_created_at_idx ON invoices (business_id, created_at DESC, id DESC)           WHERE deleted_at IS NULL;
CREATE INDEX invoices_issue_date_idx ON invoices (business_id, issue_date DESC, id DESC)           WHERE deleted_at IS NULL;
CREATE INDEX invoices_party_idx      ON invoices (business_id, party_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX invoices_open_idx       ON invoices (business_id, due_date, id)                       WHERE state = 'issued' AND amount_allocated < total;
CREATE INDEX invoices_corrects_idx   ON invoices (business_id, corrects_id)                        WHERE corrects_id IS NOT NULL;

CREATE TABLE invoice_items (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id         INTEGER NOT NULL,
    invoice_id          INTEGER NOT NULL,
    position            INTEGER NOT NULL,
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
    gross               INTEGER NOT NULL CHECK (gross BETWEEN 0 AND 9007199254740991),
    discount_amount     INTEGER NOT NULL CHECK (discount_amount BETWEEN 0 AND gross),
    amount              INTEGER NOT NULL CHECK (amount = gross - discount_amount),
    doc_discount_share  INTEGER NOT NULL CHECK (doc_discount_share BETWEEN 0 AND amount),
    net_amount          INTEGER NOT NULL CHECK (net_amount >= 0),
    tax_amount          INTEGER NOT NULL CHECK (tax_amount >= 0),

    CONSTRAINT invoice_items_position_key UNIQUE (invoice_id, position),
    CONSTRAINT invoice_items_net
        CHECK (net_amount = amount - doc_discount_share OR net_amount + tax_amount = amount - doc_discount_share),
    FOREIGN KEY (business_id, invoice_id)  REFERENCES invoices (business_id, id) ON DELETE CASCADE,
    FOREIGN KEY (business_id, tax_rate_id) REFERENCES tax_rates (business_id, id),
    FOREIGN KEY (business_id, account_id)  REFERENCES accounts (business_id, id)
) STRICT;

CREATE INDEX invoice_items_tax_rate_idx ON invoice_items (business_id, tax_rate_id) WHERE tax_rate_id IS NOT NULL;
CREATE INDEX invoice_items_account_idx  ON invoice_items (business_id, account_id)  WHERE account_id IS NOT NULL;

CREATE TABLE payments (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid              TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at        TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at        TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version           INTEGER NOT NULL DEFAULT 1,
    business_id       INTEGER NOT NULL REFERENCES businesses(id),
    created_by        INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by        INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    number            TEXT             CHECK (length(number) BETWEEN 1 AND 50),
    direction         TEXT    NOT NULL DEFAULT 'incoming' CHECK (direction = 'incoming' OR direction = 'outgoing'),
    party_id          INTEGER,
    account_id        INTEGER NOT NULL,
    amount            INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    charge            INTEGER NOT NULL DEFAULT 0 CHECK (charge BETWEEN 0 AND 9007199254740991),
    -- the account's
    currency          TEXT    NOT NULL CHECK (length(currency) = 3),
    method            TEXT    NOT NULL DEFAULT 'cash'
                                       CHECK (method = 'cash' OR method = 'bank_transfer' OR method = 'mobile_money' OR method = 'card'
                                              OR method = 'cheque' OR method = 'other'),
    date              TEXT    NOT NULL CHECK (length(date) = 10),
    reference         TEXT    NOT NULL DEFAULT '' CHECK (length(reference) <= 100),
    notes             TEXT    NOT NULL DEFAULT '' CHECK (length(notes) <= 2000),
    category          TEXT             CHECK (length(category) <= 32),  -- the code of an income or expense account
    -- kept by the triggers of allocations
    amount_allocated  INTEGER NOT NULL DEFAULT 0 CHECK (amount_allocated >= 0),
    purpose           TEXT    NOT NULL DEFAULT 'settlement' CHECK (purpose = 'settlement' OR purpose = 'refund'),
    state             TEXT    NOT NULL DEFAULT 'posted' CHECK (state = 'posted' OR state = 'void'),
    voided_at         TEXT             CHECK (length(voided_at) = 24),
    voided_by         INTEGER,
    void_reason       TEXT    NOT NULL DEFAULT '' CHECK (length(void_reason) <= 500),
    -- this and the number are empty only within the transaction that makes the payment
    journal_entry_id  INTEGER,
    void_entry_id     INTEGER,
    client_ref        TEXT             CHECK (length(client_ref) <= 36),

    UNIQUE (business_id, id),
    CONSTRAINT payments_allocated CHECK (amount_allocated <= amount AND (state = 'posted' OR amount_allocated = 0)),
    CONSTRAINT payments_entry CHECK ((number IS NULL) = (journal_entry_id IS NULL)),
    CONSTRAINT payments_charge CHECK (direction = 'outgoing' OR charge < amount),
    CONSTRAINT payments_party CHECK ((party_id IS NULL) <> (category IS NULL)),
    CONSTRAINT payments_void CHECK ((state = 'void') = (voided_at IS NOT NULL) AND (state = 'void') = (void_entry_id IS NOT NULL)),
    FOREIGN KEY (business_id, party_id)             REFERENCES parties (business_id, id),
    FOREIGN KEY (business_id, account_id, currency) REFERENCES accounts (business_id, id, currency),
    FOREIGN KEY (business_id, journal_entry_id)     REFERENCES journal_entries (business_id, id),
    FOREIGN KEY (business_id, void_entry_id)        REFERENCES journal_entries (business_id, id)
) STRICT;

CREATE UNIQUE INDEX payments_number_key     ON payments (business_id, number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX payments_client_ref_key ON payments (business_id, client_ref) WHERE client_ref IS NOT NULL;
CREATE INDEX payments_date_idx       ON payments (business_id, date DESC, id DESC);
CREATE INDEX payments_created_at_idx ON payments (business_id, created_at DESC, id DESC);
CREATE INDEX payments_party_idx      ON payments (business_id, party_id, date DESC, id DESC) WHERE party_id IS NOT NULL;
CREATE INDEX payments_account_idx    ON payments (business_id, account_id, date DESC, id DESC);

CREATE TABLE allocations (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at      TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at      TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version         INTEGER NOT NULL DEFAULT 1,
    business_id     INTEGER NOT NULL REFERENCES businesses(id),

    payment_id      INTEGER,
    credit_note_id  INTEGER,
    invoice_id      INTEGER,
    refund_id       INTEGER,
    amount          INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    date            TEXT    NOT NULL CHECK (length(date) = 10),
    allocated_by    INTEGER REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    CONSTRAINT allocations_source CHECK ((payment_id IS NULL) <> (credit_note_id IS NULL)),
    CONSTRAINT allocations_target CHECK ((invoice_id IS NULL) <> (refund_id IS NULL)),
    FOREIGN KEY (business_id, payment_id)     REFERENCES payments (business_id, id),
    FOREIGN KEY (business_id, credit_note_id) REFERENCES invoices (business_id, id),
    FOREIGN KEY (business_id, invoice_id)     REFERENCES invoices (business_id, id),
    FOREIGN KEY (business_id, refund_id)      REFERENCES payments (business_id, id)
) STRICT;

CREATE UNIQUE INDEX allocations_pair_key ON allocations (coalesce(payment_id, 0), coalesce(credit_note_id, 0), coalesce(invoice_id, 0), coalesce(refund_id, 0));
CREATE INDEX allocations_payment_idx     ON allocations (business_id, payment_id)     WHERE payment_id IS NOT NULL;
CREATE INDEX allocations_credit_note_idx ON allocations (business_id, credit_note_id) WHERE credit_note_id IS NOT NULL;
CREATE INDEX allocations_invoice_idx     ON allocations (business_id, invoice_id)     WHERE invoice_id IS NOT NULL;
CREATE INDEX allocations_refund_idx      ON allocations (business_id, refund_id)      WHERE refund_id IS NOT NULL;

-- A payment is one row of the cash book. SQLite adds no composite key to a table that is there: triggers keep it within the business.
ALTER TABLE transactions ADD COLUMN related_payment_id INTEGER;
CREATE UNIQUE INDEX transactions_related_payment_key ON transactions (related_payment_id) WHERE related_payment_id IS NOT NULL;

CREATE TRIGGER transactions_related_payment_insert BEFORE INSERT ON transactions
    WHEN NEW.related_payment_id IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM payments WHERE id = NEW.related_payment_id AND business_id = NEW.business_id)
BEGIN
    SELECT RAISE(ABORT, 'immutable: A payment of another business.');
END;

CREATE TRIGGER transactions_related_payment_update BEFORE UPDATE ON transactions
    WHEN NEW.related_payment_id IS NOT OLD.related_payment_id OR NEW.business_id IS NOT OLD.business_id AND OLD.related_payment_id IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'immutable: The row of a payment stays that.');
END;

-- ---------------------------------------------------------------------------------------------- invoices

-- The whole row but for what is named in the rule: a column added later is part of it only once it is written here, and a test sees
-- to that.
CREATE TRIGGER invoices_issued_immutable BEFORE UPDATE ON invoices
    WHEN OLD.state <> 'draft'
         AND (OLD.id, OLD.uuid, OLD.created_at, OLD.business_id, OLD.created_by, OLD.party_id, OLD.direction, OLD.kind, OLD.corrects_id,
              OLD.number, OLD.issue_date, OLD.currency, OLD.prices_include_tax, OLD.discount_type, OLD.discount_value, OLD.subtotal,
              OLD.discount_total, OLD.tax_total, OLD.total, OLD.snapshot, OLD.issued_at, OLD.issued_by, OLD.journal_entry_id,
              OLD.deleted_at, OLD.deleted_by)
             IS NOT
             (NEW.id, NEW.uuid, NEW.created_at, NEW.business_id, NEW.created_by, NEW.party_id, NEW.direction, NEW.kind, NEW.corrects_id,
              NEW.number, NEW.issue_date, NEW.currency, NEW.prices_include_tax, NEW.discount_type, NEW.discount_value, NEW.subtotal,
              NEW.discount_total, NEW.tax_total, NEW.total, NEW.snapshot, NEW.issued_at, NEW.issued_by, NEW.journal_entry_id,
              NEW.deleted_at, NEW.deleted_by)
BEGIN
    SELECT RAISE(ABORT, 'immutable: An issued invoice is not changed; issue a credit note instead.');
END;

CREATE TRIGGER invoices_states BEFORE UPDATE ON invoices
    WHEN OLD.state <> 'draft' AND NEW.state <> OLD.state AND NOT (OLD.state = 'issued' AND NEW.state = 'void')
         OR OLD.state = 'draft' AND NEW.state = 'void'
         OR OLD.state = 'void' AND (OLD.voided_at, OLD.voided_by, OLD.void_reason, OLD.void_entry_id)
                                   IS NOT (NEW.voided_at, NEW.voided_by, NEW.void_reason, NEW.void_entry_id)
BEGIN
    SELECT RAISE(ABORT, 'invalid_transition: An invoice is issued once, and void for good.');
END;

CREATE TRIGGER invoices_no_delete BEFORE DELETE ON invoices WHEN OLD.state <> 'draft'
BEGIN
    SELECT RAISE(ABORT, 'immutable: An issued invoice is not deleted; void it instead.');
END;

-- An invoice is not issued without its items, nor with others than it says.
CREATE TRIGGER invoices_issue BEFORE UPDATE ON invoices WHEN OLD.state = 'draft' AND NEW.state = 'issued'
BEGIN
    SELECT RAISE(ABORT, 'invalid_transition: An invoice is issued with at least one item, and as its items come to.')
     WHERE (SELECT count(*) = 0 OR sum(net_amount) <> NEW.subtotal OR sum(tax_amount) <> NEW.tax_total FROM invoice_items WHERE invoice_id = OLD.id);
END;

CREATE TRIGGER invoices_are_drafts_first BEFORE INSERT ON invoices WHEN NEW.state <> 'draft' OR NEW.amount_allocated <> 0
BEGIN
    SELECT RAISE(ABORT, 'invalid_transition: An invoice begins as a draft.');
END;

CREATE TRIGGER invoice_items_insert BEFORE INSERT ON invoice_items
    WHEN (SELECT state FROM invoices WHERE id = NEW.invoice_id) <> 'draft'
BEGIN
    SELECT RAISE(ABORT, 'immutable: The items of an issued invoice are not changed.');
END;

CREATE TRIGGER invoice_items_update BEFORE UPDATE ON invoice_items
    WHEN (SELECT state FROM invoices WHERE id = OLD.invoice_id) <> 'draft' OR (SELECT state FROM invoices WHERE id = NEW.invoice_id) <> 'draft'
BEGIN
    SELECT RAISE(ABORT, 'immutable: The items of an issued invoice are not changed.');
END;

CREATE TRIGGER invoice_items_delete BEFORE DELETE ON invoice_items
    WHEN (SELECT state FROM invoices WHERE id = OLD.invoice_id) <> 'draft'
BEGIN
    SELECT RAISE(ABORT, 'immutable: The items of an issued invoice are not changed.');
END;

-- ---------------------------------------------------------------------------------------------- payments

-- Number and entry are named once the payment is posted: from nothing to something.
CREATE TRIGGER payments_immutable BEFORE UPDATE ON payments
    WHEN (OLD.id, OLD.uuid, OLD.created_at, OLD.business_id, OLD.created_by, OLD.direction, OLD.party_id, OLD.account_id,
          OLD.amount, OLD.charge, OLD.currency, OLD.method, OLD.date, OLD.category, OLD.purpose, OLD.client_ref)
         IS NOT
         (NEW.id, NEW.uuid, NEW.created_at, NEW.business_id, NEW.created_by, NEW.direction, NEW.party_id, NEW.account_id,
          NEW.amount, NEW.charge, NEW.currency, NEW.method, NEW.date, NEW.category, NEW.purpose, NEW.client_ref)
         OR OLD.journal_entry_id IS NOT NULL AND (NEW.number, NEW.journal_entry_id) IS NOT (OLD.number, OLD.journal_entry_id)
         OR OLD.state = 'void' AND (OLD.state, OLD.voided_at, OLD.voided_by, OLD.void_reason, OLD.void_entry_id)
                                   IS NOT (NEW.state, NEW.voided_at, NEW.voided_by, NEW.void_reason, NEW.void_entry_id)
BEGIN
    SELECT RAISE(ABORT, 'immutable: A posted payment is not changed; void it instead.');
END;

CREATE TRIGGER payments_begin_posted BEFORE INSERT ON payments WHEN NEW.state <> 'posted' OR NEW.amount_allocated <> 0
BEGIN
    SELECT RAISE(ABORT, 'invalid_transition: A payment begins as posted.');
END;

CREATE TRIGGER payments_no_delete BEFORE DELETE ON payments
BEGIN
    SELECT RAISE(ABORT, 'immutable: A payment is not deleted; void it instead.');
END;

-- ---------------------------------------------------------------------------------------------- allocations

CREATE TRIGGER allocations_insert BEFORE INSERT ON allocations
BEGIN
    SELECT RAISE(ABORT, 'not_open: What settles is a posted payment or an issued credit note.')
     WHERE NOT EXISTS (SELECT 1 FROM payments WHERE id = NEW.payment_id AND state = 'posted' AND purpose = 'settlement')
       AND NOT EXISTS (SELECT 1 FROM invoices WHERE id = NEW.credit_note_id AND state = 'issued' AND kind = 'credit_note');
    SELECT RAISE(ABORT, 'not_open: What is settled is an issued invoice or a posted refund.')
     WHERE NOT EXISTS (SELECT 1 FROM invoices WHERE id = NEW.invoice_id AND state = 'issued' AND kind = 'invoice')
       AND NOT EXISTS (SELECT 1 FROM payments WHERE id = NEW.refund_id AND state = 'posted' AND purpose = 'refund');
    -- A credit note has the direction of the invoice that it takes back, and settles as a payment of the other does.
    SELECT RAISE(ABORT, 'mismatch: Party, currency and direction of both sides of an allocation belong together.')
     WHERE NOT EXISTS (
        SELECT 1 FROM
            (SELECT party_id, currency, direction FROM payments WHERE id = NEW.payment_id
             UNION ALL
             SELECT party_id, currency, CASE direction WHEN 'outgoing' THEN 'incoming' ELSE 'outgoing' END
             FROM invoices WHERE id = NEW.credit_note_id) AS source
        JOIN
            (SELECT party_id, currency, direction FROM invoices WHERE id = NEW.invoice_id
             UNION ALL
             SELECT party_id, currency, direction FROM payments WHERE id = NEW.refund_id) AS target
          ON target.party_id = source.party_id AND target.currency = source.currency AND target.direction <> source.direction);
    -- The CHECKs refuse it as well; this says it better.
    SELECT RAISE(ABORT, 'exceeds_open_amount: That is more than is open.')
     WHERE EXISTS (SELECT 1 FROM payments WHERE id IN (NEW.payment_id, NEW.refund_id) AND amount_allocated + NEW.amount > amount)
        OR EXISTS (SELECT 1 FROM invoices WHERE id IN (NEW.credit_note_id, NEW.invoice_id) AND amount_allocated + NEW.amount > total);
END;

CREATE TRIGGER allocations_added AFTER INSERT ON allocations
BEGIN
    UPDATE payments SET amount_allocated = amount_allocated + NEW.amount WHERE id = NEW.payment_id OR id = NEW.refund_id;
    UPDATE invoices SET amount_allocated = amount_allocated + NEW.amount WHERE id = NEW.credit_note_id OR id = NEW.invoice_id;
END;

CREATE TRIGGER allocations_removed AFTER DELETE ON allocations
BEGIN
    UPDATE payments SET amount_allocated = amount_allocated - OLD.amount WHERE id = OLD.payment_id OR id = OLD.refund_id;
    UPDATE invoices SET amount_allocated = amount_allocated - OLD.amount WHERE id = OLD.credit_note_id OR id = OLD.invoice_id;
END;

CREATE TRIGGER allocations_no_update BEFORE UPDATE ON allocations
BEGIN
    SELECT RAISE(ABORT, 'immutable: An allocation is not changed; take it back and make another.');
END;
