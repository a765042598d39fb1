//! Files into records by the panel: looked at first, sent once, taken in when that was confirmed.

use studio::{
    actor::Role,
    engine::{CREATE, Descriptor},
    resources,
};

use crate::{
    panel::{Browser, admin, between, list_url},
    samples::{World, for_each, writable},
    support::{Answer, Server},
};

/// Sends a file with a form, as browsers do.
fn upload(browser: &Browser, url: &str, file: &str, fields: &[(&str, &str)]) -> Answer {
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += &format!(
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"rows.csv\"\r\nContent-Type: text/csv\r\n\r\n{file}\r\n--x--\r\n"
    );
    let url = format!("{url}?token={}", browser.token());
    browser.send("POST", &url, Some(("multipart/form-data; boundary=x", body.into_bytes())), true)
}

/// Where an answer sends the browser.
#[track_caller]
fn place(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.header("location").expect("a place").to_owned()
}

#[test]
fn a_file_is_looked_at_and_then_taken_in() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = admin(&world);
    let page = browser.get("/admin/field/zones/import/");
    assert!(page.status == 200 && page.text.contains("type=\"file\""), "{}", page.text);
    for format in ["csv", "xlsx"] {
        assert_eq!(browser.get(&format!("/admin/field/zones/import/template/?format={format}")).status, 200);
    }
    let file = "Name,Colour,Radius m\nNorth,x,10\n,y,20\nSouth,z,far\nEast,x,5\n";
    let looked = place(&upload(&browser, "/admin/field/zones/import/", file, &[("key", "name")]));
    let shown = browser.get(&looked);
    assert!(shown.text.contains("Import these 2 lines"), "{}", shown.text);
    assert!(
        shown.text.contains("Colour") && shown.text.contains("rows.csv") && shown.text.contains("This field is required."),
        "{}",
        shown.text
    );
    // What is wrong stands in its cell.
    let cell = between(&shown.text, "<td class=\"wrong\">far", "</td>").expect("the cell");
    assert!(cell.contains("class=\"error\""), "{cell}");
    assert_eq!(world.admin.get("/api/field/zones/").expect(200)["count"], 0, "nothing is stored yet");
    let first = place(&browser.post(&looked, &[]));
    // The same click twice is one import.
    assert_eq!(place(&browser.post(&looked, &[])), first);
    let outcome = browser.get(&first);
    assert!(outcome.text.contains("<strong>2</strong><span>were added</span>"), "{}", outcome.text);
    assert!(outcome.text.contains("<strong>2</strong><span>were left out</span>"), "{}", outcome.text);
    assert_eq!(world.admin.get("/api/field/zones/").expect(200)["count"], 2);
    // By the key, the same names are changes.
    let again = place(&upload(&browser, "/admin/field/zones/import/", "Name,Radius m\nNorth,77\n", &[("key", "name")]));
    assert!(browser.get(&again).text.contains("<strong>1</strong><span>would be changed</span>"));
    browser.post(&again, &[]);
    assert_eq!(world.admin.get("/api/field/zones/?search=North").expect(200)["results"][0]["radius_m"], 77);
    // All or nothing: one wrong line leaves nothing to import.
    let atomic = place(&upload(&browser, "/admin/field/zones/import/", file, &[("atomic", "1")]));
    let page = browser.get(&atomic).text;
    assert!(!page.contains("Import these") && page.contains("nothing would be imported"), "{page}");
}

#[test]
fn a_file_that_is_none_is_said_so_and_one_is_its_owners() {
    let server = Server::start();
    let world = World::new_in(&server);
    let browser = admin(&world);
    let url = "/admin/field/zones/import/";
    for file in ["", "Nothing\nx\n", "Name,Name\na,b\n"] {
        let refused = upload(&browser, url, file, &[]);
        assert!(refused.status == 400 && refused.text.contains("role=\"alert\""), "{}: {}", refused.status, refused.text);
    }
    let looked = place(&upload(&browser, url, "Name\nWest\n", &[]));
    // Another person of the business may look at the report, and has not the file.
    server.member("theo", Role::Manager);
    let other = Browser::signed_in(&server, "theo");
    let page = other.get(&looked);
    assert!(page.status == 200 && page.text.contains("The file is not here any more"), "{}", page.text);
    assert_eq!(place(&other.post(&looked, &[])), url);
    assert_eq!(world.admin.get("/api/field/zones/").expect(200)["count"], 0);
    // A report is of one resource, and a token is asked for.
    let id = looked.split('/').nth(5).expect("an id");
    assert_eq!(browser.get(&format!("/admin/field/leads/import/{id}/")).status, 404);
    let body = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nName\nWest\n\r\n--x--\r\n";
    let form = || Some(("multipart/form-data; boundary=x", body.as_bytes().to_vec()));
    assert_eq!(browser.send("POST", url, form(), true).status, 403);
    let agent = server.member("ayla", Role::Agent);
    let ayla = Browser::signed_in(&server, "ayla");
    assert_eq!(agent.get("/api/field/zones/import/template/").status, 403);
    assert_eq!(ayla.get(url).status, 403);
    assert_eq!(upload(&ayla, url, "Name\nWest\n", &[]).status, 403);
}

/// Whatever records can be made of, the list leads to it, and a file of nothing but headings says that it is empty, or nothing.
#[test]
fn every_resource_that_is_added_to_is_imported() {
    let all: Vec<&Descriptor> = resources::all().iter().collect();
    for_each(&all, |world, d| {
        let browser = admin(world);
        let url = format!("{}import/", list_url(d));
        let offered = browser.get(&list_url(d)).text.contains(&format!("href=\"{url}\""));
        assert_eq!(browser.get(&url).status, if offered { 200 } else { 403 });
        assert_eq!(offered, !d.about.read_only && d.about.access.grants(CREATE));
        if !offered || !writable().iter().any(|one| one.name == d.name) {
            return;
        }
        let template = browser.get(&format!("{url}template/?format=csv"));
        assert_eq!(template.status, 200);
        let looked = upload(&browser, &url, &template.text, &[]);
        let page = browser.get(&place(&looked));
        assert!(page.status == 200 && page.text.contains("Choose another file") && !page.text.contains(">Import these"), "{}", page.text);
    });
}
