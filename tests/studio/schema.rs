//! The database: structs and migrated tables agree, every table keeps the conventions of `sql/`, default orders are read off an
//! index, and history is only ever added to: edited, newer and foreign databases are refused, data is copied before it is migrated.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

use rusqlite::Connection;
use studio::{
    app::{self, App},
    clock::Clock,
    db::{self, Db, Reader, Value, migrate},
    engine::{
        Descriptor, Reach, Scope,
        descriptor::{by_table, owner_column},
        field::{Field, Kind},
        query::Query,
        store::{self, Deleted},
    },
    error::Error,
    resources,
};

use crate::support::{Folder, NOW, Server, configuration, nobody};

const MIXIN: [&str; 9] = ["id", "uuid", "created_at", "updated_at", "version", "created_by", "updated_by", "deleted_at", "deleted_by"];

/// Columns that are no field of their resource: only the program itself reads and writes them.
const INTERNAL: [(&str, &[&str]); 2] = [
    ("integrations", &["secret_enc", "secret_hint"]),
    (
        "users",
        &[
            "password_hash",
            "neighborhood",
            "location",
            "bio",
            "email_verified_at",
            "phone_verified_at",
            "is_superuser",
            "language",
            "timezone",
            "preferences",
            "failed_logins",
            "locked_until",
            "token_epoch",
        ],
    ),
];

/// Columns that are never empty although their field may be left out: the resource's rules fill them.
const FILLED: &[&str] = &[
    "leads.currency",
    "lead_actions.date",
    "visits.rep_id",
    "visits.date_time",
    "invoices.issue_date",
    "invoices.due_date",
    "invoices.currency",
    "invoices.prices_include_tax",
    "invoices.subtotal",
    "invoices.discount_total",
    "invoices.tax_total",
    "invoices.total",
    "invoices.amount_allocated",
    "quotations.issued_date",
    "quotations.currency",
    "quotations.prices_include_tax",
    "quotations.subtotal",
    "quotations.discount_total",
    "quotations.tax_total",
    "quotations.total_amount",
    "quotation_items.gross",
    "quotation_items.discount_amount",
    "quotation_items.amount",
    "quotation_items.doc_discount_share",
    "quotation_items.net_amount",
    "quotation_items.tax_amount",
    "recurring_invoices.currency",
    "recurring_invoices.prices_include_tax",
    "recurring_invoices.total",
    "recurring_invoice_items.gross",
    "recurring_invoice_items.discount_amount",
    "recurring_invoice_items.amount",
    "recurring_invoice_items.doc_discount_share",
    "recurring_invoice_items.net_amount",
    "recurring_invoice_items.tax_amount",
    "invoice_items.gross",
    "invoice_items.discount_amount",
    "invoice_items.amount",
    "invoice_items.doc_discount_share",
    "invoice_items.net_amount",
    "invoice_items.tax_amount",
    "payments.direction",
    "payments.account_id",
    "payments.charge",
    "payments.currency",
    "payments.date",
    "payments.amount_allocated",
    "requisitions.requested_by_id",
    "requisitions.category",
    "requisitions.amount",
    "requisitions.currency",
    "requisitions.paid_amount",
    "requisition_items.amount",
    "goals.currency",
    "goals.start_date",
    "goals.owner_id",
    "goal_milestones.currency",
    "parties.currency",
    "accounts.class",
    "accounts.currency",
    "accounts.allow_negative",
    "transactions.transaction_charge",
    "transactions.account_id",
    "transactions.currency",
    "transactions.date",
];

fn texts(reader: &Reader<'_>, sql: &str) -> Vec<String> {
    reader.rows(sql, &[], |row| row.get(0)).expect("a query of the schema")
}

/// The differences between a struct and its table.
fn compare(reader: &Reader<'_>, table: &str, fields: &[Field], known: &[&str]) -> Vec<String> {
    let sql = format!("SELECT name, type, \"notnull\" FROM pragma_table_info('{table}')");
    let columns: Vec<(String, String, bool)> =
        reader.rows(&sql, &[], |row| Ok((row.get(0)?, row.get(1)?, row.get::<bool>(2)?))).expect("the columns");
    let created = texts(reader, &format!("SELECT sql FROM sqlite_schema WHERE name = '{table}'")).concat();
    let mut wrong = vec![];
    for field in fields.iter().filter(|field| field.stored() && !(known.contains(&"position") && field.name == "id")) {
        let at = format!("{table}.{}", field.column);
        let Some((_, ty, not_null)) = columns.iter().find(|(name, ..)| name == field.column) else {
            wrong.push(format!("{at} is a field and no column"));
            continue;
        };
        let expected = match field.kind {
            Kind::Integer | Kind::Bool | Kind::Money | Kind::Decimal(_) | Kind::Reference(_) => "INTEGER",
            Kind::Number => "REAL",
            _ => "TEXT",
        };
        if ty != expected {
            wrong.push(format!("{at} is {ty}, the field's kind needs {expected}"));
        }
        if (field.nullable && *not_null) != FILLED.contains(&at.as_str()) {
            wrong.push(format!("{at} is NOT NULL, the field may be empty"));
        }
        if let Kind::Choice(names) = &field.kind {
            let test = format!("{} = '", field.column);
            let allowed: BTreeSet<&str> = created.split(&test).skip(1).filter_map(|rest| rest.split('\'').next()).collect();
            if allowed != names.iter().copied().collect() {
                wrong.push(format!("{at} allows {allowed:?}, the field {names:?}"));
            }
        }
        if let (Kind::Text | Kind::Email, Some(most)) = (&field.kind, field.schema.max_length)
            && !created.contains(&format!("length({}) <= {most})", field.column))
            && !created.contains(&format!("length({}) BETWEEN 1 AND {most}", field.column))
            && !(created.contains(&format!("length({}) BETWEEN", field.column)))
        {
            wrong.push(format!("{at} does not check the field's limit of {most} characters"));
        }
    }
    let is_field = |name: &str| fields.iter().any(|field| field.stored() && field.column == name);
    wrong.extend(
        columns
            .iter()
            .filter(|(name, ..)| !is_field(name) && !known.contains(&name.as_str()))
            .map(|(name, ..)| format!("{table}.{name} is a column and no field")),
    );
    wrong.extend(
        known
            .iter()
            .filter(|name| !MIXIN.contains(name) && !columns.iter().any(|(column, ..)| column == *name))
            .map(|name| format!("{table}.{name} is missing")),
    );
    wrong
}

/// The columns of the mixin, as they have to be for this sort of resource.
fn mixin(d: &Descriptor) -> Vec<&'static str> {
    let owned = d.about.scope == Scope::Business;
    let mut names: Vec<_> = MIXIN.into_iter().collect();
    names.retain(|name| owned || !matches!(*name, "created_by" | "updated_by"));
    if owned {
        names.push("business_id");
    }
    names.extend(INTERNAL.iter().filter(|(table, _)| *table == d.about.table).flat_map(|(_, names)| names.iter()));
    names
}

#[test]
fn structs_and_tables_agree() {
    let server = Server::start();
    let mut wrong = vec![];
    server
        .app
        .db
        .read(|reader| {
            for d in resources::all() {
                let table = d.about.table;
                wrong.extend(compare(reader, table, &d.fields, &mixin(d)));
                let catalog = server.app.db.catalog();
                let needed = ["id", "uuid", "created_at", "updated_at", "version"].into_iter();
                let needed = needed
                    .chain((d.about.scope == Scope::Business).then_some(["business_id", "created_by", "updated_by"]).into_iter().flatten());
                let needed = needed.chain(d.about.soft_delete.then_some(["deleted_at", "deleted_by"]).into_iter().flatten());
                wrong.extend(needed.filter(|name| !catalog.has(table, name)).map(|name| format!("{table} lacks {name}")));
                if !d.about.soft_delete && catalog.has(table, "deleted_at") {
                    wrong.push(format!("{table} has deleted_at, and its resource is not soft-deleted"));
                }
                for field in &d.fields {
                    // Rows that are records themselves are looked at as such.
                    if let Kind::Lines(lines, fields) = &field.kind
                        && by_table(lines).is_none()
                    {
                        let owner = owner_column(table);
                        wrong.extend(compare(reader, lines, fields, &["id", "business_id", "position", &owner]));
                    }
                }
            }
            Ok(())
        })
        .expect("the schema can be read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(resources::all().len() >= 12, "the resources were looked at");
}

#[test]
fn tables_keep_the_conventions() {
    let server = Server::start();
    let catalog = server.app.db.catalog();
    let mut wrong = vec![];
    let tables = server.app.db.read(|reader| {
        let tables =
            texts(reader, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'");
        wrong.extend(
            texts(
                reader,
                "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%' AND strict = 0",
            )
            .into_iter()
            .map(|name| format!("{name} is not STRICT")),
        );
        for table in tables.iter().filter(|table| catalog.has(table, "business_id")) {
            let sql =
                format!("SELECT id, \"table\", group_concat(\"from\") FROM pragma_foreign_key_list('{table}') GROUP BY id, \"table\"");
            let keys: Vec<(String, String)> = reader.rows(&sql, &[], |row| Ok((row.get(1)?, row.get(2)?)))?;
            let owned = keys.into_iter().filter(|(target, _)| catalog.has(target, "business_id"));
            wrong.extend(
                owned
                    .filter(|(_, from)| !from.split(',').any(|name| name == "business_id"))
                    .map(|(target, from)| format!("{table}({from}) refers to {target} without business_id")),
            );
        }
        Ok(tables)
    });
    assert!(tables.expect("the schema can be read").len() >= 15);
    // A reference that no key backs would not be checked at all.
    for d in resources::all().iter().filter(|d| d.about.scope == Scope::Business) {
        for field in d.fields.iter().filter(|field| field.stored() && matches!(field.kind, Kind::Reference(_))) {
            let sql = format!("SELECT 1 FROM pragma_foreign_key_list('{}') WHERE \"from\" = ?1", d.about.table);
            let backed = server.app.db.read(|reader| reader.exists(&sql, &[field.column.into()])).expect("the schema can be read");
            if !backed {
                wrong.push(format!("{}.{} has no foreign key", d.about.table, field.column));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The database itself refuses a reference into another business, and a change of the audit trail.
#[test]
fn the_database_refuses_what_the_engine_must_not_do() {
    let server = Server::start();
    let other = server.business("Other");
    let attempt = |sql: &'static str| {
        let path = db::file_in(&server.app.config.data.folder);
        let connection = Connection::open(path).expect("a connection");
        connection.pragma_update(None, "foreign_keys", true).expect("a pragma");
        connection.execute(sql, []).err().map(|error| error.to_string()).unwrap_or_default()
    };
    server.write(move |tx| tx.insert("zones", vec![("name", "Theirs".into()), ("business_id", other.into())]));
    let refused = attempt(
        "INSERT INTO leads (uuid, created_at, updated_at, business_id, business_name, contact_phone, currency, zone_id)
         VALUES ('u', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 1, 'a', '1', 'USD', 1)",
    );
    assert!(refused.contains("FOREIGN KEY"), "{refused}");
    for sql in ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log"] {
        assert!(attempt(sql).contains("append-only"), "{sql}");
    }
}

#[test]
fn default_orders_are_read_off_an_index() {
    let server = Server::start();
    let actor = nobody();
    let mut wrong = vec![];
    for d in resources::all().iter().filter(|d| d.about.scope == Scope::Business) {
        let query = Query::parse(d, &actor, &vec![], server.app.pages()).expect("a list without parameters");
        let scope = store::scope(d, &actor, Reach::All, Deleted::Without);
        let sql = format!("EXPLAIN QUERY PLAN SELECT t.id FROM \"{}\" AS t WHERE {scope} ORDER BY {} LIMIT 10", d.about.table, query.order);
        let plan: Vec<String> = server.app.db.read(|reader| reader.rows(&sql, &[Value::Int(1)], |row| row.get(3))).expect("a plan");
        if plan.iter().any(|step| step.contains("TEMP B-TREE") || step.starts_with("SCAN")) {
            wrong.push(format!("{} by {}: {}", d.about.table, query.order, plan.join("; ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// ------------------------------------------------------------------------------------------------ opening

fn open(folder: &Path) -> Result<Db, Error> {
    let settings = app::database_settings(&configuration(folder));
    Db::open(&folder.join("data"), &settings, Clock::fixed(NOW.parse().expect("a time")))
}

#[track_caller]
fn refused(folder: &Path, words: &str) {
    match open(folder) {
        Ok(_) => panic!("opened, although {words:?} was expected"),
        Err(Error::Internal(text)) => assert!(text.contains(words), "{text}"),
        Err(other) => panic!("{other:?}"),
    }
}

fn connect(folder: &Path) -> Connection {
    Connection::open(db::file_in(&folder.join("data"))).expect("a connection")
}

#[test]
fn a_database_with_another_history_is_refused() {
    let folder = Folder::new();
    let folder = folder.path();
    let all = {
        drop(open(folder).expect("a new database"));
        migrate::list(&connect(folder)).expect("the migrations")
    };
    assert!(all.len() >= 3 && all.iter().all(|migration| migration.applied_at.is_some()), "all were run");
    assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name), "in the order of their names");
    let change = |sql: &str| assert_eq!(connect(folder).execute(sql, []).expect("a change"), 1, "{sql}");
    change("UPDATE migrations SET hash = 'x' || hash WHERE name = '0001_core'");
    refused(folder, "sql/0001_core.sql was edited");
    change("UPDATE migrations SET hash = substr(hash, 2) WHERE name = '0001_core'");
    drop(open(folder).expect("as it was"));
    change("INSERT INTO migrations (name, hash, applied_at) VALUES ('9999_future', 'x', '2030-01-01T00:00:00.000Z')");
    refused(folder, "newer studio (it has 9999_future)");
    change("DELETE FROM migrations WHERE name = '9999_future'");
    connect(folder).pragma_update(None, "application_id", 1).expect("a pragma");
    refused(folder, "another program");
}

#[test]
fn data_is_copied_before_it_is_migrated() {
    let (full, old) = (Folder::new(), Folder::new());
    drop(open(full.path()).expect("a new database"));
    assert!(!full.path().join("data/backups").exists(), "an empty database needs no copy");
    // A database from when only the first migration was there.
    let hash: String = connect(full.path()).query_row("SELECT hash FROM migrations ORDER BY name", [], |row| row.get(0)).expect("a hash");
    db::create_folder(&old.path().join("data")).expect("a folder");
    let connection = connect(old.path());
    let all = migrate::list(&connection).expect("the migrations");
    let (first, second) = (&all[0], &all[1]);
    connection.execute_batch(first.sql).expect("the first migration");
    connection.execute("INSERT INTO migrations VALUES (?1, ?2, '2026-01-01T00:00:00.000Z')", [first.name, &hash]).expect("remembered");
    let business = "INSERT INTO businesses (uuid, created_at, updated_at, name, slug)
                    VALUES ('u', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 'Kept', 'kept')";
    connection.execute(business, []).expect("some data");
    drop(connection);
    let kept = |connection: &Connection| connection.query_row("SELECT name FROM businesses", [], |row| row.get::<_, String>(0)).ok();
    drop(open(old.path()).expect("it is migrated"));
    let migrated = connect(old.path());
    assert!(migrate::list(&migrated).expect("the migrations").iter().all(|migration| migration.applied_at.is_some()));
    assert_eq!(kept(&migrated).as_deref(), Some("Kept"));
    let copies: Vec<_> =
        fs::read_dir(old.path().join("data/backups")).expect("copies").map(|entry| entry.expect("a copy").path()).collect();
    let [copy] = copies.as_slice() else { panic!("one copy, not {copies:?}") };
    assert!(copy.to_string_lossy().contains(&format!("before-{}-", second.name)), "{}", copy.display());
    let copy = Connection::open(copy).expect("the copy opens");
    let applied: i64 = copy.query_row("SELECT count(*) FROM migrations", [], |row| row.get(0)).expect("a count");
    assert_eq!((applied, kept(&copy).as_deref()), (1, Some("Kept")), "the copy is from before");
    // Nothing to migrate, nothing to copy.
    drop(open(old.path()).expect("it opens again"));
    assert_eq!(fs::read_dir(old.path().join("data/backups")).expect("copies").count(), 1);
}

const DAY: &str = "'2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z'";

/// A database from before a migration, with some rows, migrated.
fn migrated_from_before(migration: &str, rows: &str) -> Folder {
    let (full, old) = (Folder::new(), Folder::new());
    drop(open(full.path()).expect("a new database"));
    let hash = |name: &str| -> String {
        connect(full.path()).query_row("SELECT hash FROM migrations WHERE name = ?1", [name], |row| row.get(0)).expect("a hash")
    };
    db::create_folder(&old.path().join("data")).expect("a folder");
    let connection = connect(old.path());
    for earlier in migrate::list(&connection).expect("the migrations").iter().filter(|one| one.name < migration) {
        connection.execute_batch(earlier.sql).expect("a migration");
        let remember = "INSERT INTO migrations VALUES (?1, ?2, '2026-01-01T00:00:00.000Z')";
        connection.execute(remember, [earlier.name, &hash(earlier.name)]).expect("remembered");
    }
    connection.execute_batch(rows).expect("what a business has");
    drop(connection);
    drop(open(old.path()).expect("it is migrated"));
    let migrated = connect(old.path());
    let wrong: i64 = migrated.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).expect("a count");
    assert_eq!(wrong, 0);
    old
}

/// Tables that are made again keep what they hold, and what refers to it.
#[test]
fn payments_from_before_they_knew_requisitions_are_kept() {
    let payment = "INSERT INTO payments (id, uuid, created_at, updated_at, business_id, party_id, account_id, amount, currency, date, direction, purpose)";
    let old = migrated_from_before(
        "0015",
        &format!(
            "INSERT INTO businesses (id, uuid, created_at, updated_at, name, slug) VALUES (1, 'b', {DAY}, 'Kept', 'kept');
             INSERT INTO parties (id, uuid, created_at, updated_at, business_id, name, currency) VALUES (1, 'p', {DAY}, 1, 'Acme', 'USD');
             INSERT INTO accounts (id, uuid, created_at, updated_at, business_id, name, currency, allow_negative)
                 VALUES (1, 'a', {DAY}, 1, 'Bank', 'USD', 1);
             {payment} VALUES (7, 'p7', {DAY}, 1, 1, 1, 5, 'USD', '2026-01-01', 'incoming', 'settlement');
             {payment} VALUES (9, 'p9', {DAY}, 1, 1, 1, 3, 'USD', '2026-01-01', 'outgoing', 'refund');
             INSERT INTO allocations (uuid, created_at, updated_at, business_id, payment_id, refund_id, amount, date)
                 VALUES ('x', {DAY}, 1, 7, 9, 3, '2026-01-01');
             INSERT INTO transactions (id, uuid, created_at, updated_at, business_id, type, amount, account_id, currency, date, related_payment_id)
                 VALUES (4, 't', {DAY}, 1, 'income', 5, 1, 'USD', '2026-01-01', 7);"
        ),
    );
    let migrated = connect(old.path());
    let text = |sql: &str| migrated.query_row(sql, [], |row| row.get::<_, String>(0)).expect("a row");
    let kept = "SELECT group_concat(id || ':' || amount || ':' || amount_allocated || ':' || direction) FROM payments";
    assert_eq!(text(kept), "7:5:3:incoming,9:3:3:outgoing");
    assert_eq!(text("SELECT id || ':' || related_payment_id FROM transactions"), "4:7");
    // Their rules are there again as well.
    for sql in [
        "UPDATE payments SET amount = 6 WHERE id = 7",
        "UPDATE transactions SET amount = 6",
        "DELETE FROM payments",
        "DELETE FROM transactions",
    ] {
        let error = migrated.execute(sql, []).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("immutable"), "{sql}: {error}");
    }
}

#[test]
fn leads_from_before_they_referred_to_parties_are_kept() {
    let lead = "INSERT INTO leads (id, uuid, created_at, updated_at, business_id, business_name, contact_phone, currency, party_id)";
    let old = migrated_from_before(
        "0021",
        &format!(
            "INSERT INTO businesses (id, uuid, created_at, updated_at, name, slug)
                 VALUES (1, 'b', {DAY}, 'Kept', 'kept'), (2, 'c', {DAY}, 'Other', 'other');
             INSERT INTO parties (id, uuid, created_at, updated_at, business_id, name, currency)
                 VALUES (1, 'p', {DAY}, 1, 'Acme', 'USD'), (2, 'q', {DAY}, 2, 'Theirs', 'USD');
             {lead} VALUES (3, 'l3', {DAY}, 1, 'Cafe', '1', 'USD', 1), (5, 'l5', {DAY}, 1, 'Bar', '2', 'USD', NULL), (9, 'l9', {DAY}, 1, 'Gone', '3', 'USD', NULL);
             DELETE FROM leads WHERE id = 9;
             INSERT INTO lead_stage_events (business_id, lead_id, to_stage, at) VALUES (1, 3, 'prospect', '2026-01-01T00:00:00.000Z');"
        ),
    );
    let migrated = connect(old.path());
    let text = |sql: &str| migrated.query_row(sql, [], |row| row.get::<_, String>(0)).expect("a row");
    assert_eq!(text("SELECT group_concat(id || business_name || coalesce(party_id, '')) FROM leads"), "3Cafe1,5Bar");
    assert_eq!(text("SELECT group_concat(lead_id || to_stage) FROM lead_stage_events"), "3prospect", "what belongs to them is kept");
    assert_eq!(text("SELECT seq || '' FROM sqlite_sequence WHERE name = 'leads'"), "9", "numbers are not given again");
    let foreign = migrated.execute("UPDATE leads SET party_id = 2 WHERE id = 5", []);
    assert!(foreign.is_err_and(|error| error.to_string().contains("FOREIGN KEY")), "a party of another business");
}

#[test]
fn one_process_works_on_a_database() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    db::create_folder(&data).expect("a folder");
    let held = db::lock(&data).expect("a lock file").expect("nobody else holds it");
    assert!(db::lock(&data).expect("a lock file").is_none());
    refused(folder.path(), "another process is running");
    drop(held);
    let running = open(folder.path()).expect("it is free");
    refused(folder.path(), "another process is running");
    drop(running);
    drop(open(folder.path()).expect("it is free again"));
    let mode = |name: &str| fs::metadata(data.join(name)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("studio.db"), mode("studio.lock")), (0o700, 0o600, 0o600), "for this user alone");
}

#[test]
fn connections_are_set_up() {
    let folder = Folder::new();
    let app = App::open(configuration(folder.path()), Clock::fixed(NOW.parse().expect("a time"))).expect("it opens");
    let number = |reader: &Reader<'_>, name: &str| reader.one::<i64>(&format!("PRAGMA {name}"), &[]).expect("a pragma").expect("a value");
    let common = [
        ("foreign_keys", 1),
        ("recursive_triggers", 1),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("temp_store", 2),
        ("busy_timeout", 5000),
        ("application_id", 0x7374_7564),
    ];
    let check = move |who: &str, reader: &Reader<'_>, more: &[(&str, i64)]| {
        for (name, value) in common.iter().chain(more) {
            assert_eq!(number(reader, name), *value, "{who}: PRAGMA {name}");
        }
        let mode = reader.one::<String>("PRAGMA journal_mode", &[]).expect("a pragma");
        assert_eq!(mode.as_deref(), Some("wal"), "{who}");
    };
    app.db
        .read(|reader| {
            check("readers", reader, &[("query_only", 1)]);
            Ok(())
        })
        .expect("a read");
    let writes = app.db.write_blocking(app.system(), move |tx| {
        check("the writer", tx, &[("synchronous", 2), ("query_only", 0)]);
        Ok(())
    });
    writes.expect("a write");
}
