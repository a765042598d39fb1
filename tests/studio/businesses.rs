//! The businesses: creating, setting up, switching, closing; modules that are off; and the services with their secrets.

use serde_json::{Value as Json, json};
use studio::{actor::Role, auth::account};

use crate::support::{Client, Server};

fn join(server: &Server, user: i64, business: i64, role: Role) {
    server.write(move |tx| account::join(tx, user, business, role));
}

#[test]
fn superusers_create_businesses_and_others_where_it_is_allowed() {
    let server = Server::start();
    let (root, admin) = (server.superuser("root"), server.member("admin", Role::Admin));
    assert_eq!(admin.post("/api/businesses/", json!({"name": "Mine"})).status, 403);
    let made = root.create("/api/businesses/", json!({"name": "Tamiti Studio & Co.", "currency": "UGX", "timezone": "Africa/Kampala"}));
    assert_eq!((&made["slug"], &made["currency"], &made["is_active"]), (&json!("tamiti-studio-co"), &json!("UGX"), &json!(true)));
    let again = root.create("/api/businesses/", json!({"name": "Tamiti Studio & Co."}));
    assert_eq!((&again["slug"], &again["currency"]), (&json!("tamiti-studio-co-2"), &json!("USD")));
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": "x", "timezone": "Mars/Olympus"}), "timezone"),
        (json!({"name": "x", "currency": "XX"}), "currency"),
        (json!({"name": "x", "slug": "Not Good"}), "slug"),
        (json!({"name": "x", "slug": "main"}), "slug"),
        (json!({"name": "x", "country": "Uganda"}), "country"),
        (json!({"name": "x", "invoice_due_days": 366}), "invoice_due_days"),
        (json!({"name": "x", "features": {"teleport": true}}), "features"),
        (json!({"name": "x", "features": {"field": "perhaps"}}), "features"),
        (json!({"name": "x", "number_formats": {"invoice": "INV"}}), "number_formats"),
        (json!({"name": "x", "number_formats": {"invoice": "{SEQ:4}{SEQ:2}"}}), "number_formats"),
        (json!({"name": "x", "number_formats": {"invoice": "{WEEK}{SEQ:2}"}}), "number_formats"),
        (json!({"name": "x", "address": 7}), "address"),
    ] {
        let answer = root.post("/api/businesses/", body.clone());
        assert!(answer.status == 400 && answer.json().get(field).is_some(), "{body}: {} {}", answer.status, answer.text);
    }
    let open = Server::start_with(|config| config.auth.create_business = true);
    let admin = open.member("admin", Role::Admin);
    let made = admin.create("/api/businesses/", json!({"name": "Second"}));
    let names: Vec<Json> = admin.get("/api/businesses/").expect(200)["results"].as_array().expect("a list").clone();
    assert_eq!(names.len(), 2);
    let there = admin.with("x-business-id", &made["id"].to_string());
    there.create("/api/accounts/departments/", json!({"name": "There"}));
    assert_eq!(admin.get("/api/accounts/departments/").expect(200)["count"], json!(0), "in that business, not in this one");
}

#[test]
fn settings_are_for_those_who_run_the_business() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let manager = server.member("mona", Role::Manager);
    let agent = server.member("alan", Role::Agent);
    let path = "/api/business/settings/";
    let all = admin.get(path).expect(200);
    assert_eq!(all, admin.get("/api/businesses/1/").expect(200));
    assert_eq!(all, manager.get(path).expect(200));
    let summary = agent.get(path).expect(200);
    let mut members: Vec<&str> = summary.as_object().expect("an object").keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["currency", "id", "is_current", "logo", "name", "role", "timezone", "uuid"]);
    for client in [&manager, &agent] {
        assert_eq!(client.patch(path, json!({"name": "Mine"})).status, 403);
    }
    let tag = admin.get(path).header("etag").expect("an ETag").to_owned();
    let changed =
        admin.with("if-match", &tag).patch(path, json!({"legal_name": "Main Ltd", "requisition_manager_limit": "12.50"})).expect(200);
    assert_eq!((&changed["legal_name"], &changed["requisition_manager_limit"]), (&json!("Main Ltd"), &json!("12.50")));
    assert_eq!(admin.with("if-match", &tag).patch(path, json!({"legal_name": "Other"})).status, 412);
    // What is the program's to set stays.
    let noise = json!({"is_active": false, "id": 7, "no_such": 1});
    assert_eq!(admin.patch(path, noise).expect(200)["is_active"], json!(true));
}

#[test]
fn currency_and_time_zone_hold_from_the_next_request() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let lead = |name: &str| admin.create("/api/field/leads/", json!({"business_name": name, "contact_phone": "1", "expected_value": "5"}));
    assert_eq!((&lead("a")["currency"], &lead("b")["expected_value"]), (&json!("USD"), &json!("5.00")));
    admin.patch("/api/business/settings/", json!({"currency": "UGX", "timezone": "Asia/Tokyo"})).expect(200);
    let made = lead("c");
    assert_eq!((&made["currency"], &made["expected_value"]), (&json!("UGX"), &json!("5")));
    assert_eq!(admin.get("/api/auth/me/").expect(200)["business"]["currency"], json!("UGX"));
    // A time without a zone is one of the business's clock.
    let visit = admin.create("/api/field/visits/", json!({"business_name": "x", "date_time": "2026-05-01T09:00:00"}));
    assert_eq!(visit["date_time"], json!("2026-05-01T00:00:00.000Z"));
}

#[test]
fn switching_answers_tokens_for_the_other_business() {
    let server = Server::start();
    let both = server.member("both", Role::Agent);
    let (abroad, elsewhere) = (server.business("Abroad"), server.business("Elsewhere"));
    join(&server, both.id, abroad, Role::Admin);
    let names = |client: &Client| {
        let list = client.get("/api/businesses/").expect(200);
        let names = list["results"].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
        (list["count"].clone(), Json::from(names))
    };
    assert_eq!(names(&both), (json!(2), json!(["Abroad", "Main"])));
    for key in [json!(elsewhere), json!(987_654), json!("nonsense")] {
        assert_eq!(both.post("/api/businesses/switch/", json!({"business": key})).status, 404, "{key}");
    }
    assert_eq!(both.post("/api/businesses/switch/", json!({"business": [1]})).status, 400);
    let uuid = both.get(&format!("/api/businesses/{abroad}/")).expect(200)["uuid"].clone();
    let tokens = both.post("/api/businesses/switch/", json!({"business": uuid})).expect(200);
    assert_eq!((&tokens["business"]["id"], &tokens["business"]["role"]), (&json!(abroad), &json!("admin")));
    let there = both.with_token(tokens["access"].as_str().expect("a token"));
    assert_eq!(there.get("/api/auth/me/").expect(200)["business"]["id"], json!(abroad));
    assert_eq!(both.get("/api/auth/me/").expect(200)["business"]["id"], json!(1), "the other tokens are as they were");
    // Refreshing stays in the business.
    let fresh = server.client().post("/api/auth/token/refresh/", json!({"refresh": tokens["refresh"]})).expect(200);
    let there = both.with_token(fresh["access"].as_str().expect("a token"));
    assert_eq!(there.get("/api/auth/me/").expect(200)["business"]["id"], json!(abroad));
    let sessions = "SELECT count(DISTINCT family) FROM refresh_tokens WHERE user_id = ?1";
    let count: Option<i64> = server.app.db.read(|reader| reader.one(sessions, &[both.id.into()])).expect("a query of the test");
    assert_eq!(count, Some(1), "it is one session");
    // A token of a one-time code stays a citizen's.
    let (sessions, id) = (server.app.sessions.clone(), both.id);
    let how = studio::auth::session::Opening { rotates: true, citizen: true, ..Default::default() };
    let pair = server.write(move |tx| sessions.open(tx, id, how));
    let citizen = both.with_token(&pair.access);
    let tokens = citizen.post("/api/businesses/switch/", json!({"business": abroad})).expect(200);
    let citizen = citizen.with_token(tokens["access"].as_str().expect("a token"));
    assert_eq!(citizen.get("/api/auth/me/").expect(200)["role"], json!("citizen"));
    assert_eq!(citizen.patch(&format!("/api/businesses/{abroad}/"), json!({"name": "Mine"})).status, 403);
}

#[test]
fn a_closed_business_lets_nobody_in() {
    let server = Server::start();
    let root = server.superuser("root");
    let (admin, manager) = (server.member("admin", Role::Admin), server.member("mona", Role::Manager));
    let path = "/api/businesses/1/";
    assert_eq!(manager.post(&format!("{path}deactivate/"), json!({"name": "Main"})).status, 403);
    admin.post(&format!("{path}deactivate/"), json!({"name": "main"})).refuses(json!({"name": ["This is not the name of the business."]}));
    admin.post(&format!("{path}deactivate/"), json!({"name": "Main"})).expect(200);
    for client in [&admin, &manager, &root] {
        assert_eq!(client.get("/api/accounts/departments/").status, 403);
    }
    assert_eq!(admin.get("/api/businesses/").expect(200)["count"], json!(0));
    assert_eq!(admin.post(&format!("{path}activate/"), json!({})).status, 403);
    // Nor does a restart make another.
    let server = server.restart();
    let (admin, root) = (admin.at(&server), root.at(&server));
    let count: Option<i64> = server.app.db.read(|reader| reader.one("SELECT count(*) FROM businesses", &[])).expect("a query of the test");
    assert_eq!(count, Some(1));
    root.post(&format!("{path}activate/"), json!({})).expect(200);
    admin.get("/api/accounts/departments/").expect(200);
}

#[test]
fn a_module_that_is_off_is_not_there() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let abroad = server.business("Abroad");
    let foreigner = server.member_with("foreigner", Role::Admin, abroad, &[]);
    let lead = admin.create("/api/field/leads/", json!({"business_name": "Findable", "contact_phone": "1"}))["id"].clone();
    let comment = admin.create("/api/comments/", json!({"target_type": "lead", "target_id": lead, "content": "Findable"}))["id"].clone();
    let view = json!({"resource": "field/leads", "name": "Mine"});
    admin.create("/api/saved-views/", view);
    let changed = admin.patch("/api/business/settings/", json!({"features": {"field": false}})).expect(200);
    assert_eq!((&changed["features"]["field"], &changed["features"]["finance"]), (&json!(false), &json!(true)), "the others stay on");
    let gone = json!({"detail": "Not found.", "code": "not_found"});
    let document = crate::support::document();
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().expect("paths").iter().filter(|(path, _)| path.starts_with("/api/field/")) {
        for method in methods.as_object().expect("methods").keys() {
            let path = path.replace("{id}", &lead.to_string());
            let answer = admin.with("connection", "close").send(&method.to_uppercase(), &path, None);
            assert_eq!((answer.status, answer.json()), (404, gone.clone()), "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked > 50, "only {asked} operations");
    assert_eq!(server.client().get("/api/field/leads/").status, 401, "strangers learn nothing");
    assert_eq!(admin.get("/api/search/?q=findable").expect(200)["results"], json!([]));
    assert_eq!(admin.get("/api/search/?q=findable&resource=field/leads").status, 400);
    assert_eq!(admin.get("/api/events/?resource=field/leads").status, 400);
    assert_eq!(admin.get(&format!("/api/comments/{comment}/")).status / 100, 4, "what was said of it");
    assert_eq!(admin.post("/api/saved-views/", json!({"resource": "field/leads", "name": "Another"})).status, 400);
    // Elsewhere it is as it was, and here again once it is back.
    foreigner.get("/api/field/leads/").expect(200);
    admin.patch("/api/business/settings/", json!({"features": {"field": true}})).expect(200);
    assert_eq!(admin.get("/api/field/leads/").expect(200)["count"], json!(1));
    assert_eq!(admin.get(&format!("/api/comments/{comment}/")).status, 200);
}

#[test]
fn secrets_go_in_and_never_come_out() {
    const SECRET: &str = "zqsecret-0123456789-wxyz";
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let path = "/api/integrations/";
    let made = admin.create(path, json!({"kind": "smtp", "name": "Post", "config": {"host": "mail.example.org"}}));
    assert_eq!((&made["has_secret"], &made["secret_hint"]), (&json!(false), &Json::Null));
    let at = format!("{path}{}/", made["id"]);
    let set = admin.put(&format!("{at}secret/"), json!({"secret": SECRET})).expect(200);
    assert_eq!((&set["has_secret"], &set["secret_hint"]), (&json!(true), &json!("wxyz")));
    for name in ["password", "smtp_password", "apiToken", "API_KEY"] {
        assert_eq!(admin.patch(&at, json!({"config": {name: "x"}})).status, 400, "{name} belongs to the secret");
    }
    admin.patch(&at, json!({"name": "Mail", "secret_hint": "aaaa", "secret_enc": "x", "secret": "y"})).expect(200);
    for call in ["", "?search=zqsecret", "export/?format=csv", "export/?format=json", "minimal/", &format!("{}/history/", made["id"])] {
        let answer = admin.get(&format!("{path}{call}"));
        assert!(answer.status == 200 && !answer.text.contains("zqsecret") && !answer.text.contains("v1."), "{call}: {}", answer.text);
    }
    assert_eq!(admin.get("/api/search/?q=zqsecret").expect(200)["results"], json!([]));
    // Nor is it anywhere in the database as it was written.
    for (table, column) in [("integrations", "secret_enc"), ("audit_log", "after"), ("audit_log", "before"), ("idempotency_keys", "body")] {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} LIKE '%zqsecret%'");
        let found: Option<i64> = server.app.db.read(|reader| reader.one(&sql, &[])).expect("a query of the test");
        assert_eq!(found, Some(0), "{table}.{column}");
    }
    // Taking the record back to an earlier state does not touch it.
    let first =
        admin.get(&format!("{at}history/?page=last")).expect(200)["results"].as_array().expect("entries").last().expect("one")["id"]
            .clone();
    assert_eq!(admin.post(&format!("{at}revert/"), json!({"to": first})).expect(200)["secret_hint"], json!("wxyz"));
    // A short one shows nothing of itself; an empty one takes it away; a deleted integration comes back without.
    assert_eq!(admin.put(&format!("{at}secret/"), json!({"secret": "short"})).expect(200)["secret_hint"], Json::Null);
    assert_eq!(admin.put(&format!("{at}secret/"), json!({"secret": ""})).expect(200)["has_secret"], json!(false));
    admin.put(&format!("{at}secret/"), json!({"secret": SECRET})).expect(200);
    assert_eq!(admin.delete(&at).status, 204);
    assert_eq!(admin.post(&format!("{at}restore/"), json!({})).expect(200)["has_secret"], json!(false));
}
