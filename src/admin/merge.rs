//! Several records that turned out to be the same, made one: which stays is chosen, and what will happen is said first.

use poem::{Response, http::StatusCode};
use serde_json::{Value as Json, json};

use super::{
    call::{Ask, Refusal},
    cells::{Column, Names, cell, columns, link, open_labels},
    frame::{one_of, title_of, url_of, words_of},
    session::Visit,
    shelf::secret,
};
use crate::engine::{Descriptor, Reach};

/// What it is called in the list, and the last part of the operation's path.
pub(super) const NAME: &str = "merge";
/// So many become part of one at once, as the API takes it.
const MOST: usize = 100;

/// Can the visitor make one of several?
pub(super) fn is_offered(visit: &Visit<'_>, d: &Descriptor) -> bool {
    let may = d.about.merge.zip(visit.actor().ok()).is_some_and(|(verb, actor)| d.reach(actor, verb) != Reach::Nothing);
    may && visit.panel.operations().get(d, NAME).is_some()
}

/// Asks which of them stays, and makes one of them.
pub(super) async fn page(visit: &Visit<'_>, d: &'static Descriptor, ids: &[String], back: &str) -> Result<Response, Refusal> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids.dedup();
    if ids.len() < 2 {
        return Ok(visit.see_saying(back, visit.t("Select two or more to make one of them.")));
    }
    if ids.len() > MOST + 1 {
        return Ok(visit.see_saying(back, visit.t_with("At most {n} can become part of one at once.", &[("n", &MOST)])));
    }
    let (mut wrong, mut status) = (Json::Null, StatusCode::OK);
    if visit.given("confirmed").is_some() {
        status = StatusCode::BAD_REQUEST;
        match visit.given("into").filter(|into| ids.iter().any(|id| id == into)) {
            None => wrong = visit.t("Choose the one that stays.").into(),
            Some(into) => {
                let from: Vec<&String> = ids.iter().filter(|id| *id != into).collect();
                let (path, body) = (format!("{}/{NAME}/", d.about.path), json!({"into": into, "from": from}));
                let answer = visit.ask_once(Ask::post(&path, &body)).await?;
                if answer.status < 300 {
                    let words = visit.t_with("{n} became one.", &[("n", &ids.len())]);
                    return Ok(visit.see_saying(&format!("{}{into}/", url_of(d)), words));
                }
                if answer.status >= 500 {
                    return Err(answer.refusal());
                }
                wrong = words_of(visit, &answer.body).into();
                status = StatusCode::from_u16(answer.status).unwrap_or(status);
            }
        }
    }
    let operation = visit.panel.operations().get(d, NAME);
    let numbers: Vec<i64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    let names = open_labels(visit, d.about.table, &numbers)?;
    // What lists show of them, side by side: that is what they are told apart by.
    let mut records = vec![];
    for id in &numbers {
        records.push(visit.ask(Ask::get(&format!("{}/{id}/", d.about.path))).await?.body);
    }
    let all = columns(d, visit)?;
    let beside = Names::of(visit, &all, &records)?;
    let shown = d.about.list.iter().skip(1).chain(&["created_at"]).filter_map(|name| all.iter().find(|column| column.name == *name));
    let shown: Vec<&Column> = shown.collect();
    let one = |(id, record): (&i64, &Json)| {
        json!({"id": id.to_string(), "name": names.get(id).cloned().unwrap_or_else(|| format!("#{id}")), "href": link(visit, d.about.table, *id),
            "cells": shown.iter().map(|column| cell(visit, column, record, &beside)).collect::<Vec<_>>()})
    };
    let context = json!({
        "title": operation.map_or_else(|| visit.t("Merge"), |operation| visit.name(&operation.title)), "help": operation.map(|operation| visit.english(&operation.help)),
        "crumbs": [[title_of(visit, d), url_of(d)]], "base": url_of(d), "what": NAME, "query": visit.given("query"), "key": secret()?, "back": back,
        "heads": shown.iter().map(|column| json!({"title": column.title, "number": column.is_number()})).collect::<Vec<_>>(),
        "rows": numbers.iter().zip(&records).map(one).collect::<Vec<_>>(), "into": visit.given("into"), "wrong": wrong, "count": ids.len(), "one": one_of(visit, d).to_lowercase(),
    });
    visit.page_with(status, "merge.html", context).await
}
