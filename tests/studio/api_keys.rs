//! Keys of machines: who makes them, what they are told of, what their scopes open and what nothing opens, and when they end.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use studio::actor::Role;

use crate::support::{Answer, Client, Server};

/// Makes a key as this person, and answers whoever acts with it.
fn key_of(server: &Server, maker: &Client, scopes: &[&str]) -> Client {
    let made = maker.post("/api/auth/api-keys/", json!({"name": "machine", "scopes": scopes})).expect(201);
    let mut machine = server.client().with_token(made["key"].as_str().expect("a key"));
    machine.id = maker.id;
    machine
}

fn code(answer: &Answer) -> (u16, Option<String>) {
    (answer.status, answer.json()["code"].as_str().map(str::to_owned))
}

#[track_caller]
fn dead(answer: &Answer) {
    assert_eq!(code(answer), (401, Some("api_key_not_valid".into())), "{} {}", answer.call, answer.text);
}

#[track_caller]
fn refused(answer: &Answer) {
    assert_eq!(answer.status, 403, "{} {}", answer.call, answer.text);
}

fn column(server: &Server, sql: &str) -> Vec<Option<String>> {
    server.app.db.read(|reader| reader.rows(sql, &[], |row| row.get(0))).unwrap()
}

#[test]
fn a_key_is_told_once_and_kept_as_a_hash() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let body = json!({"name": " Website ", "scopes": ["field/leads:write"], "expires_at": "2099-01-01T00:00:00Z"});
    let made = admin.post("/api/auth/api-keys/", body).expect(201);
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("sk_") && key.len() == 67, "{key}");
    assert_eq!((&made["name"], &made["prefix"], &made["user"]), (&json!("Website"), &json!(key[..11]), &json!(admin.id)));
    let listed = admin.get("/api/auth/api-keys/").expect(200);
    let mut told = made.as_object().unwrap().clone();
    told.remove("key");
    // Whoever is listed has every field that was told but the key.
    assert_eq!(listed, json!([told]));
    let everything = column(&server, "SELECT coalesce(before, '') || coalesce(after, '') FROM audit_log").into_iter().flatten();
    let everything: String = everything.chain(column(&server, "SELECT key_hash || scopes FROM api_keys").into_iter().flatten()).collect();
    assert!(!everything.contains(key) && everything.contains("Website"));

    for (body, problem) in [
        (json!({}), json!({"name": ["This field is required."], "scopes": ["This list may not be empty."]})),
        (json!({"name": "x", "scopes": []}), json!({"scopes": ["This list may not be empty."]})),
        (json!({"name": "x", "scopes": ["field/nothing:read"]}), json!({"scopes": ["There is no resource \"field/nothing\"."]})),
        (
            json!({"name": "x", "scopes": ["field/leads"]}),
            json!({"scopes": ["\"field/leads\" is not a scope: write a resource's path and what to do there, such as field/leads:read."]}),
        ),
        (
            json!({"name": "x", "scopes": ["*:read"], "expires_at": "2001-01-01T00:00:00Z"}),
            json!({"expires_at": ["This must be in the future."]}),
        ),
        (json!({"name": "x".repeat(101), "scopes": ["*:read"]}), json!({"name": ["Ensure this field has no more than 100 characters."]})),
    ] {
        admin.post("/api/auth/api-keys/", body).refuses(problem);
    }
    server.clock.advance(301);
    let late = admin.post("/api/auth/api-keys/", json!({"name": "x", "scopes": ["*:read"]}));
    assert_eq!(code(&late), (403, Some("reauthentication_required".into())));
}

#[test]
fn scopes_open_resources_to_read_or_to_write() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let resources = [("field/leads", "business_name"), ("accounts/departments", "name"), ("field/zones", "name")];
    for (resource, field) in resources {
        for (read, write) in [(false, false), (true, false), (false, true), (true, true)] {
            for whole in [false, true] {
                // A scope of another resource is there in any case, and opens nothing here.
                let mut scopes = vec!["accounts/branches:read".to_owned(), "accounts/branches:write".to_owned()];
                let path = if whole { "*" } else { resource };
                scopes.extend(read.then(|| format!("{path}:read")));
                scopes.extend(write.then(|| format!("{path}:write")));
                let key = key_of(&server, &admin, &scopes.iter().map(String::as_str).collect::<Vec<_>>());
                let row = |name: &str| json!({field: format!("{name} {read} {write} {whole}"), "contact_phone": "0700", "city": "Here"});
                let id = admin.create(&format!("/api/{resource}/"), row("of the admin"))["id"].clone();
                let at = |rest: &str| format!("/api/{resource}/{rest}");
                let reads = [
                    key.get(&at("")),
                    key.get(&at(&format!("{id}/"))),
                    key.get(&at(&format!("{id}/history/"))),
                    key.get(&at("minimal/")),
                    key.get(&at("export/?format=json")),
                ];
                for answer in reads {
                    assert_eq!(answer.status, if read { 200 } else { 403 }, "{scopes:?}: {} {}", answer.call, answer.text);
                }
                let made = key.post(&at(""), row("of the key"));
                let writes = [
                    (made, 201),
                    (key.patch(&at(&format!("{id}/")), json!({field: format!("renamed {read} {write} {whole}")})), 200),
                    (key.post(&at("bulk_create/"), json!({"items": [row("of many")]})), 201),
                    (key.delete(&at(&format!("{id}/"))), 204),
                    (key.post(&at(&format!("{id}/restore/")), json!({})), 200),
                ];
                for (answer, status) in writes {
                    let fits = if write { answer.status == status || answer.status == 200 } else { answer.status == 403 };
                    assert!(fits, "{scopes:?}: {} {} {}", answer.call, answer.status, answer.text);
                }
            }
        }
    }
}

#[test]
fn what_is_found_and_attached_is_within_the_scopes_too() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let lead = admin.create("/api/field/leads/", json!({"business_name": "Zebra", "contact_phone": "0700"}))["id"].clone();
    admin.create("/api/field/zones/", json!({"name": "Zebra zone"}));
    admin.create(&format!("/api/field/leads/{lead}/comments/"), json!({"content": "zebra"}));
    let kinds = |client: &Client| -> BTreeSet<String> {
        let found = client.get("/api/search/?q=zebra").expect(200);
        found["results"].as_array().unwrap().iter().map(|group| group["resource"].as_str().unwrap().to_owned()).collect()
    };
    let leads = key_of(&server, &admin, &["field/leads:read"]);
    assert_eq!(kinds(&leads), BTreeSet::from(["field/leads".to_owned()]));
    assert!(kinds(&admin).contains("field/zones"));
    refused(&leads.get("/api/search/?q=zebra&resource=field/zones"));
    refused(&leads.get("/api/events/?resource=field/zones"));
    leads.get("/api/events/?resource=field/leads").expect(200);
    // Comments on leads take both.
    let comments = format!("/api/field/leads/{lead}/comments/");
    refused(&leads.get(&comments));
    refused(&key_of(&server, &admin, &["comments:read"]).get(&comments));
    let both = key_of(&server, &admin, &["comments:read", "field/leads:read"]);
    both.get(&comments).expect(200);
    let comment = both.get(&comments).json()["results"][0]["id"].clone();
    refused(&both.post(&comments, json!({"content": "x"})));
    // Nothing is said with a key that only reads, not even by one emoji.
    refused(&both.post(&format!("/api/comments/{comment}/like/"), json!({})));
    refused(&both.post("/api/events/ticket/", json!({})));
    key_of(&server, &admin, &["comments:write", "field/leads:read"]).post(&comments, json!({"content": "x"})).expect(201);
    // What others may read with the same rights is not answered from what was kept for them.
    let zones = key_of(&server, &admin, &["field/zones:read"]);
    admin.get("/api/field/leads/").expect(200);
    refused(&zones.get("/api/field/leads/"));
    refused(&zones.get("/api/accounts/org-chart/"));
    key_of(&server, &admin, &["*:read"]).get("/api/accounts/org-chart/").expect(200);
}

#[test]
fn a_key_that_reads_everything_does_nothing_else() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let key = key_of(&server, &admin, &["*:read"]);
    let document = crate::support::document();
    // That something was taken out of the house is written down, whoever takes it.
    let trail = || column(&server, "SELECT action FROM audit_log WHERE action NOT LIKE '%.export' ORDER BY id");
    let before = trail();
    let (mut read, mut refusals) = (0, 0);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            // What takes no token at all is for anybody.
            if !["get", "post", "put", "patch", "delete"].contains(&method.as_str()) || operation["security"] == json!([{}]) {
                continue;
            }
            let takes_keys = operation["security"].to_string().contains("apiKey");
            let is_identity = ["/api/auth/", "/api/users/", "/api/v1/"].iter().any(|prefix| path.starts_with(prefix));
            // Neither are how others sign in, and the server itself, any machine's business.
            let is_identity = is_identity || path.ends_with("/access/") || ["/api/jobs/", "/api/system/"].contains(&path.as_str());
            assert!(!(is_identity && takes_keys), "{method} {path} says that it takes keys");
            let at = path.replace("{id}", "987654321");
            let body = (method != "get").then(|| ("application/json", b"{}".to_vec()));
            let answer = key.send(&method.to_uppercase(), &at, body);
            if method == "get" && !is_identity {
                assert!(takes_keys, "{path} says that it takes no keys");
                let of_deleted_rows = path.ends_with("/deleted/") || path.ends_with("/import/template/");
                let fits = if of_deleted_rows { answer.status == 403 } else { [200, 400, 404].contains(&answer.status) };
                assert!(fits, "{} answered {} {}", answer.call, answer.status, answer.text);
                read += 1;
            } else {
                refused(&answer);
                refusals += 1;
            }
        }
    }
    assert!(read > 50 && refusals > 100, "{read} {refusals}");
    assert_eq!(trail(), before, "something was changed");
}

#[test]
fn a_key_is_shown_in_either_header_and_not_in_both() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let key = key_of(&server, &admin, &["field/leads:read"]).token.unwrap();
    let (leads, nobody) = ("/api/field/leads/", server.client());
    nobody.with_token(&key).get(leads).expect(200);
    nobody.with("x-api-key", &key).get(leads).expect(200);
    for client in [
        nobody.with_token(&key).with("x-api-key", &key),
        admin.with("x-api-key", &key),
        nobody.with("x-api-key", &key).with("x-api-key", &key),
        nobody.with("x-api-key", &key).with("authorization", "Basic eA=="),
    ] {
        assert_eq!(code(&client.get(leads)), (401, Some("bad_authorization_header".into())));
    }
    for wrong in ["", "x", "sk_", "sk_00", &key[..66], &format!("{key}0"), &key.to_uppercase(), admin.token.as_deref().unwrap()] {
        dead(&nobody.with("x-api-key", wrong).get(leads));
    }
    dead(&nobody.with_token("sk_0123").get(leads));
    // It is no token, and signs nothing out.
    let verify = nobody.post("/api/auth/token/verify/", json!({"token": key}));
    assert_eq!(code(&verify), (401, Some("token_not_valid".into())));
    nobody.with_token(&key).get(leads).expect(200);
}

#[test]
fn a_key_ends_when_it_is_revoked_too_old_or_its_maker_is_gone() {
    let server = Server::start();
    let leads = "/api/field/leads/";
    let admin = server.member("admin", Role::Admin);
    let revoked = key_of(&server, &admin, &["*:read"]);
    revoked.get(leads).expect(200);
    let id = admin.get("/api/auth/api-keys/").expect(200)[0]["id"].clone();
    admin.delete(&format!("/api/auth/api-keys/{id}/")).expect(204);
    dead(&revoked.get(leads));
    admin.delete(&format!("/api/auth/api-keys/{id}/")).expect(204);

    let body = json!({"name": "short", "scopes": ["*:read"], "expires_at": (server.clock.now() + Duration::from_secs(60)).to_string()});
    let short = server.client().with_token(admin.post("/api/auth/api-keys/", body).expect(201)["key"].as_str().unwrap());
    server.clock.advance(59);
    short.get(leads).expect(200);
    server.clock.advance(1);
    dead(&short.get(leads));

    for (name, sql) in [
        ("inactive", "UPDATE users SET is_active = 0 WHERE id = ?1"),
        ("deleted", "UPDATE users SET deleted_at = '2026-01-01T00:00:00.000Z' WHERE id = ?1"),
        ("ended", "UPDATE memberships SET status = 'ended' WHERE user_id = ?1"),
        ("suspended", "UPDATE memberships SET status = 'suspended' WHERE user_id = ?1"),
    ] {
        let maker = server.member(name, Role::Manager);
        let (key, id) = (key_of(&server, &maker, &["*:read"]), maker.id);
        key.get(leads).expect(200);
        server.write(move |tx| {
            tx.each(sql, &[id.into()], |_| Ok(()))?;
            // As a change through the program would.
            tx.touch_seen(id)
        });
        dead(&key.get(leads));
    }

    // It has its maker's rights of this moment, and outlives their password.
    let maker = server.member("maker", Role::Manager);
    let (key, id) = (key_of(&server, &maker, &["*:read"]), maker.id);
    admin.create(leads, json!({"business_name": "of the admin", "contact_phone": "0700"}));
    assert_eq!(key.get(leads).expect(200)["count"], 1);
    server.write(move |tx| {
        let membership: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[id.into()])?.unwrap();
        tx.update("memberships", membership, vec![("role", "agent".into())])
    });
    assert_eq!(key.get(leads).expect(200)["count"], 0);
    server.write(move |tx| studio::auth::account::set_password(tx, id, "another"));
    key.get(leads).expect(200);
}

#[test]
fn a_key_belongs_to_its_business_and_its_maker() {
    let server = Server::start();
    let abroad = server.business("Abroad");
    let (admin, manager) = (server.member("admin", Role::Admin), server.member("manager", Role::Manager));
    let stranger = server.member_with("stranger", Role::Admin, abroad, &[]);
    let key = key_of(&server, &stranger, &["*:read", "*:write"]);
    let lead = admin.create("/api/field/leads/", json!({"business_name": "Here", "contact_phone": "0700"}))["id"].clone();
    assert_eq!(key.get("/api/field/leads/").expect(200)["count"], 0);
    key.get(&format!("/api/field/leads/{lead}/")).expect(404);
    key.patch(&format!("/api/field/leads/{lead}/"), json!({"business_name": "x"})).expect(404);
    refused(&key.with("x-business-id", "1").get("/api/field/leads/"));
    key.with("x-business-id", &abroad.to_string()).get("/api/field/leads/").expect(200);
    // Not even its maker's other business.
    let id = stranger.id;
    server.write(move |tx| studio::auth::account::join(tx, id, 1, Role::Admin));
    refused(&key.with("x-business-id", "1").get("/api/field/leads/"));

    // Managers see and revoke their own; administrators those of the business; nobody those of another.
    let own = key_of(&server, &manager, &["*:read"]);
    key_of(&server, &admin, &["*:read"]);
    let seen = |client: &Client| client.get("/api/auth/api-keys/").expect(200).as_array().unwrap().len();
    assert_eq!((seen(&manager), seen(&admin), seen(&stranger)), (1, 2, 1));
    let of_admin = admin.get("/api/auth/api-keys/").expect(200)[0]["id"].clone();
    let of_manager = manager.get("/api/auth/api-keys/").expect(200)[0]["id"].clone();
    let missing = manager.delete("/api/auth/api-keys/987654/");
    for (client, id) in [(&manager, &of_admin), (&stranger, &of_admin), (&stranger, &of_manager)] {
        let answer = client.delete(&format!("/api/auth/api-keys/{id}/"));
        assert_eq!((answer.status, &answer.text), (404, &missing.text));
    }
    admin.delete(&format!("/api/auth/api-keys/{of_manager}/")).expect(204);
    dead(&own.get("/api/field/leads/"));
}

#[test]
fn a_superusers_key_is_an_administrators() {
    let server = Server::start();
    let abroad = server.business("Abroad");
    let root = server.superuser("root");
    let key = key_of(&server, &root, &["*:read", "*:write"]);
    key.get("/api/field/leads/").expect(200);
    refused(&key.with("x-business-id", &abroad.to_string()).get("/api/field/leads/"));
    refused(&key.post(&format!("/api/accounts/users-list/{}/reset-2fa/", root.id), json!({})));
}

#[test]
fn its_use_is_written_down_once_an_hour() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let key = key_of(&server, &admin, &["field/leads:read"]);
    let used = || column(&server, "SELECT last_used_at FROM api_keys").remove(0);
    let becomes = |expected: &str| {
        let deadline = Instant::now() + Duration::from_secs(10);
        while used().as_deref() != Some(expected) {
            assert!(Instant::now() < deadline, "{:?} is not {expected}", used());
            thread::yield_now();
        }
    };
    let now = || studio::kit::DateTime(server.clock.now()).to_string();
    assert_eq!(used(), None);
    let first = now();
    key.get("/api/field/leads/").expect(200);
    becomes(&first);
    server.clock.advance(3599);
    key.get("/api/field/leads/").expect(200);
    server.clock.advance(1);
    key.get("/api/field/leads/").expect(200);
    becomes(&now());
    let versions = column(&server, "SELECT version || '' FROM api_keys");
    assert_eq!(versions, [Some("1".to_owned())], "being used is no change");
}

#[test]
fn an_answer_that_is_kept_for_its_maker_is_not_given_to_a_key() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let body = json!({"business_name": "Once", "contact_phone": "0700"});
    let once = |client: &Client| client.with("idempotency-key", "k").post("/api/field/leads/", body.clone());
    once(&admin).expect(201);
    once(&admin).expect(201);
    let key = key_of(&server, &admin, &["field/leads:write"]);
    assert_eq!(once(&key).status, 422);
    refused(&once(&key_of(&server, &admin, &["field/leads:read"])));
    let again = |client: &Client| client.with("idempotency-key", "other").post("/api/field/leads/", body.clone()).expect(201)["id"].clone();
    assert_eq!(again(&key), again(&key));
}
