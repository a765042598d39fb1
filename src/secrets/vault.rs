//! The vault: what is secret and must be read again (seeds of second factors, other services' keys) is sealed before it is stored.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use sha2::{Digest, Sha256};

use super::files::{make_folder, make_key, parse, read_text, replace_keys};
use crate::{
    actor::Actor,
    db::{Db, Reader, Row, Writer},
    error::{Error, Result},
    kit::hex::{hex, unhex},
};

/// How a sealed text begins.
const FORM: &str = "v1";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Seals and opens (XChaCha20-Poly1305). The keys are in `vault.key`, one on each line: the first seals, all of them open. Cheap to
/// clone; no `Debug`, so that a key cannot end up in a log.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    keys: RwLock<Vec<Key>>,
    /// One rotation at a time.
    rotating: Mutex<()>,
}

#[derive(Clone)]
struct Key {
    /// Eight hex digits of the key's SHA-256: what a sealed text calls it.
    id: String,
    cipher: XChaCha20Poly1305,
}

impl Key {
    fn new(bytes: &[u8]) -> Result<Self> {
        let cipher = XChaCha20Poly1305::new_from_slice(bytes)
            .map_err(|_| Error::internal(format!("A key of the vault does not have {KEY_BYTES} bytes.")))?;
        Ok(Self { id: id_of(bytes), cipher })
    }
}

fn id_of(key: &[u8]) -> String {
    hex(&Sha256::new().chain_update(b"studio vault key").chain_update(key).finalize()[..4])
}

/// What a sealed column is bound to: `users:7:totp_secret` for `totp_secret_enc` of user 7. A text that was moved to another row or column
/// does not open.
pub fn context(table: &str, id: i64, column: &str) -> String {
    format!("{table}:{id}:{}", column.trim_end_matches("_enc"))
}

impl Vault {
    /// Reads `vault.key` in the folder (`<data>/keys`), both of which are made, for the owner alone, when they are not there.
    ///
    /// # Errors
    /// As [`make_folder`] and [`read_text`], and when a key has another length.
    pub fn open_folder(folder: &Path) -> Result<Self> {
        make_folder(folder)?;
        let path = path_in(folder);
        make_key(folder, &path)?;
        let keys = read_keys(&path)?.iter().map(|key| Key::new(key)).collect::<Result<Vec<_>>>()?;
        Ok(Self(Arc::new(Inner { folder: folder.to_owned(), keys: RwLock::new(keys), rotating: Mutex::default() })))
    }

    /// Seals bytes for the place that the context names (see [`context`]): nowhere else do they open. Two seals of the same are not alike.
    /// Seal in the transaction that stores it, so that a rotation finds it.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system has no random bytes.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String> {
        let key = self.keys().first().cloned().ok_or_else(|| Error::internal("The vault has no key."))?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| Error::internal(format!("No random bytes for a seal: {error}.")))?;
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let sealed = key.cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| Error::internal("Something could not be sealed."))?;
        Ok(format!("{FORM}.{}.{}{}", key.id, hex(&nonce), hex(&sealed)))
    }

    /// What was sealed for this context.
    ///
    /// # Errors
    /// [`Error::Internal`] when the text was changed, sealed for another place, or with a key that is not here any more.
    pub fn open(&self, context: &str, sealed: &str) -> Result<Vec<u8>> {
        let refused = |why: &str| Error::internal(format!("What is sealed for {context} does not open: {why}."));
        let (form, rest) = sealed.split_once('.').ok_or_else(|| refused("it is no seal"))?;
        let (id, text) = rest.split_once('.').filter(|_| form == FORM).ok_or_else(|| refused("its form is unknown"))?;
        let key = self.keys().iter().find(|key| key.id == id).cloned();
        let key = key.ok_or_else(|| refused(&format!("key {id} is not in vault.key")))?;
        // Upper case would be another text for the same seal.
        let bytes = Some(text).filter(|text| !text.bytes().any(|c| c.is_ascii_uppercase())).and_then(unhex);
        let bytes = bytes.ok_or_else(|| refused("its form is unknown"))?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(|| refused("it is too short"))?;
        let payload = Payload { msg: sealed, aad: context.as_bytes() };
        key.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| refused("it was changed, or sealed for another place"))
    }

    /// Takes a new key, seals everything in the database with it (see [`sealed_columns`]) and forgets the keys before it. Answers how many
    /// values were sealed anew. It may be interrupted anywhere: the old key is kept until nothing needs it.
    ///
    /// # Errors
    /// When a value does not open, or the disk refuses; the keys before the new one then stay.
    pub fn rotate(&self, db: &Db, actor: Actor) -> Result<usize> {
        let _alone = self.0.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        let path = path_in(&self.0.folder);
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| Error::internal(format!("No random bytes for a key: {error}.")))?;
        let fresh = hex(&key) + "\n";
        let old = read_keys(&path)?;
        let lines: String = old.iter().map(|key| hex(key) + "\n").collect();
        replace_keys(&self.0.folder, &path, &(fresh.clone() + &lines))?;
        // From here on everything is sealed with the new key.
        self.set_keys(std::iter::once(&key[..]).chain(old.iter().map(Vec::as_slice)))?;
        let vault = self.clone();
        let count = db.write_blocking(Arc::new(actor), move |tx| vault.reseal(tx))?;
        replace_keys(&self.0.folder, &path, &fresh)?;
        self.set_keys(std::iter::once(&key[..]))?;
        Ok(count)
    }

    /// Seals with the first key whatever was sealed with another.
    fn reseal(&self, tx: &mut Writer<'_>) -> Result<usize> {
        let current = self.keys().first().map(|key| format!("{FORM}.{}.", key.id)).unwrap_or_default();
        let mut count = 0;
        for (table, column) in sealed_columns(tx)? {
            let sql = format!("SELECT id, \"{column}\" FROM \"{table}\" WHERE \"{column}\" IS NOT NULL");
            let rows = tx.rows(&sql, &[], |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?)))?;
            for (id, sealed) in rows.into_iter().filter(|(_, sealed)| !sealed.starts_with(&current)) {
                let place = context(&table, id, &column);
                let anew = self.seal(&place, &self.open(&place, &sealed)?)?;
                // The same secret in another coat: no new version of the row, and no line in its history.
                tx.each(&format!("UPDATE \"{table}\" SET \"{column}\" = ?2 WHERE id = ?1"), &[id.into(), anew.into()], |_| Ok(()))?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Says in the log when there are secrets whose key is lost: the file was replaced, or the database is another's. Everything else works.
    pub fn warn_of_lost_keys(&self, db: &Db) -> Result<()> {
        let known: Vec<String> = self.keys().iter().map(|key| format!("{FORM}.{}.", key.id)).collect();
        let lost = db.read(|reader| {
            let mut lost = 0;
            for (table, column) in sealed_columns(reader)? {
                let sql = format!("SELECT \"{column}\" FROM \"{table}\" WHERE \"{column}\" IS NOT NULL");
                reader.each(&sql, &[], |row| {
                    let sealed: String = row.get(0)?;
                    lost += usize::from(!known.iter().any(|key| sealed.starts_with(key)));
                    Ok(())
                })?;
            }
            Ok(lost)
        })?;
        if lost > 0 {
            tracing::error!(lost, "secrets in the database were sealed with a key that is not in keys/vault.key; put that file back");
        }
        Ok(())
    }

    fn keys(&self) -> std::sync::RwLockReadGuard<'_, Vec<Key>> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_keys<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Result<()> {
        let keys = keys.map(Key::new).collect::<Result<Vec<_>>>()?;
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}

/// Every column that holds sealed texts, with its table: by our convention those whose name ends in `_enc`.
pub fn sealed_columns(reader: &Reader<'_>) -> Result<Vec<(String, String)>> {
    let sql = "SELECT t.name, c.name FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c
               WHERE t.schema = 'main' AND t.type = 'table' AND c.name LIKE '%/_enc' ESCAPE '/' ORDER BY t.name, c.name";
    reader.rows(sql, &[], |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?)))
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join("vault.key")
}

fn read_keys(path: &Path) -> Result<Vec<Vec<u8>>> {
    let text = read_text(path)?;
    let keys = text.lines().map(|line| parse(path, line.trim())).collect::<Result<Vec<_>>>()?;
    match keys.iter().all(|key| key.len() == KEY_BYTES) && !keys.is_empty() {
        true => Ok(keys),
        false => Err(Error::internal(format!("{} does not hold keys of {KEY_BYTES} bytes.", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> (tempfile::TempDir, Vault) {
        let scratch = tempfile::tempdir().unwrap();
        let vault = Vault::open_folder(&scratch.path().join("keys")).unwrap();
        (scratch, vault)
    }

    #[test]
    fn what_is_sealed_opens_where_it_belongs_and_nowhere_else() {
        let (scratch, vault) = vault();
        let sealed = vault.seal("users:7:totp", b"a seed").unwrap();
        assert_eq!(vault.open("users:7:totp", &sealed).unwrap(), b"a seed");
        assert_ne!(vault.seal("users:7:totp", b"a seed").unwrap(), sealed);
        assert!(!sealed.contains(&hex(b"a seed")));
        for other in ["users:8:totp", "users:7:other", "users:7:tot", "users:7:totp ", ""] {
            assert!(vault.open(other, &sealed).is_err(), "{other:?}");
        }
        // Read again from the file, it is the same vault; another folder's opens nothing.
        assert_eq!(Vault::open_folder(&scratch.path().join("keys")).unwrap().open("users:7:totp", &sealed).unwrap(), b"a seed");
        assert!(self::vault().1.open("users:7:totp", &sealed).unwrap_err().to_string().contains("is not in vault.key"));
        assert_eq!(vault.open("empty", &vault.seal("empty", b"").unwrap()).unwrap(), b"");
    }

    #[test]
    fn every_character_counts() {
        let (_scratch, vault) = vault();
        let sealed = vault.seal("c", b"secret").unwrap();
        for position in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[position] = if bytes[position] == b'0' { b'1' } else { b'0' };
            assert!(vault.open("c", std::str::from_utf8(&bytes).unwrap()).is_err(), "another character at {position}");
            assert!(vault.open("c", &sealed[..position]).is_err(), "the first {position}");
        }
        for text in ["", ".", "..", "v1..", "v1.0.0", &format!("{sealed}0"), &format!("{sealed}00"), &sealed.to_uppercase()] {
            assert!(vault.open("c", text).is_err(), "{text}");
        }
    }

    #[test]
    fn short_keys_are_refused() {
        let (scratch, _vault) = vault();
        let folder = scratch.path().join("keys");
        for text in ["", "\n", &"ab".repeat(31), &"ab".repeat(33), &format!("{}\nzz", "ab".repeat(32))] {
            replace_keys(&folder, &path_in(&folder), text).unwrap();
            assert!(Vault::open_folder(&folder).is_err(), "{text:?}");
        }
    }
}
