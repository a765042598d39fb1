//! The words resources are written in: each a small type with its OpenAPI schema and its JSON.

mod date;
pub mod fold;
pub mod hex;
mod lines;
pub mod money;
mod phone;
mod reference;
mod text;

pub use date::{Date, DateTime};
pub use lines::{Line, Lines};
pub use money::{BadAmount, Currency, Decimal, Money, Percent, Price, Quantity, exponent};
pub use phone::{country as phone_country, normalize as normalize_phone};
pub use reference::{Ref, Target};
pub use text::{Email, Json, singular, words};

/// Gives a type whose JSON is one string its place in the OpenAPI document.
macro_rules! string_type {
    ($name:ty, $format:literal, $parse:expr, $print:expr) => {
        impl poem_openapi::types::Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;
            fn name() -> std::borrow::Cow<'static, str> {
                concat!("string(", $format, ")").into()
            }
            fn schema_ref() -> poem_openapi::registry::MetaSchemaRef {
                poem_openapi::registry::MetaSchemaRef::Inline(Box::new(poem_openapi::registry::MetaSchema::new_with_format(
                    "string", $format,
                )))
            }
            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }
        impl poem_openapi::types::ParseFromJSON for $name {
            fn parse_from_json(value: Option<serde_json::Value>) -> poem_openapi::types::ParseResult<Self> {
                let value = value.unwrap_or_default();
                let parse: fn(&str) -> Option<$name> = $parse;
                value.as_str().and_then(parse).ok_or_else(|| poem_openapi::types::ParseError::expected_type(value))
            }
        }
        impl poem_openapi::types::ToJSON for $name {
            fn to_json(&self) -> Option<serde_json::Value> {
                let print: fn(&$name) -> String = $print;
                Some(serde_json::Value::String(print(self)))
            }
        }
    };
}
pub(crate) use string_type;
