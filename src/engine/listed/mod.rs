//! Lists: how many rows they have, and which come first.
//!
//! Both are kept, and follow what is written: when a list is asked for again, those rows are looked at that were written since, and
//! no others. Counting 100,000 rows takes longer than all else of a page, and putting them into an order that no index has ten times
//! as long; looking at one again takes microseconds.
//!
//! It comes out the same, because a row stands in a list, and at its place there, for what it says itself. Where a list depends on
//! other tables as well, or on other rows of its own, what is kept of it is true until one of those tables is written.

mod page;

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value as Json;

use super::{
    about::Scope,
    access::Reach,
    descriptor::Descriptor,
    query::{FIXED, Query},
    search,
    store::{self, Deleted, args},
};
use crate::{
    actor::Actor,
    db::{Db, First, Members, Moment, Reader, Row, Total},
    error::{Error, Result},
};

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

/// How many rows a list has, as far as that was found out.
pub enum Counted {
    All(Arc<Total>),
    /// So many, and maybe others: it would have taken too long.
    Some(u64),
}

impl Counted {
    pub fn rows(&self) -> u64 {
        match self {
            Self::All(total) => total.count.unsigned_abs(),
            Self::Some(rows) => *rows,
        }
    }

    fn total(&self) -> Option<&Total> {
        if let Self::All(total) = self { Some(total) } else { None }
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
    /// As many as are wanted, from the first that is found on.
    Some,
    /// In their order, so many after so many others.
    Page(usize, u64),
    /// The same from the other end.
    Back(usize, u64),
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
            (Some(_), Some(_)) => self.gathered(reader, Span::All, |_| true)?.0,
            // Which rows they are is of use where they are few; to count many along an index is quicker.
            _ => {
                let few = if self.is_narrowed() { Some(self.gathered(reader, Span::First(MOST_BY_ID), |_| true)?.0) } else { None };
                match few.filter(|few| few.count < MOST_BY_ID) {
                    Some(few) => few,
                    None => Total { when: self.now(&self.total), count: self.count(reader)?, members: None },
                }
            }
        };
        Ok(Some(self.keep(total)))
    }

    /// `total`, for whoever would rather have a page than wait for the number: it goes on counting for so long at most, but until there are
    /// more rows than are needed.
    pub fn counted(&self, reader: &Reader<'_>, needed: u64, time: Duration) -> Result<Counted> {
        if let Some(total) = self.total(reader, Effort::Little)? {
            return Ok(Counted::All(total));
        }
        if !self.is_narrowed() {
            return self.whole(reader).map(Counted::All);
        }
        let end = Instant::now() + time;
        let (total, is_all) = self.gathered(reader, Span::Some, |count| count <= needed || Instant::now() < end)?;
        Ok(if is_all { Counted::All(self.keep(total)) } else { Counted::Some(total.count.unsigned_abs()) })
    }

    /// `total`, whatever it takes.
    pub fn whole(&self, reader: &Reader<'_>) -> Result<Arc<Total>> {
        self.total(reader, Effort::Any)?.ok_or_else(|| Error::internal("a list was not counted"))
    }

    /// Finds out which rows there are, for as long as `goes_on` says so of their number. `false`: there may be others.
    fn gathered(&self, reader: &Reader<'_>, span: Span, goes_on: impl Fn(u64) -> bool) -> Result<(Total, bool)> {
        let (mut count, mut members) = (0_i64, Members::default());
        let is_all = self.found(reader, span, |id| {
            count += i64::from(members.insert(id));
            goes_on(count.unsigned_abs())
        })?;
        Ok((Total { when: self.now(&self.total), count, members: Some(members) }, is_all))
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

    /// Looks for the rows of the list, for as long as `each` wants more. `false`: there may be others.
    fn found(&self, reader: &Reader<'_>, span: Span, mut each: impl FnMut(i64) -> bool) -> Result<bool> {
        let query = self.found_by(reader)?;
        let (more, rest) = match span {
            Span::All => (&query.count_only, String::new()),
            Span::First(most) => (&query.count_only, format!(" LIMIT {most}")),
            // Where an index has their order, many candidates are not gathered first.
            Span::Some => (&query.page_only, String::new()),
            Span::Page(most, offset) => (&query.page_only, format!(" ORDER BY {} LIMIT {most} OFFSET {offset}", query.order)),
            Span::Back(most, offset) => (&query.page_only, format!(" ORDER BY {} LIMIT {most} OFFSET {offset}", query.backward)),
        };
        let (table, scope) = (self.d.about.table, &self.scope);
        let sql = format!("SELECT t.id FROM \"{table}\" AS t WHERE {scope}{}{rest}", store::conditions(&query, more));
        reader.each_while(&sql, &args(&self.actor, &query.args), |row| Ok(each(row.get(0)?)))
    }
}
