//! What an invoice comes to.
//!
//! Rounding happens at four places and nowhere else: a line's gross, its percent discount, the document's percent discount, and the tax
//! of each rate. All else is exact, and shares are split so that they add up.

use super::{
    LARGEST,
    decimal::{Percent, Price, Quantity, WHOLE},
    round::{round, split},
};

/// What is taken off, before tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Discount {
    #[default]
    None,
    Percent(Percent),
    /// Minor units.
    Fixed(i64),
}

/// A line as it was entered.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub quantity: Quantity,
    pub unit_price: Price,
    pub discount: Discount,
    pub tax: Percent,
}

/// A document as it was entered.
#[derive(Debug, Clone)]
pub struct Document {
    pub entries: Vec<Entry>,
    pub discount: Discount,
    pub prices_include_tax: bool,
    /// How many decimals the currency has.
    pub exponent: u8,
}

/// What a line comes to, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub gross: i64,
    pub discount: i64,
    /// After the line's discount, before the document's: what is printed beside the line.
    pub amount: i64,
    /// Its part of the document's discount.
    pub share: i64,
    /// Without tax.
    pub net: i64,
    pub tax: i64,
}

/// What a document comes to, in minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computed {
    pub lines: Vec<Line>,
    /// Without tax, after all discounts.
    pub subtotal: i64,
    /// All discounts: those of lines and that of the document.
    pub discount: i64,
    pub tax: i64,
    pub total: i64,
}

/// What cannot be computed: the place, the field and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The line; `None` for the document.
    pub line: Option<usize>,
    pub field: &'static str,
    pub text: &'static str,
}

const TOO_LARGE: &str = "The amount is too large.";
const OVER_PERCENT: &str = "A percentage is from 0 to 100.";
const NEGATIVE: &str = "A discount is not negative.";

fn wrong<T>(line: Option<usize>, field: &'static str, text: &'static str) -> Result<T, Wrong> {
    Err(Wrong { line, field, text })
}

fn within(amount: i128, line: Option<usize>, field: &'static str) -> Result<i64, Wrong> {
    i64::try_from(amount).ok().filter(|amount| (0..=LARGEST).contains(amount)).map_or_else(|| wrong(line, field, TOO_LARGE), Ok)
}

fn is_percent(percent: Percent) -> bool {
    (0..=WHOLE).contains(&percent.0)
}

/// How much is taken off `whole`.
fn discount_of(discount: Discount, whole: i64, line: Option<usize>) -> Result<i64, Wrong> {
    match discount {
        Discount::None => Ok(0),
        Discount::Percent(percent) if !is_percent(percent) => wrong(line, "discount_value", OVER_PERCENT),
        Discount::Percent(percent) => within(round(i128::from(whole) * i128::from(percent.0), WHOLE.into()), line, "discount_value"),
        Discount::Fixed(amount) if amount < 0 => wrong(line, "discount_value", NEGATIVE),
        Discount::Fixed(amount) if amount > whole => wrong(line, "discount_value", "The discount is more than there is to discount."),
        Discount::Fixed(amount) => Ok(amount),
    }
}

/// Quantity times price, in minor units.
pub fn gross(quantity: Quantity, unit_price: Price, exponent: u8) -> i128 {
    // Below 2^53 each, and 10^4 at most: far from where an i128 ends.
    let minor = i128::from(quantity.0) * i128::from(unit_price.0) * 10_i128.pow(u32::from(exponent.min(4)));
    round(minor, 10_i128.pow(4 + 6))
}

/// What a line comes to by itself: gross, discount, and what is left.
fn own(entry: &Entry, exponent: u8, line: usize) -> Result<[i64; 3], Wrong> {
    let at = Some(line);
    if !(1..=LARGEST).contains(&entry.quantity.0) {
        let text = if entry.quantity.0 > 0 { TOO_LARGE } else { "Ensure this value is greater than 0." };
        return wrong(at, "quantity", text);
    }
    if !(0..=LARGEST).contains(&entry.unit_price.0) {
        let text = if entry.unit_price.0 > 0 { TOO_LARGE } else { "Ensure this value is greater than or equal to 0." };
        return wrong(at, "unit_cost", text);
    }
    if !is_percent(entry.tax) {
        return wrong(at, "tax_percent", OVER_PERCENT);
    }
    let gross = within(gross(entry.quantity, entry.unit_price, exponent), at, "unit_cost")?;
    let discount = discount_of(entry.discount, gross, at)?;
    Ok([gross, discount, gross - discount])
}

/// Works a document out.
///
/// # Errors
/// Values that mean nothing (a discount over the whole, a negative price), and amounts that are too large.
pub fn compute(document: &Document) -> Result<Computed, Wrong> {
    let own = document.entries.iter().enumerate().map(|(index, entry)| own(entry, document.exponent, index));
    let own: Vec<[i64; 3]> = own.collect::<Result<_, _>>()?;
    let amounts: Vec<i128> = own.iter().map(|[.., amount]| i128::from(*amount)).collect();
    let whole = within(amounts.iter().sum(), None, "total")?;
    let off = discount_of(document.discount, whole, None)?;
    let shares = split(off.into(), &amounts);
    let taxable: Vec<i128> = amounts.iter().zip(&shares).map(|(amount, share)| amount - share).collect();
    let mut taxes = vec![0_i128; taxable.len()];
    let mut rates: Vec<i64> = document.entries.iter().map(|entry| entry.tax.0).collect();
    rates.sort_unstable();
    rates.dedup();
    for rate in rates {
        let group: Vec<usize> = (0..taxable.len()).filter(|line| document.entries[*line].tax.0 == rate).collect();
        let bases: Vec<i128> = group.iter().map(|line| taxable[*line]).collect();
        let (base, rate, all): (i128, i128, i128) = (bases.iter().sum(), rate.into(), WHOLE.into());
        let tax = if document.prices_include_tax { round(base * rate, all + rate) } else { round(base * rate, all) };
        group.into_iter().zip(split(tax, &bases)).for_each(|(line, tax)| taxes[line] = tax);
    }
    let mut lines = Vec::with_capacity(own.len());
    let (mut subtotal, mut discount, mut tax) = (0_i128, i128::from(off), 0_i128);
    for (index, [gross, taken, amount]) in own.into_iter().enumerate() {
        let net = if document.prices_include_tax { taxable[index] - taxes[index] } else { taxable[index] };
        (subtotal, discount, tax) = (subtotal + net, discount + i128::from(taken), tax + taxes[index]);
        let [net, share, tax] = [net, shares[index], taxes[index]].map(|amount| within(amount, None, "total"));
        lines.push(Line { gross, discount: taken, amount, share: share?, net: net?, tax: tax? });
    }
    let sums = [subtotal, discount, tax, subtotal + tax].map(|sum| within(sum, None, "total"));
    let [subtotal, discount, tax, total] = sums;
    Ok(Computed { lines, subtotal: subtotal?, discount: discount?, tax: tax?, total: total? })
}
