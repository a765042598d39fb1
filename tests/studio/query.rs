//! Lists: what each parameter does and how a wrong one is answered (wire 6.4, row by row), and that no combination of parameters
//! breaks a list or makes it lie.

use std::collections::BTreeSet;

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    sample::select,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use serde_json::{Value, json};
use studio::{
    actor::{Capability, Role},
    engine::filter::TAKEN,
    resources,
};

use crate::{
    contract::encoded,
    support::{Client, Server},
};

const LEADS: &str = "/api/field/leads/";

/// A lead as the model of this test knows it.
#[derive(Clone)]
struct Lead {
    id: i64,
    name: String,
    stage: &'static str,
    priority: &'static str,
    day: Option<String>,
}

const STAGES: [&str; 4] = ["prospect", "qualified", "negotiation", "won"];
const PRIORITIES: [&str; 4] = ["low", "medium", "high", "urgent"];
const FIRST: [&str; 6] = ["Alpha", "beta", "100%", "Under_score", "O'Neill", "Кафе"];
const SECOND: [&str; 5] = ["Hotel", "hotel", "Bakery", "Shop \"Best\"", "Motel"];

/// Thirty leads in which everything that is asked for varies.
fn leads(client: &Client, server: &Server) -> Vec<Lead> {
    let lead = |n: usize| {
        let name = format!("{} {} {n:02}", FIRST[n % FIRST.len()], SECOND[n % SECOND.len()]);
        let (stage, priority) = (STAGES[n % 7 % 4], PRIORITIES[n / 3 % 4]);
        let day = (!n.is_multiple_of(4)).then(|| format!("2026-03-{:02}", n % 11 + 1));
        let body = json!({"business_name": name, "contact_phone": format!("555{n:04}"), "stage": stage, "priority": priority, "follow_up_date": day});
        let id = client.create(LEADS, body)["id"].as_i64().expect("an id");
        server.clock.advance(1);
        Lead { id, name, stage, priority, day }
    };
    (0..30).map(lead).collect()
}

fn query(parameters: &[(String, String)]) -> String {
    let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    format!("{LEADS}?{}", pairs.join("&"))
}

fn ids(page: &Value) -> Vec<i64> {
    page["results"].as_array().expect("results").iter().map(|record| record["id"].as_i64().expect("an id")).collect()
}

/// What asks for nothing changes nothing: neither how amounts are read, nor what a list usually leaves out.
#[test]
fn what_asks_for_nothing_changes_nothing() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let ids = |path: &str| ids(&admin.get(path).expect(200));
    admin.patch("/api/business/settings/", json!({"currency": "UGX"})).expect(200);
    let party = admin.create("/api/finance/parties/", json!({"name": "Gerenuk"}))["id"].clone();
    for amount in ["1500", "800"] {
        admin.create("/api/finance/invoices/", json!({"party": party, "amount": amount}));
    }
    let invoices = "/api/finance/invoices/?total__gte=1000";
    assert_eq!(ids(invoices).len(), 1);
    for empty in ["&currency=", "&currency=UGX&currency=", "&currency__in=", "&party=&status=&number__icontains=%20"] {
        assert_eq!(ids(&format!("{invoices}{empty}")), ids(invoices), "{empty}");
    }
    // The same amount, whatever its currency is counted of.
    let facets = admin.get(&format!("{}&currency=UGX", invoices.replace("/?", "/facets/?"))).expect(200);
    let currency = facets["facets"].as_array().expect("facets").iter().find(|facet| facet["field"] == "currency").expect("the currency");
    assert_eq!(currency["values"], json!([{"value": "UGX", "label": null, "count": 1}]));
    // The chart of accounts is for those who ask for it.
    let accounts = "/api/finance/accounts/?page_size=100";
    let usual = ids(accounts);
    assert!(ids(&format!("{accounts}&type=all")).len() > usual.len());
    for nothing in ["&type=", "&type__icontains=bank", "&is_money__icontains=x", "&code__in=", "&is_money=maybe"] {
        assert_eq!(ids(&format!("{accounts}{nothing}")), usual, "{nothing}");
    }
    let long = "x".repeat(101);
    admin.get(&format!("{invoices}&number__icontains={long}")).expect(400);
}

/// What somebody is not shown narrows nothing for them: else they would guess it, a letter at a time.
#[test]
fn what_is_not_shown_is_no_filter() {
    let server = Server::start();
    let (admin, staff) = (server.member("boss", Role::Admin), server.staff("helper", &[]));
    let count = |client: &Client, list: &str, query: &str| client.get(&format!("/api/{list}/?{query}")).expect(200)["count"].clone();
    admin.create("/api/finance/parties/", json!({"name": "Gerenuk", "type": "vendor", "email": "gerenuk@example.org"}));
    admin.create("/api/finance/parties/", json!({"name": "Eland", "type": "client"}));
    let parties = "finance/parties/minimal";
    for query in ["email=gerenuk@example.org", "email__icontains=GERENUK", "email__isnull=false", "email__in=gerenuk@example.org"] {
        // Staff look for parties by their names, and are shown nothing else of them.
        assert_eq!((count(&admin, parties, query), count(&staff, parties, query)), (json!(1), json!(2)), "{query}");
    }
    assert_eq!(count(&staff, parties, "type=vendor"), 1, "what the resource names for it");
    // Fields of those who have the right to them.
    admin.create("/api/accounts/staff-profiles/", json!({"name": "Kudu", "notes": "confidential"}));
    admin.create("/api/accounts/staff-profiles/", json!({"name": "Oryx"}));
    let hr = server.staff("hr", &[Capability::Hr]);
    let profiles = |client: &Client, query: &str| count(client, "accounts/staff-profiles", query);
    assert_eq!(profiles(&hr, "notes__icontains=CONFIDENTIAL"), 1);
    assert_eq!(profiles(&staff, "notes__icontains=confidential"), profiles(&staff, ""));
    assert_ne!(profiles(&staff, ""), 1);
    for d in resources::all() {
        let wrong = |name: &&&str| TAKEN.contains(*name) || d.field(name).is_some_and(|field| field.hidden);
        assert_eq!(d.filters.iter().find(wrong), None, "{}", d.about.path);
    }
}

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(11), max_shrink_iters: 200, ..Config::default() }
}

fn nasty() -> impl Strategy<Value = String> {
    let known = [
        "",
        " ",
        "'",
        "\"",
        "\"\"",
        "';--",
        "%",
        "_",
        "\\",
        "\\%",
        "%%%",
        "*",
        "?1",
        ":me",
        "NULL",
        "null",
        "\u{0}",
        "\n",
        "é",
        "ß",
        "İ",
        "😀",
        "\u{202e}",
        "0",
        "-1",
        "1",
        "2",
        "1.0",
        "1e9",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999",
        "last",
        "abc",
        "true",
        "True",
        "prospect",
        "PROSPECT",
        "prospect,won",
        ",",
        ",,,",
        "2026-03-02",
        "2026-02-30",
        "9999-12-31",
        "0000-00-00",
        "-9999-01-01",
        "2026-03-02T09:00:00Z",
        "2026-03-02T09:00:00+25:00",
        "01920000-0000-7000-8000-000000000000",
        "business_name",
        "-business_name",
        "--id",
        "id;drop",
        "-",
        "+",
        "&a=b",
        "#",
        "%00",
        "[]",
        "{}",
    ];
    prop_oneof![
        6 => select(known.to_vec()).prop_map(str::to_owned),
        2 => any::<String>(),
        1 => (0_usize..4000).prop_map(|length| "a ".repeat(length)),
        1 => (0_usize..300).prop_map(|length| "%_'\"\\".repeat(length)),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let fields = [
        "search",
        "ordering",
        "page",
        "page_size",
        "include_deleted",
        "tag",
        "stage",
        "status",
        "source",
        "priority",
        "zone",
        "assigned_rep",
        "follow_up_date",
        "is_hot",
        "is_stale",
        "created_at",
        "created_by",
        "phone_norm",
        "id",
        "no_such_field",
        "format",
        "",
    ];
    let tests = ["", "", "", "__in", "__gte", "__lte", "__isnull", "_after", "_before", "__exact", "__in__in"];
    (select(fields.to_vec()), select(tests.to_vec())).prop_map(|(field, test)| format!("{field}{test}"))
}

#[test]
fn no_parameters_break_a_list() {
    let server = Server::start();
    let client = server.member("admin", Role::Admin);
    leads(&client, &server);
    let outcome = TestRunner::new(config(400)).run(&vec((name(), nasty()), 0..5), |parameters| {
        let path = query(&parameters);
        // What is longer than a line of a request may be is the server's matter.
        if path.len() > 6000 {
            return Ok(());
        }
        let answer = client.get(&path);
        let fail = |text: &str| Err(TestCaseError::fail(format!("{path}: {text}: {} {}", answer.status, answer.text)));
        match answer.status {
            200 => {
                let page = answer.json();
                let (count, shown) = (page["count"].as_u64().unwrap_or(u64::MAX), ids(&page));
                let distinct: BTreeSet<&i64> = shown.iter().collect();
                if count > 30 || shown.len() as u64 > count || distinct.len() != shown.len() {
                    fail("lies about its length")
                } else {
                    Ok(())
                }
            }
            404 if answer.json() == json!({"detail": "Invalid page.", "code": "not_found"}) => Ok(()),
            400 => match answer.json() {
                Value::Array(texts) if texts == [json!("Null characters are not allowed.")] => Ok(()),
                Value::Object(named) if named.keys().all(|name| parameters.iter().any(|(sent, _)| sent == name)) => Ok(()),
                _ => fail("names what was not sent"),
            },
            _ => fail("neither a page nor a refusal"),
        }
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// One condition of the plain sort, and which leads fulfil it.
#[derive(Debug, Clone)]
enum Condition {
    Stage(&'static str),
    Stages(Vec<&'static str>),
    Priority(&'static str),
    Search(&'static str),
    From(u8),
    To(u8),
    NoDay(bool),
}

impl Condition {
    fn any() -> impl Strategy<Value = Self> {
        let words = [
            "hotel",
            "HOTEL",
            "otel",
            "Bakery",
            "alpha",
            "%",
            "_",
            "100%",
            "_score",
            "O'Neill",
            "'",
            "Кафе",
            "0",
            "12",
            "zzz",
            "Alpha,Hotel",
        ];
        prop_oneof![
            select(STAGES.to_vec()).prop_map(Self::Stage),
            vec(select(STAGES.to_vec()), 1..4).prop_map(Self::Stages),
            select(PRIORITIES.to_vec()).prop_map(Self::Priority),
            select(words.to_vec()).prop_map(Self::Search),
            (0_u8..14).prop_map(Self::From),
            (0_u8..14).prop_map(Self::To),
            any::<bool>().prop_map(Self::NoDay),
        ]
    }

    fn parameter(&self) -> (String, String) {
        let (name, value) = match self {
            Self::Stage(stage) => ("stage", (*stage).to_owned()),
            Self::Stages(stages) => ("stage__in", stages.join(",")),
            Self::Priority(priority) => ("priority", (*priority).to_owned()),
            Self::Search(word) => ("search", (*word).to_owned()),
            Self::From(day) => ("follow_up_date__gte", format!("2026-03-{:02}", day + 1)),
            Self::To(day) => ("follow_up_date__lte", format!("2026-03-{:02}", day + 1)),
            Self::NoDay(yes) => ("follow_up_date__isnull", yes.to_string()),
        };
        (name.to_owned(), value)
    }

    fn holds(&self, lead: &Lead) -> bool {
        let day = lead.day.as_deref();
        let bound = |day: u8| format!("2026-03-{:02}", day + 1);
        match self {
            Self::Stage(stage) => lead.stage == *stage,
            Self::Stages(stages) => stages.contains(&lead.stage),
            Self::Priority(priority) => lead.priority == *priority,
            Self::Search(words) => words.split(',').all(|word| {
                // The number that is searched for may be in the telephone number as well: 555 and four digits.
                let phone = format!("555{:0>4}", lead.name.rsplit(' ').next().unwrap_or_default());
                lead.name.to_lowercase().contains(&word.to_lowercase()) || phone.contains(word)
            }),
            Self::From(from) => day.is_some_and(|day| day >= bound(*from).as_str()),
            Self::To(to) => day.is_some_and(|day| day <= bound(*to).as_str()),
            Self::NoDay(yes) => day.is_none() == *yes,
        }
    }
}

fn distinct(conditions: &[Condition]) -> Vec<Condition> {
    let mut names = BTreeSet::new();
    conditions.iter().filter(|condition| names.insert(condition.parameter().0)).cloned().collect()
}

#[test]
fn lists_answer_what_the_model_answers() {
    let server = Server::start();
    let client = server.member("admin", Role::Admin);
    let leads = leads(&client, &server);
    let orders = [
        "",
        "business_name",
        "-business_name",
        "priority",
        "-priority,business_name",
        "-follow_up_date",
        "created_at",
        "nonsense",
        "priority,nonsense",
    ];
    let cases = (vec(Condition::any(), 0..4), select(orders.to_vec()), prop_oneof![Just(1_usize), Just(3), Just(7), Just(100)]);
    let outcome = TestRunner::new(config(120)).run(&cases, |(conditions, order, size)| {
        let conditions = distinct(&conditions);
        let wanted: BTreeSet<i64> = leads.iter().filter(|lead| conditions.iter().all(|one| one.holds(lead))).map(|lead| lead.id).collect();
        let mut parameters: Vec<(String, String)> = conditions.iter().map(Condition::parameter).collect();
        parameters.extend([("ordering".to_owned(), order.to_owned()), ("page_size".to_owned(), size.to_string())]);
        let path = query(&parameters);
        let (mut next, mut seen) = (Some(path.clone()), vec![]);
        while let Some(path) = next {
            let page = client.get(&path).json();
            if page["count"] != json!(wanted.len()) {
                return Err(TestCaseError::fail(format!("{path}: counts {}, not {}", page["count"], wanted.len())));
            }
            seen.extend(ids(&page));
            next = page["next"].as_str().and_then(|link| link.strip_prefix(&server.url)).map(str::to_owned);
            if seen.len() > wanted.len() {
                break;
            }
        }
        let all: BTreeSet<i64> = seen.iter().copied().collect();
        if all != wanted || seen.len() != wanted.len() {
            return Err(TestCaseError::fail(format!("{path}: the pages hold {seen:?}, not {wanted:?}")));
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

// ------------------------------------------------------------------------------------------------ wire 6.4

/// A business with thirteen leads: `Shop 01` to `Shop 13`.
fn thirteen() -> (Server, Client) {
    let server = Server::start();
    let client = server.member("admin", Role::Admin);
    for n in 1..=13 {
        client.create(
            LEADS,
            json!({"business_name": format!("Shop {n:02}"), "contact_phone": "1", "location": if n > 10 { "Hill" } else { "" }}),
        );
        server.clock.advance(60);
    }
    (server, client)
}

#[test]
fn pages_and_their_links() {
    let (server, client) = thirteen();
    let link = |query: &str| json!(format!("{}{LEADS}{query}", server.url));
    let none = json!(null);
    // Query; rows; next; previous.
    let table = [
        ("", 10, link("?page=2"), none.clone()),
        ("?page=1", 10, link("?page=2"), none.clone()),
        ("?page=", 10, link("?page=2"), none.clone()),
        ("?page=2", 3, none.clone(), link("")),
        ("?page=last", 3, none.clone(), link("")),
        ("?page_size=5", 5, link("?page=2&page_size=5"), none.clone()),
        ("?page_size=5&page=2", 5, link("?page=3&page_size=5"), link("?page_size=5")),
        ("?page_size=5&page=3", 3, none.clone(), link("?page=2&page_size=5")),
        ("?page_size=5&page=last", 3, none.clone(), link("?page=2&page_size=5")),
        ("?page_size=1000", 13, none.clone(), none.clone()),
        ("?page_size=0", 10, link("?page=2&page_size=0"), none.clone()),
        ("?page_size=-1", 10, link("?page=2&page_size=-1"), none.clone()),
        ("?page_size=x", 10, link("?page=2&page_size=x"), none.clone()),
        ("?page_size=5&z=1&a=2", 5, link("?a=2&page=2&page_size=5&z=1"), none.clone()),
        ("?unknown=a%20b%26c%3D%C3%A9", 10, link("?page=2&unknown=a+b%26c%3D%C3%A9"), none.clone()),
        ("?search=shop&page=2", 3, none.clone(), link("?search=shop")),
    ];
    for (query, rows, next, previous) in table {
        let page = client.get(&format!("{LEADS}{query}")).expect(200);
        assert_eq!((&page["count"], ids(&page).len()), (&json!(13), rows), "{query}");
        assert_eq!((&page["next"], &page["previous"]), (&next, &previous), "{query}");
    }
    for page in ["0", "-1", "abc", "1.0", "3", "99999999999999999999", "1%202", "%27"] {
        let answer = client.get(&format!("{LEADS}?page={page}"));
        assert_eq!((answer.status, answer.json()), (404, json!({"detail": "Invalid page.", "code": "not_found"})), "page={page}");
    }
    for query in ["", "?page=1", "?page=last"] {
        let empty = client.get(&format!("/api/field/zones/{query}")).expect(200);
        assert_eq!(empty, json!({"count": 0, "next": null, "previous": null, "results": []}), "an empty table, {query}");
    }
    assert_eq!(client.get("/api/field/zones/?page=2").status, 404, "page 2 of nothing");
    // Without the slash, the links still lead to the canonical path.
    assert_eq!(client.get("/api/field/leads?page_size=5").expect(200)["next"], link("?page=2&page_size=5"));
}

#[test]
fn searches_and_orderings() {
    let (_server, client) = thirteen();
    let names = |query: &str| -> Vec<String> {
        let page = client.get(&format!("{LEADS}?page_size=100&{query}")).expect(200);
        page["results"]
            .as_array()
            .expect("results")
            .iter()
            .map(|lead| lead["business_name"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let shops = |numbers: &[u32]| numbers.iter().map(|n| format!("Shop {n:02}")).collect::<Vec<_>>();
    let newest_first: Vec<u32> = (1..=13).rev().collect();
    let oldest_first: Vec<u32> = (1..=13).collect();
    for (query, wanted) in [
        ("search=shop%2012", &[12][..]),
        ("search=SHOP,12", &[12]),
        ("search=12%20%20,%20shop", &[12]),
        ("search=hop%20il", &[13, 12, 11]),
        ("search=shop%20zz", &[]),
        ("search=%22shop%2012%22", &[12]),
        ("search=%2212%20shop%22", &[]),
        ("search=%22shop%2012", &[12]),
        ("search=%25", &[]),
        ("search=_", &[]),
        ("search=", &newest_first),
        ("search=%20", &newest_first),
        ("", &newest_first),
        ("ordering=business_name", &oldest_first),
        ("ordering=-business_name", &newest_first),
        ("ordering=nonsense", &newest_first),
        ("ordering=nonsense,business_name", &oldest_first),
        ("ordering=%20business_name%20", &oldest_first),
        ("ordering=contact_phone", &newest_first),
        ("ordering=phone_norm", &newest_first),
        ("ordering=", &newest_first),
        ("unknown=1&is_hot=maybe&follow_up_date__isnull=maybe", &newest_first),
        ("stage__in=bad", &[]),
        ("stage__in=bad,prospect", &newest_first),
        ("zone__in=bad", &[]),
        ("created_by__in=bad", &[]),
        ("is_hot=1", &[]),
        ("is_hot=true", &[]),
        ("is_hot=True", &[]),
        ("is_hot=0", &newest_first),
        ("is_hot=false", &newest_first),
        ("is_hot=False", &newest_first),
        ("stage=won&stage=prospect", &newest_first),
        ("search=zz&search=shop%2003", &[3]),
    ] {
        assert_eq!(names(query), shops(wanted), "{query}");
    }
    let nul = client.get(&format!("{LEADS}?search=%00"));
    assert_eq!((nul.status, nul.json()), (400, json!(["Null characters are not allowed."])));
}

#[test]
fn wrong_filters_are_told_all_at_once() {
    let (_server, client) = thirteen();
    let no_choice = |value: &str| json!([format!("Select a valid choice. {value} is not one of the available choices.")]);
    let no_row = json!(["Select a valid choice. That choice is not one of the available choices."]);
    let (no_number, no_date, no_time) = (json!(["Enter a number."]), json!(["Enter a valid date."]), json!(["Enter a valid date/time."]));
    let uuid = "01920000-0000-7000-8000-000000000000";
    for (query, wanted) in [
        ("field/leads/?stage=bad", json!({"stage": no_choice("bad")})),
        ("field/leads/?zone=9999", json!({"zone": no_row})),
        ("field/leads/?zone=abc", json!({"zone": no_row})),
        (&format!("field/leads/?zone={uuid}"), json!({"zone": no_row})),
        ("field/leads/?assigned_rep=9999", json!({"assigned_rep": no_row})),
        ("field/leads/?follow_up_date=2026-02-30", json!({"follow_up_date": no_date})),
        ("field/leads/?follow_up_date__gte=x", json!({"follow_up_date__gte": no_date})),
        ("field/leads/?follow_up_date_after=x", json!({"follow_up_date_after": no_date})),
        ("field/leads/?created_at=x", json!({"created_at": no_time})),
        ("field/leads/?created_at__lte=2026-13-01", json!({"created_at__lte": no_time})),
        ("accounts/designations/?rank=x", json!({"rank": no_number})),
        ("accounts/designations/?rank__gte=1.5", json!({"rank__gte": no_number})),
        ("field/leads/?priority=critical%20", json!({"priority": no_choice("critical ")})),
        (
            "field/leads/?stage=bad&zone=9999&follow_up_date=x&created_at=y",
            json!({"stage": no_choice("bad"), "zone": no_row, "follow_up_date": no_date, "created_at": no_time}),
        ),
        ("field/leads/?zone=9999&assigned_rep=9999&stage=bad", json!({"zone": no_row, "assigned_rep": no_row, "stage": no_choice("bad")})),
    ] {
        client.get(&format!("/api/{query}")).refuses(wanted);
    }
    // A wrong page is only looked at when the filters are right.
    assert_eq!(client.get("/api/field/leads/?stage=bad&page=99").status, 400);
}

#[test]
fn a_day_stands_for_its_instants_in_the_time_of_the_business() {
    let server = Server::start();
    let client = server.member("admin", Role::Admin);
    server.write(|tx| tx.update("businesses", 1, vec![("timezone", "Africa/Kampala".into())]));
    // In Kampala the second of March begins and ends three hours before it does in UTC.
    for time in ["2026-03-01T20:59:59.999Z", "2026-03-01T21:00:00.000Z", "2026-03-02T20:59:59.999Z", "2026-03-02T21:00:00.000Z"] {
        client.create("/api/field/visits/", json!({"business_name": "Shop", "date_time": time}));
    }
    for (query, wanted) in [
        ("date_time=2026-03-02", vec![2, 3]),
        ("date_time__gte=2026-03-02", vec![2, 3, 4]),
        ("date_time__lte=2026-03-02", vec![1, 2, 3]),
        ("date_time_after=2026-03-02&date_time_before=2026-03-02", vec![2, 3]),
        ("date_time__gte=2026-03-01T21:00:00Z", vec![2, 3, 4]),
        ("date_time__gte=2026-03-02T00:00:00", vec![2, 3, 4]),
        ("date_time__lte=2026-03-02%2000:00", vec![1, 2]),
        ("date_time=2026-03-01T21:00:00%2B00:00", vec![2]),
    ] {
        let mut shown = ids(&client.get(&format!("/api/field/visits/?{query}")).expect(200));
        shown.sort_unstable();
        assert_eq!(shown, wanted, "{query}");
    }
}
