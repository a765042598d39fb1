//! What the references of a file are called, looked up once for all its lines.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value as Json;

use super::plan::{Place, Plan};
use crate::{
    actor::Actor,
    db::Reader,
    engine::{
        access::{READ, Reach},
        descriptor::{Descriptor, by_table},
        field::Kind,
        store::{self, Deleted},
        table::grid::{Grid, Line},
        validate::is_uuid,
    },
    error::{Error, Result},
};

/// For each field that refers: the ids by what they are called, and what those that were named by id are called.
#[derive(Default)]
pub struct Labels(HashMap<&'static str, Known>);

#[derive(Default)]
struct Known {
    ids: HashMap<String, Vec<i64>>,
    names: HashMap<i64, String>,
}

/// An error that stands for a field's text until it is put beside its name.
fn text(words: String) -> Error {
    Error::Malformed(words)
}

fn target(place: &Place) -> Option<&'static Descriptor> {
    if let Kind::Reference(table) = place.field.kind { by_table(table) } else { None }
}

impl Labels {
    /// Looks up everything that the lines refer to, among the records that the caller may read.
    pub fn of(reader: &Reader<'_>, actor: &Actor, plan: &Plan, grid: &Grid) -> Result<Self> {
        let mut all = Self::default();
        for place in &plan.places {
            let (Some(target), Some(column)) = (target(place), place.column) else { continue };
            let cells = |column: usize| grid.lines.iter().map(move |line| line.cell(column)).filter(|cell| !cell.is_empty());
            let mut known = Known::default();
            let named: BTreeSet<&str> = cells(column).collect();
            let reach = target.reach(actor, READ);
            rows(reader, actor, target, reach, &target.label, &Json::from_iter(named), |id, label| {
                known.ids.entry(label.trim().to_owned()).or_default().push(id);
            })?;
            let by_id: BTreeSet<i64> = place.id_column.into_iter().flat_map(cells).filter_map(|cell| cell.parse().ok()).collect();
            rows(reader, actor, target, Reach::All, "t.id", &Json::from_iter(by_id), |id, label| {
                known.names.insert(id, label.trim().to_owned());
            })?;
            all.0.insert(place.field.name, known);
        }
        Ok(all)
    }

    /// What a line refers to: an id or a uuid. `None`: nothing.
    ///
    /// # Errors
    /// The text for the field, when it is not one record that is meant.
    pub fn reference(&self, reader: &Reader<'_>, actor: &Actor, place: &Place, line: &Line) -> Result<Option<Json>> {
        let cell = |column: Option<usize>| column.map_or("", |column| line.cell(column));
        let (label, id) = (cell(place.column), cell(place.id_column));
        match (label, id) {
            ("", "") => Ok(None),
            ("", id) => Ok(Some(id.into())),
            (label, "") => self.named(reader, actor, place, label).map(Some),
            (label, id) => {
                let name = id.parse::<i64>().ok().and_then(|id| self.0.get(place.field.name)?.names.get(&id));
                match name {
                    Some(name) if name != label => {
                        Err(text(format!("\"{label}\" is not what {id} is called: \"{name}\". Leave one of the two cells empty.")))
                    }
                    _ => Ok(Some(id.into())),
                }
            }
        }
    }

    fn named(&self, reader: &Reader<'_>, actor: &Actor, place: &Place, label: &str) -> Result<Json> {
        let ids = self.0.get(place.field.name).and_then(|known| known.ids.get(label)).map_or(&[][..], Vec::as_slice);
        let is_key = label.parse::<i64>().is_ok() || is_uuid(label);
        match (ids, is_key) {
            // Whether there is such a record is looked at with all other fields.
            ([], true) => Ok(label.into()),
            ([], false) => Err(text(format!("Invalid name \"{label}\" - object does not exist."))),
            ([id], true) => {
                let other = target(place).map(|target| store::find(reader, target, actor, label)).transpose()?.flatten();
                match other {
                    Some(other) if other != *id => Err(text(format!("\"{label}\" is the name of one record and the id of another."))),
                    _ => Ok((*id).into()),
                }
            }
            ([id], false) => Ok((*id).into()),
            (several, _) => Err(text(format!("\"{label}\" matches {} records; name one by its id.", several.len()))),
        }
    }
}

/// Visits the live records of which an expression is one of the values, with what they are called.
fn rows(
    reader: &Reader<'_>,
    actor: &Actor,
    d: &Descriptor,
    reach: Reach,
    expression: &str,
    values: &Json,
    mut visit: impl FnMut(i64, String),
) -> Result<()> {
    let scope = store::scope(d, actor, reach, Deleted::Without);
    let sql = format!(
        "SELECT t.id, coalesce({}, '') FROM \"{}\" AS t WHERE {scope} AND {expression} IN (SELECT value FROM json_each(?4))",
        d.label, d.about.table
    );
    reader.each(&sql, &store::args(actor, &[values.to_string().into()]), |row| {
        visit(row.get(0)?, row.get(1)?);
        Ok(())
    })
}
