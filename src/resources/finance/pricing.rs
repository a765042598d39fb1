//! What the items of a document come to, put into them: one computation for invoices, quotations and what is invoiced again and again.

use super::invoice::{Direction, DiscountType, InvoiceItem, discount};
use crate::{
    db::{Reader, Row},
    error::{Error, Problems, Result},
    kit::{
        Decimal, Money, exponent,
        money::compute::{self, Computed, Document, Entry, Wrong},
    },
};

const TOO_PRECISE: &str = "The amount has more decimals than the currency.";

/// How the items of a document are priced.
pub struct Terms<'a> {
    pub business: i64,
    pub currency: &'a str,
    pub direction: Direction,
    /// A write-off is no less income, but an expense.
    pub takes_expense: bool,
    pub prices_include_tax: bool,
    pub discount_type: DiscountType,
    pub discount_value: Decimal<4>,
}

/// What all items come to.
#[derive(Clone, Copy)]
pub struct Sums {
    /// Without tax, after all discounts.
    pub subtotal: Money,
    /// All discounts.
    pub discount: Money,
    pub tax: Money,
    pub total: Money,
}

/// Fills in what is worked out of each item, and answers what they come to. `sent`: the items were sent and may say what they come to,
/// which must be right.
pub fn fill(items: &mut [InvoiceItem], terms: &Terms<'_>, reader: &Reader<'_>, sent: bool) -> Result<Sums> {
    let decimals = exponent(terms.currency);
    rates(items, terms, reader)?;
    accounts(items, terms, reader)?;
    let document = document(items, terms, decimals)?;
    let computed = compute::compute(&document).map_err(|wrong| refusal(wrong, items.len()))?;
    let before = items.to_vec();
    put(items, &computed, decimals);
    if sent {
        let wrong: Vec<Problems> = before.iter().zip(&*items).map(|(sent, computed)| sent.disagrees(computed)).collect();
        if wrong.iter().any(|row| !row.is_empty()) {
            return Err(rows(wrong));
        }
    }
    let money = |minor| Money { minor, exponent: decimals };
    Ok(Sums {
        subtotal: money(computed.subtotal),
        discount: money(computed.discount),
        tax: money(computed.tax),
        total: money(computed.total),
    })
}

fn document(items: &[InvoiceItem], terms: &Terms<'_>, exponent: u8) -> Result<Document> {
    let entry = |(index, item): (usize, &InvoiceItem)| {
        let discount = discount(item.discount_type, item.discount_value, exponent);
        let wrong = || refusal(Wrong { line: Some(index), field: "discount_value", text: TOO_PRECISE }, items.len());
        let discount = discount.ok_or_else(wrong)?;
        Ok(Entry { quantity: item.quantity, unit_price: item.unit_cost, discount, tax: item.tax_percent })
    };
    Ok(Document {
        entries: items.iter().enumerate().map(entry).collect::<Result<_>>()?,
        discount: discount(terms.discount_type, terms.discount_value, exponent)
            .ok_or_else(|| Error::field("discount_value", TOO_PRECISE))?,
        prices_include_tax: terms.prices_include_tax,
        exponent,
    })
}

fn put(items: &mut [InvoiceItem], computed: &Computed, exponent: u8) {
    let money = |minor| Some(Money { minor, exponent });
    for (item, line) in items.iter_mut().zip(&computed.lines) {
        item.gross = money(line.gross);
        item.discount_amount = money(line.discount);
        item.amount = money(line.amount);
        item.doc_discount_share = money(line.share);
        item.net_amount = money(line.net);
        item.tax_amount = money(line.tax);
    }
}

/// Notes the tax of each item as its rate now is.
fn rates(items: &mut [InvoiceItem], terms: &Terms<'_>, reader: &Reader<'_>) -> Result<()> {
    let mut known: Vec<(i64, String, i64)> = vec![];
    for item in items {
        let Some(rate) = item.tax_rate else {
            item.tax_name.clear();
            item.tax_percent.0 = 0;
            continue;
        };
        if !known.iter().any(|(id, ..)| *id == rate.0) {
            let sql = "SELECT name, percent FROM tax_rates WHERE id = ?1 AND business_id = ?2";
            let read = |row: &Row<'_>| Ok((rate.0, row.get::<String>(0)?, row.get::<i64>(1)?));
            known.push(reader.row(sql, &[rate.0.into(), terms.business.into()], read)?.ok_or_else(Error::not_found)?);
        }
        if let Some((_, name, percent)) = known.iter().find(|(id, ..)| *id == rate.0) {
            item.tax_name.clone_from(name);
            item.tax_percent.0 = *percent;
        }
    }
    Ok(())
}

/// Accounts of items are of income for what is sold and of expense for what is bought, in the currency of the document.
fn accounts(items: &[InvoiceItem], terms: &Terms<'_>, reader: &Reader<'_>) -> Result<()> {
    let class = if terms.direction == Direction::Outgoing { "income" } else { "expense" };
    let also = if terms.takes_expense { "expense" } else { class };
    let currency = terms.currency;
    let mut fine: Vec<i64> = vec![];
    let mut wrong: Vec<Problems> = items.iter().map(|_| Problems::default()).collect();
    for (item, problems) in items.iter().zip(&mut wrong) {
        let Some(account) = item.account.map(|account| account.0) else { continue };
        let sql =
            "SELECT 1 FROM accounts WHERE id = ?1 AND business_id = ?2 AND (class = ?3 OR class = ?5) AND currency = ?4 AND is_active = 1";
        if fine.contains(&account) {
            continue;
        }
        if reader.exists(sql, &[account.into(), terms.business.into(), class.into(), currency.into(), also.into()])? {
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
