//! What lists are made of: whatever is counted is what the list with that filter holds, for every resource.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use studio::{
    actor::Role,
    engine::{Descriptor, field::Kind},
    resources,
};

use crate::{
    samples::{World, for_each, sample, writable},
    support::{Client, Server},
};

fn query(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

#[track_caller]
fn listed(client: &Client, d: &Descriptor, parameters: &[(&str, &str)]) -> Value {
    client.get(&format!("/api/{}/?page_size=100&{}", d.about.path, query(parameters))).expect(200)
}

#[track_caller]
fn counted(client: &Client, d: &Descriptor, parameters: &[(&str, &str)]) -> Value {
    client.get(&format!("/api/{}/facets/?{}", d.about.path, query(parameters))).expect(200)
}

/// The values of a facet as filters take them, with how many records have each.
fn values(facets: &Value, field: &str) -> BTreeMap<String, i64> {
    let facet = facets["facets"].as_array().expect("facets").iter().find(|facet| facet["field"] == field).expect("the facet");
    let values = facet["values"].as_array().expect("values").iter();
    values
        .map(|one| {
            let text = one["value"].as_str().map_or_else(|| one["value"].to_string(), str::to_owned);
            (text, one["count"].as_i64().expect("a count"))
        })
        .collect()
}

fn fields(facets: &Value) -> Vec<String> {
    let all = facets["facets"].as_array().expect("facets").iter();
    all.map(|facet| facet["field"].as_str().expect("a name").to_owned()).collect()
}

/// Two rows at least, where rows can be made.
fn populate(world: &World, d: &'static Descriptor) {
    if writable().iter().any(|one| one.name == d.name) {
        world.another(d.about.path);
        world.admin.create(&format!("/api/{}/", d.about.path), (sample(d.about.path).full)(world));
    }
}

#[test]
fn what_is_counted_is_what_lists_hold() {
    let all: Vec<&Descriptor> = resources::all().iter().collect();
    for_each(&all, |world, d| {
        populate(world, d);
        let (client, whole) = (&world.admin, counted(&world.admin, d, &[]));
        assert_eq!((&whole["complete"], &whole["count"]), (&json!(true), &listed(client, d, &[])["count"]));
        for field in fields(&whole) {
            let all = values(&whole, &field);
            // A filter that shows what is usually left out is counted with that.
            let is_usual = d.about.usual.is_some_and(|(names, _)| names.contains(&field.as_str()));
            let sum = all.values().sum::<i64>();
            assert!(Some(sum) == whole["count"].as_i64() || is_usual, "{field}: {all:?}");
            for (value, count) in all.iter().filter(|(value, _)| *value != "null") {
                assert_eq!(listed(client, d, &[(&field, value)])["count"], *count, "{field}={value}");
            }
        }
        // A filter says nothing of its own values, and narrows those of all others.
        for field in fields(&whole) {
            let Some(value) = values(&whole, &field).keys().find(|value| *value != "null").cloned() else { continue };
            let narrowed = counted(client, d, &[(&field, &value)]);
            assert_eq!(values(&narrowed, &field), values(&whole, &field), "{field}");
            assert_eq!(narrowed["count"], listed(client, d, &[(&field, &value)])["count"]);
            for other in fields(&narrowed).iter().filter(|other| **other != field) {
                for (left, count) in values(&narrowed, other).iter().filter(|(left, _)| *left != "null") {
                    let held = listed(client, d, &[(&field, &value), (other, left)]);
                    assert_eq!(held["count"], *count, "{field}={value}&{other}={left}");
                }
            }
        }
        for by in ["year", "month", "day"] {
            let dates = counted(client, d, &[("by", by), ("fields", ""), ("totals", "")])["dates"].clone();
            for period in dates["periods"].as_array().into_iter().flatten() {
                let (field, text) =
                    (dates["field"].as_str().expect("a field"), |name: &str| period[name].as_str().expect("a day").to_owned());
                let (from, to) = (text("from"), text("to"));
                let held = listed(client, d, &[(&format!("{field}__gte"), &from), (&format!("{field}__lte"), &to)]);
                assert_eq!(held["count"], period["count"], "{field}: {period}");
            }
        }
        let rows = listed(client, d, &[])["results"].as_array().cloned().unwrap_or_default();
        for total in whole["totals"].as_array().expect("totals") {
            let field = total["field"].as_str().expect("a field");
            let own = field.strip_suffix("_amount").map(|stem| format!("{stem}_currency"));
            let own = own.filter(|name| d.field(name).is_some_and(|field| field.kind == Kind::Currency));
            let mut sums: BTreeMap<String, i64> = BTreeMap::new();
            for row in rows.iter().filter(|row| !row[field].is_null()) {
                let amount: i64 = row[field].as_str().expect("an amount").replace('.', "").parse().expect("a number");
                let currency = &row[own.as_deref().unwrap_or("currency")];
                *sums.entry(currency.as_str().unwrap_or("USD").to_owned()).or_default() += amount;
            }
            let told: BTreeMap<String, i64> = total["amounts"]
                .as_array()
                .expect("amounts")
                .iter()
                .map(|one| {
                    (
                        one["currency"].as_str().expect("a code").to_owned(),
                        one["amount"].as_str().expect("text").replace('.', "").parse().expect("a number"),
                    )
                })
                .collect();
            assert_eq!(told, sums, "{field}");
        }
    });
}

#[test]
fn counting_reaches_as_far_as_the_list_and_no_further_than_was_asked() {
    let server = Server::start();
    let world = World::new_in(&server);
    let agent = server.member("ayla", Role::Agent);
    for _ in 0..3 {
        world.another("field/leads");
    }
    agent.create("/api/field/leads/", (sample("field/leads").least)(&world));
    let own = agent.get("/api/field/leads/facets/?fields=stage").expect(200);
    assert_eq!((&own["count"], values(&own, "stage")), (&json!(1), BTreeMap::from([("prospect".to_owned(), 1)])));
    let all = world.admin.get("/api/field/leads/facets/?fields=stage&dates=&totals=").expect(200);
    assert_eq!((&all["count"], values(&all, "stage")), (&json!(4), BTreeMap::from([("prospect".to_owned(), 4)])));
    // Too many to look at.
    let few = world.admin.get("/api/field/leads/facets/?within=3").expect(200);
    assert_eq!((&few["complete"], &few["count"], &few["facets"], &few["totals"]), (&json!(false), &Value::Null, &json!([]), &json!([])));
    assert_eq!(world.admin.get("/api/field/leads/facets/?within=4").expect(200)["complete"], true);
    // Few of many: all is told of these, and of the others not how many there are of each.
    world.admin.patch("/api/field/leads/1/", json!({"stage": "qualified"}));
    for _ in 0..2 {
        let part = world.admin.get("/api/field/leads/facets/?within=3&fields=stage,priority&stage=qualified").expect(200);
        assert_eq!((&part["complete"], &part["count"], fields(&part)), (&json!(false), &json!(1), vec!["priority".to_owned()]));
        world.admin.patch("/api/field/leads/1/", json!({"notes": "seen"}));
    }
    for (parameters, field) in [
        ("fields=stage,nothing", "fields"),
        ("fields=notes", "fields"),
        ("totals=stage", "totals"),
        ("dates=stage", "dates"),
        ("by=week", "by"),
        ("within=x", "within"),
        ("stage=x", "stage"),
    ] {
        let refused = world.admin.get(&format!("/api/field/leads/facets/?{parameters}"));
        assert!(refused.status == 400 && refused.json()[field].is_array(), "{parameters}: {}", refused.text);
    }
    // What was counted before a change is not told after it.
    world.another("field/leads");
    assert_eq!(world.admin.get("/api/field/leads/facets/?fields=stage&dates=&totals=").expect(200)["count"], 5);
}

/// An amount that somebody may not see is not added up for them either.
#[test]
fn private_amounts_are_not_added_up() {
    let server = Server::start();
    let world = World::new_in(&server);
    let plain = server.staff("sam", &[]);
    for d in resources::all() {
        for (name, _) in d.about.private {
            let facets = plain.get(&format!("/api/{}/facets/", d.about.path));
            let told = |what: &str| facets.json()[what].as_array().into_iter().flatten().any(|one| one["field"] == *name);
            assert!(facets.status != 200 || !told("facets") && !told("totals"), "{}: {name}", d.about.path);
        }
    }
    drop(world);
}
