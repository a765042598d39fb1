//! Goals: money that serves them, and the milestones that it reaches and falls back from.

use serde_json::{Value as Json, json};
use studio::actor::Role;

use crate::invoices::Books;

const GOALS: &str = "/api/finance/goals/";
const MILESTONES: &str = "/api/finance/goal-milestones/";
const PAYMENTS: &str = "/api/finance/payments/";
const TRANSACTIONS: &str = "/api/finance/transactions/";
const ACCOUNTS: &str = "/api/finance/accounts/";

fn goal(books: &Books, target: &str, milestones: &[&str]) -> Json {
    let goal = books.admin.create(GOALS, json!({"title": "Roof", "target_amount": target, "due_date": "2026-03-12"}));
    for amount in milestones {
        books.admin.create(MILESTONES, json!({"goal": goal["id"], "amount": amount}));
    }
    books.admin.get(&format!("{GOALS}{}/", goal["id"])).expect(200)
}

fn read(books: &Books, goal: &Json) -> Json {
    books.admin.get(&format!("{GOALS}{}/", goal["id"])).expect(200)
}

/// What there is, and which milestones are reached.
fn stands(books: &Books, goal: &Json) -> (String, Vec<bool>) {
    let goal = read(books, goal);
    let reached = goal["milestones"].as_array().into_iter().flatten().map(|one| one["is_reached"] == true).collect();
    (goal["current_amount"].as_str().unwrap_or_default().to_owned(), reached)
}

#[track_caller]
fn in_order(books: &Books) {
    for finding in books.server.app.db.read(studio::resources::finance::check::run).expect("the checks run") {
        assert!(finding.problems.is_empty(), "{}: {:?}", finding.name, finding.problems);
    }
}

#[test]
fn money_brings_a_goal_on_its_way() {
    let books = Books::open();
    let roof = goal(&books, "1000", &["250", "500", "1000"]);
    for (name, value) in [
        ("current_amount", json!("0.00")),
        ("percentage", json!(0.0)),
        ("remaining", json!("1000.00")),
        ("state", json!("active")),
        ("days_left", json!(10)),
        ("required_per_day", json!("100.00")),
        ("start_date", json!("2026-03-02")),
        ("owner", json!(books.admin.id)),
    ] {
        assert_eq!(roof[name], value, "{name}");
    }
    let path = format!("{GOALS}{}/", roof["id"]);
    assert_eq!(
        books.admin.get(&format!("{path}progress/")).expect(200),
        json!({"current": "0.00", "target": "1000.00", "percentage": 0.0})
    );
    let added = books.admin.post(&format!("{path}add_payment/"), json!({"amount": 250})).expect(201);
    let wanted = json!({
        "message": "Payment recorded successfully", "payment_id": added["payment_id"], "current": "250.00", "target": "1000.00", "percentage": 25.0,
    });
    assert_eq!(added, wanted);
    assert_eq!(stands(&books, &roof), ("250.00".to_owned(), vec![true, false, false]));
    // By invoice, by a payment of a party, and by income that is no payment.
    let invoice = books.issued("100");
    books.admin.create(PAYMENTS, json!({"invoice": invoice["id"], "amount": 100, "goal": roof["id"]}));
    let income = books.admin.create(TRANSACTIONS, json!({"type": "income", "amount": 200, "goal": roof["id"]}));
    assert_eq!(stands(&books, &roof), ("550.00".to_owned(), vec![true, true, false]), "each counts once");
    let draft = books.admin.create(TRANSACTIONS, json!({"type": "income", "amount": 900, "goal": roof["id"], "state": "draft"}));
    assert_eq!(stands(&books, &roof).0, "550.00", "a draft is no money yet");
    let by_goal = |goal: &Json| books.admin.get(&format!("{PAYMENTS}by_goal/?goal={}", goal["id"])).expect(200);
    assert_eq!(by_goal(&roof).as_array().map(Vec::len), Some(2), "a bare list");
    let missing = books.admin.get(&format!("{PAYMENTS}by_goal/"));
    assert_eq!((missing.status, &missing.json()["detail"]), (400, &json!("Missing goal param")));
    assert_eq!(books.admin.get(&format!("{PAYMENTS}by_goal/?goal=999")).status, 400);
    assert_eq!(books.admin.get(&format!("{PAYMENTS}?goal={}", roof["id"])).expect(200)["count"], 2);
    assert_eq!(books.admin.get(&format!("{TRANSACTIONS}?goal={}", roof["id"])).expect(200)["count"], 2);
    books.admin.patch(&format!("{TRANSACTIONS}{}/", draft["id"]), json!({"state": "posted"})).expect(200);
    let achieved = read(&books, &roof);
    assert_eq!((&achieved["state"], &achieved["percentage"], &achieved["remaining"]), (&json!("achieved"), &json!(145.0), &json!("0.00")));
    assert_eq!(stands(&books, &roof).1, [true, true, true]);
    // Taken back, it falls back: the database's own sums.
    let reached = read(&books, &roof)["milestones"][1]["reached_at"].clone();
    books.server.clock.advance(60);
    books.admin.post(&format!("{TRANSACTIONS}{}/reverse/", draft["id"]), json!({"reason": "Twice"})).expect(200);
    assert_eq!(stands(&books, &roof), ("550.00".to_owned(), vec![true, true, false]));
    assert_eq!(read(&books, &roof)["milestones"][1]["reached_at"], reached, "what stays reached was reached then");
    books.admin.post(&format!("{PAYMENTS}{}/void/", added["payment_id"]), json!({})).expect(200);
    assert_eq!(stands(&books, &roof), ("300.00".to_owned(), vec![true, false, false]));
    books.admin.post(&format!("{path}add_payment/"), json!({"amount": 200, "party": books.party})).expect(201);
    let again = read(&books, &roof)["milestones"][1]["reached_at"].clone();
    assert!(again.as_str() > reached.as_str(), "reached once more, later: {again}");
    let history = books.admin.get(&format!("{MILESTONES}{}/history/", achieved["milestones"][1]["id"])).expect(200);
    let actions: Vec<&str> = history["results"].as_array().into_iter().flatten().filter_map(|one| one["action"].as_str()).collect();
    assert_eq!(actions, ["goal_milestones.reach", "goal_milestones.fall_back", "goal_milestones.reach", "goal_milestones.create"]);
    // What comes to serve something else was there all the same.
    let other = goal(&books, "500", &["200"]);
    books.admin.patch(&format!("{TRANSACTIONS}{}/", income["id"]), json!({"goal": other["id"]})).expect(200);
    assert_eq!(stands(&books, &roof), ("300.00".to_owned(), vec![true, true, false]));
    assert_eq!(stands(&books, &other), ("200.00".to_owned(), vec![true]));
    in_order(&books);
}

#[test]
fn transactions_and_payments_are_linked_to_one_goal() {
    let books = Books::open();
    let (roof, other) = (goal(&books, "100", &["10"]), goal(&books, "100", &[]));
    let link =
        |goal: &Json, id: &Json| books.admin.post(&format!("{GOALS}{}/link_transaction/", goal["id"]), json!({"transaction_id": id}));
    let income = books.admin.create(TRANSACTIONS, json!({"type": "income", "amount": 30}))["id"].clone();
    let linked = link(&roof, &income).expect(200);
    assert_eq!((&linked["current"], &linked["transaction_id"]), (&json!("30.00"), &income));
    assert_eq!(stands(&books, &roof).1, [true]);
    link(&roof, &income).expect(200);
    let taken = link(&other, &income);
    assert_eq!((taken.status, &taken.json()["code"]), (409, &json!("already_linked")));
    // The row of a payment stands for it.
    let payment = books.admin.create(PAYMENTS, json!({"party": books.party, "amount": 20}));
    let row = books.admin.get(&format!("{TRANSACTIONS}?source=payment")).expect(200)["results"][0]["id"].clone();
    link(&other, &row).expect(200);
    assert_eq!(books.admin.get(&format!("{PAYMENTS}{}/", payment["id"])).expect(200)["goal"], other["id"]);
    assert_eq!(stands(&books, &other).0, "20.00", "once, not twice");
    assert_eq!(link(&roof, &row).status, 409);
    assert_eq!(books.admin.patch(&format!("{TRANSACTIONS}{row}/"), json!({"goal": other["id"]})).status, 400);
    // Only money that comes in, in the goal's currency.
    let expense = books.admin.create(TRANSACTIONS, json!({"type": "expense", "amount": 5}))["id"].clone();
    link(&roof, &expense).refuses(json!({"goal": ["Only money that comes in serves a goal."]}));
    let euros = books.admin.create(ACCOUNTS, json!({"name": "Euros", "currency": "EUR"}))["id"].clone();
    let abroad = books.admin.create(TRANSACTIONS, json!({"type": "income", "amount": 5, "account": euros}))["id"].clone();
    link(&roof, &abroad).refuses(json!({"goal": ["The goal is in USD, the money in EUR."]}));
    let body = json!({"category": "miscellaneous", "amount": 5, "account": euros, "goal": roof["id"]});
    books.admin.post(PAYMENTS, body).refuses(json!({"account": ["The goal is in USD, the account in EUR."]}));
    let body = json!({"category": "miscellaneous", "amount": 5, "direction": "outgoing", "goal": roof["id"]});
    books.admin.post(PAYMENTS, body).refuses(json!({"goal": ["Only money that comes in serves a goal."]}));
    link(&roof, &json!(999_999)).refuses(json!({"transaction_id": ["Invalid pk \"999999\" - object does not exist."]}));
    // Past the program as well.
    for (sql, word) in [
        (format!("UPDATE transactions SET goal_id = {} WHERE id = {abroad}", roof["id"]), "FOREIGN KEY"),
        (format!("UPDATE transactions SET goal_id = {} WHERE id = {expense}", roof["id"]), "CHECK"),
        (format!("UPDATE transactions SET goal_id = {} WHERE id = {row}", roof["id"]), "CHECK"),
        (format!("UPDATE goals SET currency = 'EUR' WHERE id = {}", roof["id"]), "FOREIGN KEY"),
    ] {
        let why = books.refused(&sql);
        assert!(why.contains(word), "{sql}: {why}");
    }
    // What money serves is laid aside, not deleted.
    let refused = books.admin.delete(&format!("{GOALS}{}/", roof["id"]));
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("in_use")));
    let archived = books.admin.patch(&format!("{GOALS}{}/", roof["id"]), json!({"archived_at": "2026-03-02T08:00:00Z"})).expect(200);
    assert_eq!(archived["state"], "archived");
    // By the actions, there and back; each once.
    let act = |action: &str| books.admin.post(&format!("{GOALS}{}/{action}/", roof["id"]), json!({}));
    assert_eq!(act("archive").json()["code"], "invalid_transition");
    let back = act("unarchive").expect(200);
    assert_eq!((back["state"] != "archived", &back["archived_at"]), (true, &json!(null)));
    assert_eq!((act("unarchive").status, act("unarchive").json()["code"].clone()), (409, json!("invalid_transition")));
    let archived = act("archive").expect(200);
    assert_eq!((&archived["state"], &archived["archived_at"]), (&json!("archived"), &json!(crate::support::NOW)));
    in_order(&books);
}

#[test]
fn milestones_lie_on_the_way() {
    let books = Books::open();
    let roof = goal(&books, "100", &["40"]);
    let new = |amount: Json| books.admin.post(MILESTONES, json!({"goal": roof["id"], "amount": amount}));
    new(json!(40)).refuses(json!({"amount": ["goal milestone with this amount already exists."]}));
    new(json!(0)).refuses(json!({"amount": ["Ensure this value is greater than 0."]}));
    new(json!("100.01")).refuses(json!({"amount": ["Ensure this value is less than or equal to the target of 100.00."]}));
    books
        .admin
        .patch(&format!("{GOALS}{}/", roof["id"]), json!({"target_amount": 39}))
        .refuses(json!({"target_amount": ["A milestone is further than that."]}));
    let currency = books.admin.patch(&format!("{GOALS}{}/", roof["id"]), json!({"currency": "EUR"}));
    assert_eq!((currency.status, &currency.json()["code"]), (409, &json!("immutable")));
    books
        .admin
        .post(GOALS, json!({"title": "x", "target_amount": 1, "due_date": "2026-03-01"}))
        .refuses(json!({"due_date": ["Ensure this date is not before the start date."]}));
    books.admin.post(&format!("{GOALS}{}/add_payment/", roof["id"]), json!({"amount": 50})).expect(201);
    // One that is passed already when it is made, and one that comes back after it was passed.
    assert_eq!(new(json!(45)).expect(201)["is_reached"], true);
    let later = new(json!(60)).expect(201);
    assert_eq!((&later["is_reached"], &later["reached_at"]), (&json!(false), &json!(null)));
    let path = format!("{MILESTONES}{}/", later["id"]);
    assert_eq!(books.admin.delete(&path).status, 204);
    books.admin.post(&format!("{GOALS}{}/add_payment/", roof["id"]), json!({"amount": 20})).expect(201);
    assert_eq!(books.admin.send("POST", &format!("{path}restore/"), None).expect(200)["is_reached"], true);
    let moved = books.admin.patch(&path, json!({"amount": 80}));
    assert_eq!((moved.status, &moved.json()["code"]), (409, &json!("immutable")));
    // It counts in the decimals of its goal's currency, and both go together.
    let yen = books.admin.create(GOALS, json!({"title": "Far", "target_amount": 5000, "currency": "JPY", "due_date": "2027-01-01"}));
    let step = books.admin.create(MILESTONES, json!({"goal": yen["id"], "amount": 1500}));
    assert_eq!((&step["amount"], &step["currency"]), (&json!("1500"), &json!("JPY")));
    assert_eq!(books.admin.post(MILESTONES, json!({"goal": yen["id"], "amount": "0.5"})).status, 400);
    assert_eq!(books.admin.delete(&format!("{GOALS}{}/", yen["id"])).status, 204);
    assert_eq!(books.admin.get(&format!("{MILESTONES}{}/", step["id"])).status, 404);
    // Agents see what they look after.
    let agent = books.server.member("agent", Role::Agent);
    assert_eq!(agent.get(&format!("{GOALS}{}/", roof["id"])).status, 404);
    books.admin.patch(&format!("{GOALS}{}/", roof["id"]), json!({"owner": agent.id})).expect(200);
    agent.get(&format!("{GOALS}{}/progress/", roof["id"])).expect(200);
    assert_eq!(agent.get(MILESTONES).expect(200)["count"], 3);
    assert_eq!(agent.post(&format!("{GOALS}{}/add_payment/", roof["id"]), json!({"amount": 1})).status, 403);
    in_order(&books);
}
