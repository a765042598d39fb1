//! Payments: what they settle, what is left of them, how they are taken back and given back, and what the database refuses.

use serde_json::{Value, json};
use studio::actor::{Capability, Role};

use crate::invoices::{Books, INVOICES};

const PAYMENTS: &str = "/api/finance/payments/";

fn paid(books: &Books, body: Value) -> Value {
    books.admin.create(PAYMENTS, body)
}

/// The sum of an allocation's table, and what both sides think of it.
fn assert_sums(books: &Books) {
    let sql = "SELECT count(*) FROM payments AS p WHERE amount_allocated <> (SELECT coalesce(sum(amount), 0) FROM allocations WHERE payment_id = p.id OR refund_id = p.id) \
               UNION ALL SELECT count(*) FROM invoices AS i WHERE amount_allocated <> (SELECT coalesce(sum(amount), 0) FROM allocations WHERE invoice_id = i.id OR credit_note_id = i.id)";
    let wrong: Vec<i64> = books.server.app.db.read(|reader| reader.rows(sql, &[], |row| row.get(0))).expect("sums");
    assert_eq!(wrong, [0, 0]);
    let findings = books.server.app.db.read(studio::resources::finance::check::run).expect("the checks run");
    for finding in findings {
        assert!(finding.problems.is_empty(), "{}: {:?}", finding.name, finding.problems);
    }
}

#[test]
fn an_invoice_is_paid_in_parts() {
    let books = Books::open();
    let cash = books.account("Cash", "cash");
    let invoice = books.issued("1000");
    // P1
    let first = paid(&books, json!({"invoice": invoice["id"], "amount": 400}));
    for (name, value) in [
        ("number", json!("RCT-2026-0001")),
        ("direction", json!("incoming")),
        ("party", json!(books.party)),
        ("account", json!(cash)),
        ("amount", json!("400.00")),
        ("currency", json!("USD")),
        ("allocated", json!("400.00")),
        ("unallocated", json!("0.00")),
        ("invoice", invoice["id"].clone()),
        ("state", json!("posted")),
        ("version", json!(1)),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
    let half = books.invoice(&invoice["id"]);
    assert_eq!((&half["status"], &half["paid_amount"], &half["amount_due"]), (&json!("partial"), &json!("400.00"), &json!("600.00")), "P1");
    assert_eq!((&half["payments"][0]["payment"], &half["payments"][0]["amount"]), (&first["id"], &json!("400.00")));
    paid(&books, json!({"invoice": invoice["id"], "amount": "600.00", "method": "bank"}));
    let whole = books.invoice(&invoice["id"]);
    assert_eq!((&whole["status"], &whole["amount_due"]), (&json!("paid"), &json!("0.00")), "P1");
    assert!(whole["version"].as_i64() > half["version"].as_i64(), "who has read it before does not know it any more");
    // One row of the cash book each.
    let sql = "SELECT count(*) FROM transactions AS t JOIN payments AS p ON p.id = t.related_payment_id \
               WHERE t.source = 'payment' AND t.type = 'income' AND t.amount = p.amount AND t.journal_entry_id = p.journal_entry_id";
    assert_eq!(books.server.app.db.read(|reader| reader.one::<i64>(sql, &[])).expect("a count"), Some(2));
    assert_sums(&books);
}

#[test]
fn more_than_is_open_is_refused_or_kept() {
    let books = Books::open();
    books.account("Cash", "cash");
    let invoice = books.issued("89");
    // P2
    let body = json!({"invoice": invoice["id"], "amount": 95});
    let refused = books.admin.post(PAYMENTS, body.clone());
    let text = refused.expect(400)["amount"][0].as_str().unwrap_or_default().to_owned();
    assert!(text.starts_with("exceeds_open_amount") && text.contains("on_excess"), "{text}");
    assert_eq!(books.admin.get(PAYMENTS).expect(200)["count"], 0, "nothing of it was stored");
    let mut kept = body;
    kept["on_excess"] = json!("credit");
    let payment = paid(&books, kept);
    assert_eq!((&payment["unallocated"], &books.invoice(&invoice["id"])["status"]), (&json!("6.00"), &json!("paid")), "P2");
    let next = books.issued("4");
    let path = format!("{PAYMENTS}{}/", payment["id"]);
    let used = books.admin.post(&format!("{path}allocate/"), json!({"invoice": next["id"]})).expect(200);
    assert_eq!((&used["unallocated"], &books.invoice(&next["id"])["status"]), (&json!("2.00"), &json!("paid")), "the next invoice");
    let back = books.admin.post(&format!("{path}unallocate/"), json!({"invoice": next["id"]})).expect(200);
    assert_eq!((&back["unallocated"], &books.invoice(&next["id"])["status"]), (&json!("6.00"), &json!("unpaid")));
    assert_eq!(books.admin.post(&format!("{path}unallocate/"), json!({"invoice": next["id"]})).status, 409);
    // Given back: a payment of its own, which settles nothing else.
    let refund = books.admin.post(&format!("{path}refund/"), json!({"amount": "5"})).expect(201);
    assert_eq!((&refund["direction"], &refund["purpose"], &refund["amount"]), (&json!("outgoing"), &json!("refund"), &json!("5.00")));
    assert_eq!(books.lines(&refund["journal_entry_id"]), [("cash".to_owned(), -500), ("receivable".to_owned(), 500)]);
    assert_eq!(books.admin.post(&format!("{path}refund/"), json!({"amount": "1.01"})).status, 400);
    let void = books.admin.post(&format!("{path}void/"), json!({}));
    assert_eq!((void.status, void.json()["code"].clone()), (409, json!("has_refund")));
    books.admin.post(&format!("{PAYMENTS}{}/void/", refund["id"]), json!({})).expect(200);
    let gone = books.admin.post(&format!("{path}void/"), json!({"reason": "Bounced"})).expect(200);
    assert_eq!((&gone["state"], &gone["void_reason"], &gone["unallocated"]), (&json!("void"), &json!("Bounced"), &json!("0.00")));
    assert_eq!(books.invoice(&invoice["id"])["amount_due"], "89.00");
    assert_eq!(books.admin.post(&format!("{path}void/"), json!({})).status, 409);
    assert_sums(&books);
}

#[test]
fn the_oldest_is_settled_first() {
    let books = Books::open();
    books.account("Cash", "cash");
    // P3
    let issue = |amount: &str, due: &str| {
        books.admin.create(INVOICES, json!({"party": books.party, "amount": amount, "due_date": due, "issue": true}))
    };
    let (late, early) = (issue("70", "2026-05-01"), issue("50", "2026-04-01"));
    paid(&books, json!({"invoice": early["id"], "amount": 20}));
    let all = paid(&books, json!({"party": books.party, "amount": 100, "allocate": "auto"}));
    let shares: Vec<(Value, Value)> =
        all["allocations"].as_array().expect("a list").iter().map(|one| (one["invoice"].clone(), one["amount"].clone())).collect();
    assert_eq!(shares, [(early["id"].clone(), json!("30.00")), (late["id"].clone(), json!("70.00"))], "P3");
    assert_eq!(all["unallocated"], "0.00");
    assert_eq!((&books.invoice(&early["id"])["status"], &books.invoice(&late["id"])["status"]), (&json!("paid"), &json!("paid")));
    let (one, two) = (books.issued("10"), books.issued("20"));
    let shares = json!([{"invoice": one["id"], "amount": 10}, {"invoice": two["uuid"], "amount": "5"}]);
    let split = paid(&books, json!({"party": books.party, "amount": 15, "allocations": shares}));
    assert_eq!((&split["invoice"], books.invoice(&two["id"])["amount_due"].clone()), (&json!(null), json!("15.00")));
    for (body, status) in [
        (json!({"party": books.party, "amount": 15, "allocations": [{"invoice": two["id"], "amount": 16}]}), 400),
        (json!({"party": books.party, "amount": 15, "allocations": [{"invoice": two["id"], "amount": 14}]}), 400),
        (json!({"party": books.party, "amount": 15, "allocations": [{"invoice": 999, "amount": 14}]}), 400),
        (json!({"party": books.party, "amount": 15, "allocations": [{"invoice": two["id"], "amount": "x"}]}), 400),
        (json!({"party": books.party, "amount": 15, "allocations": {"a": 1}}), 400),
        (json!({"party": books.party, "amount": 15, "allocate": "auto", "invoice": two["id"]}), 400),
        (json!({"party": books.party, "amount": 16, "allocate": "auto"}), 400),
        (json!({"party": books.party, "amount": 0}), 400),
        (json!({"amount": 5}), 400),
        (json!({"party": books.party, "amount": 5, "charge": 5}), 400),
        (json!({"party": books.party, "amount": 5, "date": "2026-03-03"}), 400),
        (json!({"party": books.party, "amount": 5, "direction": "outgoing", "invoice": two["id"]}), 400),
    ] {
        let answer = books.admin.post(PAYMENTS, body.clone());
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    assert_sums(&books);
}

#[test]
fn payments_are_in_the_books_and_reversed_exactly() {
    let books = Books::open();
    let (cash, mobile) = (books.account("Cash", "cash"), books.account("Phone", "mobile_money"));
    let invoice = books.issued("500");
    // L2
    let body = json!({"invoice": invoice["id"], "amount": 500, "charge": "1.50", "account": mobile, "method": "mobile_money"});
    let payment = paid(&books, body);
    let wanted = [("mobile_money", 49_850), ("receivable", -50_000), ("expense", 150)];
    assert_eq!(books.lines(&payment["journal_entry_id"]), wanted.map(|(kind, amount)| (kind.to_owned(), amount)), "L2");
    // L3
    let void = books.admin.post(&format!("{PAYMENTS}{}/void/", payment["id"]), json!({})).expect(200);
    let negated = wanted.map(|(kind, amount)| (kind.to_owned(), -amount));
    assert_eq!(books.lines(&void["void_entry_id"]), negated, "L3");
    let refused = books.refused(&format!(
        "INSERT INTO journal_entries (uuid, created_at, updated_at, business_id, number, date, source_type, source_id, reverses_id) \
         VALUES ('u', '2026-03-02T09:00:00.000Z', '2026-03-02T09:00:00.000Z', 1, 999, '2026-03-02', 'payment', 1, {})",
        payment["journal_entry_id"]
    ));
    assert!(refused.contains("UNIQUE"), "{refused}");
    let state = "SELECT state FROM transactions WHERE related_payment_id = ?1";
    let id = payment["id"].as_i64().unwrap_or_default();
    assert_eq!(books.server.app.db.read(|reader| reader.one::<String>(state, &[id.into()])).expect("a row").as_deref(), Some("reversed"));
    // A supplier's bill is paid out of money that is there.
    let bill =
        books.admin.create(INVOICES, json!({"party": books.party, "direction": "incoming", "number": "B-1", "amount": 30, "issue": true}));
    assert_eq!(books.lines(&bill["journal_entry_id"]), [("payable".to_owned(), -3000), ("expense".to_owned(), 3000)]);
    let poor = books.admin.post(PAYMENTS, json!({"invoice": bill["id"], "amount": 30, "account": cash}));
    assert_eq!((poor.status, poor.json()["code"].clone()), (409, json!("insufficient_funds")));
    paid(&books, json!({"party": books.party, "amount": 100}));
    let payment = paid(&books, json!({"invoice": bill["id"], "amount": 30, "account": cash, "charge": 1}));
    assert_eq!(payment["direction"], "outgoing");
    assert_eq!(
        books.lines(&payment["journal_entry_id"]),
        [("cash".to_owned(), -3100), ("payable".to_owned(), 3000), ("expense".to_owned(), 100)]
    );
    // Without a party it belongs to a category.
    let tips = paid(&books, json!({"amount": 7, "category": "training"}));
    assert_eq!(books.lines(&tips["journal_entry_id"]), [("cash".to_owned(), 700), ("income".to_owned(), -700)]);
    assert_eq!(books.admin.post(PAYMENTS, json!({"amount": 7, "category": "nonsense"})).status, 400);
    let receipt = books.admin.get(&format!("{PAYMENTS}{}/receipt/", payment["id"])).expect(200);
    assert_eq!((&receipt["amount"], &receipt["allocations"][0]["number"]), (&json!("30.00"), &json!("B-1")));
    // The books agree with the documents.
    let sql = "SELECT (SELECT sum(b.balance) FROM ledger_balances AS b JOIN accounts AS a ON a.id = b.account_id WHERE a.type = 'receivable') \
               - (SELECT sum(CASE kind WHEN 'invoice' THEN total - amount_allocated ELSE amount_allocated - total END) FROM invoices WHERE state = 'issued' AND direction = 'outgoing') \
               + (SELECT sum(amount - amount_allocated) FROM payments WHERE state = 'posted' AND direction = 'incoming' AND purpose = 'settlement' AND party_id IS NOT NULL)";
    assert_eq!(books.server.app.db.read(|reader| reader.one::<i64>(sql, &[])).expect("a sum"), Some(0), "I3");
}

#[test]
fn what_was_posted_stays() {
    let books = Books::open();
    books.account("Cash", "cash");
    let payment = paid(&books, json!({"party": books.party, "amount": 5}));
    let path = format!("{PAYMENTS}{}/", payment["id"]);
    for change in
        [json!({"amount": 6}), json!({"date": "2026-03-01"}), json!({"method": "card"}), json!({"party": null, "category": "tax"})]
    {
        let refused = books.admin.patch(&path, change);
        assert_eq!((refused.status, refused.json()["code"].clone()), (409, json!("immutable")), "{}", refused.text);
    }
    let kept = books.admin.patch(&path, json!({"notes": "In coins", "reference": "7", "amount": "5"})).expect(200);
    assert_eq!((&kept["notes"], &kept["amount"]), (&json!("In coins"), &json!("5.00")));
    let clerk = books.server.staff("clerk", &[Capability::Finance]);
    assert_eq!(clerk.post(&format!("{path}void/"), json!({})).status, 403);
    let once = books.admin.with("idempotency-key", "k1");
    let body = json!({"party": books.party, "amount": 9});
    assert_eq!(once.create(PAYMENTS, body.clone())["id"], once.create(PAYMENTS, body)["id"]);
    let reference = json!({"party": books.party, "amount": 9, "client_ref": "c-1"});
    assert_eq!(paid(&books, reference.clone())["id"], paid(&books, reference.clone())["id"], "sent again, stored once");
    let other = books.server.member("other", Role::Admin).post(PAYMENTS, reference);
    assert_eq!(other.status, 400, "what somebody else sent is not told");
    let before = books.server.app.db.read(|reader| reader.one::<i64>("SELECT count(*) FROM payments", &[])).expect("a count");
    assert_eq!(clerk.delete(&path).status, 403);
    let gone = books.admin.delete(&path);
    assert_eq!((gone.status, gone.text.as_str()), (204, ""), "deleting is voiding");
    assert_eq!(books.admin.get(&path).expect(200)["state"], "void");
    assert_eq!(books.admin.delete(&path).status, 409);
    let after = books.server.app.db.read(|reader| reader.one::<i64>("SELECT count(*) FROM payments", &[])).expect("a count");
    assert_eq!(before, after);
    assert_sums(&books);
}

#[test]
fn agents_take_money_into_their_own_box() {
    let books = Books::open();
    let cash = books.account("Cash", "cash");
    let agent = books.server.member("agent", Role::Agent);
    let own = books.admin.create("/api/finance/accounts/", json!({"name": "Bag", "type": "cash", "owner": agent.id}))["id"].clone();
    agent.post(PAYMENTS, json!({"party": books.party, "amount": 5, "account": own})).expect(201);
    let taken = agent.post(PAYMENTS, json!({"party": books.party, "amount": 5})).expect(201);
    assert_eq!(taken["account"], own, "their own is meant");
    let shared = json!({"party": books.party, "amount": 5, "account": cash});
    assert_eq!(agent.post(PAYMENTS, shared).status, 403, "the business's box");
    assert_eq!(agent.post(PAYMENTS, json!({"party": books.party, "amount": 5, "account": own, "direction": "outgoing"})).status, 403);
    assert_eq!(agent.get(PAYMENTS).status, 403);
}

#[test]
fn of_sixty_four_at_once_one_settles() {
    let books = Books::open();
    books.account("Cash", "cash");
    let invoice = books.issued("640");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let pay = |_| {
            let (admin, id) = (books.admin.clone(), invoice["id"].clone());
            scope.spawn(move || admin.post(PAYMENTS, json!({"invoice": id, "amount": 640})).status)
        };
        let all: Vec<_> = (0..64).map(pay).collect();
        all.into_iter().map(|one| one.join().expect("it ends")).collect()
    });
    assert_eq!(
        (statuses.iter().filter(|status| **status == 201).count(), statuses.iter().filter(|status| **status == 400).count()),
        (1, 63)
    );
    let after = books.invoice(&invoice["id"]);
    assert_eq!((&after["status"], &after["paid_amount"]), (&json!("paid"), &json!("640.00")));
    assert_eq!(books.admin.get(PAYMENTS).expect(200)["count"], 1, "the others left nothing behind");
    assert_sums(&books);
}

#[test]
fn the_database_refuses_what_does_not_belong_together() {
    let books = Books::open();
    books.account("Cash", "cash");
    let invoice = books.issued("100")["id"].clone();
    let other = books.admin.create("/api/finance/parties/", json!({"name": "Other"}))["id"].clone();
    let theirs = paid(&books, json!({"party": other, "amount": 50}))["id"].clone();
    let ours = paid(&books, json!({"party": books.party, "amount": 150}))["id"].clone();
    let void = paid(&books, json!({"party": books.party, "amount": 10}))["id"].clone();
    books.admin.post(&format!("{PAYMENTS}{void}/void/"), json!({})).expect(200);
    let euros = books.admin.create(INVOICES, json!({"party": books.party, "currency": "EUR", "amount": 10, "issue": true}))["id"].clone();
    let bill = books
        .admin
        .create(INVOICES, json!({"party": books.party, "direction": "incoming", "number": "B", "amount": 10, "issue": true}))["id"]
        .clone();
    let draft = books.admin.create(INVOICES, json!({"party": books.party, "amount": 10}))["id"].clone();
    let abroad = books.server.business("Abroad");
    let allocate = |business: i64, payment: &Value, invoice: &Value, amount: i64| {
        format!(
            "INSERT INTO allocations (uuid, created_at, updated_at, business_id, payment_id, invoice_id, amount, date) \
             VALUES ('a{amount}', '2026-03-02T09:00:00.000Z', '2026-03-02T09:00:00.000Z', {business}, {payment}, {invoice}, {amount}, '2026-03-02')"
        )
    };
    for (sql, word) in [
        (allocate(1, &ours, &invoice, 10_001), "exceeds_open_amount"),
        (allocate(1, &theirs, &invoice, 100), "mismatch"),
        (allocate(1, &ours, &euros, 100), "mismatch"),
        (allocate(1, &ours, &bill, 100), "mismatch"),
        (allocate(1, &ours, &draft, 100), "not_open"),
        (allocate(1, &void, &invoice, 100), "not_open"),
        (allocate(1, &ours, &invoice, 0), "CHECK"),
        (allocate(1, &ours, &invoice, -5), "CHECK"),
        (allocate(abroad, &ours, &invoice, 100), "FOREIGN KEY"),
        (format!("UPDATE payments SET amount = 1 WHERE id = {ours}"), "immutable"),
        (format!("UPDATE payments SET date = '2020-01-01' WHERE id = {ours}"), "immutable"),
        (format!("UPDATE payments SET state = 'posted', voided_at = NULL, void_entry_id = NULL WHERE id = {void}"), "immutable"),
        (format!("DELETE FROM payments WHERE id = {ours}"), "immutable"),
        (format!("UPDATE payments SET amount_allocated = 15001 WHERE id = {ours}"), "CHECK"),
        (format!("UPDATE payments SET number = 'X' WHERE id = {ours}"), "immutable"),
    ] {
        let why = books.refused(&sql);
        assert!(why.contains(word), "{sql}: {why}");
    }
    books.admin.post(&format!("{PAYMENTS}{ours}/allocate/"), json!({"invoice": invoice, "amount": 60})).expect(200);
    let why = books.refused("UPDATE allocations SET amount = 1");
    assert!(why.contains("immutable"), "{why}");
    let why = books.refused(&allocate(1, &ours, &invoice, 10));
    assert!(why.contains("UNIQUE"), "{why}");
    assert_sums(&books);
}

#[test]
fn debts_are_told_by_party_and_by_age() {
    let books = Books::open();
    books.account("Cash", "cash");
    let issue = |amount: &str, due: &str| {
        let body = json!({"party": books.party, "amount": amount, "issue_date": "2025-10-01", "due_date": due, "issue": true});
        books.admin.create(INVOICES, body)
    };
    let (old, fresh) = (issue("30", "2025-12-01"), issue("70", "2026-03-02"));
    issue("5", "2026-02-28");
    paid(&books, json!({"invoice": fresh["id"], "amount": 20, "date": "2026-03-01"}));
    paid(&books, json!({"party": books.party, "amount": 4}));
    let debtors = books.admin.get("/api/finance/debts/debtors/").expect(200);
    assert_eq!(debtors.as_array().map(Vec::len), Some(1), "one row for each party");
    let wanted = json!({
        "party_id": books.party, "party": "Acme", "currency": "USD", "invoice_count": 3, "total_amount": "105.00", "total_paid": "20.00",
        "total_due": "85.00", "next_due_date": "2025-12-01",
    });
    assert_eq!(debtors[0], wanted);
    assert_eq!(books.admin.get("/api/finance/debts/creditors/").expect(200), json!([]));
    let aged = books.admin.get("/api/finance/reports/aging/").expect(200)[0].clone();
    for (name, value) in [
        ("current", "50.00"),
        ("days_1_30", "5.00"),
        ("days_31_60", "0.00"),
        ("days_61_90", "0.00"),
        ("over_90_days", "30.00"),
        ("total", "85.00"),
        ("credits", "4.00"),
    ] {
        assert_eq!(aged[name], value, "{name}: {aged}");
    }
    let before = books.admin.get("/api/finance/reports/aging/?as_of=2026-02-01").expect(200)[0].clone();
    assert_eq!(
        (&before["total"], &before["current"], &before["days_61_90"]),
        (&json!("105.00"), &json!("75.00"), &json!("30.00")),
        "{before}"
    );
    assert_eq!(books.admin.get("/api/finance/reports/aging/?as_of=x").status, 400);
    assert_eq!(books.server.member("customer", Role::Customer).get("/api/finance/debts/debtors/").status, 403);
    assert!(old["id"].is_i64());
}

/// Universal ids begin with digits, `019...`: read as numbers they would be somebody else's invoice.
#[test]
fn a_universal_id_is_no_number() {
    let books = Books::open();
    books.account("Cash", "cash");
    let invoices: Vec<Value> = (0..21).map(|_| books.issued("10")).collect();
    for invoice in &invoices {
        let digits: String = invoice["uuid"].as_str().expect("a uuid").chars().take_while(char::is_ascii_digit).collect();
        assert!(
            invoices.iter().any(|one| one["id"] == json!(digits.parse::<i64>().expect("digits"))),
            "{digits} is another's id: the test tests"
        );
    }
    let chosen = &invoices[0];
    paid(&books, json!({"allocations": [{"invoice": chosen["uuid"], "amount": "10"}], "party": books.party, "amount": "10"}));
    assert_eq!(books.invoice(&chosen["id"])["status"], json!("paid"));
    paid(&books, json!({"invoice": invoices[1]["uuid"], "amount": "10"}));
    assert_eq!(books.invoice(&invoices[1]["id"])["status"], json!("paid"));
    let settled: Vec<i64> = books
        .server
        .app
        .db
        .read(|reader| reader.rows("SELECT invoice_id FROM allocations ORDER BY id", &[], |row| row.get(0)))
        .expect("ids");
    assert_eq!(settled.len(), 2, "and nobody else's");
}

#[test]
fn parties_are_listed_with_what_is_open() {
    let books = Books::open();
    let vendor = books.admin.create("/api/finance/parties/", json!({"name": "Zebra", "type": "vendor"}))["id"].clone();
    books.admin.create("/api/finance/parties/", json!({"name": "Nothing open"}));
    let first = books.issued("30");
    books.issued("1000");
    books.admin.post(&format!("{INVOICES}{}/pay/", first["id"]), json!({"amount": 10})).expect(201);
    books.admin.create(INVOICES, json!({"party": vendor, "direction": "incoming", "number": "B", "amount": 7, "issue": true}));
    let list = |query: &str| books.admin.get(&format!("/api/finance/party-finance/{query}")).expect(200);
    let names = |page: &Value| page["results"].as_array().into_iter().flatten().map(|one| one["name"].clone()).collect::<Vec<_>>();
    let all = list("");
    assert_eq!((&all["count"], names(&all)), (&json!(2), vec![json!("Acme"), json!("Zebra")]));
    assert_eq!(all["results"][0]["total_due"], "1020.00", "of all of its invoices");
    assert_eq!(all["results"][0], books.admin.get(&format!("/api/finance/party-finance/{}/", books.party)).expect(200));
    assert_eq!(names(&list("?role=debtors")), ["Acme"]);
    assert_eq!(names(&list("?role=creditors")), ["Zebra"]);
    let page = list("?page_size=1");
    assert_eq!((page["count"].clone(), names(&page)), (json!(2), vec![json!("Acme")]));
    let next = page["next"].as_str().and_then(|url| url.strip_prefix(&books.server.url)).expect("a next page").to_owned();
    assert_eq!(names(&books.admin.get(&next).expect(200)), ["Zebra"]);
    assert_eq!(books.admin.get("/api/finance/party-finance/?page=3").status, 404);
    assert_eq!(books.admin.get("/api/finance/party-finance/?role=x").status, 400);
    assert_eq!(books.server.client().get("/api/finance/party-finance/").status, 401);
    assert_eq!(books.server.member("clerk", Role::Staff).get("/api/finance/party-finance/").status, 403);
    books.server.staff("officer", &[Capability::Finance]).get("/api/finance/party-finance/").expect(200);
}
