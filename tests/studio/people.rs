//! Who belongs to the business: invitations, what becomes of memberships, and closing accounts.

use std::{sync::Barrier, thread};

use serde_json::{Value as Json, json};
use studio::{actor::Role, auth::account};

use crate::support::{Client, PASSWORD, Server};

const MEMBERS: &str = "/api/accounts/memberships/";

fn one<T: studio::db::FromCell>(server: &Server, sql: &str, user: i64) -> Option<T> {
    server.app.db.read(|reader| reader.one(sql, &[user.into()])).expect("a query of the test")
}

/// The path of somebody's membership in the first business.
fn place(server: &Server, user: i64) -> String {
    let id: i64 = one(server, "SELECT id FROM memberships WHERE user_id = ?1 AND business_id = 1", user).expect("a membership");
    format!("{MEMBERS}{id}/")
}

/// The link of the newest message to somebody.
fn link(server: &Server, to: &str) -> (String, String) {
    let sql = "SELECT payload FROM outbox WHERE recipient = ?1 AND template = 'invitation' ORDER BY id DESC";
    let payload: Option<String> = server.app.db.read(|reader| reader.one(sql, &[to.into()])).expect("a query of the test");
    let payload: Json = serde_json::from_str(&payload.expect("a message")).expect("JSON");
    let url = payload["url"].as_str().expect("a url").to_owned();
    let part = |name: &str| url.split(&format!("{name}=")).nth(1).and_then(|rest| rest.split('&').next()).expect("a part").to_owned();
    (part("uid"), part("token"))
}

fn accept(server: &Server, (uid, token): &(String, String), password: Option<&str>) -> crate::support::Answer {
    server.client().post("/api/auth/invitations/accept/", json!({"uid": uid, "token": token, "password": password}))
}

fn verified(server: &Server, user: i64) {
    server.write(move |tx| tx.update("users", user, vec![("email_verified_at", tx.now().to_string().into())]));
}

#[test]
fn an_invitation_makes_a_member_of_somebody_new() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let body = json!({"email": "Grace@Example.org", "role": "staff", "capabilities": ["hr"], "full_name": "Grace Hopper"});
    let made = admin.create(&format!("{MEMBERS}invite/"), body.clone());
    assert_eq!((&made["status"], &made["user"], &made["name"]), (&json!("invited"), &Json::Null, &json!("Grace Hopper")));
    assert_eq!((&made["email"], &made["capabilities"]), (&json!("Grace@Example.org"), &json!(["hr"])));
    admin.post(&format!("{MEMBERS}invite/"), body).refuses(json!({
        "email": ["This person has been invited already. Send the invitation again instead."]
    }));
    let first = link(&server, "Grace@Example.org");
    let path = format!("{MEMBERS}{}/", made["id"]);
    admin.post(&format!("{path}resend/"), json!({})).expect(200);
    let second = link(&server, "Grace@Example.org");
    let bad = json!({"token": ["The link is not valid, or not any more."]});
    accept(&server, &first, Some("mountain rivers flow")).refuses(bad.clone());
    accept(&server, &second, None).refuses(json!({"password": ["This field is required."]}));
    assert_eq!(accept(&server, &second, Some("short")).status, 400);
    let joined = accept(&server, &second, Some("mountain rivers flow")).expect(200);
    assert_eq!((&joined["business"], &joined["role"]), (&json!(1), &json!("staff")));
    accept(&server, &second, Some("mountain rivers flow")).refuses(bad.clone());
    for wrong in [("".to_owned(), "".to_owned()), ("x".repeat(5000), "y".repeat(5000)), (second.0.clone(), "AAAA".to_owned())] {
        assert_eq!(accept(&server, &wrong, Some("mountain rivers flow")).status, 400);
    }
    let signed_in = server.client().post("/api/auth/login/", json!({"email": "grace@example.org", "password": "mountain rivers flow"}));
    let grace = server.client().with_token(signed_in.expect(200)["access"].as_str().expect("a token"));
    let me = grace.get("/api/auth/me/").expect(200);
    assert_eq!((&me["full_name"], &me["role"], &me["is_verified"]), (&json!("Grace Hopper"), &json!("staff"), &json!(true)));
    let shown = admin.get(&path).expect(200);
    assert_eq!((&shown["status"], &shown["user"]), (&json!("active"), &me["id"]));
    let actions: Vec<Json> = admin.get(&format!("{path}history/")).expect(200)["results"].as_array().expect("entries").clone();
    let actions: Vec<&str> = actions.iter().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions, ["memberships.accept", "memberships.resend", "memberships.invite"]);
    admin.post(&format!("{MEMBERS}invite/"), json!({"email": "grace@example.org", "role": "agent"})).refuses(json!({
        "email": ["This person is a member already."]
    }));
}

#[test]
fn an_invitation_does_not_tell_who_has_an_account() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let abroad = server.business("Abroad");
    let ada = server.member_with("ada", Role::Staff, abroad, &[]);
    let invite = |email: &str| {
        let mut answer = admin.create(&format!("{MEMBERS}invite/"), json!({"email": email, "role": "agent"}));
        let record = answer.as_object_mut().expect("an object");
        ["id", "uuid", "email", "name"].into_iter().for_each(|name| drop(record.remove(name)));
        answer
    };
    assert_eq!(invite("ada@example.com"), invite("nobody@example.com"));
    // Nor does anything else show her before she has said yes.
    for path in [
        format!("/api/accounts/users-list/{}/", ada.id),
        "/api/accounts/users-list/?search=ada".to_owned(),
        format!("{MEMBERS}?search=example%20ada"),
        format!("{MEMBERS}?user={}", ada.id),
        "/api/search/?q=ada%20example".to_owned(),
    ] {
        let text = admin.get(&path).text;
        assert!(!text.contains("ada Example"), "{path}: {text}");
    }
    let refused = admin.post("/api/field/leads/", json!({"business_name": "x", "contact_phone": "1", "assigned_rep": ada.id}));
    assert_eq!(refused.status, 400, "nobody is given work before they have said yes: {}", refused.text);
    // She says yes where she is signed in, once the address is known to be hers.
    let id: i64 = one(&server, "SELECT id FROM memberships WHERE user_id = ?1 AND business_id = 1", ada.id).expect("a membership");
    assert_eq!(ada.get("/api/auth/invitations/").expect(200), json!([]));
    assert_eq!(ada.post(&format!("{MEMBERS}{id}/accept/"), json!({})).status, 404, "not known to be hers");
    verified(&server, ada.id);
    assert_eq!(ada.get("/api/auth/invitations/").expect(200)[0]["id"], json!(id));
    assert_eq!(admin.post(&format!("{MEMBERS}{id}/accept/"), json!({})).status, 404, "nobody says yes for another");
    assert_eq!(ada.with("x-business-id", "1").get("/api/field/leads/").status, 403);
    ada.post(&format!("{MEMBERS}{id}/accept/"), json!({})).expect(200);
    assert_eq!(ada.post(&format!("{MEMBERS}{id}/accept/"), json!({})).status, 404, "once");
    ada.with("x-business-id", "1").get("/api/field/leads/").expect(200);
    assert_eq!(admin.get(&format!("{MEMBERS}{id}/")).expect(200)["name"], json!("ada Example"));
}

#[test]
fn who_first_shows_that_an_address_is_theirs_sets_the_password() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let abroad = server.business("Abroad");
    // Somebody has taken another's address, and waits.
    let squatter = server.member_with("victim", Role::Staff, abroad, &[]);
    admin.create(&format!("{MEMBERS}invite/"), json!({"email": "victim@example.com", "role": "admin"}));
    let link = link(&server, "victim@example.com");
    accept(&server, &link, None).refuses(json!({"password": ["This field is required."]}));
    accept(&server, &link, Some("mountain rivers flow")).expect(200);
    assert_eq!(squatter.get("/api/auth/me/").status, 401, "whoever was there before is out");
    let login = |password: &str| server.client().post("/api/auth/login/", json!({"username": "victim", "password": password})).status;
    assert_eq!((login(PASSWORD), login("mountain rivers flow")), (401, 200));
}

#[test]
fn links_die() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let bad = json!({"token": ["The link is not valid, or not any more."]});
    let invite = |email: &str| admin.create(&format!("{MEMBERS}invite/"), json!({"email": email, "role": "agent"}))["id"].clone();
    let password = Some("mountain rivers flow");
    // Taken back.
    let id = invite("a@example.org");
    let first = link(&server, "a@example.org");
    assert_eq!(admin.post(&format!("{MEMBERS}{id}/end/"), json!({})).expect(200)["status"], json!("ended"));
    accept(&server, &first, password).refuses(bad.clone());
    // Invited again, the old link stays dead.
    assert_eq!(invite("a@example.org"), id, "it is the same membership");
    accept(&server, &first, password).refuses(bad.clone());
    // The address is somebody else's by now.
    let user: i64 = one(&server, "SELECT user_id FROM memberships WHERE id = ?1", id.as_i64().expect("an id")).expect("a user");
    let second = link(&server, "a@example.org");
    server.write(move |tx| tx.update("users", user, vec![("email", "b@example.org".into())]));
    accept(&server, &second, password).refuses(bad.clone());
    // Too old.
    invite("c@example.org");
    let third = link(&server, "c@example.org");
    server.clock.advance(8 * 24 * 3600);
    accept(&server, &third, password).refuses(bad);
}

#[test]
fn invitations_are_checked() {
    let server = Server::start();
    let (admin, manager) = (server.member("admin", Role::Admin), server.member("mona", Role::Manager));
    let path = format!("{MEMBERS}invite/");
    let abroad = server.business("Abroad");
    let theirs = server.write(move |tx| tx.insert("branches", vec![("name", "Theirs".into()), ("business_id", abroad.into())]));
    for (body, field) in [
        (json!({"role": "agent"}), "email"),
        (json!({"role": "agent", "email": "a@b.org", "phone": "+256700123456"}), "phone"),
        (json!({"role": "agent", "email": "no address"}), "email"),
        (json!({"role": "agent", "phone": "12"}), "phone"),
        (json!({"role": "king", "email": "a@b.org"}), "role"),
        (json!({"email": "a@b.org"}), "role"),
        (json!({"role": "staff", "email": "a@b.org", "capabilities": ["fly"]}), "capabilities"),
        (json!({"role": "agent", "email": "a@b.org", "capabilities": ["hr"]}), "capabilities"),
        (json!({"role": "staff", "email": "a@b.org", "branch": theirs}), "branch"),
    ] {
        let answer = admin.post(&path, body.clone());
        assert!(answer.status == 400 && answer.json().get(field).is_some(), "{body}: {} {}", answer.status, answer.text);
    }
    let users: Option<i64> = one(&server, "SELECT count(*) FROM users WHERE email = 'a@b.org' AND ?1", 1);
    assert_eq!(users, Some(0), "what is refused makes no account");
    assert_eq!(manager.post(&path, json!({"role": "admin", "email": "a@b.org"})).status, 403);
    manager.create(&path, json!({"role": "manager", "email": "a@b.org"}));
    let made = admin.create(&path, json!({"role": "agent", "phone": "+256 700 123456"}));
    assert_eq!(made["phone"], json!("+256700123456"));
    accept(&server, &link(&server, "+256700123456"), Some("mountain rivers flow")).expect(200);
    let again = server.client().post("/api/auth/login/", json!({"phone": "+256700123456", "password": "mountain rivers flow"}));
    assert_eq!(again.status, 200);
}

#[test]
fn rights_to_change_memberships() {
    let server = Server::start();
    let [admin, other] = ["admin", "other"].map(|name| server.member(name, Role::Admin));
    let manager = server.member("mona", Role::Manager);
    let agent = server.member("alan", Role::Agent);
    let at = |person: &Client| place(&server, person.id);
    let role = |client: &Client, person: &Client, role: &str| client.patch(&at(person), json!({"role": role}));
    assert_eq!(role(&manager, &agent, "admin").status, 403);
    assert_eq!(role(&manager, &admin, "agent").status, 403);
    assert_eq!(manager.patch(&at(&admin), json!({"branch": null})).status, 403, "nothing of an administrator's is theirs to change");
    assert_eq!(manager.post(&format!("{}suspend/", at(&admin)), json!({})).status, 403);
    assert_eq!(manager.post(&format!("{}end/", at(&admin)), json!({})).status, 403);
    assert_eq!(role(&manager, &manager, "agent").json()["code"], json!("own_role"));
    assert_eq!(role(&admin, &admin, "agent").json()["code"], json!("own_role"));
    assert_eq!(role(&agent, &agent, "admin").status, 403);
    assert_eq!(role(&manager, &agent, "staff").expect(200)["role"], json!("staff"));
    let widened = admin.patch(&at(&agent), json!({"capabilities": ["finance", "hr", "finance"]})).expect(200);
    assert_eq!(widened["capabilities"], json!(["finance", "hr"]));
    agent.get("/api/accounts/customer-profiles/").expect(200);
    assert_eq!(role(&admin, &agent, "teacher").expect(200)["capabilities"], json!([]), "they went with the role");
    assert_eq!(agent.get("/api/accounts/customer-profiles/").status, 403, "from the next request");
    admin.patch(&at(&agent), json!({"status": "ended", "user": 1, "joined_at": null})).expect(200);
    assert_eq!(admin.get(&at(&agent)).expect(200)["status"], json!("active"), "only actions change how it stands");
    // The last administrator.
    assert_eq!(role(&admin, &other, "manager").expect(200)["role"], json!("manager"));
    for action in ["suspend", "end"] {
        let answer = admin.post(&format!("{}{action}/", at(&admin)), json!({}));
        assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("last_admin")), "{action}");
    }
    // Nobody can be made a member unasked.
    assert_eq!(admin.post(MEMBERS, json!({"user": agent.id, "role": "agent"})).status, 405);
    assert_eq!(admin.delete(&at(&agent)).status, 405);
}

#[test]
fn two_administrators_who_demote_each_other_leave_one() {
    for round in 0..5 {
        let server = Server::start();
        let [a, b] = ["ada", "bob"].map(|name| server.member(name, Role::Admin));
        let start = Barrier::new(2);
        let statuses = thread::scope(|scope| {
            let demote = |by: &Client, whom: &Client| {
                let (by, path, start) = (by.clone(), place(&server, whom.id), &start);
                scope.spawn(move || {
                    start.wait();
                    match round % 2 {
                        0 => by.patch(&path, json!({"role": "manager"})).status,
                        _ => by.post(&format!("{path}suspend/"), json!({})).status,
                    }
                })
            };
            [demote(&a, &b), demote(&b, &a)].map(|thread| thread.join().expect("an answer"))
        });
        let sql = "SELECT count(*) FROM memberships WHERE role = 'admin' AND status = 'active' AND business_id = ?1";
        assert_eq!(one::<i64>(&server, sql, 1), Some(1), "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    }
}

#[test]
fn whoever_loses_a_membership_is_out_with_the_next_request() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let agent = server.member("alan", Role::Agent);
    let path = place(&server, agent.id);
    agent.get("/api/field/leads/").expect(200);
    admin.post(&format!("{path}suspend/"), json!({})).expect(200);
    assert!([401, 403].contains(&agent.get("/api/field/leads/").status));
    assert_eq!(agent.with("x-business-id", "1").get("/api/field/leads/").status / 100, 4);
    let sessions = "SELECT count(*) FROM refresh_tokens WHERE user_id = ?1 AND revoked_at IS NULL";
    assert_eq!(one::<i64>(&server, sessions, agent.id), Some(0));
    assert_eq!(admin.post(&format!("{path}suspend/"), json!({})).json()["code"], json!("invalid_transition"));
    let told: Option<i64> = one(&server, "SELECT count(*) FROM outbox WHERE recipient = 'alan@example.com' AND ?1", 1);
    assert_eq!(told, Some(1));
    admin.post(&format!("{path}activate/"), json!({})).expect(200);
    let login = json!({"username": "alan", "password": PASSWORD});
    let again = server.client().post("/api/auth/login/", login.clone()).expect(200);
    let agent = agent.with_token(again["access"].as_str().expect("a token"));
    agent.get("/api/field/leads/").expect(200);
    let ended = admin.post(&format!("{path}end/"), json!({})).expect(200);
    assert!(ended["ended_at"].is_string() && ended["status"] == "ended");
    assert!([401, 403].contains(&agent.get("/api/field/leads/").status));
    assert_eq!(admin.post(&format!("{path}activate/"), json!({})).status, 409);
    // Signing in goes on, to nothing.
    let again = server.client().post("/api/auth/login/", login).expect(200);
    assert_eq!(agent.with_token(again["access"].as_str().expect("a token")).get("/api/field/leads/").status, 403);
}

#[test]
fn open_work_is_handed_over() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let [agent, heir] = ["alan", "hera"].map(|name| server.member(name, Role::Agent));
    let customer = server.member("cleo", Role::Customer);
    let lead = |name: &str| agent.create("/api/field/leads/", json!({"business_name": name, "contact_phone": "0700"}))["id"].clone();
    let (open, lost) = (lead("Open"), lead("Lost"));
    agent.post(&format!("/api/field/leads/{lost}/lose/"), json!({"lost_reason": "price"})).expect(200);
    let visit = agent.create("/api/field/visits/", json!({"business_name": "x", "date_time": "2026-04-01T09:00:00Z"}))["id"].clone();
    let path = format!("{}end/", place(&server, agent.id));
    let refused = admin.post(&path, json!({}));
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("open_work")));
    assert_eq!(refused.json()["counts"], json!({"leads": 1, "visits": 1}));
    for nobody in [agent.id, customer.id, 987_654] {
        assert_eq!(admin.post(&path, json!({"reassign_to": nobody})).status, 400, "{nobody}");
    }
    admin.post(&path, json!({"reassign_to": heir.id})).expect(200);
    let rep = |kind: &str, id: &Json, field: &str| admin.get(&format!("/api/field/{kind}/{id}/")).expect(200)[field]["id"].clone();
    assert_eq!((rep("leads", &open, "assigned_rep"), rep("visits", &visit, "rep")), (json!(heir.id), json!(heir.id)));
    assert_eq!(rep("leads", &lost, "assigned_rep"), json!(agent.id), "what is done stays as it was");
    let history = admin.get(&format!("/api/field/leads/{open}/history/")).expect(200);
    let entry = &history["results"][0];
    assert_eq!((&entry["action"], &entry["actor"]["id"]), (&json!("leads.hand_over"), &json!(admin.id)));
}

#[test]
fn customers_and_citizens_may_go() {
    let server = Server::start();
    server.member("admin", Role::Admin);
    for (name, role, status) in
        [("cleo", Role::Customer, 200), ("zoe", Role::Citizen, 200), ("stu", Role::Student, 403), ("alan", Role::Agent, 403)]
    {
        let (person, other) = (server.member(name, role), server.member(&format!("other{name}"), role));
        let wanted = if status == 200 { 404 } else { 403 };
        assert_eq!(person.post(&format!("{}end/", place(&server, other.id)), json!({})).status, wanted, "{name} ends another's");
        assert_eq!(person.post(&format!("{}end/", place(&server, person.id)), json!({})).status, status, "{name}");
    }
}

#[test]
fn accounts_are_closed_and_opened() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let manager = server.member("mona", Role::Manager);
    let agent = server.member("alan", Role::Agent);
    let root = server.superuser("root");
    let both = server.member("both", Role::Agent);
    let abroad = server.business("Abroad");
    let id = both.id;
    server.write(move |tx| account::join(tx, id, abroad, Role::Agent));
    let at = |person: &Client, action: &str| format!("/api/accounts/users-list/{}/{action}/", person.id);
    assert_eq!(manager.post(&at(&agent, "deactivate"), json!({})).expect(200)["is_active"], json!(false));
    assert_eq!(agent.get("/api/auth/me/").status, 401);
    let live = "SELECT count(*) FROM refresh_tokens WHERE user_id = ?1 AND revoked_at IS NULL";
    assert_eq!(one::<i64>(&server, live, agent.id), Some(0), "the list of sign-ins says so, too");
    let login = || server.client().post("/api/auth/login/", json!({"username": "alan", "password": PASSWORD})).status;
    assert_eq!(login(), 401);
    assert_eq!(admin.get("/api/accounts/users-list/?is_active=false").expect(200)["count"], json!(1));
    manager.post(&at(&agent, "activate"), json!({})).expect(200);
    assert_eq!(login(), 200);
    assert_eq!(agent.get("/api/auth/me/").status, 401, "sessions that ended stay ended");
    assert_eq!(manager.post(&at(&admin, "deactivate"), json!({})).status, 403);
    assert_eq!(admin.post(&at(&root, "deactivate"), json!({})).status, 403);
    assert_eq!(admin.post(&at(&admin, "deactivate"), json!({})).json()["code"], json!("own_account"));
    assert_eq!(admin.post(&at(&both, "deactivate"), json!({})).json()["code"], json!("other_businesses"));
    root.post(&at(&both, "deactivate"), json!({})).expect(200);
    // Somebody is the last administrator of another business.
    let last = server.member("last", Role::Agent);
    let id = last.id;
    server.write(move |tx| account::join(tx, id, abroad, Role::Admin));
    assert_eq!(root.post(&at(&last, "deactivate"), json!({})).json()["code"], json!("last_admin"));
}
