//! Taking a record back to an entry of its history: what it was right after that is remembered here with the entry.

use serde_json::json;

use super::{
    books::{Books, Goal, Invoice, Item, Quotation, Requisition, State},
    invoices::compute,
    step::{OUTSIDER, Scene, Step},
    world::World,
};

/// What of a record can be taken back, as it was.
#[derive(Debug, Clone)]
pub enum Was {
    /// Whether a place for money was in use.
    Account(bool),
    /// What a goal asked for, and whether it was laid aside.
    Goal(i64, bool),
    Invoice(Box<Invoice>),
    /// The goal that a payment served.
    Payment(Option<i64>),
    Quotation(Box<Quotation>),
    /// The party of what recurs. How far it has come is not taken back.
    Recurring(i64),
    Requisition(Box<Requisition>),
    /// How far a transaction had come, its party, and the goal that it served.
    Transaction(&'static str, Option<i64>, Option<i64>),
    /// The percentage of a rate.
    Rate(i64),
}

impl Was {
    /// What stands in an entry of a table about a record now.
    fn now(books: &Books, table: &str, id: i64) -> Option<(&'static str, Self)> {
        Some(match table {
            "accounts" => ("accounts", Self::Account(books.accounts.get(&id).filter(|one| one.owner.is_none())?.active)),
            "goals" => {
                let goal = books.goals.get(&id)?;
                ("goals", Self::Goal(goal.target, goal.archived))
            }
            "invoices" => ("invoices", Self::Invoice(Box::new(books.invoices.get(&id)?.clone()))),
            "payments" => ("payments", Self::Payment(books.payments.get(&id)?.goal)),
            "quotations" => ("quotations", Self::Quotation(Box::new(books.quotations.get(&id)?.clone()))),
            "recurring_invoices" => ("recurring-invoices", Self::Recurring(books.recurring.get(&id)?.party)),
            "requisitions" => ("requisitions", Self::Requisition(Box::new(books.requisitions.get(&id)?.clone()))),
            "transactions" => {
                let transaction = books.transactions.get(&id)?;
                ("transactions", Self::Transaction(transaction.state, transaction.party, transaction.goal))
            }
            "tax_rates" => ("tax-rates", Self::Rate(books.rates.iter().find(|(rate, _)| *rate == id)?.1)),
            _ => return None,
        })
    }
}

impl Books {
    /// Remembers what was changed, with the entries of the audit log that say so. Between those of one step nothing is known.
    pub fn remember(&mut self, world: &World) {
        let sql = "SELECT max(id), target_type, target_id FROM audit_log WHERE business_id = ?1 AND id > ?2
                   GROUP BY target_type, target_id ORDER BY 1";
        let read = |reader: &studio::db::Reader<'_>| {
            reader.rows(sql, &[self.business.into(), self.seen.into()], |row| {
                Ok((row.get::<i64>(0)?, row.get::<String>(1)?, row.get::<Option<i64>>(2)?))
            })
        };
        for (entry, table, id) in world.app.db.read(read).expect("entries") {
            self.seen = self.seen.max(entry);
            if let Some((path, was)) = id.and_then(|id| Was::now(self, &table, id)) {
                self.past.entry((path, id.unwrap_or_default())).or_default().push((entry, was));
            }
        }
    }
}

fn ids(items: &[Item]) -> Vec<i64> {
    items.iter().map(|item| item.id).collect()
}

/// What was removed comes back as something new.
fn back(items: &[Item], now: &[Item]) -> Vec<Item> {
    let known = ids(now);
    items.iter().map(|item| Item { id: if known.contains(&item.id) { item.id } else { 0 }, ..item.clone() }).collect()
}

impl Scene<'_> {
    pub fn revert(&mut self) -> Option<Step> {
        let kind = self.chance.one(&[
            "invoices",
            "invoices",
            "invoices",
            "quotations",
            "quotations",
            "requisitions",
            "requisitions",
            "recurring-invoices",
            "payments",
            "transactions",
            "goals",
            "accounts",
            "tax-rates",
        ]);
        // Mostly one that was changed, and mostly not to what it is.
        let (least, drafts) = (if self.chance.percent(85) { 2 } else { 1 }, self.chance.percent(85));
        let is_wanted = |id: i64| kind != "invoices" || !drafts || self.books.invoices[&id].state == State::Draft;
        let known = self.books.past.iter().filter(|((path, id), was)| *path == kind && was.len() >= least && is_wanted(*id));
        let ((_, id), past) = self.chance.that(known)?;
        let past = &past[..past.len() - usize::from(least == 2)];
        let (entry, was) = self.chance.of(past)?.clone();
        let step = Step::post(format!("{kind}/{id}/revert/"), json!({"to": entry}));
        let id = *id;
        match was {
            Was::Account(active) => {
                let step = step.unless(OUTSIDER.into_iter().filter(|_| !self.who.is_manager()));
                let step = step.when(!self.books.accounts.contains_key(&id), 404, "");
                Some(step.then(move |books, _| books.accounts.get_mut(&id).expect("it").active = active))
            }
            Was::Goal(target, archived) => {
                let goal: &Goal = &self.books.goals[&id];
                let further = self.books.milestones.values().any(|one| one.goal == id && one.deleted.is_none() && one.amount > target);
                let step = step.unless(self.keeps_books()).when(goal.deleted.is_some(), 404, "");
                let step = step.when(further && target != goal.target, 400, "");
                Some(step.then(move |books, _| {
                    let goal = books.goals.get_mut(&id).expect("it");
                    (goal.target, goal.archived) = (target, archived);
                }))
            }
            Was::Rate(percent) => {
                let index = self.books.rates.iter().position(|(rate, _)| *rate == id)?;
                let step = step.unless(OUTSIDER.into_iter().filter(|_| !self.who.is_manager()));
                let step = step.when(self.rate_is_used(index) && percent != self.books.rates[index].1, 409, "immutable");
                Some(step.then(move |books, _| books.rates[index].1 = percent))
            }
            Was::Invoice(was) => self.revert_invoice(id, &was, step),
            Was::Payment(goal) => {
                let changes = self.books.payments[&id].goal != goal;
                let gone = goal.is_some_and(|goal| self.books.goals[&goal].deleted.is_some());
                let step = step.unless(self.keeps_books()).when(changes && gone, 400, "");
                Some(step.then(move |books, _| {
                    books.payments.get_mut(&id).expect("it").goal = goal;
                    if changes && goal.is_some() {
                        books.moved(goal, false);
                    }
                }))
            }
            Was::Quotation(was) => Some(self.revert_quotation(id, &was, step)),
            Was::Recurring(party) => {
                let now = &self.books.recurring[&id];
                let moves = now.party != party;
                let step = step.unless(self.keeps_books()).when(now.deleted, 404, "");
                let step = step.when(moves && self.books.parties[&party].deleted, 400, "");
                Some(step.then(move |books, _| books.recurring.get_mut(&id).expect("it").party = party))
            }
            Was::Requisition(was) => Some(self.revert_requisition(id, &was, step)),
            Was::Transaction(state, party, goal) => {
                let now = &self.books.transactions[&id];
                let active = |id: Option<i64>| id.is_none_or(|id| self.books.accounts.get(&id).is_some_and(|account| account.active));
                let moves = now.party != party;
                let gone = moves && party.is_some_and(|party| self.books.parties[&party].deleted);
                let gone = gone || now.goal != goal && goal.is_some_and(|goal| self.books.goals[&goal].deleted.is_some());
                let step = step.unless(self.keeps_books()).when(gone, 400, "");
                let step = step.when(now.state != "draft" && (state != now.state || moves), 409, "immutable");
                // What is a draft is looked at as a whole again.
                let inactive = !active(Some(now.account)) || !active(now.to_account);
                let step = step.when(now.state == "draft" && inactive, 400, "");
                Some(step.then(move |books, _| {
                    let transaction = books.transactions.get_mut(&id).expect("it");
                    (transaction.party, transaction.goal) = (party, goal);
                    let serves = goal.filter(|_| transaction.state == "posted");
                    books.moved(serves, false);
                }))
            }
        }
    }

    fn revert_quotation(&self, id: i64, was: &Quotation, step: Step) -> Step {
        let now = &self.books.quotations[&id];
        let moves = was.party != now.party;
        let differs = moves || ids(&was.items) != ids(&now.items) || now.items.is_empty() && was.sums.total != now.sums.total;
        let step = step.unless(self.keeps_books()).when(now.deleted, 404, "");
        let step = step.when(differs && now.is_closed(), 409, "immutable").when(moves && self.books.parties[&was.party].deleted, 400, "");
        if !differs {
            return step;
        }
        let mut quotation = Quotation { party: was.party, items: back(&was.items, &now.items), sums: was.sums.clone(), ..now.clone() };
        let sums = quotation.sums(self.books);
        let step = step.when(sums.is_none(), 400, "");
        step.then(move |books, _| {
            quotation.sums = sums.expect("what was allowed");
            books.quotations.insert(id, quotation);
        })
    }

    fn revert_requisition(&self, id: i64, was: &Requisition, step: Step) -> Step {
        let now = &self.books.requisitions[&id];
        let items = |one: &Requisition| one.items.iter().map(|(item, _)| *item).collect::<Vec<_>>();
        let moves = was.party != now.party;
        let differs = items(was) != items(now) || was.amount != now.amount || moves;
        let step = step.unless(self.sees(now)).when(differs && now.by != self.who.id, 403, "");
        let step = step.when(differs && !matches!(now.status, "draft" | "pending"), 409, "immutable");
        let step = step.when(moves && was.party.is_some_and(|party| self.books.parties[&party].deleted), 400, "");
        let known = items(now);
        let back = was.items.iter().map(|(item, amount)| (if known.contains(item) { *item } else { 0 }, *amount)).collect();
        let (amount, party) = (was.amount, was.party);
        step.then(move |books, _| {
            let requisition = books.requisitions.get_mut(&id).expect("it");
            (requisition.items, requisition.amount, requisition.party) = (back, amount, party);
        })
    }

    fn revert_invoice(&self, id: i64, was: &Invoice, step: Step) -> Option<Step> {
        let now = &self.books.invoices[&id];
        if now.credit {
            return None;
        }
        let step = step.unless(self.keeps_books()).when(now.deleted, 404, "");
        let (due, moves) = (was.due, was.party != now.party);
        let differs = was.number != now.number || moves || ids(&was.items) != ids(&now.items);
        if now.state != State::Draft {
            let step = step.when(differs, 409, "immutable").when(moves && self.books.parties[&was.party].deleted, 400, "");
            return Some(step.then(move |books, _| books.invoices.get_mut(&id).expect("it").due = due));
        }
        let mut invoice = now.clone();
        (invoice.party, invoice.number, invoice.due) = (was.party, was.number.clone(), due);
        let mut reasons = vec![];
        if ids(&was.items) != ids(&now.items) {
            invoice.items = back(&was.items, &now.items);
            match compute(&invoice.items, invoice.off, invoice.inclusive, &invoice.currency, self.books) {
                Some(sums) => invoice.sums = sums,
                None => reasons.push((400, "")),
            }
        }
        if was.number != now.number {
            reasons.extend(self.keeps_number(now));
        }
        if differs {
            reasons.extend(self.refuses_number(invoice.number.as_deref(), Some(id), invoice.outgoing, invoice.party));
        }
        if moves && self.books.parties[&was.party].deleted {
            reasons.push((400, ""));
        }
        Some(step.unless(reasons).then(move |books, _| drop(books.invoices.insert(id, invoice))))
    }
}
