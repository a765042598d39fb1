//! What resources declare to be worth a look: figures, charts, and what waits for whoever is signed in. All of it is asked of the API.

use std::time::Instant;

use jiff::{ToSpan, civil};
use serde_json::{Value as Json, json};

use super::{
    call::{Refusal, query_of},
    frame::{open_to, title_of, url_of},
    glance::{FRESH, Found, Glance, pairs},
    languages::{Language, key},
    session::Visit,
};
use crate::{
    engine::{Bars, Chart, Descriptor, Figure, field::Kind, filter::kind_of, query::Parameters, verbs},
    kit::Date,
};

/// What is shown in the place of a number that is not known yet.
const UNKNOWN: &str = "…";
/// How many months are drawn.
const MONTHS: i32 = 12;
/// The place for a chart of months: width, height, and what is left below for their names.
const PLACE: (f64, f64, f64) = (480.0, 150.0, 18.0);

/// A query of a declaration, with who asks and the day put in.
fn filled(visit: &Visit<'_>, query: &str) -> Result<Parameters, Refusal> {
    let actor = visit.actor()?;
    let query = query.replace(":today", &actor.today().to_string()).replace(":me", &actor.user_id.unwrap_or_default().to_string());
    Ok(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}

/// The list that a query means, with more filters.
fn list_of(d: &Descriptor, parameters: &Parameters, more: &[(&str, &str)]) -> String {
    format!("{}{}", url_of(d), query_of(pairs(parameters).chain(more.iter().copied())))
}

/// Amounts of each currency, as they are shown.
fn amounts(language: &Language, totals: &Json) -> Vec<String> {
    let all = totals[0]["amounts"].as_array().into_iter().flatten();
    all.map(|one| {
        format!("{} {}", language.grouped(one["amount"].as_str().unwrap_or_default()), one["currency"].as_str().unwrap_or_default())
    })
    .collect()
}

/// One figure; `None` where the visitor has no right to it.
pub(super) async fn figure(glance: &Glance<'_>, d: &'static Descriptor, figure: &Figure) -> Result<Option<Json>, Refusal> {
    let visit = glance.visit;
    let parameters = filled(visit, figure.query)?;
    let (mut found, mut sums) = (Found::Nothing, vec![]);
    if let Some(total) = figure.total {
        let facets = glance.facets(d, &parameters, &[("totals", total)]).await?;
        sums = match &facets {
            Found::Known(body) => amounts(visit.language, &body["totals"]),
            Found::Unknown => vec![UNKNOWN.to_owned()],
            Found::Nothing => vec![],
        };
        found = facets.and_then(|body| body["count"].as_u64());
    }
    if matches!(found, Found::Nothing) {
        found = match figure.at {
            Some(operation) => glance.count(d, operation, &vec![]).await?,
            None => glance.count(d, "", &parameters).await?,
        };
    }
    let count = match found {
        Found::Known(count) => Some(count),
        Found::Unknown => None,
        Found::Nothing => return Ok(None),
    };
    Ok(Some(json!({"words": visit.name(figure.words), "count": count, "sums": sums, "url": list_of(d, &parameters, &[]),
        "of": title_of(visit, d), "waits": figure.waits})))
}

/// What waits for the visitor, as it was when it was last counted, and whether that is long ago.
pub(super) fn waiting(visit: &Visit<'_>) -> (Option<u64>, bool) {
    let Some(key) = whose(visit) else { return (None, false) };
    match visit.panel.waiting.get(&key) {
        Some((count, at)) => (Some(count), at.elapsed() > FRESH),
        None => (None, true),
    }
}

fn whose(visit: &Visit<'_>) -> Option<(i64, i64)> {
    let actor = visit.actor().ok()?;
    Some((actor.user_id?, actor.business_id()?))
}

/// Remembers what waits for the visitor.
pub(super) fn remember(visit: &Visit<'_>, count: u64) {
    if let Some(key) = whose(visit) {
        visit.panel.waiting.insert(key, (count, Instant::now()));
    }
}

/// Counts what waits for the visitor.
pub(super) async fn count_waiting(visit: &Visit<'_>) -> Result<u64, Refusal> {
    let (mut all, glance) = (0, Glance::now(visit));
    for d in open_to(visit.actor()?) {
        for one in d.about.figures.iter().filter(|figure| figure.waits) {
            all += figure(&glance, d, one).await?.and_then(|figure| figure["count"].as_u64()).unwrap_or(0);
        }
    }
    remember(visit, all);
    Ok(all)
}

/// A chart; `None` where there is nothing to draw, or too much.
pub(super) async fn chart(glance: &Glance<'_>, d: &'static Descriptor, chart: &Chart) -> Result<Option<Json>, Refusal> {
    let drawn = match chart.bars {
        Bars::Values(field, query) => values(glance, d, field, query).await?,
        Bars::Ages(total, date, query) => ages(glance, d, (total, date), query).await?,
        Bars::Months(total, series) => months(glance, d, total, series).await?,
    };
    Ok(drawn.map(|mut drawn| {
        drawn["title"] = glance.visit.name(chart.title).into();
        drawn
    }))
}

/// Bars beside each other's names: label, address, words, and how long. What is not known yet has its place already.
fn bars(rows: Vec<(String, String, String, f64)>, is_known: bool) -> Option<Json> {
    let most = rows.iter().map(|(.., size)| *size).fold(0.0, f64::max);
    let row = |(label, url, text, size): (String, String, String, f64)| json!({"label": label, "url": url, "text": if is_known { &text } else { UNKNOWN }, "width": format!("{:.1}", if most > 0.0 { 100.0 * size / most } else { 0.0 })});
    (most > 0.0 || !is_known).then(|| json!({"kind": "bars", "rows": rows.into_iter().map(row).collect::<Vec<_>>()}))
}

async fn values(glance: &Glance<'_>, d: &'static Descriptor, field: &str, query: &str) -> Result<Option<Json>, Refusal> {
    let visit = glance.visit;
    let parameters = filled(visit, query)?;
    let Some((body, is_known)) = glance.facets(d, &parameters, &[("fields", field)]).await?.drawn() else { return Ok(None) };
    let found = body["facets"][0]["values"].as_array().cloned().unwrap_or_default();
    let count = |value: &str| found.iter().find(|one| one["value"] == value).and_then(|one| one["count"].as_u64()).unwrap_or(0);
    let row = |value: &str, label: String, count: u64| {
        (
            label,
            list_of(d, &parameters, &[(field, value)]),
            visit.language.grouped(&count.to_string()),
            f64::from(u32::try_from(count).unwrap_or(u32::MAX)),
        )
    };
    Ok(match kind_of(d, field) {
        // Those that nobody has are part of the picture.
        Some(Kind::Choice(names)) => bars(names.iter().map(|name| row(name, visit.choice(name), count(name))).collect(), is_known),
        _ => {
            let all = found.iter().filter(|one| !one["value"].is_null());
            let text = |one: &Json| one["value"].as_str().map_or_else(|| one["value"].to_string(), str::to_owned);
            let label = |one: &Json| one["label"].as_str().map_or_else(|| visit.heading_of(&text(one)), str::to_owned);
            bars(all.map(|one| row(&text(one), label(one), one["count"].as_u64().unwrap_or(0))).collect(), is_known)
        }
    })
}

/// The amounts of a total, by currency, and the one that is drawn: the business's own currency, where there is any of it.
#[derive(Default)]
struct Sums(Vec<(String, f64)>);

impl Sums {
    fn add(&mut self, totals: &Json) {
        for one in totals[0]["amounts"].as_array().into_iter().flatten() {
            let currency = one["currency"].as_str().unwrap_or_default();
            let amount: f64 = one["amount"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
            match self.0.iter_mut().find(|(known, _)| known == currency) {
                Some((_, sum)) => *sum += amount,
                None => self.0.push((currency.to_owned(), amount)),
            }
        }
    }

    fn of(&self, currency: &str) -> f64 {
        self.0.iter().find(|(known, _)| known == currency).map_or(0.0, |(_, sum)| *sum)
    }

    /// As it is shown: sums of what was printed with its decimals.
    fn words(&self, language: &Language) -> String {
        let one = |(currency, sum): &(String, f64)| {
            let decimals = usize::from(crate::kit::exponent(currency));
            format!("{} {currency}", language.grouped(&format!("{sum:.decimals$}")))
        };
        if self.0.is_empty() { "0".to_owned() } else { self.0.iter().map(one).collect::<Vec<_>>().join(", ") }
    }
}

fn drawn_currency<'s>(visit: &Visit<'_>, all: impl Iterator<Item = &'s Sums> + Clone) -> Result<String, Refusal> {
    let own = visit.actor()?.business.as_ref().map_or("USD", |business| business.currency.as_str()).to_owned();
    if all.clone().any(|sums| sums.of(&own) != 0.0) {
        return Ok(own);
    }
    Ok(all.flat_map(|sums| &sums.0).map(|(currency, _)| currency.clone()).next().unwrap_or(own))
}

async fn ages(glance: &Glance<'_>, d: &'static Descriptor, (total, date): (&str, &str), query: &str) -> Result<Option<Json>, Refusal> {
    let visit = glance.visit;
    let parameters = filled(visit, query)?;
    let Some((body, is_known)) = glance.facets(d, &parameters, &[("dates", date), ("by", "day"), ("totals", total)]).await?.drawn() else {
        return Ok(None);
    };
    let today = visit.actor()?.today();
    let ago = |days: i32| today.checked_sub(days.days()).unwrap_or(today);
    // Words, and the first and the last day.
    let steps = [
        (key("Not due yet"), Some(today), None),
        (key("1 to 30 days"), Some(ago(30)), Some(ago(1))),
        (key("31 to 60 days"), Some(ago(60)), Some(ago(31))),
        (key("61 to 90 days"), Some(ago(90)), Some(ago(61))),
        (key("Over 90 days"), None, Some(ago(91))),
    ];
    let mut all: Vec<Sums> = steps.iter().map(|_| Sums::default()).collect();
    for period in body["dates"]["periods"].as_array().into_iter().flatten() {
        let Some(day) = period["from"].as_str().and_then(Date::parse) else { continue };
        let is_in = |(_, from, to): &(&str, Option<civil::Date>, Option<civil::Date>)| {
            from.is_none_or(|from| day.0 >= from) && to.is_none_or(|to| day.0 <= to)
        };
        if let Some(at) = steps.iter().position(is_in) {
            all[at].add(&period["totals"]);
        }
    }
    let currency = drawn_currency(visit, all.iter())?;
    let rows = steps.iter().zip(&all).map(|((words, from, to), sums)| {
        let (first, last) = (format!("{date}__gte"), format!("{date}__lte"));
        let (from, to) = (from.map(|day| day.to_string()), to.map(|day| day.to_string()));
        let ends = [(&first, &from), (&last, &to)].into_iter().filter_map(|(name, day)| Some((name.as_str(), day.as_deref()?)));
        let ends: Vec<(&str, &str)> = ends.collect();
        (visit.t(words), list_of(d, &parameters, &ends), sums.words(visit.language), sums.of(&currency))
    });
    Ok(bars(rows.collect(), is_known))
}

async fn months(glance: &Glance<'_>, d: &'static Descriptor, total: &str, series: &[(&str, &str)]) -> Result<Option<Json>, Refusal> {
    let visit = glance.visit;
    let Some(date) = verbs::main_date(d, visit.actor()?) else { return Ok(None) };
    let last = visit.actor()?.today().first_of_month();
    let firsts: Vec<civil::Date> = (0..MONTHS).rev().filter_map(|back| last.checked_sub(back.months()).ok()).collect();
    let (from, to) = (format!("{date}__gte"), format!("{date}__lte"));
    let since = firsts.first().copied().unwrap_or(last).to_string();
    let (mut all, mut is_known): (Vec<(String, Parameters, Vec<Sums>)>, bool) = (vec![], true);
    for (words, query) in series {
        let mut parameters = filled(visit, query)?;
        let plain = parameters.clone();
        parameters.push((from.clone(), since.clone()));
        let asked = [("dates", date), ("by", "month"), ("totals", total)];
        let Some((body, is_one_known)) = glance.facets(d, &parameters, &asked).await?.drawn() else { return Ok(None) };
        is_known &= is_one_known;
        let mut sums: Vec<Sums> = firsts.iter().map(|_| Sums::default()).collect();
        for period in body["dates"]["periods"].as_array().into_iter().flatten() {
            let first = period["from"].as_str().and_then(Date::parse);
            if let Some(at) = firsts.iter().position(|known| Some(*known) == first.map(|first| first.0)) {
                sums[at].add(&period["totals"]);
            }
        }
        all.push((visit.name(words), plain, sums));
    }
    let currency = drawn_currency(visit, all.iter().flat_map(|(.., sums)| sums))?;
    let most = all.iter().flat_map(|(.., sums)| sums).map(|sums| sums.of(&currency)).fold(0.0, f64::max);
    if most <= 0.0 && is_known {
        return Ok(None);
    }
    let words_of = |sums: &Sums| if is_known { sums.words(visit.language) } else { UNKNOWN.to_owned() };
    let (width, height, below) = PLACE;
    let scale = if most > 0.0 { (height - below) / most } else { 0.0 };
    #[expect(clippy::cast_precision_loss, reason = "a handful of columns")]
    let (count, each) = (firsts.len() as f64, all.len() as f64);
    let step = width / count;
    let (mut rects, mut labels, mut rows) = (vec![], vec![], vec![]);
    for (at, first) in firsts.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a handful of columns")]
        let left = at as f64 * step;
        let mut cells = vec![];
        let end = first.last_of_month().to_string();
        let day = first.to_string();
        for (place, (words, parameters, sums)) in all.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a handful of columns")]
            let shift = place as f64;
            let thick = (step * 0.8 / each).max(1.0);
            let tall = (scale * sums[at].of(&currency)).max(0.0);
            rects.push(json!({"series": place + 1, "x": format!("{:.1}", left + step * 0.1 + shift * thick), "y": format!("{:.1}", height - below - tall),
                "width": format!("{:.1}", thick * 0.9), "height": format!("{tall:.1}")}));
            cells.push(json!({"of": words, "text": words_of(&sums[at]), "url": list_of(d, parameters, &[(&from, &day), (&to, &end)])}));
        }
        labels
            .push(json!({"x": format!("{:.1}", left + step / 2.0), "y": format!("{:.1}", height - 4.0), "text": visit.date("%b", *first)}));
        rows.push(json!({"label": visit.date("%B %Y", *first), "cells": cells}));
    }
    let words: Vec<&String> = all.iter().map(|(words, ..)| words).collect();
    let said = |(words, _, sums): &(String, Parameters, Vec<Sums>)| {
        let mut whole = Sums::default();
        for (currency, sum) in sums.iter().flat_map(|sums| &sums.0) {
            match whole.0.iter_mut().find(|(known, _)| known == currency) {
                Some((_, known)) => *known += sum,
                None => whole.0.push((currency.clone(), *sum)),
            }
        }
        visit.t_with("{what} of {n} months: {sum}.", &[("what", words), ("n", &MONTHS), ("sum", &words_of(&whole))])
    };
    let desc: Vec<String> = all.iter().map(said).collect();
    Ok(Some(
        json!({"kind": "columns", "box": format!("0 0 {width} {height}"), "rects": rects, "labels": labels, "series": words, "rows": rows,
        "unit": currency, "desc": desc.join(" ")}),
    ))
}
