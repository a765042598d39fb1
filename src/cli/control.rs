//! Commands on a database that a server may be holding: the command opens it itself, or asks the server through a socket in the
//! data folder (`socket`).

use std::{sync::Arc, thread, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Failure, Outcome, changepassword, check, createsuperuser, log, seed, socket};
use crate::{
    actor::{Actor, Business},
    app::App,
    auth::account,
    clock::Clock,
    config::Config,
    db,
    error::Result,
};

/// A server that has the database and no socket yet is starting.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// What a command wants done. No `Debug`: it may hold a password.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    CreateSuperuser { username: String, email: Option<String>, password: String },
    FindUser { username: String },
    ChangePassword { username: String, password: String },
    SeedAccounts,
    Check,
}

impl Task {
    /// Does it and answers what to print. Blocks.
    pub fn run(&self, app: &App) -> Result<Vec<String>> {
        match self {
            Self::CreateSuperuser { username, email, password } => createsuperuser::create(app, username, email.as_deref(), password),
            Self::FindUser { username } => changepassword::find(app, username).map(|_| vec![]),
            Self::ChangePassword { username, password } => changepassword::change(app, username, password),
            Self::SeedAccounts => seed::accounts(app),
            Self::Check => check::database(app),
        }
    }
}

/// The program as an actor in the first business.
pub fn program(app: &App) -> Result<Arc<Actor>> {
    let mut actor = Actor::system(app.db.clock().now());
    actor.business = app.db.read(|reader| {
        let id = account::default_business(reader)?;
        reader.row("SELECT id, currency, timezone, country FROM businesses WHERE id = ?1", &[id.into()], |row| {
            Ok(Business { id: row.get(0)?, currency: row.get(1)?, timezone: row.get(2)?, country: row.get(3)? })
        })
    })?;
    Ok(Arc::new(actor))
}

/// Opens the application. Exit code 69 when another process has the database.
pub fn open(config: Config) -> Outcome<App> {
    let folder = config.data.folder.clone();
    App::open(config, Clock::system()).map_err(|error| match db::lock(&folder) {
        Ok(None) => Failure::busy(error.to_string()),
        _ => error.into(),
    })
}

/// Does a task here if nobody has the database, and through the server that has it otherwise.
pub fn perform(task: Task, config: Config) -> Outcome<Vec<String>> {
    log::start_quiet(&config.log);
    let folder = config.data.folder.clone();
    db::create_folder(&folder)?;
    for _ in 0..TRIES {
        if db::lock(&folder)?.is_some() {
            return Ok(task.run(&open(config)?)?);
        }
        match socket::connect(&folder) {
            Ok(stream) => return socket::ask(&stream, &task),
            Err(_) => thread::sleep(PAUSE),
        }
    }
    let folder = folder.display();
    Err(Failure::busy(format!("another process holds the database in {folder} and does not answer on {}; stop it first", socket::NAME)))
}
