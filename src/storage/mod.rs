//! Files on the disk, by the hash of their bytes: the same bytes are kept once, whoever attached them. What a file is called and who
//! may have it stands in the database; nothing here is served but through a row there, so businesses stay apart.
//!
//! * A file arrives in `tmp`, is synced, and takes its place under its hash in one step. Only then is its row written: a crash leaves a
//!   file without a row at most, and `sweep` removes those.
//! * No file is removed while the program runs: between the look and the removal somebody could attach the same bytes again.

mod incoming;
mod sniff;
mod thumbnail;

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::Semaphore;

pub use self::incoming::{Incoming, Kept};
use crate::{
    db::create_folder,
    error::{Error, Result},
};

/// What nobody refers to is removed when it is older than this.
const ORPHANS_LIVE: Duration = Duration::from_secs(24 * 60 * 60);
/// Thumbnails that are made at once: each takes a processor, and the memory of its picture.
const THUMBNAILS_AT_ONCE: usize = 2;

/// The folder of files. Cheap to clone.
#[derive(Clone)]
pub struct Storage(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    /// The largest file, in bytes.
    max_bytes: usize,
    /// What the files of one business take up at most, in bytes.
    quota_bytes: u64,
    serial: AtomicU64,
    thumbnails: Semaphore,
}

/// How much room there is left on the disk of a folder, in bytes, for this user.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

impl Storage {
    /// Opens the folder of files in the data folder, making it as needed.
    pub fn open(data: &Path, max_bytes: usize, quota_bytes: u64) -> Result<Self> {
        let folder = data.join("files");
        for place in [folder.clone(), folder.join("tmp"), folder.join("thumbnails")] {
            create_folder(&place)?;
        }
        let thumbnails = Semaphore::new(THUMBNAILS_AT_ONCE);
        Ok(Self(Arc::new(Inner { folder, max_bytes, quota_bytes, serial: AtomicU64::new(1), thumbnails })))
    }

    pub fn max_bytes(&self) -> usize {
        self.0.max_bytes
    }

    pub fn quota_bytes(&self) -> u64 {
        self.0.quota_bytes
    }

    /// Where the bytes with a hash are.
    fn place(&self, sha256: &str) -> Result<PathBuf> {
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_hash { Ok(self.0.folder.join(&sha256[..2]).join(sha256)) } else { Err(Error::internal("no hash of a file")) }
    }

    fn thumbnail_place(&self, sha256: &str, size: u32) -> PathBuf {
        self.0.folder.join("thumbnails").join(format!("{sha256}-{size}"))
    }

    /// Opens the bytes with a hash.
    pub async fn open_bytes(&self, sha256: &str) -> Result<tokio::fs::File> {
        tokio::fs::File::open(self.place(sha256)?).await.map_err(|error| lost(sha256, &error))
    }

    /// A new file of this process's own in `tmp`; it goes when it is dropped.
    fn temporary(&self) -> Result<(Temporary, File)> {
        let name = format!("{}-{}", std::process::id(), self.0.serial.fetch_add(1, Ordering::Relaxed));
        let path = self.0.folder.join("tmp").join(name);
        // What an earlier process of the same number left behind is of no use to anybody.
        let _ = fs::remove_file(&path);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(|error| refused(&error))?;
        Ok((Temporary(path), file))
    }

    /// Removes what arrived and never came to anything, and bytes that no row refers to. For the start, before anything arrives.
    pub fn sweep(&self, known: &HashSet<String>, now: SystemTime) -> Result<usize> {
        let is_old = |entry: &fs::DirEntry| {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > ORPHANS_LIVE))
        };
        let mut removed = 0;
        for folder in fs::read_dir(&self.0.folder).map_err(Error::internal)?.filter_map(io::Result::ok) {
            let Ok(entries) = fs::read_dir(folder.path()) else { continue };
            for entry in entries.filter_map(io::Result::ok) {
                let name = entry.file_name().to_string_lossy().into_owned();
                // A thumbnail is called after the hash of its picture.
                let hash = name.split('-').next().unwrap_or_default();
                if !known.contains(hash) && is_old(&entry) && fs::remove_file(entry.path()).is_ok() {
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

/// A file that is removed unless it has found its place.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Makes the names in a folder outlast a crash.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The disk takes nothing.
fn refused(error: &io::Error) -> Error {
    tracing::error!(%error, "a file cannot be stored");
    if error.kind() == io::ErrorKind::StorageFull { Error::Unavailable(30) } else { Error::internal(error) }
}

/// A row names bytes that are not there.
fn lost(sha256: &str, error: &io::Error) -> Error {
    Error::Internal(format!("the file {sha256} cannot be read: {error}"))
}

/// Work that waits for the disk, away from those who answer requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}
