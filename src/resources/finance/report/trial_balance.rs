//! The trial balance: every account with what is on it.

use poem_openapi::{Object, types::ParseFromJSON};
use serde_json::Value as Json;

use super::{ByCurrency, POSTED, Period};
use crate::{
    actor::Actor,
    db::Reader,
    engine::table::{cell::Shown, tabular::Tabular},
    error::Result,
    kit::{Currency, Money, exponent},
    resources::finance::ledger::AccountClass,
};

/// The accounts of one currency.
#[derive(Object)]
pub struct TrialBalance {
    /// The currency.
    pub currency: Currency,
    /// Each account with something on it, by its class.
    pub accounts: Vec<TrialBalanceLine>,
    /// All that is on the debit side.
    pub total_debit: Money,
    /// All that is on the credit side: as much.
    pub total_credit: Money,
}

/// What is on one account.
#[derive(Object)]
pub struct TrialBalanceLine {
    /// The id of the account.
    pub account_id: i64,
    /// Its code.
    pub code: Option<String>,
    /// What it is called.
    pub name: String,
    /// On which side of the books it stands.
    pub class: AccountClass,
    /// What is on it, if that is debit.
    pub debit: Money,
    /// What is on it, if that is credit.
    pub credit: Money,
}

pub fn trial_balance(reader: &Reader<'_>, actor: &Actor, period: Period) -> Result<Vec<TrialBalance>> {
    let sql = format!(
        "SELECT a.currency, a.id, a.code, a.name, a.class, sum(l.amount) FROM {POSTED} GROUP BY a.id HAVING sum(l.amount) <> 0 \
         ORDER BY a.currency, CASE a.class WHEN 'asset' THEN 0 WHEN 'liability' THEN 1 WHEN 'equity' THEN 2 WHEN 'income' THEN 3 ELSE 4 END, \
                  a.code IS NULL, a.code, a.name, a.id"
    );
    let mut all: ByCurrency<TrialBalance> = ByCurrency::new();
    reader.each(&sql, &period.args(actor), |row| {
        let (currency, class, minor): (String, String, i64) = (row.get(0)?, row.get(4)?, row.get(5)?);
        let money = |minor| Money { minor, exponent: exponent(&currency) };
        let one = all.entry(currency.clone()).or_insert_with(|| {
            let (currency, none) = (Currency(currency.clone()), money(0));
            TrialBalance { currency, accounts: vec![], total_debit: none, total_credit: none }
        });
        let (debit, credit) = (money(minor.max(0)), money((-minor).max(0)));
        one.total_debit.minor += debit.minor;
        one.total_credit.minor += credit.minor;
        let class = AccountClass::parse_from_json(Some(Json::from(class))).unwrap_or_default();
        one.accounts.push(TrialBalanceLine { account_id: row.get(1)?, code: row.get(2)?, name: row.get(3)?, class, debit, credit });
        Ok(())
    })?;
    Ok(all.into_values().collect())
}

impl Tabular for TrialBalance {
    const COLUMNS: &'static [&'static str] = &["currency", "account_id", "code", "name", "class", "debit", "credit"];

    fn rows(&self) -> Vec<Vec<Shown>> {
        let line = |line: &TrialBalanceLine| {
            let account = vec![line.account_id.into(), line.code.as_ref().into(), (&line.name).into(), line.class.name().into()];
            [vec![(&self.currency).into()], account, vec![line.debit.into(), line.credit.into()]].concat()
        };
        let mut rows: Vec<Vec<Shown>> = self.accounts.iter().map(line).collect();
        let total = vec![(&self.currency).into(), Shown::Empty, Shown::Empty, "Total".into(), Shown::Empty];
        rows.push([total, vec![self.total_debit.into(), self.total_credit.into()]].concat());
        rows
    }
}
