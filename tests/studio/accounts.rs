//! Proves the rules of the people side of a business: departments, branches and their hours, staff and customer profiles, referrals,
//! the organisation chart and the directory.

use serde_json::{Value, json};
use studio::{
    actor::{Capability, Role},
    auth::session::Opening,
};

use crate::support::{Client, Server};

const DEPARTMENTS: &str = "/api/accounts/departments/";
const DESIGNATIONS: &str = "/api/accounts/designations/";
const BRANCHES: &str = "/api/accounts/branches/";
const ROLES: &str = "/api/accounts/staff-roles/";
const STAFF: &str = "/api/accounts/staff-profiles/";
const CUSTOMERS: &str = "/api/accounts/customer-profiles/";
const REFERRALS: &str = "/api/accounts/referrals/";
const REQUIRED: &str = "This field is required.";

fn id(record: &Value) -> i64 {
    record["id"].as_i64().unwrap_or_else(|| panic!("no id in {record}"))
}

fn at(path: &str, record: &Value) -> String {
    format!("{path}{}/", id(record))
}

/// The refusal is a 400 about this field.
#[track_caller]
fn refused(client: &Client, method: &str, path: &str, body: Value, field: &str) {
    let answer = client.send(method, path, Some(("application/json", body.to_string().into_bytes())));
    assert_eq!(answer.status, 400, "{method} {path} {body}: {}", answer.text);
    assert!(answer.json().get(field).is_some(), "{method} {path} {body}: nothing about {field} in {}", answer.text);
}

#[track_caller]
fn conflicts(answer: &crate::support::Answer, code: &str) {
    assert_eq!((answer.status, &answer.json()["code"]), (409, &json!(code)), "{}: {}", answer.call, answer.text);
}

#[test]
fn departments_form_a_tree_of_five_levels() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let create = |name: &str, parent: Option<&Value>| admin.create(DEPARTMENTS, json!({"name": name, "parent": parent.map(id)}));
    let mut line = vec![create("Level 1", None)];
    for level in 2..=5 {
        line.push(create(&format!("Level {level}"), line.last()));
    }
    refused(&admin, "POST", DEPARTMENTS, json!({"name": "Level 6", "parent": id(&line[4])}), "parent");

    // A loop, on every path that changes the parent.
    for below in &line {
        refused(&admin, "PATCH", &at(DEPARTMENTS, &line[0]), json!({"parent": id(below)}), "parent");
        refused(&admin, "PUT", &at(DEPARTMENTS, &line[0]), json!({"name": "Level 1", "parent": id(below)}), "parent");
    }
    // A branch of three may stand below the second level, but not below the third.
    let top = create("Top", None);
    let middle = create("Middle", Some(&top));
    create("Bottom", Some(&middle));
    refused(&admin, "PATCH", &at(DEPARTMENTS, &top), json!({"parent": id(&line[2])}), "parent");
    admin.patch(&at(DEPARTMENTS, &top), json!({"parent": id(&line[1])})).expect(200);
    admin.patch(&at(DEPARTMENTS, &top), json!({"parent": null})).expect(200);

    admin.post(DEPARTMENTS, json!({"name": "Top"})).refuses(json!({"name": ["department with this name already exists."]}));
    let elsewhere = server.member_with("stranger", Role::Admin, server.business("Other"), &[]);
    elsewhere.create(DEPARTMENTS, json!({"name": "Top"}));
    refused(&elsewhere, "POST", DEPARTMENTS, json!({"name": "Spy", "parent": id(&top)}), "parent");
    refused(&admin, "PATCH", &at(DEPARTMENTS, &top), json!({"manager": elsewhere.id}), "manager");

    // A department with parts is in use; its name is free again once it is deleted.
    conflicts(&admin.delete(&at(DEPARTMENTS, &middle)), "in_use");
    assert_eq!(admin.delete(&at(DEPARTMENTS, &line[4])).status, 204);
    create("Level 5", Some(&line[3]));
}

#[test]
fn words_for_staff_are_written_by_those_who_run_the_business() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let cases = [
        (server.member("manager", Role::Manager), true, true, true),
        (server.staff("hr", &[Capability::Hr]), true, true, false),
        (server.staff("staff", &[Capability::Finance]), true, false, false),
        (server.member("agent", Role::Agent), true, false, false),
        (server.member("teacher", Role::Teacher), true, false, false),
        (server.member("customer", Role::Customer), false, false, false),
        (server.member("student", Role::Student), false, false, false),
        (server.member("citizen", Role::Citizen), false, false, false),
    ];
    for (path, name) in [(DEPARTMENTS, "name"), (DESIGNATIONS, "name"), (BRANCHES, "name"), (ROLES, "title")] {
        let kept = admin.create(path, json!({name: "Kept"}));
        for (index, (client, reads, writes, deletes)) in cases.iter().enumerate() {
            let is = |allowed: bool, status: u16| if allowed { status } else { 403 };
            let doomed = admin.create(path, json!({name: format!("Doomed {index}")}));
            assert_eq!(client.get(path).status, is(*reads, 200), "listing {path} as number {index}");
            assert_eq!(client.get(&at(path, &kept)).status, is(*reads, 200), "reading {path} as number {index}");
            assert_eq!(
                client.post(path, json!({name: format!("New {index}")})).status,
                is(*writes, 201),
                "creating {path} as number {index}"
            );
            assert_eq!(client.patch(&at(path, &kept), json!({name: "Kept"})).status, is(*writes, 200), "changing {path} as number {index}");
            assert_eq!(client.delete(&at(path, &doomed)).status, is(*deletes, 204), "deleting {path} as number {index}");
        }
        assert_eq!(admin.post(path, json!({})).json(), json!({name: [REQUIRED]}), "{path}");
    }
    assert_eq!(admin.create(DESIGNATIONS, json!({"name": "Clerk"}))["rank"], 100);
}

#[test]
fn branches_have_one_head_office_and_a_whole_position() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let head = admin.create(BRANCHES, json!({"name": "Head Office", "is_head_office": true, "lat": 0, "lon": 0.0}));
    assert_eq!((head["lat"].as_f64(), head["lon"].as_f64()), (Some(0.0), Some(0.0)), "the equator is a position");
    let other = admin.create(BRANCHES, json!({"name": "Harbour"}));
    assert_eq!(admin.post(BRANCHES, json!({"name": "Second head", "is_head_office": true})).status, 400, "one head office");
    assert_eq!(admin.patch(&at(BRANCHES, &other), json!({"is_head_office": true})).status, 400, "one head office");
    for body in [json!({"lat": 1}), json!({"lon": 1}), json!({"lat": 91, "lon": 0}), json!({"lat": 0, "lon": -181})] {
        assert_eq!(admin.patch(&at(BRANCHES, &other), body.clone()).status, 400, "{body}");
    }
    admin.patch(&at(BRANCHES, &head), json!({"is_head_office": false})).expect(200);
    admin.patch(&at(BRANCHES, &other), json!({"is_head_office": true})).expect(200);
    let elsewhere = server.member_with("stranger", Role::Admin, server.business("Other"), &[]);
    elsewhere.create(BRANCHES, json!({"name": "Head Office", "is_head_office": true}));
    refused(&admin, "PATCH", &at(BRANCHES, &head), json!({"is_head_office": true}), "is_head_office");
}

#[test]
fn opening_hours_are_lines_of_a_branch() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let hour = |weekday: i64, opens: &str, closes: &str| json!({"weekday": weekday, "opens": opens, "closes": closes});
    let body =
        json!({"name": "Harbour", "opening_hours": [hour(1, "09:00", "12:00"), hour(1, "13:00", "17:00"), hour(2, "09:00", "17:00")]});
    let branch = admin.create(BRANCHES, body);
    let path = at(BRANCHES, &branch);
    let hours = |branch: &Value| branch["opening_hours"].as_array().cloned().unwrap_or_else(|| panic!("no hours in {branch}"));
    let first = hours(&branch);
    let plain = |line: &Value| {
        hour(line["weekday"].as_i64().unwrap_or(0), line["opens"].as_str().unwrap_or(""), line["closes"].as_str().unwrap_or(""))
    };
    let shown: Vec<Value> = first.iter().map(plain).collect();
    assert_eq!(shown, [hour(1, "09:00", "12:00"), hour(1, "13:00", "17:00"), hour(2, "09:00", "17:00")]);

    // By id: the third is changed and comes first, the second is removed, one is new.
    let mut changed = first[2].clone();
    changed["closes"] = "16:00".into();
    let sent = [changed.clone(), hour(5, "10:00", "11:00"), first[0].clone()];
    let written = hours(&admin.patch(&path, json!({"opening_hours": sent})).expect(200));
    assert_eq!((&written[0], &written[2]), (&changed, &first[0]), "lines keep their ids and take the order in which they are sent");
    assert_eq!(plain(&written[1]), hour(5, "10:00", "11:00"));
    assert!(first.iter().all(|old| id(old) != id(&written[1])), "a line without id is a new one");
    assert_eq!(written.len(), 3);
    assert_eq!(hours(&admin.get(&path).expect(200)), written);

    // A PATCH without lines keeps them, and so does a PUT, since they are optional.
    assert_eq!(hours(&admin.patch(&path, json!({"phone": "1"})).expect(200)), written);
    assert_eq!(hours(&admin.put(&path, json!({"name": "Harbour"})).expect(200)), written);

    // Every row is told what is wrong with it.
    let ok = hour(3, "09:00", "10:00");
    let refusals = [
        (json!([ok, {}]), json!([{}, {"weekday": [REQUIRED], "opens": [REQUIRED], "closes": [REQUIRED]}])),
        (
            json!([hour(8, "09:00", "10:00"), ok, "row"]),
            json!([
                {"weekday": ["Ensure this value is less than or equal to 7."]},
                {},
                {"non_field_errors": ["Invalid data. Expected a dictionary, but got str."]},
            ]),
        ),
        (json!([hour(0, "09:00", "10:00")]), json!([{"weekday": ["Ensure this value is greater than or equal to 1."]}])),
    ];
    for (lines, problems) in refusals {
        admin.patch(&path, json!({"opening_hours": lines})).refuses(json!({"opening_hours": problems}));
        admin.post(BRANCHES, json!({"name": "New", "opening_hours": lines})).refuses(json!({"opening_hours": problems}));
    }
    let of_rows = [
        (json!([ok, hour(4, "10:00", "10:00")]), 1),
        (json!([ok, hour(4, "12:00", "10:00")]), 1),
        (json!([hour(3, "08:00", "09:30"), ok]), 1),
    ];
    for (lines, wrong) in of_rows {
        let answer = admin.patch(&path, json!({"opening_hours": lines}));
        let body = answer.expect(400);
        let rows = body["opening_hours"].as_array().unwrap_or_else(|| panic!("{lines}: {body}"));
        let bad: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].as_object().is_none_or(|row| !row.is_empty())).collect();
        assert_eq!((rows.len(), bad), (2, vec![wrong]), "{lines}: {body}");
    }
    admin.patch(&path, json!({"opening_hours": [hour(3, "08:00", "09:00"), hour(3, "09:00", "10:00")]})).expect(200);
    admin
        .patch(&path, json!({"opening_hours": "always"}))
        .refuses(json!({"opening_hours": ["Expected a list of items but got type \"str\"."]}));

    // Lines of another branch, and of nobody.
    let mine = hours(&admin.get(&path).expect(200));
    let other = hours(&admin.create(BRANCHES, json!({"name": "Airport", "opening_hours": [hour(1, "06:00", "22:00")]})));
    for lines in [json!([other[0]]), json!([{"id": 999, "weekday": 1, "opens": "01:00", "closes": "02:00"}])] {
        refused(&admin, "PATCH", &path, json!({"opening_hours": lines}), "opening_hours");
    }
    refused(&admin, "POST", BRANCHES, json!({"name": "Thief", "opening_hours": [other[0]]}), "opening_hours");
    assert_eq!(hours(&admin.get(&path).expect(200)), mine, "a refusal changes nothing");
    let airports = admin.get(&format!("{BRANCHES}?search=airport")).expect(200);
    assert_eq!(hours(&admin.get(&at(BRANCHES, &airports["results"][0])).expect(200)), other, "nor the other branch");

    // The history tells of lines, and so does the version.
    let version = admin.get(&path).expect(200)["version"].as_i64();
    assert_eq!(hours(&admin.patch(&path, json!({"opening_hours": []})).expect(200)), Vec::<Value>::new());
    assert!(admin.get(&path).expect(200)["version"].as_i64() > version, "lines are part of the record's version");
    let history = admin.get(&format!("{path}history/")).expect(200);
    let newest = &history["results"][0];
    assert_eq!(newest["actor"]["id"], admin.id, "{newest}");
    let change = &newest["changes"][0];
    assert_eq!((&change["field"], &change["after"]), (&json!("opening_hours"), &json!([])), "{newest}");
    assert_eq!(change["before"].as_array().map(Vec::len), Some(2), "{newest}");
}

#[test]
fn a_time_that_is_none_is_told_in_its_row() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    for (opens, closes, field) in [("9:00", "10:00", "opens"), ("09:00", "25:00", "closes"), ("09:00", "noon", "closes")] {
        let hours = json!([{"weekday": 1, "opens": "09:00", "closes": "10:00"}, {"weekday": 2, "opens": opens, "closes": closes}]);
        let body = admin.post(BRANCHES, json!({"name": "Harbour", "opening_hours": hours})).expect(400);
        assert!(body["opening_hours"][0] == json!({}) && body["opening_hours"][1][field].is_array(), "{opens} to {closes}: {body}");
    }
}

#[test]
fn a_line_is_sent_once() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let branch = admin.create(BRANCHES, json!({"name": "Harbour", "opening_hours": [{"weekday": 1, "opens": "09:00", "closes": "12:00"}]}));
    let line = &branch["opening_hours"][0];
    let mut again = line.clone();
    again["weekday"] = 7.into();
    // Taken, one of the two would be lost without a word.
    refused(&admin, "PATCH", &at(BRANCHES, &branch), json!({"opening_hours": [line, again]}), "opening_hours");
}

#[test]
fn two_opening_hours_change_places() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let hours = json!([{"weekday": 1, "opens": "09:00", "closes": "12:00"}, {"weekday": 2, "opens": "13:00", "closes": "17:00"}]);
    let branch = admin.create(BRANCHES, json!({"name": "Harbour", "opening_hours": hours}));
    let stored = &branch["opening_hours"];
    let (mut one, mut two) = (stored[0].clone(), stored[1].clone());
    for name in ["weekday", "opens", "closes"] {
        (one[name], two[name]) = (stored[1][name].clone(), stored[0][name].clone());
    }
    let swapped = admin.patch(&at(BRANCHES, &branch), json!({"opening_hours": [one, two]})).expect(200);
    assert_eq!(swapped["opening_hours"], json!([one, two]));
}

#[test]
fn filters_by_where_people_work_find_them() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let department = admin.create(DEPARTMENTS, json!({"name": "Sales"}));
    let branch = admin.create(BRANCHES, json!({"name": "Harbour"}));
    admin.create(STAFF, json!({"user": server.staff("ada", &[]).id, "department": id(&department), "branch": id(&branch)}));
    for query in [format!("department={}", id(&department)), format!("branch={}", id(&branch))] {
        let found = admin.get(&format!("/api/accounts/users-list/?{query}")).expect(200);
        assert_eq!((&found["count"], &found["results"][0]["username"]), (&json!(1), &json!("ada")), "{query}");
    }
}

#[test]
fn a_staff_profile_describes_one_member_of_staff() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let (ada, ben, cid) = (server.staff("ada", &[]), server.staff("ben", &[]), server.member("cid", Role::Agent));
    let customer = server.member("buyer", Role::Customer);
    let stranger = server.member_with("stranger", Role::Staff, server.business("Other"), &[]);

    refused(&admin, "POST", STAFF, json!({}), "name");
    admin.create(STAFF, json!({"name": "Reception"}));
    refused(&admin, "POST", STAFF, json!({"user": customer.id}), "user");
    refused(&admin, "POST", STAFF, json!({"user": stranger.id}), "user");
    let body = json!({"user": ada.id, "employee_no": "E1", "hired_on": "2025-01-10", "notes": "secret note", "work_phone": "100"});
    let profile = admin.create(STAFF, body);
    assert_eq!(profile["user_name"], "ada Example");
    refused(&admin, "POST", STAFF, json!({"user": ada.id}), "user");
    admin
        .post(STAFF, json!({"user": ben.id, "employee_no": "E1"}))
        .refuses(json!({"employee_no": ["staff profile with this employee no already exists."]}));
    let of_ben = admin.create(STAFF, json!({"user": ben.id, "employee_no": "E2", "assigned_to": ada.id}));
    let of_cid = admin.create(STAFF, json!({"user": cid.id, "assigned_to": ben.id}));
    assert_eq!(admin.get(&at(STAFF, &profile)).expect(200)["direct_reports"], 1);
    refused(&admin, "PATCH", &at(STAFF, &profile), json!({"left_on": "2025-01-09"}), "left_on");
    refused(&admin, "PATCH", &at(STAFF, &of_ben), json!({"user": null}), "name");

    // Nobody reports to themselves, directly or through others.
    for supervisor in [&ada, &ben, &cid] {
        refused(&admin, "PATCH", &at(STAFF, &profile), json!({"assigned_to": supervisor.id}), "assigned_to");
    }
    refused(&admin, "PATCH", &at(STAFF, &of_ben), json!({"assigned_to": cid.id}), "assigned_to");
    admin.patch(&at(STAFF, &of_cid), json!({"assigned_to": ada.id})).expect(200);
    admin.patch(&at(STAFF, &of_ben), json!({"assigned_to": cid.id})).expect(200);

    // Notes are for those who look after people.
    let hr = server.staff("hr", &[Capability::Hr]);
    let manager = server.member("manager", Role::Manager);
    for client in [&admin, &manager, &hr] {
        assert_eq!(client.get(&at(STAFF, &profile)).expect(200)["notes"], "secret note");
        assert!(client.get(&format!("{}history/", at(STAFF, &profile))).text.contains("secret note"));
    }
    for client in [&ada, &ben, &cid] {
        for path in
            [STAFF.to_owned(), at(STAFF, &profile), format!("{}history/", at(STAFF, &profile)), "/api/accounts/users-list/".to_owned()]
        {
            let answer = client.get(&path);
            assert!(
                answer.status == 200 && !answer.text.contains("secret note"),
                "{path} as {}: {} {}",
                client.id,
                answer.status,
                answer.text
            );
        }
        assert_eq!(client.get(&format!("{STAFF}?search=secret")).expect(200)["count"], 0);
    }

    // People change their own telephone number at work and nothing else; hr changes all, and deletes nothing.
    assert_eq!(ada.patch(&at(STAFF, &profile), json!({"work_phone": "200"})).expect(200)["work_phone"], "200");
    for body in [
        json!({"employee_no": "E9"}),
        json!({"status": "on_leave"}),
        json!({"assigned_to": null, "name": "Chief"}),
        json!({"work_phone": "3", "hired_on": "2020-01-01"}),
    ] {
        assert_eq!(ada.patch(&at(STAFF, &profile), body.clone()).status, 403, "{body}");
    }
    ada.patch(&at(STAFF, &profile), json!({"notes": "I am great"}));
    let kept = admin.get(&at(STAFF, &profile)).expect(200);
    assert_eq!((&kept["notes"], &kept["work_phone"], &kept["employee_no"]), (&json!("secret note"), &json!("200"), &json!("E1")));
    assert_eq!(ada.patch(&at(STAFF, &of_ben), json!({"work_phone": "1"})).status, 403);
    assert_eq!(cid.patch(&at(STAFF, &of_cid), json!({"work_phone": "1"})).status, 403, "agents only read");
    assert_eq!(ada.post(STAFF, json!({"name": "Friend"})).status, 403);
    hr.patch(&at(STAFF, &profile), json!({"status": "on_leave"})).expect(200);
    hr.patch(&at(STAFF, &profile), json!({"status": "active"})).expect(200);
    assert_eq!(hr.delete(&at(STAFF, &profile)).status, 403);
    assert_eq!(customer.get(STAFF).status, 403);
}

#[test]
fn leaving_ends_access_and_a_role_gives_rights() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let (ada, ben, hr) = (server.staff("ada", &[Capability::Content]), server.staff("ben", &[]), server.staff("hr", &[Capability::Hr]));
    let sessions = server.app.sessions.clone();
    let ada_id = ada.id;
    let refresh = server.write(move |tx| sessions.open(tx, ada_id, Opening { rotates: true, ..Opening::default() })).refresh;

    // What a role grants is applied when it is assigned, on top of what there was.
    let role = admin.create(ROLES, json!({"title": "Field lead", "grants": ["field"]}));
    refused(&admin, "POST", ROLES, json!({"title": "Wizard", "grants": ["magic"]}), "grants");
    refused(&hr, "POST", ROLES, json!({"title": "Treasurer", "grants": ["finance"]}), "grants");
    let lead = admin.create("/api/field/leads/", json!({"business_name": "Kiosk", "contact_phone": "1"}));
    let path = at("/api/field/leads/", &lead);
    assert_eq!(ada.get(&path).status, 404);
    refused(&hr, "POST", STAFF, json!({"user": ada.id, "role": id(&role)}), "role");
    let profile = admin.create(STAFF, json!({"user": ada.id, "role": id(&role)}));
    ada.get(&path).expect(200);
    assert_eq!(ada.get("/api/users/me/").expect(200)["capabilities"], json!(["content", "field"]));
    let of_ben = admin.create(STAFF, json!({"user": ben.id}));
    admin.patch(&at(STAFF, &of_ben), json!({"role": id(&role)})).expect(200);
    ben.get(&path).expect(200);

    // Who leaves is out at once: access, refresh, and signing in gives nothing.
    let left = hr.patch(&at(STAFF, &profile), json!({"status": "left"})).expect(200);
    assert_eq!((&left["status"], &left["left_on"]), (&json!("left"), &json!("2026-03-02")));
    assert_eq!(ada.get(&path).status, 403, "the membership is suspended");
    assert_eq!(ada.get(STAFF).status, 403);
    assert_eq!(server.client().post("/api/auth/token/refresh/", json!({"refresh": refresh})).status, 401);
    assert_eq!(hr.patch(&at(STAFF, &profile), json!({"status": "active"})).status, 409, "taken back only by those who run the business");
    admin.patch(&at(STAFF, &profile), json!({"status": "active"})).expect(200);

    // The last administrator stays.
    let of_boss = admin.create(STAFF, json!({"user": admin.id}));
    conflicts(&admin.patch(&at(STAFF, &of_boss), json!({"status": "left"})), "last_admin");
    admin.get(STAFF).expect(200);
    let manager = server.member("manager", Role::Manager);
    server.member("second", Role::Admin);
    assert_eq!(manager.patch(&at(STAFF, &of_boss), json!({"status": "left"})).status, 403, "managers do not put administrators out");
    admin.patch(&at(STAFF, &of_boss), json!({"status": "left"})).expect(200);
    assert_eq!(admin.get(STAFF).status, 403);
}

#[test]
fn what_live_staff_use_cannot_be_deleted() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let used = [
        (DEPARTMENTS, "department", admin.create(DEPARTMENTS, json!({"name": "Sales"}))),
        (DESIGNATIONS, "designation", admin.create(DESIGNATIONS, json!({"name": "Clerk"}))),
        (BRANCHES, "branch", admin.create(BRANCHES, json!({"name": "Harbour"}))),
        (ROLES, "role", admin.create(ROLES, json!({"title": "Seller"}))),
    ];
    let mut body = json!({"name": "Reception"});
    for (_, field, record) in &used {
        body[field] = id(record).into();
    }
    let profile = admin.create(STAFF, body);
    assert_eq!(
        (&profile["department_name"], &profile["designation_name"], &profile["branch_name"]),
        (&json!("Sales"), &json!("Clerk"), &json!("Harbour"))
    );
    for (path, field, record) in &used {
        let answer = admin.delete(&at(path, record));
        conflicts(&answer, "in_use");
        assert!(answer.text.contains("1 staff profile"), "it says what uses it: {}", answer.text);
        if *field != "role" {
            assert_eq!(admin.get(&at(path, record)).expect(200)["staff_count"], 1, "{path}");
        }
        let listed = admin.get(&format!("{STAFF}?{field}={}", id(record))).expect(200);
        assert_eq!(listed["count"], 1, "filter by {field}");
    }
    assert_eq!(admin.delete(&at(STAFF, &profile)).status, 204);
    for (path, field, record) in &used {
        if *field != "role" {
            assert_eq!(admin.get(&at(path, record)).expect(200)["staff_count"], 0, "{path}");
        }
        assert_eq!(admin.delete(&at(path, record)).status, 204, "{path}");
    }
}

#[test]
fn customers_are_known_to_staff_and_cannot_refer_themselves() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let (staff, hr, agent) = (server.staff("staff", &[]), server.staff("hr", &[Capability::Hr]), server.member("agent", Role::Agent));
    let (ann, bob) = (server.member("ann", Role::Customer), server.member("bob", Role::Customer));
    let profile_of = |who: &Client| {
        let found = admin.get(&format!("{CUSTOMERS}?user={}", who.id)).expect(200);
        assert_eq!(found["count"], 1, "whoever joins as a customer has a profile: {found}");
        at(CUSTOMERS, &found["results"][0])
    };
    let (of_ann, of_bob) = (profile_of(&ann), profile_of(&bob));
    refused(&admin, "POST", CUSTOMERS, json!({"user": ann.id}), "user");
    admin.patch(&of_ann, json!({"notes": "pays late"})).expect(200);

    assert_eq!(hr.get(&of_ann).expect(200)["notes"], "pays late");
    for (client, path, status) in [
        (&staff, CUSTOMERS, 200),
        (&staff, &of_ann, 200),
        (&ann, &of_ann, 200),
        (&ann, CUSTOMERS, 403),
        (&ann, &of_bob, 404),
        (&agent, CUSTOMERS, 403),
    ] {
        let answer = client.get(path);
        assert_eq!(answer.status, status, "{path} as {}", client.id);
        assert!(!answer.text.contains("pays late"), "{path} as {} tells the notes", client.id);
    }
    assert_eq!(staff.patch(&of_ann, json!({"notes": "x"})).status, 403);

    let code = staff.create(REFERRALS, json!({"code": "ANN10", "referrer": ann.id}));
    staff.post(REFERRALS, json!({"code": "ANN10"})).refuses(json!({"code": ["referral with this code already exists."]}));
    assert_eq!(staff.patch(&at(REFERRALS, &code), json!({"code": "X"})).status, 403, "staff create codes and do not change them");
    assert_eq!(agent.get(REFERRALS).status, 403);
    ann.get(&at(REFERRALS, &code)).expect(200);
    assert_eq!(bob.get(&at(REFERRALS, &code)).status, 404);
    refused(&ann, "PATCH", &of_ann, json!({"referred_by": id(&code)}), "referred_by");
    refused(&admin, "PATCH", &of_ann, json!({"referred_by": id(&code)}), "referred_by");
    bob.patch(&of_bob, json!({"referred_by": id(&code)})).expect(200);
    assert_eq!(admin.get(&at(REFERRALS, &code)).expect(200)["uses"], 1);
    refused(&admin, "PATCH", &at(REFERRALS, &code), json!({"referrer": bob.id}), "referrer");
    assert_eq!(ann.patch(&of_ann, json!({"user": bob.id})).status, 403);
    assert_eq!(ann.patch(&of_bob, json!({"referred_by": null})).status, 404);
}

#[test]
fn the_organisation_chart_is_a_tree() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let people: Vec<Client> = ["ada", "ben", "cid", "dan"].iter().map(|name| server.staff(name, &[])).collect();
    let sales = admin.create(DEPARTMENTS, json!({"name": "Sales", "manager": people[0].id}));
    let north = admin.create(DEPARTMENTS, json!({"name": "North", "parent": id(&sales)}));
    let office = admin.create(DEPARTMENTS, json!({"name": "Office"}));
    let (chief, clerk) =
        (admin.create(DESIGNATIONS, json!({"name": "Chief", "rank": 1})), admin.create(DESIGNATIONS, json!({"name": "Clerk", "rank": 50})));
    let hire = |body: Value| id(&admin.create(STAFF, body));
    let ben = hire(json!({"user": people[1].id, "department": id(&sales), "designation": id(&clerk), "assigned_to": people[0].id}));
    let ada = hire(json!({"user": people[0].id, "department": id(&sales), "designation": id(&chief)}));
    let cid = hire(json!({"user": people[2].id, "department": id(&north), "assigned_to": people[0].id}));
    let dan = hire(json!({"user": people[3].id, "department": id(&sales), "designation": id(&clerk), "assigned_to": people[1].id}));
    let desk = hire(json!({"name": "Front desk"}));
    let gone = hire(json!({"name": "Gone", "department": id(&office), "status": "left"}));

    let chart = people[2].get("/api/accounts/org-chart/").expect(200);
    // (id, those below) of a list of people, and (name, people, departments) of a list of departments.
    fn staff(list: &Value) -> Vec<(i64, Value)> {
        list.as_array().into_iter().flatten().map(|one| (id(one), json!(staff(&one["reports"])))).collect()
    }
    let names = |list: &Value| list.as_array().into_iter().flatten().map(|one| one["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&chart["departments"]), ["Office", "Sales"], "{chart}");
    let (in_office, in_sales) = (&chart["departments"][0], &chart["departments"][1]);
    assert_eq!(names(&in_sales["departments"]), ["North"], "{chart}");
    assert_eq!(in_sales["manager"], people[0].id);
    assert_eq!(
        json!(staff(&in_sales["staff"])),
        json!([[ada, [[ben, [[dan, []]]]]]]),
        "who reports to whom within the department: {chart}"
    );
    assert_eq!(
        json!(staff(&in_sales["departments"][0]["staff"])),
        json!([[cid, []]]),
        "who reports to somebody elsewhere stands at the top: {chart}"
    );
    assert_eq!(json!(staff(&chart["staff"])), json!([[desk, []]]), "those in no department");
    assert_eq!(in_office["staff"], json!([]), "who left ({gone}) is not shown");
    assert_eq!(in_sales["staff"][0]["designation"], "Chief");
    assert_eq!(server.client().get("/api/accounts/org-chart/").status, 401);
    assert_eq!(server.member("buyer", Role::Customer).get("/api/accounts/org-chart/").status, 403);
}

#[test]
fn the_directory_shows_people_with_their_profiles() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let (ada, buyer) = (server.staff("ada", &[]), server.member("buyer", Role::Customer));
    let stranger = server.member_with("stranger", Role::Staff, server.business("Other"), &[]);
    let department = admin.create(DEPARTMENTS, json!({"name": "Sales"}));
    let branch = admin.create(BRANCHES, json!({"name": "Harbour"}));
    let profile =
        admin.create(STAFF, json!({"user": ada.id, "department": id(&department), "branch": id(&branch), "notes": "secret note"}));
    let list = |query: &str| {
        let body = ada.get(&format!("/api/accounts/users-list/{query}")).expect(200);
        let mut names: Vec<String> =
            body["results"].as_array().into_iter().flatten().map(|one| one["username"].as_str().unwrap_or_default().to_owned()).collect();
        names.sort();
        assert_eq!(body["count"], names.len(), "{query}");
        names
    };
    let cases = [
        (String::new(), vec!["ada", "boss", "buyer"]),
        ("?role=staff".into(), vec!["ada"]),
        ("?role=customer".into(), vec!["buyer"]),
        ("?search=buyer@example.com".into(), vec!["buyer"]),
        ("?is_active=false".into(), vec![]),
    ];
    for (query, names) in cases {
        assert_eq!(list(&query), names, "{query}");
    }
    let shown = ada.get(&format!("/api/accounts/users-list/{}/", ada.id)).expect(200);
    assert_eq!(
        (&shown["role"], &shown["is_staff"], &shown["first_name"], &shown["last_name"]),
        (&json!("staff"), &json!(true), &json!("ada"), &json!("Example"))
    );
    let nested = &shown["staff_profile"];
    assert_eq!((&nested["id"], &nested["department"], &nested["branch"]), (&profile["id"], &department["id"], &branch["id"]), "{shown}");
    assert!(shown["customer_profile"].is_null() && !shown.to_string().contains("secret note"), "{shown}");
    let customer = ada.get(&format!("/api/accounts/users-list/{}/", buyer.id)).expect(200);
    assert_eq!(customer["customer_profile"]["user"], buyer.id, "{customer}");
    assert!(customer["staff_profile"].is_null() && customer["is_staff"] == json!(false), "{customer}");
    for secret in ["password", "hash", "epoch"] {
        assert!(!shown.to_string().contains(secret), "{shown}");
    }
    assert_eq!(ada.get(&format!("/api/accounts/users-list/{}/", stranger.id)).status, 404);
    buyer.get(&format!("/api/accounts/users-list/{}/", buyer.id)).expect(200);
    assert_eq!(buyer.get(&format!("/api/accounts/users-list/{}/", ada.id)).status, 404);
    assert_eq!(buyer.get("/api/accounts/users-list/").status, 403);
    assert_eq!(admin.post("/api/accounts/users-list/", json!({"username": "x"})).status, 405, "accounts are not made here");
}
