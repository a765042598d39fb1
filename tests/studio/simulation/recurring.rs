//! What is invoiced again and again: set up, run by hand and by night, paused, passed over.

use jiff::{ToSpan, civil::Date};
use serde_json::{Value as Json, json};

use super::{
    books::{Books, Invoice, Item, Reason, Recurring, State},
    invoices::{compute, issued, items_json, off_json},
    step::{OUTSIDER, Scene, Step},
    world::World,
};

impl Recurring {
    fn following(&self, day: Date) -> Date {
        match self.frequency {
            "daily" => day.checked_add(self.interval.days()).expect("a day"),
            "weekly" => day.checked_add((7 * self.interval).days()).expect("a day"),
            _ => {
                let month = day.first_of_month().checked_add(self.interval.months()).expect("a month");
                let last = month.last_of_month().day();
                month.with().day(self.anchor.min(last)).build().expect("a day")
            }
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| self.next > end) || self.most.is_some_and(|most| self.runs >= most)
    }

    /// Goes on to the next day.
    fn go_on(&mut self) {
        self.next = self.following(self.next);
        if self.is_over() {
            self.status = "ended";
        }
    }
}

impl Books {
    /// What forbids the next invoice.
    fn refuses_run(&self, recurring: &Recurring, today: Date) -> Vec<Reason> {
        if recurring.issues { self.is_locked(recurring.next.min(today)) } else { vec![] }
    }

    /// The next invoice of a recurring one is made.
    fn run(&mut self, id: i64, invoice: i64, today: Date) {
        let mut recurring = self.recurring[&id].clone();
        let date = recurring.next.min(today);
        let terms = self.parties.get(&recurring.party).and_then(|party| party.terms).unwrap_or(self.due_days);
        let items: Vec<Item> = recurring.items.iter().map(|item| Item { id: 0, ..item.clone() }).collect();
        let sums = compute(&items, recurring.off, recurring.inclusive, &recurring.currency, self).expect("what was set up");
        let made = Invoice {
            party: recurring.party,
            outgoing: recurring.outgoing,
            credit: false,
            corrects: None,
            number: None,
            date,
            due: date.checked_add(terms.days()).expect("a day"),
            currency: recurring.currency.clone(),
            inclusive: recurring.inclusive,
            off: recurring.off,
            items,
            sums,
            state: State::Draft,
            allocated: 0,
            issued_on: None,
            quotation: None,
            deleted: false,
        };
        self.invoices.insert(invoice, made);
        if recurring.issues {
            issued(self, invoice, today);
        }
        recurring.runs += 1;
        recurring.go_on();
        self.recurring.insert(id, recurring);
    }

    /// The night's work was done: all that was due is invoiced, each day once, in whatever order. How many were made?
    pub fn ran(&mut self, world: &World, today: Date) -> usize {
        let newest = self.invoices.keys().last().copied().unwrap_or_default();
        let sql = "SELECT id, recurring_id, run_on FROM invoices WHERE business_id = ?1 AND id > ?2 ORDER BY id";
        let args = [self.business.into(), newest.into()];
        let made: Vec<(i64, i64, String)> = world
            .app
            .db
            .read(|reader| reader.rows(sql, &args, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))))
            .expect("the invoices of the night");
        for (invoice, id, day) in &made {
            let recurring = &self.recurring[id];
            assert!(recurring.status == "active" && !recurring.deleted && recurring.next <= today, "{id} is not due: {recurring:?}");
            assert_eq!((recurring.next.to_string(), self.refuses_run(recurring, today)), (day.clone(), vec![]), "{id}");
            self.run(*id, *invoice, today);
        }
        let due = |one: &&Recurring| one.status == "active" && !one.deleted && one.next <= today && self.refuses_run(one, today).is_empty();
        let left: Vec<&Recurring> = self.recurring.values().filter(due).collect();
        assert!(left.is_empty(), "not run: {left:?}");
        made.len()
    }
}

impl Scene<'_> {
    fn recurring(&mut self, wanted: impl Fn(&Recurring) -> bool) -> Option<i64> {
        let any = self.chance.percent(7);
        self.chance.that(self.books.recurring.iter().filter(|(_, one)| any || !one.deleted && wanted(one)).map(|(id, _)| *id))
    }

    pub fn create_recurring(&mut self) -> Option<Step> {
        let (party, mut reasons) = self.some_party()?;
        reasons.extend(self.keeps_books());
        let outgoing = self.chance.percent(75);
        let theirs = self.books.parties.get(&party).and_then(|party| party.currency.clone());
        let currency = theirs.unwrap_or_else(|| self.books.currency.clone());
        let (items, off) = (self.items(&currency, outgoing), self.off(&currency));
        let (frequency, interval) = self.chance.one(&[("daily", 4), ("daily", 6), ("weekly", 1), ("monthly", 1), ("monthly", 2)]);
        let next = self.day(15);
        let mut recurring = Recurring {
            party,
            outgoing,
            inclusive: self.books.inclusive,
            off,
            items,
            frequency,
            interval,
            anchor: next.day(),
            next,
            end: self.chance.percent(25).then(|| self.day(40)),
            most: self.chance.percent(25).then(|| self.chance.between(1, 3)),
            runs: 0,
            issues: self.chance.percent(if outgoing { 60 } else { 5 }),
            status: "active",
            deleted: false,
            currency,
        };
        if recurring.is_over() {
            recurring.status = "ended";
        }
        if compute(&recurring.items, off, recurring.inclusive, &recurring.currency, self.books).is_none() || recurring.issues && !outgoing {
            reasons.push((400, ""));
        }
        let (kind, value) = off_json(off, &recurring.currency);
        let body = json!({
            "name": "Rent", "party": party, "direction": if outgoing { "outgoing" } else { "incoming" }, "discount_type": kind,
            "discount_value": value, "frequency": frequency, "interval": interval, "next_run_on": next.to_string(),
            "end_on": recurring.end.map(|end| end.to_string()), "max_runs": recurring.most, "auto_issue": recurring.issues,
            "items": items_json(&recurring.items, self.books, &recurring.currency),
        });
        Some(Step::post("recurring-invoices/".into(), body).unless(reasons).then(move |books, answer| {
            books.recurring.insert(answer["id"].as_i64().expect("an id"), recurring);
        }))
    }

    /// Makes the next invoice now.
    pub fn run_recurring(&mut self) -> Option<Step> {
        let id = self.recurring(|one| one.status == "active")?;
        let recurring = &self.books.recurring[&id];
        let step = Step::post(format!("recurring-invoices/{id}/run-now/"), Json::Null).unless(self.keeps_books());
        let step = step.when(recurring.deleted, 404, "").when(recurring.status == "ended", 409, "invalid_transition");
        let gone = self.books.parties[&recurring.party].deleted;
        let (step, today) = (step.unless(self.books.refuses_run(recurring, self.today)).when(gone, 400, ""), self.today);
        Some(step.then(move |books, answer| books.run(id, answer["id"].as_i64().expect("an id"), today)))
    }

    /// Passes over a day, pauses, goes on.
    pub fn steer_recurring(&mut self) -> Option<Step> {
        let (action, from): (&str, &'static [&'static str]) =
            self.chance.one(&[("skip", &["active", "paused"] as &[_]), ("pause", &["active"]), ("resume", &["paused"])]);
        let id = self.recurring(|one| from.contains(&one.status))?;
        let (recurring, today) = (&self.books.recurring[&id], self.today);
        let step = Step::post(format!("recurring-invoices/{id}/{action}/"), Json::Null).unless(self.keeps_books());
        let step = step.when(recurring.deleted, 404, "").when(!from.contains(&recurring.status), 409, "invalid_transition");
        Some(step.then(move |books, _| {
            let recurring = books.recurring.get_mut(&id).expect("it");
            match action {
                "skip" => recurring.go_on(),
                "pause" => recurring.status = "paused",
                _ => {
                    while recurring.next < today {
                        recurring.next = recurring.following(recurring.next);
                    }
                    let is_over = recurring.end.is_some_and(|end| recurring.next > end);
                    recurring.status = if is_over { "ended" } else { "active" };
                }
            }
        }))
    }

    pub fn delete_recurring(&mut self) -> Option<Step> {
        let id = self.recurring(|_| true)?;
        let step = Step::new("DELETE", format!("recurring-invoices/{id}/"), Json::Null);
        let step = step.when(self.books.recurring[&id].deleted, 404, "");
        let step = step.unless(OUTSIDER.into_iter().filter(|_| !self.who.is_manager()));
        Some(step.then(move |books, _| books.recurring.get_mut(&id).expect("it").deleted = true))
    }
}
