//! The page of a record: what it is, what belongs to it, what can be done with it now.

use poem::{Body, Request, Response};
use serde_json::{Value as Json, json};

use super::{
    call::{Answer, Ask, Refusal},
    cells::{Names, cell, columns, moment},
    frame::{one_of, title_of, url_of, words_of},
    groups::{self, Place},
    operations,
    session::Visit,
    timeline::restores,
};
use crate::{
    engine::{CREATE, DELETE, Descriptor, LIST, READ, Reach, UPDATE, descriptor, field::Kind, upload::BodyLimit, verbs},
    error::Error,
};

/// So many of each kind of record that refers to this one.
const RELATED: usize = 5;
/// Longer texts have a line of their own.
const LONG: usize = 60;
/// So many actions have a button of their own; the others are in a menu.
const BUTTONS: usize = 3;
/// What stands in the small print.
const SMALL: [&str; 6] = ["id", "created_at", "updated_at", "created_by", "updated_by", "version"];

/// What a record is called.
pub(super) fn name_of(visit: &Visit<'_>, d: &Descriptor, record: &Json) -> Result<String, Refusal> {
    let id = record["id"].as_i64().unwrap_or_default();
    let label = super::cells::labels(visit, d.about.table, &[id])?.remove(&id);
    Ok(label.filter(|label| !label.is_empty()).unwrap_or_else(|| format!("{} {id}", one_of(visit, d))))
}

pub(super) async fn page(visit: &Visit<'_>, d: &'static Descriptor, key: &str) -> Result<Response, Refusal> {
    let actor = visit.actor()?;
    let answer = visit.ask(Ask::get(&format!("{}/{key}/", d.about.path))).await?;
    if answer.status == 404 && restores(visit, d) {
        // Of what is in the trash there is its history, and a way back.
        let history = visit.ask(Ask::get(&format!("{}/{key}/history/", d.about.path)).with("page_size", "1")).await?;
        if history.status == 200 && history.body["count"] != 0 {
            return Ok(visit.see(&format!("{}{key}/history/", url_of(d))));
        }
    }
    let record = answer.done()?;
    let id = record["id"].as_i64().unwrap_or_default();
    let all = columns(d, visit)?;
    let names = Names::of(visit, &all, std::slice::from_ref(&record))?;
    let row = |column: &super::cells::Column| {
        let is_long = record[column.name].as_str().is_some_and(|text| text.chars().count() > LONG) && !column.is_number();
        json!({"title": column.title, "help": column.help, "long": is_long, "cell": cell(visit, column, &record, &names)})
    };
    // Of what is empty nothing is said here; the form has it.
    let is_said = |column: &&super::cells::Column| {
        !SMALL.contains(&column.name) && column.name != "deleted_at" && has(&record[column.name]) && !column.repeats(&all)
    };
    let (wide, facts): (Vec<&super::cells::Column>, Vec<_>) = all.iter().filter(is_said).partition(|column| column.is_wide());
    let small: Vec<Json> = all.iter().filter(|column| SMALL.contains(&column.name) && has(&record[column.name])).map(row).collect();
    let offers = visit.panel.app.db.read(|reader| verbs::offers(reader, d, actor, id))?;
    let described = offers.iter().filter_map(|action| {
        let operation = visit.panel.operations().get(d, action.name)?;
        let title = operations::button_of(visit, action.name);
        Some(json!({"name": action.name, "title": title, "help": visit.name(&operation.title), "asks": action.confirm || !operation.fields.is_empty(), "danger": action.danger}))
    });
    let described: Vec<Json> = described.collect();
    let facts = groups::arranged(visit, d, facts.into_iter().map(|column| (column.place(d, &record), row(column))).collect());
    let facts = facts
        .into_iter()
        .map(|(place, title, rows)| json!({"title": title, "rows": rows, "folded": matches!(place, Place::Details | Place::Technical)}));
    let (folded, facts): (Vec<Json>, Vec<Json>) = facts.partition(|group| group["folded"] == true);
    let may = |verb| !d.about.read_only && d.reach(actor, verb) != Reach::Nothing;
    let (name, place) = (name_of(visit, d, &record)?, format!("{}{key}/", url_of(d)));
    let context = json!({
        "title": name, "crumbs": [[title_of(visit, d), url_of(d)]], "one": one_of(visit, d), "url": place, "id": id,
        "facts": facts, "folded": folded, "wide": wide.into_iter().map(row).collect::<Vec<_>>(), "small": small,
        "actions": described.iter().take(BUTTONS).collect::<Vec<_>>(), "more": described.iter().skip(BUTTONS).collect::<Vec<_>>(), "changes": may(UPDATE), "deletes": may(DELETE) && d.about.soft_delete,
        "related": related(visit, d, id).await?,
        "comments": comments(visit, d, key).await?, "files": files(visit, d, key).await?, "uploads": d.about.files && may(UPDATE),
    });
    visit.page("record.html", context).await
}

fn has(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(members) => !members.is_empty(),
        _ => true,
    }
}

/// The lists that can be narrowed to what refers to a record, each with the name of the filter.
pub(super) fn referring(visit: &Visit<'_>, d: &Descriptor) -> Result<Vec<(&'static Descriptor, &'static str)>, Refusal> {
    let actor = visit.actor()?;
    let refers = |other: &'static Descriptor| {
        let by = other.fields.iter().filter(|field| field.kind == Kind::Reference(d.about.table)).map(|field| field.name);
        by.filter(|name| other.about.filter.contains(name)).map(move |name| (other, name))
    };
    Ok(descriptor::all().iter().filter(|other| other.reach(actor, LIST) != Reach::Nothing).flat_map(refers).collect())
}

/// The first records of each list that refer to this one.
async fn related(visit: &Visit<'_>, d: &Descriptor, id: i64) -> Result<Vec<Json>, Refusal> {
    let mut groups = vec![];
    for (other, by) in referring(visit, d)? {
        let (path, id, size) = (format!("{}/", other.about.path), id.to_string(), RELATED.to_string());
        let usual = other.about.usual.and_then(|(names, _)| names.first()).map(|name| (*name, "all"));
        let ask = Ask::get(&path).with(by, &id).with("page_size", &size).with_all(usual);
        let found = visit.ask(ask).await?;
        let rows = found.body["results"].as_array().cloned().unwrap_or_default();
        if found.status != 200 || rows.is_empty() && other.reach(visit.actor()?, CREATE) == Reach::Nothing {
            continue;
        }
        let ids: Vec<i64> = rows.iter().filter_map(|row| row["id"].as_i64()).collect();
        let names = super::cells::labels(visit, other.about.table, &ids)?;
        let readable = other.reach(visit.actor()?, READ) != Reach::Nothing;
        let all = columns(other, visit)?;
        let second = other.about.list.iter().find_map(|name| {
            let column = all.iter().find(|column| column.name == *name)?;
            matches!(*name, "status" | "state" | "stage" | "date" | "amount" | "total").then_some(column)
        });
        let none = Names::default();
        let row = |row: &Json| {
            let id = row["id"].as_i64().unwrap_or_default();
            let text = names.get(&id).cloned().unwrap_or_else(|| format!("#{id}"));
            json!({"text": text, "href": readable.then(|| format!("{}{id}/", url_of(other))), "beside": second.map(|column| cell(visit, column, row, &none))})
        };
        let field = other.field(by).map(|field| visit.heading(field)).unwrap_or_default();
        let title = if field.eq_ignore_ascii_case(&one_of(visit, d)) {
            title_of(visit, other)
        } else {
            format!("{} ({})", title_of(visit, other), field.to_lowercase())
        };
        let creates = !other.about.read_only && other.reach(visit.actor()?, CREATE) != Reach::Nothing;
        let add = (creates && other.field(by).is_some_and(|field| !field.server_set)).then(|| format!("{}add/?{by}={id}", url_of(other)));
        let all = usual.map_or(String::new(), |(name, value)| format!("&{name}={value}"));
        groups.push(json!({"title": title, "count": found.body["count"], "rows": rows.iter().map(row).collect::<Vec<_>>(),
            "all": format!("{}?{by}={id}{all}", url_of(other)), "add": add}));
    }
    groups.sort_by_key(|group| group["rows"].as_array().is_none_or(Vec::is_empty));
    Ok(groups)
}

async fn attached(visit: &Visit<'_>, d: &Descriptor, key: &str, what: &str) -> Result<Option<Vec<Json>>, Refusal> {
    let path = format!("{}/{key}/{what}/", d.about.path);
    let found: Answer = visit.ask(Ask::get(&path).with("page_size", "50")).await?;
    Ok((found.status == 200).then(|| found.body["results"].as_array().cloned().unwrap_or_default()))
}

async fn comments(visit: &Visit<'_>, d: &Descriptor, key: &str) -> Result<Option<Vec<Json>>, Refusal> {
    if !d.about.comments {
        return Ok(None);
    }
    let Some(rows) = attached(visit, d, key, "comments").await? else { return Ok(None) };
    let authors: Vec<i64> = rows.iter().filter_map(|row| row["created_by"].as_i64()).collect();
    let names = super::cells::labels(visit, "users", &authors)?;
    let comment = |row: &Json| {
        let author = row["created_by"].as_i64().and_then(|id| names.get(&id).cloned());
        json!({"author": author, "at": moment(visit, row["created_at"].as_str().unwrap_or_default()), "text": row["content"],
            "internal": row["is_internal"], "edited": !row["edited_at"].is_null()})
    };
    Ok(Some(rows.iter().map(comment).collect()))
}

async fn files(visit: &Visit<'_>, d: &Descriptor, key: &str) -> Result<Option<Vec<Json>>, Refusal> {
    if !d.about.files {
        return Ok(None);
    }
    let Some(rows) = attached(visit, d, key, "files").await? else { return Ok(None) };
    let file = |row: &Json| {
        let size = row["size"].as_u64().unwrap_or(0);
        let size =
            if size < 1024 { visit.t_count("{n} byte", "{n} bytes", size, &[]) } else { visit.t_with("{n} KB", &[("n", &(size / 1024))]) };
        json!({"name": row["filename"], "size": size, "href": format!("/admin/files/{}/download/", row["id"])})
    };
    Ok(Some(rows.iter().map(file).collect()))
}

/// Says something about a record.
pub(super) async fn comment(visit: &Visit<'_>, d: &'static Descriptor, key: &str) -> Result<Response, Refusal> {
    let path = format!("{}/{key}/comments/", d.about.path);
    let body = json!({"content": visit.given("content").unwrap_or_default(), "is_internal": visit.given("public").is_none()});
    let answer = visit.ask(Ask::post(&path, &body)).await?;
    let words = if answer.status < 300 { visit.t("Your comment was added.") } else { words_of(visit, &answer.body) };
    Ok(visit.see_saying(&format!("{}{key}/", url_of(d)), words))
}

/// Attaches a file to a record: what arrives goes on to the API as it comes.
pub(super) async fn upload(visit: &Visit<'_>, request: &mut Request, content_type: &str) -> Result<Response, Refusal> {
    visit.actor()?;
    let place = visit.path.strip_suffix("files/").ok_or_else(Error::not_found)?;
    let path = format!("{place}files/");
    let ask = Ask { method: visit.method.clone(), ..Ask::get(&path) };
    let body: Body = request.take_body();
    let limit = request.extensions().get::<BodyLimit>().cloned();
    let response = visit.forward_with(&ask, Some(content_type), body, limit).await?;
    let (status, body) = (response.status(), response.into_body().into_bytes().await.map_err(Error::internal)?);
    let words = match status.is_success() {
        true => visit.t("The file was attached."),
        false => words_of(visit, &serde_json::from_slice(&body).unwrap_or_default()),
    };
    Ok(visit.see_saying(&format!("/admin/{place}"), words))
}

/// A file's bytes.
pub(super) async fn file(visit: &Visit<'_>, id: &str, what: &str) -> Result<Response, Refusal> {
    let response = visit.fetch(Ask::get(&format!("files/{id}/{what}/"))).await?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status().as_u16();
    let body = response.into_body().into_bytes().await.map_err(Error::internal)?;
    Err(Refusal { status, body: serde_json::from_slice(&body).unwrap_or_default(), retry: None })
}
