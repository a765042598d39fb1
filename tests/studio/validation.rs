//! What is refused, in exactly which words, and what is accepted as something else: for every field that clients set, by its kind.

use proptest::{
    prelude::{Just, Strategy, any, prop_oneof},
    sample::select,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use serde_json::{Map, Value, json};
use studio::engine::{
    CREATE, Descriptor,
    field::{Field, Kind},
};

use crate::{
    contract::same,
    samples::{World, for_each, keeper_of, sample, writable},
    support::Server,
};

const REQUIRED: &str = "This field is required.";
const NULL: &str = "This field may not be null.";
const BLANK: &str = "This field may not be blank.";
const NO_STRING: &str = "Not a valid string.";
const NO_INTEGER: &str = "A valid integer is required.";
const NO_NUMBER: &str = "A valid number is required.";
const NO_BOOLEAN: &str = "Must be a valid boolean.";
const NO_DATE: &str = "Date has wrong format. Use one of these formats instead: YYYY-MM-DD.";
const NO_DATETIME: &str = "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].";
const NO_UUID: &str = "01920000-0000-7000-8000-000000000000";

fn url(d: &Descriptor) -> String {
    format!("/api/{}/", d.about.path)
}

fn settable(d: &Descriptor) -> impl Iterator<Item = &Field> {
    d.fields.iter().filter(|field| !field.server_set)
}

fn no_row(key: &Value) -> String {
    format!("Invalid pk \"{}\" - object does not exist.", key.as_str().map_or_else(|| key.to_string(), str::to_owned))
}

fn no_list(what: &str) -> String {
    format!("Expected a list of items but got type \"{what}\".")
}

/// Values that the field refuses, each with its text; what concerns references comes from elsewhere.
fn refused(field: &Field) -> Vec<(Value, String)> {
    let mut cases: Vec<(Value, String)> = vec![];
    let mut add = |values: &[Value], text: &str| cases.extend(values.iter().map(|value| (value.clone(), text.to_owned())));
    if !field.nullable {
        add(&[json!(null)], NULL);
    }
    let (least, most) = (field.schema.minimum, field.schema.maximum);
    match &field.kind {
        Kind::Text | Kind::Email => {
            add(&[json!(true), json!([]), json!(["a"]), json!({"a": 1})], NO_STRING);
            add(&[json!("a\u{0}b")], "Null characters are not allowed.");
            if !field.nullable && !field.allows_blank() {
                add(&[json!(""), json!("  \t ")], BLANK);
            }
            if field.kind == Kind::Email {
                add(
                    &[json!("nobody"), json!("a@b"), json!("@example.org"), json!("a b@example.org"), json!(5)],
                    "Enter a valid email address.",
                );
            }
            if let Some(length) = field.schema.max_length {
                // Characters count, not bytes.
                let long = "é".repeat(length + 1);
                add(&[json!(long), json!(format!(" {long} "))], &format!("Ensure this field has no more than {length} characters."));
            }
        }
        Kind::Integer => {
            add(&[json!("x"), json!(1.5), json!("1.5"), json!([]), json!({}), json!([1])], NO_INTEGER);
            if !field.nullable {
                add(&[json!("")], NO_INTEGER);
            }
            let most = most.map_or_else(|| i64::MAX.to_string(), |most| most.to_string());
            let over = format!("Ensure this value is less than or equal to {most}.");
            add(&[json!(9_223_372_036_854_775_808_u64), json!("9223372036854775808")], &over);
        }
        Kind::Number => add(&[json!("x"), json!("1,5"), json!("nan"), json!("inf"), json!([]), json!({})], NO_NUMBER),
        Kind::Bool => add(&[json!("maybe"), json!(2), json!(-1), json!("2"), json!([]), json!({})], NO_BOOLEAN),
        Kind::Date => {
            let wrong = ["x", "2026-13-01", "2026-02-30", "01/02/2026", "2026-3-1", "20260301", "2026-03-01T00:00:00Z"];
            add(&wrong.map(Value::from), NO_DATE);
            add(&[json!(5), json!(20_260_301), json!(true), json!([]), json!({})], NO_DATE);
        }
        Kind::DateTime => {
            add(&["x", "2026-03-02T25:00:00Z", "2026-02-30T10:00:00Z", "10:00", "2026-03"].map(Value::from), NO_DATETIME);
            add(&[json!(5), json!(1_700_000_000), json!(true), json!([]), json!({})], NO_DATETIME);
        }
        Kind::Money => {
            add(&[json!("x"), json!("1e3"), json!("1,000"), json!("--1"), json!("."), json!(true), json!([]), json!({})], NO_NUMBER);
            add(&[json!("1.234"), json!(1.234)], "Ensure that there are no more than 2 decimal places.");
            add(&[json!("123456789012345678.00")], "Ensure that there are no more than 16 digits in total.");
        }
        Kind::Decimal(places) => {
            add(&[json!("x"), json!("1e3"), json!("1,000"), json!("."), json!(true), json!([]), json!({})], NO_NUMBER);
            add(&[json!("1.1234567")], &format!("Ensure that there are no more than {places} decimal places."));
        }
        Kind::Currency => add(&[json!("zz")], "\"zz\" is not a valid choice."),
        Kind::Choice(_) => {
            add(&[json!("zz")], "\"zz\" is not a valid choice.");
            add(&[json!(5)], "\"5\" is not a valid choice.");
        }
        Kind::Texts => {
            add(&[json!(5)], &no_list("int"));
            add(&[json!(true)], &no_list("bool"));
            add(&[json!({})], &no_list("dict"));
            add(&[json!([true]), json!([[]]), json!(["a", {}])], NO_STRING);
        }
        Kind::Reference(_) => {
            for (value, received) in
                [(json!("abc"), "str"), (json!(true), "bool"), (json!([1]), "list"), (json!({"id": 1}), "dict"), (json!(1.5), "float")]
            {
                add(&[value], &format!("Incorrect type. Expected pk value, received {received}."));
            }
            for key in [json!(999_999), json!("999999"), json!(0), json!(-1), json!(NO_UUID)] {
                add(std::slice::from_ref(&key), &no_row(&key));
            }
        }
        Kind::Lines(..) => {
            add(&[json!(5)], &no_list("int"));
            add(&[json!("x")], &no_list("str"));
            add(&[json!({})], &no_list("dict"));
        }
        Kind::Json => {}
    }
    if matches!(field.kind, Kind::Integer | Kind::Number) {
        if let Some(least) = least {
            add(&[json!(least - 1.0)], &format!("Ensure this value is greater than or equal to {least}."));
        }
        if let Some(most) = most {
            add(&[json!(most + 1.0)], &format!("Ensure this value is less than or equal to {most}."));
        }
    }
    cases
}

fn count(world: &World, d: &Descriptor) -> Value {
    world.admin.get(&format!("{}?page_size=1", url(d))).expect(200)["count"].clone()
}

#[test]
fn each_field_refuses_what_it_cannot_hold() {
    for_each(&writable(), |world, d| {
        let body = (sample(d.about.path).least)(world);
        let before = count(world, d);
        let mut wrong = vec![];
        let mut expect = |body: &Value, field: &str, texts: Value, what: &str| {
            let answer = world.admin.post(&url(d), body.clone());
            let wanted = json!({field: texts});
            if answer.status != 400 || answer.json() != wanted {
                wrong.push(format!("{field} {what} -> {} {}, not 400 {wanted}", answer.status, answer.text));
            }
        };
        for field in settable(d) {
            if field.required {
                let mut without = body.clone();
                without.as_object_mut().expect("an object").remove(field.name);
                expect(&without, field.name, json!([REQUIRED]), "left out");
            }
            for (value, text) in refused(field) {
                // The party as it is shown: older clients send that.
                if (d.about.table, field.name) == ("invoices", "party") && value.is_object() {
                    continue;
                }
                let mut body = body.clone();
                body[field.name] = value.clone();
                expect(&body, field.name, json!([text]), &format!("= {value}"));
            }
        }
        assert!(wrong.is_empty(), "\n  {}", wrong.join("\n  "));
        assert_eq!(count(world, d), before, "something was stored");
    });
}

#[test]
fn references_stay_in_the_business() {
    for_each(&writable(), |world, d| {
        let business = world.server.business(d.about.path.replace('/', "-").leak());
        let elsewhere = World::of_business(world.server, business);
        let body = (sample(d.about.path).least)(world);
        for field in settable(d) {
            let Kind::Reference(table) = field.kind else { continue };
            let target = keeper_of(table);
            let foreign = elsewhere.row_of(table);
            let uuid = elsewhere.admin.get(&format!("{}{foreign}/", url(target))).expect(200)["uuid"].clone();
            let mut keys = vec![json!(foreign), json!(foreign.to_string()), uuid];
            if target.about.soft_delete && !target.about.read_only && target.about.access.grants(CREATE) {
                let deleted = world.another(target.about.path);
                assert_eq!(world.admin.delete(&format!("{}{deleted}/", url(target))).status, 204);
                keys.push(json!(deleted));
            }
            let before = count(world, d);
            for key in keys {
                let mut body = body.clone();
                body[field.name] = key.clone();
                world.admin.post(&url(d), body).refuses(json!({field.name: [no_row(&key)]}));
            }
            assert_eq!(count(world, d), before, "something was stored");
        }
    });
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_fields() {
    for_each(&writable(), |world, d| {
        let before = count(world, d);
        // No kind of field but free JSON takes an object, and they are sent in the opposite order.
        let body: Map<String, Value> = d.fields.iter().rev().map(|field| (field.name.to_owned(), json!({}))).collect();
        let answer = world.admin.post(&url(d), Value::Object(body)).expect(400);
        let named: Vec<&String> = answer.as_object().expect("an object").keys().collect();
        let refused = settable(d).filter(|field| field.kind != Kind::Json);
        assert_eq!(named, refused.map(|field| field.name).collect::<Vec<_>>());
        assert!(answer.as_object().expect("an object").values().all(|texts| texts.as_array().is_some_and(|texts| texts.len() == 1)));
        for (body, got) in [(json!([]), "list"), (json!("x"), "str"), (json!(5), "int"), (json!(true), "bool"), (json!(null), "NoneType")] {
            let text = format!("Invalid data. Expected a dictionary, but got {got}.");
            world.admin.post(&url(d), body).refuses(json!({"non_field_errors": [text]}));
        }
        assert_eq!(count(world, d), before, "something was stored");

        // The same on a change, which is refused whole.
        let full = (sample(d.about.path).full)(world);
        let record = world.admin.create(&url(d), full);
        let path = format!("{}{}/", url(d), record["id"]);
        let mut change = (sample(d.about.path).patch)(world);
        let bad = settable(d).find(|field| change.get(field.name).is_none()).or_else(|| settable(d).next()).expect("a field");
        change[bad.name] = json!({});
        let refusal = world.admin.patch(&path, change).expect(400);
        assert_eq!(refusal.as_object().expect("an object").keys().collect::<Vec<_>>(), [bad.name]);
        let after = world.admin.get(&path).expect(200);
        assert_eq!((&after["version"], &after["updated_at"]), (&record["version"], &record["updated_at"]), "a refused change");
    });
}

#[test]
fn rows_are_checked_one_by_one() {
    let server = Server::start();
    let world = World::new_in(&server);
    let good = json!({"weekday": 1, "opens": "08:00", "closes": "12:00"});
    let table = [
        (json!([5, good]), json!([{"non_field_errors": ["Invalid data. Expected a dictionary, but got int."]}, {}])),
        (json!([good, "x"]), json!([{}, {"non_field_errors": ["Invalid data. Expected a dictionary, but got str."]}])),
        (json!([{}]), json!([{"weekday": [REQUIRED], "opens": [REQUIRED], "closes": [REQUIRED]}])),
        (
            json!([good, {"weekday": 8, "opens": "", "closes": null}]),
            json!([{}, {"weekday": ["Ensure this value is less than or equal to 7."], "opens": [BLANK], "closes": [NULL]}]),
        ),
        (
            json!([{"weekday": "x", "opens": [], "closes": true}]),
            json!([{"weekday": [NO_INTEGER], "opens": [NO_STRING], "closes": [NO_STRING]}]),
        ),
        (
            json!([{"weekday": 0, "opens": "8", "closes": "24:00"}]),
            json!([{
                "weekday": ["Ensure this value is greater than or equal to 1."],
                "opens": ["Enter a valid value."],
                "closes": ["Enter a valid value."],
            }]),
        ),
    ];
    for (hours, wanted) in table {
        let body = json!({"name": "Main", "opening_hours": hours});
        world.admin.post("/api/accounts/branches/", body).refuses(json!({"opening_hours": wanted}));
    }
    assert_eq!(world.admin.get("/api/accounts/branches/").expect(200)["count"], json!(0));
}

#[test]
fn names_are_taken_once() {
    for_each(&writable(), |world, d| {
        let words = d.words.clone();
        for unique in ["name", "title", "code", "employee_no", "client_ref"] {
            // These are called alike, or are told apart by more than the name.
            let shared = ["staff_profiles", "parties", "accounts", "integrations", "goals", "quotation_items", "recurring_invoices"];
            let shared = shared.contains(&d.about.table);
            let optional = |field: &&Field| field.name == unique && !(shared && ["name", "title", "code"].contains(&unique));
            let Some(field) = settable(d).find(optional) else { continue };
            let mut body = (sample(d.about.path).least)(world);
            body[unique] = json!("taken");
            world.admin.create(&url(d), body);
            let before = count(world, d);
            let mut again = (sample(d.about.path).least)(world);
            again[unique] = json!(" taken ");
            if unique == "client_ref" {
                // Sent twice, stored once: whether that is refused or answered is the resource's own matter.
                assert!(world.admin.post(&url(d), again).status < 500);
            } else {
                let text = format!("{words} with this {} already exists.", field.name.replace('_', " "));
                world.admin.post(&url(d), again).refuses(json!({unique: [text]}));
            }
            assert_eq!(count(world, d), before, "{unique} is there twice");
        }
    });
}

/// Wire 6.5: what must be accepted, and what becomes of it.
#[test]
fn coercions() {
    let server = Server::start();
    let world = World::new_in(&server);
    server.write(|tx| tx.update("businesses", 1, vec![("timezone", "Africa/Kampala".into())]));
    let zone = world.admin.create("/api/field/zones/", json!({"name": "North"}));
    let uuid = zone["uuid"].as_str().expect("a uuid");
    let at = json!("2026-03-04T05:06:00.000Z");
    let table = [
        ("field/leads", "business_name", json!(5), json!("5")),
        ("field/leads", "business_name", json!(1.5), json!("1.5")),
        ("field/leads", "business_name", json!(" x  y\n"), json!("x  y")),
        ("field/leads", "business_name", json!("x".repeat(255)), json!("x".repeat(255))),
        ("field/leads", "business_name", json!(format!(" {} ", "é".repeat(255))), json!("é".repeat(255))),
        ("field/leads", "contact_name", json!(""), json!("")),
        ("field/leads", "contact_name", json!("  "), json!("")),
        ("accounts/designations", "rank", json!("1.0"), json!(1)),
        ("accounts/designations", "rank", json!(1.0), json!(1)),
        ("accounts/designations", "rank", json!(" 7 "), json!(7)),
        ("accounts/designations", "rank", json!("-3"), json!(-3)),
        ("accounts/designations", "rank", json!(i64::MAX), json!(i64::MAX)),
        ("accounts/designations", "rank", json!(i64::MIN), json!(i64::MIN)),
        ("field/visits", "prompt_given", json!("yes"), json!(true)),
        ("field/visits", "prompt_given", json!("1"), json!(true)),
        ("field/visits", "prompt_given", json!(1), json!(true)),
        ("field/visits", "prompt_given", json!("true"), json!(true)),
        ("field/visits", "prompt_given", json!("on"), json!(true)),
        ("field/visits", "customer_agreed_contact", json!("False"), json!(false)),
        ("field/visits", "customer_agreed_contact", json!(0), json!(false)),
        ("field/visits", "customer_agreed_contact", json!("no"), json!(false)),
        ("field/leads", "expected_value", json!(1.1), json!("1.10")),
        ("field/leads", "expected_value", json!(1000), json!("1000.00")),
        ("field/leads", "expected_value", json!("1000"), json!("1000.00")),
        ("field/leads", "expected_value", json!("1.5000"), json!("1.50")),
        ("field/leads", "expected_value", json!(1e3), json!("1000.00")),
        ("field/leads", "expected_value", json!(""), json!(null)),
        ("field/leads", "currency", json!("eur"), json!("EUR")),
        ("field/leads", "stage", json!("Qualified"), json!("qualified")),
        ("field/leads", "priority", json!("critical"), json!("urgent")),
        ("field/leads", "tags", json!("#vip,#hot"), json!(["vip", "hot"])),
        ("field/leads", "tags", json!([1, " a "]), json!(["1", "a"])),
        ("field/leads", "zone", json!(zone["id"].to_string()), zone["id"].clone()),
        ("field/leads", "zone", json!(uuid), zone["id"].clone()),
        ("field/leads", "zone", json!(uuid.to_uppercase()), zone["id"].clone()),
        ("field/leads", "zone", json!(uuid.replace('-', "")), zone["id"].clone()),
        ("field/leads", "zone", json!(""), json!(null)),
        ("field/leads", "zone", json!(null), json!(null)),
        ("field/leads", "follow_up_date", json!(" 2026-03-04 "), json!("2026-03-04")),
        ("field/zones", "radius_m", json!("250"), json!(250)),
        ("field/visits", "date_time", json!("2026-03-04T05:06:00Z"), at.clone()),
        ("field/visits", "date_time", json!("2026-03-04T05:06Z"), at.clone()),
        ("field/visits", "date_time", json!("2026-03-04 08:06:00+03:00"), at.clone()),
        ("field/visits", "date_time", json!("2026-03-04T08:06+03:00"), at.clone()),
        ("field/visits", "date_time", json!("2026-03-04T08:06:00"), at.clone()),
        ("field/visits", "date_time", json!("2026-03-04 08:06"), at),
        ("field/visits", "date_time", json!("2026-03-04T05:06:07.123456Z"), json!("2026-03-04T05:06:07.123Z")),
        ("field/visits", "date_time", json!("2026-03-04"), json!("2026-03-03T21:00:00.000Z")),
    ];
    let mut wrong = vec![];
    for (path, field, sent, wanted) in table {
        let mut body = (sample(path).least)(&world);
        body[field] = sent.clone();
        let answer = world.admin.post(&format!("/api/{path}/"), body);
        if answer.status != 201 || answer.json()[field] != wanted {
            let got = if answer.status == 201 { answer.json()[field].to_string() } else { answer.text.clone() };
            wrong.push(format!("{path} {field} = {sent} -> {} {got}, not {wanted}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

// ------------------------------------------------------------------------------------------------ any value at all

/// Any JSON, and texts and numbers of the sorts that fields hold.
fn any_value() -> impl Strategy<Value = Value> {
    let words = [
        "",
        " ",
        "x",
        " padded ",
        "0",
        "1",
        "-1",
        "1.0",
        "1.5",
        "1e3",
        "true",
        "No",
        "on",
        "2026-03-02",
        "2026-02-30",
        "2026-03-02T09:00:00Z",
        "2026-03-02 09:00",
        "9999-12-31T23:59:59Z",
        "0000-01-01",
        "-0001-01-01",
        "10000-01-01",
        "a@example.org",
        "USD",
        "won",
        "low",
        "active",
        "call",
        "\u{0}",
        "é\u{301}",
        "\u{202e}abc",
        "😀",
        "' OR 1=1 --",
        "%_\\",
        "9223372036854775807",
        "99999999999999999999",
        "NaN",
        NO_UUID,
        "#a,b",
        "/x",
        "javascript:alert(1)",
    ];
    let numbers = [0.0, -0.0, 1.0, -1.0, 0.5, 90.0, 90.1, 180.0, 1e15, 1e16, 1e300, -1e300, 5e-324];
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => (-3_i64..300).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        2 => select(numbers.to_vec()).prop_map(Value::from),
        1 => any::<f64>().prop_map(|number| serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number)),
        6 => select(words.to_vec()).prop_map(Value::from),
        2 => any::<String>().prop_map(Value::from),
        1 => (1_usize..6000).prop_map(|length| Value::from("x".repeat(length))),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec((select(&["id", "weekday", "opens", "closes", "x"][..]), inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
        ]
    })
}

/// What a value is once stored, for the kinds of which that is plain; `None`: it depends.
fn canonical(field: &Field, sent: &Value) -> Option<Value> {
    let text = sent.as_str().map(str::trim);
    match (&field.kind, sent) {
        (_, Value::Null) => Some(Value::Null),
        (_, Value::String(_)) if text == Some("") && field.nullable => Some(Value::Null),
        (Kind::Text | Kind::Email, Value::String(_)) => text.map(Value::from),
        (Kind::Text, Value::Number(number)) => Some(number.to_string().into()),
        (Kind::Number | Kind::Integer, Value::Number(_)) => Some(sent.clone()),
        (Kind::Bool, Value::Bool(_)) => Some(sent.clone()),
        (Kind::Date, Value::String(_)) => text.map(Value::from),
        (Kind::Choice(_) | Kind::Currency, Value::String(_)) => None,
        (Kind::Reference(_), Value::Number(_)) => Some(sent.clone()),
        (Kind::Lines(..), Value::Array(_)) => Some(sent.clone()),
        _ => None,
    }
}

#[test]
fn any_value_in_any_field_is_stored_or_refused() {
    for_each(&writable(), |world, d| {
        let fields: Vec<&Field> = settable(d).collect();
        let config =
            Config { cases: 64, failure_persistence: None, rng_seed: RngSeed::Fixed(7), max_shrink_iters: 200, ..Config::default() };
        let cases = (0..fields.len(), any_value());
        let outcome = TestRunner::new(config).run(&cases, |(index, sent)| {
            let (field, mut body) = (fields[index], (sample(d.about.path).least)(world));
            body[field.name] = sent.clone();
            let answer = world.admin.post(&url(d), body);
            let fail = |text: &str| Err(TestCaseError::fail(format!("{} = {sent}: {text}: {} {}", field.name, answer.status, answer.text)));
            match answer.status {
                201 => {}
                400 => {
                    let named = answer.json();
                    let known = |name: &String| name == "non_field_errors" || d.field(name).is_some();
                    let named: Vec<&String> = named.as_object().into_iter().flatten().map(|(name, _)| name).collect();
                    // One half of a pair is a problem of the other; a stage may need a reason.
                    let partners = matches!(field.name, "lat" | "lon" | "stage" | "status" | "name");
                    let fits = named.iter().any(|name| *name == field.name) || partners && named.iter().all(|name| known(name));
                    return if fits { Ok(()) } else { fail("names another field") };
                }
                _ => return fail("neither stored nor refused"),
            }
            let stored = answer.json();
            let read = world.admin.get(&format!("{}{}/", url(d), stored["id"]));
            let read = read.json().get(format!("{}_id", field.name)).cloned().unwrap_or_else(|| read.json()[field.name].clone());
            if read != stored[field.name] {
                return fail("not what is read back");
            }
            let filled_in = read != Value::Null && sample(d.about.path).filled_in.contains(&field.name);
            match canonical(field, &sent) {
                Some(wanted) if !(same(&field.kind, &read, &wanted) || wanted.is_null() && filled_in) => {
                    return fail("stored as another value");
                }
                _ => {}
            }
            // What is read can be written, and stays what it is.
            let again = world.admin.patch(&format!("{}{}/", url(d), stored["id"]), json!({field.name: read}));
            if again.status != 200 || again.json()[field.name] != read || again.json()["version"] != stored["version"] {
                return Err(TestCaseError::fail(format!("{} = {sent}: read as {read}, written back: {}", field.name, again.text)));
            }
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{error}");
        }
    });
}
