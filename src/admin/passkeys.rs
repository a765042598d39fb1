//! Passkeys in the panel: what its script asks a browser for, and one's own on the page of second factors.

use poem::{Response, http::StatusCode};
use serde_json::{Value as Json, json};

use super::{
    call::{Ask, Refusal},
    cells::moment,
    frame::words_of,
    session::Visit,
};
use crate::{auth::passkey::site::Site, error::Error};

/// The page that they are on.
pub(super) const PLACE: &str = "/admin/profile/two-factor/";

/// Where passkeys work, if they work where the visitor is.
pub(super) fn origin(visit: &Visit<'_>) -> Option<String> {
    let site = Site::of(&visit.panel.app.config.server, &visit.info.origin).ok()?;
    site.origins.into_iter().next()
}

/// The same, for somebody who has one; `factor` is what the API says of their second factors.
pub(super) fn own(visit: &Visit<'_>, factor: &Json) -> Option<String> {
    origin(visit).filter(|_| factor["passkeys"].as_i64().is_some_and(|count| count > 0))
}

/// Has somebody a second factor of any kind?
pub(super) fn has_factor(factor: &Json) -> bool {
    factor["enabled"] == true || factor["passkeys"].as_i64().is_some_and(|count| count > 0)
}

/// What the script has put into a form: the answer of the browser.
pub(super) fn given(visit: &Visit<'_>, name: &str) -> Option<Json> {
    visit.given(name).filter(|text| !text.is_empty()).map(Json::from)
}

/// What the script is to ask the browser, for the form that it is in.
pub(super) async fn begin(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let text = |name: &str| visit.given(name).unwrap_or_default();
    let (path, body) = match text("what") {
        "sign-in" => ("auth/passkeys/sign-in/begin/", json!({})),
        "second" => ("auth/2fa/verify/begin/", json!({"challenge": text("challenge")})),
        "confirm" => ("auth/reauthenticate/begin/", json!({})),
        "add" => ("auth/passkeys/begin/", json!({"password": text("password")})),
        _ => return Err(Error::not_found().into()),
    };
    let answer = visit.ask(Ask::post(path, &body)).await?;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    let said =
        if answer.status < 400 { answer.body } else { json!({"code": answer.body["code"], "detail": words_of(visit, &answer.body)}) };
    Ok(Response::builder().status(status).content_type("application/json").header("cache-control", "no-store").body(said.to_string()))
}

/// What came of a step.
pub(super) enum Done {
    Said(String),
    /// Recovery codes to be shown.
    Codes(Json),
    Wrong(String),
}

/// Adds, renames or removes one.
pub(super) async fn step(visit: &Visit<'_>, step: &str) -> Result<Done, Refusal> {
    let place = || {
        let id = visit.given("id").and_then(|id| id.parse::<i64>().ok()).ok_or_else(Error::not_found)?;
        Ok::<_, Refusal>(format!("auth/passkeys/{id}/"))
    };
    let name = visit.given("name").unwrap_or_default();
    let answer = match step {
        "add" => {
            let body = json!({"name": name, "credential": given(visit, "credential")});
            visit.ask(Ask::post("auth/passkeys/", &body)).await?
        }
        "rename" => visit.ask(Ask::patch(&place()?, &json!({"name": name}))).await?,
        "remove" => visit.ask(Ask::delete(&place()?)).await?,
        _ => return Err(Error::not_found().into()),
    };
    match (answer.status, step) {
        (201, _) if answer.body["recovery_codes"] != json!([]) => Ok(Done::Codes(answer.body["recovery_codes"].clone())),
        (201, _) => Ok(Done::Said(visit.t("The passkey was added."))),
        (204, _) => Ok(Done::Said(visit.t("The passkey was removed."))),
        (200, _) => Ok(Done::Said(visit.t("The passkey has another name now."))),
        (400 | 409, _) => Ok(Done::Wrong(words_of(visit, &answer.body))),
        _ => Err(answer.refusal()),
    }
}

/// Puts one's own on the page.
pub(super) async fn show(visit: &Visit<'_>, context: &mut Json) -> Result<(), Refusal> {
    let page = visit.get("auth/passkeys/").await?;
    let at = |time: &Json| time.as_str().map(|time| moment(visit, time));
    let one = |one: &Json| json!({"id": one["id"], "name": one["name"], "synced": one["synced"], "since": at(&one["created_at"]), "used": at(&one["last_used_at"])});
    context["keys"] = page["results"].as_array().into_iter().flatten().map(one).collect();
    context["unavailable"] = page["unavailable_because"].clone();
    context["passkeys"] = origin(visit).into();
    Ok(())
}
