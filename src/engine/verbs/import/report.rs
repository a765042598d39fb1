//! How far an import has come: a row of `imports`, changed in the transactions that store the file's lines.

use serde_json::{Value as Json, json};

use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Reader, Row, Value, Writer},
    engine::{
        query::{PageNumber, Pages, Parameters, invalid_page, page_number, page_size},
        reply::Reply,
        verbs::read::open_page,
    },
    error::{Error, Result},
};

/// A report has so many errors.
pub const MOST_ERRORS: usize = 1000;

/// What became of some lines.
#[derive(Default)]
pub struct Progress {
    pub lines: usize,
    pub created: i64,
    pub updated: i64,
    pub failed: i64,
    pub errors: Vec<Json>,
    /// Columns that new records need, and that the file has not.
    pub incomplete: Vec<Json>,
    pub is_last: bool,
    /// Nothing of it was stored.
    pub is_failure: bool,
}

/// A new report. Answers its id.
pub fn begin(tx: &mut Writer<'_>, resource: &str, total: usize, dry_run: bool, atomic: bool, ignored: &[String]) -> Result<i64> {
    let values: Vec<(&str, Value)> = vec![
        ("resource", resource.into()),
        ("dry_run", dry_run.into()),
        ("atomic", atomic.into()),
        ("total", i64::try_from(total).unwrap_or(i64::MAX).into()),
        ("ignored_columns", Json::from(ignored).to_string().into()),
    ];
    tx.insert("imports", values)
}

/// Adds what became of some lines.
pub fn advance(tx: &mut Writer<'_>, id: i64, progress: Progress) -> Result<()> {
    let sql = "SELECT done, created, updated, failed, errors FROM imports WHERE id = ?1";
    let read = |row: &Row<'_>| {
        let counts = [row.get::<i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        Ok((counts, row.get::<String>(4)?))
    };
    let (counts, errors) = tx.row(sql, &[id.into()], read)?.ok_or_else(Error::not_found)?;
    let lines = i64::try_from(progress.lines).unwrap_or(i64::MAX);
    let mut values: Vec<(&str, Value)> = vec![
        ("done", (counts[0] + lines).into()),
        ("created", (counts[1] + progress.created).into()),
        ("updated", (counts[2] + progress.updated).into()),
        ("failed", (counts[3] + progress.failed).into()),
    ];
    if !(progress.errors.is_empty() && progress.incomplete.is_empty()) {
        let mut all: Vec<Json> = serde_json::from_str(&errors).map_err(Error::internal)?;
        let incomplete: Vec<Json> = progress.incomplete.into_iter().filter(|error| !all.contains(error)).collect();
        all.extend(incomplete.into_iter().chain(progress.errors));
        if all.len() > MOST_ERRORS {
            all.truncate(MOST_ERRORS);
            values.push(("errors_cut", true.into()));
        }
        values.push(("errors", Json::from(all).to_string().into()));
    }
    if progress.is_last {
        values.push(("status", if progress.is_failure { "failed" } else { "done" }.into()));
    }
    tx.update("imports", id, values).map(drop)
}

/// Ends an import that cannot go on.
pub fn give_up(tx: &mut Writer<'_>, id: i64, why: &str) -> Result<()> {
    let errors: Option<String> = tx.one("SELECT errors FROM imports WHERE id = ?1", &[id.into()])?;
    let mut errors: Vec<Json> = errors.and_then(|errors| serde_json::from_str(&errors).ok()).unwrap_or_default();
    // First, so that it is not cut.
    errors.insert(0, json!({"row": null, "column": null, "messages": [why]}));
    errors.truncate(MOST_ERRORS);
    tx.update("imports", id, vec![("status", "failed".into()), ("errors", Json::from(errors).to_string().into())]).map(drop)
}

/// Ends the imports that were under way when the program stopped. Lines that are done stay done.
pub fn interrupt(tx: &mut Writer<'_>) -> Result<()> {
    for id in tx.rows("SELECT id FROM imports WHERE status = 'running'", &[], |row| row.get::<i64>(0))? {
        tx.update("imports", id, vec![("status", "interrupted".into())])?;
    }
    Ok(())
}

// ------------------------------------------------------------------------------------------------ reading

const COLUMNS: &str = "i.id, i.resource, i.status, i.dry_run, i.atomic, i.total, i.done, i.created, i.updated, i.failed, i.created_at, \
                       i.updated_at, i.created_by, i.ignored_columns, i.errors_cut";

/// Those of the business, for who runs it; for others their own.
fn scope(actor: &Actor) -> Result<(&'static str, [Value; 2])> {
    let business = actor.business_id().ok_or_else(Error::forbidden)?;
    let sql = if actor.is_manager() { "i.business_id = ?1" } else { "i.business_id = ?1 AND i.created_by = ?2" };
    Ok((sql, [business.into(), actor.user_id.into()]))
}

fn summary(row: &Row<'_>) -> Result<Json> {
    let ignored: Json = serde_json::from_str(&row.get::<String>(13)?).map_err(Error::internal)?;
    Ok(json!({
        "id": row.get::<i64>(0)?,
        "resource": row.get::<String>(1)?,
        "status": row.get::<String>(2)?,
        "dry_run": row.get::<bool>(3)?,
        "atomic": row.get::<bool>(4)?,
        "total": row.get::<i64>(5)?,
        "done": row.get::<i64>(6)?,
        "created": row.get::<i64>(7)?,
        "updated": row.get::<i64>(8)?,
        "failed": row.get::<i64>(9)?,
        "created_at": row.get::<String>(10)?,
        "updated_at": row.get::<String>(11)?,
        "created_by": row.get::<Option<i64>>(12)?,
        "ignored_columns": ignored,
        "errors_cut": row.get::<bool>(14)?,
    }))
}

/// A report as it stands: 200 when the import is over, 202 and where to ask again while it goes on.
pub fn reply<S, const STATUS: u16>(reader: &Reader<'_>, actor: &Actor, id: i64) -> Result<Reply<S, STATUS>> {
    let report = report(reader, actor, id)?;
    if report["status"] != "running" {
        return Ok(Reply::json(&report).with_status(200));
    }
    Ok(Reply::json(&report).with_status(202).header("Location", format!("/api/imports/{id}/")))
}

fn report(reader: &Reader<'_>, actor: &Actor, id: i64) -> Result<Json> {
    let (scope, [business, me]) = scope(actor)?;
    let sql = format!("SELECT {COLUMNS}, i.errors FROM imports AS i WHERE i.id = ?3 AND {scope}");
    let found = reader.row(&sql, &[business, me, id.into()], |row| {
        let mut report = summary(row)?;
        report["errors"] = serde_json::from_str(&row.get::<String>(15)?).map_err(Error::internal)?;
        Ok(report)
    })?;
    found.ok_or_else(|| Error::NotFound("No Import matches the given query.".into()))
}

/// One report.
pub fn import<S>(caller: &Caller, key: &str) -> Result<Reply<S>> {
    let id = key.parse().map_err(|_| Error::not_found());
    scope(&caller.actor)?;
    let report = caller.read(|reader| report(reader, &caller.actor, id?))?;
    Ok(Reply::json(&report))
}

/// A page of reports, newest first; without their errors, which may be many.
pub fn imports<S>(caller: &Caller, path: &str, parameters: &Parameters, pages: Pages) -> Result<Reply<S>> {
    let (scope, [business, me]) = scope(&caller.actor)?;
    let (size, page) = (page_size(parameters, pages), page_number(parameters)?);
    caller.db.snapshot(|reader| {
        let total: i64 =
            reader.one(&format!("SELECT count(*) FROM imports AS i WHERE {scope}"), &[business.clone(), me.clone()])?.unwrap_or(0);
        let last = total.unsigned_abs().div_ceil(size).max(1);
        let number = match page {
            PageNumber::Last => last,
            PageNumber::Number(number) if number <= last => number,
            PageNumber::Number(_) => return Err(invalid_page()),
        };
        let sql =
            format!("SELECT {COLUMNS} FROM imports AS i WHERE {scope} ORDER BY i.id DESC LIMIT {size} OFFSET {}", (number - 1) * size);
        let rows = reader.rows(&sql, &[business, me], |row| summary(row).map(|report| report.to_string()))?;
        let mut out = Vec::new();
        open_page(&mut out, total.unsigned_abs(), number, last, &format!("{}{path}", caller.origin), parameters);
        out.extend_from_slice(rows.join(",").as_bytes());
        out.extend_from_slice(b"]}");
        Ok(Reply::bytes(out))
    })
}
