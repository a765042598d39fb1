//! Folds the write-ahead log back into the database, beside the writer.
//!
//! SQLite has whoever commits do that, now and then, and everybody waits: a tenth of what a write costs. So a thread of its own
//! does most of it. It may do so while others write (https://sqlite.org/wal.html, "passive"), only the log begins anew when nothing is
//! left to fold; a writer that pauses for some milliseconds is enough for that. When it never does, it folds itself, later.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::sqlite;

/// So many pages of the log are worth folding: the log stays short, and pages that are written again and again are copied once.
const ENOUGH_PAGES: i64 = 4000;
/// How often the writer looks whether there are as many.
const PAUSE: Duration = Duration::from_millis(25);
/// A thread with nothing to fold keeps its connection for so long.
const REST: Duration = Duration::from_secs(60);
/// While it folds, others write; it goes after them so often.
const ROUNDS: usize = 8;

pub struct Checkpointer {
    path: PathBuf,
    looked: Instant,
    /// Begun when there is something to do for it.
    thread: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl Checkpointer {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), looked: Instant::now(), thread: None }
    }

    /// After a commit: asks for the log to be folded when it has grown.
    pub fn look(&mut self, writer: &Connection) {
        if self.looked.elapsed() < PAUSE {
            return;
        }
        self.looked = Instant::now();
        if checkpoint(writer, "NOOP").is_ok_and(|(pages, folded)| pages - folded >= ENOUGH_PAGES) {
            self.thread = self.thread.take().or_else(|| start(self.path.clone()));
            if let Some((wanted, _)) = &self.thread {
                // When it is busy with it already, nothing more is wanted.
                let _ = wanted.try_send(());
            }
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        if let Some((wanted, thread)) = self.thread.take() {
            drop(wanted);
            let _ = thread.join();
        }
    }
}

fn start(path: PathBuf) -> Option<(SyncSender<()>, JoinHandle<()>)> {
    let (wanted, asked) = sync_channel(1);
    let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(move || run(&path, &asked));
    thread.inspect_err(|error| tracing::warn!(%error, "the log is folded by the writer")).ok().map(|thread| (wanted, thread))
}

fn run(path: &Path, asked: &Receiver<()>) {
    let mut connection = None;
    loop {
        match asked.recv_timeout(REST) {
            Ok(()) => {
                connection = connection.or_else(|| open(path));
                connection.iter().for_each(fold);
            }
            Err(RecvTimeoutError::Timeout) => connection = None,
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
}

fn open(path: &Path) -> Option<Connection> {
    let connection = sqlite::open_reader(path).ok()?;
    connection.pragma_update(None, "synchronous", "FULL").ok()?;
    Some(connection)
}

fn fold(connection: &Connection) {
    let mut before = -1;
    for _ in 0..ROUNDS {
        // What fails here loses nothing: the log has it still.
        let Ok((pages, folded)) = checkpoint(connection, "PASSIVE") else { break };
        if folded == pages || folded == before {
            break;
        }
        before = folded;
    }
}

/// How many pages are in the log, and how many of them in the database.
fn checkpoint(connection: &Connection, how: &str) -> rusqlite::Result<(i64, i64)> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({how})"))?;
    statement.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
}
