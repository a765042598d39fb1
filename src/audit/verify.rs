//! Walking the seals: is every entry as it was sealed?

use std::collections::HashMap;

use hmac::Hmac;
use sha2::Sha256;

use super::{Audit, ENTRY, Hasher, SEAL, Seal, read_seal};
use crate::{db::Reader, error::Result};

/// So many seals are read at once: nothing is held open while all of them are walked.
const PART: usize = 200;

/// What came of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many entries are sealed.
    pub entries: u64,
    /// How many seals there are.
    pub seals: u64,
    /// How many entries are too new to have a seal.
    pub unsealed: u64,
    /// Number and hash of the newest seal: noted elsewhere, it proves all that was sealed by then.
    pub newest: Option<(i64, String)>,
    /// A sentence for each place where something is wrong.
    pub problems: Vec<String>,
}

/// How far the walk has come.
#[derive(Default)]
struct Walk {
    keys: HashMap<i64, Option<Hmac<Sha256>>>,
    last: Option<Seal>,
    report: Report,
}

impl Audit {
    /// Walks the seals from the first, and looks at every entry. Blocks, and holds no one up.
    pub fn verify(&self) -> Result<Report> {
        let mut walk = Walk::default();
        loop {
            let after = walk.last.as_ref().map_or(0, |seal| seal.number);
            let sql = format!("{SEAL} WHERE id > ?1 ORDER BY id LIMIT {PART}");
            let seals = self.0.db.read(|reader| reader.rows(&sql, &[after.into()], read_seal))?;
            if seals.is_empty() {
                break;
            }
            for seal in seals {
                self.step(&mut walk, seal)?;
            }
        }
        let Walk { last, mut report, .. } = walk;
        let after = last.as_ref().map_or(i64::MIN, |seal| seal.last_id);
        let sql = "SELECT count(*) FROM audit_log NOT INDEXED WHERE id > ?1";
        report.unsealed = self.0.db.read(|reader| reader.one::<i64>(sql, &[after.into()]))?.unwrap_or(0).unsigned_abs();
        if !self.has_head()? {
            let (number, path) = (self.head()?.map_or(0, |(number, _)| number), self.head_file());
            report.problems.push(format!(
                "seal {number}, which was made here, is not in the database or is another: entries were cut off at the end, or the database is \
                 an older copy; if it was restored on purpose, remove {}",
                path.display()
            ));
        }
        report.newest = last.map(|seal| (seal.number, seal.hash));
        Ok(report)
    }

    fn step(&self, walk: &mut Walk, seal: Seal) -> Result<()> {
        let report = &mut walk.report;
        report.seals += 1;
        report.entries += seal.entries.unsigned_abs();
        let (expected, after, before) =
            walk.last.as_ref().map_or((1, i64::MIN, ""), |last| (last.number + 1, last.last_id, last.hash.as_str()));
        if seal.number != expected {
            let missing = match seal.number - 1 {
                one if one == expected => format!("seal {one} is missing"),
                last => format!("seals {expected} to {last} are missing"),
            };
            report.problems.push(missing);
        } else if let Some(key) = walk.keys.entry(seal.key).or_insert_with(|| match self.key(seal.key) {
            Ok(key) => Some(key),
            Err(error) => {
                report.problems.push(format!("what was sealed with key {} cannot be looked at: {error}", seal.key));
                None
            }
        }) {
            let (hash, found) = self.0.db.read(|reader| worked_out(reader, key, &seal, after, before))?;
            let run = if after == i64::MIN { format!("up to {}", seal.last_id) } else { format!("{} to {}", after + 1, seal.last_id) };
            match found - seal.entries {
                _ if hash == seal.hash => {}
                0 => report.problems.push(format!("the entries {run}, or their seal {}, were changed", seal.number)),
                more if more > 0 => report.problems.push(format!("of the entries {run}, {more} were put in after they were sealed")),
                fewer => report.problems.push(format!("of the entries {run}, {} are missing", -fewer)),
            }
        }
        walk.last = Some(seal);
        Ok(())
    }
}

/// The hash that the entries of a seal have as they now stand, and how many they are.
fn worked_out(reader: &Reader<'_>, key: &Hmac<Sha256>, seal: &Seal, after: i64, before: &str) -> Result<(String, i64)> {
    let mut hasher = Hasher::new(key, seal.number, &seal.sealed_at, before);
    let mut found = 0;
    let sql = format!("SELECT {ENTRY} FROM audit_log NOT INDEXED WHERE id > ?1 AND id <= ?2 ORDER BY id");
    reader.each(&sql, &[after.into(), seal.last_id.into()], |row| {
        hasher.entry(row)?;
        found += 1;
        Ok(())
    })?;
    Ok((hasher.finish(seal.last_id, seal.entries), found))
}
