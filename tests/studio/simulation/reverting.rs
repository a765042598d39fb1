//! Taking a record back to an entry of its history: what it was right after that is remembered here with the entry.

use serde_json::json;

use super::{
    books::{Books, Goal, Invoice, State},
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

fn ids(invoice: &Invoice) -> Vec<i64> {
    invoice.items.iter().map(|item| item.id).collect()
}

impl Scene<'_> {
    pub fn revert(&mut self) -> Option<Step> {
        let kind = self.chance.one(&["invoices", "invoices", "invoices", "goals", "accounts", "tax-rates"]);
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
        }
    }

    fn revert_invoice(&self, id: i64, was: &Invoice, step: Step) -> Option<Step> {
        let now = &self.books.invoices[&id];
        if now.credit {
            return None;
        }
        let step = step.unless(self.keeps_books()).when(now.deleted, 404, "");
        let (due, moves) = (was.due, was.party != now.party);
        let differs = was.number != now.number || moves || ids(was) != ids(now);
        if now.state != State::Draft {
            let step = step.when(differs, 409, "immutable").when(moves && self.books.parties[&was.party].deleted, 400, "");
            return Some(step.then(move |books, _| books.invoices.get_mut(&id).expect("it").due = due));
        }
        let mut invoice = now.clone();
        (invoice.party, invoice.number, invoice.due) = (was.party, was.number.clone(), due);
        let mut reasons = vec![];
        if ids(was) != ids(now) {
            // What was removed comes back as something new.
            let known = ids(now);
            invoice.items = was.items.clone();
            invoice.items.iter_mut().filter(|item| !known.contains(&item.id)).for_each(|item| item.id = 0);
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
