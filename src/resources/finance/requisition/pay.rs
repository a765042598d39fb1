//! What may be paid of a requisition, and noting that it was.

use serde_json::json;

use super::{Requisition, RequisitionStatus, decide};
use crate::{
    db::Writer,
    engine::verbs,
    error::{Error, Result},
    kit::Money,
    resources::finance::{Payment, invoice::Direction, statement::keeps_books},
};

/// Makes a payment one of a requisition: what that says already is filled in, and nothing else may be said. The triggers of payments
/// hold all of it; what is asked here before is for better words.
///
/// # Errors
/// 400 for what the requisition says otherwise; 403 without the right to pay; 409 for one's own, for what is not approved, and for more
/// than is left.
pub fn payable(payment: &mut Payment, tx: &Writer<'_>, id: i64) -> Result<Requisition> {
    keeps_books(tx.actor())?;
    let requisition = verbs::load::<Requisition>(tx, id)?;
    if requisition.status != RequisitionStatus::Approved {
        return Err(Error::conflict("not_open", "Only an approved requisition is paid."));
    }
    decide::expect_not_own(tx, id)?;
    if *payment.direction.get_or_insert(Direction::Outgoing) != Direction::Outgoing {
        return Err(Error::field("direction", "A requisition is paid by an outgoing payment."));
    }
    match (requisition.party, payment.party) {
        (Some(party), Some(other)) if party != other => return Err(Error::field("party", "The requisition is for another party.")),
        (Some(party), _) => payment.party = Some(party),
        // A party's bill is on its account; all else is an expense at once.
        (None, Some(_)) => {}
        (None, None) => {
            let category = payment.category.get_or_insert_with(|| requisition.category.clone().unwrap_or_default());
            if Some(&*category) != requisition.category.as_ref() {
                return Err(Error::field("category", "The requisition is of another category."));
            }
        }
    }
    let own: Option<String> = match payment.account {
        Some(account) => tx.one("SELECT currency FROM accounts WHERE id = ?1", &[account.0.into()])?,
        None => None,
    };
    // Amounts in two currencies are not compared; the account is refused further on.
    let is_comparable = own.is_none_or(|own| own == requisition.currency_code());
    let left = Money { minor: requisition.remaining(), exponent: payment.amount.exponent };
    if is_comparable && payment.amount.minor > left.minor {
        let text = format!("{} is more than the {left} that is left of what was approved.", payment.amount);
        return Err(Error::conflict("exceeds_approved_amount", text));
    }
    Ok(requisition)
}

/// A requisition is other than it was read: part of it is paid, or that was taken back.
pub fn note_payment(tx: &mut Writer<'_>, requisition: i64, payment: i64, what: &'static str) -> Result<()> {
    tx.touch_version("requisitions", requisition)?;
    tx.step(|tx| {
        tx.act(what);
        tx.note("requisitions", requisition, what, None, Some(json!({"payment": payment})))
    })
}
