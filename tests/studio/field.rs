//! Proves selling on the road: how leads move and what is worked out about them, zones, actions, visits with their check-ins, and the
//! money of leads.

use serde_json::{Value, json};
use studio::{
    actor::{Capability, Role},
    auth::session::Opening,
};

use crate::support::{Answer, Client, Server};

const LEADS: &str = "/api/field/leads/";
const ZONES: &str = "/api/field/zones/";
const ACTIONS: &str = "/api/field/actions/";
const VISITS: &str = "/api/field/visits/";
const REQUIRED: &str = "This field is required.";
const DAY: i64 = 86_400;

fn id(record: &Value) -> i64 {
    record["id"].as_i64().unwrap_or_else(|| panic!("no id in {record}"))
}

fn at(path: &str, record: &Value) -> String {
    format!("{path}{}/", id(record))
}

/// A lead with whatever else is said of it.
fn lead(client: &Client, more: Value) -> Value {
    client.create(LEADS, with(json!({"business_name": "Kiosk", "contact_phone": "077"}), more))
}

fn with(mut base: Value, more: Value) -> Value {
    if let (Some(base), Value::Object(more)) = (base.as_object_mut(), more) {
        base.extend(more);
    }
    base
}

/// Does something that needs no words.
fn act(client: &Client, path: &str) -> Answer {
    client.send("POST", path, None)
}

/// Some time later: the clock moves, and people sign in again.
fn later<const N: usize>(server: &Server, seconds: i64, people: [&mut Client; N]) {
    server.clock.advance(seconds);
    for person in people {
        let (sessions, user) = (server.app.sessions.clone(), person.id);
        let how = Opening { rotates: true, ..Opening::default() };
        person.token = Some(server.write(move |tx| sessions.open(tx, user, how)).access);
    }
}

#[track_caller]
fn is(record: &Value, shown: Value, when: &str) {
    for (name, value) in shown.as_object().expect("an object") {
        assert_eq!(&record[name], value, "{name} {when}: {record}");
    }
}

#[track_caller]
fn conflicts(answer: &Answer, code: &str) {
    assert_eq!((answer.status, &answer.json()["code"]), (409, &json!(code)), "{}: {}", answer.call, answer.text);
}

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().unwrap_or_else(|| panic!("no bare list: {list}")).iter().map(id).collect()
}

// ------------------------------------------------------------------------------------------------ leads

#[test]
fn stage_and_status_move_together() {
    let server = Server::start();
    let manager = server.member("manager", Role::Manager);
    let agent = server.member("agent", Role::Agent);
    let now = json!("2026-03-02T09:00:00.000Z");

    let fresh = lead(&agent, json!({}));
    is(
        &fresh,
        json!({"stage": "prospect", "status": "new", "priority": "medium", "assigned_rep": agent.id, "products_discussed": [], "tags": []}),
        "by default",
    );
    assert_eq!(lead(&manager, json!({}))["assigned_rep"], Value::Null, "only agents look after what they enter");

    // Onward, skipping, and back.
    let path = at(LEADS, &fresh);
    for stage in ["qualified", "negotiation", "prospect", "negotiation", "qualified"] {
        let moved = agent.patch(&path, json!({"stage": stage})).expect(200);
        assert_eq!(moved["stage"], stage);
        assert!(!["closed_lost", "closed_subscribed"].contains(&moved["status"].as_str().unwrap_or("")), "{moved}");
    }
    is(
        &agent.patch(&path, json!({"status": "on_hold"})).expect(200),
        json!({"stage": "qualified", "status": "on_hold"}),
        "on hold keeps the stage",
    );
    let labels =
        [("Follow Up", "follow_up"), ("Quote Sent", "quote_sent"), ("Interested", "interested"), ("On Hold", "on_hold"), ("New", "new")];
    for (label, status) in labels {
        assert_eq!(agent.patch(&path, json!({"status": label})).expect(200)["status"], status, "{label}");
    }
    assert_eq!(agent.patch(&path, json!({"priority": "critical"})).expect(200)["priority"], "urgent");
    agent.patch(&path, json!({"stage": "sold"})).refuses(json!({"stage": ["\"sold\" is not a valid choice."]}));

    // A reason on every path to lost.
    let whole = json!({"business_name": "Kiosk", "contact_phone": "077"});
    let no_reason = json!({"lost_reason": [REQUIRED]});
    for body in [
        json!({"stage": "lost"}),
        json!({"status": "closed_lost"}),
        json!({"status": "Closed – Lost"}),
        json!({"stage": "lost", "lost_reason": null}),
    ] {
        agent.patch(&path, body.clone()).refuses(no_reason.clone());
        agent.put(&path, with(whole.clone(), body.clone())).refuses(no_reason.clone());
        agent.post(LEADS, with(whole.clone(), body)).refuses(no_reason.clone());
    }
    agent.post(&format!("{path}lose/"), json!({})).refuses(no_reason);
    agent
        .post(&format!("{path}lose/"), json!({"lost_reason": "mood"}))
        .refuses(json!({"lost_reason": ["\"mood\" is not a valid choice."]}));
    assert_eq!(agent.get(&path).expect(200)["stage"], "qualified", "a refusal changes nothing");

    // Setting one end sets the other.
    let closed = [
        (
            json!({"stage": "won"}),
            json!({"stage": "won", "status": "closed_subscribed", "won_at": now, "lost_at": null, "lost_reason": null}),
        ),
        (json!({"status": "closed_subscribed"}), json!({"stage": "won", "status": "closed_subscribed", "won_at": now})),
        (
            json!({"stage": "lost", "lost_reason": "price"}),
            json!({"stage": "lost", "status": "closed_lost", "lost_at": now, "won_at": null, "lost_reason": "price"}),
        ),
        (
            json!({"status": "closed_lost", "lost_reason": "timing"}),
            json!({"stage": "lost", "status": "closed_lost", "lost_reason": "timing"}),
        ),
    ];
    for (body, shown) in closed {
        let one = lead(&agent, json!({}));
        is(&agent.patch(&at(LEADS, &one), body.clone()).expect(200), shown.clone(), "after PATCH");
        is(&lead(&agent, body.clone()), shown.clone(), "after POST");
        let one = lead(&agent, json!({}));
        is(&agent.put(&at(LEADS, &one), with(whole.clone(), body)).expect(200), shown, "after PUT");
        let path = at(LEADS, &one);
        // Only managers take a closed lead up again, on whatever path.
        for body in [json!({"stage": "prospect"}), json!({"status": "interested"})] {
            assert_eq!(agent.patch(&path, body.clone()).status, 403, "{body}");
        }
        assert_eq!(act(&agent, &format!("{path}reopen/")).status, 403);
        conflicts(&agent.post(&format!("{path}lose/"), json!({"lost_reason": "price"})), "invalid_transition");
        let open = act(&manager, &format!("{path}reopen/")).expect(200);
        is(&open, json!({"stage": "prospect", "won_at": null, "lost_at": null, "lost_reason": null}), "after reopening");
        conflicts(&act(&manager, &format!("{path}reopen/")), "invalid_transition");
    }
    assert_eq!(
        agent.post(LEADS, with(whole, json!({"stage": "won", "status": "closed_lost", "lost_reason": "price"}))).status,
        400,
        "the two contradict each other"
    );

    // What happened can be read, stage by stage.
    let lost = agent.post(&format!("{path}lose/"), json!({"lost_reason": "competitor"})).expect(200);
    is(&lost, json!({"stage": "lost", "status": "closed_lost", "lost_reason": "competitor"}), "after losing");
    act(&manager, &format!("{path}reopen/")).expect(200);
    let history = agent.get(&format!("{path}history/?page_size=100")).expect(200);
    let entries = history["results"].as_array().expect("entries");
    let stages: Vec<(Value, Value, Value)> = entries
        .iter()
        .rev()
        .flat_map(|entry| entry["changes"].as_array().into_iter().flatten().map(move |change| (entry, change)))
        .filter(|(_, change)| change["field"] == "stage")
        .map(|(entry, change)| (entry["actor"]["id"].clone(), change["before"].clone(), change["after"].clone()))
        .collect();
    let (a, m) = (agent.id, manager.id);
    let expected = json!([
        [a, null, "prospect"],
        [a, "prospect", "qualified"],
        [a, "qualified", "negotiation"],
        [a, "negotiation", "prospect"],
        [a, "prospect", "negotiation"],
        [a, "negotiation", "qualified"],
        [a, "qualified", "lost"],
        [m, "lost", "prospect"],
    ]);
    assert_eq!(json!(stages), expected);
    let events = "SELECT group_concat(coalesce(from_stage, '-') || '>' || to_stage, ' ') FROM lead_stage_events WHERE lead_id = ?1";
    let events: Option<String> = server.app.db.read(|reader| reader.one(events, &[id(&fresh).into()])).expect("events");
    let moves = "->prospect prospect>qualified qualified>negotiation negotiation>prospect prospect>negotiation negotiation>qualified qualified>lost lost>prospect";
    assert_eq!(events.as_deref(), Some(moves));
}

#[test]
fn a_closed_lead_reopens_as_a_prospect_only() {
    let server = Server::start();
    let manager = server.member("manager", Role::Manager);
    for closed in [json!({"stage": "won"}), json!({"stage": "lost", "lost_reason": "price"})] {
        for stage in ["qualified", "negotiation", if closed["stage"] == "won" { "lost" } else { "won" }] {
            let one = lead(&manager, closed.clone());
            conflicts(&manager.patch(&at(LEADS, &one), json!({"stage": stage, "lost_reason": "price"})), "invalid_transition");
        }
        let one = lead(&manager, closed);
        is(&manager.patch(&at(LEADS, &one), json!({"stage": "prospect"})).expect(200), json!({"stage": "prospect"}), "after PATCH");
    }
}

#[test]
fn scores_and_follow_ups_are_worked_out_by_the_book() {
    let server = Server::start();
    let mut agent = server.member("agent", Role::Agent);
    // Today is 2026-03-02. (the lead, its actions' days ago, score, hot, pending, overdue)
    let cases = [
        (json!({}), &[][..], 10, false, false, false),
        (json!({"stage": "qualified"}), &[], 40, false, false, false),
        (json!({"stage": "negotiation"}), &[], 70, false, false, false),
        (json!({"stage": "negotiation", "source": "referral"}), &[], 80, true, false, false),
        (json!({"stage": "negotiation", "source": "inbound", "priority": "urgent"}), &[], 90, true, false, false),
        (json!({"stage": "negotiation", "source": "field"}), &[0, 0, 0, 0], 85, true, false, false),
        (json!({"stage": "negotiation", "source": "referral", "priority": "urgent"}), &[0, 1, 13, 14], 100, true, false, false),
        (json!({"stage": "qualified", "source": "digital"}), &[1, 15, 30], 45, false, false, false),
        (json!({"priority": "high"}), &[], 15, true, false, false),
        (json!({"priority": "low", "follow_up_date": "2026-03-01"}), &[], 0, false, false, true),
        (json!({"priority": "urgent", "follow_up_date": "2026-03-02"}), &[], 20, true, true, false),
        (json!({"stage": "qualified", "follow_up_date": "2026-03-03"}), &[], 40, false, true, false),
        (json!({"stage": "won", "source": "referral", "priority": "urgent"}), &[], 100, false, false, false),
        (json!({"stage": "won", "follow_up_date": "2026-01-01"}), &[], 100, false, false, false),
        (json!({"stage": "lost", "lost_reason": "price"}), &[], 0, false, false, false),
    ];
    let mut made = vec![];
    for (body, days_ago, score, hot, pending, overdue) in cases {
        let one = lead(&agent, body.clone());
        for days in days_ago {
            let date = server.clock.now() - jiff::SignedDuration::from_hours(24 * days);
            agent.create(ACTIONS, json!({"lead": id(&one), "type": "call", "date": date.to_string()}));
        }
        let shown = agent.get(&at(LEADS, &one)).expect(200);
        let flags =
            json!({"lead_score": score, "is_hot": hot, "has_pending_follow_up": pending, "follow_up_overdue": overdue, "is_stale": false});
        is(&shown, flags, &format!("of {body} with actions {days_ago:?} days ago"));
        made.push((id(&one), score, hot, shown));
    }
    let mut hot: Vec<(i64, i64)> = made.iter().filter(|(_, _, hot, _)| *hot).map(|(id, score, ..)| (-i64::from(*score), -id)).collect();
    hot.sort_unstable();
    let hottest: Vec<i64> = hot.into_iter().map(|(_, id)| -id).collect();
    assert_eq!(ids(&agent.get(&format!("{LEADS}hot/")).expect(200)), hottest, "the hot leads, the highest score first");
    let listed = agent.get(&format!("{LEADS}?is_hot=true&ordering=-lead_score,id&page_size=100")).expect(200);
    assert_eq!(listed["count"], hottest.len());
    let by = |shown: &Value| {
        shown["follow_up_date"].as_str().is_some_and(|day| day <= "2026-03-02")
            && !["won", "lost"].contains(&shown["stage"].as_str().unwrap_or(""))
    };
    let due: Vec<i64> = made.iter().filter(|(_, _, _, shown)| by(shown)).map(|(id, ..)| *id).collect();
    assert_eq!(ids(&agent.get(&format!("{LEADS}due/")).expect(200)), due);

    // Stale: more than 14 days without activity, counted by the day, and only while open.
    let (quiet, won) = (made[0].0, made[12].0);
    later(&server, 14 * DAY, [&mut agent]);
    assert_eq!(agent.get(&format!("{LEADS}{quiet}/")).expect(200)["is_stale"], false, "14 days");
    later(&server, DAY, [&mut agent]);
    assert_eq!(agent.get(&format!("{LEADS}{quiet}/")).expect(200)["is_stale"], true, "15 days");
    assert_eq!(agent.get(&format!("{LEADS}{won}/")).expect(200)["is_stale"], false, "a closed lead is not stale");
    agent.create(ACTIONS, json!({"lead": quiet, "type": "call"}));
    let shown = agent.get(&format!("{LEADS}{quiet}/")).expect(200);
    is(&shown, json!({"is_stale": false, "lead_score": 15, "last_activity_at": "2026-03-17T09:00:00.000Z"}), "after an action");
    assert_eq!(shown["actions"][0]["type"], "call", "{shown}");
}

#[test]
fn the_board_counts_and_adds_up_each_stage() {
    let server = Server::start();
    let (admin, agent) = (server.member("boss", Role::Admin), server.member("agent", Role::Agent));
    for (client, body) in [
        (&agent, json!({"expected_value": "10.50"})),
        (&agent, json!({"expected_value": 4.5})),
        (&agent, json!({"expected_value": 7000, "currency": "UGX"})),
        (&agent, json!({"stage": "won", "expected_value": "1"})),
        (&admin, json!({"expected_value": "100"})),
        (&admin, json!({})),
    ] {
        lead(client, body);
    }
    let board = |client: &Client| {
        let body = client.get(&format!("{LEADS}board/")).expect(200);
        let names: Vec<&str> = body.as_array().into_iter().flatten().filter_map(|stage| stage["stage"].as_str()).collect();
        assert_eq!(names, ["prospect", "qualified", "negotiation", "won", "lost"]);
        let stage = |index: usize| (body[index]["count"].clone(), body[index]["expected_values"].clone());
        (stage(0), stage(3), stage(4))
    };
    let sum = |currency: &str, value: &str| json!({"currency": currency, "expected_value": value});
    let (prospects, won, lost) = board(&agent);
    assert_eq!(prospects, (json!(3), json!([sum("UGX", "7000"), sum("USD", "15.00")])), "own leads only, one sum for each currency");
    assert_eq!((won, lost), ((json!(1), json!([sum("USD", "1.00")])), (json!(0), json!([]))));
    let (prospects, _, _) = board(&admin);
    assert_eq!(prospects, (json!(5), json!([sum("UGX", "7000"), sum("USD", "115.00")])));
    let stranger = server.member_with("stranger", Role::Admin, server.business("Other"), &[]);
    assert_eq!(board(&stranger).0, (json!(0), json!([])));
    for list in ["board", "hot", "due"] {
        assert_eq!(server.member(&format!("{list}-buyer"), Role::Customer).get(&format!("{LEADS}{list}/")).status, 403, "{list}");
    }
}

#[test]
fn duplicates_are_told_or_refused() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let stranger = server.member_with("stranger", Role::Admin, server.business("Other"), &[]);
    lead(&stranger, json!({"contact_phone": "+256700123456"}));
    let first = lead(&admin, json!({"contact_phone": "+256 700 123-456", "contact_email": "Info@Kiosk.example"}));
    assert_eq!(
        (&first["contact_phone"], &first["duplicates"]),
        (&json!("+256 700 123-456"), &json!([])),
        "kept as typed; other businesses do not count"
    );
    for body in [json!({"contact_phone": "+256700123456"}), json!({"contact_phone": "1", "contact_email": "info@kiosk.EXAMPLE"})] {
        let sent = with(json!({"business_name": "Kiosk 2"}), body);
        conflicts(&admin.post(&format!("{LEADS}?strict=1"), sent.clone()), "duplicate");
        let second = admin.create(LEADS, sent);
        assert_eq!(ids(&second["duplicates"]), [id(&first)], "{second}");
        assert_eq!(ids(&admin.get(&at(LEADS, &first)).expect(200)["duplicates"]), [id(&second)]);
        assert_eq!(admin.delete(&at(LEADS, &second)).status, 204);
        assert_eq!(admin.get(&at(LEADS, &first)).expect(200)["duplicates"], json!([]), "deleted leads do not count");
    }
    admin.post(&format!("{LEADS}?strict=1"), json!({"business_name": "New", "contact_phone": "+256700123457"})).expect(201);
    assert!(!first.to_string().contains("norm"), "{first}");
}

#[test]
fn merging_makes_one_lead_of_several() {
    let server = Server::start();
    let (manager, agent, other) =
        (server.member("manager", Role::Manager), server.member("agent", Role::Agent), server.member("other", Role::Agent));
    let field = server.staff("field", &[Capability::Field]);
    let zone = manager.create(ZONES, json!({"name": "North"}));
    let into = lead(&agent, json!({"contact_name": "Ann", "tags": "#vip", "expected_value": null}));
    let more = json!({
        "contact_name": "Bob", "contact_email": "b@example.com", "zone": id(&zone), "notes": "met twice", "lat": 0, "lon": 32.5, "tags": ["vip", "hot"],
        "expected_value": "5000", "currency": "UGX", "follow_up_date": "2026-03-09",
    });
    let source = lead(&agent, more);
    let action = agent.create(ACTIONS, json!({"lead": id(&source), "type": "call"}));
    let visit = agent.create(VISITS, json!({"lead": id(&source), "date_time": "2026-03-05T10:00:00Z"}));
    let merge = |client: &Client, into: Value, from: Value| client.post(&format!("{LEADS}merge/"), json!({"into": into, "from": from}));
    let both = (into["id"].clone(), json!([source["id"]]));

    assert_eq!(merge(&other, both.0.clone(), both.1.clone()).status, 404, "leads of others");
    assert_eq!(merge(&field, both.0.clone(), both.1.clone()).status, 403, "who may change all leads merges only own ones");
    for from in [json!([]), json!([into["id"]])] {
        assert_eq!(merge(&agent, both.0.clone(), from.clone()).status, 400, "{from}");
    }
    assert_eq!(merge(&agent, both.0.clone(), json!([999])).status, 404);
    let merged = merge(&agent, into["uuid"].clone(), both.1).expect(200);
    let filled = json!({
        "id": into["id"], "contact_name": "Ann", "contact_email": "b@example.com", "zone": zone["id"], "notes": "met twice", "tags": ["vip", "hot"],
        "lat": 0.0, "lon": 32.5, "expected_value": "5000", "currency": "UGX", "follow_up_date": "2026-03-09",
    });
    is(&merged, filled, "after merging");
    assert_eq!(agent.get(&at(LEADS, &source)).status, 404, "the source is deleted");
    assert_eq!(agent.get(&at(ACTIONS, &action)).expect(200)["lead"], into["id"]);
    assert_eq!(agent.get(&at(VISITS, &visit)).expect(200)["lead"], into["id"]);
    assert!(manager.get(&format!("{LEADS}deleted/")).expect(200)["count"] == 1);
    let history = agent.get(&format!("{}history/", at(LEADS, &into))).expect(200);
    assert_eq!(history["results"][0]["action"], "leads.merge", "{history}");
    let theirs = lead(&other, json!({}));
    merge(&manager, into["id"].clone(), json!([theirs["id"]])).expect(200);
}

#[test]
fn leads_belong_to_those_who_look_after_them() {
    let server = Server::start();
    let (manager, agent, other) =
        (server.member("manager", Role::Manager), server.member("agent", Role::Agent), server.member("other", Role::Agent));
    let (staff, field) = (server.staff("staff", &[]), server.staff("field", &[Capability::Field]));
    let zone = manager.create(ZONES, json!({"name": "North", "manager": other.id}));
    let own = lead(&agent, json!({}));
    let assigned = lead(&manager, json!({"assigned_rep": agent.id}));
    let zoned = lead(&manager, json!({"zone": id(&zone)}));
    let all = [&own, &assigned, &zoned];
    let sees = [
        (&manager, [true, true, true]),
        (&field, [true, true, true]),
        (&agent, [true, true, false]),
        (&other, [false, false, true]),
        (&staff, [false, false, false]),
    ];
    for (client, visible) in sees {
        assert_eq!(client.get(LEADS).expect(200)["count"], visible.iter().filter(|seen| **seen).count());
        for (record, seen) in all.iter().zip(visible) {
            let path = at(LEADS, record);
            let expected = if seen { 200 } else { 404 };
            assert_eq!(
                (client.get(&path).status, client.patch(&path, json!({"notes": "x"})).status),
                (expected, expected),
                "{path} for {}",
                client.id
            );
        }
    }
    for role in [Role::Teacher, Role::Student, Role::Customer, Role::Citizen] {
        let client = server.member(role.name(), role);
        assert_eq!(
            (client.get(LEADS).status, client.get(&at(LEADS, &own)).status, client.post(LEADS, json!({})).status),
            (403, 403, 403),
            "{role:?}"
        );
    }

    // Handing on: by who has it, or by managers.
    assert_eq!(other.patch(&at(LEADS, &zoned), json!({"zone": null})).status, 200, "the zone's manager changes its leads");
    let path = at(LEADS, &assigned);
    assert_eq!(field.patch(&path, json!({"assigned_rep": field.id})).status, 403);
    agent.patch(&path, json!({"assigned_rep": other.id})).expect(200);
    assert_eq!(agent.get(&path).status, 404, "handed on");
    other.get(&path).expect(200);
    manager.patch(&path, json!({"assigned_rep": agent.id})).expect(200);
    let stranger = server.member_with("stranger", Role::Agent, server.business("Other"), &[]);
    let body = json!({"assigned_rep": [format!("Invalid pk \"{}\" - object does not exist.", stranger.id)]});
    manager.patch(&path, json!({"assigned_rep": stranger.id})).refuses(body);

    // Agents delete prospects of their own, nobody else's work.
    let worked = lead(&agent, json!({"stage": "qualified"}));
    assert_eq!(agent.delete(&at(LEADS, &worked)).status, 403);
    assert_eq!(agent.delete(&at(LEADS, &own)).status, 204);
    assert_eq!(other.delete(&path).status, 404);
    assert_eq!(field.delete(&path).status, 403);
    assert_eq!(manager.delete(&at(LEADS, &worked)).status, 204);
}

#[test]
fn money_of_leads_has_the_decimals_of_its_currency() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let cases = [
        (json!({"expected_value": 1000}), "1000.00", "USD"),
        (json!({"expected_value": "1000"}), "1000.00", "USD"),
        (json!({"expected_value": 10.1}), "10.10", "USD"),
        (json!({"expected_value": "0.07000"}), "0.07", "USD"),
        (json!({"expected_value": 1e3}), "1000.00", "USD"),
        (json!({"expected_value": 1000, "currency": "UGX"}), "1000", "UGX"),
        (json!({"expected_value": "1000.00", "currency": "ugx"}), "1000", "UGX"),
        (json!({"expected_value": "1.234", "currency": "KWD"}), "1.234", "KWD"),
        (json!({"expected_value": "90071992547409.91"}), "90071992547409.91", "USD"),
        (json!({"expected_value": 1234567890123.45}), "1234567890123.45", "USD"),
    ];
    for (body, value, currency) in cases {
        let one = lead(&admin, body.clone());
        is(&one, json!({"expected_value": value, "currency": currency}), &format!("of {body}"));
        is(&admin.get(&at(LEADS, &one)).expect(200), json!({"expected_value": value, "currency": currency}), "when read");
    }
    let places = |count: u8| format!("Ensure that there are no more than {count} decimal places.");
    let number = "A valid number is required.".to_owned();
    let refusals = [
        (json!({"expected_value": "1.005"}), places(2)),
        (json!({"expected_value": 1.005}), places(2)),
        (json!({"expected_value": "1.5", "currency": "UGX"}), places(0)),
        (json!({"expected_value": 0.5, "currency": "JPY"}), places(0)),
        (json!({"expected_value": "1.2345", "currency": "KWD"}), places(3)),
        (json!({"expected_value": "1e3"}), number.clone()),
        (json!({"expected_value": "1,000"}), number.clone()),
        (json!({"expected_value": true}), number.clone()),
        (json!({"expected_value": "ten"}), number),
    ];
    for (body, text) in refusals {
        admin.post(LEADS, with(json!({"business_name": "Kiosk", "contact_phone": "1"}), body)).refuses(json!({"expected_value": [text]}));
    }
    for value in ["90071992547409.92", "-90071992547409.92", "99999999999999999999"] {
        assert_eq!(
            admin.post(LEADS, json!({"business_name": "K", "contact_phone": "1", "expected_value": value})).status,
            400,
            "{value} is too large"
        );
    }
    assert_eq!(admin.post(LEADS, json!({"business_name": "K", "contact_phone": "1", "currency": "EURO"})).status, 400);

    // Another currency keeps the amount as it reads, if it can be said in it.
    let path = at(LEADS, &lead(&admin, json!({"expected_value": "10.50"})));
    admin.patch(&path, json!({"currency": "UGX"})).refuses(json!({"expected_value": [places(0)]}));
    is(&admin.patch(&path, json!({"currency": "KWD"})).expect(200), json!({"expected_value": "10.500", "currency": "KWD"}), "in dinars");
    is(
        &admin.patch(&path, json!({"currency": "UGX", "expected_value": 12})).expect(200),
        json!({"expected_value": "12", "currency": "UGX"}),
        "in shillings",
    );
    is(&admin.patch(&path, json!({"currency": "USD"})).expect(200), json!({"expected_value": "12.00", "currency": "USD"}), "in dollars");
    is(&admin.patch(&path, json!({"expected_value": null})).expect(200), json!({"expected_value": null}), "without a value");

    // A business in another currency.
    server.write(|tx| tx.update("businesses", 1, vec![("currency", "UGX".into())]));
    is(&lead(&admin, json!({"expected_value": 2500})), json!({"expected_value": "2500", "currency": "UGX"}), "in the business's currency");
}

#[test]
fn a_number_too_precise_for_json_is_refused() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    // 16 significant digits: a JSON number may not be what the client meant.
    for number in ["12345678901234.56", "1234567890123456"] {
        let body = format!(r#"{{"business_name":"K","contact_phone":"1","currency":"USD","expected_value":{number}}}"#);
        let answer = admin.send("POST", LEADS, Some(("application/json", body.into_bytes())));
        assert!(answer.status == 400 && answer.json()["expected_value"].is_array(), "{number}: {} {}", answer.status, answer.text);
    }
    is(&lead(&admin, json!({"expected_value": "12345678901234.56"})), json!({"expected_value": "12345678901234.56"}), "as a string");
}

// ------------------------------------------------------------------------------------------------ zones and actions

#[test]
fn zones_count_their_leads_and_visits() {
    let server = Server::start();
    let (mut manager, mut agent) = (server.member("manager", Role::Manager), server.member("agent", Role::Agent));
    let field = server.staff("field", &[Capability::Field]);
    let zone = field.create(ZONES, json!({"name": "North", "region": "Central"}));
    manager.post(ZONES, json!({"name": "North"})).refuses(json!({"name": ["zone with this name already exists."]}));
    for body in [json!({"lat": 1}), json!({"lat": 90.5, "lon": 0}), json!({"lat": 0, "lon": 180.5}), json!({"radius_m": -1})] {
        assert_eq!(manager.patch(&at(ZONES, &zone), body.clone()).status, 400, "{body}");
    }
    assert_eq!(
        (agent.post(ZONES, json!({"name": "Mine"})).status, agent.delete(&at(ZONES, &zone)).status, field.delete(&at(ZONES, &zone)).status),
        (403, 403, 403)
    );
    let open = lead(&agent, json!({"zone": id(&zone)}));
    let won = lead(&agent, json!({"zone": id(&zone), "stage": "won"}));
    for date in ["2026-03-01T09:00:00Z", "2026-02-01T09:00:00Z", "2026-01-30T09:00:00Z", "2026-03-04T09:00:00Z"] {
        let body = json!({"zone": id(&zone), "business_name": "Kiosk", "date_time": date, "visit_outcome": if date < "2026-03-02" { json!("other") } else { Value::Null }});
        agent.create(VISITS, body);
    }
    is(&agent.get(&at(ZONES, &zone)).expect(200), json!({"open_leads": 1, "visits_30d": 2}), "of the last 30 days");
    later(&server, 3 * DAY, [&mut manager, &mut agent]);
    is(&agent.get(&at(ZONES, &zone)).expect(200), json!({"open_leads": 1, "visits_30d": 2}), "three days later: one came, one went");
    for query in ["?region=Central", "?search=central", "?search=nor"] {
        assert_eq!(agent.get(&format!("{ZONES}{query}")).expect(200)["count"], 1, "{query}");
    }
    conflicts(&manager.delete(&at(ZONES, &zone)), "in_use");
    assert_eq!(agent.get(&at(LEADS, &open)).expect(200)["zone"], "North", "the read form shows the name");
    for one in [&open, &won] {
        manager.patch(&at(LEADS, one), json!({"zone": null})).expect(200);
    }
    assert_eq!(manager.delete(&at(ZONES, &zone)).status, 204);
}

#[test]
fn actions_move_their_lead_and_are_corrected_for_a_day() {
    let server = Server::start();
    let (mut manager, mut agent, mut other) =
        (server.member("manager", Role::Manager), server.member("agent", Role::Agent), server.member("other", Role::Agent));
    let zone = manager.create(ZONES, json!({"name": "North", "manager": other.id}));
    let one = lead(&agent, json!({"zone": id(&zone)}));
    let theirs = lead(&other, json!({}));

    let action = agent.create(ACTIONS, json!({"lead": one["uuid"], "type": "demo", "notes": "Shown", "next_follow_up": "2026-03-10"}));
    is(&action, json!({"lead": one["id"], "type": "demo", "date": "2026-03-02T09:00:00.000Z", "created_by": agent.id}), "by default");
    let moved =
        json!({"status": "follow_up", "stage": "prospect", "last_activity_at": "2026-03-02T09:00:00.000Z", "follow_up_date": "2026-03-10"});
    is(&agent.get(&at(LEADS, &one)).expect(200), moved, "after an action");
    // Only a new lead is moved on; what is written down late is not the latest; what is planned has not happened.
    agent.patch(&at(LEADS, &one), json!({"status": "quote_sent"})).expect(200);
    agent.create(ACTIONS, json!({"lead": id(&one), "type": "call", "date": "2026-02-20T08:00:00Z"}));
    agent.create(ACTIONS, json!({"lead": id(&one), "type": "meeting", "date": "2026-05-01T08:00:00Z"}));
    let kept = json!({"status": "quote_sent", "last_activity_at": "2026-03-02T09:00:00.000Z", "follow_up_date": "2026-03-10"});
    is(&agent.get(&at(LEADS, &one)).expect(200), kept, "after others");

    // A lead of somebody else does not exist.
    let unknown = json!({"lead": [format!("Invalid pk \"{}\" - object does not exist.", id(&theirs))]});
    agent.post(ACTIONS, json!({"lead": id(&theirs), "type": "call"})).refuses(unknown.clone());
    agent.patch(&at(ACTIONS, &action), json!({"lead": id(&theirs)})).refuses(unknown);
    agent.post(ACTIONS, json!({})).refuses(json!({"lead": [REQUIRED], "type": [REQUIRED]}));
    agent.post(ACTIONS, json!({"lead": id(&one), "type": "dance"})).refuses(json!({"type": ["\"dance\" is not a valid choice."]}));
    let seen = |client: &Client| client.get(&format!("{ACTIONS}?lead={}", id(&one))).expect(200)["count"].clone();
    assert_eq!((seen(&agent), seen(&other)), (json!(3), json!(3)), "whoever sees the lead sees its actions");
    assert_eq!(server.member("third", Role::Agent).get(&at(ACTIONS, &action)).status, 404);
    assert_eq!(agent.get(&format!("{ACTIONS}?type=demo")).expect(200)["count"], 1);

    // Their own for 24 hours; those of others never.
    let path = at(ACTIONS, &action);
    assert_eq!((other.patch(&path, json!({"notes": "x"})).status, other.delete(&path).status), (403, 403));
    later(&server, DAY - 1, [&mut manager, &mut agent, &mut other]);
    agent.patch(&path, json!({"outcome": "Wants two"})).expect(200);
    later(&server, 2, [&mut manager, &mut agent, &mut other]);
    assert_eq!((agent.patch(&path, json!({"notes": "x"})).status, agent.delete(&path).status), (403, 403), "after 24 hours");
    manager.patch(&path, json!({"notes": "Corrected"})).expect(200);
    assert_eq!(manager.delete(&path).status, 204);
    let fresh = agent.create(ACTIONS, json!({"lead": id(&one), "type": "call"}));
    assert_eq!(agent.delete(&at(ACTIONS, &fresh)).status, 204);
    assert_eq!(manager.delete(&at(LEADS, &one)).status, 204);
    assert_eq!(manager.get(&format!("{ACTIONS}?lead={}", id(&one))).status, 400, "the lead is gone");
    assert_eq!(manager.get(ACTIONS).expect(200)["count"], 0, "and its actions with it");
}

// ------------------------------------------------------------------------------------------------ visits

#[test]
fn a_visit_is_planned_made_and_completed() {
    let server = Server::start();
    let (mut agent, mut other) = (server.member("agent", Role::Agent), server.member("other", Role::Agent));
    let mut manager = server.member("manager", Role::Manager);
    let one = lead(&agent, json!({"business_name": "Corner shop"}));
    let visit = agent.create(VISITS, json!({"lead": id(&one), "date_time": "2026-03-02T15:00:00Z"}));
    is(
        &visit,
        json!({"status": "planned", "rep": agent.id, "business_name": "Corner shop", "customer_agreed_contact": true, "geo_quality": null}),
        "when planned",
    );
    let path = at(VISITS, &visit);
    let (check_in, check_out) = (format!("{path}check-in/"), format!("{path}check-out/"));
    conflicts(&agent.post(&check_out, json!({"visit_outcome": "interested"})), "invalid_transition");
    assert_eq!(other.post(&check_in, json!({})).status, 404);
    assert_eq!(manager.post(&check_in, json!({})).status, 403, "only who is there checks in");
    agent.post(&check_in, json!({"lat": 91, "lon": 0})).refuses(json!({"lat": ["Ensure this value is less than or equal to 90."]}));
    agent
        .post(&check_in, json!({"lat": 0, "lon": -180.5}))
        .refuses(json!({"lon": ["Ensure this value is greater than or equal to -180."]}));
    for body in [json!({"lat": 1}), json!({"lon": 1}), json!({"lat": "north", "lon": 1}), json!({"lat": 0, "lon": 0, "accuracy_m": -1})] {
        assert_eq!(agent.post(&check_in, body.clone()).status, 400, "{body}");
    }
    let inside = agent.post(&check_in, json!({"lat": 0, "lon": 0, "accuracy_m": 12.5, "captured_at": "2026-03-02T08:58:00Z"})).expect(200);
    let arrival = json!({"status": "checked_in", "check_in_at": "2026-03-02T09:00:00.000Z", "check_in_lat": 0.0, "check_in_lon": 0.0, "geo_quality": "ok"});
    is(&inside, arrival, "when checked in on the equator");
    conflicts(&agent.post(&check_in, json!({})), "invalid_transition");

    // One open check-in for each rep.
    let next = agent.create(VISITS, json!({"business_name": "Next", "date_time": "2026-03-02T16:00:00Z"}));
    conflicts(&agent.post(&format!("{}check-in/", at(VISITS, &next)), json!({})), "open_check_in");
    let elsewhere = other.create(VISITS, json!({"business_name": "Else", "date_time": "2026-03-02T16:00:00Z"}));
    other.post(&format!("{}check-in/", at(VISITS, &elsewhere)), json!({})).expect(200);

    later(&server, 45 * 60 + 59, [&mut agent, &mut other, &mut manager]);
    agent.post(&check_out, json!({})).refuses(json!({"visit_outcome": [REQUIRED]}));
    let body = json!({"visit_outcome": "interested", "lat": 0.0001, "lon": 0, "feedback_notes": "Liked it", "follow_up_type": "call", "follow_up_date": "2026-03-09"});
    let done = agent.post(&check_out, body).expect(200);
    let shown = json!({
        "status": "completed", "visit_outcome": "interested", "check_out_at": "2026-03-02T09:45:59.000Z", "duration_min": 45, "check_out_lat": 0.0001,
        "feedback_notes": "Liked it", "check_in_lat": 0.0, "check_in_accuracy_m": 12.5, "auto_closed": false,
    });
    is(&done, shown, "when completed");
    let moved = json!({"last_activity_at": "2026-03-02T09:45:59.000Z", "follow_up_date": "2026-03-09", "follow_up_type": "call"});
    is(&agent.get(&at(LEADS, &one)).expect(200), moved, "of the lead after the visit");

    // What was measured stays.
    let fake = json!({"check_in_lat": 5, "check_in_lon": 5, "check_in_at": "2020-01-01T00:00:00Z", "status": "planned", "captured_at": null, "check_out_at": null, "auto_closed": true});
    agent.patch(&path, fake.clone()).expect(200);
    manager.patch(&path, with(fake, json!({"feedback_notes": "Checked"}))).expect(200);
    let kept = agent.get(&path).expect(200);
    for name in ["check_in_lat", "check_in_lon", "check_in_at", "status", "captured_at", "check_out_at", "auto_closed"] {
        assert_eq!(kept[name], done[name], "{name} is immutable");
    }
    assert_eq!(kept["feedback_notes"], "Checked");
    conflicts(&agent.post(&check_in, json!({})), "invalid_transition");
    conflicts(&act(&agent, &format!("{path}cancel/")), "invalid_transition");
    conflicts(&agent.post(&check_out, json!({"visit_outcome": "other"})), "invalid_transition");

    // Cancelling, before and during.
    agent.post(&format!("{}check-in/", at(VISITS, &next)), json!({})).expect(200);
    assert_eq!(act(&agent, &format!("{}cancel/", at(VISITS, &next))).expect(200)["status"], "cancelled");
    conflicts(&agent.post(&format!("{}check-in/", at(VISITS, &next)), json!({})), "invalid_transition");
    act(&manager, &format!("{}cancel/", at(VISITS, &elsewhere))).expect(200);

    // Written down afterwards.
    let after = agent.create(VISITS, json!({"business_name": "Kiosk", "date_time": "2026-03-01T10:00:00Z", "visit_outcome": "refusal"}));
    is(&after, json!({"status": "completed", "geo_quality": "after_the_fact", "duration_min": null, "distance_m": null}), "after the fact");
    agent.post(VISITS, json!({})).refuses(json!({"business_name": [REQUIRED]}));

    // Whose visits they are.
    assert_eq!((other.get(&path).status, other.get(VISITS).expect(200)["count"].clone()), (404, json!(1)));
    assert_eq!(agent.delete(&path).status, 403, "a visit that took place stays");
    let planned = agent.create(VISITS, json!({"business_name": "Later", "date_time": "2026-04-01T10:00:00Z"}));
    assert_eq!(agent.delete(&at(VISITS, &planned)).status, 204);
    assert_eq!(agent.post(VISITS, json!({"business_name": "For other", "rep": other.id})).status, 403);
}

#[test]
fn where_a_visit_was_is_measured() {
    let server = Server::start();
    let agent = server.member("agent", Role::Agent);
    let manager = server.member("manager", Role::Manager);
    let zone = manager.create(ZONES, json!({"name": "Equator", "lat": 0, "lon": 0}));
    let wide = manager.create(ZONES, json!({"name": "Wide", "lat": 0, "lon": 0, "radius_m": 1200}));
    let shop = lead(&agent, json!({"lat": 0.3136, "lon": 32.5811}));
    // Worked out by hand with the mean radius of the earth; 200 m is the business's radius.
    let (near, far) = (json!({"lat": 0, "lon": 0.001}), json!({"lat": 0, "lon": 0.01}));
    let cases = [
        (json!({"zone": id(&zone)}), near.clone(), json!({"distance_m": 111, "within_radius": true, "geo_quality": "ok"})),
        (json!({"zone": id(&zone)}), far.clone(), json!({"distance_m": 1112, "within_radius": false, "geo_quality": "ok"})),
        (json!({"zone": id(&zone)}), json!({"lat": 0.0017, "lon": 0}), json!({"distance_m": 189, "within_radius": true})),
        (json!({"zone": id(&zone)}), json!({"lat": -0.0019, "lon": 0}), json!({"distance_m": 211, "within_radius": false})),
        (json!({"zone": id(&wide)}), far.clone(), json!({"distance_m": 1112, "within_radius": true})),
        (json!({"zone": id(&zone)}), json!({"lat": 0, "lon": 0}), json!({"distance_m": 0, "within_radius": true})),
        (
            json!({"zone": id(&wide), "lead": id(&shop)}),
            json!({"lat": 0.3476, "lon": 32.5825}),
            json!({"distance_m": 3784, "within_radius": false}),
        ),
        (json!({}), near.clone(), json!({"distance_m": null, "within_radius": null, "geo_quality": "ok"})),
        (json!({"zone": id(&zone)}), json!({}), json!({"distance_m": null, "within_radius": null, "geo_quality": "missing"})),
        (json!({}), with(near.clone(), json!({"accuracy_m": 100, "captured_at": "2026-03-02T08:58:00Z"})), json!({"geo_quality": "ok"})),
        (json!({}), with(near.clone(), json!({"accuracy_m": 100.5})), json!({"geo_quality": "low_accuracy"})),
        (json!({}), with(near.clone(), json!({"captured_at": "2026-03-02T08:57:59Z"})), json!({"geo_quality": "stale"})),
    ];
    for (place, position, shown) in cases {
        let visit = agent.create(VISITS, with(json!({"business_name": "Kiosk", "date_time": "2026-03-02T10:00:00Z"}), place.clone()));
        let inside = agent.post(&format!("{}check-in/", at(VISITS, &visit)), position.clone()).expect(200);
        is(&inside, shown, &format!("at {position} for {place}"));
        agent.post(&format!("{}check-out/", at(VISITS, &visit)), json!({"visit_outcome": "other"})).expect(200);
    }
    assert_eq!(agent.get(&format!("{VISITS}?within_radius=false")).expect(200)["count"], 3);

    // Enforced, being too far is refused and leaves the visit as it was; not knowing where is no distance.
    server.write(|tx| tx.update("businesses", 1, vec![("visit_radius_enforced", true.into())]));
    let visit = agent.create(VISITS, json!({"business_name": "Kiosk", "zone": id(&zone), "date_time": "2026-03-02T10:00:00Z"}));
    conflicts(&agent.post(&format!("{}check-in/", at(VISITS, &visit)), far), "out_of_radius");
    is(
        &agent.get(&at(VISITS, &visit)).expect(200),
        json!({"status": "planned", "check_in_at": null, "check_in_lat": null}),
        "after the refusal",
    );
    agent.post(&format!("{}check-in/", at(VISITS, &visit)), near).expect(200);
}

#[test]
fn a_visit_becomes_a_lead_once() {
    let server = Server::start();
    let (agent, other) = (server.member("agent", Role::Agent), server.member("other", Role::Agent));
    let zone = server.member("manager", Role::Manager).create(ZONES, json!({"name": "North"}));
    let body = json!({
        "business_name": "New shop", "contact_name": "Ann", "contact_phone": "+256700123456", "zone": id(&zone), "date_time": "2026-03-01T10:00:00Z",
        "visit_outcome": "interested", "feedback_notes": "Wants one", "follow_up_date": "2026-03-09", "products_discussed": ["Till"],
    });
    // An explicit call is consent.
    let visit = agent.create(VISITS, body.clone());
    assert_eq!(visit["linked_lead"], Value::Null);
    let convert = format!("{}convert_to_lead/", at(VISITS, &visit));
    assert_eq!(act(&other, &convert).status, 404);
    let first = act(&agent, &convert).expect(200);
    assert_eq!(first["linked"], true);
    assert_eq!(act(&agent, &convert).expect(200), first, "the same lead again");
    let path = format!("{LEADS}{}/", first["lead_id"]);
    let shown = agent.get(&path).expect(200);
    let carried = json!({
        "business_name": "New shop", "contact_name": "Ann", "contact_phone": "+256700123456", "source": "field", "zone": "North", "notes": "Wants one",
        "follow_up_date": "2026-03-09", "products_discussed": ["Till"], "stage": "prospect",
    });
    is(&shown, carried, "of the lead made from a visit");
    assert_eq!(shown["assigned_rep"]["id"], agent.id, "{shown}");
    assert_eq!(agent.get(&at(VISITS, &visit)).expect(200)["linked_lead"]["id"], first["lead_id"]);
    assert_eq!(agent.get(LEADS).expect(200)["count"], 1);

    // By itself, when it is completed and was asked for.
    let written_down = agent.create(VISITS, with(body, json!({"add_as_lead": true})));
    assert!(written_down["linked_lead"].is_i64(), "{written_down}");
    let planned = agent
        .create(VISITS, json!({"business_name": "Third", "contact_phone": "1", "add_as_lead": true, "date_time": "2026-03-02T10:00:00Z"}));
    assert_eq!(planned["linked_lead"], Value::Null, "not before it is made");
    agent.post(&format!("{}check-in/", at(VISITS, &planned)), json!({})).expect(200);
    let done = agent.post(&format!("{}check-out/", at(VISITS, &planned)), json!({"visit_outcome": "interested"})).expect(200);
    assert!(done["linked_lead"].is_i64(), "{done}");
    assert_eq!(agent.get(LEADS).expect(200)["count"], 3);
    let cancelled = agent.create(VISITS, json!({"business_name": "Fourth", "contact_phone": "1", "date_time": "2026-03-02T10:00:00Z"}));
    act(&agent, &format!("{}cancel/", at(VISITS, &cancelled))).expect(200);
    conflicts(&act(&agent, &format!("{}convert_to_lead/", at(VISITS, &cancelled))), "invalid_transition");
}

#[test]
fn a_forgotten_check_in_ends_after_twelve_hours() {
    let server = Server::start();
    let mut agent = server.member("agent", Role::Agent);
    let plan =
        |agent: &Client, name: &str| at(VISITS, &agent.create(VISITS, json!({"business_name": name, "date_time": "2026-03-02T10:00:00Z"})));
    let (first, second) = (plan(&agent, "First"), plan(&agent, "Second"));
    agent.post(&format!("{first}check-in/"), json!({})).expect(200);
    later(&server, 12 * 3600 - 1, [&mut agent]);
    conflicts(&agent.post(&format!("{second}check-in/"), json!({})), "open_check_in");
    later(&server, 3601, [&mut agent]);
    agent.post(&format!("{second}check-in/"), json!({})).expect(200);
    let closed = json!({"status": "completed", "auto_closed": true, "duration_min": 720, "check_out_at": "2026-03-02T21:00:00.000Z"});
    is(&agent.get(&first).expect(200), closed, "when nobody checked out");
}

#[test]
fn checking_out_too_late_does_not_lengthen_a_visit() {
    let server = Server::start();
    let mut agent = server.member("agent", Role::Agent);
    let visit = at(VISITS, &agent.create(VISITS, json!({"business_name": "First", "date_time": "2026-03-02T10:00:00Z"})));
    agent.post(&format!("{visit}check-in/"), json!({})).expect(200);
    later(&server, 13 * 3600, [&mut agent]);
    // Whether this is refused or taken as what came of it: the visit was over after 12 hours.
    agent.post(&format!("{visit}check-out/"), json!({"visit_outcome": "interested"}));
    is(&agent.get(&visit).expect(200), json!({"status": "completed", "auto_closed": true, "duration_min": 720}), "an hour too late");
}

#[test]
fn a_lead_comes_back_with_its_actions_and_only_into_a_world_it_fits() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let zone = admin.create("/api/field/zones/", json!({"name": "Harbour"}));
    let one = lead(&admin, json!({"zone": zone["id"]}));
    let action = admin.create(ACTIONS, json!({"lead": one["id"], "type": "call"}));
    let early = admin.create(ACTIONS, json!({"lead": one["id"], "type": "demo"}));
    admin.delete(&at(ACTIONS, &early)).expect(204);
    server.clock.advance(60);
    admin.delete(&at(LEADS, &one)).expect(204);
    assert_eq!(admin.get(&at(ACTIONS, &action)).status, 404, "the actions of a deleted lead are deleted");
    admin.delete(&at("/api/field/zones/", &zone)).expect(204);
    let restore = format!("{}restore/", at(LEADS, &one));
    admin.send("POST", &restore, None).refuses(json!({"zone": [format!("Invalid pk \"{}\" - object does not exist.", zone["id"])]}));
    assert_eq!(admin.get(&at(LEADS, &one)).status, 404, "a refused restore leaves it deleted");
    admin.send("POST", &format!("{}restore/", at("/api/field/zones/", &zone)), None).expect(200);
    admin.send("POST", &restore, None).expect(200);
    admin.get(&at(ACTIONS, &action)).expect(200);
    assert_eq!(admin.get(&at(ACTIONS, &early)).status, 404, "what was deleted before stays deleted");
}

#[test]
fn the_last_day_of_the_calendar_bounds_nothing() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    lead(&admin, json!({}));
    for (filter, count) in [("created_at__lte=9999-12-31", 1), ("created_at__gte=9999-12-31", 0), ("stale=true", 0), ("stale=false", 1)] {
        assert_eq!(admin.get(&format!("{LEADS}?{filter}")).expect(200)["count"], count, "{filter}");
    }
}
