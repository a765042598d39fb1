//! Which rows of a list come first, and its pages.

use std::{collections::HashSet, sync::Arc};

use super::{Counted, Effort, List, MOST_ORDERED, Span};
use crate::{
    db::{First, Reader, Row, Total, write_cell},
    engine::{
        descriptor::Form,
        json::write_row,
        query::NEAR,
        store::{self, args, by_ids},
    },
    error::Result,
};

/// More rows than are asked for are kept, so that some may go before all have to be looked for again.
const SPARE: usize = 30;
/// A list is not kept any further than this.
const MOST_FIRST: usize = 3000;

/// The rows of a page.
enum Rows {
    /// Those that come after so many others.
    After(u64),
    /// These.
    These(Vec<i64>),
}

impl List {
    /// Writes the rows after so many others, as the members of a JSON array: as `minimal/` has them, or as lists do. `counted` is what was
    /// found out in the same transaction. `false`: it takes more effort, and nothing is written.
    pub fn write_page(
        &self,
        reader: &Reader<'_>,
        counted: &Counted,
        offset: u64,
        is_minimal: bool,
        effort: Effort,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        let Some(rows) = self.rows(reader, counted.total(), offset, effort)? else { return Ok(false) };
        if is_minimal {
            let select = format!("SELECT t.id, t.uuid, {} FROM \"{}\" AS t", self.d.label, self.d.about.table);
            self.write(reader, rows, &select, write_minimal, out)?;
        } else {
            let shape = self.d.shape(Form::List, &self.actor);
            self.write(reader, rows, &shape.select, |out, row| write_row(out, shape, row), out)?;
        }
        Ok(true)
    }

    fn rows(&self, reader: &Reader<'_>, total: Option<&Total>, offset: u64, effort: Effort) -> Result<Option<Rows>> {
        if self.is_walked {
            return Ok(Some(Rows::After(offset)));
        }
        let rows = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (start, size) = (rows(offset), rows(self.query.size));
        if offset.saturating_add(self.query.size) <= NEAR {
            let first = self.first(reader, total, start + size, effort)?;
            return Ok(first.map(|ids| Rows::These(ids.into_iter().skip(start).take(size).collect())));
        }
        if effort == Effort::Little {
            return Ok(None);
        }
        // From the nearer end: others are passed on the way, one by one.
        let after = total.map(|total| total.count.unsigned_abs().saturating_sub(offset));
        let (span, is_turned) = match after {
            Some(after) if after < offset => (Span::Back(rows(after.min(self.query.size)), after.saturating_sub(self.query.size)), true),
            _ => (Span::Page(size, offset), false),
        };
        let mut ids = self.ids(reader, span)?;
        if is_turned {
            ids.reverse();
        }
        Ok(Some(Rows::These(ids)))
    }

    fn ids(&self, reader: &Reader<'_>, span: Span) -> Result<Vec<i64>> {
        let mut ids = vec![];
        self.found(reader, span, |id| {
            ids.push(id);
            true
        })?;
        Ok(ids)
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

    /// Would its first page take a while, as nobody has asked for it yet?
    pub fn is_slow(&self) -> bool {
        !self.is_walked && self.first.known.is_none()
    }

    /// Finds out what its first page would show.
    pub fn look_ahead(&self, reader: &Reader<'_>) -> Result<()> {
        let (total, size) = (self.whole(reader)?, usize::try_from(self.query.size).unwrap_or(usize::MAX));
        self.first(reader, Some(&total), size, Effort::Any).map(drop)
    }

    /// The rows that come first, so many at least if there are.
    fn first(&self, reader: &Reader<'_>, total: Option<&Total>, needed: usize, effort: Effort) -> Result<Option<Vec<i64>>> {
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
        let few = total.and_then(|total| self.few(total));
        let ids = match few.filter(|rows| !self.query.is_ordered || rows.len() <= MOST_ORDERED) {
            Some(rows) => self.among(reader, &rows, Some(most))?,
            None => self.ids(reader, Span::Page(most, 0))?,
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
}

fn write_minimal(out: &mut Vec<u8>, row: &Row<'_>) -> Result<()> {
    for (index, key) in ["{\"id\":", ",\"uuid\":", ",\"label\":"].into_iter().enumerate() {
        out.extend_from_slice(key.as_bytes());
        write_cell(out, row.cell(index)?);
    }
    out.push(b'}');
    Ok(())
}
