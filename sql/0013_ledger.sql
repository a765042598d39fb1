-- 0013 ledger: double-entry books under simple documents.
--
--   parties           with whom there is business: clients, vendors, donors
--   accounts          the chart: where money is, what is owed, and one account for each category of income and expense
--   tax_rates         the rates that documents name
--   journal_entries   what happened, on which day; a posted entry is never changed
--   journal_lines     what an entry does to which account; debit is positive, credit negative
--   ledger_balances   the sums of posted lines by account and party, kept by a trigger
--   transactions      the cash book: income, expenses and transfers as people enter them
--   number_sequences  the next number of each series, without gaps
--
-- What the database itself refuses here, whatever the program forgets: entries that are not balanced, dated in locked books, out of
-- number or overdrawing an account; changes of what is posted; a line in another currency than its account's. The text of such a
-- refusal begins with the code that clients get.

CREATE TABLE parties (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid                TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at          TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at          TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version             INTEGER NOT NULL DEFAULT 1,
    business_id         INTEGER NOT NULL REFERENCES businesses(id),
    created_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    name                TEXT    NOT NULL CHECK (length(name) <= 255),
    type                TEXT    NOT NULL DEFAULT 'client'
                                         CHECK (type = 'client' OR type = 'vendor' OR type = 'donor' OR type = 'investor'
                                                OR type = 'partner' OR type = 'internal'),
    email               TEXT             CHECK (length(email) <= 254),
    phone               TEXT             CHECK (length(phone) <= 20),
    email_norm          TEXT             CHECK (length(email_norm) <= 254),
    phone_norm          TEXT             CHECK (length(phone_norm) <= 16),
    tax_number          TEXT             CHECK (length(tax_number) <= 40),
    address             TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(address)),
    currency            TEXT    NOT NULL CHECK (length(currency) = 3),
    payment_terms_days  INTEGER          CHECK (payment_terms_days BETWEEN 0 AND 365),
    user_id             INTEGER,  -- the member who signs in for this party
    notes               TEXT    NOT NULL DEFAULT '' CHECK (length(notes) <= 5000),

    deleted_at          TEXT             CHECK (length(deleted_at) = 24),
    deleted_by          INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    FOREIGN KEY (business_id, user_id) REFERENCES memberships (business_id, user_id)
) STRICT;

CREATE UNIQUE INDEX parties_user_key   ON parties (business_id, user_id) WHERE user_id IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX parties_name_idx          ON parties (business_id, name, id)                     WHERE deleted_at IS NULL;
CREATE INDEX parties_type_idx          ON parties (business_id, type, name, id)               WHERE deleted_at IS NULL;
CREATE INDEX parties_created_at_idx    ON parties (business_id, created_at DESC, id DESC)     WHERE deleted_at IS NULL;
CREATE INDEX parties_phone_norm_idx    ON parties (business_id, phone_norm)                   WHERE deleted_at IS NULL AND phone_norm IS NOT NULL;
CREATE INDEX parties_email_norm_idx    ON parties (business_id, email_norm)                   WHERE deleted_at IS NULL AND email_norm IS NOT NULL;

CREATE TABLE accounts (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at      TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at      TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version         INTEGER NOT NULL DEFAULT 1,
    business_id     INTEGER NOT NULL REFERENCES businesses(id),
    created_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    name            TEXT    NOT NULL CHECK (length(name) <= 100),
    -- of system and category accounts
    code            TEXT             CHECK (length(code) <= 32),
    number          TEXT             CHECK (length(number) <= 34),
    class           TEXT    NOT NULL DEFAULT 'asset'
                                     CHECK (class = 'asset' OR class = 'liability' OR class = 'equity' OR class = 'income'
                                            OR class = 'expense'),
    type            TEXT    NOT NULL DEFAULT 'bank'
                                     CHECK (type = 'bank' OR type = 'mobile_money' OR type = 'cash' OR type = 'wallet' OR type = 'paypal'
                                            OR type = 'savings' OR type = 'credit_card' OR type = 'other_money' OR type = 'receivable'
                                            OR type = 'payable' OR type = 'tax_payable' OR type = 'tax_receivable' OR type = 'equity'
                                            OR type = 'fx_clearing' OR type = 'income' OR type = 'expense'),
    currency        TEXT    NOT NULL CHECK (length(currency) = 3),
    owner_id        INTEGER,  -- the keeper of a cash box
    allow_negative  INTEGER NOT NULL CHECK (allow_negative IN (0, 1)),
    is_system       INTEGER NOT NULL DEFAULT 0 CHECK (is_system IN (0, 1)),
    is_active       INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    description     TEXT    NOT NULL DEFAULT '' CHECK (length(description) <= 2000),
    -- where money is kept, as opposed to what it is owed or used for
    is_money        INTEGER NOT NULL GENERATED ALWAYS AS
                                     (type NOT IN ('receivable', 'payable', 'tax_payable', 'tax_receivable', 'equity', 'fx_clearing',
                                                   'income', 'expense')) VIRTUAL,

    deleted_at      TEXT             CHECK (length(deleted_at) = 24),
    deleted_by      INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    -- The target of lines, so that a line has its account's currency.
    UNIQUE (business_id, id, currency),
    FOREIGN KEY (business_id, owner_id) REFERENCES memberships (business_id, user_id)
) STRICT;

CREATE UNIQUE INDEX accounts_name_key   ON accounts (business_id, class, name, currency) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX accounts_code_key   ON accounts (business_id, class, code, currency) WHERE code IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX accounts_name_idx          ON accounts (business_id, name, id)              WHERE deleted_at IS NULL;
CREATE INDEX accounts_type_idx          ON accounts (business_id, type, name, id)        WHERE deleted_at IS NULL;
CREATE INDEX accounts_owner_idx         ON accounts (business_id, owner_id)              WHERE owner_id IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE tax_rates (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at   TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at   TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version      INTEGER NOT NULL DEFAULT 1,
    business_id  INTEGER NOT NULL REFERENCES businesses(id),
    created_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    name         TEXT    NOT NULL CHECK (length(name) <= 50),
    -- parts per million: 18 % is 180000
    percent      INTEGER NOT NULL CHECK (percent BETWEEN 0 AND 1000000),
    is_default   INTEGER NOT NULL DEFAULT 0 CHECK (is_default IN (0, 1)),
    is_active    INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),

    deleted_at   TEXT             CHECK (length(deleted_at) = 24),
    deleted_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id)
) STRICT;

CREATE UNIQUE INDEX tax_rates_name_key       ON tax_rates (business_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX tax_rates_is_default_key ON tax_rates (business_id)       WHERE is_default = 1 AND deleted_at IS NULL;

CREATE TABLE journal_entries (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at   TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at   TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version      INTEGER NOT NULL DEFAULT 1,
    business_id  INTEGER NOT NULL REFERENCES businesses(id),
    created_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    number       INTEGER NOT NULL CHECK (number >= 1),
    date         TEXT    NOT NULL CHECK (length(date) = 10),
    memo         TEXT    NOT NULL DEFAULT '' CHECK (length(memo) <= 500),
    -- draft only within the transaction that makes it
    state        TEXT    NOT NULL DEFAULT 'draft' CHECK (state = 'draft' OR state = 'posted'),
    -- what it was posted for: `transaction`, `invoice`; no list, so that whatever comes may post
    source_type  TEXT    NOT NULL CHECK (length(source_type) BETWEEN 1 AND 40),
    source_id    INTEGER NOT NULL,
    reverses_id  INTEGER,
    posted_at    TEXT             CHECK (length(posted_at) = 24),
    -- SHA-256 over the hash of the entry before and all that this one says: the chain that `studio verify` walks
    hash         TEXT             CHECK (length(hash) = 64),

    UNIQUE (business_id, id),
    CONSTRAINT journal_entries_number_key UNIQUE (business_id, number),
    CONSTRAINT journal_entries_posted CHECK ((state = 'posted') = (posted_at IS NOT NULL) AND (state = 'posted') = (hash IS NOT NULL)),
    FOREIGN KEY (business_id, reverses_id) REFERENCES journal_entries (business_id, id)
) STRICT;

-- An entry is reversed once.
CREATE UNIQUE INDEX journal_entries_reverses_key ON journal_entries (business_id, reverses_id) WHERE reverses_id IS NOT NULL;
CREATE INDEX journal_entries_date_idx   ON journal_entries (business_id, date DESC, id DESC);
CREATE INDEX journal_entries_source_idx ON journal_entries (business_id, source_type, source_id);

CREATE TABLE journal_lines (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    business_id  INTEGER NOT NULL,
    entry_id     INTEGER NOT NULL,
    account_id   INTEGER NOT NULL,
    party_id     INTEGER,
    currency     TEXT    NOT NULL CHECK (length(currency) = 3),
    -- minor units; debit is positive
    amount       INTEGER NOT NULL CHECK (amount <> 0 AND amount BETWEEN -9007199254740991 AND 9007199254740991),
    memo         TEXT    NOT NULL DEFAULT '' CHECK (length(memo) <= 255),

    FOREIGN KEY (business_id, entry_id)             REFERENCES journal_entries (business_id, id),
    FOREIGN KEY (business_id, account_id, currency) REFERENCES accounts (business_id, id, currency),
    FOREIGN KEY (business_id, party_id)             REFERENCES parties (business_id, id)
) STRICT;

CREATE INDEX journal_lines_entry_idx   ON journal_lines (entry_id, id);
CREATE INDEX journal_lines_account_idx ON journal_lines (account_id, entry_id);
CREATE INDEX journal_lines_party_idx   ON journal_lines (party_id, entry_id) WHERE party_id IS NOT NULL;

CREATE TABLE ledger_balances (
    id           INTEGER PRIMARY KEY,
    business_id  INTEGER NOT NULL,
    account_id   INTEGER NOT NULL,
    party_id     INTEGER,
    balance      INTEGER NOT NULL CHECK (balance BETWEEN -9007199254740991 AND 9007199254740991),
    -- the day of the latest entry in it
    last_date    TEXT    NOT NULL CHECK (length(last_date) = 10),

    FOREIGN KEY (business_id, account_id) REFERENCES accounts (business_id, id),
    FOREIGN KEY (business_id, party_id)   REFERENCES parties (business_id, id)
) STRICT;

-- Of an account, one row for each party and one for what has none.
CREATE UNIQUE INDEX ledger_balances_account_key ON ledger_balances (account_id, coalesce(party_id, 0));
CREATE INDEX ledger_balances_party_idx ON ledger_balances (party_id) WHERE party_id IS NOT NULL;

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

    UNIQUE (business_id, id),
    CONSTRAINT transactions_transfer
        CHECK ((type = 'transfer') = (to_account_id IS NOT NULL) AND (to_account_id IS NULL) = (to_amount IS NULL)
               AND (to_account_id IS NULL) = (to_currency IS NULL) AND to_account_id IS NOT account_id),
    CONSTRAINT transactions_category CHECK (type <> 'transfer' OR category IS NULL),
    FOREIGN KEY (business_id, account_id, currency)       REFERENCES accounts (business_id, id, currency),
    FOREIGN KEY (business_id, to_account_id, to_currency) REFERENCES accounts (business_id, id, currency),
    FOREIGN KEY (business_id, party_id)                   REFERENCES parties (business_id, id),
    FOREIGN KEY (business_id, journal_entry_id)           REFERENCES journal_entries (business_id, id),
    FOREIGN KEY (business_id, receipt_file_id)            REFERENCES files (business_id, id)
) STRICT;

CREATE UNIQUE INDEX transactions_client_ref_key  ON transactions (business_id, client_ref)     WHERE client_ref IS NOT NULL;
CREATE INDEX transactions_date_idx       ON transactions (business_id, date DESC, id DESC);
CREATE INDEX transactions_created_at_idx ON transactions (business_id, created_at DESC, id DESC);
CREATE INDEX transactions_account_idx    ON transactions (business_id, account_id, date DESC, id DESC);
CREATE INDEX transactions_to_account_idx ON transactions (business_id, to_account_id) WHERE to_account_id IS NOT NULL;
CREATE INDEX transactions_category_idx   ON transactions (business_id, category, date DESC, id DESC);
CREATE INDEX transactions_party_idx      ON transactions (business_id, party_id, date DESC, id DESC) WHERE party_id IS NOT NULL;
CREATE INDEX transactions_entry_idx      ON transactions (business_id, journal_entry_id) WHERE journal_entry_id IS NOT NULL;
CREATE INDEX transactions_receipt_idx    ON transactions (business_id, receipt_file_id)  WHERE receipt_file_id IS NOT NULL;

CREATE TABLE number_sequences (
    id           INTEGER PRIMARY KEY,
    business_id  INTEGER NOT NULL REFERENCES businesses(id),
    key          TEXT    NOT NULL CHECK (length(key) <= 40),
    -- empty where the format has neither year nor month
    period       TEXT    NOT NULL DEFAULT '' CHECK (length(period) <= 7),
    next         INTEGER NOT NULL CHECK (next >= 1),

    CONSTRAINT number_sequences_period_key UNIQUE (business_id, key, period)
) STRICT;

-- ---------------------------------------------------------------------------------------------- entries

CREATE TRIGGER journal_entries_are_drafts_first BEFORE INSERT ON journal_entries WHEN NEW.state <> 'draft'
BEGIN
    SELECT RAISE(ABORT, 'immutable: An entry is posted once its lines are there.');
END;

CREATE TRIGGER journal_entries_no_update BEFORE UPDATE ON journal_entries WHEN OLD.state = 'posted'
BEGIN
    SELECT RAISE(ABORT, 'immutable: A posted entry is never changed; reverse it instead.');
END;

CREATE TRIGGER journal_entries_no_delete BEFORE DELETE ON journal_entries WHEN OLD.state = 'posted'
BEGIN
    SELECT RAISE(ABORT, 'immutable: A posted entry is never deleted; reverse it instead.');
END;

CREATE TRIGGER journal_entries_post BEFORE UPDATE ON journal_entries WHEN OLD.state = 'draft' AND NEW.state = 'posted'
BEGIN
    SELECT RAISE(ABORT, 'unbalanced: An entry has at least two lines.')
     WHERE (SELECT count(*) FROM journal_lines WHERE entry_id = OLD.id) < 2;
    SELECT RAISE(ABORT, 'unbalanced: The lines of an entry add up to zero in each currency.')
     WHERE EXISTS (SELECT 1 FROM journal_lines WHERE entry_id = OLD.id GROUP BY currency HAVING sum(amount) <> 0);
    SELECT RAISE(ABORT, 'immutable: Entries are numbered without gaps.')
     WHERE NEW.number <> 1 + coalesce((SELECT max(number) FROM journal_entries WHERE business_id = NEW.business_id AND id <> NEW.id), 0);
    SELECT RAISE(ABORT, 'books_locked: The books are locked for this date.')
     WHERE EXISTS (SELECT 1 FROM businesses WHERE id = NEW.business_id AND books_locked_until >= NEW.date);
    SELECT RAISE(ABORT, 'immutable: A reversal is the exact negation of a posted entry.')
     WHERE NEW.reverses_id IS NOT NULL
       AND (NOT EXISTS (SELECT 1 FROM journal_entries WHERE id = NEW.reverses_id AND state = 'posted')
            OR EXISTS (SELECT 1 FROM journal_lines WHERE entry_id = NEW.id OR entry_id = NEW.reverses_id
                       GROUP BY account_id, party_id HAVING sum(amount) <> 0));
END;

CREATE TRIGGER journal_entries_posted AFTER UPDATE ON journal_entries WHEN OLD.state = 'draft' AND NEW.state = 'posted'
BEGIN
    INSERT INTO ledger_balances (business_id, account_id, party_id, balance, last_date)
    SELECT business_id, account_id, party_id, sum(amount), NEW.date FROM journal_lines WHERE entry_id = NEW.id GROUP BY account_id, party_id
        ON CONFLICT (account_id, coalesce(party_id, 0))
        DO UPDATE SET balance = balance + excluded.balance, last_date = max(last_date, excluded.last_date);
    SELECT RAISE(ABORT, 'insufficient_funds: The account has not enough money.')
     WHERE EXISTS (SELECT 1 FROM journal_lines AS l JOIN accounts AS a ON a.id = l.account_id
                   WHERE l.entry_id = NEW.id AND a.is_money AND NOT a.allow_negative
                   GROUP BY a.id
                   HAVING sum(l.amount) < 0 AND (SELECT sum(b.balance) FROM ledger_balances AS b WHERE b.account_id = a.id) < 0);
END;

-- ---------------------------------------------------------------------------------------------- lines

CREATE TRIGGER journal_lines_insert BEFORE INSERT ON journal_lines
BEGIN
    SELECT RAISE(ABORT, 'immutable: A posted entry takes no more lines.')
     WHERE EXISTS (SELECT 1 FROM journal_entries WHERE id = NEW.entry_id AND state = 'posted');
    SELECT RAISE(ABORT, 'party_required: A line on what is owed names the party.')
     WHERE NEW.party_id IS NULL AND EXISTS (SELECT 1 FROM accounts WHERE id = NEW.account_id AND (type = 'receivable' OR type = 'payable'));
END;

CREATE TRIGGER journal_lines_update BEFORE UPDATE ON journal_lines
BEGIN
    SELECT RAISE(ABORT, 'immutable: The lines of a posted entry are never changed.')
     WHERE EXISTS (SELECT 1 FROM journal_entries WHERE (id = OLD.entry_id OR id = NEW.entry_id) AND state = 'posted');
    SELECT RAISE(ABORT, 'party_required: A line on what is owed names the party.')
     WHERE NEW.party_id IS NULL AND EXISTS (SELECT 1 FROM accounts WHERE id = NEW.account_id AND (type = 'receivable' OR type = 'payable'));
END;

CREATE TRIGGER journal_lines_delete BEFORE DELETE ON journal_lines
BEGIN
    SELECT RAISE(ABORT, 'immutable: The lines of a posted entry are never deleted.')
     WHERE EXISTS (SELECT 1 FROM journal_entries WHERE id = OLD.entry_id AND state = 'posted');
END;

-- ---------------------------------------------------------------------------------------------- what entries stand on

CREATE TRIGGER accounts_fixed BEFORE UPDATE ON accounts
    WHEN (NEW.class <> OLD.class OR NEW.currency <> OLD.currency OR NEW.is_money <> OLD.is_money OR NEW.business_id <> OLD.business_id
          OR NOT OLD.is_money AND NEW.type <> OLD.type)
         AND EXISTS (SELECT 1 FROM journal_lines WHERE account_id = OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'immutable: Class, currency and kind of an account are fixed once it is used.');
END;

CREATE TRIGGER accounts_in_use BEFORE UPDATE OF deleted_at ON accounts
    WHEN NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL AND EXISTS (SELECT 1 FROM journal_lines WHERE account_id = OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'in_use: An account with entries is not deleted; deactivate it instead.');
END;

CREATE TRIGGER businesses_currency_fixed BEFORE UPDATE OF currency ON businesses
    WHEN NEW.currency <> OLD.currency AND EXISTS (SELECT 1 FROM journal_entries WHERE business_id = OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'immutable: The currency is fixed once something is posted.');
END;

-- Whatever is posted keeps what it was posted with; its entry is named once it is there. New columns belong in this list, and a test goes through them all.
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
