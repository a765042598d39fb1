//! The runner: sends what stands in the outbox, and does the recurring work. The server has one (`start`); its time is the database's
//! clock, and all that it knows stands in the database, so it may be cut off at any moment. Beside it, `sealing` follows the audit log.

pub mod recurring;
mod sealing;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use tokio::{
    sync::{oneshot, watch},
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};

use crate::{
    app::App,
    db::Row,
    error::{Error, Result},
    outbox::{self, Outgoing, Providers, Transport, Undelivered, masked},
};

/// So many messages are taken at once, and so many are on their way at once.
const CLAIM: usize = 20;
const AT_ONCE: usize = 8;
/// How long one delivery may take; `CLAIM` of them, `AT_ONCE`, end well before their lock.
const DELIVERY: Duration = Duration::from_secs(60);
/// The longest rest: the system's clock may have been set meanwhile.
const REST: Duration = Duration::from_secs(60);
/// The rest after something went wrong.
const TROUBLE: Duration = Duration::from_secs(5);
/// How long deliveries under way may hold the end of the server; what is cut off is sent again.
const LAST: Duration = Duration::from_secs(5);
/// So many failed messages are listed.
const LISTED: i64 = 100;

/// Works off what is due.
#[derive(Clone)]
pub struct Runner {
    app: App,
    transport: Arc<dyn Transport>,
}

impl Runner {
    /// One that sends as the settings say.
    ///
    /// # Errors
    /// The settings of a provider do not fit together.
    pub fn new(app: &App) -> Result<Self> {
        Ok(Self::with(app, Arc::new(Providers::new(&app.config, &app.db, &app.vault)?)))
    }

    /// One that sends by other means.
    pub fn with(app: &App, transport: Arc<dyn Transport>) -> Self {
        Self { app: app.clone(), transport }
    }

    /// Does all that is due now, and answers how many jobs were run and messages tried.
    pub async fn run_due(&self) -> Result<usize> {
        let app = self.app.clone();
        let ran = spawn_blocking(move || -> Result<usize> {
            let mut ran = 0;
            if app.db.read(|reader| reader.one::<i64>("SELECT count(*) FROM jobs", &[]))?.unwrap_or(0) < recurring::JOBS.len() as i64 {
                app.db.write_blocking(app.system(), recurring::register)?;
            }
            for job in recurring::due(&app)? {
                // What came of it is in the log and in the table.
                ran += usize::from(recurring::run(&app, job, false)?.is_some());
            }
            Ok(ran)
        });
        Ok(ran.await.map_err(Error::internal)?? + self.send_due().await?)
    }

    async fn send_due(&self) -> Result<usize> {
        let mut sent = 0;
        loop {
            let now = crate::kit::DateTime(self.app.db.clock().now()).to_string();
            // Looking costs nothing; the writer is only asked when there is something to take.
            if self.app.db.read(outbox::next_due)?.is_none_or(|due| due > now) {
                return Ok(sent);
            }
            let claimed = self.app.db.write(self.app.system(), |tx| outbox::claim(tx, CLAIM)).await?;
            sent += claimed.len();
            let each = stream::iter(claimed).map(|message| self.send(message)).buffer_unordered(AT_ONCE);
            each.collect::<Vec<Result<()>>>().await.into_iter().collect::<Result<()>>()?;
        }
    }

    async fn send(&self, message: Outgoing) -> Result<()> {
        let late = |_| Err(Undelivered::Later("it took too long".to_owned()));
        let outcome = timeout(DELIVERY, self.transport.deliver(&message)).await.unwrap_or_else(late);
        if let Err(why) = &outcome {
            tracing::warn!(id = message.id, attempt = message.attempt, ?why, "a message was not delivered");
        }
        self.app.db.write(self.app.system(), move |tx| outbox::settle(tx, &message, &outcome)).await
    }

    /// How long nothing is due.
    fn rest(&self) -> Result<Duration> {
        let due = [self.app.db.read(outbox::next_due)?, recurring::next_due(&self.app)?];
        let now = self.app.db.clock().now();
        let wait = |due: &String| due.parse::<jiff::Timestamp>().ok().map(|at| Duration::try_from(at - now).unwrap_or(Duration::ZERO));
        // Clocks stand in milliseconds: not a moment too early.
        Ok(due.iter().flatten().filter_map(wait).min().map_or(REST, |wait| wait.min(REST) + Duration::from_millis(1)))
    }

    async fn work(self, mut changes: watch::Receiver<()>, mut stop: oneshot::Receiver<()>) {
        loop {
            changes.mark_unchanged();
            let done = self.run_due().await.and_then(|_| self.rest());
            let rest = done.unwrap_or_else(|error| {
                tracing::error!(%error, "the outbox and the jobs have to wait");
                TROUBLE
            });
            tokio::select! {
                biased;
                _ = &mut stop => return,
                changed = changes.changed() => if changed.is_err() { return },
                () = sleep(rest) => {}
            }
        }
    }
}

/// The server's runner.
pub struct Running {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    sealing: sealing::Sealing,
}

/// Works off what is due, from now on.
pub fn start(app: &App) -> Result<Running> {
    let (stop, stopped) = oneshot::channel();
    let changes = app.db.changes("outbox")?;
    Ok(Running { task: tokio::spawn(Runner::new(app)?.work(changes, stopped)), stop, sealing: sealing::start(app)? })
}

impl Running {
    /// Lets what is under way finish, for a moment.
    pub async fn stop(self) {
        let Self { mut task, stop, sealing } = self;
        drop(stop);
        let begun = Instant::now();
        if timeout(LAST, &mut task).await.is_err() {
            tracing::warn!(seconds = begun.elapsed().as_secs(), "messages under way were cut off; they are sent again");
            task.abort();
        }
        // The last: what was done until now is to be sealed.
        sealing.stop().await;
    }
}

// ------------------------------------------------------------------------------------------------ for operators

/// The jobs, the outbox by status, and what has failed.
pub fn list(app: &App) -> Result<Vec<String>> {
    let mut lines = vec!["Jobs".to_owned()];
    lines.extend(recurring::lines(app)?.into_iter().map(|line| format!("  {line}")));
    lines.push("Outbox".to_owned());
    app.db.read(|reader| {
        let counts = reader.rows("SELECT status, count(*) FROM outbox GROUP BY status", &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let count = |status: &str| counts.iter().find(|(known, _): &&(String, i64)| known == status).map_or(0, |(_, count)| *count);
        let statuses = ["pending", "sending", "sent", "failed", "cancelled"].map(|status| format!("{status} {}", count(status)));
        lines.push(format!("  {}", statuses.join(", ")));
        let sql =
            "SELECT id, channel, recipient, template, attempts, last_error FROM outbox WHERE status = 'failed' ORDER BY id DESC LIMIT ?1";
        reader.each(sql, &[LISTED.into()], |row: &Row<'_>| {
            let (id, attempts): (i64, i64) = (row.get(0)?, row.get(4)?);
            let (channel, recipient, template): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let error = row.get::<Option<String>>(5)?.unwrap_or_default();
            lines.push(format!("  failed {id}: {channel} {template} to {}, {attempts} attempts: {error}", masked(&recipient)));
            Ok(())
        })?;
        if count("failed") > LISTED {
            lines.push(format!("  and {} more", count("failed") - LISTED));
        }
        Ok(())
    })?;
    Ok(lines)
}

/// Has a failed message, or all of them, sent again. Blocks.
pub fn retry(app: &App, id: Option<i64>) -> Result<Vec<String>> {
    let count = app.db.write_blocking(app.system(), move |tx| outbox::retry(tx, id, None))?;
    match (id, count) {
        (Some(id), 0) => Err(Error::NotFound(format!("There is no failed message {id}.").into())),
        (_, 1) => Ok(vec!["1 message is sent again.".to_owned()]),
        (_, count) => Ok(vec![format!("{count} messages are sent again.")]),
    }
}

/// Runs a job now, due or not. Blocks.
pub fn run(app: &App, name: &str) -> Result<Vec<String>> {
    let outcome = recurring::run(app, recurring::named(name)?, true)?;
    let result = outcome.ok_or_else(|| Error::conflict("running", format!("The job {name} is running already.")))??;
    Ok(vec![format!("{name}: {result}")])
}
