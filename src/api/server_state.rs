//! How the server is, for whoever runs it.

use std::{fs, path::Path};

use jiff::Timestamp;
use poem::Result;
use poem_openapi::{Object, OpenApi};
use serde_json::{Value as Json, json};

use crate::{
    app::App,
    auth::proof::Person,
    db::{self, Reader, Row},
    engine::reply::Reply,
    error,
    jobs::recurring,
    kit::DateTime,
    outbox::breaker::{Provider, Standing},
    storage,
};

/// The jobs that look whether all is well.
const CHECKS: [&str; 2] = ["check_ledger", "verify_audit"];
/// So many tables are told of.
const TABLES: usize = 12;

/// The database.
#[derive(Object)]
pub struct DatabaseState {
    /// Where it is.
    pub file: String,
    /// How large it is, in bytes.
    pub bytes: u64,
    /// How large the write-ahead log beside it is, in bytes.
    pub wal_bytes: u64,
    /// How much room there is left on its disk, in bytes, if that can be told.
    pub free_bytes: Option<u64>,
}

/// A table.
#[derive(Object)]
pub struct TableState {
    /// Its name.
    pub name: String,
    /// How many rows it has, of all businesses.
    pub rows: i64,
}

/// A check that is made every night.
#[derive(Object)]
pub struct CheckState {
    /// The job that makes it.
    pub name: String,
    /// When it was made last.
    pub at: Option<DateTime>,
    /// `done` or `failed`.
    pub status: Option<String>,
    /// What was found.
    pub result: Option<String>,
}

/// The seals of the audit log.
#[derive(Object)]
pub struct SealState {
    /// The number of the newest seal.
    pub newest: Option<i64>,
    /// When it was made.
    pub sealed_at: Option<DateTime>,
    /// How many entries are too new to have one.
    pub unsealed: i64,
}

/// Messages in the outbox, of all businesses and the server's own.
#[derive(Object)]
pub struct OutboxState {
    /// `pending`, `sending`, `sent`, `failed` or `cancelled`.
    pub status: String,
    /// How many.
    pub count: i64,
}

/// Who takes the messages of a kind, since the server was started.
#[derive(Object)]
pub struct ProviderState {
    /// What they travel by: `email`, `sms` or `webhook`.
    pub channel: String,
    /// The business whose provider it is; none, if it is the server's.
    pub business: Option<i64>,
    /// `works`, or `rests`: it has failed again and again, and its messages wait.
    pub status: String,
    /// How many messages failed since one was taken.
    pub failures: u32,
    /// Until when it rests; then one message tries it.
    pub rests_until: Option<DateTime>,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

/// How the server is.
#[derive(Object)]
pub struct SystemState {
    /// The version of the program.
    pub version: String,
    /// When it was started.
    pub started_at: DateTime,
    /// Seconds since then.
    pub uptime_seconds: i64,
    /// The database.
    pub database: DatabaseState,
    /// The largest tables, by their rows.
    pub tables: Vec<TableState>,
    /// The checks of every night.
    pub checks: Vec<CheckState>,
    /// The seals of the audit log.
    pub seals: SealState,
    /// What is sent.
    pub outbox: Vec<OutboxState>,
    /// Who takes what is sent.
    pub providers: Vec<ProviderState>,
    /// Whether the program makes backups by itself.
    pub has_backups: bool,
    /// How to make a backup that is whole.
    pub backup: String,
    /// What of the settings deserves a look.
    pub warnings: Vec<String>,
}

/// The state of the server.
pub struct ServerState {
    app: App,
    started: Timestamp,
}

impl ServerState {
    pub fn new(app: &App) -> Self {
        Self { app: app.clone(), started: app.db.clock().now() }
    }

    fn providers(&self) -> Vec<Json> {
        let shown = |(provider, standing): (Provider, Standing)| {
            json!({"channel": provider.channel.name(), "business": provider.business,
                "status": if standing.rests_until.is_some() { "rests" } else { "works" }, "failures": standing.failures,
                "rests_until": standing.rests_until.map(|until| DateTime(until).to_string()), "last_error": standing.last_error})
        };
        self.app.breakers.standing().into_iter().map(shown).collect()
    }
}

#[OpenApi]
impl ServerState {
    /// Read how the server is
    ///
    /// For superusers: it is of all businesses.
    #[oai(path = "/system", method = "get")]
    async fn state(&self, caller: Person) -> Result<Reply<SystemState>> {
        caller.expect_superuser()?;
        let (tables, seals, outbox) = caller.scan(counted).await?;
        let checks = recurring::standing(&self.app)?.into_iter().filter(|job| CHECKS.contains(&job.name));
        let checks: Vec<Json> = checks
            .map(|job| json!({"name": job.name, "at": job.last_run_at, "status": job.last_status, "result": job.last_result}))
            .collect();
        let (folder, now) = (&self.app.config.data.folder, self.app.db.clock().now());
        let file = db::file_in(folder);
        let size = |path: &Path| fs::metadata(path).map_or(0, |data| data.len());
        let answer = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started_at": DateTime(self.started).to_string(),
            "uptime_seconds": now.as_second() - self.started.as_second(),
            "database": {"file": file.display().to_string(), "bytes": size(&file), "wal_bytes": size(&file.with_extension("db-wal")),
                "free_bytes": storage::free_bytes(folder)},
            "tables": tables, "checks": checks, "seals": seals, "outbox": outbox, "providers": self.providers(),
            "has_backups": false, "backup": backup(folder), "warnings": self.app.config.warnings(),
        });
        Ok(Reply::json(&answer))
    }
}

/// Whatever has to be counted.
fn counted(reader: &Reader<'_>) -> error::Result<(Vec<Json>, Json, Vec<Json>)> {
    let names: Vec<String> = reader.rows(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        &[],
        |row| row.get(0),
    )?;
    let mut tables: Vec<(String, i64)> = vec![];
    for name in names {
        let rows = reader.one(&format!("SELECT count(*) FROM \"{name}\""), &[])?.unwrap_or(0);
        tables.push((name, rows));
    }
    tables.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let tables = tables.into_iter().take(TABLES).map(|(name, rows)| json!({"name": name, "rows": rows})).collect();
    let newest = "SELECT id, sealed_at, last_id FROM audit_seals ORDER BY id DESC LIMIT 1";
    let newest = reader.row(newest, &[], |row: &Row<'_>| Ok((row.get::<i64>(0)?, row.get::<String>(1)?, row.get::<i64>(2)?)))?;
    let last = newest.as_ref().map_or(0, |(.., last)| *last);
    let unsealed = reader.one::<i64>("SELECT count(*) FROM audit_log NOT INDEXED WHERE id > ?1", &[last.into()])?.unwrap_or(0);
    let seals =
        json!({"newest": newest.as_ref().map(|(id, ..)| id), "sealed_at": newest.as_ref().map(|(_, at, _)| at), "unsealed": unsealed});
    let outbox = reader.rows("SELECT status, count(*) FROM outbox GROUP BY status ORDER BY status", &[], |row: &Row<'_>| {
        Ok(json!({"status": row.get::<String>(0)?, "count": row.get::<i64>(1)?}))
    })?;
    Ok((tables, seals, outbox))
}

/// As long as no command does it.
fn backup(folder: &Path) -> String {
    let (file, folder) = (db::file_in(folder).display().to_string(), folder.display());
    format!(
        "The program makes no backups by itself. While it runs, `sqlite3 {file} \"VACUUM INTO '/elsewhere/studio.db'\"` writes a whole copy of \
         the database; a copy of the file alone is not one, as the newest changes stand in the log beside it. With it belong {folder}/files, \
         what was attached, and {folder}/keys, without which secrets cannot be read: keep those apart from the rest. Or stop the server, and \
         copy the whole folder {folder}."
    )
}
