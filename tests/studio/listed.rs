//! Lists that are kept and follow what is written: they are always what they would be if they were found out anew.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use studio::{
    actor::Role,
    engine::{
        Descriptor, Reach, Scope,
        field::Kind,
        filter::kind_of,
        query::Query,
        search,
        store::{self, Deleted},
    },
    error::Error,
    resources,
};

use crate::{
    samples::{World, for_each, sample, writable},
    support::{Client, Server, nobody},
};

const LEADS: &str = "/api/field/leads/";

/// A sequence of numbers that looks like chance and is the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % most as u64).expect("a number")
    }
    fn one<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What a page says, without the addresses of others.
fn told(page: &Value) -> (Value, Value) {
    (page["count"].clone(), page["results"].clone())
}

/// The same list under a filter that all rows pass and that nobody has asked for before: nothing is kept of it.
fn anew(path: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!(
        "{path}{}created_at__gte=1900-01-01T00:{:02}:{:02}.{:03}Z",
        if path.contains('?') { '&' } else { '?' },
        count / 60_000 % 60,
        count / 1000 % 60,
        count % 1000
    )
}

const STAGES: [&str; 3] = ["prospect", "qualified", "negotiation"];
const PRIORITIES: [&str; 4] = ["low", "medium", "high", "urgent"];
const NAMES: [&str; 5] = ["Hotel Alpha", "bakery", "Kampala shop", "Zoo", "hotel beta"];

const LISTS: [&str; 16] = [
    "",
    "?ordering=business_name",
    "?ordering=-lead_score",
    "?ordering=priority,-lead_score",
    "?ordering=-follow_up_date",
    "?ordering=-last_activity_at&page=2",
    "?stage=qualified",
    "?stage=qualified&priority=high",
    "?is_hot=true",
    "?is_hot=true&ordering=lead_score",
    "?search=hotel",
    "?search=kampala&ordering=business_name",
    "?stage__in=prospect,negotiation&follow_up_date__lte=2026-03-05",
    "?tag=new",
    "?include_deleted=true&ordering=business_name",
    "?is_stale=false&page=last",
];

/// Writes something, or tries to.
fn write(chance: &mut Chance, server: &Server, people: &[Client], zones: &[i64], made: &mut Vec<i64>) {
    let who = chance.one(people).clone();
    let changes = |chance: &mut Chance| match chance.below(7) {
        0 => json!({"stage": chance.one(&STAGES)}),
        1 => json!({"priority": chance.one(&PRIORITIES)}),
        2 => json!({"business_name": chance.one(&NAMES)}),
        3 => json!({"follow_up_date": format!("2026-03-{:02}", chance.below(9) + 1)}),
        4 => json!({"zone": chance.one(zones)}),
        5 => json!({"tags": [chance.one(&["new", "old"])]}),
        _ => json!({"stage": "lost", "lost_reason": "price"}),
    };
    let lead = |chance: &mut Chance| {
        json!({"business_name": chance.one(&NAMES), "contact_phone": format!("07{:08}", chance.below(99_999_999)), "stage": chance.one(&STAGES),
            "priority": chance.one(&PRIORITIES), "zone": chance.one(zones), "tags": [chance.one(&["new", "old"])]})
    };
    let some = |chance: &mut Chance, made: &[i64]| if made.is_empty() { 1 } else { *chance.one(made) };
    match chance.below(12) {
        0..3 => made.extend(who.post(LEADS, lead(chance)).json()["id"].as_i64()),
        3..6 => drop(who.patch(&format!("{LEADS}{}/", some(chance, made)), changes(chance))),
        6 => drop(who.delete(&format!("{LEADS}{}/", some(chance, made)))),
        7 => drop(who.post(&format!("{LEADS}{}/restore/", some(chance, made)), json!({}))),
        8 => {
            // One that fails among others: it alone is taken back, or all of them are.
            let items = json!({"items": [lead(chance), {"business_name": ""}, lead(chance)]});
            let way = *chance.one(&["?atomic=true", ""]);
            let outcome = who.post(&format!("{LEADS}bulk_create/{way}"), items).json();
            made.extend(outcome["results"].as_array().into_iter().flatten().filter_map(|one| one["id"].as_i64()));
        }
        9 => {
            let action = json!({"lead": some(chance, made), "type": "call", "date": "2026-03-02T08:00:00Z"});
            drop(who.post("/api/field/actions/", action));
        }
        10 => {
            // Written and taken back: a request that fails at its end.
            let id = some(chance, made);
            let undone = server.app.db.write_blocking(server.app.system(), move |tx| {
                tx.update("leads", id, vec![("priority", "urgent".into()), ("business_name", "Gone".into())])?;
                Err::<(), _>(Error::not_found())
            });
            assert!(undone.is_err());
        }
        _ => {
            let (zone, manager) = (*chance.one(zones), chance.one(people).id);
            drop(people[0].patch(&format!("/api/field/zones/{zone}/"), json!({"manager": manager})));
        }
    }
}

#[test]
fn kept_lists_are_what_they_would_be_anew() {
    let server = Server::start_with(|config| {
        config.api.page_size = 7;
        config.auth.access_seconds = 10_000_000;
    });
    let people = [
        server.member("ann", Role::Admin),
        server.member("max", Role::Manager),
        server.member("sue", Role::Staff),
        server.member("abe", Role::Agent),
        server.member("bea", Role::Agent),
    ];
    let zone = |name: &str| people[0].create("/api/field/zones/", json!({"name": name}))["id"].as_i64().expect("an id");
    let zones = [zone("North"), zone("South")];
    let (mut chance, mut made) = (Chance(22), vec![]);
    let mut followed = 0;
    for step in 0..400 {
        server.clock.advance(if step % 50 == 49 { 90_000 } else { 1 });
        for _ in 0..=chance.below(3) {
            write(&mut chance, &server, &people, &zones, &mut made);
        }
        for _ in 0..3 {
            let (who, list) = (chance.one(&people), format!("{LEADS}{}", chance.one(&LISTS)));
            let (kept, again) = (who.get(&list), who.get(&anew(&list)));
            assert_eq!((kept.status, told(&kept.json())), (again.status, told(&again.json())), "step {step}: {list} of {}", who.id);
            followed += usize::from(kept.json()["count"].as_u64() > Some(7));
            // What is counted of it: as it is once its rows are known, and as it is when they have to be found.
            let counts = format!("{LEADS}facets/{}", list.strip_prefix(LEADS).unwrap_or_default());
            let counts = format!("{counts}{}by=day", if counts.contains('?') { '&' } else { '?' });
            let (known, again) = (who.get(&counts), who.get(&anew(&counts)));
            assert_eq!((known.status, known.json()), (again.status, again.json()), "step {step}: {counts} of {}", who.id);
        }
        if step % 5 == 0 {
            let path = format!("{LEADS}{}", chance.one(&["deleted/", "deleted/?ordering=business_name", "minimal/?search=hotel"]));
            assert_eq!(told(&people[0].get(&path).expect(200)), told(&people[0].get(&anew(&path)).expect(200)), "step {step}: {path}");
        }
    }
    assert!(made.len() > 100 && followed > 300, "{} were made, {followed} lists had several pages", made.len());
}

/// Every resource: its lists follow what is written, in each of their orders and narrowed by each of their flags and choices.
#[test]
fn lists_of_all_resources_follow() {
    let all = writable();
    for_each(&all, |world, d| {
        let path = format!("/api/{}/", d.about.path);
        let mut lists: Vec<String> = d.about.order.iter().map(|name| format!("{path}?ordering={name}")).collect();
        for name in &d.filters {
            match kind_of(d, name) {
                Some(Kind::Bool) => lists.extend(["true", "false"].map(|flag| format!("{path}?{name}={flag}"))),
                Some(Kind::Choice(names)) => lists.extend(names.iter().map(|choice| format!("{path}?{name}={choice}"))),
                _ => {}
            }
        }
        // What is counted of them as well.
        let counts: Vec<String> = lists.iter().map(|list| list.replace("/?", "/facets/?")).collect();
        lists.extend(counts);
        let look = || lists.iter().map(|list| world.admin.get(list).expect(200)).collect::<Vec<_>>();
        world.another(d.about.path);
        look();
        let id = world.another(d.about.path);
        look();
        // From here on they follow.
        world.admin.patch(&format!("{path}{id}/"), (sample(d.about.path).patch)(world));
        world.another(d.about.path);
        let kept = look();
        let db = &world.server.app.db;
        db.totals().invalidate_all();
        db.firsts().invalidate_all();
        db.answers().invalidate_all();
        for ((list, kept), again) in lists.iter().zip(kept).zip(look()) {
            assert_eq!(kept, again, "{list}");
        }
    });
}

/// Few of them in any business: they are counted in no time, whichever way.
const FEW: [&str; 13] = [
    "accounts",
    "branches",
    "departments",
    "designations",
    "goal_milestones",
    "goals",
    "integrations",
    "recurring_invoices",
    "saved_views",
    "staff_profiles",
    "staff_roles",
    "tax_rates",
    "zones",
];

/// The first count of a long list, before there is anything to follow: no row is looked at for it.
#[test]
fn lists_are_counted_along_an_index() {
    let server = Server::start();
    let plan = |d: &Descriptor, sql: &str| -> Vec<String> {
        let args = store::args(&nobody(), &[]);
        server
            .app
            .db
            .read(|reader| reader.rows(&format!("EXPLAIN QUERY PLAN {sql}"), &args, |row| row.get(3)))
            .unwrap_or_else(|error| panic!("{}: {error:?}", d.about.path))
    };
    let mut wrong = vec![];
    for d in resources::all().iter().filter(|d| d.about.scope == Scope::Business && !FEW.contains(&d.about.table)) {
        let scope = store::scope(d, &nobody(), Reach::All, Deleted::Without);
        let plan = plan(d, &format!("SELECT count(*) FROM \"{}\" AS t WHERE {scope}", d.about.table));
        if !plan.iter().any(|step| step.contains("COVERING INDEX")) {
            wrong.push(format!("{}: {}", d.about.table, plan.join("; ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A search for what others are called goes from these to the rows that refer to them, and looks at no others.
#[test]
fn rows_that_refer_to_something_are_found_along_an_index() {
    let server = Server::start();
    let mut wrong = vec![];
    for d in resources::all() {
        for by in search::references(d) {
            let sql = format!("EXPLAIN QUERY PLAN {}", search::referring(d, Deleted::Without, by, "?4"));
            let args = store::args(&nobody(), &[]);
            let plan: Vec<String> = server.app.db.read(|reader| reader.rows(&sql, &args, |row| row.get(3))).expect("a plan");
            if !plan.iter().any(|step| step.starts_with("SEARCH r") && step.contains(&format!("{by}=?")) && !step.contains("AUTOMATIC")) {
                wrong.push(format!("{} by {by}: {}", d.about.table, plan.join("; ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Looking again at the rows that were written goes from these to the list, never the other way round.
#[test]
fn some_rows_are_looked_at_by_their_ids() {
    let server = Server::start();
    let mut wrong = vec![];
    for d in resources::all() {
        for order in d.about.order {
            let parameters = vec![("ordering".to_owned(), (*order).to_owned())];
            let query = Query::parse(d, &nobody(), &parameters, server.app.pages()).expect("a list");
            let scope = store::scope(d, &nobody(), Reach::Own, Deleted::Without);
            let sql = format!(
                "EXPLAIN QUERY PLAN SELECT t.id FROM json_each('[1]') AS c CROSS JOIN \"{}\" AS t ON t.id = c.value WHERE {scope} ORDER BY {}",
                d.about.table, query.order
            );
            let args = store::args(&nobody(), &[]);
            let plan: Vec<String> = server.app.db.read(|reader| reader.rows(&sql, &args, |row| row.get(3))).expect("a plan");
            if !plan.iter().any(|step| step.starts_with("SEARCH t USING INTEGER PRIMARY KEY")) {
                wrong.push(format!("{} by {order}: {}", d.about.table, plan.join("; ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Pages far from the beginning are found from the other end: they are what they would be from this one.
#[test]
fn pages_are_the_same_from_both_ends() {
    let server = Server::start();
    let world = World::new_in(&server);
    world.many_zones(2345);
    for order in ["", "&ordering=-name", "&ordering=-created_at", "&ordering=created_at,-name", "&manager__isnull=true&ordering=name"] {
        let page = |number: &str| world.admin.get(&format!("/api/field/zones/minimal/?page_size=100{order}&page={number}")).expect(200);
        let ids =
            |page: &Value| -> Vec<i64> { page["results"].as_array().expect("rows").iter().filter_map(|row| row["id"].as_i64()).collect() };
        let pages: Vec<Vec<i64>> = (1..=24).map(|number| ids(&page(&number.to_string()))).collect();
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [vec![100; 23], vec![45]].concat(), "{order}");
        assert_eq!(ids(&page("last")), pages[23], "{order}");
        let mut all = pages.concat();
        let by_time = |turned: bool| if turned { (1..=2345).rev().collect() } else { (1..=2345).collect::<Vec<i64>>() };
        match order {
            "&ordering=-created_at" => assert_eq!(all, by_time(true)),
            "&ordering=created_at,-name" => assert_eq!(all, by_time(false)),
            _ => {
                let name = |id: &i64| format!("Zone {id}");
                assert!(all.is_sorted_by_key(name) || all.iter().rev().is_sorted_by_key(name), "{order}: {all:?}");
            }
        }
        all.sort_unstable();
        assert_eq!(all, by_time(false), "{order}");
    }
}
