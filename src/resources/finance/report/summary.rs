//! The summary: what came in and went out, in a few numbers.

use poem_openapi::Object;

use super::{ByCurrency, POSTED, Period, SINCE};
use crate::{
    actor::Actor,
    db::{Catalog, Reader},
    engine::table::{cell::Shown, tabular::Tabular},
    error::Result,
    kit::{Currency, Money, exponent},
};

/// How the business stands.
#[derive(Object)]
pub struct FinanceSummary {
    /// The currency of the business, in which the amounts beside it are.
    pub currency: Currency,
    /// What came in.
    pub total_income: Money,
    /// What went out, charges included.
    pub total_expenses: Money,
    /// What went out, without charges.
    pub total_expenses_excluding_charges: Money,
    /// What banks and wallets kept of income, expenses and transfers.
    pub total_transaction_charges: Money,
    /// What came in less what went out.
    pub net_balance: Money,
    /// How many requisitions wait to be decided.
    pub pending_requisitions: i64,
    /// The same in every currency, and what the books say.
    pub currencies: Vec<CurrencySummary>,
}

/// How the business stands in one currency.
#[derive(Object)]
pub struct CurrencySummary {
    /// The currency.
    pub currency: Currency,
    /// What came in.
    pub total_income: Money,
    /// What went out, charges included.
    pub total_expenses: Money,
    /// What went out, without charges.
    pub total_expenses_excluding_charges: Money,
    /// What banks and wallets kept of income, expenses and transfers.
    pub total_transaction_charges: Money,
    /// What came in less what went out.
    pub net_balance: Money,
    /// What was earned, whether or not it was paid: as profit and loss has it.
    pub revenue: Money,
    /// What was spent, whether or not it was paid: as profit and loss has it.
    pub costs: Money,
    /// The money that there was in the end: as the cash flow has it.
    pub cash_on_hand: Money,
}

impl CurrencySummary {
    fn none(currency: &str) -> Self {
        let none = Money { minor: 0, exponent: exponent(currency) };
        Self {
            currency: Currency(currency.to_owned()),
            total_income: none,
            total_expenses: none,
            total_expenses_excluding_charges: none,
            total_transaction_charges: none,
            net_balance: none,
            revenue: none,
            costs: none,
            cash_on_hand: none,
        }
    }
}

pub fn summary(reader: &Reader<'_>, catalog: &Catalog, actor: &Actor, period: Period) -> Result<FinanceSummary> {
    let mut all: ByCurrency<CurrencySummary> = ByCurrency::new();
    let own = actor.business.as_ref().map_or_else(|| "USD".to_owned(), |business| business.currency.clone());
    all.insert(own.clone(), CurrencySummary::none(&own));
    let cash = "SELECT e.currency, coalesce(sum(CASE e.type WHEN 'income' THEN e.amount END), 0), \
                       coalesce(sum(CASE e.type WHEN 'expense' THEN e.amount END), 0), sum(e.transaction_charge) \
                FROM transactions AS e WHERE e.business_id = ?1 AND e.state = 'posted' AND e.source <> 'opening' AND e.date <= ?3 AND ";
    reader.each(&format!("{cash}{SINCE} GROUP BY e.currency"), &period.args(actor), |row| {
        let currency: String = row.get(0)?;
        let (income, expenses, charges): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let one = all.entry(currency.clone()).or_insert_with(|| CurrencySummary::none(&currency));
        one.total_income.minor = income;
        one.total_expenses.minor = expenses + charges;
        one.total_expenses_excluding_charges.minor = expenses;
        one.total_transaction_charges.minor = charges;
        one.net_balance.minor = income - expenses - charges;
        Ok(())
    })?;
    let books = format!(
        "SELECT l.currency, -coalesce(sum(CASE WHEN a.class = 'income' AND {SINCE} THEN l.amount END), 0), \
                coalesce(sum(CASE WHEN a.class = 'expense' AND {SINCE} THEN l.amount END), 0), \
                coalesce(sum(CASE WHEN a.is_money THEN l.amount END), 0) \
         FROM {POSTED} GROUP BY l.currency"
    );
    reader.each(&books, &period.args(actor), |row| {
        let currency: String = row.get(0)?;
        let one = all.entry(currency.clone()).or_insert_with(|| CurrencySummary::none(&currency));
        (one.revenue.minor, one.costs.minor, one.cash_on_hand.minor) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(())
    })?;
    // Not every business has these.
    let pending = "SELECT count(*) FROM requisitions WHERE business_id = ?1 AND status = 'pending' AND deleted_at IS NULL";
    let pending_requisitions = match catalog.has("requisitions", "status") && catalog.has("requisitions", "deleted_at") {
        true => reader.one(pending, &[actor.business_id().into()])?.unwrap_or(0),
        false => 0,
    };
    let CurrencySummary { total_income, total_expenses, total_expenses_excluding_charges, total_transaction_charges, net_balance, .. } =
        all[&own];
    Ok(FinanceSummary {
        currency: Currency(own),
        total_income,
        total_expenses,
        total_expenses_excluding_charges,
        total_transaction_charges,
        net_balance,
        pending_requisitions,
        currencies: all.into_values().collect(),
    })
}

impl Tabular for FinanceSummary {
    const COLUMNS: &'static [&'static str] = &[
        "currency",
        "total_income",
        "total_expenses",
        "total_expenses_excluding_charges",
        "total_transaction_charges",
        "net_balance",
        "revenue",
        "costs",
        "cash_on_hand",
    ];

    fn rows(&self) -> Vec<Vec<Shown>> {
        let row = |one: &CurrencySummary| {
            let sums = [
                one.total_income,
                one.total_expenses,
                one.total_expenses_excluding_charges,
                one.total_transaction_charges,
                one.net_balance,
                one.revenue,
                one.costs,
                one.cash_on_hand,
            ];
            [vec![(&one.currency).into()], sums.map(Shown::from).to_vec()].concat()
        };
        self.currencies.iter().map(row).collect()
    }
}
