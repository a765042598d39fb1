-- 0007 shared: what belongs to records of any kind, and people's ways of looking at them.
--
--   saved_views  a person's filter, order and columns for the lists of a resource; their own or shared
--   comments     what is said about a record
--   reactions    what people think of it, in one emoji
--   files        what is attached to a record: the names; the bytes are in the data folder, by their hash
--
-- A target is named by what it is (`lead`) and its id. No foreign key can follow it, so that what can be talked about needs no line
-- here: the engine asks for the caller's right to read the target in every statement over these tables.

CREATE TABLE saved_views (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at   TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at   TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version      INTEGER NOT NULL DEFAULT 1,
    business_id  INTEGER NOT NULL REFERENCES businesses(id),
    created_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    -- the resource's path
    resource     TEXT    NOT NULL CHECK (length(resource) <= 100),
    name         TEXT    NOT NULL CHECK (length(name) <= 100),
    filters      TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(filters)),
    ordering     TEXT    NOT NULL DEFAULT ''   CHECK (length(ordering) <= 255),
    columns      TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(columns)),
    is_shared    INTEGER NOT NULL DEFAULT 0 CHECK (is_shared IN (0, 1)),

    deleted_at   TEXT             CHECK (length(deleted_at) = 24),
    deleted_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id)
) STRICT;

CREATE UNIQUE INDEX saved_views_name_key ON saved_views (business_id, created_by, resource, name COLLATE NOCASE) WHERE deleted_at IS NULL;
CREATE INDEX saved_views_created_at_idx ON saved_views (business_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE comments (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at   TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at   TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version      INTEGER NOT NULL DEFAULT 1,
    business_id  INTEGER NOT NULL REFERENCES businesses(id),
    created_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    target_type  TEXT    NOT NULL CHECK (length(target_type) <= 50),
    target_id    INTEGER NOT NULL,
    -- NULL: a superuser without a membership
    author_id    INTEGER,
    content      TEXT    NOT NULL CHECK (length(content) <= 5000),
    -- one level
    parent_id    INTEGER,
    is_internal  INTEGER NOT NULL DEFAULT 1 CHECK (is_internal IN (0, 1)),
    -- the ids of members, as texts
    mentioned    TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(mentioned)),
    edited_at    TEXT             CHECK (length(edited_at) = 24),

    deleted_at   TEXT             CHECK (length(deleted_at) = 24),
    deleted_by   INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id),
    FOREIGN KEY (business_id, author_id) REFERENCES memberships (business_id, user_id),
    FOREIGN KEY (business_id, parent_id) REFERENCES comments (business_id, id)
) STRICT;

CREATE INDEX comments_target_idx ON comments (business_id, target_type, target_id, created_at, id);
CREATE INDEX comments_author_idx ON comments (business_id, author_id);
CREATE INDEX comments_parent_idx ON comments (business_id, parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE reactions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at   TEXT    NOT NULL CHECK (length(created_at) = 24),
    business_id  INTEGER NOT NULL REFERENCES businesses(id),

    target_type  TEXT    NOT NULL CHECK (length(target_type) <= 50),
    target_id    INTEGER NOT NULL,
    user_id      INTEGER NOT NULL,
    emoji        TEXT    NOT NULL CHECK (length(emoji) BETWEEN 1 AND 20),

    FOREIGN KEY (business_id, user_id) REFERENCES memberships (business_id, user_id)
) STRICT;

CREATE UNIQUE INDEX reactions_emoji_key ON reactions (business_id, target_type, target_id, user_id, emoji);
CREATE INDEX reactions_user_idx ON reactions (business_id, user_id);

CREATE TABLE files (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid          TEXT    NOT NULL UNIQUE CHECK (length(uuid) <= 36),
    created_at    TEXT    NOT NULL CHECK (length(created_at) = 24),
    updated_at    TEXT    NOT NULL CHECK (length(updated_at) = 24),
    version       INTEGER NOT NULL DEFAULT 1,
    business_id   INTEGER NOT NULL REFERENCES businesses(id),
    created_by    INTEGER          REFERENCES users(id) ON DELETE SET NULL,
    updated_by    INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    target_type   TEXT    NOT NULL CHECK (length(target_type) <= 50),
    target_id     INTEGER NOT NULL,
    filename      TEXT    NOT NULL CHECK (length(filename) <= 255),
    purpose       TEXT    NOT NULL DEFAULT '' CHECK (length(purpose) <= 30),
    -- by what the bytes say
    content_type  TEXT    NOT NULL CHECK (length(content_type) <= 100),
    size          INTEGER NOT NULL CHECK (size >= 0),
    sha256        TEXT    NOT NULL CHECK (length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*'),
    -- of images, in pixels
    width         INTEGER          CHECK (width > 0),
    height        INTEGER          CHECK (height > 0),

    deleted_at    TEXT             CHECK (length(deleted_at) = 24),
    deleted_by    INTEGER          REFERENCES users(id) ON DELETE SET NULL,

    UNIQUE (business_id, id)
) STRICT;

CREATE INDEX files_target_idx ON files (business_id, target_type, target_id, created_at DESC, id DESC);
-- What a business takes up, added up without a look at the rows.
CREATE INDEX files_size_idx ON files (business_id, size);
CREATE INDEX files_sha256_idx ON files (sha256);
