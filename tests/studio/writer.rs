//! Proves the one door for writes: a failure stays with its request, what is answered is on disk, a full queue is told, the audit log
//! is append-only, and what is kept of lists follows each commit.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use futures_util::FutureExt;
use serde_json::json;
use studio::{
    actor::Role,
    db::{Fault, Reader, Writer},
    error::{Error, Result},
};

use crate::support::{Client, Server};

const ZONES: &str = "/api/field/zones/";

type Waiting = Pin<Box<dyn Future<Output = Result<i64>> + Send>>;

/// Hands a write to the queue and comes back without its answer.
fn submit(server: &Server, work: impl FnMut(&mut Writer<'_>) -> Result<i64> + Send + 'static) -> Waiting {
    let (db, actor) = (server.app.db.clone(), server.app.system());
    let mut waiting: Waiting = Box::pin(async move { db.write(actor, work).await });
    assert!((&mut waiting).now_or_never().is_none(), "the write waits for its turn");
    waiting
}

/// Keeps the writer busy until something is sent; answers when it is.
fn hold(server: &Server) -> (Sender<()>, Waiting) {
    let (release, released): (Sender<()>, Receiver<()>) = channel();
    let (busy, is_busy) = channel();
    let mut waited = false;
    let waiting = submit(server, move |_| {
        // A group in which a request fails half-way runs again; the wait does not.
        if !waited {
            let _ = busy.send(());
            let _ = released.recv();
        }
        waited = true;
        Ok(0)
    });
    is_busy.recv().expect("the writer begins");
    (release, waiting)
}

fn wait(waiting: Waiting) -> Result<i64> {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(waiting)
}

fn zone(tx: &mut Writer<'_>, name: &str) -> Result<i64> {
    tx.insert("zones", vec![("business_id", 1.into()), ("name", name.into())])
}

fn count(server: &Server, sql: &str) -> i64 {
    server.app.db.read(|reader| reader.one(sql, &[])).expect("a count").unwrap_or(-1)
}

/// One group for all that waits.
fn in_one_group() -> Server {
    Server::start_with(|config| {
        config.database.batch = 1000;
        config.database.batch_milliseconds = 60_000;
    })
}

#[test]
fn a_failure_stays_with_its_request() {
    let server = in_one_group();
    let (release, holding) = hold(&server);
    let waiting: Vec<Waiting> = (0..30)
        .map(|number| {
            submit(&server, move |tx| {
                let id = zone(tx, &format!("Zone {number}"))?;
                zone(tx, &format!("Twin {number}"))?;
                match number {
                    7 => panic!("a fault of the program"),
                    11 => zone(tx, "Zone 3"),
                    13 => Err(Error::conflict("in_use", "Refused.")),
                    17 => tx.insert(
                        "leads",
                        vec![
                            ("business_id", 1.into()),
                            ("business_name", "x".into()),
                            ("contact_phone", "1".into()),
                            ("zone_id", 999.into()),
                        ],
                    ),
                    19 => tx.insert("no_such_table", vec![("name", "x".into())]),
                    _ => Ok(id),
                }
            })
        })
        .collect();
    release.send(()).expect("the writer waits");
    wait(holding).expect("the first of the group");
    let failed: Vec<usize> =
        waiting.into_iter().map(wait).enumerate().filter(|(_, result)| result.is_err()).map(|(number, _)| number).collect();
    assert_eq!(failed, [7, 11, 13, 17, 19], "only these fail");
    assert_eq!(count(&server, "SELECT count(*) FROM zones"), 50, "two zones of each request that did not fail, none of the others");
    let half = "SELECT count(*) FROM zones AS a WHERE a.name LIKE 'Zone %' AND NOT EXISTS (SELECT 1 FROM zones AS b WHERE b.name = replace(a.name, 'Zone', 'Twin'))";
    assert_eq!(count(&server, half), 0, "no request is stored by half");
    assert_eq!(count(&server, "SELECT count(*) FROM audit_log WHERE target_type = 'zones'"), 50, "nothing is told of what did not happen");
    // The writer goes on.
    server.write(|tx| zone(tx, "After"));
}

#[test]
fn nothing_of_a_request_is_kept_once_it_is_answered() {
    let server = Server::start();
    let held = Arc::new(());
    for _ in 0..300 {
        let mine = held.clone();
        // A handle of the database, say: whoever is answered and then drops the last one waits until the file is closed.
        server.write(move |_| {
            let _ = &mine;
            Ok(())
        });
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

#[test]
fn an_error_leaves_nothing_behind() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let listed = admin.get(ZONES);
    let (tx_done, done) = channel();
    let before = (count(&server, "SELECT count(*) FROM audit_log"), server.app.db.generation("zones"));
    let tell = tx_done.clone();
    let result = server.app.db.write_blocking(server.app.system(), move |tx| {
        let id = zone(tx, "Half")?;
        tx.update("zones", id, vec![("region", "North".into())])?;
        tx.update("businesses", 1, vec![("country", "UG".into())])?;
        let tell = tell.clone();
        tx.after_commit(move || tell.send("a failed write").unwrap_or_default());
        Err::<i64, _>(Error::conflict("in_use", "Refused at the end."))
    });
    assert_eq!(result, Err(Error::conflict("in_use", "Refused at the end.")), "the caller is told why");
    assert_eq!(count(&server, "SELECT count(*) FROM zones"), 0);
    assert_eq!(count(&server, "SELECT count(*) FROM businesses WHERE country IS NOT NULL"), 0);
    assert_eq!((count(&server, "SELECT count(*) FROM audit_log"), server.app.db.generation("zones")), before);
    let etag = listed.header("etag").expect("an ETag").to_owned();
    assert_eq!(admin.with("if-none-match", &etag).get(ZONES).status, 304, "what is kept of lists stays good");
    let tell = tx_done.clone();
    server.write(move |tx| {
        let tell = tell.clone();
        tx.after_commit(move || tell.send("a write that succeeds").unwrap_or_default());
        zone(tx, "Whole")
    });
    drop(tx_done);
    assert_eq!(done.iter().collect::<Vec<_>>(), ["a write that succeeds"], "what follows a commit happens only after one");
    assert_eq!(admin.with("if-none-match", &etag).get(ZONES).status, 200);
}

#[test]
fn nothing_is_answered_before_it_is_on_disk() {
    let server = in_one_group();
    let (release, holding) = hold(&server);
    let mut first = submit(&server, |tx| zone(tx, "First"));
    let (begun, has_begun) = channel();
    let (end, ended): (Sender<()>, Receiver<()>) = channel();
    let second = submit(&server, move |_| {
        let _ = begun.send(());
        let _ = ended.recv();
        Ok(0)
    });
    release.send(()).expect("the writer waits");
    // The closure of the first has run by now; its group is not committed.
    has_begun.recv().expect("the second begins");
    assert!((&mut first).now_or_never().is_none(), "answered before the commit");
    assert_eq!(count(&server, "SELECT count(*) FROM zones"), 0, "seen before the commit");
    end.send(()).expect("the writer waits");
    wait(first).expect("the write succeeds");
    assert_eq!(count(&server, "SELECT count(*) FROM zones"), 1, "not there after the answer");
    wait(holding).and(wait(second)).expect("the others of the group");

    // Whoever has an answer reads what it was about, on any thread, on both ways to read.
    let admin = server.member("boss", Role::Admin);
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (db, actor, admin) = (server.app.db.clone(), server.app.system(), admin.clone());
            thread::spawn(move || {
                for number in 0..20 {
                    let name = format!("Zone {thread}-{number}");
                    let own = name.clone();
                    let id = db.write_blocking(actor.clone(), move |tx| zone(tx, &own)).expect("the write succeeds");
                    let seen: Option<String> =
                        db.read(|reader| reader.one("SELECT name FROM zones WHERE id = ?1", &[id.into()])).expect("a read");
                    assert_eq!(seen.as_ref(), Some(&name));
                    assert_eq!(admin.get(&format!("{ZONES}{id}/")).expect(200)["name"], name.as_str());
                    assert_eq!(admin.get(&format!("{ZONES}?search=%22{}%22", name.replace(' ', "%20"))).expect(200)["count"], 1);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no thread fails"));
}

#[test]
fn a_full_queue_is_told_and_what_waits_is_done() {
    let server = Server::start_with(|config| config.database.writer_queue = 3);
    let admin = server.member("boss", Role::Admin);
    let (release, holding) = hold(&server);
    let waiting: Vec<Waiting> = (0..3).map(|number| submit(&server, move |tx| zone(tx, &format!("Zone {number}")))).collect();
    let refused = server.app.db.write_blocking(server.app.system(), |tx| zone(tx, "One too many"));
    assert!(matches!(refused, Err(Error::Unavailable(1..))), "{refused:?}");
    let answer = admin.post(ZONES, json!({"name": "Over HTTP"}));
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("unavailable")), "{}", answer.text);
    let seconds = answer.header("retry-after").and_then(|value| value.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0), "{:?}", answer.headers);
    assert_eq!(admin.get(ZONES).expect(200)["count"], 0, "reading goes on");
    release.send(()).expect("the writer waits");
    wait(holding).expect("the first");
    for one in waiting {
        wait(one).expect("what was taken is done");
    }
    admin.create(ZONES, json!({"name": "Over HTTP"}));
    assert_eq!(admin.get(ZONES).expect(200)["count"], 4);
}

#[test]
fn the_audit_log_is_append_only() {
    let server = Server::start();
    server.write(|tx| zone(tx, "Zone"));
    let all = "SELECT count(*) || ' ' || group_concat(id || action || coalesce(after, '') || coalesce(actor_id, '')) FROM audit_log";
    let stored = || server.app.db.read(|reader| reader.one::<String>(all, &[])).expect("the log");
    let before = stored();
    let attacks = [
        "UPDATE audit_log SET actor_id = 1",
        "UPDATE OR IGNORE audit_log SET action = 'x' WHERE id = 1",
        "DELETE FROM audit_log",
        "DELETE FROM audit_log WHERE id = 1",
        "INSERT OR REPLACE INTO audit_log (id, at, action, target_type, target_id) SELECT id, at, 'x', target_type, target_id FROM audit_log",
        "REPLACE INTO audit_log (id, at, action, target_type, target_id) VALUES (1, '2026-03-02T09:00:00.000Z', 'x', 'zones', 1)",
    ];
    for sql in attacks {
        let result = server.app.db.write_blocking(server.app.system(), move |tx| tx.each(sql, &[], |_| Ok(())));
        assert!(result.is_err(), "{sql} is possible");
        assert_eq!(stored(), before, "after {sql}");
    }
    let by_reader = server.app.db.read(|reader| reader.each("INSERT INTO zones (name) VALUES ('x')", &[], |_| Ok(())));
    assert!(by_reader.is_err(), "a reader cannot write");
}

#[test]
fn totals_of_lists_follow_every_write() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let (begun, done) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (admin, begun, done) = (admin.clone(), begun.clone(), done.clone());
            thread::spawn(move || {
                let region = format!("Region{thread}");
                for number in 0..15 {
                    begun.fetch_add(1, Ordering::SeqCst);
                    admin.create(ZONES, json!({"name": format!("{region} {number}"), "region": region}));
                    done.fetch_add(1, Ordering::SeqCst);
                    let least = done.load(Ordering::SeqCst);
                    let count = admin.get(ZONES).expect(200)["count"].as_i64().expect("a count");
                    let most = begun.load(Ordering::SeqCst);
                    assert!((least..=most).contains(&count), "{count} zones are listed when {least} are answered and {most} begun");
                    let own = admin.get(&format!("{ZONES}?region={region}")).expect(200);
                    assert_eq!(own["count"], number + 1, "only this thread writes in {region}");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no thread fails"));
    assert_eq!(admin.get(ZONES).expect(200)["count"], 60);
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (admin, region) = (admin.clone(), format!("Region{thread}"));
            thread::spawn(move || {
                let doomed = admin.get(&format!("{ZONES}?region={region}")).expect(200)["results"][0]["id"].clone();
                assert_eq!(admin.delete(&format!("{ZONES}{doomed}/")).status, 204);
                assert_eq!(admin.get(&format!("{ZONES}?region={region}")).expect(200)["count"], 14, "after a delete");
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no thread fails"));
    assert_eq!(admin.get(ZONES).expect(200)["count"], 56);
}

#[test]
fn totals_depend_on_all_that_decides_what_is_listed() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let agent = server.member("agent", Role::Agent);
    let leads = |client: &Client| {
        let body = client.get("/api/field/leads/").expect(200);
        assert_eq!(body["count"].as_u64(), body["results"].as_array().map(|rows| rows.len() as u64), "{body}");
        body["count"].as_u64().unwrap_or(0)
    };
    let zone = admin.create(ZONES, json!({"name": "Zone"}))["id"].clone();
    let lead = admin.create("/api/field/leads/", json!({"business_name": "Kiosk", "contact_phone": "1", "zone": zone}))["id"].clone();
    assert_eq!((leads(&admin), leads(&agent)), (1, 0));
    // Own by the zone, which is another table.
    admin.patch(&format!("{ZONES}{zone}/"), json!({"manager": agent.id})).expect(200);
    assert_eq!((leads(&admin), leads(&agent)), (1, 1), "the manager of the zone sees its leads");
    admin.patch(&format!("{ZONES}{zone}/"), json!({"manager": null})).expect(200);
    assert_eq!(leads(&agent), 0);
    admin.patch(&format!("/api/field/leads/{lead}/"), json!({"assigned_rep": agent.id})).expect(200);
    assert_eq!(leads(&agent), 1);
    // A name that is shown or searched through a reference.
    let seen = agent.get("/api/field/leads/");
    admin.patch(&format!("{ZONES}{zone}/"), json!({"name": "Harbour"})).expect(200);
    let again = agent.with("if-none-match", seen.header("etag").unwrap_or_default()).get("/api/field/leads/");
    assert_eq!(again.expect(200)["results"][0]["zone"], "Harbour");
    // Membership decides who is in the directory.
    let people = || admin.get("/api/accounts/users-list/").expect(200)["count"].clone();
    assert_eq!(people(), 2);
    let id = agent.id;
    server.write(move |tx| {
        let membership: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[id.into()])?.expect("a membership");
        tx.update("memberships", membership, vec![("status", "ended".into())])
    });
    assert_eq!(people(), 1, "who left the business is not in its directory");
}

#[test]
fn totals_that_depend_on_the_day_follow_the_clock() {
    // Tokens that live for weeks: nothing is written while the clock moves.
    let server = Server::start_with(|config| config.auth.access_seconds = 10_000_000);
    let admin = server.member("boss", Role::Admin);
    admin.create("/api/field/leads/", json!({"business_name": "Kiosk", "contact_phone": "1"}));
    let path = "/api/field/leads/?is_stale=true";
    // A minute before midnight of the 14th day.
    server.clock.advance(14 * 86_400 + 15 * 3600 - 60);
    let before = admin.get(path);
    assert_eq!(before.expect(200)["count"], 0, "not 15 days yet");
    server.clock.advance(120);
    let after = admin.with("if-none-match", before.header("etag").unwrap_or_default()).get(path);
    let body = after.expect(200);
    assert_eq!((&body["count"], body["results"].as_array().map(Vec::len)), (&json!(1), Some(1)), "{body}");
}

#[test]
fn a_full_disk_refuses_writes_and_says_so_until_there_is_room() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    // SQLite's own limit stands for the disk's.
    let pages = |most: &'static str| server.write(move |tx| tx.each(most, &[], |_| Ok(())));
    pages("PRAGMA max_page_count = 1");
    let lead = |number: usize| json!({"business_name": format!("Lead {number}"), "contact_phone": "1", "notes": "x".repeat(5000)});
    let stored = (0..1000).take_while(|number| admin.post("/api/field/leads/", lead(*number)).status == 201).count();
    assert!(stored < 1000, "the limit was never reached");
    let refused = admin.post("/api/field/leads/", lead(stored));
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true), "{}", refused.text);
    assert_eq!(admin.get("/api/field/leads/").expect(200)["count"], stored, "reading goes on, and nothing is half stored");
    pages("PRAGMA max_page_count = 1000000");
    assert_eq!(server.client().get("/readyz").status, 200);
    admin.create("/api/field/leads/", lead(stored));
    assert_eq!(admin.get("/api/field/leads/").expect(200)["count"], stored + 1);
}

#[test]
fn a_fault_takes_back_all_of_a_write_and_nothing_of_others() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let count = || admin.get(ZONES).expect(200)["count"].clone();
    let make = |name: &str| admin.post(ZONES, json!({"name": name}));
    for statement in 1.. {
        server.app.db.fail(Some(Fault::From(statement)));
        let answer = make("North");
        assert_eq!(answer.status == 201, server.app.db.is_failing() && answer.status < 500, "a fault that came is told");
        server.app.db.fail(None);
        if answer.status == 201 {
            assert!(statement > 3, "there are a few statements");
            break;
        }
        assert_eq!(count(), 0, "statement {statement}");
    }
    assert_eq!(count(), 1);
    // One failing statement half-way: the group is run again, and the write is there once.
    server.app.db.fail(Some(Fault::At(3)));
    let answer = make("South");
    server.app.db.fail(None);
    assert_eq!(count(), if answer.status == 201 { 2 } else { 1 });
    // Stored, and not told.
    let before = count().as_i64();
    server.app.db.fail(Some(Fault::Answer));
    let keyed = admin.with("idempotency-key", "once");
    let body = json!({"name": "East"});
    assert_eq!(keyed.post(ZONES, body.clone()).status, 503);
    assert!(!server.app.db.is_failing());
    let again = keyed.post(ZONES, body);
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!(count().as_i64(), before.map(|before| before + 1), "done once");
}

/// The log is folded into the database while others write, not by them: they do so by themselves at four times as many pages only.
#[test]
fn the_log_is_folded_beside_the_writer() {
    let server = Server::start();
    let state = || -> (i64, i64) {
        let read = |reader: &Reader<'_>| reader.row("PRAGMA wal_checkpoint(NOOP)", &[], |row| Ok((row.get(1)?, row.get(2)?)));
        server.app.db.read(read).expect("a read").expect("a row")
    };
    let mut longest = 0;
    server.write(|tx| tx.each("CREATE TABLE ballast (text)", &[], |_| Ok(())));
    while state().1 == 0 && longest < 12_000 {
        // Once there is enough to fold, small writes only: the other thread may be late.
        let text = "x".repeat(if longest < 4100 { 200_000 } else { 1 });
        server.write(move |tx| tx.each("INSERT INTO ballast VALUES (?1)", &[text.clone().into()], |_| Ok(())));
        longest = longest.max(state().0);
    }
    assert!((4000..12_000).contains(&longest), "folded at {longest} pages");
}
