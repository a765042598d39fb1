-- 0008 imports: files that were taken in, and how far each has come.
--
--   imports  one row per file; its counts are changed in the transactions that store its rows, so they are always true

CREATE TABLE imports (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at       TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at       TEXT    NOT NULL CHECK (length(updated_at) = 24),
    business_id      INTEGER NOT NULL REFERENCES businesses(id),
    created_by       INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    resource         TEXT    NOT NULL CHECK (length(resource) <= 100),  -- its path: `field/leads`
    -- interrupted: the program stopped on the way; what is done stays done
    status           TEXT    NOT NULL DEFAULT 'running'
                                      CHECK (status = 'running' OR status = 'done' OR status = 'failed' OR status = 'interrupted'),
    dry_run          INTEGER NOT NULL CHECK (dry_run IN (0, 1)),
    atomic           INTEGER NOT NULL CHECK (atomic IN (0, 1)),
    total            INTEGER NOT NULL CHECK (total >= 0),
    done             INTEGER NOT NULL DEFAULT 0 CHECK (done BETWEEN 0 AND total),
    created          INTEGER NOT NULL DEFAULT 0 CHECK (created >= 0),
    updated          INTEGER NOT NULL DEFAULT 0 CHECK (updated >= 0),
    failed           INTEGER NOT NULL DEFAULT 0 CHECK (failed >= 0),
    ignored_columns  TEXT    NOT NULL CHECK (json_valid(ignored_columns)),
    errors           TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(errors)),
    errors_cut       INTEGER NOT NULL DEFAULT 0 CHECK (errors_cut IN (0, 1)),

    UNIQUE (business_id, id)
) STRICT;

CREATE INDEX imports_created_by_idx ON imports (business_id, created_by, id);
CREATE INDEX imports_running_idx    ON imports (id) WHERE status = 'running';
