//! Lists: how many rows they have, and which come first.
//!
//! Both are kept, and follow what is written: when a list is asked for again, those rows are looked at that were written since, and
//! no others. Counting 100,000 rows takes longer than all else of a page, and putting them into an order that no index has ten times
//! as long; looking at one again takes microseconds.
//!
//! It comes out the same, because a row stands in a list, and at its place there, for what it says itself. Where a list depends on
//! other tables as well, or on other rows of its own, what is kept of it is true until one of those tables is written.

use std::{collections::HashSet, sync::Arc};

use serde_json::Value as Json;

use super::{
    about::Scope,
    access::Reach,
    descriptor::{Descriptor, Form},
    json::write_row,
    query::{FIXED, NEAR, Query},
    search,
    store::{self, Deleted, args, by_ids},
};
use crate::{
    actor::Actor,
    db::{Db, First, Members, Moment, Reader, Row, Total, write_cell},
    error::Result,
};

/// More rows than are asked for are kept, so that some may go before all have to be looked for again.
const SPARE: usize = 30;
/// A list is not kept any further than this.
const MOST_FIRST: usize = 3000;
/// Up to so many rows are looked up one by one where it is known which they are. More are found in a walk; where an index has the
/// order of a list, the first of these.
const MOST_BY_ID: i64 = 10_000;
const MOST_ORDERED: usize = 2000;

/// How much may be done for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Looking at some rows again: what else there is to do is for the scanners.
    Little,
    /// Whatever it takes.
    Any,
}

impl Effort {
    /// So many rows are looked at again.
    const fn rows(self) -> usize {
        match self {
            Self::Little => 300,
            Self::Any => usize::MAX,
        }
    }
}

/// A list that somebody asks for.
pub struct List {
    db: Db,
    d: &'static Descriptor,
    actor: Arc<Actor>,
    query: Query,
    scope: String,
    deleted: Deleted,
    /// The generation of its table, before any row is read.
    own: u64,
    total: Basis<Total>,
    first: Basis<First>,
    /// An index has its rows in their order, one after the other.
    is_walked: bool,
}

/// What is kept of a list, and what it depends on beside the rows of the list's own table.
struct Basis<K> {
    key: String,
    /// What was kept, before any generation is read and any row.
    known: Option<Arc<K>>,
    /// Other tables with their generations, before any row is read.
    others: Vec<(String, u64)>,
}

impl<K> Basis<K> {
    fn new(
        kept: impl FnOnce(&str) -> Option<Arc<K>>,
        db: &Db,
        d: &Descriptor,
        actor: &Actor,
        query: &Query,
        (scope, order): (&str, &str),
    ) -> Self {
        let sql = format!("{scope}\n{}\n{order}", query.conditions.join("\n"));
        let who = actor.user_id.filter(|_| sql.contains("?2"));
        let when = sql.contains("?3").then(|| actor.today());
        let key = format!("{}|{:?}|{who:?}|{when:?}|{:?}|{sql}", d.about.table, actor.business_id(), query.args);
        let known = kept(&key);
        let others = db.catalog().named(&sql).into_iter().map(|table| (table.to_owned(), db.generation(table))).collect();
        Self { key, known, others }
    }

    fn stamp(&self) -> u64 {
        self.others.iter().map(|(_, generation)| generation).sum()
    }

    /// Has none of the other tables been written since, as far as the transaction sees?
    fn is_quiet(&self, db: &Db) -> bool {
        self.others.iter().all(|(table, generation)| db.written_since(table, *generation).is_some_and(|rows| rows.is_empty()))
    }
}

/// Which rows of a list are looked for.
enum Span {
    /// All of them.
    All,
    /// So many at most, in whatever order they are found.
    First(i64),
    /// In their order, so many after so many others.
    Page(usize, u64),
}

/// The rows of a page.
enum Rows {
    /// Those that come after so many others.
    After(u64),
    /// These.
    These(Vec<i64>),
}

impl List {
    /// A list, as far as a right reaches. To be made before the transaction begins that it is read in.
    pub fn new(db: &Db, d: &'static Descriptor, actor: Arc<Actor>, query: Query, reach: Reach, deleted: Deleted) -> Self {
        let scope = store::scope(d, &actor, reach, deleted);
        let is_plain = reach == Reach::All && deleted == Deleted::Without && d.about.scope == Scope::Business;
        let total = Basis::new(|key| db.totals().get(key), db, d, &actor, &query, (&scope, ""));
        let first = Basis::new(|key| db.firsts().get(key), db, d, &actor, &query, (&scope, &query.order));
        Self {
            own: db.generation(d.about.table),
            is_walked: query.is_ordered && query.conditions.is_empty() && is_plain,
            db: db.clone(),
            d,
            actor,
            query,
            scope,
            deleted,
            total,
            first,
        }
    }

    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    pub fn query(&self) -> &Query {
        &self.query
    }

    /// The rows that were written since something was found out. `None`: that is of no use any more. A look at the table comes first:
    /// with it the transaction begins.
    fn since<K>(&self, reader: &Reader<'_>, when: Moment, basis: &Basis<K>, effort: Effort) -> Result<Option<Vec<i64>>> {
        reader.exists(&format!("SELECT 1 FROM \"{}\"", self.d.about.table), &[])?;
        if when.others != basis.stamp() || !basis.is_quiet(&self.db) {
            return Ok(None);
        }
        let written = self.db.written_since(self.d.about.table, when.own);
        Ok(written.filter(|rows| rows.len() <= effort.rows()))
    }

    fn now<K>(&self, basis: &Basis<K>) -> Moment {
        Moment { own: self.own, others: basis.stamp() }
    }

    /// Those of some rows that the list has; in its order the first so many, if that matters.
    fn among(&self, reader: &Reader<'_>, ids: &[i64], most: Option<usize>) -> Result<Vec<i64>> {
        let (table, scope, mut all) = (self.d.about.table, &self.scope, self.query.args.clone());
        all.push(Json::from(ids).to_string().into());
        let place = FIXED + all.len();
        let order = most.map_or_else(String::new, |most| format!(" ORDER BY {} LIMIT {most}", self.query.order));
        // CROSS JOIN: from these ids to the rows, whatever else there may be to find rows by.
        let sql = format!(
            "SELECT t.id FROM json_each(?{place}) AS c CROSS JOIN \"{table}\" AS t ON t.id = c.value WHERE {scope}{}{order}",
            store::conditions(&self.query, &[])
        );
        reader.rows(&sql, &args(&self.actor, &all), |row| row.get(0))
    }

    /// How many rows it has, and which as far as that is known; `None` if it takes more effort. Within one transaction.
    pub fn total(&self, reader: &Reader<'_>, effort: Effort) -> Result<Option<Arc<Total>>> {
        let known = self.total.known.as_ref();
        let since = known.map(|known| self.since(reader, known.when, &self.total, effort)).transpose()?.flatten();
        let total = match (known.map(|known| &**known), since) {
            (Some(_), Some(rows)) if rows.is_empty() => return Ok(known.cloned()),
            (Some(Total { count, members: Some(members), .. }), Some(rows)) => {
                let (mut count, mut members) = (*count, members.clone());
                let here: HashSet<i64> = self.among(reader, &rows, None)?.into_iter().collect();
                for id in rows {
                    if here.contains(&id) {
                        count += i64::from(members.insert(id));
                    } else {
                        count -= i64::from(members.remove(id));
                    }
                }
                Total { when: self.now(&self.total), count, members: Some(members) }
            }
            _ if effort == Effort::Little => return Ok(None),
            // It was asked for before, and would have followed.
            (Some(_), Some(_)) => self.gathered(reader, Span::All)?,
            // Which rows they are is of use where they are few; to count many along an index is quicker.
            _ => {
                let few = if self.is_narrowed() { Some(self.gathered(reader, Span::First(MOST_BY_ID))?) } else { None };
                match few.filter(|few| few.count < MOST_BY_ID) {
                    Some(few) => few,
                    None => Total { when: self.now(&self.total), count: self.count(reader)?, members: None },
                }
            }
        };
        Ok(Some(self.keep(total)))
    }

    fn gathered(&self, reader: &Reader<'_>, span: Span) -> Result<Total> {
        let (mut count, mut members) = (0, Members::default());
        self.found(reader, span, |id| count += i64::from(members.insert(id)))?;
        Ok(Total { when: self.now(&self.total), count, members: Some(members) })
    }

    fn keep(&self, total: Total) -> Arc<Total> {
        let total = Arc::new(total);
        self.db.totals().insert(self.total.key.clone(), total.clone());
        total
    }

    /// Do some rows of the table not belong to it?
    fn is_narrowed(&self) -> bool {
        !self.query.conditions.is_empty()
    }

    /// Reads something of every row, in whatever order; `columns` come after the row's id. `false`: there are more than so many. Rows that
    /// had to be found are known from then on.
    pub fn each(&self, reader: &Reader<'_>, columns: &[String], within: u64, mut read: impl FnMut(&Row<'_>) -> Result<()>) -> Result<bool> {
        let (table, scope, columns) = (self.d.about.table, &self.scope, columns.concat());
        if let Some(total) = self.total(reader, Effort::Little)? {
            if total.count.unsigned_abs() > within {
                return Ok(false);
            }
            if let Some(ids) = self.few(&total) {
                let place = FIXED + 1;
                let sql = format!(
                    "SELECT t.id{columns} FROM json_each(?{place}) AS c CROSS JOIN \"{table}\" AS t ON t.id = c.value WHERE {scope}"
                );
                reader.each(&sql, &args(&self.actor, &[Json::from(ids).to_string().into()]), read)?;
                return Ok(true);
            }
        }
        let query = self.found_by(reader)?;
        let conditions = store::conditions(&query, &query.count_only);
        let sql = format!("SELECT t.id{columns} FROM \"{table}\" AS t WHERE {scope}{conditions} LIMIT {within} + 1");
        let (mut count, mut members) = (0, Members::default());
        reader.each(&sql, &args(&self.actor, &query.args), |row| {
            count += i64::from(members.insert(row.get(0)?));
            read(row)
        })?;
        let is_all = count.unsigned_abs() <= within;
        if is_all && self.is_narrowed() {
            self.keep(Total { when: self.now(&self.total), count, members: Some(members) });
        }
        Ok(is_all)
    }

    /// Its rows, if it is known which they are and there are few, to be looked up one by one. Those of a whole list are found as quickly.
    fn few(&self, total: &Total) -> Option<Vec<i64>> {
        let members = total.members.as_ref().filter(|_| self.is_narrowed() && total.count <= MOST_BY_ID)?;
        Some(members.ids().collect())
    }

    /// The rows that come first, so many at least if there are.
    fn first(&self, reader: &Reader<'_>, total: &Total, needed: usize, effort: Effort) -> Result<Option<Vec<i64>>> {
        if let Some(known) = self.first.known.as_deref()
            && let Some(rows) = self.since(reader, known.when, &self.first, effort)?
            && (rows.is_empty() || rows.len() + known.ids.len() <= effort.rows())
        {
            let followed = if rows.is_empty() { None } else { Some(self.follow(reader, known, rows)?) };
            let (ids, is_whole) = followed.as_ref().map_or((&known.ids, known.is_whole), |first| (&first.ids, first.is_whole));
            if is_whole || ids.len() >= needed {
                let ids = ids.clone();
                if let Some(first) = followed {
                    self.db.firsts().insert(self.first.key.clone(), Arc::new(first));
                }
                return Ok(Some(ids));
            }
        }
        if effort == Effort::Little {
            return Ok(None);
        }
        // Twice as many, for whoever goes on to the next page.
        let most = 2 * needed + SPARE;
        let ids = match self.few(total).filter(|rows| !self.query.is_ordered || rows.len() <= MOST_ORDERED) {
            Some(rows) => self.among(reader, &rows, Some(most))?,
            None => {
                let mut ids = Vec::with_capacity(most);
                self.found(reader, Span::Page(most, 0), |id| ids.push(id))?;
                ids
            }
        };
        let first = First { when: self.now(&self.first), is_whole: ids.len() < most, ids: ids.clone() };
        self.db.firsts().insert(self.first.key.clone(), Arc::new(first));
        Ok(Some(ids))
    }

    /// What comes first, some rows having been written: these may have come, gone or moved, all others stand as they did. So what
    /// stands before the last of those that did not move is known, and of what comes after it nothing.
    fn follow(&self, reader: &Reader<'_>, known: &First, rows: Vec<i64>) -> Result<First> {
        let written: HashSet<i64> = rows.iter().copied().collect();
        let last = known.ids.iter().rev().find(|id| !written.contains(id)).copied();
        let all: Vec<i64> = rows.into_iter().chain(known.ids.iter().filter(|id| !written.contains(id)).copied()).collect();
        let mut ids = self.among(reader, &all, Some(all.len()))?;
        let mut is_whole = known.is_whole;
        if !is_whole {
            let end = last.and_then(|last| ids.iter().position(|id| *id == last)).map_or(0, |at| at + 1);
            ids.truncate(end);
        }
        if ids.len() > MOST_FIRST {
            ids.truncate(MOST_FIRST);
            is_whole = false;
        }
        Ok(First { when: self.now(&self.first), ids, is_whole })
    }

    fn count(&self, reader: &Reader<'_>) -> Result<i64> {
        let query = self.found_by(reader)?;
        store::count(reader, self.d, &self.actor, &query, &self.scope)
    }

    /// The query with the way that its search goes.
    fn found_by(&self, reader: &Reader<'_>) -> Result<Query> {
        let mut query = self.query.clone();
        let way = search::way(reader, self.db.catalog(), self.d, &self.actor, self.deleted, &mut query)?;
        query.go(way);
        Ok(query)
    }

    /// Looks for the rows of the list.
    fn found(&self, reader: &Reader<'_>, span: Span, mut each: impl FnMut(i64)) -> Result<()> {
        let query = self.found_by(reader)?;
        let (more, rest) = match span {
            Span::All => (&query.count_only, String::new()),
            Span::First(most) => (&query.count_only, format!(" LIMIT {most}")),
            Span::Page(most, offset) => (&query.page_only, format!(" ORDER BY {} LIMIT {most} OFFSET {offset}", query.order)),
        };
        let (table, scope) = (self.d.about.table, &self.scope);
        let sql = format!("SELECT t.id FROM \"{table}\" AS t WHERE {scope}{}{rest}", store::conditions(&query, more));
        reader.each(&sql, &args(&self.actor, &query.args), |row| {
            each(row.get(0)?);
            Ok(())
        })
    }

    /// Writes the rows after so many others, as the members of a JSON array: as `minimal/` has them, or as lists do. `total` is what was
    /// found out in the same transaction. `false`: it takes more effort, and nothing is written.
    pub fn write_page(
        &self,
        reader: &Reader<'_>,
        total: &Total,
        offset: u64,
        is_minimal: bool,
        effort: Effort,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        let Some(rows) = self.rows(reader, total, offset, effort)? else { return Ok(false) };
        if is_minimal {
            let select = format!("SELECT t.id, t.uuid, {} FROM \"{}\" AS t", self.d.label, self.d.about.table);
            self.write(reader, rows, &select, write_minimal, out)?;
        } else {
            let shape = self.d.shape(Form::List, &self.actor);
            self.write(reader, rows, &shape.select, |out, row| write_row(out, shape, row), out)?;
        }
        Ok(true)
    }

    fn rows(&self, reader: &Reader<'_>, total: &Total, offset: u64, effort: Effort) -> Result<Option<Rows>> {
        if self.is_walked {
            return Ok(Some(Rows::After(offset)));
        }
        let (start, size) = (usize::try_from(offset).unwrap_or(usize::MAX), usize::try_from(self.query.size).unwrap_or(usize::MAX));
        if offset.saturating_add(self.query.size) <= NEAR {
            let first = self.first(reader, total, start + size, effort)?;
            return Ok(first.map(|ids| Rows::These(ids.into_iter().skip(start).take(size).collect())));
        }
        if effort == Effort::Little {
            return Ok(None);
        }
        let mut ids = vec![];
        self.found(reader, Span::Page(size, offset), |id| ids.push(id))?;
        Ok(Some(Rows::These(ids)))
    }

    fn write(
        &self,
        reader: &Reader<'_>,
        rows: Rows,
        select: &str,
        write: impl Fn(&mut Vec<u8>, &Row<'_>) -> Result<()>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut separator: &[u8] = b"";
        let mut begin = |out: &mut Vec<u8>| {
            out.extend_from_slice(separator);
            separator = b",";
        };
        match rows {
            Rows::After(offset) => {
                let (scope, order, size) = (&self.scope, &self.query.order, self.query.size);
                let sql =
                    format!("{select} WHERE {scope}{} ORDER BY {order} LIMIT {size} OFFSET {offset}", store::conditions(&self.query, &[]));
                reader.each(&sql, &args(&self.actor, &self.query.args), |row| {
                    begin(out);
                    write(out, row)
                })
            }
            Rows::These(ids) => {
                let read = |row: &Row<'_>| {
                    let mut one = Vec::with_capacity(1024);
                    write(&mut one, row)?;
                    Ok(one)
                };
                for one in by_ids(reader, &self.actor, select, &self.scope, &ids, read)? {
                    begin(out);
                    out.extend_from_slice(&one);
                }
                Ok(())
            }
        }
    }
}

fn write_minimal(out: &mut Vec<u8>, row: &Row<'_>) -> Result<()> {
    for (index, key) in ["{\"id\":", ",\"uuid\":", ",\"label\":"].into_iter().enumerate() {
        out.extend_from_slice(key.as_bytes());
        write_cell(out, row.cell(index)?);
    }
    out.push(b'}');
    Ok(())
}
