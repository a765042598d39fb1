//! Quotations: offered, answered, invoiced.

use serde_json::{Value as Json, json};

use super::{
    books::{Books, Invoice, Item, Quotation, Reason, State},
    invoices::{compute, items_json, off_json},
    step::{OUTSIDER, Scene, Step},
    sums::{Off, Sums},
};

impl Quotation {
    /// What it comes to; `None` when its discounts are more than there is. Without items it comes to what it came to.
    pub fn sums(&self, books: &Books) -> Option<Sums> {
        if self.items.is_empty() {
            let total = self.sums.total;
            return Some(Sums { lines: vec![], subtotal: total, tax: 0, total });
        }
        compute(&self.items, self.off, self.inclusive, &self.currency, books)
    }
}

/// What is so once a quotation is changed: it is worked out again.
fn changed(books: &mut Books, id: i64, change: impl FnOnce(&mut Quotation)) {
    let mut quotation = books.quotations[&id].clone();
    change(&mut quotation);
    quotation.sums = quotation.sums(books).expect("what was allowed");
    books.quotations.insert(id, quotation);
}

impl Scene<'_> {
    fn quotation(&mut self, wanted: impl Fn(&Quotation) -> bool) -> Option<i64> {
        let any = self.chance.percent(7);
        self.chance.that(self.books.quotations.iter().filter(|(_, one)| any || !one.deleted && wanted(one)).map(|(id, _)| *id))
    }

    /// Why somebody does nothing with a quotation.
    fn reaches(&self, quotation: &Quotation) -> Vec<Reason> {
        let mut reasons = self.keeps_books();
        if quotation.deleted {
            reasons.push((404, ""));
        }
        reasons
    }

    fn is_over(&self, quotation: &Quotation) -> bool {
        quotation.until.is_some_and(|until| until < self.today)
    }

    pub fn create_quotation(&mut self) -> Option<Step> {
        let (party, mut reasons) = self.some_party()?;
        reasons.extend(self.keeps_books());
        let theirs = self.books.parties.get(&party).and_then(|party| party.currency.clone());
        let currency = theirs.unwrap_or_else(|| self.books.currency.clone());
        let (items, off) = (self.items(&currency, true), self.off(&currency));
        let issued = self.day(3);
        let until = self.chance.percent(40).then(|| self.day(25));
        let number = self.chance.percent(15).then(|| self.books.upcoming("quotation", issued, self.chance.between(0, 1)));
        let state = self.chance.one(&["draft", "draft", "draft", "sent", "sent", "accepted"]);
        let mut quotation = Quotation {
            party,
            number: number.clone().unwrap_or_default(),
            inclusive: self.books.inclusive,
            off,
            items,
            sums: Sums::default(),
            state,
            issued,
            until,
            deleted: false,
            currency,
        };
        match quotation.sums(self.books) {
            Some(sums) => quotation.sums = sums,
            None => reasons.push((400, "")),
        }
        if until.is_some_and(|until| until < issued) || number.as_ref().is_some_and(|number| self.books.is_taken("quotation", number)) {
            reasons.push((400, ""));
        }
        if state == "accepted" && self.is_over(&quotation) {
            reasons.push((409, "expired"));
        }
        let (kind, value) = off_json(off, &quotation.currency);
        let body = json!({
            "party": party, "quote_number": number, "issued_date": issued.to_string(), "valid_until": until.map(|until| until.to_string()),
            "status": state, "discount_type": kind, "discount_value": value,
            "items": items_json(&quotation.items, self.books, &quotation.currency),
        });
        Some(Step::post("quotations/".into(), body).unless(reasons).then(move |books, answer| {
            if quotation.number.is_empty() {
                quotation.number = books.next_number("quotation", issued);
            }
            books.quotations.insert(answer["id"].as_i64().expect("an id"), quotation);
        }))
    }

    pub fn change_quotation(&mut self) -> Option<Step> {
        let id = self.quotation(|one| !one.is_closed())?;
        let mut quotation = self.books.quotations[&id].clone();
        let mut reasons = self.reaches(&quotation);
        quotation.items = self.items(&quotation.currency, true);
        if quotation.is_closed() {
            reasons.push((409, "immutable"));
        } else if quotation.sums(self.books).is_none() {
            reasons.push((400, ""));
        }
        let items = quotation.items;
        let body = json!({"items": items_json(&items, self.books, &quotation.currency)});
        let step = Step::new("PATCH", format!("quotations/{id}/"), body).unless(reasons);
        Some(step.then(move |books, _| changed(books, id, |quotation| quotation.items = items)))
    }

    pub fn add_quotation_item(&mut self) -> Option<Step> {
        let id = self.quotation(|one| !one.is_closed())?;
        let mut quotation = self.books.quotations[&id].clone();
        let mut reasons = self.keeps_books();
        let item = self.items(&quotation.currency, true).remove(0);
        let mut body = items_json(std::slice::from_ref(&item), self.books, &quotation.currency)[0].clone();
        body["quotation"] = id.into();
        if quotation.deleted {
            reasons.extend([(404, ""), (400, "")]);
        }
        if quotation.is_closed() {
            reasons.push((409, "immutable"));
        }
        // Each is worked out alone, and then all of them.
        let alone = compute(std::slice::from_ref(&item), Off::Nothing, quotation.inclusive, &quotation.currency, self.books);
        quotation.items.push(item.clone());
        if alone.is_none() || quotation.sums(self.books).is_none() {
            reasons.push((400, ""));
        }
        let step = Step::post("quotation-items/".into(), body).unless(reasons);
        Some(step.then(move |books, _| changed(books, id, |quotation| quotation.items.push(item))))
    }

    pub fn remove_quotation_item(&mut self) -> Option<Step> {
        let id = self.quotation(|one| !one.is_closed() && !one.items.is_empty())?;
        let mut quotation = self.books.quotations[&id].clone();
        let item = self.chance.of(&quotation.items)?.id;
        let mut reasons = self.keeps_books();
        if quotation.deleted {
            reasons.extend([(404, ""), (400, "")]);
        }
        if quotation.is_closed() {
            reasons.push((409, "immutable"));
        }
        quotation.items.retain(|one| one.id != item);
        // What is left may be less than what is taken off the whole.
        if quotation.sums(self.books).is_none() {
            reasons.push((400, ""));
        }
        let step = Step::new("DELETE", format!("quotation-items/{item}/"), Json::Null).unless(reasons);
        Some(step.then(move |books, _| changed(books, id, |quotation| quotation.items.retain(|one| one.id != item))))
    }

    /// Takes a quotation to where its party wants it, or back.
    pub fn answer_quotation(&mut self) -> Option<Step> {
        let id = self.quotation(|one| !one.is_closed())?;
        let quotation = self.books.quotations[&id].clone();
        let to = self.chance.one(&["accepted", "accepted", "accepted", "rejected", "sent", "draft"]);
        let by_name = to == "accepted" && self.chance.percent(60);
        let mut reasons = self.reaches(&quotation);
        match (quotation.state, to) {
            ("accepted", "accepted") if by_name => reasons.push((400, "already_accepted")),
            (was, to) if was == to => {}
            ("accepted", _) | ("rejected", "accepted") => reasons.push((409, "invalid_transition")),
            (_, "accepted") if self.is_over(&quotation) => reasons.push((409, "expired")),
            _ => {}
        }
        let step = match by_name {
            true => Step::post(format!("quotations/{id}/accept/"), Json::Null),
            false => Step::new("PATCH", format!("quotations/{id}/"), json!({"status": to})),
        };
        let moves = quotation.state != to || !quotation.is_closed();
        Some(step.unless(reasons).then(move |books, _| {
            if moves {
                changed(books, id, |quotation| quotation.state = to);
            }
        }))
    }

    pub fn send_quotation(&mut self) -> Option<Step> {
        let has_email =
            |scene: &Self, one: &Quotation| scene.books.parties.get(&one.party).is_some_and(|party| party.has_email && !party.deleted);
        let with: Vec<i64> = self.books.quotations.iter().filter(|(_, one)| has_email(self, one)).map(|(id, _)| *id).collect();
        let id = self.quotation(|one| !one.is_closed()).filter(|_| self.chance.percent(15)).or_else(|| self.chance.of(&with).copied())?;
        let quotation = self.books.quotations[&id].clone();
        let step = Step::post(format!("quotations/{id}/send/"), Json::Null).unless(self.reaches(&quotation));
        let step = step.when(quotation.is_closed(), 409, "invalid_transition").when(self.is_over(&quotation), 409, "expired");
        let step = step.when(!has_email(self, &quotation), 409, "no_address");
        Some(step.then(move |books, _| {
            if books.quotations[&id].state == "draft" {
                changed(books, id, |quotation| quotation.state = "sent");
            }
        }))
    }

    pub fn invoice_quotation(&mut self) -> Option<Step> {
        let id = self.quotation(|one| one.state == "accepted")?;
        let quotation = self.books.quotations[&id].clone();
        let is_there = self.invoiced(id);
        let step = Step::post(format!("quotations/{id}/create-invoice/"), Json::Null).unless(self.reaches(&quotation));
        let step = step.when(quotation.state != "accepted", 400, "not_accepted");
        let step = step.when(!is_there && self.books.parties[&quotation.party].deleted, 400, "");
        let (date, due) = (self.today, self.due(quotation.party, self.today));
        Some(step.then(move |books, answer| {
            if is_there {
                return;
            }
            let unit = 10_i64.pow(6 - Books::exponent(&quotation.currency));
            let whole = Item { id: 0, quantity: 10_000, price: quotation.sums.total * unit, off: Off::Nothing, rate: None, account: None };
            let (items, off) = match quotation.items.is_empty() {
                true => (vec![whole], Off::Nothing),
                false => (quotation.items.iter().map(|item| Item { id: 0, ..item.clone() }).collect(), quotation.off),
            };
            let sums = compute(&items, off, quotation.inclusive, &quotation.currency, books).expect("what was offered");
            let invoice = Invoice {
                party: quotation.party,
                outgoing: true,
                credit: false,
                corrects: None,
                number: None,
                date,
                due,
                currency: quotation.currency,
                inclusive: quotation.inclusive,
                off,
                items,
                sums,
                state: State::Draft,
                allocated: 0,
                issued_on: None,
                quotation: Some(id),
                deleted: false,
            };
            books.invoices.insert(answer["invoice_id"].as_i64().expect("an id"), invoice);
        }))
    }

    /// Is there an invoice of a quotation?
    pub fn invoiced(&self, quotation: i64) -> bool {
        self.books.invoices.values().any(|invoice| invoice.quotation == Some(quotation) && !invoice.deleted)
    }

    pub fn delete_quotation(&mut self) -> Option<Step> {
        let id = self.quotation(|one| one.state != "accepted")?;
        Some(self.delete_this_quotation(id))
    }

    pub fn delete_this_quotation(&self, id: i64) -> Step {
        let quotation = &self.books.quotations[&id];
        let step = Step::new("DELETE", format!("quotations/{id}/"), Json::Null).when(quotation.deleted, 404, "");
        let step = step.when(self.invoiced(id), 409, "in_use").when(quotation.state == "accepted", 409, "immutable");
        let step = step.unless(OUTSIDER.into_iter().filter(|_| !self.who.is_manager()));
        step.then(move |books, _| books.quotations.get_mut(&id).expect("it").deleted = true)
    }
}
