//! Texts with a form, free JSON, and the spelling of names.

use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde_json::Value;

use super::string_type;

/// An e-mail address as people write them (the practical part of RFC 5321: one `@`, a domain with a dot).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(pub String);

impl Email {
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let local_fits = !local.is_empty()
            && local.len() <= 64
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
        let label_fits = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let domain_fits = domain.contains('.') && domain.split('.').all(label_fits);
        (local_fits && domain_fits && text.len() <= 254).then(|| Self(text.to_owned()))
    }
}

impl AsRef<str> for Email {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

string_type!(Email, "email", Email::parse, |email| email.0.clone());

/// Any JSON, kept as it came.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Json(pub Value);

impl Type for Json {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;
    fn name() -> Cow<'static, str> {
        "json".into()
    }
    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new("object")))
    }
    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for Json {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Ok(Self(value.unwrap_or_default()))
    }
}

impl ToJSON for Json {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.clone())
    }
}

/// One of what a table holds: `branches` -> `branch`, `staff_profiles` -> `staff_profile`.
pub fn singular(table: &str) -> String {
    for (ending, replacement) in [("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("s", "")] {
        if let Some(stem) = table.strip_suffix(ending) {
            return format!("{stem}{replacement}");
        }
    }
    table.to_owned()
}

/// A name in words: `staff_profile` -> `staff profile`.
pub fn words(name: &str) -> String {
    name.replace('_', " ")
}
