//! Reading and writing rows. A `Writer` knows who writes and when, and keeps the audit trail itself.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection};
use serde_json::{Map, Value as Json};
use uuid::{NoContext, Timestamp as UuidTime, Uuid};

use super::{
    Catalog, Cell, FromCell, Row, Shared, Value,
    failure::explain,
    fault::Faults,
    json::write_cell,
    sqlite::{Finally, execute},
};
use crate::{
    actor::Actor,
    error::{Error, Result},
    kit::DateTime,
};

/// A connection to read from.
pub struct Reader<'a> {
    connection: &'a Connection,
    /// What a writer is to run into.
    faults: Option<&'a Faults>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, faults: None }
    }

    /// Runs `work` on one state of the database.
    pub(super) fn in_snapshot<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        execute(self.connection, "BEGIN")?;
        let _end = Finally(|| drop(execute(self.connection, "COMMIT")));
        work(self)
    }

    /// Calls `visit` with each row. Arguments are bound to `?1`, `?2`, ...; those the statement does not use are left out.
    pub fn each(&self, sql: &str, args: &[Value], visit: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        self.bound(sql, args.iter(), visit)
    }

    fn prepared<'v>(&self, sql: &str, args: impl Iterator<Item = &'v Value>) -> Result<CachedStatement<'_>> {
        self.faults.map_or(Ok(()), Faults::statement)?;
        let mut statement = self.connection.prepare_cached(sql).map_err(explain)?;
        let used = statement.parameter_count();
        for (index, value) in args.enumerate().take(used) {
            statement.raw_bind_parameter(index + 1, value).map_err(explain)?;
        }
        Ok(statement)
    }

    fn bound<'v>(&self, sql: &str, args: impl Iterator<Item = &'v Value>, mut visit: impl FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        let mut statement = self.prepared(sql, args)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(explain)? {
            visit(&Row(row))?;
        }
        Ok(())
    }

    /// `each` for as long as `visit` wants more. `false`: there may be others.
    pub fn each_while(&self, sql: &str, args: &[Value], mut visit: impl FnMut(&Row<'_>) -> Result<bool>) -> Result<bool> {
        let mut statement = self.prepared(sql, args.iter())?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(explain)? {
            if !visit(&Row(row))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub fn rows<T>(&self, sql: &str, args: &[Value], mut read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.each(sql, args, |row| read(row).map(|value| all.push(value)))?;
        Ok(all)
    }

    /// The first row, if there is one; no others are looked for.
    pub fn row<T>(&self, sql: &str, args: &[Value], mut read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
        let mut statement = self.prepared(sql, args.iter())?;
        let mut rows = statement.raw_query();
        rows.next().map_err(explain)?.map(|row| read(&Row(row))).transpose()
    }

    /// The first cell of the first row, if there is one.
    pub fn one<T: FromCell>(&self, sql: &str, args: &[Value]) -> Result<Option<T>> {
        self.row(sql, args, |row| row.get(0))
    }

    /// Does the query have a row?
    pub fn exists(&self, sql: &str, args: &[Value]) -> Result<bool> {
        Ok(self.row(sql, args, |_| Ok(()))?.is_some())
    }
}

/// A transaction to write in, on behalf of an actor. Rows that have an identity of their own (a `uuid`) are audited; rows that
/// belong to another (lines, events, tokens) are part of its story.
pub struct Writer<'a> {
    reader: Reader<'a>,
    actor: Arc<Actor>,
    catalog: &'a Catalog,
    action: Option<&'static str>,
    effects: Effects,
}

/// What a request leaves to be done after its commit.
#[derive(Default)]
pub struct Effects {
    /// Tables whose rows it changed.
    pub touched: Vec<&'static str>,
    /// How many rows are to be indexed.
    pub unindexed: usize,
    pub after: Vec<Box<dyn FnOnce() + Send>>,
}

/// Columns with their values.
type Columns<'a> = Vec<(&'a str, Value)>;

impl<'a> std::ops::Deref for Writer<'a> {
    type Target = Reader<'a>;
    fn deref(&self) -> &Reader<'a> {
        &self.reader
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(connection: &'a Connection, actor: Arc<Actor>, shared: &'a Shared) -> Self {
        let (reader, catalog) = (Reader { connection, faults: Some(&shared.faults) }, &shared.catalog);
        Self { reader, actor, catalog, action: None, effects: Effects::default() }
    }

    pub(super) fn into_effects(self) -> Effects {
        self.effects
    }

    pub fn actor(&self) -> &Arc<Actor> {
        &self.actor
    }

    pub fn catalog(&self) -> &Catalog {
        self.catalog
    }

    /// The time of the request, as it is stored.
    pub fn now(&self) -> DateTime {
        DateTime(self.actor.now)
    }

    /// Names what is being done in the audit trail, in place of `create`, `update` and the like.
    pub fn act(&mut self, action: &'static str) {
        self.action = Some(action);
    }

    /// Runs `done` after the commit, also when the caller has gone away by then: for caches that follow the database.
    pub fn after_commit(&mut self, done: impl FnOnce() + Send + 'static) {
        self.effects.after.push(Box::new(done));
    }

    /// Runs `work` so that its failure takes back what it did and nothing else: one row of many.
    pub fn attempt<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        execute(self.reader.connection, "SAVEPOINT attempt")?;
        let (touched, after) = (self.effects.touched.len(), self.effects.after.len());
        let result = self.step(work);
        if result.is_err() {
            execute(self.reader.connection, "ROLLBACK TO attempt")?;
            self.effects.touched.truncate(touched);
            self.effects.after.truncate(after);
        }
        execute(self.reader.connection, "RELEASE attempt")?;
        result
    }

    /// Runs `work` as one step of several: what it names as done holds for it alone.
    pub fn step<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let action = self.action;
        let result = work(self);
        self.action = action;
        result
    }

    /// Notes that a trigger changed rows of a table: answers that depend on it are no longer true.
    pub fn touched(&mut self, table: &'static str) {
        self.effects.touched.push(table);
    }

    /// Adds a row and answers its id. The mixin columns (`uuid`, `created_at`, `business_id`, ...) are filled where the table has
    /// them and `values` does not.
    pub fn insert(&mut self, table: &'static str, values: Columns<'_>) -> Result<i64> {
        self.insert_telling(table, values, Map::new())
    }

    /// `insert` of a row whose story has more to it than its columns: rows that belong to it.
    pub fn insert_telling(&mut self, table: &'static str, mut values: Columns<'_>, more: Map<String, Json>) -> Result<i64> {
        for name in self.catalog.mixin(table) {
            if values.iter().any(|(given, _)| given == name) {
                continue;
            }
            let value = match *name {
                "uuid" => self.uuid().into(),
                "created_at" | "updated_at" => self.now().to_string().into(),
                "business_id" => self.actor.business_id().into(),
                "version" => 1.into(),
                _ => self.actor.user_id.into(),
            };
            values.push((name, value));
        }
        let mut sql = format!("INSERT INTO \"{table}\" (");
        for (index, (name, _)) in values.iter().enumerate() {
            sql.push_str(if index == 0 { "" } else { ", " });
            sql.push_str(name);
        }
        sql.push_str(") VALUES (?");
        sql.extend(std::iter::repeat_n(", ?", values.len() - 1));
        sql.push(')');
        self.reader.bound(&sql, values.iter().map(|(_, value)| value), |_| Ok(()))?;
        // Not `RETURNING id`, for which SQLite keeps a journal of the statement.
        let id = self.reader.connection.last_insert_rowid();
        self.effects.touched.push(table);
        self.reword(table, id, None)?;
        if self.catalog.has(table, "uuid") {
            // What it begins without is no part of the story.
            values.retain(|(_, value)| *value != Value::Null);
            self.note_texts(table, id, "create", None, Some(columns_json(&values, &more)))?;
        }
        Ok(id)
    }

    /// Adds rows that belong to another: one statement for all of them, and no entry in the history of their own.
    pub fn insert_lines(&mut self, table: &'static str, names: &[&str], rows: impl Iterator<Item = Vec<Value>>) -> Result<()> {
        let places: Vec<String> = (1..=names.len() + 1).map(|place| format!("?{place}")).collect();
        let sql = format!("INSERT INTO \"{table}\" (business_id, {}) VALUES ({})", names.join(", "), places.join(", "));
        let business = Value::from(self.actor.business_id());
        for row in rows {
            self.reader.bound(&sql, std::iter::once(&business).chain(&row), |_| Ok(()))?;
        }
        self.effects.touched.push(table);
        Ok(())
    }

    /// A new universal id (version 7) of the request's time.
    pub fn uuid(&self) -> String {
        let now = self.actor.now;
        let time = UuidTime::from_unix(NoContext, now.as_second().unsigned_abs(), now.subsec_nanosecond().unsigned_abs());
        Uuid::new_v7(time).to_string()
    }

    /// Changes columns of a row and answers whether anything was different. Counts `version` up and stamps `updated_at` and
    /// `updated_by` where the table has them.
    pub fn update(&mut self, table: &'static str, id: i64, values: Columns<'_>) -> Result<bool> {
        self.change(table, id, values, "update")
    }

    /// Fills in columns of a row that this very request has added, which could not be known before it was there: part of its creation,
    /// so neither a version nor an entry of the history is theirs.
    pub fn complete(&mut self, table: &'static str, id: i64, values: Columns<'_>) -> Result<()> {
        let sets: Vec<String> = values.iter().enumerate().map(|(index, (name, _))| format!("{name} = ?{}", index + 2)).collect();
        let args: Vec<Value> = std::iter::once(id.into()).chain(values.into_iter().map(|(_, value)| value)).collect();
        self.reader.each(&format!("UPDATE \"{table}\" SET {} WHERE id = ?1", sets.join(", ")), &args, |_| Ok(()))?;
        self.effects.touched.push(table);
        Ok(())
    }

    /// Marks a row as deleted.
    pub fn delete(&mut self, table: &'static str, id: i64) -> Result<bool> {
        let values = vec![("deleted_at", self.now().to_string().into()), ("deleted_by", self.actor.user_id.into())];
        self.change(table, id, values, "delete")
    }

    /// Takes the mark of deletion back.
    pub fn restore(&mut self, table: &'static str, id: i64) -> Result<bool> {
        self.change(table, id, vec![("deleted_at", Value::Null), ("deleted_by", Value::Null)], "restore")
    }

    /// Notes that a person was here. Not a change of their record: no version, no audit.
    pub fn touch_seen(&mut self, user: i64) -> Result<()> {
        let args = [user.into(), self.now().to_string().into()];
        self.reader.each("UPDATE users SET last_seen_at = ?2 WHERE id = ?1", &args, |_| Ok(()))?;
        self.effects.touched.push("users");
        Ok(())
    }

    /// Counts a row's version up: something that belongs to it changed.
    pub fn touch_version(&mut self, table: &'static str, id: i64) -> Result<()> {
        let args = [id.into(), self.now().to_string().into(), self.actor.user_id.into()];
        let sql = format!("UPDATE \"{table}\" SET version = version + 1, updated_at = ?2, updated_by = ?3 WHERE id = ?1");
        self.reader.each(&sql, &args, |_| Ok(()))?;
        self.effects.touched.push(table);
        Ok(())
    }

    /// Removes a row that belongs to another: a line.
    pub fn remove(&mut self, table: &'static str, id: i64) -> Result<()> {
        self.reader.each(&format!("DELETE FROM \"{table}\" WHERE id = ?1"), &[id.into()], |_| Ok(()))?;
        self.effects.touched.push(table);
        self.reword(table, id, None)
    }

    /// Removes the rows that fulfil a condition, of a table that nobody has a history of: what has expired. Answers how many.
    pub fn clear(&mut self, table: &'static str, condition: &str, args: &[Value]) -> Result<u64> {
        self.reader.each(&format!("DELETE FROM \"{table}\" WHERE {condition}"), args, |_| Ok(()))?;
        let removed = self.reader.connection.changes();
        if removed > 0 {
            self.effects.touched.push(table);
        }
        Ok(removed)
    }

    /// Stores something that changes nothing.
    pub(super) fn probe(&mut self) -> Result<()> {
        self.reader.each("UPDATE migrations SET applied_at = applied_at", &[], |_| Ok(()))?;
        self.effects.touched.push("migrations");
        Ok(())
    }

    fn change(&mut self, table: &'static str, id: i64, values: Columns<'_>, verb: &'static str) -> Result<bool> {
        if values.is_empty() {
            return Ok(false);
        }
        let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
        let sql = format!("SELECT {} FROM \"{table}\" WHERE id = ?1", names.join(", "));
        let read = |row: &Row<'_>| (0..names.len()).map(|index| row.get::<Value>(index)).collect::<Result<Vec<_>>>();
        let stored = self.reader.row(&sql, &[id.into()], read)?.ok_or_else(Error::not_found)?;
        let changed = values.into_iter().zip(stored).filter(|((_, new), old)| new != old);
        let (mut after, before): (Columns<'_>, Columns<'_>) = changed.map(|((name, new), old)| ((name, new), (name, old))).unzip();
        if after.is_empty() {
            return Ok(false);
        }
        self.audit(table, id, verb, Some(&before), Some(&after))?;
        self.reword(table, id, Some(&after))?;
        let stamps: [(&str, Value); 2] = [("updated_at", self.now().to_string().into()), ("updated_by", self.actor.user_id.into())];
        after.extend(stamps.into_iter().filter(|(name, _)| self.catalog.has(table, name)));
        let mut sets: Vec<String> = after.iter().enumerate().map(|(index, (name, _))| format!("{name} = ?{}", index + 2)).collect();
        if self.catalog.has(table, "version") {
            sets.push("version = version + 1".into());
        }
        let args: Vec<Value> = std::iter::once(id.into()).chain(after.into_iter().map(|(_, value)| value)).collect();
        self.reader.each(&format!("UPDATE \"{table}\" SET {} WHERE id = ?1", sets.join(", ")), &args, |_| Ok(()))?;
        self.effects.touched.push(table);
        Ok(true)
    }

    /// Has a row's text indexed again, unless none of the columns that changed is part of it.
    fn reword(&mut self, table: &'static str, id: i64, changed: Option<&[(&str, Value)]>) -> Result<()> {
        let Some(searched) = self.catalog.searched(table) else { return Ok(()) };
        if changed.is_none_or(|changed| changed.iter().any(|(name, _)| searched.columns.contains(name))) {
            self.reader.note_pending(searched, id)?;
            self.effects.unindexed += 1;
        }
        Ok(())
    }

    /// Writes down that something happened to a row, with the columns before and after.
    fn audit(
        &mut self,
        table: &'static str,
        id: i64,
        verb: &'static str,
        before: Option<&[(&str, Value)]>,
        after: Option<&[(&str, Value)]>,
    ) -> Result<()> {
        if !self.catalog.has(table, "uuid") {
            return Ok(());
        }
        let none = Map::new();
        let text = |columns| columns_json(columns, &none);
        self.note_texts(table, id, verb, before.map(text), after.map(text))
    }

    /// Writes down a change given as JSON: lines of a record, or an event that changes no row.
    pub fn note(&mut self, table: &'static str, id: i64, verb: &'static str, before: Option<Json>, after: Option<Json>) -> Result<()> {
        let text = |json: Option<Json>| json.map(|json| json.to_string());
        self.note_texts(table, id, verb, text(before), text(after))
    }

    fn note_texts(
        &mut self,
        table: &'static str,
        id: i64,
        verb: &'static str,
        before: Option<String>,
        after: Option<String>,
    ) -> Result<()> {
        let sql = "INSERT INTO audit_log (business_id, at, actor_id, action, target_type, target_id, before, after, ip, request_id) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let actor = &self.actor;
        let args = [
            actor.business_id().into(),
            self.now().to_string().into(),
            actor.user_id.into(),
            format!("{table}.{}", self.action.unwrap_or(verb)).into(),
            table.into(),
            id.into(),
            before.into(),
            after.into(),
            actor.ip.clone().into(),
            actor.request_id.as_str().into(),
        ];
        self.reader.each(sql, &args, |_| Ok(()))?;
        self.effects.touched.push("audit_log");
        Ok(())
    }
}

/// Columns, and what more there is to tell, as a JSON object; what is secret is not told. Written as it goes: each write pays for it.
fn columns_json(values: &[(&str, Value)], more: &Map<String, Json>) -> String {
    let mut out = Vec::with_capacity(64 * values.len());
    let begin = |out: &mut Vec<u8>, name: &str| {
        out.push(if out.is_empty() { b'{' } else { b',' });
        write_cell(out, Cell::Text(name));
        out.push(b':');
    };
    for (name, value) in values {
        begin(&mut out, name);
        let secret = *value != Value::Null && (name.ends_with("_hash") || name.ends_with("_enc"));
        write_cell(&mut out, if secret { Cell::Text("***") } else { value.cell() });
    }
    for (name, json) in more {
        begin(&mut out, name);
        out.extend_from_slice(json.to_string().as_bytes());
    }
    out.extend_from_slice(if out.is_empty() { b"{}" } else { b"}" });
    String::from_utf8_lossy(&out).into_owned()
}
