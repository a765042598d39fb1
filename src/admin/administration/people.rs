//! People: who belongs to the business, as what; inviting them, changing what they may do, and taking their access away.

use poem::{Response, http::StatusCode};
use serde_json::{Map, Value as Json, json};

use super::{asked, id_in, others, url, wrong_in};
use crate::{
    actor::{Capability, Role},
    admin::{
        call::{Ask, Refusal},
        cells::{moment, plain},
        filters,
        frame::words_of,
        input,
        languages::key,
        session::Visit,
        widgets::{Filling, Pickers, texts},
    },
    engine::{Descriptor, descriptor, field::Kind, verbs},
    error::Error,
    resources::accounts::Membership,
};

const STATUSES: [&str; 4] = ["active", "invited", "suspended", "ended"];
const SIZE: u64 = 50;

fn memberships() -> &'static Descriptor {
    descriptor::of::<Membership>()
}

pub(super) async fn page(visit: &Visit<'_>, rest: &[&str]) -> Result<Response, Refusal> {
    match rest {
        [] => list(visit).await,
        ["invite"] => invite(visit).await,
        [id] => person(visit, id_in(id)?).await,
        [id, "end"] => end(visit, id_in(id)?).await,
        [id, what @ ("resend" | "suspend" | "activate")] if visit.is_post() => act(visit, id_in(id)?, what).await,
        [id, what @ ("unlock" | "reset-2fa" | "end-sessions" | "end-session")] if visit.is_post() => account(visit, id_in(id)?, what).await,
        _ => Err(Error::not_found().into()),
    }
}

// ------------------------------------------------------------------------------------------------ the list

async fn list(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let status = visit.asked("status").filter(|status| STATUSES.contains(status)).unwrap_or_default();
    let (search, size) = (visit.asked("search").unwrap_or_default(), SIZE.to_string());
    let page: u64 = visit.asked("page").and_then(|page| page.parse().ok()).unwrap_or(1).max(1);
    let of = |status: &'static str| {
        let narrowed = [("status", status), ("search", search)].into_iter().filter(|(_, value)| !value.is_empty());
        Ask::get("accounts/memberships/").with_all(narrowed)
    };
    let status = STATUSES.into_iter().find(|known| *known == status).unwrap_or_default();
    let number = page.to_string();
    let answer = visit.ask(of(status).with("page", &number).with("page_size", &size)).await?;
    let wrong = (answer.status == 400).then(|| words_of(visit, &answer.body));
    let found = if wrong.is_some() { json!({"count": 0, "results": []}) } else { answer.done()? };
    let mut tabs = vec![];
    for (name, title) in [("", visit.t("Everybody"))].into_iter().chain(STATUSES.map(|name| (name, visit.heading_of(name)))) {
        let count = visit.ask(of(name).with("page_size", "1")).await?.body["count"].clone();
        let url = filters::with(&visit.query, "status", Some(name).filter(|name| !name.is_empty()));
        tabs.push(json!({"title": title, "count": count, "url": url, "current": name == status}));
    }
    let choice = |value: &Json| plain(visit, &Kind::Choice(vec![]), value);
    let one = |one: &Json| {
        json!({"id": one["id"], "name": one["name"], "address": address(one), "role": choice(&one["role"]), "status": choice(&one["status"]),
            "capabilities": plain(visit, &Kind::Texts, &one["capabilities"]), "second_factor": plain(visit, &Kind::Bool, &one["second_factor"]),
            "seen": plain(visit, &Kind::DateTime, &one["last_seen_at"])})
    };
    let people: Vec<Json> = found["results"].as_array().into_iter().flatten().map(one).collect();
    let turn = |page: u64| filters::with(&visit.query, "page", Some(page.to_string().as_str()));
    let context = json!({"title": visit.t("People and roles"), "crumbs": [], "url": url("people"), "tabs": tabs, "people": people, "count": found["count"],
        "status": status, "search": search, "wrong": wrong,
        "previous": (!found["previous"].is_null()).then(|| turn(page - 1)), "next": (!found["next"].is_null()).then(|| turn(page + 1))});
    visit.page("administration/people.html", context).await
}

/// How somebody can be reached.
fn address(one: &Json) -> Json {
    [&one["email"], &one["phone"]].into_iter().find(|address| !address.is_null()).cloned().unwrap_or_default()
}

// ------------------------------------------------------------------------------------------------ role and capabilities

/// What a capability is called.
fn called(visit: &Visit<'_>, one: Capability) -> String {
    if one == Capability::Hr { visit.name("HR") } else { visit.heading_of(one.name()) }
}

/// The boxes of the capabilities, ticked as they were sent or as they are.
fn capabilities(visit: &Visit<'_>, now: &Json, errors: &Json) -> Json {
    let ticked = |name: &str| match visit.is_post() {
        true => visit.form.iter().any(|(known, value)| known == "capabilities" && value == name),
        false => now.as_array().is_some_and(|all| all.iter().any(|one| one == name)),
    };
    let option = |one: &Capability| json!({"value": one.name(), "label": called(visit, *one), "help": visit.english(one.meaning()), "checked": ticked(one.name())});
    json!({"name": "capabilities", "title": visit.t("What members of staff may do beside their own work"), "help": visit.t("Administrators and managers may all of it."),
        "options": Capability::ALL.iter().map(option).collect::<Vec<_>>(), "errors": texts(visit, &errors["capabilities"])})
}

/// Role and branch as the form of the resource asks for them.
async fn widgets(visit: &Visit<'_>, record: &Json, errors: &Json) -> Result<Vec<Json>, Refusal> {
    let (mut pickers, mut all) = (Pickers::default(), vec![]);
    let filling = Filling { record, given: visit.is_post().then_some(&visit.form), errors };
    for field in memberships().fields.iter().filter(|field| ["role", "branch"].contains(&field.name)) {
        let mut widget = pickers.widget(visit, field, field.name, &filling).await?;
        if let Some(roles) = widget["options"].as_array_mut().filter(|_| field.name == "role") {
            // Only administrators make administrators.
            let may = super::administers(visit.actor()?);
            roles.retain(|role| may || role["value"] != Role::Admin.name());
        }
        all.push(widget);
    }
    Ok(all)
}

/// What the form says of role, branch and capabilities.
async fn typed(visit: &Visit<'_>, record: &Json) -> Result<input::Input, Refusal> {
    let fields: Vec<_> = memberships().fields.iter().filter(|field| ["role", "branch"].contains(&field.name)).collect();
    let mut input = input::read(visit, &fields, record, record["id"].is_null()).await?;
    let ticked: Vec<&str> = visit.form.iter().filter(|(name, _)| name == "capabilities").map(|(_, value)| value.as_str()).collect();
    let ticked = json!(ticked);
    if record["capabilities"] != ticked {
        input.fields.insert("capabilities".into(), ticked);
    }
    Ok(input)
}

async fn invite(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let start = json!({"role": "staff", "capabilities": []});
    let (mut errors, mut status) = (json!({}), StatusCode::OK);
    if visit.is_post() {
        let mut input = typed(visit, &Json::Null).await?;
        for name in ["email", "phone", "full_name"] {
            if let Some(text) = visit.given(name).map(str::trim).filter(|text| !text.is_empty()) {
                input.fields.insert(name.into(), text.into());
            }
        }
        errors = Json::Object(input.errors);
        if errors == json!({}) {
            let body = Json::Object(input.fields);
            let answer = visit.ask(Ask::post("accounts/memberships/invite/", &body)).await?;
            let made = answer.body["id"].clone();
            match wrong_in(visit, answer)? {
                None => return Ok(visit.see_saying(&format!("{}{made}/", url("people")), visit.t("The invitation is on its way."))),
                Some(wrong) => errors = wrong,
            }
        }
        status = StatusCode::BAD_REQUEST;
    }
    let mut all = vec![
        asked(visit, &errors, ("email", "email", &visit.t("E-mail address")), ""),
        asked(visit, &errors, ("tel", "phone", &visit.t("Telephone number")), ""),
        asked(visit, &errors, ("text", "full_name", &visit.t("Name")), ""),
    ];
    all[1]["help"] = visit.t("When there is no e-mail address: the link goes by short message.").into();
    all.extend(widgets(visit, &start, &errors).await?);
    let boxes = capabilities(visit, &start["capabilities"], &errors);
    let mut known = all.clone();
    known.push(boxes.clone());
    let roles: Vec<Json> =
        Role::ALL.iter().map(|role| json!({"label": visit.heading_of(role.name()), "help": visit.english(role.meaning())})).collect();
    let context = json!({"title": visit.t("Invite somebody"), "crumbs": [[visit.t("People and roles"), url("people")]], "url": visit.here(), "back": url("people"),
        "widgets": all, "capabilities": boxes, "whole": others(visit, &errors, &known), "roles": roles});
    visit.page_with(status, "administration/invite.html", context).await
}

// ------------------------------------------------------------------------------------------------ one of them

async fn person(visit: &Visit<'_>, id: i64) -> Result<Response, Refusal> {
    let path = format!("accounts/memberships/{id}/");
    let record = visit.get(&path).await?;
    let (mut errors, mut status) = (json!({}), StatusCode::OK);
    if visit.is_post() {
        let input = typed(visit, &record).await?;
        errors = Json::Object(input.errors);
        if errors == json!({}) {
            let place = format!("{}{id}/", url("people"));
            if input.fields.is_empty() {
                return Ok(visit.see_saying(&place, visit.t("Nothing was changed.")));
            }
            let (tag, body) = (format!("\"{}-panel\"", visit.given("version").unwrap_or_default()), Json::Object(input.fields));
            let answer = visit.ask(Ask { if_match: Some(&tag), ..Ask::patch(&path, &body) }).await?;
            errors = match answer.status {
                412 => {
                    json!({"": [visit.t("Somebody else changed this meanwhile. Look at it as it is now, and save again if that is what you want.")]})
                }
                _ => match wrong_in(visit, answer)? {
                    None => return Ok(visit.see_saying(&place, visit.t("Your changes were saved. They count from the next click on."))),
                    Some(wrong) => wrong,
                },
            };
        }
        status = StatusCode::BAD_REQUEST;
    }
    show(visit, id, &record, errors, status).await
}

async fn show(visit: &Visit<'_>, id: i64, record: &Json, errors: Json, status: StatusCode) -> Result<Response, Refusal> {
    let (actor, place) = (visit.actor()?, format!("{}{id}/", url("people")));
    let offers = visit.panel.app.db.read(|reader| verbs::offers(reader, memberships(), actor, id))?;
    let action = |name: &str| match name {
        "resend" => json!({"words": visit.t("Send the invitation again"), "url": format!("{place}resend/")}),
        "activate" => json!({"words": visit.t("Give access again"), "url": format!("{place}activate/")}),
        "suspend" => json!({"words": visit.t("Suspend"), "url": format!("{place}suspend/")}),
        _ => json!({"words": visit.t("End"), "href": format!("{place}end/"), "danger": true}),
    };
    let actions: Vec<Json> = offers.iter().map(|offer| action(offer.name)).collect();
    let fact = |title: &str, kind: Kind, name: &str| json!({"title": visit.t(title), "cell": plain(visit, &kind, &record[name])});
    let facts = [
        fact(key("Status"), Kind::Choice(vec![]), "status"),
        fact(key("Role"), Kind::Choice(vec![]), "role"),
        fact(key("May also"), Kind::Texts, "capabilities"),
        fact(key("E-mail address"), Kind::Email, "email"),
        fact(key("Telephone"), Kind::Text, "phone"),
        fact(key("Joined"), Kind::DateTime, "joined_at"),
        fact(key("Ended"), Kind::DateTime, "ended_at"),
        fact(key("Last here"), Kind::DateTime, "last_seen_at"),
    ];
    let facts: Vec<&Json> = facts.iter().filter(|fact| fact["cell"]["kind"] != "none").collect();
    let all = widgets(visit, record, &errors).await?;
    let boxes = capabilities(visit, &record["capabilities"], &errors);
    let mut known = all.clone();
    known.push(boxes.clone());
    let user = record["user"].as_i64();
    let access = match user.filter(|_| super::administers(actor)) {
        Some(user) => access(visit, user).await?,
        None => Json::Null,
    };
    // Nobody changes what they may do themselves, and only administrators what an administrator may.
    let is_below = super::administers(actor) || record["role"] != Role::Admin.name();
    let changes = record["status"] != "ended" && is_below && (user.is_none() || user != actor.user_id);
    let name = record["name"].as_str().filter(|name| !name.is_empty()).map_or_else(|| visit.t("Somebody"), str::to_owned);
    let context = json!({"title": name, "crumbs": [[visit.t("People and roles"), url("people")]], "url": place, "address": address(record), "facts": facts,
        "actions": actions, "changes": changes, "version": record["version"], "widgets": all, "capabilities": boxes,
        "whole": others(visit, &errors, &known), "user": user, "is_self": user == actor.user_id, "access": access});
    visit.page_with(status, "administration/person.html", context).await
}

/// How somebody gets in; nothing of those who belong here no more.
async fn access(visit: &Visit<'_>, user: i64) -> Result<Json, Refusal> {
    let answer = visit.ask(Ask::get(&format!("accounts/users-list/{user}/access/"))).await?;
    if answer.status == 404 {
        return Ok(Json::Null);
    }
    let found = answer.done()?;
    let at = |value: &Json| value.as_str().map(|text| moment(visit, text));
    let session = |one: &Json| {
        json!({"id": one["id"], "device": one["device"], "address": one["ip_address"], "current": one["current"],
            "used": at(&one["last_used_at"]), "since": at(&one["created_at"])})
    };
    let sessions: Vec<Json> = found["sessions"].as_array().into_iter().flatten().map(session).collect();
    Ok(json!({"locked": at(&found["locked_until"]), "second_factor": found["second_factor"], "last": at(&found["last_sign_in_at"]),
        "open_work": found["open_work"], "sessions": sessions}))
}

// ------------------------------------------------------------------------------------------------ what is done with them

async fn act(visit: &Visit<'_>, id: i64, what: &str) -> Result<Response, Refusal> {
    let (path, place) = (format!("accounts/memberships/{id}/{what}/"), format!("{}{id}/", url("people")));
    let answer = visit.ask(Ask::post(&path, &json!({}))).await?;
    let words = match what {
        "resend" => visit.t("The invitation is on its way, with a new link."),
        "suspend" => visit.t("They have no access for the time being."),
        _ => visit.t("They have access again."),
    };
    Ok(match wrong_in(visit, answer)? {
        None => visit.see_saying(&place, words),
        Some(errors) => visit.see_saying(&place, texts(visit, &errors).join(" ")),
    })
}

/// Does something with the account of a member.
async fn account(visit: &Visit<'_>, id: i64, what: &str) -> Result<Response, Refusal> {
    let record = visit.get(&format!("accounts/memberships/{id}/")).await?;
    let user = record["user"].as_i64().ok_or_else(Error::not_found)?;
    let place = format!("{}{id}/", url("people"));
    let answer = if what == "end-session" {
        let session =
            visit.given("session").filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric())).ok_or_else(Error::not_found)?;
        visit.ask(Ask::delete(&format!("accounts/users-list/{user}/sessions/{session}/"))).await?
    } else {
        visit.ask(Ask::post(&format!("accounts/users-list/{user}/{what}/"), &json!({}))).await?
    };
    let words = match (what, answer.body["detail"].as_str()) {
        ("unlock", _) => visit.t("They can try to sign in again."),
        ("reset-2fa", Some(detail)) => detail.to_owned(),
        ("end-sessions", _) => {
            visit.t_count("{n} sign-in was ended.", "{n} sign-ins were ended.", answer.body["ended"].as_u64().unwrap_or(0), &[])
        }
        _ => visit.t("The sign-in was ended."),
    };
    Ok(match wrong_in(visit, answer)? {
        None => visit.see_saying(&place, words),
        Some(errors) => visit.see_saying(&place, texts(visit, &errors).join(" ")),
    })
}

async fn end(visit: &Visit<'_>, id: i64) -> Result<Response, Refusal> {
    let path = format!("accounts/memberships/{id}/");
    let record = visit.get(&path).await?;
    let (user, place) = (record["user"].as_i64(), format!("{}{id}/", url("people")));
    let (mut errors, mut status) = (json!({}), StatusCode::OK);
    let mut work: Vec<Json> = vec![];
    if visit.is_post() {
        let mut body = Map::new();
        let chosen = visit.given("reassign_to").unwrap_or_default();
        let heir = match visit.given("reassign_to__text") {
            Some(words) => input::find(visit, "users", chosen, words.trim()).await?,
            None => Ok(chosen.to_owned()),
        };
        match heir {
            Ok(heir) => {
                if let Ok(heir) = heir.parse::<i64>() {
                    body.insert("reassign_to".into(), heir.into());
                }
                let (path, body) = (format!("{path}end/"), Json::Object(body));
                let answer = visit.ask(Ask::post(&path, &body)).await?;
                let counts = answer.body["counts"].as_object().cloned().unwrap_or_default();
                work = counts.iter().map(|(table, count)| json!({"title": visit.heading_of(table), "count": count})).collect();
                match wrong_in(visit, answer)? {
                    None => return Ok(visit.see_saying(&place, visit.t("It was ended."))),
                    Some(_) if !work.is_empty() => errors = json!({"reassign_to": [visit.t("Choose who goes on with the work.")]}),
                    Some(wrong) => errors = wrong,
                }
            }
            Err(problem) => errors = json!({"reassign_to": [problem]}),
        }
        status = StatusCode::BAD_REQUEST;
    }
    if let Some(user) = user.filter(|_| work.is_empty()) {
        let known = visit.ask(Ask::get(&format!("accounts/users-list/{user}/access/"))).await?;
        work = known.body["open_work"].as_array().cloned().unwrap_or_default();
    }
    let mut heir = asked(visit, &errors, ("choice", "reassign_to", &visit.t("Who goes on with their work")), "");
    let picker = Pickers::default().of(visit, "users").await?;
    if let Some(options) = picker["options"].as_array() {
        let leaver = user.map(|user| user.to_string());
        heir["options"] = options.iter().filter(|option| option["value"].as_str() != leaver.as_deref()).cloned().collect();
        heir["empty"] = true.into();
    } else {
        heir["kind"] = "reference".into();
        heir["lookup"] = picker["lookup"].clone();
        heir["text"] = visit.given("reassign_to__text").unwrap_or_default().into();
    }
    let name = record["name"].as_str().filter(|name| !name.is_empty()).map_or_else(|| visit.t("Somebody"), str::to_owned);
    let known = [heir.clone()];
    let context = json!({"title": visit.t_with("End the membership of {name}?", &[("name", &name)]), "crumbs": [[visit.t("People and roles"), url("people")], [name, place]],
        "url": visit.here(), "back": place, "work": work, "heir": heir, "invited": record["status"] == "invited", "whole": others(visit, &errors, &known)});
    visit.page_with(status, "administration/end.html", context).await
}
