//! Fields as something to fill in: which widget a kind has, and what stands in it.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use super::{
    call::{Ask, Refusal},
    form,
    frame::one_of,
    session::Visit,
};
use crate::{
    engine::{
        LIST, MINIMAL, Reach, descriptor,
        field::{Field, Kind},
        query::Parameters,
    },
    kit::DateTime,
};

/// A reference with so many targets is chosen from a list; of more, by typing.
const FEW: usize = 40;
/// Texts that may be longer have several lines.
const LINE: usize = 255;
/// Rows that stand ready for more.
const SPARE_ROWS: usize = 3;

/// What a field is filled with: the record, and what somebody has just typed, with what is wrong with it.
pub(super) struct Filling<'a> {
    pub record: &'a Json,
    pub given: Option<&'a Parameters>,
    pub errors: &'a Json,
}

/// The targets of references, each asked for once per page.
#[derive(Default)]
pub(super) struct Pickers {
    known: HashMap<&'static str, Json>,
    /// Is a new target made from here, with the form kept meanwhile?
    detours: bool,
}

/// The value of a field in a record as it is read: of a reference the id, also where the record shows more.
pub(super) fn value_in<'r>(field: &Field, record: &'r Json) -> &'r Json {
    if matches!(field.kind, Kind::Reference(_)) {
        let id = &record[format!("{}_id", field.name).as_str()];
        return if id.is_null() && !record[field.name].is_object() { &record[field.name] } else { id };
    }
    &record[field.name]
}

/// A value as it stands in its widget.
pub(super) fn text_of(visit: &Visit<'_>, field: &Field, value: &Json) -> String {
    match (&field.kind, value) {
        (_, Json::Null) => String::new(),
        (Kind::DateTime, Json::String(text)) => {
            let zone = visit.signed.as_ref().map(|signed| signed.actor.zone()).unwrap_or(jiff::tz::TimeZone::UTC);
            DateTime::parse(text, &zone).map_or_else(|| text.clone(), |at| zone.to_datetime(at.0).strftime("%Y-%m-%dT%H:%M").to_string())
        }
        (Kind::Texts, Json::Array(items)) => items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(", "),
        (Kind::Json, value) => serde_json::to_string_pretty(value).unwrap_or_default(),
        (_, Json::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// What a field has before anybody fills it in.
pub(super) fn start_of(field: &Field) -> Json {
    field.schema.default.clone().unwrap_or(Json::Null)
}

impl Pickers {
    /// For a form that can be left to make what it refers to.
    pub fn with_detours() -> Self {
        Self { detours: true, ..Self::default() }
    }

    /// What a reference to a table can be chosen from: options, or where to look for them.
    pub async fn of(&mut self, visit: &Visit<'_>, table: &'static str) -> Result<Json, Refusal> {
        if let Some(known) = self.known.get(table) {
            return Ok(known.clone());
        }
        let actor = visit.actor()?;
        let target = descriptor::by_table(table).filter(|d| descriptor::all().iter().any(|known| known.name == d.name));
        let open = target.filter(|d| d.reach(actor, MINIMAL) != Reach::Nothing || d.reach(actor, LIST) != Reach::Nothing);
        let mut picker = json!({});
        if let Some(d) = open {
            let path = format!("{}/minimal/", d.about.path);
            let size = (FEW + 1).to_string();
            let answer = visit.ask(Ask::get(&path).with("page_size", &size)).await?;
            let rows = answer.body["results"].as_array().cloned().unwrap_or_default();
            if answer.status == 200 && rows.len() <= FEW {
                let option = |row: &Json| json!({"value": row["id"].to_string(), "label": row["label"]});
                picker = json!({"options": rows.iter().map(option).collect::<Vec<_>>()});
            } else if answer.status == 200 {
                picker = json!({"lookup": format!("/admin/lookup/{}/", d.about.path)});
            }
        }
        self.known.insert(table, picker.clone());
        Ok(picker)
    }

    /// A field as its widget. `name` is what its value is sent as.
    pub async fn widget(&mut self, visit: &Visit<'_>, field: &Field, name: &str, filling: &Filling<'_>) -> Result<Json, Refusal> {
        let given = filling.given.map(|given| crate::engine::query::parameter(given, name).unwrap_or_default().to_owned());
        let value = value_in(field, filling.record);
        let text = given.unwrap_or_else(|| text_of(visit, field, value));
        let errors = texts(visit, &filling.errors[field.name]);
        let mut widget = json!({
            "name": name, "id": format!("f-{name}"), "title": visit.heading(field), "help": visit.english(field.schema.description.unwrap_or_default()),
            "required": field.required, "value": text, "errors": errors, "max": field.schema.max_length,
        });
        widget["kind"] = match &field.kind {
            Kind::Email => "email",
            Kind::Integer | Kind::Number | Kind::Decimal(_) => "number",
            Kind::Money => "money",
            Kind::Date => "date",
            Kind::DateTime => "datetime",
            Kind::Bool if field.nullable => "choice",
            Kind::Bool => "bool",
            Kind::Choice(_) => "choice",
            Kind::Texts => "tags",
            Kind::Json => "json",
            Kind::Reference(_) => "reference",
            Kind::Lines(..) => "lines",
            Kind::Text if field.name.contains("phone") => "tel",
            Kind::Text if field.name.contains("password") => "password",
            Kind::Text if field.schema.max_length.is_some_and(|most| most > LINE) => "long",
            Kind::Text | Kind::Currency => "text",
        }
        .into();
        match &field.kind {
            Kind::Choice(names) => {
                let option = |name: &&'static str| json!({"value": name, "label": visit.choice(name)});
                widget["options"] = names.iter().map(option).collect();
                widget["empty"] = (field.nullable || text.is_empty()).into();
            }
            Kind::Bool if field.nullable => {
                widget["options"] = json!([{"value": "true", "label": visit.t("Yes")}, {"value": "false", "label": visit.t("No")}]);
                widget["empty"] = true.into();
            }
            Kind::Money => {
                let own = visit.actor()?.business.as_ref().map(|business| business.currency.clone());
                let of_record = filling.record["currency"].as_str().map(str::to_owned);
                widget["currency"] = of_record.or(own).into();
            }
            Kind::Reference(table) => self.reference(visit, table, &mut widget, name, filling).await?,
            Kind::Lines(_, fields) => {
                let before = filling.record[field.name].as_array().cloned().unwrap_or_default();
                self.lines(visit, fields, name, &before, filling, &mut widget).await?;
            }
            _ => {}
        }
        Ok(widget)
    }

    async fn reference(
        &mut self,
        visit: &Visit<'_>,
        table: &'static str,
        widget: &mut Json,
        name: &str,
        filling: &Filling<'_>,
    ) -> Result<(), Refusal> {
        let picker = self.of(visit, table).await?;
        if self.detours {
            widget["adds"] =
                descriptor::by_table(table).filter(|d| form::may_add(visit, d)).map(|d| one_of(visit, d).to_lowercase()).into();
        }
        let value = widget["value"].as_str().unwrap_or_default().to_owned();
        let label = match value.parse() {
            Ok(id) => super::cells::open_labels(visit, table, &[id])?.remove(&id),
            Err(_) => None,
        };
        if let Some(options) = picker["options"].as_array() {
            let mut options = options.clone();
            // One that may not be chosen any more stays as it is.
            if !value.is_empty() && !options.iter().any(|option| option["value"] == value.as_str()) {
                options.insert(0, json!({"value": value, "label": label.unwrap_or_else(|| format!("#{value}"))}));
            }
            widget["kind"] = "choice".into();
            widget["empty"] = true.into();
            widget["options"] = options.into();
        } else if picker["lookup"].is_string() {
            let typed = filling.given.and_then(|given| crate::engine::query::parameter(given, &format!("{name}__text")));
            widget["lookup"] = picker["lookup"].clone();
            widget["text"] = typed.map(str::to_owned).or(label).unwrap_or_default().into();
        } else {
            widget["kind"] = "number".into();
        }
        Ok(())
    }

    async fn lines(
        &mut self,
        visit: &Visit<'_>,
        fields: &[Field],
        name: &str,
        before: &[Json],
        filling: &Filling<'_>,
        widget: &mut Json,
    ) -> Result<(), Refusal> {
        let fields: Vec<&Field> = line_fields(fields).collect();
        let count = match filling.given {
            Some(given) => {
                crate::engine::query::parameter(given, &format!("{name}-rows")).and_then(|rows| rows.parse().ok()).unwrap_or(0).min(500)
            }
            None => before.len() + SPARE_ROWS,
        };
        let mut rows = vec![];
        for at in 0..count {
            let record = before.get(at).unwrap_or(&Json::Null);
            let errors = &filling.errors[widget["name"].as_str().unwrap_or_default()][at];
            rows.push(self.row(visit, &fields, &format!("{name}-{at}"), &Filling { record, given: filling.given, errors }).await?);
        }
        let blank = Filling { record: &Json::Null, given: None, errors: &Json::Null };
        widget["blank"] = self.row(visit, &fields, &format!("{name}-__row__"), &blank).await?;
        widget["columns"] = fields.iter().map(|field| json!({"title": visit.heading(field), "required": field.required})).collect();
        widget["count"] = count.into();
        widget["rows"] = rows.into();
        // What is said of single rows stands in them.
        if filling.errors[name].as_array().is_some_and(|errors| errors.iter().any(Json::is_object)) {
            widget["errors"] = json!([]);
        }
        Ok(())
    }

    async fn row(&mut self, visit: &Visit<'_>, fields: &[&Field], name: &str, filling: &Filling<'_>) -> Result<Json, Refusal> {
        let mut cells = vec![];
        for field in fields {
            let record;
            let mut own = Filling { ..*filling };
            if filling.record.is_null() {
                record = Json::Object(Map::from_iter([(field.name.to_owned(), start_of(field))]));
                own.record = &record;
            }
            // Boxed: a row's field could have rows, as far as the types know.
            let mut cell = Box::pin(self.widget(visit, field, &format!("{name}-{}", field.name), &own)).await?;
            // An empty row is no row: nothing in it is asked for.
            cell["required"] = false.into();
            cells.push(cell);
        }
        let removed = filling.given.is_some_and(|given| crate::engine::query::parameter(given, &format!("{name}-remove")).is_some());
        Ok(json!({"name": name, "cells": cells, "removed": removed, "kept": !filling.record.is_null(),
            "errors": texts(visit, &filling.errors["non_field_errors"])}))
    }
}

/// The fields of a row that people fill in.
pub(super) fn line_fields(fields: &[Field]) -> impl Iterator<Item = &Field> {
    fields.iter().filter(|field| field.name != "id" && !field.hidden && !field.server_set && !field.schema.read_only)
}

/// Whatever is said of a field, as texts.
pub(super) fn texts(visit: &Visit<'_>, errors: &Json) -> Vec<String> {
    match errors {
        Json::Null => vec![],
        Json::String(text) => vec![text.clone()],
        Json::Array(items) => items.iter().flat_map(|item| texts(visit, item)).collect(),
        Json::Object(_) => vec![super::frame::joined(visit, errors)],
        other => vec![other.to_string()],
    }
}
