//! What all pages share: the menu, the bars, the policy, messages that a page leaves for the next.

use std::{borrow::Cow, fmt::Display};

use minijinja::{AutoEscape, Environment, Value, value::Serde};
use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::{Value as Json, json};

use super::{
    assets::{ICON, PASSKEYS, SCRIPT, STYLE},
    call::Refusal,
    languages::{self, Language, key},
    session::{Visit, with_cookie},
};
use crate::{
    actor::Actor,
    auth::device,
    engine::{Descriptor, LIST, Reach, descriptor},
    error::Error,
    outbox::template::escaped,
};

/// Pages load their own style and script, show their own pictures, ask their own server, send their own forms, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
/// The cookie of what the next page is to say.
pub(super) const SAID: &str = "studio_said";
pub(super) const THEME: &str = "studio_theme";

macro_rules! page {
    ($name:literal) => {
        (concat!($name, ".html"), include_str!(concat!("pages/", $name, ".html")))
    };
}

const PAGES: [(&str, &str); 24] = [
    page!("actions"),
    page!("bulk"),
    page!("conflict"),
    page!("delete"),
    page!("error"),
    page!("form"),
    page!("frame"),
    page!("history"),
    page!("home"),
    page!("import"),
    page!("import_report"),
    page!("list"),
    page!("login"),
    page!("macros"),
    page!("merge"),
    page!("outside"),
    page!("plain"),
    page!("profile"),
    page!("record"),
    page!("search"),
    page!("second_factor"),
    page!("start"),
    page!("switch"),
    page!("two_factor"),
];

/// The templates in a language. They are part of the program; a test renders each.
pub(super) fn pages(language: &'static Language) -> Environment<'static> {
    let mut pages = Environment::new();
    languages::speak(&mut pages, language);
    pages.set_auto_escape_callback(|_| AutoEscape::Html);
    // As elsewhere in the program, and without the `&#x2f;` that would make a third of a page of addresses. What is null is not written.
    pages.set_formatter(|out, _, value| {
        let written = match () {
            () if value.is_none() || value.is_undefined() => Ok(()),
            () if value.is_safe() => write!(out, "{value}"),
            () => out.write_str(&escaped(&value.to_string())),
        };
        written.map_err(|_| minijinja::Error::new(minijinja::ErrorKind::WriteFailure, "a page could not be written"))
    });
    pages.add_filter("query", |text: String| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
    pages.add_filter("grouped", |number: Value| {
        i64::try_from(number.clone()).map_or(number, |known| Value::from(language.grouped(&known.to_string())))
    });
    pages.add_filter("truncate_to", |text: String, most: usize| match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text,
    });
    for (name, text) in PAGES.iter().chain(super::administration::PAGES) {
        if let Err(error) = pages.add_template(name, text) {
            tracing::error!(%error, name, "a template of the panel is wrong");
        }
    }
    pages
}

/// The sections of the menu, by the first part of a resource's path.
fn section(visit: &Visit<'_>, d: &Descriptor) -> Cow<'static, str> {
    match d.about.path.split_once('/') {
        Some(("accounts", _)) => visit.t("People").into(),
        Some((section, _)) => visit.heading_of(section).into(),
        None => visit.t("Workspace").into(),
    }
}

/// What a resource is called in the menu: `Lead actions`.
pub(super) fn title_of(visit: &Visit<'_>, d: &Descriptor) -> String {
    visit.heading_of(d.about.table)
}

/// One of them: `Lead action`.
pub(super) fn one_of(visit: &Visit<'_>, d: &Descriptor) -> String {
    visit.heading_of(&d.words)
}

/// The address of a resource's list.
pub(super) fn url_of(d: &Descriptor) -> String {
    format!("/admin/{}/", d.about.path)
}

/// The resources that somebody may list.
pub(super) fn open_to(actor: &Actor) -> impl Iterator<Item = &'static Descriptor> {
    descriptor::all().iter().filter(|d| d.reach(actor, LIST) != Reach::Nothing)
}

fn menu(visit: &Visit<'_>, actor: &Actor) -> Json {
    let path = visit.path.as_str();
    let mut sections: Vec<(Cow<'static, str>, Vec<Json>)> = vec![];
    for d in open_to(actor).filter(|d| !super::administration::stands_for(d, actor)) {
        let is_current = path.strip_prefix(d.about.path).is_some_and(|rest| rest.starts_with('/'));
        let item = json!({"title": title_of(visit, d), "url": url_of(d), "current": is_current});
        let name = section(visit, d);
        match sections.iter_mut().find(|(known, _)| *known == name) {
            Some((_, items)) => items.push(item),
            None => sections.push((name, vec![item])),
        }
    }
    let administration = super::administration::items(visit, actor).map(|items| (Cow::from(visit.t("Administration")), items));
    sections.into_iter().chain(administration).map(|(title, items)| json!({"title": title, "items": items})).collect()
}

impl Visit<'_> {
    /// A page. `context` says what is on it; `title` and `crumbs` (title and address) belong to all.
    pub async fn page(&self, name: &str, context: Json) -> Result<Response, Refusal> {
        self.page_with(StatusCode::OK, name, context).await
    }

    pub async fn page_with(&self, status: StatusCode, name: &str, mut context: Json) -> Result<Response, Refusal> {
        let said = self.said();
        let mut frame = json!({
            "style": STYLE.name, "script": SCRIPT.name, "passkeys": PASSKEYS.name, "icon": ICON.name,
            "theme": self.theme(), "said": said, "here": self.here(), "path": self.path,
        });
        if let Some(signed) = &self.signed {
            let actor = &signed.actor;
            let inside = actor.role.is_staff() && !actor.needs_second_factor && actor.business.is_some();
            let people: Vec<Json> = match self.get("businesses/").await {
                Ok(all) => all["results"].as_array().cloned().unwrap_or_default(),
                Err(_) => vec![],
            };
            let me = self.get("auth/me/").await.unwrap_or_default();
            let name =
                [&me["full_name"], &me["username"], &me["email"]].into_iter().find_map(|name| name.as_str().filter(|n| !n.is_empty()));
            let current = people.iter().find(|business| business["is_current"] == true).cloned();
            frame["menu"] = if inside { menu(self, actor) } else { json!([]) };
            frame["inside"] = inside.into();
            let (waiting, is_old) = super::figures::waiting(self);
            frame["waiting"] = json!({"count": waiting, "ask": inside && is_old});
            frame["user"] = name.map_or_else(|| self.t("You"), str::to_owned).into();
            // What a password is for, as password managers know it.
            frame["login"] = [&me["username"], &me["email"], &me["phone"]].into_iter().find(|name| name.is_string()).cloned().into();
            frame["role"] = self.heading_of(actor.role.name()).into();
            frame["business"] = current.map_or(Json::Null, |business| business["name"].clone());
            frame["businesses"] = people.into();
            frame["csrf"] = signed.form_token(self.panel).into();
            frame["runs"] = (actor.role == crate::actor::Role::Admin).into();
        }
        context["frame"] = frame;
        let template = self.panel.pages_in(self.language).get_template(name).map_err(Error::internal)?;
        let text = languages::written(template.render(Serde(&context)).map_err(Error::internal)?, self.language.code);
        let response = Response::builder()
            .status(status)
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_LANGUAGE, self.language.code)
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .body(text);
        Ok(if said.is_some() { with_cookie(response, &self.cookie(SAID, "", 0)) } else { response })
    }

    /// Light, dark, or as the system has it.
    fn theme(&self) -> &'static str {
        let cookie = cookie_of(self, THEME);
        ["light", "dark"].into_iter().find(|theme| cookie.as_deref() == Some(*theme)).unwrap_or("auto")
    }

    /// What the page before has left to say.
    fn said(&self) -> Option<String> {
        let text = cookie_of(self, SAID)?;
        let pairs = format!("s={text}");
        let said = form_urlencoded::parse(pairs.as_bytes()).next().map(|(_, said)| said.into_owned());
        said.filter(|said| !said.is_empty())
    }

    /// Where the visitor is, to come back to.
    pub fn here(&self) -> String {
        let query = super::call::query_of(self.query.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        format!("/admin/{}{query}", self.path)
    }

    /// Sends the browser on, by GET.
    pub fn see(&self, url: &str) -> Response {
        let mut response = Response::builder().status(StatusCode::SEE_OTHER).finish();
        // Never to anywhere but the panel.
        let url = if url.starts_with("/admin/") { url } else { "/admin/" };
        if let Ok(value) = HeaderValue::from_str(url) {
            response.headers_mut().insert(header::LOCATION, value);
        }
        response
    }

    /// The same, with something to say there.
    pub fn see_saying(&self, url: &str, words: impl Display) -> Response {
        let words: String = words.to_string().chars().take(500).collect();
        let text: String = form_urlencoded::byte_serialize(words.as_bytes()).collect();
        with_cookie(self.see(url), &self.cookie(SAID, &text, 60))
    }

    /// A refusal as a page; who is not signed in is sent to sign in.
    pub async fn refused(&self, refusal: Refusal) -> Response {
        if refusal.status == 401 {
            let next: String = form_urlencoded::byte_serialize(self.here().as_bytes()).collect();
            return with_cookie(self.see(&format!("/admin/login/?next={next}")), &self.cookie(super::session::COOKIE, "", 0));
        }
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let context = json!({"title": self.t(title_for(refusal.status)), "status": refusal.status, "detail": words_of(self, &refusal.body),
            "retry": refusal.retry, "signed": self.signed.is_some()});
        match self.page_with(status, if self.signed.is_some() { "error.html" } else { "outside.html" }, context).await {
            Ok(mut response) => {
                if let Some(value) = refusal.retry.and_then(|seconds| HeaderValue::from_str(&seconds.to_string()).ok()) {
                    response.headers_mut().insert(header::RETRY_AFTER, value);
                }
                response
            }
            Err(_) => poem::IntoResponse::into_response(Error::internal("no page of an error")),
        }
    }
}

fn cookie_of(visit: &Visit<'_>, name: &str) -> Option<String> {
    device::cookies_in(&visit.headers, name).next().map(str::to_owned)
}

/// What a status means to people.
fn title_for(status: u16) -> &'static str {
    match status {
        400 | 422 => key("That did not work"),
        403 => key("Not allowed"),
        404 => key("Not found"),
        409 | 412 => key("That is not possible now"),
        413 => key("Too large"),
        429 => key("Too much at once"),
        503 => key("Busy"),
        _ => key("Something went wrong"),
    }
}

/// The words of a refusal by the API: its detail, or what is wrong with which field.
pub(super) fn words_of(visit: &Visit<'_>, body: &Json) -> String {
    joined(visit, &in_words(visit, body))
}

/// What the API says, in the visitor's language where it is known there.
pub(super) fn in_words(visit: &Visit<'_>, body: &Json) -> Json {
    match body {
        Json::Object(members) => members.iter().map(|(name, value)| (name.clone(), in_words(visit, value))).collect(),
        Json::Array(items) => items.iter().map(|item| in_words(visit, item)).collect(),
        Json::String(text) => visit.name(text).into(),
        other => other.clone(),
    }
}

/// What is wrong with which field, as one text.
pub(super) fn joined(visit: &Visit<'_>, body: &Json) -> String {
    match body {
        Json::Object(members) => match members.get("detail").and_then(Json::as_str) {
            Some(detail) => detail.to_owned(),
            None => {
                let one = |(name, text): (&String, &Json)| match name.as_str() {
                    "non_field_errors" => joined(visit, text),
                    name => format!("{}: {}", visit.heading_of(name), joined(visit, text)),
                };
                members.iter().map(one).collect::<Vec<_>>().join(" ")
            }
        },
        Json::Array(items) => items.iter().map(|item| joined(visit, item)).collect::<Vec<_>>().join(" "),
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}
