//! The items of an invoice.

use poem_openapi::Object;

use super::DiscountType;
use crate::{
    error::Problems,
    kit::{Decimal, Line, Money, Percent, Price, Quantity, Ref, money::compute::Discount},
    resources::finance::{Account, TaxRate},
};

/// An item of an invoice or a quotation.
#[derive(Object, Clone, PartialEq)]
pub struct InvoiceItem {
    /// Its id; left out for a new one.
    pub id: Option<i64>,
    /// What is sold.
    #[oai(validator(max_length = 255))]
    pub name: String,
    /// More about it.
    #[oai(default, validator(max_length = 2000))]
    pub description: String,
    /// How much of it, more than nothing, with up to four decimals.
    #[oai(default = "one")]
    pub quantity: Quantity,
    /// What it is counted in: `h`, `kg`.
    #[oai(validator(max_length = 20))]
    pub unit: Option<String>,
    /// What one costs, with up to six decimals.
    pub unit_cost: Price,
    /// How the discount is meant.
    #[oai(default)]
    pub discount_type: DiscountType,
    /// The percentage or the amount that is taken off.
    #[oai(default)]
    pub discount_value: Decimal<4>,
    /// The rate by which it is taxed; none when left out.
    pub tax_rate: Option<Ref<TaxRate>>,
    /// The name of that rate as it was; only for the server to set.
    #[oai(default, validator(max_length = 50))]
    pub tax_name: String,
    /// The percentage of that rate as it was; only for the server to set.
    #[oai(default)]
    pub tax_percent: Percent,
    /// The account of income or expense that it belongs to; that of the category `invoice` when left out.
    pub account: Option<Ref<Account>>,
    /// Quantity times price.
    pub gross: Option<Money>,
    /// What is taken off.
    pub discount_amount: Option<Money>,
    /// What is left: what is printed beside the item.
    pub amount: Option<Money>,
    /// Its part of the discount of the whole invoice.
    pub doc_discount_share: Option<Money>,
    /// What it comes to without tax.
    pub net_amount: Option<Money>,
    /// Its part of the tax.
    pub tax_amount: Option<Money>,
}

fn one() -> Quantity {
    Decimal(10_000)
}

/// What is worked out of an item, and nobody is asked for.
pub const WORKED_OUT: &[(&str, &str)] = &[
    ("items", "tax_name"),
    ("items", "tax_percent"),
    ("items", "gross"),
    ("items", "discount_amount"),
    ("items", "amount"),
    ("items", "doc_discount_share"),
    ("items", "net_amount"),
    ("items", "tax_amount"),
];

impl Line for InvoiceItem {
    const TABLE: &'static str = "invoice_items";
}

impl InvoiceItem {
    pub fn new(name: impl Into<String>, unit_cost: Price) -> Self {
        Self {
            id: None,
            name: name.into(),
            description: String::new(),
            quantity: one(),
            unit: None,
            unit_cost,
            discount_type: DiscountType::None,
            discount_value: Decimal(0),
            tax_rate: None,
            tax_name: String::new(),
            tax_percent: Decimal(0),
            account: None,
            gross: None,
            discount_amount: None,
            amount: None,
            doc_discount_share: None,
            net_amount: None,
            tax_amount: None,
        }
    }

    /// What was sent beside what it comes to: the amounts that the item has by itself must be right.
    pub fn disagrees(&self, computed: &Self) -> Problems {
        let mut problems = Problems::default();
        let claims = [
            ("gross", self.gross, computed.gross),
            ("discount_amount", self.discount_amount, computed.discount_amount),
            ("amount", self.amount, computed.amount),
        ];
        for (name, claim, fact) in claims {
            if let (Some(claim), Some(fact)) = (claim, fact)
                && claim != fact
            {
                problems.add(name, format!("This comes to {fact}, not {claim}."));
            }
        }
        problems
    }
}

/// A discount as it is computed with; `None` for an amount with more decimals than the currency has.
pub fn discount(how: DiscountType, value: Decimal<4>, exponent: u8) -> Option<Discount> {
    Some(match how {
        DiscountType::None => Discount::None,
        DiscountType::Percent => Discount::Percent(value),
        DiscountType::Fixed => {
            let unit = 10_i64.pow(4 - u32::from(exponent.min(4)));
            (value.0 % unit == 0).then_some(Discount::Fixed(value.0 / unit))?
        }
    })
}

/// An amount of the currency as the value of a fixed discount.
pub fn fixed(minor: i64, exponent: u8) -> Decimal<4> {
    Decimal(minor.saturating_mul(10_i64.pow(4 - u32::from(exponent.min(4)))))
}
