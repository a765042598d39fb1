//! The items of a requisition, and what they come to.

use poem_openapi::Object;

use crate::{
    error::{Error, Problems, Result},
    kit::{
        Decimal, Line, Money, Price, Quantity,
        money::compute::{self, Discount, Document, Entry},
    },
    resources::finance::pricing::{refusal, rows},
};

/// An item of a requisition.
#[derive(Object, Clone, PartialEq)]
pub struct RequisitionItem {
    /// Its id; left out for a new one.
    pub id: Option<i64>,
    /// What is needed.
    #[oai(validator(max_length = 255))]
    pub particular: String,
    /// How much of it, more than nothing, with up to four decimals.
    #[oai(default = "one")]
    pub quantity: Quantity,
    /// What one costs, with up to six decimals.
    pub unit_cost: Price,
    /// Quantity times price. May be sent if it is right.
    pub amount: Option<Money>,
}

pub fn one() -> Quantity {
    Decimal(10_000)
}

impl Line for RequisitionItem {
    const TABLE: &'static str = "requisition_items";
}

/// Works out what items come to, in minor units, and writes it into each. `sent`: they may say so themselves, which must be right.
pub fn total(items: &mut [RequisitionItem], exponent: u8, sent: bool) -> Result<i64> {
    let entry =
        |item: &RequisitionItem| Entry { quantity: item.quantity, unit_price: item.unit_cost, discount: Discount::None, tax: Decimal(0) };
    let entries = items.iter().map(entry).collect();
    let document = Document { entries, discount: Discount::None, prices_include_tax: false, exponent };
    let computed = compute::compute(&document).map_err(|wrong| refusal(wrong, items.len()))?;
    let mut problems: Vec<Problems> = vec![];
    for (item, line) in items.iter_mut().zip(&computed.lines) {
        let fact = Money { minor: line.amount, exponent };
        let claim = item.amount.replace(fact).filter(|claim| sent && *claim != fact);
        problems.push(claim.map_or_else(Problems::default, |claim| Problems::one("amount", format!("This comes to {fact}, not {claim}."))));
    }
    if problems.iter().any(|problems| !problems.is_empty()) {
        return Err(rows(problems));
    }
    if computed.total <= 0 {
        return Err(Error::field("items", "Ensure that these come to more than 0."));
    }
    Ok(computed.total)
}
