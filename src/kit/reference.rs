//! References to other records.

use std::{borrow::Cow, fmt, marker::PhantomData};

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::Value;

/// A table that rows of others may point to.
pub trait Target: 'static {
    const TABLE: &'static str;
}

/// The id of another record: a foreign key that knows its target. In JSON an integer; a client may also send the record's uuid.
pub struct Ref<R>(pub i64, PhantomData<fn() -> R>);

impl<R> Ref<R> {
    pub fn new(id: i64) -> Self {
        Self(id, PhantomData)
    }
}

// Derives would ask the same of `R`, which is never stored.
impl<R> Clone for Ref<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Ref<R> {}
impl<R> PartialEq for Ref<R> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<R> fmt::Debug for Ref<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ref({})", self.0)
    }
}

impl<R: Target> Type for Ref<R> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;
    fn name() -> Cow<'static, str> {
        format!("reference({})", R::TABLE).into()
    }
    fn schema_ref() -> MetaSchemaRef {
        // `rust_typename` is not part of the document: it tells the descriptor which table is meant.
        let schema = MetaSchema { rust_typename: Some(R::TABLE), ..MetaSchema::new_with_format("integer", "int64") };
        MetaSchemaRef::Inline(Box::new(schema))
    }
    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<R: Target> ParseFromJSON for Ref<R> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let value = value.unwrap_or_default();
        value.as_i64().map(Self::new).ok_or_else(|| ParseError::expected_type(value))
    }
}

impl<R: Target> ToJSON for Ref<R> {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.into())
    }
}
