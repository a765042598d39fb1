//! Saved views: whose they are, and that a view which cannot work is refused. And tags, which views are made of.

use serde_json::{Value as Json, json};
use studio::actor::{Capability, Role};

use crate::support::{Client, Server};

const VIEWS: &str = "/api/saved-views/";

fn names(client: &Client, query: &str) -> Vec<String> {
    let page = client.get(&format!("{VIEWS}?ordering=name{query}")).expect(200);
    page["results"].as_array().expect("results").iter().map(|view| view["name"].as_str().unwrap_or_default().to_owned()).collect()
}

fn one(view: &Json) -> String {
    format!("{VIEWS}{}/", view["id"])
}

#[test]
fn a_view_is_its_owners_unless_it_is_shared() {
    let server = Server::start();
    let (agent, other, manager) =
        (server.member("ann", Role::Agent), server.member("ben", Role::Agent), server.member("max", Role::Manager));
    let private = agent.create(VIEWS, json!({"resource": "field/leads", "name": "Mine"}));
    let shared = agent.create(VIEWS, json!({"resource": "field/leads", "name": "Ours", "is_shared": true}));
    let abroad = server.business("Abroad");
    let stranger = server.member_with("eve", Role::Admin, abroad, &[]);
    assert_eq!(names(&agent, ""), ["Mine", "Ours"]);
    for client in [&other, &manager] {
        assert_eq!(names(client, ""), ["Ours"]);
        client.get(&one(&private)).expect(404);
        client.get(&one(&shared)).expect(200);
        client.patch(&one(&private), json!({"name": "Stolen"})).expect(404);
        client.patch(&one(&shared), json!({"name": "Stolen"})).expect(403);
        client.delete(&one(&private)).expect(404);
    }
    assert_eq!(names(&stranger, ""), Vec::<String>::new());
    stranger.get(&one(&shared)).expect(404);
    // A manager tidies up what everybody sees.
    other.delete(&one(&shared)).expect(403);
    assert_eq!(manager.delete(&one(&shared)).status, 204);
    // What is no longer shared is out of everybody else's sight.
    let shared = agent.create(VIEWS, json!({"resource": "field/leads", "name": "Ours", "is_shared": true}));
    agent.patch(&one(&shared), json!({"is_shared": false})).expect(200);
    assert_eq!(names(&other, ""), Vec::<String>::new());
    manager.delete(&one(&shared)).expect(404);
    server.member("zoe", Role::Citizen).get(VIEWS).expect(403);
}

#[test]
fn a_name_is_taken_once_by_a_person_for_a_resource() {
    let server = Server::start();
    let (ann, ben) = (server.member("ann", Role::Agent), server.member("ben", Role::Agent));
    let first = ann.create(VIEWS, json!({"resource": "field/leads", "name": "Hot"}));
    for name in ["Hot", "hot"] {
        ann.post(VIEWS, json!({"resource": "field/leads", "name": name}))
            .refuses(json!({"name": ["saved view with this name already exists."]}));
    }
    ann.create(VIEWS, json!({"resource": "field/visits", "name": "Hot"}));
    ben.create(VIEWS, json!({"resource": "field/leads", "name": "Hot"}));
    assert_eq!(ann.delete(&one(&first)).status, 204);
    ann.create(VIEWS, json!({"resource": "field/leads", "name": "Hot"}));
}

#[test]
fn a_view_that_cannot_work_is_refused() {
    let server = Server::start();
    let agent = server.member("ann", Role::Agent);
    let zone = server.member("adm", Role::Admin).create("/api/field/zones/", json!({"name": "North"}));
    let with = |field: &str, value: Json| {
        let mut body = json!({"resource": "field/leads", "name": "A view"});
        body[field] = value;
        agent.post(VIEWS, body)
    };
    for resource in ["field/nothing", "field/lead", "/api/field/leads/", "comments", "files"] {
        with("resource", json!(resource)).refuses(json!({"resource": [format!("\"{resource}\" is no resource that you can list.")]}));
    }
    let no_filter = |name: &str| format!("{name}: Lists of field/leads take no such filter.");
    for (filters, words) in [
        (json!({"colour": "red"}), no_filter("colour")),
        (json!({"page": 2}), no_filter("page")),
        (json!({"ordering": "stage"}), no_filter("ordering")),
        (json!({"is_hot": "perhaps"}), no_filter("is_hot")),
        (json!({"stage": "cold"}), "stage: Select a valid choice. cold is not one of the available choices.".into()),
        (json!({"follow_up_date_after": "soon"}), "follow_up_date_after: Enter a valid date.".into()),
        (json!({"zone": 4711}), "zone: Select a valid choice. That choice is not one of the available choices.".into()),
        (json!({"stage": {"not": "won"}}), "A query parameter is a text, a number, true or false, or a list of these.".into()),
        (json!(["stage"]), "Expected an object of query parameters.".into()),
        (json!({"search": "x".repeat(101)}), "search: search: Ensure this field has no more than 100 characters.".into()),
    ] {
        with("filters", filters).refuses(json!({"filters": [words]}));
    }
    with("ordering", json!("-created_at,colour")).refuses(json!({"ordering": ["Lists of field/leads cannot be ordered by \"colour\"."]}));
    with("columns", json!(["stage", "phone_norm"])).refuses(json!({"columns": ["\"phone_norm\" is no field of field/leads."]}));
    // What a role may not list, it can have no view of.
    let teacher = server.member("tom", Role::Teacher);
    teacher
        .post(VIEWS, json!({"resource": "field/leads", "name": "x"}))
        .refuses(json!({"resource": ["\"field/leads\" is no resource that you can list."]}));
    // Neither of fields that it may not see.
    let staff =
        |client: &Client| client.post(VIEWS, json!({"resource": "accounts/staff-profiles", "name": "x", "columns": ["name", "notes"]}));
    staff(&server.staff("sam", &[])).refuses(json!({"columns": ["\"notes\" is no field of accounts/staff-profiles."]}));
    staff(&server.staff("sue", &[Capability::Hr])).expect(201);

    // What is kept works when it is put into the list's query.
    let filters = json!({"stage__in": ["prospect", "won"], "zone": zone["id"], "is_hot": true, "search": "duka", "tag": "vip", "created_at__gte": "2026-01-01"});
    let view = with("filters", filters.clone()).expect(201);
    assert_eq!(view["filters"], filters);
    agent.get("/api/field/leads/?stage__in=prospect,won&zone=1&is_hot=true&search=duka&tag=vip&created_at__gte=2026-01-01").expect(200);
    // A view can be renamed whatever has become of what it filters by.
    server.write(move |tx| tx.delete("zones", 1));
    agent.patch(&one(&view), json!({"name": "Another name"})).expect(200);
    agent.patch(&one(&view), json!({"ordering": "stage"})).expect(400);
}

#[test]
fn tags_are_counted_over_the_live_records_in_reach() {
    let server = Server::start();
    let (admin, agent) = (server.member("adm", Role::Admin), server.member("ann", Role::Agent));
    let lead = |client: &Client, tags: Json| {
        client.create("/api/field/leads/", json!({"business_name": "Duka", "contact_phone": "0700", "tags": tags}))
    };
    lead(&agent, json!(["vip", "Café", "100%"]));
    lead(&agent, json!(["vip"]));
    lead(&admin, json!(["vip", "secret"]));
    let gone = lead(&agent, json!(["gone", "vip"]));
    assert_eq!(admin.delete(&format!("/api/field/leads/{}/", gone["id"])).status, 204);
    let abroad = server.member_with("eve", Role::Admin, server.business("Abroad"), &[]);
    lead(&abroad, json!(["abroad"]));
    let tags = |client: &Client, query: &str| client.get(&format!("/api/field/leads/tags/{query}")).expect(200);
    let tag = |tag: &str, count: i64| json!({"tag": tag, "count": count});
    assert_eq!(tags(&admin, ""), json!([tag("vip", 3), tag("100%", 1), tag("Café", 1), tag("secret", 1)]));
    assert_eq!(tags(&agent, ""), json!([tag("vip", 2), tag("100%", 1), tag("Café", 1)]), "of others' leads nothing is told");
    assert_eq!(tags(&abroad, ""), json!([tag("abroad", 1)]));
    assert_eq!(tags(&admin, "?q=CAF"), json!([tag("Café", 1)]));
    assert_eq!(tags(&admin, "?q=%25"), json!([]), "no wildcards");
    assert_eq!(tags(&admin, "?q=%27%22%5C"), json!([]));
    admin.get(&format!("/api/field/leads/tags/?q={}", "x".repeat(256))).expect(400);
    server.member("cus", Role::Customer).get("/api/field/leads/tags/").expect(403);
    admin.get("/api/accounts/staff-roles/tags/").expect(200);
    // A resource without tags has no such path: it is read as an id.
    admin.get("/api/field/zones/tags/").expect(404);
}
