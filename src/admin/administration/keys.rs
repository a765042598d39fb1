//! The keys of machines: which there are, making one, which is shown once, and revoking them.

use std::collections::HashMap;

use poem::{Response, http::StatusCode};
use serde_json::{Value as Json, json};

use super::{asked, id_in, others, url, wrong_in};
use crate::{
    admin::{
        call::{Ask, Refusal},
        cells::{labels, plain},
        frame::title_of,
        languages::key,
        session::Visit,
        widgets::texts,
    },
    engine::{LIST, Reach, descriptor, field::Kind},
    error::Error,
};

pub(super) async fn page(visit: &Visit<'_>, rest: &[&str]) -> Result<Response, Refusal> {
    match rest {
        [] => list(visit).await,
        ["add"] => add(visit).await,
        [id, "revoke"] if visit.is_post() => revoke(visit, id_in(id)?).await,
        _ => Err(Error::not_found().into()),
    }
}

async fn list(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let all = visit.get("auth/api-keys/").await?;
    let all = all.as_array().cloned().unwrap_or_default();
    let mut makers: Vec<i64> = all.iter().filter_map(|key| key["user"].as_i64()).collect();
    makers.sort_unstable();
    makers.dedup();
    let names: HashMap<i64, String> = labels(visit, "users", &makers)?;
    let now = crate::kit::DateTime(visit.actor()?.now).to_string();
    let at = |value: &Json| plain(visit, &Kind::DateTime, value);
    let row = |key: &Json| {
        let state = match () {
            () if !key["revoked_at"].is_null() => "revoked",
            () if key["expires_at"].as_str().is_some_and(|end| end <= now.as_str()) => "ended",
            () => "active",
        };
        let maker = key["user"].as_i64().and_then(|id| names.get(&id).cloned());
        json!({"id": key["id"], "name": key["name"], "prefix": key["prefix"], "state": plain(visit, &Kind::Choice(vec![]), &state.into()),
            "live": state == "active", "scopes": plain(visit, &Kind::Texts, &key["scopes"]), "maker": maker, "made": at(&key["created_at"]),
            "ends": at(&key["expires_at"]), "used": at(&key["last_used_at"])})
    };
    let rows: Vec<Json> = all.iter().map(row).collect();
    visit.page("administration/keys.html", json!({"title": visit.t("API keys"), "crumbs": [], "url": url("keys"), "rows": rows})).await
}

/// What a key can be for: everything, and each resource that its maker may list.
fn scopes(visit: &Visit<'_>) -> Result<Vec<Json>, Refusal> {
    let actor = visit.actor()?;
    let ticked = |scope: &str| visit.form.iter().any(|(name, value)| name == "scopes" && value == scope);
    let row = |path: &str, title: String| {
        let verbs = [("read", key("read {what}")), ("write", key("write {what}"))].map(|(verb, words)| {
            let scope = format!("{path}:{verb}");
            json!({"value": scope, "words": visit.t_with(words, &[("what", &title.to_lowercase())]), "checked": ticked(&scope)})
        });
        json!({"title": title, "path": path, "verbs": verbs})
    };
    let known = descriptor::all().iter().chain(descriptor::attached()).filter(|d| d.reach(actor, LIST) != Reach::Nothing);
    Ok(std::iter::once(row("*", visit.t("Everything"))).chain(known.map(|d| row(d.about.path, title_of(visit, d)))).collect())
}

async fn add(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let (mut errors, mut status) = (json!({}), StatusCode::OK);
    let crumbs = json!([[visit.t("API keys"), url("keys")]]);
    if visit.is_post() {
        let text = |name: &str| visit.given(name).map(str::trim).filter(|text| !text.is_empty());
        let ticked: Vec<&str> = visit.form.iter().filter(|(name, _)| name == "scopes").map(|(_, scope)| scope.as_str()).collect();
        // A time that was typed is one of the business.
        let zone = visit.actor()?.zone();
        let ends = text("expires_at").map(|text| crate::kit::DateTime::parse(text, &zone).map_or(text.to_owned(), |at| at.to_string()));
        let body = json!({"name": text("name"), "scopes": ticked, "expires_at": ends});
        let answer = visit.ask(Ask::post("auth/api-keys/", &body)).await?;
        let made = answer.body.clone();
        match wrong_in(visit, answer)? {
            None => {
                // The only page that ever has it; nothing keeps it.
                let context = json!({"title": visit.t("The key was made"), "crumbs": crumbs, "url": url("keys"), "key": made["key"], "name": made["name"],
                    "scopes": plain(visit, &Kind::Texts, &made["scopes"]), "ends": plain(visit, &Kind::DateTime, &made["expires_at"])});
                return visit.page_with(StatusCode::CREATED, "administration/key.html", context).await;
            }
            Some(wrong) => errors = wrong,
        }
        status = StatusCode::BAD_REQUEST;
    }
    let mut name = asked(visit, &errors, ("text", "name", &visit.t("What it is for")), "");
    name["required"] = true.into();
    let mut ends = asked(visit, &errors, ("datetime", "expires_at", &visit.t("When it ends")), "");
    ends["help"] = visit.t("Never, when it is left empty.").into();
    let widgets = [name, ends];
    let known: Vec<Json> = widgets.iter().cloned().chain([json!({"name": "scopes"})]).collect();
    let context = json!({"title": visit.t("Make an API key"), "crumbs": crumbs, "url": visit.here(), "back": url("keys"), "scopes": scopes(visit)?,
        "scope_errors": texts(visit, &errors["scopes"]), "whole": others(visit, &errors, &known), "widgets": widgets});
    visit.page_with(status, "administration/key.html", context).await
}

async fn revoke(visit: &Visit<'_>, id: i64) -> Result<Response, Refusal> {
    let answer = visit.ask(Ask::delete(&format!("auth/api-keys/{id}/"))).await?;
    let words =
        wrong_in(visit, answer)?.map_or_else(|| visit.t("The key is good for nothing any more."), |errors| texts(visit, &errors).join(" "));
    Ok(visit.see_saying(&url("keys"), words))
}
