//! Rights that depend on more than the role and the owner.

use serde_json::json;
use studio::{actor::Capability, db::Value};

use super::{
    operations::{Operation, documented, operation},
    requests::Verdict,
    world::{Kind, State, World},
};

/// Rights that end with the state of a row, and what may be put into one: who, what, and the answer.
#[test]
fn rights_that_depend_on_the_row() {
    let world = World::new(Capability::Field);
    let mut verdict = Verdict::default();
    let bystander = world.home.1;
    let change = |table: &'static str, id: i64, values: &[(&'static str, Value)]| {
        let values = values.to_vec();
        world.server.write(move |tx| tx.update(table, id, values.clone()));
    };

    // Agents delete their leads while they are prospects and their visits while they are planned.
    let agent = world.person("agent");
    let stages =
        [("prospect", "new", 204), ("qualified", "interested", 403), ("negotiation", "new", 403), ("won", "closed_subscribed", 403)];
    for (stage, status, wanted) in stages {
        let id = world.row(agent, "field/leads", Kind::Own, State::Fresh, true);
        change("leads", id, &[("stage", stage.into()), ("status", status.into())]);
        verdict.status("agent", stage, &agent.client.delete(&format!("/api/field/leads/{id}/")), wanted);
    }
    for (state, status, wanted) in [
        (State::Fresh, "planned", 204),
        (State::CheckedIn, "checked_in", 403),
        (State::Completed, "completed", 403),
        (State::Fresh, "cancelled", 403),
    ] {
        let id = world.row(agent, "field/visits", Kind::Own, state, true);
        change("visits", id, &[("status", status.into())]);
        verdict.status("agent", status, &agent.client.delete(&format!("/api/field/visits/{id}/")), wanted);
    }

    // What was done about a lead is corrected within 24 hours, and later by managers. The clock stands at 9:00 on 2 March.
    for (at, who, wanted) in [
        ("2026-03-01T09:00:01.000Z", "agent", 200),
        ("2026-03-01T08:59:59.000Z", "agent", 403),
        ("2026-03-01T09:00:01.000Z", "staff", 200),
        ("2026-03-01T08:59:59.000Z", "staff", 403),
        ("2026-03-01T08:59:59.000Z", "staff with the capability", 403),
        ("2026-03-01T08:59:59.000Z", "manager", 200),
        ("2026-03-01T08:59:59.000Z", "admin", 200),
    ] {
        let person = world.person(who);
        let id = world.row(person, "field/actions", Kind::Own, State::Fresh, true);
        change("lead_actions", id, &[("created_at", at.into())]);
        let path = format!("/api/field/actions/{id}/");
        verdict.status(who, at, &person.client.patch(&path, json!({"notes": "x"})), wanted);
        verdict.status(who, at, &person.client.delete(&path), if wanted == 200 { 204 } else { wanted });
    }

    // A lead is handed on by who has it and by managers; a visit is made for somebody else by managers only.
    for (who, kind, wanted) in [
        ("agent", Kind::Own, 200),
        ("staff", Kind::Own, 200),
        ("staff with the capability", Kind::Other, 403),
        ("manager", Kind::Other, 200),
        ("admin", Kind::Other, 200),
    ] {
        let person = world.person(who);
        let id = world.row(person, "field/leads", kind, State::Fresh, true);
        let to = if kind == Kind::Own { bystander } else { world.person("agent").client.id };
        verdict.status(
            who,
            "handing a lead on",
            &person.client.patch(&format!("/api/field/leads/{id}/"), json!({"assigned_rep": to})),
            wanted,
        );
        let wanted = if ["manager", "admin"].contains(&who) { 201 } else { 403 };
        verdict.status(
            who,
            "a visit for another",
            &person.client.post("/api/field/visits/", json!({"business_name": "x", "rep": bystander})),
            wanted,
        );
    }

    // To those who see only their own leads, another's does not exist, whatever they write about it.
    for who in ["agent", "staff"] {
        let person = world.person(who);
        let lead = world.row(person, "field/leads", Kind::Other, State::Fresh, true);
        for (path, mut body) in [("field/actions", json!({"type": "call"})), ("field/visits", json!({"business_name": "x"}))] {
            body["lead"] = lead.into();
            let answer = person.client.post(&format!("/api/{path}/"), body);
            let wanted = json!({"lead": [format!("Invalid pk \"{lead}\" - object does not exist.")]});
            verdict.expect((answer.status, answer.json()) == (400, wanted), || format!("{who}: {} {}", answer.call, answer.text));
        }
    }
    verdict.done();
}

/// Who may not do something is told so, whatever the body: permission comes before parsing.
#[test]
fn permission_comes_before_the_body() {
    let world = World::new(Capability::Field);
    let mut verdict = Verdict::default();
    let all: Vec<Operation> = documented().iter().filter_map(|(method, path)| operation(method, path)).collect();
    for operation in all.iter().filter(|one| ["POST", "PUT", "PATCH"].contains(&one.method.as_str())) {
        let path = format!("/api/{}", operation.path.replace("{id}", "1"));
        for (name, wanted) in [("anonymous", 401), ("student", 403), ("suspended", 403)] {
            // Students have views of their own, and see what is said about their own invoices and payments.
            let is_theirs = ["saved-views", "comments"].contains(&operation.resource) || operation.path.ends_with("/comments/");
            let name = if is_theirs && name == "student" { "citizen" } else { name };
            for (what, media, body) in [
                ("an empty body", "application/json", "{}"),
                ("a broken body", "application/json", "{"),
                ("another medium", "text/plain", "x"),
            ] {
                let client = world.person(name).client.with("connection", "close");
                let answer = client.send(&operation.method, &path, Some((media, body.into())));
                verdict.status(name, what, &answer, wanted);
            }
        }
    }
    verdict.done();
}
