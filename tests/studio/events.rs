//! The change feed: what it tells, to whom, from where on, and when it ends.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use studio::{
    actor::{Capability, Role},
    auth::ticket,
};

use crate::{
    samples::{for_each, sample, writable},
    support::{Client, Server, runtime},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A listener.
struct Feed {
    reader: BufReader<TcpStream>,
    status: u16,
    headers: String,
    /// What has arrived and was not looked at.
    text: String,
    /// The server said that this was all.
    ended: bool,
}

/// Something that it was told.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: i64,
    event: String,
    data: Value,
}

impl Feed {
    fn open(server: &Server, client: &Client, query: &str) -> Self {
        let address = server.url.trim_start_matches("http://");
        Self::over(TcpStream::connect(address).expect("a connection"), client, query)
    }

    fn over(mut stream: TcpStream, client: &Client, query: &str) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut request = format!("GET /api/events/?{query} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n");
        request += &client.token.iter().map(|token| format!("authorization: Bearer {token}\r\n")).collect::<String>();
        request += &client.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
        stream.write_all(format!("{request}\r\n").as_bytes()).expect("a request");
        let mut feed = Self { reader: BufReader::new(stream), status: 0, headers: String::new(), text: String::new(), ended: false };
        while !feed.headers.ends_with("\r\n\r\n") {
            assert_ne!(feed.reader.read_line(&mut feed.headers).expect("a head"), 0, "no answer: {}", feed.headers);
        }
        feed.status = feed.headers[9..12].parse().expect("a status");
        feed
    }

    /// One that was let in, after its first words.
    #[track_caller]
    fn follow(server: &Server, client: &Client, query: &str) -> Self {
        let mut feed = Self::open(server, client, query);
        assert_eq!(feed.status, 200, "{}", feed.headers);
        let first = feed.block().expect("first words");
        assert!(first.starts_with(": ") && first.contains("\nretry: 2000\n") && first.contains("\nid: "), "{first}");
        feed
    }

    /// What arrives up to the next empty line; nothing at the end.
    fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (format!("{block}\n"), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let mut size = String::new();
            // A reset is an end, too.
            if self.reader.read_line(&mut size).is_ok_and(|read| read > 0) {
                let size = usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("no size: {size:?}"));
                let mut chunk = vec![0; size + 2];
                self.reader.read_exact(&mut chunk).expect("a chunk");
                self.text += std::str::from_utf8(&chunk[..size]).expect("text");
                self.ended |= size == 0;
                if size > 0 {
                    continue;
                }
            }
            return None;
        }
    }

    /// The next event; comments and bare ids are passed over.
    fn event(&mut self) -> Option<Event> {
        loop {
            let block = self.block()?;
            let value = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            if let Some(data) = value("data") {
                let event = value("event").expect("a name").to_owned();
                let data = serde_json::from_str(data).expect("JSON");
                return Some(Event { id: value("id").expect("an id").parse().expect("a number"), event, data });
            }
        }
    }

    #[track_caller]
    fn next(&mut self) -> Event {
        self.event().expect("another event")
    }

    #[track_caller]
    fn ends(&mut self) {
        assert_eq!(self.event(), None, "the feed goes on");
        assert!(self.ended, "it was cut off");
    }
}

fn lead(client: &Client, name: &str) -> Value {
    client.create("/api/field/leads/", json!({"business_name": name, "contact_phone": "0700"}))
}

fn newest(server: &Server) -> i64 {
    server.app.db.read(|reader| reader.one("SELECT max(id) FROM audit_log", &[])).expect("a query").expect("an id")
}

/// Waits until somebody is let in.
fn until_open(server: &Server, client: &Client) {
    let start = Instant::now();
    while Feed::open(server, client, "").status != 200 {
        assert!(start.elapsed() < PATIENCE, "no place becomes free");
        thread::yield_now();
    }
}

#[test]
fn what_happens_to_a_record_of_any_kind_is_told_as_its_history_has_it() {
    for_each(&writable(), |world, d| {
        let (sample, path) = (sample(d.about.path), format!("/api/{}/", d.about.path));
        let mut feed = Feed::follow(world.server, &world.admin, &format!("resource={}", d.about.path));
        let record = world.admin.create(&path, (sample.full)(world));
        let id = &record["id"];
        world.admin.patch(&format!("{path}{id}/"), (sample.patch)(world)).expect(200);
        let mut verbs = vec!["created", "updated"];
        if d.about.soft_delete {
            assert_eq!(world.admin.delete(&format!("{path}{id}/")).status, 204);
            world.admin.post(&format!("{path}{id}/restore/"), json!({})).expect(200);
            verbs.extend(["deleted", "restored"]);
        }
        let mut history = world.admin.get(&format!("{path}{id}/history/?page_size=100")).expect(200)["results"].clone();
        let history = history.as_array_mut().expect("a history");
        history.reverse();
        let mut told = vec![];
        for entry in history {
            let event = std::iter::repeat_with(|| feed.next()).find(|event| event.data["id"] == *id).expect("its events");
            let changes = entry["changes"].as_array().expect("changes").iter().map(|change| &change["field"]);
            let fields: Vec<&Value> = changes.filter(|name| *name != "deleted_at").collect();
            let wanted = json!({
                "resource": d.about.path, "id": id, "uuid": record["uuid"], "action": entry["action"], "verb": event.event,
                "at": entry["at"], "actor": {"id": world.admin.id}, "fields": fields,
            });
            assert_eq!((json!(event.id), &event.data), (entry["id"].clone(), &wanted));
            told.push(event.event);
        }
        assert_eq!(told, verbs);
    });
}

#[test]
fn the_stream_is_one_that_browsers_and_proxies_take() {
    let server = Server::start_with(|config| config.events.heartbeat_seconds = 1);
    let admin = server.member("ann", Role::Admin);
    let mut feed = Feed::follow(&server, &admin, "resource=field/leads");
    for header in ["content-type: text/event-stream\r\n", "cache-control: no-store\r\n", "x-accel-buffering: no\r\n"] {
        assert!(feed.headers.contains(header), "{}", feed.headers);
    }
    // Nothing to tell for a second: a comment. What was passed over meanwhile need not be looked at again.
    assert_eq!(feed.block().as_deref(), Some(":\n"));
    admin.create("/api/field/zones/", json!({"name": "North"}));
    let id = newest(&server);
    let passed = std::iter::repeat_with(|| feed.block().expect("a heartbeat")).find(|block| block != ":\n");
    assert_eq!(passed, Some(format!(":\nid: {id}\n")));
    // An action has a name of its own; what it makes or deletes is told as such.
    let lost = lead(&admin, "a");
    admin.post(&format!("/api/field/leads/{}/lose/", lost["id"]), json!({"lost_reason": "price"})).expect(200);
    let merged = lead(&admin, "b");
    admin.post("/api/field/leads/merge/", json!({"into": lost["id"], "sources": [merged["id"]]}));
    assert_eq!(feed.next().event, "created");
    let event = feed.next();
    assert_eq!((event.event.as_str(), &event.data["action"]), ("action", &json!("leads.lose")));
    assert!(event.data["fields"].as_array().is_some_and(|fields| fields.contains(&json!("lost_reason"))), "{event:?}");
}

#[test]
fn nobody_hears_of_what_they_may_not_read() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let (agent, citizen, staff) = (server.member("bob", Role::Agent), server.member("eve", Role::Citizen), server.staff("joe", &[]));
    let (hr, abroad) = (server.staff("pat", &[Capability::Hr]), server.business("Abroad"));
    let stranger = server.member_with("zed", Role::Admin, abroad, &[]);
    let profile = admin.create("/api/accounts/staff-profiles/", json!({"name": "Kim"}));
    let mut feeds = [&agent, &citizen, &staff, &hr, &stranger].map(|client| Feed::follow(&server, client, ""));
    lead(&admin, "not theirs");
    let theirs = lead(&agent, "theirs");
    admin.delete(&format!("/api/field/leads/{}/", theirs["id"]));
    let far = lead(&stranger, "far away");
    admin.patch(&format!("/api/accounts/staff-profiles/{}/", profile["id"]), json!({"notes": "Hush.", "employee_no": "E-1"})).expect(200);
    citizen.patch("/api/auth/me/", json!({"full_name": "Eve Adams"})).expect(200);
    let mut told = |index: usize, resource: &str| {
        let event = feeds[index].next();
        assert_eq!(event.data["resource"], resource, "{event:?}");
        event
    };
    // An agent: their own lead, made and deleted; profiles; people.
    let (made, deleted) = (told(0, "field/leads"), told(0, "field/leads"));
    assert_eq!((made.event.as_str(), &made.data["id"]), ("created", &theirs["id"]));
    assert_eq!((deleted.event.as_str(), &deleted.data["id"]), ("deleted", &theirs["id"]));
    told(0, "accounts/staff-profiles");
    // A citizen: themselves.
    assert_eq!(told(1, "accounts/users-list").data["id"], citizen.id);
    // Staff see no lead but their own, and not what is private.
    let fields = |event: Event| event.data["fields"].clone();
    let plain = fields(told(2, "accounts/staff-profiles"));
    assert!(plain == json!(["employee_no"]), "{plain}");
    let all = fields(told(3, "accounts/staff-profiles"));
    assert!(all.as_array().is_some_and(|all| all.contains(&json!("notes"))), "{all}");
    // In another business: what happens there.
    let there = told(4, "field/leads");
    assert_eq!((&there.data["id"], there.event.as_str()), (&far["id"], "created"));
    lead(&stranger, "again");
    told(4, "field/leads");
}

#[test]
fn only_what_was_asked_for_is_told() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let (first, other) = (lead(&admin, "first"), lead(&admin, "other"));
    let refused = |client: &Client, query: &str, status: u16, body: Value| {
        let answer = client.get(&format!("/api/events/?{query}"));
        assert_eq!((answer.status, answer.json()), (status, body), "{query}");
    };
    let choice = |name: &str| format!("Select a valid choice. {name} is not one of the available choices.");
    refused(&admin, "resource=field/nothing", 400, json!({"resource": [choice("field/nothing")]}));
    refused(&admin, "event=created,gone", 400, json!({"event": [choice("gone")]}));
    refused(&admin, "id=1", 400, json!({"id": ["Name one resource along with the id."]}));
    refused(&admin, "last_event_id=x", 400, json!({"last_event_id": ["Enter the id of an event."]}));
    refused(&admin, "last_event_id=-1", 400, json!({"last_event_id": ["Enter the id of an event."]}));
    let missing = json!({"detail": "No Lead matches the given query.", "code": "not_found"});
    refused(&admin, "resource=field/leads&id=987654321", 404, missing.clone());
    refused(&server.member("bob", Role::Agent), &format!("resource=field/leads&id={}", first["id"]), 404, missing);
    let student = server.member("sam", Role::Student);
    assert_eq!(student.get("/api/events/?resource=accounts/users-list,field/leads").status, 403);

    let uuid = first["uuid"].as_str().expect("a uuid");
    let mut by_id = Feed::follow(&server, &admin, &format!("resource=field/leads&id={uuid}"));
    let mut by_event = Feed::follow(&server, &admin, "event=deleted,restored");
    let mut by_resource = Feed::follow(&server, &admin, "resource=field/zones,accounts/departments");
    for lead in [&other, &first] {
        admin.patch(&format!("/api/field/leads/{}/", lead["id"]), json!({"notes": "x"})).expect(200);
        admin.delete(&format!("/api/field/leads/{}/", lead["id"]));
    }
    admin.create("/api/accounts/departments/", json!({"name": "Sales"}));
    let told = |event: Event| (event.event, event.data["id"].clone());
    assert_eq!(told(by_id.next()), ("updated".to_owned(), first["id"].clone()));
    assert_eq!(told(by_id.next()), ("deleted".to_owned(), first["id"].clone()));
    assert_eq!(told(by_event.next()), ("deleted".to_owned(), other["id"].clone()));
    assert_eq!(told(by_event.next()), ("deleted".to_owned(), first["id"].clone()));
    assert_eq!(by_resource.next().data["resource"], "accounts/departments");
}

/// Many write, listeners come and go, the server starts anew: every event once, in order.
#[test]
fn a_stream_is_resumed_without_a_gap_or_a_double() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let first = Feed::follow(&server, &admin, "resource=field/leads");
    let from = newest(&server);
    drop(first);
    let mut seen: Vec<i64> = vec![];
    let mut resume = |server: &Server, most: usize| {
        let last = seen.last().copied().unwrap_or(from).to_string();
        let (client, query) = match seen.len() % 2 {
            0 => (admin.with("last-event-id", &last), "resource=field/leads".to_owned()),
            _ => (admin.clone(), format!("resource=field/leads&last_event_id={last}")),
        };
        let mut feed = Feed::follow(server, &client, &query);
        for _ in 0..most {
            seen.push(feed.next().id);
        }
    };
    thread::scope(|scope| {
        for writer in 0..8 {
            let admin = admin.clone();
            scope.spawn(move || (0..30).for_each(|n| drop(lead(&admin, &format!("{writer}-{n}")))));
        }
        for most in [1, 7, 30, 2, 50] {
            resume(&server, most);
        }
    });
    // The rest after a restart.
    let server = server.restart();
    resume(&server, 150);
    let stored = "SELECT id FROM audit_log WHERE id > ?1 AND target_type = 'leads' ORDER BY id";
    let stored: Vec<i64> = server.app.db.read(|reader| reader.rows(stored, &[from.into()], |row| row.get(0))).expect("a query");
    assert_eq!(stored.len(), 240);
    assert_eq!(seen, stored);
}

#[test]
fn whoever_is_too_far_behind_starts_anew() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let zone = admin.create("/api/field/zones/", json!({"name": "North"}));
    let (id, from) = (zone["id"].as_i64().expect("an id"), newest(&server));
    let add = |count: usize| server.write(move |tx| (0..count).try_for_each(|_| tx.note("zones", id, "look", None, None)));
    add(10_000);
    let mut near = Feed::follow(&server, &admin, &format!("last_event_id={from}"));
    for n in 1..=10_000 {
        let event = near.next();
        assert_eq!((event.id, event.event.as_str()), (from + n, "action"));
    }
    add(1);
    let last = newest(&server);
    for known in [from, last + 1] {
        let mut far = Feed::follow(&server, &admin, &format!("last_event_id={known}"));
        assert_eq!(far.next(), Event { id: last, event: "reset".into(), data: json!({"id": last}) });
        if known == from {
            continue;
        }
        add(1);
        assert_eq!(far.next().id, last + 1);
    }
}

#[test]
fn it_ends_with_the_session_the_token_and_the_right() {
    let server = Server::start_with(|config| config.events.heartbeat_seconds = 1);
    let (admin, agent) = (server.member("ann", Role::Admin), server.member("bob", Role::Agent));
    // Signed out, and nothing happens.
    let mut feed = Feed::follow(&server, &agent, "");
    assert_eq!(agent.post("/api/auth/logout/", json!({})).status, 200);
    feed.ends();
    // The first thing that happens after the right was taken is not told any more.
    let agent = server.member("joe", Role::Agent);
    let (mut all, mut leads) = (Feed::follow(&server, &agent, ""), Feed::follow(&server, &agent, "resource=field/leads"));
    let role = |id: i64, column: &'static str, value: &'static str| {
        server.write(move |tx| {
            let membership: Option<i64> = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[id.into()])?;
            tx.update("memberships", membership.expect("a membership"), vec![(column, value.into())])
        });
    };
    role(agent.id, "role", "teacher");
    leads.ends();
    let zone = admin.create("/api/field/zones/", json!({"name": "North"}));
    let department = admin.create("/api/accounts/departments/", json!({"name": "Sales"}));
    let event = all.next();
    assert_eq!((&event.data["resource"], &event.data["id"]), (&json!("accounts/departments"), &department["id"]), "{zone}");
    role(agent.id, "status", "suspended");
    all.ends();
    // The token's time is over.
    let mut feed = Feed::follow(&server, &admin, "");
    server.clock.advance(900);
    feed.ends();
}

#[test]
fn a_ticket_lets_one_stream_in() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let abroad = server.business("Abroad");
    let (id, nobody) = (admin.id, server.client());
    server
        .write(move |tx| tx.insert("memberships", vec![("business_id", abroad.into()), ("user_id", id.into()), ("role", "admin".into())]));
    let ticket = |client: &Client| {
        let answer = client.post("/api/events/ticket/", json!({})).expect(200);
        assert_eq!(answer["expires_in"], ticket::LIFE);
        answer["ticket"].as_str().expect("a ticket").to_owned()
    };
    let there = admin.with("x-business-id", &abroad.to_string());
    let tickets = [ticket(&admin), ticket(&there)];
    let mut feeds = tickets.each_ref().map(|ticket| Feed::follow(&server, &nobody, &format!("ticket={ticket}")));
    // Each in the business that it was got for.
    let (here_lead, there_lead) = (lead(&admin, "here"), lead(&there, "there"));
    assert_eq!(feeds[0].next().data["id"], here_lead["id"]);
    assert_eq!(feeds[1].next().data["id"], there_lead["id"]);
    let refused = json!({"detail": "The ticket was used before, or is too old.", "code": "ticket_not_valid"});
    for used in [tickets[0].as_str(), tickets[1].as_str(), "", "x"] {
        let answer = nobody.get(&format!("/api/events/?ticket={used}"));
        assert_eq!((answer.status, answer.json()), (401, refused.clone()));
    }
    // Too old; of no use elsewhere; and it ends with the session.
    let late = ticket(&admin);
    assert_eq!(nobody.get(&format!("/api/field/leads/?ticket={late}")).status, 401);
    assert_eq!(nobody.post(&format!("/api/events/ticket/?ticket={late}"), json!({})).status, 401);
    server.clock.advance(ticket::LIFE);
    assert_eq!(nobody.get(&format!("/api/events/?ticket={late}")).status, 401);
    let last = ticket(&admin);
    admin.post("/api/auth/logout/", json!({}));
    assert_eq!(nobody.get(&format!("/api/events/?ticket={last}")).status, 401);
    let bob = server.member("bob", Role::Admin);
    (0..20).for_each(|_| drop(ticket(&bob)));
    assert_eq!(bob.post("/api/events/ticket/", json!({})).status, 429);
}

#[test]
fn so_many_listen_at_once() {
    let server = Server::start_with(|config| (config.events.per_person, config.events.total) = (2, 3));
    let (ann, bob) = (server.member("ann", Role::Admin), server.member("bob", Role::Admin));
    let feeds = [Feed::follow(&server, &ann, ""), Feed::follow(&server, &ann, "")];
    let full = Feed::open(&server, &ann, "");
    assert!(full.status == 429 && full.headers.contains("retry-after: 30\r\n"), "{}", full.headers);
    let _third = Feed::follow(&server, &bob, "");
    let full = Feed::open(&server, &bob, "");
    assert!(full.status == 503 && full.headers.contains("retry-after: 30\r\n"), "{}", full.headers);
    drop(feeds);
    until_open(&server, &ann);
}

#[test]
fn whoever_does_not_read_is_dropped_and_slows_nobody() {
    let server = Server::start_with(|config| (config.events.per_person, config.server.idle_seconds) = (1, 1));
    let admin = server.member("ann", Role::Admin);
    let id = admin.create("/api/field/zones/", json!({"name": "North"}))["id"].as_i64().expect("an id");
    let connect = async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let address = server.url.trim_start_matches("http://").parse().expect("an address");
        socket.connect(address).await.and_then(tokio::net::TcpStream::into_std).expect("a connection")
    };
    let stream = runtime().block_on(connect);
    stream.set_nonblocking(false).expect("a blocking socket");
    let idle = Feed::over(stream, &admin, "");
    assert_eq!((idle.status, Feed::open(&server, &admin, "").status), (200, 429));
    // More than the system keeps for it.
    let begun = Instant::now();
    for _ in 0..40 {
        server.write(move |tx| (0..1000).try_for_each(|_| tx.note("zones", id, "look", None, None)));
    }
    let wrote = begun.elapsed();
    admin.patch(&format!("/api/field/zones/{id}/"), json!({"region": "x"})).expect(200);
    assert!(wrote < PATIENCE / 2, "writing took {wrote:?}");
    until_open(&server, &admin);
    drop(idle);
}

#[test]
fn the_server_ends_without_waiting_for_listeners() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let mut feeds = [Feed::follow(&server, &admin, ""), Feed::follow(&server, &admin, "")];
    lead(&admin, "last");
    feeds.iter_mut().for_each(|feed| drop(feed.next()));
    let begun = Instant::now();
    let server = server.restart();
    // Told that it was the end, and not cut off after the time for requests under way.
    feeds.iter_mut().for_each(Feed::ends);
    assert!(begun.elapsed() < Duration::from_secs(10));
    Feed::follow(&server, &admin, "");
}
