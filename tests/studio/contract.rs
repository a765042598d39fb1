//! What every resource promises, proved for each from its description: create, read, list, change, search, filter, order, pages,
//! delete and restore, history, validators.

use std::{cmp::Ordering, collections::BTreeSet};

use serde_json::{Map, Value, json};
use studio::{
    engine::{
        Descriptor, Output,
        field::{Field, Kind},
    },
    resources,
};

use crate::{
    books,
    samples::{SAMPLES, World, for_each, keeper_of, sample, writable},
    support::{Answer, Server},
};

type Object = Map<String, Value>;

fn url(d: &Descriptor) -> String {
    format!("/api/{}/", d.about.path)
}

fn record_url(d: &Descriptor, record: &Value) -> String {
    format!("/api/{}/{}/", d.about.path, record["id"])
}

/// Percent-encodes whatever is not plain.
pub fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A field as ids: the read forms show some references as more, with the id beside it.
fn value<'a>(record: &'a Value, name: &str) -> &'a Value {
    record.get(format!("{name}_id")).unwrap_or(&record[name])
}

fn id(record: &Value) -> i64 {
    record["id"].as_i64().unwrap_or_else(|| panic!("no id in {record}"))
}

fn ids(page: &Value) -> Vec<i64> {
    page["results"].as_array().unwrap_or_else(|| panic!("no results in {page}")).iter().map(id).collect()
}

fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids
}

/// Is what was answered what was sent? Numbers by value, rows without the ids that they were given.
pub fn same(kind: &Kind, answered: &Value, sent: &Value) -> bool {
    match (kind, answered, sent) {
        (_, Value::Number(answered), Value::Number(sent)) => answered.as_f64() == sent.as_f64(),
        (Kind::Lines(_, fields), Value::Array(answered), Value::Array(sent)) => {
            let same_row = |(answered, sent): (&Value, &Value)| {
                fields.iter().filter(|field| field.name != "id").all(|field| same(&field.kind, &answered[field.name], &sent[field.name]))
            };
            answered.len() == sent.len() && answered.iter().zip(sent).all(same_row)
        }
        _ => answered == sent,
    }
}

/// The fields that clients set.
fn settable(d: &Descriptor) -> impl Iterator<Item = &Field> {
    d.fields.iter().filter(|field| !field.server_set)
}

/// All fields of `before` that are not in `but` stand in `after` as they were.
fn assert_kept(d: &Descriptor, before: &Value, after: &Value, but: &Value) {
    // What is worked out of rows follows them.
    let sends_rows = d.fields.iter().any(|field| matches!(field.kind, Kind::Lines(..)) && but.get(field.name).is_some());
    let may_change = |field: &&Field| but.get(field.name).is_some() || field.server_set && sends_rows;
    for field in d.visible().filter(|field| !may_change(field)) {
        assert_eq!(value(after, field.name), value(before, field.name), "{} changed although it was not sent", field.name);
    }
}

fn missing(d: &Descriptor) -> Value {
    // The directory's component is called after its place; what it lists are users.
    let name = if d.name == "UserList" { "User" } else { &d.name };
    json!({"detail": format!("No {name} matches the given query."), "code": "not_found"})
}

#[track_caller]
fn expect_missing(d: &Descriptor, answer: &Answer) {
    assert_eq!((answer.status, answer.json()), (404, missing(d)), "{}", answer.call);
}

/// Makes some records that differ, a minute after each other, and answers them as the list does.
pub fn some(world: &World, d: &Descriptor) -> Vec<Value> {
    if d.about.path == "accounts/memberships" {
        memberships(world);
    } else if d.about.path == "finance/journal" {
        books::entries(world);
    } else if !d.about.read_only {
        let sample = sample(d.about.path);
        for make in [sample.full, sample.least, sample.full, sample.full, sample.least] {
            world.admin.create(&url(d), make(world));
            world.server.clock.advance(60);
        }
        if d.about.path == "field/leads" {
            // Those that nobody was in touch with go stale; one is fresh, and one was telephoned about.
            world.server.clock.advance(20 * 24 * 60 * 60);
            let fresh = world.admin.create(&url(d), (sample.least)(world));
            world.admin.create("/api/field/actions/", json!({"lead": fresh["id"], "type": "call"}));
            world.admin.create(&url(d), (sample.least)(world));
        }
        books::more(world, d.about.path);
    } else {
        for _ in 0..3 {
            world.another("accounts/customer-profiles");
            let profile = (sample("accounts/staff-profiles").full)(world);
            world.admin.create("/api/accounts/staff-profiles/", profile);
        }
        let other = world.person(studio::actor::Role::Teacher);
        world.server.write(move |tx| tx.update("users", other, vec![("is_active", false.into())]));
        world.server.clock.advance(60);
    }
    all(world, d)
}

/// Members of several sorts, of two branches, one of them suspended and one invited.
fn memberships(world: &World) {
    let branches = [world.another("accounts/branches"), world.another("accounts/branches")];
    for (role, branch) in [(studio::actor::Role::Manager, Some(branches[0])), (studio::actor::Role::Staff, Some(branches[1]))] {
        let user = world.person(role);
        world.server.write(move |tx| {
            let id: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[user.into()])?.expect("a membership");
            tx.update("memberships", id, vec![("branch_id", branch.into()), ("status", "suspended".into())])
        });
        world.server.clock.advance(60);
    }
    world.person(studio::actor::Role::Teacher);
    let invite = json!({"email": format!("{}@example.net", world.next()), "role": "agent", "full_name": world.name("Invitee")});
    world.admin.post("/api/accounts/memberships/invite/", invite).expect(201);
    world.server.clock.advance(60);
}

fn all(world: &World, d: &Descriptor) -> Vec<Value> {
    all_with(world, d, "")
}

/// All that there is, whatever the list leaves out as long as nobody asks for it.
fn everything(world: &World, d: &Descriptor) -> Vec<Value> {
    let unasked = d.about.usual.and_then(|(parameters, _)| parameters.first());
    all_with(world, d, &unasked.map_or_else(String::new, |name| format!("&{name}=all")))
}

fn all_with(world: &World, d: &Descriptor, query: &str) -> Vec<Value> {
    let page = world.admin.get(&format!("{}?page_size=100{query}", url(d))).expect(200);
    assert_eq!(page["next"], json!(null), "more than 100 records do not fit on one page of this test");
    page["results"].as_array().expect("results").clone()
}

#[test]
fn every_resource_has_a_sample() {
    let wanted: BTreeSet<&str> = writable().iter().map(|d| d.about.path).collect();
    let there: BTreeSet<&str> = SAMPLES.iter().map(|sample| sample.path).collect();
    assert_eq!(there, wanted);
}

#[test]
fn samples_name_every_required_field() {
    for_each(&writable(), |world, d| {
        let (least, full) = ((sample(d.about.path).least)(world), (sample(d.about.path).full)(world));
        // A field that may be left out needs no sample: a new one is two lines, and neither is in a test.
        for field in settable(d).filter(|field| field.required) {
            for (what, sample) in [("full", &full), ("least", &least)] {
                assert!(sample.get(field.name).is_some(), "the {what} sample lacks {}", field.name);
            }
        }
    });
}

#[test]
fn create_stores_what_is_sent_and_answers_every_field() {
    for_each(&writable(), |world, d| {
        let sample = sample(d.about.path);
        for (body, is_full) in [((sample.least)(world), false), ((sample.full)(world), true)] {
            let answer = world.admin.post(&url(d), body.clone());
            let record = answer.expect(201);
            assert!(answer.header("etag").is_some_and(|tag| tag.starts_with('"') && tag.ends_with('"')), "no ETag");
            assert_eq!(answer.header("content-type"), Some("application/json"));

            let there: BTreeSet<&str> = record.as_object().expect("an object").keys().map(String::as_str).collect();
            let fields = d.visible().map(|field| field.name).chain(d.about.computed.iter().map(|computed| computed.name));
            let wanted: BTreeSet<&str> = fields.chain(d.mixin().iter().map(|(name, ..)| *name)).collect();
            assert_eq!(there, wanted, "the members of the answer");

            for field in d.visible() {
                let got = &record[field.name];
                match (body.get(field.name), &field.schema.default) {
                    (Some(sent), _) => assert!(same(&field.kind, got, sent), "{} is {got}, sent was {sent}", field.name),
                    _ if is_full || sample.filled_in.contains(&field.name) => {}
                    (None, Some(default)) => assert_eq!(got, default, "the default of {}", field.name),
                    (None, None) => assert!(got.is_null() || *got == json!([]), "{} was left out and is {got}", field.name),
                }
            }
            for (name, wanted) in [
                ("created_by", json!(world.admin.id)),
                ("updated_by", json!(world.admin.id)),
                ("version", json!(1)),
                ("created_at", json!(studio::kit::DateTime(world.server.clock.now()).to_string())),
                ("updated_at", record["created_at"].clone()),
                ("is_deleted", json!(false)),
                ("deleted_at", json!(null)),
            ] {
                assert!(record.get(name).is_none_or(|got| *got == wanted), "{name} is {}, not {wanted}", record[name]);
            }
        }
    });
}

#[test]
fn records_are_read_by_id_and_uuid_and_listed() {
    let all: Vec<&Descriptor> = resources::all().iter().collect();
    for_each(&all, |world, d| {
        for listed in some(world, d) {
            let by_id = world.admin.get(&record_url(d, &listed)).expect(200);
            let uuid = listed["uuid"].as_str().expect("a uuid").to_owned();
            for key in [uuid.clone(), uuid.to_uppercase()] {
                assert_eq!(world.admin.get(&format!("{}{key}/", url(d))).expect(200), by_id, "by uuid {key}");
            }
            // The list shows the same, but for what is only shown on one record.
            for (name, shown) in listed.as_object().expect("an object") {
                assert_eq!(by_id.get(name), Some(shown), "{name} in the list and in the record");
            }
            for computed in d.about.computed {
                let fits = match (&computed.output, &by_id[computed.name]) {
                    (_, Value::Null) | (Output::Bool, Value::Bool(_)) | (Output::Text | Output::DateTime, Value::String(_)) => true,
                    (Output::Choice(names), Value::String(name)) => names.contains(&name.as_str()),
                    (Output::Money, Value::String(text)) => text.parse::<f64>().is_ok(),
                    (Output::Integer, shown) => shown.is_i64(),
                    (Output::Number, shown) => shown.is_number(),
                    (Output::Json(_), shown) => shown.is_object() || shown.is_array(),
                    _ => false,
                };
                assert!(fits, "{} is {}", computed.name, by_id[computed.name]);
                assert_eq!(listed.get(computed.name).is_none(), computed.detail, "{} in the list", computed.name);
            }
        }
        expect_missing(d, &world.admin.get(&format!("{}999999/", url(d))));
        expect_missing(d, &world.admin.get(&format!("{}01920000-0000-7000-8000-000000000000/", url(d))));
        let nonsense = world.admin.get(&format!("{}abc/", url(d)));
        assert_eq!((nonsense.status, nonsense.json()), (404, json!({"detail": "Not found.", "code": "not_found"})));
    });
}

#[test]
fn read_only_resources_refuse_writing() {
    for_each(&resources::all().iter().filter(|d| d.about.read_only).collect::<Vec<_>>(), |world, d| {
        let (list, one) = (url(d), format!("{}{}/", url(d), world.admin.id));
        for (method, path) in [("POST", &list), ("PUT", &one), ("PATCH", &one), ("DELETE", &one)] {
            // Entries are posted by hand, and never changed.
            if (method, d.about.table) == ("POST", "journal_entries") {
                continue;
            }
            let answer = world.admin.send(method, path, None);
            let wanted = json!({"detail": format!("Method \"{method}\" not allowed."), "code": "method_not_allowed"});
            assert_eq!((answer.status, answer.json()), (405, wanted), "{}", answer.call);
        }
    });
}

#[test]
fn patch_changes_only_what_is_sent() {
    for_each(&writable(), |world, d| {
        let sample = sample(d.about.path);
        let before = world.admin.create(&url(d), (sample.full)(world));
        let path = record_url(d, &before);
        world.server.clock.advance(60);

        let change = (sample.patch)(world);
        let after = world.admin.patch(&path, change.clone()).expect(200);
        for (name, sent) in change.as_object().expect("an object") {
            assert_eq!(&after[name], sent, "{name}");
            assert_ne!(after[name], before[name], "the patch changes nothing in {name}");
        }
        assert_kept(d, &before, &after, &change);
        assert_eq!(after["version"], json!(before["version"].as_i64().unwrap_or_default() + 1), "version");
        assert_eq!(after["created_at"], before["created_at"], "created_at");
        assert_eq!(after["updated_at"], json!(studio::kit::DateTime(world.server.clock.now()).to_string()), "updated_at");
        assert_eq!(world.admin.get(&path).expect(200)["version"], after["version"], "stored");

        world.server.clock.advance(60);
        assert_eq!(world.admin.patch(&path, json!({})).expect(200), after, "PATCH {{}}");
        assert_eq!(world.admin.patch(&path, change).expect(200), after, "PATCH of what it is already");
    });
}

#[test]
fn put_needs_required_fields_and_keeps_omitted_ones() {
    for_each(&writable(), |world, d| {
        let sample = sample(d.about.path);
        let before = world.admin.create(&url(d), (sample.full)(world));
        let path = record_url(d, &before);

        let required: Object =
            settable(d).filter(|field| field.required).map(|field| (field.name.into(), json!(["This field is required."]))).collect();
        let empty = world.admin.put(&path, json!({}));
        match required.is_empty() {
            true => assert_eq!(empty.status, 200, "PUT {{}} where nothing is required: {}", empty.text),
            false => empty.refuses(Value::Object(required)),
        }
        let least = (sample.least)(world);
        let answer = world.admin.put(&path, least.clone());
        if answer.status == 409 && answer.json()["code"] == "immutable" {
            // What is in the books is not replaced.
            return;
        }
        let after = answer.expect(200);
        for (name, sent) in least.as_object().expect("an object") {
            let as_sent = d.field(name).is_some_and(|field| same(&field.kind, &after[name], sent));
            assert!(as_sent, "{name} is {}, sent was {sent}", after[name]);
        }
        assert_kept(d, &before, &after, &least);

        let full = (sample.full)(world);
        let after = world.admin.put(&path, full.clone());
        if after.status == 200 {
            for field in settable(d) {
                assert!(same(&field.kind, &after.json()[field.name], &full[field.name]), "{} after a whole PUT", field.name);
            }
        } else {
            // A rule of the resource on the way from one state to another.
            assert!([400, 409].contains(&after.status), "PUT of everything: {}", after.text);
        }
    });
}

#[test]
fn unknown_and_server_set_fields_are_ignored() {
    for_each(&writable(), |world, d| {
        let sample = sample(d.about.path);
        let server_set = d.fields.iter().filter(|field| field.server_set).map(|field| field.name);
        let names =
            server_set.chain(d.about.computed.iter().map(|computed| computed.name)).chain(d.mixin().into_iter().map(|(name, ..)| name));
        // What may be asked for, or said if it is right, is no noise.
        let is_noise = |name: &&str| {
            d.field(name).is_none_or(|field| !field.input) && d.about.confirmed.iter().all(|(confirmed, _)| confirmed != name)
        };
        let mut noise: Object = names.filter(is_noise).map(|name| (name.to_owned(), json!("7"))).collect();
        noise.insert("no_such_field".to_owned(), json!({"a": [1]}));

        let plain = world.admin.create(&url(d), (sample.least)(world));
        let mut body = (sample.least)(world);
        body.as_object_mut().expect("an object").extend(noise.clone());
        let noisy = world.admin.create(&url(d), body);
        for field in d.fields.iter().filter(|field| field.server_set && !field.hidden) {
            // A number of a series, an entry in the books: another for each.
            let differs = sample.filled_in.contains(&field.name) && noisy[field.name] != json!("7");
            assert!(differs || noisy[field.name] == plain[field.name], "{} is only for the server to set", field.name);
        }
        assert_eq!((&noisy["version"], &noisy["created_by"]), (&json!(1), &json!(world.admin.id)));
        assert!(noisy.get("no_such_field").is_none());
        assert_ne!(noisy["uuid"], json!("7"));
        assert_eq!(world.admin.patch(&record_url(d, &noisy), Value::Object(noise)).expect(200), noisy, "PATCH with nothing to set");
    });
}

// ------------------------------------------------------------------------------------------------ lists

/// The texts of a record that a search looks at, by field.
fn searched(world: &World, d: &Descriptor, record: &Value) -> Vec<(&'static str, String)> {
    let text = |name: &&'static str| {
        let found = match name.split_once('.') {
            None => value(record, name).clone(),
            Some((reference, column)) => match (value(record, reference).as_i64(), d.field(reference).map(|field| &field.kind)) {
                (Some(id), Some(Kind::Reference(table))) => {
                    world.admin.get(&format!("{}{id}/", url(keeper_of(table)))).expect(200)[column].clone()
                }
                _ => Value::Null,
            },
        };
        (*name, found.as_str().unwrap_or_default().to_owned())
    };
    d.about.search.iter().map(text).collect()
}

#[test]
fn search_looks_through_each_declared_field() {
    let all: Vec<&Descriptor> = resources::all().iter().filter(|d| !d.about.search.is_empty()).collect();
    for_each(&all, |world, d| {
        let records: Vec<(i64, Vec<(&str, String)>)> =
            some(world, d).iter().map(|record| (id(record), searched(world, d, record))).collect();
        let find = |words: &str| sorted(ids(&world.admin.get(&format!("{}?page_size=100&search={}", url(d), encoded(words))).expect(200)));
        for name in d.about.search {
            let only_here = |texts: &Vec<(&str, String)>| {
                let (_, text) = texts.iter().find(|(field, _)| field == name)?;
                let elsewhere = texts.iter().any(|(field, other)| field != name && other.to_lowercase().contains(&text.to_lowercase()));
                (!text.is_empty() && !elsewhere).then(|| text.clone())
            };
            let text = records.iter().find_map(|(_, texts)| only_here(texts)).unwrap_or_else(|| panic!("no sample to find through {name}"));
            let holds = |texts: &Vec<(&str, String)>| texts.iter().any(|(_, other)| other.to_lowercase().contains(&text.to_lowercase()));
            let wanted = sorted(records.iter().filter(|(_, texts)| holds(texts)).map(|(id, _)| *id).collect());
            assert!(wanted.len() < records.len(), "every sample has {text} in {name}");
            assert_eq!(find(&format!("\"{text}\"")), wanted, "search through {name} for {text}");
            assert_eq!(find(&format!("\"{}\"", text.to_uppercase())), wanted, "search through {name} in capitals");
            let middle: String = text.chars().skip(1).take(text.chars().count().saturating_sub(2)).collect();
            let found = find(&format!("\"{middle}\""));
            assert!(wanted.iter().all(|id| found.contains(id)), "search through {name} for the middle of {text}");
        }
        assert_eq!(find("zzqqxx"), Vec::<i64>::new(), "search for what is nowhere");
        assert_eq!(find("  , "), sorted(records.iter().map(|(id, _)| *id).collect()), "search for nothing");
    });
}

/// How a filter's value is written in a query.
fn as_parameter(value: &Value) -> String {
    encoded(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// What a field or a computed field holds.
fn kind_of<'d>(d: &'d Descriptor, name: &str) -> Option<&'d Kind> {
    let computed = d.about.computed.iter().find(|computed| computed.name == name);
    match computed.map(|computed| &computed.output) {
        Some(Output::Money) => Some(&Kind::Money),
        _ => d.field(name).map(|field| &field.kind),
    }
}

fn compare(kind: Option<&Kind>, a: &Value, b: &Value) -> Ordering {
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or(f64::NAN);
    match (kind, a, b) {
        (_, Value::Null, Value::Null) => Ordering::Equal,
        (_, Value::Null, _) => Ordering::Less,
        (_, _, Value::Null) => Ordering::Greater,
        (Some(Kind::Money | Kind::Decimal(_)), ..) | (_, Value::Number(_), _) => number(a).total_cmp(&number(b)),
        // Choices stand in the order in which they are declared.
        (Some(Kind::Choice(names)), ..) => {
            let rank = |value: &Value| names.iter().position(|name| value.as_str() == Some(name));
            rank(a).cmp(&rank(b))
        }
        _ => a.as_str().cmp(&b.as_str()),
    }
}

#[test]
fn each_filter_includes_and_excludes() {
    let all: Vec<&Descriptor> = resources::all().iter().collect();
    for_each(&all, |world, d| {
        let mut records = some(world, d);
        if d.about.filter.contains(&"created_by") {
            let other = world.server.member(&format!("other{}", world.next()), studio::actor::Role::Admin);
            other.create(&url(d), (sample(d.about.path).full)(world));
        }
        if d.about.path == "field/visits" {
            check_in(world, &records);
        }
        records = self::all(world, d);
        let asked = d.about.usual.map_or(&[][..], |(parameters, _)| parameters);
        let everything = everything(world, d);
        let shown: Vec<i64> = records.iter().map(id).collect();
        let list = |query: &str| sorted(ids(&world.admin.get(&format!("{}?page_size=100&{query}", url(d))).expect(200)));
        for name in &d.filters {
            let kind = kind_of(d, name);
            let is_named = d.about.filter.contains(name);
            // Whoever asks for this is shown what lists leave out.
            let records = if asked.contains(name) { &everything } else { &records };
            let wanted =
                |holds: &dyn Fn(&Value) -> bool| sorted(records.iter().filter(|record| holds(value(record, name))).map(id).collect());
            let mut values: Vec<&Value> = vec![];
            for found in records.iter().map(|record| value(record, name)) {
                if !values.contains(&found) {
                    values.push(found);
                }
            }
            assert!(values.len() > 1 || !is_named, "the samples all have the same {name}: {values:?}");
            if kind == Some(&Kind::Texts) {
                for item in values.iter().filter_map(|value| value.as_array()).flatten() {
                    let has = wanted(&|value| value.as_array().is_some_and(|items| items.contains(item)));
                    let sent = as_parameter(item);
                    assert_eq!(list(&format!("{name}={sent}")), has, "{name}={sent}");
                    assert_eq!(list(&format!("{name}__in=zzqqxx,{sent}")), has, "{name}__in");
                }
                continue;
            }
            let is_told = |value: &&Value| !value.is_null() && value.as_str().is_none_or(|text| !text.is_empty());
            let there: Vec<&Value> = values.iter().copied().filter(is_told).take(if is_named { values.len() } else { 2 }).collect();
            if there.is_empty() {
                continue;
            }
            for one in &there {
                let sent = as_parameter(one);
                assert_eq!(list(&format!("{name}={sent}")), wanted(&|value| value == *one), "{name}={sent}");
                if let Some(Kind::Reference(table)) = kind {
                    let target = keeper_of(table);
                    let uuid = world.admin.get(&format!("{}{one}/", url(target))).expect(200)["uuid"].clone();
                    assert_eq!(list(&format!("{name}={}", as_parameter(&uuid))), wanted(&|value| value == *one), "{name} by uuid");
                }
            }
            if there.iter().all(|value| !value.is_boolean()) {
                let two = &there[..there.len().min(2)];
                let sent: Vec<String> = two.iter().map(|value| as_parameter(value)).collect();
                assert_eq!(list(&format!("{name}__in={}", sent.join(","))), wanted(&|value| two.contains(&value)), "{name}__in");
                assert_eq!(list(&format!("{name}__in={}", sent[0])), wanted(&|value| *value == *two[0]), "{name}__in of one");
                let none = if there.iter().all(|value| value.is_string()) { "zzqqxx" } else { "," };
                assert_eq!(list(&format!("{name}__in={none}")), Vec::<i64>::new(), "{name}__in of nothing");
            }
            for test in ["", "__in", "__gte", "__isnull", "__icontains"] {
                assert_eq!(list(&format!("{name}{test}=")), sorted(shown.clone()), "{name}{test} without a value");
            }
            if let Some(Kind::Text | Kind::Email) = kind {
                for text in there.iter().filter_map(|value| value.as_str()) {
                    let part: String = text.chars().take(text.chars().count().div_ceil(2)).collect();
                    let part = part.trim().to_lowercase();
                    let has = wanted(&|value| value.as_str().is_some_and(|text| text.to_lowercase().contains(&part)));
                    assert_eq!(list(&format!("{name}__icontains={}", encoded(&part.to_uppercase()))), has, "{name}__icontains={part}");
                }
            }
            let is_time = name.ends_with("_at") || matches!(kind, Some(Kind::Date | Kind::DateTime));
            let is_number = matches!(kind, Some(Kind::Integer | Kind::Number | Kind::Money | Kind::Decimal(_)));
            if is_time || is_number {
                for one in &there {
                    let sent = as_parameter(one);
                    let order = |value: &Value| (!value.is_null()).then(|| compare(kind, value, one));
                    let (least, most) = (
                        wanted(&|value| order(value).is_some_and(Ordering::is_ge)),
                        wanted(&|value| order(value).is_some_and(Ordering::is_le)),
                    );
                    assert_eq!(list(&format!("{name}__gte={sent}")), least, "{name}__gte={sent}");
                    assert_eq!(list(&format!("{name}__lte={sent}")), most, "{name}__lte={sent}");
                    if is_time {
                        assert_eq!(list(&format!("{name}_after={sent}")), least, "{name}_after={sent}");
                        assert_eq!(list(&format!("{name}_before={sent}")), most, "{name}_before={sent}");
                    }
                }
            }
            if d.field(name).is_none_or(|field| field.nullable) {
                assert_eq!(list(&format!("{name}__isnull=true")), wanted(&Value::is_null), "{name}__isnull=true");
                assert_eq!(list(&format!("{name}__isnull=false")), wanted(&|value| !value.is_null()), "{name}__isnull=false");
            }
        }
    });
}

/// Arrives at one of the visits, at the place of its lead's zone, and at another far from it.
fn check_in(world: &World, visits: &[Value]) {
    let zone = (sample("field/zones").full)(world);
    let zone = world.admin.create("/api/field/zones/", zone);
    let planned: Vec<&Value> = visits.iter().filter(|visit| visit["status"] == "planned").collect();
    for (visit, lat) in planned.iter().zip([0.0, 5.0]) {
        let rep = world.server.member(&format!("rep{}", world.next()), studio::actor::Role::Agent);
        let path = record_url_of("field/visits", visit);
        world.admin.patch(&path, json!({"zone": zone["id"], "rep": rep.id, "lead": null})).expect(200);
        let fix =
            json!({"lat": lat, "lon": -0.5, "accuracy_m": 5, "captured_at": studio::kit::DateTime(world.server.clock.now()).to_string()});
        rep.post(&format!("{path}check-in/"), fix).expect(200);
    }
}

fn record_url_of(path: &str, record: &Value) -> String {
    format!("/api/{path}/{}/", record["id"])
}

#[test]
fn filters_with_sql_of_their_own() {
    let all: Vec<&Descriptor> = resources::all().iter().filter(|d| !d.about.filter_by.is_empty()).collect();
    for_each(&all, |world, d| {
        let records = some(world, d);
        for (name, _) in d.about.filter_by {
            // What of a record the filter is about.
            let subject = |record: &Value| -> Vec<Value> {
                match (d.about.path, *name) {
                    ("accounts/users-list", "department" | "branch") => vec![record["staff_profile"][*name].clone()],
                    ("finance/parties", "has_open") => {
                        let open = ["receivable_open", "payable_open", "credit_available"];
                        let is_open =
                            open.iter().any(|name| record[name].as_str().is_some_and(|text| !text.trim_matches(['0', '.']).is_empty()));
                        vec![json!(is_open.to_string())]
                    }
                    ("finance/payments", "unallocated") => {
                        let rest = record["unallocated"].as_str().is_some_and(|text| !text.trim_matches(['0', '.']).is_empty());
                        vec![json!(rest.to_string())]
                    }
                    ("finance/payments", "invoice") => {
                        record["allocations"].as_array().into_iter().flatten().map(|one| one["invoice"].clone()).collect()
                    }
                    ("finance/journal", "account" | "party") => {
                        let entry = world.admin.get(&record_url(d, record)).expect(200);
                        entry["lines"].as_array().into_iter().flatten().map(|line| line[*name].clone()).collect()
                    }
                    _ => panic!("this test does not know the filter {name}"),
                }
            };
            let some = records.iter().flat_map(&subject).find(|value| !value.is_null()).unwrap_or_else(|| panic!("no sample for {name}"));
            let wanted = sorted(records.iter().filter(|record| subject(record).contains(&some)).map(id).collect());
            assert!(wanted.len() < records.len(), "every sample has this {name}");
            let list = |value: &str| sorted(ids(&world.admin.get(&format!("{}?page_size=100&{name}={value}", url(d))).expect(200)));
            assert_eq!(list(&as_parameter(&some)), wanted, "{name}={some}");
            assert_eq!(list("zzqqxx"), Vec::<i64>::new(), "{name} of none");
        }
    });
}

#[test]
fn each_declared_ordering_sorts_both_ways() {
    let all: Vec<&Descriptor> = resources::all().iter().collect();
    for_each(&all, |world, d| {
        let records = some(world, d);
        for name in d.about.order.iter().map(|name| name.trim_start_matches('-')) {
            let kind = kind_of(d, name);
            let varies = records.iter().any(|record| value(record, name) != value(&records[0], name));
            assert!(varies, "the samples all have the same {name}");
            for descending in [false, true] {
                let sign = if descending { "-" } else { "" };
                let page = world.admin.get(&format!("{}?page_size=100&ordering={sign}{name}", url(d))).expect(200);
                let shown: Vec<(Value, i64)> =
                    page["results"].as_array().expect("results").iter().map(|r| (value(r, name).clone(), id(r))).collect();
                let mut wanted = shown.clone();
                wanted.sort_by(|a, b| compare(kind, &a.0, &b.0).then(a.1.cmp(&b.1)));
                if descending {
                    wanted.reverse();
                }
                assert_eq!(shown, wanted, "ordering={sign}{name}");
                assert_eq!(shown.len(), records.len(), "ordering leaves nothing out");
            }
        }
        let default = d.about.order[0];
        let ordered = |query: &str| ids(&world.admin.get(&format!("{}?page_size=100{query}", url(d))).expect(200));
        assert_eq!(ordered(""), ordered(&format!("&ordering={default}")), "the default is {default}");
        assert_eq!(ordered("&ordering=no_such_field"), ordered(""), "an unknown ordering");
    });
}

#[test]
fn pages_hold_every_record_once() {
    let all: Vec<&Descriptor> = resources::all().iter().collect();
    for_each(&all, |world, d| {
        let wanted: Vec<i64> = some(world, d).iter().map(id).collect();
        let count = wanted.len();
        for size in [1, 2, 3] {
            let (mut seen, mut pages) = (vec![], vec![]);
            let mut next = Some(format!("{}?page_size={size}", url(d)));
            while let Some(path) = next {
                let page = world.admin.get(&path).expect(200);
                assert_eq!(page["count"], json!(count), "{path}");
                let members: Vec<&String> = page.as_object().expect("an object").keys().collect();
                assert_eq!(members, ["count", "next", "previous", "results"], "{path}");
                seen.extend(ids(&page));
                let link =
                    |name: &str| page[name].as_str().map(|url| url.strip_prefix(&world.server.url).expect("an absolute URL").to_owned());
                let before = pages.last().cloned();
                assert_eq!(link("previous"), before, "the link back on {path}");
                assert!(pages.len() <= count, "the links never end");
                pages.push(path.clone());
                next = link("next");
            }
            assert_eq!(seen, wanted, "pages of {size}");
            assert_eq!(pages.len(), count.div_ceil(size), "pages of {size}");
            let last = world.admin.get(&format!("{}?page_size={size}&page=last", url(d))).expect(200);
            assert_eq!(ids(&last), wanted[(count - 1) / size * size..], "page=last of {size}");
            assert_eq!(last["next"], json!(null));
            let beyond = world.admin.get(&format!("{}?page_size={size}&page={}", url(d), count.div_ceil(size) + 1));
            assert_eq!((beyond.status, beyond.json()), (404, json!({"detail": "Invalid page.", "code": "not_found"})));
        }
    });
}

#[test]
fn at_most_a_hundred_records_come_at_once() {
    let server = Server::start();
    let world = World::new_in(&server);
    for _ in 0..101 {
        world.another("accounts/referrals");
    }
    for (asked, wanted) in [("1000", 100), ("101", 100), ("100", 100), ("99", 99), ("0", 10), ("-1", 10), ("x", 10)] {
        let page = world.admin.get(&format!("/api/accounts/referrals/?page_size={asked}")).expect(200);
        assert_eq!((&page["count"], ids(&page).len()), (&json!(101), wanted), "page_size={asked}");
    }
}

#[test]
fn minimal_lists_ids_and_labels() {
    let all: Vec<&Descriptor> = resources::all().iter().collect();
    for_each(&all, |world, d| {
        let records = some(world, d);
        let page = world.admin.get(&format!("{}minimal/?page_size=100", url(d))).expect(200);
        assert_eq!(page["count"], json!(records.len()));
        for (short, record) in page["results"].as_array().expect("results").iter().zip(&records) {
            let members: Vec<&String> = short.as_object().expect("an object").keys().collect();
            assert_eq!(members, ["id", "uuid", "label"]);
            assert_eq!((&short["id"], &short["uuid"]), (&record["id"], &record["uuid"]));
            assert!(short["label"].as_str().is_some_and(|label| !label.is_empty()), "a label: {short}");
        }
        let first = world.admin.get(&format!("{}minimal/?page_size=1", url(d))).expect(200);
        assert_eq!(ids(&first), [id(&records[0])]);
        let next = first["next"].as_str().expect("a next page").strip_prefix(&world.server.url).expect("an absolute URL").to_owned();
        assert_eq!(ids(&world.admin.get(&next).expect(200)), [id(&records[1])], "{next}");
    });
}

// ------------------------------------------------------------------------------------------------ deleting

#[test]
fn deleted_records_are_gone_until_restored() {
    for_each(&writable().into_iter().filter(|d| d.about.soft_delete).collect::<Vec<_>>(), |world, d| {
        let kept = world.admin.create(&url(d), (sample(d.about.path).least)(world));
        let before = world.admin.create(&url(d), (sample(d.about.path).full)(world));
        let (path, uuid) = (record_url(d, &before), before["uuid"].as_str().expect("a uuid"));
        let listed = |query: &str| ids(&world.admin.get(&format!("{}{query}", url(d))).expect(200));
        world.server.clock.advance(60);

        let gone = world.admin.delete(&path);
        assert_eq!((gone.status, gone.text.as_str(), gone.header("content-type")), (204, "", None), "DELETE");
        expect_missing(d, &world.admin.get(&path));
        expect_missing(d, &world.admin.get(&format!("{}{uuid}/", url(d))));
        expect_missing(d, &world.admin.patch(&path, json!({})));
        expect_missing(d, &world.admin.put(&path, (sample(d.about.path).least)(world)));
        expect_missing(d, &world.admin.delete(&path));
        expect_missing(d, &world.admin.send("POST", &format!("{}restore/", record_url(d, &kept)), None));

        assert!(!listed("?page_size=100").contains(&id(&before)), "still listed");
        assert!(!listed("minimal/?page_size=100").contains(&id(&before)), "still in minimal/");
        assert!(listed("?page_size=100&include_deleted=true").contains(&id(&before)), "not with include_deleted");
        assert!(listed("?page_size=100&include_deleted=true").contains(&id(&kept)), "include_deleted leaves live ones out");
        assert!(!listed("?page_size=100&include_deleted=false").contains(&id(&before)), "include_deleted=false");
        let deleted = world.admin.get(&format!("{}deleted/", url(d))).expect(200);
        assert_eq!((&deleted["count"], ids(&deleted)), (&json!(1), vec![id(&before)]), "deleted/");
        let shown = &deleted["results"][0];
        assert_eq!(shown["is_deleted"], json!(true));
        assert_eq!(shown["deleted_at"], json!(studio::kit::DateTime(world.server.clock.now()).to_string()));
        let agent = world.server.member(&format!("agent{}", world.next()), studio::actor::Role::Agent);
        assert_eq!(agent.get(&format!("{}deleted/", url(d))).status, 403, "deleted/ is for those who run the business");

        let restored = world.admin.send("POST", &format!("{}{uuid}/restore/", url(d)), None).expect(200);
        assert_eq!((&restored["is_deleted"], &restored["deleted_at"]), (&json!(false), &json!(null)));
        assert_kept(d, &before, &restored, &json!({}));
        assert!(listed("?page_size=100").contains(&id(&before)), "restored but not listed");
        assert_eq!(world.admin.get(&format!("{}deleted/", url(d))).expect(200)["count"], json!(0));
        world.admin.get(&path).expect(200);
    });
}

#[test]
fn what_is_never_deleted_has_no_operations_for_it() {
    for_each(&writable().into_iter().filter(|d| !d.about.soft_delete).collect::<Vec<_>>(), |world, d| {
        let record = world.admin.create(&url(d), (sample(d.about.path).least)(world));
        let path = record_url(d, &record);
        // A transaction is reversed by it, a payment void, and an item gone; `ledger`, `payments` and `quotations` have that.
        if !["transactions", "payments", "quotation_items"].contains(&d.about.table) {
            assert_eq!(world.admin.delete(&path).status, 405, "DELETE");
        }
        assert_eq!(world.admin.send("POST", &format!("{path}restore/"), None).status, 404, "restore");
        assert_eq!(world.admin.get(&format!("{}deleted/", url(d))).status, 404, "deleted");
        let shown = world.admin.get(&path).expect(200);
        assert!(shown.get("is_deleted").is_none() && shown.get("deleted_at").is_none(), "{shown}");
    });
}

#[test]
fn history_tells_every_change() {
    for_each(&writable(), |world, d| {
        let sample = sample(d.about.path);
        let full = (sample.full)(world);
        let record = world.admin.create(&url(d), full.clone());
        let path = record_url(d, &record);
        let change = (sample.patch)(world);
        world.server.clock.advance(60);
        world.admin.patch(&path, change.clone()).expect(200);
        let changed_at = studio::kit::DateTime(world.server.clock.now()).to_string();
        let mut wanted = vec!["create", "update"];
        if d.about.soft_delete {
            assert_eq!(world.admin.delete(&path).status, 204);
            world.admin.send("POST", &format!("{path}restore/"), None).expect(200);
            wanted.extend(["delete", "restore"]);
        }
        let history = world.admin.get(&format!("{path}history/?page_size=100")).expect(200);
        let mut entries = history["results"].as_array().expect("results").clone();
        assert_eq!(history["count"], json!(entries.len()));
        // Newest first.
        entries.reverse();
        let verb = |entry: &Value| entry["action"].as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default().to_owned();
        // Rows of a record are told of beside it.
        let told: Vec<&Value> = entries.iter().filter(|entry| verb(entry) != "update" || entry["at"] == json!(changed_at)).collect();
        assert_eq!(told.iter().map(|entry| verb(entry)).collect::<Vec<_>>(), wanted, "what happened");
        for entry in &entries {
            let name = format!(
                "{} Example",
                world.admin.get(&format!("/api/accounts/users-list/{}/", world.admin.id)).expect(200)["username"]
                    .as_str()
                    .unwrap_or_default()
            );
            let actor = json!({"id": world.admin.id, "username": name.trim_end_matches(" Example"), "full_name": name});
            assert_eq!(entry["actor"], actor, "who");
        }
        let changes = |entry: &Value| -> Vec<(String, Value, Value)> {
            let list = entry["changes"].as_array().expect("changes").iter();
            list.map(|change| (change["field"].as_str().unwrap_or_default().to_owned(), change["before"].clone(), change["after"].clone()))
                .collect()
        };
        let created = changes(told[0]);
        for field in settable(d).filter(|field| field.stored() && !full[field.name].is_null()) {
            let found =
                created.iter().find(|(name, ..)| name == field.name).unwrap_or_else(|| panic!("{} is not in the first entry", field.name));
            assert!(
                found.1.is_null() && same(&field.kind, &found.2, &full[field.name]),
                "created with {found:?}, sent was {}",
                full[field.name]
            );
        }
        let sent: Vec<(String, Value, Value)> = change
            .as_object()
            .expect("an object")
            .iter()
            .map(|(name, after)| (name.clone(), record[name].clone(), after.clone()))
            .collect();
        assert_eq!(changes(told[1]), sent, "before and after");
        assert_eq!(told[1]["at"], json!(changed_at));
        if d.about.soft_delete {
            for (entry, is_deleting) in [(told[2], true), (told[3], false)] {
                let mark = changes(entry).into_iter().find(|(name, ..)| name == "deleted_at").expect("deleted_at is in the entry");
                assert_eq!((mark.1.is_null(), mark.2.is_null()), (is_deleting, !is_deleting), "{mark:?}");
            }
        }
        let first = world.admin.get(&format!("{path}history/?page_size=1")).expect(200);
        assert_eq!((first["results"].as_array().map(Vec::len), first["next"].is_string()), (Some(1), true), "history has pages");
        expect_missing(d, &world.admin.get(&format!("{}999999/history/", url(d))));
    });
}

// ------------------------------------------------------------------------------------------------ validators

#[test]
fn unchanged_answers_are_not_sent_again() {
    for_each(&writable(), |world, d| {
        let sample = sample(d.about.path);
        let record = world.admin.create(&url(d), (sample.full)(world));
        let mut paths = vec![record_url(d, &record), url(d), format!("{}minimal/", url(d))];
        if d.about.soft_delete {
            paths.push(format!("{}deleted/", url(d)));
        }
        for path in paths {
            let read = |tag: &str| world.admin.with("if-none-match", tag).get(&path);
            let answer = world.admin.get(&path);
            let tag = answer.header("etag").unwrap_or_else(|| panic!("{path} has no ETag")).to_owned();
            assert_eq!(world.admin.get(&path).header("etag"), Some(tag.as_str()), "{path}: the ETag of the same answer");
            for same in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
                let unchanged = read(&same);
                assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""), "{path} with {same}");
                assert_eq!(unchanged.header("etag"), Some(tag.as_str()), "{path}: the ETag of a 304");
            }
            assert_eq!(read("\"other\"").status, 200, "{path} with another ETag");
            world.admin.patch(&record_url(d, &record), (sample.patch)(world)).expect(200);
            let changed = read(&tag);
            assert_eq!(changed.status, 200, "{path} after a change");
            assert_ne!(changed.header("etag"), Some(tag.as_str()), "{path}: the ETag after a change");
        }
        let (list, tag) = (url(d), world.admin.get(&url(d)).header("etag").expect("an ETag").to_owned());
        world.admin.create(&list, (sample.least)(world));
        assert_eq!(world.admin.with("if-none-match", &tag).get(&list).status, 200, "the list after a new record");
        let (first, second) = (world.admin.get(&format!("{list}?page_size=1")), world.admin.get(&format!("{list}?page_size=1&page=2")));
        assert_ne!(first.header("etag"), second.header("etag"), "two pages have two validators");
    });
}

#[test]
fn a_change_of_what_was_changed_meanwhile_is_refused() {
    let stale = json!({"detail": "The record was changed since you read it.", "code": "precondition_failed"});
    for_each(&writable(), |world, d| {
        let sample = sample(d.about.path);
        let created = world.admin.post(&url(d), (sample.full)(world));
        let path = record_url(d, &created.expect(201));
        let old = created.header("etag").expect("an ETag").to_owned();
        let with = |tag: &str| world.admin.with("if-match", tag);

        let changed = with(&old).patch(&path, (sample.patch)(world));
        changed.expect(200);
        let fresh = changed.header("etag").expect("an ETag").to_owned();
        let read = world.admin.get(&path).header("etag").expect("an ETag").to_owned();
        let before = world.admin.get(&path).expect(200);
        for tag in [old.as_str(), "\"nonsense\"", "nonsense"] {
            let mut refused = vec![with(tag).patch(&path, (sample.patch)(world)), with(tag).put(&path, (sample.least)(world))];
            if d.about.soft_delete {
                refused.push(with(tag).delete(&path));
            }
            for answer in refused {
                assert_eq!((answer.status, answer.json()), (412, stale.clone()), "{} with {tag}", answer.call);
            }
        }
        assert_eq!(world.admin.get(&path).expect(200), before, "a refused change changed something");
        with(&fresh).patch(&path, json!({})).expect(200);
        with(&read).patch(&path, (sample.patch)(world)).expect(200);
        with("*").patch(&path, (sample.patch)(world)).expect(200);
        if d.about.soft_delete {
            let now = world.admin.get(&path).header("etag").expect("an ETag").to_owned();
            assert_eq!(with(&now).delete(&path).status, 204, "DELETE with the right ETag");
        }
    });
}
