//! Invoices and bills: written, issued, taken back, credited, written off.

use jiff::{ToSpan, civil::Date};
use serde_json::{Value as Json, json};

use super::{
    books::{Books, Invoice, Item, Reason, Side, State},
    step::{Scene, Step},
    sums::{self, Entered, Off, Sums},
};

/// A number of so many decimals, as it is sent.
pub fn decimal(value: i64, decimals: u32) -> String {
    let unit = 10_i64.pow(decimals);
    format!("{}.{:0width$}", value / unit, value % unit, width = decimals as usize)
}

pub fn off_json(off: Off, currency: &str) -> (Json, Json) {
    match off {
        Off::Nothing => (json!("none"), json!("0")),
        Off::Percent(percent) => (json!("percent"), json!(decimal(percent, 4))),
        Off::Fixed(amount) => (json!("fixed"), json!(Books::text(amount, currency))),
    }
}

pub fn items_json(items: &[Item], books: &Books, currency: &str) -> Json {
    let item = |(index, item): (usize, &Item)| {
        let (kind, value) = off_json(item.off, currency);
        json!({
            "name": format!("Item {index}"), "quantity": decimal(item.quantity, 4), "unit_cost": decimal(item.price, 6),
            "discount_type": kind, "discount_value": value,
            "tax_rate": item.rate.map(|rate| books.rates[rate].0),
            "account": item.account.map(|account| books.chart[&account]),
        })
    };
    items.iter().enumerate().map(item).collect()
}

/// What items come to.
pub fn compute(items: &[Item], off: Off, inclusive: bool, currency: &str, books: &Books) -> Option<Sums> {
    let entered = |item: &Item| Entered {
        quantity: item.quantity,
        price: item.price,
        off: item.off,
        tax: item.rate.map_or(0, |rate| books.rates[rate].1),
    };
    sums::compute(&items.iter().map(entered).collect::<Vec<_>>(), off, inclusive, Books::exponent(currency))
}

/// The ids of items, as they were stored.
fn item_ids(answer: &Json) -> Vec<i64> {
    answer["items"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_i64()).collect()
}

fn set_ids(items: &mut [Item], answer: &Json) {
    items.iter_mut().zip(item_ids(answer)).for_each(|(item, id)| item.id = id);
}

impl Scene<'_> {
    pub fn off(&mut self, currency: &str) -> Off {
        match self.chance.below(10) {
            0 => Off::Percent(self.chance.one(&[100_000, 125_000, 1_000_000, 333_333, 50_000])),
            1 => Off::Fixed(self.amount(currency) / 20),
            _ => Off::Nothing,
        }
    }

    pub fn items(&mut self, currency: &str, outgoing: bool) -> Vec<Item> {
        let item = |scene: &mut Self| {
            let price = match scene.chance.below(4) {
                0 => scene.chance.between(0, 400) * 1_000_000,
                1 => scene.chance.between(0, 90_000_000),
                _ => scene.chance.between(1, 200) * 500_000,
            };
            let class = if outgoing { "income" } else { "expense" };
            let elsewhere = (currency == scene.books.currency && scene.chance.percent(15)).then_some((class, "training"));
            let elsewhere = elsewhere.filter(|account| scene.books.chart.contains_key(account));
            Item {
                id: 0,
                quantity: scene.chance.one(&[10_000, 10_000, 20_000, 15_000, 2_500, 33_333, 70_000]),
                price,
                off: scene.off(currency),
                rate: scene.chance.percent(50).then(|| scene.chance.below(scene.books.rates.len())),
                account: elsewhere,
            }
        };
        (0..self.chance.between(1, 3)).map(|_| item(self)).collect()
    }

    /// One that is not deleted, as wanted.
    pub fn invoice(&mut self, wanted: impl Fn(&Invoice) -> bool) -> Option<i64> {
        self.chance.that(self.books.invoices.iter().filter(|(_, invoice)| !invoice.deleted && wanted(invoice)).map(|(id, _)| *id))
    }

    /// Any, though mostly as wanted.
    pub fn mostly(&mut self, wanted: impl Fn(&Invoice) -> bool) -> Option<i64> {
        if self.chance.percent(93) { self.invoice(wanted) } else { self.chance.that(self.books.invoices.keys().copied()) }
    }

    pub fn due(&self, party: i64, date: Date) -> Date {
        let terms = self.books.parties.get(&party).and_then(|party| party.terms).unwrap_or(self.books.due_days);
        date.checked_add(terms.days()).expect("a day")
    }

    /// Why an invoice is not issued.
    pub fn refuses_issue(&self, invoice: &Invoice) -> Vec<Reason> {
        let mut reasons = self.books.is_locked(invoice.date);
        if invoice.state != State::Draft {
            reasons.push((409, "invalid_transition"));
        }
        if !invoice.outgoing && !invoice.credit && invoice.number.is_none() {
            reasons.push((400, ""));
        }
        if self.books.parties.get(&invoice.party).is_none_or(|party| party.deleted) {
            reasons.push((409, "invalid_transition"));
        }
        reasons
    }

    pub fn create_invoice(&mut self) -> Option<Step> {
        let (party, mut reasons) = self.some_party()?;
        reasons.extend(self.keeps_books());
        let outgoing = self.chance.percent(72);
        let theirs = self.books.parties.get(&party).and_then(|party| party.currency.clone());
        let explicit = self.chance.percent(20).then(|| self.chance.one(&[&self.books.currency, &self.books.foreign]).clone());
        let currency = explicit.clone().or(theirs).unwrap_or_else(|| self.books.currency.clone());
        let (items, off) = (self.items(&currency, outgoing), self.off(&currency));
        let inclusive = self.chance.percent(30).then(|| self.chance.percent(50));
        let date = self.day(9);
        let due = self.chance.percent(30).then(|| self.day(30));
        let issue = self.chance.percent(55);
        let number = match self.chance.below(10) {
            0 => Some(self.books.upcoming("invoice", date, 0)),
            1 => Some(self.books.upcoming("invoice", date, self.chance.between(-1, 2))),
            2 => Some(format!("X-{}", self.chance.below(6))),
            _ if !outgoing => self.chance.percent(90).then(|| format!("B-{}", self.chance.below(60))),
            _ => None,
        };
        reasons.extend(self.refuses_number(number.as_deref(), None, outgoing, party));
        let mut invoice = Invoice {
            party,
            outgoing,
            credit: false,
            corrects: None,
            number: number.clone(),
            date,
            due: due.unwrap_or_else(|| self.due(party, date)),
            inclusive: inclusive.unwrap_or(self.books.inclusive),
            off,
            items,
            sums: Sums::default(),
            state: State::Draft,
            allocated: 0,
            issued_on: None,
            quotation: None,
            deleted: false,
            currency,
        };
        match compute(&invoice.items, off, invoice.inclusive, &invoice.currency, self.books) {
            Some(sums) => invoice.sums = sums,
            None => reasons.push((400, "")),
        }
        if invoice.due < invoice.date {
            reasons.push((400, ""));
        }
        if issue {
            reasons.extend(self.refuses_issue(&invoice));
        }
        let (kind, value) = off_json(off, &invoice.currency);
        let mut body = json!({
            "party": party, "direction": if outgoing { "outgoing" } else { "incoming" }, "number": number,
            "items": items_json(&invoice.items, self.books, &invoice.currency), "discount_type": kind, "discount_value": value,
            "issue_date": date.to_string(), "due_date": due.map(|due| due.to_string()), "issue": issue,
        });
        if let Some(inclusive) = inclusive {
            body["prices_include_tax"] = inclusive.into();
        }
        if let Some(currency) = explicit {
            body["currency"] = currency.into();
        }
        if self.chance.percent(15) {
            let wrong = self.chance.percent(15);
            body["total"] = Books::text(invoice.sums.total + i64::from(wrong), &invoice.currency).into();
            if wrong {
                reasons.push((400, ""));
            }
        }
        let today = self.today;
        Some(Step::post("invoices/".into(), body).unless(reasons).then(move |books, answer| {
            let id = answer["id"].as_i64().expect("an id");
            set_ids(&mut invoice.items, answer);
            books.invoices.insert(id, invoice);
            if issue {
                issued(books, id, today);
            }
        }))
    }

    /// Why a draft cannot have this number.
    pub fn refuses_number(&self, number: Option<&str>, own: Option<i64>, outgoing: bool, party: i64) -> Vec<Reason> {
        let same = |id: &i64, other: &Invoice| {
            Some(*id) != own
                && !other.deleted
                && !other.credit
                && other.outgoing == outgoing
                && (outgoing || other.party == party)
                && other.number.as_deref() == number
        };
        if number.is_some() && self.books.invoices.iter().any(|(id, other)| same(id, other)) { vec![(400, "")] } else { vec![] }
    }

    /// Why a draft cannot let go of its number: the series has gone past it.
    pub fn keeps_number(&self, invoice: &Invoice) -> Vec<Reason> {
        let passed = invoice.number.as_deref().is_some_and(|number| self.books.is_passed(invoice.series(), number));
        if invoice.outgoing && passed { vec![(409, "number_used")] } else { vec![] }
    }

    pub fn change_invoice(&mut self) -> Option<Step> {
        let id = self.mostly(|invoice| invoice.state == State::Draft)?;
        let mut invoice = self.books.invoices[&id].clone();
        let mut reasons = self.keeps_books();
        if invoice.deleted {
            reasons.push((404, ""));
        }
        if invoice.state != State::Draft && self.chance.percent(50) {
            let body = json!({"notes": "Thank you", "reference": "PO 7"});
            return Some(Step::new("PATCH", format!("invoices/{id}/"), body).unless(reasons));
        }
        if invoice.state != State::Draft {
            reasons.push((409, "immutable"));
        }
        if self.chance.percent(30) {
            let number = self.chance.percent(60).then(|| self.books.upcoming("invoice", invoice.date, self.chance.between(0, 2)));
            if invoice.state == State::Draft && number != invoice.number {
                reasons.extend(self.keeps_number(&invoice));
                reasons.extend(self.refuses_number(number.as_deref(), Some(id), invoice.outgoing, invoice.party));
            }
            if invoice.state != State::Draft && number == invoice.number {
                return None;
            }
            let body = json!({"number": number});
            return Some(Step::new("PATCH", format!("invoices/{id}/"), body).unless(reasons).then(move |books, _| {
                books.invoices.get_mut(&id).expect("it").number = number;
            }));
        }
        invoice.items = self.items(&invoice.currency, invoice.outgoing);
        match compute(&invoice.items, invoice.off, invoice.inclusive, &invoice.currency, self.books) {
            Some(sums) => invoice.sums = sums,
            None => reasons.push((400, "")),
        }
        let body = json!({"items": items_json(&invoice.items, self.books, &invoice.currency)});
        Some(Step::new("PATCH", format!("invoices/{id}/"), body).unless(reasons).then(move |books, answer| {
            set_ids(&mut invoice.items, answer);
            books.invoices.insert(id, invoice);
        }))
    }

    pub fn issue_invoice(&mut self) -> Option<Step> {
        let id = self.mostly(|invoice| invoice.state == State::Draft)?;
        let (invoice, today) = (&self.books.invoices[&id], self.today);
        let reasons = self.keeps_books().into_iter().chain(self.refuses_issue(invoice));
        let step = Step::post(format!("invoices/{id}/issue/"), Json::Null).unless(reasons).when(invoice.deleted, 404, "");
        Some(step.then(move |books, _| issued(books, id, today)))
    }

    pub fn delete_invoice(&mut self) -> Option<Step> {
        let id = self.mostly(|invoice| invoice.state == State::Draft)?;
        Some(self.delete_this_invoice(id))
    }

    pub fn delete_this_invoice(&self, id: i64) -> Step {
        let invoice = &self.books.invoices[&id];
        let mut reasons = self.keeps_number(invoice);
        if !self.who.is_manager() {
            reasons.extend(super::step::OUTSIDER);
        }
        let step = Step::new("DELETE", format!("invoices/{id}/"), Json::Null).unless(reasons).when(invoice.deleted, 404, "");
        let step = step.when(invoice.state != State::Draft, 409, "immutable");
        step.then(move |books, _| books.invoices.get_mut(&id).expect("it").deleted = true)
    }

    pub fn void_invoice(&mut self) -> Option<Step> {
        let id = self.mostly(|invoice| invoice.state == State::Issued && (invoice.credit || invoice.allocated == 0))?;
        let (invoice, mut reasons) = (&self.books.invoices[&id], self.keeps_books());
        let date = self.today.max(invoice.date);
        let reversal = invoice.posting().reversed(date);
        if invoice.sums.total > 0 {
            reasons.extend(self.books.refuses(&reversal));
        }
        if !self.who.is_manager() && invoice.issued_on != Some(self.today) {
            reasons.push((403, ""));
        }
        let (has_entry, credit) = (invoice.sums.total > 0, invoice.credit);
        let step = Step::post(format!("invoices/{id}/void/"), json!({"reason": "a slip"})).unless(reasons).when(invoice.deleted, 404, "");
        let step = step.when(invoice.state != State::Issued, 409, "invalid_transition");
        Some(step.when(!credit && invoice.allocated > 0, 409, "has_allocations").then(move |books, _| {
            books.release(|source, _| credit && source == Side::Invoice(id));
            if has_entry {
                books.post(&reversal);
            }
            books.invoices.get_mut(&id).expect("it").state = State::Void;
        }))
    }

    pub fn duplicate_invoice(&mut self) -> Option<Step> {
        let id = self.mostly(|invoice| !invoice.credit)?;
        let invoice = self.books.invoices[&id].clone();
        let gone = self.books.parties[&invoice.party].deleted;
        let step = Step::post(format!("invoices/{id}/duplicate/"), Json::Null).unless(self.keeps_books()).when(invoice.deleted, 404, "");
        let (due, today) = (self.due(invoice.party, self.today), self.today);
        let step = step.when(invoice.credit, 409, "invalid_transition").when(gone, 400, "");
        Some(step.then(move |books, answer| {
            let mut copy =
                Invoice { number: None, date: today, due, state: State::Draft, allocated: 0, issued_on: None, quotation: None, ..invoice };
            set_ids(&mut copy.items, answer);
            books.invoices.insert(answer["id"].as_i64().expect("an id"), copy);
        }))
    }
}

/// A draft is issued.
pub fn issued(books: &mut Books, id: i64, today: Date) {
    let mut invoice = books.invoices[&id].clone();
    invoice.number = match invoice.number.take() {
        Some(number) => {
            if invoice.outgoing {
                books.use_number(invoice.series(), invoice.date, &number);
            }
            Some(number)
        }
        None if invoice.outgoing => Some(books.next_number(invoice.series(), invoice.date)),
        None => Some(format!("CN-{id}")),
    };
    invoice.state = State::Issued;
    invoice.issued_on = Some(today);
    if invoice.sums.total > 0 {
        books.post(&invoice.posting());
    }
    books.invoices.insert(id, invoice);
}
