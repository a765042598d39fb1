//! A story: two businesses, their people, and what these do, one after the other.

use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};
use studio::{actor::Role, db::Fault, resources::finance::recurring};

use super::{
    books::{Account, Books, Key, Party, Posting},
    chance::Chance,
    compare,
    step::{Scene, Step},
    world::{Answer, Person, World},
};

/// An operation: how often it is chosen, what it is called, and how a step is made of it.
type Operation = (usize, &'static str, fn(&mut Scene<'_>) -> Option<Step>);

const OPERATIONS: &[Operation] = &[
    (14, "create an invoice", |scene| scene.create_invoice()),
    (4, "change an invoice", |scene| scene.change_invoice()),
    (5, "issue an invoice", |scene| scene.issue_invoice()),
    (2, "delete an invoice", |scene| scene.delete_invoice()),
    (4, "void an invoice", |scene| scene.void_invoice()),
    (2, "duplicate an invoice", |scene| scene.duplicate_invoice()),
    (4, "credit an invoice", |scene| scene.credit_invoice()),
    (2, "write off an invoice", |scene| scene.write_off()),
    (4, "allocate a credit note", |scene| scene.allocate_credit()),
    (2, "unallocate a credit note", |scene| scene.unallocate_credit()),
    (9, "pay an invoice", |scene| scene.pay_invoice()),
    (9, "make a payment", |scene| scene.create_payment()),
    (1, "send a payment again", |scene| scene.resend_payment()),
    (5, "allocate a payment", |scene| scene.allocate_payment()),
    (3, "unallocate a payment", |scene| scene.unallocate_payment()),
    (4, "void a payment", |scene| scene.void_payment()),
    (4, "refund a payment", |scene| scene.refund_payment()),
    (2, "change a payment", |scene| scene.change_payment()),
    (8, "make a transaction", |scene| scene.create_transaction()),
    (3, "change a transaction", |scene| scene.change_transaction()),
    (4, "reverse a transaction", |scene| scene.reverse_transaction()),
    (3, "post an entry", |scene| scene.post_entry()),
    (2, "reverse an entry", |scene| scene.reverse_entry()),
    (2, "lock the books", |scene| scene.lock_books()),
    (5, "create a requisition", |scene| scene.create_requisition()),
    (4, "ask for a decision", |scene| scene.ask()),
    (6, "decide", |scene| scene.decide()),
    (5, "pay a requisition", |scene| scene.pay_requisition()),
    (1, "delete a requisition", |scene| scene.delete_requisition()),
    (1, "create a goal", |scene| scene.create_goal()),
    (2, "create a milestone", |scene| scene.create_milestone()),
    (2, "pay for a goal", |scene| scene.pay_goal()),
    (2, "link a transaction", |scene| scene.link_transaction()),
    (3, "create a party", |scene| scene.create_party()),
    (1, "delete a party", |scene| scene.delete_party()),
    (1, "merge parties", |scene| scene.merge_parties()),
    (2, "create an account", |scene| scene.create_account()),
    (2, "switch an account", |scene| scene.switch_account()),
    (1, "delete an account", |scene| scene.delete_account()),
    (5, "create a quotation", |scene| scene.create_quotation()),
    (2, "change a quotation", |scene| scene.change_quotation()),
    (2, "add to a quotation", |scene| scene.add_quotation_item()),
    (1, "take off a quotation", |scene| scene.remove_quotation_item()),
    (4, "answer a quotation", |scene| scene.answer_quotation()),
    (1, "send a quotation", |scene| scene.send_quotation()),
    (3, "invoice a quotation", |scene| scene.invoice_quotation()),
    (1, "delete a quotation", |scene| scene.delete_quotation()),
    (3, "create what recurs", |scene| scene.create_recurring()),
    (3, "run what recurs", |scene| scene.run_recurring()),
    (2, "steer what recurs", |scene| scene.steer_recurring()),
    (1, "delete what recurs", |scene| scene.delete_recurring()),
    (1, "take off a requisition", |scene| scene.remove_requisition_item()),
    (2, "change a goal", |scene| scene.change_goal()),
    (1, "delete a goal", |scene| scene.delete_goal()),
    (1, "delete a milestone", |scene| scene.delete_milestone()),
    (1, "create a rate", |scene| scene.create_rate()),
    (1, "change a rate", |scene| scene.change_rate()),
    (5, "restore", |scene| scene.restore()),
    (6, "revert", |scene| scene.revert()),
    (2, "create many", |scene| scene.create_many()),
    (2, "change many", |scene| scene.change_many()),
    (2, "delete many", |scene| scene.delete_many()),
    (2, "restore many", |scene| scene.restore_many()),
];

/// What was done in stories.
#[derive(Default)]
pub struct Tally {
    stories: usize,
    /// Done and refused, by what was tried.
    steps: BTreeMap<&'static str, (usize, usize)>,
    faults: usize,
    walks: usize,
    repeated: usize,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.stories += other.stories;
        self.faults += other.faults;
        self.walks += other.walks;
        self.repeated += other.repeated;
        for (name, (done, refused)) in &other.steps {
            let sum = self.steps.entry(name).or_default();
            *sum = (sum.0 + done, sum.1 + refused);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, (done, refused)) in &self.steps {
            writeln!(f, "{name}: {done} done, {refused} refused")?;
        }
        let (done, refused) = self.steps.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let Self { stories, faults, walks, repeated, .. } = self;
        write!(
            f,
            "{stories} stories, {done} steps done, {refused} refused, {faults} faults ({walks} steps through every statement), {repeated} repeated"
        )
    }
}

struct Story<'a> {
    world: &'a World,
    books: [Books; 2],
    chance: Chance,
    tally: Tally,
    aloud: bool,
}

/// Tells the story of a seed, in two businesses that nothing has happened in.
pub fn tell(world: &World, businesses: [i64; 2], seed: u64, steps: usize, aloud: bool) -> Tally {
    let mut chance = Chance::new(seed);
    let money = [("UGX", "USD"), ("USD", "KWD"), ("KWD", "UGX"), ("USD", "UGX"), ("JPY", "USD")];
    let zones = ["Africa/Kampala", "America/New_York", "Pacific/Auckland", "UTC"];
    let mut business = |id: i64| {
        let ((currency, foreign), zone) = (chance.one(&money), chance.one(&zones));
        begin(world, &mut chance, id, currency, foreign, zone)
    };
    let books = businesses.map(&mut business);
    let mut story = Story { world, books, chance, tally: Tally { stories: 1, ..Tally::default() }, aloud };
    for number in 0..steps {
        let mut name = "";
        let told = catch_unwind(AssertUnwindSafe(|| story.step(number, &mut name)));
        if let Err(panic) = told {
            eprintln!("STUDIO_SEED={seed}: step {number}, {name}");
            resume_unwind(panic);
        }
    }
    story.end();
    story.tally
}

/// The business of a story as it begins: its settings, some money, a cash box of the agent, two rates of tax, two parties.
fn begin(world: &World, chance: &mut Chance, business: i64, currency: &str, foreign: &str, zone: &str) -> Books {
    let of = |role: Role| world.people.iter().find(|one| one.business == business && one.role == role).expect("everybody is there");
    let (admin, agent) = (of(Role::Admin), of(Role::Agent));
    let (inclusive, self_approval) = (chance.percent(40), chance.percent(25));
    let limit = chance.percent(50).then(|| 120 * 10_i64.pow(Books::exponent(currency)));
    let settings = json!({
        "currency": currency, "timezone": zone, "prices_include_tax": inclusive, "requisition_self_approval": self_approval,
        "requisition_manager_limit": limit.map(|limit| Books::text(limit, currency)),
    });
    world.made(admin, "PATCH", "/api/business/settings/", settings);
    let mut books = Books {
        business,
        currency: currency.to_owned(),
        foreign: foreign.to_owned(),
        zone: TimeZone::get(zone).expect("a zone"),
        inclusive,
        due_days: 14,
        self_approval,
        limit,
        lock: None,
        accounts: BTreeMap::new(),
        chart: chart(world, business, currency),
        rates: vec![],
        closed: BTreeMap::new(),
        parties: BTreeMap::new(),
        invoices: BTreeMap::new(),
        payments: BTreeMap::new(),
        transactions: BTreeMap::new(),
        entries: BTreeMap::new(),
        requisitions: BTreeMap::new(),
        quotations: BTreeMap::new(),
        recurring: BTreeMap::new(),
        goals: BTreeMap::new(),
        milestones: BTreeMap::new(),
        allocations: BTreeMap::new(),
        series: BTreeMap::new(),
        balances: BTreeMap::new(),
        posted: 0,
        past: BTreeMap::new(),
        seen: 0,
    };
    let cash = "SELECT id FROM accounts WHERE business_id = ?1 AND is_money AND currency = ?2";
    let cash = world.app.db.read(|reader| reader.rows(cash, &[business.into(), currency.into()], |row| row.get(0)));
    for id in cash.expect("the cash box of a new business") {
        books.accounts.insert(id, Account { currency: currency.to_owned(), cash: true, allow_negative: false, active: true, owner: None });
    }
    let date = world.clock.now().to_zoned(books.zone.clone()).date();
    for (kind, currency, owner) in [("bank", currency, None), ("cash", foreign, None), ("cash", currency, Some(agent.id))] {
        let opening = 150 * 10_i64.pow(Books::exponent(currency));
        let body = json!({
            "name": format!("{kind} of {owner:?}"), "type": kind, "currency": currency, "owner": owner, "opening_balance": Books::text(opening, currency),
        });
        let id = world.made(admin, "POST", "accounts/", body)["id"].as_i64().expect("an id");
        let account = Account { currency: currency.to_owned(), cash: kind == "cash", allow_negative: kind == "bank", active: true, owner };
        books.accounts.insert(id, account);
        let equity = Key::Chart("equity", "3000".into(), currency.to_owned());
        books.post(&Posting { date, lines: vec![(Key::Money(id), None, opening), (equity, None, -opening)] });
    }
    for (name, percent, text) in [("VAT", 180_000, "18"), ("Levy", 55_000, "5.5")] {
        let id = world.made(admin, "POST", "tax-rates/", json!({"name": name, "percent": text}))["id"].as_i64().expect("an id");
        books.rates.push((id, percent));
    }
    for (name, email) in [("Acme", Some("acme@example.com")), ("Duka", None)] {
        let made = world.made(admin, "POST", "parties/", json!({"name": name, "email": email}));
        let currency = made["currency"].as_str().map(str::to_owned);
        let party = Party { currency, terms: None, has_email: email.is_some(), deleted: false };
        books.parties.insert(made["id"].as_i64().expect("an id"), party);
    }
    compare::facts(world, &books);
    books
}

/// Accounts of the chart that entries by hand and items name. They are made in a currency when something is first posted in it.
fn chart(world: &World, business: i64, currency: &str) -> BTreeMap<(&'static str, &'static str), i64> {
    let wanted = [("expense", "office"), ("income", "training"), ("expense", "training"), ("equity", "3000"), ("asset", "1200")];
    let sql = "SELECT id FROM accounts WHERE business_id = ?1 AND currency = ?2 AND class = ?3 AND code = ?4";
    let found = |(class, code): (&'static str, &'static str)| {
        let args = [business.into(), currency.into(), class.into(), code.into()];
        world.app.db.read(|reader| reader.one(sql, &args)).expect("an account").map(|id| ((class, code), id))
    };
    wanted.into_iter().filter_map(found).collect()
}

/// Has a step be about something of another business: for whoever asks, that is not there.
fn reach_over(step: &mut Step, elsewhere: [Option<i64>; 4]) {
    for (name, id) in ["invoices", "parties", "accounts", "payments"].into_iter().zip(elsewhere) {
        let rest = step.call.path.strip_prefix(name).and_then(|rest| rest.strip_prefix('/')).and_then(|rest| rest.split_once('/'));
        if let (Some((own, rest)), Some(id)) = (rest, id)
            && own.parse::<i64>().is_ok()
        {
            step.call.path = format!("{name}/{id}/{rest}");
            step.reasons.extend([(404, ""), (403, "")]);
            return;
        }
    }
}

impl Story<'_> {
    fn step(&mut self, number: usize, name: &mut &'static str) {
        if self.chance.percent(12) {
            let seconds = self.chance.between(1, 36 * 3600);
            self.world.clock.advance(seconds);
            if self.chance.percent(60) {
                *name = "the night's work";
                self.run_jobs();
            }
        }
        let at = self.chance.below(2);
        let role = self.chance.one(&[
            Role::Admin,
            Role::Admin,
            Role::Admin,
            Role::Admin,
            Role::Manager,
            Role::Manager,
            Role::Manager,
            Role::Staff,
            Role::Staff,
            Role::Staff,
            Role::Staff,
            Role::Agent,
            if number.is_multiple_of(10) { Role::Customer } else { Role::Admin },
        ]);
        let business = self.books[at].business;
        let who = self.world.people.iter().find(|one| one.business == business && one.role == role).expect("everybody is there").clone();
        let step = self.think(at, &who, name);
        let key = (step.call.method == "POST" && self.chance.percent(30)).then(|| format!("key-{number}"));
        if self.aloud {
            println!("{number}: {} {} {} {} {}", role.name(), name, step.call.method, step.call.path, step.call.body);
        }
        let answer = self.carry_out(at, &who, &step, key.as_deref());
        if self.aloud {
            println!("    {} {}", answer.status, if answer.status < 300 { "" } else { &answer.text });
        }
        let tally = self.tally.steps.entry(name).or_default();
        if step.reasons.is_empty() {
            assert!(
                (200..300).contains(&answer.status),
                "{:?} should be done, and was answered {} {}",
                step.call,
                answer.status,
                answer.text
            );
            tally.0 += 1;
            let call = step.call.clone();
            (step.done)(&mut self.books[at], &answer.body);
            self.books[at].learn(self.world);
            self.books[at].remember(self.world);
            compare::facts(self.world, &self.books[at]);
            if let Some(key) = key.filter(|_| self.chance.percent(25)) {
                self.repeat(at, &who, &call, &answer, &key);
            }
        } else {
            let said = |(status, code): &(u16, &str)| answer.status == *status && (code.is_empty() || answer.code() == *code);
            assert!(
                step.reasons.iter().any(said),
                "{:?} should be refused for {:?}, and was answered {} {}",
                step.call,
                step.reasons,
                answer.status,
                answer.text
            );
            tally.1 += 1;
            compare::facts(self.world, &self.books[at]);
        }
        if number % 25 == 24 {
            let admin = self.world.people.iter().find(|one| one.business == business && one.role == Role::Admin).expect("one");
            compare::shown(self.world, &self.books[at], admin, &mut self.chance);
            compare::facts(self.world, &self.books[1 - at]);
            for books in &mut self.books {
                books.chart = chart(self.world, books.business, &books.currency);
            }
        }
        if number % 100 == 99 {
            compare::checks(self.world);
        }
    }

    /// What somebody does next.
    fn think(&mut self, at: usize, who: &Person, name: &mut &'static str) -> Step {
        let today = self.world.clock.now().to_zoned(self.books[at].zone.clone()).date();
        let there = &self.books[1 - at];
        let elsewhere = [
            there.invoices.keys().next().copied(),
            there.parties.keys().next().copied(),
            there.accounts.keys().next().copied(),
            there.payments.keys().next().copied(),
        ];
        let all: usize = OPERATIONS.iter().map(|(often, ..)| often).sum();
        loop {
            let mut left = self.chance.below(all);
            let chosen = OPERATIONS.iter().find(|(often, ..)| {
                let is = left < *often;
                left = left.saturating_sub(*often);
                is
            });
            let (_, called, make) = chosen.expect("one of them");
            *name = called;
            let now = self.world.clock.now();
            let mut scene = Scene { books: &self.books[at], chance: &mut self.chance, who, today, now, elsewhere };
            if let Some(mut step) = make(&mut scene) {
                // Now and then somebody reaches for what another business has.
                if self.chance.percent(3) {
                    reach_over(&mut step, elsewhere);
                }
                return step;
            }
        }
    }

    /// Has it done, sometimes with the disk failing under it, until it is answered.
    fn carry_out(&mut self, at: usize, who: &Person, step: &Step, key: Option<&str>) -> Answer {
        match self.chance.below(100) {
            // The machine stops at the first statement, at the second, and so on.
            0..2 => {
                self.tally.walks += 1;
                for count in 1..2000 {
                    let answer = self.failing(at, who, step, key, Fault::From(count));
                    if let Some(answer) = answer {
                        return answer;
                    }
                }
                panic!("{:?} has no end of statements", step.call)
            }
            // One statement fails, whichever.
            2..5 => {
                let at_statement = u32::try_from(self.chance.between(1, 60)).expect("small");
                let answer = self.failing(at, who, step, key, Fault::At(at_statement));
                answer.unwrap_or_else(|| self.world.call(who, &step.call, key))
            }
            // It is done, and whoever asked does not hear of it, and asks again.
            5..8 if key.is_some() && step.reasons.is_empty() => {
                self.tally.faults += 1;
                self.world.app.db.fail(Some(Fault::Answer));
                let lost = self.world.call(who, &step.call, key);
                assert_eq!(lost.status, 503, "{:?} was answered {}", step.call, lost.text);
                let answer = self.world.call(who, &step.call, key);
                assert!(answer.again, "{:?} was not known any more: {} {}", step.call, answer.status, answer.text);
                answer
            }
            _ => self.world.call(who, &step.call, key),
        }
    }

    /// Has it done with a fault; none, when that came in between, and then nothing of it is stored.
    fn failing(&mut self, at: usize, who: &Person, step: &Step, key: Option<&str>, fault: Fault) -> Option<Answer> {
        self.world.app.db.fail(Some(fault));
        let answer = self.world.call(who, &step.call, key);
        self.world.app.db.fail(None);
        if answer.status < 500 {
            return Some(answer);
        }
        self.tally.faults += 1;
        assert!(answer.status == 500 || answer.status == 503, "{:?} was answered {}", step.call, answer.text);
        compare::facts(self.world, &self.books[at]);
        None
    }

    /// What was sent before is answered as it was, and something else under its key is refused.
    fn repeat(&mut self, at: usize, who: &Person, call: &super::world::Call, before: &Answer, key: &str) {
        self.tally.repeated += 1;
        let again = self.world.call(who, call, Some(key));
        assert!(
            again.again && again.status == before.status && again.body == before.body,
            "{call:?} was answered {again:?} after {before:?}"
        );
        let mut other = call.clone();
        match &mut other.body {
            Json::Object(body) => drop(body.insert("something".into(), json!("else"))),
            body => *body = json!({"something": "else"}),
        }
        assert_eq!(self.world.call(who, &other, Some(key)).status, 422, "{call:?}");
        compare::facts(self.world, &self.books[at]);
    }

    /// What is to be invoiced again and again is, where its day has come; sometimes the disk fails under it, and it is done later.
    fn run_jobs(&mut self) {
        let run = || recurring::run_due(&self.world.app.db, "https://example.com");
        if self.chance.percent(15) {
            let fault = Fault::At(u32::try_from(self.chance.between(1, 150)).expect("small"));
            self.tally.faults += 1;
            self.world.app.db.fail(Some(fault));
            // What came of it is seen below.
            drop(run());
            self.world.app.db.fail(None);
        }
        while !run().expect("the job runs").starts_with("0 made") {}
        for books in &mut self.books {
            let today = self.world.clock.now().to_zoned(books.zone.clone()).date();
            let made = books.ran(self.world, today);
            self.tally.steps.entry("the night's work").or_default().0 += made;
            books.learn(self.world);
            compare::facts(self.world, books);
        }
    }

    fn end(&mut self) {
        compare::checks(self.world);
        for at in 0..2 {
            compare::facts(self.world, &self.books[at]);
            let sums = self.books[at].balances.values().sum::<i64>();
            assert_eq!(sums, 0, "the trial balance");
        }
        self.world.app.audit.seal().expect("the log is sealed");
        let report = self.world.app.audit.verify().expect("the log is read");
        assert!(report.problems.is_empty(), "the audit log: {:?}", report.problems);
        // The nights of the next story in this world are its own.
        let ids = self.books.each_ref().map(|books| books.business);
        let resting = self.world.app.db.write_blocking(self.world.app.system(), move |tx| {
            for template in tx.rows(
                "SELECT id FROM recurring_invoices WHERE (business_id = ?1 OR business_id = ?2) AND status = 'active'",
                &[ids[0].into(), ids[1].into()],
                |row| row.get::<i64>(0),
            )? {
                tx.update("recurring_invoices", template, vec![("status", "paused".into())])?;
            }
            Ok(())
        });
        resting.expect("what recurs rests");
    }
}
