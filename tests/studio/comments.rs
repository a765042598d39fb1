//! Comments: who may say and read something about a record, who may take it back, mentions and reactions; and that no path shows what is
//! said about a record to somebody who may not read that.

use serde_json::{Value as Json, json};
use studio::{
    actor::{Capability, Role},
    engine::{Attachment, DELETE, descriptor},
    resources,
};

use crate::{
    samples::{World, for_each},
    support::{Client, Server},
};

const DAY: i64 = 24 * 60 * 60;

fn lead(client: &Client) -> String {
    let lead = client.create("/api/field/leads/", json!({"business_name": "Duka", "contact_phone": "0700"}));
    format!("/api/field/leads/{}/", lead["id"])
}

fn say(client: &Client, record: &str, content: &str) -> Json {
    client.create(&format!("{record}comments/"), json!({"content": content}))
}

fn one(comment: &Json) -> String {
    format!("/api/comments/{}/", comment["id"])
}

fn said(client: &Client, record: &str) -> Vec<String> {
    let page = client.get(&format!("{record}comments/?page_size=100")).expect(200);
    page["results"].as_array().expect("results").iter().map(|one| one["content"].as_str().unwrap_or_default().to_owned()).collect()
}

/// A resource that says so needs nothing else.
#[test]
fn every_resource_that_says_so_can_be_talked_about() {
    let all: Vec<_> = descriptor_targets();
    assert!(all.len() >= 4);
    for_each(&all, |world: &World, d| {
        let id = world.another(d.about.path);
        let record = format!("/api/{}/{id}/", d.about.path);
        let comment = say(&world.admin, &record, "First");
        assert_eq!((&comment["target_type"], &comment["target_id"]), (&json!(d.word()), &json!(id)));
        say(&world.admin, &record, "Second");
        assert_eq!(said(&world.admin, &record), ["First", "Second"], "the oldest first");
        let general = world.admin.get(&format!("/api/comments/?target_type={}&target_id={id}", d.word())).expect(200);
        assert_eq!(general["count"], json!(2));
        let uuid = world.admin.get(&record).expect(200)["uuid"].as_str().expect("a uuid").to_owned();
        assert_eq!(said(&world.admin, &format!("/api/{}/{uuid}/", d.about.path)).len(), 2, "by uuid");
        let history = world.admin.get(&format!("{record}history/")).expect(200);
        assert_eq!(history["results"][0]["action"], json!(format!("{}.comment", d.about.table)));
        world.admin.post(&format!("/api/{}/999999/comments/", d.about.path), json!({"content": "x"})).expect(404);
        // What moved money is not deleted.
        if d.about.access.grants(DELETE) {
            assert_eq!(world.admin.delete(&record).status, 204);
            world.admin.post(&format!("{record}comments/"), json!({"content": "Too late"})).expect(404);
        }
        assert_eq!(said(&world.admin, &record).len(), 2, "managers read on");
    });
    let server = Server::start();
    let admin = server.member("adm", Role::Admin);
    for d in resources::all().iter().filter(|d| !d.about.comments) {
        admin.get(&format!("/api/{}/1/comments/", d.about.path)).expect(404);
        let refusal = json!({"target_type": [format!("\"{}\" is not a valid choice.", d.word())]});
        admin.post("/api/comments/", json!({"target_type": d.word(), "target_id": 1, "content": "x"})).refuses(refusal);
    }
}

fn descriptor_targets() -> Vec<&'static studio::engine::Descriptor> {
    resources::all();
    descriptor::targets(Attachment::Comments).collect()
}

#[test]
fn a_comment_shows_who_said_what_and_when() {
    let server = Server::start();
    let (ann, max) = (server.member("ann", Role::Agent), server.member("max", Role::Manager));
    let record = lead(&ann);
    let first = say(&ann, &record, "  Called @max, and mail@ann.com. @ANN @nobody @max!  ");
    assert_eq!(first["content"], "Called @max, and mail@ann.com. @ANN @nobody @max!");
    assert_eq!(first["mentions"], json!([{"id": max.id, "username": "max"}, {"id": ann.id, "username": "ann"}]));
    let reply = max.create(&format!("{record}comments/"), json!({"content": "Fine", "parent": first["id"]}));
    let shown = ann.get(&one(&first)).expect(200);
    assert_eq!(shown["author"], json!({"id": ann.id, "username": "ann", "first_name": "ann", "last_name": "Example"}));
    assert_eq!((&shown["author_id"], &shown["replies_count"], &shown["edited_at"]), (&json!(ann.id), &json!(1), &Json::Null));
    assert!(shown.get("mentioned").is_none(), "{shown}");
    let replies = ann.get(&format!("{record}comments/?parent={}", first["id"])).expect(200);
    assert_eq!(replies["results"][0]["id"], reply["id"]);
    // People of other businesses and those who left are nobody here.
    server.member_with("eve", Role::Admin, server.business("Abroad"), &[]);
    let gone = server.member("gone", Role::Staff).id;
    server.write(move |tx| {
        let id: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[gone.into()])?.expect("a membership");
        tx.update("memberships", id, vec![("status", "ended".into())])
    });
    assert_eq!(say(&ann, &record, "@eve @gone")["mentions"], json!([]));
    // What is sent for the server to set is ignored.
    let body = json!({"content": "x", "author": max.id, "edited_at": "2020-01-01T00:00:00Z", "mentioned": ["1"], "target_id": 4711});
    let plain = ann.create(&format!("{record}comments/"), body);
    assert_eq!((&plain["author"], &plain["edited_at"], &plain["mentions"]), (&json!(ann.id), &Json::Null, &json!([])));
    for (body, refusal) in [
        (json!({}), json!({"content": ["This field is required."]})),
        (json!({"content": "  "}), json!({"content": ["This field may not be blank."]})),
        (json!({"content": "x".repeat(5001)}), json!({"content": ["Ensure this field has no more than 5000 characters."]})),
        (json!({"content": "a\u{0}b"}), json!({"content": ["Null characters are not allowed."]})),
    ] {
        ann.post(&format!("{record}comments/"), body).refuses(refusal);
    }
}

#[test]
fn answers_have_one_level_and_stay_with_their_record() {
    let server = Server::start();
    let ann = server.member("ann", Role::Agent);
    let (record, other) = (lead(&ann), lead(&ann));
    let first = say(&ann, &record, "First");
    let path = format!("{record}comments/");
    let reply = ann.create(&path, json!({"content": "Reply", "parent": first["id"]}));
    ann.post(&path, json!({"content": "x", "parent": reply["id"]}))
        .refuses(json!({"parent": ["An answer cannot be answered: answer the comment that it answers."]}));
    let missing = |id: &Json| json!({"parent": [format!("Invalid pk \"{id}\" - object does not exist.")]});
    ann.post(&format!("{other}comments/"), json!({"content": "x", "parent": first["id"]})).refuses(missing(&first["id"]));
    // Neither can what is said about a record that one does not see, nor what was deleted.
    let max = server.member("max", Role::Manager);
    let hidden = say(&max, &lead(&max), "Secret");
    ann.post(&path, json!({"content": "x", "parent": hidden["id"]})).refuses(missing(&hidden["id"]));
    let elsewhere = json!({"target_type": "visit", "target_id": 1});
    for (field, value) in [("target_type", &elsewhere["target_type"]), ("target_id", &json!(4711)), ("parent", &reply["id"])] {
        ann.patch(&one(&first), json!({field: value})).refuses(json!({field: ["A comment stays where it was written."]}));
    }
    ann.delete(&one(&first)).expect(204);
    ann.post(&path, json!({"content": "x", "parent": first["id"]})).refuses(missing(&first["id"]));
    assert_eq!(said(&ann, &record), ["Reply"], "what others answered stays");
}

#[test]
fn a_comment_is_changed_by_its_author_for_a_day_and_taken_back_by_managers_too() {
    let server = Server::start_with(|config| config.auth.access_seconds = 10_000_000);
    let (ann, sam, max) =
        (server.member("ann", Role::Agent), server.staff("sam", &[Capability::Field]), server.member("max", Role::Manager));
    let record = lead(&ann);
    let comment = say(&ann, &record, "First");
    for client in [&sam, &max] {
        client.patch(&one(&comment), json!({"content": "Never said"})).expect(403);
    }
    sam.delete(&one(&comment)).expect(403);
    server.clock.advance(DAY - 1);
    let changed = ann.patch(&one(&comment), json!({"content": "Better, @sam"})).expect(200);
    assert_eq!(changed["edited_at"], "2026-03-03T08:59:59.000Z");
    assert_eq!(changed["mentions"], json!([{"id": sam.id, "username": "sam"}]));
    server.clock.advance(1);
    ann.patch(&one(&comment), json!({"content": "Too late"})).expect(403);
    ann.delete(&one(&comment)).expect(204);
    ann.get(&one(&comment)).expect(404);
    max.get(&one(&comment)).expect(404);
    ann.post(&format!("{}restore/", one(&comment)), json!({})).expect(403);
    max.send("POST", &format!("{}restore/", one(&comment)), None).expect(200);
    let history = ann.get(&format!("{}history/", one(&comment))).expect(200);
    let actions: Vec<&str> = history["results"].as_array().expect("results").iter().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions, ["comments.restore", "comments.delete", "comments.update", "comments.create"]);
    assert_eq!(max.delete(&one(&comment)).status, 204);
}

#[test]
fn customers_see_what_is_not_internal_about_what_is_theirs() {
    let server = Server::start();
    let (admin, customer, other) =
        (server.member("adm", Role::Admin), server.member("cus", Role::Customer), server.member("cid", Role::Customer));
    let profile = |customer: &Client| {
        let (id, table) = (customer.id, "SELECT id FROM customer_profiles WHERE user_id = ?1");
        let profile: Option<i64> = server.app.db.read(|reader| reader.one(table, &[id.into()])).expect("a query of the test");
        format!("/api/accounts/customer-profiles/{}/", profile.expect("signing up made one"))
    };
    let (mine, theirs) = (profile(&customer), profile(&other));
    let internal = say(&admin, &mine, "Pays late");
    let open = admin.create(&format!("{mine}comments/"), json!({"content": "Welcome", "is_internal": false}));
    assert_eq!((&internal["is_internal"], &open["is_internal"]), (&json!(true), &json!(false)));
    assert_eq!(said(&admin, &mine), ["Pays late", "Welcome"]);
    assert_eq!(said(&customer, &mine), ["Welcome"]);
    let id = mine.trim_end_matches('/').rsplit('/').next().expect("an id");
    for query in ["", "&is_internal=true", "&search=late", "&ordering=-created_at", "&include_deleted=true"] {
        let page = customer.get(&format!("/api/comments/?target_type=customer_profile&target_id={id}{query}")).expect(200);
        assert!(!page.to_string().contains("late"), "{query}: {page}");
    }
    for path in [one(&internal), format!("{}history/", one(&internal))] {
        customer.get(&path).expect(404);
    }
    customer.post(&format!("{}react/", one(&internal)), json!({"emoji": "👍"})).expect(404);
    customer.patch(&one(&internal), json!({"content": "x"})).expect(404);
    customer.delete(&one(&internal)).expect(404);
    customer.patch(&one(&open), json!({"content": "x"})).expect(403);
    // What customers write is never internal, and their answers are to what they see.
    let written = customer.create(&format!("{mine}comments/"), json!({"content": "Thanks", "is_internal": true, "parent": open["id"]}));
    assert_eq!(written["is_internal"], json!(false));
    customer
        .post(&format!("{mine}comments/"), json!({"content": "x", "parent": internal["id"]}))
        .refuses(json!({"parent": [format!("Invalid pk \"{}\" - object does not exist.", internal["id"])]}));
    customer
        .patch(&one(&written), json!({"is_internal": true}))
        .refuses(json!({"is_internal": ["This cannot be changed of an answer, nor of what was answered."]}));
    // An answer is what the comment is that it answers, so a number tells nothing either.
    let hidden = admin.create(&format!("{mine}comments/"), json!({"content": "x", "is_internal": false, "parent": internal["id"]}));
    assert_eq!(hidden["is_internal"], json!(true));
    let answer = admin.create(&format!("{mine}comments/"), json!({"content": "y", "is_internal": true, "parent": open["id"]}));
    assert_eq!(answer["is_internal"], json!(false));
    assert_eq!(customer.get(&one(&open)).expect(200)["replies_count"], json!(2));
    admin.patch(&one(&internal), json!({"is_internal": false})).expect(400);
    // Another customer's profile is not there.
    customer.get(&format!("{theirs}comments/")).expect(404);
    customer.post(&format!("{theirs}comments/"), json!({"content": "x"})).expect(404);
    other.get(&one(&open)).expect(404);
    let nobody = server.member("citizen", Role::Citizen);
    nobody.get(&format!("{mine}comments/")).expect(403);
    nobody.get(&one(&open)).expect(403);
    // Students see what is said about invoices of theirs, and this is none.
    let student = server.member("student", Role::Student);
    student.get(&format!("{mine}comments/")).expect(403);
    student.get(&one(&open)).expect(404);
}

/// Every GET below `/api/comments/`, and every one of a record, as somebody who may not read the record.
#[test]
fn no_path_shows_what_is_said_about_a_record_out_of_reach() {
    const SECRET: &str = "zqsecret";
    let server = Server::start();
    let (ann, ben, max) = (server.member("ann", Role::Agent), server.member("ben", Role::Agent), server.member("max", Role::Manager));
    let abroad = server.member_with("eve", Role::Admin, server.business("Abroad"), &[]);
    let record = lead(&ann);
    let comment = ann.create(&format!("{record}comments/"), json!({"content": SECRET, "is_internal": false}));
    let deleted = say(&ann, &record, SECRET);
    assert_eq!(ann.delete(&one(&deleted)).status, 204);
    let id = record.trim_end_matches('/').rsplit('/').next().expect("an id").to_owned();
    let target = format!("target_type=lead&target_id={id}");
    let paths = [
        format!("/api/comments/?{target}"),
        format!("/api/comments/?{target}&search={SECRET}"),
        format!("/api/comments/?{target}&include_deleted=true"),
        format!("/api/comments/?{target}&target_id=4711&target_id={id}"),
        format!("/api/comments/deleted/?{target}"),
        format!("/api/comments/minimal/?{target}"),
        format!("/api/comments/export/?{target}"),
        one(&comment),
        format!("/api/comments/{}/", comment["uuid"].as_str().expect("a uuid")),
        format!("{}history/", one(&comment)),
        format!("{record}comments/"),
        format!("{record}comments/?target_type=lead&target_id={id}"),
        "/api/comments/".to_owned(),
    ];
    let own = lead(&ben);
    for path in paths.iter().chain([&format!("{own}comments/?{target}")]) {
        for client in [&ben, &abroad] {
            let answer = client.get(path);
            assert!(!answer.text.contains(SECRET) && answer.status < 500, "{path}: {}", answer.text);
            assert!(answer.status != 200 || answer.json()["count"] == json!(0), "{path}: {}", answer.text);
        }
    }
    assert!(max.get(&paths[0]).text.contains(SECRET), "the secret is there");
    assert_eq!(ben.post(&format!("{record}comments/"), json!({"content": "x"})).status, 404);
    let general = json!({"target_type": "lead", "target_id": id.parse::<i64>().expect("an id"), "content": "x"});
    assert_eq!(ben.post("/api/comments/", general.clone()).status, 404);
    assert_eq!(abroad.post("/api/comments/", general.clone()).status, 404);
    // A list that is kept for one person is not shown to another: reading rights come and go with the record.
    assert_eq!(said(&ann, &record), [SECRET]);
    ben.get(&format!("{record}comments/")).expect(404);
    max.patch(&record, json!({"assigned_rep": ben.id})).expect(200);
    assert_eq!(said(&ben, &record), [SECRET]);
    ben.get(&one(&comment)).expect(200);
    max.patch(&record, json!({"assigned_rep": null})).expect(200);
    ben.get(&one(&comment)).expect(404);
    // With its record a comment goes out of sight, and comes back with it; those who see what is deleted go on seeing it.
    assert_eq!(ann.delete(&record).status, 204);
    for path in [one(&comment), format!("{record}comments/"), format!("{}history/", one(&comment))] {
        ann.get(&path).expect(404);
        max.get(&path).expect(200);
    }
    assert_eq!(ann.get(&paths[0]).expect(200)["count"], json!(0));
    assert_eq!(ann.post("/api/comments/", general).status, 404);
    max.send("POST", &format!("{record}restore/"), None).expect(200);
    ann.get(&one(&comment)).expect(200);
    for (query, refusal) in [
        ("", json!({"target_type": ["This field is required."], "target_id": ["This field is required."]})),
        ("?target_type=lead", json!({"target_id": ["This field is required."]})),
        ("?target_id=1", json!({"target_type": ["This field is required."]})),
        ("?target_id=1&target_type=zone", json!({"target_type": ["Select a valid choice. zone is not one of the available choices."]})),
    ] {
        ann.get(&format!("/api/comments/{query}")).refuses(refusal);
    }
}

#[test]
fn reactions_come_and_go() {
    let server = Server::start();
    let (ann, max) = (server.member("ann", Role::Agent), server.member("max", Role::Manager));
    let comment = say(&ann, &lead(&ann), "First");
    let react = |client: &Client, emoji: &str| client.post(&format!("{}react/", one(&comment)), json!({"emoji": emoji})).expect(200);
    let like = |client: &Client| client.send("POST", &format!("{}like/", one(&comment)), None).expect(200);
    let seen = |emoji: &str, count: i64, mine: bool| json!({"emoji": emoji, "count": count, "mine": mine});
    assert_eq!(like(&ann), json!([seen("👍", 1, true)]));
    assert_eq!(max.get(&one(&comment)).expect(200)["reactions"], json!([seen("👍", 1, false)]));
    assert_eq!(react(&max, "👍"), json!([seen("👍", 2, true)]));
    assert_eq!(react(&max, "👨‍👩‍👧"), json!([seen("👍", 2, true), seen("👨‍👩‍👧", 1, true)]));
    assert_eq!(ann.get(&one(&comment)).expect(200)["reactions"], json!([seen("👍", 2, true), seen("👨‍👩‍👧", 1, false)]));
    assert_eq!(like(&max), json!([seen("👍", 1, false), seen("👨‍👩‍👧", 1, true)]));
    assert_eq!(react(&max, "👨‍👩‍👧"), json!([seen("👍", 1, false)]));
    for emoji in ["", "a", "<script>", "👍👍", "👍 👍", "\u{202e}"] {
        max.post(&format!("{}react/", one(&comment)), json!({"emoji": emoji})).expect(400);
    }
    let version = max.get(&one(&comment)).expect(200)["version"].clone();
    assert_eq!(version, json!(1), "what others think of it does not change a comment");
    // A key makes it once.
    let once = ann.with("idempotency-key", "k1");
    for _ in 0..2 {
        assert_eq!(once.send("POST", &format!("{}like/", one(&comment)), None).expect(200), json!([]));
    }
    // Who looks after all businesses without being a member has no reactions here, but can speak.
    let id = server.write(|tx| tx.insert("users", vec![("username", "root".into()), ("is_superuser", true.into())]));
    let sessions = server.app.sessions.clone();
    let pair = server.write(move |tx| sessions.open(tx, id, studio::auth::session::Opening::default()));
    let root = server.client().with_token(&pair.access).with("x-business-id", "1");
    root.send("POST", &format!("{}like/", one(&comment)), None).expect(403);
    let spoken = root.create("/api/comments/", json!({"target_type": "lead", "target_id": comment["target_id"], "content": "Hello"}));
    assert_eq!((&spoken["author"], &spoken["created_by"]), (&Json::Null, &json!(id)));
}

#[test]
fn what_is_attached_goes_with_a_lead_that_is_merged() {
    let server = Server::start();
    let ann = server.member("ann", Role::Manager);
    let (into, from) = (lead(&ann), lead(&ann));
    let comment = say(&ann, &from, "Keep me");
    let file = ann.send("POST", &format!("{from}files/"), Some(("text/plain", b"keep me".to_vec()))).expect(201);
    let id = |record: &str| record.trim_end_matches('/').rsplit('/').next().expect("an id").to_owned();
    ann.post("/api/field/leads/merge/", json!({"into": id(&into), "from": [id(&from)]})).expect(200);
    assert_eq!(said(&ann, &into), ["Keep me"]);
    assert_eq!(ann.get(&one(&comment)).expect(200)["target_id"].to_string(), id(&into));
    assert_eq!(ann.get(&format!("/api/files/{}/", file["id"])).expect(200)["target_id"].to_string(), id(&into));
}
