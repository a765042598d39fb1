//! What is of no resource: signing in, keys, businesses, the search and what changes.

use std::collections::BTreeSet;

use serde_json::json;
use studio::actor::Capability;

use super::{
    expectations::{ADMINISTERING, BELONGING, FEED, RESOURCES, SETTINGS},
    operations::{documented, granted, sign_in},
    requests::Verdict,
    world::{Kind, MISSING, State, World, kinds},
};

// ------------------------------------------------------------------------------------------------ signing in

#[test]
fn signing_in_is_for_anybody_and_ones_profile_for_whoever_is_signed_in() {
    let world = World::new(Capability::Hr);
    let mut verdict = Verdict::default();
    for (method, path) in documented() {
        let Some(who) = sign_in(&method, &path) else { continue };
        for person in &world.people {
            let username = person.client.get("/api/auth/me/").json()["username"].clone();
            let body = match (method.as_str(), who) {
                ("GET" | "DELETE", _) => None,
                ("PUT", _) => Some(json!({"username": username})),
                (_, "somebody") => Some(json!({"bio": "x"})),
                _ => Some(json!({})),
            };
            // Signing out with nothing but an access token ends the session: somebody else's turn.
            let public = world.server.client();
            let ends = path.ends_with("logout/") || path.ends_with("end-all/");
            let client = if ends { &public } else { &person.client };
            let path = path.replace("{id}", &"0".repeat(32));
            let answer =
                client.send(&method, &format!("/api/{path}"), body.map(|body| ("application/json", body.to_string().into_bytes())));
            let fits = match (who, person.signed_in()) {
                ("their own", true) if method == "DELETE" => answer.status == 404,
                ("their own", true) => [200, 400, 409].contains(&answer.status),
                // There is no name here that passkeys could belong to.
                ("anybody", _) if path.ends_with("sign-in/begin/") => answer.status == 409,
                ("anybody", _) => [200, 205, 400].contains(&answer.status),
                ("prover", true) => [200, 400, 429].contains(&answer.status),
                ("session", _) if ends => answer.status == 401,
                ("session", true) => answer.status == if method == "DELETE" { 404 } else { 200 },
                (_, true) => answer.status == 200 && answer.json()["id"] == person.client.id,
                (_, false) => answer.status == 401,
            };
            verdict.expect(fits, || format!("{}: {} answered {} {}", person.name, answer.call, answer.status, answer.text));
        }
    }
    verdict.done();
}

#[test]
fn keys_and_lost_factors_are_for_those_who_run_the_business() {
    let world = World::new(Capability::Hr);
    let mut verdict = Verdict::default();
    for person in &world.people {
        let runs = ["admin", "manager"].contains(&person.plays);
        let allowed = |status: u16, may: bool| match (person.signed_in(), may) {
            (false, _) => 401,
            (true, true) => status,
            (true, false) => 403,
        };
        let client = &person.client;
        let body = json!({"name": "machine", "scopes": ["*:read"]});
        let made = client.post("/api/auth/api-keys/", body);
        verdict.status(person.name, "making a key", &made, allowed(201, runs));
        verdict.status(person.name, "wrongly", &client.post("/api/auth/api-keys/", json!({})), allowed(400, runs));
        verdict.status(person.name, "listing keys", &client.get("/api/auth/api-keys/"), allowed(200, runs));
        let id = made.json()["id"].as_i64().unwrap_or(MISSING);
        verdict.status(person.name, "revoking a key", &client.delete(&format!("/api/auth/api-keys/{id}/")), allowed(204, runs));
        verdict.status(person.name, "revoking none", &client.delete(&format!("/api/auth/api-keys/{MISSING}/")), allowed(404, runs));
        let reset = |id: i64| client.post(&format!("/api/accounts/users-list/{id}/reset-2fa/"), json!({}));
        let administers = person.plays == "admin";
        verdict.status(person.name, "a member", &reset(world.bystander(person.business)), allowed(200, administers));
        let (home, abroad) = (world.home, world.abroad);
        let away = if person.business == home.0 { abroad.1 } else { home.1 };
        let (foreign, missing) = (reset(away), reset(MISSING));
        verdict.status(person.name, "somebody elsewhere", &foreign, allowed(404, administers));
        verdict.expect(foreign.text == missing.text, || format!("{}: {} {}", person.name, foreign.text, missing.text));
        verdict.status(person.name, "their own", &reset(client.id), allowed(403, false));
    }
    verdict.done();
}

/// What they do is looked at in `administration`: here, who gets so far, and that nobody reaches into another business.
#[test]
fn administration_is_for_administrators() {
    let world = World::new(Capability::Hr);
    let mut verdict = Verdict::default();
    for &(name, who) in ADMINISTERING {
        let (method, path) = name.split_once(' ').expect("a method and a path");
        for person in &world.people {
            let may = match who {
                'A' => person.plays == "admin",
                _ => person.name == "superuser",
            };
            let away = if person.business == world.home.0 { world.abroad } else { world.home };
            let send = |id: i64| {
                let path = path.replace("{id}", &id.to_string()).replace("{session}", &"0".repeat(32)).replace("{name}", "purge_outbox");
                let body = (method == "POST").then(|| ("application/json", b"{}".to_vec()));
                person.client.send(method, &format!("/api/{path}"), body)
            };
            let wanted = |found: u16| match (person.signed_in(), may) {
                (false, _) => 401,
                (true, true) => found,
                (true, false) => 403,
            };
            // What is named beside the person is not there.
            let here = if path.contains("{session}") || path.starts_with("outbox/{id}") { 404 } else { 200 };
            let bystander = world.bystander(if person.plays.is_empty() { world.home.0 } else { person.business });
            let id = if path.starts_with("outbox/") { MISSING } else { bystander };
            verdict.status(person.name, name, &send(id), wanted(here));
            if path.starts_with("accounts/") {
                let (foreign, missing) = (send(away.1), send(MISSING));
                verdict.status(person.name, "somebody elsewhere", &foreign, wanted(404));
                verdict.expect(foreign.text == missing.text, || format!("{}: {} {}", person.name, foreign.text, missing.text));
            }
        }
    }
    verdict.done();
}

// ------------------------------------------------------------------------------------------------ belonging

/// Who sees and changes which business: their own, and that of somebody else.
#[test]
fn businesses_are_for_those_who_belong_to_them() {
    let world = World::new(Capability::Hr);
    let mut verdict = Verdict::default();
    let rest = BELONGING.iter().chain([&(SETTINGS, 'A')]);
    // What closes a business comes last, and is of others only.
    for (name, who) in rest.filter(|(name, _)| !name.ends_with("deactivate/") && !name.contains("invitations/accept")) {
        let (method, path) = name.split_once(' ').expect("a method and a path");
        for person in &world.people {
            let superuser = person.name == "superuser";
            for business in [world.home.0, world.abroad.0] {
                let path = format!("/api/{path}").replace("{id}", &business.to_string());
                let elsewhere = !path.contains("business/") && person.business != business;
                let is_member = !person.plays.is_empty() && (!elsewhere || superuser);
                let wanted = match who {
                    _ if !person.signed_in() => 401,
                    'R' => 200,
                    'S' if !superuser => 403,
                    'S' if path.ends_with("/businesses/") => 201,
                    'S' => 200,
                    'N' => 404,
                    _ if path.contains("/business/") && person.plays.is_empty() => 403,
                    _ if !is_member => 404,
                    'A' if person.plays != "admin" => 403,
                    _ => 200,
                };
                let body = match (method, path.as_str()) {
                    ("GET", _) => None,
                    (_, "/api/businesses/switch/") => Some(json!({"business": business})),
                    (_, "/api/businesses/") => Some(json!({"name": world.unique()})),
                    ("PATCH", _) => Some(json!({"legal_name": world.unique()})),
                    _ => Some(json!({})),
                };
                let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
                let answer = person.client.send(method, &path, body);
                verdict.status(person.name, name, &answer, wanted);
            }
        }
    }
    let abroad = format!("/api/businesses/{}/deactivate/", world.abroad.0);
    for person in world.people.iter().filter(|person| person.plays != "admin" || person.business == world.home.0) {
        if person.name == "superuser" {
            continue;
        }
        let wanted = if person.signed_in() { 404 } else { 401 };
        verdict.status(person.name, "closing", &person.client.post(&abroad, json!({"name": "Abroad"})), wanted);
    }
    verdict.done();
}

// ------------------------------------------------------------------------------------------------ searching

#[test]
fn a_search_finds_what_may_be_listed() {
    let world = World::new(Capability::Field);
    let mut verdict = Verdict::default();
    for (resource, _) in RESOURCES.iter().filter(|(name, _)| *name != "accounts/users-list") {
        for person in world.people.iter().filter(|person| person.signed_in()) {
            for kind in [Kind::Other, Kind::Foreign].iter().chain(kinds(resource)) {
                world.row(person, resource, *kind, State::Fresh, false);
            }
        }
    }
    for person in &world.people {
        let status = match (person.signed_in(), person.plays) {
            (false, _) => 401,
            (true, "") => 403,
            _ => 200,
        };
        // Made by the tests with this in their names, or called like this.
        for q in ["name", "example"] {
            let answer = person.client.get(&format!("/api/search/?limit=20&q={q}"));
            verdict.status(person.name, q, &answer, status);
            let groups = if status == 200 { answer.json()["results"].as_array().cloned().unwrap_or_default() } else { vec![] };
            for &(resource, line) in RESOURCES {
                let group = groups.iter().find(|group| group["resource"] == resource);
                let hits = group.and_then(|group| group["hits"].as_array()).into_iter().flatten();
                let found: BTreeSet<i64> = hits.filter_map(|hit| hit["id"].as_i64()).collect();
                let listed = match granted(line, person.plays, 'L') {
                    Some(grant) if status == 200 => world.listed(person, resource, grant.own, false),
                    _ => BTreeSet::new(),
                };
                verdict.expect(found.is_subset(&listed), || format!("{}: {resource}: {found:?} of {listed:?}", person.name));
                let named = ["departments", "designations", "branches", "staff-roles", "zones", "leads", "visits"];
                if q == "name" && named.iter().any(|name| resource.ends_with(name)) {
                    let wanted: BTreeSet<i64> = listed.iter().rev().take(20).copied().collect();
                    verdict.expect(found == wanted, || format!("{}: {resource}: found {found:?}, not {wanted:?}", person.name));
                    let more = group.is_some_and(|group| group["has_more"] == true);
                    verdict.expect(more == (listed.len() > 20), || format!("{}: {resource}: more: {more}", person.name));
                }
            }
        }
    }
    verdict.done();
}

#[test]
fn what_changes_is_for_whoever_is_somebody_in_a_business() {
    let world = World::new(Capability::Hr);
    let mut verdict = Verdict::default();
    for person in &world.people {
        for operation in FEED {
            let (method, path) = operation.split_once(' ').expect("a method and a path");
            let answer = person.client.send(method, &format!("/api/{path}"), None);
            let wanted = match (person.signed_in(), person.plays) {
                (false, _) => 401,
                (true, "") => 403,
                (true, _) => 200,
            };
            verdict.status(person.name, operation, &answer, wanted);
        }
    }
    verdict.done();
}
