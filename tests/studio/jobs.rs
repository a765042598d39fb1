//! The outbox and the recurring jobs: what is stored is sent, after its commit, again when that fails, and as often as its key allows.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use jiff::SignedDuration;
use serde_json::{Value as Json, json};
use studio::{
    error::Error,
    jobs::{self, Runner},
    kit::DateTime,
    outbox::{self, BACK_OFF, Channel, LOCK, Message, Outgoing, Transport, Undelivered, masked, template},
};

use crate::support::{Server, runtime};

/// Takes messages, or refuses them, and remembers.
#[derive(Default)]
struct Post {
    taken: Mutex<Vec<Outgoing>>,
    refusals: Mutex<Vec<Undelivered>>,
    at_once: AtomicUsize,
    most: AtomicUsize,
}

impl Transport for Post {
    fn deliver<'a>(&'a self, message: &'a Outgoing) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Undelivered>> + Send + 'a>> {
        Box::pin(async move {
            self.most.fetch_max(self.at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            self.taken.lock().expect("a list").push(message.clone());
            self.refusals.lock().expect("a list").pop().map_or(Ok(()), Err)
        })
    }
}

impl Post {
    fn count(&self) -> usize {
        self.taken.lock().expect("a list").len()
    }
    fn refuse(&self, why: Undelivered, times: usize) {
        self.refusals.lock().expect("a list").extend(vec![why; times]);
    }
}

struct Office {
    server: Server,
    post: Arc<Post>,
    runner: Runner,
}

impl Office {
    fn open() -> Self {
        let server = Server::start();
        let post = Arc::new(Post::default());
        let runner = Runner::with(&server.app, post.clone());
        let office = Self { server, post, runner };
        // The jobs that are due at once.
        office.work();
        office
    }
    fn work(&self) -> usize {
        runtime().block_on(self.runner.run_due()).expect("the runner works")
    }
    fn send(&self, message: Message) -> i64 {
        self.server.write(move |tx| outbox::send(tx, message.clone()))
    }
    fn row(&self, id: i64) -> (String, i64, Option<String>) {
        let sql = "SELECT status, attempts, last_error FROM outbox WHERE id = ?1";
        let row = self.server.app.db.read(|reader| reader.row(sql, &[id.into()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))));
        row.expect("a query").expect("a row")
    }
    fn status(&self, id: i64) -> String {
        self.row(id).0
    }
    fn pass(&self, time: SignedDuration) {
        self.server.clock.advance(time.as_secs());
    }
    fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.server.app.db.read(|reader| reader.one(&sql, &[])).expect("a query").expect("a count")
    }
}

fn letter(text: &str) -> Message {
    let payload = json!({"subject": "News", "text": text});
    Message {
        channel: Channel::Email,
        recipient: "ruth@example.org".into(),
        template: "message".into(),
        payload: payload.as_object().expect("an object").clone(),
        key: None,
        due_at: None,
    }
}

#[test]
fn a_message_is_sent_after_its_commit_and_only_then() {
    let office = Office::open();
    let failed: Result<(), Error> = office.server.app.db.write_blocking(office.server.app.system(), |tx| {
        outbox::send(tx, letter("never"))?;
        Err(Error::whole("No."))
    });
    assert!(failed.is_err());
    assert_eq!((office.work(), office.count("outbox")), (0, 0));
    let id = office.send(letter("Hello"));
    assert_eq!((office.status(id).as_str(), office.work()), ("pending", 1));
    let taken = office.post.taken.lock().expect("a list")[0].clone();
    assert_eq!((taken.recipient.as_str(), taken.attempt, taken.message_id.len()), ("ruth@example.org", 1, 36));
    assert_eq!(taken.payload["text"], "Hello");
    assert_eq!((office.row(id), office.work()), (("sent".to_owned(), 1, None), 0));
    // What was told is not kept for longer than it has to be, and never stood in the audit trail.
    let kept: Option<String> = office.server.app.db.read(|reader| reader.one("SELECT payload FROM outbox", &[])).expect("a query");
    assert_eq!(kept.as_deref(), Some("{}"));
    let audited = "SELECT 1 FROM audit_log WHERE target_type IN ('outbox', 'jobs') OR coalesce(after, '') LIKE '%Hello%'";
    assert!(!office.server.app.db.read(|reader| reader.exists(audited, &[])).expect("a query"));
}

#[test]
fn a_message_that_is_not_due_waits_and_one_that_is_taken_back_is_not_sent() {
    let office = Office::open();
    let due_at = Some(office.server.clock.now() + SignedDuration::from_secs(60));
    office.send(Message { due_at, key: Some("later".into()), ..letter("later") });
    let gone = office.send(Message { due_at, key: Some("gone".into()), ..letter("gone") });
    office.server.clock.advance(59);
    assert_eq!(office.work(), 0);
    assert!(office.server.write(|tx| outbox::cancel(tx, "gone")));
    office.server.clock.advance(1);
    assert_eq!((office.work(), office.status(gone).as_str()), (1, "cancelled"));
    // What was sent cannot be taken back.
    assert!(!office.server.write(|tx| outbox::cancel(tx, "later")));
}

#[test]
fn a_key_makes_one_message_in_each_business() {
    let office = Office::open();
    let send = || office.send(Message { key: Some("invoice-7".into()), ..letter("Pay") });
    let first = send();
    assert_eq!(send(), first);
    office.work();
    assert_eq!((send(), office.work(), office.post.count()), (first, 0, 1));
    let abroad = office.server.business("Abroad");
    let other = office.server.write(move |tx| {
        let mut values: Vec<(&str, studio::db::Value)> = vec![("business_id", abroad.into()), ("key", "invoice-7".into())];
        values.extend([("message_id", tx.uuid().into()), ("channel", "sms".into()), ("recipient", "+256700000000".into())]);
        values.extend([("template", "message".into()), ("due_at", tx.now().to_string().into())]);
        tx.insert("outbox", values)
    });
    assert_ne!(other, first);
}

#[test]
fn what_fails_is_tried_again_later_and_later_and_then_no_more() {
    let office = Office::open();
    let id = office.send(letter("Hello"));
    office.post.refuse(Undelivered::Later("the other side\nis down".into()), 5);
    assert_eq!(office.work(), 1);
    for (made, wait) in (1..).zip(BACK_OFF) {
        assert_eq!(office.row(id), ("pending".to_owned(), made, Some("the other side is down".to_owned())));
        // The hours that pass have jobs of their own.
        let tried = || (office.work(), i64::try_from(office.post.count()).expect("few")).1;
        office.pass(wait - SignedDuration::from_secs(1));
        assert_eq!(tried(), made, "too early after attempt {made}");
        office.server.clock.advance(1);
        assert_eq!(tried(), made + 1, "after attempt {made}");
    }
    assert_eq!(office.row(id), ("failed".to_owned(), 5, Some("the other side is down".to_owned())));
    let ids: Vec<String> = office.post.taken.lock().expect("a list").iter().map(|message| message.message_id.clone()).collect();
    assert!(ids.len() == 5 && ids.iter().all(|one| *one == ids[0]), "a double cannot be told: {ids:?}");
    office.pass(SignedDuration::from_hours(100));
    office.work();
    assert_eq!(office.post.count(), 5);
    // An operator looks at it, and has it sent again from the start.
    let lines = jobs::list(&office.server.app).expect("a list").join("\n");
    assert!(lines.contains(&format!("failed {id}: email message to r***@example.org, 5 attempts: the other side is down")), "{lines}");
    assert!(lines.contains("pending 0, sending 0, sent 0, failed 1, cancelled 0") && !lines.contains("ruth"), "{lines}");
    assert!(jobs::retry(&office.server.app, Some(id + 1)).is_err());
    assert_eq!(jobs::retry(&office.server.app, None).expect("it is"), ["1 message is sent again."]);
    assert_eq!((office.work(), office.row(id)), (1, ("sent".to_owned(), 1, None)));
    // What can never go is not tried again.
    let id = office.send(letter("Hello"));
    office.post.refuse(Undelivered::Never("there is no such address".into()), 1);
    assert_eq!((office.work(), office.row(id)), (1, ("failed".to_owned(), 1, Some("there is no such address".to_owned()))));
}

#[test]
fn whoever_is_cut_off_leaves_the_message_to_another_once() {
    let office = Office::open();
    let id = office.send(letter("Hello"));
    let claim = |office: &Office| {
        let lanes = office.server.app.db.read(outbox::lanes).expect("lanes");
        office.server.write(move |tx| outbox::claim(tx, &lanes, 10))
    };
    let [first] = claim(&office).try_into().expect("one message");
    // The server ends here, before anybody has said what became of it.
    let Office { server, post, runner } = office;
    drop(runner);
    let server = server.restart();
    let office = Office { runner: Runner::with(&server.app, post.clone()), server, post };
    office.pass(LOCK - SignedDuration::from_secs(1));
    assert_eq!((office.work(), office.status(id).as_str()), (0, "sending"));
    office.server.clock.advance(1);
    assert_eq!((office.work(), office.post.count()), (1, 1));
    assert_eq!(office.post.taken.lock().expect("a list")[0].message_id, first.message_id);
    // The first comes back from the dead: too late to say anything.
    office.server.write(move |tx| outbox::settle(tx, &first.clone(), &Err(Undelivered::Later("late".into()))));
    assert_eq!((office.row(id), office.work()), (("sent".to_owned(), 2, None), 0));
    // One that takes the server down each time is given up.
    let id = office.send(letter("Bomb"));
    for _ in 0..5 {
        assert_eq!(claim(&office).len(), 1);
        office.pass(LOCK);
    }
    office.work();
    assert_eq!(office.row(id), ("failed".to_owned(), 5, Some("the server stopped while it was being sent".to_owned())));
}

#[test]
fn runners_share_the_work_and_take_nothing_twice() {
    let office = Office::open();
    for n in 0..100 {
        office.send(letter(&n.to_string()));
    }
    let other = Runner::with(&office.server.app, office.post.clone());
    let (one, two) = runtime().block_on(async { tokio::join!(office.runner.run_due(), other.run_due()) });
    assert_eq!(one.expect("it works") + two.expect("it works"), 100);
    let mut texts: Vec<Json> = office.post.taken.lock().expect("a list").iter().map(|message| message.payload["text"].clone()).collect();
    texts.sort_by_key(ToString::to_string);
    texts.dedup();
    assert_eq!((texts.len(), office.post.count()), (100, 100));
    assert!(office.post.most.load(Ordering::SeqCst) <= 8, "more at once than eight");
}

#[test]
fn texts_are_filled_in_and_their_secrets_covered() {
    let payload = |value: Json| value.as_object().expect("an object").clone();
    let (text, covered) = template::render("one_time_code", &payload(json!({"code": "917{minutes}", "minutes": 5}))).expect("a text");
    assert_eq!(text.body, "917{minutes} is your code. It is good for 5 minutes. Do not give it to anybody.");
    assert!(covered.body.starts_with("*** is your code") && !format!("{covered:?}").contains("917"), "{covered:?}");
    let (text, _) = template::render("message", &payload(json!({"subject": "a\r\nBcc: b", "text": "c"}))).expect("a text");
    assert_eq!((text.subject.as_str(), text.body.as_str()), ("a Bcc: b", "c"));
    assert!(template::render("message", &payload(json!({"subject": "a"}))).is_err());
    assert!(template::render("nothing", &payload(json!({}))).is_err());
    for (recipient, shown) in [
        ("ruth@example.org", "r***@example.org"),
        ("+256700123456", "+256***"),
        ("1234567", "1***"),
        ("https://user:pass@hooks.example.org/secret/path", "https://hooks.example.org/***"),
    ] {
        assert_eq!(masked(recipient), shown);
    }
    // As long as no provider is set up: mail goes to the log, webhooks nowhere.
    let office = Office::open();
    let runner = Runner::new(&office.server.app).expect("the providers");
    let mail = office.send(letter("Hello"));
    let hook = office.send(Message {
        channel: Channel::Webhook,
        recipient: "https://example.org/".into(),
        template: "lead.won".into(),
        ..letter("")
    });
    assert_eq!(runtime().block_on(runner.run_due()).expect("it works"), 2);
    assert_eq!((office.status(mail).as_str(), office.row(hook)), ("sent", ("failed".into(), 1, Some("no transport for webhooks".into()))));
}

#[test]
fn what_has_expired_is_removed_when_its_time_comes() {
    let office = Office::open();
    let ann = office.server.member("ann", studio::actor::Role::Admin);
    ann.with("idempotency-key", "k").post("/api/field/zones/", json!({"name": "North"})).expect(201);
    let sent = office.send(letter("Hello"));
    let kept = office.send(letter("Hello"));
    office.post.refuse(Undelivered::Never("no".into()), 1);
    office.work();
    let failed = if office.status(sent) == "failed" { sent } else { kept };
    let counts = |office: &Office| ["idempotency_keys", "refresh_tokens", "outbox"].map(|table| office.count(table));
    assert_eq!(counts(&office), [1, 1, 2]);
    // The keys are good for a day and looked at every hour.
    office.pass(SignedDuration::from_hours(23));
    office.work();
    assert_eq!(counts(&office), [1, 1, 2]);
    office.pass(SignedDuration::from_hours(1));
    assert_eq!(office.work(), 6, "the jobs of every hour");
    assert_eq!(counts(&office), [0, 1, 2]);
    office.pass(SignedDuration::from_hours(24 * 30));
    office.work();
    assert_eq!((counts(&office), office.status(failed).as_str()), ([0, 1, 1], "failed"));
    office.pass(SignedDuration::from_hours(24 * 61));
    office.work();
    assert_eq!(counts(&office), [0, 0, 1]);
    let lines = jobs::list(&office.server.app).expect("a list").join("\n");
    let now = DateTime(office.server.clock.now()).to_string();
    assert!(lines.contains(&format!("last {now} done: 1 removed")), "{lines}");
}

#[test]
fn a_job_is_run_on_demand_and_by_one_at_a_time() {
    let office = Office::open();
    let run = || jobs::run(&office.server.app, "purge_outbox");
    assert_eq!(run().expect("it runs"), ["purge_outbox: 0 removed"]);
    assert!(jobs::run(&office.server.app, "purge").expect_err("there is none").to_string().contains("purge_outbox"));
    // Somebody else has it, and is cut off.
    let lock = DateTime(office.server.clock.now() + SignedDuration::from_mins(30)).to_string();
    office.server.write(move |tx| {
        let id: Option<i64> = tx.one("SELECT id FROM jobs WHERE name = 'purge_outbox'", &[])?;
        tx.update("jobs", id.expect("a job"), vec![("locked_until", lock.as_str().into())])
    });
    assert!(run().expect_err("it is running").to_string().contains("running already"));
    office.server.clock.advance(30 * 60);
    run().expect("it runs");
}
