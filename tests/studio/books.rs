//! What the books hold: invoices, payments, transactions and entries in every state that they can come to.

use serde_json::{Value, json};
use studio::actor::Role;

use crate::{samples::World, support::Client};

/// Makes more of a resource than its samples: what only comes about by what is done.
pub fn more(world: &World, path: &str) {
    match path {
        "finance/parties" => drop(issued(world, world.another("finance/parties"), "75", json!({}))),
        "finance/tax-rates" => {
            drop(world.admin.create("/api/finance/tax-rates/", json!({"name": world.name("Usual"), "percent": "7", "is_default": true})));
        }
        "finance/invoices" => invoices(world),
        "finance/recurring-invoices" => recurring(world),
        "finance/payments" => payments(world),
        "finance/transactions" => transactions(world),
        "finance/requisitions" => requisitions(world),
        "finance/goals" | "finance/goal-milestones" => goals(world),
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
    // Made from something else.
    let quotation = world.another("finance/quotations");
    world.admin.post(&format!("/api/finance/quotations/{quotation}/accept/"), json!({})).expect(200);
    world.admin.post(&format!("/api/finance/quotations/{quotation}/create-invoice/"), json!({})).expect(201);
    let recurring = world.another("finance/recurring-invoices");
    world.admin.post(&format!("/api/finance/recurring-invoices/{recurring}/run-now/"), json!({})).expect(201);
    let lead = json!({"business_name": world.name("Lead"), "contact_phone": "0700", "expected_value": 5});
    let lead = world.admin.create("/api/field/leads/", lead)["id"].clone();
    world.admin.post(&format!("/api/field/leads/{lead}/convert/"), json!({"create_invoice": true})).expect(200);
}

/// One that rests, and one that went wrong.
fn recurring(world: &World) {
    let rests = world.another("finance/recurring-invoices");
    world.admin.post(&format!("/api/finance/recurring-invoices/{rests}/pause/"), json!({})).expect(200);
    let wrong = world.another("finance/recurring-invoices");
    world.server.write(move |tx| tx.update("recurring_invoices", wrong, vec![("last_error", "The books are locked.".into())]));
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
    pay(json!({"party": party, "amount": "25", "account": dollars, "goal": goal(world, "100")}));
    pay(json!({"requisition": approved(world, "26"), "amount": "6", "account": dollars}));
}

/// A goal in dollars.
fn goal(world: &World, target: &str) -> Value {
    let body = json!({"title": world.name("Gather"), "target_amount": target, "currency": "USD", "due_date": "2027-06-30"});
    world.admin.create("/api/finance/goals/", body)["id"].clone()
}

/// A requisition of somebody else that was approved.
fn approved(world: &World, amount: &str) -> Value {
    let asks = world.server.member(&format!("asks{}", world.next()), Role::Staff);
    let body = json!({"purpose": world.name("Tools"), "amount": amount, "currency": "USD"});
    let id = asks.create("/api/finance/requisitions/", body)["id"].clone();
    world.admin.post(&format!("/api/finance/requisitions/{id}/approve/"), json!({})).expect(200);
    id
}

/// One of each status and of each way of being paid, and one with items.
fn requisitions(world: &World) {
    let account = account(world, "USD");
    world.admin.create("/api/finance/payments/", json!({"category": "miscellaneous", "amount": "500", "account": account}));
    let pay = |id: &Value, amount: &str| {
        world.server.clock.advance(60);
        world.admin.post(&format!("/api/finance/requisitions/{id}/pay/"), json!({"amount": amount, "account": account})).expect(201);
    };
    approved(world, "31");
    pay(&approved(world, "32"), "32");
    pay(&approved(world, "33"), "3");
    let act = |client: &Client, id: &Value, action: &str, body: Value| {
        world.server.clock.advance(60);
        client.post(&format!("/api/finance/requisitions/{id}/{action}/"), body).expect(200);
    };
    let asks = world.server.member(&format!("asks{}", world.next()), Role::Staff);
    let items = json!([{"particular": "Nights", "quantity": "2.5", "unit_cost": "46.2"}, {"particular": "Bus", "unit_cost": 4}]);
    let ask = |more: Value| {
        let mut body = json!({"purpose": world.name("Trip"), "items": items});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        asks.create("/api/finance/requisitions/", body)["id"].clone()
    };
    act(&world.admin, &ask(json!({})), "reject", json!({"comment": "Too much"}));
    act(&asks, &ask(json!({"urgency": "high"})), "cancel", json!({}));
    ask(json!({"draft": true, "urgency": "low"}));
}

/// Goals that are served by payments and by other income, reached in part, and one that was missed.
fn goals(world: &World) {
    let (far, near, account) = (goal(world, "400"), goal(world, "40"), account(world, "USD"));
    for (goal, amount) in [(&far, "50"), (&far, "399"), (&near, "10"), (&near, "30")] {
        world.admin.create("/api/finance/goal-milestones/", json!({"goal": goal, "amount": amount, "label": world.name("Step")}));
        world.server.clock.advance(60);
    }
    let pay = |goal: &Value, amount: &str| {
        let body = json!({"amount": amount, "account": account});
        world.admin.post(&format!("/api/finance/goals/{goal}/add_payment/"), body).expect(201);
        world.server.clock.advance(60);
    };
    pay(&far, "60");
    pay(&near, "45");
    let income = json!({"type": "income", "amount": "14", "account": account, "goal": far});
    world.admin.create("/api/finance/transactions/", income);
    let missed = json!({"title": world.name("Late"), "target_amount": "9", "start_date": "2025-01-01", "due_date": "2025-12-31"});
    world.admin.create("/api/finance/goals/", missed);
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
    enter(json!({"type": "income", "amount": "19", "account": dollars, "goal": goal(world, "200")}));
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
