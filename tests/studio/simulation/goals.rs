//! Goals and their milestones, and the money that serves them.

use serde_json::{Value as Json, json};

use super::{
    books::{Books, Goal, Milestone},
    payments::{Asked, Settles},
    step::{OUTSIDER, Scene, Step},
};

impl Scene<'_> {
    /// A goal that was not deleted.
    pub fn goal(&mut self) -> Option<i64> {
        self.chance.that(self.books.goals.iter().filter(|(_, goal)| goal.deleted.is_none()).map(|(id, _)| *id))
    }

    pub fn create_goal(&mut self) -> Option<Step> {
        let currency = if self.chance.percent(80) { self.books.currency.clone() } else { self.books.foreign.clone() };
        let target = self.amount(&currency) * 3;
        let due = self.today.checked_add(jiff::Span::new().days(60)).expect("a day");
        let body =
            json!({"title": "A roof", "target_amount": Books::text(target, &currency), "currency": currency, "due_date": due.to_string()});
        Some(Step::post("goals/".into(), body).unless(self.keeps_books()).then(move |books, answer| {
            let goal = Goal { currency, target, archived: false, deleted: None };
            books.goals.insert(answer["id"].as_i64().expect("an id"), goal);
        }))
    }

    pub fn create_milestone(&mut self) -> Option<Step> {
        let goal = self.goal()?;
        let Goal { currency, target, .. } = &self.books.goals[&goal];
        let amount = if self.chance.percent(8) { target + 1 } else { self.chance.between(1, *target) };
        let there = self.books.milestones.values().any(|one| one.goal == goal && one.amount == amount && one.deleted.is_none());
        let body = json!({"goal": goal, "amount": Books::text(amount, currency), "label": "on the way"});
        let step = Step::post("goal-milestones/".into(), body).unless(self.keeps_books()).when(there || amount > *target, 400, "");
        Some(step.then(move |books, answer| {
            books.milestones.insert(answer["id"].as_i64().expect("an id"), Milestone { goal, amount, reached: false, deleted: None });
            books.moved(Some(goal), false);
        }))
    }

    /// Receives money for a goal.
    pub fn pay_goal(&mut self) -> Option<Step> {
        let goal = self.goal()?;
        let currency = self.books.goals[&goal].currency.clone();
        let (amount, account) = (self.amount(&currency), self.some_account(&currency)?);
        let party = if self.chance.percent(40) { self.some_party() } else { None };
        let (party, reasons) = party.map_or((None, vec![]), |(id, why)| (Some(id), why));
        let body = json!({"amount": Books::text(amount, &currency), "account": account, "party": party});
        let step = Step::post(format!("goals/{goal}/add_payment/"), body).unless(self.keeps_books()).unless(reasons);
        let asked = Asked {
            incoming: true,
            party,
            category: if party.is_some() { None } else { Some("miscellaneous") },
            account: Some(account),
            of: Some(currency),
            amount,
            charge: 0,
            date: self.today,
            settles: Settles::Nothing,
            keeps_excess: false,
            requisition: None,
            goal: Some(goal),
            client_ref: None,
        };
        Some(self.pays(step, asked))
    }

    /// Has income serve a goal.
    pub fn link_transaction(&mut self) -> Option<Step> {
        let goal = self.goal()?;
        let id = self.chance.that(self.books.transactions.keys().copied())?;
        let transaction = &self.books.transactions[&id];
        let fits = transaction.kind == super::books::Kind::Income && transaction.currency == self.books.goals[&goal].currency;
        let changes = transaction.goal != Some(goal);
        let step = Step::post(format!("goals/{goal}/link_transaction/"), json!({"transaction_id": id})).unless(self.keeps_books());
        let inactive = transaction.state == "draft" && !self.books.accounts[&transaction.account].active;
        let step = step.when(transaction.goal.is_some() && changes, 409, "already_linked").when(changes && !fits, 400, "");
        Some(step.when(inactive, 400, "").then(move |books, _| {
            let transaction = books.transactions.get_mut(&id).expect("it");
            transaction.goal = Some(goal);
            let posted = transaction.state == "posted";
            books.moved(Some(goal).filter(|_| posted), false);
        }))
    }

    /// Asks for more or for less, lays it aside, takes it up again.
    pub fn change_goal(&mut self) -> Option<Step> {
        let any = self.chance.percent(5);
        let id = if any { self.chance.that(self.books.goals.keys().copied())? } else { self.goal()? };
        let goal = &self.books.goals[&id];
        let mut reasons = self.keeps_books();
        if goal.deleted.is_some() {
            reasons.push((404, ""));
        }
        if self.chance.percent(50) {
            let aside = if self.chance.percent(80) { !goal.archived } else { goal.archived };
            let step = Step::post(format!("goals/{id}/{}/", if aside { "archive" } else { "unarchive" }), Json::Null).unless(reasons);
            let step = step.when(goal.archived == aside, 409, "invalid_transition");
            return Some(step.then(move |books, _| books.goals.get_mut(&id).expect("it").archived = aside));
        }
        let currency = goal.currency.clone();
        let target = self.amount(&currency) * 2;
        let further = |one: &Milestone| one.goal == id && one.deleted.is_none() && one.amount > target;
        let further = self.books.milestones.values().any(further);
        let step = Step::new("PATCH", format!("goals/{id}/"), json!({"target_amount": Books::text(target, &currency)})).unless(reasons);
        Some(step.when(further, 400, "").then(move |books, _| books.goals.get_mut(&id).expect("it").target = target))
    }

    /// Deletes a goal with its milestones, unless money serves it.
    pub fn delete_goal(&mut self) -> Option<Step> {
        let id = self.chance.that(self.books.goals.keys().copied())?;
        let served = self.books.payments.values().any(|one| one.goal == Some(id))
            || self.books.transactions.values().any(|one| one.goal == Some(id));
        let step = Step::new("DELETE", format!("goals/{id}/"), Json::Null).when(served, 409, "in_use");
        let step = step.when(self.books.goals[&id].deleted.is_some(), 404, "");
        let (step, now) = (step.unless(OUTSIDER.into_iter().filter(|_| !self.who.is_manager())), self.now);
        Some(step.then(move |books, _| {
            books.goals.get_mut(&id).expect("it").deleted = Some(now);
            let its = books.milestones.values_mut().filter(|one| one.goal == id && one.deleted.is_none());
            its.for_each(|one| one.deleted = Some(now));
        }))
    }

    pub fn delete_milestone(&mut self) -> Option<Step> {
        let id = self.chance.that(self.books.milestones.keys().copied())?;
        let step = Step::new("DELETE", format!("goal-milestones/{id}/"), Json::Null);
        let step = step.when(self.books.milestones[&id].deleted.is_some(), 404, "");
        let (step, now) = (step.unless(OUTSIDER.into_iter().filter(|_| !self.who.is_manager())), self.now);
        Some(step.then(move |books, _| books.milestones.get_mut(&id).expect("it").deleted = Some(now)))
    }
}
