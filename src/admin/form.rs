//! Forms: a new record, a change of one; and what to do when somebody else was faster.

use poem::{Response, http::StatusCode};
use serde_json::{Map, Value as Json, json};

use super::{
    call::{Answer, Ask, Refusal},
    cells::{columns, plain},
    detour,
    frame::{one_of, title_of, url_of},
    groups, input,
    session::Visit,
    shelf::secret,
    widgets::{Filling, Pickers, start_of, texts},
};
use crate::{
    engine::{
        CREATE, Descriptor, Reach, UPDATE, descriptor,
        field::{Field, Kind},
        query::{Parameters, parameter},
    },
    error::Error,
};

/// The fields that somebody fills in. Who may only change what is their own is asked for what that leaves to them.
fn asked_for<'d>(visit: &Visit<'_>, d: &'d Descriptor, is_new: bool) -> Result<Vec<&'d Field>, Refusal> {
    let actor = visit.actor()?;
    let limited = !is_new && d.reach(actor, UPDATE) == Reach::Own && !d.about.self_service.is_empty();
    let open = |field: &&Field| {
        !field.server_set && !field.hidden && d.is_open(field.name, actor) && (!limited || d.about.self_service.contains(&field.name))
    };
    Ok(d.fields.iter().filter(open).collect())
}

/// A form as a page.
struct Form<'a> {
    d: &'static Descriptor,
    fields: &'a [&'a Field],
    record: &'a Json,
    /// What was typed, when it was refused.
    given: Option<&'a Parameters>,
    errors: Json,
    context: Json,
}

impl Form<'_> {
    async fn page(self, visit: &Visit<'_>, status: StatusCode) -> Result<Response, Refusal> {
        let (mut pickers, mut widgets) = (Pickers::with_detours(), vec![]);
        let filling = Filling { record: self.record, given: self.given, errors: &self.errors };
        for field in self.fields {
            widgets.push(pickers.widget(visit, field, field.name, &filling).await?);
        }
        // What belongs to no field that is shown stands above all.
        let known = |name: &str| self.fields.iter().any(|field| field.name == name);
        let others = self.errors.as_object().into_iter().flatten().filter(|(name, _)| !known(name));
        let whole: Vec<String> = others.flat_map(|(_, error)| texts(visit, error)).collect();
        let wrong: Vec<Json> = self
            .fields
            .iter()
            .filter(|field| !self.errors[field.name].is_null())
            .map(|field| json!({"id": format!("f-{}", field.name), "title": visit.heading(field)}))
            .collect();
        let mut context = self.context;
        let (long, short): (Vec<Json>, Vec<Json>) = widgets.into_iter().partition(|widget| widget["kind"] == "lines");
        context["groups"] = groups::of_form(visit, self.d, self.fields, paired(visit, short)).into();
        context["grids"] = long.into();
        context["whole"] = whole.into();
        context["wrong"] = wrong.into();
        // What is typed into a form that came back is not stored anywhere.
        context["dirty"] = self.given.is_some().into();
        context["key"] = secret()?.into();
        visit.page_with(status, "form.html", context).await
    }
}

/// A place is two numbers that stand beside each other.
fn paired(visit: &Visit<'_>, widgets: Vec<Json>) -> Vec<Json> {
    let mut all: Vec<Json> = vec![];
    for widget in widgets {
        match all.last_mut() {
            Some(before) if before["name"] == "lat" && widget["name"] == "lon" => {
                let first = before.take();
                *before = json!({"kind": "pair", "name": "place", "title": visit.t("Coordinates"), "parts": [first, widget]});
            }
            _ => all.push(widget),
        }
    }
    all
}

/// What a refusal says of which field.
pub(super) fn errors_of(visit: &Visit<'_>, answer: &Answer) -> Json {
    let body = super::frame::in_words(visit, &answer.body);
    match (&body, body["detail"].as_str()) {
        (Json::Object(_), Some(detail)) => json!({"": [detail]}),
        (Json::Object(errors), None) => Json::Object(errors.clone()),
        (other, _) => json!({"": texts(visit, other)}),
    }
}

/// A refusal that a form can show; any other is a page of its own.
pub(super) fn is_about_input(status: u16) -> bool {
    matches!(status, 400 | 409 | 422)
}

/// Where to go once it is saved.
fn next(visit: &Visit<'_>, d: &Descriptor, id: &Json) -> String {
    match visit.given("then") {
        Some("another") => format!("{}add/", url_of(d)),
        Some("continue") => format!("{}{id}/change/", url_of(d)),
        _ => format!("{}{id}/", url_of(d)),
    }
}

/// May the visitor make such a record by a form?
pub(super) fn may_add(visit: &Visit<'_>, d: &Descriptor) -> bool {
    let is_known = descriptor::all().iter().any(|known| known.name == d.name);
    is_known
        && !d.about.read_only
        && d.about.access.grants(CREATE)
        && visit.actor().is_ok_and(|actor| d.reach(actor, CREATE) != Reach::Nothing)
}

/// The form of a new record, with what the address says in it already.
pub(super) async fn add(visit: &Visit<'_>, d: &'static Descriptor) -> Result<Response, Refusal> {
    if d.about.read_only || d.reach(visit.actor()?, CREATE) == Reach::Nothing {
        return Err(Error::forbidden().into());
    }
    let fields = asked_for(visit, d, true)?;
    let start: Map<String, Json> = fields.iter().map(|field| (field.name.to_owned(), start_of(field))).collect();
    let start = Json::Object(start);
    let mut record = start.clone();
    for field in &fields {
        if let Some(value) = visit.asked(field.name) {
            record[field.name] = input::value_of(visit, field, value).unwrap_or_default();
        }
    }
    let (detour, resumed) = (detour::waiting(visit)?, detour::resumed(visit)?);
    let back = detour.as_ref().map_or_else(|| url_of(d), |detour| detour.back(None));
    let context = json!({"title": visit.t_with("Add {one}", &[("one", &one_of(visit, d).to_lowercase())]), "crumbs": [[title_of(visit, d), url_of(d)]],
        "back": back, "another": detour.is_none(), "detour": detour.is_some(), "only_save": detour.is_some(), "url": detour::here(visit)});
    let mut form = Form { d, fields: &fields, record: &record, given: resumed.as_ref(), errors: json!({}), context };
    if let Some(response) = detour::leave(visit, &fields)? {
        return Ok(response);
    }
    if !visit.is_post() {
        return form.page(visit, StatusCode::OK).await;
    }
    let input = input::read(visit, &fields, &start, true).await?;
    form.given = Some(&visit.form);
    if !input.errors.is_empty() {
        form.errors = Json::Object(input.errors);
        return form.page(visit, StatusCode::BAD_REQUEST).await;
    }
    let (path, body) = (format!("{}/", d.about.path), Json::Object(input.fields));
    let answer = visit.ask_once(Ask::post(&path, &body)).await?;
    if is_about_input(answer.status) {
        form.errors = errors_of(visit, &answer);
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
        return form.page(visit, status).await;
    }
    let record = answer.done()?;
    let next = detour.map_or_else(|| next(visit, d, &record["id"]), |detour| detour.back(record["id"].as_i64()));
    Ok(visit.see_saying(&next, visit.t_with("The {one} was added.", &[("one", &one_of(visit, d).to_lowercase())])))
}

/// The form that changes a record.
pub(super) async fn change(visit: &Visit<'_>, d: &'static Descriptor, id: &str) -> Result<Response, Refusal> {
    if d.about.read_only || d.reach(visit.actor()?, UPDATE) == Reach::Nothing {
        return Err(Error::forbidden().into());
    }
    let path = format!("{}/{id}/", d.about.path);
    let place = format!("{}{id}/", url_of(d));
    let fields = asked_for(visit, d, false)?;
    let read = visit.ask(Ask::get(&path)).await?;
    let record = read.done()?;
    let name = super::record::name_of(visit, d, &record)?;
    let context = json!({"title": visit.t_with("Change {name}", &[("name", &name)]), "crumbs": [[title_of(visit, d), url_of(d)], [name, place]], "back": place, "url": detour::here(visit),
        "version": record["version"], "another": d.reach(visit.actor()?, CREATE) != Reach::Nothing});
    let saved = save(visit, d, &path, &fields, &record, context).await?;
    match saved {
        Saved::Page(page) => Ok(page),
        Saved::Record(record) => Ok(visit.see_saying(&next(visit, d, &record["id"]), visit.t("Your changes were saved."))),
        Saved::Unchanged => Ok(visit.see_saying(&next(visit, d, &record["id"]), visit.t("Nothing was changed."))),
    }
}

enum Saved {
    /// There is something to look at first.
    Page(Response),
    Record(Json),
    Unchanged,
}

async fn save(
    visit: &Visit<'_>,
    d: &'static Descriptor,
    path: &str,
    fields: &[&Field],
    record: &Json,
    context: Json,
) -> Result<Saved, Refusal> {
    let resumed = detour::resumed(visit)?;
    let mut form = Form { d, fields, record, given: resumed.as_ref(), errors: json!({}), context };
    if let Some(response) = detour::leave(visit, fields)? {
        return Ok(Saved::Page(response));
    }
    if !visit.is_post() {
        // What was read before the detour is what is changed.
        if let Some(version) = resumed.as_ref().and_then(|form| parameter(form, "version")) {
            form.context["version"] = version.into();
        }
        return form.page(visit, StatusCode::OK).await.map(Saved::Page);
    }
    let input = input::read(visit, fields, record, false).await?;
    form.given = Some(&visit.form);
    if !input.errors.is_empty() {
        form.errors = Json::Object(input.errors);
        return form.page(visit, StatusCode::BAD_REQUEST).await.map(Saved::Page);
    }
    let version = visit.given("version").unwrap_or_default();
    // Also when there is nothing to send: what stood in the form may be older than the record.
    if input.fields.is_empty() && record["version"].as_i64() == version.parse().ok() {
        return Ok(Saved::Unchanged);
    }
    let (tag, body) = (format!("\"{version}-panel\""), Json::Object(input.fields));
    let ask = Ask { if_match: Some(&tag), ..Ask::patch(path, &body) };
    let answer = visit.ask(ask).await?;
    match answer.status {
        412 => conflict(visit, d, form, &body).await.map(Saved::Page),
        status if is_about_input(status) => {
            form.errors = errors_of(visit, &answer);
            form.page(visit, StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST)).await.map(Saved::Page)
        }
        _ => answer.done().map(Saved::Record),
    }
}

/// Somebody else changed the record meanwhile: theirs and what was typed, field by field, to choose from. What is chosen is compared with
/// theirs when it comes back.
async fn conflict(visit: &Visit<'_>, d: &'static Descriptor, form: Form<'_>, changed: &Json) -> Result<Response, Refusal> {
    let all = columns(d, visit)?;
    let names = super::cells::Names::of(visit, &all, std::slice::from_ref(form.record))?;
    let mut rows = vec![];
    for field in form.fields.iter().filter(|field| !changed[field.name].is_null() || changed.get(field.name).is_some()) {
        let column = all.iter().find(|column| column.name == field.name);
        let theirs = column.map(|column| super::cells::cell(visit, column, form.record, &names));
        let value = &changed[field.name];
        let mine = match (&field.kind, value.as_i64()) {
            (Kind::Reference(table), Some(id)) => {
                json!({"kind": "text", "text": super::cells::open_labels(visit, table, &[id])?.remove(&id)})
            }
            (Kind::Lines(..), _) => {
                json!({"kind": "text", "text": visit.t_count("{n} row", "{n} rows", value.as_array().map_or(0, Vec::len) as u64, &[])})
            }
            (kind, _) => plain(visit, kind, value),
        };
        rows.push(json!({"name": field.name, "title": visit.heading(field), "theirs": theirs, "mine": mine}));
    }
    let is_own = |name: &str| matches!(name, "csrf" | "version" | "resolving") || name.starts_with("take-");
    let kept: Vec<(&str, &str)> =
        visit.form.iter().filter(|(name, _)| !is_own(name)).map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut context = form.context;
    context["rows"] = rows.into();
    context["kept"] = json!(kept);
    context["title"] = visit.t("Somebody else changed this meanwhile").into();
    visit.page_with(StatusCode::CONFLICT, "conflict.html", context).await
}
