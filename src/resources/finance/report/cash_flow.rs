//! The cash flow: where money came from, and where it went.
//!
//! An entry comes to zero in each currency, so what it does to money is the opposite of what it does to all else: its other lines tell
//! what the money was for, and what went from one place for money to another tells nothing.

use poem_openapi::Object;

use super::{ByCurrency, POSTED, Period, SINCE};
use crate::{
    actor::Actor,
    db::Reader,
    engine::table::{cell::Shown, tabular::Tabular},
    error::Result,
    kit::{Currency, Money, exponent},
};

/// The money of one currency.
#[derive(Object)]
pub struct CashFlow {
    /// The currency.
    pub currency: Currency,
    /// What there was before.
    pub opening_balance: Money,
    /// By which accounts it came and went.
    pub lines: Vec<CashFlowLine>,
    /// All that came.
    pub total_inflow: Money,
    /// All that went.
    pub total_outflow: Money,
    /// What came less what went.
    pub net_change: Money,
    /// What there was in the end.
    pub closing_balance: Money,
}

/// What came and went by one account.
#[derive(Object)]
pub struct CashFlowLine {
    /// The id of the account.
    pub account_id: i64,
    /// Its code.
    pub code: Option<String>,
    /// What it is called.
    pub name: String,
    /// What came.
    pub inflow: Money,
    /// What went.
    pub outflow: Money,
    /// What came less what went.
    pub net: Money,
}

pub fn cash_flow(reader: &Reader<'_>, actor: &Actor, period: Period) -> Result<Vec<CashFlow>> {
    let mut all: ByCurrency<CashFlow> = ByCurrency::new();
    let balances = format!(
        "SELECT l.currency, sum(CASE WHEN e.date < ?2 THEN l.amount ELSE 0 END), sum(l.amount) FROM {POSTED} AND a.is_money \
         GROUP BY l.currency"
    );
    reader.each(&balances, &period.args(actor), |row| {
        let currency: String = row.get(0)?;
        let money = |minor| Money { minor, exponent: exponent(&currency) };
        let (opening, closing) = (money(row.get(1)?), money(row.get(2)?));
        let one = CashFlow {
            currency: Currency(currency.clone()),
            opening_balance: opening,
            lines: vec![],
            total_inflow: money(0),
            total_outflow: money(0),
            net_change: money(0),
            closing_balance: closing,
        };
        all.insert(currency.clone(), one);
        Ok(())
    })?;
    let lines = format!(
        "SELECT a.currency, a.id, a.code, a.name, sum(max(-l.amount, 0)), sum(max(l.amount, 0)) FROM {POSTED} AND {SINCE} AND NOT a.is_money \
         AND EXISTS (SELECT 1 FROM journal_lines AS m JOIN accounts AS till ON till.id = m.account_id \
                     WHERE m.entry_id = e.id AND m.currency = l.currency AND till.is_money) \
         GROUP BY a.id ORDER BY a.currency, a.code, a.class, a.name, a.id"
    );
    reader.each(&lines, &period.args(actor), |row| {
        let currency: String = row.get(0)?;
        let money = |minor| Money { minor, exponent: exponent(&currency) };
        let (inflow, outflow): (i64, i64) = (row.get(4)?, row.get(5)?);
        let Some(one) = all.get_mut(&currency) else { return Ok(()) };
        one.total_inflow.minor += inflow;
        one.total_outflow.minor += outflow;
        one.net_change.minor += inflow - outflow;
        one.lines.push(CashFlowLine {
            account_id: row.get(1)?,
            code: row.get(2)?,
            name: row.get(3)?,
            inflow: money(inflow),
            outflow: money(outflow),
            net: money(inflow - outflow),
        });
        Ok(())
    })?;
    Ok(all.into_values().collect())
}

impl Tabular for CashFlow {
    const COLUMNS: &'static [&'static str] = &["currency", "section", "account_id", "code", "name", "inflow", "outflow", "net"];

    fn rows(&self) -> Vec<Vec<Shown>> {
        let begin = |section: &str| vec![Shown::from(&self.currency), section.into()];
        let balance = |section: &str, amount: Money| {
            [begin(section), vec![Shown::Empty, Shown::Empty, Shown::Empty, Shown::Empty, Shown::Empty, amount.into()]].concat()
        };
        let line = |line: &CashFlowLine| {
            let account = vec![line.account_id.into(), line.code.as_ref().into(), (&line.name).into()];
            [begin("lines"), account, vec![line.inflow.into(), line.outflow.into(), line.net.into()]].concat()
        };
        let total = [vec![Shown::Empty; 3], vec![self.total_inflow.into(), self.total_outflow.into(), self.net_change.into()]].concat();
        let mut rows = vec![balance("opening_balance", self.opening_balance)];
        rows.extend(self.lines.iter().map(line));
        rows.extend([[begin("net_change"), total].concat(), balance("closing_balance", self.closing_balance)]);
        rows
    }
}
