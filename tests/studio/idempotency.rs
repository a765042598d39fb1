//! `Idempotency-Key`: a POST that is sent again is answered again, and not carried out again.

use std::thread;

use serde_json::json;
use studio::actor::Role;

use crate::{
    samples::{for_each, sample, writable},
    support::{Client, Server},
};

fn keyed(client: &Client, key: &str) -> Client {
    client.with("idempotency-key", key)
}

#[test]
fn every_post_for_whoever_is_signed_in_takes_a_key() {
    let document = crate::support::document();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let Some(post) = methods.get("post").filter(|post| post["security"][0].get("jwtAuth").is_some()) else { continue };
        let named = crate::support::parameters(document, post).iter().any(|one| one["name"] == "Idempotency-Key");
        // A ticket is good once, so each is a new one; and no secret, nor a proof, is kept for a second answer.
        let ends = [
            "/events/ticket/",
            "/reauthenticate/",
            "/reauthenticate/begin/",
            "/auth/api-keys/",
            "/reset-2fa/",
            "/password-change/",
            "/email-change/",
            "/resend-verification/",
            "/businesses/switch/",
            "/integrations/{id}/test/",
            "/jobs/{name}/run/",
        ];
        if path.contains("/2fa/") || path.contains("/passkeys/") || ends.iter().any(|end| path.ends_with(end)) {
            assert!(!named, "{path}");
            continue;
        }
        assert!(named && post["responses"].get("422").is_some(), "{path}");
    }
}

#[test]
fn a_record_of_any_kind_is_made_once() {
    for_each(&writable(), |world, d| {
        let url = format!("/api/{}/", d.about.path);
        let client = keyed(&world.admin, &format!("make-{}", d.about.path));
        let body = (sample(d.about.path).full)(world);
        let first = client.post(&url, body.clone());
        let count = world.admin.get(&url).expect(200)["count"].clone();
        let again = client.post(&url, body.clone());
        assert_eq!((first.status, again.status), (201, 201), "{}", again.text);
        assert_eq!((&first.text, first.header("etag")), (&again.text, again.header("etag")));
        assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), (None, Some("true")));
        assert_eq!(world.admin.get(&url).expect(200)["count"], count);
        let other = client.post(&url, json!({"another": "body"}));
        assert_eq!((other.status, &other.json()["code"]), (422, &json!("idempotency_key_reused")));
        // Many at once are one request, too.
        let (bulk, body) = (format!("{url}bulk_create/"), json!({"items": [(sample(d.about.path).least)(world)]}));
        let client = keyed(&world.admin, &format!("many-{}", d.about.path));
        assert_eq!(client.post(&bulk, body.clone()).text, client.post(&bulk, body).text);
    });
}

#[test]
fn a_key_is_its_owners_in_their_business_and_for_a_day() {
    let server = Server::start_with(|config| config.auth.access_seconds = 1_000_000);
    let (ann, bob) = (keyed(&server.member("ann", Role::Admin), "k"), keyed(&server.member("bob", Role::Admin), "k"));
    let (url, zone) = ("/api/field/zones/", |name: &str| json!({"name": name}));
    assert_eq!(ann.post(url, zone("North")).status, 201);
    assert_eq!(bob.post(url, zone("South")).status, 201);
    assert_eq!(ann.post(url, zone("West")).status, 422);
    // It stands in the database: a restart does not forget it.
    let token = ann.token.clone().expect("signed in");
    let server = server.restart();
    let ann = keyed(&server.client().with_token(&token), "k");
    assert_eq!(ann.post(url, zone("North")).header("idempotent-replayed"), Some("true"));
    server.clock.advance(24 * 60 * 60 + 1);
    assert_eq!(ann.post(url, zone("West")).expect(201)["name"], "West");
    let kept: Option<i64> = server.app.db.read(|reader| reader.one("SELECT count(*) FROM idempotency_keys", &[])).expect("a count");
    assert_eq!(kept, Some(1), "yesterday's are gone");
}

#[test]
fn what_was_refused_may_be_mended_and_sent_again() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let client = keyed(&admin, "k");
    client.post("/api/field/zones/", json!({})).refuses(json!({"name": ["This field is required."]}));
    assert_eq!(client.post("/api/field/zones/", json!({"name": "North"})).status, 201);
    for key in ["", &"k".repeat(256)] {
        assert_eq!(keyed(&admin, key).post("/api/field/zones/", json!({"name": "South"})).status, 400);
    }
    // Other methods have no use for it.
    let id = admin.get("/api/field/zones/").expect(200)["results"][0]["id"].clone();
    for name in ["East", "West"] {
        assert_eq!(client.patch(&format!("/api/field/zones/{id}/"), json!({"name": name})).expect(200)["name"], name);
    }
}

#[test]
fn of_many_at_once_one_is_carried_out() {
    let server = Server::start();
    let client = keyed(&server.member("admin", Role::Admin), "at-once");
    let send = || client.post("/api/field/leads/", json!({"business_name": "Café", "contact_phone": "0700"}));
    let answers: Vec<_> = thread::scope(|scope| {
        (0..16).map(|_| scope.spawn(send)).collect::<Vec<_>>().into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    for answer in &answers {
        let in_flight = answer.status == 409 && answer.json()["code"] == "idempotency_key_in_flight";
        assert!(in_flight || answer.status == 201, "{} {}", answer.status, answer.text);
    }
    assert!(answers.iter().any(|answer| answer.status == 201));
    assert_eq!(server.member("other", Role::Admin).get("/api/field/leads/").expect(200)["count"], 1);
}

#[test]
fn an_action_is_carried_out_once() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let id = admin.create("/api/field/leads/", json!({"business_name": "Café", "contact_phone": "0700"}))["id"].clone();
    let lose = || keyed(&admin, "lose").post(&format!("/api/field/leads/{id}/lose/"), json!({"lost_reason": "price"}));
    let (first, again) = (lose(), lose());
    assert_eq!(
        (first.status, again.status, first.text == again.text),
        (200, 200, true),
        "without the key it is a conflict: {}",
        again.text
    );
    assert_eq!(admin.post(&format!("/api/field/leads/{id}/lose/"), json!({"lost_reason": "price"})).status, 409);
}
