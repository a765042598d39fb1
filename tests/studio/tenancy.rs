//! One business knows nothing of another: no reference leads there, by the API or by the database itself; nothing that is stored
//! there appears in an answer; switching needs a membership; and a change of rights holds from the very next request.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value as Json, json};
use studio::{
    actor::Role,
    auth::{account, session::Opening},
    db::{Value, Writer},
    engine::{
        Descriptor,
        descriptor::by_table,
        field::{Field, Kind},
    },
    error::Result,
    resources,
};

use crate::{
    samples::{World, sample, writable},
    support::{Answer, Client, Server, parameters},
};

/// What is stored in every text of the other business, and found nowhere in the answers to this one.
const CANARY: &str = "zqcanary";
const MISSING: i64 = 987_654_321;

/// The ids of one row of each table, by table.
type Rows = BTreeMap<&'static str, i64>;

/// Fills a business: one row of each resource, `text` in each of its texts, all pointing to one another and to `user`.
fn filled(server: &Server, business: i64, user: i64, text: &'static str) -> Rows {
    let mut rows = Rows::from([("users", user), ("memberships", user)]);
    let mut left = writable();
    while !left.is_empty() {
        // First those whose references all lead to a row, then those that can do without.
        let complete = |d: &&Descriptor| targets(d).all(|(_, table)| rows.contains_key(table));
        let possible = |d: &&Descriptor| targets(d).all(|(field, table)| field.nullable || rows.contains_key(table));
        let at = left.iter().position(complete).or_else(|| left.iter().position(possible)).expect("no circle of required references");
        let (d, known) = (left.remove(at), rows.clone());
        let id = server.write(move |tx| {
            let mut row = row(tx, d, text, &known, false)?;
            row.extend([("business_id", business.into()), ("created_by", user.into())]);
            tx.insert(d.about.table, row)
        });
        rows.insert(d.about.table, id);
    }
    // An entry of the books, as yet without lines.
    let entry = server.write(move |tx| {
        let series = vec![("business_id", business.into()), ("key", "journal".into()), ("next", 2.into())];
        tx.insert("number_sequences", series)?;
        let mut values = vec![("business_id", business.into()), ("number", 1.into()), ("date", "2026-02-01".into())];
        values.extend([("source_type", text.into()), ("source_id", 0.into())]);
        tx.insert("journal_entries", values)
    });
    rows.insert("journal_entries", entry);
    // What is attached, to a lead.
    for d in resources::attached() {
        let known = rows.clone();
        let id = server.write(move |tx| {
            let mut row = row(tx, d, text, &known, false)?;
            row.retain(|(column, _)| !["target_type", "target_id", "sha256"].contains(column));
            row.extend([("business_id", business.into()), ("created_by", user.into())]);
            row.extend([("target_type", "lead".into()), ("target_id", known["leads"].into())]);
            row.extend(d.field("sha256").map(|_| ("sha256", "0".repeat(64).into())));
            tx.insert(d.about.table, row)
        });
        rows.insert(d.about.table, id);
    }
    rows
}

/// The references of a resource to others.
fn targets(d: &Descriptor) -> impl Iterator<Item = (&Field, &'static str)> {
    d.fields
        .iter()
        .filter_map(|field| if let Kind::Reference(table) = field.kind { Some((field, table)) } else { None })
        .filter(|(_, table)| *table != d.about.table)
}

/// What comes with its entry in the books, what a payment has that is for no party or that goes out, and hashes: no text of anybody's.
fn is_apart(d: &Descriptor, field: &Field) -> bool {
    d.about.table == "payments" && ["number", "category", "requisition"].contains(&field.name) || field.name.ends_with("_hash")
}

/// The columns of a row: all that can be said, or only what must be.
fn row(tx: &Writer<'_>, d: &Descriptor, text: &str, rows: &Rows, least: bool) -> Result<Vec<(&'static str, Value)>> {
    let sql = "SELECT name FROM pragma_table_info(?1) WHERE \"notnull\" = 1 AND dflt_value IS NULL";
    let needed: Vec<String> = tx.rows(sql, &[d.about.table.into()], |row| row.get(0))?;
    let (mut values, mut has_person) = (vec![], false);
    for field in d.fields.iter().filter(|field| field.stored()) {
        let is_needed = needed.iter().any(|column| column == field.column);
        let value: Value = match &field.kind {
            _ if least && !is_needed => continue,
            _ if is_apart(d, field) => continue,
            // All of the total is the subtotal.
            _ if field.name == "tax_total" => 0.into(),
            // What only a transfer has.
            _ if field.name.starts_with("to_") => continue,
            Kind::Reference(table) if *table == d.about.table => continue,
            Kind::Reference(_) if field.server_set && !is_needed => continue,
            // Two people of one row may have to be two.
            Kind::Reference("users") if !is_needed && has_person => continue,
            Kind::Reference(table) => {
                has_person |= *table == "users";
                rows.get(table).copied().into()
            }
            Kind::Text => text.into(),
            Kind::Email => format!("{text}@example.com").into(),
            Kind::Texts => json!([text]).to_string().into(),
            Kind::Currency => "USD".into(),
            Kind::Date => "2026-02-01".into(),
            // Hot leads are listed by themselves.
            Kind::Choice(names) if names.contains(&"urgent") => "urgent".into(),
            Kind::Choice(names) if is_needed => field.schema.default.as_ref().and_then(Json::as_str).unwrap_or(names[0]).into(),
            Kind::DateTime if is_needed => tx.now().to_string().into(),
            _ if is_needed => 1.into(),
            _ => continue,
        };
        values.push((field.column, value));
    }
    Ok(values)
}

fn uuid(server: &Server, table: &str, id: i64) -> String {
    let sql = format!("SELECT uuid FROM {table} WHERE id = ?1");
    server.app.db.read(|reader| reader.one(&sql, &[id.into()])).expect("a query of the test").expect("a row")
}

/// Makes somebody a member of one more business.
fn join(server: &Server, user: i64, business: i64, role: Role) {
    server.write(move |tx| account::join(tx, user, business, role));
}

fn set(server: &Server, table: &'static str, id: i64, column: &'static str, value: impl Into<Value>) {
    let value = value.into();
    server.write(move |tx| tx.update(table, id, vec![(column, value.clone())]));
}

fn membership(server: &Server, user: i64, business: i64) -> i64 {
    let sql = "SELECT id FROM memberships WHERE user_id = ?1 AND business_id = ?2";
    server.app.db.read(|reader| reader.one(sql, &[user.into(), business.into()])).expect("a query of the test").expect("a membership")
}

/// A client with a session of another kind, or of a person without a membership.
fn session(server: &Server, user: i64, how: Opening) -> (Client, String) {
    let sessions = server.app.sessions.clone();
    let pair = server.write(move |tx| sessions.open(tx, user, how));
    let mut client = server.client().with_token(&pair.access);
    client.id = user;
    (client, pair.refresh.expect("a refresh token"))
}

fn names(client: &Client, path: &str) -> Vec<String> {
    let body = client.get(path).expect(200);
    let rows = body["results"].as_array().or(body.as_array()).cloned().unwrap_or_default();
    let name = |row: &Json| row["name"].as_str().unwrap_or_default().to_owned();
    rows.iter().map(name).collect()
}

// ------------------------------------------------------------------------------------------------ references

#[test]
fn no_reference_leads_into_another_business() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let abroad = server.business("Abroad");
    let foreigner = server.member_with("foreigner", Role::Admin, abroad, &[]);
    let (here, there) = (filled(&server, 1, admin.id, "here"), filled(&server, abroad, foreigner.id, "there"));
    let world = World::new_in(&server);
    let (mut wrong, mut n) = (vec![], 0);
    for d in writable().into_iter() {
        let path = format!("/api/{}/", d.about.path);
        let references =
            d.fields.iter().filter_map(|field| if let Kind::Reference(table) = field.kind { Some((field, table)) } else { None });
        for (field, table) in references.filter(|(field, _)| !field.server_set && !field.hidden) {
            n += 1;
            let mut attempt = (sample(d.about.path).least)(&world);
            let own = admin.create(&path, attempt.clone());
            let one = format!("{path}{}/", own["id"]);
            for key in [json!(there[table]), json!(there[table].to_string()), json!(uuid(&server, table, there[table]))] {
                attempt[field.name] = key.clone();
                let text = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                let refusal = json!({field.name: [format!("Invalid pk \"{text}\" - object does not exist.")]});
                let part = json!({field.name: key});
                for answer in [admin.post(&path, attempt.clone()), admin.put(&one, attempt.clone()), admin.patch(&one, part)] {
                    if (answer.status, answer.json()) != (400, refusal.clone()) {
                        wrong.push(format!("{} with {} = {text}: {} {}", answer.call, field.name, answer.status, answer.text));
                    }
                }
            }
            // To make sure that it was refused for where it leads: one's own business is fine.
            let answer = admin.patch(&one, json!({field.name: here[table]}));
            if answer.status == 400 && answer.text.contains("does not exist") {
                wrong.push(format!("{} with {}'s own {}: {}", answer.call, field.name, here[table], answer.text));
            }
            // As a filter it is like one that does not exist.
            if d.filters.contains(&field.name) {
                for key in [there[table], MISSING] {
                    let answer = admin.get(&format!("{path}?{}={key}", field.name));
                    let refusal = json!({field.name: ["Select a valid choice. That choice is not one of the available choices."]});
                    if (answer.status, answer.json()) != (400, refusal) {
                        wrong.push(format!("{}: {} {}", answer.call, answer.status, answer.text));
                    }
                }
            }
        }
    }
    assert!(n >= 17, "only {n} references were tried");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Actions that name rows.
    for (into, from) in [(here["leads"], there["leads"]), (there["leads"], here["leads"])] {
        let answer = admin.post("/api/field/leads/merge/", json!({"into": into.to_string(), "from": [from.to_string()]}));
        assert_eq!(answer.status, 404, "{}: {}", answer.call, answer.text);
    }
}

/// Whatever the code forgets, the database refuses.
#[test]
fn the_database_itself_refuses_references_into_another_business() {
    let server = Server::start();
    let (admin, abroad) = (server.member("admin", Role::Admin).id, server.business("Abroad"));
    let foreigner = server.member_with("foreigner", Role::Admin, abroad, &[]).id;
    let (here, there) = (filled(&server, 1, admin, "here"), filled(&server, abroad, foreigner, "there"));
    let columns =
        "SELECT t.name, c.name, coalesce((SELECT k.\"table\" FROM pragma_foreign_key_list(t.name) AS k WHERE k.\"from\" = c.name AND EXISTS
                       (SELECT 1 FROM pragma_foreign_key_list(t.name) AS b WHERE b.id = k.id AND b.\"from\" = 'business_id')), '')
                   FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c
                   WHERE t.schema = 'main' AND c.name LIKE '%\\_id' ESCAPE '\\' AND c.name <> 'business_id'
                     AND EXISTS (SELECT 1 FROM pragma_table_info(t.name) AS b WHERE b.name = 'business_id')";
    let found = server
        .app
        .db
        .read(|reader| reader.rows(columns, &[], |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?, row.get::<String>(2)?))));
    // Who did something is told by user alone, as are sessions, answers and keys (a superuser makes some too); the log has no keys; a membership is what makes a user belong.
    // What is attached names any kind of record: its right is asked for in every statement.
    let free = [
        ("comments", "target_id"),
        ("reactions", "target_id"),
        ("files", "target_id"),
        ("memberships", "user_id"),
        ("memberships", "invited_by_id"),
        ("refresh_tokens", "user_id"),
        ("outbox", "message_id"),
        ("journal_entries", "source_id"),
        ("idempotency_keys", "user_id"),
        ("api_keys", "user_id"),
        ("lead_stage_events", "by_id"),
        // Triggers hold these.
        ("transactions", "related_payment_id"),
        ("leads", "party_id"),
        ("invoices", "quotation_id"),
        ("invoices", "lead_id"),
        ("invoices", "recurring_id"),
        ("audit_log", "actor_id"),
        ("audit_log", "target_id"),
        ("audit_log", "request_id"),
    ];
    let mut tried = 0;
    for (table, column, target) in found.expect("the keys") {
        if free.contains(&(table.as_str(), column.as_str())) {
            continue;
        }
        assert!(!target.is_empty(), "{table}.{column} has no key that holds it within its business");
        // They have their key; but no row of these is made without all that belongs to it, which `payments` does.
        if table == "allocations" || (table.as_str(), column.as_str()) == ("payments", "void_entry_id") {
            continue;
        }
        let of = |rows: &Rows| *rows.get(target.as_str()).unwrap_or_else(|| panic!("the test makes no row of {target}"));
        let (own, foreign) = (of(&here), of(&there));
        for (business, id, fits) in [(1, own, true), (1, foreign, false), (abroad, own, false), (abroad, foreign, true)] {
            tried += 1;
            let rows = if business == 1 { here.clone() } else { there.clone() };
            let user = if business == 1 { admin } else { foreigner };
            let (table_name, column_name) = (table.clone(), column.clone());
            let outcome = server.app.db.write_blocking(server.app.system(), move |tx| {
                let user =
                    if column_name == "user_id" { user } else { tx.insert("users", vec![("username", format!("extra{tried}").into())])? };
                insert(tx, &table_name, &column_name, business, id, user, &rows, tried)
            });
            assert_eq!(outcome.is_ok(), fits, "{table}.{column} = {id} ({target}) in business {business}: {outcome:?}");
            if let Err(error) = outcome {
                assert!(
                    error.to_string().to_lowercase().contains("exist") || format!("{error:?}").to_lowercase().contains("foreign"),
                    "{table}.{column}: {error:?}"
                );
            }
        }
    }
    assert!(tried >= 80, "only {tried} rows were tried");
}

/// Inserts a row of a table with a reference that is put to the test, and everything else as it must be.
#[expect(clippy::too_many_arguments, reason = "what a row consists of")]
fn insert(tx: &mut Writer<'_>, table: &str, column: &str, business: i64, id: i64, user: i64, rows: &Rows, n: usize) -> Result<i64> {
    let column: &'static str = column.to_owned().leak();
    let table: &'static str = table.to_owned().leak();
    let name = Value::from(format!("n{n}"));
    let now = Value::from(tx.now().to_string());
    let mut values: Vec<(&str, Value)> = match table {
        "memberships" => vec![("user_id", user.into())],
        // Somebody has one profile at a time.
        "customer_profiles" | "staff_profiles" => {
            tx.update(table, rows[table], vec![("deleted_at", now.clone())])?;
            let member = tx.insert("users", vec![("username", format!("member{n}").into())])?;
            tx.insert("memberships", vec![("business_id", business.into()), ("user_id", member.into())])?;
            vec![("user_id", member.into())]
        }
        "reactions" => {
            vec![
                ("target_type", "comment".into()),
                ("target_id", rows["comments"].into()),
                ("emoji", "👍".into()),
                ("user_id", user.into()),
            ]
        }
        "parties" => {
            // Somebody signs in for one party at a time.
            tx.update(table, rows[table], vec![("deleted_at", now.clone())])?;
            vec![("name", name), ("currency", "USD".into())]
        }
        "transactions" => {
            let other = || vec![("name", name.clone()), ("currency", "USD".into()), ("allow_negative", true.into())];
            let mut values: Vec<(&str, Value)> = vec![
                ("type", "transfer".into()),
                ("amount", 1.into()),
                ("currency", "USD".into()),
                ("to_amount", 1.into()),
                ("to_currency", "USD".into()),
                ("to_account_id", rows["accounts"].into()),
                ("date", "2026-02-01".into()),
            ];
            let mut account = other();
            account.push(("business_id", business.into()));
            values.push(("account_id", tx.insert("accounts", account)?.into()));
            if column == "account_id" {
                // From the account that is put to the test to another.
                let mut account = vec![("name", format!("{n} to").into()), ("currency", "USD".into()), ("allow_negative", true.into())];
                account.push(("business_id", business.into()));
                let to = tx.insert("accounts", account)?;
                values.retain(|(known, _)| *known != "to_account_id");
                values.push(("to_account_id", to.into()));
            }
            if column == "goal_id" {
                values.retain(|(known, _)| !known.starts_with("to_") && *known != "type");
                values.push(("type", "income".into()));
            }
            values
        }
        "journal_entries" => vec![
            ("number", (1_000_000 + i64::try_from(n).unwrap_or_default()).into()),
            ("date", "2026-02-01".into()),
            ("source_type", "manual".into()),
            ("source_id", 0.into()),
        ],
        "invoices" => invoice(rows["parties"], if column == "corrects_id" { "credit_note" } else { "invoice" }),
        "invoice_items" => {
            let mut head = invoice(rows["parties"], "invoice");
            head.push(("business_id", business.into()));
            let sums =
                ["gross", "discount_amount", "amount", "doc_discount_share", "net_amount", "tax_amount"].map(|name| (name, 0.into()));
            let invoice = tx.insert("invoices", head)?;
            // The items of one that is put to the test begin after those that it has.
            let position = 1_000 + i64::try_from(n).unwrap_or_default();
            let mut values = vec![("invoice_id", invoice.into()), ("position", position.into()), ("name", name), ("unit_cost", 0.into())];
            values.extend(sums);
            values
        }
        "recurring_invoice_items" => {
            let position = 1_000 + i64::try_from(n).unwrap_or_default();
            let of = ("recurring_invoice_id", rows["recurring_invoices"].into());
            let mut values = vec![of, ("position", position.into()), ("name", name), ("unit_cost", 0.into())];
            values.extend(
                ["gross", "discount_amount", "amount", "doc_discount_share", "net_amount", "tax_amount"].map(|name| (name, 0.into())),
            );
            values
        }
        "invoice_reminders" => {
            let mut head = invoice(rows["parties"], "invoice");
            head.push(("business_id", business.into()));
            let invoice = tx.insert("invoices", head)?;
            let day = i64::try_from(n).unwrap_or_default();
            vec![("invoice_id", invoice.into()), ("due_date", "2026-02-01".into()), ("day", day.into()), ("at", now)]
        }
        "payments" => {
            let mut values = payment(rows, name.clone());
            values.extend((column == "journal_entry_id").then_some(("number", name)));
            if column == "requisition_id" {
                // One that may be paid, by somebody who did not ask for it.
                let by = tx.insert("users", vec![("username", format!("decides{n}").into())])?;
                let approved = vec![("status", "approved".into()), ("approved_amount", 1.into()), ("amount", 1.into())];
                let decided = vec![("decided_by", by.into()), ("decided_at", now)];
                let fresh = requisition(tx, id)?;
                tx.update("requisitions", fresh, [approved, decided].concat())?;
                values.extend([("direction", "outgoing".into()), (column, fresh.into()), ("business_id", business.into())]);
                return tx.insert(table, values);
            }
            values
        }
        "requisition_items" => {
            let position = 1_000 + i64::try_from(n).unwrap_or_default();
            vec![
                ("requisition_id", rows["requisitions"].into()),
                ("position", position.into()),
                ("particular", name),
                ("unit_cost", 0.into()),
                ("amount", 0.into()),
            ]
        }
        // Each of a goal is somewhere else.
        "goal_milestones" => {
            let amount = 1_000 + i64::try_from(n).unwrap_or_default();
            vec![("goal_id", rows["goals"].into()), ("amount", amount.into()), ("currency", "USD".into())]
        }
        "journal_lines" => vec![
            ("entry_id", rows["journal_entries"].into()),
            ("account_id", rows["accounts"].into()),
            ("currency", "USD".into()),
            ("amount", 1.into()),
        ],
        "ledger_balances" => {
            vec![("account_id", rows["accounts"].into()), ("balance", 0.into()), ("last_date", "2026-02-01".into())]
        }
        "lead_stage_events" => vec![("lead_id", rows["leads"].into()), ("to_stage", "won".into()), ("at", now)],
        "branch_hours" => {
            let branch = tx.insert("branches", vec![("business_id", business.into()), ("name", name)])?;
            let opens = format!("{:02}:{:02}", n / 60, n % 60);
            vec![
                ("branch_id", branch.into()),
                ("position", 0.into()),
                ("weekday", 1.into()),
                ("opens", opens.into()),
                ("closes", "23:59".into()),
            ]
        }
        table => row(tx, by_table(table).unwrap_or_else(|| panic!("no resource keeps {table}")), &format!("n{n}"), rows, true)?,
    };
    values.retain(|(known, _)| *known != column);
    values.extend([("business_id", Value::from(business)), (column, id.into())]);
    tx.insert(table, values)
}

/// One more requisition of the business and the person of another.
fn requisition(tx: &mut Writer<'_>, like: i64) -> Result<i64> {
    let sql = "SELECT business_id, requested_by_id FROM requisitions WHERE id = ?1";
    let (home, asks): (i64, i64) = tx.row(sql, &[like.into()], |row| Ok((row.get(0)?, row.get(1)?)))?.expect("a requisition");
    let values = vec![("business_id", home.into()), ("requested_by_id", asks.into()), ("purpose", "Test".into())];
    let more = vec![("category", "travel".into()), ("amount", 1.into()), ("currency", "USD".into())];
    tx.insert("requisitions", [values, more].concat())
}

/// A draft of nothing.
fn invoice(party: i64, kind: &'static str) -> Vec<(&'static str, Value)> {
    let sums = ["prices_include_tax", "subtotal", "discount_total", "tax_total", "total"].map(|column| (column, 0.into()));
    let mut values = vec![("party_id", party.into()), ("kind", kind.into()), ("currency", "USD".into())];
    values.extend([("issue_date", "2026-02-01".into()), ("due_date", "2026-02-01".into())]);
    values.extend(sums);
    values
}

fn payment(rows: &Rows, name: Value) -> Vec<(&'static str, Value)> {
    let (party, account) = (rows["parties"].into(), rows["accounts"].into());
    let values = vec![("party_id", party), ("account_id", account), ("amount", 1.into()), ("currency", "USD".into())];
    [values, vec![("date", "2026-02-01".into()), ("reference", name)]].concat()
}

// ------------------------------------------------------------------------------------------------ switching

#[test]
fn a_header_switches_to_a_business_with_a_membership() {
    let server = Server::start();
    let abroad = server.business("Abroad");
    let (closed, gone, apart) = (server.business("Closed"), server.business("Gone"), server.business("Apart"));
    set(&server, "businesses", closed, "is_active", false);
    server.write(move |tx| tx.delete("businesses", gone));
    for (business, name) in [(1, "home"), (abroad, "abroad"), (apart, "apart")] {
        server.write(move |tx| tx.insert("departments", vec![("business_id", business.into()), ("name", name.into())]));
    }
    let both = server.member("both", Role::Agent);
    join(&server, both.id, abroad, Role::Admin);
    join(&server, both.id, closed, Role::Admin);
    join(&server, both.id, gone, Role::Admin);
    let departments = "/api/accounts/departments/";

    assert_eq!(names(&both, departments), ["home"], "the first business is the default");
    both.post(departments, json!({"name": "x"})).expect(403);
    let key = uuid(&server, "businesses", abroad);
    for key in [abroad.to_string(), format!(" {abroad} "), key.clone(), key.to_uppercase()] {
        let switched = both.with("x-business-id", &key);
        assert_eq!(names(&switched, departments), ["abroad"], "X-Business-Id: {key}");
        let me = switched.get("/api/users/me/").expect(200);
        assert_eq!((&me["role"], &me["business"]["id"]), (&json!("admin"), &json!(abroad)), "X-Business-Id: {key}");
    }
    // What is written then is written there, and only there.
    let made = both.with("x-business-id", &key).create(departments, json!({"name": "made"}));
    let business: Option<i64> = server
        .app
        .db
        .read(|reader| reader.one("SELECT business_id FROM departments WHERE id = ?1", &[made["id"].as_i64().into()]))
        .expect("a row");
    assert_eq!(business, Some(abroad));
    both.get(&format!("{departments}{}/", made["id"])).expect(404);

    let unknown = "01890000-0000-7000-8000-000000000000".to_owned();
    let mut refused =
        vec![apart.to_string(), closed.to_string(), gone.to_string(), MISSING.to_string(), uuid(&server, "businesses", apart), unknown];
    refused.extend(["abc", "", "0", "-1", "1 OR 1=1", "1,2", "9223372036854775808"].map(str::to_owned));
    for key in refused {
        for path in [departments, "/api/users/me/"] {
            let answer = both.with("x-business-id", &key).get(path);
            assert_eq!(
                (answer.status, &answer.json()["code"]),
                (403, &json!("permission_denied")),
                "X-Business-Id: {key}: {} {}",
                answer.call,
                answer.text
            );
        }
    }
    assert_eq!(server.client().with("x-business-id", "1").get(departments).status, 401, "a header proves nothing");

    // A membership that is suspended, ended or only offered is none.
    for status in ["suspended", "ended", "invited"] {
        set(&server, "memberships", membership(&server, both.id, abroad), "status", status);
        assert_eq!(both.with("x-business-id", &abroad.to_string()).get(departments).status, 403, "a membership that is {status}");
    }
}

/// A header that is no text is garbage, not no header.
#[test]
fn a_header_that_is_no_text_is_refused() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).expect("a connection");
    let token = admin.token.as_deref().expect("a token");
    let head = format!(
        "GET /api/accounts/departments/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nX-Business-Id: "
    );
    stream.write_all(&[head.as_bytes(), b"\xe9", b"\r\n\r\n"].concat()).expect("sent");
    let mut answer = vec![];
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[test]
fn a_superuser_may_switch_to_any_business_and_nobody_without_a_business_sees_any() {
    let server = Server::start();
    let abroad = server.business("Abroad");
    let closed = server.business("Closed");
    set(&server, "businesses", closed, "is_active", false);
    for (business, name) in [(1, "home"), (abroad, "abroad"), (closed, "closed")] {
        server.write(move |tx| tx.insert("departments", vec![("business_id", business.into()), ("name", name.into())]));
    }
    let departments = "/api/accounts/departments/";
    let user = |name: &'static str, superuser: bool| {
        server.write(move |tx| tx.insert("users", vec![("username", name.into()), ("is_superuser", superuser.into())]))
    };
    let (root, _) = session(&server, user("root", true), Opening::default());
    assert_eq!(names(&root, departments), ["home"]);
    let switched = root.with("x-business-id", &abroad.to_string());
    assert_eq!(names(&switched, departments), ["abroad"]);
    switched.create(departments, json!({"name": "made"}));
    assert_eq!(names(&root.with("x-business-id", &uuid(&server, "businesses", abroad)), departments), ["abroad", "made"]);
    for key in [closed, MISSING] {
        assert_eq!(root.with("x-business-id", &key.to_string()).get(departments).status, 403, "business {key}");
    }
    set(&server, "users", root.id, "is_superuser", false);
    assert_eq!(switched.get(departments).status, 403, "no longer a superuser");

    // No business is not all businesses.
    let (nobody, _) = session(&server, user("nobody", false), Opening::default());
    assert_eq!(nobody.get("/api/users/me/").expect(200)["business"], Json::Null);
    for (method, path) in operations().into_iter().filter(|(method, path)| {
        !path.contains("{id}") && (method == "GET" || resources::all().iter().any(|d| *path == format!("/api/{}/", d.about.path)))
    }) {
        // Which businesses there are for them: none.
        if method == "GET" && path == "/api/businesses/" {
            assert_eq!(nobody.get(&path).expect(200)["count"], 0);
            continue;
        }
        if ["/api/auth/", "/api/users/", "/api/v1/"].iter().any(|prefix| path.starts_with(prefix)) {
            continue;
        }
        for client in [&nobody, &root] {
            let body = (method == "POST").then(|| ("application/json", b"{}".to_vec()));
            assert_eq!(client.send(&method, &path, body).status, 403, "{method} {path}");
        }
    }
    nobody.get(&format!("/api/accounts/users-list/{}/", nobody.id)).expect(403);
}

/// The document's operations.
fn operations() -> Vec<(String, String)> {
    let document = crate::support::document();
    let mut all = vec![];
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let methods = methods.as_object().expect("methods").keys();
        all.extend(
            methods
                .filter(|method| ["get", "post", "put", "patch", "delete"].contains(&method.as_str()))
                .map(|method| (method.to_uppercase(), path.clone())),
        );
    }
    all
}

// ------------------------------------------------------------------------------------------------ branches

#[test]
fn managers_and_staff_of_a_branch_see_its_staff_only() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let branch = |name: &str| admin.create("/api/accounts/branches/", json!({"name": name}))["id"].as_i64().expect("an id");
    let (here, there) = (branch("here"), branch("there"));
    let profile = |name: &str, branch: Option<i64>| {
        admin.create("/api/accounts/staff-profiles/", json!({"name": name, "branch": branch}))["id"].clone()
    };
    let (near, far, none) = (profile("near", Some(here)), profile("far", Some(there)), profile("none", None));
    let (near_gone, far_gone) = (profile("near gone", Some(here)), profile("far gone", Some(there)));
    for gone in [&near_gone, &far_gone] {
        assert_eq!(admin.delete(&format!("/api/accounts/staff-profiles/{gone}/")).status, 204);
    }
    let path = "/api/accounts/staff-profiles/";
    let mut wrong = vec![];
    for role in [Role::Manager, Role::Staff] {
        let limited = server.member(role.name(), role);
        set(&server, "memberships", membership(&server, limited.id, 1), "branch_id", here);
        let mut expect = |what: &str, found: Json, expected: Json| {
            if found != expected {
                wrong.push(format!("{}, {what}: {found} instead of {expected}", role.name()));
            }
        };
        expect("list", json!(names(&limited, path)), json!(["near"]));
        expect("count", limited.get(path).expect(200)["count"].clone(), json!(1));
        expect("search", json!(names(&limited, &format!("{path}?search=far"))), json!([]));
        expect("filter", limited.get(&format!("{path}?branch={there}")).json()["count"].clone(), json!(0));
        let minimal = limited.get(&format!("{path}minimal/")).expect(200);
        expect(
            "minimal",
            json!(minimal["results"].as_array().into_iter().flatten().map(|row| &row["label"]).collect::<Vec<_>>()),
            json!(["near"]),
        );
        let chart = limited.get("/api/accounts/org-chart/").expect(200);
        expect(
            "chart",
            json!(chart["staff"].as_array().into_iter().flatten().map(|row| &row["name"]).collect::<Vec<_>>()),
            json!(["near"]),
        );
        for (id, status) in [(&near, 200), (&far, 404), (&none, 404)] {
            expect("one", json!(limited.get(&format!("{path}{id}/")).status), json!(status));
            expect("history", json!(limited.get(&format!("{path}{id}/history/")).status), json!(status));
        }
        if role == Role::Manager {
            expect("deleted", json!(names(&limited, &format!("{path}deleted/"))), json!(["near gone"]));
            expect(
                "with the deleted",
                json!(names(&limited, &format!("{path}?include_deleted=true&ordering=name"))),
                json!(["near", "near gone"]),
            );
            expect("change", json!(limited.patch(&format!("{path}{far}/"), json!({"work_phone": "1"})).status), json!(404));
            expect("delete", json!(limited.delete(&format!("{path}{far}/")).status), json!(404));
            expect("restore", json!(limited.send("POST", &format!("{path}{far_gone}/restore/"), None).status), json!(404));
        }
    }
    // Others with a branch are not limited by it.
    let agent = server.member("agent", Role::Agent);
    set(&server, "memberships", membership(&server, agent.id, 1), "branch_id", here);
    assert_eq!(names(&agent, &format!("{path}?ordering=name")), ["far", "near", "none"]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// ------------------------------------------------------------------------------------------------ rights

#[test]
fn a_one_time_code_gives_a_citizens_rights_whatever_the_account_may_do() {
    let server = Server::start();
    let abroad = server.business("Abroad");
    let how = Opening { citizen: true, rotates: true, ..Opening::default() };
    for full in [server.member("admin", Role::Admin), server.superuser("root")] {
        full.get("/api/field/leads/").expect(200);
        let (citizen, refresh) = session(&server, full.id, how);
        let renewed = server.client().post("/api/auth/token/refresh/", json!({"refresh": refresh})).expect(200);
        let renewed = citizen.with_token(renewed["access"].as_str().expect("a token"));
        for client in [&citizen, &renewed, &citizen.with("x-business-id", "1")] {
            let me = client.get("/api/auth/me/").expect(200);
            assert_eq!((&me["role"], &me["is_staff"]), (&json!("citizen"), &json!(false)), "{me}");
            for path in [
                "field/leads/",
                "field/leads/hot/",
                "accounts/departments/",
                "accounts/users-list/",
                "accounts/org-chart/",
                "accounts/departments/deleted/",
            ] {
                assert_eq!(client.get(&format!("/api/{path}")).status, 403, "{path}");
            }
            assert_eq!(client.post("/api/accounts/departments/", json!({"name": "x"})).status, 403);
            client.get(&format!("/api/accounts/users-list/{}/", full.id)).expect(200);
        }
        // Without a membership there is nothing to switch to, for a citizen.
        let answer = citizen.with("x-business-id", &abroad.to_string()).get("/api/auth/me/");
        assert_eq!(answer.status, 403, "{}", answer.text);
    }
}

#[test]
fn a_change_of_rights_holds_from_the_next_request() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    admin.create("/api/accounts/departments/", json!({"name": "x"}));
    let leads = "/api/field/leads/";
    let own = |client: &Client| membership(&server, client.id, 1);

    // Roles, down and up; what a client has kept is not said to be still good.
    let person = server.member("person", Role::Agent);
    admin.create(leads, json!({"business_name": "b", "contact_phone": "1"}));
    let first = person.get(leads);
    assert_eq!(first.expect(200)["count"], 0);
    set(&server, "memberships", own(&person), "role", "manager");
    let again = person.with("if-none-match", first.header("etag").expect("an ETag")).get(leads);
    assert_eq!(again.expect(200)["count"], 1);
    assert_eq!(person.get("/api/users/me/").expect(200)["role"], "manager");
    set(&server, "memberships", own(&person), "role", "customer");
    for answer in [person.get(leads), person.with("if-none-match", again.header("etag").expect("an ETag")).get(leads)] {
        assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("permission_denied")));
    }

    // Capabilities.
    let staff = server.member("staff", Role::Staff);
    let make = |name: &str| staff.post("/api/accounts/departments/", json!({"name": name})).status;
    assert_eq!(make("one"), 403);
    set(&server, "memberships", own(&staff), "capabilities", "[\"hr\"]");
    assert_eq!(make("two"), 201);
    set(&server, "memberships", own(&staff), "capabilities", "[]");
    assert_eq!(make("three"), 403);

    // Memberships, and the business.
    for status in ["suspended", "ended"] {
        let client = server.member(status, Role::Admin);
        client.get(leads).expect(200);
        set(&server, "memberships", own(&client), "status", status);
        assert_eq!(client.get(leads).status, 403, "{status}");
        assert_eq!(client.post(leads, json!({"business_name": "b", "contact_phone": "1"})).status, 403, "{status}");
        set(&server, "memberships", own(&client), "status", "active");
        client.get(leads).expect(200);
    }

    // The account.
    for (name, column, value, code) in [
        ("inactive", "is_active", Value::from(false), "user_inactive"),
        ("removed", "deleted_at", "2026-03-02T09:00:00.000Z".into(), "user_not_found"),
    ] {
        let client = server.member(name, Role::Admin);
        client.get(leads).expect(200);
        set(&server, "users", client.id, column, value);
        for answer in [client.get(leads), client.get("/api/users/me/"), client.post(leads, json!({}))] {
            assert_eq!((answer.status, &answer.json()["code"]), (401, &json!(code)), "{name}: {}", answer.call);
        }
    }
    let client = server.member("forgetful", Role::Admin);
    let (other, refresh) = session(&server, client.id, Opening { rotates: true, ..Opening::default() });
    let id = client.id;
    server.write(move |tx| account::set_password(tx, id, "*"));
    for one in [&client, &other] {
        let answer = one.get(leads);
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("password_changed")));
    }
    assert_eq!(
        server.client().post("/api/auth/token/refresh/", json!({"refresh": refresh})).status,
        401,
        "a refresh token outlives its password"
    );

    set(&server, "businesses", 1, "is_active", false);
    assert_eq!(admin.get(leads).status, 403, "the business is closed");
}

// ------------------------------------------------------------------------------------------------ the canary

#[test]
fn nothing_of_another_business_appears_in_any_answer() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let root = server.superuser("root");
    let abroad = server.business("Abroad");
    // Somebody who belongs to both, and somebody who belongs to the other alone.
    let both = server.member("both", Role::Agent);
    join(&server, both.id, abroad, Role::Admin);
    let foreigner = server.member_with("zqcanary", Role::Admin, abroad, &[]);
    let here = filled(&server, 1, admin.id, "here");
    let there = filled(&server, abroad, foreigner.id, CANARY);
    let shared = filled_for_both(&server, abroad, both.id);
    for (table, id) in shared {
        server.write(move |tx| tx.delete(table, id));
    }
    // Every text of the other business is the canary: a new field is not forgotten.
    for d in writable().into_iter() {
        for field in d.fields.iter().filter(|field| matches!(field.kind, Kind::Text | Kind::Email | Kind::Texts)) {
            if is_apart(d, field) {
                continue;
            }
            let sql = format!("SELECT {} FROM {} WHERE id = ?1", field.column, d.about.table);
            let stored: Option<Option<String>> =
                server.app.db.read(|reader| reader.one(&sql, &[there[d.about.table].into()])).expect("a query of the test");
            assert!(stored.flatten().is_some_and(|text| text.contains(CANARY)), "{}.{} has no canary", d.about.table, field.name);
        }
    }
    let document = crate::support::document();
    let (mut asked, mut wrong) = (0, vec![]);
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let Some(operation) = methods.get("get") else { continue };
        let d = resources::all().iter().find(|d| path.starts_with(&format!("/api/{}/", d.about.path)));
        let mut calls = vec![];
        match d {
            Some(d) if path.contains("{id}") => {
                let (own, foreign) = (here[d.about.table], there[d.about.table]);
                calls.extend(
                    [own.to_string(), foreign.to_string(), uuid(&server, d.about.table, foreign)].map(|key| path.replace("{id}", &key)),
                );
            }
            _ => {
                calls.extend([path.clone(), format!("{path}?include_deleted=true&page_size=100")]);
                for parameter in parameters(document, operation).into_iter().filter(|one| one["in"] == "query") {
                    let name = parameter["name"].as_str().expect("a name");
                    calls.extend(values(&parameter["schema"], &there).iter().map(|value| format!("{path}?page_size=100&{name}={value}")));
                }
            }
        }
        if path.starts_with("/api/comments/") || path.starts_with("/api/files/") {
            // They are listed for one record: one here, one there.
            let about =
                |lead: i64, call: &String| format!("{call}{}target_type=lead&target_id={lead}", if call.contains('?') { "&" } else { "?" });
            calls = [here["leads"], there["leads"]].iter().flat_map(|lead| calls.iter().map(|call| about(*lead, call))).collect();
        }
        for call in calls {
            // What is asked for by a parameter, both ask for in turns.
            let clients: &[&Client] = match asked % 2 {
                _ if !call.contains("page_size=100&") => &[&admin, &root],
                0 => &[&admin],
                _ => &[&root],
            };
            for client in clients {
                let answer = client.get(&call);
                asked += 1;
                // A refusal may repeat what was asked for, and so does a search.
                let found = if path == "/api/search/" { answer.json()["results"].to_string() } else { answer.text.clone() };
                let leaks = found.contains(CANARY) && answer.status != 400;
                if leaks || answer.status >= 500 {
                    wrong.push(format!("{call}: {} {}", answer.status, answer.text));
                }
                if call.contains("q=zqcan") && ![&answer.json(), &answer.json()["results"]].contains(&&json!([])) {
                    wrong.push(format!("{call} finds: {}", answer.text));
                }
                // Of a file there is nothing but the headings.
                let finds = |answer: &Answer| match call.contains("/export/") {
                    true => answer.text.lines().count() > 1,
                    false => answer.json()["count"] != 0,
                };
                let searches = (call.contains(CANARY) || call.contains("zqcan")) && call.contains("search=");
                if searches && answer.status != 400 && finds(&answer) {
                    wrong.push(format!("{call} counts: {}", answer.text));
                }
            }
        }
    }
    assert!(asked > 500, "only {asked} answers were looked at");
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.into_iter().take(20).collect::<Vec<_>>().join("\n"));
    // The canary does sing, where it lives.
    let (comments, files) = (format!("field/leads/{}/comments/", there["leads"]), format!("field/leads/{}/files/", there["leads"]));
    for path in ["accounts/departments/", "field/leads/", "accounts/users-list/", &comments, &files] {
        assert!(foreigner.get(&format!("/api/{path}")).text.contains(CANARY), "{path}");
    }
    let found = foreigner.get(&format!("/api/search/?q={CANARY}")).expect(200);
    assert!(found["results"].as_array().is_some_and(|groups| groups.len() >= 8), "{found}");
}

/// What a parameter is tried with: every number that a row there has, its texts, and what holds for everything; of that, what the
/// parameter takes.
fn values(schema: &Json, rows: &Rows) -> BTreeSet<String> {
    let numbers = || rows.values().map(i64::to_string);
    let of_schema = |schema: &Json| -> Option<Vec<String>> {
        let names = schema["enum"].as_array().map(|names| names.iter().filter_map(Json::as_str).map(str::to_owned).collect());
        names.or_else(|| match schema["type"].as_str()? {
            "integer" | "number" => Some(numbers().collect()),
            "boolean" => Some(["true", "false"].map(str::to_owned).to_vec()),
            _ => None,
        })
    };
    let anything = || {
        let words = [CANARY, "zqcan", "true", "false", "2026-03-02", "admin", "open", "planned", "prospect"];
        numbers().chain(words.map(str::to_owned)).collect()
    };
    of_schema(schema).filter(|values| !values.is_empty()).unwrap_or_else(anything).into_iter().collect()
}

/// A profile there of somebody who belongs to both, and a zone they manage there.
fn filled_for_both(server: &Server, business: i64, user: i64) -> Rows {
    server.write(move |tx| {
        let within = || vec![("business_id", Value::from(business)), ("created_by", user.into())];
        let (mut profile, mut zone, mut lead) = (within(), within(), within());
        profile.extend([("user_id", user.into()), ("name", "zqcanary two".into()), ("employee_no", "zqcanary2".into())]);
        zone.extend([("name", "zqcanary two".into()), ("manager_id", user.into())]);
        tx.insert("staff_profiles", profile)?;
        tx.insert("zones", zone)?;
        lead.extend([
            ("business_name", "zqcanary two".into()),
            ("contact_phone", "1".into()),
            ("currency", "USD".into()),
            ("assigned_rep_id", user.into()),
        ]);
        Ok(Rows::from([("leads", tx.insert("leads", lead)?)]))
    })
}

#[test]
fn a_manager_of_a_branch_writes_in_that_branch_only() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let [here, there] =
        ["Here", "There"].map(|name| admin.create("/api/accounts/branches/", json!({"name": name}))["id"].as_i64().expect("an id"));
    let manager = server.member("mona", Role::Manager);
    let id = manager.id;
    server.write(move |tx| {
        let membership: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[id.into()])?.expect("a membership");
        tx.update("memberships", membership, vec![("branch_id", here.into())])
    });
    let path = "/api/accounts/staff-profiles/";
    let mine = manager.create(path, json!({"name": "Near", "branch": here}));
    for (what, answer) in [
        ("made elsewhere", manager.post(path, json!({"name": "Far", "branch": there}))),
        ("made nowhere", manager.post(path, json!({"name": "Nowhere"}))),
        ("moved away", manager.patch(&format!("{path}{}/", mine["id"]), json!({"branch": there}))),
    ] {
        assert_eq!(answer.status, 403, "{what}: {}", answer.text);
    }
    assert_eq!(admin.get(path).expect(200)["count"], 1, "nothing of it is stored");
}
