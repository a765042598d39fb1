//! `studio check`: whether the settings, the declarations and the database are in order.

use std::fmt::Display;

use super::{
    Failure, Outcome, Place,
    control::{self, Task},
    migrate, say_lines,
};
use crate::{
    app::App,
    db::{self, Catalog, Reader},
    engine::{
        descriptor::{Descriptor, by_table, owner_column},
        field::{Field, Kind},
    },
    error::Result,
    outbox,
    resources::{self, finance::check as books},
};

/// Columns of tables that are fields of no resource.
const MIXIN: [&str; 10] =
    ["id", "uuid", "created_at", "updated_at", "version", "business_id", "created_by", "updated_by", "deleted_at", "deleted_by"];

pub fn run(place: &Place, with_ledger: bool) -> Outcome {
    let loaded = place.load(&[])?;
    let mut lines = vec![ok(format!("configuration: {} settings", loaded.settings.len()))];
    let problems: Vec<String> = resources::all().iter().chain(resources::attached()).flat_map(Descriptor::problems).collect();
    lines.extend(report("declarations", format!("{} resources", resources::all().len()), &problems));
    let folder = &loaded.config.data.folder;
    let pending = migrate::look(folder).map(|all| migrate::pending(&all));
    match pending {
        _ if folder.exists() && !folder.is_dir() => lines.push(wrong("database", format!("{} is no folder", folder.display()))),
        _ if !db::file_in(folder).exists() => {
            lines.push(ok(format!("database: none yet in {}; `studio serve` makes it", folder.display())))
        }
        Err(failure) => lines.push(wrong("migrations", failure.text)),
        Ok(names) if !names.is_empty() => lines.push(wrong("migrations", format!("{} have not run; `studio migrate`", names.join(", ")))),
        // A wrong declaration keeps the database from being opened.
        Ok(_) if !problems.is_empty() => {}
        Ok(_) => {
            for task in [Some(Task::Check), with_ledger.then_some(Task::CheckLedger)].into_iter().flatten() {
                match control::perform(&task, &loaded.config) {
                    Ok(more) => lines.extend(more),
                    Err(failure) if failure.code == 1 => lines.push(wrong("database", failure.text)),
                    Err(failure) => return Err(failure),
                }
            }
        }
    }
    conclude(&lines)
}

/// `studio verify`: the chains of hashes, from their beginning.
pub fn verify(place: &Place) -> Outcome {
    conclude(&control::perform(&Task::Verify, &place.load(&[])?.config)?)
}

/// Prints what was found, and fails when any of it is wrong.
fn conclude(lines: &[String]) -> Outcome {
    say_lines(lines)?;
    match lines.iter().filter(|line| line.starts_with("WRONG")).count() {
        0 => Ok(()),
        1 => Err(Failure::new("one check went wrong")),
        several => Err(Failure::new(format!("{several} checks went wrong"))),
    }
}

/// What must be true of the books.
pub fn ledger(app: &App) -> Result<Vec<String>> {
    let findings = app.db.snapshot(books::run)?;
    Ok(findings.iter().flat_map(|finding| report(&format!("ledger {}", finding.name), finding.holds, &finding.problems)).collect())
}

/// Whether anything that was written down for good was changed or taken away since.
pub fn chains(app: &App) -> Result<Vec<String>> {
    let (problems, count) = app.db.snapshot(books::journal)?;
    let mut lines = report("journal", format!("{count} entries are as they were posted"), &problems);
    let log = app.audit.verify()?;
    lines.extend(report("audit log", format!("{} entries are as they were sealed", log.entries), &log.problems));
    // Nothing is wrong with that: a server seals them in a moment.
    lines.push(ok(format!("audit log: {} entries are not sealed yet", log.unsealed)));
    lines.extend(log.newest.map(|(number, hash)| ok(format!("audit log: the newest seal is {number} {hash}"))));
    Ok(lines)
}

/// What there is to check about an opened database.
pub fn database(app: &App) -> Result<Vec<String>> {
    app.db.read(|reader| {
        // Not the server's, which is of its start.
        let catalog = &Catalog::of(reader)?;
        let mut lines = vec![ok("migrations: all have run")];
        lines.extend(report("schema", "tables and resources agree", &drift(reader, catalog)));
        let damage: Vec<String> = reader.rows("PRAGMA quick_check", &[], |row| row.get(0))?;
        let damage: Vec<String> = damage.into_iter().filter(|line| line != "ok").collect();
        lines.extend(report("database", "no damage", &damage));
        let dangling = reader.rows("PRAGMA foreign_key_check", &[], |row| {
            let (table, id, target): (String, Option<i64>, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(format!("row {} of {table} refers to a row of {target} that does not exist", id.unwrap_or_default()))
        })?;
        lines.extend(report("references", "every reference leads to a row", &dangling));
        lines.push(match reader.unindexed()?.as_slice() {
            [] => ok("search: every table is indexed"),
            // Nothing is wrong with that: the server does it, and searches find everything meanwhile.
            tables => ok(format!("search: still to be indexed: {}", tables.join(", "))),
        });
        // Nothing is out of order, and somebody has to look at it all the same.
        lines.push(match outbox::failed(reader)? {
            0 => ok("outbox: nothing has failed"),
            1 => warning("outbox", "1 message could not be sent; `studio jobs` says why"),
            count => warning("outbox", format!("{count} messages could not be sent; `studio jobs` says why")),
        });
        Ok(lines)
    })
}

fn ok(text: impl Display) -> String {
    format!("ok    {text}")
}

fn wrong(what: &str, text: impl Display) -> String {
    format!("WRONG {what}: {text}")
}

fn warning(what: &str, text: impl Display) -> String {
    format!("warn  {what}: {text}")
}

fn report(what: &str, fine: impl Display, problems: &[String]) -> Vec<String> {
    if problems.is_empty() { vec![ok(format!("{what}: {fine}"))] } else { problems.iter().map(|text| wrong(what, text)).collect() }
}

/// Where the resources and the tables of the database differ.
pub fn drift(reader: &Reader<'_>, catalog: &Catalog) -> Vec<String> {
    let mut found = vec![];
    for d in resources::all().iter().chain(resources::attached()) {
        compare(reader, catalog, d.about.table, &d.fields, &MIXIN, d.about.read_only, &mut found);
        for field in &d.fields {
            // Rows that are records themselves are looked at as such.
            if let Kind::Lines(table, fields) = &field.kind
                && by_table(table).is_none()
            {
                let owner = owner_column(d.about.table);
                compare(reader, catalog, table, fields, &["id", "business_id", "position", &owner], false, &mut found);
            }
        }
    }
    found
}

/// Compares a table with the fields that are kept in it. `partial`: it may have columns that are no fields.
fn compare(reader: &Reader<'_>, catalog: &Catalog, table: &str, fields: &[Field], mixin: &[&str], partial: bool, found: &mut Vec<String>) {
    let columns = catalog.columns(table);
    if columns.is_empty() {
        return found.push(format!("there is no table {table}"));
    }
    let stored = || fields.iter().filter(|field| field.stored());
    found.extend(stored().filter(|f| !catalog.has(table, f.column)).map(|f| format!("{table} has no column {} for {}", f.column, f.name)));
    if !partial {
        // A secret and the hint of it are no fields: nobody reads or sets them as one.
        let is_secret = |name: &str| name.ends_with("_enc") || name.ends_with("_hint");
        let known = |name: &str| mixin.contains(&name) || is_secret(name) || stored().any(|field| field.column == name);
        let unknown = columns.iter().filter(|name| !known(name));
        found.extend(unknown.map(|name| format!("the column {table}.{name} is no field")));
    }
    // A field that may be null can stand in a column that may not: rules fill it. The other way round, reading would fail.
    let sql = "SELECT name FROM pragma_table_info(?1) WHERE \"notnull\" = 0 AND pk = 0";
    match reader.rows(sql, &[table.into()], |row| row.get::<String>(0)) {
        Ok(nullable) => {
            let empty = stored().filter(|field| !field.nullable && nullable.iter().any(|name| name == field.column));
            found.extend(empty.map(|field| format!("the column {table}.{} may be null, and its field may not", field.column)));
        }
        Err(error) => found.push(format!("{table}: {error}")),
    }
}
