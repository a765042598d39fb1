//! What a list is made of, beside it: how many there are of each value, the years, months and days they fall into, what they come to.
//!
//! A list must not wait for what it can do without: among many rows, counts are asked for by a click.

use serde_json::{Value as Json, json};

use super::{
    call::{Ask, Refusal},
    filters,
    languages::key,
    session::Visit,
};
use crate::{
    engine::{
        Descriptor,
        query::{Parameters, parameter},
        verbs,
    },
    kit::Date,
};

/// So many rows are counted unasked.
const FEW: &str = "5000";
/// So many years are shown, the last ones.
const YEARS: usize = 15;

/// The parameter that asks for counts among many rows.
pub(super) const ASKED: &str = "counts";

/// The days that a list is narrowed to, if there is a first and a last.
fn span(query: &Parameters, name: &str) -> Option<(jiff::civil::Date, jiff::civil::Date)> {
    let end = |end: &str| Date::parse(parameter(query, &format!("{name}{end}"))?).map(|date| date.0);
    Some((end("__gte")?, end("__lte")?))
}

/// How long the periods are that are looked at next.
fn unit(query: &Parameters, name: &str) -> &'static str {
    match span(query, name) {
        Some((from, to)) if (from.year(), from.month()) == (to.year(), to.month()) => "day",
        Some((from, to)) if from.year() == to.year() => "month",
        _ => "year",
    }
}

/// What the API counts of the list as it is narrowed now. Nothing, where something is wrong with the filters.
pub(super) async fn of(visit: &Visit<'_>, d: &Descriptor) -> Result<Json, Refusal> {
    let path = format!("{}/facets/", d.about.path);
    let by = verbs::main_date(d, visit.actor()?).map_or("year", |name| unit(&visit.query, name));
    let within = visit.asked(ASKED).is_none().then_some(("within", FEW));
    let ask = Ask::get(&path).with_all(filters::passed_on(&visit.query)).with("by", by).with_all(within);
    let answer = visit.ask(ask).await?;
    Ok(if answer.status == 200 { answer.body } else { json!({"complete": true}) })
}

/// How many records have a value of a field; `None` where it was not counted.
pub(super) fn count(counts: &Json, field: &str, value: &str) -> Option<i64> {
    let facet = counts["facets"].as_array()?.iter().find(|facet| facet["field"] == field)?;
    let is_it = |one: &&Json| match &one["value"] {
        Json::String(text) => text == value,
        Json::Null => value.is_empty(),
        Json::Bool(flag) => value.parse() == Ok(*flag),
        other => other.as_i64().is_some_and(|id| value.parse() == Ok(id)),
    };
    let known = facet["values"].as_array()?.iter().find(is_it).and_then(|one| one["count"].as_i64());
    // What is not among them is there not once, unless there are more values than were told.
    known.or_else(|| (facet["others"] == 0).then_some(0))
}

/// The values of a field that were counted, if all of them were told.
pub(super) fn values<'c>(counts: &'c Json, field: &str) -> Vec<&'c str> {
    let facet = counts["facets"].as_array().into_iter().flatten().find(|facet| facet["field"] == field && facet["others"] == 0);
    facet.and_then(|facet| facet["values"].as_array()).into_iter().flatten().filter_map(|one| one["value"].as_str()).collect()
}

/// The way through the years, months and days of the list's date.
pub(super) fn dates(visit: &Visit<'_>, counts: &Json) -> Json {
    let query = &visit.query;
    let Some(name) = counts["dates"]["field"].as_str() else { return Json::Null };
    let (first, last) = (format!("{name}__gte"), format!("{name}__lte"));
    let by = counts["dates"]["by"].as_str().unwrap_or_default();
    let to = |from: &str, to: &str| filters::with_all(query, &[(&first, Some(from)), (&last, Some(to))]);
    let words = |date: jiff::civil::Date, by: &str| {
        let form = match by {
            "year" => "%Y",
            "month" => key("%B %Y"),
            _ => key("%-d %b"),
        };
        visit.date(form, date)
    };
    let period = |period: &Json| {
        let (from, until) = (period["from"].as_str()?, period["to"].as_str()?);
        Some(json!({"text": words(Date::parse(from)?.0, by), "count": period["count"], "url": to(from, until),
            "current": span(query, name).is_some_and(|(a, b)| (a.to_string(), b.to_string()) == (from.to_owned(), until.to_owned()))}))
    };
    let periods: Vec<Json> = counts["dates"]["periods"].as_array().into_iter().flatten().filter_map(period).collect();
    let mut above = vec![];
    if let Some((from, until)) = span(query, name) {
        above.push(json!({"text": visit.t("All dates"), "url": filters::with_all(query, &[(&first, None), (&last, None)])}));
        if by != "year" {
            let (year, months) = (from.first_of_year(), from.last_of_year());
            above.push(json!({"text": words(from, "year"), "url": to(&year.to_string(), &months.to_string()), "current": by == "month"}));
        }
        if by == "day" {
            let (month, days) = (from.first_of_month(), until.last_of_month());
            above.push(json!({"text": words(from, "month"), "url": to(&month.to_string(), &days.to_string()), "current": from != until}));
        }
    }
    if above.is_empty() && periods.len() < 2 {
        return Json::Null;
    }
    let skipped = periods.len().saturating_sub(if by == "year" { YEARS } else { periods.len() });
    json!({"title": visit.heading_of(name), "above": above, "periods": periods.into_iter().skip(skipped).collect::<Vec<_>>()})
}

/// The rows below a list: what the amounts of its columns come to, one for each currency. Amounts of several sorts are told apart and not
/// added: what is to be got is not what is to be paid.
pub(super) fn footer(visit: &Visit<'_>, d: &Descriptor, counts: &Json, columns: &[&str]) -> Vec<Json> {
    let totals = |column: &str| counts["totals"].as_array().into_iter().flatten().find(|total| total["field"] == column);
    let cells = |amounts: &Json| -> Vec<Json> {
        let all = amounts.as_array().into_iter().flatten();
        let one = |one: &Json| json!({"kind": "money", "text": visit.language.grouped(one["amount"].as_str().unwrap_or_default()), "unit": one["currency"]});
        all.map(one).collect()
    };
    let mut sorts: Vec<&Json> = vec![];
    for sort in columns.iter().filter_map(|column| totals(column)?["by"].as_array()).flatten().map(|one| &one["of"]) {
        if !sorts.contains(&sort) {
            sorts.push(sort);
        }
    }
    if sorts.len() < 2 {
        let row: Vec<Vec<Json>> = columns.iter().map(|column| totals(column).map_or(vec![], |total| cells(&total["amounts"]))).collect();
        return if row.iter().all(Vec::is_empty) { vec![] } else { vec![json!({"label": visit.t("Total of the list"), "cells": row})] };
    }
    // What all have in common need not be said.
    let says = |name: &&&str| sorts.iter().any(|sort| sort[**name] != sorts[0][**name]);
    let names: Vec<&&str> = d.about.totals_by.iter().filter(says).collect();
    let row = |sort: &&Json| {
        let words: Vec<String> = names.iter().filter_map(|name| sort[**name].as_str()).map(|value| visit.choice(value)).collect();
        let of = |column: &&str| {
            let by = totals(column).and_then(|total| total["by"].as_array()).into_iter().flatten().find(|one| one["of"] == **sort);
            by.map_or(vec![], |one| cells(&one["amounts"]))
        };
        json!({"label": words.join(" · "), "cells": columns.iter().map(of).collect::<Vec<_>>()})
    };
    sorts.iter().map(row).collect()
}
