//! The wire: sections 0, 6.1 and 6.2 of the contract, row by row, over HTTP. Statuses, bodies and headers; who is asked for what
//! first; bodies that cannot be read; paths that do not exist; CORS; the pages of documents.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use studio::{
    actor::{Capability, Role},
    auth::token::random_id,
    config::Config,
};

use crate::support::{Answer, Client, Server};

const KEY: &str = "a key of the tests that is longer than 32 bytes";

/// On every answer, whatever it says.
const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

fn keyed(config: &mut Config) {
    config.auth.jwt_key = serde_json::from_value(json!(KEY)).expect("a secret");
}

/// A token with these claims, well signed.
fn sign(claims: &Value, key: &str) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(key.as_bytes())).expect("a token")
}

/// The claims of a good token of this person.
fn claims(server: &Server, client: &Client) -> Value {
    let now = server.clock.now().as_second();
    json!({"token_type": "access", "exp": now + 900, "iat": now, "jti": random_id(), "user_id": client.id.to_string(), "biz": 1,
           "role": "staff", "scope": "full", "epoch": 0, "sid": random_id()})
}

fn not_valid(message: &str) -> Value {
    json!({"detail": "Given token not valid for any token type", "code": "token_not_valid",
           "messages": [{"token_class": "AccessToken", "token_type": "access", "message": message}]})
}

fn anonymous() -> Value {
    json!({"detail": "Authentication credentials were not provided.", "code": "not_authenticated"})
}

#[track_caller]
fn is(answer: &Answer, status: u16, body: &Value) {
    assert_eq!((answer.status, &answer.json()), (status, body), "{}", answer.call);
}

/// Sends bytes as they are and reads everything until the server closes: status, headers, body.
fn raw(server: &Server, request: &[u8]) -> (u16, Vec<(String, String)>, String) {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.write_all(request).expect("the request is sent");
    let mut bytes = vec![];
    stream.read_to_end(&mut bytes).expect("an answer");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {}: {text}", String::from_utf8_lossy(request)));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok()).expect("a status");
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    (status, headers, body.to_owned())
}

/// A request line and headers after it, for `raw`.
fn line(method: &str, path: &str, more: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n").into_bytes()
}

// ------------------------------------------------------------------------------------------------ who is calling

#[test]
fn callers_who_are_not_known() {
    let server = Server::start_with(keyed);
    let person = server.staff("ann", &[]);
    let good = claims(&server, &person);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        sign(&claims, KEY)
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().expect("claims").remove(name);
        sign(&claims, KEY)
    };
    let token = sign(&good, KEY);
    assert_eq!(person.with_token(&token).get("/api/field/zones/").status, 200, "the token that the others are made from is good");
    let now = server.clock.now().as_second();
    let payload = token.split('.').nth(1).expect("a payload");
    // {"typ":"JWT","alg":"none"}
    let unsigned = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.{payload}.");
    let shape = json!({"detail": "Authorization header must contain two space-delimited values", "code": "bad_authorization_header"});
    let no_user = json!({"detail": "Token contained no recognizable user identification", "code": "token_not_valid"});
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    let other = sign(&good, "another key of the tests, also long enough");
    for (what, header, body) in [
        ("no credentials", None, anonymous()),
        ("another scheme", Some("Token abc".into()), anonymous()),
        ("basic", Some("Basic YTpi".into()), anonymous()),
        ("a scheme in lower case", Some(format!("bearer {token}")), anonymous()),
        ("a scheme alone", Some("Bearer".into()), shape.clone()),
        ("three words", Some("Bearer a b".into()), shape),
        ("garbage", bearer("garbage"), not_valid("Token is invalid")),
        ("another key", bearer(&other), not_valid("Token is invalid")),
        ("no algorithm", bearer(&unsigned), not_valid("Token is invalid")),
        ("a cut signature", bearer(&token[..token.len() - 1]), not_valid("Token is invalid")),
        ("expired now", bearer(&with("exp", json!(now))), not_valid("Token is expired")),
        ("expired long ago", bearer(&with("exp", json!(now - 9999))), not_valid("Token is expired")),
        ("a refresh token", bearer(&with("token_type", json!("refresh"))), not_valid("Token has wrong type")),
        ("no jti", bearer(&without("jti")), not_valid("Token has no id")),
        ("no user_id", bearer(&without("user_id")), no_user),
        ("a user that never was", bearer(&with("user_id", json!("987654"))), json!({"detail": "User not found", "code": "user_not_found"})),
        (
            "an old generation",
            bearer(&with("epoch", json!(-1))),
            json!({"detail": "The user's password has been changed.", "code": "password_changed"}),
        ),
    ] {
        let mut client = server.client();
        client.headers.extend(header.map(|value| ("authorization".to_owned(), value)));
        let answer = client.get("/api/field/zones/");
        assert_eq!((answer.status, answer.json()), (401, body), "{what}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"api\""), "{what}");
    }
    let body = json!({"detail": "The user's password has been changed.", "code": "password_changed"});
    let change = |column: &'static str, value: i64| {
        let id = person.id;
        server.write(move |tx| tx.update("users", id, vec![(column, value.into())]));
    };
    change("token_epoch", 1);
    is(&person.get("/api/field/zones/"), 401, &body);
    change("token_epoch", 0);
    assert_eq!(person.get("/api/field/zones/").status, 200);
    change("is_active", 0);
    is(&person.get("/api/field/zones/"), 401, &json!({"detail": "User is inactive", "code": "user_inactive"}));
    change("is_active", 1);
    let id = person.id;
    server.write(move |tx| tx.delete("users", id));
    is(&person.get("/api/field/zones/"), 401, &json!({"detail": "User not found", "code": "user_not_found"}));
    let later = server.staff("bob", &[]);
    server.clock.advance(900);
    is(&later.get("/api/field/zones/"), 401, &not_valid("Token is expired"));
}

/// A bad token on a public view is refused, not taken for no token.
#[test]
fn a_bad_token_is_refused_where_none_is_needed() {
    let server = Server::start();
    let body = json!({"username": "ann", "password": "correct horse battery"});
    let bad = server.client().with_token("garbage").post("/api/users/register/", body.clone());
    is(&bad, 401, &not_valid("Token is invalid"));
    assert_eq!(server.client().post("/api/users/register/", body).status, 201, "nothing was stored before, and no token is fine");
}

/// Authentication, then permission, then the body; 405 and missing rows after the first two.
#[test]
fn the_order_of_checks() {
    let server = Server::start();
    let (staff, customer, admin) = (server.staff("sam", &[]), server.member("cat", Role::Customer), server.member("ann", Role::Admin));
    let forbidden = json!({"detail": "You do not have permission to perform this action.", "code": "permission_denied"});
    let broken = || Some(("application/json", b"{".to_vec()));
    let text = || Some(("text/plain", b"x".to_vec()));
    let nobody = server.client();
    let mut wrong = vec![];
    let mut expect = |who: &str, client: &Client, method: &str, path: &str, body: Option<(&str, Vec<u8>)>, status: u16, answer: &Value| {
        let got = client.send(method, path, body);
        if (got.status, &got.json()) != (status, answer) {
            wrong.push(format!("{method} {path} by {who}: {} {}, not {status} {answer}", got.status, got.text));
        }
    };
    for (method, path, body) in [
        ("POST", "/api/field/leads/", broken()),
        ("POST", "/api/field/leads/", text()),
        ("POST", "/api/field/leads/", Some(("application/json", b"{}".to_vec()))),
        ("GET", "/api/field/leads/999/", None),
        ("GET", "/api/field/leads/abc/", None),
        ("PATCH", "/api/field/leads/999/", broken()),
        ("DELETE", "/api/field/leads/", None),
        ("PUT", "/api/field/leads/", None),
        ("GET", "/api/field/leads/?page=0", None),
    ] {
        expect("nobody", &nobody, method, path, body, 401, &anonymous());
    }
    for (who, client, method, path, body) in [
        ("staff", &staff, "POST", "/api/field/zones/", Some(("application/json", b"{}".to_vec()))),
        ("staff", &staff, "POST", "/api/field/zones/", broken()),
        ("staff", &staff, "POST", "/api/field/zones/", text()),
        ("staff", &staff, "PATCH", "/api/field/zones/999/", broken()),
        ("staff", &staff, "PATCH", "/api/field/zones/999/", Some(("application/json", b"{}".to_vec()))),
        ("staff", &staff, "DELETE", "/api/field/zones/999/", None),
        ("a customer", &customer, "GET", "/api/field/leads/", None),
        ("a customer", &customer, "GET", "/api/field/leads/999/", None),
        ("a customer", &customer, "GET", "/api/field/leads/?page=0", None),
        ("a customer", &customer, "GET", "/api/field/leads/?stage=bad", None),
    ] {
        expect(who, client, method, path, body, 403, &forbidden);
    }
    for (who, client) in [("an admin", &admin), ("a customer", &customer)] {
        let not_allowed = json!({"detail": "Method \"PUT\" not allowed.", "code": "method_not_allowed"});
        expect(who, client, "PUT", "/api/field/leads/", broken(), 405, &not_allowed);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// ------------------------------------------------------------------------------------------------ methods

#[test]
fn methods_that_a_path_does_not_take() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let zone = admin.create("/api/field/zones/", json!({"name": "North"}))["id"].to_string();
    let list = "GET, POST, HEAD, OPTIONS";
    let detail = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS";
    let mut wrong = vec![];
    for (path, allow, refused) in [
        ("/api/field/zones/", list, vec!["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"]),
        ("/api/field/zones", list, vec!["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"]),
        (&format!("/api/field/zones/{zone}/"), detail, vec!["POST", "TRACE", "PROPFIND"]),
        ("/api/field/leads/hot/", "GET, HEAD, OPTIONS", vec!["POST", "PUT", "PATCH", "DELETE", "TRACE"]),
        ("/api/field/visits/1/convert_to_lead/", "POST, OPTIONS", vec!["GET", "PUT", "PATCH", "DELETE", "TRACE"]),
        ("/api/auth/login/", "POST, OPTIONS", vec!["GET", "PUT", "PATCH", "DELETE", "TRACE"]),
        ("/api/accounts/users-list/", "GET, HEAD, OPTIONS", vec!["POST", "PUT", "DELETE"]),
        ("/api/schema/", "GET, HEAD, OPTIONS", vec!["POST", "DELETE"]),
    ] {
        for method in refused {
            let answer = admin.send(method, path, None);
            let body = json!({"detail": format!("Method \"{method}\" not allowed."), "code": "method_not_allowed"});
            if (answer.status, answer.json(), answer.header("allow")) != (405, body, Some(allow)) {
                wrong.push(format!("{method} {path}: {} {} Allow {:?}", answer.status, answer.text, answer.header("allow")));
            }
        }
        let options = server.client().send("OPTIONS", path, None);
        if (options.status, options.text.as_str(), options.header("allow"), options.header("content-type")) != (200, "", Some(allow), None)
        {
            wrong.push(format!("OPTIONS {path}: {} {:?} {:?}", options.status, options.text, options.header("allow")));
        }
    }
    // On refusals as well.
    for (client, path, status, allow) in [
        (&server.client(), "/api/field/zones/", 401, list),
        (&server.member("cat", Role::Customer), "/api/field/zones/", 403, list),
        (&admin, "/api/field/zones/99999/", 404, detail),
        (&admin, "/api/field/zones/abc/", 404, detail),
        (&admin, "/api/field/zones/?page=0", 404, list),
    ] {
        let answer = client.get(path);
        if (answer.status, answer.header("allow")) != (status, Some(allow)) {
            wrong.push(format!("GET {path}: {} Allow {:?}", answer.status, answer.header("allow")));
        }
    }
    let overridden = admin.with("x-http-method-override", "DELETE").get(&format!("/api/field/zones/{zone}/"));
    assert_eq!(
        (overridden.status, admin.get(&format!("/api/field/zones/{zone}/")).status),
        (200, 200),
        "X-HTTP-Method-Override is ignored"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn head_is_get_without_a_body() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let zone = admin.create("/api/field/zones/", json!({"name": "Été – nord"}))["id"].to_string();
    let nobody = server.client();
    let one = format!("/api/field/zones/{zone}/");
    for (client, path) in [
        (&admin, "/api/field/zones/"),
        (&admin, "/api/field/zones"),
        (&admin, one.as_str()),
        (&admin, "/api/field/zones/9999/"),
        (&nobody, "/api/field/zones/"),
        (&nobody, "/api/schema/"),
        (&nobody, "/healthz"),
        (&nobody, "/nothing/"),
    ] {
        let (get, head) = (client.get(path), client.send("HEAD", path, None));
        let seen = |answer: &Answer| -> BTreeSet<(String, String)> {
            answer.headers.iter().filter(|(name, _)| name != "date" && name != "x-request-id").cloned().collect()
        };
        assert_eq!((get.status, seen(&get), ""), (head.status, seen(&head), head.text.as_str()), "{path}");
        assert_eq!(head.header("content-length").map(str::to_owned), Some(get.text.len().to_string()), "{path}");
    }
}

// ------------------------------------------------------------------------------------------------ bodies

#[test]
fn bodies_that_cannot_be_read() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let json = |body: &[u8]| Some(("application/json", body.to_vec()));
    let send = |body: Option<(&str, Vec<u8>)>| admin.send("POST", "/api/field/zones/", body);
    // Media types.
    for (media, shown) in [
        ("text/plain", "text/plain"),
        ("application/xml", "application/xml"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("multipart/form-data; boundary=x", "multipart/form-data; boundary=x"),
        ("", ""),
    ] {
        let body = json!({"detail": format!("Unsupported media type \"{shown}\" in request."), "code": "unsupported_media_type"});
        is(&send(Some((media, b"{\"name\":\"x\"}".to_vec()))), 415, &body);
    }
    for media in ["application/json; charset=utf-8", "Application/JSON"] {
        let name = format!("as {media}");
        assert_eq!(send(Some((media, json!({"name": name}).to_string().into_bytes()))).status, 201, "{media}");
    }
    // What is no JSON: the prefix is the contract.
    let deep = "[".repeat(100_000);
    let deep_object = "{\"name\":".repeat(50_000);
    for body in [
        &b"{"[..],
        b"{name: 1}",
        b"{'name': 1}",
        b"{\"name\": NaN}",
        b"{\"name\": Infinity}",
        b"{\"name\": -Infinity}",
        b"{\"name\": 1e999}",
        b"{\"name\": \"a\"} x",
        b"{\"name\": \"a\",}",
        b"{\"name\": \"\x01\"}",
        b"{\"name\": \"\\ud800\"}",
        b"\xef\xbb\xbf{}",
        b" ",
        deep.as_bytes(),
        deep_object.as_bytes(),
    ] {
        let answer = send(json(body));
        let shown = String::from_utf8_lossy(&body[..body.len().min(30)]);
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text);
        assert_eq!(answer.json()["code"], "parse_error", "{shown}");
        assert!(answer.json()["detail"].as_str().is_some_and(|text| text.starts_with("JSON parse error - ")), "{shown}: {}", answer.text);
    }
    let bytes = json!({"detail": "JSON parse error - 'utf-8' codec can't decode byte 0xff in position 9: invalid start byte", "code": "parse_error"});
    is(&send(json(b"{\"name\":\"\xff\"}")), 400, &bytes);
    // What is JSON and no object.
    for (body, kind) in [("[]", "list"), ("[{}]", "list"), ("\"a\"", "str"), ("5", "int"), ("1.5", "float"), ("true", "bool")] {
        let text = format!("Invalid data. Expected a dictionary, but got {kind}.");
        is(&send(json(body.as_bytes())), 400, &json!({"non_field_errors": [text]}));
    }
    // Nothing at all is an empty object.
    let required = json!({"name": ["This field is required."]});
    for empty in [None, Some(("", vec![])), json(b""), json(b"{}"), Some(("text/plain", vec![]))] {
        is(&send(empty), 400, &required);
    }
    assert_eq!(send(json(b"{\"name\":\"first\",\"name\":\"last\"}")).expect(201)["name"], "last", "of two equal keys the last wins");
    let ignored = admin.create(
        "/api/field/zones/",
        json!({"name": "Plain", "id": 777, "nonsense": 1, "created_at": "x", "open_leads": "x", "uuid": 5, "version": 9}),
    );
    assert!(ignored["id"] != 777 && ignored.get("nonsense").is_none() && ignored["version"] == 1, "{ignored}");
    let before = admin.get(&format!("/api/field/zones/{}/", ignored["id"])).expect(200);
    assert_eq!(
        admin.patch(&format!("/api/field/zones/{}/", ignored["id"]), json!({})).expect(200),
        before,
        "an empty PATCH changes nothing"
    );
}

#[test]
fn forms_are_taken_for_signing_in() {
    let server = Server::start();
    server.member("ann", Role::Staff);
    let multipart = "--x\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nann\r\n--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\ncorrect horse battery\r\n--x--\r\n";
    for (media, body) in [
        ("application/json", r#"{"username":"ann","password":"correct horse battery"}"#),
        ("application/x-www-form-urlencoded", "username=ann&password=correct+horse%20battery"),
        ("multipart/form-data; boundary=x", multipart),
    ] {
        for path in ["/api/auth/login/", "/api/auth/token/", "/api/users/login"] {
            let answer = server.client().send("POST", path, Some((media, body.as_bytes().to_vec())));
            assert!(answer.status == 200 && answer.json()["access"].is_string(), "{path} {media}: {} {}", answer.status, answer.text);
        }
    }
    let wrong = server.client().send("POST", "/api/auth/login/", Some(("text/plain", b"x".to_vec())));
    is(&wrong, 415, &json!({"detail": "Unsupported media type \"text/plain\" in request.", "code": "unsupported_media_type"}));
}

#[test]
fn bodies_that_are_too_large() {
    let server = Server::start();
    let token = server.member("ann", Role::Admin).token.expect("a token");
    let limit = 1 << 20;
    let mut wrong = vec![];
    for chunked in [false, true] {
        let length = if chunked { "Transfer-Encoding: chunked\r\n".to_owned() } else { format!("Content-Length: {}\r\n", limit + 1) };
        let mut request =
            line("POST", "/api/field/zones/", &format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n{length}"));
        let body = vec![b' '; limit + 1];
        if chunked {
            request.extend(format!("{:x}\r\n", body.len()).into_bytes());
            request.extend(body);
            request.extend(b"\r\n0\r\n\r\n");
        } else {
            request.extend(body);
        }
        let (status, headers, body) = raw(&server, &request);
        let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!((status, header("content-type")), (413, Some("application/json")), "chunked: {chunked}");
        assert_eq!(
            serde_json::from_str::<Value>(&body).expect("JSON"),
            json!({"detail": "The request body is too large.", "code": "too_large"})
        );
        wrong.extend(
            HEADERS.iter().filter(|(name, value)| header(name) != Some(value)).map(|(name, _)| format!("chunked {chunked}: no {name}")),
        );
        wrong.extend(header("x-request-id").is_none().then(|| format!("chunked {chunked}: no x-request-id")));
    }
    assert!(wrong.is_empty(), "413 without headers that every answer has: {}", wrong.join(", "));
}

// ------------------------------------------------------------------------------------------------ paths

#[test]
fn paths_with_and_without_a_slash() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    for (path, name) in [("/api/field/zones", "One"), ("/api/field/zones/", "Two")] {
        let created = admin.post(path, json!({"name": name}));
        let id = created.expect(201)["id"].to_string();
        for path in [format!("/api/field/zones/{id}"), format!("/api/field/zones/{id}/")] {
            assert_eq!(admin.get(&path).expect(200)["name"], name, "{path}");
            assert_eq!(admin.patch(&path, json!({"region": path})).expect(200)["region"], path.as_str());
            assert_eq!(admin.get(&path).header("location"), None, "{path} is no redirect");
        }
    }
    assert_eq!(admin.get("/api/field/zones").text, admin.get("/api/field/zones/").text);
    let next = admin.get("/api/field/zones?page_size=1").expect(200)["next"].clone();
    assert!(next.as_str().is_some_and(|link| link.ends_with("/api/field/zones/?page=2&page_size=1")), "{next}");
    let id = admin.get("/api/field/zones/").expect(200)["results"][0]["id"].to_string();
    let deleted = admin.delete(&format!("/api/field/zones/{id}"));
    assert_eq!((deleted.status, deleted.text.as_str(), deleted.header("content-type")), (204, "", None));
}

#[test]
fn paths_that_lead_nowhere() {
    let server = Server::start();
    let (admin, nobody) = (server.member("ann", Role::Admin), server.client());
    let other = server.business("Other");
    let theirs = server.member_with("eve", Role::Admin, other, &[]).create("/api/field/zones/", json!({"name": "Theirs"}));
    let not_found = json!({"detail": "Not found.", "code": "not_found"});
    let mut wrong = vec![];
    let mut expect = |client: &Client, method: &str, path: &str, body: &Value| {
        let answer = client.send(method, path, None);
        if (answer.status, &answer.json(), answer.header("content-type")) != (404, body, Some("application/json")) {
            wrong.push(format!("{method} {path}: {} {}, not {body}", answer.status, answer.text));
        }
    };
    for path in [
        "/nothing",
        "/nothing/",
        "/api/nothing/",
        "/api/field/",
        "/api/field/leads/1/nothing/",
        "/api/field/leads/1/history/2/",
        "/api/auth/",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            expect(&nobody, method, path, &not_found);
        }
    }
    for id in ["abc", "1.0", "1e3", "-", "0x1", "%20", "1%202", "99999999999999999999", "%00", "%F0%9F%92%A9", "1;2", "null"] {
        for method in ["GET", "DELETE"] {
            expect(&admin, method, &format!("/api/field/leads/{id}/"), &not_found);
        }
    }
    let lead = json!({"detail": "No Lead matches the given query.", "code": "not_found"});
    for id in ["999999", "0", "-1", "9223372036854775807", "018f3a5c-0000-7000-8000-000000000000"] {
        for method in ["GET", "DELETE"] {
            expect(&admin, method, &format!("/api/field/leads/{id}/"), &lead);
        }
        expect(&admin, "GET", &format!("/api/field/leads/{id}/history/"), &lead);
    }
    let zone = json!({"detail": "No Zone matches the given query.", "code": "not_found"});
    for id in [theirs["id"].to_string(), theirs["uuid"].as_str().unwrap_or_default().to_owned()] {
        for method in ["GET", "DELETE"] {
            expect(&admin, method, &format!("/api/field/zones/{id}/"), &zone);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever is sent as a path, the answer is JSON and the server goes on.
#[test]
fn odd_requests_do_no_harm() {
    let server = Server::start();
    let token = format!("Authorization: Bearer {}\r\n", server.member("ann", Role::Admin).token.expect("a token"));
    let long = format!("/api/field/leads/{}/", "9".repeat(5000));
    let query = format!("/api/field/leads/?{}", "page=1&".repeat(2000));
    for path in [
        "//",
        "//api//field//leads//",
        "/api/field/leads//",
        "/api/field/leads/../zones/",
        "/api/field/leads/%2e%2e/zones/",
        "/api/field/leads/%2F/",
        "/api/field/leads/%ff/",
        "/api/field/leads/%zz/",
        "/%",
        "/%00",
        "/\u{fe}",
        "http://elsewhere.example/api/field/leads/",
        "/api/field/leads/?%zz",
        "/api/field/leads/?page=%ff",
        "/api/field/leads/?=&&&==",
        "/api/field/leads/?search=%ff%00",
        "/api/field/leads/?page=99999999999999999999",
        "/api/field/leads/?page_size=-9223372036854775808",
        "/api/field/leads/?ordering=,,,-",
        "/api/field/leads/:id/",
        "/api/field/leads/{id}/",
        "/api/field/leads/*",
        long.as_str(),
        query.as_str(),
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let (status, headers, body) = raw(&server, &line(method, path, &token));
            let shown = &path[..path.len().min(60)];
            assert!((200..500).contains(&status), "{method} {shown}: {status} {body}");
            let is_json = headers.iter().any(|(name, value)| name == "content-type" && value == "application/json");
            assert!(status < 400 || is_json && body.contains("\""), "{method} {shown}: {status} {headers:?}");
            assert!(headers.iter().all(|(name, _)| name != "server"), "{method} {shown}: a Server header");
        }
    }
    assert_eq!(server.client().get("/healthz").status, 200, "it goes on");
}

// ------------------------------------------------------------------------------------------------ headers

/// Answers of every sort, for what all of them have.
fn every_sort(server: &Server) -> Vec<Answer> {
    let (admin, nobody, customer) = (server.member("ann", Role::Admin), server.client(), server.member("cat", Role::Customer));
    let zone = admin.post("/api/field/zones/", json!({"name": "North"}));
    let path = format!("/api/field/zones/{}/", zone.json()["id"]);
    let read = admin.get(&path);
    let unchanged = admin.with("if-none-match", read.header("etag").unwrap_or_default()).get(&path);
    let answers = vec![
        zone,
        read,
        unchanged,
        admin.get("/api/field/zones/"),
        admin.with("if-match", "\"99\"").patch(&path, json!({"name": "x"})),
        admin.post("/api/field/zones/", json!({})),
        admin.post("/api/field/zones/", json!([])),
        admin.send("POST", "/api/field/zones/", Some(("text/plain", b"x".to_vec()))),
        admin.send("PUT", "/api/field/zones/", None),
        admin.send("OPTIONS", "/api/field/zones/", None),
        admin.get("/api/field/zones/999/"),
        admin.delete(&path),
        nobody.get("/api/field/zones/"),
        customer.get("/api/field/zones/"),
        nobody.post("/api/auth/login/", json!({"username": "nobody", "password": "nothing at all"})),
        nobody.get("/api/nothing/"),
        nobody.get("/nothing"),
        nobody.get("/"),
        nobody.get("/healthz"),
        nobody.get("/readyz"),
        nobody.get("/api/docs/"),
        nobody.get("/api/redoc/"),
        nobody.get("/api/docs/start.js"),
        nobody.get("/api/schema/"),
        nobody.get("/api/schema/?format=openapi"),
    ];
    let statuses: BTreeSet<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 201, 204, 302, 304, 400, 401, 403, 404, 405, 412, 415].into(), "answers of every sort");
    answers
}

#[test]
fn headers_of_every_answer() {
    let server = Server::start();
    let answers = every_sort(&server);
    let mut wrong = vec![];
    let mut ids = BTreeSet::new();
    for answer in &answers {
        let call = format!("{} ({})", answer.call, answer.status);
        wrong.extend(
            HEADERS.iter().filter(|(name, value)| answer.header(name) != Some(value)).map(|(name, _)| format!("{call}: no {name}")),
        );
        wrong.extend(answer.header("content-security-policy").is_none().then(|| format!("{call}: no policy")));
        wrong.extend(answer.header("server").map(|value| format!("{call}: Server: {value}")));
        wrong.extend(
            (!ids.insert(answer.header("x-request-id").unwrap_or_default())).then(|| format!("{call}: the request id is not its own")),
        );
        if !matches!(answer.status, 204 | 304) {
            let length = answer.header("content-length").and_then(|length| length.parse().ok());
            wrong.extend((length != Some(answer.text.len())).then(|| format!("{call}: Content-Length {length:?}")));
        }
        if answer.status >= 400 {
            wrong.extend(
                (answer.header("content-type") != Some("application/json")).then(|| format!("{call}: {:?}", answer.header("content-type"))),
            );
            let body = answer.json();
            wrong.extend((body.get("detail").is_some() && !body["code"].is_string()).then(|| format!("{call}: no code in {body}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!ids.contains(""), "every answer has a request id");
    let forged = server.client().with("x-request-id", "forged-by-a-client").get("/healthz");
    assert_ne!(forged.header("x-request-id"), Some("forged-by-a-client"), "only trusted proxies name requests");
    let trusting = Server::start_with(|config| config.server.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")]);
    assert_eq!(trusting.client().with("x-request-id", "abc-123").get("/healthz").header("x-request-id"), Some("abc-123"));
    assert_ne!(trusting.client().with("x-request-id", "no spaces").get("/healthz").header("x-request-id"), Some("no spaces"));
}

/// Compact JSON as UTF-8, without a charset; answers vary by `Accept`.
#[test]
fn success_is_compact_json() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let created = admin.post("/api/field/zones/", json!({"name": "Nord – é “x” \u{1F600} / \\ \u{7f}"}));
    for answer in [&created, &admin.get("/api/field/zones/"), &admin.with("accept", "text/html").get("/api/field/zones/")] {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.call);
        assert_eq!(answer.text, answer.json().to_string(), "{}: compact, in order, and unescaped", answer.call);
        assert!(answer.text.contains("Nord – é “x” \u{1F600} / "), "{}", answer.text);
    }
    assert!(created.json()["created_at"] == "2026-03-02T09:00:00.000Z", "times are UTC with milliseconds and Z: {}", created.text);
}

#[test]
fn answers_vary_by_accept() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    for answer in [
        admin.get("/api/field/zones/"),
        admin.post("/api/field/zones/", json!({})),
        server.client().get("/api/field/zones/"),
        admin.get("/api/field/zones/9/"),
    ] {
        let vary: Vec<&str> = answer.headers.iter().filter(|(name, _)| name == "vary").flat_map(|(_, value)| value.split(", ")).collect();
        assert!(vary.iter().any(|name| name.eq_ignore_ascii_case("accept")), "{} ({}): Vary {vary:?}", answer.call, answer.status);
    }
}

/// What a client takes is looked at before who it is.
#[test]
fn an_accept_that_cannot_be_met_is_406() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let body = json!({"detail": "Could not satisfy the request Accept header.", "code": "not_acceptable"});
    for client in [&admin, &server.client()] {
        is(&client.with("accept", "application/xml").get("/api/field/zones/"), 406, &body);
    }
    for accept in [
        "*/*",
        "application/*",
        "application/json",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/json; q=0.5",
    ] {
        assert_eq!(admin.with("accept", accept).get("/api/field/zones/").status, 200, "{accept}");
    }
}

#[test]
fn pages_of_other_origins() {
    const OURS: &str = "https://app.example.org";
    let server = Server::start_with(|config| config.server.cors_origins = vec![OURS.into(), "http://localhost:5173".into()]);
    let admin = server.member("ann", Role::Admin);
    let values = |answer: &Answer, name: &str| -> BTreeSet<String> {
        answer.header(name).unwrap_or_default().split(", ").map(str::to_ascii_lowercase).filter(|value| !value.is_empty()).collect()
    };
    let varies =
        |answer: &Answer| answer.headers.iter().any(|(name, value)| name == "vary" && value.to_ascii_lowercase().contains("origin"));
    let preflight = |origin: &str, path: &str| {
        let client = server.client().with("origin", origin).with("access-control-request-method", "PATCH");
        client.with("access-control-request-headers", "authorization,content-type").send("OPTIONS", path, None)
    };
    for origin in [OURS, "http://localhost:5173"] {
        let answer = preflight(origin, "/api/field/zones/1/");
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{origin}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("access-control-max-age"), Some("600"));
        assert_eq!(answer.header("access-control-allow-methods"), Some("DELETE, GET, OPTIONS, PATCH, POST, PUT"));
        let allowed = values(&answer, "access-control-allow-headers");
        for header in
            ["accept", "authorization", "content-type", "user-agent", "x-csrftoken", "x-requested-with", "if-match", "if-none-match"]
        {
            assert!(allowed.contains(header), "{header} is not in {allowed:?}");
        }
        assert!(varies(&answer));
    }
    for origin in
        ["https://evil.example", "https://app.example.org.evil.example", "http://app.example.org", "null", "https://app.example.org:444"]
    {
        let answer = preflight(origin, "/api/field/zones/1/");
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{origin}");
        for answer in [answer, admin.with("origin", origin).get("/api/field/zones/")] {
            assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control-")), "{origin}: {:?}", answer.headers);
            assert!(varies(&answer), "{origin}: a cache must not mix origins");
        }
    }
    let ours = admin.with("origin", OURS);
    for (answer, status) in [
        (ours.get("/api/field/zones/"), 200),
        (ours.get("/api/field/zones/9/"), 404),
        (ours.post("/api/field/zones/", json!({})), 400),
        (server.client().with("origin", OURS).get("/api/field/zones/"), 401),
        (server.client().with("origin", OURS).get("/nothing/"), 404),
    ] {
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin"), varies(&answer)),
            (status, Some(OURS), true),
            "{}",
            answer.call
        );
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert!(values(&answer, "access-control-expose-headers").contains("etag"), "a page must be able to read the ETag");
    }
    let closed = Server::start();
    let answer = closed.client().with("origin", OURS).get("/healthz");
    assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control-")), "off by default");
}

// ------------------------------------------------------------------------------------------------ documents and checks

#[test]
fn checks_answer() {
    let server = Server::start();
    for (path, status) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = server.client().get(path);
        assert_eq!((answer.status, answer.json()), (200, json!({"status": status})));
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
}

/// What a page refers to: the values of its `src` and `href`.
fn links(page: &str) -> Vec<String> {
    let of =
        |attribute: &str| page.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect::<Vec<_>>();
    [of("src=\""), of("href=\"")].concat()
}

#[test]
fn pages_of_documents_load_only_from_here() {
    let server = Server::start();
    let client = server.client();
    for path in ["/api/docs/", "/api/docs", "/api/redoc/", "/api/redoc"] {
        let page = client.get(path);
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{path}");
        let policy = page.header("content-security-policy").unwrap_or_default();
        let directive =
            |name: &str| policy.split(';').map(str::trim).find_map(|part| part.strip_prefix(name)).map(str::trim).unwrap_or_default();
        assert_eq!((directive("default-src"), directive("script-src")), ("'none'", "'self'"), "{path}: {policy}");
        assert!(!policy.contains("http") && !policy.contains("unsafe-eval") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!(
            (directive("frame-ancestors"), directive("base-uri"), directive("connect-src")),
            ("'none'", "'none'", "'self'"),
            "{path}"
        );
        assert!(
            !page.text.contains("<script>") && !page.text.contains("://") && !page.text.contains("onload="),
            "{path} has a script or an address in it"
        );
        let links = links(&page.text);
        assert!(links.iter().filter(|link| link.ends_with(".js")).count() >= 2, "{path}: {links:?}");
        for link in links.iter().filter(|link| *link != "data:,") {
            assert!(link.starts_with('/') && !link.starts_with("//"), "{path} refers to {link}");
            let part = client.get(link);
            let kind = if link.ends_with(".js") { "text/javascript; charset=utf-8" } else { "text/css; charset=utf-8" };
            assert_eq!(
                (part.status, part.header("content-type"), part.header("x-content-type-options")),
                (200, Some(kind), Some("nosniff")),
                "{link}"
            );
            assert!(part.text.len() > 50, "{link} is empty");
        }
        let start = links.iter().find(|link| link.ends_with("start.js")).map(|link| client.get(link).text).unwrap_or_default();
        assert!(start.contains("/api/schema/") && !start.contains("://"), "{path} starts with {start}");
    }
    let home = client.get("/");
    assert_eq!((home.status, home.header("location")), (302, Some("/api/docs/")));
}

#[test]
fn the_schema_in_both_forms() {
    let server = Server::start();
    let client = server.client();
    for (accept, path, kind) in [
        ("", "/api/schema/", "json"),
        ("", "/api/schema", "json"),
        ("*/*", "/api/schema/", "json"),
        ("application/json", "/api/schema/", "json"),
        ("application/json", "/api/schema/?format=yaml", "yaml"),
        ("", "/api/schema/?format=yaml", "yaml"),
        ("application/yaml", "/api/schema/", "yaml"),
        ("application/yaml", "/api/schema/?format=json", "json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "/api/schema/", "json"),
    ] {
        let client = if accept.is_empty() { client.clone() } else { client.with("accept", accept) };
        let answer = client.get(path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(format!("application/{kind}").as_str())),
            "{path} as {accept}"
        );
        assert_eq!(answer.header("content-disposition"), Some(format!("inline; filename=\"studio.{kind}\"").as_str()));
        assert_eq!(answer.text.starts_with('{'), kind == "json", "{path} as {accept}");
        assert!(answer.header("vary").is_some_and(|vary| vary.contains("Accept")));
    }
    is(&client.get("/api/schema/?format=openapi"), 404, &json!({"detail": "Not found.", "code": "not_found"}));
    // Somebody who may do nothing else sees it, too.
    assert_eq!(server.staff("sam", &[Capability::Field]).get("/api/schema/").status, 200);
}
