//! `studio migrate` and `studio showmigrations`.

use std::path::Path;

use clap::Args;

use super::{Outcome, Place, control, log, say, say_lines};
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

/// The migrations as the database in the folder has them.
pub fn look(folder: &Path) -> Outcome<Vec<Migration>> {
    Ok(migrate::look(&db::file_in(folder))?)
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
            return Err(control::busy(&config));
        }
        Db::open(folder, &app::database_settings(&config), Clock::system())?;
        say(&pending.iter().map(|name| format!("Applied {name}\n")).collect::<String>())
    }
}
