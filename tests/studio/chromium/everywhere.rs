//! What holds for every page: it fits a telephone, axe-core finds nothing, everything is reached by the keyboard, and nothing jumps.

use std::fmt::Write;

use serde_json::json;
use studio::{
    actor::Role,
    engine::{CREATE, Descriptor, UPDATE},
    resources,
};

use super::{Chromium, axe, signed_in};
use crate::{
    samples::World,
    support::{PASSWORD, Server},
};

/// Of each resource the list, the form and a record.
fn pages(world: &World<'_>) -> Vec<String> {
    let mut pages: Vec<String> =
        ["", "search/?q=a", "profile/", "profile/two-factor/", "settings/"].map(|path| format!("/admin/{path}")).into();
    let administration =
        ["people", "people/invite", "businesses", "integrations", "integrations/add/?kind=smtp", "keys", "keys/add", "audit", "outbox"];
    pages.extend(administration.map(|path| format!("/admin/administration/{path}{}", if path.contains('?') { "" } else { "/" })));
    pages.push("/admin/field/leads/import/".into());
    for d in resources::all() {
        let list = format!("/admin/{}/", d.about.path);
        let is_made = !d.about.read_only && d.about.access.grants(CREATE);
        let id = if is_made { Some(world.another(d.about.path)) } else { first(world, d) };
        pages.push(list.clone());
        if is_made {
            pages.push(format!("{list}add/"));
        }
        if let Some(id) = id {
            pages.extend([format!("{list}{id}/"), format!("{list}{id}/history/")]);
            if d.about.access.grants(UPDATE) && !d.about.read_only {
                pages.push(format!("{list}{id}/change/"));
            }
        }
    }
    pages
}

fn first(world: &World<'_>, d: &Descriptor) -> Option<i64> {
    world.admin.get(&format!("/api/{}/", d.about.path)).json()["results"][0]["id"].as_i64()
}

/// A story with something of everything on its pages: where the eye, and axe, look closer.
fn story(world: &World<'_>) -> Vec<(&'static str, String)> {
    let admin = &world.admin;
    let zone = world.kept("field/zones");
    let (stages, priorities) = (["prospect", "qualified", "negotiation"], ["low", "medium", "high", "urgent"]);
    for (at, name) in ["Harbour School", "Zebra Café", "Hill Farm & Sons", "Lakeside Clinic", "Old Mill Bakery"].into_iter().enumerate() {
        admin.create(
            "/api/field/leads/",
            json!({"business_name": name, "contact_name": "Mara Lind", "contact_phone": format!("+1 555 010 00{at:02}"), "zone": zone,
                "stage": stages[at % 3], "priority": priorities[at % 4], "expected_value": format!("{}500.00", at + 1),
                "follow_up_date": "2026-03-05", "tags": ["school", "north"]}),
        );
    }
    let lead = admin.get("/api/field/leads/?search=clinic").expect(200)["results"][0]["id"].clone();
    admin
        .patch(&format!("/api/field/leads/{lead}/"), json!({"notes": "Asked for an offer of forty chairs.", "stage": "negotiation"}))
        .expect(200);
    admin.post(&format!("/api/field/leads/{lead}/comments/"), json!({"content": "Call again on Monday."})).expect(201);
    let party = world.kept("finance/parties");
    let items = json!([
        {"name": "Chairs", "quantity": "40", "unit_cost": "40.50", "unit": "pcs"},
        {"name": "Tables, solid oak, with drawers", "description": "As in the showroom.", "quantity": "10", "unit_cost": "1190"},
        {"name": "Delivery", "quantity": "1", "unit_cost": "85"},
    ]);
    let invoice = admin.create("/api/finance/invoices/", json!({"party": party, "items": items, "issue": true}))["id"].clone();
    [
        ("home", String::new()),
        ("list", "field/leads/".into()),
        ("list-narrowed", "field/leads/?stage=negotiation&search=o".into()),
        ("empty", "field/leads/?search=nothing+at+all".into()),
        ("form", "field/leads/add/".into()),
        ("form-lines", "finance/invoices/add/".into()),
        ("lead", format!("field/leads/{lead}/")),
        ("lead-history", format!("field/leads/{lead}/history/")),
        ("invoice", format!("finance/invoices/{invoice}/")),
        ("invoices", "finance/invoices/".into()),
        ("delete", format!("field/leads/{lead}/delete/")),
        ("action", format!("field/leads/{lead}/actions/lose/")),
        ("trash", "field/leads/deleted/".into()),
        ("search", "search/?q=harbour".into()),
        ("profile", "profile/".into()),
        ("settings", "settings/".into()),
        ("not-found", "nowhere/".into()),
    ]
    .map(|(name, path)| (name, format!("/admin/{path}")))
    .into()
}

/// What sticks out of the page to the right, if it can be scrolled there.
fn sticks_out(browser: &Chromium) -> Option<String> {
    let script = "(() => { const wide = document.documentElement.clientWidth; if (document.documentElement.scrollWidth <= Math.min(wide, innerWidth)) return null;
        return [document.documentElement.scrollWidth, ...[...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > wide + 1
        && !one.parentElement.closest('.scroll')).slice(0, 4).map((one) => one.outerHTML.slice(0, 120))]; })()";
    Some(browser.eval(script)).filter(|found| !found.is_null()).map(|found| format!("sticks out: {found}"))
}

#[test]
#[ignore = "needs Chromium"]
fn every_page_fits_a_telephone_and_axe_finds_nothing_on_it() {
    let server = Server::start();
    let world = World::new_in(&server);
    let (pages, mut wrong) = (pages(&world), String::new());
    let browser = signed_in(&server, "admin1");
    assert!(pages.len() > 80, "{pages:?}");
    for page in &pages {
        browser.size(390, 844);
        browser.open(page);
        // Changing asks for what adding does, and one history is like another.
        let is_like_others = page.ends_with("/change/") || page.ends_with("/history/");
        let found = if is_like_others { vec![] } else { axe::violations(&browser) };
        for found in found.into_iter().chain(sticks_out(&browser)) {
            let _ = writeln!(wrong, "{page}: {found}");
        }
        browser.size(1280, 900);
        if let Some(found) = sticks_out(&browser) {
            let _ = writeln!(wrong, "{page} on a desk: {found}");
        }
    }
    browser.size(390, 844);
    browser.open("/admin/");
    browser.click(".burger > summary");
    assert!(browser.count(".drawer a") > 20, "the menu is behind its button");
    assert_eq!(wrong, "");
    browser.is_calm();
}

#[test]
#[ignore = "needs Chromium"]
fn axe_finds_nothing_wherever_one_looks_in_any_light_and_width() {
    let server = Server::start();
    let world = World::new_in(&server);
    let story = story(&world);
    let mut wrong = String::new();
    let mut look = |browser: &Chromium, at: &str| {
        let at = format!("{at}-{}", browser.eval("innerWidth"));
        for theme in ["light", "dark"] {
            browser.prefers(theme);
            for found in axe::violations(browser) {
                let _ = writeln!(wrong, "{at} {theme}: {found}");
            }
            browser.shoot(&format!("{at}-{theme}"));
        }
        if let Some(found) = sticks_out(browser) {
            let _ = writeln!(wrong, "{at}: {found}");
        }
    };
    let stranger = Chromium::at(&server);
    let browser = signed_in(&server, "admin1");
    for (width, height) in [(1280, 900), (390, 844)] {
        stranger.size(width, height);
        stranger.open("/admin/login/");
        look(&stranger, "sign-in");
        browser.size(width, height);
        for (name, page) in &story {
            browser.go(page);
            look(&browser, name);
            if *name == "form" {
                browser.press("Save");
                look(&browser, "form-refused");
            }
            if *name == "list" {
                browser.click(".bar .drop > summary");
                look(&browser, "columns");
                browser.key("Escape", 0);
                if width < 600 {
                    browser.click(".narrow > summary");
                }
                assert!(browser.count(".facets li a") > 5, "filters at {width}");
                look(&browser, "filters");
                browser.eval("document.querySelector('.quick').click()");
                browser.wait("document.querySelector('dialog[open] #f-business_name')");
                look(&browser, "beside");
            }
        }
        browser.open("/admin/");
        browser.click(".user > summary");
        look(&browser, "account");
    }
    assert_eq!(wrong, "");
    browser.is_calm();
    stranger.is_calm();
}

/// The same in another language, where some words are English still.
#[test]
#[ignore = "needs Chromium"]
fn axe_finds_nothing_in_french() {
    let server = Server::start();
    let world = World::new_in(&server);
    let story = story(&world);
    let browser = signed_in(&server, "admin1");
    browser.open("/admin/profile/");
    browser.eval("(() => { document.cookie = 'studio_language=fr; path=/admin/'; })()");
    let mut wrong = String::new();
    for (width, height) in [(1280, 900), (390, 844)] {
        browser.size(width, height);
        for (name, page) in &story {
            browser.go(page);
            assert_eq!(browser.eval("document.documentElement.lang"), "fr", "{name}");
            for found in axe::violations(&browser).into_iter().chain(sticks_out(&browser)) {
                let _ = writeln!(wrong, "{name}-{width}: {found}");
            }
            browser.shoot(&format!("{name}-fr-{width}"));
        }
    }
    assert_eq!(wrong, "");
    browser.is_calm();
}

/// Where the focus is, and whether it can be seen there.
const FOCUS: &str = "(() => { const one = document.activeElement; if (!one || one === document.body) return null; const look = getComputedStyle(one);
    const box = one.getBoundingClientRect(); const shown = look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 1.5;
    window.stops = window.stops || []; window.stops.push(one); return [shown && box.width > 0 && box.height > 0, one.outerHTML.slice(0, 160)]; })()";
/// What can be reached and was not.
const MISSED: &str = "[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex=\"0\"]')].filter((one) => one.checkVisibility({ visibilityProperty: true })
    && !one.disabled && one.tabIndex >= 0 && one.type !== 'hidden' && !window.stops.includes(one)).map((one) => one.outerHTML.slice(0, 160))";

#[test]
#[ignore = "needs Chromium"]
fn everything_is_reached_by_the_keyboard_and_seen_there() {
    let server = Server::start();
    let world = World::new_in(&server);
    let story = story(&world);
    let browser = signed_in(&server, "admin1");
    for (name, page) in story.iter().filter(|(name, _)| ["home", "list", "form", "form-lines", "lead", "profile"].contains(name)) {
        browser.open(page);
        browser.eval("document.activeElement.blur()");
        let mut stops = 0;
        loop {
            browser.key("Tab", 0);
            let at = browser.eval(FOCUS);
            // A date is several stops; the first one again is the end.
            if at.is_null() || stops > 1 && browser.eval("window.stops[0] === document.activeElement") == true {
                break;
            }
            assert_eq!(at[0], true, "{name}: no focus to be seen on {}", at[1]);
            stops += 1;
        }
        assert!(stops > 10, "{name}: {stops}");
        assert_eq!(browser.eval(MISSED), json!([]), "{name}");
    }
    // To the search from anywhere but a field, and with Ctrl from there as well.
    browser.open("/admin/field/leads/add/");
    browser.key("/", 0);
    assert_eq!(browser.eval("document.activeElement.id"), "find");
    assert_eq!(browser.eval("document.activeElement.value"), "", "the key is not typed");
    browser.fill("#f-business_name", "A");
    browser.key("/", 0);
    assert_eq!(browser.eval("document.getElementById('f-business_name').value"), "A/");
    browser.key("k", 2);
    assert_eq!(browser.eval("document.activeElement.id"), "find");
    // A menu opens, and closes again with the focus where it was.
    browser.eval("document.querySelector('.user > summary').focus()");
    browser.key("Enter", 0);
    assert_eq!(browser.eval("document.querySelector('.user').open"), true);
    browser.key("Escape", 0);
    assert_eq!(browser.eval("document.querySelector('.user').open || document.activeElement.tagName"), "SUMMARY");
    browser.is_calm();
}

#[test]
#[ignore = "needs Chromium"]
fn a_long_list_keeps_its_headings_and_names_in_sight() {
    let server = Server::start();
    let world = World::new_in(&server);
    for _ in 0..40 {
        world.another("field/leads");
    }
    let browser = signed_in(&server, "admin1");
    browser.open("/admin/field/leads/?page_size=50&columns=business_name,contact_name,contact_phone,stage,status,priority,source,zone,created_at,updated_at");
    browser.eval("document.querySelector('.listing .scroll').scrollTo(300, 500)");
    let seen = browser.eval(
        "(() => { const box = document.querySelector('.listing .scroll'), of = (one) => box.querySelector(one).getBoundingClientRect(), at = box.getBoundingClientRect();
         return [box.scrollLeft > 50, box.scrollTop > 200, Math.abs(of('thead th').top - at.top) < 2, of('tbody tr:last-child th').left - at.left < 60]; })()",
    );
    assert_eq!(seen, json!([true, true, true, true]));
    browser.shoot("long-list");
    browser.is_calm();
}

#[test]
#[ignore = "needs Chromium"]
fn on_paper_there_is_what_one_came_for() {
    let server = Server::start();
    let world = World::new_in(&server);
    let story = story(&world);
    let browser = signed_in(&server, "admin1");
    browser.on_paper();
    for (name, page) in story.iter().filter(|(name, _)| ["list", "lead", "invoice"].contains(name)) {
        browser.open(page);
        assert_eq!(browser.count(".top, .side, .tools, .buttons, .crumbs, main summary, main button, main input"), 0, "{name}");
        assert!(browser.count("h1, main table, main dl") > 1, "{name}");
        browser.shoot(&format!("{name}-paper"));
    }
}

/// Without the script everything still works: it only makes it better.
#[test]
#[ignore = "needs Chromium"]
fn the_panel_works_without_its_script() {
    let server = Server::start();
    server.member("ada", Role::Admin);
    let browser = Chromium::at(&server);
    browser.without_scripts();
    browser.open("/admin/login/");
    browser.fill("#username", "ada");
    browser.fill("#password", PASSWORD);
    browser.press("Sign in");
    browser.open("/admin/field/leads/add/");
    browser.fill("#f-business_name", "Plain Paper");
    browser.fill("#f-contact_phone", "+1 555 010 0001");
    browser.press("Save");
    assert_eq!(browser.eval("document.querySelector('h1').innerText"), "Plain Paper");
    browser.is_calm();
}
