//! What is left of a credit note settles other invoices of the party.

use poem_openapi::Object;

use super::{Invoice, InvoiceKind, InvoiceState};
use crate::{
    db::Writer,
    engine::verbs,
    error::{Error, Result},
    kit::{Date, Json, Money, Ref, exponent},
    resources::finance::payment::allocation::{self, Plan, Share, Source, Target, Wanted},
};

/// What a credit note is to settle.
#[derive(Object)]
pub struct AllocateCredit {
    /// The invoice.
    pub invoice: Ref<Invoice>,
    /// So much of it; all that is open and there when left out.
    pub amount: Option<Json>,
}

/// Settles an invoice with what is left of a credit note, and answers the id of that.
///
/// # Errors
/// 409 for what is no issued credit note, and when nothing is left or open; 400 for more than is left or open.
pub fn allocate(tx: &mut Writer<'_>, id: i64, wanted: &AllocateCredit) -> Result<i64> {
    let note = credit_note(tx, id)?;
    let business = tx.actor().business_id().ok_or_else(Error::forbidden)?;
    let currency = note.currency_code().to_owned();
    let rest = Money { minor: note.open(), exponent: exponent(&currency) };
    if rest.minor <= 0 {
        return Err(Error::conflict("nothing_left", "All of the credit note settles something already."));
    }
    let asked = match &wanted.amount {
        Some(sent) => {
            Wanted::Shares(vec![Share { invoice: wanted.invoice.0, amount: allocation::amount("amount", &sent.0, rest.exponent)?.minor }])
        }
        None => Wanted::Invoice(wanted.invoice.0),
    };
    // It settles what a payment of the other direction does.
    let from = Plan { party: note.party.0, currency: &currency, direction: note.direction.opposite(), keeps_excess: true };
    let shares = allocation::plan(tx, business, &asked, &rest, &from)?;
    if shares.is_empty() {
        return Err(Error::conflict("nothing_open", "Nothing is open."));
    }
    tx.act("allocate");
    let date = Date(tx.actor().today());
    for share in shares {
        allocation::add(tx, Source::CreditNote(id), Target::Invoice(share.invoice), share.amount, date)?;
    }
    Ok(id)
}

/// Takes back what a credit note settles of an invoice, and answers its id.
///
/// # Errors
/// 409 when it settles nothing of it.
pub fn unallocate(tx: &mut Writer<'_>, id: i64, invoice: i64) -> Result<i64> {
    credit_note(tx, id)?;
    tx.act("unallocate");
    allocation::remove(tx, Source::CreditNote(id), invoice)?;
    Ok(id)
}

fn credit_note(tx: &Writer<'_>, id: i64) -> Result<Invoice> {
    let note = verbs::load::<Invoice>(tx, id)?;
    if note.kind != InvoiceKind::CreditNote || note.state != InvoiceState::Issued {
        return Err(Error::conflict("invalid_transition", "Only an issued credit note settles invoices."));
    }
    Ok(note)
}
