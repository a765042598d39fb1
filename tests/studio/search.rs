//! Searching: the same rows are found while they wait to be indexed, once they are, and while their table is indexed anew; every
//! write moves them; and one search goes through everything.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use studio::{
    actor::Role,
    db::{Value, search::Candidates},
    engine::{
        Descriptor,
        field::{Field, Kind},
    },
    resources,
};

use crate::{
    contract::encoded,
    samples::{for_each, sample, writable},
    support::{Client, Server},
};

const LEADS: &str = "/api/field/leads/";

/// All ids that a list has for a search.
fn found(client: &Client, path: &str, words: &str) -> BTreeSet<i64> {
    let mut ids = BTreeSet::new();
    for page in 1.. {
        let body = client.get(&format!("{path}?page_size=100&page={page}&search={}", encoded(words))).expect(200);
        ids.extend(body["results"].as_array().into_iter().flatten().filter_map(|row| row["id"].as_i64()));
        if body["next"].is_null() {
            assert_eq!(body["count"], ids.len(), "the total of {path} for {words:?}");
            break;
        }
    }
    ids
}

/// What one search through everything finds of a resource.
fn hits(client: &Client, resource: &str, q: &str) -> Vec<Json> {
    let body = client.get(&format!("/api/search/?resource={resource}&limit=20&q={}", encoded(q))).expect(200);
    body["results"][0]["hits"].as_array().cloned().unwrap_or_default()
}

fn one(server: &Server, sql: &str) -> i64 {
    server.app.db.read(|reader| reader.one(sql, &[])).expect("a query of the test").unwrap_or(0)
}

/// Waits until everything is indexed.
fn settle(server: &Server) {
    let end = Instant::now() + Duration::from_secs(60);
    server.app.db.index_now();
    while one(server, "SELECT (SELECT count(*) FROM search_pending) + (SELECT count(*) FROM search_tables WHERE complete = 0)") > 0 {
        assert!(Instant::now() < end, "the index is not done");
        std::thread::yield_now();
    }
}

fn candidates(server: &Server, table: &str, term: &str) -> Candidates {
    let db = &server.app.db;
    let searched = db.catalog().searched(table).expect("a table that is searched");
    db.snapshot(|reader| reader.candidates(searched, &[term], 1000)).expect("candidates")
}

/// The fields of a resource's own that are searched and hold free text.
fn texts(d: &'static Descriptor) -> impl Iterator<Item = &'static Field> {
    d.fields.iter().filter(|field| field.kind == Kind::Text && !field.server_set && d.about.search.contains(&field.name))
}

#[test]
fn every_write_moves_what_is_found() {
    let all: Vec<&'static Descriptor> = writable().into_iter().filter(|d| texts(d).next().is_some()).collect();
    assert!(all.len() >= 8);
    for_each(&all, |world, d| {
        let path = format!("/api/{}/", d.about.path);
        let record = world.admin.create(&path, (sample(d.about.path).full)(world));
        let (id, url) = (record["id"].as_i64().expect("an id"), format!("{path}{}/", record["id"]));
        let is_found = |words: &str| {
            let listed = found(&world.admin, &path, words).contains(&id);
            let everywhere = hits(&world.admin, d.about.path, words).iter().any(|hit| hit["id"] == id);
            assert_eq!(listed, everywhere, "the list and the search through everything, for {words}");
            listed
        };
        for field in texts(d) {
            let (old, new) = (record[field.name].as_str().unwrap_or_default().to_owned(), format!("Zq{} ÜxŁ", world.next()));
            world.admin.patch(&url, json!({field.name: new})).expect(200);
            assert!(is_found(&format!("\"{new}\"")), "{} as it was written", field.name);
            assert!(is_found(&new.to_lowercase()) && is_found(&new.to_uppercase()), "{} in any letters", field.name);
            assert!(is_found("üxł"), "{} by a part", field.name);
            assert!(old.is_empty() || !found(&world.admin, &path, &format!("\"{old}\" \"{new}\"")).contains(&id), "the old {}", field.name);
            settle(world.server);
            assert!(is_found(&new), "{} once it is indexed", field.name);
            if d.about.soft_delete {
                world.admin.delete(&url).expect(204);
                assert!(!is_found(&new), "{} of a deleted one", field.name);
                assert!(found(&world.admin, &format!("{path}deleted/"), &new).contains(&id), "among the deleted");
                world.admin.post(&format!("{url}restore/"), json!({})).expect(200);
                assert!(is_found(&new), "{} of a restored one", field.name);
            }
        }
    });
}

#[test]
fn many_at_once_and_what_fails() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let lead = |name: &str| json!({"business_name": name, "contact_phone": "1"});
    let items = [lead("Quagga one"), json!({"business_name": "Quagga two"}), lead("Quagga three")];
    let bulk = |how: &str| admin.post(&format!("{LEADS}bulk_create/?atomic={how}"), json!({"items": items}));
    bulk("true").expect(400);
    assert_eq!(found(&admin, LEADS, "quagga").len(), 0, "nothing of what was taken back");
    let made = bulk("false").expect(200);
    let ids: BTreeSet<i64> = [0, 2].map(|index| made["results"][index]["id"].as_i64().expect("an id")).into();
    assert_eq!(found(&admin, LEADS, "quagga"), ids);
    admin.post(&format!("{LEADS}bulk_update/"), json!({"ids": ids, "set": {"location": "Okapi valley"}})).expect(200);
    assert_eq!(found(&admin, LEADS, "KAPI V"), ids);
    settle(&server);
    assert_eq!(found(&admin, LEADS, "KAPI V"), ids);
    // What a merged lead has is found in the one that stays.
    let (one, other) = (*ids.first().expect("one"), *ids.last().expect("another"));
    admin.patch(&format!("{LEADS}{other}/"), json!({"contact_email": "bongo@example.com"})).expect(200);
    admin.post(&format!("{LEADS}merge/"), json!({"into": one, "from": [other]})).expect(200);
    assert_eq!(found(&admin, LEADS, "bongo"), [one].into());
    settle(&server);
    assert_eq!(found(&admin, LEADS, "bongo"), [one].into());
    admin.post(&format!("{LEADS}bulk_delete/"), json!({"ids": [one]})).expect(200);
    assert_eq!(found(&admin, LEADS, "okapi").len(), 0);
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        usize::try_from((mixed ^ (mixed >> 27)) >> 33).unwrap_or(0) % end
    }

    fn text(&mut self, most: usize) -> String {
        const PIECES: [&str; 34] = [
            "a",
            "b",
            "A",
            "B",
            "ab",
            "ba",
            " ",
            " ",
            "'",
            "%",
            "_",
            "*",
            "\\",
            "(",
            ")",
            ":",
            "-",
            "^",
            "é",
            "É",
            "Я",
            "я",
            "名",
            "前",
            "🦒",
            "👩🏽‍🌾",
            "AND",
            "OR",
            "NOT",
            "NEAR",
            "шо",
            "1",
            "22",
            "+",
        ];
        (0..self.below(most + 1)).map(|_| PIECES[self.below(PIECES.len())]).collect()
    }
}

/// Rows of leads: id and its searched texts.
fn stored(server: &Server) -> Vec<(i64, Vec<String>)> {
    let sql =
        "SELECT id, business_name, contact_name, contact_phone, coalesce(contact_email, ''), location FROM leads WHERE deleted_at IS NULL";
    let read = |row: &studio::db::Row<'_>| Ok((row.get(0)?, (1..6).map(|index| row.get(index)).collect::<Result<_, _>>()?));
    server.app.db.read(|reader| reader.rows(sql, &[], read)).expect("the leads")
}

#[test]
fn a_search_finds_what_looking_at_every_row_finds() {
    let server = Server::start_with(|config| config.api.max_page_size = 100);
    let admin = server.member("boss", Role::Admin);
    let mut random = Random(7);
    // So many that a common word has more rows than are looked at one by one.
    for _ in 0..6 {
        let rows: Vec<[String; 3]> = (0..250).map(|_| [random.text(6), random.text(4), random.text(8)]).collect();
        server.write(move |tx| {
            for (index, [name, contact, location]) in rows.iter().enumerate() {
                let name = if index % 3 == 0 { format!("{name} Common") } else { format!("x{name}") };
                let values: [(&str, Value); 6] = [
                    ("business_id", 1.into()),
                    ("business_name", name.into()),
                    ("contact_name", contact.as_str().into()),
                    ("contact_phone", "0700".into()),
                    ("location", location.as_str().into()),
                    ("currency", "USD".into()),
                ];
                tx.insert("leads", values.into())?;
            }
            Ok(())
        });
    }
    let rows = stored(&server);
    let mut searches: Vec<String> = (0..24).map(|_| random.text(3)).collect();
    // Parts of what is there, as it is written and otherwise.
    for _ in 0..20 {
        let (_, texts) = &rows[random.below(rows.len())];
        let letters: Vec<char> = texts[random.below(2)].chars().collect();
        let at = random.below(letters.len().max(1));
        let part: String = letters.iter().skip(at).take(1 + random.below(5)).collect();
        searches.push(if random.below(2) == 0 { format!("\"{part}\"") } else { part.to_uppercase() });
    }
    searches.extend(
        ["common", "common ab", "COMMON é", "\"b common\"", "0700", "common zzz", "\"", "NEAR(a b)", "a\" OR \"b", "名前", "\"", "*"]
            .map(str::to_owned),
    );
    let lower: Vec<(i64, Vec<String>)> =
        rows.iter().map(|(id, texts)| (*id, texts.iter().map(|text| text.to_lowercase()).collect())).collect();
    let wanted: Vec<BTreeSet<i64>> = searches
        .iter()
        .map(|search| {
            // As the search is split, by other words than the program's.
            let parts = search.split('"').enumerate();
            let terms: Vec<String> = parts
                .fold((vec![String::new()], ()), |(mut terms, ()), (index, part)| {
                    for c in part.chars() {
                        match c {
                            c if index % 2 == 0 && (c == ' ' || c == ',') => terms.push(String::new()),
                            c => terms.last_mut().expect("a term").push(c),
                        }
                    }
                    (terms, ())
                })
                .0;
            let terms: Vec<String> = terms.into_iter().filter(|term| !term.trim().is_empty()).map(|term| term.to_lowercase()).collect();
            let holds = |texts: &Vec<String>| terms.iter().all(|term| texts.iter().any(|text| text.contains(term)));
            lower.iter().filter(|(_, texts)| holds(texts)).map(|(id, _)| *id).collect()
        })
        .collect();
    assert!(wanted.iter().filter(|ids| !ids.is_empty() && ids.len() < 500).count() > 10, "the searches say something");
    assert!(wanted.iter().any(|ids| (500..1000).contains(&ids.len())), "something is common");
    let check = |client: &Client, when: &str| {
        for (search, wanted) in searches.iter().zip(&wanted) {
            assert_eq!(found(client, LEADS, search), *wanted, "{search:?} {when}");
            // In another order, and from the other end.
            let path = format!("{LEADS}?ordering=business_name&page=last&page_size=7&search={}", encoded(search));
            assert_eq!(client.get(&path).expect(200)["count"], wanted.len(), "{search:?} in another order {when}");
        }
    };
    settle(&server);
    assert!(matches!(candidates(&server, "leads", "common"), Candidates::Rows(ids) if ids.len() == 504), "the index knows");
    check(&admin, "indexed");
    server.write(|tx| tx.each("UPDATE search_tables SET complete = 0 WHERE table_name = 'leads'", &[], |_| Ok(())));
    assert_eq!(candidates(&server, "leads", "common"), Candidates::Unknown);
    check(&admin, "without the index");
    // Another program made it otherwise: it is made again.
    server.write(|tx| {
        tx.each(
            "UPDATE search_tables SET complete = 1, definition = replace(hex(zeroblob(32)), '0', 'f') WHERE table_name = 'leads'",
            &[],
            |_| Ok(()),
        )?;
        tx.each("DELETE FROM search_index", &[], |_| Ok(()))
    });
    let server = server.restart();
    let again = admin.at(&server);
    check(&again, "while it is indexed again");
    settle(&server);
    assert!(matches!(candidates(&server, "leads", "common"), Candidates::Rows(ids) if ids.len() == 504), "the index knows again");
    check(&again, "indexed again");
}

#[test]
fn what_waits_is_found() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let id = admin.create(LEADS, json!({"business_name": "Waterbuck", "contact_phone": "1"}))["id"].as_i64().expect("an id");
    settle(&server);
    let place = one(&server, "SELECT number FROM search_tables WHERE table_name = 'leads'") << 40 | id;
    assert_eq!(one(&server, &format!("SELECT count(*) FROM search_index WHERE search_index MATCH 'wat AND erb' AND rowid = {place}")), 1);
    // As if it had not had its turn yet.
    server.write(move |tx| {
        tx.each("DELETE FROM search_index WHERE rowid = ?1", &[place.into()], |_| Ok(()))?;
        tx.each("INSERT INTO search_pending (place) VALUES (?1)", &[place.into()], |_| Ok(()))
    });
    assert_eq!(found(&admin, LEADS, "erbuck"), [id].into());
    let server = server.restart();
    let admin = admin.at(&server);
    assert_eq!(found(&admin, LEADS, "erbuck"), [id].into());
    settle(&server);
    assert_eq!(candidates(&server, "leads", "erbuck"), Candidates::Rows(vec![id]));
    // What is neither changed nor part of the text is not indexed again.
    server.write(move |tx| tx.update("leads", id, vec![("notes", "gnu".into())]));
    assert_eq!(one(&server, "SELECT count(*) FROM search_pending"), 0);
    assert_eq!(found(&admin, LEADS, "gnu").len(), 0);
}

#[test]
fn one_search_goes_through_everything() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    for n in 0..7 {
        admin.create(LEADS, json!({"business_name": format!("Topi <b>{n}</b>"), "contact_phone": "1", "contact_name": "\"O'Topi\" & co"}));
    }
    let zone = admin.create("/api/field/zones/", json!({"name": "Far topi hills", "region": "North"}));
    let path = "/api/search/?q=";
    let body = admin.get(&format!("{path}TOPI")).expect(200);
    assert_eq!(body["q"], "TOPI");
    let groups: Vec<(&str, &str, bool, usize)> = body["results"]
        .as_array()
        .expect("groups")
        .iter()
        .map(|group| {
            let text = |name: &str| group[name].as_str().unwrap_or_default();
            (text("resource"), text("title"), group["has_more"] == true, group["hits"].as_array().map_or(0, Vec::len))
        })
        .collect();
    assert_eq!(groups, [("field/zones", "Zones", false, 1), ("field/leads", "Leads", true, 5)]);
    let hit = &body["results"][0]["hits"][0];
    let wanted = json!({
        "id": zone["id"], "uuid": zone["uuid"], "label": "Far topi hills", "snippet": "Far <mark>topi</mark> hills", "url": format!("/api/field/zones/{}/", zone["id"]),
    });
    assert_eq!(*hit, wanted);
    let leads = hits(&admin, "field/leads", "topi");
    let snippets: Vec<&str> = leads.iter().filter_map(|hit| hit["snippet"].as_str()).collect();
    assert_eq!(snippets.len(), 7);
    assert_eq!(snippets[0], "<mark>Topi</mark> &lt;b&gt;6&lt;/b&gt;");
    let by_contact = hits(&admin, "field/leads", "o'topi");
    assert_eq!(by_contact[0]["snippet"], "&quot;<mark>O&#39;Topi</mark>&quot; &amp; co");
    assert_eq!(admin.get(&format!("{path}topi&limit=2")).expect(200)["results"][1]["hits"].as_array().map(Vec::len), Some(2));
    // Several words, each of which stands somewhere.
    assert_eq!(hits(&admin, "field/zones", "north hills").len(), 1);
    assert_eq!(hits(&admin, "field/zones", "north hillz").len(), 0);
    // One or two letters: how words of the name begin.
    for (q, count) in [("f", 1), ("FA", 1), ("hi", 1), ("to hi", 1), ("op", 0), ("no", 0)] {
        assert_eq!(hits(&admin, "field/zones", q).len(), count, "{q}");
    }
    for (q, parameter, text) in [
        ("", "q", "This field may not be blank."),
        ("%20", "q", "This field may not be blank."),
        ("%22%22", "q", "This field may not be blank."),
        ("a%00b", "q", "Null characters are not allowed."),
        (&"x".repeat(101), "q", "Ensure this field has no more than 100 characters."),
        ("topi&resource=field/gnus", "resource", "Select a valid choice. field/gnus is not one of the available choices."),
    ] {
        admin.get(&format!("{path}{q}")).refuses(json!({parameter: [text]}));
    }
    assert_eq!(admin.get("/api/search/").status, 400);
    let teacher = server.member("teacher", Role::Teacher);
    assert_eq!(teacher.get(&format!("{path}topi&resource=field/leads")).status, 403);
    assert_eq!(teacher.get(&format!("{path}topi")).expect(200)["results"], json!([]));
}

#[test]
fn what_is_private_is_not_found() {
    let server = Server::start();
    let admin = server.member("boss", Role::Admin);
    let staff = server.staff("helper", &[]);
    admin.create("/api/accounts/staff-profiles/", json!({"name": "Gerenuk", "notes": "confidential eland"}));
    for client in [&admin, &staff] {
        for q in ["confidential", "eland"] {
            assert_eq!(client.get(&format!("/api/search/?q={q}")).expect(200)["results"], json!([]));
        }
        assert!(!client.get("/api/search/?q=gerenuk").text.contains("eland"));
    }
    // Nobody outside finds the fields that no list shows.
    for d in resources::all() {
        for name in d.about.search {
            assert!(d.field(name).is_none_or(|field| !field.hidden), "{}.{name} is searched and hidden", d.about.path);
        }
    }
}

/// Very many rows match, and the few that the caller may see are the oldest: they are found all the same.
#[test]
fn few_of_very_many_are_found() {
    let server = Server::start_with(|config| config.auth.access_seconds = 10_000_000);
    let agent = server.member("agent", Role::Agent);
    let abroad = server.business("Abroad");
    let (rep, mine) = (agent.id, server.member_with("owner", Role::Admin, abroad, &[]));
    let insert = |business: i64, rep: Option<i64>, count: i64| {
        server.write(move |tx| {
            let sql = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?3)
                INSERT INTO leads (uuid, created_at, updated_at, business_id, business_name, contact_phone, currency, assigned_rep_id)
                SELECT lower(hex(randomblob(16))), '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', ?1, 'Sitatunga ' || i, '1', 'USD', ?2 FROM n";
            tx.each(sql, &[business.into(), rep.into(), count.into()], |_| Ok(()))
        });
    };
    insert(1, Some(rep), 3);
    insert(abroad, None, 2);
    insert(1, None, 25_000);
    // As of a database that has no index yet.
    server.write(|tx| {
        tx.each("UPDATE search_tables SET complete = 0, indexed_to = 0, definition = replace(hex(zeroblob(32)), '0', 'f')", &[], |_| Ok(()))
    });
    let server = server.restart();
    let (agent, mine) = (agent.at(&server), mine.at(&server));
    let see = |when: &str| {
        assert_eq!(hits(&agent, "field/leads", "sitatunga").len(), 3, "{when}");
        assert_eq!(hits(&mine, "field/leads", "sitatunga").len(), 2, "{when}");
        assert_eq!(found(&agent, LEADS, "sitatunga").len(), 3, "{when}");
        assert_eq!(found(&mine, LEADS, "sitatunga 2").len(), 1, "{when}");
    };
    see("while they are indexed");
    settle(&server);
    assert_eq!(candidates(&server, "leads", "sitatunga"), Candidates::Many);
    see("once they are indexed");
}
