//! The panel's forms: what they refer to is made on the way, and a button clicked twice makes one record.

use serde_json::json;
use studio::{
    actor::Role,
    engine::{
        CREATE,
        field::{Field, Kind},
    },
    resources,
};

use crate::{
    panel::{Browser, admin, between, form_of, list_url, sent, set},
    samples::World,
    support::Server,
};

#[test]
fn what_a_form_refers_to_is_made_on_the_way() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = admin(&world);
    let url = "/admin/finance/invoices/add/";
    let page = browser.get(url).text;
    assert!(page.contains("name=\"detour\" value=\"party\"") && page.contains("value=\"items-0-tax_rate\""), "{page}");
    let mut form = form_of(&page);
    set(&mut form, "number", "HALF-1");
    set(&mut form, "items-0-name", "Tables");
    let mut left = form.clone();
    set(&mut left, "detour", "party");
    let away = sent(&browser, url, &left);
    let place = away.header("location").expect("a place").to_owned();
    assert!(away.status == 303 && place.starts_with("/admin/finance/parties/add/?for="), "{place}");
    let page = browser.get(&place);
    assert!(page.text.contains("you are back in the form"), "{}", page.text);
    // Wrong at first: the way back is kept.
    let mut party = form_of(&page.text);
    set(&mut party, "name", "");
    assert_eq!(sent(&browser, &place, &party).status, 400);
    set(&mut party, "name", "Northwind Tables");
    let back = sent(&browser, &place, &party);
    let back_to = back.header("location").expect("a place").to_owned();
    assert!(back.status == 303 && back_to.starts_with(&format!("{url}?resume=")), "{back_to}: {}", back.text);
    let page = browser.get(&back_to).text;
    let made = world.admin.get("/api/finance/parties/?search=Northwind").expect(200)["results"][0]["id"].to_string();
    let form = form_of(&page);
    let value = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    assert_eq!(value("party"), Some(made));
    assert_eq!((value("number").as_deref(), value("items-0-name").as_deref()), (Some("HALF-1"), Some("Tables")));
    assert!(page.contains("data-dirty"), "what was typed is not stored yet");
    // The same for a row, from the form that came back.
    let mut left = form.clone();
    set(&mut left, "detour", "items-0-tax_rate");
    let action = between(&page, "<form method=\"post\" action=\"/admin/finance/", "\"").expect("an action");
    assert_eq!(action, "invoices/add/");
    let place = sent(&browser, url, &left).header("location").expect("a place").to_owned();
    let mut rate = form_of(&browser.get(&place).text);
    set(&mut rate, "name", "Standard");
    set(&mut rate, "percent", "20");
    let back_to = sent(&browser, &place, &rate).header("location").expect("a place").to_owned();
    let mut form = form_of(&browser.get(&back_to).text);
    let made = world.admin.get("/api/finance/tax-rates/").expect(200)["results"][0]["id"].to_string();
    assert_eq!(form.iter().find(|(name, _)| name == "items-0-tax_rate").map(|(_, value)| value), Some(&made));
    set(&mut form, "items-0-quantity", "2");
    set(&mut form, "items-0-unit_cost", "10");
    assert_eq!(sent(&browser, url, &form).status, 303);
    let invoice = &world.admin.get("/api/finance/invoices/?number=HALF-1").expect(200)["results"][0];
    assert_eq!(invoice["total"], "24.00", "{invoice}");
    // It is its owner's.
    server.member("theo", Role::Manager);
    let other = Browser::signed_in(&server, "theo").get(&back_to).text;
    assert!(!other.contains("HALF-1"), "{other}");
    // Who may not make one is not led there.
    server.member("ayla", Role::Agent);
    let ayla = Browser::signed_in(&server, "ayla").get("/admin/field/leads/add/").text;
    assert!(ayla.contains("name=\"zone\"") && !ayla.contains("value=\"zone\""), "{ayla}");
}

#[test]
fn a_change_goes_on_from_what_was_read_before_the_detour() {
    let server = Server::start();
    let world = World::new_in(&server);
    let (lead, browser) = (world.kept("field/leads"), admin(&world));
    let url = format!("/admin/field/leads/{lead}/change/");
    let mut form = form_of(&browser.get(&url).text);
    set(&mut form, "contact_name", "Mine");
    set(&mut form, "detour", "zone");
    let place = sent(&browser, &url, &form).header("location").expect("a place").to_owned();
    let mut zone = form_of(&browser.get(&place).text);
    set(&mut zone, "name", "Harbour");
    let back_to = sent(&browser, &place, &zone).header("location").expect("a place").to_owned();
    world.admin.patch(&format!("/api/field/leads/{lead}/"), json!({"contact_name": "Theirs"})).expect(200);
    let form = form_of(&browser.get(&back_to).text);
    assert_eq!(sent(&browser, &url, &form).status, 409, "somebody else changed it meanwhile");
}

#[test]
fn a_button_clicked_twice_makes_one_record() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = admin(&world);
    for d in resources::all().iter().filter(|d| !d.about.read_only && d.about.access.grants(CREATE)) {
        let page = browser.get(&format!("{}add/", list_url(d))).text;
        let key = between(&page, "name=\"idempotency_key\" value=\"", "\"").expect("a key");
        assert!(key.len() >= 20, "{}: {key}", d.about.path);
    }
    let url = "/admin/field/zones/add/";
    let mut form = form_of(&browser.get(url).text);
    set(&mut form, "name", "Twice");
    let places: Vec<String> = (0..2).map(|_| sent(&browser, url, &form).header("location").expect("a place").to_owned()).collect();
    assert_eq!(places[0], places[1]);
    assert_eq!(world.admin.get("/api/field/zones/").expect(200)["count"], 1);
    // Two at the same moment: the second waits for the first.
    let mut form = form_of(&browser.get("/admin/finance/parties/add/").text);
    set(&mut form, "name", "At once");
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let post = || {
            let own = Browser::new(&server);
            own.cookies.borrow_mut().extend(cookies(&browser));
            let form = form.clone();
            scope.spawn(move || sent(&own, "/admin/finance/parties/add/", &form).status)
        };
        [post(), post(), post()].map(|one| one.join().expect("an answer")).to_vec()
    });
    assert_eq!(answers, [303, 303, 303]);
    assert_eq!(world.admin.get("/api/finance/parties/").expect(200)["count"], 1);
    // An action as well.
    let party = world.kept("finance/parties");
    let invoice = world.admin.create("/api/finance/invoices/", json!({"party": party, "amount": "10.00", "issue": true}))["id"].clone();
    let url = format!("/admin/finance/invoices/{invoice}/actions/duplicate/");
    let form = form_of(&browser.get(&url).text);
    for _ in 0..2 {
        assert_eq!(sent(&browser, &url, &form).status, 303);
    }
    assert_eq!(world.admin.get("/api/finance/invoices/").expect(200)["count"], 2);
}

/// What belongs together stands together: nothing is asked for twice, nothing is left out, and what programs send is folded away.
#[test]
fn forms_and_records_are_in_groups() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = admin(&world);
    for d in resources::all().iter().filter(|d| !d.about.read_only && d.about.access.grants(CREATE)) {
        let form = form_of(&browser.get(&format!("{}add/", list_url(d))).text);
        let is_lines = |field: &Field| matches!(field.kind, Kind::Lines(..));
        for field in d.fields.iter().filter(|field| !field.server_set && !field.hidden && !is_lines(field) && field.kind != Kind::Bool) {
            assert_eq!(form.iter().filter(|(name, _)| name == field.name).count(), 1, "{}: {}", d.about.path, field.name);
        }
    }
    let url = "/admin/field/leads/add/";
    let page = browser.get(url).text;
    let group = |page: &str, title: &str| {
        let rest = page.split_once(&format!("<h2>{title}</h2>")).unwrap_or_else(|| panic!("no {title}: {page}")).1;
        rest.split("<h2>").next().unwrap_or_default().to_owned()
    };
    for (title, name) in
        [("Who it is", "contact_email"), ("Progress", "stage"), ("Follow-up", "follow_up_date"), ("Technical", "client_ref")]
    {
        assert!(group(&page, title).contains(&format!("name=\"{name}\"")), "{title}: {page}");
    }
    assert!(page.contains("<details class=\"card group\"><summary><h2>Technical</h2>"), "{page}");
    // What is wrong is never folded away.
    let mut form = form_of(&page);
    set(&mut form, "client_ref", &"x".repeat(99));
    let refused = sent(&browser, url, &form).text;
    assert!(refused.contains("<details class=\"card group\" open><summary><h2>Technical</h2>"), "{refused}");
    // On the page of a record what lists show comes first, and what is worked out last.
    let lead = world.another("field/leads");
    let page = browser.get(&format!("/admin/field/leads/{lead}/")).text;
    let at = |title: &str| page.find(&format!(">{title}</dt>")).unwrap_or_else(|| panic!("no {title}: {page}"));
    assert!(
        at("Contact phone") < at("Lead score")
            && page.find("<h2>Details</h2>").is_some_and(|fold| at("Lead score") < fold && fold < at("Is stale"))
    );
    let invoice = world.admin.create("/api/finance/invoices/", json!({"party": world.kept("finance/parties"), "amount": "10.00"}));
    let page = browser.get(&format!("/admin/finance/invoices/{}/", invoice["id"])).text;
    assert!(!group(&page, "Details").contains(">Subtotal</dt>") && group(&page, "Details").contains(">Reminder count</dt>"), "{page}");
    // A few fields need no headings.
    let page = browser.get("/admin/field/zones/add/").text;
    assert!(!page.contains("<h2>Contact</h2>") && !page.contains("<h2>More</h2>"), "{page}");
}

fn cookies(browser: &Browser) -> Vec<(String, String)> {
    browser.cookies.borrow().iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}
