//! Posting: the one way in which anything gets into the books.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{balance::balance_of, chain, number};
use crate::{
    db::{Reader, Row, Value, Writer},
    error::{Error, Result},
    kit::{Date, Money, exponent},
};

/// The largest amount that a line takes, in minor units (2^53 - 1).
const LARGEST: i64 = 9_007_199_254_740_991;

/// What is to be posted.
#[derive(Debug, Clone)]
pub struct Posting {
    pub date: Date,
    pub memo: String,
    /// What it is posted for: `("invoice", 17)`.
    pub source: (&'static str, i64),
    pub lines: Vec<Line>,
    /// The entry that this one takes back.
    pub reverses: Option<i64>,
}

/// What a posting does to one account.
#[derive(Debug, Clone)]
pub struct Line {
    pub account: i64,
    /// Needed on what is owed.
    pub party: Option<i64>,
    /// Minor units; debit is positive.
    pub amount: i64,
    pub memo: String,
}

impl Line {
    pub fn new(account: i64, amount: i64) -> Self {
        Self { account, party: None, amount, memo: String::new() }
    }

    pub fn of(mut self, party: Option<i64>) -> Self {
        self.party = party;
        self
    }
}

/// An account as far as posting needs it.
struct Account {
    name: String,
    currency: String,
    /// What is on it is owed by or to somebody.
    is_owed: bool,
    /// Holds money, and never less than none.
    is_limited: bool,
}

fn account(reader: &Reader<'_>, business: i64, id: i64) -> Result<Account> {
    let sql = "SELECT name, currency, type = 'receivable' OR type = 'payable', is_money AND NOT allow_negative FROM accounts \
               WHERE id = ?1 AND business_id = ?2 AND deleted_at IS NULL";
    let read = |row: &Row<'_>| Ok(Account { name: row.get(0)?, currency: row.get(1)?, is_owed: row.get(2)?, is_limited: row.get(3)? });
    reader.row(sql, &[id.into(), business.into()], read)?.ok_or_else(|| Error::whole(format!("There is no account {id}.")))
}

/// May something of this day still be posted?
///
/// # Errors
/// 409 `books_locked`.
pub fn check_open(reader: &Reader<'_>, business: i64, date: Date) -> Result<()> {
    let until: Option<String> = reader.one("SELECT books_locked_until FROM businesses WHERE id = ?1", &[business.into()])?.flatten();
    match until {
        Some(until) if date.to_string() <= until => Err(Error::conflict("books_locked", format!("The books are locked up to {until}."))),
        _ => Ok(()),
    }
}

/// Posts to the books of the caller's business, in the transaction of what it is for, and answers the entry's id. Lines of nothing are
/// left out.
///
/// # Errors
/// 400 for lines that do not add up to zero in each currency or lack their party; 409 `books_locked` and `insufficient_funds`.
pub fn post(tx: &mut Writer<'_>, posting: Posting) -> Result<i64> {
    let kind = posting.source.0;
    post_for(tx, posting, kind)
}

fn post_for(tx: &mut Writer<'_>, mut posting: Posting, source_type: &str) -> Result<i64> {
    let business = tx.actor().business_id().ok_or_else(Error::forbidden)?;
    posting.lines.retain(|line| line.amount != 0);
    check_open(tx, business, posting.date)?;
    let mut accounts = BTreeMap::new();
    for line in &posting.lines {
        if let Entry::Vacant(unknown) = accounts.entry(line.account) {
            unknown.insert(account(tx, business, line.account)?);
        }
    }
    check_lines(&posting.lines, &accounts)?;
    check_funds(tx, &posting.lines, &accounts)?;
    tx.step(|tx| store(tx, business, source_type, &posting, &accounts))
}

fn check_lines(lines: &[Line], accounts: &BTreeMap<i64, Account>) -> Result<()> {
    if lines.len() < 2 {
        return Err(Error::whole("An entry has at least two lines."));
    }
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for line in lines {
        if line.amount.unsigned_abs() > LARGEST.unsigned_abs() {
            return Err(Error::whole("Ensure that there are no more than 16 digits in total."));
        }
        let account = &accounts[&line.account];
        if account.is_owed && line.party.is_none() {
            return Err(Error::whole(format!("A line on {} names the party.", account.name)));
        }
        *sums.entry(&account.currency).or_default() += i128::from(line.amount);
    }
    match sums.into_iter().find(|(_, sum)| *sum != 0) {
        None => Ok(()),
        Some((currency, sum)) => {
            let off = i64::try_from(sum.abs()).unwrap_or(i64::MAX);
            let off = Money { minor: off, exponent: exponent(currency) };
            let side = if sum > 0 { "debit" } else { "credit" };
            Err(Error::whole(format!("The lines in {currency} do not add up to zero: {off} too much {side}.")))
        }
    }
}

/// No money is taken from where there is none.
fn check_funds(reader: &Reader<'_>, lines: &[Line], accounts: &BTreeMap<i64, Account>) -> Result<()> {
    for (id, account) in accounts.iter().filter(|(_, account)| account.is_limited) {
        let change: i128 = lines.iter().filter(|line| line.account == *id).map(|line| i128::from(line.amount)).sum();
        let balance = balance_of(reader, *id)?;
        if change < 0 && i128::from(balance) + change < 0 {
            let (currency, exponent) = (&account.currency, exponent(&account.currency));
            let needed = Money { minor: i64::try_from(-change).unwrap_or(i64::MAX), exponent };
            let there = Money { minor: balance, exponent };
            return Err(Error::conflict(
                "insufficient_funds",
                format!("{} has {there} {currency}; {needed} {currency} are needed.", account.name),
            ));
        }
    }
    Ok(())
}

fn store(tx: &mut Writer<'_>, business: i64, source_type: &str, posting: &Posting, accounts: &BTreeMap<i64, Account>) -> Result<i64> {
    let number = number::next_place(tx, business, "journal")?;
    tx.act("create");
    let values: Vec<(&str, Value)> = vec![
        ("number", number.into()),
        ("date", posting.date.to_string().into()),
        ("memo", short(&posting.memo, 500).into()),
        ("source_type", source_type.into()),
        ("source_id", posting.source.1.into()),
        ("reverses_id", posting.reverses.into()),
    ];
    let entry = tx.insert("journal_entries", values)?;
    for line in &posting.lines {
        let values: Vec<(&str, Value)> = vec![
            ("entry_id", entry.into()),
            ("account_id", line.account.into()),
            ("party_id", line.party.into()),
            ("currency", accounts[&line.account].currency.as_str().into()),
            ("amount", line.amount.into()),
            ("memo", short(&line.memo, 255).into()),
        ];
        tx.insert("journal_lines", values)?;
    }
    let now = tx.now().to_string();
    let before = chain::hash_at(tx, business, number - 1)?;
    let hash = chain::hash(tx, entry, Some(&now), &before)?;
    tx.act("post");
    tx.update("journal_entries", entry, vec![("state", "posted".into()), ("posted_at", now.into()), ("hash", hash.into())])?;
    // By a trigger.
    tx.touched("ledger_balances");
    Ok(entry)
}

fn short(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Takes an entry back: posts its exact negation, today when no day is named, and answers the id of that. What was posted stays. What is
/// dated later is not taken back before it was there: in between, the books would say that it went the other way.
///
/// # Errors
/// 400 for a day before that of the entry; 409 when it was reversed already or is a reversal itself; what `post` refuses.
pub fn reverse(tx: &mut Writer<'_>, entry: i64, date: Option<Date>, memo: &str) -> Result<i64> {
    let business = tx.actor().business_id().ok_or_else(Error::forbidden)?;
    let sql = "SELECT source_type, source_id, date, reverses_id IS NOT NULL, \
                      EXISTS (SELECT 1 FROM journal_entries AS r WHERE r.business_id = e.business_id AND r.reverses_id = e.id) \
               FROM journal_entries AS e WHERE e.id = ?1 AND e.business_id = ?2 AND e.state = 'posted'";
    let read =
        |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<i64>(1)?, row.get::<String>(2)?, row.get::<bool>(3)?, row.get::<bool>(4)?));
    let found = tx.row(sql, &[entry.into(), business.into()], read)?;
    let (kind, source, day, is_reversal, is_reversed) = found.ok_or_else(Error::not_found)?;
    if is_reversal {
        return Err(Error::conflict("invalid_transition", "This entry reverses another; it is not reversed itself."));
    }
    if is_reversed {
        return Err(Error::conflict("already_reversed", "This entry was reversed already."));
    }
    let day = Date::parse(&day).ok_or_else(|| Error::internal("an entry without a day"))?;
    let date = date.unwrap_or(Date(tx.actor().today()).max(day));
    if date < day {
        return Err(Error::field("date", format!("Ensure this date is not before {day}, the day of what it takes back.")));
    }
    let sql = "SELECT account_id, party_id, -amount, memo FROM journal_lines WHERE entry_id = ?1 ORDER BY id";
    let read = |row: &Row<'_>| Ok(Line { account: row.get(0)?, party: row.get(1)?, amount: row.get(2)?, memo: row.get(3)? });
    let lines = tx.rows(sql, &[entry.into()], read)?;
    post_for(tx, Posting { date, memo: memo.to_owned(), source: ("", source), lines, reverses: Some(entry) }, &kind)
}
