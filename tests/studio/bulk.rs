//! Many records in one request: for every resource, what one of many does is what the operation for one does. Who may is in `access`.

use serde_json::{Value, json};
use studio::{actor::Role, engine::Descriptor};

use crate::{
    samples::{World, for_each, sample, writable},
    support::{Client, Server},
};

fn url(d: &Descriptor, what: &str) -> String {
    format!("/api/{}/{what}", d.about.path)
}

fn count(client: &Client, d: &Descriptor) -> i64 {
    client.get(&url(d, "")).expect(200)["count"].as_i64().expect("a count")
}

fn bodies(world: &World, d: &Descriptor) -> [Value; 2] {
    [(sample(d.about.path).least)(world), (sample(d.about.path).full)(world)]
}

fn created(world: &World, d: &Descriptor, bodies: &[Value]) -> Vec<i64> {
    let outcome = world.admin.post(&url(d, "bulk_create/"), json!({"items": bodies})).expect(200);
    assert_eq!((&outcome["done"], &outcome["failed"]), (&json!(2), &json!(0)), "{outcome}");
    outcome["results"].as_array().expect("results").iter().map(|row| row["id"].as_i64().expect("an id")).collect()
}

#[test]
fn each_of_many_is_created_changed_deleted_and_restored_as_one_would_be() {
    for_each(&writable(), |world, d| {
        // What they refer to is made with them.
        let bodies = bodies(world, d);
        let before = count(&world.admin, d);
        let ids = created(world, d, &bodies);
        assert_eq!(count(&world.admin, d), before + 2);
        // Its own for each, by id and by uuid; then the same for all.
        let read = |id: i64| world.admin.get(&url(d, &format!("{id}/"))).expect(200);
        let uuid = read(ids[1])["uuid"].clone();
        let with_id = |id: Value, mut patch: Value| {
            patch["id"] = id;
            patch
        };
        let patch = || (sample(d.about.path).patch)(world);
        let items = json!([with_id(ids[0].into(), patch()), with_id(uuid, patch())]);
        let outcome = world.admin.post(&url(d, "bulk_update/"), json!({"items": items})).expect(200);
        assert_eq!(outcome["done"], 2, "{outcome}");
        for (id, sent) in ids.iter().zip(items.as_array().expect("items")) {
            let record = read(*id);
            let changed = sent.as_object().expect("an object").iter().filter(|(name, _)| *name != "id");
            for (name, value) in changed {
                let field = d.field(name).expect("a field");
                let stored = record.get(format!("{name}_id")).unwrap_or(&record[name]);
                assert!(crate::contract::same(&field.kind, stored, value), "{name}: {stored} instead of {value}");
            }
            let history = world.admin.get(&url(d, &format!("{id}/history/"))).expect(200);
            assert_eq!(history["results"][0]["action"], format!("{}.update", d.about.table), "one entry for each row");
        }
        if !d.about.soft_delete {
            return;
        }
        let outcome = world.admin.post(&url(d, "bulk_delete/"), json!({"ids": ids})).expect(200);
        assert_eq!((&outcome["done"], count(&world.admin, d)), (&json!(2), before), "{outcome}");
        let outcome = world.admin.post(&url(d, "bulk_restore/"), json!({"ids": ids})).expect(200);
        assert_eq!((&outcome["done"], count(&world.admin, d)), (&json!(2), before + 2), "{outcome}");
    });
}

#[test]
fn one_that_fails_fails_alone_unless_all_stand_or_fall_together() {
    for_each(&writable(), |world, d| {
        let good = || (sample(d.about.path).least)(world);
        let refused = world.admin.post(&url(d, ""), json!({})).json();
        let before = count(&world.admin, d);
        let outcome = world.admin.post(&url(d, "bulk_create/"), json!({"items": [good(), {}, good()]}));
        if refused.get("id").is_some() {
            return; // Nothing is required of it.
        }
        let outcome = outcome.expect(200);
        assert_eq!((&outcome["done"], &outcome["failed"]), (&json!(2), &json!(1)), "{outcome}");
        let failed = json!({"index": 1, "ok": false, "status": 400, "errors": refused});
        assert_eq!(outcome["results"][1], failed);
        assert_eq!(count(&world.admin, d), before + 2);
        let outcome = world.admin.post(&url(d, "bulk_create/?atomic=true"), json!({"items": [good(), {}, good()]})).expect(400);
        assert_eq!((&outcome["done"], &outcome["failed"]), (&json!(0), &json!(1)), "{outcome}");
        assert_eq!((&outcome["results"][1], count(&world.admin, d)), (&failed, before + 2), "nothing is stored");
    });
}

#[test]
fn what_cannot_be_read_is_refused_as_a_whole() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let zones = "/api/field/zones/";
    let post = |what: &str, body: Value| admin.post(&format!("{zones}{what}/"), body);
    post("bulk_create", json!({})).refuses(json!({"items": ["This field is required."]}));
    post("bulk_create", json!({"items": []})).refuses(json!({"items": ["This list may not be empty."]}));
    post("bulk_create", json!({"items": "x"})).refuses(json!({"items": ["Expected a list of items."]}));
    post("bulk_create", json!({"items": ["x"]})).refuses(json!({"items": ["Invalid data. Expected a dictionary, but got str."]}));
    let many: Vec<Value> = (0..501).map(|number| json!({"name": format!("Zone {number}")})).collect();
    post("bulk_create", json!({"items": many})).refuses(json!({"items": ["Ensure this list has no more than 500 items."]}));
    post("bulk_update", json!({"ids": [1]})).refuses(json!({"set": ["This field is required."]}));
    post("bulk_update", json!({"ids": [1], "set": 3})).refuses(json!({"set": ["Invalid data. Expected a dictionary, but got int."]}));
    post("bulk_update", json!({"items": [{"name": "x"}]})).refuses(json!({"items": ["Each item needs the id of its record."]}));
    post("bulk_delete", json!({"ids": [true]})).refuses(json!({"ids": ["An id is a number or a uuid."]}));
    assert_eq!(admin.get(zones).expect(200)["count"], 0);
    assert_eq!(post("bulk_create", json!({"items": &many[..500]})).expect(200)["done"], 500);
}

#[test]
fn a_record_that_somebody_changed_meanwhile_is_left_alone() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let id = admin.create("/api/field/zones/", json!({"name": "North"}))["id"].clone();
    admin.patch(&format!("/api/field/zones/{id}/"), json!({"name": "North-east"})).expect(200);
    let body = json!({"items": [{"id": id, "version": 1, "name": "East"}]});
    let outcome = admin.post("/api/field/zones/bulk_update/", body).expect(200);
    assert_eq!((&outcome["failed"], &outcome["results"][0]["status"]), (&json!(1), &json!(412)));
    assert_eq!(admin.get(&format!("/api/field/zones/{id}/")).expect(200)["name"], "North-east");
}
