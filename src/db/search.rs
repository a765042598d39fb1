//! The search index: which rows may hold some terms. Rows are indexed after their commit, many at a time (`Indexer`); those that wait
//! are candidates of every search. Whoever asks looks at the rows themselves: a candidate is no match yet.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::{Catalog, Reader, Value, failure::explain, sqlite::execute};
use crate::{
    error::{Error, Result},
    kit::{fold::fold, hex::hex},
};

/// A table's number stands above the ids.
const IDS: i64 = 1 << 40;
/// So many rows are indexed in one transaction: fewer cost more each, more keep others waiting.
pub const BATCH: usize = 512;
/// More, when so many wait that they would become a burden on searches.
const LARGEST_BATCH: usize = 2048;
/// While more rows than these wait, the index is of no help.
const MOST_PENDING: usize = 4096;
/// The length of what is indexed.
const GRAM: usize = 3;
/// Changes whenever a text is folded or cut in another way: everything is then indexed again.
const FORMAT: &str = "trigrams of folded texts, 1";

/// A table whose rows can be found by the texts in some of its columns.
#[derive(Debug, Clone)]
pub struct SearchTable {
    pub table: &'static str,
    pub columns: Vec<&'static str>,
}

/// The same, with its place in the index.
pub struct Searched {
    pub table: &'static str,
    pub columns: Vec<&'static str>,
    pub(super) number: i64,
    definition: String,
    /// SQL for the text of a row.
    text: String,
}

/// Which rows may hold some terms.
#[derive(Debug, PartialEq, Eq)]
pub enum Candidates {
    /// The index does not know: the table is not wholly indexed yet, or the terms are too short.
    Unknown,
    /// More than were asked for.
    Many,
    /// These, the newest first.
    Rows(Vec<i64>),
}

impl SearchTable {
    /// SQL for the text of the rows named `t`.
    fn text(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| format!("t.\"{column}\"")).collect();
        format!("concat_ws(char(10), {})", columns.join(", "))
    }

    fn definition(&self) -> String {
        hex(&Sha256::digest(format!("{FORMAT}: {}", self.text())))
    }
}

impl Searched {
    /// Where its rows stand in the index.
    fn place(&self, id: i64) -> i64 {
        self.number * IDS + id
    }

    /// SQL that answers the ids of the candidates; `query` is the place of what `matching` makes of the terms.
    pub fn ids(&self, query: &str) -> String {
        let (first, last) = (self.place(0), self.place(IDS - 1));
        format!(
            "SELECT rowid - {first} FROM search_index WHERE search_index MATCH {query} AND rowid BETWEEN {first} AND {last} \
             UNION ALL SELECT place - {first} FROM search_pending WHERE place BETWEEN {first} AND {last}"
        )
    }
}

/// What the index is asked for terms: trigrams that cover each of them. Not every one, which takes several times as long and leaves
/// hardly fewer rows. `None`: all terms are too short.
pub fn matching(terms: &[&str]) -> Option<String> {
    let mut grams: Vec<String> = vec![];
    for term in terms {
        let letters: Vec<char> = fold(term).chars().collect();
        let Some(last) = letters.len().checked_sub(GRAM) else { continue };
        let starts = (0..last).step_by(GRAM).chain([last]);
        grams.extend(starts.map(|at| format!("\"{}\"", letters[at..at + GRAM].iter().collect::<String>().replace('"', "\"\""))));
    }
    grams.sort_unstable();
    grams.dedup();
    (!grams.is_empty()).then(|| grams.join(" AND "))
}

impl Reader<'_> {
    /// Is the table indexed as this program wants it?
    fn is_indexed(&self, searched: &Searched) -> Result<bool> {
        let args = [searched.number.into(), searched.definition.as_str().into()];
        self.exists("SELECT 1 FROM search_tables WHERE number = ?1 AND definition = ?2 AND complete = 1", &args)
    }

    /// Rows below an id that wait to be indexed.
    fn pending(&self, searched: &Searched, below: i64) -> Result<Vec<i64>> {
        let first = searched.place(0);
        let sql = format!(
            "SELECT place - ?1 FROM search_pending WHERE place >= ?1 AND place < ?2 ORDER BY place DESC LIMIT {}",
            MOST_PENDING + 1
        );
        self.rows(&sql, &[first.into(), (first + below).into()], |row| row.get(0))
    }

    /// The rows that may hold all of the terms, if they are not more than `most`.
    pub fn candidates(&self, searched: &Searched, terms: &[&str], most: usize) -> Result<Candidates> {
        match self.candidates_below(searched, terms, IDS, most + 1)? {
            None => Ok(Candidates::Unknown),
            Some(ids) if ids.len() > most => Ok(Candidates::Many),
            Some(ids) => Ok(Candidates::Rows(ids)),
        }
    }

    /// The newest candidates below an id: those that wait, and of those that are indexed so many at most. Fewer: there are no others.
    /// `None`: the index does not know.
    pub fn candidates_below(&self, searched: &Searched, terms: &[&str], below: i64, most: usize) -> Result<Option<Vec<i64>>> {
        let Some(query) = matching(terms) else { return Ok(None) };
        let below = below.min(IDS);
        let waiting = self.pending(searched, below)?;
        if waiting.len() > MOST_PENDING || !self.is_indexed(searched)? {
            return Ok(None);
        }
        let first = searched.place(0);
        let sql =
            "SELECT rowid - ?2 FROM search_index WHERE search_index MATCH ?1 AND rowid >= ?2 AND rowid < ?3 ORDER BY rowid DESC LIMIT ?4";
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let mut ids: Vec<i64> = self.rows(sql, &[query.into(), first.into(), (first + below).into(), limit.into()], |row| row.get(0))?;
        // Where the indexed ones were cut, those that wait are cut as well.
        let reached = ids.last().copied().filter(|_| ids.len() >= most).unwrap_or(0);
        ids.extend(waiting.into_iter().filter(|id| *id >= reached));
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        Ok(Some(ids))
    }

    /// The tables that are not wholly indexed yet.
    pub fn unindexed(&self) -> Result<Vec<String>> {
        self.rows("SELECT table_name FROM search_tables WHERE complete = 0 ORDER BY number", &[], |row| row.get(0))
    }

    /// Notes that a row's text may be another than the index knows.
    pub(super) fn note_pending(&self, searched: &Searched, id: i64) -> Result<()> {
        // A row is noted once, however often it is written.
        self.each("INSERT INTO search_pending (place) VALUES (?1) ON CONFLICT DO NOTHING", &[searched.place(id).into()], |_| Ok(()))
    }
}

/// Gives each table its number. What is indexed in another way than the program does it is to be indexed again.
pub fn register(connection: &Connection, tables: &[SearchTable]) -> Result<Vec<Searched>> {
    let reader = Reader::new(connection);
    let known: Vec<(i64, String, String)> =
        reader.rows("SELECT number, table_name, definition FROM search_tables", &[], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let is_new = |table: &&SearchTable| !known.iter().any(|(_, name, definition)| name == table.table && *definition == table.definition());
    for table in tables.iter().filter(is_new) {
        // A table without rows is indexed as it is.
        let sql = format!(
            "INSERT INTO search_tables (table_name, definition, complete) VALUES (?1, ?2, NOT EXISTS (SELECT 1 FROM \"{0}\"))
             ON CONFLICT (table_name) DO UPDATE SET definition = excluded.definition, indexed_to = 0, complete = excluded.complete",
            table.table
        );
        reader.each(&sql, &[table.table.into(), table.definition().into()], |_| Ok(()))?;
    }
    let number = |table: &SearchTable| {
        let number = reader.one("SELECT number FROM search_tables WHERE table_name = ?1", &[table.table.into()])?;
        let number = number.ok_or_else(|| Error::internal("a table without a number"))?;
        let text = format!("SELECT {} FROM \"{}\" AS t WHERE t.id = ?1", table.text(), table.table);
        Ok(Searched { table: table.table, columns: table.columns.clone(), number, definition: table.definition(), text })
    };
    tables.iter().map(number).collect()
}

/// Indexes rows, from the writer thread and between its requests.
pub struct Indexer {
    /// A table is not wholly indexed yet, as far as is known.
    building: bool,
    /// About so many rows wait.
    pub waiting: usize,
}

impl Indexer {
    pub fn new(connection: &Connection) -> Self {
        let reader = Reader::new(connection);
        let waiting: i64 = reader.one("SELECT count(*) FROM search_pending", &[]).ok().flatten().unwrap_or(0);
        Self { building: reader.unindexed().is_ok_and(|tables| !tables.is_empty()), waiting: usize::try_from(waiting).unwrap_or(0) }
    }

    /// Is there anything to do?
    pub fn has_work(&self) -> bool {
        self.building || self.waiting > 0
    }

    /// Must it be done soon, also while requests come?
    pub fn is_pressed(&self) -> bool {
        self.building || self.waiting >= BATCH
    }

    /// Does a part of it, in a transaction of its own.
    pub fn step(&mut self, connection: &Connection, catalog: &Catalog) -> Result<()> {
        execute(connection, "BEGIN IMMEDIATE")?;
        let done = self.part(&Reader::new(connection), catalog).and_then(|()| execute(connection, "COMMIT"));
        if done.is_err() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        done
    }

    fn part(&mut self, reader: &Reader<'_>, catalog: &Catalog) -> Result<()> {
        if self.waiting >= BATCH || !self.building {
            return self.waiting_rows(reader, catalog);
        }
        let next = reader.row("SELECT number, indexed_to FROM search_tables WHERE complete = 0 ORDER BY number", &[], |row| {
            Ok((row.get::<i64>(0)?, row.get::<i64>(1)?))
        })?;
        let Some((number, indexed_to)) = next else {
            self.building = false;
            return Ok(());
        };
        let Some(searched) = catalog.searched_as(number) else {
            // It is searched no more, or there is no such table any more.
            return reader.each("UPDATE search_tables SET complete = 1 WHERE number = ?1", &[number.into()], |_| Ok(()));
        };
        let sql = format!("SELECT id FROM \"{}\" WHERE id > ?1 ORDER BY id LIMIT {BATCH}", searched.table);
        let ids: Vec<i64> = reader.rows(&sql, &[indexed_to.into()], |row| row.get(0))?;
        for id in &ids {
            index(reader, searched, *id)?;
        }
        let args = [number.into(), ids.last().copied().unwrap_or(indexed_to).into(), (ids.len() < BATCH).into()];
        reader.each("UPDATE search_tables SET indexed_to = ?2, complete = ?3 WHERE number = ?1", &args, |_| Ok(()))
    }

    fn waiting_rows(&mut self, reader: &Reader<'_>, catalog: &Catalog) -> Result<()> {
        let batch = (self.waiting / 2).clamp(BATCH, LARGEST_BATCH);
        let sql = format!("SELECT place FROM search_pending ORDER BY place LIMIT {batch}");
        let places: Vec<i64> = reader.rows(&sql, &[], |row| row.get(0))?;
        for place in &places {
            match catalog.searched_as(place / IDS) {
                Some(searched) => index(reader, searched, place % IDS)?,
                None => forget(reader, *place)?,
            }
        }
        let (Some(first), Some(last)) = (places.first(), places.last()) else {
            self.waiting = 0;
            return Ok(());
        };
        reader.each("DELETE FROM search_pending WHERE place BETWEEN ?1 AND ?2", &[(*first).into(), (*last).into()], |_| Ok(()))?;
        self.waiting = if places.len() < batch { 0 } else { self.waiting.saturating_sub(places.len()).max(1) };
        Ok(())
    }

    /// Merges a little of what many small batches have left: searches then have fewer places to look at.
    pub fn tidy(connection: &Connection) -> Result<()> {
        connection.execute_batch("INSERT INTO search_index (search_index, rank) VALUES ('merge', 500)").map_err(explain)
    }
}

/// Puts a row's text in place of what the index has of it.
fn index(reader: &Reader<'_>, searched: &Searched, id: i64) -> Result<()> {
    let place = searched.place(id);
    match reader.one::<String>(&searched.text, &[id.into()])? {
        None => forget(reader, place),
        Some(text) => {
            let args: [Value; 2] = [place.into(), fold(&text).into()];
            reader.each("INSERT OR REPLACE INTO search_index (rowid, text) VALUES (?1, ?2)", &args, |_| Ok(()))
        }
    }
}

fn forget(reader: &Reader<'_>, place: i64) -> Result<()> {
    reader.each("DELETE FROM search_index WHERE rowid = ?1", &[place.into()], |_| Ok(()))
}
