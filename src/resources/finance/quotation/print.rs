//! A quotation as it is printed: seller and buyer as they are now.

use super::{Quotation, QuotationState};
use crate::{
    db::Reader,
    engine::verbs,
    error::{Error, Result},
    kit::{Date, Money, exponent},
    paper::Tone,
    resources::finance::{
        invoice::{Direction, sides},
        printed::{Printed, Row, Totals, rows, side, sums},
    },
};

/// A quotation as a PDF file, and what it is called.
pub fn file(reader: &Reader<'_>, id: i64, today: Date) -> Result<(Vec<u8>, String)> {
    let business: Option<i64> = reader.one("SELECT business_id FROM quotations WHERE id = ?1", &[id.into()])?;
    let printed = printed(reader, id, business.ok_or_else(Error::not_found)?, today)?;
    Ok((printed.to_pdf()?, printed.title))
}

fn printed(reader: &Reader<'_>, id: i64, business: i64, today: Date) -> Result<Printed> {
    let quotation = verbs::load::<Quotation>(reader, id)?;
    let parties = sides(reader, quotation.party.0, Direction::Outgoing, business)?.0;
    let (stamp, warning) = match quotation.state {
        QuotationState::Accepted => (Some(("ACCEPTED", Tone::Good)), ""),
        QuotationState::Rejected => (Some(("REJECTED", Tone::Warning)), ""),
        _ if quotation.is_over(today) => (Some(("EXPIRED", Tone::Warning)), "This was offered until a day that has passed."),
        QuotationState::Draft => (Some(("DRAFT", Tone::Quiet)), ""),
        QuotationState::Sent => (None, ""),
    };
    let totals = Totals { currency: quotation.currency_code().to_owned(), subtotal: quotation.subtotal, total: quotation.total_amount };
    let mut facts = vec![("Date", quotation.issued_date.map(|date| date.to_string()).unwrap_or_default())];
    facts.extend(quotation.valid_until.map(|until| ("Valid until", until.to_string())));
    let items = &quotation.items.0;
    Ok(Printed {
        title: format!("Quotation {}", quotation.quote_number.as_deref().unwrap_or_default()).trim_end().to_owned(),
        stamp,
        warning,
        facts,
        parties: [("From", side(&parties["seller"])), ("To", side(&parties["buyer"]))],
        rows: if items.is_empty() { vec![whole(&quotation)] } else { rows(items, exponent(quotation.currency_code())) },
        sums: sums(items, &totals),
        texts: vec![quotation.description, quotation.terms],
    })
}

/// All that is offered as one item, where there are none.
fn whole(quotation: &Quotation) -> Row {
    let total = quotation.total_amount.as_ref().map(Money::to_string).unwrap_or_default();
    let (more, tax) = (String::new(), String::new());
    Row { name: quotation.words(), more, quantity: "1".to_owned(), price: total.clone(), tax, amount: total }
}
