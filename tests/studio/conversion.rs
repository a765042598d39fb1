//! What becomes of leads that are won: a party, and an invoice.

use serde_json::{Value, json};
use studio::actor::{Capability, Role};

use crate::invoices::{Books, INVOICES};

const LEADS: &str = "/api/field/leads/";
const PARTIES: &str = "/api/finance/parties/";

fn lead(books: &Books, more: Value) -> Value {
    let mut body = json!({
        "business_name": "Bakery", "contact_name": "Ruth", "contact_phone": "+256 700 123456", "contact_email": "Ruth@Example.org",
        "expected_value": "1500", "currency": "EUR", "products_discussed": ["oven", "mixer"], "location": "Market street",
    });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    books.admin.create(LEADS, body)
}

#[test]
fn a_lead_becomes_a_party_once() {
    let books = Books::open();
    let one = lead(&books, json!({}));
    let path = format!("{LEADS}{}/convert/", one["id"]);
    let converted = books.admin.post(&path, json!({})).expect(200);
    assert_eq!(converted, json!({"lead_id": one["id"], "party_id": converted["party_id"], "party_created": true, "invoice_id": null}));
    let party = books.admin.get(&format!("{PARTIES}{}/", converted["party_id"])).expect(200);
    for (name, wanted) in [
        ("name", json!("Bakery")),
        ("type", json!("client")),
        ("email", json!("Ruth@Example.org")),
        ("phone", json!("+256 700 123456")),
        ("currency", json!("EUR")),
        ("address", json!({"line1": "Market street"})),
    ] {
        assert_eq!(party[name], wanted, "{name}");
    }
    let won = books.admin.get(&format!("{LEADS}{}/", one["id"])).expect(200);
    assert_eq!((&won["stage"], &won["status"], &won["party_id"]), (&json!("won"), &json!("closed_subscribed"), &converted["party_id"]));
    assert!(won["won_at"].is_string());
    // Again, and with an invoice, and again with it: the same party, one invoice.
    let count = || books.admin.get(PARTIES).expect(200)["count"].clone();
    let before = count();
    let again = books.admin.post(&path, json!({"create_invoice": true})).expect(200);
    assert_eq!((&again["party_id"], &again["party_created"]), (&converted["party_id"], &json!(false)));
    let invoice = books.invoice(&again["invoice_id"]);
    assert_eq!((&invoice["total"], &invoice["currency"], &invoice["status"]), (&json!("1500.00"), &json!("EUR"), &json!("draft")));
    assert_eq!((&invoice["items"][0]["name"], &invoice["lead_id"]), (&json!("oven, mixer"), &one["id"]));
    assert_eq!(books.admin.post(&path, json!({"create_invoice": true})).expect(200), again);
    assert_eq!(books.admin.post(&path, json!({})).expect(200), again);
    assert_eq!(count(), before);
    // Reopened, it keeps its party.
    books.admin.post(&format!("{LEADS}{}/reopen/", one["id"]), json!({})).expect(200);
    assert_eq!(books.admin.post(&path, json!({})).expect(200)["party_id"], converted["party_id"]);
    // Neither is a party of another business taken by the database.
    assert!(books.refused("UPDATE leads SET party_id = 4711").contains("FOREIGN KEY"));
}

#[test]
fn a_party_that_is_known_is_found() {
    let books = Books::open();
    let by_phone = books.admin.create(PARTIES, json!({"name": "Known", "phone": "+256700123456"}))["id"].clone();
    let by_mail = books.admin.create(PARTIES, json!({"name": "Mail", "email": "ruth@example.ORG"}))["id"].clone();
    let convert = |lead: &Value| books.admin.post(&format!("{LEADS}{}/convert/", lead["id"]), json!({})).expect(200);
    let first = convert(&lead(&books, json!({})));
    assert_eq!((&first["party_id"], &first["party_created"]), (&by_phone, &json!(false)));
    let second = convert(&lead(&books, json!({"contact_phone": "+256 700 999999"})));
    assert_eq!(second["party_id"], by_mail);
    // What was merged into another is that one.
    books.admin.post(&format!("{PARTIES}merge/"), json!({"into": by_mail.to_string(), "from": [by_phone.to_string()]})).expect(200);
    let merged = books.admin.post(&format!("{LEADS}{}/convert/", first["lead_id"]), json!({})).expect(200);
    assert_eq!(merged["party_id"], by_mail);
    // Those of other businesses, and what was deleted, do not count.
    let abroad = books.server.business("Abroad");
    let stranger = books.server.member_with("stranger", Role::Admin, abroad, &[]);
    let theirs =
        stranger.create(LEADS, json!({"business_name": "x", "contact_phone": "+256 700 123456", "contact_email": "ruth@example.org"}));
    let there = stranger.post(&format!("{LEADS}{}/convert/", theirs["id"]), json!({})).expect(200);
    assert_eq!(there["party_created"], true);
    let gone = books.admin.create(PARTIES, json!({"name": "Gone", "phone": "+256700555555"}))["id"].clone();
    assert_eq!(books.admin.delete(&format!("{PARTIES}{gone}/")).status, 204);
    let third = convert(&lead(&books, json!({"contact_phone": "+256700555555", "contact_email": null})));
    assert_eq!(third["party_created"], true);
}

#[test]
fn conversion_is_for_those_whose_lead_it_is() {
    let books = Books::open();
    let agent = books.server.member("agent", Role::Agent);
    let field = books.server.staff("field", &[Capability::Field]);
    let (mine, theirs) = (lead(&books, json!({"assigned_rep": agent.id})), lead(&books, json!({})));
    let path = |lead: &Value| format!("{LEADS}{}/convert/", lead["id"]);
    let missing = agent.post(&path(&json!({"id": 987_654})), json!({}));
    let other = agent.post(&path(&theirs), json!({}));
    assert_eq!((other.status, &other.text), (404, &missing.text), "another's lead looks like none");
    // Who may write no invoices gets none, and then nothing at all is done.
    let refused = agent.post(&path(&mine), json!({"create_invoice": true}));
    assert_eq!(refused.status, 403);
    let unchanged = books.admin.get(&format!("{LEADS}{}/", mine["id"])).expect(200);
    assert_eq!((&unchanged["stage"], &unchanged["party_id"]), (&json!("prospect"), &json!(null)));
    let converted = agent.post(&path(&mine), json!({})).expect(200);
    agent.get(&format!("{PARTIES}{}/", converted["party_id"])).expect(200);
    field.post(&path(&theirs), json!({})).expect(200);
    for role in [Role::Teacher, Role::Student, Role::Customer, Role::Citizen] {
        assert_eq!(books.server.member(role.name(), role).post(&path(&mine), json!({})).status, 403, "{}", role.name());
    }
    // A lost lead is taken up first; over nothing there is no invoice, and then no party either.
    let lost = lead(&books, json!({"contact_phone": "+256 700 777777", "contact_email": null}));
    books.admin.post(&format!("{LEADS}{}/lose/", lost["id"]), json!({"lost_reason": "price"})).expect(200);
    let refused = books.admin.post(&path(&lost), json!({}));
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("invalid_transition")));
    let cheap = lead(&books, json!({"contact_phone": "+256 700 888888", "contact_email": null, "expected_value": null}));
    let (parties, invoices) =
        (books.admin.get(PARTIES).expect(200)["count"].clone(), books.admin.get(INVOICES).expect(200)["count"].clone());
    assert_eq!(books.admin.post(&path(&cheap), json!({"create_invoice": true})).status, 400);
    assert_eq!(books.admin.get(&format!("{LEADS}{}/", cheap["id"])).expect(200)["stage"], "prospect");
    assert_eq!((&books.admin.get(PARTIES).expect(200)["count"], &books.admin.get(INVOICES).expect(200)["count"]), (&parties, &invoices));
    // The same request twice, under one key, is one.
    let keyed = books.admin.with("idempotency-key", "convert-1");
    let first = keyed.post(&path(&cheap), json!({})).expect(200);
    assert_eq!(keyed.post(&path(&cheap), json!({})).expect(200), first);
}
