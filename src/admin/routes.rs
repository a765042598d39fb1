//! Which page a path is, and what every page needs first.

use poem::{
    Request, Response,
    http::{Method, StatusCode, header},
};
use serde_json::json;

use super::{
    Panel, administration, assets, bulk,
    call::Refusal,
    confirm, delete, form, home, import, languages, list, operations, passkeys, profile, record, search,
    session::{COOKIE, Visit, with_cookie},
    sign_in, start, timeline,
};
use crate::{
    auth::{gate::info, origin},
    engine::{Descriptor, LIST, Reach, descriptor},
    error::Error,
};

/// Answers a request.
pub(super) async fn answer(panel: &Panel, mut request: Request) -> Response {
    let path = request.uri().path().strip_prefix("/admin").unwrap_or_default().trim_start_matches('/').to_owned();
    let query = request.uri().query().unwrap_or_default();
    let mut visit = Visit {
        panel,
        info: info(&request),
        method: request.method().clone(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        path,
        form: vec![],
        headers: request.headers().clone(),
        language: languages::asked(request.headers()),
        secure: origin::is_secure(&panel.app.config, &request),
        signed: None,
    };
    let response = match go(&mut visit, &mut request).await {
        Ok(response) => response,
        Err(refusal) if confirm::is_for(&visit, &refusal) => match confirm::page(&visit, None).await {
            Ok(page) => page,
            Err(refusal) => visit.refused(refusal).await,
        },
        Err(refusal) => visit.refused(refusal).await,
    };
    keep(&visit, response)
}

/// Goes on with a later cookie, unless the page has said something about it itself: somebody signed out, or went to another business.
fn keep(visit: &Visit<'_>, response: Response) -> Response {
    let Some((token, life)) = visit.signed.as_ref().and_then(|signed| signed.renewed.as_ref()) else { return response };
    let mine = format!("{COOKIE}=");
    let says = response.headers().get_all(header::SET_COOKIE).iter().any(|line| line.as_bytes().starts_with(mine.as_bytes()));
    if says { response } else { with_cookie(response, &visit.cookie(COOKIE, token, *life)) }
}

async fn go(visit: &mut Visit<'_>, request: &mut Request) -> Result<Response, Refusal> {
    if let Some(name) = visit.path.strip_prefix("static/") {
        return assets::serve(name).ok_or_else(|| Error::not_found().into());
    }
    let is_form = visit.method == Method::POST;
    if !is_form && visit.method != Method::GET {
        return Err(Error::MethodNotAllowed(visit.method.to_string()).into());
    }
    if !is_form && !visit.path.is_empty() && !visit.path.ends_with('/') || request.uri().path() == "/admin" {
        visit.path.push('/');
        let path = visit.here().replace("/admin//", "/admin/");
        return Ok(visit.see(&path));
    }
    visit.signed = visit.panel.signed(request, &visit.info).await?;
    visit.panel.prepare();
    let content_type = request.content_type().unwrap_or_default().to_owned();
    let is_upload = content_type.starts_with("multipart/form-data");
    if is_form {
        visit.check_origin(request)?;
        if !is_upload {
            let bytes = request.take_body().into_bytes().await.map_err(|error| Error::unreadable(&error))?;
            visit.form = form_urlencoded::parse(&bytes).into_owned().collect();
        }
        // A form with a file is not read here: its token stands in the address that it is sent to.
        let token = if is_upload { visit.asked("token") } else { visit.given("csrf") }.map(str::to_owned);
        visit.check_token(token.as_deref())?;
    }
    if is_upload {
        return upload(visit, request, &content_type).await;
    }
    if let Some(page) = confirm::first(visit).await? {
        return Ok(page);
    }
    let path = visit.path.clone();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let visit = &*visit;
    match parts.as_slice() {
        ["login"] => return sign_in::login(visit).await,
        ["verify"] => return sign_in::verify(visit).await,
        ["passkeys"] if is_form => return passkeys::begin(visit).await,
        ["logout"] if is_form => return sign_in::logout(visit).await,
        ["start", token] => return start::page(visit, token).await,
        ["theme"] if is_form => return Ok(theme(visit)),
        _ => {}
    }
    let actor = visit.actor()?;
    if matches!(parts.as_slice(), ["switch"]) && is_form {
        return sign_in::switch(visit).await;
    }
    if !actor.role.is_staff() || actor.business.is_none() {
        let context = json!({"title": visit.t("This is the panel of the office")});
        return visit.page_with(StatusCode::FORBIDDEN, "switch.html", context).await;
    }
    match parts.as_slice() {
        ["profile", "two-factor", rest @ ..] => return profile::two_factor(visit, rest.first().copied()).await,
        _ if actor.needs_second_factor => {
            return Ok(visit.see_saying("/admin/profile/two-factor/", visit.t("Set up two-factor authentication first.")));
        }
        [] => return home::page(visit).await,
        ["waiting"] => return home::waiting(visit).await,
        ["search"] => return search::page(visit).await,
        ["profile", rest @ ..] => return profile::page(visit, rest.first().copied()).await,
        ["settings"] => return administration::settings::page(visit).await,
        ["administration", rest @ ..] => return administration::page(visit, rest).await,
        ["lookup", rest @ ..] => return search::lookup(visit, &rest.join("/")).await,
        ["files", id, what @ ("download" | "thumbnail")] => return record::file(visit, id, what).await,
        _ => {}
    }
    let (d, rest) = place(visit, &parts)?;
    match rest {
        [] => list::page(visit, d, false).await,
        ["deleted"] => list::page(visit, d, true).await,
        ["export"] => list::export(visit, d).await,
        ["views"] if is_form => list::save_view(visit, d).await,
        ["bulk"] if is_form => bulk::page(visit, d).await,
        ["import"] => import::page(visit, d, None).await,
        ["import", "template"] => import::template(visit, d).await,
        ["import", id] => import::report(visit, d, id).await,
        ["add"] => form::add(visit, d).await,
        [id] => record::page(visit, d, id).await,
        [id, "change"] => form::change(visit, d, id).await,
        [id, "delete"] => delete::page(visit, d, id).await,
        [id, "history"] => timeline::page(visit, d, id).await,
        [id, "revert"] if is_form => timeline::revert(visit, d, id).await,
        [id, "restore"] if is_form => delete::restore(visit, d, id).await,
        [id, "comments"] if is_form => record::comment(visit, d, id).await,
        [id, "actions", name] => operations::page(visit, d, id, name).await,
        _ => Err(Error::not_found().into()),
    }
}

/// A form with a file: to be attached to a record, or to be imported.
async fn upload(visit: &Visit<'_>, request: &mut Request, content_type: &str) -> Result<Response, Refusal> {
    let Some(resource_path) = visit.path.strip_suffix("/import/") else { return record::upload(visit, request, content_type).await };
    let d = resource(visit, resource_path)?;
    import::look(visit, d, request, content_type).await
}

/// The resource of a path, as far as its lists are open to the visitor: the others look as if they were not there.
pub(super) fn resource(visit: &Visit<'_>, path: &str) -> Result<&'static Descriptor, Refusal> {
    let d = descriptor::all().iter().find(|d| d.about.path == path).ok_or_else(Error::not_found)?;
    if d.reach(visit.actor()?, LIST) == Reach::Nothing { Err(Error::forbidden().into()) } else { Ok(d) }
}

/// The resource that a path begins with, and the rest of it.
fn place<'a>(visit: &Visit<'_>, parts: &'a [&'a str]) -> Result<(&'static Descriptor, &'a [&'a str]), Refusal> {
    for length in (1..=parts.len().min(2)).rev() {
        let path = parts[..length].join("/");
        if descriptor::all().iter().any(|d| d.about.path == path) {
            return Ok((resource(visit, &path)?, &parts[length..]));
        }
    }
    Err(Error::not_found().into())
}

fn theme(visit: &Visit<'_>) -> Response {
    let theme = visit.given("theme").filter(|theme| matches!(*theme, "light" | "dark")).unwrap_or("auto");
    with_cookie(visit.see(visit.given("next").unwrap_or_default()), &visit.cookie(super::frame::THEME, theme, 31_536_000))
}
