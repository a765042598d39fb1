//! What happened to a record, and taking it back to how it was.

use poem_openapi::Object;
use serde_json::{Value as Json, json};

use super::{
    act, missing, reach,
    read::{ListRequest, open_page},
    write,
};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Cell, Reader, Row, Writer},
    engine::{
        Resource,
        about::Options,
        access::{READ, UPDATE},
        body::Input,
        descriptor::{self, Descriptor, Record},
        events,
        field::{Field, Kind},
        query::{PageNumber, Parameters, Query, invalid_page},
        reply::Reply,
        store::{self, Deleted},
        validate::Mode,
    },
    error::{Error, Result},
    kit::exponent,
};

/// The entries of one record's history: its table, its id, the business. The index is named because old statistics make another way, or
/// the whole log, look as good.
const OF: &str = "audit_log AS a INDEXED BY audit_log_target_idx \
                  WHERE a.target_type = ?1 AND a.target_id = ?2 AND (a.business_id = ?3 OR a.business_id IS NULL)";

/// Something that somebody did to a record.
pub struct Done {
    pub table: String,
    pub id: i64,
    pub action: String,
    pub at: String,
}

/// What the actor has done last where they act, newest first, each record once, as far as they may still read it.
pub fn recent(reader: &Reader<'_>, actor: &Actor, most: usize) -> Result<Vec<Done>> {
    // Among the last of the business's, so that the log is not walked for somebody who has done nothing for long.
    let sql = "SELECT target_type, target_id, action, at
               FROM (SELECT * FROM audit_log WHERE business_id = ?2 ORDER BY id DESC LIMIT 1000) WHERE actor_id = ?1 ORDER BY id DESC LIMIT 200";
    let read = |row: &Row<'_>| Ok(Done { table: row.get(0)?, id: row.get(1)?, action: row.get(2)?, at: row.get(3)? });
    let (mut recent, mut seen): (Vec<Done>, Vec<(String, i64)>) = (vec![], vec![]);
    for done in reader.rows(sql, &[actor.user_id.into(), actor.business_id().into()], read)? {
        let record = (done.table.clone(), done.id);
        if recent.len() == most || seen.contains(&record) {
            continue;
        }
        seen.push(record);
        let Some(d) = descriptor::all().iter().find(|d| d.about.table == done.table) else { continue };
        // What nobody writes is what something else has led to.
        if d.about.read_only {
            continue;
        }
        let reach = d.reach(actor, READ);
        if store::find_in(reader, d, actor, &done.id.to_string(), reach, Deleted::Without)?.is_some() {
            recent.push(done);
        }
    }
    Ok(recent)
}

/// Where to take a record back to.
#[derive(Object)]
pub struct Revert {
    /// The id of an entry of its history: the record becomes what it was right after that.
    pub to: i64,
}

/// What happened to a record, newest first: who, when, and each field before and after.
pub fn history<S>(caller: &Caller, d: &'static Descriptor, key: &str, request: &ListRequest) -> Result<Reply<S>> {
    let actor = &caller.actor;
    let reach = reach(d, actor, READ)?;
    let deleted = if actor.is_manager() { Deleted::With } else { Deleted::Without };
    let query = Query::parse(d, actor, &vec_of_pages(&request.parameters), request.pages)?;
    caller.db.snapshot(|reader| {
        let id = store::find_in(reader, d, actor, key, reach, deleted)?.ok_or_else(|| missing(d, key))?;
        let scope = [d.about.table.into(), id.into(), actor.business_id().into()];
        let total = reader.one::<i64>(&format!("SELECT count(*) FROM {OF}"), &scope)?.unwrap_or(0).unsigned_abs();
        let pages = total.div_ceil(query.size).max(1);
        let number = match query.page {
            PageNumber::Last => pages,
            PageNumber::Number(number) if number <= pages => number,
            PageNumber::Number(_) => return Err(invalid_page()),
        };
        let sql = format!(
            "SELECT a.id, a.at, a.action, a.actor_id, u.username, u.full_name, a.before, a.after, a.request_id
             FROM (SELECT a.id AS id FROM {OF} ORDER BY a.id DESC LIMIT {} OFFSET {}) AS p CROSS JOIN audit_log AS a ON a.id = p.id
             LEFT JOIN users AS u ON u.id = a.actor_id ORDER BY a.id DESC",
            query.size,
            (number - 1) * query.size
        );
        let decimals = decimals(reader, d, actor, id)?;
        let entry = |row: &Row<'_>| {
            let by = row.get::<Option<i64>>(3)?;
            let by = by
                .map(|id| Ok(json!({"id": id, "username": row.get::<Option<String>>(4)?, "full_name": row.get::<Option<String>>(5)?})))
                .transpose()?;
            Ok(json!({
                "id": row.get::<i64>(0)?,
                "at": row.get::<String>(1)?,
                "action": row.get::<String>(2)?,
                "actor": by,
                "changes": changes(d, actor, &object(row.get(6)?), &object(row.get(7)?), decimals),
                "request_id": row.get::<Option<String>>(8)?,
            }))
        };
        let entries: Vec<Json> = reader.rows(&sql, &scope, entry)?;
        let mut out = Vec::new();
        open_page(&mut out, total, number, pages, &format!("{}{}", caller.origin, request.path), &request.parameters);
        out.extend_from_slice(entries.iter().map(Json::to_string).collect::<Vec<_>>().join(",").as_bytes());
        out.extend_from_slice(b"]}");
        Ok(Reply::bytes(out))
    })
}

/// Of a history only the page can be chosen.
fn vec_of_pages(parameters: &Parameters) -> Parameters {
    parameters.iter().filter(|(name, _)| name == "page" || name == "page_size").cloned().collect()
}

/// The rows that belong to a record, as its history keeps them.
pub fn lines_of<R: Resource>(reader: &Reader<'_>, id: i64, field: &str) -> Result<Vec<Json>> {
    let mut record = store::record(reader, descriptor::of::<R>(), id)?;
    Ok(match record.shift_remove(field) {
        Some(Json::Array(rows)) => rows,
        _ => vec![],
    })
}

/// Takes a record back to how it was right after an entry of its history. A change like any other: by the caller's rights, through
/// the resource's rules, and itself part of the history. What only the program sets follows from that and is not taken back.
pub async fn revert<S: Send + 'static>(
    caller: &Caller,
    d: &'static Descriptor,
    key: String,
    body: Input<Revert>,
    options: Options,
) -> Result<Reply<S>> {
    reach(d, &caller.actor, UPDATE)?;
    let revert = move |tx: &mut Writer<'_>| {
        let actor = tx.actor().clone();
        let id = write::find_record(tx, d, &actor, &key, UPDATE)?;
        let fields = fields_at(tx, d, &actor, id, body.get()?.to)?;
        tx.act("revert");
        write::change_record(tx, d, id, fields, Mode::Partial, options)?;
        Ok(id)
    };
    act(caller, revert, |reader, actor, id| write::read_back(reader, d, actor, id)).await
}

/// The fields that were different right after an entry, as they were; those that the caller may set.
fn fields_at(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, id: i64, to: i64) -> Result<Record> {
    let scope = [d.about.table.into(), id.into(), actor.business_id().into(), to.into()];
    if !reader.exists(&format!("SELECT 1 FROM {OF} AND a.id = ?4"), &scope)? {
        return Err(Error::field("to", format!("Invalid pk \"{to}\" - object does not exist.")));
    }
    let mut columns = Record::new();
    // Newest first, so that the oldest of the later changes has the last word.
    reader.each(&format!("SELECT a.before FROM {OF} AND a.id > ?4 ORDER BY a.id DESC"), &scope, |row| {
        columns.extend(object(row.get(0)?));
        Ok(())
    })?;
    let now = store::record(reader, d, id)?;
    let decimals = match columns.get("currency").and_then(Json::as_str) {
        Some(currency) => exponent(currency),
        None => decimals(reader, d, actor, id)?,
    };
    let settable = d.fields.iter().filter(|field| {
        !field.server_set && d.is_open(field.name, actor) && columns.contains_key(field.column) && !d.about.goes_on.contains(&field.name)
    });
    let was = settable.map(|field| {
        let value = match (&field.kind, value(&columns, field, decimals)) {
            (Kind::Lines(..), Json::Array(rows)) => Json::Array(rows.into_iter().map(|row| known_line(row, &now[field.name])).collect()),
            (_, value) => value,
        };
        (field.name.to_owned(), value)
    });
    let mut fields: Record = was.filter(|(name, value)| now.get(name) != Some(value)).collect();
    // What follows from lines is worked out from those that come back, by the rates of today.
    let has_lines = |field: &Field| {
        let lines = fields.get(field.name).or(now.get(field.name)).and_then(Json::as_array);
        matches!(field.kind, Kind::Lines(..)) && lines.is_some_and(|lines| !lines.is_empty())
    };
    if d.fields.iter().any(has_lines) {
        fields.retain(|name, _| d.about.confirmed.iter().all(|(_, field)| field != name));
    }
    Ok(fields)
}

/// A line that was removed comes back as a new one.
fn known_line(mut row: Json, now: &Json) -> Json {
    let is_there = now.as_array().is_some_and(|lines| lines.iter().any(|line| line["id"] == row["id"]));
    if let (false, Some(row)) = (is_there, row.as_object_mut()) {
        row.shift_remove("id");
    }
    row
}

pub(super) fn object(text: Option<String>) -> Record {
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// The decimals of a record's money: those of its currency, or of the business's.
pub(super) fn decimals(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, id: i64) -> Result<u8> {
    let business = || actor.business.as_ref().map_or(2, |business| exponent(&business.currency));
    let Some(field) = d.fields.iter().find(|field| field.kind == Kind::Currency) else { return Ok(business()) };
    let sql = format!("SELECT {} FROM \"{}\" WHERE id = ?1", field.column, d.about.table);
    let currency: Option<String> = reader.one::<Option<String>>(&sql, &[id.into()])?.flatten();
    Ok(currency.map_or_else(business, |currency| exponent(&currency)))
}

/// The columns of an audit entry as fields that the actor may see.
pub(super) fn changes(d: &Descriptor, actor: &Actor, before: &Record, after: &Record, decimals: u8) -> Vec<Json> {
    let told = |record: &Record| record.get("currency").and_then(Json::as_str).map(exponent);
    let (was, is) = (told(before).or(told(after)).unwrap_or(decimals), told(after).unwrap_or(decimals));
    let change = events::changed(d, actor, before, after)
        .map(|field| json!({"field": field.name, "before": value(before, field, was), "after": value(after, field, is)}));
    let deleted = ["deleted_at"].into_iter().filter(|name| before.contains_key(*name) || after.contains_key(*name));
    let mark = deleted.map(|name| json!({"field": name, "before": before.get(name), "after": after.get(name)}));
    change.chain(mark).collect()
}

/// A column of an audit entry as the field shows it.
fn value(columns: &Record, field: &Field, decimals: u8) -> Json {
    match columns.get(field.column) {
        None => Json::Null,
        Some(Json::Array(rows)) => Json::Array(rows.clone()),
        Some(Json::Number(number)) if field.kind == Kind::Bool => Json::Bool(number.as_i64() != Some(0)),
        Some(Json::Number(number)) => {
            field.to_json(number.as_i64().map_or_else(|| Cell::Real(number.as_f64().unwrap_or_default()), Cell::Int), decimals)
        }
        Some(Json::String(text)) => field.to_json(Cell::Text(text), decimals),
        Some(other) => other.clone(),
    }
}
