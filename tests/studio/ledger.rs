//! The books: what is posted for what, what nobody can do to them, and how it is found out if somebody does.

use std::collections::BTreeMap;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use rusqlite::Connection;
use serde_json::{Value as Json, json};
use studio::{
    actor::{Capability, Role},
    cli::control,
    db::{self, Fault, Reader},
    error::{Error, Result},
    jobs,
    kit::Date,
    resources::finance::{
        check,
        ledger::{self, AccountClass, Line, Posting},
    },
};

use crate::support::{Client, Server};

const TRANSACTIONS: &str = "/api/finance/transactions/";
const ACCOUNTS: &str = "/api/finance/accounts/";
const JOURNAL: &str = "/api/finance/journal/";

/// A connection past the program, on which the database's own rules hold all the same.
pub fn behind(server: &Server) -> Connection {
    let connection = Connection::open(db::file_in(&server.app.config.data.folder)).expect("a connection");
    connection.pragma_update(None, "foreign_keys", true).expect("a pragma");
    connection.pragma_update(None, "recursive_triggers", true).expect("a pragma");
    connection
}

#[track_caller]
fn refused(connection: &Connection, sql: &str, words: &str) {
    let error = connection.execute_batch(sql).err().map(|error| error.to_string()).unwrap_or_default();
    let _ = connection.execute_batch("ROLLBACK");
    assert!(error.contains(words), "{sql}: {error:?} instead of {words:?}");
}

fn account(client: &Client, name: &str, kind: &str, currency: &str, opening: &str) -> i64 {
    let body = json!({"name": name, "type": kind, "currency": currency, "opening_balance": opening});
    client.create(ACCOUNTS, body)["id"].as_i64().expect("an id")
}

fn balance(client: &Client, account: i64) -> String {
    client.get(&format!("{ACCOUNTS}{account}/")).expect(200)["balance"].as_str().expect("a balance").to_owned()
}

/// The lines of an entry: what each account is called, and how much.
fn lines(client: &Client, entry: &Json) -> Vec<(String, String, String)> {
    let entry = client.get(&format!("{JOURNAL}{entry}/")).expect(200);
    let text = |line: &Json, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let mut lines: Vec<_> = entry["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| (text(line, "account_name"), text(line, "currency"), text(line, "amount")))
        .collect();
    lines.sort();
    lines
}

fn line(name: &str, currency: &str, amount: &str) -> (String, String, String) {
    (name.into(), currency.into(), amount.into())
}

/// Posts as the program in the first business.
fn post(server: &Server, lines: Vec<Line>, date: &'static str) -> Result<i64> {
    let posting = Posting { date: Date::parse(date).expect("a date"), memo: "test".into(), source: ("manual", 0), lines, reverses: None };
    let actor = control::program(&server.app).expect("the program");
    server.app.db.write_blocking(actor, move |tx| ledger::post(tx, posting.clone()))
}

fn number(server: &Server, sql: &str) -> i64 {
    server.app.db.read(|reader| reader.one(sql, &[])).expect("a query of the test").expect("a row")
}

/// Nothing is wrong with the books.
#[track_caller]
fn in_order(server: &Server) {
    let problems = problems(server);
    assert!(problems.is_empty(), "{problems:?}");
}

fn problems(server: &Server) -> Vec<(&'static str, String)> {
    let findings = server.app.db.read(check::run).expect("the checks run");
    findings.into_iter().flat_map(|finding| finding.problems.into_iter().map(move |problem| (finding.name, problem))).collect()
}

// ------------------------------------------------------------------------------------------------ what is posted

#[test]
fn the_cash_book_posts_by_its_rules() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let (cash, bank) = (account(&admin, "Till", "cash", "USD", "100.00"), account(&admin, "Bank", "bank", "USD", "0"));
    let shillings = account(&admin, "Wallet", "mtn_money", "UGX", "0");
    let posted = |body: Json| {
        let made = admin.create(TRANSACTIONS, body);
        assert_eq!((&made["state"], &made["version"]), (&json!("posted"), &json!(1)));
        lines(&admin, &made["journal_entry"])
    };
    assert_eq!(
        posted(json!({"type": "income", "amount": "500.00", "transaction_charge": "1.50", "account": cash, "category": "training"})),
        [line("Bank charges", "USD", "1.50"), line("Till", "USD", "498.50"), line("Training", "USD", "-500.00")]
    );
    assert_eq!(
        posted(json!({"type": "expense", "amount": 20, "transaction_charge": "0.25", "account": cash})),
        [line("Bank charges", "USD", "0.25"), line("Miscellaneous", "USD", "20.00"), line("Till", "USD", "-20.25")]
    );
    assert_eq!(
        posted(json!({"type": "transfer", "amount": "100", "transaction_charge": "1", "account": cash, "to_account": bank})),
        [line("Bank", "USD", "100.00"), line("Bank charges", "USD", "1.00"), line("Till", "USD", "-101.00")]
    );
    // Each currency is balanced by itself, and amounts are read in the account's.
    assert_eq!(
        posted(json!({"type": "transfer", "amount": "10.50", "account": bank, "to_account": shillings, "to_amount": "38850"})),
        [
            line("Bank", "USD", "-10.50"),
            line("Currency exchange", "UGX", "-38850"),
            line("Currency exchange", "USD", "10.50"),
            line("Wallet", "UGX", "38850"),
        ]
    );
    let last = admin.get(&format!("{TRANSACTIONS}?type=transfer&ordering=-created_at")).expect(200);
    let shown = last["results"].as_array().expect("rows").iter().find(|row| row["to_currency"] == "UGX").expect("the exchange").clone();
    assert_eq!((&shown["amount"], &shown["to_amount"]), (&json!("10.50"), &json!("38850")));
    assert_eq!(
        (balance(&admin, cash).as_str(), balance(&admin, bank).as_str(), balance(&admin, shillings).as_str()),
        ("477.25", "89.50", "38850")
    );
    for (body, wrong) in [
        (json!({"type": "income", "amount": "0", "account": cash}), "amount"),
        (json!({"type": "income", "amount": "1.005", "account": cash}), "amount"),
        (json!({"type": "income", "amount": "38.5", "account": shillings}), "amount"),
        (json!({"type": "income", "amount": "1", "transaction_charge": "1", "account": cash}), "transaction_charge"),
        (json!({"type": "expense", "amount": "1", "transaction_charge": "-1", "account": cash}), "transaction_charge"),
        (json!({"type": "expense", "amount": "1", "account": cash, "category": "no_such"}), "category"),
        (json!({"type": "expense", "amount": "1", "account": cash, "to_account": bank}), "to_account"),
        (json!({"type": "transfer", "amount": "1", "account": cash}), "to_account"),
        (json!({"type": "transfer", "amount": "1", "account": cash, "to_account": cash}), "to_account"),
        (json!({"type": "transfer", "amount": "1", "account": cash, "to_account": shillings}), "to_amount"),
        (json!({"type": "transfer", "amount": "1", "account": cash, "to_account": bank, "to_amount": "2"}), "to_amount"),
        (json!({"type": "transfer", "amount": "1", "account": cash, "to_account": bank, "category": "training"}), "category"),
        (json!({"type": "income", "amount": "1", "account": cash, "state": "reversed"}), "state"),
    ] {
        let answer = admin.post(TRANSACTIONS, body.clone());
        assert!(answer.status == 400 && answer.json()[wrong].is_array(), "{body}: {} {}", answer.status, answer.text);
    }
    in_order(&server);
}

#[test]
fn a_transaction_is_reversed_once_and_stays_what_it_was() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let cash = account(&admin, "Till", "cash", "USD", "0");
    let made = admin.create(TRANSACTIONS, json!({"type": "income", "amount": "500", "transaction_charge": "1.50", "account": cash}));
    let path = format!("{TRANSACTIONS}{}/", made["id"]);
    // Described better, and nothing else.
    admin.patch(&path, json!({"description": "Lessons", "reference": "R-1"})).expect(200);
    for change in [json!({"amount": "501"}), json!({"category": "training"}), json!({"date": "2026-01-01"}), json!({"state": "draft"})] {
        assert_eq!(admin.patch(&path, change).expect(409)["code"], "immutable");
    }
    let reversed = admin.post(&format!("{path}reverse/"), json!({"reason": "typed twice"})).expect(200);
    assert_eq!(reversed["state"], "reversed");
    assert_eq!(
        lines(&admin, &reversed["reversal_entry"]),
        [line("Bank charges", "USD", "-1.50"), line("Miscellaneous", "USD", "500.00"), line("Till", "USD", "-498.50")]
    );
    assert_eq!(balance(&admin, cash), "0.00");
    assert_eq!(admin.post(&format!("{path}reverse/"), json!({})).expect(409)["code"], "already_reversed");
    assert_eq!(admin.delete(&path).expect(409)["code"], "already_reversed");
    // What is deleted once it is posted is reversed; a draft goes.
    let other = admin.create(TRANSACTIONS, json!({"type": "income", "amount": "7", "account": cash}));
    admin.delete(&format!("{TRANSACTIONS}{}/", other["id"])).expect(204);
    assert_eq!(admin.get(&format!("{TRANSACTIONS}{}/", other["id"])).expect(200)["state"], "reversed");
    let draft = admin.create(TRANSACTIONS, json!({"type": "income", "amount": "7", "account": cash, "state": "draft"}));
    let draft_path = format!("{TRANSACTIONS}{}/", draft["id"]);
    assert_eq!((&draft["journal_entry"], balance(&admin, cash).as_str()), (&Json::Null, "0.00"));
    admin.patch(&draft_path, json!({"amount": "8", "state": "posted"})).expect(200);
    assert_eq!(balance(&admin, cash), "8.00");
    let draft = admin.create(TRANSACTIONS, json!({"type": "income", "amount": "7", "account": cash, "state": "draft"}));
    admin.delete(&format!("{TRANSACTIONS}{}/", draft["id"])).expect(204);
    admin.get(&format!("{TRANSACTIONS}{}/", draft["id"])).expect(404);
    // Sent twice, stored once.
    let body = json!({"type": "income", "amount": "5", "account": cash, "client_ref": "phone-1"});
    let (first, again) = (admin.create(TRANSACTIONS, body.clone()), admin.create(TRANSACTIONS, body));
    assert_eq!((&first["id"], balance(&admin, cash).as_str()), (&again["id"], "13.00"));
    in_order(&server);
}

#[test]
fn entries_by_hand_are_posted_and_reversed() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let (cash, bank) = (account(&admin, "Till", "cash", "USD", "0"), account(&admin, "Bank", "bank", "USD", "0"));
    let party = admin.create("/api/finance/parties/", json!({"name": "Duka"}))["id"].clone();
    let chart = admin.get(&format!("{ACCOUNTS}?class=asset&type=receivable")).expect(200);
    let receivable = chart["results"][0]["id"].clone();
    let entry = |lines: Json| json!({"memo": "by hand", "lines": lines});
    let made =
        admin.post(JOURNAL, entry(json!([{"account": cash, "debit": "10"}, {"account": bank, "credit": 10, "memo": "out"}]))).expect(201);
    assert_eq!((&made["source_type"], made["lines"].as_array().map(Vec::len)), (&json!("manual"), Some(2)));
    let owed =
        admin.post(JOURNAL, entry(json!([{"account": receivable, "amount": "25", "party": party}, {"account": bank, "amount": "-25"}])));
    owed.expect(201);
    let shown = admin.get(&format!("/api/finance/parties/{party}/")).expect(200);
    assert_eq!(
        (&shown["receivable_open"], &shown["balance"], &shown["balances"][0]["balance"]),
        (&json!("25.00"), &json!("25.00"), &json!("25.00"))
    );
    assert_eq!(admin.get("/api/finance/parties/?has_open=true").expect(200)["count"], 1);
    assert_eq!(admin.delete(&format!("/api/finance/parties/{party}/")).expect(409)["code"], "in_use");
    for (lines, place) in [
        (json!([{"account": cash, "debit": "10"}]), "non_field_errors"),
        (json!([{"account": cash, "debit": "10"}, {"account": bank, "credit": "9.99"}]), "non_field_errors"),
        (json!([{"account": receivable, "debit": "10"}, {"account": bank, "credit": "10"}]), "non_field_errors"),
        (json!([{"account": cash, "debit": "10", "credit": "10"}, {"account": bank, "credit": "10"}]), "lines"),
        (json!([{"account": cash, "debit": "-10"}, {"account": bank, "credit": "10"}]), "lines"),
        (json!([{"account": cash, "debit": "1e3"}, {"account": bank, "credit": "10"}]), "lines"),
        (json!([{"account": 987654321, "debit": "10"}, {"account": bank, "credit": "10"}]), "lines"),
        (json!("nothing"), "lines"),
    ] {
        let answer = admin.post(JOURNAL, entry(lines.clone()));
        assert!(answer.status == 400 && !answer.json()[place].is_null(), "{lines}: {} {}", answer.status, answer.text);
    }
    let reverse = format!("{JOURNAL}{}/reverse/", made["id"]);
    let reversal = admin.post(&reverse, json!({"reason": "wrong"})).expect(201);
    assert_eq!(reversal["reverses"], made["id"]);
    assert_eq!(balance(&admin, cash), "0.00");
    assert_eq!(admin.post(&reverse, json!({})).expect(409)["code"], "already_reversed");
    assert_eq!(admin.post(&format!("{JOURNAL}{}/reverse/", reversal["id"]), json!({})).expect(409)["code"], "invalid_transition");
    assert_eq!(admin.delete(&format!("{JOURNAL}{}/", made["id"])).status, 405);
    assert_eq!(admin.patch(&format!("{JOURNAL}{}/", made["id"]), json!({"memo": "x"})).status, 405);
    in_order(&server);
}

#[test]
fn accounts_are_fixed_once_they_are_used() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let used = account(&admin, "Till", "cashbox", "USD", "12.34");
    let card = account(&admin, "Card", "credit_card", "USD", "100");
    assert_eq!((balance(&admin, used).as_str(), balance(&admin, card).as_str()), ("12.34", "100.00"), "what is owed is shown as positive");
    let fresh = admin.create(ACCOUNTS, json!({"name": "Old client", "type": "airtel_money", "balance": "5000.00"}));
    assert_eq!(
        (&fresh["balance"], &fresh["type"], &fresh["balance_as_of"]),
        (&json!("5000.00"), &json!("mobile_money"), &json!("2026-03-02"))
    );
    let path = format!("{ACCOUNTS}{used}/");
    for change in [json!({"currency": "EUR"}), json!({"type": "income", "class": "income"})] {
        assert_eq!(admin.patch(&path, change).expect(409)["code"], "immutable");
    }
    assert_eq!(admin.patch(&path, json!({"type": "bank", "is_active": false})).expect(200)["type"], "bank");
    assert_eq!(admin.delete(&path).expect(409)["code"], "in_use");
    assert_eq!(admin.post(TRANSACTIONS, json!({"type": "income", "amount": "1", "account": used})).status, 400, "it is not active");
    // The chart is there for those who ask.
    assert_eq!(admin.get(ACCOUNTS).expect(200)["count"], 1 + 3, "and the cash box");
    assert_eq!(admin.get(&format!("{ACCOUNTS}?class=all&page_size=100")).expect(200)["count"], 1 + 3 + 38);
    assert_eq!(admin.get(&format!("{ACCOUNTS}?class=income&page_size=100")).expect(200)["count"], 15);
    // A category of one's own.
    admin.create(ACCOUNTS, json!({"name": "Web hosting", "type": "income"}));
    let made = admin.create(TRANSACTIONS, json!({"type": "income", "amount": "1", "account": fresh["id"], "category": "web_hosting"}));
    assert_eq!(lines(&admin, &made["journal_entry"])[1].0, "Web hosting");
    let receivable = admin.get(&format!("{ACCOUNTS}?code=1200")).expect(200)["results"][0]["id"].clone();
    assert_eq!(admin.delete(&format!("{ACCOUNTS}{receivable}/")).expect(409)["code"], "immutable");
    in_order(&server);
}

// ------------------------------------------------------------------------------------------------ what is refused

#[test]
fn locked_books_take_nothing() {
    let server = Server::start();
    let (admin, manager) = (server.member("admin", Role::Admin), server.member("manager", Role::Manager));
    let cash = account(&admin, "Till", "cash", "USD", "100");
    let january = json!({"type": "income", "amount": "5", "account": cash, "date": "2026-01-15"});
    let made = admin.create(TRANSACTIONS, january.clone());
    assert_eq!(manager.post("/api/finance/lock/", json!({"until": "2026-01-31"})).expect(200), json!({"until": "2026-01-31"}));
    assert_eq!(admin.post(TRANSACTIONS, january.clone()).expect(409)["code"], "books_locked");
    let reverse = format!("{TRANSACTIONS}{}/reverse/", made["id"]);
    assert_eq!(admin.post(&reverse, json!({"date": "2026-01-31"})).expect(409)["code"], "books_locked");
    // A locked month is still corrected today.
    admin.post(&reverse, json!({})).expect(200);
    manager.post("/api/finance/lock/", json!({"until": "2026-01-30"})).expect(403);
    manager.post("/api/finance/lock/", json!({"until": null})).expect(403);
    admin
        .post("/api/finance/lock/", json!({"until": "2026-01-10"}))
        .refuses(json!({"reason": ["This field is required to take the lock back."]}));
    admin.post("/api/finance/lock/", json!({"until": "2026-01-10", "reason": "the auditor asks"})).expect(200);
    admin.create(TRANSACTIONS, january);
    server.staff("capable", &[Capability::Finance]).post("/api/finance/lock/", json!({"until": "2026-01-31"})).expect(403);
    in_order(&server);
}

#[test]
fn money_that_is_not_there_is_not_spent() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let (cash, bank) = (account(&admin, "Till", "cash", "USD", "10"), account(&admin, "Bank", "bank", "USD", "0"));
    let expense = |amount: &str, account: i64| admin.post(TRANSACTIONS, json!({"type": "expense", "amount": amount, "account": account}));
    let refusal = expense("10.01", cash).expect(409);
    assert_eq!(refusal, json!({"code": "insufficient_funds", "detail": "Till has 10.00 USD; 10.01 USD are needed."}));
    expense("10", cash).expect(201);
    expense("500", bank).expect(201);
    let income = admin.create(TRANSACTIONS, json!({"type": "income", "amount": "5", "account": cash}));
    expense("5", cash).expect(201);
    // What was spent cannot be taken back.
    assert_eq!(admin.delete(&format!("{TRANSACTIONS}{}/", income["id"])).expect(409)["code"], "insufficient_funds");
    in_order(&server);
}

/// Whatever the program forgets, the database refuses.
#[test]
fn the_database_itself_keeps_the_books() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let abroad = server.business("Abroad");
    let foreign = server.write(move |tx| {
        let values =
            vec![("business_id", abroad.into()), ("name", "Theirs".into()), ("currency", "USD".into()), ("allow_negative", true.into())];
        tx.insert("accounts", values)
    });
    let (cash, bank) = (account(&admin, "Till", "cash", "USD", "10"), account(&admin, "Bank", "bank", "USD", "0"));
    let euros = account(&admin, "Euros", "bank", "EUR", "0");
    let receivable = number(&server, "SELECT id FROM accounts WHERE business_id = 1 AND code = '1200'");
    admin.create(TRANSACTIONS, json!({"type": "income", "amount": "5", "account": cash}));
    let connection = behind(&server);
    let entry = |state: &str| {
        format!(
            "INSERT INTO journal_entries (id, uuid, created_at, updated_at, business_id, number, date, state, source_type, source_id, posted_at, hash) \
             VALUES (99, 'u', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 1, 3, '2026-02-01', '{state}', 'manual', 0, {});",
            if state == "posted" { "'2026-01-01T00:00:00.000Z', printf('%064d', 0)" } else { "NULL, NULL" }
        )
    };
    let draft = format!("BEGIN; {}", entry("draft"));
    let line = |account: i64, amount: i64| {
        format!(
            "INSERT INTO journal_lines (business_id, entry_id, account_id, currency, amount) VALUES (1, 99, {account}, 'USD', {amount});"
        )
    };
    let post =
        "UPDATE journal_entries SET state = 'posted', posted_at = '2026-01-01T00:00:00.000Z', hash = printf('%064d', 0) WHERE id = 99;";
    refused(&connection, &format!("BEGIN; {}", entry("posted")), "immutable");
    refused(&connection, &format!("{draft} {post}"), "unbalanced");
    refused(&connection, &format!("{draft} {} {post}", line(cash, 5)), "unbalanced");
    refused(&connection, &format!("{draft} {} {} {post}", line(cash, 5), line(bank, -4)), "unbalanced");
    refused(&connection, &format!("{draft} {} {}", line(cash, 5), line(euros, -5)), "FOREIGN KEY");
    refused(&connection, &format!("{draft} {} {}", line(cash, 5), line(foreign, -5)), "FOREIGN KEY");
    refused(&connection, &format!("{draft} {}", line(receivable, 5)), "party_required");
    refused(&connection, &format!("{draft} {}", line(cash, 0)), "CHECK");
    refused(&connection, &format!("{draft} {}", line(cash, 9_007_199_254_740_992)), "CHECK");
    refused(&connection, &format!("{draft} {} {} {post}", line(cash, -1600), line(bank, 1600)), "insufficient_funds");
    refused(
        &connection,
        &format!("{draft} {} {} UPDATE journal_entries SET number = 7 WHERE id = 99; {post}", line(cash, 5), line(bank, -5)),
        "gaps",
    );
    refused(
        &connection,
        &format!("{draft} {} {} UPDATE journal_entries SET reverses_id = 1 WHERE id = 99; {post}", line(cash, 5), line(bank, -5)),
        "negation",
    );
    refused(
        &connection,
        &format!(
            "{draft} {} {} UPDATE businesses SET books_locked_until = '2026-02-01' WHERE id = 1; {post}",
            line(cash, 5),
            line(bank, -5)
        ),
        "books_locked",
    );
    for sql in [
        "UPDATE journal_entries SET memo = 'x' WHERE number = 1",
        "UPDATE journal_entries SET state = 'draft', posted_at = NULL, hash = NULL WHERE number = 1",
        "DELETE FROM journal_entries WHERE number = 1",
        "UPDATE journal_lines SET amount = amount + 1 WHERE entry_id = 1",
        "UPDATE journal_lines SET memo = 'x' WHERE entry_id = 1",
        "DELETE FROM journal_lines WHERE entry_id = 1",
        "INSERT OR REPLACE INTO journal_lines (id, business_id, entry_id, account_id, currency, amount) SELECT id, business_id, entry_id, account_id, currency, 1 FROM journal_lines WHERE id = 1",
        "UPDATE businesses SET currency = 'EUR' WHERE id = 1",
        "DELETE FROM transactions",
    ] {
        refused(&connection, sql, "immutable");
    }
    let into = format!("INSERT INTO journal_lines (business_id, entry_id, account_id, currency, amount) VALUES (1, 1, {cash}, 'USD', 5)");
    refused(&connection, &into, "immutable");
    refused(&connection, &format!("UPDATE accounts SET currency = 'EUR' WHERE id = {cash}"), "immutable");
    for sql in ["class = 'liability'", "type = 'equity', class = 'equity'"] {
        refused(&connection, &format!("UPDATE accounts SET {sql} WHERE id = {cash}"), "immutable");
    }
    refused(&connection, &format!("UPDATE accounts SET deleted_at = '2026-01-01T00:00:00.000Z' WHERE id = {cash}"), "in_use");
    // Not one column of a posted transaction that is not meant to be.
    let open = ["description", "reference", "receipt_file_id", "goal_id", "version", "updated_at", "updated_by"];
    let columns: Vec<String> = server
        .app
        .db
        .read(|reader| reader.rows("SELECT name FROM pragma_table_info('transactions')", &[], |row| row.get(0)))
        .expect("the columns");
    assert!(columns.len() > 20);
    for column in columns.iter().filter(|column| !open.contains(&column.as_str())) {
        let sql = format!(
            "UPDATE transactions SET {column} = CASE typeof({column}) WHEN 'integer' THEN {column} + 1 ELSE coalesce(substr({column}, 2) || 'z', 'USD') END"
        );
        let error = connection.execute_batch(&sql).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!error.is_empty(), "{column} of a posted transaction was changed");
    }
    in_order(&server);
}

#[test]
fn what_the_database_refuses_is_a_conflict() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    account(&admin, "Till", "cash", "USD", "10");
    let actor = control::program(&server.app).expect("the program");
    let outcome = server.app.db.write_blocking(actor, |tx| tx.update("businesses", 1, vec![("currency", "EUR".into())]));
    assert!(matches!(outcome, Err(Error::Conflict { code: "immutable", .. })), "{outcome:?}");
}

// ------------------------------------------------------------------------------------------------ numbers

#[test]
fn entries_have_no_gaps_however_many_post_at_once() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let cash = account(&admin, "Till", "cash", "USD", "20");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let one = |n: i32| {
            let admin = admin.clone();
            // Some fail half-way, and leave no number behind.
            let (kind, amount) = if n % 5 == 0 { ("expense", "1000000") } else { ("income", "1") };
            scope.spawn(move || admin.post(TRANSACTIONS, json!({"type": kind, "amount": amount, "account": cash})).status)
        };
        let all: Vec<_> = (0..50).map(one).collect();
        all.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    assert_eq!(
        (statuses.iter().filter(|status| **status == 201).count(), statuses.iter().filter(|status| **status == 409).count()),
        (40, 10)
    );
    assert_eq!(number(&server, "SELECT count(*) FROM journal_entries"), 41);
    assert_eq!(number(&server, "SELECT max(number) FROM journal_entries"), 41);
    assert_eq!(balance(&admin, cash), "60.00");
    in_order(&server);
}

#[test]
fn numbers_follow_the_format_and_pass_over_what_is_taken() {
    let server = Server::start();
    let actor = control::program(&server.app).expect("the program");
    let next = |key: &'static str, day: &'static str, taken: &'static [&'static str]| {
        let work = move |tx: &mut db::Writer<'_>| {
            let is_taken = |_: &Reader<'_>, number: &str| Ok(taken.contains(&number));
            ledger::next_number(tx, key, Date::parse(day).expect("a date"), is_taken)
        };
        server.app.db.write_blocking(actor.clone(), work).expect("a number")
    };
    assert_eq!(next("invoice", "2026-03-02", &[]), "INV-2026-0001");
    assert_eq!(next("invoice", "2026-12-31", &["INV-2026-0002", "INV-2026-0003"]), "INV-2026-0004");
    assert_eq!(next("invoice", "2027-01-01", &[]), "INV-2027-0001", "counted by the year");
    assert_eq!(next("requisition", "2026-03-02", &[]), "REQ-0001");
    assert_eq!(next("anything", "2026-03-02", &[]), "ANYTHING-0001");
    server.write(|tx| tx.update("businesses", 1, vec![("number_formats", r#"{"invoice":"{YY}{MM}/{SEQ:3}","receipt":"R"}"#.into())]));
    assert_eq!(next("invoice", "2026-03-02", &[]), "2603/001");
    assert_eq!(next("receipt", "2026-03-02", &["R-1"]), "R-2");
    let given = actor.clone();
    let work = |tx: &mut db::Writer<'_>| ledger::use_number(tx, "invoice", Date::parse("2026-03-05").expect("a date"), "2603/002");
    server.app.db.write_blocking(given, work).expect("told");
    assert_eq!(next("invoice", "2026-03-31", &[]), "2603/003");
}

// ------------------------------------------------------------------------------------------------ finding out

/// Each check finds what it is there for, done past the program and the rules of the database.
#[test]
fn what_was_done_behind_the_books_is_found() {
    let breaks: [(&str, &str); 12] = [
        ("entries", "UPDATE journal_lines SET amount = amount + 1 WHERE id = 3"),
        ("trial balance", "UPDATE ledger_balances SET balance = balance + 1 WHERE id = 1"),
        ("balances", "UPDATE ledger_balances SET balance = balance + 1 WHERE id = 1"),
        ("currencies", "UPDATE journal_lines SET currency = 'EUR' WHERE id = 3"),
        ("parties", "UPDATE accounts SET type = 'receivable' WHERE id = (SELECT account_id FROM journal_lines WHERE id = 3)"),
        ("reversals", "UPDATE journal_entries SET reverses_id = 1 WHERE number = 2"),
        ("transactions", "UPDATE transactions SET journal_entry_id = NULL WHERE id = 1"),
        ("transactions", "UPDATE transactions SET state = 'reversed' WHERE id = 1"),
        ("funds", "UPDATE ledger_balances SET balance = -1 WHERE account_id = (SELECT id FROM accounts WHERE name = 'Till')"),
        ("lock", "UPDATE journal_entries SET date = '2026-01-01' WHERE number = 2"),
        ("numbers", "DELETE FROM journal_entries WHERE number = 2"),
        ("chain", "UPDATE journal_entries SET memo = 'another' WHERE number = 2"),
    ];
    for (name, sql) in breaks {
        let server = Server::start();
        let admin = server.member("admin", Role::Admin);
        let cash = account(&admin, "Till", "cash", "USD", "10");
        admin.post("/api/finance/lock/", json!({"until": "2026-01-31"})).expect(200);
        for amount in ["1", "2", "3"] {
            admin.create(TRANSACTIONS, json!({"type": "income", "amount": amount, "account": cash, "date": "2026-02-01"}));
        }
        in_order(&server);
        let connection = behind(&server);
        connection.pragma_update(None, "foreign_keys", false).expect("a pragma");
        drop_triggers(&connection);
        assert!(connection.execute(sql, []).unwrap_or_else(|error| panic!("{sql}: {error}")) > 0, "{sql} changed nothing");
        let found = problems(&server);
        assert!(found.iter().any(|(found, _)| *found == name), "{sql} was found as {found:?}");
    }
}

/// What was posted while the books were open is no finding, even if the clock was wrong when they were opened.
#[test]
fn a_clock_that_was_set_back_does_not_close_the_books() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let cash = account(&admin, "Till", "cash", "USD", "10");
    admin.post("/api/finance/lock/", json!({"until": "2026-02-15"})).expect(200);
    server.clock.advance(120);
    admin.post("/api/finance/lock/", json!({"until": "2026-01-31", "reason": "one came late"})).expect(200);
    server.clock.advance(-60);
    admin.create(TRANSACTIONS, json!({"type": "income", "amount": "1", "account": cash, "date": "2026-02-01"}));
    in_order(&server);
}

pub fn drop_triggers(connection: &Connection) {
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").expect("the triggers");
    let names: Vec<String> = statement.query_map([], |row| row.get(0)).expect("names").map(|name| name.expect("a name")).collect();
    for name in names {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).expect("a trigger");
    }
}

#[test]
fn the_chain_names_the_entry_that_was_changed_or_taken_away() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let cash = account(&admin, "Till", "cash", "USD", "10");
    for amount in ["1", "2", "3"] {
        admin.create(TRANSACTIONS, json!({"type": "income", "amount": amount, "account": cash}));
    }
    let walk = || {
        let (broken, count) = server.app.db.read(ledger::verify).expect("the chain");
        (broken.into_iter().map(|at| (at.number, at.why)).collect::<Vec<_>>(), count)
    };
    assert_eq!(walk(), (vec![], 4));
    let connection = behind(&server);
    drop_triggers(&connection);
    connection.execute_batch("UPDATE journal_lines SET amount = amount * 2 WHERE entry_id = 3").expect("done");
    assert_eq!(walk().0, [(3, "it is not what was posted")]);
    connection.execute_batch("UPDATE journal_lines SET amount = amount / 2 WHERE entry_id = 3").expect("done");
    assert_eq!(walk().0, []);
    connection.pragma_update(None, "foreign_keys", false).expect("a pragma");
    connection.execute_batch("DELETE FROM journal_entries WHERE number = 2").expect("done");
    assert_eq!(walk().0, [(2, "it is missing")]);
    // The last one is missed as well.
    connection.execute_batch("DELETE FROM journal_entries WHERE number = 4").expect("done");
    assert_eq!(walk().0, [(2, "it is missing"), (4, "it is missing")]);
}

#[test]
fn the_nightly_check_tells_administrators() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    server.member("agent", Role::Agent);
    account(&admin, "Till", "cash", "USD", "10");
    let said = jobs::run(&server.app, "check_ledger").expect("nothing is wrong");
    assert_eq!(said, ["check_ledger: 18 checks hold"]);
    assert_eq!(number(&server, "SELECT count(*) FROM outbox"), 0);
    behind(&server).execute_batch("UPDATE ledger_balances SET balance = balance + 1 WHERE id = 1").expect("done");
    for _ in 0..2 {
        let error = jobs::run(&server.app, "check_ledger").expect_err("something is wrong").to_string();
        assert!(error.contains("trial balance, balances"), "{error}");
    }
    let told: Vec<(String, String)> = server
        .app
        .db
        .read(|reader| reader.rows("SELECT recipient, payload FROM outbox", &[], |row| Ok((row.get(0)?, row.get(1)?))))
        .expect("the outbox");
    assert!(told.len() == 1 && told[0].0 == "admin@example.com" && told[0].1.contains("trial balance"), "{told:?}");
    let lines = studio::cli::check::ledger(&server.app).expect("the checks run");
    assert!(lines.iter().any(|line| line.starts_with("WRONG ledger balances")), "{lines:?}");
    assert!(studio::cli::check::chains(&server.app).expect("the chain").iter().all(|line| line.starts_with("ok")));
}

// ------------------------------------------------------------------------------------------------ a model

/// Random entries of the cash book come to what a few sums come to.
#[test]
fn random_transactions_come_to_what_they_should() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let accounts =
        [account(&admin, "A", "cash", "USD", "0"), account(&admin, "B", "bank", "USD", "0"), account(&admin, "C", "wallet", "USD", "0")];
    let mut model: BTreeMap<i64, i64> = accounts.iter().map(|id| (*id, 0)).collect();
    let one = (0..4_u8, 0..3_usize, 0..3_usize, 1..5000_i64, 0..50_i64);
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    let many = proptest::collection::vec(one, 1..12);
    let mut entered: Vec<(Json, Vec<(i64, i64)>)> = vec![];
    for _ in 0..12 {
        let tree = many.new_tree(&mut runner).expect("a case");
        for (what, from, to, amount, charge) in tree.current() {
            let (from, to) = (accounts[from], accounts[to]);
            let charge = charge.min(amount - 1);
            let money = |minor: i64| format!("{}.{:02}", minor / 100, minor % 100);
            let body = |kind: &str| json!({"type": kind, "amount": money(amount), "transaction_charge": money(charge), "account": from});
            let (answer, effect) = match what {
                0 => (admin.post(TRANSACTIONS, body("income")), vec![(from, amount - charge)]),
                1 => (admin.post(TRANSACTIONS, body("expense")), vec![(from, -amount - charge)]),
                2 if from != to => {
                    let mut body = body("transfer");
                    body["to_account"] = to.into();
                    (admin.post(TRANSACTIONS, body), vec![(from, -amount - charge), (to, amount)])
                }
                _ => {
                    let Some((id, effect)) = entered.pop() else { continue };
                    let back = effect.iter().map(|(account, change)| (*account, -change)).collect();
                    (admin.post(&format!("{TRANSACTIONS}{id}/reverse/"), json!({})), back)
                }
            };
            let fits = effect.iter().all(|(account, change)| *account == accounts[1] || *change >= 0 || model[account] + change >= 0);
            assert_eq!(answer.status < 300, fits, "{}: {} on {model:?} by {effect:?}", answer.call, answer.text);
            if fits {
                effect.iter().for_each(|(account, change)| *model.entry(*account).or_default() += change);
                if answer.status == 201 {
                    entered.push((answer.json()["id"].clone(), effect));
                }
            } else {
                assert_eq!(answer.json()["code"], "insufficient_funds", "{}", answer.text);
            }
        }
        for (account, expected) in &model {
            let kept = number(&server, &format!("SELECT coalesce(sum(balance), 0) FROM ledger_balances WHERE account_id = {account}"));
            assert_eq!(kept, *expected, "account {account}");
        }
        in_order(&server);
    }
    assert!(number(&server, "SELECT count(*) FROM journal_entries") > 20);
}

#[test]
fn posting_refuses_what_does_not_add_up() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let (cash, bank) = (account(&admin, "Till", "cash", "USD", "0"), account(&admin, "Bank", "bank", "USD", "0"));
    let bad = |lines: Vec<Line>| post(&server, lines, "2026-03-01").expect_err("refused").status().as_u16();
    assert_eq!(bad(vec![]), 400);
    assert_eq!(bad(vec![Line::new(cash, 5), Line::new(bank, 0)]), 400, "lines of nothing do not count");
    assert_eq!(bad(vec![Line::new(cash, 5), Line::new(bank, -4)]), 400);
    assert_eq!(bad(vec![Line::new(cash, 5), Line::new(987_654, -5)]), 400);
    assert_eq!(bad(vec![Line::new(cash, i64::MAX), Line::new(bank, -i64::MAX)]), 400);
    let entry = post(&server, vec![Line::new(cash, 5), Line::new(bank, -5)], "2026-03-01").expect("posted");
    assert_eq!(number(&server, &format!("SELECT number FROM journal_entries WHERE id = {entry}")), 1, "refusals use up no number");
    assert_eq!(ledger::natural(AccountClass::Liability, -5), 5);
    in_order(&server);
}

// ------------------------------------------------------------------------------------------------ rights

#[test]
fn who_keeps_the_books() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let (cash, bank) = (account(&admin, "Till", "cash", "USD", "100"), account(&admin, "Bank", "bank", "USD", "100"));
    let body = |account: i64| json!({"type": "income", "amount": "5", "account": account});
    let by_hand = json!({"memo": "x", "lines": [{"account": cash, "debit": "1"}, {"account": bank, "credit": "1"}]});
    let theirs = admin.create(TRANSACTIONS, body(cash));
    let entry = admin.create(JOURNAL, by_hand.clone())["id"].clone();
    for role in [Role::Staff, Role::Teacher, Role::Student, Role::Customer, Role::Citizen] {
        let person = server.member(&format!("no{}", role.name()), role);
        for path in [TRANSACTIONS, JOURNAL, ACCOUNTS, "/api/finance/tax-rates/"] {
            person.get(path).expect(403);
            person.get(&format!("{path}{}/", theirs["id"])).expect(403);
        }
        person.post(TRANSACTIONS, body(cash)).expect(403);
        person.post(JOURNAL, by_hand.clone()).expect(403);
        person.post(&format!("{JOURNAL}{entry}/reverse/"), json!({})).expect(403);
        person.post(&format!("{TRANSACTIONS}{}/reverse/", theirs["id"]), json!({})).expect(403);
        person.delete(&format!("{TRANSACTIONS}{}/", theirs["id"])).expect(403);
        person.post("/api/finance/lock/", json!({"until": "2026-01-01"})).expect(403);
    }
    // Staff with the capability take back what they entered themselves, on the same day.
    let capable = server.staff("capable", &[Capability::Finance]);
    capable.get(&format!("{JOURNAL}{entry}/")).expect(200);
    capable.delete(&format!("{TRANSACTIONS}{}/", theirs["id"])).expect(403);
    capable.post(&format!("{JOURNAL}{entry}/reverse/"), json!({})).expect(403);
    let own = capable.create(TRANSACTIONS, body(cash));
    capable.delete(&format!("{TRANSACTIONS}{}/", own["id"])).expect(204);
    let mut yesterday = body(cash);
    yesterday["date"] = json!("2026-03-01");
    let own = capable.create(TRANSACTIONS, yesterday);
    capable.delete(&format!("{TRANSACTIONS}{}/", own["id"])).expect(403);
    server.member("manager", Role::Manager).delete(&format!("{TRANSACTIONS}{}/", own["id"])).expect(204);
    capable.create(JOURNAL, by_hand);
    // An agent keeps a cash box, and sees nothing else.
    let agent = server.member("agent", Role::Agent);
    let of_box =
        admin.create(ACCOUNTS, json!({"name": "Bag", "type": "cash", "number": "12345", "owner": agent.id}))["id"].as_i64().expect("an id");
    assert_eq!(agent.get(ACCOUNTS).expect(200)["count"], 1);
    assert_eq!(agent.get(&format!("{ACCOUNTS}{of_box}/")).expect(200)["number"], Json::Null, "numbers are for those who keep the books");
    agent.get(&format!("{ACCOUNTS}{cash}/")).expect(404);
    agent.post(TRANSACTIONS, body(cash)).refuses(json!({"account": [format!("Invalid pk \"{cash}\" - object does not exist.")]}));
    let mine = agent.create(TRANSACTIONS, json!({"type": "income", "amount": "5"}));
    assert_eq!(mine["account"], of_box, "the only cash box is meant");
    assert_eq!(agent.get(TRANSACTIONS).expect(200)["count"], 1);
    agent.get(&format!("{TRANSACTIONS}{}/", theirs["id"])).expect(404);
    agent.get(JOURNAL).expect(403);
    // What passed through it is corrected by those who keep the books.
    for one in [&theirs, &mine] {
        let path = format!("{TRANSACTIONS}{}/", one["id"]);
        agent.delete(&path).expect(403);
        agent.patch(&path, json!({"description": "x"})).expect(403);
        agent.post(&format!("{path}reverse/"), json!({})).expect(403);
    }
    assert_eq!(agent.get(&format!("{TRANSACTIONS}{}/", mine["id"])).expect(200)["version"], mine["version"]);
    // Another business's is nobody's.
    let abroad = server.business("Abroad");
    let stranger = server.member_with("stranger", Role::Admin, abroad, &[]);
    for path in [format!("{TRANSACTIONS}{}/", theirs["id"]), format!("{JOURNAL}{entry}/"), format!("{ACCOUNTS}{cash}/")] {
        stranger.get(&path).expect(404);
    }
    stranger.post(&format!("{JOURNAL}{entry}/reverse/"), json!({})).expect(404);
    stranger.delete(&format!("{TRANSACTIONS}{}/", theirs["id"])).expect(404);
    let answer = stranger.post(JOURNAL, json!({"memo": "x", "lines": [{"account": cash, "debit": "1"}, {"account": bank, "credit": "1"}]}));
    assert_eq!(answer.status, 400, "{}", answer.text);
    let home = account(&stranger, "Till", "cash", "USD", "3");
    assert_eq!(balance(&stranger, home), "3.00");
    in_order(&server);
}

#[test]
fn parties_become_one() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let party = |body: Json| admin.create("/api/finance/parties/", body)["id"].clone();
    let (stays, goes) = (party(json!({"name": "Duka"})), party(json!({"name": "Duka Ltd", "phone": "0700", "notes": "Pays late"})));
    let cash = account(&admin, "Till", "cash", "USD", "0");
    let draft = admin.create(TRANSACTIONS, json!({"type": "income", "amount": "1", "account": cash, "party": goes, "state": "draft"}));
    let merged = admin.post("/api/finance/parties/merge/", json!({"into": stays.to_string(), "from": [goes.to_string()]})).expect(200);
    assert_eq!((&merged["id"], &merged["phone"], &merged["notes"]), (&stays, &json!("0700"), &json!("Pays late")));
    admin.get(&format!("/api/finance/parties/{goes}/")).expect(404);
    assert_eq!(admin.get(&format!("{TRANSACTIONS}{}/", draft["id"])).expect(200)["party_id"], stays);
    admin.delete(&format!("/api/finance/parties/{stays}/")).expect(409);
    admin.delete(&format!("{TRANSACTIONS}{}/", draft["id"])).expect(204);
    admin.delete(&format!("/api/finance/parties/{stays}/")).expect(204);
}

#[test]
fn bills_and_invoices_in_writing_go_with_a_party_that_becomes_another() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let party = |name: &str| admin.create("/api/finance/parties/", json!({"name": name}))["id"].clone();
    let (stays, goes) = (party("Duka"), party("Duka Ltd"));
    let invoice = |body: Json| admin.create("/api/finance/invoices/", body)["id"].clone();
    let draft = invoice(json!({"party": goes, "amount": 10}));
    let bill = |party: &Json| json!({"party": party, "amount": 5, "direction": "incoming", "number": "B-7"});
    let (theirs, ours) = (invoice(bill(&goes)), invoice(bill(&stays)));
    assert_eq!(admin.delete(&format!("/api/finance/parties/{goes}/")).expect(409)["code"], "in_use", "a draft points to it");
    let merge = || admin.post("/api/finance/parties/merge/", json!({"into": stays.to_string(), "from": [goes.to_string()]}));
    assert_eq!(merge().expect(409)["code"], "duplicate", "a supplier gives each number once");
    admin.delete(&format!("/api/finance/invoices/{ours}/")).expect(204);
    merge().expect(200);
    for id in [draft, theirs] {
        let issued = admin.post(&format!("/api/finance/invoices/{id}/issue/"), json!({})).expect(200);
        assert_eq!((&issued["party"], &issued["state"]), (&stays, &json!("issued")));
    }
}

#[test]
fn what_was_earned_from_a_party_or_spent_on_it_is_owed_by_nobody() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let cash = account(&admin, "Till", "cash", "USD", "10");
    let party = admin.create("/api/finance/parties/", json!({"name": "Kiosk"}))["id"].clone();
    admin.create(TRANSACTIONS, json!({"type": "expense", "amount": "4", "account": cash, "party": party}));
    assert_eq!(admin.get("/api/finance/parties/?has_open=true").expect(200)["count"], 0);
    admin.delete(&format!("/api/finance/parties/{party}/")).expect(204);
}

#[test]
fn what_is_dated_later_is_not_taken_back_before_it_was_there() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let (cash, bank) = (account(&admin, "Till", "cash", "USD", "50"), account(&admin, "Bank", "bank", "USD", "0"));
    let later = || {
        let body = json!({"type": "income", "amount": "5", "account": cash, "date": "2026-03-20"});
        format!("{TRANSACTIONS}{}/", admin.create(TRANSACTIONS, body)["id"])
    };
    let early = json!({"date": ["Ensure this date is not before 2026-03-20, the day of what it takes back."]});
    let one = later();
    admin.post(&format!("{one}reverse/"), json!({"date": "2026-03-19"})).refuses(early.clone());
    let day = |entry: &Json| admin.get(&format!("{JOURNAL}{entry}/")).expect(200)["date"].clone();
    let reversed = admin.post(&format!("{one}reverse/"), json!({})).expect(200);
    assert_eq!(day(&reversed["reversal_entry"]), "2026-03-20");
    let another = later();
    admin.delete(&another).expect(204);
    assert_eq!(day(&admin.get(&another).expect(200)["reversal_entry"]), "2026-03-20");
    let by_hand =
        json!({"memo": "by hand", "date": "2026-03-20", "lines": [{"account": cash, "debit": "1"}, {"account": bank, "credit": "1"}]});
    let entry = format!("{JOURNAL}{}/reverse/", admin.post(JOURNAL, by_hand).expect(201)["id"]);
    admin.post(&entry, json!({"date": "2026-03-01"})).refuses(early);
    assert_eq!(admin.post(&entry, json!({})).expect(201)["date"], "2026-03-20");
}

#[test]
fn a_disk_that_fails_is_not_the_fault_of_an_entry_by_hand() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let (cash, bank) = (account(&admin, "Till", "cash", "USD", "50"), account(&admin, "Bank", "bank", "USD", "0"));
    let by_hand = json!({"memo": "by hand", "lines": [{"account": cash, "debit": "1"}, {"account": bank, "credit": "1"}]});
    for statement in 1.. {
        server.app.db.fail(Some(Fault::From(statement)));
        let answer = admin.post(JOURNAL, by_hand.clone());
        server.app.db.fail(None);
        if answer.status == 201 {
            assert!(statement > 10, "there are more statements than that");
            break;
        }
        assert!(answer.status >= 500, "statement {statement}: {} {}", answer.status, answer.text);
    }
    assert_eq!(balance(&admin, cash), "51.00", "once");
}
