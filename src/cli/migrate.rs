//! `studio migrate` and `studio showmigrations`.

use std::path::Path;

use clap::Args;
use rusqlite::{Connection, OpenFlags};

use super::{Failure, Outcome, Place, log, say, say_lines};
use crate::{
    app,
    clock::Clock,
    db::{
        self, Db,
        migrate::{self, Migration},
    },
};

#[derive(Args)]
pub struct Migrate {
    /// Only say what would run; also works while the server runs.
    #[arg(long)]
    plan: bool,
}

/// The migrations as the database in the folder has them, which is neither made nor changed: also while a server runs.
pub fn look(folder: &Path) -> Outcome<Vec<Migration>> {
    let path = db::file_in(folder);
    let cannot = |error: rusqlite::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    // Not read-only at the file level: a reader must be able to recover the WAL.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if path.exists() {
        let connection = Connection::open_with_flags(&path, flags).map_err(cannot)?;
        connection.pragma_update(None, "query_only", true).map_err(cannot)?;
        if connection.table_exists(Some("main"), "migrations").map_err(cannot)? {
            return Ok(migrate::list(&connection)?);
        }
    }
    Ok(migrate::list(&Connection::open_in_memory().map_err(cannot)?)?)
}

/// The names of those that have not run.
pub fn pending(all: &[Migration]) -> Vec<&'static str> {
    all.iter().filter(|migration| migration.applied_at.is_none()).map(|migration| migration.name).collect()
}

pub fn show(place: &Place) -> Outcome {
    let all = look(&place.load(&[])?.config.data.folder)?;
    let line = |migration: &Migration| format!("[{}] {}", if migration.applied_at.is_some() { 'X' } else { ' ' }, migration.name);
    say_lines(&all.iter().map(line).collect::<Vec<_>>())
}

impl Migrate {
    pub fn run(self, place: &Place) -> Outcome {
        let config = place.load(&[])?.config;
        log::start_quiet(&config.log);
        let folder = &config.data.folder;
        let pending = pending(&look(folder)?);
        if self.plan {
            let planned: String = pending.iter().map(|name| format!("  {name}\n")).collect();
            let planned = if planned.is_empty() { "  No planned migration operations.\n" } else { &planned };
            return say(&format!("Planned operations:\n{planned}"));
        }
        if pending.is_empty() {
            return say("No migrations to apply.\n");
        }
        db::create_folder(folder)?;
        if db::lock(folder)?.is_none() {
            return Err(Failure::busy(format!("another process is running on the database in {}; stop it first", folder.display())));
        }
        Db::open(folder, &app::database_settings(&config), Clock::system())?;
        say(&pending.iter().map(|name| format!("Applied {name}\n")).collect::<String>())
    }
}
