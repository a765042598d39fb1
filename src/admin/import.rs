//! A file into records: it is looked at first, and what would become of each line is shown; then it is taken in. The file is sent once.

use hyper::body::Bytes;
use poem::{
    Body, Request, Response,
    http::{Method, StatusCode},
};
use serde_json::{Value as Json, json};

use super::{
    call::{Ask, Refusal, query_of},
    frame::{title_of, url_of, words_of},
    session::{Visit, with_refresh},
};
use crate::{
    engine::{
        CREATE, Descriptor, Reach,
        body::form_parts,
        field::{Field, Kind},
        table::{
            CSV, XLSX,
            columns::{heading, note, settable},
            xlsx_read,
        },
        upload::BodyLimit,
        verbs,
    },
    error::Error,
};

/// A file has so many bytes, as the API takes it, and what stands around it in a form.
const MOST_BYTES: usize = (50 << 20) + (64 << 10);
/// So many lines are shown: those with errors, else the first.
const SHOWN: usize = 25;
/// So many columns are shown of a line.
const WIDTH: usize = 12;

/// A file that was looked at, and is not taken in yet.
pub(super) struct Sheet {
    bytes: Bytes,
    resource: &'static str,
    name: String,
    key: String,
    atomic: bool,
}

fn place(d: &Descriptor) -> String {
    format!("{}import/", url_of(d))
}

fn may_import(visit: &Visit<'_>, d: &Descriptor) -> Result<(), Refusal> {
    let may = !d.about.read_only && d.about.access.grants(CREATE) && d.reach(visit.actor()?, CREATE) != Reach::Nothing;
    if may { Ok(()) } else { Err(Error::forbidden().into()) }
}

/// Can the visitor bring records of this kind in by a file?
pub(super) fn is_offered(visit: &Visit<'_>, d: &Descriptor) -> bool {
    may_import(visit, d).is_ok()
}

/// Asks for the file.
pub(super) async fn page(visit: &Visit<'_>, d: &'static Descriptor, wrong: Option<(u16, String)>) -> Result<Response, Refusal> {
    may_import(visit, d)?;
    let fields = settable(d, visit.actor()?);
    let is_key = |kind: &Kind| !matches!(kind, Kind::Lines(..) | Kind::Texts | Kind::Json | Kind::Bool | Kind::Choice(_));
    let keys: Vec<Json> = fields
        .iter()
        .filter(|field| is_key(&field.kind))
        .map(|field| json!({"value": field.name, "label": visit.heading(field)}))
        .collect();
    let columns: Vec<Json> = fields
        .iter()
        .map(|field| json!({"title": visit.heading(field), "required": field.required, "note": visit.english(&note(field))}))
        .collect();
    let status = wrong.as_ref().and_then(|(status, _)| StatusCode::from_u16(*status).ok()).unwrap_or(StatusCode::OK);
    let context = json!({"title": visit.t_with("Import {many}", &[("many", &title_of(visit, d).to_lowercase())]), "crumbs": [[title_of(visit, d), url_of(d)]], "url": place(d),
        "many": title_of(visit, d).to_lowercase(), "keys": keys, "columns": columns, "wrong": wrong.map(|(_, words)| words)});
    visit.page_with(status, "import.html", context).await
}

/// The empty file to fill in.
pub(super) async fn template(visit: &Visit<'_>, d: &'static Descriptor) -> Result<Response, Refusal> {
    may_import(visit, d)?;
    let path = format!("{}/import/template/", d.about.path);
    let response = visit.fetch(Ask::get(&path).with("format", visit.asked("format").unwrap_or("xlsx"))).await?;
    if response.status().is_success() { Ok(response) } else { Err(Error::not_found().into()) }
}

/// Takes a file and looks at it: nothing of it is stored yet.
pub(super) async fn look(visit: &Visit<'_>, d: &'static Descriptor, request: &mut Request, media: &str) -> Result<Response, Refusal> {
    may_import(visit, d)?;
    request.extensions().get::<BodyLimit>().into_iter().for_each(|limit| limit.raise(MOST_BYTES));
    let sent = match request.take_body().into_bytes().await {
        Ok(bytes) => bytes,
        Err(error) => return page(visit, d, Some((413, Error::unreadable(&error).detail().into_owned()))).await,
    };
    let mut sheet = Sheet { bytes: Bytes::new(), resource: d.about.path, name: String::new(), key: String::new(), atomic: false };
    let mut form = form_parts(media, sent.to_vec()).await?;
    while let Ok(Some(part)) = form.next_field().await {
        match part.name() {
            Some("file") => {
                sheet.name = part.file_name().unwrap_or_default().chars().take(100).collect();
                sheet.bytes = part.bytes().await.map(Bytes::from).unwrap_or_default();
            }
            Some("key") => sheet.key = part.text().await.unwrap_or_default(),
            Some("atomic") => sheet.atomic = true,
            _ => {}
        }
    }
    if sheet.bytes.is_empty() {
        return page(visit, d, Some((400, visit.t("Choose a file first.")))).await;
    }
    let (status, body) = send(visit, &sheet, true, None).await?;
    if !matches!(status, 200 | 202) {
        return if status < 500 {
            page(visit, d, Some((status, words_of(visit, &body)))).await
        } else {
            Err(Refusal { status, body, retry: None })
        };
    }
    let size = sheet.bytes.len();
    let kept = visit.panel.sheets.put(visit, sheet, size)?;
    Ok(visit.see(&format!("{}{}/{}", place(d), body["id"], query_of([("kept", kept.as_str())]))))
}

/// Sends a file to the API.
async fn send(visit: &Visit<'_>, sheet: &Sheet, dry_run: bool, key: Option<&str>) -> Result<(u16, Json), Refusal> {
    let path = format!("{}/import/", sheet.resource);
    let flags = [("dry_run", dry_run), ("atomic", sheet.atomic)].into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (name, "true"));
    let by = Some(("key", sheet.key.as_str())).filter(|(_, key)| !key.is_empty());
    let ask = Ask { method: Method::POST, idempotency: key, ..Ask::get(&path).with_all(flags).with_all(by) };
    let media = if sheet.bytes.starts_with(xlsx_read::MAGIC) { XLSX } else { CSV };
    let response = visit.forward_with(&ask, Some(media), Body::from_bytes(sheet.bytes.clone()), None).await?;
    let status = response.status().as_u16();
    let bytes = response.into_body().into_bytes().await.map_err(Error::internal)?;
    Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
}

/// How an import stands: what would become of the file, how far it has come, or what became of it. A form takes it in.
pub(super) async fn report(visit: &Visit<'_>, d: &'static Descriptor, id: &str) -> Result<Response, Refusal> {
    may_import(visit, d)?;
    let report = visit.get(&format!("imports/{id}/")).await?;
    if report["resource"] != d.about.path {
        return Err(Error::not_found().into());
    }
    let name = visit.asked("kept").unwrap_or_default();
    let kept = visit.panel.sheets.get(visit, name)?.filter(|sheet| sheet.resource == d.about.path);
    if visit.is_post() {
        let gone = visit.t("The file is not here any more: choose it once more.");
        let Some(sheet) = kept else { return Ok(visit.see_saying(&place(d), gone)) };
        // The same click twice is one import.
        let (status, body) = send(visit, &sheet, false, Some(name)).await?;
        return match status {
            200 | 202 => Ok(visit.see(&format!("{}{}/", place(d), body["id"]))),
            status if status < 500 => page(visit, d, Some((status, words_of(visit, &body)))).await,
            status => Err(Refusal { status, body, retry: None }),
        };
    }
    let number = |name: &str| report[name].as_u64().unwrap_or(0);
    let (is_running, is_dry) = (report["status"] == "running", report["dry_run"] == true);
    let (total, failed) = (number("total"), number("failed"));
    let errors = report["errors"].as_array().cloned().unwrap_or_default();
    let ready = if report["atomic"] == true && failed > 0 { 0 } else { number("created") + number("updated") };
    let title = match (is_running, is_dry) {
        (true, true) => visit.t("Looking at the file …"),
        (true, false) => visit.t("Importing …"),
        (false, true) => visit.t("This is what would happen"),
        (false, false) if report["status"] == "done" => visit.t("Imported"),
        (false, false) => visit.t("The import did not end well"),
    };
    let whole: Vec<String> =
        errors.iter().filter(|error| error["row"].is_null()).map(|error| words_of(visit, &error["messages"])).collect();
    let context = json!({"title": title, "crumbs": [[title_of(visit, d), url_of(d)], [visit.t_with("Import {many}", &[("many", &title_of(visit, d).to_lowercase())]), place(d)]],
        "url": visit.here(), "list": url_of(d), "again": place(d), "many": title_of(visit, d).to_lowercase(), "running": is_running, "dry": is_dry,
        "name": kept.as_ref().map(|sheet| sheet.name.clone()), "kept": kept.is_some(), "atomic": report["atomic"], "status": report["status"],
        "total": total, "done": number("done"), "created": number("created"), "updated": number("updated"), "failed": failed, "ready": ready,
        "ignored": report["ignored_columns"], "whole": whole, "cut": report["errors_cut"], "errors": lines_of(visit, &errors),
        "preview": kept.filter(|_| is_dry && !is_running).and_then(|sheet| preview(visit, &sheet, d, &errors))});
    let response = visit.page("import_report.html", context).await?;
    Ok(if is_running { with_refresh(response, 2) } else { response })
}

/// What is wrong with lines, in a list.
fn lines_of(visit: &Visit<'_>, errors: &[Json]) -> Vec<Json> {
    let lines = errors.iter().filter(|error| !error["row"].is_null());
    lines.map(|error| json!({"row": error["row"], "column": error["column"], "text": words_of(visit, &error["messages"])})).collect()
}

/// The choices of a column, as a file takes them.
fn takes(visit: &Visit<'_>, fields: &[&Field], title: &str) -> Option<String> {
    let field = fields.iter().find(|field| heading(field) == title || field.name == title)?;
    let Kind::Choice(names) = &field.kind else { return None };
    let names: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    Some(visit.t_with("It takes: {choices}.", &[("choices", &names.join(", "))]))
}

/// The file as a table: the lines with errors, which stand in their cells; the first lines, if none has any.
fn preview(visit: &Visit<'_>, sheet: &Sheet, d: &'static Descriptor, errors: &[Json]) -> Option<Json> {
    let grid = verbs::grid(&sheet.bytes, d).ok()?;
    let of_line = |number: u64| errors.iter().filter(move |error| error["row"].as_u64() == Some(number));
    let is_shown = |number: u64| of_line(number).next().is_some();
    let has_wrong = grid.lines.iter().any(|line| is_shown(line.number));
    let width = grid.headings.len().min(WIDTH);
    let fields = settable(d, visit.actor().ok()?);
    let row = |line: &crate::engine::table::grid::Line| {
        let cell = |at: usize| {
            let heading = grid.headings.get(at).map(String::as_str);
            let wrong: Vec<String> = of_line(line.number)
                .filter(|error| error["column"].as_str() == heading)
                .map(|error| words_of(visit, &error["messages"]))
                .collect();
            // What would have been right, where that is a few words.
            let takes = (!wrong.is_empty()).then(|| heading.and_then(|heading| takes(visit, &fields, heading))).flatten();
            json!({"text": line.cell(at), "errors": wrong, "takes": takes})
        };
        let whole: Vec<String> =
            of_line(line.number).filter(|error| error["column"].is_null()).map(|error| words_of(visit, &error["messages"])).collect();
        json!({"number": line.number, "cells": (0..width).map(cell).collect::<Vec<_>>(), "whole": whole})
    };
    let rows: Vec<Json> = grid.lines.iter().filter(|line| !has_wrong || is_shown(line.number)).take(SHOWN).map(row).collect();
    Some(json!({"headings": &grid.headings[..width], "rows": rows, "wrong": has_wrong, "cut": grid.headings.len() > width}))
}
