//! What whoever has the link of an invoice sees, and what a credit note settles besides the invoice that it is for.

use serde_json::{Value, json};

use crate::invoices::{Books, INVOICES};

/// The path of the link in the message that was sent last.
pub fn link(books: &Books) -> String {
    let sql = "SELECT payload FROM outbox ORDER BY id DESC LIMIT 1";
    let payload: Option<String> = books.server.app.db.read(|reader| reader.one(sql, &[])).expect("a message");
    let payload: Value = serde_json::from_str(&payload.expect("a payload")).expect("JSON");
    let text = payload["text"].as_str().expect("a text");
    let url = text.split_whitespace().find(|word| word.contains("/p/")).unwrap_or_else(|| panic!("no link in {text}"));
    url[url.find("/p/").expect("a path")..].to_owned()
}

#[test]
fn an_invoice_is_seen_by_its_link() {
    let books = Books::open();
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;";
    let party =
        books.admin.create("/api/finance/parties/", json!({"name": hostile, "email": "h@example.com", "address": {"line1": hostile}}));
    let rate = books.admin.create("/api/finance/tax-rates/", json!({"name": "<b>VAT</b>", "percent": "18"}))["id"].clone();
    let invoice = books.admin.create(
        INVOICES,
        json!({
            "party": party["id"], "number": "<i>1</i>", "reference": hostile, "notes": hostile, "terms": hostile, "issue": true,
            "items": [{"name": hostile, "description": hostile, "unit": "<u>", "unit_cost": "100", "tax_rate": rate}],
        }),
    );
    let path = format!("{INVOICES}{}/", invoice["id"]);
    books.admin.post(&format!("{path}send/"), json!({})).expect(200);
    let public = books.server.client();
    let first = link(&books);
    let token = first.trim_start_matches("/p/").trim_end_matches('/');
    assert!(token.len() >= 40, "{token}");
    let shown = public.get(&first);
    assert_eq!((shown.status, shown.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = shown.header("content-security-policy").unwrap_or_default().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
    assert_eq!((shown.header("referrer-policy"), shown.header("cache-control")), (Some("no-referrer"), Some("no-store")));
    for tag in ["<script", "<img", "<b>", "<i>", "<u>", "onerror=alert(2)>"] {
        assert!(!shown.text.contains(tag), "{tag} in {}", shown.text);
    }
    for text in ["&lt;script&gt;alert(1)&lt;/script&gt;", "118.00", "18.00", "100.00", "Amount due", "@media print"] {
        assert!(shown.text.contains(text), "no {text} in {}", shown.text);
    }
    // Looking at it is noted once.
    let seen = books.invoice(&invoice["id"]);
    assert!(seen["viewed_at"].is_string(), "{seen}");
    books.server.clock.advance(60);
    assert_eq!(public.get(&first).status, 200);
    let again = books.invoice(&invoice["id"]);
    assert_eq!((&again["viewed_at"], &again["version"]), (&seen["viewed_at"], &seen["version"]));
    // Only a hash of the token is kept, apart from the message that carries it.
    let sql =
        "SELECT count(*) FROM invoices WHERE share_token_hash IS NOT NULL AND length(share_token_hash) = 64 AND share_token_hash <> ?1";
    let kept: Option<i64> = books.server.app.db.read(|reader| reader.one(sql, &[token.into()])).expect("a count");
    assert_eq!(kept, Some(1));
    let sql = "SELECT count(*) FROM audit_log WHERE instr(coalesce(after, '') || coalesce(before, ''), ?1) > 0";
    let told: Option<i64> = books.server.app.db.read(|reader| reader.one(sql, &[token.into()])).expect("a count");
    assert_eq!(told, Some(0), "the log knows no tokens");
    // What is no token finds nothing, always the same.
    let nothing = public.get("/p/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/");
    assert_eq!((nothing.status, nothing.header("content-type")), (404, Some("text/html; charset=utf-8")));
    for other in ["/p/x", "/p/%3Cscript%3E/", &format!("/p/{}/", "a".repeat(5000))] {
        let answer = public.get(other);
        assert_eq!((answer.status, &answer.text), (404, &nothing.text), "{other}");
    }
    // A new link ends the old one; what was taken back says so.
    books.admin.post(&format!("{path}send/"), json!({})).expect(200);
    let second = link(&books);
    assert_eq!((public.get(&first).status, public.get(&second).status), (404, 200));
    books.admin.post(&format!("{path}void/"), json!({})).expect(200);
    assert!(public.get(&second).text.contains("taken back"));
    // A draft is nobody's.
    let draft = books.admin.create(INVOICES, json!({"party": books.party, "amount": 5}));
    assert_eq!(books.admin.post(&format!("{INVOICES}{}/send/", draft["id"]), json!({})).status, 409);
}

#[test]
fn what_is_left_of_a_credit_note_settles_other_invoices() {
    let books = Books::open();
    let cash = books.account("Cash", "cash");
    let (paid, open, other) = (books.issued("100"), books.issued("60"), books.issued("70"));
    books.admin.post(&format!("{INVOICES}{}/pay/", paid["id"]), json!({"account": cash})).expect(201);
    let note = books.admin.post(&format!("{INVOICES}{}/credit-note/", paid["id"]), json!({"full": true})).expect(201);
    assert_eq!(note["amount_due"], "100.00", "nothing was open");
    let path = format!("{INVOICES}{}/", note["id"]);
    let allocate = |body: Value| books.admin.post(&format!("{path}allocate/"), body);
    allocate(json!({"invoice": open["id"], "amount": "10"})).expect(200);
    let used = allocate(json!({"invoice": open["id"]})).expect(200);
    assert_eq!((&used["amount_due"], &books.invoice(&open["id"])["status"]), (&json!("40.00"), &json!("paid")), "twice to the same");
    assert_eq!(books.invoice(&open["id"])["payments"].as_array().map(Vec::len), Some(1), "one allocation of a pair");
    assert_eq!(allocate(json!({"invoice": other["id"], "amount": "41"})).status, 400);
    assert_eq!(allocate(json!({"invoice": other["id"]})).expect(200)["amount_due"], "0.00");
    assert_eq!(books.invoice(&other["id"])["amount_due"], "30.00");
    assert_eq!(allocate(json!({"invoice": other["id"]})).json()["code"], "nothing_left");
    let back = books.admin.post(&format!("{path}unallocate/"), json!({"invoice": other["id"]})).expect(200);
    assert_eq!((&back["amount_due"], &books.invoice(&other["id"])["amount_due"]), (&json!("40.00"), &json!("70.00")));
    let stranger = books.admin.create("/api/finance/parties/", json!({"name": "Stranger"}));
    let foreign = books.admin.create(INVOICES, json!({"party": stranger["id"], "amount": 9, "issue": true}));
    assert_eq!(allocate(json!({"invoice": foreign["id"]})).status, 400, "of another party");
    assert_eq!(books.admin.post(&format!("{INVOICES}{}/allocate/", open["id"]), json!({"invoice": other["id"]})).status, 409, "an invoice");
    for finding in books.server.app.db.read(studio::resources::finance::check::run).expect("the checks run") {
        assert!(finding.problems.is_empty(), "{}: {:?}", finding.name, finding.problems);
    }
}

/// I8: a number that the series has gone past is not let go, and what is missing all the same is found.
#[test]
fn numbers_have_no_gaps() {
    let books = Books::open();
    let first = books.issued("1")["number"].as_str().expect("a number").to_owned();
    let second = format!("{}2", first.strip_suffix('1').expect("the first"));
    let draft = books.admin.create(INVOICES, json!({"party": books.party, "amount": 5, "number": second}));
    let path = format!("{INVOICES}{}/", draft["id"]);
    // Not passed yet: it may have another.
    books.admin.patch(&path, json!({"number": "X"})).expect(200);
    books.admin.patch(&path, json!({"number": second})).expect(200);
    let third = books.issued("1");
    assert!(third["number"].as_str().is_some_and(|number| number.ends_with('3')), "{third}");
    assert_eq!(books.admin.patch(&path, json!({"number": "X"})).json()["code"], "number_used");
    assert_eq!(books.admin.delete(&path).json()["code"], "number_used");
    let problems = || {
        let all = books.server.app.db.read(studio::resources::finance::check::run).expect("the checks run");
        all.into_iter().find(|finding| finding.name == "series").expect("the check").problems
    };
    assert_eq!(problems(), Vec::<String>::new());
    let id = draft["id"].as_i64().expect("an id");
    books.server.write(move |tx| tx.delete("invoices", id));
    assert_eq!(problems(), [format!("{second} of business 1 is missing")]);
}

/// So many lines are as many rows, and nothing is asked for each of them again: it takes as long as many requests, not as their square.
#[test]
fn an_invoice_of_many_lines() {
    let books = Books::open();
    let rate = books.tax("18");
    let items = |count: usize| -> Vec<Value> {
        (0..count).map(|n| json!({"name": format!("Item {n}"), "quantity": "1.5", "unit_cost": "9.99", "tax_rate": rate})).collect()
    };
    for count in [1, 200] {
        let begun = std::time::Instant::now();
        let invoice = books.admin.create(INVOICES, json!({"party": books.party, "items": items(count)}));
        let created = begun.elapsed();
        books.admin.post(&format!("{INVOICES}{}/issue/", invoice["id"]), json!({})).expect(200);
        println!("{count} lines: created in {created:?}, issued in {:?}", begun.elapsed() - created);
        let sql = "SELECT count(*) FROM journal_lines WHERE entry_id = (SELECT max(id) FROM journal_entries)";
        let lines: Option<i64> = books.server.app.db.read(|reader| reader.one(sql, &[])).expect("a count");
        assert_eq!(lines, Some(3), "one line for each account");
        let sql = "SELECT count(*) FROM audit_log WHERE target_type = 'invoices' AND target_id = ?1";
        let told: Option<i64> = books.server.app.db.read(|reader| reader.one(sql, &[invoice["id"].as_i64().into()])).expect("a count");
        assert_eq!(told, Some(2), "created and issued, however many lines");
    }
}

#[test]
fn a_statement_tells_what_passed_with_a_party() {
    let books = Books::open();
    let cash = books.account("Cash", "cash");
    let issue = |amount: &str, day: &str| {
        let body = json!({"party": books.party, "amount": amount, "issue_date": day, "due_date": "2026-02-15", "issue": true});
        books.admin.create(INVOICES, body)
    };
    let (first, second) = (issue("100", "2026-01-10"), issue("50", "2026-02-01"));
    let pay = json!({"invoice": first["id"], "amount": 30, "account": cash, "date": "2026-02-05"});
    books.admin.create("/api/finance/payments/", pay);
    let party = format!("/api/finance/parties/{}/", books.party);
    let all = books.admin.get(&format!("{party}statement/")).expect(200);
    assert_eq!((&all[0]["opening_balance"], &all[0]["closing_balance"]), (&json!("0.00"), &json!("120.00")));
    let part = books.admin.get(&format!("{party}statement/?from=2026-02-01&to=2026-02-01")).expect(200);
    assert_eq!((&part[0]["opening_balance"], &part[0]["closing_balance"]), (&json!("100.00"), &json!("150.00")));
    let line = json!({
        "date": "2026-02-01", "document": format!("Invoice {}", second["number"].as_str().expect("a number")),
        "debit": "50.00", "credit": "0.00", "balance": "150.00",
    });
    assert_eq!(part[0]["lines"], json!([line]));
    let balances: Vec<&Value> = all[0]["lines"].as_array().expect("lines").iter().map(|line| &line["balance"]).collect();
    assert_eq!(balances, ["100.00", "150.00", "120.00"]);
    assert_eq!(books.admin.get(&format!("{party}statement/?from=x")).status, 400);
    let open = books.admin.get(&format!("{party}open-items/")).expect(200);
    assert_eq!((&open[0]["id"], &open[0]["amount_due"], &open[0]["is_overdue"]), (&first["id"], &json!("70.00"), &json!(true)));
    let with = books.admin.get(&format!("/api/finance/party-finance/{}/", books.party)).expect(200);
    assert_eq!((&with["name"], &with["total_due"], with["invoices"].as_array().map(Vec::len)), (&json!("Acme"), &json!("120.00"), Some(2)));
    let debts = format!("/api/finance/debts/party/{}/", books.party);
    let refused = books.admin.get(&debts);
    let detail = json!("Missing or invalid 'direction' (incoming|outgoing)");
    assert_eq!((refused.status, &refused.json()["detail"]), (400, &detail));
    assert_eq!(books.admin.get(&format!("{debts}?direction=outgoing")).expect(200), open);
    assert_eq!(books.admin.get(&format!("{debts}?direction=incoming")).expect(200), json!([]));
    let abroad = books.server.business("Abroad");
    let stranger = books.server.member_with("stranger", studio::actor::Role::Admin, abroad, &[]);
    let nobody = books.server.member("teacher", studio::actor::Role::Teacher);
    for path in [format!("{party}statement/"), format!("{party}open-items/"), format!("{debts}?direction=outgoing")] {
        assert_eq!((stranger.get(&path).status, nobody.get(&path).status), (404, 403), "{path}");
    }
}
