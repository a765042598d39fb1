//! One's own sign-ins: what is told of them, how each, the others and all are ended, how many there are, what theft does to them and to
//! whom it is told.

use std::{env, thread};

use serde_json::{Value, json};
use studio::{actor::Role, auth::session::Opening};

use crate::support::{Answer, Client, PASSWORD, Server};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";

fn sign_in(server: &Server, agent: &str) -> Value {
    sign_in_by(&server.client().with("user-agent", agent), "/api/auth/login/").expect(200)
}

fn sign_in_by(client: &Client, path: &str) -> Answer {
    client.post(path, json!({"username": "ann", "password": PASSWORD}))
}

fn access(server: &Server, pair: &Value) -> Client {
    server.client().with_token(pair["access"].as_str().unwrap_or_else(|| panic!("no token in {pair}")))
}

fn refresh(server: &Server, token: &Value) -> Answer {
    server.client().post("/api/auth/token/refresh/", json!({"refresh": token}))
}

fn blacklisted(answer: &Answer) -> bool {
    answer.status == 401 && answer.json() == json!({"detail": "Token is blacklisted", "code": "token_not_valid"})
}

fn list(client: &Client) -> Vec<Value> {
    let page = client.get("/api/auth/sessions/").expect(200);
    let results = page["results"].as_array().expect("a list").clone();
    assert_eq!((&page["count"], &page["next"], &page["previous"]), (&json!(results.len()), &Value::Null, &Value::Null));
    results
}

/// Subjects of what was sent to somebody.
fn told(server: &Server, address: &str) -> Vec<String> {
    let sql = "SELECT payload ->> 'subject' FROM outbox WHERE recipient = ?1 AND template = 'security_notice' ORDER BY id";
    server.app.db.read(|reader| reader.rows(sql, &[address.into()], |row| row.get(0))).expect("the outbox")
}

#[test]
fn people_see_and_end_their_own_sign_ins() {
    let server = Server::start();
    let (ann, bob) = (server.member("ann", Role::Staff), server.member("bob", Role::Admin));
    let first = sign_in(&server, FIREFOX);
    server.clock.advance(60);
    let second = sign_in_by(&server.client().with("user-agent", IPHONE), "/api/v1/accounts/token/").expect(200);
    let me = access(&server, &first);
    let all = list(&me);
    assert_eq!(all.len(), 3, "with the one the test began with: {all:#?}");
    let shown = |session: &Value| {
        ["device", "user_agent", "ip_address", "created_at", "last_used_at", "remember", "current"].map(|name| session[name].clone())
    };
    let at = |text: &str| json!(format!("2026-03-02T09:0{text}.000Z"));
    assert_eq!(
        shown(&all[0]),
        [json!("Safari on iPhone"), json!(IPHONE), json!("127.0.0.1"), at("1:00"), at("1:00"), json!(false), json!(false)]
    );
    assert_eq!(
        shown(&all[1]),
        [json!("Firefox on Linux"), json!(FIREFOX), json!("127.0.0.1"), at("0:00"), at("0:00"), json!(false), json!(true)]
    );
    assert_eq!(all[2]["device"], "an unknown device");
    assert_eq!(all[0]["expires_at"], "2026-03-03T09:01:00.000Z");
    // Renewing is using, whether the token rotates or not; the sign-in stays the one it was.
    server.clock.advance(60);
    let renewed = refresh(&server, &first["refresh"]).expect(200);
    refresh(&server, &second["refresh"]).expect(200);
    let again = list(&access(&server, &renewed));
    assert_eq!(again.len(), 3);
    for (before, after) in [(&all[1], 0), (&all[0], 0)].map(|(before, _)| (before, again.iter().find(|one| one["id"] == before["id"]))) {
        let after = after.expect("it is still there");
        assert_eq!((&after["created_at"], &after["last_used_at"]), (&before["created_at"], &at("2:00")), "{after}");
    }
    // Somebody else's is not there.
    let id = |session: &Value| session["id"].as_str().expect("an id").to_owned();
    for path in ["/api/auth/sessions/", "/api/users/sessions/"] {
        for missing in [&id(&all[0]), "0", "nonsense", "00000000000000000000000000000000"] {
            let answer = bob.delete(&format!("{path}{missing}/"));
            assert_eq!((answer.status, answer.json()["detail"].clone()), (404, json!("Not found.")), "{path}{missing}");
        }
        assert_eq!(server.client().get(path).status, 401);
    }
    assert_eq!(list(&bob).len(), 1);
    // One ends, from the next request on.
    let other = access(&server, &second);
    other.get("/api/auth/me/").expect(200);
    assert_eq!(me.delete(&format!("/api/users/sessions/{}/", id(&all[0]))).status, 204);
    assert_eq!(other.get("/api/auth/me/").status, 401);
    assert!(blacklisted(&refresh(&server, &second["refresh"])));
    assert_eq!(me.delete(&format!("/api/auth/sessions/{}/", id(&all[0]))).status, 404, "it is over");
    assert_eq!(list(&me).len(), 2);
    // All others, then all.
    sign_in(&server, FIREFOX);
    let key = me.with("idempotency-key", "once");
    assert_eq!(key.post("/api/auth/sessions/end-others/", json!({})).expect(200), json!({"ended": 2}));
    assert_eq!(key.post("/api/auth/sessions/end-others/", json!({})).expect(200), json!({"ended": 2}), "the same answer again");
    assert_eq!(ann.get("/api/auth/me/").status, 401);
    assert_eq!(list(&me).iter().map(|one| one["current"].clone()).collect::<Vec<_>>(), [json!(true)]);
    let last = sign_in(&server, FIREFOX);
    assert_eq!(me.post("/api/users/sessions/end-all/", json!({})).expect(200), json!({"ended": 2}));
    assert_eq!([me, access(&server, &last)].map(|client| client.get("/api/auth/me/").status), [401, 401]);
    bob.get("/api/auth/me/").expect(200);
    // It is so after a restart.
    let server = server.restart();
    assert!(blacklisted(&refresh(&server, &last["refresh"])));
    assert_eq!(access(&server, &last).get("/api/auth/me/").status, 401);
}

#[test]
fn nobody_has_more_than_twenty_sign_ins() {
    let server = Server::start();
    let id = server.member("ann", Role::Staff).id;
    let open = || {
        let sessions = server.app.sessions.clone();
        server.clock.advance(1);
        server.write(move |tx| sessions.open(tx, id, Opening { rotates: true, ..Opening::default() }))
    };
    let (oldest, second) = (open(), open());
    (0..17).for_each(|_| drop(open()));
    let newest = open();
    let me = server.client().with_token(&newest.access);
    // Of the twenty-one with the test's own, that one has gone; the oldest is used, and so is no longer the one to go.
    assert_eq!(list(&me).len(), 20);
    let renewed = refresh(&server, &json!(oldest.refresh)).expect(200);
    open();
    assert_eq!(list(&me).len(), 20);
    assert!(blacklisted(&refresh(&server, &json!(second.refresh))), "the one used least recently goes");
    refresh(&server, &renewed["refresh"]).expect(200);
}

#[test]
fn another_password_or_a_closed_account_ends_them_and_another_role_holds_at_once() {
    let server = Server::start();
    let ann = server.member("ann", Role::Admin);
    let id = ann.id;
    ann.get("/api/field/leads/").expect(200);
    server.write(move |tx| {
        let membership: Option<i64> = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[id.into()])?;
        tx.update("memberships", membership.unwrap_or(0), vec![("role", "customer".into())])
    });
    assert_eq!(ann.get("/api/field/leads/").status, 403, "another role holds from the next request on");
    assert_eq!(list(&ann).len(), 1, "and ends nothing");
    let pair = sign_in(&server, FIREFOX);
    server.write(move |tx| studio::auth::account::set_password(tx, id, "$argon2id$none"));
    for client in [&ann, &access(&server, &pair)] {
        assert_eq!(client.get("/api/auth/me/").status, 401);
    }
    assert!(blacklisted(&refresh(&server, &pair["refresh"])));
    let sessions = server.app.sessions.clone();
    let opened = server.write(move |tx| sessions.open(tx, id, Opening { rotates: true, ..Opening::default() }));
    let me = server.client().with_token(&opened.access);
    assert_eq!(list(&me).len(), 1, "those before are over");
    let sessions = server.app.sessions.clone();
    assert_eq!(server.write(move |tx| sessions.end_all(tx, id, None, "deactivated")), 1);
    assert_eq!(me.get("/api/auth/me/").status, 401);
}

/// A stolen token ends the session whichever of its generations comes back, and those that were made meanwhile with it.
#[test]
fn any_ancestor_that_comes_back_ends_the_family() {
    let families: usize = env::var("STUDIO_FAMILIES").map_or(50, |count| count.parse().expect("STUDIO_FAMILIES is a number"));
    let server = Server::start();
    let id = server.member("ann", Role::Staff).id;
    const GENERATIONS: usize = 4;
    let mut over = 0;
    for family in 0..families {
        let sessions = server.app.sessions.clone();
        let opened = server.write(move |tx| sessions.open(tx, id, Opening { rotates: true, ..Opening::default() }));
        let mut tokens = vec![json!(opened.refresh)];
        let mut accesses = vec![opened.access];
        for _ in 1..GENERATIONS {
            let next = refresh(&server, &tokens[tokens.len() - 1]).expect(200);
            tokens.push(next["refresh"].clone());
            accesses.push(next["access"].as_str().expect("a token").to_owned());
        }
        server.clock.advance(31);
        // The youngest is used just before.
        let ancestor = family % GENERATIONS;
        let descendant = refresh(&server, &tokens[GENERATIONS - 1]).expect(200);
        accesses.push(descendant["access"].as_str().expect("a token").to_owned());
        tokens.push(descendant["refresh"].clone());
        // Its parent has its grace still.
        if ancestor == GENERATIONS - 1 {
            assert_eq!(refresh(&server, &tokens[ancestor]).expect(200)["refresh"], descendant["refresh"]);
            server.clock.advance(31);
        }
        assert!(blacklisted(&refresh(&server, &tokens[ancestor])), "family {family}, generation {ancestor}");
        let dead = accesses.iter().all(|token| server.client().with_token(token).get("/api/auth/me/").status == 401)
            && tokens.iter().all(|token| blacklisted(&refresh(&server, token)));
        over += usize::from(dead);
    }
    assert_eq!(over, families);
    assert_eq!(told(&server, "ann@example.com"), vec!["A session of your account was ended"; families]);
}

/// Eight tabs of one browser, which wake up together again and again.
#[test]
fn tabs_that_refresh_at_once_stay_signed_in() {
    let server = Server::start();
    server.member("ann", Role::Staff);
    let mut token = sign_in(&server, FIREFOX)["refresh"].clone();
    let family = "SELECT count(*) FROM refresh_tokens WHERE user_agent IS NOT NULL";
    let rounds = 12;
    for round in 0..rounds {
        let tabs: Vec<_> = (0..8)
            .map(|_| {
                let (client, body) = (server.client(), json!({"refresh": token}));
                thread::spawn(move || client.post("/api/auth/token/refresh/", body).expect(200))
            })
            .collect();
        let answers: Vec<Value> = tabs.into_iter().map(|tab| tab.join().expect("an answer")).collect();
        assert!(answers.iter().all(|answer| answer["refresh"] == answers[0]["refresh"]), "round {round}: one successor");
        for answer in &answers {
            access(&server, answer).get("/api/auth/me/").expect(200);
        }
        token = answers[0]["refresh"].clone();
        server.clock.advance(900);
    }
    let rows = server.app.db.read(|reader| reader.one::<i64>(family, &[])).expect("a count");
    assert_eq!(rows, Some(rounds + 1), "one token a round");
}

#[test]
fn people_are_told_of_new_devices() {
    let server = Server::start();
    let password = "violet-anchor-92";
    let body = json!({"username": "eve", "email": "eve@example.com", "password": password});
    server.client().post("/api/auth/register/", body).expect(201);
    let by = |agent: &str, cookie: &str| {
        let client = server.client().with("user-agent", agent).with("cookie", cookie);
        let answer = client.post("/api/users/login/", json!({"username": "eve", "password": password}));
        answer.expect(200);
        let mark = answer.headers.iter().find(|(name, value)| name == "set-cookie" && value.starts_with("studio_dev="));
        mark.map(|(_, value)| value.split(';').next().unwrap_or_default().to_owned())
    };
    let new = "A new device signed in to your account";
    let mark = by(FIREFOX, "").expect("a mark");
    assert_eq!(told(&server, "eve@example.com"), Vec::<String>::new(), "the first time is no news");
    by(FIREFOX, "");
    assert_eq!(told(&server, "eve@example.com"), Vec::<String>::new(), "the same program at the same address");
    by(IPHONE, "");
    assert_eq!(told(&server, "eve@example.com"), [new]);
    assert_eq!(by("Another browser", &mark), None, "a mark is known whatever the browser says");
    assert_eq!(told(&server, "eve@example.com"), [new]);
    let sql = "SELECT payload FROM outbox WHERE template = 'security_notice'";
    let payload = server.app.db.read(|reader| reader.one::<String>(sql, &[])).expect("the outbox").expect("a notice");
    let payload: Value = serde_json::from_str(&payload).expect("JSON");
    assert_eq!((&payload["device"], &payload["address"]), (&json!("Safari on iPhone"), &json!("127.0.0.1")));
    assert_eq!(payload["when"], "2 March 2026, 09:00 UTC");
    // Somebody without an address is told nothing, and signs in all the same.
    let id = server.member("ann", Role::Staff).id;
    server.write(move |tx| tx.update("users", id, vec![("email", studio::db::Value::Null)]));
    sign_in(&server, FIREFOX);
    sign_in(&server, IPHONE);
}
