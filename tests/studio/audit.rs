//! The seals over the audit log: what is changed, taken away or put in behind the program's back is found; keys may be replaced; and what
//! is not sealed yet is no harm.

use rusqlite::Connection;
use serde_json::json;
use sha2::{Digest, Sha256};
use studio::{actor::Role, audit::Report, cli::check, jobs};

use crate::{
    ledger::{behind, drop_triggers},
    support::{Server, runtime},
};

/// Entries of the log, one for each zone.
fn write(server: &Server, count: usize) {
    server.write(move |tx| {
        (0..count).try_for_each(|at| {
            let name = format!("Zone {at} of {}", tx.uuid());
            tx.insert("zones", vec![("name", name.into()), ("business_id", 1.into())]).map(drop)
        })
    });
}

fn seal(server: &Server) -> u64 {
    server.app.audit.seal().expect("it is sealed")
}

fn verify(server: &Server) -> Report {
    server.app.audit.verify().expect("the seals are walked")
}

fn number(server: &Server, sql: &str) -> i64 {
    server.app.db.read(|reader| reader.one(sql, &[])).expect("a query").expect("a number")
}

/// A connection on which everything goes.
fn tamper(server: &Server) -> Connection {
    let connection = behind(server);
    drop_triggers(&connection);
    connection.pragma_update(None, "foreign_keys", false).expect("a pragma");
    connection
}

/// Three seals, the last two over four entries each.
fn sealed() -> Server {
    let server = Server::start();
    for _ in 0..3 {
        write(&server, 4);
        seal(&server);
    }
    server
}

#[test]
fn what_is_written_is_sealed_and_found_as_it_was() {
    let server = Server::start();
    write(&server, 5);
    let all = number(&server, "SELECT count(*) FROM audit_log");
    let report = verify(&server);
    assert_eq!(
        (report.seals, report.entries, report.unsealed, report.problems),
        (0, 0, all.unsigned_abs(), vec![]),
        "nothing is sealed yet"
    );
    assert_eq!(seal(&server), all.unsigned_abs());
    assert_eq!(seal(&server), 0, "there is nothing more");
    let first = verify(&server);
    assert_eq!((first.seals, first.entries, first.unsealed), (1, all.unsigned_abs(), 0));
    // After a restart it goes on where it was.
    write(&server, 2);
    let server = server.restart();
    write(&server, 1);
    let report = verify(&server);
    assert_eq!((report.entries, report.unsealed >= 3, report.problems), (first.entries, true, vec![]));
    assert!(seal(&server) >= 3);
    let report = verify(&server);
    assert_eq!((report.seals, report.unsealed, report.problems.clone()), (2, 0, vec![]));
    let lines = check::chains(&server.app).expect("the chains");
    let (seal, hash) = report.newest.expect("a seal");
    assert!(
        lines.iter().all(|line| line.starts_with("ok ")) && lines.iter().any(|line| line.contains(&format!("{seal} {hash}"))),
        "{lines:?}"
    );
}

#[test]
fn a_long_log_has_many_seals() {
    let server = Server::start();
    write(&server, 2500);
    let all = number(&server, "SELECT count(*) FROM audit_log");
    let begun = std::time::Instant::now();
    assert_eq!(seal(&server), all.unsigned_abs());
    println!("{} microseconds per sealed entry, beside the writer", begun.elapsed().as_micros() / 2500);
    let report = verify(&server);
    assert_eq!((report.seals, report.entries, report.problems), (3, all.unsigned_abs(), vec![]));
    tamper(&server).execute_batch("UPDATE audit_log SET after = '{}' WHERE id = 1500").expect("done");
    assert_eq!(verify(&server).problems, ["the entries 1001 to 2000, or their seal 2, were changed"]);
}

#[test]
fn what_was_done_behind_the_log_is_found() {
    let last = "(SELECT max(id) FROM audit_log)";
    let entry = "(id, at, action, target_type, target_id) VALUES";
    let at = "'2026-03-02T09:00:00.000Z', 'zones.create', 'zones', 1";
    let attacks = [
        ("UPDATE audit_log SET actor_id = 7 WHERE id = 2".to_owned(), "or their seal 1, were changed"),
        ("UPDATE audit_log SET after = NULL WHERE id = 2".to_owned(), "or their seal 1, were changed"),
        ("UPDATE audit_log SET ip = '' WHERE id = $B - 1".to_owned(), "or their seal 2, were changed"),
        ("UPDATE audit_log SET id = -id WHERE id = 2".to_owned(), "or their seal 1, were changed"),
        ("DELETE FROM audit_log WHERE id = 1".to_owned(), ", 1 are missing"),
        ("DELETE FROM audit_log WHERE id IN ($A + 1, $A + 2)".to_owned(), "of the entries $A+1 to $B, 2 are missing"),
        (format!("DELETE FROM audit_log WHERE id = {last}"), "of the entries $B+1 to $C, 1 are missing"),
        ("DELETE FROM audit_log".to_owned(), ", 4 are missing"),
        (format!("INSERT INTO audit_log {entry} (-5, {at})"), ", 1 were put in after they were sealed"),
        (
            format!("DELETE FROM audit_log WHERE id = {last}; INSERT INTO audit_log {entry} ({last} + 1, {at})"),
            "or their seal 3, were changed",
        ),
        ("UPDATE audit_seals SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE id = 2".to_owned(), "or their seal 2, were changed"),
        ("UPDATE audit_seals SET sealed_at = '2026-03-02T09:00:00.001Z' WHERE id = 2".to_owned(), "or their seal 2, were changed"),
        ("DELETE FROM audit_seals WHERE id = 2".to_owned(), "seal 2 is missing"),
        ("DELETE FROM audit_seals WHERE id < 3".to_owned(), "seals 1 to 2 are missing"),
        ("DELETE FROM audit_keys".to_owned(), "what was sealed with key 1 cannot be looked at"),
        ("UPDATE audit_keys SET key_enc = replace(key_enc, '.', '.0')".to_owned(), "what was sealed with key 1 cannot be looked at"),
        // All that there was from some time on: only the file beside the key knows.
        ("DELETE FROM audit_log WHERE id > $B; DELETE FROM audit_seals WHERE id = 3".to_owned(), "seal 3, which was made here"),
        ("DELETE FROM audit_log; DELETE FROM audit_seals".to_owned(), "seal 3, which was made here"),
    ];
    for (sql, words) in attacks {
        let server = sealed();
        assert_eq!(verify(&server).problems, Vec::<String>::new());
        // Where each of the seals ends.
        let ends = [1, 2, 3].map(|seal| number(&server, &format!("SELECT last_id FROM audit_seals WHERE id = {seal}")));
        let filled = |text: &str| {
            let text = text.replace("$A+1", &(ends[0] + 1).to_string()).replace("$B+1", &(ends[1] + 1).to_string());
            ["$A", "$B", "$C"].iter().zip(ends).fold(text, |text, (name, end)| text.replace(name, &end.to_string()))
        };
        let (sql, words) = (filled(&sql), &*filled(words));
        tamper(&server).execute_batch(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let found = verify(&server).problems;
        assert!(found.iter().any(|problem| problem.contains(words)), "{sql} was found as {found:?}");
        let lines = check::chains(&server.app).expect("the chains");
        assert!(lines.iter().any(|line| line.starts_with("WRONG audit log: ") && line.contains(words)), "{lines:?}");
    }
}

#[test]
fn what_was_cut_off_is_not_covered_up() {
    let server = sealed();
    let cut = "DELETE FROM audit_log WHERE id > (SELECT last_id FROM audit_seals WHERE id = 2); DELETE FROM audit_seals WHERE id = 3";
    tamper(&server).execute_batch(cut).expect("done");
    // The program goes on, and gives the same ids and numbers again.
    write(&server, 4);
    for _ in 0..2 {
        let error = server.app.audit.seal().err();
        assert!(error.is_none_or(|error| error.to_string().contains("newest seal")));
        let found = verify(&server);
        assert!(found.seals == 3 && found.problems.iter().any(|problem| problem.starts_with("seal 3, which was made here")), "{found:?}");
    }
    // An older copy that was restored on purpose.
    let head = server.app.config.data.folder.join("keys/audit.head");
    std::fs::remove_file(head).expect("the note of the newest seal");
    write(&server, 1);
    seal(&server);
    assert_eq!(verify(&server).problems, Vec::<String>::new());
}

#[test]
fn the_database_itself_keeps_the_seals() {
    let server = sealed();
    for sql in [
        "UPDATE audit_seals SET entries = 1",
        "DELETE FROM audit_seals",
        "DELETE FROM audit_keys",
        "REPLACE INTO audit_seals SELECT * FROM audit_seals",
    ] {
        assert!(behind(&server).execute(sql, []).is_err(), "{sql} is possible");
    }
    assert_eq!(verify(&server).problems, Vec::<String>::new());
}

#[test]
fn keys_are_replaced_and_what_they_sealed_stays_known() {
    let server = sealed();
    server.app.vault.rotate(&server.app.db, (*server.app.system()).clone()).expect("the vault's key");
    assert_eq!(verify(&server).problems, Vec::<String>::new());
    assert_eq!(server.app.audit.rotate((*server.app.system()).clone()).expect("another key"), 2);
    write(&server, 2);
    seal(&server);
    let server = server.restart();
    server.app.vault.rotate(&server.app.db, (*server.app.system()).clone()).expect("the vault's key");
    let report = verify(&server);
    assert_eq!((report.seals, report.problems), (4, vec![]));
    assert_eq!(number(&server, "SELECT count(DISTINCT key_id) FROM audit_seals"), 2);
    tamper(&server).execute_batch("UPDATE audit_log SET action = 'x' WHERE id = 3").expect("done");
    assert_eq!(verify(&server).problems.len(), 1, "what an older key sealed is still looked at");
    // Without the vault's key, what comes is sealed all the same, and the rest is not said to be fine.
    let folder = server.app.config.data.folder.clone();
    std::fs::remove_file(folder.join("keys/vault.key")).expect("the vault's key");
    let server = server.restart();
    write(&server, 1);
    assert!(seal(&server) > 0);
    let report = verify(&server);
    assert!(
        report.seals == 5 && report.problems.iter().filter(|problem| problem.contains("cannot be looked at")).count() == 2,
        "{report:?}"
    );
}

#[test]
fn a_server_seals_as_it_goes_and_before_it_ends() {
    let server = Server::start();
    write(&server, 3);
    let running = runtime().block_on(async { jobs::start(&server.app) }).expect("the runner");
    write(&server, 3);
    runtime().block_on(running.stop());
    let report = verify(&server);
    assert_eq!((report.unsealed, report.problems), (0, vec![]));
    assert!(report.entries >= 6);
}

#[test]
fn every_night_somebody_looks_and_tells() {
    let server = sealed();
    server.member("admin", Role::Admin);
    let said = jobs::run(&server.app, "verify_audit").expect("nothing is wrong");
    assert!(said[0].ends_with("entries are as they were sealed"), "{said:?}");
    assert_eq!((verify(&server).unsealed, number(&server, "SELECT count(*) FROM outbox")), (0, 0));
    tamper(&server).execute_batch("DELETE FROM audit_log WHERE id = 6").expect("done");
    for _ in 0..2 {
        let error = jobs::run(&server.app, "verify_audit").expect_err("something is wrong").to_string();
        assert!(error.contains("changed in 1 places"), "{error}");
    }
    assert_eq!(number(&server, "SELECT count(*) FROM outbox"), 1, "one message a day");
}

/// Who works out the journal's hashes anew is found out by the log, which is sealed.
#[test]
fn the_journal_is_what_the_log_says() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let account = json!({"name": "Till", "type": "cash", "opening_balance": "10"});
    let cash = admin.create("/api/finance/accounts/", account)["id"].clone();
    admin.create("/api/finance/transactions/", json!({"type": "income", "amount": "5", "account": cash}));
    seal(&server);
    let wrong = || -> Vec<String> {
        let lines = check::chains(&server.app).expect("the chains");
        lines.into_iter().filter(|line| line.starts_with("WRONG")).collect()
    };
    assert_eq!(wrong(), Vec::<String>::new());
    let connection = tamper(&server);
    connection.execute_batch("UPDATE journal_entries SET memo = 'Another' WHERE number = 2").expect("done");
    let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).expect("a text");
    let entry = "json_array(number, uuid, date, memo, source_type, source_id, reverses_id, posted_at, created_by)";
    let lines = "(SELECT json_group_array(json_array(account_id, party_id, currency, amount, memo)) FROM (SELECT * FROM journal_lines WHERE entry_id = e.id ORDER BY id))";
    let told = text(&format!("SELECT json_array({entry}, json({lines})) FROM journal_entries AS e WHERE number = 2"));
    let before = text("SELECT hash FROM journal_entries WHERE number = 1");
    let hash: String = Sha256::new().chain_update(before).chain_update(told).finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    connection.execute("UPDATE journal_entries SET hash = ?1 WHERE number = 2", [hash]).expect("done");
    let (broken, _) = server.app.db.read(studio::resources::finance::ledger::verify).expect("the chain");
    assert_eq!(broken, [], "the chain alone does not know");
    assert_eq!(wrong(), ["WRONG journal: entry 2 of business 1: it is not what the audit log says was posted"]);
    // Taken away with its number: only the log knows.
    connection
        .execute_batch("DELETE FROM journal_lines WHERE entry_id = 2; DELETE FROM journal_entries WHERE id = 2; UPDATE number_sequences SET next = 2 WHERE key = 'journal'")
        .expect("done");
    assert_eq!(wrong(), ["WRONG journal: entry with the id 2 of business 1: the audit log says that it was posted, and it is missing"]);
}
