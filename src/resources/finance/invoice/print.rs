//! An invoice as it is printed: as it was issued, and what is open of it now.

use super::{Invoice, InvoiceKind, InvoiceState, issue::sides};
use crate::{
    db::{Reader, Row},
    engine::verbs,
    error::{Error, Result},
    kit::{Money, exponent},
    paper::Tone,
    resources::finance::printed::{Printed, Sum, Totals, rows, side, sums},
};

/// What was paid or credited towards it: the day, the number, how, and how much.
const PAYMENTS: &str = "SELECT a.date, coalesce(p.number, c.number), p.method, a.amount FROM allocations AS a \
     LEFT JOIN payments AS p ON p.id = a.payment_id LEFT JOIN invoices AS c ON c.id = a.credit_note_id \
     WHERE a.invoice_id = ?1 AND a.business_id = ?2 ORDER BY a.date, a.id";

/// An invoice of a business as it is printed.
pub fn printed(reader: &Reader<'_>, id: i64, business: i64) -> Result<Printed> {
    let invoice = verbs::load::<Invoice>(reader, id)?;
    let decimals = exponent(invoice.currency_code());
    let is_note = invoice.kind == InvoiceKind::CreditNote;
    let what = if is_note { "Credit note" } else { "Invoice" };
    // A draft says what it would say if it were issued now.
    let parties = match &invoice.snapshot {
        Some(snapshot) => snapshot.0.clone(),
        None => sides(reader, invoice.party.0, invoice.direction, business)?.0,
    };
    let is_paid = invoice.state == InvoiceState::Issued && !is_note && invoice.open() == 0;
    let (stamp, warning) = match invoice.state {
        InvoiceState::Draft => (Some(("DRAFT", Tone::Quiet)), ""),
        InvoiceState::Void => (Some(("VOID", Tone::Warning)), "This was taken back: nothing is to be paid."),
        InvoiceState::Issued if is_paid => (Some(("PAID", Tone::Good)), ""),
        InvoiceState::Issued => (None, ""),
    };
    let totals = Totals { currency: invoice.currency_code().to_owned(), subtotal: invoice.subtotal, total: invoice.total };
    let mut sums = sums(&invoice.items.0, &totals);
    if invoice.state == InvoiceState::Issued && !is_note {
        let money = |minor| Money { minor, exponent: decimals };
        reader.each(PAYMENTS, &[id.into(), business.into()], |row: &Row<'_>| {
            let words = [row.get::<Option<String>>(0)?, row.get(1)?, row.get::<Option<String>>(2)?.map(|method| method.replace('_', " "))];
            let words: Vec<String> = words.into_iter().flatten().collect();
            sums.push(Sum::new(words.join(", "), money(row.get(3)?)));
            Ok(())
        })?;
        sums.push(Sum::new("Paid", money(Invoice::minor(invoice.amount_allocated))));
        sums.push(Sum::strong("Amount due", money(invoice.open())));
    }
    Ok(Printed {
        title: format!("{what} {}", invoice.number.as_deref().unwrap_or_default()).trim_end().to_owned(),
        stamp,
        warning,
        facts: facts(reader, &invoice)?,
        parties: [("From", side(&parties["seller"])), ("To", side(&parties["buyer"]))],
        rows: rows(&invoice.items.0, decimals),
        sums,
        texts: vec![invoice.notes, invoice.terms],
    })
}

fn facts(reader: &Reader<'_>, invoice: &Invoice) -> Result<Vec<(&'static str, String)>> {
    let mut facts = vec![("Date", invoice.issue_date.map(|date| date.to_string()).unwrap_or_default())];
    if invoice.kind == InvoiceKind::Invoice {
        facts.push(("Due", invoice.due_date.map(|date| date.to_string()).unwrap_or_default()));
    }
    if let Some(corrected) = invoice.corrects {
        let number: Option<Option<String>> = reader.one("SELECT number FROM invoices WHERE id = ?1", &[corrected.0.into()])?;
        facts.extend(number.flatten().map(|number| ("For invoice", number)));
    }
    if !invoice.reference.is_empty() {
        facts.push(("Reference", invoice.reference.clone()));
    }
    Ok(facts)
}

/// An invoice as a PDF file, and what it is called.
pub fn file(reader: &Reader<'_>, id: i64) -> Result<(Vec<u8>, String)> {
    let business: Option<i64> = reader.one("SELECT business_id FROM invoices WHERE id = ?1", &[id.into()])?;
    let printed = printed(reader, id, business.ok_or_else(Error::not_found)?)?;
    Ok((printed.to_pdf()?, printed.title))
}
