//! What is on an account.

use super::choices::AccountClass;
use crate::{db::Reader, error::Result};

/// The sum of the posted lines of an account in minor units; debit is positive.
pub fn balance_of(reader: &Reader<'_>, account: i64) -> Result<i64> {
    let sql = "SELECT coalesce(sum(balance), 0) FROM ledger_balances WHERE account_id = ?1";
    Ok(reader.one(sql, &[account.into()])?.unwrap_or(0))
}

/// A sum of lines with the sign that is natural to the class: what is owed and what is earned is shown as positive.
pub fn natural(class: AccountClass, sum: i64) -> i64 {
    if matches!(class, AccountClass::Asset | AccountClass::Expense) { sum } else { -sum }
}
