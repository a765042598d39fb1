//! Reports agree with each other, with the ledger, and with themselves as files; filters over money know the currency of each row.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use studio::actor::{Capability, Role};

use crate::support::{Client, Server};

const REPORTS: [&str; 9] = [
    "summary/",
    "reports/profit-loss/",
    "reports/trial-balance/",
    "reports/cash-flow/",
    "reports/tax/",
    "reports/aging/",
    "reports/aging/?direction=incoming",
    "debts/debtors/",
    "debts/creditors/",
];

/// Minor units of an amount as it is shown.
fn minor(amount: &Value) -> i64 {
    let text = amount.as_str().unwrap_or_else(|| panic!("{amount} is no amount"));
    text.replace('.', "").parse().expect("digits")
}

fn sum<'v>(rows: impl IntoIterator<Item = &'v Value>, member: &str) -> i64 {
    rows.into_iter().map(|row| minor(&row[member])).sum()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

/// A row of a report by currency; nothing happened in one that is not there.
fn of<'v>(report: &'v Value, currency: &str) -> Option<&'v Value> {
    list(report).iter().find(|row| row["currency"] == currency)
}

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let place = self.next(of.len() as u64);
        &of[usize::try_from(place).expect("few")]
    }
}

/// A line of the ledger, as the database has it.
struct Line {
    date: String,
    currency: String,
    class: String,
    kind: String,
    is_money: bool,
    party: Option<i64>,
    source: String,
    amount: i64,
}

fn ledger(server: &Server) -> Vec<Line> {
    let sql = "SELECT e.date, l.currency, a.class, a.type, a.is_money, l.party_id, e.source_type, l.amount FROM journal_lines AS l \
               JOIN journal_entries AS e ON e.id = l.entry_id JOIN accounts AS a ON a.id = l.account_id WHERE e.business_id = 1";
    let read = server.app.db.read(|reader| {
        reader.rows(sql, &[], |row| {
            Ok(Line {
                date: row.get(0)?,
                currency: row.get(1)?,
                class: row.get(2)?,
                kind: row.get(3)?,
                is_money: row.get(4)?,
                party: row.get(5)?,
                source: row.get(6)?,
                amount: row.get(7)?,
            })
        })
    });
    read.expect("the ledger")
}

const CURRENCIES: [(&str, usize); 3] = [("USD", 2), ("UGX", 0), ("KWD", 3)];

/// Books in which everything has happened, by chance, over some months.
struct Random {
    server: Server,
    admin: Client,
    dice: Dice,
    parties: Vec<Value>,
    rates: Vec<Value>,
    tills: BTreeMap<&'static str, Vec<Value>>,
    done: BTreeMap<&'static str, usize>,
}

impl Random {
    fn open(seed: u64) -> Self {
        let server = Server::start();
        let admin = server.member("admin", Role::Admin);
        let id = |value: Value| value["id"].clone();
        let parties = ["Acme", "Bolt", "Cargo"].map(|name| id(admin.create("/api/finance/parties/", json!({"name": name}))));
        let rates = [("VAT", "18"), ("Low", "5.5")]
            .map(|(name, percent)| id(admin.create("/api/finance/tax-rates/", json!({"name": name, "percent": percent}))));
        let tills = CURRENCIES.map(|(currency, _)| {
            let till = |kind: &str| {
                let body = json!({"name": format!("{kind} {currency}"), "type": kind, "currency": currency, "allow_negative": true,
                                  "opening_balance": "500", "opening_date": "2026-01-05"});
                id(admin.create("/api/finance/accounts/", body))
            };
            (currency, vec![till("cash"), till("bank")])
        });
        let (parties, rates) = (parties.to_vec(), rates.to_vec());
        Self { server, admin, dice: Dice(seed), parties, rates, tills: BTreeMap::from(tills), done: BTreeMap::new() }
    }

    fn amount(&mut self, decimals: usize) -> String {
        let (whole, part) = (self.dice.next(900) + 1, self.dice.next(10_u64.pow(u32::try_from(decimals).expect("few"))));
        if decimals == 0 { whole.to_string() } else { format!("{whole}.{part:0decimals$}") }
    }

    /// A day since the books began.
    fn day(&mut self) -> String {
        let today = self.server.clock.now().to_string()[..10].to_owned();
        let day = format!("2026-{:02}-{:02}", 1 + self.dice.next(6), 6 + self.dice.next(20));
        day.min(today)
    }

    fn act(&mut self, what: &'static str, path: &str, body: Value) -> Option<Value> {
        let answer = self.admin.post(&format!("/api/finance/{path}"), body.clone());
        assert!([200, 201, 400, 409].contains(&answer.status), "{path} {body}: {}", answer.text);
        if answer.status >= 400 {
            return None;
        }
        *self.done.entry(what).or_default() += 1;
        Some(answer.json())
    }

    /// A random document of a list.
    fn any(&mut self, path: &str) -> Option<Value> {
        let rows = self.admin.get(&format!("/api/finance/{path}&page_size=100")).expect(200)["results"].clone();
        let rows = list(&rows).clone();
        (!rows.is_empty()).then(|| self.dice.one(&rows).clone())
    }

    fn invoice(&mut self, direction: &str) {
        let (currency, decimals) = *self.dice.one(&CURRENCIES);
        let items: Vec<Value> = (0..=self.dice.next(3))
            .map(|at| {
                let mut item = json!({"name": format!("Item {at}"), "quantity": (1 + self.dice.next(4)).to_string(), "unit_cost": self.amount(decimals)});
                if self.dice.next(3) > 0 {
                    let rates = self.rates.clone();
                    item["tax_rate"] = self.dice.one(&rates).clone();
                }
                item
            })
            .collect();
        let (parties, day) = (self.parties.clone(), self.day());
        let mut body = json!({"party": self.dice.one(&parties), "direction": direction, "currency": currency, "items": items, "issue": true,
                              "issue_date": day, "due_date": "2026-12-31", "prices_include_tax": self.dice.next(2) == 0});
        if self.dice.next(3) == 0 {
            body["discount_type"] = json!("percent");
            body["discount_value"] = json!("10");
        }
        if self.dice.next(2) == 0 {
            body["due_date"] = json!(day);
        }
        if direction == "incoming" {
            body["number"] = json!(format!("B{}", self.dice.next(1_000_000)));
        }
        self.act("invoice", "invoices/", body).expect("an invoice");
    }

    fn step(&mut self) {
        let (currency, decimals) = *self.dice.one(&CURRENCIES);
        let (tills, parties) = (self.tills.clone(), self.parties.clone());
        let (till, amount, day) = (self.dice.one(&tills[currency]).clone(), self.amount(decimals), self.day());
        match self.dice.next(20) {
            0..=3 => self.invoice("outgoing"),
            4 | 5 => self.invoice("incoming"),
            6..=8 => {
                if let Some(invoice) = self.any("invoices/?state=issued&kind=invoice") {
                    let part = if self.dice.next(2) == 0 { json!({}) } else { json!({"amount": "1"}) };
                    let tills = &self.tills[invoice["currency"].as_str().expect("a currency")];
                    let mut body = json!({"account": tills[0], "date": day, "charge": "0"});
                    body.as_object_mut().expect("an object").extend(part.as_object().expect("an object").clone());
                    self.act("pay", &format!("invoices/{}/pay/", invoice["id"]), body);
                }
            }
            9 => {
                let body = json!({"party": self.dice.one(&parties), "amount": amount, "account": till, "date": day, "on_excess": "credit", "allocate": "auto"});
                self.act("payment", "payments/", body);
            }
            10 => {
                let direction = *self.dice.one(&["incoming", "outgoing"]);
                let body =
                    json!({"party": self.dice.one(&parties), "amount": amount, "account": till, "date": day, "direction": direction});
                self.act("payment", "payments/", body);
            }
            11 => {
                if let Some(payment) = self.any("payments/?unallocated=true") {
                    let action = *self.dice.one(&["refund", "allocate"]);
                    let body = if action == "refund" { json!({}) } else { json!({"allocate": "auto"}) };
                    self.act(action, &format!("payments/{}/{action}/", payment["id"]), body);
                }
            }
            12 => {
                if let Some(payment) = self.any("payments/?state=posted") {
                    self.act("void a payment", &format!("payments/{}/void/", payment["id"]), json!({}));
                }
            }
            13 | 14 => {
                if let Some(invoice) = self.any("invoices/?state=issued") {
                    let action = *self.dice.one(&["void", "credit-note", "write-off"]);
                    let body = if action == "credit-note" { json!({"full": true}) } else { json!({}) };
                    self.act(action, &format!("invoices/{}/{action}/", invoice["id"]), body);
                }
            }
            15 | 16 => {
                let kind = *self.dice.one(&["income", "expense"]);
                let body = json!({"type": kind, "amount": amount, "account": till, "date": day, "category": "training", "transaction_charge": "0"});
                self.act(kind, "transactions/", body);
            }
            17 => {
                let to = self.dice.one(&CURRENCIES).0;
                let mut body = json!({"type": "transfer", "amount": amount, "account": tills[currency][0], "to_account": tills[to][1], "date": day, "transaction_charge": "1"});
                if to != currency {
                    body["to_amount"] = json!("7");
                }
                self.act("transfer", "transactions/", body);
            }
            18 => {
                if let Some(transaction) = self.any("transactions/?state=posted&source=manual") {
                    self.act("reverse", &format!("transactions/{}/reverse/", transaction["id"]), json!({"reason": "wrong"}));
                }
            }
            _ => {
                // Handing tax on.
                let sql = "SELECT id FROM accounts WHERE business_id = 1 AND type = 'tax_payable' AND currency = ?1";
                let tax: Option<i64> = self.server.app.db.read(|reader| reader.one(sql, &[currency.into()])).expect("a query");
                let lines = json!([{"account": tax, "debit": "3"}, {"account": till, "credit": "3"}]);
                self.act("by hand", "journal/", json!({"date": day, "memo": "Tax", "lines": lines}));
            }
        }
        self.server.clock.advance(86_400 * i64::try_from(self.dice.next(3)).expect("few"));
        self.admin = self.admin.with_token(&fresh(&self.server, self.admin.id));
    }

    fn report(&self, path: &str) -> Value {
        self.admin.get(&format!("/api/finance/{path}")).expect(200)
    }

    /// The reports of a period against the ledger, and against each other.
    fn assert_period(&self, from: &str, to: &str, lines: &[Line]) {
        let before = (from.parse::<jiff::civil::Date>().expect("a day").yesterday()).expect("a day").to_string();
        let period = format!("?from={from}&to={to}");
        let (profit, cash) = (self.report(&format!("reports/profit-loss/{period}")), self.report(&format!("reports/cash-flow/{period}")));
        let (tax, summary) = (self.report(&format!("reports/tax/{period}")), self.report(&format!("summary/{period}")));
        let trial = |day: &str| self.report(&format!("reports/trial-balance/?as_of={day}"));
        let (opening, closing) = (trial(&before), trial(to));
        for (currency, _) in CURRENCIES {
            let within = |wanted: &dyn Fn(&Line) -> bool| -> i64 {
                let lines = lines.iter().filter(|line| line.currency == currency && line.date.as_str() >= from && line.date.as_str() <= to);
                lines.filter(|line| wanted(line)).map(|line| line.amount).sum()
            };
            // The trial balance comes to nothing; what is not income or expense has changed by the profit.
            let lasting = |trial: &Value| -> i64 {
                let Some(one) = of(trial, currency) else { return 0 };
                assert_eq!(one["total_debit"], one["total_credit"], "{trial}");
                assert_eq!(
                    (sum(list(&one["accounts"]), "debit"), sum(list(&one["accounts"]), "credit")),
                    (minor(&one["total_debit"]), minor(&one["total_credit"]))
                );
                let rest = list(&one["accounts"]).iter().filter(|line| line["class"] != "income" && line["class"] != "expense");
                rest.map(|line| minor(&line["debit"]) - minor(&line["credit"])).sum()
            };
            let change = lasting(&closing) - lasting(&opening);
            let earned = of(&profit, currency).map_or([0, 0, 0], |one| {
                assert_eq!(sum(list(&one["income"]), "amount"), minor(&one["total_income"]), "{one}");
                assert_eq!(sum(list(&one["expenses"]), "amount"), minor(&one["total_expenses"]), "{one}");
                ["total_income", "total_expenses", "profit"].map(|name| minor(&one[name]))
            });
            assert_eq!(earned[2], earned[0] - earned[1]);
            assert_eq!(earned[2], change, "{currency} {period}: profit is the change of the owners' share");
            assert_eq!(
                (earned[0], earned[1]),
                (-within(&|line| line.class == "income"), within(&|line| line.class == "expense")),
                "{currency} {period}"
            );
            // Cash.
            let money = |day: &str| -> i64 {
                lines
                    .iter()
                    .filter(|line| line.is_money && line.currency == currency && line.date.as_str() <= day)
                    .map(|line| line.amount)
                    .sum()
            };
            if let Some(one) = of(&cash, currency) {
                let told =
                    ["opening_balance", "total_inflow", "total_outflow", "net_change", "closing_balance"].map(|name| minor(&one[name]));
                assert_eq!(told, [money(&before), told[1], told[2], money(to) - money(&before), money(to)], "{currency} {period}: {one}");
                assert_eq!((told[4] - told[0], told[1] - told[2]), (told[3], told[3]), "{one}");
                assert_eq!((sum(list(&one["lines"]), "inflow"), sum(list(&one["lines"]), "outflow")), (told[1], told[2]), "{one}");
            } else {
                assert_eq!(money(to), 0);
            }
            // Tax.
            let levied = of(&tax, currency).map_or([0, 0], |one| {
                assert_eq!(minor(&one["due"]), minor(&one["output_tax"]) - minor(&one["input_tax"]));
                let told = ["output_tax", "input_tax"].map(|name| sum(list(&one["lines"]), name));
                assert_eq!(told, ["output_tax", "input_tax"].map(|name| minor(&one[name])), "{one}");
                told
            });
            assert_eq!(
                levied,
                [-within(&|line| line.kind == "tax_payable"), within(&|line| line.kind == "tax_receivable")],
                "{currency} {period}: {tax}"
            );
            // By the rates of the documents' own lines.
            if let Some(one) = of(&tax, currency) {
                for line in list(&one["lines"]).iter().filter(|line| line["kind"] == "other") {
                    assert_eq!(
                        (minor(&line["input_tax"]), minor(&line["output_tax"])),
                        (0, -within(&|line| line.kind == "tax_payable" && line.source == "manual")),
                        "{one}"
                    );
                }
            }
            let one = of(&summary["currencies"], currency);
            let told = one.map_or([0, 0, 0], |one| ["revenue", "costs", "cash_on_hand"].map(|name| minor(&one[name])));
            assert_eq!(told, [earned[0], earned[1], money(to)], "{summary}");
        }
        assert_eq!(minor(&summary["net_balance"]), minor(&summary["total_income"]) - minor(&summary["total_expenses"]));
    }

    /// What is open by age is what the ledger says of documents, on any day, for each party.
    fn assert_open(&self, day: &str, lines: &[Line]) {
        for (direction, kind, sign) in [("outgoing", "receivable", 1), ("incoming", "payable", -1)] {
            let report = self.report(&format!("reports/aging/?as_of={day}&direction={direction}"));
            let mut told: BTreeMap<(i64, String), i64> = BTreeMap::new();
            for row in list(&report) {
                let ages: i64 =
                    ["current", "days_1_30", "days_31_60", "days_61_90", "over_90_days"].iter().map(|name| minor(&row[*name])).sum();
                assert_eq!(ages, minor(&row["total"]), "{row}");
                let key = (row["party_id"].as_i64().expect("an id"), row["currency"].as_str().expect("a code").to_owned());
                told.insert(key, ages - minor(&row["credits"]));
            }
            let mut wanted: BTreeMap<(i64, String), i64> = BTreeMap::new();
            let documents = lines
                .iter()
                .filter(|line| line.kind == kind && line.date.as_str() <= day && ["invoice", "payment"].contains(&line.source.as_str()));
            for line in documents {
                *wanted.entry((line.party.expect("a party"), line.currency.clone())).or_default() += sign * line.amount;
            }
            told.retain(|_, amount| *amount != 0);
            wanted.retain(|_, amount| *amount != 0);
            assert_eq!(told, wanted, "{direction} on {day}: {report}");
        }
    }
}

#[test]
fn reports_agree_with_the_ledger_and_each_other() {
    for seed in [7, 20_260_302, 99_991] {
        let mut books = Random::open(seed);
        for _ in 0..110 {
            books.step();
        }
        let (lines, today) = (ledger(&books.server), books.server.clock.now().to_string()[..10].to_owned());
        assert!(books.done.len() >= 13 && lines.len() > 150, "{:?}, {} lines", books.done, lines.len());
        for (from, to) in
            [("2026-01-01", today.as_str()), ("2026-02-01", "2026-02-28"), ("2026-03-02", "2026-04-10"), ("2026-03-15", "2026-03-15")]
        {
            books.assert_period(from, to, &lines);
        }
        for day in ["2026-01-04", "2026-01-20", "2026-02-20", "2026-03-05", "2026-03-20", "2026-04-15", &today] {
            books.assert_open(day, &lines);
        }
        let all = |path: &str| books.report(path);
        let (debtors, aged) = (all("debts/debtors/"), all("reports/aging/"));
        for (currency, _) in CURRENCIES {
            let of = |rows: &Value, member: &str| sum(list(rows).iter().filter(|row| row["currency"] == currency), member);
            assert_eq!(of(&debtors, "total_due"), of(&aged, "total"));
        }
        let findings = books.server.app.db.read(studio::resources::finance::check::run).expect("the checks run");
        for finding in findings {
            assert!(finding.problems.is_empty(), "{}: {:?}", finding.name, finding.problems);
        }
    }
}

#[test]
fn what_reports_say_of_a_small_business() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let id = |value: Value| value["id"].clone();
    let party = id(admin.create("/api/finance/parties/", json!({"name": "Acme"})));
    let vat = id(admin.create("/api/finance/tax-rates/", json!({"name": "VAT", "percent": "18"})));
    let till = id(admin
        .create("/api/finance/accounts/", json!({"name": "Till", "type": "cash", "opening_balance": "100", "opening_date": "2026-01-01"})));
    let items = json!([{"name": "Work", "unit_cost": "200", "tax_rate": vat}, {"name": "Fare", "unit_cost": "10"}]);
    let body = json!({"party": party, "items": items, "issue": true, "issue_date": "2026-02-10", "prices_include_tax": false});
    let invoice = id(admin.create("/api/finance/invoices/", body));
    admin
        .post(
            &format!("/api/finance/invoices/{invoice}/pay/"),
            json!({"amount": "46", "charge": "1", "account": till, "date": "2026-02-20"}),
        )
        .expect(201);
    admin.create(
        "/api/finance/transactions/",
        json!({"type": "expense", "amount": "30", "transaction_charge": "2", "account": till, "category": "travel", "date": "2026-02-25"}),
    );
    let get = |path: &str| admin.get(&format!("/api/finance/{path}")).expect(200);
    let february = "?from=2026-02-01&to=2026-02-28";
    let profit = get(&format!("reports/profit-loss/{february}"))[0].clone();
    assert_eq!(
        (&profit["total_income"], &profit["total_expenses"], &profit["profit"]),
        (&json!("210.00"), &json!("33.00"), &json!("177.00"))
    );
    let named: Vec<(&str, &str)> = list(&profit["expenses"])
        .iter()
        .map(|line| (line["code"].as_str().expect("a code"), line["amount"].as_str().expect("an amount")))
        .collect();
    assert_eq!(named, [("5900", "3.00"), ("travel", "30.00")]);
    let cash = get(&format!("reports/cash-flow/{february}"))[0].clone();
    assert_eq!(
        (&cash["opening_balance"], &cash["net_change"], &cash["closing_balance"]),
        (&json!("100.00"), &json!("13.00"), &json!("113.00"))
    );
    let tax = get(&format!("reports/tax/{february}"))[0].clone();
    let lines: Vec<[&Value; 4]> =
        list(&tax["lines"]).iter().map(|line| ["kind", "percent", "sales", "output_tax"].map(|name| &line[name])).collect();
    assert_eq!(
        lines,
        [
            [&json!("rate"), &json!("18"), &json!("200.00"), &json!("36.00")],
            [&json!("untaxed"), &json!(null), &json!("10.00"), &json!("0.00")]
        ]
    );
    assert_eq!(tax["due"], "36.00");
    let trial = get("reports/trial-balance/?as_of=2026-02-15")[0].clone();
    assert_eq!((&trial["total_debit"], list(&trial["accounts"]).len()), (&json!("346.00"), 5), "{trial}");
    let summary = get(&format!("summary/{february}"));
    for (name, amount) in [
        ("total_income", "46.00"),
        ("total_expenses", "33.00"),
        ("total_expenses_excluding_charges", "30.00"),
        ("total_transaction_charges", "3.00"),
        ("net_balance", "13.00"),
    ] {
        assert_eq!(summary[name], amount, "{name}: {summary}");
    }
    assert_eq!(summary["pending_requisitions"], 0);
    assert_eq!((&summary["currencies"][0]["revenue"], &summary["currencies"][0]["cash_on_hand"]), (&json!("210.00"), &json!("113.00")));
    // Nothing of January but the opening.
    assert_eq!(get("reports/profit-loss/?to=2026-01-31"), json!([]));
    assert_eq!(get("summary/?to=2026-01-31")["currencies"][0]["cash_on_hand"], "100.00");
    // A voided invoice takes its tax back on the day of it, and is open until then.
    let body = json!({"party": party, "items": [{"name": "Wrong", "unit_cost": "50", "tax_rate": vat}], "issue": true, "issue_date": "2026-02-11", "prices_include_tax": false});
    let wrong = id(admin.create("/api/finance/invoices/", body));
    admin.post(&format!("/api/finance/invoices/{wrong}/void/"), json!({})).expect(200);
    assert_eq!(get(&format!("reports/tax/{february}"))[0]["due"], "45.00");
    assert_eq!(get("reports/tax/")[0]["due"], "36.00");
    assert_eq!(get("reports/aging/?as_of=2026-02-15")[0]["total"], "305.00");
    assert_eq!(get("reports/aging/")[0]["total"], "200.00");
    for (path, member) in [
        ("reports/profit-loss/?from=x", "from"),
        ("reports/cash-flow/?to=2026-02-30", "to"),
        ("reports/tax/?from=2026-03-01&to=2026-02-01", "to"),
        ("reports/trial-balance/?as_of=yesterday", "as_of"),
        ("reports/trial-balance/?format=xlsx", "format"),
        ("summary/?format=pdf", "format"),
        ("reports/aging/?direction=up", "direction"),
    ] {
        let answer = admin.get(&format!("/api/finance/{path}"));
        assert!(answer.status == 400 && answer.json()[member].is_array(), "{path}: {} {}", answer.status, answer.text);
    }
}

/// The day is the business's: late in the evening of one it is the next there.
#[test]
fn days_are_those_of_the_business() {
    let server = Server::start();
    server.write(|tx| tx.update("businesses", 1, vec![("timezone", "Africa/Kampala".into())]));
    server.clock.advance(13 * 3600 + 1800);
    let admin = server.member("admin", Role::Admin);
    let party = admin.create("/api/finance/parties/", json!({"name": "Acme"}))["id"].clone();
    let invoice = admin.create("/api/finance/invoices/", json!({"party": party, "amount": "10", "issue": true}));
    assert_eq!(invoice["issue_date"], "2026-03-03", "22:30 in London is the next day in Kampala");
    let get = |path: &str| admin.get(&format!("/api/finance/reports/{path}")).expect(200);
    assert_eq!(get("profit-loss/")[0]["profit"], "10.00");
    assert_eq!(get("profit-loss/?to=2026-03-02"), json!([]));
    assert_eq!(get("aging/")[0]["total"], "10.00");
    assert_eq!(get("aging/?as_of=2026-03-02"), json!([]));
}

#[test]
fn reports_are_files_without_formulas() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let party = admin.create("/api/finance/parties/", json!({"name": "=cmd|' /C calc'!A0"}))["id"].clone();
    let account = admin.create("/api/finance/accounts/", json!({"name": "@SUM(A1)", "type": "bank"}))["id"].clone();
    let vat = admin.create("/api/finance/tax-rates/", json!({"name": "+VAT", "percent": "18"}))["id"].clone();
    for (direction, number) in [("outgoing", "-1"), ("incoming", "-2")] {
        let items = json!([{"name": "Work", "unit_cost": "100", "tax_rate": vat}]);
        let body = json!({"party": party, "direction": direction, "number": number, "items": items, "issue": true});
        let invoice = admin.create("/api/finance/invoices/", body)["id"].clone();
        admin.post(&format!("/api/finance/invoices/{invoice}/pay/"), json!({"amount": "10", "account": account})).expect(201);
    }
    let statement = format!("parties/{party}/statement/");
    for path in REPORTS.iter().copied().chain([statement.as_str()]) {
        let separator = if path.contains('?') { '&' } else { '?' };
        let answer = admin.get(&format!("/api/finance/{path}{separator}format=csv"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/csv; charset=utf-8")), "{path}: {}", answer.text);
        let disposition = answer.header("content-disposition").unwrap_or_default();
        assert!(disposition.starts_with("attachment; filename=\"") && disposition.contains("-2026-03-02.csv"), "{disposition}");
        let mut reader = csv::Reader::from_reader(answer.text.as_bytes());
        let headings = reader.headers().expect("headings").clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row as wide as the headings")).collect();
        assert!(headings.iter().any(|name| name == "Currency") && !rows.is_empty(), "{path}: {}", answer.text);
        let is_number = |cell: &str| cell.strip_prefix('-').is_some_and(|rest| rest.parse::<f64>().is_ok());
        for cell in rows.iter().flatten() {
            assert!(!cell.starts_with(['=', '+', '@', '\t']) && (!cell.starts_with('-') || is_number(cell)), "{path}: {cell:?}");
        }
        // What the JSON says is in it.
        let told = admin.get(&format!("/api/finance/{path}")).expect(200).to_string();
        for cell in rows.iter().flatten().filter(|cell| cell.contains('.')) {
            assert!(told.contains(&format!("\"{cell}\"")), "{path}: {cell} is not in {told}");
        }
    }
    let aged = admin.get("/api/finance/reports/aging/?format=csv&bom=1").text;
    assert!(aged.starts_with("\u{feff}Party ID,Party,Currency,") && aged.contains("'=cmd|"), "{aged}");
    assert!(admin.get("/api/finance/reports/tax/?format=csv").text.contains("'+VAT"));
    // Whoever may not read them may not have them as files; and another business has its own.
    let abroad = server.business("Abroad");
    let stranger = server.member_with("stranger", Role::Admin, abroad, &[]);
    let staff = server.staff("staff", &[Capability::Field]);
    for path in REPORTS {
        let separator = if path.contains('?') { '&' } else { '?' };
        for format in ["json", "csv"] {
            let path = format!("/api/finance/{path}{separator}format={format}");
            assert_eq!((staff.get(&path).status, server.client().get(&path).status), (403, 401), "{path}");
            assert!(!stranger.get(&path).text.contains("100.00"), "{path}");
        }
    }
    assert_eq!(stranger.get(&format!("/api/finance/{statement}?format=csv")).status, 404);
}

// ------------------------------------------------------------------------------------------------ amounts in lists

#[test]
fn amounts_are_compared_in_the_currency_of_each_row() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let party = admin.create("/api/finance/parties/", json!({"name": "Acme"}))["id"].clone();
    for (currency, amount) in [("JPY", "10"), ("USD", "10.01"), ("KWD", "10.004"), ("JPY", "1000"), ("CLF", "0.0001")] {
        let body = json!({"party": party, "currency": currency, "amount": amount, "issue": true});
        admin.create("/api/finance/invoices/", body);
        let body = json!({"name": format!("Till {currency} {amount}"), "type": "bank", "currency": currency});
        let account = admin.create("/api/finance/accounts/", body)["id"].clone();
        admin.create("/api/finance/transactions/", json!({"type": "income", "amount": amount, "account": account}));
    }
    let found = |path: &str, member: &str| -> Vec<String> {
        let rows = admin.get(&format!("/api/finance/{path}")).expect(200)["results"].clone();
        let mut found: Vec<String> = list(&rows).iter().map(|row| row[member].as_str().expect("an amount").to_owned()).collect();
        found.sort();
        found
    };
    for (filter, wanted) in [
        ("=10", &["10"][..]),
        ("=10.0", &["10"]),
        ("=10.01", &["10.01"]),
        ("=10.004", &["10.004"]),
        ("=10.005", &[]),
        ("__gte=10", &["10", "10.004", "10.01", "1000"]),
        ("__gte=10.001", &["10.004", "10.01", "1000"]),
        ("__gte=10.0041", &["10.01", "1000"]),
        ("__gte=10.010000001", &["1000"]),
        ("__lte=10.004", &["0.0001", "10", "10.004"]),
        ("__lte=9.9999", &["0.0001"]),
        ("__lte=-0.5", &[]),
        ("__gte=-0.5", &["0.0001", "10", "10.004", "10.01", "1000"]),
        ("__in=10,10.01,10.005", &["10", "10.01"]),
        ("__gte=99999999999999999999999", &[]),
        ("__lte=99999999999999999999999", &["0.0001", "10", "10.004", "10.01", "1000"]),
        ("__gte=-99999999999999999999999", &["0.0001", "10", "10.004", "10.01", "1000"]),
        ("__gte=10&currency=JPY", &["10", "1000"]),
        ("__gte=10.01&currency=USD", &["10.01"]),
        ("=10.004&currency=KWD", &["10.004"]),
        ("=10.004&currency=USD", &[]),
    ] {
        assert_eq!(found(&format!("invoices/?amount_due{filter}"), "amount_due"), wanted, "{filter}");
        assert_eq!(found(&format!("transactions/?amount{filter}"), "amount"), wanted, "{filter}");
    }
    // By other names.
    assert_eq!(found("invoices/?min_due=10.001", "amount_due"), ["10.004", "10.01", "1000"]);
    assert_eq!(found("transactions/?min_amount=10.001&max_amount=10.01", "amount"), ["10.004", "10.01"]);
    assert_eq!(found("invoices/?overdue=true", "amount_due"), Vec::<String>::new());
    admin.get("/api/finance/invoices/?amount_due=ten").refuses(json!({"amount_due": ["Enter a number."]}));
    admin.get("/api/finance/invoices/?min_due=ten&currency=USD").refuses(json!({"min_due": ["Enter a number."]}));
}

/// Who enters parties as an agent, and is a customer later, sees the party that they sign in for, and no other.
#[test]
fn what_somebody_entered_is_not_theirs_as_a_customer() {
    let server = Server::start();
    let (admin, agent) = (server.member("admin", Role::Admin), server.member("agent", Role::Agent));
    let entered = agent.create("/api/finance/parties/", json!({"name": "Acme"}))["id"].clone();
    let own = admin.create("/api/finance/parties/", json!({"name": "Themselves", "user": agent.id}))["id"].clone();
    let status = |id: &Value| agent.get(&format!("/api/finance/parties/{id}/")).status;
    assert_eq!((status(&entered), status(&own)), (200, 200));
    let id = agent.id;
    for (role, wanted) in [("customer", (404, 200)), ("student", (404, 200)), ("citizen", (403, 403)), ("agent", (200, 200))] {
        server.write(move |tx| {
            let membership: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[id.into()])?.expect("a membership");
            tx.update("memberships", membership, vec![("role", role.into())])
        });
        // As at the next sign-in.
        let client = agent.with_token(&fresh(&server, id));
        let status = |id: &Value| client.get(&format!("/api/finance/parties/{id}/")).status;
        assert_eq!((status(&entered), status(&own)), wanted, "{role}");
    }
}

/// A new token of somebody.
fn fresh(server: &Server, id: i64) -> String {
    let sessions = server.app.sessions.clone();
    let opening = || studio::auth::session::Opening { rotates: true, ..Default::default() };
    server.write(move |tx| sessions.open(tx, id, opening())).access
}
