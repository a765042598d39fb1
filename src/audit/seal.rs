//! Sealing: what was committed since the last seal, in runs.

use std::sync::{Arc, PoisonError};

use hmac::Hmac;
use sha2::Sha256;

use super::{Audit, ENTRY, Hasher, RUN, SEAL, Seal, read_seal};
use crate::{
    actor::Actor,
    db::{Reader, Value, Writer},
    error::{Error, Result},
    kit::DateTime,
};

/// So many seals are stored in one transaction: a log that was never sealed has many, and others want to write.
const AT_ONCE: usize = 50;

impl Audit {
    /// Seals whatever was committed and is not sealed yet, and answers how many entries that were. Blocks. Cut off at any moment, it goes
    /// on where it was.
    ///
    /// # Errors
    /// When the newest seal that was made here is not in the database: what was taken away is not to be covered up by new seals.
    pub fn seal(&self) -> Result<u64> {
        let _alone = self.0.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last: Option<Seal> = self.0.db.read(|reader| reader.row(&format!("{SEAL} ORDER BY id DESC LIMIT 1"), &[], read_seal))?;
        let newest: i64 = self.0.db.read(|reader| reader.one("SELECT max(id) FROM audit_log", &[]))?.flatten().unwrap_or(i64::MIN);
        if newest <= last.as_ref().map_or(i64::MIN, |seal| seal.last_id) {
            return Ok(0);
        }
        let actor = Arc::new(Actor::system(self.0.db.clock().now()));
        let (number, key) = self.current_key(&actor)?;
        let has_head = self.has_head()?;
        let mut count = 0;
        loop {
            let seals = self.runs(last.as_ref(), number, &key)?;
            let Some(newest) = seals.last().cloned() else { break };
            count += seals.iter().map(|seal| seal.entries.unsigned_abs()).sum::<u64>();
            let done = seals.len() < AT_ONCE;
            self.0.db.write_blocking(actor.clone(), move |tx| store(tx, &seals))?;
            // After the commit: a head that is behind is still one of the chain.
            if has_head {
                self.note_head(&newest)?;
            }
            last = Some(newest);
            if done {
                break;
            }
        }
        if has_head {
            Ok(count)
        } else {
            Err(Error::internal("the newest seal of the audit log is not in the database; `studio verify` says more"))
        }
    }

    /// The next seals; none when all is sealed. The log only grows, and an id that was seen is committed, as are those before it: no
    /// snapshot is needed.
    fn runs(&self, last: Option<&Seal>, number: i64, key: &Hmac<Sha256>) -> Result<Vec<Seal>> {
        let mut seals: Vec<Seal> = vec![];
        let sealed_at = DateTime(self.0.db.clock().now()).to_string();
        self.0.db.read(|reader| {
            while seals.len() < AT_ONCE {
                let Some(seal) = run(reader, seals.last().or(last), number, key, &sealed_at)? else { break };
                let is_full = usize::try_from(seal.entries).is_ok_and(|entries| entries >= RUN);
                seals.push(seal);
                if !is_full {
                    break;
                }
            }
            Ok(())
        })?;
        Ok(seals)
    }
}

/// The seal after another.
fn run(reader: &Reader<'_>, last: Option<&Seal>, key_id: i64, key: &Hmac<Sha256>, sealed_at: &str) -> Result<Option<Seal>> {
    let (after, before) = last.map_or((i64::MIN, ""), |seal| (seal.last_id, seal.hash.as_str()));
    let number = last.map_or(0, |seal| seal.number) + 1;
    let mut hasher = Hasher::new(key, number, sealed_at, before);
    let (mut last_id, mut entries) = (after, 0);
    let sql = format!("SELECT {ENTRY} FROM audit_log NOT INDEXED WHERE id > ?1 ORDER BY id LIMIT {RUN}");
    reader.each(&sql, &[after.into()], |row| {
        hasher.entry(row)?;
        (last_id, entries) = (row.get(0)?, entries + 1);
        Ok(())
    })?;
    let seal = || Seal { number, sealed_at: sealed_at.to_owned(), last_id, entries, key: key_id, hash: hasher.finish(last_id, entries) };
    Ok((entries > 0).then(seal))
}

fn store(tx: &mut Writer<'_>, seals: &[Seal]) -> Result<()> {
    for seal in seals {
        let values: Vec<(&str, Value)> = vec![
            ("id", seal.number.into()),
            ("sealed_at", seal.sealed_at.as_str().into()),
            ("last_id", seal.last_id.into()),
            ("entries", seal.entries.into()),
            ("key_id", seal.key.into()),
            ("hash", seal.hash.as_str().into()),
        ];
        tx.insert("audit_seals", values)?;
    }
    Ok(())
}
