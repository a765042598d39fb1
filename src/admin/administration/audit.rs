//! The audit log: what was done in the business, by whom, to what.

use std::collections::HashMap;

use poem::Response;
use serde_json::{Value as Json, json};

use super::url;
use crate::{
    admin::{
        call::{Ask, Refusal},
        cells::{Column, columns, link, moment},
        filters,
        frame::{one_of, title_of, words_of},
        session::Visit,
        timeline::{changes_in, who_in},
        widgets::Pickers,
    },
    engine::{Descriptor, descriptor},
    error::Error,
    resources::business,
};

const FILTERS: [&str; 6] = ["actor", "resource", "record", "action", "from", "until"];
const SIZE: &str = "30";

fn known(table: &str) -> Option<&'static Descriptor> {
    descriptor::by_table(table).or_else(|| Some(business::descriptor()).filter(|d| d.about.table == table))
}

pub(super) async fn page(visit: &Visit<'_>, rest: &[&str]) -> Result<Response, Refusal> {
    if !rest.is_empty() {
        return Err(Error::not_found().into());
    }
    let asked: Vec<(&str, &str)> = FILTERS.into_iter().filter_map(|name| Some((name, visit.asked(name)?))).collect();
    let cursor = visit.asked("cursor").map(|cursor| ("cursor", cursor));
    let answer = visit.ask(Ask::get("audit/").with_all(asked.iter().copied()).with_all(cursor).with("page_size", SIZE)).await?;
    let wrong = (answer.status == 400).then(|| words_of(visit, &answer.body));
    let found = if wrong.is_some() { json!({"results": []}) } else { answer.done()? };
    let entries = found["results"].as_array().cloned().unwrap_or_default();
    let mut all: HashMap<&str, Vec<Column>> = HashMap::new();
    let mut rows = vec![];
    for entry in &entries {
        let d = entry["table"].as_str().and_then(known);
        let (mut changes, mut href, mut of) = (vec![], None, visit.heading_of(entry["table"].as_str().unwrap_or("record")));
        if let Some(d) = d {
            let columns = match all.entry(d.about.table) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => new.insert(columns(d, visit)?),
            };
            changes = changes_in(visit, d, columns, entry)?;
            // Of something new only what there is.
            changes.retain(|change| change["before"]["kind"] != "none" || change["after"]["kind"] != "none");
            href = entry["target"].as_i64().filter(|_| !entry["name"].is_null()).and_then(|id| link(visit, d.about.table, id));
            // What was done to no single one of them.
            of = if entry["target"] == 0 { title_of(visit, d) } else { one_of(visit, d) };
        }
        let action = entry["action"].as_str().unwrap_or_default().split_once('.').map_or("", |(_, action)| action);
        rows.push(json!({"id": entry["id"], "at": moment(visit, entry["at"].as_str().unwrap_or_default()), "iso": entry["at"], "who": who_in(visit, entry),
            "did": visit.heading_of(&action.replace('-', "_")), "of": of, "name": entry["name"].as_str().map(str::to_owned).or_else(|| entry["target"].as_i64().filter(|id| *id != 0).map(|id| format!("#{id}"))),
            "href": href, "changes": changes, "is_first": action == "create", "sealed": entry["sealed"], "from": entry["ip_address"]}));
    }
    let next = entries.last().filter(|_| !found["next"].is_null()).map(|last| {
        let last = last["id"].to_string();
        filters::with(&visit.query, "cursor", Some(&last))
    });
    let context = json!({"title": visit.t("Audit log"), "crumbs": [], "url": url("audit"), "rows": rows, "wrong": wrong, "next": next,
        "first": visit.asked("cursor").map(|_| filters::with(&visit.query, "cursor", None)), "widgets": widgets(visit).await?, "narrowed": !asked.is_empty()});
    visit.page("administration/audit.html", context).await
}

async fn widgets(visit: &Visit<'_>) -> Result<Vec<Json>, Refusal> {
    let value = |name: &str| visit.asked(name).unwrap_or_default();
    let one = |kind: &str, name: &str, title: &str| json!({"kind": kind, "name": name, "id": format!("q-{name}"), "title": title, "value": value(name), "empty": true});
    let mut who = one("number", "actor", &visit.t("By (number of the person)"));
    if let Some(options) = Pickers::default().of(visit, "users").await?["options"].as_array() {
        who = one("choice", "actor", &visit.t("By"));
        who["options"] = options.clone().into();
    }
    let mut what = one("choice", "resource", &visit.t("What"));
    let of = |d: &&Descriptor| json!({"value": d.about.path, "label": one_of(visit, d)});
    what["options"] = descriptor::all().iter().chain(descriptor::attached()).chain([business::descriptor()]).map(|d| of(&d)).collect();
    // What there is to do; what else was asked for by an address stays.
    let mut names: Vec<String> =
        ["create", "update", "delete", "restore", "import", "export", "merge", "revert"].map(str::to_owned).to_vec();
    names.extend(descriptor::all().iter().flat_map(|d| d.about.actions).map(|action| action.name.to_owned()));
    names.extend(Some(value("action").to_owned()).filter(|asked| !asked.is_empty()));
    names.sort();
    names.dedup();
    let mut did = one("choice", "action", &visit.t("What was done"));
    did["options"] = names.iter().map(|name| json!({"value": name, "label": visit.heading_of(&name.replace('-', "_"))})).collect();
    Ok(vec![
        who,
        what,
        one("number", "record", &visit.t("Its number")),
        did,
        one("date", "from", &visit.t("From")),
        one("date", "until", &visit.t("Until")),
    ])
}
