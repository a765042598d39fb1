//! The runner: sends what stands in the outbox, and does the recurring work. The server has one (`start`); its time is the database's
//! clock, and all that it knows stands in the database, so it may be cut off at any moment. Beside it, `sealing` follows the audit log.

pub mod recurring;
mod sealing;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{
    sync::{oneshot, watch},
    task::{JoinError, JoinHandle, JoinSet, spawn_blocking},
    time::{sleep, timeout},
};

use crate::{
    app::App,
    db::Row,
    error::{Error, Result},
    kit::DateTime,
    outbox::{
        self, Lane, Outgoing, Providers, Transport, Undelivered,
        breaker::{Place, Provider},
        masked,
    },
};

/// How long one delivery may take: it ends well before its lock.
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
        Ok(Self::with(app, Arc::new(Providers::new(&app.config, &app.db, &app.vault, &app.trust)?)))
    }

    /// One that sends by other means.
    pub fn with(app: &App, transport: Arc<dyn Transport>) -> Self {
        Self { app: app.clone(), transport }
    }

    /// Does all that is due now, but for what waits for a provider that rests, and answers how many jobs were run and messages tried.
    pub async fn run_due(&self) -> Result<usize> {
        let (mut done, mut under_way) = (self.run_jobs().await?, UnderWay::new());
        loop {
            done += self.fill(&mut under_way).await?;
            let Some(ended) = under_way.join_next().await else { return Ok(done) };
            settled(ended)?;
            while let Some(ended) = under_way.try_join_next() {
                settled(ended)?;
            }
        }
    }

    async fn run_jobs(&self) -> Result<usize> {
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
        ran.await.map_err(Error::internal)?
    }

    /// What is to be sent, by who takes it.
    fn waiting(&self) -> Result<Vec<(Provider, Vec<Lane>)>> {
        let mut waiting: Vec<(Provider, Vec<Lane>)> = vec![];
        // Looking costs nothing; the writer is only asked when there is something to take.
        for lane in self.app.db.read(outbox::lanes)? {
            let provider = self.transport.provider(lane.channel, lane.business, &lane.template)?;
            match waiting.iter_mut().find(|(known, _)| *known == provider) {
                Some((_, lanes)) => lanes.push(lane),
                None => waiting.push((provider, vec![lane])),
            }
        }
        Ok(waiting)
    }

    /// Begins to send what is due, as much as each provider has room for, and answers how many messages that are.
    async fn fill(&self, under_way: &mut UnderWay) -> Result<usize> {
        let (now, mut begun) = (self.app.db.clock().now(), 0);
        let due = DateTime(now).to_string();
        for (provider, mut lanes) in self.waiting()? {
            lanes.retain(|lane| lane.due_at <= due);
            let places = if lanes.is_empty() { vec![] } else { self.app.breakers.places(provider, now) };
            if places.is_empty() {
                continue;
            }
            let most = places.len();
            let claimed = self.app.db.write(self.app.system(), move |tx| outbox::claim(tx, &lanes, most)).await?;
            begun += claimed.len();
            for (message, place) in claimed.into_iter().zip(places) {
                under_way.spawn(self.clone().send(message, place));
            }
        }
        Ok(begun)
    }

    async fn send(self, message: Outgoing, place: Place) -> Result<()> {
        let late = |_| Err(Undelivered::Later("it took too long".to_owned()));
        let outcome = timeout(DELIVERY, self.transport.deliver(&message)).await.unwrap_or_else(late);
        if let Err(why) = &outcome {
            tracing::warn!(id = message.id, attempt = message.attempt, ?why, "a message was not delivered");
        }
        place.settle(&outcome, self.app.db.clock().now());
        self.app.db.write(self.app.system(), move |tx| outbox::settle(tx, &message, &outcome)).await
    }

    /// How long nothing is due that can be done.
    fn rest(&self) -> Result<Duration> {
        let now = self.app.db.clock().now();
        let parsed = |due: &String| due.parse::<Timestamp>().ok();
        let mut next: Vec<Timestamp> = recurring::next_due(&self.app)?.iter().filter_map(parsed).collect();
        for (provider, lanes) in self.waiting()? {
            // One that has no room has it again once something has ended, and that is not slept through.
            if let (Some(opens), Some(due)) =
                (self.app.breakers.opens_at(provider, now), lanes.first().and_then(|lane| parsed(&lane.due_at)))
            {
                next.push(opens.max(due));
            }
        }
        let wait = |at: Timestamp| Duration::try_from(at - now).unwrap_or(Duration::ZERO);
        // Clocks stand in milliseconds: not a moment too early.
        Ok(next.into_iter().map(wait).min().map_or(REST, |wait| wait.min(REST) + Duration::from_millis(1)))
    }

    async fn work(self, mut changes: watch::Receiver<()>, mut stop: oneshot::Receiver<()>) {
        let mut under_way = UnderWay::new();
        let trouble = |error: Error| {
            tracing::error!(%error, "the outbox and the jobs have to wait");
            TROUBLE
        };
        loop {
            changes.mark_unchanged();
            let begun = async {
                self.run_jobs().await?;
                self.fill(&mut under_way).await?;
                self.rest()
            };
            let rest = begun.await.unwrap_or_else(trouble);
            tokio::select! {
                biased;
                _ = &mut stop => break,
                changed = changes.changed() => if changed.is_err() { break },
                Some(ended) = under_way.join_next() => if let Err(error) = settled(ended) { sleep(trouble(error)).await },
                () = sleep(rest) => {}
            }
        }
        while under_way.join_next().await.is_some() {}
    }
}

/// What is on its way.
type UnderWay = JoinSet<Result<()>>;

/// What came of storing what came of a message; of one that broke off, whoever takes it over tells.
fn settled(ended: Result<Result<()>, JoinError>) -> Result<()> {
    ended.map_err(Error::internal)?
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
