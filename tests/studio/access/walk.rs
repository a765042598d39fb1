//! The walk: every operation of a module, by everybody, on every kind of row.

use std::collections::BTreeSet;

use serde_json::json;
use studio::actor::Capability;

use super::{
    expectations::{ATTACHED, DOCUMENT, RESOURCES},
    finance,
    operations::{Operation, documented, granted, operation},
    requests::{Verdict, send, send_bulk, state, success, text, wanted},
    world::{Kind, MISSING, Person, State, World, kinds, table},
};
use crate::support::{Answer, Client};

fn check_row(world: &World, verdict: &mut Verdict, operation: &Operation, person: &Person) {
    let mut nothing = None;
    // Nobody closes their own account.
    let spares_own = |kind: &Kind| {
        kind.is_own() && operation.verb == 'x' && operation.resource == "accounts/users-list"
            // Nor do they decide about what they ask for.
            || kind.is_own() && ["approve/", "reject/", "requisitions/{id}/pay/"].iter().any(|end| operation.path.ends_with(end))
    };
    for kind in kinds(operation.resource).iter().copied().filter(|kind| person.signed_in() || !kind.is_own() && *kind != Kind::Shared) {
        if spares_own(&kind) {
            continue;
        }
        let wanted = wanted(operation, person, kind);
        let allowed = wanted == 200;
        let id = world.row(person, operation.resource, kind, state(operation), allowed && operation.is_write());
        let before = world.trace(operation.resource, id);
        let answer = send(world, operation, person, &id.to_string(), id);
        let what = format!("{kind:?} row");
        verdict.status(person.name, &what, &answer, if allowed { success(operation) } else { wanted });
        if allowed && operation.verb == 'D' {
            world.rows.borrow_mut().retain(|_, known| *known != id);
        }
        if !allowed {
            verdict.expect(world.trace(operation.resource, id) == before, || {
                format!("{}, {what}: refused, but changed: {}", person.name, answer.call)
            });
        }
        // Foreign and unreadable rows look like rows that are not there.
        match kind {
            Kind::Missing => nothing = Some(answer.text),
            _ if wanted == 404 => {
                let same = nothing.as_ref() == Some(&answer.text);
                verdict.expect(same, || format!("{}, {what}: {} tells {}, no row {nothing:?}", person.name, answer.call, answer.text));
            }
            _ => {}
        }
        if kind == Kind::Foreign && operation.verb == 'R' {
            let sql = format!("SELECT uuid FROM {} WHERE id = ?1", table(operation.resource).0);
            let uuid: Option<String> = world.server.app.db.read(|reader| reader.one(&sql, &[id.into()])).expect("a uuid");
            let answer = send(world, operation, person, &uuid.expect("a row"), id);
            verdict.status(person.name, "foreign row by uuid", &answer, wanted);
        }
        if let Some(only) = operation
            .grant(person.plays)
            .and_then(|grant| grant.only)
            .filter(|_| allowed && !operation.path.ends_with("/revert/") && !answer_is_file(operation))
        {
            // Only one's own, and of that only the field.
            let stranger = world.bystander(person.business);
            let other = match only {
                "work_phone" => json!({"employee_no": world.unique()}),
                "phone" => json!({"name": text(world, operation.resource, "name", id), "user": stranger}),
                _ => json!({"user": stranger}),
            };
            let path = &answer.call[operation.method.len() + 1..];
            let answer = match operation.is_bulk() {
                true => send_bulk(operation, &person.client, id, other),
                false => person.client.send(&operation.method, path, Some(("application/json", other.to_string().into()))),
            };
            verdict.status(person.name, "another field of their own row", &answer, 403);
        }
    }
}

/// Attaching a file sets no field.
fn answer_is_file(operation: &Operation) -> bool {
    operation.path.ends_with("{id}/files/")
}

/// Lists of what is attached are for one record: of one that may be read they hold everything, of any other nothing.
fn check_attached(world: &World, verdict: &mut Verdict, operation: &Operation, person: &Person) {
    let path = format!("/api/{}", operation.path);
    let wanted = match (person.signed_in(), operation.grant(person.plays)) {
        (false, _) => 401,
        (true, None) => 403,
        (true, Some(_)) => 200,
    };
    let state = if operation.verb == 'd' { State::Deleted } else { State::Fresh };
    for kind in kinds(operation.resource).iter().copied().filter(|kind| person.signed_in() || !kind.is_own() && *kind != Kind::Shared) {
        let id = world.row(person, operation.resource, kind, state, false);
        let sql = format!("SELECT target_type, target_id FROM {} WHERE id = ?1", table(operation.resource).0);
        let read = |row: &studio::db::Row<'_>| Ok((row.get::<String>(0)?, row.get::<i64>(1)?));
        let found = world.server.app.db.read(|reader| reader.row(&sql, &[id.into()], read)).expect("a query of the test");
        let (word, target) = found.unwrap_or(("lead".to_owned(), MISSING));
        let answer = person.client.get(&format!("{path}?target_type={word}&target_id={target}&page_size=100"));
        verdict.status(person.name, "list", &answer, wanted);
        if answer.status == 200 {
            let all = operation.grant(person.plays).is_some_and(|grant| !grant.own);
            let sees = !kind.is_away() && (all || kind != Kind::Other);
            let holds = pages(&person.client, &path, &answer).contains(&id);
            verdict.expect(holds == sees, || format!("{}, {kind:?} row: {} shows {}", person.name, answer.call, answer.text));
        }
    }
    if wanted == 200 {
        let answer = person.client.get(&path);
        let required = json!({"target_type": ["This field is required."], "target_id": ["This field is required."]});
        verdict.expect((answer.status, answer.json()) == (400, required), || format!("{}: {} {}", person.name, answer.call, answer.text));
    }
}

/// The ids of every page of a list.
fn pages(client: &Client, path: &str, first: &Answer) -> BTreeSet<i64> {
    let mut ids = BTreeSet::new();
    let (mut page, mut body) = (1, first.json());
    loop {
        let rows = body["results"].as_array().or(body.as_array()).cloned().unwrap_or_default();
        ids.extend(rows.iter().filter_map(|row| row["id"].as_i64()));
        if body["next"].is_null() {
            return ids;
        }
        page += 1;
        body = client.get(&format!("{path}?page_size=100&page={page}")).expect(200);
    }
}

fn check_list(world: &World, verdict: &mut Verdict, operation: &Operation, person: &Person) {
    let path = format!("/api/{}", operation.path);
    let goal = if path.ends_with("/by_goal/") { format!("&goal={}", finance::goal(world, person.business)) } else { String::new() };
    let answer = person.client.get(&format!("{path}?page_size=100&format=json{goal}"));
    let grant = operation.grant(person.plays);
    let wanted = match (person.signed_in(), grant) {
        (false, _) => 401,
        (true, None) => 403,
        (true, Some(_)) => 200,
    };
    verdict.status(person.name, "list", &answer, wanted);
    // Tags have no ids.
    let Some(grant) = grant.filter(|_| answer.status == 200 && !path.ends_with("/tags/")) else { return };
    let expected = world.listed(person, operation.resource, grant.own, operation.verb == 'd');
    let others = world.listed(person, operation.resource, false, operation.verb == 'd');
    assert!(
        !expected.is_empty() && (!grant.own || expected.len() < others.len()),
        "{} {}: the test has too few rows",
        person.name,
        operation.name()
    );
    if operation.path.ends_with("pending/") {
        let sql =
            "SELECT id FROM requisitions WHERE business_id = ?1 AND requested_by_id <> ?2 AND status = 'pending' AND deleted_at IS NULL";
        let waiting = world.ids(sql, &[person.business.into(), person.client.id.into()]);
        let wanted = if ["admin", "manager"].contains(&person.plays) { waiting } else { BTreeSet::new() };
        let found = pages(&person.client, &path, &answer);
        verdict.expect(found == wanted, || format!("{}: {found:?} wait, not {wanted:?}", person.name));
        return;
    }
    if operation.path.ends_with("facets/") {
        let counted = answer.json()["count"].as_u64();
        let wanted = u64::try_from(expected.len()).ok();
        verdict.expect(counted == wanted, || format!("{}: {counted:?} are counted of {expected:?}", person.name));
        return;
    }
    if operation.path.ends_with("board/") {
        let counted: i64 = answer.json().as_array().into_iter().flatten().filter_map(|stage| stage["count"].as_i64()).sum();
        verdict.expect(counted == i64::try_from(expected.len()).expect("few"), || {
            format!("{}: the board counts {counted} of {expected:?}", person.name)
        });
        return;
    }
    let found = pages(&person.client, &path, &answer);
    let closed =
        if operation.verb == 'x' { world.ids("SELECT id FROM leads WHERE stage IN ('won', 'lost')", &[]) } else { BTreeSet::new() };
    let expected: BTreeSet<i64> = expected.difference(&closed).copied().collect();
    verdict.expect(found == expected, || {
        let (more, fewer) = (found.difference(&expected), expected.difference(&found));
        format!(
            "{}: {} has too many {:?}, too few {:?}",
            person.name,
            operation.name(),
            more.collect::<Vec<_>>(),
            fewer.collect::<Vec<_>>()
        )
    });
}

fn check_create(world: &World, verdict: &mut Verdict, operation: &Operation, person: &Person) {
    let answer = send(world, operation, person, "", MISSING);
    let grant = operation.grant(person.plays);
    let wanted = match (person.signed_in(), grant) {
        (false, _) => 401,
        (true, None) => 403,
        // They may not list anything that there could be a view of.
        (true, Some(_))
            if operation.resource == "saved-views" && operation.is_write() && ["student", "customer"].contains(&person.plays) =>
        {
            400
        }
        (true, Some(_)) if !operation.is_write() => 200,
        (true, Some(_)) => 201,
    };
    verdict.status(person.name, "a new row", &answer, wanted);
    if answer.status == 201 {
        // It is in their business, and theirs to see.
        let again = person.client.get(&format!("/api/{}/{}/", operation.resource, answer.json()["id"]));
        let line = RESOURCES.iter().find(|(name, _)| *name == operation.resource).map_or("", |(_, line)| line);
        let sees = granted(line, person.plays, 'R').is_some();
        verdict.status(person.name, "the row they made", &again, if sees { 200 } else { 403 });
    }
}

fn check_chart(world: &World, verdict: &mut Verdict, operation: &Operation, person: &Person) {
    let answer = person.client.get(&format!("/api/{}", operation.path));
    let wanted = match (person.signed_in(), operation.grant(person.plays)) {
        (false, _) => 401,
        (true, None) => 403,
        (true, Some(_)) => 200,
    };
    verdict.status(person.name, "the chart", &answer, wanted);
    if answer.status == 200 {
        let shown: BTreeSet<i64> =
            answer.json()["departments"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_i64()).collect();
        let expected = world.listed(person, "accounts/departments", false, false);
        verdict.expect(shown == expected, || format!("{}: the chart shows {shown:?} of {expected:?}", person.name));
    }
}

/// The matrix of one module.
pub(super) fn matrix(module: &str, capability: Capability) {
    let world = World::new(capability);
    let mut verdict = Verdict::default();
    let all: Vec<Operation> = documented()
        .iter()
        .filter_map(|(method, path)| operation(method, path))
        .filter(|one| one.path.starts_with(module) && one.name() != DOCUMENT)
        .collect();
    let resources = RESOURCES.iter().map(|(name, _)| *name).filter(|name| name.starts_with(module));
    for resource in resources.filter(|name| *name != "accounts/users-list") {
        for person in world.people.iter().filter(|person| person.signed_in()) {
            for kind in kinds(resource) {
                world.row(person, resource, *kind, State::Fresh, false);
            }
            if world.is_deletable(resource) {
                world.row(person, resource, Kind::Other, State::Deleted, false);
                // Of those that nobody sees but their owner, one's own.
                if resource == "saved-views" {
                    world.row(person, resource, Kind::Own, State::Deleted, false);
                }
            }
        }
    }
    // Lists first, as long as the rows are known.
    let all: Vec<Operation> = all.into_iter().filter(|one| !one.path.ends_with("/summary/")).collect();
    let is_list = |one: &&Operation| one.method == "GET" && !one.path.contains("{id}") && one.path != "accounts/org-chart/";
    for operation in all.iter().filter(is_list).chain(all.iter().filter(|one| !is_list(one))) {
        for person in &world.people {
            match operation.verb {
                'C' => check_create(&world, &mut verdict, operation, person),
                _ if is_list(&operation) && ATTACHED.contains(&operation.resource) => {
                    check_attached(&world, &mut verdict, operation, person);
                }
                _ if is_list(&operation) => check_list(&world, &mut verdict, operation, person),
                _ if operation.path == "accounts/org-chart/" => check_chart(&world, &mut verdict, operation, person),
                _ => check_row(&world, &mut verdict, operation, person),
            }
        }
    }
    assert!(verdict.asked > 400, "only {} answers were looked at", verdict.asked);
    verdict.done();
}
