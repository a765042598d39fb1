//! The program as stories meet it: opened in memory on a copy of one template, called without a network, at a time that moves.

use std::{
    cell::RefCell,
    collections::HashMap,
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    rc::Rc,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use poem::{
    Endpoint, EndpointExt, Request, Response,
    endpoint::BoxEndpoint,
    http::{Method, header},
};
use serde_json::{Value as Json, json};
use studio::{
    actor::{Capability, Role},
    app::App,
    auth::{
        account::{self, NewUser},
        token::{Claims, random_id},
    },
    clock::Clock,
    resources::business,
    server,
};
use tokio::runtime::{Builder, Runtime};

use crate::support;

/// When every story begins: a few days before the end of a year, when numbers begin anew.
const BEGIN: &str = "2025-12-20T09:00:00.000Z";

/// A folder in memory where there is one, which goes with its world.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let path = place.join(format!("studio-simulation-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed)));
        make(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn make(path: &Path) {
    DirBuilder::new().mode(0o700).create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            make(&to);
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

/// Somebody in a story.
#[derive(Clone)]
pub struct Person {
    pub id: i64,
    pub business: i64,
    pub role: Role,
    token: String,
}

impl Person {
    pub fn is_manager(&self) -> bool {
        matches!(self.role, Role::Admin | Role::Manager)
    }
    /// Administrators, managers, and staff with that capability.
    pub fn keeps_books(&self) -> bool {
        self.is_manager() || self.role == Role::Staff
    }
}

/// So many stories are told in one world, each in two businesses of its own: opening one takes as long as a part of a story.
pub const STORIES: usize = 4;

/// What every world begins with.
struct Template {
    folder: Folder,
    people: Vec<Person>,
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = Folder::new();
        let app = open(&folder.0, Clock::fixed(BEGIN.parse().expect("a time")));
        let found = |number: usize| {
            let id = app.db.write_blocking(app.system(), move |tx| {
                let slug = format!("business-{number}");
                let id = tx.insert("businesses", vec![("name", slug.clone().into()), ("slug", slug.into())])?;
                business::seed_business(tx, id)?;
                Ok(id)
            });
            id.expect("a business")
        };
        let people = (0..2 * STORIES).flat_map(|number| people(&app, found(number))).collect();
        Template { folder, people }
    })
}

fn people(app: &App, business: i64) -> Vec<Person> {
    let roles = [Role::Admin, Role::Manager, Role::Staff, Role::Agent, Role::Customer];
    let join = |role: Role| {
        let name = format!("{}{business}", role.name());
        let id = app.db.write_blocking(app.system(), move |tx| {
            let user = NewUser {
                username: Some(name.clone()),
                email: Some(format!("{name}@example.com")),
                full_name: Some(name.clone()),
                password_hash: "none".to_owned(),
                ..NewUser::default()
            };
            let id = account::create(tx, user, business, role)?;
            let membership: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[id.into()])?.expect("a membership");
            let can = if role == Role::Staff { json!([Capability::Finance.name()]) } else { json!([]) };
            tx.update("memberships", membership, vec![("capabilities", can.to_string().into())])?;
            Ok(id)
        });
        let (id, now) = (id.expect("a person"), app.db.clock().now().as_second());
        let claims = Claims {
            token_type: "access".into(),
            exp: now + LIFE_SECONDS,
            iat: now,
            jti: random_id(),
            user_id: id.to_string(),
            biz: Some(business),
            role: role.name().into(),
            scope: "full".into(),
            epoch: 0,
            sid: random_id(),
        };
        Person { id, business, role, token: app.gate.tokens.sign(&claims).expect("a token") }
    };
    roles.into_iter().map(join).collect()
}

/// Longer than any story takes.
const LIFE_SECONDS: i64 = 5 * 365 * 86_400;

fn open(folder: &Path, clock: Clock) -> App {
    let mut config = support::configuration(folder);
    config.auth.access_seconds = LIFE_SECONDS.unsigned_abs();
    App::open(config, clock).expect("the application opens")
}

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: &'static str,
    /// Below `/api/finance/`.
    pub path: String,
    pub body: Json,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Json,
    pub text: String,
    /// It was answered before, and nothing was done.
    pub again: bool,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// The version of the database, and what a business had in it.
pub type Facts = (i64, Rc<Vec<String>>);

/// The program, for some stories.
pub struct World {
    pub app: App,
    pub clock: Clock,
    pub people: Vec<Person>,
    api: BoxEndpoint<'static, Response>,
    runtime: Runtime,
    /// What the database has of businesses, and as of when; see `compare`.
    pub facts: RefCell<HashMap<i64, Facts>>,
    // Dropped last.
    _folder: Folder,
}

impl World {
    pub fn new() -> Self {
        let (template, folder) = (template(), Folder::new());
        copy(&template.folder.0, &folder.0);
        let clock = Clock::fixed(BEGIN.parse().expect("a time"));
        let app = open(&folder.0, clock.clone());
        let api = server::endpoint(&app).boxed();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { app, clock, people: template.people.clone(), api, runtime, facts: RefCell::default(), _folder: folder }
    }

    /// Goes back to when stories begin, and answers the two businesses of the one with this number.
    pub fn begin(&self, number: usize) -> [i64; 2] {
        let begin: jiff::Timestamp = BEGIN.parse().expect("a time");
        self.clock.advance(begin.as_second() - self.clock.now().as_second());
        let mut all: Vec<i64> = self.people.iter().map(|person| person.business).collect();
        all.dedup();
        [all[2 * number], all[2 * number + 1]]
    }

    pub fn call(&self, who: &Person, call: &Call, key: Option<&str>) -> Answer {
        let method = Method::from_bytes(call.method.as_bytes()).expect("a method");
        let path = if call.path.starts_with('/') { call.path.clone() } else { format!("/api/finance/{}", call.path) };
        let mut request = Request::builder()
            .method(method)
            .uri(path.parse().expect("a path"))
            .header(header::AUTHORIZATION, format!("Bearer {}", who.token))
            .content_type("application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(if call.body.is_null() { String::new() } else { call.body.to_string() });
        self.runtime.block_on(async {
            let response = self.api.get_response(request).await;
            let (status, again) = (response.status().as_u16(), response.headers().contains_key("idempotent-replayed"));
            let text = response.into_body().into_string().await.expect("a text");
            let body = serde_json::from_str(&text).unwrap_or(Json::Null);
            Answer { status, body, text, again }
        })
    }

    /// `call` of what has to be good.
    pub fn made(&self, who: &Person, method: &'static str, path: &str, body: Json) -> Json {
        let answer = self.call(who, &Call { method, path: path.to_owned(), body }, None);
        assert!((200..300).contains(&answer.status), "{method} {path} answered {} {}", answer.status, answer.text);
        answer.body
    }
}
