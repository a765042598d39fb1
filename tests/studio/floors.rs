//! The house keeps its floors: what each file of `src` imports, where SQLite and the registry of poem-openapi are known, how files are
//! named, how long they are, and what does not stand in any of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Only these may know how poem-openapi keeps its document: its registry is no public interface and may change.
const REGISTRY: [&str; 9] = [
    "api/identity/mod.rs",
    "api/mod.rs",
    "api/stamp/mod.rs",
    "api/stamp/resources.rs",
    "auth/gate.rs",
    "engine/body.rs",
    "engine/descriptor.rs",
    "engine/shape.rs",
    "engine/upload.rs",
];

/// What a type needs to be a field, an answer or an error of an operation: nothing but its `register`.
const REGISTER_ONLY: [&str; 3] = ["engine/reply.rs", "error.rs", "kit/lines.rs"];

/// Files that are over `LONGEST` lines. Whoever shortens one takes it off the list.
const LONG: [&str; 0] = [];
const LONGEST: usize = 450;

/// Names that say nothing of what stands in a file.
const EMPTY_NAMES: [&str; 12] =
    ["util", "utils", "common", "helper", "helpers", "service", "services", "model", "models", "manager", "managers", "misc"];

/// A file of `src`, as code: without comments, the insides of texts, and tests.
struct Source {
    /// Below `src`.
    name: String,
    code: String,
    lines: usize,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let (mut folders, mut all) = (vec![root()], vec![]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of src") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                let name = path.strip_prefix(root()).expect("below src").to_string_lossy().into_owned();
                let code = code(&text);
                let code = code.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                all.push(Source { name, code, lines: text.lines().count() });
            }
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(all.len() > 50, "the sources were found");
    all
}

/// The text without comments and without what stands in texts and characters; lines stay lines.
fn code(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|after| (after.trim_start_matches('#'), after)).filter(|(open, _)| open.starts_with('"'));
        let inside_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if let Some((open, after)) = raw.filter(|_| !inside_word || out.ends_with('b')) {
            let hashes = after.len() - open.len();
            let end = format!("\"{}", "#".repeat(hashes));
            2 + hashes + open[1..].find(&end).map_or(open.len() - 1, |at| at + end.len())
        } else if first == '"' {
            1 + quoted(&rest[1..], '"')
        } else if first == '\'' && is_character(&rest[1..]) {
            1 + quoted(&rest[1..], '\'')
        } else {
            0
        };
        if skipped == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
            out.push(' ');
            rest = &rest[skipped..];
        }
    }
    out
}

/// How long the rest of a quoted text is, the closing quote included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `a'` and `\n'` are characters, `a ` is a lifetime.
fn is_character(text: &str) -> bool {
    text.starts_with('\\') || text.chars().nth(1) == Some('\'')
}

/// The words of a piece of code.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The floor of each room, from the table in `src/lib.rs`.
fn floors() -> BTreeMap<String, u32> {
    let lib = fs::read_to_string(root().join("lib.rs")).expect("src/lib.rs");
    let mut floors = BTreeMap::new();
    for line in lib.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let mut cells = line.split(" | ");
        let Some(floor) = cells.next().and_then(|cell| cell.trim().parse().ok()) else { continue };
        let rooms = cells.next().unwrap_or_default().split('`').skip(1).step_by(2);
        floors.extend(rooms.map(|room| (room.to_owned(), floor)));
    }
    let modules: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(floors.keys().map(String::as_str).collect::<Vec<_>>(), modules, "every room of src/lib.rs stands in its table");
    floors
}

/// The rooms that a file names: what follows `crate::`, or stands in the braces that follow it.
fn imports(code: &str) -> Vec<String> {
    let mut all = vec![];
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.trim_start().strip_prefix('{') else {
            all.extend(words(rest).next().map(str::to_owned));
            continue;
        };
        let (mut depth, mut start) = (0, true);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && (c.is_alphabetic() || c == '_') => {
                    start = false;
                    all.extend(words(&group[at..]).next().map(str::to_owned));
                }
                _ => {}
            }
        }
    }
    all
}

#[test]
fn files_import_from_their_floor_or_lower() {
    let floors = floors();
    let mut wrong = vec![];
    let mut seen = 0;
    for source in sources().iter().filter(|source| source.name != "lib.rs" && source.name != "main.rs") {
        let room = source.name.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        let Some(floor) = floors.get(room) else {
            wrong.push(format!("{} stands on no floor", source.name));
            continue;
        };
        for import in imports(&source.code) {
            seen += 1;
            match floors.get(&import) {
                Some(other) if other <= floor => {}
                Some(other) => wrong.push(format!("{} (floor {floor}) imports {import} (floor {other})", source.name)),
                None => wrong.push(format!("{} imports crate::{import}, which is no room", source.name)),
            }
        }
        // `super` must not lead out of the room, past this test.
        let depth = source.name.split('/').count() - usize::from(source.name.ends_with("/mod.rs"));
        if source.code.contains(&"super::".repeat(depth)) {
            wrong.push(format!("{} leaves its room by super::", source.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "only {seen} imports were found");
}

/// The panel has no rules of its own: what it shows and does goes through the API's operations, which it is handed.
#[test]
fn the_panel_and_the_api_do_not_import_each_other() {
    let sources = sources();
    let names = |room: &str, other: &str| {
        let of_room = sources.iter().filter(|source| source.name.starts_with(&format!("{room}/")));
        of_room
            .filter(|source| imports(&source.code).iter().any(|import| import == other))
            .map(|source| source.name.clone())
            .collect::<Vec<_>>()
    };
    assert!(sources.iter().any(|source| source.name.starts_with("admin/")));
    assert_eq!([names("admin", "api"), names("api", "admin")].concat(), Vec::<String>::new());
}

/// The files in which a word stands.
fn with<'a>(sources: &'a [Source], word: &str) -> Vec<&'a str> {
    sources.iter().filter(|source| words(&source.code).any(|known| known == word)).map(|source| source.name.as_str()).collect()
}

#[test]
fn only_the_database_knows_sqlite() {
    let sources = sources();
    let known: Vec<&str> = ["rusqlite", "r2d2_sqlite"].into_iter().flat_map(|word| with(&sources, word)).collect();
    assert!(known.contains(&"db/sqlite.rs"), "SQLite is known somewhere");
    let outside: Vec<&&str> = known.iter().filter(|name| !name.starts_with("db/")).collect();
    assert!(outside.is_empty(), "SQLite is known outside src/db: {outside:?}");
}

#[test]
fn few_files_know_the_registry() {
    let sources = sources();
    let mut allowed: Vec<&str> = REGISTRY.into_iter().chain(REGISTER_ONLY).collect();
    allowed.sort_unstable();
    let mut found = [with(&sources, "Registry"), with(&sources, "MetaApi")].concat();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found, allowed, "files that know poem-openapi's registry, and those that may");
    let more: Vec<&str> = with(&sources, "MetaApi").into_iter().filter(|name| !REGISTRY.contains(name)).collect();
    assert!(more.is_empty(), "{more:?} know more of the registry than registering");
}

#[test]
fn what_no_file_has() {
    let mut wrong = vec![];
    for source in sources() {
        let parts = source.name.trim_end_matches(".rs").split('/');
        wrong.extend(
            parts.filter(|part| EMPTY_NAMES.contains(part)).map(|part| format!("{}: {part} says nothing of what is there", source.name)),
        );
        wrong.extend(words(&source.code).filter(|word| *word == "unsafe").map(|word| format!("{}: {word}", source.name)));
        for macro_call in ["todo!", "unimplemented!", "dbg!"] {
            let found = source
                .code
                .match_indices(macro_call)
                .any(|(at, _)| !source.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
            if found {
                wrong.push(format!("{}: {macro_call}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let manifest = fs::read_to_string(root().join("../Cargo.toml")).expect("Cargo.toml");
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}

#[test]
fn long_files_are_listed() {
    let sources = sources();
    let long: Vec<String> = sources.iter().filter(|source| source.lines > LONGEST).map(|source| source.name.clone()).collect();
    let counts: Vec<String> = sources
        .iter()
        .filter(|s| s.lines > LONGEST || LONG.contains(&s.name.as_str()))
        .map(|s| format!("{} {}", s.name, s.lines))
        .collect();
    assert_eq!(long, LONG, "files over {LONGEST} lines, and those that may be: {}", counts.join(", "));
}

/// The reader of sources reads what it should: otherwise the rest proves nothing.
#[test]
fn sources_are_read_as_code() {
    let text = "use crate::{a::{b, c}, d, e::F}; // crate::no\nlet x = \"crate::no \\\" unsafe\"; let c = '\"'; crate::g::h(); r#\"crate::\"no\"#; fn f<'a>(x: &'a str) { b'x'; crate::i }\n/* crate::no */ let y = '\\'';";
    assert_eq!(imports(&code(text)), ["a", "d", "e", "g", "i"]);
    assert!(!code(text).contains("unsafe") && !code(text).contains("no"), "{}", code(text));
}
