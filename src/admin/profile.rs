//! One's own profile: name, password, sessions, second factor.

use poem::{Response, http::StatusCode};
use serde_json::{Map, Value as Json, json};

use super::{
    call::{Ask, Refusal},
    cells::moment,
    frame::words_of,
    languages::{self, key},
    passkeys,
    session::{COOKIE, Visit, with_cookie},
    sign_in::code_of,
};
use crate::error::Error;

/// What people may change of themselves here.
const OWN: [&str; 4] = ["full_name", "username", "phone", "timezone"];
const PLACE: &str = "/admin/profile/";
/// In seconds.
const YEAR: i64 = 31_536_000;

pub(super) async fn page(visit: &Visit<'_>, what: Option<&str>) -> Result<Response, Refusal> {
    match what {
        None if visit.is_post() => names(visit).await,
        None => show(visit, StatusCode::OK, json!({})).await,
        Some("password") if visit.is_post() => password(visit).await,
        Some("sessions") if visit.is_post() => sessions(visit).await,
        Some("language") if visit.is_post() => Ok(language(visit)),
        Some("confirm") if visit.is_post() => confirm(visit).await,
        _ => Err(Error::not_found().into()),
    }
}

async fn show(visit: &Visit<'_>, status: StatusCode, errors: Json) -> Result<Response, Refusal> {
    let me = visit.get("auth/me/").await?;
    let session = |one: &Json| {
        json!({"id": one["id"], "device": one["device"].as_str().map(|device| visit.name(device)), "address": one["ip_address"], "current": one["current"],
            "used": moment(visit, one["last_used_at"].as_str().unwrap_or_default()), "since": moment(visit, one["created_at"].as_str().unwrap_or_default())})
    };
    let sessions = visit.get("auth/sessions/").await?;
    let sessions: Vec<Json> = sessions["results"].as_array().into_iter().flatten().map(session).collect();
    let value = |name: &str| visit.given(name).map_or_else(|| me[name].clone(), Json::from);
    let titles = [
        ("full_name", key("Name"), "text"),
        ("username", key("User name"), "text"),
        ("phone", key("Phone"), "tel"),
        ("timezone", key("Time zone"), "text"),
    ];
    let fields: Vec<Json> = titles
        .into_iter()
        .map(|(name, title, kind)| {
            json!({"name": name, "id": format!("f-{name}"), "title": visit.t(title), "kind": kind, "value": value(name), "errors": super::widgets::texts(visit, &errors[name])})
        })
        .collect();
    let factor = visit.ask(Ask::get("auth/2fa/")).await?;
    let passkeys = passkeys::own(visit, &factor.body);
    let context = json!({"title": visit.t("Your profile"), "passkeys": passkeys, "crumbs": [], "fields": fields, "errors": errors, "email": me["email"], "sessions": sessions,
        "factor": (factor.status == 200).then_some(factor.body), "languages": offered(visit), "next": visit.asked("next")});
    visit.page_with(status, "profile.html", context).await
}

/// The languages, with that of the browser first; which of them was chosen.
fn offered(visit: &Visit<'_>) -> Vec<Json> {
    let chosen = languages::chosen(visit).unwrap_or_default();
    let known = languages::all().iter().map(|language| (language.code, language.name.clone()));
    let all = std::iter::once(("", visit.t("As the browser has it"))).chain(known);
    all.map(|(code, name)| json!({"code": code, "name": name, "current": code == chosen})).collect()
}

/// Keeps the language that was chosen, on this device.
fn language(visit: &Visit<'_>) -> Response {
    let chosen = visit.given("language").and_then(languages::of).map(|language| language.code);
    with_cookie(visit.see(PLACE), &visit.cookie(languages::COOKIE, chosen.unwrap_or_default(), if chosen.is_some() { YEAR } else { 0 }))
}

async fn names(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let given = OWN.into_iter().filter_map(|name| Some((name.to_owned(), visit.given(name)?.trim())));
    // What is left empty is none.
    let body: Map<String, Json> = given.map(|(name, value)| (name, if value.is_empty() { Json::Null } else { value.into() })).collect();
    let body = Json::Object(body);
    let answer = visit.ask(Ask::patch("auth/me/", &body)).await?;
    match answer.status {
        400 => show(visit, StatusCode::BAD_REQUEST, answer.body).await,
        _ => answer.done().map(|_| visit.see_saying(PLACE, visit.t("Your profile was saved."))),
    }
}

async fn password(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let text = |name: &str| visit.given(name).unwrap_or_default();
    if text("new_password") != text("again") {
        return show(visit, StatusCode::BAD_REQUEST, json!({"again": [visit.t("The two passwords are not the same.")]})).await;
    }
    let body = json!({"current_password": text("current_password"), "new_password": text("new_password")});
    let answer = visit.ask(Ask::post("auth/password-change/", &body)).await?;
    if matches!(answer.status, 400 | 429) {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
        let errors =
            if answer.body["detail"].is_string() { json!({"current_password": [words_of(visit, &answer.body)]}) } else { answer.body };
        return show(visit, status, errors).await;
    }
    // All sessions are over, and this one goes on with what came for it.
    let body = answer.done()?;
    let token = body["refresh"].as_str().unwrap_or_default();
    let response = visit.see_saying(PLACE, visit.t("Your password was changed, and all other sessions were ended."));
    Ok(with_cookie(response, &visit.cookie(COOKIE, token, visit.panel.app.sessions.lives.refresh)))
}

async fn sessions(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let answer = match visit.given("id") {
        Some("others") | None => visit.ask(Ask::post("auth/sessions/end-others/", &json!({}))).await?,
        Some(id) if id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) => {
            visit.ask(Ask::delete(&format!("auth/sessions/{id}/"))).await?
        }
        Some(_) => return Err(Error::not_found().into()),
    };
    answer.done()?;
    Ok(visit.see_saying(PLACE, visit.t("Done.")))
}

/// Proves anew who they are: what is sensitive asks for that.
async fn confirm(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let mut body = json!({"password": visit.given("password").unwrap_or_default()});
    if let Some(code) = visit.given("code").filter(|code| !code.trim().is_empty()) {
        let (name, code) = code_of(code);
        body[name] = code.into();
    }
    if let Some(credential) = passkeys::given(visit, "credential") {
        body = json!({"credential": credential});
    }
    let answer = visit.ask(Ask::post("auth/reauthenticate/", &body)).await?;
    let next = visit.given("next").filter(|next| !next.is_empty()).unwrap_or(PLACE);
    match answer.status {
        200 => Ok(visit.see_saying(next, visit.t("Thank you. Go on."))),
        400 | 401 | 429 => Ok(visit.see_saying(PLACE, words_of(visit, &answer.body))),
        _ => Err(answer.refusal()),
    }
}

/// Setting second factors up, and taking them away.
pub(super) async fn two_factor(visit: &Visit<'_>, _: Option<&str>) -> Result<Response, Refusal> {
    let text = |name: &str| visit.given(name).unwrap_or_default().trim().to_owned();
    let mut context = json!({"title": visit.t("Two-factor authentication"), "crumbs": [[visit.t("Your profile"), PLACE]]});
    let mut status = StatusCode::OK;
    if let Some(step) = visit.given("step").and_then(|step| step.strip_prefix("passkey-")).filter(|_| visit.is_post()) {
        match passkeys::step(visit, step).await? {
            passkeys::Done::Said(words) => return Ok(visit.see_saying(passkeys::PLACE, words)),
            passkeys::Done::Codes(codes) => context["codes"] = codes,
            passkeys::Done::Wrong(words) => {
                context["wrong"] = words.into();
                status = StatusCode::BAD_REQUEST;
            }
        }
    } else if visit.is_post() {
        let (path, body) = match visit.given("step") {
            Some("setup") => ("auth/2fa/setup/", json!({"password": text("password")})),
            Some("confirm") => ("auth/2fa/confirm/", json!({"code": text("code").replace(' ', "")})),
            Some("disable") => {
                let (name, code) = code_of(&text("code"));
                let mut body = json!({"password": text("password")});
                body[name] = code.into();
                ("auth/2fa/disable/", body)
            }
            _ => return Err(Error::not_found().into()),
        };
        let answer = visit.ask(Ask::post(path, &body)).await?;
        match answer.status {
            200 | 204 if path.ends_with("setup/") => context["setup"] = answer.body,
            // Whoever has a passkey has codes already.
            200 if path.ends_with("confirm/") && answer.body["recovery_codes"] == json!([]) => {
                return Ok(visit.see_saying(PLACE, visit.t("It is on")));
            }
            200 | 204 if path.ends_with("confirm/") => context["codes"] = answer.body["recovery_codes"].clone(),
            200 | 204 => return Ok(visit.see_saying(PLACE, visit.t("Two-factor authentication is off."))),
            403 if answer.body["code"] == "reauthentication_required" => return Err(answer.refusal()),
            400 | 401 | 403 | 409 | 429 => {
                context["wrong"] = words_of(visit, &answer.body).into();
                // The secret is shown until a code of it was right.
                if path.ends_with("confirm/") {
                    context["setup"] = json!({"secret": text("secret")});
                }
                status = StatusCode::BAD_REQUEST;
            }
            _ => return Err(answer.refusal()),
        }
    }
    context["factor"] = visit.get("auth/2fa/").await?;
    passkeys::show(visit, &mut context).await?;
    visit.page_with(status, "two_factor.html", context).await
}
