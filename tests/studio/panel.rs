//! The admin panel: who gets in, what they see of each resource, and that nothing of it goes past the API.

use std::{cell::RefCell, collections::BTreeMap};

use serde_json::{Value, json};
use studio::{
    actor::{Capability, Role},
    config::{MaybeRate, Rate},
    engine::{CREATE, DELETE, Descriptor, UPDATE, field::Kind},
    resources,
};

use crate::{
    factors,
    samples::{World, for_each, sample},
    support::{Answer, Client, PASSWORD, Server},
};

/// No page is larger.
const LARGEST: usize = 100 * 1024;

/// A browser: it keeps cookies, says where its forms come from, and follows where it is sent.
pub struct Browser {
    client: Client,
    origin: String,
    pub cookies: RefCell<BTreeMap<String, String>>,
}

impl Browser {
    pub fn new(server: &Server) -> Self {
        Self { client: server.client(), origin: server.url.clone(), cookies: RefCell::default() }
    }

    /// One that comes by the other name of this machine.
    pub fn by_name(server: &Server) -> Self {
        let host = server.url.replace("http://127.0.0.1", "localhost");
        Self { client: server.client().with("host", &host), origin: format!("http://{host}"), cookies: RefCell::default() }
    }

    /// Somebody signed in, by the form.
    pub fn signed_in(server: &Server, name: &str) -> Self {
        let browser = Self::new(server);
        let answer = browser.sign_in(name, PASSWORD);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/admin/")), "{}", answer.text);
        browser
    }

    pub fn sign_in(&self, name: &str, password: &str) -> Answer {
        self.post("/admin/login/", &[("username", name), ("password", password)])
    }

    pub fn send(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>, with_origin: bool) -> Answer {
        let cookies: Vec<String> = self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut client = self.client.with("cookie", &cookies.join("; ")).with("accept", "text/html");
        if with_origin && method == "POST" {
            client = client.with("origin", &self.origin);
        }
        let answer = client.send(method, path, body);
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = line.split(';').next().unwrap_or_default().split_once('=').expect("a cookie");
            if value.is_empty() {
                self.cookies.borrow_mut().remove(name)
            } else {
                self.cookies.borrow_mut().insert(name.into(), value.into())
            };
        }
        let is_html = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        if is_html {
            check_page(&answer);
        }
        answer
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, false)
    }

    /// Sends a form, with the token of the session if there is one.
    #[track_caller]
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.token();
        let mut all = vec![("csrf", token.as_str())];
        all.extend(fields);
        self.send("POST", path, Some(("application/x-www-form-urlencoded", encoded(&all))), true)
    }

    /// A form as a page of another site would send it.
    pub fn foreign(&self, path: &str, form: &str) -> Answer {
        let cookie = format!("studio_admin={}", self.cookie("studio_admin"));
        let client = self.client.with("cookie", &cookie).with("origin", "https://evil.example");
        client.send("POST", path, Some(("application/x-www-form-urlencoded", form.as_bytes().to_vec())))
    }

    /// A cookie that it keeps.
    pub fn cookie(&self, name: &str) -> String {
        self.cookies.borrow().get(name).cloned().unwrap_or_default()
    }

    /// The token of a form of this session.
    pub fn token(&self) -> String {
        if !self.cookies.borrow().contains_key("studio_admin") {
            return String::new();
        }
        let page = self.get("/admin/profile/").text;
        between(&page, "name=\"csrf\" value=\"", "\"").unwrap_or_default()
    }
}

fn encoded(fields: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
}

pub fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let rest = text.split_once(before)?.1;
    Some(rest.split_once(after)?.0.to_owned())
}

/// The tags of a page, each as it is written.
pub fn tags(page: &str) -> Vec<&str> {
    page.split('<').skip(1).filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag).collect()
}

pub fn attribute(tag: &str, name: &str) -> Option<String> {
    between(tag, &format!(" {name}=\""), "\"")
}

/// What holds for every page there is.
#[track_caller]
fn check_page(answer: &Answer) {
    let (page, at) = (&answer.text, &answer.call);
    assert!(page.len() < LARGEST, "{at}: {} bytes", page.len());
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'") && !policy.contains("unsafe"), "{at}: {policy}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{at}");
    assert!(page.starts_with("<!doctype html>") || page.trim_start().starts_with("<!doctype html>"), "{at}: {page}");
    let all = tags(page);
    let mut open: Vec<&str> = vec![];
    for tag in &all {
        let name = tag.split([' ', '\n']).next().unwrap_or_default();
        assert!(!tag.contains(" style=") && !tag.contains(" onclick=") && !tag.contains("javascript:"), "{at}: <{tag}>");
        // The name of SVG is no address, nor is what somebody has typed.
        let tag = &tag.replace("xmlns=\"http://www.w3.org/2000/svg\"", "").replace(" value=\"http", " value=\"");
        assert!(!tag.contains("=\"http"), "{at} names another host: <{tag}>");
        match name {
            "style" => panic!("{at}: a style in the page"),
            "script" => assert!(tag.contains(" src=\"/admin/static/"), "{at}: a script in the page"),
            _ => {}
        }
        let is_void = ["!doctype", "meta", "link", "input", "img", "br", "path", "rect"].contains(&name) || tag.ends_with('/');
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{at}: </{name}> closes what is not open"),
            None if is_void => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new(), "{at}: not closed");
    // Whatever is filled in has a label, around it or for it.
    for tag in all.iter().filter(|tag| tag.starts_with("input ") || tag.starts_with("select ") || tag.starts_with("textarea ")) {
        if attribute(tag, "type").as_deref() == Some("hidden") || tag.contains("aria-label") {
            continue;
        }
        let wrapped = page
            .split(&format!("<{tag}>"))
            .next()
            .is_some_and(|before| before.matches("<label").count() > before.matches("</label").count());
        let named = attribute(tag, "id")
            .is_some_and(|id| page.contains(&format!("<label for=\"{id}\"")) || page.contains(&format!("class=\"hidden\" for=\"{id}\"")));
        assert!(wrapped || named, "{at}: no label for <{tag}>");
    }
    let mut ids: Vec<String> = all.iter().filter(|tag| !tag.starts_with("template")).filter_map(|tag| attribute(tag, "id")).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "{at}: an id twice");
}

/// A browser of the administrator of a world.
pub fn admin(world: &World<'_>) -> Browser {
    Browser::signed_in(world.server, "admin1")
}

pub fn list_url(d: &Descriptor) -> String {
    format!("/admin/{}/", d.about.path)
}

/// The fields of the form on a page, as a browser would send them.
pub fn form_of(page: &str) -> Vec<(String, String)> {
    let form = page.split("class=\"form\"").nth(1).unwrap_or_default().split("</form>").next().unwrap_or_default();
    let form = form.split("<template>").next().unwrap_or_default().to_owned() + form.split("</template>").nth(1).unwrap_or_default();
    let mut fields = vec![];
    let unescape =
        |text: &str| text.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    for piece in form.split('<').skip(1) {
        let Some((tag, rest)) = piece.split_once('>') else { continue };
        let Some(name) = attribute(tag, "name") else { continue };
        let kind = attribute(tag, "type").unwrap_or_default();
        match tag.split(' ').next().unwrap_or_default() {
            "input" if kind == "checkbox" && !tag.contains(" checked") => {}
            "input" => fields.push((name, unescape(&attribute(tag, "value").unwrap_or_default()))),
            "textarea" => fields.push((name, unescape(rest))),
            "select" => {
                let options = form.split(&format!("<{tag}>")).nth(1).unwrap_or_default().split("</select>").next().unwrap_or_default();
                let chosen = options.split("<option").find(|option| option.contains(" selected"));
                let first = options.split("<option").nth(1).unwrap_or_default();
                fields.push((name, unescape(&attribute(chosen.unwrap_or(first), "value").unwrap_or_default())));
            }
            _ => {}
        }
    }
    fields
}

pub fn sent(browser: &Browser, url: &str, fields: &[(String, String)]) -> Answer {
    let fields: Vec<(&str, &str)> =
        fields.iter().filter(|(name, _)| name != "csrf").map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post(url, &fields)
}

pub fn set(fields: &mut Vec<(String, String)>, name: &str, value: &str) {
    fields.retain(|(known, _)| known != name);
    fields.push((name.to_owned(), value.to_owned()));
}

/// A body of the API as a person would type it.
pub fn typed(d: &Descriptor, fields: &mut Vec<(String, String)>, body: &Value) {
    for (name, value) in body.as_object().expect("an object") {
        let kind = d.field(name).map(|field| &field.kind);
        let text = match (kind, value) {
            (Some(Kind::Lines(..)), Value::Array(rows)) => {
                for (at, row) in rows.iter().enumerate() {
                    for (cell, value) in row.as_object().expect("a row") {
                        let text = if value.is_null() { String::new() } else { value.to_string() };
                        let text = value.as_str().map_or(text, str::to_owned);
                        set(fields, &format!("{name}-{at}-{cell}"), &text);
                    }
                }
                continue;
            }
            (Some(Kind::Texts), Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            (_, Value::String(text)) => text.clone(),
            (_, Value::Null) => String::new(),
            (_, other) => other.to_string(),
        };
        fields.retain(|(known, _)| *known != format!("{name}__text"));
        set(fields, name, &text);
    }
}

// ------------------------------------------------------------------------------------------------ every resource

#[test]
fn every_resource_is_listed_added_changed_and_deleted() {
    let all: Vec<&Descriptor> = resources::all().iter().collect();
    for_each(&all, |world, d| {
        let browser = admin(world);
        let list = browser.get(&list_url(d));
        assert_eq!(list.status, 200, "{}", list.text);
        if d.about.read_only || !d.about.access.grants(CREATE) {
            assert_eq!(browser.get(&format!("{}add/", list_url(d))).status, 403);
            return;
        }
        // A form with nothing in it is refused beside its fields, or is enough.
        let url = format!("{}add/", list_url(d));
        let page = browser.get(&url);
        assert_eq!(page.status, 200, "{}", page.text);
        let empty: Vec<(String, String)> = form_of(&page.text).into_iter().map(|(name, _)| (name, String::new())).collect();
        let refused = sent(&browser, &url, &empty);
        assert!(matches!(refused.status, 400 | 409) && refused.text.contains("role=\"alert\""), "{}: {}", refused.status, refused.text);
        // What the API takes, the form takes.
        let body = (sample(d.about.path).least)(world);
        let mut fields = form_of(&page.text);
        typed(d, &mut fields, &body);
        let added = sent(&browser, &url, &fields);
        assert_eq!(added.status, 303, "{body} as {fields:?}: {}", added.text);
        let place = added.header("location").expect("a place").to_owned();
        let record = browser.get(&place);
        assert_eq!(record.status, 200, "{place}: {}", record.text);
        // Saved as it is, nothing is sent.
        let change = format!("{place}change/");
        let page = browser.get(&change);
        if d.about.access.grants(UPDATE) {
            assert_eq!(page.status, 200, "{}", page.text);
            let same = sent(&browser, &change, &form_of(&page.text));
            assert_eq!(same.status, 303, "{}: {}", same.status, same.text);
            let after = browser.get(&place);
            assert!(after.text.contains("Nothing was changed."), "{}", after.text);
        } else {
            assert_eq!(page.status, 403);
        }
        let history = browser.get(&format!("{place}history/"));
        assert!(history.status == 200 && history.text.contains("class=\"timeline\""), "{}", history.text);
        let delete = format!("{place}delete/");
        if d.about.soft_delete && d.about.access.grants(DELETE) {
            assert_eq!(browser.get(&delete).status, 200);
            let gone = browser.post(&delete, &[]);
            assert_eq!(gone.status, 303, "{}", gone.text);
            // What is in the trash leads to what became of it.
            assert_eq!(browser.get(&place).header("location"), Some(format!("{place}history/").as_str()));
            let id = place.trim_end_matches('/').rsplit('/').next().expect("an id");
            let trash = browser.get(&format!("{}deleted/", list_url(d)));
            assert!(trash.status == 200 && trash.text.contains(&format!("name=\"id\" value=\"{id}\"")), "{}", trash.text);
            let back = browser.post(&format!("{}bulk/", list_url(d)), &[("what", "restore"), ("id", id), ("confirmed", "1")]);
            assert_eq!(back.status, 303, "{}", back.text);
            assert_eq!(browser.get(&place).status, 200);
        } else {
            assert_eq!(browser.get(&delete).status, 403);
        }
        let narrowed = browser.get(&format!("{}?search=zzzz&page_size=25&column=id&column=created_at", list_url(d)));
        assert_eq!(narrowed.status, 200);
        for format in ["csv", "xlsx", "json"] {
            let file = browser.get(&format!("{}export/?format={format}", list_url(d)));
            assert_eq!(file.status, 200, "{format}: {}", file.text);
            assert!(file.header("content-disposition").is_some());
        }
    });
}

/// Whoever may not list a resource finds no way to it, and who may only look finds no form.
#[test]
fn rights_are_those_of_the_api() {
    let server = Server::start();
    let world = World::new_in(&server);
    let lead = world.kept("field/leads");
    let zone = world.kept("field/zones");
    let teacher = server.member("theo", Role::Teacher);
    let agent = server.member("ayla", Role::Agent);
    let (theo, ayla) = (Browser::signed_in(&server, "theo"), Browser::signed_in(&server, "ayla"));
    for d in resources::all() {
        for (client, browser) in [(&teacher, &theo), (&agent, &ayla)] {
            let by_api = client.get(&format!("/api/{}/", d.about.path)).status;
            let by_panel = browser.get(&list_url(d)).status;
            assert_eq!(by_panel, by_api, "{}", d.about.path);
            let shown = browser.get("/admin/").text.contains(&format!("href=\"{}\"", list_url(d)));
            assert_eq!(shown, by_api == 200, "{} in the menu", d.about.path);
            if by_api != 200 {
                for path in ["add/", "export/", "1/", "1/change/", "1/delete/", "1/history/", "deleted/"] {
                    let status = browser.get(&format!("{}{path}", list_url(d))).status;
                    assert_eq!(status, 403, "{}{path}", d.about.path);
                }
            }
        }
    }
    // Agents read zones, and see only their own leads.
    let page = ayla.get(&format!("/admin/field/zones/{zone}/"));
    assert!(page.status == 200 && !page.text.contains("/change/") && !page.text.contains("/delete/"), "{}", page.text);
    for path in ["change/", "delete/"] {
        assert_eq!(ayla.get(&format!("/admin/field/zones/{zone}/{path}")).status, 403);
    }
    assert_eq!(ayla.post(&format!("/admin/field/zones/{zone}/change/"), &[("name", "Mine")]).status, 403);
    assert_eq!(ayla.get("/admin/field/zones/add/").status, 403);
    assert!(!ayla.get("/admin/field/zones/").text.contains("Add zone"));
    assert_eq!(ayla.get(&format!("/admin/field/leads/{lead}/")).status, 404);
    assert_eq!(ayla.get(&format!("/admin/field/leads/{lead}/change/")).status, 404);
    // Nor does its name come out where she names it.
    let name = world.admin.get(&format!("/api/field/leads/{lead}/")).expect(200)["business_name"].as_str().expect("a name").to_owned();
    for path in ["field/actions/?lead=", "field/actions/add/?lead=", "field/visits/add/?lead="] {
        let page = ayla.get(&format!("/admin/{path}{lead}"));
        assert!(page.status == 200 && !page.text.contains(&name), "{path}: {}", page.text);
    }
    let many = ayla.post("/admin/field/leads/bulk/", &[("what", "set:priority"), ("id", &lead.to_string())]);
    assert!(many.status == 200 && !many.text.contains(&name), "{}", many.text);
    // Another business's record is not there.
    let other = server.business("Other");
    server.member_with("olga", Role::Admin, other, &[]);
    let olga = Browser::signed_in(&server, "olga");
    for path in ["", "change/", "delete/", "history/", "actions/lose/"] {
        assert_eq!(olga.get(&format!("/admin/field/leads/{lead}/{path}")).status, 404, "{path}");
    }
}

#[test]
fn customers_and_strangers_stay_outside() {
    let server = Server::start();
    server.member("carla", Role::Customer);
    server.member("cem", Role::Citizen);
    for path in ["/admin/", "/admin/field/leads/", "/admin/search/?q=x", "/admin/profile/", "/admin/lookup/field/leads/"] {
        let answer = Browser::new(&server).get(path);
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").is_some_and(|to| to.starts_with("/admin/login/?next=")), "{path}");
    }
    for name in ["carla", "cem"] {
        let browser = Browser::signed_in(&server, name);
        for path in ["/admin/", "/admin/profile/", "/admin/field/leads/", "/admin/finance/invoices/", "/admin/settings/"] {
            let page = browser.get(path);
            assert!(page.status == 403 && page.text.contains("This is the panel of the office"), "{path}: {}", page.text);
        }
    }
    assert_eq!(server.client().get("/admin/static/nothing.css").status, 404);
    assert_eq!(server.client().get("/admin").header("location"), Some("/admin/"));
}

// ------------------------------------------------------------------------------------------------ sessions and forms

#[test]
fn a_form_must_be_the_sessions_own() {
    let server = Server::start();
    server.member("ada", Role::Admin);
    let browser = Browser::signed_in(&server, "ada");
    let form = |fields: &[(&str, &str)], origin: bool| {
        browser.send("POST", "/admin/field/zones/add/", Some(("application/x-www-form-urlencoded", encoded(fields))), origin).status
    };
    let token = browser.token();
    assert_eq!(form(&[("name", "A")], true), 403, "no token");
    assert_eq!(form(&[("name", "A"), ("csrf", "")], true), 403);
    assert_eq!(form(&[("name", "A"), ("csrf", &token[1..])], true), 403);
    let other = Browser::signed_in(&server, "ada").token();
    assert_ne!(other, token);
    assert_eq!(form(&[("name", "A"), ("csrf", &other)], true), 403, "another session's");
    let page = browser.client.with("cookie", &format!("studio_admin={}", browser.cookies.borrow()["studio_admin"]));
    let body = || Some(("application/x-www-form-urlencoded", encoded(&[("name", "A"), ("csrf", token.as_str())])));
    let foreign = page.with("origin", "https://evil.example").send("POST", "/admin/field/zones/add/", body());
    assert_eq!(foreign.status, 403);
    let cross = page.with("sec-fetch-site", "cross-site").send("POST", "/admin/field/zones/add/", body());
    assert_eq!(cross.status, 403);
    let login = server.client().with("origin", "https://evil.example").send(
        "POST",
        "/admin/login/",
        Some(("application/x-www-form-urlencoded", encoded(&[("username", "ada"), ("password", PASSWORD)]))),
    );
    assert_eq!(login.status, 403);
    assert_eq!(form(&[("name", "A"), ("csrf", &token)], true), 303);
    for method in ["PUT", "PATCH", "DELETE"] {
        assert_eq!(browser.send(method, "/admin/field/zones/1/", None, true).status, 405);
    }
}

#[test]
fn a_session_is_one_of_the_persons() {
    let server = Server::start();
    let ada = server.member("ada", Role::Admin);
    let (browser, second) = (Browser::signed_in(&server, "ada"), Browser::signed_in(&server, "ada"));
    let line = browser.sign_in("ada", PASSWORD);
    assert_eq!(line.header("location"), Some("/admin/"), "who is signed in is sent on");
    let sessions = ada.get("/api/auth/sessions/").expect(200);
    assert_eq!(sessions["count"], 3, "{sessions}");
    assert!(browser.get("/admin/profile/").text.matches("name=\"id\" value=\"").count() >= 2);
    // Ended elsewhere, it is over with the next click.
    let ended = browser.post("/admin/profile/sessions/", &[("id", "others")]);
    assert_eq!(ended.status, 303, "{}", ended.text);
    assert_eq!(second.get("/admin/").status, 303);
    assert_eq!(browser.get("/admin/").status, 200);
    // Another password ends all but the one that set it.
    let third = Browser::signed_in(&server, "ada");
    let new = "a rather new pass phrase";
    let wrong = browser.post("/admin/profile/password/", &[("current_password", "no"), ("new_password", new), ("again", new)]);
    assert!(wrong.status == 400 && wrong.text.contains("aria-invalid"), "{}", wrong.text);
    let changed = browser.post("/admin/profile/password/", &[("current_password", PASSWORD), ("new_password", new), ("again", new)]);
    assert_eq!(changed.status, 303, "{}", changed.text);
    assert_eq!(browser.get("/admin/").status, 200, "the session goes on");
    assert_eq!(third.get("/admin/").status, 303);
    // Signing out ends it for whoever has the cookie.
    let kept = browser.cookies.borrow().clone();
    let out = browser.post("/admin/logout/", &[]);
    assert_eq!(out.header("location"), Some("/admin/login/"));
    *browser.cookies.borrow_mut() = kept;
    assert_eq!(browser.get("/admin/").status, 303);
}

#[test]
fn cookies_are_the_panels_alone() {
    let server = Server::start();
    server.member("ada", Role::Admin);
    let browser = Browser::new(&server);
    let answer = browser.sign_in("ada", PASSWORD);
    let line = answer.headers.iter().find(|(_, line)| line.starts_with("studio_admin=")).map(|(_, line)| line.clone()).expect("a cookie");
    assert!(line.contains("; HttpOnly; ") && line.contains("; Path=/admin/; SameSite=Lax"), "{line}");
    // The token in it is no access token, and a client's own token opens no panel.
    let token = browser.cookies.borrow()["studio_admin"].clone();
    assert_eq!(server.client().with_token(&token).get("/api/field/leads/").status, 401);
    let pair = server.client().post("/api/auth/login/", json!({"username": "ada", "password": PASSWORD})).expect(200);
    for token in [&pair["refresh"], &pair["access"]] {
        let stranger = server.client().with("cookie", &format!("studio_admin={}", token.as_str().expect("a token")));
        assert_eq!(stranger.get("/admin/").status, 303);
    }
}

#[test]
fn signing_in_is_throttled_like_the_apis() {
    let server = Server::start_with(|config| config.throttle.account_rate = MaybeRate(Some(Rate { count: 3, seconds: 60 })));
    server.member("ada", Role::Admin);
    let browser = Browser::new(&server);
    let statuses: Vec<u16> = (0..5).map(|_| browser.sign_in("ada", "wrong").status).collect();
    assert!(statuses.starts_with(&[401]) && statuses.ends_with(&[429]), "{statuses:?}");
    assert_eq!(browser.sign_in("ada", PASSWORD).status, 429);
}

#[test]
fn the_first_start_makes_the_administrator_once() {
    let server = Server::start();
    let token = server.app.first.token().expect("there is no administrator");
    let (url, browser) = (format!("/admin/start/{token}/"), Browser::new(&server));
    assert_eq!(browser.get("/admin/start/nothing/").status, 404);
    assert_eq!(browser.get(&url).status, 200);
    let given = |password: &'static str, currency: &'static str| {
        vec![
            ("full_name", "Rana"),
            ("username", "rana"),
            ("email", ""),
            ("password", password),
            ("again", password),
            ("name", "Northwind"),
            ("currency", currency),
            ("timezone", "Europe/Istanbul"),
        ]
    };
    let weak = browser.post(&url, &given("12345", "EUR"));
    assert!(weak.status == 400 && weak.text.contains("e-password"), "{}", weak.text);
    let wrong = browser.post(&url, &given(PASSWORD, "XXXX"));
    assert!(wrong.status == 400 && wrong.text.contains("e-currency"), "{}", wrong.text);
    let begun = browser.post(&url, &given(PASSWORD, "EUR"));
    assert_eq!((begun.status, begun.header("location")), (303, Some("/admin/")), "{}", begun.text);
    let home = browser.get("/admin/");
    assert!(home.status == 200 && home.text.contains("Northwind"), "{}", home.text);
    assert_eq!(Browser::new(&server).get(&url).status, 404);
    assert_eq!(Browser::new(&server).post(&url, &given(PASSWORD, "EUR")).status, 404);
    assert_eq!(server.app.first.token(), None);
}

#[test]
fn the_first_start_ends_with_an_administrator_made_elsewhere() {
    let server = Server::start();
    let token = server.app.first.token().expect("a token");
    server.write(|tx| tx.insert("users", vec![("username", "root".into()), ("is_superuser", true.into())]));
    assert_eq!(Browser::new(&server).get(&format!("/admin/start/{token}/")).status, 404);
}

// ------------------------------------------------------------------------------------------------ pages

#[test]
fn what_somebody_else_changed_meanwhile_is_shown() {
    let server = Server::start();
    let world = World::new_in(&server);
    let lead = world.kept("field/leads");
    let browser = admin(&world);
    let url = format!("/admin/field/leads/{lead}/change/");
    let mut fields = form_of(&browser.get(&url).text);
    set(&mut fields, "contact_name", "Mine");
    world.admin.patch(&format!("/api/field/leads/{lead}/"), json!({"contact_name": "Theirs", "location": "Harbour"})).expect(200);
    let conflict = sent(&browser, &url, &fields);
    assert_eq!(conflict.status, 409, "{}", conflict.text);
    assert!(conflict.text.contains("Theirs") && conflict.text.contains("Mine") && conflict.text.contains("Harbour"), "{}", conflict.text);
    let mut chosen = form_of(&conflict.text);
    chosen.retain(|(name, _)| !name.starts_with("take-"));
    chosen.extend([("take-contact_name".to_owned(), "mine".to_owned()), ("take-location".to_owned(), "theirs".to_owned())]);
    let saved = sent(&browser, &url, &chosen);
    assert_eq!(saved.status, 303, "{}", saved.text);
    let now = world.admin.get(&format!("/api/field/leads/{lead}/")).expect(200);
    assert_eq!((&now["contact_name"], &now["location"]), (&json!("Mine"), &json!("Harbour")));
}

#[test]
fn many_are_changed_at_once_and_only_when_confirmed() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = admin(&world);
    let ids: Vec<String> = (0..3).map(|_| world.another("field/leads").to_string()).collect();
    let mut form: Vec<(&str, &str)> = ids.iter().map(|id| ("id", id.as_str())).collect();
    form.push(("what", "set:priority"));
    let asked = browser.post("/admin/field/leads/bulk/", &form);
    assert!(asked.status == 200 && asked.text.contains("Set priority: 3"), "{}", asked.text);
    assert_eq!(world.admin.get("/api/field/leads/?priority=urgent").expect(200)["count"], 0);
    form.extend([("priority", "urgent"), ("confirmed", "1")]);
    assert_eq!(browser.post("/admin/field/leads/bulk/", &form).status, 303);
    assert_eq!(world.admin.get("/api/field/leads/?priority=urgent").expect(200)["count"], 3);
    // All that the list has, by its filters.
    world.another("field/leads");
    let all = [("what", "delete"), ("all", "1"), ("query", "?priority=urgent"), ("confirmed", "1")];
    assert_eq!(browser.post("/admin/field/leads/bulk/", &all).status, 303);
    assert_eq!(world.admin.get("/api/field/leads/").expect(200)["count"], 1);
}

#[test]
fn actions_are_offered_as_far_as_they_are_possible() {
    let server = Server::start();
    let world = World::new_in(&server);
    let (lead, browser) = (world.kept("field/leads"), admin(&world));
    let place = format!("/admin/field/leads/{lead}/");
    let page = browser.get(&place).text;
    assert!(page.contains("actions/lose/") && page.contains("title=\"Give a lead up\"") && !page.contains("actions/reopen/"), "{page}");
    let refused = browser.post(&format!("{place}actions/lose/"), &[("lost_reason", "")]);
    assert!(refused.status == 400 && refused.text.contains("This field is required."), "{}", refused.text);
    assert_eq!(browser.post(&format!("{place}actions/lose/"), &[("lost_reason", "price")]).status, 303);
    let page = browser.get(&place).text;
    assert!(!page.contains("actions/lose/") && page.contains("actions/reopen/"), "{page}");
    assert_eq!(browser.get(&format!("{place}actions/nothing/")).status, 404);
    assert_eq!(browser.post(&format!("{place}actions/reopen/"), &[]).status, 303);
    assert_eq!(world.admin.get(&format!("/api/field/leads/{lead}/")).expect(200)["stage"], "prospect");
    // And back by its history.
    let history = browser.get(&format!("{place}history/")).text;
    let first = history.split("name=\"to\" value=\"").last().and_then(|rest| rest.split('"').next()).expect("an entry").to_owned();
    assert_eq!(browser.post(&format!("{place}revert/"), &[("to", &first)]).status, 303);
}

/// Operations at a record that are not for the buttons of its page: what the panel has pages for, or what belongs to whoever is asked.
const NOT_OFFERED: [&str; 4] = ["restore", "revert", "files", "comments"];
const NOT_OFFERED_AT: [(&str, &str); 9] = [
    ("finance/requisitions", "add_item"),
    ("finance/requisitions", "upload_document"),
    ("accounts/memberships", "accept"),
    ("accounts/users-list", "end-sessions"),
    ("businesses", "activate"),
    ("businesses", "deactivate"),
    ("comments", "react"),
    ("comments", "like"),
    ("outbox", "retry"),
];

#[test]
fn every_action_of_the_document_is_declared_and_the_other_way_round() {
    let document: Value = serde_json::from_str(&studio::api::openapi_json("studio")).expect("a document");
    let mut described: Vec<(String, String)> = vec![];
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let Some((resource, rest)) = path.trim_start_matches("/api/").split_once("/{id}/") else { continue };
        let name = rest.trim_end_matches('/');
        let is_versioned = resource.starts_with("v1/") || resource.starts_with("users/");
        let excluded = NOT_OFFERED.contains(&name) || NOT_OFFERED_AT.contains(&(resource, name));
        if !methods["post"].is_null() && !name.contains('/') && !excluded && !is_versioned {
            described.push((resource.to_owned(), name.to_owned()));
        }
    }
    let declared =
        resources::all().iter().flat_map(|d| d.about.actions.iter().map(|action| (d.about.path.to_owned(), action.name.to_owned())));
    let mut declared: Vec<(String, String)> = declared.collect();
    described.sort();
    declared.sort();
    assert!(described.len() > 10);
    assert_eq!(declared, described);
}

#[test]
fn the_search_finds_and_references_are_looked_up() {
    let server = Server::start();
    let world = World::new_in(&server);
    let lead = world.kept("field/leads");
    world.admin.patch(&format!("/api/field/leads/{lead}/"), json!({"business_name": "<b>Zebra & Sons"})).expect(200);
    let browser = admin(&world);
    let found = browser.get("/admin/search/?q=zebra");
    assert!(found.text.contains(&format!("/admin/field/leads/{lead}/")) && found.text.contains("<mark>"), "{}", found.text);
    assert!(!found.text.contains("<b>Zebra"), "{}", found.text);
    let looked_up = browser.get("/admin/lookup/field/leads/?q=zebra").expect(200);
    assert_eq!(looked_up, json!([{"id": lead, "label": "<b>Zebra & Sons"}]));
    assert!(browser.get("/admin/field/leads/").text.contains("&lt;b&gt;Zebra &amp; Sons"));
}

#[test]
fn the_theme_is_kept_and_assets_for_long() {
    let server = Server::start();
    server.member("ada", Role::Admin);
    server.staff("finn", &[Capability::Finance]);
    let browser = Browser::signed_in(&server, "ada");
    assert!(browser.get("/admin/").text.contains("data-theme=\"auto\""));
    browser.post("/admin/theme/", &[("theme", "dark"), ("next", "/admin/profile/")]);
    let page = browser.get("/admin/").text;
    assert!(page.contains("data-theme=\"dark\""));
    for asset in page.split("/admin/static/").skip(1).filter_map(|rest| rest.split('"').next()) {
        let answer = server.client().get(&format!("/admin/static/{asset}"));
        assert_eq!(answer.status, 200, "{asset}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
    }
    let finn = Browser::signed_in(&server, "finn");
    assert_eq!(finn.get("/admin/settings/").status, 403);
    assert_eq!(browser.get("/admin/settings/").status, 200);
}

#[test]
fn the_second_factor_is_asked_for() {
    let server = Server::start();
    let ada = server.member("ada", Role::Admin);
    let browser = Browser::signed_in(&server, "ada");
    // Set up in the panel.
    let place = "/admin/profile/two-factor/";
    let begun = browser.post(place, &[("step", "setup"), ("password", PASSWORD)]);
    assert!(begun.status == 200 && begun.text.contains("<svg ") && begun.text.contains("name=\"secret\""), "{}", begun.text);
    let wrong = browser.post(place, &[("step", "confirm"), ("code", "000000"), ("secret", "kept")]);
    assert!(wrong.status == 400 && wrong.text.contains("value=\"kept\""), "{}", wrong.text);
    let on = browser.post(place, &[("step", "confirm"), ("code", &factors::shown(&server, ada.id, 0))]);
    assert!(on.status == 200 && on.text.contains("recovery codes"), "{}", on.text);
    let recovery = between(&on.text, "<code>", "</code>").expect("a recovery code");
    server.clock.advance(60);
    // And asked for with the next sign-in.
    let browser = Browser::new(&server);
    let asked = browser.sign_in("ada", PASSWORD);
    assert!(asked.status == 200 && asked.text.contains("name=\"challenge\""), "{}", asked.text);
    assert_eq!(browser.get("/admin/").status, 303, "half is not enough");
    let challenge = between(&asked.text, "name=\"challenge\" value=\"", "\"").expect("a challenge");
    let refused = browser.post("/admin/verify/", &[("challenge", &challenge), ("code", "000000")]);
    assert!(refused.status >= 400 && refused.text.contains("role=\"alert\""), "{}", refused.text);
    let code = factors::shown(&server, ada.id, 0);
    let right = browser.post("/admin/verify/", &[("challenge", &challenge), ("code", &code), ("next", "/admin/field/leads/")]);
    assert_eq!((right.status, right.header("location")), (303, Some("/admin/field/leads/")), "{}", right.text);
    assert_eq!(browser.get("/admin/").status, 200);
    // A recovery code will do.
    let browser = Browser::new(&server);
    let asked = browser.sign_in("ada", PASSWORD).text;
    let challenge = between(&asked, "name=\"challenge\" value=\"", "\"").expect("a challenge");
    assert_eq!(browser.post("/admin/verify/", &[("challenge", &challenge), ("code", &recovery)]).status, 303);
}

#[test]
fn where_one_goes_after_signing_in_is_the_panel() {
    let server = Server::start();
    server.member("ada", Role::Admin);
    for next in ["https://evil.example/", "//evil.example/", "/admin//evil.example", "/api/", "javascript:x"] {
        let answer = Browser::new(&server).post("/admin/login/", &[("username", "ada"), ("password", PASSWORD), ("next", next)]);
        assert_eq!(answer.header("location"), Some("/admin/"), "{next}");
    }
}

#[test]
fn files_and_comments_are_added_on_the_records_page() {
    let server = Server::start();
    let world = World::new_in(&server);
    let (lead, browser) = (world.kept("field/leads"), admin(&world));
    let place = format!("/admin/field/leads/{lead}/");
    let said = browser.post(&format!("{place}comments/"), &[("content", "Ask for <b>forty</b> tables.")]);
    assert_eq!(said.status, 303);
    let body = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"list.txt\"\r\nContent-Type: text/plain\r\n\r\nforty tables\r\n--x--\r\n";
    let form = || Some(("multipart/form-data; boundary=x", body.as_bytes().to_vec()));
    assert_eq!(browser.send("POST", &format!("{place}files/"), form(), true).status, 403, "no token");
    let sent = browser.send("POST", &format!("{place}files/?token={}", browser.token()), form(), true);
    assert_eq!(sent.status, 303, "{}", sent.text);
    let page = browser.get(&place).text;
    assert!(page.contains("list.txt") && page.contains("&lt;b&gt;forty&lt;/b&gt;"), "{page}");
    let file = between(&page, "/admin/files/", "\"").expect("a link");
    assert_eq!(browser.get(&format!("/admin/files/{file}")).text, "forty tables");
}

/// What stands on the first page is what its list shows: each filter means something to it.
#[test]
fn figures_are_lists() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = admin(&world);
    let home = browser.get("/admin/").text;
    let mut seen = 0;
    for d in resources::all() {
        for figure in d.about.figures {
            seen += 1;
            let words = figure.words;
            // What waits is shown as long as there is any.
            assert!(home.contains(words) || figure.waits, "{words}: {home}");
            let query = figure.query.replace(":today", "2026-03-02").replace(":me", &world.admin.id.to_string());
            let filters: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            world.admin.create("/api/saved-views/", json!({"resource": d.about.path, "name": words, "filters": filters}));
            assert_eq!(browser.get(&format!("{}?{query}", list_url(d))).status, 200);
        }
    }
    assert!(seen > 3);
    // As views, they stand above their lists.
    assert!(browser.get("/admin/field/leads/").text.contains(">Hot leads</a>"));
}

#[test]
fn another_business_is_a_click_away() {
    let server = Server::start();
    let other = server.business("Other");
    let ada = server.member("ada", Role::Admin);
    server.write(move |tx| studio::auth::account::join(tx, ada.id, other, Role::Staff));
    let browser = Browser::signed_in(&server, "ada");
    assert!(browser.get("/admin/").text.contains("action=\"/admin/switch/\""));
    assert_eq!(browser.post("/admin/switch/", &[("business", &other.to_string())]).status, 303);
    let page = browser.get("/admin/").text;
    assert!(page.contains("<span>Other</span>") && page.contains("<small>Staff</small>"), "{page}");
    assert_eq!(browser.get("/admin/settings/").status, 403);
    assert_eq!(browser.post("/admin/switch/", &[("business", "999")]).status, 404);
}

#[test]
fn what_an_action_does_is_said_before_it_is_done() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = admin(&world);
    let lead = format!("/admin/field/leads/{}/", world.another("field/leads"));
    // It is asked about, but takes nothing away.
    let page = browser.get(&lead).text;
    let convert = page.split("<a ").find(|link| link.contains("actions/convert/")).expect("the button");
    assert!(!convert.contains("risky"), "{convert}");
    assert!(!browser.get(&format!("{lead}actions/convert/")).text.contains("<button class=\"danger\""));
    // Choices have their titles.
    let page = browser.get(&format!("{lead}actions/lose/")).text;
    assert!(page.contains("Sets its stage to lost and its status to Closed lost."), "{page}");
    let visit = format!("/admin/field/visits/{}/actions/cancel/", world.another("field/visits"));
    assert!(browser.get(&visit).text.contains("<button class=\"danger\""));
}

#[test]
fn what_only_administrators_may_do_is_offered_to_them_only() {
    let server = Server::start();
    let rana = server.member("rana", Role::Staff);
    server.member("ada", Role::Admin);
    server.member("mia", Role::Manager);
    let page = format!("/admin/accounts/users-list/{}/", rana.id);
    let offered = |name: &str| Browser::signed_in(&server, name).get(&page).text;
    let (to_admin, to_manager) = (offered("ada"), offered("mia"));
    assert!(to_admin.contains("actions/unlock/") && to_admin.contains("actions/deactivate/"), "{to_admin}");
    assert!(!to_manager.contains("actions/unlock/") && to_manager.contains("actions/deactivate/"), "{to_manager}");
}
