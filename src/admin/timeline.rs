//! The history of a record: who changed what and when, and the way back.

use poem::Response;
use serde_json::{Value as Json, json};

use super::{
    call::{Ask, Refusal},
    cells::{Column, columns, moment, plain},
    frame::{title_of, url_of, words_of},
    languages::key,
    record::name_of,
    session::Visit,
};
use crate::engine::{DELETE, Descriptor, Reach, UPDATE, field::Kind};

/// Who did what an entry speaks of.
pub(super) fn who_in(visit: &Visit<'_>, entry: &Json) -> String {
    let actor = &entry["actor"];
    let who = [&actor["full_name"], &actor["username"]].into_iter().find_map(|name| name.as_str().filter(|name| !name.is_empty()));
    who.map_or_else(|| visit.t(if actor.is_null() { key("The program") } else { key("Somebody") }), str::to_owned)
}

/// The changes of an entry as they are shown; `all` are the columns of its resource.
pub(super) fn changes_in(visit: &Visit<'_>, d: &'static Descriptor, all: &[Column], entry: &Json) -> Result<Vec<Json>, Refusal> {
    let shown = |field: &str, value: &Json| -> Result<Json, Refusal> {
        let kind = d.field(field).map(|field| &field.kind);
        let column = all.iter().find(|column| column.name == field || field.strip_suffix("_id") == Some(column.name));
        Ok(match (column.and_then(|column| column.target()), value.as_i64(), kind) {
            (Some(table), Some(id), _) => {
                let text = super::cells::labels(visit, table, &[id])?.remove(&id).unwrap_or_else(|| format!("#{id}"));
                json!({"kind": "text", "text": text})
            }
            (_, _, Some(kind)) => plain(visit, kind, value),
            _ => plain(visit, column.map_or(&Kind::Text, |column| column.kind()), value),
        })
    };
    let mut changes = vec![];
    for change in entry["changes"].as_array().into_iter().flatten() {
        let field = change["field"].as_str().unwrap_or_default();
        let title = all.iter().find(|column| column.name == field).map(|column| column.title.clone());
        let title = title.unwrap_or_else(|| visit.heading_of(field.trim_end_matches("_id")));
        changes.push(json!({"title": title, "before": shown(field, &change["before"])?, "after": shown(field, &change["after"])?}));
    }
    Ok(changes)
}

pub(super) async fn page(visit: &Visit<'_>, d: &'static Descriptor, key: &str) -> Result<Response, Refusal> {
    let path = format!("{}/{key}/history/", d.about.path);
    let found = visit.ask(Ask::get(&path).with("page", visit.asked("page").unwrap_or("1")).with("page_size", "25")).await?.done()?;
    let entries = found["results"].as_array().cloned().unwrap_or_default();
    let record = visit.ask(Ask::get(&format!("{}/{key}/", d.about.path))).await?;
    let id = entries.iter().find_map(|entry| entry["target"].as_i64()).or_else(|| key.parse().ok()).unwrap_or_default();
    let is_deleted = record.status == 404 && d.about.soft_delete;
    let name = match record.status {
        200 => name_of(visit, d, &record.body)?,
        _ => name_of(visit, d, &json!({"id": id}))?,
    };
    let all = columns(d, visit)?;
    let mut rows = vec![];
    for (at, entry) in entries.iter().enumerate() {
        let changes = changes_in(visit, d, &all, entry)?;
        let action = entry["action"].as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default();
        rows.push(json!({"id": entry["id"], "at": moment(visit, entry["at"].as_str().unwrap_or_default()), "iso": entry["at"],
            "who": who_in(visit, entry), "did": visit.heading_of(&action.replace('-', "_")),
            "changes": changes, "is_first": action == "create", "is_now": at == 0 && found["previous"].is_null()}));
    }
    let reverts = !d.about.read_only && d.about.soft_delete && d.reach(visit.actor()?, UPDATE) != Reach::Nothing;
    let page: u64 = visit.asked("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let context = json!({"title": visit.t("History"), "crumbs": [[title_of(visit, d), url_of(d)], [name, format!("{}{key}/", url_of(d))]], "rows": rows,
        "url": format!("{}{key}/revert/", url_of(d)), "reverts": reverts, "name": name,
        "restore": (is_deleted && restores(visit, d)).then(|| format!("{}{key}/restore/", url_of(d))), "deleted": is_deleted,
        "previous": (!found["previous"].is_null()).then(|| format!("?page={}", page - 1)),
        "next": (!found["next"].is_null()).then(|| format!("?page={}", page + 1))});
    visit.page("history.html", context).await
}

/// May the visitor look into the trash, and bring records back?
pub(super) fn restores(visit: &Visit<'_>, d: &Descriptor) -> bool {
    visit.actor().is_ok_and(|actor| d.about.soft_delete && actor.is_manager() && d.reach(actor, DELETE) != Reach::Nothing)
}

/// Takes a record back to an entry of its history.
pub(super) async fn revert(visit: &Visit<'_>, d: &'static Descriptor, key: &str) -> Result<Response, Refusal> {
    let to = visit.given("to").and_then(|to| to.parse::<i64>().ok());
    let (path, body) = (format!("{}/{key}/revert/", d.about.path), json!({"to": to}));
    let answer = visit.ask(Ask::post(&path, &body)).await?;
    if matches!(answer.status, 400 | 409) {
        return Ok(visit.see_saying(&format!("{}{key}/history/", url_of(d)), words_of(visit, &answer.body)));
    }
    answer.done()?;
    Ok(visit.see_saying(&format!("{}{key}/", url_of(d)), visit.t("It is again what it was then.")))
}
