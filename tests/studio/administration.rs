//! The administration of the panel: who finds which page, and that each does what the API does, for this business and no other.

use serde_json::{Value, json};
use studio::{
    actor::{Actor, Business, Role},
    config::Tls,
    jobs::Runner,
    outbox::{self, Channel},
};

use crate::{
    mail,
    panel::{self, Browser},
    support::{Answer, Client, PASSWORD, Server, runtime},
};

const PEOPLE: &str = "/admin/administration/people/";

fn membership(server: &Server, user: i64, business: i64) -> i64 {
    let sql = "SELECT id FROM memberships WHERE user_id = ?1 AND business_id = ?2";
    server.app.db.read(|reader| reader.one(sql, &[user.into(), business.into()])).expect("a query of the test").expect("a membership")
}

fn place(server: &Server, person: &Client) -> String {
    format!("{PEOPLE}{}/", membership(server, person.id, 1))
}

/// The page says this, and is one.
#[track_caller]
fn says(answer: &Answer, status: u16, words: &[&str]) {
    assert_eq!(answer.status, status, "{}: {}", answer.call, answer.text);
    for words in words {
        assert!(answer.text.contains(words), "{} does not say {words:?}: {}", answer.call, answer.text);
    }
}

/// Sends a form and follows where that leads.
#[track_caller]
fn done(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
    let sent = browser.post(path, fields);
    assert_eq!(sent.status, 303, "{}: {}", sent.call, sent.text);
    browser.get(sent.header("location").expect("a place"))
}

fn one<T: studio::db::FromCell>(server: &Server, sql: &str) -> T {
    server.app.db.read(|reader| reader.one(sql, &[])).expect("a query of the test").expect("a value")
}

/// So long that no proof is new any more.
fn wait(server: &Server) {
    server.clock.advance(i64::try_from(server.app.config.factors.fresh_seconds).expect("few") + 60);
}

// ------------------------------------------------------------------------------------------------ who

#[test]
fn the_section_is_for_those_who_run_the_business() {
    let server = Server::start();
    for (name, role) in [("ann", Role::Admin), ("max", Role::Manager), ("sam", Role::Staff), ("ada", Role::Agent)] {
        server.member(name, role);
    }
    server.superuser("root");
    // What is shown to whom: all of it, and what is for those who run the business, administrators, and superusers.
    let all = [
        ("people", "ann max root"),
        ("integrations", "ann root"),
        ("keys", "ann max root"),
        ("audit", "ann root"),
        ("outbox", "ann root"),
        ("system", "root"),
    ];
    for name in ["ann", "max", "sam", "ada", "root"] {
        let browser = Browser::signed_in(&server, name);
        let home = browser.get("/admin/").text;
        for (page, who) in all {
            let url = format!("/admin/administration/{page}/");
            let may = who.split(' ').any(|one| one == name);
            assert_eq!(home.contains(&format!("href=\"{url}\"")), may, "{page} in the menu of {name}");
            assert_eq!(browser.get(&url).status, if may { 200 } else { 403 }, "{page} for {name}");
        }
        assert_eq!(home.contains(">Administration<"), ["ann", "max", "root"].contains(&name), "{name}");
        assert_eq!(browser.get("/admin/administration/").status, 404);
        assert_eq!(browser.get("/admin/administration/nothing/").status, 404);
    }
    let nobody = Browser::new(&server).get(PEOPLE);
    assert_eq!(nobody.status, 303, "{}", nobody.text);
}

// ------------------------------------------------------------------------------------------------ people

#[test]
fn people_are_invited_changed_suspended_and_ended() {
    let server = Server::start();
    server.member("ann", Role::Admin);
    let sam = server.member("sam", Role::Staff);
    let browser = Browser::signed_in(&server, "ann");
    says(&browser.get(PEOPLE), 200, &["sam Example", "sam@example.com", ">Staff<", "Second factor"]);
    // Inviting: what is wrong stands beside its field, and what was typed stays.
    let invite = format!("{PEOPLE}invite/");
    says(&browser.get(&invite), 200, &["name=\"email\"", "name=\"role\"", "value=\"chat_admin\"", "What the roles may do"]);
    let refused = browser.post(&invite, &[("email", "no address"), ("role", "staff"), ("full_name", "Grace")]);
    says(&refused, 400, &["id=\"e-email\"", "value=\"no address\"", "value=\"Grace\""]);
    let refused = browser.post(&invite, &[("email", "grace@example.org"), ("role", "agent"), ("capabilities", "hr")]);
    says(&refused, 400, &["Only staff have capabilities", "value=\"hr\" checked"]);
    let form =
        [("email", "grace@example.org"), ("role", "staff"), ("full_name", "Grace"), ("capabilities", "hr"), ("capabilities", "finance")];
    says(
        &done(&browser, &invite, &form),
        200,
        &["The invitation is on its way.", ">Invited<", "Grace", "Finance", "Send the invitation again"],
    );
    let invited: i64 = one(&server, "SELECT id FROM memberships WHERE status = 'invited'");
    says(&done(&browser, &format!("{PEOPLE}{invited}/resend/"), &[]), 200, &["with a new link"]);
    assert_eq!(one::<i64>(&server, "SELECT count(*) FROM outbox WHERE template = 'invitation'"), 2);
    says(&browser.get(&format!("{PEOPLE}?status=invited")), 200, &["Grace", ">Invited <span class=\"count\">1</span>"]);
    assert!(!browser.get(&format!("{PEOPLE}?status=active")).text.contains("Grace"));
    says(&done(&browser, &format!("{PEOPLE}{invited}/end/"), &[]), 200, &["It was ended.", ">Ended<"]);
    // Role and capabilities.
    let at = place(&server, &sam);
    let version =
        |page: &Answer| page.text.split("name=\"version\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let page = browser.get(&at);
    let old = version(&page).expect("a version");
    says(
        &done(&browser, &at, &[("version", &old), ("role", "staff"), ("branch", ""), ("capabilities", "field")]),
        200,
        &["Your changes were saved.", "value=\"field\" checked"],
    );
    assert_eq!(one::<String>(&server, "SELECT capabilities FROM memberships WHERE role = 'staff' AND status = 'active'"), "[\"field\"]");
    says(&browser.post(&at, &[("version", &old), ("role", "agent"), ("branch", "")]), 400, &["Somebody else changed this"]);
    // Suspended, they are out; and in again.
    sam.get("/api/auth/me/").expect(200);
    says(&done(&browser, &format!("{at}suspend/"), &[]), 200, &["no access for the time being", ">Suspended<", "Give access again"]);
    assert_eq!(sam.get("/api/field/leads/").status, 401);
    says(&done(&browser, &format!("{at}activate/"), &[]), 200, &["access again", ">Active<"]);
    says(&done(&browser, &format!("{at}activate/"), &[]), 200, &["active already"]);
}

#[test]
fn whoever_leaves_leaves_no_work_behind() {
    let server = Server::start();
    let ann = server.member("ann", Role::Admin);
    let (ada, eve) = (server.member("ada", Role::Agent), server.member("eve", Role::Agent));
    for name in ["One", "Two"] {
        ada.create("/api/field/leads/", json!({"business_name": name, "contact_phone": "0701"}));
    }
    let browser = Browser::signed_in(&server, "ann");
    let end = format!("{}end/", place(&server, &ada));
    says(&browser.get(&end), 200, &["What is left to do", "Leads", "<span>2</span>", "eve Example"]);
    assert!(!browser.get(&end).text.contains("ada Example</option>"));
    says(&browser.post(&end, &[("reassign_to", "")]), 400, &["Choose who goes on", "<span>2</span>"]);
    let gone = done(&browser, &end, &[("reassign_to", &eve.id.to_string())]);
    says(&gone, 200, &["It was ended.", ">Ended<"]);
    assert_eq!(ann.get(&format!("/api/field/leads/?assigned_to={}", eve.id)).expect(200)["count"], json!(2));
    assert_eq!(ada.get("/api/field/leads/").status, 401);
}

#[test]
fn sign_ins_are_seen_ended_and_unlocked() {
    let server = Server::start();
    let ann = server.member("ann", Role::Admin);
    let sam = server.member("sam", Role::Staff);
    let browser = Browser::signed_in(&server, "ann");
    let at = place(&server, &sam);
    let api = format!("/api/accounts/users-list/{}/", sam.id);
    let (phone, desk) = (Browser::signed_in(&server, "sam"), Browser::signed_in(&server, "sam"));
    says(&browser.get(&at), 200, &["Signed in <span class=\"count\">3</span>", "The account is not locked.", "no second factor"]);
    let known = ann.get(&format!("{api}access/")).expect(200);
    assert_eq!((&known["second_factor"], &known["locked_until"], &known["open_work"]), (&json!(false), &Value::Null, &json!([])));
    assert_eq!(known["last_sign_in_at"], json!(crate::support::NOW));
    let first = known["sessions"][0]["id"].as_str().expect("an id").to_owned();
    says(
        &done(&browser, &format!("{at}end-session/"), &[("session", &first)]),
        200,
        &["The sign-in was ended.", "<span class=\"count\">2</span>"],
    );
    assert_eq!(browser.post(&format!("{at}end-session/"), &[("session", &first)]).status, 404);
    says(&done(&browser, &format!("{at}end-sessions/"), &[]), 200, &["2 sign-ins were ended.", "Nowhere."]);
    for gone in [&phone, &desk] {
        assert_eq!(gone.get("/admin/").status, 303);
    }
    assert_eq!(sam.get("/api/auth/me/").status, 401);
    // One's own, but for the one that asks.
    says(&done(&browser, &format!("{}end-sessions/", place(&server, &ann)), &[]), 200, &["1 sign-in was ended.", "This one"]);
    // What is for administrators is not for managers; and sign-ins elsewhere are nobody's here.
    let max = server.member("max", Role::Manager);
    for (method, path) in [("GET", "access/"), ("POST", "end-sessions/"), ("DELETE", "sessions/0/")] {
        assert_eq!(max.send(method, &format!("{api}{path}"), None).status, 403, "{path}");
    }
    let other = server.business("Other");
    let boss = server.member_with("boss", Role::Admin, other, &[]);
    assert_eq!(boss.get(&format!("{api}access/")).status, 404);
    let sam_id = sam.id;
    server.write(move |tx| {
        let values = vec![("business_id", other.into()), ("user_id", sam_id.into()), ("role", "staff".into()), ("status", "active".into())];
        tx.insert("memberships", values)
    });
    Browser::signed_in(&server, "sam");
    assert_eq!(boss.get(&format!("{api}access/")).expect(200)["sessions"], json!([]));
    assert_eq!(again(&server, "ann").get(&format!("{api}access/")).expect(200)["sessions"].as_array().map(Vec::len), Some(1));
    assert_eq!(Browser::signed_in(&server, "boss").get(&place(&server, &sam)).status, 404);
    assert_eq!(one::<i64>(&server, "SELECT count(*) FROM audit_log WHERE action LIKE 'users.end_session%'"), 3);
}

/// Somebody who signs in once more: the clock has gone on.
fn again(server: &Server, name: &str) -> Client {
    let answer = server.client().post("/api/auth/login/", json!({"identifier": name, "password": PASSWORD})).expect(200);
    server.client().with_token(answer["access"].as_str().expect("a token"))
}

#[test]
fn what_is_sensitive_asks_for_the_password_and_goes_on() {
    let server = Server::start();
    server.member("ann", Role::Admin);
    let sam = server.member("sam", Role::Staff);
    crate::factors::enable(&server, &sam);
    let browser = Browser::signed_in(&server, "ann");
    let reset = format!("{}reset-2fa/", place(&server, &sam));
    says(&browser.get(&place(&server, &sam)), 200, &["It has a second factor.", "Reset the second factor"]);
    wait(&server);
    says(&browser.post(&reset, &[]), 403, &["Confirm that it is you", "name=\"confirm_password\"", &format!("action=\"{reset}\"")]);
    says(&browser.post(&reset, &[("confirm_password", "wrong")]), 400, &["role=\"alert\"", "name=\"confirm_password\""]);
    assert_eq!(one::<i64>(&server, "SELECT count(*) FROM second_factors"), 1);
    says(&done(&browser, &reset, &[("confirm_password", PASSWORD)]), 200, &["was reset", "It has no second factor."]);
    assert_eq!(one::<i64>(&server, "SELECT count(*) FROM second_factors"), 0);
    // What was sent is kept, every value of it, and carried out then.
    wait(&server);
    let invite = format!("{PEOPLE}invite/");
    let asked = browser.post(&invite, &[("email", "x@example.org"), ("role", "admin"), ("capabilities", "")]);
    says(&asked, 403, &["name=\"email\" value=\"x@example.org\"", "name=\"role\" value=\"admin\""]);
}

// ------------------------------------------------------------------------------------------------ integrations

const INTEGRATIONS: &str = "/admin/administration/integrations/";
const SECRET: &str = "zqsecret-0123456789-wxyz";

/// An integration of whoever asks, with a secret.
fn provider(admin: &Client, kind: &str, config: Value) -> i64 {
    let made = admin.create("/api/integrations/", json!({"kind": kind, "name": format!("Own {kind}"), "config": config}));
    admin.put(&format!("/api/integrations/{}/secret/", made["id"]), json!({"secret": SECRET})).expect(200);
    made["id"].as_i64().expect("an id")
}

fn mail_server(port: u16) -> Value {
    json!({"host": "127.0.0.1", "port": port, "tls": "none", "from": "Own <own@business.example.org>"})
}

/// Puts a message of a business into the outbox.
fn queue(server: &Server, business: Option<i64>, channel: Channel, to: &str, template: &str) -> i64 {
    let payload = json!({"subject": "Hello", "text": "Hello", "code": "4711", "minutes": 5});
    let message = mail::message(channel, to, template, payload);
    let mut actor = Actor::clone(&server.app.system());
    if let Some(business) = business {
        actor = actor.in_business(Business::new(business, "USD".into(), "UTC", None));
    }
    server.app.db.write_blocking(actor.into(), move |tx| outbox::send(tx, message.clone())).expect("a message")
}

fn run(server: &Server) {
    let runner = Runner::new(&server.app).expect("the providers");
    runtime().block_on(runner.run_due()).expect("the runner works");
}

fn became(server: &Server, id: i64) -> (String, Option<String>) {
    let sql = "SELECT status, last_error FROM outbox WHERE id = ?1";
    let row = server.app.db.read(|reader| reader.row(sql, &[id.into()], |row| Ok((row.get(0)?, row.get(1)?))));
    row.expect("a query").expect("a row")
}

#[test]
fn each_business_sends_by_its_own_provider_and_by_the_servers_without_one() {
    let ((one_port, one_talk), (two_port, two_talk), (port, talk)) = (mail::smtp(None), mail::smtp(None), mail::smtp(None));
    let server = Server::start_with(|config| {
        config.email.host = "127.0.0.1".into();
        config.email.port = port;
        config.email.tls = Tls::None;
        config.outbound.allowed_hosts = vec![format!("127.0.0.1:{one_port}"), format!("127.0.0.1:{two_port}")];
    });
    let (second, third) = (server.business("Second"), server.business("Third"));
    provider(&server.member("ann", Role::Admin), "smtp", mail_server(one_port));
    provider(&server.member_with("bea", Role::Admin, second, &[]), "smtp", mail_server(two_port));
    // One that is switched off, or not set up, counts for nothing.
    let cleo = server.member_with("cleo", Role::Admin, third, &[]);
    let off = provider(&cleo, "smtp", mail_server(one_port));
    cleo.patch(&format!("/api/integrations/{off}/"), json!({"is_active": false})).expect(200);
    cleo.create("/api/integrations/", json!({"kind": "smtp", "name": "Not set up"}));
    let sent: Vec<i64> = [(1, "one@example.org"), (second, "two@example.org"), (third, "three@example.org")]
        .into_iter()
        .map(|(business, to)| queue(&server, Some(business), Channel::Email, to, "message"))
        .collect();
    run(&server);
    for id in sent {
        assert_eq!(became(&server, id), ("sent".to_owned(), None));
    }
    for (talk, to, from) in [(one_talk, "one", "own@business"), (two_talk, "two", "own@business"), (talk, "three", "studio@")] {
        let heard = talk.join().expect("the conversation");
        let receivers: Vec<&str> = heard.lines().filter(|line| line.starts_with("RCPT")).collect();
        assert_eq!(receivers, [format!("RCPT TO:<{to}@example.org>")], "{heard}");
        assert!(heard.contains(&format!("MAIL FROM:<{from}")), "{heard}");
    }
}

#[test]
fn what_proves_who_somebody_is_leaves_by_the_servers_own() {
    let ((own_port, own_talk), (port, talk)) = (mail::smtp(None), mail::smtp(None));
    let server = Server::start_with(|config| {
        config.email.host = "127.0.0.1".into();
        config.email.port = port;
        config.email.tls = Tls::None;
        config.outbound.allowed_hosts = vec![format!("127.0.0.1:{own_port}")];
    });
    provider(&server.member("ann", Role::Admin), "smtp", mail_server(own_port));
    queue(&server, Some(1), Channel::Email, "code@example.org", "one_time_code");
    run(&server);
    assert!(talk.join().expect("the conversation").contains("RCPT TO:<code@example.org>"));
    queue(&server, Some(1), Channel::Email, "news@example.org", "message");
    run(&server);
    let heard = own_talk.join().expect("the conversation");
    assert!(heard.contains("RCPT TO:<news@example.org>") && !heard.contains("code@example.org"), "{heard}");
    // A server that sends nothing itself, and has one business, leaves it to that.
    let (own_port, own_talk) = mail::smtp(None);
    let server = Server::start_with(|config| config.outbound.allowed_hosts = vec![format!("127.0.0.1:{own_port}")]);
    provider(&server.member("ann", Role::Admin), "smtp", mail_server(own_port));
    queue(&server, Some(1), Channel::Email, "code@example.org", "one_time_code");
    run(&server);
    assert!(own_talk.join().expect("the conversation").contains("RCPT TO:<code@example.org>"));
    server.business("Second");
    // Nobody listens there any more: with a second business it is only written to the log.
    let id = queue(&server, Some(1), Channel::Email, "code@example.org", "one_time_code");
    run(&server);
    assert_eq!(became(&server, id), ("sent".to_owned(), None));
}

#[test]
fn an_integration_is_set_up_tried_out_and_removed() {
    let ((good, good_talk), (bad, bad_talk)) = (
        mail::http("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}".into()),
        mail::http(format!("HTTP/1.1 401 No {SECRET}\r\nContent-Length: 24\r\n\r\n{SECRET}")),
    );
    let server = Server::start_with(|config| config.outbound.allowed_hosts = [good, bad].map(|port| format!("127.0.0.1:{port}")).into());
    let ann = server.member("ann", Role::Admin);
    let browser = Browser::signed_in(&server, "ann");
    says(&browser.get(INTEGRATIONS), 200, &["Mail server", "Without one, mail leaves by the server", "add/?kind=sms"]);
    assert!(!browser.get("/admin/").text.contains("href=\"/admin/integrations/\""), "the menu names one list of them");
    let add = format!("{INTEGRATIONS}add/?kind=sms");
    says(&browser.get(&add), 200, &["name=\"url\"", "name=\"headers\"", "name=\"body\""]);
    let wrong = [("name", "Short"), ("is_active", "true"), ("url", "http://x.example.org"), ("headers", "nonsense"), ("body", "{")];
    says(&browser.post(&add, &wrong), 400, &["id=\"e-headers\"", "id=\"e-body\"", "This is no JSON.", "value=\"http://x.example.org\""]);
    assert_eq!(browser.get(&format!("{INTEGRATIONS}add/?kind=nothing")).status, 404);
    let url = format!("http://127.0.0.1:{good}/send");
    let right =
        [("name", "Short"), ("is_active", "true"), ("url", &url), ("headers", "Authorization: Bearer {secret}\r\nX-A: b"), ("body", "")];
    let page = done(&browser, &add, &right);
    says(&page, 200, &["It was added.", "Authorization: Bearer {secret}", "It is never shown."]);
    let id: i64 = one(&server, "SELECT max(id) FROM integrations");
    let at = format!("{INTEGRATIONS}{id}/");
    // The secret goes in and is nowhere to be seen, also on the page that asks for the password.
    says(&browser.post(&format!("{at}secret/"), &[("secret", "")]), 400, &["Enter the secret."]);
    wait(&server);
    let asked = browser.post(&format!("{at}secret/"), &[("secret", SECRET)]);
    says(&asked, 403, &["Confirm that it is you", "name=\"secret\""]);
    assert!(!asked.text.contains(SECRET));
    let set = done(&browser, &format!("{at}secret/"), &[("confirm_password", PASSWORD), ("secret", SECRET)]);
    says(&set, 200, &["It is not shown again.", "ends in wxyz"]);
    // Tried out: to oneself there is no number, so the API says so beside the field.
    says(&browser.post(&format!("{at}test/"), &[("to", "")]), 400, &["id=\"e-to\""]);
    let tried = browser.post(&format!("{at}test/"), &[("to", "+256700123456")]);
    says(&tried, 200, &["has taken the test", "role=\"status\""]);
    let heard = good_talk.join().expect("the conversation");
    assert!(heard.to_lowercase().contains(&format!("authorization: bearer {SECRET}")) && heard.contains("+256700123456"), "{heard}");
    // Elsewhere the secret does not go by itself.
    let version =
        |page: &Answer| page.text.split("name=\"version\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let now = version(&browser.get(&at)).expect("a version");
    let url = format!("http://127.0.0.1:{bad}/send");
    let moved = [
        ("version", now.as_str()),
        ("name", "Short"),
        ("is_active", "true"),
        ("url", &url),
        ("headers", "Authorization: Bearer {secret}"),
        ("body", ""),
    ];
    says(&done(&browser, &at, &moved), 200, &["set its secret again", "token: none"]);
    done(&browser, &format!("{at}secret/"), &[("secret", SECRET)]);
    let tried = browser.post(&format!("{at}test/"), &[("to", "+256700123456")]);
    says(&tried, 200, &["The provider does not accept the account or the secret.", "answered 401", "role=\"alert\""]);
    bad_talk.join().expect("the conversation");
    for path in [INTEGRATIONS, &at, &format!("/admin/integrations/{id}/history/"), "/admin/integrations/"] {
        assert!(!browser.get(path).text.contains("zqsecret"), "{path}");
    }
    assert!(!tried.text.contains("zqsecret"));
    for (table, column) in [("audit_log", "after"), ("outbox", "payload"), ("outbox", "last_error"), ("integrations", "secret_enc")] {
        let sql = format!("SELECT count(*) FROM {table} WHERE {column} LIKE '%zqsecret%'");
        assert_eq!(one::<i64>(&server, &sql), 0, "{table}.{column}");
    }
    // Another business's is not there, whatever is done to it.
    let other = server.business("Other");
    server.member_with("boss", Role::Admin, other, &[]);
    let boss = Browser::signed_in(&server, "boss");
    assert_eq!(boss.get(&at).status, 404);
    for what in ["", "secret/", "test/", "remove/"] {
        assert_eq!(boss.post(&format!("{at}{what}"), &[("secret", "x"), ("to", "+256700123456"), ("name", "x")]).status, 404, "{what}");
    }
    says(&done(&browser, &format!("{at}remove/"), &[]), 200, &["It was removed"]);
    assert_eq!(browser.get(&at).status, 404);
    assert_eq!(one::<i64>(&server, "SELECT count(*) FROM integrations WHERE secret_enc IS NOT NULL"), 0);
    drop(ann);
}

#[test]
fn what_a_business_names_is_called_with_care() {
    let server = Server::start();
    let ann = server.member("ann", Role::Admin);
    let to = |kind: &str| if kind == "smtp" { "ruth@example.org" } else { "+256700123456" };
    let mut count = 0;
    let mut tried = |kind: &str, config: Value| {
        count += 1;
        let made = ann.create("/api/integrations/", json!({"kind": kind, "name": format!("{count}"), "config": config}));
        let said = ann.post(&format!("/api/integrations/{}/test/", made["id"]), json!({"to": to(kind)})).expect(200);
        assert_eq!(said["sent"], json!(false), "{said}");
        said["detail"].as_str().expect("words").to_owned()
    };
    let mail = |host: &str, port: u16, tls: &str| json!({"host": host, "port": port, "tls": tls, "from": "a@example.org"});
    for (host, port, tls, words) in [
        ("127.0.0.1", 587, "starttls", "not public"),
        ("localhost", 465, "tls", "not public"),
        ("169.254.169.254", 25, "starttls", "not public"),
        ("::1", 587, "starttls", ""),
        ("0x7f000001", 587, "starttls", ""),
        ("127.0.0.1", 22, "starttls", "ports"),
        ("127.0.0.1", 8000, "none", "ports"),
        ("127.0.0.1", 587, "none", "not encrypted"),
    ] {
        if host == "::1" {
            assert_eq!(ann.post("/api/integrations/", json!({"kind": "smtp", "name": "six", "config": mail(host, port, tls)})).status, 400);
            continue;
        }
        let said = tried("smtp", mail(host, port, tls));
        assert!(said.contains(words), "{host}:{port}: {said}");
    }
    for (url, words) in [
        ("http://example.org/", "not one of https"),
        ("https://127.0.0.1/", "not public"),
        ("https://localhost/", "not public"),
        ("https://[::1]/", "not public"),
        ("https://example.org:8443/", "another port"),
        ("https://2130706433/", "not public"),
    ] {
        let said = tried("sms", json!({"url": url}));
        assert!(said.contains(words), "{url}: {said}");
    }
    assert!(tried("smtp", json!({})).contains("host is missing"));
    for (kind, config) in [
        ("smtp", json!({"port": 0})),
        ("smtp", json!({"from": "x"})),
        ("smtp", json!({"tls": "ssl"})),
        ("sms", json!({"method": "GET"})),
        ("sms", json!({"headers": ["a\r\nb: c"]})),
    ] {
        let answer = ann.post("/api/integrations/", json!({"kind": kind, "name": "wrong", "config": config}));
        assert!(answer.status == 400 && answer.json()["config"].is_array(), "{}", answer.text);
    }
    for kind in ["llm", "webhook"] {
        let made = ann.create("/api/integrations/", json!({"kind": kind, "name": kind}));
        assert_eq!(ann.post(&format!("/api/integrations/{}/test/", made["id"]), json!({})).status, 409);
    }
}

// ------------------------------------------------------------------------------------------------ API keys

#[test]
fn a_key_is_made_shown_once_and_revoked() {
    let server = Server::start();
    server.member("ann", Role::Admin);
    let browser = Browser::signed_in(&server, "ann");
    let place = "/admin/administration/keys/";
    says(&browser.get(place), 200, &["There are no keys yet"]);
    let add = format!("{place}add/");
    says(&browser.get(&add), 200, &["value=\"*:read\"", "value=\"field/leads:write\"", "type=\"datetime-local\""]);
    says(
        &browser.post(&add, &[("name", ""), ("expires_at", "2020-01-01T00:00")]),
        400,
        &["id=\"e-name\"", "may not be empty", "id=\"e-expires_at\""],
    );
    let form = [("name", "Website"), ("expires_at", "2027-01-01T00:00"), ("scopes", "field/leads:read"), ("scopes", "field/leads:write")];
    wait(&server);
    says(&browser.post(&add, &form), 403, &["Confirm that it is you", "value=\"field/leads:write\""]);
    let confirmed: Vec<(&str, &str)> = form.into_iter().chain([("confirm_password", PASSWORD)]).collect();
    let made = browser.post(&add, &confirmed);
    says(&made, 201, &["it is not shown again", "field/leads:read", "1 Jan 2027"]);
    let key = made.text.split("<code>sk_").nth(1).and_then(|rest| rest.split('<').next()).map(|rest| format!("sk_{rest}")).expect("a key");
    let machine = server.client().with_token(&key);
    machine.get("/api/field/leads/").expect(200);
    assert_eq!(machine.get("/api/field/zones/").status, 403);
    let list = browser.get(place);
    says(&list, 200, &["Website", &key[..11], ">Active<", "ann Example"]);
    assert!(!list.text.contains(&key));
    let id: i64 = one(&server, "SELECT max(id) FROM api_keys");
    let other = server.business("Other");
    server.member_with("boss", Role::Admin, other, &[]);
    assert_eq!(Browser::signed_in(&server, "boss").post(&format!("{place}{id}/revoke/"), &[]).status, 404);
    says(&done(&browser, &format!("{place}{id}/revoke/"), &[]), 200, &["good for nothing any more", ">Revoked<"]);
    assert_eq!(machine.get("/api/field/leads/").status, 401);
}

// ------------------------------------------------------------------------------------------------ the audit log

const AUDIT: &str = "/admin/administration/audit/";

/// The numbers of all entries that a filter finds, page by page.
fn walked(client: &Client, filter: &str) -> Vec<i64> {
    let mut ids: Vec<i64> = vec![];
    let mut path = format!("/api/audit/?page_size=3{filter}");
    loop {
        let page = client.get(&path).expect(200);
        let found: Vec<i64> = page["results"].as_array().expect("entries").iter().filter_map(|one| one["id"].as_i64()).collect();
        assert!(found.len() <= 3 && found.is_sorted_by(|one, next| one > next), "{found:?}");
        assert!(ids.last().is_none_or(|last| found.iter().all(|id| id < last)), "{ids:?} {found:?}");
        ids.extend(found);
        let Some(next) = page["next"].as_str() else { return ids };
        path = next.split_once("/api/").map(|(_, rest)| format!("/api/{rest}")).expect("a path");
    }
}

#[test]
fn what_was_done_is_listed_narrowed_and_read() {
    let server = Server::start();
    let (ann, max) = (server.member("ann", Role::Admin), server.member("max", Role::Manager));
    let zone = ann.create("/api/field/zones/", json!({"name": "North"}))["id"].clone();
    for name in 0..7 {
        max.create("/api/field/zones/", json!({"name": format!("Zone {name}")}));
    }
    server.clock.advance(2 * 86_400);
    let path = format!("/api/field/zones/{zone}/");
    again(&server, "ann").patch(&path, json!({"name": "South"})).expect(200);
    let ann = again(&server, "ann");
    let count = |filter: &str| walked(&ann, filter).len();
    let zones = "&resource=field/zones";
    assert_eq!((count(zones), count(&format!("{zones}&record={zone}")), count(&format!("{zones}&action=update"))), (9, 2, 1));
    assert_eq!((count(&format!("{zones}&actor={}", max.id)), count(&format!("{zones}&actor={}", ann_id(&server)))), (7, 2));
    assert_eq!(
        (
            count(&format!("{zones}&until=2026-03-02")),
            count(&format!("{zones}&from=2026-03-03")),
            count(&format!("{zones}&from=2026-03-02T08:00"))
        ),
        (8, 1, 9)
    );
    let newest = ann.get(&format!("/api/audit/?resource=field/zones&record={zone}")).expect(200)["results"][0].clone();
    assert_eq!((&newest["action"], &newest["name"], &newest["target"]), (&json!("zones.update"), &json!("South"), &zone));
    assert_eq!(newest["changes"], json!([{"field": "name", "before": "North", "after": "South"}]));
    assert_eq!((&newest["actor"]["username"], &newest["sealed"]), (&json!("ann"), &json!(false)));
    for wrong in ["actor=x", "resource=nothing", "record=1", "from=yesterday", "cursor=x"] {
        assert_eq!(ann.get(&format!("/api/audit/?{wrong}")).status, 400, "{wrong}");
    }
    server.app.audit.seal().expect("it is sealed");
    assert_eq!(ann.get("/api/audit/").expect(200)["results"][0]["sealed"], json!(true));
    // The page.
    let browser = Browser::signed_in(&server, "ann");
    let page = browser.get(&format!("{AUDIT}?resource=field%2Fzones&record={zone}"));
    says(&page, 200, &["<del>", "North", "South", "by ann Example", &format!("href=\"/admin/field/zones/{zone}/\""), ">Sealed<", "Clear"]);
    says(&browser.get(&format!("{AUDIT}?from=nonsense")), 200, &["role=\"alert\"", "Nothing was done that fits."]);
    for at in 0..60 {
        ann.create("/api/field/zones/", json!({"name": format!("More {at}")}));
    }
    let first = browser.get(AUDIT);
    says(&first, 200, &["More 59", "rel=\"next\""]);
    assert!(!first.text.contains("More 2<"));
    let next =
        first.text.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a link").replace("&amp;", "&");
    says(&browser.get(&format!("{AUDIT}{next}")), 200, &["More 2<", "Newest"]);
    // What was done elsewhere is nobody's here, and what is secret is not told.
    let other = server.business("Other");
    let boss = server.member_with("boss", Role::Admin, other, &[]);
    boss.create("/api/field/zones/", json!({"name": "Elsewhere"}));
    let integration = ann.create("/api/integrations/", json!({"kind": "smtp", "name": "Mail"}))["id"].clone();
    ann.put(&format!("/api/integrations/{integration}/secret/"), json!({"secret": SECRET})).expect(200);
    assert_eq!(walked(&boss, zones).len(), 1);
    let all = ann.get("/api/audit/?page_size=100").text;
    assert!(!all.contains("Elsewhere") && !all.contains("zqsecret") && !all.contains("_enc") && !all.contains("wxyz"), "{all}");
    assert!(!browser.get(AUDIT).text.contains("zqsecret"));
}

fn ann_id(server: &Server) -> i64 {
    one(server, "SELECT id FROM users WHERE username = 'ann'")
}

// ------------------------------------------------------------------------------------------------ jobs and outbox

const OUTBOX: &str = "/admin/administration/outbox/";

#[test]
fn messages_are_seen_and_sent_again() {
    let server = Server::start_with(|config| {
        config.email.host = "127.0.0.1".into();
        config.email.port = 1;
        config.email.tls = Tls::None;
    });
    let ann = server.member("ann", Role::Admin);
    let other = server.business("Other");
    let (code, none) = (
        queue(&server, Some(1), Channel::Email, "ruth@example.org", "one_time_code"),
        queue(&server, Some(1), Channel::Email, "nobody", "message"),
    );
    let foreign = queue(&server, Some(other), Channel::Email, "nowhere", "message");
    queue(&server, None, Channel::Email, "server@example.org", "message");
    run(&server);
    let browser = Browser::signed_in(&server, "ann");
    let page = browser.get(OUTBOX);
    says(
        &page,
        200,
        &[
            "r***@example.org",
            "One time code",
            ">Pending<",
            ">Failed<",
            "the address",
            "All <span class=\"count\">2</span>",
            "Send all that failed again",
        ],
    );
    assert!(!page.text.contains("ruth@") && !page.text.contains("4711") && !page.text.contains("Recurring work"), "{}", page.text);
    assert!(!browser.get(&format!("{OUTBOX}?status=pending")).text.contains(">Failed<"));
    let listed = ann.get("/api/outbox/?status=failed").expect(200);
    assert_eq!((&listed["count"], &listed["results"][0]["id"]), (&json!(1), &json!(none)));
    ann.get("/api/outbox/?status=lost").expect(400);
    assert!(!ann.get("/api/outbox/").text.contains("4711"));
    // Once more, as if for the first time; only what has failed, and only here.
    says(&done(&browser, &format!("{OUTBOX}{none}/retry/"), &[]), 200, &["The message is sent again."]);
    assert_eq!(became(&server, none).0, "pending");
    says(&done(&browser, &format!("{OUTBOX}{none}/retry/"), &[]), 200, &["Only what has failed"]);
    says(&done(&browser, &format!("{OUTBOX}{code}/retry/"), &[]), 200, &["this is pending"]);
    assert_eq!(browser.post(&format!("{OUTBOX}{foreign}/retry/"), &[]).status, 404);
    run(&server);
    says(&done(&browser, &format!("{OUTBOX}retry-failed/"), &[]), 200, &["1 message is sent again."]);
    assert_eq!((became(&server, none).0.as_str(), became(&server, foreign).0.as_str()), ("pending", "failed"));
    // The work of the server is for superusers.
    let job = format!("{OUTBOX}jobs/purge_outbox/run/");
    assert_eq!(browser.post(&job, &[]).status, 403);
    server.superuser("root");
    let root = Browser::signed_in(&server, "root");
    says(&root.get(OUTBOX), 200, &["Recurring work", "Purge outbox", "every hour", "daily at 03:10 UTC", "Run now"]);
    says(&done(&root, &job, &[]), 200, &["Purge outbox: 0 removed", ">Done<"]);
    assert_eq!(root.post(&format!("{OUTBOX}jobs/nothing/run/"), &[]).status, 404);
}

// ------------------------------------------------------------------------------------------------ the system

#[test]
fn the_system_page_tells_how_the_server_is() {
    let server = Server::start_with(|config| {
        config.sms.url = "https://sms.example.org/".into();
        config.sms.secret = SECRET.to_owned().into();
        config.outbound.allowed_hosts = vec!["127.0.0.1:9".into()];
    });
    server.superuser("root");
    run(&server);
    server.app.audit.seal().expect("it is sealed");
    server.clock.advance(90_000);
    run(&server);
    let (root, browser) = (again(&server, "root"), Browser::signed_in(&server, "root"));
    let state = root.get("/api/system/").expect(200);
    assert_eq!((&state["version"], &state["uptime_seconds"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(90_000)));
    assert!(state["database"]["bytes"].as_u64() > Some(100_000) && state["database"]["free_bytes"].as_u64() > Some(0), "{state}");
    assert!(state["seals"]["newest"].as_i64() >= Some(1) && state["tables"].as_array().is_some_and(|tables| tables.len() == 12), "{state}");
    assert_eq!(state["checks"].as_array().map(Vec::len), Some(2));
    let page = browser.get("/admin/administration/system/");
    let words = [
        "1 day, 1 hour",
        "Write-ahead log",
        "VACUUM INTO",
        "email.host",
        "127.0.0.1:9",
        "factors.require_2fa",
        "The audit log",
        "The largest tables",
        "checks hold",
    ];
    says(&page, 200, &words);
    assert!(!page.text.contains("zqsecret") && !page.text.contains("sms.url"), "{}", page.text);
    server.member("ann", Role::Admin);
    assert_eq!(Browser::signed_in(&server, "ann").get("/admin/administration/system/").status, 403);
}

// ------------------------------------------------------------------------------------------------ businesses and settings

#[test]
fn settings_are_grouped_and_features_are_boxes() {
    let server = Server::start();
    let ann = server.member("ann", Role::Admin);
    let browser = Browser::signed_in(&server, "ann");
    let page = browser.get("/admin/settings/");
    let words = [
        "Documents and books",
        "name=\"features\" value=\"finance\" checked",
        "Leads, visits and zones",
        "name=\"number_formats.invoice\"",
        "name=\"address.city\"",
    ];
    says(&page, 200, &words);
    // Every field that can be set has its place.
    for field in studio::resources::business::descriptor().fields.iter().filter(|field| !field.server_set && !field.hidden) {
        assert!(page.text.contains(&format!("name=\"{}", field.name)), "{}", field.name);
    }
    let mut form = panel::form_of(&page.text);
    let same = panel::sent(&browser, "/admin/settings/", &form);
    assert_eq!(same.status, 303, "{}", same.text);
    says(&browser.get("/admin/settings/"), 200, &["Nothing was changed."]);
    let before = ann.get("/api/business/settings/").expect(200);
    // A feature switched off is off at once, and in the menu no more.
    form.retain(|(name, value)| !(name == "features" && value == "field"));
    for (name, value) in
        [("address.city", "Kampala"), ("number_formats.invoice", "R-{SEQ:5}"), ("invoice_due_days", "30"), ("timezone", "Africa/Kampala")]
    {
        panel::set(&mut form, name, value);
    }
    assert_eq!(panel::sent(&browser, "/admin/settings/", &form).status, 303);
    let after = ann.get("/api/business/settings/").expect(200);
    assert_eq!((&after["features"]["field"], &after["features"]["finance"]), (&json!(false), &json!(true)));
    assert_eq!((&after["address"], &after["number_formats"]["invoice"]), (&json!({"city": "Kampala"}), &json!("R-{SEQ:5}")));
    assert_eq!((&after["invoice_due_days"], &after["timezone"]), (&json!(30), &json!("Africa/Kampala")));
    assert_eq!(after["number_formats"]["receipt"], before["number_formats"]["receipt"]);
    assert!(!browser.get("/admin/").text.contains("/admin/field/leads/"));
    // What was read before that is old by now; and what is wrong stands beside its field.
    says(&panel::sent(&browser, "/admin/settings/", &form), 400, &["Somebody else changed the settings meanwhile."]);
    let mut form = panel::form_of(&browser.get("/admin/settings/").text);
    let fresh = form.clone();
    for (name, value) in [("number_formats.invoice", "nothing"), ("invoice_due_days", "900"), ("country", "x")] {
        form.clone_from(&fresh);
        panel::set(&mut form, name, value);
        let refused = panel::sent(&browser, "/admin/settings/", &form);
        says(&refused, 400, &[&format!("id=\"e-{name}\""), &format!("value=\"{value}\"")]);
    }
}

#[test]
fn businesses_are_seen_made_and_gone_to() {
    let server = Server::start();
    server.member("ann", Role::Admin);
    let place = "/admin/administration/businesses/";
    let ann = Browser::signed_in(&server, "ann");
    says(&ann.get(place), 200, &["Main", ">Admin<", "href=\"/admin/settings/\""]);
    assert!(!ann.get(place).text.contains("businesses/add/"));
    assert_eq!(ann.get(&format!("{place}add/")).status, 403);
    server.superuser("root");
    let root = Browser::signed_in(&server, "root");
    let add = format!("{place}add/");
    says(&root.get(&add), 200, &["name=\"name\"", "name=\"timezone\"", "name=\"currency\""]);
    says(
        &root.post(&add, &[("name", ""), ("currency", "nothing"), ("timezone", "UTC"), ("country", "")]),
        400,
        &["id=\"e-name\"", "id=\"e-currency\""],
    );
    let form = [("name", "Second"), ("currency", "UGX"), ("timezone", "Africa/Kampala"), ("country", "UG")];
    says(&done(&root, &add, &form), 200, &["The business was made.", "Second", "UGX", "Go there"]);
    let id: i64 = one(&server, "SELECT max(id) FROM businesses");
    says(&done(&root, "/admin/switch/", &[("business", &id.to_string())]), 200, &["Second"]);
    assert!(!ann.get(place).text.contains("Second"));
}
