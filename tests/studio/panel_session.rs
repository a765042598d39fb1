//! The panel's session goes on as long as somebody works, and ends when nobody does.

use studio::actor::Role;

use crate::{
    panel::{Browser, form_of, sent, set},
    support::Server,
};

const HOUR: i64 = 3600;

#[test]
fn a_session_goes_on_while_somebody_works() {
    let server = Server::start();
    let ada = server.member("ada", Role::Admin);
    let browser = Browser::signed_in(&server, "ada");
    let first = browser.cookies.borrow()["studio_admin"].clone();
    let mut form = form_of(&browser.get("/admin/field/zones/add/").text);
    // A session of a day, and three days of an hour's rhythm.
    for _ in 0..72 {
        server.clock.advance(HOUR);
        assert_eq!(browser.get("/admin/profile/").status, 200);
    }
    assert_ne!(browser.cookies.borrow()["studio_admin"], first);
    // What was opened before is still a form of this session.
    set(&mut form, "name", "Begun three days ago");
    assert_eq!(sent(&browser, "/admin/field/zones/add/", &form).status, 303);
    // It is one session still, and the cookie that it began with is over.
    let sessions = ada_sessions(&server);
    assert_eq!(sessions, 1, "one session");
    let old = Browser::new(&server);
    old.cookies.borrow_mut().insert("studio_admin".into(), first);
    assert_eq!(old.get("/admin/").status, 303);
    // Nobody works for longer than a session lasts.
    server.clock.advance(25 * HOUR);
    assert_eq!(browser.get("/admin/").status, 303);
    drop(ada);
}

fn ada_sessions(server: &Server) -> usize {
    let ada =
        server.client().post("/api/auth/login/", serde_json::json!({"username": "ada", "password": crate::support::PASSWORD})).expect(200);
    let client = server.client().with_token(ada["access"].as_str().expect("a token"));
    let all = client.get("/api/auth/sessions/").expect(200);
    // Without the one that asks.
    all["results"].as_array().expect("sessions").len() - 1
}

#[test]
fn a_session_that_was_ended_is_not_prolonged() {
    let server = Server::start();
    server.member("ada", Role::Admin);
    let (browser, other) = (Browser::signed_in(&server, "ada"), Browser::signed_in(&server, "ada"));
    server.clock.advance(13 * HOUR);
    let kept = browser.cookies.borrow()["studio_admin"].clone();
    assert_eq!(browser.get("/admin/profile/").status, 200);
    assert_ne!(browser.cookies.borrow()["studio_admin"], kept, "half of its life is over");
    // Another tab that still has the first gets the same.
    let renewed = browser.cookies.borrow()["studio_admin"].clone();
    // Another tab that still has the first gets the same.
    let tab = |cookie: &str| {
        let tab = Browser::new(&server);
        tab.cookies.borrow_mut().insert("studio_admin".into(), cookie.to_owned());
        tab
    };
    server.clock.advance(HOUR);
    let second = tab(&kept);
    assert_eq!(second.get("/admin/profile/").status, 200);
    assert_eq!(second.cookies.borrow()["studio_admin"], renewed);
    // Ended elsewhere, both are.
    assert_eq!(other.post("/admin/profile/sessions/", &[("id", "others")]).status, 303);
    for token in [kept, renewed] {
        assert_eq!(tab(&token).get("/admin/").status, 303);
    }
}
