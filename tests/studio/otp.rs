//! Signing in by a code sent to a telephone, and as staff: what the documents show, who is let in, and how much can be guessed or sent.

use std::thread;

use serde_json::{Value, json};
use studio::{actor::Role, db::Value as Cell};

use crate::support::{Answer, Client, PASSWORD, Server};

const NUMBER: &str = "+998901234567";

fn rows(server: &Server, sql: &str) -> i64 {
    server.app.db.read(|reader| reader.one(sql, &[])).expect("a query").expect("a count")
}

/// The code that was last sent to a number.
fn code(server: &Server, number: &str) -> String {
    let sql = "SELECT payload FROM outbox WHERE channel = 'sms' AND recipient = ?1 ORDER BY id DESC LIMIT 1";
    let payload: Option<String> = server.app.db.read(|reader| reader.one(sql, &[number.into()])).expect("a query");
    let payload: Value = serde_json::from_str(&payload.expect("a message")).expect("JSON");
    payload["code"].as_str().expect("a code").to_owned()
}

/// A code of as many digits that is not this one.
fn other(code: &str) -> String {
    let number: u32 = code.parse().expect("digits");
    format!("{:0width$}", (number + 1) % 10_u32.pow(u32::try_from(code.len()).expect("short")), width = code.len())
}

fn send(client: &Client, number: &str) -> Answer {
    client.post("/api/auth/send-otp/", json!({"phone_number": number}))
}

fn verify(client: &Client, number: &str, code: &str) -> Answer {
    client.post("/api/auth/verify-otp/", json!({"phone_number": number, "code": code}))
}

fn refused() -> Value {
    json!({"code": ["Invalid or expired code."]})
}

#[track_caller]
fn throttled(answer: &Answer, seconds: u64) {
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some(seconds.to_string().as_str())), "{}", answer.text);
    assert_eq!(answer.json()["code"], "throttled");
}

#[test]
fn a_citizen_signs_in_as_the_document_shows() {
    let server = Server::start();
    let client = server.client();
    for prefix in ["/api/auth", "/api/users"] {
        let number = if prefix == "/api/auth" { "+998 (90) 123-45-67" } else { "+998901234568" };
        let stored = number.replace([' ', '(', ')', '-'], "");
        let sent = client.post(&format!("{prefix}/send-otp/"), json!({"phone_number": number}));
        assert_eq!(sent.expect(200), json!({"detail": "The code was sent.", "expires_in": 300}));
        let code = code(&server, &stored);
        assert!(code.len() == 4 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
        let answer = client.post(&format!("{prefix}/verify-otp/"), json!({"phone_number": number, "code": code}));
        let body = answer.expect(200);
        let keys: Vec<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, ["access", "refresh", "is_new_user", "role"]);
        assert_eq!((&body["is_new_user"], &body["role"]), (&json!(true), &json!("citizen")));
        assert!(answer.header("set-cookie").is_some_and(|cookie| cookie.starts_with("refresh_token=")));
        // Good once.
        client.post(&format!("{prefix}/verify-otp/"), json!({"phone_number": number, "code": code})).refuses(refused());

        let citizen = client.with_token(body["access"].as_str().expect("a token"));
        let registration = json!({"full_name": "Aziza Karimova", "neighborhood": "Chilonzor", "location": "Bunyodkor 12"});
        let profile = citizen.patch("/api/users/profile/", registration.clone()).expect(200);
        let me = citizen.get("/api/users/me/").expect(200);
        for shown in [&profile, &me] {
            for (name, value) in registration.as_object().expect("an object") {
                assert_eq!(&shown[name], value);
            }
            assert_eq!((&shown["phone_number"], &shown["role"]), (&json!(stored), &json!("citizen")));
            assert_eq!(
                (&shown["profile_type"], &shown["is_verified"], &shown["is_staff"]),
                (&json!("citizen"), &json!(true), &json!(false))
            );
        }
        // Whoever has a name is not asked for it again.
        server.clock.advance(60);
        send(&client, &stored).expect(200);
        let again = verify(&client, &stored, &self::code(&server, &stored)).expect(200);
        assert_eq!(again["is_new_user"], false);
        let refreshed = client.post("/api/auth/token/refresh/", json!({"refresh": again["refresh"]})).expect(200);
        assert_eq!(client.with_token(refreshed["access"].as_str().expect("a token")).get("/api/auth/me/").expect(200)["role"], "citizen");
    }
    assert_eq!(rows(&server, "SELECT count(*) FROM users"), 2);
    assert_eq!(rows(&server, "SELECT count(*) FROM memberships WHERE role = 'citizen' AND status = 'active'"), 2);
    assert_eq!(rows(&server, "SELECT count(*) FROM users WHERE password_hash IS NOT NULL"), 0);
    client.post("/api/auth/send-otp/", json!({})).refuses(json!({"phone_number": ["This field is required."]}));
    for wrong in ["", "12", "call me", "+1", "+99890123456789012345"] {
        assert!(send(&client, wrong).json()["phone_number"].is_array(), "{wrong}");
    }
    let long = client.post("/api/auth/login/", json!({"phone_number": NUMBER, "password": "anything"}));
    assert_eq!(long.status, 401, "an account without a password has none that fits");
}

#[test]
fn a_code_gives_a_citizens_rights_to_whoever_it_is() {
    let server = Server::start();
    let boss = server.superuser("boss");
    let id = boss.id;
    server.write(move |tx| tx.update("users", id, vec![("phone", NUMBER.into())]));
    let client = server.client();
    let answer = send(&client, NUMBER);
    // The same for a number that nobody has.
    let unknown = send(&client, "+998901234569");
    assert_eq!((answer.status, answer.text), (unknown.status, unknown.text));
    let body = verify(&client, NUMBER, &code(&server, NUMBER)).expect(200);
    assert_eq!(body["role"], "citizen");
    let citizen = client.with_token(body["access"].as_str().expect("a token"));
    let me = citizen.get("/api/auth/me/").expect(200);
    assert_eq!((&me["id"], &me["role"], &me["is_staff"]), (&json!(boss.id), &json!("citizen"), &json!(false)));
    assert_eq!((citizen.get("/api/field/leads/").status, boss.get("/api/field/leads/").status), (403, 200));
    assert_eq!(rows(&server, "SELECT count(*) FROM memberships"), 1, "who belongs somewhere is not made a citizen");
    // Who was shown the door does not come back by telephone, and who may not sign in does not either.
    let membership = "SELECT id FROM memberships WHERE user_id = 1";
    let membership: i64 = server.app.db.read(|reader| reader.one(membership, &[])).expect("a query").expect("a membership");
    server.write(move |tx| tx.update("memberships", membership, vec![("status", "suspended".into())]));
    server.write(move |tx| tx.update("users", id, vec![("is_superuser", false.into())]));
    server.clock.advance(60);
    send(&client, NUMBER).expect(200);
    let body = verify(&client, NUMBER, &code(&server, NUMBER)).expect(200);
    assert_eq!(client.with_token(body["access"].as_str().expect("a token")).get("/api/auth/me/").expect(200)["business"], Value::Null);
    assert_eq!(rows(&server, "SELECT count(*) FROM memberships WHERE status = 'active'"), 0);
    server.write(move |tx| tx.update("users", id, vec![("is_active", false.into())]));
    server.clock.advance(60);
    send(&client, NUMBER).expect(200);
    assert_eq!(verify(&client, NUMBER, &code(&server, NUMBER)).expect(401)["code"], "no_active_account");
}

#[test]
fn of_many_guesses_at_once_five_are_looked_at() {
    let server = Server::start();
    let client = server.client();
    send(&client, NUMBER).expect(200);
    let (code, wrong) = (code(&server, NUMBER), other(&code(&server, NUMBER)));
    thread::scope(|scope| {
        for _ in 0..10 {
            let (client, wrong) = (server.client(), &wrong);
            scope.spawn(move || (0..10).for_each(|_| verify(&client, NUMBER, wrong).refuses(refused())));
        }
    });
    verify(&client, NUMBER, &code).refuses(refused());
    assert_eq!(rows(&server, "SELECT count(*) FROM proof_sends WHERE burned_at IS NOT NULL"), 1);
    // Four wrong guesses leave the fifth.
    server.clock.advance(60);
    send(&client, NUMBER).expect(200);
    let code = self::code(&server, NUMBER);
    (0..4).for_each(|_| verify(&client, NUMBER, &other(&code)).refuses(refused()));
    verify(&client, NUMBER, &code).expect(200);
}

#[test]
fn of_two_right_guesses_one_wins() {
    let server = Server::start();
    let client = server.client();
    for _ in 0..5 {
        send(&client, NUMBER).expect(200);
        let code = code(&server, NUMBER);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let guesses: Vec<_> = (0..2).map(|_| scope.spawn(|| verify(&server.client(), NUMBER, &code).status)).collect();
            guesses.into_iter().map(|guess| guess.join().expect("an answer")).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        server.clock.advance(60);
    }
    assert_eq!(rows(&server, "SELECT count(*) FROM users"), 1);
}

#[test]
fn first_sign_ins_at_once_make_one_account() {
    // Everybody's code, in development: as many right guesses as one likes.
    let server = Server::start_with(|config| config.dev = true);
    let users: Vec<Value> = thread::scope(|scope| {
        let guesses: Vec<_> = (0..8).map(|_| scope.spawn(|| verify(&server.client(), NUMBER, "1111").expect(200))).collect();
        guesses.into_iter().map(|guess| guess.join().expect("an answer")).collect()
    });
    assert!(users.iter().all(|user| user["is_new_user"] == true));
    assert_eq!(rows(&server, "SELECT count(*) FROM users"), 1);
    assert_eq!(rows(&server, "SELECT count(*) FROM memberships"), 1);
    // And nowhere else.
    let server = Server::start();
    let client = server.client();
    verify(&client, NUMBER, "1111").refuses(refused());
    send(&client, NUMBER).expect(200);
    if code(&server, NUMBER) != "1111" {
        verify(&client, NUMBER, "1111").refuses(refused());
    }
}

#[test]
fn codes_end() {
    let server = Server::start_with(|config| {
        config.otp.digits = 8;
        config.otp.resend_seconds = 1;
    });
    let client = server.client();
    let sent = |server: &Server, client: &Client| {
        send(client, NUMBER).expect(200);
        code(server, NUMBER)
    };
    let first = sent(&server, &client);
    assert_eq!(first.len(), 8);
    server.clock.advance(299);
    let second = sent(&server, &client);
    verify(&client, NUMBER, &first).refuses(refused());
    server.clock.advance(300);
    verify(&client, NUMBER, &second).refuses(refused());
    let third = sent(&server, &client);
    verify(&client, "+998901234568", &third).refuses(refused());
    // A code is not kept on the disk: after a restart it is asked for again.
    let server = server.restart();
    verify(&client.at(&server), NUMBER, &third).refuses(refused());
}

#[test]
fn what_is_sent_is_limited_and_a_restart_forgets_nothing() {
    let server = Server::start_with(|config| {
        config.otp.per_day = 16;
        config.server.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
    });
    let client = server.client();
    send(&client, NUMBER).expect(200);
    throttled(&send(&client, NUMBER), 60);
    server.clock.advance(59);
    throttled(&send(&client, NUMBER), 1);
    server.clock.advance(1);
    for _ in 0..4 {
        send(&client, NUMBER).expect(200);
        server.clock.advance(60);
    }
    // Five in 24 hours, of which five minutes are over; the same as nobody and by another spelling.
    let server = server.restart();
    let client = client.at(&server);
    throttled(&send(&client, NUMBER), 24 * 3600 - 300);
    throttled(&send(&client, "+998 90 123 45 67"), 24 * 3600 - 300);
    assert_eq!(rows(&server, "SELECT count(*) FROM outbox"), 5, "nothing is sent that is refused");
    // Ten numbers an hour for one address: nine more.
    for n in 0..9 {
        send(&client, &format!("+9989012345{n:02}")).expect(200);
    }
    throttled(&send(&client, "+998901234599"), 3600 - 60);
    // Another address has its own.
    let behind = |ip: &str| client.with("x-forwarded-for", ip);
    send(&behind("192.0.2.1"), "+998901234599").expect(200);
    server.clock.advance(3600);
    send(&client, "+998901234598").expect(200);
    // Sixteen a day altogether.
    let all = send(&behind("192.0.2.1"), "+998901234597");
    throttled(&all, 24 * 3600 - 300 - 3600);
    server.clock.advance(24 * 3600);
    send(&client, NUMBER).expect(200);
}

#[test]
fn a_number_whose_codes_are_guessed_at_is_locked_for_a_day() {
    let server = Server::start();
    let client = server.client();
    for _ in 0..3 {
        send(&client, NUMBER).expect(200);
        let wrong = other(&code(&server, NUMBER));
        (0..5).for_each(|_| verify(&client, NUMBER, &wrong).refuses(refused()));
        server.clock.advance(60);
    }
    throttled(&send(&client, NUMBER), 24 * 3600 - 60);
    send(&client, "+998901234568").expect(200);
    let server = server.restart();
    let client = client.at(&server);
    server.clock.advance(24 * 3600 - 61);
    throttled(&send(&client, NUMBER), 1);
    server.clock.advance(1);
    send(&client, NUMBER).expect(200);
}

#[test]
fn codes_go_to_the_countries_that_are_served() {
    let server = Server::start_with(|config| config.otp.countries = vec!["UG".into(), "IN".into()]);
    server.write(|tx| tx.update("businesses", 1, vec![("country", "UG".into())]));
    let client = server.client();
    send(&client, "0700 123456").expect(200);
    send(&client, "+91 98765 43210").expect(200);
    send(&client, NUMBER).refuses(json!({"phone_number": ["Codes are not sent to numbers of this country."]}));
    verify(&client, "+256700123456", &code(&server, "+256700123456")).expect(200);
}

// ------------------------------------------------------------------------------------------------ staff

fn staff_login(client: &Client, number: &str, password: &str) -> Answer {
    client.post("/api/auth/staff-login/", json!({"phone_number": number, "password": password}))
}

#[test]
fn staff_sign_in_as_the_document_shows() {
    let server = Server::start();
    let boss = server.member("boss", Role::Admin);
    let department = boss.create("/api/accounts/departments/", json!({"name": "Sales"}));
    let worker = server.member("worker", Role::Agent);
    let id = worker.id;
    server.write(move |tx| tx.update("users", id, vec![("phone", NUMBER.into())]));
    let client = server.client();
    let sessions = rows(&server, "SELECT count(*) FROM refresh_tokens");
    // Without a profile: refused, but only whoever has the password learns of it.
    let refusal = staff_login(&client, NUMBER, PASSWORD).expect(403);
    assert_eq!(refusal, json!({"detail": "This account has no staff profile.", "code": "no_staff_profile"}));
    let wrong = staff_login(&client, NUMBER, "not the password");
    let unknown = staff_login(&client, "+998901234560", PASSWORD);
    let login = client.post("/api/auth/login/", json!({"phone_number": NUMBER, "password": "not the password"}));
    assert_eq!((wrong.status, &wrong.text), (401, &login.text));
    assert_eq!((unknown.status, &unknown.text), (401, &login.text));

    let profile = boss.create("/api/accounts/staff-profiles/", json!({"user": id, "employee_no": "E1"}));
    for path in ["/api/auth/staff-login/", "/api/users/staff-login/"] {
        let answer = client.post(path, json!({"phone_number": "+998 90 123 45 67", "password": PASSWORD}));
        let body = answer.expect(200);
        let keys: Vec<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, ["access", "role", "department_id", "membership_role"]);
        assert_eq!((&body["role"], &body["department_id"], &body["membership_role"]), (&json!("staff"), &Value::Null, &json!("agent")));
        let cookie = answer.header("set-cookie").expect("a cookie").split(';').next().expect("a pair").to_owned();
        client.with("cookie", &cookie).post("/api/auth/token/refresh/", json!({})).expect(200);
        let staff = client.with_token(body["access"].as_str().expect("a token"));
        assert_eq!(staff.get("/api/users/me/").expect(200)["role"], "agent");
    }
    assert_eq!(rows(&server, "SELECT count(*) FROM refresh_tokens") - sessions, 4, "no session for whoever was refused");
    let path = format!("/api/accounts/staff-profiles/{}/", profile["id"]);
    boss.patch(&path, json!({"department": department["id"]})).expect(200);
    let body = staff_login(&client, NUMBER, PASSWORD).expect(200);
    assert_eq!(body["department_id"], department["uuid"]);
    client.post("/api/auth/staff-login/", json!({})).refuses(json!({
        "phone_number": ["This field is required."],
        "password": ["This field is required."],
    }));
    // One who left is no staff any more.
    let profile: i64 = profile["id"].as_i64().expect("an id");
    server.write(move |tx| tx.update("staff_profiles", profile, vec![("status", "left".into())]));
    staff_login(&client, NUMBER, PASSWORD).expect(403);
}

#[test]
fn staff_sign_in_where_they_are_staff() {
    let server = Server::start();
    let customer = server.member("worker", Role::Customer);
    let (id, abroad) = (customer.id, server.business("Abroad"));
    server.write(move |tx| {
        tx.update("users", id, vec![("phone", NUMBER.into())])?;
        let values: Vec<(&str, Cell)> = vec![("business_id", abroad.into()), ("user_id", id.into()), ("role", "staff".into())];
        tx.insert("memberships", values)?;
        tx.insert("staff_profiles", vec![("business_id", abroad.into()), ("user_id", id.into())])
    });
    let body = staff_login(&server.client(), NUMBER, PASSWORD).expect(200);
    assert_eq!(body["membership_role"], "staff");
    let me = server.client().with_token(body["access"].as_str().expect("a token")).get("/api/users/me/").expect(200);
    assert_eq!((&me["business"]["id"], &me["role"]), (&json!(abroad), &json!("staff")));
}
