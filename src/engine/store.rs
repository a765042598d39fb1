//! Rows in, JSON out: the one place where SQL for a resource is written.
//!
//! Lists and reads go from SQLite's cells to JSON bytes; no map and no struct in between.

use serde_json::Value as Json;

use super::{
    about::{Attachment, Scope},
    access::{READ, Reach},
    descriptor::{self, Descriptor, Form, Record, owner_column},
    field::{Field, Kind},
    json::{write_row, write_rows},
    query::Query,
    validate::is_uuid,
};
use crate::{
    actor::{Actor, Role},
    db::{Cell, Reader, Row, Value, Writer},
    error::{Error, Result},
    kit::exponent,
};

/// A list without pages has so many rows at most.
const MOST_ROWS: usize = 1000;
/// See [`is_long`].
const LONG: i64 = 20_000;

/// Which rows, as to deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    Without,
    With,
    Only,
}

/// `?1` to `?3` of every statement, and what follows.
pub fn args(actor: &Actor, more: &[Value]) -> Vec<Value> {
    let mut args = Vec::with_capacity(3 + more.len());
    args.extend([actor.business_id().into(), actor.user_id.into(), actor.today().to_string().into()]);
    args.extend_from_slice(more);
    args
}

/// The rows that exist for the actor: those of the active business, as far as the right reaches. Every statement over a
/// resource has this condition.
pub fn scope(d: &Descriptor, actor: &Actor, reach: Reach, deleted: Deleted) -> String {
    let mut sql = match d.about.scope {
        Scope::Business => "t.business_id = ?1".to_owned(),
        Scope::Members => "EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = t.id AND m.business_id = ?1 \
             AND (m.status = 'active' OR m.status = 'suspended'))"
            .to_owned(),
        Scope::Itself => "t.id = ?1".to_owned(),
        Scope::Attached(what) => format!("t.business_id = ?1 AND ({})", about_readable(what, actor)),
    };
    if d.about.soft_delete {
        match deleted {
            Deleted::Without => sql += " AND t.deleted_at IS NULL",
            Deleted::Only => sql += " AND t.deleted_at IS NOT NULL",
            Deleted::With => {}
        }
    }
    match reach {
        Reach::All => {}
        Reach::Own => sql += &format!(" AND ({})", d.own),
        Reach::Nothing => sql += " AND FALSE",
    }
    if let Some(branch) = actor.branch_id.filter(|_| matches!(actor.role, Role::Manager | Role::Staff) && d.field("branch").is_some()) {
        sql += &format!(" AND t.branch_id = {branch}");
    }
    sql
}

/// For what is attached: its target is a record that the actor may read. That of a deleted one is for those who see what is deleted.
fn about_readable(what: Attachment, actor: &Actor) -> String {
    let deleted = if actor.is_manager() { Deleted::With } else { Deleted::Without };
    let readable = descriptor::targets(what).filter_map(|d| {
        let reach = d.reach(actor, READ);
        let scope = (reach != Reach::Nothing).then(|| scope(d, actor, reach, deleted))?;
        // The target is `t` in its own scope: that hides the row which names it, so its id is handed in by another name.
        let target = "(SELECT t.target_id AS id) AS target";
        let sql = format!("EXISTS (SELECT 1 FROM {target} JOIN \"{}\" AS t ON t.id = target.id WHERE {scope})", d.about.table);
        Some(format!("t.target_type = '{}' AND {sql}", d.word()))
    });
    let readable: Vec<String> = readable.collect();
    if readable.is_empty() { "FALSE".to_owned() } else { readable.join(" OR ") }
}

// ------------------------------------------------------------------------------------------------ reading

/// The id of a row of the business by id or uuid, if there is a live one.
pub fn find(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, key: &str) -> Result<Option<i64>> {
    find_in(reader, d, actor, key, Reach::All, Deleted::Without)
}

/// The id of a row by id or uuid, as far as a right reaches.
pub fn find_in(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, key: &str, reach: Reach, deleted: Deleted) -> Result<Option<i64>> {
    let (column, key): (_, Value) = match key.parse::<i64>() {
        Ok(id) => ("id", id.into()),
        Err(_) if is_uuid(key) => ("uuid", key.to_ascii_lowercase().into()),
        Err(_) => return Ok(None),
    };
    let sql = format!("SELECT t.id FROM \"{}\" AS t WHERE t.{column} = ?4 AND {}", d.about.table, scope(d, actor, reach, deleted));
    reader.one(&sql, &args(actor, &[key]))
}

/// The universal id of a row, live or deleted, as far as a right reaches.
pub fn uuid_in(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, id: i64, reach: Reach) -> Result<Option<String>> {
    let sql = format!("SELECT t.uuid FROM \"{}\" AS t WHERE t.id = ?4 AND {}", d.about.table, scope(d, actor, reach, Deleted::With));
    reader.one(&sql, &args(actor, &[id.into()]))
}

/// One record as JSON, with its version.
pub fn read(
    reader: &Reader<'_>,
    d: &Descriptor,
    actor: &Actor,
    key: &str,
    reach: Reach,
    form: Form,
    deleted: Deleted,
) -> Result<Option<(Vec<u8>, i64)>> {
    let (column, key): (_, Value) = match key.parse::<i64>() {
        Ok(id) => ("id", id.into()),
        Err(_) if is_uuid(key) => ("uuid", key.to_ascii_lowercase().into()),
        Err(_) => return Ok(None),
    };
    let shape = d.shape(form, actor);
    // Of the right length at once: the columns are some kilobytes.
    let sql = [&shape.select, " WHERE t.", column, " = ?4 AND ", &scope(d, actor, reach, deleted)].concat();
    reader.row(&sql, &args(actor, &[key]), |row| {
        let mut out = Vec::with_capacity(1024);
        write_row(&mut out, shape, row)?;
        // `version` is the last column of every shape.
        Ok((out, row.get(shape.columns.len() - 1)?))
    })
}

/// How many rows a list has, counted.
pub fn count(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, query: &Query, scope: &str) -> Result<i64> {
    let sql = format!("SELECT count(*) FROM \"{}\" AS t WHERE {scope}{}", d.about.table, conditions(query, &query.count_only));
    Ok(reader.one(&sql, &args(actor, &query.args))?.unwrap_or(0))
}

/// Are there so many rows that counting them takes a while? By the newest id, which is asked in no time.
pub fn is_long(reader: &Reader<'_>, d: &Descriptor) -> Result<bool> {
    reader.exists(&format!("SELECT 1 FROM \"{}\" WHERE id > {LONG}", d.about.table), &[])
}

/// Rows that fulfil a condition, as a JSON array in the list form.
pub fn array(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, reach: Reach, condition: &str, order: &str) -> Result<Vec<u8>> {
    let shape = d.shape(Form::List, actor);
    let sql =
        format!("{} WHERE {} AND ({condition}) ORDER BY {order} LIMIT {MOST_ROWS}", shape.select, scope(d, actor, reach, Deleted::Without));
    let mut out = vec![b'['];
    write_rows(reader, shape, &sql, &args(actor, &[]), &mut out)?;
    out.push(b']');
    Ok(out)
}

/// The ids of all rows of a list, in its order.
pub fn ids(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, query: &Query, scope: &str) -> Result<Vec<i64>> {
    let sql = format!(
        "SELECT t.id FROM \"{}\" AS t WHERE {scope}{} ORDER BY {}",
        d.about.table,
        conditions(query, &query.count_only),
        query.order
    );
    reader.rows(&sql, &args(actor, &query.args), |row| row.get(0))
}

/// Reads rows by their ids, in the order of these; those that are not there any more are left out. `select` has the id first.
pub fn by_ids<T>(
    reader: &Reader<'_>,
    actor: &Actor,
    select: &str,
    scope: &str,
    ids: &[i64],
    mut read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let sql = format!("{select} WHERE t.id IN (SELECT value FROM json_each(?4)) AND {scope}");
    let mut found = std::collections::HashMap::with_capacity(ids.len());
    reader.each(&sql, &args(actor, &[Json::from(ids).to_string().into()]), |row| {
        found.insert(row.get::<i64>(0)?, read(row)?);
        Ok(())
    })?;
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// What rows of the business are called, live or deleted: for references that stand in what somebody may read, as exports name them.
pub fn labels(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, ids: &[i64]) -> Result<Vec<(i64, String)>> {
    let scope = match d.about.scope {
        Scope::Business | Scope::Attached(_) => "t.business_id = ?1",
        Scope::Itself => "t.id = ?1",
        // Also those who left: what they did still names them.
        Scope::Members => "EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = t.id AND m.business_id = ?1)",
    };
    labelled(reader, d, actor, ids, scope)
}

/// The same as far as a right reaches: for ids that somebody has named.
pub fn labels_within(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, ids: &[i64], reach: Reach) -> Result<Vec<(i64, String)>> {
    let deleted = if actor.is_manager() { Deleted::With } else { Deleted::Without };
    labelled(reader, d, actor, ids, &scope(d, actor, reach, deleted))
}

fn labelled(reader: &Reader<'_>, d: &Descriptor, actor: &Actor, ids: &[i64], scope: &str) -> Result<Vec<(i64, String)>> {
    let (label, table) = (&d.label, d.about.table);
    let sql = format!("SELECT t.id, {label} FROM \"{table}\" AS t WHERE t.id IN (SELECT value FROM json_each(?4)) AND {scope}");
    let mut found = vec![];
    reader.each(&sql, &args(actor, &[Json::from(ids).to_string().into()]), |row| {
        found.push((row.get(0)?, row.get::<Option<String>>(1)?.unwrap_or_default()));
        Ok(())
    })?;
    Ok(found)
}

/// SQL for the conditions of a query, and for more.
pub(super) fn conditions(query: &Query, more: &[String]) -> String {
    query.conditions.iter().chain(more).map(|condition| format!(" AND {condition}")).collect()
}

// ------------------------------------------------------------------------------------------------ records

/// The stored fields of a row, lines included, as validated JSON.
pub fn record(reader: &Reader<'_>, d: &Descriptor, id: i64) -> Result<Record> {
    let stored: Vec<&Field> = d.fields.iter().filter(|field| field.stored()).collect();
    let columns: Vec<String> = stored.iter().map(|field| format!("t.{}", field.column)).collect();
    let place = |money: &Field| d.currency_of(money).and_then(|currency| stored.iter().position(|field| field.name == currency.name));
    let currencies: Vec<Option<usize>> = stored.iter().map(|field| place(field)).collect();
    let sql = format!("SELECT {} FROM \"{}\" AS t WHERE t.id = ?1", columns.join(", "), d.about.table);
    let found = reader.row(&sql, &[id.into()], |row| {
        let member = |(index, field): (usize, &&Field)| {
            let decimals = match currencies[index].map(|place| row.cell(place)).transpose()? {
                Some(Cell::Text(code)) => exponent(code),
                _ => 2,
            };
            Ok((field.name.to_owned(), field.to_json(row.cell(index)?, decimals)))
        };
        stored.iter().enumerate().map(member).collect::<Result<Record>>()
    })?;
    let mut record = found.ok_or_else(|| d.missing())?;
    let decimals = d.currency().and_then(|field| record.get(field.name)).and_then(Json::as_str).map_or(2, exponent);
    for field in &d.fields {
        if let Kind::Lines(table, lines) = &field.kind {
            record.insert(field.name.to_owned(), Json::Array(lines_of(reader, d, table, lines, id, decimals)?));
        }
    }
    Ok(record)
}

fn lines_of(reader: &Reader<'_>, d: &Descriptor, table: &str, lines: &[Field], owner: i64, decimals: u8) -> Result<Vec<Json>> {
    let columns: Vec<&str> = lines.iter().map(|field| field.column).collect();
    let sql = format!("SELECT {} FROM \"{table}\" WHERE {} = ?1 ORDER BY position", columns.join(", "), owner_column(d.about.table));
    reader.rows(&sql, &[owner.into()], |row| {
        let member = |(index, field): (usize, &Field)| Ok((field.name.to_owned(), field.to_json(row.cell(index)?, decimals)));
        lines.iter().enumerate().map(member).collect::<Result<Record>>().map(Json::Object)
    })
}

/// Stores a new record and answers its id.
pub fn insert(tx: &mut Writer<'_>, d: &Descriptor, record: &Record) -> Result<i64> {
    let values = d.fields.iter().filter(|field| field.stored()).map(|field| (field.column, field.to_value(record.get(field.name))));
    let rows = d
        .fields
        .iter()
        .filter(|field| matches!(field.kind, Kind::Lines(..)))
        .filter_map(|field| Some((field.name.to_owned(), record.get(field.name)?.clone())));
    let id = tx.insert_telling(d.about.table, values.collect(), rows.collect())?;
    lines(tx, d, id, None, record)?;
    Ok(id)
}

/// Stores a changed record.
pub fn update(tx: &mut Writer<'_>, d: &Descriptor, id: i64, before: &Record, record: &Record) -> Result<()> {
    let changed = d.fields.iter().filter(|field| field.stored() && before.get(field.name) != record.get(field.name));
    let values: Vec<_> = changed.map(|field| (field.column, field.to_value(record.get(field.name)))).collect();
    if !values.is_empty() {
        tx.update(d.about.table, id, values)?;
    }
    lines(tx, d, id, Some(before), record)
}

/// Makes the rows that belong to a record what the record says: those named by id are changed, those without are added, the
/// rest is removed.
fn lines(tx: &mut Writer<'_>, d: &Descriptor, owner: i64, before: Option<&Record>, record: &Record) -> Result<()> {
    let owner_column = owner_column(d.about.table);
    for field in &d.fields {
        let Kind::Lines(table, columns) = &field.kind else { continue };
        let rows = |record: Option<&Record>| {
            record.and_then(|record| record.get(field.name)).and_then(Json::as_array).cloned().unwrap_or_default()
        };
        let (old, new) = (rows(before), rows(Some(record)));
        if old == new {
            continue;
        }
        check_line_ids(field.name, &old, &new)?;
        let story = |rows: Vec<Json>| Some(Json::Object([(field.name.to_owned(), Json::Array(rows))].into_iter().collect()));
        if tx.catalog().has(table, "uuid") {
            records(tx, table, columns, (&owner_column, owner), &old, &new)?;
            if before.is_some() {
                tx.touch_version(d.about.table, owner)?;
                tx.note(d.about.table, owner, "update", story(old), story(new))?;
            }
            continue;
        }
        // Rows that change or move go and come back under their id: two that change places would stand in each other's way.
        for (position, row) in old.iter().enumerate().filter(|(position, row)| new.get(*position) != Some(*row)) {
            let id = line_id(row).ok_or_else(|| Error::internal(format_args!("a row at {position} of {table} without its id")))?;
            tx.remove(table, id)?;
        }
        let is_kept = |(position, row): &(usize, &Json)| line_id(row).is_some() && old.get(*position) == Some(*row);
        let added = new.iter().enumerate().filter(|place| !is_kept(place));
        let names: Vec<&str> = columns.iter().map(|column| column.column).chain(["position", owner_column.as_str()]).collect();
        let values = |(position, row): (usize, &Json)| -> Vec<Value> {
            let fields = columns.iter().map(|column| column.to_value(row.get(column.name)));
            fields.chain([i64::try_from(position).unwrap_or(i64::MAX).into(), owner.into()]).collect()
        };
        tx.insert_lines(table, &names, added.map(values))?;
        // What a new record has is part of the story of its creation.
        if before.is_some() {
            tx.touch_version(d.about.table, owner)?;
            tx.note(d.about.table, owner, "update", story(old), story(new))?;
        }
    }
    Ok(())
}

/// Rows that belong to a record and are records themselves: each keeps what it is, and has a history of its own.
fn records(
    tx: &mut Writer<'_>,
    table: &'static str,
    columns: &[Field],
    (owner_column, owner): (&str, i64),
    old: &[Json],
    new: &[Json],
) -> Result<()> {
    let same = |id: i64| move |row: &&Json| line_id(row) == Some(id);
    for row in old {
        let id = line_id(row).ok_or_else(|| Error::internal(format_args!("a row of {table} without its id")))?;
        if !new.iter().any(|row| same(id)(&row)) {
            tx.remove(table, id)?;
            tx.note(table, id, "delete", Some(row.clone()), None)?;
        }
    }
    for (position, row) in new.iter().enumerate() {
        let fields = columns.iter().filter(|column| column.name != "id");
        let mut values: Vec<(&str, Value)> = fields.map(|column| (column.column, column.to_value(row.get(column.name)))).collect();
        values.push(("position", i64::try_from(position).unwrap_or(i64::MAX).into()));
        match line_id(row) {
            Some(id) => drop(tx.update(table, id, values)?),
            None => {
                values.push((owner_column, owner.into()));
                tx.insert(table, values)?;
            }
        }
    }
    Ok(())
}

/// A line is named by the id it has, and once.
fn check_line_ids(field: &str, old: &[Json], new: &[Json]) -> Result<()> {
    let mut seen: Vec<i64> = vec![];
    for id in new.iter().filter_map(line_id) {
        if !old.iter().any(|row| line_id(row) == Some(id)) {
            return Err(Error::field(field, format!("Invalid pk \"{id}\" - object does not exist.")));
        }
        if seen.contains(&id) {
            return Err(Error::field(field, format!("The row {id} is there twice.")));
        }
        seen.push(id);
    }
    Ok(())
}

fn line_id(row: &Json) -> Option<i64> {
    row.get("id").and_then(Json::as_i64)
}

/// What forbids deleting a row: live rows of other resources that point to it, as how many and of what.
pub fn uses(reader: &Reader<'_>, d: &Descriptor, id: i64) -> Result<Vec<(i64, String)>> {
    let mut uses = vec![];
    for other in super::descriptor::all() {
        let table = other.about.table;
        if d.about.cascade.contains(&table) || d.about.kept_by.contains(&table) {
            continue;
        }
        for field in other.fields.iter().filter(|field| field.stored() && field.kind == Kind::Reference(d.about.table)) {
            let live = if other.about.soft_delete { " AND deleted_at IS NULL" } else { "" };
            let sql = format!("SELECT count(*) FROM \"{table}\" WHERE {} = ?1{live}", field.column);
            let count: i64 = reader.one(&sql, &[id.into()])?.unwrap_or(0);
            if count > 0 {
                uses.push((count, if count == 1 { other.words.clone() } else { crate::kit::words(table) }));
            }
        }
    }
    Ok(uses)
}

/// Rows of a table that go with an owner: their ids.
pub fn dependents(reader: &Reader<'_>, d: &Descriptor, table: &str, owner: i64) -> Result<Vec<i64>> {
    let sql = format!("SELECT id FROM \"{table}\" WHERE {} = ?1 AND deleted_at IS NULL", owner_column(d.about.table));
    reader.rows(&sql, &[owner.into()], |row| row.get(0))
}
