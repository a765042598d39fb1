//! Making one party of several that turned out to be the same.

use poem_openapi::{Object, types::ToJSON};
use serde_json::{Map, Value as Json};

use super::Party;
use crate::{
    db::Writer,
    engine::{DELETE, Options, UPDATE, verbs},
    error::{Error, Result},
};

/// Which parties become one.
#[derive(Object)]
#[oai(rename = "PartyMerge")]
pub struct Merge {
    /// Id or uuid of the party that stays.
    pub into: String,
    /// Ids or uuids of the parties that become part of it.
    pub from: Vec<String>,
}

/// Fields that the party that stays gets from the others where it has nothing.
const FILLED: [&str; 5] = ["email", "phone", "tax_number", "payment_terms_days", "notes"];

/// Merges parties, and answers the id of the one that stays. What was posted names who it was posted for, and is never changed: a party
/// becomes part of another only once nothing is open with it.
pub fn merge(tx: &mut Writer<'_>, wanted: &Merge) -> Result<i64> {
    if wanted.from.len() > 100 {
        return Err(Error::field("from", "Ensure this list has no more than 100 items."));
    }
    let actor = tx.actor().clone();
    let into = verbs::find::<Party>(tx, &actor, &wanted.into, UPDATE)?;
    let mut sources = wanted.from.iter().map(|key| verbs::find::<Party>(tx, &actor, key, DELETE)).collect::<Result<Vec<i64>>>()?;
    sources.sort_unstable();
    sources.dedup();
    if sources.is_empty() {
        return Err(Error::field("from", "This list may not be empty."));
    }
    if sources.contains(&into) {
        return Err(Error::field("from", "A party cannot be merged into itself."));
    }
    tx.act("merge");
    let (mut record, mut changes) = (fields(&verbs::load::<Party>(tx, into)?), Map::new());
    for source in sources {
        let other = fields(&verbs::load::<Party>(tx, source)?);
        let is_empty = |value: Option<&Json>| value.is_none_or(|value| value.is_null() || value.as_str() == Some(""));
        for name in FILLED {
            if let (true, Some(value)) = (is_empty(record.get(name)), other.get(name).filter(|value| !is_empty(Some(value)))) {
                record.insert(name.to_owned(), value.clone());
                changes.insert(name.to_owned(), value.clone());
            }
        }
        follow(tx, source, into)?;
        verbs::move_attached::<Party>(tx, source, into)?;
        verbs::remove::<Party>(tx, source)?;
    }
    verbs::change::<Party>(tx, into, changes, Options::default())?;
    Ok(into)
}

/// What is still to come goes on with the party that stays: drafts, leads that became it, offers without an answer, what recurs, what is
/// asked for.
///
/// # Errors
/// 409 when both have a bill with the same number: a supplier gives each once.
fn follow(tx: &mut Writer<'_>, source: i64, into: i64) -> Result<()> {
    let twice = "SELECT d.number FROM invoices AS d JOIN invoices AS o ON o.business_id = d.business_id AND o.kind = d.kind \
                 AND o.number = d.number AND o.direction = 'incoming' AND o.deleted_at IS NULL \
                 WHERE d.party_id = ?1 AND d.direction = 'incoming' AND d.state = 'draft' AND d.deleted_at IS NULL AND o.party_id = ?2";
    if let Some(number) = tx.one::<String>(twice, &[source.into(), into.into()])? {
        return Err(Error::conflict("duplicate", format!("Both have a bill with the number {number}; one of them is still a draft.")));
    }
    let open = [
        ("transactions", "SELECT id FROM transactions WHERE party_id = ?1 AND state = 'draft'"),
        ("invoices", "SELECT id FROM invoices WHERE party_id = ?1 AND state = 'draft' AND deleted_at IS NULL"),
        ("leads", "SELECT id FROM leads WHERE party_id = ?1"),
        ("quotations", "SELECT id FROM quotations WHERE party_id = ?1 AND (state = 'draft' OR state = 'sent')"),
        ("recurring_invoices", "SELECT id FROM recurring_invoices WHERE party_id = ?1"),
        (
            "requisitions",
            "SELECT id FROM requisitions WHERE party_id = ?1 AND deleted_at IS NULL AND (status = 'draft' OR status = 'pending')",
        ),
    ];
    for (table, sql) in open {
        for id in tx.rows(sql, &[source.into()], |row| row.get::<i64>(0))? {
            tx.update(table, id, vec![("party_id", into.into())])?;
        }
    }
    Ok(())
}

fn fields(party: &Party) -> Map<String, Json> {
    match party.to_json() {
        Some(Json::Object(fields)) => fields,
        _ => Map::new(),
    }
}
