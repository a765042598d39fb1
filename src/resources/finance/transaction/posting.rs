//! A transaction in the books.

use super::{Transaction, TransactionType};
use crate::{
    db::Writer,
    error::{Error, Result},
    resources::finance::ledger::{self, AccountClass, BANK_CHARGES, FX_CLEARING, Line, Posting},
};

/// Posts a transaction that was just stored, and names its entry in it.
pub fn post(transaction: &Transaction, id: i64, tx: &mut Writer<'_>) -> Result<()> {
    let incomplete = || Error::internal("a transaction that was not settled");
    let (account, date) = (transaction.account.ok_or_else(incomplete)?.0, transaction.date.ok_or_else(incomplete)?);
    let currency = transaction.currency.as_ref().ok_or_else(incomplete)?.0.as_str();
    let party = transaction.party.map(|party| party.0);
    let (amount, charge) = (transaction.amount.minor, transaction.transaction_charge.map_or(0, |charge| charge.minor));
    let all = amount.checked_add(charge).ok_or_else(|| Error::field("amount", "Ensure that there are no more than 16 digits in total."))?;
    let mut lines = match transaction.kind {
        TransactionType::Income => {
            let category = category(transaction, tx, AccountClass::Income, currency)?;
            vec![Line::new(account, amount - charge), Line::new(category, -amount).of(party)]
        }
        TransactionType::Expense => {
            let category = category(transaction, tx, AccountClass::Expense, currency)?;
            vec![Line::new(category, amount).of(party), Line::new(account, -all)]
        }
        TransactionType::Transfer => {
            let to = transaction.to_account.ok_or_else(incomplete)?.0;
            let to_currency = transaction.to_currency.as_ref().ok_or_else(incomplete)?.0.as_str();
            let arrives = transaction.to_amount.ok_or_else(incomplete)?.minor;
            let mut lines = vec![Line::new(to, arrives), Line::new(account, -all)];
            if to_currency != currency {
                // Each currency is balanced by itself.
                let left = ledger::account(tx, FX_CLEARING, AccountClass::Equity, currency)?;
                let arrived = ledger::account(tx, FX_CLEARING, AccountClass::Equity, to_currency)?;
                lines.extend([Line::new(left, amount), Line::new(arrived, -arrives)]);
            }
            lines
        }
    };
    if charge != 0 {
        lines.push(Line::new(ledger::account(tx, BANK_CHARGES, AccountClass::Expense, currency)?, charge));
    }
    let memo = if transaction.description.is_empty() { transaction.kind.name().to_owned() } else { transaction.description.clone() };
    let entry = ledger::post(tx, Posting { date, memo, source: ("transaction", id), lines, reverses: None })?;
    tx.complete("transactions", id, vec![("journal_entry_id", entry.into())])
}

fn category(transaction: &Transaction, tx: &mut Writer<'_>, class: AccountClass, currency: &str) -> Result<i64> {
    ledger::category(tx, transaction.category.as_deref().unwrap_or_default(), class, currency)
}
