//! Recurring invoices: on which days they come, that each comes once, and what happens when one cannot.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use studio::{
    actor::{Capability, Role},
    jobs,
};

use crate::{
    invoices::{Books, INVOICES},
    support::Client,
};

const RECURRING: &str = "/api/finance/recurring-invoices/";
const DAY: i64 = 24 * 60 * 60;

fn recurring(books: &Books, more: Value) -> Value {
    let mut body = json!({
        "name": "Rent", "party": books.party, "frequency": "monthly", "next_run_on": "2026-03-31",
        "items": [{"name": "Office", "unit_cost": "250"}],
    });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    books.admin.create(RECURRING, body)
}

fn run(books: &Books) -> String {
    jobs::run(&books.server.app, "run_recurring_invoices").expect("the job runs").concat()
}

fn again(books: &Books) -> Client {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    books.server.member(&format!("later{}", COUNT.fetch_add(1, Ordering::Relaxed)), Role::Admin)
}

fn read(client: &Client, id: &Value) -> Value {
    client.get(&format!("{RECURRING}{id}/")).expect(200)
}

/// The invoices of one: day, date, status.
fn made(client: &Client, id: &Value) -> Vec<(String, String, String)> {
    let list = client.get(&format!("{INVOICES}?recurring_id={id}&ordering=issue_date&page_size=100")).expect(200);
    let text = |invoice: &Value, name: &str| invoice[name].as_str().unwrap_or_default().to_owned();
    let rows = list["results"].as_array().expect("results");
    rows.iter().map(|invoice| (text(invoice, "run_on"), text(invoice, "issue_date"), text(invoice, "status"))).collect()
}

fn days(client: &Client, id: &Value) -> Vec<String> {
    made(client, id).into_iter().map(|(day, ..)| day).collect()
}

#[test]
fn the_last_of_the_month_stays_the_last() {
    let books = Books::open();
    let monthly = recurring(&books, json!({"next_run_on": "2025-12-31"}));
    assert_eq!((&monthly["anchor_day"], &monthly["total"], &monthly["status"]), (&json!(31), &json!("250.00"), &json!("active")));
    // Missed days are caught up, one by one, each as of its day.
    assert!(run(&books).contains("3 made, 0 failed"));
    let wanted = ["2025-12-31", "2026-01-31", "2026-02-28"];
    assert_eq!(days(&books.admin, &monthly["id"]), wanted);
    assert!(made(&books.admin, &monthly["id"]).iter().all(|(day, date, status)| day == date && status == "draft"));
    let after = read(&books.admin, &monthly["id"]);
    assert_eq!((&after["next_run_on"], &after["runs"], &after["last_run_on"]), (&json!("2026-03-31"), &json!(3), &json!("2026-02-28")));
    // Nothing is made twice.
    assert!(run(&books).contains("0 made"));
    books.server.clock.advance(29 * DAY);
    assert!(run(&books).contains("1 made"));
    assert_eq!(read(&again(&books), &monthly["id"])["next_run_on"], "2026-04-30");
    let admin = again(&books);
    for (frequency, interval, anchor, from, wanted) in [
        ("daily", 3, json!(null), "2026-05-30", "2026-06-02"),
        ("weekly", 2, json!(null), "2026-05-30", "2026-06-13"),
        ("quarterly", 1, json!(31), "2026-11-30", "2027-02-28"),
        ("yearly", 1, json!(29), "2027-02-28", "2028-02-29"),
        ("yearly", 1, json!(null), "2028-02-29", "2029-02-28"),
        ("monthly", 1, json!(30), "2027-02-28", "2027-03-30"),
        ("monthly", 5, json!(31), "2026-09-30", "2027-02-28"),
    ] {
        let body = json!({
            "name": "x", "party": books.party, "frequency": frequency, "interval": interval, "anchor_day": anchor, "next_run_on": from,
            "items": [{"name": "a", "unit_cost": 1}],
        });
        let one = admin.create(RECURRING, body);
        let skipped = admin.post(&format!("{RECURRING}{}/skip/", one["id"]), json!({})).expect(200);
        assert_eq!(skipped["next_run_on"], wanted, "{frequency} {interval} from {from}");
    }
}

#[test]
fn catching_up_is_done_in_parts_and_ends_when_it_should() {
    let books = Books::open();
    let daily = recurring(&books, json!({"frequency": "daily", "next_run_on": "2026-02-11"}));
    assert!(run(&books).contains("12 made"), "a dozen at once");
    assert_eq!(read(&books.admin, &daily["id"])["next_run_on"], "2026-02-23");
    assert!(run(&books).contains("8 made"), "and the rest the next time");
    assert_eq!(days(&books.admin, &daily["id"]).len(), 20);
    let few = recurring(&books, json!({"frequency": "weekly", "next_run_on": "2026-02-02", "max_runs": 2}));
    let until = recurring(&books, json!({"frequency": "weekly", "next_run_on": "2026-02-02", "end_on": "2026-02-20"}));
    run(&books);
    for (one, count) in [(&few, 2), (&until, 3)] {
        assert_eq!((&read(&books.admin, &one["id"])["status"], days(&books.admin, &one["id"]).len()), (&json!("ended"), count));
        let path = format!("{RECURRING}{}/", one["id"]);
        assert_eq!(books.admin.post(&format!("{path}run-now/"), json!({})).status, 409);
        assert_eq!(books.admin.post(&format!("{path}skip/"), json!({})).status, 409);
    }
    // More of it takes it up again.
    let more = books.admin.patch(&format!("{RECURRING}{}/", few["id"]), json!({"max_runs": 3})).expect(200);
    assert_eq!(more["status"], "active");
    run(&books);
    assert_eq!(days(&books.admin, &few["id"]).len(), 3);
}

#[test]
fn it_is_paused_taken_up_run_and_skipped() {
    let books = Books::open();
    let one = recurring(&books, json!({"frequency": "weekly", "next_run_on": "2026-03-01"}));
    let act = |client: &Client, action: &str| client.post(&format!("{RECURRING}{}/{action}/", one["id"]), json!({}));
    assert_eq!(act(&books.admin, "resume").status, 409);
    assert_eq!(act(&books.admin, "pause").expect(200)["status"], "paused");
    assert_eq!(act(&books.admin, "pause").status, 409);
    assert!(run(&books).contains("0 made"), "what is paused rests");
    books.server.clock.advance(10 * DAY);
    let admin = again(&books);
    let resumed = act(&admin, "resume").expect(200);
    assert_eq!((&resumed["status"], &resumed["next_run_on"]), (&json!("active"), &json!("2026-03-15")), "what passed makes no invoices");
    // The next one now: of today, in place of its day.
    let invoice = act(&admin, "run-now").expect(201);
    assert_eq!(
        (&invoice["run_on"], &invoice["issue_date"], &invoice["recurring_id"]),
        (&json!("2026-03-15"), &json!("2026-03-12"), &one["id"])
    );
    assert_eq!(read(&admin, &one["id"])["next_run_on"], "2026-03-22");
    assert_eq!(act(&admin, "skip").expect(200)["next_run_on"], "2026-03-29");
    // A day that has its invoice gets no other, whatever is asked for.
    let path = format!("{RECURRING}{}/", one["id"]);
    admin.patch(&path, json!({"next_run_on": "2026-03-15"})).refuses(json!({"next_run_on": ["There is an invoice of this day already."]}));
    let copy = "INSERT INTO invoices (uuid, created_at, updated_at, business_id, party_id, issue_date, due_date, currency, prices_include_tax, \
                subtotal, discount_total, tax_total, total, recurring_id, run_on) SELECT 'u', created_at, updated_at, business_id, party_id, \
                issue_date, due_date, currency, 0, 0, 0, 0, 0, recurring_id, run_on FROM invoices";
    assert!(books.refused(copy).contains("UNIQUE"));
}

#[test]
fn what_was_cut_off_is_done_once() {
    let books = Books::open();
    let one = recurring(&books, json!({"frequency": "weekly", "next_run_on": "2026-02-16"}));
    run(&books);
    assert_eq!(days(&books.admin, &one["id"]).len(), 3);
    // As if the day had been gone back to: the database refuses a second invoice of it, and says so where it is seen.
    let id = one["id"].as_i64().expect("an id");
    books.server.write(move |tx| tx.update("recurring_invoices", id, vec![("next_run_on", "2026-02-16".into())]));
    assert!(run(&books).contains("0 made, 1 failed"));
    assert_eq!(days(&books.admin, &one["id"]).len(), 3);
    let server = books.server.restart();
    let lines = jobs::run(&server.app, "run_recurring_invoices").expect("the job runs").concat();
    assert!(lines.contains("0 made, 1 failed"), "{lines}");
}

#[test]
fn one_that_fails_holds_up_no_other_and_says_why() {
    let books = Books::open();
    let closed = books.admin.post("/api/finance/lock/", json!({"until": "2026-02-20"}));
    assert!([200, 201].contains(&closed.status), "{}", closed.text);
    let fails = recurring(&books, json!({"next_run_on": "2026-02-15", "auto_issue": true}));
    let works = recurring(&books, json!({"next_run_on": "2026-03-01", "auto_issue": true}));
    assert!(run(&books).contains("1 made, 1 failed"));
    let read = |one: &Value| read(&books.admin, &one["id"]);
    let failed = read(&fails);
    assert!(failed["last_error"].as_str().is_some_and(|text| !text.is_empty()), "{failed}");
    assert_eq!(
        (&failed["has_failed"], failed["failed_at"].is_string(), &failed["next_run_on"]),
        (&json!(true), true, &json!("2026-02-15"))
    );
    assert_eq!(books.admin.get(&format!("{RECURRING}?has_failed=true")).expect(200)["count"], 1);
    assert!(days(&books.admin, &fails["id"]).is_empty(), "nothing is left of it");
    assert_eq!(made(&books.admin, &works["id"])[0].2, "unpaid");
    // Said once, however often it is tried: where it is seen, and to whoever set it up.
    run(&books);
    assert_eq!(read(&fails)["version"], failed["version"]);
    assert_eq!(told(&books), [("admin@example.com".to_owned(), failed["last_error"].as_str().unwrap_or_default().to_owned())]);
    let skipped = books.admin.post(&format!("{RECURRING}{}/skip/", fails["id"]), json!({})).expect(200);
    assert_eq!((&skipped["last_error"], &skipped["failed_at"]), (&json!(""), &json!(null)));
}

#[test]
fn what_is_sent_at_once_goes_out_once() {
    let books = Books::open();
    let silent = books.admin.create("/api/finance/parties/", json!({"name": "Silent"}))["id"].clone();
    recurring(&books, json!({"auto_send": true, "auto_issue": true, "next_run_on": "2026-03-02"}));
    let unsent = recurring(&books, json!({"auto_send": true, "auto_issue": true, "next_run_on": "2026-03-02", "party": silent}));
    books
        .admin
        .patch(&format!("{RECURRING}{}/", unsent["id"]), json!({"auto_issue": false}))
        .refuses(json!({"auto_send": ["Only what is issued is sent: set auto_issue as well."]}));
    run(&books);
    let sql = "SELECT count(*), max(recipient), max(instr(payload, '/p/') > 0) FROM outbox \
               WHERE status = 'pending' AND channel = 'email' AND json_extract(payload, '$.subject') NOT LIKE 'Recurring invoice %'";
    let sent =
        books.server.app.db.read(|reader| reader.row(sql, &[], |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?, row.get::<i64>(2)?))));
    assert_eq!(sent.expect("a query"), Some((1, "acme@example.com".to_owned(), 1)), "one message, with the link");
    // Without an address it is issued all the same, and that is said.
    let after = read(&books.admin, &unsent["id"]);
    assert_eq!((made(&books.admin, &unsent["id"])[0].2.as_str(), &after["runs"]), ("unpaid", &json!(1)));
    assert!(after["last_error"].as_str().is_some_and(|text| text.contains("no e-mail address")), "{after}");
    assert_eq!(told(&books), [("admin@example.com".to_owned(), after["last_error"].as_str().unwrap_or_default().to_owned())]);
}

/// Who was told of what went wrong.
fn told(books: &Books) -> Vec<(String, String)> {
    let sql = "SELECT recipient, json_extract(payload, '$.text') FROM outbox \
               WHERE channel = 'email' AND json_extract(payload, '$.subject') = 'Recurring invoice Rent' ORDER BY id";
    let read = |row: &studio::db::Row<'_>| Ok((row.get::<String>(0)?, row.get::<String>(1)?));
    books.server.app.db.read(|reader| reader.rows(sql, &[], read)).expect("a query of the test")
}

/// Who set it up is told while they work here; otherwise those who run the business are.
#[test]
fn of_a_failure_somebody_is_told() {
    let books = Books::open();
    let keeper = books.server.staff("keeper", &[Capability::Finance]);
    let body = json!({
        "name": "Rent", "party": books.party, "frequency": "monthly", "next_run_on": "2026-02-15", "auto_issue": true,
        "items": [{"name": "Office", "unit_cost": "250"}],
    });
    keeper.create(RECURRING, body.clone());
    books.admin.post("/api/finance/lock/", json!({"until": "2026-02-20"}));
    run(&books);
    let people = |books: &Books| told(books).into_iter().map(|(who, _)| who).collect::<Vec<_>>();
    assert_eq!(people(&books), ["keeper@example.com"]);
    let id = keeper.create(RECURRING, body)["id"].clone();
    let keeper = keeper.id;
    books.server.write(move |tx| {
        let membership: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[keeper.into()])?.expect("a membership");
        tx.update("memberships", membership, vec![("status", "ended".into())])
    });
    run(&books);
    assert_eq!(people(&books), ["keeper@example.com", "admin@example.com"]);
    // A failure of another kind is another failure.
    let party = books.party;
    books.server.write(move |tx| tx.delete("parties", party));
    run(&books);
    assert_ne!(read(&books.admin, &id)["last_error"], "");
}

#[test]
fn what_cannot_be_is_refused() {
    let books = Books::open();
    let body = |more: Value| {
        let mut body = json!({"name": "x", "party": books.party, "frequency": "weekly", "next_run_on": "2026-04-01", "items": [{"name": "a", "unit_cost": 1}]});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        books.admin.post(RECURRING, body)
    };
    body(json!({"items": []})).refuses(json!({"items": ["This list may not be empty."]}));
    body(json!({"interval": 53})).refuses(json!({"interval": ["Ensure this value is less than or equal to 52."]}));
    body(json!({"interval": 0})).refuses(json!({"interval": ["Ensure this value is greater than or equal to 1."]}));
    body(json!({"anchor_day": 32})).refuses(json!({"anchor_day": ["Ensure this value is less than or equal to 31."]}));
    body(json!({"frequency": "hourly"})).refuses(json!({"frequency": ["\"hourly\" is not a valid choice."]}));
    assert_eq!(body(json!({"direction": "incoming", "auto_issue": true})).status, 400);
    assert_eq!(body(json!({"next_run_on": "9999-12-31", "frequency": "yearly"})).status, 201);
}

#[test]
fn recurring_invoices_are_for_those_who_keep_the_books() {
    let books = Books::open();
    let one = recurring(&books, json!({"next_run_on": "2026-04-01"}));
    let path = format!("{RECURRING}{}/", one["id"]);
    let officer = books.server.staff("officer", &[Capability::Finance]);
    officer.get(&path).expect(200);
    officer.patch(&path, json!({"notes": "x"})).expect(200);
    officer.post(&format!("{path}pause/"), json!({})).expect(200);
    officer.post(&format!("{path}resume/"), json!({})).expect(200);
    officer.post(&format!("{path}run-now/"), json!({})).expect(201);
    assert_eq!(officer.delete(&path).status, 403);
    let customer = books.server.member("customer", Role::Customer);
    books.admin.patch(&format!("/api/finance/parties/{}/", books.party), json!({"user": customer.id})).expect(200);
    let others = [Role::Staff, Role::Agent, Role::Teacher, Role::Student, Role::Citizen].map(|role| books.server.member(role.name(), role));
    for other in others.iter().chain([&customer]) {
        assert_eq!(other.get(RECURRING).status, 403);
        assert_eq!(other.get(&path).status, 403);
        for action in ["pause", "resume", "run-now", "skip"] {
            assert_eq!(other.post(&format!("{path}{action}/"), json!({})).status, 403, "{action}");
        }
    }
    let abroad = books.server.business("Abroad");
    let stranger = books.server.member_with("stranger", Role::Admin, abroad, &[]);
    for action in ["pause", "resume", "run-now", "skip"] {
        assert_eq!(stranger.post(&format!("{path}{action}/"), json!({})).status, 404, "{action}");
    }
    // Each business has its own: what the program makes abroad is made there.
    assert_eq!(stranger.get(RECURRING).expect(200)["count"], 0);
}

#[test]
fn a_day_that_was_passed_over_is_made_up_for_and_no_day_comes_twice() {
    let books = Books::open();
    let one = recurring(&books, json!({"frequency": "daily", "next_run_on": "2026-03-02"}));
    let path = format!("{RECURRING}{}/", one["id"]);
    let act = |action: &str| books.admin.post(&format!("{path}{action}/"), json!({}));
    act("skip").expect(200);
    act("run-now").expect(201);
    act("run-now").expect(201);
    let set_back = books.admin.patch(&path, json!({"next_run_on": "2026-03-02"})).expect(200);
    assert_eq!(set_back["next_run_on"], "2026-03-02");
    act("run-now").expect(201);
    let mut made = days(&books.admin, &one["id"]);
    made.sort();
    assert_eq!(made, ["2026-03-02", "2026-03-03", "2026-03-04"]);
    assert_eq!(read(&books.admin, &one["id"])["next_run_on"], "2026-03-05", "after those that are made");
}

/// Its invoices are made: that is not taken back with what was asked for.
#[test]
fn taking_it_back_leaves_how_far_it_has_come() {
    let books = Books::open();
    let one = recurring(&books, json!({"frequency": "daily", "next_run_on": "2026-03-02"}));
    let path = format!("{RECURRING}{}/", one["id"]);
    let first = books.admin.get(&format!("{path}history/")).expect(200)["results"][0]["id"].clone();
    books.admin.patch(&path, json!({"name": "Rent and water", "items": [{"name": "Office", "unit_cost": "300"}]})).expect(200);
    books.admin.post(&format!("{path}run-now/"), json!({})).expect(201);
    let reverted = books.admin.post(&format!("{path}revert/"), json!({"to": first})).expect(200);
    let said = ["name", "total", "next_run_on", "runs"].map(|name| reverted[name].clone());
    assert_eq!(said, [json!("Rent"), json!("250.00"), json!("2026-03-03"), json!(1)]);
}
