//! Parties and places for money: made, merged, switched off, deleted.

use serde_json::{Value as Json, json};

use super::{
    books::{Account, Books, Key, Party, Posting, Reason, State},
    step::{OUTSIDER, Scene, Step},
};

impl Scene<'_> {
    pub fn create_party(&mut self) -> Option<Step> {
        let currency = self.chance.percent(25).then(|| self.books.foreign.clone());
        let terms = self.chance.percent(40).then(|| self.chance.between(0, 40));
        let email = self.chance.percent(40).then(|| format!("p{}@example.com", self.chance.below(1_000_000_000)));
        let has_email = email.is_some();
        let body = json!({"name": "Somebody", "email": email, "currency": currency, "payment_terms_days": terms});
        // Agents make parties, which are nobody else's business here.
        if self.who.role == studio::actor::Role::Agent {
            return None;
        }
        Some(Step::post("parties/".into(), body).unless(self.keeps_books()).then(move |books, answer| {
            // Left out, it is that of the business.
            let currency = currency.or_else(|| Some(books.currency.clone()));
            books.parties.insert(answer["id"].as_i64().expect("an id"), Party { currency, terms, has_email, deleted: false });
        }))
    }

    /// Why a party cannot be deleted; when it becomes part of another, its drafts go there.
    fn keeps_party(&self, id: i64, merges: bool) -> Vec<Reason> {
        let books = self.books;
        let owes = !books.is_even(id);
        let paid = |one: &super::books::Requisition| one.status == "approved" && one.approved > Some(one.paid);
        let asked = books.requisitions.values().filter(|one| one.party == Some(id) && !one.deleted);
        let asked = asked.filter(|one| paid(one) || !merges && matches!(one.status, "draft" | "pending")).count() > 0;
        let drafted = books.invoices.values().any(|one| one.party == id && one.state == State::Draft && !one.deleted)
            || books.transactions.values().any(|one| one.party == Some(id) && one.state == "draft");
        let open = |one: &super::books::Quotation| one.party == id && !one.deleted && matches!(one.state, "draft" | "sent");
        let offered = books.quotations.values().any(open) || books.recurring.values().any(|one| one.party == id && !one.deleted);
        if owes || asked || (drafted || offered) && !merges { vec![(409, "in_use")] } else { vec![] }
    }

    pub fn delete_party(&mut self) -> Option<Step> {
        let even: Vec<i64> =
            self.books.parties.iter().filter(|(id, one)| !one.deleted && self.books.is_even(**id)).map(|(id, _)| *id).collect();
        let id =
            if self.chance.percent(60) { self.chance.of(&even).copied()? } else { self.chance.that(self.books.parties.keys().copied())? };
        Some(self.delete_this_party(id))
    }

    pub fn delete_this_party(&self, id: i64) -> Step {
        let step = Step::new("DELETE", format!("parties/{id}/"), Json::Null).unless(self.keeps_party(id, false));
        let step = step.when(self.books.parties[&id].deleted, 404, "");
        let step = step.unless(OUTSIDER.into_iter().filter(|_| !self.who.is_manager()));
        step.then(move |books, _| books.parties.get_mut(&id).expect("it").deleted = true)
    }

    pub fn merge_parties(&mut self) -> Option<Step> {
        let even = |(id, one): &(&i64, &Party)| !one.deleted && self.books.is_even(**id);
        let even: Vec<i64> = self.books.parties.iter().filter(even).map(|(id, _)| *id).collect();
        let from =
            if self.chance.percent(80) { self.chance.of(&even).copied()? } else { self.chance.that(self.books.parties.keys().copied())? };
        let into = self.party()?;
        let mut reasons = self.keeps_party(from, true);
        if !self.who.is_manager() {
            reasons.extend(OUTSIDER);
        }
        if self.books.parties[&from].deleted {
            reasons.push((404, ""));
        }
        if into == from {
            reasons.push((400, ""));
        }
        // Two bills of one supplier do not have the same number.
        let bill = |invoice: &&super::books::Invoice| !invoice.outgoing && !invoice.credit && !invoice.deleted && invoice.number.is_some();
        let bills: Vec<&super::books::Invoice> = self.books.invoices.values().filter(bill).collect();
        let moves = |one: &&&super::books::Invoice| one.party == from && one.state == State::Draft;
        if bills.iter().filter(moves).any(|one| bills.iter().any(|other| other.party == into && other.number == one.number)) {
            reasons.push((409, "duplicate"));
        }
        let step = Step::post("parties/merge/".into(), json!({"into": into.to_string(), "from": [from.to_string()]})).unless(reasons);
        Some(step.then(move |books, _| {
            let gone = books.parties.get_mut(&from).expect("it");
            gone.deleted = true;
            let (terms, has_email) = (gone.terms, gone.has_email);
            let stays = books.parties.get_mut(&into).expect("it");
            stays.terms = stays.terms.or(terms);
            stays.has_email |= has_email;
            for one in books.quotations.values_mut().filter(|one| one.party == from && matches!(one.state, "draft" | "sent")) {
                one.party = into;
            }
            books.recurring.values_mut().filter(|one| one.party == from).for_each(|one| one.party = into);
            for invoice in books.invoices.values_mut().filter(|one| one.party == from && one.state == State::Draft && !one.deleted) {
                invoice.party = into;
            }
            for transaction in books.transactions.values_mut().filter(|one| one.party == Some(from) && one.state == "draft") {
                transaction.party = Some(into);
            }
            let asked = books.requisitions.values_mut().filter(|one| one.party == Some(from) && !one.deleted);
            asked.filter(|one| matches!(one.status, "draft" | "pending")).for_each(|one| one.party = Some(into));
        }))
    }

    pub fn create_account(&mut self) -> Option<Step> {
        let currency = if self.chance.percent(60) { self.books.currency.clone() } else { self.books.foreign.clone() };
        let kind = self.chance.one(&["cash", "bank", "mobile_money"]);
        let opening = if self.chance.percent(70) { self.amount(&currency) } else { 0 };
        let opening = if self.chance.percent(10) { -opening } else { opening };
        let date = self.day(3);
        let body = json!({
            "name": format!("Place {}", self.chance.below(100_000_000)), "type": kind, "currency": currency,
            "opening_balance": Books::text(opening, &currency), "opening_date": date.to_string(),
        });
        let step = Step::post("accounts/".into(), body).unless(self.keeps_books());
        let equity = Key::Chart("equity", "3000".into(), currency.clone());
        let posting = move |id| Posting { date, lines: vec![(Key::Money(id), None, opening), (equity.clone(), None, -opening)] };
        let refused = self.books.is_locked(date);
        let step = step.unless(refused.into_iter().filter(|_| opening != 0)).when(opening < 0 && kind != "bank", 409, "insufficient_funds");
        Some(step.then(move |books, answer| {
            let id = answer["id"].as_i64().expect("an id");
            let account = Account { currency, cash: kind == "cash", allow_negative: kind == "bank", active: true, owner: None };
            books.accounts.insert(id, account);
            if opening != 0 {
                books.post(&posting(id));
            }
        }))
    }

    /// Switches a place for money off, or on again.
    pub fn switch_account(&mut self) -> Option<Step> {
        let id = self.chance.that(self.books.accounts.iter().filter(|(_, one)| one.owner.is_none()).map(|(id, _)| *id))?;
        let active = !self.books.accounts[&id].active || self.chance.percent(40);
        let step = Step::new("PATCH", format!("accounts/{id}/"), json!({"is_active": active}));
        let step = step.unless(OUTSIDER.into_iter().filter(|_| !self.who.is_manager()));
        Some(step.then(move |books, _| books.accounts.get_mut(&id).expect("it").active = active))
    }

    pub fn delete_account(&mut self) -> Option<Step> {
        let id = self.chance.that(self.books.accounts.iter().filter(|(_, one)| one.owner.is_none()).map(|(id, _)| *id))?;
        let key = Key::Money(id);
        // Used is what anything was ever posted to, also when it came to nothing again.
        let used = self.books.balances.keys().any(|(other, _)| *other == key)
            || self.books.transactions.values().any(|one| one.account == id || one.to_account == Some(id));
        let step = Step::new("DELETE", format!("accounts/{id}/"), Json::Null).when(used, 409, "in_use");
        let step = step.unless(OUTSIDER.into_iter().filter(|_| self.who.role != studio::actor::Role::Admin));
        Some(step.then(move |books, _| {
            let account = books.accounts.remove(&id).expect("it");
            books.closed.insert(id, account);
        }))
    }
}
