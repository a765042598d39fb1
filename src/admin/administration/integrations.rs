//! The services that the business uses: what each is set up with, its secret, which is written and never shown, and trying it out.

use poem::{Response, http::StatusCode};
use serde_json::{Map, Value as Json, json};

use super::{asked, id_in, others, url, wrong_in};
use crate::{
    admin::{
        call::{Ask, Refusal},
        languages::{bare, key},
        session::Visit,
        widgets::texts,
    },
    error::Error,
    outbox::own::{self, Setting, Takes},
};

/// The kinds, as people call them, and what becomes of things without one.
const KINDS: [(&str, &str, &str); 4] = [
    ("smtp", key("Mail server"), key("Without one, mail leaves by the server's own.")),
    ("sms", key("Short messages"), key("Without one, short messages leave by the server's own provider.")),
    ("llm", key("Language model"), key("Without one, the assistants answer by what they know.")),
    ("webhook", key("Webhook"), key("An address that is told what happens.")),
];

pub(super) async fn page(visit: &Visit<'_>, rest: &[&str]) -> Result<Response, Refusal> {
    match rest {
        [] => list(visit).await,
        ["add"] => add(visit).await,
        [id] => one(visit, id_in(id)?).await,
        [id, "secret"] if visit.is_post() => secret(visit, id_in(id)?).await,
        [id, "test"] if visit.is_post() => test(visit, id_in(id)?).await,
        [id, "remove"] if visit.is_post() => remove(visit, id_in(id)?).await,
        _ => Err(Error::not_found().into()),
    }
}

/// What is called what: `Mail server`.
fn title_of(kind: &str) -> &'static str {
    KINDS.iter().find(|(name, ..)| *name == kind).map_or(key("Integration"), |(_, title, _)| title)
}

/// What a setting is called within a sentence.
fn title_in(kind: &str, name: &str) -> String {
    own::settings(kind).iter().find(|setting| setting.name == name).map_or(name, |setting| setting.title).to_lowercase()
}

fn config_of(record: &Json) -> Map<String, Json> {
    record["config"].as_object().cloned().unwrap_or_default()
}

async fn list(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let size = visit.panel.most().to_string();
    let found = visit.ask(Ask::get("integrations/").with("page_size", &size).with("ordering", "-created_at")).await?.done()?;
    let all = found["results"].as_array().cloned().unwrap_or_default();
    let kind = |(kind, title, without): (&str, &str, &str)| {
        let of = || all.iter().filter(|one| one["kind"] == kind);
        let is_set_up = |one: &Json| one["is_active"] == true && own::lacks(kind, &config_of(one)).is_none();
        // As the outbox chooses: the newest that is set up.
        let used = of().filter(|one| is_set_up(one)).filter_map(|one| one["id"].as_i64()).max();
        let row = |one: &Json| {
            let state = match own::lacks(kind, &config_of(one)) {
                _ if one["is_active"] == false => visit.t("Switched off"),
                Some(name) => visit.t_with("Not set up yet: {what} is missing", &[("what", &title_in(kind, name))]),
                None if one["id"].as_i64() == used => visit.t("In use"),
                None => visit.t("Set up"),
            };
            json!({"id": one["id"], "name": one["name"], "state": state, "used": one["id"].as_i64() == used, "secret": secret_of(visit, one)})
        };
        json!({"kind": kind, "title": visit.t(title), "without": visit.t(without), "rows": of().map(row).collect::<Vec<_>>()})
    };
    let kinds: Vec<Json> = KINDS.into_iter().map(kind).collect();
    visit
        .page(
            "administration/integrations.html",
            json!({"title": visit.t("Integrations"), "crumbs": [], "url": url("integrations"), "kinds": kinds}),
        )
        .await
}

/// Of a secret only how it ends.
fn secret_of(visit: &Visit<'_>, one: &Json) -> String {
    match (one["has_secret"] == true, one["secret_hint"].as_str()) {
        (true, Some(hint)) => visit.t_with("ends in {hint}", &[("hint", &hint)]),
        (true, None) => visit.t("set"),
        (false, _) => visit.t("none"),
    }
}

// ------------------------------------------------------------------------------------------------ settings

/// A setting as it stands in the form.
fn text_of(setting: &Setting, value: &Json) -> String {
    match (setting.takes, value) {
        (_, Json::Null) => String::new(),
        (Takes::Lines, Json::Array(lines)) => lines.iter().filter_map(Json::as_str).collect::<Vec<_>>().join("\n"),
        (_, Json::String(text)) => text.clone(),
        (_, other) => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}

/// What was typed as a setting; whether it fits is for the API to say.
fn value_of(setting: &Setting, text: &str) -> Json {
    let text = text.trim();
    match setting.takes {
        Takes::Lines => text.lines().map(str::trim).filter(|line| !line.is_empty()).collect(),
        Takes::Number => text.parse::<i64>().map_or_else(|_| Json::from(text), Json::from),
        Takes::Json => serde_json::from_str(text).unwrap_or_else(|_| Json::from(text)),
        Takes::Text | Takes::Choice(_) => text.into(),
    }
}

/// The form of an integration.
fn widgets(visit: &Visit<'_>, kind: &str, record: &Json, errors: &Json) -> Vec<Json> {
    // What the API says of a setting begins with its name.
    let mut errors = errors.clone();
    for text in texts(visit, &errors["config"]).iter().map(|text| bare(text)) {
        if let Some((name, text)) =
            text.split_once(": ").filter(|(name, _)| own::settings(kind).iter().any(|setting| setting.name == *name))
        {
            errors[name] = json!([visit.english(text)]);
        }
    }
    let mut name = asked(visit, &errors, ("text", "name", &visit.t("Name")), record["name"].as_str().unwrap_or_default());
    name["required"] = true.into();
    let mut active =
        asked(visit, &errors, ("bool", "is_active", &visit.t("It is used")), if record["is_active"] == false { "" } else { "true" });
    active["help"] = visit.t("Of several of a kind that are used, the newest takes the messages.").into();
    let mut all = vec![name, active];
    for setting in own::settings(kind) {
        let widget = match setting.takes {
            Takes::Text => "text",
            Takes::Number => "number",
            Takes::Choice(_) => "choice",
            Takes::Lines => "long",
            Takes::Json => "json",
        };
        let value = text_of(setting, &record["config"][setting.name]);
        let mut widget = asked(visit, &errors, (widget, setting.name, setting.title), &value);
        widget["help"] = setting.help.into();
        widget["required"] = setting.needed.into();
        if let Takes::Choice(names) = setting.takes {
            widget["empty"] = true.into();
            // One that is not offered, but allowed here, stays.
            let other = (!value.is_empty() && !names.contains(&value.as_str())).then_some(value.as_str());
            widget["options"] = names.iter().copied().chain(other).map(|name| json!({"value": name, "label": name})).collect();
        }
        all.push(widget);
    }
    all
}

/// What the form says. Settings that it does not ask for stay as they are.
fn body(visit: &Visit<'_>, kind: &str, record: &Json) -> Json {
    let mut config = config_of(record);
    for setting in own::settings(kind) {
        let text = visit.given(setting.name).unwrap_or_default();
        if text.trim().is_empty() {
            config.shift_remove(setting.name);
        } else {
            config.insert(setting.name.into(), value_of(setting, text));
        }
    }
    json!({"name": visit.given("name").unwrap_or_default().trim(), "is_active": visit.given("is_active").is_some(), "config": config})
}

async fn add(visit: &Visit<'_>) -> Result<Response, Refusal> {
    let kind = visit.asked("kind").filter(|kind| KINDS.iter().any(|(name, ..)| name == kind)).ok_or_else(Error::not_found)?;
    let (start, mut errors, mut status) =
        (json!({"name": visit.t(title_of(kind)), "is_active": true, "config": {}}), json!({}), StatusCode::OK);
    if visit.is_post() {
        let mut body = body(visit, kind, &start);
        body["kind"] = kind.into();
        let answer = visit.ask(Ask::post("integrations/", &body)).await?;
        let id = answer.body["id"].clone();
        match wrong_in(visit, answer)? {
            None => {
                return Ok(
                    visit.see_saying(&format!("{}{id}/", url("integrations")), visit.t("It was added. Set its secret, and try it out."))
                );
            }
            Some(wrong) => errors = wrong,
        }
        status = StatusCode::BAD_REQUEST;
    }
    let widgets = widgets(visit, kind, &start, &errors);
    let context = json!({"title": visit.t_with("Add: {one}", &[("one", &visit.t(title_of(kind)).to_lowercase())]), "crumbs": [[visit.t("Integrations"), url("integrations")]], "url": visit.here(),
        "back": url("integrations"), "whole": others(visit, &errors, &known(visit, &widgets, &errors)), "widgets": widgets});
    visit.page_with(status, "administration/integration.html", context).await
}

/// The widgets, and the settings as a whole if what is wrong with them stands beside single ones.
fn known(visit: &Visit<'_>, widgets: &[Json], errors: &Json) -> Vec<Json> {
    let told = widgets.iter().filter(|widget| widget["errors"].as_array().is_some_and(|errors| !errors.is_empty())).count();
    let config = (told >= texts(visit, &errors["config"]).len()).then(|| json!({"name": "config"}));
    widgets.iter().cloned().chain(config).collect()
}

async fn one(visit: &Visit<'_>, id: i64) -> Result<Response, Refusal> {
    let path = format!("integrations/{id}/");
    let record = visit.get(&path).await?;
    if !visit.is_post() {
        return show(visit, &record, json!({}), StatusCode::OK, Json::Null).await;
    }
    let kind = record["kind"].as_str().unwrap_or_default();
    let (tag, body) = (format!("\"{}-panel\"", visit.given("version").unwrap_or_default()), body(visit, kind, &record));
    let answer = visit.ask(Ask { if_match: Some(&tag), ..Ask::patch(&path, &body) }).await?;
    if answer.status == 412 {
        let words = visit.t("Somebody else changed this meanwhile. Look at it as it is now, and save again if that is what you want.");
        return show(visit, &record, json!({"": [words]}), StatusCode::BAD_REQUEST, Json::Null).await;
    }
    let lost = record["has_secret"] == true && answer.body["has_secret"] == false;
    match wrong_in(visit, answer)? {
        Some(errors) => show(visit, &record, errors, StatusCode::BAD_REQUEST, Json::Null).await,
        None if lost => {
            let words = visit.t("Your changes were saved. It goes somewhere else now: set its secret again.");
            Ok(visit.see_saying(&format!("{}{id}/", url("integrations")), words))
        }
        None => Ok(visit.see_saying(&format!("{}{id}/", url("integrations")), visit.t("Your changes were saved."))),
    }
}

async fn show(visit: &Visit<'_>, record: &Json, errors: Json, status: StatusCode, result: Json) -> Result<Response, Refusal> {
    let kind = record["kind"].as_str().unwrap_or_default();
    // What was sent to the other forms of the page is none of this one's.
    let is_saved = visit.path.ends_with(&format!("integrations/{}/", record["id"]));
    let widgets = if is_saved || !visit.is_post() { widgets(visit, kind, record, &errors) } else { untouched(visit, kind, record) };
    let place = format!("{}{}/", url("integrations"), record["id"]);
    let lacks = own::lacks(kind, &config_of(record)).map(|name| title_in(kind, name));
    let context = json!({"title": record["name"], "over": visit.t(title_of(kind)), "crumbs": [[visit.t("Integrations"), url("integrations")]], "url": place, "id": record["id"],
        "back": url("integrations"), "version": record["version"], "secret": secret_of(visit, record), "has_secret": record["has_secret"],
        "tests": matches!(kind, "smtp" | "sms"), "mail": kind == "smtp", "lacks": lacks, "to": visit.given("to"), "result": result,
        "to_errors": texts(visit, &errors["to"]), "secret_errors": texts(visit, &errors["secret"]),
        "whole": others(visit, &errors, &known(visit, &widgets, &errors).into_iter().chain([json!({"name": "to"}), json!({"name": "secret"})]).collect::<Vec<_>>()),
        "widgets": widgets});
    visit.page_with(status, "administration/integration.html", context).await
}

/// The form with what is stored, whatever was sent.
fn untouched(visit: &Visit<'_>, kind: &str, record: &Json) -> Vec<Json> {
    let mut all = widgets(visit, kind, record, &json!({}));
    for widget in &mut all {
        let name = widget["name"].as_str().unwrap_or_default().to_owned();
        let setting = own::settings(kind).iter().find(|setting| setting.name == name);
        widget["value"] = match (setting, name.as_str()) {
            (Some(setting), _) => text_of(setting, &record["config"][setting.name]).into(),
            (None, "is_active") => if record["is_active"] == true { "true" } else { "" }.into(),
            (None, _) => record[name.as_str()].clone(),
        };
    }
    all
}

// ------------------------------------------------------------------------------------------------ what is done with one

async fn secret(visit: &Visit<'_>, id: i64) -> Result<Response, Refusal> {
    let record = visit.get(&format!("integrations/{id}/")).await?;
    let given = visit.given("secret").unwrap_or_default();
    if given.is_empty() && visit.given("take").is_none() {
        return show(visit, &record, json!({"secret": [visit.t("Enter the secret.")]}), StatusCode::BAD_REQUEST, Json::Null).await;
    }
    let (path, body) = (format!("integrations/{id}/secret/"), json!({"secret": given}));
    let ask = Ask { method: poem::http::Method::PUT, ..Ask::post(&path, &body) };
    let answer = visit.ask(ask).await?;
    match wrong_in(visit, answer)? {
        Some(errors) => show(visit, &record, errors, StatusCode::BAD_REQUEST, Json::Null).await,
        None => {
            let words = visit.t(if given.is_empty() {
                key("The secret was taken away.")
            } else {
                key("The secret was set. It is not shown again.")
            });
            Ok(visit.see_saying(&format!("{}{id}/", url("integrations")), words))
        }
    }
}

async fn test(visit: &Visit<'_>, id: i64) -> Result<Response, Refusal> {
    let record = visit.get(&format!("integrations/{id}/")).await?;
    let to = visit.given("to").map(str::trim).filter(|to| !to.is_empty());
    let (path, body) = (format!("integrations/{id}/test/"), to.map_or_else(|| json!({}), |to| json!({"to": to})));
    let answer = visit.ask(Ask::post(&path, &body)).await?;
    let result = answer.body.clone();
    match wrong_in(visit, answer)? {
        Some(errors) => show(visit, &record, errors, StatusCode::BAD_REQUEST, Json::Null).await,
        None => show(visit, &record, json!({}), StatusCode::OK, result).await,
    }
}

async fn remove(visit: &Visit<'_>, id: i64) -> Result<Response, Refusal> {
    let answer = visit.ask(Ask::delete(&format!("integrations/{id}/"))).await?;
    Ok(match wrong_in(visit, answer)? {
        None => visit.see_saying(&url("integrations"), visit.t("It was removed, and its secret with it.")),
        Some(errors) => visit.see_saying(&format!("{}{id}/", url("integrations")), texts(visit, &errors).join(" ")),
    })
}
