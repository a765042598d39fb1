//! Administration: people and their rights, the business and the services that it uses, the keys of its machines, what was done, what is
//! sent, and the server itself. One file a page; whatever stands on it is read and changed through the API.

mod audit;
mod businesses;
mod integrations;
mod keys;
mod messages;
mod people;
pub(super) mod settings;
mod system;

use poem::Response;
use serde_json::{Value as Json, json};

use super::{
    call::{Answer, Refusal},
    form::{errors_of, is_about_input},
    languages::key,
    session::Visit,
    widgets::texts,
};
use crate::{
    actor::{Actor, Role},
    engine::Descriptor,
    error::Error,
};

macro_rules! page {
    ($name:literal) => {
        (concat!("administration/", $name, ".html"), include_str!(concat!("../pages/administration/", $name, ".html")))
    };
}

/// The templates.
pub(super) const PAGES: &[(&str, &str)] = &[
    page!("audit"),
    page!("businesses"),
    page!("confirm"),
    page!("end"),
    page!("integration"),
    page!("integrations"),
    page!("invite"),
    page!("key"),
    page!("keys"),
    page!("outbox"),
    page!("parts"),
    page!("people"),
    page!("person"),
    page!("settings"),
    page!("system"),
];

/// A page of the section.
struct Place {
    /// Below `/admin/administration/`.
    name: &'static str,
    title: &'static str,
    /// Who finds it in the menu; what they may do there is for the API to say.
    may: fn(&Actor) -> bool,
    /// The list that it is shown instead of.
    instead_of: &'static str,
}

const PLACES: &[Place] = &[
    Place { name: "people", title: key("People and roles"), may: Actor::is_manager, instead_of: "" },
    Place { name: "businesses", title: key("Businesses"), may: administers, instead_of: "" },
    Place { name: "integrations", title: key("Integrations"), may: administers, instead_of: "integrations" },
    Place { name: "keys", title: key("API keys"), may: Actor::is_manager, instead_of: "" },
    Place { name: "audit", title: key("Audit log"), may: administers, instead_of: "" },
    Place { name: "outbox", title: key("Jobs and outbox"), may: administers, instead_of: "" },
    Place { name: "system", title: key("System"), may: |actor| actor.is_superuser, instead_of: "" },
];

fn administers(actor: &Actor) -> bool {
    actor.role == Role::Admin
}

/// The items of the menu.
pub(super) fn items(visit: &Visit<'_>, actor: &Actor) -> Option<Vec<Json>> {
    let path = visit.path.as_str();
    let item = |place: &Place| {
        let is_current =
            path.strip_prefix("administration/").and_then(|rest| rest.strip_prefix(place.name)).is_some_and(|rest| rest.starts_with('/'));
        json!({"title": visit.t(place.title), "url": url(place.name), "current": is_current})
    };
    let mut items: Vec<Json> = PLACES.iter().filter(|place| (place.may)(actor)).map(item).collect();
    if administers(actor) {
        items.insert(1, json!({"title": visit.t("Settings"), "url": "/admin/settings/", "current": path == "settings/"}));
    }
    (!items.is_empty()).then_some(items)
}

/// Is a page of the section in the menu instead of this list?
pub(super) fn stands_for(d: &Descriptor, actor: &Actor) -> bool {
    PLACES.iter().any(|place| place.instead_of == d.about.path && (place.may)(actor))
}

fn url(name: &str) -> String {
    format!("/admin/administration/{name}/")
}

/// The page of a path.
pub(super) async fn page(visit: &Visit<'_>, parts: &[&str]) -> Result<Response, Refusal> {
    let Some((name, rest)) = parts.split_first() else { return Err(Error::not_found().into()) };
    let place = PLACES.iter().find(|place| place.name == *name).ok_or_else(Error::not_found)?;
    if !(place.may)(visit.actor()?) {
        return Err(Error::forbidden().into());
    }
    match *name {
        "audit" => audit::page(visit, rest).await,
        "businesses" => businesses::page(visit, rest).await,
        "integrations" => integrations::page(visit, rest).await,
        "keys" => keys::page(visit, rest).await,
        "outbox" => messages::page(visit, rest).await,
        "people" => people::page(visit, rest).await,
        "system" => system::page(visit, rest).await,
        _ => Err(Error::not_found().into()),
    }
}

// ------------------------------------------------------------------------------------------------ forms

/// Asks for something: what was typed stands in it, else `value`; what is wrong with it stands beside it.
fn asked(visit: &Visit<'_>, errors: &Json, (kind, name, title): (&str, &str, &str), value: &str) -> Json {
    let value = if visit.is_post() { visit.given(name).unwrap_or_default() } else { value };
    json!({"kind": kind, "name": name, "id": format!("f-{name}"), "title": title, "value": value, "errors": texts(visit, &errors[name])})
}

/// What an answer leaves to say: nothing, or what is wrong with which field. What no form can show is a page of its own.
fn wrong_in(visit: &Visit<'_>, answer: Answer) -> Result<Option<Json>, Refusal> {
    if is_about_input(answer.status) || answer.status == 429 {
        return Ok(Some(errors_of(visit, &answer)));
    }
    answer.done().map(|_| None)
}

/// What is wrong with nothing that the page asks for.
fn others(visit: &Visit<'_>, errors: &Json, known: &[Json]) -> Vec<String> {
    let is_known = |name: &str| known.iter().any(|widget| widget["name"] == name);
    errors.as_object().into_iter().flatten().filter(|(name, _)| !is_known(name)).flat_map(|(_, error)| texts(visit, error)).collect()
}

/// A number that an address names.
fn id_in(part: &str) -> Result<i64, Refusal> {
    part.parse().map_err(|_| Error::not_found().into())
}
