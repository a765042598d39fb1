//! What the database has: tables with their columns, what of them is searched, and what was written to them last.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use super::{Reader, changes::Changes, search::Searched};
use crate::error::Result;

/// Columns that the writer fills itself where a table has them.
const MIXIN: [&str; 7] = ["uuid", "created_at", "updated_at", "version", "business_id", "created_by", "updated_by"];

/// The tables and their columns, as the migrated database has them.
pub struct Catalog {
    pub(super) tables: HashMap<String, Table>,
    pub(super) searched: Vec<Searched>,
}

pub(super) struct Table {
    columns: Vec<String>,
    /// Those of `MIXIN` that it has.
    mixin: Vec<&'static str>,
    /// How many commits have touched the table since the start.
    pub generation: AtomicU64,
    /// Its rows that were written last.
    pub changes: Mutex<Changes>,
    /// Wakes whoever waits for such a commit.
    pub changed: watch::Sender<()>,
}

impl Catalog {
    /// As the database is now.
    pub fn of(reader: &Reader<'_>) -> Result<Self> {
        let mut tables = HashMap::new();
        let sql = "SELECT t.name, c.name FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c WHERE t.schema = 'main' AND t.type = 'table'";
        reader.each(sql, &[], |row| {
            let none = || Table {
                columns: vec![],
                mixin: vec![],
                generation: AtomicU64::new(0),
                changes: Mutex::default(),
                changed: watch::Sender::new(()),
            };
            let table: &mut Table = tables.entry(row.get(0)?).or_insert_with(none);
            let column: String = row.get(1)?;
            table.mixin.extend(MIXIN.iter().find(|name| **name == column));
            table.columns.push(column);
            Ok(())
        })?;
        Ok(Self { tables, searched: vec![] })
    }

    pub fn has(&self, table: &str, column: &str) -> bool {
        self.columns(table).iter().any(|name| name == column)
    }

    /// The columns of a table; none when there is no such table.
    pub fn columns(&self, table: &str) -> &[String] {
        self.tables.get(table).map_or(&[], |table| &table.columns)
    }

    /// The columns that the writer fills itself.
    pub fn mixin(&self, table: &str) -> &[&'static str] {
        self.tables.get(table).map_or(&[], |table| &table.mixin)
    }

    /// How a table's rows are searched; `None` when they are not.
    pub fn searched(&self, table: &str) -> Option<&Searched> {
        self.searched.iter().find(|searched| searched.table == table)
    }

    pub(super) fn searched_as(&self, number: i64) -> Option<&Searched> {
        self.searched.iter().find(|searched| searched.number == number)
    }

    /// The tables that SQL names.
    pub fn named<'s>(&self, sql: &'s str) -> BTreeSet<&'s str> {
        sql.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| self.tables.contains_key(*word)).collect()
    }

    /// Notes that a row is written, before its commit: whoever sees the commit sees the note.
    pub(super) fn note(&self, table: &str, row: i64) {
        if let Some(table) = self.tables.get(table) {
            let next = table.generation.load(Ordering::SeqCst) + 1;
            table.changes.lock().unwrap_or_else(PoisonError::into_inner).note(next, row);
        }
    }

    pub(super) fn touch(&self, table: &str) {
        if let Some(table) = self.tables.get(table) {
            table.generation.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(super) fn wake(&self, table: &str) {
        if let Some(table) = self.tables.get(table) {
            table.changed.send_replace(());
        }
    }
}
