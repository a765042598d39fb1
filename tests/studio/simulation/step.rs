//! A step of a story: what somebody asks for, whether it should be done, and what is so afterwards.

use jiff::{Timestamp, civil::Date};
use serde_json::{Value as Json, json};

use super::{
    books::{Books, Reason},
    chance::Chance,
    world::{Call, Person},
};

/// What a step is made from.
pub struct Scene<'a> {
    pub books: &'a Books,
    pub chance: &'a mut Chance,
    pub who: &'a Person,
    /// The day where the business is.
    pub today: Date,
    pub now: Timestamp,
    /// What there is in the other business, and not in this one: ids of invoices, parties, accounts, payments.
    pub elsewhere: [Option<i64>; 4],
}

pub struct Step {
    pub call: Call,
    /// Why it should be refused, any of which may be said; none: it should be done.
    pub reasons: Vec<Reason>,
    pub done: Done,
}

/// What is so afterwards, given what was answered.
pub type Done = Box<dyn FnOnce(&mut Books, &Json)>;

impl Step {
    pub fn new(method: &'static str, path: String, body: Json) -> Self {
        Self { call: Call { method, path, body }, reasons: vec![], done: Box::new(|_, _| {}) }
    }
    pub fn post(path: String, body: Json) -> Self {
        Self::new("POST", path, body)
    }
    pub fn unless(mut self, reasons: impl IntoIterator<Item = Reason>) -> Self {
        self.reasons.extend(reasons);
        self
    }
    pub fn when(self, wrong: bool, status: u16, code: &'static str) -> Self {
        self.unless(wrong.then_some((status, code)))
    }
    pub fn then(mut self, done: impl FnOnce(&mut Books, &Json) + 'static) -> Self {
        self.done = Box::new(done);
        self
    }
}

/// What those who do not keep the books are told.
pub const OUTSIDER: [Reason; 3] = [(403, ""), (404, ""), (400, "")];

impl Scene<'_> {
    /// Reasons against whoever does not keep the books.
    pub fn keeps_books(&self) -> Vec<Reason> {
        if self.who.keeps_books() { vec![] } else { OUTSIDER.to_vec() }
    }

    /// Mostly a small amount, in minor units.
    pub fn amount(&mut self, currency: &str) -> i64 {
        let unit = 10_i64.pow(Books::exponent(currency));
        match self.chance.below(10) {
            0 => self.chance.between(1, 9),
            1..=5 => self.chance.between(1, 40) * 10 * unit,
            _ => self.chance.between(1, 200 * unit),
        }
    }

    /// Mostly today, else some day not far.
    pub fn day(&mut self, furthest: i64) -> Date {
        if self.chance.percent(65) {
            return self.today;
        }
        let days = self.chance.between(-12, furthest);
        self.today.checked_add(jiff::Span::new().days(days)).expect("a day")
    }

    /// One call for many rows: each step is one of them, and stands or falls alone unless it is all or nothing. The rows must not hang
    /// on each other. `may`: this person may do so to any.
    pub fn many(&mut self, path: &str, rows: Vec<(Json, Step)>, may: bool) -> Option<Step> {
        if rows.is_empty() {
            return None;
        }
        let atomic = self.chance.percent(40);
        let member = if path.ends_with("create") { "items" } else { "ids" };
        let body = json!({member: rows.iter().map(|(row, _)| row.clone()).collect::<Vec<_>>()});
        let step = Step::post(format!("{path}/?atomic={atomic}"), body).when(!may, 403, "");
        let refused = rows.iter().any(|(_, row)| !row.reasons.is_empty());
        Some(step.when(may && atomic && refused, 400, "").then(move |books, answer| {
            let results = answer["results"].as_array().expect("what became of each");
            assert_eq!(results.len(), rows.len(), "{answer}");
            for ((_, row), result) in rows.into_iter().zip(results) {
                if row.reasons.is_empty() {
                    assert_eq!(result["ok"], json!(true), "{:?}: {result}", row.call);
                    (row.done)(books, result);
                } else {
                    let said = |(status, code): &Reason| {
                        result["status"] == json!(status) && (code.is_empty() || result["errors"]["code"] == json!(code))
                    };
                    assert!(row.reasons.iter().any(said), "{:?} should be refused for {:?}: {result}", row.call, row.reasons);
                }
            }
        }))
    }

    /// A live party.
    pub fn party(&mut self) -> Option<i64> {
        self.chance.that(self.books.parties.iter().filter(|(_, party)| !party.deleted).map(|(id, _)| *id))
    }

    /// A party, mostly one that may be used; and why it may not.
    pub fn some_party(&mut self) -> Option<(i64, Vec<Reason>)> {
        if self.chance.percent(3)
            && let Some(id) = self.chance.that(self.books.parties.iter().filter(|(_, party)| party.deleted).map(|(id, _)| *id))
        {
            return Some((id, vec![(400, "")]));
        }
        if self.chance.percent(2)
            && let Some(id) = self.elsewhere[1]
        {
            return Some((id, vec![(400, "")]));
        }
        Some((self.party()?, vec![]))
    }

    /// An account for money that is in use, of a currency if one is wanted.
    pub fn account(&mut self, currency: Option<&str>) -> Option<i64> {
        let fits = |account: &super::books::Account| account.active && currency.is_none_or(|currency| account.currency == currency);
        self.chance.that(self.books.accounts.iter().filter(|(_, account)| fits(account)).map(|(id, _)| *id))
    }

    /// An account, mostly one that may be used for this currency.
    pub fn some_account(&mut self, currency: &str) -> Option<i64> {
        let any = match self.chance.below(100) {
            0..4 => self.chance.that(self.books.accounts.keys().copied()),
            4 => self.elsewhere[2],
            _ => None,
        };
        any.or_else(|| self.account(Some(currency)))
    }

    /// Why money in this currency cannot be on this account; in any, when none is given.
    pub fn refuses_account(&self, id: i64, currency: Option<&str>) -> Vec<Reason> {
        let fits = |account: &super::books::Account| account.active && currency.is_none_or(|currency| account.currency == currency);
        if self.books.accounts.get(&id).is_some_and(fits) { vec![] } else { vec![(400, "")] }
    }
}
