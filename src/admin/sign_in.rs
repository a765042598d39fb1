//! Signing in, by password or passkey, with a second factor where there is one, signing out, and going to another business. The API does it all; the panel keeps
//! the cookie.

use poem::{
    Response,
    http::{StatusCode, header},
};
use serde_json::{Value as Json, json};

use super::{
    call::{Answer, Ask, Refusal},
    frame::words_of,
    passkeys,
    session::{COOKIE, Visit, with_cookie},
};
use crate::auth::device;

/// Where to go after signing in: within the panel only.
fn next<'v>(visit: &'v Visit<'_>) -> &'v str {
    let next = visit.given("next").or_else(|| visit.asked("next")).unwrap_or("/admin/");
    if next.starts_with("/admin/") && !next.contains("//") && !next.contains('\\') { next } else { "/admin/" }
}

pub(super) async fn login(visit: &Visit<'_>) -> Result<Response, Refusal> {
    if visit.signed.is_some() {
        return Ok(visit.see(next(visit)));
    }
    let username = visit.given("username").unwrap_or_default();
    let mut context =
        json!({"title": visit.t("Sign in"), "next": next(visit), "username": username, "remember": visit.given("remember").is_some()});
    context["passkeys"] = passkeys::origin(visit).into();
    if !visit.is_post() {
        return visit.page("login.html", context).await;
    }
    let remember = visit.given("remember").is_some();
    if let Some(credential) = passkeys::given(visit, "credential") {
        let answer = visit.ask(Ask::post("auth/passkeys/sign-in/", &json!({"credential": credential, "remember_me": remember}))).await?;
        let words = match answer.status {
            200 => return Ok(keep(visit, &answer, next(visit), remember)),
            400 | 401 => visit.t("This passkey does not sign in here: it may have been removed, or this took too long."),
            429 => words_of(visit, &answer.body),
            _ => return Err(answer.refusal()),
        };
        context["wrong"] = words.into();
        return visit.page_with(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST), "login.html", context).await;
    }
    let body = json!({"username": username, "password": visit.given("password").unwrap_or_default(), "remember_me": remember});
    let answer = visit.ask(Ask::post("auth/login/", &body)).await?;
    if answer.status == 200 {
        return Ok(keep(visit, &answer, next(visit), remember));
    }
    if answer.body["code"] == "totp_required" {
        let methods: Vec<&str> = answer.body["methods"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        return challenge(visit, &answer.body["challenge"], &methods.join(" "), None, remember).await;
    }
    context["wrong"] = words_of(visit, &answer.body).into();
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    if answer.status >= 500 {
        return Err(answer.refusal());
    }
    visit.page_with(status, "login.html", context).await
}

async fn challenge(
    visit: &Visit<'_>,
    challenge: &Json,
    methods: &str,
    wrong: Option<(u16, String)>,
    remember: bool,
) -> Result<Response, Refusal> {
    let status = wrong.as_ref().and_then(|(status, _)| StatusCode::from_u16(*status).ok()).unwrap_or(StatusCode::OK);
    let has = |method: &str| methods.split(' ').any(|one| one == method);
    let passkeys = passkeys::origin(visit).filter(|_| has("passkey"));
    let context = json!({"title": visit.t("One more step"), "challenge": challenge, "methods": methods, "has_app": has("totp"), "passkeys": passkeys, "next": next(visit), "wrong": wrong.map(|(_, words)| words), "remember": remember});
    visit.page_with(status, "second_factor.html", context).await
}

/// A code that was typed: of the app, or a recovery code in the same box, by the name that the API has for it.
pub(super) fn code_of(typed: &str) -> (&'static str, String) {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    let is_code = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_code { ("code", digits) } else { ("recovery_code", typed.trim().to_owned()) }
}

/// The second factor: a passkey or a code.
pub(super) async fn verify(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let Some(known) = visit.given("challenge").filter(|_| visit.is_post()) else { return Ok(visit.see("/admin/login/")) };
    let remember = visit.given("remember").is_some();
    let mut body = json!({"challenge": known});
    match passkeys::given(visit, "credential") {
        Some(credential) => body["credential"] = credential,
        None => {
            let (name, code) = code_of(visit.given("code").unwrap_or_default());
            body[name] = code.into();
        }
    }
    let answer = visit.ask(Ask::post("auth/2fa/verify/", &body)).await?;
    match (answer.status, answer.body["code"].as_str()) {
        (200, _) => Ok(keep(visit, &answer, next(visit), remember)),
        (_, Some("challenge_not_valid")) => Ok(visit.see_saying("/admin/login/", words_of(visit, &answer.body))),
        (status, _) if status >= 500 => Err(answer.refusal()),
        (status, _) => {
            let words = match &answer.body {
                Json::Object(errors) => errors.values().map(|error| words_of(visit, error)).next().unwrap_or_default(),
                other => words_of(visit, other),
            };
            let words = if answer.body["detail"].is_string() { words_of(visit, &answer.body) } else { words };
            challenge(visit, &known.into(), visit.given("methods").unwrap_or("totp"), Some((status, words)), remember).await
        }
    }
}

/// Keeps what somebody signed in with, and the mark of their device.
pub(super) fn keep(visit: &Visit<'_>, answer: &Answer, url: &str, remember: bool) -> Response {
    let lives = &visit.panel.app.sessions.lives;
    let life = if remember { lives.remember } else { lives.refresh };
    let token = answer.body["refresh"].as_str().unwrap_or_default();
    let mut response = with_cookie(visit.see(url), &visit.cookie(COOKIE, token, life));
    let lines = answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    for line in lines.filter(|line| line.split('=').next().is_some_and(|name| name.ends_with(device::COOKIE))) {
        response = with_cookie(response, line);
    }
    response
}

pub(super) async fn logout(visit: &Visit<'_>) -> Result<Response, Refusal> {
    if let Some(signed) = &visit.signed {
        visit.ask(Ask::post("auth/logout/", &json!({}))).await?;
        visit.panel.access.invalidate(&signed.cookie);
    }
    let response = visit.see_saying("/admin/login/", visit.t("You are signed out."));
    Ok(with_cookie(response, &visit.cookie(COOKIE, "", 0)))
}

/// Goes on in another business.
pub(super) async fn switch(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let business = visit.given("business").and_then(|id| id.parse::<i64>().ok());
    let answer = visit.ask(Ask::post("businesses/switch/", &json!({"business": business}))).await?;
    if answer.status >= 400 {
        return Err(answer.refusal());
    }
    Ok(keep(visit, &answer, "/admin/", true))
}
