//! Writing: each in one transaction, from the caller's rights to what follows.

use serde_json::Value as Json;

use super::{act, deleted_reach, missing, reach, record_etag};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Reader, Writer},
    engine::{
        about::Options,
        access::{CREATE, DELETE, READ, Reach, UPDATE, Verbs},
        descriptor::{Descriptor, Form, Record, owner_column},
        field::Kind,
        reply::Reply,
        store::{self, Deleted},
        validate::{self, Mode},
    },
    error::{Error, Result},
};

/// A stored record in the written form: body and `ETag`.
fn answer<S, const STATUS: u16>((body, version): (Vec<u8>, i64)) -> Reply<S, STATUS> {
    let etag = record_etag(&body, version);
    Reply::bytes(body).with_etag(etag)
}

/// A record that was just written.
pub fn read_back<S, const STATUS: u16>(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, id: i64) -> Result<Reply<S, STATUS>> {
    let found = store::read(reader, d, actor, &id.to_string(), Reach::All, Form::Written, Deleted::With)?;
    found.map(answer).ok_or_else(|| d.missing())
}

/// Creates a record.
pub async fn create<S: Send + 'static>(
    caller: &Caller,
    d: &'static Descriptor,
    input: Result<Record>,
    options: Options,
) -> Result<Reply<S, 201>> {
    reach(d, &caller.actor, CREATE)?;
    let input = input?;
    act(caller, move |tx| insert_record(tx, d, input.clone(), options), |reader, actor, id| read_back(reader, d, actor, id)).await
}

/// Changes a record: all of its required fields must be there for `Mode::Whole`.
pub async fn update<S: Send + 'static>(
    caller: &Caller,
    d: &'static Descriptor,
    key: String,
    input: Result<Record>,
    mode: Mode,
    options: Options,
) -> Result<Reply<S>> {
    reach(d, &caller.actor, UPDATE)?;
    let change = move |tx: &mut Writer<'_>| {
        let id = find_record(tx, d, &tx.actor().clone(), &key, UPDATE)?;
        change_record(tx, d, id, input.clone()?, mode, options)?;
        Ok(id)
    };
    act(caller, change, |reader, actor, id| read_back(reader, d, actor, id)).await
}

/// Deletes a record.
pub async fn delete(caller: &Caller, d: &'static Descriptor, key: String, options: Options) -> Result<()> {
    reach(d, &caller.actor, DELETE)?;
    let work = move |tx: &mut Writer<'_>| {
        let id = find_record(tx, d, &tx.actor().clone(), &key, DELETE)?;
        check_version(tx, d, id, options)?;
        remove_record(tx, d, id)
    };
    caller.write(work).await
}

/// Brings a deleted record back.
pub async fn restore<S: Send + 'static>(caller: &Caller, d: &'static Descriptor, key: String) -> Result<Reply<S>> {
    deleted_reach(d, &caller.actor)?;
    let restore = move |tx: &mut Writer<'_>| {
        let reach = deleted_reach(d, tx.actor())?;
        let id = store::find_in(tx, d, tx.actor(), &key, reach, Deleted::Only)?.ok_or_else(|| missing(d, &key))?;
        restore_record(tx, d, id)?;
        Ok(id)
    };
    act(caller, restore, |reader, actor, id| read_back(reader, d, actor, id)).await
}

/// The row that a verb is meant for. A row that the caller may read but not do this to is forbidden; all others are not found.
pub(super) fn find_record(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, key: &str, verb: Verbs) -> Result<i64> {
    let granted = reach(d, actor, verb)?;
    if let Some(id) = store::find_in(reader, d, actor, key, granted, Deleted::Without)? {
        return Ok(id);
    }
    let readable = d.reach(actor, READ);
    match store::find_in(reader, d, actor, key, readable, Deleted::Without)? {
        Some(_) => Err(Error::forbidden()),
        None => Err(missing(d, key)),
    }
}

/// Creates a record of whatever resource as the caller, rules and audit included.
pub fn insert_record(tx: &mut Writer<'_>, d: &Descriptor, input: Record, options: Options) -> Result<i64> {
    let (actor, mut input) = (tx.actor().clone(), input);
    if let Some(id) = sent_before(tx, d, &input)? {
        return Ok(id);
    }
    (d.prepare)(&mut input, None, tx)?;
    let claims = validate::claims(d, &input);
    let mut record = validate::resource(tx, d, &actor, input, None, Mode::Whole, options)?;
    default_currency(d, &actor, &mut record);
    let (record, after) = (d.check)(tx, None, None, record, options)?;
    validate::confirm(d, &claims, &record)?;
    let id = store::insert(tx, d, &record)?;
    check_branch(tx, d, &actor, id, options)?;
    after(id, tx)?;
    Ok(id)
}

/// What the caller sent before under the same name of their own.
fn sent_before(tx: &Writer<'_>, d: &Descriptor, input: &Record) -> Result<Option<i64>> {
    let Some(field) = d.about.resent else { return Ok(None) };
    let Some(name) = input.get(field).and_then(Json::as_str).map(str::trim).filter(|name| !name.is_empty()) else { return Ok(None) };
    let sql = format!("SELECT id FROM \"{}\" WHERE business_id = ?1 AND {field} = ?2 AND created_by = ?3", d.about.table);
    tx.one(&sql, &[tx.actor().business_id().into(), name.into(), tx.actor().user_id.into()])
}

/// Brings a record back with what was deleted along with it. It must still be one that could be stored: what it refers to may have
/// gone meanwhile, and its rules may have come to forbid it.
pub(super) fn restore_record(tx: &mut Writer<'_>, d: &Descriptor, id: i64) -> Result<()> {
    let sql = format!("SELECT deleted_at FROM \"{}\" WHERE id = ?1", d.about.table);
    let deleted_at: Option<String> = tx.one(&sql, &[id.into()])?;
    tx.restore(d.about.table, id)?;
    let (actor, record) = (tx.actor().clone(), store::record(tx, d, id)?);
    let options = Options { internal: true, ..Options::default() };
    let references = d.fields.iter().filter(|field| matches!(field.kind, Kind::Reference(_)));
    let references =
        references.filter_map(|field| Some((field.name.to_owned(), record.get(field.name).filter(|id| !id.is_null())?.clone())));
    validate::resource(tx, d, &actor, references.collect(), Some(&record), Mode::Partial, options)?;
    drop((d.check)(tx, Some(id), Some(&record), record.clone(), options)?);
    for table in d.about.cascade {
        let sql = format!("SELECT id FROM \"{table}\" WHERE {} = ?1 AND deleted_at = ?2", owner_column(d.about.table));
        let dependents: Vec<i64> = tx.rows(&sql, &[id.into(), deleted_at.clone().into()], |row| row.get(0))?;
        dependents.into_iter().try_for_each(|dependent| tx.restore(table, dependent).map(drop))?;
    }
    Ok(())
}

fn default_currency(d: &Descriptor, actor: &Actor, record: &mut Record) {
    let Some(field) = d.fields.iter().find(|field| field.kind == Kind::Currency) else { return };
    if record.get(field.name).is_none_or(Json::is_null)
        && let Some(business) = &actor.business
    {
        record.insert(field.name.to_owned(), business.currency.clone().into());
    }
}

/// Changes a record of whatever resource as the caller, rules and audit included.
pub fn change_record(tx: &mut Writer<'_>, d: &Descriptor, id: i64, input: Record, mode: Mode, options: Options) -> Result<()> {
    let actor = tx.actor().clone();
    check_version(tx, d, id, options)?;
    let before = store::record(tx, d, id)?;
    let mut input = input;
    (d.prepare)(&mut input, Some(&before), tx)?;
    restate_money(d, &before, &mut input);
    let claims = validate::claims(d, &input);
    let changes = validate::resource(tx, d, &actor, input, Some(&before), mode, options)?;
    check_self_service(d, &actor, &before, &changes, options)?;
    let mut record = before.clone();
    record.extend(changes);
    let (record, after) = (d.check)(tx, Some(id), Some(&before), record, options)?;
    validate::confirm(d, &claims, &record)?;
    store::update(tx, d, id, &before, &record)?;
    check_branch(tx, d, &actor, id, options)?;
    after(id, tx)
}

/// Whoever is limited to a branch cannot put a record where they could not see it.
fn check_branch(tx: &Writer<'_>, d: &Descriptor, actor: &Actor, id: i64, options: Options) -> Result<()> {
    let limited = actor.branch_id.is_some() && d.field("branch").is_some() && !options.internal;
    let visible = || store::find_in(tx, d, actor, &id.to_string(), Reach::All, Deleted::With);
    if limited && visible()?.is_none() { Err(Error::forbidden()) } else { Ok(()) }
}

/// A change of currency alone keeps the amounts as they read: they are checked again against the new currency's decimals.
fn restate_money(d: &Descriptor, before: &Record, input: &mut Record) {
    let changes_currency = d
        .fields
        .iter()
        .any(|field| field.kind == Kind::Currency && input.contains_key(field.name) && input.get(field.name) != before.get(field.name));
    for field in d.fields.iter().filter(|field| changes_currency && field.kind == Kind::Money && !field.server_set) {
        if let (false, Some(amount @ Json::String(_))) = (input.contains_key(field.name), before.get(field.name)) {
            input.insert(field.name.to_owned(), amount.clone());
        }
    }
}

fn check_version(tx: &Writer<'_>, d: &Descriptor, id: i64, options: Options) -> Result<()> {
    let Some(expected) = options.if_match else { return Ok(()) };
    let version: Option<i64> = tx.one(&format!("SELECT version FROM \"{}\" WHERE id = ?1", d.about.table), &[id.into()])?;
    if version == Some(expected) { Ok(()) } else { Err(Error::Stale) }
}

/// Somebody who may only tend to their own record may only change what is theirs to change.
fn check_self_service(d: &Descriptor, actor: &Actor, before: &Record, changes: &Record, options: Options) -> Result<()> {
    let limited = !d.about.self_service.is_empty() && !options.internal && d.reach(actor, UPDATE) == Reach::Own;
    let differs = |(name, value): (&String, &Json)| before.get(name) != Some(value) && !d.about.self_service.contains(&name.as_str());
    if limited && changes.iter().any(differs) { Err(Error::forbidden()) } else { Ok(()) }
}

pub(super) fn remove_record(tx: &mut Writer<'_>, d: &Descriptor, id: i64) -> Result<()> {
    let record = store::record(tx, d, id)?;
    (d.deleting)(id, record.clone(), tx)?;
    let uses = store::uses(tx, d, id)?;
    if !uses.is_empty() {
        let uses: Vec<String> = uses.into_iter().map(|(count, what)| format!("{count} {what}")).collect();
        return Err(Error::conflict("in_use", format!("This {} cannot be deleted: it is used by {}.", d.words, uses.join(", "))));
    }
    for table in d.about.cascade {
        for dependent in store::dependents(tx, d, table, id)? {
            tx.delete(table, dependent)?;
        }
    }
    if d.about.soft_delete {
        tx.delete(d.about.table, id)?;
    } else {
        tx.remove(d.about.table, id)?;
        tx.note(d.about.table, id, "delete", Some(Json::Object(record)), None)?;
    }
    Ok(())
}
