//! What is sensitive asks for a proof that is minutes old. Whoever has none confirms their password, or uses a passkey, on a page of its own, and what they
//! have sent is carried out then.

use poem::{Response, http::StatusCode};
use serde_json::json;

use super::{
    call::{Ask, Refusal},
    frame::words_of,
    passkeys,
    session::Visit,
    sign_in::code_of,
};

/// What the page asks for, beside what was sent.
const PASSWORD: &str = "confirm_password";
const CODE: &str = "confirm_code";
const CREDENTIAL: &str = "confirm_credential";
/// What password managers are told.
const LOGIN: &str = "login";

/// Was a form refused for want of a proof?
pub(super) fn is_for(visit: &Visit<'_>, refusal: &Refusal) -> bool {
    visit.is_post() && refusal.status == 403 && refusal.body["code"] == "reauthentication_required"
}

/// Looks at a proof that comes with a form; the page once more, if it was wrong. The form goes on without it.
pub(super) async fn first(visit: &mut Visit<'_>) -> Result<Option<Response>, Refusal> {
    if visit.signed.is_none() {
        return Ok(None);
    }
    let body = match (passkeys::given(visit, CREDENTIAL), visit.given(PASSWORD)) {
        (Some(credential), _) => json!({"credential": credential}),
        (None, Some(password)) => {
            let mut body = json!({"password": password});
            if let Some(code) = visit.given(CODE).filter(|code| !code.trim().is_empty()) {
                let (name, code) = code_of(code);
                body[name] = code.into();
            }
            body
        }
        (None, None) => return Ok(None),
    };
    let answer = visit.ask(Ask::post("auth/reauthenticate/", &body)).await?;
    visit.form.retain(|(name, _)| ![PASSWORD, CODE, CREDENTIAL, LOGIN].contains(&name.as_str()));
    match answer.status {
        200 => Ok(None),
        400 | 401 | 429 => page(visit, Some(words_of(visit, &answer.body))).await.map(Some),
        _ => Err(answer.refusal()),
    }
}

/// Asks for the password. What was sent stands in the page, but for what is secret: that is typed again.
pub(super) async fn page(visit: &Visit<'_>, wrong: Option<String>) -> Result<Response, Refusal> {
    let is_secret = |name: &str| name.contains("password") || name.contains("secret");
    let sent = || visit.form.iter().filter(|(name, _)| name != "csrf");
    let kept: Vec<_> = sent().filter(|(name, _)| !is_secret(name)).collect();
    let again: Vec<_> = sent().filter(|(name, value)| is_secret(name) && !value.is_empty()).map(|(name, _)| name).collect();
    let factor = visit.ask(Ask::get("auth/2fa/")).await?;
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
    let context = json!({"title": visit.t("Confirm that it is you"), "crumbs": [], "url": visit.here(), "kept": kept, "again": again, "wrong": wrong,
        "takes_code": passkeys::has_factor(&factor.body), "has_app": factor.body["enabled"] == true, "passkeys": passkeys::own(visit, &factor.body)});
    visit.page_with(status, "administration/confirm.html", context).await
}
