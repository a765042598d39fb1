//! A field: its kind, and how that kind travels between JSON and SQLite.

use poem_openapi::registry::MetaSchema;
use serde_json::Value as Json;

use crate::{
    db::{Cell, Value},
    kit::{
        Money,
        money::{parse_scaled, print_scaled},
    },
};

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Text,
    Email,
    Integer,
    Number,
    Bool,
    Date,
    DateTime,
    /// Minor units of the currency that the record's `currency` field names.
    Money,
    /// A number with at most so many decimals, kept as the whole number of its smallest units.
    Decimal(u8),
    Currency,
    /// One of these names.
    Choice(Vec<&'static str>),
    /// A list of texts.
    Texts,
    Json,
    /// The id of a row of this table.
    Reference(&'static str),
    /// Rows of this table, with these fields.
    Lines(&'static str, Vec<Field>),
}

/// A field of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: &'static str,
    /// The column that holds it: the name, and `_id` after that of a reference.
    pub column: &'static str,
    pub kind: Kind,
    pub required: bool,
    pub nullable: bool,
    pub server_set: bool,
    pub hidden: bool,
    /// Is asked for and not kept: the resource's rules make something of it.
    pub input: bool,
    /// Limits, default and description.
    pub schema: MetaSchema,
}

impl Field {
    /// May hold the empty text?
    pub fn allows_blank(&self) -> bool {
        self.schema.default.as_ref().is_some_and(|default| default.as_str() == Some(""))
    }

    /// Is a column of the resource's own table?
    pub fn stored(&self) -> bool {
        !self.input && !matches!(self.kind, Kind::Lines(..))
    }

    /// What the currency of this money is called, if it has one of its own: `to_amount` is in `to_currency`.
    pub fn currency_name(&self) -> Option<String> {
        self.name.strip_suffix("_amount").filter(|_| self.kind == Kind::Money).map(|stem| format!("{stem}_currency"))
    }

    /// A validated JSON value as the database stores it.
    pub fn to_value(&self, json: Option<&Json>) -> Value {
        match (&self.kind, json) {
            (_, None | Some(Json::Null)) => Value::Null,
            (Kind::Money, Some(Json::String(text))) => {
                let exponent = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                Money::parse(text, u8::try_from(exponent).unwrap_or(0)).map_or(Value::Null, |money| money.minor.into())
            }
            (Kind::Decimal(places), Some(Json::String(text))) => parse_scaled(text, *places).map_or(Value::Null, Value::Int),
            (Kind::Number, Some(Json::Number(number))) => Value::Real(number.as_f64().unwrap_or_default()),
            (Kind::Texts | Kind::Json, Some(json)) => json.to_string().into(),
            (_, Some(Json::Bool(flag))) => (*flag).into(),
            (_, Some(Json::Number(number))) => number.as_i64().map_or_else(|| Value::from(number.as_f64()), Value::Int),
            (_, Some(Json::String(text))) => text.as_str().into(),
            (_, Some(other)) => other.to_string().into(),
        }
    }

    /// A stored value as JSON; money needs the decimals of its currency.
    pub fn to_json(&self, cell: Cell<'_>, exponent: u8) -> Json {
        match (&self.kind, cell) {
            (_, Cell::Null) => Json::Null,
            (Kind::Bool, Cell::Int(i)) => Json::Bool(i != 0),
            (Kind::Money, Cell::Int(minor)) => Json::String(Money { minor, exponent }.to_string()),
            (Kind::Decimal(places), Cell::Int(units)) => Json::String(print_scaled(units, *places)),
            (Kind::Texts | Kind::Json, Cell::Text(text)) => serde_json::from_str(text).unwrap_or(Json::Null),
            (_, Cell::Int(i)) => i.into(),
            (_, Cell::Real(f)) => f.into(),
            (_, Cell::Text(text)) => text.into(),
        }
    }
}
