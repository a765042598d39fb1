//! What keeps the panel safe, on every page that can be reached: what browsers are told, that each form is the session's own, that
//! nothing secret stands in a page, and that guessing is bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::json;
use studio::{actor::Role, config, engine::CREATE, resources};

use crate::{
    panel::{Browser, attribute, tags},
    samples::World,
    support::{Answer, PASSWORD, Server},
};

/// Of pages that differ by ids or parameters alone, so many are looked at.
const ALIKE: usize = 2;
const FORM: &str = "application/x-www-form-urlencoded";

/// An address as its kind: without parameters, with `#` for ids.
fn kind_of(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    path.split('/').map(|part| if part.parse::<u64>().is_ok() { "#" } else { part }).collect::<Vec<_>>().join("/")
}

/// All pages that links and GET forms lead to from the first one.
fn walked(browser: &Browser) -> BTreeMap<String, Answer> {
    let mut queue: VecDeque<String> =
        ["/admin/", "/admin/login/", "/admin/nowhere/", "/admin/profile/two-factor/"].map(str::to_owned).into();
    let (mut seen, mut alike, mut pages) = (BTreeSet::new(), BTreeMap::<String, usize>::new(), BTreeMap::new());
    while let Some(address) = queue.pop_front() {
        let count = alike.entry(kind_of(&address)).or_default();
        if *count >= ALIKE || !seen.insert(address.clone()) {
            continue;
        }
        *count += 1;
        let answer = browser.get(&address);
        let here = address.split('?').next().unwrap_or_default();
        for tag in tags(&answer.text) {
            let link = match tag.split(' ').next() {
                Some("a") => attribute(tag, "href"),
                Some("form") if !tag.contains("method=\"post\"") => attribute(tag, "action"),
                _ => None,
            };
            let link = link.map(|link| link.replace("&amp;", "&"));
            queue.extend(
                link.map(|link| if link.starts_with('?') { format!("{here}{link}") } else { link })
                    .filter(|link| link.starts_with("/admin/")),
            );
        }
        pages.insert(address, answer);
    }
    pages
}

/// Something of everything, so that pages have what they can have.
fn furnish(world: &World<'_>) {
    for d in resources::all().iter().filter(|d| !d.about.read_only && d.about.access.grants(CREATE)) {
        world.another(d.about.path);
    }
    let lead = world.kept("field/leads");
    world.admin.post(&format!("/api/field/leads/{lead}/comments/"), json!({"content": "Call again."})).expect(201);
    world.row_of("files");
}

#[test]
fn every_page_tells_browsers_what_not_to_do_and_every_form_is_the_sessions_own() {
    let server = Server::start();
    let world = World::new_in(&server);
    furnish(&world);
    let browser = Browser::signed_in(&server, "admin1");
    let stranger = Browser::signed_in(&server, "admin1").token();
    let pages = walked(&browser);
    let kinds: BTreeSet<String> = pages.keys().map(|address| kind_of(address)).collect();
    assert!(kinds.len() > 150, "{kinds:?}");
    for d in resources::all() {
        assert!(kinds.contains(&format!("/admin/{}/", d.about.path)), "{} is not reached", d.about.path);
    }
    let (mut forms, mut tried) = (BTreeMap::<String, String>::new(), 0);
    for (address, page) in &pages {
        // A file is asked for anew each time, and may come out of the browser when it is the same.
        let kept = if kind_of(address).starts_with("/admin/files/") { "private, no-cache" } else { "no-store" };
        let told = [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cache-control", kept),
        ];
        for (name, value) in told {
            assert_eq!(page.header(name), Some(value), "{address}: {name}");
        }
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(
            (policy.contains("frame-ancestors 'none'") || policy.starts_with("sandbox;"))
                && policy.contains("default-src 'none'")
                && !policy.contains("unsafe"),
            "{address}: {policy}"
        );
        if page.status == 200 && page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            assert!(policy.contains("base-uri 'none'") && policy.contains("form-action 'self'"), "{address}: {policy}");
        }
        for tag in tags(&page.text).into_iter().filter(|tag| tag.starts_with("form ") && tag.contains("method=\"post\"")) {
            let action = attribute(tag, "action").unwrap_or_else(|| address.clone());
            assert!(action.starts_with("/admin/"), "{address} sends a form to {action}");
            forms.entry(kind_of(&action)).or_insert(action);
        }
    }
    for (kind, action) in &forms {
        // A file's token is in its address.
        let bare = action.split("?token=").next().unwrap_or_default();
        let is_upload = bare != action;
        let boundary = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\na\r\n--x--\r\n".to_vec();
        for token in ["", "AAAA", stranger.as_str()] {
            let answer = if is_upload {
                let to = format!("{bare}?token={token}");
                browser.send("POST", &to, Some(("multipart/form-data; boundary=x", boundary.clone())), true)
            } else {
                browser.send("POST", bare, Some((FORM, format!("csrf={token}&confirmed=1").into_bytes())), true)
            };
            assert!(
                answer.status == 403 && answer.text.contains("no longer good"),
                "{kind} took {token:?}: {} {}",
                answer.status,
                answer.text
            );
        }
        // From another site it is refused whatever it carries.
        let own = browser.token();
        let answer = browser.foreign(bare, &format!("csrf={own}"));
        assert_eq!(answer.status, 403, "{kind} from another site");
        tried += 1;
    }
    assert!(tried > 100, "{:?}", forms.keys());
}

#[test]
fn nothing_secret_stands_in_a_page() {
    let server = Server::start();
    let world = World::new_in(&server);
    furnish(&world);
    const SECRET: &str = "marmalade-77-secret";
    for kind in ["smtp", "sms", "webhook", "llm"] {
        let body = json!({"kind": kind, "name": world.name("Post"), "config": {"host": "mail.example.org"}});
        let id = world.admin.create("/api/integrations/", body)["id"].clone();
        world.admin.put(&format!("/api/integrations/{id}/secret/"), json!({"secret": SECRET})).expect(200);
    }
    world.admin.post("/api/auth/2fa/setup/", json!({"password": PASSWORD})).expect(200);
    let browser = Browser::signed_in(&server, "admin1");
    let key =
        world.admin.post("/api/auth/api-keys/", json!({"name": "Till", "password": PASSWORD})).json()["key"].as_str().map(str::to_owned);
    let hash: String = server
        .app
        .db
        .read(|reader| reader.one("SELECT password_hash FROM users WHERE username = 'admin1'", &[]))
        .expect("a read")
        .expect("a hash");
    let cookie = browser.cookie("studio_admin");
    let access = world.admin.token.clone().unwrap_or_default();
    let mut secrets = vec![SECRET, PASSWORD, "$argon2", "secret_enc", hash.as_str(), cookie.as_str(), access.as_str()];
    secrets.extend(key.as_deref());
    for (address, page) in walked(&browser) {
        for secret in &secrets {
            assert!(!page.text.contains(secret), "{address} has {secret}");
        }
        for tag in tags(&page.text).into_iter().filter(|tag| tag.contains("type=\"password\"")) {
            assert!(!tag.contains(" value="), "{address}: <{tag}>");
        }
    }
}

/// As through the API: with the limits that a server has unless it is told otherwise.
#[test]
fn guessing_a_password_in_the_panel_is_bounded() {
    let server = Server::start_with(|config| {
        let file = std::path::Path::new(&config.data.folder).with_file_name("config.toml");
        config.throttle = config::load(Some(&file), std::iter::empty(), &[]).expect("the defaults").config.throttle;
    });
    server.member("ada", Role::Admin);
    let guess = |password: &str| {
        let browser = Browser::new(&server);
        let fields = [("username", "ada"), ("password", password)];
        browser.send(
            "POST",
            "/admin/login/",
            Some((FORM, form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes())),
            true,
        )
    };
    let mut guesses = 0;
    let refused = loop {
        let answer = guess("wrong horse");
        if answer.status == 429 {
            break answer;
        }
        guesses += 1;
        assert!(matches!(answer.status, 400 | 401) && guesses < 50, "{}: {}", answer.status, answer.text);
    };
    assert!(guesses >= 3 && refused.text.contains("<!doctype html>"), "{guesses}: {}", refused.text);
    assert_eq!(guess(PASSWORD).status, 429, "the right one has to wait as well");
}
