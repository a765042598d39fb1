//! Instructions per call of the functions that every request runs, counted by valgrind: the same number on a busy machine and an
//! idle one. Each function is run in a process of its own, not at all and then many times; the difference is what it costs.

use std::{fs, path::PathBuf, process::Command, sync::Arc};

use serde_json::json;
use studio::{
    actor::{Actor, Business, Role},
    app::App,
    auth::token::{Claims, Tokens},
    clock::Clock,
    config,
    engine::{
        Options, Reach,
        descriptor::{self, Form},
        listed::{Counted, Effort, List},
        query::{Pages, Query},
        store::{self, Deleted},
        validate::{self, Mode},
        verbs,
    },
    resources::field::Lead,
};

const ROUNDS: u64 = 200;
const FUNCTIONS: [&str; 6] = ["token_read", "lead_validate", "list_query", "lead_read", "lead_page_of_20", "lead_create"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [function, rounds] => run(function, rounds.parse().expect("a number of rounds")),
        _ => count_all(),
    }
}

/// Prints a line for each function, or says that valgrind is missing.
fn count_all() {
    println!("instructions per call");
    for function in FUNCTIONS {
        match (count(function, 0), count(function, ROUNDS)) {
            (Some(start), Some(whole)) => println!("  {function:<18}{:>10}", whole.saturating_sub(start) / ROUNDS),
            _ => return println!("  not counted: valgrind is not installed, or failed"),
        }
    }
}

fn count(function: &str, rounds: u64) -> Option<u64> {
    let own = std::env::current_exe().ok()?;
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own)
        .args([function, &rounds.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    let line = text.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// A folder that goes with the process.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(function: &str, rounds: u64) {
    let folder = Folder(std::env::temp_dir().join(format!("studio-instructions-{}", std::process::id())));
    fs::create_dir_all(&folder.0).expect("a folder");
    let file = folder.0.join("config.toml");
    fs::write(&file, "").expect("an empty configuration");
    let data = folder.0.join("data").to_string_lossy().into_owned();
    let loaded = config::load(Some(&file), std::iter::empty(), &[("data.folder", data)]).expect("the defaults");
    let app = App::open(loaded.config, Clock::system()).expect("the application opens");
    let mut actor = Actor::system(app.db.clock().now());
    actor.role = Role::Admin;
    actor.business = Some(Arc::new(Business::new(1, "USD".into(), "UTC", None)));
    let actor = Arc::new(actor);
    let lead = json!({"business_name": "Cafe Java", "contact_phone": "+256700123456", "priority": "high", "expected_value": "1200.50"});
    let lead = lead.as_object().expect("an object").clone();
    for _ in 0..20 {
        let lead = lead.clone();
        let insert = move |tx: &mut studio::db::Writer<'_>| verbs::insert::<Lead>(tx, lead.clone(), Options::default());
        app.db.write_blocking(actor.clone(), insert).expect("a lead");
    }
    let d = descriptor::of::<Lead>();
    let tokens = Tokens::new(&[7; 32]);
    let now = app.db.clock().now();
    let claims = Claims {
        token_type: "access".into(),
        exp: now.as_second() + 900,
        iat: now.as_second(),
        jti: "0".repeat(32),
        user_id: "1".into(),
        biz: Some(1),
        role: "admin".into(),
        scope: "full".into(),
        epoch: 0,
        sid: "0".repeat(32),
    };
    let token = tokens.sign(&claims).expect("a token");
    let parameters = vec![("stage".to_owned(), "prospect".to_owned()), ("ordering".to_owned(), "-created_at".to_owned())];
    let query = Query::parse(d, &actor, &vec![], Pages { size: 20, most: 100 }).expect("a query");
    let list = List::new(&app.db, d, actor.clone(), query, Reach::All, Deleted::Without);
    let all = app.db.read(|reader| list.whole(reader)).map(Counted::All).expect("a count");
    let call = |reader: &studio::db::Reader<'_>| match function {
        "token_read" => drop(tokens.read(&token, now).expect("good")),
        "lead_validate" => drop(validate::resource(reader, d, &actor, lead.clone(), None, Mode::Whole, Options::default()).expect("valid")),
        "list_query" => drop(Query::parse(d, &actor, &parameters, Pages { size: 20, most: 100 }).expect("a query")),
        "lead_read" => drop(store::read(reader, d, &actor, "7", Reach::All, Form::Read, Deleted::Without).expect("a read")),
        "lead_page_of_20" => {
            let written = list.write_page(reader, &all, 0, false, Effort::Any, &mut Vec::with_capacity(32 * 1024));
            assert!(written.expect("a page"));
        }
        other => panic!("no function {other}"),
    };
    // The whole of a write but HTTP: the index has its rows in batches, so that a share of its work is in it.
    if function == "lead_create" {
        let create = || {
            let lead = lead.clone();
            let insert = move |tx: &mut studio::db::Writer<'_>| {
                let id = verbs::insert::<Lead>(tx, lead.clone(), Options::default())?;
                store::read(tx, descriptor::of::<Lead>(), tx.actor(), &id.to_string(), Reach::All, Form::Written, Deleted::With)
            };
            app.db.write_blocking(actor.clone(), insert).expect("a lead");
        };
        create();
        return (0..rounds).for_each(|_| create());
    }
    app.db
        .read(|reader| {
            // The first call prepares statements; what comes after is what requests pay.
            call(reader);
            (0..rounds).for_each(|_| call(reader));
            Ok(())
        })
        .expect("reads");
}
