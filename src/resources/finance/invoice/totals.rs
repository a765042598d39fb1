//! What an invoice comes to, put into its fields.

use super::{
    Invoice,
    item::{InvoiceItem, discount},
};
use crate::{
    db::{Reader, Row},
    error::{Error, Problems, Result},
    kit::{
        Money, exponent,
        money::compute::{self, Computed, Document, Entry, Wrong},
    },
    resources::finance::invoice::Direction,
};

const TOO_PRECISE: &str = "The amount has more decimals than the currency.";

/// Fills in what is worked out. `sent`: the items were sent and may say what they come to, which must be right.
pub fn fill(invoice: &mut Invoice, reader: &Reader<'_>, business: i64, sent: bool) -> Result<()> {
    let currency = invoice.currency_code().to_owned();
    let decimals = exponent(&currency);
    rates(invoice, reader, business)?;
    accounts(invoice, reader, business, &currency)?;
    let document = document(invoice, decimals)?;
    let computed = compute::compute(&document).map_err(|wrong| refusal(wrong, invoice.items.0.len()))?;
    let before = invoice.items.0.clone();
    put(invoice, &computed, decimals);
    if sent {
        let wrong: Vec<Problems> = before.iter().zip(&invoice.items.0).map(|(sent, computed)| sent.disagrees(computed)).collect();
        if wrong.iter().any(|row| !row.is_empty()) {
            return Err(rows(wrong));
        }
    }
    Ok(())
}

fn document(invoice: &Invoice, exponent: u8) -> Result<Document> {
    let entry = |(index, item): (usize, &InvoiceItem)| {
        let discount = discount(item.discount_type, item.discount_value, exponent);
        let wrong = || refusal(Wrong { line: Some(index), field: "discount_value", text: TOO_PRECISE }, invoice.items.0.len());
        let discount = discount.ok_or_else(wrong)?;
        Ok(Entry { quantity: item.quantity, unit_price: item.unit_cost, discount, tax: item.tax_percent })
    };
    Ok(Document {
        entries: invoice.items.0.iter().enumerate().map(entry).collect::<Result<_>>()?,
        discount: discount(invoice.discount_type, invoice.discount_value, exponent)
            .ok_or_else(|| Error::field("discount_value", TOO_PRECISE))?,
        prices_include_tax: invoice.prices_include_tax.unwrap_or_default(),
        exponent,
    })
}

fn put(invoice: &mut Invoice, computed: &Computed, exponent: u8) {
    let money = |minor| Some(Money { minor, exponent });
    for (item, line) in invoice.items.0.iter_mut().zip(&computed.lines) {
        item.gross = money(line.gross);
        item.discount_amount = money(line.discount);
        item.amount = money(line.amount);
        item.doc_discount_share = money(line.share);
        item.net_amount = money(line.net);
        item.tax_amount = money(line.tax);
    }
    invoice.subtotal = money(computed.subtotal);
    invoice.discount_total = money(computed.discount);
    invoice.tax_total = money(computed.tax);
    invoice.total = money(computed.total);
    invoice.amount_allocated = Some(invoice.amount_allocated.map_or(Money { minor: 0, exponent }, |was| Money { exponent, ..was }));
}

/// Notes the tax of each item as its rate now is.
fn rates(invoice: &mut Invoice, reader: &Reader<'_>, business: i64) -> Result<()> {
    let mut known: Vec<(i64, String, i64)> = vec![];
    for item in &mut invoice.items.0 {
        let Some(rate) = item.tax_rate else {
            item.tax_name.clear();
            item.tax_percent.0 = 0;
            continue;
        };
        if !known.iter().any(|(id, ..)| *id == rate.0) {
            let sql = "SELECT name, percent FROM tax_rates WHERE id = ?1 AND business_id = ?2";
            let read = |row: &Row<'_>| Ok((rate.0, row.get::<String>(0)?, row.get::<i64>(1)?));
            known.push(reader.row(sql, &[rate.0.into(), business.into()], read)?.ok_or_else(Error::not_found)?);
        }
        if let Some((_, name, percent)) = known.iter().find(|(id, ..)| *id == rate.0) {
            item.tax_name.clone_from(name);
            item.tax_percent.0 = *percent;
        }
    }
    Ok(())
}

/// Accounts of items are of income for what is sold and of expense for what is bought, in the currency of the invoice.
fn accounts(invoice: &Invoice, reader: &Reader<'_>, business: i64, currency: &str) -> Result<()> {
    let class = if invoice.direction == Direction::Outgoing { "income" } else { "expense" };
    // A write-off is no less income, but an expense.
    let also = if invoice.kind == super::InvoiceKind::CreditNote { "expense" } else { class };
    let mut fine: Vec<i64> = vec![];
    let mut wrong: Vec<Problems> = invoice.items.0.iter().map(|_| Problems::default()).collect();
    for (item, problems) in invoice.items.0.iter().zip(&mut wrong) {
        let Some(account) = item.account.map(|account| account.0) else { continue };
        let sql =
            "SELECT 1 FROM accounts WHERE id = ?1 AND business_id = ?2 AND (class = ?3 OR class = ?5) AND currency = ?4 AND is_active = 1";
        if fine.contains(&account) {
            continue;
        }
        if reader.exists(sql, &[account.into(), business.into(), class.into(), currency.into(), also.into()])? {
            fine.push(account);
        } else {
            problems.add("account", format!("Choose an active account of {class} in {currency}."));
        }
    }
    if wrong.iter().any(|row| !row.is_empty()) { Err(rows(wrong)) } else { Ok(()) }
}

/// Refuses items: what is wrong with each.
pub fn rows(wrong: Vec<Problems>) -> Error {
    let mut problems = Problems::default();
    problems.rows("items", wrong);
    Error::Invalid(problems)
}

/// Refuses what cannot be computed, one of so many items or the whole.
pub fn refusal(wrong: Wrong, lines: usize) -> Error {
    let Some(line) = wrong.line else { return Error::field(wrong.field, wrong.text) };
    let problem = |index| if index == line { Problems::one(wrong.field, wrong.text) } else { Problems::default() };
    rows((0..lines).map(problem).collect())
}
