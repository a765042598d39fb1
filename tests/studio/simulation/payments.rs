//! Payments: received and paid, matched with invoices, taken back and given back.

use jiff::civil::Date;
use serde_json::{Value as Json, json};

use super::{
    books::{Books, Key, Payment, Posting, Reason, Side, State},
    invoices::issued,
    step::{OUTSIDER, Scene, Step},
};

/// What a payment is to settle at once.
pub enum Settles {
    Nothing,
    Invoice(i64),
    Shares(Vec<(i64, i64)>),
    Auto,
}

/// A payment as it is asked for.
pub struct Asked {
    pub incoming: bool,
    pub party: Option<i64>,
    pub category: Option<&'static str>,
    pub account: Option<i64>,
    /// The currency of what it is for.
    pub of: Option<String>,
    pub amount: i64,
    pub charge: i64,
    pub date: Date,
    pub settles: Settles,
    pub keeps_excess: bool,
    pub requisition: Option<i64>,
    pub goal: Option<i64>,
    pub client_ref: Option<String>,
}

impl Scene<'_> {
    pub fn payment(&mut self, wanted: impl Fn(&Payment) -> bool) -> Option<i64> {
        let any = self.chance.percent(7);
        self.chance.that(self.books.payments.iter().filter(|(_, one)| any || wanted(one)).map(|(id, _)| *id))
    }

    /// Makes a payment of what is asked for: the reasons against it, and what comes of it.
    pub fn pays(&self, step: Step, asked: Asked) -> Step {
        let books = self.books;
        let mut reasons: Vec<Reason> = vec![];
        let usual = asked.of.clone().unwrap_or_else(|| books.currency.clone());
        let account = asked.account.or_else(|| books.till(&usual)).unwrap_or_default();
        reasons.extend(self.refuses_account(account, asked.of.as_deref()));
        let currency = books.accounts.get(&account).map_or(usual, |account| account.currency.clone());
        let (amount, charge) = (asked.amount, asked.charge);
        if amount <= 0 || charge < 0 || asked.incoming && charge >= amount || asked.date > self.today {
            reasons.push((400, ""));
        }
        if asked.party.is_some() == asked.category.is_some() {
            reasons.push((400, ""));
        }
        // What is open of a party that was deleted can be paid, by the document that says so.
        let is_named = asked.requisition.is_none() && !matches!(asked.settles, Settles::Invoice(_));
        if is_named && asked.party.is_some_and(|id| books.parties.get(&id).is_none_or(|party| party.deleted)) {
            reasons.push((400, ""));
        }
        if let Some(goal) = asked.goal
            && (!asked.incoming || books.goals.get(&goal).is_none_or(|goal| goal.currency != currency || goal.deleted.is_some()))
        {
            reasons.push((400, ""));
        }
        let posting = posting(&asked, account, &currency);
        reasons.extend(books.refuses(&posting));
        let (drafts, shares, more) = self.shares(&asked, &currency);
        reasons.extend(more);
        let by = self.who.id;
        let (body, today) = (step.call.body.clone(), self.today);
        step.unless(reasons).then(move |books, answer| {
            let id = answer["payment_id"].as_i64().or(answer["id"].as_i64()).expect("an id");
            drafts.into_iter().for_each(|draft| issued(books, draft, today));
            let number = books.next_number("receipt", asked.date);
            books.post(&posting);
            let payment = Payment {
                number,
                incoming: asked.incoming,
                party: asked.party,
                account,
                amount,
                currency,
                refund: false,
                void: false,
                allocated: 0,
                requisition: asked.requisition,
                goal: asked.goal,
                posting,
                client_ref: asked.client_ref,
                by,
                entry: answer["journal_entry_id"].as_i64().unwrap_or_default(),
                body,
            };
            books.payments.insert(id, payment);
            if let Some(requisition) = asked.requisition {
                books.requisitions.get_mut(&requisition).expect("it").paid += amount;
            }
            books.moved(asked.goal, false);
            shares.into_iter().for_each(|(invoice, amount)| books.allocate(Side::Payment(id), Side::Invoice(invoice), amount));
        })
    }

    /// Which drafts are issued first, what goes to which invoice, and why that cannot be.
    fn shares(&self, asked: &Asked, currency: &str) -> (Vec<i64>, Vec<(i64, i64)>, Vec<Reason>) {
        let books = self.books;
        let (mut drafts, mut reasons) = (vec![], vec![]);
        let fits = |id: &i64| {
            books.invoices.get(id).is_some_and(|invoice| {
                !invoice.deleted
                    && !invoice.credit
                    && Some(invoice.party) == asked.party
                    && invoice.currency == currency
                    && invoice.outgoing == asked.incoming
            })
        };
        let shares = match &asked.settles {
            Settles::Nothing => return (vec![], vec![], vec![]),
            Settles::Invoice(id) => {
                if !fits(id) {
                    return (vec![], vec![], vec![(400, "")]);
                }
                let invoice = &books.invoices[id];
                match invoice.state {
                    State::Draft => {
                        reasons.extend(self.refuses_issue(invoice));
                        drafts.push(*id);
                    }
                    State::Issued => {}
                    State::Void => reasons.push((409, "not_open")),
                }
                vec![(*id, asked.amount.min(invoice.open()))]
            }
            Settles::Shares(shares) => {
                for (id, amount) in shares {
                    if !fits(id) {
                        reasons.push((400, ""));
                        continue;
                    }
                    if books.invoices[id].state != State::Issued {
                        reasons.push((409, "not_open"));
                    }
                    if *amount > books.invoices[id].open() || *amount <= 0 {
                        reasons.push((400, ""));
                    }
                }
                shares.clone()
            }
            Settles::Auto => {
                let mut left = asked.amount;
                let open = books.open_of(asked.party.unwrap_or_default(), currency, asked.incoming);
                let share = |(id, open): (i64, i64)| {
                    let share = open.min(left);
                    left -= share;
                    (id, share)
                };
                open.into_iter().map(share).collect()
            }
        };
        let sum: i64 = shares.iter().map(|(_, amount)| amount).sum();
        if asked.party.is_none() || sum > asked.amount || sum < asked.amount && !asked.keeps_excess {
            reasons.push((400, ""));
        }
        (drafts, shares, reasons)
    }

    fn charge(&mut self, amount: i64) -> i64 {
        match self.chance.below(12) {
            0 => amount / 50,
            1 if self.chance.percent(30) => amount,
            _ => 0,
        }
    }

    pub fn pay_invoice(&mut self) -> Option<Step> {
        let id = if self.chance.percent(90) {
            self.invoice(|one| !one.credit && (one.state == State::Draft || one.state == State::Issued && one.open() > 0))?
        } else {
            self.chance.that(self.books.invoices.keys().copied())?
        };
        let invoice = &self.books.invoices[&id];
        let (open, currency) = (invoice.open(), invoice.currency.clone());
        // Those who do not keep the books mean their own box when they name none.
        let named = self.chance.percent(85) || !self.who.keeps_books();
        let account = if named { Some(self.some_account(&currency)?) } else { None };
        let part = self.chance.percent(45);
        let (amount, keeps_excess) = (if part { self.amount(&currency) } else { open }, self.chance.percent(30));
        let amount = if part && self.chance.percent(50) { amount.min(open).max(1) } else { amount };
        let charge = self.charge(amount);
        let date = self.day(1);
        let mut body = json!({"date": date.to_string(), "charge": Books::text(charge, &currency)});
        if part {
            body["amount"] = Books::text(amount, &currency).into();
        }
        if let Some(account) = account {
            body["account"] = account.into();
        }
        if keeps_excess {
            body["on_excess"] = "credit".into();
        }
        let direct = self.chance.percent(40) && part;
        // What an agent receives for an invoice goes into a box of their own.
        let boxed = account.and_then(|account| self.books.accounts.get(&account)).is_some_and(|account| account.owner == Some(self.who.id));
        let received = direct && boxed && invoice.outgoing && invoice.state != State::Draft;
        let received = received && self.who.role == studio::actor::Role::Agent;
        let step = if direct {
            body["invoice"] = id.into();
            Step::post("payments/".into(), body)
        } else {
            Step::post(format!("invoices/{id}/pay/"), body).when(invoice.deleted, 404, "")
        };
        let step = step.when(!part && (open <= 0 || invoice.state == State::Void), 409, "nothing_open");
        let step = step.unless(self.keeps_books().into_iter().filter(|_| !received));
        let asked = Asked {
            incoming: invoice.outgoing,
            party: Some(invoice.party),
            category: None,
            account,
            of: Some(currency),
            amount,
            charge,
            date,
            settles: Settles::Invoice(id),
            keeps_excess,
            requisition: None,
            goal: None,
            client_ref: None,
        };
        Some(self.pays(step, asked))
    }

    pub fn create_payment(&mut self) -> Option<Step> {
        let agent = !self.who.keeps_books();
        let incoming = self.chance.percent(if agent { 90 } else { 70 });
        let (party, mut reasons) =
            if agent || self.chance.percent(25) { (None, vec![]) } else { self.some_party().map(|(id, why)| (Some(id), why))? };
        let category = (party.is_none() || self.chance.percent(2)).then_some("training");
        let mine = self.books.accounts.iter().find(|(_, account)| account.owner == Some(self.who.id)).map(|(id, _)| *id);
        let account = match mine {
            Some(mine) if agent && self.chance.percent(80) => mine,
            _ => {
                let currency = if self.chance.percent(80) { self.books.currency.clone() } else { self.books.foreign.clone() };
                self.some_account(&currency)?
            }
        };
        // An agent takes money in, into a box of their own.
        if agent && (!incoming || Some(account) != mine) || self.who.role == studio::actor::Role::Customer {
            reasons.extend(OUTSIDER);
        }
        let currency = self.books.accounts.get(&account).map_or_else(|| self.books.currency.clone(), |account| account.currency.clone());
        let amount = if self.chance.percent(2) { 0 } else { self.amount(&currency) };
        let (charge, date, keeps_excess) = (self.charge(amount), self.day(1), self.chance.percent(60));
        let client_ref = self.chance.percent(30).then(|| format!("ref-{}", self.chance.below(1_000_000)));
        let goal = (incoming && self.chance.percent(25)).then(|| self.goal()).flatten();
        let settles = match (party, self.chance.below(10)) {
            (Some(_), 0..4) => Settles::Auto,
            (Some(party), 4..8) => {
                let open = self.books.open_of(party, &currency, incoming);
                let part = self.chance.percent(40);
                let shares: Vec<(i64, i64)> =
                    open.into_iter().take(2).map(|(id, open)| (id, if part { (open / 2).max(1) } else { open })).collect();
                if shares.is_empty() { Settles::Nothing } else { Settles::Shares(shares) }
            }
            _ => Settles::Nothing,
        };
        let mut body = json!({
            "direction": if incoming { "incoming" } else { "outgoing" }, "party": party, "category": category, "account": account,
            "amount": Books::text(amount, &currency), "charge": Books::text(charge, &currency), "date": date.to_string(),
            "goal": goal, "client_ref": client_ref,
        });
        match &settles {
            Settles::Auto => body["allocate"] = "auto".into(),
            Settles::Shares(shares) => {
                let row = |(id, amount): &(i64, i64)| json!({"invoice": id, "amount": Books::text(*amount, &currency)});
                body["allocations"] = shares.iter().map(row).collect();
            }
            _ => {}
        }
        if keeps_excess {
            body["on_excess"] = "credit".into();
        }
        let of = goal.map(|goal| self.books.goals[&goal].currency.clone());
        let account = Some(account);
        let step = Step::post("payments/".into(), body).unless(reasons);
        let asked = Asked {
            incoming,
            party,
            category,
            account,
            of,
            amount,
            charge,
            date,
            settles,
            keeps_excess,
            requisition: None,
            goal,
            client_ref,
        };
        Some(self.pays(step, asked))
    }

    /// Sends a payment again: whoever did so before is answered what there is.
    pub fn resend_payment(&mut self) -> Option<Step> {
        let sent = self.books.payments.iter().filter(|(_, one)| one.client_ref.is_some() && one.by == self.who.id);
        let id = self.chance.that(sent.map(|(id, _)| *id))?;
        let step = Step::post("payments/".into(), self.books.payments[&id].body.clone());
        Some(step.then(move |_, answer| assert_eq!(answer["id"], id, "it was stored twice")))
    }

    pub fn void_payment(&mut self) -> Option<Step> {
        let id = self.payment(|one| !one.void)?;
        let payment = self.books.payments[&id].clone();
        let reversal = payment.posting.reversed(self.today);
        let mut reasons = self.books.refuses(&reversal);
        if !self.who.is_manager() {
            reasons.extend(OUTSIDER);
        }
        let refunded = self.books.allocations.keys().any(|pair| matches!(pair, (Side::Payment(from), Side::Payment(_)) if *from == id));
        let path = format!("payments/{id}/");
        let step =
            if self.chance.percent(25) { Step::new("DELETE", path, Json::Null) } else { Step::post(format!("{path}void/"), json!({})) };
        let step = step.unless(reasons).when(payment.void, 409, "invalid_transition").when(refunded, 409, "has_refund");
        Some(step.then(move |books, _| {
            books.release(|source, target| source == Side::Payment(id) || target == Side::Payment(id));
            books.post(&reversal);
            books.payments.get_mut(&id).expect("it").void = true;
            if let Some(requisition) = payment.requisition {
                books.requisitions.get_mut(&requisition).expect("it").paid -= payment.amount;
            }
            books.moved(payment.goal, true);
        }))
    }

    pub fn refund_payment(&mut self) -> Option<Step> {
        let id = self.payment(|one| !one.void && !one.refund && one.party.is_some() && one.rest() > 0)?;
        let payment = self.books.payments[&id].clone();
        let amount = self.chance.percent(60).then(|| self.amount(&payment.currency));
        let account = if self.chance.percent(30) { Some(self.some_account(&payment.currency)?) } else { None };
        let mut body = json!({"account": account, "notes": "too much"});
        if let Some(amount) = amount {
            body["amount"] = Books::text(amount, &payment.currency).into();
        }
        let given = amount.unwrap_or(payment.rest());
        let step = Step::post(format!("payments/{id}/refund/"), body).unless(self.keeps_books());
        let step = step.when(payment.void || payment.refund || payment.party.is_none(), 409, "not_open");
        let step = step.when(payment.rest() <= 0, 409, "nothing_left").when(given > payment.rest(), 400, "");
        let from = account.unwrap_or(payment.account);
        let step = step.unless(self.refuses_account(from, Some(&payment.currency)));
        let gone = payment.party.is_some_and(|party| self.books.parties[&party].deleted);
        // What a payment did to what is owed is done the other way round.
        let (code, class) = if payment.incoming { ("1200", "asset") } else { ("2100", "liability") };
        let owed = Key::Chart(class, code.to_owned(), payment.currency.clone());
        let sign = if payment.incoming { 1 } else { -1 };
        let posting =
            Posting { date: self.today, lines: vec![(owed, payment.party, sign * given), (Key::Money(from), None, -sign * given)] };
        let (reasons, by) = (self.books.refuses(&posting), self.who.id);
        Some(step.when(gone, 400, "").unless(reasons).then(move |books, answer| {
            let made = answer["id"].as_i64().expect("an id");
            let number = books.next_number("receipt", posting.date);
            books.post(&posting);
            let refund = Payment {
                number,
                incoming: !payment.incoming,
                account: from,
                amount: given,
                refund: true,
                allocated: 0,
                requisition: None,
                goal: None,
                posting,
                client_ref: None,
                by,
                entry: answer["journal_entry_id"].as_i64().unwrap_or_default(),
                ..payment
            };
            books.payments.insert(made, refund);
            books.allocate(Side::Payment(id), Side::Payment(made), given);
        }))
    }

    pub fn change_payment(&mut self) -> Option<Step> {
        let id = self.payment(|_| true)?;
        let payment = &self.books.payments[&id];
        let path = format!("payments/{id}/");
        if self.chance.percent(30) {
            let body = json!({"amount": Books::text(payment.amount + 1, &payment.currency)});
            return Some(Step::new("PATCH", path, body).unless(self.keeps_books()).when(true, 409, "immutable"));
        }
        let goal = self.goal()?;
        let step = Step::new("PATCH", path, json!({"notes": "for the roof", "goal": goal})).unless(self.keeps_books());
        let fits = payment.incoming && !payment.refund && self.books.goals[&goal].currency == payment.currency;
        let changes = payment.goal != Some(goal);
        Some(step.when(changes && !fits, 400, "").then(move |books, _| {
            books.payments.get_mut(&id).expect("it").goal = Some(goal);
            if changes {
                books.moved(Some(goal), false);
            }
        }))
    }
}

fn posting(asked: &Asked, account: i64, currency: &str) -> Posting {
    let chart = |class, code: &str| Key::Chart(class, code.to_owned(), currency.to_owned());
    let sign = if asked.incoming { 1 } else { -1 };
    let other = match (asked.category, asked.incoming) {
        (Some(category), true) => chart("income", category),
        (Some(category), false) => chart("expense", category),
        (None, true) => chart("asset", "1200"),
        (None, false) => chart("liability", "2100"),
    };
    let lines = vec![
        (Key::Money(account), None, sign * asked.amount - asked.charge),
        (other, asked.party, -sign * asked.amount),
        (chart("expense", "5900"), None, asked.charge),
    ];
    Posting { date: asked.date, lines }
}
