//! What a request costs, and how many of them go through: `cargo bench --bench http -- [--only NAME] [--seconds N] [--leads N]`.
//!
//! The server is the program as it is shipped, on a database of realistic size and alone on one core; the load comes from another
//! core. Machines differ and are shared, so each figure stands beside what `/healthz` costs in the same run: compare those ratios.

use std::{
    collections::HashMap,
    env,
    error::Error,
    fs, io,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    ops::Range,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use studio::{
    actor::{Actor, Business},
    app::App,
    clock::Clock,
    config,
    db::{Value, Writer},
    kit::DateTime,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const STUDIO: &str = env!("CARGO_BIN_EXE_studio");
const PASSWORD: &str = "gourd-lantern-47-quay";
const USAGE: &str = "cargo bench --bench http -- [--only NAME] [--seconds N] [--leads N]";
/// Caches fill and connections open before anything is counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// A single start says little; the one in the middle of several is printed.
const STARTS: usize = 5;
const CONNECTIONS: &[usize] = &[1, 16, 64];
/// How many different records are read in turn.
const RECORDS: usize = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // `cargo test --all-targets` runs benches too, without this argument.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing to test here; measure with {USAGE}");
        return ExitCode::SUCCESS;
    }
    match Options::read(&arguments).and_then(|options| run(&options, pin(&arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    only: Option<String>,
    seconds: f64,
    leads: usize,
}

impl Options {
    fn read(arguments: &[String]) -> Outcome<Self> {
        let seconds = env::var("STUDIO_BENCH_SECONDS").unwrap_or_else(|_| "3".to_owned()).parse()?;
        let mut options = Self { only: None, seconds, leads: 100_000 };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value: {USAGE}"));
            match argument.as_str() {
                "--only" => options.only = Some(value()?.clone()),
                "--seconds" => options.seconds = value()?.parse()?,
                "--leads" => options.leads = value()?.parse()?,
                "--bench" | PINNED => {}
                other => return Err(format!("unknown argument {other}: {USAGE}").into()),
            }
        }
        if options.leads < 2 * RECORDS {
            return Err(format!("--leads: at least {}", 2 * RECORDS).into());
        }
        Ok(options)
    }
}

// ------------------------------------------------------------------------------------------------ cores

/// Says to the program's second start that it is on its own core now.
const PINNED: &str = "--pinned";

/// Holds this process to core 1, by starting it anew there, and answers whether the server can have core 0 for itself.
fn pin(arguments: &[String]) -> bool {
    if arguments.iter().any(|argument| argument == PINNED) {
        return true;
    }
    let works =
        |core| Command::new("taskset").args(["-c", core, "true"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if let (true, true, Ok(this)) = (works("0"), works("1"), env::current_exe()) {
        let error = Command::new("taskset").args(["-c", "1"]).arg(this).args(arguments).arg(PINNED).exec();
        eprintln!("cannot start on core 1: {error}");
    }
    false
}

/// The program, on core 0 if it is to be held there; without our own variables, which it would take for settings.
fn studio(folder: &Path, pinned: bool) -> Command {
    let mut command = if pinned { Command::new("taskset") } else { Command::new(STUDIO) };
    if pinned {
        command.args(["-c", "0", STUDIO]);
    }
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STUDIO_")) {
        command.env_remove(name);
    }
    // Where no config.toml is.
    command.current_dir(folder.parent().unwrap_or(folder)).arg("--data").arg(folder).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

// ------------------------------------------------------------------------------------------------ the run

fn run(options: &Options, pinned: bool) -> Outcome<()> {
    let home = Folder::new()?;
    let (first, _) = cold_starts(|number| home.0.join(format!("first-{number}")), pinned)?;
    let data = home.0.join("data");
    create_superuser(&data)?;
    let seeding = Instant::now();
    seed(&data, options.leads)?;
    println!("{} leads stored in {:.1} s", options.leads, seeding.elapsed().as_secs_f64());
    let (existing, server) = cold_starts(|_| data.clone(), pinned)?;
    let idle = server.resident_mb()?;
    println!(
        "server {}",
        if pinned { "alone on core 0, load from core 1" } else { "not held to one core: taskset or a second core is missing" }
    );
    println!(
        "cold start to the first answer: {:.1} ms with a new folder, {:.1} ms with this database (target 100 ms)",
        ms(first),
        ms(existing)
    );
    println!("idle memory after the start: {idle:.1} MB (target 40 MB)\n");
    // One thread: the load has one core.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure_all(&server, options))?;
    server.stop()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The time that the middle one of several starts took, and the last server, still running.
fn cold_starts(folder: impl Fn(usize) -> PathBuf, pinned: bool) -> Outcome<(Duration, Server)> {
    let mut times = vec![];
    loop {
        let server = Server::start(&folder(times.len()), pinned)?;
        times.push(server.started_in);
        if times.len() == STARTS {
            times.sort_unstable();
            return Ok((times[STARTS / 2], server));
        }
        server.stop()?;
    }
}

/// A folder on the disk of the build, gone when dropped: temporary folders are often in memory, where commits cost nothing.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
        fs::create_dir_all(&path).map(|()| Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

// ------------------------------------------------------------------------------------------------ the server

/// A running server; killed when dropped, so that nothing outlives a failed run.
struct Server {
    child: Child,
    address: SocketAddr,
    started_in: Duration,
}

impl Server {
    fn start(folder: &Path, pinned: bool) -> Outcome<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = studio(folder, pinned);
        command.args(["serve", "--address", &address.to_string()]);
        // A long run outlives an access token.
        command.envs([("STUDIO_LOG__LEVEL", "error"), ("STUDIO_LOG__REQUESTS", "false"), ("STUDIO_AUTH__ACCESS_SECONDS", "43200")]);
        let start = Instant::now();
        let mut server = Self { child: command.spawn()?, address, started_in: Duration::ZERO };
        while !answers(address) {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("the server ended at its start: {status}").into());
            }
            if start.elapsed() > Duration::from_secs(30) {
                return Err("the server does not answer".into());
            }
            thread::sleep(Duration::from_micros(200));
        }
        server.started_in = start.elapsed();
        Ok(server)
    }

    /// Ends it as an operator would, so that the next start is one after a clean end.
    fn stop(mut self) -> Outcome<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }

    /// The processor time it has used, with its threads. Linux counts it in hundredths of a second.
    fn cpu_seconds(&self) -> Outcome<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in brackets may hold anything; after it come state, 10 other fields, utime and stime.
        let fields = stat.rsplit_once(')').ok_or("no name in stat")?.1.split_whitespace();
        let ticks: Vec<f64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / 100.0)
    }

    fn resident_mb(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0 / 1e6)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is there a server that answers?
fn answers(address: SocketAddr) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(&start == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

fn create_superuser(folder: &Path) -> Outcome<()> {
    let mut command = studio(folder, false);
    command.args(["createsuperuser", "--noinput"]).env("STUDIO_SUPERUSER_PASSWORD", PASSWORD);
    let status = command.envs([("STUDIO_SUPERUSER_USERNAME", "boss"), ("STUDIO_SUPERUSER_EMAIL", "boss@example.com")]).status()?;
    if status.success() { Ok(()) } else { Err(format!("createsuperuser ended with {status}").into()) }
}

// ------------------------------------------------------------------------------------------------ the database

const KINDS: [&str; 12] = [
    "Trading",
    "Hardware",
    "Pharmacy",
    "Logistics",
    "Academy",
    "Motors",
    "Bakery",
    "Textiles",
    "Foods",
    "Electronics",
    "Clinic",
    "Farm Supplies",
];
/// One lead in twelve has it.
const COMMON_WORD: &str = KINDS[0];
const FORMS: [&str; 5] = ["Ltd", "& Sons", "Enterprises", "Company", "Group"];
const FIRST_NAMES: [&str; 10] = ["Amina", "Brian", "Cynthia", "David", "Esther", "Faith", "George", "Halima", "Isaac", "Joyce"];
const LAST_NAMES: [&str; 10] = ["Otieno", "Wanjiru", "Mwangi", "Achieng", "Kiptoo", "Njoroge", "Hassan", "Mutua", "Chebet", "Omondi"];
const PLACES: [&str; 8] = ["Nairobi", "Mombasa", "Kisumu", "Nakuru", "Eldoret", "Thika", "Malindi", "Kitale"];
/// Stages with a status that goes with each.
const STAGES: [(&str, &str); 8] = [
    ("prospect", "new"),
    ("prospect", "new"),
    ("prospect", "follow_up"),
    ("qualified", "interested"),
    ("qualified", "on_hold"),
    ("negotiation", "quote_sent"),
    ("won", "closed_subscribed"),
    ("lost", "closed_lost"),
];
const SYLLABLES: [&str; 20] =
    ["ba", "che", "do", "fu", "gi", "ha", "jo", "ki", "lu", "ma", "ne", "po", "ra", "si", "te", "vu", "wa", "xi", "yo", "zu"];
const RARE_WORDS: usize = 20 * 20 * 20;

/// A made-up name; with 100,000 leads, about a dozen share each.
fn rare_word(number: usize) -> String {
    [number / 400, number / 20, number].iter().map(|part| SYLLABLES[part % 20]).collect()
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 33) as usize % end
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Stores the leads through the program's own door, so that each has its audit row.
fn seed(folder: &Path, leads: usize) -> Outcome<()> {
    let folder = folder.to_owned();
    // In a thread of its own: with it end the connections to the database that it holds.
    let seeded = thread::spawn(move || -> studio::error::Result<()> {
        let settings = config::load(None, std::iter::empty(), &[("data.folder", folder.display().to_string())]);
        let clock = Clock::fixed(Clock::system().now());
        let app = App::open(settings.map_err(studio::error::Error::internal)?.config, clock.clone())?;
        let actor = Arc::new(boss(&app)?);
        // Five minutes between two leads, the last one of them now.
        clock.advance(-300 * leads as i64);
        for start in (0..leads).step_by(1000) {
            let clock = clock.clone();
            app.db.write_blocking(actor.clone(), move |tx| {
                for number in start..leads.min(start + 1000) {
                    clock.advance(300);
                    insert_lead(tx, number, DateTime(clock.now()).to_string())?;
                }
                Ok(())
            })?;
        }
        Ok(())
    });
    let seeded = seeded.join().map_err(|_| "storing the leads panicked")?;
    seeded.map_err(|error| format!("storing the leads: {error:?}").into())
}

fn boss(app: &App) -> studio::error::Result<Actor> {
    let mut actor = Actor::system(app.db.clock().now());
    app.db.read(|reader| {
        actor.user_id = reader.one("SELECT id FROM users WHERE username = 'boss'", &[])?;
        actor.business = reader.row("SELECT id, currency, timezone, country FROM businesses ORDER BY id", &[], |row| {
            Ok(Arc::new(Business::new(row.get(0)?, row.get(1)?, &row.get::<String>(2)?, row.get(3)?)))
        })?;
        Ok(())
    })?;
    Ok(actor)
}

fn insert_lead(tx: &mut Writer<'_>, number: usize, at: String) -> studio::error::Result<()> {
    let random = &mut Random(number as u64);
    let (first, last, place) = (random.of(&FIRST_NAMES), random.of(&LAST_NAMES), random.of(&PLACES));
    let (stage, status) = random.of(&STAGES);
    let when = |wanted: bool| Value::from(wanted.then(|| at.clone()));
    let phone = 700_000_000 + random.below(99_999_999);
    let email = format!("{}.{}{number}@example.com", first.to_lowercase(), last.to_lowercase());
    let values = vec![
        ("created_at", at.clone().into()),
        ("updated_at", at.clone().into()),
        ("business_name", business_name(random).into()),
        ("contact_name", format!("{first} {last}").into()),
        ("contact_phone", format!("0{phone}").into()),
        ("phone_norm", format!("+254{phone}").into()),
        ("contact_email", email.clone().into()),
        ("email_norm", email.into()),
        ("stage", stage.into()),
        ("status", status.into()),
        ("source", random.of(&["field", "referral", "digital", "inbound", "other"]).into()),
        ("priority", random.of(&["low", "medium", "medium", "high", "urgent"]).into()),
        ("tags", random.of(&["[]", "[\"retail\"]", "[\"retail\",\"repeat\"]"]).into()),
        ("notes", "Asked for a quote; call back in the afternoon. ".repeat(random.below(4)).trim_end().into()),
        ("location", format!("{place}, Moi Avenue {}", random.below(200)).into()),
        ("lat", (-1.3 + random.below(1000) as f64 / 1000.0).into()),
        ("lon", (36.5 + random.below(1000) as f64 / 1000.0).into()),
        ("expected_value", i64::try_from(random.below(5_000_000)).ok().into()),
        ("currency", "USD".into()),
        ("won_at", when(stage == "won")),
        ("lost_at", when(stage == "lost")),
        ("lost_reason", (stage == "lost").then_some("price").into()),
        ("deleted_at", when(number % 20 == 7)),
    ];
    tx.insert("leads", values).map(drop)
}

fn business_name(random: &mut Random) -> String {
    let mut word = rare_word(random.below(RARE_WORDS));
    word[..1].make_ascii_uppercase();
    format!("{word} {} {}", random.of(&KINDS), random.of(&FORMS))
}

// ------------------------------------------------------------------------------------------------ a client

/// A kept-alive connection. It knows just enough of HTTP/1.1: the less the client works, the more the server can show.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// Where an answer stands in what was received.
struct Answer {
    status: u16,
    head: Range<usize>,
    body: Range<usize>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(128 * 1024) })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Any other status than `expected`, with the body: a refusal is quick, and would pass for a good figure.
    async fn call(&mut self, request: &[u8], expected: u16) -> Outcome<Answer> {
        self.received.clear();
        self.stream.write_all(request).await?;
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err("the server closed the connection".into());
            }
            match parse(&self.received)? {
                Some(answer) if answer.status == expected => return Ok(answer),
                Some(answer) => return Err(self.refusal(request, &answer).into()),
                None => {}
            }
        }
    }

    fn refusal(&self, request: &[u8], answer: &Answer) -> String {
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let body = String::from_utf8_lossy(&self.received[answer.body.clone()]);
        format!("{} answered {}: {body}", String::from_utf8_lossy(line), answer.status)
    }

    async fn json(&mut self, request: &[u8]) -> Outcome<Json> {
        let answer = self.call(request, 200).await?;
        Ok(serde_json::from_slice(&self.received[answer.body])?)
    }

    async fn etag(&mut self, request: &[u8]) -> Outcome<String> {
        let answer = self.call(request, 200).await?;
        let head = std::str::from_utf8(&self.received[answer.head])?;
        Ok(header(head, "etag").ok_or("an answer without ETag")?.to_owned())
    }
}

/// The answer, once all of it is here.
fn parse(received: &[u8]) -> Outcome<Option<Answer>> {
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&received[..end])?;
    let status = head.get(9..12).ok_or("an answer without status")?.parse()?;
    let length: usize = match status {
        204 | 304 => 0,
        // A stream (RFC 9112, 7.1), which nothing follows here: only its end counts.
        _ if header(head, "transfer-encoding").is_some() => {
            let is_whole = received.ends_with(b"\r\n0\r\n\r\n");
            return Ok(is_whole.then_some(Answer { status, head: 0..end, body: end + 4..received.len() }));
        }
        _ => header(head, "content-length").ok_or("an answer without Content-Length")?.parse()?,
    };
    let body = end + 4..end + 4 + length;
    Ok((received.len() >= body.end).then_some(Answer { status, head: 0..end, body }))
}

fn header<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}

/// Requests of somebody who has signed in.
#[derive(Clone)]
struct Requests {
    address: SocketAddr,
    token: String,
}

impl Requests {
    /// Further headers each end with a line break.
    fn get(&self, path: &str, headers: &str) -> Vec<u8> {
        let Self { address, token } = self;
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{headers}\r\n").into_bytes()
    }

    fn post(&self, path: &str, body: &Json) -> Vec<u8> {
        self.send(path, "application/json", &body.to_string())
    }

    fn send(&self, path: &str, content_type: &str, body: &str) -> Vec<u8> {
        let Self { address, token } = self;
        let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let about = format!("Content-Type: {content_type}\r\nContent-Length: {}", body.len());
        format!("POST {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}{about}\r\n\r\n{body}").into_bytes()
    }
}

// ------------------------------------------------------------------------------------------------ operations

/// Something to be measured.
struct Operation {
    name: &'static str,
    status: u16,
    connections: &'static [usize],
    /// What is aimed at with so many connections: processor time for each request, or requests in a second.
    targets: &'static [(usize, &'static str)],
    /// The request of a number.
    request: Box<dyn Fn(usize) -> Vec<u8> + Send + Sync>,
    /// Goes on over all measurements, so that none meets what another has left in a cache.
    next: AtomicUsize,
}

impl Operation {
    fn new(
        name: &'static str,
        status: u16,
        targets: &'static [(usize, &'static str)],
        request: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self { name, status, connections: CONNECTIONS, targets, request: Box::new(request), next: AtomicUsize::new(0) }
    }

    fn target(&self, connections: usize) -> &'static str {
        self.targets.iter().find(|(of, _)| *of == connections).map_or("", |(_, target)| target)
    }
}

const LEADS: &str = "/api/field/leads/";
const PAGE: &str = "/api/field/leads/?page_size=20";

/// All operations, those that write last: a write makes validators and known totals void.
async fn operations(address: SocketAddr) -> Outcome<Vec<Arc<Operation>>> {
    let connection = &mut Connection::open(address).await?;
    let nobody = Requests { address, token: String::new() };
    let login = nobody.post("/api/auth/token/", &json!({"username": "boss", "password": PASSWORD}));
    let tokens = connection.json(&login).await?;
    let token = tokens["access"].as_str().ok_or("no access token")?.to_owned();
    let requests = Requests { address, token };
    let if_none_match = |etag: String| format!("If-None-Match: {etag}\r\n");
    let (mut one, mut one_unchanged) = (vec![], vec![]);
    for id in ids(connection, &requests).await? {
        let path = format!("{LEADS}{id}/");
        one.push(requests.get(&path, ""));
        let etag = connection.etag(&requests.get(&path, "")).await?;
        one_unchanged.push(requests.get(&path, &if_none_match(etag)));
    }
    let page = requests.get(PAGE, "");
    let etag = connection.etag(&page).await?;
    let page_unchanged = requests.get(PAGE, &if_none_match(etag));
    let [paging, rare, common, everywhere, create, import, export] = [(); 7].map(|()| requests.clone());
    let health = nobody_gets(address, "/healthz");
    let mut all = vec![
        Operation::new("healthz", 200, &[(16, "15 µs")], move |_| health.clone()),
        Operation::new("one", 200, &[(16, "35 µs")], in_turn(one)),
        Operation::new("one-304", 304, &[], in_turn(one_unchanged)),
        // Another address each time: the page is made anew, its total is known.
        Operation::new("page", 200, &[(16, "90 µs")], move |number| paging.get(&format!("{PAGE}&_={number}"), "")),
        // The same again and again, with nothing written between: answered from memory.
        Operation::new("page-kept", 200, &[(16, "90 µs")], move |_| page.clone()),
        Operation::new("page-304", 304, &[(16, "15 µs")], move |_| page_unchanged.clone()),
        // Another word each time: how many match cannot be known from before.
        Operation::new("search-rare", 200, &[(16, "2500 µs")], move |number| {
            rare.get(&format!("{PAGE}&search={}", rare_word(number % RARE_WORDS)), "")
        }),
        // The same word, another address: how many match is known, the rows are found anew.
        Operation::new("search-common", 200, &[(16, "2500 µs")], move |number| {
            common.get(&format!("{PAGE}&search={COMMON_WORD}&_={number}"), "")
        }),
        // Everything that the caller may list.
        Operation::new("search-all", 200, &[(16, "20000 µs")], move |number| {
            everywhere.get(&format!("/api/search/?q={}", rare_word(number % RARE_WORDS)), "")
        }),
        // The live leads as CSV, all of them.
        Operation {
            connections: &[1],
            ..Operation::new("export", 200, &[], move |number| export.get(&format!("{LEADS}export/?_={number}"), ""))
        },
        // A hundred new leads in a file: 100,000 in 20 seconds are 20 ms for each of these.
        Operation {
            connections: &[1],
            ..Operation::new("import-100", 200, &[(1, "20000 µs")], move |number| {
                import.send(&format!("{LEADS}import/"), "text/csv", &hundred_leads(number))
            })
        },
        Operation::new("create", 201, &[(16, "140 µs"), (64, "7000/s")], move |number| create.post(LEADS, &new_lead(number))),
    ];
    let login = Operation::new("login", 200, &[(1, "22000 µs")], move |_| login.clone());
    all.push(Operation { connections: &[1], ..login });
    Ok(all.into_iter().map(Arc::new).collect())
}

/// What a watchdog sends: no token.
fn nobody_gets(address: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").into_bytes()
}

fn in_turn(all: Vec<Vec<u8>>) -> impl Fn(usize) -> Vec<u8> {
    move |number| all[number % all.len()].clone()
}

async fn ids(connection: &mut Connection, requests: &Requests) -> Outcome<Vec<i64>> {
    let page = connection.json(&requests.get(&format!("{LEADS}?page_size={RECORDS}"), "")).await?;
    let rows = page["results"].as_array().ok_or("a page without results")?;
    Ok(rows.iter().filter_map(|row| row["id"].as_i64()).collect())
}

fn new_lead(number: usize) -> Json {
    let random = &mut Random(u64::MAX / 2 + number as u64);
    json!({
        "business_name": business_name(random),
        "contact_name": format!("{} {}", random.of(&FIRST_NAMES), random.of(&LAST_NAMES)),
        "contact_phone": format!("07{:08}", random.below(99_999_999)),
        "location": random.of(&PLACES),
        "source": "field",
    })
}

/// A file of new leads.
fn hundred_leads(number: usize) -> String {
    let line = |at: usize| {
        let lead = new_lead(100 * number + at);
        let text = |name: &str| lead[name].as_str().unwrap_or_default().to_owned();
        format!("{},{},{},\"{}\"\r\n", text("business_name"), text("contact_name"), text("contact_phone"), text("location"))
    };
    let heading = "Business name,Contact name,Contact phone,Location\r\n".to_owned();
    std::iter::once(heading).chain((0..100).map(line)).collect()
}

// ------------------------------------------------------------------------------------------------ measuring

/// Measures what was asked for and prints a line for each; `/healthz` always, for all others are compared with it.
async fn measure_all(server: &Server, options: &Options) -> Outcome<()> {
    let operations = operations(server.address).await?;
    let names: Vec<&str> = operations.iter().map(|operation| operation.name).collect();
    if let Some(only) = options.only.as_deref().filter(|only| !names.contains(only)) {
        return Err(format!("--only {only}: there are {}", names.join(", ")).into());
    }
    let wanted = |name: &str| name == "healthz" || options.only.as_deref().is_none_or(|only| only == name);
    println!(
        "{:<14}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}{:>14}{:>12}",
        "operation", "connections", "requests/s", "p50 µs", "p99 µs", "CPU µs", "CPU/healthz", "rate/healthz", "target"
    );
    let mut health = HashMap::new();
    for operation in operations.iter().filter(|operation| wanted(operation.name)) {
        for &connections in operation.connections {
            let figures = measure(server, operation, connections, Duration::from_secs_f64(options.seconds)).await?;
            let base = health.entry(connections).or_insert(figures);
            print_line(operation, connections, &figures, base);
        }
    }
    Ok(())
}

fn print_line(operation: &Operation, connections: usize, figures: &Figures, health: &Figures) {
    let Figures { rate, p50, p99, cpu } = figures;
    let (cpu_ratio, rate_ratio, target) = (cpu / health.cpu, rate / health.rate, operation.target(connections));
    println!(
        "{:<14}{connections:>12}{rate:>12.0}{p50:>12.0}{p99:>12.0}{cpu:>12.1}{cpu_ratio:>12.2}{rate_ratio:>14.4}{target:>12}",
        operation.name
    );
}

/// What was measured; times in microseconds.
#[derive(Clone, Copy)]
struct Figures {
    /// Requests in a second.
    rate: f64,
    p50: f64,
    p99: f64,
    /// The server's processor time for each request.
    cpu: f64,
}

/// The phases of a measurement.
const WARMING: u8 = 0;
const COUNTING: u8 = 1;
const OVER: u8 = 2;

async fn measure(server: &Server, operation: &Arc<Operation>, connections: usize, time: Duration) -> Outcome<Figures> {
    let phase = Arc::new(AtomicU8::new(WARMING));
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let connection = Connection::open(server.address).await?;
        clients.spawn(client(connection, operation.clone(), phase.clone()));
    }
    sleep(WARM_UP).await;
    let (start, cpu) = (Instant::now(), server.cpu_seconds()?);
    phase.store(COUNTING, Relaxed);
    sleep(time).await;
    phase.store(OVER, Relaxed);
    let (elapsed, cpu) = (start.elapsed().as_secs_f64(), server.cpu_seconds()? - cpu);
    let mut latencies = vec![];
    while let Some(done) = clients.join_next().await {
        latencies.extend(done??);
    }
    if latencies.is_empty() {
        return Err(format!("{} at {connections} connections: no answer in {elapsed:.1} s; give it more --seconds", operation.name).into());
    }
    latencies.sort_unstable();
    let count = latencies.len() as f64;
    Ok(Figures { rate: count / elapsed, p50: percentile(&latencies, 50), p99: percentile(&latencies, 99), cpu: cpu * 1e6 / count })
}

/// Sends one request after the other and answers how long each took that was answered while counting.
async fn client(mut connection: Connection, operation: Arc<Operation>, phase: Arc<AtomicU8>) -> Outcome<Vec<Duration>> {
    let mut latencies = vec![];
    while phase.load(Relaxed) != OVER {
        let request = (operation.request)(operation.next.fetch_add(1, Relaxed));
        let start = Instant::now();
        connection.call(&request, operation.status).await?;
        if phase.load(Relaxed) == COUNTING {
            latencies.push(start.elapsed());
        }
    }
    Ok(latencies)
}

/// The nearest rank, in microseconds; `sorted` is not empty.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1].as_secs_f64() * 1e6
}
