//! Forward-only migrations: the files of `sql/`, embedded, each run once, in one transaction, in the order of their names.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path};

use include_dir::{Dir, include_dir};
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::{Reader, failure::explain, sqlite};
use crate::{
    clock::Clock,
    error::{Error, Result},
    kit::{DateTime, hex::hex},
};

/// How a file begins that makes a table anew, for what `ALTER TABLE` cannot do. Rows of other tables refer to the old one meanwhile, so
/// references are checked at its end (https://sqlite.org/lang_altertable.html, section 7).
const REBUILDS: &str = "-- rebuilds a table\n";

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sql");

/// One file of `sql/`.
pub struct Migration {
    /// The file's name without `.sql`.
    pub name: &'static str,
    pub sql: &'static str,
    /// When it was run on this database; `None`: not yet.
    pub applied_at: Option<String>,
}

impl Migration {
    fn hash(&self) -> String {
        hex(&Sha256::digest(self.sql))
    }
}

/// All migrations in order, with what the database remembers of them.
///
/// # Errors
/// When the database remembers a migration that this program does not have, or has otherwise.
pub fn list(connection: &Connection) -> Result<Vec<Migration>> {
    let reader = Reader::new(connection);
    let sql = "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, hash TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT";
    if !reader.exists("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'", &[])? {
        connection.execute_batch(sql).map_err(explain)?;
    }
    let read = |row: &super::Row<'_>| Ok((row.get::<String>(0)?, row.get::<String>(1)?, row.get::<String>(2)?));
    let done = reader.rows("SELECT name, hash, applied_at FROM migrations ORDER BY name", &[], read)?;
    let mut all = embedded();
    for (name, hash, applied_at) in done {
        let known = all.iter_mut().find(|migration| migration.name == name).ok_or_else(|| {
            Error::Internal(format!("this database was migrated by a newer studio (it has {name}); use that version or a copy from before"))
        })?;
        if known.hash() != hash {
            return Err(Error::Internal(format!(
                "sql/{name}.sql was edited after it had run; put it back and write a new migration instead"
            )));
        }
        known.applied_at = Some(applied_at);
    }
    Ok(all)
}

/// All migrations as the database in a file has them. The file is neither made nor changed: also while a server runs.
pub fn look(path: &Path) -> Result<Vec<Migration>> {
    if path.exists() {
        let connection = sqlite::open_reader(path)?;
        if Reader::new(&connection).exists("SELECT 1 FROM sqlite_schema WHERE name = 'migrations'", &[])? {
            return list(&connection);
        }
    }
    Ok(embedded())
}

fn embedded() -> Vec<Migration> {
    let migration = |file: &'static include_dir::File<'static>| {
        let name = file.path().file_stem()?.to_str()?;
        Some(Migration { name, sql: file.contents_utf8()?, applied_at: None })
    };
    let mut all: Vec<Migration> = FILES.files().filter_map(migration).collect();
    all.sort_by_key(|migration| migration.name);
    all
}

/// Runs what has not run yet and answers the names. A database that holds data is copied first.
pub fn run(connection: &mut Connection, folder: &Path, clock: &Clock) -> Result<Vec<&'static str>> {
    let all = list(connection)?;
    let holds_data = all.iter().any(|migration| migration.applied_at.is_some());
    let pending: Vec<&Migration> = all.iter().filter(|migration| migration.applied_at.is_none()).collect();
    let Some(first) = pending.first() else { return Ok(vec![]) };
    let now = DateTime(clock.now()).to_string();
    if holds_data {
        copy(connection, folder, &format!("before-{}-{}.db", first.name, now.replace([':', '.'], "")))?;
    }
    for migration in &pending {
        let rebuilds = migration.sql.starts_with(REBUILDS);
        connection.pragma_update(None, "foreign_keys", !rebuilds).map_err(explain)?;
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(explain)?;
        let failed = |error| Error::Internal(format!("migration {} failed: {}", migration.name, explain(error)));
        transaction.execute_batch(migration.sql).map_err(failed)?;
        if rebuilds && Reader::new(&transaction).exists("SELECT 1 FROM pragma_foreign_key_check", &[])? {
            return Err(Error::Internal(format!("migration {} failed: rows would refer to what is not there", migration.name)));
        }
        let remember = "INSERT INTO migrations (name, hash, applied_at) VALUES (?1, ?2, ?3)";
        transaction.execute(remember, [migration.name, &migration.hash(), &now]).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        tracing::info!(name = migration.name, "migrated");
    }
    connection.pragma_update(None, "foreign_keys", true).map_err(explain)?;
    Ok(pending.iter().map(|migration| migration.name).collect())
}

/// A whole copy of the database in `<folder>/backups`.
fn copy(connection: &Connection, folder: &Path, name: &str) -> Result<()> {
    let backups = folder.join("backups");
    super::create_folder(&backups)?;
    let target = backups.join(name);
    // It takes an empty file, and leaves its mode.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&target).map_err(Error::internal)?;
    connection.execute("VACUUM INTO ?1", [target.to_string_lossy()]).map_err(explain)?;
    // SQLite does not sync the copy itself.
    std::fs::File::open(&target).and_then(|file| file.sync_all()).map_err(Error::internal)?;
    std::fs::File::open(&backups).and_then(|folder| folder.sync_all()).map_err(Error::internal)?;
    tracing::info!(copy = %target.display(), "copied the database before migrating it");
    Ok(())
}
