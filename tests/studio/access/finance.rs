//! The matrix over the books: its rows come about as they do in life, by somebody's request, for most of them have an entry.

use serde_json::{Value as Json, json};
use studio::{actor::Capability, db::Value};

use super::{
    expectations::ACTIONS,
    operations::{Operation, granted},
    requests::Verdict,
    rows::{goal_of, till},
    walk::matrix,
    world::{Kind, MISSING, Making, Person, State, World},
};
use crate::support::Client;

/// These are made by requests.
pub(super) const MADE_BY_REQUESTS: &[&str] = &["finance/invoices", "finance/payments", "finance/transactions", "finance/journal"];

fn admin(world: &World, business: i64) -> &Client {
    let found = world.people.iter().find(|person| person.plays == "admin" && person.business == business);
    &found.unwrap_or_else(|| panic!("nobody runs business {business}")).client
}

fn create(client: &Client, path: &str, body: Json) -> i64 {
    client.create(&format!("/api/finance/{path}/"), body)["id"].as_i64().expect("an id")
}

/// A place for the money of a business.
fn money(world: &World, business: i64) -> i64 {
    world.server.write(move |tx| till(tx, business))
}

/// What the payments of a business serve.
pub(super) fn goal(world: &World, business: i64) -> i64 {
    let owner = world.bystander(business);
    world.server.write(move |tx| {
        let sql = "SELECT id FROM goals WHERE business_id = ?1 AND title = 'Roof'";
        match tx.one(sql, &[business.into()])? {
            Some(id) => Ok(id),
            None => goal_of(tx, business, owner, "Roof"),
        }
    })
}

/// Somebody's party, or one of nobody's.
fn party(world: &World, business: i64, user: Option<i64>) -> i64 {
    let name = world.unique();
    world.server.write(move |tx| {
        let sql = "SELECT id FROM parties WHERE business_id = ?1 AND user_id = ?2 AND deleted_at IS NULL";
        if let Some(id) = tx.one(sql, &[business.into(), user.into()])? {
            return Ok(id);
        }
        let values = vec![("business_id", business.into()), ("name", name.as_str().into()), ("currency", "USD".into())];
        let email: Value = format!("{name}@example.com").into();
        tx.insert("parties", [values, vec![("user_id", user.into()), ("email", email)]].concat())
    })
}

/// A row of the books.
pub(super) fn make(world: &World, person: &Person, making: &Making) -> i64 {
    let Making { business, owner, kind, state, .. } = *making;
    let is_own = kind.is_own();
    let (admin, till) = (admin(world, business), money(world, business));
    // What is entered by whose it is to be, if they may.
    let entered = |path: &str, body: Json| {
        let answer =
            is_own.then(|| person.client.post(&format!("/api/finance/{path}/"), body.clone())).filter(|answer| answer.status == 201);
        answer.map_or_else(|| create(admin, path, body), |answer| answer.json()["id"].as_i64().expect("an id"))
    };
    let invoice = |party: i64, is_issued: bool| create(admin, "invoices", json!({"party": party, "amount": "10", "issue": is_issued}));
    let credited = |id: i64| -> i64 {
        let note = admin.post(&format!("/api/finance/invoices/{id}/credit-note/"), json!({"full": true})).expect(201);
        note["id"].as_i64().expect("an id")
    };
    match making.resource {
        "finance/invoices" => {
            let party = party(world, business, is_own.then_some(owner));
            let id = invoice(party, !matches!(state, State::Draft | State::Deleted));
            match state {
                State::Deleted => {
                    assert_eq!(admin.delete(&format!("/api/finance/invoices/{id}/")).status, 204);
                    id
                }
                // A credit note with something left, and something that it may settle.
                State::Unsettled => {
                    admin.post(&format!("/api/finance/invoices/{id}/pay/"), json!({"account": till})).expect(201);
                    invoice(party, true);
                    credited(id)
                }
                State::Settled => credited(id),
                _ => id,
            }
        }
        "finance/payments" => {
            let party = party(world, business, is_own.then_some(owner));
            let mut body = json!({"party": party, "amount": "10", "account": till, "goal": goal(world, business)});
            if matches!(state, State::Unsettled | State::Settled) {
                let id = invoice(party, true);
                if state == State::Settled {
                    body["invoice"] = id.into();
                }
            }
            create(admin, "payments", body)
        }
        "finance/transactions" => {
            let account = if is_own { world.row(person, "finance/accounts", Kind::Own, State::Fresh, false) } else { till };
            entered("transactions", json!({"type": "income", "amount": "10", "account": account, "description": making.name}))
        }
        _ => entered("journal", entry(world, business, &making.name)),
    }
}

fn entry(world: &World, business: i64, memo: &str) -> Json {
    let safe = world.server.write(move |tx| {
        let sql = "SELECT id FROM accounts WHERE business_id = ?1 AND name = 'Safe'";
        if let Some(id) = tx.one(sql, &[business.into()])? {
            return Ok(id);
        }
        let values: Vec<(&str, Value)> = vec![("business_id", business.into()), ("name", "Safe".into()), ("currency", "USD".into())];
        tx.insert("accounts", [values, vec![("allow_negative", true.into())]].concat())
    });
    let safe: i64 = safe;
    json!({"memo": memo, "lines": [{"account": money(world, business), "debit": "1"}, {"account": safe, "credit": "1"}]})
}

/// A body that changes a row of the books, or makes one.
pub(super) fn body(world: &World, operation: &Operation, person: &Person, id: i64, mine: Kind, name: &str) -> Json {
    let creates = operation.verb == 'C';
    // Those who have a cash box of their own put it there.
    let own = mine == Kind::Own && person.signed_in();
    let account =
        || if own { world.row(person, "finance/accounts", Kind::Own, State::Fresh, false) } else { money(world, person.business) };
    let column = |table: &str, column: &str| {
        world.ids(&format!("SELECT {column} FROM {table} WHERE id = ?1"), &[id.into()]).pop_first().unwrap_or(MISSING)
    };
    match operation.resource {
        "finance/invoices" if creates => json!({"party": party(world, person.business, None), "amount": "10"}),
        "finance/invoices" => json!({"party": column("invoices", "party_id"), "reference": name}),
        "finance/payments" if creates => json!({"party": party(world, person.business, None), "amount": "10", "account": account()}),
        "finance/payments" => json!({"amount": "10.00", "reference": name}),
        "finance/transactions" if creates => json!({"type": "income", "amount": "10", "account": account(), "description": name}),
        "finance/transactions" => {
            json!({"type": "income", "amount": "10.00", "account": column("transactions", "account_id"), "description": name})
        }
        _ => entry(world, person.business, name),
    }
}

/// What is sent with an action on a row.
pub(super) fn action(world: &World, operation: &Operation, id: i64) -> Option<Json> {
    let ids = |sql: &str| world.ids(sql, &[id.into()]).pop_first().unwrap_or(MISSING);
    let rest = operation.path.split_once("{id}/").filter(|_| MADE_BY_REQUESTS.contains(&operation.resource))?.1;
    Some(match (operation.resource, rest.trim_end_matches('/')) {
        ("finance/invoices", "credit-note") => json!({"full": true}),
        ("finance/invoices", "allocate") => {
            let sql = "SELECT i.id FROM invoices AS i JOIN invoices AS c ON c.party_id = i.party_id WHERE c.id = ?1 AND i.kind = 'invoice' \
                       AND i.state = 'issued' AND i.amount_allocated < i.total";
            json!({"invoice": ids(sql)})
        }
        ("finance/invoices", "unallocate") => json!({"invoice": ids("SELECT invoice_id FROM allocations WHERE credit_note_id = ?1")}),
        ("finance/payments", "allocate") => json!({"allocate": "auto"}),
        ("finance/payments", "unallocate") => json!({"invoice": ids("SELECT invoice_id FROM allocations WHERE payment_id = ?1")}),
        (_, "pay" | "void" | "write-off" | "refund" | "reverse") => json!({}),
        _ => return None,
    })
}

/// How a row of the books must stand for an operation to go through.
pub(super) fn state(operation: &Operation) -> Option<State> {
    let last = operation.path.rsplit('/').nth(1).unwrap_or_default();
    match (operation.resource, last) {
        ("finance/invoices", "issue" | "bulk_delete") => Some(State::Draft),
        ("finance/invoices", "{id}") if operation.method == "DELETE" => Some(State::Draft),
        ("finance/invoices" | "finance/payments", "allocate") => Some(State::Unsettled),
        ("finance/invoices" | "finance/payments", "unallocate") => Some(State::Settled),
        _ => None,
    }
}

/// What is new is answered so.
pub(super) fn makes(operation: &Operation) -> bool {
    let ends = ["credit-note/", "write-off/", "pay/", "duplicate/", "refund/"];
    operation.verb == 'x' && (ends.iter().any(|end| operation.path.ends_with(end)) || operation.path == "finance/journal/{id}/reverse/")
}

#[test]
fn invoices() {
    matrix("finance/invoices", Capability::Finance);
}

#[test]
fn payments() {
    matrix("finance/payments", Capability::Finance);
}

#[test]
fn transactions() {
    matrix("finance/transactions", Capability::Finance);
}

#[test]
fn the_journal() {
    matrix("finance/journal", Capability::Finance);
}

/// Reports are for those who keep the books of a business, and say nothing of another's.
#[test]
fn reports_and_debts() {
    let world = World::new(Capability::Finance);
    let mut verdict = Verdict::default();
    for business in [world.home.0, world.abroad.0] {
        let of = party(&world, business, None);
        let amount = if business == world.home.0 { "777" } else { "888" };
        for direction in ["outgoing", "incoming"] {
            let body = json!({"party": of, "amount": amount, "direction": direction, "number": world.unique(), "issue": true});
            create(admin(&world, business), "invoices", body);
        }
        let body = json!({"type": "income", "amount": amount, "account": money(&world, business)});
        create(admin(&world, business), "transactions", body);
    }
    // Those two are lists, which the walk looks at.
    let is_list = |path: &str| path.ends_with("/by_goal/") || path.ends_with("/pending/");
    let is_report = |path: &str| !path.contains("{id}") && !path.contains("{party_id}") && path.starts_with("finance/") && !is_list(path);
    let reports: Vec<(&str, &str)> =
        ACTIONS.iter().filter_map(|(name, line)| Some((name.strip_prefix("GET ").filter(|path| is_report(path))?, *line))).collect();
    assert!(reports.len() >= 9, "{reports:?}");
    for person in &world.people {
        let wanted = |line: &'static str| match (person.signed_in(), granted(line, person.plays, 'x')) {
            (false, _) => 401,
            (true, None) => 403,
            (true, Some(_)) => 200,
        };
        for (path, line) in &reports {
            for format in ["", "?format=csv"].iter().filter(|format| format.is_empty() || !path.contains("invoices/summary")) {
                let answer = person.client.get(&format!("/api/{path}{format}"));
                verdict.status(person.name, path, &answer, wanted(line));
                let (own, other) = if person.business == world.home.0 { ("777.00", "888.00") } else { ("888.00", "777.00") };
                let all = granted(line, person.plays, 'x').is_some_and(|grant| !grant.own);
                // Of tax there is none.
                let says = answer.text.contains(own) || path.ends_with("tax/") && answer.text.contains("untaxed");
                verdict.expect(!answer.text.contains(other) && says == (answer.status == 200 && all), || {
                    format!("{}: {} says {}", person.name, answer.call, answer.text)
                });
            }
        }
        // Of one party.
        for path in ["finance/debts/party/{id}/?direction=outgoing", "finance/party-finance/{id}/"] {
            for kind in [Kind::Missing, Kind::Foreign, Kind::Other] {
                let id = if person.signed_in() || kind == Kind::Missing {
                    world.row(person, "finance/parties", kind, State::Fresh, false)
                } else {
                    continue;
                };
                let answer = person.client.get(&format!("/api/{}", path.replace("{id}", &id.to_string())));
                let wanted = match wanted("admin x; manager x; staff+ x") {
                    200 if kind != Kind::Other => 404,
                    other => other,
                };
                verdict.status(person.name, path, &answer, wanted);
            }
        }
        let runs = wanted("admin x; manager x");
        verdict.status(person.name, "the lock", &person.client.with("connection", "close").post("/api/finance/lock/", json!({})), runs);
    }
    verdict.done();
}
