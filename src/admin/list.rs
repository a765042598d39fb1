//! The list of a resource: columns, search, filters, order, pages, what can be done with the selected, views, exports, the trash.

use std::time::Duration;

use poem::{
    Response,
    http::{StatusCode, header},
};
use serde_json::{Map, Value as Json, json};

use super::{
    bulk,
    call::{Ask, Refusal, query_of},
    cells::{Column, Names, cell, columns},
    counts, filters,
    frame::{one_of, title_of, url_of},
    session::{Visit, with_cookie},
    timeline::restores,
};
use crate::{
    auth::device,
    engine::{
        CREATE, Descriptor, READ, Reach, UPDATE,
        query::{Parameters, parameter},
        verbs::Patience,
    },
    error::Error,
};

/// So many columns where a resource names none.
const USUAL_COLUMNS: usize = 7;
/// In seconds.
const YEAR: i64 = 31_536_000;
/// Of these, those are offered that the API allows.
const SIZES: [u32; 4] = [25, 50, 100, 200];

/// How somebody likes to see a list: which columns, and how many rows. It is kept in a cookie of the list's own path, so that it is of
/// the person and of the device, where the same person may have room for more, and no operation of the API has to know of it.
struct Taste {
    columns: Vec<String>,
    size: Option<u32>,
}

impl Taste {
    const COOKIE: &str = "studio_list";

    /// What was chosen before, by this person: others use the same browser.
    fn of(visit: &Visit<'_>) -> Self {
        let nothing = Self { columns: vec![], size: None };
        let Some(kept) = device::cookies_in(&visit.headers, Self::COOKIE).next() else { return nothing };
        let mut parts = kept.splitn(3, ':');
        let user = visit.actor().ok().and_then(|actor| actor.user_id).map(|id| id.to_string());
        if user.is_none() || parts.next() != user.as_deref() {
            return nothing;
        }
        let size = parts.next().and_then(|size| size.parse().ok());
        Self { columns: parts.next().unwrap_or_default().split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect(), size }
    }

    /// The cookie of what was chosen with this request, if something was.
    fn chosen(mut self, visit: &Visit<'_>, d: &Descriptor, all: &[Column]) -> Option<String> {
        let ticked: Vec<&str> = visit.query.iter().filter(|(name, _)| name == "column").map(|(_, value)| value.as_str()).collect();
        let size = visit.asked("page_size").and_then(|size| size.parse().ok());
        if ticked.is_empty() && size.is_none_or(|size| Some(size) == self.size) {
            return None;
        }
        if !ticked.is_empty() {
            let known = ticked.iter().filter(|name| all.iter().any(|column| column.name == **name));
            self.columns = known.map(|name| (*name).to_owned()).collect();
        }
        self.size = size.or(self.size);
        let size = self.size.map_or_else(String::new, |size| size.to_string());
        let value = format!("{}:{size}:{}", visit.actor().ok()?.user_id?, self.columns.join("."));
        Some(visit.cookie(Self::COOKIE, &value, YEAR).replace("Path=/admin/;", &format!("Path={};", url_of(d))))
    }
}

/// The columns that are shown: those that were asked for, else those that were chosen before, else the resource's own.
fn chosen(visit: &Visit<'_>, d: &Descriptor, all: &[Column], taste: &Taste) -> Vec<usize> {
    let place = |name: &str| all.iter().position(|column| column.name == name);
    // From the form one by one, in addresses all at once.
    let ticked = visit.query.iter().filter(|(name, _)| name == "column").map(|(_, value)| value.as_str());
    let listed = visit.asked("columns").into_iter().flat_map(|names| names.split(','));
    let asked: Vec<usize> = ticked.chain(listed).filter_map(place).collect();
    let is_said = visit.query.iter().any(|(name, _)| name == "column" || name == "columns");
    let before: Vec<usize> = taste.columns.iter().filter(|_| !is_said).filter_map(|name| place(name)).collect();
    let asked = if asked.is_empty() { before } else { asked };
    match (asked.is_empty(), d.about.list.is_empty()) {
        (false, _) => asked,
        (true, false) => d.about.list.iter().filter_map(|name| place(name)).collect(),
        (true, true) => (0..all.len().min(USUAL_COLUMNS)).collect(),
    }
}

/// A heading, and what a click on it does: up, down, and out of the order again. Others that were clicked before stay in it.
fn heading(query: &Parameters, d: &Descriptor, column: &Column) -> Json {
    let allowed = d.about.order.iter().any(|name| name.trim_start_matches('-') == column.name);
    let mut head = json!({"title": column.title, "help": column.help, "name": column.name, "number": column.is_number()});
    if !allowed {
        return head;
    }
    let default = d.about.order.first().copied().unwrap_or_default();
    let asked = parameter(query, "ordering").filter(|order| !order.is_empty());
    let terms: Vec<&str> = asked.unwrap_or(default).split(',').filter(|term| !term.is_empty()).collect();
    let now = terms.iter().position(|term| term.trim_start_matches('-') == column.name);
    let others: Vec<&str> = terms.iter().copied().filter(|term| asked.is_some() && term.trim_start_matches('-') != column.name).collect();
    let next = match now.map(|at| terms[at].starts_with('-')) {
        None => Some(column.name.to_owned()),
        Some(false) => Some(format!("-{}", column.name)),
        Some(true) => None,
    };
    let order: Vec<&str> = next.as_deref().into_iter().chain(others).take(3).collect();
    let order = order.join(",");
    head["url"] = filters::with(query, "ordering", Some(order.as_str()).filter(|order| !order.is_empty())).into();
    head["sorted"] = now.map_or("", |at| if terms[at].starts_with('-') { "descending" } else { "ascending" }).into();
    head["place"] = now.filter(|_| terms.len() > 1).map_or(Json::Null, |at| (at + 1).into());
    head
}

/// The page of a list; of what was deleted, in the trash.
pub(super) async fn page(visit: &Visit<'_>, d: &'static Descriptor, deleted: bool) -> Result<Response, Refusal> {
    let actor = visit.actor()?;
    if let Some((url, problems)) = filters::resolved(visit, d).await? {
        let place = format!("{}{url}", list_url(d, deleted));
        return Ok(if problems.is_empty() { visit.see(&place) } else { visit.see_saying(&place, problems.join(" ")) });
    }
    let all = columns(d, visit)?;
    let taste = Taste::of(visit);
    let shown = chosen(visit, d, &all, &taste);
    let asked = visit.asked("page_size").and_then(|size| size.parse::<u32>().ok());
    let size = asked.or(taste.size).unwrap_or(visit.panel.app.config.api.page_size);
    let size = size.clamp(1, visit.panel.most());
    let (size_text, number) = (size.to_string(), visit.asked("page").unwrap_or("1"));
    let path = format!("{}/{}", d.about.path, if deleted { "deleted/" } else { "" });
    let ask = Ask::get(&path).with_all(filters::passed_on(&visit.query)).with("page", number).with("page_size", &size_text);
    let patience = Patience(Duration::from_millis(visit.panel.app.config.panel.count_milliseconds));
    // The script of a page that stands open asks so, whether others have written meanwhile.
    let if_none_match = visit.headers.get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
    let answer = visit.ask(Ask { patience: Some(patience), if_none_match, ..ask }).await?;
    if answer.status == 304 {
        return Ok(Response::builder().status(StatusCode::NOT_MODIFIED).finish());
    }
    // Wrong filters are said above an empty list; a page too far is the last.
    if answer.status == 404 && number != "1" && number != "last" {
        return Ok(visit.see(&format!("{}{}", list_url(d, deleted), filters::with(&visit.query, "page", Some("last")))));
    }
    let wrong = (answer.status == 400).then(|| super::frame::words_of(visit, &answer.body));
    let etag = answer.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    let found = if wrong.is_some() { json!({"count": 0, "results": []}) } else { answer.done()? };
    let rows = found["results"].as_array().cloned().unwrap_or_default();
    let mut shown: Vec<&Column> = shown.into_iter().map(|at| &all[at]).collect();
    if deleted {
        // What people look for there: when it was, and who it was, who wrote the record last.
        let places = ["deleted_at", "updated_by"].into_iter().filter_map(|name| all.iter().find(|column| column.name == name));
        let places: Vec<&Column> = places.filter(|column| !shown.iter().any(|known| known.name == column.name)).collect();
        let first = shown.len().min(1);
        shown.splice(first..first, places);
    }
    let names = Names::of(visit, &all, &rows)?;
    let readable = d.reach(actor, READ) != Reach::Nothing && !deleted;
    let is_trash = deleted && restores(visit, d);
    let row = |row: &Json| {
        let cells: Vec<Json> = shown.iter().map(|column| cell(visit, column, row, &names)).collect();
        let restore = is_trash.then(|| format!("{}{}/restore/", url_of(d), row["id"]));
        json!({"id": row["id"], "href": readable.then(|| format!("{}{}/", url_of(d), row["id"])), "cells": cells, "restore": restore})
    };
    let count = found["count"].as_u64().unwrap_or(0);
    let pages = count.div_ceil(u64::from(size)).max(1);
    let at = number.parse().unwrap_or(pages).clamp(1, pages);
    let link = |page: u64| filters::with(&visit.query, "page", Some(page.to_string().as_str()));
    let is_narrowed = !filters::passed_on(&visit.query).iter().all(|(name, _)| *name == "ordering");
    let is_counted = found["is_counted"] != false;
    let counted = match (deleted || wrong.is_some(), is_counted || visit.asked(counts::ASKED).is_some()) {
        (true, _) => json!({"complete": true}),
        (false, true) => counts::of(visit, d).await?,
        // If its rows take long to count, so do their values.
        (false, false) => json!({"complete": false}),
    };
    let narrow = filters::offered(visit, d, &counted).await?;
    let totals = counts::footer(visit, d, &counted, &shown.iter().map(|column| column.name).collect::<Vec<_>>());
    let hidden = filters::kept(&visit.query, &["search".to_owned()]);
    let passed = filters::passed_on(&visit.query);
    let mut context = json!({
        "title": if deleted { visit.t_with("Deleted {many}", &[("many", &title_of(visit, d).to_lowercase())]) } else { title_of(visit, d) },
        "crumbs": if deleted { json!([[title_of(visit, d), url_of(d)]]) } else { json!([]) },
        "url": list_url(d, deleted), "base": url_of(d), "one": one_of(visit, d).to_lowercase(), "many": title_of(visit, d).to_lowercase(),
        "heads": shown.iter().map(|column| heading(&visit.query, d, column)).map(|mut head| {
            if deleted && head["name"] == "updated_by" {
                head["title"] = visit.t("Deleted by").into();
            }
            head
        }).collect::<Vec<_>>(),
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
        "count": count, "page": at, "pages": pages, "size": size, "sizes": SIZES.into_iter().filter(|size| *size <= visit.panel.most()).map(|size| json!({"size": size, "url": filters::with(&visit.query, "page_size", Some(&size.to_string()))})).collect::<Vec<_>>(),
        "first": (at - 1) * u64::from(size) + u64::from(count > 0), "last": (at * u64::from(size)).min(count),
        "previous": (at > 1).then(|| link(at - 1)), "next": (at < pages).then(|| link(at + 1)),
        "search": visit.asked("search"), "searches": !d.about.search.is_empty(),
        "chips": filters::chips(visit, d)?, "hidden": hidden, "wrong": wrong, "narrowed": is_narrowed,
        "columns": all.iter().map(|column| json!({"name": column.name, "title": column.title,
            "shown": shown.iter().any(|one| one.name == column.name)})).collect::<Vec<_>>(),
        "kept": passed, "views": views(visit, d).await?, "query": query_of(passed.iter().copied()),
        "adds": !deleted && can(d, visit, CREATE)?, "bulk": bulk::offered(visit, d, deleted)?,
        "deleted": deleted, "restores": is_trash, "trash": !deleted && restores(visit, d),
        "formats": [["CSV", "csv"], ["Excel", "xlsx"], ["JSON", "json"]],
    });
    context["narrow"] = narrow;
    context["etag"] = etag.into();
    context["is_counted"] = is_counted.into();
    context["dates"] = counts::dates(visit, &counted);
    context["totals"] = totals.into();
    context["quick"] = (!deleted && readable && can(d, visit, UPDATE)?).into();
    context["counts"] = (counted["complete"] == false).then(|| filters::with(&visit.query, counts::ASKED, Some("1"))).into();
    context["usual"] = filters::with(&visit.query, "column", Some("")).into();
    context["imports"] = (!deleted && super::import::is_offered(visit, d)).into();
    let cookie = if_none_match.is_none().then(|| taste.chosen(visit, d, &all)).flatten();
    let response = visit.page("list.html", context).await?;
    Ok(match cookie {
        Some(line) => with_cookie(response, &line),
        None => response,
    })
}

/// May the visitor do this with some record, through an operation that there is?
pub(super) fn can(d: &Descriptor, visit: &Visit<'_>, verb: crate::engine::access::Verbs) -> Result<bool, Refusal> {
    Ok(!d.about.read_only && d.reach(visit.actor()?, verb) != Reach::Nothing)
}

fn list_url(d: &Descriptor, deleted: bool) -> String {
    if deleted { format!("{}deleted/", url_of(d)) } else { url_of(d) }
}

/// The views that were saved of the list, each an address of it.
async fn views(visit: &Visit<'_>, d: &Descriptor) -> Result<Vec<Json>, Refusal> {
    let answer =
        visit.ask(Ask::get("saved-views/").with("resource", d.about.path).with("ordering", "name").with("page_size", "20")).await?;
    if answer.status != 200 {
        return Ok(vec![]);
    }
    let here = visit.query.iter().filter(|(name, value)| !value.is_empty() && name != "page" && name != "page_size");
    let mut here: Vec<(String, String)> = here.cloned().collect();
    here.sort();
    let view = |view: &Json| {
        let text = |value: &Json| match value {
            Json::String(text) => text.clone(),
            Json::Array(items) => {
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        let mut query: Vec<(String, String)> =
            view["filters"].as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect();
        let others = [("ordering", text(&view["ordering"])), ("columns", text(&view["columns"]))];
        query.extend(others.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), value)));
        query.sort();
        let url = format!("{}{}", url_of(d), query_of(query.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
        json!({"name": view["name"], "url": url, "current": query == here, "shared": view["is_shared"],
            "edit": format!("/admin/saved-views/{}/", view["id"])})
    };
    Ok(answer.body["results"].as_array().into_iter().flatten().map(view).collect())
}

/// Keeps the list as it is now under a name.
pub(super) async fn save_view(visit: &Visit<'_>, d: &'static Descriptor) -> Result<Response, Refusal> {
    let kept: Parameters =
        form_urlencoded::parse(visit.given("query").unwrap_or_default().trim_start_matches('?').as_bytes()).into_owned().collect();
    let filters: Map<String, Json> = filters::passed_on(&kept)
        .into_iter()
        .filter(|(name, _)| *name != "ordering")
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let columns: Vec<&str> = kept.iter().filter(|(name, _)| name == "columns").flat_map(|(_, names)| names.split(',')).collect();
    let body = json!({
        "resource": d.about.path, "name": visit.given("name").unwrap_or_default(), "filters": filters,
        "ordering": parameter(&kept, "ordering").unwrap_or_default(), "columns": columns, "is_shared": visit.given("is_shared").is_some(),
    });
    let back = format!("{}{}", url_of(d), query_of(kept.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
    let answer = visit.ask(Ask::post("saved-views/", &body)).await?;
    let words = if answer.status == 201 { visit.t("The view was saved.") } else { super::frame::words_of(visit, &answer.body) };
    Ok(visit.see_saying(&back, words))
}

/// The list as a file, with the same filters.
pub(super) async fn export(visit: &Visit<'_>, d: &'static Descriptor) -> Result<Response, Refusal> {
    let path = format!("{}/export/", d.about.path);
    let format = visit.asked("format").unwrap_or("csv");
    let query: Parameters = visit.query.iter().filter(|(name, _)| name != "format").cloned().collect();
    let response = visit.fetch(Ask::get(&path).with_all(filters::passed_on(&query)).with("format", format)).await?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status().as_u16();
    let body = response.into_body().into_bytes().await.map_err(Error::internal)?;
    Err(Refusal { status, body: serde_json::from_slice(&body).unwrap_or_default(), retry: None })
}
