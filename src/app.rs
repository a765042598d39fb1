//! The application: everything that is opened once and passed down.

use std::{
    collections::HashSet,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use jiff::SignedDuration;

use crate::{
    actor::Actor,
    audit::Audit,
    auth::{
        account,
        api_key::Doors,
        challenge::Challenges,
        first::FirstStart,
        gate::Gate,
        keys::Keys,
        limits::Limits,
        otp::Codes,
        pace::Pace,
        passkey::ceremony::Ceremonies,
        password::{self, Hasher},
        session::{Lives, Sessions},
        throttle::Throttle,
        token::Tokens,
        who::Rules,
    },
    clock::Clock,
    config::{self, Config},
    db::{self, Db},
    engine::{
        descriptor,
        query::{self, Pages},
        search, verbs,
    },
    error::{Error, Result},
    outbox::{Breakers, Trust},
    resources,
    secrets::vault::Vault,
    storage::Storage,
};

/// The application. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub config: Arc<Config>,
    pub db: Db,
    /// Seals the audit log.
    pub audit: Audit,
    pub gate: Arc<Gate>,
    pub sessions: Sessions,
    pub throttle: Throttle,
    pub hasher: Hasher,
    pub codes: Arc<Codes>,
    /// When what must not tell of accounts is answered.
    pub pace: Pace,
    pub storage: Storage,
    /// Seals what is secret in the database.
    pub vault: Vault,
    /// Sign-ins that wait for a second factor.
    pub challenges: Arc<Challenges>,
    /// Passkeys that were asked for.
    pub ceremonies: Arc<Ceremonies>,
    /// How the first administrator gets in.
    pub first: Arc<FirstStart>,
    /// Whose certificates are believed when something is called.
    pub trust: Trust,
    /// Which providers of messages rest.
    pub breakers: Breakers,
}

/// The database's settings, as `Db` takes them.
pub fn database_settings(config: &Config) -> db::Settings {
    let database = &config.database;
    db::Settings {
        readers: database.readers,
        writer_queue: database.writer_queue,
        batch: database.batch,
        batch_time: Duration::from_millis(database.batch_milliseconds),
        statement_time: Duration::from_secs(database.statement_seconds),
        scan_permits: database.scan_permits,
        cache_mib: database.cache_mib,
        search: search::tables(resources::all()),
    }
}

impl App {
    /// Opens the data folder, making and migrating what is not there yet.
    ///
    /// # Errors
    /// A declaration that names an unknown field, a folder or file that is open to others, another process on the same
    /// database, a migration that fails.
    pub fn open(config: Config, clock: Clock) -> Result<Self> {
        check_declarations()?;
        let folder: &Path = &config.data.folder;
        db::create_folder(folder)?;
        let keys = Keys::open(&folder.join("keys"), config.auth.jwt_key.expose())?;
        let vault = Vault::open_folder(&folder.join("keys"))?;
        let db = Db::open(folder, &database_settings(&config), clock)?;
        check_statements(&db)?;
        vault.warn_of_lost_keys(&db)?;
        let auth = &config.auth;
        let limits = Limits::new(config.limits.clone());
        let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        let rules = Rules { two_factor: config.factors.require_2fa.clone(), fresh: seconds(config.factors.fresh_seconds) };
        let tokens = Tokens::with_retiring(keys.jwt(), keys.retiring(longest(auth)));
        let gate = Arc::new(Gate::new(db.clone(), tokens, limits, Duration::from_secs(auth.access_seconds), rules, doors())?);
        let lives = Lives {
            access: seconds(auth.access_seconds),
            refresh: seconds(auth.refresh_seconds),
            remember: seconds(auth.remember_seconds),
            grace: seconds(auth.rotation_grace_seconds),
        };
        let storage = Storage::open(folder, config.files.max_bytes, config.files.quota_mib << 20)?;
        sweep(&storage, &db)?;
        let app = Self {
            audit: Audit::new(db.clone(), vault.clone(), &folder.join("keys")),
            storage,
            vault,
            throttle: Throttle::new(gate.clone(), config.throttle.clone()),
            sessions: Sessions { gate: gate.clone(), lives, most: auth.sessions_per_person },
            challenges: Arc::default(),
            ceremonies: Arc::default(),
            first: Arc::new(FirstStart::new(&db)?),
            hasher: Hasher::new(auth.hash_threads, auth.hash_queue)?,
            codes: Arc::new(Codes::new(config.otp.clone(), config.dev)?),
            pace: Pace::new(Duration::from_millis(auth.answer_milliseconds)),
            trust: Trust::new(&config.outbound.ca_file)?,
            breakers: Breakers::default(),
            gate,
            db,
            config: Arc::new(config),
        };
        app.db.write_blocking(app.system(), resources::business::ensure)?;
        app.db.write_blocking(app.system(), verbs::interrupt)?;
        app.db.close_reader();
        Ok(app)
    }

    /// What is wrong with somebody's new password: what `password::check` says, which is also told what everybody knows of where they
    /// are: the product's name, and those of their businesses; of the first for whoever is nobody yet.
    pub fn check_password(&self, password: &str, own: &[(&str, &str)], user: Option<i64>) -> Result<Vec<String>> {
        let businesses = self.db.read(|reader| account::business_names(reader, user))?;
        let product = [env!("CARGO_PKG_NAME"), &self.config.api.title].map(|name| ("name of this service", name));
        let businesses = businesses.iter().map(|name| ("name of the business", name.as_str()));
        let all: Vec<(&str, &str)> = own.iter().copied().chain(product).chain(businesses).collect();
        Ok(password::check(password, &all))
    }

    /// Signs with another key from now on; with `retire`, what the key before has signed is good for nothing.
    ///
    /// # Errors
    /// When the configuration gives the key, or the disk refuses.
    pub fn rekey(&self, retire: bool) -> Result<()> {
        if !self.config.auth.jwt_key.expose().is_empty() {
            return Err(Error::whole("The configuration gives the key of tokens (auth.jwt_key); change it there."));
        }
        let folder = self.config.data.folder.join("keys");
        let keys = if retire { Keys::retire(&folder)? } else { Keys::rotate(&folder, self.db.clock().now())? };
        self.gate.rekey(keys.jwt(), keys.retiring(longest(&self.config.auth)));
        let done = if retire { "retired" } else { "rotated" };
        tracing::info!(target: "security", event = "key", name = "jwt", done);
        Ok(())
    }

    /// The program itself as an actor, at this time.
    pub fn system(&self) -> Arc<Actor> {
        Arc::new(Actor::system(self.db.clock().now()))
    }

    pub fn pages(&self) -> Pages {
        Pages { size: self.config.api.page_size, most: self.config.api.max_page_size }
    }
}

/// The longest that anything lives that is signed.
fn longest(auth: &config::Auth) -> SignedDuration {
    let seconds = auth.refresh_seconds.max(auth.remember_seconds).max(auth.access_seconds);
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// Where the keys of machines lead: to every resource, and to what is attached to them.
pub fn doors() -> Doors {
    Doors(descriptor::all().iter().chain(descriptor::attached()).map(|d| d.about.path).collect())
}

/// Removes the bytes that no row refers to: of what was interrupted, and of what was purged.
fn sweep(storage: &Storage, db: &Db) -> Result<()> {
    let known: HashSet<String> =
        db.read(|reader| reader.rows("SELECT DISTINCT sha256 FROM files", &[], |row| row.get(0)))?.into_iter().collect();
    let removed = storage.sweep(&known, SystemTime::now())?;
    if removed > 0 {
        tracing::info!(removed, "removed files that nothing refers to");
    }
    Ok(())
}

/// A resource whose declaration names an unknown field does not start.
fn check_declarations() -> Result<()> {
    let wrong: Vec<String> = resources::all().iter().chain(resources::attached()).flat_map(|d| d.problems()).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Error::Internal(wrong.join("; "))) }
}

/// Neither does one whose SQL the database does not understand.
fn check_statements(db: &Db) -> Result<()> {
    let actor = Actor::system(db.clock().now());
    db.read(|reader| {
        for d in descriptor::all().iter().chain(descriptor::attached()) {
            for form in [descriptor::Form::List, descriptor::Form::Read, descriptor::Form::Written] {
                let sql = format!("{} WHERE {} LIMIT 0", d.shape(form, &actor).select, d.own);
                reader.each(&sql, &[], |_| Ok(())).map_err(|error| Error::Internal(format!("{}: {error}", d.name)))?;
            }
            for sql in query::expressions(d)
                .into_iter()
                .chain(d.about.work.map(|work| work.open.to_owned()))
                .chain(d.about.actions.iter().map(|action| descriptor::bind(action.when)))
            {
                let sql = format!("SELECT {sql} FROM \"{}\" AS t LIMIT 0", d.about.table);
                reader.each(&sql, &[], |_| Ok(())).map_err(|error| Error::Internal(format!("{}: {error}", d.name)))?;
            }
        }
        Ok(())
    })
}
