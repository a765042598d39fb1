//! Making one lead of several that turned out to be the same.

use poem_openapi::{Object, types::ToJSON};
use serde_json::{Map, Value as Json};

use super::Lead;
use crate::{
    db::{Reader, Value, Writer},
    engine::{Options, Reach, UPDATE, descriptor, store, verbs},
    error::{Error, Result},
};

/// Which leads become one.
#[derive(Object)]
pub struct Merge {
    /// Id or uuid of the lead that stays.
    pub into: String,
    /// Ids or uuids of the leads that become part of it.
    pub from: Vec<String>,
}

/// Fields that the lead that stays gets from the others where it has nothing. Coordinates come in pairs, and a record has both
/// or none, so they come from one lead.
const FILLED: [&str; 11] = [
    "contact_name",
    "contact_email",
    "source",
    "zone",
    "assigned_rep",
    "notes",
    "location",
    "lat",
    "lon",
    "follow_up_type",
    "follow_up_date",
];
/// Lists that are joined.
const JOINED: [&str; 2] = ["products_discussed", "tags"];
/// Times of which the later is right.
const LATEST: &str = "last_activity_at";

/// Merges leads, and answers the id of the one that stays.
pub fn merge(tx: &mut Writer<'_>, wanted: &Merge) -> Result<i64> {
    if wanted.from.len() > 100 {
        return Err(Error::field("from", "Ensure this list has no more than 100 items."));
    }
    let into = mergeable(tx, &wanted.into)?;
    let mut sources = wanted.from.iter().map(|key| mergeable(tx, key)).collect::<Result<Vec<i64>>>()?;
    sources.sort_unstable();
    sources.dedup();
    if sources.is_empty() {
        return Err(Error::field("from", "This list may not be empty."));
    }
    if sources.contains(&into) {
        return Err(Error::field("from", "A lead cannot be merged into itself."));
    }
    tx.act("merge");
    let before = fields(&verbs::load::<Lead>(tx, into)?);
    let mut record = before.clone();
    for source in sources {
        take_over(&mut record, &fields(&verbs::load::<Lead>(tx, source)?));
        move_rows(tx, source, into)?;
        tx.delete("leads", source)?;
    }
    let taken = |name: &str| FILLED.contains(&name) || JOINED.contains(&name) || ["expected_value", "currency", LATEST].contains(&name);
    record.retain(|name, value| taken(name) && before.get(name) != Some(value));
    verbs::change::<Lead>(tx, into, record, Options { internal: true, ..Options::default() })?;
    Ok(into)
}

/// A lead that the caller may merge: managers all, others their own, however many more they may change.
fn mergeable(tx: &Writer<'_>, key: &str) -> Result<i64> {
    let actor = tx.actor();
    let id = verbs::find::<Lead>(tx, actor, key, UPDATE)?;
    let is_own = || store::find_in(tx, descriptor::of::<Lead>(), actor, key, Reach::Own, store::Deleted::Without);
    if actor.is_manager() || is_own()?.is_some() { Ok(id) } else { Err(Error::forbidden()) }
}

fn fields(lead: &Lead) -> Map<String, Json> {
    match lead.to_json() {
        Some(Json::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Fills what is empty in `record` from a lead that becomes part of it.
fn take_over(record: &mut Map<String, Json>, source: &Map<String, Json>) {
    let is_empty = |value: Option<&Json>| value.is_none_or(|value| value.is_null() || value.as_str() == Some(""));
    let copy = |record: &mut Map<String, Json>, name: &str| {
        record.insert(name.to_owned(), source.get(name).cloned().unwrap_or_default());
    };
    for name in FILLED {
        if is_empty(record.get(name)) {
            copy(record, name);
        }
    }
    // An amount means nothing without its currency.
    if is_empty(record.get("expected_value")) && !is_empty(source.get("expected_value")) {
        copy(record, "expected_value");
        copy(record, "currency");
    }
    let time = |fields: &Map<String, Json>| fields.get(LATEST).and_then(Json::as_str).map(str::to_owned);
    if time(source) > time(record) {
        copy(record, LATEST);
    }
    for name in JOINED {
        if let (Some(Json::Array(kept)), Some(Json::Array(more))) = (record.get_mut(name), source.get(name)) {
            let new: Vec<Json> = more.iter().filter(|item| !kept.contains(item)).cloned().collect();
            kept.extend(new);
        }
    }
}

/// Moves what points to one lead to another, what was deleted included: it may be restored.
fn move_rows(tx: &mut Writer<'_>, from: i64, into: i64) -> Result<()> {
    for action in ids(tx, "SELECT id FROM lead_actions WHERE lead_id = ?1", from)? {
        tx.update("lead_actions", action, vec![("lead_id", into.into())])?;
    }
    for visit in ids(tx, "SELECT id FROM visits WHERE lead_id = ?1", from)? {
        tx.update("visits", visit, vec![("lead_id", into.into())])?;
    }
    // A lead is made from one visit at most; further visits that made one have then visited it.
    for visit in ids(tx, "SELECT id FROM visits WHERE linked_lead_id = ?1", from)? {
        let taken = tx.exists("SELECT 1 FROM visits WHERE linked_lead_id = ?1", &[into.into()])?;
        let changes =
            if taken { vec![("linked_lead_id", Value::Null), ("lead_id", into.into())] } else { vec![("linked_lead_id", into.into())] };
        tx.update("visits", visit, changes)?;
    }
    verbs::move_attached::<Lead>(tx, from, into)
}

fn ids(reader: &Reader<'_>, sql: &str, lead: i64) -> Result<Vec<i64>> {
    reader.rows(sql, &[lead.into()], |row| row.get(0))
}
