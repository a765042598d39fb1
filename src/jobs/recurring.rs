//! Recurring work: what there is, how often, and what came of it.

use jiff::{SignedDuration, Timestamp, civil::Time, tz::TimeZone};

use crate::{
    app::App,
    db::{Row, Value, Writer},
    error::{Error, Result},
    kit::DateTime,
    outbox::{self, Channel, Language, Message, short},
    resources::finance::{check as books, recurring, remind},
};

/// Whoever runs a job has so long to say what became of it.
const LOCK: SignedDuration = SignedDuration::from_mins(30);
/// So many rows are removed in one transaction: others want to write as well.
const PART: u64 = 1000;

/// When a job runs.
#[derive(Debug, Clone, Copy)]
pub enum When {
    Every(SignedDuration),
    /// Once a day, at this time in UTC.
    Daily(Time),
}

impl When {
    /// How often that is.
    pub fn in_words(self) -> String {
        match self {
            Self::Every(interval) if interval.as_secs() == 3600 => "every hour".to_owned(),
            Self::Every(interval) => format!("every {} minutes", interval.as_mins()),
            Self::Daily(time) => format!("daily at {} UTC", time.strftime("%H:%M")),
        }
    }

    /// The next time after `now`.
    pub fn after(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Every(interval) => now + interval,
            Self::Daily(time) => {
                let today = now.to_zoned(TimeZone::UTC).date().to_datetime(time);
                let at = TimeZone::UTC.to_timestamp(today).unwrap_or(now);
                if at > now { at } else { at + SignedDuration::from_hours(24) }
            }
        }
    }
}

/// Recurring work.
pub struct Job {
    pub name: &'static str,
    /// What it is for, in words.
    pub what: &'static str,
    pub when: When,
    /// Does it and says what was done. Blocks. It may be cut off and run again.
    pub work: fn(&App) -> Result<String>,
}

/// Messages that were sent, or that nobody is to get.
const OLD_MESSAGES: &str = "(status = 'sent' AND created_at <= ?1 AND sent_at <= ?1 OR status = 'cancelled' AND created_at <= ?1)";

/// All of it.
pub const JOBS: &[Job] = &[
    Job {
        name: "purge_email_tokens",
        what: "Forgets links sent by e-mail that are no longer good.",
        when: When::Every(SignedDuration::from_hours(1)),
        work: |app| purge(app, "email_tokens", "expires_at <= ?1", SignedDuration::ZERO),
    },
    Job {
        name: "check_ledger",
        what: "Looks whether the books are in order.",
        when: When::Daily(Time::constant(3, 30, 0, 0)),
        work: check_ledger,
    },
    Job {
        name: "verify_audit",
        what: "Seals the audit log, and looks whether it was changed.",
        when: When::Daily(Time::constant(3, 40, 0, 0)),
        work: verify_audit,
    },
    Job {
        name: "purge_idempotency_keys",
        what: "Forgets by which requests sent twice were known.",
        when: When::Every(SignedDuration::from_hours(1)),
        work: |app| purge(app, "idempotency_keys", "expires_at <= ?1", SignedDuration::ZERO),
    },
    Job {
        name: "purge_auth_throttle",
        what: "Forgets wrong passwords that no longer count.",
        when: When::Every(SignedDuration::from_hours(1)),
        work: |app| purge(app, "auth_throttle", "expires_at <= ?1", SignedDuration::ZERO),
    },
    Job {
        name: "purge_outbox",
        what: "Forgets messages that were sent more than 30 days ago.",
        when: When::Daily(Time::constant(3, 10, 0, 0)),
        work: |app| purge(app, "outbox", OLD_MESSAGES, SignedDuration::from_hours(30 * 24)),
    },
    Job {
        name: "purge_proof_sends",
        what: "Forgets how many codes were sent to a number.",
        when: When::Every(SignedDuration::from_hours(1)),
        // Codes are counted for a day, and lock a number for at most another.
        work: |app| purge(app, "proof_sends", "created_at <= ?1", SignedDuration::from_hours(49)),
    },
    Job {
        name: "purge_refresh_tokens",
        what: "Forgets sign-ins that ended more than 90 days ago.",
        when: When::Daily(Time::constant(3, 20, 0, 0)),
        work: |app| purge(app, "refresh_tokens", "expires_at <= ?1", SignedDuration::from_hours(90 * 24)),
    },
    Job {
        name: "purge_session_proofs",
        what: "Forgets which ended sign-ins had given a second factor.",
        when: When::Daily(Time::constant(3, 30, 0, 0)),
        work: |app| {
            let ended = "proven_at <= ?1 AND NOT EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.family = session_proofs.family)";
            purge(app, "session_proofs", ended, SignedDuration::from_hours(24))
        },
    },
    // Each business has its own day: these look every hour whose has begun.
    Job {
        name: "remind_invoices",
        what: "Reminds customers of invoices that are due.",
        when: When::Every(SignedDuration::from_hours(1)),
        work: |app| remind::remind_due(&app.db),
    },
    Job {
        name: "run_recurring_invoices",
        what: "Makes the invoices that are made again and again.",
        when: When::Every(SignedDuration::from_hours(1)),
        work: |app| recurring::run_due(&app.db, &app.config.server.public_url()),
    },
];

/// Looks through the books. What is wrong is in the log, and those who run a business hear that something is.
fn check_ledger(app: &App) -> Result<String> {
    let findings = app.db.snapshot(books::run)?;
    let wrong: Vec<&books::Finding> = findings.iter().filter(|finding| !finding.problems.is_empty()).collect();
    for finding in &wrong {
        tracing::error!(check = finding.name, problems = ?finding.problems, "the books are not in order");
    }
    if wrong.is_empty() {
        return Ok(format!("{} checks hold", findings.len()));
    }
    let names = wrong.iter().map(|finding| finding.name).collect::<Vec<_>>().join(", ");
    let text = "The nightly check of the books failed: {names}. `studio check --ledger` says where.";
    let said = ("The books are not in order", text);
    let failed = names.clone();
    app.db.write_blocking(app.system(), move |tx| tell_admins(tx, "ledger.check_failed", said, &[("names", &failed)]))?;
    Err(Error::Internal(format!("the books are not in order: {names}")))
}

/// Seals the audit log, and looks whether it is as it was sealed. What is wrong is in the log of the program, and those who run a
/// business hear that something is.
fn verify_audit(app: &App) -> Result<String> {
    // What keeps it from being sealed is one of the problems.
    if let Err(error) = app.audit.seal() {
        tracing::error!(%error, "the audit log could not be sealed");
    }
    let report = app.audit.verify()?;
    if report.problems.is_empty() {
        return Ok(format!("{} entries are as they were sealed", report.entries));
    }
    tracing::error!(problems = ?report.problems, "the audit log was changed");
    let count = report.problems.len();
    let text = "The nightly check found that the audit log was changed behind the program's back. `studio verify` says where.";
    app.db.write_blocking(app.system(), move |tx| tell_admins(tx, "audit.check_failed", ("The audit log was changed", text), &[]))?;
    Err(Error::Internal(format!("the audit log was changed in {count} places")))
}

/// One message a day for each administrator. No details: they may be another business's.
fn tell_admins(tx: &mut Writer<'_>, what: &str, (subject, text): (&str, &str), values: &[(&str, &str)]) -> Result<()> {
    let sql = "SELECT DISTINCT u.id, u.email FROM users AS u LEFT JOIN memberships AS m ON m.user_id = u.id AND m.role = 'admin' AND m.status = 'active' \
               WHERE u.email IS NOT NULL AND u.deleted_at IS NULL AND u.is_active AND (u.is_superuser OR m.id IS NOT NULL)";
    let admins = tx.rows(sql, &[], |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?)))?;
    let day = tx.now().to_string()[..10].to_owned();
    for (id, recipient) in admins {
        let language = Language::of_user(tx, id)?;
        let message = Message {
            channel: Channel::Email,
            recipient,
            template: "message".to_owned(),
            payload: outbox::letter(language, language.say(subject, values), language.say(text, values)),
            key: Some(format!("{what} {day} {id}")),
            due_at: None,
        };
        outbox::send(tx, message)?;
    }
    Ok(())
}

/// Removes the rows of a table that fulfil a condition over the time so long ago.
fn purge(app: &App, table: &'static str, condition: &'static str, ago: SignedDuration) -> Result<String> {
    let until = DateTime(app.db.clock().now() - ago).to_string();
    let mut removed = 0;
    loop {
        let until = until.clone();
        let part = format!("id IN (SELECT id FROM {table} WHERE {condition} LIMIT {PART})");
        let count = app.db.write_blocking(app.system(), move |tx| tx.clear(table, &part, &[until.as_str().into()]))?;
        removed += count;
        if count < PART {
            return Ok(format!("{removed} removed"));
        }
    }
}

/// Makes the jobs known that are not yet: an interval begins now, a time of day is waited for.
pub fn register(tx: &mut Writer<'_>) -> Result<()> {
    for job in JOBS {
        if !tx.exists("SELECT 1 FROM jobs WHERE name = ?1", &[job.name.into()])? {
            let now = tx.now().0;
            let next = if matches!(job.when, When::Every(_)) { now } else { job.when.after(now) };
            tx.insert("jobs", vec![("name", job.name.into()), ("next_run_at", DateTime(next).to_string().into())])?;
        }
    }
    Ok(())
}

/// The jobs that are due.
pub fn due(app: &App) -> Result<Vec<&'static Job>> {
    let now = DateTime(app.db.clock().now()).to_string();
    let sql = "SELECT name FROM jobs WHERE next_run_at <= ?1 AND (locked_until IS NULL OR locked_until <= ?1) ORDER BY next_run_at, name";
    let names: Vec<String> = app.db.read(|reader| reader.rows(sql, &[now.into()], |row| row.get(0)))?;
    // One that only another version of the program knows is left alone.
    Ok(names.iter().filter_map(|name| JOBS.iter().find(|job| job.name == name)).collect())
}

/// When the next job is due.
pub fn next_due(app: &App) -> Result<Option<String>> {
    let known: Vec<String> = JOBS.iter().map(|job| format!("'{}'", job.name)).collect();
    let sql = format!("SELECT min(max(next_run_at, coalesce(locked_until, ''))) FROM jobs WHERE name IN ({})", known.join(", "));
    Ok(app.db.read(|reader| reader.one::<Option<String>>(&sql, &[]))?.flatten())
}

/// Runs a job, unless somebody else does; `force`: also when it is not due. Blocks. Answers what came of it.
pub fn run(app: &App, job: &'static Job, force: bool) -> Result<Option<Result<String>>> {
    let claim = move |tx: &mut Writer<'_>| {
        register(tx)?;
        let now = tx.now();
        let sql = "SELECT id FROM jobs WHERE name = ?1 AND (locked_until IS NULL OR locked_until <= ?2) AND (?3 OR next_run_at <= ?2)";
        let free: Option<i64> = tx.one(sql, &[job.name.into(), now.to_string().into(), force.into()])?;
        let Some(id) = free else { return Ok(None) };
        let until = DateTime(now.0 + LOCK).to_string();
        tx.update("jobs", id, vec![("locked_until", until.as_str().into())])?;
        Ok(Some((id, until)))
    };
    let Some((id, lock)) = app.db.write_blocking(app.system(), claim)? else { return Ok(None) };
    let begun = app.db.clock().now();
    let outcome = (job.work)(app);
    match &outcome {
        Ok(result) => tracing::info!(job = job.name, result, "job done"),
        Err(error) => tracing::error!(job = job.name, %error, "job failed"),
    }
    let (status, result) = match &outcome {
        Ok(result) => ("done", short(result)),
        Err(error) => ("failed", short(&error.to_string())),
    };
    let next = DateTime(job.when.after(app.db.clock().now())).to_string();
    app.db.write_blocking(app.system(), move |tx| {
        let mine = "SELECT runs FROM jobs WHERE id = ?1 AND locked_until = ?2";
        let Some(runs) = tx.one::<i64>(mine, &[id.into(), lock.as_str().into()])? else { return Ok(()) };
        let values: Vec<(&str, Value)> = vec![
            ("next_run_at", next.as_str().into()),
            ("last_run_at", DateTime(begun).to_string().into()),
            ("last_status", status.into()),
            ("last_result", result.as_str().into()),
            ("locked_until", Value::Null),
            ("runs", (runs + 1).into()),
        ];
        tx.update("jobs", id, values).map(drop)
    })?;
    Ok(Some(outcome))
}

/// A job by its name.
///
/// # Errors
/// There is none, with the names that there are.
pub fn named(name: &str) -> Result<&'static Job> {
    let names: Vec<&str> = JOBS.iter().map(|job| job.name).collect();
    let none = || Error::NotFound(format!("There is no job {name}; there are {}.", names.join(", ")).into());
    JOBS.iter().find(|job| job.name == name).ok_or_else(none)
}

/// A job as it stands.
pub struct Standing {
    pub name: &'static str,
    /// What it is for, in words.
    pub what: &'static str,
    /// How often it runs, in words.
    pub when: String,
    /// `None`: the server has not begun with it yet.
    pub next_run_at: Option<String>,
    pub last_run_at: Option<String>,
    pub last_status: Option<String>,
    pub last_result: Option<String>,
    pub runs: i64,
    /// Somebody is at it now.
    pub running: bool,
}

/// All jobs as they stand.
pub fn standing(app: &App) -> Result<Vec<Standing>> {
    let now = DateTime(app.db.clock().now()).to_string();
    let sql = "SELECT next_run_at, last_run_at, last_status, last_result, runs, locked_until > ?2 FROM jobs WHERE name = ?1";
    let stand = |job: &Job| {
        let read = |row: &Row<'_>| {
            Ok(Standing {
                name: job.name,
                what: job.what,
                when: job.when.in_words(),
                next_run_at: row.get(0)?,
                last_run_at: row.get(1)?,
                last_status: row.get(2)?,
                last_result: row.get(3)?,
                runs: row.get(4)?,
                running: row.get::<Option<bool>>(5)?.unwrap_or(false),
            })
        };
        let known = app.db.read(|reader| reader.row(sql, &[job.name.into(), now.as_str().into()], read))?;
        let new = || Standing {
            name: job.name,
            what: job.what,
            when: job.when.in_words(),
            next_run_at: None,
            last_run_at: None,
            last_status: None,
            last_result: None,
            runs: 0,
            running: false,
        };
        Ok(known.unwrap_or_else(new))
    };
    JOBS.iter().map(stand).collect()
}

/// The jobs as lines for an operator.
pub fn lines(app: &App) -> Result<Vec<String>> {
    let line = |job: Standing| {
        let told = match (job.next_run_at, job.last_run_at, job.last_status, job.last_result) {
            (Some(next), Some(at), Some(status), Some(result)) => format!("next {next}, last {at} {status}: {result} ({} runs)", job.runs),
            (Some(next), ..) => format!("next {next}, has not run yet"),
            (None, ..) => "has not run yet; `studio serve` runs it".to_owned(),
        };
        format!("{:<24} {told}", job.name)
    };
    Ok(standing(app)?.into_iter().map(line).collect())
}
