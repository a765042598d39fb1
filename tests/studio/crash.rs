//! What was acknowledged is there after `kill -9`, once and as it was sent.
//!
//! Clients write without pause while the server is killed and started again. Each keeps a journal of what it sent and of what was
//! acknowledged; at the end the journals are compared with what the server answers. What was not acknowledged may be there or not.

use std::{
    collections::HashMap,
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant, SystemTime},
};

use serde_json::{Value as Json, json};

const PASSWORD: &str = "gourd-lantern-47-quay";
const LEADS: &str = "/api/field/leads/";
/// For whatever should take milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many threads need stacks that are no larger than a request takes.
const STACK_BYTES: usize = 512 * 1024;

#[test]
fn acknowledged_writes_survive_kills() {
    let kills = env::var("STUDIO_KILLS").map_or(8, |kills| kills.parse().expect("STUDIO_KILLS is a number"));
    survive("kills", 16, kills);
}

#[test]
fn acknowledged_writes_of_a_thousand_clients_survive_a_kill() {
    survive("thousand", 1000, 1);
}

/// Kills the server again and again under so many clients, then compares.
fn survive(name: &str, clients: usize, kills: usize) {
    let mut random = Random::new();
    let house = House::new(name);
    let token = house.sign_in();
    let mut journal = Journal::default();
    for _ in 0..kills {
        journal.add(write_and_kill(&house, &token, clients, &mut random));
    }
    let server = Server::start(&house);
    compare(&journal, &all_leads(&server, &token));
}

/// Starts a server, lets the clients write, and kills it at some moment after the first acknowledgement.
fn write_and_kill(house: &House, token: &str, clients: usize, random: &mut Random) -> Journal {
    let acknowledged = AtomicUsize::new(0);
    let mut journal = Journal::default();
    thread::scope(|scope| {
        // In here, so that a panic kills it: the clients end with it, and the scope waits for them.
        let server = Server::start(house);
        let spawn = |_| {
            let client = Client { url: server.url(LEADS), token, random: Random(random.next()), acknowledged: &acknowledged };
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            thread.spawn_scoped(scope, move || client.write_until_killed()).expect("a thread for a client")
        };
        let writing: Vec<_> = (0..clients).map(spawn).collect();
        wait_for("the first acknowledgement", || acknowledged.load(Relaxed) > 0);
        thread::sleep(Duration::from_millis(80 + random.next() % 320));
        // Dropping is killing.
        drop(server);
        for client in writing {
            journal.add(client.join().expect("a client failed"));
        }
    });
    journal
}

// ------------------------------------------------------------------------------------------------ clients

/// What was sent under each `client_ref`, and what was acknowledged: id and `client_ref`.
#[derive(Default)]
struct Journal {
    sent: HashMap<String, Json>,
    acknowledged: Vec<(i64, String)>,
}

impl Journal {
    fn add(&mut self, other: Self) {
        self.sent.extend(other.sent);
        self.acknowledged.extend(other.acknowledged);
    }
}

/// Somebody who writes leads, one after the other.
struct Client<'a> {
    url: String,
    token: &'a str,
    random: Random,
    /// Counts for all clients together.
    acknowledged: &'a AtomicUsize,
}

impl Client<'_> {
    /// Ends when the server is gone; any answer but 201 is a failure.
    fn write_until_killed(mut self) -> Journal {
        let agent = agent();
        let mut journal = Journal::default();
        loop {
            let (client_ref, lead) = self.lead();
            journal.sent.insert(client_ref.clone(), lead.clone());
            let posted = agent.post(&self.url).header("Authorization", &format!("Bearer {}", self.token)).send_json(&lead);
            let Ok(mut answer) = posted else { return journal };
            let status = answer.status();
            let Ok(body) = answer.body_mut().read_to_string() else { return journal };
            assert_eq!(status, 201, "{body}");
            let stored: Json = serde_json::from_str(&body).expect("an acknowledgement is JSON");
            journal.acknowledged.push((stored["id"].as_i64().expect("an acknowledgement has an id"), client_ref));
            self.acknowledged.fetch_add(1, Relaxed);
        }
    }

    /// A lead that no other is equal to.
    fn lead(&mut self) -> (String, Json) {
        let client_ref = self.random.uuid();
        let number = self.random.next();
        let lead = json!({
            "client_ref": client_ref,
            "business_name": format!("Business {number:x}"),
            "contact_phone": format!("07{:08}", number % 100_000_000),
            "contact_name": format!("Contact {}", number % 1000),
            "notes": "x".repeat((number % 500) as usize),
        });
        (client_ref, lead)
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into()
}

/// Numbers without a pattern (xorshift64*). One can be the seed of another: what comes out is not the state, so the two never meet.
struct Random(u64);

impl Random {
    /// The seed is printed, which is seen when the test fails, and can be given to have the same moments again.
    fn new() -> Self {
        let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
        let seed = env::var("STUDIO_KILL_SEED").map_or_else(|_| now(), |seed| seed.parse().expect("STUDIO_KILL_SEED is a number"));
        println!("STUDIO_KILL_SEED={seed}");
        // Zero would stay zero.
        Self(seed.max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn uuid(&mut self) -> String {
        let digits = format!("{:016x}{:016x}", self.next(), self.next());
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }
}

// ------------------------------------------------------------------------------------------------ comparing

/// Every lead that the server has.
fn all_leads(server: &Server, token: &str) -> Vec<Json> {
    let (agent, mut leads) = (agent(), vec![]);
    let mut next = Some(server.url(&format!("{LEADS}?page_size=100")));
    while let Some(url) = next {
        let mut answer = agent.get(&url).header("Authorization", &format!("Bearer {token}")).call().expect("a page of leads");
        let body = answer.body_mut().read_to_string().expect("a page of leads has a body");
        assert_eq!(answer.status(), 200, "{body}");
        let page: Json = serde_json::from_str(&body).expect("a page of leads is JSON");
        leads.extend(page["results"].as_array().expect("a page has results").iter().cloned());
        next = page["next"].as_str().map(str::to_owned);
        assert!(next.is_some() || page["count"] == leads.len(), "{} leads on the pages, but a count of {}", leads.len(), page["count"]);
    }
    leads
}

fn compare(journal: &Journal, leads: &[Json]) {
    let mut stored = HashMap::new();
    for lead in leads {
        let client_ref = lead["client_ref"].as_str().expect("each lead was sent with a client_ref");
        let sent = journal.sent.get(client_ref).unwrap_or_else(|| panic!("nobody sent {lead}"));
        for (name, value) in sent.as_object().expect("a lead is an object") {
            assert_eq!(&lead[name], value, "{name} of {lead}");
        }
        let before = stored.insert(client_ref, lead["id"].as_i64());
        assert!(before.is_none(), "{client_ref} is stored twice: {before:?} and {lead}");
    }
    for (id, client_ref) in &journal.acknowledged {
        assert_eq!(stored.get(client_ref.as_str()), Some(&Some(*id)), "{client_ref} was acknowledged as {id}");
    }
    println!("{} sent, {} acknowledged, {} stored", journal.sent.len(), journal.acknowledged.len(), leads.len());
}

// ------------------------------------------------------------------------------------------------ the server

/// A place on disk for one database; kept when the test fails, to be looked at.
struct House {
    folder: PathBuf,
}

impl House {
    /// With an administrator.
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crash-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the test");
        let house = Self { folder };
        let mut command = house.studio();
        command.args(["createsuperuser", "--noinput"]).env("STUDIO_SUPERUSER_PASSWORD", PASSWORD);
        command.envs([("STUDIO_SUPERUSER_USERNAME", "boss"), ("STUDIO_SUPERUSER_EMAIL", "boss@example.com")]);
        assert!(command.status().expect("studio runs").success(), "createsuperuser failed");
        house
    }

    /// The program on this database, without our own variables, which it would take for settings, and where no config.toml is.
    fn studio(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_studio"));
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STUDIO_")) {
            command.env_remove(name);
        }
        command.current_dir(&self.folder).arg("--data").arg(self.folder.join("data")).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// An access token. The key it is signed with outlives the server.
    fn sign_in(&self) -> String {
        let server = Server::start(self);
        let who = json!({"username": "boss", "password": PASSWORD});
        let mut answer = agent().post(server.url("/api/auth/token/")).send_json(&who).expect("an answer to signing in");
        let body = answer.body_mut().read_to_string().expect("an answer has a body");
        assert_eq!(answer.status(), 200, "{body}");
        let tokens: Json = serde_json::from_str(&body).expect("tokens are JSON");
        tokens["access"].as_str().expect("an access token").to_owned()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("the database is in {}", self.folder.display());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A running server. It only ever ends by `kill -9`, also when an assertion fails.
struct Server {
    child: Child,
    origin: String,
}

impl Server {
    fn start(house: &House) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let mut command = house.studio();
        command.args(["serve", "--address", &free.to_string()]);
        command.envs([("STUDIO_LOG__LEVEL", "error"), ("STUDIO_LOG__REQUESTS", "false")]);
        // All clients have one address here, and a long run outlives an access token.
        command.envs([("STUDIO_SERVER__MAX_CONNECTIONS_PER_ADDRESS", "0"), ("STUDIO_AUTH__ACCESS_SECONDS", "43200")]);
        let child = command.spawn().expect("studio starts");
        let mut server = Self { child, origin: format!("http://{free}") };
        let health = server.url("/healthz");
        wait_for("the server", || {
            let ended = server.child.try_wait().expect("the server's state");
            assert!(ended.is_none(), "the server ended at its start: {ended:?}");
            agent().get(&health).call().is_ok_and(|answer| answer.status() == 200)
        });
        server
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for(what: &str, mut here: impl FnMut() -> bool) {
    let start = Instant::now();
    while !here() {
        assert!(start.elapsed() < PATIENCE, "still waiting for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
