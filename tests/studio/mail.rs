//! What goes by e-mail: links that prove an address, set a password and change an address, and how mail and short messages leave.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread::{self, JoinHandle},
};

use serde_json::{Value, json};
use studio::{
    actor::Role,
    auth::{
        account,
        link::{self, Purpose},
    },
    config::{self, Tls},
    jobs::Runner,
    outbox::{self, Channel, Message, template},
};

use crate::support::{Answer, Client, Folder, PASSWORD, Server, runtime};

const NEW: &str = "another horse battery";

/// What was last to be sent to an address by a template.
fn mail(server: &Server, template: &str, to: &str) -> Option<Value> {
    let sql = "SELECT payload FROM outbox WHERE template = ?1 AND recipient = ?2 AND status = 'pending' ORDER BY id DESC LIMIT 1";
    let payload: Option<String> = server.app.db.read(|reader| reader.one(sql, &[template.into(), to.into()])).expect("a query");
    payload.map(|payload| serde_json::from_str(&payload).expect("JSON"))
}

/// The link of a mail, below its server, and its parts.
fn linked(server: &Server, template: &str, to: &str) -> (String, Value) {
    let mail = mail(server, template, to).unwrap_or_else(|| panic!("no {template} to {to}"));
    let link = mail["link"].as_str().expect("a link");
    let path = link.strip_prefix("http://127.0.0.1:8000").unwrap_or_else(|| panic!("{link} is another host")).to_owned();
    let (_, query) = path.split_once('?').expect("a query");
    let mut parts = json!({});
    query.split('&').filter_map(|pair| pair.split_once('=')).for_each(|(name, value)| parts[name] = value.into());
    (path, parts)
}

fn with(parts: &Value, name: &str, value: &str) -> Value {
    let mut parts = parts.clone();
    parts[name] = value.into();
    parts
}

fn login(client: &Client, name: &str, password: &str) -> Answer {
    client.post("/api/auth/login/", json!({"identifier": name, "password": password}))
}

fn ask_reset(client: &Client, email: &str) -> Answer {
    client.post("/api/auth/password-reset-request/", json!({"email": email}))
}

fn reset(client: &Client, parts: &Value, password: &str) -> Answer {
    client.post("/api/auth/password-reset-confirm/", with(parts, "new_password", password))
}

fn not_good() -> Value {
    json!({"non_field_errors": ["Invalid or expired token"]})
}

// ------------------------------------------------------------------------------------------------ addresses

#[test]
fn whoever_registers_proves_the_address() {
    let server = Server::start();
    let client = server.client();
    let body = json!({"username": "alice", "email": "alice@example.com", "password": PASSWORD});
    client.with("host", "evil.example.org").post("/api/auth/register/", body).expect(201);
    let (path, parts) = linked(&server, "verify_email", "alice@example.com");
    assert!(path.starts_with("/api/auth/verify-email/?uid="), "{path}");
    let me = |client: &Client| client.get("/api/auth/me/").expect(200);
    let alice = client.with_token(login(&client, "alice", PASSWORD).expect(200)["access"].as_str().expect("a token"));
    assert_eq!(me(&alice)["is_verified"], false);
    for wrong in ["/api/auth/verify-email/", "/api/auth/verify-email/?uid=%3F%3F&token=x", "/api/auth/verify-email/?uid=MQ&token=x-y"] {
        client.get(wrong).refuses(json!({"detail": "Invalid or expired token", "code": "parse_error"}));
    }
    // Another one makes the first useless.
    assert_eq!(alice.post("/api/auth/resend-verification/", json!({})).expect(200)["detail"], "Verification email sent");
    assert_eq!(client.get(&path).status, 400);
    let (path, _) = linked(&server, "verify_email", "alice@example.com");
    // A browser, and whatever looks at mail as one, is asked first.
    let page = client.with("accept", "text/html,*/*;q=0.8").get(&path);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text.contains("<form method=\"post\" action=\"/api/auth/verify-email/\">"), "{}", page.text);
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("default-src 'none'") && !policy.contains("script"), "{policy}");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(me(&alice)["is_verified"], false);
    assert_eq!(client.get(&path).expect(200), json!({"detail": "Email verified successfully"}));
    assert_eq!(me(&alice)["is_verified"], true);
    assert_eq!(client.get(&path).status, 400, "good once");
    assert!(
        client.get(&parts["token"].as_str().map(|token| format!("/api/auth/verify-email/?token={token}")).expect("a token")).status == 400
    );
    assert!(alice.post("/api/auth/resend-verification/", json!({})).expect(200)["detail"].as_str().expect("words").contains("already"));
}

#[test]
fn an_address_changes_by_a_link_to_the_new_one() {
    let server = Server::start();
    let ann = server.member("ann", Role::Staff);
    server.member("bob", Role::Staff);
    let id = ann.id;
    server.write(move |tx| tx.update("users", id, vec![("email_verified_at", tx.now().to_string().into())]));
    let refused = ann.patch("/api/users/me/", json!({"email": "new@example.com"}));
    refused.refuses(json!({"email": ["Another address is asked for at email-change/, with the password."]}));
    ann.patch("/api/users/me/", json!({"email": null})).expect(400);
    let ask = |body: Value| ann.post("/api/auth/email-change/", body);
    ask(json!({"email": "new@example.com"})).refuses(json!({"current_password": ["This field is required."]}));
    assert_eq!(ask(json!({"email": "new@example.com", "current_password": "wrong"})).status, 400);
    assert!(ask(json!({"email": "nobody", "current_password": PASSWORD})).json()["email"].is_array());
    let sent = ask(json!({"email": "new@example.com", "current_password": PASSWORD}));
    // The same for an address that is somebody's, to whom nothing is sent.
    let taken = ask(json!({"email": "Bob@example.com", "password": PASSWORD}));
    assert_eq!((sent.status, &sent.text), (200, &taken.text));
    assert_eq!(mail(&server, "email_change", "Bob@example.com"), None);
    assert_eq!(mail(&server, "email_change_asked", "ann@example.com").expect("a word to the old address")["address"], "Bob@example.com");
    ask(json!({"email": "new@example.com", "current_password": PASSWORD})).expect(200);
    let (path, parts) = linked(&server, "email_change", "new@example.com");
    // Looking changes nothing.
    ann.get(&path).expect(200);
    let page = server.client().with("accept", "text/html").get(&path);
    assert!(page.status == 200 && page.text.contains("Confirm"), "{}", page.text);
    assert_eq!(ann.get("/api/auth/me/").expect(200)["email"], "ann@example.com");
    let confirm = || server.client().post("/api/auth/email-change-confirm/", parts.clone());
    assert_eq!(confirm().expect(200), json!({"detail": "Email changed successfully"}));
    let me = ann.get("/api/auth/me/").expect(200);
    assert_eq!((&me["email"], &me["is_verified"]), (&json!("new@example.com"), &json!(true)));
    assert_eq!(mail(&server, "email_changed", "ann@example.com").expect("a word to the old address")["address"], "new@example.com");
    assert_eq!(confirm().status, 400, "good once");
    // Whoever writes another one, it is not proven.
    server.write(move |tx| tx.update("users", id, vec![("email", "third@example.com".into())]));
    assert_eq!(ann.get("/api/auth/me/").expect(200)["is_verified"], false);
}

#[test]
fn an_address_that_somebody_took_meanwhile_is_not_given() {
    let server = Server::start();
    let ann = server.member("ann", Role::Staff);
    ann.post("/api/auth/email-change/", json!({"email": "new@example.com", "current_password": PASSWORD})).expect(200);
    let (_, parts) = linked(&server, "email_change", "new@example.com");
    server.write(|tx| tx.insert("users", vec![("email", "NEW@example.com".into())]));
    assert_eq!(server.client().post("/api/auth/email-change-confirm/", parts).status, 400);
    assert_eq!(ann.get("/api/auth/me/").expect(200)["email"], "ann@example.com");
}

// ------------------------------------------------------------------------------------------------ passwords

#[test]
fn a_forgotten_password_is_set_by_a_link() {
    let server = Server::start();
    let (ann, client) = (server.member("ann", Role::Staff), server.client());
    let refresh = login(&client, "ann", PASSWORD).expect(200)["refresh"].clone();
    assert_eq!(
        ask_reset(&client.with("host", "evil.example.org"), "Ann@Example.com").expect(200),
        json!({"detail": "Password reset email sent"})
    );
    let (path, parts) = linked(&server, "password_reset", "ann@example.com");
    assert!(path.starts_with("/api/auth/password-reset-confirm/?uid="), "{path}");
    client.get(&path).expect(200);
    // A bad password uses the link not up.
    let short = reset(&client, &parts, "short");
    assert!(short.json()["new_password"].is_array() && short.status == 400, "{}", short.text);
    assert!(reset(&client, &parts, "ann@example.com").json()["new_password"][0].as_str().expect("words").contains("similar"));
    assert_eq!(reset(&client, &parts, NEW).expect(200), json!({"detail": "Password reset successful"}));
    reset(&client, &parts, "a third horse battery").refuses(not_good());
    assert_eq!((login(&client, "ann", PASSWORD).status, login(&client, "ann", NEW).status), (401, 200));
    // Whoever was signed in is so no more, and the person is told.
    assert_eq!(ann.get("/api/auth/me/").expect(401)["code"], "password_changed");
    assert_eq!(server.client().post("/api/auth/token/refresh/", json!({"refresh": refresh})).status, 401);
    assert!(mail(&server, "security_notice", "ann@example.com").is_some());
    let again = client.with_token(login(&client, "ann", NEW).expect(200)["access"].as_str().expect("a token"));
    assert_eq!(again.get("/api/auth/me/").expect(200)["is_verified"], true, "the link came to the address");
}

#[test]
fn a_browser_sets_a_password_without_a_front_end() {
    let server = Server::start();
    server.member("ann", Role::Staff);
    let browser = server.client().with("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    ask_reset(&browser, "ann@example.com").expect(200);
    let (path, parts) = linked(&server, "password_reset", "ann@example.com");
    let page = browser.get(&path);
    assert!(page.text.contains("name=\"new_password\"") && page.text.contains(parts["token"].as_str().expect("a token")), "{}", page.text);
    let send = |password: &str| {
        let form = format!(
            "uid={}&token={}&new_password={password}",
            parts["uid"].as_str().unwrap_or_default(),
            parts["token"].as_str().unwrap_or_default()
        );
        browser.send("POST", "/api/auth/password-reset-confirm/", Some(("application/x-www-form-urlencoded", form.into_bytes())))
    };
    let short = send("short");
    assert_eq!((short.status, short.header("content-type")), (400, Some("text/html; charset=utf-8")));
    assert!(short.text.contains("too short"), "{}", short.text);
    let done = send("another+horse+battery");
    assert!(done.status == 200 && done.text.contains("Password reset successful"), "{}", done.text);
    login(&server.client(), "ann", NEW).expect(200);
    let used = browser.get(&path);
    assert!(used.status == 400 && used.text.contains("Invalid or expired token") && !used.text.contains("<form"), "{}", used.text);
    let nasty = browser.get("/api/auth/password-reset-confirm/?uid=%22%3E%3Cscript%3E&token=%3Cscript%3E");
    assert!(nasty.status == 400 && !nasty.text.contains("<script"), "{}", nasty.text);
}

#[test]
fn links_are_good_for_one_account_one_purpose_and_a_while() {
    let server = Server::start();
    let (ann, bob, client) = (server.member("ann", Role::Staff), server.member("bob", Role::Staff), server.client());
    let issue = |id: i64, purpose: Purpose| {
        let link = server.write(move |tx| link::issue(tx, id, purpose, json!({"email": "new@example.com"})));
        json!({"uid": link.uid, "token": link.token})
    };
    let is_good = |parts: &Value, purpose: Purpose| {
        let (uid, token) = (parts["uid"].as_str().expect("a uid").to_owned(), parts["token"].as_str().expect("a token").to_owned());
        let undone = server.app.db.write_blocking(server.app.system(), move |tx| {
            let good = link::redeem(tx, &uid, &token, purpose)?.is_some();
            assert!(link::redeem(tx, &uid, &token, purpose)?.is_none(), "good twice");
            // Taken back, so that it can be asked about again.
            Err::<(), _>(studio::error::Error::Internal(good.to_string()))
        });
        undone.expect_err("taken back").to_string() == "true"
    };
    let all = [Purpose::Verify, Purpose::Reset, Purpose::Change, Purpose::Invite];
    for purpose in all {
        let (parts, others) = (issue(ann.id, purpose), issue(bob.id, purpose));
        for asked in all {
            assert_eq!(is_good(&parts, asked), asked == purpose, "{purpose:?} as {asked:?}");
        }
        let token = parts["token"].as_str().expect("a token");
        for wrong in [
            with(&parts, "uid", others["uid"].as_str().expect("a uid")),
            with(&parts, "uid", ""),
            with(&parts, "token", ""),
            with(&parts, "token", &token[1..]),
            with(&parts, "token", &format!("{token}A")),
            with(&parts, "token", &token.to_lowercase()),
            with(&parts, "token", &"A".repeat(100_000)),
        ] {
            assert!(!is_good(&wrong, purpose), "{wrong}");
        }
        // A new one ends the older.
        let newer = issue(ann.id, purpose);
        assert!(!is_good(&parts, purpose) && is_good(&newer, purpose) && is_good(&others, purpose), "{purpose:?}");
        // Its time: to the second.
        let life = purpose.life().as_secs();
        server.clock.advance(life - 1);
        assert!(is_good(&newer, purpose), "{purpose:?}");
        server.clock.advance(1);
        assert!(!is_good(&newer, purpose), "{purpose:?}");
    }
    for purpose in all {
        let (by_password, id) = (issue(ann.id, purpose), ann.id);
        server.write(move |tx| account::set_password(tx, id, "x"));
        let by_address = issue(ann.id, purpose);
        assert!(!is_good(&by_password, purpose) && is_good(&by_address, purpose), "{purpose:?} after another password");
        let address = format!("{}@example.com", purpose.name());
        server.write(move |tx| tx.update("users", id, vec![("email", address.as_str().into())]));
        assert!(!is_good(&by_address, purpose), "{purpose:?} after another address");
        let gone = issue(bob.id, purpose);
        let id = bob.id;
        server.write(move |tx| tx.delete("users", id));
        assert!(!is_good(&gone, purpose), "{purpose:?} of one who was deleted");
        server.write(move |tx| tx.restore("users", id));
    }
    // Several businesses may invite one person.
    let invite = |business: i64| {
        let id = ann.id;
        let link = server.write(move |tx| link::issue(tx, id, Purpose::Invite, json!({"membership": business})));
        json!({"uid": link.uid, "token": link.token})
    };
    let (one, two) = (invite(1), invite(2));
    assert!(is_good(&one, Purpose::Invite) && is_good(&two, Purpose::Invite));
    invite(1);
    assert!(!is_good(&one, Purpose::Invite) && is_good(&two, Purpose::Invite));
    // Only the hash is kept.
    let token = two["token"].as_str().expect("a token").to_owned();
    let kept = "SELECT 1 FROM email_tokens WHERE token_hash LIKE '%' || ?1 || '%' OR detail LIKE '%' || ?1 || '%'";
    assert!(!server.app.db.read(|reader| reader.exists(kept, &[token.into()])).expect("a query"));
    reset(&client, &two, NEW).refuses(not_good());
}

#[test]
fn nobody_learns_who_has_an_account() {
    let server = Server::start();
    let ann = server.member("ann", Role::Staff);
    let client = server.client();
    let (known, unknown) = (ask_reset(&client, "ann@example.com"), ask_reset(&client, "eve@example.com"));
    assert_eq!((known.status, &known.text), (unknown.status, &unknown.text));
    let names = |answer: &Answer| answer.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&known), names(&unknown));
    assert_eq!(mail(&server, "password_reset", "eve@example.com"), None);
    // The same rows are written.
    let id = ann.id;
    let rows = "SELECT count(*) FROM email_tokens WHERE purpose = 'reset' AND user_id IS ?1";
    let count = |user: Option<i64>| server.app.db.read(|reader| reader.one::<i64>(rows, &[user.into()])).expect("a query");
    assert_eq!((count(Some(id)), count(None)), (Some(1), Some(1)));
    let sent = "SELECT group_concat(status, ' ') FROM (SELECT status FROM outbox WHERE template = 'password_reset' ORDER BY id)";
    let sent: Option<String> = server.app.db.read(|reader| reader.one(sent, &[])).expect("a query");
    assert_eq!(sent.as_deref(), Some("pending cancelled"));
    // How often is the same, too: three an hour.
    for email in ["ann@example.com", "eve@example.com"] {
        ask_reset(&client, email).expect(200);
        ask_reset(&client, &email.to_uppercase()).expect(200);
        let fourth = ask_reset(&client, email);
        assert_eq!((fourth.status, fourth.header("retry-after")), (429, Some("3600")));
    }
    // Ten addresses an hour for one who asks: eight more.
    (0..8).for_each(|n| drop(ask_reset(&client, &format!("n{n}@example.com")).expect(200)));
    assert_eq!(ask_reset(&client, "n8@example.com").status, 429);
    ask_reset(&client, "nobody").refuses(json!({"email": ["Enter a valid email address."]}));
    // One who may not sign in is sent nothing.
    server.clock.advance(3600);
    server.write(move |tx| tx.update("users", id, vec![("is_active", false.into())]));
    let before = mail(&server, "password_reset", "ann@example.com");
    ask_reset(&client, "ann@example.com").expect(200);
    assert_eq!(mail(&server, "password_reset", "ann@example.com"), before);
}

#[test]
fn a_password_is_changed_by_the_one_that_there_is() {
    let server = Server::start();
    server.member("ann", Role::Staff);
    let client = server.client();
    let sign_in = |password: &str| login(&client, "ann", password).expect(200);
    let (here, elsewhere) = (sign_in(PASSWORD), sign_in(PASSWORD));
    let [ann, other] = [&here, &elsewhere].map(|pair| client.with_token(pair["access"].as_str().expect("a token")));
    let change = |body: Value| ann.post("/api/auth/password-change/", body);
    change(json!({"new_password": NEW})).refuses(json!({"current_password": ["This field is required."]}));
    let wrong = json!({"current_password": ["Your old password was entered incorrectly. Please enter it again."]});
    change(json!({"current_password": "wrong", "new_password": NEW})).refuses(wrong);
    assert!(change(json!({"current_password": PASSWORD, "new_password": "12345678"})).json()["new_password"].is_array());
    let changed = change(json!({"old_password": PASSWORD, "new_password": NEW})).expect(200);
    assert_eq!(changed["detail"], "Password changed successfully");
    assert_eq!((ann.get("/api/auth/me/").status, other.get("/api/auth/me/").status), (401, 401), "the tokens so far are dead");
    for pair in [&here, &elsewhere] {
        assert_eq!(server.client().post("/api/auth/token/refresh/", json!({"refresh": pair["refresh"]})).status, 401);
    }
    let ann = client.with_token(changed["access"].as_str().expect("a token"));
    ann.get("/api/auth/me/").expect(200);
    let refreshed = server.client().post("/api/auth/token/refresh/", json!({"refresh": changed["refresh"]})).expect(200);
    assert!(mail(&server, "security_notice", "ann@example.com").is_some());
    assert_eq!((login(&client, "ann", PASSWORD).status, login(&client, "ann", NEW).status), (401, 200));
    // Where the refresh token is in a cookie, it stays there.
    let users = client.with_token(refreshed["access"].as_str().expect("a token"));
    let answer = users.post("/api/users/password-change/", json!({"current_password": NEW, "new_password": "a third horse battery"}));
    assert!(answer.expect(200).get("refresh").is_none() && answer.header("set-cookie").is_some());
}

#[test]
fn changing_a_password_gives_no_more_rights() {
    let server = Server::start_with(|config| config.dev = true);
    let boss = server.superuser("boss");
    let id = boss.id;
    server.write(move |tx| tx.update("users", id, vec![("phone", "+256700123456".into())]));
    let code = json!({"phone_number": "+256700123456", "code": "1111"});
    let citizen = server.client().post("/api/auth/verify-otp/", code).expect(200);
    let citizen = server.client().with_token(citizen["access"].as_str().expect("a token"));
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    let changed = citizen.post("/api/auth/password-change/", body).expect(200);
    let after = server.client().with_token(changed["access"].as_str().expect("a token"));
    assert_eq!(after.get("/api/auth/me/").expect(200)["role"], "citizen");
    assert_eq!(after.get("/api/field/leads/").status, 403);
}

// ------------------------------------------------------------------------------------------------ leaving the house

pub fn message(channel: Channel, to: &str, template: &str, payload: Value) -> Message {
    let payload = payload.as_object().expect("an object").clone();
    Message { channel, recipient: to.into(), template: template.into(), payload, key: None, due_at: None }
}

/// Sends what is due as the settings say, and answers what became of it.
fn deliver(server: &Server, id: i64) -> (String, Option<String>) {
    let runner = Runner::new(&server.app).expect("the providers");
    runtime().block_on(runner.run_due()).expect("the runner works");
    let sql = "SELECT status, last_error FROM outbox WHERE id = ?1";
    let row = server.app.db.read(|reader| reader.row(sql, &[id.into()], |row| Ok((row.get(0)?, row.get(1)?))));
    row.expect("a query").expect("a row")
}

/// An SMTP server that takes one mail, or refuses the recipient in these words, and answers all that it was told.
pub fn smtp(refusal: Option<&'static str>) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let talk = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut out = stream.try_clone().expect("a stream");
        let mut heard = String::new();
        let mut say = |line: &str| out.write_all(format!("{line}\r\n").as_bytes()).expect("said");
        say("220 mail.example.org ESMTP");
        let mut in_data = false;
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            heard += &line;
            heard += "\n";
            match line.as_str() {
                "." if in_data => {
                    in_data = false;
                    say("250 taken");
                }
                _ if in_data => {}
                "DATA" => {
                    in_data = true;
                    say("354 go on");
                }
                "QUIT" => {
                    say("221 bye");
                    break;
                }
                line if line.starts_with("EHLO") => say("250 mail.example.org"),
                line if line.starts_with("RCPT") => say(refusal.unwrap_or("250 fine")),
                _ => say("250 fine"),
            }
        }
        heard
    });
    (port, talk)
}

fn with_smtp(port: u16) -> Server {
    Server::start_with(|config| {
        config.email.host = "127.0.0.1".into();
        config.email.port = port;
        config.email.tls = Tls::None;
        config.email.from = "Studio <office@studio.example.org>".into();
    })
}

#[test]
fn mail_goes_to_the_smtp_server_as_text_and_html() {
    let (port, talk) = smtp(None);
    let server = with_smtp(port);
    let payload = json!({"subject": "Hello\r\nBcc: eve@example.org", "text": "One & <two>\n\nhttps://example.org/?a=1&b=2\n\n.\n\nEnd"});
    let id = server.write(move |tx| outbox::send(tx, message(Channel::Email, "ruth@example.org", "message", payload.clone())));
    assert_eq!(deliver(&server, id), ("sent".to_owned(), None));
    let heard = talk.join().expect("the conversation");
    let lines: Vec<&str> = heard.lines().collect();
    assert!(lines.contains(&"MAIL FROM:<office@studio.example.org>") && lines.contains(&"RCPT TO:<ruth@example.org>"), "{heard}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("RCPT")).count(), 1, "{heard}");
    let (head, body) = heard.split_once("\n\n").expect("a head and a body");
    assert!(!head.lines().any(|line| line.starts_with("Bcc")) && head.contains("Subject: Hello Bcc: eve@example.org"), "{head}");
    for header in
        ["From: Studio <office@studio.example.org>", "To: ruth@example.org", "Auto-Submitted: auto-generated", "multipart/alternative"]
    {
        assert!(head.contains(header), "{header} is not in {head}");
    }
    assert!(head.contains("@studio.example.org>") && head.contains("Message-ID: <"), "{head}");
    assert!(body.contains("text/plain") && body.contains("text/html") && body.contains("One & <two>"), "{body}");
    assert!(body.contains("One &amp; &lt;two&gt;") && body.lines().any(|line| line == ".." || line.ends_with("<p>.</p>")), "{body}");
}

#[test]
fn what_the_smtp_server_refuses_for_good_is_not_tried_again() {
    for (words, status) in [("550 no such user here", "failed"), ("450 try again later", "pending"), ("535 who are you", "pending")] {
        let (port, talk) = smtp(Some(words));
        let server = with_smtp(port);
        let payload = json!({"subject": "a", "text": "b"});
        let id = server.write(move |tx| outbox::send(tx, message(Channel::Email, "ruth@example.org", "message", payload.clone())));
        let (outcome, why) = deliver(&server, id);
        assert!(outcome == status && why.as_ref().is_some_and(|why| why.contains(&words[4..])), "{words}: {outcome} {why:?}");
        talk.join().expect("the conversation");
    }
    // Nobody listens, and an address that is none.
    let server = with_smtp(1);
    for (to, status) in [("ruth@example.org", "pending"), ("ruth@example.org\r\nRCPT TO:<eve@example.org>", "failed"), ("nobody", "failed")]
    {
        let id = server.write(move |tx| outbox::send(tx, message(Channel::Email, to, "message", json!({"subject": "a", "text": "b"}))));
        assert_eq!(deliver(&server, id).0, status, "{to}");
    }
}

/// An HTTP server that answers one request so, and says what it was asked.
pub fn http(answer: String) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let talk = thread::spawn(move || {
        let (mut stream, _): (TcpStream, _) = listener.accept().expect("a connection");
        let (mut asked, mut buffer) = (vec![], [0; 4096]);
        loop {
            let count = stream.read(&mut buffer).unwrap_or(0);
            asked.extend_from_slice(&buffer[..count]);
            let text = String::from_utf8_lossy(&asked).to_lowercase();
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
            if count == 0 || body.is_some_and(|body| Some(body) >= length) {
                break;
            }
        }
        let _ = stream.write_all(answer.as_bytes());
        String::from_utf8_lossy(&asked).into_owned()
    });
    (port, talk)
}

fn with_provider(port: u16, allowed: bool) -> Server {
    // A secret is made by loading one.
    let folder = Folder::new();
    let file = folder.path().join("config.toml");
    fs::write(&file, "[sms]\nsecret = \"k3y\"\n").expect("a file for the test");
    let loaded = config::load(Some(&file), std::iter::empty(), &[]).expect("the settings");
    Server::start_with(|config| {
        config.sms = loaded.config.sms;
        config.sms.url = format!("http://127.0.0.1:{port}/send");
        config.sms.headers = vec!["Authorization: Bearer {secret}".into()];
        config.sms.body = r#"{"messages": [{"to": "{to}", "body": "{text}"}], "ref": "{id}"}"#.into();
        if allowed {
            config.outbound.allowed_hosts = vec![format!("127.0.0.1:{port}")];
        }
    })
}

fn short_message(server: &Server) -> i64 {
    let payload = json!({"code": "4711", "minutes": 5});
    server.write(move |tx| outbox::send(tx, message(Channel::Sms, "+256700123456", "one_time_code", payload.clone())))
}

#[test]
fn short_messages_go_to_the_provider_as_the_settings_say() {
    let (port, talk) = http("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}".into());
    let server = with_provider(port, true);
    let id = short_message(&server);
    assert_eq!(deliver(&server, id), ("sent".to_owned(), None));
    let asked = talk.join().expect("the conversation");
    let (head, body) = asked.split_once("\r\n\r\n").expect("a head and a body");
    let head = head.to_lowercase();
    assert!(head.starts_with("post /send http/1.1") && head.contains("authorization: bearer k3y"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let text = "4711 is your code. It is good for 5 minutes. Do not give it to anybody.";
    assert_eq!(body["messages"], json!([{"to": "+256700123456", "body": text}]));
    assert_eq!(body["ref"].as_str().map(str::len), Some(36));
}

#[test]
fn what_a_provider_answers_says_whether_to_try_again() {
    let empty = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    let elsewhere = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_owned();
    let endless = format!("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n{}", "x".repeat(3_000_000));
    for (answer, status, words) in [
        (empty("500 No"), "pending", "500"),
        (empty("429 Slow"), "pending", "429"),
        (empty("401 Who"), "pending", "401"),
        (empty("422 What"), "failed", "422"),
        (elsewhere, "failed", "redirect"),
        (endless, "failed", "too long"),
    ] {
        let (port, talk) = http(answer);
        let server = with_provider(port, true);
        let id = short_message(&server);
        let (outcome, why) = deliver(&server, id);
        let why = why.unwrap_or_default();
        assert!(outcome == status && why.contains(words) && !why.contains("k3y"), "{words}: {outcome} {why}");
        talk.join().expect("the conversation");
    }
    // Not without leave in this network, nor in the clear.
    let server = with_provider(1, false);
    let id = short_message(&server);
    assert_eq!(deliver(&server, id), ("failed".to_owned(), Some("the URL is not one of https".to_owned())));
}

#[test]
fn a_code_that_is_over_is_not_sent() {
    let server = Server::start();
    let client = server.client();
    client.post("/api/auth/send-otp/", json!({"phone_number": "+256700123456"})).expect(200);
    let id = server.app.db.read(|reader| reader.one::<i64>("SELECT max(id) FROM outbox", &[])).expect("a query").expect("a message");
    server.clock.advance(300);
    assert_eq!(deliver(&server, id), ("failed".to_owned(), Some("it was too late for it".to_owned())));
    let payload = "SELECT payload FROM outbox WHERE id = ?1";
    let payload = server.app.db.read(|reader| reader.one::<String>(payload, &[id.into()])).expect("a query");
    assert_eq!(payload.as_deref(), Some("{}"));
}

#[test]
fn links_point_where_the_settings_say() {
    let server = Server::start_with(|config| {
        config.server.base_url = "https://office.example.org".into();
        config.email.reset_link = "https://app.example.org/#/reset/{uid}/{token}".into();
    });
    let client = server.client();
    let ann = server.member("ann", Role::Staff);
    ask_reset(&client, "ann@example.com").expect(200);
    let link = mail(&server, "password_reset", "ann@example.com").expect("a mail")["link"].clone();
    let (uid, token) =
        link.as_str().and_then(|link| link.strip_prefix("https://app.example.org/#/reset/")?.split_once('/')).expect("the parts");
    reset(&client, &json!({"uid": uid, "token": token}), NEW).expect(200);
    let ann = ann.with_token(login(&client, "ann", NEW).expect(200)["access"].as_str().expect("a token"));
    ann.post("/api/auth/email-change/", json!({"email": "new@example.com", "current_password": NEW})).expect(200);
    let link = mail(&server, "email_change", "new@example.com").expect("a mail")["link"].clone();
    assert!(link.as_str().is_some_and(|link| link.starts_with("https://office.example.org/api/auth/email-change-confirm/?uid=")), "{link}");
}

#[test]
fn mails_are_html_with_nothing_from_their_values() {
    let payload = json!({"product": "<b>", "link": "https://example.org/?a=1&b=\"2\""});
    let (text, covered) = template::render("password_reset", payload.as_object().expect("an object")).expect("a text");
    let html = text.html();
    assert!(html.contains("<title>&lt;b&gt; password reset</title>") && !html.contains("<b>"), "{html}");
    assert!(
        html.contains("<p><a href=\"https://example.org/?a=1&amp;b=&quot;2&quot;\">https://example.org/?a=1&amp;b=&quot;2&quot;</a></p>"),
        "{html}"
    );
    assert!(!covered.body.contains("example.org") && covered.body.contains("***"), "{}", covered.body);
}

#[test]
fn people_are_written_to_in_their_language() {
    let server = Server::start();
    server.write(|tx| tx.update("businesses", 1, vec![("locale", "fr-FR".into())]));
    let said = |to: &str| -> (String, String) {
        let sql = "SELECT template, payload FROM outbox WHERE recipient = ?1 ORDER BY id DESC";
        let read = |row: &studio::db::Row<'_>| Ok((row.get::<String>(0)?, row.get::<String>(1)?));
        let (name, payload) = server.app.db.read(|reader| reader.row(sql, &[to.into()], read)).expect("a query").expect("a message");
        let payload: Value = serde_json::from_str(&payload).expect("JSON");
        let (text, _) = template::render(&name, payload.as_object().expect("an object")).expect("a text");
        assert!(text.html().contains(&format!("<html lang=\"{}\">", text.language.code())), "{to}");
        (text.subject, text.body)
    };
    let client = server.client();
    // Somebody new speaks the language of the business until they say otherwise.
    let body = json!({"username": "claire", "email": "claire@example.com", "password": PASSWORD});
    assert_eq!(client.post("/api/auth/register/", body).expect(201)["language"], "fr");
    assert_eq!(said("claire@example.com").0, "Confirmez votre compte studio");
    let claire = client.with_token(login(&client, "claire", PASSWORD).expect(200)["access"].as_str().expect("a token"));
    let change = |old: &str, new: &str| json!({"current_password": old, "new_password": new});
    let changed = claire.post("/api/auth/password-change/", change(PASSWORD, NEW)).expect(200);
    let (subject, text) = said("claire@example.com");
    assert_eq!(subject, "Votre mot de passe a été changé");
    let when = "Le mot de passe de votre compte a été changé. C'était le 02/03/2026 à 09:00 UTC, depuis ";
    assert!(text.starts_with(when) && text.contains("à l'adresse 127.0.0.1."), "{text}");
    ask_reset(&client, "claire@example.com").expect(200);
    assert_eq!(said("claire@example.com").0, "Nouveau mot de passe pour studio");
    let claire = claire.with_token(changed["access"].as_str().expect("a token"));
    claire.patch("/api/auth/me/", json!({"language": "en"})).expect(200);
    ask_reset(&client, "claire@example.com").expect(200);
    assert_eq!(said("claire@example.com").0, "studio password reset");
    // Whoever has no account is written to as the business speaks, whose language nobody else's is.
    client.post("/api/auth/send-otp/", json!({"phone_number": "+256700123450"})).expect(200);
    assert_eq!(said("+256700123450").0, "Votre code");
    ask_reset(&client, "nobody@example.com").expect(200);
    assert_eq!(said("nobody@example.com").0, "Nouveau mot de passe pour studio");
    let other = server.business("Other");
    let boss = server.member_with("boss", Role::Admin, other, &[]);
    let invite = |email: &str| json!({"email": email, "role": "staff"});
    boss.post("/api/accounts/memberships/invite/", invite("new@example.com")).expect(201);
    assert_eq!(said("new@example.com").0, "boss Example invites you to Other");
    let admin = server.member("admin", Role::Admin);
    admin.post("/api/accounts/memberships/invite/", invite("nouveau@example.com")).expect(201);
    assert!(said("nouveau@example.com").0.starts_with("admin Example vous invite à rejoindre "));
    // A membership that is over, in the words of whose it was.
    let staff = server.member("paul", Role::Staff).id;
    let membership: Option<i64> =
        server.app.db.read(|reader| reader.one("SELECT id FROM memberships WHERE user_id = ?1", &[staff.into()])).expect("a query");
    admin.post(&format!("/api/accounts/memberships/{}/suspend/", membership.expect("a membership")), json!({})).expect(200);
    assert!(said("paul@example.com").0.ends_with(" a été suspendu"), "{:?}", said("paul@example.com"));
}
