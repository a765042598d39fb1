//! What a list is made of: how many of its records have which value, how they fall into years, months or days, and what their amounts
//! come to.
//!
//! Where an index holds a field's values, they are counted along it. All else is counted in one walk over the rows of the list, those of
//! which it is known that they are in it; the values of a filter's own field in another, over the rows that all other filters let
//! through. A walk gives up when there are more rows than the caller asked to be looked at: counts are worth a moment, and no more.

use std::collections::{BTreeMap, HashMap};

use hyper::body::Bytes;
use serde_json::{Value as Json, json};

use super::{
    reach,
    read::{answer_key, check_filters},
    sorts,
    wanted::Wanted,
};
use crate::{
    actor::Actor,
    auth::gate::Caller,
    db::{Cell, Kept, Reader},
    engine::{
        access::{LIST, Reach},
        descriptor::{Descriptor, by_table},
        field::Kind,
        filter::kind_of,
        listed::{Effort, List},
        query::{Pages, Parameters, Query},
        reply::Reply,
        store::{self, Deleted},
    },
    error::{Error, Result},
    kit::{Date, DateTime, Money, exponent},
};

/// So many values of a field are told.
const MOST_VALUES: usize = 100;

/// Counts a list. The parameters are those of the list, without its pages.
pub async fn facets<S: Send + 'static>(
    caller: &Caller,
    d: &'static Descriptor,
    parameters: &Parameters,
    path: &str,
    pages: Pages,
) -> Result<Reply<S>> {
    let actor = caller.actor.clone();
    let reach = reach(d, &actor, LIST)?;
    let wanted = Wanted::of(d, &actor, parameters)?;
    let stamp = caller.db.stamp(d.tables(caller.db.catalog()));
    let kept_as = answer_key(caller, d, &format!("facets {path} {parameters:?}"), reach, stamp);
    if let Some(known) = caller.db.answers().get(&kept_as) {
        return Ok(Reply::bytes(known.body));
    }
    let without_pages: Parameters =
        parameters.iter().filter(|(name, _)| !["page", "page_size", "ordering"].contains(&name.as_str())).cloned().collect();
    let query = Query::parse(d, &actor, &without_pages, pages)?;
    let deleted = if query.include_deleted { Deleted::With } else { Deleted::Without };
    let of = |query: Query| List::new(&caller.db, d, actor.clone(), query, reach, deleted);
    let (list, whole) = (of(query.clone()), of(Query::default()));
    let lifted = wanted.fields.iter().map(|name| (*name, own(&query, name))).filter(|(_, own)| !own.is_empty());
    let lifted: Vec<(&'static str, List)> = lifted.map(|(name, own)| (name, of(query.without(&own)))).collect();
    let work = move |reader: &Reader<'_>| {
        check_filters(reader, list.actor(), list.query())?;
        // Where it is known that there are more rows than are to be looked at, there is nothing to find.
        if list.total(reader, Effort::Little)?.is_some_and(|total| total.count.unsigned_abs() > wanted.within) {
            return Ok(nothing());
        }
        let all = whole.total(reader, Effort::Little)?.map(|total| total.count);
        let scope = store::scope(d, list.actor(), reach, deleted);
        Count { reader, d, actor: list.actor(), list: &list, lifted: &lifted, scope: &scope, reach, wanted: &wanted, all }.answer()
    };
    let body = Bytes::from(caller.scan(work).await?.to_string());
    caller.db.answers().insert(kept_as, Kept { body: body.clone(), etag: String::new() });
    Ok(Reply::bytes(body))
}

/// The conditions that a filter has put, by their places.
fn own(query: &Query, name: &str) -> Vec<usize> {
    let of_it = query.filtered.iter().filter(|(filter, _)| *filter == name);
    of_it.flat_map(|(_, places)| places.clone()).collect()
}

/// What is answered of rows that are too many to be looked at.
fn nothing() -> Json {
    json!({"count": null, "complete": false, "facets": [], "dates": null, "totals": []})
}

/// A value, to count by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Nothing,
    Number(i64),
    Text(String),
}

impl Key {
    fn of(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::Nothing,
            Cell::Int(number) => Self::Number(number),
            Cell::Real(number) => Self::Text(number.to_string()),
            Cell::Text(text) => Self::Text(text.to_owned()),
        }
    }
}

type Values = HashMap<Key, i64>;
/// Amounts by their place among those that are asked for, and their currency; in minor units.
type Sums = BTreeMap<(usize, String), i128>;
/// The same for each sort of them, by the values of the fields that say of what sort an amount is.
type Sorts = BTreeMap<Vec<String>, Sums>;

/// What was counted in one walk.
#[derive(Default)]
struct Counted {
    count: i64,
    values: HashMap<&'static str, Values>,
    periods: BTreeMap<jiff::civil::Date, (i64, Sums)>,
    sums: Sums,
    sorts: Sorts,
}

struct Count<'a> {
    reader: &'a Reader<'a>,
    d: &'static Descriptor,
    actor: &'a Actor,
    list: &'a List,
    /// For each field that the list is narrowed by, the rows that all other filters let through.
    lifted: &'a [(&'static str, List)],
    scope: &'a str,
    reach: Reach,
    wanted: &'a Wanted,
    /// How many rows the list has without its filters, where that is known.
    all: Option<i64>,
}

impl Count<'_> {
    fn answer(&self) -> Result<Json> {
        // Said at once, where it can be: nothing is worked out of rows that are too many.
        let are_many = self.are_many()?;
        if are_many && self.list.query().conditions.is_empty() {
            return Ok(nothing());
        }
        let (mut found, mut walked) = (HashMap::new(), vec![]);
        for name in &self.wanted.fields {
            match if are_many { None } else { self.along_index(name)? } {
                Some(values) => drop(found.insert(*name, values)),
                None if self.lifted.iter().any(|(lifted, _)| lifted == name) => {}
                None => walked.push(*name),
            }
        }
        let nothing_else = walked.is_empty() && self.wanted.date.is_none() && self.wanted.totals.is_empty() && !found.is_empty();
        let counted = if nothing_else { None } else { self.walk(&walked)? };
        let is_known = nothing_else || counted.is_some();
        let mut counted = counted.unwrap_or_default();
        let count = match (is_known, nothing_else) {
            (false, _) => Json::Null,
            (true, true) => self.list.total(self.reader, Effort::Any)?.map(|total| total.count).into(),
            (true, false) => counted.count.into(),
        };
        found.extend(counted.values.drain());
        for (name, list) in self.lifted.iter().filter(|_| is_known) {
            let is_long = are_many && list.query().conditions.is_empty();
            if !is_long && !found.contains_key(name) {
                found.extend(self.values(name, list)?.map(|values| (*name, values)));
            }
        }
        let mut facets = vec![];
        for name in &self.wanted.fields {
            if let Some(values) = found.remove(name) {
                facets.push(self.facet(name, values)?);
            }
        }
        let complete = is_known && facets.len() == self.wanted.fields.len();
        let dates = self.wanted.date.filter(|_| is_known).map(|name| self.dates(name, &counted.periods));
        let mut totals = self.totals(&counted.sums);
        let sorts = counted.sorts.into_iter().map(|(values, sums)| (values, self.totals(&sums))).collect();
        sorts::tell(self.d, &self.told_apart(), sorts, &mut totals);
        Ok(json!({"count": count, "complete": complete, "facets": facets, "dates": dates, "totals": totals}))
    }

    /// Are there more rows in the list without its filters than were to be looked at?
    fn are_many(&self) -> Result<bool> {
        let (table, within) = (self.d.about.table, self.wanted.within);
        if let Some(all) = self.all {
            return Ok(all.unsigned_abs() > within);
        }
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM \"{table}\" AS t WHERE {} LIMIT {within} + 1)", self.scope);
        let rows: i64 = self.reader.one(&sql, &store::args(self.actor, &[]))?.unwrap_or(0);
        Ok(rows.unsigned_abs() > within)
    }

    /// Counts along an index that holds the values, where nothing else narrows the list.
    fn along_index(&self, name: &str) -> Result<Option<Values>> {
        let query = self.list.query();
        let is_narrowed = self.reach != Reach::All || own(query, name).len() < query.conditions.len();
        let Some(field) = self.d.field(name).filter(|field| field.stored() && !is_narrowed) else { return Ok(None) };
        let from = format!("FROM \"{}\" AS t WHERE {}", self.d.about.table, self.scope);
        let sql = format!("SELECT t.{}, count(*) {from} GROUP BY 1", field.column);
        let args = store::args(self.actor, &[]);
        let plan: Vec<String> = self.reader.rows(&format!("EXPLAIN QUERY PLAN {sql}"), &args, |row| row.get(3))?;
        if !plan.iter().any(|step| step.contains("COVERING INDEX")) || plan.iter().any(|step| step.contains("TEMP B-TREE")) {
            return Ok(None);
        }
        let mut values = Values::new();
        self.reader.each(&sql, &args, |row| {
            values.insert(Key::of(row.cell(0)?), row.get(1)?);
            Ok(())
        })?;
        Ok(Some(values))
    }

    /// SQL for a field.
    fn expression(&self, name: &str) -> Result<String> {
        self.d.expression(name).ok_or_else(|| Error::internal(format_args!("no expression of {name}")))
    }

    /// The values that a field has in the rows of a list. `None`: there are more rows than were to be looked at.
    fn values(&self, name: &str, list: &List) -> Result<Option<Values>> {
        let mut values = Values::new();
        let columns = [format!(", {}", self.expression(name)?)];
        let is_all = list.each(self.reader, &columns, self.wanted.within, |row| {
            *values.entry(Key::of(row.cell(1)?)).or_default() += 1;
            Ok(())
        })?;
        Ok(is_all.then_some(values))
    }

    /// Looks at every row of the list. `None`: there are more than were to be looked at.
    fn walk(&self, fields: &[&'static str]) -> Result<Option<Counted>> {
        let d = self.d;
        let mut columns: Vec<String> = fields.iter().map(|name| self.expression(name)).collect::<Result<_>>()?;
        // The id of the row comes before all of them.
        let date_at = columns.len() + 1;
        if let Some(name) = self.wanted.date {
            columns.push(self.expression(name)?);
        }
        let sums_at = columns.len() + 1;
        for name in &self.wanted.totals {
            let currency = d.field(name).map_or_else(|| d.currency(), |field| d.currency_of(field));
            columns.push(self.expression(name)?);
            columns.push(currency.map_or("NULL".to_owned(), |currency| format!("t.{}", currency.column)));
        }
        let sorts_at = columns.len() + 1;
        let sorts = self.told_apart();
        columns.extend(sorts.iter().map(|name| self.expression(name)).collect::<Result<Vec<_>>>()?);
        for column in &mut columns {
            column.insert_str(0, ", ");
        }
        let zone = self.actor.zone();
        let is_moment = self.wanted.date.and_then(|name| kind_of(d, name)) == Some(Kind::DateTime);
        let own_currency = self.actor.business.as_ref().map_or("USD", |business| &business.currency);
        let mut counted = Counted::default();
        let mut values: Vec<Values> = fields.iter().map(|_| Values::new()).collect();
        let is_all = self.list.each(self.reader, &columns, self.wanted.within, |row| {
            for (at, values) in values.iter_mut().enumerate() {
                *values.entry(Key::of(row.cell(at + 1)?)).or_default() += 1;
            }
            counted.count += 1;
            let mut period = None;
            if self.wanted.date.is_some()
                && let Cell::Text(text) = row.cell(date_at)?
            {
                let day = if is_moment {
                    DateTime::parse(text, &zone).map(|at| zone.to_datetime(at.0).date())
                } else {
                    Date::parse(text).map(|date| date.0)
                };
                period = day.map(|day| self.wanted.unit.around(day).0);
            }
            if let Some(first) = period {
                counted.periods.entry(first).or_default().0 += 1;
            }
            let mut sort = vec![];
            for at in 0..sorts.len() {
                sort.push(row.get::<Option<String>>(sorts_at + at)?.unwrap_or_default());
            }
            for at in 0..self.wanted.totals.len() {
                if let Cell::Int(minor) = row.cell(sums_at + 2 * at)? {
                    let currency = row.get::<Option<String>>(sums_at + 2 * at + 1)?.unwrap_or_else(|| own_currency.to_string());
                    if let Some(first) = period {
                        let sums = &mut counted.periods.entry(first).or_default().1;
                        *sums.entry((at, currency.clone())).or_default() += i128::from(minor);
                    }
                    if !sort.is_empty() {
                        let sums = counted.sorts.entry(sort.clone()).or_default();
                        *sums.entry((at, currency.clone())).or_default() += i128::from(minor);
                    }
                    *counted.sums.entry((at, currency)).or_default() += i128::from(minor);
                }
            }
            Ok(())
        })?;
        counted.values = fields.iter().copied().zip(values).collect();
        Ok(is_all.then_some(counted))
    }

    /// The values of a field: of a choice in their order, of all others the most frequent first.
    fn facet(&self, name: &str, values: Values) -> Result<Json> {
        let kind = kind_of(self.d, name);
        let mut all: Vec<(Key, i64)> = values.into_iter().filter(|(_, count)| *count > 0).collect();
        let rank = |key: &Key| match (&kind, key) {
            (Some(Kind::Choice(names)), Key::Text(text)) => names.iter().position(|name| name == text),
            _ => None,
        };
        all.sort_by(|(key, count), (other, others)| rank(key).cmp(&rank(other)).then(others.cmp(count)).then(key.cmp(other)));
        let left: i64 = all.iter().skip(MOST_VALUES).map(|(_, count)| count).sum();
        all.truncate(MOST_VALUES);
        let target = self.d.target(name).and_then(by_table);
        let ids: Vec<i64> = all.iter().filter_map(|(key, _)| if let Key::Number(id) = key { Some(*id) } else { None }).collect();
        let labels: HashMap<i64, String> = match target {
            Some(target) => store::labels(self.reader, target, self.actor, &ids)?.into_iter().collect(),
            None => HashMap::new(),
        };
        let value = |(key, count): (Key, i64)| {
            let (value, label) = match key {
                Key::Nothing => (Json::Null, None),
                Key::Number(number) if kind == Some(Kind::Bool) => (Json::Bool(number != 0), None),
                Key::Number(number) => (number.into(), labels.get(&number).cloned()),
                Key::Text(text) => (text.into(), None),
            };
            json!({"value": value, "label": label, "count": count})
        };
        Ok(json!({"field": name, "values": all.into_iter().map(value).collect::<Vec<_>>(), "others": left}))
    }

    fn dates(&self, name: &str, periods: &BTreeMap<jiff::civil::Date, (i64, Sums)>) -> Json {
        let unit = self.wanted.unit;
        let period = |(first, (count, sums)): (&jiff::civil::Date, &(i64, Sums))| json!({"from": first.to_string(), "to": unit.around(*first).1.to_string(), "count": count, "totals": self.totals(sums)});
        json!({"field": name, "by": unit.name(), "periods": periods.iter().map(period).collect::<Vec<_>>()})
    }

    /// The fields by which amounts are told apart.
    fn told_apart(&self) -> Vec<&'static str> {
        if self.wanted.totals.is_empty() { vec![] } else { sorts::told_apart(self.d, self.actor) }
    }

    fn totals(&self, sums: &Sums) -> Vec<Json> {
        let one = |(at, name): (usize, &&'static str)| {
            let own = sums.iter().filter(|((place, _), _)| *place == at);
            // More than can be written is not told.
            let amounts = own.filter_map(|((_, currency), sum)| {
                let money = Money { minor: i64::try_from(*sum).ok()?, exponent: exponent(currency) };
                Some(json!({"currency": currency, "amount": money.to_string()}))
            });
            let amounts: Vec<Json> = amounts.collect();
            (!amounts.is_empty()).then(|| json!({"field": name, "amounts": amounts}))
        };
        self.wanted.totals.iter().enumerate().filter_map(one).collect()
    }
}
