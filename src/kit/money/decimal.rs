//! Decimals that are no amounts: prices of one unit, quantities, percentages. Whole numbers of a fixed small unit, never a float.

use std::{borrow::Cow, fmt};

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::Value;

use super::{BadAmount, parse_scaled};

/// A decimal with at most so many decimals, as the whole number of its smallest units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Decimal<const PLACES: u8>(pub i64);

/// What one unit costs: millionths of the currency's major unit. A screw may cost 0.0042.
pub type Price = Decimal<6>;
/// How much of something: ten-thousandths.
pub type Quantity = Decimal<4>;
/// A percentage: parts per million of the whole, so that 18 % is 180000 and reads "18".
pub type Percent = Decimal<4>;

/// All of the whole, as a `Percent`.
pub const WHOLE: i64 = 1_000_000;

impl<const PLACES: u8> Decimal<PLACES> {
    /// Reads a plain decimal; no exponent. Trailing zeros beyond the places are fine.
    pub fn parse(text: &str) -> Result<Self, BadAmount> {
        parse_scaled(text, PLACES).map(Self)
    }
}

/// Writes a whole number of small units as a decimal, without zeros at its end.
pub fn print_scaled(units: i64, places: u8) -> String {
    let mut text = super::Money { minor: units, exponent: places }.to_string();
    if places > 0 {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    text
}

impl<const PLACES: u8> fmt::Display for Decimal<PLACES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print_scaled(self.0, PLACES))
    }
}

impl<const PLACES: u8> Type for Decimal<PLACES> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;
    fn name() -> Cow<'static, str> {
        format!("string(decimal{PLACES})").into()
    }
    fn schema_ref() -> MetaSchemaRef {
        // `rust_typename` is not part of the document: it tells the descriptor how many places there are.
        let places = match PLACES {
            4 => "4",
            _ => "6",
        };
        let schema = MetaSchema { rust_typename: Some(places), ..MetaSchema::new_with_format("string", "decimal") };
        MetaSchemaRef::Inline(Box::new(schema))
    }
    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<const PLACES: u8> ParseFromJSON for Decimal<PLACES> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let value = value.unwrap_or_default();
        value.as_str().and_then(|text| Self::parse(text).ok()).ok_or_else(|| ParseError::expected_type(value))
    }
}

impl<const PLACES: u8> ToJSON for Decimal<PLACES> {
    fn to_json(&self) -> Option<Value> {
        Some(Value::String(self.to_string()))
    }
}
