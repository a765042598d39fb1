//! One line of a file as a record: created, or a change of the one that it names.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::{Job, plan::Place};
use crate::{
    db::{Cell, Reader, Value, Writer},
    engine::{
        about::Options,
        access::{READ, UPDATE},
        descriptor::Record,
        field::{Field, Kind},
        store::{self, Deleted},
        table::{cell::split, columns::heading, grid::Line},
        validate::{self, Mode},
        verbs::write,
    },
    error::{Error, Problems, Result},
};

/// The records of some lines, by the value of the key.
pub struct Keys {
    /// The key of each line, in the form that it is stored in.
    lines: HashMap<usize, String>,
    ids: HashMap<String, Vec<i64>>,
}

/// Was a record made, or one changed?
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Created,
    Updated,
}

fn stored(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Int(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.clone()).filter(|text| !text.is_empty()),
    }
}

impl Job {
    /// Looks for the records that some lines are about, all at once: not every key has an index.
    pub fn keys(&self, tx: &Writer<'_>, lines: std::ops::Range<usize>) -> Result<Keys> {
        let mut keys = Keys { lines: HashMap::new(), ids: HashMap::new() };
        let Some(place) = &self.plan.key else { return Ok(keys) };
        let (d, actor) = (self.d, tx.actor().clone());
        let mut values = vec![];
        for index in lines {
            // What is wrong with the value is said with all that is wrong with the line.
            let Ok(Some(value)) = self.value(tx, place, &self.grid.lines[index], true) else { continue };
            let input = Record::from_iter([(place.field.name.to_owned(), value)]);
            let options = Options { internal: false, ..self.options };
            let Ok(record) = validate::resource(tx, d, &actor, input, None, Mode::Partial, options) else { continue };
            let value = place.field.to_value(record.get(place.field.name));
            if let Some(text) = stored(&value) {
                keys.lines.insert(index, text);
                values.push(match value {
                    Value::Int(number) => number.into(),
                    Value::Real(number) => number.into(),
                    Value::Text(text) => text.into(),
                    Value::Null => Json::Null,
                });
            }
        }
        let scope = store::scope(d, &actor, d.reach(&actor, READ), Deleted::Without);
        let (table, column) = (d.about.table, place.field.column);
        let sql =
            format!("SELECT t.id, t.{column} FROM \"{table}\" AS t WHERE {scope} AND t.{column} IN (SELECT value FROM json_each(?4))");
        tx.each(&sql, &store::args(&actor, &[Json::from(values).to_string().into()]), |row| {
            let value = match row.cell(1)? {
                Cell::Null => Value::Null,
                Cell::Int(number) => number.into(),
                Cell::Real(number) => number.into(),
                Cell::Text(text) => text.into(),
            };
            if let Some(text) = stored(&value) {
                keys.ids.entry(text).or_default().push(row.get(0)?);
            }
            Ok(())
        })?;
        Ok(keys)
    }

    /// The record that a line is about, if it is there already.
    pub fn target(&self, tx: &Writer<'_>, index: usize, keys: &Keys) -> Result<Option<i64>> {
        let line = &self.grid.lines[index];
        let cell = |column: Option<usize>| column.map_or("", |column| line.cell(column));
        let (id, uuid) = (cell(self.plan.id), cell(self.plan.uuid));
        let actor = tx.actor().clone();
        let find = |name: &str, key: &str| {
            let is_key = if name == "id" { key.parse::<i64>().is_ok() } else { validate::is_uuid(key) };
            let found = if is_key { write::find_record(tx, self.d, &actor, key, UPDATE).map(Some) } else { Ok(None) };
            match found {
                Ok(Some(id)) => Ok(id),
                Ok(None) | Err(Error::NotFound(_)) => Err(Error::field(name, format!("Invalid pk \"{key}\" - object does not exist."))),
                Err(error) => Err(error),
            }
        };
        match (id, uuid) {
            ("", "") => {}
            (id, "") => return find("id", id).map(Some),
            ("", uuid) => return find("uuid", uuid).map(Some),
            (id, uuid) => {
                let (id, other) = (find("id", id)?, find("uuid", uuid)?);
                let same =
                    if id == other { Ok(Some(id)) } else { Err(Error::field("uuid", "The id and the uuid are of different records.")) };
                return same;
            }
        }
        let (Some(place), Some(key)) = (&self.plan.key, keys.lines.get(&index)) else { return Ok(None) };
        if let Some(first) = self.repeats.get(&index) {
            return Err(Error::field(place.field.name, format!("The same value stands in line {first} already.")));
        }
        match keys.ids.get(key).map_or(&[][..], Vec::as_slice) {
            [] => Ok(None),
            [id] => write::find_record(tx, self.d, &actor, &id.to_string(), UPDATE).map(Some),
            several => Err(Error::field(place.field.name, format!("\"{key}\" matches {} records.", several.len()))),
        }
    }

    /// Stores a line.
    pub fn store(&self, tx: &mut Writer<'_>, index: usize, target: Option<i64>) -> Result<Done> {
        let line = &self.grid.lines[index];
        let before = target.map(|id| store::record(tx, self.d, id)).transpose()?;
        let record = self.record(tx, line, before.as_ref())?;
        match target {
            Some(id) => write::change_record(tx, self.d, id, record, Mode::Partial, self.options).map(|()| Done::Updated),
            None => write::insert_record(tx, self.d, record, self.options).map(|_| Done::Created),
        }
    }

    /// A line as the fields that it sets.
    fn record(&self, tx: &Writer<'_>, line: &Line, before: Option<&Record>) -> Result<Record> {
        let (mut record, mut problems) = (Record::new(), Problems::default());
        if line.width() > self.plan.width() {
            let words = format!("The line has {} cells, and there are {} headings.", line.width(), self.plan.width());
            problems.add("non_field_errors", words);
        }
        for place in &self.plan.places {
            match self.value(tx, place, line, before.is_none()) {
                // A reference that stays is not looked at again: what it points to may have been deleted meanwhile.
                Ok(Some(id))
                    if matches!(place.field.kind, Kind::Reference(_)) && before.is_some_and(|record| is_same(record, place, &id)) => {}
                Ok(Some(value)) => drop(record.insert(place.field.name.to_owned(), value)),
                Ok(None) => {}
                Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                Err(error) => problems.add(place.field.name, error.detail()),
            }
        }
        problems.or_ok()?;
        Ok(record)
    }

    /// What a line says of a field. `None`: nothing, so that a new record gets the default.
    fn value(&self, reader: &Reader<'_>, place: &Place, line: &Line, is_new: bool) -> Result<Option<Json>> {
        let field = place.field;
        let fault = line.faults.iter().find(|(column, _)| [place.column, place.id_column].contains(&Some(*column)));
        if let Some((_, error)) = fault {
            return Err(Error::Malformed(format!("The cell holds the error {error}.")));
        }
        let empty = || if is_new { None } else { Some(nothing(field)) };
        if matches!(field.kind, Kind::Reference(_)) {
            return Ok(self.labels.reference(reader, &self.actor, place, line)?.or_else(empty));
        }
        let cell = place.text(line);
        if cell.is_empty() {
            return Ok(empty());
        }
        let json = || Error::Malformed("Value must be valid JSON.".into());
        Ok(Some(match &field.kind {
            Kind::Texts => split(cell).ok_or_else(json)?.into(),
            Kind::Json => serde_json::from_str(cell).map_err(|_| json())?,
            Kind::Lines(..) => lines(serde_json::from_str(cell).map_err(|_| json())?, is_new),
            _ => cell.into(),
        }))
    }
}

fn is_same(record: &Record, place: &Place, id: &Json) -> bool {
    let id = id.as_i64().or_else(|| id.as_str()?.parse().ok());
    id.is_some() && record.get(place.field.name).and_then(Json::as_i64) == id
}

/// What an empty cell makes of a field that has a value.
fn nothing(field: &Field) -> Json {
    match field.kind {
        Kind::Texts | Kind::Lines(..) => Json::Array(vec![]),
        Kind::Text | Kind::Email if !field.nullable => "".into(),
        _ => Json::Null,
    }
}

/// The rows of a new record are new as well, whatever record they were exported from.
fn lines(mut rows: Json, is_new: bool) -> Json {
    for row in rows.as_array_mut().into_iter().flatten().filter(|_| is_new) {
        if let Json::Object(row) = row {
            row.shift_remove("id");
        }
    }
    rows
}

impl Job {
    /// What is wrong with a line: for each column its heading and the texts, or none for the line as a whole.
    pub fn problems(&self, line: u64, error: &Error) -> Vec<Json> {
        let entry = |column: Option<&str>, messages: Vec<String>| serde_json::json!({"row": line, "column": column, "messages": messages});
        let Error::Invalid(problems) = error else { return vec![entry(None, vec![error.detail().into_owned()])] };
        let Json::Object(fields) = problems.to_json() else { return vec![entry(None, vec![problems.to_string()])] };
        let of_field = |(name, texts): (String, Json)| {
            let texts: Vec<String> = match texts {
                Json::Array(texts) => texts.into_iter().map(|text| text.as_str().map_or_else(|| text.to_string(), str::to_owned)).collect(),
                other => vec![other.to_string()],
            };
            let column = self.plan.column_of(&name);
            let entry = match (column, self.d.field(&name)) {
                (Some(column), _) => entry(Some(self.plan.heading(column)), texts),
                (None, Some(field)) => entry(None, texts.iter().map(|text| format!("{}: {text}", heading(field))).collect()),
                (None, None) => entry(None, texts),
            };
            (column, entry)
        };
        // As a person reads the line: what concerns all of it, and then from left to right.
        let mut all: Vec<(Option<usize>, Json)> = fields.into_iter().map(of_field).collect();
        all.sort_by_key(|(column, _)| *column);
        all.into_iter().map(|(_, entry)| entry).collect()
    }
}
