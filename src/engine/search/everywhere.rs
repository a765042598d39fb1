//! One search through everything that the caller may list.

use serde_json::json;

use super::{SearchField, Way, among, condition, expression, fields, way};
use crate::{
    actor::Actor,
    db::{Catalog, Reader, Row, Value},
    engine::{
        about::Scope,
        access::{LIST, Reach},
        descriptor::{self, Descriptor},
        query::Query,
        store::{self, Deleted},
    },
    error::Result,
    kit::fold::{marked, plain},
};

/// What is searched for, and how much of it is wanted.
pub struct Wanted {
    /// Folded.
    pub terms: Vec<String>,
    /// Of each resource.
    pub limit: usize,
}

/// What was found of a resource, the newest first.
pub struct Found {
    pub resource: &'static Descriptor,
    /// There are others.
    pub more: bool,
    pub hits: Vec<Hit>,
}

/// A record that was found.
pub struct Hit {
    pub id: i64,
    pub uuid: String,
    pub label: String,
    /// HTML.
    pub snippet: String,
}

/// Terms under three letters are in no index: they are looked for in the names of so many of the newest rows.
const NEWEST: usize = 500;
/// Tables with no more rows than these are searched row by row.
const SMALL: i64 = 1000;
/// So many candidates of the index are looked at; if hardly any of them is the caller's, the rows of the business are gone through.
const MOST_CANDIDATES: usize = 20_000;
/// So many letters around what was found.
const SNIPPET: usize = 120;

/// Searches all of some resources that the actor may list. Those in which nothing is found are left out.
pub fn everywhere(
    reader: &Reader<'_>,
    catalog: &Catalog,
    actor: &Actor,
    resources: impl Iterator<Item = &'static Descriptor>,
    wanted: &Wanted,
) -> Result<Vec<Found>> {
    let mut all = vec![];
    for resource in resources {
        let reach = resource.reach(actor, LIST);
        if reach == Reach::Nothing || actor.business.is_none() {
            continue;
        }
        let mut hits = Search::new(reader, actor, resource, reach, wanted).run(catalog)?;
        let more = hits.len() > wanted.limit;
        hits.truncate(wanted.limit);
        if !hits.is_empty() {
            all.push(Found { resource, more, hits });
        }
    }
    Ok(all)
}

/// The search through one resource.
struct Search<'a> {
    reader: &'a Reader<'a>,
    actor: &'a Actor,
    d: &'static Descriptor,
    terms: &'a [String],
    limit: usize,
    /// `SELECT` of what a hit is made from.
    select: String,
    scope: String,
}

impl<'a> Search<'a> {
    fn new(reader: &'a Reader<'a>, actor: &'a Actor, d: &'static Descriptor, reach: Reach, wanted: &'a Wanted) -> Self {
        let shown = d.about.search.iter().filter(|name| is_shown(d, name, actor)).filter_map(|name| expression(d, name));
        let texts: String = shown.map(|sql| format!(", CAST({sql} AS TEXT)")).collect();
        Self {
            reader,
            actor,
            d,
            terms: &wanted.terms,
            // One more tells whether there are others.
            limit: wanted.limit + 1,
            select: format!("SELECT t.id, t.uuid, {}{texts} FROM \"{}\" AS t", d.label, d.about.table),
            scope: store::scope(d, actor, reach, Deleted::Without),
        }
    }

    fn run(&self, catalog: &Catalog) -> Result<Vec<Hit>> {
        // The terms are the first arguments of every statement here.
        let mut query = Query { terms: self.terms.to_vec(), ..Query::default() };
        let places: Vec<String> = self.terms.iter().map(|term| query.bind(term.as_str())).collect();
        if self.terms.iter().all(|term| term.chars().count() < 3) {
            return self.newest(&places, &query.args);
        }
        let fields = fields(self.d, self.actor);
        if fields.is_empty() {
            return Ok(vec![]);
        }
        let matches: Vec<String> = places.iter().map(|place| condition(&fields, place)).collect();
        let matches = matches.join(" AND ");
        if self.is_small()? {
            return self.rows(&matches, &query.args, self.limit);
        }
        if fields.iter().all(SearchField::is_own) {
            return self.walk(catalog, &matches, query);
        }
        match way(self.reader, catalog, self.d, self.actor, Deleted::Without, &mut query)? {
            Way::Few(test) => self.rows(&format!("{matches} AND {test}"), &query.args, self.limit),
            Way::Many(_) | Way::All => self.rows(&matches, &query.args, self.limit),
        }
    }

    /// Has the table so few rows that looking at all of them is less than asking the index? That holds all tables: the rows of a large
    /// one stand in the way of a small one's.
    fn is_small(&self) -> Result<bool> {
        let sql = format!("SELECT 1 FROM \"{}\" WHERE id > {SMALL}", self.d.about.table);
        Ok(!self.reader.exists(&sql, &[])?)
    }

    /// Rows whose names have words that begin with the terms.
    fn newest(&self, places: &[String], args: &[Value]) -> Result<Vec<Hit>> {
        let newest = match self.d.about.scope {
            Scope::Business | Scope::Attached(_) => {
                format!("SELECT n.id FROM \"{}\" AS n WHERE n.business_id = ?1 ORDER BY n.id DESC", self.d.about.table)
            }
            Scope::Itself => "SELECT ?1".to_owned(),
            Scope::Members => "SELECT n.user_id FROM memberships AS n WHERE n.business_id = ?1 ORDER BY n.user_id DESC".to_owned(),
        };
        let tests: Vec<String> = places.iter().map(|place| format!("begins_word({}, {place})", self.d.label)).collect();
        self.rows(&format!("{} AND t.id IN ({newest} LIMIT {NEWEST})", tests.join(" AND ")), args, self.limit)
    }

    /// Goes along the candidates of the index from the newest on. If many have been looked at and hardly any was the caller's, then
    /// the rows of the business are gone through, once and until the deadline of scans: other businesses' do not count.
    fn walk(&self, catalog: &Catalog, matches: &str, mut query: Query) -> Result<Vec<Hit>> {
        let terms: Vec<&str> = self.terms.iter().map(String::as_str).collect();
        let Some(searched) = catalog.searched(self.d.about.table) else { return self.rows(matches, &query.args, self.limit) };
        let (mut hits, mut below, mut looked, mut size) = (vec![], i64::MAX, 0, 4 * self.limit);
        while looked < MOST_CANDIDATES {
            let Some(ids) = self.reader.candidates_below(searched, &terms, below, size)? else { break };
            let mut here = Query { args: query.args.clone(), ..Query::default() };
            let test = among(&here.bind(json!(ids).to_string()));
            hits.extend(self.rows(&format!("{matches} AND {test}"), &here.args, self.limit - hits.len())?);
            if hits.len() >= self.limit || ids.len() < size {
                return Ok(hits);
            }
            below = ids.last().copied().unwrap_or(0);
            looked += ids.len();
            size = (4 * size).min(MOST_CANDIDATES / 4);
        }
        let place = query.bind(below);
        hits.extend(self.rows(&format!("{matches} AND t.id < {place}"), &query.args, self.limit - hits.len())?);
        Ok(hits)
    }

    /// The newest of the caller's rows that fulfil a condition.
    fn rows(&self, condition: &str, args: &[Value], limit: usize) -> Result<Vec<Hit>> {
        let sql = format!("{} WHERE {} AND {condition} ORDER BY t.id DESC LIMIT {limit}", self.select, self.scope);
        self.reader.rows(&sql, &store::args(self.actor, args), |row| self.hit(row))
    }

    fn hit(&self, row: &Row<'_>) -> Result<Hit> {
        let label: String = row.get::<Option<String>>(2)?.unwrap_or_default();
        let mut snippet = None;
        for index in 3..row.width() {
            let text: Option<String> = row.get(index)?;
            snippet = snippet.or_else(|| marked(&text?, self.terms, SNIPPET));
        }
        let snippet = snippet.or_else(|| marked(&label, self.terms, SNIPPET)).unwrap_or_else(|| plain(&label, SNIPPET));
        Ok(Hit { id: row.get(0)?, uuid: row.get(1)?, label, snippet })
    }
}

/// May the actor be shown what a search field holds? What stands in another record, only if that is theirs to see.
fn is_shown(d: &Descriptor, name: &str, actor: &Actor) -> bool {
    let Some((reference, column)) = name.split_once('.') else {
        return d.field(name).is_none_or(|field| !field.hidden) && d.is_open(name, actor);
    };
    let target = d.target(reference).and_then(descriptor::by_table);
    target.is_some_and(|target| {
        let visible = target.visible().any(|field| field.name == column) && target.is_open(column, actor);
        visible && d.is_open(reference, actor) && target.reach(actor, LIST) == Reach::All
    })
}
