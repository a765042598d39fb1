//! Credit notes: for all of an invoice or for parts, on bad debts, and what they settle.

use serde_json::json;

use super::{
    books::{Books, Invoice, Item, Reason, Side, State},
    invoices::{compute, decimal, issued},
    step::{Scene, Step},
    sums::{self, Off, Sums},
};

impl Scene<'_> {
    /// A credit note of these items for an invoice.
    fn credit(&self, step: Step, id: i64, items: Vec<Item>, off: Off) -> Step {
        let invoice = &self.books.invoices[&id];
        let mut reasons = self.keeps_books();
        if invoice.deleted {
            reasons.push((404, ""));
        }
        if invoice.state != State::Issued || invoice.credit {
            reasons.push((409, "invalid_transition"));
        }
        if self.books.parties[&invoice.party].deleted {
            reasons.push((400, ""));
        }
        let mut note = Invoice {
            credit: true,
            corrects: Some(id),
            number: None,
            date: self.today,
            due: self.due(invoice.party, self.today),
            off,
            sums: Sums::default(),
            state: State::Draft,
            allocated: 0,
            issued_on: None,
            quotation: None,
            items,
            ..invoice.clone()
        };
        reasons.extend(self.books.is_locked(self.today));
        match compute(&note.items, off, note.inclusive, &note.currency, self.books) {
            Some(sums) => note.sums = sums,
            None => reasons.push((400, "")),
        }
        let credited = self.books.invoices.values().filter(|other| other.corrects == Some(id) && other.state == State::Issued);
        if credited.map(|other| other.sums.total).sum::<i64>() + note.sums.total > invoice.sums.total {
            reasons.push((409, "exceeds_open_amount"));
        }
        let (amount, today) = (note.sums.total.min(invoice.open()), self.today);
        step.unless(reasons).then(move |books, answer| {
            let made = answer["id"].as_i64().expect("an id");
            books.invoices.insert(made, note);
            issued(books, made, today);
            books.allocate(Side::Invoice(made), Side::Invoice(id), amount);
        })
    }

    pub fn credit_invoice(&mut self) -> Option<Step> {
        let id = self.mostly(|invoice| invoice.state == State::Issued && !invoice.credit)?;
        let invoice = self.books.invoices[&id].clone();
        let path = format!("invoices/{id}/credit-note/");
        if self.chance.percent(40) {
            let step = Step::post(path, json!({"full": true, "reason": "as agreed"}));
            return Some(self.credit(step, id, invoice.items, invoice.off));
        }
        let mut lines = vec![];
        let mut items = vec![];
        let mut wrong = vec![];
        for (index, item) in invoice.items.iter().enumerate() {
            if !self.chance.percent(60) {
                continue;
            }
            let quantity = match self.chance.below(10) {
                0 => item.quantity + 1,
                1..6 => (item.quantity / 2).max(1),
                _ => item.quantity,
            };
            if quantity > item.quantity {
                wrong.push((400, ""));
            }
            let off = invoice.sums.lines.get(index).map_or(0, |line| line.off);
            let off = sums::round(i128::from(off) * i128::from(quantity), item.quantity.into());
            // Of a part, never more than the part is.
            let gross = i128::from(quantity) * i128::from(item.price) * 10_i128.pow(Books::exponent(&invoice.currency));
            let off = off.min(sums::round(gross, 10_i128.pow(10)));
            items.push(Item { quantity, off: Off::Fixed(i64::try_from(off).expect("small")), ..item.clone() });
            lines.push(json!({"item": item.id, "quantity": decimal(quantity, 4)}));
        }
        if lines.is_empty() {
            wrong.push((400, ""));
        }
        let step = Step::post(path, json!({"lines": lines})).unless(wrong);
        Some(self.credit(step, id, items, Off::Nothing))
    }

    pub fn write_off(&mut self) -> Option<Step> {
        let id = self.mostly(|invoice| invoice.state == State::Issued && !invoice.credit && invoice.outgoing && invoice.open() > 0)?;
        let invoice = self.books.invoices[&id].clone();
        let unit = 10_i64.pow(6 - Books::exponent(&invoice.currency));
        let item = Item {
            id: 0,
            quantity: 10_000,
            price: invoice.open().max(0) * unit,
            off: Off::Nothing,
            rate: None,
            account: Some(("expense", "5950")),
        };
        let step = Step::post(format!("invoices/{id}/write-off/"), json!({"reason": "will not come"}));
        let step = step.when(!self.who.is_manager(), 403, "").when(!invoice.outgoing, 409, "invalid_transition");
        let step = step.when(invoice.open() <= 0, 409, "nothing_open");
        Some(self.credit(step, id, vec![item], Off::Nothing))
    }

    pub fn allocate_credit(&mut self) -> Option<Step> {
        let id = self.mostly(|invoice| invoice.credit && invoice.state == State::Issued && invoice.open() > 0)?;
        let note = self.books.invoices[&id].clone();
        let mine = |other: &Invoice| other.party == note.party && other.outgoing == note.outgoing && other.currency == note.currency;
        let target = self.mostly(|other| mine(other) && !other.credit && other.state == State::Issued && other.open() > 0)?;
        let amount = self.chance.percent(50).then(|| self.amount(&note.currency));
        let mut reasons = self.keeps_books();
        if note.deleted {
            reasons.push((404, ""));
        }
        if !note.credit || note.state != State::Issued {
            reasons.push((409, "invalid_transition"));
        }
        if note.open() <= 0 {
            reasons.push((409, "nothing_left"));
        }
        let (share, more) = self.share(target, note.party, &note.currency, note.outgoing, amount, note.open());
        reasons.extend(more);
        let mut body = json!({"invoice": target});
        if let Some(amount) = amount {
            body["amount"] = Books::text(amount, &note.currency).into();
        }
        let step = Step::post(format!("invoices/{id}/allocate/"), body).unless(reasons);
        Some(step.then(move |books, _| books.allocate(Side::Invoice(id), Side::Invoice(target), share)))
    }

    /// What goes to an invoice that money or a credit is meant for, and why nothing does.
    pub fn share(&self, target: i64, party: i64, currency: &str, outgoing: bool, amount: Option<i64>, rest: i64) -> (i64, Vec<Reason>) {
        let Some(invoice) = self.books.invoices.get(&target).filter(|invoice| !invoice.deleted) else { return (0, vec![(400, "")]) };
        let mut reasons = vec![];
        if invoice.credit || (invoice.party, invoice.currency.as_str(), invoice.outgoing) != (party, currency, outgoing) {
            reasons.push((400, ""));
        }
        if invoice.state != State::Issued {
            reasons.push((409, "not_open"));
        }
        match amount {
            Some(amount) if amount > invoice.open() || amount > rest => reasons.push((400, "")),
            None if invoice.open().min(rest) <= 0 => reasons.push((409, "nothing_open")),
            _ => {}
        }
        (amount.unwrap_or(rest.min(invoice.open())), reasons)
    }

    pub fn unallocate_credit(&mut self) -> Option<Step> {
        let made = self.books.allocations.keys().filter_map(|(source, target)| match (source, target) {
            (Side::Invoice(note), Side::Invoice(target)) => Some((*note, *target)),
            _ => None,
        });
        let (id, mut target) = self.chance.that(made)?;
        if self.chance.percent(10) {
            target = self.chance.that(self.books.invoices.keys().copied())?;
        }
        let (pair, mut reasons) = ((Side::Invoice(id), Side::Invoice(target)), self.keeps_books());
        if !self.books.allocations.contains_key(&pair) {
            reasons.extend([(409, "not_allocated"), (400, "")]);
        }
        let step = Step::post(format!("invoices/{id}/unallocate/"), json!({"invoice": target})).unless(reasons);
        Some(step.then(move |books, _| books.release(|source, target| (source, target) == pair)))
    }
}
