//! The command line, through the built program: as an operator calls it, in a working directory of its own.

use std::{
    cell::Cell,
    collections::BTreeSet,
    env,
    fs::{self, File, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::{Value as Json, json};

use crate::support::Folder;

const PASSWORD: &str = "gourd-lantern-47-quay";
const OTHER_PASSWORD: &str = "walnut-harbour-83-kite";
/// For whatever should take milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// The program as somebody calls it who lets others at their files.
const LAX: &str = "umask 0; exec \"$0\" \"$@\"";
const NOINPUT: &str = "createsuperuser --noinput --username boss --email boss@example.com";
/// A row that refers to nothing.
const DANGLING: &str = "PRAGMA foreign_keys = OFF; INSERT INTO lead_stage_events (id, business_id, lead_id, to_stage, at)
                        VALUES (1, 1, 9, 'won', '2026-03-02T09:00:00.000Z')";

/// A working directory, whose `data` is the data folder, and where no setting comes from outside.
struct Desk(Folder, Cell<u32>);

/// A call of the program, which ends when dropped: its arguments, and the files that it prints and reports to.
struct Call(Child, String, [PathBuf; 2]);

/// What came of a call: its arguments, exit code, output and errors.
struct Done(String, Option<i32>, String, String);

impl Desk {
    fn new() -> Self {
        Self(Folder::new(), Cell::new(0))
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn start(&self, args: &str, variables: &[(&str, &str)]) -> Call {
        let number = self.1.replace(self.1.get() + 1);
        let files = ["stdout", "stderr"].map(|name| self.path(&format!("{name}-{number}")));
        let [stdout, stderr] = files.each_ref().map(|path| File::create(path).expect("a file"));
        let mut command = Command::new("sh");
        command.env_clear().envs(env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("STUDIO_")));
        command.args(["-c", LAX, env!("CARGO_BIN_EXE_studio")]).args(args.split_whitespace()).current_dir(self.0.path());
        command.env("RUST_BACKTRACE", "1").envs(variables.iter().copied()).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        Call(command.spawn().expect("studio starts"), args.to_owned(), files)
    }
    fn with(&self, args: &str, variables: &[(&str, &str)]) -> Done {
        self.start(args, variables).finish()
    }
    fn run(&self, args: &str) -> Done {
        self.with(args, &[("STUDIO_SUPERUSER_PASSWORD", PASSWORD)])
    }
    /// Changes the database behind the program's back.
    fn sql(&self, sql: &str) {
        Connection::open(self.path("data/studio.db")).and_then(|database| database.execute_batch(sql)).expect("the SQL runs");
    }
}

impl Call {
    /// What was printed and reported so far.
    fn said(&self) -> [String; 2] {
        self.2.each_ref().map(|path| fs::read_to_string(path).expect("what was said"))
    }
    /// Waits until this is so, or it ends with an exit code.
    fn wait(&mut self, until: impl Fn(&Self) -> bool) -> Option<i32> {
        let start = Instant::now();
        while !until(self) && start.elapsed() < PATIENCE {
            match self.0.try_wait().expect("the call's state") {
                Some(status) => return status.code(),
                None => thread::sleep(Duration::from_millis(2)),
            }
        }
        None
    }
    fn finish(mut self) -> Done {
        let code = self.wait(|_| false);
        let [out, err] = self.said();
        Done(self.1.clone(), code, out, err)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

impl Done {
    /// What it printed, when it succeeded and had nothing to report.
    fn fine(self) -> String {
        assert_eq!((self.1, self.3.as_str()), (Some(0), ""), "`studio {}` printed {}", self.0, self.2);
        self.2
    }
    /// It ended with this code and one sentence with these words; the log of a server may stand before it.
    fn fails(self, code: i32, words: &str) -> String {
        let said: Vec<&str> = self.3.lines().filter(|line| !line.starts_with('{')).collect();
        let right = matches!(said[..], [one] if one.starts_with("studio: ") && one.len() < 300 && one.contains(words));
        assert!(right && self.1 == Some(code), "`studio {}` ended with {:?}: {said:#?}", self.0, self.1);
        self.2
    }
}

/// A running server: the call, what it greeted with, and where it is.
struct Server(Call, String, String);

impl Server {
    fn start(desk: &Desk) -> Self {
        let mut call = desk.start("serve --address 127.0.0.1:0", &[]);
        let ended = call.wait(|call| call.said()[0].contains("  Data "));
        let [greeting, log] = call.said();
        assert!(ended.is_none() && !greeting.is_empty(), "no server: {log}");
        let address = greeting.lines().next().and_then(|line| line.rsplit(' ').next());
        let origin = format!("http://{}", address.expect("an address"));
        Self(call, greeting, origin)
    }
    /// With a body it is sent there, otherwise something is read.
    fn ask(&self, path: &str, tokens: &Json, body: Option<Json>) -> (u16, Json) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().new_agent();
        let (url, access) = (format!("{}{path}", self.2), format!("Bearer {}", tokens["access"].as_str().unwrap_or_default()));
        let get = || agent.get(&url).header("Authorization", access).call();
        let mut answer = body.map_or_else(get, |body| agent.post(&url).send_json(body)).expect("an answer");
        (answer.status().as_u16(), answer.body_mut().read_json().expect("an answer is JSON"))
    }
    fn sign_in(&self, password: &str) -> (u16, Json) {
        self.ask("/api/auth/token/", &Json::Null, Some(json!({"username": "boss", "password": password})))
    }
    /// Asks it to end, and answers its log when it did so in peace.
    fn stop(self, signal: &str) -> String {
        Command::new("kill").args([signal, &self.0.0.id().to_string()]).status().expect("kill runs");
        let done = self.0.finish();
        assert_eq!(done.1, Some(0), "after {signal}: {}", done.3);
        done.3
    }
}

/// Everything below a folder is for the owner alone.
fn private(path: &Path) {
    let metadata = fs::symlink_metadata(path).expect("something is there");
    let (mode, right) = (metadata.permissions().mode() & 0o777, if metadata.is_dir() { 0o700 } else { 0o600 });
    assert!(mode == right, "{} has mode {mode:o}", path.display());
    if metadata.is_dir() {
        fs::read_dir(path).expect("a folder").for_each(|entry| private(&entry.expect("an entry").path()));
    }
}

#[test]
fn every_command_explains_itself() {
    let desk = Desk::new();
    let help = desk.run("--help").fine();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut commands: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(commands.len() >= 11, "{help}");
    for script in ["bash", "zsh", "fish"].map(|shell| desk.run(&format!("completions {shell}")).fine()) {
        assert!(commands.iter().all(|command| script.contains(command)), "{script}");
    }
    commands.extend(["", "config show"]);
    for command in commands {
        let help = desk.run(&format!("{command} --help")).fine();
        let sentence = help.split("\n\n").next().unwrap_or_default();
        assert!(sentence.starts_with(char::is_uppercase) && sentence.split(' ').count() > 3, "{command}: {sentence}");
        assert!(help.contains(&format!("\nUsage: studio {command}")), "{command}: {help}");
    }
    assert_eq!(desk.run("--version").fine(), concat!("studio ", env!("CARGO_PKG_VERSION"), "\n"));
    for wrong in ["", "nonsense", "migrate --nonsense", "changepassword", "openapi", "openapi --file - --format xml"] {
        let done = desk.run(wrong);
        assert_eq!((done.1, done.2.as_str()), (Some(2), ""), "`studio {wrong}`");
        assert!(done.3.contains("Usage: studio") || done.3.contains("try '--help'"), "`studio {wrong}`: {}", done.3);
    }
    assert!(!desk.path("data").exists(), "asking for help makes nothing");
}

#[test]
fn one_sentence_says_what_went_wrong() {
    let desk = Desk::new();
    assert_eq!(desk.run(NOINPUT).fine(), "Superuser created successfully.\n");
    fs::write(desk.path("bad.toml"), "a = ").expect("a file");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let occupied = format!("serve --address {}", taken.local_addr().expect("an address"));
    let bad_name = "createsuperuser --noinput --username a --email";
    // A variable or else the password, the call, its exit code and words of what it says.
    let rows = [
        ("STUDIO_SERVER__ADRESS=1", "check", 78, "STUDIO_SERVER__ADRESS; did you mean STUDIO_SERVER__ADDRESS?"),
        ("STUDIO_LOG__LEVEL=loud", "showmigrations", 78, "STUDIO_LOG__LEVEL must be off, error, warn"),
        ("STUDIO_CONFIG=none.toml", "seed-accounts", 78, "cannot read the settings in none.toml"),
        ("", "--config bad.toml config show", 78, "bad.toml line 1 is not TOML"),
        ("", "serve --address nope", 78, "must be an IP address and a port"),
        ("", &occupied, 1, "cannot listen on 127.0.0.1:"),
        ("STUDIO_AUTH__JWT_KEY=short", "seed-accounts", 1, "shorter than 32 bytes"),
        ("", "openapi --file nowhere/x.json", 1, "cannot write nowhere/x.json"),
        ("", "createsuperuser", 1, "Operation cancelled."),
        ("", "createsuperuser --noinput", 1, "You must use --username with --noinput."),
        ("", NOINPUT, 1, "--noinput needs the password in the environment variable STUDIO_SUPERUSER_PASSWORD."),
        ("12345678", NOINPUT, 1, "too common. This password is entirely numeric."),
        ("example99", NOINPUT, 1, "too similar to the email address."),
        (OTHER_PASSWORD, NOINPUT, 1, "Error: That username is already taken."),
        (OTHER_PASSWORD, &format!("{bad_name} BOSS@example.com"), 1, "That e-mail address is already taken."),
        (OTHER_PASSWORD, &format!("{bad_name} nope"), 1, "valid email"),
        (OTHER_PASSWORD, "changepassword nobody --noinput", 1, "user 'nobody' does not exist"),
        ("boss1", "changepassword boss --noinput", 1, "too short"),
    ];
    for (variable, args, code, words) in rows {
        let out = desk.with(args, &[variable.split_once('=').unwrap_or(("STUDIO_SUPERUSER_PASSWORD", variable))]).fails(code, words);
        assert!(["", "Username: "].contains(&out.as_str()), "`studio {args}` printed {out}");
    }
}

#[test]
fn databases_are_migrated_and_checked() {
    let desk = Desk::new();
    assert!(desk.run("check").fine().contains("database: none yet"));
    let all = desk.run("showmigrations").fine();
    assert!(all.lines().count() >= 3 && all.lines().is_sorted() && all.lines().all(|line| line.starts_with("[ ] 0")), "{all}");
    assert_eq!(desk.run("migrate --plan").fine(), format!("Planned operations:\n{}", all.replace("[ ]", " ")));
    assert!(!desk.path("data").exists(), "looking makes nothing");
    assert_eq!(desk.run("migrate").fine(), all.replace("[ ]", "Applied"));
    assert_eq!(desk.run("migrate").fine(), "No migrations to apply.\n");
    assert_eq!(desk.run("migrate --plan").fine(), "Planned operations:\n  No planned migration operations.\n");
    assert_eq!(desk.run("showmigrations").fine(), all.replace("[ ]", "[X]"));
    assert!(desk.run("check").fine().lines().all(|line| line.starts_with("ok    ")));
    // What breaks it, what `check` finds, and what then keeps `serve` from starting.
    let whole = fs::read(desk.path("data/studio.db")).expect("the database");
    let rows = [
        ("ALTER TABLE leads ADD COLUMN behind TEXT", "schema: the column leads.behind is no field", ""),
        (DANGLING, "references: row 1 of lead_stage_events refers to a row of leads", ""),
        ("ALTER TABLE leads DROP COLUMN notes", "no such column: t.notes", "no such column: t.notes"),
        ("DELETE FROM migrations WHERE name = '0003_field'", "0003_field", "migration 0003_field failed: table zones already exists"),
        ("INSERT INTO migrations VALUES ('9999_later', '', '')", "by a newer studio (it has 9999_later)", "by a newer studio"),
        ("UPDATE migrations SET hash = ''", "edited after it had run", "edited after it had run"),
        ("PRAGMA application_id = 5", "is the database of another program", "is the database of another program"),
    ];
    for (breaks, found, refusal) in rows {
        desk.sql(breaks);
        let report = desk.run("check").fails(1, "one check went wrong");
        let wrong: Vec<&str> = report.lines().filter_map(|line| line.strip_prefix("WRONG ")).collect();
        assert!(matches!(wrong[..], [one] if one.len() < 300 && one.contains(found)), "{breaks}: {report}");
        if !refusal.is_empty() {
            desk.run("serve --address 127.0.0.1:0").fails(1, refusal);
        }
        fs::write(desk.path("data/studio.db"), &whole).expect("the database");
    }
    assert!(desk.path("data/backups").exists(), "the copy from before migrating");
    private(&desk.path("data"));
    desk.run("seed-accounts").fine();
    fs::set_permissions(desk.path("data/keys/jwt.key"), Permissions::from_mode(0o640)).expect("a key");
    desk.run("serve").fails(1, "other users of this machine; close it with `chmod 600 ");
    desk.run("seed-accounts").fails(1, "other users of this machine; close it with `chmod 600 ");
    assert!(desk.run("check").fails(1, "one check").contains("WRONG database: data/keys/jwt.key is open"));
}

#[test]
fn the_api_and_the_settings_are_described() {
    let desk = Desk::new();
    let title = [("STUDIO_API__TITLE", "Our office")];
    let document: Json = serde_json::from_str(&desk.with("openapi --file -", &title).fine()).expect("JSON");
    assert_eq!(document["info"]["title"], "Our office");
    let files = [("a.yaml", true), ("b.json", false), ("c", false), ("d.json --format yaml", true), ("e.yml --format json", false)];
    for (file, yaml) in files {
        assert_eq!(desk.with(&format!("openapi --file {file}"), &title).fine(), "");
        let file = file.split(' ').next().unwrap_or_default();
        let text = fs::read_to_string(desk.path(file)).expect("a document");
        let read: Json = if yaml { serde_yaml::from_str(&text).expect("YAML") } else { serde_json::from_str(&text).expect("JSON") };
        assert!(read == document && text.starts_with('{') != yaml && text.ends_with('\n'), "{file}");
    }
    let lines = desk.run("routes").fine();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let squeezed = |text: &str| text.lines().map(words).collect::<BTreeSet<String>>();
    let paths = document["paths"].as_object().expect("paths").iter();
    let described: BTreeSet<String> = paths
        .flat_map(|(path, item)| item.as_object().expect("methods").iter().map(move |(method, it)| (method.to_uppercase(), path, it)))
        .filter_map(|(method, path, it)| Some(format!("{method} {path} {}", it["operationId"].as_str()?)))
        .collect();
    assert_eq!((lines.lines().count(), squeezed(&lines)), (described.len(), described));
    let secrets = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];
    let settings = format!("[api]\npage_size = 7\n[log]\nlevel = 'warn'\n[auth]\njwt_key = '{}'\n", secrets[0]);
    fs::write(desk.path("config.toml"), settings).and_then(|()| fs::write(desk.path("key"), secrets[1])).expect("files");
    let variables = [("STUDIO_LOG__LEVEL", "error"), ("STUDIO_DATA__FOLDER", "lost"), ("STUDIO_AUTH__JWT_KEY_FILE", "key")];
    let (plain, over) = (desk.run("config show").fine(), desk.with("config show --help-text --data here", &variables).fine());
    let rows = [
        "api.page_size = 7 (config.toml)",
        "log.level = \"warn\" (config.toml)",
        "log.level = \"error\" (environment variable STUDIO_LOG__LEVEL)",
        "data.folder = \"data\" (the defaults)",
        "data.folder = \"here\" (the command line)",
        "auth.jwt_key = (secret) (config.toml)",
        "auth.jwt_key = (secret) (environment variable STUDIO_AUTH__JWT_KEY_FILE)",
    ];
    let shown = squeezed(&format!("{plain}{over}"));
    assert!(rows.iter().all(|row| shown.contains(*row)), "{plain}{over}");
    assert!(over.matches("\n# ").count() + 1 == plain.lines().count(), "{over}");
    assert!(!secrets.iter().any(|text| plain.contains(text) || over.contains(text)), "a secret is shown");
}

#[test]
fn commands_reach_a_running_server_and_signals_end_it() {
    let desk = Desk::new();
    let server = Server::start(&desk);
    let folder = desk.path("data").canonicalize().expect("the data folder").to_string_lossy().into_owned();
    let pages = ["/api/\n", "/api/docs/ ", "/api/redoc/ ", "/api/schema/\n"].map(|path| format!("{}{path}", server.2));
    for text in pages.iter().chain([&folder, &"no administrator yet".to_owned()]) {
        assert!(server.1.contains(text), "no {text} in {}", server.1);
    }
    private(&desk.path("data"));
    desk.run("serve --address 127.0.0.1:0").fails(69, "another process holds the database in data; stop it first");
    for start in ["created ", "exists  "] {
        let lines = desk.run("seed-accounts").fine();
        let count = |what: &str| lines.lines().filter(|line| line.starts_with(&format!("{start}{what} "))).count();
        assert_eq!((["branch", "department", "designation"].map(count), lines.lines().count()), ([1, 9, 8], 18), "{lines}");
    }
    assert_eq!(desk.run(NOINPUT).fine(), "Superuser created successfully.\n");
    desk.run("changepassword nobody").fails(1, "user 'nobody' does not exist");
    assert!(desk.run("check").fine().lines().all(|line| line.starts_with("ok    ")));
    assert_eq!(desk.run("migrate").fine(), "No migrations to apply.\n");
    assert!(desk.run("showmigrations").fine().lines().all(|line| line.starts_with("[X] ")));
    let tokens = server.sign_in(PASSWORD).1;
    for (path, count) in [("branches", 1), ("departments", 9), ("designations", 8)] {
        let (status, list) = server.ask(&format!("/api/accounts/{path}/"), &tokens, None);
        let found = list.as_array().or_else(|| list["results"].as_array()).map(Vec::len);
        assert_eq!((status, found), (200, Some(count)), "{path}: {list}");
    }
    let change = |password| desk.with("changepassword boss --noinput", &[("STUDIO_SUPERUSER_PASSWORD", password)]).fine();
    assert_eq!(change(OTHER_PASSWORD), "Password changed successfully for user 'boss'.\n");
    assert_eq!(server.ask("/api/accounts/branches/", &tokens, None).0, 401, "the old access token");
    let refresh = Some(json!({"refresh": tokens["refresh"]}));
    assert_eq!(server.ask("/api/auth/token/refresh/", &Json::Null, refresh).0, 401, "the old refresh token");
    assert_eq!(server.sign_in(PASSWORD).0, 401, "the old password");
    let tokens = server.sign_in(OTHER_PASSWORD).1;
    assert!(tokens["access"].is_string(), "{tokens}");
    let log = server.stop("-TERM");
    let lines: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
    assert!(lines.iter().all(|line| ["timestamp", "level", "target"].iter().all(|key| line[key].is_string())), "{log}");
    assert!(log.contains("/branches/") && log.contains("stopping") && !log.contains(PASSWORD) && !log.contains(OTHER_PASSWORD), "{log}");
    assert!(!desk.path("data/studio.sock").exists(), "the socket of a server that ended");
    // A thread that ends late may leave the file, but all of it is in the database.
    let wal = std::fs::metadata(desk.path("data/studio.db-wal")).map_or(0, |file| file.len());
    assert_eq!(wal, 0, "the write-ahead log of a server that ended");
    change(PASSWORD);
    let server = Server::start(&desk);
    assert!(!server.1.contains("no administrator"), "{}", server.1);
    assert_eq!(server.ask("/api/accounts/branches/", &tokens, None).0, 401, "the access token from before");
    assert_eq!((server.sign_in(OTHER_PASSWORD).0, server.sign_in(PASSWORD).0), (401, 200));
    desk.sql("ALTER TABLE leads DROP COLUMN notes");
    assert!(desk.run("check").fails(1, "one check").contains("WRONG schema: leads has no column notes"), "the server knows it too");
    server.stop("-INT");
}

/// Jobs and messages are looked at and set going again while a server runs, and when none does.
#[test]
fn jobs_and_messages() {
    const FAILED: &str = "INSERT INTO outbox (created_at, message_id, channel, recipient, template, payload, due_at, status, attempts, last_error)
        VALUES ('2026-03-02T09:00:00.000Z', hex(randomblob(18)), 'email', 'ruth@example.org', 'message', '{\"subject\":\"a\",\"text\":\"b\"}',
                '2026-03-02T09:00:00.000Z', 'failed', 5, 'no such host')";
    let desk = Desk::new();
    desk.run("migrate").fine();
    let counts = |desk: &Desk| desk.run("jobs").fine().lines().find(|line| line.starts_with("  pending")).unwrap_or_default().to_owned();
    let out = desk.run("jobs").fine();
    assert!(out.contains("purge_outbox") && out.contains("has not run yet") && out.contains("failed 0"), "{out}");
    desk.sql(&format!("{FAILED}; {FAILED}"));
    let out = desk.run("jobs").fine();
    assert!(out.contains("failed 1: email message to r***@example.org, 5 attempts: no such host"), "{out}");
    let check = desk.run("check").fine();
    assert!(check.contains("warn  outbox: 2 messages could not be sent; `studio jobs` says why"), "{check}");
    desk.run("jobs retry 3").fails(1, "There is no failed message 3.");
    for args in ["jobs retry", "jobs retry 1 --all-failed"] {
        assert_eq!(desk.run(args).1, Some(2), "{args}");
    }
    assert_eq!(desk.run("jobs retry 1").fine(), "1 message is sent again.\n");
    assert_eq!(counts(&desk), "  pending 1, sending 0, sent 0, failed 1, cancelled 0");
    assert_eq!(desk.run("jobs run purge_outbox").fine(), "purge_outbox: 0 removed\n");
    desk.run("jobs run purge").fails(1, "There is no job purge;");
    // The server sends what is there when it starts, and what becomes due while it runs.
    let _server = Server::start(&desk);
    let until = |wanted: &str| {
        let start = Instant::now();
        while counts(&desk) != wanted {
            assert!(start.elapsed() < PATIENCE, "{}, not {wanted}", counts(&desk));
        }
    };
    until("  pending 0, sending 0, sent 1, failed 1, cancelled 0");
    assert_eq!(desk.run("jobs retry --all-failed").fine(), "1 message is sent again.\n");
    until("  pending 0, sending 0, sent 2, failed 0, cancelled 0");
    assert!(desk.run("jobs run purge_refresh_tokens").fine().starts_with("purge_refresh_tokens: 0 removed"));
    let out = desk.run("jobs").fine();
    assert!(out.contains("(1 runs)") && !out.contains("ruth"), "{out}");
}

/// What was written down for good: all of it is sealed once a server has ended, and somebody who was in the file is found out.
#[test]
fn chains_are_verified() {
    let desk = Desk::new();
    desk.run(NOINPUT).fine();
    assert!(!desk.run("verify").fine().contains(" 0 entries are not sealed yet"), "a command leaves it to the server");
    let server = Server::start(&desk);
    server.stop("-TERM");
    let out = desk.run("verify").fine();
    assert!(out.lines().all(|line| line.starts_with("ok    ")) && out.contains("audit log: 0 entries are not sealed yet"), "{out}");
    assert!(desk.run("keys rotate audit").fine().contains("key 2"));
    desk.sql("DROP TRIGGER audit_log_no_update; UPDATE audit_log SET actor_id = 9 WHERE id = 2");
    let out = desk.run("verify").fails(1, "one check went wrong");
    assert!(out.contains("WRONG audit log: the entries up to "), "{out}");
}

/// People and keys, while a server runs: what is done holds from the next request on, and after a kill.
#[test]
fn people_and_keys() {
    let desk = Desk::new();
    assert_eq!(desk.run(NOINPUT).fine(), "Superuser created successfully.\n");
    let other = [("STUDIO_SUPERUSER_PASSWORD", PASSWORD)];
    desk.with("createsuperuser --noinput --username rana --email rana@example.com", &other).fine();
    let server = Server::start(&desk);
    let sign_in = |server: &Server, name: &str, password: &str| {
        server.ask("/api/auth/login/", &Json::Null, Some(json!({"username": name, "password": password})))
    };
    let me = |server: &Server, tokens: &Json| server.ask("/api/auth/me/", tokens, None).0;
    let refresh =
        |server: &Server, tokens: &Json| server.ask("/api/auth/token/refresh/", &Json::Null, Some(json!({"refresh": tokens["refresh"]})));

    let list = desk.run("users list").fine();
    assert!(list.contains("rana@example.com") && list.contains("superuser  active") && list.lines().count() == 2, "{list}");
    desk.run("users show nobody").fails(1, "user 'nobody' does not exist");
    let tokens = sign_in(&server, "rana", PASSWORD).1;
    let show = desk.run("users show rana").fine();
    assert!(show.contains("locked     no") && show.contains("sign-ins   1") && show.contains("from 127.0.0.1"), "{show}");
    assert!(!show.contains("argon2"), "{show}");
    assert_eq!(desk.run("users revoke-sessions rana@example.com").fine(), "User 'rana@example.com': 1 sign-in was ended.\n");
    assert_eq!((me(&server, &tokens), refresh(&server, &tokens).0), (401, 401));

    // Locked out, and let in again.
    let tries: Vec<u16> = (0..4).map(|_| sign_in(&server, "rana", "wrong password").0).collect();
    assert_eq!(tries, [401, 401, 401, 429]);
    assert!(desk.run("users show rana").fine().contains("locked     until "));
    assert_eq!(desk.run("users unlock rana").fine(), "User 'rana' can sign in again.\n");
    assert_eq!(desk.run("users unlock rana").fine(), "Nothing was held against user 'rana'.\n");
    let (status, tokens) = sign_in(&server, "rana", PASSWORD);
    assert_eq!(status, 200);
    assert_eq!(desk.run("users deactivate rana").fine(), "User 'rana' can no longer sign in; 1 sign-in was ended.\n");
    assert_eq!((me(&server, &tokens), sign_in(&server, "rana", PASSWORD).0), (401, 401));
    desk.run("users deactivate boss").fails(1, "the last superuser cannot be closed");
    desk.run("users activate rana").fine();
    assert_eq!((me(&server, &tokens), sign_in(&server, "rana", PASSWORD).0), (401, 200));

    // A new key signs nobody out; forgetting the one before does.
    let before = sign_in(&server, "boss", PASSWORD).1;
    let kid = |tokens: &Json| tokens["access"].as_str().and_then(|token| token.split('.').next()).unwrap_or_default().to_owned();
    assert!(desk.run("keys rotate jwt").fine().starts_with("Tokens are signed with a new key."));
    assert_eq!(me(&server, &before), 200);
    let (status, renewed) = refresh(&server, &before);
    assert_eq!(status, 200);
    let after = sign_in(&server, "boss", PASSWORD).1;
    assert!(kid(&renewed) == kid(&after) && kid(&after) != kid(&before), "the new key has another name");
    assert_eq!((me(&server, &renewed), me(&server, &after)), (200, 200));
    private(&desk.path("data/keys"));

    // What was ended stays ended, and both keys stay good, when the server is killed.
    let ended = sign_in(&server, "boss", PASSWORD).1;
    let logout = json!({"refresh": ended["refresh"]});
    assert_eq!(server.ask("/api/auth/logout/", &Json::Null, Some(logout)).0, 200);
    drop(server);
    let server = Server::start(&desk);
    assert_eq!((me(&server, &ended), refresh(&server, &ended).0), (401, 401), "after kill -9");
    assert_eq!((me(&server, &before), me(&server, &after)), (200, 200));
    desk.run("keys retire jwt").fine();
    assert_eq!((me(&server, &before), me(&server, &after)), (401, 200));
    // The key of the audit log, which the server has made by now or not.
    let out = desk.run("keys rotate vault").fine();
    assert!(["0.\n", "1.\n"].iter().any(|count| out.ends_with(&format!("was sealed anew: {count}"))), "{out}");
    assert_eq!(desk.run("keys rotate nonsense").1, Some(2));
    drop(server);
    // Without a server as well.
    desk.run("keys rotate jwt").fine();
    assert!(desk.run("users show boss").fine().contains("sign-ins   "));
    let given = [("STUDIO_AUTH__JWT_KEY", "0123456789abcdef0123456789abcdef")];
    desk.with("keys rotate jwt", &given).fails(1, "The configuration gives the key");
}

/// Lost authenticator apps and used-up codes, while a server runs.
#[test]
fn second_factors_and_one_time_codes() {
    let desk = Desk::new();
    desk.run(NOINPUT).fine();
    desk.sql(
        "INSERT INTO second_factors (id, created_at, secret_enc, confirmed_at)
         SELECT id, '2026-03-02T09:00:00.000Z', 'v1.none', '2026-03-02T09:00:00.000Z' FROM users",
    );
    for id in ["AAAA", "BBBB"] {
        desk.sql(&format!(
            "INSERT INTO passkeys (created_at, user_id, name, credential_id, public_key, sign_count, can_sync, is_synced)
             SELECT '2026-03-02T09:00:00.000Z', id, 'phone', '{id}', 'AAAA', 0, 0, 0 FROM users"
        ));
    }
    let server = Server::start(&desk);
    let refused = server.sign_in(PASSWORD);
    assert_eq!((refused.0, &refused.1["code"]), (401, &json!("totp_required")));
    assert!(desk.run("users show boss").fine().contains("factors    authenticator app, 2 passkeys\n"));
    assert_eq!(
        desk.run("users reset-2fa boss").fine(),
        "User 'boss' signs in with the password alone from now on; all sign-ins were ended.\n"
    );
    assert!(desk.run("users show boss").fine().contains("factors    0 passkeys\n"));
    let (status, tokens) = server.sign_in(PASSWORD);
    assert_eq!(status, 200);
    assert_eq!(desk.run("users reset-2fa boss").fine(), "User 'boss' had no second factor; all sign-ins were ended.\n");
    assert_eq!(server.ask("/api/auth/me/", &tokens, None).0, 401);
    desk.run("users reset-2fa nobody").fails(1, "user 'nobody' does not exist");

    let send = |number: &str| server.ask("/api/auth/send-otp/", &Json::Null, Some(json!({"phone_number": number}))).0;
    assert_eq!((send("+256700123456"), send("+256700123456"), send("+256700123457")), (200, 429, 200));
    assert_eq!(desk.run("otp reset +256700123456").fine(), "A code can be sent to +256700123456 again.\n");
    assert_eq!((send("+256700123456"), send("+256700123457")), (200, 429), "others stay as they were");
    assert_eq!(desk.run("otp reset +256700999999").fine(), "Nothing was held against +256700999999.\n");
    desk.run("otp reset 12").fails(1, "\"12\" is no telephone number");
    // Codes that were guessed at in vain lock a number for a day.
    desk.sql("UPDATE proof_sends SET burned_at = created_at");
    drop(server);
    desk.sql(
        "WITH burned AS (SELECT recipient_hash AS hash, created_at AS at FROM proof_sends ORDER BY id DESC LIMIT 1)
         INSERT INTO proof_sends (created_at, channel, recipient_hash, burned_at)
         SELECT at, 'sms', hash, at FROM burned UNION ALL SELECT at, 'sms', hash, at FROM burned",
    );
    assert_eq!(desk.run("otp reset +256700123456").fine(), "A code can be sent to +256700123456 again.\n", "without a server as well");
    let server = Server::start(&desk);
    assert_eq!(server.ask("/api/auth/send-otp/", &Json::Null, Some(json!({"phone_number": "+256700123456"}))).0, 200);
}

#[test]
fn keys_of_machines_are_made_listed_and_revoked_while_a_server_runs() {
    let desk = Desk::new();
    desk.run(NOINPUT).fine();
    let server = Server::start(&desk);
    let out = desk.run("apikeys create boss --name website --scope field/leads:read --scope field/zones:read --expires 2999-01-31").fine();
    let key = out.lines().nth(1).expect("the key").to_owned();
    assert!(out.starts_with("Key 1, which is not told again:\n") && key.starts_with("sk_") && key.len() == 67, "{out}");
    let leads = || {
        let request = ureq::get(format!("{}/api/field/leads/", server.2)).header("x-api-key", &key);
        request.config().http_status_as_error(false).build().call().expect("an answer").status().as_u16()
    };
    assert_eq!(leads(), 200);
    let list = desk.run("apikeys list").fine();
    let line = format!("1  {}...  boss  field/leads:read,field/zones:read  until 2999-01-31T00:00:00.000Z, ", &key[..11]);
    assert!(list.starts_with(&line) && list.ends_with("  website\n") && !list.contains(&key), "{list}");
    assert_eq!(desk.run("apikeys revoke 1").fine(), "Key 1 is revoked.\n");
    assert_eq!(leads(), 401);
    assert_eq!(desk.run("apikeys revoke 1").fine(), "Key 1 was revoked before.\n");
    desk.run("apikeys revoke 2").fails(1, "there is no key 2");
    desk.run("apikeys create nobody --name x --scope *:read").fails(1, "user 'nobody' does not exist");
    desk.run("apikeys create boss --name x --scope field/leads").fails(1, "\"field/leads\" is not a scope");
    desk.run("apikeys create boss --name x --scope *:read --expires 2001-01-01").fails(1, "is no time in the future");
    desk.run("apikeys create boss --name x --scope *:read --business 9").fails(1, "user 'boss' runs no such business");
}
