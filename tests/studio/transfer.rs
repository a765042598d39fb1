//! Exports and imports: for every resource, a file holds what its list holds, and taken in again it changes nothing; what is wrong with
//! a file is said by line and column; nothing is stored that was not to be.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::{Value, json};
use studio::{
    actor::Role,
    engine::{
        Descriptor,
        field::{Field, Kind},
        table::{
            cell::{Shown, join, split},
            csv,
            grid::Grid,
            xlsx_read,
            xlsx_write::Sheet,
        },
    },
    resources,
};

use crate::{
    contract::{encoded, some},
    samples::{World, for_each, sample, writable},
    support::{Answer, Client, Folder, Server},
};

const CSV: &str = "text/csv";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const LEADS: &str = "/api/field/leads/import/";

fn everything() -> Vec<&'static Descriptor> {
    resources::all().iter().collect()
}

fn list(client: &Client, d: &Descriptor, query: &str) -> Vec<Value> {
    let page = client.get(&format!("/api/{}/?page_size=100{query}", d.about.path)).expect(200);
    assert_eq!(page["next"], json!(null), "more than 100 records do not fit on one page of this test");
    page["results"].as_array().expect("results").clone()
}

fn export(client: &Client, d: &Descriptor, format: &str, query: &str) -> Vec<u8> {
    client.download(&format!("/api/{}/export/?format={format}{query}", d.about.path))
}

fn read_csv(bytes: &[u8]) -> Grid {
    csv::read(bytes, 1000).expect("a CSV file")
}

fn read_xlsx(bytes: Vec<u8>) -> Grid {
    xlsx_read::read(&bytes.into(), 1000).expect("an XLSX file")
}

fn cells(grid: &Grid) -> Vec<Vec<String>> {
    let width = grid.headings.len();
    grid.lines.iter().map(|line| (0..width).map(|column| line.raw(column).to_owned()).collect()).collect()
}

fn column(grid: &Grid, heading: &str) -> Vec<String> {
    let at = grid.headings.iter().position(|known| known == heading).unwrap_or_else(|| panic!("no {heading} in {:?}", grid.headings));
    grid.lines.iter().map(|line| line.raw(at).to_owned()).collect()
}

/// A report that is finished.
#[track_caller]
fn report(answer: &Answer) -> Value {
    let report = answer.expect(200);
    assert_ne!(report["status"], "running", "{report}");
    report
}

#[track_caller]
fn counts(report: &Value, wanted: [i64; 3]) {
    assert_eq!([&report["created"], &report["updated"], &report["failed"]].map(Value::as_i64), wanted.map(Some), "{report}");
}

fn names(client: &Client) -> Vec<String> {
    let leads = client.get("/api/field/leads/?page_size=100&ordering=business_name").expect(200);
    leads["results"].as_array().expect("leads").iter().map(|lead| lead["business_name"].as_str().unwrap_or_default().to_owned()).collect()
}

// ------------------------------------------------------------------------------------------------ exports

/// What a cell of CSV shows of a field, by other words than the program's.
fn shown(field: &Field, record: &Value) -> Option<String> {
    let value = record.get(format!("{}_id", field.name)).unwrap_or(&record[field.name]);
    Some(match (&field.kind, value) {
        (_, Value::Null) => String::new(),
        (Kind::Reference(_), id) => id.to_string(),
        (Kind::Texts, Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "),
        (Kind::Lines(..) | Kind::Json, _) => return None,
        (Kind::Number, number) => number.as_f64().map(|number| number.to_string()).unwrap_or_default(),
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    })
}

#[test]
fn exports_hold_what_the_list_holds() {
    for_each(&everything(), |world, d| {
        let all = some(world, d);
        assert!(all.len() >= 3);
        let mut queries: Vec<String> = vec![String::new()];
        queries.extend(d.about.order.iter().flat_map(|term| {
            let name = term.trim_start_matches('-');
            [format!("&ordering={name}"), format!("&ordering=-{name}")]
        }));
        let fields = d.visible().filter(|field| d.filters.contains(&field.name) && field.kind != Kind::Texts);
        queries.extend(fields.filter_map(|field| {
            let value = all.iter().find_map(|record| shown(field, record).filter(|text| !text.is_empty()))?;
            Some(format!("&{}={}", field.name, encoded(&value)))
        }));
        queries.extend((!d.about.search.is_empty()).then(|| "&search=a".to_owned()));
        for query in queries {
            let wanted = list(&world.admin, d, &query);
            let rows: Value = serde_json::from_slice(&export(&world.admin, d, "json", &query)).expect("JSON");
            assert_eq!(rows.as_array(), Some(&wanted), "{query}");
            let lines = String::from_utf8(export(&world.admin, d, "ndjson", &query)).expect("text");
            let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
            assert_eq!(lines, wanted, "{query}");
            let table = read_csv(&export(&world.admin, d, "csv", &query));
            let ids: Vec<String> = wanted.iter().map(|record| record["id"].to_string()).collect();
            assert_eq!(column(&table, "ID"), ids, "{query}");
            let uuids: Vec<&str> = wanted.iter().filter_map(|record| record["uuid"].as_str()).collect();
            assert_eq!(column(&table, "UUID"), uuids);
            let sheet = read_xlsx(export(&world.admin, d, "xlsx", &query));
            // A number of a sheet has no zeros at its end.
            let plain = |grid: &Grid| -> Vec<Vec<String>> {
                let number = |cell: String| cell.parse::<f64>().map_or(cell, |number| number.to_string());
                cells(grid).into_iter().map(|line| line.into_iter().map(number).collect()).collect()
            };
            assert_eq!((&sheet.headings, plain(&sheet)), (&table.headings, plain(&table)), "{query}");
        }
        // Every field by itself, and as it stands in the list.
        let wanted = list(&world.admin, d, "");
        for field in d.visible() {
            let name = if matches!(field.kind, Kind::Reference(_)) { format!("{}_id", field.name) } else { field.name.to_owned() };
            let table = read_csv(&export(&world.admin, d, "csv", &format!("&fields=id,{name}")));
            assert_eq!(table.headings.len(), 2);
            for (line, record) in table.lines.iter().zip(&wanted) {
                if let Some(text) = shown(field, record) {
                    assert_eq!(line.raw(1), text, "{name} of {record}");
                }
            }
            if let Kind::Lines(..) = field.kind {
                let lines: Vec<Value> = table.lines.iter().map(|line| serde_json::from_str(line.raw(1)).expect("JSON")).collect();
                assert_eq!(lines, wanted.iter().map(|record| record[field.name].clone()).collect::<Vec<_>>());
            }
        }
        let some: Value = serde_json::from_slice(&export(&world.admin, d, "json", "&fields=uuid,id")).expect("JSON");
        let pairs: Vec<Value> = wanted.iter().map(|record| json!({"uuid": record["uuid"], "id": record["id"]})).collect();
        assert_eq!(some, Value::Array(pairs));
    });
}

#[test]
fn references_are_shown_by_name_and_id() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let zone = admin.create("/api/field/zones/", json!({"name": "North"}));
    admin.create(
        "/api/field/leads/",
        json!({"business_name": "Duka", "contact_phone": "0700", "zone": zone["id"], "expected_value": "12.5", "currency": "EUR"}),
    );
    admin.create("/api/field/leads/", json!({"business_name": "Kiosk", "contact_phone": "0701"}));
    let bytes =
        admin.download("/api/field/leads/export/?ordering=business_name&fields=business_name,zone,zone_id,expected_value,currency,is_hot");
    let wanted = format!(
        "Business name,Zone,Zone ID,Expected value,Currency,Is hot\r\nDuka,North,{},12.50,EUR,false\r\nKiosk,,,,USD,false\r\n",
        zone["id"]
    );
    assert_eq!(String::from_utf8(bytes).expect("text"), wanted);
    // In a sheet, numbers and dates are such.
    let sheet = admin.download("/api/field/leads/export/?format=xlsx&fields=business_name,expected_value,zone_id&ordering=business_name");
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(sheet)).expect("an archive");
    let mut xml = String::new();
    std::io::Read::read_to_string(&mut archive.by_name("xl/worksheets/sheet1.xml").expect("a sheet"), &mut xml).expect("XML");
    assert!(xml.contains("<v>12.5</v>") && xml.contains("ySplit=\"1\"") && xml.contains("state=\"frozen\""), "{xml}");
}

#[test]
fn what_an_export_is_asked_for_is_checked() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let get = |query: &str| admin.get(&format!("/api/field/leads/export/?{query}"));
    let unknown = get("fields=business_name,shoe_size,phone_norm").expect(400);
    assert!(unknown["fields"][0].as_str().is_some_and(|text| text.starts_with("Unknown fields: shoe_size, phone_norm.")), "{unknown}");
    get("format=pdf").refuses(json!({"format": ["Select a valid choice. pdf is not one of the available choices."]}));
    for wrong in ["stage=x", "zone=987", "search=%00", "created_at=x"] {
        let listed = admin.get(&format!("/api/field/leads/?{wrong}"));
        assert_eq!((get(wrong).status, get(wrong).json()), (listed.status, listed.json()), "{wrong}");
        assert_eq!(listed.status, 400);
    }
    for (format, media) in
        [("csv", "text/csv; charset=utf-8"), ("json", "application/json"), ("ndjson", "application/x-ndjson"), ("xlsx", XLSX)]
    {
        let answer = get(&format!("format={format}"));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some(media));
        let name = format!("leads-2026-03-02.{format}");
        let disposition = format!("attachment; filename=\"{name}\"; filename*=UTF-8''{name}");
        assert_eq!(answer.header("content-disposition"), Some(disposition.as_str()));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(get("format=json").json(), json!([]));
    assert!(get("bom=true").text.starts_with("\u{feff}ID,UUID,Business name,"));
    assert!(get("").text.starts_with("ID,UUID,Business name,"));
    assert_eq!(admin.with("accept", "text/csv").get("/api/field/leads/export/").status, 200);
    // No file comes in an envelope; a report does.
    let wrapped = admin.with("x-response-format", "standard");
    assert_eq!(wrapped.get("/api/field/leads/export/?format=json").json(), json!([]));
    let report = wrapped.import(&format!("{LEADS}?dry_run=true"), CSV, "Business name,Contact phone\nDuka,1\n").json();
    assert_eq!(report["data"]["created"], 1, "{report}");
    // Each is in the audit trail.
    let sql = "SELECT after FROM audit_log WHERE action = 'leads.export' AND target_id = 0 AND actor_id = ?1 ORDER BY id DESC";
    let story: Option<String> = server.app.db.read(|reader| reader.one(sql, &[admin.id.into()])).expect("a query");
    assert_eq!(story.as_deref(), Some(r#"{"format":"json","count":0}"#));
}

#[test]
fn deleted_records_are_exported_when_asked_for() {
    let server = Server::start();
    let (admin, agent) = (server.member("ann", Role::Admin), server.member("art", Role::Agent));
    let zone = admin.create("/api/field/zones/", json!({"name": "North"}));
    assert_eq!(admin.delete(&format!("/api/field/zones/{}/", zone["id"])).status, 204);
    assert_eq!(read_csv(&admin.download("/api/field/zones/export/")).lines.len(), 0);
    let table = read_csv(&admin.download("/api/field/zones/export/?include_deleted=true"));
    assert_eq!(column(&table, "Deleted at"), ["2026-03-02T09:00:00.000Z"]);
    assert_eq!(read_csv(&agent.download("/api/field/zones/export/?include_deleted=true")).lines.len(), 0);
}

#[test]
fn private_fields_are_exported_to_those_who_see_them() {
    for d in resources::all().iter().filter(|d| !d.about.private.is_empty()) {
        let server = Server::start();
        let world = World::new_in(&server);
        let records = some(&world, d);
        let mut staff = server.staff("sam", &[]);
        if d.about.table == "accounts" {
            // Not for staff at all; those who keep a cash box see that.
            assert_eq!(staff.get("/api/finance/accounts/export/?format=csv").status, 403);
            staff = server.member("keeper", Role::Agent);
            for record in &records {
                world.admin.patch(&format!("/api/finance/accounts/{}/", record["id"]), json!({"owner": staff.id})).expect(200);
            }
        }
        for (name, _) in d.about.private {
            let all = |client: &Client| read_csv(&export(client, d, "csv", &format!("&fields=id,{name}"))).lines;
            assert!(all(&world.admin).iter().any(|line| !line.raw(1).is_empty()), "{name}");
            let shown = all(&staff);
            assert!(!shown.is_empty() && shown.iter().all(|line| line.raw(1).is_empty()), "{name}");
        }
    }
}

#[test]
fn formulas_are_defused() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let nasty = ["=1+1", "+256 700", "-5", "@SUM(A1)", "＝1", "＋1", "－1", "＠x", "'=1", "''+2", "'plain", "plain", "a,\"b\"\r\nc;d"];
    for name in nasty {
        admin.create("/api/field/leads/", json!({"business_name": name, "contact_phone": "-1", "notes": "\u{1}x"}));
    }
    let bytes = admin.download("/api/field/leads/export/?ordering=created_at&fields=business_name,contact_phone");
    let mut reader = ::csv::ReaderBuilder::new().has_headers(true).from_reader(bytes.as_slice());
    for record in reader.records() {
        let record = record.expect("a record");
        for cell in &record {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\0', '＝', '＋', '－', '＠']), "{cell:?}");
        }
        assert_eq!(&record[1], "'-1");
    }
    let wanted: BTreeSet<&str> = nasty.into_iter().collect();
    for format in ["csv", "xlsx"] {
        let bytes = admin.download(&format!("/api/field/leads/export/?format={format}"));
        let table = if format == "csv" { read_csv(&bytes) } else { read_xlsx(bytes.clone()) };
        let found = column(&table, "Business name");
        assert_eq!(found.iter().map(String::as_str).collect::<BTreeSet<_>>(), wanted);
        // And taken in again they are what they were.
        let report = report(&admin.import(LEADS, if format == "csv" { CSV } else { XLSX }, bytes));
        counts(&report, [0, nasty.len() as i64, 0]);
    }
    let leads = admin.get("/api/field/leads/?page_size=100").expect(200);
    for lead in leads["results"].as_array().expect("leads") {
        assert!(wanted.contains(lead["business_name"].as_str().expect("a name")) && lead["version"] == 1, "{lead}");
    }
}

// ------------------------------------------------------------------------------------------------ there and back

#[test]
fn what_was_exported_changes_nothing_when_it_is_imported() {
    for_each(&writable(), |world, d| {
        some(world, d);
        let before = list(&world.admin, d, "");
        for (format, media) in [("csv", CSV), ("xlsx", XLSX)] {
            let file = export(&world.admin, d, format, "");
            for parameters in ["", "?dry_run=true", "?atomic=true"] {
                let answer = world.admin.import(&format!("/api/{}/import/{parameters}", d.about.path), media, file.clone());
                let report = report(&answer);
                counts(&report, [0, before.len() as i64, 0]);
                assert_eq!((&report["status"], &report["errors"]), (&json!("done"), &json!([])));
                assert_eq!(list(&world.admin, d, ""), before, "{format} {parameters}");
            }
        }
    });
}

#[test]
fn what_was_exported_is_the_same_in_another_business() {
    for_each(&writable(), |world, d| {
        let fields: Vec<&Field> = d.visible().filter(|field| !field.server_set && !matches!(field.kind, Kind::Reference(_))).collect();
        // A payment is nobody's without its party, and a transaction nowhere without its account.
        let leans = ["payments", "transactions"].contains(&d.about.table);
        if leans || d.fields.iter().any(|field| field.required && matches!(field.kind, Kind::Reference(_))) {
            return;
        }
        some(world, d);
        let fields = fields.iter().map(|field| field.name).collect::<Vec<_>>().join(",");
        for (format, media) in [("csv", CSV), ("xlsx", XLSX)] {
            let name: &'static str = format!("{}-{format}", d.about.table.replace('_', "-")).leak();
            let business = world.server.business(name);
            let other = world.server.member_with(&format!("ann-{name}"), Role::Admin, business, &[]);
            let file = export(&world.admin, d, format, &format!("&fields={fields}"));
            let count = if format == "csv" { read_csv(&file).lines.len() } else { read_xlsx(file.clone()).lines.len() };
            let report = report(&other.import(&format!("/api/{}/import/", d.about.path), media, file));
            counts(&report, [count as i64, 0, 0]);
            let sorted = |client: &Client| {
                let table = read_csv(&export(client, d, "csv", &format!("&fields={fields}")));
                // Rows of a record have new ids.
                let mut lines: Vec<String> = cells(&table).iter().map(|cells| without_ids(&cells.join("|"))).collect();
                lines.sort();
                lines
            };
            assert_eq!(sorted(&other), sorted(&world.admin), "{format}");
        }
    });
}

fn without_ids(text: &str) -> String {
    let mut parts = text.split("\"id\":");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ','))
}

fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("=".to_owned()),
        Just("\t".to_owned()),
        Just("\r".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\"".to_owned()),
        Just(",".to_owned()),
        Just(";".to_owned()),
        Just("; ".to_owned()),
        Just("[".to_owned()),
        Just("_x000D_".to_owned()),
        Just("_x005F_".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("\u{ffff}".to_owned()),
        Just("＝".to_owned()),
        Just("&amp;<![CDATA[".to_owned()),
        Just(" ".to_owned()),
        "[\\PC]{0,4}",
        "[\u{1}-\u{1f}]{0,2}",
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_is_read_as_it_was_written(texts in proptest::collection::vec(proptest::collection::vec(nasty(), 3), 1..5)) {
        // The first column is there so that no row is empty.
        let rows: Vec<Vec<Shown>> = texts
            .iter()
            .map(|row| std::iter::once(Shown::Integer(1)).chain(row.iter().map(|text| Shown::Text(text.clone()))).collect())
            .collect();
        let headings = ["N", "A", "B", "C"];
        let wanted: Vec<Vec<String>> = texts.iter().map(|row| std::iter::once("1".to_owned()).chain(row.clone()).collect()).collect();
        let mut file = vec![];
        csv::write(&mut file, std::iter::once(csv::headings(headings.into_iter()).as_slice())).expect("headings");
        csv::write(&mut file, rows.iter().map(Vec::as_slice)).expect("rows");
        prop_assert_eq!(cells(&read_csv(&file)), wanted.clone());

        let folder = Folder::new();
        let mut sheet = Sheet::begin(folder.path(), headings.map(str::to_owned).to_vec()).expect("a sheet");
        for row in &rows {
            sheet.row(row).expect("a row");
        }
        let mut bytes = vec![];
        std::io::Read::read_to_end(&mut sheet.finish(folder.path()).expect("a file"), &mut bytes).expect("bytes");
        // A cell of nothing but space is an empty one.
        let blank = |rows: Vec<Vec<String>>| -> Vec<Vec<String>> {
            rows.into_iter().map(|row| row.into_iter().map(|cell| if cell.trim().is_empty() { String::new() } else { cell }).collect()).collect()
        };
        prop_assert_eq!(blank(cells(&read_xlsx(bytes))), blank(wanted));
    }

    #[test]
    fn lists_of_texts_are_taken_apart_as_they_were_joined(texts in proptest::collection::vec(nasty(), 0..5)) {
        prop_assert_eq!(split(&join(&texts)), Some(texts));
    }

    #[test]
    fn a_record_comes_back_whatever_its_texts(name in nasty(), notes in nasty(), tags in proptest::collection::vec(nasty(), 0..3)) {
        thread_local! {
            static SERVER: (Server, Client) = {
                let server = Server::start_with(|config| config.auth.access_seconds = 10_000_000);
                let admin = server.member("ann", Role::Admin);
                (server, admin)
            };
        }
        SERVER.with(|(_, admin)| {
            let body = json!({"business_name": format!("x{name}"), "contact_phone": "1", "notes": notes, "tags": tags});
            let made = admin.post("/api/field/leads/", body);
            prop_assert_eq!(made.status, 201, "{}", made.text);
            let url = format!("/api/field/leads/{}/", made.json()["id"]);
            let before = admin.get(&url).json();
            for (format, media) in [("csv", CSV), ("xlsx", XLSX)] {
                let file = admin.download(&format!("/api/field/leads/export/?format={format}"));
                let report = admin.import(LEADS, media, file).json();
                prop_assert_eq!(&report["failed"], &json!(0), "{}", report);
                prop_assert_eq!(&admin.get(&url).json(), &before);
            }
            prop_assert_eq!(admin.delete(&url).status, 204);
            Ok(())
        })?;
    }
}

// ------------------------------------------------------------------------------------------------ imports

#[test]
fn headings_are_found_however_they_are_written() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let file = "\u{feff}business NAME;Contact Phone;Stage;is_hot;Shoe size;won_at;\r\nDuka;0700;Prospect;true;44;x;\r\n\r\n;;;;;;\r\nKiosk;0701;;;;;\r\n";
    let done = report(&admin.import(LEADS, CSV, file));
    counts(&done, [2, 0, 0]);
    assert_eq!(done["ignored_columns"], json!(["is_hot", "Shoe size", "won_at"]));
    assert_eq!(done["total"], 2);
    assert_eq!(names(&admin), ["Duka", "Kiosk"]);
    counts(&report(&admin.import(LEADS, CSV, "business_name\tcontact_phone\nSalon\t1\n")), [1, 0, 0]);
    let part = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.csv\"\r\n\r\nBusiness name,Contact phone\r\nHotel,1\r\n\r\n--b--\r\n";
    counts(&report(&admin.import(LEADS, "multipart/form-data; boundary=b", part)), [1, 0, 0]);
    assert_eq!(names(&admin), ["Duka", "Hotel", "Kiosk", "Salon"]);
}

#[test]
fn files_that_cannot_be_read_are_refused_at_once() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let parse = |file: &[u8]| admin.import(LEADS, CSV, file).expect(400)["detail"].as_str().unwrap_or_default().to_owned();
    assert!(parse(b"Business name,Contact phone\r\nDuka,1\r\nCaf\xe9,2\r\n").contains("line 3"));
    assert!(parse(b"Business name,Contact phone\r\nDuka,1\r\n\"Kiosk,2\r\n\r\n").starts_with("Line 3: a quote is opened"));
    assert!(parse(b"Business name,Contact phone\n\"Duka\"x,1\n").starts_with("Line 2: something follows"));
    assert!(parse(b"PK\x03\x04 and so on").contains("XLSX"));
    let no_archive = admin.import(LEADS, XLSX, "Business name,Contact phone\n").expect(400);
    assert_eq!(no_archive["detail"], "The file is no XLSX that can be read: it is no archive.");
    let refuse = |query: &str, file: &str, body: Value| admin.import(&format!("{LEADS}{query}"), CSV, file).refuses(body);
    refuse("", "", json!({"file": ["The file is empty."]}));
    refuse("", "a,b\n1,2\n", json!({"file": ["None of its columns is known."]}));
    refuse("", "Business name\nDuka\n", json!({"file": ["The column Contact phone is required."]}));
    refuse(
        "",
        "Business name,business_name,Contact phone\n",
        json!({"file": ["The columns Business name and business_name are the same."]}),
    );
    refuse("?key=shoe", "Business name,Contact phone\n", json!({"key": ["The file has no column shoe that could be a key."]}));
    refuse("?key=tags", "Business name,Contact phone,Tags\n", json!({"key": ["tags cannot be a key."]}));
    let many = "x,1\n".repeat(5001);
    refuse(
        "?atomic=true",
        &format!("business_name,contact_phone\n{many}"),
        json!({"atomic": ["All or nothing is for files of at most 5000 lines."]}),
    );
    assert_eq!(admin.import(LEADS, "application/json", "{}").status, 415);
    assert_eq!(admin.import(LEADS, "multipart/form-data; boundary=b", "--b--\r\n").status, 400);
    assert_eq!(admin.get("/api/imports/").expect(200)["count"], 0);
    assert_eq!(names(&admin), Vec::<String>::new());
}

#[test]
fn archives_that_unpack_to_too_much_are_refused() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    archive.start_file("xl/sharedStrings.xml", zip::write::SimpleFileOptions::default()).expect("a part");
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..130 {
        std::io::Write::write_all(&mut archive, &zeros).expect("bytes");
    }
    let bytes = archive.finish().expect("an archive").into_inner();
    assert!(bytes.len() < 1 << 20);
    let refused = admin.import(LEADS, XLSX, bytes).expect(400);
    assert_eq!(refused["detail"], "The file unpacks to more than can be read.");
}

#[test]
fn errors_are_told_by_line_and_column() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let file = "Business name,Contact phone,Lat,Lon,Stage,Expected value,Zone\r\n\
                Duka,0700,,,prospect,,\r\n\
                \"Two\r\nlines\",0701,91,1,nowhere,,\r\n\
                ,0702,,,,12.345,\r\n\
                Salon,0703,,,lost,,\r\n\
                Hotel,0704,,,,,Nowhere\r\n\
                Bar,0705,,,,,,extra\r\n";
    for parameters in ["?dry_run=true", "?atomic=true", "?atomic=true&dry_run=true", ""] {
        let done = report(&admin.import(&format!("{LEADS}{parameters}"), CSV, file));
        let atomic = parameters.contains("atomic");
        counts(&done, if atomic { [0, 0, 5] } else { [1, 0, 5] });
        assert_eq!(done["status"], if atomic { "failed" } else { "done" });
        let error = |row: u32, column: Value, text: &str| json!({"row": row, "column": column, "messages": [text]});
        let wanted = json!([
            error(3, json!("Lat"), "Ensure this value is less than or equal to 90."),
            error(3, json!("Stage"), "\"nowhere\" is not a valid choice."),
            error(5, json!("Business name"), "This field may not be blank."),
            error(5, json!("Expected value"), "Ensure that there are no more than 2 decimal places."),
            error(6, Value::Null, "Lost reason: This field is required."),
            error(7, json!("Zone"), "Invalid name \"Nowhere\" - object does not exist."),
            error(8, Value::Null, "The line has 8 cells, and there are 7 headings."),
        ]);
        let mut wanted: Vec<Value> = wanted.as_array().expect("errors").clone();
        // A new record gets the default for an empty cell; a required one is missing.
        wanted[2] = error(5, json!("Business name"), "This field is required.");
        assert_eq!(done["errors"], Value::Array(wanted), "{parameters}");
        assert_eq!(done["errors_cut"], false);
        assert_eq!(names(&admin).len(), usize::from(parameters.is_empty()), "{parameters}");
    }
    assert_eq!(names(&admin), ["Duka"]);
}

#[test]
fn a_dry_run_stores_nothing() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let lead = admin.create("/api/field/leads/", json!({"business_name": "Duka", "contact_phone": "1"}));
    let tables = ["leads", "lead_stage_events", "audit_log"];
    let dump = || -> Vec<i64> {
        let count = |table: &&str| {
            let but = if **table == *"audit_log" { " WHERE action <> 'leads.import'" } else { "" };
            server.app.db.read(|reader| reader.one(&format!("SELECT count(*) FROM {table}{but}"), &[])).expect("a count").unwrap_or(0)
        };
        tables.iter().map(count).collect()
    };
    let (before, record) = (dump(), admin.get(&format!("/api/field/leads/{}/", lead["id"])).json());
    let file = format!("ID,Business name,Contact phone\n{},Other,2\n,Kiosk,3\n987654,Bar,4\n", lead["id"]);
    let done = report(&admin.import(&format!("{LEADS}?dry_run=true"), CSV, file));
    counts(&done, [1, 1, 1]);
    assert_eq!(done["errors"][0], json!({"row": 4, "column": "ID", "messages": ["Invalid pk \"987654\" - object does not exist."]}));
    assert_eq!(dump(), before);
    assert_eq!(admin.get(&format!("/api/field/leads/{}/", lead["id"])).json(), record);
}

#[test]
fn the_same_file_twice_changes_what_it_made() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let file =
        |notes: &str| format!("Business name,Contact phone,Client ref,Notes\nDuka,1,a1,{notes}\nKiosk,2,a2,{notes}\nSalon,3,,{notes}\n");
    let path = format!("{LEADS}?key=client_ref");
    counts(&report(&admin.import(&path, CSV, file("one"))), [3, 0, 0]);
    counts(&report(&admin.import(&path, CSV, file("two"))), [1, 2, 0]);
    assert_eq!(names(&admin), ["Duka", "Kiosk", "Salon", "Salon"]);
    let leads = admin.get("/api/field/leads/?ordering=business_name").expect(200);
    assert_eq!(leads["results"][0]["notes"], "two");
    // The same key in two lines, and on two records.
    let twice = "Business name,Contact phone,Client ref\nX,1,b1\nY,2,b1\n";
    for parameters in ["&dry_run=true", ""] {
        let done = report(&admin.import(&format!("{path}{parameters}"), CSV, twice));
        counts(&done, [1, 0, 1]);
        assert_eq!(done["errors"], json!([{"row": 3, "column": "Client ref", "messages": ["The same value stands in line 2 already."]}]));
    }
    let done = report(&admin.import(
        &format!("{LEADS}?key=Business name").replace(' ', "%20"),
        CSV,
        "Business name,Notes\nSalon,x\nNew,y\nDuka,z\n",
    ));
    counts(&done, [0, 1, 2]);
    let wanted = json!([
        {"row": 1, "column": "Contact phone", "messages": ["This column is required for new records."]},
        {"row": 2, "column": "Business name", "messages": ["\"Salon\" matches 2 records."]},
    ]);
    assert_eq!(done["errors"], wanted);
    // An empty cell empties a field that there is, as far as it may be empty.
    let done = report(&admin.import(&format!("{path}&x=1"), CSV, "Client ref,Business name,Contact phone,Notes\na1,Duka,1,\na2,,2,\n"));
    counts(&done, [0, 1, 1]);
    assert_eq!(done["errors"], json!([{"row": 3, "column": "Business name", "messages": ["This field may not be blank."]}]));
    assert_eq!(admin.get("/api/field/leads/?ordering=business_name").expect(200)["results"][0]["notes"], "");
}

#[test]
fn references_are_given_by_id_uuid_or_name() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let abroad = server.business("Abroad");
    let stranger = server.member_with("bob", Role::Admin, abroad, &[]);
    let zone = |client: &Client, name: &str| client.create("/api/field/zones/", json!({"name": name}));
    let (north, foreign) = (zone(&admin, "North"), zone(&stranger, "Foreign"));
    let numbered = zone(&admin, "12345");
    let confusing = zone(&admin, &north["id"].to_string());
    let send = |cell: &str| {
        let file = format!("Business name,Contact phone,Zone\nDuka,1,{cell}\n");
        report(&admin.import(LEADS, CSV, file))
    };
    let newest = || admin.get("/api/field/leads/?page_size=1").expect(200)["results"][0]["zone_id"].clone();
    for (cell, wanted) in [
        ("North".to_owned(), &north),
        (" North ".to_owned(), &north),
        (north["uuid"].as_str().expect("a uuid").to_owned(), &north),
        (confusing["uuid"].as_str().expect("a uuid").to_owned(), &confusing),
        (numbered["id"].to_string(), &numbered),
        ("12345".to_owned(), &numbered),
    ] {
        counts(&send(&cell), [1, 0, 0]);
        server.clock.advance(1);
        assert_eq!(newest(), wanted["id"], "{cell}");
    }
    let refused = |cell: &str, text: String| {
        let done = send(cell);
        counts(&done, [0, 0, 1]);
        assert_eq!(done["errors"], json!([{"row": 2, "column": "Zone", "messages": [text]}]));
    };
    refused("Nowhere", "Invalid name \"Nowhere\" - object does not exist.".into());
    refused("Foreign", "Invalid name \"Foreign\" - object does not exist.".into());
    let (id, uuid) = (foreign["id"].to_string(), foreign["uuid"].as_str().expect("a uuid").to_owned());
    refused(&id, format!("Invalid pk \"{id}\" - object does not exist."));
    refused(&uuid, format!("Invalid pk \"{uuid}\" - object does not exist."));
    refused("987654", "Invalid pk \"987654\" - object does not exist.".into());
    let id = north["id"].to_string();
    refused(&id, format!("\"{id}\" is the name of one record and the id of another."));
    // Name and id of one reference must agree; the id says which of several.
    for _ in 0..2 {
        admin.create("/api/field/leads/", json!({"business_name": "Twin", "contact_phone": "1"}));
    }
    let twin = admin.create("/api/field/leads/", json!({"business_name": "Twin", "contact_phone": "1"}));
    let action = |name: &str, id: &str| {
        let file = format!("Lead,Lead ID,Type\n{name},{id},call\n");
        report(&admin.import("/api/field/actions/import/", CSV, file))
    };
    assert_eq!(action("Twin", "")["errors"][0]["messages"], json!(["\"Twin\" matches 3 records; name one by its id."]));
    counts(&action("Twin", &twin["id"].to_string()), [1, 0, 0]);
    let words = format!("\"Other\" is not what {} is called: \"Twin\". Leave one of the two cells empty.", twin["id"]);
    assert_eq!(action("Other", &twin["id"].to_string())["errors"][0]["messages"], json!([words]));
    // Whose name is not to be read has none.
    let agent = server.member("art", Role::Agent);
    let file = "Lead,Type\nTwin,call\n";
    let done = report(&agent.import("/api/field/actions/import/", CSV, file));
    assert_eq!(done["errors"][0]["messages"], json!(["Invalid name \"Twin\" - object does not exist."]));
}

#[test]
fn records_of_others_are_not_there() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let abroad = server.business("Abroad");
    let stranger = server.member_with("bob", Role::Admin, abroad, &[]);
    let agent = server.member("art", Role::Agent);
    let lead = admin.create("/api/field/leads/", json!({"business_name": "Duka", "contact_phone": "1", "client_ref": "r1"}));
    for client in [&stranger, &agent] {
        for (heading, key) in [("ID", lead["id"].to_string()), ("UUID", lead["uuid"].as_str().expect("a uuid").to_owned())] {
            let done = report(&client.import(LEADS, CSV, format!("{heading},Business name\n{key},Taken\n")));
            counts(&done, [0, 0, 1]);
            let text = format!("Invalid pk \"{key}\" - object does not exist.");
            assert_eq!(done["errors"], json!([{"row": 2, "column": heading, "messages": [text]}]));
        }
    }
    // Neither do they match by a key.
    let done = report(&stranger.import(&format!("{LEADS}?key=client_ref"), CSV, "Client ref,Business name,Contact phone\nr1,Mine,2\n"));
    counts(&done, [1, 0, 0]);
    assert_eq!(names(&admin), ["Duka"]);
    assert_eq!(names(&stranger), ["Mine"]);
    let other = admin.create("/api/field/leads/", json!({"business_name": "Kiosk", "contact_phone": "1"}));
    let file = format!("id,uuid,Business name\n{},{},X\n", lead["id"], other["uuid"].as_str().expect("a uuid"));
    let done = report(&admin.import(LEADS, CSV, file));
    assert_eq!(done["errors"][0]["messages"], json!(["The id and the uuid are of different records."]));
}

#[test]
fn sheets_are_read_with_their_types() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (column, heading) in (0..).zip(["Business name", "Contact phone", "Follow up date", "Expected value", "Lat", "Lon", "Tags"]) {
        sheet.write_string(0, column, heading).expect("a heading");
    }
    let date = Format::new().set_num_format("d/m/yyyy");
    sheet.write_string(2, 0, "Duka").expect("a cell");
    sheet.write_number(2, 1, 256_700_123_456.0).expect("a cell");
    sheet.write_datetime_with_format(2, 2, ExcelDateTime::from_ymd(2026, 4, 5).expect("a date"), &date).expect("a cell");
    sheet.write_number(2, 3, 1234.5).expect("a cell");
    sheet.write_number(2, 4, 0.25).expect("a cell");
    sheet.write_number(2, 5, 32.0).expect("a cell");
    sheet.write_string(2, 6, "a; b, c").expect("a cell");
    sheet.write_string(3, 0, "Kiosk").expect("a cell");
    sheet.write_formula(3, 1, rust_xlsxwriter::Formula::new("=1/0").set_result("#DIV/0!")).expect("a cell");
    let done = report(&admin.import(LEADS, XLSX, workbook.save_to_buffer().expect("a file")));
    counts(&done, [1, 0, 1]);
    assert_eq!(done["errors"], json!([{"row": 4, "column": "Contact phone", "messages": ["The cell holds the error #DIV/0!."]}]));
    let lead = admin.get("/api/field/leads/").expect(200)["results"][0].clone();
    let wanted = json!({"contact_phone": "256700123456", "follow_up_date": "2026-04-05", "expected_value": "1234.50", "lat": 0.25, "lon": 32.0, "tags": ["a", "b, c"]});
    for (name, value) in wanted.as_object().expect("fields") {
        assert_eq!(&lead[name], value, "{name}");
    }
}

/// Waits until an import is over; answers what was seen on the way.
fn watch(client: &Client, id: &Value) -> Vec<Value> {
    let end = Instant::now() + Duration::from_secs(60);
    let mut seen = vec![];
    loop {
        let report = client.get(&format!("/api/imports/{id}/")).expect(200);
        let over = report["status"] != "running";
        seen.push(report);
        if over {
            return seen;
        }
        assert!(Instant::now() < end, "the import does not end");
        std::thread::yield_now();
    }
}

#[test]
fn long_imports_go_on_in_the_background() {
    let server = Server::start();
    let (admin, agent) = (server.member("ann", Role::Admin), server.member("art", Role::Agent));
    let manager = server.member("mia", Role::Manager);
    let line = |n: u32| format!("Shop {n},07{n},{}\n", "x".repeat(700));
    let file = format!("Business name,Contact phone,Notes\n{}", (0..3000).map(line).collect::<String>());
    assert!(file.len() > 2 << 20, "more than other bodies may have");
    let begun = agent.import(LEADS, CSV, file.clone());
    let first = begun.expect(202);
    assert_eq!(begun.header("location"), Some(format!("/api/imports/{}/", first["id"]).as_str()));
    assert_eq!((&first["status"], &first["total"], &first["resource"]), (&json!("running"), &json!(3000), &json!("field/leads")));
    let seen = watch(&agent, &first["id"]);
    let done: Vec<u64> = seen.iter().filter_map(|report| report["done"].as_u64()).collect();
    assert!(done.is_sorted() && done.last() == Some(&3000), "{done:?}");
    assert!(done.iter().any(|done| (1..3000).contains(done)), "progress is seen: {done:?}");
    counts(&seen[seen.len() - 1], [3000, 0, 0]);
    // Others' imports are not there, except for who runs the business.
    assert_eq!(manager.get(&format!("/api/imports/{}/", first["id"])).status, 200);
    let other = server.member("amy", Role::Agent);
    assert_eq!(other.get(&format!("/api/imports/{}/", first["id"])).status, 404);
    let abroad = server.business("Abroad");
    let stranger = server.member_with("bob", Role::Admin, abroad, &[]);
    assert_eq!(stranger.get(&format!("/api/imports/{}/", first["id"])).status, 404);
    for (client, count) in [(&agent, 1), (&manager, 1), (&admin, 1), (&other, 0), (&stranger, 0)] {
        assert_eq!(client.get("/api/imports/").expect(200)["count"], count);
    }
    assert_eq!(server.client().get("/api/imports/").status, 401);
    // Who only wants to wait waits.
    let waited = admin.import(&format!("{LEADS}?wait=true&dry_run=true"), CSV, file);
    counts(&report(&waited), [3000, 0, 0]);
    let page = admin.get("/api/imports/?page_size=1").expect(200);
    assert_eq!((&page["count"], &page["results"][0]["dry_run"]), (&json!(2), &json!(true)));
    assert_eq!(admin.get("/api/imports/?page=9").status, 404);
    let count: Option<i64> = server.app.db.read(|reader| reader.one("SELECT count(*) FROM leads", &[])).expect("a count");
    assert_eq!(count, Some(3000));
    // A file of many batches is whole, and in order.
    let ids =
        server.app.db.read(|reader| reader.rows("SELECT id FROM leads ORDER BY business_name DESC, id DESC", &[], |row| row.get::<i64>(0)));
    let ids: Vec<String> = ids.expect("ids").iter().map(i64::to_string).collect();
    let path = "/api/field/leads/export/?ordering=-business_name";
    assert_eq!(column(&read_csv(&admin.download(path)), "ID"), ids);
    assert_eq!(column(&read_xlsx(admin.download(&format!("{path}&format=xlsx"))), "ID"), ids);
    for format in ["json", "ndjson"] {
        let text = String::from_utf8(admin.download(&format!("{path}&format={format}&fields=id"))).expect("text");
        let list = if format == "json" { text } else { format!("[{}]", text.trim_end().replace('\n', ",")) };
        let list: Vec<Value> = serde_json::from_str(&list).expect("JSON");
        assert_eq!(list.iter().map(|row| row["id"].to_string()).collect::<Vec<_>>(), ids, "{format}");
    }
}

#[test]
fn a_report_holds_a_thousand_errors() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin);
    let file = format!("Business name,Contact phone,Lat\n{}", "X,1,100\n".repeat(1100));
    let done = report(&admin.import(&format!("{LEADS}?wait=true"), CSV, file));
    counts(&done, [0, 0, 1100]);
    assert_eq!((done["errors"].as_array().map(Vec::len), &done["errors_cut"]), (Some(1000), &json!(true)));
}

#[test]
fn what_was_under_way_at_a_restart_is_interrupted() {
    let server = Server::start();
    let (admin, me) = (server.member("ann", Role::Admin), server.member("ann2", Role::Admin).id);
    let id = server.write(move |tx| {
        let values = vec![
            ("business_id", 1.into()),
            ("created_by", me.into()),
            ("resource", "field/leads".into()),
            ("dry_run", false.into()),
            ("atomic", false.into()),
            ("total", 3000.into()),
            ("done", 400.into()),
            ("ignored_columns", "[]".into()),
        ];
        tx.insert("imports", values)
    });
    let done = report(&admin.import(LEADS, CSV, "Business name,Contact phone\nDuka,1\n"));
    let server = server.restart();
    let admin = server.client().with_token(&admin.token.expect("a token"));
    let report = admin.get(&format!("/api/imports/{id}/")).expect(200);
    assert_eq!((&report["status"], &report["done"]), (&json!("interrupted"), &json!(400)));
    assert_eq!(admin.get(&format!("/api/imports/{}/", done["id"])).expect(200)["status"], "done");
}

#[test]
fn an_import_with_a_key_is_carried_out_once() {
    let server = Server::start();
    let admin = server.member("ann", Role::Admin).with("idempotency-key", "k1");
    let file = "Business name,Contact phone\nDuka,1\n";
    let first = admin.import(LEADS, CSV, file);
    let done = report(&first);
    let again = admin.import(LEADS, CSV, file);
    assert_eq!((report(&again), again.header("idempotent-replayed")), (done, Some("true")));
    assert_eq!(admin.import(LEADS, CSV, "Business name,Contact phone\nKiosk,1\n").status, 422);
    assert_eq!(names(&admin), ["Duka"]);
}

#[test]
fn templates_are_filled_in_and_taken() {
    for_each(&writable(), |world, d| {
        let path = format!("/api/{}/import/", d.about.path);
        let table = read_csv(&world.admin.download(&format!("{path}template/")));
        let sheet = read_xlsx(world.admin.download(&format!("{path}template/?format=xlsx")));
        assert_eq!(table.headings, sheet.headings);
        assert!(table.lines.is_empty() && sheet.lines.is_empty());
        let settable = d.visible().filter(|field| !field.server_set).count();
        assert_eq!(table.headings.len(), settable);
        // The full sample, in the template's order.
        let body = (sample(d.about.path).full)(world);
        let title = |name: &str| name[..1].to_uppercase() + &name[1..].replace('_', " ");
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(";")
            }
            other => other.to_string(),
        };
        let cell = |heading: &String| {
            body.as_object().expect("a body").iter().find(|(name, _)| title(name) == *heading).map(|(_, value)| text(value))
        };
        let mut writer = ::csv::Writer::from_writer(vec![]);
        writer.write_record(&table.headings).expect("headings");
        writer.write_record(table.headings.iter().map(|heading| cell(heading).unwrap_or_default())).expect("a line");
        let done = report(&world.admin.import(&path, CSV, writer.into_inner().expect("a file")));
        counts(&done, [1, 0, 0]);
        assert_eq!(done["ignored_columns"], json!([]));
    });
}
