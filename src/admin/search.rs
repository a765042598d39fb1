//! One search through everything, and what a reference is looked up by.

use poem::Response;
use serde_json::{Value as Json, json};

use super::{
    call::{Ask, Refusal},
    frame::{title_of, url_of},
    session::Visit,
};
use crate::{engine::descriptor, error::Error};

/// What was found of each kind.
pub(super) async fn page(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let words = visit.asked("q").unwrap_or_default().trim();
    let mut context = json!({"title": visit.t("Search"), "crumbs": [], "q": words, "groups": []});
    if !words.is_empty() {
        let answer = visit.ask(Ask::get("search/").with("q", words)).await?;
        if answer.status == 400 {
            context["wrong"] = super::frame::words_of(visit, &answer.body).into();
        } else {
            let found = answer.done()?;
            context["groups"] = found["results"].as_array().into_iter().flatten().filter_map(|found| group(visit, found)).collect();
        }
    }
    visit.page("search.html", context).await
}

fn group(visit: &Visit<'_>, group: &Json) -> Option<Json> {
    let d = descriptor::all().iter().find(|d| group["resource"] == d.about.path)?;
    let hit = |hit: &Json| json!({"label": hit["label"], "snippet": snippet(hit["snippet"].as_str().unwrap_or_default()), "url": format!("{}{}/", url_of(d), hit["id"])});
    let hits: Vec<Json> = group["hits"].as_array().into_iter().flatten().map(hit).collect();
    Some(json!({"title": title_of(visit, d), "more": group["has_more"], "hits": hits, "url": url_of(d)}))
}

/// A snippet as pieces, marked or not: it comes as HTML, in which `<mark>` is the only tag, and goes out escaped anew.
fn snippet(html: &str) -> Vec<Json> {
    let plain = |text: &str| {
        let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&amp;", "&")];
        entities.into_iter().fold(text.to_owned(), |text, (entity, letter)| text.replace(entity, letter))
    };
    let mut pieces = vec![];
    for (at, part) in html.split("<mark>").enumerate() {
        let (marked, rest) = if at == 0 { ("", part) } else { part.split_once("</mark>").unwrap_or(("", part)) };
        pieces.push(json!({"text": plain(marked), "marked": true}));
        pieces.push(json!({"text": plain(rest), "marked": false}));
    }
    pieces.retain(|piece| piece["text"] != "");
    pieces
}

/// What a reference can be, for the script: ids and labels. Whether the visitor may know is for the API to say.
pub(super) async fn lookup(visit: &Visit<'_>, path: &str) -> Result<Response, Refusal> {
    let d = descriptor::all().iter().find(|d| d.about.path == path).ok_or_else(Error::not_found)?;
    let path = format!("{}/minimal/", d.about.path);
    let ask = Ask::get(&path).with("search", visit.asked("q").unwrap_or_default()).with("page_size", "12");
    let found = visit.ask(ask).await?.done()?;
    let one = |row: &Json| json!({"id": row["id"], "label": row["label"]});
    let rows: Vec<Json> = found["results"].as_array().into_iter().flatten().map(one).collect();
    Ok(Response::builder().content_type("application/json").body(Json::from(rows).to_string()))
}
