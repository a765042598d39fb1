//! The SQLite behind `Db`: how files are opened, the writer thread, the readers, the meaning of its errors.

use std::{
    any::Any,
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::sync::oneshot;

use super::{
    Settings, Shared, Writer, checkpoint::Checkpointer, failure::explain, functions, search::Indexer, window::Window, writer::Effects,
};
use crate::{
    actor::Actor,
    error::{Error, Result},
};

/// "stud" in the file's header: a database of another program is refused.
const APPLICATION_ID: i32 = 0x7374_7564;
/// Versions up to 3.51.2 can corrupt a WAL that two connections write and checkpoint.
const OLDEST_SQLITE: i32 = 3_051_003;
/// The checkpoint empties the WAL when it has grown over this.
const WAL_LIMIT_BYTES: u64 = 64 << 20;
/// How often the statistics that plans are made from are looked at.
const OPTIMIZE: Duration = Duration::from_secs(600);
/// Or sooner, when so much has changed: after an import, say.
const OPTIMIZE_EARLY: Duration = Duration::from_secs(10);
const OUTGROWN: u64 = 20_000;
/// Statistics of all tables that have grown a lot, also of those that this connection only writes.
const OPTIMIZATION: &str = "PRAGMA analysis_limit = 1000; PRAGMA optimize = 0x10002;";
/// A writer that has had nothing to do for so long rests.
const REST: Duration = Duration::from_secs(30);
/// A few rows wait for so long to be indexed: others may come, and go with them.
const INDEX_WAIT: Duration = Duration::from_secs(1);
/// File systems on which SQLite's locks and shared memory do not hold.
const REMOTE_FILE_SYSTEMS: [&str; 7] = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse"];

pub fn open_writer(path: &Path, cache_mib: u32) -> Result<Connection> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(Error::Internal(format!("SQLite {} is too old: 3.51.3 or newer is needed", rusqlite::version())));
    }
    refuse_remote(path)?;
    // Made here so that the database, and the WAL that copies its mode, are for this user alone.
    let made = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    made.map_err(|error| Error::Internal(format!("cannot open {}: {error}", path.display())))?;
    let connection = Connection::open(path).map_err(explain)?;
    prepare(&connection, cache_mib)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(explain)?;
    if mode != "wal" {
        return Err(Error::Internal(format!("{} cannot use a write-ahead log (it answered {mode})", path.display())));
    }
    let set = |name, value: i64| connection.pragma_update(None, name, value).map_err(explain);
    connection.pragma_update(None, "synchronous", "FULL").map_err(explain)?;
    // In pages, as much as `WAL_LIMIT_BYTES`: when `checkpoint` cannot keep up.
    set("wal_autocheckpoint", 16_000)?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_LIMIT_BYTES as i64, |_| Ok(())).map_err(explain)?;
    match connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(explain)? {
        0 => set("application_id", APPLICATION_ID.into())?,
        APPLICATION_ID => {}
        _ => return Err(Error::Internal(format!("{} is the database of another program", path.display()))),
    }
    Ok(connection)
}

pub fn open_reader(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, reader_flags()).map_err(explain)?;
    prepare_reader(&connection).map_err(explain)?;
    Ok(connection)
}

pub fn scan_pool(path: &Path, settings: &Settings) -> Result<r2d2::Pool<SqliteConnectionManager>> {
    let manager = SqliteConnectionManager::file(path).with_flags(reader_flags()).with_init(|connection| prepare_reader(connection));
    let pool = r2d2::Pool::builder().max_size(settings.readers).min_idle(Some(0)).test_on_check_out(false);
    pool.build(manager).map_err(Error::internal)
}

fn reader_flags() -> OpenFlags {
    // Not read-only at the file level: a reader must be able to recover the WAL. `query_only` keeps it from writing.
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn prepare_reader(connection: &Connection) -> rusqlite::Result<()> {
    harden(connection, 8)?;
    connection.pragma_update(None, "query_only", true)
}

fn prepare(connection: &Connection, cache_mib: u32) -> Result<()> {
    harden(connection, cache_mib).map_err(explain)
}

/// What every connection is set to. `busy_timeout` comes first: the other pragmas may have to wait for a lock.
fn harden(connection: &Connection, cache_mib: u32) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    for (name, value) in [("foreign_keys", 1), ("recursive_triggers", 1), ("trusted_schema", 0), ("cell_size_check", 1), ("temp_store", 2)]
    {
        connection.pragma_update(None, name, value)?;
    }
    connection.pragma_update_and_check(None, "mmap_size", 0, |_| Ok(())).or_else(|error| match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        other => Err(other),
    })?;
    connection.pragma_update(None, "cache_size", -1024 * i64::from(cache_mib))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_prepared_statement_cache_capacity(256);
    functions::register(connection)
}

/// The locks of a database on a network file system cannot be trusted.
fn refuse_remote(path: &Path) -> Result<()> {
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mounts") else { return Ok(()) };
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok()).unwrap_or_default();
    let kinds = mounts.lines().filter_map(|line| {
        let mut parts = line.split(' ').skip(1);
        Some((parts.next()?, parts.next()?))
    });
    let nearest = kinds.filter(|(point, _)| folder.starts_with(point)).max_by_key(|(point, _)| point.len());
    match nearest {
        Some((_, kind)) if REMOTE_FILE_SYSTEMS.contains(&kind.split('.').next().unwrap_or(kind)) => Err(Error::Internal(format!(
            "{} is on a {kind} file system, where SQLite cannot keep data safe; use a local disk",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// Ends any statement of `work` once `limit` has passed.
pub fn with_deadline<T>(connection: &Connection, limit: Duration, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + limit;
    connection.progress_handler(10_000, Some(move || Instant::now() >= deadline)).map_err(explain)?;
    let _end = Finally(|| drop(connection.progress_handler(0, None::<fn() -> bool>)));
    work()
}

/// Runs when it goes out of scope, also when a panic passes: a connection must not keep what was begun on it.
pub struct Finally<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

pub fn execute(connection: &Connection, sql: &str) -> Result<()> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map(drop).map_err(explain)
}

// ------------------------------------------------------------------------------------------------ the writer

/// The one thread that changes the database.
pub struct WriterThread {
    queue: Option<SyncSender<Box<dyn Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A request to the writer.
trait Job: Send {
    fn actor(&self) -> Arc<Actor>;
    /// Runs the closure. `false`: it failed.
    fn run(&mut self, writer: &mut Writer<'_>) -> bool;
    /// Could nothing be stored, for no fault of the request?
    fn was_unavailable(&self) -> bool;
    /// Sends the answer; `committed` is why the group as a whole failed, if it did.
    fn answer(self: Box<Self>, committed: Result<()>);
}

struct Request<T, F> {
    actor: Arc<Actor>,
    work: F,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnMut(&mut Writer<'_>) -> Result<T> + Send> Job for Request<T, F> {
    fn actor(&self) -> Arc<Actor> {
        self.actor.clone()
    }

    fn run(&mut self, writer: &mut Writer<'_>) -> bool {
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(writer))).unwrap_or_else(|panic| Err(panic_error(panic.as_ref())));
        let done = result.is_ok();
        self.result = Some(result);
        done
    }

    fn was_unavailable(&self) -> bool {
        matches!(self.result, Some(Err(Error::Unavailable(_))))
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let Self { actor, work, result, reply } = *self;
        let result = match (result, committed) {
            (Some(Ok(_)), Err(error)) => Err(error),
            (Some(result), _) => result,
            (None, outcome) => Err(outcome.err().unwrap_or(Error::Unavailable(1))),
        };
        // The closure may hold a handle of the database. Whoever is answered and then stops must have held the last one: it waits for
        // this thread, which nobody does when the last handle goes here.
        drop((actor, work));
        // A caller that went away has no use for the answer.
        let _ = reply.send(result);
    }
}

fn panic_error(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned());
    Error::Internal(format!("panic in a write: {}", text.unwrap_or_default()))
}

impl WriterThread {
    pub fn start(connection: Connection, settings: &Settings, shared: Arc<Shared>) -> Result<Self> {
        let (queue, requests) = sync_channel(settings.writer_queue);
        let (batch, window) = (settings.batch, Window::new(settings.batch_time));
        let indexer = Indexer::new(&connection);
        let written = shared.clone();
        // Whatever writes a row, be it a trigger: nothing can forget to say so.
        connection.update_hook(Some(move |_, _: &str, table: &str, row| written.catalog.note(table, row))).map_err(explain)?;
        let run = move || Loop { connection, shared, batch }.run(&requests, indexer, window);
        let thread = std::thread::Builder::new().name("writer".into()).spawn(run).map_err(Error::internal)?;
        Ok(Self { queue: Some(queue), thread: Mutex::new(Some(thread)) })
    }

    pub fn submit<T: Send + 'static>(
        &self,
        actor: Arc<Actor>,
        work: impl FnMut(&mut Writer<'_>) -> Result<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Request { actor, work, result: None, reply });
        let queue = self.queue.as_ref().ok_or(Error::Unavailable(1))?;
        match queue.try_send(job) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Error::Unavailable(1)),
        }
    }
}

impl Drop for WriterThread {
    /// Waits until the last request is on disk and the WAL is folded into the database.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.lock().ok().and_then(|mut thread| thread.take())
            // What a request leaves behind may hold the last handle: then this is that thread, which ends by itself.
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

struct Loop {
    connection: Connection,
    shared: Arc<Shared>,
    batch: usize,
}

/// The requests of one transaction.
#[derive(Default)]
struct Group {
    jobs: Vec<Box<dyn Job>>,
    effects: Effects,
    /// Each request has a savepoint of its own.
    careful: bool,
}

impl Loop {
    fn run(self, requests: &Receiver<Box<dyn Job>>, mut indexer: Indexer, mut window: Window) {
        let (mut optimized, mut changed) = (Instant::now(), self.connection.total_changes());
        let has_outgrown = |changed: u64| self.connection.total_changes() - changed > OUTGROWN;
        // When the index has its next turn.
        let mut turn = Instant::now();
        let mut checkpointer = Checkpointer::new(Path::new(self.connection.path().unwrap_or_default()));
        loop {
            let wait = match (indexer.is_pressed(), indexer.has_work()) {
                (true, _) => turn.saturating_duration_since(Instant::now()),
                (_, true) if self.shared.index_now.load(Relaxed) => Duration::ZERO,
                (_, true) => INDEX_WAIT.max(turn.saturating_duration_since(Instant::now())),
                _ if has_outgrown(changed) => OPTIMIZE_EARLY,
                _ => REST,
            };
            match requests.recv_timeout(wait) {
                Ok(first) => {
                    indexer.waiting += self.group(first, requests, &mut window);
                    checkpointer.look(&self.connection);
                }
                Err(RecvTimeoutError::Timeout) if indexer.has_work() => turn = self.index(&mut indexer),
                Err(RecvTimeoutError::Timeout) => self.rest(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if indexer.is_pressed() && turn <= Instant::now() {
                turn = self.index(&mut indexer);
            }
            if !indexer.has_work() {
                self.shared.index_now.store(false, Relaxed);
            }
            // Tables grow; plans made for small ones must not outlive that.
            if optimized.elapsed() > if has_outgrown(changed) { OPTIMIZE_EARLY } else { OPTIMIZE } {
                (optimized, changed) = (Instant::now(), self.connection.total_changes());
                self.optimize();
            }
        }
        drop(checkpointer);
        let _ = self.connection.execute_batch(OPTIMIZATION);
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);");
    }

    /// Indexes some rows and answers when to go on: requests get as much of the thread. What goes wrong here is no request's fault,
    /// and searches do without the index meanwhile.
    fn index(&self, indexer: &mut Indexer) -> Instant {
        let start = Instant::now();
        match indexer.step(&self.connection, &self.shared.catalog) {
            Ok(()) => Instant::now() + start.elapsed(),
            Err(error) => {
                tracing::error!(%error, "the search index could not be written");
                Instant::now() + REST
            }
        }
    }

    /// Runs `first` and whatever else waits in one transaction, and answers once it is on disk. How many rows are to be indexed now?
    fn group(&self, first: Box<dyn Job>, requests: &Receiver<Box<dyn Job>>, window: &mut Window) -> usize {
        let start = Instant::now();
        let mut group = Group::default();
        let mut state = execute(&self.connection, "BEGIN IMMEDIATE");
        let mut next = Some(first);
        while let Some(job) = next {
            group.jobs.push(job);
            if state.is_ok() {
                state = self.latest(&mut group);
            }
            let room = group.jobs.len() < self.batch && start.elapsed() < window.time();
            next = room.then(|| requests.try_recv().ok()).flatten();
        }
        let worked = start.elapsed();
        let committed = state.and_then(|()| self.shared.faults.statement()).and_then(|()| execute(&self.connection, "COMMIT"));
        window.took(start.elapsed() - worked);
        let mut unindexed = 0;
        let mut touched = std::mem::take(&mut group.effects.touched);
        touched.sort_unstable();
        touched.dedup();
        if let Err(error) = &committed {
            tracing::error!(%error, requests = group.jobs.len(), "a group of writes was not committed");
            let _ = self.connection.execute_batch("ROLLBACK");
            self.shared.failing.store(true, Relaxed);
        } else {
            let failing = group.jobs.iter().any(|job| job.was_unavailable());
            if failing || !touched.is_empty() {
                self.shared.failing.store(failing, Relaxed);
            }
            unindexed = group.effects.unindexed;
            touched.iter().for_each(|table| self.shared.catalog.touch(table));
            group.effects.after.into_iter().for_each(|done| done());
        }
        let told = if self.shared.faults.takes_answer() { Err(Error::Unavailable(1)) } else { committed.clone() };
        group.jobs.into_iter().for_each(|job| job.answer(told.clone().map_err(|_| Error::Unavailable(1))));
        // Last: whoever asked for a change comes before those who want to know of it.
        if committed.is_ok() {
            touched.iter().for_each(|table| self.shared.catalog.wake(table));
        }
        unindexed
    }

    /// Runs the request that came last.
    ///
    /// Savepoints cost a copy of every page that is changed, and most requests succeed or fail before they have changed
    /// anything. So a group goes without, until a request fails half-way: then all of the group is taken back and run again,
    /// each request in a savepoint. Closures may run again; that is their contract.
    fn latest(&self, group: &mut Group) -> Result<()> {
        let last = group.jobs.len() - 1;
        if self.one(last, group)? {
            return Ok(());
        }
        execute(&self.connection, "ROLLBACK")?;
        execute(&self.connection, "BEGIN IMMEDIATE")?;
        group.effects = Effects::default();
        group.careful = true;
        for index in 0..group.jobs.len() {
            self.one(index, group)?;
        }
        Ok(())
    }

    /// Runs one request of a group. `false`: it failed and left changes behind.
    fn one(&self, index: usize, group: &mut Group) -> Result<bool> {
        if group.careful {
            execute(&self.connection, "SAVEPOINT request")?;
        }
        let changes = self.connection.total_changes();
        let job = &mut group.jobs[index];
        let mut writer = Writer::new(&self.connection, job.actor(), &self.shared);
        let done = job.run(&mut writer);
        // On a full disk or a failing one SQLite may end the transaction itself; nothing of the group is stored then.
        if self.connection.is_autocommit() {
            return Err(Error::Unavailable(1));
        }
        let effects = writer.into_effects();
        let left_behind = !done && self.connection.total_changes() != changes;
        if group.careful {
            if left_behind {
                execute(&self.connection, "ROLLBACK TO request")?;
            }
            execute(&self.connection, "RELEASE request")?;
        }
        if done {
            group.effects.touched.extend(effects.touched);
            group.effects.unindexed += effects.unindexed;
            group.effects.after.extend(effects.after);
        }
        Ok(group.careful || !left_behind)
    }

    /// Has the statistics follow the tables. Other connections read them with the schema, so that is made to look new to them.
    fn optimize(&self) {
        let statistics = || {
            let sql = "SELECT group_concat(tbl || ' ' || coalesce(idx, '') || ' ' || stat) FROM sqlite_stat1";
            self.connection.query_row(sql, [], |row| row.get::<_, Option<String>>(0)).ok().flatten()
        };
        let before = statistics();
        let _ = self.connection.execute_batch(OPTIMIZATION);
        let renew = "BEGIN IMMEDIATE; CREATE TABLE statistics_changed (x); DROP TABLE statistics_changed; COMMIT;";
        if statistics() != before && self.connection.execute_batch(renew).is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// Idle work: merge what the search index is in parts of, fold a WAL that has grown large back into the database.
    fn rest(&self) {
        if let Err(error) = Indexer::tidy(&self.connection) {
            tracing::error!(%error, "the search index could not be merged");
        }
        let wal = self.connection.path().map(|path| format!("{path}-wal"));
        let size = wal.and_then(|path| std::fs::metadata(path).ok()).map_or(0, |file| file.len());
        if size > WAL_LIMIT_BYTES {
            let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }
}
