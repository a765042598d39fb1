//! What can be done with a resource. Both faces end here, and each write runs in one transaction: access, validation, the
//! resource's own rules, storing, audit, consequences.

use std::hash::{DefaultHasher, Hash, Hasher};

use hyper::body::Bytes;
use serde_json::{Map, Value as Json, json};

use super::{
    about::{Options, Resource},
    access::{CREATE, DELETE, LIST, READ, Reach, UPDATE, Verbs},
    descriptor::{self, Descriptor, Form, Record},
    field::Kind,
    query::{PageNumber, Pages, Parameters, Query, invalid_page, page_link},
    reply::Reply,
    store::{self, Deleted},
    validate::{self, Mode},
};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Reader, Writer},
    error::{Error, Result},
    kit::exponent,
};

/// A request for a list.
pub struct ListRequest {
    pub parameters: Parameters,
    /// The path, for links to other pages.
    pub path: String,
    pub if_none_match: Option<String>,
    pub pages: Pages,
}

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listing {
    Live,
    Deleted,
    Minimal,
}

/// How far the caller may go with a verb at all; what is not granted, or has no business to happen in, is refused.
fn reach(d: &Descriptor, actor: &Actor, verb: Verbs) -> Result<Reach> {
    match d.about.access.reach(actor, verb) {
        Reach::Nothing => Err(Error::forbidden()),
        _ if actor.business.is_none() => Err(Error::forbidden()),
        reach => Ok(reach),
    }
}

/// Deleted rows are for those who run the business.
fn deleted_reach(d: &Descriptor, actor: &Actor) -> Result<Reach> {
    if actor.is_manager() { reach(d, actor, DELETE) } else { Err(Error::forbidden()) }
}

// ------------------------------------------------------------------------------------------------ reading

/// A page of records.
pub async fn list<S>(caller: &Caller, d: &'static Descriptor, request: ListRequest, listing: Listing) -> Result<Reply<S>> {
    let actor = caller.actor.clone();
    let reach = if listing == Listing::Deleted { deleted_reach(d, &actor)? } else { reach(d, &actor, LIST)? };
    // Before the rows are read: what is kept under this stamp is then never older than it.
    let stamp = caller.db.stamp(d.tables(caller.db.catalog()));
    let etag = list_etag(caller, d, &request, listing, stamp);
    if matches(request.if_none_match.as_deref(), &etag) {
        return Ok(Reply::unchanged(etag));
    }
    let page_key = page_key(caller, d, &request, listing, reach, stamp);
    if let Some(page) = caller.db.pages().get(&page_key) {
        return Ok(Reply::bytes(page).with_etag(etag));
    }
    let query = Query::parse(d, &actor, &request.parameters, request.pages)?;
    let deleted = match listing {
        Listing::Deleted => Deleted::Only,
        _ if query.include_deleted => Deleted::With,
        _ => Deleted::Without,
    };
    let scope = store::scope(d, &actor, reach, deleted);
    let total_key = total_key(d, &actor, reach, &scope, &query, stamp);
    let known = caller.db.totals().get(&total_key);
    let scans = query.may_scan || reach == Reach::Own || known.is_none();
    let (db, origin) = (caller.db.clone(), caller.origin.clone());
    let work = move |reader: &Reader<'_>| {
        check_filters(reader, &actor, &query)?;
        let total = match known {
            Some(total) => total,
            None => store::count(reader, d, &actor, &query, &scope)?,
        };
        db.totals().insert(total_key, total);
        page(reader, d, &actor, &query, &scope, listing, total.unsigned_abs(), &format!("{origin}{}", request.path), &request.parameters)
    };
    let body = Bytes::from(if scans { caller.scan(work).await? } else { caller.read(work)? });
    caller.db.pages().insert(page_key, body.clone());
    Ok(Reply::bytes(body).with_etag(etag))
}

/// Refuses the filters that are wrong, all at once.
fn check_filters(reader: &Reader<'_>, actor: &Actor, query: &Query) -> Result<()> {
    let mut problems = query.problems.clone();
    for (parameter, table, key) in &query.references {
        let target = descriptor::by_table(table).ok_or_else(|| Error::internal(format_args!("no resource keeps {table}")))?;
        if store::find(reader, target, actor, key)?.is_none() {
            problems.add(parameter, "Select a valid choice. That choice is not one of the available choices.");
        }
    }
    problems.or_ok()
}

#[expect(clippy::too_many_arguments, reason = "one page is all of these, and they are used nowhere else together")]
fn page(
    reader: &Reader<'_>,
    d: &Descriptor,
    actor: &Actor,
    query: &Query,
    scope: &str,
    listing: Listing,
    total: u64,
    url: &str,
    parameters: &Parameters,
) -> Result<Vec<u8>> {
    let pages = total.div_ceil(query.size).max(1);
    let number = match query.page {
        PageNumber::Last => pages,
        PageNumber::Number(number) => number,
    };
    if number > pages {
        return Err(invalid_page());
    }
    let mut out = Vec::with_capacity(32 * 1024);
    open_page(&mut out, total, number, pages, url, parameters);
    let offset = (number - 1) * query.size;
    match listing {
        Listing::Minimal => store::minimal(reader, d, actor, query, scope, offset, &mut out)?,
        _ => store::page(reader, d, actor, query, scope, offset, &mut out)?,
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

/// Everything of a page before its rows.
fn open_page(out: &mut Vec<u8>, total: u64, number: u64, pages: u64, url: &str, parameters: &Parameters) {
    let link = |page: Option<u64>| page.map_or(Json::Null, |page| format!("{url}{}", page_link(parameters, page)).into());
    let next = link((number < pages).then(|| number + 1));
    let previous = link((number > 1).then(|| number - 1));
    out.extend_from_slice(format!("{{\"count\":{total},\"next\":{next},\"previous\":{previous},\"results\":[").as_bytes());
}

fn total_key(d: &Descriptor, actor: &Actor, reach: Reach, scope: &str, query: &Query, stamp: u64) -> String {
    let who = if reach == Reach::Own { actor.user_id } else { None };
    let when = if query.conditions.is_empty() { String::new() } else { actor.today().to_string() };
    format!("{}|{scope}|{:?}|{who:?}|{when}|{:?}|{:?}|{stamp}", d.about.table, actor.business_id(), query.conditions, query.args)
}

/// Everything that a page depends on. Not its hash, as in the `ETag`: two that met would show one business's rows to another.
fn page_key(caller: &Caller, d: &Descriptor, request: &ListRequest, listing: Listing, reach: Reach, stamp: u64) -> String {
    let actor = &caller.actor;
    let who = (reach == Reach::Own || d.knows_caller()).then_some(actor.user_id);
    let rights = (actor.business_id(), actor.role.name(), actor.rights(), actor.branch_id, who);
    format!("{}|{listing:?}|{stamp}|{rights:?}|{}|{}|{:?}", d.about.path, actor.today(), caller.origin, request.parameters)
}

/// The validator of a list: changes with every commit to a table it depends on, and with whatever shapes the answer.
fn list_etag(caller: &Caller, d: &Descriptor, request: &ListRequest, listing: Listing, stamp: u64) -> String {
    let actor = &caller.actor;
    let mut hasher = DefaultHasher::new();
    (caller.db.boot(), stamp, d.about.path, listing, &request.parameters, &caller.origin).hash(&mut hasher);
    (actor.user_id, actor.business_id(), actor.role.name(), actor.rights(), actor.branch_id, actor.today()).hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// Does an `If-None-Match` name this validator (RFC 9110, 13.1.2: weak comparison)?
fn matches(header: Option<&str>, etag: &str) -> bool {
    header.is_some_and(|list| list.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == etag))
}

/// The validator of a record: its version, for `If-Match`, and a hash of all that is shown.
fn record_etag(body: &[u8], version: i64) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{version}-{:016x}\"", hasher.finish())
}

/// The version that an `If-Match` names; `None` for none or `*`.
pub fn if_match(header: Option<&str>) -> Option<i64> {
    let tag = header?.trim().trim_start_matches("W/").trim_matches('"');
    (tag != "*").then(|| tag.split('-').next().and_then(|version| version.parse().ok()).unwrap_or(-1))
}

/// One record.
pub fn read<S>(caller: &Caller, d: &'static Descriptor, key: &str, if_none_match: Option<&str>) -> Result<Reply<S>> {
    let actor = &caller.actor;
    let reach = reach(d, actor, READ)?;
    let found = caller.db.read(|reader| store::read(reader, d, actor, key, reach, Form::Read, Deleted::Without))?;
    let (body, version) = found.ok_or_else(|| missing(d, key))?;
    let etag = record_etag(&body, version);
    if matches(if_none_match, &etag) { Ok(Reply::unchanged(etag)) } else { Ok(Reply::bytes(body).with_etag(etag)) }
}

/// 404: a key of no possible form is not found at all, as in Django's routing.
fn missing(d: &Descriptor, key: &str) -> Error {
    if key.parse::<i64>().is_ok() || validate::is_uuid(key) { d.missing() } else { Error::not_found() }
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
        let of = "audit_log AS a WHERE a.target_type = ?1 AND a.target_id = ?2 AND (a.business_id = ?3 OR a.business_id IS NULL)";
        let total = reader.one::<i64>(&format!("SELECT count(*) FROM {of}"), &scope)?.unwrap_or(0).unsigned_abs();
        let pages = total.div_ceil(query.size).max(1);
        let number = match query.page {
            PageNumber::Last => pages,
            PageNumber::Number(number) if number <= pages => number,
            PageNumber::Number(_) => return Err(invalid_page()),
        };
        let sql = format!(
            "SELECT a.id, a.at, a.action, a.actor_id, u.username, u.full_name, a.before, a.after, a.request_id
             FROM audit_log AS a LEFT JOIN users AS u ON u.id = a.actor_id WHERE a.id IN (SELECT a.id FROM {of} ORDER BY a.id DESC LIMIT {} OFFSET {})
             ORDER BY a.id DESC",
            query.size,
            (number - 1) * query.size
        );
        let entry = |row: &crate::db::Row<'_>| {
            let object = |text: Option<String>| text.and_then(|text| serde_json::from_str::<Record>(&text).ok()).unwrap_or_default();
            let by = row.get::<Option<i64>>(3)?;
            let by = by.map(|id| Ok(json!({"id": id, "username": row.get::<Option<String>>(4)?, "full_name": row.get::<Option<String>>(5)?}))).transpose()?;
            Ok(json!({
                "id": row.get::<i64>(0)?,
                "at": row.get::<String>(1)?,
                "action": row.get::<String>(2)?,
                "actor": by,
                "changes": changes(d, actor, &object(row.get(6)?), &object(row.get(7)?)),
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

/// The columns of an audit entry as fields that the actor may see.
fn changes(d: &Descriptor, actor: &Actor, before: &Record, after: &Record) -> Vec<Json> {
    let decimals = |record: &Record| record.get("currency").and_then(Json::as_str).map(exponent);
    let decimals = decimals(after)
        .or_else(|| decimals(before))
        .unwrap_or_else(|| actor.business.as_ref().map_or(2, |business| exponent(&business.currency)));
    let value = |record: &Record, field: &super::field::Field| match record.get(field.column) {
        None => Json::Null,
        Some(Json::Array(rows)) => Json::Array(rows.clone()),
        Some(Json::Number(number)) if field.kind == Kind::Bool => Json::Bool(number.as_i64() != Some(0)),
        Some(Json::Number(number)) => field.to_json(
            number.as_i64().map_or_else(|| crate::db::Cell::Real(number.as_f64().unwrap_or_default()), crate::db::Cell::Int),
            decimals,
        ),
        Some(Json::String(text)) => field.to_json(crate::db::Cell::Text(text), decimals),
        Some(other) => other.clone(),
    };
    let shown = d.visible().filter(|field| d.is_open(field.name, actor));
    let fields = shown.filter(|field| before.contains_key(field.column) || after.contains_key(field.column));
    let change = fields.map(|field| json!({"field": field.name, "before": value(before, field), "after": value(after, field)}));
    let deleted = ["deleted_at"].into_iter().filter(|name| before.contains_key(*name) || after.contains_key(*name));
    let mark = deleted.map(|name| json!({"field": name, "before": before.get(name), "after": after.get(name)}));
    change.chain(mark).collect()
}

// ------------------------------------------------------------------------------------------------ writing

/// A stored record in the written form: body and `ETag`.
fn answer<S, const STATUS: u16>((body, version): (Vec<u8>, i64)) -> Reply<S, STATUS> {
    let etag = record_etag(&body, version);
    Reply::bytes(body).with_etag(etag)
}

/// A record that was just written. Read after the commit, by whoever asked: the writer has others to serve.
fn read_back<S, const STATUS: u16>(caller: &Caller, d: &Descriptor, id: i64) -> Result<Reply<S, STATUS>> {
    let found =
        caller.db.read(|reader| store::read(reader, d, &caller.actor, &id.to_string(), Reach::All, Form::Written, Deleted::With))?;
    found.map(answer).ok_or_else(|| d.missing())
}

/// Creates a record.
pub async fn create<S>(caller: &Caller, d: &'static Descriptor, input: Result<Record>, options: Options) -> Result<Reply<S, 201>> {
    reach(d, &caller.actor, CREATE)?;
    let input = input?;
    let id = caller.write(move |tx| insert_record(tx, d, input.clone(), options)).await?;
    read_back(caller, d, id)
}

/// Changes a record: all of its required fields must be there for `Mode::Whole`.
pub async fn update<S>(
    caller: &Caller,
    d: &'static Descriptor,
    key: String,
    input: Result<Record>,
    mode: Mode,
    options: Options,
) -> Result<Reply<S>> {
    reach(d, &caller.actor, UPDATE)?;
    let id = caller.write(move |tx| {
        let id = find_record(tx, d, &tx.actor().clone(), &key, UPDATE)?;
        change_record(tx, d, id, input.clone()?, mode, options)?;
        Ok(id)
    });
    read_back(caller, d, id.await?)
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
pub async fn restore<S>(caller: &Caller, d: &'static Descriptor, key: String) -> Result<Reply<S>> {
    deleted_reach(d, &caller.actor)?;
    let id = caller.write(move |tx| {
        let reach = deleted_reach(d, tx.actor())?;
        let id = store::find_in(tx, d, tx.actor(), &key, reach, Deleted::Only)?.ok_or_else(|| missing(d, &key))?;
        tx.restore(d.about.table, id)?;
        Ok(id)
    });
    read_back(caller, d, id.await?)
}

/// The row that a verb is meant for. A row that the caller may read but not do this to is forbidden; all others are not found.
fn find_record(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, key: &str, verb: Verbs) -> Result<i64> {
    let granted = reach(d, actor, verb)?;
    if let Some(id) = store::find_in(reader, d, actor, key, granted, Deleted::Without)? {
        return Ok(id);
    }
    let readable = d.about.access.reach(actor, READ);
    match store::find_in(reader, d, actor, key, readable, Deleted::Without)? {
        Some(_) => Err(Error::forbidden()),
        None => Err(missing(d, key)),
    }
}

fn insert_record(tx: &mut Writer<'_>, d: &Descriptor, input: Record, options: Options) -> Result<i64> {
    let actor = tx.actor().clone();
    let mut record = validate::resource(tx, d, &actor, input, None, Mode::Whole, options)?;
    default_currency(d, &actor, &mut record);
    let (record, after) = (d.check)(tx, None, None, record, options)?;
    let id = store::insert(tx, d, &record)?;
    after(id, tx)?;
    Ok(id)
}

fn default_currency(d: &Descriptor, actor: &Actor, record: &mut Record) {
    let Some(field) = d.fields.iter().find(|field| field.kind == Kind::Currency) else { return };
    if record.get(field.name).is_none_or(Json::is_null)
        && let Some(business) = &actor.business
    {
        record.insert(field.name.to_owned(), business.currency.clone().into());
    }
}

fn change_record(tx: &mut Writer<'_>, d: &Descriptor, id: i64, input: Record, mode: Mode, options: Options) -> Result<()> {
    let actor = tx.actor().clone();
    check_version(tx, d, id, options)?;
    let before = store::record(tx, d, id)?;
    let mut input = input;
    restate_money(d, &before, &mut input);
    let changes = validate::resource(tx, d, &actor, input, Some(&before), mode, options)?;
    check_self_service(d, &actor, &before, &changes, options)?;
    let mut record = before.clone();
    record.extend(changes);
    let (record, after) = (d.check)(tx, Some(id), Some(&before), record, options)?;
    store::update(tx, d, id, &before, &record)?;
    after(id, tx)
}

/// A change of currency alone keeps the amounts as they read: they are checked again against the new currency's decimals.
fn restate_money(d: &Descriptor, before: &Record, input: &mut Record) {
    let changes_currency = d.fields.iter().any(|field| field.kind == Kind::Currency && input.contains_key(field.name));
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
    let limited = !d.about.self_service.is_empty() && !options.internal && d.about.access.reach(actor, UPDATE) == Reach::Own;
    let differs = |(name, value): (&String, &Json)| before.get(name) != Some(value) && !d.about.self_service.contains(&name.as_str());
    if limited && changes.iter().any(differs) { Err(Error::forbidden()) } else { Ok(()) }
}

fn remove_record(tx: &mut Writer<'_>, d: &Descriptor, id: i64) -> Result<()> {
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

// ------------------------------------------------------------------------------------------------ for the rooms

/// May the caller do this with any record at all?
pub fn allowed<R: Resource>(actor: &Actor, verb: Verbs) -> Result<()> {
    reach(descriptor::of::<R>(), actor, verb).map(drop)
}

/// The id of the row that a verb is meant for, by id or uuid.
///
/// # Errors
/// 404 when the caller may not even read it, 403 when they may not do this.
pub fn find<R: Resource>(reader: &Reader<'_>, actor: &Actor, key: &str, verb: Verbs) -> Result<i64> {
    find_record(reader, descriptor::of::<R>(), actor, key, verb)
}

/// A record by id, as its type.
pub fn load<R: Resource>(reader: &Reader<'_>, id: i64) -> Result<R> {
    descriptor::typed(store::record(reader, descriptor::of::<R>(), id)?)
}

/// Creates a record as the caller, rules and audit included.
pub fn insert<R: Resource>(tx: &mut Writer<'_>, input: Map<String, Json>, options: Options) -> Result<i64> {
    insert_record(tx, descriptor::of::<R>(), input, options)
}

/// Changes a record as the caller, rules and audit included.
pub fn change<R: Resource>(tx: &mut Writer<'_>, id: i64, changes: Map<String, Json>, options: Options) -> Result<()> {
    change_record(tx, descriptor::of::<R>(), id, changes, Mode::Partial, options)
}

/// Deletes a record as the caller, rules and audit included.
pub fn remove<R: Resource>(tx: &mut Writer<'_>, id: i64) -> Result<()> {
    remove_record(tx, descriptor::of::<R>(), id)
}

/// A record that was just written, as the answer to that.
pub fn written<R: Resource>(caller: &Caller, id: i64) -> Result<Reply<R>> {
    read_back(caller, descriptor::of::<R>(), id)
}

/// The records that fulfil a condition and that the caller may list, as a bare JSON list.
pub async fn rows<R: Resource, S>(caller: &Caller, condition: &'static str, order: &'static str) -> Result<Reply<S>> {
    let d = descriptor::of::<R>();
    let actor = caller.actor.clone();
    let reach = reach(d, &actor, LIST)?;
    let (condition, order) = (descriptor::bind(condition), descriptor::bind(order));
    caller.scan(move |reader| store::array(reader, d, &actor, reach, &condition, &order)).await.map(Reply::bytes)
}
