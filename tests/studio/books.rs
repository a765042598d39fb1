//! What the books hold: invoices, payments, transactions and entries in every state that they can come to.

use serde_json::{Value, json};

use crate::samples::World;

/// Makes more of a resource than its samples: what only comes about by what is done.
pub fn more(world: &World, path: &str) {
    match path {
        "finance/parties" => drop(issued(world, world.another("finance/parties"), "75", json!({}))),
        "finance/tax-rates" => {
            drop(world.admin.create("/api/finance/tax-rates/", json!({"name": world.name("Usual"), "percent": "7", "is_default": true})));
        }
        "finance/invoices" => invoices(world),
        "finance/payments" => payments(world),
        "finance/transactions" => transactions(world),
        _ => {}
    }
}

fn account(world: &World, currency: &str) -> Value {
    world.admin.create("/api/finance/accounts/", json!({"name": world.name("Till"), "currency": currency}))["id"].clone()
}

fn issued(world: &World, party: i64, amount: &str, more: Value) -> Value {
    let mut body = json!({"party": party, "amount": amount, "issue": true});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    world.server.clock.advance(60);
    world.admin.create("/api/finance/invoices/", body)
}

/// One of each status, a credit note, and one that was written off.
fn invoices(world: &World) {
    let (party, account) = (world.another("finance/parties"), account(world, "USD"));
    let act = |invoice: &Value, action: &str, body: Value| {
        let answer = world.admin.post(&format!("/api/finance/invoices/{}/{action}/", invoice["id"]), body);
        assert!([200, 201].contains(&answer.status), "{}: {}", answer.call, answer.text);
    };
    issued(world, party, "100", json!({}));
    issued(world, party, "50", json!({"issue_date": "2026-01-01", "due_date": "2026-01-10"}));
    act(&issued(world, party, "70", json!({})), "pay", json!({"account": account}));
    act(&issued(world, party, "80", json!({})), "pay", json!({"account": account, "amount": "30"}));
    act(&issued(world, party, "20", json!({})), "void", json!({"reason": "Wrong party"}));
    act(&issued(world, party, "60", json!({})), "credit-note", json!({"full": true}));
    act(&issued(world, party, "15", json!({})), "write-off", json!({}));
}

/// One that settles an invoice, one of which something was given back, one that was taken back, one in another currency.
fn payments(world: &World) {
    let (party, dollars, euros) = (world.another("finance/parties"), account(world, "USD"), account(world, "EUR"));
    let pay = |body: Value| {
        world.server.clock.advance(60);
        world.admin.create("/api/finance/payments/", body)
    };
    let act = |payment: &Value, action: &str, body: Value| {
        let answer = world.admin.post(&format!("/api/finance/payments/{}/{action}/", payment["id"]), body);
        assert!([200, 201].contains(&answer.status), "{}: {}", answer.call, answer.text);
    };
    let invoice = issued(world, party, "40", json!({}));
    pay(json!({"invoice": invoice["id"], "amount": "40", "account": dollars}));
    act(&pay(json!({"party": party, "amount": "22", "account": dollars})), "refund", json!({"amount": "5"}));
    act(&pay(json!({"party": party, "amount": "23", "account": dollars})), "void", json!({"reason": "Bounced"}));
    pay(json!({"party": party, "amount": "24", "account": euros}));
}

/// A transfer between currencies, one that was reversed, and one that shows a payment.
fn transactions(world: &World) {
    let (party, dollars, euros) = (world.another("finance/parties"), account(world, "USD"), account(world, "EUR"));
    let enter = |body: Value| {
        world.server.clock.advance(60);
        world.admin.create("/api/finance/transactions/", body)
    };
    enter(json!({"type": "transfer", "amount": "11", "account": dollars, "to_account": euros, "to_amount": "10"}));
    enter(json!({"type": "transfer", "amount": "12", "account": euros, "to_account": dollars, "to_amount": "13"}));
    let wrong = enter(json!({"type": "income", "amount": "14", "account": dollars, "party": party}));
    world.admin.post(&format!("/api/finance/transactions/{}/reverse/", wrong["id"]), json!({"reason": "Twice"})).expect(200);
    world.admin.create("/api/finance/payments/", json!({"party": party, "amount": "16", "account": dollars}));
}

/// Entries by hand on several days, two of them taken back, and those of a payment and a transaction.
pub fn entries(world: &World) {
    let (party, here, there) = (world.another("finance/parties"), account(world, "USD"), account(world, "USD"));
    for (day, is_taken_back) in [("2026-01-10", true), ("2026-01-20", false), ("2026-01-30", true)] {
        let lines = json!([{"account": here, "debit": "9.50", "party": party}, {"account": there, "credit": "9.50"}]);
        let entry = world.admin.create("/api/finance/journal/", json!({"date": day, "memo": world.name("Settled"), "lines": lines}));
        if is_taken_back {
            world.admin.post(&format!("/api/finance/journal/{}/reverse/", entry["id"]), json!({"reason": world.name("Wrong")})).expect(201);
        }
        world.server.clock.advance(60);
    }
    world.admin.create("/api/finance/payments/", json!({"party": party, "amount": "17", "account": here}));
    world.admin.create("/api/finance/transactions/", json!({"type": "income", "amount": "18", "account": there}));
}
