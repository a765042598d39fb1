//! Deleting a record, once it was said what goes with it and what stands in the way; and bringing one back.

use poem::Response;
use serde_json::{Value as Json, json};

use super::{
    call::{Ask, Refusal},
    frame::{one_of, title_of, url_of, words_of},
    record::{name_of, referring},
    session::Visit,
};
use crate::{
    engine::{DELETE, Descriptor, Reach},
    error::Error,
};

/// What will happen, and the button that does it.
pub(super) async fn page(visit: &Visit<'_>, d: &'static Descriptor, key: &str) -> Result<Response, Refusal> {
    if d.about.read_only || !d.about.soft_delete || d.reach(visit.actor()?, DELETE) == Reach::Nothing {
        return Err(Error::forbidden().into());
    }
    let path = format!("{}/{key}/", d.about.path);
    let record = visit.get(&path).await?;
    let name = name_of(visit, d, &record)?;
    let mut refused = Json::Null;
    if visit.is_post() {
        let answer = visit.ask(Ask::delete(&path)).await?;
        if answer.status < 300 {
            return Ok(visit
                .see_saying(&url_of(d), visit.t_with("{name} was deleted. It can be brought back from the trash.", &[("name", &name)])));
        }
        if !matches!(answer.status, 400 | 409) {
            return Err(answer.refusal());
        }
        refused = words_of(visit, &answer.body).into();
    }
    let id = record["id"].to_string();
    let (mut with, mut kept, mut blocking) = (vec![], vec![], vec![]);
    for (other, by) in referring(visit, d)? {
        let usual = other.about.usual.and_then(|(names, _)| names.first()).map(|name| (*name, "all"));
        let list = format!("{}/", other.about.path);
        let found = visit.ask(Ask::get(&list).with(by, &id).with("page_size", "1").with_all(usual)).await?;
        let count = found.body["count"].as_u64().unwrap_or(0);
        if count == 0 {
            continue;
        }
        let words = if count == 1 { one_of(visit, other).to_lowercase() } else { title_of(visit, other).to_lowercase() };
        let line = json!({"text": format!("{count} {words}"), "url": format!("{}?{by}={id}", url_of(other)), "by": visit.heading_of(by).to_lowercase()});
        let table = other.about.table;
        match () {
            () if d.about.cascade.contains(&table) => with.push(line),
            () if d.about.kept_by.contains(&table) => kept.push(line),
            () => blocking.push(line),
        }
    }
    let context = json!({"title": visit.t_with("Delete {name}?", &[("name", &name)]), "crumbs": [[title_of(visit, d), url_of(d)], [name, format!("{}{key}/", url_of(d))]],
        "url": visit.here(), "back": format!("{}{key}/", url_of(d)), "refused": refused, "with": with, "kept": kept, "blocking": blocking});
    visit.page("delete.html", context).await
}

/// Brings a record back from the trash.
pub(super) async fn restore(visit: &Visit<'_>, d: &'static Descriptor, key: &str) -> Result<Response, Refusal> {
    let (path, body) = (format!("{}/{key}/restore/", d.about.path), json!({}));
    let answer = visit.ask(Ask::post(&path, &body)).await?;
    if matches!(answer.status, 400 | 409) {
        return Ok(visit.see_saying(&format!("{}deleted/", url_of(d)), words_of(visit, &answer.body)));
    }
    let record = answer.done()?;
    Ok(visit.see_saying(&format!("{}{}/", url_of(d), record["id"]), visit.t("It was brought back.")))
}
