//! Files: what is taken and what is not, who may have it, how it is served, and what is left behind when something goes wrong: nothing.

use std::{
    fs,
    io::{Cursor, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use image::{ImageFormat, Rgba, RgbaImage};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use studio::{
    actor::Role,
    engine::{Attachment, Descriptor, descriptor},
    resources,
};

use crate::{
    samples::{World, for_each},
    support::{Answer, Client, Server},
};

/// A picture.
pub fn png(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbaImage::from_fn(width, height, |x, y| Rgba([(x % 256) as u8, (y % 256) as u8, 7, 255]));
    let mut out = Cursor::new(vec![]);
    picture.write_to(&mut out, ImageFormat::Png).expect("a picture");
    out.into_inner()
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts bytes where the server finds them, as if they had been sent.
pub fn place(server: &Server, bytes: &[u8]) -> PathBuf {
    let hash = sha256(bytes);
    let folder = server.app.config.data.folder.join("files").join(&hash[..2]);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(&hash), bytes).expect("a file");
    folder.join(hash)
}

/// All that is kept: paths below `files`, folders left out.
fn kept(server: &Server) -> Vec<String> {
    let root = server.app.config.data.folder.join("files");
    let mut all = vec![];
    for folder in fs::read_dir(&root).expect("the folder") {
        let folder = folder.expect("an entry").path();
        all.extend(fs::read_dir(folder).expect("a folder").map(|entry| {
            let path = entry.expect("an entry").path();
            path.strip_prefix(&root).expect("below").to_string_lossy().into_owned()
        }));
    }
    all.sort();
    all
}

fn lead(client: &Client) -> String {
    let lead = client.create("/api/field/leads/", json!({"business_name": "Duka", "contact_phone": "0700"}));
    format!("/api/field/leads/{}/", lead["id"])
}

fn send(client: &Client, record: &str, name: &str, bytes: &[u8]) -> Answer {
    let client = client.with("content-disposition", &format!("attachment; filename=\"{name}\""));
    client.send("POST", &format!("{record}files/"), Some(("application/x-whatever", bytes.to_vec())))
}

fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (String, Vec<u8>) {
    let mut body = vec![];
    for (name, filename, bytes) in parts {
        let filename = filename.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        body.extend_from_slice(format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--\r\n");
    ("multipart/form-data; boundary=XX".to_owned(), body)
}

fn send_form(client: &Client, record: &str, parts: &[(&str, Option<&str>, &[u8])]) -> Answer {
    let (media, body) = form(parts);
    client.send("POST", &format!("{record}files/"), Some((&media, body)))
}

fn one(file: &Json) -> String {
    format!("/api/files/{}/", file["id"])
}

fn download(client: &Client, file: &Json) -> Answer {
    client.get(&format!("{}download/", one(file)))
}

fn targets() -> Vec<&'static Descriptor> {
    resources::all();
    descriptor::targets(Attachment::Files).collect()
}

/// A resource that says so needs nothing else.
#[test]
fn files_can_be_attached_to_every_resource_that_says_so() {
    let all = targets();
    assert!(all.len() >= 4);
    for_each(&all, |world: &World, d| {
        let id = world.another(d.about.path);
        let record = format!("/api/{}/{id}/", d.about.path);
        let bytes = format!("Notes on {}", d.about.path).into_bytes();
        let file = send(&world.admin, &record, "notes.txt", &bytes).expect(201);
        for (name, wanted) in [
            ("target_type", json!(d.word())),
            ("target_id", json!(id)),
            ("filename", json!("notes.txt")),
            ("content_type", json!("text/plain")),
            ("size", json!(bytes.len())),
            ("sha256", json!(sha256(&bytes))),
            ("width", Json::Null),
            ("created_by", json!(world.admin.id)),
        ] {
            assert_eq!(file[name], wanted, "{name}");
        }
        let listed = world.admin.get(&format!("{record}files/")).expect(200);
        assert_eq!((&listed["count"], &listed["results"][0]["created_by"]["id"]), (&json!(1), &json!(world.admin.id)));
        let general = world.admin.get(&format!("/api/files/?target_type={}&target_id={id}", d.word())).expect(200);
        assert_eq!(general["results"], listed["results"]);
        assert_eq!(download(&world.admin, &file).bytes, bytes);
        let history = world.admin.get(&format!("{record}history/")).expect(200);
        assert_eq!(history["results"][0]["action"], json!(format!("{}.file", d.about.table)));
        assert_eq!(send(&world.admin, &format!("/api/{}/999999/", d.about.path), "x", b"x").status, 404);
    });
    let server = Server::start();
    let admin = server.member("adm", Role::Admin);
    for d in resources::all().iter().filter(|d| !d.about.files) {
        admin.get(&format!("/api/{}/1/files/", d.about.path)).expect(404);
    }
}

#[test]
fn a_form_and_the_bytes_themselves_are_taken() {
    let server = Server::start();
    let ann = server.member("ann", Role::Agent);
    let record = lead(&ann);
    let file =
        send_form(&ann, &record, &[("other", None, b"x"), ("file", Some("a.csv"), b"a,b\r\n1,2\r\n"), ("purpose", None, b" prices ")]);
    let file = file.expect(201);
    assert_eq!((&file["filename"], &file["purpose"], &file["content_type"]), (&json!("a.csv"), &json!("prices"), &json!("text/csv")));
    assert_eq!(download(&ann, &file).text, "a,b\r\n1,2\r\n");
    let bare = ann.send("POST", &format!("{record}files/"), Some(("", b"hello".to_vec()))).expect(201);
    assert_eq!(bare["filename"], "file");
    let changed =
        ann.patch(&one(&file), json!({"filename": "../b.csv", "purpose": "offers", "sha256": "0", "size": 7, "target_id": 9})).expect(200);
    assert_eq!((&changed["filename"], &changed["purpose"]), (&json!("b.csv"), &json!("offers")));
    assert_eq!((&changed["sha256"], &changed["size"], &changed["target_id"]), (&file["sha256"], &file["size"], &file["target_id"]));
    let before = kept(&server);
    for (answer, status, words) in [
        (send_form(&ann, &record, &[("purpose", None, b"x")]), 400, "No file was submitted."),
        (send_form(&ann, &record, &[("file", Some("a"), b"x"), ("file", Some("b"), b"y")]), 400, "Send one file at a time."),
        (send_form(&ann, &record, &[("file", Some("a"), b"fresh"), ("purpose", None, &[b'p'; 31])]), 400, "no more than 30 characters"),
        (send_form(&ann, &record, &[("file", Some("a"), b"fresh"), ("purpose", None, &[b'p'; 5000])]), 413, "too large"),
        (send_form(&ann, &record, &[("file", Some("a"), b"fresh"), ("purpose", None, b"\xff")]), 400, "Not a valid string."),
        (send_form(&ann, &record, &[("file", Some("a"), b"")]), 400, "The submitted file is empty."),
        (ann.send("POST", &format!("{record}files/"), None), 400, "The submitted file is empty."),
        (ann.send("POST", &format!("{record}files/"), Some(("multipart/form-data", b"x".to_vec()))), 400, "boundary"),
        (
            ann.send("POST", &format!("{record}files/"), Some(("multipart/form-data; boundary=XX", b"--XX\r\nContent-Disp".to_vec()))),
            400,
            "parse error",
        ),
        (ann.patch(&one(&file), json!({"filename": ".."})), 400, "Enter a valid file name."),
    ] {
        assert!(answer.status == status && answer.text.contains(words), "{} {} instead of {status} {words}", answer.status, answer.text);
    }
    assert_eq!(kept(&server), before, "what is refused leaves nothing behind");
}

#[test]
fn a_file_is_what_its_bytes_say() {
    let server = Server::start();
    let ann = server.member("ann", Role::Agent);
    let record = lead(&ann);
    let picture = png(40, 30);
    let shown = send(&ann, &record, "report.pdf", &picture).expect(201);
    assert_eq!((&shown["content_type"], &shown["width"], &shown["height"]), (&json!("image/png"), &json!(40), &json!(30)));
    for (name, bytes, wanted) in [
        ("page.png", &b"<!DOCTYPE html><script>alert(1)</script>"[..], "application/octet-stream"),
        ("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "application/octet-stream"),
        ("a.html", b"plain words", "text/plain"),
        ("a.exe", b"%PDF-1.4 ...", "application/pdf"),
    ] {
        let file = send(&ann, &record, name, bytes).expect(201);
        assert_eq!(file["content_type"], wanted, "{name}");
        let answer = ann.get(&format!("{}download/?inline=true", one(&file)));
        let disposition = answer.header("content-disposition").expect("a disposition");
        assert_eq!(disposition.starts_with("inline"), wanted == "application/pdf", "{name}: {disposition}");
        assert!(answer.header("content-type").expect("a type").starts_with(wanted), "{name}");
    }
    let before = kept(&server);
    // A program that ends like a picture, a picture that is none, and one that is larger than it looks: 65535 by 65535 in 45 bytes.
    let polyglot = [b"MZ\x90\0".as_slice(), &picture].concat();
    let mut bomb = picture[..33].to_vec();
    bomb[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let crc = crc32(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&crc.to_be_bytes());
    bomb.extend_from_slice(&picture[33..]);
    for (name, bytes, words) in [
        ("photo.png", polyglot.as_slice(), "Programs cannot be stored here."),
        ("readme.txt", b"#!/bin/sh\necho", "Programs cannot be stored here."),
        ("tool.pdf", b"\x7fELF\x02\x01\x01", "Programs cannot be stored here."),
        ("photo.png", b"\x89PNG\r\n\x1a\nnothing more", "This picture cannot be read"),
        ("bomb.png", &bomb, "more than 40 megapixels"),
        ("data.bin", b"\x01\x02\x03\xff\xfe", "Files of this type are not taken."),
        ("null.txt", b"a\0b", "Files of this type are not taken."),
    ] {
        let answer = send(&ann, &record, name, bytes);
        assert!(
            answer.status == 400 && answer.json()["file"][0].as_str().is_some_and(|text| text.contains(words)),
            "{name}: {}",
            answer.text
        );
    }
    assert_eq!(kept(&server), before, "what is refused leaves nothing behind");
}

/// The checksum of a PNG chunk.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }))
}

#[test]
fn whoever_reads_the_record_has_its_files_and_nobody_else() {
    let server = Server::start();
    let (ann, ben, max) = (server.member("ann", Role::Agent), server.member("ben", Role::Agent), server.member("max", Role::Manager));
    let abroad = server.member_with("eve", Role::Admin, server.business("Abroad"), &[]);
    let record = lead(&ann);
    let file = send(&max, &record, "a.png", &png(80, 60)).expect(201);
    let paths = [one(&file), format!("{}download/", one(&file)), format!("{}thumbnail/", one(&file)), format!("{}history/", one(&file))];
    let missing = ann.get("/api/files/4711/download/");
    assert_eq!(missing.status, 404);
    for path in &paths {
        assert_eq!((ann.get(path).status, max.get(path).status), (200, 200), "{path}");
        for client in [&ben, &abroad] {
            let answer = client.get(path);
            assert_eq!((answer.status, &answer.text), (404, &missing.text), "{path}");
        }
        assert_eq!(server.client().get(path).status, 401, "{path}");
        for role in [Role::Student, Role::Customer, Role::Citizen] {
            let name = format!("{}{}", role.name(), server.app.db.generation("users"));
            assert_eq!(server.member(&name, role).get(path).status, 403, "{path} for {}", role.name());
        }
    }
    for list in [format!("{record}files/"), format!("{record}files/?page_size=1")] {
        assert_eq!((ben.get(&list).status, abroad.get(&list).status), (404, 404));
    }
    assert_eq!(ben.get("/api/files/?target_type=lead&target_id=1").expect(200)["count"], json!(0));
    assert_eq!(send(&ben, &record, "a.txt", b"x").status, 404);
    // Who attached it and managers name and delete it.
    ann.patch(&one(&file), json!({"purpose": "x"})).expect(403);
    ann.delete(&one(&file)).expect(403);
    assert_eq!(max.delete(&one(&file)).status, 204);
    for client in [&ann, &max] {
        client.get(&paths[1]).expect(404);
    }
    max.send("POST", &format!("{}restore/", one(&file)), None).expect(200);
    assert_eq!(ann.get(&paths[1]).status, 200, "deleting keeps the bytes");
    // With the record its files go out of sight, but for those who see what is deleted.
    let mine = send(&ann, &record, "b.txt", b"words").expect(201);
    assert_eq!(ann.delete(&record).status, 204);
    for path in [one(&mine), format!("{}download/", one(&mine))] {
        ann.get(&path).expect(404);
        assert_eq!(max.get(&path).status, 200, "{path}");
    }
    assert_eq!(send(&ann, &record, "c.txt", b"x").status, 404);
    assert_eq!(send(&max, &record, "c.txt", b"x").status, 404, "nothing is added to what is deleted");
}

#[test]
fn who_may_not_change_the_record_attaches_nothing_to_it() {
    let server = Server::start();
    let admin = server.member("adm", Role::Admin);
    let profile = admin.create("/api/accounts/staff-profiles/", json!({"name": "Helper"}));
    let record = format!("/api/accounts/staff-profiles/{}/", profile["id"]);
    let contract = send(&admin, &record, "contract.pdf", b"%PDF-1.4").expect(201);
    let teacher = server.member("tom", Role::Teacher);
    // Rights come before the body: not a byte of it is looked at.
    let answer = teacher.with("connection", "close").send("POST", &format!("{record}files/"), Some(("multipart/form-data", b"{".to_vec())));
    assert_eq!(answer.status, 403);
    assert_eq!(download(&teacher, &contract).status, 200, "who reads the profile reads its files");
    assert_eq!(kept(&server).len(), 1);
}

#[test]
fn downloads_are_safe_and_come_in_parts() {
    let server = Server::start();
    let ann = server.member("ann", Role::Agent);
    let record = lead(&ann);
    let bytes: Vec<u8> = (0..300_000u32).map(|n| b'a' + (n % 26) as u8).collect();
    let file = send(&ann, &record, "a.txt", &bytes).expect(201);
    let path = format!("{}download/", one(&file));
    let whole = ann.get(&path);
    assert_eq!((whole.status, &whole.bytes), (200, &bytes));
    let etag = format!("\"{}\"", sha256(&bytes));
    for (name, wanted) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", "300000"),
        ("content-disposition", "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("etag", &etag),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, no-cache"),
    ] {
        assert_eq!(whole.header(name), Some(wanted), "{name}");
    }
    let unchanged = ann.with("if-none-match", &etag).get(&path);
    assert_eq!((unchanged.status, unchanged.bytes.len(), unchanged.header("etag")), (304, 0, Some(etag.as_str())));
    assert_eq!(ann.with("if-none-match", "\"other\"").get(&path).status, 200);
    let ranged = |range: &str| ann.with("range", range).get(&path);
    for (range, from, to) in
        [("bytes=0-0", 0, 1), ("bytes=1000-200999", 1000, 201_000), ("bytes=299999-", 299_999, 300_000), ("bytes=-5", 299_995, 300_000)]
    {
        let part = ranged(range);
        assert_eq!((part.status, part.bytes.as_slice()), (206, &bytes[from..to]), "{range}");
        assert_eq!(part.header("content-range"), Some(format!("bytes {from}-{}/300000", to - 1).as_str()), "{range}");
        assert_eq!(part.header("content-length"), Some((to - from).to_string().as_str()), "{range}");
    }
    for range in ["bytes=300000-", "bytes=-0"] {
        let refused = ranged(range);
        assert_eq!((refused.status, refused.header("content-range")), (416, Some("bytes */300000")), "{range}");
        assert_eq!(refused.json()["code"], "range_not_satisfiable");
    }
    for range in ["bytes=0-1,5-6", "lines=1-2", "bytes=9-1"] {
        assert_eq!(ranged(range).bytes.len(), 300_000, "{range}");
    }
    assert_eq!(ann.with("range", "bytes=0-1").with("if-range", "\"other\"").get(&path).bytes.len(), 300_000, "a part of another version");
    assert_eq!(ann.with("range", "bytes=0-1").with("if-range", &etag).get(&path).bytes, b"ab");
    let head = ann.send("HEAD", &path, None);
    assert_eq!((head.status, head.header("content-length"), head.bytes.len()), (200, Some("300000"), 0));
    ann.get(&format!("{path}?inline=perhaps")).expect(400);
}

#[test]
fn odd_names_stay_names() {
    let server = Server::start();
    let ann = server.member("ann", Role::Agent);
    let record = lead(&ann);
    let long = format!("{}.txt", "x".repeat(300));
    for (n, (sent, kept)) in [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/etc/shadow", "shadow"),
        ("a%0d%0aSet-Cookie: x=1.txt", "a%0d%0aSet-Cookie: x=1.txt"),
        ("a\\\"b;c='d.txt", "a\"b;c='d.txt"),
        ("..", "file"),
        ("", "file"),
        (&long, &format!("{}.txt", "x".repeat(251))),
    ]
    .into_iter()
    .enumerate()
    {
        let file = send(&ann, &record, sent, format!("text {n}").as_bytes()).expect(201);
        // A backslash in quotes escapes; one that stands for a folder is sent as two.
        let kept = if sent == "..\\..\\boot.ini" { "....boot.ini" } else { kept };
        assert_eq!(file["filename"], kept, "{sent}");
        let answer = download(&ann, &file);
        assert_eq!(answer.text, format!("text {n}"));
        assert!(answer.header("set-cookie").is_none());
        assert!(answer.header("content-disposition").is_some_and(|text| text.matches('"').count() == 2), "{sent}");
    }
    let unicode = ann.with("content-disposition", "attachment; filename*=UTF-8''%C3%9Cber%20%E2%82%AC%0D%0A%E2%80%AEtxt.exe");
    let file = unicode.send("POST", &format!("{record}files/"), Some(("", b"words".to_vec()))).expect(201);
    assert_eq!(file["filename"], "Über €txt.exe");
    let disposition = download(&ann, &file).header("content-disposition").expect("a disposition").to_owned();
    assert_eq!(disposition, "attachment; filename=\"_ber _txt.exe\"; filename*=UTF-8''%C3%9Cber%20%E2%82%ACtxt.exe");
    let form = send_form(&ann, &record, &[("file", Some("../Größe 😀.txt"), b"more words")]).expect(201);
    assert_eq!(form["filename"], "Größe 😀.txt");
    // By whatever name, bytes lie under their hash, for this user alone.
    let root = server.app.config.data.folder.join("files");
    for path in kept(&server) {
        let name = path.split('/').next_back().expect("a name");
        assert!(name.len() == 64 && path.starts_with(&name[..2]), "{path}");
        let mode = |path: PathBuf| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(root.join(&path)), mode(root.join(&name[..2]))), (0o600, 0o700), "{path}");
    }
}

#[test]
fn thumbnails_are_made_of_pictures() {
    let server = Server::start();
    let ann = server.member("ann", Role::Agent);
    let record = lead(&ann);
    let size = |bytes: &[u8]| image::load_from_memory(bytes).map(|picture| (picture.width(), picture.height())).expect("a picture");
    let picture = send(&ann, &record, "a.png", &png(600, 300)).expect(201);
    let path = format!("{}thumbnail/", one(&picture));
    for (query, wanted) in [("", (256, 128)), ("?size=64", (64, 32)), ("?size=65", (128, 64)), ("?size=512", (512, 256))] {
        for _ in 0..2 {
            let answer = ann.get(&format!("{path}{query}"));
            assert_eq!((answer.status, answer.header("content-type"), size(&answer.bytes)), (200, Some("image/png"), wanted), "{query}");
            assert_eq!(answer.header("content-security-policy"), Some("sandbox; default-src 'none'"));
            let tag = answer.header("etag").expect("an ETag").to_owned();
            assert_eq!(ann.with("if-none-match", &tag).get(&format!("{path}{query}")).status, 304);
        }
    }
    assert_eq!(kept(&server).iter().filter(|path| path.starts_with("thumbnails/")).count(), 4, "they are kept");
    for query in ["?size=63", "?size=513", "?size=0", "?size=-1", "?size=x"] {
        ann.get(&format!("{path}{query}")).expect(400);
    }
    let small = send(&ann, &record, "b.png", &png(20, 10)).expect(201);
    assert_eq!(size(&ann.get(&format!("{}thumbnail/", one(&small))).bytes), (20, 10), "a small one stays as it is");
    for (format, wanted) in [(ImageFormat::Jpeg, "image/jpeg"), (ImageFormat::WebP, "image/png")] {
        let mut out = Cursor::new(vec![]);
        image::load_from_memory(&png(300, 300)).expect("a picture").into_rgb8().write_to(&mut out, format).expect("a picture");
        let file = send(&ann, &record, "c", &out.into_inner()).expect(201);
        let answer = ann.get(&format!("{}thumbnail/?size=64", one(&file)));
        assert_eq!((answer.status, answer.header("content-type"), size(&answer.bytes)), (200, Some(wanted), (64, 64)), "{format:?}");
    }
    let text = send(&ann, &record, "d.txt", b"no picture").expect(201);
    ann.get(&format!("{}thumbnail/", one(&text))).expect(404);
    // Its header is fine and the rest is not.
    let broken = png(200, 200);
    let file = send(&ann, &record, "e.png", &broken[..broken.len() / 2]).expect(201);
    assert_eq!(ann.get(&format!("{}thumbnail/", one(&file))).expect(409)["code"], "unreadable_picture");
}

#[test]
fn what_is_too_large_or_over_the_quota_is_refused_and_leaves_nothing() {
    let server = Server::start_with(|config| {
        config.server.body_limit_bytes = 64 * 1024;
        config.files.max_bytes = 1 << 20;
        config.files.quota_mib = 2;
    });
    let ann = server.member("ann", Role::Agent).with("connection", "close");
    let record = lead(&ann);
    let text = |length: usize, letter: u8| vec![letter; length];
    // Larger than any other body may be, and not too large for a file.
    send(&ann, &record, "a.txt", &text(1 << 20, b'a')).expect(201);
    let before = kept(&server);
    assert_eq!(before.len(), 1);
    for length in [(1 << 20) + 1, (1 << 20) + 70_000, 3 << 20] {
        let refused = send(&ann, &record, "b.txt", &text(length, b'b'));
        assert_eq!((refused.status, refused.json()["code"].as_str()), (413, Some("too_large")), "{length}");
    }
    let answer = send_form(&ann, &record, &[("file", Some("b.txt"), &text((1 << 20) + 1, b'b'))]);
    assert_eq!(answer.status, 413);
    assert_eq!(kept(&server), before, "what is too large leaves nothing behind");
    // All others keep their limit.
    let large = json!({"content": "x".repeat(100_000)});
    assert_eq!(ann.post(&format!("{record}comments/"), large).status, 413);
    // There is room for some, and not for all of this.
    let half = send(&ann, &record, "half.txt", &text(1 << 19, b'a')).expect(201);
    let before_refusal = kept(&server);
    let refused = send(&ann, &record, "c.txt", &text(1 << 20, b'c'));
    assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("quota_exceeded")));
    assert_eq!(kept(&server), before_refusal, "what is over the quota leaves nothing behind");
    let (id, other) = (half["id"].as_i64().expect("an id"), place(&server, &text(1 << 19, b'a')));
    server.write(move |tx| tx.remove("files", id));
    fs::remove_file(other).expect("it goes");
    // The same bytes are kept once and count twice.
    send(&ann, &record, "again.txt", &text(1 << 20, b'a')).expect(201);
    assert_eq!(kept(&server), before);
    let refused = send(&ann, &record, "c.txt", b"c");
    assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("quota_exceeded")));
    assert_eq!(kept(&server), before, "what is over the quota leaves nothing behind");
    // It is a quota for each business.
    let abroad = server.member_with("eve", Role::Admin, server.business("Abroad"), &[]);
    let theirs = send(&abroad, &lead(&abroad), "a.txt", &text(1 << 20, b'a')).expect(201);
    assert_eq!(download(&abroad, &theirs).bytes.len(), 1 << 20);
    assert_eq!(kept(&server), before, "two businesses have the same bytes, and nothing of each other");
    ann.get(&one(&theirs)).expect(404);
}

/// Is there a moment at which this holds?
fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_client_that_vanishes_leaves_nothing_behind() {
    let server = Server::start();
    let ann = server.member("ann", Role::Agent);
    let record = lead(&ann);
    let address = server.url.strip_prefix("http://").expect("an address");
    let token = ann.token.clone().expect("a token");
    for more in ["Content-Type: text/plain\r\n", "Content-Type: multipart/form-data; boundary=XX\r\n"] {
        let mut stream = TcpStream::connect(address).expect("a connection");
        let head =
            format!("POST {record}files/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{more}Content-Length: 10000000\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it is sent");
        stream.write_all(b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n").expect("it is sent");
        stream.write_all(&vec![b'x'; 2_000_000]).expect("it is sent");
        wait_for("the file to begin", || kept(&server).iter().any(|path| path.starts_with("tmp/")));
        drop(stream);
        wait_for("the rest to go", || kept(&server).is_empty());
    }
    assert_eq!(ann.get(&format!("{record}files/")).expect(200)["count"], json!(0));
}

#[test]
fn what_nothing_refers_to_is_removed_at_the_start() {
    let server = Server::start_with(|config| config.auth.access_seconds = 10_000_000);
    let ann = server.member("ann", Role::Agent);
    let record = lead(&ann);
    let file = send(&ann, &record, "a.png", &png(100, 100)).expect(201);
    let deleted = send(&ann, &record, "b.txt", b"deleted").expect(201);
    assert_eq!(ann.delete(&one(&deleted)).status, 204);
    ann.get(&format!("{}thumbnail/?size=64", one(&file))).status.eq(&200).then_some(()).expect("a thumbnail");
    let known = kept(&server);
    assert_eq!(known.len(), 3);
    // As left by a process that was killed: after the bytes, before the row; and half-way.
    let root = server.app.config.data.folder.join("files");
    let old_orphan = place(&server, b"an orphan");
    let young_orphan = place(&server, b"a young orphan");
    let (old_half, thumbnail) = (root.join("tmp/1-1"), root.join(format!("thumbnails/{}-64", sha256(b"an orphan"))));
    fs::write(&old_half, b"half").expect("a file");
    fs::write(&thumbnail, b"small").expect("a file");
    let long_ago = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    let age = |path: &PathBuf| fs::File::options().write(true).open(path).and_then(|file| file.set_modified(long_ago)).expect("a time");
    for path in [&old_orphan, &old_half, &thumbnail].into_iter().chain(&known.iter().map(|path| root.join(path)).collect::<Vec<_>>()) {
        age(path);
    }
    let server = server.restart();
    let mut wanted = known.clone();
    wanted.push(young_orphan.strip_prefix(&root).expect("below").to_string_lossy().into_owned());
    wanted.sort();
    assert_eq!(kept(&server), wanted);
    let ann = server.client().with_token(ann.token.as_deref().expect("a token"));
    assert_eq!(download(&ann, &file).bytes, png(100, 100));
}

#[test]
fn an_upload_with_a_key_is_carried_out_once() {
    let server = Server::start();
    let ann = server.member("ann", Role::Agent);
    let record = lead(&ann);
    let once = ann.with("idempotency-key", "k1");
    let bytes = vec![b'a'; 2 << 20];
    let first = send(&once, &record, "a.txt", &bytes);
    let again = send(&once, &record, "a.txt", &bytes);
    assert_eq!(first.expect(201), again.expect(201));
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), (None, Some("true")));
    send(&once, &record, "a.txt", b"other bytes").expect(422);
    send(&once, &record, "b.txt", &bytes).expect(422);
    assert_eq!(ann.get(&format!("{record}files/")).expect(200)["count"], json!(1));
}
