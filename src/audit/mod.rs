//! The seals over the audit log: each is a keyed hash (HMAC-SHA256) over a run of entries and the seal before, so that an entry that was
//! changed, taken away or put in behind the program's back is found.
//!
//! Sealing follows the commits by seconds and reads beside the writer: what a request pays is nothing. `seal` makes the seals, `verify`
//! walks them, `key` has the keys that they are made with.
//!
//! What they prove, and what not. Who has the database alone cannot make a seal: its keys are sealed by the vault, whose key is in a file
//! of its own. Who takes entries from the end, seals and all, is found out by the newest seal, which is noted in a file beside that key.
//! Who has both the files and the keys, or changes an entry in the seconds before it is sealed, is not: for that, note the seal which
//! `studio verify` prints somewhere else.

mod key;
mod seal;
mod verify;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use hmac::{Hmac, Mac};
use sha2::Sha256;

pub use self::verify::Report;
use crate::{
    db::{Cell, Db, Row},
    error::{Error, Result},
    kit::hex::hex,
    secrets::{
        files::{read_text, replace_keys},
        vault::Vault,
    },
};

/// What of an entry is sealed, in this order.
const ENTRY: &str = "id, business_id, at, actor_id, action, target_type, target_id, before, after, ip, request_id";
/// How many columns that are.
const CELLS: usize = 11;
/// So many entries have one seal at most: what is wrong is told by the run that it is in.
const RUN: usize = 1000;

/// Seals the log, and looks whether it is as it was sealed. Cheap to clone.
#[derive(Clone)]
pub struct Audit(Arc<Inner>);

struct Inner {
    db: Db,
    vault: Vault,
    folder: PathBuf,
    /// One sealing at a time.
    sealing: Mutex<()>,
}

/// A seal as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seal {
    number: i64,
    sealed_at: String,
    last_id: i64,
    entries: i64,
    key: i64,
    hash: String,
}

const SEAL: &str = "SELECT id, sealed_at, last_id, entries, key_id, hash FROM audit_seals";

fn read_seal(row: &Row<'_>) -> Result<Seal> {
    Ok(Seal {
        number: row.get(0)?,
        sealed_at: row.get(1)?,
        last_id: row.get(2)?,
        entries: row.get(3)?,
        key: row.get(4)?,
        hash: row.get(5)?,
    })
}

impl Audit {
    /// `folder`: where the keys are.
    pub fn new(db: Db, vault: Vault, folder: &Path) -> Self {
        Self(Arc::new(Inner { db, vault, folder: folder.to_owned(), sealing: Mutex::default() }))
    }

    /// The file with the newest seal that was made here.
    fn head_file(&self) -> PathBuf {
        self.0.folder.join("audit.head")
    }

    /// Number and hash of the newest seal that was made here; `None` when nothing is noted.
    fn head(&self) -> Result<Option<(i64, String)>> {
        let path = self.head_file();
        if std::fs::symlink_metadata(&path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(None);
        }
        let text = read_text(&path)?;
        let noted = text.trim().split_once(' ').and_then(|(number, hash)| Some((number.parse().ok()?, hash.to_owned())));
        noted.map(Some).ok_or_else(|| Error::internal(format!("{} does not hold a seal.", path.display())))
    }

    fn note_head(&self, seal: &Seal) -> Result<()> {
        replace_keys(&self.0.folder, &self.head_file(), &format!("{} {}\n", seal.number, seal.hash))
    }

    /// Is the newest seal that was made here in the database, as it was?
    fn has_head(&self) -> Result<bool> {
        let Some((number, hash)) = self.head()? else { return Ok(true) };
        self.0.db.read(|reader| reader.exists("SELECT 1 FROM audit_seals WHERE id = ?1 AND hash = ?2", &[number.into(), hash.into()]))
    }
}

/// The hash of a seal, as it is being worked out.
struct Hasher(Hmac<Sha256>);

impl Hasher {
    /// Begins a seal after one with the hash `before`; empty for the first.
    fn new(key: &Hmac<Sha256>, number: i64, sealed_at: &str, before: &str) -> Self {
        let mut hasher = Self(key.clone());
        hasher.text("studio audit seal 1");
        hasher.text(before);
        hasher.0.update(&number.to_le_bytes());
        hasher.text(sealed_at);
        hasher
    }

    /// Texts come with their length, so that no two rows read the same.
    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn entry(&mut self, row: &Row<'_>) -> Result<()> {
        for index in 0..CELLS {
            match row.cell(index)? {
                Cell::Null => self.0.update(b"n"),
                Cell::Int(i) => {
                    self.0.update(b"i");
                    self.0.update(&i.to_le_bytes());
                }
                Cell::Real(f) => {
                    self.0.update(b"r");
                    self.0.update(&f.to_bits().to_le_bytes());
                }
                Cell::Text(text) => {
                    self.0.update(b"t");
                    self.text(text);
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, last_id: i64, entries: i64) -> String {
        self.0.update(b"end");
        self.0.update(&last_id.to_le_bytes());
        self.0.update(&entries.to_le_bytes());
        hex(&self.0.finalize().into_bytes())
    }
}
