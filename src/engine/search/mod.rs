//! Searching by texts: every term stands in at least one of the search fields, capitals or small letters, anywhere in it.
//!
//! What a search answers is said by `condition`, which looks at the rows. `way` says which rows are worth looking at: those that
//! the index names, where it helps. So a list is the same with the index, without it, and while it is being made.

mod everywhere;

use serde_json::json;

pub use self::everywhere::{Found, Hit, Wanted, everywhere};
use super::{
    about::Scope,
    descriptor::Descriptor,
    field::{Field, Kind},
    query::Query,
    store::Deleted,
};
use crate::{
    actor::Actor,
    db::{
        Catalog, Reader,
        search::{Candidates, SearchTable, matching},
    },
    error::Result,
    kit::fold::fold,
};

/// A field that is searched.
pub struct SearchField {
    /// SQL for its text.
    pub sql: String,
    place: Place,
}

impl SearchField {
    /// Does its text stand in the row itself, so that the index of the table alone tells?
    fn is_own(&self) -> bool {
        matches!(self.place, Place::Own(_))
    }
}

/// Where a field's text stands.
enum Place {
    /// In a column of the row itself.
    Own(&'static str),
    /// In a row that this column refers to: table and column.
    Referred { by: &'static str, table: &'static str, column: &'static str },
    /// It is worked out.
    Nowhere,
}

/// The fields of a resource that are searched for this actor: private ones for those who may see them.
pub fn fields(d: &Descriptor, actor: &Actor) -> Vec<SearchField> {
    let open = d.about.search.iter().filter(|name| d.is_open(name.split('.').next().unwrap_or(name), actor));
    open.filter_map(|name| field(d, name)).collect()
}

fn field(d: &Descriptor, name: &'static str) -> Option<SearchField> {
    let place = match name.split_once('.') {
        Some((reference, column)) => {
            let field = d.field(reference)?;
            let Kind::Reference(table) = field.kind else { return None };
            Place::Referred { by: field.column, table, column }
        }
        None => d.field(name).filter(|field| field.stored()).map_or(Place::Nowhere, |field| Place::Own(field.column)),
    };
    Some(SearchField { sql: expression(d, name)?, place })
}

/// SQL for a search field: `name`, or `zone.name`, a column of the record that a reference points to.
pub fn expression(d: &Descriptor, name: &str) -> Option<String> {
    let Some((reference, column)) = name.split_once('.') else { return d.expression(name) };
    let field = d.field(reference)?;
    let Kind::Reference(table) = field.kind else { return None };
    Some(format!("(SELECT x.{column} FROM \"{table}\" AS x WHERE x.id = t.{})", field.column))
}

/// What the database is to index: of each resource the search fields that are columns of its own. Deleted rows are indexed as well:
/// lists leave them out, and they are searched where they are listed.
pub fn tables(all: &[Descriptor]) -> Vec<SearchTable> {
    let columns = |d: &Descriptor| -> Vec<&'static str> {
        let fields = d.about.search.iter().filter_map(|name| field(d, name));
        fields.filter_map(|field| if let Place::Own(column) = field.place { Some(column) } else { None }).collect()
    };
    let tables = all.iter().map(|d| SearchTable { table: d.about.table, columns: columns(d) });
    tables.filter(|table| !table.columns.is_empty()).collect()
}

/// Does the index of the resource's own table know the text of this field?
pub(super) fn is_indexed(d: &Descriptor, name: &str) -> bool {
    d.about.search.contains(&name) && d.field(name).is_some_and(Field::stored)
}

/// SQL for "the term bound at `place` stands in one of the fields".
pub fn condition(fields: &[SearchField], place: &str) -> String {
    let tests: Vec<String> = fields.iter().map(|field| format!("holds({}, {place})", field.sql)).collect();
    format!("({})", tests.join(" OR "))
}

/// The words of a search, folded: split at spaces and commas, `"quoted phrases"` kept together.
pub fn terms(search: &str) -> Vec<String> {
    let (mut terms, mut term, mut quoted) = (vec![], String::new(), false);
    for c in search.chars() {
        match c {
            '"' => quoted = !quoted,
            c if !quoted && (c.is_whitespace() || c == ',') => terms.push(std::mem::take(&mut term)),
            c => term.push(c),
        }
    }
    terms.push(term);
    terms.retain(|term| !term.trim().is_empty());
    terms.iter().map(|term| fold(term)).collect()
}

/// Which way a search goes.
pub enum Way {
    /// By looking at each of few candidates: those that fulfil this condition.
    Few(String),
    /// There are many candidates: those that fulfil this condition.
    Many(String),
    /// By looking at every row.
    All,
}

/// Says which way the search of a query goes. The conditions use arguments that are bound to it here.
///
/// Where there are many candidates, rows in an order that an index has are found by walking along it: one of few will do.
pub fn way(reader: &Reader<'_>, catalog: &Catalog, d: &Descriptor, actor: &Actor, deleted: Deleted, query: &mut Query) -> Result<Way> {
    let (fields, terms) = (fields(d, actor), query.terms.clone());
    let terms: Vec<&str> = terms.iter().map(String::as_str).collect();
    if terms.is_empty() || fields.is_empty() {
        return Ok(Way::All);
    }
    let most = most(reader, d.about.table)?;
    if !fields.iter().all(SearchField::is_own) {
        // Each term may stand in another field, so each is looked up alone.
        let mut tests = vec![];
        for term in terms {
            tests.extend(by_reference(reader, catalog, (d, deleted), &fields, term, most, query)?);
        }
        return Ok(if tests.is_empty() { Way::All } else { Way::Few(tests.join(" AND ")) });
    }
    let Some(searched) = catalog.searched(d.about.table) else { return Ok(Way::All) };
    Ok(match reader.candidates(searched, &terms, most)? {
        Candidates::Rows(ids) => Way::Few(among(&query.bind(json!(ids).to_string()))),
        Candidates::Many => Way::Many(format!("t.id IN ({})", searched.ids(&query.bind(matching(&terms).unwrap_or_default())))),
        Candidates::Unknown => Way::All,
    })
}

/// SQL for "the row's id is in the JSON list bound at `place`".
fn among(place: &str) -> String {
    format!("t.id IN (SELECT value FROM json_each({place}))")
}

/// The rows in whose own text a term may stand, or in the text of a row that they refer to. `None`: too many, or not known.
fn by_reference(
    reader: &Reader<'_>,
    catalog: &Catalog,
    (d, deleted): (&Descriptor, Deleted),
    fields: &[SearchField],
    term: &str,
    most: usize,
    query: &mut Query,
) -> Result<Option<String>> {
    let mut sources: Vec<(Option<&str>, Vec<i64>)> = vec![];
    for field in fields {
        let (by, table, column) = match field.place {
            Place::Own(column) => (None, d.about.table, column),
            Place::Referred { by, table, column } => (Some(by), table, column),
            Place::Nowhere => return Ok(None),
        };
        // One look at a table tells of all its columns.
        if sources.iter().any(|(known, _)| *known == by) {
            continue;
        }
        let Some(searched) = catalog.searched(table).filter(|searched| searched.columns.contains(&column)) else { return Ok(None) };
        let Candidates::Rows(ids) = reader.candidates(searched, &[term], most)? else { return Ok(None) };
        sources.push((by, ids));
    }
    let parts = sources.into_iter().map(|(by, ids)| {
        let place = query.bind(json!(ids).to_string());
        by.map_or_else(|| format!("SELECT value FROM json_each({place})"), |by| referring(d, deleted, by, &place))
    });
    Ok(Some(format!("t.id IN ({})", parts.collect::<Vec<_>>().join(" UNION "))))
}

/// SQL for the rows that refer by a column to one of the JSON list bound at `place`.
///
/// From these to the rows, along the index of the reference: where the planner may choose, it looks at all rows of the business. What is
/// deleted is in no such index, and is looked for in one walk.
pub fn referring(d: &Descriptor, deleted: Deleted, by: &str, place: &str) -> String {
    let (table, mut within) = (d.about.table, String::new());
    if d.about.scope == Scope::Business {
        within += " AND r.business_id = ?1";
    }
    if d.about.soft_delete {
        if deleted != Deleted::Without {
            return format!("SELECT r.id FROM \"{table}\" AS r WHERE r.{by} IN (SELECT value FROM json_each({place})){within}");
        }
        within += " AND r.deleted_at IS NULL";
    }
    format!("SELECT r.id FROM json_each({place}) AS c CROSS JOIN \"{table}\" AS r ON r.{by} = c.value{within}")
}

/// The tables that a search looks through, by the columns that refer to them.
pub fn references(d: &Descriptor) -> Vec<&'static str> {
    let by = |field: SearchField| if let Place::Referred { by, .. } = field.place { Some(by) } else { None };
    d.about.search.iter().filter_map(|name| by(field(d, name)?)).collect()
}

/// From how many candidates on it is less work to walk along an order until a page is full: of n rows and m matches, a page of 20
/// takes 20 n / m of them, and m is less than that below the root of 20 n.
fn most(reader: &Reader<'_>, table: &str) -> Result<usize> {
    let rows: i64 = reader.one(&format!("SELECT coalesce(max(id), 0) FROM \"{table}\""), &[])?.unwrap_or(0);
    let root = rows.unsigned_abs().saturating_mul(20).isqrt();
    Ok(usize::try_from(root).unwrap_or(usize::MAX).clamp(500, 10_000))
}
