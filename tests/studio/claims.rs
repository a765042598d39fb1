//! Whose an address is that somebody else may have put on their account; what takes a proof that is minutes old; what invitations are
//! bounded by and where they lead; what the history of an account tells.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use studio::{actor::Role, auth::session::Opening};

use crate::{
    factors::{enable, shown},
    support::{Answer, Client, PASSWORD, Server},
};

const MEMBERS: &str = "/api/accounts/memberships/";
const NUMBER: &str = "+256700123456";
const OWN_PASSWORD: &str = "mountain rivers flow";

fn one<T: studio::db::FromCell>(server: &Server, sql: &str, value: impl Into<studio::db::Value>) -> Option<T> {
    server.app.db.read(|reader| reader.one(sql, &[value.into()])).expect("a query of the test")
}

/// What the newest message to somebody says.
fn message(server: &Server, to: &str, template: &str) -> Option<Json> {
    let sql = "SELECT payload FROM outbox WHERE recipient = ?1 AND template = ?2 AND status = 'pending' ORDER BY id DESC";
    let payload: Option<String> = server.app.db.read(|reader| reader.one(sql, &[to.into(), template.into()])).expect("a query of the test");
    payload.map(|payload| serde_json::from_str(&payload).expect("JSON"))
}

fn parts(url: &Json) -> (String, String) {
    let url = url.as_str().expect("a url");
    let part = |name: &str| url.split(&format!("{name}=")).nth(1).and_then(|rest| rest.split('&').next()).expect("a part").to_owned();
    (part("uid"), part("token"))
}

fn login(server: &Server, name: &str, password: &str) -> Answer {
    server.client().post("/api/auth/login/", json!({"identifier": name, "password": password}))
}

fn signed_in(server: &Server, tokens: &Json) -> Client {
    let mut client = server.client().with_token(tokens["access"].as_str().expect("a token"));
    client.id = client.get("/api/auth/me/").expect(200)["id"].as_i64().expect("an id");
    client
}

/// Registers, and signs in.
fn register(server: &Server, body: Json, name: &str) -> Client {
    server.client().post("/api/auth/register/", body).expect(201);
    signed_in(server, &login(server, name, PASSWORD).expect(200))
}

/// Signs in by a code sent to the number.
fn by_code(server: &Server) -> Json {
    server.client().post("/api/auth/send-otp/", json!({"phone_number": NUMBER})).expect(200);
    let code = message(server, NUMBER, "one_time_code").expect("a message")["code"].clone();
    server.clock.advance(60);
    server.client().post("/api/auth/verify-otp/", json!({"phone_number": NUMBER, "code": code})).expect(200)
}

fn phone(server: &Server, user: i64) -> Option<String> {
    one::<Option<String>>(server, "SELECT phone FROM users WHERE id = ?1", user).flatten()
}

fn give_number(server: &Server, user: i64) {
    server.write(move |tx| tx.update("users", user, vec![("phone", NUMBER.into())]));
}

fn invite(admin: &Client, address: &str, role: &str) -> Json {
    let kind = if address.contains('@') { "email" } else { "phone" };
    admin.create(&format!("{MEMBERS}invite/"), json!({kind: address, "role": role}))
}

fn accept(server: &Server, to: &str, password: Option<&str>) -> Answer {
    let (uid, token) = parts(&message(server, to, "invitation").expect("an invitation")["url"]);
    server.client().post("/api/auth/invitations/accept/", json!({"uid": uid, "token": token, "password": password}))
}

fn stale(answer: &Answer) {
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("reauthentication_required")), "{} {}", answer.call, answer.text);
}

// ------------------------------------------------------------------------------------------------ whose an address is

#[test]
fn nothing_that_a_stranger_left_signs_in_to_an_account_that_was_taken_over() {
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    let abroad = server.business("Abroad");
    let squatter = server.member_with("victim", Role::Manager, abroad, &[]);
    give_number(&server, squatter.id);
    enable(&server, &squatter);
    squatter.post("/api/auth/reauthenticate/", json!({"password": PASSWORD, "code": shown(&server, squatter.id, 0)})).expect(200);
    let made = squatter.post("/api/auth/api-keys/", json!({"name": "machine", "scopes": ["*:read"]})).expect(201);
    let machine = server.client().with_token(made["key"].as_str().expect("a key"));
    machine.get("/api/field/leads/").expect(200);
    invite(&admin, "victim@example.com", "staff");
    accept(&server, "victim@example.com", Some(OWN_PASSWORD)).expect(200);
    assert_eq!((machine.get("/api/field/leads/").status, squatter.get("/api/auth/me/").status), (401, 401));
    assert_eq!(login(&server, "victim", PASSWORD).status, 401);
    let victim = signed_in(&server, &login(&server, "victim", OWN_PASSWORD).expect(200));
    assert_eq!((victim.id, phone(&server, victim.id)), (squatter.id, None), "neither is a number that nobody has proven left");
    assert_eq!(victim.get("/api/auth/2fa/").expect(200)["recovery_codes_left"], json!(0));
}

#[test]
fn an_account_with_an_owner_is_not_taken_over() {
    let server = Server::start();
    let abroad = server.business("Abroad");
    let admin = server.member_with("admin", Role::Admin, abroad, &[]);
    let ann = register(&server, json!({"email": "ann@example.com", "phone": NUMBER, "password": PASSWORD}), NUMBER);
    let (id, number) = (ann.id, NUMBER);
    server.write(move |tx| tx.update("users", id, vec![("email_verified_at", tx.now().to_string().into())]));
    // Whoever has the number that she mistyped is invited by it.
    let made = invite(&admin, number, "agent");
    let (uid, token) = parts(&message(&server, number, "invitation").expect("an invitation")["url"]);
    let link = format!("/api/auth/invitations/accept/?uid={uid}&token={token}");
    let told = json!({"business_name": "Abroad", "role": "agent", "needs_password": true});
    assert_eq!(made["status"], json!("invited"));
    assert_eq!(server.client().get(&link).expect(200), told);
    accept(&server, number, Some(OWN_PASSWORD)).expect(200);
    let other = signed_in(&server, &login(&server, number, OWN_PASSWORD).expect(200));
    assert_ne!(other.id, ann.id);
    assert_eq!(other.get("/api/auth/me/").expect(200)["role"], json!("agent"));
    assert_eq!((phone(&server, ann.id), phone(&server, other.id).as_deref()), (None, Some(number)));
    // She has lost the number and nothing else.
    assert_eq!(signed_in(&server, &login(&server, "ann@example.com", PASSWORD).expect(200)).id, ann.id);
    ann.get("/api/auth/me/").expect(200);
    server.client().get(&link).refuses(json!({"token": ["The link is not valid, or not any more."]}));
}

#[test]
fn by_a_code_the_owner_of_a_number_gets_an_account_of_their_own() {
    let server = Server::start();
    server.member("admin", Role::Admin);
    let body = json!({"username": "stranger", "email": "stranger@example.org", "phone": NUMBER, "password": PASSWORD});
    let stranger = register(&server, body, "stranger");
    let tokens = by_code(&server);
    assert_eq!(tokens["is_new_user"], json!(true));
    let owner = signed_in(&server, &tokens);
    assert_ne!(owner.id, stranger.id);
    assert_eq!((phone(&server, stranger.id), phone(&server, owner.id).as_deref()), (None, Some(NUMBER)));
    assert_eq!(login(&server, NUMBER, PASSWORD).status, 401, "the number is not the stranger's name any more");
    assert_eq!(login(&server, "stranger", PASSWORD).status, 200);
    let told = message(&server, "stranger@example.org", "security_notice").expect("a notice");
    assert_eq!(told["subject"], json!("A telephone number was taken off your account"));
    // From then on it is proven, and stays.
    assert_eq!(signed_in(&server, &by_code(&server)).id, owner.id);
    stranger.patch("/api/auth/me/", json!({"phone": NUMBER})).refuses(json!({"phone": ["user with this phone already exists."]}));
}

#[test]
fn an_account_with_no_other_name_goes_to_the_owner_of_the_number() {
    let server = Server::start();
    server.member("admin", Role::Admin);
    let stranger = register(&server, json!({"phone": NUMBER, "password": PASSWORD}), NUMBER);
    let owner = signed_in(&server, &by_code(&server));
    assert_eq!(owner.id, stranger.id);
    assert_eq!((stranger.get("/api/auth/me/").status, login(&server, NUMBER, PASSWORD).status), (401, 401));
    assert_eq!(signed_in(&server, &by_code(&server)).id, owner.id);
}

#[test]
fn staff_who_were_entered_with_their_number_keep_it() {
    let server = Server::start();
    let boss = server.member("boss", Role::Admin);
    let worker = server.member("worker", Role::Agent);
    boss.create("/api/accounts/staff-profiles/", json!({"user": worker.id}));
    give_number(&server, worker.id);
    let staff =
        |server: &Server| server.client().post("/api/auth/staff-login/", json!({"phone_number": NUMBER, "password": PASSWORD})).status;
    let citizen = signed_in(&server, &by_code(&server));
    assert_eq!((citizen.id, staff(&server)), (worker.id, 200));
    assert_eq!(citizen.get("/api/auth/me/").expect(200)["role"], json!("citizen"));
    // Whoever was invited, and has not said yes, is vouched for by nobody.
    for (open, role, status, keeps) in [
        (false, "agent", "ended", true),
        (false, "agent", "invited", false),
        (false, "customer", "active", false),
        (true, "admin", "active", false),
    ] {
        let server = Server::start_with(|config| config.auth.create_business = open);
        let worker = server.member("worker", Role::Agent);
        give_number(&server, worker.id);
        let id = worker.id;
        server.write(move |tx| {
            let membership: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[id.into()])?.expect("a membership");
            tx.update("memberships", membership, vec![("role", role.into()), ("status", status.into())])
        });
        let found = signed_in(&server, &by_code(&server));
        assert_eq!(found.id == worker.id, keeps, "{role} {status}, businesses for everybody: {open}");
    }
    // An account without a password is nobody's but the owner's of the number.
    let server = Server::start();
    let admin = server.member("admin", Role::Admin);
    invite(&admin, NUMBER, "agent");
    let invited: Option<i64> = one(&server, "SELECT id FROM users WHERE phone = ?1", NUMBER);
    assert_eq!(Some(signed_in(&server, &by_code(&server)).id), invited);
}

#[test]
fn a_forgotten_password_is_set_by_the_owner_of_the_address_alone() {
    let server = Server::start();
    server.member("admin", Role::Admin);
    let reset = |email: &str| {
        server.client().post("/api/auth/password-reset-request/", json!({"email": email})).expect(200);
        message(&server, email, "password_reset").map(|payload| parts(&payload["link"]))
    };
    let confirm = |(uid, token): (String, String)| {
        let body = json!({"uid": uid, "token": token, "new_password": OWN_PASSWORD});
        server.client().post("/api/auth/password-reset-confirm/", body).expect(200);
    };
    // Nobody has proven the address: a stranger may have made the account, with what signs in to it.
    let body = json!({"username": "eve", "email": "victim@example.org", "phone": NUMBER, "password": PASSWORD});
    let eve = register(&server, body, "eve");
    enable(&server, &eve);
    confirm(reset("victim@example.org").expect("a link"));
    let victim = signed_in(&server, &login(&server, "eve", OWN_PASSWORD).expect(200));
    assert_eq!((victim.id, phone(&server, eve.id)), (eve.id, None));
    // Once it is, the second factor is not the mailbox's to take.
    let id = victim.id;
    server.write(move |tx| tx.update("users", id, vec![("phone", NUMBER.into())]));
    victim.post("/api/auth/2fa/setup/", json!({"password": OWN_PASSWORD})).expect(200);
    victim.post("/api/auth/2fa/confirm/", json!({"code": shown(&server, id, 0)})).expect(200);
    confirm(reset("victim@example.org").expect("a link"));
    assert_eq!(login(&server, "eve", OWN_PASSWORD).expect(401)["code"], json!("totp_required"));
    assert_eq!(phone(&server, id).as_deref(), Some(NUMBER));
    // An account of which only the number is proven is not given to whoever has the address.
    let body = json!({"username": "tom", "email": "other@example.org", "phone": "+256700123457", "password": PASSWORD});
    let tom = register(&server, body, "tom").id;
    server.write(move |tx| tx.update("users", tom, vec![("phone_verified_at", tx.now().to_string().into())]));
    assert!(reset("other@example.org").is_none());
}

// ------------------------------------------------------------------------------------------------ proofs

#[test]
fn what_is_sensitive_takes_a_proof_that_is_minutes_old() {
    let server = Server::start();
    let (admin, other) = (server.member("admin", Role::Admin), server.member("other", Role::Admin));
    let agent = server.member("alan", Role::Agent);
    let place = |person: &Client| {
        let sql = "SELECT id FROM memberships WHERE user_id = ?1";
        format!("{MEMBERS}{}/", one::<i64>(&server, sql, person.id).expect("a membership"))
    };
    let integration = admin.create("/api/integrations/", json!({"kind": "smtp", "name": "Mail"}))["id"].clone();
    let secret = format!("/api/integrations/{integration}/secret/");
    server.clock.advance(301);
    let role = |person: &Client, role: &str| admin.patch(&place(person), json!({"role": role}));
    role(&agent, "staff").expect(200);
    stale(&role(&agent, "admin"));
    stale(&role(&other, "staff"));
    for action in ["suspend", "end"] {
        stale(&admin.post(&format!("{}{action}/", place(&other)), json!({})));
    }
    stale(&admin.post(&format!("{MEMBERS}invite/"), json!({"email": "new@example.org", "role": "admin"})));
    invite(&admin, "new@example.org", "manager");
    stale(&admin.put(&secret, json!({"secret": "a secret of the service"})));
    stale(&admin.post("/api/businesses/1/deactivate/", json!({"name": "Main"})));
    stale(&admin.post(&format!("/api/accounts/users-list/{}/reset-2fa/", agent.id), json!({})));
    // Whoever may not do it anyway is told that.
    assert_eq!(agent.put(&secret, json!({"secret": "x"})).json()["code"], json!("permission_denied"));
    assert_eq!(agent.post("/api/businesses/1/deactivate/", json!({"name": "Main"})).json()["code"], json!("permission_denied"));
    admin.post("/api/auth/reauthenticate/", json!({"password": PASSWORD})).expect(200);
    role(&agent, "admin").expect(200);
    role(&agent, "staff").expect(200);
    admin.put(&secret, json!({"secret": "a secret of the service"})).expect(200);
    admin.post(&format!("{}suspend/", place(&other)), json!({})).expect(200);
    admin.post("/api/businesses/1/deactivate/", json!({"name": "Main"})).expect(200);
    // A key of a machine has proven nothing, however new.
    let server = Server::start();
    let (admin, agent) = (server.member("admin", Role::Admin), server.member("alan", Role::Agent));
    let made = admin.post("/api/auth/api-keys/", json!({"name": "machine", "scopes": ["*:read", "*:write"]})).expect(201);
    let machine = server.client().with_token(made["key"].as_str().expect("a key"));
    let place = format!("{MEMBERS}{}/", one::<i64>(&server, "SELECT id FROM memberships WHERE user_id = ?1", agent.id).expect("one"));
    stale(&machine.patch(&place, json!({"role": "admin"})));
    machine.patch(&place, json!({"role": "teacher"})).expect(200);
}

#[test]
fn a_session_by_code_knows_of_itself_alone() {
    let server = Server::start();
    let ann = server.member("ann", Role::Staff);
    let (sessions, id) = (server.app.sessions.clone(), ann.id);
    let pair = server.write(move |tx| sessions.open(tx, id, Opening { rotates: true, citizen: true, ..Opening::default() }));
    let phone = ann.with_token(&pair.access);
    let ids = |client: &Client| -> Vec<String> {
        let page = client.get("/api/auth/sessions/").expect(200);
        page["results"].as_array().expect("a list").iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
    };
    let all = ids(&ann);
    let own = ids(&phone);
    assert_eq!((all.len(), own.len()), (2, 1));
    let other = all.iter().find(|id| !own.contains(id)).expect("the other");
    assert_eq!(phone.delete(&format!("/api/auth/sessions/{other}/")).status, 404);
    assert_eq!(phone.post("/api/auth/sessions/end-others/", json!({})).expect(200), json!({"ended": 0}));
    assert_eq!(phone.post("/api/auth/sessions/end-all/", json!({})).expect(200), json!({"ended": 1}));
    assert_eq!((phone.get("/api/auth/me/").status, ann.get("/api/auth/me/").status), (401, 200));
}

// ------------------------------------------------------------------------------------------------ invitations

#[test]
fn invitations_are_bounded() {
    let server = Server::start_with(|config| {
        config.throttle.invite = studio::config::MaybeRate(Some(studio::config::Rate { count: 7, seconds: 86_400 }));
    });
    let admin = server.member("admin", Role::Admin);
    let made = invite(&admin, "Grace@example.org", "agent");
    let again = format!("{MEMBERS}{}/resend/", made["id"]);
    for _ in 0..4 {
        admin.post(&again, json!({})).expect(200);
    }
    let refused = admin.post(&again, json!({}));
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("86400")), "{}", refused.text);
    // Taking it back and inviting again is no way around.
    admin.post(&format!("{MEMBERS}{}/end/", made["id"]), json!({})).expect(200);
    let body = json!({"email": "grace@example.org", "role": "agent"});
    assert_eq!(admin.post(&format!("{MEMBERS}invite/"), body.clone()).status, 429);
    // Two more for the business; those of another have nothing to do with it.
    invite(&admin, "a@example.org", "agent");
    invite(&admin, "b@example.org", "agent");
    assert_eq!(admin.post(&format!("{MEMBERS}invite/"), json!({"email": "c@example.org", "role": "agent"})).status, 429);
    assert_eq!(one::<i64>(&server, "SELECT count(*) FROM users WHERE email = ?1", "c@example.org"), Some(0));
    let abroad = server.business("Abroad");
    invite(&server.member_with("boss", Role::Admin, abroad, &[]), "c@example.org", "agent");
    server.clock.advance(86_400);
    let admin = signed_in(&server, &login(&server, "admin", PASSWORD).expect(200));
    admin.post(&format!("{MEMBERS}invite/"), body).expect(201);
}

#[test]
fn the_link_of_an_invitation_does_not_depend_on_who_asks() {
    let server = Server::start_with(|config| config.server.base_url = "https://office.example.org".into());
    let admin = server.member("admin", Role::Admin).with("x-forwarded-host", "evil.example").with("host", "evil.example");
    invite(&admin, "grace@example.org", "agent");
    let url = message(&server, "grace@example.org", "invitation").expect("an invitation")["url"].clone();
    let (uid, token) = parts(&url);
    assert_eq!(url, json!(format!("https://office.example.org/api/auth/invitations/accept/?uid={uid}&token={token}")));
    // The page that it leads to, for somebody with a browser and no front end.
    let browser = server.client().with("accept", "text/html");
    let path = format!("/api/auth/invitations/accept/?uid={uid}&token={token}");
    let page = browser.get(&path);
    assert_eq!(page.status, 200);
    assert!(page.text.contains("<h1>Join Main</h1>") && page.text.contains("name=\"password\"") && page.text.contains(&token));
    assert_eq!(browser.get("/api/auth/invitations/accept/?uid=a&token=b").status, 400);
    let send = |password: &str| {
        let body = format!("uid={uid}&token={token}&password={password}").into_bytes();
        browser.send("POST", "/api/auth/invitations/accept/", Some(("application/x-www-form-urlencoded", body)))
    };
    let short = send("short");
    assert!(short.status == 400 && short.text.starts_with("<!doctype html>"), "{}", short.text);
    let joined = send("mountain+rivers+flow");
    assert!(joined.status == 200 && joined.text.contains("You have joined Main."), "{}", joined.text);
    assert_eq!(login(&server, "grace@example.org", OWN_PASSWORD).status, 200);
    // A front end with a page of its own; and an address without a public one is that which is listened on.
    let server = Server::start_with(|config| config.email.invite_link = "https://app.example.org/join/{uid}/{token}".into());
    invite(&server.member("admin", Role::Admin), "grace@example.org", "agent");
    let url = message(&server, "grace@example.org", "invitation").expect("an invitation")["url"].clone();
    assert!(url.as_str().is_some_and(|url| url.starts_with("https://app.example.org/join/") && !url.contains('{')), "{url}");
    let server = Server::start();
    invite(&server.member("admin", Role::Admin), "grace@example.org", "agent");
    let url = message(&server, "grace@example.org", "invitation").expect("an invitation")["url"].clone();
    assert!(url.as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:8000/api/auth/")), "{url}");
}

// ------------------------------------------------------------------------------------------------ history

#[test]
fn the_history_of_an_account_tells_what_concerns_its_safety() {
    let server = Server::start_with(|config| config.throttle.account = vec![studio::config::Step { failures: 3, seconds: 0 }]);
    let (admin, ann) = (server.member("admin", Role::Admin), server.member("ann", Role::Manager));
    let events = || -> Vec<(String, Option<i64>)> {
        let sql = "SELECT action, actor_id FROM audit_log WHERE target_type = 'users' AND target_id = ?1 ORDER BY id";
        server.app.db.read(|reader| reader.rows(sql, &[ann.id.into()], |row| Ok((row.get(0)?, row.get(1)?)))).expect("the history")
    };
    let last = |action: &str, by: Option<i64>| {
        let (known, actor) = events().pop().expect("an event");
        assert_eq!((known.as_str(), actor), (action, by));
    };
    let own = Some(ann.id);
    // Each time another client: one that keeps cookies is a device that is known, which has a budget of its own.
    let sign_in = |password: &str| {
        server.client().with("user-agent", "Firefox").post("/api/auth/login/", json!({"username": "ann", "password": password}))
    };
    sign_in(PASSWORD).expect(200);
    last("users.new_device", own);
    let made = ann.post("/api/auth/api-keys/", json!({"name": "machine", "scopes": ["*:read"]})).expect(201);
    last("users.make_api_key", own);
    assert_eq!(ann.delete(&format!("/api/auth/api-keys/{}/", made["id"])).status, 204);
    last("users.revoke_api_key", own);
    ann.patch("/api/auth/me/", json!({"phone": NUMBER})).expect(200);
    last("users.change_phone", own);
    ann.patch("/api/auth/me/", json!({"bio": "x"})).expect(200);
    last("users.update", own);
    let place = one::<i64>(&server, "SELECT id FROM memberships WHERE user_id = ?1", ann.id).expect("a membership");
    admin.patch(&format!("{MEMBERS}{place}/"), json!({"role": "staff"})).expect(200);
    last("users.change_role", Some(admin.id));
    let sql = "SELECT before || after FROM audit_log WHERE action = 'users.change_role' AND target_id = ?1";
    assert_eq!(one::<String>(&server, sql, ann.id).as_deref(), Some(r#"{"role":"manager"}{"role":"staff"}"#));
    admin.patch(&format!("{MEMBERS}{place}/"), json!({"capabilities": ["hr"]})).expect(200);
    last("users.change_role", Some(admin.id));
    enable(&server, &ann);
    last("users.enable_2fa", own);
    admin.post(&format!("/api/accounts/users-list/{}/reset-2fa/", ann.id), json!({})).expect(200);
    last("users.reset_2fa", Some(admin.id));
    // A wrong password is none of it, unless it locks the account.
    let before = events().len();
    for n in 0..2 {
        assert_eq!(sign_in(&format!("wrong {n}")).status, 401);
    }
    assert_eq!((sign_in(PASSWORD).status, events().len()), (200, before));
    for n in 0..3 {
        assert_eq!(sign_in(&format!("wrong {n}")).status, 401);
    }
    let start = Instant::now();
    while events().len() == before && start.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    last("users.lock", None);
    assert_eq!(sign_in(PASSWORD).status, 429);
    admin.post(&format!("/api/accounts/users-list/{}/unlock/", ann.id), json!({})).expect(200);
    last("users.unlock", Some(admin.id));
    let ann = signed_in(&server, &sign_in(PASSWORD).expect(200));
    ann.post("/api/auth/password-change/", json!({"current_password": PASSWORD, "new_password": OWN_PASSWORD})).expect(200);
    last("users.set_password", own);
    // Nothing of it tells a secret, nor columns that nobody uses.
    let all = "SELECT group_concat(coalesce(before, '') || coalesce(after, '')) FROM audit_log WHERE target_type = ?1";
    let all: String = one(&server, all, "users").expect("the history");
    assert!(!all.contains("argon2") && !all.contains("failed_logins") && !all.contains("locked_until"), "{all}");
    let profile = admin.get(&format!("/api/accounts/users-list/{}/", ann.id)).text;
    assert!(!profile.contains("failed_logins") && !profile.contains("locked_until"), "{profile}");
}
