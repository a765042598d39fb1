//! Invoices on paper: what stands on them, page by page, and who gets to see them. The files are read by the test itself.

use std::{
    collections::{BTreeMap, HashMap},
    io::Read,
};

use flate2::read::ZlibDecoder;
use serde_json::{Value, json};
use studio::actor::Role;

use crate::invoices::{Books, INVOICES};

/// The text of each page of a PDF file that this program wrote: one line for each piece of text.
pub fn pages(file: &[u8]) -> Vec<Vec<String>> {
    assert!(file.starts_with(b"%PDF-1."), "no PDF file");
    let objects = objects(file);
    // What each face's numbers stand for, by the name of the face.
    let mut maps: BTreeMap<&str, HashMap<u16, char>> = BTreeMap::new();
    for (_, stream) in objects.values() {
        let text = String::from_utf8_lossy(stream);
        let face = ["Regular", "Bold"].into_iter().find(|face| text.contains(&format!("/CMapName /{face} def")));
        if let Some(face) = face {
            maps.insert(face, characters(&text));
        }
    }
    let kids = objects.values().map(|(dictionary, _)| dictionary).find(|dictionary| dictionary.contains("/Type /Pages")).expect("pages");
    let kids = kids.split('[').nth(1).and_then(|kids| kids.split(']').next()).expect("kids");
    let kids = kids.split(" 0 R").filter_map(|id| id.trim().parse::<u32>().ok());
    kids.map(|page| {
        let page = &objects[&page].0;
        let content = page.split("/Contents ").nth(1).and_then(|rest| rest.split(' ').next()).expect("contents");
        texts(&objects[&content.parse::<u32>().expect("a number")].1, &maps)
    })
    .collect()
}

/// The objects of a file: each as its dictionary and its stream.
fn objects(file: &[u8]) -> BTreeMap<u32, (String, Vec<u8>)> {
    let find = |from: usize, what: &[u8]| file[from..].windows(what.len()).position(|bytes| bytes == what).map(|at| from + at);
    let mut objects = BTreeMap::new();
    let mut at = 0;
    while let Some(begin) = find(at, b" 0 obj") {
        let line = file[..begin].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let id: u32 = std::str::from_utf8(&file[line..begin]).expect("a number").parse().expect("a number");
        let end = find(begin, b"endobj").expect("the end of an object");
        let mut dictionary = String::from_utf8_lossy(&file[begin..end]).into_owned();
        let (mut stream, mut next) = (vec![], end);
        if let Some(data) = find(begin, b"stream\n").filter(|data| *data < end) {
            dictionary = String::from_utf8_lossy(&file[begin..data]).into_owned();
            let length = dictionary.split("/Length ").nth(1).expect("a length");
            let length: usize = length.split(|c: char| !c.is_ascii_digit()).next().expect("a length").parse().expect("a length");
            let bytes = &file[data + 7..data + 7 + length];
            ZlibDecoder::new(bytes).read_to_end(&mut stream).expect("a compressed stream");
            next = find(data + 7 + length, b"endobj").expect("the end of an object");
        }
        objects.insert(id, (dictionary, stream));
        at = next;
    }
    objects
}

fn characters(map: &str) -> HashMap<u16, char> {
    let pairs = map.lines().filter_map(|line| line.strip_prefix('<')?.strip_suffix('>')?.split_once("> <"));
    pairs
        .filter_map(|(number, to)| Some((u16::from_str_radix(number, 16).ok()?, char::from_u32(u32::from_str_radix(to, 16).ok()?)?)))
        .collect()
}

/// The pieces of text of a page.
fn texts(content: &[u8], maps: &BTreeMap<&str, HashMap<u16, char>>) -> Vec<String> {
    let (mut texts, mut at, mut face) = (vec![], 0, "Regular");
    while at < content.len() {
        if content[at..].starts_with(b"/Regular ") {
            face = "Regular";
        } else if content[at..].starts_with(b"/Bold ") {
            face = "Bold";
        }
        let (bytes, next) = match content[at] {
            b'(' => literal(content, at + 1),
            b'<' => hexadecimal(content, at + 1),
            _ => {
                at += 1;
                continue;
            }
        };
        let numbers = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        texts.push(numbers.map(|number| maps[face].get(&number).copied().unwrap_or('\u{fffd}')).collect());
        at = next;
    }
    texts
}

fn literal(content: &[u8], mut at: usize) -> (Vec<u8>, usize) {
    let (mut bytes, mut depth) = (vec![], 0);
    loop {
        match content[at] {
            b'\\' => {
                at += 1;
                let digits = content[at..].iter().take(3).take_while(|byte| (b'0'..=b'7').contains(*byte)).count();
                match content[at] {
                    _ if digits > 0 => {
                        let text = std::str::from_utf8(&content[at..at + digits]).expect("digits");
                        bytes.push(u8::from_str_radix(text, 8).expect("a byte"));
                        at += digits - 1;
                    }
                    b'n' => bytes.push(b'\n'),
                    b'r' => bytes.push(b'\r'),
                    b't' => bytes.push(b'\t'),
                    b'b' => bytes.push(8),
                    b'f' => bytes.push(12),
                    other => bytes.push(other),
                }
            }
            b')' if depth == 0 => return (bytes, at + 1),
            byte => {
                depth += i32::from(byte == b'(') - i32::from(byte == b')');
                bytes.push(byte);
            }
        }
        at += 1;
    }
}

fn hexadecimal(content: &[u8], at: usize) -> (Vec<u8>, usize) {
    let end = at + content[at..].iter().position(|byte| *byte == b'>').expect("the end of a text");
    let text = std::str::from_utf8(&content[at..end]).expect("digits");
    let byte = |place| u8::from_str_radix(&text[place..place + 2], 16).expect("a byte");
    ((0..text.len()).step_by(2).map(byte).collect(), end + 1)
}

/// All of it, as one text.
fn whole(file: &[u8]) -> String {
    pages(file).concat().join("\n")
}

fn pdf(books: &Books, id: &Value) -> Vec<u8> {
    books.admin.download(&format!("{INVOICES}{id}/pdf/"))
}

#[track_caller]
fn has(text: &str, all: &[&str]) {
    for wanted in all {
        assert!(text.contains(wanted), "no {wanted} in\n{text}");
    }
}

fn rich(books: &Books) -> Value {
    let party = json!({
        "name": "Αθηναϊκή Εταιρεία — Žluťoučký kůň", "email": "p@example.com", "tax_number": "TIN-99",
        "address": {"line1": "Улица Ленина, 5", "city": "Ташкент"},
    });
    let party = books.admin.create("/api/finance/parties/", party)["id"].clone();
    let (vat, low) = (books.tax("18"), books.tax("5"));
    let long = "Монтаж и настройка ".repeat(10);
    books.admin.create(
        INVOICES,
        json!({
            "party": party, "number": "INV-7", "reference": "PO-55", "notes": "Thank you for your business.",
            "terms": "Payment within 14 days.\nInterest of 2 % a month after that.", "issue": true,
            "discount_type": "fixed", "discount_value": "100",
            "items": [
                {"name": long.trim(), "description": "Two visits\nby Ðorđe", "quantity": "2.5", "unit": "h", "unit_cost": "4321.5", "tax_rate": vat},
                {"name": "W".repeat(200), "unit_cost": "0.3333", "quantity": "3000", "discount_type": "percent", "discount_value": "10", "tax_rate": low},
                {"name": "Delivery", "unit_cost": 12},
            ],
        }),
    )
}

#[test]
fn an_invoice_on_paper_says_what_it_is_about() {
    let books = Books::open();
    books.account("Cash", "cash");
    let invoice = rich(&books);
    let path = format!("{INVOICES}{}/pdf/", invoice["id"]);
    let answer = books.admin.get(&path);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/pdf")));
    assert_eq!(answer.header("content-disposition"), Some("inline; filename=\"Invoice INV-7.pdf\"; filename*=UTF-8''Invoice%20INV-7.pdf"));
    let file = pdf(&books, &invoice["id"]);
    let text = whole(&file).replace('\u{202f}', "");
    has(
        &text,
        &[
            "Invoice INV-7",
            "PO-55",
            "Αθηναϊκή Εταιρεία — Žluťoučký kůň",
            "Улица Ленина, 5",
            "Ташкент",
            "Tax number TIN-99",
            "by Ðorđe",
            "2.5 h",
            "4321.50",
            "10803.75",
            "Discount 99.99",
            "VAT 18 18 %",
            "VAT 5 5 %",
            "Delivery",
            "Thank you for your business.",
            "Interest of 2 % a month after that.",
            "Page 1 of 1",
        ],
    );
    for name in ["subtotal", "total", "amount_due", "issue_date", "due_date"] {
        has(&text, &[invoice[name].as_str().expect("a text")]);
    }
    // What is taken off the whole; what is taken off an item is not in its amount any more.
    has(&text, &["Items", "-100.00", "Subtotal"]);
    for stamp in ["DRAFT", "PAID", "VOID", "\u{fffd}"] {
        assert!(!text.contains(stamp), "{stamp}");
    }
    // Twice the same, also on another day.
    books.server.clock.advance(40 * 24 * 60 * 60);
    let again = books.server.member("later", Role::Admin).download(&path);
    assert!(file == again, "the same invoice is the same file");
    // What was paid stands on it, and that all of it was.
    let admin = books.server.member("cashier", Role::Admin);
    admin.post(&format!("{INVOICES}{}/pay/", invoice["id"]), json!({"amount": "1000", "method": "bank_transfer"})).expect(201);
    let text = whole(&admin.download(&path)).replace('\u{202f}', "");
    let due = admin.get(&format!("{INVOICES}{}/", invoice["id"])).expect(200)["amount_due"].clone();
    has(&text, &["bank transfer", "1000.00", due.as_str().expect("a text")]);
    admin.post(&format!("{INVOICES}{}/pay/", invoice["id"]), json!({})).expect(201);
    has(&whole(&admin.download(&path)), &["PAID", "\n0.00"]);
}

#[test]
fn paper_says_how_the_document_stands() {
    let books = Books::open();
    let draft = books.admin.create(INVOICES, json!({"party": books.party, "amount": 5}));
    has(&whole(&pdf(&books, &draft["id"])), &["DRAFT", "Acme", "5.00"]);
    let issued = books.issued("70");
    let note = books.admin.post(&format!("{INVOICES}{}/credit-note/", issued["id"]), json!({"full": true})).expect(201);
    has(
        &whole(&pdf(&books, &note["id"])),
        &[
            &format!("Credit note {}", note["number"].as_str().expect("a number")),
            "For invoice",
            issued["number"].as_str().expect("a number"),
        ],
    );
    let text = whole(&pdf(&books, &issued["id"]));
    has(&text, &["PAID", note["number"].as_str().expect("a number")]);
    let void = books.issued("80");
    books.admin.post(&format!("{INVOICES}{}/void/", void["id"]), json!({})).expect(200);
    has(&whole(&pdf(&books, &void["id"])), &["VOID", "nothing is to be paid"]);
    // No decimals where the currency has none, and thousands are apart.
    let shillings = json!({"party": books.party, "currency": "UGX", "amount": 12_500_000, "issue": true});
    let shillings = books.admin.create(INVOICES, shillings);
    has(&whole(&pdf(&books, &shillings["id"])), &["12\u{202f}500\u{202f}000", "Total UGX"]);
}

#[test]
fn long_invoices_go_over_pages() {
    let books = Books::open();
    let items: Vec<Value> = (1..=200).map(|n| json!({"name": format!("Item number {n}"), "unit_cost": n})).collect();
    let invoice = books.admin.create(INVOICES, json!({"party": books.party, "items": items, "issue": true}));
    let pages = pages(&pdf(&books, &invoice["id"]));
    assert!((4..=8).contains(&pages.len()), "{} pages", pages.len());
    for (index, page) in pages.iter().enumerate() {
        assert!(page.contains(&format!("Page {} of {}", index + 1, pages.len())), "{page:?}");
        let has_items = page.iter().any(|text| text.starts_with("Item number"));
        assert_eq!(page.contains(&"Quantity".to_owned()), has_items, "headings where there are items");
    }
    let all: Vec<&String> = pages.iter().flatten().filter(|text| text.starts_with("Item number")).collect();
    let wanted: Vec<String> = (1..=200).map(|n| format!("Item number {n}")).collect();
    assert_eq!(all, wanted.iter().collect::<Vec<_>>(), "each item once, in order");
    assert!(pages.last().expect("a page").contains(&"20\u{202f}100.00".to_owned()), "the total stands on the last");
    // An item that is longer than a page goes over pages as well.
    let endless = json!([{"name": "Endless", "description": "x\n".repeat(900), "unit_cost": 1}]);
    let notes = "Line\n".repeat(900);
    let invoice = books.admin.create(INVOICES, json!({"party": books.party, "items": endless, "notes": notes, "issue": true}));
    let pages = self::pages(&pdf(&books, &invoice["id"]));
    let count = |what: &str| pages.iter().flatten().filter(|text| *text == what).count();
    assert_eq!((count("x"), count("Line")), (900, 900));
    assert!(pages.len() > 25 && pages.len() < 45, "{} pages", pages.len());
}

#[test]
fn paper_is_for_whoever_reads_the_invoice() {
    let books = Books::open();
    let customer = books.server.member("customer", Role::Customer);
    books.admin.patch(&format!("/api/finance/parties/{}/", books.party), json!({"user": customer.id})).expect(200);
    let other = books.admin.create("/api/finance/parties/", json!({"name": "Other"}))["id"].clone();
    let (mine, theirs) = (books.issued("10"), books.admin.create(INVOICES, json!({"party": other, "amount": 5, "issue": true})));
    let draft = books.admin.create(INVOICES, json!({"party": books.party, "amount": 5}));
    let ask = |id: &Value| customer.get(&format!("{INVOICES}{id}/pdf/")).status;
    assert_eq!((ask(&mine["id"]), ask(&theirs["id"]), ask(&draft["id"])), (200, 404, 404));
    let abroad = books.server.business("Abroad");
    let stranger = books.server.member_with("stranger", Role::Admin, abroad, &[]);
    assert_eq!(stranger.get(&format!("{INVOICES}{}/pdf/", mine["id"])).status, 404);
    for role in [Role::Staff, Role::Agent, Role::Teacher] {
        let member = books.server.member(role.name(), role);
        assert_eq!(member.get(&format!("{INVOICES}{}/pdf/", mine["id"])).status, 403, "{}", role.name());
    }
    // By the link, without signing in; a link that is none finds nothing.
    books.admin.post(&format!("{INVOICES}{}/send/", mine["id"]), json!({})).expect(200);
    let link = crate::public::link(&books);
    let public = books.server.client();
    assert!(public.get(&link).text.contains(&format!("{link}pdf/")), "the page leads to the paper");
    for path in [format!("{link}pdf/"), format!("{link}pdf")] {
        let answer = public.get(&path);
        assert_eq!(
            (answer.status, answer.header("content-type"), answer.header("cache-control")),
            (200, Some("application/pdf"), Some("no-store"))
        );
        assert!(answer.bytes == pdf(&books, &mine["id"]), "the same file");
    }
    let nothing = public.get("/p/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/pdf/");
    assert_eq!((nothing.status, nothing.header("content-type")), (404, Some("text/html; charset=utf-8")));
}

/// Writes files to look at: `STUDIO_PAPER=/some/folder cargo test --test studio look_at_paper`.
#[test]
fn look_at_paper() {
    let Some(folder) = std::env::var_os("STUDIO_PAPER").map(std::path::PathBuf::from) else { return };
    let books = Books::open();
    books.account("Cash", "cash");
    let invoice = rich(&books);
    books.admin.post(&format!("{INVOICES}{}/pay/", invoice["id"]), json!({"amount": "1000"})).expect(201);
    std::fs::write(folder.join("rich.pdf"), pdf(&books, &invoice["id"])).expect("a file");
    let items: Vec<Value> = (1..=200).map(|n| json!({"name": format!("Item number {n}"), "unit_cost": n})).collect();
    let long = books.admin.create(INVOICES, json!({"party": books.party, "items": items}));
    std::fs::write(folder.join("long.pdf"), pdf(&books, &long["id"])).expect("a file");
    let void = books.issued("80");
    books.admin.post(&format!("{INVOICES}{}/void/", void["id"]), json!({})).expect(200);
    std::fs::write(folder.join("void.pdf"), pdf(&books, &void["id"])).expect("a file");
}
