//! Values as they are shown: in lists, on the page of a record, in its history.

use std::collections::{HashMap, HashSet};

use serde_json::{Value as Json, json};

use super::{
    call::Refusal,
    frame::{one_of, url_of},
    groups::{self, Place},
    languages::key,
    session::Visit,
};
use crate::{
    engine::{
        Descriptor, IdOf, LIST, MINIMAL, Output, READ, Reach, descriptor,
        field::{Field, Kind},
        store,
        table::columns::{heading, heading_of},
    },
    kit::{Date, DateTime},
};

/// A member of a record that can be shown.
pub(super) struct Column {
    pub name: &'static str,
    pub title: String,
    pub help: String,
    kind: Kind,
    /// The member that says of what kind the record is whose id this is.
    word: Option<&'static str>,
    /// It is such a member itself.
    is_word: bool,
    /// The choice that it says in words.
    says: Option<&'static str>,
}

/// Whatever a resource's records show, in their order: fields, what is worked out, and who made it when.
pub(super) fn columns(d: &'static Descriptor, visit: &Visit<'_>) -> Result<Vec<Column>, Refusal> {
    let actor = visit.actor()?;
    let column = |name: &'static str, title: String, help: &str, kind: Kind| {
        let (kind, word) = match d.id_of(name) {
            Some(IdOf::Table(table)) => (Kind::Reference(table), None),
            Some(IdOf::Word(word)) => (kind, Some(word)),
            None => (kind, None),
        };
        // Of an id people see what it is the id of.
        let title = if d.id_of(name).is_some() { title.strip_suffix(" ID").unwrap_or(&title) } else { &title };
        let is_word = d.about.ids.iter().any(|(_, of)| matches!(of, IdOf::Word(word) if *word == name));
        let says = name.strip_suffix("_display").filter(|of| d.field(of).is_some_and(|field| matches!(field.kind, Kind::Choice(_))));
        Column { name, title: visit.name(title), help: visit.english(help), kind, word, is_word, says }
    };
    let field = |field: &Field| column(field.name, heading(field), field.schema.description.unwrap_or_default(), field.kind.clone());
    let mut all: Vec<Column> = d.visible().filter(|field| d.is_open(field.name, actor)).map(field).collect();
    for computed in d.about.computed.iter().filter(|computed| d.is_open(computed.name, actor)) {
        let kind = match computed.output {
            Output::Bool => Kind::Bool,
            Output::Integer => Kind::Integer,
            Output::Number => Kind::Number,
            Output::Choice(names) => Kind::Choice(names.to_vec()),
            Output::Text => Kind::Text,
            Output::DateTime => Kind::DateTime,
            Output::Money => Kind::Money,
            Output::Json(_) => Kind::Json,
        };
        all.push(column(computed.name, heading_of(computed.name), computed.doc, kind));
    }
    for (name, ..) in d.mixin() {
        let kind = match name {
            "id" | "version" => Kind::Integer,
            "created_at" | "updated_at" | "deleted_at" => Kind::DateTime,
            "created_by" | "updated_by" => Kind::Reference("users"),
            _ => continue,
        };
        all.push(column(name, heading_of(name), "", kind));
    }
    Ok(all)
}

impl Column {
    pub fn is_number(&self) -> bool {
        matches!(self.kind, Kind::Integer | Kind::Number | Kind::Money | Kind::Decimal(_))
    }

    /// Says no more than another column does: what a reference is called.
    pub fn repeats(&self, all: &[Self]) -> bool {
        let of = self.name.strip_suffix("_name");
        of.is_some_and(|name| all.iter().any(|column| column.target().is_some() && column.name.trim_end_matches("_id") == name))
    }

    /// Where it stands on a record's page: what lists show comes first, what is worked out and what the program sets last, but for amounts.
    pub fn place(&self, d: &Descriptor, record: &Json) -> Place {
        let field = d.field(self.name);
        let says_little = is_usual(&record[self.name]);
        match field.filter(|field| !field.server_set || field.kind == Kind::Money) {
            _ if d.about.list.contains(&self.name) => Place::First,
            Some(_) if says_little => Place::Details,
            // Amounts say what they are in; and what is only asked for is worked out by the time that it is shown.
            Some(field) if field.kind == Kind::Currency || field.input => Place::Details,
            Some(field) => groups::of(d, field),
            None => groups::declared(d, self.name).unwrap_or(Place::Details),
        }
    }

    /// Takes a place of its own on a record's page.
    pub fn is_wide(&self) -> bool {
        matches!(self.kind, Kind::Lines(..) | Kind::Json)
    }

    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The table that it refers to, in whatever record.
    pub fn target(&self) -> Option<&'static str> {
        if let Kind::Reference(table) = self.kind { Some(table) } else { None }
    }

    /// The table that it refers to in this record.
    fn target_in(&self, record: &Json) -> Option<&'static str> {
        let named = || {
            let word = record[self.word?].as_str()?;
            descriptor::all().iter().find(|d| d.word() == word).map(|d| d.about.table)
        };
        self.target().or_else(named)
    }

    /// The id that a record refers to by it.
    pub fn id_in(&self, record: &Json) -> Option<i64> {
        let beside = record[format!("{}_id", self.name).as_str()].as_i64();
        beside.or_else(|| record[self.name].as_i64()).or_else(|| record[self.name]["id"].as_i64())
    }

    /// What a record refers to by it.
    fn refers(&self, record: &Json) -> Option<(&'static str, i64)> {
        Some((self.target_in(record)?, self.id_in(record)?))
    }
}

/// What the targets of references are called, by table and id: asked once for all that is shown.
#[derive(Default)]
pub(super) struct Names {
    labels: HashMap<&'static str, HashMap<i64, String>>,
    /// Of the tables of which the visitor reads some rows only: which.
    open: HashMap<&'static str, HashSet<i64>>,
}

/// What rows of a table are called that the visitor has named: as far as they may know of them.
pub(super) fn open_labels(visit: &Visit<'_>, table: &str, ids: &[i64]) -> Result<HashMap<i64, String>, Refusal> {
    let actor = visit.actor()?;
    let Some(d) = descriptor::by_table(table) else { return Ok(HashMap::new()) };
    let reaches = [MINIMAL, LIST, READ].map(|verb| d.reach(actor, verb));
    let reach = [Reach::All, Reach::Own].into_iter().find(|reach| reaches.contains(reach));
    let Some(reach) = reach else { return Ok(HashMap::new()) };
    Ok(visit.panel.app.db.read(|reader| store::labels_within(reader, d, actor, ids, reach))?.into_iter().collect())
}

/// What rows of a table are called to which something refers that the visitor may read.
pub(super) fn labels(visit: &Visit<'_>, table: &str, ids: &[i64]) -> Result<HashMap<i64, String>, Refusal> {
    let actor = visit.actor()?;
    let Some(d) = descriptor::by_table(table) else { return Ok(HashMap::new()) };
    Ok(visit.panel.app.db.read(|reader| store::labels(reader, d, actor, ids))?.into_iter().collect())
}

impl Names {
    pub fn of(visit: &Visit<'_>, columns: &[Column], records: &[Json]) -> Result<Self, Refusal> {
        let mut wanted: HashMap<&'static str, Vec<i64>> = HashMap::new();
        for column in columns {
            for (table, id) in records.iter().filter_map(|record| column.refers(record)) {
                wanted.entry(table).or_default().push(id);
            }
            if let Kind::Lines(_, fields) = &column.kind {
                for field in fields {
                    let Kind::Reference(table) = field.kind else { continue };
                    let rows = records.iter().filter_map(|record| record[column.name].as_array()).flatten();
                    wanted.entry(table).or_default().extend(rows.filter_map(|row| row[field.name].as_i64()));
                }
            }
        }
        let mut names = Self::default();
        for (table, mut ids) in wanted {
            ids.sort_unstable();
            ids.dedup();
            let (d, actor) = (descriptor::by_table(table), visit.actor()?);
            if let Some(d) = d.filter(|d| d.reach(actor, READ) == Reach::Own) {
                let read = visit.panel.app.db.read(|reader| store::labels_within(reader, d, actor, &ids, Reach::Own))?;
                names.open.insert(table, read.into_iter().map(|(id, _)| id).collect());
            }
            names.labels.insert(table, labels(visit, table, &ids)?);
        }
        Ok(names)
    }

    pub fn get(&self, table: &str, id: i64) -> String {
        let label = self.labels.get(table).and_then(|names| names.get(&id)).filter(|label| !label.is_empty());
        label.cloned().unwrap_or_else(|| format!("#{id}"))
    }

    /// A reference as a cell, with where it leads.
    fn cell(&self, visit: &Visit<'_>, table: &str, id: i64) -> Json {
        let is_open = self.open.get(table).is_none_or(|ids| ids.contains(&id));
        json!({"kind": "reference", "text": self.get(table, id), "href": link(visit, table, id).filter(|_| is_open)})
    }
}

/// A cell: what the `cell` macro of the templates shows.
pub(super) fn cell(visit: &Visit<'_>, column: &Column, record: &Json, names: &Names) -> Json {
    let value = &record[column.name];
    let refers = column.refers(record);
    let mut cell = match (&column.kind, value) {
        (Kind::Reference(_), _) => json!({"kind": "none"}),
        // A number that means nothing here.
        _ if column.word.is_some() => json!({"kind": "none"}),
        (Kind::Text, Json::String(word)) if column.is_word => {
            let of = descriptor::all().iter().find(|d| d.word() == *word);
            json!({"kind": "text", "text": of.map_or_else(|| visit.choice(word), |d| one_of(visit, d))})
        }
        // The API says it in English.
        (Kind::Text, Json::String(text)) if column.says.is_some() && visit.language.code != "en" => {
            let name = column.says.and_then(|name| record[name].as_str());
            json!({"kind": "text", "text": name.map_or_else(|| visit.name(text), |name| visit.choice(name))})
        }
        (Kind::Lines(_, fields), Json::Array(rows)) => lines(visit, fields, rows, names),
        (Kind::Money, Json::String(text)) => json!({"kind": "money", "text": visit.language.grouped(text), "unit": record["currency"]}),
        (kind, value) => plain(visit, kind, value),
    };
    if let Some((table, id)) = refers {
        cell = names.cell(visit, table, id);
    }
    cell["number"] = (column.is_number() && column.word.is_none()).into();
    cell
}

/// A value that needs nothing else to be shown.
pub(super) fn plain(visit: &Visit<'_>, kind: &Kind, value: &Json) -> Json {
    match (kind, value) {
        (_, Json::Null) => json!({"kind": "none"}),
        (_, Json::String(text)) if text.is_empty() => json!({"kind": "none"}),
        (Kind::Money, Json::String(text)) => json!({"kind": "money", "text": visit.language.grouped(text)}),
        (Kind::Bool, Json::Bool(flag)) => json!({"kind": "bool", "yes": flag, "text": visit.t(if *flag { key("Yes") } else { key("No") })}),
        (Kind::Choice(_), Json::String(name)) => json!({"kind": "choice", "text": visit.choice(name), "name": name}),
        (Kind::Date, Json::String(text)) => json!({"kind": "time", "text": day(visit, text), "iso": text}),
        (Kind::DateTime, Json::String(text)) => json!({"kind": "time", "text": moment(visit, text), "iso": text}),
        (Kind::Email, Json::String(text)) => json!({"kind": "link", "text": text, "href": format!("mailto:{text}")}),
        (Kind::Texts, Json::Array(items)) if items.is_empty() => json!({"kind": "none"}),
        (Kind::Texts, Json::Array(items)) => json!({"kind": "tags", "items": items}),
        (Kind::Text, Json::String(text)) => json!({"kind": "text", "text": text}),
        (_, Json::Array(items)) if items.is_empty() => json!({"kind": "none"}),
        (_, Json::Object(members)) if members.is_empty() => json!({"kind": "none"}),
        (_, Json::Array(items)) if items.iter().all(Json::is_object) => objects(visit, items),
        (_, Json::Array(_)) => json!({"kind": "json", "text": serde_json::to_string_pretty(value).unwrap_or_default()}),
        (_, Json::Object(_)) => object(visit, value),
        (_, Json::String(text)) => json!({"kind": "text", "text": text}),
        (_, other) => json!({"kind": "text", "text": other.to_string()}),
    }
}

/// What words of few are called where they are worked out.
const CHOICES: [&str; 9] = ["type", "kind", "method", "status", "state", "stage", "outcome", "role", "quality"];
/// What a row of such a list need not say.
const SMALL: [&str; 4] = ["id", "uuid", "version", "created_at"];

fn is_choice(name: &str) -> bool {
    CHOICES.iter().any(|known| name == *known || name.strip_suffix(known).is_some_and(|rest| rest.ends_with('_')))
}

fn is_amount(name: &str, text: &str) -> bool {
    text.contains('.') || ["amount", "total", "balance", "cost", "price"].iter().any(|part| name.contains(part))
}

/// The members of objects that are worth a look. Ids are left out: what they are the ids of stands beside them.
fn members(items: &[Json]) -> Vec<&String> {
    let mut names: Vec<&String> = vec![];
    for name in items.iter().filter_map(Json::as_object).flat_map(|members| members.keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let known = names.clone();
    let is_named = |name: &String| {
        let of = name.trim_end_matches("_id");
        ["name", "number", "label"].iter().any(|what| known.iter().any(|known| **known == format!("{of}_{what}")))
    };
    // What a list is of need not be said in each of its rows, nor what only programs look at.
    let is_own = |name: &str| descriptor::all().iter().any(|d| d.word() == name) && items.iter().all(|item| !item[name].is_object());
    let is_technical = |name: &str| SMALL.contains(&name) || name.starts_with("updated_") || name == "is_deleted" || name == "deleted_at";
    let says = |name: &str| items.iter().any(|item| !(is_usual(&item[name]) || name == "created_by" && item[name].is_number()));
    names.retain(|name| !is_technical(name) && !is_named(name) && !is_own(name) && says(name));
    // Of who made it the name is enough.
    names.retain(|name| !name.strip_suffix("_id").is_some_and(|of| known.iter().any(|known| *known == of)));
    names
}

/// What a member of an object is called.
fn member_title(visit: &Visit<'_>, name: &str) -> String {
    visit.heading_of(name.strip_suffix("_name").unwrap_or(name))
}

/// A member of an object.
fn member(visit: &Visit<'_>, name: &str, value: &Json) -> Json {
    let kind = match value {
        Json::Bool(_) => Kind::Bool,
        Json::String(text) if Date::parse(text).is_some() => Kind::Date,
        Json::String(text) if text.len() >= 20 && DateTime::parse(text, &jiff::tz::TimeZone::UTC).is_some() => Kind::DateTime,
        Json::String(text) if text.parse::<f64>().is_ok() && is_amount(name, text) => Kind::Money,
        Json::String(_) if is_choice(name) => Kind::Choice(vec![]),
        _ => Kind::Text,
    };
    let named = || {
        ["full_name", "name", "label", "username", "number"].iter().find_map(|known| value[*known].as_str().filter(|text| !text.is_empty()))
    };
    let value = &named().map_or_else(|| value.clone(), Json::from);
    let mut cell = plain(visit, &kind, value);
    cell["number"] = (value.is_number() || kind == Kind::Money).into();
    cell
}

/// A list of objects as a table.
fn objects(visit: &Visit<'_>, items: &[Json]) -> Json {
    let names = members(items);
    let heads: Vec<String> = names.iter().map(|name| member_title(visit, name)).collect();
    let row = |item: &Json| names.iter().map(|name| member(visit, name, &item[name.as_str()])).collect();
    let rows: Vec<Vec<Json>> = items.iter().map(row).collect();
    let words = visit.t_count("{n} row", "{n} rows", rows.len() as u64, &[]);
    json!({"kind": "lines", "text": words, "columns": heads, "rows": rows})
}

/// An object as what each of its members is.
fn object(visit: &Visit<'_>, value: &Json) -> Json {
    let names = members(std::slice::from_ref(value));
    let one = |name: &&String| json!({"title": member_title(visit, name), "cell": member(visit, name, &value[name.as_str()])});
    let facts: Vec<Json> = names.iter().map(one).collect();
    let words = visit.t_count("{n} field", "{n} fields", facts.len() as u64, &[]);
    if facts.is_empty() { json!({"kind": "none"}) } else { json!({"kind": "facts", "text": words, "facts": facts}) }
}

fn lines(visit: &Visit<'_>, fields: &[Field], rows: &[Json], names: &Names) -> Json {
    let shown: Vec<&Field> =
        fields.iter().filter(|field| field.name != "id" && rows.iter().any(|row| !is_usual(&row[field.name]))).collect();
    let cell = |field: &Field, row: &Json| match (&field.kind, row[field.name].as_i64()) {
        (Kind::Reference(table), Some(id)) => names.cell(visit, table, id),
        (Kind::Money | Kind::Decimal(_), _) if row[field.name].is_string() => {
            json!({"kind": "money", "text": visit.language.grouped(row[field.name].as_str().unwrap_or_default()), "number": true})
        }
        (kind, _) => {
            let mut cell = plain(visit, kind, &row[field.name]);
            cell["number"] = matches!(kind, Kind::Integer | Kind::Number | Kind::Decimal(_)).into();
            cell
        }
    };
    let body: Vec<Vec<Json>> = rows.iter().map(|row| shown.iter().map(|field| cell(field, row)).collect()).collect();
    let heads: Vec<String> = shown.iter().map(|field| visit.heading(field)).collect();
    let words = visit.t_count("{n} row", "{n} rows", rows.len() as u64, &[]);
    json!({"kind": "lines", "text": words, "columns": heads, "rows": body})
}

/// What most records have, and nobody looks for: no, none and naught.
fn is_usual(value: &Json) -> bool {
    let is_naught = |text: &str| text.parse::<f64>().is_ok_and(|number| number == 0.0);
    is_nothing(value) || *value == Json::Bool(false) || value.as_str().is_some_and(|text| text == "none" || is_naught(text))
}

fn is_nothing(value: &Json) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// Where a record is shown, if the visitor may read it.
pub(super) fn link(visit: &Visit<'_>, table: &str, id: i64) -> Option<String> {
    let d = descriptor::all().iter().find(|d| d.about.table == table)?;
    let actor = visit.actor().ok()?;
    (d.reach(actor, READ) != Reach::Nothing).then(|| format!("{}{id}/", url_of(d)))
}

/// `2 Mar 2026`.
pub(super) fn day(visit: &Visit<'_>, text: &str) -> String {
    Date::parse(text).map_or_else(|| text.to_owned(), |date| visit.date("%-d %b %Y", date.0))
}

/// `2 Mar 2026, 09:00`, where the business is.
pub(super) fn moment(visit: &Visit<'_>, text: &str) -> String {
    let zone = visit.signed.as_ref().map(|signed| signed.actor.zone()).unwrap_or(jiff::tz::TimeZone::UTC);
    let at = DateTime::parse(text, &zone);
    at.map_or_else(|| text.to_owned(), |at| visit.date("%-d %b %Y, %H:%M", zone.to_datetime(at.0)))
}
