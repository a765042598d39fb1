//! What a struct's OpenAPI schema tells of its fields.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use serde_json::Value as Json;

use super::{
    about::About,
    field::{Field, Kind},
};

/// The fields of any object type: what a request body may hold.
pub fn fields<T: poem_openapi::types::Type>() -> Vec<Field> {
    let mut registry = Registry::new();
    let schema = registry.create_fake_schema::<T>();
    fields_of(&schema, &registry, &About::DEFAULT)
}

pub(super) fn fields_of(schema: &MetaSchema, registry: &Registry, about: &About) -> Vec<Field> {
    let field = |(name, reference): &(&'static str, MetaSchemaRef)| {
        let (name, resolved) = (*name, resolve(reference, registry));
        let mut kind = match (kind(&resolved, registry), about.lines.iter().find(|(field, _)| *field == name)) {
            (Kind::Lines(_, fields), Some((_, table))) => Kind::Lines(table, fields),
            (kind, _) => kind,
        };
        if let Kind::Lines(_, rows) = &mut kind {
            // Read-only for whoever is asked for them, and nothing else: clients may send them as they were.
            rows.iter_mut().filter(|row| about.worked_out.contains(&(name, row.name))).for_each(|row| row.schema.read_only = true);
        }
        let column = if matches!(kind, Kind::Reference(_)) { format!("{name}_id").leak() } else { name };
        let has_default = resolved.default.is_some();
        let required = schema.required.contains(&name) && !has_default;
        Field {
            name,
            column,
            required: required && !matches!(kind, Kind::Lines(..)),
            nullable: !required && !has_default,
            server_set: about.server_set.contains(&name) || about.hidden.contains(&name),
            hidden: about.hidden.contains(&name),
            input: about.input.contains(&name),
            kind,
            schema: resolved,
        }
    };
    schema.properties.iter().map(field).collect()
}

fn resolve(reference: &MetaSchemaRef, registry: &Registry) -> MetaSchema {
    match reference {
        MetaSchemaRef::Reference(name) => registry.schemas.get(name).cloned().unwrap_or(MetaSchema::ANY),
        MetaSchemaRef::Inline(schema) => match schema.all_of.first() {
            Some(MetaSchemaRef::Reference(name)) => {
                registry.schemas.get(name).cloned().unwrap_or(MetaSchema::ANY).merge((**schema).clone())
            }
            _ => (**schema).clone(),
        },
    }
}

fn kind(schema: &MetaSchema, registry: &Registry) -> Kind {
    if !schema.enum_items.is_empty() {
        let name = |item: &Json| -> Option<&'static str> { item.as_str().map(|name| &*name.to_owned().leak()) };
        return Kind::Choice(schema.enum_items.iter().filter_map(name).collect());
    }
    match (schema.ty, schema.format, schema.rust_typename) {
        ("integer", _, Some(table)) => Kind::Reference(table),
        ("integer", ..) => Kind::Integer,
        ("number", ..) => Kind::Number,
        ("boolean", ..) => Kind::Bool,
        ("string", Some("date"), _) => Kind::Date,
        ("string", Some("date-time"), _) => Kind::DateTime,
        ("string", Some("decimal"), Some(places)) => Kind::Decimal(places.parse().unwrap_or_default()),
        ("string", Some("decimal"), None) => Kind::Money,
        ("string", Some("currency"), _) => Kind::Currency,
        ("string", Some("email"), _) => Kind::Email,
        ("string", ..) => Kind::Text,
        ("array", _, Some(table)) => {
            let row = schema.items.as_deref().map(|items| resolve(items, registry)).unwrap_or(MetaSchema::ANY);
            Kind::Lines(table, fields_of(&row, registry, &About::DEFAULT))
        }
        ("array", ..) => Kind::Texts,
        _ => Kind::Json,
    }
}
