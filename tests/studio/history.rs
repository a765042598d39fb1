//! Taking a record back to an entry of its history. What the history shows of each resource is in `contract`.

use serde_json::json;
use studio::actor::{Capability, Role};

use crate::{
    samples::{for_each, sample, writable},
    support::Server,
};

#[test]
fn a_record_of_any_kind_goes_back_to_how_it_was() {
    for_each(&writable(), |world, d| {
        let url = format!("/api/{}/", d.about.path);
        let made = world.admin.create(&url, (sample(d.about.path).full)(world));
        let one = format!("{url}{}/", made["id"]);
        let history = || world.admin.get(&format!("{one}history/")).expect(200)["results"].clone();
        let entry = history()[0]["id"].clone();
        world.admin.patch(&one, (sample(d.about.path).patch)(world)).expect(200);
        let back = world.admin.post(&format!("{one}revert/"), json!({"to": entry})).expect(200);
        for field in d.visible().filter(|field| !field.server_set) {
            assert!(crate::contract::same(&field.kind, &back[field.name], &made[field.name]), "{}: {back} instead of {made}", field.name);
        }
        let entries = history();
        assert_eq!((entries.as_array().map(Vec::len), &entries[0]["action"]), (Some(3), &json!(format!("{}.revert", d.about.table))));
        // Where it is already, nothing happens.
        world.admin.post(&format!("{one}revert/"), json!({"to": entries[0]["id"]})).expect(200);
        assert_eq!(history().as_array().map(Vec::len), Some(3));
    });
}

#[test]
fn an_entry_of_something_else_is_none() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let make = |name: &str| admin.create("/api/field/zones/", json!({"name": name}))["id"].clone();
    let (north, south) = (make("North"), make("South"));
    let entry = admin.get(&format!("/api/field/zones/{south}/history/")).expect(200)["results"][0]["id"].clone();
    let url = format!("/api/field/zones/{north}/revert/");
    admin.post(&url, json!({"to": entry})).refuses(json!({"to": [format!("Invalid pk \"{entry}\" - object does not exist.")]}));
    admin.post(&url, json!({})).refuses(json!({"to": ["This field is required."]}));
    admin.post(&url, json!({"to": "x"})).refuses(json!({"to": ["A valid integer is required."]}));
}

#[test]
fn rules_and_money_hold_on_the_way_back() {
    let server = Server::start();
    let (admin, staff) = (server.member("admin", Role::Admin), server.staff("staff", &[Capability::Field]));
    let body = json!({"business_name": "Café", "contact_phone": "0700", "expected_value": "1200.50", "currency": "USD"});
    let id = admin.create("/api/field/leads/", body)["id"].clone();
    let one = format!("/api/field/leads/{id}/");
    let first = admin.get(&format!("{one}history/")).expect(200)["results"][0]["id"].clone();
    admin.patch(&one, json!({"expected_value": "5000", "currency": "UGX"})).expect(200);
    let lost = admin.post(&format!("{one}lose/"), json!({"lost_reason": "price"})).expect(200);
    assert_eq!((&lost["stage"], &lost["expected_value"]), (&json!("lost"), &json!("5000")));
    // Reopening is for managers, by whatever way.
    assert_eq!(staff.post(&format!("{one}revert/"), json!({"to": first})).status, 403);
    let back = admin.post(&format!("{one}revert/"), json!({"to": first})).expect(200);
    assert_eq!((&back["stage"], &back["status"], &back["lost_reason"]), (&json!("prospect"), &json!("new"), &json!(null)));
    assert_eq!((&back["expected_value"], &back["currency"]), (&json!("1200.50"), &json!("USD")));
}

#[test]
fn rows_of_a_record_come_back_with_it() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let hours = json!([{"weekday": 1, "opens": "08:00", "closes": "17:00"}, {"weekday": 2, "opens": "08:00", "closes": "12:00"}]);
    let made = admin.create("/api/accounts/branches/", json!({"name": "Centre", "opening_hours": hours}));
    let one = format!("/api/accounts/branches/{}/", made["id"]);
    let first = admin.get(&format!("{one}history/")).expect(200)["results"][0]["id"].clone();
    admin.patch(&one, json!({"opening_hours": [made["opening_hours"][1]]})).expect(200);
    let back = admin.post(&format!("{one}revert/"), json!({"to": first})).expect(200);
    let times = |record: &serde_json::Value| -> Vec<_> {
        record["opening_hours"].as_array().expect("rows").iter().map(|row| (row["weekday"].clone(), row["closes"].clone())).collect()
    };
    assert_eq!(times(&back), times(&made));
}
