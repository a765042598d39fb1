//! What a list is made of, beside it: how many there are of each value, the years, months and days they fall into, what they come to.
//!
//! A list must not wait for what it can do without: among many rows, counts are asked for by a click.

use serde_json::{Value as Json, json};

use super::{
    call::{Ask, Refusal},
    filters,
    languages::{Language, key},
    session::Visit,
};
use crate::{
    engine::{
        Descriptor,
        query::{Parameters, parameter},
        table::columns::heading_of,
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
    json!({"title": heading_of(name), "above": above, "periods": periods.into_iter().skip(skipped).collect::<Vec<_>>()})
}

/// What the amounts of a column come to, one for each currency.
pub(super) fn total(language: &Language, counts: &Json, column: &str) -> Vec<Json> {
    let total = counts["totals"].as_array().into_iter().flatten().find(|total| total["field"] == column);
    let amounts = total.and_then(|total| total["amounts"].as_array()).into_iter().flatten();
    amounts
        .map(|one| json!({"kind": "money", "text": language.grouped(one["amount"].as_str().unwrap_or_default()), "unit": one["currency"]}))
        .collect()
}
