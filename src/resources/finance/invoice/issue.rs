//! Issuing: a draft becomes a document with a number and a place in the books.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{Direction, Invoice, InvoiceKind, InvoiceState, kind_name};
use crate::{
    db::{Reader, Row, Value, Writer},
    engine::verbs,
    error::{Error, Result},
    kit::{Date, Money},
    outbox::{self, Channel, Language, Message},
    resources::finance::ledger::{self, AccountClass, Posting},
};

/// Issues a draft: gives it a number, notes seller and buyer as they are, posts it and tells the party.
///
/// # Errors
/// 409 for what is no draft, for one without items and in locked books; 400 for a supplier's bill without a number.
pub fn issue(tx: &mut Writer<'_>, id: i64) -> Result<()> {
    let invoice = verbs::load::<Invoice>(tx, id)?;
    if invoice.state != InvoiceState::Draft {
        return Err(Error::conflict("invalid_transition", "The invoice is issued already."));
    }
    if invoice.items.0.is_empty() {
        return Err(Error::conflict("invalid_transition", "An invoice is issued with at least one item."));
    }
    let business = tx.actor().business_id().ok_or_else(Error::forbidden)?;
    let date = invoice.issue_date.unwrap_or(Date(tx.actor().today()));
    ledger::check_open(tx, business, date)?;
    let number = number(tx, &invoice, id, business, date)?;
    let (snapshot, email) = sides(tx, invoice.party.0, invoice.direction, business)?;
    let lines = lines(tx, &invoice)?;
    let memo = format!("{} {number}", if invoice.kind == InvoiceKind::CreditNote { "Credit note" } else { "Invoice" });
    // An invoice of nothing moves nothing.
    let entry = match Invoice::minor(invoice.total) {
        0 => None,
        _ => Some(ledger::post(tx, Posting { date, memo, source: ("invoice", id), lines, reverses: None })?),
    };
    let values: Vec<(&str, Value)> = vec![
        ("state", "issued".into()),
        ("number", number.as_str().into()),
        ("snapshot", snapshot.to_string().into()),
        ("issued_at", tx.now().to_string().into()),
        ("issued_by", tx.actor().user_id.into()),
        ("journal_entry_id", entry.into()),
    ];
    tx.step(|tx| {
        tx.act("issue");
        tx.update("invoices", id, values).map(drop)
    })?;
    match email.filter(|_| invoice.direction == Direction::Outgoing) {
        Some(email) => tell(tx, id, email, &number, &invoice, &snapshot),
        None => Ok(()),
    }
}

/// The number it was given, or the next of its series.
fn number(tx: &mut Writer<'_>, invoice: &Invoice, id: i64, business: i64, date: Date) -> Result<String> {
    let key = kind_name(invoice.kind);
    match (&invoice.number, invoice.direction) {
        (Some(number), Direction::Outgoing) => {
            ledger::use_number(tx, key, date, number)?;
            Ok(number.clone())
        }
        (Some(number), Direction::Incoming) => Ok(number.clone()),
        // A supplier's credit note may come without one.
        (None, Direction::Incoming) if invoice.kind == InvoiceKind::CreditNote => Ok(format!("CN-{id}")),
        (None, Direction::Incoming) => Err(Error::field("number", "A supplier's bill has the supplier's number.")),
        (None, Direction::Outgoing) => ledger::next_number(tx, key, date, |reader, number| {
            let sql = "SELECT 1 FROM invoices WHERE business_id = ?1 AND kind = ?2 AND number = ?3 AND direction = 'outgoing' \
                       AND deleted_at IS NULL";
            reader.exists(sql, &[business.into(), key.into(), number.into()])
        }),
    }
}

/// Seller and buyer as they are now, and the buyer's address for messages.
pub fn sides(reader: &Reader<'_>, party: i64, direction: Direction, business: i64) -> Result<(Json, Option<String>)> {
    let sql = "SELECT b.name, b.legal_name, b.tax_number, b.address, p.name, p.tax_number, p.address, p.email, p.phone \
               FROM businesses AS b JOIN parties AS p ON p.business_id = b.id \
               WHERE b.id = ?1 AND p.id = ?2 AND p.deleted_at IS NULL";
    let json = |text: String| serde_json::from_str::<Json>(&text).unwrap_or_default();
    let read = |row: &Row<'_>| {
        let text = |index| row.get::<Option<String>>(index);
        let us = json!({"name": text(0)?, "legal_name": text(1)?, "tax_number": text(2)?, "address": json(row.get(3)?)});
        let them = json!({"name": text(4)?, "tax_number": text(5)?, "address": json(row.get(6)?), "email": text(7)?, "phone": text(8)?});
        let sides = match direction {
            Direction::Outgoing => json!({"seller": us, "buyer": them}),
            Direction::Incoming => json!({"seller": them, "buyer": us}),
        };
        Ok((sides, text(7)?))
    };
    let found = reader.row(sql, &[business.into(), party.into()], read)?;
    found.ok_or_else(|| Error::conflict("invalid_transition", "Its party was deleted."))
}

/// What an invoice does to the books.
fn lines(tx: &mut Writer<'_>, invoice: &Invoice) -> Result<Vec<ledger::Line>> {
    let currency = invoice.currency_code().to_owned();
    let party = Some(invoice.party.0);
    // Debit for what is owed to us; a credit note is the negation.
    let sells = invoice.direction == Direction::Outgoing;
    let sign = if sells == (invoice.kind == InvoiceKind::Invoice) { 1 } else { -1 };
    let (owed, taxes, class) = if sells {
        ((ledger::RECEIVABLE, AccountClass::Asset), (ledger::TAX_PAYABLE, AccountClass::Liability), AccountClass::Income)
    } else {
        ((ledger::PAYABLE, AccountClass::Liability), (ledger::TAX_RECEIVABLE, AccountClass::Asset), AccountClass::Expense)
    };
    let total = Invoice::minor(invoice.total);
    let owed = ledger::account(tx, owed.0, owed.1, &currency)?;
    let mut lines = vec![ledger::Line::new(owed, sign * total).of(party)];
    let mut nets: BTreeMap<i64, i64> = BTreeMap::new();
    let mut usual = None;
    for item in &invoice.items.0 {
        let account = match (item.account, usual) {
            (Some(account), _) => account.0,
            (None, Some(usual)) => usual,
            (None, None) => *usual.insert(ledger::category(tx, "invoice", class, &currency)?),
        };
        *nets.entry(account).or_default() += Invoice::minor(item.net_amount);
    }
    lines.extend(nets.into_iter().map(|(account, net)| ledger::Line::new(account, -sign * net)));
    let tax = Invoice::minor(invoice.tax_total);
    if tax != 0 {
        let account = ledger::account(tx, taxes.0, taxes.1, &currency)?;
        lines.push(ledger::Line::new(account, -sign * tax));
    }
    Ok(lines)
}

/// Tells the party that there is an invoice.
fn tell(tx: &mut Writer<'_>, id: i64, email: String, number: &str, invoice: &Invoice, snapshot: &Json) -> Result<()> {
    let total = invoice.total.as_ref().map(Money::to_string).unwrap_or_default();
    let seller = snapshot["seller"]["name"].as_str().unwrap_or_default();
    let due = invoice.due_date.map(|date| date.to_string()).unwrap_or_default();
    let (subject, text) = match invoice.kind {
        InvoiceKind::CreditNote => {
            ("{seller}: credit note {number}", "{seller} has issued credit note {number} to you: {total}, due on {due}.")
        }
        InvoiceKind::Invoice => ("{seller}: invoice {number}", "{seller} has issued invoice {number} to you: {total}, due on {due}."),
    };
    let total = format!("{} {total}", invoice.currency_code());
    let values = [("seller", seller), ("number", number), ("total", &total), ("due", &due)];
    let language = Language::of_recipient(tx, Channel::Email, &email, tx.actor().business_id())?;
    let payload = outbox::letter(language, language.say(subject, &values), language.say(text, &values));
    let message = Message {
        channel: Channel::Email,
        recipient: email,
        template: "message".to_owned(),
        payload,
        key: Some(format!("invoice.issued:{id}")),
        due_at: None,
    };
    outbox::send(tx, message).map(drop)
}
