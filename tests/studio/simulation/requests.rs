//! Requisitions, from asking to paying, and goals with their milestones.

use serde_json::{Value as Json, json};
use studio::actor::Role;

use super::{
    books::{Books, Reason, Requisition},
    payments::{Asked, Settles},
    step::{OUTSIDER, Scene, Step},
};

impl Scene<'_> {
    pub fn create_requisition(&mut self) -> Option<Step> {
        let currency = if self.chance.percent(85) { self.books.currency.clone() } else { self.books.foreign.clone() };
        let party = (self.who.keeps_books() && self.chance.percent(35)).then(|| self.some_party()).flatten();
        let (party, mut reasons) = party.map_or((None, vec![]), |(id, why)| (Some(id), why));
        let amount = if self.chance.percent(4) { 0 } else { self.amount(&currency) };
        if amount <= 0 {
            reasons.push((400, ""));
        }
        if self.who.role == Role::Customer {
            reasons.extend(OUTSIDER);
        }
        let draft = self.chance.percent(35);
        let category = self.chance.one(&["operations", "office"]);
        let body = json!({
            "purpose": "what is needed", "amount": Books::text(amount, &currency), "currency": currency, "party": party, "draft": draft,
            "category": category,
        });
        let (by, today) = (self.who.id, self.today);
        Some(Step::post("requisitions/".into(), body).unless(reasons).then(move |books, answer| {
            let requisition = Requisition {
                number: books.next_number("requisition", today),
                by,
                party,
                currency,
                category,
                amount,
                items: vec![],
                status: if draft { "draft" } else { "pending" },
                approved: None,
                paid: 0,
                deleted: false,
            };
            books.requisitions.insert(answer["id"].as_i64().expect("an id"), requisition);
        }))
    }

    fn requisition(&mut self, wanted: impl Fn(&Requisition) -> bool) -> Option<i64> {
        let any = self.chance.percent(7);
        self.chance.that(self.books.requisitions.iter().filter(|(_, one)| any || !one.deleted && wanted(one)).map(|(id, _)| *id))
    }

    /// Reasons against whoever does not see a requisition: those who do not keep the books see their own.
    pub fn sees(&self, requisition: &Requisition) -> Vec<Reason> {
        let sees = self.who.keeps_books() || requisition.by == self.who.id && self.who.role != Role::Customer;
        if requisition.deleted || !sees { OUTSIDER.to_vec() } else { vec![] }
    }

    /// Asks for a decision, once more, or not any more; adds an item; asks for another amount.
    pub fn ask(&mut self) -> Option<Step> {
        let (action, from): (&str, &'static [&'static str]) = self.chance.one(&[
            ("submit", &["draft"] as &[_]),
            ("resubmit", &["rejected"] as &[_]),
            ("cancel", &["draft", "pending", "approved"] as &[_]),
            ("add_item", &["draft", "pending"] as &[_]),
            ("change", &["draft", "pending"] as &[_]),
        ]);
        let me = self.who.id;
        let id = self.requisition(|one| from.contains(&one.status) && one.by == me)?;
        let requisition = self.books.requisitions[&id].clone();
        let mine = requisition.by == me;
        let mut reasons = self.sees(&requisition);
        let may = if action == "cancel" && requisition.status == "approved" { self.who.is_manager() } else { mine };
        if !may {
            reasons.push((403, ""));
        }
        if !from.contains(&requisition.status) {
            reasons.push((409, if matches!(action, "add_item" | "change") { "immutable" } else { "invalid_transition" }));
        }
        let (path, currency) = (format!("requisitions/{id}/{action}/"), requisition.currency.clone());
        match action {
            "add_item" => {
                let amount = self.amount(&currency);
                let body = json!({"particular": "cement", "unit_cost": Books::text(amount, &currency)});
                return Some(Step::post(path, body).unless(reasons).then(move |books, answer| {
                    let requisition = books.requisitions.get_mut(&id).expect("it");
                    let item = answer["items"].as_array().and_then(|items| items.last()?["id"].as_i64()).expect("an item");
                    requisition.items.push((item, amount));
                    requisition.amount = requisition.items.iter().map(|(_, amount)| amount).sum();
                }));
            }
            "change" => {
                let amount = self.amount(&currency);
                // With items, it is what these come to, which may be said.
                if !requisition.items.is_empty() && amount != requisition.amount {
                    reasons.push((400, ""));
                }
                if amount == requisition.amount {
                    return None;
                }
                let body = json!({"amount": Books::text(amount, &currency)});
                return Some(Step::new("PATCH", format!("requisitions/{id}/"), body).unless(reasons).then(move |books, _| {
                    books.requisitions.get_mut(&id).expect("it").amount = amount;
                }));
            }
            "cancel" if requisition.status == "approved" && requisition.paid > 0 => reasons.push((409, "in_use")),
            _ => {}
        }
        let to = if action == "cancel" { "cancelled" } else { "pending" };
        Some(Step::post(path, Json::Null).unless(reasons).then(move |books, _| {
            books.requisitions.get_mut(&id).expect("it").status = to;
        }))
    }

    /// Takes an item off; with the last one, the amount stays.
    pub fn remove_requisition_item(&mut self) -> Option<Step> {
        let me = self.who.id;
        let id = self.requisition(|one| !one.items.is_empty() && one.by == me && matches!(one.status, "draft" | "pending"))?;
        let requisition = self.books.requisitions[&id].clone();
        let (item, _) = if self.chance.percent(90) { self.chance.of(&requisition.items).copied()? } else { (1, 0) };
        let mut reasons = self.sees(&requisition);
        if requisition.by != me {
            reasons.push((403, ""));
        }
        let step = Step::new("DELETE", format!("requisitions/{id}/items/{item}/"), Json::Null).unless(reasons);
        let step = step.when(!matches!(requisition.status, "draft" | "pending"), 409, "immutable");
        let is_there = requisition.items.iter().any(|(one, _)| *one == item);
        Some(step.when(!is_there, 404, "").then(move |books, _| {
            let requisition = books.requisitions.get_mut(&id).expect("it");
            requisition.items.retain(|(one, _)| *one != item);
            if !requisition.items.is_empty() {
                requisition.amount = requisition.items.iter().map(|(_, amount)| amount).sum();
            }
        }))
    }

    /// Approves or rejects.
    pub fn decide(&mut self) -> Option<Step> {
        let me = self.who.id;
        let id = self.requisition(|one| one.status == "pending" && one.by != me)?;
        let requisition = self.books.requisitions[&id].clone();
        let mut reasons = self.sees(&requisition);
        let above = self.books.limit.is_some_and(|limit| requisition.currency != self.books.currency || requisition.amount > limit);
        if !self.who.is_manager() || above && self.who.role != Role::Admin {
            reasons.push((403, ""));
        }
        if requisition.status != "pending" {
            reasons.push((409, "invalid_transition"));
        }
        if requisition.by == me && !self.books.self_approval {
            reasons.push((409, "self_approval"));
        }
        if self.chance.percent(25) {
            let step = Step::post(format!("requisitions/{id}/reject/"), json!({"comment": "not now"})).unless(reasons);
            return Some(step.then(move |books, _| books.requisitions.get_mut(&id).expect("it").status = "rejected"));
        }
        let part = self.chance.percent(40).then(|| self.amount(&requisition.currency));
        if part.is_some_and(|part| part > requisition.amount) {
            reasons.push((400, ""));
        }
        let mut body = json!({});
        if let Some(part) = part {
            body["approved_amount"] = Books::text(part, &requisition.currency).into();
        }
        let step = Step::post(format!("requisitions/{id}/approve/"), body).unless(reasons);
        Some(step.then(move |books, _| {
            let requisition = books.requisitions.get_mut(&id).expect("it");
            requisition.status = "approved";
            requisition.approved = Some(part.unwrap_or(requisition.amount));
        }))
    }

    pub fn pay_requisition(&mut self) -> Option<Step> {
        let me = self.who.id;
        let id = self.requisition(|one| one.status == "approved" && one.by != me && one.approved > Some(one.paid))?;
        let requisition = self.books.requisitions[&id].clone();
        let left = requisition.approved.unwrap_or_default() - requisition.paid;
        let currency = requisition.currency.clone();
        let part = self.chance.percent(50).then(|| self.amount(&currency));
        let part = if self.chance.percent(60) { part.map(|part| part.min(left).max(1)) } else { part };
        let account = self.some_account(&currency)?;
        let mut reasons = self.sees(&requisition);
        reasons.extend(self.keeps_books());
        if requisition.status != "approved" {
            reasons.push((409, "not_open"));
        }
        if part.is_none() && left <= 0 {
            reasons.push((409, "nothing_left"));
        }
        if requisition.by == me && !self.books.self_approval {
            reasons.push((409, "self_approval"));
        }
        let amount = part.unwrap_or(left);
        if amount > left {
            reasons.push((409, "exceeds_approved_amount"));
        }
        // Perhaps a bill of theirs at once.
        let bill = requisition.party.filter(|_| self.chance.percent(50));
        let bill = bill.and_then(|party| self.books.open_of(party, &currency, false).first().copied());
        let mut body = json!({"account": account});
        if let Some(part) = part {
            body["amount"] = Books::text(part, &currency).into();
        }
        if let Some((bill, _)) = bill {
            body["invoice"] = bill.into();
        }
        let step = Step::post(format!("requisitions/{id}/pay/"), body).unless(reasons);
        let asked = Asked {
            incoming: false,
            party: requisition.party,
            category: if requisition.party.is_some() { None } else { Some(requisition.category) },
            account: Some(account),
            of: Some(currency),
            amount,
            charge: 0,
            date: self.today,
            settles: bill.map_or(Settles::Nothing, |(bill, _)| Settles::Invoice(bill)),
            keeps_excess: false,
            requisition: Some(id),
            goal: None,
            client_ref: None,
        };
        Some(self.pays(step, asked))
    }

    pub fn delete_requisition(&mut self) -> Option<Step> {
        let id = self.requisition(|one| one.status != "approved")?;
        Some(self.delete_this_requisition(id))
    }

    pub fn delete_this_requisition(&self, id: i64) -> Step {
        let requisition = &self.books.requisitions[&id];
        let mut reasons = self.sees(requisition);
        if !self.who.is_manager() {
            reasons.push((403, ""));
        }
        let step = Step::new("DELETE", format!("requisitions/{id}/"), Json::Null).unless(reasons);
        let step = step.when(requisition.status == "approved", 409, "immutable");
        step.then(move |books, _| books.requisitions.get_mut(&id).expect("it").deleted = true)
    }
}
