//! The database: one door for writes, cheap reads, nothing above knows which engine runs.
//!
//! * `write` is the only way to change a row. Closures queue for one writer thread, which runs many in one transaction
//!   and answers after the commit (`sqlite`). What fails, fails alone.
//! * `read` runs in place, on a connection of the calling thread: for reads by key and by index.
//! * `scan` runs on a small pool with a deadline: for whatever may walk a table.

mod catalog;
mod changes;
mod checkpoint;
mod failure;
mod fault;
mod functions;
mod json;
mod kept;
pub mod migrate;
pub mod search;
mod sqlite;
mod value;
mod window;
mod writer;

use std::{
    cell::RefCell,
    fs::{DirBuilder, File, OpenOptions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hyper::body::Bytes;
use moka::sync::Cache;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

pub use self::{
    catalog::Catalog,
    fault::Fault,
    json::write_cell,
    kept::{First, Members, Moment, Total},
    value::{Cell, FromCell, Row, Value},
    writer::{Reader, Writer},
};
use self::{fault::Faults, search::SearchTable};
use crate::{
    actor::Actor,
    clock::Clock,
    error::{Error, Result},
};

/// How the database is run; see `[database]` in `config.toml`.
#[derive(Debug, Clone)]
pub struct Settings {
    pub readers: u32,
    pub writer_queue: usize,
    /// A group ends after so many requests ...
    pub batch: usize,
    /// ... or after so much work, on a quick disk after less: see `window`.
    pub batch_time: Duration,
    /// A `scan` that runs longer is ended.
    pub statement_time: Duration,
    pub scan_permits: usize,
    pub cache_mib: u32,
    /// The tables that are searched by their texts.
    pub search: Vec<SearchTable>,
}

/// How much of what was answered is kept, in bytes.
const ANSWERS_BYTES: u64 = 16 << 20;
const TOTALS_BYTES: u64 = 4 << 20;
const FIRSTS_BYTES: u64 = 2 << 20;
/// A list waits for so long for its turn to scan.
const SCAN_WAIT: Duration = Duration::from_secs(5);
/// How long opening waits for a process that is just ending, as when a service is restarted, and how often it looks.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(10);

thread_local! {
    /// What this thread reads by, and of which database.
    static CONNECTION: RefCell<Option<(u64, Connection)>> = const { RefCell::new(None) };
}

/// An answer as it was given.
#[derive(Clone)]
pub struct Kept {
    pub body: Bytes,
    pub etag: String,
}

/// A cache of so many bytes; what an entry takes by itself counts too.
fn cache<V: Clone + Send + Sync + 'static>(most: u64, bytes: fn(&V) -> usize) -> Cache<String, V> {
    let weight = move |key: &String, kept: &V| u32::try_from(key.len() + bytes(kept) + 128).unwrap_or(u32::MAX);
    Cache::builder().max_capacity(most).weigher(weight).build()
}

/// The open database. Cheap to clone.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    /// Tells the thread-local connections of one database from another's.
    serial: u64,
    path: PathBuf,
    writer: sqlite::WriterThread,
    scanners: r2d2::Pool<r2d2_sqlite::SqliteConnectionManager>,
    scan_permits: Arc<Semaphore>,
    /// Of whoever scans for what is not asked for yet.
    ahead: Arc<Semaphore>,
    statement_time: Duration,
    shared: Arc<Shared>,
    totals: Cache<String, Arc<Total>>,
    firsts: Cache<String, Arc<First>>,
    answers: Cache<String, Kept>,
    boot: u64,
    /// Dropped last: the file stays ours until everything is closed.
    _lock: File,
}

/// What the writer thread and the readers both look at.
struct Shared {
    catalog: Catalog,
    clock: Clock,
    /// The last thing that was to be stored was not: the disk is full or failing.
    failing: AtomicBool,
    /// The search index does not wait for a quiet moment, until it has caught up.
    index_now: AtomicBool,
    faults: Faults,
}

/// The database file in a data folder.
pub fn file_in(folder: &Path) -> PathBuf {
    folder.join("studio.db")
}

/// Makes the data folder, for this user alone.
pub fn create_folder(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Error::Internal(format!("cannot create the folder {}: {error}", folder.display())))
}

/// Makes this process the only one that works on the database in `folder`. `None`: another process holds it.
pub fn lock(folder: &Path) -> Result<Option<File>> {
    let path = folder.join("studio.lock");
    let cannot = |error| Error::Internal(format!("cannot lock {}: {error}", path.display()));
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(cannot(error)),
    }
}

fn lock_soon(folder: &Path) -> Result<Option<File>> {
    let start = Instant::now();
    loop {
        match lock(folder)? {
            None if start.elapsed() < LOCK_WAIT => thread::sleep(LOCK_PAUSE),
            outcome => return Ok(outcome),
        }
    }
}

fn boot() -> u64 {
    getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()))
}

impl Db {
    /// Opens the database in `folder`, creating and migrating it as needed.
    pub fn open(folder: &Path, settings: &Settings, clock: Clock) -> Result<Self> {
        create_folder(folder)?;
        let lock = lock_soon(folder)?
            .ok_or_else(|| Error::Internal(format!("another process is running on the database in {}; stop it first", folder.display())))?;
        let path = file_in(folder);
        let mut connection = sqlite::open_writer(&path, settings.cache_mib)?;
        migrate::run(&mut connection, folder, &clock)?;
        let catalog = Catalog { searched: search::register(&connection, &settings.search)?, ..Catalog::of(&Reader::new(&connection))? };
        // The pages that this took, all of a new database, are not what will be asked for.
        connection.release_memory().map_err(failure::explain)?;
        let shared = Arc::new(Shared {
            catalog,
            clock,
            failing: AtomicBool::new(false),
            index_now: AtomicBool::new(false),
            faults: Faults::default(),
        });
        let scanners = sqlite::scan_pool(&path, settings)?;
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        Ok(Self(Arc::new(Inner {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            writer: sqlite::WriterThread::start(connection, settings, shared.clone())?,
            path,
            scanners,
            scan_permits: Arc::new(Semaphore::new(settings.scan_permits)),
            ahead: Arc::new(Semaphore::new(1)),
            statement_time: settings.statement_time,
            shared,
            totals: cache(TOTALS_BYTES, |total: &Arc<Total>| total.bytes()),
            firsts: cache(FIRSTS_BYTES, |first: &Arc<First>| first.bytes()),
            answers: cache(ANSWERS_BYTES, |kept: &Kept| kept.body.len()),
            boot: boot(),
            _lock: lock,
        })))
    }

    /// Changes rows: runs `work` in a transaction as `actor` and answers once that is on disk. The closure may run again, so it
    /// must do nothing but read and write through the `Writer`.
    ///
    /// # Errors
    /// Whatever `work` answers, with nothing of it stored; `Unavailable` when too many wait or the disk refuses.
    pub async fn write<T: Send + 'static>(
        &self,
        actor: Arc<Actor>,
        work: impl FnMut(&mut Writer<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = self.0.writer.submit(actor, work)?;
        answer.await.unwrap_or_else(|_| Err(Error::internal("the writer dropped a request")))
    }

    /// `write` for a caller without an async runtime: the command line.
    pub fn write_blocking<T: Send + 'static>(
        &self,
        actor: Arc<Actor>,
        work: impl FnMut(&mut Writer<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = self.0.writer.submit(actor, work)?;
        answer.blocking_recv().unwrap_or_else(|_| Err(Error::internal("the writer dropped a request")))
    }

    /// Reads in place, on a connection of this thread. For reads by key or index, which take microseconds. Each statement sees the
    /// latest commit; what needs several to agree reads with `snapshot`.
    pub fn read<T>(&self, work: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        let mine = CONNECTION.take().filter(|(serial, _)| *serial == self.0.serial);
        let (serial, connection) = match mine {
            Some(mine) => mine,
            None => (self.0.serial, sqlite::open_reader(&self.0.path)?),
        };
        let result = work(&Reader::new(&connection));
        CONNECTION.set(Some((serial, connection)));
        result
    }

    /// Closes what this thread reads by: for one that will not read again. A connection takes a megabyte to know the tables.
    pub fn close_reader(&self) {
        drop(CONNECTION.take());
    }

    /// `read` from one state of the database.
    pub fn snapshot<T>(&self, work: impl FnOnce(&Reader<'_>) -> Result<T>) -> Result<T> {
        self.read(|reader| reader.in_snapshot(work))
    }

    /// Reads on the pool of scanners, a few at a time, with a deadline. For searches, reports and exports.
    ///
    /// # Errors
    /// `Unavailable` when it takes too long, or too many others wait.
    pub async fn scan<T: Send + 'static>(&self, work: impl FnOnce(&Reader<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        let turn = tokio::time::timeout(SCAN_WAIT, self.0.scan_permits.clone().acquire_owned()).await;
        let permit = turn.map_err(|_| Error::Unavailable(1))?.map_err(Error::internal)?;
        let (pool, limit) = (self.0.scanners.clone(), self.0.statement_time);
        let job = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let connection = pool.get_timeout(Duration::from_secs(2)).map_err(|_| Error::Unavailable(1))?;
            sqlite::with_deadline(&connection, limit, || Reader::new(&connection).in_snapshot(work))
        });
        job.await.map_err(Error::internal)?
    }

    /// The right to scan for what nobody waits for, which one has at a time.
    pub fn turn_ahead(&self) -> Option<OwnedSemaphorePermit> {
        self.0.ahead.clone().try_acquire_owned().ok()
    }

    /// A number that grows with each commit that touched the table. Read it before reading the table: then whatever is kept
    /// under it is never older than it says.
    pub fn generation(&self, table: &str) -> u64 {
        self.0.shared.catalog.tables.get(table).map_or(0, |table| table.generation.load(Ordering::SeqCst))
    }

    /// Changes after each commit that touched the table. Whoever waits costs the writer a wake-up, and reads for themselves: take it
    /// before reading, and nothing is missed.
    pub fn changes(&self, table: &str) -> Result<watch::Receiver<()>> {
        let table = self.0.shared.catalog.tables.get(table);
        table.map(|table| table.changed.subscribe()).ok_or_else(|| Error::internal("there is no such table"))
    }

    /// The generations of several tables as one number, which grows when any of them does.
    pub fn stamp(&self, tables: &[String]) -> u64 {
        tables.iter().map(|table| self.generation(table)).sum()
    }

    /// The rows of a table that were written in commits after a generation. `None`: too many to be remembered.
    ///
    /// Asked for once a transaction to read in has begun, all rows that look different there than they did in that generation are
    /// among them; some that do not may be, which are just being written.
    pub fn written_since(&self, table: &str, generation: u64) -> Option<Vec<i64>> {
        let table = self.0.shared.catalog.tables.get(table)?;
        table.changes.lock().unwrap_or_else(PoisonError::into_inner).since(generation)
    }

    /// How many rows lists have, as it was found out at some moment; see `engine::listed`.
    pub fn totals(&self) -> &Cache<String, Arc<Total>> {
        &self.0.totals
    }

    /// Which rows come first in lists, likewise.
    pub fn firsts(&self) -> &Cache<String, Arc<First>> {
        &self.0.firsts
    }

    /// Pages and records as they were answered, kept under the stamp of the tables they depend on: true until the next commit, unused
    /// after.
    pub fn answers(&self) -> &Cache<String, Kept> {
        &self.0.answers
    }

    /// A number of this start: generations begin anew with it.
    pub fn boot(&self) -> u64 {
        self.0.boot
    }

    pub fn catalog(&self) -> &Catalog {
        &self.0.shared.catalog
    }

    pub fn clock(&self) -> &Clock {
        &self.0.shared.clock
    }

    /// A folder beside the database for what is kept for a moment: on the same disk, and for this user alone.
    pub fn scratch(&self) -> Result<PathBuf> {
        let folder = self.0.path.with_file_name("tmp");
        create_folder(&folder)?;
        Ok(folder)
    }

    /// Has the writer run into a fault, or into none any more: for tests of what comes of that.
    #[doc(hidden)]
    pub fn fail(&self, fault: Option<Fault>) {
        self.0.shared.faults.set(fault);
    }

    /// Has the search index catch up without waiting for a quiet moment: for tests of what it finds then.
    #[doc(hidden)]
    pub fn index_now(&self) {
        self.0.shared.index_now.store(true, Ordering::Relaxed);
        // Wakes the writer.
        drop(self.write_blocking(Arc::new(Actor::system(self.clock().now())), |_| Ok(())));
    }

    /// Is that fault still to come, or there for good?
    #[doc(hidden)]
    pub fn is_failing(&self) -> bool {
        self.0.shared.faults.is_set()
    }

    /// Does the writer answer, and does what it writes get stored?
    pub async fn ready(&self) -> bool {
        let actor = Arc::new(Actor::system(self.clock().now()));
        // Writing nothing says nothing about the disk; writing something each time would wear it.
        let failing = self.0.shared.failing.load(Ordering::Relaxed);
        let probe = self.write(actor, move |tx| if failing { tx.probe() } else { Ok(()) });
        matches!(tokio::time::timeout(Duration::from_secs(5), probe).await, Ok(Ok(())))
    }
}
