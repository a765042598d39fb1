//! The cash box that a business begins with: money can be taken at once, in its currency.

use serde_json::json;
use studio::actor::Role;

use crate::{invoices::INVOICES, support::Server};

const PAYMENTS: &str = "/api/finance/payments/";
const TRANSACTIONS: &str = "/api/finance/transactions/";
const ACCOUNTS: &str = "/api/finance/accounts/";

#[test]
fn a_new_business_takes_money_at_once() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let party = admin.create("/api/finance/parties/", json!({"name": "Acme"}))["id"].clone();
    assert_eq!(party, 1, "as in the documented call");
    let invoice = admin.create(INVOICES, json!({"number": "INV-001", "party": 1, "amount": 1000}));
    let paid = admin.post(&format!("{INVOICES}{}/pay/", invoice["id"]), json!({})).expect(201);
    assert_eq!((&paid["invoice"], &paid["amount"]), (&invoice["id"], &json!("1000.00")));
    assert_eq!(admin.get(&format!("{INVOICES}{}/", invoice["id"])).expect(200)["status"], "paid");
    let tills = admin.get(ACCOUNTS).expect(200);
    assert_eq!(tills["count"], 1);
    let till = &tills["results"][0];
    for (name, value) in [
        ("name", json!("Cash")),
        ("code", json!("1000")),
        ("type", json!("cash")),
        ("class", json!("asset")),
        ("currency", json!("USD")),
        ("allow_negative", json!(false)),
        ("is_system", json!(false)),
        ("balance", json!("1000.00")),
    ] {
        assert_eq!(till[name], value, "{name}");
    }
    admin.create(PAYMENTS, json!({"party": 1, "amount": 5}));
    // It is there once, and not again when it was deleted.
    let server = server.restart();
    let admin = admin.at(&server);
    assert_eq!(admin.get(ACCOUNTS).expect(200)["count"], 1);
}

#[test]
fn the_cash_box_follows_the_currency_until_something_is_on_it() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let tills = || {
        let all = admin.get(ACCOUNTS).expect(200);
        let all = all["results"].as_array().into_iter().flatten();
        all.map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), one["currency"].as_str().unwrap_or_default().to_owned()))
            .collect::<Vec<_>>()
    };
    let change = |currency: &str| admin.patch("/api/business/settings/", json!({"currency": currency}));
    change("UGX").expect(200);
    assert_eq!(tills(), [("Cash".to_owned(), "UGX".to_owned())]);
    // Somebody has a draft on it: that stays what it is, and there is one more.
    let draft = admin.create(TRANSACTIONS, json!({"type": "income", "amount": 5, "state": "draft"}));
    assert_eq!(draft["currency"], "UGX");
    change("KES").expect(200);
    assert_eq!(tills(), [("Cash".to_owned(), "UGX".to_owned()), ("Cash".to_owned(), "KES".to_owned())]);
    change("UGX").expect(200);
    assert_eq!(tills().len(), 2, "there is one in that currency");
    let party = admin.create("/api/finance/parties/", json!({"name": "Acme"}))["id"].clone();
    let invoice = admin.create(INVOICES, json!({"party": party, "amount": 70000}));
    let paid = admin.post(&format!("{INVOICES}{}/pay/", invoice["id"]), json!({})).expect(201);
    assert_eq!(paid["amount"], "70000");
    let refused = change("USD");
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("immutable")));
    assert_eq!(tills().len(), 2, "nothing is left of a change that was refused");
    // A business that is made later has one, too.
    let root = server.superuser("root");
    let made = root.create("/api/businesses/", json!({"name": "Second", "currency": "EUR"}));
    let there = root.with("x-business-id", &made["id"].to_string());
    let till = there.get(ACCOUNTS).expect(200)["results"][0].clone();
    assert_eq!((&till["name"], &till["currency"]), (&json!("Cash"), &json!("EUR")));
}

#[test]
fn a_business_from_before_gets_its_cash_box() {
    let server = Server::start();
    let (old, keeps, lost) = (server.business("Old"), server.business("Keeps"), server.business("Lost"));
    server.write(move |tx| {
        let values = |name: &'static str| vec![("name", name.into()), ("currency", "USD".into()), ("allow_negative", true.into())];
        tx.insert("accounts", [values("Bank"), vec![("business_id", keeps.into())]].concat())?;
        let gone = tx.insert("accounts", [values("Gone"), vec![("business_id", lost.into())]].concat())?;
        tx.delete("accounts", gone)
    });
    let server = server.restart();
    let tills = |business: i64| {
        let sql = "SELECT name FROM accounts WHERE business_id = ?1 AND is_money = 1 AND deleted_at IS NULL ORDER BY id";
        server.app.db.read(|reader| reader.rows::<String>(sql, &[business.into()], |row| row.get(0))).expect("names")
    };
    assert_eq!((tills(old), tills(keeps), tills(lost)), (vec!["Cash".to_owned()], vec!["Bank".to_owned()], vec![]));
}
