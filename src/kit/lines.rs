//! Rows owned by a row.

use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::Value;

/// One row of a list that belongs to a record: an invoice's item, a branch's opening hour. Its table has the columns `id`,
/// `business_id`, `<owner>_id`, `position` and one for each field.
pub trait Line: ParseFromJSON + ToJSON + 'static {
    const TABLE: &'static str;
}

/// Rows that live and die with their owner. Sent whole: a row with the `id` of an existing one replaces it, one without is new,
/// one that is missing is removed.
#[derive(Debug)]
pub struct Lines<T>(pub Vec<T>);

impl<T> Default for Lines<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Line> Type for Lines<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;
    fn name() -> Cow<'static, str> {
        format!("lines({})", T::name()).into()
    }
    fn schema_ref() -> MetaSchemaRef {
        // `rust_typename` is not part of the document: it tells the descriptor which table holds the rows.
        let items = Some(Box::new(T::schema_ref()));
        MetaSchemaRef::Inline(Box::new(MetaSchema { rust_typename: Some(T::TABLE), items, ..MetaSchema::new("array") }))
    }
    fn register(registry: &mut Registry) {
        T::register(registry);
    }
    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<T: Line> ParseFromJSON for Lines<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::Array(rows)) => {
                let rows = rows.into_iter().map(|row| T::parse_from_json(Some(row)).map_err(ParseError::propagate));
                rows.collect::<Result<_, _>>().map(Self)
            }
            Some(other) => Err(ParseError::expected_type(other)),
        }
    }
}

impl<T: Line> ToJSON for Lines<T> {
    fn to_json(&self) -> Option<Value> {
        Some(Value::Array(self.0.iter().filter_map(T::to_json).collect()))
    }
}
