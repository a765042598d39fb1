//! Signing in, with a second factor where there is one, signing out, and going to another business. The API does it all; the panel keeps
//! the cookie.

use poem::{
    Response,
    http::{StatusCode, header},
};
use serde_json::{Value as Json, json};

use super::{
    call::{Answer, Ask, Refusal},
    frame::words_of,
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
    if !visit.is_post() {
        return visit.page("login.html", context).await;
    }
    let remember = visit.given("remember").is_some();
    let body = json!({"username": username, "password": visit.given("password").unwrap_or_default(), "remember_me": remember});
    let answer = visit.ask(Ask::post("auth/login/", &body)).await?;
    if answer.status == 200 {
        return Ok(keep(visit, &answer, next(visit), remember));
    }
    if answer.body["code"] == "totp_required" {
        return challenge(visit, &answer.body["challenge"], None, remember).await;
    }
    context["wrong"] = words_of(&answer.body).into();
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    if answer.status >= 500 {
        return Err(answer.refusal());
    }
    visit.page_with(status, "login.html", context).await
}

async fn challenge(visit: &Visit<'_>, challenge: &Json, wrong: Option<(u16, String)>, remember: bool) -> Result<Response, Refusal> {
    let status = wrong.as_ref().and_then(|(status, _)| StatusCode::from_u16(*status).ok()).unwrap_or(StatusCode::OK);
    let context = json!({"title": visit.t("One more step"), "challenge": challenge, "next": next(visit), "wrong": wrong.map(|(_, words)| words), "remember": remember});
    visit.page_with(status, "second_factor.html", context).await
}

/// The second factor: a code of the app, or a recovery code in the same box.
pub(super) async fn verify(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let Some(known) = visit.given("challenge").filter(|_| visit.is_post()) else { return Ok(visit.see("/admin/login/")) };
    let remember = visit.given("remember").is_some();
    let code: String = visit.given("code").unwrap_or_default().trim().to_owned();
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let is_code = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let mut body = json!({"challenge": known});
    body[if is_code { "code" } else { "recovery_code" }] = if is_code { digits } else { code }.into();
    let answer = visit.ask(Ask::post("auth/2fa/verify/", &body)).await?;
    match (answer.status, answer.body["code"].as_str()) {
        (200, _) => Ok(keep(visit, &answer, next(visit), remember)),
        (_, Some("challenge_not_valid")) => Ok(visit.see_saying("/admin/login/", words_of(&answer.body))),
        (status, _) if status >= 500 => Err(answer.refusal()),
        (status, _) => {
            let words = match &answer.body {
                Json::Object(errors) => errors.values().map(words_of).next().unwrap_or_default(),
                other => words_of(other),
            };
            let words = if answer.body["detail"].is_string() { words_of(&answer.body) } else { words };
            challenge(visit, &known.into(), Some((status, words)), remember).await
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
