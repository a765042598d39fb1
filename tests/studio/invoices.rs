//! Invoices: what they come to, how they are issued and taken back, who sees them, and what the database refuses.

use rusqlite::Connection;
use serde_json::{Value, json};
use studio::{
    actor::{Capability, Role},
    db,
};

use crate::support::{Client, NOW, Server};

pub const INVOICES: &str = "/api/finance/invoices/";

/// A business with an administrator and a party.
pub struct Books {
    pub server: Server,
    pub admin: Client,
    pub party: i64,
}

impl Books {
    pub fn open() -> Self {
        let server = Server::start();
        let admin = server.member("admin", Role::Admin);
        let party = admin.create("/api/finance/parties/", json!({"name": "Acme", "email": "acme@example.com"}));
        let party = party["id"].as_i64().expect("an id");
        Self { server, admin, party }
    }

    /// A place for money; the cash box is there from the beginning.
    pub fn account(&self, name: &str, kind: &str) -> i64 {
        let known = self.admin.get(&format!("/api/finance/accounts/?type={kind}")).expect(200);
        let mut known = known["results"].as_array().into_iter().flatten().filter(|account| account["name"] == name);
        if let Some(id) = known.next().and_then(|account| account["id"].as_i64()) {
            return id;
        }
        let body = json!({"name": name, "type": kind});
        self.admin.create("/api/finance/accounts/", body)["id"].as_i64().expect("an id")
    }

    pub fn tax(&self, percent: &str) -> i64 {
        let body = json!({"name": format!("VAT {percent}"), "percent": percent});
        self.admin.create("/api/finance/tax-rates/", body)["id"].as_i64().expect("an id")
    }

    /// An issued invoice of one item.
    pub fn issued(&self, amount: &str) -> Value {
        self.admin.create(INVOICES, json!({"party": self.party, "amount": amount, "issue": true}))
    }

    pub fn invoice(&self, id: &Value) -> Value {
        self.admin.get(&format!("{INVOICES}{id}/")).expect(200)
    }

    /// The lines of an entry: type of the account and amount, debit first.
    pub fn lines(&self, entry: &Value) -> Vec<(String, i64)> {
        let sql =
            "SELECT a.type, l.amount FROM journal_lines AS l JOIN accounts AS a ON a.id = l.account_id WHERE l.entry_id = ?1 ORDER BY l.id";
        let entry = entry.as_i64().expect("an entry");
        self.server.app.db.read(|reader| reader.rows(sql, &[entry.into()], |row| Ok((row.get(0)?, row.get(1)?)))).expect("lines")
    }

    /// Tries something without the program; answers why it was refused.
    pub fn refused(&self, sql: &str) -> String {
        let connection = Connection::open(db::file_in(&self.server.app.config.data.folder)).expect("a connection");
        connection.busy_timeout(std::time::Duration::from_secs(5)).expect("a timeout");
        connection.pragma_update(None, "foreign_keys", true).expect("a pragma");
        match connection.execute(sql, []) {
            Ok(rows) => panic!("{sql} was done to {rows} rows"),
            Err(error) => error.to_string(),
        }
    }
}

#[test]
fn the_documented_call_works_as_it_stands() {
    let books = Books::open();
    assert_eq!(books.party, 1, "the example's party");
    let call = r#"{"number":"INV-001","party":1,"amount":1000}"#;
    let made = books.admin.send("POST", INVOICES, Some(("application/json", call.as_bytes().to_vec()))).expect(201);
    for (name, value) in [
        ("number", json!("INV-001")),
        ("status", json!("draft")),
        ("direction", json!("outgoing")),
        ("subtotal", json!("1000.00")),
        ("tax_total", json!("0.00")),
        ("total", json!("1000.00")),
        ("amount", json!("1000.00")),
        ("tax", json!("0.00")),
        ("discount", json!("0.00")),
        ("paid_amount", json!("0.00")),
        ("amount_due", json!("1000.00")),
        ("party_name", json!("Acme")),
        ("is_overdue", json!(false)),
    ] {
        assert_eq!(made[name], value, "{name}");
    }
    let item = &made["items"][0];
    assert_eq!((&item["name"], &item["quantity"], &item["unit_cost"]), (&json!("INV-001"), &json!("1"), &json!("1000")));
    books
        .admin
        .post(INVOICES, json!({"number": "INV-001", "party": 1, "amount": 5}))
        .refuses(json!({"number": ["invoice with this number already exists."]}));
    let paid = books.account("Cash", "cash");
    assert!(paid > 0);
    let paid = books.admin.post(&format!("{INVOICES}{}/pay/", made["id"]), json!({"amount": 400})).expect(201);
    assert_eq!((&paid["invoice"], &paid["amount"]), (&made["id"], &json!("400.00")), "paying a draft issues it");
    let after = books.invoice(&made["id"]);
    assert_eq!((&after["status"], &after["amount_due"]), (&json!("partial"), &json!("600.00")));
}

#[test]
fn what_is_sent_must_be_what_it_comes_to() {
    let books = Books::open();
    let (tax, party) = (books.tax("23"), books.party);
    let items = json!([{"name": "a", "unit_cost": "55.55", "tax_rate": tax}, {"name": "b", "unit_cost": 11.11, "tax_rate": tax}]);
    let made = books.admin.create(INVOICES, json!({"party": party, "items": items, "total": "81.99", "tax": 15.33, "amount": "81.99"}));
    assert_eq!((&made["subtotal"], &made["tax_total"], &made["total"]), (&json!("66.66"), &json!("15.33"), &json!("81.99")), "T1");
    assert_eq!((&made["items"][0]["tax_amount"], &made["items"][1]["tax_amount"]), (&json!("12.78"), &json!("2.55")));
    assert_eq!((&made["items"][0]["tax_percent"], &made["items"][0]["tax_name"]), (&json!("23"), &json!("VAT 23")));
    for (name, value) in [("total", "82.00"), ("amount", "82.00"), ("tax", "15.34"), ("subtotal", "66.65"), ("discount", "1.00")] {
        let refused = books.admin.post(INVOICES, json!({"party": party, "items": items, name: value}));
        assert_eq!(refused.status, 400, "{name}: {}", refused.text);
        assert!(refused.json()[name][0].as_str().is_some_and(|text| text.contains(value)), "{}", refused.text);
    }
    let one = format!("{INVOICES}{}/", made["id"]);
    books.admin.patch(&one, json!({"total": "81.98"})).refuses(json!({"total": ["This comes to 81.99, not 81.98."]}));
    // What was read can be sent back; items that were changed without what they come to cannot.
    let mut whole = books.admin.get(&one).expect(200);
    whole["party"] = whole["party_id"].clone();
    books.admin.put(&one, whole.clone()).expect(200);
    whole["items"][0]["quantity"] = json!("2");
    assert_eq!(books.admin.put(&one, whole).status, 400);
    for (amount, text) in [
        (json!("10.005"), "Ensure that there are no more than 2 decimal places."),
        (json!(0.300_000_000_000_000_04), "A number this precise must be sent as a string."),
        (json!("1e3"), "A valid number is required."),
        (json!(-1), "Ensure this value is greater than or equal to 0."),
    ] {
        books.admin.post(INVOICES, json!({"party": party, "amount": amount})).refuses(json!({"amount": [text]}));
    }
    let refused = books
        .admin
        .post(INVOICES, json!({"party": party, "items": [{"name": "a", "unit_cost": 5, "discount_type": "fixed", "discount_value": 6}]}));
    refused.refuses(json!({"items": [{"discount_value": ["The discount is more than there is to discount."]}]}));
    books
        .admin
        .post(INVOICES, json!({"party": party, "items": [{"name": "a", "unit_cost": 5, "quantity": 0}]}))
        .refuses(json!({"items": [{"quantity": ["Ensure this value is greater than 0."]}]}));
    let huge = json!([{"name": "a", "unit_cost": "9007199254", "quantity": "900719925474"}]);
    books
        .admin
        .post(INVOICES, json!({"party": party, "items": huge}))
        .refuses(json!({"items": [{"unit_cost": ["The amount is too large."]}]}));
}

#[test]
fn discounts_before_tax_and_prices_with_tax() {
    let books = Books::open();
    let (nineteen, five, party) = (books.tax("19"), books.tax("5"), books.party);
    let d2 = json!({"party": party, "discount_type": "fixed", "discount_value": 7500, "items": [{"name": "x", "unit_cost": 8500, "tax_rate": nineteen}]});
    let made = books.admin.create(INVOICES, d2);
    assert_eq!(
        (&made["tax_total"], &made["total"], &made["discount_total"]),
        (&json!("190.00"), &json!("1190.00"), &json!("7500.00")),
        "D2"
    );
    let items = json!([{"name": "a", "unit_cost": 90, "tax_rate": five}, {"name": "b", "unit_cost": 55, "tax_rate": five}]);
    let made = books.admin.create(INVOICES, json!({"party": party, "prices_include_tax": true, "items": items}));
    assert_eq!((&made["subtotal"], &made["tax_total"], &made["total"]), (&json!("138.10"), &json!("6.90"), &json!("145.00")), "T3");
    let ugx = books
        .admin
        .create(INVOICES, json!({"party": party, "currency": "UGX", "items": [{"name": "a", "quantity": 3, "unit_cost": "333"}]}));
    assert_eq!((&ugx["total"], &ugx["items"][0]["amount"]), (&json!("999"), &json!("999")), "R2");
    books
        .admin
        .post(INVOICES, json!({"party": party, "currency": "UGX", "amount": "333.50"}))
        .refuses(json!({"amount": ["Ensure that there are no more than 0 decimal places."]}));
    // D1: an issued invoice of nothing is paid.
    let d1 = json!({"party": party, "issue": true, "items": [{"name": "a", "quantity": "2.25", "unit_cost": "64.22", "discount_type": "percent", "discount_value": 100}]});
    let made = books.admin.create(INVOICES, d1);
    assert_eq!((&made["total"], &made["status"], &made["journal_entry_id"]), (&json!("0.00"), &json!("paid"), &json!(null)), "D1");
}

#[test]
fn issuing_posts_numbers_and_freezes() {
    let books = Books::open();
    let tax = books.tax("22");
    // L1
    let items =
        json!([{"name": "t2", "quantity": 16, "unit_cost": "348.35", "discount_type": "percent", "discount_value": "4", "tax_rate": tax}]);
    let draft = books.admin.create(INVOICES, json!({"party": books.party, "items": items}));
    assert_eq!((&draft["number"], &draft["state"], &draft["total"]), (&json!(null), &json!("draft"), &json!("6527.81")));
    let one = format!("{INVOICES}{}/", draft["id"]);
    let issued = books.admin.post(&format!("{one}issue/"), json!({})).expect(200);
    assert_eq!((&issued["number"], &issued["state"], &issued["status"]), (&json!("INV-2026-0001"), &json!("issued"), &json!("unpaid")));
    assert_eq!((&issued["issued_at"], &issued["issued_by"]), (&json!(NOW), &json!(books.admin.id)));
    let lines = books.lines(&issued["journal_entry_id"]);
    let wanted = [("receivable", 652_781), ("income", -535_066), ("tax_payable", -117_715)];
    assert_eq!(lines, wanted.map(|(kind, amount)| (kind.to_owned(), amount)), "L1");
    let again = books.admin.post(&format!("{one}issue/"), json!({}));
    assert_eq!((again.status, again.json()["code"].clone()), (409, json!("invalid_transition")));
    for change in
        [json!({"party": books.party, "discount_type": "percent", "discount_value": 1}), json!({"items": []}), json!({"number": "X"})]
    {
        let refused = books.admin.patch(&one, change);
        assert_eq!((refused.status, refused.json()["code"].clone()), (409, json!("immutable")), "{}", refused.text);
    }
    assert_eq!(books.admin.delete(&one).status, 409);
    let kept = books.admin.patch(&one, json!({"notes": "Thanks", "due_date": "2026-04-01", "reference": "PO 7"})).expect(200);
    assert_eq!((&kept["notes"], &kept["due_date"], &kept["total"]), (&json!("Thanks"), &json!("2026-04-01"), &json!("6527.81")));
    let empty = books.admin.create(INVOICES, json!({"party": books.party}));
    assert_eq!(books.admin.post(&format!("{INVOICES}{}/issue/", empty["id"]), json!({})).status, 409, "without items");
    // A number that was given is passed over.
    books.admin.create(INVOICES, json!({"party": books.party, "amount": 1, "number": "INV-2026-0002", "issue": true}));
    assert_eq!(books.issued("1")["number"], "INV-2026-0003");
    let told = "SELECT count(*) FROM outbox WHERE key LIKE 'invoice.issued:%'";
    assert_eq!(books.server.app.db.read(|reader| reader.one::<i64>(told, &[])).expect("a count"), Some(3));
}

#[test]
fn voiding_crediting_and_writing_off() {
    let books = Books::open();
    books.account("Cash", "cash");
    let path = |invoice: &Value, action: &str| format!("{INVOICES}{}/{action}/", invoice["id"]);
    let first = books.issued("100");
    let void = books.admin.post(&path(&first, "void"), json!({"reason": "Typed twice"})).expect(200);
    assert_eq!((&void["status"], &void["void_reason"], &void["amount_due"]), (&json!("void"), &json!("Typed twice"), &json!("0.00")));
    assert_eq!(books.lines(&void["void_entry_id"]), [("receivable".to_owned(), -10_000), ("income".to_owned(), 10_000)]);
    assert_eq!(books.admin.post(&path(&first, "void"), json!({})).status, 409);
    assert_eq!(books.issued("1")["number"], "INV-2026-0002", "its number stays used");

    let second = books.issued("200");
    books.admin.post(&path(&second, "pay"), json!({"amount": "50"})).expect(201);
    let refused = books.admin.post(&path(&second, "void"), json!({}));
    assert_eq!((refused.status, refused.json()["code"].clone()), (409, json!("has_allocations")));
    let note = books.admin.post(&path(&second, "credit-note"), json!({"full": true})).expect(201);
    assert_eq!((&note["kind"], &note["total"], &note["number"]), (&json!("credit_note"), &json!("200.00"), &json!("CN-2026-0001")));
    assert_eq!((&note["paid_amount"], &note["amount_due"], &note["corrects"]), (&json!("150.00"), &json!("50.00"), &second["id"]));
    assert_eq!(books.invoice(&second["id"])["status"], "paid");
    let more = books.admin.post(&path(&second, "credit-note"), json!({"full": true}));
    assert_eq!((more.status, more.json()["code"].clone()), (409, json!("exceeds_open_amount")));

    let third = books.admin.create(INVOICES, json!({"party": books.party, "issue": true, "items": [{"name": "a", "quantity": 4, "unit_cost": 25}, {"name": "b", "unit_cost": 10}]}));
    let note =
        books.admin.post(&path(&third, "credit-note"), json!({"lines": [{"item": third["items"][0]["id"], "quantity": "1"}]})).expect(201);
    assert_eq!((&note["total"], &books.invoice(&third["id"])["amount_due"]), (&json!("25.00"), &json!("85.00")));
    let off = books.admin.post(&path(&third, "write-off"), json!({"reason": "Gone"})).expect(201);
    assert_eq!((&off["total"], &books.invoice(&third["id"])["status"]), (&json!("85.00"), &json!("paid")));
    assert_eq!(books.lines(&off["journal_entry_id"]), [("receivable".to_owned(), -8500), ("expense".to_owned(), 8500)]);
    assert_eq!(books.admin.post(&path(&third, "write-off"), json!({})).status, 409);

    let copy = books.admin.post(&path(&third, "duplicate"), json!({})).expect(201);
    assert_eq!((&copy["state"], &copy["number"], &copy["total"]), (&json!("draft"), &json!(null), &json!("110.00")));
    assert_eq!(books.admin.delete(&format!("{INVOICES}{}/", copy["id"])).status, 204);
    let summary = books.admin.get(&format!("{INVOICES}summary/")).expect(200);
    assert_eq!((&summary[0]["currency"], &summary[0]["due"]), (&json!("USD"), &json!("1.00")), "{summary}");
    let sent = books.admin.post(&path(&third, "send"), json!({})).expect(200);
    assert_eq!(sent["sent_at"], json!(NOW));
}

#[test]
fn overdue_is_a_matter_of_the_day() {
    let books = Books::open();
    let invoice = books.admin.create(INVOICES, json!({"party": books.party, "amount": 5, "issue": true, "due_date": "2026-03-04"}));
    assert_eq!((&invoice["is_overdue"], &invoice["overdue_days"]), (&json!(false), &json!(0)));
    books.server.clock.advance(3 * 24 * 60 * 60);
    let admin = books.server.member("later", Role::Admin);
    let late = admin.get(&format!("{INVOICES}{}/", invoice["id"])).expect(200);
    assert_eq!((&late["status"], &late["overdue_days"]), (&json!("overdue"), &json!(1)));
    assert_eq!(admin.get(&format!("{INVOICES}?status=overdue")).expect(200)["count"], 1);
    admin
        .post(INVOICES, json!({"party": books.party, "amount": 5, "issue_date": "2026-03-05", "due_date": "2026-03-04"}))
        .refuses(json!({"due_date": ["Ensure this date is not before the issue date."]}));
}

#[test]
fn customers_see_what_was_issued_to_them() {
    let books = Books::open();
    let customer = books.server.member("customer", Role::Customer);
    let other = books.server.member("stranger", Role::Customer);
    let mine = books.admin.create("/api/finance/parties/", json!({"name": "Mine", "user": customer.id}));
    let draft = books.admin.create(INVOICES, json!({"party": mine["id"], "amount": 5}));
    let issued = books.admin.create(INVOICES, json!({"party": mine["id"], "amount": 7, "issue": true}));
    books.issued("9");
    let listed = customer.get(INVOICES).expect(200);
    assert_eq!((&listed["count"], &listed["results"][0]["id"]), (&json!(1), &issued["id"]));
    assert_eq!(customer.get(&format!("{INVOICES}{}/", draft["id"])).status, 404);
    assert_eq!(customer.get(&format!("{INVOICES}{}/", issued["id"])).expect(200)["total"], "7.00");
    assert_eq!(other.get(&format!("{INVOICES}{}/", issued["id"])).status, 404);
    assert_eq!(customer.post(INVOICES, json!({"party": mine["id"], "amount": 5})).status, 403);
    assert_eq!(customer.post(&format!("{INVOICES}{}/void/", issued["id"]), json!({})).status, 403);
    let clerk = books.server.staff("clerk", &[Capability::Finance]);
    clerk.post(&format!("{INVOICES}{}/issue/", draft["id"]), json!({})).expect(200);
    assert_eq!(clerk.post(&format!("{INVOICES}{}/write-off/", draft["id"]), json!({})).status, 403);
    assert_eq!(books.server.staff("other", &[]).get(INVOICES).status, 403);
}

#[test]
fn fifty_at_once_are_numbered_without_a_hole() {
    let books = Books::open();
    let drafts: Vec<Value> =
        (0..50).map(|_| books.admin.create(INVOICES, json!({"party": books.party, "amount": 1}))["id"].clone()).collect();
    let mut numbers: Vec<String> = std::thread::scope(|scope| {
        let issue = |id: Value| {
            let admin = books.admin.clone();
            scope.spawn(move || {
                admin.post(&format!("{INVOICES}{id}/issue/"), json!({})).expect(200)["number"].as_str().unwrap_or_default().to_owned()
            })
        };
        let all: Vec<_> = drafts.into_iter().map(issue).collect();
        all.into_iter().map(|one| one.join().expect("it ends")).collect()
    });
    numbers.sort();
    assert_eq!(numbers, (1..=50).map(|n| format!("INV-2026-{n:04}")).collect::<Vec<_>>());
}

#[test]
fn the_database_refuses_changes_of_what_was_issued() {
    let books = Books::open();
    let id = books.issued("100")["id"].clone();
    let draft = books.admin.create(INVOICES, json!({"party": books.party, "amount": 5}))["id"].clone();
    for sql in [
        format!("UPDATE invoices SET issue_date = '2020-01-01' WHERE id = {id}"),
        format!("UPDATE invoices SET subtotal = 0, total = 0 WHERE id = {id}"),
        format!("UPDATE invoices SET number = 'X' WHERE id = {id}"),
        format!("UPDATE invoices SET state = 'draft' WHERE id = {id}"),
        format!("UPDATE invoices SET deleted_at = '{NOW}' WHERE id = {id}"),
        format!("DELETE FROM invoices WHERE id = {id}"),
        format!("UPDATE invoice_items SET name = 'x' WHERE invoice_id = {id}"),
        format!("DELETE FROM invoice_items WHERE invoice_id = {id}"),
        format!("UPDATE invoice_items SET invoice_id = {id}, position = 9 WHERE invoice_id = {draft}"),
        format!("UPDATE invoices SET amount_allocated = 10001 WHERE id = {id}"),
        format!("UPDATE invoices SET state = 'issued', number = 'Y', issued_at = '{NOW}', snapshot = '{{}}' WHERE id = {draft}"),
        format!("UPDATE invoices SET state = 'void', voided_at = '{NOW}' WHERE id = {draft}"),
        format!("UPDATE invoices SET party_id = 999 WHERE id = {draft}"),
    ] {
        let why = books.refused(&sql);
        assert!(["immutable", "invalid_transition", "constraint"].iter().any(|word| why.contains(word)), "{sql}: {why}");
    }
    assert_eq!(books.invoice(&id)["total"], "100.00");
}

/// The trigger compares the whole row but for what may change: no column is forgotten.
#[test]
fn every_column_is_either_frozen_or_named() {
    let books = Books::open();
    let open = [
        "updated_at",
        "version",
        "updated_by",
        "reference",
        "state",
        "due_date",
        "amount_allocated",
        "payment_status",
        "notes",
        "terms",
        "voided_at",
        "voided_by",
        "void_reason",
        "sent_at",
        "viewed_at",
        "last_reminder_at",
        "reminder_count",
        "reminders_off",
        "share_token_hash",
        "void_entry_id",
    ];
    for (table, trigger, open) in [("invoices", "invoices_issued_immutable", open.as_slice())] {
        let (columns, sql) = books
            .server
            .app
            .db
            .read(|reader| {
                let columns = reader.rows(&format!("SELECT name FROM pragma_table_xinfo('{table}')"), &[], |row| row.get::<String>(0))?;
                let sql = reader.one::<String>("SELECT sql FROM sqlite_schema WHERE name = ?1", &[trigger.into()])?;
                Ok((columns, sql.unwrap_or_default()))
            })
            .expect("the schema");
        for column in columns {
            let frozen =
                [",", ")"].iter().any(|end| sql.contains(&format!("OLD.{column}{end}")) && sql.contains(&format!("NEW.{column}{end}")));
            assert_ne!(frozen, open.contains(&column.as_str()), "{table}.{column}");
        }
    }
}

#[test]
fn a_part_is_credited_whose_discount_is_rounded_to_more_than_it_is() {
    let books = Books::open();
    // Half a cent is a cent, and so is what is taken off; a quarter of a cent is nothing.
    let items = json!([
        {"name": "Sample", "quantity": "1", "unit_cost": "0.005", "discount_type": "percent", "discount_value": "100"},
        {"name": "Work", "quantity": "1", "unit_cost": "10"},
    ]);
    let invoice = books.admin.create(INVOICES, json!({"party": books.party, "items": items, "issue": true}));
    let lines = json!([{"item": invoice["items"][0]["id"], "quantity": "0.5"}, {"item": invoice["items"][1]["id"]}]);
    let note = books.admin.post(&format!("{INVOICES}{}/credit-note/", invoice["id"]), json!({"lines": lines})).expect(201);
    assert_eq!((&invoice["total"], &note["total"]), (&json!("10.00"), &json!("10.00")));
}

#[test]
fn a_series_does_not_pass_what_was_never_part_of_it() {
    let books = Books::open();
    let draft = books.admin.create(INVOICES, json!({"party": books.party, "amount": 1, "number": "INV-2026-0000"}));
    assert_eq!(books.issued("1")["number"], "INV-2026-0001");
    books.admin.patch(&format!("{INVOICES}{}/", draft["id"]), json!({"number": null})).expect(200);
}
