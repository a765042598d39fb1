//! Second factors: setting one up, signing in with it on every path, what a code and a challenge are good for and for how long, who must
//! have one, who may take it from somebody, proving oneself again, and the vault that keeps the seeds.

use std::{fs, thread};

use serde_json::{Value, json};
use studio::{
    actor::Role,
    auth::{
        account,
        factor::{self, Proof, Verdict},
        totp::code,
    },
    secrets::vault,
};

use crate::support::{Answer, Client, PASSWORD, Server};

const STEP: i64 = 30;

fn now(server: &Server) -> i64 {
    server.clock.now().as_second()
}

fn sealed(server: &Server, user: i64) -> String {
    let sql = "SELECT secret_enc FROM second_factors WHERE id = ?1";
    server.app.db.read(|reader| reader.one(sql, &[user.into()])).unwrap().expect("a second factor")
}

fn seed(server: &Server, user: i64) -> Vec<u8> {
    server.app.vault.open(&vault::context("second_factors", user, "secret_enc"), &sealed(server, user)).unwrap()
}

/// What the app of the person shows so many steps from now.
pub fn shown(server: &Server, user: i64, steps: i64) -> String {
    code::code(&seed(server, user), now(server) / STEP + steps).unwrap()
}

/// Another code than the right one.
fn wrong(server: &Server, user: i64) -> String {
    let right: Vec<String> = (-1..=1).map(|steps| shown(server, user, steps)).collect();
    (0..).map(|number| format!("{number:06}")).find(|code| !right.contains(code)).unwrap()
}

/// Switches the second factor on, and goes on to a step whose code was not used. Answers the recovery codes.
pub fn enable(server: &Server, client: &Client) -> Vec<String> {
    client.post("/api/auth/2fa/setup/", json!({"password": PASSWORD})).expect(200);
    let answer = client.post("/api/auth/2fa/confirm/", json!({"code": shown(server, client.id, 0)})).expect(200);
    server.clock.advance(2 * STEP);
    serde_json::from_value(answer["recovery_codes"].clone()).unwrap()
}

fn login(server: &Server, path: &str, name: &str) -> Answer {
    server.client().post(path, json!({"username": name, "password": PASSWORD}))
}

/// Signs in as far as the challenge.
fn challenge(server: &Server, name: &str) -> String {
    let answer = login(server, "/api/auth/login/", name);
    let body = answer.expect(401);
    assert_eq!((&body["code"], &body["expires_in"]), (&json!("totp_required"), &json!(300)));
    assert_eq!(answer.header("set-cookie"), None);
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["detail", "code", "challenge", "expires_in", "methods"]);
    body["challenge"].as_str().unwrap().to_owned()
}

fn verify(server: &Server, challenge: &str, code: &str) -> Answer {
    server.client().post("/api/auth/2fa/verify/", json!({"challenge": challenge, "code": code}))
}

fn refused(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some(code)), "{} {}", answer.call, answer.text);
}

fn forbidden(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some(code)), "{} {}", answer.call, answer.text);
}

#[test]
fn it_is_set_up_with_an_app_and_confirmed_with_its_code() {
    let server = Server::start();
    let rana = server.member("rana", Role::Staff);
    refused(&server.client().post("/api/auth/2fa/setup/", json!({})), "not_authenticated");
    // A sign-in of this minute will do; later, the password is asked for.
    let first = rana.post("/api/auth/2fa/setup/", json!({})).expect(200);
    server.clock.advance(301);
    forbidden(&rana.post("/api/auth/2fa/setup/", json!({})), "reauthentication_required");
    rana.post("/api/auth/2fa/setup/", json!({"password": "another"})).refuses(json!({"password": ["The password is wrong."]}));
    let answer = rana.post("/api/auth/2fa/setup/", json!({"password": PASSWORD})).expect(200);
    let secret = answer["secret"].as_str().unwrap();
    assert_ne!(first["secret"], secret, "a seed is shown once");
    assert_eq!((secret.len(), code::base32(&seed(&server, rana.id))), (32, secret.to_owned()));
    let uri = format!("otpauth://totp/studio:rana?secret={secret}&issuer=studio&algorithm=SHA1&digits=6&period=30");
    assert_eq!(answer["uri"], uri);
    assert!(answer["qr_code"].as_str().unwrap().starts_with("<svg "));
    assert!(!sealed(&server, rana.id).contains(secret));

    // It asks for nothing before it is confirmed.
    login(&server, "/api/auth/login/", "rana").expect(200);
    let status = json!({"enabled": false, "confirmed_at": null, "setup_required": false, "recovery_codes_left": 0, "passkeys": 0});
    assert_eq!(rana.get("/api/users/2fa/").expect(200), status);
    rana.post("/api/auth/2fa/confirm/", json!({})).refuses(json!({"code": ["This field is required."]}));
    rana.post("/api/auth/2fa/confirm/", json!({"code": wrong(&server, rana.id)}))
        .refuses(json!({"code": ["This code is wrong, or was used before."]}));
    let right = shown(&server, rana.id, 0);
    let codes = rana.post("/api/users/2fa/confirm/", json!({"code": format!("{} {}", &right[..3], &right[3..])})).expect(200);
    let codes: Vec<String> = serde_json::from_value(codes["recovery_codes"].clone()).unwrap();
    assert_eq!(codes.iter().collect::<std::collections::HashSet<_>>().len(), 10);
    assert!(codes.iter().all(|code| code.len() == 19 && code.split('-').count() == 4), "{codes:?}");
    let status = rana.get("/api/auth/2fa/").expect(200);
    assert_eq!((&status["enabled"], &status["recovery_codes_left"]), (&json!(true), &json!(10)));
    // The code that confirmed it signs nobody in.
    refused(&verify(&server, &challenge(&server, "rana"), &right), "totp_invalid");
    assert_eq!(rana.post("/api/auth/2fa/setup/", json!({"password": PASSWORD})).expect(409)["code"], "2fa_enabled");
    // What was shown is in no table that people read, and in no answer that is kept.
    let log: String = server
        .app
        .db
        .read(|reader| {
            reader.rows("SELECT coalesce(before, '') || coalesce(after, '') || action FROM audit_log", &[], |row| row.get::<String>(0))
        })
        .unwrap()
        .concat();
    assert!(!log.contains(secret) && log.contains("users.enable_2fa"), "{log}");
}

#[test]
fn a_code_is_good_one_step_early_or_late_and_once() {
    let server = Server::start();
    let rana = server.member("rana", Role::Staff);
    enable(&server, &rana);
    for (steps, fits) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
        server.clock.advance(10 * STEP);
        let begun = challenge(&server, "rana");
        let answer = verify(&server, &begun, &shown(&server, rana.id, steps));
        if fits {
            answer.expect(200);
            // Neither it, nor one before it, is taken again, by whatever sign-in.
            refused(&verify(&server, &challenge(&server, "rana"), &shown(&server, rana.id, steps)), "totp_invalid");
            refused(&verify(&server, &challenge(&server, "rana"), &shown(&server, rana.id, steps - 1)), "totp_invalid");
        } else {
            refused(&answer, "totp_invalid");
        }
    }
}

#[test]
fn of_a_hundred_at_once_one_gets_in() {
    let server = Server::start();
    let rana = server.member("rana", Role::Staff);
    enable(&server, &rana);
    let challenges: Vec<String> = (0..10).map(|_| challenge(&server, "rana")).collect();
    let right = shown(&server, rana.id, 0);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let tries = (0..100).map(|number| {
            let (server, right, challenge) = (&server, &right, &challenges[number % 10]);
            scope.spawn(move || verify(server, challenge, right).status)
        });
        let tries: Vec<_> = tries.collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 401, 429].contains(status)), "{statuses:?}");
}

#[test]
fn guessing_is_slow() {
    let server = Server::start();
    let rana = server.member("rana", Role::Staff);
    let codes = enable(&server, &rana);
    let begun = challenge(&server, "rana");
    for _ in 0..3 {
        refused(&verify(&server, &begun, &wrong(&server, rana.id)), "totp_invalid");
    }
    let answer = verify(&server, &begun, &shown(&server, rana.id, 0));
    assert_eq!((answer.status, answer.json()["code"].as_str()), (429, Some("throttled")));
    let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=STEP).contains(&wait), "{wait}");
    server.clock.advance(wait);
    verify(&server, &begun, &shown(&server, rana.id, 0)).expect(200);

    // A hundred on a day, and none of that day's codes is looked at any more; a recovery code is.
    let id = rana.id;
    let try_code = |given: String| {
        let (vault, proof) = (server.app.vault.clone(), Proof::Code(given));
        server.write(move |tx| factor::check(tx, &vault, id, &proof))
    };
    for number in 0..97 {
        assert_eq!(try_code(wrong(&server, id)), Verdict::Wrong, "{number}");
        server.clock.advance(15);
    }
    server.clock.advance(STEP);
    let Verdict::Wait(seconds) = try_code(shown(&server, id, 0)) else { panic!("the hundred and first was looked at") };
    let begun = challenge(&server, "rana");
    server.client().post("/api/auth/2fa/verify/", json!({"challenge": begun, "recovery_code": codes[0]})).expect(200);
    server.clock.advance(i64::try_from(seconds).unwrap());
    assert_eq!(try_code(shown(&server, id, 0)), Verdict::Right);
}

#[test]
fn a_recovery_code_is_good_once_and_until_there_are_others() {
    let server = Server::start();
    let rana = server.member("rana", Role::Staff);
    let codes = enable(&server, &rana);
    let with = |code: &str| {
        let body = json!({"challenge": challenge(&server, "rana"), "recovery_code": code});
        server.client().post("/api/users/2fa/verify/", body)
    };
    let answer = with(&codes[0]).expect(200);
    refused(&with(&codes[0]), "totp_invalid");
    with(&codes[1].replace('-', " ").to_uppercase()).expect(200);
    refused(&with(&codes[2][1..]), "totp_invalid");
    assert_eq!(rana.get("/api/auth/2fa/").expect(200)["recovery_codes_left"], 8);
    let subjects = "SELECT json_extract(payload, '$.subject') FROM outbox WHERE template = 'message' ORDER BY id";
    let told: Vec<String> = server.app.db.read(|reader| reader.rows(subjects, &[], |row| row.get(0))).unwrap();
    assert_eq!(told, ["Two-factor authentication is on", "A recovery code was used", "A recovery code was used"]);

    // New ones take a proof that is minutes old: this session has one, by code.
    server.clock.advance(300);
    let rana = rana.with_token(answer["access"].as_str().unwrap());
    let fresh: Vec<String> =
        serde_json::from_value(rana.post("/api/auth/2fa/recovery-codes/", json!({})).expect(200)["recovery_codes"].clone()).unwrap();
    refused(&with(&codes[3]), "totp_invalid");
    with(&fresh[3]).expect(200);
    server.clock.advance(1);
    forbidden(&rana.post("/api/auth/2fa/recovery-codes/", json!({})), "reauthentication_required");
}

#[test]
fn a_challenge_is_good_for_its_sign_in_and_nothing_else() {
    let server = Server::start();
    let rana = server.member("rana", Role::Staff);
    let omar = server.member("omar", Role::Staff);
    enable(&server, &rana);
    enable(&server, &omar);
    let begun = challenge(&server, "rana");
    // It is no token of any kind.
    refused(&rana.with_token(&begun).get("/api/auth/me/"), "token_not_valid");
    refused(&server.client().post("/api/auth/token/refresh/", json!({"refresh": begun})), "token_not_valid");
    refused(&verify(&server, rana.token.as_deref().unwrap(), &shown(&server, rana.id, 0)), "challenge_not_valid");
    // Somebody else's code does not fit, and neither does nothing.
    refused(&verify(&server, &begun, &shown(&server, omar.id, 0)), "totp_invalid");
    server.client().post("/api/auth/2fa/verify/", json!({"challenge": begun})).refuses(json!({"code": ["This field is required."]}));
    server.client().post("/api/auth/2fa/verify/", json!({})).refuses(json!({"challenge": ["This field is required."]}));
    verify(&server, &begun, &shown(&server, rana.id, 0)).expect(200);
    server.clock.advance(STEP);
    refused(&verify(&server, &begun, &shown(&server, rana.id, 0)), "challenge_not_valid");
    // Five tries.
    let begun = challenge(&server, "rana");
    for _ in 0..5 {
        server.clock.advance(STEP);
        refused(&verify(&server, &begun, &wrong(&server, rana.id)), "totp_invalid");
    }
    refused(&verify(&server, &begun, &shown(&server, rana.id, 0)), "challenge_not_valid");
    // Five minutes.
    let (kept, late) = (challenge(&server, "rana"), challenge(&server, "omar"));
    server.clock.advance(299);
    verify(&server, &kept, &shown(&server, rana.id, 0)).expect(200);
    server.clock.advance(1);
    refused(&verify(&server, &late, &shown(&server, omar.id, 0)), "challenge_not_valid");
    // Another password ends what the old one began.
    let begun = challenge(&server, "rana");
    let id = rana.id;
    server.write(move |tx| account::set_password(tx, id, "another"));
    server.clock.advance(STEP);
    refused(&verify(&server, &begun, &shown(&server, rana.id, 0)), "no_active_account");
}

#[test]
fn every_path_answers_as_its_sign_in_would_have() {
    let server = Server::start();
    server.member("plain", Role::Staff);
    let rana = server.member("rana", Role::Staff);
    enable(&server, &rana);
    let shape = |answer: &Answer| {
        let keys: Vec<String> = answer.expect(200).as_object().unwrap().keys().cloned().collect();
        let cookie = answer.header("set-cookie").map(|line| line.split_once(';').expect("attributes").1.to_owned());
        (keys, cookie)
    };
    for form in ["auth", "users", "v1/accounts"] {
        for operation in ["login", "token"] {
            for remember in [false, true] {
                let path = format!("/api/{form}/{operation}/");
                let body = |name: &str| json!({"username": name, "password": PASSWORD, "remember_me": remember});
                let expected = shape(&server.client().post(&path, body("plain")));
                // A wrong password is told as ever.
                let wrong = json!({"username": "rana", "password": "wrong"});
                refused(&server.client().post(&path, wrong), "no_active_account");
                for second in ["auth", "users", "v1/accounts"] {
                    let begun = server.client().post(&path, body("rana")).expect(401);
                    assert_eq!(begun["code"], "totp_required");
                    server.clock.advance(STEP);
                    let body = json!({"challenge": begun["challenge"], "code": shown(&server, rana.id, 0)});
                    let answer = server.client().post(&format!("/api/{second}/2fa/verify/"), body);
                    assert_eq!(shape(&answer), expected, "{path} answered by {second}");
                    let access = answer.json()["access"].as_str().unwrap().to_owned();
                    assert_eq!(rana.with_token(&access).get("/api/auth/me/").expect(200)["id"], rana.id);
                    if let Some(refresh) = answer.json()["refresh"].as_str() {
                        let next = server.client().post("/api/v1/accounts/token/refresh/", json!({"refresh": refresh})).expect(200);
                        assert_eq!(next.get("refresh").is_some(), form != "v1/accounts", "{path}");
                    }
                }
            }
        }
    }
    let amr = server.app.db.read(|reader| reader.rows("SELECT DISTINCT amr FROM session_proofs", &[], |row| row.get::<String>(0)));
    assert_eq!(amr.unwrap(), ["pwd otp mfa"]);
}

#[test]
fn staff_are_asked_for_it_as_well() {
    let server = Server::start();
    let boss = server.member("boss", Role::Admin);
    let people = ["plain", "rana"].map(|name| server.member(name, Role::Agent));
    let numbers = ["+256700123450", "+256700123451"];
    for (person, number) in people.iter().zip(numbers) {
        let id = person.id;
        server.write(move |tx| tx.update("users", id, vec![("phone", number.into())]));
    }
    let rana = &people[1];
    enable(&server, rana);
    let sign_in = |form: &str, number: &str, password: &str| {
        server.client().post(&format!("/api/{form}/staff-login/"), json!({"phone_number": number, "password": password}))
    };
    for form in ["auth", "users", "v1/accounts"] {
        refused(&sign_in(form, numbers[1], "wrong"), "no_active_account");
        let answer = sign_in(form, numbers[1], PASSWORD);
        forbidden(&answer, "no_staff_profile");
        assert!(answer.json().get("challenge").is_none(), "{}", answer.text);
    }
    for person in &people {
        boss.create("/api/accounts/staff-profiles/", json!({"user": person.id}));
    }
    let shape = |answer: &Answer| {
        let keys: Vec<String> = answer.expect(200).as_object().unwrap().keys().cloned().collect();
        (keys, answer.header("set-cookie").map(|line| line.split_once(';').expect("attributes").1.to_owned()))
    };
    for form in ["auth", "users", "v1/accounts"] {
        let expected = shape(&sign_in(form, numbers[0], PASSWORD));
        assert_eq!(expected.0, ["access", "role", "department_id", "membership_role"]);
        assert!(expected.1.is_some());
        refused(&sign_in(form, numbers[1], "wrong"), "no_active_account");
        for second in ["auth", "users", "v1/accounts"] {
            let begun = sign_in(form, numbers[1], PASSWORD);
            assert_eq!(begun.header("set-cookie"), None);
            let begun = begun.expect(401);
            assert_eq!(begun["code"], "totp_required");
            server.clock.advance(STEP);
            let body = json!({"challenge": begun["challenge"], "code": shown(&server, rana.id, 0)});
            let answer = server.client().post(&format!("/api/{second}/2fa/verify/"), body);
            assert_eq!(shape(&answer), expected, "{form} answered by {second}");
            let me = rana.with_token(answer.json()["access"].as_str().unwrap()).get("/api/auth/me/").expect(200);
            assert_eq!((&me["id"], &me["role"]), (&json!(rana.id), &json!("agent")));
        }
    }
}

/// Whoever must have a second factor can do nothing but set it up.
fn held_until_set_up(server: &Server, held: &Client, free: &Client) {
    free.get("/api/field/leads/").expect(200);
    for answer in [
        held.get("/api/field/leads/"),
        held.post("/api/field/leads/", json!({})),
        held.get("/api/events/"),
        held.get("/api/search/?q=a"),
        held.patch("/api/auth/me/", json!({"bio": "x"})),
        held.import("/api/field/leads/import/", "text/csv", "business_name\nx\n"),
    ] {
        forbidden(&answer, "2fa_setup_required");
    }
    forbidden(&held.get("/api/auth/api-keys/"), "permission_denied");
    held.get("/api/auth/me/").expect(200);
    assert_eq!(held.get("/api/auth/2fa/").expect(200)["setup_required"], true);
    enable(server, held);
    assert_eq!(held.get("/api/auth/2fa/").expect(200)["setup_required"], false);
    held.get("/api/field/leads/").expect(200);
    held.post("/api/auth/logout/", json!({})).expect(200);
}

#[test]
fn roles_that_must_have_one_set_it_up_first() {
    let server = Server::start_with(|config| config.factors.require_2fa = vec![Role::Admin]);
    held_until_set_up(&server, &server.member("rana", Role::Admin), &server.member("omar", Role::Manager));
    forbidden(&server.superuser("root").get("/api/field/leads/"), "2fa_setup_required");

    // A business asks for itself, of those who are signed in already too.
    let server = Server::start();
    let (rana, omar) = (server.member("rana", Role::Manager), server.member("omar", Role::Admin));
    rana.get("/api/field/leads/").expect(200);
    server.write(|tx| tx.update("businesses", 1, vec![("settings", r#"{"require_2fa":["manager","staff"]}"#.into())]));
    held_until_set_up(&server, &rana, &omar);
    // What says nothing of roles asks for nothing.
    for settings in [r#"{"require_2fa":true}"#, r#"{"require_2fa":[1,null,"nobody"]}"#, r#"{"require_2fa":"admin"}"#] {
        server.write(move |tx| tx.update("businesses", 1, vec![("settings", settings.into())]));
        omar.get("/api/field/leads/").expect(200);
    }
}

#[test]
fn an_administrator_takes_a_lost_one() {
    let server = Server::start();
    let (admin, rana) = (server.member("admin", Role::Admin), server.member("rana", Role::Staff));
    let (manager, root) = (server.member("manager", Role::Manager), server.superuser("root"));
    let abroad = server.business("Abroad");
    let stranger = server.member_with("stranger", Role::Admin, abroad, &[]);
    let reset = |by: &Client, id: i64| by.post(&format!("/api/accounts/users-list/{id}/reset-2fa/"), json!({}));
    enable(&server, &rana);
    forbidden(&reset(&manager, rana.id), "permission_denied");
    forbidden(&reset(&rana, rana.id), "permission_denied");
    forbidden(&reset(&admin, root.id), "permission_denied");
    forbidden(&reset(&admin, admin.id), "permission_denied");
    assert_eq!(reset(&stranger, rana.id).expect(404), reset(&stranger, 987_654).expect(404));
    // Whoever runs another business is not for the administrator of this one alone.
    let id = rana.id;
    server.write(move |tx| account::join(tx, id, abroad, Role::Manager));
    forbidden(&reset(&admin, rana.id), "permission_denied");
    server.write(move |tx| {
        let membership: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1 AND business_id <> 1", &[id.into()])?.unwrap();
        tx.update("memberships", membership, vec![("role", "staff".into())])
    });
    server.clock.advance(241);
    forbidden(&reset(&admin, rana.id), "reauthentication_required");
    admin.post("/api/auth/reauthenticate/", json!({"password": PASSWORD})).expect(200);
    let other = login_with_code(&server, &rana);
    reset(&admin, rana.id).expect(200);
    for session in [&rana, &other] {
        assert_eq!(session.get("/api/auth/me/").status, 401);
    }
    login(&server, "/api/auth/login/", "rana").expect(200);
    let told = "SELECT recipient FROM outbox WHERE json_extract(payload, '$.subject') = 'Two-factor authentication was reset'";
    assert_eq!(server.app.db.read(|reader| reader.one::<String>(told, &[])).unwrap().as_deref(), Some("rana@example.com"));
    let audited = "SELECT actor_id FROM audit_log WHERE action = 'users.reset_2fa' AND target_id = ?1";
    assert_eq!(server.app.db.read(|reader| reader.one::<i64>(audited, &[id.into()])).unwrap(), Some(admin.id));
    let left = "SELECT count(*) FROM recovery_codes WHERE user_id = ?1";
    assert_eq!(server.app.db.read(|reader| reader.one::<i64>(left, &[id.into()])).unwrap(), Some(0));
}

/// Signs somebody in who has a second factor.
fn login_with_code(server: &Server, person: &Client) -> Client {
    let name = server.app.db.read(|reader| reader.one::<String>("SELECT username FROM users WHERE id = ?1", &[person.id.into()]));
    let begun = challenge(server, &name.unwrap().unwrap());
    server.clock.advance(STEP);
    let answer = verify(server, &begun, &shown(server, person.id, 0)).expect(200);
    person.with_token(answer["access"].as_str().unwrap())
}

#[test]
fn proving_oneself_again_counts_for_one_session_and_some_minutes() {
    let server = Server::start();
    let rana = server.member("rana", Role::Admin);
    enable(&server, &rana);
    let (one, other) = (login_with_code(&server, &rana), login_with_code(&server, &rana));
    server.clock.advance(301);
    let is_fresh = |client: &Client| client.post("/api/auth/2fa/recovery-codes/", json!({})).status == 200;
    assert!(!is_fresh(&one) && !is_fresh(&other));
    let prove = |body: Value| one.post("/api/users/reauthenticate/", body);
    prove(json!({"password": PASSWORD})).refuses(json!({"code": ["This field is required."]}));
    prove(json!({"code": "123456"})).refuses(json!({"password": ["This field is required."]}));
    prove(json!({"password": "wrong", "code": shown(&server, rana.id, 0)})).refuses(json!({"password": ["The password is wrong."]}));
    prove(json!({"password": PASSWORD, "code": wrong(&server, rana.id)}))
        .refuses(json!({"code": ["This code is wrong, or was used before."]}));
    assert!(!is_fresh(&one));
    // A wrong password has used no code up.
    prove(json!({"password": PASSWORD, "code": shown(&server, rana.id, 0)})).expect(200);
    assert!(is_fresh(&one) && !is_fresh(&other));
    server.clock.advance(300);
    assert!(is_fresh(&one));
    server.clock.advance(1);
    assert!(!is_fresh(&one));
}

#[test]
fn switching_it_off_takes_password_and_code() {
    let server = Server::start();
    let rana = server.member("rana", Role::Staff);
    let off = |body: Value| rana.post("/api/auth/2fa/disable/", body);
    assert_eq!(off(json!({"password": PASSWORD, "code": "123456"})).expect(409)["code"], "2fa_not_set_up");
    assert_eq!(rana.post("/api/auth/2fa/confirm/", json!({"code": "123456"})).expect(409)["code"], "2fa_not_set_up");
    let codes = enable(&server, &rana);
    off(json!({"code": shown(&server, rana.id, 0)})).refuses(json!({"password": ["This field is required."]}));
    off(json!({"password": PASSWORD})).refuses(json!({"code": ["This field is required."]}));
    off(json!({"password": "wrong", "code": shown(&server, rana.id, 0)})).refuses(json!({"password": ["The password is wrong."]}));
    off(json!({"password": PASSWORD, "code": wrong(&server, rana.id)}))
        .refuses(json!({"code": ["This code is wrong, or was used before."]}));
    refused(&login(&server, "/api/auth/login/", "rana"), "totp_required");
    off(json!({"password": PASSWORD, "code": shown(&server, rana.id, 0)})).expect(200);
    login(&server, "/api/auth/login/", "rana").expect(200);
    let again = enable(&server, &rana);
    assert!(codes.iter().all(|code| !again.contains(code)));
    let begun = challenge(&server, "rana");
    let old = json!({"challenge": begun, "recovery_code": codes[0]});
    refused(&server.client().post("/api/auth/2fa/verify/", old), "totp_invalid");
    off(json!({"password": PASSWORD, "recovery_code": again[0]})).expect(200);
}

#[test]
fn a_phone_alone_does_not_touch_it() {
    let server = Server::start();
    let rana = server.member("rana", Role::Admin);
    let (sessions, id) = (server.app.sessions.clone(), rana.id);
    let pair = server
        .write(move |tx| sessions.open(tx, id, studio::auth::session::Opening { rotates: true, citizen: true, ..Default::default() }));
    let phone = rana.with_token(&pair.access);
    for (path, body) in [
        ("setup", json!({"password": PASSWORD})),
        ("confirm", json!({"code": "123456"})),
        ("disable", json!({"password": PASSWORD, "code": "123456"})),
        ("recovery-codes", json!({})),
    ] {
        forbidden(&phone.post(&format!("/api/auth/2fa/{path}/"), body), "permission_denied");
    }
    forbidden(&phone.post("/api/auth/reauthenticate/", json!({"password": PASSWORD})), "permission_denied");
    forbidden(&phone.get("/api/auth/api-keys/"), "permission_denied");
}

#[test]
fn the_vault_changes_its_key_and_nothing_is_lost() {
    let server = Server::start();
    let people: Vec<Client> = (0..3).map(|number| server.member(&format!("person{number}"), Role::Staff)).collect();
    let codes: Vec<Vec<String>> = people.iter().map(|person| enable(&server, person)).collect();
    let file = server.app.config.data.folder.join("keys/vault.key");
    let (key, text) = (fs::read_to_string(&file).unwrap(), sealed(&server, people[0].id));
    let system = studio::actor::Actor::clone(&server.app.system());
    // The seed of each, and what the recovery codes are hashed under.
    assert_eq!(server.app.vault.rotate(&server.app.db, system).unwrap(), 6);
    let rotated = fs::read_to_string(&file).unwrap();
    assert!(rotated.lines().count() == 1 && rotated != key);
    assert_ne!(sealed(&server, people[0].id), text);
    let place = vault::context("second_factors", people[0].id, "secret_enc");
    assert!(server.app.vault.open(&place, &text).unwrap_err().to_string().contains("not in vault.key"));
    // One person's seed does not open in another's place.
    assert!(server.app.vault.open(&place, &sealed(&server, people[1].id)).is_err());
    let server = server.restart();
    login_with_code(&server, &people[0].at(&server));
    let body = json!({"challenge": challenge(&server, "person1"), "recovery_code": codes[1][0]});
    server.client().post("/api/auth/2fa/verify/", body).expect(200);

    // Interrupted between new key and new seals: the old one is still in the file, and opens.
    fs::write(&file, format!("{}{rotated}", "ab".repeat(32) + "\n")).unwrap();
    let server = server.restart();
    login_with_code(&server, &people[2].at(&server));
    let system = studio::actor::Actor::clone(&server.app.system());
    assert_eq!(server.app.vault.rotate(&server.app.db, system).unwrap(), 6);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
    login_with_code(&server, &people[2].at(&server));
}
