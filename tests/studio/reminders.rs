//! Reminders: before an invoice is due and after, each once, to whom it concerns, and to nobody who does not want any.

use serde_json::{Value, json};
use studio::{actor::Role, jobs};

use crate::invoices::{Books, INVOICES};

const DAY: i64 = 24 * 60 * 60;

/// What was sent since it was asked last: to whom, and the subject.
fn sent(books: &Books) -> Vec<(String, String)> {
    jobs::run(&books.server.app, "remind_invoices").expect("the job runs");
    let sql = "SELECT recipient, json_extract(payload, '$.subject') FROM outbox WHERE key LIKE 'invoice.due_soon:%' OR key LIKE 'invoice.overdue:%' \
               ORDER BY id";
    let all = books.server.app.db.read(|reader| reader.rows(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))).expect("a query");
    books.server.write(|tx| tx.clear("outbox", "TRUE", &[]));
    all
}

fn days(books: &Books, days: i64) {
    books.server.clock.advance(days * DAY);
}

fn reminders(books: &Books, id: &Value) -> (i64, bool) {
    let sql = "SELECT reminder_count, last_reminder_at IS NOT NULL FROM invoices WHERE id = ?1";
    let id = id.as_i64().expect("an id");
    let row = books.server.app.db.read(|reader| reader.row(sql, &[id.into()], |row| Ok((row.get(0)?, row.get(1)?))));
    row.expect("a query").expect("an invoice")
}

fn due_on(books: &Books, date: &str) -> Value {
    books.admin.create(INVOICES, json!({"party": books.party, "amount": 100, "issue": true, "due_date": date}))["id"].clone()
}

#[test]
fn whoever_is_to_pay_is_reminded_on_the_days_for_it() {
    let books = Books::open();
    // It is the second of March.
    let id = due_on(&books, "2026-03-10");
    assert_eq!((sent(&books), reminders(&books, &id)), (vec![], (0, false)));
    days(&books, 4);
    assert_eq!(sent(&books), [], "four days before");
    days(&books, 1);
    let soon = sent(&books);
    assert_eq!(soon, [("acme@example.com".to_owned(), "Main: invoice INV-2026-0001 is due soon".to_owned())]);
    assert_eq!((sent(&books), reminders(&books, &id)), (vec![], (1, true)), "once");
    // From the seventh on: each day with what is sent on it, to the party and to whoever issued it.
    let mut on = vec![];
    for day in 8..=70 {
        days(&books, 1);
        let messages = sent(&books);
        if !messages.is_empty() {
            let to: Vec<&str> = messages.iter().map(|(to, _)| to.as_str()).collect();
            assert_eq!(to, ["acme@example.com", "admin@example.com"]);
            assert_eq!(messages[0].1, "Main: invoice INV-2026-0001 is overdue");
            on.push(day - 10);
        }
        assert_eq!(sent(&books), [], "once a day");
    }
    assert_eq!(on, [1, 7, 14, 28, 42, 56]);
    assert_eq!(reminders(&books, &id), (7, true));
}

#[test]
fn what_was_missed_is_made_up_for_by_one() {
    let books = Books::open();
    let id = due_on(&books, "2026-03-05");
    days(&books, 25);
    assert_eq!(sent(&books).len(), 2, "one reminder, to two");
    assert_eq!(reminders(&books, &id).0, 1);
    days(&books, 6);
    assert_eq!(sent(&books).len(), 2, "the next on its day");
    // A due date that is moved begins anew.
    let admin = books.server.member("later", Role::Admin);
    admin.patch(&format!("{INVOICES}{id}/"), json!({"due_date": "2026-04-01"})).expect(200);
    assert_eq!(sent(&books).len(), 2, "the day after");
    assert_eq!(sent(&books).len(), 0);
}

#[test]
fn nobody_is_reminded_without_a_reason() {
    let books = Books::open();
    books.account("Cash", "cash");
    let date = "2026-03-02";
    let paid = due_on(&books, date);
    books.admin.post(&format!("{INVOICES}{paid}/pay/"), json!({})).expect(201);
    let void = due_on(&books, date);
    books.admin.post(&format!("{INVOICES}{void}/void/"), json!({})).expect(200);
    let off = due_on(&books, date);
    books.admin.patch(&format!("{INVOICES}{off}/"), json!({"reminders_off": true})).expect(200);
    books.admin.create(INVOICES, json!({"party": books.party, "amount": 5, "due_date": date}));
    let bill = json!({"party": books.party, "direction": "incoming", "number": "B1", "amount": 5, "issue": true, "due_date": date});
    books.admin.create(INVOICES, bill);
    let quiet =
        books.admin.create("/api/finance/parties/", json!({"name": "Quiet", "email": "q@example.com", "reminders_off": true}))["id"]
            .clone();
    books.admin.create(INVOICES, json!({"party": quiet, "amount": 5, "issue": true, "due_date": date}));
    days(&books, 1);
    assert_eq!(sent(&books), []);
    // Partly paid is open; without an address the one who issued it hears of it all the same.
    let admin = books.server.member("later", Role::Admin);
    let part =
        admin.create(INVOICES, json!({"party": books.party, "amount": 100, "issue": true, "issue_date": date, "due_date": date}))["id"]
            .clone();
    admin.post(&format!("{INVOICES}{part}/pay/"), json!({"amount": 40})).expect(201);
    let mute = admin.create("/api/finance/parties/", json!({"name": "Mute"}))["id"].clone();
    let unreached =
        admin.create(INVOICES, json!({"party": mute, "amount": 5, "issue": true, "issue_date": date, "due_date": date}))["id"].clone();
    let to: Vec<String> = sent(&books).into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, ["acme@example.com", "later@example.com", "later@example.com"]);
    assert_eq!((reminders(&books, &part).0, reminders(&books, &unreached).0), (1, 1));
    // When reminding is wanted again, it goes on.
    admin.patch(&format!("{INVOICES}{off}/"), json!({"reminders_off": false})).expect(200);
    assert_eq!(sent(&books).len(), 2);
}

#[test]
fn nobody_is_reminded_at_night() {
    let books = Books::open();
    // In Los Angeles it is one o'clock.
    books.server.write(|tx| tx.update("businesses", 1, vec![("timezone", "America/Los_Angeles".into())]));
    due_on(&books, "2026-03-02");
    days(&books, 1);
    assert_eq!(sent(&books), []);
    books.server.clock.advance(8 * 60 * 60);
    assert_eq!(sent(&books).len(), 2);
}

#[test]
fn a_party_is_written_to_in_the_language_of_the_business_and_people_in_their_own() {
    let books = Books::open();
    // Whoever was there before speaks as they did.
    books.server.write(|tx| tx.update("businesses", 1, vec![("locale", "fr".into())]));
    due_on(&books, "2026-03-04");
    let sql = "SELECT payload ->> 'subject' FROM outbox WHERE key LIKE 'invoice.issued:%'";
    let issued: Option<String> = books.server.app.db.read(|reader| reader.one(sql, &[])).expect("a query");
    assert_eq!(issued.as_deref(), Some("Main : facture INV-2026-0001"));
    days(&books, 3);
    let late = sent(&books).into_iter().map(|(_, subject)| subject).collect::<Vec<_>>();
    assert_eq!(late, ["Main : la facture INV-2026-0001 est en retard", "Invoice INV-2026-0001 to Acme is overdue"]);
}
