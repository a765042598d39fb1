//! The parameters of a resource's operations: pages, order, search, filters, conditions.

use poem_openapi::registry::{MetaOperationParam, MetaParamIn, MetaSchema};

use super::{inline, one_of, schema};
use crate::engine::{
    Attachment, Output, Scope,
    descriptor::{self, Descriptor},
    field::Kind,
    filter::kind_of,
    query::bare_name,
    table::Format,
};

fn parameter(name: &str, in_type: MetaParamIn, schema: MetaSchema, description: &str) -> MetaOperationParam {
    MetaOperationParam {
        name: name.to_owned(),
        schema: inline(schema),
        in_type,
        description: Some(description.to_owned()),
        required: false,
        deprecated: false,
        explode: true,
        style: None,
    }
}

/// What makes a POST safe to send again.
pub(super) fn idempotency_key() -> MetaOperationParam {
    let description = "A text of the client's choice, new for each thing to be done: sent again with the same key within 24 hours, the request \
                       is not carried out again but answered as before, with `Idempotent-Replayed: true`.";
    parameter("Idempotency-Key", MetaParamIn::Header, schema("string"), description)
}

/// What the handlers read from the request themselves.
pub(super) fn parameters(d: &Descriptor, verb: &str) -> Vec<MetaOperationParam> {
    let query = |name: &str, schema: MetaSchema, description: &str| parameter(name, MetaParamIn::Query, schema, description);
    let header = |name: &str, description: &str| parameter(name, MetaParamIn::Header, schema("string"), description);
    let strict = || query("strict", schema("boolean"), "Warnings, such as of a duplicate, become refusals.");
    let pages = || {
        [
            query("page", schema("integer"), "A page number within the paginated result set."),
            query("page_size", schema("integer"), "Number of results to return per page."),
        ]
    };
    let mut all = vec![];
    match verb {
        "list" | "deleted_list" | "minimal_list" | "export_retrieve" | "facets_retrieve" => {
            let names: Vec<&str> = d.about.order.iter().map(|name| name.trim_start_matches('-')).collect();
            let ordering = format!("Which field to use when ordering the results; `-` before it descends: {}.", names.join(", "));
            if verb != "facets_retrieve" {
                all.push(query("ordering", schema("string"), &ordering));
            }
            if verb == "facets_retrieve" {
                all.push(query("fields", schema("string"), "Only the values of these filters, separated by commas; all when left out."));
                all.push(query("dates", schema("string"), "The date to go by; the list's own when left out, none when empty."));
                let units = ["year", "month", "day"].map(Into::into).to_vec();
                all.push(query("by", MetaSchema { enum_items: units, ..schema("string") }, "How long periods are; years when left out."));
                all.push(query("totals", schema("string"), "Only these amounts, separated by commas; all when left out."));
                all.push(query("within", schema("integer"), "Gives up when more rows than this had to be looked at."));
            } else if verb == "export_retrieve" {
                all.push(query("format", formats(&Format::ALL), "How the file is written."));
                all.push(query("fields", schema("string"), "Only these columns, by their names, separated by commas; in this order."));
                all.push(query("bom", schema("boolean"), "Begins a CSV file with a byte order mark, by which Excel knows it for UTF-8."));
            } else {
                all.extend(pages());
            }
            if !d.about.search.is_empty() {
                all.push(query("search", schema("string"), &format!("Words to find in {}.", d.about.search.join(", "))));
            }
            all.extend(d.filters.iter().flat_map(|name| filters(d, name)));
            let attached = matches!(d.about.scope, Scope::Attached(_));
            let is_target =
                |parameter: &&mut MetaOperationParam| attached && matches!(parameter.name.as_str(), "target_type" | "target_id");
            all.iter_mut().filter(is_target).for_each(|parameter| parameter.required = true);
            let as_other = |(name, filter): &(&str, &'static str)| {
                let schema = filters(d, bare_name(filter)).into_iter().find(|parameter| parameter.name == *filter)?.schema;
                Some(MetaOperationParam { schema, ..query(name, MetaSchema::ANY, &format!("The same as `{filter}`.")) })
            };
            all.extend(d.about.filter_as.iter().filter_map(as_other));
            all.extend(d.about.filter_by.iter().map(|(name, _)| query(name, schema("string"), &format!("Only those with this {name}."))));
            if matches!(verb, "list" | "export_retrieve" | "facets_retrieve") && d.about.soft_delete {
                all.push(query("include_deleted", schema("boolean"), "Deleted ones as well; for those who run the business."));
            }
            if !matches!(verb, "export_retrieve" | "facets_retrieve") {
                all.push(header("If-None-Match", "The `ETag` of an answer the client has: unchanged, the answer is 304."));
            }
        }
        "comments_list" | "files_list" => {
            let what = if verb == "files_list" { Attachment::Files } else { Attachment::Comments };
            let attached = descriptor::attached().iter().find(|d| d.about.scope == Scope::Attached(what));
            all.extend(attached.into_iter().flat_map(|d| parameters(d, "list")).filter(|parameter| !parameter.name.starts_with("target_")));
        }
        "tags_retrieve" => all.push(query("q", schema("string"), "What the tags begin with, in small or capital letters.")),
        "import_create" => {
            let flag = |name: &str, description: &str| query(name, schema("boolean"), description);
            all.push(flag("dry_run", "Looks at everything and stores nothing."));
            all.push(flag("atomic", "All or nothing: one line that is refused keeps the others from being stored. At most 5,000 lines."));
            all.push(query("key", schema("string"), "The field by whose value a line finds the record that it changes."));
            all.push(flag("wait", "Answers when all is done, however many lines there are."));
            all.push(strict());
        }
        "import_template_retrieve" => all.push(query("format", formats(&Format::TABLES), "How the file is written.")),
        "history_list" => all.extend(pages()),
        "retrieve" => all.push(header("If-None-Match", "The `ETag` of an answer the client has: unchanged, the answer is 304.")),
        "bulk_create_create" | "bulk_update_create" | "bulk_delete_create" | "bulk_restore_create" => {
            all.push(query("atomic", schema("boolean"), "All or nothing: one that is refused keeps the others from being done."));
            all.extend((verb == "bulk_create_create").then(strict));
        }
        "create" => all.push(strict()),
        "update" | "partial_update" | "destroy" | "revert_create" => {
            all.push(header("If-Match", "The `ETag` that the client has read: changed since, the answer is 412."));
        }
        _ => {}
    }
    all
}

/// One of some formats; the first when none is named.
fn formats(offered: &[Format]) -> MetaSchema {
    let names: Vec<&'static str> = offered.iter().map(|format| format.name()).collect();
    MetaSchema { default: names.first().map(|name| (*name).into()), ..one_of(&names) }
}

/// A filter, and the tests that make sense for its kind.
fn filters(d: &Descriptor, name: &str) -> Vec<MetaOperationParam> {
    let field = d.field(name);
    let mut exact = field.map_or_else(|| computed_schema(d, name), |field| bare(&field.schema));
    exact.description = None;
    let query = |name: String, schema: MetaSchema, text: String| parameter(&name, MetaParamIn::Query, schema, &text);
    let mut all = vec![query(name.to_owned(), exact.clone(), format!("Only those whose {name} is this."))];
    let kind = kind_of(d, name);
    if kind == Some(Kind::Texts) {
        return vec![
            query(name.to_owned(), schema("string"), format!("Only those that have this among their {name}.")),
            query(
                format!("{name}__in"),
                schema("string"),
                format!("Only those that have one of these among their {name}, separated by commas."),
            ),
        ];
    }
    // Of texts and amounts, several are asked for where the resource is looked through by them.
    let is_one_of_few = matches!(kind, Some(Kind::Choice(_) | Kind::Reference(_) | Kind::Currency)) || d.target(name).is_some();
    if is_one_of_few || kind != Some(Kind::Bool) && d.about.filter.contains(&name) {
        all.push(query(format!("{name}__in"), schema("string"), format!("Only those whose {name} is one of these, separated by commas.")));
    }
    if matches!(kind, Some(Kind::Text | Kind::Email)) {
        let words = format!("Only those whose {name} has this in it, in capital or small letters.");
        all.push(query(format!("{name}__icontains"), schema("string"), words));
    }
    let is_ordered = matches!(kind, Some(Kind::Date | Kind::DateTime | Kind::Integer | Kind::Number | Kind::Money | Kind::Decimal(_)));
    if is_ordered && d.target(name).is_none() {
        all.push(query(format!("{name}__gte"), exact.clone(), format!("Only those whose {name} is this or more.")));
        all.push(query(format!("{name}__lte"), exact, format!("Only those whose {name} is this or less.")));
    }
    if field.is_some_and(|field| field.nullable) {
        all.push(query(format!("{name}__isnull"), schema("boolean"), format!("Only those that have no {name}, or that have one.")));
    }
    all
}

fn computed_schema(d: &Descriptor, name: &str) -> MetaSchema {
    let computed = d.about.computed.iter().find(|computed| computed.name == name);
    match computed.map(|computed| computed.output) {
        Some(Output::Bool) => schema("boolean"),
        Some(Output::Integer) => schema("integer"),
        Some(Output::Number) => schema("number"),
        Some(Output::Money) => MetaSchema::new_with_format("string", "decimal"),
        Some(Output::Choice(names)) => one_of(names),
        Some(Output::DateTime) => MetaSchema::new_with_format("string", "date-time"),
        Some(_) => schema("string"),
        None if name.ends_with("_at") => MetaSchema::new_with_format("string", "date-time"),
        None => schema("integer"),
    }
}

/// The type of a field without what only concerns its being stored.
fn bare(field: &MetaSchema) -> MetaSchema {
    MetaSchema { ty: field.ty, format: field.format, enum_items: field.enum_items.clone(), ..MetaSchema::ANY }
}
