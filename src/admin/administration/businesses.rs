//! The businesses that somebody belongs to: going to another, and making one.

use poem::{Response, http::StatusCode};
use serde_json::{Value as Json, json};

use super::{others, url, wrong_in};
use crate::{
    admin::{
        call::{Ask, Refusal},
        input,
        session::Visit,
        start::zones,
        widgets::{Filling, Pickers, start_of},
    },
    engine::field::Field,
    error::Error,
    resources::business,
};

/// What a business is made with; all else has its place in the settings.
const ASKED: [&str; 4] = ["name", "currency", "timezone", "country"];

pub(super) async fn page(visit: &Visit<'_>, rest: &[&str]) -> Result<Response, Refusal> {
    match rest {
        [] => list(visit).await,
        ["add"] if may_add(visit)? => add(visit).await,
        ["add"] => Err(Error::forbidden().into()),
        _ => Err(Error::not_found().into()),
    }
}

fn may_add(visit: &Visit<'_>) -> Result<bool, Refusal> {
    Ok(visit.actor()?.is_superuser || visit.panel.app.config.auth.create_business)
}

async fn list(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let found = visit.get("businesses/").await?;
    let row = |one: &Json| {
        json!({"id": one["id"], "name": one["name"], "role": visit.heading_of(one["role"].as_str().unwrap_or("citizen")), "currency": one["currency"],
            "timezone": one["timezone"], "current": one["is_current"]})
    };
    let rows: Vec<Json> = found["results"].as_array().into_iter().flatten().map(row).collect();
    let context = json!({"title": visit.t("Businesses"), "crumbs": [], "url": url("businesses"), "rows": rows, "adds": may_add(visit)?});
    visit.page("administration/businesses.html", context).await
}

async fn add(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let fields: Vec<&Field> = business::descriptor().fields.iter().filter(|field| ASKED.contains(&field.name)).collect();
    let start: Json = Json::Object(fields.iter().map(|field| (field.name.to_owned(), start_of(field))).collect());
    let (mut errors, mut status) = (json!({}), StatusCode::OK);
    if visit.is_post() {
        let input = input::read(visit, &fields, &start, true).await?;
        errors = Json::Object(input.errors);
        if errors == json!({}) {
            let body = Json::Object(input.fields);
            match wrong_in(visit, visit.ask(Ask::post("businesses/", &body)).await?)? {
                None => {
                    return Ok(visit.see_saying(
                        &url("businesses"),
                        visit.t("The business was made. You are its administrator: go there to set it up."),
                    ));
                }
                Some(wrong) => errors = wrong,
            }
        }
        status = StatusCode::BAD_REQUEST;
    }
    let (mut pickers, mut widgets) = (Pickers::default(), vec![]);
    let filling = Filling { record: &start, given: visit.is_post().then_some(&visit.form), errors: &errors };
    for field in &fields {
        let mut widget = pickers.widget(visit, field, field.name, &filling).await?;
        if field.name == "timezone" {
            widget["kind"] = "choice".into();
            widget["options"] = zones().iter().map(|zone| json!({"value": zone, "label": zone})).collect();
        }
        widgets.push(widget);
    }
    let context = json!({"title": visit.t("Make a business"), "crumbs": [[visit.t("Businesses"), url("businesses")]], "url": visit.here(), "back": url("businesses"),
        "whole": others(visit, &errors, &widgets), "widgets": widgets});
    visit.page_with(status, "administration/businesses.html", context).await
}
