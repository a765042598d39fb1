//! A running server for each test, on a free port, with a fixed clock and a folder of its own; and clients that talk to it.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use serde_json::{Value, json};
use studio::{
    actor::{Actor, Capability, Role},
    app::{self, App},
    auth::{
        account::{self, NewUser},
        session::Opening,
    },
    clock::Clock,
    config::{self, Config, MaybeRate},
    db::{self, Db, Writer},
    error::Result,
    server::{self, Limits},
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::JoinHandle,
};
use ureq::{Agent, http};

/// Where the clock of every test starts.
pub const NOW: &str = "2026-03-02T09:00:00.000Z";
pub const PASSWORD: &str = "correct horse battery";

pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime"))
}

/// The OpenAPI document, written once for all tests.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(&studio::api::openapi_json("studio")).expect("the document is JSON"))
}

/// The parameters of an operation, wherever the document has them.
pub fn parameters<'d>(document: &'d Value, operation: &'d Value) -> Vec<&'d Value> {
    let meant = |parameter: &'d Value| match parameter["$ref"].as_str().and_then(|name| name.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).expect("a parameter of the components"),
        None => parameter,
    };
    operation["parameters"].as_array().into_iter().flatten().map(meant).collect()
}

/// A folder that goes when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("studio-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = place().join(name);
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where folders are made: in memory where there is room for them, for commits wait for the disk; `TMPDIR` has the last word.
fn place() -> &'static Path {
    const MEMORY: &str = "/dev/shm";
    const ENOUGH_KIB: u64 = 2 << 20;
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let free = || -> Option<u64> {
            let told = Command::new("df").args(["-Pk", MEMORY]).output().ok()?;
            String::from_utf8(told.stdout).ok()?.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
        };
        let fits = std::env::var_os("TMPDIR").is_none() && free().is_some_and(|free| free >= ENOUGH_KIB);
        if fits { PathBuf::from(MEMORY) } else { std::env::temp_dir() }
    })
}

/// The configuration of tests: the defaults, in `folder`.
pub fn configuration(folder: &Path) -> Config {
    let data = folder.join("data").to_string_lossy().into_owned();
    // A file of its own, so that no `config.toml` of the working directory counts.
    let file = folder.join("config.toml");
    fs::write(&file, "").expect("an empty configuration");
    let mut config = config::load(Some(&file), std::iter::empty(), &[("data.folder", data)]).expect("the defaults").config;
    config.log.requests = false;
    // Nobody measures how long answers take, but `timing`.
    config.auth.answer_milliseconds = 0;
    // Tests guess, and sign in, as often as they like; those of throttling take the defaults back.
    config.throttle.account.clear();
    config.throttle.account_rate = MaybeRate(None);
    config
}

/// A server of a test.
pub struct Server {
    pub url: String,
    pub app: App,
    pub clock: Clock,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
    folder: Option<Folder>,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Starts with settings other than the defaults.
    pub fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = Folder::new();
        let mut config = configuration(folder.path());
        change(&mut config);
        // Unless the test has put a database there.
        let file = db::file_in(&config.data.folder);
        if !file.exists() {
            db::create_folder(&config.data.folder).expect("a data folder");
            let mut empty = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).expect("a database");
            empty.write_all(migrated()).expect("a database");
        }
        Self::open(folder, config, Clock::fixed(NOW.parse().expect("a time")))
    }

    fn open(folder: Folder, config: Config, clock: Clock) -> Self {
        let limits = Limits {
            connections: 1024,
            per_address: 0,
            first_byte: Duration::from_secs(config.server.first_byte_seconds),
            header: Duration::from_secs(config.server.header_seconds),
            body: Duration::from_secs(config.server.body_seconds),
            idle: Duration::from_secs(config.server.idle_seconds),
            body_bytes: config.server.body_limit_bytes,
            shutdown: Duration::from_secs(1),
        };
        let app = App::open(config, clock.clone()).expect("the application opens");
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel();
        let endpoint = server::endpoint(&app);
        let run = async move {
            let stop = async move { drop(stopped.await) };
            server::serve(listener, endpoint, limits, stop).await.expect("the server runs");
        };
        let task = runtime().spawn(run);
        Self { url, app, clock, stop: Some(stop), task: Some(task), folder: Some(folder) }
    }

    /// Stops and starts again on the same data: as after a restart of the machine.
    pub fn restart(mut self) -> Self {
        let (folder, clock) = (self.folder.take().expect("a folder"), self.clock.clone());
        let config = Config::clone(&self.app.config);
        self.shut_down();
        drop(self);
        Self::open(folder, config, clock)
    }

    fn shut_down(&mut self) {
        drop(self.stop.take());
        if let Some(task) = self.task.take() {
            let _ = runtime().block_on(task);
        }
    }

    /// A client that is not signed in.
    pub fn client(&self) -> Client {
        Client { url: self.url.clone(), token: None, headers: vec![], agent: agent(), id: 0 }
    }

    /// Changes the database as the program itself.
    pub fn write<T: Send + 'static>(&self, work: impl FnMut(&mut Writer<'_>) -> Result<T> + Send + 'static) -> T {
        self.app.db.write_blocking(self.app.system(), work).expect("the write succeeds")
    }

    /// Another business, with nobody in it.
    pub fn business(&self, name: &'static str) -> i64 {
        self.write(move |tx| tx.insert("businesses", vec![("name", name.into()), ("slug", name.to_lowercase().into())]))
    }

    /// A member of the first business, signed in.
    pub fn member(&self, name: &str, role: Role) -> Client {
        self.member_with(name, role, 1, &[])
    }

    /// A member of staff with capabilities, signed in.
    pub fn staff(&self, name: &str, capabilities: &[Capability]) -> Client {
        self.member_with(name, Role::Staff, 1, capabilities)
    }

    /// A member of a business, signed in without a password.
    pub fn member_with(&self, name: &str, role: Role, business: i64, capabilities: &[Capability]) -> Client {
        let (name, capabilities) = (name.to_owned(), json!(capabilities.iter().map(|one| one.name()).collect::<Vec<_>>()).to_string());
        let sessions = self.app.sessions.clone();
        let (id, pair) = self.write(move |tx| {
            let user = NewUser {
                username: Some(name.clone()),
                email: Some(format!("{name}@example.com")),
                full_name: Some(format!("{name} Example")),
                password_hash: fixed_hash().to_owned(),
                ..NewUser::default()
            };
            let id = account::create(tx, user, business, role)?;
            let membership: i64 = tx.one("SELECT id FROM memberships WHERE user_id = ?1", &[id.into()])?.expect("a membership");
            tx.update("memberships", membership, vec![("capabilities", capabilities.as_str().into())])?;
            Ok((id, sessions.open(tx, id, Opening { rotates: true, ..Opening::default() })?))
        });
        Client { token: Some(pair.access), id, ..self.client() }
    }

    /// A superuser who is an administrator of the first business.
    pub fn superuser(&self, name: &str) -> Client {
        let client = self.member(name, Role::Admin);
        let id = client.id;
        self.write(move |tx| tx.update("users", id, vec![("is_superuser", true.into())]));
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// The file of a database in which nothing has happened but the migrations, which take longer than many a test.
fn migrated() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let folder = Folder::new();
        let config = configuration(folder.path());
        let db = Db::open(&config.data.folder, &app::database_settings(&config), Clock::fixed(NOW.parse().expect("a time")));
        drop(db.expect("the database opens"));
        let file = db::file_in(&config.data.folder);
        // All of it is in the file once the last connection is closed.
        let rest = fs::metadata(file.with_extension("db-wal")).map_or(0, |rest| rest.len());
        assert_eq!(rest, 0, "the database was not closed");
        fs::read(file).expect("the database")
    })
}

/// The hash of `PASSWORD`, worked out once for all tests; as cheap as a hash can be, for hashes say themselves what they cost.
fn fixed_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let cheap = Params::new(Params::MIN_M_COST, 1, 1, None).expect("parameters");
        let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, cheap).hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16]);
        hashed.expect("a hash").to_string()
    })
}

fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_global(Some(Duration::from_secs(30)));
    config.allow_non_standard_methods(true).build().into()
}

/// Somebody who sends requests.
#[derive(Clone)]
pub struct Client {
    url: String,
    pub token: Option<String>,
    pub headers: Vec<(String, String)>,
    agent: Agent,
    /// The person's id; 0 when nobody is signed in.
    pub id: i64,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// The body, if it is text.
    pub text: String,
    pub bytes: Vec<u8>,
    /// What was asked, for messages.
    pub call: String,
}

impl Client {
    /// The same person with one more header.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same person at a server that was started again.
    pub fn at(&self, server: &Server) -> Self {
        Self { url: server.url.clone(), ..self.clone() }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None)
    }
    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(("application/json", body.to_string().into_bytes())))
    }
    pub fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, Some(("application/json", body.to_string().into_bytes())))
    }
    pub fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, Some(("application/json", body.to_string().into_bytes())))
    }
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None)
    }

    /// The bytes of a file.
    pub fn download(&self, path: &str) -> Vec<u8> {
        let mut request = http::Request::get(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut answer = self.agent.run(request.body(()).expect("a request")).unwrap_or_else(|error| panic!("{path}: {error}"));
        let bytes = answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(answer.status().as_u16(), 200, "{path} answered {}", String::from_utf8_lossy(&bytes));
        bytes
    }

    /// Sends a file to be imported; `path` is that of the list, with parameters.
    pub fn import(&self, path: &str, media: &str, file: impl Into<Vec<u8>>) -> Answer {
        self.send("POST", path, Some((media, file.into())))
    }

    /// Creates a record and answers it.
    pub fn create(&self, path: &str, body: Value) -> Value {
        self.post(path, body).expect(201)
    }

    pub fn send(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> Answer {
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some((content_type, _)) = body.as_ref().filter(|(content_type, _)| !content_type.is_empty()) {
            request = request.header("content-type", *content_type);
        }
        let call = format!("{method} {path}");
        let answer = match body {
            Some((_, body)) => self.agent.run(request.body(body).expect("a request")),
            None => self.agent.run(request.body(()).expect("a request")),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{call}: {error}"));
        let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
        let (status, headers): (u16, Vec<(String, String)>) = (answer.status().as_u16(), headers.collect());
        // A stream has no end to wait for.
        let endless = headers.iter().any(|(name, value)| name == "content-type" && value == "text/event-stream");
        let bytes = if endless { vec![] } else { answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap_or_default() };
        Answer { status, headers, text: String::from_utf8(bytes.clone()).unwrap_or_default(), bytes, call }
    }
}

impl Answer {
    /// The body, when the status is this.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{} answered {}", self.call, self.text);
        self.json()
    }

    pub fn json(&self) -> Value {
        if self.text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}: no JSON: {}", self.call, self.text))
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body is a 400 with exactly this.
    #[track_caller]
    pub fn refuses(&self, body: Value) {
        assert_eq!((self.status, self.json()), (400, body), "{}", self.call);
    }
}

/// The actor of the program in unit-like tests.
pub fn nobody() -> Actor {
    Actor::system(NOW.parse().expect("a time"))
}
