//! What is sent with an operation, and what must be answered.

use serde_json::{Value as Json, json};

use super::{
    expectations::RESOURCES,
    finance,
    operations::{Operation, granted},
    rows::{newcomer, payment_of, profile_of, till},
    world::{Kind, MISSING, Person, State, World, first_text, table},
};
use crate::support::{Answer, Client};

/// All that was answered otherwise than expected.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) wrong: Vec<String>,
    pub(super) asked: usize,
}

impl Verdict {
    pub(super) fn expect(&mut self, holds: bool, say: impl FnOnce() -> String) {
        self.asked += 1;
        if !holds {
            self.wrong.push(say());
        }
    }

    pub(super) fn status(&mut self, who: &str, what: &str, answer: &Answer, wanted: u16) {
        let code = match wanted {
            401 => Some("not_authenticated"),
            403 => Some("permission_denied"),
            404 => Some("not_found"),
            _ => None,
        };
        let fits = answer.status == wanted && code.is_none_or(|code| answer.json()["code"] == code);
        self.expect(fits, || format!("{who}, {what}: {} instead of {wanted}: {} {}", answer.status, answer.call, answer.text));
    }

    pub(super) fn done(self) {
        let shown = self.wrong.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.wrong.is_empty(), "{} of {} answers are wrong:\n{shown}", self.wrong.len(), self.asked);
    }
}

/// The answer that the table demands for a row.
pub(super) fn wanted(operation: &Operation, person: &Person, kind: Kind) -> u16 {
    if !person.signed_in() {
        return 401;
    }
    let line = RESOURCES.iter().find(|(name, _)| *name == operation.resource).map_or("", |(_, line)| line);
    let reads = granted(line, person.plays, 'R');
    let sees = |kind: Kind| !kind.is_away() && reads.is_some_and(|grant| !grant.own || kind != Kind::Other);
    match operation.grant(person.plays) {
        // Whoever may change rows of this kind, but not do this to any, is told so of those they see.
        // Merging deletes, and statements are for those who keep the books: others are told so at once.
        None if operation.verb == 'x' && operation.resource == "finance/parties" => 403,
        None if operation.verb == 'x' && granted(line, person.plays, 'U').is_some() => {
            if sees(kind) {
                403
            } else {
                404
            }
        }
        None => 403,
        Some(_) if kind.is_away() => 404,
        // Files are for those who work here, whatever they are attached to.
        Some(grant) if (!grant.own || kind.is_own()) && operation.path.ends_with("{id}/files/") => {
            let files = RESOURCES.iter().find(|(name, _)| *name == "files").map_or("", |(_, line)| line);
            if granted(files, person.plays, 'R').is_some() { 200 } else { 403 }
        }
        Some(grant) if !grant.own || kind.is_own() => 200,
        Some(_) if kind == Kind::Shared && ['L', 'R'].contains(&operation.verb) => 200,
        Some(_) => {
            if sees(kind) {
                403
            } else {
                404
            }
        }
    }
}

/// A body that changes a row, or makes one.
pub(super) fn body(world: &World, operation: &Operation, person: &Person, id: i64) -> Json {
    let name = world.unique();
    let column = |column: &str| {
        let sql = format!("SELECT {column} FROM {} WHERE id = ?1", table(operation.resource).0);
        world.ids(&sql, &[id.into()]).pop_first().unwrap_or(MISSING)
    };
    // What a new record points to must be the caller's own, if only such may be made.
    let mine = if operation.grant(person.plays).is_some_and(|grant| grant.own) { Kind::Own } else { Kind::Other };
    let creates = operation.verb == 'C';
    match operation.resource {
        "accounts/staff-profiles" if creates => json!({"name": name}),
        "accounts/staff-profiles" => json!({"work_phone": name}),
        "accounts/customer-profiles" => {
            let business = person.business;
            let user = if creates { world.server.write(move |tx| newcomer(tx, business, &name)) } else { column("user_id") };
            json!({"user": user, "referred_by": world.row(person, "accounts/referrals", Kind::Other, State::Fresh, true)})
        }
        "accounts/memberships" if creates => json!({"email": format!("{name}@example.net"), "role": "agent"}),
        "accounts/memberships" => json!({"role": "teacher"}),
        "integrations" => json!({"kind": "sms", "name": name}),
        "field/leads" => json!({"business_name": name, "contact_phone": "0701"}),
        "field/actions" => {
            let lead = if creates { world.row(person, "field/leads", mine, State::Fresh, true) } else { column("lead_id") };
            json!({"lead": lead, "type": "demo", "notes": name})
        }
        "field/visits" => json!({"business_name": name}),
        "saved-views" => json!({"resource": "accounts/departments", "name": name}),
        "comments" if creates && person.plays == "customer" => {
            let (business, id) = (person.business, person.client.id);
            let profile = world.server.write(move |tx| profile_of(tx, business, id));
            json!({"target_type": "customer_profile", "target_id": profile, "content": name})
        }
        "comments" if creates && person.plays == "student" => {
            let (business, id) = (person.business, person.client.id);
            let named = name.clone();
            let payment = world.server.write(move |tx| payment_of(tx, business, Some(id), &named));
            json!({"target_type": "payment", "target_id": payment, "content": name})
        }
        "comments" if creates && person.plays == "teacher" => {
            let target = world.row(person, "finance/requisitions", Kind::Own, State::Fresh, false);
            json!({"target_type": "requisition", "target_id": target, "content": name})
        }
        "comments" if creates => {
            let lead = if person.signed_in() { world.row(person, "field/leads", mine, State::Fresh, true) } else { MISSING };
            json!({"target_type": "lead", "target_id": lead, "content": name})
        }
        "comments" => json!({"content": name, "emoji": "👍"}),
        "files" => json!({"purpose": name}),
        "finance/tax-rates" => json!({"name": name, "percent": "18"}),
        resource if finance::MADE_BY_REQUESTS.contains(&resource) => finance::body(world, operation, person, id, mine, &name),
        // What is theirs to change, beside what must be there.
        "finance/parties" if person.plays == "customer" => json!({"name": text(world, operation.resource, "name", id), "phone": "0701"}),
        // With an item, it comes to what that does.
        "finance/requisitions" if creates => json!({"purpose": name, "amount": "5"}),
        "finance/requisitions" => json!({"purpose": name}),
        "finance/goals" => json!({"title": name, "target_amount": "5000", "due_date": "2027-01-01"}),
        "finance/goal-milestones" => {
            let goal = if creates { world.row(person, "finance/goals", mine, State::Fresh, false) } else { column("goal_id") };
            json!({"goal": goal, "amount": format!("{}.5", world.count.get()), "label": name})
        }
        resource => json!({first_text(resource): name}),
    }
}

/// A text of a row as it stands.
pub(super) fn text(world: &World, resource: &str, column: &str, id: i64) -> Option<String> {
    let sql = format!("SELECT {column} FROM {} WHERE id = ?1", table(resource).0);
    world.server.app.db.read(|reader| reader.one(&sql, &[id.into()])).expect("a query of the test")
}

/// The first item of a requisition.
fn item_of(world: &World, id: i64) -> i64 {
    let sql = "SELECT id FROM requisition_items WHERE requisition_id = ?1 ORDER BY position LIMIT 1";
    world.ids(sql, &[id.into()]).pop_first().unwrap_or(MISSING)
}

/// Sends an operation for many records with one, and answers what became of that one.
pub(super) fn send_bulk(operation: &Operation, client: &Client, id: i64, body: Json) -> Answer {
    let body = match operation.verb {
        'C' => json!({"items": [body]}),
        'U' => json!({"ids": [id], "set": body}),
        _ => json!({"ids": [id]}),
    };
    let answer = client.post(&format!("/api/{}", operation.path), body);
    if answer.status != 200 {
        return answer;
    }
    let row = answer.json()["results"][0].clone();
    let status = if row["ok"] == true { success(operation) } else { u16::try_from(row["status"].as_i64().unwrap_or(0)).unwrap_or(0) };
    let text = if row["ok"] == true { row.to_string() } else { row["errors"].to_string() };
    Answer { status, text, ..answer }
}

/// Sends a file with one line, and answers what became of that.
fn send_file(world: &World, operation: &Operation, client: &Client, body: &Json) -> Answer {
    let fields = body.as_object().expect("a body");
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (headings, cells): (Vec<String>, Vec<String>) = fields.iter().map(|(name, value)| (name.clone(), text(value))).unzip();
    let file = format!("{}\r\n{}\r\n", headings.join(","), cells.join(","));
    let answer = client.with("connection", "close").import(&format!("/api/{}", operation.path), "text/csv", file);
    if answer.status != 200 {
        return answer;
    }
    if answer.json()["created"] != 1 {
        return Answer { status: 400, ..answer };
    }
    let newest = world.ids(&format!("SELECT max(id) FROM {}", table(operation.resource).0), &[]).pop_last();
    Answer { status: 201, text: json!({"id": newest}).to_string(), ..answer }
}

/// Sends an operation for a row, or for none, and a body that fits.
pub(super) fn send(world: &World, operation: &Operation, person: &Person, key: &str, id: i64) -> Answer {
    let client = &person.client;
    if operation.is_bulk() {
        return send_bulk(operation, client, id, body(world, operation, person, id));
    }
    if operation.path.ends_with("/import/") {
        return send_file(world, operation, client, &body(world, operation, person, id));
    }
    let path = format!("/api/{}", operation.path.replace("{id}", key));
    let path = path.replace("{item_id}", &item_of(world, id).to_string());
    let action = operation.path.rsplit('/').nth(1).filter(|_| operation.verb == 'x');
    if let Some(body) = finance::action(world, operation, id) {
        return client.with("connection", "close").post(&path, body);
    }
    match (operation.method.as_str(), action) {
        ("GET", _) => client.get(&path),
        ("DELETE", _) => client.delete(&path),
        ("POST", _) if ["{id}/files/", "/upload_document/"].iter().any(|end| operation.path.ends_with(end)) => {
            client.with("connection", "close").send("POST", &path, Some(("text/plain", world.unique().into_bytes())))
        }
        ("POST", None) if operation.path.ends_with("{id}/comments/") => client.post(&path, json!({"content": world.unique()})),
        ("POST", None) if operation.path.ends_with("/like/") => client.with("connection", "close").send("POST", &path, None),
        ("PUT", Some("secret")) => client.put(&path, json!({"secret": "a secret of the service"})),
        (_, Some("reject")) => client.post(&path, json!({"comment": "Too much"})),
        (_, Some("add_item")) => client.post(&path, json!({"particular": "More", "unit_cost": 2})),
        (_, Some("pay" | "add_payment")) => {
            let business = person.business;
            let account = world.server.write(move |tx| till(tx, business));
            client.post(&path, if action == Some("pay") { json!({"account": account}) } else { json!({"account": account, "amount": 1}) })
        }
        (_, Some("link_transaction")) => {
            let income = world.row(person, "finance/transactions", Kind::Other, State::Fresh, true);
            client.post(&path, json!({"transaction_id": income}))
        }
        (_, Some("lose")) => client.post(&path, json!({"lost_reason": "price"})),
        (_, Some("check-in")) => client.post(&path, json!({"lat": 0, "lon": 0, "accuracy_m": 5})),
        (_, Some("check-out")) => client.post(&path, json!({"visit_outcome": "interested"})),
        (_, Some("merge")) => {
            // The other one is the caller's own; which of the two stays is changed about.
            let mine = if person.signed_in() {
                world.row(person, operation.resource, Kind::Own, State::Fresh, true).to_string()
            } else {
                "1".into()
            };
            let swaps = world.count.get().is_multiple_of(2);
            client.post(&path, if swaps { json!({"into": key, "from": [mine]}) } else { json!({"into": mine, "from": [key]}) })
        }
        ("POST", _) if operation.path.ends_with("/revert/") => {
            let sql = format!("SELECT max(id) FROM audit_log WHERE target_type = '{}' AND target_id = ?1", table(operation.resource).0);
            client.post(&path, json!({"to": world.ids(&format!("SELECT coalesce(({sql}), 0)"), &[id.into()]).pop_first()}))
        }
        // Nobody reads the end of a body that is not asked for, after which the server may close the connection.
        ("POST", Some(_)) => client.with("connection", "close").send("POST", &path, None),
        ("POST", None) if operation.verb == 'd' => client.with("connection", "close").send("POST", &path, None),
        (method, _) => {
            let body = body(world, operation, person, id);
            client.send(method, &path, Some(("application/json", body.to_string().into_bytes())))
        }
    }
}

pub(super) fn success(operation: &Operation) -> u16 {
    let makes = ["{id}/comments/", "{id}/files/", "/upload_document/", "/add_item/", "/add_payment/", "requisitions/{id}/pay/"];
    match operation.verb {
        _ if operation.method == "POST" && makes.iter().any(|end| operation.path.ends_with(end)) => 201,
        _ if finance::makes(operation) => 201,
        'C' => 201,
        'D' => 204,
        'x' if operation.method == "DELETE" => 204,
        _ => 200,
    }
}

/// The state that a row must be in for an operation to go through.
pub(super) fn state(operation: &Operation) -> State {
    if let Some(state) = finance::state(operation) {
        return state;
    }
    match operation.path.rsplit('/').nth(1) {
        Some("restore" | "bulk_restore") => State::Deleted,
        Some("reopen") => State::Lost,
        Some("resend") => State::Invited,
        Some("unarchive") => State::Archived,
        Some("activate") => State::Suspended,
        Some("check-out") => State::CheckedIn,
        Some("convert_to_lead") => State::Completed,
        Some("submit") => State::Draft,
        Some("resubmit") => State::Rejected,
        Some("pay") => State::Approved,
        _ => State::Fresh,
    }
}
