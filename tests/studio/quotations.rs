//! Quotations: what they come to, how they are answered, and the one invoice that is made of each.

use std::thread;

use serde_json::{Value, json};
use studio::actor::{Capability, Role};

use crate::invoices::{Books, INVOICES};

const QUOTATIONS: &str = "/api/finance/quotations/";
const ITEMS: &str = "/api/finance/quotation-items/";

fn quotation(books: &Books, id: &Value) -> Value {
    books.admin.get(&format!("{QUOTATIONS}{id}/")).expect(200)
}

fn act(books: &Books, id: &Value, action: &str) -> crate::support::Answer {
    books.admin.post(&format!("{QUOTATIONS}{id}/{action}/"), json!({}))
}

#[test]
fn what_older_clients_do_works_as_it_did() {
    let books = Books::open();
    // First the quotation, then its items.
    let made = books.admin.create(QUOTATIONS, json!({"party": books.party, "total_amount": "50.00", "description": "A fence"}));
    assert_eq!((&made["total_amount"], &made["status"], &made["party_name"]), (&json!("50.00"), &json!("draft"), &json!("Acme")));
    assert!(made["quote_number"].as_str().is_some_and(|number| number.starts_with("QUO-2026-")), "{made}");
    for (name, quantity, unit_cost, amount) in [("Posts", 4, "10.00", "40.00"), ("Nails", 3, "10", "30.00")] {
        let body = json!({"quotation": made["id"], "name": name, "quantity": quantity, "unit_cost": unit_cost, "amount": amount});
        let item = books.admin.create(ITEMS, body);
        assert_eq!((&item["amount"], &item["quotation"]), (&json!(amount), &made["id"]));
        assert!(item["uuid"].is_string() && item["created_at"].is_string(), "{item}");
    }
    let with_items = quotation(&books, &made["id"]);
    assert_eq!(with_items["total_amount"], "70.00", "what the items come to");
    assert_eq!(with_items["items"].as_array().map(Vec::len), Some(2));
    let early = act(&books, &made["id"], "create-invoice");
    let detail = "Quotation must be accepted before creating an invoice.";
    assert_eq!((early.status, early.json()), (400, json!({"detail": detail, "code": "not_accepted"})));
    let accepted = act(&books, &made["id"], "accept");
    assert_eq!((accepted.status, accepted.json()), (200, json!({"status": "accepted", "quotation_id": made["id"]})));
    let again = act(&books, &made["id"], "accept");
    assert_eq!((again.status, again.json()), (400, json!({"detail": "Quotation already accepted", "code": "already_accepted"})));
    let invoiced = act(&books, &made["id"], "create-invoice").expect(201);
    assert_eq!(invoiced["invoice_total"], "70.00");
    assert_eq!(invoiced.as_object().map(|members| members.len()), Some(2));
    let invoice = books.invoice(&invoiced["invoice_id"]);
    assert_eq!(
        (&invoice["status"], &invoice["quotation_id"], &invoice["reference"]),
        (&json!("draft"), &made["id"], &with_items["quote_number"])
    );
    assert_eq!(invoice["items"][1]["name"], "Nails");
    // There is one invoice, however often it is asked for.
    let second = act(&books, &made["id"], "create-invoice");
    assert_eq!((second.status, second.json()), (200, invoiced.clone()));
    assert_eq!(quotation(&books, &made["id"])["invoice_id"], invoiced["invoice_id"]);
    // A draft that was deleted makes room for another.
    books.admin.delete(&format!("{INVOICES}{}/", invoiced["invoice_id"]));
    let third = act(&books, &made["id"], "create-invoice").expect(201);
    assert_ne!(third["invoice_id"], invoiced["invoice_id"]);
}

#[test]
fn what_was_agreed_on_the_telephone_is_written_down_at_once() {
    let books = Books::open();
    let items = json!([{"name": "Posts", "quantity": 4, "unit_cost": "10"}]);
    for body in [json!({"items": items, "status": "accepted"}), json!({"total_amount": "40", "status": "accepted"})] {
        let mut body = body;
        body["party"] = books.party.into();
        let made = books.admin.create(QUOTATIONS, body);
        assert_eq!((&made["status"], &made["total_amount"]), (&json!("accepted"), &json!("40.00")));
        assert!(made["accepted_at"].is_string() && made["quote_number"].is_string(), "{made}");
        let history = books.admin.get(&format!("{QUOTATIONS}{}/history/", made["id"])).expect(200);
        let actions: Vec<&Value> = history["results"].as_array().expect("entries").iter().map(|entry| &entry["action"]).collect();
        assert_eq!(actions, ["quotations.accept", "quotations.create"]);
        assert_eq!(act(&books, &made["id"], "create-invoice").expect(201)["invoice_total"], "40.00");
    }
    // Other items and the answer to them, in one.
    let made = books.admin.create(QUOTATIONS, json!({"party": books.party, "items": items}));
    let path = format!("{QUOTATIONS}{}/", made["id"]);
    let body = json!({"items": [{"name": "Posts", "quantity": 5, "unit_cost": "10"}], "status": "accepted"});
    let changed = books.admin.patch(&path, body).expect(200);
    assert_eq!((&changed["status"], &changed["total_amount"]), (&json!("accepted"), &json!("50.00")));
    // Too late is too late, with nothing left behind.
    let late =
        json!({"party": books.party, "items": items, "status": "accepted", "issued_date": "2025-01-01", "valid_until": "2025-02-01"});
    let before = books.admin.get(QUOTATIONS).expect(200)["count"].clone();
    assert_eq!(books.admin.post(QUOTATIONS, late).expect(409)["code"], "expired");
    assert_eq!(books.admin.get(QUOTATIONS).expect(200)["count"], before);
}

#[test]
fn what_was_offered_keeps_its_tax() {
    let books = Books::open();
    let rate = books.admin.create("/api/finance/tax-rates/", json!({"name": "Levy", "percent": "5"}));
    let path = format!("/api/finance/tax-rates/{}/", rate["id"]);
    books.admin.patch(&path, json!({"percent": "10"})).expect(200);
    let items = json!([{"name": "Posts", "unit_cost": "100", "tax_rate": rate["id"]}]);
    let made = books.admin.create(QUOTATIONS, json!({"party": books.party, "items": items}));
    assert_eq!(made["total_amount"], "110.00");
    assert_eq!(books.admin.patch(&path, json!({"percent": "20"})).expect(409)["code"], "immutable");
    act(&books, &made["id"], "accept").expect(200);
    assert_eq!(act(&books, &made["id"], "create-invoice").expect(201)["invoice_total"], "110.00");
}

#[test]
fn items_go_with_a_quotation_that_is_deleted() {
    let books = Books::open();
    let items = json!([{"name": "Posts", "unit_cost": "10"}, {"name": "Nails", "unit_cost": "1"}]);
    let made = books.admin.create(QUOTATIONS, json!({"party": books.party, "items": items}));
    let item = format!("{ITEMS}{}/", made["items"][0]["id"]);
    books.admin.delete(&format!("{QUOTATIONS}{}/", made["id"]));
    assert_eq!(books.admin.delete(&item).status, 404);
    assert_eq!(books.admin.patch(&item, json!({"quantity": 3})).status, 404);
    books.admin.post(&format!("{QUOTATIONS}{}/restore/", made["id"]), json!({})).expect(200);
    assert_eq!(quotation(&books, &made["id"])["total_amount"], "11.00");
}

#[test]
fn a_quotation_without_items_is_invoiced_as_one() {
    let books = Books::open();
    let made = books.admin.create(QUOTATIONS, json!({"party": books.party, "total_amount": 70, "description": "A fence\nof wood"}));
    act(&books, &made["id"], "accept").expect(200);
    let invoiced = act(&books, &made["id"], "create-invoice").expect(201);
    assert_eq!(invoiced["invoice_total"], "70.00");
    let invoice = books.invoice(&invoiced["invoice_id"]);
    assert_eq!((&invoice["items"][0]["name"], invoice["items"].as_array().map(Vec::len)), (&json!("A fence"), Some(1)));
    books
        .admin
        .post(QUOTATIONS, json!({"party": books.party, "total_amount": "-1"}))
        .refuses(json!({"total_amount": ["Ensure this value is greater than or equal to 0."]}));
}

#[test]
fn one_computation_for_quotations_and_invoices() {
    let books = Books::open();
    let (high, low) = (books.tax("18"), books.tax("5"));
    let body = json!({
        "party": books.party, "discount_type": "percent", "discount_value": "10",
        "items": [
            {"name": "a", "quantity": "3", "unit_cost": "33.33", "tax_rate": high},
            {"name": "b", "unit_cost": "11.11", "tax_rate": low, "discount_type": "fixed", "discount_value": "1"},
            {"name": "c", "unit_cost": "0.3333", "quantity": "7"},
        ],
    });
    let quoted = books.admin.create(QUOTATIONS, body.clone());
    let invoiced = books.admin.create(INVOICES, body.clone());
    for (ours, theirs) in
        [("subtotal", "subtotal"), ("discount_total", "discount_total"), ("tax_total", "tax_total"), ("total_amount", "total")]
    {
        assert_eq!(quoted[ours], invoiced[theirs], "{ours}");
    }
    for index in 0..3 {
        for name in ["gross", "discount_amount", "amount", "doc_discount_share", "net_amount", "tax_amount", "tax_name", "tax_percent"] {
            assert_eq!(quoted["items"][index][name], invoiced["items"][index][name], "{name} of {index}");
        }
    }
    let mut wrong = body;
    wrong["total_amount"] = json!("1.00");
    let refused = books.admin.post(QUOTATIONS, wrong);
    assert_eq!(
        (refused.status, refused.json()["total_amount"][0].as_str().is_some_and(|text| text.starts_with("This comes to"))),
        (400, true)
    );
    // What it was accepted as is what is invoiced.
    act(&books, &quoted["id"], "accept").expect(200);
    let made = act(&books, &quoted["id"], "create-invoice").expect(201);
    assert_eq!(made["invoice_total"], quoted["total_amount"]);
    let rate = books.admin.patch(&format!("/api/finance/tax-rates/{high}/"), json!({"percent": "20"}));
    assert_eq!(rate.status, 409, "{}", rate.text);
}

#[test]
fn items_are_records_of_their_own_and_part_of_the_quotation() {
    let books = Books::open();
    let made = books.admin.create(
        QUOTATIONS,
        json!({"party": books.party, "items": [{"name": "a", "unit_cost": 10}, {"name": "b", "unit_cost": 20}, {"name": "c", "unit_cost": 30}]}),
    );
    let listed = books.admin.get(&format!("{ITEMS}?quotation={}&ordering=name", made["id"])).expect(200);
    assert_eq!(listed["count"], 3);
    let (a, b, c) = (made["items"][0]["id"].clone(), made["items"][1]["id"].clone(), made["items"][2]["id"].clone());
    let of = |id: &Value| books.admin.get(&format!("{ITEMS}{id}/"));
    let uuid = of(&a).expect(200)["uuid"].clone();
    // Changed by itself.
    let changed = books.admin.patch(&format!("{ITEMS}{b}/"), json!({"quantity": "2"})).expect(200);
    assert_eq!(changed["amount"], "40.00");
    assert_eq!(quotation(&books, &made["id"])["total_amount"], "80.00");
    // Changed, moved and removed with the quotation: each stays what it is.
    let items = json!([{"id": c, "name": "c", "unit_cost": 30}, {"id": a, "name": "a", "unit_cost": 15}, {"name": "d", "unit_cost": 1}]);
    let after = books.admin.patch(&format!("{QUOTATIONS}{}/", made["id"]), json!({"items": items})).expect(200);
    assert_eq!(after["total_amount"], "46.00");
    let names: Vec<&str> = after["items"].as_array().expect("items").iter().filter_map(|item| item["name"].as_str()).collect();
    assert_eq!(names, ["c", "a", "d"]);
    assert_eq!((of(&b).status, &of(&a).expect(200)["uuid"]), (404, &uuid));
    let history = books.admin.get(&format!("{ITEMS}{a}/history/")).expect(200);
    assert!(history["count"].as_i64().is_some_and(|count| count >= 2), "{history}");
    // Removed by itself.
    assert_eq!(books.admin.delete(&format!("{ITEMS}{c}/")).status, 204);
    assert_eq!(quotation(&books, &made["id"])["total_amount"], "16.00");
    // An item stays where it is, and what is wrong with one is said of it.
    let other = books.admin.create(QUOTATIONS, json!({"party": books.party}));
    books
        .admin
        .patch(&format!("{ITEMS}{a}/"), json!({"quotation": other["id"]}))
        .refuses(json!({"quotation": ["An item stays with its quotation."]}));
    books
        .admin
        .post(ITEMS, json!({"quotation": made["id"], "name": "x", "unit_cost": 5, "discount_type": "fixed", "discount_value": 6}))
        .refuses(json!({"discount_value": ["The discount is more than there is to discount."]}));
    // Once it was accepted, neither it nor its items are changed, whatever the way.
    act(&books, &made["id"], "accept").expect(200);
    let late = [
        books.admin.patch(&format!("{ITEMS}{a}/"), json!({"quantity": "2"})),
        books.admin.delete(&format!("{ITEMS}{a}/")),
        books.admin.post(ITEMS, json!({"quotation": made["id"], "name": "x", "unit_cost": 5})),
        books.admin.patch(&format!("{QUOTATIONS}{}/", made["id"]), json!({"discount_type": "percent", "discount_value": "1"})),
        books.admin.patch(&format!("{QUOTATIONS}{}/", made["id"]), json!({"items": []})),
        books.admin.delete(&format!("{QUOTATIONS}{}/", made["id"])),
    ];
    for answer in late {
        assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("immutable")), "{}: {}", answer.call, answer.text);
    }
    books.admin.patch(&format!("{QUOTATIONS}{}/", made["id"]), json!({"description": "As agreed"})).expect(200);
    for sql in [
        "UPDATE quotations SET total_amount = 1, subtotal = 1",
        "UPDATE quotation_items SET quantity = 1",
        "DELETE FROM quotation_items",
        "INSERT INTO quotation_items (uuid, created_at, updated_at, business_id, quotation_id, name, unit_cost) \
         SELECT 'x', created_at, updated_at, business_id, quotation_id, name, unit_cost FROM quotation_items LIMIT 1",
    ] {
        assert!(books.refused(sql).contains("immutable"), "{sql}");
    }
}

#[test]
fn it_is_taken_back_to_its_items_and_to_what_it_came_to_without_them() {
    let books = Books::open();
    let body = json!({"party": books.party, "items": [{"name": "Posts", "quantity": "4", "unit_cost": "3.00"}]});
    let made = books.admin.create(QUOTATIONS, body);
    let path = format!("{QUOTATIONS}{}/", made["id"]);
    books.admin.delete(&format!("{ITEMS}{}/", made["items"][0]["id"])).expect(204);
    let seen = || {
        let now = quotation(&books, &made["id"]);
        (now["items"].as_array().map_or(0, Vec::len), now["total_amount"].clone())
    };
    assert_eq!(seen(), (0, json!("12.00")), "the last item goes, the offer stays");
    let history = books.admin.get(&format!("{path}history/")).expect(200)["results"].as_array().expect("entries").clone();
    let (without, with) = (history[0]["id"].clone(), history[history.len() - 1]["id"].clone());
    for (to, expected) in [(&with, 1), (&without, 0), (&with, 1), (&with, 1), (&without, 0)] {
        books.admin.post(&format!("{path}revert/"), json!({"to": to})).expect(200);
        assert_eq!(seen(), (expected, json!("12.00")), "taken back to {to}");
    }
}

#[test]
fn a_quotation_goes_from_draft_to_its_answer_and_expires() {
    let books = Books::open();
    let made = books.admin.create(QUOTATIONS, json!({"party": books.party, "total_amount": 5, "valid_until": "2026-03-10"}));
    let path = format!("{QUOTATIONS}{}/", made["id"]);
    let go = |status: &str| books.admin.patch(&path, json!({"status": status}));
    let sent = go("sent").expect(200);
    assert_eq!((&sent["status"], sent["sent_at"].is_string()), (&json!("sent"), true));
    go("expired").refuses(json!({"status": ["A quotation expires by its valid_until."]}));
    let rejected = go("rejected").expect(200);
    assert_eq!((&rejected["status"], rejected["rejected_at"].is_string()), (&json!("rejected"), true));
    assert_eq!(go("accepted").status, 409);
    let fixed = books.admin.patch(&path, json!({"total_amount": 6}));
    assert_eq!((fixed.status, &fixed.json()["code"]), (409, &json!("immutable")));
    go("draft").expect(200);
    books.admin.patch(&path, json!({"total_amount": 6})).expect(200);
    // After its last day it has expired; what was read may be sent back.
    books.server.clock.advance(9 * 24 * 60 * 60);
    let admin = books.server.member("later", Role::Admin);
    let read = admin.get(&path).expect(200);
    assert_eq!((&read["status"], &read["state"]), (&json!("expired"), &json!("draft")));
    assert_eq!(admin.get(&format!("{QUOTATIONS}?status=expired")).expect(200)["count"], 1);
    admin.patch(&path, json!({"status": "expired", "description": "x"})).expect(200);
    let late = admin.post(&format!("{path}accept/"), json!({}));
    assert_eq!((late.status, &late.json()["code"]), (409, &json!("expired")));
    admin
        .patch(&path, json!({"valid_until": "2026-03-01"}))
        .refuses(json!({"valid_until": ["Ensure this date is not before the date of the quotation."]}));
    admin.patch(&path, json!({"valid_until": "2026-04-01"})).expect(200);
    admin.post(&format!("{path}accept/"), json!({})).expect(200);
    assert_eq!(admin.patch(&path, json!({"status": "draft"})).status, 409);
}

#[test]
fn many_at_once_make_one_invoice() {
    let books = Books::open();
    let made = books.admin.create(QUOTATIONS, json!({"party": books.party, "total_amount": 70}));
    act(&books, &made["id"], "accept").expect(200);
    let path = format!("{QUOTATIONS}{}/create-invoice/", made["id"]);
    let ask = || {
        let (admin, path) = (books.admin.clone(), path.clone());
        thread::spawn(move || admin.post(&path, json!({})))
    };
    let asked: Vec<_> = (0..8).map(|_| ask()).collect();
    let answers: Vec<_> = asked.into_iter().map(|asked| asked.join().expect("an answer")).collect();
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| answer.json() == answers[0].json()), "one invoice");
    assert_eq!(books.admin.get(&format!("{INVOICES}?quotation_id={}", made["id"])).expect(200)["count"], 1);
    // Neither does the database take a second one, nor one that is another's.
    let insert = "INSERT INTO invoices (uuid, created_at, updated_at, business_id, party_id, issue_date, due_date, currency, prices_include_tax, \
                  subtotal, discount_total, tax_total, total, quotation_id) SELECT 'u', created_at, updated_at, business_id, party_id, issue_date, \
                  due_date, currency, 0, 0, 0, 0, 0";
    assert!(books.refused(&format!("{insert}, quotation_id FROM invoices")).contains("UNIQUE"));
    assert!(books.refused(&format!("{insert}, 4711 FROM invoices")).contains("same business"));
    assert!(books.refused("UPDATE invoices SET quotation_id = NULL").contains("immutable"));
}

#[test]
fn quotations_are_for_those_who_keep_the_books_and_for_whom_they_are() {
    let books = Books::open();
    let customer = books.server.member("customer", Role::Customer);
    books.admin.patch(&format!("/api/finance/parties/{}/", books.party), json!({"user": customer.id})).expect(200);
    let items = json!([{"name": "a", "unit_cost": 1}]);
    let other = books.admin.create("/api/finance/parties/", json!({"name": "Other"}))["id"].clone();
    let draft = books.admin.create(QUOTATIONS, json!({"party": books.party, "items": items}));
    let sent = books.admin.create(QUOTATIONS, json!({"party": books.party, "items": items, "status": "sent"}));
    let theirs = books.admin.create(QUOTATIONS, json!({"party": other, "items": items, "status": "sent"}));
    let item = |quotation: &Value| quotation["items"][0]["id"].clone();
    let status = |path: String| customer.get(&path).status;
    for (quotation, wanted) in [(&draft, 404), (&sent, 200), (&theirs, 404)] {
        assert_eq!(status(format!("{QUOTATIONS}{}/", quotation["id"])), wanted);
        assert_eq!(status(format!("{ITEMS}{}/", item(quotation))), wanted);
    }
    assert_eq!(
        (customer.get(QUOTATIONS).expect(200)["count"].clone(), customer.get(ITEMS).expect(200)["count"].clone()),
        (json!(1), json!(1))
    );
    let refused = [
        customer.post(&format!("{QUOTATIONS}{}/accept/", sent["id"]), json!({})),
        customer.post(&format!("{QUOTATIONS}{}/create-invoice/", sent["id"]), json!({})),
        customer.delete(&format!("{ITEMS}{}/", item(&sent))),
        customer.patch(&format!("{ITEMS}{}/", item(&sent)), json!({"quantity": 5})),
        customer.post(QUOTATIONS, json!({"party": books.party})),
    ];
    refused.iter().for_each(|answer| assert_eq!(answer.status, 403, "{}", answer.call));
    let abroad = books.server.business("Abroad");
    let stranger = books.server.member_with("stranger", Role::Admin, abroad, &[]);
    for (method, path) in [
        ("POST", format!("{QUOTATIONS}{}/accept/", sent["id"])),
        ("POST", format!("{QUOTATIONS}{}/create-invoice/", sent["id"])),
        ("DELETE", format!("{ITEMS}{}/", item(&sent))),
        ("GET", format!("{QUOTATIONS}{}/", sent["id"])),
    ] {
        assert_eq!(stranger.send(method, &path, None).status, 404, "{path}");
    }
    for role in [Role::Staff, Role::Agent, Role::Teacher] {
        let member = books.server.member(role.name(), role);
        for path in [QUOTATIONS, ITEMS] {
            assert_eq!(member.get(path).status, 403, "{} {path}", role.name());
        }
    }
    let officer = books.server.staff("officer", &[Capability::Finance]);
    officer.post(&format!("{QUOTATIONS}{}/accept/", sent["id"]), json!({})).expect(200);
    officer.post(&format!("{QUOTATIONS}{}/create-invoice/", sent["id"]), json!({})).expect(201);
    assert_eq!(officer.delete(&format!("{QUOTATIONS}{}/", draft["id"])).status, 403);
    // Those of a quotation that was deleted are not listed.
    assert_eq!(books.admin.delete(&format!("{QUOTATIONS}{}/", draft["id"])).status, 204);
    assert_eq!(books.admin.get(ITEMS).expect(200)["count"], 2);
    // A party with an open offer stays.
    let kept = books.admin.delete(&format!("/api/finance/parties/{other}/"));
    assert_eq!((kept.status, &kept.json()["code"]), (409, &json!("in_use")));
}

#[test]
fn a_quotation_is_sent_and_then_offered() {
    let books = Books::open();
    let body = json!({
        "party": books.party, "valid_until": "2026-03-31", "terms": "Half in advance",
        "items": [{"name": "Posts", "quantity": 4, "unit_cost": "10"}],
    });
    let made = books.admin.create(QUOTATIONS, body);
    let sent = act(&books, &made["id"], "send").expect(200);
    assert_eq!((&sent["status"], &sent["sent_at"]), (&json!("sent"), &json!(crate::support::NOW)));
    let mails = || {
        let sql = "SELECT recipient, json_extract(payload, '$.subject'), json_extract(payload, '$.text') FROM outbox ORDER BY id";
        let read = |row: &studio::db::Row<'_>| Ok([row.get::<String>(0)?, row.get(1)?, row.get(2)?]);
        books.server.app.db.read(|reader| reader.rows(sql, &[], read)).expect("a query of the test")
    };
    let number = made["quote_number"].as_str().expect("a number");
    let text = format!("Quotation {number} of Main: USD 40.00; valid until 2026-03-31.\n\n4 x Posts: 40.00\n\nHalf in advance");
    assert_eq!(mails(), [["acme@example.com".to_owned(), format!("Main: quotation {number}"), text]]);
    // Again: another message, and nothing else.
    let again = act(&books, &made["id"], "send").expect(200);
    assert_eq!((&again["status"], &again["sent_at"], mails().len()), (&json!("sent"), &sent["sent_at"], 2));
    act(&books, &made["id"], "accept").expect(200);
    let refused = |id: &Value| (act(&books, id, "send").status, act(&books, id, "send").json()["code"].clone());
    assert_eq!(refused(&made["id"]), (409, json!("invalid_transition")));
    let old = json!({"party": books.party, "issued_date": "2026-01-01", "valid_until": "2026-02-01", "total_amount": 5});
    let old = books.admin.create(QUOTATIONS, old);
    assert_eq!(refused(&old["id"]), (409, json!("expired")));
    let silent = books.admin.create("/api/finance/parties/", json!({"name": "Silent"}))["id"].clone();
    let silent = books.admin.create(QUOTATIONS, json!({"party": silent, "total_amount": 5}));
    assert_eq!(refused(&silent["id"]), (409, json!("no_address")));
    assert_eq!((quotation(&books, &silent["id"])["status"].clone(), mails().len()), (json!("draft"), 2));
}

#[test]
fn a_quotation_on_paper_is_for_whoever_reads_it() {
    let books = Books::open();
    let customer = books.server.member("customer", Role::Customer);
    books.admin.patch(&format!("/api/finance/parties/{}/", books.party), json!({"user": customer.id})).expect(200);
    let body = json!({"party": books.party, "terms": "Half in advance", "items": [{"name": "Posts", "quantity": 4, "unit_cost": "10"}]});
    let made = books.admin.create(QUOTATIONS, body);
    let path = format!("{QUOTATIONS}{}/pdf/", made["id"]);
    let title = format!("Quotation {}", made["quote_number"].as_str().expect("a number"));
    let page = || crate::paper::pages(&books.admin.download(&path)).concat();
    for words in [&title, "DRAFT", "Main", "Acme", "Posts", "40.00", "Half in advance"] {
        assert!(page().iter().any(|text| text == words), "no {words} in {:?}", page());
    }
    assert_eq!(customer.get(&path).status, 404, "not while it is being written");
    act(&books, &made["id"], "send").expect(200);
    let answer = customer.get(&path);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/pdf")));
    assert!(!page().iter().any(|text| text == "DRAFT"));
    act(&books, &made["id"], "accept").expect(200);
    assert!(page().iter().any(|text| text == "ACCEPTED"));
    let whole = json!({"party": books.party, "total_amount": 70, "description": "A fence", "issued_date": "2026-01-01", "valid_until": "2026-02-01"});
    let whole = books.admin.create(QUOTATIONS, whole);
    let page = crate::paper::pages(&books.admin.download(&format!("{QUOTATIONS}{}/pdf/", whole["id"]))).concat();
    assert!(page.iter().any(|text| text == "A fence") && page.iter().any(|text| text == "EXPIRED"), "{page:?}");
    let abroad = books.server.business("Abroad");
    let stranger = books.server.member_with("stranger", Role::Admin, abroad, &[]);
    assert_eq!(stranger.get(&path).status, 404);
    assert_eq!(stranger.post(&path.replace("pdf", "send"), json!({})).status, 404);
    for role in [Role::Staff, Role::Agent, Role::Teacher] {
        let member = books.server.member(role.name(), role);
        assert_eq!((member.get(&path).status, member.post(&path.replace("pdf", "send"), json!({})).status), (403, 403), "{}", role.name());
    }
}
