//! The demonstration: its story is told by the API, so its numbers prove that the parts fit together.

use serde_json::{Value, json};
use studio::cli::demo;

use crate::support::{Client, Server, runtime};

/// A server on which the story has been told.
fn told() -> Server {
    let server = Server::start();
    runtime().block_on(demo::seed(&server.app, &server.clock)).expect("the story is told");
    server
}

fn sign_in(server: &Server, name: &str) -> Client {
    let body = json!({"username": name, "password": demo::PASSWORD});
    let pair = server.client().post("/api/auth/token/", body).expect(200);
    server.client().with_token(pair["access"].as_str().expect("a token"))
}

/// The row of a list in which a member has a value.
#[track_caller]
fn row<'a>(rows: &'a Value, member: &str, value: &str) -> &'a Value {
    let rows = rows.get("results").unwrap_or(rows).as_array().expect("rows");
    rows.iter().find(|row| row[member] == value).unwrap_or_else(|| panic!("no {member} {value} in {rows:?}"))
}

#[track_caller]
fn has(row: &Value, expected: Value) {
    for (name, value) in expected.as_object().expect("members") {
        assert_eq!(row[name], *value, "{name} of {row}");
    }
}

/// The golden numbers, to the last shilling.
#[test]
fn the_agency_has_its_golden_numbers() {
    let server = told();
    let enos = sign_in(&server, "enos");
    let get = |path: &str| enos.get(&format!("/api/{path}")).expect(200);

    let accounts = get("finance/accounts/?page_size=100");
    for (name, balance) in [("Bank", "6650000"), ("Mobile Money", "798500"), ("Cash box", "380000")] {
        assert_eq!(row(&accounts, "name", name)["balance"], balance, "{name}");
    }
    let summary = get("finance/summary/?from=2026-01-01");
    let golden = json!({
        "currency": "UGX", "total_income": "4100000", "total_expenses": "1271500", "net_balance": "2828500",
        "total_transaction_charges": "1500", "pending_requisitions": 1,
    });
    has(&summary, golden);
    let golden = json!({"revenue": "4500000", "costs": "2071500", "cash_on_hand": "7828500"});
    has(row(&summary["currencies"], "currency", "UGX"), golden);
    has(
        &get("finance/reports/profit-loss/?from=2026-01-01")[0],
        json!({"total_income": "4500000", "total_expenses": "2071500", "profit": "2428500"}),
    );
    has(&get("finance/reports/cash-flow/?from=2026-01-20")[0], json!({"closing_balance": "7828500"}));

    let books = &get("finance/reports/trial-balance/")[0];
    assert_eq!(books["total_debit"], books["total_credit"]);
    let side = |code: &str| {
        let line = row(&books["accounts"], "code", code);
        (line["debit"].as_str().unwrap_or_default().to_owned(), line["credit"].as_str().unwrap_or_default().to_owned())
    };
    let pair = |debit: &str, credit: &str| (debit.to_owned(), credit.to_owned());
    assert_eq!(side("1200"), pair("1098400", "0"), "what is owed less the credit of 30 000");
    assert_eq!(side("2100"), pair("0", "800000"));
    assert_eq!(side("2200"), pair("0", "698400"));
    assert_eq!(side("3000"), pair("0", "5000000"));

    let ageing = get("finance/reports/aging/");
    let rows = ageing.as_array().or_else(|| ageing["results"].as_array()).expect("rows");
    let sum = |member: &str| -> i64 {
        rows.iter().map(|row| row[member].as_str().and_then(|text| text.parse::<i64>().ok()).unwrap_or_default()).sum()
    };
    assert_eq!((sum("current"), sum("days_1_30"), sum("total")), (354_000, 774_400, 1_128_400));
    assert_eq!(sum("credits"), 30_000);

    let invoices = get("finance/invoices/?page_size=100&direction=outgoing");
    for (place, status, total, due) in
        [(1, "paid", "2950000", "0"), (2, "overdue", "1274400", "774400"), (3, "paid", "420000", "0"), (4, "unpaid", "354000", "354000")]
    {
        let invoice = row(&invoices, "number", &format!("INV-2026-{place:04}")).clone();
        has(&invoice, json!({"status": status, "total": total, "amount_due": due}));
    }
    has(&get("finance/goals/")["results"][0], json!({"current_amount": "3450000", "percentage": 57.5, "state": "active"}));
    let milestones = get("finance/goal-milestones/?page_size=100");
    let reached = milestones["results"].as_array().expect("milestones").iter().filter(|one| !one["reached_at"].is_null()).count();
    assert_eq!(reached, 2);
    let asked = get("finance/requisitions/");
    for (purpose, status) in [("Travel to Masaka", "pending"), ("Posters for the fair", "approved"), ("New shoes", "rejected")] {
        assert_eq!(row(&asked, "purpose", purpose)["status"], status);
    }

    let leads = get("field/leads/?page_size=100");
    assert_eq!(leads["count"], 6);
    let stages = [
        ("Tech Solutions Ltd", "negotiation"),
        ("GreenTech Farm", "prospect"),
        ("Kampala Cafe", "won"),
        ("Old Mill", "lost"),
        ("Sunrise School", "qualified"),
        ("Lake Hotel", "prospect"),
    ];
    for (name, stage) in stages {
        assert_eq!(row(&leads, "business_name", name)["stage"], stage, "{name}");
    }
    let hot = get("field/leads/hot/");
    row(&hot, "business_name", "Sunrise School");
    row(&get("field/leads/due/"), "business_name", "Tech Solutions Ltd");
    let visits = get("field/visits/?page_size=100");
    let count = |status: &str| visits["results"].as_array().expect("visits").iter().filter(|visit| visit["status"] == status).count();
    assert_eq!((count("completed"), count("planned")), (3, 1));
    let inside = visits["results"].as_array().expect("visits").iter().filter(|visit| visit["within_radius"] == true).count();
    assert_eq!(inside, 2);
    assert_eq!(get("field/actions/")["count"], 5);
}

#[test]
fn the_school_shares_nothing_with_the_agency() {
    let server = told();
    let gopi = sign_in(&server, "gopi");
    let bills = gopi.get("/api/finance/invoices/").expect(200);
    assert_eq!(bills["count"], 1);
    has(&bills["results"][0], json!({"currency": "INR", "tax_total": "684.00", "total": "4484.00", "amount_due": "1484.00"}));
    let enos = sign_in(&server, "enos");
    let theirs = enos.get("/api/finance/invoices/?page_size=1").expect(200)["results"][0]["id"].clone();
    assert_eq!(gopi.get(&format!("/api/finance/invoices/{theirs}/")).status, 404);
    assert_eq!(sign_in(&server, "grace").get("/api/finance/invoices/").expect(200)["count"], 2, "those of her own party");
}

/// Whatever the story did, the books are right, and so are the chains.
#[test]
fn the_books_of_the_story_are_in_order() {
    let server = told();
    let found = studio::cli::check::ledger(&server.app).expect("the checks run");
    assert!(!found.is_empty() && found.iter().all(|line| line.starts_with("ok")), "{found:?}");
    let again = runtime().block_on(demo::seed(&server.app, &server.clock));
    assert!(again.is_err(), "it is told once");
}

/// Whoever looks around sees what an owner sees, too.
#[test]
fn the_owner_of_the_demonstration_sees_the_server() {
    let server = told();
    let owner = sign_in(&server, "owner");
    assert!(owner.get("/api/system/").expect(200)["version"].is_string());
    assert_eq!(owner.get("/api/businesses/").expect(200)["count"], 2);
    assert_eq!(sign_in(&server, "enos").get("/api/system/").status, 403);
}
