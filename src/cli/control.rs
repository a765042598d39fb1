//! Commands on a database that a server may be holding: the command opens it itself, or asks the server through a socket in the
//! data folder (`socket`).

use std::{os::unix::net::UnixStream, sync::Arc, thread, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Failure, Outcome, apikeys, changepassword, check, createsuperuser, keys, log, otp, seed, socket, users};
use crate::{
    actor::{Actor, Business},
    app::App,
    auth::account,
    clock::Clock,
    config::Config,
    db,
    error::Result,
    jobs,
};

/// How often, and how far apart, a database that another process has is tried again.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// What a command wants done. No `Debug`: it may hold a password.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    CreateSuperuser {
        username: String,
        email: Option<String>,
        password: String,
    },
    FindUser {
        username: String,
    },
    ChangePassword {
        username: String,
        password: String,
    },
    SeedAccounts,
    Check,
    CheckLedger,
    Verify,
    ListJobs,
    /// No id: all that failed.
    RetryMessages {
        id: Option<i64>,
    },
    RunJob {
        name: String,
    },
    Users(users::Action),
    Keys(keys::Action),
    CreateApiKey {
        username: String,
        name: String,
        scopes: Vec<String>,
        expires: Option<String>,
        business: Option<i64>,
    },
    ListApiKeys,
    RevokeApiKey {
        id: i64,
    },
    ResetOtp {
        phone: String,
    },
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
            Self::CheckLedger => check::ledger(app),
            Self::Verify => check::chains(app),
            Self::ListJobs => jobs::list(app),
            Self::RetryMessages { id } => jobs::retry(app, *id),
            Self::RunJob { name } => jobs::run(app, name),
            Self::Users(action) => action.run(app),
            Self::Keys(action) => action.run(app),
            Self::CreateApiKey { username, name, scopes, expires, business } => {
                apikeys::create(app, username, name, scopes, expires.as_deref(), *business)
            }
            Self::ListApiKeys => apikeys::list(app),
            Self::RevokeApiKey { id } => apikeys::revoke(app, *id),
            Self::ResetOtp { phone } => otp::reset(app, phone),
        }
    }
}

/// The program as an actor in the first business.
pub fn program(app: &App) -> Result<Arc<Actor>> {
    let mut actor = Actor::system(app.db.clock().now());
    actor.business = app.db.read(|reader| {
        let id = account::default_business(reader)?;
        reader.row("SELECT id, currency, timezone, country FROM businesses WHERE id = ?1", &[id.into()], |row| {
            Ok(Arc::new(Business::new(row.get(0)?, row.get(1)?, &row.get::<String>(2)?, row.get(3)?)))
        })
    })?;
    Ok(Arc::new(actor))
}

/// Who has the database.
pub enum Holder {
    /// This process, from now on.
    Us(App),
    /// A server, which takes tasks on this socket.
    Server(UnixStream),
}

/// Opens the application, or finds the server that has it. A command on the same database, or a server that is starting, is
/// waited for.
///
/// # Errors
/// Exit code 69 when another process has the database for long and takes no tasks.
pub fn hold(config: &Config) -> Outcome<Holder> {
    let folder = &config.data.folder;
    db::create_folder(folder)?;
    for _ in 0..TRIES {
        if db::lock(folder)?.is_some() {
            match App::open(config.clone(), Clock::system()) {
                Ok(app) => return Ok(Holder::Us(app)),
                // Somebody was quicker.
                Err(_) if db::lock(folder)?.is_none() => {}
                Err(error) => return Err(error.into()),
            }
        }
        match socket::connect(folder) {
            Ok(stream) => return Ok(Holder::Server(stream)),
            Err(_) => thread::sleep(PAUSE),
        }
    }
    Err(busy(config))
}

/// The refusal while another process has the database.
pub fn busy(config: &Config) -> Failure {
    Failure::busy(format!("another process holds the database in {}; stop it first", config.data.folder.display()))
}

/// Does a task here if nobody has the database, and through the server that has it otherwise.
pub fn perform(task: &Task, config: &Config) -> Outcome<Vec<String>> {
    log::start_quiet(&config.log);
    match hold(config)? {
        Holder::Us(app) => Ok(task.run(&app)?),
        Holder::Server(stream) => socket::ask(&stream, task),
    }
}
