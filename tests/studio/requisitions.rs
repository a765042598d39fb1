//! Requisitions: who asks, who decides, what is paid, and what the database refuses whatever the program forgets.

use rusqlite::Connection;
use serde_json::{Value as Json, json};
use studio::{
    actor::{Capability, Role},
    db,
};

use crate::{
    invoices::Books,
    support::{Answer, Client},
};

const REQUISITIONS: &str = "/api/finance/requisitions/";
const PAYMENTS: &str = "/api/finance/payments/";

fn path(requisition: &Json) -> String {
    format!("{REQUISITIONS}{}/", requisition["id"])
}

fn ask(client: &Client, amount: &str) -> Json {
    client.create(REQUISITIONS, json!({"purpose": "Travel", "amount": amount}))
}

fn act(client: &Client, requisition: &Json, action: &str, body: Json) -> Answer {
    client.post(&format!("{}{action}/", path(requisition)), body)
}

fn read(client: &Client, requisition: &Json) -> Json {
    client.get(&path(requisition)).expect(200)
}

#[track_caller]
fn expect(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{}: {}", answer.call, answer.text);
}

fn settings(books: &Books, body: Json) {
    books.admin.patch("/api/business/settings/", body).expect(200);
}

/// Puts money into the cash box.
fn fund(books: &Books, amount: &str) {
    books.admin.create(PAYMENTS, json!({"category": "miscellaneous", "amount": amount}));
}

/// Everything of the books holds.
#[track_caller]
fn in_order(books: &Books) {
    for finding in books.server.app.db.read(studio::resources::finance::check::run).expect("the checks run") {
        assert!(finding.problems.is_empty(), "{}: {:?}", finding.name, finding.problems);
    }
}

#[test]
fn a_requisition_is_asked_for_approved_and_paid() {
    let books = Books::open();
    fund(&books, "500");
    let asks = books.server.member("asks", Role::Agent);
    let asked = asks.create(REQUISITIONS, json!({"purpose": "Bus to Jinja", "amount": 250, "urgency": "high", "status": "approved"}));
    for (name, value) in [
        ("number", json!("REQ-0001")),
        ("requested_by", json!(asks.id)),
        ("amount", json!("250.00")),
        ("currency", json!("USD")),
        ("category", json!("operations")),
        ("status", json!("pending")),
        ("payment_status", json!("unpaid")),
        ("approved_amount", json!(null)),
        ("approved_by", json!(null)),
        ("date_approved", json!(null)),
        ("has_items", json!(false)),
        ("calculated_total", json!("250.00")),
        ("requested_by_name", json!("asks Example")),
        ("version", json!(1)),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    let listed = books.admin.get(REQUISITIONS).expect(200)["results"][0].clone();
    assert_eq!((&listed["requested_by"], &listed["requested_by_id"]), (&json!("asks Example"), &json!(asks.id)), "lists show names");
    let waiting = books.admin.get(&format!("{REQUISITIONS}pending/")).expect(200);
    assert_eq!(waiting.as_array().map(Vec::len), Some(1), "a bare list");
    assert_eq!(asks.get(&format!("{REQUISITIONS}pending/")).expect(200), json!([]));
    // Older clients send all of it along.
    let approved = act(&books.admin, &asked, "approve", asked.clone()).expect(200);
    assert_eq!((&approved["status"], &approved["approved_by"]), (&json!("approved"), &json!(books.admin.id)));
    assert_eq!((&approved["approved_amount"], &approved["date_approved"]), (&json!("250.00"), &json!("2026-03-02")));
    let paid = act(&books.admin, &asked, "pay", json!({"amount": "100"})).expect(201);
    assert_eq!((&paid["requisition"], &paid["direction"], &paid["category"]), (&asked["id"], &json!("outgoing"), &json!("operations")));
    assert_eq!(books.lines(&paid["journal_entry_id"]), [("cash".to_owned(), -10_000), ("expense".to_owned(), 10_000)]);
    let part = read(&asks, &asked);
    assert_eq!((&part["payment_status"], &part["paid"], &part["remaining"]), (&json!("part_paid"), &json!("100.00"), &json!("150.00")));
    assert!(part["version"].as_i64() > approved["version"].as_i64(), "it is another than was read");
    act(&books.admin, &asked, "pay", json!({})).expect(201);
    assert_eq!(read(&asks, &asked)["payment_status"], "paid");
    expect(&act(&books.admin, &asked, "pay", json!({})), 409, "nothing_left");
    expect(&act(&books.admin, &asked, "pay", json!({"amount": "0.01"})), 409, "exceeds_approved_amount");
    let found = books.admin.get(&format!("{PAYMENTS}?requisition={}", asked["id"])).expect(200);
    assert_eq!(found["count"], 2);
    let rows = books.admin.get("/api/finance/transactions/?type=expense").expect(200);
    assert_eq!(rows["results"][0]["related_requisition"], asked["id"]);
    // A payment that is taken back gives the room back.
    books.admin.post(&format!("{PAYMENTS}{}/void/", paid["id"]), json!({})).expect(200);
    let again = read(&asks, &asked);
    assert_eq!((&again["payment_status"], &again["remaining"]), (&json!("part_paid"), &json!("100.00")));
    expect(&act(&books.admin, &asked, "pay", json!({"amount": "100.01"})), 409, "exceeds_approved_amount");
    act(&books.admin, &asked, "pay", json!({"amount": "100"})).expect(201);
    in_order(&books);
}

#[test]
fn what_is_for_a_party_goes_to_its_account() {
    let books = Books::open();
    fund(&books, "90");
    let asks = books.server.member("asks", Role::Staff);
    let asked = asks.create(REQUISITIONS, json!({"purpose": "Rent", "amount": 90, "party": books.party, "category": "office"}));
    act(&books.admin, &asked, "approve", json!({"approved_amount": 80, "comment": "Ask for less"})).expect(200);
    let bill = json!({"party": books.party, "direction": "incoming", "number": "B-7", "amount": 50, "issue": true});
    let bill = books.admin.create("/api/finance/invoices/", bill)["id"].clone();
    let other = books.admin.create("/api/finance/parties/", json!({"name": "Other"}))["id"].clone();
    for (body, field) in
        [(json!({"party": other}), "party"), (json!({"direction": "incoming"}), "direction"), (json!({"category": "travel"}), "party")]
    {
        let mut body = body;
        body["requisition"] = asked["id"].clone();
        body["amount"] = json!(10);
        let answer = books.admin.post(PAYMENTS, body);
        assert!(answer.status == 400 && answer.json().get(field).is_some(), "{field}: {}", answer.text);
    }
    let paid = act(&books.admin, &asked, "pay", json!({"invoice": bill, "amount": 50})).expect(201);
    assert_eq!((&paid["party"], &paid["category"], &paid["invoice"]), (&json!(books.party), &json!(null), &bill));
    assert_eq!(books.lines(&paid["journal_entry_id"]), [("cash".to_owned(), -5000), ("payable".to_owned(), 5000)]);
    assert_eq!(books.invoice(&bill)["status"], "paid");
    let euros = books.admin.create("/api/finance/accounts/", json!({"name": "Euros", "currency": "EUR"}))["id"].clone();
    act(&books.admin, &asked, "pay", json!({"account": euros, "amount": 5}))
        .refuses(json!({"account": ["The requisition is in USD, the account in EUR."]}));
    // While something is to be paid to them, they stay.
    expect(&books.admin.delete(&format!("/api/finance/parties/{}/", books.party)), 409, "in_use");
    in_order(&books);
}

/// Every action in every state, by everybody.
#[test]
fn a_requisition_goes_only_where_it_may() {
    let books = Books::open();
    fund(&books, "1000");
    let server = &books.server;
    let asks = server.member("asks", Role::Teacher);
    let (manager, officer) = (server.member("manager", Role::Manager), server.staff("officer", &[Capability::Finance]));
    let (clerk, agent, customer) =
        (server.member("clerk", Role::Staff), server.member("agent", Role::Agent), server.member("buyer", Role::Customer));
    let student = server.member("student", Role::Student);
    let reach = |state: &str| {
        let is_draft = ["draft", "cancelled"].contains(&state);
        let body = json!({"purpose": "Travel", "amount": 10, "draft": is_draft});
        let asked = asks.create(REQUISITIONS, body);
        match state {
            "approved" => drop(act(&books.admin, &asked, "approve", json!({})).expect(200)),
            "part_paid" => {
                act(&books.admin, &asked, "approve", json!({})).expect(200);
                act(&books.admin, &asked, "pay", json!({"amount": 4})).expect(201);
            }
            "rejected" => drop(act(&books.admin, &asked, "reject", json!({"comment": "No"})).expect(200)),
            "cancelled" => drop(act(&asks, &asked, "cancel", json!({})).expect(200)),
            _ => {}
        }
        asked
    };
    let (ok, no, gone, wrong) = (200, 403, 404, 409);
    // Who may at all, and in which states it goes through; in all others it is a conflict.
    let everybody: [(&str, &Client); 8] = [
        ("asks", &asks),
        ("admin", &books.admin),
        ("manager", &manager),
        ("officer", &officer),
        ("clerk", &clerk),
        ("agent", &agent),
        ("buyer", &customer),
        ("student", &student),
    ];
    let deciders = ["admin", "manager"];
    let mut tried = 0;
    for state in ["draft", "pending", "approved", "part_paid", "rejected", "cancelled"] {
        for action in ["submit", "approve", "reject", "resubmit", "cancel", "pay"] {
            for (name, who) in everybody {
                let asked = reach(state);
                let body = if action == "reject" { json!({"comment": "No"}) } else { json!({}) };
                let answer = act(who, &asked, action, body);
                let decided = ["approved", "part_paid"].contains(&state);
                let sees = ["asks", "admin", "manager", "officer"].contains(&name);
                let may = match action {
                    "submit" | "resubmit" => name == "asks",
                    "approve" | "reject" => deciders.contains(&name),
                    "cancel" if decided => deciders.contains(&name),
                    "cancel" => name == "asks",
                    _ => ["admin", "manager", "officer"].contains(&name),
                };
                let fits = match action {
                    "submit" => state == "draft",
                    "approve" | "reject" => state == "pending",
                    "resubmit" => state == "rejected",
                    "cancel" => ["draft", "pending", "approved"].contains(&state),
                    _ => decided,
                };
                let status = match () {
                    () if ["buyer", "student"].contains(&name) => no,
                    () if !sees => gone,
                    () if !may => no,
                    () if !fits => wrong,
                    () if action == "pay" => 201,
                    () => ok,
                };
                assert_eq!(answer.status, status, "{name}: {action} of {state}: {}", answer.text);
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 6 * 6 * 8);
    // What follows from each.
    let asked = reach("rejected");
    let again = act(&asks, &asked, "resubmit", json!({})).expect(200);
    assert_eq!((&again["status"], &again["decided_by"], &again["decision_comment"]), (&json!("pending"), &json!(null), &json!("")));
    let history = books.admin.get(&format!("{}history/", path(&asked))).expect(200);
    let actions: Vec<&str> = history["results"].as_array().into_iter().flatten().filter_map(|one| one["action"].as_str()).collect();
    assert_eq!(actions, ["requisitions.resubmit", "requisitions.reject", "requisitions.create"]);
    let refused = act(&books.admin, &asked, "reject", json!({}));
    refused.refuses(json!({"comment": ["This field is required."]}));
    for (amount, text) in [
        (json!(11), "Ensure this value is less than or equal to 10.00."),
        (json!(0), "Ensure this value is greater than 0."),
        (json!("x"), "A valid number is required."),
    ] {
        act(&books.admin, &asked, "approve", json!({"approved_amount": amount})).refuses(json!({"approved_amount": [text]}));
    }
    expect(&act(&books.admin, &reach("part_paid"), "cancel", json!({})), 409, "in_use");
    // Only whoever asks says what they ask for, and only until it is decided.
    for (state, name, who, status) in [
        ("draft", "asks", &asks, 200),
        ("pending", "asks", &asks, 200),
        ("pending", "admin", &books.admin, 403),
        ("pending", "manager", &manager, 403),
        ("pending", "officer", &officer, 403),
        ("pending", "clerk", &clerk, 404),
        ("approved", "asks", &asks, 409),
        ("rejected", "asks", &asks, 409),
        ("cancelled", "asks", &asks, 409),
    ] {
        let asked = reach(state);
        for answer in [
            who.patch(&path(&asked), json!({"amount": 9})),
            who.put(&path(&asked), json!({"purpose": "Otherwise", "amount": 9})),
            who.patch(&path(&asked), json!({"items": [{"particular": "a", "unit_cost": 1}]})),
        ] {
            assert_eq!(answer.status, status, "{name}, {state}: {}", answer.text);
        }
    }
    let kept = reach("approved");
    expect(&books.admin.delete(&path(&kept)), 409, "immutable");
    assert_eq!(books.admin.delete(&path(&reach("rejected"))).status, 204);
    assert_eq!(asks.delete(&path(&reach("pending"))).status, 403);
    in_order(&books);
}

#[test]
fn nobody_decides_about_their_own() {
    let books = Books::open();
    fund(&books, "100");
    let server = &books.server;
    let (manager, other, asks) =
        (server.member("manager", Role::Manager), server.member("other", Role::Manager), server.member("asks", Role::Staff));
    // As administrator, as superuser, or having become one since: it is who somebody is that counts.
    let root = server.superuser("root");
    for who in [&manager, &books.admin, &root] {
        let own = ask(who, "10");
        for (action, body) in [("approve", json!({})), ("reject", json!({"comment": "x"}))] {
            expect(&act(who, &own, action, body), 409, "self_approval");
        }
        let waiting = who.get(&format!("{REQUISITIONS}pending/")).expect(200);
        assert!(waiting.as_array().into_iter().flatten().all(|one| one["id"] != own["id"]), "nor does it wait for them");
    }
    let theirs = ask(&asks, "10");
    let id = asks.id;
    server.write(move |tx| {
        let membership: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[id.into()])?.expect("a membership");
        tx.update("memberships", membership, vec![("role", "admin".into())])
    });
    expect(&act(&asks, &theirs, "approve", json!({})), 409, "self_approval");
    // Not by asking for somebody else, nor by saying so afterwards.
    let body = json!({"purpose": "For another", "amount": 10, "requested_by": other.id});
    let entered = manager.create(REQUISITIONS, body.clone());
    expect(&act(&manager, &entered, "approve", json!({})), 409, "self_approval");
    expect(&act(&other, &entered, "approve", json!({})), 409, "self_approval");
    manager
        .patch(&path(&entered), json!({"requested_by": books.admin.id}))
        .refuses(json!({"requested_by": ["Who asks for the money is not changed."]}));
    assert_eq!(server.member("clerk", Role::Staff).post(REQUISITIONS, body).status, 403, "only managers ask for others");
    act(&books.admin, &entered, "approve", json!({})).expect(200);
    // Nor do they hand the money to themselves.
    for (who, code) in [(&manager, "self_approval"), (&other, "self_approval")] {
        expect(&act(who, &entered, "pay", json!({})), 409, code);
        expect(&who.post(PAYMENTS, json!({"requisition": entered["id"], "amount": 1})), 409, code);
    }
    act(&books.admin, &entered, "pay", json!({})).expect(201);
    // Past the program as well.
    let own = ask(&manager, "5")["id"].clone();
    for by in [json!(manager.id), json!(null)] {
        let sql = format!(
            "UPDATE requisitions SET status = 'approved', approved_amount = 500, decided_by = {by}, decided_at = '2026-03-02T09:00:00.000Z' \
             WHERE id = {own}"
        );
        assert!(books.refused(&sql).contains("self_approval"));
    }
    let sql = format!("UPDATE requisitions SET requested_by_id = {} WHERE id = {own}", books.admin.id);
    assert!(books.refused(&sql).contains("immutable"));
    // A business of one does.
    settings(&books, json!({"requisition_self_approval": true}));
    let own = ask(&manager, "10");
    act(&manager, &own, "approve", json!({})).expect(200);
    act(&manager, &own, "pay", json!({})).expect(201);
    in_order(&books);
}

#[test]
fn limits_and_departments_say_who_decides() {
    let books = Books::open();
    let server = &books.server;
    let (manager, leads, agent) =
        (server.member("manager", Role::Manager), server.member("leads", Role::Staff), server.member("agent", Role::Agent));
    let department =
        |name: &str, who: i64| books.admin.create("/api/accounts/departments/", json!({"name": name, "manager": who}))["id"].clone();
    let (sales, office) = (department("Sales", leads.id), department("Office", manager.id));
    let asks = |amount: &str, department: &Json| {
        agent.create(REQUISITIONS, json!({"purpose": "Visit", "amount": amount, "department": department}))
    };
    let waits = |who: &Client| -> Vec<i64> {
        let all = who.get(&format!("{REQUISITIONS}pending/")).expect(200);
        all.as_array().into_iter().flatten().filter_map(|one| one["id"].as_i64()).collect()
    };
    let (theirs, others) = (asks("100", &sales), asks("100", &office));
    assert_eq!(waits(&leads), [theirs["id"].as_i64().expect("an id")]);
    assert_eq!((waits(&manager).len(), waits(&books.admin).len()), (2, 2));
    assert_eq!(act(&leads, &others, "approve", json!({})).status, 404, "of another department");
    assert_eq!(leads.patch(&path(&theirs), json!({"amount": 1})).status, 403, "decides, and does not write it");
    act(&leads, &theirs, "approve", json!({})).expect(200);
    assert_eq!(act(&leads, &theirs, "pay", json!({})).status, 403, "and does not pay it");
    let draft = agent.create(REQUISITIONS, json!({"purpose": "Later", "amount": 5, "department": sales, "draft": true}));
    assert_eq!(leads.get(&path(&draft)).status, 404, "a draft is nobody else's yet");
    // Their own department's, but their own.
    let own = leads.create(REQUISITIONS, json!({"purpose": "Mine", "amount": 5, "department": sales}));
    expect(&act(&leads, &own, "approve", json!({})), 409, "self_approval");
    settings(&books, json!({"requisition_manager_limit": "99.99"}));
    let (above, below) = (asks("100", &sales), asks("99.99", &sales));
    for who in [&leads, &manager] {
        expect(&act(who, &above, "approve", json!({})), 403, "above_limit");
        // Approving less of it does not make it less.
        expect(&act(who, &above, "approve", json!({"approved_amount": 1})), 403, "above_limit");
        expect(&act(who, &above, "reject", json!({"comment": "x"})), 403, "above_limit");
        assert!(!waits(who).contains(&above["id"].as_i64().expect("an id")));
        assert!(waits(who).contains(&below["id"].as_i64().expect("an id")));
    }
    let euros = agent.create(REQUISITIONS, json!({"purpose": "Abroad", "amount": 1, "currency": "EUR"}));
    expect(&act(&manager, &euros, "approve", json!({})), 403, "above_limit");
    act(&books.admin, &above, "approve", json!({})).expect(200);
    act(&manager, &below, "approve", json!({})).expect(200);
    // Once it is approved below the limit it is not raised above it.
    expect(&agent.patch(&path(&below), json!({"amount": 5000})), 409, "immutable");
}

#[test]
fn items_say_what_it_comes_to() {
    let books = Books::open();
    let asks = books.server.member("asks", Role::Staff);
    let items = json!([{"particular": "Nights", "quantity": "2.5", "unit_cost": "46.333333"}, {"particular": "Bus", "unit_cost": 4}]);
    let asked = asks.create(REQUISITIONS, json!({"purpose": "Trip", "items": items}));
    assert_eq!((&asked["amount"], &asked["items"][0]["amount"], &asked["has_items"]), (&json!("119.83"), &json!("115.83"), &json!(true)));
    for (body, field) in [
        (json!({"purpose": "x"}), "amount"),
        (json!({"purpose": "x", "amount": 0}), "amount"),
        (json!({"purpose": "x", "amount": -1}), "amount"),
        (json!({"purpose": " ", "amount": 1}), "purpose"),
        (json!({"purpose": "x", "amount": 1, "category": "nonsense"}), "category"),
        (json!({"purpose": "x", "amount": 100, "items": items}), "amount"),
        (json!({"purpose": "x", "items": [{"particular": "a", "unit_cost": 1, "amount": 2}]}), "items"),
        (json!({"purpose": "x", "items": [{"particular": "a", "unit_cost": 0}]}), "items"),
        (json!({"purpose": "x", "items": [{"particular": "a", "unit_cost": 1, "quantity": 0}]}), "items"),
    ] {
        let answer = asks.post(REQUISITIONS, body.clone());
        assert!(answer.status == 400 && answer.json().get(field).is_some(), "{body}: {}", answer.text);
    }
    asks.patch(&path(&asked), json!({"amount": 5})).refuses(json!({"amount": ["This comes to 119.83, not 5.00."]}));
    let more = act(&asks, &asked, "add_item", json!({"particular": "Food", "quantity": 2, "unit_cost": "0.085"})).expect(201);
    assert_eq!((&more["amount"], more["items"].as_array().map(Vec::len)), (&json!("120.00"), Some(3)));
    let one = |index: usize| format!("{}items/{}/", path(&asked), more["items"][index]["id"]);
    for index in 0..3 {
        assert_eq!(asks.delete(&one(index)).status, 204);
        assert_eq!(asks.delete(&one(index)).status, 404);
    }
    let left = read(&asks, &asked);
    assert_eq!((&left["amount"], &left["items"]), (&json!("0.17"), &json!([])), "what the last one came to");
    act(&asks, &asked, "add_item", json!({"particular": "Food", "unit_cost": 7})).expect(201);
    act(&books.admin, &asked, "approve", json!({})).expect(200);
    expect(&act(&asks, &asked, "add_item", json!({"particular": "Wine", "unit_cost": 7})), 409, "immutable");
    let id = &asked["id"];
    for sql in [
        format!("UPDATE requisition_items SET unit_cost = 1 WHERE requisition_id = {id}"),
        format!("DELETE FROM requisition_items WHERE requisition_id = {id}"),
        format!(
            "INSERT INTO requisition_items (business_id, requisition_id, position, particular, unit_cost, amount) VALUES (1, {id}, 9, 'x', 1, 1)"
        ),
    ] {
        assert!(books.refused(&sql).contains("immutable"), "{sql}");
    }
    in_order(&books);
}

#[test]
fn the_database_lets_no_more_out_than_was_approved() {
    let books = Books::open();
    fund(&books, "1000");
    let asks = books.server.member("asks", Role::Staff);
    let (asked, pending) = (ask(&asks, "50"), ask(&asks, "50"));
    act(&books.admin, &asked, "approve", json!({})).expect(200);
    let paid = act(&books.admin, &asked, "pay", json!({"amount": 30})).expect(201);
    let cash = books.account("Cash", "cash");
    let pay = |requisition: &Json, amount: i64, currency: &str, direction: &str| {
        format!(
            "INSERT INTO payments (uuid, created_at, updated_at, business_id, direction, account_id, amount, currency, date, category, requisition_id) \
             VALUES ('u{amount}', '2026-03-02T09:00:00.000Z', '2026-03-02T09:00:00.000Z', 1, '{direction}', {cash}, {amount}, '{currency}', \
                     '2026-03-02', 'operations', {requisition})"
        )
    };
    let (id, waits) = (&asked["id"], &pending["id"]);
    for (sql, word) in [
        (pay(id, 2001, "USD", "outgoing"), "exceeds_approved_amount"),
        (pay(id, 1, "USD", "incoming"), "CHECK"),
        (pay(waits, 1, "USD", "outgoing"), "not_open"),
        (format!("UPDATE requisitions SET approved_amount = 9000 WHERE id = {id}"), "immutable"),
        (format!("UPDATE requisitions SET amount = 9000 WHERE id = {id}"), "immutable"),
        (format!("UPDATE requisitions SET paid_amount = 0 WHERE id = {id}"), "immutable"),
        (format!("UPDATE requisitions SET status = 'pending' WHERE id = {id}"), "invalid_transition"),
        (format!("UPDATE requisitions SET status = 'cancelled' WHERE id = {id}"), "CHECK"),
        (format!("UPDATE requisitions SET status = 'draft' WHERE id = {waits}"), "invalid_transition"),
        (format!("UPDATE requisitions SET deleted_at = '2026-03-02T09:00:00.000Z' WHERE id = {id}"), "immutable"),
        (format!("DELETE FROM requisitions WHERE id = {id}"), "immutable"),
        (format!("UPDATE payments SET requisition_id = NULL WHERE id = {}", paid["id"]), "immutable"),
        (
            format!(
                "INSERT INTO requisitions (uuid, created_at, updated_at, business_id, requested_by_id, purpose, category, amount, currency, status, \
                 approved_amount, decided_at) VALUES ('r', '2026-03-02T09:00:00.000Z', '2026-03-02T09:00:00.000Z', 1, {}, 'x', 'x', 1, 'USD', \
                 'approved', 1, '2026-03-02T09:00:00.000Z')",
                asks.id
            ),
            "invalid_transition",
        ),
    ] {
        let why = books.refused(&sql);
        assert!(why.contains(word), "{sql}: {why}");
    }
    // Not one column of an approved requisition that is not meant to be.
    let open = ["status", "paid_amount", "version", "updated_at", "updated_by", "deleted_by"];
    let columns: Vec<String> = books
        .server
        .app
        .db
        .read(|reader| reader.rows("SELECT name FROM pragma_table_info('requisitions')", &[], |row| row.get(0)))
        .expect("the columns");
    for column in columns.iter().filter(|column| !open.contains(&column.as_str())) {
        let set = format!("CASE typeof({column}) WHEN 'integer' THEN {column} + 1 WHEN 'text' THEN 'y' || substr({column}, 2) ELSE 1 END");
        books.refused(&format!("UPDATE requisitions SET {column} = {set} WHERE id = {id}"));
    }
    in_order(&books);
}

#[test]
fn of_many_at_once_no_more_goes_through_than_may() {
    let books = Books::open();
    fund(&books, "1000");
    let asks = books.server.member("asks", Role::Staff);
    let (asked, others) = (ask(&asks, "100"), [books.server.member("one", Role::Manager), books.server.member("two", Role::Admin)]);
    let at_once = |calls: Vec<(&Client, &str, Json)>| -> Vec<u16> {
        std::thread::scope(|scope| {
            let one = |(who, action, body): (&Client, &str, Json)| {
                let (who, path) = (who.clone(), format!("{}{action}/", path(&asked)));
                scope.spawn(move || who.post(&path, body).status)
            };
            let all: Vec<_> = calls.into_iter().map(one).collect();
            all.into_iter().map(|one| one.join().expect("it ends")).collect()
        })
    };
    let count = |statuses: &[u16], status: u16| statuses.iter().filter(|one| **one == status).count();
    let decided = at_once(vec![
        (&others[0], "approve", json!({"approved_amount": 70})),
        (&others[1], "approve", json!({"approved_amount": 60})),
        (&books.admin, "reject", json!({"comment": "x"})),
    ]);
    assert_eq!((count(&decided, 200), count(&decided, 409)), (1, 2), "{decided:?}");
    if read(&asks, &asked)["status"] == "rejected" {
        act(&asks, &asked, "resubmit", json!({})).expect(200);
        act(&books.admin, &asked, "approve", json!({"approved_amount": 70})).expect(200);
    }
    let approved: f64 = read(&asks, &asked)["approved_amount"].as_str().and_then(|text| text.parse().ok()).expect("an amount");
    let paid = at_once((0..20).map(|_| (&books.admin, "pay", json!({"amount": 25}))).collect());
    assert_eq!((count(&paid, 201), count(&paid, 409)), (2, 18), "{paid:?} of {approved}");
    assert_eq!(read(&asks, &asked)["paid"], "50.00");
    assert_eq!(
        books.admin.get(&format!("{PAYMENTS}?requisition={}", asked["id"])).expect(200)["count"],
        2,
        "the others left nothing behind"
    );
    in_order(&books);
}

#[test]
fn documents_belong_to_whoever_attached_them() {
    let books = Books::open();
    let server = &books.server;
    let (asks, officer) = (server.member("asks", Role::Agent), server.staff("officer", &[Capability::Finance]));
    let (clerk, other) = (server.member("clerk", Role::Staff), ask(&books.admin, "1"));
    let asked = ask(&asks, "10");
    act(&books.admin, &asked, "approve", json!({})).expect(200);
    let upload = |who: &Client, requisition: &Json| {
        let body = b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"quote.txt\"\r\n\r\nThree offers\r\n--XX--\r\n";
        who.send("POST", &format!("{}upload_document/", path(requisition)), Some(("multipart/form-data; boundary=XX", body.to_vec())))
    };
    let mine = upload(&asks, &asked).expect(201);
    assert_eq!((&mine["filename"], &mine["target_type"], &mine["target_id"]), (&json!("quote.txt"), &json!("requisition"), &asked["id"]));
    let theirs = upload(&officer, &asked).expect(201);
    assert_eq!(upload(&clerk, &asked).status, 404);
    assert_eq!(asks.get(&format!("{}files/", path(&asked))).expect(200)["count"], 2);
    assert_eq!(asks.post(&format!("{}comments/", path(&asked)), json!({"content": "By Friday"})).status, 201);
    let one = |requisition: &Json, file: &Json| format!("{}documents/{}/", path(requisition), file["id"]);
    assert_eq!(asks.delete(&one(&asked, &theirs)).status, 403);
    assert_eq!(clerk.delete(&one(&asked, &mine)).status, 404);
    assert_eq!(books.admin.delete(&one(&other, &mine)).status, 404, "of another requisition");
    assert_eq!(asks.delete(&one(&asked, &mine)).status, 204);
    assert_eq!(asks.delete(&one(&asked, &mine)).status, 404);
    assert_eq!(books.admin.delete(&one(&asked, &theirs)).status, 204);
    assert_eq!(asks.get(&format!("{}files/", path(&asked))).expect(200)["count"], 0);
}

#[test]
fn what_was_done_behind_the_program_is_found() {
    let books = Books::open();
    fund(&books, "100");
    let asks = books.server.member("asks", Role::Staff);
    let items = json!([{"particular": "Nights", "unit_cost": 50}]);
    let asked = asks.create(REQUISITIONS, json!({"purpose": "Trip", "items": items}));
    act(&books.admin, &asked, "approve", json!({})).expect(200);
    act(&books.admin, &asked, "pay", json!({"amount": 20})).expect(201);
    let goal = books.admin.create("/api/finance/goals/", json!({"title": "Roof", "target_amount": 90, "due_date": "2026-12-31"}));
    books.admin.create("/api/finance/goal-milestones/", json!({"goal": goal["id"], "amount": 10}));
    books.admin.post(&format!("/api/finance/goals/{}/add_payment/", goal["id"]), json!({"amount": 15})).expect(201);
    ask(&asks, "1");
    in_order(&books);
    let connection = Connection::open(db::file_in(&books.server.app.config.data.folder)).expect("a connection");
    for trigger in ["requisitions_paid_amount", "requisitions_fixed", "requisition_items_update"] {
        connection.execute(&format!("DROP TRIGGER {trigger}"), []).expect("it is gone");
    }
    for (name, sql, back) in [
        (
            "requisitions",
            "UPDATE requisitions SET paid_amount = paid_amount - 1 WHERE id = 1",
            "UPDATE requisitions SET paid_amount = 2000 WHERE id = 1",
        ),
        ("requisitions", "UPDATE requisition_items SET amount = amount + 1", "UPDATE requisition_items SET amount = amount - 1"),
        ("milestones", "UPDATE goal_milestones SET reached_at = NULL", "UPDATE goal_milestones SET reached_at = updated_at"),
        ("series", "UPDATE requisitions SET number = 'X' WHERE id = 2", "UPDATE requisitions SET number = 'REQ-0002' WHERE id = 2"),
    ] {
        assert_eq!(connection.execute(sql, []).expect("done"), 1, "{sql}");
        let findings = books.server.app.db.read(studio::resources::finance::check::run).expect("the checks run");
        let broken: Vec<&str> = findings.iter().filter(|one| !one.problems.is_empty()).map(|one| one.name).collect();
        assert_eq!(broken, [name], "{sql}");
        assert_eq!(connection.execute(back, []).expect("done"), 1, "{back}");
    }
    in_order(&books);
}

#[test]
fn amounts_in_two_currencies_are_not_compared() {
    let books = Books::open();
    let asked = ask(&books.server.member("asks", Role::Agent), "10");
    act(&books.admin, &asked, "approve", json!({})).expect(200);
    let dinars = books.admin.create("/api/finance/accounts/", json!({"name": "Dinars", "type": "bank", "currency": "KWD"}));
    let refused = act(&books.admin, &asked, "pay", json!({"account": dinars["id"], "amount": "5"}));
    refused.refuses(json!({"account": ["The requisition is in USD, the account in KWD."]}));
}
