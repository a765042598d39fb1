//! What the office does, from the first start on.

use serde_json::json;
use studio::{
    actor::Role,
    auth::totp::code::{STEP, code},
};

use super::{Chromium, sign_in, signed_in};
use crate::{
    samples::World,
    support::{PASSWORD, Server},
};

/// The bytes of a secret as it is shown to be typed in.
fn seed(shown: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (vec![], 0_u32, 0);
    for letter in shown.bytes().filter(u8::is_ascii_alphanumeric) {
        let digit = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == letter).expect("base32");
        (bits, held) = (bits << 5 | u32::try_from(digit).expect("a digit"), held + 5);
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 255).expect("a byte"));
        }
    }
    bytes
}

fn first_start(browser: &Chromium, server: &Server) {
    let link = format!("/admin/start/{}/", server.app.first.token().expect("a link"));
    browser.open(&link);
    browser.shoot("start-1280");
    for (field, text) in [("full_name", "Rana Odeh"), ("username", "rana"), ("email", "rana@example.com"), ("name", "Odeh & Daughters")] {
        browser.fill(&format!("#{field}"), text);
    }
    browser.fill("#password", PASSWORD);
    browser.fill("#again", "something else entirely");
    browser.fill("#currency", "EUR");
    browser.choose("#timezone", "Europe/Berlin");
    assert_eq!(browser.press("Begin"), 400);
    assert!(browser.text().contains("The two passwords are not the same."), "{}", browser.text());
    assert_eq!(browser.eval("document.getElementById('timezone').value"), "Europe/Berlin", "what was chosen is kept");
    browser.fill("#password", PASSWORD);
    browser.fill("#again", PASSWORD);
    assert_eq!(browser.press("Begin"), 200);
    assert_eq!(browser.path(), "/admin/");
    assert!(browser.text().contains("Odeh & Daughters"), "{}", browser.text());
    assert_eq!(browser.go(&link), 404, "the link is good once");
}

#[test]
#[ignore = "needs Chromium"]
fn the_first_start_and_a_second_factor() {
    let server = Server::start();
    let browser = Chromium::at(&server);
    first_start(&browser, &server);
    browser.open("/admin/profile/");
    browser.press("Set it up");
    browser.fill("#f-password", PASSWORD);
    browser.press("Go on");
    browser.shoot("two-factor-1280");
    let seed = seed(browser.eval("document.querySelector('main code').innerText").as_str().expect("a secret"));
    let shown = || code(&seed, server.clock.now().as_second() / STEP).expect("a code");
    browser.fill("#f-code", &shown());
    browser.press("Switch it on");
    assert!(browser.text().contains("recovery codes"), "{}", browser.text());
    browser.press("Done");
    server.clock.advance(2 * STEP);
    browser.click(".user > summary");
    browser.press("Sign out");
    assert_eq!(browser.path(), "/admin/login/");
    assert_eq!(browser.go("/admin/field/leads/"), 200);
    assert!(browser.path().starts_with("/admin/login/"), "{}", browser.path());
    browser.fill("#username", "rana");
    browser.fill("#password", PASSWORD);
    browser.press("Sign in");
    browser.fill("#code", "000000");
    assert_ne!(browser.press("Sign in"), 200);
    browser.fill("#code", &shown());
    browser.press("Sign in");
    assert_eq!(browser.path(), "/admin/field/leads/", "where one was going");
    browser.is_calm();
}

/// A row is changed without leaving the list: refused, saved, with the next one, and when somebody else was faster.
#[test]
#[ignore = "needs Chromium"]
fn a_record_is_changed_beside_its_list() {
    let server = Server::start();
    server.member("ada", Role::Admin);
    let browser = signed_in(&server, "ada");
    for (at, name) in ["Harbour School", "Zebra Café"].into_iter().enumerate() {
        add_lead(&browser, name, &format!("+1 555 010 000{at}"));
    }
    let list = "/admin/field/leads/?ordering=business_name";
    browser.open(list);
    assert_eq!(browser.count("dialog"), 0);
    let open = "document.querySelector('dialog[open] #f-business_name')?.value";
    // By the keyboard, and out again to where one was.
    browser.eval("document.querySelector('.quick').focus()");
    browser.key("Enter", 0);
    browser.wait(&format!("{open} === 'Harbour School'"));
    assert_eq!(browser.eval("document.activeElement.id"), "f-business_name");
    browser.key("Escape", 0);
    browser.wait("!document.querySelector('dialog[open]')");
    assert_eq!(browser.eval("document.activeElement.className"), "quick");
    // What is wrong is said in it.
    browser.click(".quick");
    browser.wait(&format!("{open} === 'Harbour School'"));
    browser.fill("dialog #f-business_name", " ");
    browser.click("dialog .stick button");
    browser.wait("document.querySelector('dialog #f-business_name')?.getAttribute('aria-invalid') === 'true'");
    browser.fill("dialog #f-business_name", "Harbour College");
    browser.choose("dialog #f-priority", "Urgent");
    // Saved, and on with the next row; the list has what was saved.
    browser.click("dialog button[name=then]");
    browser.wait(&format!("{open} === 'Zebra Café'"));
    assert_eq!(browser.path(), list);
    assert!(browser.eval("document.querySelector('.list').innerText").as_str().expect("a list").contains("Harbour College"));
    // Somebody else was faster.
    let script = "(async () => { const page = new DOMParser().parseFromString(await (await fetch(document.querySelectorAll('.quick')[1].href)).text(), 'text/html');
        const form = new URLSearchParams(new FormData(page.querySelector('form.form'))); form.set('contact_name', 'Theirs');
        return (await fetch(document.querySelectorAll('.quick')[1].href, { method: 'POST', body: form, redirect: 'manual' })).type; })()";
    assert_eq!(browser.eval(script), "opaqueredirect");
    browser.fill("dialog #f-contact_name", "Mine");
    browser.click("dialog .stick button");
    browser.wait("document.querySelectorAll('dialog input[type=radio]').length === 2");
    browser.click("dialog input[value=mine]");
    browser.click("dialog .buttons button");
    browser.wait("!document.querySelector('dialog[open]')");
    assert!(browser.eval("document.querySelector('.list').innerText").as_str().expect("a list").contains("Mine"));
    browser.is_calm();
}

/// The number of a long list comes when it is known, and nothing else on the page changes meanwhile.
#[test]
#[ignore = "needs Chromium"]
fn a_list_is_counted_while_it_is_looked_at() {
    let server = Server::start_with(|config| config.panel.count_milliseconds = 0);
    let world = World::new_in(&server);
    for _ in 0..25 {
        world.another("field/leads");
    }
    let browser = signed_in(&server, "admin1");
    browser.open("/admin/field/leads/?stage=prospect");
    // It came as "11+": see `panel_lists`.
    browser.fill("#q-search", "half typed");
    browser.click("input[name=id]");
    browser.wait("document.querySelector('h1 .count').textContent === '25'");
    let shown = "[document.querySelector('#q-search').value, document.querySelectorAll('input[name=id]:checked').length].join()";
    assert_eq!(browser.eval(shown), "half typed,1");
    let text = browser.text();
    assert!(text.contains("1–10 of 25") && text.contains("all 25 of the list"), "{text}");
    browser.is_calm();
}

#[test]
#[ignore = "needs Chromium"]
fn figures_of_long_lists_come_when_they_are_known() {
    let server = Server::start();
    let world = World::new_in(&server);
    world.many_leads(20_001);
    let browser = signed_in(&server, "admin1");
    browser.open("/admin/");
    browser.wait("document.querySelector('#glance').textContent.includes('20,001.00 USD')");
    assert_eq!(
        browser.eval("document.querySelector('#glance').textContent.includes('…') || document.querySelectorAll('#glance').length > 1"),
        false
    );
    browser.is_calm();
}

/// Nothing moves under the hand: a list says that others have written, and is shown anew by a click, with what was ticked.
#[test]
#[ignore = "needs Chromium"]
fn a_list_says_when_others_have_written() {
    let server = Server::start();
    let world = World::new_in(&server);
    for _ in 0..3 {
        world.another("field/leads");
    }
    let browser = signed_in(&server, "admin1");
    browser.open("/admin/field/leads/?ordering=created_at");
    browser.click("input[name=id]");
    world.another("field/leads");
    // It looks again now and then, and whenever somebody comes back to it.
    browser.eval("window.dispatchEvent(new Event('focus'))");
    browser.wait("document.querySelector('.news button')");
    assert_eq!(browser.eval("document.querySelectorAll('.listing tbody tr').length"), 3);
    assert!(browser.text().contains("This list has changed."), "{}", browser.text());
    browser.is_calm();
    browser.click(".news button");
    browser.wait("document.querySelectorAll('.listing tbody tr').length === 4");
    let shown = "[document.querySelector('h1 .count').textContent, document.querySelectorAll('input[name=id]:checked').length, document.querySelector('.news').textContent].join()";
    assert_eq!(browser.eval(shown), "4,1,");
    // What changes elsewhere is no news here.
    let tag = "document.querySelector('[data-etag]').dataset.etag";
    let before = browser.eval(tag);
    world.another("field/zones");
    browser.eval("window.dispatchEvent(new Event('focus'))");
    browser.wait(&format!("{tag} !== {before}"));
    assert_eq!(browser.eval("document.querySelector('.news').textContent"), "");
}

fn add_lead(browser: &Chromium, name: &str, phone: &str) {
    browser.open("/admin/field/leads/add/");
    browser.fill("#f-business_name", name);
    browser.fill("#f-contact_phone", phone);
    assert_eq!(browser.press("Save"), 200, "{}", browser.text());
}

#[test]
#[ignore = "needs Chromium"]
fn leads_are_made_found_changed_together_and_restored() {
    let server = Server::start();
    server.member("ada", Role::Admin);
    let browser = signed_in(&server, "ada");
    browser.open("/admin/field/leads/");
    browser.press("Add lead");
    // What is wrong is said where it is, and the reader is taken there.
    assert_eq!(browser.press("Save"), 400);
    assert_eq!(browser.eval("document.activeElement.hasAttribute('data-focus')"), true);
    assert_eq!(browser.eval("document.getElementById('f-business_name').getAttribute('aria-invalid')"), "true");
    browser.fill("#f-business_name", "Lost");
    browser.open("/admin/field/leads/");
    assert_eq!(browser.asked.get(), 1, "what was typed is not lost by a slip");
    for (at, name) in ["Zebra Café", "Harbour School", "Hill Farm"].into_iter().enumerate() {
        add_lead(&browser, name, &format!("+1 555 010 000{at}"));
        assert_eq!(browser.eval("document.querySelector('h1').innerText"), name);
    }
    // Found by the filter, which stands above the list as long as it holds.
    let place = browser.path();
    browser.press("Change");
    browser.choose("#f-stage", "Negotiation");
    browser.press("Save");
    browser.open("/admin/field/leads/");
    assert_eq!(browser.count("tbody tr"), 3);
    browser.follow(".facets a[href*='stage=negotiation']");
    assert_eq!((browser.count("tbody tr"), browser.count(".chips li")), (1, 2), "{}", browser.text());
    browser.press("Clear all");
    assert_eq!(browser.count("tbody tr"), 3);
    // Many at once, and only after it was said what will happen.
    browser.click("[data-all]");
    assert_eq!(browser.eval("document.querySelector('[data-picked]').innerText"), "3 selected");
    browser.choose("#what", "Set priority");
    browser.press("Go on");
    assert!(browser.text().contains("Hill Farm"), "{}", browser.text());
    browser.choose("#f-priority", "Urgent");
    browser.press("Set priority: 3");
    browser.open("/admin/field/leads/?priority=urgent");
    assert_eq!(browser.count("tbody tr"), 3);
    // And back by the history.
    browser.open(&format!("{place}history/"));
    browser.eval("[...document.querySelectorAll('[name=to]')].at(-1).dataset.first = '1'");
    browser.follow("[data-first]");
    assert_eq!(browser.path(), place);
    browser.press("Change");
    let now = browser.eval("['stage', 'priority'].map((name) => document.getElementById('f-' + name).selectedOptions[0].text)");
    assert_eq!(now, json!(["Prospect", "Medium"]));
    browser.is_calm();
}

/// The rows of a form that can be seen, as ids of their field of this name.
fn rows(browser: &Chromium, name: &str) -> Vec<String> {
    let script = format!(
        "[...document.querySelectorAll('[data-rows=items] tbody [name]')].filter((one) => one.checkVisibility({{ visibilityProperty: true }}) && one.name.endsWith('-{name}')).map((one) => one.id)"
    );
    serde_json::from_value(browser.eval(&script)).expect("ids")
}

#[test]
#[ignore = "needs Chromium"]
fn an_invoice_is_written_issued_and_paid() {
    let server = Server::start();
    let world = World::new_in(&server);
    let party = world.kept("finance/parties");
    let browser = signed_in(&server, "admin1");
    browser.open("/admin/finance/invoices/");
    browser.press("Add invoice");
    browser.eval(&format!("document.getElementById('f-party').value = '{party}'"));
    while rows(&browser, "name").len() < 3 {
        browser.click("[data-add]");
    }
    // One more than was there, by the script; and one that was not meant.
    let before = rows(&browser, "name").len();
    browser.click("[data-add]");
    browser.click("[data-add]");
    let (names, costs, amounts) = (rows(&browser, "name"), rows(&browser, "unit_cost"), rows(&browser, "quantity"));
    assert_eq!(names.len(), before + 2);
    let lines = [(0, "Chairs", "2", "40.50"), (1, "Tables", "1", "119"), (before, "Delivery", "3", "10")];
    for (at, name, quantity, cost) in lines {
        browser.fill(&format!("[id='{}']", names[at]), name);
        browser.fill(&format!("[id='{}']", amounts[at]), quantity);
        browser.fill(&format!("[id='{}']", costs[at]), cost);
    }
    browser.eval(&format!("document.getElementById('{}').closest('tr').querySelector('.out input').dataset.out = '1'", names[before + 1]));
    browser.eval("document.querySelector('[data-out]').click()");
    assert_eq!(rows(&browser, "name").len(), before + 1);
    assert_eq!(browser.press("Save"), 200, "{}", browser.text());
    let record = browser.text();
    assert!(["Chairs", "Tables", "Delivery", "230.00", "Draft"].iter().all(|text| record.contains(text)), "{record}");
    let place = browser.path();
    browser.press("Issue");
    if browser.path() != place {
        assert_eq!(browser.press("Issue"), 200);
    }
    assert_eq!(browser.path(), place);
    assert!(browser.text().contains("Unpaid"), "{}", browser.text());
    browser.press("Pay");
    browser.fill("#f-amount", "230");
    assert_eq!(browser.press("Pay"), 200, "{}", browser.text());
    assert_eq!(browser.path(), place);
    let paid = browser.text();
    assert!(paid.contains("Paid") && paid.contains("0.00"), "{paid}");
    let id = place.trim_matches('/').rsplit('/').next().expect("an id").to_owned();
    let stored = world.admin.get(&format!("/api/finance/invoices/{id}/")).expect(200);
    assert_eq!((&stored["status"], &stored["total"], &stored["amount_due"]), (&json!("paid"), &json!("230.00"), &json!("0.00")));
    browser.is_calm();
}

#[test]
#[ignore = "needs Chromium"]
fn who_may_only_look_finds_nothing_to_press() {
    let server = Server::start();
    let world = World::new_in(&server);
    let (zone, invoice, lead) = (world.kept("field/zones"), world.another("finance/invoices"), world.another("field/leads"));
    server.member("ayla", Role::Agent);
    let browser = signed_in(&server, "ayla");
    let menu = browser.eval("[...document.querySelectorAll('.side a')].map((one) => one.getAttribute('href'))");
    assert!(!menu.to_string().contains("/admin/finance/invoices/"), "{menu}");
    browser.open("/admin/field/zones/");
    assert_eq!(browser.count("main a[href$='/add/']"), 0);
    assert_eq!(browser.count("tbody input[type=checkbox]"), 0);
    browser.open(&format!("/admin/field/zones/{zone}/"));
    assert_eq!(browser.count("main form[method=post], main a[href$='/change/'], main a[href$='/delete/']"), 0);
    for path in ["add/".to_owned(), format!("{zone}/change/"), format!("{zone}/delete/")] {
        assert_eq!(browser.go(&format!("/admin/field/zones/{path}")), 403, "{path}");
    }
    for path in ["".to_owned(), "add/".to_owned(), format!("{invoice}/"), format!("{invoice}/change/"), format!("{invoice}/history/")] {
        assert_eq!(browser.go(&format!("/admin/finance/invoices/{path}")), 403, "{path}");
    }
    assert!(browser.text().contains("Not allowed"), "{}", browser.text());
    for path in [format!("{lead}/"), format!("{lead}/change/"), format!("{lead}/history/")] {
        assert_eq!(browser.go(&format!("/admin/field/leads/{path}")), 404, "somebody else's: {path}");
    }
    browser.is_calm();
}

#[test]
#[ignore = "needs Chromium"]
fn what_was_typed_is_kept_and_references_are_found_by_typing() {
    let server = Server::start();
    let world = World::new_in(&server);
    for _ in 0..45 {
        world.another("field/zones");
    }
    let zebra = world.admin.create("/api/field/zones/", json!({"name": "Zebra Crossing"}))["id"].clone();
    let browser = Chromium::at(&server);
    sign_in(&browser, "admin1");
    browser.open("/admin/field/leads/add/");
    browser.fill("#f-business_name", "Corner Shop");
    browser.fill("#f-contact_phone", "+1 555 010 0009");
    browser.fill("#f-zone", "zebra");
    browser.wait("document.querySelectorAll('.options li[data-id]').length === 1");
    browser.key("ArrowDown", 0);
    browser.key("Enter", 0);
    assert_eq!(browser.eval("document.getElementById('f-zone').value"), "Zebra Crossing");
    browser.press("Save");
    let id = browser.path().trim_matches('/').rsplit('/').next().expect("an id").to_owned();
    let stored = world.admin.get(&format!("/api/field/leads/{id}/")).expect(200);
    assert_eq!(stored["zone_id"], zebra, "{stored}");
    // Somebody else is faster.
    browser.press("Change");
    browser.fill("#f-contact_name", "Mine");
    world.admin.patch(&format!("/api/field/leads/{id}/"), json!({"contact_name": "Theirs"})).expect(200);
    assert_eq!(browser.press("Save"), 409);
    browser.shoot("conflict-1280");
    browser.click("[name=take-contact_name][value=mine]");
    browser.press("Save");
    assert_eq!(world.admin.get(&format!("/api/field/leads/{id}/")).expect(200)["contact_name"], "Mine");
    browser.is_calm();
}
