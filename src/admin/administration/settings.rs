//! The settings of the business: grouped, its features as boxes with what each means, objects by their members. Which fields there are, and
//! what they take, the descriptor says; one that no group names is among the last.

use poem::{Response, http::StatusCode};
use serde_json::{Map, Value as Json, json};

use super::{asked, others, wrong_in};
use crate::{
    actor::{Module, Role},
    admin::{
        call::{Ask, Refusal},
        input,
        languages::key,
        session::Visit,
        start::zones,
        widgets::{Filling, Pickers, texts},
    },
    engine::field::{Field, Kind},
    error::Error,
    resources::business,
};

const PLACE: &str = "/admin/settings/";

const GROUPS: [(&str, &[&str]); 7] = [
    (key("The business"), &["name", "slug", "legal_name", "tax_number", "logo", "address"]),
    (key("Place and language"), &["country", "locale", "timezone", "currency"]),
    (key("Documents and books"), &["prices_include_tax", "invoice_due_days", "number_formats", "books_locked_until"]),
    (key("Requisitions"), &["requisition_self_approval", "requisition_manager_limit"]),
    (key("Visits"), &["visit_radius_m", "visit_radius_enforced"]),
    (key("Features"), &["features"]),
    (key("Classes"), &["overlap_policy"]),
];
/// What is in no group.
const OTHERS: &str = key("For programs");

fn fields() -> impl Iterator<Item = &'static Field> {
    business::descriptor().fields.iter().filter(|field| !field.server_set && !field.hidden)
}

/// The members of an object: those that it has unless it is set.
fn members(field: &Field) -> Vec<(String, Json)> {
    if field.name == "address" {
        return ["street", "city", "region", "zip"].map(|name| (name.to_owned(), json!(""))).into();
    }
    let usual = field.schema.default.as_ref().filter(|_| field.kind == Kind::Json);
    usual.and_then(Json::as_object).into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Is it an object of nothing but yes and no?
fn is_flags(members: &[(String, Json)]) -> bool {
    !members.is_empty() && members.iter().all(|(_, value)| value.is_boolean())
}

pub(in crate::admin) async fn page(visit: &Visit<'_>) -> Result<Response, Refusal> {
    if visit.actor()?.role != Role::Admin {
        return Err(Error::forbidden().into());
    }
    let record = visit.get("business/settings/").await?;
    let (mut errors, mut status) = (json!({}), StatusCode::OK);
    if visit.is_post() {
        let input = typed(visit, &record).await?;
        errors = Json::Object(input.errors);
        if errors == json!({}) {
            let (version, body) = (visit.given("version").unwrap_or_default(), Json::Object(input.fields));
            if body == json!({}) && record["version"].as_i64() == version.parse().ok() {
                return Ok(visit.see_saying(PLACE, visit.t("Nothing was changed.")));
            }
            let tag = format!("\"{version}-panel\"");
            let answer = visit.ask(Ask { if_match: Some(&tag), ..Ask::patch("business/settings/", &body) }).await?;
            let stale =
                visit.t("Somebody else changed the settings meanwhile. What you wrote stands here; saving again puts it over theirs.");
            errors = match answer.status {
                412 => json!({"": [stale]}),
                _ => match wrong_in(visit, answer)? {
                    None => return Ok(visit.see_saying(PLACE, visit.t("Your changes were saved."))),
                    Some(wrong) => wrong,
                },
            };
        }
        status = StatusCode::BAD_REQUEST;
    }
    let (mut groups, mut known) = (vec![], vec![]);
    let grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let rest: Vec<&str> = fields().map(|field| field.name).filter(|name| !grouped(name)).collect();
    for (title, names) in GROUPS.into_iter().chain([(OTHERS, rest.as_slice())]) {
        let mut group = json!({"title": visit.t(title), "widgets": [], "checks": []});
        for field in names.iter().filter_map(|name| fields().find(|field| field.name == *name)) {
            for widget in widgets(visit, field, &record, &errors).await? {
                known.push(widget.clone());
                let place = if widget["kind"] == "checks" { "checks" } else { "widgets" };
                if let Some(list) = group[place].as_array_mut() {
                    list.push(widget);
                }
            }
            known.push(json!({"name": field.name}));
        }
        groups.push(group);
    }
    let context = json!({"title": visit.t("Settings of the business"), "crumbs": [], "url": PLACE, "back": "/admin/", "version": record["version"],
        "groups": groups, "whole": others(visit, &errors, &known)});
    visit.page_with(status, "administration/settings.html", context).await
}

/// What a field is asked for by.
async fn widgets(visit: &Visit<'_>, field: &'static Field, record: &Json, errors: &Json) -> Result<Vec<Json>, Refusal> {
    let (members, now, said) = (members(field), &record[field.name], texts(visit, &errors[field.name]));
    let help = visit.english(field.schema.description.unwrap_or_default());
    if is_flags(&members) {
        let ticked = |name: &str| match visit.is_post() {
            true => visit.form.iter().any(|(known, value)| known == field.name && value == name),
            false => now[name] != false,
        };
        let meaning = |name: &str| Module::ALL.into_iter().find(|module| module.name() == name).map(Module::meaning);
        let option = |(name, _): &(String, Json)| json!({"value": name, "label": visit.heading_of(name), "help": visit.english(meaning(name).unwrap_or_default()), "checked": ticked(name)});
        let options: Vec<Json> = members.iter().map(option).collect();
        return Ok(vec![
            json!({"kind": "checks", "name": field.name, "title": visit.heading(field), "help": help, "options": options, "errors": said}),
        ]);
    }
    if !members.is_empty() {
        let widget = |(name, usual): &(String, Json)| {
            let name_of_it = format!("{}.{name}", field.name);
            // What the API says of a member begins with its name.
            let own: Vec<&str> = said.iter().filter_map(|text| text.strip_prefix(&format!("{name}: "))).collect();
            let mut widget = asked(
                visit,
                &json!({name_of_it.as_str(): own}),
                ("text", &name_of_it, &format!("{}: {}", visit.heading(field), visit.heading_of(name).to_lowercase())),
                now[name].as_str().unwrap_or_default(),
            );
            widget["id"] = format!("f-{}-{name}", field.name).into();
            widget["help"] = usual
                .as_str()
                .filter(|usual| !usual.is_empty())
                .map_or("".into(), |usual| visit.t_with("{usual} unless it says otherwise.", &[("usual", &usual)]).into());
            widget
        };
        return Ok(members.iter().map(widget).collect());
    }
    let filling = Filling { record, given: visit.is_post().then_some(&visit.form), errors };
    let mut widget = Pickers::default().widget(visit, field, field.name, &filling).await?;
    if field.name == "timezone" {
        let mut zones = zones();
        let value = widget["value"].as_str().unwrap_or_default().to_owned();
        if !zones.contains(&value) {
            zones.insert(0, value);
        }
        widget["kind"] = "choice".into();
        widget["options"] = zones.iter().map(|zone| json!({"value": zone, "label": zone})).collect();
    }
    Ok(vec![widget])
}

/// What the form says, as far as it is something else than before.
async fn typed(visit: &Visit<'_>, record: &Json) -> Result<input::Input, Refusal> {
    let plain: Vec<&Field> = fields().filter(|field| members(field).is_empty()).collect();
    let mut input = input::read(visit, &plain, record, false).await?;
    for field in fields() {
        let members = members(field);
        if members.is_empty() {
            continue;
        }
        let mut object: Map<String, Json> = record[field.name].as_object().cloned().unwrap_or_default();
        for (name, usual) in &members {
            if is_flags(&members) {
                let is_on = visit.form.iter().any(|(known, value)| known == field.name && value == name);
                object.insert(name.clone(), is_on.into());
                continue;
            }
            let text = visit.given(&format!("{}.{name}", field.name)).unwrap_or_default().trim();
            // Left empty, it is what it is unless it says otherwise; nothing of nothing.
            match (text, usual.as_str().unwrap_or_default()) {
                ("", "") => drop(object.shift_remove(name)),
                ("", usual) if object.contains_key(name) => drop(object.insert(name.clone(), usual.into())),
                ("", _) => {}
                (text, _) => drop(object.insert(name.clone(), text.into())),
            }
        }
        let object = Json::Object(object);
        if object != record[field.name] {
            input.fields.insert(field.name.to_owned(), object);
        }
    }
    Ok(input)
}
