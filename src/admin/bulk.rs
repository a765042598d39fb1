//! Doing the same with many records: what it will be and with how many is said first, and done when that was confirmed.

use poem::Response;
use serde_json::{Map, Value as Json, json};

use super::{
    call::{Ask, Refusal, query_of},
    filters,
    frame::{title_of, url_of, words_of},
    input,
    languages::key,
    merge,
    session::Visit,
    widgets::{Filling, Pickers, start_of},
};
use crate::{
    engine::{
        DELETE, Descriptor, Reach, UPDATE,
        field::{Field, Kind},
        query::Parameters,
        verbs::MOST_ITEMS,
    },
    error::Error,
};

/// So many records at once from the panel.
const MOST: usize = 5_000;
/// So many refusals are shown.
const SHOWN: usize = 20;

/// The fields that can be set for many at once: whatever is the same for all of them makes sense.
fn settable<'d>(visit: &Visit<'_>, d: &'d Descriptor) -> Result<Vec<&'d Field>, Refusal> {
    let actor = visit.actor()?;
    let simple = |field: &&Field| matches!(field.kind, Kind::Choice(_) | Kind::Bool | Kind::Reference(_) | Kind::Date | Kind::Texts);
    Ok(d.visible().filter(|field| !field.server_set && d.is_open(field.name, actor)).filter(simple).collect())
}

/// What can be done with the selected records of a list.
pub(super) fn offered(visit: &Visit<'_>, d: &'static Descriptor, deleted: bool) -> Result<Vec<Json>, Refusal> {
    let actor = visit.actor()?;
    if d.about.read_only {
        return Ok(vec![]);
    }
    if deleted {
        return Ok(vec![json!({"value": "restore", "label": visit.t("Restore")})]);
    }
    let mut all = vec![];
    if d.reach(actor, UPDATE) != Reach::Nothing {
        let set = |field: &&Field| json!({"value": format!("set:{}", field.name), "label": visit.t_with("Set {field}", &[("field", &visit.heading(field).to_lowercase())])});
        all.extend(settable(visit, d)?.iter().map(set));
    }
    if merge::is_offered(visit, d) {
        all.push(json!({"value": merge::NAME, "label": visit.t("Merge into one")}));
    }
    if d.about.soft_delete && d.reach(actor, DELETE) != Reach::Nothing {
        all.push(json!({"value": "delete", "label": visit.t("Delete")}));
    }
    Ok(all)
}

/// Those that are meant: the ticked ones, or all that the list has.
async fn selected(visit: &Visit<'_>, d: &Descriptor, query: &Parameters) -> Result<Vec<String>, Refusal> {
    let ticked: Vec<String> = visit.form.iter().filter(|(name, _)| name == "id").map(|(_, id)| id.clone()).collect();
    if visit.given("all").is_none() {
        return Ok(ticked);
    }
    let path = format!("{}/minimal/", d.about.path);
    let (mut ids, size) = (vec![], visit.panel.most().to_string());
    for page in 1.. {
        let number = page.to_string();
        let ask = Ask::get(&path).with_all(filters::passed_on(query)).with("page", &number).with("page_size", &size);
        let found = visit.ask(ask).await?.done()?;
        ids.extend(found["results"].as_array().into_iter().flatten().map(|row| row["id"].to_string()));
        if found["next"].is_null() || ids.len() > MOST {
            break;
        }
    }
    Ok(ids)
}

/// The page that says what will happen, and what did.
pub(super) async fn page(visit: &Visit<'_>, d: &'static Descriptor) -> Result<Response, Refusal> {
    let what = visit.given("what").unwrap_or_default().to_owned();
    let deleted = what == "restore";
    let query: Parameters =
        form_urlencoded::parse(visit.given("query").unwrap_or_default().trim_start_matches('?').as_bytes()).into_owned().collect();
    let place = if deleted { format!("{}deleted/", url_of(d)) } else { url_of(d) };
    let back = format!("{place}{}", query_of(query.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
    if !offered(visit, d, deleted)?.iter().any(|offer| offer["value"] == what.as_str()) {
        return Ok(visit.see_saying(&back, visit.t("Choose what is to be done.")));
    }
    let ids = selected(visit, d, &query).await?;
    if ids.is_empty() {
        return Ok(visit.see_saying(&back, visit.t("Select some records first.")));
    }
    if ids.len() > MOST {
        return Ok(visit.see_saying(&back, visit.t_with("That is too much for once: at most {n} records.", &[("n", &MOST)])));
    }
    if what == merge::NAME {
        return merge::page(visit, d, &ids, &back).await;
    }
    let field = match what.strip_prefix("set:") {
        Some(name) => Some(settable(visit, d)?.into_iter().find(|field| field.name == name).ok_or_else(Error::not_found)?),
        None => None,
    };
    let mut errors = Json::Null;
    if visit.given("confirmed").is_some() {
        let set = match field {
            Some(field) => given(visit, field).await?,
            None => Ok(Map::new()),
        };
        match set {
            Ok(set) => {
                let (done, refused) = perform(visit, d, &what, &ids, &set).await?;
                if refused.is_empty() {
                    let words = match what.as_str() {
                        "delete" => visit.t_count("{n} record was deleted.", "{n} records were deleted.", done, &[]),
                        "restore" => visit.t_count("{n} record was restored.", "{n} records were restored.", done, &[]),
                        _ => visit.t_count("{n} record was changed.", "{n} records were changed.", done, &[]),
                    };
                    return Ok(visit.see_saying(&back, words));
                }
                let title = match what.as_str() {
                    "delete" => key("{n} of {all} were deleted"),
                    "restore" => key("{n} of {all} were restored"),
                    _ => key("{n} of {all} were changed"),
                };
                let title = visit.t_with(title, &[("n", &done), ("all", &ids.len())]);
                let context = json!({"title": title, "crumbs": [[title_of(visit, d), url_of(d)]],
                    "refused": refused, "back": back});
                return visit.page("bulk.html", context).await;
            }
            Err(problem) => errors = problem,
        }
    }
    let widget = match field {
        Some(field) => {
            let record = json!({field.name: start_of(field)});
            let filling = Filling { record: &record, given: visit.given("confirmed").map(|_| &visit.form), errors: &errors };
            Some(Pickers::default().widget(visit, field, field.name, &filling).await?)
        }
        None => None,
    };
    let numbers: Vec<i64> = ids.iter().take(SHOWN).filter_map(|id| id.parse().ok()).collect();
    let names = super::cells::open_labels(visit, d.about.table, &numbers)?;
    let some: Vec<&String> = numbers.iter().filter_map(|id| names.get(id)).collect();
    let (many, count) = (title_of(visit, d).to_lowercase(), ids.len());
    let name = field.map(|field| visit.heading(field).to_lowercase()).unwrap_or_default();
    let (words, title) = match (&field, what.as_str()) {
        (Some(_), _) => (visit.t_with("Set {field}", &[("field", &name)]), key("Set {field} of {n} {many}?")),
        (None, "delete") => (visit.t("Delete"), key("Delete {n} {many}?")),
        (None, _) => (visit.t("Restore"), key("Restore {n} {many}?")),
    };
    let title = visit.t_with(title, &[("field", &name), ("n", &count), ("many", &many)]);
    let context = json!({
        "title": title, "crumbs": [[title_of(visit, d), url_of(d)]], "base": url_of(d), "words": words, "what": what, "ids": ids, "count": count, "many": many, "some": some,
        "more": count - some.len(), "query": visit.given("query"), "widget": widget, "back": back, "danger": what == "delete",
    });
    visit.page("bulk.html", context).await
}

/// The value for all, whatever it was before.
async fn given(visit: &Visit<'_>, field: &Field) -> Result<Result<Map<String, Json>, Json>, Refusal> {
    // Compared with something that it cannot be, so that it counts as changed.
    let record = json!({field.name: "\u{0}"});
    let input = input::read(visit, &[field], &record, false).await?;
    Ok(if input.errors.is_empty() { Ok(input.fields) } else { Err(Json::Object(input.errors)) })
}

/// How many it was done with, and which were refused, with the reason.
async fn perform(
    visit: &Visit<'_>,
    d: &Descriptor,
    what: &str,
    ids: &[String],
    set: &Map<String, Json>,
) -> Result<(u64, Vec<Json>), Refusal> {
    let operation = match what {
        "delete" => "bulk_delete",
        "restore" => "bulk_restore",
        _ => "bulk_update",
    };
    let path = format!("{}/{operation}/", d.about.path);
    let (mut done, mut refused) = (0, vec![]);
    for part in ids.chunks(MOST_ITEMS) {
        let mut body = json!({"ids": part});
        if operation == "bulk_update" {
            body["set"] = Json::Object(set.clone());
        }
        let outcome = visit.ask(Ask::post(&path, &body)).await?.done()?;
        done += outcome["done"].as_u64().unwrap_or(0);
        let failed = outcome["results"].as_array().into_iter().flatten().filter(|row| row["ok"] == false);
        refused.extend(failed.map(|row| (row["id"].as_i64().unwrap_or(0), words_of(visit, &row["errors"]))));
    }
    let numbers: Vec<i64> = refused.iter().map(|(id, _)| *id).collect();
    let names = super::cells::open_labels(visit, d.about.table, &numbers)?;
    let one = |(id, words): (i64, String)| json!({"name": names.get(&id).cloned().unwrap_or_else(|| format!("#{id}")), "words": words});
    Ok((done, refused.into_iter().map(one).collect()))
}
