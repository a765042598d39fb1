//! Providers of messages: one that fails again and again rests, one that hangs holds up nobody else's, and mail servers show who they are.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use studio::{
    config::{self, Tls},
    jobs::Runner,
    outbox::{self, Channel, Delivery, Outgoing, Transport, Undelivered},
};
use tokio::{sync::Notify, time::sleep};
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{
    mail::message,
    support::{Folder, Server, runtime},
};

fn queue(server: &Server, channel: Channel, count: usize) -> Vec<i64> {
    let to = if channel == Channel::Email { "ruth@example.org" } else { "+256700123456" };
    let one = |_| server.write(move |tx| outbox::send(tx, message(channel, to, "message", json!({"subject": "a", "text": "b"}))));
    (0..count).map(one).collect()
}

/// How many messages of a channel have this status and so many attempts.
fn count(server: &Server, channel: Channel, status: &str, attempts: i64) -> i64 {
    let sql = "SELECT count(*) FROM outbox WHERE channel = ?1 AND status = ?2 AND attempts = ?3";
    let values = [channel.name().into(), status.into(), attempts.into()];
    server.app.db.read(|reader| reader.one(sql, &values)).expect("a query").expect("a count")
}

// ------------------------------------------------------------------------------------------------ rests

/// Takes everything but mail, and that only while it is well.
#[derive(Default)]
struct Office {
    is_well: AtomicBool,
    mails: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
    /// Mail waits for this to be told, and then goes.
    hangs: Option<Notify>,
}

impl Transport for Office {
    fn deliver<'a>(&'a self, message: &'a Outgoing) -> Delivery<'a> {
        Box::pin(async move {
            if message.channel != Channel::Email {
                return Ok(());
            }
            self.mails.fetch_add(1, SeqCst);
            self.most.fetch_max(self.under_way.fetch_add(1, SeqCst) + 1, SeqCst);
            if let Some(notify) = &self.hangs {
                notify.notified().await;
            }
            self.under_way.fetch_sub(1, SeqCst);
            if self.is_well.load(SeqCst) { Ok(()) } else { Err(Undelivered::Later("nobody at home".to_owned())) }
        })
    }
}

#[test]
fn a_provider_that_fails_rests_and_is_tried_by_one() {
    let server = Server::start();
    let office = Arc::new(Office::default());
    let runner = Runner::with(&server.app, office.clone());
    let work = || runtime().block_on(runner.run_due()).map(drop).expect("the runner works");
    let mails = || office.mails.load(SeqCst);
    let root = server.superuser("root");
    let provider = || {
        let state = root.get("/api/system/").expect(200);
        state["providers"].as_array().and_then(|all| all.iter().find(|one| one["channel"] == "email").cloned()).expect("a provider")
    };
    let mail = |status: &str, attempts: i64| usize::try_from(count(&server, Channel::Email, status, attempts)).expect("few");
    work();
    queue(&server, Channel::Email, 20);
    queue(&server, Channel::Sms, 3);
    work();
    // Five, and what was on its way when the fifth failed; the others have lost nothing by it, and short messages are somebody else's.
    let tried = mails();
    assert!((5..=12).contains(&tried), "{tried}");
    assert_eq!((mail("pending", 1), mail("pending", 0), count(&server, Channel::Sms, "sent", 1)), (tried, 20 - tried, 3));
    let state = provider();
    assert_eq!((&state["status"], &state["failures"], &state["business"]), (&json!("rests"), &json!(tried), &Json::Null));
    assert!(state["rests_until"].is_string() && state["last_error"] == "nobody at home", "{state}");
    server.clock.advance(29);
    work();
    assert_eq!(mails(), tried, "it rests");
    server.clock.advance(1);
    work();
    assert_eq!((mails(), mail("pending", 0)), (tried + 1, 19 - tried), "one tries it");
    server.clock.advance(29);
    work();
    assert_eq!(mails(), tried + 1, "in vain, so it rests again");
    office.is_well.store(true, SeqCst);
    server.clock.advance(1);
    work();
    // Whatever was due goes as soon as the one has gone; the one that had tried waits for its minute.
    assert_eq!((mail("sent", 1), mail("sent", 2), mail("pending", 1)), (19 - tried, tried, 1));
    assert_eq!(provider()["status"], "works");
    server.clock.advance(30);
    work();
    assert_eq!((mail("sent", 2), mails()), (tried + 1, tried + 21));
    // Four failures are not five.
    office.is_well.store(false, SeqCst);
    queue(&server, Channel::Email, 4);
    work();
    assert_eq!((mails(), provider()["status"].clone(), provider()["failures"].clone()), (tried + 25, json!("works"), json!(4)));
}

#[test]
fn one_that_hangs_holds_up_nobody_elses() {
    let server = Server::start();
    let office = Arc::new(Office { hangs: Some(Notify::new()), is_well: true.into(), ..Office::default() });
    let runner = Runner::with(&server.app, office.clone());
    queue(&server, Channel::Email, 20);
    queue(&server, Channel::Sms, 30);
    let deadline = Instant::now() + Duration::from_secs(30);
    runtime().block_on(async {
        let look = async {
            while count(&server, Channel::Sms, "sent", 1) < 30 || office.under_way.load(SeqCst) < 8 {
                assert!(Instant::now() < deadline, "the short messages wait");
                sleep(Duration::from_millis(2)).await;
            }
            assert_eq!((count(&server, Channel::Email, "sending", 1), count(&server, Channel::Email, "pending", 0)), (8, 12));
            let notify = office.hangs.as_ref().expect("it hangs");
            while count(&server, Channel::Email, "sent", 1) < 20 {
                assert!(Instant::now() < deadline, "the mails wait");
                notify.notify_waiters();
                sleep(Duration::from_millis(2)).await;
            }
        };
        let (worked, ()) = tokio::join!(runner.run_due(), look);
        worked.expect("the runner works");
    });
    assert_eq!(office.most.load(SeqCst), 8, "so many at once");
}

// ------------------------------------------------------------------------------------------------ encrypted mail

const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/studio/certificates/authority.pem");
const ANOTHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/studio/certificates/another_authority.pem");

/// What a mail server does.
#[derive(Clone, Copy)]
struct Habits {
    tls: Tls,
    offers_starttls: bool,
    /// What it says to who signs in.
    admission: &'static str,
    /// It hangs up when it is to be told a mail.
    hangs_up: bool,
}

const USUAL: Habits = Habits { tls: Tls::Starttls, offers_starttls: true, admission: "235 welcome", hangs_up: false };

fn line(stream: &mut impl Read) -> Option<String> {
    let (mut line, mut byte) = (vec![], [0]);
    while stream.read(&mut byte).is_ok_and(|count| count == 1) {
        match byte[0] {
            b'\n' => return Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
            byte => line.push(byte),
        }
    }
    None
}

/// The rest of a conversation; answers what it was told.
fn converse(stream: &mut (impl Read + Write), habits: Habits) -> Option<String> {
    let (mut heard, mut in_data) = (String::new(), false);
    loop {
        let line = line(stream)?;
        heard += &format!("{line}\n");
        let answer = match line.as_str() {
            "." if in_data => {
                in_data = false;
                "250 taken"
            }
            _ if in_data => continue,
            "DATA" if habits.hangs_up => return Some(heard),
            "DATA" => {
                in_data = true;
                "354 go on"
            }
            "QUIT" => return Some(heard),
            line if line.starts_with("EHLO") => "250-localhost\r\n250 AUTH PLAIN LOGIN",
            line if line.starts_with("AUTH") => habits.admission,
            _ => "250 fine",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
        stream.flush().ok()?;
    }
}

/// A mail server with a certificate of `AUTHORITY` for `localhost`; answers what it was told once the line was encrypted.
fn mail_server(habits: Habits) -> (u16, JoinHandle<Option<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/studio/certificates").join(name);
    let certificate = CertificateDer::from_pem_file(file("localhost.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(file("localhost.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(ring::default_provider().into()).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth().with_single_cert(vec![certificate], key).expect("it fits");
    let talk = thread::spawn(move || {
        let (mut tcp, _): (TcpStream, _) = listener.accept().expect("a connection");
        if habits.tls != Tls::Tls {
            tcp.write_all(b"220 localhost ESMTP\r\n").ok()?;
            line(&mut tcp)?;
            let offer: &[u8] = if habits.offers_starttls { b"250-localhost\r\n250 STARTTLS\r\n" } else { b"250 localhost\r\n" };
            tcp.write_all(offer).ok()?;
            if line(&mut tcp)? != "STARTTLS" {
                return None;
            }
            // What somebody put in before the line was encrypted is not heard.
            tcp.write_all(b"220 go on\r\n").ok()?;
        }
        let mut stream = StreamOwned::new(ServerConnection::new(config.into()).expect("a connection"), tcp);
        if habits.tls == Tls::Tls {
            stream.write_all(b"220 localhost ESMTP\r\n").ok()?;
        }
        converse(&mut stream, habits)
    });
    (port, talk)
}

/// Sends a mail to it, and answers what became of that, and what was heard.
fn sent(habits: Habits, change: impl FnOnce(&mut config::Config)) -> (String, String, Option<String>) {
    let (port, talk) = mail_server(habits);
    let folder = Folder::new();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "[email]\npassword = \"s3cret-words\"\n").expect("a file for the test");
    let loaded = config::load(Some(&file), std::iter::empty(), &[]).expect("the settings");
    let server = Server::start_with(|config| {
        config.email.password = loaded.config.email.password;
        config.email.host = "localhost".into();
        config.email.port = port;
        config.email.tls = habits.tls;
        config.email.username = "office".into();
        config.outbound.ca_file = AUTHORITY.into();
        change(config);
    });
    let [id] = queue(&server, Channel::Email, 1).try_into().expect("one");
    let runner = Runner::new(&server.app).expect("the providers");
    runtime().block_on(runner.run_due()).expect("the runner works");
    let sql = "SELECT status, coalesce(last_error, '') FROM outbox WHERE id = ?1";
    let row = server.app.db.read(|reader| reader.row(sql, &[id.into()], |row| Ok((row.get(0)?, row.get(1)?))));
    let (status, error): (String, String) = row.expect("a query").expect("a row");
    (status, error, talk.join().expect("the conversation"))
}

#[test]
fn mail_goes_encrypted_and_signed_in() {
    for tls in [Tls::Tls, Tls::Starttls] {
        let (status, error, heard) = sent(Habits { tls, ..USUAL }, |_| {});
        assert_eq!((status.as_str(), error.as_str()), ("sent", ""), "{tls:?}");
        let heard = heard.expect("a conversation");
        // PLAIN: nothing, the name, the password.
        assert!(heard.contains("AUTH PLAIN AG9mZmljZQBzM2NyZXQtd29yZHM=") && heard.contains("RCPT TO:<ruth@example.org>"), "{heard}");
        assert!(heard.ends_with(".\nQUIT\n"), "{heard}");
    }
}

#[test]
fn a_mail_server_that_is_not_believed_is_told_nothing() {
    for tls in [Tls::Tls, Tls::Starttls] {
        let habits = Habits { tls, ..USUAL };
        for (file, host, words) in [
            (ANOTHER, "localhost", "of no authority that is trusted here (outbound.ca_file)"),
            ("", "localhost", "of no authority that is trusted here (outbound.ca_file)"),
            (AUTHORITY, "127.0.0.1", "the certificate of the mail server is not good"),
        ] {
            let (status, error, heard) = sent(habits, |config| {
                config.outbound.ca_file = file.into();
                config.email.host = host.into();
            });
            assert!(status == "pending" && error.contains(words), "{tls:?} {file} {host}: {status} {error}");
            assert_eq!(heard, None, "{tls:?} {file} {host}");
        }
    }
    // One that does not encrypt, and one that begins otherwise than was said.
    let (status, error, heard) = sent(Habits { offers_starttls: false, ..USUAL }, |_| {});
    assert!(status == "pending" && error.contains("offers no STARTTLS") && heard.is_none(), "{status} {error} {heard:?}");
    let (status, error, _) = sent(USUAL, |config| config.email.tls = Tls::Tls);
    assert!(status == "pending" && error.contains("does not begin with it at this port"), "{status} {error}");
}

#[test]
fn what_a_mail_server_does_wrong_is_said() {
    let (status, error, heard) = sent(Habits { admission: "535 5.7.8 who are you", ..USUAL }, |_| {});
    assert!(status == "pending" && error.contains("(535): 5.7.8 who are you") && !error.contains("s3cret"), "{status} {error}");
    assert!(!heard.unwrap_or_default().contains("MAIL"), "it goes on without having signed in");
    let (status, error, _) = sent(Habits { hangs_up: true, ..USUAL }, |_| {});
    assert!(status == "pending" && error.contains("hung up"), "{status} {error}");
}

#[test]
fn the_file_of_authorities_is_read_at_the_start() {
    for (file, words) in
        [("/nowhere/authorities.pem", "No such file"), (concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "no certificate")]
    {
        let error = outbox::Trust::new(Path::new(file)).err().expect("a refusal").to_string();
        assert!(error.contains(file) && error.contains(words), "{error}");
    }
    assert!(outbox::Trust::new(Path::new("")).is_ok() && outbox::Trust::new(Path::new(AUTHORITY)).is_ok());
}
