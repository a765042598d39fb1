//! The shapes of resources in the document, and those that all resources share.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use serde_json::{Value, json};

use super::{inline, leak, one_of, schema};
use crate::engine::{
    CREATE, Expand, Output, Scope,
    descriptor::{Descriptor, Write},
    field::{Field, Kind},
    verbs::MOST_ITEMS,
};
use crate::kit::words;

/// The shapes of a resource: written, read, patched, and a page of it.
pub(super) fn components(d: &'static Descriptor) -> Vec<(String, MetaSchema)> {
    let written = shape(d, false);
    let mut patched = MetaSchema { required: vec![], ..written.clone() };
    patched.properties.iter_mut().for_each(|(_, property)| without_default(property));
    let bulk = bulk(d, &patched);
    let mut all = vec![(d.name.clone(), written), (format!("Patched{}", d.name), patched)];
    if d.expands() {
        all.push((d.read_name(), shape(d, true)));
        all.extend(d.about.expand.iter().filter_map(|(_, how)| {
            if let Expand::Object(name, members) = how { Some(((*name).to_owned(), summary(members))) } else { None }
        }));
    }
    if !d.about.read_only && !matches!(d.about.scope, Scope::Attached(_)) {
        all.extend(bulk.into_iter().filter(|(name, _)| d.about.access.grants(CREATE) || !name.ends_with("BulkCreate")));
    }
    let rows = MetaSchema { items: Some(Box::new(MetaSchemaRef::Reference(d.read_name()))), ..schema("array") };
    all.push((format!("{}Export", d.read_name()), rows));
    all.push((format!("Paginated{}List", d.read_name()), page_of(MetaSchemaRef::Reference(d.read_name()))));
    all
}

/// What is left out of a change stays as it is.
fn without_default(property: &mut MetaSchemaRef) {
    if let MetaSchemaRef::Inline(schema) = property {
        schema.default = None;
        schema.all_of.iter_mut().for_each(without_default);
    }
}

/// The bodies for many records: those to create, and the changes.
fn bulk(d: &'static Descriptor, patched: &MetaSchema) -> [(String, MetaSchema); 3] {
    let list = |items: MetaSchemaRef, description| {
        inline(MetaSchema { items: Some(Box::new(items)), max_items: Some(MOST_ITEMS), description: Some(description), ..schema("array") })
    };
    let reference = |name: String| MetaSchemaRef::Reference(name);
    let create = MetaSchema {
        properties: vec![("items", list(reference(d.name.clone()), "The new records."))],
        required: vec!["items"],
        ..schema("object")
    };
    let ids = list(inline(schema("integer")), "The records that get what is in `set`, by id.");
    let set = MetaSchema {
        all_of: vec![reference(format!("Patched{}", d.name))],
        description: Some("What each of them gets."),
        ..MetaSchema::ANY
    };
    let items = list(reference(format!("{}BulkItem", d.name)), "Records by their `id`, each with its own changes.");
    let mut item = MetaSchema { required: vec!["id"], ..patched.clone() };
    for (name, property) in &mut item.properties {
        if ["id", "version"].contains(name) {
            *property = inline(MetaSchema { description: Some(mixin_doc(name)), ..schema("integer") });
        }
    }
    let update = MetaSchema { properties: vec![("ids", ids), ("set", inline(set)), ("items", items)], ..schema("object") };
    [(format!("{}BulkCreate", d.name), create), (format!("{}BulkUpdate", d.name), update), (format!("{}BulkItem", d.name), item)]
}

fn shape(d: &'static Descriptor, read: bool) -> MetaSchema {
    let mut shape = MetaSchema { description: d.schema.description, ..schema("object") };
    let read_only = |schema: MetaSchema| MetaSchema { read_only: true, ..schema };
    for (name, _, write) in d.mixin() {
        let mixin = match (name, write) {
            (_, Write::Bool) => schema("boolean"),
            ("uuid", _) => MetaSchema::new_with_format("string", "uuid"),
            (name, _) if name.ends_with("_at") => {
                MetaSchema { nullable: name == "deleted_at", ..MetaSchema::new_with_format("string", "date-time") }
            }
            (name, _) => MetaSchema { nullable: name.ends_with("_by"), ..schema("integer") },
        };
        let mixin = MetaSchema { description: Some(mixin_doc(name)), ..read_only(mixin) };
        let expanded = d.about.expand.iter().find(|(field, _)| read && *field == name).map(|(_, how)| how);
        if let Some(Expand::Object(component, _)) = expanded {
            let all_of = vec![MetaSchemaRef::Reference((*component).to_owned())];
            let person = MetaSchema { all_of, nullable: true, description: mixin.description, ..read_only(MetaSchema::ANY) };
            shape.properties.push((name, inline(person)));
            shape.properties.push((leak(format!("{name}_id")), inline(mixin)));
        } else {
            shape.properties.push((name, inline(mixin)));
        }
        shape.required.push(name);
    }
    for field in d.visible() {
        let (property, id) = property(d, field, read);
        shape.properties.push((field.name, property));
        if field.required || field.server_set {
            shape.required.push(field.name);
        }
        if let Some(id) = id {
            shape.properties.push((leak(format!("{}_id", field.name)), id));
        }
    }
    for field in d.fields.iter().filter(|field| field.input && !read) {
        // What is answered under the same name is described with what is worked out.
        if d.about.computed.iter().all(|computed| computed.name != field.name) {
            let original = d.schema.properties.iter().find(|(name, _)| *name == field.name).map(|(_, reference)| reference.clone());
            let asked = MetaSchema { nullable: true, write_only: true, ..MetaSchema::ANY };
            shape.properties.push((field.name, original.unwrap_or_else(|| inline(MetaSchema::ANY)).merge(asked)));
        }
    }
    for computed in d.about.computed {
        let mut schema = match computed.output {
            Output::Json(of) => match of() {
                MetaSchemaRef::Inline(schema) => *schema,
                reference => MetaSchema { all_of: vec![reference], ..MetaSchema::ANY },
            },
            Output::Bool => schema("boolean"),
            Output::Integer => schema("integer"),
            Output::Number => schema("number"),
            Output::DateTime => MetaSchema::new_with_format("string", "date-time"),
            Output::Text => schema("string"),
            Output::Choice(names) => one_of(names),
            Output::Money => MetaSchema::new_with_format("string", "decimal"),
        };
        schema.description = Some(computed.doc);
        // What is asked for under the same name, or may be said as long as it is right.
        let is_asked = !read && (is_confirmed(d, computed.name) || d.field(computed.name).is_some_and(|field| field.input));
        schema.nullable = is_asked || !matches!(computed.output, Output::Bool | Output::Choice(_));
        shape.properties.push((computed.name, inline(if is_asked { schema } else { read_only(schema) })));
    }
    if read {
        // Whoever only receives it can rely on all that lists show.
        let on_detail = |name: &&str| d.about.computed.iter().any(|computed| computed.detail && computed.name == *name);
        shape.required = shape.properties.iter().map(|(name, _)| *name).filter(|name| !on_detail(name)).collect();
    } else {
        shape.example = Some(example(d));
    }
    shape
}

/// The least that makes a record: what "Try it out" starts from.
fn example(d: &Descriptor) -> Value {
    let value = |field: &Field| match &field.kind {
        Kind::Integer | Kind::Number | Kind::Reference(_) => json!(1),
        Kind::Bool => json!(true),
        Kind::Date => json!("2026-03-02"),
        Kind::DateTime => json!("2026-03-02T09:00:00.000Z"),
        Kind::Choice(names) => json!(names.first()),
        Kind::Email => json!("user@example.com"),
        Kind::Money | Kind::Decimal(_) => json!("1000"),
        Kind::Text if field.name.contains("phone") => json!("+256700123456"),
        _ => json!(format!("A {}", words(field.name))),
    };
    Value::Object(d.visible().filter(|field| field.required).map(|field| (field.name.to_owned(), value(field))).collect())
}

fn mixin_doc(name: &str) -> &'static str {
    match name {
        "id" => "The record's number.",
        "uuid" => "The record's universal id (RFC 9562, version 7); paths and references take it as well.",
        "created_at" => "When it was created, in UTC.",
        "updated_at" => "When it was last changed, in UTC.",
        "created_by" => "The id of the person who created it.",
        "updated_by" => "The id of the person who last changed it.",
        "deleted_at" => "When it was deleted, in UTC.",
        "is_deleted" => "Whether it is deleted.",
        _ => "Counts the changes; the first part of the `ETag`.",
    }
}

/// May a client say what the program works out?
fn is_confirmed(d: &Descriptor, name: &str) -> bool {
    d.about.confirmed.iter().any(|(confirmed, _)| *confirmed == name)
}

/// A field's place in the written or the read form; in the latter a reference that is shown as more has its id beside it.
fn property(d: &Descriptor, field: &Field, read: bool) -> (MetaSchemaRef, Option<MetaSchemaRef>) {
    let original = d.schema.properties.iter().find(|(name, _)| *name == field.name).map(|(_, reference)| reference.clone());
    let nullable =
        MetaSchema { nullable: field.nullable, read_only: field.server_set && (read || !is_confirmed(d, field.name)), ..MetaSchema::ANY };
    let plain = original.unwrap_or_else(|| inline(MetaSchema::ANY)).merge(nullable);
    let expand = d.about.expand.iter().find(|(name, _)| *name == field.name).map(|(_, how)| how);
    let shown = |schema: MetaSchema| {
        inline(MetaSchema { nullable: field.nullable, read_only: true, description: field.schema.description, ..schema })
    };
    match expand.filter(|_| read) {
        None => (plain, None),
        Some(Expand::Label | Expand::Text(_)) => (shown(schema("string")), Some(plain)),
        Some(Expand::Object(name, _)) => {
            (shown(MetaSchema { all_of: vec![MetaSchemaRef::Reference((*name).to_owned())], ..MetaSchema::ANY }), Some(plain))
        }
    }
}

fn summary(members: &[(&'static str, &'static str)]) -> MetaSchema {
    let property = |(name, _): &(&'static str, &'static str)| {
        let ty = if *name == "id" { schema("integer") } else { MetaSchema { nullable: true, ..schema("string") } };
        (*name, inline(MetaSchema { read_only: true, ..ty }))
    };
    MetaSchema { properties: members.iter().map(property).collect(), required: vec!["id"], ..schema("object") }
}

fn page_of(item: MetaSchemaRef) -> MetaSchema {
    let link = |example: &str| {
        inline(MetaSchema { nullable: true, example: Some(example.into()), ..MetaSchema::new_with_format("string", "uri") })
    };
    let properties = vec![
        ("count", inline(MetaSchema { example: Some(123.into()), ..schema("integer") })),
        ("next", link("http://api.example.org/accounts/?page=4")),
        ("previous", link("http://api.example.org/accounts/?page=2")),
        ("results", inline(MetaSchema { items: Some(Box::new(item)), ..schema("array") })),
    ];
    MetaSchema { properties, required: vec!["count", "results"], ..schema("object") }
}

/// Components that all resources share: errors, history, labels.
pub(super) fn shared_components() -> Vec<(String, MetaSchema)> {
    let text = |description: &'static str| inline(MetaSchema { description: Some(description), ..schema("string") });
    let object = |properties: Vec<(&'static str, MetaSchemaRef)>, required: Vec<&'static str>, description: &'static str| MetaSchema {
        properties,
        required,
        description: Some(description),
        ..schema("object")
    };
    let reference = |name: &str| MetaSchemaRef::Reference(name.to_owned());
    let error = object(
        vec![("detail", text("What is wrong, in words.")), ("code", text("What is wrong, for programs."))],
        vec!["detail"],
        "Why a request was refused.",
    );
    let texts = inline(MetaSchema { items: Some(Box::new(inline(schema("string")))), ..schema("array") });
    let any = MetaSchemaRef::Inline(Box::new(MetaSchema::ANY));
    let invalid = MetaSchema {
        description: Some(
            "What is wrong with a record: texts by field, `non_field_errors` for the whole, or `detail` for a body that cannot be read.",
        ),
        additional_properties: Some(Box::new(any.clone())),
        example: Some(json!({"name": ["This field is required."]})),
        properties: vec![("non_field_errors", texts)],
        ..schema("object")
    };
    let id = || inline(schema("integer"));
    let uuid = inline(MetaSchema::new_with_format("string", "uuid"));
    let minimal = object(
        vec![("id", id()), ("uuid", uuid), ("label", text("What the record is called."))],
        vec!["id", "uuid", "label"],
        "A record's id and label.",
    );
    let change = object(
        vec![("field", text("The field's name.")), ("before", any.clone()), ("after", any)],
        vec!["field"],
        "A field before and after.",
    );
    let actor =
        object(vec![("id", id()), ("username", text("Their user name.")), ("full_name", text("Their name."))], vec!["id"], "A person.");
    let nullable = |schema: MetaSchemaRef| inline(MetaSchema { all_of: vec![schema], nullable: true, ..MetaSchema::ANY });
    let entry = object(
        vec![
            ("id", id()),
            ("at", inline(MetaSchema::new_with_format("string", "date-time"))),
            ("action", text("What was done: `leads.update`.")),
            ("actor", nullable(reference("HistoryActor"))),
            ("changes", inline(MetaSchema { items: Some(Box::new(reference("HistoryChange"))), ..schema("array") })),
            ("request_id", text("The request it was done by.")),
        ],
        vec!["id", "at", "action", "changes"],
        "Something that happened to a record.",
    );
    vec![
        ("Error".into(), error),
        ("ValidationError".into(), invalid),
        ("Minimal".into(), minimal),
        ("HistoryChange".into(), change),
        ("HistoryActor".into(), actor),
        ("HistoryEntry".into(), entry),
        ("PaginatedMinimalList".into(), page_of(reference("Minimal"))),
        ("PaginatedHistoryList".into(), page_of(reference("HistoryEntry"))),
    ]
}
