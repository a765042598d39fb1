//! The cash book, entries by hand, and the lock of the books.

use jiff::civil::Date;
use serde_json::{Value as Json, json};
use studio::actor::Role;

use super::{
    books::{Books, Entry, Key, Kind, Posting, Reason, Transaction},
    step::{OUTSIDER, Scene, Step},
};

impl Scene<'_> {
    pub fn create_transaction(&mut self) -> Option<Step> {
        let agent = !self.who.keeps_books();
        let kind = self.chance.one(&[Kind::Income, Kind::Income, Kind::Expense, Kind::Transfer]);
        let mine = self.books.accounts.iter().find(|(_, account)| account.owner == Some(self.who.id)).map(|(id, _)| *id);
        let wanted = if self.chance.percent(75) { self.books.currency.clone() } else { self.books.foreign.clone() };
        let account = match mine {
            Some(mine) if agent && self.chance.percent(80) => mine,
            _ => self.some_account(&wanted)?,
        };
        let mut reasons = self.refuses_account(account, None);
        if self.who.role == Role::Customer || agent && Some(account) != mine {
            reasons.extend(OUTSIDER);
        }
        let currency = self.books.accounts.get(&account).map_or(wanted, |account| account.currency.clone());
        let amount = if self.chance.percent(2) { 0 } else { self.amount(&currency) };
        let charge = if self.chance.percent(12) { amount / 40 } else { 0 };
        let charge = if self.chance.percent(2) { -1 } else { charge };
        if amount <= 0 || charge < 0 || kind == Kind::Income && charge >= amount {
            reasons.push((400, ""));
        }
        let party = if agent || kind == Kind::Transfer || self.chance.percent(60) { None } else { self.some_party() };
        let party = party.map(|(id, why)| {
            reasons.extend(why);
            id
        });
        let date = self.day(10);
        let draft = self.chance.percent(20);
        let goal = (kind != Kind::Transfer && self.chance.percent(20)).then(|| self.goal()).flatten();
        if goal.is_some_and(|goal| kind != Kind::Income || self.books.goals[&goal].currency != currency) {
            reasons.push((400, ""));
        }
        let category = self.chance.one(&["training", "office", "miscellaneous"]);
        let mut body = json!({
            "account": account, "amount": Books::text(amount, &currency), "transaction_charge": Books::text(charge, &currency),
            "party": party, "date": date.to_string(), "state": if draft { "draft" } else { "posted" }, "goal": goal,
        });
        let (mut to, mut arrives) = (None, amount);
        match kind {
            Kind::Transfer => {
                body["type"] = "transfer".into();
                let target = self.account(None)?;
                let other = self.books.accounts[&target].currency.clone();
                to = Some((target, other.clone()));
                body["to_account"] = target.into();
                if target == account {
                    reasons.push((400, ""));
                }
                if other != currency {
                    arrives = self.amount(&other);
                    if self.chance.percent(90) {
                        body["to_amount"] = Books::text(arrives, &other).into();
                    } else {
                        reasons.push((400, ""));
                    }
                }
            }
            _ => {
                body["type"] = if kind == Kind::Income { "income" } else { "expense" }.into();
                let known = !self.chance.percent(2);
                body["category"] = if known { category } else { "no_such_thing" }.into();
                if !known {
                    reasons.push((400, ""));
                }
            }
        }
        let posting = posting(kind, account, &currency, (amount, charge), category, to.clone(), arrives, date);
        if !draft {
            reasons.extend(self.books.refuses(&posting));
        }
        let transaction = Transaction {
            kind,
            amount,
            currency,
            account,
            to_account: to.map(|(to, _)| to),
            party,
            goal,
            date,
            state: if draft { "draft" } else { "posted" },
            by: self.who.id,
            posting,
        };
        Some(Step::post("transactions/".into(), body).unless(reasons).then(move |books, answer| {
            let id = answer["id"].as_i64().expect("an id");
            if !draft {
                books.post(&transaction.posting);
            }
            books.transactions.insert(id, transaction);
            books.moved(goal.filter(|_| !draft), false);
        }))
    }

    fn transaction(&mut self, wanted: impl Fn(&Transaction) -> bool) -> Option<i64> {
        let any = self.chance.percent(7);
        self.chance.that(self.books.transactions.iter().filter(|(_, one)| any || wanted(one)).map(|(id, _)| *id))
    }

    pub fn change_transaction(&mut self) -> Option<Step> {
        let id = self.transaction(|one| one.state == "draft")?;
        let transaction = self.books.transactions[&id].clone();
        let reasons = self.keeps_books();
        let path = format!("transactions/{id}/");
        if transaction.state != "draft" {
            let body = json!({"amount": Books::text(transaction.amount + 5, &transaction.currency)});
            return Some(Step::new("PATCH", path, body).unless(reasons).when(true, 409, "immutable"));
        }
        let active = |id: Option<i64>| id.is_none_or(|id| self.books.accounts[&id].active);
        let inactive = !active(Some(transaction.account)) || !active(transaction.to_account);
        let step = Step::new("PATCH", path, json!({"state": "posted"})).unless(reasons).when(inactive, 400, "");
        let (refused, posting, goal) = (self.books.refuses(&transaction.posting), transaction.posting, transaction.goal);
        Some(step.unless(refused).then(move |books, _| {
            books.post(&posting);
            books.transactions.get_mut(&id).expect("it").state = "posted";
            books.moved(goal, false);
        }))
    }

    /// When something is taken back, if a day is named, and why not then.
    fn reversal(&mut self, posting: &Posting) -> (Option<Date>, Posting, Vec<Reason>) {
        let date = self.chance.percent(35).then(|| self.day(14));
        // What is dated later is not taken back before it was there.
        let reversal = posting.reversed(date.unwrap_or(self.today.max(posting.date)));
        let mut reasons = self.books.refuses(&reversal);
        if reversal.date < posting.date {
            reasons.push((400, ""));
        }
        (date, reversal, reasons)
    }

    /// Those who run the business take anything back, others what they entered themselves, on the same day.
    fn may_reverse(&self, by: i64, date: Date) -> bool {
        self.who.is_manager() || by == self.who.id && date == self.today
    }

    pub fn reverse_transaction(&mut self) -> Option<Step> {
        let id = self.transaction(|one| one.state == "posted")?;
        let transaction = self.books.transactions[&id].clone();
        let (date, mut reversal, mut refused) = self.reversal(&transaction.posting);
        let delete = self.chance.percent(30);
        if delete {
            reversal = transaction.posting.reversed(self.today.max(transaction.date));
            refused = self.books.refuses(&reversal);
        }
        let mut reasons = self.keeps_books();
        let goal = transaction.goal;
        if delete && transaction.state == "draft" {
            if !self.who.is_manager() && transaction.by != self.who.id {
                reasons.push((403, ""));
            }
            let step = Step::new("DELETE", format!("transactions/{id}/"), Json::Null).unless(reasons);
            return Some(step.then(move |books, _| drop(books.transactions.remove(&id))));
        }
        if !self.may_reverse(transaction.by, transaction.date) {
            reasons.push((403, ""));
        }
        let step = match delete {
            true => Step::new("DELETE", format!("transactions/{id}/"), Json::Null),
            false => {
                let mut body = json!({"reason": "a slip"});
                if let Some(date) = date {
                    body["date"] = date.to_string().into();
                }
                Step::post(format!("transactions/{id}/reverse/"), body)
            }
        };
        let step = step.unless(reasons).unless(refused).when(transaction.state == "reversed", 409, "already_reversed");
        Some(step.when(transaction.state == "draft", 409, "invalid_transition").then(move |books, _| {
            books.post(&reversal);
            books.transactions.get_mut(&id).expect("it").state = "reversed";
            books.moved(goal, true);
        }))
    }

    pub fn post_entry(&mut self) -> Option<Step> {
        let currency = self.books.currency.clone();
        let amount = self.amount(&currency);
        let chart = |((class, code), id): (&(&'static str, &str), &i64)| (Key::Chart(class, (*code).to_owned(), currency.clone()), *id);
        let mut places: Vec<(Key, i64)> = self.books.chart.iter().map(chart).collect();
        let money = self.books.accounts.iter().filter(|(_, account)| account.active && account.currency == currency);
        places.extend(money.map(|(id, _)| (Key::Money(*id), *id)));
        let (from, to) = (self.chance.below(places.len()), self.chance.below(places.len()));
        if from == to {
            return None;
        }
        let off = i64::from(self.chance.percent(5));
        let party = self.party();
        let (mut reasons, date) = (self.keeps_books(), self.day(5));
        let mut lines = vec![];
        let mut posted = vec![];
        for (place, amount) in [(to, amount), (from, -amount)] {
            let owed = matches!(&places[place].0, Key::Chart(_, code, _) if code == "1200");
            let named = party.filter(|_| owed && !self.chance.percent(5));
            if owed && named.is_none() {
                reasons.push((400, ""));
            }
            posted.push((places[place].0.clone(), named, amount));
            let wrong = if amount < 0 { off } else { 0 };
            lines.push(match self.chance.below(2) {
                0 => json!({"account": places[place].1, "party": named, "amount": Books::text(amount - wrong, &currency)}),
                _ if amount < 0 => json!({"account": places[place].1, "party": named, "credit": Books::text(wrong - amount, &currency)}),
                _ => json!({"account": places[place].1, "party": named, "debit": Books::text(amount, &currency)}),
            });
        }
        let posting = Posting { date, lines: posted };
        let refused = self.books.refuses(&posting);
        let body = json!({"memo": "by hand", "date": date.to_string(), "lines": lines});
        let by = self.who.id;
        let step = Step::post("journal/".into(), body).unless(reasons).unless(refused).when(off != 0, 400, "");
        Some(step.then(move |books, answer| {
            books.post(&posting);
            let entry = Entry { posting, by, reversed: false, is_reversal: false };
            books.entries.insert(answer["id"].as_i64().expect("an id"), entry);
        }))
    }

    pub fn reverse_entry(&mut self) -> Option<Step> {
        if self.chance.percent(12)
            && let Some((entry, voided)) =
                self.chance.that(self.books.payments.values().filter(|one| one.entry > 0).map(|one| (one.entry, one.void)))
        {
            let step =
                Step::post(format!("journal/{entry}/reverse/"), json!({})).unless(OUTSIDER.into_iter().filter(|_| !self.who.is_manager()));
            return Some(step.when(true, 409, "in_use").when(voided, 409, "already_reversed"));
        }
        let id = self.chance.that(self.books.entries.keys().copied())?;
        let entry = self.books.entries[&id].clone();
        let (date, reversal, refused) = self.reversal(&entry.posting);
        let mut body = json!({"reason": "a slip"});
        if let Some(date) = date {
            body["date"] = date.to_string().into();
        }
        let mut reasons = self.keeps_books();
        if !self.may_reverse(entry.by, entry.posting.date) {
            reasons.push((403, ""));
        }
        let step = Step::post(format!("journal/{id}/reverse/"), body).unless(reasons).unless(refused);
        let step = step.when(entry.reversed, 409, "already_reversed").when(entry.is_reversal, 409, "invalid_transition");
        let by = self.who.id;
        Some(step.then(move |books, answer| {
            books.post(&reversal);
            books.entries.get_mut(&id).expect("it").reversed = true;
            let entry = Entry { posting: reversal, by, reversed: false, is_reversal: true };
            books.entries.insert(answer["id"].as_i64().expect("an id"), entry);
        }))
    }

    pub fn lock_books(&mut self) -> Option<Step> {
        let until = (!self.chance.percent(10)).then(|| self.day(2));
        // Mostly not so far that nothing can be done any more.
        let until =
            until.map(|until| if self.chance.percent(70) { until.checked_sub(jiff::Span::new().days(8)).expect("a day") } else { until });
        let reason = if self.chance.percent(70) { "the auditor asks" } else { "" };
        let backward = until < self.books.lock;
        let step = Step::post("lock/".into(), json!({"until": until.map(|until| until.to_string()), "reason": reason}));
        let step = step.when(!self.who.is_manager(), 403, "").when(backward && self.who.role != Role::Admin, 403, "");
        let step = step.when(backward && reason.is_empty(), 400, "").when(until.is_some_and(|until| until > self.today), 400, "");
        Some(step.then(move |books, _| books.lock = until))
    }
}

#[allow(clippy::too_many_arguments)]
fn posting(
    kind: Kind,
    account: i64,
    currency: &str,
    (amount, charge): (i64, i64),
    category: &str,
    to: Option<(i64, String)>,
    arrives: i64,
    date: Date,
) -> Posting {
    let chart = |class, code: &str, currency: &str| Key::Chart(class, code.to_owned(), currency.to_owned());
    let mut lines = vec![(chart("expense", "5900", currency), None, charge)];
    match (kind, to) {
        (Kind::Income, _) => {
            lines.extend([(Key::Money(account), None, amount - charge), (chart("income", category, currency), None, -amount)])
        }
        (Kind::Expense, _) => {
            lines.extend([(Key::Money(account), None, -amount - charge), (chart("expense", category, currency), None, amount)])
        }
        (Kind::Transfer, to) => {
            let (to, other) = to.expect("a transfer goes somewhere");
            lines.extend([(Key::Money(to), None, arrives), (Key::Money(account), None, -amount - charge)]);
            if other != currency {
                lines.extend([(chart("equity", "3900", currency), None, amount), (chart("equity", "3900", &other), None, -arrives)]);
            }
        }
    }
    Posting { date, lines }
}
