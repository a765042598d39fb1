//! The chain of the entries: each holds a hash over itself and the hash of the one before, so that nothing that was posted can be
//! changed or taken away unseen, not even by somebody who has the file.

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::{
    db::{Reader, Row, Value},
    error::Result,
    kit::hex::hex,
};

/// What of an entry is hashed, in this order; and of each of its lines.
const ENTRY: &str = "number, uuid, date, memo, source_type, source_id, reverses_id, posted_at, created_by";
const LINE: &str = "account_id, party_id, currency, amount, memo";

/// A place where the chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub business: i64,
    /// The number of the entry.
    pub number: i64,
    pub why: &'static str,
}

/// The hash that an entry has as it now stands, `posted_at` being set before its state is.
pub(super) fn hash(reader: &Reader<'_>, entry: i64, posted_at: Option<&str>, before: &str) -> Result<String> {
    let mut told = reader.row(&format!("SELECT {ENTRY} FROM journal_entries WHERE id = ?1"), &[entry.into()], |row| cells(row, 9))?;
    if let (Some(Json::Array(cells)), Some(at)) = (&mut told, posted_at) {
        cells[7] = at.into();
    }
    let lines =
        reader.rows(&format!("SELECT {LINE} FROM journal_lines WHERE entry_id = ?1 ORDER BY id"), &[entry.into()], |row| cells(row, 5))?;
    let told = json!([told, lines]).to_string();
    Ok(hex(&Sha256::new().chain_update(before).chain_update(told).finalize()))
}

fn cells(row: &Row<'_>, count: usize) -> Result<Json> {
    let cell = |index| {
        Ok(match row.get::<Value>(index)? {
            Value::Null => Json::Null,
            Value::Int(i) => i.into(),
            Value::Real(f) => f.into(),
            Value::Text(text) => text.into(),
        })
    };
    (0..count).map(cell).collect::<Result<Vec<_>>>().map(Json::Array)
}

/// The hash of the entry with a number; empty before the first.
pub(super) fn hash_at(reader: &Reader<'_>, business: i64, number: i64) -> Result<String> {
    let sql = "SELECT coalesce(hash, '') FROM journal_entries WHERE business_id = ?1 AND number = ?2";
    Ok(reader.one(sql, &[business.into(), number.into()])?.unwrap_or_default())
}

/// Where the journal is not what the audit log says was posted: somebody may have worked out all hashes anew, but the log is sealed with
/// a key that is not in the database.
pub fn compare_with_log(reader: &Reader<'_>) -> Result<Vec<String>> {
    let sql = "SELECT 'entry ' || e.number || ' of business ' || e.business_id || ': it is not what the audit log says was posted' \
               FROM journal_entries AS e WHERE e.state = 'posted' AND NOT EXISTS ( \
                   SELECT 1 FROM audit_log AS a WHERE a.target_type = 'journal_entries' AND a.target_id = e.id \
                   AND a.action = 'journal_entries.post' AND json_extract(a.after, '$.hash') = e.hash) \
               UNION ALL \
               SELECT 'entry with the id ' || a.target_id || ' of business ' || a.business_id || ': the audit log says that it was posted, and it is missing' \
               FROM audit_log AS a WHERE a.target_type = 'journal_entries' AND a.action = 'journal_entries.post' \
               AND NOT EXISTS (SELECT 1 FROM journal_entries AS e WHERE e.id = a.target_id)";
    reader.rows(sql, &[], |row| row.get(0))
}

/// Walks the chain of every business and answers where it does not hold, and how many entries there are.
pub fn verify(reader: &Reader<'_>) -> Result<(Vec<Broken>, u64)> {
    let (mut broken, mut count) = (vec![], 0);
    let (mut of, mut expected, mut before) = (0, 1, String::new());
    let sql = "SELECT business_id, number, id, hash FROM journal_entries ORDER BY business_id, number";
    reader.each(sql, &[], |row| {
        let (business, number, id, kept): (i64, i64, i64, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        if business != of {
            (of, expected, before) = (business, 1, String::new());
        }
        count += 1;
        broken.extend((expected..number).map(|number| Broken { business, number, why: "it is missing" }));
        let kept = kept.unwrap_or_default();
        // After a gap the hash before is not known any more; that was told.
        if expected == number && hash(reader, id, None, &before)? != kept {
            broken.push(Broken { business, number, why: "it is not what was posted" });
        }
        (expected, before) = (number + 1, kept);
        Ok(())
    })?;
    // The last ones may be missing: the series knows how far it had come.
    let sql = "SELECT s.business_id, s.next, (SELECT coalesce(max(e.number), 0) FROM journal_entries AS e WHERE e.business_id = s.business_id) \
               FROM number_sequences AS s WHERE s.key = 'journal'";
    reader.each(sql, &[], |row| {
        let (business, next, last): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        broken.extend((last + 1..next).map(|number| Broken { business, number, why: "it is missing" }));
        Ok(())
    })?;
    Ok((broken, count))
}
