//! `{data, message, meta}`: the second shape of every answer.

use serde_json::{Value, json};
use studio::actor::Role;

use crate::{
    samples::{for_each, sample, writable},
    support::{Client, Server},
};

const TYPE: &str = "application/vnd.studio.envelope+json";

fn wrapped(client: &Client) -> Client {
    client.with("accept", TYPE)
}

#[test]
fn every_resource_answers_the_same_in_the_envelope() {
    for_each(&writable(), |world, d| {
        let (plain, client) = (&world.admin, wrapped(&world.admin));
        let url = format!("/api/{}/", d.about.path);
        let made = client.post(&url, (sample(d.about.path).full)(world));
        assert_eq!(made.header("content-type"), Some(TYPE));
        let made = made.expect(201);
        assert_eq!((&made["message"], &made["meta"]), (&json!("Created successfully"), &json!({})));
        let one = format!("{url}{}/", made["data"]["id"]);
        assert_eq!(client.get(&one).expect(200)["data"], plain.get(&one).expect(200));
        client.post(&url, (sample(d.about.path).least)(world)).expect(201);
        for query in ["", "?page_size=1", "?page=2&page_size=1", "?page=last&page_size=1"] {
            let (answer, bare) = (client.get(&format!("{url}{query}")).expect(200), plain.get(&format!("{url}{query}")).expect(200));
            assert_eq!((&answer["data"], &answer["message"]), (&bare["results"], &json!("Success")));
            let at = &answer["meta"]["pagination"];
            for name in ["count", "next", "previous"] {
                assert_eq!(at[name], bare[name], "{query}");
            }
            let pages = if query.contains('1') { bare["count"].as_i64().expect("a count") } else { 1 };
            let page = if query.contains("=2") {
                2
            } else if query.contains("last") {
                pages
            } else {
                1
            };
            assert_eq!((&at["page"], &at["page_size"]), (&json!(page), &json!(if query.is_empty() { 10 } else { 1 })), "{query}");
        }
        if d.about.soft_delete {
            assert_eq!(client.delete(&one).expect(200), json!({"data": null, "message": "Deleted successfully", "meta": {}}));
        }
    });
}

#[test]
fn refusals_say_the_first_problem_in_words() {
    let server = Server::start();
    let client = wrapped(&server.member("admin", Role::Admin));
    let refused = client.post("/api/field/leads/", json!({"contact_phone": ""})).expect(400);
    let errors = json!({"business_name": ["This field is required."], "contact_phone": ["This field may not be blank."]});
    assert_eq!(refused, json!({"data": null, "message": "business_name: This field is required.", "errors": errors, "meta": {}}));
    let missing = client.get("/api/field/leads/5/").expect(404);
    let meta = json!({"code": "not_found"});
    assert_eq!(missing, json!({"data": null, "message": "No Lead matches the given query.", "errors": {}, "meta": meta}));
    assert_eq!(wrapped(&server.client()).get("/api/field/leads/").expect(401)["message"], "Authentication credentials were not provided.");
    let whole = client.post("/api/field/zones/", json!([1])).expect(400);
    assert_eq!(whole["message"], "Invalid data. Expected a dictionary, but got list.");
}

#[test]
fn its_validators_are_its_own() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let client = wrapped(&admin);
    let one = format!("/api/field/zones/{}/", admin.create("/api/field/zones/", json!({"name": "North"}))["id"]);
    for url in [one.as_str(), "/api/field/zones/"] {
        let (bare, tag) = (admin.get(url), client.get(url).header("etag").expect("a validator").to_owned());
        assert_ne!(bare.header("etag"), Some(tag.as_str()));
        assert_eq!(client.with("if-none-match", &tag).get(url).status, 304);
        assert_eq!(client.with("if-none-match", &tag).get(url).text, "");
    }
    let tag = client.get(&one).header("etag").expect("a validator").to_owned();
    assert_eq!(client.with("if-match", &tag).patch(&one, json!({"name": "East"})).expect(200)["message"], "Updated successfully");
    assert_eq!(client.with("if-match", &tag).patch(&one, json!({"name": "West"})).status, 412);
}

#[test]
fn a_setting_or_a_business_makes_it_the_default_and_a_request_has_the_last_word() {
    let by_setting = Server::start_with(|config| config.api.envelope = true);
    let by_business = Server::start();
    by_business.write(|tx| tx.update("businesses", 1, vec![("response_format", "standard".into())]));
    for server in [&by_setting, &by_business] {
        let admin = server.member("admin", Role::Admin);
        let answer = admin.get("/api/field/zones/");
        assert_eq!((answer.header("content-type"), answer.expect(200).get("data")), (Some("application/json"), Some(&json!([]))));
        let plain = admin.with("x-response-format", "drf").get("/api/field/zones/").expect(200);
        assert_eq!(plain["results"], json!([]));
        // Documents and checks are nobody's data.
        assert!(server.client().get("/healthz").expect(200).get("data").is_none());
        let document: Value = server.client().get("/api/schema/?format=json").json();
        assert!(document.get("openapi").is_some(), "{document}");
    }
    let named = Server::start().member("admin", Role::Admin).with("x-response-format", "standard").get("/api/field/zones/").expect(200);
    assert_eq!(named["data"], json!([]));
}
