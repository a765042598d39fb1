//! The first start: one page that makes the administrator and names the business.

use std::sync::Arc;

use poem::{Response, http::StatusCode};
use serde_json::{Map, Value as Json, json};

use super::{
    call::{Ask, Refusal},
    session::Visit,
    sign_in,
};
use crate::{
    actor::{Actor, Business},
    auth::account::{self, NewUser},
    db::Writer,
    engine::{Options, validate::Mode, verbs},
    error::{Error, Problems},
    resources::business,
};

/// What the page asks for.
const FIELDS: [&str; 6] = ["full_name", "username", "email", "name", "currency", "timezone"];

pub(super) async fn page(visit: &Visit<'_>, token: &str) -> Result<Response, Refusal> {
    let app = &visit.panel.app;
    if !app.first.opens(&app.db, token)? {
        let detail = visit.t(
            "This link is used up, or was never good. Whoever runs the server sees a new one when it starts, as long as there is no administrator.",
        );
        return Err(Error::NotFound(detail.into()).into());
    }
    let mut context = json!({"title": visit.t("Welcome"), "url": format!("/admin/start/{token}/"), "errors": {}, "zones": zones(),
        "given": {"currency": "USD", "timezone": "UTC"}});
    if !visit.is_post() {
        return visit.page("start.html", context).await;
    }
    let given = |name: &str| visit.given(name).unwrap_or_default().trim().to_owned();
    let made = make(visit, &given).await;
    match made {
        Ok(()) => {}
        Err(Error::Invalid(problems)) => {
            context["given"] = FIELDS.iter().map(|name| ((*name).to_owned(), Json::from(given(name)))).collect::<Map<_, _>>().into();
            context["errors"] = problems.to_json();
            return visit.page_with(StatusCode::BAD_REQUEST, "start.html", context).await;
        }
        Err(error) => return Err(error.into()),
    }
    app.first.close();
    tracing::info!(target: "security", event = "first_administrator", request_id = visit.info.id);
    let body = json!({"username": given("username"), "password": visit.given("password").unwrap_or_default()});
    let answer = visit.ask(Ask::post("auth/login/", &body)).await?;
    if answer.status != 200 {
        return Ok(visit.see_saying("/admin/login/", visit.t("Everything is set up. Sign in.")));
    }
    Ok(sign_in::keep(visit, &answer, "/admin/", false))
}

/// Makes the administrator and sets up the business, both or neither.
async fn make(visit: &Visit<'_>, given: &(dyn Fn(&str) -> String + Sync)) -> Result<(), Error> {
    let app = &visit.panel.app;
    let (username, email, full_name) = (given("username"), given("email"), given("full_name"));
    let secret = visit.given("password").unwrap_or_default().to_owned();
    let mut problems = Problems::default();
    if username.is_empty() {
        problems.add("username", visit.t("This field is required."));
    }
    account::check_username(&username).into_iter().for_each(|text| problems.add("username", text));
    if !email.is_empty() {
        account::check_email(&email).into_iter().for_each(|text| problems.add("email", text));
    }
    if given("name").is_empty() {
        problems.add("name", visit.t("This field is required."));
    }
    let own = [("username", username.as_str()), ("email address", email.as_str()), ("full name", full_name.as_str())];
    let business = given("name");
    let own = own.into_iter().chain([("name of the business", business.as_str())]);
    let own: Vec<(&str, &str)> = own.filter(|(_, name)| !name.is_empty()).collect();
    app.check_password(&secret, &own, None)?.into_iter().for_each(|text| problems.add("password", text));
    if visit.given("again").unwrap_or_default() != secret {
        problems.add("again", visit.t("The two passwords are not the same."));
    }
    problems.or_ok()?;
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let password_hash = app.hasher.hash(secret).await?;
    let user = NewUser { username: some(username), email: some(email), full_name: some(full_name), password_hash, ..NewUser::default() };
    let settings: Map<String, Json> =
        ["name", "currency", "timezone"].into_iter().map(|name| (name.to_owned(), given(name).into())).collect();
    let id = app.db.read(account::default_business)?.ok_or_else(|| Error::internal("there is no active business"))?;
    let mut actor = Actor::system(visit.info.now).in_business(Business::new(id, "USD".into(), "UTC", None));
    actor.request_id.clone_from(&visit.info.id);
    actor.ip = visit.info.ip.map(|ip| ip.to_string());
    let work = move |tx: &mut Writer<'_>| {
        // Two may have the page open: the writer lets one in.
        if crate::auth::first::has_administrator(tx)? {
            return Err(Error::not_found());
        }
        verbs::change_record(tx, business::descriptor(), id, settings.clone(), Mode::Partial, Options::default())?;
        account::create_administrator(tx, user.clone()).map(drop)
    };
    app.db.write(Arc::new(actor), work).await
}

/// The zones that are offered; any other can be set later.
pub(super) fn zones() -> Vec<String> {
    let all = jiff::tz::db().available().map(|name| name.as_str().to_owned());
    let mut zones: Vec<String> = all.filter(|name| name == "UTC" || name.contains('/') && !name.starts_with("Etc/")).collect();
    zones.sort();
    zones
}
