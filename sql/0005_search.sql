-- 0005 search: where the texts of rows are found.
--
--   search_tables   the tables whose rows can be found by their texts, and how far each is indexed
--   search_pending  rows that were written since they were indexed
--   search_index    the trigrams of each row's text
--
-- A row's place in the index is its table's number * 2^40 + its id. The index answers which rows may match, and whoever asks looks
-- at the rows themselves: so it may know more than is true, and never less. Writing a row costs one entry in search_pending;
-- hundreds of those are indexed together, at a tenth of what it costs to index each with its commit.
--
-- The index keeps neither the texts (content = '') nor where in them a trigram stands (detail = none), which would make it
-- three times as large. Texts are folded by the program before they come here.

CREATE TABLE search_tables (
    number      INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 4194303),
    table_name  TEXT    NOT NULL UNIQUE,
    -- hash of what makes a row's text; another one than the program's: the table is indexed again
    definition  TEXT    NOT NULL CHECK (length(definition) = 64),
    -- rows up to this id are indexed
    indexed_to  INTEGER NOT NULL DEFAULT 0,
    complete    INTEGER NOT NULL DEFAULT 0 CHECK (complete IN (0, 1))
) STRICT;

CREATE TABLE search_pending (
    place  INTEGER PRIMARY KEY
) STRICT;

CREATE VIRTUAL TABLE search_index USING fts5 (
    text, content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1'
);

-- Larger merges, and fewer: what is written comes in batches already.
INSERT INTO search_index (search_index, rank) VALUES ('automerge', 16), ('crisismerge', 64);
