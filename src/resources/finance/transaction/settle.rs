//! The rules of the cash book: what is filled in, and what cannot be.

use super::{Transaction, TransactionType};
use crate::{
    db::{Reader, Row, Writer},
    error::{Error, Result},
    kit::{Currency, Date, Money, Ref},
    resources::finance::{
        account::{default_till, may_use},
        ledger::{self, AccountClass},
    },
};

/// The category of what nobody gave one.
const MISCELLANEOUS: &str = "miscellaneous";

impl Transaction {
    /// Fills what is left out, and refuses what cannot be.
    pub(super) fn settle(&mut self, tx: &Writer<'_>) -> Result<()> {
        let actor = tx.actor();
        let account = match self.account {
            Some(account) => account.0,
            None => default_account(tx)?.ok_or_else(|| Error::field("account", "This field is required."))?.0,
        };
        self.account = Some(Ref::new(account));
        self.currency = Some(Currency(money_account(tx, "account", account)?));
        self.date.get_or_insert(Date(actor.today()));
        let charge = *self.transaction_charge.get_or_insert(Money { minor: 0, exponent: self.amount.exponent });
        if self.amount.minor <= 0 {
            return Err(Error::field("amount", "Ensure this value is greater than 0."));
        }
        if charge.minor < 0 {
            return Err(Error::field("transaction_charge", "Ensure this value is greater than or equal to 0."));
        }
        if self.kind == TransactionType::Income && charge.minor >= self.amount.minor {
            return Err(Error::field("transaction_charge", "Ensure this value is less than the amount."));
        }
        if self.kind == TransactionType::Transfer { self.settle_transfer(tx, account) } else { self.settle_category(tx) }
    }

    fn settle_transfer(&mut self, tx: &Writer<'_>, account: i64) -> Result<()> {
        if self.category.is_some() {
            return Err(Error::field("category", "A transfer has no category."));
        }
        let Some(to) = self.to_account.map(|to| to.0) else { return Err(Error::field("to_account", "This field is required.")) };
        if to == account {
            return Err(Error::field("to_account", "Money cannot go where it is."));
        }
        let currency = Currency(target_account(tx, to)?);
        let is_same = Some(&currency) == self.currency.as_ref();
        match self.to_amount {
            None if !is_same => return Err(Error::field("to_amount", "This field is required when the currencies differ.")),
            None => self.to_amount = Some(self.amount),
            Some(amount) if amount.minor <= 0 => return Err(Error::field("to_amount", "Ensure this value is greater than 0.")),
            Some(amount) if is_same && amount.minor != self.amount.minor => {
                return Err(Error::field("to_amount", "In one currency as much arrives as leaves; what is kept is the charge."));
            }
            Some(_) => {}
        }
        self.to_currency = Some(currency);
        Ok(())
    }

    fn settle_category(&mut self, tx: &Writer<'_>) -> Result<()> {
        for (name, is_there) in [("to_account", self.to_account.is_some()), ("to_amount", self.to_amount.is_some())] {
            if is_there {
                return Err(Error::field(name, "Only a transfer has this."));
            }
        }
        self.to_currency = None;
        let category = self.category.get_or_insert_with(|| MISCELLANEOUS.to_owned());
        // Of the business's own and of the chart; one that is missing altogether is made when something is posted to it.
        let class = if self.kind == TransactionType::Income { AccountClass::Income } else { AccountClass::Expense };
        if category == MISCELLANEOUS || ledger::is_category(tx, tx.actor().business_id(), category, class)? {
            return Ok(());
        }
        Err(Error::field("category", format!("\"{category}\" is not a valid choice.")))
    }
}

/// Where money is when nobody says so, and its currency: that of the business.
pub(super) fn default_account(tx: &Writer<'_>) -> Result<Option<(i64, String)>> {
    let Some(business) = &tx.actor().business else { return Ok(None) };
    Ok(default_till(tx, tx.actor(), &business.currency)?.map(|account| (account, business.currency.clone())))
}

/// The currency of an account, if money may be put there.
fn found(reader: &Reader<'_>, field: &str, id: i64) -> Result<String> {
    let sql = "SELECT currency, is_money, is_active FROM accounts WHERE id = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<String>(0)?, row.get::<bool>(1)?, row.get::<bool>(2)?));
    match reader.row(sql, &[id.into()], read)? {
        None => Err(missing(field, id)),
        Some((_, false, _)) => Err(Error::field(field, "No money is kept on this account.")),
        Some((_, _, false)) => Err(Error::field(field, "This account is not active.")),
        Some((currency, ..)) => Ok(currency),
    }
}

fn missing(field: &str, id: i64) -> Error {
    Error::field(field, format!("Invalid pk \"{id}\" - object does not exist."))
}

/// The currency of an account that money is entered on: those who do not keep the books have their own cash box, and no other exists
/// for them.
fn money_account(tx: &Writer<'_>, field: &str, id: i64) -> Result<String> {
    if may_use(tx, tx.actor(), id)? { found(tx, field, id) } else { Err(missing(field, id)) }
}

/// The currency of an account that money is handed on to.
fn target_account(tx: &Writer<'_>, id: i64) -> Result<String> {
    found(tx, "to_account", id)
}
