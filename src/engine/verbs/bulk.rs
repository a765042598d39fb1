//! Many records in one request: each through the rules of one, and each failing alone unless all are to stand or fall together.

use serde_json::{Value as Json, json};

use super::{act, deleted_reach, missing, reach, write};
use crate::{
    auth::gate::Caller,
    db::Writer,
    engine::{
        about::Options,
        access::{CREATE, DELETE, UPDATE},
        descriptor::{Descriptor, Record},
        reply::Reply,
        store::{self, Deleted},
        validate::Mode,
    },
    error::{Error, Result},
};

/// So many records in one request.
pub const MOST_ITEMS: usize = 500;

/// What is done to each record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bulk {
    Create,
    Update,
    Delete,
    Restore,
}

/// One record of a request.
struct Item {
    /// Id or uuid; empty for a new one.
    key: String,
    fields: Record,
    /// The version that the caller has read.
    version: Option<i64>,
}

/// Does something to many records. With `atomic`, nothing is done (400) unless all of it can be.
pub async fn bulk<S: Send + 'static>(
    caller: &Caller,
    d: &'static Descriptor,
    what: Bulk,
    input: Result<Record>,
    atomic: bool,
    options: Options,
) -> Result<Reply<S>> {
    match what {
        Bulk::Create => reach(d, &caller.actor, CREATE)?,
        Bulk::Update => reach(d, &caller.actor, UPDATE)?,
        Bulk::Delete => reach(d, &caller.actor, DELETE)?,
        Bulk::Restore => deleted_reach(d, &caller.actor)?,
    };
    let items = items(what, input?)?;
    let work = move |tx: &mut Writer<'_>| {
        let mut rows: Vec<Json> = vec![];
        let mut failed = 0;
        let all = tx.attempt(|tx| {
            for (index, item) in items.iter().enumerate() {
                match tx.attempt(|tx| one(tx, d, what, item, options)) {
                    Ok(id) => rows.push(json!({"index": index, "id": id, "ok": true})),
                    // Not the row's fault.
                    Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                    Err(error) => {
                        failed += 1;
                        let mut row = json!({"index": index, "ok": false, "status": error.status().as_u16(), "errors": error.body()});
                        if let Ok(id) = item.key.parse::<i64>() {
                            row["id"] = id.into();
                        }
                        rows.push(row);
                    }
                }
            }
            if atomic && failed > 0 { Err(Error::Stale) } else { Ok(()) }
        });
        let taken_back = match all {
            Ok(()) => false,
            // As said above; what a row answered itself is in `rows`.
            Err(Error::Stale) => true,
            Err(error) => return Err(error),
        };
        let done = if taken_back { 0 } else { rows.len() - failed };
        Ok((json!({"atomic": atomic, "done": done, "failed": failed, "results": rows}), taken_back))
    };
    act(caller, work, |_, _, (outcome, taken_back)| Ok(Reply::json(&outcome).with_status(if taken_back { 400 } else { 200 }))).await
}

fn one(tx: &mut Writer<'_>, d: &Descriptor, what: Bulk, item: &Item, options: Options) -> Result<i64> {
    let actor = tx.actor().clone();
    let options = Options { if_match: item.version, ..options };
    match what {
        Bulk::Create => write::insert_record(tx, d, item.fields.clone(), options),
        Bulk::Update => {
            let id = write::find_record(tx, d, &actor, &item.key, UPDATE)?;
            write::change_record(tx, d, id, item.fields.clone(), Mode::Partial, options)?;
            Ok(id)
        }
        Bulk::Delete => {
            let id = write::find_record(tx, d, &actor, &item.key, DELETE)?;
            write::remove_record(tx, d, id)?;
            Ok(id)
        }
        Bulk::Restore => {
            let reach = deleted_reach(d, &actor)?;
            let id = store::find_in(tx, d, &actor, &item.key, reach, Deleted::Only)?.ok_or_else(|| missing(d, &item.key))?;
            write::restore_record(tx, d, id)?;
            Ok(id)
        }
    }
}

/// What a body asks for: `items`, or `ids` with what to `set` in each.
fn items(what: Bulk, mut input: Record) -> Result<Vec<Item>> {
    let by_items = what == Bulk::Create || what == Bulk::Update && input.contains_key("items");
    if by_items {
        return list(&mut input, "items")?.into_iter().map(|item| named(what, item)).collect();
    }
    let ids = list(&mut input, "ids")?;
    let fields = match (what, input.shift_remove("set")) {
        (Bulk::Update, Some(Json::Object(fields))) => fields,
        (Bulk::Update, Some(other)) => return Err(Error::field("set", super::validate::expected_dictionary(&other))),
        (Bulk::Update, None) => return Err(Error::field("set", "This field is required.")),
        _ => Record::new(),
    };
    ids.into_iter().map(|id| Ok(Item { key: key("ids", &id)?, fields: fields.clone(), version: None })).collect()
}

fn named(what: Bulk, item: Json) -> Result<Item> {
    let Json::Object(mut fields) = item else { return Err(Error::field("items", super::validate::expected_dictionary(&item))) };
    if what == Bulk::Create {
        return Ok(Item { key: String::new(), fields, version: None });
    }
    let id = fields.shift_remove("id").ok_or_else(|| Error::field("items", "Each item needs the id of its record."))?;
    let version = fields.shift_remove("version").and_then(|version| version.as_i64());
    Ok(Item { key: key("items", &id)?, fields, version })
}

fn key(member: &str, id: &Json) -> Result<String> {
    match id {
        Json::Number(id) => Ok(id.to_string()),
        Json::String(id) => Ok(id.trim().to_owned()),
        _ => Err(Error::field(member, "An id is a number or a uuid.")),
    }
}

fn list(input: &mut Record, member: &str) -> Result<Vec<Json>> {
    match input.shift_remove(member) {
        None => Err(Error::field(member, "This field is required.")),
        Some(Json::Array(list)) if list.is_empty() => Err(Error::field(member, "This list may not be empty.")),
        Some(Json::Array(list)) if list.len() > MOST_ITEMS => {
            Err(Error::field(member, format!("Ensure this list has no more than {MOST_ITEMS} items.")))
        }
        Some(Json::Array(list)) => Ok(list),
        Some(_) => Err(Error::field(member, "Expected a list of items.")),
    }
}
