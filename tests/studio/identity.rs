//! Proves signing in: registering, the forms of login on every path, refreshing and rotation, theft of tokens, signing out, what
//! survives a restart, and one's own profile.

use std::thread;

use serde_json::{Value, json};
use studio::{actor::Role, auth::account, config::Registration};

use crate::support::{Answer, Client, PASSWORD, Server};

const REQUIRED: &str = "This field is required.";
const NO_ACCOUNT: &str = "No active account found with the given credentials";

/// What a token says.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a token of three parts");
    let (mut bits, mut count, mut bytes) = (0_u32, 0, vec![]);
    for letter in payload.bytes() {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            _ => 63,
        };
        (bits, count) = ((bits << 6) | u32::from(digit), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    serde_json::from_slice(&bytes).expect("claims in JSON")
}

/// Somebody new for each request: a client keeps the cookies it is given, and a refresh token in a cookie comes first.
struct Anew<'a>(&'a Server);

impl Anew<'_> {
    fn post(&self, path: &str, body: Value) -> Answer {
        self.0.client().post(path, body)
    }
    fn send(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> Answer {
        self.0.client().send(method, path, body)
    }
    fn with(&self, name: &str, value: &str) -> Client {
        self.0.client().with(name, value)
    }
    fn with_token(&self, token: &str) -> Client {
        self.0.client().with_token(token)
    }
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}"))
}

/// The refresh token that an answer puts into the cookie.
fn cookie(answer: &Answer) -> String {
    let line = answer.header("set-cookie").unwrap_or_else(|| panic!("{}: no cookie", answer.call));
    let pair = line.split(';').next().unwrap_or_default();
    pair.strip_prefix("refresh_token=").unwrap_or_else(|| panic!("{}: {line}", answer.call)).to_owned()
}

fn login(client: &Anew<'_>, path: &str, name: &str) -> Value {
    client.post(path, json!({"identifier": name, "password": PASSWORD})).expect(200)
}

#[track_caller]
fn unauthorized(answer: &Answer, body: Value) {
    assert_eq!((answer.status, answer.json()), (401, body), "{}", answer.call);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"api\""), "{}", answer.call);
}

fn token_error(detail: &str) -> Value {
    json!({"detail": detail, "code": "token_not_valid"})
}

fn access_error(message: &str) -> Value {
    json!({
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": [{"token_class": "AccessToken", "token_type": "access", "message": message}],
    })
}

fn keys(body: &Value) -> Vec<&str> {
    body.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn every_path_answers_a_login_in_its_form() {
    let server = Server::start();
    let client = Anew(&server);
    server.member("user", Role::Manager);
    server.write(|tx| tx.update("users", 1, vec![("phone", "+256700123456".into())]));

    // The example of the API document, word for word but for the password's length.
    let body = format!(r#"{{"email":"user@example.com","password":"{PASSWORD}"}}"#);
    let answer = client.send("POST", "/api/users/login/", Some(("application/json", body.into_bytes())));
    let users = answer.expect(200);
    assert_eq!(keys(&users), ["access", "user"], "the refresh token is in the cookie only");
    let refresh = cookie(&answer);
    assert_eq!(
        answer.header("set-cookie"),
        Some(format!("refresh_token={refresh}; HttpOnly; Max-Age=86400; Path=/api/; SameSite=Lax").as_str())
    );
    let user = &users["user"];
    assert_eq!((&user["username"], &user["email"], &user["role"]), (&json!("user"), &json!("user@example.com"), &json!("manager")));
    assert_eq!((&user["first_name"], &user["last_name"], &user["is_staff"]), (&json!("user"), &json!("Example"), &json!(true)));

    let auth = login(&client, "/api/auth/login/", "user");
    assert_eq!(keys(&auth), ["access", "refresh", "user"]);
    for path in ["/api/auth/token/", "/api/users/token/"] {
        assert_eq!(keys(&login(&client, path, "user")), ["refresh", "access"], "{path}");
    }
    for path in ["/api/v1/accounts/token/", "/api/v1/accounts/login/"] {
        let body = login(&client, path, "user");
        assert_eq!(keys(&body), ["refresh", "access", "email", "full_name", "is_staff", "is_superuser", "user"], "{path}");
        let beside = (&body["email"], &body["full_name"], &body["is_staff"], &body["is_superuser"]);
        assert_eq!(beside, (&json!("user@example.com"), &json!("user Example"), &json!(true), &json!(false)), "{path}");
    }

    // Any name, under any of the keys that front ends use, on any path.
    let names = [
        ("username", "user"),
        ("username", "USER"),
        ("username", "user@example.com"),
        ("email", "User@Example.com"),
        ("email", "user"),
        ("phone", "+256700123456"),
        ("phone_number", "+256 (700) 123-456"),
        ("identifier", "user"),
        ("identifier", "+256700123456"),
    ];
    for (index, (key, name)) in names.into_iter().enumerate() {
        let path = ["/api/auth/login/", "/api/users/login/", "/api/v1/accounts/token/"][index % 3];
        let answer = client.post(path, json!({key: name, "password": PASSWORD}));
        assert_eq!(answer.status, 200, "{path} with {key}={name}: {}", answer.text);
    }

    // Forms.
    let form = format!("email=user%40example.com&password={}", PASSWORD.replace(' ', "+"));
    client.send("POST", "/api/users/login/", Some(("application/x-www-form-urlencoded", form.into_bytes()))).expect(200);
    let part = |name: &str, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let form = format!("{}{}--b--\r\n", part("username", "user"), part("password", PASSWORD));
    client.send("POST", "/api/auth/login/", Some(("multipart/form-data; boundary=b", form.into_bytes()))).expect(200);

    // What a token says.
    let (access, refresh) = (claims(text(&auth, "access")), claims(text(&auth, "refresh")));
    for (kind, life, claims) in [("access", 900, &access), ("refresh", 86_400, &refresh)] {
        assert_eq!((&claims["token_type"], &claims["user_id"]), (&json!(kind), &json!("1")), "the user's id is a string");
        assert_eq!(claims["exp"].as_i64().unwrap_or(0) - claims["iat"].as_i64().unwrap_or(0), life, "{kind}");
        assert_eq!((&claims["biz"], &claims["role"]), (&json!(1), &json!("manager")), "{kind}");
        let jti = text(claims, "jti");
        assert!(jti.len() == 32 && jti.bytes().all(|b| b.is_ascii_hexdigit()), "{kind}: {jti}");
    }
    let remembered = client.post("/api/users/login/", json!({"username": "user", "password": PASSWORD, "remember_me": true}));
    let until = claims(&cookie(&remembered));
    assert_eq!(until["exp"].as_i64().unwrap_or(0) - until["iat"].as_i64().unwrap_or(0), 30 * 86_400);
    assert!(remembered.header("set-cookie").is_some_and(|line| line.contains("; Max-Age=2592000;")), "{:?}", remembered.headers);
}

#[test]
fn a_refused_login_does_not_tell_why() {
    let server = Server::start();
    let client = Anew(&server);
    server.member("known", Role::Staff);
    let inactive = server.member("inactive", Role::Staff).id;
    let deleted = server.member("deleted", Role::Staff).id;
    server.write(move |tx| {
        tx.update("users", inactive, vec![("is_active", false.into())])?;
        tx.delete("users", deleted)
    });
    let paths = ["/api/auth/login/", "/api/users/login/", "/api/v1/accounts/login/", "/api/v1/accounts/token/", "/api/auth/token/"];
    for path in paths {
        let refused = [
            ("known", "wrong password"),
            ("unknown", PASSWORD),
            ("inactive", PASSWORD),
            ("deleted", PASSWORD),
            ("known", "CORRECT HORSE BATTERY"),
        ];
        for (name, password) in refused {
            let answer = client.post(path, json!({"username": name, "password": password}));
            unauthorized(&answer, json!({"detail": NO_ACCOUNT, "code": "no_active_account"}));
            assert_eq!(answer.header("set-cookie"), None, "{path}");
        }
        let first = if path.contains("v1") { "email" } else { "username" };
        client.post(path, json!({})).refuses(json!({first: [REQUIRED], "password": [REQUIRED]}));
        for body in [json!({"username": "", "password": ""}), json!({"username": null, "password": null})] {
            assert_eq!(client.post(path, body.clone()).status, 400, "{path} {body}");
        }
        assert_eq!(client.send("POST", path, None).status, 400, "{path} without a body");
        client.post(path, json!({"identifier": "known"})).refuses(json!({"password": [REQUIRED]}));
        client.post(path, json!({"password": PASSWORD})).refuses(json!({first: [REQUIRED]}));
    }
}

#[test]
fn refresh_tokens_rotate_and_a_stolen_one_ends_the_session() {
    let server = Server::start();
    let client = Anew(&server);
    server.member("user", Role::Staff);
    let refresh = |path: &str, token: &str| client.post(path, json!({"refresh": token}));
    let first = login(&client, "/api/auth/login/", "user");
    let elsewhere = login(&client, "/api/auth/login/", "user");

    let answer = refresh("/api/auth/token/refresh/", text(&first, "refresh")).expect(200);
    assert_eq!(keys(&answer), ["access", "refresh"]);
    let second = text(&answer, "refresh").to_owned();
    assert_ne!(second, text(&first, "refresh"), "the token is exchanged");
    client.with_token(text(&answer, "access")).get("/api/users/me/").expect(200);

    // Two tabs with the same token: the same successor for 30 seconds.
    server.clock.advance(30);
    let again = refresh("/api/users/token/refresh/", text(&first, "refresh")).expect(200);
    assert_eq!(text(&again, "refresh"), second, "within 30 seconds");
    let third = refresh("/api/auth/token/refresh/", &second).expect(200);

    // Later it was stolen: nothing of the session is good any more, from the next request on.
    let (newest, access) = (text(&third, "refresh"), text(&third, "access"));
    client.with_token(access).get("/api/users/me/").expect(200);
    server.clock.advance(1);
    unauthorized(&refresh("/api/auth/token/refresh/", text(&first, "refresh")), token_error("Token is blacklisted"));
    unauthorized(&refresh("/api/auth/token/refresh/", newest), token_error("Token is blacklisted"));
    for token in [text(&first, "access"), access] {
        let answer = client.with_token(token).get("/api/users/me/");
        assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("token_not_valid")), "{}", answer.text);
    }
    // Other sessions of the same person go on.
    client.with_token(text(&elsewhere, "access")).get("/api/users/me/").expect(200);
    refresh("/api/auth/token/refresh/", text(&elsewhere, "refresh")).expect(200);

    // By cookie: the answer has no refresh token, the cookie is set anew.
    let by_cookie =
        |token: &str| client.with("cookie", &format!("theme=dark; refresh_token={token}")).post("/api/users/token/refresh/", json!({}));
    let one = cookie(&client.post("/api/users/login/", json!({"email": "user@example.com", "password": PASSWORD, "remember_me": true})));
    let answer = by_cookie(&one);
    assert_eq!(keys(&answer.expect(200)), ["access"]);
    let two = cookie(&answer);
    assert_ne!(one, two);
    assert!(
        answer.header("set-cookie").is_some_and(|line| line.ends_with("; HttpOnly; Max-Age=2592000; Path=/api/; SameSite=Lax")),
        "{:?}",
        answer.headers
    );
    assert_eq!(cookie(&by_cookie(&one)), two, "the same successor for another tab");
    let garbage = by_cookie("garbage");
    unauthorized(&garbage, token_error("Token is invalid"));
    assert_eq!(
        garbage.header("set-cookie"),
        Some("refresh_token=; HttpOnly; Max-Age=0; Path=/api/; SameSite=Lax"),
        "a useless cookie goes"
    );

    // What is no refresh token.
    for path in ["/api/auth/token/refresh/", "/api/users/token/refresh/", "/api/v1/accounts/token/refresh/"] {
        client.post(path, json!({})).refuses(json!({"refresh": [REQUIRED]}));
        unauthorized(&refresh(path, "garbage"), token_error("Token is invalid"));
        unauthorized(&refresh(path, text(&elsewhere, "access")), token_error("Token has wrong type"));
    }
    let last = login(&client, "/api/auth/login/", "user");
    server.clock.advance(86_399);
    let renewed = refresh("/api/auth/token/refresh/", text(&last, "refresh")).expect(200);
    server.clock.advance(86_401);
    unauthorized(&refresh("/api/auth/token/refresh/", text(&renewed, "refresh")), token_error("Token is expired"));
}

#[test]
fn parallel_refreshes_get_one_successor() {
    let server = Server::start();
    let client = Anew(&server);
    server.member("user", Role::Staff);
    let token = text(&login(&client, "/api/auth/login/", "user"), "refresh").to_owned();
    let tabs: Vec<_> = (0..8)
        .map(|_| {
            let (client, body) = (server.client(), json!({"refresh": token}));
            thread::spawn(move || text(&client.post("/api/auth/token/refresh/", body).expect(200), "refresh").to_owned())
        })
        .collect();
    let mut successors: Vec<String> = tabs.into_iter().map(|tab| tab.join().expect("an answer")).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1, "all tabs go on with the same token");
    client.post("/api/auth/token/refresh/", json!({"refresh": successors[0]})).expect(200);
}

#[test]
fn tokens_of_the_institute_do_not_rotate() {
    let server = Server::start();
    let client = Anew(&server);
    server.member("user", Role::Teacher);
    let pair = login(&client, "/api/v1/accounts/token/", "user");
    let refresh = json!({"refresh": pair["refresh"]});
    // The mark is on the token, whatever the path it is presented on.
    for path in ["/api/v1/accounts/token/refresh/", "/api/v1/accounts/token/refresh/", "/api/auth/token/refresh/"] {
        let answer = client.post(path, refresh.clone()).expect(200);
        assert_eq!(keys(&answer), ["access"], "{path}");
        client.with_token(text(&answer, "access")).get("/api/v1/accounts/profile/").expect(200);
        server.clock.advance(60);
    }
    let access = text(&client.post("/api/v1/accounts/token/refresh/", refresh.clone()).expect(200), "access").to_owned();
    assert_eq!(client.post("/api/v1/accounts/logout/", refresh.clone()).status, 205);
    unauthorized(&client.post("/api/v1/accounts/token/refresh/", refresh.clone()), token_error("Token is blacklisted"));
    assert_eq!(client.with_token(&access).get("/api/v1/accounts/profile/").status, 401);
    for body in [refresh, json!({"refresh": "garbage"})] {
        let answer = client.post("/api/v1/accounts/logout/", body);
        assert!(
            answer.status == 400 && answer.text.contains("Invalid token"),
            "a repeated or bad logout: {} {}",
            answer.status,
            answer.text
        );
    }
    client.post("/api/v1/accounts/logout/", json!({})).refuses(json!({"refresh": [REQUIRED]}));

    // Such a token lives a day, also when it is used.
    let pair = login(&client, "/api/v1/accounts/token/", "user");
    server.clock.advance(86_399);
    client.post("/api/v1/accounts/token/refresh/", json!({"refresh": pair["refresh"]})).expect(200);
    server.clock.advance(1);
    unauthorized(&client.post("/api/v1/accounts/token/refresh/", json!({"refresh": pair["refresh"]})), token_error("Token is expired"));
}

#[test]
fn signing_out_holds_at_once_and_after_a_restart() {
    let server = Server::start();
    let client = Anew(&server);
    server.member("user", Role::Staff);
    let said = |answer: &Answer| {
        let body = answer.expect(200);
        assert_eq!((&body["success"], &body["message"]), (&json!(true), &json!("Successfully logged out")), "{}", answer.call);
        assert_eq!(answer.header("set-cookie"), Some("refresh_token=; HttpOnly; Max-Age=0; Path=/api/; SameSite=Lax"), "{}", answer.call);
    };
    let mut ended = vec![];
    for path in ["/api/auth/logout/", "/api/users/logout/"] {
        let by_body = login(&client, "/api/auth/login/", "user");
        let by_cookie = login(&client, "/api/auth/login/", "user");
        let by_access = login(&client, "/api/auth/login/", "user");
        let stays = login(&client, "/api/auth/login/", "user");
        // Signing out twice is signed out; so is signing out without ever having been signed in.
        for _ in 0..2 {
            said(&client.post(path, json!({"refresh": by_body["refresh"]})));
            said(&client.with("cookie", &format!("refresh_token={}", text(&by_cookie, "refresh"))).post(path, json!({})));
        }
        said(&client.with_token(text(&by_access, "access")).send("POST", path, None));
        said(&client.post(path, json!({})));
        said(&client.post(path, json!({"refresh": "garbage"})));
        client.with_token(text(&stays, "access")).get("/api/users/me/").expect(200);
        ended.extend([by_body, by_cookie, by_access]);
    }
    let revoked = |server: &Server, when: &str, access_is_over: bool| {
        let client = Anew(server);
        for pair in &ended {
            unauthorized(
                &client.post("/api/auth/token/refresh/", json!({"refresh": pair["refresh"]})),
                token_error("Token is blacklisted"),
            );
            let answer = client.with_token(text(pair, "access")).get("/api/users/me/");
            assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("token_not_valid")), "{when}: {}", answer.text);
            let verified = client.post("/api/auth/token/verify/", json!({"token": pair["access"]}));
            assert_eq!(verified.status, if access_is_over { 401 } else { 400 }, "{when}: {}", verified.text);
            client
                .post("/api/auth/token/verify/", json!({"token": pair["refresh"]}))
                .refuses(json!({"non_field_errors": ["Token is blacklisted"]}));
        }
    };
    revoked(&server, "at once", false);
    server.clock.advance(600);
    let server = server.restart();
    revoked(&server, "after a restart", false);
    server.clock.advance(3600);
    revoked(&server, "an hour later", true);
    let server = server.restart();
    revoked(&server, "after another restart", true);
}

#[test]
fn tokens_are_verified_and_blacklisted_in_simplejwts_words() {
    let server = Server::start();
    let client = Anew(&server);
    server.member("user", Role::Staff);
    let pair = login(&client, "/api/auth/login/", "user");
    for prefix in ["/api/auth", "/api/users", "/api/v1/accounts"] {
        let verify = format!("{prefix}/token/verify/");
        for kind in ["access", "refresh"] {
            assert_eq!(client.post(&verify, json!({"token": pair[kind]})).expect(200), json!({}), "{kind}");
        }
        unauthorized(&client.post(&verify, json!({"token": "garbage"})), token_error("Token is invalid"));
        client.post(&verify, json!({})).refuses(json!({"token": [REQUIRED]}));

        let blacklist = format!("{prefix}/token/blacklist/");
        let other = login(&client, "/api/auth/login/", "user");
        client.post(&blacklist, json!({})).refuses(json!({"refresh": [REQUIRED]}));
        unauthorized(&client.post(&blacklist, json!({"refresh": other["access"]})), token_error("Token has wrong type"));
        assert_eq!(client.post(&blacklist, json!({"refresh": other["refresh"]})).expect(200), json!({}));
        unauthorized(&client.post(&blacklist, json!({"refresh": other["refresh"]})), token_error("Token is blacklisted"));
        client.post(&verify, json!({"token": other["refresh"]})).refuses(json!({"non_field_errors": ["Token is blacklisted"]}));
        unauthorized(&client.with_token(text(&other, "access")).get("/api/users/me/"), access_error("Token is blacklisted"));
    }
    // A token that was exchanged is used up.
    client.post("/api/auth/token/refresh/", json!({"refresh": pair["refresh"]})).expect(200);
    client
        .post("/api/auth/token/verify/", json!({"token": pair["refresh"]}))
        .refuses(json!({"non_field_errors": ["Token is blacklisted"]}));
    server.clock.advance(900);
    unauthorized(&client.post("/api/auth/token/verify/", json!({"token": pair["access"]})), token_error("Token is expired"));
}

#[test]
fn only_a_good_access_token_opens_the_gate() {
    let server = Server::start();
    let client = Anew(&server);
    let user = server.member("user", Role::Staff);
    let pair = login(&client, "/api/auth/login/", "user");
    let none = json!({"detail": "Authentication credentials were not provided.", "code": "not_authenticated"});
    let malformed = json!({"detail": "Authorization header must contain two space-delimited values", "code": "bad_authorization_header"});
    let (access, refresh) = (text(&pair, "access"), text(&pair, "refresh"));
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", access.split('.').nth(1).unwrap_or_default());
    let forged = format!("{}x", &access[..access.len() - 1]);
    let headers = [
        (String::new(), &none),
        ("Token abc".into(), &none),
        (format!("bearer {access}"), &none),
        ("Bearer".into(), &malformed),
        (format!("Bearer {access} more"), &malformed),
        ("Bearer garbage".into(), &access_error("Token is invalid")),
        (format!("Bearer {unsigned}"), &access_error("Token is invalid")),
        (
            format!("Bearer {}", if forged == access { format!("{}y", &access[..access.len() - 1]) } else { forged }),
            &access_error("Token is invalid"),
        ),
        (format!("Bearer {refresh}"), &access_error("Token has wrong type")),
    ];
    for (header, body) in headers {
        let answer = client.with("authorization", &header).get("/api/users/me/");
        assert_eq!(answer.json(), *body, "with {header:?}");
        unauthorized(&answer, body.clone());
    }
    // 15 minutes, to the second.
    server.clock.advance(899);
    client.with_token(access).get("/api/users/me/").expect(200);
    server.clock.advance(1);
    unauthorized(&client.with_token(access).get("/api/users/me/"), access_error("Token is expired"));

    // What happens to the account holds from the next request on.
    let id = user.id;
    let tell = |change: (&'static str, bool), access_says: Value| {
        let pair = login(&client, "/api/auth/login/", "user");
        server.write(move |tx| tx.update("users", id, vec![(change.0, change.1.into())]));
        unauthorized(&client.with_token(text(&pair, "access")).get("/api/users/me/"), access_says);
        let gone = json!({"detail": "No active account found for the given token.", "code": "no_active_account"});
        unauthorized(&client.post("/api/auth/token/refresh/", json!({"refresh": pair["refresh"]})), gone);
        server.write(move |tx| tx.update("users", id, vec![(change.0, (!change.1).into())]));
    };
    tell(("is_active", false), json!({"detail": "User is inactive", "code": "user_inactive"}));
    let pair = login(&client, "/api/auth/login/", "user");
    server.write(move |tx| account::set_password(tx, id, "$argon2id$none"));
    let changed = json!({"detail": "The user's password has been changed.", "code": "password_changed"});
    unauthorized(&client.with_token(text(&pair, "access")).get("/api/users/me/"), changed);
    assert_eq!(
        client.post("/api/auth/token/refresh/", json!({"refresh": pair["refresh"]})).status,
        401,
        "a new password ends all sessions"
    );
    let gone = server.member("gone", Role::Staff);
    server.write(move |tx| tx.delete("users", gone.id));
    unauthorized(&gone.get("/api/users/me/"), json!({"detail": "User not found", "code": "user_not_found"}));
}

#[test]
fn anybody_registers_as_a_customer_and_nothing_more() {
    let server = Server::start();
    let client = Anew(&server);
    let password = "violet-anchor-92";
    let forms = [
        ("/api/auth/register/", "alice", "+256700000001"),
        ("/api/users/register/", "berta", "+256700000002"),
        ("/api/v1/accounts/register/", "carla", "+256700000003"),
    ];
    for (path, name, phone) in forms {
        let sent = json!({
            "username": name, "email": format!("{name}@example.com"), "phone": phone, "password": password,
            "first_name": "Ann Mary", "last_name": "Lee",
            "role": "admin", "is_staff": true, "is_superuser": true, "is_active": false, "id": 1, "capabilities": ["finance"], "business": 2,
        });
        let answer = client.post(path, sent);
        let person = answer.expect(201);
        assert!(!answer.text.contains(password) && !answer.text.contains("argon2"), "{path} tells the password: {}", answer.text);
        assert_eq!(
            (&person["username"], &person["email"], &person["phone"]),
            (&json!(name), &json!(format!("{name}@example.com")), &json!(phone)),
            "{path}"
        );
        if path.contains("v1") {
            assert_eq!(person["message"], "User registered successfully");
        }
        let pair = client.post("/api/auth/login/", json!({"username": name, "password": password})).expect(200);
        let me = client.with_token(text(&pair, "access")).get("/api/users/me/").expect(200);
        let rights = (&me["role"], &me["is_staff"], &me["is_superuser"], &me["capabilities"]);
        assert_eq!(rights, (&json!("customer"), &json!(false), &json!(false), &json!([])), "{path}: nobody promotes themselves");
        assert_eq!(me["full_name"], "Ann Mary Lee");
        assert_eq!(client.with_token(text(&pair, "access")).get("/api/field/leads/").status, 403);
    }
    // One of the three names is enough.
    for body in [json!({"username": "dora"}), json!({"email": "emma@example.com"}), json!({"phone_number": "+256 700 000-004"})] {
        let mut body = body;
        body["password"] = password.into();
        let person = client.post("/api/auth/register/", body).expect(201);
        assert_eq!(person["phone_number"], person["phone"]);
    }
    assert_eq!(client.post("/api/auth/login/", json!({"phone": "+256700000004", "password": password})).status, 200);

    // All conflicts at once, in whatever case.
    let taken = json!({"username": "ALICE", "email": "Alice@Example.com", "phone": "+256 700 000 001", "password": password});
    client.post("/api/users/register/", taken).refuses(json!({
        "username": ["A user with that username already exists."],
        "email": ["user with this email already exists."],
        "phone": ["user with this phone already exists."],
    }));
    let wrong = json!({"username": "no spaces", "email": "nobody", "phone": "call me", "password": "short"});
    let wrong = client.post("/api/auth/register/", wrong);
    let body = wrong.expect(400);
    assert_eq!(
        body["username"],
        json!(["Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."])
    );
    assert_eq!(body["email"], json!(["Enter a valid email address."]));
    assert!(body["phone"].is_array(), "{body}");
    assert_eq!(body["password"], json!(["This password is too short. It must contain at least 8 characters."]));

    let passwords = [
        ("seven77", vec!["This password is too short. It must contain at least 8 characters."]),
        ("password123", vec!["This password is too common."]),
        ("73914620587", vec!["This password is entirely numeric."]),
        ("12345678", vec!["This password is too common.", "This password is entirely numeric."]),
        ("rosalinde.hill", vec!["The password is too similar to the email address."]),
    ];
    for (password, texts) in passwords {
        let body = json!({"email": "rosalinde.hill@example.com", "password": password});
        client.post("/api/auth/register/", body).refuses(json!({"password": texts}));
    }
    // Neither the password nor its hash is written down anywhere but in its place.
    let audit: Vec<String> = server
        .app
        .db
        .read(|reader| reader.rows("SELECT coalesce(before, '') || coalesce(after, '') FROM audit_log", &[], |row| row.get(0)))
        .expect("the audit log");
    assert!(audit.iter().any(|entry| entry.contains("alice")), "registering is audited");
    let leak = audit.iter().find(|entry| entry.contains(password) || entry.contains("argon2"));
    assert_eq!(leak, None, "the audit log tells a password");

    let closed = Server::start_with(|config| config.auth.registration = Registration::Off);
    for path in ["/api/auth/register/", "/api/users/register/", "/api/v1/accounts/register/"] {
        let answer = closed.client().post(path, json!({"username": "late", "password": password}));
        assert_eq!(answer.status, 403, "{path}: {}", answer.text);
    }
}

#[test]
fn registering_with_nothing_tells_all_that_is_missing() {
    let server = Server::start();
    let client = server.client();
    for (path, first) in
        [("/api/auth/register/", "username"), ("/api/users/register/", "username"), ("/api/v1/accounts/register/", "email")]
    {
        client.post(path, json!({})).refuses(json!({first: [REQUIRED], "password": [REQUIRED]}));
        client.post(path, json!({"password": "violet-anchor-92"})).refuses(json!({first: [REQUIRED]}));
        client.post(path, json!({"username": "alice"})).refuses(json!({"password": [REQUIRED]}));
    }
}

#[test]
fn a_part_of_a_name_is_changed_by_itself() {
    let server = Server::start();
    let me = server.member("user", Role::Staff);
    let steps = [
        (json!({"first_name": "Ada"}), "Ada Example"),
        (json!({"last_name": "de la Cruz"}), "Ada de la Cruz"),
        (json!({"last_name": ""}), "Ada"),
        (json!({}), "Ada"),
    ];
    for (sent, full) in steps {
        let body = me.patch("/api/users/me/", sent.clone()).expect(200);
        assert_eq!(body["full_name"], full, "after {sent}");
    }
}

#[test]
fn people_change_themselves_but_not_their_rights() {
    let server = Server::start();
    let me = server.member("user", Role::Staff);
    server.member("other", Role::Admin);
    server.write(|tx| tx.update("users", 2, vec![("phone", "+256700000002".into())]));
    for path in ["/api/users/me/", "/api/auth/me/", "/api/v1/accounts/me/", "/api/users/profile/", "/api/v1/accounts/profile/"] {
        let body = me.get(path).expect(200);
        assert_eq!((&body["id"], &body["username"], &body["role"]), (&json!(me.id), &json!("user"), &json!("staff")), "{path}");
        for secret in ["password", "hash", "epoch"] {
            assert!(!body.to_string().contains(secret), "{path} tells of {secret}: {body}");
        }
        assert_eq!(server.client().get(path).status, 401, "{path}");
    }
    let steps = [
        (
            json!({"first_name": "Eve", "last_name": "Stone", "bio": ""}),
            json!({"full_name": "Eve Stone", "first_name": "Eve", "last_name": "Stone"}),
        ),
        (json!({"full_name": "Solo"}), json!({"full_name": "Solo", "first_name": "Solo", "last_name": ""})),
        (json!({"phone_number": "+256 (700) 000-001"}), json!({"phone": "+256700000001", "phone_number": "+256700000001"})),
        (json!({"phone": "+256700000009"}), json!({"phone": "+256700000009", "phone_number": "+256700000009"})),
        (json!({"phone": null}), json!({"phone": null, "phone_number": null})),
        (
            json!({"neighborhood": "Old town", "location": "Riverside 4", "bio": "Here"}),
            json!({"neighborhood": "Old town", "location": "Riverside 4", "bio": "Here"}),
        ),
        (json!({"timezone": "Africa/Kampala", "language": "fr"}), json!({"timezone": "Africa/Kampala", "language": "fr"})),
        (json!({"preferences": {"dark_mode": false}}), json!({"preferences": {"dark_mode": false}})),
        (
            json!({"role": "admin", "is_superuser": true, "is_staff": false, "capabilities": ["hr"], "id": 2, "is_verified": true, "password": "x", "bio": "Here"}),
            json!({"role": "staff", "is_superuser": false, "is_staff": true, "capabilities": [], "id": me.id, "is_verified": false}),
        ),
    ];
    let paths = ["/api/users/me/", "/api/auth/me/", "/api/users/profile/", "/api/v1/accounts/profile/"];
    for (index, (sent, shown)) in steps.into_iter().enumerate() {
        let path = paths[index % paths.len()];
        let answered = me.patch(path, sent.clone()).expect(200);
        let read = me.get("/api/users/me/").expect(200);
        for (name, value) in shown.as_object().expect("an object") {
            assert_eq!((&answered[name], &read[name]), (value, value), "{name} after PATCH {path} {sent}");
        }
    }
    assert_eq!(
        server.client().post("/api/auth/login/", json!({"username": "user", "password": PASSWORD})).status,
        200,
        "the password is not changed here"
    );

    let refused = [
        (
            json!({"username": "OTHER", "email": "Other@example.com", "phone_number": "+256700000002"}),
            json!({
                "username": ["A user with that username already exists."],
                "email": ["user with this email already exists."],
                "phone": ["user with this phone already exists."],
            }),
        ),
        (json!({"timezone": "Mars/Olympus"}), json!({"timezone": ["\"Mars/Olympus\" is not a valid choice."]})),
        (json!({"language": null}), json!({"language": ["This field may not be null."]})),
        (json!({"language": ""}), json!({"language": ["This field may not be null."]})),
        (json!({"email": "nobody"}), json!({"email": ["Enter a valid email address."]})),
        (json!({"bio": "x".repeat(1001)}), json!({"bio": ["Ensure this field has no more than 1000 characters."]})),
        (json!({"bio": true}), json!({"bio": ["Not a valid string."]})),
    ];
    for (sent, body) in refused {
        me.patch("/api/users/me/", sent).refuses(body);
    }
    // One's own names are no conflict.
    me.patch("/api/users/me/", json!({"username": "User", "email": "USER@example.com"})).expect(200);

    for path in ["/api/users/me/", "/api/auth/me/"] {
        me.put(path, json!({"bio": "No name"})).refuses(json!({"username": [REQUIRED]}));
        let body = me.put(path, json!({"username": "user", "bio": "Whole", "role": "admin"})).expect(200);
        assert_eq!(
            (&body["bio"], &body["username"], &body["full_name"], &body["role"]),
            (&json!("Whole"), &json!("user"), &json!("Solo"), &json!("staff"))
        );
    }
    let all = json!({"username": null, "email": null, "phone": null});
    assert_eq!(me.patch("/api/users/me/", all).status, 400, "nobody can take away their last name to sign in with");
    me.get("/api/users/me/").expect(200);
    assert_eq!(me.delete("/api/users/me/").status, 405);
}

/// Codes for signing in go to the number: whoever has stolen a session is not to change it unnoticed.
#[test]
fn somebody_is_told_when_their_number_is_another() {
    let server = Server::start();
    let alice = server.member("alice", Role::Staff);
    let told = || {
        let sql = "SELECT payload ->> 'subject' FROM outbox WHERE recipient = 'alice@example.com' AND template = 'security_notice'";
        server.app.db.read(|reader| reader.rows::<String>(sql, &[], |row| row.get(0))).expect("the outbox")
    };
    for (number, times) in [("+256700123450", 1), ("+256700123450", 1), ("0700 123450", 1), ("+256700123451", 2)] {
        let answer = alice.patch("/api/auth/me/", json!({"phone": number, "bio": "x"}));
        assert!(answer.status == 200 || number.starts_with('0'), "{}", answer.text);
        assert_eq!(told(), vec!["Your telephone number was changed"; times], "{number}");
    }
}

#[test]
fn me_says_what_kind_of_profile_it_is() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let (staff, customer) = (server.member("worker", Role::Staff), server.member("buyer", Role::Customer));
    admin.create("/api/accounts/staff-profiles/", json!({"user": staff.id, "employee_no": "E1"}));
    for (who, kind) in [(staff, "staff"), (customer, "customer")] {
        let me = who.get("/api/users/me/").expect(200);
        assert_eq!(me["profile_type"], kind, "{me}");
    }
}

#[test]
fn what_no_longer_opens_anything_is_not_called_good() {
    let server = Server::start();
    let ann = server.member("ann", Role::Staff);
    let token = ann.token.clone().expect("a token");
    let verify = || server.client().post("/api/auth/token/verify/", json!({"token": token})).status;
    assert_eq!(verify(), 200);
    let id = ann.id;
    server.write(move |tx| studio::auth::account::set_password(tx, id, "another"));
    assert_eq!(verify(), 401, "after a change of password");
    // A useless cookie does not keep the session of the access token alive.
    let bob = server.member("bob", Role::Staff);
    bob.with("cookie", "refresh_token=useless").post("/api/auth/logout/", json!({})).expect(200);
    assert_eq!(bob.get("/api/auth/me/").status, 401, "signed out");
}
