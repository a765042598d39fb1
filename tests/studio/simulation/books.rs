//! The books of a business as they should be: plain maps, and the rules that every posting follows.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    reverting::Was,
    sums::{Off, Sums},
};

/// Why an operation is refused: the status, and the code where there is one.
pub type Reason = (u16, &'static str);

/// An account, as postings name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A place for money, by id.
    Money(i64),
    /// One of the chart: class, code, currency.
    Chart(&'static str, String, String),
}

/// What an entry does: debit is positive.
#[derive(Debug, Clone)]
pub struct Posting {
    pub date: Date,
    pub lines: Vec<(Key, Option<i64>, i64)>,
}

impl Posting {
    pub fn reversed(&self, date: Date) -> Self {
        let lines = self.lines.iter().map(|(key, party, amount)| (key.clone(), *party, -amount)).collect();
        Self { date, lines }
    }
}

pub struct Account {
    pub currency: String,
    pub cash: bool,
    pub allow_negative: bool,
    pub active: bool,
    pub owner: Option<i64>,
}

pub struct Party {
    pub currency: Option<String>,
    pub terms: Option<i64>,
    pub has_email: bool,
    pub deleted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Draft,
    Issued,
    Void,
}

#[derive(Debug, Clone)]
pub struct Item {
    pub id: i64,
    pub quantity: i64,
    pub price: i64,
    pub off: Off,
    /// Which rate of the business, if any.
    pub rate: Option<usize>,
    /// Other than the usual category: its code, and its class.
    pub account: Option<(&'static str, &'static str)>,
}

#[derive(Debug, Clone)]
pub struct Invoice {
    pub party: i64,
    pub outgoing: bool,
    pub credit: bool,
    pub corrects: Option<i64>,
    pub number: Option<String>,
    pub date: Date,
    pub due: Date,
    pub currency: String,
    pub inclusive: bool,
    pub off: Off,
    pub items: Vec<Item>,
    pub sums: Sums,
    pub state: State,
    pub allocated: i64,
    pub issued_on: Option<Date>,
    /// The quotation that it was made of.
    pub quotation: Option<i64>,
    pub deleted: bool,
}

impl Invoice {
    pub fn open(&self) -> i64 {
        self.sums.total - self.allocated
    }
    pub fn series(&self) -> &'static str {
        if self.credit { "credit_note" } else { "invoice" }
    }
    /// The entry of its issue.
    pub fn posting(&self) -> Posting {
        let sign = if self.outgoing == self.credit { -1 } else { 1 };
        let chart = |class, code: &str| Key::Chart(class, code.to_owned(), self.currency.clone());
        let (owed, tax, class) = if self.outgoing {
            (chart("asset", "1200"), chart("liability", "2200"), "income")
        } else {
            (chart("liability", "2100"), chart("asset", "1300"), "expense")
        };
        let mut lines = vec![(owed, Some(self.party), sign * self.sums.total), (tax, None, -sign * self.sums.tax)];
        for (item, line) in self.items.iter().zip(&self.sums.lines) {
            let (class, code) = item.account.unwrap_or((class, "invoice"));
            lines.push((chart(class, code), None, -sign * line.net));
        }
        Posting { date: self.date, lines }
    }
}

#[derive(Debug, Clone)]
pub struct Payment {
    pub number: String,
    pub incoming: bool,
    pub party: Option<i64>,
    pub account: i64,
    pub amount: i64,
    pub currency: String,
    pub refund: bool,
    pub void: bool,
    pub allocated: i64,
    pub requisition: Option<i64>,
    pub goal: Option<i64>,
    pub posting: Posting,
    pub client_ref: Option<String>,
    pub by: i64,
    pub entry: i64,
    /// What created it, to be sent again.
    pub body: serde_json::Value,
}

impl Payment {
    pub fn rest(&self) -> i64 {
        self.amount - self.allocated
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Income,
    Expense,
    Transfer,
}

#[derive(Debug, Clone)]
pub struct Transaction {
    pub kind: Kind,
    pub amount: i64,
    pub currency: String,
    pub account: i64,
    pub to_account: Option<i64>,
    pub party: Option<i64>,
    pub goal: Option<i64>,
    pub date: Date,
    pub state: &'static str,
    pub by: i64,
    /// What it posts, or will.
    pub posting: Posting,
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub posting: Posting,
    pub by: i64,
    pub reversed: bool,
    pub is_reversal: bool,
}

#[derive(Debug, Clone)]
pub struct Requisition {
    pub number: String,
    pub by: i64,
    pub party: Option<i64>,
    pub currency: String,
    pub category: &'static str,
    pub amount: i64,
    /// Id and amount.
    pub items: Vec<(i64, i64)>,
    pub status: &'static str,
    pub approved: Option<i64>,
    pub paid: i64,
    pub deleted: bool,
}

pub struct Goal {
    pub currency: String,
    pub target: i64,
    pub archived: bool,
    /// When it was deleted.
    pub deleted: Option<Timestamp>,
}

pub struct Milestone {
    pub goal: i64,
    pub amount: i64,
    pub reached: bool,
    /// When it was deleted: what went with its goal comes back with it.
    pub deleted: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub struct Quotation {
    pub party: i64,
    pub number: String,
    pub currency: String,
    pub inclusive: bool,
    pub off: Off,
    pub items: Vec<Item>,
    pub sums: Sums,
    pub state: &'static str,
    pub issued: Date,
    pub until: Option<Date>,
    pub deleted: bool,
}

impl Quotation {
    pub fn is_closed(&self) -> bool {
        matches!(self.state, "accepted" | "rejected")
    }
}

#[derive(Debug, Clone)]
pub struct Recurring {
    pub party: i64,
    pub outgoing: bool,
    pub currency: String,
    pub inclusive: bool,
    pub off: Off,
    pub items: Vec<Item>,
    pub frequency: &'static str,
    pub interval: i64,
    /// The day of the month.
    pub anchor: i8,
    pub next: Date,
    pub end: Option<Date>,
    pub most: Option<i64>,
    pub runs: i64,
    pub issues: bool,
    pub status: &'static str,
    pub deleted: bool,
}

/// What settles: a payment or a credit note; and what is settled: an invoice or a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Payment(i64),
    Invoice(i64),
}

/// A business.
pub struct Books {
    pub business: i64,
    pub currency: String,
    /// A second currency that it has money in.
    pub foreign: String,
    pub zone: TimeZone,
    pub inclusive: bool,
    pub due_days: i64,
    pub self_approval: bool,
    pub limit: Option<i64>,
    pub lock: Option<Date>,
    pub accounts: BTreeMap<i64, Account>,
    /// Those that were deleted.
    pub closed: BTreeMap<i64, Account>,
    /// Ids of the chart in the currency of the business, as far as they are there.
    pub chart: BTreeMap<(&'static str, &'static str), i64>,
    /// Id and percentage.
    pub rates: Vec<(i64, i64)>,
    pub parties: BTreeMap<i64, Party>,
    pub invoices: BTreeMap<i64, Invoice>,
    pub payments: BTreeMap<i64, Payment>,
    pub transactions: BTreeMap<i64, Transaction>,
    pub entries: BTreeMap<i64, Entry>,
    pub requisitions: BTreeMap<i64, Requisition>,
    pub quotations: BTreeMap<i64, Quotation>,
    pub recurring: BTreeMap<i64, Recurring>,
    pub goals: BTreeMap<i64, Goal>,
    pub milestones: BTreeMap<i64, Milestone>,
    pub allocations: BTreeMap<(Side, Side), i64>,
    /// The next place in the series of a year.
    pub series: BTreeMap<(&'static str, i16), i64>,
    pub balances: BTreeMap<(Key, Option<i64>), i64>,
    /// How many entries were posted.
    pub posted: i64,
    /// What records were, by the entries of the audit log that say so, and the last of those.
    pub past: BTreeMap<(&'static str, i64), Vec<(i64, Was)>>,
    pub seen: i64,
}

fn is_owed(key: &Key) -> bool {
    matches!(key, Key::Chart(_, code, _) if code == "1200" || code == "2100")
}

impl Books {
    pub fn exponent(currency: &str) -> u32 {
        match currency {
            "UGX" | "JPY" => 0,
            "KWD" => 3,
            _ => 2,
        }
    }

    /// An amount as it is sent.
    pub fn text(minor: i64, currency: &str) -> String {
        let unit = 10_i64.pow(Self::exponent(currency));
        let sign = if minor < 0 { "-" } else { "" };
        let (whole, part) = (minor.abs() / unit, minor.abs() % unit);
        match Self::exponent(currency) {
            0 => format!("{sign}{whole}"),
            decimals => format!("{sign}{whole}.{part:0width$}", width = decimals as usize),
        }
    }

    // -------------------------------------------------------------------------------------------- the ledger

    /// What forbids to post this.
    pub fn refuses(&self, posting: &Posting) -> Vec<Reason> {
        let mut reasons = self.is_locked(posting.date);
        for (id, _) in self.accounts.iter().filter(|(_, account)| !account.allow_negative) {
            let key = Key::Money(*id);
            let change: i64 = posting.lines.iter().filter(|(line, ..)| *line == key).map(|(.., amount)| amount).sum();
            if change < 0 && self.balance(&key) + change < 0 {
                reasons.push((409, "insufficient_funds"));
            }
        }
        reasons
    }

    pub fn is_locked(&self, date: Date) -> Vec<Reason> {
        if self.lock.is_some_and(|until| date <= until) { vec![(409, "books_locked")] } else { vec![] }
    }

    pub fn post(&mut self, posting: &Posting) {
        let sum: i64 = posting.lines.iter().map(|(.., amount)| amount).sum();
        // Exchange goes through two currencies, each of which is balanced by lines of its own.
        assert_eq!(sum, 0, "the model posts what does not add up: {posting:?}");
        for (key, party, amount) in posting.lines.iter().filter(|(.., amount)| *amount != 0) {
            *self.balances.entry((key.clone(), party.filter(|_| is_owed(key)))).or_default() += amount;
        }
        self.posted += 1;
    }

    pub fn balance(&self, key: &Key) -> i64 {
        self.balances.range((key.clone(), None)..).take_while(|((other, _), _)| other == key).map(|(_, balance)| balance).sum()
    }

    /// Does it owe nothing, and is it owed nothing?
    pub fn is_even(&self, party: i64) -> bool {
        self.balances.iter().all(|((_, of), balance)| *of != Some(party) || *balance == 0)
    }

    /// The account that is meant when none is named, for those who keep the books.
    pub fn till(&self, currency: &str) -> Option<i64> {
        let mut fit: Vec<(bool, i64)> = vec![];
        for (id, account) in self.accounts.iter().filter(|(_, account)| account.active && account.owner.is_none()) {
            if account.currency == currency {
                fit.push((!account.cash, *id));
            }
        }
        fit.into_iter().min().map(|(_, id)| id)
    }

    // -------------------------------------------------------------------------------------------- numbers

    fn format(series: &str, year: i16, place: i64) -> String {
        match series {
            "invoice" => format!("INV-{year}-{place:04}"),
            "credit_note" => format!("CN-{year}-{place:04}"),
            "receipt" => format!("RCT-{year}-{place:04}"),
            "quotation" => format!("QUO-{year}-{place:04}"),
            _ => format!("REQ-{place:04}"),
        }
    }

    fn period(series: &str, date: Date) -> i16 {
        if series == "requisition" { 0 } else { date.year() }
    }

    /// The number that would come next, whether it is taken or not.
    pub fn upcoming(&self, series: &'static str, date: Date, further: i64) -> String {
        let year = Self::period(series, date);
        Self::format(series, year, self.series.get(&(series, year)).copied().unwrap_or(1) + further)
    }

    /// Is there a document of ours with this number?
    pub fn is_taken(&self, series: &str, number: &str) -> bool {
        let same = |invoice: &Invoice| {
            invoice.outgoing && !invoice.deleted && invoice.series() == series && invoice.number.as_deref() == Some(number)
        };
        let offered = |quotation: &Quotation| !quotation.deleted && quotation.number == number;
        self.invoices.values().any(same) || series == "quotation" && self.quotations.values().any(offered)
    }

    /// Has the series gone past this number?
    pub fn is_passed(&self, series: &'static str, number: &str) -> bool {
        let passed = |(year, next): (i16, i64)| (1..next).any(|place| Self::format(series, year, place) == number);
        self.series.iter().filter(|((of, _), _)| *of == series).any(|((_, year), next)| passed((*year, *next)))
    }

    /// Takes the next number that is free.
    pub fn next_number(&mut self, series: &'static str, date: Date) -> String {
        let year = Self::period(series, date);
        let mut place = self.series.get(&(series, year)).copied().unwrap_or(1);
        while self.is_taken(series, &Self::format(series, year, place)) {
            place += 1;
        }
        self.series.insert((series, year), place + 1);
        Self::format(series, year, place)
    }

    /// A document got a number of somebody's choice: if it would have been the next, the series goes on after it.
    pub fn use_number(&mut self, series: &'static str, date: Date, number: &str) {
        if self.upcoming(series, date, 0) == number {
            let next = self.series.entry((series, Self::period(series, date))).or_insert(1);
            *next += 1;
        }
    }

    // -------------------------------------------------------------------------------------------- allocations

    pub fn allocate(&mut self, source: Side, target: Side, amount: i64) {
        if amount > 0 {
            *self.allocations.entry((source, target)).or_default() += amount;
            self.count(source, amount);
            self.count(target, amount);
        }
    }

    fn count(&mut self, side: Side, amount: i64) {
        match side {
            Side::Payment(id) => self.payments.get_mut(&id).expect("a payment").allocated += amount,
            Side::Invoice(id) => self.invoices.get_mut(&id).expect("an invoice").allocated += amount,
        }
    }

    /// Takes allocations back.
    pub fn release(&mut self, which: impl Fn(Side, Side) -> bool) {
        let gone: Vec<(Side, Side)> = self.allocations.keys().copied().filter(|(source, target)| which(*source, *target)).collect();
        for (source, target) in gone {
            let amount = self.allocations.remove(&(source, target)).unwrap_or_default();
            self.count(source, -amount);
            self.count(target, -amount);
        }
    }

    /// What is open of a party's, the oldest due first.
    pub fn open_of(&self, party: i64, currency: &str, outgoing: bool) -> Vec<(i64, i64)> {
        let fits = |invoice: &&Invoice| {
            invoice.state == State::Issued
                && !invoice.credit
                && invoice.open() > 0
                && (invoice.party, invoice.currency.as_str(), invoice.outgoing) == (party, currency, outgoing)
        };
        let mut open: Vec<(Date, i64, i64)> =
            self.invoices.iter().filter(|(_, invoice)| fits(invoice)).map(|(id, invoice)| (invoice.due, *id, invoice.open())).collect();
        open.sort_unstable();
        open.into_iter().map(|(_, id, amount)| (id, amount)).collect()
    }

    // -------------------------------------------------------------------------------------------- goals

    pub fn collected(&self, goal: i64) -> i64 {
        let paid: i64 = self.payments.values().filter(|one| one.goal == Some(goal) && !one.void).map(|one| one.amount).sum();
        let earned = self.transactions.values().filter(|one| one.goal == Some(goal) && one.state == "posted");
        paid + earned.map(|one| one.amount).sum::<i64>()
    }

    /// Marks the milestones that are reached; `back`: and no longer those that are not, for money was taken back.
    pub fn moved(&mut self, goal: Option<i64>, back: bool) {
        let Some(goal) = goal else { return };
        let collected = self.collected(goal);
        for milestone in self.milestones.values_mut().filter(|milestone| milestone.goal == goal) {
            milestone.reached = milestone.amount <= collected || milestone.reached && !back;
        }
    }
}
