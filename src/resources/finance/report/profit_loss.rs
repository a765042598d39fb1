//! Profit and loss: what was earned, less what was spent.

use poem_openapi::Object;

use super::{ByCurrency, POSTED, Period, SINCE};
use crate::{
    actor::Actor,
    db::Reader,
    engine::table::{cell::Shown, tabular::Tabular},
    error::Result,
    kit::{Currency, Money, exponent},
};

/// What was earned and spent in one currency.
#[derive(Object)]
pub struct ProfitLoss {
    /// The currency.
    pub currency: Currency,
    /// What was earned, by account.
    pub income: Vec<ProfitLossLine>,
    /// All of that.
    pub total_income: Money,
    /// What was spent, by account.
    pub expenses: Vec<ProfitLossLine>,
    /// All of that.
    pub total_expenses: Money,
    /// What was earned less what was spent; a loss is below zero.
    pub profit: Money,
}

/// What was earned or spent under one account.
#[derive(Object)]
pub struct ProfitLossLine {
    /// The id of the account.
    pub account_id: i64,
    /// Its code.
    pub code: Option<String>,
    /// What it is called.
    pub name: String,
    /// How much; below zero when more was taken back.
    pub amount: Money,
}

pub fn profit_loss(reader: &Reader<'_>, actor: &Actor, period: Period) -> Result<Vec<ProfitLoss>> {
    let sql = format!(
        "SELECT a.currency, a.class = 'income', a.id, a.code, a.name, sum(CASE a.class WHEN 'income' THEN -l.amount ELSE l.amount END) \
         FROM {POSTED} AND {SINCE} AND (a.class = 'income' OR a.class = 'expense') \
         GROUP BY a.id HAVING sum(l.amount) <> 0 ORDER BY a.currency, a.code, a.name, a.id"
    );
    let mut all: ByCurrency<ProfitLoss> = ByCurrency::new();
    reader.each(&sql, &period.args(actor), |row| {
        let (currency, is_income, minor): (String, bool, i64) = (row.get(0)?, row.get(1)?, row.get(5)?);
        let amount = Money { minor, exponent: exponent(&currency) };
        let one = all.entry(currency.clone()).or_insert_with(|| {
            let none = Money { minor: 0, ..amount };
            let currency = Currency(currency);
            ProfitLoss { currency, income: vec![], total_income: none, expenses: vec![], total_expenses: none, profit: none }
        });
        let line = ProfitLossLine { account_id: row.get(2)?, code: row.get(3)?, name: row.get(4)?, amount };
        let (lines, total) =
            if is_income { (&mut one.income, &mut one.total_income) } else { (&mut one.expenses, &mut one.total_expenses) };
        lines.push(line);
        total.minor += minor;
        one.profit.minor = one.total_income.minor - one.total_expenses.minor;
        Ok(())
    })?;
    Ok(all.into_values().collect())
}

impl Tabular for ProfitLoss {
    const COLUMNS: &'static [&'static str] = &["currency", "section", "account_id", "code", "name", "amount"];

    fn rows(&self) -> Vec<Vec<Shown>> {
        let line = |section: &'static str| {
            move |line: &ProfitLossLine| {
                let account = [line.account_id.into(), line.code.as_ref().into(), (&line.name).into()];
                [vec![(&self.currency).into(), section.into()], account.into(), vec![line.amount.into()]].concat()
            }
        };
        let total = |section: &str, amount: Money| {
            vec![(&self.currency).into(), section.into(), Shown::Empty, Shown::Empty, Shown::Empty, amount.into()]
        };
        let mut rows: Vec<Vec<Shown>> = self.income.iter().map(line("income")).collect();
        rows.push(total("total_income", self.total_income));
        rows.extend(self.expenses.iter().map(line("expenses")));
        rows.extend([total("total_expenses", self.total_expenses), total("profit", self.profit)]);
        rows
    }
}
