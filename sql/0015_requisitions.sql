-- 0015 requisitions: what people ask money for, who decides, and what was paid; goals that money is collected for.
--
--   requisitions      what somebody needs money for, with its items (requisition_items)
--   goals             amounts to be collected
--   goal_milestones   amounts on the way there
--   payments          which requisition is paid, which goal is served
--   transactions      which goal is served
--
-- What the database itself refuses here, whatever the program forgets: a state that does not follow from the one before, changes of
-- what was decided, approving one's own, more payments than were approved, and money for a goal in another currency. The text of such
-- a refusal begins with the code that clients get.

CREATE TABLE requisitions (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid              TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at        TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at        TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version           INTEGER NOT NULL DEFAULT 1,
    business_id       INTEGER NOT NULL REFERENCES businesses(id),
    created_by        INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by        INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    -- empty only within the transaction that makes it
    number            TEXT             CHECK (length(number) BETWEEN 1 AND 50),
    requested_by_id   INTEGER NOT NULL,
    department_id     INTEGER,
    party_id          INTEGER,
    purpose           TEXT    NOT NULL CHECK (length(purpose) <= 2000),
    urgency           TEXT    NOT NULL DEFAULT 'medium'
                                       CHECK (urgency = 'low' OR urgency = 'medium' OR urgency = 'high' OR urgency = 'urgent'),
    needed_by         TEXT             CHECK (length(needed_by) = 10),
    category          TEXT    NOT NULL CHECK (length(category) <= 32),  -- the code of an expense account
    amount            INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    currency          TEXT    NOT NULL CHECK (length(currency) = 3),
    status            TEXT    NOT NULL DEFAULT 'pending'
                                       CHECK (status = 'draft' OR status = 'pending' OR status = 'approved' OR status = 'rejected'
                                              OR status = 'cancelled'),
    approved_amount   INTEGER          CHECK (approved_amount BETWEEN 1 AND 9007199254740991),
    decided_by        INTEGER,
    decided_at        TEXT             CHECK (length(decided_at) = 24),
    decision_comment  TEXT    NOT NULL DEFAULT '' CHECK (length(decision_comment) <= 2000),
    comments          TEXT    NOT NULL DEFAULT '' CHECK (length(comments) <= 5000),
    -- kept by the triggers of payments
    paid_amount       INTEGER NOT NULL DEFAULT 0 CHECK (paid_amount >= 0),

    deleted_at        TEXT             CHECK (length(deleted_at) = 24),
    deleted_by        INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    -- The target of payments, so that they are in its currency.
    UNIQUE (business_id, id, currency),
    CONSTRAINT requisitions_approved CHECK (status <> 'approved' OR approved_amount IS NOT NULL AND decided_at IS NOT NULL),
    CONSTRAINT requisitions_approved_amount CHECK (approved_amount IS NULL OR approved_amount <= amount),
    -- Neither a failed check nor a race lets more out than was approved; what is paid is neither cancelled nor deleted.
    CONSTRAINT requisitions_paid
        CHECK (paid_amount = 0 OR status = 'approved' AND deleted_at IS NULL AND paid_amount <= coalesce(approved_amount, 0)),
    FOREIGN KEY (business_id, requested_by_id) REFERENCES memberships (business_id, user_id),
    FOREIGN KEY (business_id, department_id)   REFERENCES departments (business_id, id),
    FOREIGN KEY (business_id, party_id)        REFERENCES parties (business_id, id)
) STRICT;

-- A number that was given is never given again, whatever becomes of what it was given to.
CREATE UNIQUE INDEX requisitions_number_key     ON requisitions (business_id, number) WHERE number IS NOT NULL;
CREATE INDEX requisitions_created_at_idx        ON requisitions (business_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX requisitions_status_idx            ON requisitions (business_id, status, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX requisitions_requested_by_idx      ON requisitions (business_id, requested_by_id, created_at DESC, id DESC);
CREATE INDEX requisitions_department_idx        ON requisitions (business_id, department_id, created_at DESC, id DESC) WHERE department_id IS NOT NULL;
CREATE INDEX requisitions_party_idx             ON requisitions (business_id, party_id) WHERE party_id IS NOT NULL;

CREATE TABLE requisition_items (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id     INTEGER NOT NULL,
    requisition_id  INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    particular      TEXT    NOT NULL CHECK (length(particular) <= 255),
    -- ten-thousandths
    quantity        INTEGER NOT NULL DEFAULT 10000 CHECK (quantity BETWEEN 1 AND 9007199254740991),
    -- millionths of the major unit
    unit_cost       INTEGER NOT NULL CHECK (unit_cost BETWEEN 0 AND 9007199254740991),
    amount          INTEGER NOT NULL CHECK (amount BETWEEN 0 AND 9007199254740991),

    CONSTRAINT requisition_items_position_key UNIQUE (requisition_id, position),
    FOREIGN KEY (business_id, requisition_id) REFERENCES requisitions (business_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE goals (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid           TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at     TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at     TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version        INTEGER NOT NULL DEFAULT 1,
    business_id    INTEGER NOT NULL REFERENCES businesses(id),
    created_by     INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by     INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    title          TEXT    NOT NULL CHECK (length(title) <= 255),
    description    TEXT    NOT NULL DEFAULT '' CHECK (length(description) <= 5000),
    target_amount  INTEGER NOT NULL CHECK (target_amount BETWEEN 1 AND 9007199254740991),
    currency       TEXT    NOT NULL CHECK (length(currency) = 3),
    start_date     TEXT    NOT NULL CHECK (length(start_date) = 10),
    due_date       TEXT    NOT NULL CHECK (length(due_date) = 10),
    owner_id       INTEGER NOT NULL,
    archived_at    TEXT             CHECK (length(archived_at) = 24),

    deleted_at     TEXT             CHECK (length(deleted_at) = 24),
    deleted_by     INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    -- The target of milestones and money, so that they are in its currency.
    UNIQUE (business_id, id, currency),
    CONSTRAINT goals_due_date CHECK (due_date >= start_date),
    FOREIGN KEY (business_id, owner_id) REFERENCES memberships (business_id, user_id)
) STRICT;

CREATE INDEX goals_due_date_idx   ON goals (business_id, due_date, id)                 WHERE deleted_at IS NULL;
CREATE INDEX goals_created_at_idx ON goals (business_id, created_at DESC, id DESC)     WHERE deleted_at IS NULL;
CREATE INDEX goals_owner_idx      ON goals (business_id, owner_id);

CREATE TABLE goal_milestones (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at   TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at   TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version      INTEGER NOT NULL DEFAULT 1,
    business_id  INTEGER NOT NULL REFERENCES businesses(id),
    created_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    goal_id      INTEGER NOT NULL,
    -- the goal's
    currency     TEXT    NOT NULL CHECK (length(currency) = 3),
    amount       INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    label        TEXT    NOT NULL DEFAULT '' CHECK (length(label) <= 100),
    notify       INTEGER NOT NULL DEFAULT 1 CHECK (notify IN (0, 1)),
    reached_at   TEXT             CHECK (length(reached_at) = 24),

    deleted_at   TEXT             CHECK (length(deleted_at) = 24),
    deleted_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    FOREIGN KEY (business_id, goal_id, currency) REFERENCES goals (business_id, id, currency)
) STRICT;

CREATE UNIQUE INDEX goal_milestones_amount_key ON goal_milestones (business_id, goal_id, amount) WHERE deleted_at IS NULL;
CREATE INDEX goal_milestones_amount_idx        ON goal_milestones (business_id, amount, id)      WHERE deleted_at IS NULL;

-- ---------------------------------------------------------------------------------------------- requisitions

CREATE TRIGGER requisitions_begin BEFORE INSERT ON requisitions
    WHEN NEW.status <> 'draft' AND NEW.status <> 'pending' OR NEW.paid_amount <> 0 OR NEW.approved_amount IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'invalid_transition: A requisition begins as a draft or pending.');
END;

CREATE TRIGGER requisitions_states BEFORE UPDATE ON requisitions
    WHEN NEW.status <> OLD.status
         AND NOT (OLD.status = 'draft' AND (NEW.status = 'pending' OR NEW.status = 'cancelled')
                  OR OLD.status = 'pending' AND (NEW.status = 'approved' OR NEW.status = 'rejected' OR NEW.status = 'cancelled')
                  OR OLD.status = 'rejected' AND NEW.status = 'pending'
                  OR OLD.status = 'approved' AND NEW.status = 'cancelled')
BEGIN
    SELECT RAISE(ABORT, 'invalid_transition: A requisition does not come to this state from the one that it is in.');
END;

-- Whoever asks does not decide, unless the business says so.
CREATE TRIGGER requisitions_decision BEFORE UPDATE ON requisitions
    WHEN NEW.status = 'approved' AND OLD.status = 'pending'
         AND (NEW.decided_by IS NULL OR NEW.decided_by = NEW.requested_by_id OR NEW.decided_by = NEW.created_by)
         AND NOT EXISTS (SELECT 1 FROM businesses WHERE id = NEW.business_id AND requisition_self_approval = 1)
BEGIN
    SELECT RAISE(ABORT, 'self_approval: Nobody approves a requisition of their own.');
END;

-- Who asked stays, and once it is decided so does the whole row but for what is named in the rule: a column added later is part of it
-- only once it is written here, and a test sees to that.
CREATE TRIGGER requisitions_fixed BEFORE UPDATE ON requisitions
    WHEN (NEW.id, NEW.uuid, NEW.created_at, NEW.business_id, NEW.requested_by_id)
         IS NOT (OLD.id, OLD.uuid, OLD.created_at, OLD.business_id, OLD.requested_by_id)
         OR OLD.number IS NOT NULL AND NEW.number IS NOT OLD.number
         OR OLD.created_by IS NOT NULL AND NEW.created_by IS NOT NULL AND NEW.created_by <> OLD.created_by
BEGIN
    SELECT RAISE(ABORT, 'immutable: Who asks for money, and under which number, is not changed.');
END;

CREATE TRIGGER requisitions_immutable BEFORE UPDATE ON requisitions
    WHEN OLD.status = 'approved'
         AND (OLD.department_id, OLD.party_id, OLD.purpose, OLD.urgency, OLD.needed_by, OLD.category, OLD.amount, OLD.currency,
              OLD.approved_amount, OLD.decided_by, OLD.decided_at, OLD.decision_comment, OLD.comments, OLD.deleted_at)
             IS NOT
             (NEW.department_id, NEW.party_id, NEW.purpose, NEW.urgency, NEW.needed_by, NEW.category, NEW.amount, NEW.currency,
              NEW.approved_amount, NEW.decided_by, NEW.decided_at, NEW.decision_comment, NEW.comments, NEW.deleted_at)
BEGIN
    SELECT RAISE(ABORT, 'immutable: An approved requisition is not changed; cancel it instead.');
END;

CREATE TRIGGER requisitions_no_delete BEFORE DELETE ON requisitions WHEN OLD.status = 'approved'
BEGIN
    SELECT RAISE(ABORT, 'immutable: An approved requisition is not deleted; cancel it instead.');
END;

-- What is approved has the items that it was approved with, and comes to them.
CREATE TRIGGER requisition_items_insert BEFORE INSERT ON requisition_items
    WHEN (SELECT status FROM requisitions WHERE id = NEW.requisition_id) = 'approved'
BEGIN
    SELECT RAISE(ABORT, 'immutable: The items of an approved requisition are not changed.');
END;

CREATE TRIGGER requisition_items_update BEFORE UPDATE ON requisition_items
    WHEN (SELECT status FROM requisitions WHERE id = OLD.requisition_id) = 'approved'
         OR (SELECT status FROM requisitions WHERE id = NEW.requisition_id) = 'approved'
BEGIN
    SELECT RAISE(ABORT, 'immutable: The items of an approved requisition are not changed.');
END;

CREATE TRIGGER requisition_items_delete BEFORE DELETE ON requisition_items
    WHEN (SELECT status FROM requisitions WHERE id = OLD.requisition_id) = 'approved'
BEGIN
    SELECT RAISE(ABORT, 'immutable: The items of an approved requisition are not changed.');
END;

-- ---------------------------------------------------------------------------------------------- payments and the cash book

-- SQLite adds no composite key to a table that is there: both are made again, with all that they hold, and so are their indexes and
-- triggers. Keys that point to them are looked at when all of it is in place.
PRAGMA defer_foreign_keys = ON;

CREATE TEMP TABLE kept_payments AS SELECT * FROM payments;
CREATE TEMP TABLE kept_transactions AS SELECT * FROM transactions;
DROP TABLE payments;
DROP TABLE transactions;

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
    requisition_id    INTEGER,
    goal_id           INTEGER,

    UNIQUE (business_id, id),
    CONSTRAINT payments_allocated CHECK (amount_allocated <= amount AND (state = 'posted' OR amount_allocated = 0)),
    CONSTRAINT payments_entry CHECK ((number IS NULL) = (journal_entry_id IS NULL)),
    CONSTRAINT payments_charge CHECK (direction = 'outgoing' OR charge < amount),
    CONSTRAINT payments_party CHECK ((party_id IS NULL) <> (category IS NULL)),
    CONSTRAINT payments_void CHECK ((state = 'void') = (voided_at IS NOT NULL) AND (state = 'void') = (void_entry_id IS NOT NULL)),
    CONSTRAINT payments_requisition CHECK (requisition_id IS NULL OR direction = 'outgoing' AND purpose = 'settlement'),
    CONSTRAINT payments_goal CHECK (goal_id IS NULL OR direction = 'incoming' AND purpose = 'settlement'),
    FOREIGN KEY (business_id, party_id)             REFERENCES parties (business_id, id),
    FOREIGN KEY (business_id, account_id, currency) REFERENCES accounts (business_id, id, currency),
    FOREIGN KEY (business_id, journal_entry_id)     REFERENCES journal_entries (business_id, id),
    FOREIGN KEY (business_id, void_entry_id)        REFERENCES journal_entries (business_id, id),
    FOREIGN KEY (business_id, requisition_id, currency) REFERENCES requisitions (business_id, id, currency),
    FOREIGN KEY (business_id, goal_id, currency)    REFERENCES goals (business_id, id, currency)
) STRICT;

INSERT INTO payments
    (id, uuid, created_at, updated_at, version, business_id, created_by, updated_by, number, direction, party_id, account_id, amount,
     charge, currency, method, date, reference, notes, category, amount_allocated, purpose, state, voided_at, voided_by, void_reason,
     journal_entry_id, void_entry_id, client_ref)
SELECT
    id, uuid, created_at, updated_at, version, business_id, created_by, updated_by, number, direction, party_id, account_id, amount,
    charge, currency, method, date, reference, notes, category, amount_allocated, purpose, state, voided_at, voided_by, void_reason,
    journal_entry_id, void_entry_id, client_ref
FROM kept_payments;

CREATE UNIQUE INDEX payments_number_key     ON payments (business_id, number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX payments_client_ref_key ON payments (business_id, client_ref) WHERE client_ref IS NOT NULL;
CREATE INDEX payments_date_idx       ON payments (business_id, date DESC, id DESC);
CREATE INDEX payments_created_at_idx ON payments (business_id, created_at DESC, id DESC);
CREATE INDEX payments_party_idx      ON payments (business_id, party_id, date DESC, id DESC) WHERE party_id IS NOT NULL;
CREATE INDEX payments_account_idx    ON payments (business_id, account_id, date DESC, id DESC);
CREATE INDEX payments_requisition_idx ON payments (business_id, requisition_id, date DESC, id DESC) WHERE requisition_id IS NOT NULL;
CREATE INDEX payments_goal_idx       ON payments (business_id, goal_id, date DESC, id DESC)  WHERE goal_id IS NOT NULL;

CREATE TABLE transactions (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at          TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at          TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version             INTEGER NOT NULL DEFAULT 1,
    business_id         INTEGER NOT NULL REFERENCES businesses(id),
    created_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    type                TEXT    NOT NULL CHECK (type = 'income' OR type = 'expense' OR type = 'transfer'),
    amount              INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    transaction_charge  INTEGER NOT NULL DEFAULT 0 CHECK (transaction_charge BETWEEN 0 AND 9007199254740991),
    account_id          INTEGER NOT NULL,
    -- the account's
    currency            TEXT    NOT NULL CHECK (length(currency) = 3),
    to_account_id       INTEGER,
    to_amount           INTEGER          CHECK (to_amount BETWEEN 1 AND 9007199254740991),
    to_currency         TEXT             CHECK (length(to_currency) = 3),
    category            TEXT             CHECK (length(category) <= 32),  -- the code of an income or expense account
    party_id            INTEGER,
    description         TEXT    NOT NULL DEFAULT '' CHECK (length(description) <= 2000),
    reference           TEXT    NOT NULL DEFAULT '' CHECK (length(reference) <= 100),
    date                TEXT    NOT NULL CHECK (length(date) = 10),
    state               TEXT    NOT NULL DEFAULT 'posted' CHECK (state = 'draft' OR state = 'posted' OR state = 'reversed'),
    source              TEXT    NOT NULL DEFAULT 'manual'
                                         CHECK (source = 'manual' OR source = 'payment' OR source = 'opening' OR source = 'recurring'
                                                OR source = 'import'),
    journal_entry_id    INTEGER,
    receipt_file_id     INTEGER,
    client_ref          TEXT             CHECK (length(client_ref) <= 36),
    -- the payment that it is the row of; a trigger keeps it within the business
    related_payment_id  INTEGER,
    goal_id             INTEGER,

    UNIQUE (business_id, id),
    CONSTRAINT transactions_transfer
        CHECK ((type = 'transfer') = (to_account_id IS NOT NULL) AND (to_account_id IS NULL) = (to_amount IS NULL)
               AND (to_account_id IS NULL) = (to_currency IS NULL) AND to_account_id IS NOT account_id),
    CONSTRAINT transactions_category CHECK (type <> 'transfer' OR category IS NULL),
    -- of a payment, the payment itself serves the goal: nothing counts twice
    CONSTRAINT transactions_goal CHECK (goal_id IS NULL OR type = 'income' AND related_payment_id IS NULL),
    FOREIGN KEY (business_id, account_id, currency)       REFERENCES accounts (business_id, id, currency),
    FOREIGN KEY (business_id, to_account_id, to_currency) REFERENCES accounts (business_id, id, currency),
    FOREIGN KEY (business_id, party_id)                   REFERENCES parties (business_id, id),
    FOREIGN KEY (business_id, journal_entry_id)           REFERENCES journal_entries (business_id, id),
    FOREIGN KEY (business_id, receipt_file_id)            REFERENCES files (business_id, id),
    FOREIGN KEY (business_id, goal_id, currency)          REFERENCES goals (business_id, id, currency)
) STRICT;

INSERT INTO transactions
    (id, uuid, created_at, updated_at, version, business_id, created_by, updated_by, type, amount, transaction_charge, account_id,
     currency, to_account_id, to_amount, to_currency, category, party_id, description, reference, date, state, source, journal_entry_id,
     receipt_file_id, client_ref, related_payment_id)
SELECT
    id, uuid, created_at, updated_at, version, business_id, created_by, updated_by, type, amount, transaction_charge, account_id,
    currency, to_account_id, to_amount, to_currency, category, party_id, description, reference, date, state, source, journal_entry_id,
    receipt_file_id, client_ref, related_payment_id
FROM kept_transactions;

CREATE UNIQUE INDEX transactions_client_ref_key  ON transactions (business_id, client_ref)     WHERE client_ref IS NOT NULL;
CREATE INDEX transactions_date_idx       ON transactions (business_id, date DESC, id DESC);
CREATE INDEX transactions_created_at_idx ON transactions (business_id, created_at DESC, id DESC);
CREATE INDEX transactions_account_idx    ON transactions (business_id, account_id, date DESC, id DESC);
CREATE INDEX transactions_to_account_idx ON transactions (business_id, to_account_id) WHERE to_account_id IS NOT NULL;
CREATE INDEX transactions_category_idx   ON transactions (business_id, category, date DESC, id DESC);
CREATE INDEX transactions_party_idx      ON transactions (business_id, party_id, date DESC, id DESC) WHERE party_id IS NOT NULL;
CREATE INDEX transactions_entry_idx      ON transactions (business_id, journal_entry_id) WHERE journal_entry_id IS NOT NULL;
CREATE INDEX transactions_receipt_idx    ON transactions (business_id, receipt_file_id)  WHERE receipt_file_id IS NOT NULL;
CREATE INDEX transactions_goal_idx       ON transactions (business_id, goal_id, date DESC, id DESC) WHERE goal_id IS NOT NULL;
CREATE UNIQUE INDEX transactions_related_payment_key ON transactions (related_payment_id) WHERE related_payment_id IS NOT NULL;

DROP TABLE kept_payments;
DROP TABLE kept_transactions;

-- Whatever is posted keeps what it was posted with; its entry is named once it is there, and which goal it serves may change. New columns
-- belong in this list, and a test goes through them all.
CREATE TRIGGER transactions_no_update BEFORE UPDATE ON transactions
    WHEN OLD.state <> 'draft'
         AND (NEW.id IS NOT OLD.id OR NEW.uuid IS NOT OLD.uuid OR NEW.created_at IS NOT OLD.created_at
              OR NEW.created_by IS NOT OLD.created_by AND NEW.created_by IS NOT NULL
              OR NEW.business_id IS NOT OLD.business_id OR NEW.type IS NOT OLD.type OR NEW.amount IS NOT OLD.amount
              OR NEW.transaction_charge IS NOT OLD.transaction_charge OR NEW.account_id IS NOT OLD.account_id
              OR NEW.currency IS NOT OLD.currency OR NEW.to_account_id IS NOT OLD.to_account_id
              OR NEW.to_amount IS NOT OLD.to_amount OR NEW.to_currency IS NOT OLD.to_currency OR NEW.category IS NOT OLD.category
              OR NEW.party_id IS NOT OLD.party_id OR NEW.date IS NOT OLD.date OR NEW.source IS NOT OLD.source
              OR NEW.journal_entry_id IS NOT OLD.journal_entry_id AND OLD.journal_entry_id IS NOT NULL OR NEW.client_ref IS NOT OLD.client_ref
              OR NEW.state IS NOT OLD.state AND NOT (OLD.state = 'posted' AND NEW.state = 'reversed'))
BEGIN
    SELECT RAISE(ABORT, 'immutable: A posted transaction is never changed; reverse it instead.');
END;

CREATE TRIGGER transactions_no_delete BEFORE DELETE ON transactions WHEN OLD.state <> 'draft'
BEGIN
    SELECT RAISE(ABORT, 'immutable: A posted transaction is never deleted; reverse it instead.');
END;

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

-- Number and entry are named once the payment is posted: from nothing to something. Which goal it serves may change.
CREATE TRIGGER payments_immutable BEFORE UPDATE ON payments
    WHEN (OLD.id, OLD.uuid, OLD.created_at, OLD.business_id, OLD.created_by, OLD.direction, OLD.party_id, OLD.account_id,
          OLD.amount, OLD.charge, OLD.currency, OLD.method, OLD.date, OLD.category, OLD.purpose, OLD.client_ref,
          OLD.requisition_id)
         IS NOT
         (NEW.id, NEW.uuid, NEW.created_at, NEW.business_id, NEW.created_by, NEW.direction, NEW.party_id, NEW.account_id,
          NEW.amount, NEW.charge, NEW.currency, NEW.method, NEW.date, NEW.category, NEW.purpose, NEW.client_ref,
          NEW.requisition_id)
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

-- ---------------------------------------------------------------------------------------------- what is paid of a requisition

CREATE TRIGGER payments_requisition BEFORE INSERT ON payments WHEN NEW.requisition_id IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'not_open: Only an approved requisition is paid.')
     WHERE NOT EXISTS (SELECT 1 FROM requisitions WHERE id = NEW.requisition_id AND status = 'approved' AND deleted_at IS NULL);
    -- The CHECK refuses it as well; this says it better.
    SELECT RAISE(ABORT, 'exceeds_approved_amount: That is more than is left of what was approved.')
     WHERE EXISTS (SELECT 1 FROM requisitions WHERE id = NEW.requisition_id AND paid_amount + NEW.amount > approved_amount);
END;

CREATE TRIGGER payments_requisition_paid AFTER INSERT ON payments WHEN NEW.requisition_id IS NOT NULL
BEGIN
    UPDATE requisitions SET paid_amount = paid_amount + NEW.amount WHERE id = NEW.requisition_id AND business_id = NEW.business_id;
END;

CREATE TRIGGER payments_requisition_void AFTER UPDATE OF state ON payments
    WHEN NEW.requisition_id IS NOT NULL AND OLD.state = 'posted' AND NEW.state = 'void'
BEGIN
    UPDATE requisitions SET paid_amount = paid_amount - NEW.amount WHERE id = NEW.requisition_id AND business_id = NEW.business_id;
END;

-- Nobody says that something was paid: payments do.
CREATE TRIGGER requisitions_paid_amount BEFORE UPDATE OF paid_amount ON requisitions
    WHEN NEW.paid_amount <> (SELECT coalesce(sum(amount), 0) FROM payments
                             WHERE business_id = NEW.business_id AND requisition_id = NEW.id AND state = 'posted')
BEGIN
    SELECT RAISE(ABORT, 'immutable: What is paid of a requisition is what its payments come to.');
END;
