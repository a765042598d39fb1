//! What a payment does to the books, and taking it back.

use super::{Payment, PaymentState, Purpose, allocation};
use crate::{
    db::{Value, Writer},
    engine::verbs,
    error::{Error, Result},
    kit::Date,
    resources::finance::{
        account::may_use,
        goal,
        invoice::Direction,
        ledger::{self, AccountClass, Line, Posting},
        requisition,
    },
};

/// Posts a payment that was just stored: gives it its number and its row in the cash book.
pub fn post(tx: &mut Writer<'_>, id: i64, payment: &Payment) -> Result<()> {
    let business = tx.actor().business_id().ok_or_else(Error::forbidden)?;
    let (account, date) = (payment.account.map_or(0, |account| account.0), payment.date.unwrap_or(Date(tx.actor().today())));
    if !may_use(tx, tx.actor(), account)? {
        return Err(Error::forbidden());
    }
    let currency = payment.currency.as_ref().map_or_else(|| "USD".to_owned(), |currency| currency.0.clone());
    let lines = lines(tx, payment, account, &currency)?;
    let number = ledger::next_number(tx, "receipt", date, |reader, number| {
        reader.exists("SELECT 1 FROM payments WHERE business_id = ?1 AND number = ?2", &[business.into(), number.into()])
    })?;
    let memo = format!("Payment {number}");
    let entry = ledger::post(tx, Posting { date, memo: memo.clone(), source: ("payment", id), lines, reverses: None })?;
    tx.complete("payments", id, vec![("number", number.into()), ("journal_entry_id", entry.into())])?;
    let category = payment.category.clone().unwrap_or_else(|| "invoice".to_owned());
    let kind = if payment.direction == Some(Direction::Outgoing) { "expense" } else { "income" };
    let values: Vec<(&str, Value)> = vec![
        ("type", kind.into()),
        ("amount", payment.amount.minor.into()),
        ("transaction_charge", payment.charge.map_or(0, |charge| charge.minor).into()),
        ("account_id", account.into()),
        ("currency", currency.into()),
        ("category", category.into()),
        ("party_id", payment.party.map(|party| party.0).into()),
        ("description", memo.into()),
        ("reference", payment.reference.as_str().into()),
        ("date", date.to_string().into()),
        ("state", "posted".into()),
        ("source", "payment".into()),
        ("journal_entry_id", entry.into()),
        ("related_payment_id", id.into()),
    ];
    tx.step(|tx| {
        tx.act("create");
        tx.insert("transactions", values).map(drop)
    })
}

fn lines(tx: &mut Writer<'_>, payment: &Payment, account: i64, currency: &str) -> Result<Vec<Line>> {
    let (amount, charge) = (payment.amount.minor, payment.charge.map_or(0, |charge| charge.minor));
    let incoming = payment.direction != Some(Direction::Outgoing);
    let party = payment.party.map(|party| party.0);
    // What a customer pays and gets back is on what customers owe, the rest on what suppliers are owed.
    let other = match (&payment.category, incoming == (payment.purpose == Purpose::Settlement)) {
        (Some(category), _) => {
            let class = if incoming { AccountClass::Income } else { AccountClass::Expense };
            ledger::category(tx, category, class, currency)?
        }
        (None, true) => ledger::account(tx, ledger::RECEIVABLE, AccountClass::Asset, currency)?,
        (None, false) => ledger::account(tx, ledger::PAYABLE, AccountClass::Liability, currency)?,
    };
    let charges = if charge > 0 { Some(ledger::account(tx, ledger::BANK_CHARGES, AccountClass::Expense, currency)?) } else { None };
    let (money, counter) = if incoming { (amount - charge, -amount) } else { (-(amount + charge), amount) };
    let mut lines = vec![Line::new(account, money), Line::new(other, counter).of(party)];
    lines.extend(charges.map(|account| Line::new(account, charge)));
    Ok(lines)
}

/// Takes a payment back: what it settled is open again, and its entry is reversed today.
///
/// # Errors
/// 409 when it was taken back already, or part of it was given back.
pub fn void(tx: &mut Writer<'_>, id: i64, reason: &str) -> Result<()> {
    let payment = verbs::load::<Payment>(tx, id)?;
    if payment.state == PaymentState::Void {
        return Err(Error::conflict("invalid_transition", "The payment is void already."));
    }
    if tx.exists("SELECT 1 FROM allocations WHERE payment_id = ?1 AND refund_id IS NOT NULL", &[id.into()])? {
        return Err(Error::conflict("has_refund", "Part of the payment was given back: void the refund first."));
    }
    if payment.purpose == Purpose::Refund {
        allocation::release(tx, id)?;
    } else {
        allocation::remove_all(tx, allocation::Source::Payment(id))?;
    }
    let entry = payment.journal_entry_id.ok_or_else(|| Error::internal("a payment without its entry"))?;
    let memo = format!("Void {}", payment.number.as_deref().unwrap_or_default());
    let reversal = ledger::reverse(tx, entry, None, &memo)?;
    let values: Vec<(&str, Value)> = vec![
        ("state", "void".into()),
        ("voided_at", tx.now().to_string().into()),
        ("voided_by", tx.actor().user_id.into()),
        ("void_reason", reason.into()),
        ("void_entry_id", reversal.into()),
    ];
    tx.act("void");
    tx.update("payments", id, values)?;
    if let Some(requisition) = payment.requisition {
        requisition::note_payment(tx, requisition.0, id, "void_payment")?;
    }
    if let Some(goal) = payment.goal {
        goal::moved(tx, goal.0, goal::Moves::Back)?;
    }
    let row: Option<i64> = tx.one("SELECT id FROM transactions WHERE related_payment_id = ?1", &[id.into()])?;
    match row {
        Some(row) => tx.step(|tx| {
            tx.act("reverse");
            tx.update("transactions", row, vec![("state", "reversed".into())]).map(drop)
        }),
        None => Ok(()),
    }
}
